/* SPDX-License-Identifier: Apache-2.0 */
/* Users and access keys: declared in bucket.h, beside the cache they share. */
#include "s3gw/index/bucket.h"
#include "s3gw/index/cache.h"
#include "s3gw/index/rows.h"
#include "s3gw/index/store.h"

enum { RECORD_VERSION = 1, DISABLED = 1, ROOT = 2 };

static void encode_user(const struct s3_user *u, struct buf *out)
{
    buf_u8(out, RECORD_VERSION);
    buf_u8(out, (uint8_t)((u->disabled ? DISABLED : 0) | (u->root ? ROOT : 0)));
    buf_u64(out, (uint64_t)u->created_ms);
    buf_lstr(out, u->id);
    buf_lstr(out, u->display_name);
    buf_lstr(out, u->email);
    s3_put_opt(out, u->policies);
}

static int decode_user(struct str bytes, struct s3_user *ret)
{
    struct rd in = rd_of(bytes);
    struct s3_user u = {0};
    if (rd_u8(&in) != RECORD_VERSION)
        return -EBADMSG;
    uint8_t flags = rd_u8(&in);
    u.disabled = flags & DISABLED;
    u.root = flags & ROOT;
    u.created_ms = (int64_t)rd_u64(&in);
    u.id = rd_lstr(&in);
    u.display_name = rd_lstr(&in);
    u.email = rd_lstr(&in);
    u.policies = s3_get_opt(&in);
    if (in.bad || in.n > 0)
        return -EBADMSG;
    *ret = u;
    return 0;
}

static void encode_key(const struct s3_access_key *k, struct buf *out)
{
    buf_u8(out, RECORD_VERSION);
    buf_u64(out, (uint64_t)k->created_ms);
    buf_lstr(out, k->access_key);
    buf_lstr(out, k->secret);
    buf_lstr(out, k->user_id);
}

static int decode_key(struct str bytes, struct s3_access_key *ret)
{
    struct rd in = rd_of(bytes);
    struct s3_access_key k = {0};
    if (rd_u8(&in) != RECORD_VERSION)
        return -EBADMSG;
    k.created_ms = (int64_t)rd_u64(&in);
    k.access_key = rd_lstr(&in);
    k.secret = rd_lstr(&in);
    k.user_id = rd_lstr(&in);
    if (in.bad || in.n > 0)
        return -EBADMSG;
    *ret = k;
    return 0;
}

static int cached_row(struct s3_index *x, struct str row, enum s3_read how, struct arena *a, struct str *ret)
{
    AUTO(buf_free) struct buf v = BUF(S3_INDEX_VALUE_MAX);
    int r = s3_cache_get(x->cache, x, row, how, &v);
    if (r < 0)
        return r;
    *ret = arena_str(a, buf_str(&v));
    return ret->p ? 0 : -ENOMEM;
}

int s3_user_get(struct s3_index *x, struct str id, enum s3_read how, struct arena *a, struct s3_user *ret)
{
    AUTO(buf_free) struct buf k = BUF(S3_ROW_KEY_MAX);
    struct str row = s3_row_user(&k, id), bytes;
    int r = buf_err(&k) ? buf_err(&k) : cached_row(x, row, how, a, &bytes);
    return r < 0 ? r : decode_user(bytes, ret);
}

int s3_key_get(struct s3_index *x, struct str access_key, enum s3_read how, struct arena *a,
               struct s3_access_key *ret_key, struct s3_user *ret_user)
{
    AUTO(buf_free) struct buf k = BUF(S3_ROW_KEY_MAX);
    struct str row = s3_row_key(&k, access_key), bytes;
    int r = buf_err(&k) ? buf_err(&k) : cached_row(x, row, how, a, &bytes);
    if (r == 0)
        r = decode_key(bytes, ret_key);
    return r < 0 ? r : s3_user_get(x, ret_key->user_id, how, a, ret_user);
}

void s3_users_changed(struct s3_index *x)
{
    s3_cache_changed(x->cache, STR_NULL);
}

int s3_user_list(struct s3_index *x, struct arena *a, struct s3_user **ret, size_t *ret_n)
{
    AUTO(s3_iter_free) struct s3_iter *it = NULL;
    int r = s3_iter_new(x, STR("u"), STR("v"), &it);
    size_t n = 0, cap = 0;
    struct s3_user *v = NULL;
    for (; r == 0 && s3_iter_valid(it); s3_iter_next(it)) {
        if (n == cap) {
            struct s3_user *more = arena_alloc(a, (cap = cap ? 2 * cap : 16) * sizeof(*more));
            if (!more)
                return -ENOMEM;
            if (n)
                memcpy(more, v, n * sizeof(*v));
            v = more;
        }
        struct str bytes = arena_str(a, s3_iter_value(it));
        r = bytes.p ? decode_user(bytes, &v[n++]) : -ENOMEM;
    }
    if (r == 0)
        r = s3_iter_err(it);
    *ret = v;
    *ret_n = n;
    return r;
}

int s3_user_by_email(struct s3_index *x, struct str email, struct arena *a, struct s3_user *ret)
{
    struct s3_user *v;
    size_t n;
    int r = s3_user_list(x, a, &v, &n);
    if (r < 0)
        return r;
    for (size_t i = 0; i < n; i++) {
        if (v[i].email.n > 0 && str_ieq(v[i].email, email)) {
            *ret = v[i];
            return 0;
        }
    }
    return -ENOENT;
}

