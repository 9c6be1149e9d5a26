/* SPDX-License-Identifier: Apache-2.0 */
#include "storage/sync/puller_priv.h"

#include <unistd.h>

#include "dfscore/fileid/fileid.h"
#include "dfscore/log/log.h"
#include "dfscore/wire/internal.h"
#include "dfscore/wire/messages.h"
#include "storage/binlog/record.h"
#include "storage/sync/arrivals.h"
#include "storage/sync/edits.h"
#include "storage/sync/moved_in.h"
#include "storage/trunk/ahead.h"
#include "storage/trunk/log.h"
#include "storage/trunk/kept.h"
#include "storage/trunk/replica.h"
#include "storage/trunk/turns.h"

enum {
    META_MAX = 1024 * 1024,
    LIST_MAX = 2 + STO_LOGS_MAX * 64,
    PULL_HEAD = 32,
    WAIT_MAX = 8 * 1024,
    EXTRA_WAIT_MS = 5000, /* on top of the wait we ask for */
};

void sto_puller_close(struct sto_puller **pp)
{
    struct sto_puller *p = TAKE(*pp);
    if (!p)
        return;
    p->line->free(&p->logs);
    p->line->free(&p->files);
    buf_free(&p->piece);
    buf_free(&p->rsp);
    sto_arrivals_free(&p->arrivals);
    free(p->copy);
    free(p);
}

int sto_puller_open(const struct sto_puller_options *o, struct sto_puller **ret)
{
    AUTO(sto_puller_close) struct sto_puller *p = dfs_zalloc(sizeof(*p));
    if (!p)
        return -ENOMEM;
    p->o = *o;
    p->line = o->line ? o->line : &sto_line_tcp;
    p->piece = BUF(STO_RANGE_MAX + PULL_HEAD);
    p->rsp = BUF(META_MAX);
    p->copy = dfs_alloc(STO_COPY_BYTES);
    int r = p->copy ? sto_arrivals_new(o->store, o->group, o->singly, &p->arrivals) : -ENOMEM;
    if (r == 0)
        r = p->line->open(&o->addr, &o->net, &p->logs);
    if (r == 0)
        r = p->line->open(&o->addr, &o->net, &p->files);
    if (r == 0)
        *ret = TAKE(p);
    return r;
}

void sto_puller_cut(struct sto_puller *p)
{
    p->line->cut(p->logs);
    p->line->cut(p->files);
}

int sto_puller_list(struct sto_puller *p, unsigned path, struct sto_log_info *out, size_t cap,
                    size_t *ret_n)
{
    AUTO(buf_free) struct buf body = BUF(1);
    AUTO(buf_free) struct buf rsp = BUF(LIST_MAX);
    buf_u8(&body, (uint8_t)path);
    struct str part = buf_str(&body);
    int r = p->line->call(p->logs, DFS_INT_SYNC_LOGS, 0, &part, 1, &rsp);
    if (r < 0)
        return r;
    struct rd rd = rd_of(buf_str(&rsp));
    size_t n = rd_u16(&rd), kept = 0;
    for (size_t i = 0; i < n && !rd.bad; i++) {
        struct sto_log_info info = {.own = false};
        struct str id = rd_bytes(&rd, STO_LOG_ID_LEN);
        info.high = rd_u8(&rd);
        info.low = rd_u8(&rd);
        info.own = rd_u8(&rd) != 0;
        info.end = rd_u64(&rd);
        struct str origin = rd_bytes(&rd, DFS_ID_MAX);
        if (rd.bad || kept == cap)
            break;
        memcpy(info.id, id.p, STO_LOG_ID_LEN);
        memcpy(info.origin, origin.p, strnlen(origin.p, DFS_ID_MAX));
        out[kept++] = info;
    }
    *ret_n = kept;
    return rd.bad ? -EPROTO : 0;
}

/* --- what an entry asks for ----------------------------------------------------------------------------- */

