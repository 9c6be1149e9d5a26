/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/lib/test.h"

#include "dfscore/log/log.h"
#include "tracker/tracker_conf.h"

#include <unistd.h>

static int load(const char *text, struct trk_conf *c, struct buf *err)
{
    char path[] = "/tmp/test_tracker_conf.XXXXXX";
    int fd = mkstemp(path);
    assert_true(fd >= 0);
    assert_int_equal(write(fd, text, strlen(text)), (ssize_t)strlen(text));
    close(fd);
    memset(c, 0, sizeof(*c));
    buf_reset(err);
    int r = trk_conf_load(path, c, err);
    unlink(path);
    return r;
}

static void the_sample_is_what_the_program_prints(void **state)
{
    (void)state;
    AUTO(buf_free) struct buf printed = BUF(1 << 18), file = BUF(1 << 18);
    FILE *f = fopen("conf/tracker.conf", "rb");
    if (!f)
        skip(); /* not run from the top of the tree */
    for (int ch; (ch = fgetc(f)) != EOF;)
        buf_addc(&file, (char)ch);
    fclose(f);
    trk_conf_print(&printed);
    assert_true(str_eq(buf_str(&printed), buf_str(&file)));
}

static void a_file_of_fastdfs_is_accepted(void **state)
{
    (void)state;
    AUTO(buf_free) struct buf err = BUF(4096), params = BUF(1024);
    struct trk_conf c;
    assert_int_equal(
        load(
            "disabled = false\nbind_addr = 127.0.0.1\nport = 22122\nconnect_timeout = 5\n"
            "network_timeout = 60\nbase_path = /tmp/x\nmax_connections = 1024\naccept_threads = 1\n"
            "work_threads = 4\nmin_buff_size = 8KB\nmax_buff_size = 128KB\nstore_lookup = 2\n"
            "store_group = group2\nstore_server = 0\nstore_path = 0\ndownload_server = 0\n"
            "reserved_storage_space = 20%\nlog_level = notice\nrun_by_group=\nrun_by_user =\n"
            "allow_hosts = *\nsync_log_buff_interval = 1\ncheck_active_interval = 120\n"
            "thread_stack_size = 256KB\nstorage_ip_changed_auto_adjust = true\n"
            "storage_sync_file_max_delay = 86400\nstorage_sync_file_max_time = 300\n"
            "use_trunk_file = false \nslot_min_size = 256\nslot_max_size = 1MB\n"
            "trunk_alloc_alignment_size = 256\ntrunk_file_size = 64MB\n"
            "trunk_create_file_time_base = 02:00\ntrunk_compress_binlog_time_base = 03:00\n"
            "use_storage_id = false\nid_type_in_filename = id\nhttp.server_port = 8080\n",
            &c, &err),
        0);
    assert_int_equal(c.check_active_ms, 120000);
    assert_int_equal(c.id_type_in_filename, 0);
    assert_int_equal(dfs_log_level_of(c.log_level), LOG_INFO);
    assert_int_equal(c.reserved.percent_x100, 2000);
    trk_conf_params(&c, false, &params);
    assert_int_equal(buf_err(&params), 0); /* below 1024 bytes, the reader's buffer */
    assert_true(str_starts(buf_str(&params), STR("use_storage_id=0\nid_type_in_filename=ip\n")));
    assert_true(str_find(buf_str(&params), STR("reserved_storage_space=20.00%\n")) != SIZE_MAX);
    unsigned lines = 0;
    for (size_t i = 0; i < params.n; i++)
        lines += params.p[i] == '\n';
    assert_int_equal(lines, 26); /* protocol 6.11 */
    trk_conf_fini(&c);
}

static void beyond_loopback_somebody_must_be_named(void **state)
{
    (void)state;
    AUTO(buf_free) struct buf err = BUF(4096);
    struct trk_conf c;
    static const char *const open[] = {"", "0.0.0.0", "10.0.0.1", "::"};
    for (size_t i = 0; i < ARRAY_LEN(open); i++) {
        char text[256];
        snprintf(text, sizeof(text), "base_path = /x\nbind_addr = %s\n", open[i]);
        assert_int_equal(load(text, &c, &err), -EINVAL);
        snprintf(text, sizeof(text), "base_path = /x\nbind_addr = %s\nallow_hosts = 10.0.0.0/8\n",
                 open[i]);
        assert_int_equal(load(text, &c, &err), 0);
        trk_conf_fini(&c);
    }
}

/* Others may point to what stays, as the threads that connect to peers do to bind_addr; members are told one story. */
static void a_reload_changes_only_what_it_may(void **state)
{
    (void)state;
    AUTO(buf_free) struct buf err = BUF(4096), before = BUF(1024), after = BUF(1024);
    struct trk_conf c, next;
    assert_int_equal(load("base_path = /x\nstore_group = group1\nlog_level = warn\n", &c, &err), 0);
    assert_int_equal(
        load("base_path = /y\nbind_addr = ::1\nport = 5\nstore_group = group2\n"
             "use_storage_id = true\nid_type_in_filename = id\nslot_max_size = 2MB\n"
             "tracker_server = 10.0.0.1\nreserved_storage_space = 1%\nstore_lookup = 1\n",
             &next, &err),
        0);
    const char *bind_addr = c.bind_addr;
    trk_conf_params(&c, false, &before);
    trk_conf_reload(&c, &next);
    assert_string_equal(next.store_group, "group1");
    assert_int_equal(next.reserved.percent_x100, 0);
    trk_conf_fini(&next);
    assert_ptr_equal(c.bind_addr, bind_addr);
    assert_string_equal(c.bind_addr, "127.0.0.1");
    assert_string_equal(c.base_path, "/x");
    assert_int_equal(c.port, 22122);
    assert_int_equal(c.tracker_server.n, 0);
    assert_string_equal(c.store_group, "group2");
    assert_int_equal(c.store_lookup, 1);
    assert_int_equal(dfs_log_level_of(c.log_level), LOG_INFO);
    c.reserved = (struct dfs_conf_space){.bytes = UINT64_C(1) << 30};
    trk_conf_params(&c, false, &after);
    assert_true(str_eq(buf_str(&before), buf_str(&after)));
    trk_conf_fini(&c);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_sample_is_what_the_program_prints),
        cmocka_unit_test(a_file_of_fastdfs_is_accepted),
        cmocka_unit_test(beyond_loopback_somebody_must_be_named),
        cmocka_unit_test(a_reload_changes_only_what_it_may),
    };
    dfs_log_threshold = LOG_ERROR;
    return cmocka_run_group_tests(tests, NULL, NULL);
}
