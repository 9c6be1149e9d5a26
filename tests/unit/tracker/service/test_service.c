/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The whole command table without a network: storages and clients are sessions, requests are bytes.
 * Golden bytes are worked out from the specification (protocol 11 and the sections named).
 */
#include "tests/lib/test.h"

#include "dfscore/base/clock.h"
#include "dfscore/log/log.h"
#include "dfscore/wire/header.h"
#include "dfscore/fileid/fileid.h"
#include "dfscore/wire/internal.h"
#include "tracker/service/merge.h"
#include "tracker/service/peercmd.h"
#include "tracker/service/server.h"

enum { PORT = 22122 };

static int64_t wall_ms;
static uint64_t mono_us;

static int64_t fake_now(void)
{
    return wall_ms;
}

static uint64_t fake_mono(void)
{
    return mono_us;
}

static const struct dfs_clock_hook hook = {fake_now, fake_mono};
static const struct trk_ids no_ids;

struct fixture {
    struct trk_server *srv;
    struct buf out;
    uint64_t wait;
};

static void pass(uint64_t ms)
{
    wall_ms += (int64_t)ms;
    mono_us += ms * 1000;
}

static void start_with(struct fixture *f, const struct trk_server_opts *o)
{
    assert_int_equal(trk_server_new(o, &f->srv), 0);
    f->srv->port = PORT;
    f->out = BUF(1 << 20);
    trk_add_own(f->srv, "10.77.0.1");
}

static int setup(void **state)
{
    wall_ms = INT64_C(1700000000000);
    mono_us = 5000000;
    dfs_clock_hook = &hook;
    struct fixture *f = calloc(1, sizeof(*f));
    struct trk_server_opts o = {
        .ipw = DFS_IPW4,
        .check_active_ms = 100000,
        .election_ms = 3000,
        .deleted_keep_ms = 3600000,
        .params = STR("use_storage_id=0\n"),
        .ids = &no_ids,
        .select = {.store_group = "", .max_delay_s = 86400, .max_time_s = 300},
    };
    start_with(f, &o);
    *state = f;
    return 0;
}

static int teardown(void **state)
{
    struct fixture *f = *state;
    trk_server_free(&f->srv);
    buf_free(&f->out);
    free(f);
    dfs_clock_hook = NULL;
    return 0;
}

static void open_session(struct fixture *f, struct trk_session *s, const char *ip)
{
    memset(s, 0, sizeof(*s));
    memcpy(s->peer_ip, ip, strlen(ip));
    memcpy(s->local_ip, "10.77.0.1", 10);
    s->server = true;
    trk_session_open(f->srv, s);
}

static int call(struct fixture *f, struct trk_session *s, uint8_t cmd, struct str body)
{
    buf_reset(&f->out);
    return trk_dispatch(f->srv, s, cmd, body, &f->out, &f->wait);
}

static int call_hex(struct fixture *f, struct trk_session *s, uint8_t cmd, const char *hex)
{
    static char bytes[4096];
    size_t n = strlen(hex) / 2;
    assert_int_equal(str_unhex(str_c(hex), bytes, n), 0);
    return call(f, s, cmd, str_of(bytes, n));
}

static void expect_hex(struct fixture *f, const char *hex)
{
    static char got[8192];
    assert_true(f->out.n * 2 < sizeof(got));
    str_hex(f->out.p, f->out.n, got);
    got[f->out.n * 2] = '\0';
    assert_string_equal(got, hex);
}

struct join_opts {
    const char *group, *lines;
    uint8_t init, status;
    int64_t port, paths, subdirs, trackers;
};

static const struct join_opts first_join = {"group1", "10.77.0.1:22122\n", 1, 255, 23000, 1, 256,
                                            1};

static int join(struct fixture *f, struct trk_session *s, const struct join_opts *j)
{
    AUTO(buf_free) struct buf b = BUF(8192);
    struct dfs_join_req m = {.port = j->port,
                             .path_count = j->paths,
                             .subdir_count = j->subdirs,
                             .upload_priority = 10,
                             .join_time = 1600000000,
                             .up_time = 1600000001,
                             .version = "6.16.1",
                             .init_flag = j->init,
                             .status = j->status,
                             .tracker_ip = "10.77.0.1",
                             .tracker_count = j->trackers};
    memcpy(m.group, j->group, strlen(j->group));
    dfs_join_req_put(&b, &m);
    buf_adds(&b, str_c(j->lines));
    return call(f, s, DFS_CMD_JOIN, buf_str(&b));
}

static uint8_t joined_status(const struct fixture *f)
{
    assert_int_equal(f->out.n, 17);
    return (uint8_t)f->out.p[0];
}

/* Joined, source agreed, alive, disks known: 1000 of 2000 MB free. */
static void bring_up(struct fixture *f, struct trk_session *s, const char *ip)
{
    open_session(f, s, ip);
    assert_int_equal(join(f, s, &first_join), 0);
    int r = call(f, s, DFS_CMD_NEED_SYNC_SOURCE, STR_NULL);
    assert_int_equal(r, 0);
    if (f->out.n == 0)
        assert_int_equal(call_hex(f, s, DFS_CMD_NOTIFY_SYNC_SOURCE,
                                  "000000000000000000000000000000000000000000000000"),
                         0);
    assert_int_equal(call(f, s, DFS_CMD_BEAT, STR_NULL), 0);
    assert_int_equal(call_hex(f, s, DFS_CMD_DISK_USAGE, "00000000000007d000000000000003e8"), 0);
}

static struct trk_node *node(struct fixture *f, const char *id)
{
    struct trk_group *g = trk_group_find(&f->srv->cluster, "group1");
    return g ? trk_node_find(g, id) : NULL;
}

