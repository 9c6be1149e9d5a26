/* SPDX-License-Identifier: Apache-2.0 */
/*
 * restore - rows of a new index written as they were in the old one (lifecycle/rebuild.h): numbers,
 * flags and times are the caller's, nothing is replaced, no condition is judged. Files get a
 * further owner if they have one. Inside an update; 0 or errno.
 */
#ifndef S3_INDEX_RESTORE_H
#define S3_INDEX_RESTORE_H

#include "s3gw/index/bucket.h"
#include "s3gw/index/upload.h"

/* -EEXIST: another bucket has that name. */
int s3_restore_bucket(struct s3_tx *tx, const struct s3_bucket *b) MUST_CHECK;
/* Is there a bucket of that number? 1, 0, errno. */
int s3_restore_has_bucket(struct s3_tx *tx, uint64_t bid) MUST_CHECK;
/* A version of a key whose newer ones have been restored before; @newest: there are none. */
int s3_restore_version(struct s3_tx *tx, uint64_t bid, struct str key, struct s3_object *o,
                       bool newest) MUST_CHECK;
int s3_restore_upload(struct s3_tx *tx, uint64_t bid, const struct s3_upload *u) MUST_CHECK;
int s3_restore_part(struct s3_tx *tx, uint64_t useq, struct s3_upart *p) MUST_CHECK;

#endif