/* The entry, or the peer, has nothing for us: no reason to stop. */
static bool says_nothing(int err)
{
    return err == -ENOENT || err == -EREMOTE || err == -EINVAL || err == -EBADMSG;
}

/* One whose name can come again may be an earlier one, or another of the same millisecond. */
static bool have_whole(struct sto_puller *p, const struct sto_entry *e, int64_t made_ms)
{
    struct sto_info info;
    struct dfs_fileid id;
    if (sto_info(p->o.store, e->name, false, &info) < 0 || dfs_filename_parse(e->name, &id) < 0)
        return false;
    if (made_ms > 0 && info.mtime_ms == made_ms && e->summed)
        return sto_info(p->o.store, e->name, true, &info) == 0 && info.crc32 == e->crc32;
    return (!id.size_known || id.size == info.size) && info.mtime_ms >= made_ms;
}

/* When the file was made that a peer tells of, as far as it says: false, the second only. */
static bool told_ms(const struct dfs_file_info_rsp *m, int64_t *ret_ms)
{
    bool told = m->crc32 >= DFS_INFO_MS && m->crc32 < DFS_INFO_MS + 1000;
    *ret_ms = m->created_s * 1000 + (told ? m->crc32 - DFS_INFO_MS : 0);
    return told;
}

/*
 * When the file was made that the peer has under @e's name, which was @made_ms by @e. Members of earlier builds do not say,
 * and gave it @e's second; and a file system may have whole seconds only.
 */
static int made_there(struct sto_puller *p, const struct sto_entry *e, int64_t made_ms,
                      int64_t *ret_ms)
{
    struct dfs_file_info_rsp m;
    int r = sto_ask_info(p, e->name, &m);
    if (r < 0)
        return r;
    int64_t there_ms;
    bool told = told_ms(&m, &there_ms);
    bool vague =
        !told || there_ms == (int64_t)e->time_s * 1000 || there_ms == made_ms / 1000 * 1000;
    *ret_ms = vague ? made_ms : there_ms;
    return 0;
}

/*
 * A file whose name can come again, with the time of what has been fetched: the peer may have a later one by now. An earlier
 * one is not what @e is about: -ENOENT.
 */
static int fetch_made(struct sto_puller *p, const struct sto_entry *e, uint8_t flags,
                      struct sto_replica_new *new)
{
    enum { TRIES = 5 };
    for (int i = 0; i < TRIES; i++) {
        AUTO(sto_file_free) struct sto_file *f = NULL;
        int64_t there_ms = 0;
        int r = sto_fetch(p, e->name, flags, &f, &new->size);
        if (r == 0)
            r = made_there(p, e, new->made_ms, &there_ms);
        if (r < 0)
            return r;
        if (there_ms < new->made_ms)
            return -ENOENT;
        if (there_ms == new->made_ms) {
            new->file = TAKE(f);
            return 0;
        }
        new->made_ms = there_ms; /* once more, lest it was the one before */
    }
    return -EAGAIN;
}

/* As a record says it: a file that is here already may have come before it, as what a link leads to. */
static int need_whole(struct sto_puller *p, const struct sto_entry *e)
{
    uint8_t flags = e->kind == DFS_SCAN_NATIVE ? STO_NATIVE : 0;
    struct sto_replica_new new = {
        .name = e->name, .time_s = e->time_s, .made_ms = sto_rec_ms(e->extra)};
    int r = -EPERM;
    if (have_whole(p, e, new.made_ms))
        r = sto_replica_owner(p->o.store, e->name, flags);
    if (!sto_not_ours(r))
        return r;
    r = new.made_ms > 0 ? fetch_made(p, e, flags, &new) : sto_fetch_new(p, &new, flags);
    if (r == 0)
        r = sto_arrivals_add(p->arrivals, &new);
    sto_file_free(&new.file);
    return r;
}

/* Its metadata's own entry may have been swept away before we came. */
static int need_meta(struct sto_puller *p, const struct sto_entry *e)
{
    if (e->position >= p->first_end || e->kind != DFS_SCAN_NATIVE)
        return 0;
    return sto_arrivals_add(p->arrivals,
                            &(struct sto_replica_new){.name = e->name, .time_s = e->time_s});
}

