/* SPDX-License-Identifier: Apache-2.0 */
#include "s3gw/index/bucket.h"

#include <stdio.h>

#include "s3gw/core/groups.h"
#include "s3gw/index/cache.h"
#include "s3gw/index/engine.h"
#include "s3gw/index/record.h"
#include "s3gw/index/rows.h"
#include "s3gw/index/trash.h"

enum {
    RECORD_VERSION = 1,
    SEVERAL_GROUPS =
        2, /* of bucket records alone: an earlier build would take the list for a name */
};

/* --- the record --- */

void s3_bucket_encode(const struct s3_bucket *b, struct buf *out)
{
    buf_u8(out, s3_groups_several(b->groups) ? SEVERAL_GROUPS : RECORD_VERSION);
    buf_u64(out, b->bid);
    buf_lstr(out, b->name);
    s3_rec_add_id(out, b->owner_id);
    buf_lstr(out, b->groups);
    buf_var(out, (uint64_t)b->created_ms);
    s3_rec_add_opt(out, b->versioning);
    buf_var(out, b->ndocs);
    for (size_t i = 0; i < b->ndocs; i++) {
        buf_lstr(out, b->docs[i].name);
        s3_rec_add_opt(out, b->docs[i].value);
    }
}

static int read_docs(struct rd *r, struct arena *a, struct s3_bucket *b)
{
    uint64_t n = rd_var(r);
    enum { DOC_BYTES_MIN = 2 };
    if (n > r->n / DOC_BYTES_MIN)
        r->bad = true;
    if (r->bad || n == 0)
        return 0;
    b->docs = arena_alloc(a, (size_t)n * sizeof(*b->docs));
    if (!b->docs)
        return -ENOMEM;
    b->ndocs = (size_t)n;
    for (size_t i = 0; i < b->ndocs; i++) {
        b->docs[i].name = rd_lstr(r);
        b->docs[i].value = s3_rec_opt(r);
    }
    return 0;
}

int s3_bucket_decode(struct str bytes, struct arena *a, struct s3_bucket *ret)
{
    struct rd r = rd_of(bytes);
    struct s3_bucket b = {0};
    uint8_t version = rd_u8(&r);
    if (version != RECORD_VERSION && version != SEVERAL_GROUPS)
        return -EBADMSG;
    b.bid = rd_u64(&r);
    b.name = rd_lstr(&r);
    int e = s3_rec_id(&r, a, &b.owner_id);
    b.groups = rd_lstr(&r);
    if (s3_groups_several(b.groups) != (version == SEVERAL_GROUPS) ||
        (version == SEVERAL_GROUPS && !s3_groups_ok(b.groups)))
        r.bad = true;
    uint64_t created = rd_var(&r);
    if (created > INT64_MAX)
        r.bad = true;
    b.created_ms = r.bad ? 0 : (int64_t)created;
    b.versioning = s3_rec_opt(&r);
    if (e == 0)
        e = read_docs(&r, a, &b);
    if (r.bad || (e == 0 && r.n > 0))
        return -EBADMSG;
    if (e == 0)
        *ret = b;
    return e;
}

struct str s3_bucket_doc(const struct s3_bucket *b, struct str doc)
{
    for (size_t i = 0; i < b->ndocs; i++)
        if (str_eq(b->docs[i].name, doc))
            return b->docs[i].value;
    return STR_NULL;
}

/* --- reading --- */

int s3_bucket_get(struct s3_index *x, struct str name, enum s3_read how, struct arena *a,
                  struct s3_bucket *ret)
{
    struct s3_row_key row;
    s3_row_name(&row, S3_ROW_BUCKET, name);
    if (row.too_long)
        return -ENOENT;
    struct str bytes;
    int r = s3_cache_get(x->cache, s3_row_str(&row), a, &bytes);
    if (r == -ENOENT) {
        uint64_t generation = s3_cache_generation(x->cache);
        AUTO(buf_free) struct buf value = BUF(S3_INDEX_VALUE_MAX);
        r = s3_index_get(x, s3_row_str(&row), how, &value);
        if (r < 0)
            return r;
        s3_cache_put(x->cache, generation, s3_row_str(&row), buf_str(&value));
        bytes = arena_str(a, buf_str(&value));
        r = bytes.p ? 0 : -ENOMEM;
    }
    return r < 0 ? r : s3_bucket_decode(bytes, a, ret);
}

