/* SPDX-License-Identifier: Apache-2.0 */
/*
 * lock - object lock as requests speak of it: headers, documents, the bypass.
 *
 * The bucket's document "lock": u8 version (1), u8 mode (index/lock.h; none: no default), u8 unit
 * (0 days, 1 years), u32 how many. Its presence means that lock is on; it is never removed.
 *
 * Rule: s3-behaviours 19.
 */
#ifndef S3_API_LOCK_H
#define S3_API_LOCK_H

#include "s3gw/index/object.h"

struct s3_bucket;

bool s3_lock_enabled(const struct s3_bucket *b);
/* The document of a bucket that is created with lock on, without a default. Static bytes. */
struct str s3_lock_plain(void);

/* Does the request say anything about locking the object it writes? */
bool s3_lock_in_headers(const struct s3_req *q);
/* x-amz-object-lock-*: fills o->lock. @with_default: else the bucket's default retention from now
 * on. InvalidArgument, InvalidRequest when the bucket has no lock. */
enum s3err s3_lock_from_headers(struct s3_req *q, bool with_default, struct s3_object *o);
/* An upload becomes @o: what was said when it was created stays, and without a retention the bucket's default counts
 * from now on. InternalError: a record cannot be read. */
enum s3err s3_lock_at_completion(struct s3_req *q, struct s3_object *o);
/* The three headers, for a caller who may know. */
void s3_lock_headers(struct s3_req *q, const struct s3_object *o);

/* x-amz-bypass-governance-retention: true, from a caller who has s3:BypassGovernanceRetention on
 * @key, in @version of it (absent: the current one). */
bool s3_may_bypass_governance(struct s3_req *q, struct str key, struct str version);

#endif
