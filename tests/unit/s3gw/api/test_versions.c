/* SPDX-License-Identifier: Apache-2.0 */
/* Versioning through the handlers. */
#include "s3gw/index/version.h"
#include "tests/lib/s3_fixture.h"

#define STATE(x)  "<VersioningConfiguration><Status>" x "</Status></VersioningConfiguration>"
#define ENABLED   STATE("Enabled")
#define SUSPENDED STATE("Suspended")

static void begin(struct fixture *f)
{
    setup(f);
    assert_int_equal(call(f, "alice", "PUT", "/mine", NULL, NULL), S3ERR_OK);
}

static char target[300];

static const char *version(const char *id)
{
    snprintf(target, sizeof(target), "/mine/k?versionId=%s", id);
    return target;
}

/* The id of version number @i in the list, newest first, markers too. */
static const char *listed(struct fixture *f, size_t i)
{
    static char id[4][64];
    static unsigned at;
    char *out = id[at++ % 4];
    assert_int_equal(call(f, "alice", "GET", "/mine?versions", NULL, NULL), S3ERR_OK);
    for (const struct s3_node *n = f->xml->child; n; n = n->next) {
        bool one = str_eq(n->name, STR("Version")) || str_eq(n->name, STR("DeleteMarker"));
        if (one && i-- == 0) {
            snprintf(out, sizeof(id[0]), "%s", shown(s3_node_text(n, "VersionId")));
            return out;
        }
    }
    fail();
    return NULL;
}

static void what_a_state_may_be(void **state)
{
    (void)state;
    static const struct {
        const char *body;
        enum s3err e;
    } rows[] = {
        {"", S3ERR_MISSING_REQUEST_BODY_ERROR},
        {"<VersioningConfiguration/>", S3ERR_ILLEGAL_VERSIONING_CONFIGURATION_EXCEPTION},
        {STATE("enabled"), S3ERR_MALFORMED_XML},
        {"<Other/>", S3ERR_MALFORMED_XML},
        {"<VersioningConfiguration><Status>Enabled</Status><MfaDelete>Enabled</MfaDelete></"
         "VersioningConfiguration>",
         S3ERR_NOT_IMPLEMENTED},
        {"<VersioningConfiguration><Status>Enabled</Status><MfaDelete>Disabled</MfaDelete></"
         "VersioningConfiguration>",
         S3ERR_OK},
        {SUSPENDED, S3ERR_OK},
    };
    AUTO(teardown) struct fixture f;
    begin(&f);
    for (size_t i = 0; i < ARRAY_LEN(rows); i++)
        assert_int_equal(call(&f, "alice", "PUT", "/mine?versioning", NULL, rows[i].body),
                         rows[i].e);
    assert_int_equal(call(&f, "alice", "GET", "/mine?versioning", NULL, NULL), S3ERR_OK);
    assert_text(&f, "Status", "Suspended");
    assert_int_equal(call(&f, "bob", "PUT", "/mine?versioning", NULL, ENABLED),
                     S3ERR_ACCESS_DENIED);
}

static void every_write_is_kept(void **state)
{
    (void)state;
    AUTO(teardown) struct fixture f;
    begin(&f);
    have_object(&f, "mine", "k", 1); /* from before: the null version */
    assert_int_equal(call(&f, "alice", "PUT", "/mine?versioning", NULL, ENABLED), S3ERR_OK);
    have_object(&f, "mine", "k", 2);
    have_object(&f, "mine", "k", 3);
    assert_int_equal(call(&f, "alice", "HEAD", "/mine/k", NULL, NULL), S3ERR_OK);
    assert_int_equal(f.q.resp.body_length, 3);
    char newest[64];
    snprintf(newest, sizeof(newest), "%s", shown(answered(&f, "x-amz-version-id")));
    assert_string_equal(listed(&f, 0), newest);
    assert_string_equal(listed(&f, 2), "null");
    assert_int_equal(call(&f, "alice", "HEAD", version("null"), NULL, NULL), S3ERR_OK);
    assert_int_equal(f.q.resp.body_length, 1);
    const char *middle = listed(&f, 1);
    assert_int_equal(call(&f, "alice", "HEAD", version(middle), NULL, NULL), S3ERR_OK);
    assert_int_equal(f.q.resp.body_length, 2);
    assert_int_equal(call(&f, "alice", "DELETE", version(middle), NULL, NULL), S3ERR_OK);
    assert_string_equal(shown(answered(&f, "x-amz-version-id")), middle);
    assert_null(answered(&f, "x-amz-delete-marker").p);
    assert_int_equal(call(&f, "alice", "HEAD", version(middle), NULL, NULL), S3ERR_NO_SUCH_VERSION);
    assert_int_equal(call(&f, "alice", "DELETE", version(middle), NULL, NULL),
                     S3ERR_OK); /* again: fine */
    assert_int_equal(call(&f, "alice", "HEAD", version("junk"), NULL, NULL),
                     S3ERR_INVALID_ARGUMENT);
    assert_int_equal(call(&f, "alice", "DELETE", "/mine", NULL, NULL), S3ERR_BUCKET_NOT_EMPTY);
}

