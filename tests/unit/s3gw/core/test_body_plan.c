/* SPDX-License-Identifier: Apache-2.0 */
/* What the head says of a body: body_plan.c. */
#include "tests/unit/s3gw/core/body_ask.h"

#include "s3gw/core/digest.h"

static const struct s3_op xml = {.name = "DeleteObjects", .body = S3_BODY_XML};
static const struct s3_op a_form = {.name = "PostObject", .body = S3_BODY_FORM};
static const struct s3_op complete = {
    .name = "CompleteMultipartUpload", .body = S3_BODY_XML, .checksum_is_objects = true};

static struct s3_pair params[4];

#define CK64    "x-amz-checksum-crc64nvme: rosUhgp5mIg="
#define DECODED "x-amz-decoded-content-length: 9"
#define TRAILER "x-amz-trailer: x-amz-checksum-crc32"

static const struct {
    const struct s3_op *op;
    enum form form;
    const char *lines[6];
    enum s3err want;
    uint64_t length;
    enum s3_checksum_alg compute;
} heads[] = {
    {&stream, RAW, {CL}, S3ERR_OK, 9, S3_CK_NONE},
    {&stream, RAW, {"Content-Length: 0"}, S3ERR_OK, 0, S3_CK_NONE},
    {&stream, RAW, {"Content-Length: 5368709120"}, S3ERR_OK, 5368709120, S3_CK_NONE},
    {&stream, RAW, {"Content-Length: 5368709121"}, S3ERR_ENTITY_TOO_LARGE, 0, S3_CK_NONE},
    {&stream, RAW, {"Content-Length: -1"}, S3ERR_BAD_REQUEST, 0, S3_CK_NONE},
    {&stream, RAW, {"Content-Length: 99999999999999999999"}, S3ERR_BAD_REQUEST, 0, S3_CK_NONE},
    {&stream, RAW, {NULL}, S3ERR_MISSING_CONTENT_LENGTH, 0, S3_CK_NONE},
    {&stream, RAW, {"Transfer-Encoding: chunked"}, S3ERR_NOT_IMPLEMENTED, 0, S3_CK_NONE},
    {&stream, RAW, {"Transfer-Encoding: chunked", DECODED}, S3ERR_OK, 9, S3_CK_NONE},
    {&xml, RAW, {NULL}, S3ERR_OK, 0, S3_CK_NONE},
    {&xml, RAW, {"Transfer-Encoding: chunked"}, S3ERR_OK, UINT64_MAX, S3_CK_NONE},
    {&stream, CHUNKED, {"Content-Length: 500", DECODED}, S3ERR_OK, 9, S3_CK_NONE},
    {&stream, CHUNKED, {"Transfer-Encoding: chunked", DECODED}, S3ERR_OK, 9, S3_CK_NONE},
    {&stream, CHUNKED, {"Content-Length: 500"}, S3ERR_MISSING_CONTENT_LENGTH, 0, S3_CK_NONE},
    {&stream,
     CHUNKED,
     {"Content-Length: 500", "x-amz-decoded-content-length: x"},
     S3ERR_MISSING_CONTENT_LENGTH,
     0,
     S3_CK_NONE},
    {&stream,
     CHUNKED,
     {"Content-Length: 500", "x-amz-decoded-content-length: 99999999999999999999"},
     S3ERR_ENTITY_TOO_LARGE,
     0,
     S3_CK_NONE},
    {&stream, CHUNKED, {DECODED}, S3ERR_MISSING_CONTENT_LENGTH, 0, S3_CK_NONE},
    {&stream, RAW, {CL, "Content-MD5: XrY7u+Ae7tCTyyK7j1rNww=="}, S3ERR_OK, 9, S3_CK_NONE},
    {&stream, RAW, {CL, "Content-MD5: XrY7u+Ae7tCTyyK7j1rNw"}, S3ERR_INVALID_DIGEST, 0, S3_CK_NONE},
    {&stream, RAW, {CL, "Content-MD5: XrY7u+Ae7tCTyyK7j1o="}, S3ERR_INVALID_DIGEST, 0, S3_CK_NONE},
    {&stream, RAW, {CL, "Content-MD5: "}, S3ERR_INVALID_DIGEST, 0, S3_CK_NONE},
    {&stream, RAW, {CL, CK}, S3ERR_OK, 9, S3_CK_CRC32},
    {&stream, RAW, {CL, CK64}, S3ERR_OK, 9, S3_CK_CRC64NVME},
    {&stream, RAW, {CL, CK, CK64}, S3ERR_INVALID_REQUEST, 0, S3_CK_NONE},
    {&stream, RAW, {CL, CK, CK}, S3ERR_INVALID_REQUEST, 0, S3_CK_NONE},
    {&stream, RAW, {CL, "x-amz-checksum-crc32: y/Q5"}, S3ERR_INVALID_REQUEST, 0, S3_CK_NONE},
    {&stream, RAW, {CL, "x-amz-checksum-crc32: "}, S3ERR_INVALID_REQUEST, 0, S3_CK_NONE},
    {&stream, RAW, {CL, CK, "x-amz-sdk-checksum-algorithm: crc32"}, S3ERR_OK, 9, S3_CK_CRC32},
    {&stream,
     RAW,
     {CL, CK, "x-amz-sdk-checksum-algorithm: SHA1"},
     S3ERR_INVALID_REQUEST,
     0,
     S3_CK_NONE},
    {&stream,
     RAW,
     {CL, CK, "x-amz-sdk-checksum-algorithm: CRC33"},
     S3ERR_INVALID_REQUEST,
     0,
     S3_CK_NONE},
    {&stream,
     RAW,
     {CL, "x-amz-sdk-checksum-algorithm: CRC32"},
     S3ERR_INVALID_REQUEST,
     0,
     S3_CK_NONE},
    {&stream, RAW, {CL, "x-amz-checksum-algorithm: CRC32"}, S3ERR_INVALID_REQUEST, 0, S3_CK_NONE},
    {&stream, RAW, {CL, "x-amz-checksum-mode: ENABLED"}, S3ERR_OK, 9, S3_CK_NONE},
    {&stream, RAW, {CL, "x-amz-checksum-crc16: AAA="}, S3ERR_INVALID_REQUEST, 0, S3_CK_NONE},
    {&stream, RAW, {CL, "x-amz-checksum-: AAA="}, S3ERR_INVALID_REQUEST, 0, S3_CK_NONE},
    {&stream, CHUNKED_TRAILER, {CL, DECODED, TRAILER}, S3ERR_OK, 9, S3_CK_CRC32},
    {&stream,
     CHUNKED_TRAILER,
     {CL, DECODED, TRAILER, "x-amz-sdk-checksum-algorithm: CRC32"},
     S3ERR_OK,
     9,
     S3_CK_CRC32},
    {&stream,
     CHUNKED_TRAILER,
     {CL, DECODED, TRAILER, "x-amz-sdk-checksum-algorithm: SHA1"},
     S3ERR_INVALID_REQUEST,
     0,
     S3_CK_NONE},
    {&stream, CHUNKED_TRAILER, {CL, DECODED, TRAILER, CK}, S3ERR_INVALID_REQUEST, 0, S3_CK_NONE},
    {&stream, CHUNKED_TRAILER, {CL, DECODED, CK}, S3ERR_OK, 9, S3_CK_CRC32},
    {&stream, CHUNKED_TRAILER, {CL, DECODED}, S3ERR_OK, 9, S3_CK_NONE},
    {&stream,
     CHUNKED_TRAILER,
     {CL, DECODED, "x-amz-trailer: x-amz-foo"},
     S3ERR_INVALID_REQUEST,
     0,
     S3_CK_NONE},
    {&stream,
     CHUNKED_TRAILER,
     {CL, DECODED, "x-amz-trailer: x-amz-checksum-crc32,x-amz-checksum-sha1"},
     S3ERR_INVALID_REQUEST,
     0,
     S3_CK_NONE},
    {&stream, CHUNKED, {CL, DECODED, TRAILER}, S3ERR_INVALID_REQUEST, 0, S3_CK_NONE},
    {&a_form, RAW, {CL}, S3ERR_OK, 9, S3_CK_NONE},
    {&a_form,
     RAW,
     {"Content-Length: 5369757696"},
     S3ERR_OK,
     5369757696,
     S3_CK_NONE}, /* 5 GiB, 1 MiB */
    {&a_form, RAW, {"Content-Length: 5369757697"}, S3ERR_ENTITY_TOO_LARGE, 0, S3_CK_NONE},
    {&a_form, RAW, {NULL}, S3ERR_MISSING_CONTENT_LENGTH, 0, S3_CK_NONE},
    {&a_form, RAW, {"Transfer-Encoding: chunked"}, S3ERR_NOT_IMPLEMENTED, 0, S3_CK_NONE},
    {&a_form, RAW, {CL, CK}, S3ERR_NOT_IMPLEMENTED, 0, S3_CK_NONE},
    {&a_form, RAW, {CL, "Content-MD5: x"}, S3ERR_NOT_IMPLEMENTED, 0, S3_CK_NONE},
    {&complete, RAW, {CL, CK64, "x-amz-checksum-type: FULL_OBJECT"}, S3ERR_OK, 9, S3_CK_NONE},
};

