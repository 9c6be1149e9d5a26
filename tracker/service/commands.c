/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Every command of the tracker: length, who may, handler. Read this first.
 *
 * Rule: protocol 10 (who sends what), 2.4 (lengths). Commands that change anything but the caller's
 * cursor are for servers only (semantics 19, numbers 1, 4, 27).
 */
#include "tracker/service/commands.h"

#include <arpa/inet.h>

#include "dfscore/log/log.h"
#include "dfscore/wire/internal.h"
#include "tracker/service/peercmd.h"

enum {
    BODY_ANY = TRK_FRAME_MAX,
    LISTS_MAX = DFS_SERVERS_MAX * 67,
    JOIN_MAX = DFS_JOIN_REQ_LEN + DFS_TRACKERS_MAX * 101,
    ANSWER_MAX = 64 * 1024 * 1024, /* 512 groups of 32 servers in command 201 */
};

#define LOGIN  (TRK_SERVERS | TRK_JOINED)
#define KEPT   (TRK_SERVERS | TRK_KEPT)
#define SURE   (KEPT | TRK_SURE)
#define MEMBER (LOGIN | TRK_KEPT)

static const struct trk_row rows[] = {
    /* clients */
    {DFS_CMD_QUERY_STORE, "query_store", 0, 0, TRK_OPEN, trk_query_store},
    {DFS_CMD_QUERY_STORE_GROUP, "query_store_group", 16, 16, TRK_OPEN, trk_query_store_group},
    {DFS_CMD_QUERY_STORE_ALL, "query_store_all", 0, 0, TRK_OPEN, trk_query_store_all},
    {DFS_CMD_QUERY_STORE_GROUP_ALL, "query_store_group_all", 16, 16, TRK_OPEN,
     trk_query_store_group_all},
    {DFS_CMD_QUERY_FETCH, "query_fetch", DFS_FETCH_REQ_MIN, DFS_FETCH_REQ_MAX, TRK_OPEN,
     trk_query_fetch},
    {DFS_CMD_QUERY_UPDATE, "query_update", DFS_FETCH_REQ_MIN, DFS_FETCH_REQ_MAX, TRK_OPEN,
     trk_query_update},
    {DFS_CMD_QUERY_FETCH_ALL, "query_fetch_all", DFS_FETCH_REQ_MIN, DFS_FETCH_REQ_MAX, TRK_OPEN,
     trk_query_fetch_all},
    {DFS_CMD_PARAMETERS, "parameters", 0, 0, TRK_OPEN, trk_parameters},
    {DFS_CMD_STORAGE_IDS, "storage_ids", 5, 5, TRK_OPEN, trk_storage_ids},
    {DFS_CMD_GET_LEADER, "get_leader", 0, 0, TRK_OPEN, trk_get_leader},
    {DFS_CMD_TRACKER_STATUS, "tracker_status", 0, 0, TRK_OPEN, trk_tracker_status},
    /* lists and statistics */
    {DFS_CMD_LIST_GROUP, "list_group", 16, 16, TRK_OPEN, trk_list_group},
    {DFS_CMD_LIST_GROUPS, "list_groups", 0, 0, TRK_OPEN, trk_list_groups},
    {DFS_CMD_LIST_STORAGES, "list_storages", 16, 31, TRK_OPEN, trk_list_storages},
    {DFS_CMD_STAT_TRACKERS, "stat_trackers", 3, 3, TRK_OPEN, trk_stat_trackers},
    {DFS_CMD_STAT_STORAGES, "stat_storages", 4, 4, TRK_OPEN, trk_stat_storages},
    {DFS_CMD_STAT_VOLUMES, "stat_volumes", 4, 4, TRK_OPEN, trk_stat_volumes},
    /* administrators */
    {DFS_CMD_DELETE_STORAGE, "delete_storage", 17, 31, SURE, trk_delete_storage},
    {DFS_CMD_DELETE_GROUP, "delete_group", 16, 16, SURE, trk_delete_group},
    {DFS_CMD_SET_TRUNK_SERVER, "set_trunk_server", 16, 31, SURE, trk_set_trunk_server},
    {DFS_INT_DRAIN, "drain", DFS_DRAIN_LEN, DFS_DRAIN_LEN, SURE, trk_drain},
    {DFS_INT_DRAINS, "drains", 0, 0, TRK_OPEN, trk_drains},
    /* gateways */
    {DFS_INT_LEASE, "lease", DFS_LEASE_REQ_LEN, DFS_LEASE_REQ_LEN, KEPT, trk_lease},
    /* storages: who is who */
    {DFS_CMD_MY_ADDRESS, "my_address", 21, 21, TRK_OPEN, trk_my_address},
    {DFS_CMD_SERVER_ID, "server_id", 17, 16 + 68, TRK_OPEN, trk_server_id},
    {DFS_CMD_SERVER_STATUS, "server_status", 17, 16 + 68, TRK_OPEN, trk_server_status},
    {DFS_CMD_GROUP_OF_SERVER, "group_of_server", 4, 4 + 46, TRK_OPEN, trk_group_of_server},
    /* storages: membership */
    {DFS_CMD_JOIN, "join", DFS_JOIN_REQ_LEN, JOIN_MAX, KEPT, trk_join},
    {DFS_CMD_IP_CHANGED, "ip_changed", 108, 108, KEPT, trk_ip_changed},
    {DFS_CMD_BEAT, "beat", 0, DFS_STAT_BLOCK_LEN, LOGIN, trk_beat},
    {DFS_CMD_DISK_USAGE, "disk_usage", 16, DFS_PATHS_MAX * 17, LOGIN, trk_disk_usage},
    {DFS_CMD_SYNC_TIMESTAMPS, "sync_timestamps", 0, DFS_SERVERS_MAX * 20, LOGIN,
     trk_sync_timestamps},
    {DFS_CMD_PEER_LIST, "peer_list", 67, LISTS_MAX, LOGIN, trk_peer_list},
    {DFS_CMD_NEED_SYNC_SOURCE, "need_sync_source", 0, 0, MEMBER, trk_need_sync_source},
    {DFS_CMD_NOTIFY_SYNC_SOURCE, "notify_sync_source", 24, 24, MEMBER, trk_notify_sync_source},
    {DFS_CMD_MY_SYNC_SOURCE, "my_sync_source", 0, 0, LOGIN, trk_my_sync_source},
    {DFS_CMD_PEER_SYNC_SOURCE, "peer_sync_source", 32, 32, TRK_SERVERS, trk_peer_sync_source},
    {DFS_CMD_REPORT_STATUS, "report_status", 83, 83, KEPT, trk_report_status},
    {DFS_CMD_CHANGE_STATUS, "change_status", 1, 1, MEMBER, trk_change_status},
    {DFS_CMD_CHANGE_LOG, "change_log", 0, 32, TRK_SERVERS, trk_change_log},
    {DFS_CMD_TRUNK_ID_FETCH, "trunk_id_fetch", 0, 0, LOGIN, trk_trunk_id_fetch},
    {DFS_CMD_TRUNK_ID_REPORT, "trunk_id_report", 4, 4, MEMBER, trk_trunk_id_report},
    {DFS_CMD_TRUNK_FREE_REPORT, "trunk_free_report", 8, 8, LOGIN, trk_trunk_free_report},
    /* trackers */
    {DFS_CMD_RESELECT_LEADER, "reselect_leader", 0, 0, TRK_SERVERS, trk_reselect_leader},
    {DFS_CMD_NOTIFY_LEADER, "notify_leader", 1, BODY_ANY, TRK_SERVERS, trk_notify_leader},
    {DFS_CMD_COMMIT_LEADER, "commit_leader", 1, BODY_ANY, TRK_SERVERS, trk_commit_leader},
    {DFS_CMD_JOIN_LEADER, "join_leader", 24, 24, TRK_SERVERS, trk_join_leader},
    {DFS_CMD_PING_LEADER, "ping_leader", 12, 12, TRK_SERVERS, trk_ping_leader},
    {DFS_CMD_SYS_FILES_START, "sys_files_start", 0, 0, TRK_SERVERS, trk_sys_start},
    {DFS_CMD_SYS_FILES_END, "sys_files_end", 0, 0, TRK_SERVERS, trk_sys_end},
    {DFS_CMD_SYS_FILE_READ, "sys_file_read", 9, 9, TRK_SERVERS, trk_sys_read},
    {TRK_CMD_ELECTION, "election", 1, 256, SURE, trk_peer_message},
    {TRK_CMD_STATE, "state", 0, 0, TRK_SERVERS, trk_peer_state},
};

