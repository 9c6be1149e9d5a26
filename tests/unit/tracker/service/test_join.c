/* SPDX-License-Identifier: Apache-2.0 */
/* How storages come into a group, and out of it: strangers, first and second servers, those that lost their disks. */
#include "tests/lib/tracker_fixture.h"

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
    remove_second(f, &a);
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
    remove_second(f, &a);
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
    remove_second(f, &a);
    assert_int_equal(call(f, &b, DFS_CMD_BEAT, STR_NULL), 0);
    assert_int_equal(node(f, "10.77.0.12")->status, DFS_ST_DELETED);
}

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
    };
    dfs_log_threshold = LOG_ERROR;
    return cmocka_run_group_tests(tests, NULL, NULL);
}
