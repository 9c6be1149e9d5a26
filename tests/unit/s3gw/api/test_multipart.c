/* SPDX-License-Identifier: Apache-2.0 */
/* Multipart uploads from create to complete, on the memory index. */
#include "tests/lib/s3_fixture.h"

enum { MIB = 1024 * 1024 };

static char id[40]; /* of the upload begun last */
static char target[256];

static const char *at(const char *query)
{
    snprintf(target, sizeof(target), "/mine/k?uploadId=%s%s", id, query);
    return target;
}

static void begin(struct fixture *f, const char *headers)
{
    setup(f);
    assert_int_equal(call(f, "alice", "PUT", "/mine", NULL, NULL), S3ERR_OK);
    assert_int_equal(call(f, "alice", "POST", "/mine/k?uploads", headers, NULL), S3ERR_OK);
    assert_text(f, "Bucket", "mine");
    assert_text(f, "Key", "k");
    snprintf(id, sizeof(id), "%s", shown(text_at(f, "UploadId")));
}

/* Part @number, cut from an object of that size; the ETag stays in @etag. */
static void have_part(struct fixture *f, unsigned number, uint64_t size, char etag[64])
{
    char query[64];
    have_object(f, "mine", "source", size);
    snprintf(query, sizeof(query), "&partNumber=%u", number);
    assert_int_equal(call(f, "alice", "PUT", at(query), "x-amz-copy-source: /mine/source", NULL),
                     S3ERR_OK);
    snprintf(etag, 64, "%s", shown(text_at(f, "ETag")));
}

static enum s3err complete(struct fixture *f, const char *headers, const char *parts)
{
    static char body[4096];
    snprintf(body, sizeof(body), "<CompleteMultipartUpload>%s</CompleteMultipartUpload>", parts);
    return call(f, "alice", "POST", at(""), headers, body);
}

static const char *part(unsigned number, const char *etag, const char *more)
{
    static char text[8][300];
    static unsigned n;
    char *out = text[n++ % 8];
    snprintf(out, sizeof(text[0]), "<Part><PartNumber>%u</PartNumber><ETag>%s</ETag>%s</Part>",
             number, etag, more);
    return out;
}

static const char *both(const char *a, const char *b)
{
    static char text[1024];
    snprintf(text, sizeof(text), "%s%s", a, b);
    return text;
}

static void parts_become_an_object(void **state)
{
    (void)state;
    AUTO(teardown) struct fixture f;
    begin(&f, "x-amz-meta-colour: red\nContent-Type: image/png");
    char one[64], two[64];
    have_part(&f, 3, 5 * MIB, one);
    have_part(&f, 7, 10, two);
    assert_int_equal(complete(&f, NULL, both(part(3, one, ""), part(7, two, ""))), S3ERR_OK);
    assert_string_equal(shown(f.xml->name), "CompleteMultipartUploadResult");
    assert_text(&f, "Location", "http://localhost:9000/mine/k");
    assert_true(str_ends(text_at(&f, "ETag"), STR("-2\"")));
    assert_int_equal(text_at(&f, "ChecksumCRC64NVME").n, 12);
    assert_text(&f, "ChecksumType", "FULL_OBJECT");
    char first[256];
    snprintf(first, sizeof(first), "%s", shown(text_at(&f, "ETag")));
    /* the retry of a client whose connection broke */
    assert_int_equal(complete(&f, NULL, both(part(3, one, ""), part(7, two, ""))), S3ERR_OK);
    assert_text(&f, "ETag", first);
    assert_int_equal(call(&f, "alice", "HEAD", "/mine/k", NULL, NULL), S3ERR_OK);
    assert_int_equal(f.q.resp.body_length, 5 * MIB + 10);
    assert_string_equal(shown(answered(&f, "x-amz-meta-colour")), "red");
    assert_string_equal(shown(answered(&f, "Content-Type")), "image/png");
    assert_int_equal(call(&f, "alice", "GET", "/mine/k?attributes",
                          "x-amz-object-attributes: ObjectParts", NULL),
                     S3ERR_OK);
    assert_text(&f, "ObjectParts/PartsCount", "2");
    assert_int_equal(call(&f, "alice", "DELETE", at(""), NULL, NULL),
                     S3ERR_OK); /* abort after complete: as AWS */
    have_object(&f, "mine", "k", 1);
    assert_int_equal(complete(&f, NULL, both(part(3, one, ""), part(7, two, ""))),
                     S3ERR_NO_SUCH_UPLOAD);
}