static void report(struct fixture *f, struct trk_session *s, const char *id, uint8_t status)
{
    AUTO(buf_free) struct buf b = BUF(256);
    struct dfs_report_status_req m = {.group = "group1", .server = {.status = status}};
    memcpy(m.server.id, id, strlen(id));
    memcpy(m.server.ip, id, strlen(id));
    dfs_report_status_req_put(&b, &m);
    assert_int_equal(call(f, s, DFS_CMD_REPORT_STATUS, buf_str(&b)), 0);
}

/* ---- the way in ---- */

static void a_fresh_tracker_knows_nothing(void **state)
{
    struct fixture *f = *state;
    struct trk_session s;
    open_session(f, &s, "10.77.0.21");
    assert_int_equal(call(f, &s, DFS_CMD_LIST_GROUPS, STR_NULL), 0);
    assert_int_equal(f->out.n, 0);
    assert_int_equal(call(f, &s, DFS_CMD_QUERY_STORE, STR_NULL), -ENOENT);
    assert_int_equal(call(f, &s, DFS_CMD_GET_LEADER, STR_NULL), -ENOENT);
    assert_int_equal(call(f, &s, DFS_CMD_TRACKER_STATUS, STR_NULL), -ENOENT);
    assert_int_equal(call(f, &s, DFS_CMD_SYS_FILES_START, STR_NULL), -ENOENT);
    assert_int_equal(call_hex(f, &s, DFS_CMD_STAT_TRACKERS, "000000"), -EOPNOTSUPP);
    assert_int_equal(call(f, &s, DFS_CMD_RESELECT_LEADER, STR_NULL), -EOPNOTSUPP);
    assert_int_equal(call(f, &s, 250, STR_NULL), -EINVAL);
}

static void the_first_storage_makes_a_group_and_a_leader(void **state)
{
    struct fixture *f = *state;
    struct trk_session s, client;
    bring_up(f, &s, "10.77.0.11");
    assert_int_equal(node(f, "10.77.0.11")->status, DFS_ST_ACTIVE);
    open_session(f, &client, "10.77.0.21");
    assert_int_equal(call(f, &client, DFS_CMD_GET_LEADER, STR_NULL), 0);
    assert_true(str_eq(buf_str(&f->out), STR("10.77.0.1:22122")));
    /* Protocol 5.1: group 16, address 15, port 8, path 1. */
    assert_int_equal(call(f, &client, DFS_CMD_QUERY_STORE, STR_NULL), 0);
    expect_hex(f, "67726f75703100000000000000000000"
                  "31302e37372e302e31310000000000"
                  "00000000000059d8"
                  "00");
    assert_int_equal(call(f, &client, DFS_CMD_LIST_GROUPS, STR_NULL), 0);
    assert_int_equal(f->out.n, 113);
    assert_int_equal(
        call_hex(f, &client, DFS_CMD_LIST_STORAGES, "67726f75703100000000000000000000"), 0);
    assert_int_equal(f->out.n, 487);
}

static void notices_are_told_once_and_by_the_leader_only(void **state)
{
    struct fixture *f = *state;
    struct trk_session s;
    open_session(f, &s, "10.77.0.11");
    assert_int_equal(join(f, &s, &first_join), 0);
    assert_int_equal(call(f, &s, DFS_CMD_BEAT, STR_NULL), 0);
    assert_int_equal(f->out.n, 1 + 2 * 67);
    assert_int_equal(f->out.p[0], DFS_NOTICE_LEADER | DFS_NOTICE_MEMBERS);
    assert_int_equal(call(f, &s, DFS_CMD_BEAT, STR_NULL), 0);
    expect_hex(f, "00");
    f->srv->election->role = TRK_FOLLOWER;
    f->srv->cluster.groups[0]->members_version++;
    assert_int_equal(call(f, &s, DFS_CMD_BEAT, STR_NULL), 0);
    expect_hex(f, "00");
}

static void a_refused_join_leaves_no_trace(void **state)
{
    struct fixture *f = *state;
    struct trk_session s;
    open_session(f, &s, "10.77.0.11");
    static const struct {
        struct join_opts j;
        int r;
    } rows[] = {
        {{"group1", "10.77.0.1:22122\n", 1, 255, 0, 1, 256, 1}, -EINVAL},
        {{"group1", "10.77.0.1:22122\n", 1, 255, 23000, 0, 256, 1}, -EINVAL},
        {{"group1", "10.77.0.1:22122\n", 1, 255, 23000, 257, 256, 1}, -EINVAL},
        {{"group1", "10.77.0.1:22122\n", 1, 255, 23000, 1, 257, 1}, -EINVAL},
        {{"group1", "10.77.0.1:22122\n", 1, 255, 23000, 1, 256, 17}, -EINVAL},
        {{"group1", "10.77.0.1:22122\n", 1, 255, 23000, 1, 256, 2}, -EINVAL},
        {{"group1", "10.77.0.1:22122", 1, 255, 23000, 1, 256, 1}, -EINVAL},
        {{"group-1", "10.77.0.1:22122\n", 1, 255, 23000, 1, 256, 1}, -EINVAL},
        {{"", "10.77.0.1:22122\n", 1, 255, 23000, 1, 256, 1}, -EINVAL},
        {{"group1", "10.77.0.1:22122\n", 0, 255, 23000, 1, 256, 1}, -EFAULT},
        {{"group1", "10.77.0.1:22122\n", 0, DFS_ST_DELETED, 23000, 1, 256, 1}, -EFAULT},
        {{"group1", "10.77.0.1:22122\n", 0, DFS_ST_NONE, 23000, 1, 256, 1}, -EFAULT},
        {{"group1", "10.77.0.2:22122\n", 1, 255, 23000, 1, 256, 1}, -ENOENT},
        {{"group1", "10.77.0.1:22123\n", 1, 255, 23000, 1, 256, 1}, -ENOENT},
        {{"group1", "10.77.0.2:22122\n", 1, 255, 23000, 1, 256, 1},
         -ENOENT}, /* also the second time */
    };
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        assert_int_equal(join(f, &s, &rows[i].j), rows[i].r);
        assert_int_equal(f->srv->cluster.n, 0);
    }
    assert_int_equal(call(f, &s, DFS_CMD_BEAT, STR_NULL), -EACCES);
}

