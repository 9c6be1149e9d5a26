/* SPDX-License-Identifier: Apache-2.0 */
#include "s3gw/index/usage.h"

#include "s3gw/index/bucket.h"
#include "s3gw/index/engine.h"
#include "s3gw/index/record.h"
#include "s3gw/index/rows.h"

enum { RECORD_VERSION = 1, BATCH_BUCKETS = 64, OWNER_MAX = 512, ROW_MAX = 64 };

#define COUNTED_ROW STR("\0u")

struct owner { /* of a bucket; never changes, and bucket numbers are never used again */
    uint64_t bid;
    size_t n;
    char id[OWNER_MAX];
};

struct s3_usage_batch {
    size_t n;
    struct s3_usage_delta delta[BATCH_BUCKETS];
    struct owner owner[BATCH_BUCKETS]; /* of each, looked up while the bucket surely exists */
};

/* --- records and rows --- */

static int decode(struct str bytes, struct s3_usage *ret)
{
    struct rd r = rd_of(bytes);
    uint8_t version = rd_u8(&r);
    struct s3_usage u = {.objects = rd_var(&r)};
    u.bytes = rd_var(&r);
    if (r.bad || r.n > 0 || version != RECORD_VERSION)
        return -EBADMSG;
    *ret = u;
    return 0;
}

static void row_of_user(struct s3_row_key *row, struct str id)
{
    s3_row_name(row, S3_ROW_USER_USAGE, id);
}

static int found(int r, const struct buf *value, struct s3_usage *ret)
{
    *ret = (struct s3_usage){0};
    return r == -ENOENT ? 0 : r < 0 ? r : decode(buf_str(value), ret);
}

static int read_row(struct s3_index *x, const struct s3_row_key *row, enum s3_read how,
                    struct s3_usage *ret)
{
    AUTO(buf_free) struct buf value = BUF(ROW_MAX);
    return found(s3_index_get(x, s3_row_str(row), how, &value), &value, ret);
}

int s3_usage_of_bucket(struct s3_index *x, uint64_t bid, enum s3_read how, struct s3_usage *ret)
{
    struct s3_row_key row;
    s3_row_number(&row, S3_ROW_BUCKET_USAGE, bid);
    return read_row(x, &row, how, ret);
}

int s3_usage_of_user(struct s3_index *x, struct str id, enum s3_read how, struct s3_usage *ret)
{
    struct s3_row_key row;
    row_of_user(&row, id);
    return read_row(x, &row, how, ret);
}

static int write_row(struct s3_index *x, const struct s3_row_key *row, const struct s3_usage *u)
{
    if (u->objects == 0 && u->bytes == 0)
        return x->ops->tx_del(x, s3_row_str(row));
    AUTO(buf_free) struct buf b = BUF(ROW_MAX);
    buf_u8(&b, RECORD_VERSION);
    buf_var(&b, u->objects);
    buf_var(&b, u->bytes);
    return buf_err(&b) < 0 ? buf_err(&b) : x->ops->tx_put(x, s3_row_str(row), buf_str(&b));
}

/* Never below nothing, whatever an older release left uncounted. */
static uint64_t plus(uint64_t v, int64_t d)
{
    uint64_t less = d < 0 ? (uint64_t)-d : 0;
    return d >= 0 ? v + (uint64_t)d : v > less ? v - less : 0;
}

static int change_row(struct s3_index *x, const struct s3_row_key *row,
                      const struct s3_usage_delta *d)
{
    struct s3_usage u;
    AUTO(buf_free) struct buf value = BUF(ROW_MAX);
    int r = found(x->ops->tx_get(x, s3_row_str(row), &value), &value, &u);
    if (r < 0)
        return r;
    u.objects = plus(u.objects, d->objects);
    u.bytes = plus(u.bytes, d->bytes);
    return write_row(x, row, &u);
}

/* --- updates and batches --- */

static void add_delta(struct s3_usage_delta *to, int64_t objects, int64_t bytes)
{
    to->objects += objects;
    to->bytes += bytes;
}

void s3_usage_add(struct s3_tx *tx, uint64_t bid, int64_t objects, int64_t bytes)
{
    size_t i = 0;
    while (i < tx->nusage && tx->usage[i].bid != bid)
        i++;
    if (i == S3_TX_BUCKETS_MAX) {
        tx->err = tx->err < 0 ? tx->err : -E2BIG;
        return;
    }
    if (i == tx->nusage)
        tx->usage[tx->nusage++] = (struct s3_usage_delta){.bid = bid};
    add_delta(&tx->usage[i], objects, bytes);
}

int s3_usage_batch_new(struct s3_usage_batch **ret)
{
    *ret = dfs_zalloc(sizeof(**ret));
    return *ret ? 0 : -ENOMEM;
}

void s3_usage_batch_free(struct s3_usage_batch **b)
{
    free(TAKE(*b));
}

