/* SPDX-License-Identifier: Apache-2.0 */
/* Handlers of service and bucket level, on the memory index. */
#include "tests/lib/s3_fixture.h"

static void a_bucket_is_created_seen_and_deleted(void **state)
{
    (void)state;
    AUTO(teardown) struct fixture f;
    setup(&f);
    assert_int_equal(call(&f, "alice", "PUT", "/pictures", NULL, NULL), S3ERR_OK);
    assert_string_equal(shown(answered(&f, "Location")), "/pictures");
    assert_int_equal(call(&f, "alice", "HEAD", "/pictures", NULL, NULL), S3ERR_OK);
    assert_string_equal(shown(answered(&f, "x-amz-bucket-region")), "us-east-1");
    assert_int_equal(call(&f, "alice", "GET", "/", NULL, NULL), S3ERR_OK);
    assert_text(&f, "Owner/ID", "alice-id");
    assert_text(&f, "Owner/DisplayName", "Alice");
    assert_text(&f, "Buckets/Bucket/Name", "pictures");
    assert_int_equal(call(&f, "alice", "DELETE", "/pictures", NULL, NULL), S3ERR_OK);
    assert_int_equal(f.q.resp.status, 204);
    assert_int_equal(call(&f, "alice", "HEAD", "/pictures", NULL, NULL), S3ERR_NO_SUCH_BUCKET);
    assert_int_equal(fake_dfs.n, 2); /* created and gone, for a rebuild */
    assert_int_equal(fake_dfs.notes[0].kind, S3_DESC_BUCKET);
    assert_int_equal(fake_dfs.notes[1].kind, S3_DESC_UNBUCKET);
}

static void creating_again_depends_on_region_and_owner(void **state)
{
    (void)state;
    AUTO(teardown) struct fixture f;
    setup(&f);
    assert_int_equal(call(&f, "alice", "PUT", "/mine", NULL, NULL), S3ERR_OK);
    assert_int_equal(call(&f, "alice", "PUT", "/mine", NULL, NULL), S3ERR_OK);
    assert_int_equal(call(&f, "bob", "PUT", "/mine", NULL, NULL), S3ERR_BUCKET_ALREADY_EXISTS);
    f.gw.region = STR("eu-west-1");
    assert_int_equal(call(&f, "alice", "PUT", "/mine", NULL, NULL),
                     S3ERR_BUCKET_ALREADY_OWNED_BY_YOU);
    assert_string_equal(shown(extra(&f, "BucketName")), "mine");
}

#define CONSTRAINT(x)                                                                              \
    "<CreateBucketConfiguration xmlns=\"http://s3.amazonaws.com/doc/2006-03-01/\">"                \
    "<LocationConstraint>" x "</LocationConstraint></CreateBucketConfiguration>"

static void creating_again_promises_nothing_that_is_not_so(void **state)
{
    (void)state;
#define TAGS(key)                                                                                  \
    "<CreateBucketConfiguration><Tags><Tag><Key>" key "</Key><Value>v</Value></Tag></Tags>"        \
    "</CreateBucketConfiguration>"
    static const struct {
        const char *headers, *body, *other_headers, *other_body;
    } rows[] = {
        {"x-amz-bucket-object-lock-enabled: true", "", NULL, ""},
        {"x-amz-object-ownership: BucketOwnerEnforced", "", "x-amz-object-ownership: ObjectWriter",
         ""},
        {NULL, TAGS("a"), NULL, TAGS("b")},
        {NULL, CONSTRAINT(":group2"), NULL, CONSTRAINT(":group1")},
    };
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        AUTO(teardown) struct fixture f;
        setup(&f);
        assert_int_equal(
            call(&f, "alice", "PUT", "/plain", rows[i].other_headers, rows[i].other_body),
            S3ERR_OK);
        assert_int_equal(call(&f, "alice", "PUT", "/plain", rows[i].headers, rows[i].body),
                         S3ERR_BUCKET_ALREADY_OWNED_BY_YOU);
        assert_int_equal(call(&f, "alice", "PUT", "/mine", rows[i].headers, rows[i].body),
                         S3ERR_OK);
        assert_int_equal(call(&f, "alice", "PUT", "/mine", rows[i].headers, rows[i].body),
                         S3ERR_OK);
        assert_int_equal(call(&f, "alice", "PUT", "/mine", NULL, NULL), S3ERR_OK);
    }
