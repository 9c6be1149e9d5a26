/* SPDX-License-Identifier: Apache-2.0 */
#include "s3gw/auth/post_form.h"
#include "s3gw/core/gw.h"
#include "s3gw/index/bucket.h"
#include "tests/lib/asked.h"

#define AKID "AKIAIOSFODNN7EXAMPLE"
#define NOW  1451347200000LL /* 2015-12-29 00:00 UTC */

/* Stands in for the index. */
int s3_key_get(struct s3_index *x, struct str access_key, enum s3_read how, struct arena *a,
               struct s3_access_key *ret_key, struct s3_user *ret_user)
{
    (void)x;
    (void)how;
    (void)a;
    if (!str_eq(access_key, STR(AKID)))
        return -ENOENT;
    *ret_key = (struct s3_access_key){.access_key = access_key,
                                      .secret = STR("wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY")};
    *ret_user = (struct s3_user){.id = STR("alice")};
    return 0;
}

static struct s3_gw gw = {.region = STR_INIT("us-east-1"), .sigv2 = true};

static void fresh(void)
{
    asked_anew();
    q.gw = &gw;
    q.now_ms = NOW;
    q.bucket = STR("sigv4examplebucket");
}

/* AWS's example, "Browser-Based Upload using HTTP POST (Using AWS Signature Version 4)". */
#define POLICY                                                                                     \
    "eyAiZXhwaXJhdGlvbiI6ICIyMDE1LTEyLTMwVDEyOjAwOjAwLjAwMFoiLA0KICAiY29uZGl0aW9ucyI6IFsNCiAgICB7" \
    "ImJ1Y2tldCI6"                                                                                 \
    "ICJzaWd2NGV4YW1wbGVidWNrZXQifSwNCiAgICBbInN0YXJ0cy13aXRoIiwgIiRrZXkiLCAidXNlci91c2VyMS8iXSwN" \
    "CiAgICB7ImFj"                                                                                 \
    "bCI6ICJwdWJsaWMtcmVhZCJ9LA0KICAgIHsic3VjY2Vzc19hY3Rpb25fcmVkaXJlY3QiOiAiaHR0cDovL3NpZ3Y0ZXhh" \
    "bXBsZWJ1Y2tl"                                                                                 \
    "dC5zMy5hbWF6b25hd3MuY29tL3N1Y2Nlc3NmdWxfdXBsb2FkLmh0bWwifSwNCiAgICBbInN0YXJ0cy13aXRoIiwgIiRD" \
    "b250ZW50LVR5"                                                                                 \
    "cGUiLCAiaW1hZ2UvIl0sDQogICAgeyJ4LWFtei1tZXRhLXV1aWQiOiAiMTQzNjUxMjM2NTEyNzQifSwNCiAgICB7Ingt" \
    "YW16LXNlcnZl"                                                                                 \
    "ci1zaWRlLWVuY3J5cHRpb24iOiAiQUVTMjU2In0sDQogICAgWyJzdGFydHMtd2l0aCIsICIkeC1hbXotbWV0YS10YWci" \
    "LCAiIl0sDQoN"                                                                                 \
    "CiAgICB7IngtYW16LWNyZWRlbnRpYWwiOiAiQUtJQUlPU0ZPRE5ON0VYQU1QTEUvMjAxNTEyMjkvdXMtZWFzdC0xL3Mz" \
    "L2F3czRfcmVx"                                                                                 \
    "dWVzdCJ9LA0KICAgIHsieC1hbXotYWxnb3JpdGhtIjogIkFXUzQtSE1BQy1TSEEyNTYifSwNCiAgICB7IngtYW16LWRh" \
    "dGUiOiAiMjAx"                                                                                 \
    "NTEyMjlUMDAwMDAwWiIgfQ0KICBdDQp9"

static const struct s3_pair example[] = {
    {STR_INIT("key"), STR_INIT("user/user1/${filename}")},
    {STR_INIT("acl"), STR_INIT("public-read")},
    {STR_INIT("success_action_redirect"),
     STR_INIT("http://sigv4examplebucket.s3.amazonaws.com/successful_upload.html")},
    {STR_INIT("Content-Type"), STR_INIT("image/jpeg")},
    {STR_INIT("x-amz-meta-uuid"), STR_INIT("14365123651274")},
    {STR_INIT("x-amz-server-side-encryption"), STR_INIT("AES256")},
    {STR_INIT("X-Amz-Credential"), STR_INIT(AKID "/20151229/us-east-1/s3/aws4_request")},
    {STR_INIT("X-Amz-Algorithm"), STR_INIT("AWS4-HMAC-SHA256")},
    {STR_INIT("X-Amz-Date"), STR_INIT("20151229T000000Z")},
    {STR_INIT("x-amz-meta-tag"), STR_INIT("")},
    {STR_INIT("Policy"), STR_INIT(POLICY)},
    {STR_INIT("X-Amz-Signature"),
     STR_INIT("8afdbf4008c03f22c2cd3cdb72e4afbb1f6a588f3255ac628749a66d7f09699e")},
};

