/* SPDX-License-Identifier: Apache-2.0 */
/*
 * lifecycle - what an answer says of the end its bucket's lifecycle has in store. Nothing without
 * rules.
 *
 * Rule: s3-behaviours 20; Amazon S3 API Reference, PutObject, GetObject, CreateMultipartUpload,
 * ListParts.
 */
#ifndef S3_API_LIFECYCLE_H
#define S3_API_LIFECYCLE_H

#include "s3gw/index/object.h"

/* x-amz-expiration of @o, the current object of @key; not when the request names a version. */
void s3_lifecycle_object_header(struct s3_req *q, struct str key, const struct s3_object *o);
/* x-amz-abort-date, x-amz-abort-rule-id. */
void s3_lifecycle_upload_headers(struct s3_req *q, struct str key, int64_t started_ms);

#endif
