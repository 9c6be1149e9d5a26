/* SPDX-License-Identifier: Apache-2.0 */
#include "s3gw/gateway.h"

#include <malloc.h>
#include <stdio.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include "dfscore/base/clock.h"
#include "dfscore/base/version.h"
#include "dfscore/log/log.h"
#include "dfscore/net/addr.h"
#include "dfscore/net/secret.h"
#include "dfscore/net/tls.h"
#include "dfscore/wire/messages.h"
#include "s3gw/api/expire.h"
#include "s3gw/api/growth.h"
#include "s3gw/api/logging.h"
#include "s3gw/dfs/dfs.h"
#include "s3gw/index/bucket.h"
#include "s3gw/index/cluster_row.h"
#include "s3gw/keyindex.h"
#include "s3gw/notify/serverlog.h"
#include "s3gw/sse/gcm.h"
#include "s3gw/sse/keyring.h"
#include "s3gw/standby.h"

enum {
    OPEN_FILES = 1024, /* descriptors kept for reading */
    CLUSTER_TEXT_MAX = 1024 * 1024,
    STORAGE_WAIT_MS = 10 * 1000,
    ROOT_ARENA_MAX = 1 << 20,
};

static const char root_id[] = "root";

static int fail(struct buf *err, int r, const char *what, const char *name)
{
    buf_addf(err, "%s%s%s: %s", what, *name ? " " : "", name, strerror(-r));
    return r;
}

/* --- settings --------------------------------------------------------------------------------- */

/* One descriptor per connection and per open file; the soft limit of a shell is 1,024. */
static void raise_file_limit(void)
{
    struct rlimit l;
    if (getrlimit(RLIMIT_NOFILE, &l) == 0 && l.rlim_cur < l.rlim_max) {
        l.rlim_cur = l.rlim_max;
        (void)setrlimit(RLIMIT_NOFILE, &l);
    }
}

/* The C library makes up to eight heaps a core, and what one has freed no other may use: RocksDB's threads, each at
 * its peak once, kept 80 MiB so. Threads that run at once are as many as cores. */
static void share_heaps(void)
{
    (void)mallopt(M_ARENA_MAX, (int)MAX(sysconf(_SC_NPROCESSORS_ONLN), 2L));
}

static int longest_first(const void *a, const void *b)
{
    size_t x = ((const struct str *)a)->n, y = ((const struct str *)b)->n;
    return x < y ? 1 : x > y ? -1 : 0;
}

static int set_domains(const struct dfs_conf_list *list, struct str **ret, size_t *ret_n)
{
    struct str *domains = dfs_zalloc(list->n * sizeof(*domains));
    if (!domains)
        return -ENOMEM;
    for (size_t i = 0; i < list->n; i++) {
        for (char *p = list->v[i]; *p; p++) {
            if (*p >= 'A' && *p <= 'Z')
                *p = (char)(*p - 'A' + 'a');
        }
        domains[i] = str_c(list->v[i]);
    }
    qsort(domains, list->n, sizeof(*domains), longest_first);
    *ret = domains;
    *ret_n = list->n;
    return 0;
}

static int set_classes(struct s3_gw *gw, const struct dfs_conf_list *list)
{
    gw->classes = s3_classes_default;
    if (list->n == 0)
        return 0;
    struct s3_class *v = dfs_zalloc(list->n * sizeof(*v));
    if (!v)
        return -ENOMEM;
    gw->classes = (struct s3_classes){v, list->n};
    int r = 0;
    for (size_t i = 0; r == 0 && i < list->n; i++)
        r = s3_class_parse(str_c(list->v[i]), &v[i]);
    return r;
}

static void free_classes(struct s3_gw *gw)
{
    if (gw->classes.v != s3_classes_default.v)
        free((void *)(uintptr_t)gw->classes.v);
    gw->classes = s3_classes_default;
}

/* A class whose group nobody serves is refused by 503, one request at a time: say so once, here. */
static void judge_classes(const struct s3_gw *gw)
{
    for (size_t i = 0; i < gw->classes.n; i++) {
        const struct s3_class *c = &gw->classes.v[i];
        if (c->group.n && !s3_dfs_has_group(gw->dfs, c->group))
            dfs_log(LOG_WARN, "gateway.class_without_group", KV_STR("class", c->name),
                    KV_STR("group", c->group));
    }
}

