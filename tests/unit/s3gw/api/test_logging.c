/* SPDX-License-Identifier: Apache-2.0 */
/* Server access logging: documents, who may deliver, and the objects that are made. */
#include "tests/lib/s3_fixture.h"

#include "s3gw/api/logging.h"

#define STATUS(inside)  "<BucketLoggingStatus>" inside "</BucketLoggingStatus>"
#define ENABLED(inside) STATUS("<LoggingEnabled>" inside "</LoggingEnabled>")
#define TO(bucket)      "<TargetBucket>" bucket "</TargetBucket><TargetPrefix>p/</TargetPrefix>"
#define GROUP           "http://acs.amazonaws.com/groups/s3/LogDelivery"
#define GRANT(permission)                                                                          \
    "<TargetGrants><Grant><Grantee xmlns:xsi=\"http://www.w3.org/2001/XMLSchema-instance\" "       \
    "xsi:type=\"CanonicalUser\">"                                                                  \
    "<ID>bob-id</ID></Grantee><Permission>" permission "</Permission></Grant></TargetGrants>"

static void begin(struct fixture *f)
{
    setup(f);
    assert_int_equal(call(f, "alice", "PUT", "/src", NULL, NULL), S3ERR_OK);
    assert_int_equal(call(f, "alice", "PUT", "/plain", NULL, NULL), S3ERR_OK);
    assert_int_equal(
        call(f, "bob", "PUT", "/bobs",
             "x-amz-grant-write: uri=\"" GROUP "\"\nx-amz-grant-read-acp: uri=\"" GROUP "\"", NULL),
        S3ERR_OK);
    assert_int_equal(
        call(f, "alice", "PUT", "/dst",
             "x-amz-grant-write: uri=\"" GROUP "\"\nx-amz-grant-read-acp: uri=\"" GROUP "\"", NULL),
        S3ERR_OK);
    assert_int_equal(call(f, "alice", "PUT", "/half", "x-amz-grant-write: uri=\"" GROUP "\"", NULL),
                     S3ERR_OK);
}

static void documents_and_targets_are_judged(void **state)
{
    (void)state;
    static const struct {
        const char *body;
        enum s3err e;
    } rows[] = {
        {ENABLED(TO("dst")), S3ERR_OK},
        {ENABLED(TO("dst") "<TargetObjectKeyFormat><SimplePrefix/></TargetObjectKeyFormat>"),
         S3ERR_OK},
        {ENABLED(TO("dst") "<TargetObjectKeyFormat><PartitionedPrefix><PartitionDateSource>"
                           "DeliveryTime</PartitionDateSource>"
                           "</PartitionedPrefix></TargetObjectKeyFormat>"),
         S3ERR_OK},
        {ENABLED(TO("dst") GRANT("READ")), S3ERR_OK},
        {ENABLED(TO("dst") GRANT("FULL_CONTROL")), S3ERR_OK},
        {STATUS(""), S3ERR_OK},
        {"", S3ERR_MISSING_REQUEST_BODY_ERROR},
        {"<Other/>", S3ERR_MALFORMED_XML},
        {STATUS("<Other/>"), S3ERR_MALFORMED_XML},
        {ENABLED(""), S3ERR_MALFORMED_XML},
        {ENABLED("<TargetBucket>dst</TargetBucket>"), S3ERR_MALFORMED_XML},
        {ENABLED(TO("dst") TO("dst")), S3ERR_MALFORMED_XML},
        {ENABLED(TO("dst") "<What/>"), S3ERR_MALFORMED_XML},
        {ENABLED(TO("dst") "<TargetObjectKeyFormat/>"), S3ERR_MALFORMED_XML},
        {ENABLED(TO("dst") "<TargetObjectKeyFormat><SimplePrefix/><SimplePrefix/></"
                           "TargetObjectKeyFormat>"),
         S3ERR_MALFORMED_XML},
        {ENABLED(TO("dst") GRANT("READ_ACP")), S3ERR_MALFORMED_XML},
        {ENABLED(TO("dst") GRANT("WHAT")), S3ERR_MALFORMED_ACL_ERROR},
        {ENABLED(TO("none")), S3ERR_INVALID_TARGET_BUCKET_FOR_LOGGING},
        {ENABLED(TO("bobs")), S3ERR_INVALID_TARGET_BUCKET_FOR_LOGGING},  /* another owner's */
        {ENABLED(TO("plain")), S3ERR_INVALID_TARGET_BUCKET_FOR_LOGGING}, /* nobody lets us */
        {ENABLED(TO("half")), S3ERR_INVALID_TARGET_BUCKET_FOR_LOGGING},
    };
    struct fixture f;
    begin(&f);
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        enum s3err e = call(&f, "alice", "PUT", "/src?logging", NULL, rows[i].body);
        if (e != rows[i].e)
            fail_msg("%s\ngave %s", rows[i].body, e == S3ERR_OK ? "OK" : s3err_info(e)->code);
    }
    assert_int_equal(call(&f, "bob", "PUT", "/src?logging", NULL, STATUS("")), S3ERR_ACCESS_DENIED);
    teardown(&f);
}

