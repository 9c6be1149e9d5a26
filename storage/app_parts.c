/* SPDX-License-Identifier: Apache-2.0 */
/* The parts of a storage server, how they are wired, and in which order they start and stop. */
#include <stdio.h>
#include <stdlib.h>
#include <sys/statvfs.h>

#include "dfscore/base/atonce.h"
#include "dfscore/client/group_view.h"
#include "dfscore/log/log.h"
#include "dfscore/net/peer.h"
#include "dfscore/wire/internal.h"
#include "storage/app.h"
#include "storage/beat/drained.h"
#include "storage/service/internal.h"
#include "storage/service/logs.h"
#include "storage/service/mover.h"
#include "storage/sync/scrub.h"
#include "storage/trunk/store.h"

enum {
    GRACE_MS = 10000,
    COPIES_GRACE_MS = 500,
    MISSING_MS = 3000,   /* what a reader missed here may be on its way that long */
    QUICK_MS = 1000,     /* of a question to a tracker while a client waits */
    IDLE_MAX = 64,       /* connections to other groups that are kept, */
    IDLE_MS = 30 * 1000, /* for so long */
};

int sto_app_say(const char *what, int r)
{
    fprintf(stderr, "dfs_storaged: %s: %s\n", what, strerror(-r));
    return EXIT_FAILURE;
}

static int open_store(struct sto_app *a)
{
    struct sto_path_options paths[STO_PATHS_MAX];
    size_t n = a->conf.store_path.n;
    const struct sto_params *p = &a->params;
    ASSERT(n > 0); /* base_path, when nothing else was said: storage_conf.c */
    for (size_t i = 0; i < n; i++)
        paths[i] = (struct sto_path_options){.dir = a->conf.store_path.v[i],
                                             .read_only = sto_conf_path_readonly(&a->conf, i)};
    struct sto_store_options o = {
        .group = a->conf.group_name,
        .storage_id = p->use_storage_id && p->id_in_name ? a->identity.id : a->identity.ip,
        .paths = paths,
        .path_count = (unsigned)n,
        .subdirs = (unsigned)a->conf.subdir_count,
        .reserve_bytes = p->reserved_mb * 1024 * 1024 / n,
        .reserve_permyriad = p->reserved_permyriad,
        .segment_size = (uint32_t)MIN(MAX(p->trunk_size, UINT64_C(1) << 20), UINT64_C(1) << 30),
        .use_trunk = p->use_trunk,
        .slot_max = (uint32_t)sto_service_slot_max(p),
        .store_most_free = p->path_most_free,
        .relaxed = a->conf.durability == STO_DURABILITY_RELAXED,
        .slow_ms = a->conf.slow_disk_ms,
    };
    unsigned bad = 0;
    int r = sto_store_open(&o, &a->store, &bad);
    if (r < 0)
        fprintf(stderr, "dfs_storaged: store path %s: %s\n", bad < n ? paths[bad].dir : "?",
                strerror(-r));
    return r;
}

static void set_drained(void *arg, unsigned path, bool drained)
{
    struct sto_app *a = arg;
    sto_store_drain(a->store, path, drained);
}

/* Before anybody can write. */
static int learn_drained(struct sto_app *a)
{
    struct sto_drained_options o = {
        .trackers = a->ask,
        .path = a->drained_path,
        .path_count = (unsigned)a->conf.store_path.n,
        .set = set_drained,
        .arg = a,
    };
    return sto_drained_start(&o, &a->drained);
}

static void stats(void *arg, struct dfs_stat_block *ret)
{
    struct sto_app *a = arg;
    sto_service_stats(a->service, ret);
}

static void usage_of_path(void *arg, unsigned path, struct dfs_path_usage *ret)
{
    struct sto_app *a = arg;
    struct statvfs v;
    if (statvfs(a->conf.store_path.v[path], &v) < 0 || sto_store_unfit(a->store, path))
        return; /* no disk: the trackers place no file here, and it does not count as full */
    ret->total_mb = (int64_t)(v.f_blocks * v.f_frsize >> 20);
    ret->free_mb = (int64_t)(v.f_bavail * v.f_frsize >> 20);
}

static uint8_t state_of_path(void *arg, unsigned path)
{
    struct sto_app *a = arg;
    uint32_t incoming;
    return sto_path_flags(a->store, path, &incoming);
}

