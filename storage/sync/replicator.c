/* SPDX-License-Identifier: Apache-2.0 */
#include "storage/sync/replicator.h"

#include <pthread.h>
#include <stdatomic.h>

#include "dfscore/base/clock.h"
#include "dfscore/log/log.h"
#include "storage/sync/state.h"

enum {
    RELIST_MS = 3000, /* a peer's list of logs is asked again */
    POLL_MS = 1000,   /* we wait this long at the peer for news */
    BACKOFF_MIN_MS = 100,
    BACKOFF_MAX_MS = 5000,
    CLAIMS_A_PATH = 2 * DFS_SERVERS_MAX,
};

/* What is not said otherwise is its owner's. */
struct sto_replicator {
    struct sto_replicators *s;
    char id[DFS_ID_MAX + 1];
    enum sto_rep_state state;
    struct sto_puller *puller; /* under s->lock while set or cleared */
    atomic_bool caught_up;     /* since our start, at least once */
    unsigned failures;
    bool singly; /* for the next connection: the peer may have another build by the one behind it */
    uint64_t refused;   /* see struct sto_puller_options */
    uint64_t relist_ms; /* monotonic: when the peer's logs are listed again */
    uint64_t joins;     /* of ours, when they were listed last */
    struct sto_log_info logs[STO_LOGS_MAX];
    struct sto_log_info own[STO_PATHS_MAX]; /* the peer's own log of each path */
};

/* A log is taken from one peer a time. Its writer's replicator holds the claim as long as it lasts. */
struct claim {
    uint8_t id[STO_LOG_ID_LEN];
    unsigned path;
    const struct sto_replicator *by; /* NULL: free */
};

struct sto_replicators {
    unsigned magic;
#define REPLICATORS_MAGIC 0x579c579cu
    struct sto_sync_options o;
    unsigned paths;
    atomic_bool stop;
    pthread_mutex_t lock; /* guards claims, every replicator's puller, and changes of reps; leaf */
    struct claim *claims; /* owned; claim_count of them */
    size_t claim_count;
    struct sto_replicator *reps[DFS_SERVERS_MAX]; /* changed by who looks; owned */
    size_t rep_count;
};

static void enter(struct sto_replicator *r, enum sto_rep_state to)
{
    if (r->state == to)
        return;
    ASSERT(sto_rep_may(r->state, to));
    r->state = to;
    dfs_log(LOG_DEBUG, "storage.replicator", KV_Z("peer", r->id), KV_Z("state", sto_rep_name(to)));
}

/* --- claims ------------------------------------------------------------------------------------- */

static bool claim(struct sto_replicator *r, unsigned path, const struct sto_log_info *log)
{
    struct sto_replicators *s = r->s;
    struct claim *place = NULL;
    bool mine = false, other = false;
    pthread_mutex_lock(&s->lock);
    for (size_t i = 0; i < s->claim_count; i++) {
        struct claim *c = &s->claims[i];
        if (!c->by) {
            place = place ? place : c;
        } else if (c->path == path && memcmp(c->id, log->id, STO_LOG_ID_LEN) == 0) {
            mine = c->by == r;
            other = c->by != r;
        }
    }
    if (!mine && !other && place) {
        memcpy(place->id, log->id, STO_LOG_ID_LEN);
        place->path = path;
        place->by = r;
        mine = true;
    }
    pthread_mutex_unlock(&s->lock);
    return mine;
}

static void give_claims_back(struct sto_replicator *r)
{
    pthread_mutex_lock(&r->s->lock);
    for (size_t i = 0; i < r->s->claim_count; i++)
        if (r->s->claims[i].by == r)
            r->s->claims[i].by = NULL;
    pthread_mutex_unlock(&r->s->lock);
}

/* --- one peer ------------------------------------------------------------------------------------ */

static void applied(void *arg, const struct sto_log_info *log, int64_t time_s)
{
    struct sto_replicator *r = arg;
    if (log->own)
        sto_members_synced(r->s->o.members, r->id, time_s);
}