const struct trk_row *trk_rows(size_t *n)
{
    *n = ARRAY_LEN(rows);
    return rows;
}

/* --- the network's side --------------------------------------------------------------------- */

struct answer {
    struct trk_waiter w; /* must be first */
    struct dfs_req *req;
    struct buf body;
    int r;
};

static void answer_now(struct dfs_req *req)
{
    struct answer *a = req->user;
    req->user = NULL;
    if (a->r < 0)
        dfs_req_reply(req, a->r, STR_NULL);
    else
        dfs_req_reply_buf(req, &a->body);
    buf_free(&a->body);
    free(a);
}

/* On the store's thread. */
static void durable(struct trk_waiter *w, int r)
{
    struct answer *a = (struct answer *)w;
    a->r = r;
    dfs_req_post(a->req, answer_now);
}

static void answer_later(struct trk_server *srv, struct dfs_req *req, struct buf *body,
                         uint64_t seq)
{
    struct answer *a = dfs_zalloc(sizeof(*a));
    if (!a) {
        dfs_req_reply(req, -ENOMEM, STR_NULL);
        return;
    }
    a->w = (struct trk_waiter){NULL, seq, durable};
    a->req = req;
    a->body = *body;
    *body = BUF(ANSWER_MAX);
    req->user = a;
    trk_store_wait(srv->store, &a->w);
}