static void heads_become_plans_or_errors(void **state)
{
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(heads); i++) {
        struct s3_body_plan p = plan_of(heads[i].form);
        ask(heads[i].op, heads[i].lines);
        enum s3err e = s3_body_plan(&q, &p);
        if (e != heads[i].want)
            fail_msg("row %zu: %s", i, code(e));
        if (e)
            continue;
        if (p.length != heads[i].length || p.compute != heads[i].compute)
            fail_msg("row %zu: length or algorithm", i);
    }
}

static enum s3err ignore_piece(void *arg, struct str piece)
{
    (void)arg;
    (void)piece;
    return S3ERR_OK;
}

static void a_forms_file_stays_within_its_range(void **state)
{
    (void)state;
    static const struct {
        uint64_t min, max;
        enum s3err want;
        const char *limit, *value;
    } rows[] = {
        {0, UINT64_MAX, S3ERR_OK, NULL, NULL},
        {9, 9, S3ERR_OK, NULL, NULL},
        {0, 8, S3ERR_ENTITY_TOO_LARGE, "MaxSizeAllowed", "8"},
        {0, 0, S3ERR_ENTITY_TOO_LARGE, "MaxSizeAllowed", "0"},
        {10, 20, S3ERR_ENTITY_TOO_SMALL, "MinSizeAllowed", "10"},
    };
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct s3_body_plan p = plan_of(RAW);
        ask(&a_form, LINES("Content-Length: 500"));
        assert_int_equal(s3_body_plan(&q, &p), S3ERR_OK);
        p.has_range = true;
        p.range_min = rows[i].min;
        p.range_max = rows[i].max;
        ask(&a_form, LINES(CK));
        assert_int_equal(s3_body_plan_file(&q, &p), S3ERR_OK);
        assert_true(p.length == UINT64_MAX && p.wire_length == 500 && p.compute == S3_CK_CRC32);
        AUTO(s3_body_free) struct s3_body *b = s3_body_new(&p);
        enum s3err e = s3_body_push(b, STR("12345"), ignore_piece, NULL);
        e = e ? e : s3_body_push(b, STR("6789"), ignore_piece, NULL);
        e = e ? e : s3_body_finish(b, &q);
        assert_int_equal(e, rows[i].want);
        if (rows[i].limit)
            assert_true(str_eq(extra(rows[i].limit), str_c(rows[i].value)));
    }
}