static void a_group_keeps_its_shape(void **state)
{
    struct fixture *f = *state;
    struct trk_session a, b;
    struct join_opts j = first_join;
    bring_up(f, &a, "10.77.0.11");
    open_session(f, &b, "10.77.0.12");
    j.port = 23001;
    assert_int_equal(join(f, &b, &j), -EINVAL);
    j = first_join;
    j.subdirs = 128;
    assert_int_equal(join(f, &b, &j), -EINVAL);
    j = first_join;
    j.paths = 3; /* more paths than the others: accepted, unused */
    assert_int_equal(join(f, &b, &j), 0);
    assert_int_equal(trk_group_find(&f->srv->cluster, "group1")->path_count, 1);
    assert_null(node(f, "10.77.0.13"));
}

static void a_group_takes_32_servers_and_not_one_more(void **state)
{
    struct fixture *f = *state;
    struct trk_session s[DFS_SERVERS_MAX + 1];
    for (int i = 0; i <= DFS_SERVERS_MAX; i++) {
        char ip[32];
        snprintf(ip, sizeof(ip), "10.78.0.%d", i + 1);
        open_session(f, &s[i], ip);
        assert_int_equal(join(f, &s[i], &first_join), i < DFS_SERVERS_MAX ? 0 : -ENOSPC);
    }
    assert_int_equal(call_hex(f, &s[0], DFS_CMD_LIST_STORAGES, "67726f75703100000000000000000000"),
                     0);
    assert_int_equal(f->out.n, 487 * 32);
}

/* --- strangers
 * ------------------------------------------------------------------------------------ */

static void strangers_may_only_ask(void **state)
{
    struct fixture *f = *state;
    struct trk_session s, stranger;
    bring_up(f, &s, "10.77.0.11");
    open_session(f, &stranger, "192.0.2.1");
    stranger.server = false;
    size_t n;
    const struct trk_row *rows = trk_rows(&n);
    unsigned open_rows = 0;
    static char body[TRK_FRAME_MAX];
    for (size_t i = 0; i < n; i++) {
        int r = call(f, &stranger, rows[i].cmd, str_of(body, rows[i].min_len));
        if (rows[i].who & TRK_SERVERS)
            assert_int_equal(r, -EACCES);
        open_rows += !(rows[i].who & TRK_SERVERS);
    }
    assert_int_equal(open_rows, 22);
    assert_int_equal(node(f, "10.77.0.11")->status, DFS_ST_ACTIVE);
}

static void before_a_join_nothing_is_taken(void **state)
{
    struct fixture *f = *state;
    struct trk_session s, other;
    bring_up(f, &s, "10.77.0.11");
    open_session(f, &other, "10.77.0.12");
    size_t n;
    const struct trk_row *rows = trk_rows(&n);
    static char body[TRK_FRAME_MAX];
    for (size_t i = 0; i < n; i++) {
        if (rows[i].who & TRK_JOINED)
            assert_int_equal(call(f, &other, rows[i].cmd, str_of(body, rows[i].min_len)), -EACCES);
    }
    assert_int_equal(call(f, &other, DFS_CMD_CHANGE_LOG, STR_NULL), -EACCES);
}

/* --- joining a group with files
 * -------------------------------------------------------------------- */

static void a_second_server_is_filled_before_it_is_read(void **state)
{
    struct fixture *f = *state;
    struct trk_session a, b;
    bring_up(f, &a, "10.77.0.11");
    bring_up(f, &b, "10.77.0.12");
    assert_int_equal(node(f, "10.77.0.12")->status, DFS_ST_WAIT_SYNC);
    /* 79 and 86: source and until when. 1700000000 is 0x6553f100. */
    assert_int_equal(call(f, &b, DFS_CMD_MY_SYNC_SOURCE, STR_NULL), 0);
    expect_hex(f, "31302e37372e302e3131000000000000000000006553f100");
    assert_int_equal(call_hex(f, &a, DFS_CMD_PEER_SYNC_SOURCE,
                              "67726f75703100000000000000000000"
                              "31302e37372e302e3132000000000000"),
                     0);
    expect_hex(f, "31302e37372e302e3131000000000000000000006553f100");
    report(f, &a, "10.77.0.12", DFS_ST_ACTIVE); /* nobody can make it readable by a word */
    assert_int_equal(node(f, "10.77.0.12")->status, DFS_ST_WAIT_SYNC);
    report(f, &a, "10.77.0.12", DFS_ST_SYNCING);
    assert_int_equal(call(f, &b, DFS_CMD_BEAT, STR_NULL), 0);
    assert_int_equal(node(f, "10.77.0.12")->status, DFS_ST_SYNCING);
    report(f, &a, "10.77.0.12", DFS_ST_OFFLINE);
    assert_int_equal(call(f, &b, DFS_CMD_BEAT, STR_NULL), 0);
    assert_int_equal(node(f, "10.77.0.12")->status, DFS_ST_ACTIVE);
}

static void one_that_lost_its_disks_starts_over(void **state)
{
    struct fixture *f = *state;
    struct trk_session a, b;
    bring_up(f, &a, "10.77.0.11");
    bring_up(f, &b, "10.77.0.12");
    report(f, &a, "10.77.0.12", DFS_ST_OFFLINE);
    assert_int_equal(call(f, &b, DFS_CMD_BEAT, STR_NULL), 0);
    trk_session_close(f->srv, &b);
    assert_int_equal(node(f, "10.77.0.12")->status, DFS_ST_OFFLINE);
    open_session(f, &b, "10.77.0.12");
    assert_int_equal(join(f, &b, &first_join), 0); /* the init flag says that it holds nothing */
    assert_int_equal(joined_status(f), DFS_ST_INIT);
    assert_int_equal(call(f, &b, DFS_CMD_BEAT, STR_NULL), 0);
    assert_int_equal(node(f, "10.77.0.12")->status, DFS_ST_INIT);
}

