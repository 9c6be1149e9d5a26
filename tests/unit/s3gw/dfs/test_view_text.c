/* SPDX-License-Identifier: Apache-2.0 */
#include "s3gw/dfs/view_text.h"

#include "tests/lib/test.h"

static void print_back(void *arg, const struct dfs_group_stat *g,
                       const struct dfs_storage_detail *servers, size_t n)
{
    s3_view_text_group(arg, g);
    for (size_t i = 0; i < n; i++)
        s3_view_text_server(arg, &servers[i]);
}

static void what_is_kept_is_read_again(void **state)
{
    (void)state;
    static const char text[] =
        "s3gw-cluster 1\n"
        "group group1 2048 100\n"
        "server 100001 10.0.0.1 23000 7 6\n"
        "server 10.0.0.2 10.0.0.2 23000 5 4\n"
        "group abcdefghijklmnop 0 0\n"
        "group g3 1024 0\n"
        "server fifteen-chars-- ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff 65535 255 255\n"
        "end\n";
    AUTO(buf_free) struct buf out = BUF(S3_VIEW_TEXT_MAX);
    s3_view_text_begin(&out);
    assert_int_equal(s3_view_text_read(str_c(text), print_back, &out), 0);
    s3_view_text_end(&out);
    assert_true(str_eq(buf_str(&out), str_c(text)));
}

static void small_changes_of_free_space_are_none(void **state)
{
    (void)state;
    AUTO(buf_free) struct buf a = BUF(1024), b = BUF(1024);
    struct dfs_group_stat g = {.group = "group1", .free_mb = 5000, .reserved_mb = 100};
    s3_view_text_group(&a, &g);
    g.free_mb = 4200;
    s3_view_text_group(&b, &g);
    assert_true(str_eq(buf_str(&a), buf_str(&b)));
    assert_true(str_eq(buf_str(&a), STR("group group1 4096 100\n")));
}

static void called(void *arg, const struct dfs_group_stat *g,
                   const struct dfs_storage_detail *servers, size_t n)
{
    (void)g;
    (void)servers;
    (void)n;
    *(bool *)arg = true;
}

static void of_anything_else_nothing_is_believed(void **state)
{
    (void)state;
    static const char *const texts[] = {
        "",
        "s3gw-cluster 2\ngroup g 1 1\nend\n",
        "s3gw-cluster 1\ngroup g 1 1\n", /* cut off */
        "s3gw-cluster 1\ngroup g 1 1\nend\nmore\n",
        "s3gw-cluster 1\nserver a 1.2.3.4 1 7 6\nend\n", /* of no group */
        "s3gw-cluster 1\ngroup g 1\nend\n",
        "s3gw-cluster 1\ngroup g 1 1 1\nend\n",
        "s3gw-cluster 1\ngroup g -1 1\nend\n",
        "s3gw-cluster 1\ngroup abcdefghijklmnopq 1 1\nend\n",
        "s3gw-cluster 1\ngroup g 1 1\nserver a 1.2.3.4 65536 7 6\nend\n",
        "s3gw-cluster 1\ngroup g 1 1\nserver a 1.2.3.4 1 256 6\nend\n",
        "s3gw-cluster 1\ngroup g 1 1\nserver  1.2.3.4 1 7 6\nend\n",
        "s3gw-cluster 1\ngroup g 1 1\nserver 12345678901234567 1.2.3.4 1 7 6\nend\n",
        "s3gw-cluster 1\ngroup g 1 1\n\nend\n",
        "s3gw-cluster 1\ngroup g 1 1\nend 1\n",
        "s3gw-cluster 1\ngroups g 1 1\nend\n",
    };
    for (size_t i = 0; i < ARRAY_LEN(texts); i++) {
        bool seen = false;
        if (s3_view_text_read(str_c(texts[i]), called, &seen) != -EBADMSG || seen)
            fail_msg("believed: %s", texts[i]);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_is_kept_is_read_again),
        cmocka_unit_test(small_changes_of_free_space_are_none),
        cmocka_unit_test(of_anything_else_nothing_is_believed),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
