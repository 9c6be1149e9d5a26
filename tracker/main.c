/* SPDX-License-Identifier: Apache-2.0 */
/*
 * dfs_trackerd CONF - the tracker.
 *
 * Order of the end: no new connections, requests in hand are answered (the store still writes),
 * then the peers' threads, a last snapshot, the store.
 */
#include <ifaddrs.h>
#include <netdb.h>
#include <signal.h>
#include <unistd.h>

#include "dfscore/base/clock.h"
#include "dfscore/base/std.h"
#include "dfscore/base/version.h"
#include "dfscore/log/log.h"
#include "dfscore/net/listener.h"
#include "tracker/service/commands.h"
#include "tracker/service/peers.h"
#include "tracker/tracker_conf.h"

enum {
    GRACE_MS = 10000,
    TICK_MS = 1000,
    LOOPS_MAX = 64,
    PARAMS_MAX = 1024,
    EXIT_USAGE = 2,
    PULL_MS = 10000,
    RETRY_MS = 5000,
};

struct tracker {
    const char *conf_path;
    struct trk_conf conf;
    struct buf params, params_next;
    struct trk_ids ids;
    struct dfs_addr listen;
    struct dfs_allow *allow, *server_hosts;
    struct dfs_secret *secret; /* NULL: none */
    struct dfs_tls *tls;       /* NULL: none */
    struct trk_server *srv;
    struct trk_store *store;
    struct trk_commands *commands;
    struct trk_peers *peers;
    struct dfs_loop *main_loop;
    struct dfs_loop *loops[LOOPS_MAX];
    size_t loop_count;
    struct dfs_listener *listener;
    struct dfs_timer *timer;
    uint64_t snapshot_due_ms;
};

/* --- settings ------------------------------------------------------------------------------- */

static void select_opts(const struct trk_conf *c, struct trk_select_opts *ret)
{
    *ret = (struct trk_select_opts){
        .store_lookup = (int)c->store_lookup,
        .store_group = c->store_group,
        .store_server = (int)c->store_server,
        .store_path = (int)c->store_path,
        .download_server = (int)c->download_server,
        .reserved = c->reserved,
        .use_trunk = c->use_trunk_file,
        .use_storage_id = c->use_storage_id,
        .max_delay_s = (int64_t)(c->sync_max_delay_ms / 1000),
        .max_time_s = (int64_t)(c->sync_max_time_ms / 1000),
    };
}

static bool is_wide(const struct tracker *t)
{
    return t->conf.response_ip_addr_size == 2 ||
           (t->conf.response_ip_addr_size == 0 && t->conf.use_storage_id &&
            trk_ids_any_ipv6(&t->ids));
}

static int load_ids(struct tracker *t, struct buf *err)
{
    if (!t->conf.use_storage_id)
        return 0;
    AUTO(buf_free) struct buf path = BUF(8192);
    const char *file = t->conf.storage_ids_filename, *slash = strrchr(t->conf_path, '/');
    if (file[0] != '/' && slash)
        buf_add(&path, t->conf_path, (size_t)(slash - t->conf_path) + 1);
    buf_add(&path, file, strlen(file) + 1);
    AUTO(buf_free) struct buf why = BUF(8192); /* begins with the path */
    int r = buf_err(&path) ? buf_err(&path) : trk_ids_load(path.p, &t->ids, &why);
    if (why.n > 0)
        buf_addf(err, "storage_ids_filename = " STR_F, STR_A(buf_str(&why)));
    if (r == 0 && trk_ids_any_ipv6(&t->ids) && t->conf.id_type_in_filename == 0) {
        buf_addf(err, "id_type_in_filename = ip: must be id, since %s has IPv6 addresses", path.p);
        return -EINVAL;
    }
    return r;
}

