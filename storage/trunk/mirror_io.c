/* SPDX-License-Identifier: Apache-2.0 */
/* Packs of our own log and of mirrors: cut into pieces for peers, and put together from pieces. */
#include <fcntl.h>
#include <stdio.h>
#include <unistd.h>

#include "dfscore/base/dirs.h"
#include "storage/trunk/mirror_priv.h"
#include "storage/trunk/walk.h"

/* --- finding packs ------------------------------------------------------------------------------- */

static int open_pack(struct sto_path *p, const struct sto_log_info *log, uint32_t number, int flags)
{
    char path[DFS_LOCAL_PATH_MAX];
    dfs_trunk_path(log->high, log->low, number, path);
    int fd = p->dir.io->openat(p->dir.root, path, flags, 0644);
    return fd < 0 ? sto_dir_said(&p->dir, log->high, log->low, -errno) : fd;
}

/* The smallest pack number >= @from in the directory of a mirror: 0, -ENOENT, or another errno. */
static int next_mirror_pack(struct sto_path *p, const struct sto_log_info *log, uint32_t from,
                            uint32_t *ret)
{
    char path[32];
    (void)snprintf(path, sizeof(path), "data/%02X/%02X", log->high, log->low);
    DIR *dir;
    int r = dfs_dir_open(p->dir.root, path, &dir);
    if (r < 0)
        return r;
    uint64_t best = UINT64_MAX, number;
    for (struct dirent *e; (r = dfs_dir_next(dir, &e)) > 0;)
        if (str_u64(str_c(e->d_name), UINT32_MAX, &number) == 0 && number >= from && number < best)
            best = number;
    closedir(dir);
    if (r < 0 || best == UINT64_MAX)
        return r < 0 ? r : -ENOENT;
    *ret = (uint32_t)best;
    return 0;
}

int sto_mirrors_pack_at(struct sto_path *p, const struct sto_log_info *log, uint32_t from,
                        uint32_t *number, uint32_t *end)
{
    if (log->own) {
        struct sto_seg seg;
        if (!sto_log_seg_at(&p->log, from, &seg))
            return -ENOENT;
        *number = seg.number;
        *end = seg.end;
    } else {
        int r = next_mirror_pack(p, log, from, number);
        if (r < 0)
            return r;
        *end = UINT32_MAX; /* cut by the mark below, or by the file's end */
    }
    if (*number > STO_POS_PACK(log->end))
        return -ENOENT;
    if (*number == STO_POS_PACK(log->end))
        *end = MIN(*end, STO_POS_OFF(log->end));
    return 0;
}

/* --- reading --------------------------------------------------------------------------------------- */

static int append_bytes(const struct sto_io *io, int fd, uint32_t at, size_t n, struct buf *out)
{
    char *to = buf_room(out, n);
    if (!to)
        return buf_err(out);
    ssize_t got = sto_read_all(io, fd, to, n, at);
    if (got < 0)
        return (int)got;
    if ((size_t)got != n)
        return -EIO;
    buf_used(out, n);
    return 0;
}

/* Records without a gap from the first valid one at or behind @off. 1: found; 0: none before @end. */
static int find_run(struct sto_walk *w, uint32_t *first, uint32_t *last)
{
    struct sto_rec rec;
    int r;
    *first = *last = 0;
    while ((r = sto_walk_next(w, &rec)) > 0) {
        uint32_t at = STO_POS_OFF(rec.position);
        if (*last > 0 &&
            (rec.kind == STO_REC_SKIP || at != *last || at + rec.total - *first > STO_RANGE_BYTES))
            break;
        if (rec.kind == STO_REC_SKIP)
            continue;
        if (*last == 0)
            *first = at;
        *last = at + rec.total;
    }
    return r < 0 ? r : *last > 0;
}

/* 1: a piece has been read; 0: nothing in this pack at or behind @off. */
static int read_pack(struct sto_path *p, const struct sto_log_info *log, uint32_t number,
                     uint32_t off, uint32_t end, struct buf *out, struct sto_range *ret)
{
    struct sto_pack_head head;
    struct stat st;
    AUTO(dfs_close_fd) int fd = open_pack(p, log, number, O_RDONLY);
    if (fd < 0)
        return fd == -ENOENT ? 0 : fd;
    int r = sto_pack_head_read(p->dir.io, fd, &head);
    if (r < 0)
        return r == -EBADMSG ? 0 : r;
    if (fstat(fd, &st) < 0)
        return -errno;
    end = (uint32_t)MIN((uint64_t)end, (uint64_t)st.st_size);
    uint32_t first = 0, last = STO_PACK_HEAD;
    if (off >= STO_PACK_HEAD) {
        AUTO(sto_walk_fini) struct sto_walk w;
        sto_walk_init(&w, p->dir.io, fd, number, head.salt, off, end);
        r = find_run(&w, &first, &last);
        if (r <= 0)
            return r;
    }
    *ret = (struct sto_range){
        .number = number, .offset = first, .n = last - first, .next = STO_POS(number, last)};
    r = append_bytes(p->dir.io, fd, first, ret->n, out);
    return r < 0 ? r : 1;
}

