/* SPDX-License-Identifier: Apache-2.0 */
/* Drained servers, groups and store paths. */
#include "tests/lib/tracker_fixture.h"

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

int main(void)
{
    const struct CMUnitTest tests[] = {
        T(a_drained_server_takes_no_new_files),
        T(a_drained_path_is_that_of_every_server),
        T(a_drained_group_is_read_and_changed_and_filled),
        T(of_two_words_about_draining_the_later_counts),
    };
    dfs_log_threshold = LOG_ERROR;
    return cmocka_run_group_tests(tests, NULL, NULL);
}
