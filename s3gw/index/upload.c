/* SPDX-License-Identifier: Apache-2.0 */
#include "s3gw/index/upload.h"

#include <openssl/rand.h>

#include "dfscore/base/clock.h"
#include "s3gw/index/refs.h"
#include "s3gw/index/rows.h"

enum { FINISHED_VERSION = 1, PARTS_BYTES_MAX = 128 * 1024 * 1024 };

/* ---- upload ids --------------------------------------------------------------------------------- */

static void hex64(uint64_t v, char *out)
{
    uint8_t b[8];
    for (int i = 0; i < 8; i++)
        b[i] = (uint8_t)(v >> (56 - 8 * i));
    str_hex(b, sizeof(b), out);
}

void s3_upload_id_format(const struct s3_upload *u, char out[33])
{
    hex64(u->useq, out);
    hex64(u->check, out + 16);
    out[32] = '\0';
}

int s3_upload_id_parse(struct str id, uint64_t *ret_useq, uint64_t *ret_check)
{
    uint64_t useq, check;
    if (id.n != 32 || str_hex64(str_head(id, 16), &useq) < 0 || str_hex64(str_from(id, 16), &check) < 0)
        return -EINVAL;
    *ret_useq = useq;
    *ret_check = check;
    return 0;
}

/* ---- uploads ------------------------------------------------------------------------------------ */

int s3_upload_create(struct s3_tx *tx, uint64_t bid, struct s3_upload *u)
{
    AUTO(buf_free) struct buf k = BUF(S3_ROW_KEY_MAX);
    AUTO(buf_free) struct buf v = BUF(S3_INDEX_VALUE_MAX);
    int r = s3_bucket_alive(tx, bid);
    if (r < 0)
        return r;
    u->useq = s3_tx_seq(tx);
    if (RAND_bytes((unsigned char *)&u->check, sizeof(u->check)) != 1)
        return -EIO;
    s3_upload_encode(u, &v);
    struct str row = s3_row_upload(&k, bid, u->key, u->useq);
    if (buf_err(&k) || buf_err(&v))
        return buf_err(&k) ? buf_err(&k) : buf_err(&v);
    s3_tx_put(tx, row, buf_str(&v));
    return 0;
}

int s3_upload_get(struct s3_index *x, uint64_t bid, struct str key, struct str upload_id, enum s3_read how,
                  struct arena *a, struct s3_upload *ret)
{
    AUTO(buf_free) struct buf k = BUF(S3_ROW_KEY_MAX);
    AUTO(buf_free) struct buf v = BUF(S3_INDEX_VALUE_MAX);
    uint64_t useq, check;
    if (s3_upload_id_parse(upload_id, &useq, &check) < 0)
        return -ENOENT;
    struct str row = s3_row_upload(&k, bid, key, useq);
    int r = buf_err(&k) ? buf_err(&k) : s3_index_get(x, row, how, &v);
    if (r < 0)
        return r;
    struct str bytes = arena_str(a, buf_str(&v));
    r = bytes.p ? s3_upload_decode(bytes, a, ret) : -ENOMEM;
    if (r < 0)
        return r;
    ret->useq = useq;
    ret->key = key;
    return ret->check == check ? 0 : -ENOENT;
}

/* 0 while the upload is open. */
static int is_open(struct s3_tx *tx, uint64_t bid, struct str key, uint64_t useq)
{
    AUTO(buf_free) struct buf k = BUF(S3_ROW_KEY_MAX);
    AUTO(buf_free) struct buf v = BUF(S3_INDEX_VALUE_MAX);
    struct str row = s3_row_upload(&k, bid, key, useq);
    return buf_err(&k) ? buf_err(&k) : s3_tx_get(tx, row, &v);
}

/* ---- parts -------------------------------------------------------------------------------------- */

