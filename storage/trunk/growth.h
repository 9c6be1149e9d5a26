/* SPDX-License-Identifier: Apache-2.0 */
/*
 * growth - a number that changes whenever a log has more for its readers, and a place to wait for that.
 *
 * Writers pay an atomic addition when nobody waits. Threads: any.
 */
#ifndef STO_GROWTH_H
#define STO_GROWTH_H

#include <pthread.h>
#include <stdatomic.h>

#include "dfscore/base/base.h"

struct sto_growth {
    _Atomic uint64_t version;
    _Atomic unsigned waiting;
    pthread_mutex_t lock; /* leaf */
    pthread_cond_t grown; /* monotonic clock */
};

void sto_growth_init(struct sto_growth *g);
void sto_growth_fini(struct sto_growth *g);
void sto_growth_tell(struct sto_growth *g);
/* Until the version is not @seen, or @ms have passed; returns the version. */
uint64_t sto_growth_wait(struct sto_growth *g, uint64_t seen, uint64_t ms);

#endif
