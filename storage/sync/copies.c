/* SPDX-License-Identifier: Apache-2.0 */
#include "storage/sync/copies.h"

#include <pthread.h>
#include <stdatomic.h>

#include "dfscore/base/clock.h"
#include "dfscore/log/log.h"

enum {
    LOOK_MS = 1000,
    STUCK_MS = 1000,
    LOST_MS = 1000, /* after a loss, while the trackers may not have noticed yet ... */
    LOST_LOOK_MS = 25,
    LOST_ASK_MS = 100, /* ... they are asked so often, if a write waits */
    AUTO_COPIES = 2,
};

struct sto_copies {
    unsigned magic;
#define COPIES_MAGIC 0xc0b1e5a2u
    struct sto_copies_options o;
    unsigned paths;
    pthread_t thread;
    bool started;
    atomic_bool stop;
    _Atomic uint64_t timeout_ms;
    atomic_uint waiting;                   /* length of the list */
    _Atomic uint64_t lost_ms;              /* monotonic, of the last loss; 0: none */
    uint64_t asked_ms;                     /* who tends: monotonic, when stuck() was last called */
    pthread_mutex_t lock;                  /* guards the list */
    struct sto_copies_wait *first, **last; /* in the order they came */
};

/* What the members in service have of one path. */
struct standing {
    unsigned n;
    struct sto_standing of[DFS_SERVERS_MAX];
};

static struct standing stand(struct sto_copies *c, unsigned path)
{
    struct standing s;
    s.n = sto_followers_standing(c->o.followers, path, s.of);
    return s;
}

static unsigned needed(const struct sto_copies *c, unsigned others)
{
    if (c->o.min)
        return c->o.min;
    return others > 0 || sto_members_unknown(c->o.members) ? AUTO_COPIES : 1;
}

enum verdict { WAIT, ENOUGH, HOPELESS };

/* HOPELESS: all members in service together are too few, so there is nobody to wait for. */
static enum verdict judge(const struct sto_copies *c, const struct standing *s, uint64_t position,
                          unsigned asked)
{
    unsigned have = 1, want = MAX(needed(c, s->n), asked);
    for (unsigned i = 0; i < s->n; i++)
        have += s->of[i].position >= position;
    return have >= want ? ENOUGH : s->n + 1 < want ? HOPELESS : WAIT;
}

/* When the time of @w is over: counted from the last step of a member that lacks it. */
static uint64_t deadline(struct sto_copies *c, const struct standing *s,
                         const struct sto_copies_wait *w)
{
    uint64_t timeout = atomic_load(&c->timeout_ms), from = w->since_ms;
    for (unsigned i = 0; i < s->n; i++)
        if (s->of[i].position < w->position)
            from = MAX(from, s->of[i].progress_ms);
    return MIN(from, w->since_ms + (STO_COPIES_MOST - 1) * timeout) + timeout;
}

/* Takes those of @path that have what they need, cannot get it, or whose time is over, off the list: in their order. */
static struct sto_copies_wait *take(struct sto_copies *c, unsigned path, const struct standing *s,
                                    uint64_t now, struct sto_copies_wait **missed)
{
    struct sto_copies_wait *good = NULL, **good_end = &good, **missed_end = missed;
    pthread_mutex_lock(&c->lock);
    struct sto_copies_wait **at = &c->first;
    while (*at) {
        struct sto_copies_wait *w = *at;
        enum verdict v = w->path == path ? judge(c, s, w->position, w->copies) : WAIT;
        bool ok = v == ENOUGH;
        if (w->path != path || (v == WAIT && now < deadline(c, s, w))) {
            at = &w->next;
            continue;
        }
        *at = w->next;
        w->next = NULL;
        *(ok ? good_end : missed_end) = w;
        *(ok ? &good_end : &missed_end) = &w->next;
        atomic_fetch_sub(&c->waiting, 1);
    }
    c->last = at;
    pthread_mutex_unlock(&c->lock);
    return good;
}

static int verdict_of(struct sto_copies *c, const struct sto_copies_wait *w)
{
    return w->vouch && !sto_members_vouched(c->o.members, w->vouch) ? -EAGAIN : 0;
}