/* What the settings say, understood: addresses, networks, the secret, certificates. */
static int understand(struct tracker *t, struct buf *err)
{
    const struct trk_conf *c = &t->conf;
    int r = dfs_bind_parse(c->bind_addr, (uint16_t)c->port, &t->listen);
    if (r == 0)
        r = load_ids(t, err);
    if (r == 0)
        r = dfs_allow_setting("allow_hosts", c->allow_hosts.v, c->allow_hosts.n, &t->allow, err);
    if (r == 0 && c->server_hosts.n)
        r = dfs_allow_setting("server_hosts", c->server_hosts.v, c->server_hosts.n,
                              &t->server_hosts, err);
    if (r == 0)
        r = dfs_secret_setting(c->cluster_secret_file, &t->secret, err);
    if (r == 0)
        r = dfs_tls_new(&c->tls, dfs_tls_log_failed, &t->tls, err);
    if (r == 0 && c->log_file[0]) {
        r = dfs_log_open(c->log_file);
        if (r < 0)
            buf_addf(err, "log_file = %s: %s", c->log_file, strerror(-r));
    }
    if (r == 0)
        dfs_log_threshold = dfs_log_level_of(c->log_level);
    return r;
}

static int load(struct tracker *t, struct buf *err)
{
    int r = trk_conf_load(t->conf_path, &t->conf, err);
    if (r < 0)
        return r;
    AUTO(buf_free) struct buf why = BUF(4096);
    r = understand(t, &why);
    if (why.n > 0)
        buf_addf(err, "%s: " STR_F, t->conf_path, STR_A(buf_str(&why)));
    t->params = t->params_next = BUF(PARAMS_MAX);
    trk_conf_params(&t->conf, is_wide(t), &t->params);
    return r == 0 ? buf_err(&t->params) : r;
}

/* SIGHUP: reopen the log; read the certificate again; take the keys that can change while we run. */
static void reload(struct tracker *t)
{
    struct trk_conf next = {0};
    AUTO(buf_free) struct buf err = BUF(4096);
    if (trk_conf_load(t->conf_path, &next, &err) < 0) {
        if (t->conf.log_file[0])
            (void)dfs_log_open(t->conf.log_file);
        dfs_log(LOG_ERROR, "tracker.reload_failed", KV_STR("error", buf_str(&err)));
        dfs_tls_renew(t->tls);
        return;
    }
    trk_conf_reload(&t->conf, &next);
    if (t->conf.log_file[0])
        (void)dfs_log_open(t->conf.log_file);
    dfs_tls_renew(t->tls);
    dfs_log_threshold = dfs_log_level_of(t->conf.log_level);
    buf_reset(&t->params_next);
    trk_conf_params(&t->conf, t->srv->o.ipw == DFS_IPW6, &t->params_next);
    trk_lock(t->srv);
    select_opts(&t->conf, &t->srv->o.select);
    t->srv->o.check_active_ms = t->conf.check_active_ms;
    t->srv->o.deleted_keep_ms = t->conf.deleted_keep_ms;
    if (buf_err(&t->params_next) == 0) {
        struct buf was = t->params;
        t->params = t->params_next;
        t->params_next = was;
        t->srv->o.params = buf_str(&t->params);
    }
    trk_unlock(t->srv);
    trk_conf_fini(&next); /* the old values, which nobody uses any more */
    dfs_log(LOG_INFO, "tracker.reloaded");
}

/* --- time and signals ----------------------------------------------------------------------- */

static void snapshot(struct tracker *t)
{
    int r = trk_server_snapshot(t->srv);
    if (r < 0 && r != -EBUSY)
        dfs_log(LOG_ERROR, "tracker.snapshot_failed", KV_ERR(r));
}

static void on_timer(void *arg)
{
    struct tracker *t = arg;
    uint64_t now = dfs_mono_ms();
    trk_server_tick(t->srv);
    bool wanted = trk_store_wants_snapshot(t->store);
    if (now >= t->snapshot_due_ms ||
        (wanted && now + t->conf.snapshot_ms >= t->snapshot_due_ms + RETRY_MS)) {
        snapshot(t);
        t->snapshot_due_ms = now + t->conf.snapshot_ms;
    }
    dfs_timer_set(t->timer, TICK_MS);
}

