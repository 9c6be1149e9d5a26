/* SPDX-License-Identifier: Apache-2.0 */
/*
 * store_mem - the promise of index.h in memory, written to be read: sorted arrays of shared rows.
 *
 * Three tables lie upon each other: what is committed, what the updates of this batch changed, what
 * the running update changed. A row is never changed, only replaced, so a snapshot is an array of
 * pointers. For tests: a change costs a move of the array.
 */
#include "s3gw/index/engine.h"

#include <stdatomic.h>

enum { LAYERS = 3 };

struct row {
    _Atomic unsigned refs;
    bool gone; /* deleted; only in the upper tables */
    size_t key_n, value_n;
    char bytes[]; /* key, value */
};

struct table {
    struct row **rows; /* owned, one reference each; ascending by key */
    size_t n, cap;
};

struct mem {
    struct s3_index base;
    pthread_mutex_t lock;   /* guards committed against readers; leaf */
    struct table committed; /* changed by the committer, under lock */
    struct table batch;     /* owner: committer */
    struct table update;    /* owner: committer */
};

static struct mem *mem_of(struct s3_index *x)
{
    CHECK_OBJ(x, S3_INDEX_MAGIC);
    return (struct mem *)x;
}

/* --- rows and tables --- */

static struct str row_key(const struct row *r)
{
    return str_of(r->bytes, r->key_n);
}

static struct str row_value(const struct row *r)
{
    return str_of(r->bytes + r->key_n, r->value_n);
}

static struct row *row_new(struct str key, struct str value, bool gone)
{
    struct row *r = dfs_alloc(sizeof(*r) + key.n + value.n);
    if (!r)
        return NULL;
    r->refs = 1;
    r->gone = gone;
    r->key_n = key.n;
    r->value_n = value.n;
    memcpy(r->bytes, key.p, key.n);
    if (value.n)
        memcpy(r->bytes + key.n, value.p, value.n);
    return r;
}

static struct row *row_ref(struct row *r)
{
    atomic_fetch_add(&r->refs, 1);
    return r;
}

static void row_unref(struct row *r)
{
    if (atomic_fetch_sub(&r->refs, 1) == 1)
        free(r);
}

static void table_clear(struct table *t)
{
    for (size_t i = 0; i < t->n; i++)
        row_unref(t->rows[i]);
    t->n = 0;
}

static void table_fini(struct table *t)
{
    table_clear(t);
    free(t->rows);
    *t = (struct table){0};
}

/* The first row with a key >= @key. */
static size_t table_at(const struct table *t, struct str key)
{
    size_t from = 0, to = t->n;
    while (from < to) {
        size_t mid = from + (to - from) / 2;
        if (str_cmp(row_key(t->rows[mid]), key) < 0)
            from = mid + 1;
        else
            to = mid;
    }
    return from;
}

static struct row *table_find(const struct table *t, struct str key)
{
    size_t at = table_at(t, key);
    return at < t->n && str_eq(row_key(t->rows[at]), key) ? t->rows[at] : NULL;
}

static int table_reserve(struct table *t, size_t more)
{
    if (more <= t->cap - t->n)
        return 0;
    size_t cap = MAX(t->n + more, t->cap * 2);
    struct row **rows = dfs_realloc(t->rows, cap * sizeof(*rows));
    if (!rows)
        return -ENOMEM;
    t->rows = rows;
    t->cap = cap;
    return 0;
}

/* Takes the reference; room was reserved. A gone row removes when @keep_gone is false. */
static void table_set(struct table *t, struct row *r, bool keep_gone)
{
    size_t at = table_at(t, row_key(r));
    bool there = at < t->n && str_eq(row_key(t->rows[at]), row_key(r));
    if (there)
        row_unref(t->rows[at]);
    if (r->gone && !keep_gone) {
        if (there) {
            memmove(t->rows + at, t->rows + at + 1, (t->n - at - 1) * sizeof(*t->rows));
            t->n--;
        }
        row_unref(r);
        return;
    }
    if (!there) {
        ASSERT(t->n < t->cap);
        memmove(t->rows + at + 1, t->rows + at, (t->n - at) * sizeof(*t->rows));
        t->n++;
    }
    t->rows[at] = r;
}

