/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "storage/beat/params.h"

static void the_recorded_text_is_read(void **state)
{
    (void)state;
    struct sto_params p;
    sto_params_init(&p);
    assert_int_equal(sto_params_parse(STR("use_storage_id=1\n"
                                          "id_type_in_filename=id\n"
                                          "trust_storage_server_id=1\n"
                                          "response_ip_addr_size=46\n"
                                          "storage_ip_changed_auto_adjust=1\n"
                                          "storage_sync_file_max_delay=3600\n"
                                          "store_path=2\n"
                                          "reserved_storage_space=20.50%\n"
                                          "use_trunk_file=1\n"
                                          "slot_min_size=256\n"
                                          "slot_max_size=65536\n"
                                          "trunk_alloc_alignment_size=64\n"
                                          "trunk_file_size=4194304\n"
                                          "trunk_create_file_time_base=02:00\n"
                                          "store_slave_file_use_link=1\n"
                                          "check_active_interval=30\n"),
                                      &p),
                     0);
    assert_true(p.use_storage_id && p.id_in_name && p.wide_addresses && p.path_most_free);
    assert_true(p.use_trunk && p.slave_by_link);
    assert_int_equal(p.sync_max_delay_s, 3600);
    assert_int_equal(p.reserved_permyriad, 2050);
    assert_int_equal(p.slot_max, 65536);
    assert_int_equal(p.slot_align, 64);
    assert_int_equal(p.trunk_size, 4194304);
    assert_int_equal(p.check_active_s, 30);
}

static void missing_keys_keep_their_value(void **state)
{
    (void)state;
    struct sto_params p;
    sto_params_init(&p);
    assert_int_equal(sto_params_parse(STR("reserved_storage_space=7MB\nnew_key=what\nnoise\n"), &p),
                     0);
    assert_int_equal(p.reserved_mb, 7);
    assert_int_equal(p.reserved_permyriad, 0);
    assert_int_equal(p.slot_min, 256);
    assert_int_equal(p.check_active_s, 100); /* FastDFS's trackers do not say it */
    assert_false(p.use_trunk || p.wide_addresses);
}

static void nonsense_changes_nothing(void **state)
{
    (void)state;
    static const char *const bad[] = {
        "response_ip_addr_size=17\n",
        "slot_max_size=-1\n",
        "reserved_storage_space=100%\n",
        "reserved_storage_space=0%\n",
        "reserved_storage_space=1.234%\n",
        "reserved_storage_space=MB\n",
        "slot_min_size=\n",
        "trunk_file_size=99999999999999999999\n",
    };
    struct sto_params before, p;
    memset(&before, 0, sizeof(before));
    sto_params_init(&before);
    for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
        memcpy(&p, &before, sizeof(p));
        assert_int_equal(sto_params_parse(str_c(bad[i]), &p), -EINVAL);
        assert_memory_equal(&p, &before, sizeof(p));
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_recorded_text_is_read),
        cmocka_unit_test(missing_keys_keep_their_value),
        cmocka_unit_test(nonsense_changes_nothing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
