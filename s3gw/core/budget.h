/* SPDX-License-Identifier: Apache-2.0 */
/*
 * budget - a shared ceiling on bytes in flight. take: true, or false when it would be passed; give
 * exactly what was taken. Any thread.
 */
#ifndef S3_BUDGET_H
#define S3_BUDGET_H

#include <stdatomic.h>

#include "dfscore/base/base.h"

struct s3_budget {
    uint64_t limit;        /* bytes; constant */
    _Atomic uint64_t used; /* used <= limit */
};

static inline bool s3_budget_take(struct s3_budget *b, uint64_t bytes)
{
    uint64_t used = atomic_load(&b->used);
    do {
        if (bytes > b->limit - used) /* subtract: used + bytes could wrap */
            return false;
    } while (!atomic_compare_exchange_weak(&b->used, &used, used + bytes));
    return true;
}

static inline void s3_budget_give(struct s3_budget *b, uint64_t bytes)
{
    uint64_t before = atomic_fetch_sub(&b->used, bytes);
    ASSERT(before >= bytes); /* someone gave back what they never took */
}

#endif