int sto_mirrors_read(struct sto_mirrors *m, unsigned path, const uint8_t id[STO_LOG_ID_LEN],
                     uint64_t position, struct buf *out, struct sto_range *ret)
{
    struct sto_log_info log;
    int r = sto_mirrors_find(m, path, id, &log);
    if (r < 0)
        return r;
    struct sto_path *p = &m->store->paths[path];
    uint32_t want = STO_POS_PACK(position), off = STO_POS_OFF(position);
    *ret = (struct sto_range){.next = MAX(position, log.end), .end = log.end};
    while (position < log.end) {
        uint32_t number = 0, end = 0;
        r = sto_mirrors_pack_at(p, &log, want, &number, &end);
        if (r < 0)
            return r == -ENOENT ? 0 : r;
        if (number != want)
            off = 0;
        r = off < end ? read_pack(p, &log, number, off, end, out, ret) : 0;
        ret->end = log.end;
        if (r != 0)
            return MIN(r, 0);
        want = number + 1;
        off = 0;
    }
    return 0;
}

/* --- writing --------------------------------------------------------------------------------------- */

static int begin_pack(struct sto_path *p, const struct sto_log_info *log,
                      const struct sto_range *range, struct str bytes)
{
    int r = sto_dir_make(&p->dir, log->high, log->low);
    if (r < 0)
        return r;
    AUTO(dfs_close_fd) int fd = open_pack(p, log, range->number, O_WRONLY | O_CREAT);
    if (fd < 0)
        return fd;
    r = sto_write_all(p->dir.io, fd, bytes.p, bytes.n, 0);
    if (r == 0 && p->dir.io->fsync(fd) < 0)
        r = -errno;
    return r < 0 ? r : sto_dir_sync(&p->dir, log->high, log->low);
}

/*
 * An object cannot be read before its turn among the entries has come: its slot is written as empty (type 0) with
 * the piece, and filled in then.
 */
static int empty_slots(const struct sto_pack_head *head, const struct sto_range *range,
                       uint8_t *bytes)
{
    struct sto_rec rec;
    for (size_t at = 0; at + STO_REC_HEAD + STO_REC_SLOT <= range->n; at += rec.total) {
        if (sto_rec_decode(bytes + at, head->salt, STO_POS(range->number, range->offset + at),
                           range->n - at, &rec) < 0)
            return -EBADMSG;
        if (rec.kind == STO_REC_OBJECT && !rec.dead)
            bytes[at + STO_REC_HEAD] = 0;
    }
    return 0;
}

static int write_records(struct sto_path *p, int fd, const struct sto_pack_head *head,
                         const struct sto_range *range, struct str bytes)
{
    AUTO(dfs_free_ptr) uint8_t *copy = dfs_memdup(bytes.p, bytes.n);
    if (!copy)
        return -ENOMEM;
    int r = empty_slots(head, range, copy);
    return r < 0 ? r : sto_write_all(p->dir.io, fd, copy, bytes.n, range->offset);
}

/* A piece is a header page of that log, or lies behind one. */
static bool piece_ok(const struct sto_log_info *log, const struct sto_range *range,
                     struct str bytes)
{
    struct sto_pack_head head;
    if (range->n != bytes.n || range->number == 0 || bytes.n > UINT32_MAX - range->offset)
        return false;
    if (range->offset > 0)
        return range->offset >= STO_PACK_HEAD;
    return bytes.n == STO_PACK_HEAD &&
           sto_pack_head_decode((const uint8_t *)bytes.p, bytes.n, &head) == 0 &&
           head.number == range->number && memcmp(head.log_id, log->id, STO_LOG_ID_LEN) == 0;
}

