/* SPDX-License-Identifier: Apache-2.0 */
/* rebalance_notes - what rebalance.c needs of the storages: is a group drained, where to instead, its notes once more.
 * Threads: rebalance.c's; notes() blocks. */
#ifndef S3_LIFECYCLE_REBALANCE_NOTES_H
#define S3_LIFECYCLE_REBALANCE_NOTES_H

#include "s3gw/core/gw.h"

/* 0; -ENOENT: no such group; -EPERM: it takes new files. */
int s3_rebalance_drained(const struct s3_gw *gw, const char *group) MUST_CHECK;
/* @to, or when that is empty the group besides @from with most space. 0; -ENOSPC: none takes files; -ENOENT, -EPERM:
 * @to is none, or takes none. */
int s3_rebalance_target(const struct s3_gw *gw, const char *from, const char *to,
                        char ret[17]) MUST_CHECK;

struct s3_rebalance_said {
    uint64_t notes;  /* said again */
    uint64_t native; /* files of FastDFS clients seen on the way */
};
/* Say what the logs of @from say beside no data, from where that ended last time. 0 or errno. */
int s3_rebalance_notes(struct s3_gw *gw, const char *from, const char *to,
                       struct s3_rebalance_said *said) MUST_CHECK;

#endif