static int set_native(struct s3_gw *gw, const struct s3gw_conf *conf)
{
    gw->native_token_ttl_s = (int64_t)(conf->native_token_ttl_ms / 1000);
    gw->native = dfs_zalloc(conf->native_urls.n * sizeof(*gw->native));
    if (!gw->native)
        return -ENOMEM;
    for (size_t i = 0; i < conf->native_urls.n; i++) {
        struct s3_native_group *g = &gw->native[i];
        (void)str_cut(str_c(conf->native_urls.v[i]), '=', &g->group, &g->secret);
        g->group = str_trim(g->group);
        g->secret = str_trim(g->secret);
    }
    gw->nnative = conf->native_urls.n;
    return 0;
}

/* --- root ------------------------------------------------------------------------------------- */

struct root_change {
    const struct s3_root_keys *keys;
    const struct s3_access_key *old; /* root's keys in the index */
    size_t nold;
    int64_t now_ms;
};

/* Root has exactly the key this start was given: one from an earlier start stops working. */
static int write_root(struct s3_tx *tx, void *arg)
{
    const struct root_change *c = arg;
    const struct s3_user u = {
        .id = str_c(root_id), .display_name = STR("root"), .root = true, .created_ms = c->now_ms};
    int r = s3_user_put(tx, &u, true);
    if (r < 0 && r != -EEXIST)
        return r;
    for (size_t i = 0; i < c->nold; i++) {
        r = s3_key_delete(tx, c->old[i].access_key);
        if (r < 0 && r != -ENOENT)
            return r;
    }
    return s3_key_put(tx, &(struct s3_access_key){.access_key = str_c(c->keys->access_key),
                                                  .secret = str_c(c->keys->secret_key),
                                                  .user_id = str_c(root_id),
                                                  .created_ms = c->now_ms});
}

static int set_root(struct s3_index *x, const struct s3_root_keys *keys)
{
    AUTO(arena_fini) struct arena a = {0};
    arena_init(&a, ROOT_ARENA_MAX);
    struct s3_access_key *old = NULL;
    size_t n = 0;
    int r = s3_key_list(x, str_c(root_id), &a, &old, &n);
    if (r < 0 && r != -ENOENT)
        return r;
    if (r == 0 && n == 1 && str_eq(old[0].access_key, str_c(keys->access_key)) &&
        str_eq(old[0].secret, str_c(keys->secret_key)))
        return 0; /* a start on a full disk writes nothing */
    struct root_change c = {.keys = keys, .old = old, .nold = n, .now_ms = dfs_now_ms()};
    r = s3_index_update(x, write_root, &c);
    s3_users_changed(x);
    return r;
}

/* --- the parts, in order ---------------------------------------------------------------------- */

static void keep_cluster(void *arg, struct str text)
{
    struct s3gw_gateway *g = arg;
    int r = s3_cluster_row_put(g->gw.index, text);
    if (r < 0) /* a start without trackers will know what was kept before */
        dfs_log(LOG_WARN, "gateway.cluster_not_kept", KV_ERR(r));
}

int s3gw_gateway_know_trackers(struct s3gw_gateway *g, struct dfs_addr *trackers, size_t n,
                               struct buf *err)
{
    const struct s3gw_conf *c = g->conf;
    int r = g->secret ? 0 : dfs_secret_setting(c->cluster_secret_file, &g->secret, err);
    if (r == 0 && !g->tls)
        r = dfs_tls_new(&c->cluster_tls, dfs_tls_log_failed, &g->tls, err);
    for (size_t i = 0; r == 0 && i < n; i++)
        r = dfs_addr_parse(str_c(c->trackers.v[i]), DFS_TRACKER_PORT, &trackers[i]);
    return r;
}

