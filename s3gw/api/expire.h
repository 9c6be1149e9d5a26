/* SPDX-License-Identifier: Apache-2.0 */
/*
 * expire - removes or moves what the lifecycle worker says is due, the way requests do: note, conditions,
 * locks, index (api/commit.h). The worker lives on a lower floor; main hands it this function.
 *
 * Threads: the worker's; blocks.
 */
#ifndef S3_EXPIRE_H
#define S3_EXPIRE_H

#include "s3gw/core/gw.h"
#include "s3gw/lifecycle/walk.h"

/* For struct s3_life_options. */
void s3_expire(struct s3_gw *gw, const struct s3_bucket *b, struct s3_expiry *e, size_t n);

#endif
