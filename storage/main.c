/* SPDX-License-Identifier: Apache-2.0 */
/*
 * dfs_storaged - the storage server. Reads the settings, opens what they name, wires the parts.
 *
 *   1  configuration, log, lock of base_path
 *   2  who are we? From a tracker, or as kept from last time when no tracker answers
 *   3  engine, gateway socket, network, beat, replication
 *   4  signals until SIGTERM; then everything in the opposite order
 *
 * Exit codes: 0 stopped by a signal, 1 cannot run, 2 usage or configuration.
 */
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include "dfscore/base/clock.h"
#include "dfscore/base/dirs.h"
#include "dfscore/base/version.h"
#include "dfscore/log/log.h"
#include "storage/beat/beat.h"
#include "storage/beat/drained.h"
#include "storage/beat/stage.h"
#include "storage/disk/savefile.h"
#include "storage/service/internal.h"
#include "storage/service/mover.h"
#include "storage/service/service.h"
#include "storage/storage_conf.h"
#include "storage/sync/scrub.h"
#include "storage/sync/sync.h"
#include "storage/trunk/store.h"

enum {
    EXIT_USAGE = 2,
    GRACE_MS = 10000,
    COPIES_GRACE_MS = 500,
    MISSING_MS = 3000,      /* what a reader missed here may be on its way that long */
    QUICK_MS = 1000,        /* of a question to a tracker while a client waits */
    DISCOVER_MAX_MS = 5000, /* longest pause between two rounds of asking who we are */
    IDLE_MAX = 64,          /* connections to other groups that are kept, */
    IDLE_MS = 30 * 1000,    /* for so long */
    PATH_TEXT = 4096,
};

struct app {
    const char *conf_path;
    struct sto_conf conf;
    int lock_fd;
    struct dfs_bound bound; /* until start_service() */
    struct dfs_addr listen, trackers[DFS_TRACKERS_MAX];
    struct sto_trackers ask;
    struct dfs_allow *allow, *peer_hosts, *native_hosts;
    struct dfs_secret *secret; /* NULL: none */
    struct dfs_tls *tls;       /* NULL: none */
    struct sto_identity identity;
    struct sto_params params;
    struct dfs_loop *loop; /* main thread: signals */
    struct sto_store *store;
    struct sto_internal *internal;
    struct sto_members *members;
    struct sto_mirrors *mirrors;
    struct sto_followers *followers;
    struct sto_copies *copies;
    struct sto_repair *repair;
    struct sto_scrub *scrub;
    struct dfs_client *cluster; /* for files in other groups */
    struct sto_mover *mover;
    struct sto_service *service;
    struct sto_beat *beat;
    struct sto_drained *drained;
    struct sto_sync *sync;
    char identity_path[PATH_TEXT], params_path[PATH_TEXT], socket_path[PATH_TEXT],
        scrub_path[PATH_TEXT], drained_path[PATH_TEXT];
};

static int say(const char *what, int r)
{
    fprintf(stderr, "dfs_storaged: %s: %s\n", what, strerror(-r));
    return EXIT_FAILURE;
}

/* --- 1: configuration ------------------------------------------------------------------------- */

static int make_allow(const struct app *a, const char *key, const struct dfs_conf_list *list,
                      struct dfs_allow **ret)
{
    struct str bad = STR_NULL;
    if (list->n == 0)
        return 0;
    int r = dfs_allow_new(list->v, list->n, ret, &bad);
    if (r < 0)
        fprintf(stderr, "dfs_storaged: %s: %s = " STR_F ": must be addresses or networks\n",
                a->conf_path, key, STR_A(bad));
    return r;
}

static int load_secret(struct app *a)
{
    const char *file = a->conf.cluster_secret_file;
    int r = file[0] ? dfs_secret_load(file, &a->secret) : 0;
    if (r < 0)
        fprintf(stderr, "dfs_storaged: %s: cluster_secret_file = %s: %s\n", a->conf_path, file,
                dfs_secret_error(r));
    a->ask.net.secret = a->secret;
    return r;
}

static void tls_failed(const struct dfs_addr *peer, bool incoming, const char *why)
{
    static struct dfs_log_gate gate;
    if (dfs_log_allow(&gate, 2))
        dfs_log(LOG_WARN, "storage.tls_failed", KV_Z("peer", peer->host),
                KV_U64("port", peer->port), KV_Z("called", incoming ? "us" : "by us"),
                KV_Z("why", why));
}

