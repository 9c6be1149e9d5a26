/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/unit/s3gw/auth/ask.h"

/* --- SigV2: AWS's examples, the bucket "johnsmith" --- */

#define JOHN          "Host: johnsmith.s3.amazonaws.com"
#define V2(signature) "Authorization: AWS " AKID ":" signature
#define PUPPY         "bWq2s1WEIj+Ydj0vQ697zp+IXMU="

static const struct {
    const char *method, *target, *now;
    const char *lines[14];
    enum s3err want;
} v2[] = {
    {"GET",
     "/photos/puppy.jpg",
     "Tue, 27 Mar 2007 19:36:42 +0000",
     {JOHN, "Date: Tue, 27 Mar 2007 19:36:42 +0000", V2(PUPPY)},
     S3ERR_OK},
    {"PUT",
     "/photos/puppy.jpg",
     "Tue, 27 Mar 2007 21:15:45 +0000",
     {JOHN, "Content-Type: image/jpeg", "Content-Length: 94328",
      "Date: Tue, 27 Mar 2007 21:15:45 +0000", V2("MyyxeRY7whkBe+bq8fHCL/2kKUg=")},
     S3ERR_OK},
    {"GET",
     "/?prefix=photos&max-keys=50&marker=puppy",
     "Tue, 27 Mar 2007 19:42:41 +0000",
     {JOHN, "Date: Tue, 27 Mar 2007 19:42:41 +0000", V2("htDYFYduRNen8P9ZfE/s9SuKy0U=")},
     S3ERR_OK},
    {"GET",
     "/?acl",
     "Tue, 27 Mar 2007 19:44:46 +0000",
     {JOHN, "Date: Tue, 27 Mar 2007 19:44:46 +0000", V2("c2WLPFtWHVgbEmeEG93a4cG37dM=")},
     S3ERR_OK},
    {"PUT",
     "/db-backup.dat.gz",
     "Tue, 27 Mar 2007 21:06:08 +0000",
     {"Host: static.johnsmith.net:8080", "Date: Tue, 27 Mar 2007 21:06:08 +0000",
      "x-amz-acl: public-read", "content-type: application/x-download",
      "Content-MD5: 4gJE4saaMU4BqNR0kLY+lw==", "X-Amz-Meta-ReviewedBy: joe@johnsmith.net",
      "X-Amz-Meta-ReviewedBy: jane@johnsmith.net", "X-Amz-Meta-FileChecksum: 0x02661779",
      "X-Amz-Meta-ChecksumAlgorithm: crc32",
      "Content-Disposition: attachment; filename=database.dat", "Content-Encoding: gzip",
      "Content-Length: 5913339", V2("ilyl83RwaSoYIEdixDQcA4OnAnc=")},
     S3ERR_OK},
    {"GET",
     "/",
     "Wed, 28 Mar 2007 01:29:59 +0000",
     {"Host: s3.amazonaws.com", "Date: Wed, 28 Mar 2007 01:29:59 +0000",
      V2("qGdzdERIC03wnaRNKh6OqZehG9s=")},
     S3ERR_OK},
    {"GET",
     "/dictionary/fran%C3%A7ais/pr%c3%a9f%c3%a8re",
     "Wed, 28 Mar 2007 01:49:49 +0000",
     {"Host: s3.amazonaws.com", "Date: Wed, 28 Mar 2007 01:49:49 +0000",
      V2("DNEZGsoieTZ92F3bUfSPQcbGmlM=")},
     S3ERR_OK},
    {"GET",
     "/johnsmith", /* as AWS says */
     "Tue, 27 Mar 2007 19:36:42 +0000",
     {"Host: s3.amazonaws.com", "Date: Tue, 27 Mar 2007 19:36:42 +0000",
      V2("HrnXtwwdUGTqiWzRGQumh1Lc204=")},
     S3ERR_OK},
    {"GET",
     "/johnsmith", /* botocore signs it with a slash */
     "Tue, 27 Mar 2007 19:36:42 +0000",
     {"Host: s3.amazonaws.com", "Date: Tue, 27 Mar 2007 19:36:42 +0000",
      V2("a/jq+WTveTnEstSGGn7vpKDz+Vw=")},
     S3ERR_OK},
    {"GET",
     "/photos/puppy.jpg",
     "Tue, 27 Mar 2007 20:36:42 +0000",
     {JOHN, "Date: Tue, 27 Mar 2007 19:36:42 +0000", V2(PUPPY)},
     S3ERR_REQUEST_TIME_TOO_SKEWED},
    {"GET",
     "/photos/puppy.jpg",
     "Tue, 27 Mar 2007 19:36:42 +0000",
     {JOHN, V2(PUPPY)},
     S3ERR_ACCESS_DENIED},
    {"GET",
     "/photos/puppy.jpg",
     "Tue, 27 Mar 2007 19:36:42 +0000",
     {JOHN, "Date: Wed, 31 Dec 1969 23:59:59 GMT", V2(PUPPY)},
     S3ERR_ACCESS_DENIED},
    {"GET",
     "/photos/puppy.jpg",
     "Tue, 27 Mar 2007 19:36:42 +0000",
     {JOHN, "Date: Tue, 27 Mar 2007 19:36:42 +0000", V2("cWq2s1WEIj+Ydj0vQ697zp+IXMU=")},
     S3ERR_SIGNATURE_DOES_NOT_MATCH},
    {"GET",
     "/photos/puppy.jpg",
     "Tue, 27 Mar 2007 19:36:42 +0000",
     {JOHN, "Date: Tue, 27 Mar 2007 19:36:42 +0000", "Authorization: AWS nobody:" PUPPY},
     S3ERR_INVALID_ACCESS_KEY_ID},
};

