/* SPDX-License-Identifier: Apache-2.0 */
/*
 * background - one thread that works beside the others until its owner ends: the thread, what wakes it,
 * and how it is told to stop. Part of the owner's struct.
 *
 * The thread's function waits on @wake with @lock held and returns soon after @stopping was set. The owner
 * may keep under @lock what others share with the thread; it is a leaf.
 */
#ifndef DFS_BACKGROUND_H
#define DFS_BACKGROUND_H

#include <pthread.h>

#include "dfscore/base/base.h"

struct dfs_background {
    pthread_mutex_t lock;
    pthread_cond_t wake;   /* timed waits go by CLOCK_MONOTONIC (dfs_mono_after) */
    _Atomic bool stopping; /* set under lock, so no wait misses it; read by anybody */
    bool started;
    pthread_t thread;
};

/* Lock and condition, before they are used by anybody. */
void dfs_background_init(struct dfs_background *b);
/* Once, after init: @main(@arg) in a thread called @name, of at most 15 bytes. 0 or negative errno. */
int dfs_background_start(struct dfs_background *b, const char *name, void *(*main)(void *arg),
                         void *arg) MUST_CHECK;
/* Tell the thread to stop, if there is one, and wait until it has. Then lock and condition are gone. */
void dfs_background_fini(struct dfs_background *b);

#endif
