/* SPDX-License-Identifier: Apache-2.0 */
/*
 * trash - things whose end is too long for one update: big objects, uploads, the uploads of a
 * bucket. The update that ends them drops the row that named them and leaves a `t` row;
 * s3_trash_empty() takes them apart in slices afterwards.
 *
 * Rows:  t kind number        u64 time it was left, u32 how far it is taken apart
 */
#ifndef S3_INDEX_TRASH_H
#define S3_INDEX_TRASH_H

#include "s3gw/index/index.h"

enum s3_trash {
    S3_TRASH_DETAIL = 1, /* number: seq of the `d` row; nothing but the trash names it any more */
    S3_TRASH_UPLOAD = 2, /* number: useq of `p` rows, whose `m` row is gone */
    S3_TRASH_BUCKET = 3, /* number: bid of `m` rows, whose bucket is gone */
};

void s3_trash_add(struct s3_tx *tx, enum s3_trash kind, uint64_t number);
/* Takes apart all there is, each slice an update of its own. Not from an update. 0 or errno. */
int s3_trash_empty(struct s3_index *x) MUST_CHECK;

#endif
