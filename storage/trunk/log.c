/* SPDX-License-Identifier: Apache-2.0 */
/* Appending: the queue, the leader, one group commit. */
#include "storage/trunk/log.h"

#include <stdio.h>
#include <sys/random.h>
#include <unistd.h>

#include "dfscore/base/clock.h"
#include "dfscore/fileid/fileid.h"
#include "dfscore/log/log.h"
#include "dfscore/wire/internal.h"
#include "storage/trunk/checkpoint.h"
#include "storage/trunk/slot.h"

enum {
    QUEUE_BYTES_MAX = 64 * 1024 * 1024,
    COMMIT_BYTES_MAX =
        8 * 1024 * 1024, /* one group commit: bounds the latency of the first in it */
    STAGE = 512 * 1024,
    IOVS = 1024,
    COPY_BELOW = 2048, /* smaller pieces are copied to the stage, larger ones written in place */
    HEADROOM =
        256 * 1024, /* end of a pack kept for deletes and notes when no next pack is in sight */
    LEAST_PACK = 64 * 1024, /* for deletes on a full disk */
    INSTALL_TRIES = 16,
};

static const uint8_t zeros[STO_REC_ALIGN];

/* A group commit in the making. Owner: the leader. */
struct build {
    struct sto_log *log;
    struct sto_log_req *list;
    int iov_n;
    size_t stage_n;
    uint32_t write_at; /* where iov[0] goes */
    uint32_t off;      /* behind what has been placed */
    uint64_t batch_seq;
    struct sto_hold *held, **held_tail; /* placed, not yet synced, held records in order */
};

static int flush_iov(struct build *b)
{
    struct sto_log *log = b->log;
    if (b->iov_n == 0)
        return 0;
    int r = sto_writev_all(log->dir->io, log->cur.fd, log->iov, b->iov_n, b->write_at);
    b->iov_n = 0;
    b->stage_n = 0;
    b->write_at = b->off;
    return r;
}

static void add_iov(struct build *b, const void *p, size_t n)
{
    struct iovec *next = &b->log->iov[b->iov_n];
    if (b->iov_n > 0 && (const char *)next[-1].iov_base + next[-1].iov_len == (const char *)p) {
        next[-1].iov_len += n;
    } else {
        *next = (struct iovec){(void *)(uintptr_t)p, n};
        b->iov_n++;
    }
}

static void add_bytes(struct build *b, const void *p, size_t n)
{
    if (n == 0)
        return;
    if (n >= COPY_BELOW) {
        add_iov(b, p, n);
        return;
    }
    memcpy(b->log->stage + b->stage_n, p, n);
    add_iov(b, b->log->stage + b->stage_n, n);
    b->stage_n += n;
}

/* The leader alone changes cur, under the lock: the maintenance thread looks whether there is one. */
static void set_cur(struct sto_log *log, const struct sto_cur *to)
{
    pthread_mutex_lock(&log->lock);
    dfs_close_fd(&log->cur.fd);
    if (to)
        log->cur = *to;
    pthread_mutex_unlock(&log->lock);
}

/* A pack whose write or sync failed is left for good; see log.h. */
static void abandon_pack(struct build *b, int err)
{
    struct sto_log *log = b->log;
    dfs_log(LOG_ERROR, "store.commit_failed", KV_U64("pack", log->cur.number), KV_ERR(err),
            KV_U64("path", log->o.path_index));
    for (struct sto_log_req *q = b->list; q; q = q->next)
        for (size_t i = 0; i < q->count; i++)
            if (q->recs[i].result == 0 &&
                q->recs[i].position >= STO_POS(log->cur.number, log->cur.end))
                q->recs[i].result = err;
    /*
     * No record begins here any more for a process that comes after us: it would find this commit whole in
     * the page cache, which counts it as clean, and a power failure could still take half of it.
     */
    (void)!sto_write_all(log->dir->io, log->cur.fd, zeros, sizeof(zeros), log->cur.end);
    set_cur(log, NULL);
    b->held = NULL;
    b->held_tail = &b->held;
}

static void tell_growth(struct sto_log *log)
{
    if (log->o.growth)
        sto_growth_tell(log->o.growth);
}

