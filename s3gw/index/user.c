/* SPDX-License-Identifier: Apache-2.0 */
/* user - users and their access keys; declared in bucket.h. Few rows: what is rare walks all of
 * them. */
#include "s3gw/index/bucket.h"
#include "s3gw/index/cache.h"
#include "s3gw/index/engine.h"
#include "s3gw/index/record.h"
#include "s3gw/index/rows.h"

enum {
    USER_VERSION = 1,
    KEY_VERSION = 1,
    USER_DISABLED = 1,
    USER_ROOT = 2,
    USER_LIMITS = 4,       /* four limits follow the policies */
    LIST_MAX = 100 * 1000, /* a ceiling, not a page: listings of users are the administrator's */
};

/* --- records --- */

void s3_user_encode(const struct s3_user *u, struct buf *out)
{
    buf_u8(out, USER_VERSION);
    bool limited = s3_limits_any(&u->limits);
    buf_u8(out, (uint8_t)((u->disabled ? USER_DISABLED : 0) | (u->root ? USER_ROOT : 0) |
                          (limited ? USER_LIMITS : 0)));
    s3_rec_add_id(out, u->id);
    s3_rec_add_opt(out, u->display_name);
    s3_rec_add_opt(out, u->email);
    buf_var(out, (uint64_t)u->created_ms);
    s3_rec_add_opt(out, u->policies);
    if (!limited)
        return;
    buf_var(out, u->limits.bytes);
    buf_var(out, u->limits.objects);
    buf_var(out, u->limits.requests_s);
    buf_var(out, u->limits.traffic_s);
}

static int finish(const struct rd *r, int e)
{
    return r->bad || (e == 0 && r->n > 0) ? -EBADMSG : e;
}

static int64_t read_time(struct rd *r)
{
    uint64_t v = rd_var(r);
    if (v > INT64_MAX)
        r->bad = true;
    return r->bad ? 0 : (int64_t)v;
}

int s3_user_decode(struct str bytes, struct arena *a, struct s3_user *ret)
{
    struct rd r = rd_of(bytes);
    struct s3_user u = {0};
    if (rd_u8(&r) != USER_VERSION)
        r.bad = true;
    uint8_t flags = rd_u8(&r);
    if (flags & ~(USER_DISABLED | USER_ROOT | USER_LIMITS))
        r.bad = true;
    u.disabled = flags & USER_DISABLED;
    u.root = flags & USER_ROOT;
    int e = s3_rec_id(&r, a, &u.id);
    u.display_name = s3_rec_opt(&r);
    u.email = s3_rec_opt(&r);
    u.created_ms = read_time(&r);
    u.policies = s3_rec_opt(&r);
    if (flags & USER_LIMITS) {
        u.limits.bytes = rd_var(&r);
        u.limits.objects = rd_var(&r);
        u.limits.requests_s = rd_var(&r);
        u.limits.traffic_s = rd_var(&r);
    }
    e = finish(&r, e);
    if (e == 0)
        *ret = u;
    return e;
}

void s3_key_encode(const struct s3_access_key *k, struct buf *out)
{
    buf_u8(out, KEY_VERSION);
    buf_lstr(out, k->access_key);
    buf_lstr(out, k->secret);
    s3_rec_add_id(out, k->user_id);
    buf_var(out, (uint64_t)k->created_ms);
}

int s3_key_decode(struct str bytes, struct arena *a, struct s3_access_key *ret)
{
    struct rd r = rd_of(bytes);
    struct s3_access_key k = {0};
    if (rd_u8(&r) != KEY_VERSION)
        r.bad = true;
    k.access_key = rd_lstr(&r);
    k.secret = rd_lstr(&r);
    int e = s3_rec_id(&r, a, &k.user_id);
    k.created_ms = read_time(&r);
    e = finish(&r, e);
    if (e == 0)
        *ret = k;
    return e;
}

/* --- users --- */

static int get_row(struct s3_index *x, char letter, struct str name, enum s3_read how,
                   struct arena *a, struct str *ret)
{
    struct s3_row_key row;
    s3_row_name(&row, letter, name);
    if (row.too_long)
        return -ENOENT;
    AUTO(buf_free) struct buf value = BUF(S3_INDEX_VALUE_MAX);
    int r = s3_index_get(x, s3_row_str(&row), how, &value);
    if (r < 0)
        return r;
    *ret = arena_str(a, buf_str(&value));
    return ret->p ? 0 : -ENOMEM;
}

int s3_user_get(struct s3_index *x, struct str id, enum s3_read how, struct arena *a,
                struct s3_user *ret)
{
    struct str bytes;
    int r = get_row(x, S3_ROW_USER, id, how, a, &bytes);
    return r < 0 ? r : s3_user_decode(bytes, a, ret);
}

