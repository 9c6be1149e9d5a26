/* SPDX-License-Identifier: Apache-2.0 */
/*
 * store_rocksdb - the embedded index.
 *
 * One committer thread takes the updates that are queued, runs them one after the other on one indexed
 * write batch (a save point each), and writes the batch with one synced log write. While it syncs, the next
 * updates gather. So all updates are serial, and a sync is shared by those of one moment.
 *
 * A failed write leaves RocksDB refusing further ones. Then the database is closed and opened again before
 * the next batch, so that a disk that was full or away heals without a restart; readers are kept out for
 * that moment by `gate`.
 */
#include <endian.h>
#include <pthread.h>
#include <rocksdb/c.h>
#include <stdatomic.h>
#include <stdio.h>
#include <sys/stat.h>
#include <sys/statvfs.h>

#include "dfscore/base/clock.h"
#include "dfscore/log/log.h"
#include "s3gw/index/cache.h"
#include "s3gw/index/store.h"

enum {
    BATCH_MAX = 512,
    MEMTABLE_BYTES = 16 * 1024 * 1024,
    OPEN_FILES_MAX = 256,
    SPACE_CHECK_MS = 100,
    READ_TIER_CACHE = 1,
    REOPEN_EVERY_MS = 500,
};

struct rdb_index {
    struct s3_index base; /* first */
    struct s3_index_options o;
    char *path;
    rocksdb_options_t *options;
    rocksdb_readoptions_t *read_any, *read_cached;
    rocksdb_writeoptions_t *write;

    pthread_rwlock_t gate; /* read: using db; write: replacing it */
    rocksdb_t *db;         /* under gate; NULL while it cannot be opened */

    pthread_t committer;
    pthread_mutex_t lock;
    pthread_cond_t some;
    struct s3_update *first, **last; /* under lock */
    bool stopping;                   /* under lock */

    uint64_t seq;          /* committer: last number committed */
    _Atomic int health;
    uint64_t space_checked_ms; /* committer, like all below */
    bool space_low;
    uint64_t reopened_ms;
};

struct rdb_tx {
    struct s3_tx base; /* first */
    struct rdb_index *x;
    rocksdb_writebatch_wi_t *batch;
};

struct rdb_iter {
    struct s3_iter base; /* first */
    struct rdb_index *gated; /* its gate is held; NULL inside an update */
    rocksdb_iterator_t *it;
    rocksdb_readoptions_t *ro;
    char *until, *from;    /* owned */
    size_t until_n, from_n;
};

static struct str view(const char *p, size_t n)
{
    return str_of(p ? p : "", n);
}

/* The C interface gives errors as text: "IO error: No space left on device: ...". Frees it. */
static int errno_of(char *err)
{
    if (!err)
        return 0;
    struct str e = str_c(err);
    int r = -EIO;
    if (str_find(e, STR("No space left")) != SIZE_MAX)
        r = -ENOSPC;
    else if (str_find(e, STR("incomplete")) != SIZE_MAX)
        r = -EAGAIN;
    else if (str_find(e, STR("lock")) != SIZE_MAX && str_starts(e, STR("IO error")))
        r = -EBUSY;
    else if (str_starts(e, STR("Corruption")) || str_starts(e, STR("Not implemented")))
        r = -EBADMSG;
    if (r != -EAGAIN)
        dfs_log(LOG_ERROR, "index.error", KV_STR("text", e), KV_ERR(r));
    rocksdb_free(err);
    return r;
}

/* ---- reading ------------------------------------------------------------------------------------ */

static int get(struct s3_index *base, struct str key, enum s3_read how, struct buf *value)
{
    struct rdb_index *x = (struct rdb_index *)base;
    char *err = NULL;
    pthread_rwlock_rdlock(&x->gate);
    int r = -EIO;
    if (x->db) {
        rocksdb_pinnableslice_t *s =
            rocksdb_get_pinned(x->db, how == S3_READ_CACHED ? x->read_cached : x->read_any, key.p, key.n, &err);
        r = errno_of(err);
        if (r == 0 && !s)
            r = -ENOENT;
        if (s) {
            size_t n;
            const char *p = rocksdb_pinnableslice_value(s, &n);
            buf_add(value, p, n);
            r = buf_err(value);
            rocksdb_pinnableslice_destroy(s);
        }
    }
    pthread_rwlock_unlock(&x->gate);
    return r;
}

