/* SPDX-License-Identifier: Apache-2.0 */
/* Handlers of object level and the lists, on the memory index. */
#include "tests/lib/s3_fixture.h"

static void begin(struct fixture *f)
{
    setup(f);
    assert_int_equal(call(f, "alice", "PUT", "/mine", NULL, NULL), S3ERR_OK);
}

static size_t count_at(const struct fixture *f, const char *name)
{
    return s3_node_count(f->xml, name);
}

/* --- lists --- */

static void keys_come_in_byte_order_with_common_prefixes(void **state)
{
    (void)state;
    AUTO(teardown) struct fixture f;
    begin(&f);
    static const char *const keys[] = {"a/1", "a/2", "b", "foo+1/x", "foo/x", "z/", " blank"};
    for (size_t i = 0; i < ARRAY_LEN(keys); i++)
        have_object(&f, "mine", keys[i], i);
    assert_int_equal(call(&f, "alice", "GET", "/mine?delimiter=/", NULL, NULL), S3ERR_OK);
    assert_string_equal(shown(f.xml->name), "ListBucketResult");
    assert_text(&f, "Contents/Key", " blank");
    assert_int_equal(count_at(&f, "Contents"), 2);
    assert_int_equal(count_at(&f, "CommonPrefixes"), 4);
    assert_text(&f, "CommonPrefixes/Prefix", "a/");
    assert_text(&f, "IsTruncated", "false");
    assert_text(&f, "Contents/Owner/DisplayName", "Alice");
    assert_text(&f, "Contents/StorageClass", "STANDARD");
    have_object(&f, "mine", "ctl\x01", 1); /* only encoded: no XML 1.0 document can hold it */
    assert_int_equal(call(&f, "alice", "GET", "/mine?prefix=ctl&encoding-type=url", NULL, NULL),
                     S3ERR_OK);
    assert_text(&f, "Contents/Key", "ctl%01");
    assert_text(&f, "EncodingType", "url");
}

static void pages_are_exact(void **state)
{
    (void)state;
    AUTO(teardown) struct fixture f;
    begin(&f);
    static const char *const keys[] = {"a/1", "a/2", "b", "c"};
    for (size_t i = 0; i < ARRAY_LEN(keys); i++)
        have_object(&f, "mine", keys[i], 1);
    assert_int_equal(
        call(&f, "alice", "GET", "/mine?list-type=2&delimiter=/&max-keys=1", NULL, NULL), S3ERR_OK);
    assert_text(&f, "CommonPrefixes/Prefix", "a/");
    assert_text(&f, "IsTruncated", "true");
    assert_text(&f, "KeyCount", "1");
    assert_null(text_at(&f, "Contents/Owner").p);
    char next[256];
    snprintf(next, sizeof(next),
             "/mine?list-type=2&delimiter=/&max-keys=2&fetch-owner=true&continuation-token=%s",
             shown(text_at(&f, "NextContinuationToken")));
    assert_int_equal(call(&f, "alice", "GET", next, NULL, NULL), S3ERR_OK);
    assert_text(&f, "Contents/Key", "b");
    assert_int_equal(count_at(&f, "Contents"), 2);
    assert_text(&f, "IsTruncated", "false"); /* ends exactly here */
    assert_null(text_at(&f, "NextContinuationToken").p);
    assert_text(&f, "Contents/Owner/ID", "alice-id");
    assert_int_equal(call(&f, "alice", "GET", "/mine?max-keys=0", NULL, NULL), S3ERR_OK);
    assert_text(&f, "IsTruncated", "false");
    assert_int_equal(count_at(&f, "Contents"), 0);
    assert_int_equal(call(&f, "alice", "GET", "/mine?max-keys=2&marker=a/1", NULL, NULL), S3ERR_OK);
    assert_text(&f, "Contents/Key", "a/2");
    assert_text(&f, "Marker", "a/1");
    assert_text(&f, "IsTruncated", "true");
    assert_null(text_at(&f, "NextMarker").p); /* only with a delimiter */
    assert_int_equal(call(&f, "alice", "GET", "/mine?max-keys=5000", NULL, NULL), S3ERR_OK);
    assert_text(&f, "MaxKeys", "1000");
}

