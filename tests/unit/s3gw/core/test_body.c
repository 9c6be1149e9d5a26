/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "s3gw/core/body.h"
#include "s3gw/core/digest.h"
#include "s3gw/core/op.h"

static const struct s3_op stream = {.name = "PutObject", .body = S3_BODY_STREAM};
static const struct s3_op xml = {.name = "DeleteObjects", .body = S3_BODY_XML};
static const struct s3_op a_form = {.name = "PostObject", .body = S3_BODY_FORM};
static const struct s3_op complete = {
    .name = "CompleteMultipartUpload", .body = S3_BODY_XML, .checksum_is_objects = true};

static struct s3_req q;
static struct s3_pair headers[16], params[4];

#define LINES(...) ((const char *const[]){__VA_ARGS__, NULL})

static void ask(const struct s3_op *op, const char *const *lines)
{
    s3_req_fini(&q);
    s3_req_init(&q);
    q.op = op;
    q.headers = headers;
    for (; lines && *lines; lines++) {
        struct str name, value;
        assert_true(str_cut(str_c(*lines), ':', &name, &value));
        headers[q.nheaders++] = (struct s3_pair){name, str_trim(value)};
    }
}

static struct str extra(const char *name)
{
    for (size_t i = 0; i < q.resp.nextras; i++)
        if (str_eq(str_c(q.resp.extras[i].name), str_c(name)))
            return q.resp.extras[i].value;
    return STR_NULL;
}

static const char *code(enum s3err e)
{
    return e > S3ERR_OK && e < S3ERR_COUNT_ ? s3err_info(e)->code : "no error";
}

static int done(void **state)
{
    (void)state;
    s3_req_fini(&q);
    return 0;
}

/* --- the head --- */

enum form { RAW, CHUNKED, CHUNKED_TRAILER };

static struct s3_body_plan plan_of(enum form form)
{
    struct s3_body_plan p = {.framing = form == RAW ? S3_FRAMING_RAW : S3_FRAMING_AWS_CHUNKED};
    p.trailer_form = form == CHUNKED_TRAILER;
    return p;
}

#define CL      "Content-Length: 9"
#define CK      "x-amz-checksum-crc32: y/Q5Jg=="
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
        const char *line;
        const char *want; /* NULL: not stored */
    } rows[] = {
        {"Content-Encoding: aws-chunked", NULL},
        {"Content-Encoding: gzip,aws-chunked", "gzip"},
        {"Content-Encoding: aws-chunked, gzip", "gzip"},
        {"Content-Encoding: AWS-Chunked, gzip, br", "gzip,br"},
        {"Content-Encoding: gzip, br", "gzip, br"},
        {"Content-Encoding: gzip", "gzip"},
        {"Content-Encoding: ", NULL},
        {"Content-Encoding: a,aws-chunked,b", "a,b"},
        {"Content-Encoding: aws-chunked,", NULL},
        {"x: y", NULL},
    };
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        ask(&stream, LINES(rows[i].line));
        struct str v = s3_body_content_encoding(&q);
        assert_int_equal(v.p != NULL, rows[i].want != NULL);
        assert_true(str_eq(v, str_c(rows[i].want)));
    }
}

/* --- the bytes --- */

struct sink {
    struct buf got;
    enum s3err fail;
};

static enum s3err keep(void *arg, struct str piece)
{
    struct sink *s = arg;
    assert_true(piece.n > 0);
    buf_adds(&s->got, piece);
    return s->fail;
}

/* What comes out of @wire cut into pieces of @step bytes. */
static enum s3err decode(const struct s3_body_plan *p, struct str wire, size_t step, struct sink *s,
                         struct s3_checksum *sum)
{
    AUTO(s3_body_free) struct s3_body *b = s3_body_new(p);
    assert_non_null(b);
    enum s3err e = S3ERR_OK;
    buf_reset(&s->got);
    for (size_t i = 0; i < wire.n && e == S3ERR_OK; i += step)
        e = s3_body_push(b, str_head(str_from(wire, i), step), keep, s);
    if (e == S3ERR_OK)
        e = s3_body_finish(b, &q);
    if (e == S3ERR_OK) {
        assert_int_equal(s3_body_length(b), s->got.n);
        if (sum)
            s3_body_checksum(b, sum);
    }
    return e;
}

