/* SPDX-License-Identifier: Apache-2.0 */
/* Who may: ACLs, policies, ownership, public access block, through the handlers. */
#include "tests/lib/s3_fixture.h"

static void begin(struct fixture *f, const char *headers)
{
    setup(f);
    assert_int_equal(call(f, "alice", "PUT", "/mine", headers, NULL), S3ERR_OK);
}

#define OK S3ERR_OK
#define NO S3ERR_ACCESS_DENIED

static void what_canned_acls_let_others_do(void **state)
{
    (void)state;
    static const struct {
        const char *bucket_acl, *object_acl;
        enum s3err bob_lists, anon_lists, bob_reads, anon_reads, bob_deletes, anon_reads_acl;
    } rows[] = {
        {"private", "private", NO, NO, NO, NO, NO, NO},
        {"public-read", "private", OK, OK, NO, NO, NO, NO},
        {"private", "public-read", NO, NO, OK, OK, NO, NO},
        {"private", "authenticated-read", NO, NO, OK, NO, NO, NO},
        {"authenticated-read", "private", OK, NO, NO, NO, NO, NO},
        {"public-read-write", "private", OK, OK, NO, NO, OK, NO},
        {"log-delivery-write", "bucket-owner-full-control", NO, NO, NO, NO, NO, NO},
    };
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        AUTO(teardown) struct fixture f;
        char line[100];
        snprintf(line, sizeof(line), "x-amz-acl: %s", rows[i].bucket_acl);
        begin(&f, line);
        have_object(&f, "mine", "k", 1);
        snprintf(line, sizeof(line), "x-amz-acl: %s", rows[i].object_acl);
        assert_int_equal(call(&f, "alice", "PUT", "/mine/k?acl", line, NULL), OK);
        if (call(&f, "bob", "GET", "/mine", NULL, NULL) != rows[i].bob_lists)
            print_error("row %zu\n", i);
        assert_int_equal(f.e, rows[i].bob_lists);
        assert_int_equal(call(&f, NULL, "GET", "/mine?list-type=2", NULL, NULL),
                         rows[i].anon_lists);
        assert_int_equal(call(&f, "bob", "HEAD", "/mine/k", NULL, NULL), rows[i].bob_reads);
        assert_int_equal(call(&f, NULL, "HEAD", "/mine/k", NULL, NULL), rows[i].anon_reads);
        assert_int_equal(call(&f, NULL, "GET", "/mine/k?acl", NULL, NULL), rows[i].anon_reads_acl);
        assert_int_equal(call(&f, "bob", "GET", "/mine?policy", NULL, NULL), NO);
        assert_int_equal(call(&f, "bob", "DELETE", "/mine/k", NULL, NULL), rows[i].bob_deletes);
        assert_int_equal(call(&f, "alice", "GET", "/mine", NULL, NULL), OK);
        assert_int_equal(call(&f, "root", "GET", "/mine", NULL, NULL), OK);
    }
}

static void a_missing_key_is_told_only_to_who_may_list(void **state)
{
    (void)state;
    AUTO(teardown) struct fixture f;
    begin(&f, "x-amz-acl: public-read");
    assert_int_equal(call(&f, "bob", "HEAD", "/mine/none", NULL, NULL), S3ERR_NO_SUCH_KEY);
    assert_int_equal(call(&f, "alice", "PUT", "/mine?acl", "x-amz-acl: private", NULL), OK);
    assert_int_equal(call(&f, "bob", "HEAD", "/mine/none", NULL, NULL), NO);
    assert_int_equal(call(&f, "alice", "HEAD", "/mine/none", NULL, NULL), S3ERR_NO_SUCH_KEY);
}

