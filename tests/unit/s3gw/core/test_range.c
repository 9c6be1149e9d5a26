/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "s3gw/core/range.h"

static const struct {
    struct str header;
    uint64_t size;
    int result;
    uint64_t first, last;
} rows[] = {
    {STR_INIT("bytes=0-9"), 100, 0, 0, 9},
    {STR_INIT("bytes=0-0"), 1, 0, 0, 0},
    {STR_INIT("bytes=5-"), 100, 0, 5, 99},
    {STR_INIT("bytes=0-"), 100, 0, 0, 99},
    {STR_INIT("bytes=-5"), 100, 0, 95, 99},
    {STR_INIT("bytes=-500"), 100, 0, 0, 99},
    {STR_INIT("bytes=90-1000"), 100, 0, 90, 99},
    {STR_INIT("Bytes=1-2"), 100, 0, 1, 2},
    {STR_INIT("bytes=0007-0008"), 100, 0, 7, 8},
    {STR_INIT("bytes=1-99999999999999999999999"), 100, 0, 1, 99},
    {STR_INIT("bytes=0-18446744073709551615"), UINT64_MAX, 0, 0, UINT64_MAX - 1},
    {STR_INIT("bytes=-99999999999999999999999"), 100, 0, 0, 99},
    {STR_INIT("bytes=100-"), 100, -ERANGE, 0, 0},
    {STR_INIT("bytes=100-200"), 100, -ERANGE, 0, 0},
    {STR_INIT("bytes=99999999999999999999999-"), 100, -ERANGE, 0, 0},
    {STR_INIT("bytes=-0"), 100, -ERANGE, 0, 0},
    {STR_INIT("bytes=0-"), 0, -ERANGE, 0, 0},
    {STR_INIT("bytes=-5"), 0, -EINVAL, 0, 0},
    {STR_INIT("bytes=9-5"), 100, -EINVAL, 0, 0},
    {STR_INIT("bytes=900-500"), 100, -EINVAL, 0, 0},
    {STR_INIT("bytes=0-1,5-6"), 100, -EINVAL, 0, 0},
    {STR_INIT("bytes=-"), 100, -EINVAL, 0, 0},
    {STR_INIT("bytes="), 100, -EINVAL, 0, 0},
    {STR_INIT("bytes"), 100, -EINVAL, 0, 0},
    {STR_INIT(""), 100, -EINVAL, 0, 0},
    {STR_INIT("bytes= 0-1"), 100, -EINVAL, 0, 0},
    {STR_INIT("bytes=0 -1"), 100, -EINVAL, 0, 0},
    {STR_INIT("bytes=0- 1"), 100, -EINVAL, 0, 0},
    {STR_INIT("bytes=+0-1"), 100, -EINVAL, 0, 0},
    {STR_INIT("bytes=--1"), 100, -EINVAL, 0, 0},
    {STR_INIT("bytes=a-b"), 100, -EINVAL, 0, 0},
    {STR_INIT("items=0-1"), 100, -EINVAL, 0, 0},
};

static void one_range_is_served_junk_is_ignored_outside_is_416(void **state)
{
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct s3_range r = {77, 77};
        int got = s3_range_parse(rows[i].header, rows[i].size, &r);
        if (got != rows[i].result)
            fail_msg("%s: %d", rows[i].header.p, got);
        if (got == 0) {
            assert_true(r.first == rows[i].first);
            assert_true(r.last == rows[i].last);
        } else {
            assert_true(r.first == 77);
        }
    }
}

static void copy_ranges_are_strict(void **state)
{
    (void)state;
    struct s3_range r;
    assert_int_equal(s3_range_parse_copy(STR("bytes=0-99"), 100, &r), 0);
    assert_true(r.first == 0 && r.last == 99);
    assert_int_equal(s3_range_parse_copy(STR("bytes=0-100"), 100, &r), -ERANGE);
    assert_int_equal(s3_range_parse_copy(STR("bytes=0-0"), 0, &r), -ERANGE);
    static const struct str bad[] = {STR_INIT("bytes=0-"),      STR_INIT("bytes=-5"),
                                     STR_INIT("bytes=5-4"),     STR_INIT("0-5"),
                                     STR_INIT("bytes=0-1,3-4"), STR_INIT("bytes=0-x")};
    for (size_t i = 0; i < ARRAY_LEN(bad); i++)
        assert_int_equal(s3_range_parse_copy(bad[i], 100, &r), -EINVAL);
}

static void content_range_has_both_forms(void **state)
{
    (void)state;
    char out[S3_CONTENT_RANGE_MAX];
    struct s3_range r = {UINT64_MAX - 2, UINT64_MAX - 1};
    assert_int_equal(s3_range_content(&r, UINT64_MAX, out), S3_CONTENT_RANGE_MAX - 1);
    assert_string_equal(out,
                        "bytes 18446744073709551613-18446744073709551614/18446744073709551615");
    s3_range_content(NULL, 0, out);
    assert_string_equal(out, "bytes */0");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(one_range_is_served_junk_is_ignored_outside_is_416),
        cmocka_unit_test(copy_ranges_are_strict),
        cmocka_unit_test(content_range_has_both_forms),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
