/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Does the disk of a store path take writes? Who meets an error of it says so, and who waits for it asks; the maintenance
 * thread then tries, with a small file without a name, and goes on trying until one could be synced. So the path comes
 * back by itself, and no client's request is the trial. A trial that does not end is a failed one while it lasts.
 */
#include "storage/trunk/store_priv.h"

#include "dfscore/base/clock.h"
#include "dfscore/log/log.h"

enum {
    TRIAL_BYTES = 4096,
    REST_MS = 1000, /* after a good trial: what is said meanwhile was before it */
    HANGS_MS = 10 * 1000,
};

static bool says_unfit(int r)
{
    switch (r) {
    case -EIO:
    case -EROFS:
    case -EUCLEAN:
    case -ENXIO:
    case -ENODEV:
        return true;
    default:
        return false;
    }
}

static void ask_for_trial(struct sto_log *log)
{
    if (dfs_mono_ms() >= atomic_load(&log->trial_ms) + REST_MS &&
        !atomic_exchange(&log->suspected, true))
        sto_log_maint_ask(log);
}

void sto_log_suspect(struct sto_log *log, int err)
{
    if (says_unfit(err))
        ask_for_trial(log);
}

void sto_store_suspect(struct sto_store *s, int path, int err)
{
    CHECK_OBJ(s, STO_STORE_MAGIC);
    for (unsigned i = 0; i < s->path_count; i++)
        if (path < 0 || i == (unsigned)path)
            sto_log_suspect(&s->paths[i].log, err);
}

void sto_store_try(struct sto_store *s)
{
    CHECK_OBJ(s, STO_STORE_MAGIC);
    for (unsigned i = 0; i < s->path_count; i++)
        ask_for_trial(&s->paths[i].log);
}

static void say_unfit(struct sto_log *log, int err)
{
    if (!atomic_exchange(&log->unfit_said, true))
        dfs_log(LOG_ERROR, "store.path_takes_no_writes", KV_U64("path", log->o.path_index),
                KV_ERR(err));
}

bool sto_log_unfit(struct sto_log *log)
{
    uint64_t began = atomic_load(&log->trial_began_ms);
    bool hangs = began > 0 && dfs_mono_ms() - began >= HANGS_MS;
    if (hangs)
        say_unfit(log, -ETIMEDOUT);
    return hangs || atomic_load(&log->unfit);
}

bool sto_store_unfit(struct sto_store *s, unsigned path)
{
    ASSERT(path < s->path_count);
    return sto_log_unfit(&s->paths[path].log);
}

static int try_to_write(struct sto_log *log)
{
    static const char bytes[TRIAL_BYTES];
    struct sto_tmp t;
    int r = sto_tmp_open(log->dir, false, STO_MODE, &t);
    if (r < 0)
        return r;
    r = sto_write_all(log->dir->io, t.fd, bytes, sizeof(bytes), 0);
    if (r == 0 && log->dir->io->fsync(t.fd) < 0)
        r = -errno;
    sto_tmp_drop(log->dir, &t);
    return r;
}

bool sto_log_try_disk(struct sto_log *log)
{
    if (!atomic_load(&log->suspected) && !atomic_load(&log->unfit))
        return true;
    atomic_store(&log->trial_began_ms, dfs_mono_ms());
    int r = try_to_write(log);
    bool unfit = says_unfit(r);
    atomic_store(&log->unfit, unfit);
    atomic_store(&log->trial_began_ms, 0);
    if (!unfit)
        atomic_store(&log->trial_ms, dfs_mono_ms());
    atomic_store(&log->suspected, false);
    if (unfit)
        say_unfit(log, r);
    else if (atomic_exchange(&log->unfit_said, false))
        dfs_log(LOG_WARN, "store.path_takes_writes_again", KV_U64("path", log->o.path_index));
    return !unfit;
}