static int table_apply(struct table *t, const struct table *changes, bool keep_gone)
{
    int r = table_reserve(t, changes->n);
    for (size_t i = 0; r == 0 && i < changes->n; i++)
        table_set(t, row_ref(changes->rows[i]), keep_gone);
    return r;
}

/* --- iterators: a snapshot of a range --- */

struct mem_iter {
    struct s3_iter base;
    struct table rows;
    size_t at; /* rows.n: not valid */
};

static struct mem_iter *iter_of(struct s3_iter *it)
{
    return (struct mem_iter *)it;
}

static bool iter_valid(struct s3_iter *it)
{
    return iter_of(it)->at < iter_of(it)->rows.n;
}

static void iter_next(struct s3_iter *it)
{
    ASSERT(iter_valid(it));
    iter_of(it)->at++;
}

static void iter_seek(struct s3_iter *it, struct str key)
{
    iter_of(it)->at = table_at(&iter_of(it)->rows, key);
}

static struct str iter_key(struct s3_iter *it)
{
    ASSERT(iter_valid(it));
    return row_key(iter_of(it)->rows.rows[iter_of(it)->at]);
}

static struct str iter_value(struct s3_iter *it)
{
    ASSERT(iter_valid(it));
    return row_value(iter_of(it)->rows.rows[iter_of(it)->at]);
}

static int iter_err(struct s3_iter *it)
{
    (void)it;
    return 0;
}

static void iter_free(struct s3_iter *it)
{
    table_fini(&iter_of(it)->rows);
    free(it);
}

static const struct s3_iter_ops iter_ops = {
    iter_valid, iter_next, iter_seek, iter_key, iter_value, iter_err, iter_free,
};

static int add_range(struct table *t, const struct table *from_table, struct str from,
                     struct str until)
{
    size_t first = table_at(from_table, from);
    size_t end = until.n ? table_at(from_table, until) : from_table->n;
    if (first >= end)
        return 0;
    struct table part = {from_table->rows + first, end - first, 0};
    return table_apply(t, &part, false);
}

static int iter_new(const struct table *const *layers, struct str from, struct str until,
                    struct s3_iter **ret)
{
    struct mem_iter *it = dfs_zalloc(sizeof(*it));
    if (!it)
        return -ENOMEM;
    it->base.ops = &iter_ops;
    for (size_t i = 0; i < LAYERS; i++)
        if (layers[i] && add_range(&it->rows, layers[i], from, until) < 0) {
            iter_free(&it->base);
            return -ENOMEM;
        }
    *ret = &it->base;
    return 0;
}

/* --- the engine --- */

static int append_value(const struct row *r, struct buf *value)
{
    if (!r || r->gone)
        return -ENOENT;
    buf_adds(value, row_value(r));
    return buf_err(value);
}

static int mem_get(struct s3_index *x, struct str key, enum s3_read how, struct buf *value)
{
    (void)how; /* all of it is in memory */
    struct mem *m = mem_of(x);
    pthread_mutex_lock(&m->lock);
    int r = append_value(table_find(&m->committed, key), value);
    pthread_mutex_unlock(&m->lock);
    return r;
}

static int mem_iter(struct s3_index *x, struct str from, struct str until, struct s3_iter **ret)
{
    struct mem *m = mem_of(x);
    const struct table *layers[LAYERS] = {&m->committed};
    pthread_mutex_lock(&m->lock);
    int r = iter_new(layers, from, until, ret);
    pthread_mutex_unlock(&m->lock);
    return r;
}

