/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "s3gw/core/req.h"

#define assert_str(s, lit) assert_true(str_eq((s), STR(lit)))

static struct s3_req q;

static int fresh(void **state)
{
    (void)state;
    s3_req_init(&q);
    return 0;
}

static int done(void **state)
{
    (void)state;
    s3_req_fini(&q);
    return 0;
}

static void request_ids_are_16_hex_digits_and_differ(void **state)
{
    (void)state;
    static struct s3_req other;
    s3_req_init(&other);
    assert_int_equal(strlen(q.request_id), 16);
    assert_int_equal(strspn(q.request_id, "0123456789ABCDEF"), 16);
    assert_string_not_equal(q.request_id, other.request_id);
    s3_req_fini(&other);
    s3_req_fini(&other);
}

static void headers_are_found_without_case_and_absent_is_not_empty(void **state)
{
    (void)state;
    struct s3_pair h[] = {{STR("Content-Type"), STR("a/b")},
                          {STR("X-Amz-Acl"), STR("")},
                          {STR("x-amz-acl"), STR("2nd")}};
    q.headers = h;
    q.nheaders = ARRAY_LEN(h);
    assert_str(s3_req_header(&q, STR("content-type")), "a/b");
    struct str v = s3_req_header(&q, STR("x-amz-acl"));
    assert_non_null(v.p);
    assert_int_equal(v.n, 0);
    assert_null(s3_req_header(&q, STR("x-amz-ac")).p);
}

static void params_keep_case_and_presence_without_a_value(void **state)
{
    (void)state;
    struct s3_pair p[] = {{STR("acl"), STR_NULL}, {STR("versionId"), STR("x")}};
    q.params = p;
    q.nparams = ARRAY_LEN(p);
    assert_true(s3_req_has_param(&q, STR("acl")));
    assert_non_null(s3_req_param(&q, STR("acl")).p);
    assert_false(s3_req_has_param(&q, STR("ACL")));
    assert_null(s3_req_param(&q, STR("versionid")).p);
}

static void options_come_from_the_query_only_when_presigned(void **state)
{
    (void)state;
    struct s3_pair p[] = {{STR("X-Amz-Acl"), STR("private")}};
    q.params = p;
    q.nparams = 1;
    q.who.how = S3_AUTH_V4_HEADER;
    assert_null(s3_req_option(&q, STR("x-amz-acl")).p);
    q.who.how = S3_AUTH_V4_QUERY;
    assert_str(s3_req_option(&q, STR("x-amz-acl")), "private");
    struct s3_pair h[] = {{STR("x-amz-acl"), STR("public-read")}};
    q.headers = h;
    q.nheaders = 1;
    assert_str(s3_req_option(&q, STR("x-amz-acl")), "public-read");
}

static void answer_headers_cannot_be_split_and_have_no_small_limit(void **state)
{
    (void)state;
    s3_resp_header(&q, "Content-Type", str_of("a\r\nSet-Cookie: x\0y", 18));
    assert_str(q.resp.headers[0].value, "a  Set-Cookie: x y");
    s3_resp_header(&q, "ETag", STR_NULL);
    assert_int_equal(q.resp.nheaders, 1);
    for (int i = 0; i < 500; i++)
        s3_resp_headerf(&q, "x", "%d", i);
    assert_int_equal(q.resp.nheaders, 501);
    assert_str(q.resp.headers[500].value, "499");
    assert_false(q.resp.no_memory);
}

static void long_formatted_headers_are_whole(void **state)
{
    (void)state;
    char big[2000];
    memset(big, 'x', sizeof(big));
    s3_resp_headerf(&q, "x", "<%.*s>", (int)sizeof(big), big);
    assert_int_equal(q.resp.headers[0].value.n, sizeof(big) + 2);
    assert_int_equal(q.resp.headers[0].value.p[sizeof(big) + 1], '>');
}

static void a_lost_header_is_noticed(void **state)
{
    (void)state;
    q.arena.max = 64;
    char big[100] = {0};
    s3_resp_header(&q, "ETag", str_of(big, sizeof(big)));
    assert_true(q.resp.no_memory);
}

