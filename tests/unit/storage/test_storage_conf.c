/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <unistd.h>

#include "dfscore/log/log.h"
#include "storage/storage_conf.h"

static int load(const char *text, struct sto_conf *c, char *message, size_t cap)
{
    char path[] = "/tmp/test_storage_conf.XXXXXX";
    int fd = mkstemp(path);
    assert_true(fd >= 0);
    assert_int_equal(write(fd, text, strlen(text)), strlen(text));
    close(fd);
    AUTO(buf_free) struct buf err = BUF(4096);
    memset(c, 0, sizeof(*c));
    int r = sto_conf_load(path, c, &err);
    unlink(path);
    snprintf(message, cap, STR_F, STR_A(buf_str(&err)));
    return r;
}

static void little_is_enough(void **state)
{
    (void)state;
    AUTO(sto_conf_fini) struct sto_conf c;
    char message[512];
    assert_int_equal(
        load("base_path = /data\ntracker_server = 127.0.0.1:22122\n", &c, message, sizeof(message)),
        0);
    assert_string_equal(c.bind_addr, "127.0.0.1");
    assert_int_equal(c.port, 23000);
    assert_int_equal(c.store_path.n, 1);
    assert_string_equal(c.store_path.v[0], "/data");
    assert_int_equal(c.durability, STO_DURABILITY_SYNC);
    assert_false(sto_conf_path_readonly(&c, 0));
}

static void a_file_for_fastdfs_is_accepted(void **state)
{
    (void)state;
    AUTO(sto_conf_fini) struct sto_conf c;
    char message[512];
    dfs_log_threshold = LOG_ERROR; /* the warnings are not the point here */
    assert_int_equal(load("disabled = false\ngroup_name = group2\nbind_addr = 10.0.0.5\n"
                          "port = 23001\nconnect_timeout = 5\nbase_path = /b\n"
                          "buff_size = 256KB\nthread_stack_size = 512KB\n"
                          "sync_start_time = 00:00\nstore_path_count = 3\nstore_path0 = /s0\n"
                          "store_path1 = /s1\nstore_path1_readonly = Yes\n"
                          "store_path2 = /s2\nstore_path2_readonly = false\n"
                          "tracker_server = 10.0.0.1:22122\ntracker_server = 10.0.0.2:22122\n"
                          "allow_hosts = 10.0.0.0/8\nlog_level = notice\nsync_max_threads = auto\n"
                          "##include /home/x/fdht_servers.conf\nhttp.server_port = 8888\n"
                          "[access-log]\nenabled = true\ntime_precision = ms\n",
                          &c, message, sizeof(message)),
                     0);
    dfs_log_threshold = LOG_INFO;
    assert_int_equal(c.tracker_server.n, 2);
    assert_int_equal(c.connect_timeout_ms, 5000);
    assert_string_equal(c.store_path.v[1], "/s1");
    assert_false(sto_conf_path_readonly(&c, 0));
    assert_true(sto_conf_path_readonly(&c, 1));
    assert_false(sto_conf_path_readonly(&c, 2));
    assert_false(sto_conf_path_readonly(&c, 7));
    assert_int_equal(dfs_log_level_of(c.log_level), LOG_INFO);
}

static void mistakes_name_the_key(void **state)
{
    (void)state;
#define BASE "base_path = /data\ntracker_server = 127.0.0.1:22122\n"
    static const struct {
        const char *text, *says;
    } rows[] = {
        {"tracker_server = 127.0.0.1\n", "base_path"},
        {"base_path = /data\n", "tracker_server"},
        {BASE "bind_addr = 0.0.0.0\n", "allow_hosts"},
        {BASE "bind_addr =\n", "allow_hosts"},
        {BASE "group_name = a/b\n", "group_name"},
        {BASE "store_path_count = 2\n", "store_path1"},
        {BASE "store_path0 = /a\nstore_path1 = /b\n", "store_path_count"},
        {BASE "server_id = 0\n", "server_id"},
        {BASE "server_id = 16777216\n", "server_id"},
        {BASE "port = 70000\n", "port"},
        {BASE "durability = maybe\n", "durability"},
        {BASE "disabled = true\n", "disabled"},
        {BASE "log_level = loud\n", "log_level"},
        {BASE "store_path0_readonly = ture\n", "store_path0_readonly"},
        {BASE "min_copies = 0\n", "min_copies"},
        {BASE "min_copies = 33\n", "min_copies"},
        {BASE "min_copies = two\n", "min_copies"},
    };
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct sto_conf c;
        char message[512];
        assert_true(load(rows[i].text, &c, message, sizeof(message)) < 0);
        assert_non_null(strstr(message, rows[i].says));
        assert_null(strchr(message, '\n'));
    }
}

static void the_sample_in_conf_is_what_is_printed(void **state)
{
    (void)state;
    AUTO(buf_free) struct buf want = BUF(1024 * 1024);
    sto_conf_print(&want);
    FILE *f = fopen("conf/storage.conf", "r");
    if (!f)
        skip(); /* not run from the root of the tree */
    AUTO(dfs_free_ptr) char *have = calloc(1, want.n + 2);
    size_t n = fread(have, 1, want.n + 1, f);
    fclose(f);
    assert_int_equal(n, want.n);
    assert_memory_equal(have, want.p, n);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(little_is_enough),
        cmocka_unit_test(a_file_for_fastdfs_is_accepted),
        cmocka_unit_test(mistakes_name_the_key),
        cmocka_unit_test(the_sample_in_conf_is_what_is_printed),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
