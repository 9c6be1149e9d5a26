/* SPDX-License-Identifier: Apache-2.0 */
#include "s3gw/api/ingest.h"

#include "dfscore/fileid/fileid.h"
#include "dfscore/log/log.h"
#include "dfscore/wire/internal.h"
#include "s3gw/api/commit.h"
#include "s3gw/api/encryption.h"
#include "s3gw/api/growth.h"
#include "s3gw/api/sealing.h"
#include "s3gw/core/body.h"
#include "s3gw/core/digest.h"
#include "s3gw/core/gw.h"
#include "s3gw/index/bucket.h"
#include "s3gw/index/refs.h"

enum {
    SMALL_FIRST = 16 * 1024, /* memory of a small object grows as its bytes arrive */
    LONE_ROW = 32,           /* so many without another beside them say that there is one writer */
};

static struct s3_ingest *of(struct s3_req *q)
{
    return q->handler_state;
}

static struct str groups_of(const struct s3_ingest *in)
{
    return s3_class_group(&in->q->gw->classes, in->storage_class, in->q->bkt->groups);
}

static void release_small(struct s3_ingest *in)
{
    free(in->small);
    in->small = NULL;
    s3_budget_give(&in->q->gw->small, in->small_cap);
    in->small_cap = 0;
}

static void release(struct s3_ingest *in)
{
    release_small(in);
    buf_free(&in->description);
}

static void finished(struct s3_ingest *in, enum s3err e)
{
    release(in);
    s3_req_done(in->q, e);
}

/* ---- naming what was stored ---- */

static int orphan_fn(struct s3_tx *tx, void *arg)
{
    struct s3_ingest *in = arg;
    s3_tx_frees(tx);
    return s3_ref_orphan(tx, in->extent.file_id, 0);
}

static void orphan_done(void *arg, int r)
{
    struct s3_ingest *in = arg;
    if (r < 0) /* the search at the next start finds it */
        dfs_log(LOG_WARN, "s3.orphan_left", KV_STR("file", in->extent.file_id), KV_ERR(r));
    finished(in, in->error(in->q, in->refused));
}

static void queue_orphan(struct s3_ingest *in)
{
    if (in->nextents == 0) {
        finished(in, in->error(in->q, in->refused));
        return;
    }
    in->update = (struct s3_update){.fn = orphan_fn, .done = orphan_done, .arg = in};
    s3_index_submit(in->q->gw->index, &in->update);
}

/* A note with what @say puts together; its result goes to @done. */
static void note(struct s3_ingest *in, int (*say)(struct s3_ingest *in, struct buf *out),
                 void (*done)(struct s3_dfs_put *p, int result))
{
    buf_free(&in->description);
    in->description = BUF(S3_INDEX_VALUE_MAX);
    int r = say(in, &in->description);
    in->put = (struct s3_dfs_put){
        .groups = groups_of(in), .description = buf_str(&in->description), .done = done, .arg = in};
    if (r < 0)
        done(&in->put, r);
    else
        s3_dfs_submit(in->q->gw->dfs, &in->put);
}

static void undone(struct s3_dfs_put *p, int r)
{
    static struct dfs_log_gate gate;
    if (r < 0 && dfs_log_allow(&gate, 1))
        dfs_log(LOG_ERROR, "s3.note_not_taken_back", KV_ERR(r));
    queue_orphan(p->arg);
}

static void refuse(struct s3_ingest *in, int r)
{
    in->refused = r;
    if (in->undo && r != -ENODEV) /* a bucket that is gone takes all with it */
        note(in, in->undo, undone);
    else
        queue_orphan(in);
}

static void commit(struct s3_ingest *in);

static void described_again(struct s3_dfs_put *p, int r)
{
    if (r < 0)
        refuse(p->arg, r);
    else
        commit(p->arg);
}

static int commit_fn(struct s3_tx *tx, void *arg)
{
    struct s3_ingest *in = arg;
    in->extent.owner = 0; /* a new file: also when this runs a second time */
    return in->commit(tx, in);
}