static void lists_that_are_refused(void **state)
{
    (void)state;
    AUTO(teardown) struct fixture f;
    begin(&f, NULL);
    char small[64], last[64];
    have_part(&f, 1, 1000, small);
    have_part(&f, 2, 10, last);
    const char *other = "\"0123456789abcdef0123456789abcdef\"";
    const struct {
        const char *parts;
        enum s3err e;
    } rows[] = {
        {"", S3ERR_MALFORMED_XML},
        {"<Part/>", S3ERR_MALFORMED_XML},
        {"<Part><PartNumber>1</PartNumber></Part>", S3ERR_MALFORMED_XML},
        {"<Part><PartNumber>x</PartNumber><ETag>a</ETag></Part>", S3ERR_MALFORMED_XML},
        {part(0, last, ""), S3ERR_INVALID_ARGUMENT},
        {"<Part><PartNumber>-1</PartNumber><ETag>a</ETag></Part>", S3ERR_INVALID_ARGUMENT},
        {part(10001, last, ""), S3ERR_INVALID_ARGUMENT},
        {part(2, other, ""), S3ERR_INVALID_PART},
        {part(3, last, ""), S3ERR_INVALID_PART},
        {part(2, "junk", ""), S3ERR_INVALID_PART},
    };
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        enum s3err e = complete(&f, NULL, rows[i].parts);
        if (e != rows[i].e)
            print_error("row %zu\n", i);
        assert_int_equal(e, rows[i].e);
    }
    assert_int_equal(complete(&f, NULL, both(part(2, last, ""), part(1, small, ""))),
                     S3ERR_INVALID_PART_ORDER);
    assert_int_equal(complete(&f, NULL, both(part(2, last, ""), part(2, last, ""))),
                     S3ERR_INVALID_PART_ORDER);
    assert_int_equal(complete(&f, NULL, both(part(1, small, ""), part(9, last, ""))),
                     S3ERR_INVALID_PART);
    assert_int_equal(complete(&f, NULL, both(part(1, small, ""), part(2, last, ""))),
                     S3ERR_ENTITY_TOO_SMALL);
    assert_string_equal(shown(extra(&f, "ProposedSize")), "1000");
    assert_string_equal(shown(extra(&f, "PartNumber")), "1");
    assert_int_equal(complete(&f, "x-amz-mp-object-size: 11", part(2, last, "")),
                     S3ERR_INVALID_REQUEST);
    assert_int_equal(complete(&f, "x-amz-checksum-crc64nvme: AAAAAAAAAAA=", part(2, last, "")),
                     S3ERR_BAD_DIGEST);
    assert_int_equal(complete(&f, "x-amz-checksum-type: COMPOSITE", part(2, last, "")),
                     S3ERR_INVALID_REQUEST);
    assert_int_equal(complete(&f, "If-Match: *", part(2, last, "")), S3ERR_NO_SUCH_KEY);
    /* unlisted parts are dropped; the last may be small */
    assert_int_equal(complete(&f, "If-None-Match: *\nx-amz-mp-object-size: 10", part(2, last, "")),
                     S3ERR_OK);
}

static void a_condition_that_fails_leaves_the_upload(void **state)
{
    (void)state;
    AUTO(teardown) struct fixture f;
    begin(&f, NULL);
    char etag[64];
    have_part(&f, 1, 10, etag);
    have_object(&f, "mine", "k", 1);
    assert_int_equal(complete(&f, "If-None-Match: *", part(1, etag, "")),
                     S3ERR_PRECONDITION_FAILED);
    assert_int_equal(fake_dfs.notes[fake_dfs.n - 1].kind, S3_DESC_VOID); /* it never was */
    assert_int_equal(complete(&f, "If-Match: *", part(1, etag, "")), S3ERR_OK);
}

static void a_composite_upload_wants_every_checksum(void **state)
{
    (void)state;
    AUTO(teardown) struct fixture f;
    begin(&f, "x-amz-checksum-algorithm: SHA256");
    assert_string_equal(shown(answered(&f, "x-amz-checksum-type")), "COMPOSITE");
    have_object(&f, "mine", "source", 100);
    assert_int_equal(
        call(&f, "alice", "PUT", at("&partNumber=1"), "x-amz-copy-source: /mine/source", NULL),
        S3ERR_OK);
    char etag[64], sum[128], wrong[128];
    snprintf(etag, sizeof(etag), "%s", shown(text_at(&f, "ETag")));
    snprintf(sum, sizeof(sum), "<ChecksumSHA256>%s</ChecksumSHA256>",
             shown(text_at(&f, "ChecksumSHA256")));
    snprintf(wrong, sizeof(wrong), "<ChecksumSHA256>%.43s=</ChecksumSHA256>",
             "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA");
    assert_int_equal(complete(&f, NULL, part(1, etag, "")), S3ERR_INVALID_REQUEST);
    assert_int_equal(complete(&f, NULL, part(1, etag, wrong)), S3ERR_INVALID_PART);
    assert_int_equal(complete(&f, NULL, part(1, etag, "<ChecksumSHA256>junk</ChecksumSHA256>")),
                     S3ERR_INVALID_ARGUMENT);
    assert_int_equal(complete(&f, NULL, part(1, etag, "<ChecksumCRC32>AAAAAA==</ChecksumCRC32>")),
                     S3ERR_BAD_DIGEST);
    assert_int_equal(complete(&f, NULL, part(1, etag, sum)), S3ERR_OK);
    assert_text(&f, "ChecksumType", "COMPOSITE");
    assert_true(str_ends(text_at(&f, "ChecksumSHA256"), STR("-1")));
    assert_int_equal(call(&f, "alice", "GET", "/mine/k?attributes",
                          "x-amz-object-attributes: Checksum,ObjectParts", NULL),
                     S3ERR_OK);
    assert_int_equal(text_at(&f, "Checksum/ChecksumSHA256").n, 44); /* without -1 */
    assert_text(&f, "ObjectParts/Part/Size", "100");
}

