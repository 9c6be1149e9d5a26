/* SPDX-License-Identifier: Apache-2.0 */
/*
 * clock - monotonic and wall time. Tests turn the hands through dfs_clock_hook.
 * Threads: any.
 */
#ifndef DFS_CLOCK_H
#define DFS_CLOCK_H

#include <time.h>

#include "dfscore/base/base.h"

int64_t dfs_now_ms(void);       /* wall clock, Unix milliseconds */
int64_t dfs_now_s(void);        /* wall clock, Unix seconds */
uint64_t dfs_mono_us(void);     /* monotonic, microseconds since an unspecified start */
static inline uint64_t dfs_mono_ms(void)
{
    return dfs_mono_us() / 1000;
}
/* @ms from now on CLOCK_MONOTONIC, for pthread_cond_timedwait(); by the machine's clock, tests or not. */
struct timespec dfs_mono_after(uint64_t ms);

struct dfs_clock_hook {
    int64_t (*now_ms)(void);
    uint64_t (*mono_us)(void);
};
extern const struct dfs_clock_hook *dfs_clock_hook; /* NULL: the machine's clocks. Set by tests only */

#endif
