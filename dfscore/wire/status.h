/* SPDX-License-Identifier: Apache-2.0 */
/*
 * status - the status byte of an answer and negative errno; the only place that knows both.
 *
 * Rule:    protocol 2.2: Linux errno numbers, one byte; 0 is success.
 * Threads: no state.
 */
#ifndef DFS_STATUS_H
#define DFS_STATUS_H

#include "dfscore/base/base.h"

/* 0 for 0, else a negative errno: a number this platform has no name for becomes -EREMOTEIO. */
int dfs_status_errno(uint8_t status);
/* 0 for r >= 0, else the errno as a byte; what does not fit (or has no Linux number) is EIO. */
uint8_t dfs_status_byte(int r);

#endif
