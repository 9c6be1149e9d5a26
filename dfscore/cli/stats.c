/* SPDX-License-Identifier: Apache-2.0 */
/* The statistics commands of the protocol (5.13), and every counter of a storage (4.2). */
#include <stdio.h>

#include "dfscore/cli/cli.h"

enum { ANSWER_MAX = 4 * 1024 * 1024 };

static int ask(struct cli *c, uint8_t cmd, const struct buf *body, bool leader, struct buf *rsp)
{
    struct dfs_trackers *t = dfs_client_trackers(c->client);
    struct str part = buf_str(body);
    return leader ? dfs_trackers_call_leader(t, cmd, &part, 1, rsp)
                  : dfs_trackers_call(t, cmd, &part, 1, rsp);
}

static void between(const struct cli *c, bool *first)
{
    if (!*first && !c->json)
        printf("\n");
    *first = false;
}

static void print_tracker(struct cli *c, const struct dfs_tracker_stat *t)
{
    cli_begin(c);
    cli_str(c, "tracker", str_c(t->host));
    cli_bool(c, "leader", t->is_leader);
    cli_bool(c, "active", t->is_active);
    cli_num(c, "connections", t->conns_current);
    cli_num(c, "connections_allocated", t->conns_allocated);
    cli_num(c, "connections_max", t->conns_max);
    cli_str(c, "version", str_c(t->version));
    cli_time(c, "up_since", t->up_time);
    cli_time(c, "last_heartbeat", t->last_heartbeat);
    cli_end(c);
}

int cmd_tracker_stats(struct cli *c)
{
    AUTO(buf_free) struct buf body = BUF(DFS_STAT_TRACKERS_REQ_LEN);
    AUTO(buf_free) struct buf rsp = BUF(ANSWER_MAX);
    const struct dfs_stat_trackers_req all = {.filter = 0};
    bool first = true;
    dfs_stat_trackers_req_put(&body, &all);
    int r = ask(c, DFS_CMD_STAT_TRACKERS, &body, true, &rsp);
    if (r < 0)
        return cli_fail("tracker-stats", r);
    struct rd rd = rd_of(buf_str(&rsp));
    for (unsigned n = rd_u8(&rd); n > 0 && !rd.bad; n--) {
        struct dfs_tracker_stat t;
        dfs_tracker_stat_read(&rd, &t);
        if (rd.bad)
            break;
        between(c, &first);
        print_tracker(c, &t);
    }
    return rd.bad ? cli_fail("tracker-stats", -EBADMSG) : 0;
}

static void print_storage(struct cli *c, const struct dfs_storage_stat *s)
{
    cli_begin(c);
    cli_str(c, "storage", str_c(s->id));
    cli_str(c, "address", str_c(s->host));
    cli_str(c, "status", str_c(dfs_server_status_name(s->status)));
    cli_bool(c, "trunk_server", s->is_trunk_server);
    cli_num(c, "connections", s->conns_current);
    cli_num(c, "connections_allocated", s->conns_allocated);
    cli_num(c, "connections_max", s->conns_max);
    cli_str(c, "version", str_c(s->version));
    cli_time(c, "up_since", s->up_time);
    cli_time(c, "last_heartbeat", s->last_heartbeat);
    cli_end(c);
}

int cmd_storage_stats(struct cli *c)
{
    AUTO(buf_free) struct buf body = BUF(DFS_STAT_STORAGES_REQ_LEN);
    AUTO(buf_free) struct buf rsp = BUF(ANSWER_MAX);
    const struct dfs_stat_storages_req all = {.filter = 0, .op = '='};
    struct dfs_stat_storages_rsp head;
    bool first = true;
    dfs_stat_storages_req_put(&body, &all);
    int r = ask(c, DFS_CMD_STAT_STORAGES, &body, false, &rsp);
    if (r < 0)
        return cli_fail("storage-stats", r);
    struct rd rd = rd_of(buf_str(&rsp));
    dfs_stat_storages_rsp_read(&rd, &head);
    while (!rd.bad && rd.n > 0) {
        struct dfs_storage_stat s;
        dfs_storage_stat_read(&rd, &s);
        if (rd.bad)
            break;
        between(c, &first);
        print_storage(c, &s);
    }
    return rd.bad ? cli_fail("storage-stats", -EBADMSG) : 0;
}

