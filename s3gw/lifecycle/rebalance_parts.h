/* SPDX-License-Identifier: Apache-2.0 */
/* rebalance_parts - the parts of open uploads that lie in a place. Threads: rebalance.c's. */
#ifndef S3_LIFECYCLE_REBALANCE_PARTS_H
#define S3_LIFECYCLE_REBALANCE_PARTS_H

#include "s3gw/lifecycle/rebalance.h"

/* Call fn() for each of @b's that lies in @place, wholly or not, without its to. 0; what fn() returned below 0; errno. */
int s3_rebalance_parts(struct s3_index *x, const struct s3_bucket *b, const char *place,
                       int (*fn)(void *arg, struct s3_leaving *part), void *arg) MUST_CHECK;

#endif
