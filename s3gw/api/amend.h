/* SPDX-License-Identifier: Apache-2.0 */
/* amend - change one section of an object, or one document of a bucket, and answer for it. */
#ifndef S3_AMEND_H
#define S3_AMEND_H

#include "s3gw/api/commit.h"
#include "s3gw/index/object.h"

/* Give that section of the object the request names @value (absent: none), note and commit it;
 * again when it was replaced meanwhile. */
enum s3err s3_amend(struct s3_req *q, enum s3_section what, struct str value);

/* Keep @value (absent: remove) as document @doc of q->bkt. */
enum s3err s3_keep_bucket_doc(struct s3_req *q, struct str doc, struct str value);
/* The same if at its commit it still @may (api/commit.h), else OperationAborted. */
enum s3err s3_keep_bucket_doc_if(struct s3_req *q, struct str doc, struct str value,
                                 s3_bucket_may may);
/* The same of an encoded record; beyond its ceiling: InvalidRequest, in a sentence that begins with @kind,
 * "The CORS". */
enum s3err s3_keep_bucket_record(struct s3_req *q, struct str doc, const struct buf *record,
                                 const char *kind);

/* The record of "the owner of q->bkt, everything"; arena. */
struct str s3_acl_private(struct s3_req *q);
/* From now on objects of q->bkt may have ACLs: policy/eval.c looks at them only where the bucket has one. The one it has
 * stays. */
enum s3err s3_acl_open(struct s3_req *q);

#endif
