/* SPDX-License-Identifier: Apache-2.0 */
#include "dfscore/base/pace.h"
#include "tests/lib/test.h"

static void what_is_handled_is_paid_for(void **state)
{
    (void)state;
    struct dfs_pace p = {.rate = 1000000};
    assert_int_equal(dfs_pace_pay(&p, 500, 10000), 500);
    assert_int_equal(dfs_pace_pay(&p, 500, 10000), 1000); /* who does not rest owes more */
    assert_int_equal(dfs_pace_pay(&p, 100, 10900), 200);
    assert_int_equal(dfs_pace_pay(&p, 7, 9000000), 7); /* no credit for the time between */
}

static void small_and_large_lots_count(void **state)
{
    (void)state;
    struct dfs_pace p = {.rate = 64 << 20};
    uint64_t rest = 0;
    for (int i = 0; i < 1024; i++)
        rest = dfs_pace_pay(&p, 4096, 1);
    assert_in_range(rest, 62000, 62500); /* 4 MiB at 64 MiB/s, rounded down by lot */
    struct dfs_pace slow = {.rate = 1}, fast = {.rate = UINT64_C(1) << 40};
    assert_int_equal(dfs_pace_pay(&slow, UINT64_C(1) << 43, 0), 1000000 * (UINT64_C(1) << 43));
    assert_int_equal(dfs_pace_pay(&fast, UINT64_MAX, 0) / 1000000, (UINT64_C(1) << 24) - 1);
}

static void without_a_rate_nobody_rests(void **state)
{
    (void)state;
    struct dfs_pace p = {.rate = 0};
    assert_int_equal(dfs_pace_pay(&p, UINT64_MAX, 5), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_is_handled_is_paid_for),
        cmocka_unit_test(small_and_large_lots_count),
        cmocka_unit_test(without_a_rate_nobody_rests),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
