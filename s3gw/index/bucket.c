/* SPDX-License-Identifier: Apache-2.0 */
#include "s3gw/index/bucket.h"

#include "s3gw/index/cache.h"
#include "s3gw/index/rows.h"
#include "s3gw/index/store.h"
#include "s3gw/index/upload.h"

enum { RECORD_VERSION = 1, DOCS_MAX = 64, ROWS_BYTES_MAX = 256 * 1024 * 1024 };

/* ---- record ------------------------------------------------------------------------------------- */

void s3_bucket_encode(const struct s3_bucket *b, struct buf *out)
{
    buf_u8(out, RECORD_VERSION);
    buf_u64(out, b->bid);
    buf_lstr(out, b->name);
    buf_lstr(out, b->owner_id);
    buf_lstr(out, b->group);
    buf_u64(out, (uint64_t)b->created_ms);
    s3_put_opt(out, b->versioning);
    buf_var(out, b->ndocs);
    for (size_t i = 0; i < b->ndocs; i++) {
        buf_lstr(out, b->docs[i].name);
        buf_lstr(out, b->docs[i].value);
    }
}

int s3_bucket_decode(struct str bytes, struct arena *a, struct s3_bucket *ret)
{
    struct rd in = rd_of(bytes);
    struct s3_bucket b = {0};
    if (rd_u8(&in) != RECORD_VERSION)
        return -EBADMSG;
    b.bid = rd_u64(&in);
    b.name = rd_lstr(&in);
    b.owner_id = rd_lstr(&in);
    b.group = rd_lstr(&in);
    b.created_ms = (int64_t)rd_u64(&in);
    b.versioning = s3_get_opt(&in);
    uint64_t n = rd_var(&in);
    if (in.bad || n > DOCS_MAX)
        return -EBADMSG;
    b.docs = arena_alloc(a, (size_t)n * sizeof(*b.docs) + 1);
    if (!b.docs)
        return -ENOMEM;
    for (size_t i = 0; i < n; i++) {
        b.docs[i].name = rd_lstr(&in);
        b.docs[i].value = rd_lstr(&in);
    }
    b.ndocs = (size_t)n;
    if (in.bad || in.n > 0)
        return -EBADMSG;
    *ret = b;
    return 0;
}

static int decode_copy(struct buf *v, struct arena *a, struct s3_bucket *ret)
{
    struct str bytes = arena_str(a, buf_str(v));
    return bytes.p ? s3_bucket_decode(bytes, a, ret) : -ENOMEM;
}

/* ---- reading ------------------------------------------------------------------------------------ */

int s3_bucket_get(struct s3_index *x, struct str name, enum s3_read how, struct arena *a, struct s3_bucket *ret)
{
    AUTO(buf_free) struct buf k = BUF(S3_ROW_KEY_MAX);
    AUTO(buf_free) struct buf v = BUF(S3_INDEX_VALUE_MAX);
    struct str row = s3_row_bucket(&k, name);
    int r = buf_err(&k) ? buf_err(&k) : s3_cache_get(x->cache, x, row, how, &v);
    return r < 0 ? r : decode_copy(&v, a, ret);
}

void s3_bucket_changed(struct s3_index *x, struct str name)
{
    AUTO(buf_free) struct buf k = BUF(S3_ROW_KEY_MAX);
    struct str row = s3_row_bucket(&k, name);
    s3_cache_changed(x->cache, buf_err(&k) ? STR_NULL : row);
}

int s3_bucket_list(struct s3_index *x, struct str owner_id, struct str prefix, struct str after, size_t max,
                   struct arena *a, struct s3_bucket **ret, size_t *ret_n, bool *ret_more)
{
    AUTO(buf_free) struct buf from = BUF(S3_ROW_KEY_MAX);
    AUTO(buf_free) struct buf until = BUF(S3_ROW_KEY_MAX);
    AUTO(buf_free) struct buf p = BUF(S3_ROW_KEY_MAX);
    AUTO(s3_iter_free) struct s3_iter *it = NULL;
    s3_row_after(&until, s3_row_bucket(&p, prefix));
    s3_row_bucket(&from, str_cmp(after, prefix) >= 0 ? after : prefix);
    if (after.n > 0 && str_cmp(after, prefix) >= 0)
        buf_addc(&from, '\0'); /* behind it */
    int r = buf_err(&from) ? buf_err(&from) : s3_iter_new(x, buf_str(&from), buf_str(&until), &it);
    if (r < 0)
        return r;
    struct s3_bucket *out = arena_alloc(a, (max + 1) * sizeof(*out));
    if (!out)
        return -ENOMEM;
    size_t n = 0;
    *ret_more = false;
    for (; s3_iter_valid(it); s3_iter_next(it)) {
        struct str bytes = arena_str(a, s3_iter_value(it));
        struct s3_bucket b;
        r = bytes.p ? s3_bucket_decode(bytes, a, &b) : -ENOMEM;
        if (r < 0)
            return r;
        if (owner_id.p && !str_eq(owner_id, b.owner_id))
            continue;
        if (n == max) {
            *ret_more = true;
            break;
        }
        out[n++] = b;
    }
    *ret = out;
    *ret_n = n;
    return s3_iter_err(it);
}

