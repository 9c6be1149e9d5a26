/* SPDX-License-Identifier: Apache-2.0 */
#include "dfscore/base/atonce.h"

#include <pthread.h>

#include "dfscore/base/base.h"

struct one {
    pthread_t thread;
    bool started;
    void (*fn)(void *arg, unsigned i);
    void *arg;
    unsigned i;
};

static void *run(void *arg)
{
    const struct one *o = arg;
    o->fn(o->arg, o->i);
    return NULL;
}

void dfs_at_once(unsigned n, void (*fn)(void *arg, unsigned i), void *arg)
{
    struct one *list = n > 1 ? dfs_zalloc(n * sizeof(*list)) : NULL;
    for (unsigned i = 0; list && i + 1 < n; i++) {
        list[i] = (struct one){.fn = fn, .arg = arg, .i = i};
        list[i].started = pthread_create(&list[i].thread, NULL, run, &list[i]) == 0;
    }
    for (unsigned i = 0; i < n; i++)
        if (!list || !list[i].started)
            fn(arg, i);
    for (unsigned i = 0; list && i < n; i++)
        if (list[i].started)
            pthread_join(list[i].thread, NULL);
    free(list);
}
