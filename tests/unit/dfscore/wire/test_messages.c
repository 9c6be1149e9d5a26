/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Golden bytes: every recorded exchange with a known layout is decoded and encoded again. The bytes
 * must be the recorded ones, save what FastDFS leaves behind a NUL in some answers (protocol 5.13).
 */
#include "tests/lib/test.h"

#include <stdio.h>

#include "dfscore/wire/header.h"
#include "dfscore/wire/internal.h"
#include "dfscore/wire/messages.h"

#define GOLDEN "tests/unit/dfscore/wire/golden.txt"

_Static_assert(DFS_BRIEF_LEN == 67, "protocol 4.1");
_Static_assert(DFS_REPAIR_STATE_LEN == 72, "dfscore/wire/internal.h");
_Static_assert(DFS_LEASE_REQ_LEN == 97, "dfscore/wire/internal.h");
_Static_assert(DFS_LEASE_RSP_LEN == 91, "dfscore/wire/internal.h");
_Static_assert(DFS_MOVE_ORDER_LEN == 20, "dfscore/wire/internal.h");
_Static_assert(DFS_MOVE_STATE_LEN == 49, "dfscore/wire/internal.h");
_Static_assert(DFS_MOVE_LEFT_LEN == 17, "dfscore/wire/internal.h");
_Static_assert(DFS_SYNC_STATE_RSP_LEN == 3 && DFS_SYNC_STATE_LEN == 50, "dfscore/wire/internal.h");
_Static_assert(DFS_STAT_BLOCK_LEN == 348, "protocol 4.2");
_Static_assert(DFS_GROUP_STAT_LEN == 113, "protocol 4.3");
_Static_assert(DFS_STORAGE_DETAIL_LEN4 == 487 && DFS_STORAGE_DETAIL_LEN6 == 517, "protocol 4.4");
_Static_assert(DFS_SYNC_RECORD_LEN == 24, "protocol 4.5");
_Static_assert(DFS_TRUNK_SLOT_LEN == 15, "protocol 4.6");
_Static_assert(DFS_QUERY_STORE_RSP_LEN4 == 40 && DFS_QUERY_STORE_RSP_LEN6 == 70, "protocol 5.1");
_Static_assert(DFS_SERVER_ENTRY_LEN4 == 23 && DFS_SERVER_ENTRY_LEN6 == 53, "protocol 5.2");
_Static_assert(DFS_QUERY_FETCH_RSP_LEN4 == 39 && DFS_QUERY_FETCH_RSP_LEN6 == 69, "protocol 5.3");
_Static_assert(DFS_TRACKER_STAT_LEN == 90, "protocol 5.13");
_Static_assert(DFS_STORAGE_STAT_LEN == 106 && DFS_VOLUME_STAT_LEN == 59, "protocol 5.13");
_Static_assert(DFS_JOIN_REQ_LEN == 145 && DFS_JOIN_RSP_LEN == 17, "protocol 6.1");
_Static_assert(DFS_REPORT_STATUS_REQ_LEN == 83 && DFS_IP_CHANGED_REQ_LEN == 108, "protocol 6");
_Static_assert(DFS_MY_ADDRESS_REQ_LEN == 21 && DFS_JOIN_LEADER_REQ_LEN == 24, "protocol 6.10, 7.3");
_Static_assert(DFS_UPLOAD_REQ_LEN == 15 && DFS_UPLOAD_SLAVE_REQ_LEN == 38, "protocol 8.1, 8.2");
_Static_assert(DFS_SET_META_REQ_LEN == 33 && DFS_DOWNLOAD_REQ_LEN == 32, "protocol 8.5, 8.7");
_Static_assert(DFS_CREATE_LINK_REQ_LEN == 62, "protocol 8.8");
_Static_assert(DFS_FILE_INFO_RSP_LEN4 == 40 && DFS_FILE_INFO_RSP_LEN6 == 70, "protocol 8.9");

/* Decode one message at the front of *rest and encode it to @out. False: does not decode. */
typedef bool again_fn(enum dfs_ipw w, struct rd *rest, struct buf *out);