static const size_t steps[] = {1, 2, 3, 5, 8, 1000000};
static char big[8192 * 2 + 1];

#define DIGITS "123456789"
#define GOOD   "x-amz-checksum-crc32:y/Q5Jg=="

static const struct {
    struct str wire;
    enum form form;
    uint64_t length;
    bool trailer; /* announced: crc32 */
    enum s3err want;
} bodies[] = {
    {STR_INIT(DIGITS), RAW, 9, false, S3ERR_OK},
    {STR_INIT(""), RAW, 0, false, S3ERR_OK},
    {STR_INIT(DIGITS), RAW, UINT64_MAX, false, S3ERR_OK},
    {STR_INIT(DIGITS), RAW, 8, false, S3ERR_INCOMPLETE_BODY},
    {STR_INIT(DIGITS), RAW, 10, false, S3ERR_INCOMPLETE_BODY},
    {STR_INIT("9\r\n" DIGITS "\r\n0\r\n\r\n"), CHUNKED, 9, false, S3ERR_OK},
    {STR_INIT("0009\r\n" DIGITS "\r\n000000000000000000000000\r\n\r\n"), CHUNKED, 9, false,
     S3ERR_OK},
    {STR_INIT("9\r\n" DIGITS "\r\n0\r\n"), CHUNKED, 9, false, S3ERR_OK}, /* the last CRLF missing */
    {STR_INIT("0\r\n\r\n"), CHUNKED, 0, false, S3ERR_OK},
    {STR_INIT(""), CHUNKED, 0, false, S3ERR_OK}, /* no chunk at all */
    {STR_INIT(""), CHUNKED, 9, false, S3ERR_INCOMPLETE_BODY},
    {STR_INIT("0"), CHUNKED, 0, false, S3ERR_INCOMPLETE_BODY},
    {STR_INIT("9\r\n" DIGITS "\r\n"), CHUNKED, 9, false, S3ERR_INCOMPLETE_BODY},
    {STR_INIT("9\r\n12345678"), CHUNKED, 9, false, S3ERR_INCOMPLETE_BODY},
    {STR_INIT("9\r\n" DIGITS "\r\n0\r\n\r\n"), CHUNKED, 8, false, S3ERR_INCOMPLETE_BODY},
    {STR_INIT("9\r\n" DIGITS "\r\n0\r\n\r\n"), CHUNKED, 10, false, S3ERR_INCOMPLETE_BODY},
    {STR_INIT("9\r\n" DIGITS "\r\n0\r\n\r\nx"), CHUNKED, 9, false, S3ERR_INCOMPLETE_BODY},
    {STR_INIT("9\n" DIGITS "\r\n0\r\n\r\n"), CHUNKED, 9, false, S3ERR_INCOMPLETE_BODY},
    {STR_INIT("9\r\n" DIGITS "\n0\r\n\r\n"), CHUNKED, 9, false, S3ERR_INCOMPLETE_BODY},
    {STR_INIT("9\r\n" DIGITS "x\r\n0\r\n\r\n"), CHUNKED, 9, false, S3ERR_INCOMPLETE_BODY},
    {STR_INIT("+9\r\n" DIGITS "\r\n0\r\n\r\n"), CHUNKED, 9, false, S3ERR_INCOMPLETE_BODY},
    {STR_INIT("-9\r\n" DIGITS "\r\n0\r\n\r\n"), CHUNKED, 9, false, S3ERR_INCOMPLETE_BODY},
    {STR_INIT(" 9\r\n" DIGITS "\r\n0\r\n\r\n"), CHUNKED, 9, false, S3ERR_INCOMPLETE_BODY},
    {STR_INIT("\r\n" DIGITS "\r\n0\r\n\r\n"), CHUNKED, 9, false, S3ERR_INCOMPLETE_BODY},
    {STR_INIT("10000000000000009\r\n" DIGITS "\r\n0\r\n\r\n"), CHUNKED, 9, false,
     S3ERR_INCOMPLETE_BODY},
    {STR_INIT("ffffffffffffffff\r\n" DIGITS), CHUNKED, 9, false, S3ERR_INCOMPLETE_BODY},
    {STR_INIT("9;foo=bar\r\n" DIGITS "\r\n0\r\n\r\n"), CHUNKED, 9, false, S3ERR_INCOMPLETE_BODY},
    {STR_INIT("9;chunk-signature=12\r\n" DIGITS "\r\n0\r\n\r\n"), CHUNKED, 9, false,
     S3ERR_INCOMPLETE_BODY},
    {STR_INIT("9\r\n" DIGITS "\r\n0\r\n" GOOD "\r\n\r\n"), CHUNKED_TRAILER, 9, true, S3ERR_OK},
    {STR_INIT("9\r\n" DIGITS "\r\n0\r\n" GOOD "\n\r\n\r\n"), CHUNKED_TRAILER, 9, true,
     S3ERR_OK}, /* minio-go */
    {STR_INIT("9\r\n" DIGITS "\r\n0\r\n" GOOD "\n"), CHUNKED_TRAILER, 9, true, S3ERR_OK},
    {STR_INIT("9\r\n" DIGITS "\r\n0\r\n" GOOD), CHUNKED_TRAILER, 9, true, S3ERR_OK},
    {STR_INIT("9\r\n" DIGITS "\r\n0\r\nX-Amz-Checksum-CRC32 : y/Q5Jg== \r\n\r\n"), CHUNKED_TRAILER,
     9, true, S3ERR_OK},
    {STR_INIT("9\r\n" DIGITS "\r\n0\r\n\r\n"), CHUNKED_TRAILER, 9, false, S3ERR_OK},
    {STR_INIT("9\r\n" DIGITS "\r\n0\r\n\r\n"), CHUNKED_TRAILER, 9, true,
     S3ERR_MALFORMED_TRAILER_ERROR},
    {STR_INIT("9\r\n" DIGITS "\r\n0\r\n" GOOD "\r\n\r\n"), CHUNKED_TRAILER, 9, false,
     S3ERR_MALFORMED_TRAILER_ERROR},
    {STR_INIT("9\r\n" DIGITS "\r\n0\r\n" GOOD "\r\n\r\n"), CHUNKED, 9, false,
     S3ERR_INCOMPLETE_BODY},
    {STR_INIT("9\r\n" DIGITS "\r\n0\r\n" GOOD "\r\n" GOOD "\r\n\r\n"), CHUNKED_TRAILER, 9, true,
     S3ERR_MALFORMED_TRAILER_ERROR},
    {STR_INIT("9\r\n" DIGITS "\r\n0\r\n" GOOD "\r\n\r\njunk"), CHUNKED_TRAILER, 9, true,
     S3ERR_MALFORMED_TRAILER_ERROR},
    {STR_INIT("9\r\n" DIGITS "\r\n0\r\n" GOOD "\r\nx-amz-trailer-signature:00\r\n\r\n"),
     CHUNKED_TRAILER, 9, true, S3ERR_MALFORMED_TRAILER_ERROR},
    {STR_INIT("9\r\n" DIGITS "\r\n0\r\nx-amz-checksum-crc32c:y/Q5Jg==\r\n\r\n"), CHUNKED_TRAILER, 9,
     true, S3ERR_MALFORMED_TRAILER_ERROR},
    {STR_INIT("9\r\n" DIGITS "\r\n0\r\nx-amz-meta-a:1\r\n\r\n"), CHUNKED_TRAILER, 9, true,
     S3ERR_MALFORMED_TRAILER_ERROR},
    {STR_INIT("9\r\n" DIGITS "\r\n0\r\nx-amz-checksum-crc32\r\n\r\n"), CHUNKED_TRAILER, 9, true,
     S3ERR_MALFORMED_TRAILER_ERROR},
    {STR_INIT("9\r\n" DIGITS "\r\n0\r\nx-amz-checksum-crc32:AAAAAA==\r\n\r\n"), CHUNKED_TRAILER, 9,
     true, S3ERR_BAD_DIGEST},
    {STR_INIT("9\r\n" DIGITS "\r\n0\r\nx-amz-checksum-crc32:AAAA\r\n\r\n"), CHUNKED_TRAILER, 9,
     true, S3ERR_INVALID_REQUEST},
    {STR_INIT("9\r\n" DIGITS "\r\n0\r\nx-amz-checksum-crc32:\r\n\r\n"), CHUNKED_TRAILER, 9, true,
     S3ERR_INVALID_REQUEST},
};