static int tell(struct sto_walk *w, const struct sto_rec *rec, sto_scan_fn *fn, void *arg)
{
    struct sto_body body;
    int r = sto_walk_body(w, rec, true, &body);
    if (r < 0)
        return r;
    struct sto_entry e = {
        .position = rec->position,
        .next = rec->position + rec->total,
        .op = (char)rec->op,
        .again = (rec->flags & STO_REC_AGAIN) != 0,
        .summed = rec->kind == STO_REC_FILE && (rec->flags & STO_REC_SUMMED) != 0,
        .crc32 = rec->data_crc,
        .time_s = rec->time_s,
        .name = body.name,
        .extra = body.extra,
        .desc = body.desc,
    };
    if (rec->kind == STO_REC_NOTE)
        e.kind = DFS_SCAN_NOTE;
    else if (rec->kind == STO_REC_OBJECT || rec->kind == STO_REC_FILE)
        e.kind = rec->flags & STO_REC_NATIVE ? DFS_SCAN_NATIVE : DFS_SCAN_OBJECT;
    return fn(&e, arg);
}

/* A piece on its way. */
struct taking {
    struct sto_walk w;
    const struct sto_taker *taker;
    struct sto_path *path;
    uint64_t seen, done; /* all before that position; done: 0 at first */
    bool put_off;        /* some of what lies between the two */
    uint64_t slots[512]; /* objects between the two, to be filled */
    size_t slot_count;
    int failed; /* settling: nothing behind done is done any more */
};

/* Where the object has been deleted ahead of its coming it is so now: 1; else 0, or negative errno. */
static int is_over(const struct taking *k, struct sto_walk *w, uint64_t position)
{
    struct sto_rec rec;
    struct sto_body body;
    struct dfs_fileid f;
    if (!k->path->ahead.list)
        return 0;
    w->at = STO_POS_OFF(position);
    int r = sto_walk_head(w, &rec);
    if (r == 0)
        r = sto_walk_body(w, &rec, false, &body);
    if (r < 0 || !sto_ahead_has(&k->path->ahead, body.name, 0) || !sto_is_packed(body.name, &f))
        return r;
    r = sto_log_mark_dead(&k->path->log, &f);
    return r < 0 && r != -ENOENT ? r : 1;
}

static int fill_slots(struct taking *k)
{
    AUTO(sto_walk_fini) struct sto_walk w;
    sto_walk_init(&w, k->w.io, k->w.fd, k->w.number, k->w.salt, STO_PACK_HEAD, k->w.end);
    AUTO(sto_unlock) pthread_mutex_t *m = &k->path->ahead.lock;
    pthread_mutex_lock(m);
    for (size_t i = 0; i < k->slot_count; i++) {
        off_t at = (off_t)STO_POS_OFF(k->slots[i]) + STO_REC_HEAD;
        int r = is_over(k, &w, k->slots[i]);
        if (r == 0)
            r = sto_write_all(k->w.io, k->w.fd, "F", 1, at);
        if (r < 0)
            return r;
    }
    k->slot_count = 0;
    k->put_off = false;
    k->done = k->seen;
    return 0;
}

static int settle(struct taking *k)
{
    if (k->failed == 0 && k->put_off)
        k->failed = k->taker->settle(k->taker->arg);
    return k->failed < 0 ? k->failed : fill_slots(k);
}

static int take_entry(struct taking *k, const struct sto_rec *rec)
{
    int r = tell(&k->w, rec, k->taker->entry, k->taker->arg);
    if (r == STO_SETTLE_FIRST) {
        r = settle(k);
        if (r == 0)
            r = tell(&k->w, rec, k->taker->entry, k->taker->arg);
    }
    if (r < 0)
        return r;
    ASSERT(r == STO_PUT_OFF || (r == 0 && !k->put_off));
    k->put_off = r == STO_PUT_OFF;
    if (rec->kind == STO_REC_OBJECT)
        k->slots[k->slot_count++] = rec->position;
    return 0;
}

static int take_record(struct taking *k, const struct sto_rec *rec)
{
    int r = rec->dead || rec->kind == STO_REC_SKIP ? 0 : take_entry(k, rec);
    if (r < 0)
        return r;
    k->seen = rec->position + rec->total;
    return !k->put_off || k->slot_count == ARRAY_LEN(k->slots) ? settle(k) : 0;
}

/* Entry by entry. What was put off is done also when a later one cannot be. */
static int take_entries(struct taking *k)
{
    struct sto_rec rec;
    int r;
    while ((r = sto_walk_next(&k->w, &rec)) > 0 && k->w.damaged == 0) {
        r = take_record(k, &rec);
        if (r < 0)
            break;
    }
    if (r >= 0 && k->w.damaged > 0)
        r = -EBADMSG;
    int settled = settle(k);
    return r < 0 ? r : settled;
}