static struct s3_pair form[ARRAY_LEN(example) + 1];

/* The example with one field changed; @value NULL leaves it out. */
static enum s3err with(const char *name, const char *value)
{
    struct s3_post_limits limits;
    struct s3_post_fields f = {form, 0};
    bool found = false;
    fresh();
    for (size_t i = 0; i < ARRAY_LEN(example); i++) {
        bool this_one = name && str_ieq(example[i].name, str_c(name));
        found |= this_one;
        if (!this_one)
            form[f.n++] = example[i];
        else if (value)
            form[f.n++] = (struct s3_pair){example[i].name, str_c(value)};
    }
    if (name && !found)
        form[f.n++] = (struct s3_pair){str_c(name), str_c(value)};
    return s3_post_verify(&q, &f, S3_READ_ANY, &limits);
}

static void the_published_form_is_accepted(void **state)
{
    (void)state;
    enum s3err e = with(NULL, NULL);
    if (e)
        fail_msg("%s " STR_F, code(e), STR_A(q.resp.message));
    assert_false(q.who.anonymous);
    assert_true(str_eq(q.who.user_id, STR("alice")));
}

static void each_change_of_the_form_has_its_error(void **state)
{
    (void)state;
    static const struct {
        const char *name, *value;
        enum s3err want;
    } rows[] = {
        {"key", "user/user2/x", S3ERR_ACCESS_DENIED},
        {"acl", "private", S3ERR_ACCESS_DENIED},
        {"acl", NULL, S3ERR_ACCESS_DENIED},
        {"content-type", "text/html", S3ERR_ACCESS_DENIED},
        {"content-type", "image/png,image/gif", S3ERR_OK},
        {"content-type", "image/png,text/html", S3ERR_ACCESS_DENIED},
        {"x-amz-meta-tag", "anything", S3ERR_OK},
        {"x-amz-meta-tag", NULL, S3ERR_OK},
        {"x-amz-meta-new", "1", S3ERR_ACCESS_DENIED},
        {"x-ignore-this", "1", S3ERR_OK},
        {"file", "1", S3ERR_OK},
        {"bucket", "sigv4examplebucket", S3ERR_OK},
        {"bucket", "other", S3ERR_ACCESS_DENIED},
        {"policy", NULL, S3ERR_INVALID_ARGUMENT},
        {"x-amz-signature", NULL, S3ERR_INVALID_ARGUMENT},
        {"x-amz-credential", NULL, S3ERR_INVALID_ARGUMENT},
        {"x-amz-date", NULL, S3ERR_INVALID_ARGUMENT},
        {"x-amz-algorithm", NULL, S3ERR_INVALID_ARGUMENT},
        {"x-amz-algorithm", "AWS4-ECDSA", S3ERR_INVALID_ARGUMENT},
        {"x-amz-credential", "junk", S3ERR_INVALID_ARGUMENT},
        {"x-amz-credential", AKID "/20151229/eu-west-1/s3/aws4_request", S3ERR_INVALID_ARGUMENT},
        {"x-amz-credential", "nobody/20151229/us-east-1/s3/aws4_request",
         S3ERR_INVALID_ACCESS_KEY_ID},
        {"x-amz-date", "20151230T000000Z", S3ERR_INVALID_ARGUMENT},
        {"x-amz-date", "soon", S3ERR_INVALID_ARGUMENT},
        {"x-amz-signature", "00", S3ERR_SIGNATURE_DOES_NOT_MATCH},
        {"policy", "e30=", S3ERR_SIGNATURE_DOES_NOT_MATCH},
        {"x-amz-security-token", "t", S3ERR_INVALID_TOKEN},
    };
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        enum s3err e = with(rows[i].name, rows[i].value);
        if (e != rows[i].want)
            fail_msg("%s=%s: %s " STR_F, rows[i].name, rows[i].value ? rows[i].value : "-", code(e),
                     STR_A(q.resp.message));
    }
}

static void a_form_without_signature_is_anonymous(void **state)
{
    (void)state;
    struct s3_pair key = {STR("key"), STR("a")};
    struct s3_post_fields f = {&key, 1};
    struct s3_post_limits limits;
    fresh();
    assert_int_equal(s3_post_verify(&q, &f, S3_READ_ANY, &limits), S3ERR_OK);
    assert_true(q.who.anonymous);
    assert_true(limits.max == UINT64_MAX);
}

