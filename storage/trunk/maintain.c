/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a log does aside: the next pack ready before it is needed, tails of full packs cut off,
 * checkpoints, and the sweep that gives dead records' space back. One thread per log.
 *
 * The sweep joins neighbouring dead records to a run: it syncs their marks, writes over the first header
 * a SKIP header that leads to the run's end, syncs again, and only then punches the run's blocks out of
 * the file. A pack with no live record is removed. Live records never move, so ids and positions stay
 * true. The order matters, because without its header a packed file can still be read by its name:
 *  - marks before the SKIP: recovery finds a slot to be emptied by the header in front of it, so a SKIP
 *    that reached the disk before the emptied slot would keep the deleted file for good;
 *  - the SKIP before the hole: else headers inside the run are gone before the log leads around them.
 */
#include <fcntl.h>
#include <unistd.h>

#include "dfscore/base/clock.h"
#include "dfscore/fileid/fileid.h"
#include "dfscore/log/log.h"
#include "storage/trunk/checkpoint.h"
#include "storage/trunk/walk.h"

enum {
    TICK_MS = 2000,
    BLOCK = 4096,
    PACK_LEAST = 1024 * 1024,
    PACKS_A_DISK = 64, /* small disks get small packs */
    CHECKPOINT_BYTES = 64 * 1024 * 1024,
    SWEEP_LEAST = 64 * 1024,
};

uint32_t sto_log_pack_size(const struct sto_log *log)
{
    struct sto_space space;
    if (sto_dir_space(log->dir, &space) < 0)
        return log->o.segment_size;
    uint64_t size = MAX(space.total / PACKS_A_DISK, (uint64_t)PACK_LEAST);
    return (uint32_t)MIN(size, (uint64_t)log->o.segment_size) / BLOCK * BLOCK;
}

/* ---- checkpoint ---- */

static int sync_dirty(struct sto_log *log, const struct sto_seg *segs, size_t n,
                      const uint64_t *dirs)
{
    for (size_t i = 0; i < n; i++) {
        if (!segs[i].dirty)
            continue;
        AUTO(dfs_close_fd) int fd = sto_log_open_pack(log, segs[i].number, true);
        if (fd == -ENOENT)
            continue; /* swept away meanwhile */
        if (fd < 0)
            return fd;
        if (log->dir->io->fdatasync(fd) < 0)
            return -errno;
    }
    for (unsigned bit = 0; bit < STO_DIRS; bit++) {
        if (!(dirs[bit / 64] >> (bit % 64) & 1))
            continue;
        int r = sto_dir_sync(log->dir, bit >> 8, bit & 0xff);
        if (r < 0 && r != -ENOENT)
            return r;
    }
    return 0;
}

struct snapshot {
    struct sto_checkpoint c;
    uint64_t *dirs;
    uint64_t lost;
};

static int take_snapshot(struct sto_log *log, struct snapshot *s)
{
    *s = (struct snapshot){.dirs = dfs_zalloc(STO_DIRS / 8)};
    if (!s->dirs)
        return -ENOMEM;
    pthread_mutex_lock(&log->lock);
    s->c.segs =
        dfs_memdup(log->seg_count ? (void *)log->segs : "", log->seg_count * sizeof(*log->segs));
    if (s->c.segs) {
        s->c.count = log->seg_count;
        bool held = log->holds.next != &log->holds;
        s->c.replay = held ? log->holds.next->position : log->end;
        s->c.next_seq = held ? log->holds.next->seq : log->synced_seq;
        memcpy(s->c.log_id, log->id, STO_LOG_ID);
        s->lost = log->marks_lost;
        for (size_t i = 0; i < log->seg_count; i++)
            log->segs[i].dirty = false;
        memcpy(s->dirs, log->dirty_dirs, STO_DIRS / 8);
        memset(log->dirty_dirs, 0, STO_DIRS / 8);
    }
    pthread_mutex_unlock(&log->lock);
    return s->c.segs ? 0 : -ENOMEM;
}