/* Write and sync what has been placed, and let readers see it. */
static int settle(struct build *b)
{
    struct sto_log *log = b->log;
    if (log->cur.fd < 0 || b->off == log->cur.end)
        return 0;
    int r = flush_iov(b);
    if (r == 0 && !log->o.relaxed) {
        r = sto_log_sync(log, log->cur.fd);
        if (r < 0)
            sto_log_lose_marks(log); /* of older records of this pack */
    }
    if (r < 0) {
        b->iov_n = 0;
        b->stage_n = 0;
        abandon_pack(b, r);
    }
    pthread_mutex_lock(&log->lock);
    if (r == 0) {
        log->cur.end = b->off;
        log->end = STO_POS(log->cur.number, b->off);
        log->synced_seq = log->next_seq;
        sto_log_find_seg(log, log->cur.number)->end = b->off;
        for (struct sto_hold *h = b->held, *next; h; h = next) {
            next = h->next;
            h->on = true;
            h->next = &log->holds;
            h->prev = log->holds.prev;
            h->prev->next = h;
            log->holds.prev = h;
        }
    }
    pthread_mutex_unlock(&log->lock);
    if (r == 0)
        tell_growth(log);
    b->held = NULL;
    b->held_tail = &b->held;
    b->batch_seq = log->next_seq;
    return r;
}

static int take_spare(struct sto_log *log, uint64_t need, struct sto_tmp *t, uint32_t *size)
{
    pthread_mutex_lock(&log->lock);
    bool have = log->spare.fd >= 0 && log->spare_size >= need;
    if (have) {
        *t = log->spare;
        *size = log->spare_size;
        log->spare.fd = -1;
        log->spare.name[0] = '\0';
    }
    pthread_mutex_unlock(&log->lock);
    return have ? 0 : -ENOENT;
}

/* A fresh pack file for at least @need bytes. The reserve is for urgent records only. */
static int fresh_pack(struct sto_log *log, uint64_t need, bool urgent, struct sto_tmp *t,
                      uint32_t *size)
{
    uint64_t want = MAX(need, (uint64_t)sto_log_pack_size(log));
    uint64_t least = MAX(need, urgent ? (uint64_t)LEAST_PACK : want / 16);
    struct sto_space space;
    int r = sto_dir_space(log->dir, &space);
    if (r < 0)
        return r;
    uint64_t left = space.free > log->o.reserve ? space.free - log->o.reserve : 0;
    if (left < least && !urgent)
        return -ENOSPC;
    want = MAX(MIN(want, left), least); /* the reserve goes in small pieces */
    return sto_pack_prepare(log->dir, (uint32_t)want, (uint32_t)least, false, t, size);
}

/* Begin a pack with room for a record of @total bytes. */
static int begin_pack(struct build *b, uint64_t total, bool urgent)
{
    struct sto_log *log = b->log;
    uint64_t need = total + STO_PACK_HEAD;
    struct sto_tmp t = {.fd = -1};
    uint32_t size = 0;
    int r = take_spare(log, need, &t, &size);
    if (r < 0)
        r = fresh_pack(log, need, urgent, &t, &size);
    if (r < 0)
        return r;
    struct sto_seg last = {0};
    pthread_mutex_lock(&log->lock);
    if (log->seg_count)
        last = log->segs[log->seg_count - 1];
    pthread_mutex_unlock(&log->lock);
    struct sto_pack_head h = {
        .number = last.number + 1,
        .prev_number = last.number,
        .prev_end = last.end,
        .first_seq = log->next_seq,
        .time_s = (uint32_t)dfs_now_s(),
        .size = size,
    };
    memcpy(h.log_id, log->id, STO_LOG_ID);
    if (log->dir->io->getrandom(&h.salt, sizeof(h.salt), 0) != sizeof(h.salt))
        r = -EIO;
    /* A number may be taken by a pack whose beginning failed half way: never write over one. */
    for (int tries = 0; r == 0 && tries < INSTALL_TRIES; tries++, h.number++) {
        r = sto_pack_install(log->dir, &t, &h, log->high, log->low);
        if (r != -EEXIST)
            break;
        r = tries + 1 < INSTALL_TRIES ? 0 : -EIO;
    }
    struct sto_seg seg = {.number = h.number, .end = STO_PACK_HEAD, .trim = true};
    if (r == 0) {
        pthread_mutex_lock(&log->lock);
        r = sto_log_add_seg(log, &seg);
        if (r == 0)
            log->end = STO_POS(h.number, STO_PACK_HEAD);
        pthread_mutex_unlock(&log->lock);
    }
    if (r < 0) {
        /*
         * Half way: the new pack may have its place already, and its header says that the old one ends
         * here. So it must end here: write no more to it.
         */
        if (!t.name[0])
            set_cur(log, NULL);
        sto_tmp_drop(log->dir, &t);
        return r;
    }
    set_cur(
        log,
        &(struct sto_cur){
            .fd = t.fd, .number = h.number, .size = size, .salt = h.salt, .end = STO_PACK_HEAD});
    b->off = b->write_at = STO_PACK_HEAD;
    sto_log_maint_ask(log); /* a new spare, a checkpoint, the old pack's tail */
    return 0;
}

