/* SPDX-License-Identifier: Apache-2.0 */
/* version - which build this is; the one object that changes with every commit. Threads: any. */
#ifndef DFS_VERSION_H
#define DFS_VERSION_H

/* What `git describe` said when this was built, "v1.2-3-g0123abc"; a static string. */
const char *dfs_version(void);

#endif