static void a_removed_server_must_copy_again(void **state)
{
    struct fixture *f = *state;
    struct trk_session a, b;
    const char *b_id = "67726f7570310000000000000000000031302e37372e302e3132";
    bring_up(f, &a, "10.77.0.11");
    bring_up(f, &b, "10.77.0.12");
    report(f, &a, "10.77.0.12", DFS_ST_OFFLINE);
    assert_int_equal(call(f, &b, DFS_CMD_BEAT, STR_NULL), 0);
    assert_int_equal(call_hex(f, &a, DFS_CMD_DELETE_STORAGE, b_id), -EBUSY);
    trk_session_close(f->srv, &b);
    assert_int_equal(call_hex(f, &a, DFS_CMD_DELETE_STORAGE, b_id), 0);
    assert_int_equal(call_hex(f, &a, DFS_CMD_DELETE_STORAGE, b_id), -EALREADY);
    assert_int_equal(call_hex(f, &a, DFS_CMD_DELETE_GROUP, "67726f75703100000000000000000000"),
                     -EBUSY);
    open_session(f, &b, "10.77.0.12");
    struct join_opts back = first_join;
    back.init = 0;
    back.status = DFS_ST_ACTIVE; /* it believes that it holds everything */
    assert_int_equal(join(f, &b, &back), 0);
    assert_int_equal(joined_status(f), DFS_ST_INIT);
    assert_int_equal(call_hex(f, &b, DFS_CMD_NOTIFY_SYNC_SOURCE,
                              "000000000000000000000000000000000000000000000000"),
                     -ENOENT);
    assert_int_equal(call(f, &b, DFS_CMD_NEED_SYNC_SOURCE, STR_NULL), 0);
    assert_int_equal(f->out.n, 24);
    assert_int_equal(node(f, "10.77.0.12")->status, DFS_ST_WAIT_SYNC);
}

static void the_only_source_may_be_one_that_clients_only_read(void **state)
{
    struct fixture *f = *state;
    struct trk_session a, b;
    bring_up(f, &a, "10.77.0.11");
    node(f, "10.77.0.11")->rw_mode = DFS_RW_READ;
    open_session(f, &b, "10.77.0.12");
    assert_int_equal(join(f, &b, &first_join), 0);
    assert_int_equal(call(f, &b, DFS_CMD_NEED_SYNC_SOURCE, STR_NULL), 0);
    assert_int_equal(f->out.n, 24);
    assert_int_equal(node(f, "10.77.0.12")->status, DFS_ST_WAIT_SYNC);
}

static void a_removed_server_is_forgotten_in_time(void **state)
{
    struct fixture *f = *state;
    struct trk_session a, b;
    bring_up(f, &a, "10.77.0.11");
    bring_up(f, &b, "10.77.0.12");
    assert_int_equal(call_hex(f, &a, DFS_CMD_DELETE_STORAGE,
                              "67726f7570310000000000000000000031302e37372e302e3132"),
                     0);
    AUTO(buf_free) struct buf told = BUF(1 << 20);
    (void)trk_rec_all(&told, &f->srv->cluster, NULL);
    pass(3600000);
    trk_server_tick(f->srv);
    assert_non_null(node(f, "10.77.0.12"));
    pass(1000);
    trk_server_tick(f->srv);
    assert_null(node(f, "10.77.0.12"));
    assert_non_null(node(f, "10.77.0.11"));
    assert_int_equal(call(f, &b, DFS_CMD_BEAT, STR_NULL), -EACCES); /* it must join again */
    trk_lock(f->srv); /* a peer that has not forgotten yet does not bring it back */
    assert_int_equal(trk_merge(&f->srv->cluster, buf_str(&told)), 0);
    trk_unlock(f->srv);
    assert_null(node(f, "10.77.0.12"));
}

/* A tracker that has missed that it came back empty and has been filled since, elsewhere. */
static void a_removed_server_that_began_anew_may_be_complete(void **state)
{
    struct fixture *f = *state;
    struct trk_session a, b;
    bring_up(f, &a, "10.77.0.11");
    bring_up(f, &b, "10.77.0.12");
    assert_int_equal(call_hex(f, &a, DFS_CMD_DELETE_STORAGE,
                              "67726f7570310000000000000000000031302e37372e302e3132"),
                     0);
    struct join_opts complete = first_join;
    complete.init = 0;
    complete.status = DFS_ST_ACTIVE;
    node(f, "10.77.0.12")->join_time = 1500000000; /* what it joins with now is later */
    open_session(f, &b, "10.77.0.12");
    assert_int_equal(join(f, &b, &complete), 0);
    assert_int_equal(joined_status(f), DFS_ST_INIT);
    assert_int_equal(call_hex(f, &b, DFS_CMD_NOTIFY_SYNC_SOURCE,
                              "000000000000000000000000000000000000000000000000"),
                     0);
    assert_int_equal(call(f, &b, DFS_CMD_BEAT, STR_NULL), 0);
    assert_int_equal(node(f, "10.77.0.12")->status, DFS_ST_ACTIVE);
}

static void what_comes_late_on_an_old_connection_does_not_count(void **state)
{
    struct fixture *f = *state;
    struct trk_session a, old, now;
    bring_up(f, &a, "10.77.0.11");
    bring_up(f, &old, "10.77.0.12");
    open_session(f, &now, "10.77.0.12");
    assert_int_equal(join(f, &now, &first_join), 0); /* it holds nothing */
    assert_int_equal(call_hex(f, &old, DFS_CMD_NOTIFY_SYNC_SOURCE,
                              "000000000000000000000000000000000000000000000000"),
                     -EACCES);
    assert_int_equal(call(f, &old, DFS_CMD_BEAT, STR_NULL), -EACCES);
    assert_int_equal(node(f, "10.77.0.12")->status, DFS_ST_INIT);
    trk_session_close(f->srv, &now); /* but when the new one is gone, it does */
    assert_int_equal(call(f, &old, DFS_CMD_BEAT, STR_NULL), 0);
}