static void committed(void *arg, int r)
{
    struct s3_ingest *in = arg;
    if (r == 0) {
        in->answer(in);
        finished(in, S3ERR_OK);
    } else if (r == -ERESTART && ++in->tries < S3_COMMIT_TRIES) {
        note(in, in->describe, described_again);
    } else {
        refuse(in, r == -ERESTART ? -EAGAIN : r);
    }
}

static bool has_company(const struct s3_ingest *in)
{
    return atomic_load(&in->q->gw->small.used) > in->small_cap;
}

/*
 * On the thread that heard the storage. A lone writer is spared the hand-over to the index's thread; with others that
 * thread commits while this one sends what they brought.
 */
static void commit(struct s3_ingest *in)
{
    in->update = (struct s3_update){.fn = commit_fn, .done = committed, .arg = in};
    if (in->lone && !has_company(in))
        s3_index_submit_alone(in->q->gw->index, &in->update);
    else
        s3_index_submit(in->q->gw->index, &in->update);
}

/* Bytes of the file that holds @n bytes of content. */
static uint64_t stored_size(const struct s3_req *q, uint64_t n)
{
    return q->seal ? s3_sealed_size(n) : n;
}

static enum s3err not_stored(struct s3_ingest *in, int r)
{
    return r == -E2BIG ? in->error(in->q, r) : s3err_from_errno(r, S3_THING_OTHER);
}

/* The storage has answered. */
static void stored(struct s3_ingest *in, int r, struct str file_id)
{
    if (r < 0) {
        finished(in, r == -EBADMSG ? S3ERR_BAD_DIGEST : not_stored(in, r));
        return;
    }
    if (in->size > 0) {
        in->extent = (struct s3_extent){arena_str(&in->q->arena, file_id), 0,
                                        stored_size(in->q, in->size), 0};
        in->nextents = 1;
        if (!in->extent.file_id.p) {
            finished(in, S3ERR_SLOW_DOWN);
            return;
        }
        s3_growth_notice(in->q, groups_of(in), file_id);
    }
    commit(in);
}

/* For the ETag, or to be compared with Content-MD5. */
static bool wants_md5(const struct s3_req *q)
{
    return s3_seal_wants_md5(q->seal) || q->plan->has_md5;
}

/* ---- small ---- */

static bool small_room(struct s3_req *q, size_t n)
{
    (void)q;
    (void)n;
    return true;
}

static enum s3err small_grow(struct s3_ingest *in, size_t need)
{
    size_t cap = MAX(in->small_cap * 2, (size_t)SMALL_FIRST);
    cap = (size_t)MIN(MAX(cap, need), MIN(in->q->plan->length, (uint64_t)DFS_PACK_MAX));
    if (!s3_budget_take(&in->q->gw->small, cap - in->small_cap))
        return S3ERR_SLOW_DOWN;
    char *p = dfs_realloc(in->small, cap);
    if (!p) {
        s3_budget_give(&in->q->gw->small, cap - in->small_cap);
        return S3ERR_SLOW_DOWN;
    }
    in->small = p;
    in->small_cap = cap;
    return S3ERR_OK;
}

static enum s3err small_data(struct s3_req *q, struct str piece)
{
    struct s3_ingest *in = of(q);
    ASSERT(piece.n <= q->plan->length - in->small_n); /* core/body.c ends a body that is too long */
    if (piece.n > in->small_cap - in->small_n) {
        enum s3err e = small_grow(in, in->small_n + piece.n);
        if (e != S3ERR_OK)
            return e;
    }
    memcpy(in->small + in->small_n, piece.p, piece.n);
    in->small_n += piece.n;
    return S3ERR_OK;
}