static void bodies_decode_the_same_however_they_are_cut(void **state)
{
    (void)state;
    struct sink s = {BUF(100000), S3ERR_OK};
    ask(&stream, NULL);
    for (size_t i = 0; i < ARRAY_LEN(bodies); i++) {
        struct s3_body_plan p = plan_of(bodies[i].form);
        p.q = &q;
        p.length = bodies[i].length;
        p.has_trailer = bodies[i].trailer;
        p.compute = bodies[i].trailer ? S3_CK_CRC32 : S3_CK_CRC64NVME;
        for (size_t j = 0; j < ARRAY_LEN(steps); j++) {
            enum s3err e = decode(&p, bodies[i].wire, steps[j], &s, NULL);
            if (e != bodies[i].want)
                fail_msg("row %zu by %zu: %s", i, steps[j], code(e));
            if (e == S3ERR_OK && s.got.n)
                assert_true(str_eq(buf_str(&s.got), STR(DIGITS)));
        }
    }
    buf_free(&s.got);
}

static void only_the_last_data_chunk_may_be_small(void **state)
{
    (void)state;
    struct sink s = {BUF(100000), S3ERR_OK};
    AUTO(buf_free) struct buf wire = BUF(100000);
    struct s3_body_plan p = plan_of(CHUNKED);
    p.length = sizeof(big);
    ask(&stream, NULL);
    p.q = &q;
    buf_adds(&wire, STR("2000\r\n"));
    buf_add(&wire, big, 8192);
    buf_adds(&wire, STR("\r\n2001\r\n"));
    buf_add(&wire, big, 8193);
    buf_adds(&wire, STR("\r\n0\r\n\r\n"));
    assert_int_equal(decode(&p, buf_str(&wire), 1000, &s, NULL), S3ERR_OK);
    buf_reset(&wire);
    buf_adds(&wire, STR("2000\r\n"));
    buf_add(&wire, big, 8192);
    buf_adds(&wire, STR("\r\n1fff\r\n"));
    buf_add(&wire, big, 8191);
    buf_adds(&wire, STR("\r\n2\r\n\r\n"));
    assert_int_equal(decode(&p, buf_str(&wire), 1000, &s, NULL), S3ERR_INVALID_CHUNK_SIZE_ERROR);
    assert_true(str_eq(extra("Chunk"), STR("2")));
    assert_true(str_eq(extra("BadChunkSize"), STR("8191")));
    buf_free(&s.got);
}

