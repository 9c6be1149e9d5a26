/* SPDX-License-Identifier: Apache-2.0 */
#include "dfscore/base/clock.h"

#include <time.h>

const struct dfs_clock_hook *dfs_clock_hook;

int64_t dfs_now_ms(void)
{
    if (dfs_clock_hook)
        return dfs_clock_hook->now_ms();
    struct timespec t;
    clock_gettime(CLOCK_REALTIME, &t);
    return (int64_t)t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

int64_t dfs_now_s(void)
{
    return dfs_now_ms() / 1000;
}

uint64_t dfs_mono_us(void)
{
    if (dfs_clock_hook)
        return dfs_clock_hook->mono_us();
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (uint64_t)t.tv_sec * 1000000u + (uint64_t)t.tv_nsec / 1000u;
}