static void version_2_forms_follow_the_switch(void **state)
{
    (void)state;
    /* {"expiration":"2999-01-01T00:00:00Z","conditions":[{"bucket":"b"},{"key":"k"}]} */
    const struct s3_pair pairs[] = {
        {STR("AWSAccessKeyId"), STR(AKID)},
        {STR("policy"), STR("eyJleHBpcmF0aW9uIjoiMjk5OS0wMS0wMVQwMDowMDowMFoiLCJjb25kaXRpb25zIjpbey"
                            "JidWNrZXQiOiJiIn0s"
                            "eyJrZXkiOiJrIn1dfQ==")},
        {STR("signature"), STR("bad")},
        {STR("key"), STR("k")},
    };
    struct s3_post_fields f = {pairs, ARRAY_LEN(pairs)};
    struct s3_post_limits limits;
    fresh();
    assert_int_equal(s3_post_verify(&q, &f, S3_READ_ANY, &limits), S3ERR_SIGNATURE_DOES_NOT_MATCH);
    gw.sigv2 = false;
    fresh();
    assert_int_equal(s3_post_verify(&q, &f, S3_READ_ANY, &limits), S3ERR_INVALID_REQUEST);
    gw.sigv2 = true;
    f.n = 1;
    fresh();
    assert_int_equal(s3_post_verify(&q, &f, S3_READ_ANY, &limits), S3ERR_INVALID_ARGUMENT);
}

#define LATER "\"expiration\":\"2999-01-01T00:00:00Z\""
#define DOC(conditions)                                                                            \
    "{" LATER ",\"conditions\":[{\"bucket\":\"bkt\"},{\"key\":\"k\"}" conditions "]}"

static void policies_are_parsed_or_refused(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        enum s3err want;
        uint64_t min, max;
    } rows[] = {
        {DOC(""), S3ERR_OK, 0, UINT64_MAX},
        {DOC(",[\"content-length-range\",1,10]"), S3ERR_OK, 1, 10},
        {DOC(",[\"Content-Length-Range\",\"1\",\"10\"]"), S3ERR_OK, 1, 10},
        {DOC(",[\"content-length-range\",1,10],[\"content-length-range\",5,20]"), S3ERR_OK, 5, 10},
        {DOC(",[\"EQ\",\"$key\",\"k\"],[\"Starts-With\",\"$KEY\",\"\"]"), S3ERR_OK, 0, UINT64_MAX},
        {DOC(",[\"starts-with\",\"$absent\",\"\"]"), S3ERR_OK, 0, UINT64_MAX},
        {DOC(",[\"starts-with\",\"$absent\",\"x\"]"), S3ERR_ACCESS_DENIED, 0, 0},
        {DOC(",[\"content-length-range\",10,1]"), S3ERR_INVALID_POLICY_DOCUMENT, 0, 0},
        {DOC(",[\"content-length-range\",-1,1]"), S3ERR_INVALID_POLICY_DOCUMENT, 0, 0},
        {DOC(",[\"content-length-range\",1]"), S3ERR_INVALID_POLICY_DOCUMENT, 0, 0},
        {DOC(",[\"eq\",\"\\$key\",\"k\"]"), S3ERR_OK, 0, UINT64_MAX},
        {DOC(",[\"eq\",\"$price\",\"\\$\\v\\\\$\\u0041\"]"), S3ERR_OK, 0, UINT64_MAX},
        {DOC(",[\"eq\",\"$price\",\"\\q\"]"), S3ERR_INVALID_POLICY_DOCUMENT, 0, 0},
        {DOC(",[\"like\",\"$key\",\"k\"]"), S3ERR_INVALID_POLICY_DOCUMENT, 0, 0},
        {DOC(",[\"eq\",\"key\",\"k\"]"), S3ERR_INVALID_POLICY_DOCUMENT, 0, 0},
        {DOC(",[\"eq\",\"$key\",1]"), S3ERR_INVALID_POLICY_DOCUMENT, 0, 0},
        {DOC(",{}"), S3ERR_INVALID_POLICY_DOCUMENT, 0, 0},
        {DOC(",{\"a\":\"\",\"b\":\"\"}"), S3ERR_INVALID_POLICY_DOCUMENT, 0, 0},
        {DOC(",{\"a\":1}"), S3ERR_INVALID_POLICY_DOCUMENT, 0, 0},
        {DOC(",7"), S3ERR_INVALID_POLICY_DOCUMENT, 0, 0},
        {"{" LATER ",\"conditions\":[{\"key\":\"k\"}]}", S3ERR_ACCESS_DENIED, 0, 0},
        {"{" LATER ",\"conditions\":[{\"bucket\":\"bkt\"}]}", S3ERR_ACCESS_DENIED, 0, 0},
        {"{" LATER ",\"conditions\":[]}", S3ERR_ACCESS_DENIED, 0, 0},
        {"{" LATER "}", S3ERR_INVALID_POLICY_DOCUMENT, 0, 0},
        {"{" LATER ",\"Conditions\":[]}", S3ERR_INVALID_POLICY_DOCUMENT, 0, 0},
        {"{" LATER ",\"conditions\":{}}", S3ERR_INVALID_POLICY_DOCUMENT, 0, 0},
        {"{" LATER ",\"conditions\":[],\"x\":1}", S3ERR_INVALID_POLICY_DOCUMENT, 0, 0},
        {"{\"conditions\":[]}", S3ERR_INVALID_POLICY_DOCUMENT, 0, 0},
        {"{\"expiration\":\"2015-12-28T00:00:00Z\",\"conditions\":[]}", S3ERR_ACCESS_DENIED, 0, 0},
        {"{\"expiration\":\"soon\",\"conditions\":[]}", S3ERR_INVALID_POLICY_DOCUMENT, 0, 0},
        {"{\"expiration\":5,\"conditions\":[]}", S3ERR_INVALID_POLICY_DOCUMENT, 0, 0},
        {"[]", S3ERR_INVALID_POLICY_DOCUMENT, 0, 0},
        {"{", S3ERR_INVALID_POLICY_DOCUMENT, 0, 0},
        {"", S3ERR_INVALID_POLICY_DOCUMENT, 0, 0},
    };
    const struct s3_pair fields[] = {{STR("key"), STR("k")}, {STR("price"), STR("$\v\\$A")}};
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        bool priced = strstr(rows[i].text, "price");
        struct s3_post_fields f = {fields, priced ? 2 : 1};
        struct s3_post_limits limits = {7, 7};
        fresh();
        q.bucket = STR("bkt");
        enum s3err e = s3_post_policy(&q, &f, str_c(rows[i].text), &limits);
        if (e != rows[i].want)
            fail_msg("%s: %s " STR_F, rows[i].text, code(e), STR_A(q.resp.message));
        if (e == S3ERR_OK)
            assert_true(limits.min == rows[i].min && limits.max == rows[i].max);
    }
}