static void extras_replace_by_name_and_overflow_quietly(void **state)
{
    (void)state;
    assert_int_equal(s3_err(&q, S3ERR_NO_SUCH_KEY, "Key", STR("a")), S3ERR_NO_SUCH_KEY);
    s3_err(&q, S3ERR_NO_SUCH_KEY, "Key", STR("b"));
    assert_int_equal(q.resp.nextras, 1);
    assert_str(q.resp.extras[0].value, "b");
    static const char *const names[] = {"1", "2", "3",  "4",  "5",  "6", "7",
                                        "8", "9", "10", "11", "12", "13"};
    for (size_t i = 0; i < ARRAY_LEN(names); i++)
        s3_err(&q, S3ERR_NO_SUCH_KEY, names[i], STR("v"));
    assert_int_equal(q.resp.nextras, S3_EXTRAS_MAX);
}

static void reset_forgets_the_answer_but_not_that_the_connection_must_close(void **state)
{
    (void)state;
    s3_resp_header(&q, "ETag", STR("x"));
    s3_err_arg(&q, "no", "n", STR("v"));
    buf_adds(&q.resp.body, STR("body"));
    q.resp.status = 200;
    q.resp.close = true;
    s3_resp_reset(&q);
    assert_int_equal(q.resp.nheaders + q.resp.nextras + q.resp.body.n, 0);
    assert_int_equal(q.resp.status, 0);
    assert_null(q.resp.message.p);
    assert_true(q.resp.close);
}

static void errno_crosses_the_bridge_in_one_place(void **state)
{
    (void)state;
    assert_int_equal(s3err_from_errno(0, S3_THING_KEY), S3ERR_OK);
    assert_int_equal(s3err_from_errno(-ENOENT, S3_THING_KEY), S3ERR_NO_SUCH_KEY);
    assert_int_equal(s3err_from_errno(-ENOENT, S3_THING_BUCKET), S3ERR_NO_SUCH_BUCKET);
    assert_int_equal(s3err_from_errno(-ENOENT, S3_THING_UPLOAD), S3ERR_NO_SUCH_UPLOAD);
    assert_int_equal(s3err_from_errno(-ENOENT, S3_THING_VERSION), S3ERR_NO_SUCH_VERSION);
    assert_int_equal(s3err_from_errno(-ENOENT, S3_THING_OTHER), S3ERR_INTERNAL_ERROR);
    assert_int_equal(s3err_from_errno(-ENOSPC, S3_THING_KEY), S3ERR_INSUFFICIENT_STORAGE);
    assert_int_equal(s3err_from_errno(-EAGAIN, S3_THING_KEY), S3ERR_SLOW_DOWN);
    assert_int_equal(s3err_from_errno(-EFBIG, S3_THING_KEY), S3ERR_ENTITY_TOO_LARGE);
    assert_int_equal(s3err_from_errno(-EIO, S3_THING_KEY), S3ERR_INTERNAL_ERROR);
}

static void every_error_has_a_code_of_its_own(void **state)
{
    (void)state;
    for (int a = S3ERR_OK + 1; a < S3ERR_COUNT_; a++) {
        const struct s3err_info *x = s3err_info((enum s3err)a);
        assert_true(x->status >= 300 && x->status < 600);
        for (int b = a + 1; b < S3ERR_COUNT_; b++)
            assert_string_not_equal(x->code, s3err_info((enum s3err)b)->code);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(request_ids_are_16_hex_digits_and_differ, fresh, done),
        cmocka_unit_test_setup_teardown(headers_are_found_without_case_and_absent_is_not_empty,
                                        fresh, done),
        cmocka_unit_test_setup_teardown(params_keep_case_and_presence_without_a_value, fresh, done),
        cmocka_unit_test_setup_teardown(options_come_from_the_query_only_when_presigned, fresh,
                                        done),
        cmocka_unit_test_setup_teardown(answer_headers_cannot_be_split_and_have_no_small_limit,
                                        fresh, done),
        cmocka_unit_test_setup_teardown(long_formatted_headers_are_whole, fresh, done),
        cmocka_unit_test_setup_teardown(a_lost_header_is_noticed, fresh, done),
        cmocka_unit_test_setup_teardown(extras_replace_by_name_and_overflow_quietly, fresh, done),
        cmocka_unit_test_setup_teardown(
            reset_forgets_the_answer_but_not_that_the_connection_must_close, fresh, done),
        cmocka_unit_test(errno_crosses_the_bridge_in_one_place),
        cmocka_unit_test(every_error_has_a_code_of_its_own),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
