/* SPDX-License-Identifier: Apache-2.0 */
/* Subcommands on the cluster: what there is, how it is, and changing it. */
#include <stdio.h>

#include "dfscore/cli/cli.h"

static void print_group(struct cli *c, const struct dfs_group_stat *g)
{
    cli_begin(c);
    cli_str(c, "group", str_c(g->group));
    cli_num(c, "storages", g->storage_count);
    cli_num(c, "readable", g->readable_count);
    cli_num(c, "writable", g->writable_count);
    cli_num(c, "total_mb", g->total_mb);
    cli_num(c, "free_mb", g->free_mb);
    cli_num(c, "reserved_mb", g->reserved_mb);
    cli_num(c, "trunk_free_mb", g->trunk_free_mb);
    cli_num(c, "storage_port", g->storage_port);
    cli_num(c, "store_paths", g->path_count);
    cli_num(c, "subdirs", g->subdir_count);
    cli_num(c, "trunk_file", g->trunk_file_id);
    cli_end(c);
}

static void print_storage(struct cli *c, const char *group, const struct dfs_storage_detail *s)
{
    cli_begin(c);
    cli_str(c, "storage", str_c(s->id));
    cli_str(c, "group", str_c(group));
    cli_str(c, "address", str_c(s->ip));
    cli_num(c, "port", s->port);
    cli_str(c, "status", str_c(dfs_server_status_name(s->status)));
    cli_bool(c, "readable", s->rw_mode & DFS_RW_READ);
    cli_bool(c, "writable", s->rw_mode & DFS_RW_WRITE);
    cli_str(c, "version", str_c(s->version));
    cli_time(c, "joined", s->join_time);
    cli_time(c, "up_since", s->up_time);
    cli_num(c, "total_mb", s->total_mb);
    cli_num(c, "free_mb", s->free_mb);
    cli_num(c, "store_paths", s->path_count);
    cli_num(c, "connections", s->stat.conns_current);
    cli_num(c, "uploads", s->stat.upload_ok);
    cli_num(c, "downloads", s->stat.download_ok);
    cli_num(c, "deletes", s->stat.delete_ok);
    cli_time(c, "last_heartbeat", s->stat.last_heartbeat);
    cli_time(c, "last_synced", s->stat.last_synced);
    cli_bool(c, "trunk_server", s->is_trunk_server);
    cli_str(c, "sync_source", str_c(s->sync_source));
    cli_end(c);
}

static void blank(const struct cli *c)
{
    if (!c->json)
        printf("\n");
}

int cmd_list_groups(struct cli *c)
{
    AUTO(dfs_free_ptr) struct dfs_group_stat *groups = NULL;
    size_t n = 0;
    int r = dfs_list_groups(dfs_client_trackers(c->client), &groups, &n);
    if (r < 0)
        return cli_fail("list-groups", r);
    for (size_t i = 0; i < n; i++) {
        if (i)
            blank(c);
        print_group(c, &groups[i]);
    }
    return 0;
}

static int storages_of(struct cli *c, const char *group)
{
    AUTO(dfs_free_ptr) struct dfs_storage_detail *list = NULL;
    size_t n = 0;
    int r = dfs_list_storages(dfs_client_trackers(c->client), str_c(group), STR_NULL, &list, &n);
    if (r < 0)
        return cli_fail(group, r);
    for (size_t i = 0; i < n; i++) {
        if (i)
            blank(c);
        print_storage(c, group, &list[i]);
    }
    return 0;
}

int cmd_list_storages(struct cli *c)
{
    return storages_of(c, c->args[0]);
}

int cmd_leader(struct cli *c)
{
    struct dfs_addr a;
    char text[DFS_ADDR_TEXT];
    int r = dfs_get_leader(dfs_client_trackers(c->client), &a);
    if (r < 0)
        return cli_fail("leader", r);
    dfs_addr_format(&a, text);
    cli_word(c, "leader", str_c(text));
    return 0;
}

int cmd_params(struct cli *c)
{
    AUTO(buf_free) struct buf rsp = BUF(64 * 1024);
    int r = dfs_trackers_call(dfs_client_trackers(c->client), DFS_CMD_PARAMETERS, NULL, 0, &rsp);
    if (r < 0)
        return cli_fail("params", r);
    struct str rest = buf_str(&rsp), line, name, value;
    cli_begin(c);
    while (str_split(&rest, '\n', &line)) {
        if (!str_cut(line, '=', &name, &value))
            continue;
        AUTO(dfs_free_ptr) char *key = str_dup(name);
        if (!key)
            return cli_fail("params", -ENOMEM);
        cli_str(c, key, value);
    }
    cli_end(c);
    return 0;
}

int cmd_delete_storage(struct cli *c)
{
    int r =
        dfs_delete_storage(dfs_client_trackers(c->client), str_c(c->args[0]), str_c(c->args[1]));
    return r < 0 ? cli_fail(c->args[1], r) : 0;
}

int cmd_delete_group(struct cli *c)
{
    int r = dfs_delete_group(dfs_client_trackers(c->client), str_c(c->args[0]));
    return r < 0 ? cli_fail(c->args[0], r) : 0;
}

int cmd_set_trunk_server(struct cli *c)
{
    char id[17];
    int r = dfs_set_trunk_server(dfs_client_trackers(c->client), str_c(c->args[0]),
                                 c->n > 1 ? str_c(c->args[1]) : STR(""), id);
    if (r < 0)
        return cli_fail(c->args[0], r);
    cli_word(c, "trunk_server", str_c(id));
    return 0;
}
