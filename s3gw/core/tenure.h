/* SPDX-License-Identifier: Apache-2.0 */
/*
 * tenure - may this gateway act for the cluster now? Without a lease (NULL) always; with one (s3gw/lease) until it runs out,
 * by a clock that goes on while the machine sleeps.
 *
 * Asked in three places: before a request is looked at and before its answer goes out (s3gw/http), and before anything is
 * written to a storage (s3gw/dfs/conn.c).
 *
 * Threads: any; written by the lease's thread, and serving by the main thread.
 */
#ifndef S3_TENURE_H
#define S3_TENURE_H

#include <stdatomic.h>
#include <time.h>

#include "dfscore/base/base.h"

struct s3_tenure {
    _Atomic uint64_t until_ms; /* by s3_boot_ms(): the lease is ours before that */
    _Atomic bool serving;      /* and the key index is open, and the cluster's */
};

static inline uint64_t s3_boot_ms(void)
{
    struct timespec t;
    clock_gettime(CLOCK_BOOTTIME, &t);
    return (uint64_t)t.tv_sec * 1000 + (uint64_t)t.tv_nsec / 1000000;
}

/* May it write to storages? */
static inline bool s3_tenure_holds(const struct s3_tenure *t)
{
    return !t || s3_boot_ms() < atomic_load(&t->until_ms);
}

/* May it answer clients? */
static inline bool s3_tenure_serves(const struct s3_tenure *t)
{
    return !t || (atomic_load(&t->serving) && s3_tenure_holds(t));
}

#endif