static void bad_list_parameters_are_refused(void **state)
{
    (void)state;
    AUTO(teardown) struct fixture f;
    begin(&f);
    static const char *const bad[] = {"/mine?max-keys=-1",
                                      "/mine?max-keys=x",
                                      "/mine?max-keys=2147483648",
                                      "/mine?encoding-type=base64",
                                      "/mine?list-type=1",
                                      "/mine?list-type=2&continuation-token=",
                                      "/mine?list-type=2&continuation-token=AAAA",
                                      "/mine?versions&version-id-marker=null",
                                      "/mine?versions&key-marker=a&version-id-marker=junk",
                                      "/mine?uploads&key-marker=a&upload-id-marker=junk",
                                      "/mine?uploads&max-uploads=x"};
    for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
        if (call(&f, "alice", "GET", bad[i], NULL, NULL) != S3ERR_INVALID_ARGUMENT)
            print_error("%s\n", bad[i]);
        assert_int_equal(f.e, S3ERR_INVALID_ARGUMENT);
    }
    assert_int_equal(call(&f, "alice", "GET", "/mine?max-keys=&encoding-type=", NULL, NULL),
                     S3ERR_OK);
}

static void versions_of_a_bucket_that_has_none(void **state)
{
    (void)state;
    AUTO(teardown) struct fixture f;
    begin(&f);
    have_object(&f, "mine", "a", 1);
    have_object(&f, "mine", "b", 1);
    assert_int_equal(call(&f, "alice", "GET", "/mine?versions&max-keys=1", NULL, NULL), S3ERR_OK);
    assert_string_equal(shown(f.xml->name), "ListVersionsResult");
    assert_text(&f, "Version/Key", "a");
    assert_text(&f, "Version/VersionId", "null");
    assert_text(&f, "Version/IsLatest", "true");
    assert_text(&f, "NextKeyMarker", "a");
    assert_text(&f, "NextVersionIdMarker", "null");
    assert_int_equal(
        call(&f, "alice", "GET", "/mine?versions&key-marker=a&version-id-marker=null", NULL, NULL),
        S3ERR_OK);
    assert_text(&f, "Version/Key", "b");
    assert_text(&f, "IsTruncated", "false");
}

/* --- deleting --- */

static void deleting_is_success_whether_it_was_there_or_not(void **state)
{
    (void)state;
    AUTO(teardown) struct fixture f;
    begin(&f);
    have_object(&f, "mine", "k", 3);
    size_t notes = fake_dfs.n;
    assert_int_equal(call(&f, "alice", "DELETE", "/mine/k", NULL, NULL), S3ERR_OK);
    assert_int_equal(f.q.resp.status, 204);
    assert_int_equal(fake_dfs.n, notes + 1);
    assert_int_equal(fake_dfs.notes[notes].kind, S3_DESC_GONE);
    assert_int_equal(call(&f, "alice", "DELETE", "/mine/k", NULL, NULL), S3ERR_OK);
    assert_int_equal(fake_dfs.n, notes + 1); /* nothing to note */
    assert_int_equal(call(&f, "alice", "GET", "/mine", NULL, NULL), S3ERR_OK);
    assert_int_equal(count_at(&f, "Contents"), 0);
}

static void deletes_obey_conditions(void **state)
{
    (void)state;
    AUTO(teardown) struct fixture f;
    begin(&f);
    have_object(&f, "mine", "k", 0);
    assert_int_equal(call(&f, "alice", "DELETE", "/mine/k",
                          "If-Match: \"0123456789abcdef0123456789abcdef\"", NULL),
                     S3ERR_PRECONDITION_FAILED);
    assert_string_equal(shown(extra(&f, "Condition")), "If-Match");
    assert_int_equal(call(&f, "alice", "DELETE", "/mine/none", "If-Match: *", NULL),
                     S3ERR_NO_SUCH_KEY);
    assert_int_equal(call(&f, "alice", "DELETE", "/mine/k?versionId=null", "If-Match: *", NULL),
                     S3ERR_NOT_IMPLEMENTED);
    assert_int_equal(call(&f, "alice", "DELETE", "/mine/k", "x-amz-if-match-size: 3", NULL),
                     S3ERR_NOT_IMPLEMENTED);
    assert_int_equal(call(&f, "alice", "DELETE", "/mine/k?versionId=junk", NULL, NULL),
                     S3ERR_INVALID_ARGUMENT);
    assert_int_equal(call(&f, "alice", "DELETE", "/mine/k?versionId=00000000000000ff", NULL, NULL),
                     S3ERR_OK);
    assert_int_equal(call(&f, "alice", "GET", "/mine", NULL, NULL), S3ERR_OK);
    assert_int_equal(count_at(&f, "Contents"), 1);
    assert_int_equal(
        call(&f, "alice", "DELETE", "/mine/k", "If-Match: d41d8cd98f00b204e9800998ecf8427e", NULL),
        S3ERR_OK);
}