/* The part that @row names is replaced or goes: so do its files. */
static int drop_part(struct s3_tx *tx, struct str row)
{
    AUTO(buf_free) struct buf v = BUF(S3_INDEX_VALUE_MAX);
    int r = s3_tx_get(tx, row, &v);
    if (r < 0)
        return r == -ENOENT ? 0 : r;
    struct arena a;
    arena_init(&a, 4 * S3_INDEX_VALUE_MAX);
    struct s3_upart old;
    r = s3_upart_decode(buf_str(&v), &a, &old);
    if (r == 0)
        r = s3_refs_drop(tx, old.extents, old.nextents);
    arena_fini(&a);
    return r;
}

static int install_part(struct s3_tx *tx, uint64_t bid, struct str key, uint64_t useq, struct s3_upart *p, bool all_new)
{
    AUTO(buf_free) struct buf k = BUF(S3_ROW_KEY_MAX);
    AUTO(buf_free) struct buf v = BUF(S3_INDEX_VALUE_MAX);
    int r = s3_bucket_alive(tx, bid);
    if (r == 0)
        r = is_open(tx, bid, key, useq);
    if (r < 0)
        return r;
    uint64_t owner = s3_tx_seq(tx);
    for (size_t i = 0; i < p->nextents; i++) {
        if (!all_new && p->extents[i].owner != 0)
            continue;
        p->extents[i].owner = owner;
        s3_ref_add(tx, p->extents[i].file_id, owner);
    }
    struct str row = s3_row_part(&k, useq, p->number);
    r = drop_part(tx, row);
    s3_upart_encode(p, &v);
    if (r == 0)
        r = buf_err(&v);
    if (r == 0)
        s3_tx_put(tx, row, buf_str(&v));
    return r;
}

int s3_upload_put_part(struct s3_tx *tx, uint64_t bid, struct str key, uint64_t useq, struct s3_upart *p)
{
    return install_part(tx, bid, key, useq, p, false);
}

int s3_upload_copy_part(struct s3_tx *tx, uint64_t src_bid, struct str src_key, uint64_t src_seq, uint64_t bid,
                        struct str key, uint64_t useq, struct s3_upart *p)
{
    struct arena a;
    arena_init(&a, 2 * S3_INDEX_VALUE_MAX);
    struct s3_object src;
    int r = s3_object_get_tx(tx, src_bid, src_key, &a, &src);
    if (r == -ENOENT || (r == 0 && src.seq != src_seq))
        r = -EAGAIN;
    arena_fini(&a);
    return r < 0 ? r : install_part(tx, bid, key, useq, p, true);
}

/* Parts from the iterator, whose rows are those of one upload. */
static int collect(struct s3_iter *it, uint32_t after, size_t max, struct arena *a, struct s3_upart **ret,
                   size_t *ret_n, bool *more)
{
    struct s3_upart *v = NULL;
    size_t n = 0, cap = 0;
    *more = false;
    for (; s3_iter_valid(it); s3_iter_next(it)) {
        struct rd number = rd_of(str_from(s3_iter_key(it), 9));
        uint32_t no = rd_u32(&number);
        if (no <= after && after > 0)
            continue;
        if (n == max) {
            *more = true;
            break;
        }
        if (n == cap) {
            struct s3_upart *bigger = arena_alloc(a, (cap = cap ? 2 * cap : 32) * sizeof(*bigger));
            if (!bigger)
                return -ENOMEM;
            if (n)
                memcpy(bigger, v, n * sizeof(*v));
            v = bigger;
        }
        struct str bytes = arena_str(a, s3_iter_value(it));
        int r = bytes.p ? s3_upart_decode(bytes, a, &v[n]) : -ENOMEM;
        if (r < 0)
            return r;
        v[n++].number = no;
    }
    *ret = v;
    *ret_n = n;
    return s3_iter_err(it);
}