static void grants_come_by_header_and_by_xml(void **state)
{
    (void)state;
    AUTO(teardown) struct fixture f;
    begin(&f, NULL);
    have_object(&f, "mine", "k", 1);
    assert_int_equal(call(&f, "alice", "PUT", "/mine/k?acl",
                          "x-amz-grant-read: emailAddress=\"bob@example.com\"\n"
                          "x-amz-grant-full-control: id=\"alice-id\"",
                          NULL),
                     OK);
    assert_int_equal(call(&f, "bob", "HEAD", "/mine/k", NULL, NULL), OK);
    assert_int_equal(call(&f, "bob", "GET", "/mine/k?acl", NULL, NULL), NO);
    assert_int_equal(call(&f, "alice", "GET", "/mine/k?acl", NULL, NULL), OK);
    assert_int_equal(s3_node_count(s3_node_child(f.xml, "AccessControlList"), "Grant"), 2);
    AUTO(buf_free) struct buf xml = BUF(4096);
    buf_adds(&xml, buf_str(&f.q.resp.body)); /* what was answered can be sent back */
    buf_addc(&xml, '\0');
    assert_int_equal(call(&f, "alice", "PUT", "/mine/k?acl", "x-amz-acl: private", NULL), OK);
    assert_int_equal(call(&f, "bob", "HEAD", "/mine/k", NULL, NULL), NO);
    assert_int_equal(call(&f, "alice", "PUT", "/mine/k?acl", NULL, xml.p), OK);
    assert_int_equal(call(&f, "bob", "HEAD", "/mine/k", NULL, NULL), OK);
}

#define XSI "xmlns:xsi='http://www.w3.org/2001/XMLSchema-instance'"
#define ACL(owner, grants)                                                                         \
    "<AccessControlPolicy><Owner><ID>" owner "</ID></Owner><AccessControlList>" grants             \
    "</AccessControlList></AccessControlPolicy>"
#define GRANT(type, who, what)                                                                     \
    "<Grant><Grantee " XSI " xsi:type='" type "'>" who "</Grantee><Permission>" what               \
    "</Permission></Grant>"

static void bad_acls_are_refused(void **state)
{
    (void)state;
    static const struct {
        const char *headers, *body;
        enum s3err e;
    } rows[] = {
        {"x-amz-grant-read: id=\"nobody\"", NULL, S3ERR_INVALID_ARGUMENT},
        {"x-amz-grant-read: emailAddress=\"no@example.com\"", NULL,
         S3ERR_UNRESOLVABLE_GRANT_BY_EMAIL_ADDRESS},
        {"x-amz-grant-read: uri=\"http://elsewhere\"", NULL, S3ERR_INVALID_ARGUMENT},
        {"x-amz-grant-read: colour=\"red\"", NULL, S3ERR_INVALID_ARGUMENT},
        {"x-amz-grant-read: junk", NULL, S3ERR_INVALID_ARGUMENT},
        {"x-amz-acl: nonsense", NULL, S3ERR_INVALID_ARGUMENT},
        {"x-amz-acl: private\nx-amz-grant-read: id=\"bob-id\"", NULL, S3ERR_INVALID_REQUEST},
        {NULL, ACL("bob-id", ""), NO},
        {NULL, ACL("alice-id", ""), OK},
        {NULL, ACL("alice-id", GRANT("CanonicalUser", "<ID>bob-id</ID>", "READ")), OK},
        {NULL, ACL("alice-id", GRANT("CanonicalUser", "<ID>nobody</ID>", "READ")),
         S3ERR_INVALID_ARGUMENT},
        {NULL, ACL("alice-id", GRANT("CanonicalUser", "<ID>bob-id</ID>", "EVERYTHING")),
         S3ERR_MALFORMED_ACL_ERROR},
        {NULL, ACL("alice-id", GRANT("Robot", "<ID>bob-id</ID>", "READ")),
         S3ERR_MALFORMED_ACL_ERROR},
        {NULL, ACL("alice-id", "<Grant/>"), S3ERR_MALFORMED_ACL_ERROR},
        {NULL, "<AccessControlPolicy/>", S3ERR_MALFORMED_ACL_ERROR},
    };
    AUTO(teardown) struct fixture f;
    begin(&f, NULL);
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        enum s3err e = call(&f, "alice", "PUT", "/mine?acl", rows[i].headers, rows[i].body);
        if (e != rows[i].e)
            print_error("row %zu\n", i);
        assert_int_equal(e, rows[i].e);
    }
}

