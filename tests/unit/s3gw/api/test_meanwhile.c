/* SPDX-License-Identifier: Apache-2.0 */
/* What was judged, and what is given away or done then, when somebody else was quicker. */
#include "tests/lib/s3_fixture.h"

#include <pthread.h>
#include <time.h>

#define OK S3ERR_OK
#define NO S3ERR_ACCESS_DENIED

#define VERSIONING(status)                                                                         \
    "<VersioningConfiguration><Status>" status "</Status></VersioningConfiguration>"
#define LOCK                                                                                       \
    "<ObjectLockConfiguration><ObjectLockEnabled>Enabled</ObjectLockEnabled></"                    \
    "ObjectLockConfiguration>"
#define PUBLIC_POLICY                                                                              \
    "{\"Statement\":{\"Effect\":\"Allow\",\"Principal\":\"*\",\"Action\":\"s3:GetObject\","        \
    "\"Resource\":\"arn:aws:s3:::mine/*\"}}"
#define BLOCK                                                                                      \
    "<PublicAccessBlockConfiguration><BlockPublicPolicy>true</BlockPublicPolicy></"                \
    "PublicAccessBlockConfiguration>"
#define ENFORCED                                                                                   \
    "<OwnershipControls><Rule><ObjectOwnership>BucketOwnerEnforced</ObjectOwnership></Rule></"     \
    "OwnershipControls>"
#define FOR_BOB                                                                                    \
    "<AccessControlPolicy><Owner><ID>alice-id</ID></Owner><AccessControlList><Grant><Grantee "     \
    "xmlns:xsi='http://www.w3.org/2001/XMLSchema-instance' xsi:type='CanonicalUser'>"              \
    "<ID>bob-id</ID></Grantee><Permission>READ</Permission></Grant></AccessControlList></"         \
    "AccessControlPolicy>"

static void begin(struct fixture *f, const char *headers)
{
    setup(f);
    assert_int_equal(call(f, "alice", "PUT", "/mine", headers, NULL), OK);
}

static enum s3err copied(struct fixture *f, const char *source, const char *version)
{
    char line[200];
    snprintf(line, sizeof(line), "x-amz-copy-source: %s%s%s", source, version ? "?versionId=" : "",
             version ? version : "");
    return call(f, "bob", "PUT", "/bobs/copy", line, NULL);
}

static void a_version_is_copied_by_who_may_read_that_one(void **state)
{
    (void)state;
    AUTO(teardown) struct fixture f;
    char id[64];
    begin(&f, "x-amz-acl: public-read"); /* who may list sees the ids */
    assert_int_equal(call(&f, "bob", "PUT", "/bobs", NULL, NULL), OK);
    assert_int_equal(call(&f, "alice", "PUT", "/mine?versioning", NULL, VERSIONING("Enabled")), OK);
    have_object(&f, "mine", "k", 1);
    assert_int_equal(call(&f, "alice", "HEAD", "/mine/k", NULL, NULL), OK);
    snprintf(id, sizeof(id), STR_F, STR_A(answered(&f, "x-amz-version-id")));
    have_object(&f, "mine", "k", 2);
    assert_int_equal(call(&f, "alice", "PUT", "/mine/k?acl", "x-amz-acl: public-read", NULL), OK);
    assert_int_equal(copied(&f, "mine/k", NULL), OK);
    assert_int_equal(copied(&f, "mine/k", id), NO); /* older, and private */
    assert_int_equal(call(&f, "alice", "DELETE", "/mine/k", NULL, NULL), OK);
    assert_int_equal(copied(&f, "mine/k", NULL), S3ERR_NO_SUCH_KEY);
    assert_int_equal(copied(&f, "mine/k", id), NO); /* though bob may learn that the key is gone */
    assert_int_equal(copied(&f, "mine/k", "null"), S3ERR_NO_SUCH_VERSION);
}

/* A new object under the key, which nobody but alice may read. */
static void replaced(struct fixture *f)
{
    have_object(f, "mine", "k", 3);
}

static void what_is_put_while_somebody_looks_is_not_theirs(void **state)
{
    (void)state;
    static const char *const reads[][3] = {
        {"GET", "/mine/k", NULL},
        {"HEAD", "/mine/k", NULL},
        {"GET", "/mine/k?acl", NULL},
        {"GET", "/mine/k?attributes", "x-amz-object-attributes: ETag"}};
    for (size_t i = 0; i < ARRAY_LEN(reads); i++)
        for (int was_there = 0; was_there < 2; was_there++) {
            AUTO(teardown) struct fixture f;
            begin(&f, "x-amz-acl: public-read");
            if (was_there) {
                have_object(&f, "mine", "k", 1);
                assert_int_equal(call(&f, "alice", "PUT", "/mine/k?acl",
                                      "x-amz-grant-read: id=\"bob-id\"\n"
                                      "x-amz-grant-read-acp: id=\"bob-id\"",
                                      NULL),
                                 OK);
                assert_int_equal(call(&f, "bob", reads[i][0], reads[i][1], reads[i][2], NULL), OK);
            }
            f.between = replaced;
            assert_int_equal(call(&f, "bob", reads[i][0], reads[i][1], reads[i][2], NULL), NO);
            assert_null(f.between);
            assert_int_equal(call(&f, "alice", reads[i][0], reads[i][1], reads[i][2], NULL), OK);
        }
}