static int write_checkpoint(struct sto_log *log, const struct sto_checkpoint *c)
{
    AUTO(buf_free) struct buf b = BUF(STO_CHECKPOINT_MAX);
    sto_checkpoint_encode(c, &b);
    if (buf_err(&b))
        return buf_err(&b);
    return sto_dir_put_file(log->dir, STO_CHECKPOINT_FILE, buf_str(&b));
}

/* Make the marks before the position of @s again; then they are dirty pages, which @s must know of. */
static int redo_marks(struct sto_log *log, struct snapshot *s)
{
    int r = sto_log_redo(log, log->checkpoint, s->c.replay);
    if (r < 0)
        return r;
    struct snapshot now;
    r = take_snapshot(log, &now);
    now.c.replay = s->c.replay;
    now.c.next_seq = s->c.next_seq;
    now.lost = s->lost;
    free(s->c.segs);
    free(s->dirs);
    *s = now;
    return r;
}

static int checkpoint(struct sto_log *log)
{
    struct snapshot s;
    int r = take_snapshot(log, &s);
    if (r == 0 && s.lost != log->marks_redone)
        r = redo_marks(log, &s);
    if (r == 0) {
        r = sync_dirty(log, s.c.segs, s.c.count, s.dirs);
        if (r < 0)
            sto_log_lose_marks(log);
    }
    if (r ==
        0) { /* meanwhile a writer may have been told of an error that our descriptors came too late for */
        pthread_mutex_lock(&log->lock);
        r = log->marks_lost != s.lost ? -EIO : 0;
        pthread_mutex_unlock(&log->lock);
    }
    if (r == 0)
        r = sto_log_save_deleted(log);
    if (r == 0)
        r = write_checkpoint(log, &s.c);
    if (r == 0) {
        pthread_mutex_lock(&log->lock);
        log->checkpoint = s.c.replay;
        log->marks_redone = s.lost;
        pthread_mutex_unlock(&log->lock);
    }
    free(s.c.segs);
    free(s.dirs);
    return r;
}

int sto_log_checkpoint(struct sto_log *log)
{
    pthread_mutex_lock(&log->upkeep);
    int r = checkpoint(log);
    pthread_mutex_unlock(&log->upkeep);
    return r;
}

/* ---- sweep ---- */

struct run {
    uint32_t from, to;
    uint64_t first_seq, last_seq;
    unsigned records;
    bool only_skip; /* one SKIP, swept before */
};

struct sweep {
    struct sto_log *log;
    int fd;
    uint32_t number, salt;
    uint64_t forget; /* DELETE and CHANGE records before this are of no more use */
    struct run run;
    struct run *runs;
    size_t count, cap;
    uint32_t live, dead; /* bytes */
};

bool sto_log_holds(struct sto_log *log, const struct sto_rec *rec, struct str name)
{
    struct dfs_logical at;
    struct stat st;
    if (dfs_logical_parse(name, &at) < 0)
        return false;
    char path[DFS_LOCAL_PATH_MAX];
    dfs_logical_path(&at, "", path);
    if (fstatat(log->dir->root, path, &st, AT_SYMLINK_NOFOLLOW) < 0)
        return errno != ENOENT;
    /* The name of a file that has moved (moved.h) is a link, as a link's is. */
    bool link = rec->kind == STO_REC_CHANGE && (rec->op == 'L' || rec->op == STO_OP_MOVED);
    return S_ISLNK(st.st_mode) == link;
}

/* 1 dead, 0 live, negative errno. */
static int is_dead(struct sweep *s, struct sto_walk *w, const struct sto_rec *rec)
{
    if (rec->dead || rec->kind == STO_REC_SKIP)
        return 1;
    if (sto_rec_names_file(rec)) {
        struct sto_body body;
        if (rec->op == 'R' && rec->position >= s->forget)
            return 0; /* some member still has the file under its old name */
        int r = sto_walk_body(w, rec, false, &body);
        if (r == -EBADMSG)
            return 0;
        return r < 0 ? r : !sto_log_holds(s->log, rec, body.name);
    }
    return (rec->kind == STO_REC_DELETE || rec->kind == STO_REC_CHANGE) &&
           rec->position < s->forget;
}

