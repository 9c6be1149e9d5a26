/* SPDX-License-Identifier: Apache-2.0 */
/*
 * view - groups and servers as the trackers know them, looked at about once a second; and servers
 * that are down, looked at until they are back.
 *
 * What was learned stays when no tracker answers: requests go by it and ask nobody, but for writes that find no server
 * in it: those wait together for one question that is put at once (waiting.h). It is kept (view_text.h), so that it
 * stays over a restart, too. A server counts as in
 * service until several answers in a row say otherwise, since trackers need not agree at every
 * moment; whether it answers is our own experience. A tracker that has just started knows nobody to be in service, and
 * with them no disks: it is not believed in that.
 */
#include <stdatomic.h>
#include <stdio.h>
#include <time.h>

#include "dfscore/base/clock.h"
#include "dfscore/client/tracker_client.h"
#include "dfscore/log/log.h"
#include "s3gw/dfs/store.h"
#include "s3gw/dfs/view_text.h"
#include "s3gw/dfs/waiting.h"

enum {
    LOOK_MS = 1000,
    LOOK_PAUSE_MS = 50, /* between two looks when writes wait for the next */
    PROBE_LOOK_MS = 100,
    TRACKER_CONNECT_MS = 1000,
    TRACKER_TIMEOUT_MS = 3000,
    TRACKER_HOLD_DOWN_MS = 5000,
    DOUBTS_MAX = 3, /* answers in a row that a server is not in service, before we believe it */
};

struct s3_view {
    struct s3_dfs *d;
    struct dfs_connpool *pool;
    struct dfs_trackers *trackers;
    pthread_t looker, prober, teller;
    bool looking, probing, telling; /* the threads exist */
    pthread_mutex_t lock;
    pthread_cond_t wake;       /* monotonic clock; for all of them */
    bool stopping;             /* under lock */
    struct s3_waiting waiting; /* under lock */
    bool silent;               /* the looker's: no tracker answered last time */
    struct buf text;           /* the looker's: what is kept */
};

/* ---- what a tracker says ---- */

static bool is_same(const struct s3_store *s, const struct dfs_storage_detail *st)
{
    return atomic_load(&s->known) && (strcmp(s->id, st->id) == 0 || strcmp(s->id, st->ip) == 0);
}

/* The member it is about; one on this machine first. Others that are the same server are retired.
 */
static struct s3_store *find(struct s3_group *g, const struct dfs_storage_detail *st)
{
    struct s3_store *found = NULL;
    size_t n = atomic_load(&g->n);
    for (size_t i = 0; i < n; i++) {
        struct s3_store *s = g->members[i];
        if (!is_same(s, st))
            continue;
        struct s3_store *less = s->local ? found : found ? s : NULL;
        if (less)
            atomic_store(&less->retired, true);
        found = less == s ? found : s;
    }
    return found;
}

/* In service? Where the trackers know of nobody, those that have all are asked: there is nobody else. */
static bool is_active(const struct dfs_storage_detail *st, bool nobody)
{
    return st->status == DFS_ST_ACTIVE ||
           (nobody && (st->status == DFS_ST_ONLINE || st->status == DFS_ST_OFFLINE));
}

static void apply(struct s3_view *v, struct s3_group *g, const struct dfs_storage_detail *st,
                  bool nobody)
{
    struct dfs_addr addr = {.port = (uint16_t)st->port};
    bool gone = st->status == DFS_ST_DELETED;
    struct s3_store *s = find(g, st);
    snprintf(addr.host, sizeof(addr.host), "%s", st->ip);
    if (!s) {
        if (gone || !st->ip[0] || !st->id[0] || st->port < 1 || st->port > UINT16_MAX ||
            st->ip[0] == '/')
            return;
        int r = s3_group_add(g, v->d, &addr, st->id, &s);
        if (r < 0) {
            dfs_log(LOG_ERROR, "dfs.server_not_added", KV_Z("group", g->name), KV_Z("id", st->id),
                    KV_ERR(r));
            return;
        }
        dfs_log(LOG_INFO, "dfs.server_known", KV_Z("group", g->name), KV_Z("id", st->id));
    } else if (!s->local && !gone) {
        s3_store_move(s, &addr);
    }
    s->doubts = is_active(st, nobody) ? 0 : MIN(s->doubts + 1, (unsigned)DOUBTS_MAX);
    bool new_one = !atomic_load(&s->active);
    atomic_store(&s->active, !gone && (new_one ? s->doubts == 0 : s->doubts < DOUBTS_MAX));
    atomic_store(&s->reads, (st->rw_mode & DFS_RW_READ) != 0);
    atomic_store(&s->writes, (st->rw_mode & DFS_RW_WRITE) != 0);
    atomic_store(&s->retired, gone);
}

