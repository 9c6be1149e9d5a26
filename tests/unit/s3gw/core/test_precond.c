/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "s3gw/core/precond.h"

#define TAG    "\"d41d8cd98f00b204e9800998ecf8427e\""
#define BARE   "d41d8cd98f00b204e9800998ecf8427e"
#define OTHER  "\"11111111111111111111111111111111\""
#define BEFORE "Thu, 01 Jan 2026 00:00:00 GMT"
#define AT     "Thu, 01 Jan 2026 10:00:00 GMT"
#define AFTER  "Thu, 01 Jan 2026 20:00:00 GMT"
#define FUTURE "Thu, 01 Jan 2099 20:00:00 GMT"

static const int64_t mtime_ms = 1767261600999; /* AT, and almost a second */
static const int64_t now_ms = 1767398400000;   /* a day and a half later */

enum { IM, IUS, INM, IMS, NCOND };
static const char *const plain[NCOND] = {"if-match", "if-unmodified-since", "if-none-match",
                                         "if-modified-since"};
static const char *const copy[NCOND] = {
    "x-amz-copy-source-if-match", "x-amz-copy-source-if-unmodified-since",
    "x-amz-copy-source-if-none-match", "x-amz-copy-source-if-modified-since"};

static struct s3_req q;
static struct s3_pair headers[NCOND];

static void ask(const char *const names[NCOND], const char *const values[NCOND])
{
    s3_req_fini(&q);
    s3_req_init(&q);
    q.now_ms = now_ms;
    q.headers = headers;
    for (size_t i = 0; i < NCOND; i++)
        if (values[i])
            headers[q.nheaders++] = (struct s3_pair){str_c(names[i]), str_c(values[i])};
}

static const struct {
    const char *values[NCOND];
    enum s3err want;
    const char *condition;
} rows[] = {
    {{NULL, NULL, NULL, NULL}, S3ERR_OK, NULL},
    {{TAG, NULL, NULL, NULL}, S3ERR_OK, NULL},
    {{BARE, NULL, NULL, NULL}, S3ERR_OK, NULL},
    {{"*", NULL, NULL, NULL}, S3ERR_OK, NULL},
    {{OTHER ", " TAG, NULL, NULL, NULL}, S3ERR_OK, NULL},
    {{OTHER "," BARE, NULL, NULL, NULL}, S3ERR_OK, NULL},
    {{OTHER, NULL, NULL, NULL}, S3ERR_PRECONDITION_FAILED, "If-Match"},
    {{"W/" TAG, NULL, NULL, NULL}, S3ERR_PRECONDITION_FAILED, "If-Match"},
    {{"", NULL, NULL, NULL}, S3ERR_PRECONDITION_FAILED, "If-Match"},
    {{"\"", NULL, NULL, NULL}, S3ERR_PRECONDITION_FAILED, "If-Match"},
    {{",,, ,", NULL, NULL, NULL}, S3ERR_PRECONDITION_FAILED, "If-Match"},
    {{NULL, AT, NULL, NULL}, S3ERR_OK, NULL},
    {{NULL, AFTER, NULL, NULL}, S3ERR_OK, NULL},
    {{NULL, BEFORE, NULL, NULL}, S3ERR_PRECONDITION_FAILED, "If-Unmodified-Since"},
    {{NULL, "yesterday", NULL, NULL}, S3ERR_OK, NULL},
    {{TAG, BEFORE, NULL, NULL}, S3ERR_OK, NULL}, /* a true If-Match: the date does not count */
    {{OTHER, AFTER, NULL, NULL}, S3ERR_PRECONDITION_FAILED, "If-Match"},
    {{NULL, NULL, TAG, NULL}, S3ERR_NOT_MODIFIED, "If-None-Match"},
    {{NULL, NULL, "W/" TAG, NULL}, S3ERR_NOT_MODIFIED, "If-None-Match"},
    {{NULL, NULL, "*", NULL}, S3ERR_NOT_MODIFIED, "If-None-Match"},
    {{NULL, NULL, OTHER, NULL}, S3ERR_OK, NULL},
    {{NULL, NULL, OTHER, AFTER},
     S3ERR_OK,
     NULL}, /* If-None-Match is there: the date does not count */
    {{NULL, NULL, TAG, BEFORE}, S3ERR_NOT_MODIFIED, "If-None-Match"},
    {{NULL, NULL, NULL, AT}, S3ERR_NOT_MODIFIED, "If-Modified-Since"},
    {{NULL, NULL, NULL, AFTER}, S3ERR_NOT_MODIFIED, "If-Modified-Since"},
    {{NULL, NULL, NULL, BEFORE}, S3ERR_OK, NULL},
    {{NULL, NULL, NULL, FUTURE}, S3ERR_OK, NULL},
    {{OTHER, NULL, TAG, NULL}, S3ERR_PRECONDITION_FAILED, "If-Match"},
    {{TAG, NULL, TAG, NULL}, S3ERR_NOT_MODIFIED, "If-None-Match"},
};

static struct s3_etag tag(void)
{
    struct s3_etag e;
    assert_int_equal(s3_etag_parse(STR(TAG), &e), 0);
    return e;
}

