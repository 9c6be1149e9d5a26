/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The client against a tracker and two storages that are services on Unix-domain sockets: the tracker
 * answers with what a table says, the storages record what they are asked.
 */
#include "tests/lib/test.h"

#include <stdatomic.h>
#include <stdio.h>
#include <unistd.h>

#include "dfscore/client/client.h"
#include "dfscore/net/listener.h"
#include "dfscore/wire/status.h"

#define ID "group1/M00/EF/A9/wKgBCmVT8QCAKlt8AAAADevmxuY731.txt"

enum { NODES = 3 };

struct node {
    struct dfs_addr addr;
    struct dfs_listener *listener;
    struct dfs_service service;
    _Atomic int answer; /* errno to answer with, 0: succeed */
    _Atomic unsigned asked;
    uint8_t last_cmd, last_flags;
    char body[2048];
    size_t n;
    char reply[4096]; /* body of a successful answer */
    size_t reply_n;
};

static char *dir;
static struct dfs_loop *loop;
static struct node nodes[NODES];
static struct dfs_client *client;

static void handle(struct dfs_req *req)
{
    struct node *node = dfs_conn_ctx(req->conn);
    node->last_cmd = req->head.cmd;
    node->last_flags = req->head.status;
    node->n = MIN(req->body.n, sizeof(node->body));
    memcpy(node->body, req->body.p, node->n);
    atomic_fetch_add(&node->asked, 1);
    dfs_req_reply(req, atomic_load(&node->answer), str_of(node->reply, node->reply_n));
}

#define ROW(cmd)                                                                                   \
    {                                                                                              \
        cmd, #cmd, 0, 1 << 20, handle, NULL, NULL, NULL                                            \
    }
static const struct dfs_command commands[] = {
    ROW(DFS_CMD_QUERY_STORE),  ROW(DFS_CMD_QUERY_STORE_GROUP), ROW(DFS_CMD_QUERY_FETCH),
    ROW(DFS_CMD_QUERY_UPDATE), ROW(DFS_CMD_QUERY_FETCH_ALL),   ROW(DFS_CMD_LIST_GROUPS),
    ROW(DFS_CMD_UPLOAD),       ROW(DFS_CMD_DOWNLOAD),          ROW(DFS_CMD_DELETE),
    ROW(DFS_CMD_FILE_INFO),    ROW(DFS_CMD_SET_METADATA),      ROW(DFS_CMD_GET_METADATA),
    ROW(DFS_CMD_APPEND),       ROW(DFS_CMD_SET_TRUNK_SERVER),
};

static void reply(struct node *node, struct str body)
{
    memcpy(node->reply, body.p, body.n);
    node->reply_n = body.n;
}

static int setup(void **state)
{
    (void)state;
    dir = test_tmpdir();
    memset(nodes, 0, sizeof(nodes));
    assert_int_equal(dfs_loop_new("test", &loop), 0);
    assert_int_equal(dfs_loop_start(loop), 0);
    for (int i = 0; i < NODES; i++) {
        struct node *n = &nodes[i];
        n->service = (struct dfs_service){.name = "test",
                                          .ctx = n,
                                          .commands = commands,
                                          .n = ARRAY_LEN(commands),
                                          .frame_max = 1 << 20};
        snprintf(n->addr.host, sizeof(n->addr.host), "%s/%d", dir, i);
        const struct dfs_listen_opts opts = {.addr = n->addr, .max_conns = 10};
        assert_int_equal(dfs_listener_new(&opts, &n->service, &loop, 1, &n->listener), 0);
    }
    /* Two trackers; the third node is for whoever needs another server. */
    const struct dfs_addr trackers[] = {nodes[0].addr, nodes[1].addr};
    const struct dfs_client_opts opts = {
        .trackers = trackers,
        .n_trackers = 2,
        .pool = {.peer = {.connect_ms = 60000, .timeout_ms = 60000},
                 .max_idle = 4,
                 .hold_down_ms = 60000}};
    assert_int_equal(dfs_client_new(&opts, &client), 0);
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    dfs_client_free(&client);
    for (int i = 0; i < NODES; i++)
        dfs_listener_free(&nodes[i].listener);
    dfs_loop_free(&loop);
    test_tmpdir_free(&dir);
    return 0;
}

