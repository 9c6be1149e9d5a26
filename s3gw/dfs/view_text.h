/* SPDX-License-Identifier: Apache-2.0 */
/*
 * view_text - the cluster as trackers told it, as text that is kept for a start without them:
 *
 *   s3gw-cluster 1
 *   group NAME FREE-MB RESERVED-MB
 *   server ID IP PORT STATUS RW        of the group before it; numbers as in the protocol (messages.def)
 *   end
 *
 * Free space is rounded down to GiB, so that the text changes when something does. Pure; any thread.
 */
#ifndef S3_DFS_VIEW_TEXT_H
#define S3_DFS_VIEW_TEXT_H

#include "dfscore/base/buf.h"
#include "dfscore/wire/messages.h"

enum { S3_VIEW_TEXT_MAX = 256 * 1024 };

void s3_view_text_begin(struct buf *out);
void s3_view_text_group(struct buf *out, const struct dfs_group_stat *g);
void s3_view_text_server(struct buf *out, const struct dfs_storage_detail *s);
void s3_view_text_end(struct buf *out);

/* What is read: a group, then its @n servers; only the fields above are set. */
typedef void s3_view_text_fn(void *arg, const struct dfs_group_stat *g,
                             const struct dfs_storage_detail *servers, size_t n);
/* -EBADMSG: not such a text, or not all of it; then fn has not been called. -ENOMEM. */
int s3_view_text_read(struct str text, s3_view_text_fn *fn, void *arg) MUST_CHECK;

#endif
