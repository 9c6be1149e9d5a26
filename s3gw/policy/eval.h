/* SPDX-License-Identifier: Apache-2.0 */
/*
 * eval - may this caller do that? The one place that decides.
 *
 * For now: root may do everything, a user everything in their own buckets and nothing elsewhere,
 * anonymous callers nothing.
 *
 * Rule: s3-behaviours 8 (order of checks), 9 (expected owner), 21.  Threads: any; may read the index.
 */
#ifndef S3_POLICY_EVAL_H
#define S3_POLICY_EVAL_H

#include "s3gw/core/op.h"
#include "s3gw/index/bucket.h"

/* The pipeline's fourth question, for the operation and resource of @q. OK or AccessDenied. */
enum s3err s3_policy_check(struct s3_req *q);

/* The same for another resource or action: the source of a copy, each key of DeleteObjects. @key may be
 * absent: the bucket itself. OK or AccessDenied. */
enum s3err s3_policy_allows(struct s3_req *q, const struct s3_bucket *bkt, struct str key, const char *action);

/* Does header @name (x-amz-expected-bucket-owner, x-amz-source-expected-bucket-owner), if given, name the
 * owner of @bkt? OK or AccessDenied. */
enum s3err s3_policy_expected_owner(struct s3_req *q, struct str name, const struct s3_bucket *bkt);

#endif
