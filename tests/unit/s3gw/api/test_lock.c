/* SPDX-License-Identifier: Apache-2.0 */
/* Object lock through the handlers. The fixture's clock stands at 2026-01-02; the index's is the
 * machine's. */
#include "tests/lib/s3_fixture.h"

#include "tests/lib/still_clock.h"

static void begin(struct fixture *f, const char *headers)
{
    clock_begin(1767322800000); /* 2026-01-02T03:00:00Z */
    setup(f);
    assert_int_equal(call(f, "alice", "PUT", "/mine", headers, NULL), S3ERR_OK);
}

#define DIGEST "content-md5: of the body" /* whether it is, has been judged before a handler runs */
#define LOCKED "x-amz-bucket-object-lock-enabled: true"
#define RULE(x)                                                                                    \
    "<ObjectLockConfiguration><ObjectLockEnabled>Enabled</"                                        \
    "ObjectLockEnabled><Rule><DefaultRetention>" x                                                 \
    "</DefaultRetention></Rule></ObjectLockConfiguration>"
#define RETENTION(mode, until)                                                                     \
    "<Retention><Mode>" mode "</Mode><RetainUntilDate>" until "</RetainUntilDate></Retention>"

static void configurations_are_checked(void **state)
{
    (void)state;
    static const struct {
        const char *body;
        enum s3err e;
    } rows[] = {
        {"", S3ERR_MISSING_REQUEST_BODY_ERROR},
        {"<ObjectLockConfiguration/>", S3ERR_MALFORMED_XML},
        {"<ObjectLockConfiguration><ObjectLockEnabled>On</ObjectLockEnabled></"
         "ObjectLockConfiguration>",
         S3ERR_MALFORMED_XML},
        {RULE("<Mode>GOVERNANCE</Mode><Days>1</Days>"), S3ERR_OK},
        {RULE("<Mode>COMPLIANCE</Mode><Years>100</Years>"), S3ERR_OK},
        {RULE("<Mode>COMPLIANCE</Mode><Years>101</Years>"), S3ERR_INVALID_ARGUMENT},
        {RULE("<Mode>GOVERNANCE</Mode><Days>0</Days>"), S3ERR_INVALID_ARGUMENT},
        {RULE("<Mode>GOVERNANCE</Mode><Days>-1</Days>"), S3ERR_INVALID_ARGUMENT},
        {RULE("<Mode>GOVERNANCE</Mode><Days>one</Days>"), S3ERR_MALFORMED_XML},
        {RULE("<Mode>GOVERNANCE</Mode><Days>1</Days><Years>1</Years>"), S3ERR_MALFORMED_XML},
        {RULE("<Mode>GOVERNANCE</Mode>"), S3ERR_MALFORMED_XML},
        {RULE("<Mode>LOOSE</Mode><Days>1</Days>"), S3ERR_MALFORMED_XML},
        {"<ObjectLockConfiguration><ObjectLockEnabled>Enabled</ObjectLockEnabled></"
         "ObjectLockConfiguration>",
         S3ERR_OK},
    };
    AUTO(teardown) struct fixture f;
    begin(&f, LOCKED);
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        if (call(&f, "alice", "PUT", "/mine?object-lock", DIGEST, rows[i].body) != rows[i].e)
            print_error("row %zu\n", i);
        assert_int_equal(f.e, rows[i].e);
    }
    assert_int_equal(call(&f, "alice", "GET", "/mine?versioning", NULL, NULL), S3ERR_OK);
    assert_text(&f, "Status", "Enabled");
    assert_int_equal(
        call(&f, "alice", "PUT", "/mine?versioning", NULL,
             "<VersioningConfiguration><Status>Suspended</Status></VersioningConfiguration>"),
        S3ERR_INVALID_BUCKET_STATE);
    assert_int_equal(call(&f, "alice", "PUT", "/plain", NULL, NULL), S3ERR_OK);
    assert_int_equal(call(&f, "alice", "GET", "/plain?object-lock", NULL, NULL),
                     S3ERR_OBJECT_LOCK_CONFIGURATION_NOT_FOUND_ERROR);
    assert_int_equal(call(&f, "alice", "PUT", "/plain?object-lock", DIGEST,
                          RULE("<Mode>GOVERNANCE</Mode><Days>1</Days>")),
                     S3ERR_INVALID_BUCKET_STATE);
    have_object(&f, "plain", "k", 1);
    assert_int_equal(call(&f, "alice", "GET", "/plain/k?retention", NULL, NULL),
                     S3ERR_INVALID_REQUEST);
    assert_int_equal(call(&f, "alice", "PUT", "/plain/k?legal-hold", DIGEST,
                          "<LegalHold><Status>ON</Status></LegalHold>"),
                     S3ERR_INVALID_REQUEST);
}

