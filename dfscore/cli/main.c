/* SPDX-License-Identifier: Apache-2.0 */
/* dfs - the native command line: options, the table of subcommands, exit codes. */
#include <getopt.h>
#include <signal.h>
#include <stdio.h>

#include "dfscore/base/std.h"
#include "dfscore/base/version.h"
#include "dfscore/cli/cli.h"
#include "dfscore/cli/client_conf.h"

enum { OUT_MAX = 4 * 1024 * 1024, ANY = 1 << 20, DEFAULT_PORT = 22122 };

enum {
    O_GROUP,
    O_EXT,
    O_APPENDER,
    O_MERGE,
    O_OFFSET,
    O_COUNT,
    O_WATCH,
    O_FORCE,
    O_DRY_RUN,
    O_TRACKER, /* from here on of every command */
    O_CONFIG,
    O_JSON,
    O_SECRET,
    O_PRINT,
    O_HELP,
    O_VERSION
};
#define TAKES(option) (1u << (option))

static const struct option options[] = {
    {"tracker", required_argument, NULL, O_TRACKER},
    {"config", required_argument, NULL, O_CONFIG},
    {"json", no_argument, NULL, O_JSON},
    {"group", required_argument, NULL, O_GROUP},
    {"ext", required_argument, NULL, O_EXT},
    {"appender", no_argument, NULL, O_APPENDER},
    {"merge", no_argument, NULL, O_MERGE},
    {"offset", required_argument, NULL, O_OFFSET},
    {"count", required_argument, NULL, O_COUNT},
    {"print-config", no_argument, NULL, O_PRINT},
    {"watch", optional_argument, NULL, O_WATCH},
    {"force", no_argument, NULL, O_FORCE},
    {"secret", required_argument, NULL, O_SECRET},
    {"dry-run", no_argument, NULL, O_DRY_RUN},
    {"help", no_argument, NULL, O_HELP},
    {"version", no_argument, NULL, O_VERSION},
    {NULL, 0, NULL, 0},
};

enum kind {
    LOCAL, /* needs no tracker */
    LOOKS, /* asks servers for what they have in memory: one that does not say it at once hangs */
    TALKS,
};

struct subcommand {
    const char *name;
    const char *args;
    int min, max; /* number of arguments */
    enum kind kind;
    unsigned takes; /* TAKES() of the options it knows what to do with, of those below O_TRACKER */
    int (*run)(struct cli *c);
    const char *help;
};

