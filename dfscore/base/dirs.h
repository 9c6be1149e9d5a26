/* SPDX-License-Identifier: Apache-2.0 */
/* dirs - folders that outlive the power: each is an entry of the one it lies in, which is synced, too. Threads: any. */
#ifndef DFS_DIRS_H
#define DFS_DIRS_H

#include <dirent.h>
#include <sys/types.h>

#include "dfscore/base/base.h"

/* Make @path, in a folder that is there, and sync that one. 0, also when something of that name is there already. */
int dfs_make_dir(const char *path, mode_t mode) MUST_CHECK;
/* Make @path and missing parents with @mode, as above. 0, also when there; -ENOTDIR; another errno. */
int dfs_make_dirs(const char *path, mode_t mode) MUST_CHECK;
/* Sync the folder in which @path lies: what has been made, renamed or removed there is so for good. */
int dfs_sync_folder_of(const char *path) MUST_CHECK;

/* The folder @path below @at, to be read with dfs_dir_next() and closed with closedir(). 0 or negative errno. */
int dfs_dir_open(int at, const char *path, DIR **ret) MUST_CHECK;
/* The next entry of an open folder: 1; 0: there is no other; negative errno: there may be. */
int dfs_dir_next(DIR *dir, struct dirent **ret) MUST_CHECK;

#endif
