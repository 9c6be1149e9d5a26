/* SPDX-License-Identifier: Apache-2.0 */
/*
 * eval - may this caller do that? The one place that decides.
 *
 *   root                          everything
 *   a Deny of the bucket's policy refuses everybody else, the owner too (but for the policy itself)
 *   the bucket's owner            everything, save reading objects that somebody else owns
 *   an Allow of the policy        for objects of the bucket's owner; not through
 * RestrictPublicBuckets a grant of an ACL             not with BucketOwnerEnforced; public ones not
 * with IgnorePublicAcls otherwise                     AccessDenied; a missing key is NoSuchKey only
 * to who may list
 *
 * A bucket that never had a policy or an ACL is decided without looking at the object: its owner
 * alone.
 *
 * Rule: s3-behaviours 8 (order of checks), 9 (expected owner), 21.  Threads: any; reads the index,
 * from memory only unless q->may_block (WOULD_BLOCK).
 */
#ifndef S3_POLICY_EVAL_H
#define S3_POLICY_EVAL_H

#include "s3gw/core/op.h"
#include "s3gw/index/bucket.h"

/* The pipeline's fourth question, for the operation and resource of @q. OK, AccessDenied,
 * WOULD_BLOCK. */
enum s3err s3_policy_check(struct s3_req *q);

/* The same for another resource or action: the source of a copy, each key of DeleteObjects. @key
 * may be absent: the bucket itself. */
enum s3err s3_policy_allows(struct s3_req *q, const struct s3_bucket *bkt, struct str key,
                            const char *action);

/* Does header @name (x-amz-expected-bucket-owner, x-amz-source-expected-bucket-owner), if given,
 * name the owner of @bkt? OK or AccessDenied. */
enum s3err s3_policy_expected_owner(struct s3_req *q, struct str name, const struct s3_bucket *bkt);

#endif
