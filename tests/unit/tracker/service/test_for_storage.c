/* SPDX-License-Identifier: Apache-2.0 */
/* Life and death of a storage that has joined: silence, clocks, addresses. */
#include "tests/lib/tracker_fixture.h"

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

static void our_storages_are_told_how_long_that_is(void **state)
{
    struct fixture *f = *state;
    struct trk_session a;
    open_session(f, &a, "10.77.0.11");
    assert_int_equal(call(f, &a, DFS_CMD_PARAMETERS, STR_NULL), 0);
    assert_true(
        str_eq(buf_str(&f->out), STR("use_storage_id=0\n"))); /* as FastDFS's trackers say */
    assert_int_equal(call_with(f, &a, DFS_CMD_PARAMETERS, DFS_PARAMETERS_OURS, STR_NULL), 0);
    assert_true(str_eq(buf_str(&f->out), STR("use_storage_id=0\ncheck_active_interval=100\n")));
    trk_session_close(f->srv, &a);
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
    remove_second(f, &a);
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

static void states_of_paths_come_behind_their_usage(void **state)
{
    struct fixture *f = *state;
    struct trk_session a;
    static const struct {
        const char *more; /* behind 1000 of 2000 MB free */
        int result;
        unsigned slow;
    } rows[] = {{"04", 0, 1}, {"05", 0, 1},         {"", 0, 0},   {"f8", 0, 0},
                {"04", 0, 1}, {"0404", -EINVAL, 1}, {"00", 0, 0}, {"03", 0, 0}};
    bring_up(f, &a, "10.77.0.11");
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        char hex[64];
        (void)snprintf(hex, sizeof(hex), "00000000000007d000000000000003e8%s", rows[i].more);
        assert_int_equal(call_hex(f, &a, DFS_CMD_DISK_USAGE, hex), rows[i].result);
        assert_int_equal(node(f, "10.77.0.11")->slow_paths, rows[i].slow);
        assert_int_equal(node(f, "10.77.0.11")->free_mb, 1000);
    }
    assert_int_equal(call_hex(f, &a, DFS_CMD_DISK_USAGE, "04"), -EINVAL);
}

static const uint8_t group1[16] = "group1";

static struct join_opts back_again(void)
{
    struct join_opts back = first_join;
    back.init = 0;
    back.status = DFS_ST_ACTIVE;
    return back;
}

/* 92 by a storage that goes by the answer, and the notice with a beat. */
static void expect_word(struct fixture *f, struct trk_session *s, bool knows)
{
    const struct str group = str_of((const char *)group1, sizeof(group1));
    assert_int_equal(call_with(f, s, DFS_CMD_LIST_STORAGES, DFS_LIST_KNOWN, group),
                     knows ? 0 : -EAGAIN);
    assert_int_equal(call(f, s, DFS_CMD_LIST_STORAGES, group), 0);
    assert_int_equal(call(f, s, DFS_CMD_BEAT, STR_NULL), 0);
    assert_int_equal(f->out.p[0] & DFS_NOTICE_MEMBERS, knows ? DFS_NOTICE_MEMBERS : 0);
}

/* @f, and what it knows of two complete servers, in another one that has just started. */
static void restart(struct fixture *f, struct fixture *ret)
{
    struct trk_session a, b, peer;
    struct trk_server_opts o = f->srv->o;
    bring_up(f, &a, "10.77.0.11");
    bring_up(f, &b, "10.77.0.12");
    report(f, &a, "10.77.0.12", DFS_ST_OFFLINE);
    expect_word(f, &b, true);
    open_session(f, &peer, "10.77.0.2");
    assert_int_equal(call(f, &peer, TRK_CMD_STATE, STR_NULL), 0);
    start_with(ret, &o);
    trk_lock(ret->srv);
    assert_int_equal(trk_merge(&ret->srv->cluster, str_from(buf_str(&f->out), 1)), 0);
    trk_unlock(ret->srv);
}

static void one_that_has_just_started_calls_nobody_away(void **state)
{
    struct fixture *f = *state, all = {0}, one = {0};
    const struct join_opts back = back_again();
    struct trk_session a, b;
    restart(f, &all);
    open_session(&all, &a, "10.77.0.11");
    assert_int_equal(join(&all, &a, &back), 0);
    pass(15000);
    expect_word(&all, &a, false);
    open_session(&all, &b, "10.77.0.12");
    assert_int_equal(join(&all, &b, &back), 0);
    expect_word(&all, &a, true);
    trk_session_close(all.srv, &b); /* that one is known to be away */
    expect_word(&all, &a, true);
    start_with(&one, &f->srv->o); /* here it does not come back */
    assert_int_equal(call(f, &a, TRK_CMD_STATE, STR_NULL), 0);
    trk_lock(one.srv);
    assert_int_equal(trk_merge(&one.srv->cluster, str_from(buf_str(&f->out), 1)), 0);
    trk_unlock(one.srv);
    open_session(&one, &a, "10.77.0.11");
    assert_int_equal(join(&one, &a, &back), 0);
    expect_word(&one, &a, false);
    pass(15001);
    expect_word(&one, &a, true);
    trk_server_free(&all.srv);
    trk_server_free(&one.srv);
    buf_free(&all.out);
    buf_free(&one.out);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        T(silence_and_a_lost_connection_make_offline),
        T(our_storages_are_told_how_long_that_is),
        T(a_clock_set_back_kills_nobody),
        T(a_lost_change_log_answer_is_sent_again),
        T(a_new_address_takes_the_record_along),
        T(system_files_block_nobody),
        T(states_of_paths_come_behind_their_usage),
        T(one_that_has_just_started_calls_nobody_away),
    };
    dfs_log_threshold = LOG_ERROR;
    return cmocka_run_group_tests(tests, NULL, NULL);
}