static const struct subcommand subcommands[] = {
    {"upload", "FILE...", 1, ANY, TALKS, TAKES(O_GROUP) | TAKES(O_EXT) | TAKES(O_APPENDER),
     cmd_upload, "store files, print their ids; - is standard input"},
    {"upload-slave", "ID PREFIX FILE", 3, 3, TALKS, TAKES(O_EXT), cmd_upload_slave,
     "store a file beside another one"},
    {"download", "ID [FILE]", 1, 2, TALKS, TAKES(O_OFFSET) | TAKES(O_COUNT), cmd_download,
     "fetch a file or part of it; - is standard output"},
    {"delete", "ID...", 1, ANY, TALKS, 0, cmd_delete, "remove files"},
    {"info", "ID...", 1, ANY, TALKS, 0, cmd_info,
     "size, time, CRC-32 and source, from the storage"},
    {"decode", "ID...", 1, ANY, LOCAL, 0, cmd_decode, "what the ids say, without asking anybody"},
    {"meta-get", "ID", 1, 1, TALKS, 0, cmd_meta_get, "metadata of a file"},
    {"meta-set", "ID [NAME=VALUE]...", 1, ANY, TALKS, TAKES(O_MERGE), cmd_meta_set,
     "replace metadata, or add to it (--merge)"},
    {"append", "ID FILE", 2, 2, TALKS, 0, cmd_append, "add to the end of an appender file"},
    {"modify", "ID OFFSET FILE", 3, 3, TALKS, 0, cmd_modify, "overwrite part of an appender file"},
    {"truncate", "ID SIZE", 2, 2, TALKS, 0, cmd_truncate, "cut or extend an appender file"},
    {"rename-to-normal", "ID", 1, 1, TALKS, 0, cmd_rename_to_normal,
     "finish an appender file; prints its new id"},
    {"test", "", 0, 0, TALKS, TAKES(O_GROUP), cmd_test,
     "store, fetch, describe and remove a file, and compare"},
    {"appender-test", "", 0, 0, TALKS, TAKES(O_GROUP), cmd_appender_test,
     "the same with every change of an appender file"},
    {"list-groups", "", 0, 0, LOOKS, 0, cmd_list_groups, "groups and their space"},
    {"list-storages", "GROUP", 1, 1, LOOKS, 0, cmd_list_storages,
     "storages of a group and their state"},
    {"monitor", "[GROUP]", 0, 1, LOOKS, TAKES(O_WATCH), cmd_monitor,
     "the cluster at a glance (--watch); 3: not healthy"},
    {"counters", "GROUP [ID]", 1, 2, LOOKS, 0, cmd_counters,
     "what the storages of a group have done"},
    {"tracker-stats", "", 0, 0, LOOKS, 0, cmd_tracker_stats, "trackers, as the leader sees them"},
    {"storage-stats", "", 0, 0, LOOKS, 0, cmd_storage_stats, "storages of all groups"},
    {"volume-stats", "", 0, 0, LOOKS, 0, cmd_volume_stats, "space of all groups"},
    {"leader", "", 0, 0, LOOKS, 0, cmd_leader, "address of the leading tracker"},
    {"params", "", 0, 0, LOOKS, 0, cmd_params, "settings the trackers give to storages"},
    {"delete-storage", "GROUP ID", 2, 2, TALKS, 0, cmd_delete_storage,
     "forget a storage that is not running"},
    {"delete-group", "GROUP", 1, 1, TALKS, 0, cmd_delete_group, "forget a group without storages"},
    {"admin", "drain GROUP [ID | M01]", 1, ANY, TALKS,
     TAKES(O_WATCH) | TAKES(O_FORCE) | TAKES(O_DRY_RUN), cmd_admin,
     "no new files there; undrain: again; rebalance GROUP[/M01]: those there move; remove GROUP "
     "ID"},
    {"set-trunk-server", "GROUP [ID]", 1, 2, TALKS, 0, cmd_set_trunk_server,
     "choose a group's trunk server"},
};

static void help(void)
{
    printf(
        "usage: dfs [OPTION]... COMMAND [ARGUMENT]...\n\n"
        "Options:\n"
        "  --tracker HOST:PORT  a tracker (default port 22122); may be repeated\n"
        "  --config FILE        settings, see --print-config\n"
        "  --secret FILE        the cluster secret, for what only servers and administrators may\n"
        "  --json               one JSON object a line\n"
        "  --group G            upload: into this group\n"
        "  --ext E              upload: extension, instead of the local file's\n"
        "  --appender           upload: a file that can grow\n"
        "  --merge              meta-set: keep other names\n"
        "  --offset N           download: first byte\n"
        "  --count N            download: number of bytes (0: to the end)\n"
        "  --watch[=S]          monitor: again every S seconds (2); admin drain: until it is done\n"
        "  --force              admin: whatever speaks against it\n"
        "  --dry-run            admin: only say what speaks against it\n"
        "  --print-config       a documented configuration file\n"
        "  --help, --version\n\nCommands:\n");
    for (size_t i = 0; i < ARRAY_LEN(subcommands); i++)
        printf("  %-17s %-19s %s\n", subcommands[i].name, subcommands[i].args, subcommands[i].help);
    printf("\nExit status: 0 done, 1 failed, 2 used wrongly, 3 not healthy or not safe.\n");
}