/* What another request has changed may not be on disk yet: who hears that it is so waits for that, too. */
static void a_second_answer_waits_for_what_the_first_has_changed(void **state)
{
    struct fixture *f = *state;
    struct trk_session s, t;
    char *dir = test_tmpdir();
    AUTO(buf_free) struct buf err = BUF(1024);
    assert_int_equal(
        trk_store_open(dir, &trk_io_os, &f->srv->cluster, &f->srv->self, &f->srv->store, &err), 0);
    open_session(f, &s, "10.77.0.11");
    open_session(f, &t, "10.77.0.11");
    assert_int_equal(join(f, &s, &first_join), 0);
    assert_true(f->wait > 0);
    assert_int_equal(join(f, &t, &first_join), 0); /* nothing new */
    assert_true(f->wait > 0);
    assert_int_equal(call(f, &t, DFS_CMD_BEAT, STR_NULL), 0);
    assert_int_equal(f->wait, 0);
    assert_true(trk_store_step(f->srv->store));
    assert_int_equal(join(f, &t, &first_join), 0);
    assert_int_equal(f->wait, 0);
    trk_store_close(&f->srv->store);
    test_tmpdir_free(&dir);
}

static void a_deleted_server_is_not_revived_by_its_heart(void **state)
{
    struct fixture *f = *state;
    struct trk_session a, b;
    bring_up(f, &a, "10.77.0.11");
    bring_up(f, &b, "10.77.0.12"); /* WAIT_SYNC, connected */
    assert_int_equal(call_hex(f, &a, DFS_CMD_DELETE_STORAGE,
                              "67726f7570310000000000000000000031302e37372e302e3132"),
                     0);
    assert_int_equal(call(f, &b, DFS_CMD_BEAT, STR_NULL), 0);
    assert_int_equal(node(f, "10.77.0.12")->status, DFS_ST_DELETED);
}

/* --- life and death
 * ---------------------------------------------------------------------------------- */

static void silence_and_a_lost_connection_make_offline(void **state)
{
    struct fixture *f = *state;
    struct trk_session a, b;
    bring_up(f, &a, "10.77.0.11");
    pass(100000);
    trk_server_tick(f->srv);
    assert_int_equal(node(f, "10.77.0.11")->status, DFS_ST_ACTIVE);
    pass(1);
    trk_server_tick(f->srv);
    assert_int_equal(node(f, "10.77.0.11")->status, DFS_ST_OFFLINE);
    assert_int_equal(call(f, &a, DFS_CMD_BEAT, STR_NULL), 0);
    assert_int_equal(node(f, "10.77.0.11")->status, DFS_ST_ACTIVE);
    /* It connects anew before the old connection has been noticed dead. */
    open_session(f, &b, "10.77.0.11");
    struct join_opts back = first_join;
    back.init = 0;
    back.status = DFS_ST_ACTIVE;
    assert_int_equal(join(f, &b, &back), 0);
    trk_session_close(f->srv, &a);
    assert_int_equal(node(f, "10.77.0.11")->status, DFS_ST_ACTIVE);
    trk_session_close(f->srv, &b);
    assert_int_equal(node(f, "10.77.0.11")->status, DFS_ST_OFFLINE);
}

static void a_clock_set_back_kills_nobody(void **state)
{
    struct fixture *f = *state;
    struct trk_session a;
    bring_up(f, &a, "10.77.0.11");
    wall_ms -= 3600 * 1000;
    trk_server_tick(f->srv);
    assert_int_equal(node(f, "10.77.0.11")->status, DFS_ST_ACTIVE);
    wall_ms += 7200 * 1000;
    trk_server_tick(f->srv);
    assert_int_equal(node(f, "10.77.0.11")->status, DFS_ST_ACTIVE);
}

static void a_lost_change_log_answer_is_sent_again(void **state)
{
    struct fixture *f = *state;
    struct trk_session a, b;
    bring_up(f, &a, "10.77.0.11");
    bring_up(f, &b, "10.77.0.12");
    assert_int_equal(call_hex(f, &a, DFS_CMD_DELETE_STORAGE,
                              "67726f7570310000000000000000000031302e37372e302e3132"),
                     0);
    assert_int_equal(call(f, &a, DFS_CMD_CHANGE_LOG, STR_NULL), 0);
    struct str line = STR("1700000000 group1 10.77.0.12 4 \n");
    assert_true(str_eq(buf_str(&f->out), line));
    /* The answer is lost with the connection. */
    trk_session_close(f->srv, &a);
    open_session(f, &a, "10.77.0.11");
    struct join_opts back = first_join;
    back.init = 0;
    back.status = DFS_ST_ACTIVE;
    assert_int_equal(join(f, &a, &back), 0);
    assert_int_equal(call(f, &a, DFS_CMD_CHANGE_LOG, STR_NULL), 0);
    assert_true(str_eq(buf_str(&f->out), line));
    assert_int_equal(call(f, &a, DFS_CMD_CHANGE_LOG, STR_NULL),
                     0); /* asking again says: I have it */
    assert_int_equal(f->out.n, 0);
}

