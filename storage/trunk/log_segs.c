/* SPDX-License-Identifier: Apache-2.0 */
/* The packs of a log as memory knows them, and marks made in place. */
#include <fcntl.h>
#include <unistd.h>

#include "dfscore/fileid/fileid.h"
#include "storage/trunk/log.h"
#include "storage/trunk/slot.h"

/* Index of the first pack whose number is not below @number. */
static size_t lower_bound(const struct sto_log *log, uint32_t number)
{
    size_t lo = 0, hi = log->seg_count;
    while (lo < hi) {
        size_t mid = lo + (hi - lo) / 2;
        if (log->segs[mid].number < number)
            lo = mid + 1;
        else
            hi = mid;
    }
    return lo;
}

struct sto_seg *sto_log_find_seg(struct sto_log *log, uint32_t number)
{
    size_t i = lower_bound(log, number);
    return i < log->seg_count && log->segs[i].number == number ? &log->segs[i] : NULL;
}

int sto_log_add_seg(struct sto_log *log, const struct sto_seg *seg)
{
    ASSERT(log->seg_count == 0 || log->segs[log->seg_count - 1].number < seg->number);
    if (log->seg_count == log->seg_cap) {
        size_t cap = MAX(log->seg_cap * 2, (size_t)64);
        struct sto_seg *p = dfs_realloc(log->segs, cap * sizeof(*p));
        if (!p)
            return -ENOMEM;
        log->segs = p;
        log->seg_cap = cap;
    }
    log->segs[log->seg_count++] = *seg;
    return 0;
}

void sto_log_drop_seg(struct sto_log *log, uint32_t number)
{
    size_t i = lower_bound(log, number);
    if (i == log->seg_count || log->segs[i].number != number)
        return;
    memmove(&log->segs[i], &log->segs[i + 1], (log->seg_count - i - 1) * sizeof(*log->segs));
    log->seg_count--;
}

bool sto_log_seg_at(struct sto_log *log, uint32_t number, struct sto_seg *ret)
{
    pthread_mutex_lock(&log->lock);
    size_t i = lower_bound(log, number);
    bool found = i < log->seg_count;
    if (found)
        *ret = log->segs[i];
    pthread_mutex_unlock(&log->lock);
    return found;
}

void sto_log_note_dead(struct sto_log *log, uint32_t number, uint32_t dead)
{
    pthread_mutex_lock(&log->lock);
    struct sto_seg *s = sto_log_find_seg(log, number);
    if (s) {
        s->dirty = true;
        s->dead = (uint32_t)MIN((uint64_t)s->dead + dead, (uint64_t)s->end);
    }
    if (log->tight) {
        log->maint_asked = true;
        pthread_cond_signal(&log->maint_wake);
    }
    pthread_mutex_unlock(&log->lock);
}

void sto_log_lose_marks(struct sto_log *log)
{
    pthread_mutex_lock(&log->lock);
    log->marks_lost++;
    pthread_mutex_unlock(&log->lock);
}

void sto_log_note_unlink(struct sto_log *log, unsigned high, unsigned low)
{
    unsigned bit = (high & 0xff) << 8 | (low & 0xff);
    pthread_mutex_lock(&log->lock);
    log->dirty_dirs[bit / 64] |= (uint64_t)1 << (bit % 64);
    pthread_mutex_unlock(&log->lock);
}

int sto_log_open_pack(struct sto_log *log, uint32_t number, bool write)
{
    char path[DFS_LOCAL_PATH_MAX];
    dfs_trunk_path(log->high, log->low, number, path);
    int fd = log->dir->io->openat(log->dir->root, path, write ? O_RDWR : O_RDONLY, 0);
    return fd < 0 ? -errno : fd;
}

/*
 * The slot tells where its record is: our header is the 64 bytes before it. A pack that another server
 * of the group made has the same form, so this works for its files too.
 */
int sto_log_mark_dead(struct sto_log *log, const struct dfs_fileid *f)
{
    const struct sto_io *io = log->dir->io;
    char path[DFS_LOCAL_PATH_MAX];
    dfs_trunk_path(f->at.high, f->at.low, f->trunk.file_id, path);
    AUTO(dfs_close_fd) int fd = io->openat(log->dir->root, path, O_RDWR, 0);
    if (fd < 0)
        return sto_dir_said(log->dir, f->at.high, f->at.low, -errno);
    struct sto_pack_head head;
    int r = sto_pack_head_read(io, fd, &head);
    if (r < 0)
        return r == -EBADMSG ? -ENOENT : r;
    if (head.number != f->trunk.file_id || f->trunk.offset < STO_PACK_HEAD + STO_REC_HEAD)
        return -ENOENT;
    uint32_t at = f->trunk.offset - STO_REC_HEAD;
    uint8_t bytes[STO_REC_HEAD + DFS_TRUNK_HEADER];
    ssize_t n = sto_read_all(io, fd, bytes, sizeof(bytes), at);
    if (n < 0)
        return (int)n;
    struct sto_rec rec;
    if (n < (ssize_t)sizeof(bytes) ||
        sto_rec_decode(bytes, head.salt, STO_POS(head.number, at), UINT32_MAX, &rec) < 0)
        return -ENOENT;
    if (rec.kind != STO_REC_OBJECT || !sto_slot_held(bytes + STO_REC_HEAD, f))
        return -ENOENT;
    /*
     * Made anew where they are there: a crash may have kept one of the two, and what a process before us
     * wrote may be in the page cache only, even counted as clean because its sync failed.
     */
    bool done = rec.dead && bytes[STO_REC_HEAD] == 0;
    /*
     * The slot first: once the sweep sees the state it may write over the header and sync the pack, and
     * recovery would not find the slot again by it.
     */
    r = sto_write_all(io, fd, "", 1, at + STO_REC_HEAD); /* FastDFS: type 0 is an empty slot */
    if (r == 0)
        r = sto_write_all(io, fd, "D", 1, at + STO_REC_STATE_AT);
    if (r < 0)
        return r;
    if (f->at.high == log->high && f->at.low == log->low)
        sto_log_note_dead(log, head.number, done ? 0 : rec.total);
    else if (io->fdatasync(fd) < 0) /* another log's pack: no checkpoint of ours will do it */
        return -errno;
    if (done)
        return -ENOENT;
    enum { BLOCK = 4096, PUNCH_FROM = 64 * 1024 };
    uint64_t from = (at + STO_REC_HEAD + STO_REC_SLOT + BLOCK - 1) / BLOCK * BLOCK;
    uint64_t to = ((uint64_t)at + rec.total) / BLOCK * BLOCK;
    if (to > from && to - from >= PUNCH_FROM) /* smaller ones wait for the sweeper, many at once */
        (void)io->fallocate(fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, (off_t)from,
                            (off_t)(to - from));
    return 0;
}
