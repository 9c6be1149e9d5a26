/* SPDX-License-Identifier: Apache-2.0 */
/*
 * growth - a bucket whose groups have no room any more gets one more (setting spread_buckets).
 *
 * A write that finds no room in the bucket's groups is placed elsewhere at once (dfs/cluster.c), and says so here. A
 * thread then looks at the bucket anew: when none of its groups can take files for a reason that lasts (hardly any
 * space, drained, removed; not: away for the moment), the group with most space is added at the end of its list, in
 * record and note, and the log says why. Writes go there from then on without a search, and to the earlier groups again
 * once these have room. What is stored stays where it is.
 *
 * Threads: one of its own; notice() from any; start and stop from the main thread.
 */
#ifndef S3_GROWTH_H
#define S3_GROWTH_H

#include "s3gw/core/groups.h"
#include "s3gw/core/gw.h"
#include "s3gw/core/req.h"
#include "s3gw/index/bucket.h"

struct s3_growth;

int s3_growth_start(struct s3_gw *gw, struct s3_growth **ret) MUST_CHECK;
/* Accepts NULL. What was noticed and not looked at yet is noticed again by the next write. */
void s3_growth_stop(struct s3_growth **g);

/* What was meant for @groups, of q->bkt, has been written as @file_id. Does not block, nor allocate. What comes while that
 * bucket is looked at, or many others wait, is forgotten: the next write says it again. */
void s3_growth_notice(const struct s3_req *q, struct str groups, struct str file_id);

/*
 * Which group should a bucket with @groups get, and why ("low", "drained", "removed": its last one's reason)? 0; -EALREADY:
 * one of them has room, or may have when it is back; -ENOSPC: none has, and no other group either.
 */
int s3_growth_judge(const struct s3_gw *gw, struct str groups, char ret[S3_GROUP_NAME_MAX + 1],
                    const char **why) MUST_CHECK;

#endif