/*
 * The file may come by another log, and later. A member of an earlier build does not say when its metadata were changed; nor
 * is there anything where one has removed them.
 */
static int change_meta(struct sto_puller *p, const struct sto_entry *e)
{
    struct str name = str_head(e->name, e->name.n - 2);
    struct sto_line_meta meta;
    int r = sto_fetch_meta(p, name, &meta);
    if (r < 0)
        return r;
    if (sto_is_deleted_ahead(p->o.store, name, meta.ms))
        return 0;
    bool removed = e->op == 'D' && meta.ms == 0;
    return removed || meta.ms == STO_META_UNTIMED
               ? sto_replica_meta_anyway(p->o.store, name, meta.text,
                                         (int64_t)e->time_s * 1000 + 999)
               : sto_replica_meta(p->o.store, name, meta.text, meta.ms);
}

/* Is it here, under the old name or the new one, as the new one says? An old name, given back, says nothing. */
static bool have_renamed(struct sto_puller *p, const struct sto_entry *e)
{
    struct dfs_fileid id;
    struct sto_info old;
    if (dfs_filename_parse(e->name, &id) < 0 || id.kind != DFS_FILE_NORMAL || !id.size_known)
        return false;
    if (sto_info(p->o.store, e->extra, true, &old) == 0)
        return old.size == id.size && old.crc32 == id.crc32;
    return sto_verify(p->o.store, e->name) == 0;
}

/*
 * What was changed before the rename and not taken by then cannot be had under the old name any more: it is taken
 * whole, before the old one goes.
 */
static int rename_file(struct sto_puller *p, const struct sto_entry *e)
{
    struct sto_replica_new new = {.name = e->name, .time_s = e->time_s};
    struct sto_line_meta meta;
    int r = have_renamed(p, e) ? 0 : sto_fetch_new(p, &new, STO_NATIVE);
    AUTO(sto_file_free) struct sto_file *f = TAKE(new.file);
    if (r == 0)
        r = sto_fetch_meta(p, e->name, &meta);
    if (r < 0 && (sto_puller_broken(p) || !says_nothing(r)))
        return r;
    int renamed = sto_replica_rename(p->o.store, e->extra, e->name);
    if (renamed == -EEXIST)
        renamed = sto_replica_owner(p->o.store, e->name, STO_NATIVE);
    if (renamed < 0 && renamed != -ENOENT)
        return renamed;
    if (sto_is_deleted_ahead(p->o.store, e->name, 0)) {
        /* under the new name, before that came here */
        r = sto_replica_delete(p->o.store, e->name, 0, false, false);
        return r == -ENOENT ? 0 : r;
    }
    if (r == 0 && f) {
        new.file = TAKE(f);
        r = sto_replica_put(p->o.store, &new);
    }
    return r < 0 ? r : sto_replica_meta_renamed(p->o.store, e->name, meta.text, meta.ms);
}

/* Of a name that comes again not later than it is: its own record says which one it is. */
static int when_made(struct sto_puller *p, struct sto_replica_new *new)
{
    struct dfs_file_info_rsp m;
    int r = sto_ask_info(p, new->name, &m);
    if (r < 0)
        return r;
    int64_t ms;
    new->time_s = m.created_s;
    if (told_ms(&m, &ms))
        new->made_ms = ms;
    return 0;
}

/*
 * The target may come from another server's log, whose record will say whose it is, or has just said it on another
 * thread. Gateways have no appenders.
 */
