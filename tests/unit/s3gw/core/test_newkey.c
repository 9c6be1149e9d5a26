/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/lib/test.h"

#include "s3gw/core/newkey.h"

static void keys_have_the_shape_clients_accept(void **state)
{
    (void)state;
    char access[S3_NEW_ACCESS_KEY_LEN + 1], secret[S3_NEW_SECRET_KEY_LEN + 1];
    assert_int_equal(s3_new_key(access, secret), 0);
    assert_int_equal(strlen(access), 20);
    assert_int_equal(strlen(secret), 40);
    assert_true(s3_key_text_ok(str_c(access)) && s3_key_text_ok(str_c(secret)));
    assert_null(strchr(access, '/'));
}

static void two_keys_differ(void **state)
{
    (void)state;
    char a[S3_NEW_ACCESS_KEY_LEN + 1], b[S3_NEW_ACCESS_KEY_LEN + 1],
        secret[S3_NEW_SECRET_KEY_LEN + 1];
    assert_int_equal(s3_new_key(a, secret), 0);
    assert_int_equal(s3_new_key(b, secret), 0);
    assert_string_not_equal(a, b);
}

static void blanks_controls_and_bytes_beyond_ascii_are_refused(void **state)
{
    (void)state;
    assert_true(s3_key_text_ok(STR("abc+/=~!")));
    assert_false(s3_key_text_ok(STR("a b")));
    assert_false(s3_key_text_ok(STR("a\nb")));
    assert_false(s3_key_text_ok(STR("a\x7f")));
    assert_false(s3_key_text_ok(STR("\xc3\xa9")));
    assert_false(s3_key_text_ok(str_of("a\0b", 3)));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(keys_have_the_shape_clients_accept),
        cmocka_unit_test(two_keys_differ),
        cmocka_unit_test(blanks_controls_and_bytes_beyond_ascii_are_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