struct settings {
    struct client_conf conf;
    unsigned given; /* TAKES() of the options below O_TRACKER that stand on the command line */
    const char *config, *secret_file; /* of --secret; NULL: not given */
    struct dfs_secret *secret;
    struct dfs_tls *tls;
    struct dfs_addr trackers[DFS_TRACKERS_MAX];
    size_t n;
};

static int add_tracker(struct settings *s, const char *text)
{
    if (s->n == DFS_TRACKERS_MAX)
        return cli_misuse("more than %d trackers", DFS_TRACKERS_MAX);
    if (dfs_addr_parse(str_c(text), DEFAULT_PORT, &s->trackers[s->n]) < 0)
        return cli_misuse("%s: not HOST:PORT", text);
    s->n++;
    return 0;
}

static int print_config(void)
{
    AUTO(buf_free) struct buf out = BUF(OUT_MAX);
    dfs_conf_print(client_conf_rows, client_conf_n, &out);
    printf(STR_F, STR_A(buf_str(&out)));
    return 0;
}

static int number(const char *name, uint64_t *ret)
{
    return str_u64(str_c(optarg), INT64_MAX, ret) < 0
               ? cli_misuse("--%s %s: not a number", name, optarg)
               : 0;
}

static int watch(struct cli *c)
{
    uint64_t s = 2;
    if (optarg && (str_u64(str_c(optarg), 86400, &s) < 0 || s == 0))
        return cli_misuse("--watch=%s: 1 to 86400 seconds", optarg);
    c->watch_s = (unsigned)s;
    return 0;
}

/* 0: go on; -1: done (help, version); else the exit code. */
static int one_option(int opt, struct cli *c, struct settings *s)
{
    switch (opt) {
    case O_TRACKER:
        return add_tracker(s, optarg);
    case O_CONFIG:
        s->config = optarg;
        return 0;
    case O_JSON:
        c->json = true;
        return 0;
    case O_GROUP:
        c->group = str_c(optarg);
        return dfs_group_ok(c->group)
                   ? 0
                   : cli_misuse("--group %s: 1 to 16 letters and digits", optarg);
    case O_EXT:
        c->ext = str_c(optarg);
        return dfs_ext_ok(c->ext)
                   ? 0
                   : cli_misuse("--ext %s: at most 6 letters, digits, . - _", optarg);
    case O_APPENDER:
        c->appender = true;
        return 0;
    case O_MERGE:
        c->merge = true;
        return 0;
    case O_OFFSET:
        return number("offset", &c->offset);
    case O_COUNT:
        return number("count", &c->count);
    case O_WATCH:
        return watch(c);
    case O_SECRET:
        s->secret_file = optarg;
        return 0;
    case O_FORCE:
        c->force = true;
        return 0;
    case O_DRY_RUN:
        c->dry_run = true;
        return 0;
    case O_PRINT:
        print_config();
        return -1;
    case O_HELP:
        help();
        return -1;
    case O_VERSION:
        printf("dfs %s, protocol %s\n", dfs_version(), DFS_PROTOCOL_VERSION);
        return -1;
    default:
        return 2; /* getopt has said what is wrong */
    }
}

/* Without a file the rows' defaults count; --tracker adds to the file's. */
static int load_config(struct settings *s)
{
    AUTO(buf_free) struct buf err = BUF(8192);
    if (client_conf_load(s->config, &s->conf, &err) < 0) {
        fprintf(stderr, "dfs: " STR_F "\n", STR_A(buf_str(&err)));
        return 2;
    }
    for (size_t i = 0; i < s->conf.trackers.n; i++) {
        int code = add_tracker(s, s->conf.trackers.v[i]);
        if (code)
            return code;
    }
    return s->n ? 0 : cli_misuse("no tracker: give --tracker HOST:PORT or --config FILE");
}

static int load_secret(struct settings *s)
{
    const char *file = s->secret_file ? s->secret_file : s->conf.secret_file;
    int r = file[0] ? dfs_secret_load(file, &s->secret) : 0;
    if (r == 0)
        return 0;
    fprintf(stderr, "dfs: %s: %s\n", file, dfs_secret_error(r));
    return 1;
}