/* --- settings that exclude each other --- */

struct step {
    const char *target, *headers, *body;
};

static const struct step *meanwhile;

/* Another request of alice's, from its beginning to its end. */
static void somebody_is_quicker(struct fixture *f)
{
    struct fixture other = {.gw = f->gw, .now_ms = f->now_ms};
    assert_int_equal(
        call(&other, "alice", "PUT", meanwhile->target, meanwhile->headers, meanwhile->body), OK);
    s3_req_fini(&other.q);
}

static void of_two_settings_that_exclude_each_other_one_is_kept(void **state)
{
    (void)state;
    static const struct step suspend = {"/mine?versioning", NULL, VERSIONING("Suspended")},
                             lock = {"/mine?object-lock", "content-md5: x", LOCK},
                             publish = {"/mine?policy", NULL, PUBLIC_POLICY},
                             block = {"/mine?publicAccessBlock", NULL, BLOCK},
                             no_acls = {"/mine?ownershipControls", NULL, ENFORCED},
                             grant = {"/mine?acl", NULL, FOR_BOB};
    static const struct {
        const struct step *first, *then;
    } rows[] = {{&suspend, &lock},
                {&lock, &suspend},
                {&publish, &block},
                {&no_acls, &grant},
                {&grant, &no_acls}};
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        AUTO(teardown) struct fixture f;
        begin(&f, NULL);
        assert_int_equal(call(&f, "alice", "PUT", "/mine?versioning", NULL, VERSIONING("Enabled")),
                         OK);
        const struct step *s = rows[i].first;
        meanwhile = rows[i].then;
        f.between = somebody_is_quicker;
        assert_int_equal(call(&f, "alice", "PUT", s->target, s->headers, s->body),
                         S3ERR_OPERATION_ABORTED);
    }
}

static void given_to_bob(struct fixture *f)
{
    struct fixture other = {.gw = f->gw, .now_ms = f->now_ms};
    assert_int_equal(call(&other, "alice", "DELETE", "/mine", NULL, NULL), OK);
    assert_int_equal(call(&other, "bob", "PUT", "/mine", NULL, NULL), OK);
    s3_req_fini(&other.q);
}

static void a_deletion_is_of_the_bucket_that_was_judged(void **state)
{
    (void)state;
    AUTO(teardown) struct fixture f;
    begin(&f, NULL);
    f.between = given_to_bob;
    assert_int_equal(call(&f, "alice", "DELETE", "/mine", NULL, NULL), S3ERR_NO_SUCH_BUCKET);
    assert_int_equal(call(&f, "bob", "HEAD", "/mine", NULL, NULL), OK);
}

/* --- the lock of a bucket --- */

static void *changed_elsewhere(void *arg)
{
    struct fixture *f = arg;
    struct fixture other = {.gw = f->gw, .now_ms = f->now_ms};
    enum s3err e = call(&other, "alice", "PUT", "/quick?versioning", NULL, VERSIONING("Enabled"));
    s3_req_fini(&other.q);
    return e == OK ? f : NULL;
}

/* The storage writes a note of the one bucket, slowly. */
static void while_a_storage_writes(void *arg)
{
    pthread_t thread;
    void *done = NULL;
    struct timespec end;
    fake_dfs.meanwhile = NULL;
    clock_gettime(CLOCK_REALTIME, &end);
    end.tv_sec += 60;
    assert_int_equal(pthread_create(&thread, NULL, changed_elsewhere, arg), 0);
    assert_int_equal(pthread_timedjoin_np(thread, &done, &end), 0);
    assert_ptr_equal(done, arg);
}

static void a_bucket_waits_for_no_other(void **state)
{
    (void)state;
    AUTO(teardown) struct fixture f;
    begin(&f, NULL);
    assert_int_equal(call(&f, "alice", "PUT", "/quick", NULL, NULL), OK);
    fake_dfs.meanwhile = while_a_storage_writes;
    fake_dfs.arg = &f;
    assert_int_equal(call(&f, "alice", "PUT", "/mine?versioning", NULL, VERSIONING("Enabled")), OK);
    assert_null(fake_dfs.meanwhile); /* it has been called */
}

static void an_acl_given_meanwhile_is_not_taken_back(void **state)
{
    (void)state;
    static const struct step grant = {"/mine?acl", NULL, FOR_BOB};
    AUTO(teardown) struct fixture f;
    begin(&f, NULL);
    have_object(&f, "mine", "k", 1);
    meanwhile = &grant;
    f.between = somebody_is_quicker;
    assert_int_equal(call(&f, "alice", "PUT", "/mine/k?acl", NULL, FOR_BOB), OK);
    assert_int_equal(call(&f, "bob", "GET", "/mine", NULL, NULL), OK);
    assert_int_equal(call(&f, "bob", "HEAD", "/mine/k", NULL, NULL), OK);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_version_is_copied_by_who_may_read_that_one),
        cmocka_unit_test(what_is_put_while_somebody_looks_is_not_theirs),
        cmocka_unit_test(of_two_settings_that_exclude_each_other_one_is_kept),
        cmocka_unit_test(an_acl_given_meanwhile_is_not_taken_back),
        cmocka_unit_test(a_deletion_is_of_the_bucket_that_was_judged),
        cmocka_unit_test(a_bucket_waits_for_no_other),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
