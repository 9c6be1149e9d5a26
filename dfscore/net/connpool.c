/* SPDX-License-Identifier: Apache-2.0 */
#include "dfscore/net/connpool.h"

#include <pthread.h>

#include "dfscore/base/clock.h"

enum { HELD_MAX = 64 }; /* addresses remembered as failing; the oldest makes room */

struct idle {
    struct dfs_peer *peer;
    uint64_t since_ms;
};

struct held {
    struct dfs_addr addr;
    uint64_t until_ms;
    int err;
};

struct dfs_connpool {
    unsigned magic;
#define CONNPOOL_MAGIC 0xc0229001u
    struct dfs_connpool_opts opts;
    pthread_mutex_t lock; /* rank: leaf */
    struct idle *idle;    /* max_idle places; oldest first */
    size_t n;
    struct held held[HELD_MAX];
    size_t n_held;
    size_t borrowed;
};

int dfs_connpool_new(const struct dfs_connpool_opts *opts, struct dfs_connpool **ret)
{
    struct dfs_connpool *p = dfs_zalloc(sizeof(*p));
    if (!p)
        return -ENOMEM;
    p->magic = CONNPOOL_MAGIC;
    p->opts = *opts;
    p->idle = dfs_zalloc(opts->max_idle * sizeof(*p->idle));
    if (!p->idle) {
        free(p);
        return -ENOMEM;
    }
    pthread_mutex_init(&p->lock, NULL);
    *ret = p;
    return 0;
}

void dfs_connpool_free(struct dfs_connpool **pp)
{
    struct dfs_connpool *p = TAKE(*pp);
    if (!p)
        return;
    CHECK_OBJ(p, CONNPOOL_MAGIC);
    ASSERT(p->borrowed == 0);
    for (size_t i = 0; i < p->n; i++)
        dfs_peer_free(&p->idle[i].peer);
    pthread_mutex_destroy(&p->lock);
    free(p->idle);
    p->magic = 0;
    free(p);
}

static struct dfs_peer *remove_at(struct dfs_connpool *p, size_t i)
{
    struct dfs_peer *peer = p->idle[i].peer;
    memmove(&p->idle[i], &p->idle[i + 1], (p->n - i - 1) * sizeof(*p->idle));
    p->n--;
    return peer;
}

/* Nothing may be waiting on an idle connection: end of file or stray bytes make it useless. */
static bool quiet(const struct dfs_peer *peer)
{
    char byte;
    ssize_t n = recv(dfs_peer_fd(peer), &byte, 1, MSG_PEEK | MSG_DONTWAIT);
    return n < 0 && errno == EAGAIN;
}

static struct dfs_peer *take_idle(struct dfs_connpool *p, const struct dfs_addr *addr, uint64_t now)
{
    struct dfs_peer *found = NULL;
    pthread_mutex_lock(&p->lock);
    /* The youngest first: the old ones age and go. */
    for (size_t i = p->n; i-- > 0 && !found;)
        if (dfs_addr_eq(dfs_peer_addr(p->idle[i].peer), addr) &&
            (!p->opts.idle_ms || now - p->idle[i].since_ms < p->opts.idle_ms))
            found = remove_at(p, i);
    pthread_mutex_unlock(&p->lock);
    return found;
}

/* A connection past its idle time, if any. */
static struct dfs_peer *take_stale(struct dfs_connpool *p, uint64_t now)
{
    struct dfs_peer *old = NULL;
    pthread_mutex_lock(&p->lock);
    if (p->n && p->opts.idle_ms && now - p->idle[0].since_ms >= p->opts.idle_ms)
        old = remove_at(p, 0);
    pthread_mutex_unlock(&p->lock);
    return old;
}

static int held_down(struct dfs_connpool *p, const struct dfs_addr *addr, uint64_t now)
{
    int r = 0;
    pthread_mutex_lock(&p->lock);
    for (size_t i = 0; i < p->n_held; i++)
        if (dfs_addr_eq(&p->held[i].addr, addr) && now < p->held[i].until_ms)
            r = p->held[i].err;
    pthread_mutex_unlock(&p->lock);
    return r;
}

/* Remember (err < 0) or forget (0) a failure of @addr. */
static void note_result(struct dfs_connpool *p, const struct dfs_addr *addr, int err, uint64_t now)
{
    pthread_mutex_lock(&p->lock);
    for (size_t i = 0; i < p->n_held; i++) {
        if (dfs_addr_eq(&p->held[i].addr, addr)) {
            memmove(&p->held[i], &p->held[i + 1], (p->n_held - i - 1) * sizeof(*p->held));
            p->n_held--;
            break;
        }
    }
    if (err < 0 && p->opts.hold_down_ms) {
        if (p->n_held == HELD_MAX)
            memmove(&p->held[0], &p->held[1], --p->n_held * sizeof(*p->held));
        p->held[p->n_held++] = (struct held){*addr, now + p->opts.hold_down_ms, err};
    }
    pthread_mutex_unlock(&p->lock);
}

static void count(struct dfs_connpool *p, int change)
{
    pthread_mutex_lock(&p->lock);
    p->borrowed += (size_t)change;
    pthread_mutex_unlock(&p->lock);
}

int dfs_connpool_get(struct dfs_connpool *p, const struct dfs_addr *addr, struct dfs_peer **ret)
{
    CHECK_OBJ(p, CONNPOOL_MAGIC);
    uint64_t now = dfs_mono_ms();
    for (struct dfs_peer *old; (old = take_stale(p, now));)
        dfs_peer_free(&old);
    struct dfs_peer *peer;
    while ((peer = take_idle(p, addr, now)) && !quiet(peer))
        dfs_peer_free(&peer);
    int r = 0;
    if (!peer) {
        r = held_down(p, addr, now);
        if (r == 0) {
            r = dfs_peer_open(addr, &p->opts.peer, &peer);
            note_result(p, addr, r, dfs_mono_ms());
        }
    }
    if (r == 0) {
        count(p, 1);
        *ret = peer;
    }
    return r;
}

void dfs_connpool_put(struct dfs_connpool *p, struct dfs_peer **peerp)
{
    struct dfs_peer *peer = TAKE(*peerp);
    if (!peer)
        return;
    struct dfs_peer *out = peer;
    pthread_mutex_lock(&p->lock);
    ASSERT(p->borrowed > 0);
    p->borrowed--;
    if (p->opts.max_idle && dfs_peer_idle(peer)) {
        out = p->n == p->opts.max_idle ? remove_at(p, 0) : NULL;
        p->idle[p->n++] = (struct idle){peer, dfs_mono_ms()};
    }
    pthread_mutex_unlock(&p->lock);
    dfs_peer_free(&out);
}

size_t dfs_connpool_idle(struct dfs_connpool *p)
{
    pthread_mutex_lock(&p->lock);
    size_t n = p->n;
    pthread_mutex_unlock(&p->lock);
    return n;
}
