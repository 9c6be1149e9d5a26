/* SPDX-License-Identifier: Apache-2.0 */
/* store - what an engine implements; index.c forwards index.h's calls here. Private to s3gw/index. */
#ifndef S3_INDEX_STORE_H
#define S3_INDEX_STORE_H

#include "s3gw/index/index.h"

struct s3_index_ops {
    int (*get)(struct s3_index *x, struct str key, enum s3_read how, struct buf *value);
    int (*iter)(struct s3_index *x, struct str from, struct str until, struct s3_iter **ret);
    void (*submit)(struct s3_index *x, struct s3_update *u);
    int (*health)(struct s3_index *x);
    void (*close)(struct s3_index *x);
};

struct s3_tx_ops {
    int (*get)(struct s3_tx *tx, struct str key, struct buf *value);
    void (*put)(struct s3_tx *tx, struct str key, struct str value);
    void (*del)(struct s3_tx *tx, struct str key);
    int (*iter)(struct s3_tx *tx, struct str from, struct str until, struct s3_iter **ret);
};

struct s3_iter_ops {
    bool (*valid)(struct s3_iter *it);
    void (*next)(struct s3_iter *it);
    void (*seek)(struct s3_iter *it, struct str key);
    struct str (*key)(struct s3_iter *it);
    struct str (*value)(struct s3_iter *it);
    int (*err)(struct s3_iter *it);
    void (*free)(struct s3_iter *it);
};

struct s3_cache; /* buckets and keys: cache.h */

/* Each engine's structs begin with these. */
struct s3_index {
    const struct s3_index_ops *ops;
    struct s3_cache *cache;
};
struct s3_tx {
    const struct s3_tx_ops *ops;
    int err;             /* negative errno; sticks and fails the update */
    bool frees;
    uint64_t seq;        /* last number given; the engine stores it with the commit */
};
struct s3_iter {
    const struct s3_iter_ops *ops;
};

#define S3_SEQ_KEY STR("#seq")         /* last sequence number given, u64 big endian */
#define S3_FORMAT_KEY STR("#format")   /* format version of the rows, u32 big endian */
enum { S3_INDEX_FORMAT = 1 };

#endif
