/* SPDX-License-Identifier: Apache-2.0 */
/* What FastDFS's metadata becomes as headers; the rest is in tests/integration/test_adoption.py. */
#include "s3gw/api/adopt.h"

#include "s3gw/api/object_headers.h"
#include "tests/lib/test.h"

#define E "\x01"
#define V "\x02"

static void metadata_becomes_headers_as_far_as_it_can(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        const char *names[3], *values[3]; /* without x-amz-meta- */
        uint64_t left_out;
    } rows[] = {
        {"", {NULL}, {NULL}, 0},
        {"author" V "me" E "width" V "7", {"author", "width"}, {"me", "7"}, 0},
        {"author" V "me" E, {"author"}, {"me"}, 0}, /* as clients end it */
        {"Author" V "M\xc3\xa9", {"author"}, {"M\xc3\xa9"}, 0},
        {"empty" V "", {"empty"}, {""}, 0},
        {"two words" V "x" E "a:b" V "x" E V "x", {NULL}, {NULL}, 3}, /* names of no header */
        {"line" V "a\nb" E "latin" V "\xe9" E "ok" V "1", {"ok"}, {"1"}, 2},
        {"A" V "1" E "a" V "2", {"a"}, {"1"}, 1},
        {"no value", {NULL}, {NULL}, 1},
    };
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        AUTO(arena_fini) struct arena a;
        arena_init(&a, 64 * 1024);
        struct s3_object o = {0};
        uint64_t left_out = 0;
        size_t n = 0;
        assert_int_equal(s3_adopt_headers(STR("txt"), str_c(rows[i].text), &a, &o, &left_out), 0);
        assert_true(str_eq(o.headers[0].value, STR("text/plain")));
        for (; n < ARRAY_LEN(rows[i].names) && rows[i].names[n]; n++) {
            assert_true(n + 1 < o.nheaders);
            assert_true(str_eq(str_from(o.headers[n + 1].name, sizeof("x-amz-meta-") - 1),
                               str_c(rows[i].names[n])));
            assert_true(str_eq(o.headers[n + 1].value, str_c(rows[i].values[n])));
        }
        assert_int_equal(o.nheaders, n + 1);
        assert_int_equal(left_out, rows[i].left_out);
    }
}

static void no_more_than_an_object_may_have(void **state)
{
    (void)state;
    AUTO(arena_fini) struct arena a;
    AUTO(buf_free) struct buf text = BUF(64 * 1024);
    arena_init(&a, 64 * 1024);
    struct s3_object o = {0};
    uint64_t left_out = 0;
    for (unsigned i = 0; i < 100; i++) /* 100 entries of 20 bytes: too many, though not too long */
        buf_addf(&text, "name%06u" V "0123456789" E, i);
    assert_int_equal(s3_adopt_headers(STR(""), buf_str(&text), &a, &o, &left_out), 0);
    assert_int_equal(o.nheaders, S3_ADOPT_HEADERS_MAX);
    assert_int_equal(left_out, 100 - (S3_ADOPT_HEADERS_MAX - 1));
    buf_reset(&text);
    for (unsigned i = 0; i < 10; i++)
        buf_addf(&text, "n%u" V "%0300u" E, i, i);
    left_out = 0;
    assert_int_equal(s3_adopt_headers(STR(""), buf_str(&text), &a, &o, &left_out), 0);
    assert_int_equal(o.nheaders, 1 + S3_USER_METADATA_MAX / 302);
    assert_int_equal(left_out, 10 - S3_USER_METADATA_MAX / 302);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(metadata_becomes_headers_as_far_as_it_can),
        cmocka_unit_test(no_more_than_an_object_may_have),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
