/* SPDX-License-Identifier: Apache-2.0 */
/* std - the three descriptors every program is born with. */
#ifndef DFS_STD_H
#define DFS_STD_H

/*
 * First of all in main(): where a parent closed 0, 1 or 2, /dev/null stands for them from now on. Else the next file or
 * connection would get such a number, and what is logged or printed would be written into it. No /dev/null: exits with 1.
 */
void dfs_std_open(void);

#endif