static char target[300];

static const char *version_of(struct fixture *f)
{
    assert_int_equal(call(f, "alice", "HEAD", "/mine/k", NULL, NULL), S3ERR_OK);
    snprintf(target, sizeof(target), "/mine/k?versionId=%s",
             shown(answered(f, "x-amz-version-id")));
    return target;
}

static void who_may_change_retention_how(void **state)
{
    (void)state;
    static const char bypass[] = DIGEST "\nx-amz-bypass-governance-retention: true";
    static const char empty[] = "<Retention/>";
    static const struct {
        const char *first, *headers, *then;
        enum s3err e;
    } rows[] = {
        {RETENTION("GOVERNANCE", "2027-01-01T00:00:00Z"), DIGEST,
         RETENTION("GOVERNANCE", "2028-01-01T00:00:00Z"), S3ERR_OK},
        {RETENTION("GOVERNANCE", "2027-01-01T00:00:00Z"), DIGEST,
         RETENTION("GOVERNANCE", "2026-06-01T00:00:00Z"), S3ERR_ACCESS_DENIED},
        {RETENTION("GOVERNANCE", "2027-01-01T00:00:00Z"), bypass,
         RETENTION("GOVERNANCE", "2026-06-01T00:00:00Z"), S3ERR_OK},
        {RETENTION("GOVERNANCE", "2027-01-01T00:00:00Z"), DIGEST,
         RETENTION("COMPLIANCE", "2028-01-01T00:00:00Z"), S3ERR_ACCESS_DENIED},
        {RETENTION("GOVERNANCE", "2027-01-01T00:00:00Z"), bypass,
         RETENTION("COMPLIANCE", "2028-01-01T00:00:00Z"), S3ERR_OK},
        {RETENTION("GOVERNANCE", "2027-01-01T00:00:00Z"), DIGEST, empty, S3ERR_ACCESS_DENIED},
        {RETENTION("GOVERNANCE", "2027-01-01T00:00:00Z"), bypass, empty, S3ERR_OK},
        {RETENTION("COMPLIANCE", "2027-01-01T00:00:00Z"), DIGEST,
         RETENTION("COMPLIANCE", "2028-01-01T00:00:00.123456789Z"), S3ERR_OK},
        {RETENTION("COMPLIANCE", "2027-01-01T00:00:00Z"), bypass,
         RETENTION("COMPLIANCE", "2026-06-01T00:00:00Z"), S3ERR_ACCESS_DENIED},
        {RETENTION("COMPLIANCE", "2027-01-01T00:00:00Z"), bypass,
         RETENTION("GOVERNANCE", "2028-01-01T00:00:00Z"), S3ERR_ACCESS_DENIED},
        {RETENTION("COMPLIANCE", "2027-01-01T00:00:00Z"), bypass, empty, S3ERR_ACCESS_DENIED},
        {RETENTION("GOVERNANCE", "2027-01-01T00:00:00Z"), DIGEST,
         RETENTION("governance", "2028-01-01T00:00:00Z"), S3ERR_MALFORMED_XML},
        {RETENTION("GOVERNANCE", "2027-01-01T00:00:00Z"), DIGEST, RETENTION("GOVERNANCE", "soon"),
         S3ERR_MALFORMED_XML},
        {RETENTION("GOVERNANCE", "2027-01-01T00:00:00Z"), DIGEST,
         RETENTION("GOVERNANCE", "2020-01-01T00:00:00Z"), S3ERR_INVALID_ARGUMENT},
    };
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        AUTO(teardown) struct fixture f;
        begin(&f, LOCKED);
        have_object(&f, "mine", "k", 1);
        assert_int_equal(call(&f, "alice", "GET", "/mine/k?retention", NULL, NULL),
                         S3ERR_NO_SUCH_OBJECT_LOCK_CONFIGURATION);
        assert_int_equal(call(&f, "alice", "PUT", "/mine/k?retention", DIGEST, rows[i].first),
                         S3ERR_OK);
        if (call(&f, "alice", "PUT", "/mine/k?retention", rows[i].headers, rows[i].then) !=
            rows[i].e)
            print_error("row %zu\n", i);
        assert_int_equal(f.e, rows[i].e);
    }
}