static unsigned tell(struct sto_copies *c, struct sto_copies_wait *list, int result)
{
    unsigned n = 0;
    for (struct sto_copies_wait *w = list, *next; w; w = next, n++) {
        next = w->next; /* w is its owner's again in done() */
        w->done(w, result < 0 ? result : verdict_of(c, w));
    }
    return n;
}

static void look(struct sto_copies *c, unsigned path)
{
    static struct dfs_log_gate gate;
    struct sto_copies_wait *missed = NULL;
    struct standing s = stand(c, path);
    (void)tell(c, take(c, path, &s, dfs_mono_ms(), &missed), 0);
    unsigned n = tell(c, missed, -EAGAIN);
    if (n > 0 && dfs_log_allow(&gate, 1))
        dfs_log(LOG_WARN, "storage.copies_missing", KV_U64("writes", n), KV_U64("path", path),
                KV_U64("in_service", s.n + 1), KV_U64("needed", needed(c, s.n)));
}

void sto_copies_heard(struct sto_copies *c, unsigned path)
{
    if (c && path < c->paths && atomic_load(&c->waiting) > 0)
        look(c, path);
}

void sto_copies_begin(struct sto_copies *c, struct sto_copies_wait *w)
{
    CHECK_OBJ(c, COPIES_MAGIC);
    ASSERT(w->path < c->paths && w->done);
    struct standing s = stand(c, w->path);
    if (MAX(needed(c, s.n), w->copies) <= 1) {
        w->done(w, verdict_of(c, w));
        return;
    }
    w->position = sto_store_end(c->o.store, w->path);
    w->since_ms = dfs_mono_ms();
    w->next = NULL;
    unsigned path = w->path,
             asked = w->copies; /* w may be gone the moment the lock is given back */
    uint64_t position = w->position;
    pthread_mutex_lock(&c->lock);
    *c->last = w;
    c->last = &w->next;
    atomic_fetch_add(&c->waiting, 1);
    pthread_mutex_unlock(&c->lock);
    s = stand(c, path); /* a follower may have told its position just before, or gone */
    if (judge(c, &s, position, asked) != WAIT)
        look(c, path);
}

struct blocking {
    struct sto_copies_wait wait; /* first */
    pthread_mutex_t lock;
    pthread_cond_t wake;
    bool over;
    int result;
};

static void wake_up(struct sto_copies_wait *w, int result)
{
    struct blocking *b = (struct blocking *)w;
    pthread_mutex_lock(&b->lock);
    b->result = result;
    b->over = true;
    pthread_cond_signal(&b->wake);
    pthread_mutex_unlock(&b->lock);
}

static int settle_path(struct sto_copies *c, unsigned path, unsigned asked)
{
    struct blocking b = {.wait = {.path = path, .copies = asked, .done = wake_up}};
    pthread_mutex_init(&b.lock, NULL);
    pthread_cond_init(&b.wake, NULL);
    sto_copies_begin(c, &b.wait);
    pthread_mutex_lock(&b.lock);
    while (!b.over)
        pthread_cond_wait(&b.wake, &b.lock);
    pthread_mutex_unlock(&b.lock);
    pthread_cond_destroy(&b.wake);
    pthread_mutex_destroy(&b.lock);
    return b.result;
}

int sto_copies_settle(struct sto_copies *c, unsigned asked)
{
    CHECK_OBJ(c, COPIES_MAGIC);
    int r = 0;
    for (unsigned path = 0; path < c->paths && r == 0; path++)
        r = settle_path(c, path, asked);
    return r;
}

unsigned sto_copies_min(const struct sto_copies *c)
{
    CHECK_OBJ(c, COPIES_MAGIC);
    return c->o.min;
}

unsigned sto_copies_needed(struct sto_copies *c)
{
    CHECK_OBJ(c, COPIES_MAGIC);
    return needed(c, stand(c, 0).n);
}