static struct str it_key(struct s3_iter *base)
{
    size_t n;
    const char *p = rocksdb_iter_key(((struct rdb_iter *)base)->it, &n);
    return view(p, n);
}

static struct str it_value(struct s3_iter *base)
{
    size_t n;
    const char *p = rocksdb_iter_value(((struct rdb_iter *)base)->it, &n);
    return view(p, n);
}

static bool it_valid(struct s3_iter *base)
{
    struct rdb_iter *i = (struct rdb_iter *)base;
    if (!rocksdb_iter_valid(i->it))
        return false;
    return i->until_n == 0 || str_cmp(it_key(base), str_of(i->until, i->until_n)) < 0;
}

static void it_next(struct s3_iter *base)
{
    rocksdb_iter_next(((struct rdb_iter *)base)->it);
}

static void it_seek(struct s3_iter *base, struct str key)
{
    struct rdb_iter *i = (struct rdb_iter *)base;
    struct str from = str_of(i->from, i->from_n);
    struct str to = str_cmp(key, from) < 0 ? from : key;
    rocksdb_iter_seek(i->it, to.p, to.n);
}

static int it_err(struct s3_iter *base)
{
    char *err = NULL;
    rocksdb_iter_get_error(((struct rdb_iter *)base)->it, &err);
    return errno_of(err);
}

static void it_free(struct s3_iter *base)
{
    struct rdb_iter *i = (struct rdb_iter *)base;
    if (i->it)
        rocksdb_iter_destroy(i->it);
    if (i->ro)
        rocksdb_readoptions_destroy(i->ro);
    if (i->gated)
        pthread_rwlock_unlock(&i->gated->gate);
    free(i->until);
    free(i->from);
    free(i);
}

static const struct s3_iter_ops iter_ops = {it_valid, it_next, it_seek, it_key, it_value, it_err, it_free};

/* Without the iterator itself. */
static struct rdb_iter *iter_make(struct str from, struct str until)
{
    struct rdb_iter *i = dfs_zalloc(sizeof(*i));
    if (!i)
        return NULL;
    i->base.ops = &iter_ops;
    i->from = dfs_memdup(from.p, from.n);
    i->from_n = from.n;
    i->until = dfs_memdup(until.p, until.n);
    i->until_n = until.n;
    i->ro = rocksdb_readoptions_create();
    if (!i->from || !i->until || !i->ro) {
        it_free(&i->base);
        return NULL;
    }
    if (until.n)
        rocksdb_readoptions_set_iterate_upper_bound(i->ro, i->until, i->until_n);
    return i;
}

static int iter(struct s3_index *base, struct str from, struct str until, struct s3_iter **ret)
{
    struct rdb_index *x = (struct rdb_index *)base;
    struct rdb_iter *i = iter_make(from, until);
    if (!i)
        return -ENOMEM;
    pthread_rwlock_rdlock(&x->gate);
    i->gated = x;
    if (!x->db) {
        it_free(&i->base);
        return -EIO;
    }
    i->it = rocksdb_create_iterator(x->db, i->ro);
    rocksdb_iter_seek(i->it, i->from, i->from_n);
    *ret = &i->base;
    return 0;
}

/* ---- updates ------------------------------------------------------------------------------------ */

static int tx_get(struct s3_tx *tx, struct str key, struct buf *value)
{
    struct rdb_tx *t = (struct rdb_tx *)tx;
    char *err = NULL;
    size_t n;
    char *p = rocksdb_writebatch_wi_get_from_batch_and_db(t->batch, t->x->db, t->x->read_any, key.p, key.n, &n, &err);
    int r = errno_of(err);
    if (r < 0)
        return r;
    if (!p)
        return -ENOENT;
    buf_add(value, p, n);
    rocksdb_free(p);
    return buf_err(value);
}

