/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A thread per tracker, blocking with deadlines. A tracker that is away costs its own thread a
 * back-off and nobody else anything. What a session does, in order (fastdfs-protocol.md 6):
 *
 *   75 parameters, 81 join, 87 or 88 until a source is agreed, 84 + 83 + 77, then for ever:
 *   83 every second, or every beat_ms if that is less, for what is new in the group comes with its answer;
 *   with the statistics every beat_ms, when they changed; 77 after it, 84 every 10 s, or report_ms, 89 when
 *   another server's operations have arrived; 92 while no leader tells who is in the group.
 */
#include "storage/beat/beat.h"

#include <netinet/in.h>
#include <netinet/tcp.h>
#include <pthread.h>
#include <sys/socket.h>

#include "dfscore/base/clock.h"
#include "dfscore/log/log.h"
#include "dfscore/wire/internal.h"
#include "storage/beat/notice.h"
#include "storage/beat/stage.h"

enum { ANSWER_MAX = 64 * 1024, AWAY_MAX_MS = 1000, NEWS_MS = 1000, LOOK_MS = 500 };
/* A disk fills up in less than 300 s, and then refuses what trackers send there. */
enum { SPACE_MS = 10000 };
/* Of each second after which trackers call a silent server OFFLINE: less than that, as two clocks differ. */
enum { LEASE_MS = 600, LEASE_MAX_S = 3600 };
enum { UNHEARD_MS = 10000 }; /* of bytes that the tracker's machine does not acknowledge */
enum { UNTOLD_MS = 8000 };   /* a leader tells with the first beats; an election may take 7.5 s */

/* What a tracker says of the server we fill from (88). */
enum source_word {
    SOURCE_UNHEARD, /* nothing yet, since we have joined it */
    SOURCE_KNOWN,
    SOURCE_UNKNOWN, /* it has not met it, or it was removed */
    SOURCE_AWAY,    /* it cannot be asked */
};

struct link {
    struct sto_beat *b;
    const struct dfs_addr *addr;
    pthread_t thread;
    bool started;
    enum sto_stage stage;                 /* its own thread */
    _Atomic enum source_word source;      /* its own thread sets it */
    struct dfs_peer *peer;                /* its own thread; under b->lock while set or cleared */
    bool calling;                         /* under b->lock; a stop cuts the call off */
    struct buf rsp;                       /* its own thread */
    uint8_t sent[DFS_STAT_BLOCK_LEN];     /* last statistics this tracker got */
    uint64_t stats_due_ms;                /* when it gets the next ones; 0: it has had none */
    int64_t synced_sent[DFS_SERVERS_MAX]; /* of 89, in member order, to see changes */
    uint64_t report_due_ms;
    uint64_t beating_ms;           /* since when, monotonic */
    uint8_t states[DFS_PATHS_MAX]; /* of the paths, as reported */
    bool asking; /* the tracker has been told of states, and has not answered yet */
    bool plain;  /* it may be one that hangs up on that */
    unsigned failures;
};

struct sto_beat {
    unsigned magic;
#define BEAT_MAGIC 0xbea7bea7u
    struct sto_beat_options o;
    int64_t up_time_s;
    pthread_mutex_t lock; /* guards what follows, and every link's peer */
    pthread_cond_t wake;  /* monotonic clock */
    struct sto_identity id;
    bool stop, joined_once;
    uint64_t rejoin;           /* counts requests to join again */
    pthread_mutex_t negotiate; /* one thread a time asks for a source; taken before lock */
    struct link links[DFS_TRACKERS_MAX];
};

static void enter(struct link *l, enum sto_stage to)
{
    ASSERT(sto_stage_may(l->stage, to));
    l->stage = to;
    dfs_log(LOG_DEBUG, "storage.tracker_stage", KV_Z("tracker", l->addr->host),
            KV_U64("port", l->addr->port), KV_Z("stage", sto_stage_name(to)));
}

