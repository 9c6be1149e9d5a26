/* SPDX-License-Identifier: Apache-2.0 */
/*
 * object_encryption - the document of UpdateObjectEncryption.
 *
 * Rule: Amazon S3 API Reference, UpdateObjectEncryption.
 * Threads: any.
 */
#ifndef S3_OBJECT_ENCRYPTION_H
#define S3_OBJECT_ENCRYPTION_H

#include "s3gw/core/req.h"

struct s3_node;

struct s3_key_change {
    struct str id; /* "arn:aws...:kms:...:key/..."; a view */
    bool bucket_key;
};

/* Children of ObjectEncryption. OK or InvalidRequest. */
enum s3err s3_object_encryption_parse(struct s3_req *q, const struct s3_node *root,
                                      struct s3_key_change *ret);

#endif