static void a_new_address_takes_the_record_along(void **state)
{
    struct fixture *f = *state;
    struct trk_session a, moved;
    bring_up(f, &a, "10.77.0.11");
    open_session(f, &moved, "10.77.0.14");
    AUTO(buf_free) struct buf b = BUF(256);
    struct dfs_ip_changed_req m = {"group1", "10.77.0.11", "10.77.0.14"};
    dfs_ip_changed_req_put(&b, &m);
    assert_int_equal(call(f, &moved, DFS_CMD_IP_CHANGED, buf_str(&b)), -EBUSY);
    trk_session_close(f->srv, &a);
    assert_int_equal(call(f, &moved, DFS_CMD_IP_CHANGED, buf_str(&b)), 0);
    assert_int_equal(node(f, "10.77.0.11")->status, DFS_ST_IP_CHANGED);
    assert_int_equal(node(f, "10.77.0.14")->status, DFS_ST_OFFLINE);
    assert_int_equal(node(f, "10.77.0.14")->free_mb, 1000);
    assert_int_equal(call(f, &moved, DFS_CMD_IP_CHANGED, buf_str(&b)), -EALREADY);
    open_session(f, &a, "10.77.0.15");
    assert_int_equal(call(f, &a, DFS_CMD_IP_CHANGED, buf_str(&b)),
                     -EINVAL); /* not its own address */
}

static void system_files_block_nobody(void **state)
{
    struct fixture *f = *state;
    struct trk_session a, b;
    bring_up(f, &a, "10.77.0.11");
    open_session(f, &b, "10.77.0.2");
    assert_int_equal(call_hex(f, &b, DFS_CMD_SYS_FILE_READ, "000000000000000000"), -EACCES);
    assert_int_equal(call(f, &a, DFS_CMD_SYS_FILES_START, STR_NULL), 0);
    assert_int_equal(call(f, &b, DFS_CMD_SYS_FILES_START, STR_NULL), -EBUSY);
    assert_int_equal(call_hex(f, &a, DFS_CMD_SYS_FILE_READ, "000000000000000000"), 0);
    assert_true(str_starts(str_from(buf_str(&f->out), 8), STR("[Global]\n\tgroup_count=1\n")));
    assert_int_equal(call_hex(f, &a, DFS_CMD_SYS_FILE_READ, "040000000000000000"), -EINVAL);
    assert_int_equal(call_hex(f, &a, DFS_CMD_SYS_FILE_READ, "007fffffffffffffff"), -EINVAL);
    assert_int_equal(call_hex(f, &a, DFS_CMD_SYS_FILE_READ, "00ffffffffffffffff"), -EINVAL);
    trk_session_close(f->srv, &a); /* gone without the end command */
    assert_int_equal(call(f, &b, DFS_CMD_SYS_FILES_START, STR_NULL), 0);
}

/* --- drained ------------------------------------------------------------------------------------------ */

static int drain(struct fixture *f, struct trk_session *s, const char *group, const char *id,
                 uint8_t state)
{
    AUTO(buf_free) struct buf b = BUF(256);
    struct dfs_drain m = {.state = state};
    memcpy(m.group, group, strlen(group));
    memcpy(m.id, id, strlen(id));
    dfs_drain_put(&b, &m);
    return call(f, s, DFS_INT_DRAIN, buf_str(&b));
}

static uint8_t rw_mode(struct fixture *f, struct trk_session *s, const char *id)
{
    AUTO(buf_free) struct buf b = BUF(256);
    struct dfs_storage_detail d;
    struct dfs_group g = {.group = "group1"};
    dfs_group_put(&b, &g);
    buf_adds(&b, str_c(id));
    assert_int_equal(call(f, s, DFS_CMD_LIST_STORAGES, buf_str(&b)), 0);
    struct rd rd = rd_of(buf_str(&f->out));
    dfs_storage_detail_read(&rd, DFS_IPW4, &d);
    assert_false(rd.bad);
    return d.rw_mode;
}

static void a_drained_server_takes_no_new_files(void **state)
{
    struct fixture *f = *state;
    struct trk_session a, b, admin;
    bring_up(f, &a, "10.77.0.11");
    bring_up(f, &b, "10.77.0.12");
    report(f, &a, "10.77.0.12", DFS_ST_OFFLINE); /* its copy is complete */
    assert_int_equal(call(f, &b, DFS_CMD_BEAT, STR_NULL), 0);
    open_session(f, &admin, "10.77.0.99");
    assert_int_equal(drain(f, &admin, "group1", "10.77.0.11", DFS_DRAIN_ON), 0);
    assert_int_equal(drain(f, &admin, "group1", "10.77.0.11", DFS_DRAIN_ON), -EALREADY);
    for (int i = 0; i < 4; i++) {
        assert_int_equal(call(f, &admin, DFS_CMD_QUERY_STORE, STR_NULL), 0);
        assert_non_null(memmem(f->out.p, f->out.n, "10.77.0.12", 10));
    }
    assert_int_equal(rw_mode(f, &admin, "10.77.0.11"), DFS_RW_READ);
    assert_int_equal(rw_mode(f, &admin, "10.77.0.12"), DFS_RW_BOTH);
    assert_int_equal(call(f, &admin, DFS_INT_DRAINS, STR_NULL), 0);
    expect_hex(f, "67726f75703100000000000000000000"
                  "31302e37372e302e3131000000000000"
                  "01");
    assert_int_equal(drain(f, &admin, "group1", "10.77.0.11", DFS_DRAIN_NONE), 0);
    assert_int_equal(rw_mode(f, &admin, "10.77.0.11"), DFS_RW_BOTH);
    assert_int_equal(call(f, &admin, DFS_INT_DRAINS, STR_NULL), 0);
    assert_int_equal(f->out.n, 0);
}