static int parts(struct s3_index *x, struct s3_tx *tx, uint64_t useq, uint32_t after, size_t max, struct arena *a,
                 struct s3_upart **ret, size_t *ret_n, bool *more)
{
    AUTO(buf_free) struct buf k = BUF(S3_ROW_KEY_MAX);
    AUTO(buf_free) struct buf end = BUF(S3_ROW_KEY_MAX);
    AUTO(buf_free) struct buf p = BUF(S3_ROW_KEY_MAX);
    AUTO(s3_iter_free) struct s3_iter *it = NULL;
    struct str from = s3_row_part(&k, useq, after), until = s3_row_after(&end, s3_row_prefix(&p, 'p', useq));
    int r = buf_err(&k) ? buf_err(&k) : buf_err(&end);
    if (r == 0)
        r = tx ? s3_tx_iter(tx, from, until, &it) : s3_iter_new(x, from, until, &it);
    return r < 0 ? r : collect(it, after, max, a, ret, ret_n, more);
}

int s3_upload_parts(struct s3_index *x, uint64_t useq, uint32_t after, size_t max, struct arena *a,
                    struct s3_upart **ret, size_t *ret_n, bool *more)
{
    return parts(x, NULL, useq, after, max, a, ret, ret_n, more);
}

int s3_upload_parts_tx(struct s3_tx *tx, uint64_t useq, struct arena *a, struct s3_upart **ret, size_t *ret_n)
{
    bool more;
    return parts(NULL, tx, useq, 0, SIZE_MAX, a, ret, ret_n, &more);
}

/* ---- the end of an upload ----------------------------------------------------------------------- */

static bool same_extent(const struct s3_extent *a, const struct s3_extent *b)
{
    return a->offset == b->offset && a->length == b->length && a->owner == b->owner &&
           str_eq(a->file_id, b->file_id);
}

/*
 * Go through all parts: the listed ones must make up @o, in order; the others' files are dropped. Rows of
 * all are deleted. -EAGAIN: they do not make up @o any more.
 */
static int use_parts(struct s3_tx *tx, uint64_t useq, const uint32_t *numbers, size_t n, const struct s3_object *o,
                     struct arena *a)
{
    AUTO(buf_free) struct buf k = BUF(S3_ROW_KEY_MAX);
    struct s3_upart *p;
    size_t np, listed = 0, extent = 0;
    int r = s3_upload_parts_tx(tx, useq, a, &p, &np);
    for (size_t i = 0; r == 0 && i < np; i++) {
        if (listed < n && p[i].number == numbers[listed]) {
            listed++;
            for (size_t j = 0; j < p[i].nextents; j++)
                if (extent == o->nextents || !same_extent(&p[i].extents[j], &o->extents[extent++]))
                    return -EAGAIN;
        } else {
            r = s3_refs_drop(tx, p[i].extents, p[i].nextents);
        }
        s3_tx_del(tx, s3_row_part(&k, useq, p[i].number));
    }
    return r < 0 ? r : listed == n && extent == o->nextents ? 0 : -EAGAIN;
}

static void write_finished(struct s3_tx *tx, uint64_t useq, uint64_t bid, struct str key, uint64_t seq)
{
    AUTO(buf_free) struct buf k = BUF(S3_ROW_KEY_MAX);
    AUTO(buf_free) struct buf v = BUF(S3_ROW_KEY_MAX + 64);
    buf_u8(&v, FINISHED_VERSION);
    buf_u64(&v, bid);
    buf_u64(&v, seq);
    buf_u64(&v, (uint64_t)dfs_now_ms());
    buf_adds(&v, key);
    s3_tx_put(tx, s3_row_finished(&k, useq), buf_str(&v));
}

int s3_upload_complete(struct s3_tx *tx, uint64_t bid, struct str key, uint64_t useq, const uint32_t *numbers,
                       size_t n, const struct s3_cond *cond, struct s3_object *o, bool *ret_gone)
{
    AUTO(buf_free) struct buf k = BUF(S3_ROW_KEY_MAX);
    *ret_gone = false;
    int r = s3_bucket_alive(tx, bid);
    if (r == 0)
        r = is_open(tx, bid, key, useq);
    *ret_gone = r == -ENOENT;
    if (r < 0)
        return r;
    struct arena a;
    arena_init(&a, PARTS_BYTES_MAX);
    r = use_parts(tx, useq, numbers, n, o, &a);
    arena_fini(&a);
    if (r < 0)
        return r;
    o->seq = s3_tx_seq(tx);
    s3_tx_del(tx, s3_row_upload(&k, bid, key, useq));
    write_finished(tx, useq, bid, key, o->seq);
    return s3_object_install(tx, bid, key, cond, o);
}

