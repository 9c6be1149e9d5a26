/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Two passes over all logs: first buckets and the list of files, which objects need, then objects. The order in a
 * description decides, not the place in a log, since a key's changes may lie on several store
 * paths; for each key the order of what was applied last is kept in a row of its own until the end.
 */
#include "s3gw/lifecycle/rebuild.h"

#include "dfscore/log/log.h"
#include "dfscore/wire/internal.h"
#include "s3gw/dfs/describe.h"
#include "s3gw/dfs/dfs.h"
#include "s3gw/index/bucket.h"
#include "s3gw/index/object.h"

enum {
    ENTRIES_A_FRAME = 200,
    FRAME_MAX = 16 * 1024 * 1024,
    ARENA_MAX = 64 * 1024 * 1024,
    ORDERS_A_COMMIT = 10000,
    ORDER_ROW_MAX = 2048,
};

struct pass {
    struct s3_gw *gw;
    struct s3_rebuild_counts *counts;
    bool buckets;                  /* this pass, or objects */
    const struct s3_scan_entry *e; /* of the frame being applied */
    size_t n;
    struct s3_rebuild_counts before; /* an update may run twice */
};

/* ---- which description is the latest ---- */

static struct str order_row(struct buf *k, const struct s3_desc *d)
{
    buf_reset(k);
    buf_addc(k, 'r');
    buf_adds(k, d->bucket);
    buf_addc(k, '\0');
    buf_adds(k, d->key);
    return buf_str(k);
}

/* 1 when @d is later than what was applied to its key, and is now noted as applied; 0 when not;
 * errno. */
static int is_later(struct s3_tx *tx, const struct s3_desc *d)
{
    AUTO(buf_free) struct buf k = BUF(ORDER_ROW_MAX);
    AUTO(buf_free) struct buf v = BUF(64);
    struct str row = order_row(&k, d);
    int r = buf_err(&k) ? buf_err(&k) : s3_tx_get(tx, row, &v);
    if (r < 0 && r != -ENOENT)
        return r;
    struct rd in = rd_of(buf_str(&v));
    if (r == 0 && rd_u64(&in) >= d->order)
        return 0;
    buf_reset(&v);
    buf_u64(&v, d->order);
    s3_tx_put(tx, row, buf_str(&v));
    return 1;
}

/* ---- which files are still there ---- */

static struct str file_row(struct buf *k, struct str file_id)
{
    buf_reset(k);
    buf_addc(k, 'r');
    buf_addc(k, '\0'); /* no bucket's name */
    buf_adds(k, file_id);
    return buf_str(k);
}

static int note_file(struct s3_tx *tx, struct str file_id)
{
    AUTO(buf_free) struct buf k = BUF(ORDER_ROW_MAX);
    s3_tx_put(tx, file_row(&k, file_id), STR(""));
    return buf_err(&k);
}

/* 0 when all files of the manifest are; -ENOENT: it was replaced, and its files were reclaimed. */
static int files_there(struct s3_tx *tx, const struct s3_object *o)
{
    int r = 0;
    for (size_t i = 0; r == 0 && i < o->nextents; i++) {
        AUTO(buf_free) struct buf k = BUF(ORDER_ROW_MAX);
        AUTO(buf_free) struct buf v = BUF(64);
        r = s3_tx_get(tx, file_row(&k, o->extents[i].file_id), &v);
    }
    return r;
}

/* The rows of this module are of no use afterwards. 1: there may be more. */
static int forget_fn(struct s3_tx *tx, void *arg)
{
    AUTO(arena_fini) struct arena a;
    AUTO(s3_iter_free) struct s3_iter *it = NULL;
    size_t *left = arg;
    arena_init(&a, ARENA_MAX);
    struct str *rows = arena_alloc(&a, ORDERS_A_COMMIT * sizeof(*rows));
    size_t n = 0;
    int r = rows ? s3_tx_iter(tx, STR("r"), STR("s"), &it) : -ENOMEM;
    for (; r == 0 && n < ORDERS_A_COMMIT && s3_iter_valid(it); s3_iter_next(it)) {
        rows[n] = arena_str(&a, s3_iter_key(it));
        r = rows[n++].p ? 0 : -ENOMEM;
    }
    for (size_t i = 0; r == 0 && i < n; i++)
        s3_tx_del(tx, rows[i]);
    *left = n;
    return r;
}

/* ---- applying ---- */

static int apply_bucket(struct pass *p, struct s3_tx *tx, const struct s3_desc *d, struct arena *a)
{
    struct s3_bucket b, existing;
    int r = s3_bucket_get_tx(tx, d->bucket, a, &existing);
    bool had = r == 0;
    if (r < 0 && r != -ENOENT)
        return r;
    if (d->kind == S3_DESC_UNBUCKET) {
        r = had ? s3_bucket_delete(tx, d->bucket) : 0;
    } else {
        r = s3_bucket_decode(d->rest, a, &b);
        if (r == 0 && had) {
            b.bid = existing.bid;
            r = s3_bucket_update(tx, &b);
        } else if (r == 0) {
            r = s3_bucket_create(tx, &b, a, &existing);
        }
    }
    p->counts->buckets += r == 0;
    return r;
}

/*
 * Without extents, all of the object is in the file the description lies beside; else what they lack
 * of the size is, which is how objects grow. (Extents of encrypted ones count what is stored, and
 * those do not grow.)
 */