static void on_signal(void *arg, int signo)
{
    struct tracker *t = arg;
    if (signo == SIGHUP) {
        reload(t);
        return;
    }
    dfs_log(LOG_INFO, "tracker.stopping", KV_I64("signal", signo));
    dfs_loop_stop(t->main_loop);
}

static void conns(void *arg, int32_t *current, int32_t *most)
{
    const struct tracker *t = arg;
    struct dfs_listener_stats s = dfs_listener_stats(t->listener);
    *current = (int32_t)s.current;
    *most = (int32_t)s.max;
}

/* --- start ---------------------------------------------------------------------------------- */

static void own_addresses(struct tracker *t)
{
    struct ifaddrs *list = NULL;
    trk_add_own(t->srv, "127.0.0.1");
    trk_add_own(t->srv, "::1");
    trk_add_own(t->srv, t->listen.host);
    trk_add_own(t->srv, t->listen.alt);
    if (getifaddrs(&list) < 0)
        return;
    for (const struct ifaddrs *i = list; i; i = i->ifa_next) {
        struct dfs_addr a = {0};
        if (i->ifa_addr &&
            (i->ifa_addr->sa_family == AF_INET || i->ifa_addr->sa_family == AF_INET6))
            dfs_addr_of(i->ifa_addr, &a);
        trk_add_own(t->srv, a.host);
    }
    freeifaddrs(list);
}

/* A name of the list becomes an address once, here: the election compares texts. */
static int resolve(struct dfs_addr *a)
{
    const struct addrinfo hints = {.ai_socktype = SOCK_STREAM};
    struct addrinfo *found = NULL;
    if (getaddrinfo(a->host, NULL, &hints, &found) != 0 || !found)
        return -EINVAL;
    struct dfs_addr numeric;
    dfs_addr_of(found->ai_addr, &numeric);
    memcpy(a->host, numeric.host, sizeof(a->host));
    freeaddrinfo(found);
    return 0;
}

static int fix_trackers(struct tracker *t, struct buf *err)
{
    struct dfs_addr list[DFS_TRACKERS_MAX];
    size_t n = t->conf.tracker_server.n;
    for (size_t i = 0; i < n; i++) {
        const char *text = t->conf.tracker_server.v[i];
        if (dfs_addr_parse(str_c(text), 22122, &list[i]) < 0 || resolve(&list[i]) < 0) {
            buf_addf(err, "tracker_server = %s: not an address or known name", text);
            return -EINVAL;
        }
    }
    if (n == 0) {
        trk_trackers_restore(t->srv);
        return 0;
    }
    int r = trk_trackers_fix(t->srv, list, n);
    if (r < 0)
        buf_addf(err, "tracker_server: none of them is this tracker (its port is %u)",
                 t->srv->port);
    return r;
}

static int make_server(struct tracker *t, struct buf *err)
{
    struct trk_server_opts o = {
        .ipw = is_wide(t) ? DFS_IPW6 : DFS_IPW4,
        .old_fetch_all = t->conf.fetch_all_form == 1,
        .use_storage_id = t->conf.use_storage_id,
        .trust_id = t->conf.trust_storage_server_id,
        .ids_in_names = t->conf.id_type_in_filename == 1,
        .check_active_ms = t->conf.check_active_ms,
        .election_ms = t->conf.election_ms,
        .deleted_keep_ms = t->conf.deleted_keep_ms,
        .params = buf_str(&t->params),
        .ids = &t->ids,
    };
    select_opts(&t->conf, &o.select);
    int r = trk_server_new(&o, &t->srv);
    AUTO(buf_free) struct buf dir = BUF(8192);
    buf_addf(&dir, "%s/data", t->conf.base_path);
    buf_addc(&dir, '\0');
    if (r < 0 || buf_err(&dir))
        return -ENOMEM;
    r = trk_store_open(dir.p, &trk_io_os, &t->srv->cluster, &t->srv->self, &t->store, err);
    if (r < 0)
        return r;
    t->srv->store = t->store;
    r = trk_store_start(t->store);
    if (r < 0)
        return r;
    t->srv->restart_interval_s =
        t->srv->self.alive_s ? MAX(t->srv->up_s - t->srv->self.alive_s, 0) : 0;
    return 0;
}