static void two_lengths_close_the_connection(void **state)
{
    (void)state;
    struct s3_body_plan p = plan_of(CHUNKED);
    ask(&stream, LINES("Transfer-Encoding: chunked", "Content-Length: 5", DECODED));
    assert_int_equal(s3_body_plan(&q, &p), S3ERR_OK);
    assert_true(p.wire_length == UINT64_MAX);
    assert_true(q.resp.close);
    p = plan_of(RAW);
    ask(&stream, LINES("Transfer-Encoding: chunked"));
    assert_int_equal(s3_body_plan(&q, &p), S3ERR_NOT_IMPLEMENTED);
    assert_true(str_eq(extra("Header"), STR("Transfer-Encoding")));
    assert_true(q.resp.close);
}

static void a_presigned_checksum_judges_unless_it_is_of_nothing(void **state)
{
    (void)state;
#define NAMED "X-Amz-Checksum-Crc32"
    static const struct {
        const char *name, *value, *algorithm; /* NULL: not given */
        enum s3err e;
        enum s3_checksum_alg expect;
    } rows[] = {
        {NAMED, "y/Q5Jg==", "CRC32", S3ERR_OK, S3_CK_CRC32},
        {NAMED, "y/Q5Jg==", NULL, S3ERR_OK, S3_CK_CRC32},
        {NAMED, "AAAAAA==", "CRC32", S3ERR_OK, S3_CK_NONE},
        {"x-amz-checksum-sha256", "47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=", "SHA256",
         S3ERR_OK, S3_CK_NONE},
        {NAMED, "y/Q5Jg==", "SHA256", S3ERR_INVALID_REQUEST, S3_CK_NONE},
        {NAMED, "AAAAAA==", "CRC99", S3ERR_INVALID_REQUEST, S3_CK_NONE},
        {NAMED, "y/Q5", "CRC32", S3ERR_INVALID_REQUEST, S3_CK_NONE},
        {"x-amz-checksum-crc99", "AAAAAA==", NULL, S3ERR_INVALID_REQUEST, S3_CK_NONE},
    };
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct s3_body_plan p = plan_of(RAW);
        ask(&stream, LINES(CL));
        params[0] = (struct s3_pair){str_c(rows[i].name), str_c(rows[i].value)};
        params[1] = (struct s3_pair){STR("x-amz-sdk-checksum-algorithm"),
                                     str_c(rows[i].algorithm ? rows[i].algorithm : "")};
        q.params = params;
        q.nparams = rows[i].algorithm ? 2 : 1;
        assert_int_equal(s3_body_plan(&q, &p), S3ERR_OK); /* not presigned: no options */
        assert_int_equal(p.expect.alg, S3_CK_NONE);
        q.who.how = S3_AUTH_V4_QUERY;
        p = plan_of(RAW);
        enum s3err e = s3_body_plan(&q, &p);
        if (e != rows[i].e)
            print_error("row %zu\n", i);
        assert_int_equal(e, rows[i].e);
        if (e == S3ERR_OK)
            assert_int_equal(p.expect.alg, rows[i].expect);
    }
    /* Also as a header: it says the same, and is one. */
    struct s3_body_plan p = plan_of(RAW);
    ask(&stream, LINES(CL, "x-amz-checksum-crc32: y/Q5Jg=="));
    params[0] = (struct s3_pair){STR(NAMED), STR("y/Q5Jg==")};
    q.params = params;
    q.nparams = 1;
    q.who.how = S3_AUTH_V4_QUERY;
    assert_int_equal(s3_body_plan(&q, &p), S3ERR_OK);
    assert_int_equal(p.expect.alg, S3_CK_CRC32);
}

