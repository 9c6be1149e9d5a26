/* SPDX-License-Identifier: Apache-2.0 */
#include "s3gw/s3gw_conf.h"

#include <openssl/err.h>
#include <openssl/ssl.h>
#include <unistd.h>

#include "dfscore/fileid/fileid.h"
#include "dfscore/net/addr.h"
#include "dfscore/wire/internal.h"
#include "dfscore/wire/messages.h"
#include "s3gw/core/groups.h"
#include "s3gw/core/storage_class.h"
#include "s3gw/dfs/dfs.h"
#include "s3gw/notify/webhook.h"

#define C struct s3gw_conf

const struct dfs_conf_row s3gw_conf_rows[] = {
    CONF_STR(C, listen, "listen", "127.0.0.1:9000", 1, 120, CONF_RESTART,
             "Where S3 clients connect: address:port, [ipv6]:port. Port 0: any free one, printed "
             "at start."),
    CONF_STR(C, tls_cert, "tls_cert", "", 0, 4000, CONF_RESTART,
             "PEM file with the certificate chain; with tls_key it turns HTTP into HTTPS. SIGHUP\n"
             "reads both again."),
    CONF_STR(C, tls_key, "tls_key", "", 0, 4000, CONF_RESTART, "PEM file with the private key."),
    CONF_STR(C, region, "region", "us-east-1", 1, 60, CONF_RESTART, "The region clients sign for."),
    CONF_LIST(C, domains, "domain", 0, 32, CONF_RESTART,
              "A domain whose sub-domains are buckets (virtual-host style); may be repeated."),
    CONF_LIST(C, websites, "website_domain", 0, 32, CONF_RESTART,
              "A domain below which buckets are websites, to those who may read them without a "
              "signature;\n"
              "may be repeated."),
    CONF_STR(C, default_group, "default_group", "group1", 1, 16, CONF_RESTART,
             "Group that gets buckets whose creator names none."),
    CONF_LIST(C, classes, "storage_class", 0, S3_CLASSES_MAX, CONF_RESTART,
              "A storage class beside STANDARD: NAME, stored in the bucket's own groups, or "
              "NAME=group, stored\n"
              "there; may be repeated. The order is that of lifecycle transitions: objects move "
              "down, never up.\n"
              "None given: REDUCED_REDUNDANCY, STANDARD_IA, INTELLIGENT_TIERING, ONEZONE_IA, "
              "GLACIER_IR, all in\n"
              "the bucket's groups. As many copies are kept as the group has members."),
    CONF_LIST(C, copies, "min_copies", 0, 64, CONF_RESTART,
              "group=N: what is written to that group, and so every storage class that lies there, "
              "counts only when\n"
              "N of its servers (2 to 32) have it on disk, if that is more than their own "
              "min_copies asks for. Strict:\n"
              "with fewer in service writes are refused (503). May be repeated, one per group."),
    CONF_LIST(
        C, storages, "storage", 0, 64, CONF_RESTART,
        "A storage on this machine: group=/path/of/its/socket (socket_path in storage.conf); may "
        "be\n"
        "repeated, one per group. Content goes by descriptor then, not over the network. Without\n"
        "tracker_server these are all the storages there are."),
    CONF_LIST(C, trackers, "tracker_server", 0, 16, CONF_RESTART,
              "host:port or [ipv6]:port of a tracker of the cluster, with two addresses "
              "inner,outer:port; one line\n"
              "each. Groups and storages are learned from them, and reached over TCP."),
    CONF_STR(C, cluster_secret_file, "cluster_secret_file", "", 0, 4000, CONF_RESTART,
             "File with the secret that storages of other machines ask for (mode 0600; the same as "
             "theirs).\n"
             "tracker_server needs it, or cluster_tls_cert."),
    DFS_TLS_CONF_ROWS(C, cluster_tls),
    CONF_DURATION(
        C, lease_ms, "gateway_lease", "0", 0, 3600000, "s", CONF_RESTART,
        "Two gateways of one cluster, of which one serves and the other waits to take over (10s): "
        "for how long\n"
        "the trackers promise this one that no other serves. 0: there is one gateway, and no "
        "tracker is asked.\n"
        "The same on both, which need the same INDEX.key as well; see s3gw/README.md, \"Two "
        "gateways\"."),
    CONF_BOOL(
        C, spread, "spread_buckets", "yes", CONF_RESTART,
        "New objects of a bucket go to the first of its groups that has room. When none has, "
        "they go to\n"
        "another group, which becomes one of the bucket's when the reason lasts (nearly full, "
        "drained);\n"
        "no: only the command s3gw admin bucket group gives a bucket another one. A group that a\n"
        "storage class names keeps its own and takes no others'. Objects already stored stay."),
    CONF_DURATION(C, storage_connect_ms, "storage_connect_timeout", "2s", 10, 60000, "s",
                  CONF_RESTART, "Longest wait for a TCP connection to a storage."),
    CONF_DURATION(C, storage_timeout_ms, "storage_timeout", "10s", 100, 3600000, "s", CONF_RESTART,
                  "A storage that sends or takes nothing for so long within a call is left, and "
                  "another asked."),
    CONF_DURATION(
        C, storage_hold_down_ms, "storage_hold_down", "1s", 10, 3600000, "s", CONF_RESTART,
        "A storage that failed is not asked again before; then by one probe, not by requests."),
    CONF_DURATION(C, read_hedge_ms, "read_hedge", "500ms", 0, 3600000, "ms", CONF_RESTART,
                  "A read over TCP that has no answer by then is asked of a second storage too, "
                  "and the first\n"
                  "answer counts; 0: never."),
    CONF_STR(C, index_path, "index_path", "/var/lib/s3gw/index", 1, 4000, CONF_RESTART,
             "Folder of the key index."),
    CONF_SIZE(C, index_cache, "index_cache", "64MB", 1 << 20, 1LL << 40, "B", CONF_RESTART,
              "Memory for blocks of the index."),
    CONF_SIZE(
        C, index_reserve, "index_reserve", "64MB", 0, 1LL << 40, "B", CONF_RESTART,
        "Space on the index's file system that only deletions may use, so that a full disk can be\n"
        "emptied."),
    CONF_SIZE(C, small_memory, "small_object_memory", "64MB", 1 << 20, 1LL << 40, "B", CONF_RESTART,
              "Memory for objects of up to 256 KiB while they arrive, all together; beyond it "
              "clients get\n"
              "503 SlowDown."),
    CONF_SIZE(
        C, large_memory, "large_object_memory", "64MB", 4 << 20, 1LL << 40, "B", CONF_RESTART,
        "The same for larger objects, which go to disk piece by piece; beyond it clients wait."),
    CONF_ENUM(C, durability, "durability", "sync", "sync|relaxed", CONF_RESTART,
              "sync: what is acknowledged has been written to disk. relaxed: the last seconds may "
              "be lost\n"
              "with the power; never with a crash of a program."),
    CONF_BOOL(C, sigv2, "signature_v2", "yes", CONF_RESTART,
              "Accept AWS Signature Version 2 from old clients."),
    CONF_LIST(C, native_urls, "native_url", 0, 64, CONF_RESTART,
              "A group whose files unsigned clients may read by their FastDFS names, GET "
              "/group1/M00/00/00/...:\n"
              "whoever knows a name may read it, also of what S3 stored there. group=secret asks "
              "for FastDFS's\n"
              "anti-steal token too. May be repeated, one per group."),
    CONF_DURATION(C, native_token_ttl_ms, "native_token_ttl", "600s", 1000, 86400000LL * 365, "s",
                  CONF_RESTART, "How long such a token counts after its time stamp."),
    CONF_ENUM(
        C, bucket_defaults, "bucket_defaults", "open", "open|aws", CONF_RESTART,
        "What new buckets begin with. open: ACLs work, nothing is blocked, as older applications\n"
        "expect. aws: BucketOwnerEnforced, the whole public access block and, with a key ring, "
        "AES256, as AWS\n"
        "does."),
    CONF_BOOL(C, acl_emails, "acl_email_grants", "yes", CONF_RESTART,
              "Accept grants to users named by their e-mail address; AWS answers 405 to them since "
              "2025."),
    CONF_STR(
        C, key_ring, "key_ring", "", 0, 4000, CONF_RESTART,
        "File with the keys of SSE-S3 and SSE-KMS, mode 0600; made when missing. Without it, and "
        "without\n"
        "S3GW_KEY_RING in the environment, both are refused. Back it up: what its keys encrypted\n"
        "cannot be read without them. Read at start; gateways of one cluster need the same keys. "
        "s3gw\n"
        "standalone keeps it as DIR/key-ring."),
    CONF_ENUM(C, sse_c_over_http, "sse_c_over_http", "no", "no|loopback|yes", CONF_RESTART,
              "Accept customer-provided keys (SSE-C) over plain HTTP: never; from clients on this "
              "machine, such as a\n"
              "proxy that ends TLS; from all. s3gw standalone without --config: loopback."),
    CONF_INT(C, http_threads, "http_threads", "0", 0, 256, "threads", CONF_RESTART,
             "Threads that serve connections; 0: one per processor core."),
    CONF_INT(C, workers, "workers", "8", 1, 1024, "threads", CONF_RESTART,
             "Threads for requests that wait for disk or peers."),
    CONF_INT(C, max_connections, "max_connections", "16384", 16, 1000000, "connections",
             CONF_RESTART, "Client connections at the same time; more wait in the kernel's queue."),
    CONF_DURATION(C, idle_timeout_ms, "idle_timeout", "60s", 1000, 86400000, "s", CONF_RESTART,
                  "A connection that neither sends nor takes anything for so long is closed, an "
                  "upload with RequestTimeout."),
    CONF_DURATION(C, drain_timeout_ms, "drain_timeout", "30s", 0, 3600000, "s", CONF_RESTART,
                  "How long requests in progress may take to end when the server stops."),
    CONF_DURATION(C, reclaim_grace_ms, "reclaim_grace", "10s", 0, 86400000, "s", CONF_RESTART,
                  "How long a file stays after its last object has gone, for readers under way."),
    CONF_DURATION(
        C, reclaim_rescan_ms, "reclaim_rescan", "10m", 1000, 604800000, "s", CONF_RESTART,
        "How often the storages' logs are searched for files that a crash left without a name."),
    CONF_SIZE(C, rebalance_rate, "rebalance_rate", "64MB", 0, 1LL << 40, "B/s", CONF_RESTART,
              "How much s3gw admin rebalance copies out of a drained group in a second, at most. "
              "0: no limit."),
    CONF_INT(C, lifecycle_seconds_per_day, "lifecycle_seconds_per_day", "86400", 1, 86400, "s",
             CONF_RESTART,
             "How long a day of lifecycle rules lasts. Anything but 86400 is for tests: rules that "
             "count days\n"
             "then remove objects after seconds."),
    CONF_STR(C, admin_socket, "admin_socket", "/run/s3gw/admin.sock", 0, 4000, CONF_RESTART,
             "Unix-domain socket of `s3gw admin`, mode 0600; empty: none."),
    CONF_STR(C, congestion, "tcp_congestion", "", 0, 15, CONF_RESTART,
             "TCP congestion control of client connections, such as cubic; empty: the system's."),
    CONF_STR(C, access_log, "access_log", "", 0, 4000, CONF_RESTART,
             "File that gets one line per request; empty: none. SIGHUP opens it anew."),
    CONF_DURATION(
        C, logging_interval_ms, "logging_interval", "5m", 1000, 86400000, "s", CONF_RESTART,
        "How often server access logs of buckets (PutBucketLogging) are delivered; sooner when "
        "much\n"
        "has gathered, and when the server stops. A crash loses what was not delivered yet."),
    CONF_LIST(C, notify_targets, "notification_target", 0, 256, CONF_RESTART,
              "Where events of buckets may be sent: NAME=URL. NAME is what a notification "
              "configuration gives as\n"
              "topic, queue or function, an ARN as a rule; URL (http or https) gets each event by "
              "POST. May be\n"
              "repeated."),
    CONF_INT(
        C, notify_backlog, "notification_backlog", "100000", 1, 100000000, "events", CONF_RESTART,
        "Events that may wait for targets that do not answer; beyond it new ones are dropped."),
    CONF_DURATION(C, notify_timeout_ms, "notification_timeout", "10s", 100, 600000, "s",
                  CONF_RESTART, "How long a target may take for one event."),
    CONF_STR(C, log_file, "log_file", "", 0, 4000, CONF_RESTART,
             "Append the log to this file; empty: standard error. SIGHUP opens it anew."),
    CONF_ENUM(C, log_level, "log_level", "info", "debug|info|warn|error", CONF_RESTART,
              "Least important lines that are written."),
};
const size_t s3gw_conf_n = ARRAY_LEN(s3gw_conf_rows);