static void reads_are_judged_in_the_order_of_rfc_9110(void **state)
{
    (void)state;
    struct s3_etag e = tag();
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        ask(plain, rows[i].values);
        enum s3err got = s3_precond_read(&q, &e, mtime_ms);
        if (got != rows[i].want)
            fail_msg("row %zu: %d", i, got);
        if (got == S3ERR_PRECONDITION_FAILED)
            assert_true(str_eq(q.resp.extras[0].value, str_c(rows[i].condition)));
    }
    s3_req_fini(&q);
}

static void copy_sources_fail_with_412_only(void **state)
{
    (void)state;
    struct s3_etag e = tag();
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        ask(copy, rows[i].values);
        assert_int_equal(s3_precond_copy_source(&q, &e, mtime_ms),
                         rows[i].want ? S3ERR_PRECONDITION_FAILED : S3ERR_OK);
        q.params = q.headers; /* presigned: moved into the query */
        q.nparams = q.nheaders;
        q.nheaders = 0;
        q.who.how = S3_AUTH_V4_QUERY;
        q.resp.nextras = 0;
        assert_int_equal(s3_precond_copy_source(&q, &e, mtime_ms),
                         rows[i].want ? S3ERR_PRECONDITION_FAILED : S3ERR_OK);
        ask(plain, rows[i].values);
        assert_int_equal(s3_precond_copy_source(&q, &e, mtime_ms), S3ERR_OK);
    }
    s3_req_fini(&q);
}

static void if_range_wants_a_strong_match(void **state)
{
    (void)state;
    static const struct {
        struct str value;
        bool want;
    } r[] = {{STR_INIT(TAG), true},     {STR_INIT(OTHER), false}, {STR_INIT("W/" TAG), false},
             {STR_INIT(AT), true},      {STR_INIT(AFTER), false}, {STR_INIT(BEFORE), false},
             {STR_INIT("junk"), false}, {STR_INIT("*"), false}};
    struct s3_etag e = tag();
    s3_req_init(&q);
    assert_true(s3_precond_if_range(&q, &e, mtime_ms));
    q.headers = headers;
    q.nheaders = 1;
    for (size_t i = 0; i < ARRAY_LEN(r); i++) {
        headers[0] = (struct s3_pair){STR("If-Range"), r[i].value};
        assert_int_equal(s3_precond_if_range(&q, &e, mtime_ms), r[i].want);
    }
    s3_req_fini(&q);
}

static const struct {
    const char *values[NCOND];
    enum s3err want;
    bool none_any, has_match, match_any;
    size_t n;
} writes[] = {
    {{NULL, NULL, NULL, NULL}, S3ERR_OK, false, false, false, 0},
    {{NULL, NULL, "*", NULL}, S3ERR_OK, true, false, false, 0},
    {{TAG, NULL, NULL, NULL}, S3ERR_OK, false, true, false, 1},
    {{BARE, NULL, NULL, NULL}, S3ERR_OK, false, true, false, 1},
    {{"*", NULL, NULL, NULL}, S3ERR_OK, false, true, true, 0},
    {{TAG "," OTHER, NULL, NULL, NULL}, S3ERR_OK, false, true, false, 2},
    {{"nonsense", NULL, NULL, NULL}, S3ERR_OK, false, true, false, 1},
    {{"W/" TAG, NULL, NULL, NULL}, S3ERR_OK, false, true, false, 1},
    {{NULL, NULL, TAG, NULL}, S3ERR_NOT_IMPLEMENTED, false, false, false, 0},
    {{TAG, NULL, "*", NULL}, S3ERR_NOT_IMPLEMENTED, false, false, false, 0},
    {{NULL, AT, NULL, NULL}, S3ERR_NOT_IMPLEMENTED, false, false, false, 0},
    {{NULL, NULL, NULL, AT}, S3ERR_NOT_IMPLEMENTED, false, false, false, 0},
};

static void writes_take_what_aws_offers(void **state)
{
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(writes); i++) {
        struct s3_precond_write w;
        ask(plain, writes[i].values);
        assert_int_equal(s3_precond_write(&q, &w), writes[i].want);
        if (writes[i].want)
            continue;
        assert_int_equal(w.if_none_match_any, writes[i].none_any);
        assert_int_equal(w.has_if_match, writes[i].has_match);
        assert_int_equal(w.if_match_any, writes[i].match_any);
        assert_int_equal(w.if_match_n, writes[i].n);
    }
    s3_req_fini(&q);
}

static void an_etag_that_is_none_of_ours_matches_nothing(void **state)
{
    (void)state;
    struct s3_precond_write w;
    static const char *const values[NCOND] = {"nonsense", NULL, NULL, NULL};
    ask(plain, values);
    assert_int_equal(s3_precond_write(&q, &w), S3ERR_OK);
    struct s3_etag zero = {.parts = 0};
    assert_false(s3_etag_eq(&w.if_match[0], &zero));
    s3_req_fini(&q);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(reads_are_judged_in_the_order_of_rfc_9110),
        cmocka_unit_test(copy_sources_fail_with_412_only),
        cmocka_unit_test(if_range_wants_a_strong_match),
        cmocka_unit_test(writes_take_what_aws_offers),
        cmocka_unit_test(an_etag_that_is_none_of_ours_matches_nothing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