/* False: the beat stops. */
static bool pause_ms(struct sto_beat *b, uint64_t ms, uint64_t rejoin_seen)
{
    const struct timespec until = dfs_mono_after(ms);
    pthread_mutex_lock(&b->lock);
    while (!b->stop && b->rejoin == rejoin_seen &&
           pthread_cond_timedwait(&b->wake, &b->lock, &until) == 0)
        ;
    bool go_on = !b->stop;
    pthread_mutex_unlock(&b->lock);
    return go_on;
}

static uint64_t rejoin_count(struct sto_beat *b)
{
    pthread_mutex_lock(&b->lock);
    uint64_t n = b->rejoin;
    pthread_mutex_unlock(&b->lock);
    return n;
}

/* False: the beat stops, nothing is asked any more. */
static bool set_calling(struct link *l, bool calling)
{
    pthread_mutex_lock(&l->b->lock);
    bool go_on = !l->b->stop;
    l->calling = calling && go_on;
    pthread_mutex_unlock(&l->b->lock);
    return go_on;
}

static int call(struct link *l, uint8_t cmd, const struct buf *body)
{
    struct str part = body ? buf_str(body) : STR_NULL;
    if (!set_calling(l, true))
        return -ECANCELED;
    int r = dfs_peer_call(l->peer, cmd, 0, &part, body ? 1 : 0, &l->rsp);
    return set_calling(l, false) ? r : -ECANCELED;
}

/* --- joining --------------------------------------------------------------------------------- */

static void tracker_lines(const struct sto_beat *b, struct buf *out)
{
    for (size_t i = 0; i < b->o.trackers.n; i++) {
        char text[DFS_ADDR_TEXT];
        dfs_addr_format(&b->o.trackers.list[i], text);
        buf_addf(out, "%s\n", text);
    }
}

/* What a tracker that does not know us may believe (semantics 4.2, 6). */
static uint8_t claimed_status(const struct sto_identity *id)
{
    if (id->complete)
        return DFS_ST_ACTIVE;
    return id->sync_negotiated ? DFS_ST_WAIT_SYNC : UINT8_MAX;
}

static int join(struct link *l)
{
    struct sto_beat *b = l->b;
    struct dfs_addr remote = *dfs_peer_addr(l->peer);
    struct sto_identity id;
    sto_beat_identity(b, &id);
    struct dfs_join_req m = {
        .port = b->o.port,
        .path_count = b->o.path_count,
        .subdir_count = b->o.subdirs,
        .upload_priority = b->o.upload_priority,
        .join_time = id.join_time_s,
        .up_time = b->up_time_s,
        .version = DFS_PROTOCOL_VERSION,
        .init_flag = !id.sync_negotiated,
        .status = claimed_status(&id),
        .tracker_count = (int64_t)b->o.trackers.n,
    };
    AUTO(buf_free) struct buf body = BUF(ANSWER_MAX);
    int r = dfs_text_set(m.group, sizeof(m.group), str_c(b->o.trackers.group));
    if (r == 0 && b->o.params.use_storage_id)
        r = dfs_text_set(m.id, sizeof(m.id), str_c(id.id));
    if (r == 0)
        r = dfs_text_set(m.tracker_ip, sizeof(m.tracker_ip), str_c(remote.host));
    if (r < 0)
        return r;
    sto_members_joined(b->o.members);
    dfs_join_req_put(&body, &m);
    tracker_lines(b, &body);
    r = buf_err(&body) ? buf_err(&body) : call(l, DFS_CMD_JOIN, &body);
    struct dfs_join_rsp rsp;
    if (r == 0)
        r = dfs_join_rsp_get(buf_str(&l->rsp), &rsp);
    if (r == 0)
        dfs_log(LOG_INFO, "storage.joined", KV_Z("tracker", remote.host),
                KV_U64("port", remote.port), KV_Z("status", dfs_server_status_name(rsp.status)));
    return r;
}

/*
 * Whatever the tracker believes, one that is not complete must not be shown to readers: it says itself that it is
 * waiting for its files (59), which heartbeats do not change (semantics 7).
 */
