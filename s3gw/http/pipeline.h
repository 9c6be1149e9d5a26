/* SPDX-License-Identifier: Apache-2.0 */
/*
 * pipeline - the five questions every request is asked, in this order, before a byte of its body is
 * read. Read pipeline.c first: it is the path of a request. A browser's form answers most of them
 * in its fields, and is asked when its file begins.
 */
#ifndef S3_PIPELINE_H
#define S3_PIPELINE_H

#include "s3gw/core/req.h"

/*
 * Ask them. S3ERR_OK: the body may come, then s3_pipeline_handle(). An error to answer.
 * S3ERR_WOULD_BLOCK (only when !q->may_block): call again where blocking is allowed; it goes on
 * where it stopped.
 */
enum s3err s3_pipeline_head(struct s3_req *q);

/*
 * A form's file begins, its fields are read (q->post): ask anew who, what and whether, of the
 * fields. Results as s3_pipeline_head().
 */
enum s3err s3_pipeline_form(struct s3_req *q);

/* The body is in: run the operation. Also S3ERR_PENDING and, when !q->may_block, S3ERR_WOULD_BLOCK.
 */
enum s3err s3_pipeline_handle(struct s3_req *q);

/* The answer to a refused or failed request: status, headers and error document. */
void s3_pipeline_fail(struct s3_req *q, enum s3err e);

/* A document is longer than S3_BODY_WHOLE_MAX. */
enum s3err s3_pipeline_too_long(struct s3_req *q);

#endif
