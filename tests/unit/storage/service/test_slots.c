/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/lib/test.h"

#include "storage/service/slots.h"

static void a_slot_goes_out_once(void **state)
{
    (void)state;
    AUTO(sto_slots_free) struct sto_slots *s = NULL;
    struct dfs_trunk_slot a, b;
    assert_int_equal(sto_slots_new(4096, 256, 64, &s), 0);
    assert_int_equal(sto_slots_take(s, 0, 100, &a), 0);
    assert_int_equal(a.size, 256);
    assert_int_equal(sto_slots_take(s, 0, 300, &b), 0);
    assert_int_equal(b.size, 320); /* aligned */
    assert_int_equal(b.offset, 256);
    assert_int_equal(sto_slots_confirm(s, &a, 0), 0);
    assert_int_equal(sto_slots_give(s, &a), 0);
    assert_int_equal(sto_slots_give(s, &a), -EEXIST);
    assert_int_equal(sto_slots_confirm(s, &b, EIO), 0); /* the write failed: given back */
    assert_int_equal(sto_slots_confirm(s, &b, 0), -ENOENT);
}

static void a_full_container_is_followed_by_another(void **state)
{
    (void)state;
    AUTO(sto_slots_free) struct sto_slots *s = NULL;
    struct dfs_trunk_slot a, b;
    assert_int_equal(sto_slots_new(4096, 256, 0, &s), 0);
    assert_int_equal(sto_slots_take(s, 0, 4096, &a), 0);
    assert_int_equal(sto_slots_take(s, 0, 1, &b), 0);
    assert_true(b.file_id > a.file_id);
    assert_int_equal(b.offset, 0);
    assert_int_equal(sto_slots_take(s, 0, 4097, &b), -EINVAL);
}

static void what_is_remembered_has_a_ceiling(void **state)
{
    (void)state;
    AUTO(sto_slots_free) struct sto_slots *s = NULL;
    struct dfs_trunk_slot last = {0};
    assert_int_equal(sto_slots_new(1 << 20, 256, 0, &s), 0);
    for (unsigned i = 0; i < STO_SLOTS_MAX; i++)
        assert_int_equal(sto_slots_take(s, 0, 1, &last), 0);
    assert_int_equal(sto_slots_take(s, 0, 1, &last), -ENOSPC);
    assert_int_equal(sto_slots_give(s, &last), 0);
    assert_int_equal(sto_slots_take(s, 0, 1, &last), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_slot_goes_out_once),
        cmocka_unit_test(a_full_container_is_followed_by_another),
        cmocka_unit_test(what_is_remembered_has_a_ceiling),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