static int open_storages(struct s3gw_gateway *g, struct buf *err)
{
    AUTO(buf_free) struct buf known = BUF(CLUSTER_TEXT_MAX);
    const struct s3gw_conf *c = g->conf;
    struct s3_dfs_store stores[S3_DFS_STORES_MAX];
    struct dfs_addr trackers[DFS_TRACKERS_MAX];
    size_t n = MIN(c->storages.n, (size_t)S3_DFS_STORES_MAX),
           nt = MIN(c->trackers.n, (size_t)DFS_TRACKERS_MAX);
    if (n + nt == 0) {
        buf_addf(err,
                 "no storage is configured (tracker_server, or storage = group=/path/of/socket)");
        return -EINVAL;
    }
    for (size_t i = 0; i < n; i++) {
        struct str group, path;
        (void)str_cut(str_c(c->storages.v[i]), '=', &group, &path);
        stores[i] = (struct s3_dfs_store){.group = str_trim(group), .socket = str_trim(path)};
    }
    int r = s3gw_gateway_know_trackers(g, trackers, nt, err);
    if (r < 0)
        return r;
    r = s3_cluster_row_get(g->gw.index, &known);
    if (r < 0 && r != -ENOENT)
        return fail(err, r, "reading the key index", c->index_path);
    g->copies = dfs_zalloc(MAX(c->copies.n, (size_t)1) * sizeof(*g->copies));
    if (!g->copies)
        return -ENOMEM;
    for (size_t i = 0; i < c->copies.n; i++) {
        r = s3gw_conf_copies(c->copies.v[i], &g->copies[i]);
        if (r < 0)
            return r;
    }
    const struct s3_dfs_options o = {
        .copies = g->copies,
        .ncopies = c->copies.n,
        .stores = stores,
        .nstores = n,
        .trackers = trackers,
        .ntrackers = nt,
        .secret = g->secret,
        .tls = g->tls,
        .tenure = g->gw.tenure,
        .known = buf_str(&known),
        .keep = keep_cluster,
        .keep_arg = g,
        .spread = c->spread,
        .classes = &g->gw.classes,
        .default_group = g->gw.default_group,
        .connect_ms = (unsigned)c->storage_connect_ms,
        .timeout_ms = (unsigned)c->storage_timeout_ms,
        .hold_down_ms = (unsigned)c->storage_hold_down_ms,
        .hedge_ms = (unsigned)c->read_hedge_ms,
        .upload_buffers = (unsigned)(c->large_memory / S3_DFS_PIECE),
        .open_files = OPEN_FILES,
    };
    r = s3_dfs_new(&o, &g->gw.dfs);
    if (r < 0)
        return fail(err, r, "storages", "");
    /* A storage that is still coming up is no reason to stop; requests wait or get 503. */
    r = s3_dfs_ready(g->gw.dfs, STORAGE_WAIT_MS);
    if (r < 0)
        dfs_log(LOG_WARN, "gateway.storage_not_ready", KV_ERR(r));
    return 0;
}

static int open_key_ring(struct s3gw_gateway *g, struct buf *err)
{
    const char *text = getenv("S3GW_KEY_RING"), *path = g->conf->key_ring;
    int r = 0;
    if (text && *text) {
        r = s3_keyring_parse(str_c(text), &g->gw.keyring);
        if (r < 0) {
            buf_addf(err, "S3GW_KEY_RING: must be name=base64[,base64...] ..., with the "
                          "keys " S3_KEY_OF_SSE_S3 " and " S3_KEY_OF_KMS ", 32 bytes each");
            return r;
        }
    } else if (*path) {
        r = s3_keyring_open(path, &g->gw.keyring);
        if (r == -EPERM) {
            buf_addf(err, "key ring %s: others than its owner may use it; its mode must be 0600",
                     path);
            return r;
        }
        if (r < 0)
            return fail(err, r, "key ring", path);
    }
    g->gw.kms = g->gw.keyring ? s3_keyring_kms(g->gw.keyring) : NULL;
    return 0;
}

static int start_reclaim(struct s3gw_gateway *g, struct buf *err)
{
    const struct s3_reclaim_options o = {
        .gw = &g->gw,
        .grace_ms = (unsigned)MAX(g->conf->reclaim_grace_ms, 1u), /* 0 would be its default */
        .rescan_ms = (unsigned)g->conf->reclaim_rescan_ms,
        .no_orphans = g->no_orphans,
    };
    int r = s3_reclaim_start(&o, &g->reclaim);
    return r < 0 ? fail(err, r, "reclaimer", "") : 0;
}

static int start_lifecycle(struct s3gw_gateway *g, struct buf *err)
{
    const struct s3_life_options o = {.gw = &g->gw, .remove = s3_expire};
    int r = s3_life_worker_start(&o, &g->lifecycle);
    return r < 0 ? fail(err, r, "lifecycle worker", "") : 0;
}

static int start_rebalance(struct s3gw_gateway *g, struct buf *err)
{
    const struct s3_rebalance_options o = {
        .gw = &g->gw, .move = s3_leave, .home = s3_home, .bytes_per_s = g->conf->rebalance_rate};
    int r = s3_rebalance_start(&o, &g->rebalance);
    return r < 0 ? fail(err, r, "rebalancing", "") : 0;
}

