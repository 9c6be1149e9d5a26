/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The commands of a storage server; read this first. A row says what a body must look like before
 * its handler runs, who may ask, and which counter of the heartbeat it belongs to.
 *
 * Rule: fastdfs-protocol.md 8 and 10. Commands between servers are for members of the group only.
 */
#include "dfscore/log/log.h"
#include "dfscore/wire/internal.h"
#include "storage/service/op.h"
#include "storage/sync/turn.h"

/*
 * READER, WRITER: clients of the native protocol (native_clients, native_hosts); WRITER only while enough members
 * can take a copy. PEER: other servers. PROVED: whoever has proved the cluster secret,
 * or shown a certificate of the cluster.
 */
enum who { ANYBODY, READER, WRITER, PEER, PROVED };

enum {
    NAME = 1,             /* shortest name a row's length lets through */
    NAME_ROOM = 4 * 1024, /* a longer name than allowed still reaches the handler's EINVAL */
    GROUP_NAME_MAX = DFS_GROUP_LEN + NAME_ROOM,
    TRUNK_ROOM = 64 * 1024,
    SYNC_PULL_ROOM = 256,
    SYNC_WAIT_ROOM = 8 * 1024,
    SYNC_METAS_ROOM = 64 * 1024,
};

/* OWN(command, shortest, longest body, who, handler): ours.
 * ROW(command, shortest body or what a streaming handler needs first, longest body, who, counter, handler) */