static void joined(void *arg)
{
    struct sto_app *a = arg;
    printf("ready port=%u\n", sto_service_port(a->service));
    fflush(stdout);
}

static struct sto_trackers quick_trackers(const struct sto_app *a)
{
    struct sto_trackers quick = a->ask;
    quick.net.connect_ms = MIN(quick.net.connect_ms, (uint64_t)QUICK_MS);
    quick.net.timeout_ms = MIN(quick.net.timeout_ms, (uint64_t)QUICK_MS);
    return quick;
}

static bool all_known(void *arg)
{
    const struct sto_app *a = arg;
    const struct sto_trackers quick = quick_trackers(a);
    return sto_tracker_all_known(&quick, a->members);
}

static int start_service(struct sto_app *a)
{
    struct sto_service_options o = {
        .bound = &a->bound,
        .addr = a->listen,
        .allow = a->allow,
        .peers = a->peer_hosts,
        .native = (enum sto_native)a->conf.native_clients,
        .native_hosts = a->native_hosts,
        .may_remove_s3 = a->conf.native_may_remove_s3,
        .secret = a->secret,
        .tls = a->tls,
        .tls_required = a->tls && a->conf.tls_mode == DFS_TLS_REQUIRED,
        .tls_out = a->ask.net.tls,
        .internal = a->internal,
        .store = a->store,
        .members = a->members,
        .all_known = all_known,
        .all_known_arg = a,
        .mirrors = a->mirrors,
        .followers = a->followers,
        .copies = a->copies,
        .repair = a->repair,
        .scrub = a->scrub,
        .cluster = a->cluster,
        .mover = a->mover,
        .params = a->params,
        .max_connections = (uint32_t)a->conf.max_connections,
        .net_threads = (unsigned)a->conf.work_threads,
        .reader_threads = (unsigned)a->conf.disk_reader_threads,
        .writer_threads = (unsigned)a->conf.disk_writer_threads,
        .stall_ms = a->conf.network_timeout_ms,
        .connect_ms = a->conf.connect_timeout_ms,
    };
    int r = sto_service_start(&o, &a->service);
    if (r == 0)
        sto_members_self(a->members, a->identity.id, a->identity.ip, sto_service_port(a->service));
    return r;
}

static int start_beat(struct sto_app *a)
{
    struct sto_beat_options o = {
        .trackers = a->ask,
        .members = a->members,
        .identity_path = a->identity_path,
        .identity = a->identity,
        .params = a->params,
        .port = sto_service_port(a->service),
        .path_count = (unsigned)a->conf.store_path.n,
        .subdirs = (unsigned)a->conf.subdir_count,
        .upload_priority = a->conf.upload_priority,
        .beat_ms = a->conf.heart_beat_interval_ms,
        .report_ms = a->conf.stat_report_interval_ms,
        .stats = stats,
        .usage = usage_of_path,
        .state = state_of_path,
        .joined = joined,
        .arg = a,
    };
    return sto_beat_start(&o, &a->beat);
}

/*
 * Every member in service has been caught up with: the trackers may show us to readers. Not before they have
 * named a source (or none): what they say then would make us incomplete again.
 */
static void caught_up(void *arg, bool with_all)
{
    struct sto_app *a = arg;
    struct sto_identity id;
    sto_beat_identity(a->beat, &id);
    if (!id.sync_negotiated || (id.complete && (id.whole || !with_all)))
        return;
    if (!id.complete)
        dfs_log(LOG_INFO, "storage.complete", KV_U64("whole", with_all));
    int r = sto_beat_set_complete(a->beat, with_all);
    if (r < 0)
        dfs_log(LOG_ERROR, "storage.identity_not_saved", KV_ERR(r));
    if (!id.complete)
        sto_beat_rejoin(a->beat);
}

static int start_sync(struct sto_app *a)
{
    struct sto_sync_options o = {
        .store = a->store,
        .mirrors = a->mirrors,
        .members = a->members,
        .followers = a->followers,
        .group = a->conf.group_name,
        .own_id = a->identity.id,
        .net = a->ask.net,
        .cluster = a->cluster,
        .wait_ms = a->conf.sync_wait_ms,
        .caught_up = caught_up,
        .arg = a,
    };
    return sto_sync_start(&o, &a->sync);
}