static void a_marker_hides_and_its_removal_brings_back(void **state)
{
    (void)state;
    AUTO(teardown) struct fixture f;
    begin(&f);
    assert_int_equal(call(&f, "alice", "PUT", "/mine?versioning", NULL, ENABLED), S3ERR_OK);
    have_object(&f, "mine", "k", 5);
    assert_int_equal(call(&f, "alice", "DELETE", "/mine/k", NULL, NULL), S3ERR_OK);
    assert_string_equal(shown(answered(&f, "x-amz-delete-marker")), "true");
    char marker[64];
    snprintf(marker, sizeof(marker), "%s", shown(answered(&f, "x-amz-version-id")));
    assert_string_equal(listed(&f, 0), marker);

    assert_int_equal(call(&f, "alice", "HEAD", "/mine/k", NULL, NULL), S3ERR_NO_SUCH_KEY);
    assert_string_equal(shown(answered(&f, "x-amz-delete-marker")), "true");
    assert_string_equal(shown(answered(&f, "x-amz-version-id")), marker);
    assert_int_equal(call(&f, "alice", "HEAD", version(marker), NULL, NULL),
                     S3ERR_METHOD_NOT_ALLOWED);
    assert_string_equal(shown(answered(&f, "Allow")), "DELETE");
    assert_non_null(answered(&f, "Last-Modified").p);
    snprintf(target, sizeof(target), "/mine/k?tagging&versionId=%s", marker);
    assert_int_equal(call(&f, "alice", "GET", target, NULL, NULL), S3ERR_METHOD_NOT_ALLOWED);
    char source[200];
    snprintf(source, sizeof(source), "x-amz-copy-source: /mine/k?versionId=%s", marker);
    assert_int_equal(call(&f, "alice", "PUT", "/mine/to", source, NULL), S3ERR_INVALID_REQUEST);
    assert_int_equal(call(&f, "alice", "PUT", "/mine/to", "x-amz-copy-source: /mine/k", NULL),
                     S3ERR_NO_SUCH_KEY);

    assert_int_equal(call(&f, "alice", "DELETE", version(marker), NULL, NULL), S3ERR_OK);
    assert_string_equal(shown(answered(&f, "x-amz-delete-marker")), "true");
    assert_int_equal(call(&f, "alice", "HEAD", "/mine/k", NULL, NULL), S3ERR_OK);
    assert_int_equal(call(&f, "alice", "DELETE", "/mine/never", NULL, NULL),
                     S3ERR_OK); /* a marker all the same */
    assert_string_equal(shown(answered(&f, "x-amz-delete-marker")), "true");
}

static void suspended_writes_replace_the_null_version(void **state)
{
    (void)state;
    AUTO(teardown) struct fixture f;
    begin(&f);
    assert_int_equal(call(&f, "alice", "PUT", "/mine?versioning", NULL, ENABLED), S3ERR_OK);
    have_object(&f, "mine", "k", 1);
    assert_int_equal(call(&f, "alice", "PUT", "/mine?versioning", NULL, SUSPENDED), S3ERR_OK);
    have_object(&f, "mine", "k", 2);
    have_object(&f, "mine", "k", 3);
    assert_int_equal(call(&f, "alice", "GET", "/mine?versions", NULL, NULL), S3ERR_OK);
    assert_int_equal(s3_node_count(f.xml, "Version"), 2);
    assert_string_equal(listed(&f, 0), "null");
    assert_int_equal(call(&f, "alice", "HEAD", "/mine/k", NULL, NULL), S3ERR_OK);
    assert_string_equal(shown(answered(&f, "x-amz-version-id")), "null");
    assert_int_equal(call(&f, "alice", "PUT", "/mine/k",
                          "x-amz-copy-source: /mine/k\nx-amz-metadata-directive: REPLACE", NULL),
                     S3ERR_OK);
    assert_null(answered(&f, "x-amz-version-id").p); /* a write says none while suspended */
    assert_int_equal(call(&f, "alice", "DELETE", "/mine/k", NULL, NULL), S3ERR_OK);
    assert_string_equal(shown(answered(&f, "x-amz-version-id")), "null");
    assert_string_equal(shown(answered(&f, "x-amz-delete-marker")), "true");
    assert_int_equal(call(&f, "alice", "GET", "/mine?versions", NULL, NULL), S3ERR_OK);
    assert_int_equal(s3_node_count(f.xml, "Version"), 1);
    assert_int_equal(s3_node_count(f.xml, "DeleteMarker"), 1);
    assert_int_equal(call(&f, "alice", "DELETE", version("null"), NULL, NULL), S3ERR_OK);
    assert_int_equal(call(&f, "alice", "HEAD", "/mine/k", NULL, NULL), S3ERR_OK);
    assert_int_equal(f.q.resp.body_length, 1);
}

