/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/unit/s3gw/auth/ask.h"

static const char *const example[] = {
    "Host: s3.amazonaws.com",
    DATE,
    "x-amz-storage-class: REDUCED_REDUNDANCY",
    "Content-Encoding: aws-chunked",
    "x-amz-content-sha256: STREAMING-AWS4-HMAC-SHA256-PAYLOAD",
    "x-amz-decoded-content-length: 66560",
    "Content-Length: 66824",
    AUTH("content-encoding;content-length;host;x-amz-content-sha256;x-amz-date;x-amz-decoded-"
         "content-length;"
         "x-amz-storage-class",
         "4f232c4386841ef735655705268965c44a0e4690baa4adea153f7db9fa80a0a9"),
    NULL};

/* --- the published chunked uploads, through the body decoder --- */

struct sink {
    uint64_t n;
    bool all_a;
};

static enum s3err count(void *arg, struct str piece)
{
    struct sink *s = arg;
    s->n += piece.n;
    for (size_t i = 0; i < piece.n; i++)
        s->all_a &= piece.p[i] == 'a';
    return S3ERR_OK;
}

static enum s3err push_all(struct str wire, size_t step, struct sink *s)
{
    struct s3_body_plan plan;
    enum s3err e = s3_auth_body(&q, &plan);
    if (e == S3ERR_OK)
        e = s3_body_plan(&q, &plan);
    if (e != S3ERR_OK)
        return e;
    AUTO(s3_body_free) struct s3_body *b = s3_body_new(&plan);
    assert_non_null(b);
    *s = (struct sink){0, true};
    for (size_t i = 0; i < wire.n && e == S3ERR_OK; i += step)
        e = s3_body_push(b, str_head(str_from(wire, i), step), count, s);
    return e ? e : s3_body_finish(b, &q);
}

static char aaa[65536];

static void chunked_wire(struct buf *out, const char *const signatures[3], const char *tail)
{
    buf_addf(out, "10000;chunk-signature=%s\r\n", signatures[0]);
    buf_add(out, aaa, 65536);
    buf_addf(out, "\r\n400;chunk-signature=%s\r\n", signatures[1]);
    buf_add(out, aaa, 1024);
    buf_addf(out, "\r\n0;chunk-signature=%s\r\n%s", signatures[2], tail);
}

static const char *const plain_chunks[] = {
    "ad80c730a21e5b8d04586a2213dd63b9a0e99e0e2307b0ade35a65485a288648",
    "0055627c9e194cb4542bae2aa5492e3c1575bbb81b612b7d234b86a503ef5497",
    "b6c6ea8a5354eaf15b3cb7646744f4275b71ea724fed81ceb9323e279d449df9"};

static void the_published_chunks_verify_however_they_are_cut(void **state)
{
    (void)state;
    AUTO(buf_free) struct buf wire = BUF(1 << 20);
    chunked_wire(&wire, plain_chunks, "\r\n");
    assert_int_equal(wire.n, 66824);
    static const size_t steps[] = {1 << 20, 1, 7, 4096, 65536};
    for (size_t i = 0; i < ARRAY_LEN(steps); i++) {
        struct sink s;
        assert_int_equal(verdict("PUT", "/examplebucket/chunkObject.txt", example), S3ERR_OK);
        assert_int_equal(push_all(buf_str(&wire), steps[i], &s), S3ERR_OK);
        assert_int_equal(s.n, 66560);
        assert_true(s.all_a);
    }
}

static void a_changed_byte_or_signature_is_refused(void **state)
{
    (void)state;
    AUTO(buf_free) struct buf wire = BUF(1 << 20);
    chunked_wire(&wire, plain_chunks, "\r\n");
    static const size_t places[] = {30, 1000, 65536, 65680, 66000, 66800};
    for (size_t i = 0; i < ARRAY_LEN(places); i++) {
        struct sink s;
        char *p = &wire.p[places[i]], was = *p;
        *p = *p == '1' ? '2' : '1';
        assert_int_equal(verdict("PUT", "/examplebucket/chunkObject.txt", example), S3ERR_OK);
        assert_int_equal(push_all(buf_str(&wire), 1 << 20, &s), S3ERR_SIGNATURE_DOES_NOT_MATCH);
        *p = was;
    }
}