static bool fits(const struct build *b, uint64_t total, bool urgent)
{
    const struct sto_log *log = b->log;
    if (log->cur.fd < 0)
        return false;
    uint32_t room = log->cur.size - b->off;
    uint32_t keep = urgent ? 0 : MIN((uint32_t)HEADROOM, log->cur.size / 8);
    return total + keep <= room;
}

/* The name and the slot of a packed file whose record begins at b->off. */
static void name_object(struct build *b, struct sto_log_rec *rec, const struct sto_rec *r,
                        uint8_t *slot)
{
    struct sto_log *log = b->log;
    uint64_t random[2] = {0};
    (void)!log->dir->io->getrandom(random, sizeof(random),
                                   GRND_NONBLOCK); /* unique within a second, not a secret */
    struct dfs_fileid_parts p = {
        .path_index = log->o.path_index,
        .high = log->high,
        .low = log->low,
        .kind = DFS_FILE_TRUNK,
        .created_s = r->time_s,
        .size = r->data_len,
        .crc32 = r->data_crc,
        .random23 = (uint32_t)random[0] & 0x7fffff,
        .trunk = {log->cur.number, b->off + STO_REC_HEAD, DFS_TRUNK_HEADER + r->data_len},
    };
    memcpy(p.source, log->o.source, sizeof(p.source));
    dfs_tail7(str_c(rec->ext), random[1], p.tail);
    size_t n = dfs_filename_build(&p, rec->made);
    ASSERT(n == DFS_FILENAME_TRUNK);
    rec->made[n] = '\0';
    rec->name = str_of(rec->made, n);
    sto_slot_encode(&p, slot);
}

static int check_lengths(const struct sto_log_rec *rec)
{
    if (rec->name.n > STO_REC_NAME_MAX || rec->extra.n > STO_REC_EXTRA_MAX ||
        rec->desc.n > DFS_DESC_MAX)
        return -EINVAL;
    return rec->data.n > 0 && rec->kind != STO_REC_OBJECT ? -EINVAL : 0;
}

static int make_room(struct build *b, uint64_t total, bool urgent)
{
    if (!fits(b, total, urgent)) {
        int r = settle(b);
        if (r == 0)
            r = begin_pack(b, total, urgent);
        if (r < 0)
            return r;
    }
    if (b->iov_n + 8 > IOVS || b->stage_n + (size_t)8 * COPY_BELOW > STAGE) {
        int r = flush_iov(b);
        if (r < 0) {
            abandon_pack(b, r);
            return r;
        }
    }
    return 0;
}