static void tx_put(struct s3_tx *tx, struct str key, struct str value)
{
    rocksdb_writebatch_wi_put(((struct rdb_tx *)tx)->batch, key.p, key.n, value.p ? value.p : "", value.n);
}

static void tx_del(struct s3_tx *tx, struct str key)
{
    rocksdb_writebatch_wi_delete(((struct rdb_tx *)tx)->batch, key.p, key.n);
}

static int tx_iter(struct s3_tx *tx, struct str from, struct str until, struct s3_iter **ret)
{
    struct rdb_tx *t = (struct rdb_tx *)tx;
    struct rdb_iter *i = iter_make(from, until);
    if (!i)
        return -ENOMEM;
    i->it = rocksdb_writebatch_wi_create_iterator_with_base(t->batch, rocksdb_create_iterator(t->x->db, i->ro));
    rocksdb_iter_seek(i->it, i->from, i->from_n);
    *ret = &i->base;
    return 0;
}

static const struct s3_tx_ops tx_ops = {tx_get, tx_put, tx_del, tx_iter};

/* statvfs costs a little, so its answer is believed for a tenth of a second. */
static bool space_is_low(struct rdb_index *x)
{
    uint64_t now = dfs_mono_ms();
    if (x->o.reserve_bytes == 0 || now - x->space_checked_ms < SPACE_CHECK_MS)
        return x->space_low;
    struct statvfs v;
    x->space_low = statvfs(x->path, &v) == 0 && (uint64_t)v.f_bavail * v.f_frsize < x->o.reserve_bytes;
    x->space_checked_ms = now;
    return x->space_low;
}

static int run_one(struct rdb_tx *t, struct s3_update *u, bool low)
{
    rocksdb_writebatch_wi_set_save_point(t->batch);
    t->base.err = 0;
    t->base.frees = false;
    int r = u->fn(&t->base, u->arg);
    if (t->base.err < 0)
        r = t->base.err;
    if (r == 0 && low && !t->base.frees)
        r = -ENOSPC;
    if (r < 0) {
        char *err = NULL;
        rocksdb_writebatch_wi_rollback_to_save_point(t->batch, &err);
        int undone = errno_of(err);
        ASSERT(undone == 0); /* the save point was set above */
    }
    return r;
}

static int write_batch(struct rdb_tx *t)
{
    uint64_t be = htobe64(t->base.seq);
    struct str key = S3_SEQ_KEY;
    rocksdb_writebatch_wi_put(t->batch, key.p, key.n, (const char *)&be, sizeof(be));
    char *err = NULL;
    rocksdb_write_writebatch_wi(t->x->db, t->x->write, t->batch, &err);
    return errno_of(err);
}

static int open_db(struct rdb_index *x)
{
    char *err = NULL;
    x->db = rocksdb_open(x->options, x->path, &err);
    return errno_of(err);
}

/* After a failed write: close, open, and look which number was the last. On the committer. */
static int reopen(struct rdb_index *x)
{
    uint64_t now = dfs_mono_ms();
    if (x->reopened_ms != 0 && now - x->reopened_ms < REOPEN_EVERY_MS)
        return atomic_load(&x->health);
    x->reopened_ms = now;
    pthread_rwlock_wrlock(&x->gate);
    if (x->db)
        rocksdb_close(x->db);
    x->db = NULL;
    int r = open_db(x);
    pthread_rwlock_unlock(&x->gate);
    if (r == 0)
        dfs_log(LOG_WARN, "index.reopened", KV_Z("path", x->path));
    return r;
}