#define AGAIN(m, M)                                                                                \
    static bool again_##m(enum dfs_ipw w, struct rd *rest, struct buf *out)                        \
    {                                                                                              \
        struct dfs_##m v;                                                                          \
        (void)w;                                                                                   \
        dfs_##m##_read(rest, &v);                                                                  \
        if (!rest->bad)                                                                            \
            dfs_##m##_put(out, &v);                                                                \
        return !rest->bad;                                                                         \
    }
#define AGAIN_BY_WIDTH(m, M)                                                                       \
    static bool again_##m(enum dfs_ipw w, struct rd *rest, struct buf *out)                        \
    {                                                                                              \
        struct dfs_##m v;                                                                          \
        dfs_##m##_read(rest, w, &v);                                                               \
        if (!rest->bad)                                                                            \
            dfs_##m##_put(out, w, &v);                                                             \
        return !rest->bad;                                                                         \
    }
DFS_MESSAGES(AGAIN)
DFS_MESSAGES_BY_WIDTH(AGAIN_BY_WIDTH)

enum tail { EMPTY, ONE, MANY, THEN_ANY, GARBAGE_MANY, SKIP };

struct side {
    again_fn *first; /* once, may be NULL */
    again_fn *each;  /* then until the end, for MANY */
    enum tail tail;
};