#define MD5 "Content-MD5: 1B2M2Y8AsgTpgAmY7PhCfg=="

static void many_are_deleted_key_by_key(void **state)
{
    (void)state;
    AUTO(teardown) struct fixture f;
    begin(&f);
    static const char *const keys[] = {"a", " b ", "c", "d"};
    for (size_t i = 0; i < ARRAY_LEN(keys); i++)
        have_object(&f, "mine", keys[i], 1);
    static const char body[] =
        "<Delete><Object><Key>a</Key></Object><Object><Key> b "
        "</Key><Size>1</Size><Unknown/></Object>"
        "<Object><Key>missing</Key></Object><Object><Key>a</Key></Object>"
        "<Object><Key>c</Key><ETag>\"0123456789abcdef0123456789abcdef\"</ETag></Object></Delete>";
    assert_int_equal(call(&f, "alice", "POST", "/mine?delete", NULL, body),
                     S3ERR_INVALID_REQUEST); /* no digest */
    assert_int_equal(call(&f, "alice", "POST", "/mine?delete", MD5, body), S3ERR_OK);
    assert_int_equal(count_at(&f, "Deleted"), 4);
    assert_int_equal(count_at(&f, "Error"), 1);
    assert_text(&f, "Error/Key", "c");
    assert_text(&f, "Error/Code", "PreconditionFailed");
    assert_int_equal(call(&f, "alice", "GET", "/mine", NULL, NULL), S3ERR_OK);
    assert_int_equal(count_at(&f, "Contents"), 2);
    assert_int_equal(call(&f, "alice", "POST", "/mine?delete", "x-amz-checksum-crc32: AAAAAA==",
                          "<Delete><Quiet>true</Quiet><Object><Key>c</Key></Object></Delete>"),
                     S3ERR_OK);
    assert_null(f.xml->child);
    assert_int_equal(call(&f, "bob", "POST", "/mine?delete", MD5,
                          "<Delete><Object><Key>d</Key></Object></Delete>"),
                     S3ERR_OK);
    assert_text(&f, "Error/Code", "AccessDenied");
}

static void bad_deletions_are_refused_whole(void **state)
{
    (void)state;
    AUTO(teardown) struct fixture f;
    begin(&f);
    static const char *const bad[] = {
        "",
        "<Delete/>",
        "<Delete><Object/></Delete>",
        "<Delete><Object><Key></Key></Object></Delete>",
        "<Delete><Object><Key>k</Key><Size>few</Size></Object></Delete>",
        "<Delete><Object><Key>k</Key><LastModifiedTime>soon"
        "</LastModifiedTime></Object></Delete>",
        "<Delete><Object><Key>a</Key><Key>b</Key></Object></Delete>",
        "<Delete><Object><Key>a</Key></Object><Quiet>x</Quiet>"
        "</Delete>",
        "<Other/>",
        "<Delete>"};
    for (size_t i = 0; i < ARRAY_LEN(bad); i++)
        assert_int_equal(call(&f, "alice", "POST", "/mine?delete", MD5, bad[i]),
                         S3ERR_MALFORMED_XML);
    AUTO(buf_free) struct buf many = BUF(1 << 20);
    buf_adds(&many, STR("<Delete>"));
    for (int i = 0; i < 1001; i++)
        buf_addf(&many, "<Object><Key>%d</Key></Object>", i);
    buf_adds(&many, STR("</Delete>"));
    buf_addc(&many, '\0');
    assert_int_equal(call(&f, "alice", "POST", "/mine?delete", MD5, many.p), S3ERR_MALFORMED_XML);
}

static void a_thousand_deletions_fit_in_one_request(void **state)
{
    (void)state;
    AUTO(teardown) struct fixture f;
    begin(&f);
    AUTO(buf_free) struct buf many = BUF(1 << 20);
    buf_adds(&many, STR("<Delete>"));
    for (int i = 0; i < 1000; i++) {
        char key[16];
        snprintf(key, sizeof(key), "k%03d", i);
        have_object(&f, "mine", key, 0);
        buf_addf(&many, "<Object><Key>%s</Key></Object>", key);
    }
    buf_adds(&many, STR("</Delete>"));
    buf_addc(&many, '\0');
    assert_int_equal(call(&f, "alice", "POST", "/mine?delete", MD5, many.p), S3ERR_OK);
    assert_int_equal(count_at(&f, "Deleted"), 1000);
    assert_int_equal(call(&f, "alice", "DELETE", "/mine", NULL, NULL), S3ERR_OK);
}