static void run_batch(struct rdb_index *x, struct s3_update **u, size_t n)
{
    int r = atomic_load(&x->health);
    if (r < 0)
        r = reopen(x);
    size_t good = 0;
    if (r == 0) {
        struct rdb_tx t = {.base = {.ops = &tx_ops, .seq = x->seq}, .x = x};
        t.batch = rocksdb_writebatch_wi_create(0, 1);
        bool low = space_is_low(x);
        for (size_t i = 0; i < n; i++) {
            u[i]->result = run_one(&t, u[i], low);
            good += u[i]->result == 0;
        }
        if (good > 0)
            r = write_batch(&t);
        if (r == 0)
            x->seq = t.base.seq;
        rocksdb_writebatch_wi_destroy(t.batch);
    } else {
        for (size_t i = 0; i < n; i++)
            u[i]->result = r;
    }
    atomic_store(&x->health, r);
    for (size_t i = 0; i < n; i++) {
        int result = r < 0 && u[i]->result == 0 ? r : u[i]->result;
        u[i]->result = result;
        u[i]->done(u[i]->arg, result); /* from here on it is the caller's again */
    }
}

static size_t take_queued(struct rdb_index *x, struct s3_update **u)
{
    size_t n = 0;
    pthread_mutex_lock(&x->lock);
    while (!x->first && !x->stopping)
        pthread_cond_wait(&x->some, &x->lock);
    for (; x->first && n < BATCH_MAX; x->first = x->first->next)
        u[n++] = x->first;
    if (!x->first)
        x->last = &x->first;
    pthread_mutex_unlock(&x->lock);
    return n;
}

static void *committer_main(void *arg)
{
    struct rdb_index *x = arg;
    pthread_setname_np(pthread_self(), "index-commit");
    struct s3_update *u[BATCH_MAX];
    for (size_t n; (n = take_queued(x, u)) > 0;)
        run_batch(x, u, n);
    return NULL;
}

static void submit(struct s3_index *base, struct s3_update *u)
{
    struct rdb_index *x = (struct rdb_index *)base;
    pthread_mutex_lock(&x->lock);
    ASSERT(!x->stopping);
    bool was_empty = !x->first;
    *x->last = u;
    x->last = &u->next;
    if (was_empty)
        pthread_cond_signal(&x->some);
    pthread_mutex_unlock(&x->lock);
}

/* ---- opening and closing ------------------------------------------------------------------------ */

static int health(struct s3_index *base)
{
    return atomic_load(&((struct rdb_index *)base)->health);
}

static void set_options(struct rdb_index *x)
{
    rocksdb_options_t *o = x->options = rocksdb_options_create();
    rocksdb_options_set_create_if_missing(o, 1);
    rocksdb_options_set_paranoid_checks(o, 1);
    rocksdb_options_set_write_buffer_size(o, MEMTABLE_BYTES);
    rocksdb_options_set_max_write_buffer_number(o, 3);
    rocksdb_options_set_max_open_files(o, OPEN_FILES_MAX);
    rocksdb_options_set_recycle_log_file_num(o, 4); /* overwriting a log syncs faster than extending one */
    rocksdb_options_set_wal_recovery_mode(o, 2);    /* up to the first torn record: recycled logs need that */
    rocksdb_options_set_keep_log_file_num(o, 4);
    rocksdb_options_set_max_log_file_size(o, 1024 * 1024);
    rocksdb_options_set_info_log_level(o, 2);
    rocksdb_options_set_max_background_jobs(o, 2);
    rocksdb_options_set_bytes_per_sync(o, 1024 * 1024);
    rocksdb_options_set_level_compaction_dynamic_level_bytes(o, 1);
    rocksdb_options_set_compression(o, rocksdb_lz4_compression);
    rocksdb_options_add_compact_on_deletion_collector_factory(o, 4096, 2048);

    rocksdb_block_based_table_options_t *t = rocksdb_block_based_options_create();
    rocksdb_cache_t *cache = rocksdb_cache_create_lru(MAX(x->o.cache_bytes, 1u << 20));
    rocksdb_block_based_options_set_block_cache(t, cache); /* holds a reference of its own */
    rocksdb_cache_destroy(cache);
    rocksdb_filterpolicy_t *bloom = rocksdb_filterpolicy_create_bloom_full(10);
    rocksdb_block_based_options_set_filter_policy(t, bloom); /* owns it now */
    rocksdb_block_based_options_set_cache_index_and_filter_blocks(t, 1);
    rocksdb_block_based_options_set_pin_l0_filter_and_index_blocks_in_cache(t, 1);
    rocksdb_block_based_options_set_format_version(t, 5);
    rocksdb_options_set_block_based_table_factory(o, t);
    rocksdb_block_based_options_destroy(t);

    x->read_any = rocksdb_readoptions_create();
    x->read_cached = rocksdb_readoptions_create();
    rocksdb_readoptions_set_read_tier(x->read_cached, READ_TIER_CACHE);
    x->write = rocksdb_writeoptions_create();
    rocksdb_writeoptions_set_sync(x->write, !x->o.relaxed);
}