static struct dfs_trackers *trackers(void)
{
    return dfs_client_trackers(client);
}

/* An answer to 101, 102... naming server @ip. */
static struct str store_answer(struct buf *b, const char *ip)
{
    struct dfs_query_store_rsp m = {.group = "group1", .port = 23000, .path_index = 3};
    buf_reset(b);
    assert_int_equal(dfs_text_set(m.ip, sizeof(m.ip), str_c(ip)), 0);
    dfs_query_store_rsp_put(b, DFS_IPW4, &m);
    return buf_str(b);
}

static void both_address_widths_are_understood(void **state)
{
    (void)state;
    AUTO(buf_free) struct buf b = BUF(1000);
    struct dfs_target t;
    const struct dfs_query_store_rsp m = {
        .group = "g2", .ip = "2001:db8::1", .port = 1, .path_index = 9};
    for (int i = 0; i < 2; i++)
        reply(&nodes[i], store_answer(&b, "10.0.0.9"));
    assert_int_equal(dfs_query_store(trackers(), STR_NULL, &t), 0);
    assert_string_equal(t.addr.host, "10.0.0.9");
    assert_int_equal(t.addr.port, 23000);
    assert_int_equal(t.path_index, 3);
    buf_reset(&b);
    dfs_query_store_rsp_put(&b, DFS_IPW6, &m);
    for (int i = 0; i < 2; i++)
        reply(&nodes[i], buf_str(&b));
    assert_int_equal(dfs_query_store(trackers(), STR("g2"), &t), 0);
    assert_string_equal(t.addr.host, "2001:db8::1");
    assert_int_equal(nodes[0].asked + nodes[1].asked, 2);
    reply(&nodes[0], STR("short"));
    reply(&nodes[1], STR("short"));
    assert_int_equal(dfs_query_store(trackers(), STR_NULL, &t), -EBADMSG);
    assert_int_equal(dfs_query_store(trackers(), STR("not a group"), &t), -EINVAL);
}

static void a_dead_tracker_is_passed_over_and_an_answered_error_is_final(void **state)
{
    (void)state;
    AUTO(buf_free) struct buf b = BUF(1000);
    struct dfs_target t;
    dfs_listener_stop(nodes[0].listener, 0);
    reply(&nodes[1], store_answer(&b, "10.0.0.9"));
    for (int i = 0; i < 4; i++)
        assert_int_equal(dfs_query_store(trackers(), STR_NULL, &t), 0);
    atomic_store(&nodes[1].answer, -ENOSPC);
    assert_int_equal(dfs_query_store(trackers(), STR_NULL, &t), -ENOSPC);
}

static void an_error_of_one_tracker_does_not_move_to_the_next(void **state)
{
    (void)state;
    struct dfs_target t;
    atomic_store(&nodes[0].answer, -ENOENT);
    atomic_store(&nodes[1].answer, -ENOENT);
    assert_int_equal(dfs_query_store(trackers(), STR_NULL, &t), -ENOENT);
    assert_int_equal(nodes[0].asked + nodes[1].asked, 1);
}

static void leader_only_requests_find_the_leader(void **state)
{
    (void)state;
    char id[17];
    atomic_store(&nodes[0].answer, -EOPNOTSUPP);
    reply(&nodes[1], STR("10.0.0.3\0"));
    for (int i = 0; i < 3; i++) {
        assert_int_equal(dfs_set_trunk_server(trackers(), STR("group1"), STR(""), id), 0);
        assert_string_equal(id, "10.0.0.3");
    }
    assert_int_equal(nodes[1].asked, 3);
}