/* --- copying --- */

static void a_copy_reads_and_writes_no_data(void **state)
{
    (void)state;
    AUTO(teardown) struct fixture f;
    begin(&f);
    have_object(&f, "mine", "a b", 1000);
    assert_int_equal(call(&f, "alice", "PUT", "/mine/copy", "x-amz-copy-source: /mine/a%20b", NULL),
                     S3ERR_OK);
    assert_string_equal(shown(f.xml->name), "CopyObjectResult");
    assert_int_equal(fake_dfs.bytes_read, 0);
    assert_int_equal(call(&f, "alice", "DELETE", "/mine/a%20b", NULL, NULL), S3ERR_OK);
    assert_int_equal(call(&f, "alice", "GET", "/mine/copy?attributes",
                          "x-amz-object-attributes: ETag,ObjectSize", NULL),
                     S3ERR_OK);
    assert_text(&f, "ObjectSize", "1000");
}

static void what_copies_are_refused(void **state)
{
    (void)state;
    static const struct {
        const char *headers;
        enum s3err e;
    } rows[] = {
        {"x-amz-copy-source: mine/k", S3ERR_OK},
        {"x-amz-copy-source: /mine/k?versionId=null", S3ERR_OK},
        {"x-amz-copy-source: nothing", S3ERR_INVALID_ARGUMENT},
        {"x-amz-copy-source: /mine/", S3ERR_INVALID_ARGUMENT},
        {"x-amz-copy-source: /mine/%zz", S3ERR_INVALID_ARGUMENT},
        {"x-amz-copy-source: /nobody/k", S3ERR_NO_SUCH_BUCKET},
        {"x-amz-copy-source: /mine/none", S3ERR_NO_SUCH_KEY},
        {"x-amz-copy-source: /mine/k?versionId=00000000000000ff", S3ERR_NO_SUCH_VERSION},
        {"x-amz-copy-source: /mine/k?versionId=junk", S3ERR_INVALID_ARGUMENT},
        {"x-amz-copy-source: /bobs/k", S3ERR_ACCESS_DENIED},
        {"x-amz-copy-source: /mine/k\nx-amz-copy-source-if-match: "
         "\"0123456789abcdef0123456789abcdef\"",
         S3ERR_PRECONDITION_FAILED},
        {"x-amz-copy-source: /mine/k\nx-amz-copy-source-if-none-match: *",
         S3ERR_PRECONDITION_FAILED},
        {"x-amz-copy-source: /mine/k\nx-amz-metadata-directive: WHAT", S3ERR_INVALID_ARGUMENT},
        {"x-amz-copy-source: /mine/k\nx-amz-tagging-directive: WHAT", S3ERR_INVALID_ARGUMENT},
        {"x-amz-copy-source: /mine/k\nx-amz-checksum-algorithm: MD2", S3ERR_INVALID_REQUEST},
        {"x-amz-copy-source: /mine/k\nx-amz-storage-class: COLD", S3ERR_INVALID_STORAGE_CLASS},
        {"x-amz-copy-source: /mine/k\nx-amz-server-side-encryption: AES256", S3ERR_NOT_IMPLEMENTED},
        {"x-amz-copy-source: /mine/k\nIf-None-Match: \"abc\"", S3ERR_NOT_IMPLEMENTED},
        {"x-amz-copy-source: /mine/k\nx-amz-source-expected-bucket-owner: bob-id",
         S3ERR_ACCESS_DENIED},
        {"x-amz-copy-source: arn:aws:s3:us-east-1:1:accesspoint/x/object/k", S3ERR_NOT_IMPLEMENTED},
    };
    AUTO(teardown) struct fixture f;
    begin(&f);
    assert_int_equal(call(&f, "bob", "PUT", "/bobs", NULL, NULL), S3ERR_OK);
    have_object(&f, "bobs", "k", 1);
    have_object(&f, "mine", "k", 1);
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        enum s3err e = call(&f, "alice", "PUT", "/mine/to", rows[i].headers, NULL);
        if (e != rows[i].e)
            print_error("row %zu: %s\n", i, rows[i].headers);
        assert_int_equal(e, rows[i].e);
    }
    assert_int_equal(
        call(&f, "alice", "PUT", "/mine/to", "x-amz-copy-source: /mine/k\nIf-None-Match: *", NULL),
        S3ERR_PRECONDITION_FAILED);
}