static void tls_failed(const struct dfs_addr *peer, bool incoming, const char *why)
{
    char where[DFS_ADDR_TEXT];
    (void)incoming;
    dfs_addr_format(peer, where);
    fprintf(stderr, "dfs: %s: TLS: %s\n", where, why);
}

static int load_tls(struct settings *s)
{
    AUTO(buf_free) struct buf err = BUF(8192);
    if (dfs_tls_new(&s->conf.tls, tls_failed, &s->tls, &err) == 0)
        return 0;
    fprintf(stderr, "dfs: " STR_F "\n", STR_A(buf_str(&err)));
    return 1;
}

static int run(struct cli *c, struct settings *s, const struct subcommand *sub)
{
    if (sub->kind == LOCAL)
        return sub->run(c);
    int code = load_config(s);
    if (code == 0)
        code = load_secret(s);
    if (code == 0)
        code = load_tls(s);
    if (code)
        return code;
    const struct dfs_client_opts opts = {
        .trackers = s->trackers,
        .n_trackers = s->n,
        .pool =
            {
                .peer = {.connect_ms = s->conf.connect_ms,
                         .timeout_ms = sub->kind == LOOKS
                                           ? MIN(s->conf.connect_ms, s->conf.network_ms)
                                           : s->conf.network_ms,
                         .bind_ip = s->conf.bind_addr[0] ? s->conf.bind_addr : NULL,
                         .congestion = s->conf.congestion[0] ? s->conf.congestion : NULL,
                         .secret = s->secret,
                         .tls = s->tls},
                .max_idle = 8,
                .hold_down_ms = s->conf.connect_ms,
            },
    };
    int r = dfs_client_new(&opts, &c->client);
    if (r < 0)
        return cli_fail("start", r);
    code = sub->run(c);
    dfs_client_free(&c->client);
    if (fflush(stdout) != 0 && code == 0)
        code = cli_fail("standard output", -errno);
    return code;
}

static const struct subcommand *find(const char *name)
{
    for (size_t i = 0; i < ARRAY_LEN(subcommands); i++)
        if (strcmp(subcommands[i].name, name) == 0)
            return &subcommands[i];
    return NULL;
}

/* The name of the first option in @set, which has one. */
static const char *first_of(unsigned set)
{
    const struct option *o = options;
    while (o->val >= O_TRACKER || !(set & TAKES(o->val)))
        o++;
    return o->name;
}

int main(int argc, char **argv)
{
    struct cli c = {.out = BUF(OUT_MAX)};
    struct settings s = {0};
    int opt, code = 0;
    dfs_std_open();
    if (argc > 0)
        argv[0] = "dfs"; /* the name getopt's messages begin with */
    signal(SIGPIPE, SIG_IGN);
    while (code == 0 && (opt = getopt_long(argc, argv, "", options, NULL)) != -1) {
        code = one_option(opt, &c, &s);
        s.given |= opt < O_TRACKER ? TAKES(opt) : 0;
    }
    if (code == 0 && optind == argc) {
        code = cli_misuse("a command is missing");
    } else if (code == 0) {
        const struct subcommand *sub = find(argv[optind]);
        c.args = argv + optind + 1;
        c.n = argc - optind - 1;
        if (!sub)
            code = cli_misuse("%s: no such command", argv[optind]);
        else if (c.n < sub->min || c.n > sub->max)
            code = cli_misuse("usage: dfs %s %s", sub->name, sub->args);
        else if (s.given & ~sub->takes)
            code =
                cli_misuse("--%s is no option of %s", first_of(s.given & ~sub->takes), sub->name);
        else
            code = run(&c, &s, sub);
    }
    dfs_secret_free(&s.secret);
    dfs_tls_free(&s.tls);
    dfs_conf_fini(client_conf_rows, client_conf_n, &s.conf);
    buf_free(&c.out);
    return code < 0 ? 0 : code;
}