static const struct layout {
    uint8_t cmd;
    struct side request, answer;
} layouts[] = {
    {DFS_CMD_REPORT_SERVER_ID, {again_server_id, NULL, ONE}, {NULL, NULL, EMPTY}},
    {DFS_CMD_UPLOAD, {again_upload_req, NULL, THEN_ANY}, {again_group, NULL, THEN_ANY}},
    {DFS_CMD_DELETE, {again_group, NULL, THEN_ANY}, {NULL, NULL, EMPTY}},
    {DFS_CMD_SET_METADATA, {again_set_meta_req, NULL, THEN_ANY}, {NULL, NULL, EMPTY}},
    {DFS_CMD_DOWNLOAD, {again_download_req, NULL, THEN_ANY}, {NULL, NULL, SKIP}},
    {DFS_CMD_SYNC_CREATE, {again_sync_create_req, NULL, THEN_ANY}, {NULL, NULL, EMPTY}},
    {DFS_CMD_SYNC_UPDATE, {again_sync_create_req, NULL, THEN_ANY}, {NULL, NULL, EMPTY}},
    {DFS_CMD_SYNC_DELETE, {again_sync_delete_req, NULL, THEN_ANY}, {NULL, NULL, EMPTY}},
    {DFS_CMD_SYNC_LINK, {again_sync_pair_req, NULL, THEN_ANY}, {NULL, NULL, EMPTY}},
    {DFS_CMD_CREATE_LINK, {again_create_link_req, NULL, THEN_ANY}, {again_group, NULL, THEN_ANY}},
    {DFS_CMD_UPLOAD_SLAVE, {again_upload_slave_req, NULL, THEN_ANY}, {again_group, NULL, THEN_ANY}},
    {DFS_CMD_FILE_INFO, {again_group, NULL, THEN_ANY}, {again_file_info_rsp, NULL, ONE}},
    {DFS_CMD_UPLOAD_APPENDER, {again_upload_req, NULL, THEN_ANY}, {again_group, NULL, THEN_ANY}},
    {DFS_CMD_APPEND, {again_append_req, NULL, THEN_ANY}, {NULL, NULL, SKIP}},
    {DFS_CMD_SYNC_APPEND, {again_sync_append_req, NULL, THEN_ANY}, {NULL, NULL, EMPTY}},
    {DFS_CMD_FETCH_BINLOG, {again_fetch_binlog_req, NULL, ONE}, {NULL, NULL, SKIP}},
    {DFS_CMD_TRUNK_ALLOC, {again_trunk_alloc_req, NULL, ONE}, {again_trunk_slot, NULL, ONE}},
    {DFS_CMD_TRUNK_CONFIRM, {again_trunk_slot_req, NULL, ONE}, {NULL, NULL, EMPTY}},
    {DFS_CMD_TRUNK_FREE, {again_trunk_slot_req, NULL, ONE}, {NULL, NULL, EMPTY}},
    {DFS_CMD_TRUNK_BINLOG_SIZE, {NULL, NULL, EMPTY}, {again_i64, NULL, ONE}},
    {DFS_CMD_MODIFY, {again_modify_req, NULL, THEN_ANY}, {NULL, NULL, SKIP}},
    {DFS_CMD_SYNC_MODIFY, {again_sync_append_req, NULL, THEN_ANY}, {NULL, NULL, EMPTY}},
    {DFS_CMD_TRUNCATE, {again_truncate_req, NULL, THEN_ANY}, {NULL, NULL, SKIP}},
    {DFS_CMD_SYNC_TRUNCATE, {again_sync_truncate_req, NULL, THEN_ANY}, {NULL, NULL, EMPTY}},
    {DFS_CMD_REGENERATE_NAME, {NULL, NULL, SKIP}, {again_group, NULL, THEN_ANY}},
    {DFS_CMD_SYNC_RENAME, {again_sync_pair_req, NULL, THEN_ANY}, {NULL, NULL, SKIP}},
    {DFS_CMD_JOIN_LEADER, {again_join_leader_req, NULL, ONE}, {NULL, NULL, EMPTY}},
    {DFS_CMD_CHANGE_STATUS, {again_change_status_req, NULL, ONE}, {NULL, NULL, EMPTY}},
    {DFS_CMD_MY_ADDRESS, {again_my_address_req, NULL, ONE}, {NULL, NULL, SKIP}},
    {DFS_CMD_SYS_FILE_READ, {again_sys_read_req, NULL, ONE}, {again_i64, NULL, THEN_ANY}},
    {DFS_CMD_TRACKER_STATUS, {NULL, NULL, EMPTY}, {again_tracker_status_rsp, NULL, ONE}},
    {DFS_CMD_PING_LEADER, {again_ping_leader_req, NULL, ONE}, {NULL, again_trunk_server, MANY}},
    {DFS_CMD_STORAGE_IDS,
     {again_storage_ids_req, NULL, ONE},
     {again_storage_ids_rsp, NULL, THEN_ANY}},
    {DFS_CMD_SERVER_ID, {again_group, NULL, THEN_ANY}, {NULL, NULL, SKIP}},
    {DFS_CMD_SERVER_STATUS, {again_group, NULL, THEN_ANY}, {again_brief, NULL, ONE}},
    {DFS_CMD_TRUNK_ID_FETCH, {NULL, NULL, EMPTY}, {again_i32, NULL, ONE}},
    {DFS_CMD_TRUNK_ID_REPORT, {again_i32, NULL, ONE}, {NULL, NULL, EMPTY}},
    {DFS_CMD_TRUNK_FREE_REPORT, {again_i64, NULL, ONE}, {NULL, NULL, EMPTY}},
    {DFS_CMD_REPORT_STATUS, {again_report_status_req, NULL, ONE}, {NULL, NULL, EMPTY}},
    {DFS_CMD_CHANGE_LOG, {NULL, again_group_id, MANY}, {NULL, NULL, SKIP}},
    {DFS_CMD_IP_CHANGED, {again_ip_changed_req, NULL, ONE}, {NULL, NULL, EMPTY}},
    {DFS_CMD_MY_SYNC_SOURCE, {NULL, NULL, EMPTY}, {NULL, again_sync_record, MANY}},
    {DFS_CMD_JOIN, {again_join_req, NULL, THEN_ANY}, {again_join_rsp, NULL, ONE}},
    {DFS_CMD_BEAT, {NULL, again_stat_block, MANY}, {again_change_status_req, again_brief, MANY}},
    {DFS_CMD_DISK_USAGE,
     {NULL, again_path_usage, MANY},
     {again_change_status_req, again_brief, MANY}},
    {DFS_CMD_PEER_LIST, {NULL, again_brief, MANY}, {NULL, NULL, EMPTY}},
    {DFS_CMD_PEER_SYNC_SOURCE,
     {again_group_id, NULL, ONE},
     {NULL, again_sync_record, GARBAGE_MANY}},
    {DFS_CMD_NEED_SYNC_SOURCE, {NULL, NULL, EMPTY}, {NULL, again_sync_record, MANY}},
    {DFS_CMD_NOTIFY_SYNC_SOURCE, {again_sync_record, NULL, ONE}, {NULL, NULL, EMPTY}},
    {DFS_CMD_SYNC_TIMESTAMPS,
     {NULL, again_sync_timestamp, MANY},
     {again_change_status_req, again_brief, MANY}},
    {DFS_CMD_LIST_GROUP, {again_group, NULL, ONE}, {again_group_stat, NULL, ONE}},
    {DFS_CMD_LIST_GROUPS, {NULL, NULL, EMPTY}, {NULL, again_group_stat, MANY}},
    {DFS_CMD_LIST_STORAGES, {again_group, NULL, THEN_ANY}, {NULL, again_storage_detail, MANY}},
    {DFS_CMD_STAT_TRACKERS,
     {again_stat_trackers_req, NULL, ONE},
     {again_change_status_req, again_tracker_stat, GARBAGE_MANY}},
    {DFS_CMD_STAT_STORAGES,
     {again_stat_storages_req, NULL, ONE},
     {again_stat_storages_rsp, again_storage_stat, GARBAGE_MANY}},
    {DFS_CMD_STAT_VOLUMES,
     {again_stat_volumes_req, NULL, ONE},
     {again_stat_volumes_rsp, again_volume_stat, GARBAGE_MANY}},
    {DFS_CMD_QUERY_STORE, {NULL, NULL, EMPTY}, {again_query_store_rsp, NULL, ONE}},
    {DFS_CMD_QUERY_STORE_GROUP, {again_group, NULL, ONE}, {again_query_store_rsp, NULL, ONE}},
    {DFS_CMD_QUERY_FETCH, {again_group, NULL, THEN_ANY}, {again_query_fetch_rsp, NULL, ONE}},
    {DFS_CMD_QUERY_UPDATE, {again_group, NULL, THEN_ANY}, {again_query_fetch_rsp, NULL, ONE}},
    {DFS_CMD_QUERY_FETCH_ALL,
     {again_group, NULL, THEN_ANY},
     {again_group, again_server_entry, MANY}},
    {DFS_CMD_QUERY_STORE_ALL, {NULL, NULL, EMPTY}, {again_group, NULL, THEN_ANY}},
    {DFS_CMD_QUERY_STORE_GROUP_ALL, {again_group, NULL, ONE}, {again_group, NULL, THEN_ANY}},
    {DFS_CMD_DELETE_GROUP, {again_group, NULL, ONE}, {NULL, NULL, EMPTY}},
    {DFS_CMD_GROUP_OF_SERVER, {NULL, NULL, SKIP}, {again_group, NULL, ONE}},
    {DFS_CMD_GET_METADATA, {again_group, NULL, THEN_ANY}, {NULL, NULL, SKIP}},
    {DFS_CMD_TRUNK_BINLOG, {NULL, NULL, SKIP}, {NULL, NULL, EMPTY}},
    {DFS_CMD_TRUNK_DELETE_MARKS, {NULL, NULL, EMPTY}, {NULL, NULL, EMPTY}},
    {DFS_CMD_TRUNK_TRUNCATE, {NULL, NULL, EMPTY}, {NULL, NULL, EMPTY}},
    {DFS_CMD_SYS_FILES_START, {NULL, NULL, EMPTY}, {NULL, NULL, EMPTY}},
    {DFS_CMD_SYS_FILES_END, {NULL, NULL, EMPTY}, {NULL, NULL, EMPTY}},
    {DFS_CMD_NOTIFY_LEADER, {NULL, NULL, SKIP}, {NULL, NULL, EMPTY}},
    {DFS_CMD_COMMIT_LEADER, {NULL, NULL, SKIP}, {NULL, NULL, EMPTY}},
    {DFS_CMD_RESELECT_LEADER, {NULL, NULL, EMPTY}, {NULL, NULL, EMPTY}},
    {DFS_CMD_PARAMETERS, {NULL, NULL, EMPTY}, {NULL, NULL, SKIP}},
    {DFS_CMD_QUIT, {NULL, NULL, EMPTY}, {NULL, NULL, EMPTY}},
    {DFS_CMD_DELETE_STORAGE, {again_group, NULL, THEN_ANY}, {NULL, NULL, EMPTY}},
    {DFS_CMD_SET_TRUNK_SERVER, {again_group, NULL, THEN_ANY}, {NULL, NULL, SKIP}},
    {DFS_CMD_GET_LEADER, {NULL, NULL, EMPTY}, {NULL, NULL, SKIP}},
    {DFS_CMD_ACTIVE_TEST, {NULL, NULL, EMPTY}, {NULL, NULL, EMPTY}},
};