static void onto_itself_something_must_change(void **state)
{
    (void)state;
    AUTO(teardown) struct fixture f;
    begin(&f);
    have_object(&f, "mine", "k", 10);
    assert_int_equal(call(&f, "alice", "PUT", "/mine/k", "x-amz-copy-source: /mine/k", NULL),
                     S3ERR_INVALID_REQUEST);
    assert_int_equal(
        call(&f, "alice", "PUT", "/mine/k",
             "x-amz-copy-source: /mine/k\nx-amz-metadata-directive: REPLACE\nx-amz-meta-a: 1\n"
             "Content-Type: text/html",
             NULL),
        S3ERR_OK);
    assert_int_equal(call(&f, "alice", "HEAD", "/mine/k", NULL, NULL), S3ERR_OK);
    assert_string_equal(shown(answered(&f, "Content-Type")), "text/html");
    assert_string_equal(shown(answered(&f, "x-amz-meta-a")), "1");
    assert_int_equal(f.q.resp.body_length, 10);
    assert_int_equal(call(&f, "alice", "PUT", "/mine/k",
                          "x-amz-copy-source: /mine/k\nx-amz-storage-class: STANDARD_IA", NULL),
                     S3ERR_OK);
    assert_int_equal(call(&f, "alice", "HEAD", "/mine/k", NULL, NULL), S3ERR_OK);
    assert_string_equal(shown(answered(&f, "x-amz-storage-class")), "STANDARD_IA");
    assert_string_equal(shown(answered(&f, "x-amz-meta-a")), "1"); /* kept this time */
}

static void another_checksum_is_computed_for_a_copy(void **state)
{
    (void)state;
    AUTO(teardown) struct fixture f;
    begin(&f);
    have_object(&f, "mine", "k", 100000);
    assert_int_equal(call(&f, "alice", "PUT", "/mine/to",
                          "x-amz-copy-source: /mine/k\nx-amz-checksum-algorithm: SHA256", NULL),
                     S3ERR_OK);
    assert_int_equal(fake_dfs.bytes_read, 100000);
    assert_int_equal(text_at(&f, "ChecksumSHA256").n, 44);
    assert_text(&f, "ChecksumType", "FULL_OBJECT");
    assert_int_equal(call(&f, "alice", "HEAD", "/mine/to", "x-amz-checksum-mode: ENABLED", NULL),
                     S3ERR_OK);
    assert_int_equal(answered(&f, "x-amz-checksum-sha256").n, 44);
}

/* --- tags, attributes --- */

#define TAGGING(x) "<Tagging><TagSet>" x "</TagSet></Tagging>"