#define POLICY(effect, who, action, where)                                                         \
    "{\"Version\":\"2012-10-17\",\"Statement\":{\"Effect\":\"" effect "\",\"Principal\":" who      \
    ",\"Action\":\"" action "\",\"Resource\":\"arn:aws:s3:::mine" where "\"}}"

static void a_policy_lets_in_and_locks_out(void **state)
{
    (void)state;
    AUTO(teardown) struct fixture f;
    begin(&f, NULL);
    have_object(&f, "mine", "k", 1);
    assert_int_equal(call(&f, "alice", "GET", "/mine?policy", NULL, NULL),
                     S3ERR_NO_SUCH_BUCKET_POLICY);
    assert_int_equal(call(&f, "alice", "GET", "/mine?policyStatus", NULL, NULL),
                     S3ERR_NO_SUCH_BUCKET_POLICY);
    static const char json[] = POLICY("Allow", "\"*\"", "s3:GetObject", "/*");
    assert_int_equal(call(&f, "alice", "PUT", "/mine?policy", NULL, json), OK);
    assert_int_equal(f.q.resp.status, 204);
    assert_int_equal(call(&f, NULL, "HEAD", "/mine/k", NULL, NULL), OK);
    assert_int_equal(call(&f, NULL, "HEAD", "/mine/none", NULL, NULL), NO);
    assert_int_equal(call(&f, NULL, "GET", "/mine", NULL, NULL), NO);
    assert_int_equal(call(&f, "alice", "GET", "/mine?policy", NULL, NULL), OK);
    assert_true(str_eq(buf_str(&f.q.resp.body), str_c(json)));
    assert_int_equal(call(&f, "alice", "GET", "/mine?policyStatus", NULL, NULL), OK);
    assert_text(&f, "IsPublic", "true");

    assert_int_equal(
        call(&f, "alice", "PUT", "/mine?policy", NULL, POLICY("Deny", "\"*\"", "s3:*", "x*")),
        S3ERR_MALFORMED_POLICY);
    assert_int_equal(
        call(&f, "alice", "PUT", "/mine?policy", NULL, POLICY("Deny", "\"*\"", "s3:*", "/*")), OK);
    assert_int_equal(call(&f, "alice", "HEAD", "/mine/k", NULL, NULL),
                     NO); /* binds the owner too */
    assert_int_equal(call(&f, "root", "HEAD", "/mine/k", NULL, NULL), OK);
    assert_int_equal(
        call(&f, "alice", "PUT", "/mine?policy", NULL, POLICY("Deny", "\"*\"", "s3:*", "")), OK);
    assert_int_equal(call(&f, "alice", "GET", "/mine", NULL, NULL), NO);
    assert_int_equal(call(&f, "alice", "DELETE", "/mine?policy", NULL, NULL), OK); /* the way out */
    assert_int_equal(call(&f, "alice", "GET", "/mine", NULL, NULL), OK);
    assert_int_equal(call(&f, NULL, "HEAD", "/mine/k", NULL, NULL), NO);
    assert_int_equal(call(&f, "alice", "DELETE", "/mine?policy", NULL, NULL), OK);
    assert_int_equal(call(&f, "alice", "GET", "/mine?policy", NULL, NULL),
                     S3ERR_NO_SUCH_BUCKET_POLICY);
}