/* A server that is one of several must tell its name before it can be found in the trackers' list.
 */
static void learn_names(struct s3_group *g)
{
    size_t n = atomic_load(&g->n);
    for (size_t i = 0; i < n; i++)
        if (!atomic_load(&g->members[i]->known))
            s3_store_probe(g->members[i], true);
}

static bool any_left(const struct dfs_storage_detail *list, size_t n)
{
    for (size_t i = 0; i < n; i++)
        if (!dfs_server_left(list[i].status))
            return true;
    return false;
}

static bool any_active(const struct dfs_storage_detail *list, size_t n)
{
    for (size_t i = 0; i < n; i++)
        if (list[i].status == DFS_ST_ACTIVE)
            return true;
    return false;
}

static void apply_group(struct s3_view *v, struct s3_group *g, const struct dfs_group_stat *stat,
                        const struct dfs_storage_detail *list, size_t n)
{
    bool nobody = !any_active(list, n);
    if (!nobody) {
        atomic_store(&g->free_mb, (uint64_t)MAX(stat->free_mb, (int64_t)0));
        atomic_store(&g->low, stat->free_mb <= stat->reserved_mb);
    }
    for (size_t i = 0; i < n; i++)
        apply(v, g, &list[i], nobody);
}

/* @text: what is known, to be kept. */
static int look_at_group(struct s3_view *v, const struct dfs_group_stat *stat, struct buf *text)
{
    AUTO(dfs_free_ptr) struct dfs_storage_detail *list = NULL;
    size_t n = 0;
    struct s3_group *g = s3_group_named(v->d, str_c(stat->group));
    if (g)
        learn_names(g);
    int r = dfs_list_storages(v->trackers, str_c(stat->group), STR_NULL, &list, &n);
    if (r < 0 || (!g && !any_left(list, n)))
        return r; /* trackers remember for long a group whose servers have been removed */
    if (!g)
        g = s3_group_make(v->d, str_c(stat->group));
    if (!g)
        return -ENOSPC;
    apply_group(v, g, stat, list, n);
    struct dfs_group_stat kept = *stat;
    kept.free_mb = (int64_t)atomic_load(&g->free_mb);
    s3_view_text_group(text, &kept);
    for (size_t i = 0; i < n; i++) {
        const struct s3_store *s = find(g, &list[i]);
        if (s && atomic_load(&s->active)) /* what we believe, doubts or not */
            list[i].status = DFS_ST_ACTIVE;
        s3_view_text_server(text, &list[i]);
    }
    return 0;
}

/* ---- what is kept ---- */

static void keep(struct s3_view *v, const struct buf *text)
{
    if (!v->d->o.keep || buf_err(text) || str_eq(buf_str(text), buf_str(&v->text)))
        return;
    buf_reset(&v->text);
    buf_adds(&v->text, buf_str(text));
    v->d->o.keep(v->d->o.keep_arg, buf_str(text));
}

static void apply_kept(void *arg, const struct dfs_group_stat *stat,
                       const struct dfs_storage_detail *servers, size_t n)
{
    struct s3_view *v = arg;
    struct s3_group *g = s3_group_make(v->d, str_c(stat->group));
    if (!g)
        return;
    learn_names(g);
    apply_group(v, g, stat, servers, n);
}

