/* SPDX-License-Identifier: Apache-2.0 */
#include "storage/beat/drained.h"

#include "tests/lib/test.h"

static void what_is_printed_is_parsed(void **state)
{
    (void)state;
    bool some[DFS_PATHS_MAX] = {[0] = true, [10] = true, [255] = true}, got[DFS_PATHS_MAX];
    AUTO(buf_free) struct buf text = BUF(4096);
    sto_drained_print(some, &text);
    assert_true(str_eq(buf_str(&text), STR("M00\nM0A\nMFF\n")));
    sto_drained_parse(buf_str(&text), got);
    assert_memory_equal(got, some, sizeof(got));
    sto_drained_parse(STR_NULL, got);
    for (size_t i = 0; i < ARRAY_LEN(got); i++)
        assert_false(got[i]);
}

static void what_cannot_be_read_is_skipped(void **state)
{
    (void)state;
    bool got[DFS_PATHS_MAX];
    sto_drained_parse(STR("M1\n\nx\nM02 \nM03\nM0"), got);
    for (size_t i = 0; i < ARRAY_LEN(got); i++)
        assert_int_equal(got[i], i == 3);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_is_printed_is_parsed),
        cmocka_unit_test(what_cannot_be_read_is_skipped),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