static void a_drained_group_is_read_and_changed_and_filled(void **state)
{
    struct fixture *f = *state;
    struct trk_session a, b, admin;
    static const char file[] =
        "group1\0\0\0\0\0\0\0\0\0\0M00/00/00/Ck0AC2VT8QCATRDvAAAAE5ySRkI1234.txt";
    struct str name = str_of(file, sizeof(file) - 1);
    bring_up(f, &a, "10.77.0.11");
    open_session(f, &admin, "10.77.0.99");
    assert_int_equal(drain(f, &admin, "group1", "", DFS_DRAIN_ON), 0);
    assert_int_equal(call(f, &admin, DFS_CMD_QUERY_STORE, STR_NULL), -ENOENT);
    assert_int_equal(call(f, &admin, DFS_CMD_QUERY_FETCH, name), 0);
    assert_int_equal(call(f, &admin, DFS_CMD_QUERY_UPDATE, name), 0);
    bring_up(f, &b, "10.77.0.12"); /* one that joins is still filled from the others */
    assert_string_equal(node(f, "10.77.0.12")->sync_source, "10.77.0.11");
    assert_int_equal(rw_mode(f, &admin, "10.77.0.12"), DFS_RW_READ);
    assert_int_equal(drain(f, &admin, "group2", "", DFS_DRAIN_ON), -ENOENT);
    assert_int_equal(drain(f, &admin, "group1", "10.77.0.77", DFS_DRAIN_ON), -ENOENT);
    assert_int_equal(drain(f, &admin, "group1", "", 3), -EINVAL);
    admin.server = false;
    assert_int_equal(drain(f, &admin, "group1", "", DFS_DRAIN_NONE), -EACCES);
}

static void a_drained_path_is_that_of_every_server(void **state)
{
    struct fixture *f = *state;
    struct trk_session a, admin;
    bring_up(f, &a, "10.77.0.11");
    unsigned paths = node(f, "10.77.0.11")->path_count;
    char last[4], beyond[4];
    dfs_path_name(paths - 1, last);
    dfs_path_name(paths, beyond);
    open_session(f, &admin, "10.77.0.99");
    assert_int_equal(drain(f, &admin, "group1", beyond, DFS_DRAIN_ON), -ENOENT);
    assert_int_equal(drain(f, &admin, "group1", last, DFS_DRAIN_DONE), -EINVAL);
    assert_int_equal(drain(f, &admin, "group1", last, DFS_DRAIN_ON), 0);
    assert_int_equal(drain(f, &admin, "group1", last, DFS_DRAIN_ON), -EALREADY);
    assert_int_equal(rw_mode(f, &admin, "10.77.0.11"), DFS_RW_BOTH);
    assert_int_equal(call(f, &admin, DFS_INT_DRAINS, STR_NULL), 0);
    struct dfs_drain m;
    assert_int_equal(dfs_drain_get(buf_str(&f->out), &m), 0);
    assert_string_equal(m.id, last);
    assert_int_equal(drain(f, &admin, "group1", last, DFS_DRAIN_NONE), 0);
    assert_int_equal(call(f, &admin, DFS_INT_DRAINS, STR_NULL), 0);
    assert_int_equal(f->out.n, 0);
    admin.server = false;
    assert_int_equal(drain(f, &admin, "group1", last, DFS_DRAIN_ON), -EACCES);
}

static void of_two_words_about_draining_the_later_counts(void **state)
{
    struct fixture *f = *state, other = {0};
    struct trk_session a, peer, there;
    struct trk_server_opts o = f->srv->o;
    bring_up(f, &a, "10.77.0.11");
    start_with(&other, &o);
    open_session(f, &peer, "10.77.0.2");
    open_session(&other, &there, "10.77.0.2");
    static const uint8_t words[] = {DFS_DRAIN_ON, DFS_DRAIN_DONE, DFS_DRAIN_NONE};
    for (size_t i = 0; i < ARRAY_LEN(words); i++) {
        pass(1000);
        assert_int_equal(drain(f, &peer, "group1", "10.77.0.11", words[i]), 0);
        assert_int_equal(drain(f, &peer, "group1", "", words[i] ? DFS_DRAIN_ON : DFS_DRAIN_NONE),
                         i == 1 ? -EALREADY : 0);
        assert_int_equal(drain(f, &peer, "group1", "M00", words[i] ? DFS_DRAIN_ON : DFS_DRAIN_NONE),
                         i == 1 ? -EALREADY : 0);
        assert_int_equal(call(f, &peer, TRK_CMD_STATE, STR_NULL), 0);
        trk_lock(other.srv);
        assert_int_equal(trk_merge(&other.srv->cluster, str_from(buf_str(&f->out), 1)), 0);
        trk_unlock(other.srv);
        assert_int_equal(node(&other, "10.77.0.11")->drain.state, words[i]);
        assert_int_equal(node(&other, "10.77.0.11")->group->drain.state,
                         words[i] ? DFS_DRAIN_ON : DFS_DRAIN_NONE);
        assert_int_equal(node(&other, "10.77.0.11")->group->path_drain[0].state,
                         words[i] ? DFS_DRAIN_ON : DFS_DRAIN_NONE);
    }
    /* and what is older changes nothing */
    AUTO(buf_free) struct buf old = BUF(1 << 20);
    buf_adds(&old, buf_str(&f->out));
    pass(1000);
    assert_int_equal(drain(&other, &there, "group1", "10.77.0.11", DFS_DRAIN_ON), 0);
    trk_lock(other.srv);
    assert_int_equal(trk_merge(&other.srv->cluster, str_from(buf_str(&old), 1)), 0);
    trk_unlock(other.srv);
    assert_int_equal(node(&other, "10.77.0.11")->drain.state, DFS_DRAIN_ON);
    trk_server_free(&other.srv);
    buf_free(&other.out);
}

/* --- two trackers
 * ------------------------------------------------------------------------------------- */