static int start_growth(struct s3gw_gateway *g, struct buf *err)
{
    int r = g->conf->spread ? s3_growth_start(&g->gw, &g->gw.growth) : 0;
    return r < 0 ? fail(err, r, "the thread for groups of buckets", "") : 0;
}

static int start_serverlog(struct s3gw_gateway *g, struct buf *err)
{
    const struct s3_serverlog_options o = {.interval_ms = (unsigned)g->conf->logging_interval_ms,
                                           .deliver = s3_logging_deliver,
                                           .arg = &g->gw};
    int r = s3_serverlog_start(&o, &g->gw.serverlog);
    return r < 0 ? fail(err, r, "server access logs", "") : 0;
}

/* Each "NAME=URL" of the setting is cut in two where it stands. */
static int start_sender(struct s3gw_gateway *g, struct buf *err)
{
    const struct dfs_conf_list *list = &g->conf->notify_targets;
    g->targets = dfs_zalloc(MAX(list->n, (size_t)1) * sizeof(*g->targets));
    if (!g->targets)
        return -ENOMEM;
    for (size_t i = 0; i < list->n; i++) {
        struct str name, url;
        (void)str_cut(str_c(list->v[i]), '=', &name, &url);
        g->targets[i].name = str_trim(name);
        g->targets[i].url = str_trim(url);
        ((char *)(uintptr_t)g->targets[i].url.p)[g->targets[i].url.n] = '\0';
    }
    const struct s3_sender_options o = {.index = g->gw.index,
                                        .region = g->gw.region,
                                        .targets = g->targets,
                                        .ntargets = list->n,
                                        .backlog = (uint64_t)g->conf->notify_backlog,
                                        .timeout_ms = (unsigned)g->conf->notify_timeout_ms};
    int r = s3_sender_start(&o, &g->gw.sender);
    return r < 0 ? fail(err, r, "notifications", "") : 0;
}

int s3gw_gateway_bind(struct s3gw_gateway *g, struct buf *err)
{
    int r = s3_http_bind(g->conf->host, g->conf->port, &g->listener);
    g->bound = r == 0;
    return r < 0 ? fail(err, r, "listen =", g->conf->listen) : 0;
}

/* The value of the setting that s3_http_start() calls @what. */
static const char *value_of(const struct s3gw_conf *c, const char *what)
{
    const struct {
        const char *what, *value;
    } settings[] = {{"access_log =", c->access_log},
                    {"TLS certificate", c->tls_cert},
                    {"TLS key", c->tls_key},
                    {"tcp_congestion =", c->congestion}};
    for (size_t i = 0; i < ARRAY_LEN(settings); i++)
        if (strcmp(what, settings[i].what) == 0)
            return settings[i].value;
    return c->listen;
}

int s3gw_gateway_listen(struct s3gw_gateway *g, struct s3_gw *gw, struct buf *err)
{
    const struct s3gw_conf *c = g->conf;
    raise_file_limit();
    s3_http_stop(&g->http);
    int r = g->bound ? 0 : s3gw_gateway_bind(g, err);
    if (r < 0)
        return r;
    const struct s3_http_options o = {
        .gw = gw,
        .listener = g->listener,
        .tls_cert = *c->tls_cert ? c->tls_cert : NULL,
        .tls_key = *c->tls_key ? c->tls_key : NULL,
        .congestion = *c->congestion ? c->congestion : NULL,
        .access_log = *c->access_log ? c->access_log : NULL,
        .threads = (unsigned)c->http_threads,
        .workers = (unsigned)c->workers,
        .connections_max = (unsigned)c->max_connections,
        .idle_timeout_s = (unsigned)(c->idle_timeout_ms / 1000),
    };
    const char *what = "HTTP server";
    g->bound = false;
    r = s3_http_start(&o, &g->http, &what);
    if (r < 0)
        return fail(err, r, what, value_of(c, what));
    return 0;
}