static int listen_on(struct tracker *t, struct buf *err)
{
    const struct trk_commands_opts co = {
        .server_hosts = t->server_hosts,
        .secret = t->secret,
        .tls = t->tls,
        .tls_required = t->tls && t->conf.tls_mode == DFS_TLS_REQUIRED,
        .frame_max = t->conf.buff_size - DFS_HEADER_LEN,
        .stall_ms = t->conf.network_timeout_ms,
    };
    int r = trk_commands_new(t->srv, &co, &t->commands);
    for (int64_t i = 0; r == 0 && i < t->conf.work_threads; i++) {
        char name[12];
        snprintf(name, sizeof(name), "net%u", (unsigned)i % LOOPS_MAX);
        r = dfs_loop_new(name, &t->loops[i]);
        t->loop_count += r == 0;
    }
    if (r < 0)
        return r;
    struct dfs_listen_opts o = {
        .addr = t->listen,
        .max_conns = (uint32_t)t->conf.max_connections,
        .allow = t->allow,
        .blocks = 1,
        .block_bytes = 4096,
    };
    r = dfs_listener_new(&o, &t->commands->service, t->loops, t->loop_count, &t->listener);
    if (r < 0) {
        buf_addf(err, "cannot listen on %s port %lld: %s", t->conf.bind_addr,
                 (long long)t->conf.port, strerror(-r));
        return r;
    }
    t->srv->port = dfs_listener_port(t->listener);
    t->srv->conns = conns;
    t->srv->conns_arg = t;
    t->srv->conns_limit = (int32_t)t->conf.max_connections;
    return 0;
}

static int start(struct tracker *t, struct buf *err)
{
    int r = dfs_loop_new("main", &t->main_loop);
    /* Before any thread exists. */
    static const int signals[] = {SIGTERM, SIGINT, SIGQUIT, SIGHUP};
    for (size_t i = 0; r == 0 && i < ARRAY_LEN(signals); i++)
        r = dfs_loop_on_signal(t->main_loop, signals[i], on_signal, t);
    if (r == 0)
        r = make_server(t, err);
    if (r == 0)
        r = listen_on(t, err);
    if (r < 0)
        return r;
    own_addresses(t);
    r = fix_trackers(t, err);
    if (r < 0)
        return r;
    trk_server_begin(t->srv);
    struct trk_peers_opts po = {
        .srv = t->srv,
        .net = {.connect_ms = MIN(t->conf.connect_timeout_ms, t->conf.election_ms),
                .timeout_ms = MAX(t->conf.election_ms, UINT64_C(1000)),
                .bind_ip = t->listen.host[0] ? t->conf.bind_addr : NULL,
                .secret = t->secret,
                .tls = t->conf.tls_mode == DFS_TLS_ACCEPT ? NULL : t->tls},
        .pull_ms = PULL_MS,
    };
    r = trk_peers_start(&po, &t->peers);
    if (r == 0)
        r = dfs_timer_new(t->main_loop, on_timer, t, &t->timer);
    for (size_t i = 0; r == 0 && i < t->loop_count; i++)
        r = dfs_loop_start(t->loops[i]);
    return r;
}

