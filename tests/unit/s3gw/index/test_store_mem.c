/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/unit/s3gw/index/contract.h"

static struct s3_index *open_engine(void)
{
    struct s3_index *x = NULL;
    assert_int_equal(s3_index_open_mem(&x), 0);
    return x;
}

static void open_and_close(void)
{
    struct s3_index *x = NULL;
    if (s3_index_open_mem(&x) == 0)
        s3_index_close(&x);
    assert_null(x);
}

static void opening_survives_no_memory(void **state)
{
    (void)state;
    TEST_EVERY_ALLOC_FAILS(open_and_close());
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        CONTRACT_TESTS,
        cmocka_unit_test(opening_survives_no_memory),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