static void add_status(void *arg, json_t *into)
{
    const struct s3gw_gateway *g = arg;
    struct s3_http_counts n;
    s3gw_standby_status(g, into);
    s3_http_counts(g->http, &n);
    json_object_set_new(into, "http",
                        json_pack("{s:s, s:i, s:b, s:I, s:I, s:I, s:i, s:i}", "address",
                                  g->conf->host, "port", (int)s3_http_port(g->http), "tls",
                                  (int)(*g->conf->tls_cert != 0), "requests",
                                  (json_int_t)n.requests, "errors_4xx", (json_int_t)n.errors_4xx,
                                  "errors_5xx", (json_int_t)n.errors_5xx, "connections",
                                  (int)n.connections, "in_flight", (int)n.in_flight));
    json_t *storages = json_array();
    struct s3_dfs_server s;
    for (size_t i = 0; s3_dfs_server(g->gw.dfs, i, &s); i++)
        json_array_append_new(storages,
                              json_pack("{s:s, s:s, s:s, s:b, s:b, s:I}", "group", s.group, "id",
                                        s.id, "address", s.address, "in_service", (int)s.in_service,
                                        "down", (int)s.down, "damaged", (json_int_t)s.damaged));
    json_object_set_new(into, "storages", storages);
    struct s3_reclaim_counts rc;
    s3_reclaim_counts(g->reclaim, &rc);
    json_object_set_new(into, "reclaim",
                        json_pack("{s:I, s:I, s:I, s:b, s:I}", "deleted", (json_int_t)rc.deleted,
                                  "orphans", (json_int_t)rc.orphans, "pending",
                                  (json_int_t)rc.pending, "scanned", (int)rc.scanned, "failures",
                                  (json_int_t)rc.failures));
    struct s3_serverlog_counts sl;
    s3_serverlog_counts(g->gw.serverlog, &sl);
    json_object_set_new(into, "server_logs",
                        json_pack("{s:I, s:I, s:I, s:I}", "lines", (json_int_t)sl.lines, "objects",
                                  (json_int_t)sl.delivered, "dropped", (json_int_t)sl.dropped,
                                  "pending_bytes", (json_int_t)sl.pending));
    struct s3_sender_counts ev;
    s3_sender_counts(g->gw.sender, &ev);
    json_object_set_new(into, "notifications",
                        json_pack("{s:I, s:I, s:I, s:I}", "delivered", (json_int_t)ev.delivered,
                                  "failures", (json_int_t)ev.failures, "dropped",
                                  (json_int_t)ev.dropped, "pending", (json_int_t)ev.pending));
    if (g->status)
        g->status(g->status_arg, into);
}

static void reclaim_now(void *arg)
{
    s3_reclaim_now(((struct s3gw_gateway *)arg)->reclaim);
}

static void lifecycle_counts(void *arg, struct s3_life_counts *ret)
{
    s3_life_worker_counts(((struct s3gw_gateway *)arg)->lifecycle, ret);
}

static void lifecycle_run(void *arg)
{
    s3_life_worker_run(((struct s3gw_gateway *)arg)->lifecycle);
}

int s3gw_gateway_admin(struct s3gw_gateway *g, const struct s3_admin_context *c, struct buf *err)
{
    if (!*g->conf->admin_socket)
        return 0;
    s3_admin_stop(&g->admin);
    int r = s3_admin_start(g->conf->admin_socket, c, &g->admin);
    return r < 0 ? fail(err, r, "admin socket", g->conf->admin_socket) : 0;
}

static int start_admin(struct s3gw_gateway *g, struct buf *err)
{
    const struct s3_admin_context c = {.gw = &g->gw,
                                       .status = add_status,
                                       .reclaim = reclaim_now,
                                       .lifecycle = lifecycle_counts,
                                       .lifecycle_run = lifecycle_run,
                                       .rebalance = g->rebalance,
                                       .arg = g};
    return s3gw_gateway_admin(g, &c, err);
}

static int start_parts(struct s3gw_gateway *g, const struct s3_root_keys *root, struct buf *err)
{
    int r = s3gw_keyindex_open(g, err);
    if (r == 0)
        r = open_key_ring(g, err);
    if (r == 0)
        r = open_storages(g, err);
    if (r == 0)
        r = s3gw_keyindex_check(g, err);
    if (r < 0)
        return r;
    r = root ? set_root(g->gw.index, root) : 0;
    if (r < 0)
        return fail(err, r, "writing root's keys to the index", "");
    r = s3gw_keyindex_describe(g, err);
    if (r < 0)
        return r;
    judge_classes(&g->gw);
    r = start_sender(g, err); /* before anything happens that somebody wants to know */
    if (r < 0)
        return r;
    r = start_reclaim(
        g, err); /* before requests: what the logs hold now is nobody's unfinished write */
    if (r < 0)
        return r;
    r = start_lifecycle(g, err);
    if (r < 0)
        return r;
    r = start_rebalance(g, err);
    if (r == 0)
        r = start_growth(g, err);
    if (r < 0)
        return r;
    r = start_serverlog(g, err);
    if (r < 0)
        return r;
    r = s3gw_gateway_listen(g, &g->gw, err);
    return r < 0 ? r : start_admin(g, err);
}