static void give_claim_back(struct sto_replicator *r, unsigned path, const struct sto_log_info *log)
{
    pthread_mutex_lock(&r->s->lock);
    for (size_t i = 0; i < r->s->claim_count; i++) {
        struct claim *c = &r->s->claims[i];
        if (c->by == r && c->path == path && memcmp(c->id, log->id, STO_LOG_ID_LEN) == 0)
            c->by = NULL;
    }
    pthread_mutex_unlock(&r->s->lock);
}

/* Its own log always; a copy of another's when it has more of it than we. */
static bool wanted(struct sto_replicator *r, unsigned path, const struct sto_log_info *log)
{
    struct sto_log_info here;
    int found = sto_mirrors_find(r->s->o.mirrors, path, log->id, &here);
    if (found == 0 && here.own)
        return false;
    return log->own || found < 0 || here.end < log->end;
}

static int take(struct sto_replicator *r, unsigned path, const struct sto_log_info *log,
                bool *moved)
{
    struct sto_pull_result got;
    do {
        int e = sto_puller_step(r->puller, path, log, 0, &got);
        if (e < 0)
            return e;
        *moved = *moved || got.bytes > 0;
    } while (got.bytes > 0 && got.position < log->end && !atomic_load(&r->s->stop));
    return 0;
}

/*
 * Everything that was there when the list was made. *pending: some of it is being taken by another
 * replicator, which may not get as far as this peer is.
 */
static int catch_up(struct sto_replicator *r, unsigned path, size_t n, bool *pending)
{
    for (size_t i = 0; i < n && !atomic_load(&r->s->stop); i++) {
        const struct sto_log_info *log = &r->logs[i];
        bool moved = false;
        if (!wanted(r, path, log))
            continue;
        if (!claim(r, path, log)) {
            *pending = true;
            continue;
        }
        int e = take(r, path, log, &moved);
        if (!log->own)
            give_claim_back(r, path, log);
        if (e < 0)
            return e;
    }
    return 0;
}

/* What is new on one path. */
static int step(struct sto_replicator *r, unsigned path, uint32_t wait_ms)
{
    struct sto_pull_result got;
    return sto_puller_step(r->puller, path, &r->own[path], wait_ms, &got);
}

/*
 * We wait at the peer, so that news come at once: with one path in the pull itself. Paths without news are
 * pulled too, now and then, to hear how late it is there.
 */
static int follow(struct sto_replicator *r)
{
    unsigned paths = r->s->paths;
    if (paths == 1)
        return step(r, 0, POLL_MS);
    struct sto_log_info here;
    bool news[STO_PATHS_MAX], any = false;
    int e = sto_puller_wait(r->puller, r->own, paths, POLL_MS);
    for (unsigned path = 0; path < paths && e == 0; path++) {
        news[path] = sto_mirrors_find(r->s->o.mirrors, path, r->own[path].id, &here) < 0 ||
                     here.end < r->own[path].end;
        any = any || news[path];
    }
    for (unsigned path = 0; path < paths && e == 0; path++)
        if (news[path] || !any)
            e = step(r, path, 0);
    return e;
}

/* Every path's logs, once. */
static int round_of_lists(struct sto_replicator *r, bool *pending)
{
    for (unsigned path = 0; path < r->s->paths; path++) {
        size_t n;
        int e = sto_puller_list(r->puller, path, r->logs, STO_LOGS_MAX, &n);
        if (e == 0 && (n == 0 || !r->logs[0].own))
            e = -EPROTO;
        for (size_t i = 0; e == 0 && i < n; i++)
            sto_mirrors_heard(r->s->o.mirrors, path, &r->logs[i]);
        if (e == 0)
            r->own[path] = r->logs[0];
        if (e == 0 && sto_store_unfit(r->s->o.store, path))
            *pending = true; /* the other paths are not to wait for it */
        else if (e == 0)
            e = catch_up(r, path, n, pending);
        if (e < 0)
            return e;
    }
    return 0;
}