/* No tracker answers: as it was. */
static void recall(struct s3_view *v)
{
    if (v->d->o.known.n == 0)
        return;
    int r = s3_view_text_read(v->d->o.known, apply_kept, v);
    dfs_log(LOG_WARN, r < 0 ? "dfs.kept_view_unreadable" : "dfs.view_as_kept",
            KV_U64("groups", atomic_load(&v->d->ngroups)),
            KV_U64("servers", atomic_load(&v->d->nstores)), KV_ERR(r));
}

static void look(struct s3_view *v)
{
    AUTO(dfs_free_ptr) struct dfs_group_stat *groups = NULL;
    AUTO(buf_free) struct buf text = BUF(S3_VIEW_TEXT_MAX);
    size_t n = 0;
    int r = dfs_list_groups(v->trackers, &groups, &n);
    s3_view_text_begin(&text);
    for (size_t i = 0; r == 0 && i < n; i++)
        r = look_at_group(v, &groups[i], &text);
    s3_view_text_end(&text);
    if (r == 0 && n > 0) /* a tracker that knows nobody yet has lost its memory: ours is better */
        keep(v, &text);
    bool silent = r < 0;
    if (silent != v->silent)
        dfs_log(silent ? LOG_WARN : LOG_INFO, silent ? "dfs.no_tracker" : "dfs.tracker_answers",
                KV_ERR(r));
    v->silent = silent;
}

/* ---- threads ---- */

/* Until the next look is due; it has begun then. False: it is time to stop. */
static bool begin_look(struct s3_view *v)
{
    const uint64_t ended_ms = dfs_mono_ms();
    pthread_mutex_lock(&v->lock);
    for (;;) {
        uint64_t due_ms = ended_ms + (s3_waiting_wants(&v->waiting) ? LOOK_PAUSE_MS : LOOK_MS);
        uint64_t now_ms = dfs_mono_ms();
        if (v->stopping || now_ms >= due_ms)
            break;
        const struct timespec until = dfs_mono_after(due_ms - now_ms);
        (void)pthread_cond_timedwait(&v->wake, &v->lock, &until);
    }
    bool go_on = !v->stopping;
    if (go_on)
        s3_waiting_ask(&v->waiting);
    pthread_mutex_unlock(&v->lock);
    return go_on;
}

static void end_look(struct s3_view *v)
{
    pthread_mutex_lock(&v->lock);
    s3_waiting_answer(&v->waiting);
    pthread_cond_broadcast(&v->wake);
    pthread_mutex_unlock(&v->lock);
}

/* False: it is time to stop. */
static bool pause_for(struct s3_view *v, unsigned ms)
{
    const struct timespec until = dfs_mono_after(ms);
    pthread_mutex_lock(&v->lock);
    int r = 0;
    while (!v->stopping && r == 0)
        r = pthread_cond_timedwait(&v->wake, &v->lock, &until);
    bool go_on = !v->stopping;
    pthread_mutex_unlock(&v->lock);
    return go_on;
}

static void *look_main(void *arg)
{
    struct s3_view *v = arg;
    pthread_setname_np(pthread_self(), "dfs-view");
    while (begin_look(v)) {
        look(v);
        end_look(v);
    }
    return NULL;
}

static void *probe_main(void *arg)
{
    struct s3_view *v = arg;
    pthread_setname_np(pthread_self(), "dfs-probe");
    while (pause_for(v, PROBE_LOOK_MS)) {
        size_t n = atomic_load(&v->d->nstores);
        for (size_t i = 0; i < n; i++)
            if (!atomic_load(&v->d->stores[i]->retired))
                s3_store_probe(v->d->stores[i], false);
    }
    return NULL;
}

