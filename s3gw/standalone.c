/* SPDX-License-Identifier: Apache-2.0 */
/*
 * standalone - tracker, storage and gateway on one machine. Writes the two servers' configuration
 * below the data folder, starts them on loopback, waits until they serve, then serves S3 itself and
 * watches them. The servers are those of a cluster, talked to in the same way.
 */
#include <getopt.h>
#include <limits.h>
#include <stdio.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include "dfscore/base/clock.h"
#include "dfscore/base/version.h"
#include "dfscore/log/log.h"
#include "s3gw/commands.h"
#include "s3gw/gateway.h"
#include "s3gw/supervisor/notify.h"
#include "s3gw/supervisor/ports.h"
#include "s3gw/supervisor/supervisor.h"

static const char help[] =
    "usage: s3gw standalone --data DIR [OPTIONS]\n"
    "\n"
    "  --data DIR            everything is kept below this folder (made when missing)\n"
    "  --listen ADDR:PORT    where S3 clients connect (127.0.0.1:9000); port 0: any free one\n"
    "  --region R            the region clients sign for (us-east-1)\n"
    "  --domain D            buckets are also sub-domains of D; may be repeated\n"
    "  --website-domain D    buckets are also websites, as sub-domains of D; may be repeated\n"
    "  --tls-cert F --tls-key F   PEM files: serve HTTPS instead of HTTP\n"
    "  --tracker-port N      FastDFS clients connect here, on loopback (22122 when free); 0: any\n"
    "  --storage-port N      the storage server, on loopback (23000 when free); 0: any\n"
    "  --durability sync|relaxed   sync: acknowledged means on disk (default). relaxed: the last\n"
    "                        seconds may be lost with the power\n"
    "  --sse-c-over-http no|loopback|yes   accept customer-provided encryption keys without TLS:\n"
    "                        never, from this machine (default without --config), from everywhere\n"
    "  --rebuild-index       make a new key index from what the storage keeps beside the data; the "
    "old\n"
    "                        one is set aside\n"
    "  --config FILE         further settings, as s3gw print-config shows them; options win\n"
    "\n"
    "Root's keys come from S3GW_ROOT_ACCESS_KEY and S3GW_ROOT_SECRET_KEY; without them they are\n"
    "generated at the first start, printed once, and kept in DIR/root-credentials. Ctrl-C "
    "(SIGTERM)\n"
    "lets requests end and stops everything. A line 'ready port=N' on standard output says when "
    "clients\n"
    "may come.\n";

struct standalone {
    struct s3gw_conf conf;
    struct s3gw_gateway gateway;
    struct s3_supervisor supervisor;
    struct s3_datadir *dir;
    struct s3_root_keys keys;
    const char *data;
    bool rebuild;
    int tracker_port, storage_port; /* asked for; 0 any, -1 not said */
    struct s3_ports ports;          /* chosen */
    char tracker_program[PATH_MAX], storage_program[PATH_MAX];
    char tracker_conf[PATH_MAX], storage_conf[PATH_MAX];
    struct buf err;
};

/* --- command line ----------------------------------------------------------------------------- */

enum {
    OPT_DATA = 256,
    OPT_LISTEN,
    OPT_REGION,
    OPT_DOMAIN,
    OPT_WEBSITE,
    OPT_CERT,
    OPT_KEY,
    OPT_TRACKER,
    OPT_STORAGE,
    OPT_DURABILITY,
    OPT_SSE_C,
    OPT_REBUILD,
    OPT_CONFIG,
    OPT_HELP
};

static const struct option options[] = {
    {"data", required_argument, NULL, OPT_DATA},
    {"listen", required_argument, NULL, OPT_LISTEN},
    {"region", required_argument, NULL, OPT_REGION},
    {"domain", required_argument, NULL, OPT_DOMAIN},
    {"website-domain", required_argument, NULL, OPT_WEBSITE},
    {"tls-cert", required_argument, NULL, OPT_CERT},
    {"tls-key", required_argument, NULL, OPT_KEY},
    {"tracker-port", required_argument, NULL, OPT_TRACKER},
    {"storage-port", required_argument, NULL, OPT_STORAGE},
    {"durability", required_argument, NULL, OPT_DURABILITY},
    {"sse-c-over-http", required_argument, NULL, OPT_SSE_C},
    {"rebuild-index", no_argument, NULL, OPT_REBUILD},
    {"config", required_argument, NULL, OPT_CONFIG},
    {"help", no_argument, NULL, OPT_HELP},
    {NULL, 0, NULL, 0},
};

