/* SPDX-License-Identifier: Apache-2.0 */
/*
 * cond - conditions of writes and deletes: from headers to struct s3_cond, and from the errno of
 * the commit that judged them to the error a client sees.
 *
 * Rule: s3-behaviours 13, "Writes"; S3 User Guide, "Conditional requests".
 */
#ifndef S3_COND_H
#define S3_COND_H

#include "s3gw/index/object.h"

/*
 * If-None-Match and If-Match of PutObject, CompleteMultipartUpload, CopyObject; lives in the arena.
 * NotImplemented (with Header) for what AWS does not evaluate: another If-None-Match than *, both
 * headers, If-Modified-Since, If-Unmodified-Since. AccessDenied for If-Match of who may not read.
 */
enum s3err s3_cond_of_write(struct s3_req *q, struct s3_cond *ret);
/* If-Match of DeleteObject. NotImplemented for it beside versionId, and for every other condition.
 */
enum s3err s3_cond_of_delete(struct s3_req *q, struct s3_cond *ret);
/* Does the answer tell more of the object than that it is there? Who asks needs the right to read it. */
bool s3_cond_tells(const struct s3_cond *c);
/* One ETag from outside (quotes optional, or *) as If-Match; never matches when it is no ETag. */
void s3_cond_if_match(struct str text, struct s3_cond *ret);

/* The errno of an update of a key (index/object.h) as error: PreconditionFailed with Condition,
 * NoSuchKey, NoSuchBucket, or what s3err_from_errno says. 0 is OK. */
enum s3err s3_commit_error(struct s3_req *q, int r);

#endif