static int fetch_target(struct sto_puller *p, const struct sto_entry *e)
{
    struct dfs_fileid id;
    struct sto_info here;
    if (sto_info(p->o.store, e->extra, false, &here) != -ENOENT ||
        sto_is_deleted_ahead(p->o.store, e->extra, 0))
        return 0;
    bool appender = dfs_filename_parse(e->extra, &id) == 0 && id.kind == DFS_FILE_APPENDER;
    struct sto_replica_new new = {.name = e->extra, .time_s = e->time_s};
    int r = sto_log_comes_again(e->extra) ? when_made(p, &new) : 0;
    if (r == 0)
        r = sto_fetch_and_name(p, &new, appender ? STO_NATIVE : 0, sto_replica_put_unless);
    return r == -EEXIST ? 0 : r; /* a later one has come meanwhile */
}

static int link_file(struct sto_puller *p, const struct sto_entry *e)
{
    struct sto_line_meta meta;
    int64_t mtime_s;
    uint64_t size;
    int r = sto_puller_info(p, e->name, &size, &mtime_s);
    bool moved = r == -EREMOTE; /* the target: there is nothing to be fetched */
    if (r == 0)
        r = fetch_target(p, e);
    if (r == 0 || moved)
        r = sto_fetch_meta(p, e->name, &meta);
    if (r < 0)
        return r; /* -ENOENT: deleted since, or a crash kept the peer from making it */
    r = sto_replica_link(p->o.store, e->name, e->extra);
    if (r == -ENOENT && moved)
        r = sto_link_place(p->o.store, e->name, e->extra);
    return r == 0 || r == -EEXIST ? sto_replica_meta(p->o.store, e->name, meta.text, meta.ms) : r;
}

/* One that finds nothing may have come ahead of the file, by the log of a member that had it. */
static int delete_or_keep(struct sto_puller *p, const struct sto_entry *e)
{
    enum { TRIES = 3 };
    bool anyway = !e->again && sto_mirrors_lost(p->o.mirrors, p->path);
    int64_t at_ms = sto_rec_ms(e->extra);
    bool vague = at_ms == 0; /* earlier builds say the second only */
    if (vague)
        at_ms = (int64_t)e->time_s * 1000;
    int r = -EEXIST;
    for (int i = 0; i < TRIES && r == -EEXIST; i++) {
        r = sto_replica_delete(p->o.store, e->name, at_ms, vague, anyway);
        if (r != -ENOENT)
            return r == -EEXIST ? 0 : r;
        r = sto_deleted_ahead(p->o.store, e->name, at_ms, at_ms + (vague ? 1000 : 0));
    }
    return r == -EEXIST ? 0 : r;
}

/*
 * A writer that has lost the log by which the file came says the deletion in its new one, though it has not got the file, for
 * members of earlier builds, which keep none; what others have logged again is not said once more, so that it ends.
 */
static int delete_file(struct sto_puller *p, const struct sto_entry *e)
{
    int r = delete_or_keep(p, e);
    return r == -EREMOTE ? sto_moved_in_delete(p->o.store, p->o.cluster, e->name) : r;
}

/* --- entries ---------------------------------------------------------------------------------------- */

/* The file has been deleted before it came here: what its log says of it comes to nothing. */
static bool is_over(struct sto_puller *p, const struct sto_entry *e)
{
    return e->op != 'D' && e->op != 'R' && /* what was renamed has another name now */
           sto_is_deleted_ahead(p->o.store, e->name, e->op == 'C' ? sto_rec_ms(e->extra) : 0);
}

static int do_entry(struct sto_puller *p, const struct sto_entry *e)
{
    char file[STO_NAME_MAX + 1];
    struct dfs_fileid id;
    if (e->name.n == 0)
        return 0; /* a note: kept with the piece */
    if (str_ends(e->name, STR("-m")))
        return change_meta(p, e);
    if ((e->op == STO_OP_MOVED || e->op == 'D') && sto_kept_parse(e->name, file))
        return sto_kept_in(p, p->o.store, e);
    if (is_over(p, e))
        return 0;
    bool packed = dfs_filename_parse(e->name, &id) == 0 && id.kind == DFS_FILE_TRUNK && !id.slave;
    switch (e->op) {
    case 'C':
        return packed ? need_meta(p, e) : need_whole(p, e);
    case 'D':
        return delete_file(p, e);
    case 'A':
    case 'M':
        return sto_edits_range(p, e);
    case 'T':
        return sto_edits_resize(p, e);
    case 'L':
        return link_file(p, e);
    case 'R':
        return rename_file(p, e);
    case STO_OP_MOVED:
        return sto_moved_in(p, p->o.store, p->o.cluster, e);
    default:
        return 0;
    }
}

