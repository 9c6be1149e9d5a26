/* SPDX-License-Identifier: Apache-2.0 */
/*
 * handlers - what the rows of ops.def point to. Each answers one request: status (0: 200), headers and
 * body in q->resp, or returns the error. They run where the row says (core/op.h) and own nothing after.
 */
#ifndef S3_HANDLERS_H
#define S3_HANDLERS_H

#include "s3gw/core/op.h"

/* service.c */
enum s3err s3_h_list_buckets(struct s3_req *q);

/* bucket.c */
enum s3err s3_h_create_bucket(struct s3_req *q);
enum s3err s3_h_head_bucket(struct s3_req *q);
enum s3err s3_h_delete_bucket(struct s3_req *q);
enum s3err s3_h_get_bucket_location(struct s3_req *q);
enum s3err s3_h_get_bucket_versioning(struct s3_req *q);

#endif
