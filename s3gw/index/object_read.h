/* SPDX-License-Identifier: Apache-2.0 */
/* object_read - looking up versions inside an update; for object.c and upload.c. */
#ifndef S3_INDEX_OBJECT_READ_H
#define S3_INDEX_OBJECT_READ_H

#include "s3gw/index/object.h"

/* 0: the key has a version of that number, so its files live; -EAGAIN: it has not. */
int s3_object_still_there(struct s3_tx *tx, uint64_t bid, struct str key, uint64_t seq) MUST_CHECK;

#endif
