/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The committer: one thread per index takes whatever updates wait, runs them one after the other on
 * one transaction of the engine, commits once, then tells all of them. So the sync of a batch is
 * shared by everybody who came while the sync before it ran: load makes batches, nothing waits for
 * one. Where nothing waits at all, a thread that may block takes its place for one update.
 */
#include "s3gw/index/index.h"

#include <semaphore.h>
#include <time.h>

#include "dfscore/base/clock.h"
#include "s3gw/index/cache.h"
#include "s3gw/index/engine.h"
#include "s3gw/index/hot.h"

enum {
    BATCH_UPDATES = 256,
    BATCH_BYTES = 4 * 1024 * 1024, /* of values: a batch with this much takes no further update */
    HEAL_INTERVAL_MS = 1000,
};

/* Row "\0n": u64 last sequence number, u64 last time, both of the batch it came with. */
#define COUNTERS_ROW STR("\0n")

/* --- readers --- */

int s3_index_get(struct s3_index *x, struct str key, enum s3_read how, struct buf *value)
{
    CHECK_OBJ(x, S3_INDEX_MAGIC);
    ASSERT(key.n > 0);
    if (!s3_hot_kind(key))
        return x->ops->get(x, key, how, value);
    struct s3_hot_look look;
    int r = s3_hot_get(x->hot, key, value, &look);
    if (r != -ENOENT)
        return r;
    size_t before = value->n;
    r = x->ops->get(x, key, how, value);
    if (r == 0)
        s3_hot_put(x->hot, &look, key, str_from(buf_str(value), before));
    return r;
}

static struct str behind_own_rows(struct str from)
{
    return from.n == 0 || from.p[0] == '\0' ? STR("\x01") : from;
}