static void check_side(const struct side *s, enum dfs_ipw w, struct str body, const char *name)
{
    AUTO(buf_free) struct buf out = BUF(100000);
    struct rd rest = rd_of(body);
    if (s->tail == SKIP)
        return;
    bool ok = !s->first || s->first(w, &rest, &out);
    while (ok && rest.n && (s->tail == MANY || s->tail == GARBAGE_MANY))
        ok = s->each(w, &rest, &out);
    if (!ok || (rest.n && s->tail != THEN_ANY))
        fail_msg("%s: a body of %zu bytes does not decode", name, body.n);
    for (size_t i = 0; i < out.n; i++)
        if (out.p[i] != body.p[i] && !(s->tail == GARBAGE_MANY && out.p[i] == 0))
            fail_msg("%s: byte %zu is %02x, recorded %02x", name, i, (uint8_t)out.p[i],
                     (uint8_t)body.p[i]);
}

static const struct layout *layout_of(uint8_t cmd)
{
    for (size_t i = 0; i < ARRAY_LEN(layouts); i++)
        if (layouts[i].cmd == cmd)
            return &layouts[i];
    return NULL;
}

/* A whole message in hex: its header, and the body as it was received. */
static struct str unhex_message(struct str hex, struct dfs_header *h, char *out)
{
    assert_int_equal(str_unhex(hex, out, hex.n / 2), 0);
    assert_true(hex.n / 2 >= DFS_HEADER_LEN);
    assert_int_equal(dfs_header_get((uint8_t *)out, h), 0);
    uint8_t again[DFS_HEADER_LEN];
    dfs_header_put(h, again);
    assert_memory_equal(again, out, sizeof(again));
    return str_of(out + DFS_HEADER_LEN, hex.n / 2 - DFS_HEADER_LEN);
}