static int take_port(const char *name, int *ret, struct buf *err)
{
    uint64_t v;
    if (str_u64(str_c(optarg), 65535, &v) < 0) {
        buf_addf(err, "%s %s: must be a number from 0 to 65535", name, optarg);
        return -EINVAL;
    }
    *ret = (int)v;
    return 0;
}

static int take_durability(struct s3gw_conf *conf, struct buf *err)
{
    if (strcmp(optarg, "sync") != 0 && strcmp(optarg, "relaxed") != 0) {
        buf_addf(err, "--durability %s: must be sync or relaxed", optarg);
        return -EINVAL;
    }
    conf->durability = strcmp(optarg, "sync") == 0 ? S3GW_SYNC : S3GW_RELAXED;
    return 0;
}

static int take_sse_c(struct s3gw_conf *conf, struct buf *err)
{
    static const char *const words[] = {"no", "loopback", "yes"}; /* as enum s3_sse_c_over_http */
    for (size_t i = 0; i < ARRAY_LEN(words); i++)
        if (strcmp(optarg, words[i]) == 0) {
            conf->sse_c_over_http = (int)i;
            return 0;
        }
    buf_addf(err, "--sse-c-over-http %s: must be no, loopback or yes", optarg);
    return -EINVAL;
}

static int take_option(struct standalone *s, int c)
{
    struct s3gw_conf *conf = &s->conf;
    switch (c) {
    case OPT_DATA:
        s->data = optarg;
        return 0;
    case OPT_LISTEN:
        return s3gw_conf_set(&conf->listen, str_c(optarg));
    case OPT_REGION:
        return s3gw_conf_set(&conf->region, str_c(optarg));
    case OPT_DOMAIN:
        return s3gw_conf_add(&conf->domains, str_c(optarg));
    case OPT_WEBSITE:
        return s3gw_conf_add(&conf->websites, str_c(optarg));
    case OPT_CERT:
        return s3gw_conf_set(&conf->tls_cert, str_c(optarg));
    case OPT_KEY:
        return s3gw_conf_set(&conf->tls_key, str_c(optarg));
    case OPT_TRACKER:
        return take_port("--tracker-port", &s->tracker_port, &s->err);
    case OPT_STORAGE:
        return take_port("--storage-port", &s->storage_port, &s->err);
    case OPT_REBUILD:
        s->rebuild = true;
        return 0;
    case OPT_DURABILITY:
        return take_durability(conf, &s->err);
    case OPT_SSE_C:
        return take_sse_c(conf, &s->err);
    default:
        return 0; /* OPT_CONFIG: read before the others */
    }
}

/* The value of --config, wherever it stands: its settings come first, options change them. */
static int load_settings(struct standalone *s, int argc, char **argv)
{
    const char *config = NULL;
    int c;
    while ((c = getopt_long(argc, argv, "", options, NULL)) != -1) {
        if (c == OPT_HELP)
            return fputs(help, stdout) < 0 ? -EIO : 1;
        if (c == OPT_CONFIG)
            config = optarg;
        if (c == '?')
            return -EINVAL; /* getopt has said why */
    }
    if (optind < argc) {
        buf_addf(&s->err, "what is '%s'? (see s3gw standalone --help)", argv[optind]);
        return -EINVAL;
    }
    optind = 0; /* GNU: start over */
    if (config)
        return s3gw_conf_load(config, &s->conf, &s->err);
    int r = s3gw_conf_default(&s->conf, &s->err);
    s->conf.sse_c_over_http = S3_SSE_C_FROM_LOOPBACK;
    return r;
}

/* 0 go on; 1 help was printed; negative errno with a line in err. */
static int parse(struct standalone *s, int argc, char **argv)
{
    int r = load_settings(s, argc, argv), c;
    if (r != 0)
        return r;
    while ((c = getopt_long(argc, argv, "", options, NULL)) != -1) {
        r = take_option(s, c);
        if (r < 0)
            return r;
    }
    if (!s->data || !*s->data) {
        buf_addf(&s->err, "--data DIR is needed (see s3gw standalone --help)");
        return -EINVAL;
    }
    if (s->conf.lease_ms > 0) {
        buf_addf(&s->err,
                 "gateway_lease is for s3gw serve: nobody takes over from a standalone server");
        return -EINVAL;
    }
    return s3gw_conf_check(&s->conf, &s->err);
}