static int row_exists(struct s3_tx *tx, const struct s3_row_key *row)
{
    AUTO(buf_free) struct buf value = BUF(S3_INDEX_VALUE_MAX);
    int r = s3_tx_get(tx, s3_row_str(row), &value);
    return r == 0 ? 1 : r == -ENOENT ? 0 : r;
}

/* @must: what has to be there already: 1 yes, 0 no, -1 all the same. */
static int put_row(struct s3_tx *tx, char letter, struct str name, const struct buf *record,
                   int must)
{
    struct s3_row_key row;
    s3_row_name(&row, letter, name);
    if (row.too_long || name.n == 0)
        return -EINVAL;
    int r = buf_err(record);
    if (r == 0 && must >= 0)
        r = row_exists(tx, &row);
    if (r < 0)
        return r;
    if (must == 0 && r == 1)
        return -EEXIST;
    s3_tx_put(tx, s3_row_str(&row), buf_str(record));
    tx->cached_rows = true;
    return 0;
}

int s3_user_put(struct s3_tx *tx, const struct s3_user *u, bool must_be_new)
{
    AUTO(buf_free) struct buf record = BUF(S3_INDEX_VALUE_MAX);
    s3_user_encode(u, &record);
    return put_row(tx, S3_ROW_USER, u->id, &record, must_be_new ? 0 : -1);
}

int s3_user_list(struct s3_index *x, struct arena *a, struct s3_user **ret, size_t *ret_n)
{
    struct s3_row_key from, until;
    s3_row_start(&from, S3_ROW_USER);
    s3_row_start(&until, S3_ROW_USER + 1);
    AUTO(s3_iter_free) struct s3_iter *it = NULL;
    AUTO(buf_free) struct buf users = BUF(LIST_MAX * sizeof(struct s3_user));
    int r = s3_iter_new(x, s3_row_str(&from), s3_row_str(&until), &it);
    for (; r == 0 && s3_iter_valid(it); s3_iter_next(it)) {
        struct s3_user u;
        struct str bytes = arena_str(a, s3_iter_value(it));
        r = bytes.p ? s3_user_decode(bytes, a, &u) : -ENOMEM;
        if (r == 0)
            buf_add(&users, &u, sizeof(u));
    }
    if (r == 0)
        r = s3_iter_err(it) < 0 ? s3_iter_err(it) : buf_err(&users);
    struct str all = r == 0 ? arena_str(a, buf_str(&users)) : STR_NULL;
    if (!all.p)
        return r < 0 ? r : -ENOMEM;
    *ret = (struct s3_user *)(void *)all.p;
    *ret_n = all.n / sizeof(struct s3_user);
    return 0;
}

int s3_user_by_email(struct s3_index *x, struct str email, struct arena *a, struct s3_user *ret)
{
    struct s3_user *all;
    size_t n;
    int r = s3_user_list(x, a, &all, &n);
    for (size_t i = 0; r == 0 && i < n; i++)
        if (all[i].email.n > 0 && str_ieq(all[i].email, email)) {
            *ret = all[i];
            return 0;
        }
    return r < 0 ? r : -ENOENT;
}

/* --- what belongs to a user, inside an update --- */

static int owns_buckets(struct s3_tx *tx, struct str id, struct arena *a)
{
    struct s3_row_key from, until;
    s3_row_start(&from, S3_ROW_BUCKET);
    s3_row_start(&until, S3_ROW_BUCKET + 1);
    AUTO(s3_iter_free) struct s3_iter *it = NULL;
    int r = s3_tx_iter(tx, s3_row_str(&from), s3_row_str(&until), &it);
    for (; r == 0 && s3_iter_valid(it); s3_iter_next(it)) {
        struct s3_bucket b;
        r = s3_bucket_decode(s3_iter_value(it), a, &b);
        if (r == 0 && str_eq(b.owner_id, id))
            return -ENOTEMPTY;
    }
    return r < 0 ? r : s3_iter_err(it);
}

static int delete_keys(struct s3_tx *tx, struct str id, struct arena *a)
{
    struct s3_row_key from, until;
    s3_row_start(&from, S3_ROW_ACCESS_KEY);
    s3_row_start(&until, S3_ROW_ACCESS_KEY + 1);
    AUTO(s3_iter_free) struct s3_iter *it = NULL;
    int r = s3_tx_iter(tx, s3_row_str(&from), s3_row_str(&until), &it);
    while (r == 0 && s3_iter_valid(it)) {
        struct s3_access_key k;
        struct str row = arena_str(a, s3_iter_key(it)), bytes = arena_str(a, s3_iter_value(it));
        r = row.p && bytes.p ? s3_key_decode(bytes, a, &k) : -ENOMEM;
        s3_iter_next(it); /* away from the row before it is deleted */
        if (r == 0 && str_eq(k.user_id, id))
            s3_tx_del(tx, row);
    }
    return r < 0 ? r : s3_iter_err(it);
}