static void stop(struct tracker *t)
{
    if (t->listener)
        dfs_listener_stop(t->listener, GRACE_MS);
    trk_peers_stop(&t->peers);
    if (t->store)
        snapshot(t);
    trk_store_close(&t->store);
    dfs_listener_free(&t->listener);
    for (size_t i = 0; i < t->loop_count; i++)
        dfs_loop_free(&t->loops[i]);
    dfs_timer_free(&t->timer);
    dfs_loop_free(&t->main_loop);
    trk_commands_free(&t->commands);
    trk_server_free(&t->srv);
    dfs_allow_free(&t->allow);
    dfs_allow_free(&t->server_hosts);
    dfs_secret_free(&t->secret);
    dfs_tls_free(&t->tls);
    trk_ids_fini(&t->ids);
    buf_free(&t->params);
    buf_free(&t->params_next);
    trk_conf_fini(&t->conf);
}

static int run(struct tracker *t)
{
    AUTO(buf_free) struct buf err = BUF(4096);
    int r = load(t, &err), failure = r < 0 ? EXIT_USAGE : EXIT_FAILURE;
    if (r == 0)
        r = start(t, &err);
    if (r == 0) {
        printf("ready port=%u\n", t->srv->port);
        fflush(stdout);
        dfs_log(LOG_INFO, "tracker.ready", KV_U64("port", t->srv->port),
                KV_IF(t->tls, KV_I64("certificate_days", dfs_tls_days_left(t->tls))),
                KV_Z("version", dfs_version()));
        t->snapshot_due_ms = dfs_mono_ms() + t->conf.snapshot_ms;
        dfs_timer_set(t->timer, TICK_MS);
        r = dfs_loop_run(t->main_loop);
    } else {
        fprintf(stderr, "dfs_trackerd: " STR_F "\n",
                STR_A(err.n ? buf_str(&err) : str_c(dfs_errno_name(-r))));
    }
    stop(t);
    return r < 0 ? failure : EXIT_SUCCESS;
}

static void print_help(void)
{
    fputs(
        "usage: dfs_trackerd [--daemon] CONF\n"
        "       dfs_trackerd --print-config | --version | --help\n"
        "\n"
        "The tracker: knows the groups and storages of a cluster, and tells clients where to go.\n"
        "Prints \"ready port=N\" when it serves. SIGTERM stops it, SIGHUP reopens the log and "
        "reads\n"
        "the settings again that can change while it runs.\n",
        stdout);
}

static int misused(const char *word)
{
    if (word)
        fprintf(stderr, "dfs_trackerd: what is '%s'? (see dfs_trackerd --help)\n", word);
    else
        fputs("dfs_trackerd: CONF is needed (see dfs_trackerd --help)\n", stderr);
    return EXIT_USAGE;
}

static int print_config(void)
{
    AUTO(buf_free) struct buf out = BUF(256 * 1024);
    trk_conf_print(&out);
    if (buf_err(&out))
        return EXIT_FAILURE;
    return fwrite(out.p, 1, out.n, stdout) == out.n ? EXIT_SUCCESS : EXIT_FAILURE;
}

int main(int argc, char **argv)
{
    struct tracker t = {.ids = {NULL, 0}};
    bool daemonize = argc > 1 && strcmp(argv[1], "--daemon") == 0;
    const char *arg = argc > 1 + daemonize ? argv[1 + daemonize] : NULL;
    dfs_std_open();
    if (!arg || argc > 2 + daemonize)
        return misused(arg ? argv[argc - 1] : NULL);
    if (strcmp(arg, "--help") == 0)
        return print_help(), EXIT_SUCCESS;
    if (strcmp(arg, "--print-config") == 0)
        return print_config();
    if (strcmp(arg, "--version") == 0) {
        printf("dfs_trackerd %s\n", dfs_version());
        return EXIT_SUCCESS;
    }
    if (arg[0] == '-')
        return misused(arg);
    if (daemonize && daemon(1, 1) < 0) {
        perror("dfs_trackerd: daemon");
        return EXIT_FAILURE;
    }
    signal(SIGPIPE, SIG_IGN);
    t.conf_path = arg;
    return run(&t);
}