static int hide_incomplete(struct link *l)
{
    struct sto_identity id;
    sto_beat_identity(l->b, &id);
    if (id.complete || !id.sync_negotiated)
        return 0; /* the join said so: it is INIT */
    struct dfs_change_status_req m = {.status = DFS_ST_WAIT_SYNC};
    AUTO(buf_free) struct buf body = BUF(DFS_CHANGE_STATUS_REQ_LEN);
    dfs_change_status_req_put(&body, &m);
    return call(l, DFS_CMD_CHANGE_STATUS, &body);
}

/* --- agreeing on a source (6.7) ------------------------------------------------------------------ */

static int save_identity(struct sto_beat *b, const struct sto_identity *id)
{
    pthread_mutex_lock(&b->lock);
    b->id = *id;
    pthread_mutex_unlock(&b->lock);
    sto_members_set_whole(b->o.members, id->whole);
    return sto_identity_save(b->o.identity_path, id);
}

/* 87. -EAGAIN: nobody can be named yet. */
static int need_source(struct link *l, struct sto_identity *id)
{
    struct dfs_sync_record rec = {.until = 0};
    int r = call(l, DFS_CMD_NEED_SYNC_SOURCE, NULL);
    if (r == -ENOENT)
        return -EAGAIN;
    if (r == 0 && l->rsp.n > 0)
        r = dfs_sync_record_get(buf_str(&l->rsp), &rec);
    if (r == 0)
        r = dfs_text_set(id->sync_source, sizeof(id->sync_source), str_c(rec.source_id));
    if (r < 0)
        return r;
    id->sync_until_s = rec.until;
    id->sync_negotiated = true;
    id->complete = id->whole = rec.source_id[0] == '\0';
    dfs_log(LOG_INFO, "storage.sync_source",
            KV_Z("source", rec.source_id[0] ? rec.source_id : "none"));
    return save_identity(l->b, id);
}

/* One that has not met it yet is no reason to ask for another, or we might be told that we are the first. */
static bool source_is_gone(const struct sto_beat *b)
{
    for (size_t i = 0; i < b->o.trackers.n; i++)
        if (b->links[i].source != SOURCE_UNKNOWN && b->links[i].source != SOURCE_AWAY)
            return false;
    return true;
}

/* 88. -EAGAIN: the tracker does not know the source; when none does, another one will be asked for. */
static int notify_source(struct link *l, struct sto_identity *id)
{
    if (!id->complete && !id->sync_source[0])
        return 0; /* it fills from whoever has its files; "none" would mean that it needs nobody */
    struct dfs_sync_record rec = {.until = id->sync_until_s};
    AUTO(buf_free) struct buf body = BUF(DFS_SYNC_RECORD_LEN);
    /* Once complete, what we once copied from does not matter any more. */
    if (!id->complete)
        memcpy(rec.source_id, id->sync_source, sizeof(id->sync_source));
    else
        rec.until = 0;
    dfs_sync_record_put(&body, &rec);
    int r = call(l, DFS_CMD_NOTIFY_SYNC_SOURCE, &body);
    if (r == 0)
        l->source = SOURCE_KNOWN;
    if (r != -ENOENT || id->complete)
        return r == -ENOENT ? 0 : r;
    l->source = SOURCE_UNKNOWN;
    if (!source_is_gone(l->b))
        return -EAGAIN;
    id->sync_negotiated = false;
    r = save_identity(l->b, id);
    return r < 0 ? r : -EAGAIN;
}

static int negotiate(struct link *l)
{
    struct sto_identity id;
    pthread_mutex_lock(&l->b->negotiate);
    sto_beat_identity(l->b, &id);
    int r = id.sync_negotiated ? 0 : need_source(l, &id);
    if (r == 0)
        r = notify_source(l, &id);
    pthread_mutex_unlock(&l->b->negotiate);
    return r;
}

/* --- beating ------------------------------------------------------------------------------------ */

