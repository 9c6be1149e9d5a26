/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Opening a log: who it is, which packs it has, where it ends.
 *
 * Packs before the checkpoint are known. From there on each pack's successor says where its valid
 * records end; only the last pack has to be searched for its end: strictly record by record, with
 * sequence, header, description and content all checked. The first that fails was being written when
 * the machine stopped, and with it everything behind: nobody was told about it, because a commit is
 * told only when synced, and the next commit is written only after that. The pack is cut there, and the
 * next append begins a new pack with a new salt, so left-over bytes can never join the log.
 *
 * Two things must not look like a torn tail: a damaged sector among acknowledged records, and a deleted
 * file whose blocks were already punched out while the mark in its record was still in memory. If behind
 * the bad spot there is a record whose group commit began after the bad one's sequence, the bad one had
 * been synced, and the log goes on behind it. (A deletion's own record is always such a proof.)
 */
#include <fcntl.h>
#include <unistd.h>

#include "dfscore/base/clock.h"
#include "dfscore/base/dirs.h"
#include "dfscore/fileid/fileid.h"
#include "dfscore/log/log.h"
#include "storage/trunk/checkpoint.h"
#include "storage/trunk/walk.h"

struct numbers {
    uint32_t *v;
    size_t n, cap;
};

static int add_number(struct numbers *list, uint32_t number)
{
    if (list->n == list->cap) {
        size_t cap = MAX(list->cap * 2, (size_t)64);
        uint32_t *p = dfs_realloc(list->v, cap * sizeof(*p));
        if (!p)
            return -ENOMEM;
        list->v = p;
        list->cap = cap;
    }
    list->v[list->n++] = number;
    return 0;
}

static int by_number(const void *a, const void *b)
{
    uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;
    return x < y ? -1 : x > y;
}

/* All packs of the log's directory, in order. */
static int list_packs(struct sto_log *log, struct numbers *list)
{
    const char digits[] = "0123456789ABCDEF";
    char path[] = {'d',
                   'a',
                   't',
                   'a',
                   '/',
                   digits[log->high >> 4],
                   digits[log->high & 15],
                   '/',
                   digits[log->low >> 4],
                   digits[log->low & 15],
                   '\0'};
    int fd = log->dir->io->openat(log->dir->root, path, O_RDONLY | O_DIRECTORY, 0);
    if (fd < 0)
        return errno == ENOENT ? 0 : -errno;
    DIR *dir = fdopendir(fd);
    if (!dir) {
        dfs_close_fd(&fd);
        return -ENOMEM;
    }
    int r = 0;
    struct dirent *e;
    while (r == 0 && (r = dfs_dir_next(dir, &e)) > 0) {
        uint64_t number;
        struct str name = str_c(e->d_name);
        bool pack = name.n >= 6 && str_u64(name, INT32_MAX, &number) == 0 && number > 0;
        r = pack ? add_number(list, (uint32_t)number) : 0;
    }
    closedir(dir);
    if (list->n)
        qsort(list->v, list->n, sizeof(*list->v), by_number);
    return r;
}

/* The pack of the replay position and all that follow it without a gap. */
static int probe_packs(struct sto_log *log, uint32_t number, struct numbers *list)
{
    for (;; number++) {
        AUTO(dfs_close_fd) int fd = sto_log_open_pack(log, number, false);
        if (fd == -ENOENT)
            return 0;
        if (fd < 0)
            return fd;
        int r = add_number(list, number);
        if (r < 0)
            return r;
    }
}

static int read_head(struct sto_log *log, uint32_t number, struct sto_pack_head *ret, int *ret_fd)
{
    AUTO(dfs_close_fd) int fd = sto_log_open_pack(log, number, true);
    if (fd < 0)
        return fd;
    int r = sto_pack_head_read(log->dir->io, fd, ret);
    if (r < 0)
        return r;
    if (ret->number != number || memcmp(ret->log_id, log->id, STO_LOG_ID) != 0)
        return -EBADMSG;
    if (ret_fd)
        *ret_fd = dfs_take_fd(&fd);
    return 0;
}

/* Is the record at w->at whole? Goes behind it when it is. */
static int whole(struct sto_walk *w, uint64_t seq, struct sto_rec *rec)
{
    int r = sto_walk_head(w, rec);
    if (r < 0)
        return r;
    if (rec->seq != seq)
        return -EBADMSG;
    if (rec->kind != STO_REC_SKIP) {
        struct sto_body body;
        if (!rec->dead) {
            r = sto_walk_body(w, rec, true, &body);
            if (r == 0 && rec->kind == STO_REC_OBJECT)
                r = sto_walk_content(w, rec);
        }
        if (r < 0)
            return r;
    }
    w->at += rec->total;
    return 0;
}

static bool io_failed(int r)
{
    return r < 0 && r != -EBADMSG && r != -ENODATA;
}

/* Is there, behind w->at, a record whose commit began after @seq was synced? Moves @w. */
static int later_commit(struct sto_walk *w, uint64_t seq)
{
    struct sto_rec rec;
    int r = 0;
    w->at += STO_REC_ALIGN;
    while (w->at < w->end && (r = sto_walk_next(w, &rec)) > 0)
        if (rec.kind != STO_REC_SKIP && rec.batch_seq > seq)
            return 1;
    return r;
}

/*
 * The record at w->at fails its checks. 0: the log ends there; 1: go on at w->at, where *seq comes.
 */
static int pass_over(struct sto_log *log, struct sto_walk *w, uint64_t *seq)
{
    uint32_t bad = w->at;
    int r = later_commit(w, *seq);
    w->at = bad;
    if (r <= 0)
        return r;
    struct sto_rec rec;
    r = sto_walk_head(w, &rec);
    if (r == 0 && rec.seq == *seq) {
        w->at +=
            rec.total; /* only its content or description is bad: deleted, or to be found by a reader */
        *seq = (rec.kind == STO_REC_SKIP ? rec.batch_seq : rec.seq) + 1;
        return 1;
    }
    if (io_failed(r))
        return r;
    w->at += STO_REC_ALIGN;
    r = sto_walk_next(w, &rec);
    if (r <= 0)
        return r;
    w->at = STO_POS_OFF(rec.position);
    *seq = rec.seq;
    dfs_log(LOG_ERROR, "store.log_damaged", KV_U64("path", log->o.path_index),
            KV_U64("pack", w->number), KV_U64("offset", bad), KV_U64("bytes", w->at - bad));
    return 1;
}

/*
 * Find where the valid records of an open-ended pack end. @from: a record boundary; @seq: what comes
 * there.
 */
static int find_end(struct sto_log *log, int fd, const struct sto_pack_head *h, uint32_t from,
                    uint64_t seq, uint32_t *ret_end)
{
    struct stat st;
    if (fstat(fd, &st) < 0)
        return -errno;
    uint32_t limit = (uint32_t)MIN((uint64_t)st.st_size, (uint64_t)UINT32_MAX - STO_REC_ALIGN);
    AUTO(sto_walk_fini) struct sto_walk w;
    sto_walk_init(&w, log->dir->io, fd, h->number, h->salt, from, limit);
    for (;;) {
        struct sto_rec rec;
        *ret_end = w.at;
        int r = whole(&w, seq, &rec);
        if (io_failed(r))
            return r;
        if (r == 0) {
            seq = (rec.kind == STO_REC_SKIP ? rec.batch_seq : rec.seq) + 1;
            continue;
        }
        r = pass_over(log, &w, &seq);
        if (r <= 0)
            return r;
    }
}

/* @starting: nobody else changes files yet, and those of edits get their versions (apply.c). */
static int redo(struct sto_log *log, struct sto_walk *w, const struct sto_rec *rec, bool starting)
{
    struct sto_body body;
    int r = sto_walk_body(w, rec, starting, &body);
    if (r == 0 && rec->kind == STO_REC_DELETE)
        sto_log_note_deleted(log, body.name, rec->position, sto_rec_ms(body.extra));
    if (r == 0)
        r = sto_log_apply(log, rec->kind, rec->op, &body);
    return io_failed(r) && r != -ENOENT && r != -EINVAL && r != -EEXIST ? r : 0;
}

static bool has_work(const struct sto_rec *rec)
{
    return !rec->dead && (rec->kind == STO_REC_DELETE || rec->kind == STO_REC_CHANGE);
}

int sto_log_redo(struct sto_log *log, uint64_t from, uint64_t until)
{
    struct sto_seg seg;
    int r = 0;
    for (uint32_t n = STO_POS_PACK(from); r >= 0 && sto_log_seg_at(log, n, &seg);
         n = seg.number + 1) {
        if (seg.number > STO_POS_PACK(until))
            break;
        AUTO(dfs_close_fd) int fd = -1;
        struct sto_pack_head h;
        r = read_head(log, seg.number, &h, &fd);
        if (r == -ENOENT || r == -EBADMSG) { /* there is nothing in it to be done */
            r = 0;
            continue;
        }
        if (r < 0)
            return r;
        uint32_t at = seg.number == STO_POS_PACK(from) ? STO_POS_OFF(from) : 0;
        uint32_t end = seg.number == STO_POS_PACK(until) ? STO_POS_OFF(until) : seg.end;
        AUTO(sto_walk_fini) struct sto_walk w;
        sto_walk_init(&w, log->dir->io, fd, h.number, h.salt, MAX(at, (uint32_t)STO_PACK_HEAD),
                      end);
        struct sto_rec rec;
        while ((r = sto_walk_next(&w, &rec)) > 0)
            if (has_work(&rec) && (r = redo(log, &w, &rec, false)) < 0)
                return r;
    }
    return r;
}

/* Do again what the records of [from, end) say, and count what is dead. */
static int replay(struct sto_log *log, int fd, const struct sto_pack_head *h, uint32_t from,
                  uint32_t end)
{
    AUTO(sto_walk_fini) struct sto_walk w;
    sto_walk_init(&w, log->dir->io, fd, h->number, h->salt, from, end);
    struct sto_rec rec;
    int r;
    while ((r = sto_walk_next(&w, &rec)) > 0) {
        uint64_t last = rec.kind == STO_REC_SKIP ? rec.batch_seq : rec.seq;
        log->next_seq = MAX(log->next_seq, last + 1);
        if (!has_work(&rec))
            continue;
        r = redo(log, &w, &rec, true);
        if (r < 0)
            return r;
        if (rec.kind == STO_REC_DELETE)
            sto_log_note_dead(log, h->number, rec.total);
    }
    if (w.damaged)
        dfs_log(LOG_ERROR, "store.log_damaged", KV_U64("path", log->o.path_index),
                KV_U64("pack", h->number), KV_U64("bytes", w.damaged));
    return r;
}

/* @from: where the records not yet looked at begin; @seq: what comes there, 0: take it from the header. */
static int recover_pack(struct sto_log *log, const struct numbers *list, size_t i, uint32_t from,
                        uint64_t seq)
{
    uint32_t number = list->v[i];
    AUTO(dfs_close_fd) int fd = -1;
    struct sto_pack_head h, next;
    int r = read_head(log, number, &h, &fd);
    if (r == -EBADMSG) {
        /* The header was synced before the pack got its place, so this is damage or not ours. */
        dfs_log(LOG_ERROR, "store.pack_unreadable", KV_U64("path", log->o.path_index),
                KV_U64("pack", number));
        struct sto_seg lost = {.number = number, .end = STO_PACK_HEAD};
        return sto_log_add_seg(log, &lost);
    }
    if (r < 0)
        return r;
    if (from == STO_PACK_HEAD)
        seq = h.first_seq;
    uint32_t end = 0;
    if (i + 1 < list->n && read_head(log, list->v[i + 1], &next, NULL) == 0 &&
        next.prev_number == number && next.prev_end >= STO_PACK_HEAD)
        end = next.prev_end;
    else if ((r = find_end(log, fd, &h, from, seq, &end)) < 0)
        return r;
    else if (!log->o.relaxed && log->dir->io->fdatasync(fd) < 0)
        return -errno; /* a killed process may have left the last commit in the page cache only */
    struct sto_seg seg = {.number = number, .end = end, .trim = true};
    log->next_seq = MAX(log->next_seq, h.first_seq);
    r = sto_log_add_seg(log, &seg);
    return r < 0 ? r : replay(log, fd, &h, from, end);
}

static int load_checkpoint(struct sto_log *log, struct sto_checkpoint *ret)
{
    AUTO(dfs_free_ptr) char *bytes = NULL;
    size_t n;
    int r = sto_dir_get_file(log->dir, STO_CHECKPOINT_FILE, STO_CHECKPOINT_MAX, &bytes, &n);
    if (r == 0)
        r = sto_checkpoint_decode(str_of(bytes, n), ret);
    if (r == 0 && memcmp(ret->log_id, log->id, STO_LOG_ID) != 0) {
        free(ret->segs);
        *ret = (struct sto_checkpoint){0}; /* another log's: nothing of it may be believed */
        r = -EBADMSG;
    }
    if (r == -EBADMSG || r == -EFBIG)
        dfs_log(LOG_WARN, "store.checkpoint_unreadable", KV_U64("path", log->o.path_index));
    return r;
}

static int recover_packs(struct sto_log *log)
{
    struct sto_checkpoint c = {0};
    struct numbers list = {0};
    int r = load_checkpoint(log, &c);
    uint32_t first = r == 0 ? STO_POS_PACK(c.replay) : 0;
    if (r == 0 && first > 0) {
        log->checkpoint = c.replay;
        log->next_seq = MAX(log->next_seq, c.next_seq);
        for (size_t i = 0; r == 0 && i < c.count && c.segs[i].number < first; i++)
            r = sto_log_add_seg(log, &c.segs[i]);
        if (r == 0)
            r = probe_packs(log, first, &list);
    } else if (r == 0 || r == -ENOENT || r == -EBADMSG || r == -EFBIG) {
        r = list_packs(log, &list);
    }
    for (size_t i = 0; r == 0 && i < list.n; i++) {
        bool at_replay = list.v[i] == first;
        r = recover_pack(log, &list, i, at_replay ? STO_POS_OFF(c.replay) : STO_PACK_HEAD,
                         c.next_seq);
    }
    for (size_t i = 0; r == 0 && i < c.count;
         i++) { /* what the checkpoint knew of the replayed ones */
        struct sto_seg *s =
            c.segs[i].number >= first ? sto_log_find_seg(log, c.segs[i].number) : NULL;
        if (s)
            s->dead = (uint32_t)MIN((uint64_t)s->end, (uint64_t)s->dead + c.segs[i].dead);
    }
    free(list.v);
    free(c.segs);
    return r;
}

/*
 * Other logs get other directories, so that a replica can hold several: another server's, and our own old one when we
 * came back with an empty disk.
 */
static int new_identity(struct sto_log *log, struct sto_logid *l)
{
    if (log->dir->io->getrandom(l->log_id, sizeof(l->log_id), 0) != sizeof(l->log_id))
        return -EIO;
    uint32_t hash = sto_rec_crc(log->o.path_index, l->log_id, sizeof(l->log_id));
    l->high = (uint8_t)((hash >> 8 & 0xff) % log->o.subdirs);
    l->low = (uint8_t)((hash & 0xff) % log->o.subdirs);
    char space[STO_LOGID_LEN];
    struct buf b = {space, 0, sizeof(space), sizeof(space), 0};
    sto_logid_encode(l, &b);
    return sto_dir_put_file(log->dir, STO_LOGID_FILE, buf_str(&b));
}

static void set_identity(struct sto_log *log, const struct sto_logid *l)
{
    memcpy(log->id, l->log_id, STO_LOG_ID);
    log->high = l->high;
    log->low = l->low;
}

int sto_log_move_away(struct sto_log *log)
{
    struct sto_logid l;
    pthread_mutex_lock(&log->lock);
    bool empty = log->seg_count == 0 && !log->leading && !log->head;
    log->leading = log->leading || empty; /* nothing is committed meanwhile */
    pthread_mutex_unlock(&log->lock);
    if (!empty)
        return -EBUSY;
    int r = new_identity(log, &l);
    pthread_mutex_lock(&log->lock);
    if (r == 0)
        set_identity(log, &l);
    sto_log_end_lead(log);
    pthread_mutex_unlock(&log->lock);
    return r;
}

static int load_identity(struct sto_log *log)
{
    AUTO(dfs_free_ptr) char *bytes = NULL;
    size_t n;
    struct sto_logid l;
    int r = sto_dir_get_file(log->dir, STO_LOGID_FILE, STO_LOGID_LEN, &bytes, &n);
    if (r == 0)
        r = sto_logid_decode(str_of(bytes, n), &l);
    if (r == -ENOENT && faccessat(log->dir->root, STO_CHECKPOINT_FILE, F_OK, 0) == 0) {
        dfs_log(LOG_ERROR, "store.identity_lost", KV_U64("path", log->o.path_index));
        return -EBADMSG; /* a new log here would forget the old one's packs */
    }
    if (r == -ENOENT)
        r = new_identity(log, &l);
    if (r == 0)
        set_identity(log, &l);
    return r;
}

enum { STAGE = 512 * 1024, IOVS = 1024 };

static int open_parts(struct sto_log *log)
{
    log->dirty_dirs = dfs_zalloc(STO_DIRS / 8);
    log->deleted = dfs_zalloc(STO_DELETED_SLOTS * sizeof(*log->deleted));
    log->stage = dfs_alloc(STAGE);
    log->iov = dfs_alloc(IOVS * sizeof(*log->iov));
    if (!log->dirty_dirs || !log->deleted || !log->stage || !log->iov)
        return -ENOMEM;
    int r = load_identity(log);
    if (r == 0)
        r = sto_log_load_deleted(log);
    if (r == 0)
        r = sto_renamed_open(log->dir, &log->renamed); /* redo() notes them, too */
    if (r == 0)
        r = recover_packs(log);
    if (r < 0)
        return r;
    if (log->seg_count) {
        const struct sto_seg *last = &log->segs[log->seg_count - 1];
        log->end = STO_POS(last->number, last->end);
    }
    log->synced_seq = log->next_seq;
    return sto_log_maint_start(log);
}

int sto_log_open(struct sto_log *log, struct sto_dir *d, const struct sto_log_options *o)
{
    uint64_t started = dfs_mono_ms();
    *log = (struct sto_log){.o = *o, .dir = d, .next_seq = 1, .retain = UINT64_MAX};
    log->tail = &log->head;
    log->cur.fd = -1;
    log->spare.fd = -1;
    log->holds.next = log->holds.prev = &log->holds;
    pthread_mutex_init(&log->lock, NULL);
    pthread_mutex_init(&log->upkeep, NULL);
    pthread_cond_init(&log->async_wake, NULL);
    dfs_cond_init(&log->maint_wake);
    int r = open_parts(log);
    if (r < 0) {
        sto_log_close(log);
        return r;
    }
    dfs_log(LOG_INFO, "store.log_open", KV_U64("path", o->path_index),
            KV_U64("packs", log->seg_count), KV_U64("end", log->end),
            KV_U64("ms", dfs_mono_ms() - started));
    return 0;
}

void sto_log_close(struct sto_log *log)
{
    if (!log->tail)
        return;
    pthread_mutex_lock(&log->lock);
    log->stopping = true;
    pthread_cond_signal(&log->async_wake);
    pthread_mutex_unlock(&log->lock);
    if (log->async_running)
        pthread_join(log->async_thread, NULL);
    bool opened = log->maint_running;
    sto_log_maint_stop(log);
    if (opened && sto_log_checkpoint(log) < 0)
        dfs_log(LOG_WARN, "store.checkpoint_failed", KV_U64("path", log->o.path_index));
    dfs_close_fd(&log->cur.fd);
    sto_tmp_drop(log->dir, &log->spare);
    sto_renamed_close(&log->renamed);
    free(log->segs);
    free(log->dirty_dirs);
    free(log->deleted);
    free(log->stage);
    free(log->iov);
    pthread_cond_destroy(&log->async_wake);
    pthread_cond_destroy(&log->maint_wake);
    pthread_mutex_destroy(&log->lock);
    pthread_mutex_destroy(&log->upkeep);
    *log = (struct sto_log){.spare = {.fd = -1}, .cur = {.fd = -1}};
}