static void many_deletions_are_judged_one_by_one(void **state)
{
    (void)state;
    AUTO(teardown) struct fixture f;
    begin(&f, NULL);
    have_object(&f, "mine", "a/1", 1);
    have_object(&f, "mine", "b/1", 1);
    assert_int_equal(call(&f, "alice", "PUT", "/mine?policy", NULL,
                          POLICY("Allow", "{\"AWS\":\"bob-id\"}", "s3:DeleteObject", "/a/*")),
                     OK);
    assert_int_equal(
        call(&f, "bob", "POST", "/mine?delete", "Content-MD5: 1B2M2Y8AsgTpgAmY7PhCfg==",
             "<Delete><Object><Key>a/1</Key></Object><Object><Key>b/1</Key></Object></Delete>"),
        OK);
    assert_text(&f, "Deleted/Key", "a/1");
    assert_text(&f, "Error/Key", "b/1");
    assert_text(&f, "Error/Code", "AccessDenied");
}

/* Rule: S3 User Guide, "Access control list overview": deletions and overwrites are the bucket's WRITE. */
static void owning_an_object_is_no_right_to_replace_or_delete_it(void **state)
{
    (void)state;
    AUTO(teardown) struct fixture f;
    begin(&f, NULL);
    assert_int_equal(call(&f, "bob", "PUT", "/bobs", NULL, NULL), OK);
    have_object(&f, "bobs", "k", 1);
    static const char *const copy = "x-amz-copy-source: /bobs/k";
    static const struct {
        const char *allowed; /* to bob, by the policy of alice's bucket */
        enum s3err writes, reads, deletes;
    } rows[] = {{"s3:PutObject", OK, OK, NO},
                {"s3:ListBucket*", NO, OK, NO},
                {"s3:DeleteObject", NO, OK, OK}};
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        bool bucket = strcmp(rows[i].allowed, "s3:ListBucket*") == 0;
        char policy[400];
        snprintf(policy, sizeof(policy), POLICY("Allow", "{\"AWS\":\"bob-id\"}", "%s", "%s"),
                 rows[i].allowed, bucket ? "" : "/*");
        assert_int_equal(call(&f, "alice", "PUT", "/mine?policy", NULL, policy), OK);
        assert_int_equal(call(&f, "bob", "PUT", "/mine/his", copy, NULL), rows[i].writes);
        assert_int_equal(call(&f, "bob", "PUT", "/mine/his", copy, NULL), rows[i].writes);
        assert_int_equal(call(&f, "bob", "HEAD", "/mine/his", NULL, NULL), rows[i].reads);
        assert_int_equal(call(&f, "bob", "DELETE", "/mine/his", NULL, NULL), rows[i].deletes);
    }
}

static void who_writes_owns_unless_the_bucket_says_otherwise(void **state)
{
    (void)state;
    static const struct {
        const char *ownership, *acl;
        const char *owner;
        enum s3err alice_reads;
    } rows[] = {
        {"ObjectWriter", NULL, "bob-id", NO},
        {"ObjectWriter", "bucket-owner-full-control", "bob-id", OK},
        {"ObjectWriter", "bucket-owner-read", "bob-id", OK},
        {"BucketOwnerPreferred", NULL, "bob-id", NO},
        {"BucketOwnerPreferred", "bucket-owner-full-control", "alice-id", OK},
        {"BucketOwnerEnforced", NULL, "alice-id", OK},
    };
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        AUTO(teardown) struct fixture f;
        begin(&f, NULL);
        assert_int_equal(call(&f, "bob", "PUT", "/bobs", NULL, NULL), OK);
        have_object(&f, "bobs", "k", 1);
        char line[200], body[200];
        snprintf(body, sizeof(body),
                 "<OwnershipControls><Rule><ObjectOwnership>%s</ObjectOwnership></Rule></"
                 "OwnershipControls>",
                 rows[i].ownership);
        assert_int_equal(call(&f, "alice", "PUT", "/mine?ownershipControls", NULL, body), OK);
        assert_int_equal(call(&f, "alice", "PUT", "/mine?policy", NULL,
                              POLICY("Allow", "{\"AWS\":\"bob-id\"}", "s3:PutObject*", "/*")),
                         OK);
        snprintf(line, sizeof(line), "x-amz-copy-source: /bobs/k%s%s",
                 rows[i].acl ? "\nx-amz-acl: " : "", rows[i].acl ? rows[i].acl : "");
        assert_int_equal(call(&f, "bob", "PUT", "/mine/k", line, NULL), OK);
        if (call(&f, "alice", "HEAD", "/mine/k", NULL, NULL) != rows[i].alice_reads)
            print_error("row %zu\n", i);
        assert_int_equal(f.e, rows[i].alice_reads);
        assert_int_equal(call(&f, "root", "GET", "/mine", NULL, NULL), OK);
        assert_text(&f, "Contents/Owner/ID", rows[i].owner);
        assert_int_equal(call(&f, "alice", "DELETE", "/mine/k", NULL, NULL),
                         OK); /* that she always may */
    }
}