static enum s3err verdict_v2(size_t i)
{
    int64_t now_s;
    ask(v2[i].method, v2[i].target, v2[i].lines);
    if (str_starts(
            q.host,
            STR("static.johnsmith.net"))) { /* a bucket by its own domain, as if one of ours */
        q.virtual_host = true;
        q.bucket = STR("static.johnsmith.net");
    }
    assert_int_equal(s3_httpdate_parse(str_c(v2[i].now), 0, &now_s), 0);
    q.now_ms = now_s * 1000;
    return s3_auth_verify(&q, S3_READ_ANY);
}

static void published_examples_of_version_2_verify(void **state)
{
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(v2); i++) {
        enum s3err e = verdict_v2(i);
        if (e != v2[i].want)
            fail_msg("row %zu: %s\n" STR_F, i, code(e), STR_A(extra("StringToSign")));
    }
}

static void version_2_can_be_switched_off(void **state)
{
    (void)state;
    gw.sigv2 = false;
    assert_int_equal(verdict_v2(0), S3ERR_INVALID_REQUEST);
    assert_true(str_find(q.resp.message, STR("AWS4-HMAC-SHA256")) != SIZE_MAX);
    assert_int_equal(verdict("GET", "/bkt/k?AWSAccessKeyId=a&Expires=1&Signature=b", NULL),
                     S3ERR_INVALID_REQUEST);
    gw.sigv2 = true;
}

/* AWS's example: GET /photos/puppy.jpg until 1175139620. */
#define V2_QUERY(key, expires)                                                                     \
    "/photos/puppy.jpg?AWSAccessKeyId=" key                                                        \
    "&Signature=NpgCjnDzrM%2BWFzoENXmpNDUsSn8%3D&Expires=" expires