static int extend_pack(struct sto_path *p, const struct sto_log_info *log,
                       const struct sto_range *range, struct str bytes,
                       const struct sto_taker *taker, uint64_t *done)
{
    struct sto_pack_head head;
    AUTO(dfs_close_fd) int fd = open_pack(p, log, range->number, O_RDWR);
    if (fd < 0)
        return fd;
    int r = sto_pack_head_read(p->dir.io, fd, &head);
    if (r < 0 || memcmp(head.log_id, log->id, STO_LOG_ID_LEN) != 0)
        return -EBADMSG;
    r = write_records(p, fd, &head, range, bytes);
    if (r < 0)
        return r;
    struct taking k = {.taker = taker, .path = p};
    sto_walk_init(&k.w, p->dir.io, fd, range->number, head.salt, range->offset,
                  range->offset + (uint32_t)range->n);
    r = take_entries(&k);
    sto_walk_fini(&k.w);
    int synced = k.done > 0 ? sto_log_sync(&p->log, fd) : 0;
    if (synced < 0)
        return synced;
    *done = k.done;
    return r;
}

int sto_mirrors_drop_undone(struct sto_path *p, const struct sto_log_info *here)
{
    struct stat st;
    off_t end = STO_POS_OFF(here->end);
    AUTO(dfs_close_fd) int fd = open_pack(p, here, STO_POS_PACK(here->end), O_RDWR);
    if (fd < 0)
        return fd == -ENOENT ? 0 : fd;
    if (fstat(fd, &st) < 0)
        return -errno;
    if (st.st_size <= end)
        return 0;
    return p->dir.io->ftruncate(fd, end) < 0 || p->dir.io->fdatasync(fd) < 0 ? -errno : 0;
}

/* The next piece begins at @position. */
static int go_on_at(struct sto_mirrors *m, unsigned path, const struct sto_log_info *info,
                    uint64_t position)
{
    struct sto_log_info here;
    int r = sto_mirrors_add(m, path, info);
    if (r == 0)
        r = sto_mirrors_find(m, path, info->id, &here);
    return r < 0 || here.end == position ? r
                                         : sto_mirrors_drop_undone(&m->store->paths[path], &here);
}

int sto_mirrors_swept(struct sto_mirrors *m, unsigned path, const struct sto_log_info *info,
                      uint64_t position)
{
    int r = go_on_at(m, path, info, position);
    return r < 0 ? r : sto_mirrors_mark(m, path, info, position);
}

int sto_mirrors_take(struct sto_mirrors *m, unsigned path, const struct sto_log_info *info,
                     const struct sto_range *range, struct str bytes, const struct sto_taker *taker)
{
    ASSERT(path < m->store->path_count);
    struct sto_path *p = &m->store->paths[path];
    uint64_t done = 0;
    if (!piece_ok(info, range, bytes))
        return -EBADMSG;
    int r = go_on_at(m, path, info, STO_POS(range->number, range->offset));
    if (r == 0)
        r = sto_check_space(p, bytes.n);
    if (r == 0)
        r = range->offset == 0 ? begin_pack(p, info, range, bytes)
                               : extend_pack(p, info, range, bytes, taker, &done);
    if (r == 0)
        done = range->next;
    int marked = done > 0 ? sto_ahead_save(&p->ahead) : 0;
    if (marked == 0 && done > 0)
        marked = sto_mirrors_mark(m, path, info, done);
    return r < 0 ? r : marked;
}

/* --- telling --------------------------------------------------------------------------------------- */

int sto_mirrors_entries(struct sto_mirrors *m, unsigned path, const uint8_t id[STO_LOG_ID_LEN],
                        const struct sto_range *range, sto_scan_fn *fn, void *arg)
{
    struct sto_log_info log;
    struct sto_pack_head head;
    int r = sto_mirrors_find(m, path, id, &log);
    if (r < 0 || range->offset == 0)
        return r;
    struct sto_path *p = &m->store->paths[path];
    AUTO(dfs_close_fd) int fd = open_pack(p, &log, range->number, O_RDONLY);
    if (fd < 0)
        return fd;
    r = sto_pack_head_read(p->dir.io, fd, &head);
    if (r < 0)
        return r;
    AUTO(sto_walk_fini) struct sto_walk w;
    sto_walk_init(&w, p->dir.io, fd, range->number, head.salt, range->offset,
                  range->offset + (uint32_t)range->n);
    struct sto_rec rec;
    while ((r = sto_walk_next(&w, &rec)) > 0) {
        if (rec.dead || rec.kind == STO_REC_SKIP)
            continue;
        r = tell(&w, &rec, fn, arg);
        if (r != 0)
            return r;
    }
    return r < 0 ? r : w.damaged > 0 ? -EBADMSG : 0;
}
