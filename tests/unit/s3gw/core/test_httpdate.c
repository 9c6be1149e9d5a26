/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "s3gw/core/httpdate.h"

enum { NOW = 1767322800 }; /* 2026-01-02 03:00 UTC */

static const struct {
    struct str text;
    int result;
    int64_t value;
} http[] = {
    {STR_INIT("Sun, 06 Nov 1994 08:49:37 GMT"), 0, 784111777},
    {STR_INIT("Sunday, 06-Nov-94 08:49:37 GMT"), 0, 784111777},
    {STR_INIT("Sun Nov  6 08:49:37 1994"), 0, 784111777},
    {STR_INIT("Sun Nov 16 08:49:37 1994"), 0, 784975777},
    {STR_INIT("Tue, 27 Mar 2007 19:36:42 +0000"), 0, 1175024202},
    {STR_INIT("Tue, 27 Mar 2007 21:36:42 +0200"), 0, 1175024202},
    {STR_INIT("Tue, 27 Mar 2007 19:36:42 UTC"), 0, 1175024202},
    {STR_INIT("Thu, 01 Jan 1970 00:00:00 GMT"), 0, 0},
    {STR_INIT("Wed, 31 Dec 1969 23:59:59 GMT"), 0, -1},
    {STR_INIT("Thu, 29 Feb 2024 12:00:00 GMT"), 0, 1709208000},
    {STR_INIT("sun, 6 nov 1994 08:49:37 gmt"), 0, 784111777},
    {STR_INIT("Wednesday, 09-Nov-94 08:49:37 GMT"), 0, 784370977},
    {STR_INIT("Friday, 01-Jan-60 00:00:00 GMT"), 0, 2840140800},
    {STR_INIT("Friday, 01-Jan-77 00:00:00 GMT"), 0, 220924800},
    {STR_INIT("Sun, 06 Nov 1994 08:49:37"), -EINVAL, 0},
    {STR_INIT("Sun, 06 Nov 1994 08:49:37 PST"), -EINVAL, 0},
    {STR_INIT("Sun, 06 Nov 1994 08:49:37 GMTx"), -EINVAL, 0},
    {STR_INIT("Sun, 29 Feb 2023 12:00:00 GMT"), -EINVAL, 0},
    {STR_INIT("Sun, 29 Feb 1900 12:00:00 GMT"), -EINVAL, 0},
    {STR_INIT("Sun, 31 Apr 2023 12:00:00 GMT"), -EINVAL, 0},
    {STR_INIT("Sun, 00 Apr 2023 12:00:00 GMT"), -EINVAL, 0},
    {STR_INIT("Sun, 06 Nov 1994 24:49:37 GMT"), -EINVAL, 0},
    {STR_INIT("Sun, 06 Nov 1994 08:60:37 GMT"), -EINVAL, 0},
    {STR_INIT("Sun, 06 Nov 1994 08:49:61 GMT"), -EINVAL, 0},
    {STR_INIT("Sun, 06 Now 1994 08:49:37 GMT"), -EINVAL, 0},
    {STR_INIT("Xun, 06 Nov 1994 08:49:37 GMT"), -EINVAL, 0},
    {STR_INIT("Sun"), -EINVAL, 0},
    {STR_INIT("Su"), -EINVAL, 0},
    {STR_INIT("Sun,"), -EINVAL, 0},
    {STR_INIT("Sunday, "), -EINVAL, 0},
    {STR_INIT("Sun "), -EINVAL, 0},
    {STR_INIT(""), -EINVAL, 0},
    {STR_INIT("784111777"), -EINVAL, 0},
    {STR_INIT("1994-11-06T08:49:37Z"), -EINVAL, 0},
};

static void the_three_forms_of_http_are_read(void **state)
{
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(http); i++) {
        int64_t t = 42;
        int r = s3_httpdate_parse(http[i].text, NOW, &t);
        if (r != http[i].result || t != (r ? 42 : http[i].value))
            fail_msg("%s: %d %lld", http[i].text.p, r, (long long)t);
    }
}