static void all_layouts_of_the_server_list_are_read(void **state)
{
    (void)state;
    AUTO(buf_free) struct buf b = BUF(1000);
    struct dfs_target t[8];
    size_t n;
    const struct dfs_group g = {.group = "group1"};
    struct dfs_server_entry e = {.ip = "10.0.0.1", .port = 23000};
    struct str name = str_from(STR(ID), 7);
    for (int layout = 0; layout < 2; layout++) {
        buf_reset(&b);
        dfs_group_put(&b, &g);
        dfs_server_entry_put(&b, DFS_IPW4, &e);
        if (layout == 0)
            dfs_server_entry_put(&b, DFS_IPW4, &e);
        else
            buf_add(&b, "10.0.0.2\0\0\0\0\0\0\0", 15); /* before 6.16: no port */
        for (int i = 0; i < 2; i++)
            reply(&nodes[i], buf_str(&b));
        assert_int_equal(dfs_query_fetch_all(trackers(), STR("group1"), name, t, 8, &n), 0);
        assert_int_equal(n, 2);
        assert_string_equal(t[1].addr.host, layout ? "10.0.0.2" : "10.0.0.1");
        assert_int_equal(t[1].addr.port, 23000);
    }
}

static void an_upload_is_these_bytes(void **state)
{
    (void)state;
    struct dfs_peer *p = NULL;
    char id[DFS_FILEID_TEXT];
    const struct dfs_content content = dfs_content_str(STR("Hello, world!"));
    /* The specification's example, protocol 11. */
    const char want[] = "\xFF\0\0\0\0\0\0\0\x0Dtxt\0\0\0Hello, world!";
    reply(&nodes[2], STR("group1\0\0\0\0\0\0\0\0\0\0M00/00/00/fwAAA2sCv3-AbkflAAAADevmxuY950.txt"));
    assert_int_equal(dfs_connpool_get(dfs_client_pool(client), &nodes[2].addr, &p), 0);
    assert_int_equal(dfs_storage_upload(p, DFS_PATH_ANY, false, STR("txt"), &content, id), 0);
    assert_string_equal(id, "group1/M00/00/00/fwAAA2sCv3-AbkflAAAADevmxuY950.txt");
    assert_int_equal(nodes[2].last_cmd, DFS_CMD_UPLOAD);
    assert_int_equal(nodes[2].n, sizeof(want) - 1);
    assert_memory_equal(nodes[2].body, want, sizeof(want) - 1);
    reply(&nodes[2], STR("group1\0\0\0\0\0\0\0\0\0\0../../etc/passwd"));
    assert_int_equal(dfs_storage_upload(p, 0, false, STR("txt"), &content, id), -EBADMSG);
    assert_int_equal(dfs_storage_upload(p, 0, false, STR("toolong"), &content, id), -EINVAL);
    dfs_connpool_put(dfs_client_pool(client), &p);
}

static int collect(void *arg, struct str piece)
{
    buf_adds(arg, piece);
    return buf_err(arg);
}

static void errors_keep_the_connection_and_oversize_answers_do_not(void **state)
{
    (void)state;
    struct dfs_connpool *pool = dfs_client_pool(client);
    AUTO(buf_free) struct buf got = BUF(100);
    struct dfs_peer *p = NULL;
    uint64_t len;
    struct str name = str_from(STR(ID), 7);
    assert_int_equal(dfs_connpool_get(pool, &nodes[2].addr, &p), 0);
    atomic_store(&nodes[2].answer, -ENOENT);
    assert_int_equal(dfs_storage_delete(p, STR("group1"), name), -ENOENT);
    atomic_store(&nodes[2].answer, 0);
    reply(&nodes[2], STR("content"));
    assert_int_equal(dfs_storage_download(p, STR("group1"), name, 5, 7, collect, &got, &len), 0);
    assert_true(str_eq(buf_str(&got), STR("content")) && len == 7);
    struct dfs_file_info_rsp info;
    assert_int_equal(dfs_storage_info(p, STR("group1"), name, DFS_INFO_NO_CRC, &info), -EBADMSG);
    assert_int_equal(nodes[2].last_flags, DFS_INFO_NO_CRC);
    nodes[2].reply_n = 4000;
    buf_reset(&got); /* 100 bytes at most: what the sink says comes back */
    assert_int_equal(dfs_storage_download(p, STR("group1"), name, 0, 0, collect, &got, &len),
                     -E2BIG);
    assert_int_equal(dfs_storage_info(p, STR("group1"), name, 0, &info),
                     -EBADMSG); /* stays unread */
    dfs_connpool_put(pool, &p);
    assert_int_equal(dfs_connpool_idle(pool), 0);
}

