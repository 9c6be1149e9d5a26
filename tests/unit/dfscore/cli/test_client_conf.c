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

static int load(const char *text, struct client_conf *conf, struct buf *err)
{
    AUTO(test_tmpdir_free) char *dir = test_tmpdir();
    char path[400];
    snprintf(path, sizeof(path), "%s/client.conf", dir);
    FILE *f = fopen(path, "w");
    assert_non_null(f);
    fputs(text, f);
    fclose(f);
    return client_conf_load(path, conf, err);
}

static void a_client_conf_of_fastdfs_is_taken_as_it_is(void **state)
{
    (void)state;
    AUTO(buf_free) struct buf err = BUF(4096);
    struct client_conf conf = {0};
    assert_int_equal(load("connect_timeout = 7\nnetwork_timeout=60\nbase_path = /home/x\n"
                          "tracker_server = 10.0.0.1:22122\ntracker_server = 10.0.0.2:22122\n"
                          "log_level=info\nuse_connection_pool = false\n"
                          "connection_pool_max_idle_time = 3600\nconnect_first_by = tracker\n"
                          "load_fdfs_parameters_from_tracker=false\nuse_storage_id = false\n"
                          "storage_ids_filename = storage_ids.conf\nhttp.tracker_server_port=80\n"
                          "#use \"#include\" directive to include HTTP other settings\n"
                          "##include http.conf\nnetwork_timeout = 61\n",
                          &conf, &err),
                     0);
    assert_int_equal(conf.trackers.n, 2);
    assert_int_equal(conf.connect_ms, 7000);
    assert_int_equal(conf.network_ms, 61000); /* the last one counts, as there */
    dfs_conf_fini(client_conf_rows, client_conf_n, &conf);
    assert_int_equal(load("base_path = /x\ncluster_secret = /s\n", &conf, &err), -EINVAL);
    assert_true(str_ends(buf_str(&err), STR("client.conf:2: cluster_secret: no such setting")));
    assert_int_equal(client_conf_load(NULL, &conf, &err), 0);
    assert_int_equal(conf.connect_ms, 5000);
    dfs_conf_fini(client_conf_rows, client_conf_n, &conf);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_sample_file_is_the_rows_in_print),
        cmocka_unit_test(a_client_conf_of_fastdfs_is_taken_as_it_is),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
