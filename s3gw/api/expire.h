/* SPDX-License-Identifier: Apache-2.0 */
/*
 * expire - removes or moves what the lifecycle worker says is due, and what is to leave a group, the way
 * requests do: note, conditions, locks, index (api/commit.h). The workers live on a lower floor; main hands them
 * these functions.
 *
 * Threads: the workers'; blocks.
 */
#ifndef S3_EXPIRE_H
#define S3_EXPIRE_H

#include "s3gw/core/gw.h"
#include "s3gw/lifecycle/rebalance.h"
#include "s3gw/lifecycle/walk.h"

/* For struct s3_rebalance_options. */
int s3_leave(struct s3_gw *gw, const struct s3_bucket *b, struct s3_leaving *v) MUST_CHECK;
int s3_home(struct s3_gw *gw, const struct s3_bucket *b, struct str from, struct str to) MUST_CHECK;
/* For struct s3_life_options. */
void s3_expire(struct s3_gw *gw, const struct s3_bucket *b, struct s3_expiry *e, size_t n);

#endif
