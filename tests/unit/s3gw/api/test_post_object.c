/* SPDX-License-Identifier: Apache-2.0 */
#include "s3gw/api/post_object.h"

#include "s3gw/auth/post_form.h"
#include "s3gw/xml/reader.h"
#include "tests/lib/test.h"

static struct s3_req q;
static struct s3_pair head[] = {{STR_INIT("Host"), STR_INIT("h:9000")},
                                {STR_INIT("Content-Type"), STR_INIT("multipart/form-data")},
                                {STR_INIT("X-Amz-Acl"), STR_INIT("public-read")},
                                {STR_INIT("Referer"), STR_INIT("http://page")}};
static struct s3_pair pairs[8];
static struct s3_post post;

#define FIELDS(...) ((const char *const[]){__VA_ARGS__, NULL})

/* "name=value", after a key. */
static void form(const char *const *fields)
{
    s3_req_fini(&q);
    s3_req_init(&q);
    q.bucket = STR("bkt");
    q.host = STR("h:9000");
    q.headers = head;
    q.nheaders = ARRAY_LEN(head);
    post = (struct s3_post){0};
    post.fields.pairs = pairs;
    for (; *fields; fields++) {
        struct s3_pair *p = &pairs[post.fields.n++];
        assert_true(str_cut(str_c(*fields), '=', &p->name, &p->value));
    }
    q.post = &post;
}

static int done(void **state)
{
    (void)state;
    s3_req_fini(&q);
    return 0;
}

static void keys_are_demanded_and_checked(void **state)
{
    (void)state;
    static char long_key[4 + 1025 + 1] = "key=";
    memset(long_key + 4, 'k', 1025);
    static const struct {
        const char *field;
        enum s3err want;
    } rows[] = {
        {"KEY=k", S3ERR_OK},
        {"key=../a//b", S3ERR_OK},
        {"nokey=k", S3ERR_INVALID_ARGUMENT},
        {"key=", S3ERR_USER_KEY_MUST_BE_SPECIFIED},
        {"key=\xff", S3ERR_INVALID_ARGUMENT},
        {long_key, S3ERR_KEY_TOO_LONG_ERROR},
    };
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        form(FIELDS(rows[i].field));
        assert_int_equal(s3_post_key(&q), rows[i].want);
        assert_true((q.key.p != NULL) == (rows[i].want == S3ERR_OK));
    }
}

#define TAGS(inner) "tagging=<Tagging><TagSet>" inner "</TagSet></Tagging>"

static void fields_become_the_headers_of_a_put(void **state)
{
    (void)state;
    static const struct {
        const char *field, *header, *value; /* value NULL: no such header */
        enum s3err want;
    } rows[] = {
        {"acl=private", "x-amz-acl", "private", S3ERR_OK}, /* the head's own does not count */
        {"nothing=", "x-amz-acl", NULL, S3ERR_OK},
        {"nothing=", "content-type", NULL, S3ERR_OK}, /* the form's type is not the object's */
        {"nothing=", "referer", "http://page", S3ERR_OK},
        {"referer=http://spoofed", "referer", "http://page", S3ERR_OK},
        {"origin=http://spoofed", "origin", NULL, S3ERR_OK},
        {"Content-Type=text/plain", "content-type", "text/plain", S3ERR_OK},
        {"X-Amz-Meta-Colour=r\xc3\xb6t", "x-amz-meta-colour", "r\xc3\xb6t", S3ERR_OK},
        {"x-amz-meta-a b=1", NULL, NULL, S3ERR_INVALID_ARGUMENT},
        {"x-amz-meta-a\r\nb=1", NULL, NULL, S3ERR_INVALID_ARGUMENT},
        {"x-amz-meta-a=1\r\n2", NULL, NULL, S3ERR_INVALID_ARGUMENT},
        {"x-amz-server-side-encryption=AES256", "x-amz-server-side-encryption", "AES256", S3ERR_OK},
        {"x-amz-object-lock-mode=GOVERNANCE", "x-amz-object-lock-mode", "GOVERNANCE", S3ERR_OK},
        {"x-amz-date=20260101T000000Z", "x-amz-date", NULL, S3ERR_OK},
        {"x-amz-copy-source=/b/k", NULL, NULL, S3ERR_NOT_IMPLEMENTED},
        {"x-amz-copy-source-if-match=x", NULL, NULL, S3ERR_NOT_IMPLEMENTED},
        {"x-amz-write-offset-bytes=0", NULL, NULL, S3ERR_NOT_IMPLEMENTED},
        {"x-amz-if-match-size=1", NULL, NULL, S3ERR_NOT_IMPLEMENTED},
        {"x-amz-mp-object-size=1", NULL, NULL, S3ERR_NOT_IMPLEMENTED},
        {"x-amz-content-sha256=UNSIGNED-PAYLOAD", NULL, NULL, S3ERR_NOT_IMPLEMENTED},
        {TAGS(""), "x-amz-tagging", "", S3ERR_OK},
        {TAGS("<Tag><Key>b &amp; c</Key><Value>x</Value></Tag>"), NULL, NULL, S3ERR_INVALID_TAG},
        {TAGS("<Tag><Key>b +</Key><Value>x=y</Value></Tag><Tag><Key>a</Key><Value/></Tag>"),
         "x-amz-tagging", "a=&b%20%2B=x%3Dy", S3ERR_OK},
        {"tagging=a=b", NULL, NULL, S3ERR_MALFORMED_XML},
        {"tagging=<Tagging/>", NULL, NULL, S3ERR_MALFORMED_XML},
    };
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        form(FIELDS("key=k", rows[i].field));
        enum s3err e = s3_post_object(&q);
        if (e != rows[i].want)
            fail_msg("%s: %d", rows[i].field, e);
        if (!rows[i].header)
            continue;
        struct str v = s3_req_header(&q, str_c(rows[i].header));
        if (!str_eq(v, str_c(rows[i].value)) || !v.p != !rows[i].value)
            fail_msg("%s: " STR_F, rows[i].field, STR_A(v));
    }
    form(FIELDS("key=k", "acl=private", "x-amz-acl=public-read"));
    assert_int_equal(s3_post_object(&q), S3ERR_INVALID_REQUEST);
    form(FIELDS("key=k", "x-amz-meta-a=1", "x-amz-meta-a=2"));
    assert_int_equal(s3_post_object(&q), S3ERR_OK);
}