/* What arrived gives way to its encrypted form. */
static enum s3err small_seal(struct s3_ingest *in)
{
    const struct s3_seal *seal = in->q->seal;
    if (!seal || in->small_n == 0)
        return S3ERR_OK;
    size_t n = (size_t)s3_sealed_size(in->small_n);
    if (!s3_budget_take(&in->q->gw->small, n))
        return S3ERR_SLOW_DOWN;
    uint8_t *sealed = dfs_alloc(n);
    int r =
        sealed ? s3_seal(seal->dek, seal->part, str_of(in->small, in->small_n), sealed) : -ENOMEM;
    if (r < 0) {
        free(sealed);
        s3_budget_give(&in->q->gw->small, n);
        return s3err_from_errno(r, S3_THING_OTHER);
    }
    free(in->small);
    s3_budget_give(&in->q->gw->small, in->small_cap);
    in->small = (char *)sealed;
    in->small_n = in->small_cap = n;
    return S3ERR_OK;
}

static void small_stored(struct s3_dfs_put *p, int r)
{
    stored(p->arg, r, str_c(p->file_id));
}

static bool is_lone(const struct s3_ingest *in)
{
    _Atomic unsigned *row = &in->q->gw->lone_uploads;
    if (has_company(in))
        atomic_store(row, 0);
    return atomic_load(row) >= LONE_ROW || atomic_fetch_add(row, 1) + 1 >= LONE_ROW;
}

static enum s3err small_finish(struct s3_req *q)
{
    struct s3_ingest *in = of(q);
    in->size = in->small_n;
    in->lone = is_lone(in);
    if (wants_md5(q))
        s3_md5(in->small ? in->small : "", in->small_n, in->md5);
    enum s3err e = s3_body_check_md5(q, q->plan, in->md5);
    if (e == S3ERR_OK)
        e = small_seal(in);
    if (e != S3ERR_OK) {
        release(in);
        return e;
    }
    in->description = BUF(S3_INDEX_VALUE_MAX);
    int r = s3_seal_etag(q->seal, in->md5, in->md5); /* compared with what the client sent */
    if (r == 0)
        r = in->describe(in, &in->description);
    if (r < 0) {
        release(in);
        return not_stored(in, r);
    }
    in->put.groups = groups_of(in);
    in->put.description = buf_str(&in->description);
    in->put.data = in->size > 0 ? str_of(in->small, in->small_n) : STR_NULL;
    in->put.done = small_stored;
    in->put.arg = in;
    s3_dfs_submit(q->gw->dfs, &in->put);
    return S3ERR_PENDING;
}

static void small_abort(struct s3_req *q)
{
    release(of(q));
}

static const struct s3_sink small_sink = {
    .room = small_room, .data = small_data, .finish = small_finish, .abort = small_abort};

/* ---- large ---- */

static bool large_room(struct s3_req *q, size_t n)
{
    return s3_upload_file_room(of(q)->file, n);
}

static enum s3err large_data(struct s3_req *q, struct str piece)
{
    struct s3_ingest *in = of(q);
    in->size += piece.n;
    int r = s3_upload_file_data(in->file, piece);
    return s3err_from_errno(r, S3_THING_OTHER);
}

static void large_settle(struct s3_req *q)
{
    s3_upload_file_settle(of(q)->file);
}

static void large_more(void *arg)
{
    struct s3_ingest *in = arg;
    s3_req_more(in->q);
}

static int large_describe(void *arg, const uint8_t md5[16], struct buf *out)
{
    struct s3_ingest *in = arg;
    if (s3_body_check_md5(in->q, in->q->plan, md5) != S3ERR_OK)
        return -EBADMSG; /* stored() makes it BadDigest again */
    int r = s3_seal_etag(in->q->seal, md5, in->md5);
    return r < 0 ? r : in->describe(in, out);
}

static void large_done(void *arg, int r, struct str file_id)
{
    stored(arg, r, file_id);
}

static enum s3err large_finish(struct s3_req *q)
{
    s3_upload_file_finish(&of(q)->file);
    return S3ERR_PENDING;
}

static void large_abort(struct s3_req *q)
{
    s3_upload_file_abort(&of(q)->file);
}

static const struct s3_sink large_sink = {.room = large_room,
                                          .data = large_data,
                                          .settle = large_settle,
                                          .finish = large_finish,
                                          .abort = large_abort};

/* ---- extensions ---- */

