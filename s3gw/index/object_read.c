/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Readers look at several rows one after the other, and updates may pass between two looks. So a
 * look that finds rows missing looks again whether the first row it read is still the same; then
 * the miss was real.
 */
#include "s3gw/index/object_read.h"

#include "s3gw/index/record.h"
#include "s3gw/index/rows.h"
#include "s3gw/sse/frames.h"

enum { TRIES = 100 }; /* each needs a writer of the very same key to be quicker */

static int get_row(struct s3_index *x, const struct s3_row_key *row, enum s3_read how,
                   struct arena *a, struct str *ret)
{
    if (row->too_long)
        return -ENOENT;
    AUTO(buf_free) struct buf value = BUF(S3_INDEX_VALUE_MAX);
    int r = s3_index_get(x, s3_row_str(row), how, &value);
    if (r < 0)
        return r;
    *ret = arena_str(a, buf_str(&value));
    return ret->p ? 0 : -ENOMEM;
}

/* A row and its detail. -ESTALE: the detail is gone, so the row must be. */
static int get_object(struct s3_index *x, const struct s3_row_key *row, enum s3_read how,
                      bool want_detail, struct arena *a, struct s3_object *ret)
{
    struct str value;
    bool split;
    struct s3_object o;
    int r = get_row(x, row, how, a, &value);
    if (r == 0)
        r = s3_object_decode_head(value, a, &o, &split);
    if (r == 0 && split && want_detail) {
        struct s3_row_key detail;
        s3_row_number(&detail, S3_ROW_DETAIL, o.seq);
        r = get_row(x, &detail, how, a, &value);
        if (r == -ENOENT)
            return -ESTALE;
        if (r == 0)
            r = s3_object_decode_detail(value, a, &o);
    }
    if (r == 0)
        *ret = o;
    return r;
}

int s3_object_get(struct s3_index *x, uint64_t bid, struct str key, enum s3_read how,
                  bool want_detail, struct arena *a, struct s3_object *ret)
{
    struct s3_row_key row;
    s3_row_object(&row, S3_ROW_OBJECT, bid, key);
    int r = -ESTALE;
    for (int i = 0; r == -ESTALE && i < TRIES; i++)
        r = get_object(x, &row, how, want_detail, a, ret);
    return r == -ESTALE ? -EBADMSG : r;
}

/* Number of the current object; 0: none. */
static int current_number(struct s3_index *x, uint64_t bid, struct str key, enum s3_read how,
                          struct arena *a, uint64_t *ret)
{
    struct s3_object o;
    int r = s3_object_get(x, bid, key, how, false, a, &o);
    *ret = r == 0 ? o.seq : 0;
    return r == -ENOENT ? 0 : r;
}

static int older_row(struct s3_index *x, uint64_t bid, struct str key, const struct s3_version *v,
                     enum s3_read how, struct arena *a, struct s3_row_key *ret)
{
    uint64_t seq = v->seq;
    if (v->null) {
        struct str number;
        s3_row_object(ret, S3_ROW_NULL_VERSION, bid, key);
        int r = get_row(x, ret, how, a, &number);
        if (r < 0)
            return r;
        struct rd rd = rd_of(number);
        seq = rd_u64(&rd);
        if (rd.bad)
            return -EBADMSG;
    }
    s3_row_numbered(ret, S3_ROW_VERSION, bid, key, seq);
    return 0;
}

static bool is_named(const struct s3_object *o, const struct s3_version *v)
{
    bool null = o->flags & S3_OBJ_NULL_VERSION;
    return v->null ? null : !null && o->seq == v->seq;
}

/* -ESTALE: a row moved while we looked. */
static int look_for_version(struct s3_index *x, uint64_t bid, struct str key,
                            const struct s3_version *v, enum s3_read how, bool want_detail,
                            struct arena *a, struct s3_object *ret)
{
    struct s3_object o;
    int r = s3_object_get(x, bid, key, how, want_detail, a, &o);
    if (r < 0 && r != -ENOENT)
        return r;
    uint64_t before = r == 0 ? o.seq : 0, now;
    if (r == 0 && is_named(&o, v)) {
        *ret = o;
        return 0;
    }
    struct s3_row_key row;
    r = older_row(x, bid, key, v, how, a, &row);
    if (r == 0)
        r = get_object(x, &row, how, want_detail, a, &o);
    if (r == 0 && is_named(&o, v)) {
        *ret = o;
        return 0;
    }
    if (r < 0 && r != -ENOENT)
        return r;
    r = current_number(x, bid, key, how, a, &now);
    if (r < 0)
        return r;
    return now == before ? -ENOENT : -ESTALE;
}