/* --- preparing the data folder ---------------------------------------------------------------- */

/* A server of ours: beside this very program, else wherever PATH has it. */
static int find_program(const char *name, char out[PATH_MAX], struct buf *err)
{
    char self[PATH_MAX];
    ssize_t n = readlink("/proc/self/exe", self, sizeof(self) - 1);
    self[MAX(n, 0)] = 0;
    char *slash = strrchr(self, '/');
    if (slash && snprintf(out, PATH_MAX, "%.*s/%s", (int)(slash - self), self, name) < PATH_MAX &&
        access(out, X_OK) == 0)
        return 0;
    struct str path = str_c(getenv("PATH")), folder;
    while (str_split(&path, ':', &folder)) {
        if (folder.n && snprintf(out, PATH_MAX, STR_F "/%s", STR_A(folder), name) < PATH_MAX &&
            access(out, X_OK) == 0)
            return 0;
    }
    buf_addf(err, "%s is neither beside s3gw nor in PATH", name);
    return -ENOENT;
}

static int open_dir(struct standalone *s)
{
    pid_t holder;
    int r = s3_datadir_open(s->data, &s->dir, &holder);
    if (r == -EBUSY && holder)
        buf_addf(&s->err, "%s is in use by another s3gw (process %ld)", s->data, (long)holder);
    else if (r < 0)
        buf_addf(&s->err, "%s: %s", s->data, r == -EBUSY ? "in use by another s3gw" : strerror(-r));
    static const char *const folders[] = {"conf", "tracker", "storage", "index"};
    for (size_t i = 0; r == 0 && i < ARRAY_LEN(folders); i++) {
        r = s3_datadir_mkdir(s->dir, folders[i]);
        if (r < 0)
            buf_addf(&s->err, "%s/%s: %s", s->data, folders[i], strerror(-r));
    }
    return r;
}

static int write_conf(struct standalone *s, const char *name, char path[PATH_MAX],
                      const struct buf *text)
{
    int r = buf_err(text) ? buf_err(text) : s3_datadir_write(s->dir, name, 0600, buf_str(text));
    if (snprintf(path, PATH_MAX, "%s/%s", s3_datadir_path(s->dir), name) >= PATH_MAX)
        r = -ENAMETOOLONG;
    if (r < 0)
        buf_addf(&s->err, "%s/%s: %s", s->data, name, strerror(-r));
    return r;
}

static const char written_anew[] =
    "# Written anew by s3gw standalone at each start; changes are lost.\n";

static int write_confs(struct standalone *s)
{
    static const char *const levels[] = {"debug", "info", "warn", "error"};
    const char *dir = s3_datadir_path(s->dir), *level = levels[s->conf.log_level];
    AUTO(buf_free) struct buf tracker = BUF(16384);
    buf_addf(&tracker,
             "%sbind_addr = 127.0.0.1\nport = %u\nbase_path = %s/tracker\n"
             "reserved_storage_space = 64MB\nuse_trunk_file = true\nslot_max_size = 256KB\n"
             "log_level = %s\n",
             written_anew, s->ports.tracker, dir, level);
    int r = write_conf(s, "conf/tracker.conf", s->tracker_conf, &tracker);
    if (r < 0)
        return r;
    AUTO(buf_free) struct buf storage = BUF(16384);
    buf_addf(
        &storage,
        "%sgroup_name = %s\nbind_addr = 127.0.0.1\nport = %u\nbase_path = %s/storage\n"
        "store_path0 = %s/storage\ntracker_server = 127.0.0.1:%u\nsocket_path = %s/storage.sock\n"
        "durability = %s\nheart_beat_interval = 5s\nstat_report_interval = 10s\nlog_level = %s\n",
        written_anew, s->conf.default_group, s->ports.storage, dir, dir, s->ports.tracker, dir,
        s->conf.durability == S3GW_RELAXED ? "relaxed" : "sync", level);
    return write_conf(s, "conf/storage.conf", s->storage_conf, &storage);
}