static int place(struct build *b, struct sto_log_rec *rec)
{
    struct sto_log *log = b->log;
    int err = check_lengths(rec);
    if (err < 0)
        return err;
    struct sto_rec r = {
        .kind = rec->kind,
        .flags = rec->flags,
        .op = rec->op,
        .time_s = rec->time_s ? rec->time_s : (uint32_t)dfs_now_s(),
        .name_len = rec->kind == STO_REC_OBJECT ? DFS_FILENAME_TRUNK : (uint8_t)rec->name.n,
        .extra_len = (uint8_t)rec->extra.n,
        .desc_len = (uint32_t)rec->desc.n,
        .data_len = (uint32_t)rec->data.n,
        .data_crc = rec->sum,
    };
    uint64_t total = sto_rec_size(&r);
    err = make_room(b, total, rec->urgent);
    if (err < 0)
        return err;
    r.total = (uint32_t)total;
    r.position = STO_POS(log->cur.number, b->off);
    r.seq = log->next_seq++;
    r.batch_seq = b->batch_seq;
    uint8_t head[STO_REC_HEAD + STO_REC_SLOT];
    size_t head_n = STO_REC_HEAD;
    if (r.kind == STO_REC_OBJECT) {
        r.data_crc = sto_crc32(0, rec->data.p, rec->data.n);
        name_object(b, rec, &r, head + STO_REC_HEAD);
        head_n += STO_REC_SLOT;
    }
    r.body_crc = sto_rec_crc(log->cur.salt, rec->name.p, rec->name.n);
    r.body_crc = sto_rec_crc(r.body_crc, rec->extra.p, rec->extra.n);
    r.body_crc = sto_rec_crc(r.body_crc, rec->desc.p, rec->desc.n);
    sto_rec_encode(&r, log->cur.salt, head);
    add_bytes(b, head, head_n);
    add_bytes(b, rec->data.p, rec->data.n);
    add_bytes(b, rec->name.p, rec->name.n);
    add_bytes(b, rec->extra.p, rec->extra.n);
    add_bytes(b, rec->desc.p, rec->desc.n);
    size_t used = sto_rec_body_at(&r) + (size_t)r.name_len + r.extra_len + r.desc_len;
    add_bytes(b, zeros, (size_t)(total - used));
    b->off += (uint32_t)total;
    rec->position = r.position;
    if (rec->held) {
        rec->hold = (struct sto_hold){.position = r.position, .seq = r.seq};
        *b->held_tail = &rec->hold;
        b->held_tail = &rec->hold.next;
    }
    return 0;
}

static void commit(struct sto_log *log, struct sto_log_req *list)
{
    struct build b = {
        .log = log,
        .list = list,
        .write_at = log->cur.end,
        .off = log->cur.end,
        .batch_seq = log->next_seq,
    };
    b.held_tail = &b.held;
    pthread_mutex_lock(&log->lock);
    if (log->seal && log->cur.fd >= 0 && log->cur.end > STO_PACK_HEAD)
        dfs_close_fd(&log->cur.fd); /* full of dead records on a full disk: let the sweep have it */
    log->seal = false;
    pthread_mutex_unlock(&log->lock);
    for (struct sto_log_req *q = list; q; q = q->next)
        for (size_t i = 0; i < q->count; i++) {
            q->recs[i].result = 0;
            q->recs[i].position = 0;
            q->recs[i].result = place(&b, &q->recs[i]);
        }
    (void)settle(&b); /* each record has its own result */
    for (struct sto_log_req *q = list; q; q = q->next)
        for (size_t i = 0; i < q->count; i++)
            if (q->recs[i].result < 0)
                sto_log_suspect(log, q->recs[i].result);
}

/* ---- the queue ---- */

static void push(struct sto_log *log, struct sto_log_req *q)
{
    q->next = NULL;
    q->finished = false;
    q->bytes = 0;
    for (size_t i = 0; i < q->count; i++)
        q->bytes += q->recs[i].data.n + q->recs[i].desc.n + STO_REC_HEAD;
    *log->tail = q;
    log->tail = &q->next;
    log->queued_bytes += q->bytes;
}

static struct sto_log_req *take_batch(struct sto_log *log)
{
    struct sto_log_req *first = log->head, *last = first;
    size_t bytes = first->bytes;
    while (last->next && bytes + last->next->bytes <= COMMIT_BYTES_MAX) {
        last = last->next;
        bytes += last->bytes;
    }
    log->head = last->next;
    if (!log->head)
        log->tail = &log->head;
    last->next = NULL;
    log->queued_bytes -= bytes;
    return first;
}