static int load_tls(struct app *a)
{
    AUTO(buf_free) struct buf err = BUF(4096);
    int r = dfs_tls_new(&a->conf.tls, tls_failed, &a->tls, &err);
    if (r < 0)
        fprintf(stderr, "dfs_storaged: %s: " STR_F "\n", a->conf_path, STR_A(buf_str(&err)));
    if (a->tls && a->conf.tls_mode != DFS_TLS_ACCEPT)
        a->ask.net.tls = a->tls;
    return r;
}

static int understand_conf(struct app *a)
{
    for (size_t i = 0; i < a->conf.tracker_server.n; i++) {
        const char *text = a->conf.tracker_server.v[i];
        if (dfs_addr_parse(str_c(text), 22122, &a->trackers[i]) < 0) {
            fprintf(
                stderr,
                "dfs_storaged: %s: tracker_server = %s: must be host:port, or inner,outer:port\n",
                a->conf_path, text);
            return -EINVAL;
        }
    }
    a->ask = (struct sto_trackers){
        .list = a->trackers,
        .n = a->conf.tracker_server.n,
        .net = {.connect_ms = a->conf.connect_timeout_ms, .timeout_ms = a->conf.network_timeout_ms},
        .group = a->conf.group_name,
    };
    int r = dfs_bind_parse(a->conf.bind_addr, (uint16_t)a->conf.port, &a->listen);
    if (r == 0 && a->listen.host[0])
        a->ask.net.bind_ip = a->conf.bind_addr;
    if (r == 0)
        r = make_allow(a, "allow_hosts", &a->conf.allow_hosts, &a->allow);
    if (r == 0)
        r = make_allow(a, "peer_hosts", &a->conf.peer_hosts, &a->peer_hosts);
    if (r == 0 && a->conf.native_hosts.n > 0)
        r = make_allow(a, "native_hosts", &a->conf.native_hosts, &a->native_hosts);
    if (r == 0)
        r = load_secret(a);
    if (r == 0)
        r = load_tls(a);
    return r;
}

static int open_base(struct app *a)
{
    char dir[PATH_TEXT - 64], lock[PATH_TEXT];
    snprintf(dir, sizeof(dir), "%s/data", a->conf.base_path);
    snprintf(lock, sizeof(lock), "%s/.storaged.lock", dir);
    snprintf(a->identity_path, sizeof(a->identity_path), "%s/.data_init_flag", dir);
    snprintf(a->scrub_path, sizeof(a->scrub_path), "%s/.scrub", dir);
    snprintf(a->drained_path, sizeof(a->drained_path), "%s/.drained_paths", dir);
    snprintf(a->params_path, sizeof(a->params_path), "%s/.cluster_parameters", dir);
    if (a->conf.socket_path[0])
        snprintf(a->socket_path, sizeof(a->socket_path), "%s", a->conf.socket_path);
    else
        snprintf(a->socket_path, sizeof(a->socket_path), "%s/storage.sock", dir);
    int r = dfs_make_dirs(dir, 0755);
    if (r < 0)
        return r;
    a->lock_fd = open(lock, O_RDWR | O_CREAT | O_CLOEXEC, 0644);
    if (a->lock_fd < 0)
        return -errno;
    return flock(a->lock_fd, LOCK_EX | LOCK_NB) < 0 ? -EBUSY : 0;
}

/* --- 2: who are we ------------------------------------------------------------------------------ */

static int load_kept(struct app *a)
{
    AUTO(buf_free) struct buf text = BUF(STO_PARAMS_TEXT_MAX);
    int r = sto_identity_load(a->identity_path, &a->identity);
    if (r == 0)
        r = sto_savefile_read(a->params_path, &text);
    return r == 0 ? sto_params_parse(buf_str(&text), &a->params) : r;
}

/*
 * Trackers are asked first, since the address may have changed. When none answers we go on with what
 * was kept, so that files are served; on the very first start there is nothing to serve: wait.
 */
