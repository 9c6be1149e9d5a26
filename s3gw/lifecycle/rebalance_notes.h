/* SPDX-License-Identifier: Apache-2.0 */
/* rebalance_notes - what rebalance.c needs of the storages: is a place drained, where to instead, its notes once more.
 * A place is a group, "group1", or a store path of all its servers, "group1/M01": what file ids of it begin with.
 * Threads: rebalance.c's; notes() blocks. */
#ifndef S3_LIFECYCLE_REBALANCE_NOTES_H
#define S3_LIFECYCLE_REBALANCE_NOTES_H

#include "s3gw/core/gw.h"

enum { S3_PLACE_MAX = 16 + 4 };

/* Its group. -EINVAL: @place is none. */
int s3_place_parse(struct str place, char ret_group[17]) MUST_CHECK;
/* 0; 1: files are still on their way there; -ENOENT: no such place; -EPERM: it takes new files; of a path also why one of
 * the group's servers does not tell. */
int s3_rebalance_drained(const struct s3_gw *gw, const char *place) MUST_CHECK;
/* @to; or when that is empty, for a store path its group, as long as that has space; else the group besides it with most
 * space. 0; -ENOSPC: none takes files; -ENOENT, -EPERM: @to is none, or takes none. */
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
