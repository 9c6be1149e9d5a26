/* SPDX-License-Identifier: Apache-2.0 */
#include "dfscore/base/background.h"

#include "dfscore/base/clock.h"

void dfs_background_init(struct dfs_background *b)
{
    *b = (struct dfs_background){.started = false};
    pthread_mutex_init(&b->lock, NULL);
    dfs_cond_init(&b->wake);
}

int dfs_background_start(struct dfs_background *b, const char *name, void *(*main)(void *arg),
                         void *arg)
{
    ASSERT(!b->started);
    int r = -pthread_create(&b->thread, NULL, main, arg);
    if (r < 0)
        return r;
    b->started = true;
    (void)pthread_setname_np(b->thread, name);
    return 0;
}

void dfs_background_fini(struct dfs_background *b)
{
    pthread_mutex_lock(&b->lock);
    b->stopping = true;
    pthread_cond_signal(&b->wake);
    pthread_mutex_unlock(&b->lock);
    if (b->started)
        pthread_join(b->thread, NULL);
    pthread_cond_destroy(&b->wake);
    pthread_mutex_destroy(&b->lock);
}