static unsigned check_exchange(struct str line)
{
    static char bytes[2][4096];
    struct str width, name, request, answer;
    struct dfs_header rq, rs;
    str_split(&line, ' ', &width);
    str_split(&line, ' ', &name);
    str_split(&line, ' ', &request);
    str_split(&line, ' ', &answer);
    char z[128];
    snprintf(z, sizeof(z), STR_F, STR_A(name));
    if (answer.n < 2 * DFS_HEADER_LEN)
        return 0;
    struct str body = unhex_message(request, &rq, bytes[0]);
    struct str out = unhex_message(answer, &rs, bytes[1]);
    assert_int_equal(rs.cmd, DFS_CMD_RESPONSE);
    if (rs.status)
        return 0; /* a refusal, which has no body; what was refused may be of any shape */
    if (rs.len != DFS_LEN_UNKNOWN)
        assert_int_equal(out.n, rs.len);
    const struct layout *l = layout_of(rq.cmd);
    if (!l)
        fail_msg("%s: command %u is of no known layout", z, rq.cmd);
    enum dfs_ipw w = str_eq(width, STR("46")) ? DFS_IPW6 : DFS_IPW4;
    check_side(&l->request, w, body, z);
    check_side(&l->answer, w, out, z);
    return 1;
}

static void recorded_messages_decode_and_encode_to_the_same_bytes(void **state)
{
    (void)state;
    FILE *f = fopen(GOLDEN, "r");
    AUTO(dfs_free_ptr) char *line = NULL;
    size_t cap = 0;
    unsigned checked = 0;
    assert_non_null(f);
    for (ssize_t n; (n = getline(&line, &cap, f)) > 0;)
        if (line[0] != '#')
            checked += check_exchange(str_of(line, (size_t)n - 1));
    fclose(f);
    assert_true(checked > 200);
}

