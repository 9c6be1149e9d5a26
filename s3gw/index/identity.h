/* SPDX-License-Identifier: Apache-2.0 */
/*
 * identity - which key index this is: a number that everything it says to the storages carries
 * (dfs/describe.h), so that what another index said is told from what this one has lost.
 *
 * Row: i, u64. Made when the index is; an index that is rebuilt takes over the one whose statements
 * it is made of.
 */
#ifndef S3_INDEX_IDENTITY_H
#define S3_INDEX_IDENTITY_H

#include "s3gw/index/index.h"

/* Never 0. Makes one when there is none; blocks. 0 or errno. */
int s3_index_identity(struct s3_index *x, uint64_t *ret) MUST_CHECK;
/* Inside an update. */
void s3_index_take_identity(struct s3_tx *tx, uint64_t id);

#endif
