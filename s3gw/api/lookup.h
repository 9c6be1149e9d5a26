/* SPDX-License-Identifier: Apache-2.0 */
/* lookup - the object that a request names by key and versionId. Rule: s3-behaviours 18. */
#ifndef S3_LOOKUP_H
#define S3_LOOKUP_H

#include "s3gw/index/object.h"

/*
 * @detail: extents and parts too. NoSuchKey, NoSuchVersion, InvalidArgument for a malformed
 * versionId; for a delete marker NoSuchKey, or MethodNotAllowed when it was named, with the headers
 * that say so; WOULD_BLOCK unless q->may_block.
 */
enum s3err s3_lookup(struct s3_req *q, bool detail, struct s3_object *ret);

/* The same for handlers other than GET: x-amz-version-id on the answer, where the bucket has
 * versions. */
enum s3err s3_lookup_said(struct s3_req *q, bool detail, struct s3_object *ret);

/* One version, or with an absent @id the current object. 0; -EINVAL: malformed id; -ENOENT; -EAGAIN
 * when that cannot be said without blocking and q->may_block is not set; ... A marker is returned
 * as such. */
int s3_lookup_version(struct s3_req *q, uint64_t bid, struct str key, struct str id, bool detail,
                      struct s3_object *ret) MUST_CHECK;

#endif