static void handle(struct dfs_req *req)
{
    struct trk_server *srv = dfs_conn_ctx(req->conn);
    struct trk_session *s = *dfs_conn_user(req->conn);
    AUTO(buf_free) struct buf out = BUF(ANSWER_MAX);
    uint64_t wait = 0;
    if (!s) { /* on_open had no memory for it */
        dfs_req_drop(req);
        return;
    }
    const struct dfs_service *service = &srv->commands->service;
    if (service->secret || service->tls_required || dfs_conn_proved(req->conn))
        s->server = s->named && dfs_conn_proved(req->conn);
    int r = trk_dispatch(srv, s, req->command->cmd, req->head.status, req->body, &out, &wait);
    if (r < 0)
        dfs_req_reply(req, r, STR_NULL);
    else if (wait && srv->store)
        answer_later(srv, req, &out, wait);
    else
        dfs_req_reply_buf(req, &out);
}

static bool is_server(const struct trk_commands *t, const struct dfs_conn *c)
{
    if (dfs_conn_is_unix(c) || !t->server_hosts)
        return true; /* its listener has let it in, and no list narrows that */
    struct sockaddr_in in = {.sin_family = AF_INET};
    struct sockaddr_in6 in6 = {.sin6_family = AF_INET6};
    const char *ip = dfs_conn_peer(c)->host;
    if (inet_pton(AF_INET, ip, &in.sin_addr) == 1)
        return dfs_allow_match(t->server_hosts, (const struct sockaddr *)&in);
    return inet_pton(AF_INET6, ip, &in6.sin6_addr) == 1 &&
           dfs_allow_match(t->server_hosts, (const struct sockaddr *)&in6);
}

static void on_open(struct dfs_conn *c)
{
    struct trk_server *srv = dfs_conn_ctx(c);
    struct trk_session *s = dfs_zalloc(sizeof(*s));
    const struct dfs_addr *peer = dfs_conn_peer(c), *local = dfs_conn_local(c);
    *dfs_conn_user(c) = s;
    if (!s)
        return;
    s->named = dfs_text_set(s->peer_ip, sizeof(s->peer_ip), str_c(peer->host)) == 0 &&
               dfs_text_set(s->local_ip, sizeof(s->local_ip), str_c(local->host)) == 0;
    s->server = s->named && is_server(srv->commands, c); /* with a secret or TLS: see handle() */
    trk_session_open(srv, s);
}

static void on_close(struct dfs_conn *c)
{
    struct trk_session *s = TAKE(*dfs_conn_user(c));
    if (!s)
        return;
    s->left = dfs_conn_quit(c);
    trk_session_close(dfs_conn_ctx(c), s);
    free(s);
}

int trk_commands_new(struct trk_server *srv, const struct trk_commands_opts *o,
                     struct trk_commands **ret)
{
    struct trk_commands *t = dfs_zalloc(sizeof(*t) + ARRAY_LEN(rows) * sizeof(struct dfs_command));
    if (!t)
        return -ENOMEM;
    for (size_t i = 0; i < ARRAY_LEN(rows); i++)
        t->commands[i] = (struct dfs_command){
            .cmd = rows[i].cmd,
            .name = rows[i].name,
            .max_len = o->frame_max,
            .handle = handle,
        };
    t->server_hosts = o->server_hosts;
    t->service = (struct dfs_service){
        .name = "tracker",
        .ctx = srv,
        .commands = t->commands,
        .n = ARRAY_LEN(rows),
        .frame_max = o->frame_max,
        .keep_bytes = 1024,
        .first_ms = o->stall_ms,
        .stall_ms = o->stall_ms,
        .secret = o->secret,
        .tls = o->tls,
        .tls_required = o->tls_required,
        .on_open = on_open,
        .on_close = on_close,
    };
    srv->commands = t;
    *ret = t;
    return 0;
}

void trk_commands_free(struct trk_commands **tp)
{
    free(TAKE(*tp));
}