int s3gw_gateway_start(struct s3gw_gateway *g, const struct s3_root_keys *root, struct buf *err)
{
    raise_file_limit();
    share_heaps();
    g->gw = (struct s3_gw){
        .region = str_c(g->conf->region),
        .tenure = g->lease ? &g->tenure : NULL,
        .default_group = str_c(g->conf->default_group),
        .sigv2 = g->conf->sigv2,
        .closed_buckets = g->conf->bucket_defaults == S3GW_BUCKETS_AWS,
        .no_acl_emails = !g->conf->acl_emails,
        .relaxed = g->conf->durability == S3GW_RELAXED,
        .sse_c_over_http = (enum s3_sse_c_over_http)g->conf->sse_c_over_http,
        .lifecycle_day_ms = g->conf->lifecycle_seconds_per_day * 1000,
        .small = {.limit = g->conf->small_memory},
    };
    s3_rates_init(&g->rates);
    g->gw.rates = &g->rates;
    int r = set_domains(&g->conf->domains, &g->gw.domains, &g->gw.ndomains);
    if (r == 0)
        r = set_domains(&g->conf->websites, &g->gw.websites, &g->gw.nwebsites);
    if (r == 0)
        r = set_native(&g->gw, g->conf);
    if (r == 0)
        r = set_classes(&g->gw, &g->conf->classes);
    if (r == 0)
        r = start_parts(g, root, err);
    if (r < 0) {
        s3gw_gateway_stop(g);
        return r;
    }
    atomic_store(&g->tenure.serving, true);
    dfs_log(LOG_INFO, "gateway.ready", KV_Z("address", g->conf->host),
            KV_U64("port", s3_http_port(g->http)),
            KV_Z("durability", g->gw.relaxed ? "relaxed" : "sync"),
            KV_Z("aes_gcm", s3_gcm_name(s3_gcm_best())), KV_Z("version", dfs_version()));
    return 0;
}

void s3gw_gateway_stop(struct s3gw_gateway *g)
{
    if (g->http && !s3_http_drain(g->http, (unsigned)g->conf->drain_timeout_ms))
        dfs_log(LOG_WARN, "gateway.drain_cut");
    s3_admin_stop(&g->admin);
    s3_http_stop(&g->http);
    if (g->bound)
        close(g->listener);
    g->bound = false;
    s3_serverlog_stop(&g->gw.serverlog); /* what the last requests left */
    g->gw.stopping = true;
    s3_life_worker_stop(&g->lifecycle);
    s3_rebalance_stop(&g->rebalance);
    s3_growth_stop(&g->gw.growth); /* nobody writes any more */
    s3_reclaim_stop(&g->reclaim);
    s3_sender_stop(&g->gw.sender);
    free(g->targets);
    g->targets = NULL;
    s3_dfs_free(&g->gw.dfs);
    s3_lease_stop(
        &g->lease); /* nothing is written any more. It runs out: a restart may have it back */
    free(g->copies);
    g->copies = NULL;
    dfs_secret_free(&g->secret);
    dfs_tls_free(&g->tls);
    s3_index_close(&g->gw.index);
    if (g->gw.rates)
        s3_rates_fini(TAKE(g->gw.rates));
    free_classes(&g->gw);
    s3_keyring_free(&g->gw.keyring);
    g->gw.kms = NULL;
    free(g->gw.domains);
    free(g->gw.websites);
    free(g->gw.native);
    g->gw.domains = g->gw.websites = NULL;
    g->gw.native = NULL;
    g->gw.ndomains = g->gw.nwebsites = g->gw.nnative = 0;
}

void s3gw_gateway_reload(struct s3gw_gateway *g)
{
    int r = *g->conf->log_file ? dfs_log_open(g->conf->log_file) : 0;
    if (r == 0 && g->http)
        r = s3_http_reopen_log(g->http);
    if (r < 0)
        dfs_log(LOG_ERROR, "gateway.reopen_failed", KV_ERR(r));
    dfs_tls_renew(g->tls);
    if (g->http)
        s3_http_renew_certificate(g->http);
}