#undef TAGS
}

static void what_creation_accepts(void **state)
{
    (void)state;
    static const struct {
        const char *headers, *body;
        enum s3err e;
        const char *group;
    } rows[] = {
        {NULL, "", S3ERR_OK, "group1"},
        {NULL, "  ", S3ERR_OK, "group1"},
        {NULL, CONSTRAINT("us-east-1"), S3ERR_OK, "group1"},
        {NULL, CONSTRAINT("us-east-1:group2"), S3ERR_OK, "group2"},
        {NULL, CONSTRAINT(":group2"), S3ERR_OK, "group2"},
        {NULL, CONSTRAINT(""), S3ERR_OK, "group1"},
        {NULL, CONSTRAINT("EU"), S3ERR_ILLEGAL_LOCATION_CONSTRAINT_EXCEPTION, NULL},
        {NULL, CONSTRAINT("us-gov-west-1"), S3ERR_ILLEGAL_LOCATION_CONSTRAINT_EXCEPTION, NULL},
        {NULL, CONSTRAINT("us-west"), S3ERR_INVALID_LOCATION_CONSTRAINT, NULL},
        {NULL, CONSTRAINT("mars-1"), S3ERR_INVALID_LOCATION_CONSTRAINT, NULL},
        {NULL, CONSTRAINT(":nowhere"), S3ERR_INVALID_LOCATION_CONSTRAINT, NULL},
        {NULL, CONSTRAINT(":"), S3ERR_INVALID_LOCATION_CONSTRAINT, NULL},
        {NULL, CONSTRAINT(":group2/../x"), S3ERR_INVALID_LOCATION_CONSTRAINT, NULL},
        {NULL, "<Other/>", S3ERR_MALFORMED_XML, NULL},
        {NULL, "junk", S3ERR_MALFORMED_XML, NULL},
        {"x-amz-acl: private", NULL, S3ERR_OK, "group1"},
        {"x-amz-acl: nonsense", NULL, S3ERR_INVALID_ARGUMENT, NULL},
        {"x-amz-bucket-object-lock-enabled: false", NULL, S3ERR_OK, "group1"},
        {"x-amz-object-ownership: ObjectWriter", NULL, S3ERR_OK, "group1"},
        {"x-amz-object-ownership: Nobody", NULL, S3ERR_INVALID_ARGUMENT, NULL},
    };
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        AUTO(teardown) struct fixture f;
        setup(&f);
        enum s3err e = call(&f, "alice", "PUT", "/mine", rows[i].headers, rows[i].body);
        if (e != rows[i].e)
            print_error("row %zu\n", i);
        assert_int_equal(e, rows[i].e);
        if (e != S3ERR_OK)
            continue;
        assert_int_equal(call(&f, "alice", "HEAD", "/mine", NULL, NULL), S3ERR_OK);
        assert_string_equal(shown(f.q.bkt->groups), rows[i].group);
    }
}

static void others_and_strangers_are_kept_out(void **state)
{
    (void)state;
    AUTO(teardown) struct fixture f;
    setup(&f);
    assert_int_equal(call(&f, "alice", "PUT", "/mine", NULL, NULL), S3ERR_OK);
    assert_int_equal(call(&f, "bob", "GET", "/mine", NULL, NULL), S3ERR_ACCESS_DENIED);
    assert_int_equal(call(&f, "bob", "DELETE", "/mine", NULL, NULL), S3ERR_ACCESS_DENIED);
    assert_int_equal(call(&f, NULL, "GET", "/mine", NULL, NULL), S3ERR_ACCESS_DENIED);
    assert_int_equal(call(&f, NULL, "GET", "/", NULL, NULL), S3ERR_ACCESS_DENIED);
    assert_int_equal(call(&f, NULL, "PUT", "/other", NULL, NULL), S3ERR_ACCESS_DENIED);
    assert_int_equal(call(&f, "root", "GET", "/mine", NULL, NULL), S3ERR_OK);
    assert_int_equal(call(&f, "bob", "GET", "/", NULL, NULL), S3ERR_OK);
    assert_null(text_at(&f, "Buckets/Bucket").p);
    assert_int_equal(call(&f, "alice", "GET", "/mine", "x-amz-expected-bucket-owner: bob-id", NULL),
                     S3ERR_ACCESS_DENIED);
    assert_int_equal(
        call(&f, "alice", "GET", "/mine", "x-amz-expected-bucket-owner: alice-id", NULL), S3ERR_OK);
}