static void a_field_is_said_once(void **state)
{
    (void)state;
    static const struct {
        const char *one, *other;
        enum s3err want;
    } rows[] = {
        {"key=k", "KEY=l", S3ERR_INVALID_ARGUMENT},
        {"policy=a", "policy=b", S3ERR_INVALID_ARGUMENT},
        {"AWSAccessKeyId=a", "AWSAccessKeyId=b", S3ERR_INVALID_ARGUMENT},
        {"Content-Type=a/b", "content-type=a/c", S3ERR_INVALID_ARGUMENT},
        {"success_action_status=200", "success_action_status=201", S3ERR_INVALID_ARGUMENT},
        {"success_action_redirect=http://a", "success_action_redirect=http://b",
         S3ERR_INVALID_ARGUMENT},
        {"x-amz-date=a", "x-amz-date=b", S3ERR_INVALID_ARGUMENT},
        {"x-amz-acl=private", "x-amz-acl=public-read", S3ERR_INVALID_ARGUMENT},
        {"Content-Type=a/b", "content-type=a/b", S3ERR_OK}, /* nothing is lost */
        {"x-amz-meta-a=1", "x-amz-meta-a=2", S3ERR_OK},
        {"unknown=1", "unknown=2", S3ERR_OK},
        {"x-ignore-a=1", "x-ignore-a=2", S3ERR_OK},
    };
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        form(FIELDS(rows[i].one, "between=", rows[i].other));
        enum s3err e = s3_post_object(&q);
        if (e != rows[i].want)
            fail_msg("%s, %s: %d", rows[i].one, rows[i].other, e);
    }
}

static struct str answered(const char *name)
{
    for (size_t i = 0; i < q.resp.nheaders; i++)
        if (str_ieq(q.resp.headers[i].name, str_c(name)))
            return q.resp.headers[i].value;
    return STR_NULL;
}

#define HERE "http://h:9000/bkt/d%2Fk%26"
#define ETAG "%2200000000000000000000000000000000%22"
#define SAYS "bucket=bkt&key=d%2Fk%26&etag=" ETAG

static void the_form_says_how_it_is_answered(void **state)
{
    (void)state;
    static const struct {
        const char *field;
        int status;
        const char *location;
    } rows[] = {
        {"nothing=", 204, HERE},
        {"success_action_status=200", 200, HERE},
        {"Success_Action_Status=201", 201, HERE},
        {"success_action_status=204", 204, HERE},
        {"success_action_status=404", 204, HERE},
        {"success_action_status=", 204, HERE},
        {"success_action_redirect=http://page/done", 303, "http://page/done?" SAYS},
        {"success_action_redirect=https://page/?a=1#top", 303, "https://page/?a=1&" SAYS "#top"},
        {"redirect=http://page", 303, "http://page?" SAYS},
        {"redirect=http://page/a b", 204, HERE}, /* a blank: no URL */
        {"success_action_redirect=/done", 204, HERE},
        {"success_action_redirect=javascript://x", 204, HERE},
        {"success_action_redirect=http:///x", 204, HERE},
        {"success_action_redirect=http://a\r\nb: c", 204, HERE},
        {"success_action_redirect=", 204, HERE},
    };
    const struct s3_object o = {.size = 1};
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        form(FIELDS("key=d/k&", rows[i].field));
        assert_int_equal(s3_post_key(&q), S3ERR_OK);
        assert_int_equal(s3_post_object(&q), S3ERR_OK);
        s3_post_answer(&q, &o);
        if (q.resp.status != rows[i].status ||
            !str_eq(answered("location"), str_c(rows[i].location)))
            fail_msg("%s: %d " STR_F, rows[i].field, q.resp.status, STR_A(answered("location")));
        assert_int_equal(q.resp.body.n > 0, rows[i].status == 201);
    }
}

static void created_says_where_in_a_document(void **state)
{
    (void)state;
    const struct s3_object o = {.size = 1};
    struct s3_node *root;
    form(FIELDS("key=d/k&", "success_action_status=201"));
    q.virtual_host = q.tls = true;
    assert_int_equal(s3_post_key(&q), S3ERR_OK);
    assert_int_equal(s3_post_object(&q), S3ERR_OK);
    s3_post_answer(&q, &o);
    assert_int_equal(s3_xml_parse(buf_str(&q.resp.body), "PostResponse", &q.arena, &root), 0);
    assert_true(str_eq(s3_node_text(root, "Location"), STR("https://h:9000/d%2Fk%26")));
    assert_true(str_eq(s3_node_text(root, "Bucket"), STR("bkt")));
    assert_true(str_eq(s3_node_text(root, "Key"), STR("d/k&")));
    assert_true(str_eq(s3_node_text(root, "ETag"), STR("\"00000000000000000000000000000000\"")));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(keys_are_demanded_and_checked),
        cmocka_unit_test(fields_become_the_headers_of_a_put),
        cmocka_unit_test(a_field_is_said_once),
        cmocka_unit_test(the_form_says_how_it_is_answered),
        cmocka_unit_test(created_says_where_in_a_document),
    };
    return cmocka_run_group_tests(tests, NULL, done);
}
