/* SPDX-License-Identifier: Apache-2.0 */
/*
 * groups - a list of groups as text: "group1" or "group1,group2", in the order in which they are asked.
 *
 * A bucket has one, in its record; what is written for it goes to the first that has room (dfs/cluster.c).
 *
 * Threads: no state.
 */
#ifndef S3_GROUPS_H
#define S3_GROUPS_H

#include "dfscore/base/str.h"

enum {
    S3_GROUP_NAME_MAX = 16,
    S3_GROUPS_LIST_MAX = 64, /* names */
    S3_GROUPS_TEXT_MAX = S3_GROUPS_LIST_MAX * (S3_GROUP_NAME_MAX + 1) - 1,
};

/* A name: 1 to 16 visible characters other than '/' and ','. */
bool s3_group_ok(struct str s);
/* 1 to S3_GROUPS_LIST_MAX names, none of them twice. */
bool s3_groups_ok(struct str groups);
/* Is there more than one? */
bool s3_groups_several(struct str groups);
bool s3_groups_have(struct str groups, struct str group);
/* Does that file lie in one of them? */
bool s3_groups_hold(struct str groups, struct str file_id);
/* @groups with @group at its end, NUL terminated. 0; -E2BIG; -EEXIST: it is there already. */
int s3_groups_add(struct str groups, struct str group, char ret[S3_GROUPS_TEXT_MAX + 1]) MUST_CHECK;
/* @groups with @by in the place of @group; without @group when @by is absent, or there already. 0; -ENOENT: it has no @group;
 * -E2BIG; -ENODATA: nothing would be left. */
int s3_groups_replace(struct str groups, struct str group, struct str by,
                      char ret[S3_GROUPS_TEXT_MAX + 1]) MUST_CHECK;

#endif