/* ---- changing ----------------------------------------------------------------------------------- */

static int write_bucket(struct s3_tx *tx, const struct s3_bucket *b)
{
    AUTO(buf_free) struct buf k = BUF(S3_ROW_KEY_MAX);
    AUTO(buf_free) struct buf v = BUF(S3_INDEX_VALUE_MAX);
    s3_bucket_encode(b, &v);
    if (buf_err(&v))
        return buf_err(&v);
    s3_tx_put(tx, s3_row_bucket(&k, b->name), buf_str(&v));
    s3_tx_put(tx, s3_row_bid(&k, b->bid), b->name);
    return buf_err(&k);
}

int s3_bucket_get_tx(struct s3_tx *tx, struct str name, struct arena *a, struct s3_bucket *ret)
{
    AUTO(buf_free) struct buf k = BUF(S3_ROW_KEY_MAX);
    AUTO(buf_free) struct buf v = BUF(S3_INDEX_VALUE_MAX);
    struct str row = s3_row_bucket(&k, name);
    int r = buf_err(&k) ? buf_err(&k) : s3_tx_get(tx, row, &v);
    return r < 0 ? r : decode_copy(&v, a, ret);
}

int s3_bucket_create(struct s3_tx *tx, struct s3_bucket *b, struct arena *a, struct s3_bucket *existing)
{
    int r = s3_bucket_get_tx(tx, b->name, a, existing);
    if (r != -ENOENT)
        return r < 0 ? r : -EEXIST;
    b->bid = s3_tx_seq(tx);
    return write_bucket(tx, b);
}

/* 1 when a row begins with the prefix, 0, or errno. */
static int any_row(struct s3_tx *tx, char kind, uint64_t number)
{
    AUTO(buf_free) struct buf k = BUF(S3_ROW_KEY_MAX);
    AUTO(buf_free) struct buf end = BUF(S3_ROW_KEY_MAX);
    AUTO(s3_iter_free) struct s3_iter *it = NULL;
    struct str from = s3_row_prefix(&k, kind, number), until = s3_row_after(&end, from);
    int r = s3_tx_iter(tx, from, until, &it);
    return r < 0 ? r : s3_iter_valid(it) ? 1 : s3_iter_err(it);
}

/* Abort what uploads are open. (An iterator's current row must not be changed under it: first all keys.) */
static int abort_uploads(struct s3_tx *tx, uint64_t bid, struct arena *a)
{
    AUTO(buf_free) struct buf p = BUF(S3_ROW_KEY_MAX);
    struct str *rows;
    size_t n;
    int r = s3_row_keys(tx, s3_row_prefix(&p, 'm', bid), a, &rows, &n);
    for (size_t i = 0; r == 0 && i < n; i++) {
        struct str key = str_of(rows[i].p + 9, rows[i].n - 9 - 9);
        struct rd useq = rd_of(str_from(rows[i], rows[i].n - 8));
        r = s3_upload_abort(tx, bid, key, rd_u64(&useq));
    }
    return r;
}

int s3_bucket_delete(struct s3_tx *tx, struct str name)
{
    AUTO(buf_free) struct buf k = BUF(S3_ROW_KEY_MAX);
    struct arena a;
    arena_init(&a, ROWS_BYTES_MAX);
    struct s3_bucket b;
    s3_tx_frees(tx);
    int r = s3_bucket_get_tx(tx, name, &a, &b);
    if (r == 0)
        r = any_row(tx, 'o', b.bid);
    if (r == 0)
        r = any_row(tx, 'v', b.bid);
    if (r > 0)
        r = -ENOTEMPTY;
    if (r == 0)
        r = abort_uploads(tx, b.bid, &a);
    if (r == 0) {
        s3_tx_del(tx, s3_row_bucket(&k, name));
        s3_tx_del(tx, s3_row_bid(&k, b.bid));
    }
    arena_fini(&a);
    return r;
}

int s3_bucket_update(struct s3_tx *tx, const struct s3_bucket *b)
{
    struct arena a;
    arena_init(&a, 2 * S3_INDEX_VALUE_MAX);
    struct s3_bucket now;
    int r = s3_bucket_get_tx(tx, b->name, &a, &now);
    if (r == 0 && now.bid != b->bid)
        r = -ENOENT;
    arena_fini(&a);
    return r < 0 ? r : write_bucket(tx, b);
}