#define WHOLE(ROW, OWN)                                                                            \
    ROW(ACTIVE_TEST, 0, 0, ANYBODY, NONE, sto_handle_active_test)                                  \
    ROW(QUIT, 0, 0, ANYBODY, NONE, sto_handle_quit)                                                \
    ROW(DELETE, DFS_GROUP_LEN + NAME, GROUP_NAME_MAX, WRITER, DELETE, sto_handle_delete)           \
    ROW(SET_METADATA, DFS_SET_META_REQ_LEN + NAME, STO_META_BODY_MAX, WRITER, SET_META,            \
        sto_handle_set_meta)                                                                       \
    ROW(GET_METADATA, DFS_GROUP_LEN + NAME, GROUP_NAME_MAX, READER, GET_META, sto_handle_get_meta) \
    ROW(DOWNLOAD, DFS_DOWNLOAD_REQ_LEN + NAME, DFS_DOWNLOAD_REQ_LEN + NAME_ROOM, READER, DOWNLOAD, \
        sto_handle_download)                                                                       \
    ROW(FILE_INFO, DFS_GROUP_LEN + NAME, GROUP_NAME_MAX, READER, NONE, sto_handle_info)            \
    ROW(TRUNCATE, DFS_TRUNCATE_REQ_LEN + NAME, DFS_TRUNCATE_REQ_LEN + NAME_ROOM, WRITER, TRUNCATE, \
        sto_handle_truncate)                                                                       \
    ROW(REGENERATE_NAME, NAME, NAME_ROOM, WRITER, NONE, sto_handle_regenerate)                     \
    ROW(CREATE_LINK, DFS_CREATE_LINK_REQ_LEN + NAME, DFS_CREATE_LINK_REQ_LEN + NAME_ROOM, WRITER,  \
        CREATE_LINK, sto_handle_link)                                                              \
    ROW(REPORT_SERVER_ID, 0, DFS_SERVER_ID_LEN, PEER, NONE, sto_handle_report_id)                  \
    ROW(SYNC_DELETE, DFS_SYNC_DELETE_REQ_LEN + NAME, DFS_SYNC_DELETE_REQ_LEN + NAME_ROOM, PEER,    \
        NONE, sto_handle_sync_delete)                                                              \
    ROW(SYNC_TRUNCATE, DFS_SYNC_TRUNCATE_REQ_LEN + NAME, DFS_SYNC_TRUNCATE_REQ_LEN + NAME_ROOM,    \
        PEER, NONE, sto_handle_sync_truncate)                                                      \
    ROW(SYNC_LINK, DFS_SYNC_PAIR_REQ_LEN + NAME, DFS_SYNC_PAIR_REQ_LEN + NAME_ROOM, PEER, NONE,    \
        sto_handle_sync_pair)                                                                      \
    ROW(SYNC_RENAME, DFS_SYNC_PAIR_REQ_LEN + NAME, DFS_SYNC_PAIR_REQ_LEN + NAME_ROOM, PEER, NONE,  \
        sto_handle_sync_pair)                                                                      \
    ROW(FETCH_BINLOG, DFS_FETCH_BINLOG_REQ_LEN, DFS_FETCH_BINLOG_REQ_LEN, PEER, NONE,              \
        sto_handle_fetch_binlog)                                                                   \
    ROW(TRUNK_ALLOC, 0, TRUNK_ROOM, PEER, NONE, sto_handle_trunk_alloc)                            \
    ROW(TRUNK_CONFIRM, 0, TRUNK_ROOM, PEER, NONE, sto_handle_trunk_slot)                           \
    ROW(TRUNK_FREE, 0, TRUNK_ROOM, PEER, NONE, sto_handle_trunk_slot)                              \
    ROW(TRUNK_BINLOG, 0, TRUNK_ROOM, PEER, NONE, sto_handle_trunk_refused)                         \
    ROW(TRUNK_TRUNCATE, 0, TRUNK_ROOM, PEER, NONE, sto_handle_trunk_refused)                       \
    ROW(TRUNK_BINLOG_SIZE, 0, 0, ANYBODY, NONE, sto_handle_trunk_size)                             \
    ROW(TRUNK_DELETE_MARKS, 0, 0, ANYBODY, NONE, sto_handle_trunk_marks)                           \
    OWN(HELLO, DFS_INT_HELLO_LEN, DFS_INT_HELLO_LEN, PROVED, sto_handle_hello)                     \
    OWN(SYNC_LOGS, 1, 1, PEER, sto_handle_logs)                                                    \
    OWN(SYNC_PULL, 1, SYNC_PULL_ROOM, PEER, sto_handle_pull)                                       \
    OWN(SYNC_WAIT, 1, SYNC_WAIT_ROOM, PEER, sto_handle_await)                                      \
    OWN(SYNC_METAS, 2, SYNC_METAS_ROOM, PEER, sto_handle_metas)                                    \
    OWN(SYNC_TURN, STO_TURN_HEAD + NAME, STO_TURN_HEAD + NAME_ROOM, PEER, sto_handle_turn)         \
    OWN(SYNC_STATE, 0, 0, ANYBODY, sto_handle_sync_state)                                          \
    OWN(REPAIR_STATE, 0, 0, ANYBODY, sto_handle_repair_state)                                      \
    OWN(PATHS, 0, 0, ANYBODY, sto_handle_paths)                                                    \
    OWN(MOVE, DFS_MOVE_ORDER_LEN, DFS_MOVE_ORDER_LEN + 2, PEER, sto_handle_move)                   \
    OWN(MOVE_STATE, 0, 1, ANYBODY, sto_handle_move_state)

/* Their content has any length: it streams to the disk, or is collected when it is small. */
#define STREAM(ROW)                                                                                \
    ROW(UPLOAD, DFS_UPLOAD_REQ_LEN, INT64_MAX, WRITER, UPLOAD, sto_handle_upload)                  \
    ROW(UPLOAD_APPENDER, DFS_UPLOAD_REQ_LEN, INT64_MAX, WRITER, UPLOAD, sto_handle_upload)         \
    ROW(UPLOAD_SLAVE, DFS_UPLOAD_SLAVE_REQ_LEN, INT64_MAX, WRITER, UPLOAD,                         \
        sto_handle_upload_slave)                                                                   \
    ROW(APPEND, DFS_APPEND_REQ_LEN, INT64_MAX, WRITER, APPEND, sto_handle_append)                  \
    ROW(MODIFY, DFS_MODIFY_REQ_LEN, INT64_MAX, WRITER, MODIFY, sto_handle_modify)                  \
    ROW(SYNC_CREATE, DFS_SYNC_CREATE_REQ_LEN, INT64_MAX, PEER, NONE, sto_handle_sync_create)       \
    ROW(SYNC_UPDATE, DFS_SYNC_CREATE_REQ_LEN, INT64_MAX, PEER, NONE, sto_handle_sync_create)       \
    ROW(SYNC_APPEND, DFS_SYNC_APPEND_REQ_LEN, INT64_MAX, PEER, NONE, sto_handle_sync_edit)         \
    ROW(SYNC_MODIFY, DFS_SYNC_APPEND_REQ_LEN, INT64_MAX, PEER, NONE, sto_handle_sync_edit)