static int list_and_catch_up(struct sto_replicator *r, uint64_t *pause_ms)
{
    bool pending = false;
    r->joins = sto_members_joins(r->s->o.members);
    int e = round_of_lists(r, &pending);
    if (e < 0)
        return e;
    r->failures = 0;
    if (pending)
        *pause_ms = r->s->o.wait_ms;
    if (pending || atomic_load(&r->s->stop))
        return 0;
    sto_members_caught_up(r->s->o.members, r->id, r->joins);
    if (!atomic_exchange(&r->caught_up, true))
        sto_members_wake(r->s->o.members);
    enter(r, STO_REP_FOLLOWING);
    r->relist_ms = dfs_mono_ms() + RELIST_MS;
    return 0;
}

static int connect_to(struct sto_replicator *r, const struct sto_member *peer)
{
    struct sto_puller_options o = {
        .store = r->s->o.store,
        .mirrors = r->s->o.mirrors,
        .group = r->s->o.group,
        .own_id = r->s->o.own_id,
        .addr = {.port = peer->port},
        .net = r->s->o.net,
        .line = r->s->o.line,
        .singly = r->singly,
        .cluster = r->s->o.cluster,
        .applied = applied,
        .arg = r,
        .refused = &r->refused,
    };
    struct sto_puller *p = NULL;
    (void)snprintf(o.addr.host, sizeof(o.addr.host), "%s", peer->ip);
    int e = sto_puller_open(&o, &p);
    r->singly = r->singly && e < 0;
    pthread_mutex_lock(&r->s->lock);
    r->puller = p;
    pthread_mutex_unlock(&r->s->lock);
    return e;
}

static void disconnect(struct sto_replicator *r)
{
    pthread_mutex_lock(&r->s->lock);
    struct sto_puller *p = TAKE(r->puller);
    pthread_mutex_unlock(&r->s->lock);
    sto_puller_close(&p);
    give_claims_back(r);
}

static uint64_t back_off(struct sto_replicator *r, int err)
{
    disconnect(r);
    enter(r, STO_REP_BACKOFF);
    sto_store_suspect(r->s->o.store, -1, err); /* or it is the peer's */
    r->singly = r->singly || err == -EOPNOTSUPP;
    if (r->failures++ == 0)
        dfs_log(LOG_WARN, "storage.peer_lost", KV_Z("peer", r->id), KV_ERR(err));
    uint64_t ms = (uint64_t)BACKOFF_MIN_MS << MIN(r->failures, 10u);
    return MIN(ms, (uint64_t)BACKOFF_MAX_MS);
}

static int begin_session(struct sto_replicator *r, uint64_t *pause_ms)
{
    struct sto_member peer;
    if (sto_members_find(r->s->o.members, r->id, &peer) < 0 || peer.port == 0 ||
        !sto_rep_reachable(peer.status)) {
        *pause_ms = STO_LOOK_MS;
        return 0;
    }
    int e = connect_to(r, &peer);
    if (e == 0)
        enter(r, STO_REP_CATCHING_UP);
    r->relist_ms = 0;
    return e;
}

uint64_t sto_replicator_step(struct sto_replicator *r)
{
    CHECK_OBJ(r->s, REPLICATORS_MAGIC);
    uint64_t pause_ms = 0;
    int e = 0;
    if (atomic_load(&r->s->stop))
        return 0;
    if (r->state == STO_REP_BACKOFF)
        enter(r, STO_REP_WAITING);
    if (r->state == STO_REP_WAITING)
        e = begin_session(r, &pause_ms);
    else if (dfs_mono_ms() >= r->relist_ms || r->joins != sto_members_joins(r->s->o.members))
        e = list_and_catch_up(r, &pause_ms);
    else
        e = follow(r);
    return e < 0 ? back_off(r, e) : pause_ms;
}

/* --- all of them ------------------------------------------------------------------------------------- */

static struct sto_replicator *rep_of(struct sto_replicators *s, const char *id)
{
    for (size_t i = 0; i < s->rep_count; i++)
        if (strcmp(s->reps[i]->id, id) == 0)
            return s->reps[i];
    return NULL;
}