static void buckets_are_listed_in_pages(void **state)
{
    (void)state;
    AUTO(teardown) struct fixture f;
    setup(&f);
    static const char *const names[] = {"/zebra", "/alpha-1", "/alpha-2", "/alpha-3"};
    for (size_t i = 0; i < ARRAY_LEN(names); i++)
        assert_int_equal(call(&f, "alice", "PUT", names[i], NULL, NULL), S3ERR_OK);
    assert_int_equal(call(&f, "alice", "GET", "/?max-buckets=2&prefix=alpha", NULL, NULL),
                     S3ERR_OK);
    assert_text(&f, "Buckets/Bucket/Name", "alpha-1");
    assert_text(&f, "Buckets/Bucket/BucketRegion", "us-east-1");
    assert_text(&f, "Prefix", "alpha");
    char next[256];
    snprintf(next, sizeof(next), "/?max-buckets=2&prefix=alpha&continuation-token=%s",
             shown(text_at(&f, "ContinuationToken")));
    assert_int_equal(call(&f, "alice", "GET", next, NULL, NULL), S3ERR_OK);
    assert_text(&f, "Buckets/Bucket/Name", "alpha-3");
    assert_int_equal(s3_node_count(s3_node_child(f.xml, "Buckets"), "Bucket"), 1);
    assert_null(text_at(&f, "ContinuationToken").p);
    static const char *const bad[] = {"/?max-buckets=0", "/?max-buckets=10001", "/?max-buckets=x",
                                      "/?continuation-token=%21"};
    for (size_t i = 0; i < ARRAY_LEN(bad); i++)
        assert_int_equal(call(&f, "alice", "GET", bad[i], NULL, NULL), S3ERR_INVALID_ARGUMENT);
    assert_int_equal(call(&f, "alice", "GET", "/?bucket-region=elsewhere", NULL, NULL), S3ERR_OK);
    assert_null(text_at(&f, "Buckets/Bucket").p);
}

static void a_bucket_with_anything_in_it_stays(void **state)
{
    (void)state;
    AUTO(teardown) struct fixture f;
    setup(&f);
    assert_int_equal(call(&f, "alice", "PUT", "/mine", NULL, NULL), S3ERR_OK);
    have_object(&f, "mine", "k", 5);
    assert_int_equal(call(&f, "alice", "DELETE", "/mine", NULL, NULL), S3ERR_BUCKET_NOT_EMPTY);
    assert_int_equal(call(&f, "alice", "DELETE", "/mine/k", NULL, NULL), S3ERR_OK);
    assert_int_equal(call(&f, "alice", "DELETE", "/mine", NULL, NULL), S3ERR_OK);
    assert_int_equal(call(&f, "alice", "DELETE", "/mine", NULL, NULL), S3ERR_NO_SUCH_BUCKET);
}

static void location_is_empty_in_the_first_region(void **state)
{
    (void)state;
    AUTO(teardown) struct fixture f;
    setup(&f);
    assert_int_equal(call(&f, "alice", "PUT", "/mine", NULL, NULL), S3ERR_OK);
    assert_int_equal(call(&f, "alice", "GET", "/mine?location", NULL, NULL), S3ERR_OK);
    assert_string_equal(shown(f.xml->name), "LocationConstraint");
    assert_string_equal(shown(f.xml->text), "");
    f.gw.region = STR("eu-central-1");
    assert_int_equal(call(&f, "alice", "GET", "/mine?location", NULL, NULL), S3ERR_OK);
    assert_string_equal(shown(f.xml->text), "eu-central-1");
    assert_int_equal(call(&f, "alice", "GET", "/mine?versioning", NULL, NULL), S3ERR_OK);
    assert_null(f.xml->child);
}

#define TAGGING(x) "<Tagging><TagSet>" x "</TagSet></Tagging>"
#define TAG(k, v)  "<Tag><Key>" k "</Key><Value>" v "</Value></Tag>"

