/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Does the disk of a store path take writes, and in time? Who meets an error of it, or a sync that takes long, says so, and
 * who waits for it asks; the maintenance thread then tries, with a small file without a name, and goes on trying until one
 * could be synced, and soon. So the path comes back by itself, and no client's request is the trial. A trial that does not
 * end is a failed one while it lasts.
 *
 * A directory that has refused something (sto_dir_said()) is tried, too: the file gets a name there for a moment.
 */
#include "storage/trunk/store_priv.h"

#include <stdio.h>

#include "dfscore/base/clock.h"
#include "dfscore/log/log.h"

enum {
    TRIAL_BYTES = 4096,
    REST_MS = 1000, /* after a good trial: what is said meanwhile was before it */
    HANGS_MS = 10 * 1000,
    SPACE_LEFT = 1024 * 1024, /* a disk with as much is not full */
    /* Trials in a row that it takes to be slow, or quick again: a moment's load is neither. */
    SLOW_TRIALS = 2,
    QUICK_TRIALS = 3,
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
    if (says_unfit(err) || sto_dir_refused(log->dir) >= 0)
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

int sto_log_sync(struct sto_log *log, int fd)
{
    const uint64_t began_ms = dfs_mono_ms();
    int r = log->dir->io->fdatasync(fd) == 0 ? 0 : -errno;
    if (log->o.slow_ms > 0 && dfs_mono_ms() - began_ms >= log->o.slow_ms && !sto_log_slow(log))
        ask_for_trial(log);
    return r;
}

/* @dir: as sto_dir_refused(). */
static void dir_path(int dir, char out[16])
{
    if (dir == STO_DIR_MIRRORS)
        (void)snprintf(out, 16, "data/.mirrors");
    else if (dir >= 0 && dir < STO_DIRS)
        (void)snprintf(out, 16, "data/%02X/%02X", (unsigned)dir >> 8 & 0xff, (unsigned)dir & 0xff);
    else
        (void)snprintf(out, 16, "data");
}

static void say_unfit(struct sto_log *log, int err, int dir)
{
    char path[16];
    if (atomic_exchange(&log->unfit_said, true))
        return;
    dir_path(dir, path);
    dfs_log(LOG_ERROR, "store.path_takes_no_writes", KV_U64("path", log->o.path_index),
            KV_IF(dir >= 0, KV_Z("directory", path)), KV_ERR(err));
}

bool sto_log_unfit(struct sto_log *log)
{
    uint64_t began = atomic_load(&log->trial_began_ms);
    bool hangs = began > 0 && dfs_mono_ms() - began >= HANGS_MS;
    if (hangs)
        say_unfit(log, -ETIMEDOUT, -1);
    return hangs || atomic_load(&log->unfit);
}

bool sto_store_unfit(struct sto_store *s, unsigned path)
{
    ASSERT(path < s->path_count);
    return sto_log_unfit(&s->paths[path].log);
}

bool sto_log_slow(const struct sto_log *log)
{
    return atomic_load(&log->slow);
}

bool sto_store_slow(const struct sto_store *s, unsigned path)
{
    ASSERT(path < s->path_count);
    return sto_log_slow(&s->paths[path].log);
}

/* ---- the trial ---- */

struct trial {
    int disk;      /* what the file came to; -ETIMEDOUT: too late */
    uint64_t ms;   /* how long it took */
    int dir;       /* the directory, as sto_dir_refused(); -1: none */
    int directory; /* what the name there came to */
};

static int write_file(struct sto_log *log, struct sto_tmp *t)
{
    static const char bytes[TRIAL_BYTES];
    int r = sto_write_all(log->dir->io, t->fd, bytes, sizeof(bytes), 0);
    return r == 0 && log->dir->io->fsync(t->fd) < 0 ? -errno : r;
}

/* Always of one name: what a process leaves that is killed in between goes with the next trial. */
static int name_file(struct sto_dir *d, struct sto_tmp *t, int dir)
{
    char path[32], in[16];
    unsigned high = (unsigned)dir >> 8, low = (unsigned)dir & 0xff;
    bool files = dir < STO_DIRS; /* which may have to be made, and is theirs to be synced */
    dir_path(dir, in);
    (void)snprintf(path, sizeof(path), "%s/.trial", in);
    (void)d->io->unlinkat(d->root, path, 0);
    int r = files ? sto_tmp_link_below(d, t, high, low, path) : sto_tmp_link(d, t, path);
    if (r == 0 && d->io->unlinkat(d->root, path, 0) < 0)
        r = -errno;
    return r == 0 && files ? sto_dir_sync(d, high, low) : r;
}

static void try_to_write(struct sto_log *log, struct trial *t)
{
    const uint64_t began_ms = dfs_mono_ms();
    struct sto_tmp tmp;
    t->dir = sto_dir_refused(log->dir);
    t->disk = sto_tmp_open(log->dir, false, STO_MODE, &tmp);
    if (t->disk < 0)
        return;
    t->disk = write_file(log, &tmp);
    t->ms = dfs_mono_ms() - began_ms;
    if (t->disk == 0 && t->ms >= HANGS_MS)
        t->disk = -ETIMEDOUT;
    if (t->disk == 0 && t->dir >= 0 && t->dir != STO_DIRS)
        t->directory = name_file(log->dir, &tmp, t->dir);
    sto_tmp_drop(log->dir, &tmp);
}

/* Does @r say that the directory takes nothing, though the disk does? */
static bool says_refused(const struct sto_log *log, int r)
{
    struct sto_space space;
    if (r == -ENOSPC)
        return sto_dir_space(log->dir, &space) == 0 && space.free >= SPACE_LEFT;
    return sto_dir_refuses(r) || says_unfit(r);
}

/* Half the time is what makes a slow one quick again, or it would be now this, now that. */
static void judge_pace(struct sto_log *log, uint64_t ms)
{
    const bool was = sto_log_slow(log);
    if (log->o.slow_ms == 0)
        return;
    const bool slow = ms >= (was ? (log->o.slow_ms + 1) / 2 : log->o.slow_ms);
    log->slow_contradicted = slow == was ? 0 : log->slow_contradicted + 1;
    if (slow == was)
        return;
    if (log->slow_contradicted < (slow ? SLOW_TRIALS : QUICK_TRIALS)) {
        if (slow && !atomic_exchange(&log->suspected, true))
            sto_log_maint_ask(log);
        return;
    }
    log->slow_contradicted = 0;
    atomic_store(&log->slow, slow);
    dfs_log(LOG_WARN, slow ? "store.path_slow" : "store.path_quick_again",
            KV_U64("path", log->o.path_index), KV_U64("ms", ms));
}

static bool has_reason(struct sto_log *log)
{
    return atomic_load(&log->suspected) || atomic_load(&log->unfit) || sto_log_slow(log) ||
           sto_dir_refused(log->dir) >= 0;
}

bool sto_log_try_disk(struct sto_log *log)
{
    if (!has_reason(log))
        return true;
    struct trial t = {.dir = -1};
    atomic_store(&log->trial_began_ms, dfs_mono_ms());
    try_to_write(log, &t);
    bool fails = says_unfit(t.disk) || t.disk == -ETIMEDOUT;
    bool closed = !fails && t.disk != -ENOSPC && sto_dir_refuses(t.disk); /* data/ itself */
    bool refused = says_refused(log, t.directory), takes = !fails && !closed && !refused;
    if (t.dir >= 0 && t.disk == 0 && t.directory == 0)
        sto_dir_forget_refused(log->dir);
    atomic_store(&log->unfit, !takes);
    atomic_store(&log->trial_began_ms, 0);
    if (takes)
        atomic_store(&log->trial_ms, dfs_mono_ms());
    atomic_store(&log->suspected, false);
    if (!takes)
        say_unfit(log, refused ? t.directory : t.disk, closed ? STO_DIRS : refused ? t.dir : -1);
    else if (atomic_exchange(&log->unfit_said, false))
        dfs_log(LOG_WARN, "store.path_takes_writes_again", KV_U64("path", log->o.path_index));
    if (t.disk == 0 || t.disk == -ETIMEDOUT)
        judge_pace(log, t.ms);
    return !fails && !closed;
}