static void tell_applied(const struct sto_puller *p)
{
    if (p->o.applied)
        p->o.applied(p->o.arg, p->log, p->time_s);
}

static int settle(void *arg)
{
    struct sto_puller *p = arg;
    int r = sto_arrivals_settle(p->arrivals, p->line, p->files);
    if (r == 0)
        tell_applied(p);
    return r;
}

/* New files arrive together; everything else finds those before it named. */
static bool must_settle(const struct sto_puller *p, const struct sto_entry *e)
{
    bool waits = e->name.n == 0 || (e->op == 'C' && !str_ends(e->name, STR("-m")));
    return sto_arrivals_any(p->arrivals) && (!waits || sto_arrivals_full(p->arrivals));
}

/* Here or there: what comes behind it waits until it is possible, as what it asks for is not here. Told once a file. */
static void tell_refused(struct sto_puller *p, const struct sto_entry *e, int r)
{
    uint64_t hash = str_hash(e->name);
    if (!p->o.refused || sto_puller_broken(p))
        return;
    bool told = *p->o.refused == hash, refused = sto_dir_refuses(r);
    if (told || refused)
        *p->o.refused = refused ? hash : 0;
    if (told || !refused)
        return;
    dfs_log(LOG_ERROR, "storage.entry_refused", KV_STR("name", e->name), KV_I64("op", e->op),
            KV_ERR(r));
}

/* It may be what a member had the turn for (trunk/turns.h). */
static void tell_done(struct sto_puller *p, const struct sto_entry *e)
{
    bool meta = str_ends(e->name, STR("-m"));
    struct str name = e->op == 'R' ? e->extra : meta ? str_head(e->name, e->name.n - 2) : e->name;
    if (e->op != 'C' || meta)
        sto_turn_over(p->o.store, name, p->log->origin, e->position);
}

static int apply(const struct sto_entry *e, void *arg)
{
    struct sto_puller *p = arg;
    if (must_settle(p, e))
        return STO_SETTLE_FIRST;
    int r = do_entry(p, e);
    tell_refused(p, e, r);
    if (says_nothing(r)) {
        if (r != -ENOENT &&
            r != -EREMOTE) /* one bad record must not hold up all others (semantics 19, 30) */
            dfs_log(LOG_WARN, "storage.entry_skipped", KV_STR("name", e->name), KV_I64("op", e->op),
                    KV_ERR(r));
        r = sto_puller_broken(p) ? -EPIPE : 0;
    }
    if (r < 0)
        return r;
    tell_done(p, e);
    p->time_s = e->time_s;
    if (sto_arrivals_any(p->arrivals))
        return STO_PUT_OFF;
    tell_applied(p);
    return 0;
}

/* --- pieces ------------------------------------------------------------------------------------------ */

static void add_own_id(const struct sto_puller *p, struct buf *body)
{
    char id[DFS_ID_MAX] = {0};
    memcpy(id, p->o.own_id, strnlen(p->o.own_id, sizeof(id)));
    buf_add(body, id, sizeof(id));
}

static int call_and_wait(struct sto_puller *p, uint8_t cmd, const struct buf *body,
                         uint32_t wait_ms, struct buf *rsp)
{
    struct str part = buf_str(body);
    p->line->timeout(p->logs, p->o.net.timeout_ms + wait_ms + EXTRA_WAIT_MS);
    return p->line->call(p->logs, cmd, 0, &part, 1, rsp);
}

