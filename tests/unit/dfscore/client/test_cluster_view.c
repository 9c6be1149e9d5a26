/* SPDX-License-Identifier: Apache-2.0 */
/* The view against a tracker that is a service on a Unix-domain socket. */
#include "tests/lib/test.h"

#include <stdatomic.h>
#include <stdio.h>

#include "dfscore/client/cluster_view.h"
#include "dfscore/net/listener.h"

static char *dir;
static struct dfs_loop *loop;
static struct dfs_listener *listener;
static struct dfs_connpool *pool;
static struct dfs_trackers *trackers;
static _Atomic int fails;     /* errno to answer with */
static _Atomic int g1_status; /* of the second server of g1 */

static void list_groups(struct dfs_req *req)
{
    struct buf b = BUF(4096);
    const struct dfs_group_stat groups[] = {{.group = "g2", .path_count = 2, .free_mb = 20},
                                            {.group = "g1", .path_count = 1, .free_mb = 10}};
    if (atomic_load(&fails)) {
        dfs_req_reply(req, atomic_load(&fails), STR_NULL);
        return;
    }
    for (size_t i = 0; i < ARRAY_LEN(groups); i++)
        dfs_group_stat_put(&b, &groups[i]);
    dfs_req_reply_buf(req, &b);
}

static void list_storages(struct dfs_req *req)
{
    struct buf b = BUF(4096);
    if (!str_starts(req->body, STR("g1"))) {
        dfs_req_reply(req, -ENOENT, STR_NULL); /* g2 was deleted in between */
        return;
    }
    struct dfs_storage_detail s[] = {
        {.id = "10.0.0.2",
         .ip = "10.0.0.2",
         .port = 23000,
         .rw_mode = DFS_RW_BOTH,
         .status = (uint8_t)atomic_load(&g1_status)},
        {.id = "10.0.0.1",
         .ip = "10.0.0.1",
         .port = 23000,
         .rw_mode = DFS_RW_READ,
         .status = DFS_ST_ACTIVE},
    };
    for (size_t i = 0; i < ARRAY_LEN(s); i++)
        dfs_storage_detail_put(&b, DFS_IPW4, &s[i]);
    dfs_req_reply_buf(req, &b);
}

static const struct dfs_command commands[] = {
    {DFS_CMD_LIST_GROUPS, "list_groups", 0, 0, list_groups, NULL, NULL, NULL},
    {DFS_CMD_LIST_STORAGES, "list_storages", 16, 31, list_storages, NULL, NULL, NULL},
};
static const struct dfs_service service = {
    .name = "test", .commands = commands, .n = 2, .frame_max = 4096};

static int setup(void **state)
{
    (void)state;
    dir = test_tmpdir();
    atomic_store(&fails, 0);
    atomic_store(&g1_status, DFS_ST_ACTIVE);
    struct dfs_listen_opts opts = {.max_conns = 10};
    snprintf(opts.addr.host, sizeof(opts.addr.host), "%s/t", dir);
    assert_int_equal(dfs_loop_new("test", &loop), 0);
    assert_int_equal(dfs_loop_start(loop), 0);
    assert_int_equal(dfs_listener_new(&opts, &service, &loop, 1, &listener), 0);
    const struct dfs_connpool_opts pool_opts = {.peer = {.connect_ms = 5000, .timeout_ms = 5000},
                                                .max_idle = 2};
    assert_int_equal(dfs_connpool_new(&pool_opts, &pool), 0);
    assert_int_equal(dfs_trackers_new(&opts.addr, 1, pool, &trackers), 0);
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    dfs_trackers_free(&trackers);
    dfs_connpool_free(&pool);
    dfs_listener_free(&listener);
    dfs_loop_free(&loop);
    test_tmpdir_free(&dir);
    return 0;
}

static void a_snapshot_says_who_may_be_read_and_written(void **state)
{
    (void)state;
    AUTO(dfs_view_free) struct dfs_view *v = NULL;
    assert_int_equal(dfs_view_new(trackers, 3600000, &v), 0);
    AUTO(dfs_snapshot_unref) struct dfs_snapshot *s = dfs_view_ref(v);
    assert_int_equal(s->n, 1); /* g2 is gone */
    const struct dfs_view_group *g = dfs_snapshot_group(s, STR("g1"));
    assert_non_null(g);
    assert_int_equal(g->n, 2);
    assert_int_equal(g->free_mb, 10);
    assert_string_equal(g->servers[0].id, "10.0.0.1");
    assert_true(dfs_view_readable(&g->servers[0]) && !dfs_view_writable(&g->servers[0]));
    const struct dfs_view_server *two = dfs_view_server(g, STR("10.0.0.2"));
    assert_true(two && dfs_view_readable(two) && dfs_view_writable(two));
    assert_null(dfs_view_server(g, STR("10.0.0.3")));
    assert_null(dfs_snapshot_group(s, STR("g2")));
}

static void a_snapshot_held_does_not_change_and_a_failure_keeps_the_last(void **state)
{
    (void)state;
    AUTO(dfs_view_free) struct dfs_view *v = NULL;
    assert_int_equal(dfs_view_new(trackers, 3600000, &v), 0);
    AUTO(dfs_snapshot_unref) struct dfs_snapshot *before = dfs_view_ref(v);
    atomic_store(&g1_status, DFS_ST_OFFLINE);
    assert_int_equal(dfs_view_refresh(v), 0);
    AUTO(dfs_snapshot_unref) struct dfs_snapshot *after = dfs_view_ref(v);
    assert_true(dfs_view_writable(&before->groups[0].servers[1]));
    assert_false(dfs_view_writable(&after->groups[0].servers[1]));
    atomic_store(&fails, -EBUSY);
    assert_int_equal(dfs_view_refresh(v), -EBUSY);
    AUTO(dfs_snapshot_unref) struct dfs_snapshot *still = dfs_view_ref(v);
    assert_ptr_equal(still, after);
}

static void without_trackers_the_view_is_empty_and_fills_later(void **state)
{
    (void)state;
    atomic_store(&fails, -EBUSY);
    AUTO(dfs_view_free) struct dfs_view *v = NULL;
    assert_int_equal(dfs_view_new(trackers, 1, &v), 0);
    atomic_store(&fails, 0);
    for (bool filled = false; !filled;) { /* its own thread asks: every millisecond here */
        AUTO(dfs_snapshot_unref) struct dfs_snapshot *s = dfs_view_ref(v);
        filled = s->n == 1;
    }
}

#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        T(a_snapshot_says_who_may_be_read_and_written),
        T(a_snapshot_held_does_not_change_and_a_failure_keeps_the_last),
        T(without_trackers_the_view_is_empty_and_fills_later),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