int s3_bucket_get_tx(struct s3_tx *tx, struct str name, struct arena *a, struct s3_bucket *ret)
{
    struct s3_row_key row;
    s3_row_name(&row, S3_ROW_BUCKET, name);
    if (row.too_long)
        return -ENOENT;
    AUTO(buf_free) struct buf value = BUF(S3_INDEX_VALUE_MAX);
    int r = s3_tx_get(tx, s3_row_str(&row), &value);
    if (r < 0)
        return r;
    struct str bytes = arena_str(a, buf_str(&value));
    return bytes.p ? s3_bucket_decode(bytes, a, ret) : -ENOMEM;
}

int s3_bucket_versioning_tx(struct s3_tx *tx, uint64_t bid, enum s3_versioning *ret)
{
    struct s3_row_key row;
    s3_row_number(&row, S3_ROW_BUCKET_ID, bid);
    AUTO(buf_free) struct buf value = BUF(S3_INDEX_VALUE_MAX);
    int r = s3_tx_get(tx, s3_row_str(&row), &value);
    if (r < 0)
        return r == -ENOENT ? -ENODEV : r;
    struct rd rd = rd_of(buf_str(&value));
    uint8_t version = rd_u8(&rd), state = rd_u8(&rd);
    if (rd.bad || version != RECORD_VERSION || state > S3_VERSIONING_SUSPENDED)
        return -EBADMSG;
    *ret = state;
    return 0;
}

static int match(const struct s3_bucket *b, struct str owner_id)
{
    return !owner_id.p || str_eq(b->owner_id, owner_id);
}

int s3_bucket_list(struct s3_index *x, struct str owner_id, struct str prefix, struct str after,
                   size_t max, struct arena *a, struct s3_bucket **ret, size_t *ret_n,
                   bool *ret_more)
{
    struct s3_row_key from, until;
    s3_row_name(&until, S3_ROW_BUCKET, prefix);
    s3_row_name(&from, S3_ROW_BUCKET, str_cmp(after, prefix) > 0 ? after : prefix);
    s3_row_after_prefix(&until);
    struct s3_bucket *found = arena_alloc(a, MAX(max, (size_t)1) * sizeof(*found));
    if (!found)
        return -ENOMEM;
    AUTO(s3_iter_free) struct s3_iter *it = NULL;
    int r = s3_iter_new(x, s3_row_str(&from), s3_row_str(&until), &it);
    size_t n = 0;
    bool more = false;
    for (; r == 0 && !more && s3_iter_valid(it); s3_iter_next(it)) {
        if (after.n > 0 && str_cmp(str_from(s3_iter_key(it), 1), after) <= 0)
            continue;
        struct s3_bucket b;
        struct str bytes = arena_str(a, s3_iter_value(it));
        r = bytes.p ? s3_bucket_decode(bytes, a, &b) : -ENOMEM;
        if (r < 0 || !match(&b, owner_id))
            continue;
        more = n == max;
        if (!more)
            found[n++] = b;
    }
    if (r == 0)
        r = s3_iter_err(it);
    if (r < 0)
        return r;
    *ret = found;
    *ret_n = n;
    *ret_more = more;
    return 0;
}

/* --- changing --- */

static enum s3_versioning versioning_of(const struct s3_bucket *b)
{
    if (!b->versioning.p)
        return S3_VERSIONING_NEVER;
    return str_eq(b->versioning, STR("Enabled")) ? S3_VERSIONING_ENABLED : S3_VERSIONING_SUSPENDED;
}