static void endless_lines_are_cut_off(void **state)
{
    (void)state;
    struct sink s = {BUF(1000), S3ERR_OK};
    struct s3_body_plan p = plan_of(CHUNKED);
    p.length = 9;
    ask(&stream, NULL);
    memset(big, '0', sizeof(big));
    for (size_t j = 0; j < ARRAY_LEN(steps); j++)
        assert_int_equal(decode(&p, str_of(big, sizeof(big)), steps[j], &s, NULL),
                         S3ERR_INCOMPLETE_BODY);
    p = plan_of(CHUNKED_TRAILER);
    memcpy(big, "0\r\n", 3);
    for (size_t j = 0; j < ARRAY_LEN(steps); j++)
        assert_int_equal(decode(&p, str_of(big, sizeof(big)), steps[j], &s, NULL),
                         S3ERR_MALFORMED_TRAILER_ERROR);
    buf_free(&s.got);
}

static void the_sinks_error_ends_it(void **state)
{
    (void)state;
    struct sink s = {BUF(1000), S3ERR_SLOW_DOWN};
    struct s3_body_plan p = plan_of(RAW);
    p.length = 9;
    ask(&stream, NULL);
    assert_int_equal(decode(&p, STR(DIGITS), 4, &s, NULL), S3ERR_SLOW_DOWN);
    assert_int_equal(s.got.n, 4);
    buf_free(&s.got);
}

