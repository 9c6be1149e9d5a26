/* SPDX-License-Identifier: Apache-2.0 */
/*
 * rebuild - a key index from what the storages keep beside the data (dfs/describe.h).
 *
 * Comes back: buckets with their configuration, and every object as its last acknowledged change left
 * it; in buckets with versioning also older versions and markers, in order, under new version ids.
 * Does not: users and their keys (back them up, or create them again with the same ids), multipart
 * uploads that were not completed, changes of tags, ACL or lock of older versions. Of two changes of a
 * key that were under way at the same moment either may win.
 *
 * Threads: before requests are served; blocks for long.
 */
#ifndef S3_REBUILD_H
#define S3_REBUILD_H

#include "s3gw/core/gw.h"

struct s3_rebuild_counts {
    uint64_t entries, buckets, objects, deletions, unreadable; /* descriptions seen and applied */
};

/* Fill @gw's index, which must be new. 0, or the errno that stopped it (then throw the index away).
 */
int s3_rebuild(struct s3_gw *gw, struct s3_rebuild_counts *ret) MUST_CHECK;

#endif