static void idle_connections_are_reused_unless_the_server_closed_them(void **state)
{
    (void)state;
    struct dfs_connpool *pool = dfs_client_pool(client);
    struct dfs_peer *p = NULL, *first;
    struct str name = str_from(STR(ID), 7);
    assert_int_equal(dfs_connpool_get(pool, &nodes[2].addr, &p), 0);
    assert_int_equal(dfs_storage_delete(p, STR("group1"), name), 0);
    first = p;
    dfs_connpool_put(pool, &p);
    assert_int_equal(dfs_connpool_idle(pool), 1);
    assert_int_equal(dfs_connpool_get(pool, &nodes[2].addr, &p), 0);
    assert_ptr_equal(p, first);
    dfs_connpool_put(pool, &p);
    dfs_listener_stop(nodes[2].listener, 0);
    int r = dfs_connpool_get(pool, &nodes[2].addr, &p);
    assert_true(r == -ENOENT || r == -ECONNREFUSED);                 /* noticed: tried anew */
    assert_int_equal(dfs_connpool_get(pool, &nodes[2].addr, &p), r); /* held down */
    assert_int_equal(dfs_connpool_idle(pool), 0);
}

static void metadata_texts(void **state)
{
    (void)state;
    AUTO(buf_free) struct buf b = BUF(10000);
    char name[65] = {0};
    struct str rest, n, v;
    memset(name, 'n', 65);
    assert_int_equal(dfs_meta_add(&b, STR("a"), STR("1")), 0);
    assert_int_equal(dfs_meta_add(&b, STR(""), STR("")), 0);
    assert_int_equal(dfs_meta_add(&b, str_of(name, 64), STR("x")), 0);
    assert_int_equal(dfs_meta_add(&b, str_of(name, 65), STR("x")), -EINVAL);
    assert_int_equal(dfs_meta_add(&b, STR("a\1"), STR("x")), -EINVAL);
    assert_int_equal(dfs_meta_add(&b, STR("a"), STR("\2")), -EINVAL);
    assert_true(str_eq(str_head(buf_str(&b), 5), STR("a\2"
                                                     "1\1\2")));
    rest = buf_str(&b);
    assert_true(dfs_meta_next(&rest, &n, &v) && str_eq(v, STR("1")));
    assert_true(dfs_meta_next(&rest, &n, &v) && n.n == 0 && v.n == 0);
    assert_true(dfs_meta_next(&rest, &n, &v) && n.n == 64);
    assert_false(dfs_meta_next(&rest, &n, &v));
    rest = STR("no separator\1k\2v");
    assert_true(dfs_meta_next(&rest, &n, &v) && str_eq(n, STR("k")));
}

#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        T(both_address_widths_are_understood),
        T(a_dead_tracker_is_passed_over_and_an_answered_error_is_final),
        T(an_error_of_one_tracker_does_not_move_to_the_next),
        T(leader_only_requests_find_the_leader),
        T(all_layouts_of_the_server_list_are_read),
        T(an_upload_is_these_bytes),
        T(errors_keep_the_connection_and_oversize_answers_do_not),
        T(idle_connections_are_reused_unless_the_server_closed_them),
        cmocka_unit_test(metadata_texts),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
