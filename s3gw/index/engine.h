/* SPDX-License-Identifier: Apache-2.0 */
/*
 * engine - what stands behind index.h. index.c owns the queue of updates, the committer thread and
 * the counters; an engine (store_mem.c, store_rocksdb.c) owns the rows.
 *
 * Keys that begin with a NUL byte belong to this layer: the counters and the engine's own rows.
 * Iterators of users begin behind them.
 *
 * Threads: get, iter and health from any; everything else from the committer only (open and close:
 * while there is none).
 */
#ifndef S3_INDEX_ENGINE_H
#define S3_INDEX_ENGINE_H

#include <pthread.h>
#include <stdatomic.h>

#include "s3gw/index/usage.h"

struct s3_cache;
struct s3_hot;

struct s3_iter_ops {
    bool (*valid)(struct s3_iter *it);
    void (*next)(struct s3_iter *it);
    void (*seek)(struct s3_iter *it, struct str key); /* at the bound when key lies before it */
    struct str (*key)(struct s3_iter *it);
    struct str (*value)(struct s3_iter *it);
    int (*err)(struct s3_iter *it);
    void (*free)(struct s3_iter *it);
};
struct s3_iter { /* first member of every engine's iterator */
    const struct s3_iter_ops *ops;
};

struct s3_engine_ops {
    int (*get)(struct s3_index *x, struct str key, enum s3_read how, struct buf *value);
    int (*iter)(struct s3_index *x, struct str from, struct str until, struct s3_iter **ret);
    int (*health)(struct s3_index *x);
    void (*close)(struct s3_index *x); /* frees x */

    /* A batch: begin, then per update mark and fn and perhaps rollback, then commit or abandon. */
    int (*begin)(struct s3_index *x);
    void (*mark)(struct s3_index *x);
    int (*rollback)(struct s3_index *x); /* to the mark; an error makes the batch fail */
    int (*commit)(struct s3_index *x);   /* durable, then visible; or nothing at all */
    void (*abandon)(struct s3_index *x);
    int (*tx_get)(struct s3_index *x, struct str key, struct buf *value);
    int (*tx_put)(struct s3_index *x, struct str key, struct str value);
    int (*tx_del)(struct s3_index *x, struct str key);
    int (*tx_iter)(struct s3_index *x, struct str from, struct str until, struct s3_iter **ret);
    bool (*low_space)(struct s3_index *x); /* judged at begin */
    void (*heal)(struct s3_index *x);      /* about once a second while health() is not 0 */
};

struct s3_usage_delta {
    uint64_t bid;
    int64_t objects, bytes;
};

struct s3_tx {
    struct s3_index *x;
    int err; /* of put and del, sticks */
    bool frees;
    bool wrote;
    bool cached_rows; /* changed rows that cache.c keeps copies of */
    size_t nusage;
    struct s3_usage_delta usage[S3_TX_BUCKETS_MAX]; /* by usage.c */
};

struct s3_index { /* first member of every engine's state */
    unsigned magic;
#define S3_INDEX_MAGIC 0x1d3cafe5u
    const struct s3_engine_ops *ops;
    struct s3_cache *cache;
    struct s3_hot *hot;

    /* Owner: the committer. */
    int64_t time_ms; /* s3_tx_now(): never goes back */
    int64_t time_saved;
    uint64_t batch_bytes;
    struct s3_usage_batch *usage; /* what the batch's updates have changed so far */
    /* the highest number of a null version that was removed; index/object_change.c */
    uint64_t removed;

    _Atomic uint64_t seq; /* the last number given out; never goes back. Any thread */
    /* as the counters row of the last commit has it. Set by the committer */
    _Atomic uint64_t seq_saved;

    pthread_t thread;
    bool running;
    pthread_mutex_t lock; /* leaf: nothing else is taken while held */
    pthread_cond_t wake;
    struct s3_update *first, **last; /* queue, under lock */
    bool idle;                       /* the committer waits on wake; under lock */
    bool lead;                       /* another thread is in the committer's place; under lock */
    bool stop;                       /* under lock */
};

/* For an engine's open: @x is zeroed. start reads the counters and begins to take updates. */
int s3_index_init(struct s3_index *x, const struct s3_engine_ops *ops) MUST_CHECK;
int s3_index_start(struct s3_index *x) MUST_CHECK;
/* For an engine's close and failed open: safe on a half-built x. */
void s3_index_fini(struct s3_index *x);

#endif