static void an_old_version_is_restored_by_a_copy(void **state)
{
    (void)state;
    AUTO(teardown) struct fixture f;
    begin(&f);
    assert_int_equal(call(&f, "alice", "PUT", "/mine?versioning", NULL, ENABLED), S3ERR_OK);
    have_object(&f, "mine", "k", 1);
    have_object(&f, "mine", "k", 2);
    char source[200];
    snprintf(source, sizeof(source), "x-amz-copy-source: /mine/k?versionId=%s", listed(&f, 1));
    assert_int_equal(call(&f, "alice", "PUT", "/mine/k", source, NULL), S3ERR_OK);
    assert_non_null(answered(&f, "x-amz-version-id").p);
    char from[64];
    snprintf(from, sizeof(from), "%s", shown(answered(&f, "x-amz-copy-source-version-id")));
    assert_string_equal(listed(&f, 2), from);
    assert_int_equal(call(&f, "alice", "HEAD", "/mine/k", NULL, NULL), S3ERR_OK);
    assert_int_equal(f.q.resp.body_length, 1);
}

static void tags_belong_to_a_version(void **state)
{
    (void)state;
    AUTO(teardown) struct fixture f;
    begin(&f);
    assert_int_equal(call(&f, "alice", "PUT", "/mine?versioning", NULL, ENABLED), S3ERR_OK);
    have_object(&f, "mine", "k", 1);
    have_object(&f, "mine", "k", 2);
    char old[200];
    snprintf(old, sizeof(old), "/mine/k?tagging&versionId=%s", listed(&f, 1));
    size_t notes = fake_dfs.n;
    assert_int_equal(
        call(&f, "alice", "PUT", old, NULL,
             "<Tagging><TagSet><Tag><Key>a</Key><Value>1</Value></Tag></TagSet></Tagging>"),
        S3ERR_OK);
    assert_int_equal(fake_dfs.n, notes + 1);
    assert_int_equal(fake_dfs.notes[notes].kind, S3_DESC_AMEND);
    assert_int_equal(call(&f, "alice", "GET", old, NULL, NULL), S3ERR_OK);
    assert_text(&f, "TagSet/Tag/Key", "a");
    assert_int_equal(call(&f, "alice", "GET", "/mine/k?tagging", NULL, NULL), S3ERR_OK);
    assert_null(text_at(&f, "TagSet/Tag").p);
}

static void many_versions_are_deleted_in_one_request(void **state)
{
    (void)state;
    AUTO(teardown) struct fixture f;
    begin(&f);
    assert_int_equal(call(&f, "alice", "PUT", "/mine?versioning", NULL, ENABLED), S3ERR_OK);
    have_object(&f, "mine", "k", 1);
    have_object(&f, "mine", "k", 2);
    static const char md5[] = "Content-MD5: 1B2M2Y8AsgTpgAmY7PhCfg==";
    assert_int_equal(call(&f, "alice", "POST", "/mine?delete", md5,
                          "<Delete><Object><Key>k</Key></Object></Delete>"),
                     S3ERR_OK);
    assert_text(&f, "Deleted/DeleteMarker", "true");
    char marker[64];
    snprintf(marker, sizeof(marker), "%s", shown(text_at(&f, "Deleted/DeleteMarkerVersionId")));
    assert_string_equal(listed(&f, 0), marker);
    char body[1000];
    snprintf(body, sizeof(body),
             "<Delete><Object><Key>k</Key><VersionId>%s</VersionId></Object><Object><Key>k</"
             "Key><VersionId>%s</VersionId>"
             "</Object><Object><Key>k</Key><VersionId>%s</VersionId></Object><Object><Key>k</Key>"
             "<VersionId>junk</VersionId></Object></Delete>",
             listed(&f, 0), listed(&f, 1), listed(&f, 2));
    assert_int_equal(call(&f, "alice", "POST", "/mine?delete", md5, body), S3ERR_OK);
    assert_int_equal(s3_node_count(f.xml, "Deleted"), 3);
    assert_text(&f, "Error/Code", "NoSuchVersion");
    assert_int_equal(call(&f, "alice", "DELETE", "/mine", NULL, NULL), S3ERR_OK);
}

