/* SPDX-License-Identifier: Apache-2.0 */
/*
 * usage - how much a bucket and a user hold: versions (delete markers too) and their bytes. Parts
 * of uploads that are not completed do not count.
 *
 * Rows: q bid, and Q owner id, each u8 version (1), var objects, var bytes; no row: nothing. They
 * change in the same commit as what they count, so they cannot drift; a batch of updates changes
 * each of them once. Objects are counted anew when an index comes from a release that did not count
 * (row
 * "\0u" is missing).
 */
#ifndef S3_INDEX_USAGE_H
#define S3_INDEX_USAGE_H

#include "s3gw/index/index.h"

struct s3_usage {
    uint64_t objects;
    uint64_t bytes;
};

/* What a bucket, all buckets of a user hold. 0; -EAGAIN with S3_READ_CACHED; -EBADMSG, -EIO. Any
 * thread. */
int s3_usage_of_bucket(struct s3_index *x, uint64_t bid, enum s3_read how,
                       struct s3_usage *ret) MUST_CHECK;
int s3_usage_of_user(struct s3_index *x, struct str id, enum s3_read how,
                     struct s3_usage *ret) MUST_CHECK;

/* --- inside an update --- */

enum { S3_TX_BUCKETS_MAX = 16 }; /* whose usage one update may change; more fail it with -E2BIG */

/* The bucket, which must exist, holds so much more, or less. */
void s3_usage_add(struct s3_tx *tx, uint64_t bid, int64_t objects, int64_t bytes);

/* --- for index.c, on the committer --- */

struct s3_usage_batch;

int s3_usage_batch_new(struct s3_usage_batch **ret) MUST_CHECK;
void s3_usage_batch_free(struct s3_usage_batch **b);
/* The update succeeded: what it added belongs to the batch. 0 or errno, which fails the batch. */
int s3_usage_merge(struct s3_tx *tx) MUST_CHECK;
/* Into rows, before the commit. */
int s3_usage_write(struct s3_index *x) MUST_CHECK;
/* Forget what was merged: the batch is over. */
void s3_usage_forget(struct s3_index *x);
/* Before updates are taken: count what an older release left. */
int s3_usage_start(struct s3_index *x) MUST_CHECK;

#endif
