/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/lib/test.h"

#include <stdio.h>

#include "dfscore/cli/client_conf.h"

static void the_sample_file_is_the_rows_in_print(void **state)
{
    (void)state;
    AUTO(buf_free) struct buf err = BUF(4096);
    AUTO(buf_free) struct buf print = BUF(100000);
    AUTO(buf_free) struct buf file = BUF(100000);
    struct client_conf conf = {0};
    assert_int_equal(
        dfs_conf_load("conf/client.conf", client_conf_rows, client_conf_n, NULL, &conf, &err), 0);
    assert_int_equal(conf.connect_ms, 5000);
    dfs_conf_fini(client_conf_rows, client_conf_n, &conf);
    dfs_conf_print(client_conf_rows, client_conf_n, &print);
    FILE *f = fopen("conf/client.conf", "r");
    assert_non_null(f);
    buf_used(&file, fread(buf_room(&file, 60000), 1, 60000, f));
    fclose(f);
    struct str body = str_head(buf_str(&print), print.n - 1); /* without the last empty line */
    assert_true(str_find(buf_str(&file), body) != SIZE_MAX);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(the_sample_file_is_the_rows_in_print)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
