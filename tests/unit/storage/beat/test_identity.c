/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <unistd.h>

#include "storage/beat/identity.h"

static const struct sto_identity sample = {
    .join_time_s = 1700000000,
    .sync_negotiated = true,
    .sync_source = "10.0.0.11",
    .sync_until_s = 1700000100,
    .ip = "10.0.0.12",
    .port = 23000,
    .id = "100001",
    .complete = true,
    .alone = true,
};

static void what_is_saved_is_loaded(void **state)
{
    (void)state;
    char dir[] = "/tmp/test_identity.XXXXXX", path[64];
    assert_non_null(mkdtemp(dir));
    snprintf(path, sizeof(path), "%s/flag", dir);
    struct sto_identity got;
    memset(&got, 1, sizeof(got));
    assert_int_equal(sto_identity_load(path, &got), 0);
    assert_int_equal(got.join_time_s, 0);
    assert_int_equal(sto_identity_save(path, &sample), 0);
    assert_int_equal(sto_identity_load(path, &got), 0);
    assert_int_equal(got.join_time_s, sample.join_time_s);
    assert_true(got.sync_negotiated && got.complete && got.alone);
    assert_string_equal(got.sync_source, "10.0.0.11");
    assert_string_equal(got.ip, "10.0.0.12");
    assert_string_equal(got.id, "100001");
    assert_int_equal(got.sync_until_s, sample.sync_until_s);
    unlink(path);
    rmdir(dir);
}

static void a_file_of_fastdfs_is_understood(void **state)
{
    (void)state;
    struct sto_identity id;
    sto_identity_parse(STR("storage_join_time=1700000000\nsync_old_done=1\nsync_src_server=\n"
                           "sync_until_timestamp=0\nlast_ip_addr=10.0.0.9\nlast_server_port=23000\n"
                           "current_trunk_file_id=0\ntrunk_last_compress_time=0\n"
                           "store_path_mark0=AAAA\n"),
                       &id);
    assert_true(id.sync_negotiated);
    assert_true(id.complete && id.whole); /* it never had to copy */
    assert_string_equal(id.ip, "10.0.0.9");
    assert_int_equal(id.port, 23000);
    sto_identity_parse(
        STR("sync_old_done=1\nsync_src_server=10.0.0.8\nsync_until_timestamp=1700000000\n"), &id);
    assert_false(id.complete); /* it may not have been through */
    sto_identity_parse(STR("sync_old_done=0\nsync_src_server=\n"), &id);
    assert_false(id.complete);
    sto_identity_parse(STR("sync_old_done=1\nsync_src_server=\ndata_complete=0\n"), &id);
    assert_false(id.complete); /* ours */
    sto_identity_parse(STR("sync_old_done=1\nsync_src_server=\ndata_complete=1\n"), &id);
    assert_true(id.whole); /* an earlier build */
    sto_identity_parse(STR("sync_old_done=1\ndata_complete=1\ndata_whole=0\n"), &id);
    assert_true(id.complete && !id.whole);
}

static void damage_is_skipped(void **state)
{
    (void)state;
    struct sto_identity id;
    sto_identity_parse(STR("last_ip_addr=0123456789012345678901234567890123456789012345678901\n"
                           "storage_join_time=-5\nsync_old_done=yes\nnoise\n=\n\0\n"),
                       &id);
    assert_string_equal(id.ip, "");
    assert_int_equal(id.join_time_s, 0);
    assert_false(id.sync_negotiated);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_is_saved_is_loaded),
        cmocka_unit_test(a_file_of_fastdfs_is_understood),
        cmocka_unit_test(damage_is_skipped),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