static void tags_of_a_bucket_go_with_it(void **state)
{
    (void)state;
    AUTO(teardown) struct fixture f;
    setup(&f);
    assert_int_equal(call(&f, "alice", "PUT", "/mine", NULL, NULL), S3ERR_OK);
    assert_int_equal(call(&f, "alice", "GET", "/mine?tagging", NULL, NULL), S3ERR_NO_SUCH_TAG_SET);
    assert_int_equal(
        call(&f, "alice", "PUT", "/mine?tagging", NULL, TAGGING(TAG("b", "2") TAG("a", "1"))),
        S3ERR_OK);
    assert_int_equal(f.q.resp.status, 204);
    assert_int_equal(call(&f, "alice", "GET", "/mine?tagging", NULL, NULL), S3ERR_OK);
    assert_text(&f, "TagSet/Tag/Key", "a");
    assert_int_equal(
        call(&f, "alice", "PUT", "/mine?tagging", NULL, TAGGING(TAG("a", "1") TAG("a", "2"))),
        S3ERR_INVALID_TAG);
    assert_int_equal(call(&f, "alice", "PUT", "/mine?tagging", NULL, NULL),
                     S3ERR_MISSING_REQUEST_BODY_ERROR);
    assert_int_equal(call(&f, "alice", "PUT", "/mine?tagging", NULL, "<Tagging/>"),
                     S3ERR_MALFORMED_XML);
    assert_int_equal(call(&f, "alice", "DELETE", "/mine?tagging", NULL, NULL), S3ERR_OK);
    assert_int_equal(call(&f, "alice", "DELETE", "/mine?tagging", NULL, NULL), S3ERR_OK);
    assert_int_equal(call(&f, "alice", "GET", "/mine?tagging", NULL, NULL), S3ERR_NO_SUCH_TAG_SET);
}

#define CORS                                                                                       \
    "<CORSConfiguration><CORSRule><AllowedMethod>PUT</AllowedMethod><AllowedOrigin>http://a</"     \
    "AllowedOrigin>"                                                                               \
    "<AllowedHeader>*</AllowedHeader><ExposeHeader>ETag</ExposeHeader></CORSRule></"               \
    "CORSConfiguration>"

static void preflights_follow_the_configuration(void **state)
{
    (void)state;
    AUTO(teardown) struct fixture f;
    setup(&f);
    assert_int_equal(call(&f, "alice", "PUT", "/mine", NULL, NULL), S3ERR_OK);
    static const char ask[] = "Origin: http://a\nAccess-Control-Request-Method: PUT\n"
                              "Access-Control-Request-Headers: X-Amz-Date";
    assert_int_equal(call(&f, NULL, "OPTIONS", "/mine/k", ask, NULL), S3ERR_ACCESS_FORBIDDEN);
    assert_int_equal(call(&f, "alice", "GET", "/mine?cors", NULL, NULL),
                     S3ERR_NO_SUCH_CORS_CONFIGURATION);
    assert_int_equal(call(&f, "alice", "PUT", "/mine?cors", NULL, CORS), S3ERR_OK);
    assert_int_equal(call(&f, NULL, "OPTIONS", "/mine/k", ask, NULL), S3ERR_OK);
    assert_string_equal(shown(answered(&f, "Access-Control-Allow-Origin")), "http://a");
    assert_string_equal(shown(answered(&f, "Access-Control-Allow-Headers")), "x-amz-date");
    assert_string_equal(shown(answered(&f, "Access-Control-Expose-Headers")), "ETag");
    assert_int_equal(call(&f, NULL, "OPTIONS", "/mine/k",
                          "Origin: http://b\nAccess-Control-Request-Method: PUT", NULL),
                     S3ERR_ACCESS_FORBIDDEN);
    assert_int_equal(call(&f, NULL, "OPTIONS", "/mine/k", "Origin: http://a", NULL),
                     S3ERR_BAD_REQUEST);
    assert_int_equal(
        call(&f, NULL, "OPTIONS", "/mine/k", "Access-Control-Request-Method: PUT", NULL),
        S3ERR_BAD_REQUEST);
    assert_int_equal(call(&f, NULL, "OPTIONS", "/nobody/k", ask, NULL), S3ERR_NO_SUCH_BUCKET);
    assert_int_equal(call(&f, "alice", "DELETE", "/mine?cors", NULL, NULL), S3ERR_OK);
    assert_int_equal(call(&f, NULL, "OPTIONS", "/mine/k", ask, NULL), S3ERR_ACCESS_FORBIDDEN);
}