static int pull(struct sto_puller *p, unsigned path, const struct sto_log_info *log,
                uint64_t position, uint32_t wait_ms, struct sto_range *range, int64_t *time_s)
{
    AUTO(buf_free) struct buf body = BUF(64);
    buf_u8(&body, (uint8_t)path);
    buf_add(&body, log->id, STO_LOG_ID_LEN);
    buf_u64(&body, position);
    buf_u32(&body, wait_ms);
    add_own_id(p, &body);
    int r = call_and_wait(p, DFS_INT_SYNC_PULL, &body, wait_ms, &p->piece);
    if (r < 0)
        return r;
    struct rd rd = rd_of(buf_str(&p->piece));
    range->number = rd_u32(&rd);
    range->offset = rd_u32(&rd);
    range->next = rd_u64(&rd);
    range->end = rd_u64(&rd);
    *time_s = (int64_t)rd_u64(&rd);
    range->n = rd.n;
    return rd.bad || range->next < position ? -EPROTO : 0;
}

int sto_puller_record(struct sto_puller *p, unsigned path, const struct sto_log_info *log,
                      uint64_t position, struct str *ret)
{
    struct sto_range range = {.n = 0};
    int64_t time_s;
    int r = pull(p, path, log, position, 0, &range, &time_s);
    if (r < 0)
        return r;
    *ret = str_from(buf_str(&p->piece), PULL_HEAD);
    bool there = range.n > 0 && range.number == (uint32_t)(position >> 32) &&
                 range.offset == (uint32_t)position;
    return there ? 0 : -ENOENT;
}

int sto_puller_step(struct sto_puller *p, unsigned path, const struct sto_log_info *log,
                    uint32_t wait_ms, struct sto_pull_result *ret)
{
    struct sto_log_info ours = {.end = 0};
    struct sto_range range = {.n = 0};
    int64_t time_s = 0;
    int r = sto_mirrors_find(p->o.mirrors, path, log->id, &ours);
    if (r == 0 && ours.own)
        return -EINVAL; /* we write that one */
    p->first_end = r == 0 ? ours.first_end : log->end;
    r = pull(p, path, log, ours.end, wait_ms, &range, &time_s);
    p->log = log;
    p->path = path;
    if (r == 0 && range.n > 0)
        r = sto_mirrors_take(p->o.mirrors, path, log, &range,
                             str_from(buf_str(&p->piece), PULL_HEAD),
                             &(struct sto_taker){apply, settle, p});
    else if (r == 0 && range.next > ours.end)
        r = sto_mirrors_swept(p->o.mirrors, path, log, range.next);
    if (r < 0)
        return r;
    /* Up to date: what was acknowledged there before this second has arrived, though it be nothing. */
    if (range.n == 0 && range.next >= range.end && p->o.applied)
        p->o.applied(p->o.arg, log, time_s - 1);
    *ret = (struct sto_pull_result){.position = range.next, .end = range.end, .bytes = range.n};
    return 0;
}

int sto_puller_wait(struct sto_puller *p, struct sto_log_info *logs, unsigned count,
                    uint32_t wait_ms)
{
    AUTO(buf_free) struct buf body = BUF(WAIT_MAX);
    count = MIN(count, (unsigned)UINT8_MAX);
    buf_u32(&body, wait_ms);
    add_own_id(p, &body);
    buf_u8(&body, (uint8_t)count);
    for (unsigned i = 0; i < count; i++) {
        struct sto_log_info ours = {.end = 0};
        (void)!sto_mirrors_find(p->o.mirrors, i, logs[i].id, &ours);
        buf_add(&body, logs[i].id, STO_LOG_ID_LEN);
        buf_u64(&body, ours.end);
    }
    int r = buf_err(&body);
    if (r == 0)
        r = call_and_wait(p, DFS_INT_SYNC_WAIT, &body, wait_ms, &p->rsp);
    if (r < 0)
        return r;
    struct rd rd = rd_of(buf_str(&p->rsp));
    for (unsigned i = 0; i < count; i++)
        logs[i].end = rd_u64(&rd);
    return rd.bad ? -EPROTO : 0;
}