/* The format row and the number of the last commit. */
static int check_format(struct rdb_index *x)
{
    AUTO(buf_free) struct buf v = BUF(64);
    int r = get(&x->base, S3_FORMAT_KEY, S3_READ_ANY, &v);
    if (r == -ENOENT) {
        uint32_t be = htobe32(S3_INDEX_FORMAT);
        char *err = NULL;
        struct str key = S3_FORMAT_KEY;
        rocksdb_put(x->db, x->write, key.p, key.n, (const char *)&be, sizeof(be), &err);
        return errno_of(err);
    }
    if (r < 0)
        return r;
    struct rd in = rd_of(buf_str(&v));
    uint32_t format = rd_u32(&in);
    if (in.bad || format == 0 || format > S3_INDEX_FORMAT)
        return -EBADMSG;
    buf_reset(&v);
    r = get(&x->base, S3_SEQ_KEY, S3_READ_ANY, &v);
    in = rd_of(buf_str(&v));
    if (r == 0)
        x->seq = rd_u64(&in);
    return r == -ENOENT ? 0 : in.bad ? -EBADMSG : r;
}

static void close_rocksdb(struct s3_index *base)
{
    struct rdb_index *x = (struct rdb_index *)base;
    if (x->last) { /* the committer runs */
        pthread_mutex_lock(&x->lock);
        x->stopping = true;
        pthread_cond_signal(&x->some);
        pthread_mutex_unlock(&x->lock);
        pthread_join(x->committer, NULL);
    }
    if (x->db)
        rocksdb_close(x->db);
    if (x->options)
        rocksdb_options_destroy(x->options);
    if (x->read_any)
        rocksdb_readoptions_destroy(x->read_any);
    if (x->read_cached)
        rocksdb_readoptions_destroy(x->read_cached);
    if (x->write)
        rocksdb_writeoptions_destroy(x->write);
    pthread_rwlock_destroy(&x->gate);
    pthread_mutex_destroy(&x->lock);
    pthread_cond_destroy(&x->some);
    free(x->path);
    free(x);
}

static const struct s3_index_ops rdb_ops = {get, iter, submit, health, close_rocksdb};

static int open_all(struct rdb_index *x)
{
    int r = s3_cache_new(&x->base.cache);
    if (r == 0 && mkdir(x->path, 0700) < 0 && errno != EEXIST)
        r = -errno;
    if (r < 0)
        return r;
    set_options(x);
    r = open_db(x);
    if (r == 0)
        r = check_format(x);
    if (r < 0)
        return r;
    x->last = &x->first;
    if (pthread_create(&x->committer, NULL, committer_main, x) != 0) {
        x->last = NULL;
        return -EAGAIN;
    }
    return 0;
}

int s3_index_open_rocksdb(const struct s3_index_options *o, struct s3_index **ret)
{
    struct rdb_index *x = dfs_zalloc(sizeof(*x));
    if (!x)
        return -ENOMEM;
    x->base.ops = &rdb_ops;
    x->o = *o;
    pthread_rwlock_init(&x->gate, NULL);
    pthread_mutex_init(&x->lock, NULL);
    pthread_cond_init(&x->some, NULL);
    x->path = str_dup(o->path);
    struct s3_index *base = &x->base;
    int r = x->path ? open_all(x) : -ENOMEM;
    if (r < 0)
        s3_index_close(&base);
    else
        *ret = base;
    return r;
}
