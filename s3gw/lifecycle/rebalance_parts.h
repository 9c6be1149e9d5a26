/* SPDX-License-Identifier: Apache-2.0 */
/*
 * rebalance_parts - the parts of open uploads that lie in a place, and rows by the page, since an iterator does not outlive
 * what is done with them. Threads: rebalance.c's.
 */
#ifndef S3_LIFECYCLE_REBALANCE_PARTS_H
#define S3_LIFECYCLE_REBALANCE_PARTS_H

#include "s3gw/index/rows.h"
#include "s3gw/lifecycle/rebalance.h"

/*
 * Call fn() for at most @most rows @letter of bucket @bid from *next on (n 0: the first). *next: where the next page begins,
 * n 0: that was all. 0; what fn() returned below 0; errno.
 */
int s3_rebalance_page(struct s3_index *x, char letter, uint64_t bid, struct s3_row_key *next,
                      size_t most, int (*fn)(void *arg, struct str row, struct str value),
                      void *arg) MUST_CHECK;

/* Call fn() for each of @b's that lies in @place, wholly or not, without its to. 0; what fn() returned below 0; errno. */
int s3_rebalance_parts(struct s3_index *x, const struct s3_bucket *b, const char *place,
                       int (*fn)(void *arg, struct s3_leaving *part), void *arg) MUST_CHECK;

#endif