static int learn_identity(struct app *a)
{
    sto_params_init(&a->params);
    int kept = load_kept(a);
    if (kept < 0 && kept != -ENOENT)
        return kept;
    for (unsigned failures = 1;; failures++) {
        AUTO(buf_free) struct buf text = BUF(STO_PARAMS_TEXT_MAX);
        int r = sto_tracker_discover(&a->ask, (uint16_t)a->conf.port, a->conf.server_id, &a->params,
                                     &text, &a->identity);
        if (r == 0 && strchr(a->identity.ip, ':') &&
            !(a->params.use_storage_id && a->params.id_in_name)) {
            dfs_log(LOG_ERROR, "storage.address_does_not_fit_names", KV_Z("ip", a->identity.ip),
                    KV_Z("needed",
                         "use_storage_id = true and id_type_in_filename = id in tracker.conf"));
            return -EAFNOSUPPORT;
        }
        if (r == 0 && a->identity.join_time_s == 0)
            a->identity.join_time_s = dfs_now_s();
        if (r == 0)
            r = sto_savefile_write(a->params_path, buf_str(&text));
        if (r == 0)
            return sto_identity_save(a->identity_path, &a->identity);
        if (kept == 0 && a->identity.ip[0]) {
            dfs_log(LOG_WARN, "storage.no_tracker", KV_ERR(r), KV_Z("action", "serving as before"));
            return 0;
        }
        if (failures == 1)
            dfs_log(LOG_WARN, "storage.no_tracker", KV_ERR(r), KV_Z("action", "asking again"));
        usleep((useconds_t)sto_stage_backoff(failures, DISCOVER_MAX_MS, 0) * 1000);
    }
}

/* --- 3: the parts --------------------------------------------------------------------------------- */

static int open_store(struct app *a)
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
        .reserve_percent = p->reserved_permyriad / 100,
        .segment_size = (uint32_t)MIN(MAX(p->trunk_size, UINT64_C(1) << 20), UINT64_C(1) << 30),
        .use_trunk = p->use_trunk,
        .slot_max = (uint32_t)sto_service_slot_max(p),
        .store_most_free = p->path_most_free,
        .relaxed = a->conf.durability == STO_DURABILITY_RELAXED,
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
    struct app *a = arg;
    sto_store_drain(a->store, path, drained);
}

/* Before anybody can write. */
static int learn_drained(struct app *a)
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
    struct app *a = arg;
    sto_service_stats(a->service, ret);
}

static void usage_of_path(void *arg, unsigned path, struct dfs_path_usage *ret)
{
    struct app *a = arg;
    struct statvfs v;
    if (statvfs(a->conf.store_path.v[path], &v) < 0)
        return; /* nothing free: the trackers place no file here */
    ret->total_mb = (int64_t)(v.f_blocks * v.f_frsize >> 20);
    ret->free_mb = (int64_t)(v.f_bavail * v.f_frsize >> 20);
}

static void joined(void *arg)
{
    struct app *a = arg;
    printf("ready port=%u\n", sto_service_port(a->service));
    fflush(stdout);
}

static int start_service(struct app *a)
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

static int start_beat(struct app *a)
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
        .joined = joined,
        .arg = a,
    };
    return sto_beat_start(&o, &a->beat);
}

/*
 * Every member in service has been caught up with: the trackers may show us to readers. Not before they have
 * named a source (or none): what they say then would make us incomplete again.
 */
static void caught_up(void *arg)
{
    struct app *a = arg;
    struct sto_identity id;
    sto_beat_identity(a->beat, &id);
    if (id.complete || !id.sync_negotiated)
        return;
    dfs_log(LOG_INFO, "storage.complete");
    int r = sto_beat_set_complete(a->beat, true);
    if (r < 0)
        dfs_log(LOG_ERROR, "storage.identity_not_saved", KV_ERR(r));
    sto_beat_rejoin(a->beat);
}

static int start_sync(struct app *a)
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
static int notice_lost_paths(struct app *a)
{
    bool fresh = false;
    for (unsigned i = 0; i < sto_store_path_count(a->store); i++)
        fresh = fresh || sto_store_fresh(a->store, i);
    if (!fresh || !a->identity.complete)
        return 0;
    dfs_log(LOG_WARN, "storage.path_empty", KV_Z("action", "refilling from the group"));
    a->identity.complete = false;
    memset(a->identity.sync_source, 0, sizeof(a->identity.sync_source));
    return sto_identity_save(a->identity_path, &a->identity);
}