static int add_own_file(struct s3_object *o, struct str file_id, struct arena *a)
{
    uint64_t left = o->size;
    for (size_t i = 0; i < o->nextents && !o->sse.p; i++) {
        if (o->extents[i].length > left)
            return -EBADMSG;
        left -= o->extents[i].length;
    }
    if (left == 0 || (o->nextents > 0 && o->sse.p))
        return 0;
    if (file_id.n == 0)
        return -EBADMSG;
    if (o->nextents == 0)
        return s3_object_in_one_file(o, file_id, a, &o->extents, &o->nextents);
    struct s3_extent *all = arena_alloc(a, (o->nextents + 1) * sizeof(*all));
    if (!all)
        return -ENOMEM;
    memcpy(all, o->extents, o->nextents * sizeof(*all));
    all[o->nextents++] = (struct s3_extent){.file_id = file_id, .length = left};
    o->extents = all;
    return 0;
}

static int put_object(struct s3_tx *tx, uint64_t bid, const struct s3_desc *d, struct str file_id,
                      struct arena *a)
{
    struct s3_object o;
    int r = s3_object_decode(d->rest, a, &o);
    if (r == 0)
        r = files_there(tx, &o);
    if (r == 0)
        r = add_own_file(&o, file_id, a);
    if (r < 0)
        return r == -ENOENT ? 0 : r;
    return s3_object_restore(tx, bid, d->key, &o);
}

static int apply_object(struct pass *p, struct s3_tx *tx, const struct s3_desc *d,
                        struct str file_id, struct arena *a)
{
    struct s3_bucket b;
    int r = s3_bucket_get_tx(tx, d->bucket, a, &b);
    if (r == -ENOENT)
        return 0; /* deleted later: so were its objects */
    if (r == 0)
        r = is_later(tx, d);
    if (r <= 0)
        return r;
    if (d->kind == S3_DESC_PUT) {
        r = put_object(tx, b.bid, d, file_id, a);
        p->counts->objects += r == 0;
    } else {
        struct s3_deleted gone;
        r = s3_object_delete(tx, b.bid, d->key, NULL, d->owner_id, &gone);
        p->counts->deletions += r == 0;
    }
    return r;
}

static bool is_ours(const struct pass *p, const struct s3_desc *d)
{
    bool bucket = d->kind == S3_DESC_BUCKET || d->kind == S3_DESC_UNBUCKET;
    return p->buckets ? bucket : !bucket && d->kind != S3_DESC_PART;
}

static int apply_fn(struct s3_tx *tx, void *arg)
{
    struct pass *p = arg;
    *p->counts = p->before;
    s3_tx_frees(tx);
    int r = 0;
    for (size_t i = 0; r == 0 && i < p->n; i++) {
        AUTO(arena_fini) struct arena a;
        arena_init(&a, ARENA_MAX);
        struct s3_desc d;
        if (p->buckets && p->e[i].file_id.n > 0)
            r = note_file(tx, p->e[i].file_id);
        if (p->e[i].kind == DFS_SCAN_NATIVE || r < 0)
            continue;
        r = s3_desc_decode(p->e[i].description, &d);
        p->counts->entries += !p->buckets;
        if (r == 0 && !is_ours(p, &d))
            continue;
        if (r == 0)
            r = p->buckets ? is_later(tx, &d) > 0 ? apply_bucket(p, tx, &d, &a) : 0
                           : apply_object(p, tx, &d, p->e[i].file_id, &a);
        if (r == -EBADMSG) { /* one description lost is no reason to lose the others */
            dfs_log(LOG_ERROR, "rebuild.unreadable", KV_STR("file", p->e[i].file_id),
                    KV_U64("position", p->e[i].position));
            p->counts->unreadable += !p->buckets;
            r = 0;
        }
    }
    return r;
}

static int follow_log(struct pass *p, const struct s3_log *log)
{
    uint64_t position = 0;
    for (bool end = false; !end;) {
        AUTO(arena_fini) struct arena a;
        AUTO(buf_free) struct buf frame = BUF(FRAME_MAX);
        arena_init(&a, ARENA_MAX);
        struct s3_scan_entry *e;
        int r = s3_dfs_scan(p->gw->dfs, log, &position, ENTRIES_A_FRAME, true, &frame, &a, &e, &p->n, &end);
        p->e = e;
        p->before = *p->counts;
        if (r == 0)
            r = s3_index_update(p->gw->index, apply_fn, p);
        if (r < 0)
            return r;
    }
    return 0;
}

static int run_pass(struct pass *p)
{
    AUTO(arena_fini) struct arena a;
    arena_init(&a, ARENA_MAX);
    struct s3_log *logs;
    size_t n;
    int r = s3_dfs_logs(p->gw->dfs, &a, &logs, &n);
    for (size_t i = 0; r == 0 && i < n; i++)
        r = follow_log(p, &logs[i]);
    return r;
}

int s3_rebuild(struct s3_gw *gw, struct s3_rebuild_counts *ret)
{
    *ret = (struct s3_rebuild_counts){0};
    struct pass p = {.gw = gw, .counts = ret, .buckets = true};
    int r = run_pass(&p);
    p.buckets = false;
    if (r == 0)
        r = run_pass(&p);
    for (size_t left = ORDERS_A_COMMIT; r == 0 && left == ORDERS_A_COMMIT;)
        r = s3_index_update(gw->index, forget_fn, &left);
    return r;
}
