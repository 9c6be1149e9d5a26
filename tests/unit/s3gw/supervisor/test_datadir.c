/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/lib/test.h"

#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#include "s3gw/supervisor/datadir.h"

static void a_folder_is_made_private(void **state)
{
    (void)state;
    AUTO(test_tmpdir_free) char *tmp = test_tmpdir();
    char path[4200];
    (void)snprintf(path, sizeof(path), "%s/data", tmp);
    AUTO(s3_datadir_close) struct s3_datadir *d = NULL;
    pid_t holder;
    assert_int_equal(s3_datadir_open(path, &d, &holder), 0);
    struct stat st;
    assert_int_equal(stat(path, &st), 0);
    assert_int_equal(st.st_mode & 0777, 0700);
    assert_string_equal(s3_datadir_path(d), path);
    assert_int_equal(s3_datadir_mkdir(d, "conf"), 0);
    assert_int_equal(s3_datadir_mkdir(d, "conf"), 0);
}

static void a_second_owner_is_told_who_the_first_is(void **state)
{
    (void)state;
    AUTO(test_tmpdir_free) char *tmp = test_tmpdir();
    AUTO(s3_datadir_close) struct s3_datadir *first = NULL;
    AUTO(s3_datadir_close) struct s3_datadir *second = NULL;
    pid_t holder;
    assert_int_equal(s3_datadir_open(tmp, &first, &holder), 0);
    assert_int_equal(s3_datadir_open(tmp, &second, &holder), -EBUSY);
    assert_int_equal(holder, getpid());
    assert_null(second);
    s3_datadir_close(&first);
    assert_int_equal(s3_datadir_open(tmp, &second, &holder), 0);
}

static void a_file_is_replaced_whole_and_keeps_its_mode(void **state)
{
    (void)state;
    AUTO(test_tmpdir_free) char *tmp = test_tmpdir();
    AUTO(s3_datadir_close) struct s3_datadir *d = NULL;
    pid_t holder;
    assert_int_equal(s3_datadir_open(tmp, &d, &holder), 0);
    AUTO(buf_free) struct buf b = BUF(64);
    assert_int_equal(s3_datadir_read(d, "f", &b), -ENOENT);
    assert_int_equal(s3_datadir_write(d, "f", 0600, STR("a long first content")), 0);
    assert_int_equal(s3_datadir_write(d, "f", 0600, STR("short")), 0);
    assert_int_equal(s3_datadir_read(d, "f", &b), 0);
    assert_true(str_eq(buf_str(&b), STR("short")));
    char path[4200];
    struct stat st;
    (void)snprintf(path, sizeof(path), "%s/f", tmp);
    assert_int_equal(stat(path, &st), 0);
    assert_int_equal(st.st_mode & 0777, 0600);
    assert_int_equal(s3_datadir_mkdir(d, "conf"), 0);
    assert_int_equal(s3_datadir_write(d, "conf/x", 0600, STR("y")), 0);
}

static void a_file_beyond_the_ceiling_is_an_error(void **state)
{
    (void)state;
    AUTO(test_tmpdir_free) char *tmp = test_tmpdir();
    AUTO(s3_datadir_close) struct s3_datadir *d = NULL;
    pid_t holder;
    assert_int_equal(s3_datadir_open(tmp, &d, &holder), 0);
    assert_int_equal(s3_datadir_write(d, "f", 0600, STR("0123456789")), 0);
    AUTO(buf_free) struct buf b = BUF(5);
    assert_int_equal(s3_datadir_read(d, "f", &b), -E2BIG);
}

static void key_values_are_found_by_line(void **state)
{
    (void)state;
    struct str text = STR("# access_key = no\naccess_key = A=B \nempty =\nlast=z");
    assert_true(str_eq(s3_keyval_get(text, STR("access_key")), STR("A=B")));
    assert_true(str_eq(s3_keyval_get(text, STR("last")), STR("z")));
    assert_non_null(s3_keyval_get(text, STR("empty")).p);
    assert_int_equal(s3_keyval_get(text, STR("empty")).n, 0);
    assert_null(s3_keyval_get(text, STR("missing")).p);
}

static void open_survives_every_failed_allocation(void **state)
{
    (void)state;
    AUTO(test_tmpdir_free) char *tmp = test_tmpdir();
    pid_t holder;
    TEST_EVERY_ALLOC_FAILS({
        AUTO(s3_datadir_close) struct s3_datadir *d = NULL;
        int r = s3_datadir_open(tmp, &d, &holder);
        assert_true(r == 0 ? d != NULL : r == -ENOMEM && !d);
    });
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_folder_is_made_private),
        cmocka_unit_test(a_second_owner_is_told_who_the_first_is),
        cmocka_unit_test(a_file_is_replaced_whole_and_keeps_its_mode),
        cmocka_unit_test(a_file_beyond_the_ceiling_is_an_error),
        cmocka_unit_test(key_values_are_found_by_line),
        cmocka_unit_test(open_survives_every_failed_allocation),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