static const struct {
    struct str text;
    int result;
    int64_t value;
} iso[] = {
    {STR_INIT("2026-01-02T03:00:00.000Z"), 0, NOW * 1000LL},
    {STR_INIT("2026-01-02T03:00:00Z"), 0, NOW * 1000LL},
    {STR_INIT("2026-01-02T03:00:00.1Z"), 0, NOW * 1000LL + 100},
    {STR_INIT("2026-01-02T03:00:00.123456789Z"), 0, NOW * 1000LL + 123},
    {STR_INIT("2026-01-02T04:00:00+01:00"), 0, NOW * 1000LL},
    {STR_INIT("2026-01-01T21:00:00-0600"), 0, NOW * 1000LL},
    {STR_INIT("2026-01-02"), 0, NOW * 1000LL - 10800000},
    {STR_INIT("2026-01-02T03:00:00"), -EINVAL, 0},
    {STR_INIT("2026-01-02T03:00:00.Z"), -EINVAL, 0},
    {STR_INIT("2026-01-02T03:00:00.1234567890Z"), -EINVAL, 0},
    {STR_INIT("2026-13-02T03:00:00Z"), -EINVAL, 0},
    {STR_INIT("2026-01-02 03:00:00Z"), -EINVAL, 0},
    {STR_INIT("2026-01-02T03:00:00+25:00"), -EINVAL, 0},
    {STR_INIT("2026-01"), -EINVAL, 0},
    {STR_INIT(""), -EINVAL, 0},
};

static void iso_dates_are_read(void **state)
{
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(iso); i++) {
        int64_t t = 42;
        int r = s3_isodate_parse(iso[i].text, &t);
        if (r != iso[i].result || t != (r ? 42 : iso[i].value))
            fail_msg("%s: %d %lld", iso[i].text.p, r, (long long)t);
    }
}

static void signature_dates_are_strict(void **state)
{
    (void)state;
    int64_t t = 42;
    assert_int_equal(s3_amzdate_parse(STR("20260102T030000Z"), &t), 0);
    assert_true(t == NOW);
    static const struct str bad[] = {STR_INIT("20260102t030000Z"),  STR_INIT("20260102T030000"),
                                     STR_INIT("20260102"),          STR_INIT("20261302T030000Z"),
                                     STR_INIT("2026-01-02T03:0Z"),  STR_INIT(""),
                                     STR_INIT("20260102T030000ZZ"), STR_INIT("20260102T03000+Z")};
    for (size_t i = 0; i < ARRAY_LEN(bad); i++)
        assert_int_equal(s3_amzdate_parse(bad[i], &t), -EINVAL);
}

static void every_day_of_400_years_survives_the_round_trip(void **state)
{
    (void)state;
    char out[S3_HTTPDATE_MAX], amz[S3_AMZDATE_MAX], z[S3_ISODATE_MAX];
    for (int64_t d = -146097; d <= 146097; d += 1) {
        int64_t t = d * 86400 + (d * 7919 % 86400 + 86400) % 86400, back;
        assert_int_equal(s3_httpdate_format(t, out), S3_HTTPDATE_MAX - 1);
        assert_int_equal(s3_httpdate_parse(str_c(out), NOW, &back), 0);
        assert_true(back == t);
        assert_int_equal(s3_amzdate_format(t, amz), S3_AMZDATE_MAX - 1);
        assert_int_equal(s3_amzdate_parse(str_c(amz), &back), 0);
        assert_true(back == t);
        assert_int_equal(s3_isodate_format(t * 1000 + 7, z), S3_ISODATE_MAX - 1);
        assert_int_equal(s3_isodate_parse(str_c(z), &back), 0);
        assert_true(back == t * 1000 + 7);
    }
}

static void texts_are_exact_and_extremes_are_cut(void **state)
{
    (void)state;
    char out[S3_HTTPDATE_MAX], z[S3_ISODATE_MAX];
    s3_httpdate_format(784111777, out);
    assert_string_equal(out, "Sun, 06 Nov 1994 08:49:37 GMT");
    s3_httpdate_format(-1, out);
    assert_string_equal(out, "Wed, 31 Dec 1969 23:59:59 GMT");
    s3_isodate_format(-1, z);
    assert_string_equal(z, "1969-12-31T23:59:59.999Z");
    s3_httpdate_format(INT64_MAX, out);
    assert_string_equal(out, "Fri, 31 Dec 9999 23:59:59 GMT");
    s3_isodate_format(INT64_MIN, z);
    assert_int_equal(strlen(z), S3_ISODATE_MAX - 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_three_forms_of_http_are_read),
        cmocka_unit_test(iso_dates_are_read),
        cmocka_unit_test(signature_dates_are_strict),
        cmocka_unit_test(every_day_of_400_years_survives_the_round_trip),
        cmocka_unit_test(texts_are_exact_and_extremes_are_cut),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
