/* SPDX-License-Identifier: Apache-2.0 */
/*
 * settled - up to where the storages' logs need no comparison with the index at a start.
 *
 * A start reads what was logged since (lifecycle/behind.h, settle.h); where the search for orphans was
 * last is up to twenty minutes of writes away. So while the gateway serves, the ends of the logs are
 * remembered, and those of one interval ago become rows: what was said before had come to an end
 * when the row was committed, and an index that has the row has committed at least as much.
 *
 * Row: S group 00 u32 path: u64 position.
 *
 * Threads: the reclaimer's; s3_settled_compare() before it starts.
 */
#ifndef S3_SETTLED_H
#define S3_SETTLED_H

#include "s3gw/core/gw.h"
#include "s3gw/dfs/dfs.h"

/* How long a change may be under way between its statement and its commit, twice over. */
enum { S3_UNDER_WAY_MS = 120 * 1000 };

struct s3_settled;

int s3_settled_new(struct s3_gw *gw, struct s3_settled **ret) MUST_CHECK;
void s3_settled_free(struct s3_settled **s); /* accepts NULL */

/* The next interval; call it at least S3_UNDER_WAY_MS apart. 0 or errno: nothing has changed. */
int s3_settled_step(struct s3_settled *s) MUST_CHECK;

/* Where a comparison of @log has to begin; 0: at its beginning. 0 or errno. */
int s3_settled_from(struct s3_gw *gw, const struct s3_log *log, uint64_t *position) MUST_CHECK;

/*
 * @fn for every entry, with its description, that a comparison of the logs with the index has to see: log by log, in the
 * order of each. What it returns other than 0 ends that and is returned; or the errno of asking.
 */
int s3_settled_compare(struct s3_gw *gw, int (*fn)(void *arg, const struct s3_scan_entry *e),
                       void *arg) MUST_CHECK;

#endif
