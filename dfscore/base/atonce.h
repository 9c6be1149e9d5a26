/* SPDX-License-Identifier: Apache-2.0 */
/*
 * atonce - the same question to several, so that all together take as long as the slowest.
 *
 * Threads: any; blocks until all have answered.
 */
#ifndef DFS_ATONCE_H
#define DFS_ATONCE_H

/*
 * Run @fn with @arg and each number below @n, each in a thread of its own, the last in the caller's. Those for which there is
 * no thread, or no memory, run one after the other. Returns when all have ended.
 */
void dfs_at_once(unsigned n, void (*fn)(void *arg, unsigned i), void *arg);

#endif