static void the_published_trailer_verifies(void **state)
{
    (void)state;
    static const char *const signatures[] = {
        "b474d8862b1487a5145d686f57f013e54db672cee1c953b3010fb58501ef5aa2",
        "1c1344b170168f8e65b41376b44b20fe354e373826ccbbe2c1d40a8cae51e5c7",
        "2ca2aba2005185cf7159c6277faf83795951dd77a3a99e6e65d5c9f85863f992"};
    const char *const *lines = LINES(
        "Host: s3.amazonaws.com", DATE, "x-amz-storage-class: REDUCED_REDUNDANCY",
        "Content-Encoding: aws-chunked",
        "x-amz-content-sha256: STREAMING-AWS4-HMAC-SHA256-PAYLOAD-TRAILER",
        "x-amz-decoded-content-length: 66560", "x-amz-trailer: x-amz-checksum-crc32c",
        "Content-Length: 67000",
        AUTH("content-encoding;host;x-amz-content-sha256;x-amz-date;x-amz-decoded-content-length;"
             "x-amz-storage-class;x-amz-trailer",
             "106e2a8a18243abcf37539882f36619c00e2dfc72633413f02d3b74544bfeb8e"));
#define TRAILER_SIG                                                                                \
    "x-amz-trailer-signature:d81f82fc3505edab99d459891051a732e8730629a2e4a59689829ca17fe2e435"
    static const struct {
        const char *tail;
        enum s3err want;
    } tails[] = {
        {"x-amz-checksum-crc32c:sOO8/Q==\r\n" TRAILER_SIG "\r\n\r\n", S3ERR_OK},
        {"x-amz-checksum-crc32c:sOO8/Q==\n\r\n" TRAILER_SIG "\r\n\r\n", S3ERR_OK}, /* minio-go */
        {"X-Amz-Checksum-Crc32c: sOO8/Q== \r\n" TRAILER_SIG, S3ERR_OK},
        {"x-amz-checksum-crc32c:sOO8/Q==\r\n" TRAILER_SIG "0\r\n\r\n",
         S3ERR_SIGNATURE_DOES_NOT_MATCH},
        {"x-amz-checksum-crc32c:sOO9/Q==\r\n" TRAILER_SIG "\r\n\r\n",
         S3ERR_SIGNATURE_DOES_NOT_MATCH},
        {"x-amz-checksum-crc32c:sOO8/Q==\r\n\r\n", S3ERR_SIGNATURE_DOES_NOT_MATCH},
        {"\r\n", S3ERR_MALFORMED_TRAILER_ERROR},
    };
    for (size_t i = 0; i < ARRAY_LEN(tails); i++) {
        struct sink s;
        AUTO(buf_free) struct buf wire = BUF(1 << 20);
        chunked_wire(&wire, signatures, tails[i].tail);
        enum s3err e = verdict("PUT", "/examplebucket/chunkObject.txt", lines);
        if (e)
            fail_msg("%s\n" STR_F, code(e), STR_A(extra("CanonicalRequest")));
        e = push_all(buf_str(&wire), 1000, &s);
        if (e != tails[i].want)
            fail_msg("row %zu: %s", i, code(e));
    }
}

int main(void)
{
    memset(aaa, 'a', sizeof(aaa));
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_published_chunks_verify_however_they_are_cut),
        cmocka_unit_test(a_changed_byte_or_signature_is_refused),
        cmocka_unit_test(the_published_trailer_verifies),
    };
    return cmocka_run_group_tests(tests, NULL, done);
}