#define WHOLE_COMMAND(id, min, max, who, stat, fn)                                                 \
    {.cmd = DFS_CMD_##id,                                                                          \
     .name = #id,                                                                                  \
     .min_len = (min),                                                                             \
     .max_len = (max),                                                                             \
     .handle = (fn),                                                                               \
     .done = sto_op_done},
#define STREAM_COMMAND(id, min, max, who, stat, fn)                                                \
    {.cmd = DFS_CMD_##id,                                                                          \
     .name = #id,                                                                                  \
     .min_len = (min),                                                                             \
     .max_len = (max),                                                                             \
     .handle = (fn),                                                                               \
     .content = sto_content,                                                                       \
     .abort = sto_content_abort,                                                                   \
     .done = sto_op_done},

#define OWN_COMMAND(id, min, max, who, fn)                                                         \
    {.cmd = DFS_INT_##id,                                                                          \
     .name = #id,                                                                                  \
     .min_len = (min),                                                                             \
     .max_len = (max),                                                                             \
     .handle = (fn),                                                                               \
     .done = sto_op_done},

const struct dfs_command sto_commands[] = {WHOLE(WHOLE_COMMAND, OWN_COMMAND)
                                               STREAM(STREAM_COMMAND)};
const size_t sto_command_count = ARRAY_LEN(sto_commands);

#define RULE(id, min, max, who, stat, fn) [DFS_CMD_##id] = {(who), STO_STAT_##stat + 1},
#define OWN_RULE(id, min, max, who, fn)   [DFS_INT_##id] = {(who), 0},

static const struct {
    uint8_t who;  /* enum who */
    uint8_t stat; /* enum sto_stat + 1 */
} rules[256] = {WHOLE(RULE, OWN_RULE) STREAM(RULE)};

enum sto_stat sto_command_stat(uint8_t cmd)
{
    return rules[cmd].stat ? (enum sto_stat)(rules[cmd].stat - 1) : STO_STAT_NONE;
}

/* Clients of the native protocol, as the settings let them. Members ask each other the same commands. */
static bool client_may(const struct dfs_req *req, bool writes)
{
    const struct sto_service_options *o = &sto_service_of(req)->o;
    if (o->native == STO_NATIVE_ALL && !o->native_hosts)
        return true;
    if (sto_from_peer(req))
        return true;
    return o->native != STO_NATIVE_OFF && !(writes && o->native == STO_NATIVE_READ) &&
           sto_native_host(req);
}

static bool may(const struct dfs_req *req)
{
    switch ((enum who)rules[req->head.cmd].who) {
    case ANYBODY:
        return true;
    case READER:
        return client_may(req, false);
    case WRITER:
        return client_may(req, true);
    case PEER:
        return sto_from_peer(req);
    case PROVED:
        return dfs_conn_proved(req->conn);
    }
    return false;
}

int sto_command_admit(struct dfs_req *req)
{
    static struct dfs_log_gate gate;
    struct sto_copies *copies = sto_service_of(req)->o.copies;
    if (may(req))
        return rules[req->head.cmd].who == WRITER && copies ? sto_copies_ready(copies, 0) : 0;
    if (dfs_log_allow(&gate, 1))
        dfs_log(LOG_WARN, "storage.stranger_refused", KV_Z("peer", dfs_conn_peer(req->conn)->host),
                KV_Z("command", req->command->name));
    return -EACCES;
}