static int end_run(struct sweep *s)
{
    if (s->run.to == s->run.from)
        return 0;
    if (s->count == s->cap) {
        size_t cap = MAX(s->cap * 2, (size_t)64);
        struct run *p = dfs_realloc(s->runs, cap * sizeof(*p));
        if (!p)
            return -ENOMEM;
        s->runs = p;
        s->cap = cap;
    }
    s->runs[s->count++] = s->run;
    s->run = (struct run){0};
    return 0;
}

static int find_runs(struct sweep *s, uint32_t end)
{
    AUTO(sto_walk_fini) struct sto_walk w;
    sto_walk_init(&w, s->log->dir->io, s->fd, s->number, s->salt, STO_PACK_HEAD, end);
    struct sto_rec rec;
    int r;
    while ((r = sto_walk_next(&w, &rec)) > 0) {
        uint32_t at = STO_POS_OFF(rec.position);
        int dead = is_dead(s, &w, &rec);
        if (dead < 0)
            return dead;
        if ((!dead || at != s->run.to) && (r = end_run(s)) < 0)
            return r;
        if (!dead) {
            s->live += rec.total;
            continue;
        }
        bool skip = rec.kind == STO_REC_SKIP;
        if (s->run.records == 0)
            s->run = (struct run){.from = at, .first_seq = rec.seq, .only_skip = skip};
        else
            s->run.only_skip = false;
        s->run.to = at + rec.total;
        s->run.last_seq = skip ? rec.batch_seq : rec.seq;
        s->run.records++;
        s->dead += rec.total;
    }
    s->live += (uint32_t)w.damaged; /* never throw away what could not be read */
    return r < 0 ? r : end_run(s);
}

/* A failed sync may have dropped marks of records that are not in any run, too. */
static int sync_pack(struct sto_log *log, int fd)
{
    if (log->dir->io->fdatasync(fd) == 0)
        return 0;
    int r = -errno;
    sto_log_lose_marks(log);
    return r;
}

static int write_skips(struct sweep *s)
{
    bool any = false;
    for (size_t i = 0; i < s->count; i++)
        any |= !s->runs[i].only_skip;
    if (!any)
        return 0;
    int r = sync_pack(s->log, s->fd); /* the marks of the runs' records */
    if (r < 0)
        return r;
    for (size_t i = 0; i < s->count; i++) {
        const struct run *run = &s->runs[i];
        if (run->only_skip)
            continue;
        struct sto_rec skip = {
            .kind = STO_REC_SKIP,
            .dead = true,
            .seq = run->first_seq,
            .batch_seq = run->last_seq,
            .position = STO_POS(s->number, run->from),
            .total = run->to - run->from,
        };
        uint8_t head[STO_REC_HEAD];
        sto_rec_encode(&skip, s->salt, head);
        r = sto_write_all(s->log->dir->io, s->fd, head, sizeof(head), run->from);
        if (r < 0)
            return r;
    }
    return sync_pack(s->log, s->fd);
}

static void punch_runs(struct sweep *s)
{
    for (size_t i = 0; i < s->count; i++) {
        const struct run *run = &s->runs[i];
        if (run->only_skip)
            continue;
        uint64_t from = ((uint64_t)run->from + STO_REC_HEAD + BLOCK - 1) / BLOCK * BLOCK;
        uint64_t to = (uint64_t)run->to / BLOCK * BLOCK;
        if (to > from)
            (void)s->log->dir->io->fallocate(s->fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE,
                                             (off_t)from, (off_t)(to - from));
    }
}

