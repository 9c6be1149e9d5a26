/* SPDX-License-Identifier: Apache-2.0 */
/*
 * cluster_row - the cluster as the trackers told it last, for a start when none of them answers.
 *
 * Row: C, text (s3gw/dfs/view_text.h; opaque here). Any thread; put() blocks on the disk.
 */
#ifndef S3_INDEX_CLUSTER_ROW_H
#define S3_INDEX_CLUSTER_ROW_H

#include "s3gw/index/index.h"

/* Appended to @out; -ENOENT: nothing was ever told. */
int s3_cluster_row_get(struct s3_index *x, struct buf *out) MUST_CHECK;
int s3_cluster_row_put(struct s3_index *x, struct str text) MUST_CHECK;

#endif
