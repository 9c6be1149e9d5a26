/* SPDX-License-Identifier: Apache-2.0 */
/*
 * bucket_encryption - the default encryption of a bucket, and which kinds it refuses: the document.
 *
 * Rule: s3-behaviours 23; Amazon S3 API Reference, PutBucketEncryption, GetBucketEncryption.
 * Threads: any.
 */
#ifndef S3_BUCKET_ENCRYPTION_H
#define S3_BUCKET_ENCRYPTION_H

#include "s3gw/core/req.h"
#include "s3gw/sse/defaults.h"

struct s3_node;

/* Children of ServerSideEncryptionConfiguration; views into them. OK; MalformedXML, InvalidArgument
 * (a key id with AES256), NotImplemented (aws:kms:dsse; no key ring). */
enum s3err s3_bucket_encryption_parse(struct s3_req *q, const struct s3_node *root,
                                      struct s3_sse_defaults *ret);
/* The one Rule. */
void s3_bucket_encryption_write(const struct s3_sse_defaults *d, struct buf *b);

#endif
