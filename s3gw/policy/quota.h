/* SPDX-License-Identifier: Apache-2.0 */
/*
 * quota - may the bucket, and its owner, hold so much more?
 *
 * Bucket document "quota": u8 version (1), var bytes, var objects; 0: no limit. A user's is in the
 * user's record. What is held is read, not reserved: writers of one moment may together pass a
 * quota by what they carry. What a write replaces counts until it is gone.
 *
 * Rule: ours, no AWS behaviour; QuotaExceeded 403 is not retried by SDKs (s3-behaviours 8).
 * Threads: any; reads the index, from memory only unless q->may_block.
 */
#ifndef S3_POLICY_QUOTA_H
#define S3_POLICY_QUOTA_H

#include "s3gw/core/limits.h"
#include "s3gw/core/req.h"

struct s3_bucket;

/* OK, QuotaExceeded, WOULD_BLOCK. Costs nothing where neither has a quota and the owner asks. */
enum s3err s3_quota_check(struct s3_req *q, const struct s3_bucket *bkt, uint64_t bytes,
                          uint64_t objects);

/* The bucket's own limits; all 0 when it has none. Damaged: nothing more may come. */
struct s3_limits s3_quota_of_bucket(const struct s3_bucket *bkt);
void s3_quota_encode(const struct s3_limits *l, struct buf *out);

#endif