static void the_specification_example_of_query_store(void **state)
{
    (void)state;
    AUTO(buf_free) struct buf b = BUF(100);
    const struct dfs_query_store_rsp m = {.group = "group1", .ip = "127.0.0.3", .port = 23000};
    const char want[40] = "group1\0\0\0\0\0\0\0\0\0\0"
                          "127.0.0.3\0\0\0\0\0\0\0\0\0\0\0\0\x59\xD8";
    dfs_query_store_rsp_put(&b, DFS_IPW4, &m);
    assert_int_equal(b.n, 40);
    assert_memory_equal(b.p, want, 40);
    struct dfs_query_store_rsp back;
    assert_int_equal(dfs_query_store_rsp_get(buf_str(&b), &back), 0);
    assert_string_equal(back.ip, "127.0.0.3");
    assert_int_equal(back.port, 23000);
}

static void wrong_lengths_and_negative_sizes_are_refused(void **state)
{
    (void)state;
    struct dfs_upload_req m = {.path_index = 9};
    struct str tail;
    char body[16] = {1, 0, 0, 0, 0, 0, 0, 0, 5, 't', 'x', 't', 0, 0, 0, 'c'};
    assert_int_equal(dfs_upload_req_get(str_of(body, 14), &m), -EINVAL);
    assert_int_equal(dfs_upload_req_get(str_of(body, 16), &m), -EINVAL);
    assert_int_equal(dfs_upload_req_head(str_of(body, 14), &m, &tail), -EINVAL);
    assert_int_equal(m.path_index, 9); /* untouched on failure */
    assert_int_equal(dfs_upload_req_head(str_of(body, 16), &m, &tail), 0);
    assert_int_equal(m.content_len, 5);
    assert_string_equal(m.ext, "txt");
    assert_true(str_eq(tail, STR("c")));
    body[1] = (char)0x80;
    assert_int_equal(dfs_upload_req_get(str_of(body, 15), &m), -EINVAL);
}

/* Ours has no recording: worked out by hand from internal.h. */
static void the_state_of_replication_byte_by_byte(void **state)
{
    (void)state;
    static const char bytes[] = "\x02\x03\x01"
                                "100001\0\0\0\0\0\0\0\0\0\0"
                                "\x07\x01"
                                "\0\0\0\0\0\0\x02\x01"
                                "\0\0\0\0\0\x01\0\0"
                                "\0\0\0\0\0\0\0\x3c"
                                "\xff\xff\xff\xff\xff\xff\xff\xff";
    struct str all = str_of(bytes, sizeof(bytes) - 1), rest;
    AUTO(buf_free) struct buf again = BUF(1024);
    struct dfs_sync_state_rsp head;
    struct dfs_sync_state s;
    assert_int_equal(dfs_sync_state_rsp_head(all, &head, &rest), 0);
    assert_int_equal(head.min, 2);
    assert_int_equal(head.needed, 3);
    assert_int_equal(head.count, 1);
    assert_int_equal(dfs_sync_state_get(rest, &s), 0);
    assert_string_equal(s.id, "100001");
    assert_int_equal(s.status, DFS_ST_ACTIVE);
    assert_int_equal(s.more, 1);
    assert_int_equal(s.changes, 513);
    assert_int_equal(s.bytes, 65536);
    assert_int_equal(s.seconds, 60);
    assert_int_equal(s.heard_ms, -1);
    struct rd rd = rd_of(all);
    assert_true(again_sync_state_rsp(DFS_IPW4, &rd, &again) &&
                again_sync_state(DFS_IPW4, &rd, &again));
    assert_true(str_eq(buf_str(&again), all));
}