static void with_acls_off_none_is_taken(void **state)
{
    (void)state;
    AUTO(teardown) struct fixture f;
    begin(&f, "x-amz-object-ownership: BucketOwnerEnforced");
    have_object(&f, "mine", "k", 1);
    assert_int_equal(call(&f, "alice", "PUT", "/mine?acl", "x-amz-acl: public-read", NULL),
                     S3ERR_ACCESS_CONTROL_LIST_NOT_SUPPORTED);
    assert_int_equal(call(&f, "alice", "PUT", "/mine/to",
                          "x-amz-copy-source: /mine/k\nx-amz-acl: public-read", NULL),
                     S3ERR_ACCESS_CONTROL_LIST_NOT_SUPPORTED);
    assert_int_equal(call(&f, "alice", "PUT", "/mine/to",
                          "x-amz-copy-source: /mine/k\nx-amz-acl: bucket-owner-full-control", NULL),
                     OK);
    assert_int_equal(call(&f, "alice", "GET", "/mine?acl", NULL, NULL), OK);
    assert_int_equal(call(&f, "bob", "PUT", "/other",
                          "x-amz-object-ownership: BucketOwnerEnforced\nx-amz-acl: public-read",
                          NULL),
                     S3ERR_INVALID_BUCKET_ACL_WITH_OBJECT_OWNERSHIP);
    assert_int_equal(call(&f, "alice", "DELETE", "/mine?ownershipControls", NULL, NULL), OK);
    assert_int_equal(call(&f, "alice", "GET", "/mine?ownershipControls", NULL, NULL),
                     S3ERR_OWNERSHIP_CONTROLS_NOT_FOUND_ERROR);
    assert_int_equal(call(&f, "alice", "PUT", "/mine?acl", "x-amz-acl: public-read", NULL), OK);
    assert_int_equal(
        call(
            &f, "alice", "PUT", "/mine?ownershipControls", NULL,
            "<OwnershipControls><Rule><ObjectOwnership>BucketOwnerEnforced</ObjectOwnership></Rule>"
            "</OwnershipControls>"),
        S3ERR_INVALID_BUCKET_ACL_WITH_OBJECT_OWNERSHIP);
}

#define PAB(x) "<PublicAccessBlockConfiguration>" x "</PublicAccessBlockConfiguration>"

