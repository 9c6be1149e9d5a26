/* SPDX-License-Identifier: Apache-2.0 */
#include "storage/sync/sync.h"

#include <pthread.h>

#include "dfscore/base/clock.h"

struct worker {
    struct sto_sync *s;
    struct sto_replicator *r;
    pthread_t thread;
};

struct sto_sync {
    unsigned magic;
#define SYNC_MAGIC 0x57ac57acu
    struct sto_members *members;
    struct sto_replicators *set;
    pthread_t watcher;
    bool watching;
    struct worker workers[DFS_SERVERS_MAX]; /* the watcher's; in the order of the replicators */
    size_t count;
};

static void pause_ms(struct sto_sync *s, uint64_t ms)
{
    uint64_t until = dfs_mono_ms() + ms, now;
    while (!sto_replicators_stopping(s->set) && (now = dfs_mono_ms()) < until)
        sto_members_wait(s->members, sto_members_version(s->members),
                         MIN(until - now, (uint64_t)STO_LOOK_MS));
}

static void *replicate(void *arg)
{
    struct worker *w = arg;
    while (!sto_replicators_stopping(w->s->set))
        pause_ms(w->s, sto_replicator_step(w->r));
    return NULL;
}

static void *watch(void *arg)
{
    struct sto_sync *s = arg;
    uint64_t seen = 0;
    while (!sto_replicators_stopping(s->set)) {
        sto_replicators_look(s->set);
        for (; s->count < sto_replicators_count(s->set); s->count++) {
            struct worker *w = &s->workers[s->count];
            *w = (struct worker){.s = s, .r = sto_replicators_at(s->set, s->count)};
            if (pthread_create(&w->thread, NULL, replicate, w) != 0)
                break; /* the next look tries again */
        }
        seen = sto_members_wait(s->members, seen, STO_LOOK_MS);
    }
    return NULL;
}

int sto_sync_start(const struct sto_sync_options *o, struct sto_sync **ret)
{
    struct sto_sync *s = dfs_zalloc(sizeof(*s));
    if (!s)
        return -ENOMEM;
    s->magic = SYNC_MAGIC;
    s->members = o->members;
    int r = sto_replicators_new(o, &s->set);
    if (r == 0)
        r = -pthread_create(&s->watcher, NULL, watch, s);
    s->watching = r == 0;
    if (r < 0)
        sto_sync_stop(&s);
    else
        *ret = s;
    return r;
}

void sto_sync_stop(struct sto_sync **sp)
{
    struct sto_sync *s = TAKE(*sp);
    if (!s)
        return;
    CHECK_OBJ(s, SYNC_MAGIC);
    if (s->watching) {
        sto_replicators_stop(s->set);
        pthread_join(s->watcher, NULL);
        sto_replicators_stop(s->set); /* also what its last look began */
    }
    for (size_t i = 0; i < s->count; i++)
        pthread_join(s->workers[i].thread, NULL);
    sto_replicators_free(&s->set);
    s->magic = 0;
    free(s);
}