static int prepare(struct standalone *s)
{
    int r = open_dir(s);
    if (r < 0)
        return r;
    char why[256] = "";
    r = s3_root_keys_load(s->dir, &s->keys, why, sizeof(why));
    if (r < 0) {
        buf_addf(&s->err, "%s", why);
        return r;
    }
    r = find_program("dfs_trackerd", s->tracker_program, &s->err);
    if (r == 0)
        r = find_program("dfs_storaged", s->storage_program, &s->err);
    if (r == 0)
        r = s3_ports_choose(s->dir, s->tracker_port, s->storage_port, &s->ports, &s->err);
    if (r == 0)
        r = write_confs(s);
    if (r < 0)
        return r;
    /* The gateway's own settings follow from the folder. */
    char path[PATH_MAX + 64];
    const char *dir = s3_datadir_path(s->dir);
    (void)snprintf(path, sizeof(path), "%s=%s/storage.sock", s->conf.default_group, dir);
    r = s3gw_conf_add(&s->conf.storages, str_c(path));
    (void)snprintf(path, sizeof(path), "%s/index", dir);
    if (r == 0)
        r = s3gw_conf_set(&s->conf.index_path, str_c(path));
    (void)snprintf(path, sizeof(path), "%s/admin.sock", dir);
    if (r == 0)
        r = s3gw_conf_set(&s->conf.admin_socket, str_c(path));
    (void)snprintf(path, sizeof(path), "%s/key-ring", dir);
    if (r == 0 && !*s->conf.key_ring)
        r = s3gw_conf_set(&s->conf.key_ring, str_c(path));
    return r;
}

/* --- telling people --------------------------------------------------------------------------- */

static void print_secret(const struct standalone *s)
{
    switch (s->keys.origin) {
    case S3_KEYS_GENERATED:
        printf("  secret key   %s\n               (shown this once; kept in %s/root-credentials)\n",
               s->keys.secret_key, s3_datadir_path(s->dir));
        return;
    case S3_KEYS_FROM_FILE:
        printf("  secret key   in %s/root-credentials\n", s3_datadir_path(s->dir));
        return;
    case S3_KEYS_FROM_ENVIRONMENT:
        printf("  secret key   from S3GW_ROOT_SECRET_KEY\n");
        return;
    }
}

static void print_banner(const struct standalone *s)
{
    const struct s3gw_conf *c = &s->conf;
    bool any = strcmp(c->host, "0.0.0.0") == 0 || strcmp(c->host, "::") == 0;
    bool v6 = strchr(c->host, ':') && !any;
    char endpoint[160];
    (void)snprintf(endpoint, sizeof(endpoint), "%s://%s%s%s:%u", *c->tls_cert ? "https" : "http",
                   v6 ? "[" : "", any ? "127.0.0.1" : c->host, v6 ? "]" : "",
                   (unsigned)s3_http_port(s->gateway.http));
    printf("s3gw %s\n\n  endpoint     %s\n  region       %s\n  access key   %s\n", dfs_version(),
           endpoint, c->region, s->keys.access_key);
    print_secret(s);
    printf("  durability   %s\n  FastDFS      tracker 127.0.0.1:%u, storage 127.0.0.1:%u\n",
           c->durability == S3GW_RELAXED
               ? "relaxed: the last seconds of writes may be lost with the power"
               : "sync: what is acknowledged is on disk",
           atomic_load(&s->supervisor.children[0].port),
           atomic_load(&s->supervisor.children[1].port));
    bool file = s->keys.origin == S3_KEYS_FROM_FILE;
    printf("\nTry it:\n\n  export AWS_ACCESS_KEY_ID=%s AWS_DEFAULT_REGION=%s\n", s->keys.access_key,
           c->region);
    if (s->keys.origin == S3_KEYS_GENERATED)
        printf("  export AWS_SECRET_ACCESS_KEY='%s'\n", s->keys.secret_key);
    else if (file)
        printf("  export AWS_SECRET_ACCESS_KEY=$(sed -n 's/^secret_key = //p' "
               "'%s/root-credentials')\n",
               s3_datadir_path(s->dir));
    else
        printf("  export AWS_SECRET_ACCESS_KEY=$S3GW_ROOT_SECRET_KEY\n");
    printf("  aws --endpoint-url %s s3 mb s3://first\n  aws --endpoint-url %s s3 cp README.md "
           "s3://first/\n\n",
           endpoint, endpoint);
    printf("ready port=%u\n", (unsigned)s3_http_port(s->gateway.http));
    (void)fflush(stdout);
}