static int write_rows(struct s3_tx *tx, const struct s3_bucket *b)
{
    AUTO(buf_free) struct buf record = BUF(S3_INDEX_VALUE_MAX), by_id = BUF(S3_INDEX_VALUE_MAX);
    s3_bucket_encode(b, &record);
    buf_u8(&by_id, RECORD_VERSION);
    buf_u8(&by_id, (uint8_t)versioning_of(b));
    buf_adds(&by_id, b->name);
    int r = buf_err(&record) < 0 ? buf_err(&record) : buf_err(&by_id);
    if (r < 0)
        return r;
    struct s3_row_key row;
    s3_row_name(&row, S3_ROW_BUCKET, b->name);
    s3_tx_put(tx, s3_row_str(&row), buf_str(&record));
    s3_row_number(&row, S3_ROW_BUCKET_ID, b->bid);
    s3_tx_put(tx, s3_row_str(&row), buf_str(&by_id));
    tx->cached_rows = true;
    return 0;
}

int s3_bucket_create(struct s3_tx *tx, const struct s3_bucket *b, struct arena *a,
                     struct s3_bucket *existing)
{
    ASSERT(b->bid > 0);
    int r = s3_bucket_get_tx(tx, b->name, a, existing);
    if (r != -ENOENT)
        return r == 0 ? -EEXIST : r;
    return write_rows(tx, b);
}

int s3_bucket_update(struct s3_tx *tx, const struct s3_bucket *b)
{
    AUTO(arena_fini) struct arena a;
    arena_init(&a, 4 * S3_INDEX_VALUE_MAX);
    struct s3_bucket now;
    int r = s3_bucket_get_tx(tx, b->name, &a, &now);
    if (r == 0 && now.bid != b->bid)
        r = -ENOENT;
    return r < 0 ? r : write_rows(tx, b);
}

/* -ENOTEMPTY when there is a row of that kind in the bucket. */
static int check_none(struct s3_tx *tx, char letter, uint64_t bid)
{
    struct s3_row_key from, until;
    s3_row_number(&from, letter, bid);
    until = from;
    s3_row_after_prefix(&until);
    AUTO(s3_iter_free) struct s3_iter *it = NULL;
    int r = s3_tx_iter(tx, s3_row_str(&from), s3_row_str(&until), &it);
    if (r < 0)
        return r;
    return s3_iter_valid(it) ? -ENOTEMPTY : s3_iter_err(it);
}

int s3_bucket_delete(struct s3_tx *tx, struct str name)
{
    AUTO(arena_fini) struct arena a;
    arena_init(&a, 4 * S3_INDEX_VALUE_MAX);
    struct s3_bucket b;
    int r = s3_bucket_get_tx(tx, name, &a, &b);
    if (r == 0)
        r = check_none(tx, S3_ROW_OBJECT, b.bid);
    if (r == 0)
        r = check_none(tx, S3_ROW_VERSION, b.bid);
    if (r < 0)
        return r;
    struct s3_row_key row;
    s3_row_name(&row, S3_ROW_BUCKET, name);
    s3_tx_del(tx, s3_row_str(&row));
    s3_row_number(&row, S3_ROW_BUCKET_ID, b.bid);
    s3_tx_del(tx, s3_row_str(&row));
    tx->cached_rows = true;
    r = check_none(tx, S3_ROW_UPLOAD, b.bid);
    if (r == -ENOTEMPTY) {
        s3_trash_add(tx, S3_TRASH_BUCKET, b.bid); /* any number of uploads: later, in slices */
        r = 0;
    }
    return r;
}

void s3_bucket_changed(struct s3_index *x, struct str name)
{
    (void)name; /* the commit has emptied the cache; a change from elsewhere may not have */
    s3_cache_clear(x->cache);
}

int s3_bucket_each(struct s3_index *x, int (*one)(void *arg, const struct s3_bucket *b), void *arg)
{
    enum { A_PAGE = 8, PAGE_MAX = 256 * 1024 * 1024 }; /* records with all their documents */
    char last[256] = "";
    int r = 0;
    for (bool more = true; r == 0 && more;) {
        AUTO(arena_fini) struct arena a;
        struct s3_bucket *list;
        size_t n = 0;
        arena_init(&a, PAGE_MAX);
        r = s3_bucket_list(x, STR_NULL, STR_NULL, str_c(last), A_PAGE, &a, &list, &n, &more);
        for (size_t i = 0; r == 0 && i < n; i++)
            r = one(arg, &list[i]);
        if (r == 0 && n > 0)
            (void)snprintf(last, sizeof(last), STR_F, STR_A(list[n - 1].name));
        more = more && n > 0;
    }
    return r;
}