static void a_locked_version_stays_until_its_time(void **state)
{
    (void)state;
    AUTO(teardown) struct fixture f;
    begin(&f, LOCKED);
    have_object(&f, "mine", "k", 1);
    assert_int_equal(call(&f, "alice", "PUT", "/mine/k?retention", DIGEST,
                          RETENTION("GOVERNANCE", "2027-01-01T00:00:00Z")),
                     S3ERR_OK);
    assert_int_equal(call(&f, "alice", "HEAD", "/mine/k", NULL, NULL), S3ERR_OK);
    assert_string_equal(shown(answered(&f, "x-amz-object-lock-mode")), "GOVERNANCE");
    assert_string_equal(shown(answered(&f, "x-amz-object-lock-retain-until-date")),
                        "2027-01-01T00:00:00.000Z");
    const char *version = version_of(&f);
    assert_int_equal(call(&f, "alice", "DELETE", version, NULL, NULL), S3ERR_ACCESS_DENIED);
    assert_int_equal(call(&f, "root", "DELETE", version, NULL, NULL), S3ERR_ACCESS_DENIED);
    assert_int_equal(call(&f, "alice", "DELETE", "/mine/k", NULL, NULL),
                     S3ERR_OK); /* a marker above it */
    assert_int_equal(call(&f, "alice", "HEAD", version, NULL, NULL), S3ERR_OK);
    assert_int_equal(
        call(&f, "alice", "DELETE", version, "x-amz-bypass-governance-retention: true", NULL),
        S3ERR_OK);

    have_object(&f, "mine", "k", 1);
    assert_int_equal(call(&f, "alice", "PUT", "/mine/k?retention", DIGEST,
                          RETENTION("COMPLIANCE", "2027-01-01T00:00:00Z")),
                     S3ERR_OK);
    version = version_of(&f);
    assert_int_equal(
        call(&f, "root", "DELETE", version, "x-amz-bypass-governance-retention: true", NULL),
        S3ERR_ACCESS_DENIED);
    clock_pass(370ULL * 24 * 3600 * 1000);
    assert_int_equal(call(&f, "alice", "DELETE", version, NULL, NULL), S3ERR_OK);
}

static void a_legal_hold_holds_by_itself(void **state)
{
    (void)state;
    AUTO(teardown) struct fixture f;
    begin(&f, LOCKED);
    have_object(&f, "mine", "k", 1);
    assert_int_equal(call(&f, "alice", "GET", "/mine/k?legal-hold", NULL, NULL),
                     S3ERR_NO_SUCH_OBJECT_LOCK_CONFIGURATION);
    assert_int_equal(call(&f, "alice", "PUT", "/mine/k?legal-hold", DIGEST,
                          "<LegalHold><Status>MAYBE</Status></LegalHold>"),
                     S3ERR_MALFORMED_XML);
    assert_int_equal(call(&f, "alice", "PUT", "/mine/k?legal-hold", DIGEST,
                          "<LegalHold><Status>ON</Status></LegalHold>"),
                     S3ERR_OK);
    const char *version = version_of(&f);
    assert_string_equal(shown(answered(&f, "x-amz-object-lock-legal-hold")), "ON");
    assert_int_equal(
        call(&f, "alice", "DELETE", version, "x-amz-bypass-governance-retention: true", NULL),
        S3ERR_ACCESS_DENIED);
    char body[400];
    snprintf(body, sizeof(body),
             "<Delete><Object><Key>k</Key><VersionId>%s</VersionId></Object></Delete>",
             strchr(version, '=') + 1);
    assert_int_equal(
        call(&f, "alice", "POST", "/mine?delete", "Content-MD5: 1B2M2Y8AsgTpgAmY7PhCfg==", body),
        S3ERR_OK);
    assert_text(&f, "Error/Code", "AccessDenied");
    /* tags change beside it, and do not loosen it */
    assert_int_equal(
        call(&f, "alice", "PUT", "/mine/k?tagging", NULL, "<Tagging><TagSet/></Tagging>"),
        S3ERR_OK);
    assert_int_equal(call(&f, "alice", "GET", "/mine/k?legal-hold", NULL, NULL), S3ERR_OK);
    assert_text(&f, "Status", "ON");
    assert_int_equal(call(&f, "alice", "PUT", "/mine/k?legal-hold", DIGEST,
                          "<LegalHold><Status>OFF</Status></LegalHold>"),
                     S3ERR_OK);
    assert_int_equal(call(&f, "alice", "DELETE", version, NULL, NULL), S3ERR_OK);
}