/*
 * A write waits for a member that the leader tracker calls ACTIVE. It may have died this second, and the
 * leader with it: whoever no tracker calls ACTIVE is not waited for.
 */
static void ask_who_is_active(void *arg)
{
    struct app *a = arg;
    struct sto_trackers quick = a->ask;
    struct sto_member peers[DFS_SERVERS_MAX];
    char active[DFS_TRACKERS_MAX * DFS_SERVERS_MAX][DFS_ID_MAX + 1];
    size_t n = 0, count = sto_members_peers(a->members, peers);
    quick.net.connect_ms = MIN(quick.net.connect_ms, (uint64_t)QUICK_MS);
    quick.net.timeout_ms = MIN(quick.net.timeout_ms, (uint64_t)QUICK_MS);
    if (sto_tracker_active(&quick, active, ARRAY_LEN(active), &n) < 0)
        return; /* nobody knows: as before */
    for (size_t i = 0; i < count; i++) {
        size_t at = 0;
        while (at < n && strcmp(active[at], peers[i].id) != 0)
            at++;
        if (at == n && peers[i].status == DFS_ST_ACTIVE)
            sto_followers_gone(a->followers, peers[i].id);
    }
}

static int start_copies(struct app *a)
{
    struct sto_copies_options o = {
        .store = a->store,
        .members = a->members,
        .followers = a->followers,
        .min = a->conf.copies,
        .timeout_ms = a->conf.copy_timeout_ms,
        .stuck = ask_who_is_active,
        .arg = a,
    };
    int r = sto_copies_new(&o, &a->copies);
    return r < 0 ? r : sto_copies_start(a->copies);
}

static int start_repair(struct app *a)
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
static int start_mover(struct app *a)
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
    };
    return r < 0 ? r : sto_mover_start(&o, &a->mover);
}

