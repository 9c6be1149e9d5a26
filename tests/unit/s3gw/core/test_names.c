/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "s3gw/core/names.h"

#define A21 "aaaaaaaaaaaaaaaaaaaaa"

static const struct {
    struct str name;
    bool ok;
} buckets[] = {
    {STR_INIT("abc"), true},
    {STR_INIT("a-b.c1"), true},
    {STR_INIT("123"), true},
    {STR_INIT(A21 A21 A21), true},
    {STR_INIT(A21 A21 A21 "a"), false},
    {STR_INIT("ab"), false},
    {STR_INIT(""), false},
    {STR_INIT("aBc"), false},
    {STR_INIT("a_c"), false},
    {STR_INIT("-ab"), false},
    {STR_INIT("ab-"), false},
    {STR_INIT(".ab"), false},
    {STR_INIT("ab."), false},
    {STR_INIT("a..b"), false},
    {STR_INIT("a.-b"), false},
    {STR_INIT("a-.b"), false},
    {STR_INIT("a--b"), true},
    {STR_INIT("192.168.5.4"), false},
    {STR_INIT("1.2.3.4.5"), true},
    {STR_INIT("1.2.3"), true},
    {STR_INIT("999.1.1.1"), false},
    {STR_INIT("1.2.3.a"), true},
    {STR_INIT("xn--abc"), false},
    {STR_INIT("sthree-a"), false},
    {STR_INIT("amzn-s3-demo-x"), false},
    {STR_INIT("abc-s3alias"), false},
    {STR_INIT("abc--ol-s3"), false},
    {STR_INIT("abc.mrap"), false},
    {STR_INIT("abc--x-s3"), false},
    {STR_INIT("abc--table-s3"), false},
    {STR_INIT("a b"), false},
    {STR_INIT("a/b"), false},
    {STR_INIT("caf\xc3\xa9"), false},
    {STR_INIT("my-plan-an"), true},
};

static void bucket_names_follow_the_rules(void **state)
{
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(buckets); i++)
        if (s3_name_bucket_ok(buckets[i].name) != buckets[i].ok)
            fail_msg("%s", buckets[i].name.p);
}

static void keys_are_any_utf8_without_nul(void **state)
{
    (void)state;
    static char long_key[S3_KEY_MAX + 1];
    memset(long_key, 'k', sizeof(long_key));
    assert_true(s3_name_key_ok(STR("..")));
    assert_true(s3_name_key_ok(STR("/")));
    assert_true(s3_name_key_ok(STR("\x01 \\\xF0\x9F\x98\x80")));
    assert_true(s3_name_key_ok(str_of(long_key, S3_KEY_MAX)));
    assert_false(s3_name_key_ok(str_of(long_key, S3_KEY_MAX + 1)));
    assert_false(s3_name_key_ok(STR("")));
    assert_false(s3_name_key_ok(str_of("a\0b", 3)));
    assert_false(s3_name_key_ok(STR("\xED\xA0\x80"))); /* a surrogate */
    assert_false(s3_name_key_ok(STR("\xC0\x80")));     /* overlong NUL */
}

static void users_are_named_in_visible_characters(void **state)
{
    (void)state;
    static char long_id[S3_USER_ID_MAX + 1];
    memset(long_id, 'u', sizeof(long_id));
    assert_true(s3_name_user_ok(str_of(long_id, S3_USER_ID_MAX)));
    assert_false(s3_name_user_ok(str_of(long_id, S3_USER_ID_MAX + 1)));
    assert_true(s3_name_user_ok(STR("service:logging.s3.amazonaws.com")));
    assert_true(s3_name_user_ok(STR("caf\xc3\xa9 1")));
    assert_false(s3_name_user_ok(STR("")));
    assert_false(s3_name_user_ok(STR("a\tb")));
    assert_false(s3_name_user_ok(STR("a\x7f")));
}

static void new_users_have_no_blanks_either(void **state)
{
    (void)state;
    static const struct str fit[] = {STR_INIT("a"), STR_INIT("caf\xc3\xa9"),
                                     STR_INIT("a\xc2\xa1"), /* the first one after U+00A0 */
                                     STR_INIT("service:logging.s3.amazonaws.com")};
    static const struct str unfit[] = {
        STR_INIT(""),     STR_INIT(" "),     STR_INIT("a b"),       STR_INIT("a "),
        STR_INIT("a\tb"), STR_INIT("a\x7f"), STR_INIT("a\xc2\x85"), STR_INIT("\xc2\xa0z")};
    for (size_t i = 0; i < ARRAY_LEN(fit); i++)
        assert_true(s3_name_new_user_ok(fit[i]));
    for (size_t i = 0; i < ARRAY_LEN(unfit); i++)
        assert_false(s3_name_new_user_ok(unfit[i]));
}

static void headers_are_named_in_tokens_and_say_one_line(void **state)
{
    (void)state;
    static const struct {
        struct str text;
        bool name, value;
    } rows[] = {
        {STR_INIT("x-amz-meta-A_b.c~1"), true, true},
        {STR_INIT(""), false, true},
        {STR_INIT("a b"), false, true},
        {STR_INIT("a:b"), false, true},
        {STR_INIT("a\tb"), false, true},
        {STR_INIT("caf\xc3\xa9"), false, true},
        {STR_INIT("a\r\nb: c"), false, false},
        {STR_INIT("a\nb"), false, false},
        {STR_INIT("a\0b"), false, false},
        {STR_INIT("a\x7f"), false, false},
    };
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        assert_int_equal(s3_name_header_ok(rows[i].text), rows[i].name);
        assert_int_equal(s3_name_header_value_ok(rows[i].text), rows[i].value);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(bucket_names_follow_the_rules),
        cmocka_unit_test(keys_are_any_utf8_without_nul),
        cmocka_unit_test(users_are_named_in_visible_characters),
        cmocka_unit_test(new_users_have_no_blanks_either),
        cmocka_unit_test(headers_are_named_in_tokens_and_say_one_line),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