static void add_status(void *arg, json_t *into)
{
    const struct standalone *s = arg;
    for (unsigned i = 0; i < s->supervisor.n; i++) {
        const struct s3_child *c = &s->supervisor.children[i];
        json_object_set_new(
            into, c->name,
            json_pack("{s:s, s:i, s:i, s:i}", "state",
                      s3_child_state_name((enum s3_child_state)atomic_load(&c->state)), "pid",
                      atomic_load(&c->pid), "port", (int)atomic_load(&c->port), "restarts",
                      (int)atomic_load(&c->restarts)));
    }
    struct statvfs v;
    if (statvfs(s3_datadir_path(s->dir), &v) == 0)
        json_object_set_new(into, "space",
                            json_pack("{s:s, s:I, s:I}", "data", s3_datadir_path(s->dir),
                                      "total_bytes",
                                      (json_int_t)v.f_blocks * (json_int_t)v.f_frsize, "free_bytes",
                                      (json_int_t)v.f_bavail * (json_int_t)v.f_frsize));
}

static void reload(void *g)
{
    s3gw_gateway_reload(g);
}

/* --- running ---------------------------------------------------------------------------------- */

static int start_servers(struct standalone *s)
{
    const struct {
        const char *name, *program, *conf;
    } servers[] = {
        {"tracker", s->tracker_program, s->tracker_conf},
        {"storage", s->storage_program, s->storage_conf},
    };
    for (size_t i = 0; i < ARRAY_LEN(servers); i++) {
        int r =
            s3_supervisor_add(&s->supervisor, servers[i].name, servers[i].program, servers[i].conf);
        if (r == -ECHILD)
            buf_addf(&s->err,
                     "the %s server ended before it was ready; its own lines above say why",
                     servers[i].name);
        else if (r < 0 && r != -EINTR)
            buf_addf(&s->err, "%s: %s", servers[i].program, strerror(-r));
        if (r < 0)
            return r;
    }
    return 0;
}

static int run(struct standalone *s)
{
    int r = prepare(s);
    if (r < 0)
        return r;
    if (*s->conf.log_file && (r = dfs_log_open(s->conf.log_file)) < 0) {
        buf_addf(&s->err, "log_file = %s: %s", s->conf.log_file, strerror(-r));
        return r;
    }
    dfs_log_threshold = (enum dfs_log_level)s->conf.log_level;
    r = s3_supervisor_init(&s->supervisor);
    if (r < 0) {
        buf_addf(&s->err, "signals: %s", strerror(-r));
        return r;
    }
    s->gateway = (struct s3gw_gateway){.conf = &s->conf,
                                       .rebuild = s->rebuild,
                                       .supervisor = &s->supervisor,
                                       .status = add_status,
                                       .status_arg = s};
    r = s3gw_gateway_bind(&s->gateway, &s->err);
    if (r == 0)
        r = start_servers(s);
    if (r < 0)
        return r;
    r = s3gw_gateway_start(&s->gateway, &s->keys, &s->err);
    if (r < 0)
        return r;
    s->supervisor.reload = reload;
    s->supervisor.reload_arg = &s->gateway;
    print_banner(s);
    s3_notify("READY=1");
    s3_supervisor_run(&s->supervisor);
    dfs_log(LOG_INFO, "standalone.stopping");
    s3_notify("STOPPING=1");
    s3gw_gateway_stop(&s->gateway);
    return 0;
}

int s3gw_standalone(int argc, char **argv)
{
    struct standalone s = {.tracker_port = -1, .storage_port = -1, .err = BUF(4096)};
    argv[0] = "s3gw standalone"; /* the name getopt's messages begin with */
    int r = parse(&s, argc, argv);
    int status = r == 0 ? 0 : r > 0 ? 0 : 2;
    if (r == 0) {
        r = run(&s);
        status = r == 0 || r == -EINTR ? 0 : 1;
    }
    if (r < 0 && s.err.n)
        fprintf(stderr, "s3gw standalone: " STR_F "\n", STR_A(buf_str(&s.err)));
    s3_supervisor_fini(
        &s.supervisor); /* storages before the tracker, and both before the lock goes */
    s3_datadir_close(&s.dir);
    s3gw_conf_fini(&s.conf);
    buf_free(&s.err);
    return status;
}