static void the_public_is_kept_out_by_the_block(void **state)
{
    (void)state;
    AUTO(teardown) struct fixture f;
    begin(&f, "x-amz-acl: public-read");
    have_object(&f, "mine", "k", 1);
    assert_int_equal(call(&f, "alice", "GET", "/mine?publicAccessBlock", NULL, NULL),
                     S3ERR_NO_SUCH_PUBLIC_ACCESS_BLOCK_CONFIGURATION);
    assert_int_equal(call(&f, NULL, "GET", "/mine", NULL, NULL), OK);
    assert_int_equal(call(&f, "alice", "PUT", "/mine?publicAccessBlock", NULL,
                          PAB("<IgnorePublicAcls>TRUE</IgnorePublicAcls>")),
                     OK);
    assert_int_equal(call(&f, NULL, "GET", "/mine", NULL, NULL), NO);
    assert_int_equal(call(&f, "alice", "GET", "/mine?publicAccessBlock", NULL, NULL), OK);
    assert_text(&f, "IgnorePublicAcls", "true");
    assert_text(&f, "BlockPublicAcls", "false");
    assert_int_equal(call(&f, "alice", "PUT", "/mine?publicAccessBlock", NULL,
                          PAB("<BlockPublicAcls>true</BlockPublicAcls><BlockPublicPolicy>true</"
                              "BlockPublicPolicy>")),
                     OK);
    assert_int_equal(call(&f, "alice", "PUT", "/mine?acl", "x-amz-acl: public-read", NULL), NO);
    assert_int_equal(call(&f, "alice", "PUT", "/mine?policy", NULL,
                          POLICY("Allow", "\"*\"", "s3:GetObject", "/*")),
                     NO);
    assert_int_equal(call(&f, "alice", "PUT", "/mine?policy", NULL,
                          POLICY("Allow", "{\"AWS\":\"bob-id\"}", "s3:GetObject", "/*")),
                     OK);
    assert_int_equal(call(&f, "alice", "DELETE", "/mine?publicAccessBlock", NULL, NULL), OK);
    assert_int_equal(call(&f, "alice", "PUT", "/mine?policy", NULL,
                          POLICY("Allow", "\"*\"", "s3:GetObject", "/*")),
                     OK);
    assert_int_equal(call(&f, NULL, "HEAD", "/mine/k", NULL, NULL), OK);
    assert_int_equal(call(&f, "alice", "PUT", "/mine?publicAccessBlock", NULL,
                          PAB("<RestrictPublicBuckets>true</RestrictPublicBuckets>")),
                     OK);
    assert_int_equal(call(&f, NULL, "HEAD", "/mine/k", NULL, NULL), NO);
    assert_int_equal(call(&f, "alice", "HEAD", "/mine/k", NULL, NULL), OK);
    assert_int_equal(call(&f, "alice", "PUT", "/mine?publicAccessBlock", NULL,
                          PAB("<BlockPublicAcls>maybe</BlockPublicAcls>")),
                     S3ERR_MALFORMED_XML);
}

static void strangers_may_put_but_not_begin_uploads(void **state)
{
    (void)state;
    AUTO(teardown) struct fixture f;
    begin(&f, "x-amz-acl: public-read-write");
    have_object(&f, "mine", "k", 1);
    assert_int_equal(call(&f, NULL, "POST", "/mine/x?uploads", NULL, NULL), NO);
    assert_int_equal(call(&f, NULL, "PUT", "/mine/x", "x-amz-copy-source: /mine/k", NULL), NO);
    assert_int_equal(call(&f, NULL, "DELETE", "/mine/k", NULL, NULL), OK);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_canned_acls_let_others_do),
        cmocka_unit_test(a_missing_key_is_told_only_to_who_may_list),
        cmocka_unit_test(grants_come_by_header_and_by_xml),
        cmocka_unit_test(bad_acls_are_refused),
        cmocka_unit_test(a_policy_lets_in_and_locks_out),
        cmocka_unit_test(many_deletions_are_judged_one_by_one),
        cmocka_unit_test(owning_an_object_is_no_right_to_replace_or_delete_it),
        cmocka_unit_test(who_writes_owns_unless_the_bucket_says_otherwise),
        cmocka_unit_test(with_acls_off_none_is_taken),
        cmocka_unit_test(the_public_is_kept_out_by_the_block),
        cmocka_unit_test(strangers_may_put_but_not_begin_uploads),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