/* Under the lock: until somebody's wait is over. NULL: it is time to stop, and nobody is left. */
static struct s3_dfs_wait *next_told(struct s3_view *v)
{
    for (;;) {
        const uint64_t now_ms = dfs_mono_ms(), until_ms = s3_waiting_until(&v->waiting);
        struct s3_dfs_wait *k = s3_waiting_due(&v->waiting, v->stopping ? UINT64_MAX : now_ms);
        if (k || v->stopping)
            return k;
        if (until_ms == UINT64_MAX) {
            pthread_cond_wait(&v->wake, &v->lock);
        } else {
            const struct timespec until = dfs_mono_after(until_ms - now_ms);
            (void)pthread_cond_timedwait(&v->wake, &v->lock, &until);
        }
    }
}

/* A thread of its own, since both others may have to wait for a server longer than who waits here should. */
static void *tell_main(void *arg)
{
    struct s3_view *v = arg;
    pthread_setname_np(pthread_self(), "dfs-wait");
    pthread_mutex_lock(&v->lock);
    for (struct s3_dfs_wait *k; (k = next_told(v)) != NULL;) {
        pthread_mutex_unlock(&v->lock);
        k->go_on(k->arg);
        pthread_mutex_lock(&v->lock);
    }
    pthread_mutex_unlock(&v->lock);
    return NULL;
}

bool s3_view_ask(struct s3_view *v, struct s3_dfs_wait *k)
{
    pthread_mutex_lock(&v->lock);
    bool waits = !v->stopping && s3_waiting_join(&v->waiting, k, dfs_mono_ms());
    if (waits)
        pthread_cond_broadcast(&v->wake);
    pthread_mutex_unlock(&v->lock);
    return waits;
}

void s3_view_stop(struct s3_view *v)
{
    pthread_mutex_lock(&v->lock);
    v->stopping = true;
    pthread_cond_broadcast(&v->wake);
    pthread_mutex_unlock(&v->lock);
    if (v->looking)
        pthread_join(v->looker, NULL);
    if (v->probing)
        pthread_join(v->prober, NULL);
    if (v->telling)
        pthread_join(v->teller, NULL);
}

void s3_view_free(struct s3_view **vp)
{
    struct s3_view *v = TAKE(*vp);
    if (!v)
        return;
    ASSERT(v->waiting.n == 0);
    buf_free(&v->text);
    dfs_trackers_free(&v->trackers);
    dfs_connpool_free(&v->pool);
    pthread_cond_destroy(&v->wake);
    pthread_mutex_destroy(&v->lock);
    free(v);
}

/* One that may not have come up. */
static void free_started(struct s3_view **vp)
{
    if (*vp)
        s3_view_stop(*vp);
    s3_view_free(vp);
}

int s3_view_new(struct s3_dfs *d, struct s3_view **ret)
{
    AUTO(free_started) struct s3_view *v = dfs_zalloc(sizeof(*v));
    if (!v)
        return -ENOMEM;
    v->d = d;
    s3_waiting_init(&v->waiting);
    v->text = BUF(S3_VIEW_TEXT_MAX);
    pthread_mutex_init(&v->lock, NULL);
    dfs_cond_init(&v->wake);
    const struct dfs_connpool_opts o = {
        .peer = {.connect_ms = TRACKER_CONNECT_MS,
                 .timeout_ms = TRACKER_TIMEOUT_MS,
                 .tls = d->o.tls},
        .max_idle = d->o.ntrackers,
        .hold_down_ms = TRACKER_HOLD_DOWN_MS,
    };
    int r = dfs_connpool_new(&o, &v->pool);
    if (r == 0)
        r = dfs_trackers_new(d->o.trackers, d->o.ntrackers, v->pool, &v->trackers);
    if (r < 0)
        return r;
    look(v); /* requests that come at once find the servers */
    if (v->silent)
        recall(v);
    v->looking = pthread_create(&v->looker, NULL, look_main, v) == 0;
    v->probing = pthread_create(&v->prober, NULL, probe_main, v) == 0;
    v->telling = pthread_create(&v->teller, NULL, tell_main, v) == 0;
    if (!v->looking || !v->probing || !v->telling)
        return -EAGAIN;
    *ret = TAKE(v);
    return 0;
}
