/* SPDX-License-Identifier: Apache-2.0 */
#include "dfscore/client/cluster_view.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <time.h>

#include "dfscore/base/clock.h"

struct dfs_view {
    unsigned magic;
#define VIEW_MAGIC 0xc1057e2eu
    struct dfs_trackers *trackers;
    uint64_t interval_ms;
    pthread_t thread;
    pthread_mutex_t lock; /* rank: leaf; guards what follows */
    pthread_cond_t wake;
    bool stopping;
    struct dfs_snapshot *now; /* one reference is the view's */
};

void dfs_snapshot_unref(struct dfs_snapshot **sp)
{
    struct dfs_snapshot *s = TAKE(*sp);
    if (!s || atomic_fetch_sub(&s->refs, 1) > 1)
        return;
    for (size_t i = 0; i < s->n; i++)
        free(s->groups[i].servers);
    free(s->groups);
    free(s);
}

static int by_name(const void *a, const void *b)
{
    return strcmp(((const struct dfs_view_group *)a)->name,
                  ((const struct dfs_view_group *)b)->name);
}

static int by_id(const void *a, const void *b)
{
    return strcmp(((const struct dfs_view_server *)a)->id, ((const struct dfs_view_server *)b)->id);
}

static void set_server(struct dfs_view_server *s, const struct dfs_storage_detail *d)
{
    memcpy(s->id, d->id, sizeof(s->id));
    snprintf(s->addr.host, sizeof(s->addr.host), "%s", d->ip);
    s->addr.port = d->port > 0 && d->port <= UINT16_MAX ? (uint16_t)d->port : 0;
    s->status = d->status;
    s->rw_mode = d->rw_mode;
    s->is_trunk_server = d->is_trunk_server != 0;
    s->last_synced_s = d->stat.last_synced;
    s->free_mb = d->free_mb;
}

static int ask_group(struct dfs_trackers *t, const struct dfs_group_stat *stat,
                     struct dfs_view_group *g)
{
    AUTO(dfs_free_ptr) struct dfs_storage_detail *list = NULL;
    size_t n = 0;
    int r = dfs_list_storages(t, str_c(stat->group), STR_NULL, &list, &n);
    if (r < 0)
        return r;
    g->servers = dfs_zalloc(n * sizeof(*g->servers));
    if (!g->servers)
        return -ENOMEM;
    for (size_t i = 0; i < n; i++)
        set_server(&g->servers[i], &list[i]);
    qsort(g->servers, n, sizeof(*g->servers), by_id);
    g->n = n;
    snprintf(g->name, sizeof(g->name), "%.16s", stat->group);
    g->total_mb = stat->total_mb;
    g->free_mb = stat->free_mb;
    g->path_count = (uint32_t)MIN((uint64_t)stat->path_count, (uint64_t)DFS_PATHS_MAX);
    return 0;
}

static int ask(struct dfs_trackers *t, struct dfs_snapshot **ret)
{
    AUTO(dfs_free_ptr) struct dfs_group_stat *groups = NULL;
    size_t n = 0;
    int r = dfs_list_groups(t, &groups, &n);
    if (r < 0)
        return r;
    AUTO(dfs_snapshot_unref) struct dfs_snapshot *s = dfs_zalloc(sizeof(*s));
    if (!s)
        return -ENOMEM;
    atomic_init(&s->refs, 1);
    s->groups = dfs_zalloc(n * sizeof(*s->groups));
    if (!s->groups)
        return -ENOMEM;
    for (size_t i = 0; i < n; i++) {
        r = ask_group(t, &groups[i], &s->groups[s->n]);
        if (r == 0)
            s->n++;
        else if (r != -ENOENT) /* deleted between the two questions */
            return r;
    }
    qsort(s->groups, s->n, sizeof(*s->groups), by_name);
    s->taken_ms = dfs_mono_ms();
    *ret = TAKE(s);
    return 0;
}

int dfs_view_refresh(struct dfs_view *v)
{
    CHECK_OBJ(v, VIEW_MAGIC);
    struct dfs_snapshot *fresh = NULL;
    int r = ask(v->trackers, &fresh);
    if (r < 0)
        return r;
    pthread_mutex_lock(&v->lock);
    struct dfs_snapshot *old = v->now;
    v->now = fresh;
    pthread_mutex_unlock(&v->lock);
    dfs_snapshot_unref(&old);
    return 0;
}

