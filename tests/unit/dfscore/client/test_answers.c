/* SPDX-License-Identifier: Apache-2.0 */
/* Lists that servers answer with, byte by byte. */
#include "dfscore/client/group_view.h"
#include "dfscore/client/tracker_client.h"
#include "tests/lib/test.h"

/* Two store paths: one that one file is on its way to, and one that is closed with none. */
static const char two_paths[] = "\2\0\0\0\0\1\1\0\0\0\0";
enum { TWO_PATHS = sizeof(two_paths) - 1 };

static void store_paths_are_told_one_by_one(void **state)
{
    (void)state;
    struct dfs_path_view v[DFS_PATHS_MAX];
    unsigned n = 9;
    assert_int_equal(dfs_decode_paths(str_of(two_paths, TWO_PATHS), v, &n), 0);
    assert_int_equal(n, 2);
    assert_true(!v[0].closed && v[0].incoming == 1 && v[1].closed && v[1].incoming == 0);
    assert_int_equal(dfs_decode_paths(STR("\0"), v, &n), 0);
    assert_int_equal(n, 0);
}

static void an_answer_of_another_length_is_none(void **state)
{
    (void)state;
    struct dfs_path_view v[DFS_PATHS_MAX];
    char longer[TWO_PATHS + 1] = {0};
    unsigned n = 9;
    memcpy(longer, two_paths, TWO_PATHS);
    for (size_t i = 0; i <= sizeof(longer); i++)
        if (i != TWO_PATHS)
            assert_int_equal(dfs_decode_paths(str_of(longer, i), v, &n), -EBADMSG);
    assert_int_equal(n, 9);
}

static void drains_come_in_whole_records(void **state)
{
    (void)state;
    const struct dfs_drain drains[] = {{.group = "group1", .id = "", .state = 1},
                                       {.group = "group2", .id = "M01", .state = 2}};
    AUTO(buf_free) struct buf body = BUF(1024);
    for (size_t i = 0; i < ARRAY_LEN(drains); i++)
        dfs_drain_put(&body, &drains[i]);
    for (size_t len = 0; len <= body.n; len++) {
        AUTO(dfs_free_ptr) struct dfs_drain *list = NULL;
        size_t n = 0;
        int r = dfs_decode_drains(str_of(body.p, len), &list, &n);
        assert_int_equal(r, len % DFS_DRAIN_LEN ? -EBADMSG : 0);
        assert_int_equal(n, r == 0 ? len / DFS_DRAIN_LEN : 0);
        for (size_t i = 0; i < n; i++)
            assert_true(strcmp(list[i].group, drains[i].group) == 0 &&
                        strcmp(list[i].id, drains[i].id) == 0 && list[i].state == drains[i].state);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(store_paths_are_told_one_by_one),
        cmocka_unit_test(an_answer_of_another_length_is_none),
        cmocka_unit_test(drains_come_in_whole_records),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
