/* SPDX-License-Identifier: Apache-2.0 */
/*
 * still_clock - the clocks of dfscore/base/clock.h stand still until the test turns them: nothing waits for time to
 * pass, and nothing happens because some has.
 *
 * Begin before there are threads that may look at a clock, end after them; turn whenever you like.
 */
#ifndef TEST_STILL_CLOCK_H
#define TEST_STILL_CLOCK_H

#include <stdatomic.h>

#include "dfscore/base/clock.h"

static _Atomic int64_t clock_ms; /* the wall's, since 1970; change it alone, and it has jumped */
static _Atomic uint64_t clock_mono_ms; /* never goes back */

static inline int64_t still_now_ms(void)
{
    return clock_ms;
}

static inline uint64_t still_mono_us(void)
{
    return clock_mono_ms * 1000;
}

static inline void clock_begin(int64_t ms)
{
    static const struct dfs_clock_hook hook = {still_now_ms, still_mono_us};
    clock_ms = ms;
    clock_mono_ms = 1000000;
    dfs_clock_hook = &hook;
}

static inline void clock_pass(uint64_t ms)
{
    clock_ms += (int64_t)ms;
    clock_mono_ms += ms;
}

static inline void clock_end(void)
{
    dfs_clock_hook = NULL;
}

#endif
