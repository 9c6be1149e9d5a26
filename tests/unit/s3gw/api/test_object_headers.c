/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/lib/s3_fixture.h"

#include "s3gw/api/object_headers.h"
#include "s3gw/core/tags.h"

static void request(struct fixture *f, struct s3_bucket *bkt, const char *headers)
{
    *f = (struct fixture){0};
    s3_req_init(&f->q);
    f->used = true;
    f->q.gw = &f->gw;
    f->gw.classes = s3_classes_default;
    f->q.bkt = bkt;
    become(&f->q, "alice");
    add_request_headers(&f->q, headers);
}

static struct str kept(const struct s3_object *o, const char *name)
{
    for (size_t i = 0; i < o->nheaders; i++)
        if (str_eq(o->headers[i].name, str_c(name)))
            return o->headers[i].value;
    return STR_NULL;
}

static void what_is_kept(void **state)
{
    (void)state;
    static const struct {
        const char *headers, *name, *value; /* value NULL: not kept */
    } rows[] = {
        {"Content-Type: text/html; charset=utf-8", "content-type", "text/html; charset=utf-8"},
        {"Content-Type:", "content-type", NULL},
        {"Content-Encoding: aws-chunked", "content-encoding", NULL},
        {"Content-Encoding: gzip,aws-chunked", "content-encoding", "gzip"},
        {"Content-Encoding: aws-chunked, gzip", "content-encoding", "gzip"},
        {"Content-Encoding: gzip", "content-encoding", "gzip"},
        {"Expires: whenever", "expires", "whenever"},
        {"CACHE-CONTROL: no-store", "cache-control", "no-store"},
        {"Cache-Control: no-cache\ncache-control: private", "cache-control", "no-cache,private"},
        {"Content-Encoding: aws-chunked\nContent-Encoding: gzip", "content-encoding", "gzip"},
        {"Content-Language: de\nContent-Language: en", "content-language", "de,en"},
        {"X-Amz-Meta-Colour: Red", "x-amz-meta-colour", "Red"},
        {"x-amz-meta-a: 1\nX-AMZ-META-A: 2", "x-amz-meta-a", "1,2"},
        {"x-amz-meta-empty:", "x-amz-meta-empty", ""},
        {"x-amz-meta-: nameless", "x-amz-meta-", "nameless"},
        {"x-amz-website-redirect-location: /there", "x-amz-website-redirect-location", "/there"},
        {"x-amz-date: now", "x-amz-date", NULL},
    };
    struct s3_bucket bkt = {.name = STR("b"), .owner_id = STR("alice-id")};
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct fixture f;
        struct s3_object o = {0};
        request(&f, &bkt, rows[i].headers);
        assert_int_equal(s3_object_headers_from(&f.q, &o), S3ERR_OK);
        struct str v = kept(&o, rows[i].name);
        if (!str_eq(v, str_c(rows[i].value)) || !v.p != !rows[i].value)
            print_error("row %zu: %s\n", i, rows[i].headers);
        assert_true(str_eq(v, str_c(rows[i].value)) && !v.p == !rows[i].value);
        s3_req_fini(&f.q);
    }
}

static void what_is_refused(void **state)
{
    (void)state;
    static const struct {
        const char *headers;
        enum s3err e;
    } rows[] = {
        {"x-amz-storage-class: STANDARD", S3ERR_OK},
        {"x-amz-storage-class: ONEZONE_IA", S3ERR_OK},
        {"x-amz-storage-class: DEEP_ARCHIVE", S3ERR_INVALID_STORAGE_CLASS}, /* nobody named it */
        {"x-amz-storage-class: OUTPOSTS", S3ERR_INVALID_STORAGE_CLASS},
        {"x-amz-storage-class: standard", S3ERR_INVALID_STORAGE_CLASS},
        {"x-amz-acl: private", S3ERR_OK},
        {"x-amz-acl: bucket-owner-full-control", S3ERR_OK},
        {"x-amz-acl: everybody", S3ERR_INVALID_ARGUMENT},
        {"x-amz-acl: private\nx-amz-grant-read: id=\"x\"", S3ERR_INVALID_REQUEST},
        {"x-amz-tagging: a=1&b=", S3ERR_OK},
        {"x-amz-tagging: a=%zz", S3ERR_INVALID_ARGUMENT},
        {"x-amz-tagging: a=<>", S3ERR_INVALID_TAG},
        {"x-amz-tagging: a&b&c&d&e&f&g&h&i&j&k", S3ERR_BAD_REQUEST},
        {"x-amz-server-side-encryption: AES256", S3ERR_NOT_IMPLEMENTED},
        {"x-amz-server-side-encryption: ROT13", S3ERR_INVALID_ARGUMENT},
        {"x-amz-server-side-encryption: aws:kms:dsse", S3ERR_NOT_IMPLEMENTED},
        {"x-amz-server-side-encryption-customer-algorithm: AES256", S3ERR_INVALID_REQUEST},
        {"x-amz-object-lock-mode: GOVERNANCE", S3ERR_INVALID_ARGUMENT},
        {"x-amz-object-lock-mode: MAYBE\nx-amz-object-lock-retain-until-date: 2030-01-01T00:00:00Z",
         S3ERR_INVALID_ARGUMENT},
        {"x-amz-object-lock-mode: GOVERNANCE\nx-amz-object-lock-retain-until-date: "
         "2030-01-01T00:00:00Z",
         S3ERR_INVALID_REQUEST},
        {"x-amz-object-lock-legal-hold: MAYBE", S3ERR_INVALID_ARGUMENT},
        {"x-amz-website-redirect-location: there", S3ERR_INVALID_REDIRECT_LOCATION},
    };
    struct s3_bucket bkt = {.name = STR("b"), .owner_id = STR("alice-id")};
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct fixture f;
        struct s3_object o = {0};
        request(&f, &bkt, rows[i].headers);
        enum s3err e = s3_object_headers_from(&f.q, &o);
        if (e != rows[i].e)
            print_error("row %zu: %s\n", i, rows[i].headers);
        assert_int_equal(e, rows[i].e);
        s3_req_fini(&f.q);
    }
}