static int mem_health(struct s3_index *x)
{
    (void)x;
    return 0;
}

static int mem_begin(struct s3_index *x)
{
    ASSERT(mem_of(x)->batch.n == 0 && mem_of(x)->update.n == 0);
    return 0;
}

static void settle(struct mem *m)
{
    /* mark() cannot fail, so room in the batch is reserved by the writes themselves */
    ASSERT(table_apply(&m->batch, &m->update, true) == 0);
    table_clear(&m->update);
}

static void mem_mark(struct s3_index *x)
{
    settle(mem_of(x));
}

static int mem_rollback(struct s3_index *x)
{
    table_clear(&mem_of(x)->update);
    return 0;
}

static void mem_abandon(struct s3_index *x)
{
    table_clear(&mem_of(x)->update);
    table_clear(&mem_of(x)->batch);
}

static int mem_commit(struct s3_index *x)
{
    struct mem *m = mem_of(x);
    settle(m);
    pthread_mutex_lock(&m->lock);
    int r = table_apply(&m->committed, &m->batch, false);
    pthread_mutex_unlock(&m->lock);
    table_clear(&m->batch);
    return r;
}

static int mem_tx_get(struct s3_index *x, struct str key, struct buf *value)
{
    struct mem *m = mem_of(x);
    struct row *r = table_find(&m->update, key);
    if (!r)
        r = table_find(&m->batch, key);
    if (!r)
        r = table_find(&m->committed, key); /* without lock: only this thread changes it */
    return append_value(r, value);
}

static int change(struct mem *m, struct str key, struct str value, bool gone)
{
    if (table_reserve(&m->update, 1) < 0 || table_reserve(&m->batch, m->update.n + 1) < 0)
        return -ENOMEM;
    struct row *r = row_new(key, value, gone);
    if (!r)
        return -ENOMEM;
    table_set(&m->update, r, true);
    return 0;
}

static int mem_tx_put(struct s3_index *x, struct str key, struct str value)
{
    return change(mem_of(x), key, value, false);
}

static int mem_tx_del(struct s3_index *x, struct str key)
{
    return change(mem_of(x), key, STR_NULL, true);
}

static int mem_tx_iter(struct s3_index *x, struct str from, struct str until, struct s3_iter **ret)
{
    struct mem *m = mem_of(x);
    const struct table *layers[LAYERS] = {&m->committed, &m->batch, &m->update};
    return iter_new(layers, from, until, ret);
}

static bool mem_low_space(struct s3_index *x)
{
    (void)x;
    return false;
}

static void mem_heal(struct s3_index *x)
{
    (void)x;
}

static void mem_close(struct s3_index *x)
{
    struct mem *m = mem_of(x);
    s3_index_fini(x);
    table_fini(&m->update);
    table_fini(&m->batch);
    table_fini(&m->committed);
    pthread_mutex_destroy(&m->lock);
    free(m);
}

static const struct s3_engine_ops mem_ops = {
    .get = mem_get,
    .iter = mem_iter,
    .health = mem_health,
    .close = mem_close,
    .begin = mem_begin,
    .mark = mem_mark,
    .rollback = mem_rollback,
    .commit = mem_commit,
    .abandon = mem_abandon,
    .tx_get = mem_tx_get,
    .tx_put = mem_tx_put,
    .tx_del = mem_tx_del,
    .tx_iter = mem_tx_iter,
    .low_space = mem_low_space,
    .heal = mem_heal,
};

int s3_index_open_mem(struct s3_index **ret)
{
    struct mem *m = dfs_zalloc(sizeof(*m));
    if (!m)
        return -ENOMEM;
    pthread_mutex_init(&m->lock, NULL);
    int r = s3_index_init(&m->base, &mem_ops);
    if (r == 0)
        r = s3_index_start(&m->base);
    if (r < 0) {
        mem_close(&m->base);
        return r;
    }
    *ret = &m->base;
    return 0;
}
