/* SPDX-License-Identifier: Apache-2.0 */
/*
 * store_mem - the index in memory: a sorted array under one lock. The readable definition of what index.h
 * promises, and the engine of unit tests. Nothing survives the process.
 *
 * An update writes at once and keeps what it replaced; when it fails, that is put back in reverse order.
 * An iterator copies its range when it is made.
 */
#include <pthread.h>

#include "s3gw/index/cache.h"
#include "s3gw/index/store.h"

struct row {
    struct str key, value; /* owned */
};

struct rows {
    struct row *v;
    size_t n, cap;
};

struct mem_index {
    struct s3_index base; /* first */
    pthread_mutex_t lock; /* held by an update from beginning to end */
    struct rows rows;     /* by key */
    uint64_t seq;
};

struct mem_tx {
    struct s3_tx base; /* first */
    struct mem_index *x;
    struct rows undo;  /* what was there before, in order of change; value absent: nothing */
};

struct mem_iter {
    struct s3_iter base; /* first */
    struct rows rows;
    size_t at;
};

static bool row_set(struct row *r, struct str key, struct str value)
{
    r->key = str_of(dfs_memdup(key.p, key.n), key.n);
    r->value = value.p ? str_of(dfs_memdup(value.p, value.n), value.n) : STR_NULL;
    if (r->key.p && (r->value.p || !value.p))
        return true;
    free((char *)(uintptr_t)r->key.p);
    free((char *)(uintptr_t)r->value.p);
    return false;
}

static void row_free(struct row *r)
{
    free((char *)(uintptr_t)r->key.p);
    free((char *)(uintptr_t)r->value.p);
}

static void rows_free(struct rows *rows)
{
    for (size_t i = 0; i < rows->n; i++)
        row_free(&rows->v[i]);
    free(rows->v);
    *rows = (struct rows){0};
}

static bool rows_grow(struct rows *rows)
{
    if (rows->n < rows->cap)
        return true;
    size_t cap = rows->cap ? 2 * rows->cap : 64;
    struct row *v = dfs_realloc(rows->v, cap * sizeof(*v));
    if (!v)
        return false;
    rows->v = v;
    rows->cap = cap;
    return true;
}

/* First row whose key is not below @key. */
static size_t lower_bound(const struct rows *rows, struct str key)
{
    size_t low = 0, high = rows->n;
    while (low < high) {
        size_t mid = low + (high - low) / 2;
        if (str_cmp(rows->v[mid].key, key) < 0)
            low = mid + 1;
        else
            high = mid;
    }
    return low;
}

static bool found(const struct rows *rows, size_t at, struct str key)
{
    return at < rows->n && str_eq(rows->v[at].key, key);
}

/* Set, or with an absent value remove. -ENOMEM changes nothing. */
static int rows_set(struct rows *rows, struct str key, struct str value)
{
    size_t at = lower_bound(rows, key);
    struct row fresh = {0};
    if (value.p && (!row_set(&fresh, key, value) || !rows_grow(rows))) {
        if (fresh.key.p)
            row_free(&fresh);
        return -ENOMEM;
    }
    bool there = found(rows, at, key);
    if (there)
        row_free(&rows->v[at]);
    if (value.p && !there) {
        memmove(&rows->v[at + 1], &rows->v[at], (rows->n - at) * sizeof(fresh));
        rows->n++;
    }
    if (value.p) {
        rows->v[at] = fresh;
    } else if (there) {
        rows->n--;
        memmove(&rows->v[at], &rows->v[at + 1], (rows->n - at) * sizeof(fresh));
    }
    return 0;
}

static int rows_get(const struct rows *rows, struct str key, struct buf *value)
{
    size_t at = lower_bound(rows, key);
    if (!found(rows, at, key))
        return -ENOENT;
    buf_adds(value, rows->v[at].value);
    return buf_err(value);
}

/* ---- iterators ---------------------------------------------------------------------------------- */

static bool it_valid(struct s3_iter *it)
{
    const struct mem_iter *m = (struct mem_iter *)it;
    return m->at < m->rows.n;
}

static void it_next(struct s3_iter *it)
{
    ((struct mem_iter *)it)->at++;
}

static void it_seek(struct s3_iter *it, struct str key)
{
    struct mem_iter *m = (struct mem_iter *)it;
    m->at = lower_bound(&m->rows, key);
}

static struct str it_key(struct s3_iter *it)
{
    const struct mem_iter *m = (struct mem_iter *)it;
    return m->rows.v[m->at].key;
}

static struct str it_value(struct s3_iter *it)
{
    const struct mem_iter *m = (struct mem_iter *)it;
    return m->rows.v[m->at].value;
}

static int it_err(struct s3_iter *it)
{
    (void)it;
    return 0;
}

