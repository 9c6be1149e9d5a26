/* SPDX-License-Identifier: Apache-2.0 */
#include <stdio.h>

#include "dfscore/base/clock.h"
#include "storage/service/silent.h"
#include "tests/lib/test.h"

static uint64_t mono_ms;
static struct sto_silent silent;

static uint64_t mono_us(void)
{
    return mono_ms * 1000;
}

static int set_up(void **state)
{
    (void)state;
    static const struct dfs_clock_hook hook = {.mono_us = mono_us};
    dfs_clock_hook = &hook;
    mono_ms = 1000;
    sto_silent_init(&silent);
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    sto_silent_fini(&silent);
    dfs_clock_hook = NULL;
    return 0;
}

static void who_has_waited_in_vain_does_not_for_a_while(void **state)
{
    (void)state;
    assert_false(sto_silent_is(&silent, "100001"));
    sto_silent_note(&silent, "100001", -ETIMEDOUT);
    assert_true(sto_silent_is(&silent, "100001"));
    assert_false(sto_silent_is(&silent, "100002"));
    mono_ms += STO_SILENT_MS - 1;
    assert_true(sto_silent_is(&silent, "100001"));
    mono_ms++;
    assert_false(sto_silent_is(&silent, "100001"));
}

/* Such as one whose connections are refused: that takes no time. */
static void any_other_result_is_an_answer(void **state)
{
    (void)state;
    static const int results[] = {0, -ENOENT, -ECONNREFUSED, -EPIPE};
    for (size_t i = 0; i < ARRAY_LEN(results); i++) {
        sto_silent_note(&silent, "100001", -ETIMEDOUT);
        sto_silent_note(&silent, "100002", results[i]);
        assert_true(sto_silent_is(&silent, "100001"));
        sto_silent_note(&silent, "100001", results[i]);
        assert_false(sto_silent_is(&silent, "100001"));
    }
}

static void of_more_than_a_group_has_the_first_is_forgotten(void **state)
{
    (void)state;
    char id[DFS_ID_MAX + 1];
    for (unsigned i = 0; i <= DFS_SERVERS_MAX; i++, mono_ms++) {
        (void)snprintf(id, sizeof(id), "%u", i);
        sto_silent_note(&silent, id, -ETIMEDOUT);
    }
    assert_false(sto_silent_is(&silent, "0"));
    assert_true(sto_silent_is(&silent, "1"));
    assert_true(sto_silent_is(&silent, id));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(who_has_waited_in_vain_does_not_for_a_while, set_up,
                                        tear_down),
        cmocka_unit_test_setup_teardown(any_other_result_is_an_answer, set_up, tear_down),
        cmocka_unit_test_setup_teardown(of_more_than_a_group_has_the_first_is_forgotten, set_up,
                                        tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