static int start_state(struct app *a)
{
    int r = notice_lost_paths(a);
    if (r == 0)
        r = sto_members_new(&a->members);
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

static int say_listen(const struct app *a, int r)
{
    char where[2 * DFS_ADDR_TEXT + 32];
    snprintf(where, sizeof(where), "cannot listen on %s port %lld",
             a->conf.bind_addr[0] ? a->conf.bind_addr : "all addresses", (long long)a->conf.port);
    return say(where, r);
}

static int start_parts(struct app *a)
{
    int r = open_store(a);
    if (r < 0)
        return EXIT_FAILURE;
    r = start_state(a);
    if (r < 0)
        return say("cannot read the state of replication", r);
    r = learn_drained(a);
    if (r < 0)
        return say(a->drained_path, r);
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
        return say(a->socket_path, r);
    r = start_service(a);
    if (r < 0)
        return say_listen(a, r);
    r = start_beat(a);
    if (r == 0)
        r = start_sync(a);
    return r < 0 ? say("cannot start", r) : 0;
}

static void stop_parts(struct app *a)
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

/* --- 4: signals ------------------------------------------------------------------------------------ */

static void set_log(const struct sto_conf *c)
{
    dfs_log_threshold = (enum dfs_log_level)c->log_level;
    int r = c->log_file[0] ? dfs_log_open(c->log_file) : 0;
    if (r < 0)
        dfs_log(LOG_ERROR, "log.open_failed", KV_Z("file", c->log_file), KV_ERR(r));
}

static void reload(struct app *a)
{
    AUTO(buf_free) struct buf err = BUF(4096);
    AUTO(sto_conf_fini) struct sto_conf next = {0};
    int r = sto_conf_load(a->conf_path, &next, &err);
    if (r < 0) {
        dfs_log(LOG_ERROR, "storage.reload_failed", KV_STR("error", buf_str(&err)), KV_ERR(r));
        dfs_tls_renew(a->tls);
        return;
    }
    set_log(&next);
    dfs_tls_renew(a->tls);
    dfs_log(LOG_INFO, "storage.reloaded");
}

static void on_signal(void *arg, int signo)
{
    struct app *a = arg;
    if (signo == SIGHUP)
        reload(a);
    else
        dfs_loop_stop(a->loop);
}

static int serve(struct app *a)
{
    int r = dfs_loop_new("main", &a->loop);
    static const int signals[] = {SIGTERM, SIGINT, SIGHUP};
    for (size_t i = 0; i < ARRAY_LEN(signals) && r == 0; i++)
        r = dfs_loop_on_signal(a->loop, signals[i], on_signal, a);
    if (r < 0)
        return say("event loop", r);
    int status = start_parts(a);
    if (status == 0) {
        dfs_log(LOG_INFO, "storage.started", KV_Z("ip", a->identity.ip), KV_Z("id", a->identity.id),
                KV_U64("port", sto_service_port(a->service)),
                KV_IF(a->tls, KV_I64("certificate_days", dfs_tls_days_left(a->tls))),
                KV_Z("durability", a->conf.durability == STO_DURABILITY_SYNC ? "sync" : "relaxed"));
        r = dfs_loop_run(a->loop);
        status = r < 0 ? say("event loop", r) : EXIT_SUCCESS;
        dfs_log(LOG_INFO, "storage.stopping");
    }
    stop_parts(a);
    return status;
}

static int run(struct app *a)
{
    AUTO(buf_free) struct buf err = BUF(4096);
    int r = sto_conf_load(a->conf_path, &a->conf, &err);
    if (r < 0) {
        if (err.n > 0)
            fprintf(stderr, "dfs_storaged: " STR_F "\n", STR_A(buf_str(&err)));
        else
            say(a->conf_path, r);
        return EXIT_USAGE;
    }
    set_log(&a->conf);
    if (understand_conf(a) < 0)
        return EXIT_USAGE;
    r = open_base(a);
    if (r == -EBUSY) {
        fprintf(stderr, "dfs_storaged: base_path = %s: another storage server is running on it\n",
                a->conf.base_path);
        return EXIT_FAILURE;
    }
    if (r < 0)
        return say(a->conf.base_path, r);
    r = dfs_bound_make(&a->listen, &a->bound); /* what comes may wait for a tracker */
    if (r < 0)
        return say_listen(a, r);
    r = learn_identity(a);
    return r < 0 ? say(a->identity_path, r) : serve(a);
}

static void print_help(void)
{
    puts("usage: dfs_storaged CONF\n"
         "       dfs_storaged --help | --version | --print-config\n"
         "\n"
         "Runs a storage server in the foreground. Prints \"ready port=N\" once it has joined a\n"
         "tracker. SIGTERM finishes requests and stops, SIGHUP applies log settings again\n"
         "and reads the certificate anew.");
}

static int print_config(void)
{
    AUTO(buf_free) struct buf out = BUF(1024 * 1024);
    sto_conf_print(&out);
    if (buf_err(&out))
        return EXIT_FAILURE;
    fwrite(out.p, 1, out.n, stdout);
    return EXIT_SUCCESS;
}

int main(int argc, char **argv)
{
    if (argc == 2 && strcmp(argv[1], "--help") == 0)
        return print_help(), EXIT_SUCCESS;
    if (argc == 2 && strcmp(argv[1], "--version") == 0)
        return printf("dfs_storaged %s\n", dfs_version()), EXIT_SUCCESS;
    if (argc == 2 && strcmp(argv[1], "--print-config") == 0)
        return print_config();
    if (argc != 2 || argv[1][0] == '-') {
        if (argc < 2)
            fputs("dfs_storaged: CONF is needed (see dfs_storaged --help)\n", stderr);
        else
            fprintf(stderr, "dfs_storaged: what is '%s'? (see dfs_storaged --help)\n",
                    argv[argc - 1]);
        return EXIT_USAGE;
    }
    signal(SIGPIPE, SIG_IGN);
    struct app a = {.conf_path = argv[1], .lock_fd = -1, .bound = {.fd = {-1, -1}}};
    int status = run(&a);
    dfs_loop_free(&a.loop);
    dfs_bound_close(&a.bound);
    dfs_allow_free(&a.allow);
    dfs_allow_free(&a.peer_hosts);
    dfs_allow_free(&a.native_hosts);
    dfs_secret_free(&a.secret);
    dfs_tls_free(&a.tls);
    dfs_close_fd(&a.lock_fd);
    sto_conf_fini(&a.conf);
    return status;
}
