/* SPDX-License-Identifier: Apache-2.0 */
/* dirs - folders on the way to a path. Threads: any. */
#ifndef DFS_DIRS_H
#define DFS_DIRS_H

#include <sys/types.h>

#include "dfscore/base/base.h"

/* Make @path and missing parents with @mode. 0, also when there; -ENOTDIR; another errno. */
int dfs_make_dirs(const char *path, mode_t mode) MUST_CHECK;

#endif
