/* SPDX-License-Identifier: Apache-2.0 */
#include "s3gw/index/object.h"

#include "s3gw/index/refs.h"
#include "s3gw/index/rows.h"

enum { DETAIL_INLINE_MAX = 1024 }; /* bytes; bigger manifests get a row of their own, so that listings stay quick */

/* ---- reading ------------------------------------------------------------------------------------ */

static int get_row(struct s3_index *x, struct s3_tx *tx, struct str key, enum s3_read how, struct arena *a,
                   struct str *ret)
{
    AUTO(buf_free) struct buf v = BUF(S3_INDEX_VALUE_MAX);
    int r = tx ? s3_tx_get(tx, key, &v) : s3_index_get(x, key, how, &v);
    if (r < 0)
        return r;
    *ret = arena_str(a, buf_str(&v));
    return ret->p ? 0 : -ENOMEM;
}

/*
 * @ret->seq names the detail row. One that is missing means that the object was replaced between the two
 * reads (both rows go in one commit): then @seen, the seq whose detail was missing, differs the next time.
 */
static int get_object(struct s3_index *x, struct s3_tx *tx, uint64_t bid, struct str key, enum s3_read how,
                      bool want_detail, struct arena *a, struct s3_object *ret)
{
    AUTO(buf_free) struct buf k = BUF(S3_ROW_KEY_MAX);
    for (uint64_t seen = 0;;) {
        struct str row = s3_row_object(&k, bid, key), bytes;
        bool apart;
        int r = buf_err(&k) ? buf_err(&k) : get_row(x, tx, row, how, a, &bytes);
        if (r == 0)
            r = s3_object_decode_head(bytes, a, ret, &apart);
        if (r < 0 || !apart || !want_detail)
            return r;
        r = get_row(x, tx, s3_row_detail(&k, ret->seq), how, a, &bytes);
        if (r == 0)
            return s3_object_decode_detail(bytes, a, ret);
        if (r != -ENOENT || ret->seq == seen)
            return r == -ENOENT ? -EBADMSG : r;
        seen = ret->seq;
    }
}

int s3_object_get(struct s3_index *x, uint64_t bid, struct str key, enum s3_read how, bool want_detail,
                  struct arena *a, struct s3_object *ret)
{
    return get_object(x, NULL, bid, key, how, want_detail, a, ret);
}

int s3_object_get_tx(struct s3_tx *tx, uint64_t bid, struct str key, struct arena *a, struct s3_object *ret)
{
    return get_object(NULL, tx, bid, key, S3_READ_ANY, true, a, ret);
}

/* ---- changing ----------------------------------------------------------------------------------- */

int s3_bucket_alive(struct s3_tx *tx, uint64_t bid)
{
    AUTO(buf_free) struct buf k = BUF(S3_ROW_KEY_MAX);
    AUTO(buf_free) struct buf v = BUF(1024);
    int r = s3_tx_get(tx, s3_row_bid(&k, bid), &v);
    return r == -ENOENT ? -ENODEV : r;
}

static bool etag_listed(const struct s3_cond *c, const struct s3_etag *e)
{
    if (c->if_match_any)
        return true;
    const struct s3_etag *list = c->if_match_n ? c->if_match_list : &c->if_match;
    for (size_t i = 0; i < MAX(c->if_match_n, (size_t)1); i++)
        if (s3_etag_eq(&list[i], e))
            return true;
    return false;
}

static int judge(const struct s3_cond *c, const struct s3_object *current)
{
    if (!c)
        return 0;
    if (c->if_none_match_any && current)
        return -EEXIST;
    if (c->has_if_match && !current)
        return -ENOENT;
    return c->has_if_match && !etag_listed(c, &current->etag) ? -ESTALE : 0;
}

/* What an object no longer needs: its files, its detail. */
static int drop(struct s3_tx *tx, const struct s3_object *o)
{
    AUTO(buf_free) struct buf k = BUF(S3_ROW_KEY_MAX);
    s3_tx_del(tx, s3_row_detail(&k, o->seq));
    return s3_refs_drop(tx, o->extents, o->nextents);
}