int s3_object_get_version(struct s3_index *x, uint64_t bid, struct str key,
                          const struct s3_version *v, enum s3_read how, bool want_detail,
                          struct arena *a, struct s3_object *ret)
{
    int r = -ESTALE;
    for (int i = 0; r == -ESTALE && i < TRIES; i++)
        r = look_for_version(x, bid, key, v, how, want_detail, a, ret);
    return r == -ESTALE ? -EBADMSG : r;
}

/* The first of the v rows. */
static int newest_older(struct s3_index *x, uint64_t bid, struct str key, struct arena *a,
                        struct s3_object *ret)
{
    struct s3_row_key from, until;
    s3_row_object(&from, S3_ROW_VERSION, bid, key);
    s3_row_u8(&from, 0);
    if (from.too_long)
        return -ENOENT;
    until = from;
    s3_row_after_prefix(&until);
    AUTO(s3_iter_free) struct s3_iter *it = NULL;
    int r = s3_iter_new(x, s3_row_str(&from), s3_row_str(&until), &it);
    if (r < 0)
        return r;
    if (!s3_iter_valid(it))
        return s3_iter_err(it) < 0 ? s3_iter_err(it) : -ENOENT;
    struct str value = arena_str(a, s3_iter_value(it));
    bool split;
    return value.p ? s3_object_decode_head(value, a, ret, &split) : -ENOMEM;
}

int s3_object_get_newest(struct s3_index *x, uint64_t bid, struct str key, struct arena *a,
                         struct s3_object *ret)
{
    for (int i = 0; i < TRIES; i++) {
        int r = s3_object_get(x, bid, key, S3_READ_ANY, false, a, ret);
        if (r != -ENOENT)
            return r;
        r = newest_older(x, bid, key, a, ret);
        if (r < 0 || ret->flags & S3_OBJ_DELETE_MARKER)
            return r;
        /* an object on top of the v rows: it was current, or is again */
    }
    return -EBADMSG;
}

int s3_object_still_there(struct s3_tx *tx, uint64_t bid, struct str key, uint64_t seq)
{
    AUTO(arena_fini) struct arena a;
    arena_init(&a, S3_INDEX_VALUE_MAX);
    AUTO(buf_free) struct buf value = BUF(S3_INDEX_VALUE_MAX);
    struct s3_row_key row;
    struct s3_object o;
    s3_row_object(&row, S3_ROW_OBJECT, bid, key);
    int r = s3_tx_get(tx, s3_row_str(&row), &value);
    if (r == 0)
        r = s3_object_decode_listed(buf_str(&value), &a, &o);
    if (r == 0 && o.seq == seq)
        return 0;
    if (r < 0 && r != -ENOENT)
        return r;
    buf_reset(&value);
    s3_row_numbered(&row, S3_ROW_VERSION, bid, key, seq);
    r = s3_tx_get(tx, s3_row_str(&row), &value);
    return r == -ENOENT ? -EAGAIN : r;
}

int s3_object_in_one_file(const struct s3_object *o, struct str file_id, struct arena *a,
                          struct s3_extent **ret, size_t *ret_n)
{
    bool parts = o->sse.p && o->nparts > 0;
    struct s3_extent *e = arena_alloc(a, (parts ? o->nparts : 1) * sizeof(*e));
    if (!e)
        return -ENOMEM;
    uint64_t at = 0;
    size_t n = 0;
    for (size_t i = 0; i < (parts ? o->nparts : 1); i++) {
        uint64_t size = parts ? o->parts[i].size : o->size;
        uint64_t length = o->sse.p ? s3_sealed_size(size) : size;
        if (length > 0)
            e[n++] = (struct s3_extent){.file_id = file_id, .offset = at, .length = length};
        at += length;
    }
    *ret = e;
    *ret_n = n;
    return 0;
}
