/* SPDX-License-Identifier: Apache-2.0 */
#include <pthread.h>

#include "s3gw/index/cache.h"
#include "s3gw/index/store.h"

int s3_index_get(struct s3_index *x, struct str key, enum s3_read how, struct buf *value)
{
    return x->ops->get(x, key, how, value);
}

int s3_iter_new(struct s3_index *x, struct str from, struct str until, struct s3_iter **ret)
{
    return x->ops->iter(x, from, until, ret);
}

bool s3_iter_valid(struct s3_iter *it)
{
    return it->ops->valid(it);
}

void s3_iter_next(struct s3_iter *it)
{
    it->ops->next(it);
}

void s3_iter_seek(struct s3_iter *it, struct str key)
{
    it->ops->seek(it, key);
}

struct str s3_iter_key(struct s3_iter *it)
{
    return it->ops->key(it);
}

struct str s3_iter_value(struct s3_iter *it)
{
    return it->ops->value(it);
}

int s3_iter_err(struct s3_iter *it)
{
    return it->ops->err(it);
}

void s3_iter_free(struct s3_iter **itp)
{
    struct s3_iter *it = TAKE(*itp);
    if (it)
        it->ops->free(it);
}

void s3_index_submit(struct s3_index *x, struct s3_update *u)
{
    u->next = NULL;
    x->ops->submit(x, u);
}

struct waiting {
    void *arg;
    int (*fn)(struct s3_tx *tx, void *arg);
    pthread_mutex_t lock;
    pthread_cond_t cond;
    bool done;
    int result;
};

static int run_for_waiter(struct s3_tx *tx, void *arg)
{
    struct waiting *w = arg;
    return w->fn(tx, w->arg);
}

static void wake_waiter(void *arg, int result)
{
    struct waiting *w = arg;
    pthread_mutex_lock(&w->lock);
    w->result = result;
    w->done = true;
    pthread_cond_signal(&w->cond);
    pthread_mutex_unlock(&w->lock);
}

int s3_index_update(struct s3_index *x, int (*fn)(struct s3_tx *tx, void *arg), void *arg)
{
    struct waiting w = {.arg = arg,
                        .fn = fn,
                        .lock = PTHREAD_MUTEX_INITIALIZER,
                        .cond = PTHREAD_COND_INITIALIZER};
    struct s3_update u = {.fn = run_for_waiter, .done = wake_waiter, .arg = &w};
    s3_index_submit(x, &u);
    pthread_mutex_lock(&w.lock);
    while (!w.done)
        pthread_cond_wait(&w.cond, &w.lock);
    pthread_mutex_unlock(&w.lock);
    pthread_cond_destroy(&w.cond);
    pthread_mutex_destroy(&w.lock);
    return w.result;
}

int s3_tx_get(struct s3_tx *tx, struct str key, struct buf *value)
{
    return tx->err < 0 ? tx->err : tx->ops->get(tx, key, value);
}

void s3_tx_put(struct s3_tx *tx, struct str key, struct str value)
{
    if (value.n > S3_INDEX_VALUE_MAX)
        tx->err = tx->err < 0 ? tx->err : -E2BIG;
    if (tx->err == 0)
        tx->ops->put(tx, key, value);
}

void s3_tx_del(struct s3_tx *tx, struct str key)
{
    if (tx->err == 0)
        tx->ops->del(tx, key);
}

int s3_tx_iter(struct s3_tx *tx, struct str from, struct str until, struct s3_iter **ret)
{
    return tx->err < 0 ? tx->err : tx->ops->iter(tx, from, until, ret);
}

uint64_t s3_tx_seq(struct s3_tx *tx)
{
    return ++tx->seq;
}

void s3_tx_frees(struct s3_tx *tx)
{
    tx->frees = true;
}

void s3_index_close(struct s3_index **xp)
{
    struct s3_index *x = TAKE(*xp);
    if (!x)
        return;
    s3_cache_free(&x->cache);
    x->ops->close(x);
}

int s3_index_health(struct s3_index *x)
{
    return x->ops->health(x);
}