static void a_peer_teaches_what_was_missed(void **state)
{
    struct fixture *f = *state, other = {0};
    struct trk_session a, b, peer;
    struct trk_server_opts o = f->srv->o;
    bring_up(f, &a, "10.77.0.11");
    bring_up(f, &b, "10.77.0.12");
    start_with(&other, &o);
    pass(1000);
    assert_int_equal(call_hex(f, &a, DFS_CMD_DELETE_STORAGE,
                              "67726f7570310000000000000000000031302e37372e302e3132"),
                     0);
    open_session(f, &peer, "10.77.0.2");
    for (int i = 0; i < 2; i++) { /* hearing it twice changes nothing */
        assert_int_equal(call(f, &peer, TRK_CMD_STATE, STR_NULL), 0);
        trk_lock(other.srv);
        assert_int_equal(trk_merge(&other.srv->cluster, str_from(buf_str(&f->out), 1)), 0);
        trk_unlock(other.srv);
        assert_int_equal(node(&other, "10.77.0.12")->status, DFS_ST_DELETED);
        assert_int_equal(node(&other, "10.77.0.11")->status, DFS_ST_OFFLINE);
        assert_int_equal(other.srv->cluster.log_n, 1);
    }
    /* What it sees itself counts more than what the other tracker saw a moment ago. */
    struct trk_session mine;
    struct join_opts back = first_join;
    back.init = 0;
    back.status = DFS_ST_ACTIVE;
    open_session(&other, &mine, "10.77.0.11");
    assert_int_equal(join(&other, &mine, &back), 0);
    assert_int_equal(call(&other, &mine, DFS_CMD_BEAT, STR_NULL), 0);
    assert_int_equal(call(f, &peer, TRK_CMD_STATE, STR_NULL), 0);
    trk_lock(other.srv);
    assert_int_equal(trk_merge(&other.srv->cluster, str_from(buf_str(&f->out), 1)), 0);
    trk_unlock(other.srv);
    assert_int_equal(node(&other, "10.77.0.11")->status, DFS_ST_ACTIVE);
    trk_server_free(&other.srv);
    buf_free(&other.out);
}

static void one_that_knows_nothing_asks_its_peers_before_it_lets_anybody_in(void **state)
{
    struct fixture *f = *state;
    struct trk_session a;
    struct join_opts j = first_join;
    j.lines = "10.77.0.1:22122\n10.77.0.2:22122\n";
    j.trackers = 2;
    open_session(f, &a, "10.77.0.11");
    assert_int_equal(join(f, &a, &j), -EAGAIN);
    assert_int_equal(f->srv->cluster.n, 0);
    assert_int_equal(f->srv->tracker_count, 2);
    assert_true(f->srv->catching_up);
    f->srv->catching_up = false; /* the peer has answered */
    assert_int_equal(join(f, &a, &j), 0);
    pass(60000);
    trk_server_tick(f->srv);
    assert_false(trk_is_leader(f->srv)); /* one of two is no majority */
}

static void foreign_election_messages_make_no_leader(void **state)
{
    struct fixture *f = *state;
    struct trk_session a;
    bring_up(f, &a, "10.77.0.11");
    assert_int_equal(call(f, &a, DFS_CMD_NOTIFY_LEADER, STR("nonsense")), -EINVAL);
    assert_int_equal(call(f, &a, DFS_CMD_NOTIFY_LEADER, STR("10.77.0.2:22122")), -ENOENT);
    assert_int_equal(call(f, &a, DFS_CMD_COMMIT_LEADER, STR("10.77.0.2:22122")), -ENOENT);
    assert_int_equal(call(f, &a, DFS_CMD_NOTIFY_LEADER, STR("10.77.0.1:22122")), 0);
    assert_int_equal(call(f, &a, DFS_CMD_COMMIT_LEADER, STR("10.77.0.1:22122")), 0);
    assert_int_equal(call(f, &a, DFS_CMD_RESELECT_LEADER, STR_NULL), 0);
    assert_int_equal(call(f, &a, DFS_CMD_GET_LEADER, STR_NULL), -ENOENT);
    pass(1501);
    assert_int_equal(call(f, &a, DFS_CMD_GET_LEADER, STR_NULL), 0);
}

static void statistics_carry_nothing_of_others(void **state)
{
    struct fixture *f = *state;
    struct trk_session a;
    bring_up(f, &a, "10.77.0.11");
    assert_int_equal(call_hex(f, &a, DFS_CMD_STAT_VOLUMES, "00000000"), 0);
    expect_hex(f, "0000000001"
                  "67726f7570310000000000000000000000"
                  "00000000000007d0"
                  "00000000000003e8"
                  "0000000000000000"
                  "00000000000003e8"
                  "0000000000000000"
                  "01"
                  "00");
}

#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        T(a_fresh_tracker_knows_nothing),
        T(the_first_storage_makes_a_group_and_a_leader),
        T(notices_are_told_once_and_by_the_leader_only),
        T(a_refused_join_leaves_no_trace),
        T(a_group_keeps_its_shape),
        T(a_group_takes_32_servers_and_not_one_more),
        T(strangers_may_only_ask),
        T(before_a_join_nothing_is_taken),
        T(a_second_server_is_filled_before_it_is_read),
        T(one_that_lost_its_disks_starts_over),
        T(a_removed_server_must_copy_again),
        T(the_only_source_may_be_one_that_clients_only_read),
        T(a_removed_server_is_forgotten_in_time),
        T(a_removed_server_that_began_anew_may_be_complete),
        T(what_comes_late_on_an_old_connection_does_not_count),
        T(a_second_answer_waits_for_what_the_first_has_changed),
        T(a_deleted_server_is_not_revived_by_its_heart),
        T(silence_and_a_lost_connection_make_offline),
        T(a_clock_set_back_kills_nobody),
        T(a_lost_change_log_answer_is_sent_again),
        T(a_new_address_takes_the_record_along),
        T(system_files_block_nobody),
        T(a_drained_server_takes_no_new_files),
        T(a_drained_path_is_that_of_every_server),
        T(a_drained_group_is_read_and_changed_and_filled),
        T(of_two_words_about_draining_the_later_counts),
        T(a_peer_teaches_what_was_missed),
        T(one_that_knows_nothing_asks_its_peers_before_it_lets_anybody_in),
        T(foreign_election_messages_make_no_leader),
        T(statistics_carry_nothing_of_others),
    };
    dfs_log_threshold = LOG_ERROR;
    return cmocka_run_group_tests(tests, NULL, NULL);
}