static void payload_sha256_must_match(void **state)
{
    (void)state;
    struct sink s = {BUF(1000), S3ERR_OK};
    struct s3_body_plan p = plan_of(RAW);
    struct s3_checksum sum;
    p.length = 9;
    p.has_sha256 = true;
    p.compute = S3_CK_SHA256; /* shared with the payload's */
    s3_sha256(DIGITS, 9, p.sha256);
    ask(&stream, NULL);
    assert_int_equal(decode(&p, STR(DIGITS), 4, &s, &sum), S3ERR_OK);
    assert_int_equal(sum.alg, S3_CK_SHA256);
    assert_memory_equal(sum.value, p.sha256, 32);
    p.sha256[0] ^= 1;
    assert_int_equal(decode(&p, STR(DIGITS), 4, &s, &sum), S3ERR_X_AMZ_CONTENT_SHA256_MISMATCH);
    assert_true(str_eq(extra("S3ComputedContentSHA256"),
                       STR("15e2b0d3c33891ebb0f1ef609ec419420c20e320ce94c65fbc8c3312448eb225")));
    assert_true(str_eq(extra("ClientComputedContentSHA256"),
                       STR("14e2b0d3c33891ebb0f1ef609ec419420c20e320ce94c65fbc8c3312448eb225")));
    buf_free(&s.got);
}

static void expected_checksums_must_match_and_both_crcs_can_be_kept(void **state)
{
    (void)state;
    struct sink s = {BUF(1000), S3ERR_OK};
    struct s3_body_plan p = plan_of(RAW);
    ask(&stream, LINES(CL, CK));
    assert_int_equal(s3_body_plan(&q, &p), S3ERR_OK);
    p.compute_crc64_too = true;
    AUTO(s3_body_free) struct s3_body *b = s3_body_new(&p);
    assert_int_equal(s3_body_push(b, STR(DIGITS), keep, &s), S3ERR_OK);
    assert_int_equal(s3_body_finish(b, &q), S3ERR_OK);
    struct s3_checksum c, c64;
    s3_body_checksum(b, &c);
    s3_body_crc64(b, &c64);
    assert_int_equal(c.alg, S3_CK_CRC32);
    assert_int_equal(c64.alg, S3_CK_CRC64NVME);
    assert_int_equal(c64.value[0], 0xAE);
    assert_int_equal(decode(&p, STR("123456780"), 9, &s, NULL), S3ERR_BAD_DIGEST);
    buf_free(&s.got);
}

static bool refuse(size_t size)
{
    (void)size;
    return true;
}

static void no_memory_gives_no_body(void **state)
{
    (void)state;
    struct s3_body_plan p = plan_of(RAW);
    dfs_alloc_hook = refuse;
    struct s3_body *b = s3_body_new(&p);
    dfs_alloc_hook = NULL;
    assert_null(b);
    s3_body_free(&b);
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
        cmocka_unit_test(bodies_decode_the_same_however_they_are_cut),
        cmocka_unit_test(only_the_last_data_chunk_may_be_small),
        cmocka_unit_test(endless_lines_are_cut_off),
        cmocka_unit_test(the_sinks_error_ends_it),
        cmocka_unit_test(payload_sha256_must_match),
        cmocka_unit_test(expected_checksums_must_match_and_both_crcs_can_be_kept),
        cmocka_unit_test(no_memory_gives_no_body),
    };
    return cmocka_run_group_tests(tests, NULL, done);
}
