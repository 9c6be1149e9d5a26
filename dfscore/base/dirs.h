/* SPDX-License-Identifier: Apache-2.0 */
/* dirs - the folders that a path goes through. Threads: any. */
#ifndef DFS_DIRS_H
#define DFS_DIRS_H

#include <sys/types.h>

#include "dfscore/base/base.h"

/* Make @path and missing parents with @mode. 0, also when there; -ENOTDIR; another errno. */
int dfs_make_dirs(const char *path, mode_t mode) MUST_CHECK;
/* The entry of @path in its folder is durable: made, renamed, or removed before. 0, errno. */
int dfs_sync_folder_of(const char *path) MUST_CHECK;

#endif