static void a_note_that_fails_changes_nothing(void **state)
{
    (void)state;
    AUTO(teardown) struct fixture f;
    setup(&f);
    fake_dfs.fail = -EIO;
    assert_int_equal(call(&f, "alice", "PUT", "/mine", NULL, NULL), S3ERR_INTERNAL_ERROR);
    fake_dfs.fail = 0;
    assert_int_equal(call(&f, "alice", "HEAD", "/mine", NULL, NULL), S3ERR_NO_SUCH_BUCKET);
}

static void the_acl_says_the_owner_everything(void **state)
{
    (void)state;
    AUTO(teardown) struct fixture f;
    setup(&f);
    assert_int_equal(call(&f, "alice", "PUT", "/mine", NULL, NULL), S3ERR_OK);
    assert_int_equal(call(&f, "alice", "GET", "/mine?acl", NULL, NULL), S3ERR_OK);
    assert_text(&f, "Owner/ID", "alice-id");
    assert_text(&f, "AccessControlList/Grant/Grantee/ID", "alice-id");
    assert_text(&f, "AccessControlList/Grant/Permission", "FULL_CONTROL");
    const struct s3_node *g = s3_node_child(s3_node_child(f.xml, "AccessControlList"), "Grant");
    assert_string_equal(shown(s3_node_child(g, "Grantee")->type), "CanonicalUser");
    assert_int_equal(call(&f, "alice", "PUT", "/mine?acl", "x-amz-acl: private", NULL), S3ERR_OK);
    assert_int_equal(call(&f, "alice", "PUT", "/mine?acl", NULL, NULL),
                     S3ERR_MISSING_SECURITY_HEADER);
    assert_int_equal(call(&f, "alice", "PUT", "/mine?acl", "x-amz-acl: private", "<A/>"),
                     S3ERR_UNEXPECTED_CONTENT);
    assert_int_equal(call(&f, "alice", "PUT", "/mine?acl", NULL, "<A/>"),
                     S3ERR_MALFORMED_ACL_ERROR);
}

static void acceleration_is_suspended_or_never_was(void **state)
{
    (void)state;
    AUTO(teardown) struct fixture f;
    setup(&f);
    assert_int_equal(call(&f, "alice", "PUT", "/bkt", NULL, NULL), S3ERR_OK);
    assert_int_equal(call(&f, "alice", "GET", "/bkt?accelerate", NULL, NULL), S3ERR_OK);
    assert_null(f.xml->child);
    assert_int_equal(
        call(&f, "alice", "PUT", "/bkt?accelerate", NULL,
             "<AccelerateConfiguration><Status>Enabled</Status></AccelerateConfiguration>"),
        S3ERR_NOT_IMPLEMENTED);
    assert_int_equal(
        call(&f, "alice", "PUT", "/bkt?accelerate", NULL,
             "<AccelerateConfiguration><Status>Off</Status></AccelerateConfiguration>"),
        S3ERR_MALFORMED_XML);
    assert_int_equal(
        call(&f, "alice", "PUT", "/bkt?accelerate", NULL,
             "<AccelerateConfiguration><Status>Suspended</Status></AccelerateConfiguration>"),
        S3ERR_OK);
    assert_int_equal(call(&f, "alice", "GET", "/bkt?accelerate", NULL, NULL), S3ERR_OK);
    assert_text(&f, "Status", "Suspended");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_bucket_is_created_seen_and_deleted),
        cmocka_unit_test(creating_again_depends_on_region_and_owner),
        cmocka_unit_test(creating_again_promises_nothing_that_is_not_so),
        cmocka_unit_test(what_creation_accepts),
        cmocka_unit_test(others_and_strangers_are_kept_out),
        cmocka_unit_test(buckets_are_listed_in_pages),
        cmocka_unit_test(a_bucket_with_anything_in_it_stays),
        cmocka_unit_test(location_is_empty_in_the_first_region),
        cmocka_unit_test(tags_of_a_bucket_go_with_it),
        cmocka_unit_test(preflights_follow_the_configuration),
        cmocka_unit_test(a_note_that_fails_changes_nothing),
        cmocka_unit_test(the_acl_says_the_owner_everything),
        cmocka_unit_test(acceleration_is_suspended_or_never_was),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