/*
 * On disk before anybody acts on it: when another one comes, writes need it from then on, whoever starts anew. A disk that
 * does not take it is no reason to leave the group: the next notice tries again.
 */
static void note_alone(struct sto_beat *b, const struct sto_notice *n)
{
    struct sto_identity id;
    bool alone = true;
    sto_beat_identity(b, &id);
    for (size_t i = 0; i < n->member_count && alone; i++)
        alone = dfs_server_left(n->members[i].status) || strcmp(n->members[i].id, id.id) == 0;
    if (alone == id.alone)
        return;
    pthread_mutex_lock(&b->negotiate);
    sto_beat_identity(b, &id);
    id.alone = alone;
    int r = save_identity(b, &id);
    if (r < 0) {
        dfs_log(LOG_ERROR, "storage.identity_not_saved", KV_ERR(r));
        pthread_mutex_lock(&b->lock);
        b->id.alone = !alone;
        pthread_mutex_unlock(&b->lock);
    }
    pthread_mutex_unlock(&b->negotiate);
}

static int hear_notice(struct link *l)
{
    struct sto_notice n;
    int r = sto_notice_parse(buf_str(&l->rsp), &n);
    if (r == 0 && n.has_members)
        note_alone(l->b, &n);
    if (r == 0 && n.has_trunk_server)
        sto_members_set_trunk_server(l->b->o.members, n.trunk_server.id);
    if (r == 0 && n.has_members)
        sto_members_update(l->b->o.members, n.members, n.member_count);
    return r;
}

/*
 * Only a leader sends notices. While there is none, as a majority of the trackers is away, and we have started since, this
 * one's list has to do: or we would copy nothing from the others, and what they take would wait for us in vain.
 */
static void hear_list(struct link *l)
{
    AUTO(dfs_free_ptr) struct dfs_storage_detail *all = NULL;
    struct dfs_brief list[DFS_SERVERS_MAX];
    size_t n = 0;
    if (l->stage != STO_STAGE_BEATING || sto_members_told(l->b->o.members) ||
        dfs_mono_ms() - l->beating_ms < UNTOLD_MS || !set_calling(l, true))
        return;
    int r = sto_tracker_list(l->peer, l->b->o.trackers.group, 0, &l->rsp, &all, &n);
    (void)!set_calling(l, false);
    n = r < 0 ? 0 : MIN(n, ARRAY_LEN(list)); /* a connection that has ended is the next call's */
    for (size_t i = 0; i < n; i++) {
        list[i] = (struct dfs_brief){.status = all[i].status, .port = (int32_t)all[i].port};
        memcpy(list[i].id, all[i].id, sizeof(list[i].id));
        memcpy(list[i].ip, all[i].ip, sizeof(list[i].ip));
    }
    sto_members_hearsay(l->b->o.members, list, n);
}

static int beat(struct link *l)
{
    struct dfs_stat_block now;
    AUTO(buf_free) struct buf body = BUF(DFS_STAT_BLOCK_LEN);
    uint8_t bytes[DFS_STAT_BLOCK_LEN];
    l->b->o.stats(l->b->o.arg, &now);
    dfs_stat_block_put(&body, &now);
    if (buf_err(&body))
        return buf_err(&body);
    memcpy(bytes, body.p, sizeof(bytes));
    uint64_t sent_ms = dfs_mono_ms();
    bool stats = !l->stats_due_ms ||
                 (sent_ms >= l->stats_due_ms && memcmp(bytes, l->sent, sizeof(bytes)) != 0);
    if (!stats)
        buf_reset(&body);
    int r = call(l, DFS_CMD_BEAT, &body);
    if (r < 0)
        return r;
    sto_members_beaten(l->b->o.members, (unsigned)(l - l->b->links), sent_ms);
    if (stats) {
        memcpy(l->sent, bytes, sizeof(bytes));
        l->stats_due_ms = sent_ms + l->b->o.beat_ms;
    }
    r = hear_notice(l);
    if (r == 0)
        hear_list(l);
    return r < 0 ? r : call(l, DFS_CMD_CHANGE_LOG, NULL);
}