static void it_free(struct s3_iter *it)
{
    rows_free(&((struct mem_iter *)it)->rows);
    free(it);
}

static const struct s3_iter_ops iter_ops = {it_valid, it_next, it_seek, it_key, it_value, it_err, it_free};

/* Under the lock. */
static int iter_copy(const struct rows *rows, struct str from, struct str until, struct s3_iter **ret)
{
    struct mem_iter *m = dfs_zalloc(sizeof(*m));
    if (!m)
        return -ENOMEM;
    m->base.ops = &iter_ops;
    for (size_t i = lower_bound(rows, from); i < rows->n; i++) {
        if (until.n && str_cmp(rows->v[i].key, until) >= 0)
            break;
        if (!rows_grow(&m->rows) || !row_set(&m->rows.v[m->rows.n], rows->v[i].key, rows->v[i].value)) {
            it_free(&m->base);
            return -ENOMEM;
        }
        m->rows.n++;
    }
    *ret = &m->base;
    return 0;
}

/* ---- updates ------------------------------------------------------------------------------------ */

static int tx_get(struct s3_tx *tx, struct str key, struct buf *value)
{
    return rows_get(&((struct mem_tx *)tx)->x->rows, key, value);
}

static void tx_set(struct mem_tx *t, struct str key, struct str value)
{
    struct rows *rows = &t->x->rows;
    size_t at = lower_bound(rows, key);
    struct str before = found(rows, at, key) ? rows->v[at].value : STR_NULL;
    if (!rows_grow(&t->undo) || !row_set(&t->undo.v[t->undo.n], key, before)) {
        t->base.err = -ENOMEM;
        return;
    }
    t->undo.n++;
    t->base.err = rows_set(rows, key, value);
}

static void tx_put(struct s3_tx *tx, struct str key, struct str value)
{
    tx_set((struct mem_tx *)tx, key, value.p ? value : STR(""));
}

static void tx_del(struct s3_tx *tx, struct str key)
{
    tx_set((struct mem_tx *)tx, key, STR_NULL);
}

static int tx_iter(struct s3_tx *tx, struct str from, struct str until, struct s3_iter **ret)
{
    return iter_copy(&((struct mem_tx *)tx)->x->rows, from, until, ret);
}

static const struct s3_tx_ops tx_ops = {tx_get, tx_put, tx_del, tx_iter};

static void undo(struct mem_tx *t)
{
    while (t->undo.n > 0) {
        struct row *r = &t->undo.v[--t->undo.n];
        int e = rows_set(&t->x->rows, r->key, r->value);
        ASSERT(e == 0 || !r->value.p); /* a test engine: no memory while undoing is not survived */
        row_free(r);
    }
}

static void submit(struct s3_index *x, struct s3_update *u)
{
    struct mem_index *m = (struct mem_index *)x;
    pthread_mutex_lock(&m->lock);
    struct mem_tx t = {.base = {.ops = &tx_ops, .seq = m->seq}, .x = m};
    int r = u->fn(&t.base, u->arg);
    if (t.base.err < 0)
        r = t.base.err;
    if (r < 0)
        undo(&t);
    m->seq = t.base.seq;
    rows_free(&t.undo);
    pthread_mutex_unlock(&m->lock);
    u->result = r;
    u->done(u->arg, r);
}

/* ---- the rest ----------------------------------------------------------------------------------- */

static int get(struct s3_index *x, struct str key, enum s3_read how, struct buf *value)
{
    (void)how;
    struct mem_index *m = (struct mem_index *)x;
    pthread_mutex_lock(&m->lock);
    int r = rows_get(&m->rows, key, value);
    pthread_mutex_unlock(&m->lock);
    return r;
}

static int iter(struct s3_index *x, struct str from, struct str until, struct s3_iter **ret)
{
    struct mem_index *m = (struct mem_index *)x;
    pthread_mutex_lock(&m->lock);
    int r = iter_copy(&m->rows, from, until, ret);
    pthread_mutex_unlock(&m->lock);
    return r;
}

static int health(struct s3_index *x)
{
    (void)x;
    return 0;
}

static void close_mem(struct s3_index *x)
{
    struct mem_index *m = (struct mem_index *)x;
    rows_free(&m->rows);
    pthread_mutex_destroy(&m->lock);
    free(m);
}

static const struct s3_index_ops mem_ops = {get, iter, submit, health, close_mem};

int s3_index_open_mem(struct s3_index **ret)
{
    AUTO(dfs_free_ptr) struct mem_index *m = dfs_zalloc(sizeof(*m));
    if (!m)
        return -ENOMEM;
    m->base.ops = &mem_ops;
    int r = s3_cache_new(&m->base.cache);
    if (r < 0)
        return r;
    pthread_mutex_init(&m->lock, NULL);
    *ret = &TAKE(m)->base;
    return 0;
}