static bool wait_turn(struct dfs_view *v)
{
    struct timespec until;
    clock_gettime(CLOCK_MONOTONIC, &until);
    until.tv_sec += (time_t)(v->interval_ms / 1000);
    until.tv_nsec += (long)(v->interval_ms % 1000) * 1000000;
    if (until.tv_nsec >= 1000000000) {
        until.tv_sec++;
        until.tv_nsec -= 1000000000;
    }
    pthread_mutex_lock(&v->lock);
    while (!v->stopping && pthread_cond_timedwait(&v->wake, &v->lock, &until) != ETIMEDOUT)
        ;
    bool go_on = !v->stopping;
    pthread_mutex_unlock(&v->lock);
    return go_on;
}

static void *thread_main(void *arg)
{
    struct dfs_view *v = arg;
    while (wait_turn(v))
        (void)!dfs_view_refresh(v); /* the age of the snapshot tells */
    return NULL;
}

static void release(struct dfs_view *v)
{
    dfs_snapshot_unref(&v->now);
    pthread_cond_destroy(&v->wake);
    pthread_mutex_destroy(&v->lock);
    v->magic = 0;
    free(v);
}

int dfs_view_new(struct dfs_trackers *trackers, uint64_t interval_ms, struct dfs_view **ret)
{
    ASSERT(interval_ms > 0);
    struct dfs_view *v = dfs_zalloc(sizeof(*v));
    if (!v)
        return -ENOMEM;
    *v = (struct dfs_view){.magic = VIEW_MAGIC, .trackers = trackers, .interval_ms = interval_ms};
    pthread_mutex_init(&v->lock, NULL);
    pthread_condattr_t monotonic;
    pthread_condattr_init(&monotonic);
    pthread_condattr_setclock(&monotonic, CLOCK_MONOTONIC);
    pthread_cond_init(&v->wake, &monotonic);
    pthread_condattr_destroy(&monotonic);
    v->now = dfs_zalloc(sizeof(*v->now));
    if (!v->now) {
        release(v);
        return -ENOMEM;
    }
    atomic_init(&v->now->refs, 1);
    (void)!dfs_view_refresh(v);
    int r = pthread_create(&v->thread, NULL, thread_main, v);
    if (r != 0) {
        release(v);
        return -r;
    }
    *ret = v;
    return 0;
}

void dfs_view_free(struct dfs_view **vp)
{
    struct dfs_view *v = TAKE(*vp);
    if (!v)
        return;
    CHECK_OBJ(v, VIEW_MAGIC);
    pthread_mutex_lock(&v->lock);
    v->stopping = true;
    pthread_cond_signal(&v->wake);
    pthread_mutex_unlock(&v->lock);
    pthread_join(v->thread, NULL);
    release(v);
}

struct dfs_snapshot *dfs_view_ref(struct dfs_view *v)
{
    CHECK_OBJ(v, VIEW_MAGIC);
    pthread_mutex_lock(&v->lock);
    struct dfs_snapshot *s = v->now;
    atomic_fetch_add(&s->refs, 1);
    pthread_mutex_unlock(&v->lock);
    return s;
}

const struct dfs_view_group *dfs_snapshot_group(const struct dfs_snapshot *s, struct str name)
{
    for (size_t i = 0; i < s->n; i++)
        if (str_eq(str_c(s->groups[i].name), name))
            return &s->groups[i];
    return NULL;
}

const struct dfs_view_server *dfs_view_server(const struct dfs_view_group *g, struct str id)
{
    for (size_t i = 0; i < g->n; i++)
        if (str_eq(str_c(g->servers[i].id), id))
            return &g->servers[i];
    return NULL;
}

bool dfs_view_readable(const struct dfs_view_server *s)
{
    return s->status == DFS_ST_ACTIVE && (s->rw_mode & DFS_RW_READ) && s->addr.port;
}

bool dfs_view_writable(const struct dfs_view_server *s)
{
    return s->status == DFS_ST_ACTIVE && (s->rw_mode & DFS_RW_WRITE) && s->addr.port;
}
