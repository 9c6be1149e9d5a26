/* SPDX-License-Identifier: Apache-2.0 */
#include "dfscore/log/log.h"

#include <stdio.h>
#include <string.h>

#include "tests/lib/test.h"

/* What dfs_log_write() made of @kv, behind the event's name. */
static void line_of(const struct dfs_kv *kv, char *to, int n)
{
    char *dir = test_tmpdir(), path[300];
    snprintf(path, sizeof(path), "%s/log", dir);
    assert_int_equal(dfs_log_open(path), 0);
    dfs_log_write(LOG_INFO, "it.happened", kv);
    assert_int_equal(dfs_log_open("/dev/null"), 0);
    FILE *f = fopen(path, "r");
    assert_non_null(f);
    char line[1000];
    assert_non_null(fgets(line, sizeof(line), f));
    fclose(f);
    const char *rest = strstr(line, " info it.happened");
    assert_non_null(rest);
    snprintf(to, (size_t)n, "%s", rest + strlen(" info it.happened"));
    test_tmpdir_free(&dir);
}

static void values_are_quoted_where_they_must_be(void **state)
{
    (void)state;
    char line[300];
    const struct dfs_kv kv[] = {
        KV_Z("plain", "a/b"), KV_Z("blank", "a b"), KV_Z("quote", "\"\n"),   KV_I64("less", -5),
        KV_U64("more", 5),    KV_ERR(-EIO),         KV_STR("none", STR("")), (struct dfs_kv){0}};
    line_of(kv, line, sizeof(line));
    assert_string_equal(
        line, " plain=a/b blank=\"a b\" quote=\"\\\"\\x0a\" less=-5 more=5 err=EIO none=\"\"\n");
}

static void a_pair_whose_condition_does_not_hold_is_left_out(void **state)
{
    (void)state;
    char line[300];
    for (int yes = 0; yes < 2; yes++) {
        const struct dfs_kv kv[] = {KV_U64("port", 1), KV_IF(yes, KV_I64("days", 3)),
                                    KV_Z("version", "v"), (struct dfs_kv){0}};
        line_of(kv, line, sizeof(line));
        assert_string_equal(line, yes ? " port=1 days=3 version=v\n" : " port=1 version=v\n");
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(values_are_quoted_where_they_must_be),
        cmocka_unit_test(a_pair_whose_condition_does_not_hold_is_left_out),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
