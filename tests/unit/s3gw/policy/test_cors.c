/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/lib/test.h"

#include "s3gw/policy/cors.h"
#include "s3gw/xml/reader.h"
#include "s3gw/xml/writer.h"

static enum s3err parse(struct s3_req *q, const char *rules, struct s3_cors *ret)
{
    struct s3_node *root;
    struct str text = arena_printf(&q->arena, "<CORSConfiguration>%s</CORSConfiguration>", rules);
    assert_int_equal(s3_xml_parse(text, "CORSConfiguration", &q->arena, &root), 0);
    return s3_cors_parse(q, root, ret);
}

#define METHOD "<AllowedMethod>GET</AllowedMethod>"
#define ORIGIN "<AllowedOrigin>*</AllowedOrigin>"

static void what_a_configuration_must_be(void **state)
{
    (void)state;
    static const struct {
        const char *rules;
        enum s3err e;
    } rows[] = {
        {"", S3ERR_MALFORMED_XML},
        {"<CORSRule>" METHOD "</CORSRule>", S3ERR_MALFORMED_XML},
        {"<CORSRule>" ORIGIN "</CORSRule>", S3ERR_MALFORMED_XML},
        {"<CORSRule>" METHOD ORIGIN "</CORSRule>", S3ERR_OK},
        {"<CORSRule><AllowedMethod>get</AllowedMethod>" ORIGIN "</CORSRule>",
         S3ERR_INVALID_REQUEST},
        {"<CORSRule><AllowedMethod>PATCH</AllowedMethod>" ORIGIN "</CORSRule>",
         S3ERR_INVALID_REQUEST},
        {"<CORSRule>" METHOD "<AllowedOrigin>http://*.a.*</AllowedOrigin></CORSRule>",
         S3ERR_INVALID_REQUEST},
        {"<CORSRule>" METHOD ORIGIN "<AllowedHeader>*-*</AllowedHeader></CORSRule>",
         S3ERR_INVALID_REQUEST},
        {"<CORSRule>" METHOD ORIGIN "<ExposeHeader>*</ExposeHeader></CORSRule>",
         S3ERR_INVALID_REQUEST},
        {"<CORSRule>" METHOD ORIGIN "<MaxAgeSeconds>x</MaxAgeSeconds></CORSRule>",
         S3ERR_MALFORMED_XML},
        {"<CORSRule>" METHOD ORIGIN "<MaxAgeSeconds>0</MaxAgeSeconds></CORSRule>", S3ERR_OK},
        {"<CORSRule><ID>a</ID>" METHOD ORIGIN "</CORSRule><CORSRule><ID>b</ID>" METHOD ORIGIN
         "</CORSRule><CORSRule>" METHOD ORIGIN "</CORSRule><CORSRule>" METHOD ORIGIN "</CORSRule>",
         S3ERR_OK},
        {"<CORSRule><ID>a</ID>" METHOD ORIGIN "</CORSRule><CORSRule><ID>a</ID>" METHOD ORIGIN
         "</CORSRule>",
         S3ERR_INVALID_REQUEST},
    };
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct s3_req q;
        struct s3_cors c;
        s3_req_init(&q);
        enum s3err e = parse(&q, rows[i].rules, &c);
        if (e != rows[i].e)
            print_error("row %zu: %s\n", i, rows[i].rules);
        assert_int_equal(e, rows[i].e);
        s3_req_fini(&q);
    }
}

static const char three_rules[] =
    "<CORSRule><ID>one</ID><AllowedMethod>PUT</AllowedMethod><AllowedMethod>POST</AllowedMethod>"
    "<AllowedOrigin>http://www.example.com</AllowedOrigin><AllowedHeader>*</AllowedHeader>"
    "<ExposeHeader>ETag</ExposeHeader><MaxAgeSeconds>3000</MaxAgeSeconds></CORSRule>"
    "<CORSRule><AllowedMethod>GET</AllowedMethod><AllowedOrigin>https://*.example.com</"
    "AllowedOrigin>"
    "<AllowedHeader>x-amz-*</AllowedHeader><AllowedHeader>Range</AllowedHeader></CORSRule>"
    "<CORSRule><AllowedMethod>HEAD</AllowedMethod><AllowedOrigin>*</AllowedOrigin></CORSRule>";

static void the_first_rule_that_fits_wins(void **state)
{
    (void)state;
    static const struct {
        const char *origin, *method, *headers;
        int rule; /* -1: none */
        bool any;
    } rows[] = {
        {"http://www.example.com", "PUT", "Content-Type, x-amz-acl", 0, false},
        {"http://www.example.com", "PUT", NULL, 0, false},
        {"http://WWW.example.com", "PUT", NULL, -1, false}, /* origins compare with case */
        {"http://www.example.com", "DELETE", NULL, -1, false},
        {"https://a.example.com", "GET", "range,X-Amz-Date", 1, false},
        {"https://a.example.com", "GET", "authorization", -1, false},
        {"https://example.com", "GET", NULL, -1, false},
        {"https://.example.com", "GET", NULL, 1, false},
        {"null", "HEAD", NULL, 2, true},
        {"null", "HEAD", "range", -1, false}, /* no header is allowed there */
    };
    struct s3_req q;
    struct s3_cors parsed, c;
    s3_req_init(&q);
    assert_int_equal(parse(&q, three_rules, &parsed), S3ERR_OK);
    AUTO(buf_free) struct buf record = BUF(4096);
    s3_cors_encode(&parsed, &record);
    assert_int_equal(s3_cors_decode(buf_str(&record), &q.arena, &c),
                     0); /* as it is asked in production */
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        bool any = false;
        const struct s3_cors_rule *r = s3_cors_match(
            &c, str_c(rows[i].origin), str_c(rows[i].method), str_c(rows[i].headers), &any);
        int found = r ? (int)(r - c.rules) : -1;
        if (found != rows[i].rule)
            print_error("row %zu: %d\n", i, found);
        assert_int_equal(found, rows[i].rule);
        assert_int_equal(any, rows[i].any);
    }
    s3_req_fini(&q);
}

static void it_is_read_back_as_it_was_written(void **state)
{
    (void)state;
    struct s3_req q;
    struct s3_cors c;
    s3_req_init(&q);
    assert_int_equal(parse(&q, three_rules, &c), S3ERR_OK);
    AUTO(buf_free) struct buf record = BUF(4096), xml = BUF(4096);
    s3_cors_encode(&c, &record);
    for (size_t n = 0; n < record.n; n++) { /* a cut record is noticed, or holds fewer rules */
        struct s3_cors cut = {0};
        int r = s3_cors_decode(str_head(buf_str(&record), n), &q.arena, &cut);
        assert_true(r == -EBADMSG || cut.n < c.n);
    }
    struct s3_cors back;
    assert_int_equal(s3_cors_decode(buf_str(&record), &q.arena, &back), 0);
    s3_cors_write(&back, &xml);
    assert_true(str_eq(buf_str(&xml), str_c(three_rules)));
    s3_req_fini(&q);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_a_configuration_must_be),
        cmocka_unit_test(the_first_rule_that_fits_wins),
        cmocka_unit_test(it_is_read_back_as_it_was_written),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