int s3_upload_abort(struct s3_tx *tx, uint64_t bid, struct str key, uint64_t useq)
{
    AUTO(buf_free) struct buf k = BUF(S3_ROW_KEY_MAX);
    s3_tx_frees(tx);
    int r = is_open(tx, bid, key, useq);
    if (r < 0)
        return r;
    struct arena a;
    arena_init(&a, PARTS_BYTES_MAX);
    struct s3_upart *p;
    size_t n;
    r = s3_upload_parts_tx(tx, useq, &a, &p, &n);
    for (size_t i = 0; r == 0 && i < n; i++) {
        r = s3_refs_drop(tx, p[i].extents, p[i].nextents);
        s3_tx_del(tx, s3_row_part(&k, useq, p[i].number));
    }
    if (r == 0)
        s3_tx_del(tx, s3_row_upload(&k, bid, key, useq));
    arena_fini(&a);
    return r;
}

/* ---- the memory of finished uploads ------------------------------------------------------------- */

struct finished {
    uint64_t bid, seq;
    int64_t at_ms;
    struct str key;
};

static int decode_finished(struct str bytes, struct finished *f)
{
    struct rd in = rd_of(bytes);
    if (rd_u8(&in) != FINISHED_VERSION)
        return -EBADMSG;
    f->bid = rd_u64(&in);
    f->seq = rd_u64(&in);
    f->at_ms = (int64_t)rd_u64(&in);
    f->key = rd_bytes(&in, in.n);
    return in.bad ? -EBADMSG : 0;
}

int s3_upload_finished(struct s3_index *x, uint64_t bid, struct str key, struct str upload_id, struct arena *a,
                       struct s3_object *ret)
{
    AUTO(buf_free) struct buf k = BUF(S3_ROW_KEY_MAX);
    AUTO(buf_free) struct buf v = BUF(S3_ROW_KEY_MAX + 64);
    uint64_t useq, check;
    if (s3_upload_id_parse(upload_id, &useq, &check) < 0)
        return -ENOENT;
    struct finished f;
    int r = s3_index_get(x, s3_row_finished(&k, useq), S3_READ_ANY, &v);
    if (r == 0)
        r = decode_finished(buf_str(&v), &f);
    if (r == 0 && (f.bid != bid || !str_eq(f.key, key)))
        r = -ENOENT;
    if (r == 0)
        r = s3_object_get(x, bid, key, S3_READ_ANY, true, a, ret);
    if (r == 0 && ret->seq != f.seq)
        r = -ENOENT;
    return r;
}

int s3_upload_forget_finished(struct s3_tx *tx, int64_t before_ms, size_t max)
{
    struct arena a;
    arena_init(&a, PARTS_BYTES_MAX);
    struct str *rows;
    size_t n, gone = 0;
    s3_tx_frees(tx);
    int r = s3_row_keys(tx, STR("c"), &a, &rows, &n);
    for (size_t i = 0; r == 0 && i < n && gone < max; i++) {
        AUTO(buf_free) struct buf v = BUF(S3_ROW_KEY_MAX + 64);
        struct finished f;
        r = s3_tx_get(tx, rows[i], &v);
        if (r == 0)
            r = decode_finished(buf_str(&v), &f);
        if (r == 0 && f.at_ms >= before_ms)
            break; /* in order of start: the rest is younger, near enough */
        if (r == 0)
            s3_tx_del(tx, rows[i]);
        gone++;
    }
    arena_fini(&a);
    return r;
}
