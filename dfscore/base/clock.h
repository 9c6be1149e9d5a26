/* SPDX-License-Identifier: Apache-2.0 */
/*
 * clock - monotonic and wall time. Tests turn the hands through dfs_clock_hook.
 * Threads: any.
 */
#ifndef DFS_CLOCK_H
#define DFS_CLOCK_H

#include <pthread.h>
#include <time.h>

#include "dfscore/base/base.h"

int64_t dfs_now_ms(void);   /* wall clock, Unix milliseconds */
int64_t dfs_now_s(void);    /* wall clock, Unix seconds */
int64_t dfs_now_us(void);   /* wall clock, Unix microseconds */
uint64_t dfs_mono_us(void); /* monotonic, microseconds since an unspecified start */
static inline uint64_t dfs_mono_ms(void)
{
    return dfs_mono_us() / 1000;
}
/* A condition whose timed waits go by CLOCK_MONOTONIC: a wall clock set back must not make a wait an hour. */
void dfs_cond_init(pthread_cond_t *c);
/* @ms from now on CLOCK_MONOTONIC, for pthread_cond_timedwait(); by the machine's clock, tests or not. */
struct timespec dfs_mono_after(uint64_t ms);

struct dfs_clock_hook {
    int64_t (*now_ms)(void);
    uint64_t (*mono_us)(void);
};
/* NULL: the machine's clocks. Set by tests only, while no other thread looks at one. */
extern const struct dfs_clock_hook *dfs_clock_hook;

#endif