/* 0 when the row is there. */
static int row_exists(struct s3_tx *tx, struct str row)
{
    AUTO(buf_free) struct buf v = BUF(S3_INDEX_VALUE_MAX);
    return s3_tx_get(tx, row, &v);
}

int s3_user_put(struct s3_tx *tx, const struct s3_user *u, bool must_be_new)
{
    AUTO(buf_free) struct buf k = BUF(S3_ROW_KEY_MAX);
    AUTO(buf_free) struct buf v = BUF(S3_INDEX_VALUE_MAX);
    struct str row = s3_row_user(&k, u->id);
    encode_user(u, &v);
    int r = buf_err(&k) ? buf_err(&k) : buf_err(&v);
    if (r == 0 && must_be_new) {
        r = row_exists(tx, row);
        r = r == 0 ? -EEXIST : r == -ENOENT ? 0 : r;
    }
    if (r == 0)
        s3_tx_put(tx, row, buf_str(&v));
    return r;
}

/* 1 when a bucket belongs to the user, 0, or errno. */
static int owns_bucket(struct s3_tx *tx, struct str id)
{
    AUTO(s3_iter_free) struct s3_iter *it = NULL;
    struct arena a;
    arena_init(&a, S3_INDEX_VALUE_MAX);
    int r = s3_tx_iter(tx, STR("b"), STR("c"), &it);
    for (; r == 0 && s3_iter_valid(it); s3_iter_next(it)) {
        struct s3_bucket b;
        r = s3_bucket_decode(s3_iter_value(it), &a, &b);
        if (r == 0 && str_eq(b.owner_id, id))
            r = 1;
        arena_fini(&a);
        arena_init(&a, S3_INDEX_VALUE_MAX);
    }
    if (r == 0)
        r = s3_iter_err(it);
    arena_fini(&a);
    return r;
}

static int delete_keys_of(struct s3_tx *tx, struct str id)
{
    struct arena a;
    arena_init(&a, 4 * S3_INDEX_VALUE_MAX);
    struct str *rows;
    size_t n;
    int r = s3_row_keys(tx, STR("k"), &a, &rows, &n);
    for (size_t i = 0; r == 0 && i < n; i++) {
        AUTO(buf_free) struct buf v = BUF(S3_INDEX_VALUE_MAX);
        struct s3_access_key key;
        r = s3_tx_get(tx, rows[i], &v);
        if (r == 0)
            r = decode_key(buf_str(&v), &key);
        if (r == 0 && str_eq(key.user_id, id))
            s3_tx_del(tx, rows[i]);
    }
    arena_fini(&a);
    return r;
}

int s3_user_delete(struct s3_tx *tx, struct str id)
{
    AUTO(buf_free) struct buf k = BUF(S3_ROW_KEY_MAX);
    struct str row = s3_row_user(&k, id);
    int r = buf_err(&k) ? buf_err(&k) : row_exists(tx, row);
    if (r == 0)
        r = owns_bucket(tx, id);
    if (r > 0)
        return -ENOTEMPTY;
    if (r == 0)
        r = delete_keys_of(tx, id);
    if (r == 0)
        s3_tx_del(tx, row);
    return r;
}

int s3_key_put(struct s3_tx *tx, const struct s3_access_key *key)
{
    AUTO(buf_free) struct buf k = BUF(S3_ROW_KEY_MAX);
    AUTO(buf_free) struct buf v = BUF(S3_INDEX_VALUE_MAX);
    struct str row = s3_row_key(&k, key->access_key);
    encode_key(key, &v);
    int r = buf_err(&k) ? buf_err(&k) : buf_err(&v);
    if (r == 0)
        r = row_exists(tx, row);
    if (r == 0)
        return -EEXIST;
    if (r != -ENOENT)
        return r;
    s3_tx_put(tx, row, buf_str(&v));
    return 0;
}

int s3_key_delete(struct s3_tx *tx, struct str access_key)
{
    AUTO(buf_free) struct buf k = BUF(S3_ROW_KEY_MAX);
    struct str row = s3_row_key(&k, access_key);
    int r = buf_err(&k) ? buf_err(&k) : row_exists(tx, row);
    if (r == 0)
        s3_tx_del(tx, row);
    return r;
}

int s3_key_list(struct s3_index *x, struct str user_id, struct arena *a, struct s3_access_key **ret, size_t *ret_n)
{
    AUTO(s3_iter_free) struct s3_iter *it = NULL;
    int r = s3_iter_new(x, STR("k"), STR("l"), &it);
    size_t n = 0, cap = 0;
    struct s3_access_key *v = NULL;
    for (; r == 0 && s3_iter_valid(it); s3_iter_next(it)) {
        if (n == cap) {
            struct s3_access_key *more = arena_alloc(a, (cap = cap ? 2 * cap : 16) * sizeof(*more));
            if (!more)
                return -ENOMEM;
            if (n)
                memcpy(more, v, n * sizeof(*v));
            v = more;
        }
        struct str bytes = arena_str(a, s3_iter_value(it));
        r = bytes.p ? decode_key(bytes, &v[n]) : -ENOMEM;
        n += r == 0 && (!user_id.p || str_eq(v[n].user_id, user_id));
    }
    if (r == 0)
        r = s3_iter_err(it);
    *ret = v;
    *ret_n = n;
    return r;
}
