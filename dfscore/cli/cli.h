/* SPDX-License-Identifier: Apache-2.0 */
/*
 * cli - inside of the `dfs` program: what its subcommands share.
 *
 * A subcommand is a row in main.c. It prints to standard output through the functions here, so that
 * --json works everywhere, and says what failed through cli_fail.
 */
#ifndef DFS_CLI_H
#define DFS_CLI_H

#include "dfscore/client/client.h"

struct cli {
    struct dfs_client *client;
    bool json;
    bool appender, merge;   /* --appender, --merge */
    bool force, dry_run;    /* --force, --dry-run */
    unsigned watch_s;       /* --watch; 0: once */
    struct str group, ext;  /* --group, --ext; absent when not given */
    uint64_t offset, count; /* --offset, --count */
    char **args;            /* after the subcommand */
    int n;
    struct buf out; /* what is printed at the end of each result */
    bool first;     /* of the fields of a JSON object */
};

enum { EXIT_UNHEALTHY = 3 }; /* looked, and it is not as it should be */

/* One line on standard error: "dfs: WHAT: reason". */
void cli_complain(const char *what, int err);
/* The same; returns 1, the exit code of a failure. */
static inline int cli_fail(const char *what, int err)
{
    cli_complain(what, err);
    return 1;
}
/* The same for misuse; returns 2. */
int cli_misuse(const char *fmt, ...) PRINTF_LIKE(1, 2);

/* A result: a JSON object on one line, or "name: value" lines. */
void cli_begin(struct cli *c);
void cli_str(struct cli *c, const char *name, struct str value);
void cli_num(struct cli *c, const char *name, int64_t value);
void cli_time(struct cli *c, const char *name, int64_t unix_s); /* text, or the number in JSON */
void cli_bool(struct cli *c, const char *name, bool value);
void cli_end(struct cli *c);
/* A result that is one word in text and {"name": value} in JSON. */
void cli_word(struct cli *c, const char *name, struct str value);

/* "", "draining", "drained". */
const char *cli_drain_word(uint8_t drain_state);

int cmd_upload(struct cli *c);
int cmd_upload_slave(struct cli *c);
int cmd_download(struct cli *c);
int cmd_delete(struct cli *c);
int cmd_append(struct cli *c);
int cmd_modify(struct cli *c);
int cmd_truncate(struct cli *c);
int cmd_rename_to_normal(struct cli *c);
int cmd_info(struct cli *c);
int cmd_decode(struct cli *c);
int cmd_meta_get(struct cli *c);
int cmd_meta_set(struct cli *c);

int cmd_list_groups(struct cli *c);
int cmd_list_storages(struct cli *c);
int cmd_monitor(struct cli *c);
int cmd_leader(struct cli *c);
int cmd_params(struct cli *c);
int cmd_delete_storage(struct cli *c);
int cmd_delete_group(struct cli *c);
int cmd_set_trunk_server(struct cli *c);
int cmd_admin(struct cli *c);
int cmd_rebalance(struct cli *c); /* args: of admin */

int cmd_tracker_stats(struct cli *c);
int cmd_storage_stats(struct cli *c);
int cmd_volume_stats(struct cli *c);
int cmd_counters(struct cli *c);

int cmd_test(struct cli *c);
int cmd_appender_test(struct cli *c);

#endif