static int remove_pack(struct sto_log *log, uint32_t number)
{
    char path[DFS_LOCAL_PATH_MAX];
    dfs_trunk_path(log->high, log->low, number, path);
    if (log->dir->io->unlinkat(log->dir->root, path, 0) < 0 && errno != ENOENT)
        return -errno;
    sto_log_note_unlink(log, log->high, log->low);
    pthread_mutex_lock(&log->lock);
    sto_log_drop_seg(log, number);
    pthread_mutex_unlock(&log->lock);
    return 0;
}

static int sweep(struct sto_log *log, uint32_t number)
{
    struct sto_seg seg;
    if (!sto_log_seg_at(log, number, &seg) || seg.number != number)
        return -ENOENT;
    AUTO(dfs_close_fd) int fd = sto_log_open_pack(log, number, true);
    struct sto_pack_head h;
    int r = fd < 0 ? fd : sto_pack_head_read(log->dir->io, fd, &h);
    if (r < 0)
        return r == -ENOENT ? remove_pack(log, number) : r;
    struct sweep s = {.log = log, .fd = fd, .number = number, .salt = h.salt};
    pthread_mutex_lock(&log->lock);
    s.forget = MIN(log->checkpoint, log->retain);
    pthread_mutex_unlock(&log->lock);
    r = find_runs(&s, seg.end);
    if (r == 0 && s.live == 0) {
        r = remove_pack(log, number);
    } else if (r == 0) {
        r = write_skips(&s);
        if (r == 0)
            punch_runs(&s);
        pthread_mutex_lock(&log->lock);
        struct sto_seg *left = sto_log_find_seg(log, number);
        if (r == 0 && left)
            left->dead -= MIN(left->dead, seg.dead);
        pthread_mutex_unlock(&log->lock);
    }
    free(s.runs);
    return r;
}

int sto_log_sweep(struct sto_log *log, uint32_t number)
{
    pthread_mutex_lock(&log->upkeep);
    int r = sweep(log, number);
    pthread_mutex_unlock(&log->upkeep);
    return r;
}

/* ---- the thread ---- */

static void make_spare(struct sto_log *log)
{
    pthread_mutex_lock(&log->lock);
    bool want = log->spare.fd < 0 && log->cur.fd >= 0;
    pthread_mutex_unlock(&log->lock);
    struct sto_space space;
    uint32_t size = sto_log_pack_size(log);
    if (!want || sto_dir_space(log->dir, &space) < 0 ||
        space.free < log->o.reserve + 2 * (uint64_t)size)
        return;
    struct sto_tmp t;
    if (sto_pack_prepare(log->dir, size, size, !log->o.relaxed, &t, &size) < 0)
        return; /* a disk too full for it says so to the next writer */
    pthread_mutex_lock(&log->lock);
    log->spare = t;
    log->spare_size = size;
    pthread_mutex_unlock(&log->lock);
}

/* Cut preallocated tails off packs that are no longer written to. */
static void trim_packs(struct sto_log *log)
{
    for (uint32_t from = 0;;) {
        struct sto_seg seg = {0};
        pthread_mutex_lock(&log->lock);
        for (size_t i = 0; i + 1 < log->seg_count && !seg.number; i++)
            if (log->segs[i].trim && log->segs[i].number > from) {
                log->segs[i].trim = false;
                seg = log->segs[i];
            }
        pthread_mutex_unlock(&log->lock);
        if (!seg.number)
            return;
        from = seg.number;
        AUTO(dfs_close_fd) int fd = sto_log_open_pack(log, seg.number, true);
        struct stat st;
        if (fd >= 0 && fstat(fd, &st) == 0 && (uint64_t)st.st_size > seg.end)
            (void)log->dir->io->ftruncate(fd, seg.end);
    }
}

static bool worth_sweeping(const struct sto_seg *s, bool low)
{
    uint32_t used = s->end - STO_PACK_HEAD;
    if (s->dead == 0)
        return false;
    return low || s->dead >= used || (s->dead >= SWEEP_LEAST && s->dead >= used / 4);
}

