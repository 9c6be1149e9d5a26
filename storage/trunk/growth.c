/* SPDX-License-Identifier: Apache-2.0 */
#include "storage/trunk/growth.h"

#include "dfscore/base/clock.h"

void sto_growth_init(struct sto_growth *g)
{
    dfs_cond_init(&g->grown);
    pthread_mutex_init(&g->lock, NULL);
    atomic_init(&g->version, 1);
    atomic_init(&g->waiting, 0);
}

void sto_growth_fini(struct sto_growth *g)
{
    ASSERT(atomic_load(&g->waiting) == 0);
    pthread_cond_destroy(&g->grown);
    pthread_mutex_destroy(&g->lock);
}

/* Whoever waits has counted itself before it looks at the version, and we the other way round. */
void sto_growth_tell(struct sto_growth *g)
{
    atomic_fetch_add(&g->version, 1);
    if (atomic_load(&g->waiting) == 0)
        return;
    pthread_mutex_lock(&g->lock);
    pthread_cond_broadcast(&g->grown);
    pthread_mutex_unlock(&g->lock);
}

uint64_t sto_growth_wait(struct sto_growth *g, uint64_t seen, uint64_t ms)
{
    struct timespec until = dfs_mono_after(ms);
    atomic_fetch_add(&g->waiting, 1);
    pthread_mutex_lock(&g->lock);
    while (atomic_load(&g->version) == seen &&
           pthread_cond_timedwait(&g->grown, &g->lock, &until) == 0)
        ;
    pthread_mutex_unlock(&g->lock);
    atomic_fetch_sub(&g->waiting, 1);
    return atomic_load(&g->version);
}