int s3_iter_new(struct s3_index *x, struct str from, struct str until, struct s3_iter **ret)
{
    CHECK_OBJ(x, S3_INDEX_MAGIC);
    return x->ops->iter(x, behind_own_rows(from), until, ret);
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
    it->ops->seek(it, behind_own_rows(key));
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

int s3_index_health(struct s3_index *x)
{
    CHECK_OBJ(x, S3_INDEX_MAGIC);
    return x->ops->health(x);
}

/* --- transactions --- */

int s3_tx_get(struct s3_tx *tx, struct str key, struct buf *value)
{
    return tx->x->ops->tx_get(tx->x, key, value);
}

static bool write_begins(struct s3_tx *tx, struct str key, size_t bytes)
{
    if (tx->err < 0)
        return false;
    if (!tx->wrote)
        tx->x->ops->mark(tx->x);
    tx->wrote = true;
    tx->x->batch_bytes += key.n + bytes;
    if (s3_hot_kind(key))
        s3_hot_changes(tx->x->hot, key);
    return true;
}

void s3_tx_put(struct s3_tx *tx, struct str key, struct str value)
{
    ASSERT(key.n > 0 && key.p[0] != '\0');
    if (value.n > S3_INDEX_VALUE_MAX)
        tx->err = tx->err < 0 ? tx->err : -E2BIG;
    if (write_begins(tx, key, value.n))
        tx->err = tx->x->ops->tx_put(tx->x, key, value);
}

void s3_tx_del(struct s3_tx *tx, struct str key)
{
    ASSERT(key.n > 0 && key.p[0] != '\0');
    if (write_begins(tx, key, 0))
        tx->err = tx->x->ops->tx_del(tx->x, key);
}

int s3_tx_iter(struct s3_tx *tx, struct str from, struct str until, struct s3_iter **ret)
{
    return tx->x->ops->tx_iter(tx->x, behind_own_rows(from), until, ret);
}

uint64_t s3_index_number(struct s3_index *x)
{
    uint64_t now = (uint64_t)MAX(dfs_now_ms(), (int64_t)0) * 1000;
    uint64_t before = atomic_load(&x->seq), next;
    do
        next = MAX(now, before + 1);
    while (!atomic_compare_exchange_weak(&x->seq, &before, next));
    return next;
}

uint64_t s3_index_committed(struct s3_index *x)
{
    return atomic_load(&x->seq_saved);
}

uint64_t s3_tx_seq(struct s3_tx *tx)
{
    return s3_index_number(tx->x);
}

void s3_tx_raise(struct s3_tx *tx, uint64_t number)
{
    uint64_t before = atomic_load(&tx->x->seq);
    while (before < number && !atomic_compare_exchange_weak(&tx->x->seq, &before, number))
        ;
}

int64_t s3_tx_now(struct s3_tx *tx)
{
    struct s3_index *x = tx->x;
    x->time_ms = MAX(x->time_ms, dfs_now_ms());
    return x->time_ms;
}

void s3_tx_frees(struct s3_tx *tx)
{
    tx->frees = true;
}

/* --- the committer --- */

static _Thread_local bool commits; /* this thread, now */

static int run_update(struct s3_index *x, struct s3_update *u, bool *cached_rows)
{
    struct s3_tx tx;
    tx.x = x;
    tx.err = 0;
    tx.frees = tx.wrote = tx.cached_rows = false;
    tx.nusage = 0; /* usage[] is not worth zeroing */
    int r = u->fn(&tx, u->arg);
    if (r == 0)
        r = tx.err;
    if (r == 0 && tx.wrote && !tx.frees && x->ops->low_space(x))
        r = -ENOSPC;
    *cached_rows |= tx.cached_rows;
    if (r < 0 && tx.wrote) {
        int undone = x->ops->rollback(x);
        if (undone < 0)
            return undone;
        u->result = r;
        return 0;
    }
    u->result = MIN(r, 0);
    return r < 0 ? 0 : s3_usage_merge(&tx);
}

static int save_counters(struct s3_index *x, uint64_t seq)
{
    if (seq == x->seq_saved && x->time_ms == x->time_saved)
        return 0;
    AUTO(buf_free) struct buf b = BUF(64);
    buf_u64(&b, seq);
    buf_u64(&b, (uint64_t)x->time_ms);
    return buf_err(&b) < 0 ? buf_err(&b) : x->ops->tx_put(x, COUNTERS_ROW, buf_str(&b));
}

static int commit_batch(struct s3_index *x)
{
    if (x->batch_bytes == 0) {
        x->ops->abandon(x);
        return 0;
    }
    uint64_t seq = atomic_load(&x->seq);
    int r = save_counters(x, seq);
    if (r == 0)
        r = s3_usage_write(x);
    if (r < 0) {
        x->ops->abandon(x);
        return r;
    }
    r = x->ops->commit(x);
    if (r == 0) {
        atomic_store(&x->seq_saved, seq);
        x->time_saved = x->time_ms;
    }
    return r;
}

/*
 * Runs updates from the front of @list and tells them. When the commit fails, all of them fail with
 * its error, also those that were refused: they may have been refused for what an earlier one had
 * written.
 */
static struct s3_update *run_batch(struct s3_index *x, struct s3_update *list)
{
    commits = true;
    struct s3_update *u = list;
    size_t n = 0;
    bool cached_rows = false;
    x->batch_bytes = 0;
    int r = x->ops->begin(x);
    for (; u && n < BATCH_UPDATES && x->batch_bytes < BATCH_BYTES; u = u->next, n++)
        if (r == 0)
            r = run_update(x, u, &cached_rows);
    if (r == 0)
        r = commit_batch(x);
    else
        x->ops->abandon(x);
    s3_usage_forget(x);
    s3_hot_end(x->hot);
    if (cached_rows)
        s3_cache_clear(x->cache);
    for (; n > 0; n--) {
        struct s3_update *done = list;
        list = list->next; /* read before done(): the caller may free it there */
        if (r < 0)
            done->result = r;
        done->done(done->arg, done->result);
    }
    commits = false;
    return list;
}

static void wait_for_work(struct s3_index *x)
{
    x->idle = true;
    if (x->ops->health(x) == 0) {
        pthread_cond_wait(&x->wake, &x->lock);
    } else {
        struct timespec t = dfs_mono_after(HEAL_INTERVAL_MS);
        pthread_cond_timedwait(&x->wake, &x->lock, &t);
    }
    x->idle = false;
}

static void *committer(void *arg)
{
    struct s3_index *x = arg;
    struct s3_update *list = NULL;
    for (;;) {
        pthread_mutex_lock(&x->lock);
        while (x->lead || (!list && !x->first && !x->stop)) {
            wait_for_work(x);
            if (!x->lead && !x->first && !x->stop) {
                pthread_mutex_unlock(&x->lock);
                if (x->ops->health(x) < 0)
                    x->ops->heal(x);
                pthread_mutex_lock(&x->lock);
            }
        }
        if (x->first) { /* behind what is left of the list taken before */
            struct s3_update **end = &list;
            while (*end)
                end = &(*end)->next;
            *end = x->first;
            x->first = NULL;
            x->last = &x->first;
        }
        bool stop = x->stop && !list;
        pthread_mutex_unlock(&x->lock);
        if (stop)
            return NULL;
        list = run_batch(x, list);
    }
}

static void prepare(struct s3_index *x, struct s3_update *u)
{
    CHECK_OBJ(x, S3_INDEX_MAGIC);
    ASSERT(u->fn && u->done);
    u->next = NULL;
    u->result = 0;
}

/* Lock held. Whether the committer has to be woken. */
static bool enqueue(struct s3_index *x, struct s3_update *u)
{
    ASSERT(!x->stop);
    *x->last = u;
    x->last = &u->next;
    bool idle = x->idle;
    x->idle = false; /* one signal is enough */
    return idle;
}

void s3_index_submit(struct s3_index *x, struct s3_update *u)
{
    prepare(x, u);
    pthread_mutex_lock(&x->lock);
    bool wake = enqueue(x, u);
    pthread_mutex_unlock(&x->lock);
    if (wake)
        pthread_cond_signal(&x->wake);
}

/* In the place of the committer, which waits meanwhile. */
static void lead(struct s3_index *x, struct s3_update *u)
{
    struct s3_update *left = run_batch(x, u);
    ASSERT(!left);
    bool unwell = x->ops->health(x) < 0;
    pthread_mutex_lock(&x->lock);
    x->lead = false;
    bool wake = x->first || x->stop || unwell; /* it heals */
    x->idle = !wake;
    pthread_mutex_unlock(&x->lock);
    if (wake)
        pthread_cond_signal(&x->wake);
}

void s3_index_submit_alone(struct s3_index *x, struct s3_update *u)
{
    prepare(x, u);
    bool well = x->ops->health(x) == 0, wake = false;
    pthread_mutex_lock(&x->lock);
    bool leads = well && x->idle && !x->lead && !x->first;
    if (leads) {
        x->lead = true;
        x->idle = false;
    } else {
        wake = enqueue(x, u);
    }
    pthread_mutex_unlock(&x->lock);
    if (leads)
        lead(x, u);
    else if (wake)
        pthread_cond_signal(&x->wake);
}

struct waiting {
    struct s3_update update;
    int (*fn)(struct s3_tx *tx, void *arg);
    void *arg;
    int result;
    sem_t told;
};

static int run_for_waiting(struct s3_tx *tx, void *arg)
{
    struct waiting *w = arg;
    return w->fn(tx, w->arg);
}

static void tell_waiting(void *arg, int result)
{
    struct waiting *w = arg;
    w->result = result;
    sem_post(&w->told);
}

int s3_index_update(struct s3_index *x, int (*fn)(struct s3_tx *tx, void *arg), void *arg)
{
    ASSERT(!commits); /* would wait for itself */
    struct waiting w = {.fn = fn, .arg = arg};
    w.update = (struct s3_update){.fn = run_for_waiting, .done = tell_waiting, .arg = &w};
    sem_init(&w.told, 0, 0);
    s3_index_submit(x, &w.update);
    while (sem_wait(&w.told) < 0)
        ASSERT(errno == EINTR);
    sem_destroy(&w.told);
    return w.result;
}

/* --- birth and death --- */

int s3_index_init(struct s3_index *x, const struct s3_engine_ops *ops)
{
    x->magic = S3_INDEX_MAGIC;
    x->ops = ops;
    x->last = &x->first;
    pthread_mutex_init(&x->lock, NULL);
    dfs_cond_init(&x->wake);
    int r = s3_usage_batch_new(&x->usage);
    if (r == 0)
        r = s3_hot_new(&x->hot);
    return r < 0 ? r : s3_cache_new(&x->cache);
}

static int load_counters(struct s3_index *x)
{
    AUTO(buf_free) struct buf b = BUF(64);
    int r = x->ops->get(x, COUNTERS_ROW, S3_READ_ANY, &b);
    if (r == -ENOENT)
        return 0;
    if (r < 0)
        return r;
    struct rd rd = rd_of(buf_str(&b));
    uint64_t seq = rd_u64(&rd);
    atomic_store(&x->seq, seq);
    atomic_store(&x->seq_saved, seq);
    x->time_ms = x->time_saved = (int64_t)rd_u64(&rd);
    return rd.bad || x->time_ms < 0 ? -EBADMSG : 0;
}

int s3_index_start(struct s3_index *x)
{
    int r = load_counters(x);
    if (r == 0)
        r = s3_usage_start(x);
    if (r < 0)
        return r;
    r = pthread_create(&x->thread, NULL, committer, x);
    x->running = r == 0;
    return -r;
}

void s3_index_fini(struct s3_index *x)
{
    if (x->running) {
        pthread_mutex_lock(&x->lock);
        x->stop = true;
        pthread_mutex_unlock(&x->lock);
        pthread_cond_signal(&x->wake);
        pthread_join(x->thread, NULL);
        x->running = false;
    }
    s3_cache_free(&x->cache);
    s3_hot_free(&x->hot);
    s3_usage_batch_free(&x->usage);
    pthread_cond_destroy(&x->wake);
    pthread_mutex_destroy(&x->lock);
    x->magic = 0;
}

void s3_index_close(struct s3_index **xp)
{
    struct s3_index *x = TAKE(*xp);
    if (!x)
        return;
    CHECK_OBJ(x, S3_INDEX_MAGIC);
    x->ops->close(x);
}