static void begin_replicator(struct sto_replicators *s, const struct sto_member *peer)
{
    if (s->rep_count == ARRAY_LEN(s->reps))
        return; /* members that were removed keep their place until a restart */
    struct sto_replicator *r = dfs_zalloc(sizeof(*r));
    if (!r)
        return; /* the next look tries again */
    r->s = s;
    memcpy(r->id, peer->id, sizeof(r->id));
    pthread_mutex_lock(&s->lock);
    s->reps[s->rep_count++] = r;
    pthread_mutex_unlock(&s->lock);
}

/* With all in service, of whom there is one at least; *ret_all: also with those that are not. */
static bool all_caught_up(struct sto_replicators *s, const struct sto_member *peers, size_t n,
                          bool *ret_all)
{
    size_t counting = 0, others = 0;
    *ret_all = true;
    for (size_t i = 0; i < n; i++) {
        struct sto_replicator *r = rep_of(s, peers[i].id);
        bool has = r && atomic_load(&r->caught_up), in_service = sto_in_service(peers[i].status);
        if (dfs_server_left(peers[i].status))
            continue;
        if (in_service && !has)
            return false;
        others++;
        counting += in_service;
        *ret_all = *ret_all && has;
    }
    return counting > 0 || others == 0;
}

void sto_replicators_look(struct sto_replicators *s)
{
    CHECK_OBJ(s, REPLICATORS_MAGIC);
    struct sto_member peers[DFS_SERVERS_MAX], self;
    size_t n = sto_members_peers(s->o.members, peers);
    for (size_t i = 0; i < n; i++)
        if (!rep_of(s, peers[i].id))
            begin_replicator(s, &peers[i]);
    sto_followers_retain(s->o.followers);
    sto_members_get_self(s->o.members, &self);
    bool with_all;
    if (self.status != DFS_ST_NONE && all_caught_up(s, peers, n, &with_all))
        s->o.caught_up(s->o.arg, with_all);
}

size_t sto_replicators_count(const struct sto_replicators *s)
{
    return s->rep_count;
}

struct sto_replicator *sto_replicators_at(struct sto_replicators *s, size_t i)
{
    ASSERT(i < s->rep_count);
    return s->reps[i];
}

int sto_replicators_new(const struct sto_sync_options *o, struct sto_replicators **ret)
{
    struct sto_replicators *s = dfs_zalloc(sizeof(*s));
    if (!s)
        return -ENOMEM;
    s->magic = REPLICATORS_MAGIC;
    s->o = *o;
    s->paths = sto_store_path_count(o->store);
    s->claim_count = (size_t)s->paths * CLAIMS_A_PATH;
    s->claims = dfs_zalloc(s->claim_count * sizeof(*s->claims));
    if (!s->claims) {
        free(s);
        return -ENOMEM;
    }
    pthread_mutex_init(&s->lock, NULL);
    *ret = s;
    return 0;
}

void sto_replicators_stop(struct sto_replicators *s)
{
    CHECK_OBJ(s, REPLICATORS_MAGIC);
    atomic_store(&s->stop, true);
    pthread_mutex_lock(&s->lock);
    for (size_t i = 0; i < s->rep_count; i++)
        if (s->reps[i]->puller)
            sto_puller_cut(s->reps[i]->puller);
    pthread_mutex_unlock(&s->lock);
    sto_members_wake(s->o.members);
}

bool sto_replicators_stopping(const struct sto_replicators *s)
{
    return atomic_load(&s->stop);
}

void sto_replicators_free(struct sto_replicators **sp)
{
    struct sto_replicators *s = TAKE(*sp);
    if (!s)
        return;
    CHECK_OBJ(s, REPLICATORS_MAGIC);
    for (size_t i = 0; i < s->rep_count; i++) {
        disconnect(s->reps[i]);
        enter(s->reps[i], STO_REP_STOPPED);
        free(s->reps[i]);
    }
    pthread_mutex_destroy(&s->lock);
    free(s->claims);
    s->magic = 0;
    free(s);
}