static void who_is_drained(void **state)
{
    (void)state;
    static const char bytes[] = "group1\0\0\0\0\0\0\0\0\0\0"
                                "10.0.0.5\0\0\0\0\0\0\0\0"
                                "\x02";
    struct str all = str_of(bytes, sizeof(bytes) - 1);
    AUTO(buf_free) struct buf again = BUF(1024);
    struct dfs_drain d;
    assert_int_equal(dfs_drain_get(all, &d), 0);
    assert_string_equal(d.group, "group1");
    assert_string_equal(d.id, "10.0.0.5");
    assert_int_equal(d.state, DFS_DRAIN_DONE);
    struct rd rd = rd_of(all);
    assert_true(again_drain(DFS_IPW4, &rd, &again));
    assert_true(str_eq(buf_str(&again), all));
}

static void what_is_damaged_at_a_storage(void **state)
{
    (void)state;
    static const char bytes[] = "\0\0\0\0\0\0\0\x01"
                                "\0\0\0\0\0\0\0\x02"
                                "\0\0\0\0\0\0\0\x03"
                                "\0\0\0\0\0\0\0\x04"
                                "\0\0\0\0\0\0\0\x05"
                                "\0\0\0\0\x65\0\0\0"
                                "\0\0\0\0\0\0\x02\0"
                                "\0\0\0\0\0\0\0\0"
                                "\0\0\0\0\0\0\0\x09";
    struct str all = str_of(bytes, sizeof(bytes) - 1);
    AUTO(buf_free) struct buf again = BUF(1024);
    struct dfs_repair_state s;
    assert_int_equal(dfs_repair_state_get(all, &s), 0);
    assert_int_equal(s.damaged, 1);
    assert_int_equal(s.repaired, 3);
    assert_int_equal(s.scrub_began, 0x65000000);
    assert_int_equal(s.scrub_bytes, 512);
    assert_int_equal(s.scrub_last_bytes, 9);
    struct rd rd = rd_of(all);
    assert_true(again_repair_state(DFS_IPW4, &rd, &again));
    assert_true(str_eq(buf_str(&again), all));
}

static void who_has_the_lease(void **state)
{
    (void)state;
    static const char ask[] = "\x03"
                              "\x81\0\0\0\0\0\0\x01"
                              "\0\0\0\0\0\0\0\x02"
                              "\0\0\0\0\0\0\x27\x10"
                              "\0\0\0\0\0\0\0\x07"
                              "10.0.0.5:9000";
    static const char say[] = "\x03\x02\x03"
                              "\x81\0\0\0\0\0\0\x01"
                              "\0\0\0\0\0\0\x01\xf4"
                              "\0\0\0\0\0\0\0\x08"
                              "10.0.0.5:9000";
    char bytes[DFS_LEASE_REQ_LEN] = {0};
    memcpy(bytes, ask, sizeof(ask) - 1);
    struct str all = str_of(bytes, DFS_LEASE_REQ_LEN);
    AUTO(buf_free) struct buf again = BUF(1024);
    struct dfs_lease_req m;
    struct dfs_lease_rsp a;
    assert_int_equal(dfs_lease_req_get(all, &m), 0);
    assert_int_equal(m.mode, DFS_LEASE_TAKE);
    assert_true((uint64_t)m.holder == UINT64_C(0x8100000000000001));
    assert_int_equal(m.over, 2);
    assert_int_equal(m.ttl_ms, 10000);
    assert_int_equal(m.mark, 7);
    assert_string_equal(m.name, "10.0.0.5:9000");
    struct rd rd = rd_of(all);
    assert_true(again_lease_req(DFS_IPW4, &rd, &again));
    assert_true(str_eq(buf_str(&again), all));
    memset(bytes, 0, sizeof(bytes));
    memcpy(bytes, say, sizeof(say) - 1);
    all = str_of(bytes, DFS_LEASE_RSP_LEN);
    assert_int_equal(dfs_lease_rsp_get(all, &a), 0);
    assert_int_equal(a.state, DFS_LEASE_HELD);
    assert_int_equal(a.kept, DFS_LEASE_ANOTHERS);
    assert_int_equal(a.trackers, 3);
    assert_int_equal(a.left_ms, 500);
    assert_int_equal(a.mark, 8);
    assert_string_equal(a.name, "10.0.0.5:9000");
    buf_reset(&again);
    rd = rd_of(all);
    assert_true(again_lease_rsp(DFS_IPW4, &rd, &again));
    assert_true(str_eq(buf_str(&again), all));
}