static void states(const struct sto_beat *b, uint8_t ret[DFS_PATHS_MAX])
{
    memset(ret, 0, DFS_PATHS_MAX);
    for (unsigned i = 0; i < b->o.path_count; i++)
        ret[i] = b->o.state(b->o.arg, i);
}

static bool any_slow(const struct link *l)
{
    unsigned slow = 0;
    for (unsigned i = 0; i < l->b->o.path_count; i++)
        slow |= l->states[i] & DFS_PATH_SLOW;
    return slow != 0;
}

/*
 * With the states behind FastDFS's part when a path is slow. A tracker of FastDFS's, or of an earlier build, does not know
 * them: it says EINVAL and hears the rest, or hangs up and is not told in the next session.
 */
static int send_usage(struct link *l, struct buf *body)
{
    size_t usage = body->n;
    if (!any_slow(l) || l->plain)
        return call(l, DFS_CMD_DISK_USAGE, body);
    buf_add(body, l->states, l->b->o.path_count);
    l->asking = true;
    int r = call(l, DFS_CMD_DISK_USAGE, body);
    l->asking = r < 0 && r != -EINVAL;
    if (r != -EINVAL)
        return r;
    body->n = usage;
    return call(l, DFS_CMD_DISK_USAGE, body);
}

static int report_usage(struct link *l)
{
    AUTO(buf_free) struct buf body = BUF(DFS_PATHS_MAX * (DFS_PATH_USAGE_LEN + 1));
    states(l->b, l->states);
    for (unsigned i = 0; i < l->b->o.path_count; i++) {
        struct dfs_path_usage u = {0, 0};
        l->b->o.usage(l->b->o.arg, i, &u);
        dfs_path_usage_put(&body, &u);
    }
    int r = buf_err(&body) ? buf_err(&body) : send_usage(l, &body);
    return r < 0 ? r : hear_notice(l);
}

/* 89: the newest operation of each other server that has arrived here. */
static int report_synced(struct link *l)
{
    struct sto_member peers[DFS_SERVERS_MAX];
    size_t n = sto_members_peers(l->b->o.members, peers);
    int64_t now[DFS_SERVERS_MAX] = {0};
    AUTO(buf_free) struct buf body = BUF(DFS_SERVERS_MAX * DFS_SYNC_TIMESTAMP_LEN);
    for (size_t i = 0; i < n; i++) {
        struct dfs_sync_timestamp t = {.timestamp = (int32_t)peers[i].synced_s};
        now[i] = peers[i].synced_s;
        memcpy(t.source_id, peers[i].id, sizeof(t.source_id));
        dfs_sync_timestamp_put(&body, &t);
    }
    if (n == 0 || memcmp(now, l->synced_sent, sizeof(now)) == 0)
        return 0;
    int r = call(l, DFS_CMD_SYNC_TIMESTAMPS, &body);
    if (r < 0)
        return r;
    memcpy(l->synced_sent, now, sizeof(now));
    return hear_notice(l);
}

/* The disks go first: either makes us ACTIVE (6.2, 6.3), and who is shown as that takes files. */
static int beat_once(struct link *l)
{
    int r = 0;
    if (dfs_mono_ms() >= l->report_due_ms) {
        r = report_usage(l);
        l->report_due_ms = dfs_mono_ms() + MIN(l->b->o.report_ms, (uint64_t)SPACE_MS);
    }
    if (r == 0)
        r = beat(l);
    return r < 0 ? r : report_synced(l);
}

static void tell_joined(struct sto_beat *b)
{
    pthread_mutex_lock(&b->lock);
    bool first = !b->joined_once;
    b->joined_once = true;
    pthread_mutex_unlock(&b->lock);
    if (first && b->o.joined)
        b->o.joined(b->o.arg);
}

/* --- a session ------------------------------------------------------------------------------------ */