int sto_copies_ready(struct sto_copies *c, unsigned asked)
{
    CHECK_OBJ(c, COPIES_MAGIC);
    unsigned n = stand(c, 0).n;
    return MAX(needed(c, n), asked) <= n + 1 ? 0 : -EAGAIN;
}

/* --- deadlines ------------------------------------------------------------------------------------ */

/* How long until somebody's time may be over; *stuck: somebody has waited for a while already. */
static uint64_t next_look(struct sto_copies *c, bool *stuck)
{
    uint64_t now = dfs_mono_ms(),
             ms = MIN((uint64_t)LOOK_MS, MAX(atomic_load(&c->timeout_ms) / 4, UINT64_C(1)));
    pthread_mutex_lock(&c->lock);
    for (const struct sto_copies_wait *w = c->first; w; w = w->next) {
        *stuck = *stuck || now - w->since_ms >= STUCK_MS;
    }
    pthread_mutex_unlock(&c->lock);
    return ms;
}

void sto_copies_lost(struct sto_copies *c)
{
    if (!c)
        return;
    CHECK_OBJ(c, COPIES_MAGIC);
    atomic_store(&c->lost_ms, dfs_mono_ms());
    sto_members_wake(c->o.members);
}

void sto_copies_ask(struct sto_copies *c)
{
    CHECK_OBJ(c, COPIES_MAGIC);
    if (c->o.stuck)
        c->o.stuck(c->o.arg);
}

uint64_t sto_copies_tend(struct sto_copies *c)
{
    CHECK_OBJ(c, COPIES_MAGIC);
    const uint64_t lost_ms = atomic_load(&c->lost_ms);
    bool lost = lost_ms > 0 && dfs_mono_ms() - lost_ms < LOST_MS;
    bool stuck = lost && atomic_load(&c->waiting) > 0;
    for (unsigned path = 0; path < c->paths && atomic_load(&c->waiting) > 0; path++)
        look(c, path);
    uint64_t ms = next_look(c, &stuck);
    ms = lost ? MIN(ms, (uint64_t)LOST_LOOK_MS) : ms;
    if (!stuck || !c->o.stuck || dfs_mono_ms() - c->asked_ms < (lost ? LOST_ASK_MS : STUCK_MS))
        return ms;
    c->o.stuck(c->o.arg);
    c->asked_ms = dfs_mono_ms();
    return 0;
}

static void *watch(void *arg)
{
    struct sto_copies *c = arg;
    uint64_t seen = 0;
    while (!atomic_load(&c->stop)) {
        uint64_t ms = sto_copies_tend(c);
        if (ms > 0)
            seen = sto_members_wait(c->o.members, seen, ms);
    }
    return NULL;
}

int sto_copies_new(const struct sto_copies_options *o, struct sto_copies **ret)
{
    struct sto_copies *c = dfs_zalloc(sizeof(*c));
    if (!c)
        return -ENOMEM;
    c->magic = COPIES_MAGIC;
    c->o = *o;
    c->paths = sto_store_path_count(o->store);
    c->last = &c->first;
    atomic_store(&c->timeout_ms, o->timeout_ms);
    pthread_mutex_init(&c->lock, NULL);
    *ret = c;
    return 0;
}

int sto_copies_start(struct sto_copies *c)
{
    CHECK_OBJ(c, COPIES_MAGIC);
    int r = -pthread_create(&c->thread, NULL, watch, c);
    c->started = r == 0;
    return r;
}

void sto_copies_hurry(struct sto_copies *c, uint64_t ms)
{
    if (!c)
        return;
    CHECK_OBJ(c, COPIES_MAGIC);
    atomic_store(&c->timeout_ms, ms);
    sto_members_wake(c->o.members);
}

void sto_copies_free(struct sto_copies **cp)
{
    struct sto_copies *c = TAKE(*cp);
    if (!c)
        return;
    CHECK_OBJ(c, COPIES_MAGIC);
    atomic_store(&c->stop, true);
    if (c->started) {
        sto_members_wake(c->o.members);
        pthread_join(c->thread, NULL);
    }
    ASSERT(!c->first);
    pthread_mutex_destroy(&c->lock);
    c->magic = 0;
    free(c);
}