static void what_moves_to_other_groups(void **state)
{
    (void)state;
    static const char bytes[] = "group2\0\0\0\0\0\0\0\0\0\0"
                                "\0\0\x4e\x20"
                                "\x01"
                                "\0\0\0\0\0\0\0\x02"
                                "\0\0\0\0\0\0\x03\0"
                                "\0\0\0\0\0\0\0\x04"
                                "\0\0\0\0\0\0\0\x05"
                                "\0\0\0\0\0\0\0\x06"
                                "\0\0\0\0\0\0\0\x0b"
                                "\x01"
                                "\0\0\0\0\0\0\0\x07"
                                "\0\0\0\0\0\0\x08\0";
    struct str all = str_of(bytes, sizeof(bytes) - 1);
    AUTO(buf_free) struct buf again = BUF(1024);
    struct dfs_move_order o;
    struct dfs_move_state s;
    struct dfs_move_left l;
    assert_int_equal(dfs_move_order_get(str_head(all, DFS_MOVE_ORDER_LEN), &o), 0);
    assert_string_equal(o.group, "group2");
    assert_int_equal(o.for_ms, 20000);
    struct str rest = str_from(all, DFS_MOVE_ORDER_LEN);
    assert_int_equal(dfs_move_state_get(str_head(rest, DFS_MOVE_STATE_LEN), &s), 0);
    assert_int_equal(s.running, 1);
    assert_int_equal(s.moved, 2);
    assert_int_equal(s.moved_bytes, 768);
    assert_int_equal(s.rounds, 4);
    assert_int_equal(s.round_moved, 5);
    assert_int_equal(s.round_left, 6);
    assert_int_equal(s.last_error, 11);
    assert_int_equal(dfs_move_left_get(str_from(rest, DFS_MOVE_STATE_LEN), &l), 0);
    assert_true(l.known == 1 && l.files == 7 && l.bytes == 2048);
    struct rd rd = rd_of(all);
    assert_true(again_move_order(DFS_IPW4, &rd, &again) &&
                again_move_state(DFS_IPW4, &rd, &again) && again_move_left(DFS_IPW4, &rd, &again));
    assert_true(str_eq(buf_str(&again), all));
}

static void texts_may_fill_their_field_unless_a_nul_is_required(void **state)
{
    (void)state;
    AUTO(buf_free) struct buf b = BUF(200);
    struct dfs_group g;
    assert_int_equal(dfs_group_get(STR("abcdefghijklmnop"), &g), 0);
    assert_string_equal(g.group, "abcdefghijklmnop");
    struct dfs_my_address_req m;
    assert_int_equal(dfs_my_address_req_get(STR("abcdefghijklmnopq\0\0\0\1"), &m), -EINVAL);
    assert_int_equal(dfs_my_address_req_get(STR("abcdefghijklmnop\0\0\0\0\1"), &m), 0);
    assert_int_equal(dfs_text_set(g.group, sizeof(g.group), STR("abcdefghijklmnopq")),
                     -ENAMETOOLONG);
    /* What follows a NUL does not count, and is not passed on. */
    assert_int_equal(dfs_group_get(STR("g1\0garbage______"), &g), 0);
    dfs_group_put(&b, &g);
    assert_true(str_eq(buf_str(&b), STR("g1\0\0\0\0\0\0\0\0\0\0\0\0\0\0")));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(recorded_messages_decode_and_encode_to_the_same_bytes),
        cmocka_unit_test(the_specification_example_of_query_store),
        cmocka_unit_test(wrong_lengths_and_negative_sizes_are_refused),
        cmocka_unit_test(the_state_of_replication_byte_by_byte),
        cmocka_unit_test(who_is_drained),
        cmocka_unit_test(who_has_the_lease),
        cmocka_unit_test(what_moves_to_other_groups),
        cmocka_unit_test(what_is_damaged_at_a_storage),
        cmocka_unit_test(texts_may_fill_their_field_unless_a_nul_is_required),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