static void what_creation_refuses(void **state)
{
    (void)state;
    AUTO(teardown) struct fixture f;
    begin(&f, NULL);
    static const struct {
        const char *headers;
        enum s3err e;
    } rows[] = {
        {"x-amz-checksum-algorithm: CRC32", S3ERR_OK},
        {"x-amz-checksum-algorithm: crc32\nx-amz-checksum-type: full_object", S3ERR_OK},
        {"x-amz-checksum-algorithm: CRC64NVME", S3ERR_OK},
        {"x-amz-checksum-algorithm: CRC64NVME\nx-amz-checksum-type: COMPOSITE",
         S3ERR_INVALID_REQUEST},
        {"x-amz-checksum-algorithm: SHA1\nx-amz-checksum-type: FULL_OBJECT", S3ERR_INVALID_REQUEST},
        {"x-amz-checksum-algorithm: ADLER", S3ERR_INVALID_REQUEST},
        {"x-amz-checksum-type: COMPOSITE", S3ERR_INVALID_REQUEST},
        {"x-amz-storage-class: WHAT", S3ERR_INVALID_STORAGE_CLASS},
        {"x-amz-tagging: a=1&a=2", S3ERR_INVALID_ARGUMENT},
        {"x-amz-server-side-encryption: aws:kms", S3ERR_NOT_IMPLEMENTED},
        {"x-amz-object-lock-mode: GOVERNANCE", S3ERR_INVALID_ARGUMENT},
        {"x-amz-object-lock-legal-hold: ON", S3ERR_INVALID_REQUEST},
        {"x-amz-website-redirect-location: ftp://x", S3ERR_INVALID_REDIRECT_LOCATION},
    };
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        enum s3err e = call(&f, "alice", "POST", "/mine/k?uploads", rows[i].headers, NULL);
        if (e != rows[i].e)
            print_error("row %zu: %s\n", i, rows[i].headers);
        assert_int_equal(e, rows[i].e);
    }
}

static void part_copies_take_strict_ranges(void **state)
{
    (void)state;
    static const struct {
        const char *range;
        enum s3err e;
        uint64_t read;
    } rows[] = {
        {"bytes=0-9", S3ERR_OK, 10},
        {"bytes=90-99", S3ERR_OK, 10},
        {"bytes=0-99", S3ERR_OK, 100}, /* the whole: MD5 known, CRC64 not */
        {"bytes=90-100", S3ERR_INVALID_ARGUMENT, 0},
        {"bytes=5-4", S3ERR_INVALID_ARGUMENT, 0},
        {"bytes=5-", S3ERR_INVALID_ARGUMENT, 0},
        {"bytes=-5", S3ERR_INVALID_ARGUMENT, 0},
        {"0-9", S3ERR_INVALID_ARGUMENT, 0},
        {"bytes=0-99999999999999999999", S3ERR_INVALID_ARGUMENT, 0},
    };
    AUTO(teardown) struct fixture f;
    begin(&f, NULL);
    have_object(&f, "mine", "source", 100);
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        char headers[200];
        snprintf(headers, sizeof(headers),
                 "x-amz-copy-source: /mine/source\nx-amz-copy-source-range: %s", rows[i].range);
        fake_dfs.bytes_read = 0;
        enum s3err e = call(&f, "alice", "PUT", at("&partNumber=1"), headers, NULL);
        if (e != rows[i].e)
            print_error("row %zu: %s\n", i, rows[i].range);
        assert_int_equal(e, rows[i].e);
        assert_int_equal(fake_dfs.bytes_read, rows[i].read);
    }
    assert_int_equal(
        call(&f, "alice", "PUT", at("&partNumber=0"), "x-amz-copy-source: /mine/source", NULL),
        S3ERR_INVALID_ARGUMENT);
    assert_int_equal(
        call(&f, "alice", "PUT", at("&partNumber=10001"), "x-amz-copy-source: /mine/source", NULL),
        S3ERR_INVALID_ARGUMENT);
}