/* The bucket's owner, by its two rows as the batch has them so far. */
static int look_up_owner(struct s3_index *x, uint64_t bid, struct owner *ret)
{
    AUTO(buf_free) struct buf value = BUF(S3_INDEX_VALUE_MAX);
    AUTO(arena_fini) struct arena a;
    arena_init(&a, 2 * S3_INDEX_VALUE_MAX);
    struct s3_row_key row;
    struct s3_bucket b;
    s3_row_number(&row, S3_ROW_BUCKET_ID, bid);
    int r = x->ops->tx_get(x, s3_row_str(&row), &value);
    if (r < 0)
        return r;
    s3_row_name(&row, S3_ROW_BUCKET, str_from(buf_str(&value), 2)); /* behind version and state */
    buf_reset(&value);
    r = x->ops->tx_get(x, s3_row_str(&row), &value);
    if (r == 0)
        r = s3_bucket_decode(buf_str(&value), &a, &b);
    if (r == 0 && (b.bid != bid || b.owner_id.n > sizeof(ret->id)))
        r = -EBADMSG;
    if (r < 0)
        return r;
    ret->bid = bid;
    ret->n = b.owner_id.n;
    if (ret->n)
        memcpy(ret->id, b.owner_id.p, ret->n);
    return 0;
}

/* Places keep their owners from batch to batch: mostly the same buckets are written to. */
static int merge_one(struct s3_index *x, const struct s3_usage_delta *d)
{
    struct s3_usage_batch *b = x->usage;
    size_t i = 0;
    while (i < b->n && b->delta[i].bid != d->bid)
        i++;
    if (i < b->n) {
        add_delta(&b->delta[i], d->objects, d->bytes);
        return 0;
    }
    int r = 0;
    if (i == BATCH_BUCKETS) {
        r = s3_usage_write(x);
        s3_usage_forget(x);
        i = 0;
    }
    if (r == 0 && b->owner[i].bid != d->bid)
        r = look_up_owner(x, d->bid, &b->owner[i]);
    if (r < 0)
        return r;
    b->delta[i] = *d;
    b->n = i + 1;
    return 0;
}

int s3_usage_merge(struct s3_tx *tx)
{
    int r = 0;
    for (size_t i = 0; r == 0 && i < tx->nusage; i++)
        if (tx->usage[i].objects || tx->usage[i].bytes)
            r = merge_one(tx->x, &tx->usage[i]);
    return r;
}

int s3_usage_write(struct s3_index *x)
{
    int r = 0;
    for (size_t i = 0; r == 0 && i < x->usage->n; i++) {
        const struct s3_usage_delta *d = &x->usage->delta[i];
        const struct owner *o = &x->usage->owner[i];
        struct s3_row_key row;
        s3_row_number(&row, S3_ROW_BUCKET_USAGE, d->bid);
        r = change_row(x, &row, d);
        row_of_user(&row, str_of(o->id, o->n));
        if (r == 0)
            r = change_row(x, &row, d);
    }
    return r;
}

void s3_usage_forget(struct s3_index *x)
{
    x->usage->n = 0;
}

/* --- counting what was there before --- */

static int count_rows(struct s3_index *x, char letter, uint64_t bid, struct s3_usage_delta *d)
{
    struct s3_row_key from, until;
    s3_row_number(&from, letter, bid);
    until = from;
    s3_row_after_prefix(&until);
    AUTO(s3_iter_free) struct s3_iter *it = NULL;
    int r = x->ops->iter(x, s3_row_str(&from), s3_row_str(&until), &it);
    for (; r == 0 && s3_iter_valid(it); s3_iter_next(it)) {
        AUTO(arena_fini) struct arena a;
        struct s3_object o;
        arena_init(&a, S3_INDEX_VALUE_MAX);
        r = s3_object_decode_listed(s3_iter_value(it), &a, &o);
        add_delta(d, 1, r == 0 ? (int64_t)o.size : 0);
    }
    return r < 0 ? r : s3_iter_err(it);
}

static int count_bucket(struct s3_index *x, struct str record)
{
    AUTO(arena_fini) struct arena a;
    arena_init(&a, 2 * S3_INDEX_VALUE_MAX);
    struct s3_bucket b;
    int r = s3_bucket_decode(record, &a, &b);
    struct s3_usage_delta d = {.bid = r == 0 ? b.bid : 0};
    if (r == 0)
        r = count_rows(x, S3_ROW_OBJECT, d.bid, &d);
    if (r == 0)
        r = count_rows(x, S3_ROW_VERSION, d.bid, &d);
    return r < 0 || d.objects == 0 ? r : merge_one(x, &d);
}

static int count_all(struct s3_index *x)
{
    struct s3_row_key from, until;
    s3_row_start(&from, S3_ROW_BUCKET);
    s3_row_start(&until, S3_ROW_BUCKET + 1);
    AUTO(s3_iter_free) struct s3_iter *it = NULL;
    int r = x->ops->iter(x, s3_row_str(&from), s3_row_str(&until), &it);
    for (; r == 0 && s3_iter_valid(it); s3_iter_next(it))
        r = count_bucket(x, s3_iter_value(it));
    if (r == 0)
        r = s3_iter_err(it);
    if (r == 0)
        r = s3_usage_write(x);
    s3_usage_forget(x);
    return r;
}

/* All in one commit: a crash in between begins again. */
int s3_usage_start(struct s3_index *x)
{
    AUTO(buf_free) struct buf mark = BUF(ROW_MAX);
    int r = x->ops->get(x, COUNTED_ROW, S3_READ_ANY, &mark);
    if (r != -ENOENT)
        return r;
    r = x->ops->begin(x);
    if (r == 0)
        r = count_all(x);
    if (r == 0)
        r = x->ops->tx_put(x, COUNTED_ROW, STR("\x01"));
    if (r == 0)
        return x->ops->commit(x);
    x->ops->abandon(x);
    return r;
}
