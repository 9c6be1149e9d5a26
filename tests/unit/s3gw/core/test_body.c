/* SPDX-License-Identifier: Apache-2.0 */
/* Bytes as they arrive: body.c. What the head says of them: test_body_plan.c. */
#include "tests/unit/s3gw/core/body_ask.h"

#include "s3gw/core/digest.h"

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