static void a_part_of_a_range_has_the_md5_of_those_bytes(void **state)
{
    (void)state;
    AUTO(teardown) struct fixture f;
    begin(&f, NULL);
    have_object(&f, "mine", "source", 5000);
    assert_int_equal(call(&f, "alice", "PUT", at("&partNumber=1"),
                          "x-amz-copy-source: /mine/source\nx-amz-copy-source-range: bytes=0-999",
                          NULL),
                     S3ERR_OK);
    struct s3_etag want = {0};
    pattern_md5(1000, want.md5);
    char text[S3_ETAG_TEXT_MAX];
    s3_etag_format(&want, text);
    assert_text(&f, "ETag", text);
}

static void parts_and_uploads_are_listed(void **state)
{
    (void)state;
    AUTO(teardown) struct fixture f;
    begin(&f, "x-amz-checksum-algorithm: CRC32");
    char etag[64];
    have_part(&f, 2, 20, etag);
    have_part(&f, 5, 50, etag);
    have_part(&f, 9, 90, etag);
    assert_int_equal(call(&f, "alice", "GET", at("&max-parts=2"), NULL, NULL), S3ERR_OK);
    assert_text(&f, "Part/PartNumber", "2");
    assert_text(&f, "Part/Size", "20");
    assert_int_equal(text_at(&f, "Part/ChecksumCRC32").n, 8);
    assert_text(&f, "NextPartNumberMarker", "5");
    assert_text(&f, "IsTruncated", "true");
    assert_text(&f, "Initiator/DisplayName", "Alice");
    assert_text(&f, "ChecksumAlgorithm", "CRC32");
    assert_int_equal(call(&f, "alice", "GET", at("&part-number-marker=5"), NULL, NULL), S3ERR_OK);
    assert_text(&f, "Part/PartNumber", "9");
    assert_text(&f, "IsTruncated", "false");
    assert_int_equal(call(&f, "alice", "GET", at("&max-parts=-1"), NULL, NULL),
                     S3ERR_INVALID_ARGUMENT);

    assert_int_equal(call(&f, "alice", "POST", "/mine/other/x?uploads", NULL, NULL), S3ERR_OK);
    assert_int_equal(call(&f, "alice", "GET", "/mine?uploads&delimiter=/", NULL, NULL), S3ERR_OK);
    assert_text(&f, "Upload/Key", "k");
    assert_text(&f, "Upload/UploadId", id);
    assert_text(&f, "CommonPrefixes/Prefix", "other/");
    assert_int_equal(call(&f, "alice", "GET", "/mine?uploads&max-uploads=1", NULL, NULL), S3ERR_OK);
    assert_text(&f, "NextKeyMarker", "k");
    assert_text(&f, "NextUploadIdMarker", id);
    assert_text(&f, "IsTruncated", "true");
}

static void an_aborted_upload_is_gone(void **state)
{
    (void)state;
    AUTO(teardown) struct fixture f;
    begin(&f, NULL);
    char etag[64];
    have_part(&f, 1, 10, etag);
    assert_int_equal(call(&f, "alice", "DELETE", at(""), NULL, NULL), S3ERR_OK);
    assert_int_equal(f.q.resp.status, 204);
    assert_int_equal(call(&f, "alice", "DELETE", at(""), NULL, NULL), S3ERR_NO_SUCH_UPLOAD);
    assert_int_equal(call(&f, "alice", "GET", at(""), NULL, NULL), S3ERR_NO_SUCH_UPLOAD);
    assert_int_equal(complete(&f, NULL, part(1, etag, "")), S3ERR_NO_SUCH_UPLOAD);
    assert_string_equal(shown(extra(&f, "UploadId")), id);
    assert_int_equal(
        call(&f, "alice", "PUT", at("&partNumber=1"), "x-amz-copy-source: /mine/source", NULL),
        S3ERR_NO_SUCH_UPLOAD);
    snprintf(id, sizeof(id), "junk");
    assert_int_equal(call(&f, "alice", "GET", at(""), NULL, NULL), S3ERR_NO_SUCH_UPLOAD);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(parts_become_an_object),
        cmocka_unit_test(lists_that_are_refused),
        cmocka_unit_test(a_condition_that_fails_leaves_the_upload),
        cmocka_unit_test(a_composite_upload_wants_every_checksum),
        cmocka_unit_test(what_creation_refuses),
        cmocka_unit_test(part_copies_take_strict_ranges),
        cmocka_unit_test(a_part_of_a_range_has_the_md5_of_those_bytes),
        cmocka_unit_test(parts_and_uploads_are_listed),
        cmocka_unit_test(an_aborted_upload_is_gone),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
