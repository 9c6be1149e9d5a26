/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/lib/test.h"

#include "s3gw/supervisor/rootkeys.h"

struct folder {
    char *tmp;
    struct s3_datadir *d;
};

static int open_folder(void **state)
{
    static struct folder f;
    pid_t holder;
    unsetenv("S3GW_ROOT_ACCESS_KEY");
    unsetenv("S3GW_ROOT_SECRET_KEY");
    f.tmp = test_tmpdir();
    *state = &f;
    return s3_datadir_open(f.tmp, &f.d, &holder);
}

static int close_folder(void **state)
{
    struct folder *f = *state;
    s3_datadir_close(&f->d);
    test_tmpdir_free(&f->tmp);
    return 0;
}

static void the_first_start_makes_keys_and_the_next_finds_them(void **state)
{
    struct folder *f = *state;
    struct s3_root_keys first, next;
    char why[256];
    assert_int_equal(s3_root_keys_load(f->d, &first, why, sizeof(why)), 0);
    assert_int_equal(first.origin, S3_KEYS_GENERATED);
    assert_int_equal(s3_root_keys_load(f->d, &next, why, sizeof(why)), 0);
    assert_int_equal(next.origin, S3_KEYS_FROM_FILE);
    assert_string_equal(first.access_key, next.access_key);
    assert_string_equal(first.secret_key, next.secret_key);
}

static void the_environment_wins(void **state)
{
    struct folder *f = *state;
    struct s3_root_keys k;
    char why[256];
    setenv("S3GW_ROOT_ACCESS_KEY", "admin", 1);
    setenv("S3GW_ROOT_SECRET_KEY", "long-enough-secret", 1);
    assert_int_equal(s3_root_keys_load(f->d, &k, why, sizeof(why)), 0);
    assert_int_equal(k.origin, S3_KEYS_FROM_ENVIRONMENT);
    assert_string_equal(k.access_key, "admin");
    assert_string_equal(k.secret_key, "long-enough-secret");
}

static void unfit_environments_are_refused_with_a_reason(void **state)
{
    struct folder *f = *state;
    static const char *const pairs[][2] = {
        {"admin", ""},
        {"", "long-enough-secret"},
        {"ab", "long-enough-secret"},
        {"admin", "short"},
        {"ad min", "long-enough-secret"},
        {"ad/min", "long-enough-secret"},
        {"admin", "blank inside it"},
    };
    for (size_t i = 0; i < ARRAY_LEN(pairs); i++) {
        struct s3_root_keys k;
        char why[256] = "";
        setenv("S3GW_ROOT_ACCESS_KEY", pairs[i][0], 1);
        setenv("S3GW_ROOT_SECRET_KEY", pairs[i][1], 1);
        assert_int_equal(s3_root_keys_load(f->d, &k, why, sizeof(why)), -EINVAL);
        assert_non_null(strstr(why, "S3GW_ROOT_"));
    }
}

static void a_damaged_file_is_not_replaced_by_new_keys(void **state)
{
    struct folder *f = *state;
    struct s3_root_keys k;
    char why[256] = "";
    assert_int_equal(s3_datadir_write(f->d, "root-credentials", 0600, STR("access_key = abc\n")),
                     0);
    assert_int_equal(s3_root_keys_load(f->d, &k, why, sizeof(why)), -EBADMSG);
    assert_non_null(strstr(why, "root-credentials"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(the_first_start_makes_keys_and_the_next_finds_them,
                                        open_folder, close_folder),
        cmocka_unit_test_setup_teardown(the_environment_wins, open_folder, close_folder),
        cmocka_unit_test_setup_teardown(unfit_environments_are_refused_with_a_reason, open_folder,
                                        close_folder),
        cmocka_unit_test_setup_teardown(a_damaged_file_is_not_replaced_by_new_keys, open_folder,
                                        close_folder),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
