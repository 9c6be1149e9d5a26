/* SPDX-License-Identifier: Apache-2.0 */
/*
 * pace - a bound on bytes a second for who handles them one lot after the other: pay for a lot, then rest until it is
 * paid for. What was not used in the past gives no credit. Pure, by the caller's monotonic clock.
 *
 * Threads: one at a time.
 */
#ifndef DFS_PACE_H
#define DFS_PACE_H

#include "dfscore/base/base.h"

struct dfs_pace {
    uint64_t rate;    /* bytes a second, < 2^44; 0: no bound. Set once */
    uint64_t paid_us; /* what has been handled is paid for by then */
};

/* @bytes have been handled. Returns how long to rest from @now_us on, in microseconds. */
static inline uint64_t dfs_pace_pay(struct dfs_pace *p, uint64_t bytes, uint64_t now_us)
{
    if (p->rate == 0)
        return 0;
    p->paid_us =
        MAX(p->paid_us, now_us) + bytes / p->rate * 1000000 + bytes % p->rate * 1000000 / p->rate;
    return p->paid_us - now_us;
}

#endif