static void print_volume(struct cli *c, const struct dfs_volume_stat *v)
{
    cli_begin(c);
    cli_str(c, "group", str_c(v->group));
    cli_num(c, "total_mb", v->total_mb);
    cli_num(c, "free_mb", v->free_mb);
    cli_num(c, "reserved_mb", v->reserved_mb);
    cli_num(c, "available_mb", v->available_mb);
    cli_num(c, "trunk_free_mb", v->trunk_free_mb);
    cli_bool(c, "disk_available", v->disk_available);
    cli_bool(c, "trunk_available", v->trunk_available);
    cli_end(c);
}

int cmd_volume_stats(struct cli *c)
{
    AUTO(buf_free) struct buf body = BUF(DFS_STAT_VOLUMES_REQ_LEN);
    AUTO(buf_free) struct buf rsp = BUF(ANSWER_MAX);
    const struct dfs_stat_volumes_req all = {.filter = 0};
    struct dfs_stat_volumes_rsp head;
    bool first = true;
    dfs_stat_volumes_req_put(&body, &all);
    int r = ask(c, DFS_CMD_STAT_VOLUMES, &body, false, &rsp);
    if (r < 0)
        return cli_fail("volume-stats", r);
    struct rd rd = rd_of(buf_str(&rsp));
    dfs_stat_volumes_rsp_read(&rd, &head);
    while (!rd.bad && rd.n > 0) {
        struct dfs_volume_stat v;
        dfs_volume_stat_read(&rd, &v);
        if (rd.bad)
            break;
        between(c, &first);
        print_volume(c, &v);
    }
    return rd.bad ? cli_fail("volume-stats", -EBADMSG) : 0;
}

/* --- counters ------------------------------------------------------------------------------------- */

#define PAIR(name)                                                                                 \
    {                                                                                              \
#name, offsetof(struct dfs_stat_block, name##_total)                                       \
    }

static const struct {
    const char *name;
    size_t total; /* the successful ones follow */
} pairs[] = {
    PAIR(upload),       PAIR(append),         PAIR(modify),        PAIR(truncate),
    PAIR(set_meta),     PAIR(delete),         PAIR(download),      PAIR(get_meta),
    PAIR(create_link),  PAIR(delete_link),    PAIR(upload_bytes),  PAIR(append_bytes),
    PAIR(modify_bytes), PAIR(download_bytes), PAIR(sync_in_bytes), PAIR(sync_out_bytes),
    PAIR(file_open),    PAIR(file_read),      PAIR(file_write),
};

static void print_counters(struct cli *c, const struct dfs_storage_detail *s)
{
    cli_begin(c);
    cli_str(c, "storage", str_c(s->id));
    cli_str(c, "status", str_c(dfs_server_status_name(s->status)));
    cli_num(c, "connections", s->stat.conns_current);
    cli_num(c, "connections_allocated", s->stat.conns_allocated);
    cli_num(c, "connections_max", s->stat.conns_max);
    for (size_t i = 0; i < ARRAY_LEN(pairs); i++) {
        char name[40];
        int64_t n[2];
        memcpy(n, (const char *)&s->stat + pairs[i].total, sizeof(n));
        (void)snprintf(name, sizeof(name), "%s_total", pairs[i].name);
        cli_num(c, name, n[0]);
        (void)snprintf(name, sizeof(name), "%s_ok", pairs[i].name);
        cli_num(c, name, n[1]);
    }
    cli_time(c, "last_source_update", s->stat.last_source_update);
    cli_time(c, "last_sync_update", s->stat.last_sync_update);
    cli_time(c, "last_synced", s->stat.last_synced);
    cli_time(c, "last_heartbeat", s->stat.last_heartbeat);
    cli_end(c);
}

int cmd_counters(struct cli *c)
{
    AUTO(dfs_free_ptr) struct dfs_storage_detail *list = NULL;
    size_t n = 0;
    bool first = true;
    int r = dfs_list_storages(dfs_client_trackers(c->client), str_c(c->args[0]),
                              c->n > 1 ? str_c(c->args[1]) : STR_NULL, &list, &n);
    if (r < 0)
        return cli_fail(c->args[c->n - 1], r);
    for (size_t i = 0; i < n; i++) {
        between(c, &first);
        print_counters(c, &list[i]);
    }
    return 0;
}