static int write_object(struct s3_tx *tx, uint64_t bid, struct str key, const struct s3_object *o)
{
    AUTO(buf_free) struct buf k = BUF(S3_ROW_KEY_MAX);
    AUTO(buf_free) struct buf head = BUF(S3_INDEX_VALUE_MAX);
    AUTO(buf_free) struct buf detail = BUF(S3_INDEX_VALUE_MAX);
    s3_object_encode_detail(o, &detail);
    bool apart = detail.n > DETAIL_INLINE_MAX;
    s3_object_encode_head(o, apart, &head);
    if (buf_err(&head) || buf_err(&detail))
        return buf_err(&head) ? buf_err(&head) : buf_err(&detail);
    if (apart)
        s3_tx_put(tx, s3_row_detail(&k, o->seq), buf_str(&detail));
    s3_tx_put(tx, s3_row_object(&k, bid, key), buf_str(&head));
    return buf_err(&k);
}

int s3_object_install(struct s3_tx *tx, uint64_t bid, struct str key, const struct s3_cond *cond,
                      struct s3_object *o)
{
    struct arena a;
    arena_init(&a, 2 * S3_INDEX_VALUE_MAX);
    struct s3_object old;
    int r = s3_object_get_tx(tx, bid, key, &a, &old);
    bool had = r == 0;
    if (r == -ENOENT)
        r = 0;
    if (r == 0)
        r = judge(cond, had ? &old : NULL);
    if (r == 0 && had) {
        o->mtime_ms = MAX(o->mtime_ms, old.mtime_ms);
        r = drop(tx, &old);
    }
    if (r == 0)
        r = write_object(tx, bid, key, o);
    arena_fini(&a);
    return r;
}

int s3_object_put(struct s3_tx *tx, uint64_t bid, struct str key, const struct s3_cond *cond, struct s3_object *o)
{
    int r = s3_bucket_alive(tx, bid);
    if (r < 0)
        return r;
    o->seq = s3_tx_seq(tx);
    for (size_t i = 0; i < o->nextents; i++) {
        if (o->extents[i].owner != 0)
            continue;
        o->extents[i].owner = o->seq;
        s3_ref_add(tx, o->extents[i].file_id, o->seq);
    }
    return s3_object_install(tx, bid, key, cond, o);
}

int s3_object_delete(struct s3_tx *tx, uint64_t bid, struct str key, const struct s3_cond *cond, bool *had)
{
    AUTO(buf_free) struct buf k = BUF(S3_ROW_KEY_MAX);
    s3_tx_frees(tx);
    int r = s3_bucket_alive(tx, bid);
    if (r < 0)
        return r;
    struct arena a;
    arena_init(&a, 2 * S3_INDEX_VALUE_MAX);
    struct s3_object old;
    r = s3_object_get_tx(tx, bid, key, &a, &old);
    *had = r == 0;
    if (r == -ENOENT)
        r = 0;
    if (r == 0)
        r = judge(cond, *had ? &old : NULL);
    if (r == 0 && *had) {
        s3_tx_del(tx, s3_row_object(&k, bid, key));
        r = drop(tx, &old);
    }
    arena_fini(&a);
    return r;
}

int s3_object_copy(struct s3_tx *tx, uint64_t src_bid, struct str src_key, uint64_t src_seq, uint64_t bid,
                   struct str key, const struct s3_cond *cond, struct s3_object *o)
{
    int r = s3_bucket_alive(tx, bid);
    if (r < 0)
        return r;
    struct arena a;
    arena_init(&a, 2 * S3_INDEX_VALUE_MAX);
    struct s3_object src;
    r = s3_object_get_tx(tx, src_bid, src_key, &a, &src);
    if (r == -ENOENT || (r == 0 && src.seq != src_seq))
        r = -EAGAIN;
    arena_fini(&a);
    if (r < 0)
        return r;
    o->seq = s3_tx_seq(tx);
    for (size_t i = 0; i < o->nextents; i++) {
        o->extents[i].owner = o->seq;
        s3_ref_add(tx, o->extents[i].file_id, o->seq);
    }
    return s3_object_install(tx, bid, key, cond, o);
}

int s3_object_amend(struct s3_tx *tx, uint64_t bid, struct str key, const struct s3_object *o)
{
    struct arena a;
    arena_init(&a, 2 * S3_INDEX_VALUE_MAX);
    struct s3_object now;
    int r = s3_object_get_tx(tx, bid, key, &a, &now);
    if (r == 0 && now.seq != o->seq)
        r = -EAGAIN;
    if (r == 0) {
        now.tags = o->tags;
        now.acl = o->acl;
        now.lock = o->lock;
        r = write_object(tx, bid, key, &now);
    }
    arena_fini(&a);
    return r;
}
