/* SPDX-License-Identifier: Apache-2.0 */
#include "tracker/service/peers.h"

#include <pthread.h>

#include "dfscore/base/clock.h"
#include "tracker/service/exchange.h"
#include "tracker/service/peercmd.h"

enum {
    STATE_MAX = 64 * 1024 * 1024,
    LOOK_MS = 500, /* whether it is time to ask a peer again */
    TICK_MIN_MS = 20,
    TICK_MAX_MS = 1000,
};

struct link {
    struct trk_peers *p;
    unsigned index; /* of its thread; which tracker it serves is looked up each time */
    pthread_t thread;
    bool started;
    /* under p->lock */
    struct trk_emsg out; /* newest message to send; older ones are worthless */
    bool has_out;
    /* its own */
    char host[DFS_HOST_MAX]; /* whom peer is connected to */
    struct dfs_peer *peer;
    uint64_t pulled_ms;
};

struct trk_peers {
    unsigned magic;
#define PEERS_MAGIC 0x9ee125a1u
    struct trk_peers_opts o;
    pthread_t clock;
    bool clock_started;
    pthread_mutex_t lock; /* inside the server's, never the other way round */
    pthread_cond_t wake;  /* monotonic clock */
    bool stop;
    uint64_t news; /* counts reasons to look again */
    struct link links[DFS_TRACKERS_MAX];
    /* a vote must be on disk before it is spoken of */
    pthread_mutex_t save_lock;
    pthread_cond_t saved;
};

/* What a storage's join changed is worth looking at; called under the server's lock. */
static void trackers_changed(void *arg)
{
    struct trk_peers *p = arg;
    pthread_mutex_lock(&p->lock);
    p->news++;
    pthread_cond_broadcast(&p->wake);
    pthread_mutex_unlock(&p->lock);
}

struct save_wait {
    struct trk_waiter w; /* must be first */
    struct trk_peers *p;
    bool done;
    int r;
};

static void saved(struct trk_waiter *w, int r)
{
    struct save_wait *s = (struct save_wait *)w;
    pthread_mutex_lock(&s->p->save_lock);
    s->done = true;
    s->r = r;
    pthread_cond_broadcast(&s->p->saved);
    pthread_mutex_unlock(&s->p->save_lock);
}

/* True when what trk_unlock returned is on disk. */
static bool wait_saved(struct trk_peers *p, uint64_t seq)
{
    if (seq == 0 || !p->o.srv->store)
        return true;
    if (seq == TRK_CANNOT_SAVE)
        return false;
    struct save_wait s = {.w = {NULL, seq, saved}, .p = p};
    trk_store_wait(p->o.srv->store, &s.w);
    pthread_mutex_lock(&p->save_lock);
    while (!s.done)
        pthread_cond_wait(&p->saved, &p->save_lock);
    pthread_mutex_unlock(&p->save_lock);
    return s.r == 0;
}

static void broadcast(struct trk_peers *p, const struct trk_emsg *m)
{
    pthread_mutex_lock(&p->lock);
    for (unsigned i = 0; i < DFS_TRACKERS_MAX; i++) {
        p->links[i].out = *m;
        p->links[i].has_out = true;
    }
    p->news++;
    pthread_cond_broadcast(&p->wake);
    pthread_mutex_unlock(&p->lock);
}

/* --- a peer's thread ------------------------------------------------------------------------ */

/* Connect to @host unless that is so already. */
static int reach(struct link *l, const char *host)
{
    if (l->peer && (dfs_peer_broken(l->peer) || strcmp(l->host, host) != 0))
        dfs_peer_free(&l->peer);
    if (l->peer)
        return 0;
    struct dfs_addr a;
    int r = dfs_addr_parse(str_c(host), 0, &a);
    if (r < 0)
        return r;
    memset(l->host, 0, sizeof(l->host));
    memcpy(l->host, host, strlen(host));
    return dfs_peer_open(&a, &l->p->o.net, &l->peer);
}

/* What trk_unlock returned must be on disk first. */
static void broadcast_saved(struct trk_peers *p, uint64_t wait, bool send, const struct trk_emsg *m)
{
    if (wait_saved(p, wait) && send)
        broadcast(p, m);
}

static void send_message(struct link *l, const struct trk_emsg *m)
{
    struct trk_server *srv = l->p->o.srv;
    char host[DFS_HOST_MAX];
    AUTO(buf_free) struct buf body = BUF(256), rsp = BUF(256);
    if (!trk_exchange_whom(srv, l->index, m, host, &body) || reach(l, host) < 0)
        return;
    struct str part = buf_str(&body);
    if (dfs_peer_call(l->peer, TRK_CMD_ELECTION, 0, &part, 1, &rsp) < 0)
        return;
    struct trk_emsg out;
    uint64_t wait;
    bool send = trk_exchange_answer(srv, l->index, host, buf_str(&rsp), &out, &wait);
    broadcast_saved(l->p, wait, send, &out);
}