/* A disk that came back empty: what was complete is so no more, and must not be read before it is. */
static int notice_lost_paths(struct sto_app *a)
{
    bool fresh = false;
    for (unsigned i = 0; i < sto_store_path_count(a->store); i++)
        fresh = fresh || sto_store_fresh(a->store, i);
    if (!fresh || !a->identity.complete)
        return 0;
    dfs_log(LOG_WARN, "storage.path_empty", KV_Z("action", "refilling from the group"));
    a->identity.complete = a->identity.whole = false;
    memset(a->identity.sync_source, 0, sizeof(a->identity.sync_source));
    return sto_identity_save(a->identity_path, &a->identity);
}

/* Is there a disk of @m that takes no writes, or is slow? Builds that do not know the question are taken to have none. */
static void ask_for_disks(struct sto_app *a, const struct sto_member *m,
                          const struct dfs_peer_opts *net)
{
    enum { ANSWER_MAX = 1 + DFS_PATHS_MAX * (1 + 4) };
    struct dfs_path_view paths[DFS_PATHS_MAX];
    struct dfs_addr addr = {.port = m->port};
    AUTO(dfs_peer_free) struct dfs_peer *p = NULL;
    AUTO(buf_free) struct buf rsp = BUF(ANSWER_MAX);
    unsigned n = 0;
    (void)snprintf(addr.host, sizeof(addr.host), "%s", m->ip);
    if (dfs_peer_open(&addr, net, &p) < 0 ||
        dfs_peer_call(p, DFS_INT_PATHS, 0, NULL, 0, &rsp) < 0 ||
        dfs_decode_paths(buf_str(&rsp), paths, &n) < 0)
        return;
    for (unsigned i = 0; i < MIN(n, sto_store_path_count(a->store)); i++)
        if (paths[i].unfit)
            sto_followers_unfit(a->followers, m->id, i);
        else if (paths[i].slow)
            sto_store_copies_lag(a->store, i);
}

struct questions {
    struct sto_app *a;
    const struct dfs_peer_opts *net;
    struct sto_member whom[DFS_SERVERS_MAX];
    unsigned n;
};

static void ask_one(void *arg, unsigned i)
{
    const struct questions *q = arg;
    ask_for_disks(q->a, &q->whom[i], q->net);
}

/*
 * A write waits for a member that the leader tracker calls ACTIVE. It may have died this second, and the
 * leader with it: whoever no tracker calls ACTIVE is not waited for. Nor is one whose disk has failed. Whom the leader calls
 * OFFLINE another tracker may hear.
 */
static void ask_who_is_fit(void *arg)
{
    struct sto_app *a = arg;
    const struct sto_trackers quick = quick_trackers(a);
    struct sto_member peers[DFS_SERVERS_MAX];
    char active[DFS_TRACKERS_MAX * DFS_SERVERS_MAX][DFS_ID_MAX + 1];
    size_t n = 0, count = sto_members_peers(a->members, peers);
    bool known = sto_tracker_active(&quick, active, ARRAY_LEN(active), &n) == 0;
    struct questions q = {.a = a, .net = &quick.net};
    for (size_t i = 0; i < count; i++) {
        size_t at = 0;
        while (at < n && strcmp(active[at], peers[i].id) != 0)
            at++;
        if (peers[i].status != DFS_ST_ACTIVE && peers[i].status != DFS_ST_OFFLINE)
            continue;
        if (known && at == n)
            sto_followers_gone(a->followers, peers[i].id);
        else if (peers[i].status == DFS_ST_ACTIVE)
            q.whom[q.n++] = peers[i];
    }
    dfs_at_once(q.n, ask_one, &q); /* one that hangs holds up no other one, nor the writes */
}

static int start_copies(struct sto_app *a)
{
    struct sto_copies_options o = {
        .store = a->store,
        .members = a->members,
        .followers = a->followers,
        .min = a->conf.copies,
        .timeout_ms = a->conf.copy_timeout_ms,
        .stuck = ask_who_is_fit,
        .arg = a,
    };
    int r = sto_copies_new(&o, &a->copies);
    return r < 0 ? r : sto_copies_start(a->copies);
}

