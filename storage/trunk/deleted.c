/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Names that can come again: when they were deleted last (log.h).
 *
 * data/.log_deleted: "latest=" and the largest time noted, Unix milliseconds, decimal, and a line feed; missing before
 * the first. It matters when that is ahead of our clock, as another member's may be: recovery finds the records behind
 * the checkpoint only.
 */
#include <stdio.h>
#include <time.h>

#include "dfscore/fileid/fileid.h"
#include "dfscore/log/log.h"
#include "storage/trunk/log.h"

#define DELETED_FILE "data/.log_deleted"
enum { TEXT_MAX = 64 };

bool sto_log_comes_again(struct str name)
{
    struct dfs_fileid f; /* names of new files carry random bits of their own, and come once */
    return dfs_filename_parse(name, &f) < 0 || f.slave;
}

static struct sto_deleted *slot_of(struct sto_log *log, struct str name)
{
    return &log->deleted[dfs_pjw(name) % STO_DELETED_SLOTS];
}

void sto_log_note_deleted(struct sto_log *log, struct str name, uint64_t position, int64_t at_ms)
{
    if (!sto_log_comes_again(name))
        return;
    struct sto_deleted *slot = slot_of(log, name);
    pthread_mutex_lock(&log->lock);
    slot->position = MAX(slot->position, position);
    slot->at_ms = MAX(slot->at_ms, at_ms);
    log->deleted_ms = MAX(log->deleted_ms, at_ms);
    pthread_mutex_unlock(&log->lock);
}

int64_t sto_log_deleted_ms(struct sto_log *log, struct str name)
{
    pthread_mutex_lock(&log->lock);
    int64_t at_ms = MAX(slot_of(log, name)->at_ms, log->deleted_before_ms);
    pthread_mutex_unlock(&log->lock);
    return at_ms;
}

/* Until the checkpoint is behind the position at @slot (0: nothing to wait for), which may grow meanwhile. */
static int pass(struct sto_log *log, const uint64_t *slot)
{
    enum { TRIES = 200 }; /* of 1 ms: the changes that others are about end soon */
    for (int tries = 0; tries < TRIES; tries++) {
        pthread_mutex_lock(&log->lock);
        bool passed = *slot == 0 || *slot < log->checkpoint;
        pthread_mutex_unlock(&log->lock);
        if (passed)
            return 0;
        if (tries > 0)
            nanosleep(&(struct timespec){.tv_nsec = 1000 * 1000}, NULL);
        int r = sto_log_checkpoint(log);
        if (r < 0)
            return r;
    }
    return -EAGAIN;
}

int sto_log_pass_deletion(struct sto_log *log, struct str name)
{
    return sto_log_comes_again(name) ? pass(log, &slot_of(log, name)->position) : 0;
}

int sto_log_pass_all(struct sto_log *log)
{
    uint64_t last = sto_log_end(log);
    last -= last > 0; /* before the end, where the checkpoint will be */
    return pass(log, &last);
}

int sto_log_load_deleted(struct sto_log *log)
{
    AUTO(dfs_free_ptr) char *text = NULL;
    struct str key, value, line;
    int64_t latest = 0;
    size_t n = 0;
    int r = sto_dir_get_file(log->dir, DELETED_FILE, TEXT_MAX, &text, &n);
    if (r < 0 && r != -EFBIG)
        return r == -ENOENT ? 0 : r;
    if (r == 0 && str_cut(str_of(text, n), '\n', &line, &value) &&
        str_cut(line, '=', &key, &value) && str_eq(key, STR("latest")))
        latest = sto_rec_ms(value);
    if (latest == 0)
        dfs_log(LOG_WARN, "store.deleted_unreadable", KV_U64("path", log->o.path_index));
    log->deleted_ms = log->deleted_before_ms = log->deleted_saved_ms = latest;
    return 0;
}

int sto_log_save_deleted(struct sto_log *log)
{
    char text[TEXT_MAX];
    pthread_mutex_lock(&log->lock);
    int64_t latest = log->deleted_ms;
    pthread_mutex_unlock(&log->lock);
    if (latest <= log->deleted_saved_ms)
        return 0;
    int n = snprintf(text, sizeof(text), "latest=%lld\n", (long long)latest);
    int r = sto_dir_put_file(log->dir, DELETED_FILE, str_of(text, (size_t)n));
    if (r == 0)
        log->deleted_saved_ms = latest;
    return r;
}
