/* SPDX-License-Identifier: Apache-2.0 */
#include "dfscore/base/clock.h"

const struct dfs_clock_hook *dfs_clock_hook;

int64_t dfs_now_ms(void)
{
    if (dfs_clock_hook)
        return dfs_clock_hook->now_ms();
    struct timespec t;
    clock_gettime(CLOCK_REALTIME, &t);
    return (int64_t)t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

int64_t dfs_now_us(void)
{
    if (dfs_clock_hook)
        return dfs_clock_hook->now_ms() * 1000 + (int64_t)(dfs_clock_hook->mono_us() % 1000);
    struct timespec t;
    clock_gettime(CLOCK_REALTIME, &t);
    return (int64_t)t.tv_sec * 1000000 + t.tv_nsec / 1000;
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

void dfs_cond_init(pthread_cond_t *c)
{
    pthread_condattr_t attr;
    pthread_condattr_init(&attr);
    pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
    pthread_cond_init(c, &attr);
    pthread_condattr_destroy(&attr);
}

struct timespec dfs_mono_after(uint64_t ms)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    t.tv_sec += (time_t)(ms / 1000);
    t.tv_nsec += (long)(ms % 1000) * 1000000;
    if (t.tv_nsec >= 1000000000) {
        t.tv_sec++;
        t.tv_nsec -= 1000000000;
    }
    return t;
}
