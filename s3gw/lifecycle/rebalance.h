/* SPDX-License-Identifier: Apache-2.0 */
/*
 * rebalance - empties a drained group, or a drained store path of one, of what the gateway stored there, so that its
 * servers can be removed, or its disks.
 *
 * Pass after pass, until nothing is left: it leaves the groups of buckets, and those that had no other get another one; every
 * version whose bytes lie
 * there moves (api/move.h), at a bounded rate; what its logs say beside no data (notes: deletions, users, buckets ...) is
 * said again, word for word, elsewhere, so that the index can be rebuilt from the others alone. Statements are
 * ordered by their numbers, so a note that is said twice does no harm, wherever it lies.
 *
 * The job is a row of the index, positions in logs are others: a restart, or a kill, goes on; what had moved has moved.
 * Parts of open uploads move, too. What stays: files of FastDFS clients (counted), and the old files of moved objects,
 * which their FastDFS names still read (index/moved.h).
 *
 * "From" is a place (rebalance_notes.h): "group1", or "group1/M01".
 *
 * Rows:  y                   u8 1, u8 state, lstr from, lstr to, i64 begun ms, i64 ended ms
 *        y log 00 u32 path   u64 how far its notes have been said again
 *
 * Threads: one of its own; start and stop from the main thread, the others from any.
 */
#ifndef S3_LIFECYCLE_REBALANCE_H
#define S3_LIFECYCLE_REBALANCE_H

#include "s3gw/core/gw.h"
#include "s3gw/index/bucket.h"
#include "s3gw/lifecycle/rebalance_notes.h"

struct s3_rebalance;

struct s3_leaving { /* a version that may lie there, or a part of an open upload */
    struct str key;
    uint64_t seq;  /* of the version, or the upload */
    uint32_t part; /* 0: a version */
    bool null_version;
    struct str from, to;
    uint64_t bytes; /* written: copied */
};

struct s3_rebalance_options {
    struct s3_gw *gw; /* outlives it */
    /* Move it, or say why not: -ESTALE, -ENOENT: it has changed, or is not there; errno. May block. */
    int (*move)(struct s3_gw *gw, const struct s3_bucket *b, struct s3_leaving *v);
    /* In the bucket's groups @to takes the place of @from; absent: nothing does. 0; -ENOENT, -ESTALE: it has changed;
     * errno. */
    int (*home)(struct s3_gw *gw, const struct s3_bucket *b, struct str from, struct str to);
    uint64_t bytes_per_s; /* 0: no limit */
    unsigned again_ms;    /* between passes; 0: 5 s */
    unsigned retry_ms;    /* after a version that did not move; 0: 200 ms */
};

enum s3_rebalance_state { S3_REBALANCE_NONE, S3_REBALANCE_ON, S3_REBALANCE_DONE };

enum { S3_ERROR_OF_MAX = 63 + 1024 + 32 };
struct s3_rebalance_counts {
    enum s3_rebalance_state state;
    char from[S3_PLACE_MAX + 1],
        to[17]; /* to empty: the path's own group, another one of the bucket, or wherever there is most space */
    int64_t begun_ms, ended_ms;
    uint64_t left; /* files in use there, as the last pass found; at most S3_LEFT_MAX */
    uint64_t objects, bytes, notes; /* moved, copied, said again; since the start of the program */
    uint64_t buckets;               /* whose groups changed; likewise */
    uint64_t failed;                /* versions of the last pass that could not move */
    uint64_t native;                /* files of FastDFS clients in its logs; they stay */
    int error; /* why the last pass ended early, or a version did not move; 0 */
    char error_of[S3_ERROR_OF_MAX +
                  1]; /* the last version: "bucket/key to group2"; empty: it is of the pass */
};
enum { S3_LEFT_MAX = 1000000 };

int s3_rebalance_start(const struct s3_rebalance_options *o, struct s3_rebalance **ret) MUST_CHECK;
void s3_rebalance_stop(struct s3_rebalance **r);

/*
 * Empty @from, into @to or (absent) a path's own group, or the bucket's first other one that has space, or whichever has
 * most. 0; -EBUSY: another place is under way; -ENOENT: no such place; -EINVAL: @from is none, or @to is @from; -EPERM: @from
 * still takes new files (dfs admin drain); -EXDEV: a storage class or default_group names it; errno of asking the storages,
 * of the index.
 */
int s3_rebalance_begin(struct s3_rebalance *r, struct str from, struct str to) MUST_CHECK;
/* Whether begin() would; and *ret_files, those in use there. Changes nothing. */
int s3_rebalance_look(struct s3_rebalance *r, struct str from, struct str to,
                      uint64_t *ret_files) MUST_CHECK;
/* Forget the job, done or not. What has moved stays where it is. */
int s3_rebalance_end(struct s3_rebalance *r) MUST_CHECK;
void s3_rebalance_counts(struct s3_rebalance *r, struct s3_rebalance_counts *ret);

#endif