/* Ask for all it knows, and take over what we do not. */
static void pull(struct link *l)
{
    struct trk_server *srv = l->p->o.srv;
    char host[DFS_HOST_MAX];
    AUTO(buf_free) struct buf rsp = BUF(STATE_MAX);
    if (!trk_exchange_whom(srv, l->index, NULL, host, NULL) || reach(l, host) < 0)
        return;
    if (dfs_peer_call(l->peer, TRK_CMD_STATE, 0, NULL, 0, &rsp) == 0)
        trk_exchange_state(srv, l->index, host, buf_str(&rsp));
}

static void *link_main(void *arg)
{
    struct link *l = arg;
    struct trk_peers *p = l->p;
    pthread_setname_np(pthread_self(), "dfs-peer");
    pthread_mutex_lock(&p->lock);
    while (!p->stop) {
        struct trk_emsg m = l->out;
        bool send = l->has_out;
        l->has_out = false;
        pthread_mutex_unlock(&p->lock);
        if (send)
            send_message(l, &m);
        if (trk_exchange_due(p->o.srv, p->o.pull_ms, &l->pulled_ms))
            pull(l);
        pthread_mutex_lock(&p->lock);
        struct timespec until = dfs_mono_after(LOOK_MS);
        while (!p->stop && !l->has_out && pthread_cond_timedwait(&p->wake, &p->lock, &until) == 0)
            ;
    }
    pthread_mutex_unlock(&p->lock);
    dfs_peer_free(&l->peer);
    return NULL;
}

/* --- the clock's thread --------------------------------------------------------------------- */

/* As many threads as there are trackers; they stay. Only the clock's thread starts them. */
static void start_links(struct trk_peers *p, unsigned count)
{
    for (unsigned i = 0; count > 1 && i < count; i++) {
        struct link *l = &p->links[i];
        if (!l->started)
            l->started = pthread_create(&l->thread, NULL, link_main, l) == 0;
    }
}

static void *clock_main(void *arg)
{
    struct trk_peers *p = arg;
    struct trk_server *srv = p->o.srv;
    pthread_setname_np(pthread_self(), "dfs-election");
    pthread_mutex_lock(&p->lock);
    while (!p->stop) {
        uint64_t seen = p->news;
        pthread_mutex_unlock(&p->lock);
        struct trk_emsg m;
        trk_lock(srv);
        bool send = trk_election_poll(srv, &m);
        unsigned count = srv->tracker_count;
        bool alone = srv->me < 0 || count == 1;
        uint64_t wait = alone ? TICK_MAX_MS : trk_election_wait(srv->election, dfs_mono_ms());
        uint64_t seq = trk_unlock(srv);
        start_links(p, count);
        broadcast_saved(p, seq, send, &m);
        pthread_mutex_lock(&p->lock);
        wait = MAX(wait, (uint64_t)TICK_MIN_MS);
        struct timespec until = dfs_mono_after(MIN(wait, (uint64_t)TICK_MAX_MS));
        while (!p->stop && p->news == seen &&
               pthread_cond_timedwait(&p->wake, &p->lock, &until) == 0)
            ;
    }
    pthread_mutex_unlock(&p->lock);
    return NULL;
}

/* --- life ----------------------------------------------------------------------------------- */

int trk_peers_start(const struct trk_peers_opts *o, struct trk_peers **ret)
{
    struct trk_peers *p = dfs_zalloc(sizeof(*p));
    if (!p)
        return -ENOMEM;
    p->magic = PEERS_MAGIC;
    p->o = *o;
    pthread_mutex_init(&p->lock, NULL);
    pthread_mutex_init(&p->save_lock, NULL);
    dfs_cond_init(&p->wake);
    dfs_cond_init(&p->saved);
    trk_lock(o->srv);
    o->srv->trackers_changed = trackers_changed;
    o->srv->trackers_arg = p;
    trk_unlock(o->srv);
    for (unsigned i = 0; i < DFS_TRACKERS_MAX; i++) {
        p->links[i].p = p;
        p->links[i].index = i;
    }
    int r = -pthread_create(&p->clock, NULL, clock_main, p);
    p->clock_started = r == 0;
    if (r < 0) {
        trk_peers_stop(&p);
        return r;
    }
    *ret = p;
    return 0;
}

void trk_peers_stop(struct trk_peers **pp)
{
    struct trk_peers *p = TAKE(*pp);
    if (!p)
        return;
    CHECK_OBJ(p, PEERS_MAGIC);
    trk_lock(p->o.srv);
    p->o.srv->trackers_changed = NULL;
    trk_unlock(p->o.srv);
    pthread_mutex_lock(&p->lock);
    p->stop = true;
    pthread_cond_broadcast(&p->wake);
    pthread_mutex_unlock(&p->lock);
    if (p->clock_started)
        pthread_join(p->clock, NULL);
    for (unsigned i = 0; i < DFS_TRACKERS_MAX; i++) {
        if (p->links[i].started)
            pthread_join(p->links[i].thread, NULL);
    }
    pthread_mutex_destroy(&p->lock);
    pthread_mutex_destroy(&p->save_lock);
    pthread_cond_destroy(&p->wake);
    pthread_cond_destroy(&p->saved);
    p->magic = 0;
    free(p);
}