/* Note whether space is short; then the pack being written may have to be given to the sweep, too. */
static bool look_at_space(struct sto_log *log)
{
    struct sto_space space;
    bool low = sto_dir_space(log->dir, &space) == 0 && space.free < 2 * log->o.reserve;
    pthread_mutex_lock(&log->lock);
    log->tight = low;
    const struct sto_seg *last = log->seg_count ? &log->segs[log->seg_count - 1] : NULL;
    if (low && last && last->dead >= SWEEP_LEAST && last->dead >= last->end / 4)
        log->seal = true;
    pthread_mutex_unlock(&log->lock);
    return low;
}

static void sweep_packs(struct sto_log *log, bool low)
{
    for (uint32_t from = 1;;) {
        struct sto_seg seg = {0};
        pthread_mutex_lock(&log->lock);
        uint32_t before = STO_POS_PACK(MIN(log->checkpoint, log->end));
        bool stop = log->stopping;
        for (size_t i = 0; i < log->seg_count && log->segs[i].number < before && !seg.number; i++)
            if (log->segs[i].number >= from && worth_sweeping(&log->segs[i], low))
                seg = log->segs[i];
        pthread_mutex_unlock(&log->lock);
        if (!seg.number || stop)
            return;
        int r = sto_log_sweep(log, seg.number);
        if (r < 0)
            dfs_log(LOG_WARN, "store.sweep_failed", KV_U64("path", log->o.path_index),
                    KV_U64("pack", seg.number), KV_ERR(r));
        from = seg.number + 1;
    }
}

static bool checkpoint_due(struct sto_log *log)
{
    pthread_mutex_lock(&log->lock);
    uint64_t from = log->checkpoint, to = log->end;
    bool lost = log->marks_lost != log->marks_redone;
    pthread_mutex_unlock(&log->lock);
    return lost || STO_POS_PACK(from) != STO_POS_PACK(to) || to - from >= CHECKPOINT_BYTES;
}

void sto_log_maint_once(struct sto_log *log)
{
    if (!sto_log_try_disk(log))
        return;
    bool low = look_at_space(log);
    make_spare(log);
    trim_packs(log);
    if (checkpoint_due(log)) {
        int r = sto_log_checkpoint(log);
        if (r < 0)
            dfs_log(LOG_WARN, "store.checkpoint_failed", KV_U64("path", log->o.path_index),
                    KV_ERR(r));
    }
    sweep_packs(log, low);
}

static void *maint_main(void *arg)
{
    struct sto_log *log = arg;
    pthread_mutex_lock(&log->lock);
    while (log->maint_running) {
        if (!log->maint_asked) {
            struct timespec until = dfs_mono_after(TICK_MS);
            pthread_cond_timedwait(&log->maint_wake, &log->lock, &until);
            if (!log->maint_running)
                break;
        }
        log->maint_asked = false;
        pthread_mutex_unlock(&log->lock);
        sto_log_maint_once(log);
        pthread_mutex_lock(&log->lock);
    }
    pthread_mutex_unlock(&log->lock);
    return NULL;
}

int sto_log_maint_start(struct sto_log *log)
{
    log->maint_running = true;
    int r = -pthread_create(&log->maint_thread, NULL, maint_main, log);
    if (r < 0)
        log->maint_running = false;
    return r;
}

void sto_log_maint_stop(struct sto_log *log)
{
    pthread_mutex_lock(&log->lock);
    bool running = log->maint_running;
    log->maint_running = false;
    pthread_cond_signal(&log->maint_wake);
    pthread_mutex_unlock(&log->lock);
    if (running)
        pthread_join(log->maint_thread, NULL);
}

void sto_log_maint_ask(struct sto_log *log)
{
    pthread_mutex_lock(&log->lock);
    log->maint_asked = true;
    pthread_cond_signal(&log->maint_wake);
    pthread_mutex_unlock(&log->lock);
}
