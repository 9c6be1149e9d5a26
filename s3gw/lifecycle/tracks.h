/* SPDX-License-Identifier: Apache-2.0 */
/*
 * tracks - how far the logs of the storages have been read by who looks for orphans in them (reclaim.h). The index
 * remembers each place, so that a log which is not listed for a while, or never again, costs nothing here.
 *
 * Threads: one owner.
 */
#ifndef S3_LIFECYCLE_TRACKS_H
#define S3_LIFECYCLE_TRACKS_H

#include "s3gw/dfs/dfs.h"

struct s3_index;

struct s3_track {
    struct s3_log log;
    uint64_t at;    /* position */
    uint64_t until; /* entries from here on may belong to writes under way */
};

struct s3_tracks {
    struct s3_track *v; /* owned */
    size_t n;
};

/* From now on these logs are followed, from where each was left, up to where it ends now. 0; errno: all is as before. */
int s3_tracks_aim(struct s3_tracks *t, struct s3_index *x, const struct s3_log *logs,
                  size_t n) MUST_CHECK;
void s3_tracks_fini(struct s3_tracks *t);

#endif