void s3_file_extension(struct str key, char ext[7])
{
    size_t n = 0;
    while (n < key.n && n <= DFS_EXT_MAX && key.p[key.n - 1 - n] != '.' &&
           key.p[key.n - 1 - n] != '/')
        n++;
    ext[0] = '\0';
    if (n == 0 || n == key.n || n > DFS_EXT_MAX || key.p[key.n - 1 - n] != '.')
        return;
    struct str e = str_from(key, key.n - n);
    if (!dfs_ext_ok(e))
        return;
    memset(ext, 0, 7);
    memcpy(ext, e.p, e.n);
}

static enum s3err large_open(struct s3_ingest *in)
{
    struct s3_req *q = in->q;
    const struct s3_body_plan *plan = q->plan;
    bool known = plan->length != UINT64_MAX; /* a form is a little longer than its file */
    uint64_t size = MIN(known ? plan->length : plan->wire_length, S3_BODY_DATA_MAX);
    struct s3_upload_file_options o = {.groups = groups_of(in),
                                       .size = stored_size(q, size),
                                       .no_md5 = !wants_md5(q),
                                       .more = large_more,
                                       .describe = large_describe,
                                       .done = large_done,
                                       .arg = in};
    memcpy(o.ext, in->put.ext, sizeof(o.ext));
    int r = q->seal ? s3_sealing_new(q->gw, q->seal, &o) : 0;
    if (r < 0)
        return s3err_from_errno(r, S3_THING_OTHER);
    r = s3_upload_file_new(q->gw->dfs, &o, &in->file);
    if (r < 0 && o.seal)
        o.seal_free(o.sealer);
    return s3err_from_errno(r, S3_THING_OTHER);
}

/* ---- growing: small, until it is too much for that ---- */

/* What is in memory becomes the beginning of the file. False: not now. */
static bool move_to_file(struct s3_ingest *in)
{
    if (!in->file)
        in->unopened = large_open(in);
    if (in->unopened != S3ERR_OK || in->small_n == 0)
        return true;
    if (!s3_upload_file_room(in->file, in->small_n))
        return false;
    in->unopened = large_data(in->q, str_of(in->small, in->small_n));
    in->small_n = 0;
    release_small(in);
    return true;
}

static bool growing_room(struct s3_req *q, size_t n)
{
    struct s3_ingest *in = of(q);
    if (!in->file && stored_size(q, in->small_n + n) <= DFS_PACK_MAX)
        return true;
    if (!move_to_file(in))
        return false;
    return in->unopened != S3ERR_OK || s3_upload_file_room(in->file, n); /* data() says why */
}

static enum s3err growing_data(struct s3_req *q, struct str piece)
{
    struct s3_ingest *in = of(q);
    if (in->unopened != S3ERR_OK)
        return in->unopened;
    return in->file ? large_data(q, piece) : small_data(q, piece);
}

static void growing_settle(struct s3_req *q)
{
    if (of(q)->file)
        large_settle(q);
}

static enum s3err growing_finish(struct s3_req *q)
{
    return of(q)->file ? large_finish(q) : small_finish(q);
}

static void growing_abort(struct s3_req *q)
{
    large_abort(q);
    small_abort(q);
}

static const struct s3_sink growing_sink = {.room = growing_room,
                                            .data = growing_data,
                                            .settle = growing_settle,
                                            .finish = growing_finish,
                                            .abort = growing_abort};

/* ---- all ---- */

enum s3err s3_ingest_begin(struct s3_ingest *in)
{
    struct s3_req *q = in->q;
    q->handler_state = in;
    s3_file_extension(q->key, in->put.ext);
    enum s3err e = S3ERR_OK;
    if (q->plan->length == UINT64_MAX) { /* a form's: of all others core/body.c wants a length */
        q->sink = &growing_sink;
    } else if (stored_size(q, q->plan->length) > DFS_PACK_MAX) {
        e = large_open(in);
        q->sink = e == S3ERR_OK ? &large_sink : NULL;
    } else {
        q->sink = &small_sink;
    }
    return e;
}
