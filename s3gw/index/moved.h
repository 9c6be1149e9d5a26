/* SPDX-License-Identifier: Apache-2.0 */
/*
 * moved - where files that left a drained group are now, under the names they had there.
 *
 * Rows:  w old file-id              the new file id
 *        W new file-id 00 old file-id   empty: the same, the other way round
 *        y 00 group             empty: all that was in use there has moved
 *
 * The old file stays on its storages, read by nobody here, as long as the new one is in use: who knows its FastDFS
 * name still reads it. It is named by no `f` row; the reclaimer asks here before it deletes what nothing names, and
 * queues the old file when it has deleted the new one.
 */
#ifndef S3_INDEX_MOVED_H
#define S3_INDEX_MOVED_H

#include "dfscore/base/arena.h"
#include "s3gw/index/record.h"
#include "s3gw/index/index.h"

/* Does that file lie in @place, a group or, as in "group1/M01", a store path of it? With spread_buckets it may not lie in
 * one of its bucket's groups, when these are away or full. */
bool s3_file_in_group(struct str file_id, struct str place);
/* Does anything of them? */
bool s3_lies_in(const struct s3_extent *e, size_t n, struct str place);

/* All of @old is, byte for byte, what is in @now. */
void s3_moved_put(struct s3_tx *tx, struct str old, struct str now);
/* Where is it now? A file that moved several times: where it is in the end. *ret in the arena. 0, -ENOENT. */
int s3_moved_get(struct s3_index *x, struct str old, struct arena *a, struct str *ret) MUST_CHECK;
/* Has any file ever moved? 1, 0, errno. */
int s3_moved_any(struct s3_index *x) MUST_CHECK;
/* @now has been deleted: what became it has no more reason to stay, and is queued. */
int s3_moved_drop(struct s3_tx *tx, struct str now) MUST_CHECK;
/* @group has been emptied: what is queued to be deleted there need not be, once there is no such group any more. */
void s3_moved_out(struct s3_tx *tx, struct str group);
int s3_moved_is_out(struct s3_index *x, struct str group) MUST_CHECK; /* 1, 0, errno */

#endif