static int start_repair(struct sto_app *a)
{
    struct sto_repair_options o = {
        .store = a->store,
        .mirrors = a->mirrors,
        .members = a->members,
        .group = a->conf.group_name,
        .net = a->ask.net,
        .missing_ms = MISSING_MS,
    };
    int r = sto_repair_new(&o, &a->repair);
    if (r < 0)
        return r;
    const struct sto_scrub_options s = {
        .store = a->store,
        .mirrors = a->mirrors,
        .repair = a->repair,
        .state_path = a->scrub_path,
        .rate = a->conf.scrub_rate,
        .interval_ms = a->conf.scrub_interval_ms,
    };
    return sto_scrub_start(&s, &a->scrub);
}

/* What goes to other groups, and what has gone there. */
static int start_mover(struct sto_app *a)
{
    const struct dfs_client_opts c = {
        .trackers = a->ask.list,
        .n_trackers = a->ask.n,
        .pool = {.peer = a->ask.net, .max_idle = IDLE_MAX, .idle_ms = IDLE_MS},
    };
    int r = dfs_client_new(&c, &a->cluster);
    const struct sto_mover_options o = {
        .store = a->store,
        .mirrors = a->mirrors,
        .members = a->members,
        .cluster = a->cluster,
        .repair = a->repair,
        .rate = a->conf.rebalance_rate,
    };
    return r < 0 ? r : sto_mover_start(&o, &a->mover);
}

static int start_state(struct sto_app *a)
{
    int r = notice_lost_paths(a);
    if (r == 0)
        r = sto_members_new(&a->members);
    if (r == 0)
        sto_members_set_whole(a->members, a->identity.whole);
    if (r == 0 && a->identity.alone)
        sto_members_were_alone(a->members);
    if (r == 0)
        r = sto_mirrors_open(a->store, a->identity.id, &a->mirrors);
    if (r == 0)
        r = sto_followers_new(a->store, a->mirrors, a->members, &a->followers);
    if (r == 0)
        r = start_repair(a);
    if (r == 0)
        r = start_mover(a);
    return r < 0 ? r : start_copies(a);
}

int sto_app_say_listen(const struct sto_app *a, int r)
{
    char where[2 * DFS_ADDR_TEXT + 32];
    snprintf(where, sizeof(where), "cannot listen on %s port %lld",
             a->conf.bind_addr[0] ? a->conf.bind_addr : "all addresses", (long long)a->conf.port);
    return sto_app_say(where, r);
}

int sto_app_start(struct sto_app *a)
{
    int r = open_store(a);
    if (r < 0)
        return EXIT_FAILURE;
    r = start_state(a);
    if (r < 0)
        return sto_app_say("cannot read the state of replication", r);
    r = learn_drained(a);
    if (r < 0)
        return sto_app_say(a->drained_path, r);
    struct sto_internal_options io = {.socket_path = a->socket_path,
                                      .store = a->store,
                                      .copies = a->copies,
                                      .mirrors = a->mirrors,
                                      .repair = a->repair,
                                      .scrub = a->scrub,
                                      .cluster = a->cluster,
                                      .stall_ms = a->conf.network_timeout_ms};
    r = sto_internal_start(&io, &a->internal);
    if (r < 0)
        return sto_app_say(a->socket_path, r);
    r = start_service(a);
    if (r < 0)
        return sto_app_say_listen(a, r);
    r = start_beat(a);
    if (r == 0)
        r = start_sync(a);
    return r < 0 ? sto_app_say("cannot start", r) : 0;
}

void sto_app_stop(struct sto_app *a)
{
    sto_sync_stop(&a->sync);
    sto_beat_stop(&a->beat);
    sto_drained_stop(&a->drained);
    sto_copies_hurry(a->copies, COPIES_GRACE_MS); /* its followers are on their way out too */
    sto_service_stop(&a->service, GRACE_MS);
    sto_internal_stop(&a->internal);
    sto_scrub_stop(&a->scrub); /* this and the next are asked about until here */
    sto_mover_stop(&a->mover);
    dfs_client_free(&a->cluster);
    sto_copies_free(&a->copies);
    sto_repair_free(&a->repair);
    sto_followers_free(&a->followers);
    sto_mirrors_close(&a->mirrors);
    sto_store_close(&a->store);
    sto_members_free(&a->members);
}