int s3_user_delete(struct s3_tx *tx, struct str id)
{
    AUTO(arena_fini) struct arena a;
    arena_init(&a, 8 * S3_INDEX_VALUE_MAX);
    struct s3_row_key row;
    s3_row_name(&row, S3_ROW_USER, id);
    int r = row_exists(tx, &row);
    if (r <= 0)
        return r < 0 ? r : -ENOENT;
    r = owns_buckets(tx, id, &a);
    if (r == 0)
        r = delete_keys(tx, id, &a);
    if (r < 0)
        return r;
    s3_tx_del(tx, s3_row_str(&row));
    tx->cached_rows = true;
    return 0;
}

/* --- access keys --- */

/* The cache keeps both records behind each other, under the name of the key's row. */
static int decode_both(struct str both, struct arena *a, struct s3_access_key *k, struct s3_user *u)
{
    struct rd r = rd_of(both);
    struct str key = rd_lstr(&r), user = rd_lstr(&r);
    int e = r.bad ? -EBADMSG : s3_key_decode(key, a, k);
    return e < 0 ? e : s3_user_decode(user, a, u);
}

static int read_both(struct s3_index *x, struct str access_key, enum s3_read how, struct arena *a,
                     struct buf *both)
{
    struct str key, user;
    struct s3_access_key k;
    int r = get_row(x, S3_ROW_ACCESS_KEY, access_key, how, a, &key);
    if (r == 0)
        r = s3_key_decode(key, a, &k);
    if (r == 0)
        r = get_row(x, S3_ROW_USER, k.user_id, how, a, &user);
    if (r < 0)
        return r;
    buf_lstr(both, key);
    buf_lstr(both, user);
    return buf_err(both);
}

int s3_key_get(struct s3_index *x, struct str access_key, enum s3_read how, struct arena *a,
               struct s3_access_key *ret_key, struct s3_user *ret_user)
{
    struct s3_row_key row;
    s3_row_name(&row, S3_ROW_ACCESS_KEY, access_key);
    if (row.too_long)
        return -ENOENT;
    struct str bytes;
    int r = s3_cache_get(x->cache, s3_row_str(&row), a, &bytes);
    if (r == -ENOENT) {
        uint64_t generation = s3_cache_generation(x->cache);
        AUTO(buf_free) struct buf both = BUF(2 * S3_INDEX_VALUE_MAX);
        r = read_both(x, access_key, how, a, &both);
        if (r < 0)
            return r;
        s3_cache_put(x->cache, generation, s3_row_str(&row), buf_str(&both));
        bytes = arena_str(a, buf_str(&both));
        r = bytes.p ? 0 : -ENOMEM;
    }
    return r < 0 ? r : decode_both(bytes, a, ret_key, ret_user);
}

int s3_key_put(struct s3_tx *tx, const struct s3_access_key *k)
{
    AUTO(buf_free) struct buf record = BUF(S3_INDEX_VALUE_MAX);
    s3_key_encode(k, &record);
    return put_row(tx, S3_ROW_ACCESS_KEY, k->access_key, &record, 0);
}

int s3_key_delete(struct s3_tx *tx, struct str access_key)
{
    struct s3_row_key row;
    s3_row_name(&row, S3_ROW_ACCESS_KEY, access_key);
    int r = row.too_long ? 0 : row_exists(tx, &row);
    if (r <= 0)
        return r < 0 ? r : -ENOENT;
    s3_tx_del(tx, s3_row_str(&row));
    tx->cached_rows = true;
    return 0;
}

int s3_key_list(struct s3_index *x, struct str user_id, struct arena *a, struct s3_access_key **ret,
                size_t *ret_n)
{
    struct s3_row_key from, until;
    s3_row_start(&from, S3_ROW_ACCESS_KEY);
    s3_row_start(&until, S3_ROW_ACCESS_KEY + 1);
    AUTO(s3_iter_free) struct s3_iter *it = NULL;
    AUTO(buf_free) struct buf keys = BUF(LIST_MAX * sizeof(struct s3_access_key));
    int r = s3_iter_new(x, s3_row_str(&from), s3_row_str(&until), &it);
    for (; r == 0 && s3_iter_valid(it); s3_iter_next(it)) {
        struct s3_access_key k;
        struct str bytes = arena_str(a, s3_iter_value(it));
        r = bytes.p ? s3_key_decode(bytes, a, &k) : -ENOMEM;
        if (r == 0 && str_eq(k.user_id, user_id))
            buf_add(&keys, &k, sizeof(k));
    }
    if (r == 0)
        r = s3_iter_err(it) < 0 ? s3_iter_err(it) : buf_err(&keys);
    struct str all = r == 0 ? arena_str(a, buf_str(&keys)) : STR_NULL;
    if (!all.p)
        return r < 0 ? r : -ENOMEM;
    *ret = (struct s3_access_key *)(void *)all.p;
    *ret_n = all.n / sizeof(struct s3_access_key);
    return 0;
}

void s3_users_changed(struct s3_index *x)
{
    s3_cache_clear(x->cache);
}
