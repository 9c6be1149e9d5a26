/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/lib/test.h"

#include "dfscore/base/version.h"

static void the_build_knows_its_version(void **state)
{
    (void)state;
    assert_non_null(dfs_version());
    assert_int_not_equal(dfs_version()[0], 0);
}

static void every_alloc_fails_reaches_the_clean_run(void **state)
{
    (void)state;
    unsigned runs = 0, failures = 0;
    TEST_EVERY_ALLOC_FAILS({
        AUTO(dfs_free_ptr) void *a = dfs_alloc(1);
        AUTO(dfs_free_ptr) void *b = a ? dfs_alloc(1) : NULL;
        runs++;
        failures += !b;
    });
    assert_int_equal(runs, 3);
    assert_int_equal(failures, 2);
}

static void a_temporary_folder_goes_away(void **state)
{
    (void)state;
    AUTO(test_tmpdir_free) char *dir = test_tmpdir();
    char path[4200];
    (void)snprintf(path, sizeof(path), "%s/f", dir);
    FILE *f = fopen(path, "w");
    assert_non_null(f);
    fclose(f);
    test_tmpdir_free(&dir);
    assert_null(dir);
    assert_null(fopen(path, "r"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_build_knows_its_version),
        cmocka_unit_test(every_alloc_fails_reaches_the_clean_run),
        cmocka_unit_test(a_temporary_folder_goes_away),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
