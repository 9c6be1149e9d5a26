/* SPDX-License-Identifier: Apache-2.0 */
/*
 * value - the values that settings may have: how they are read, and described to a human.
 *
 * Reading: 0; -EINVAL, or -ERANGE when it is too large a number; then *ret is as it was. A row's bounds are not looked at.
 * Threads: any; pure. Private to dfscore/conf.
 */
#ifndef DFS_CONF_VALUE_H
#define DFS_CONF_VALUE_H

#include "dfscore/conf/conf.h"

int dfs_value_int(struct str v, int64_t *ret) MUST_CHECK; /* decimal, may begin with a minus */
/* "4GB", "90 s"; a bare number is in @unit. In bytes, in milliseconds. */
int dfs_value_size(struct str text, const char *unit, uint64_t *ret) MUST_CHECK;
int dfs_value_duration(struct str text, const char *unit, uint64_t *ret_ms) MUST_CHECK;
/* A size, or "20%", "20.25%": more than 0 and less than 100. */
int dfs_value_space(struct str v, const char *unit, struct dfs_conf_space *ret) MUST_CHECK;
int dfs_value_daytime(struct str v, int64_t *ret) MUST_CHECK; /* "23:59" or "23:59:59": seconds */
int dfs_value_enum(struct str v, const char *allowed,
                   int *ret) MUST_CHECK; /* its place in "a|b|c" */
/* "a number from 0 to 65535": what the row allows. */
void dfs_value_print_allowed(struct buf *b, const struct dfs_conf_row *row);

#endif
