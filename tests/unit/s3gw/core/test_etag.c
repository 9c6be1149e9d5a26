/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "s3gw/core/etag.h"

#define MD5_EMPTY "d41d8cd98f00b204e9800998ecf8427e"

static const struct {
    struct str text;
    int result;
    uint32_t parts;
} rows[] = {
    {STR_INIT(MD5_EMPTY), 0, 0},
    {STR_INIT("\"" MD5_EMPTY "\""), 0, 0},
    {STR_INIT("\"" MD5_EMPTY "-10000\""), 0, 10000},
    {STR_INIT(MD5_EMPTY "-1"), 0, 1},
    {STR_INIT("D41D8CD98F00B204E9800998ECF8427E"), 0, 0},
    {STR_INIT(""), -EINVAL, 0},
    {STR_INIT("\""), -EINVAL, 0},
    {STR_INIT("\"\""), -EINVAL, 0},
    {STR_INIT("\"" MD5_EMPTY), -EINVAL, 0},
    {STR_INIT(MD5_EMPTY "0"), -EINVAL, 0},
    {STR_INIT(MD5_EMPTY "-"), -EINVAL, 0},
    {STR_INIT(MD5_EMPTY "-0"), -EINVAL, 0},
    {STR_INIT(MD5_EMPTY "-01"), -EINVAL, 0},
    {STR_INIT(MD5_EMPTY "-4294967296"), -EINVAL, 0},
    {STR_INIT(MD5_EMPTY "-1-1"), -EINVAL, 0},
    {STR_INIT("*"), -EINVAL, 0},
    {STR_INIT("g41d8cd98f00b204e9800998ecf8427e"), -EINVAL, 0},
};

static void quotes_and_part_counts_are_read(void **state)
{
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct s3_etag e = {.parts = 77};
        assert_int_equal(s3_etag_parse(rows[i].text, &e), rows[i].result);
        assert_int_equal(e.parts, rows[i].result ? 77 : rows[i].parts);
    }
}

static void text_comes_back_quoted(void **state)
{
    (void)state;
    struct s3_etag e, again;
    char out[S3_ETAG_TEXT_MAX];
    assert_int_equal(s3_etag_parse(STR(MD5_EMPTY "-4294967295"), &e), 0);
    assert_int_equal(s3_etag_format(&e, out), S3_ETAG_TEXT_MAX - 1);
    assert_string_equal(out, "\"" MD5_EMPTY "-4294967295\"");
    assert_int_equal(s3_etag_parse(str_c(out), &again), 0);
    assert_true(s3_etag_eq(&e, &again));
    again.parts = 0;
    assert_false(s3_etag_eq(&e, &again));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(quotes_and_part_counts_are_read),
        cmocka_unit_test(text_comes_back_quoted),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