static void version_2_presigned(void **state)
{
    (void)state;
    static const struct {
        const char *target;
        enum s3err want;
    } rows[] = {
        {V2_QUERY(AKID, "1175139620"), S3ERR_OK},
        {V2_QUERY(AKID, "1175139621"), S3ERR_SIGNATURE_DOES_NOT_MATCH},
        {V2_QUERY(AKID, "1175139000"), S3ERR_ACCESS_DENIED},
        {V2_QUERY(AKID, "soon"), S3ERR_ACCESS_DENIED},
        {V2_QUERY(AKID, "99999999999999999999"), S3ERR_ACCESS_DENIED},
        {V2_QUERY("x", "1175139620"), S3ERR_INVALID_ACCESS_KEY_ID},
        {"/photos/puppy.jpg?AWSAccessKeyId=" AKID "&Expires=1175139620", S3ERR_ACCESS_DENIED},
    };
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        ask("GET", rows[i].target, LINES(JOHN));
        q.now_ms = 1175139000000;
        enum s3err e = s3_auth_verify(&q, S3_READ_ANY);
        if (e != rows[i].want)
            fail_msg("row %zu: %s\n" STR_F, i, code(e), STR_A(extra("StringToSign")));
    }
}

/* As botocore and boto presign: what would be x-amz-* headers goes to the query, and is signed as headers. */
#define V2_OPTIONS                                                                                 \
    "/photos/puppy.jpg?AWSAccessKeyId=" AKID "&Signature=SyP6KXINJtlIHKEvfIeB1HDrSrM%3D"           \
    "&Expires=1175139620&X-Amz-Meta-A=b%20c"

static void query_options_of_version_2_are_signed_as_headers(void **state)
{
    (void)state;
    static const struct {
        const char *target;
        const char *lines[3];
        enum s3err want;
    } rows[] = {
        {V2_OPTIONS "&x-amz-acl=public-read", {JOHN}, S3ERR_OK},
        {V2_OPTIONS "&x-amz-acl=public-read", {JOHN, "x-amz-acl: public-read"}, S3ERR_OK},
        {V2_OPTIONS, {JOHN, "x-amz-acl: public-read"}, S3ERR_OK},
        {V2_OPTIONS "&x-amz-acl=public-read", {JOHN, "x-amz-acl: private"}, S3ERR_INVALID_REQUEST},
        {V2_OPTIONS "&x-amz-acl=private", {JOHN}, S3ERR_SIGNATURE_DOES_NOT_MATCH},
        {V2_OPTIONS "&x-amz-acl=public-read&x-amz-tagging=t",
         {JOHN},
         S3ERR_SIGNATURE_DOES_NOT_MATCH},
        {V2_OPTIONS "&x-amz-acl=public-read",
         {JOHN, "x-amz-tagging: t"},
         S3ERR_SIGNATURE_DOES_NOT_MATCH},
    };
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        ask("PUT", rows[i].target, rows[i].lines);
        q.now_ms = 1175139000000;
        enum s3err e = s3_auth_verify(&q, S3_READ_ANY);
        if (e != rows[i].want)
            fail_msg("row %zu: %s\n" STR_F, i, code(e), STR_A(extra("StringToSign")));
        if (e == S3ERR_SIGNATURE_DOES_NOT_MATCH)
            assert_int_equal(extra("StringToSignBytes").n, 3 * extra("StringToSign").n - 1);
        if (e == S3ERR_OK)
            assert_true(str_eq(s3_req_option(&q, STR("x-amz-acl")), STR("public-read")));
    }
}

static void version_2_signs_subresources_as_they_were_sent(void **state)
{
    (void)state;
    struct s3_sigv2 v = {.date = STR("D")};
    AUTO(buf_free) struct buf out = BUF(1000);
    ask("GET", "/a%2fb?versionId=x%20y&prefix=p&uploads&acl=",
        LINES(JOHN, "X-Amz-B: 2", "x-amz-a:1", "Content-Type: t"));
    s3_sigv2_string_to_sign(&q, &v, &out);
    assert_true(str_eq(
        buf_str(&out),
        STR("GET\n\nt\nD\nx-amz-a:1\nx-amz-b:2\n/johnsmith/a%2fb?acl=&uploads&versionId=x y")));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(published_examples_of_version_2_verify),
        cmocka_unit_test(version_2_can_be_switched_off),
        cmocka_unit_test(version_2_presigned),
        cmocka_unit_test(query_options_of_version_2_are_signed_as_headers),
        cmocka_unit_test(version_2_signs_subresources_as_they_were_sent),
    };
    return cmocka_run_group_tests(tests, NULL, done);
}