int s3gw_conf_load(const char *path, struct s3gw_conf *conf, struct buf *err)
{
    *conf = (struct s3gw_conf){0};
    return dfs_conf_load(path, s3gw_conf_rows, s3gw_conf_n, NULL, conf, err);
}

int s3gw_conf_default(struct s3gw_conf *conf, struct buf *err)
{
    *conf = (struct s3gw_conf){0};
    return dfs_conf_parse(STR(""), "defaults", s3gw_conf_rows, s3gw_conf_n, NULL, conf, err);
}

void s3gw_conf_fini(struct s3gw_conf *conf)
{
    dfs_conf_fini(s3gw_conf_rows, s3gw_conf_n, conf);
}

int s3gw_conf_set(char **setting, struct str value)
{
    char *copy = str_dup(value);
    if (!copy)
        return -ENOMEM;
    free(*setting);
    *setting = copy;
    return 0;
}

int s3gw_conf_add(struct dfs_conf_list *list, struct str item)
{
    char **grown = dfs_realloc(list->v, (list->n + 1) * sizeof(*grown));
    if (!grown)
        return -ENOMEM;
    list->v = grown;
    list->v[list->n] = str_dup(item);
    return list->v[list->n] ? (list->n++, 0) : -ENOMEM;
}

/* A region and a domain travel in host names and signatures: letters, digits, '-' and '.'. */
static bool name_ok(struct str s)
{
    for (size_t i = 0; i < s.n; i++) {
        char c = s.p[i];
        if (!((c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
              c == '-' || c == '.'))
            return false;
    }
    return s.n > 0;
}

static int check_names(const char *setting, const struct dfs_conf_list *list, struct buf *err)
{
    for (size_t i = 0; i < list->n; i++) {
        struct str name = str_c(list->v[i]);
        if (!name_ok(name)) {
            buf_addf(err, "%s = %s: letters, digits, '-' and '.' only", setting, list->v[i]);
            return -EINVAL;
        }
        if (str_starts(name, STR(".")) || str_ends(name, STR(".")) ||
            str_find(name, STR("..")) != SIZE_MAX) {
            buf_addf(err, "%s = %s: '.' stands between names only", setting, list->v[i]);
            return -EINVAL;
        }
    }
    return 0;
}

static int check_domains(const struct s3gw_conf *conf, struct buf *err)
{
    int r = check_names("domain", &conf->domains, err);
    if (r == 0)
        r = check_names("website_domain", &conf->websites, err);
    for (size_t i = 0; r == 0 && i < conf->websites.n; i++)
        for (size_t k = 0; r == 0 && k < conf->domains.n; k++)
            if (str_ieq(str_c(conf->websites.v[i]), str_c(conf->domains.v[k]))) {
                buf_addf(err, "website_domain = %s: is a domain too", conf->websites.v[i]);
                r = -EINVAL;
            }
    return r;
}

/* libmicrohttpd would say "invalid argument", after everything else has started. */
static int check_pem(const struct s3gw_conf *conf, struct buf *err)
{
    SSL_CTX *ctx = SSL_CTX_new(TLS_server_method());
    if (!ctx)
        return -ENOMEM;
    int r = 0;
    if (SSL_CTX_use_certificate_chain_file(ctx, conf->tls_cert) != 1) {
        buf_addf(err, "tls_cert = %s: no certificate in PEM form", conf->tls_cert);
        r = -EINVAL;
    } else if (SSL_CTX_use_PrivateKey_file(ctx, conf->tls_key, SSL_FILETYPE_PEM) != 1) {
        bool other = ERR_GET_REASON(ERR_peek_last_error()) == X509_R_KEY_VALUES_MISMATCH;
        buf_addf(err, "tls_key = %s: %s", conf->tls_key,
                 other ? "not the key of tls_cert" : "no unencrypted private key in PEM form");
        r = -EINVAL;
    }
    ERR_clear_error();
    SSL_CTX_free(ctx);
    return r;
}

static int check_tls(const struct s3gw_conf *conf, struct buf *err)
{
    if (!*conf->tls_cert != !*conf->tls_key) {
        buf_addf(err, "tls_cert and tls_key must be given together");
        return -EINVAL;
    }
    const char *const files[] = {conf->tls_cert, conf->tls_key};
    for (size_t i = 0; i < ARRAY_LEN(files) && *conf->tls_cert; i++) {
        if (access(files[i], R_OK) < 0) {
            int r = -errno;
            buf_addf(err, "%s = %s: %s", i ? "tls_key" : "tls_cert", files[i], strerror(-r));
            return r;
        }
    }
    return *conf->tls_cert ? check_pem(conf, err) : 0;
}

static int check_classes(const struct s3gw_conf *conf, struct buf *err)
{
    for (size_t i = 0; i < conf->classes.n; i++) {
        struct s3_class c, other;
        bool ok = s3_class_parse(str_c(conf->classes.v[i]), &c) == 0;
        for (size_t k = 0; ok && k < i; k++)
            ok = s3_class_parse(str_c(conf->classes.v[k]), &other) == 0 &&
                 !str_eq(c.name, other.name);
        if (!ok) {
            buf_addf(err,
                     "storage_class = %s: must be NAME or NAME=group, of capital letters, digits "
                     "and '_', each "
                     "name once, not STANDARD",
                     conf->classes.v[i]);
            return -EINVAL;
        }
    }
    return 0;
}

static int check_storages(const struct s3gw_conf *conf, struct buf *err)
{
    for (size_t i = 0; i < conf->storages.n; i++) {
        struct str group, path;
        if (!str_cut(str_c(conf->storages.v[i]), '=', &group, &path) ||
            !s3_group_ok(str_trim(group)) || !str_starts(str_trim(path), STR("/"))) {
            buf_addf(err, "storage = %s: must be group=/path/of/socket", conf->storages.v[i]);
            return -EINVAL;
        }
        for (size_t k = 0; k < i; k++) {
            struct str other, rest;
            if (str_cut(str_c(conf->storages.v[k]), '=', &other, &rest) &&
                str_eq(str_trim(group), str_trim(other))) {
                buf_addf(err, "storage = %s: that group has one already", conf->storages.v[i]);
                return -EINVAL;
            }
        }
    }
    return 0;
}

int s3gw_conf_copies(const char *row, struct s3_dfs_copies *ret)
{
    struct str group, n;
    uint64_t v;
    if (!str_cut(str_c(row), '=', &group, &n) || !dfs_group_ok(str_trim(group)) ||
        str_u64(str_trim(n), DFS_SERVERS_MAX, &v) < 0 || v < 2)
        return -EINVAL;
    *ret = (struct s3_dfs_copies){.group = str_trim(group), .n = (uint8_t)v};
    return 0;
}

static int check_copies(const struct s3gw_conf *conf, struct buf *err)
{
    for (size_t i = 0; i < conf->copies.n; i++) {
        struct s3_dfs_copies c, other;
        bool ok = s3gw_conf_copies(conf->copies.v[i], &c) == 0;
        for (size_t k = 0; ok && k < i; k++)
            ok = s3gw_conf_copies(conf->copies.v[k], &other) == 0 && !str_eq(c.group, other.group);
        if (!ok) {
            buf_addf(err, "min_copies = %s: must be group=N, N from 2 to 32, each group once",
                     conf->copies.v[i]);
            return -EINVAL;
        }
    }
    return 0;
}

static int check_trackers(const struct s3gw_conf *conf, struct buf *err)
{
    struct dfs_addr a;
    for (size_t i = 0; i < conf->trackers.n; i++) {
        struct str text = str_c(conf->trackers.v[i]);
        if (dfs_addr_parse(text, DFS_TRACKER_PORT, &a) < 0 || a.host[0] == '/') {
            buf_addf(err, "tracker_server = %s: must be host:port", conf->trackers.v[i]);
            return -EINVAL;
        }
    }
    if (conf->trackers.n > 0 && !*conf->cluster_secret_file && !*conf->cluster_tls.cert) {
        buf_addf(err, "tracker_server needs cluster_secret_file or cluster_tls_cert: storages ask "
                      "who we are");
        return -EINVAL;
    }
    if (conf->lease_ms > 0 && conf->lease_ms < DFS_LEASE_TTL_MIN_MS) {
        buf_addf(err, "gateway_lease: 0, or at least %d ms", (int)DFS_LEASE_TTL_MIN_MS);
        return -EINVAL;
    }
    if (conf->lease_ms > 0 && conf->trackers.n == 0) {
        buf_addf(err, "gateway_lease needs tracker_server: trackers grant it");
        return -EINVAL;
    }
    if (conf->trackers.n == 0 && *conf->cluster_tls.cert) {
        buf_addf(err, "cluster_tls_cert = %s: without tracker_server nothing goes over the network",
                 conf->cluster_tls.cert);
        return -EINVAL;
    }
    return 0;
}

static int check_native(const struct s3gw_conf *conf, struct buf *err)
{
    for (size_t i = 0; i < conf->native_urls.n; i++) {
        struct str group, secret;
        (void)str_cut(str_c(conf->native_urls.v[i]), '=', &group, &secret);
        if (!dfs_group_ok(str_trim(group)) || (secret.p && str_trim(secret).n == 0)) {
            buf_addf(err, "native_url = %s: must be group, or group=secret",
                     secret.p ? "..." : conf->native_urls.v[i]);
            return -EINVAL;
        }
    }
    return 0;
}

static int check_targets(const struct s3gw_conf *conf, struct buf *err)
{
    for (size_t i = 0; i < conf->notify_targets.n; i++) {
        struct str name, url;
        if (!str_cut(str_c(conf->notify_targets.v[i]), '=', &name, &url) || str_trim(name).n == 0 ||
            str_trim(name).n > 512 || !s3_webhook_url_ok(str_trim(url))) {
            buf_addf(
                err,
                "notification_target = %s: must be NAME=URL with http:// or https:// and a host",
                conf->notify_targets.v[i]);
            return -EINVAL;
        }
    }
    return 0;
}

int s3gw_conf_check(struct s3gw_conf *conf, struct buf *err)
{
    struct dfs_addr a;
    struct str listen = str_c(conf->listen);
    if (listen.n == 0 || listen.p[0] == '/' || dfs_addr_parse(listen, 9000, &a) < 0 || a.alt[0]) {
        buf_addf(err, "listen = %s: must be address:port, such as 127.0.0.1:9000 or [::1]:0",
                 conf->listen);
        return -EINVAL;
    }
    memcpy(conf->host, a.host, sizeof(conf->host));
    conf->port = a.port;
    if (!name_ok(str_c(conf->region))) {
        buf_addf(err, "region = %s: letters, digits, '-' and '.' only", conf->region);
        return -EINVAL;
    }
    if (!s3_group_ok(str_c(conf->default_group))) {
        buf_addf(err, "default_group = %s: is no name of a group", conf->default_group);
        return -EINVAL;
    }
    int r = check_domains(conf, err);
    if (r == 0)
        r = check_storages(conf, err);
    if (r == 0)
        r = check_copies(conf, err);
    if (r == 0)
        r = check_trackers(conf, err);
    if (r == 0)
        r = check_classes(conf, err);
    if (r == 0)
        r = check_native(conf, err);
    if (r == 0)
        r = check_targets(conf, err);
    return r < 0 ? r : check_tls(conf, err);
}
