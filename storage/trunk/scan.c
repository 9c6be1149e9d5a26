/* SPDX-License-Identifier: Apache-2.0 */
/* Reading a log from a position. */
#include <unistd.h>

#include "dfscore/log/log.h"
#include "dfscore/wire/internal.h"
#include "storage/trunk/log.h"
#include "storage/trunk/store.h"
#include "storage/trunk/walk.h"

struct scan {
    struct sto_log *log;
    uint64_t stable;
    unsigned flags;
    size_t left; /* records to look at */
    sto_scan_fn *fn;
    void *arg;
    uint64_t next;
};

/* 1: told and passed, 0: passed over, 2: the callback wants to stop before it. */
static int tell(struct scan *s, struct sto_walk *w, const struct sto_rec *rec)
{
    bool change =
        rec->kind == STO_REC_DELETE || (rec->kind == STO_REC_CHANGE && !sto_rec_names_file(rec));
    if (rec->dead || rec->kind == STO_REC_SKIP || (change && !(s->flags & STO_SCAN_CHANGES)))
        return 0;
    if (rec->kind == STO_REC_OBJECT) {
        int emptied = sto_walk_emptied(w, rec); /* half deleted, as after a failed write */
        if (emptied != 0)
            return emptied > 0 || emptied == -EBADMSG ? 0 : emptied;
    }
    struct sto_body body;
    int r = sto_walk_body(w, rec, !(s->flags & STO_SCAN_NO_DESC), &body);
    if (r == -EBADMSG) {
        dfs_log(LOG_ERROR, "store.record_damaged", KV_U64("path", s->log->o.path_index),
                KV_U64("position", rec->position));
        return 0;
    }
    if (r < 0)
        return r;
    if (sto_rec_names_file(rec) && !sto_log_holds(s->log, rec, body.name))
        return 0;
    struct sto_entry e = {
        .position = rec->position,
        .next = rec->position + rec->total,
        .op = (char)rec->op,
        .time_s = rec->time_s,
        .name = body.name,
        .extra = body.extra,
        .desc = body.desc,
    };
    if (rec->kind == STO_REC_NOTE)
        e.kind = DFS_SCAN_NOTE;
    else if (!change)
        e.kind = rec->flags & STO_REC_NATIVE || rec->kind == STO_REC_CHANGE ? DFS_SCAN_NATIVE
                                                                            : DFS_SCAN_OBJECT;
    r = s->fn(&e, s->arg);
    return r > 0 ? 2 : r < 0 ? r : 1;
}

/*
 * A position inside a run that has been swept has no record any more. Go by the headers from the pack's
 * beginning to the first record at or behind it.
 */
static int align(struct sto_walk *w, uint32_t off)
{
    struct sto_rec rec;
    w->at = off;
    if (off >= w->end || sto_walk_head(w, &rec) == 0)
        return 0;
    w->at = STO_PACK_HEAD;
    while (w->at < off) {
        int r = sto_walk_next(w, &rec);
        if (r < 0)
            return r;
        if (r == 0)
            break;
    }
    return 0;
}

/* 0: pack done or limit reached (s->next says where); 2: stopped by the callback. */
static int scan_pack(struct scan *s, const struct sto_seg *seg, uint32_t off, uint32_t end)
{
    AUTO(dfs_close_fd) int fd = sto_log_open_pack(s->log, seg->number, false);
    struct sto_pack_head h;
    int r = fd < 0 ? fd : sto_pack_head_read(s->log->dir->io, fd, &h);
    s->next = STO_POS(seg->number, end);
    if (r == -ENOENT)
        return 0; /* swept away: nothing in it lived */
    if (r == -EBADMSG) {
        dfs_log(LOG_ERROR, "store.pack_unreadable", KV_U64("path", s->log->o.path_index),
                KV_U64("pack", seg->number));
        return 0;
    }
    if (r < 0)
        return r;
    AUTO(sto_walk_fini) struct sto_walk w;
    sto_walk_init(&w, s->log->dir->io, fd, seg->number, h.salt, off, end);
    r = align(&w, off);
    struct sto_rec rec;
    while (r >= 0 && s->left > 0) {
        r = sto_walk_next(&w, &rec);
        if (r <= 0)
            return r;
        s->left--;
        r = tell(s, &w, &rec);
        if (r == 2)
            s->next = rec.position;
        if (r == 2)
            return r;
    }
    if (r >= 0)
        s->next = STO_POS(seg->number, w.at);
    return r < 0 ? r : 0;
}

int sto_log_scan(struct sto_log *log, uint64_t position, unsigned flags, size_t max_records,
                 sto_scan_fn *fn, void *arg, struct sto_scan *ret)
{
    struct scan s = {
        .log = log,
        .stable = sto_log_stable(log),
        .flags = flags,
        .left = max_records,
        .fn = fn,
        .arg = arg,
        .next = position,
    };
    uint32_t off = STO_POS_OFF(position);
    struct sto_seg seg;
    uint32_t number = STO_POS_PACK(position);
    int r = 0;
    while (r == 0 && s.left > 0 && s.next < s.stable && sto_log_seg_at(log, number, &seg)) {
        if (seg.number != STO_POS_PACK(position) || off < STO_PACK_HEAD)
            off = STO_PACK_HEAD;
        uint32_t end = seg.end;
        if (seg.number > STO_POS_PACK(s.stable))
            break;
        if (seg.number == STO_POS_PACK(s.stable))
            end = MIN(end, STO_POS_OFF(s.stable));
        r = scan_pack(&s, &seg, off, end);
        number = seg.number + 1;
        if (s.next < STO_POS(seg.number, end))
            break; /* limit reached inside the pack */
    }
    if (r < 0)
        return r;
    ret->next = s.next;
    ret->at_end = s.next >= s.stable;
    return 0;
}