static void writes_carry_or_inherit_retention(void **state)
{
    (void)state;
    AUTO(teardown) struct fixture f;
    begin(&f, LOCKED);
    have_object(&f, "mine", "k", 1);
    assert_int_equal(call(&f, "alice", "PUT", "/mine/to",
                          "x-amz-copy-source: /mine/k\nx-amz-object-lock-mode: COMPLIANCE\n"
                          "x-amz-object-lock-retain-until-date: "
                          "2027-01-01T00:00:00Z\nx-amz-object-lock-legal-hold: ON",
                          NULL),
                     S3ERR_OK);
    assert_int_equal(call(&f, "alice", "HEAD", "/mine/to", NULL, NULL), S3ERR_OK);
    assert_string_equal(shown(answered(&f, "x-amz-object-lock-mode")), "COMPLIANCE");
    assert_string_equal(shown(answered(&f, "x-amz-object-lock-legal-hold")), "ON");
    assert_int_equal(call(&f, "alice", "PUT", "/mine/again", "x-amz-copy-source: /mine/to", NULL),
                     S3ERR_OK);
    assert_int_equal(call(&f, "alice", "HEAD", "/mine/again", NULL, NULL), S3ERR_OK);
    assert_null(answered(&f, "x-amz-object-lock-mode").p); /* never copied */
    assert_int_equal(call(&f, "alice", "PUT", "/mine?object-lock", DIGEST,
                          RULE("<Mode>GOVERNANCE</Mode><Days>3</Days>")),
                     S3ERR_OK);
    assert_int_equal(call(&f, "alice", "PUT", "/mine/again", "x-amz-copy-source: /mine/to", NULL),
                     S3ERR_OK);
    assert_int_equal(call(&f, "alice", "HEAD", "/mine/again", NULL, NULL), S3ERR_OK);
    assert_string_equal(shown(answered(&f, "x-amz-object-lock-mode")), "GOVERNANCE");
    assert_true(
        str_starts(answered(&f, "x-amz-object-lock-retain-until-date"), STR("2026-01-05T03:")));
    assert_int_equal(call(&f, "alice", "PUT", "/mine/x",
                          "x-amz-copy-source: /mine/to\nx-amz-object-lock-mode: COMPLIANCE\n"
                          "x-amz-object-lock-retain-until-date: 2020-01-01T00:00:00Z",
                          NULL),
                     S3ERR_INVALID_ARGUMENT);
    assert_int_equal(call(&f, "alice", "DELETE", "/mine", NULL, NULL), S3ERR_BUCKET_NOT_EMPTY);
}

static void an_upload_gets_the_default_when_it_is_completed(void **state)
{
    (void)state;
    static const struct {
        const char *created, *mode, *hold;
    } rows[] = {
        {NULL, "GOVERNANCE", "OFF"},
        {"x-amz-object-lock-legal-hold: ON", "GOVERNANCE", "ON"}, /* which is no retention */
        {"x-amz-object-lock-legal-hold: OFF", "GOVERNANCE", "OFF"},
        {"x-amz-object-lock-mode: COMPLIANCE\n"
         "x-amz-object-lock-retain-until-date: 2027-01-01T00:00:00Z",
         "COMPLIANCE", "OFF"},
    };
    AUTO(teardown) struct fixture f;
    begin(&f, LOCKED);
    have_object(&f, "mine", "source", 1);
    assert_int_equal(call(&f, "alice", "PUT", "/mine?object-lock", DIGEST,
                          RULE("<Mode>GOVERNANCE</Mode><Days>3</Days>")),
                     S3ERR_OK);
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        char upload[128], part[160], body[400];
        assert_int_equal(call(&f, "alice", "POST", "/mine/m?uploads", rows[i].created, NULL),
                         S3ERR_OK);
        snprintf(upload, sizeof(upload), "/mine/m?uploadId=%s", shown(text_at(&f, "UploadId")));
        snprintf(part, sizeof(part), "%s&partNumber=1", upload);
        assert_int_equal(call(&f, "alice", "PUT", part, "x-amz-copy-source: /mine/source", NULL),
                         S3ERR_OK);
        snprintf(body, sizeof(body),
                 "<CompleteMultipartUpload><Part><PartNumber>1</PartNumber><ETag>%s</ETag></Part>"
                 "</CompleteMultipartUpload>",
                 shown(text_at(&f, "ETag")));
        assert_int_equal(call(&f, "alice", "POST", upload, NULL, body), S3ERR_OK);
        assert_int_equal(call(&f, "alice", "HEAD", "/mine/m", NULL, NULL), S3ERR_OK);
        assert_string_equal(shown(answered(&f, "x-amz-object-lock-mode")), rows[i].mode);
        assert_string_equal(shown(answered(&f, "x-amz-object-lock-legal-hold")), rows[i].hold);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(configurations_are_checked),
        cmocka_unit_test(who_may_change_retention_how),
        cmocka_unit_test(a_locked_version_stays_until_its_time),
        cmocka_unit_test(a_legal_hold_holds_by_itself),
        cmocka_unit_test(writes_carry_or_inherit_retention),
        cmocka_unit_test(an_upload_gets_the_default_when_it_is_completed),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