static void set_peer(struct link *l, struct dfs_peer *p)
{
    pthread_mutex_lock(&l->b->lock);
    l->peer = p;
    pthread_mutex_unlock(&l->b->lock);
}

/* The cluster's settings are taken over at start only (semantics 3); a change is worth a line. */
static int compare_params(struct link *l)
{
    struct sto_params now;
    memset(&now, 0, sizeof(now));
    sto_params_init(&now);
    int r = sto_tracker_params(l->peer, &now, &l->rsp);
    if (r == 0 && !sto_params_eq(&now, &l->b->o.params))
        dfs_log(LOG_WARN, "storage.params_changed", KV_Z("action", "restart to apply"));
    return r;
}

/* A leader tells with its answers who is in service, and writes wait for those. */
static uint64_t every_ms(const struct sto_beat *b)
{
    return MIN(b->o.beat_ms, (uint64_t)NEWS_MS);
}

/* Until the next beat, or the state of a path has changed. False: the beat stops. */
static bool pause_beating(struct link *l, uint64_t seen)
{
    struct sto_beat *b = l->b;
    const uint64_t until = dfs_mono_ms() + every_ms(b);
    uint8_t now_states[DFS_PATHS_MAX];
    for (uint64_t now; (now = dfs_mono_ms()) < until && rejoin_count(b) == seen;) {
        if (!pause_ms(b, MIN(until - now, (uint64_t)LOOK_MS), seen))
            return false;
        states(b, now_states);
        if (memcmp(now_states, l->states, sizeof(now_states)) != 0) {
            l->report_due_ms = 0;
            break;
        }
    }
    return true;
}

static int session(struct link *l)
{
    struct sto_beat *b = l->b;
    uint64_t seen = rejoin_count(b);
    enter(l, STO_STAGE_CONNECTED);
    l->source = SOURCE_UNHEARD;
    l->stats_due_ms = 0;
    l->report_due_ms = 0;
    l->plain = l->asking;
    l->asking = false;
    memset(l->synced_sent, 0, sizeof(l->synced_sent));
    int r = compare_params(l);
    if (r == 0)
        r = join(l);
    if (r == 0)
        r = hide_incomplete(l);
    if (r < 0)
        return r;
    enter(l, STO_STAGE_JOINED);
    while ((r = negotiate(l)) == -EAGAIN) {
        /* Beat meanwhile, or the tracker takes us for dead. */
        r = beat_once(l);
        if (r < 0)
            return r;
        if (!pause_ms(b, every_ms(b), seen))
            return 0;
    }
    if (r < 0)
        return r;
    enter(l, STO_STAGE_BEATING);
    l->beating_ms = dfs_mono_ms();
    while ((r = beat_once(l)) == 0) {
        l->failures = 0;
        tell_joined(b);
        if (!pause_beating(l, seen) || rejoin_count(b) != seen)
            return 0;
    }
    return r;
}

/*
 * One that has lost its power and is back knows nobody before we join again, and a beat that it has not got is sent again
 * after ever longer pauses, until network_timeout. A tracker that stands still is waited for: its machine has got it.
 */
static void notice_lost_tracker(const struct dfs_peer *p)
{
    const unsigned ms = UNHEARD_MS;
    (void)setsockopt(dfs_peer_fd(p), IPPROTO_TCP, TCP_USER_TIMEOUT, &ms, sizeof(ms));
}