static void user_metadata_ends_at_two_kilobytes(void **state)
{
    (void)state;
    struct s3_bucket bkt = {.name = STR("b"), .owner_id = STR("alice-id")};
    for (size_t over = 0; over < 2; over++) {
        struct fixture f;
        struct s3_object o = {0};
        char line[S3_USER_METADATA_MAX + 64];
        int n = snprintf(line, sizeof(line), "x-amz-meta-ab: ");
        size_t value = S3_USER_METADATA_MAX - 2 + over; /* the name counts without its prefix */
        memset(line + n, 'v', value);
        line[(size_t)n + value] = '\0';
        request(&f, &bkt, line);
        assert_int_equal(s3_object_headers_from(&f.q, &o),
                         over ? S3ERR_METADATA_TOO_LARGE : S3ERR_OK);
        s3_req_fini(&f.q);
    }
}

static void a_presigned_request_carries_options_in_its_query(void **state)
{
    (void)state;
    struct s3_bucket bkt = {.name = STR("b"), .owner_id = STR("alice-id")};
    struct s3_pair params[] = {{STR("X-Amz-Meta-Colour"), STR("red")},
                               {STR("x-amz-tagging"), STR("a=1")},
                               {STR("x-amz-storage-class"), STR("GLACIER_IR")}};
    for (int presigned = 0; presigned < 2; presigned++) {
        struct fixture f;
        struct s3_object o = {0};
        request(&f, &bkt, NULL);
        f.q.params = params;
        f.q.nparams = ARRAY_LEN(params);
        f.q.who.how = presigned ? S3_AUTH_V4_QUERY : S3_AUTH_V4_HEADER;
        assert_int_equal(s3_object_headers_from(&f.q, &o), S3ERR_OK);
        assert_int_equal(kept(&o, "x-amz-meta-colour").p != NULL, presigned);
        assert_int_equal(s3_tags_count(o.tags), presigned);
        assert_int_equal(o.storage_class.p != NULL, presigned);
        s3_req_fini(&f.q);
    }
}

static void an_object_says_what_it_is(void **state)
{
    (void)state;
    struct s3_bucket bkt = {.name = STR("b"), .owner_id = STR("alice-id")};
    struct fixture f;
    request(&f, &bkt, "x-amz-checksum-mode: ENABLED");
    struct s3_pair params[] = {{STR("response-content-type"), STR("text/x\r\nEvil: 1")}};
    f.q.params = params;
    f.q.nparams = 1;
    char unterminated[] = "x-amz-meta-a###"; /* as in a record: no NUL where the name ends */
    struct s3_pair headers[] = {{STR("content-type"), STR("text/plain")},
                                {str_of(unterminated, 12), STR("1")},
                                {str_of(unterminated, 11), STR("nameless")}};
    struct s3_extent extent = {.file_id = STR("group1/M00/00/00/x"), .length = 3};
    struct s3_object o = {.size = 3,
                          .mtime_ms = 784111777000,
                          .headers = headers,
                          .nheaders = ARRAY_LEN(headers),
                          .extents = &extent,
                          .nextents = 1,
                          .checksum = {.alg = S3_CK_CRC32, .n = 4}};
    s3_object_headers_to(&f.q, &o);
    assert_string_equal(shown(answered(&f, "Last-Modified")), "Sun, 06 Nov 1994 08:49:37 GMT");
    assert_string_equal(shown(answered(&f, "ETag")), "\"00000000000000000000000000000000\"");
    assert_string_equal(shown(answered(&f, "Content-Type")),
                        "text/x  Evil: 1"); /* no second header */
    assert_string_equal(shown(answered(&f, "x-amz-meta-a")), "1");
    assert_null(answered(&f, "x-amz-meta-").p);
    assert_string_equal(shown(answered(&f, "x-amz-missing-meta")), "1");
    assert_string_equal(shown(answered(&f, "x-amz-checksum-crc32")), "AAAAAA==");
    assert_string_equal(shown(answered(&f, "x-amz-checksum-type")), "FULL_OBJECT");
    assert_string_equal(shown(answered(&f, "x-dfs-file-id")), "group1/M00/00/00/x");
    assert_null(answered(&f, "x-amz-version-id").p);
    assert_null(answered(&f, "x-amz-storage-class").p);
    s3_req_fini(&f.q);

    request(&f, &bkt, "x-amz-checksum-mode: ENABLED\nRange: bytes=0-1");
    s3_object_headers_to(&f.q, &o);
    assert_null(answered(&f, "x-amz-checksum-crc32").p); /* it is not of the range */
    s3_req_fini(&f.q);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_is_kept),
        cmocka_unit_test(what_is_refused),
        cmocka_unit_test(user_metadata_ends_at_two_kilobytes),
        cmocka_unit_test(a_presigned_request_carries_options_in_its_query),
        cmocka_unit_test(an_object_says_what_it_is),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