static void tags_change_neither_etag_nor_time(void **state)
{
    (void)state;
    AUTO(teardown) struct fixture f;
    begin(&f);
    have_object(&f, "mine", "k", 1);
    assert_int_equal(call(&f, "alice", "HEAD", "/mine/k", NULL, NULL), S3ERR_OK);
    char before[64];
    snprintf(before, sizeof(before), "%s", shown(answered(&f, "Last-Modified")));
    assert_int_equal(call(&f, "alice", "GET", "/mine/k?tagging", NULL, NULL), S3ERR_OK);
    assert_non_null(s3_node_child(f.xml, "TagSet"));
    assert_int_equal(call(&f, "alice", "PUT", "/mine/k?tagging", NULL,
                          TAGGING("<Tag><Key>a</Key><Value>1 2</Value></Tag>")),
                     S3ERR_OK);
    assert_int_equal(call(&f, "alice", "HEAD", "/mine/k", NULL, NULL), S3ERR_OK);
    assert_string_equal(shown(answered(&f, "Last-Modified")), before);
    assert_string_equal(shown(answered(&f, "x-amz-tagging-count")), "1");
    assert_int_equal(call(&f, "alice", "GET", "/mine/k?tagging", NULL, NULL), S3ERR_OK);
    assert_text(&f, "TagSet/Tag/Value", "1 2");
    assert_int_equal(call(&f, "alice", "PUT", "/mine/to", "x-amz-copy-source: /mine/k", NULL),
                     S3ERR_OK);
    assert_int_equal(call(&f, "alice", "GET", "/mine/to?tagging", NULL, NULL), S3ERR_OK);
    assert_text(&f, "TagSet/Tag/Key", "a");
    assert_int_equal(
        call(&f, "alice", "PUT", "/mine/to",
             "x-amz-copy-source: /mine/k\nx-amz-tagging-directive: REPLACE\nx-amz-tagging: b=2",
             NULL),
        S3ERR_OK);
    assert_int_equal(call(&f, "alice", "GET", "/mine/to?tagging", NULL, NULL), S3ERR_OK);
    assert_text(&f, "TagSet/Tag/Key", "b");
    assert_int_equal(call(&f, "alice", "DELETE", "/mine/k?tagging", NULL, NULL), S3ERR_OK);
    assert_int_equal(f.q.resp.status, 204);
    assert_int_equal(call(&f, "alice", "GET", "/mine/k?tagging", NULL, NULL), S3ERR_OK);
    assert_null(text_at(&f, "TagSet/Tag").p);
    assert_int_equal(call(&f, "alice", "GET", "/mine/none?tagging", NULL, NULL), S3ERR_NO_SUCH_KEY);
    assert_int_equal(
        call(&f, "alice", "GET", "/mine/k?tagging&versionId=00000000000000ff", NULL, NULL),
        S3ERR_NO_SUCH_VERSION);
}

static void only_the_attributes_asked_for_are_answered(void **state)
{
    (void)state;
    AUTO(teardown) struct fixture f;
    begin(&f);
    have_object(&f, "mine", "k", 0);
    assert_int_equal(call(&f, "alice", "GET", "/mine/k?attributes", NULL, NULL),
                     S3ERR_INVALID_REQUEST);
    assert_int_equal(
        call(&f, "alice", "GET", "/mine/k?attributes", "x-amz-object-attributes: Colour", NULL),
        S3ERR_INVALID_ARGUMENT);
    assert_int_equal(call(&f, "alice", "GET", "/mine/k?attributes",
                          "x-amz-object-attributes: ETag\nx-amz-object-attributes: StorageClass",
                          NULL),
                     S3ERR_OK);
    assert_text(&f, "ETag", "d41d8cd98f00b204e9800998ecf8427e"); /* no quotes here */
    assert_text(&f, "StorageClass", "STANDARD");
    assert_null(text_at(&f, "ObjectSize").p);
    static const struct {
        const char *headers;
        enum s3err e;
    } conditions[] = {
        {"If-Match: \"x\"", S3ERR_PRECONDITION_FAILED},
        {"If-Match: *", S3ERR_OK},
        {"If-None-Match: \"d41d8cd98f00b204e9800998ecf8427e\"", S3ERR_NOT_MODIFIED},
        {"If-None-Match: \"x\"", S3ERR_OK},
        {"If-Unmodified-Since: Mon, 01 Jan 2001 00:00:00 GMT", S3ERR_PRECONDITION_FAILED}};
    for (size_t i = 0; i < ARRAY_LEN(conditions); i++) {
        char headers[200];
        snprintf(headers, sizeof(headers), "x-amz-object-attributes: ETag\n%s",
                 conditions[i].headers);
        assert_int_equal(call(&f, "alice", "GET", "/mine/k?attributes", headers, NULL),
                         conditions[i].e);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(keys_come_in_byte_order_with_common_prefixes),
        cmocka_unit_test(pages_are_exact),
        cmocka_unit_test(bad_list_parameters_are_refused),
        cmocka_unit_test(versions_of_a_bucket_that_has_none),
        cmocka_unit_test(deleting_is_success_whether_it_was_there_or_not),
        cmocka_unit_test(deletes_obey_conditions),
        cmocka_unit_test(many_are_deleted_key_by_key),
        cmocka_unit_test(bad_deletions_are_refused_whole),
        cmocka_unit_test(a_thousand_deletions_fit_in_one_request),
        cmocka_unit_test(a_copy_reads_and_writes_no_data),
        cmocka_unit_test(what_copies_are_refused),
        cmocka_unit_test(onto_itself_something_must_change),
        cmocka_unit_test(another_checksum_is_computed_for_a_copy),
        cmocka_unit_test(tags_change_neither_etag_nor_time),
        cmocka_unit_test(only_the_attributes_asked_for_are_answered),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