static void *link_main(void *arg)
{
    struct link *l = arg;
    struct sto_beat *b = l->b;
    bool go_on = true;
    while (go_on) {
        uint64_t seen = rejoin_count(b);
        struct dfs_peer *p = NULL;
        int r = dfs_peer_open(l->addr, &b->o.trackers.net, &p);
        if (r == 0) {
            notice_lost_tracker(p);
            set_peer(l, p);
            r = session(l);
            sto_members_unheard(b->o.members, (unsigned)(l - b->links));
            set_peer(l, NULL);
            dfs_peer_free(&p);
            if (l->stage != STO_STAGE_AWAY)
                enter(l, STO_STAGE_AWAY);
        }
        if (r < 0) {
            l->source = SOURCE_AWAY;
            if (l->failures++ == 0 && r != -ECANCELED)
                dfs_log(LOG_WARN, "storage.tracker_lost", KV_Z("tracker", l->addr->host),
                        KV_U64("port", l->addr->port), KV_ERR(r));
            uint32_t noise = (uint32_t)(dfs_mono_us() * 2654435761u >> 8);
            go_on = pause_ms(b, sto_stage_backoff(l->failures, AWAY_MAX_MS, noise), seen);
        } else {
            go_on = pause_ms(b, 0, seen);
        }
    }
    enter(l, STO_STAGE_STOPPED);
    return NULL;
}

int sto_beat_start(const struct sto_beat_options *o, struct sto_beat **ret)
{
    ASSERT(o->trackers.n > 0 && o->trackers.n <= DFS_TRACKERS_MAX);
    struct sto_beat *b = dfs_zalloc(sizeof(*b));
    if (!b)
        return -ENOMEM;
    b->magic = BEAT_MAGIC;
    b->o = *o;
    b->id = o->identity;
    b->up_time_s = dfs_now_s();
    dfs_cond_init(&b->wake);
    pthread_mutex_init(&b->lock, NULL);
    pthread_mutex_init(&b->negotiate, NULL);
    sto_members_lease(o->members, MIN(o->params.check_active_s, (uint64_t)LEASE_MAX_S) * LEASE_MS);
    int r = 0;
    for (size_t i = 0; i < o->trackers.n && r == 0; i++) {
        struct link *l = &b->links[i];
        l->b = b;
        l->addr = &o->trackers.list[i];
        l->rsp = BUF(ANSWER_MAX);
        r = -pthread_create(&l->thread, NULL, link_main, l);
        l->started = r == 0;
    }
    if (r < 0)
        sto_beat_stop(&b);
    else
        *ret = b;
    return r;
}

void sto_beat_stop(struct sto_beat **bp)
{
    struct sto_beat *b = TAKE(*bp);
    if (!b)
        return;
    CHECK_OBJ(b, BEAT_MAGIC);
    pthread_mutex_lock(&b->lock);
    b->stop = true;
    for (size_t i = 0; i < ARRAY_LEN(b->links); i++)
        if (b->links[i].calling) /* the others say QUIT */
            shutdown(dfs_peer_fd(b->links[i].peer), SHUT_RDWR);
    pthread_mutex_unlock(&b->lock);
    pthread_cond_broadcast(&b->wake);
    for (size_t i = 0; i < ARRAY_LEN(b->links); i++) {
        if (b->links[i].started)
            pthread_join(b->links[i].thread, NULL);
        buf_free(&b->links[i].rsp);
    }
    pthread_cond_destroy(&b->wake);
    pthread_mutex_destroy(&b->lock);
    pthread_mutex_destroy(&b->negotiate);
    b->magic = 0;
    free(b);
}

void sto_beat_identity(struct sto_beat *b, struct sto_identity *ret)
{
    CHECK_OBJ(b, BEAT_MAGIC);
    pthread_mutex_lock(&b->lock);
    *ret = b->id;
    pthread_mutex_unlock(&b->lock);
}

int sto_beat_set_complete(struct sto_beat *b, bool whole)
{
    CHECK_OBJ(b, BEAT_MAGIC);
    struct sto_identity id;
    pthread_mutex_lock(&b->negotiate);
    sto_beat_identity(b, &id);
    id.complete = true;
    id.whole = whole;
    int r = save_identity(b, &id);
    pthread_mutex_unlock(&b->negotiate);
    return r;
}

void sto_beat_rejoin(struct sto_beat *b)
{
    CHECK_OBJ(b, BEAT_MAGIC);
    pthread_mutex_lock(&b->lock);
    b->rejoin++;
    pthread_mutex_unlock(&b->lock);
    pthread_cond_broadcast(&b->wake);
}
