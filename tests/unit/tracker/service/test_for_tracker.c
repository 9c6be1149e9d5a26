/* SPDX-License-Identifier: Apache-2.0 */
/* What two trackers tell each other, and what a tracker tells of its storages. */
#include "tests/lib/tracker_fixture.h"

static void a_peer_teaches_what_was_missed(void **state)
{
    struct fixture *f = *state, other = {0};
    struct trk_session a, b, peer;
    struct trk_server_opts o = f->srv->o;
    bring_up(f, &a, "10.77.0.11");
    bring_up(f, &b, "10.77.0.12");
    start_with(&other, &o);
    pass(1000);
    remove_second(f, &a);
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

int main(void)
{
    const struct CMUnitTest tests[] = {
        T(a_peer_teaches_what_was_missed),
        T(one_that_knows_nothing_asks_its_peers_before_it_lets_anybody_in),
        T(foreign_election_messages_make_no_leader),
        T(statistics_carry_nothing_of_others),
    };
    dfs_log_threshold = LOG_ERROR;
    return cmocka_run_group_tests(tests, NULL, NULL);
}