static void file_names_are_cut_to_their_last_part(void **state)
{
    (void)state;
    fresh();
    static const struct {
        const char *text, *filename, *plain, *in_url;
    } rows[] = {
        {"a/${filename}", "C:\\x\\y.txt", "a/y.txt", "a/y.txt"},
        {"${filename}${filename}", "../z", "zz", "zz"},
        {"plain", "z", "plain", "plain"},
        {"${filename}", "${filename}", "${filename}", "%24%7Bfilename%7D"},
        {"http://h/${filename}?a", "a b?#&.txt", "http://h/a b?#&.txt?a",
         "http://h/a%20b%3F%23%26.txt?a"},
        {"${filename}", "", "", ""},
    };
    for (size_t i = 0; i < ARRAY_LEN(rows); i++)
        for (int in_url = 0; in_url < 2; in_url++) {
            struct str got;
            assert_int_equal(
                s3_post_expand(&q, str_c(rows[i].text), str_c(rows[i].filename), in_url, &got),
                S3ERR_OK);
            assert_true(str_eq(got, str_c(in_url ? rows[i].in_url : rows[i].plain)));
        }
}

static void a_name_that_makes_a_field_too_long_is_the_forms_fault(void **state)
{
    (void)state;
    fresh();
    enum { TIMES = 100, NAME = 1000 };
    AUTO(buf_free) struct buf text = BUF(1 << 20), name = BUF(1 << 20);
    struct str got;
    for (size_t i = 0; i < TIMES; i++)
        buf_adds(&text, STR("${filename}"));
    for (size_t i = 0; i < NAME; i++)
        buf_addc(&name, 'n');
    assert_int_equal(s3_post_expand(&q, buf_str(&text), buf_str(&name), false, &got),
                     S3ERR_MAX_POST_PRE_DATA_LENGTH_EXCEEDED_ERROR);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_published_form_is_accepted),
        cmocka_unit_test(each_change_of_the_form_has_its_error),
        cmocka_unit_test(a_form_without_signature_is_anonymous),
        cmocka_unit_test(version_2_forms_follow_the_switch),
        cmocka_unit_test(policies_are_parsed_or_refused),
        cmocka_unit_test(file_names_are_cut_to_their_last_part),
        cmocka_unit_test(a_name_that_makes_a_field_too_long_is_the_forms_fault),
    };
    return cmocka_run_group_tests(tests, NULL, done);
}
