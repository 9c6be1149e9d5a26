/* SPDX-License-Identifier: Apache-2.0 */
/*
 * baseline - everything an index knows, described once to the storages: for stores of earlier
 * builds, whose descriptions (version 1) do not say enough for a rebuild. The end is a note
 * BASELINE, and a row of the index, so that it is done once. Users, whose secrets only the note key
 * opens, are described again when that is another one.
 *
 *   row: S3_ROW_BASELINE -> 01, the first 8 bytes of the note key's SHA-256 (earlier builds: 01)
 *
 * Threads: before requests are served; blocks, about 10 us for each version there is.
 */
#ifndef S3_BASELINE_H
#define S3_BASELINE_H

#include "s3gw/core/gw.h"

/* @users describes those (api/commit_user.h). *ret: how many other things were described. 0 or errno; then again at the
 * next start. */
int s3_baseline(struct s3_gw *gw, int (*users)(const struct s3_gw *gw), uint64_t *ret) MUST_CHECK;

#endif
