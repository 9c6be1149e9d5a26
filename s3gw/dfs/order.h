/* SPDX-License-Identifier: Apache-2.0 */
/*
 * order - which server of a group is asked first, second ... for a read, a write, a deletion.
 *
 * Pure functions over what is known of the members at the moment. Private to s3gw/dfs.
 *
 * Reads ask everybody who may have the file, the likeliest and cheapest first, those that do not
 * answer last: a file is missing only when nobody has it. Writes ask members that trackers
 * show to writers. Deletions begin with the server that made the file: another one may not have it
 * yet, and would call it gone.
 */
#ifndef S3_DFS_ORDER_H
#define S3_DFS_ORDER_H

#include "dfscore/base/base.h"

enum { S3_GROUP_MEMBERS_MAX = 32 };

struct s3_member {
    bool local;  /* shares our machine: descriptors instead of content */
    bool active; /* ACTIVE at the trackers: complete, and in service */
    bool reads;  /* may be read from, written to (read-write separation) */
    bool writes;
    bool down; /* did not answer lately */
    /* another one was faster lately, though asked later; or a small write took very long */
    bool slow;
    bool source;  /* made the file in question */
    bool retired; /* no longer of the group: never asked */
};

/* Each fills @out with indexes of @m, best first, and returns how many. @turn spreads the load. */
size_t s3_order_reads(const struct s3_member *m, size_t n, bool young, unsigned turn,
                      uint8_t out[S3_GROUP_MEMBERS_MAX]);
size_t s3_order_writes(const struct s3_member *m, size_t n, unsigned turn,
                       uint8_t out[S3_GROUP_MEMBERS_MAX]);
size_t s3_order_deletes(const struct s3_member *m, size_t n, unsigned turn,
                        uint8_t out[S3_GROUP_MEMBERS_MAX]);

#endif