/* Tell everybody in the list. Those who wait own their request again the moment finished is set. */
static void finish_all(struct sto_log *log, struct sto_log_req *list)
{
    struct sto_log_req *async = NULL, **tail = &async;
    for (struct sto_log_req *q = list, *next; q; q = next) {
        next = q->next;
        if (q->done) {
            *tail = q;
            tail = &q->next;
        } else {
            q->finished = true;
            pthread_cond_signal(&q->wake);
        }
    }
    *tail = NULL;
    if (!async)
        return;
    pthread_mutex_unlock(&log->lock);
    for (struct sto_log_req *q = async, *next; q; q = next) {
        next = q->next;
        q->done(q);
    }
    pthread_mutex_lock(&log->lock);
}

void sto_log_end_lead(struct sto_log *log)
{
    log->leading = false;
    if (log->head)
        pthread_cond_signal(log->head->done ? &log->async_wake : &log->head->wake);
}

/* Lock held. Lead until @own is finished, or nothing is queued; then pass the lead on. */
static void lead(struct sto_log *log, const struct sto_log_req *own)
{
    log->leading = true;
    do {
        struct sto_log_req *list = take_batch(log);
        pthread_mutex_unlock(&log->lock);
        commit(log, list);
        pthread_mutex_lock(&log->lock);
        finish_all(log, list);
    } while (log->head && !(own && own->finished));
    sto_log_end_lead(log);
}

void sto_log_append(struct sto_log *log, struct sto_log_rec *recs, size_t count)
{
    if (count == 0)
        return;
    struct sto_log_req q = {.recs = recs, .count = count};
    pthread_cond_init(&q.wake, NULL);
    pthread_mutex_lock(&log->lock);
    push(log, &q);
    while (!q.finished) {
        if (log->leading)
            pthread_cond_wait(&q.wake, &log->lock);
        else
            lead(log, &q);
    }
    pthread_mutex_unlock(&log->lock);
    pthread_cond_destroy(&q.wake);
}

static void *async_main(void *arg)
{
    struct sto_log *log = arg;
    pthread_mutex_lock(&log->lock);
    for (;;) {
        while (!log->stopping && (log->leading || !log->head))
            pthread_cond_wait(&log->async_wake, &log->lock);
        if (!log->head && log->stopping)
            break;
        if (!log->leading)
            lead(log, NULL);
    }
    pthread_mutex_unlock(&log->lock);
    return NULL;
}

int sto_log_submit(struct sto_log *log, struct sto_log_req *q)
{
    ASSERT(q->done && q->count > 0);
    pthread_mutex_lock(&log->lock);
    int r = 0;
    if (!log->async_running) {
        r = -pthread_create(&log->async_thread, NULL, async_main, log);
        log->async_running = r == 0;
    }
    if (r == 0 && log->queued_bytes > QUEUE_BYTES_MAX)
        r = -EAGAIN;
    if (r == 0) {
        push(log, q);
        pthread_cond_signal(&log->async_wake);
    }
    pthread_mutex_unlock(&log->lock);
    return r;
}

void sto_log_release(struct sto_log *log, struct sto_log_rec *rec)
{
    if (!rec->hold.on)
        return;
    pthread_mutex_lock(&log->lock);
    rec->hold.on = false;
    rec->hold.prev->next = rec->hold.next;
    rec->hold.next->prev = rec->hold.prev;
    pthread_mutex_unlock(&log->lock);
    tell_growth(log);
}

/* Lock held. */
static uint64_t stable(const struct sto_log *log)
{
    return log->holds.next == &log->holds ? log->end : log->holds.next->position;
}

uint64_t sto_log_stable(struct sto_log *log)
{
    pthread_mutex_lock(&log->lock);
    uint64_t end = stable(log);
    pthread_mutex_unlock(&log->lock);
    return end;
}

uint64_t sto_log_identity(struct sto_log *log, struct sto_logid *ret)
{
    pthread_mutex_lock(&log->lock);
    uint64_t end = stable(log);
    *ret = (struct sto_logid){.high = log->high, .low = log->low};
    memcpy(ret->log_id, log->id, STO_LOG_ID);
    pthread_mutex_unlock(&log->lock);
    return end;
}

uint64_t sto_log_end(struct sto_log *log)
{
    pthread_mutex_lock(&log->lock);
    uint64_t end = log->end;
    pthread_mutex_unlock(&log->lock);
    return end;
}