static void content_md5_is_compared_with_both_shown(void **state)
{
    (void)state;
    struct s3_body_plan p = plan_of(RAW);
    uint8_t md5[16];
    ask(&stream, LINES(CL, "Content-MD5: XrY7u+Ae7tCTyyK7j1rNww=="));
    assert_int_equal(s3_body_plan(&q, &p), S3ERR_OK);
    s3_md5("hello world", 11, md5);
    assert_int_equal(s3_body_check_md5(&q, &p, md5), S3ERR_OK);
    s3_md5("", 0, md5);
    assert_int_equal(s3_body_check_md5(&q, &p, md5), S3ERR_BAD_DIGEST);
    assert_true(str_eq(extra("ExpectedDigest"), STR("XrY7u+Ae7tCTyyK7j1rNww==")));
    assert_true(str_eq(extra("CalculatedDigest"), STR("1B2M2Y8AsgTpgAmY7PhCfg==")));
    p.has_md5 = false;
    assert_int_equal(s3_body_check_md5(&q, &p, md5), S3ERR_OK);
}

static void aws_chunked_is_never_stored_as_an_encoding(void **state)
{
    (void)state;
    static const struct {
        const char *line, *second;
        const char *want; /* NULL: not stored */
    } rows[] = {
        {"Content-Encoding: aws-chunked", NULL, NULL},
        {"Content-Encoding: gzip,aws-chunked", NULL, "gzip"},
        {"Content-Encoding: aws-chunked, gzip", NULL, "gzip"},
        {"Content-Encoding: AWS-Chunked, gzip, br", NULL, "gzip,br"},
        {"Content-Encoding: gzip, br", NULL, "gzip, br"},
        {"Content-Encoding: gzip", NULL, "gzip"},
        {"Content-Encoding: ", NULL, NULL},
        {"Content-Encoding: a,aws-chunked,b", NULL, "a,b"},
        {"Content-Encoding: aws-chunked,", NULL, NULL},
        {"x: y", NULL, NULL},
        /* the SDK for Java sends two: aws-sdk-java-v2 3720 */
        {"Content-Encoding: gzip", "Content-Encoding: aws-chunked", "gzip"},
        {"Content-Encoding: aws-chunked", "content-encoding: gzip", "gzip"},
        {"Content-Encoding: gzip", "Content-Encoding: br", "gzip,br"},
        {"Content-Encoding: ", "Content-Encoding: br", "br"},
        {"Content-Encoding: ", "Content-Encoding: ", NULL},
    };
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        ask(&stream, LINES(rows[i].line, rows[i].second));
        struct str v;
        assert_int_equal(s3_body_content_encoding(&q, &v), 0);
        assert_int_equal(v.p != NULL, rows[i].want != NULL);
        assert_true(str_eq(v, str_c(rows[i].want)));
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(heads_become_plans_or_errors),
        cmocka_unit_test(a_forms_file_stays_within_its_range),
        cmocka_unit_test(two_lengths_close_the_connection),
        cmocka_unit_test(a_presigned_checksum_judges_unless_it_is_of_nothing),
        cmocka_unit_test(content_md5_is_compared_with_both_shown),
        cmocka_unit_test(aws_chunked_is_never_stored_as_an_encoding),
    };
    return cmocka_run_group_tests(tests, NULL, done);
}