static void versions_are_listed_in_pages(void **state)
{
    (void)state;
    AUTO(teardown) struct fixture f;
    begin(&f);
    have_object(&f, "mine", "a", 1);
    assert_int_equal(call(&f, "alice", "PUT", "/mine?versioning", NULL, ENABLED), S3ERR_OK);
    have_object(&f, "mine", "a", 2);
    have_object(&f, "mine", "b", 3);
    assert_int_equal(call(&f, "alice", "DELETE", "/mine/b", NULL, NULL), S3ERR_OK);
    char next[300] = "/mine?versions&max-keys=1";
    static const char *const expect[] = {"Version 2", "Version 1", "DeleteMarker (absent)",
                                         "Version 3"};
    for (size_t i = 0; i < ARRAY_LEN(expect); i++) {
        assert_int_equal(call(&f, "alice", "GET", next, NULL, NULL), S3ERR_OK);
        const struct s3_node *n = s3_node_child(f.xml, "Version");
        n = n ? n : s3_node_child(f.xml, "DeleteMarker");
        char have[64];
        snprintf(have, sizeof(have), "%s %s", shown(n->name), shown(s3_node_text(n, "Size")));
        assert_string_equal(have, expect[i]);
        assert_text(&f, "IsTruncated", i + 1 < ARRAY_LEN(expect) ? "true" : "false");
        snprintf(next, sizeof(next), "/mine?versions&max-keys=1&key-marker=%s&version-id-marker=%s",
                 shown(text_at(&f, "NextKeyMarker")), shown(text_at(&f, "NextVersionIdMarker")));
    }
}

static void enable(void *arg)
{
    struct fixture other = {.gw = ((struct fixture *)arg)->gw};
    fake_dfs.meanwhile = NULL;
    assert_int_equal(call(&other, "alice", "PUT", "/mine?versioning", NULL, ENABLED), S3ERR_OK);
    s3_req_fini(&other.q);
}

static void who_races_with_a_switch_is_told_what_the_commit_made(void **state)
{
    (void)state;
    AUTO(teardown) struct fixture f;
    begin(&f);
    have_object(&f, "mine", "from", 1);
    fake_dfs.arg = &f;
    fake_dfs.meanwhile = enable;
    assert_int_equal(call(&f, "alice", "PUT", "/mine/k", "x-amz-copy-source: /mine/from", NULL),
                     S3ERR_OK);
    char made[S3_VERSION_ID_MAX];
    snprintf(made, sizeof(made), "%s", shown(answered(&f, "x-amz-version-id")));
    assert_int_equal(call(&f, "alice", "HEAD", version(made), NULL, NULL), S3ERR_OK);

    AUTO(teardown) struct fixture g;
    begin(&g);
    have_object(&g, "mine", "k", 1);
    fake_dfs.arg = &g;
    fake_dfs.meanwhile = enable;
    assert_int_equal(call(&g, "alice", "DELETE", "/mine/k", NULL, NULL), S3ERR_OK);
    assert_string_equal(shown(answered(&g, "x-amz-delete-marker")), "true");
    snprintf(made, sizeof(made), "%s", shown(answered(&g, "x-amz-version-id")));
    assert_int_equal(call(&g, "alice", "HEAD", version(made), NULL, NULL),
                     S3ERR_METHOD_NOT_ALLOWED);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_a_state_may_be),
        cmocka_unit_test(every_write_is_kept),
        cmocka_unit_test(a_marker_hides_and_its_removal_brings_back),
        cmocka_unit_test(suspended_writes_replace_the_null_version),
        cmocka_unit_test(an_old_version_is_restored_by_a_copy),
        cmocka_unit_test(tags_belong_to_a_version),
        cmocka_unit_test(many_versions_are_deleted_in_one_request),
        cmocka_unit_test(versions_are_listed_in_pages),
        cmocka_unit_test(who_races_with_a_switch_is_told_what_the_commit_made),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