static void it_comes_back_and_goes(void **state)
{
    (void)state;
    struct fixture f;
    begin(&f);
    assert_int_equal(call(&f, "alice", "GET", "/src?logging", NULL, NULL), S3ERR_OK);
    assert_null(f.xml->child);
    assert_int_equal(
        call(&f, "alice", "PUT", "/src?logging", NULL, ENABLED(TO("dst") GRANT("READ"))), S3ERR_OK);
    assert_int_equal(call(&f, "alice", "GET", "/src?logging", NULL, NULL), S3ERR_OK);
    assert_text(&f, "LoggingEnabled/TargetBucket", "dst");
    assert_text(&f, "LoggingEnabled/TargetPrefix", "p/");
    assert_text(&f, "LoggingEnabled/TargetGrants/Grant/Grantee/ID", "bob-id");
    assert_text(&f, "LoggingEnabled/TargetGrants/Grant/Permission", "READ");
    assert_non_null(text_at(&f, "LoggingEnabled/TargetObjectKeyFormat/SimplePrefix").p);
    assert_int_equal(call(&f, "alice", "PUT", "/src?logging", NULL, STATUS("")), S3ERR_OK);
    assert_int_equal(call(&f, "alice", "GET", "/src?logging", NULL, NULL), S3ERR_OK);
    assert_null(f.xml->child);
    teardown(&f);
}

/* What is delivered is the pattern fake_dfs knows, so that it can be checked there. */
static struct str pattern(size_t n)
{
    static uint8_t bytes[400000];
    for (size_t i = 0; i < n; i++)
        bytes[i] = fake_dfs_byte(i);
    return str_of(bytes, n);
}

static void piles_become_objects_of_the_target(void **state)
{
    (void)state;
    static const size_t sizes[] = {1000, 300000};
    for (size_t i = 0; i < ARRAY_LEN(sizes); i++) {
        struct fixture f;
        begin(&f);
        assert_int_equal(
            call(&f, "alice", "PUT", "/src?logging", NULL, ENABLED(TO("dst") GRANT("READ"))),
            S3ERR_OK);
        assert_int_equal(s3_logging_deliver(&f.gw, STR("src"), 0, pattern(sizes[i])), 0);
        assert_int_equal(fake_dfs.file.kind, S3_DESC_PUT);
        assert_int_equal(call(&f, "alice", "GET", "/dst", NULL, NULL), S3ERR_OK);
        struct str key = text_at(&f, "Contents/Key");
        assert_true(str_starts(key, STR("p/20")) &&
                    key.n == strlen("p/2026-01-02-03-04-05-0123456789ABCDEF"));
        char target[128], size[32];
        snprintf(size, sizeof(size), "%zu", sizes[i]);
        assert_text(&f, "Contents/Size", size);
        snprintf(target, sizeof(target), "/dst/" STR_F, STR_A(key));
        assert_int_equal(call(&f, "bob", "HEAD", target, NULL, NULL), S3ERR_OK); /* granted */
        assert_string_equal(shown(answered(&f, "Content-Type")), "text/plain");
        teardown(&f);
    }
}

static void whoever_may_not_any_more_does_not(void **state)
{
    (void)state;
    struct fixture f;
    begin(&f);
    assert_int_equal(s3_logging_deliver(&f.gw, STR("src"), 0, pattern(10)),
                     -EPERM); /* not switched on */
    assert_int_equal(s3_logging_deliver(&f.gw, STR("none"), 0, pattern(10)), -EPERM);
    assert_int_equal(call(&f, "alice", "PUT", "/src?logging", NULL, ENABLED(TO("dst"))), S3ERR_OK);
    fake_dfs.fail = -EHOSTUNREACH;
    assert_int_equal(s3_logging_deliver(&f.gw, STR("src"), 0, pattern(10)), -EHOSTUNREACH);
    fake_dfs.fail = 0;
    assert_int_equal(call(&f, "alice", "PUT", "/dst?acl", "x-amz-acl: private", NULL), S3ERR_OK);
    assert_int_equal(s3_logging_deliver(&f.gw, STR("src"), 0, pattern(10)), -EPERM);
    assert_int_equal(call(&f, "alice", "PUT", "/dst?acl", "x-amz-acl: log-delivery-write", NULL),
                     S3ERR_OK);
    assert_int_equal(s3_logging_deliver(&f.gw, STR("src"), 0, pattern(10)), 0);
    assert_int_equal(call(&f, "alice", "PUT", "/dst?policy", NULL,
                          "{\"Version\":\"2012-10-17\",\"Statement\":[{\"Effect\":\"Deny\","
                          "\"Principal\":\"*\",\"Action\":\"s3:PutObject\","
                          "\"Resource\":\"arn:aws:s3:::dst/*\"}]}"),
                     S3ERR_OK);
    assert_int_equal(s3_logging_deliver(&f.gw, STR("src"), 0, pattern(10)), -EPERM);
    teardown(&f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(documents_and_targets_are_judged),
        cmocka_unit_test(it_comes_back_and_goes),
        cmocka_unit_test(piles_become_objects_of_the_target),
        cmocka_unit_test(whoever_may_not_any_more_does_not),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
