/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/unit/s3gw/auth/ask.h"

static const struct {
    const char *method, *target;
    const char *lines[10];
} published[] = {
    {"GET",
     "/test.txt",
     {HOST, "Range: bytes=0-9", "x-amz-content-sha256: " EMPTY, DATE,
      AUTH("host;range;x-amz-content-sha256;x-amz-date",
           "f0e8bdb87c964420e857bd35b5d6ed310bd44f0170aba48dd91039c6036bdb41")}},
    {"PUT",
     "/test$file.text",
     {HOST, "Date: Fri, 24 May 2013 00:00:00 GMT", DATE, "x-amz-storage-class: REDUCED_REDUNDANCY",
      "x-amz-content-sha256: 44ce7dd67c959e0d3524ffac1771dfbba87d2b6b4b4e99e42034a8b803f8b072",
      AUTH("date;host;x-amz-content-sha256;x-amz-date;x-amz-storage-class",
           "98ad721746da40c64f1a55b78f14c238d841ea1380cd77a1b5971af0ece108bd")}},
    {"GET",
     "/?lifecycle",
     {HOST, "x-amz-content-sha256: " EMPTY, DATE,
      AUTH("host;x-amz-content-sha256;x-amz-date",
           "fea454ca298b7da1c68078a5d1bdbfbbe0d65c699e0f91ac7a200a0136783543")}},
    {"GET",
     "/?prefix=J&max-keys=2",
     {HOST, "x-amz-content-sha256: " EMPTY, DATE,
      AUTH("host;x-amz-content-sha256;x-amz-date",
           "34b48302e7b5fa45bde8084f4b7868a86f0a534bc59db6670ed5711ef69dc6f7")}},
    {"GET",
     "/test.txt?X-Amz-Algorithm=AWS4-HMAC-SHA256&X-Amz-Credential=" AKID
     "%2F20130524%2Fus-east-1%2Fs3%2Faws4_request&X-Amz-Date=20130524T000000Z&X-Amz-Expires=86400"
     "&X-Amz-SignedHeaders=host&X-Amz-Signature="
     "aeeed9bbccd4d02ee5c0109b86d86835f995330da4c265957d157751f604d404",
     {HOST}},
    {"PUT",
     "/examplebucket/chunkObject.txt",
     {"Host: s3.amazonaws.com", DATE, "x-amz-storage-class: REDUCED_REDUNDANCY",
      "Content-Encoding: aws-chunked", "x-amz-content-sha256: STREAMING-AWS4-HMAC-SHA256-PAYLOAD",
      "x-amz-decoded-content-length: 66560", "Content-Length: 66824",
      AUTH("content-encoding;content-length;host;x-amz-content-sha256;x-amz-date;x-amz-decoded-"
           "content-length;"
           "x-amz-storage-class",
           "4f232c4386841ef735655705268965c44a0e4690baa4adea153f7db9fa80a0a9")}},
};

static void published_examples_verify(void **state)
{
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(published); i++) {
        enum s3err e = verdict(published[i].method, published[i].target, published[i].lines);
        if (e != S3ERR_OK)
            fail_msg("%s: %s\n" STR_F, published[i].target, code(e),
                     STR_A(extra("CanonicalRequest")));
        assert_false(q.who.anonymous);
        assert_true(str_eq(q.who.user_id, STR("alice")));
        assert_true(str_eq(q.who.access_key, STR(AKID)));
    }
}

/* --- refusals --- */

/* The first published example with another Authorization header and perhaps a further one. */
static enum s3err with(const char *authorization, const char *more)
{
    return verdict(
        "GET", "/test.txt",
        LINES(HOST, "Range: bytes=0-9", "x-amz-content-sha256: " EMPTY, DATE, authorization, more));
}

#define GOOD_SIG    "f0e8bdb87c964420e857bd35b5d6ed310bd44f0170aba48dd91039c6036bdb41"
#define GOOD_SIGNED "host;range;x-amz-content-sha256;x-amz-date"
#define V4(credential, signed_names, signature)                                                    \
    "Authorization: AWS4-HMAC-SHA256 Credential=" credential ", SignedHeaders=" signed_names       \
    ", Signature=" signature
#define MALFORMED S3ERR_AUTHORIZATION_HEADER_MALFORMED

static const struct {
    const char *authorization;
    enum s3err want;
} bad[] = {
    {V4(AKID SCOPE, GOOD_SIGNED, GOOD_SIG), S3ERR_OK},
    {"Authorization: AWS4-HMAC-SHA256 Signature=" GOOD_SIG ",SignedHeaders=" GOOD_SIGNED
     ",Credential=" AKID SCOPE,
     S3ERR_OK},
    {V4("with/slash" SCOPE, GOOD_SIGNED, GOOD_SIG), S3ERR_OK},
    {V4("NOBODY" SCOPE, GOOD_SIGNED, GOOD_SIG), S3ERR_INVALID_ACCESS_KEY_ID},
    {V4(AKID SCOPE, GOOD_SIGNED, "f0e8"), S3ERR_SIGNATURE_DOES_NOT_MATCH},
    {V4(AKID SCOPE, GOOD_SIGNED,
        "00e8bdb87c964420e857bd35b5d6ed310bd44f0170aba48dd91039c6036bdb41"),
     S3ERR_SIGNATURE_DOES_NOT_MATCH},
    {V4(AKID SCOPE, "host;x-amz-content-sha256;x-amz-date", GOOD_SIG),
     S3ERR_SIGNATURE_DOES_NOT_MATCH},
    {V4(AKID SCOPE, GOOD_SIGNED ";x-gone", GOOD_SIG), S3ERR_SIGNATURE_DOES_NOT_MATCH},
    {V4(AKID SCOPE, "range;x-amz-content-sha256;x-amz-date", GOOD_SIG), S3ERR_ACCESS_DENIED},
    {V4(AKID SCOPE, "host;range;x-amz-content-sha256", GOOD_SIG), S3ERR_ACCESS_DENIED},
    {V4(AKID SCOPE, "", GOOD_SIG), MALFORMED},
    {V4(AKID "/20130524/eu-west-1/s3/aws4_request", GOOD_SIGNED, GOOD_SIG), MALFORMED},
    {V4(AKID "/20130524/us-east-1/ec2/aws4_request", GOOD_SIGNED, GOOD_SIG), MALFORMED},
    {V4(AKID "/20130524/us-east-1/s3/aws5_request", GOOD_SIGNED, GOOD_SIG), MALFORMED},
    {V4(AKID "/20130525/us-east-1/s3/aws4_request", GOOD_SIGNED, GOOD_SIG), MALFORMED},
    {V4(AKID "/2013/us-east-1/s3/aws4_request", GOOD_SIGNED, GOOD_SIG), MALFORMED},
    {V4("/20130524/us-east-1/s3/aws4_request", GOOD_SIGNED, GOOD_SIG), MALFORMED},
    {V4(AKID, GOOD_SIGNED, GOOD_SIG), MALFORMED},
    {"Authorization: AWS4-HMAC-SHA256 Credential=" AKID SCOPE ", Signature=" GOOD_SIG, MALFORMED},
    {V4(AKID SCOPE, GOOD_SIGNED, GOOD_SIG) ", Extra=1", MALFORMED},
    {V4(AKID SCOPE, GOOD_SIGNED, GOOD_SIG) ", Signature=" GOOD_SIG, MALFORMED},
    {"Authorization: AWS4-HMAC-SHA256 ,", MALFORMED},
    {"Authorization: AWS4-HMAC-SHA256", S3ERR_INVALID_ARGUMENT},
    {"Authorization: Bearer abc", S3ERR_INVALID_ARGUMENT},
    {"Authorization: AWS4-ECDSA-P256-SHA256 Credential=x", S3ERR_NOT_IMPLEMENTED},
    {"Authorization: AWS nocolon", S3ERR_INVALID_ARGUMENT},
    {"Authorization: ", S3ERR_OK}, /* empty is absent: anonymous */
};

static void each_fault_of_the_header_has_its_error(void **state)
{
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
        enum s3err e = with(bad[i].authorization, NULL);
        if (e != bad[i].want)
            fail_msg("%s: %s", bad[i].authorization, code(e));
        if (e != S3ERR_OK)
            assert_true(q.who.anonymous);
    }
    assert_true(q.who.anonymous); /* the last row */
}

static void a_wrong_region_is_told_the_right_one(void **state)
{
    (void)state;
    with(V4(AKID "/20130524/eu-west-1/s3/aws4_request", GOOD_SIGNED, GOOD_SIG), NULL);
    assert_true(str_eq(extra("Region"), STR("us-east-1")));
    assert_true(str_find(q.resp.message, STR("expecting 'us-east-1'")) != SIZE_MAX);
    gw.region = STR("eu-central-1"); /* us-east-1 passes the check all the same */
    assert_int_equal(with(V4(AKID SCOPE, GOOD_SIGNED, GOOD_SIG), NULL), S3ERR_OK);
    gw.region = STR("us-east-1");
}

static void a_mismatch_shows_what_was_signed_here(void **state)
{
    (void)state;
    with(V4(AKID SCOPE, GOOD_SIGNED, "bad"), NULL);
    assert_true(str_eq(extra("AWSAccessKeyId"), STR(AKID)));
    assert_true(str_eq(extra("SignatureProvided"), STR("bad")));
    assert_true(
        str_eq(extra("StringToSign"),
               STR("AWS4-HMAC-SHA256\n20130524T000000Z\n20130524/us-east-1/s3/aws4_request\n"
                   "7344ae5b7ee6c3e7e6b0fe0640412a37625d1fbfff95c48bbb2dc43964946972")));
    assert_true(
        str_eq(extra("CanonicalRequest"),
               STR("GET\n/test.txt\n\nhost:examplebucket.s3.amazonaws.com\nrange:bytes=0-9\n"
                   "x-amz-content-sha256:" EMPTY "\nx-amz-date:20130524T000000Z\n\n" GOOD_SIGNED
                   "\n" EMPTY)));
    assert_true(str_starts(extra("StringToSignBytes"), STR("41 57 53 34 2d ")));
    assert_true(str_starts(extra("CanonicalRequestBytes"), STR("47 45 54 0a 2f ")));
    assert_true(str_ends(extra("CanonicalRequestBytes"), STR("38 35 35")));
}

static void unsigned_amz_headers_are_named(void **state)
{
    (void)state;
    assert_int_equal(with(V4(AKID SCOPE, GOOD_SIGNED, GOOD_SIG), "X-Amz-Copy-Source: /b/k"),
                     S3ERR_ACCESS_DENIED);
    assert_true(str_eq(extra("HeadersNotSigned"), STR("X-Amz-Copy-Source")));
    assert_int_equal(with(V4(AKID SCOPE, GOOD_SIGNED, GOOD_SIG), "x-other: 1"), S3ERR_OK);
}

static void clocks_may_differ_by_15_minutes(void **state)
{
    (void)state;
    static const struct {
        int64_t shift_s;
        enum s3err want;
    } rows[] = {{900, S3ERR_OK},
                {901, S3ERR_REQUEST_TIME_TOO_SKEWED},
                {-900, S3ERR_OK},
                {-901, S3ERR_REQUEST_TIME_TOO_SKEWED}};
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        ask("GET", published[0].target, published[0].lines);
        q.now_ms += rows[i].shift_s * 1000;
        assert_int_equal(s3_auth_verify(&q, S3_READ_ANY), rows[i].want);
    }
    assert_true(str_eq(extra("RequestTime"), STR("20130524T000000Z")));
    assert_true(str_eq(extra("ServerTime"), STR("2013-05-23T23:44:59.000Z")));
    assert_true(str_eq(extra("MaxAllowedSkewMilliseconds"), STR("900000")));
}

static void dates_and_payload_digests_are_needed(void **state)
{
    (void)state;
    const char *auth = V4(AKID SCOPE, "host", GOOD_SIG);
    assert_int_equal(verdict("GET", "/x", LINES(HOST, "x-amz-content-sha256: " EMPTY, auth)),
                     S3ERR_ACCESS_DENIED);
    assert_int_equal(
        verdict("GET", "/x", LINES(HOST, "Date: soon", "x-amz-content-sha256: " EMPTY, auth)),
        S3ERR_ACCESS_DENIED);
    assert_int_equal(verdict("GET", "/x", LINES(HOST, "Date: Fri, 24 May 2013 00:00:00 GMT", auth)),
                     S3ERR_INVALID_REQUEST);
    assert_int_equal(verdict("GET", "/x",
                             LINES(HOST, "Date: Fri, 24 May 2013 00:00:00 GMT",
                                   "x-amz-content-sha256: " EMPTY, auth)),
                     S3ERR_SIGNATURE_DOES_NOT_MATCH);
    assert_true(str_starts(extra("StringToSign"), STR("AWS4-HMAC-SHA256\n20130524T000000Z\n")));
}

static void keys_may_be_disabled_changed_or_not_in_memory(void **state)
{
    (void)state;
    user_disabled = true;
    assert_int_equal(verdict("GET", published[0].target, published[0].lines),
                     S3ERR_INVALID_ACCESS_KEY_ID);
    assert_true(str_eq(extra("AWSAccessKeyId"), STR(AKID)));
    user_disabled = false;
    secret_now = STR("another secret");
    assert_int_equal(verdict("GET", published[0].target, published[0].lines),
                     S3ERR_SIGNATURE_DOES_NOT_MATCH);
    secret_now = STR(SECRET);
    assert_int_equal(verdict("GET", published[0].target, published[0].lines), S3ERR_OK);
    not_in_memory = true;
    ask("GET", published[0].target, published[0].lines);
    assert_int_equal(s3_auth_verify(&q, S3_READ_CACHED), S3ERR_WOULD_BLOCK);
    assert_int_equal(s3_auth_verify(&q, S3_READ_ANY), S3ERR_OK); /* the same request, again */
    assert_false(q.who.anonymous);
    not_in_memory = false;
}

static void tokens_we_never_gave_are_refused(void **state)
{
    (void)state;
    assert_int_equal(with(V4(AKID SCOPE, GOOD_SIGNED ";x-amz-security-token", GOOD_SIG),
                          "x-amz-security-token: abc"),
                     S3ERR_INVALID_TOKEN);
}

static void an_endless_list_of_signed_headers_is_refused(void **state)
{
    (void)state;
    static char line[4000] = "Authorization: AWS4-HMAC-SHA256 Credential=" AKID SCOPE
                             ", Signature=1, SignedHeaders=host";
    for (size_t n = strlen(line); n + 3 < sizeof(line); n += 2)
        memcpy(line + n, ";a", 3);
    assert_int_equal(with(line, NULL), MALFORMED);
}

/* --- presigned --- */

#define PRE(algorithm, credential, date, expires, signed_names, signature)                         \
    "/test.txt?X-Amz-Algorithm=" algorithm "&X-Amz-Credential=" credential "&X-Amz-Date=" date     \
    "&X-Amz-Expires=" expires "&X-Amz-SignedHeaders=" signed_names "&X-Amz-Signature=" signature
#define A         "AWS4-HMAC-SHA256"
#define C         AKID "%2F20130524%2Fus-east-1%2Fs3%2Faws4_request"
#define D         "20130524T000000Z"
#define S         "aeeed9bbccd4d02ee5c0109b86d86835f995330da4c265957d157751f604d404"
#define QUERY_BAD S3ERR_AUTHORIZATION_QUERY_PARAMETERS_ERROR

static const struct {
    const char *target;
    int64_t shift_s;
    const char *header;
    enum s3err want;
} queries[] = {
    {PRE(A, C, D, "86400", "host", S), 0, NULL, S3ERR_OK},
    {PRE(A, C, D, "86400", "host", S), 86399, NULL, S3ERR_OK},
    {PRE(A, C, D, "86400", "host", S), 86400, NULL, S3ERR_ACCESS_DENIED},
    {PRE(A, C, D, "86400", "host", S), -900, NULL, S3ERR_OK},
    {PRE(A, C, D, "86400", "host", S), -901, NULL, S3ERR_ACCESS_DENIED},
    {PRE(A, C, D, "0", "host", S), 0, NULL, S3ERR_ACCESS_DENIED},
    {PRE(A, C, D, "604800", "host", S), 0, NULL, S3ERR_SIGNATURE_DOES_NOT_MATCH},
    {PRE(A, C, D, "604801", "host", S), 0, NULL, QUERY_BAD},
    {PRE(A, C, D, "99999999999999999999", "host", S), 0, NULL, QUERY_BAD},
    {PRE(A, C, D, "-1", "host", S), 0, NULL, QUERY_BAD},
    {PRE(A, C, D, "x", "host", S), 0, NULL, QUERY_BAD},
    {PRE(A, C, D, "", "host", S), 0, NULL, QUERY_BAD},
    {PRE("AWS4-HMAC-SHA1", C, D, "86400", "host", S), 0, NULL, QUERY_BAD},
    {PRE("AWS4-ECDSA-P256-SHA256", C, D, "86400", "host", S), 0, NULL, S3ERR_NOT_IMPLEMENTED},
    {PRE(A, "junk", D, "86400", "host", S), 0, NULL, QUERY_BAD},
    {PRE(A, AKID "%2F20130525%2Fus-east-1%2Fs3%2Faws4_request", D, "86400", "host", S), 0, NULL,
     QUERY_BAD},
    {PRE(A, AKID "%2F20130524%2Feu-west-1%2Fs3%2Faws4_request", D, "86400", "host", S), 0, NULL,
     QUERY_BAD},
    {PRE(A, C, "20130524", "86400", "host", S), 0, NULL, QUERY_BAD},
    {PRE(A, C, D, "86400", "", S), 0, NULL, QUERY_BAD},
    {PRE(A, C, D, "86400", "host", ""), 0, NULL, S3ERR_SIGNATURE_DOES_NOT_MATCH},
    {PRE(A, C, D, "86400", "host", S) "&x=1", 0, NULL, S3ERR_SIGNATURE_DOES_NOT_MATCH},
    {"/test.txt?X-Amz-Signature=" S, 0, NULL, QUERY_BAD},
    {PRE(A, C, D, "86400", "host", S), 0, "Range: bytes=0-1", S3ERR_OK},
    {PRE(A, C, D, "86400", "host", S), 0, "x-amzn-trace-id: 1", S3ERR_OK},
    {PRE(A, C, D, "86400", "host", S), 0, "x-amz-copy-source: /b/k", S3ERR_ACCESS_DENIED},
    {PRE(A, C, D, "86400", "host", S), 0, "x-amz-content-sha256: UNSIGNED-PAYLOAD", S3ERR_OK},
    {PRE(A, C, D, "86400", "host", S), 0, "Authorization: AWS a:b", S3ERR_INVALID_ARGUMENT},
    {PRE(A, C, D, "86400", "host;x-amz-acl", S) "&x-amz-acl=private", 0, "x-amz-acl: public-read",
     S3ERR_INVALID_REQUEST},
    {PRE(A, C, D, "86400", "host", S) "&AWSAccessKeyId=a&Signature=b", 0, NULL,
     S3ERR_INVALID_ARGUMENT},
};

static void each_fault_of_a_presigned_url_has_its_error(void **state)
{
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(queries); i++) {
        ask("GET", queries[i].target, LINES(HOST, queries[i].header));
        q.now_ms += queries[i].shift_s * 1000;
        enum s3err e = s3_auth_verify(&q, S3_READ_ANY);
        if (e != queries[i].want)
            fail_msg("row %zu: %s", i, code(e));
    }
}

static void an_expired_url_says_when(void **state)
{
    (void)state;
    ask("GET", queries[0].target, LINES(HOST));
    q.now_ms += 86400000;
    assert_int_equal(s3_auth_verify(&q, S3_READ_ANY), S3ERR_ACCESS_DENIED);
    assert_true(str_eq(q.resp.message, STR("Request has expired")));
    assert_true(str_eq(extra("X-Amz-Expires"), STR("86400")));
    assert_true(str_eq(extra("Expires"), STR("2013-05-25T00:00:00.000Z")));
    assert_true(str_eq(extra("ServerTime"), STR("2013-05-25T00:00:00.000Z")));
}

static void a_url_for_get_does_not_serve_head(void **state)
{
    (void)state;
    assert_int_equal(verdict("HEAD", queries[0].target, LINES(HOST)),
                     S3ERR_SIGNATURE_DOES_NOT_MATCH);
}

/* --- payload names --- */

static void payload_names_of_anonymous_requests(void **state)
{
    (void)state;
    static const struct {
        const char *method, *line;
        enum s3err want;
    } rows[] = {
        {"PUT", "x-amz-content-sha256: UNSIGNED-PAYLOAD", S3ERR_OK},
        {"PUT", "x-amz-content-sha256: " EMPTY, S3ERR_OK},
        {"PUT", "x-amz-content-sha256: STREAMING-UNSIGNED-PAYLOAD-TRAILER", S3ERR_OK},
        {"GET", "x-amz-content-sha256: STREAMING-UNSIGNED-PAYLOAD-TRAILER", S3ERR_INVALID_REQUEST},
        {"PUT", "x-amz-content-sha256: STREAMING-AWS4-HMAC-SHA256-PAYLOAD", S3ERR_INVALID_REQUEST},
        {"PUT", "x-amz-content-sha256: STREAMING-AWS4-HMAC-SHA256-PAYLOAD-TRAILER",
         S3ERR_INVALID_REQUEST},
        {"PUT", "x-amz-content-sha256: STREAMING-AWS4-ECDSA-P256-SHA256-PAYLOAD",
         S3ERR_NOT_IMPLEMENTED},
        {"PUT", "x-amz-content-sha256: STREAMING-AWS4-ECDSA-P256-SHA256-PAYLOAD-TRAILER",
         S3ERR_NOT_IMPLEMENTED},
        {"PUT", "x-amz-content-sha256: STREAMING-OTHER", S3ERR_INVALID_ARGUMENT},
        {"PUT", "x-amz-content-sha256: e3b0", S3ERR_INVALID_ARGUMENT},
        {"PUT", "x-amz-content-sha256: ", S3ERR_INVALID_ARGUMENT},
    };
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        enum s3err e = verdict(rows[i].method, "/bkt/key", LINES(rows[i].line));
        if (e != rows[i].want)
            fail_msg("%s: %s", rows[i].line, code(e));
        assert_true(q.who.anonymous);
    }
}

static void anonymous_gets_take_no_overrides(void **state)
{
    (void)state;
    assert_int_equal(verdict("GET", "/bkt/key?response-content-type=a", LINES("Host: x")),
                     S3ERR_INVALID_REQUEST);
    assert_int_equal(verdict("GET", "/bkt/key", LINES("Host: x")), S3ERR_OK);
}

static void the_plan_follows_the_payload_name(void **state)
{
    (void)state;
    struct s3_body_plan p;
    assert_int_equal(verdict("PUT", published[1].target, published[1].lines), S3ERR_OK);
    assert_int_equal(s3_auth_body(&q, &p), S3ERR_OK);
    assert_int_equal(p.framing, S3_FRAMING_RAW);
    assert_true(p.has_sha256 && p.sha256[0] == 0x44 && !p.signed_chunks);
    assert_int_equal(verdict("PUT", published[5].target, published[5].lines), S3ERR_OK);
    assert_int_equal(s3_auth_body(&q, &p), S3ERR_OK);
    assert_int_equal(p.framing, S3_FRAMING_AWS_CHUNKED);
    assert_true(!p.has_sha256 && p.signed_chunks && !p.trailer_form);
    assert_int_equal(
        verdict("PUT", "/bkt/k", LINES("x-amz-content-sha256: STREAMING-UNSIGNED-PAYLOAD-TRAILER")),
        S3ERR_OK);
    assert_int_equal(s3_auth_body(&q, &p), S3ERR_OK);
    assert_int_equal(p.framing, S3_FRAMING_AWS_CHUNKED);
    assert_true(!p.signed_chunks && p.trailer_form);
}

/* --- canonical forms --- */

static void queries_are_sorted_by_encoded_name_then_value(void **state)
{
    (void)state;
    static const struct {
        const char *target, *want;
    } rows[] = {
        {"/bkt", ""},
        {"/bkt?", ""},
        {"/bkt?acl", "acl="},
        {"/bkt?b=2&a=1", "a=1&b=2"},
        {"/bkt?a=2&a=1&a=", "a=&a=1&a=2"},
        {"/bkt?a-=1&a=2&a%2F=3", "a=2&a%2F=3&a-=1"}, /* '%' sorts before '-' */
        {"/bkt?x=a%2fb+c%20d*'~", "x=a%2Fb%20c%20d%2A%27~"},
        {"/bkt?f=1&e=2&d=3&c=4&b=5&a=6&g=7", "a=6&b=5&c=4&d=3&e=2&f=1&g=7"},
        {"/bkt?X-Amz-Signature=1&B=2&b=3&A=4", "A=4&B=2&b=3"},
    };
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        AUTO(buf_free) struct buf out = BUF(10000);
        ask("GET", rows[i].target, NULL);
        s3_sigv4_canonical_query(&q, true, &out);
        if (!str_eq(buf_str(&out), str_c(rows[i].want)))
            fail_msg("%s: " STR_F, rows[i].target, STR_A(buf_str(&out)));
    }
}

static void headers_are_folded_and_joined(void **state)
{
    (void)state;
    ask("PUT", "/bkt//a/../%c3%a9+%2B*",
        LINES("X-Amz-Meta-A:   1 \t 2  ", "HOST: h", "x-amz-meta-a:3", "x-amz-meta-b:"));
    struct s3_sigv4 v = {.signed_headers = STR("host;x-amz-meta-a;x-amz-meta-b"),
                         .payload = STR("P")};
    AUTO(buf_free) struct buf out = BUF(10000);
    s3_sigv4_canonical_request(&q, &v, &out);
    assert_true(
        str_eq(buf_str(&out), STR("PUT\n/bkt//a/../%C3%A9%20%2B%2A\n\nhost:h\nx-amz-meta-a:1 2,3\n"
                                  "x-amz-meta-b:\n\nhost;x-amz-meta-a;x-amz-meta-b\nP")));
}

static void signing_keys_are_found_again_and_follow_the_secret(void **state)
{
    (void)state;
    struct s3_signing_scope s = {STR("k"), STR(SECRET), STR("20130524"), STR("us-east-1"),
                                 STR("s3")};
    uint8_t first[32], again[32], other[32], key[32], direct[32];
    s3_hmac_signing(&s, STR("data"), first, key);
    s3_hmac_signing(&s, STR("data"), again, NULL);
    assert_memory_equal(first, again, 32);
    s3_hmac_sha256(key, 32, STR("data"), direct);
    assert_memory_equal(first, direct, 32);
    s.secret = STR("other");
    s3_hmac_signing(&s, STR("data"), other, NULL);
    assert_memory_not_equal(first, other, 32);
    s.secret = STR(SECRET);
    s3_hmac_signing(&s, STR("data"), again, NULL);
    assert_memory_equal(first, again, 32);
    static char long_region[300];
    memset(long_region, 'r', sizeof(long_region));
    s.region = str_of(long_region, sizeof(long_region)); /* too long to be kept; still right */
    s3_hmac_signing(&s, STR("data"), other, key);
    s3_hmac_sha256(key, 32, STR("data"), direct);
    assert_memory_equal(other, direct, 32);
}

/* RFC 4231 case 2, RFC 2202 case 2, and the empty key. */
static void hmacs_are_the_published_ones(void **state)
{
    (void)state;
    uint8_t out[32];
    char hex[65] = {0};
    s3_hmac_sha256("Jefe", 4, STR("what do ya want for nothing?"), out);
    str_hex(out, 32, hex);
    assert_string_equal(hex, "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843");
    s3_hmac_sha256("", 0, STR(""), out);
    str_hex(out, 32, hex);
    assert_string_equal(hex, "b613679a0814d9ec772f95d778c35fc5ff1697c493715653c6c712144292c5ad");
    s3_hmac_sha1("Jefe", 4, STR("what do ya want for nothing?"), out);
    memset(hex, 0, sizeof(hex));
    str_hex(out, 20, hex);
    assert_string_equal(hex, "effcdf6ae5eb2fa2d27416d5f184df9c259a7c79");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(published_examples_verify),
        cmocka_unit_test(each_fault_of_the_header_has_its_error),
        cmocka_unit_test(a_wrong_region_is_told_the_right_one),
        cmocka_unit_test(a_mismatch_shows_what_was_signed_here),
        cmocka_unit_test(unsigned_amz_headers_are_named),
        cmocka_unit_test(clocks_may_differ_by_15_minutes),
        cmocka_unit_test(dates_and_payload_digests_are_needed),
        cmocka_unit_test(keys_may_be_disabled_changed_or_not_in_memory),
        cmocka_unit_test(tokens_we_never_gave_are_refused),
        cmocka_unit_test(an_endless_list_of_signed_headers_is_refused),
        cmocka_unit_test(each_fault_of_a_presigned_url_has_its_error),
        cmocka_unit_test(an_expired_url_says_when),
        cmocka_unit_test(a_url_for_get_does_not_serve_head),
        cmocka_unit_test(payload_names_of_anonymous_requests),
        cmocka_unit_test(anonymous_gets_take_no_overrides),
        cmocka_unit_test(the_plan_follows_the_payload_name),
        cmocka_unit_test(queries_are_sorted_by_encoded_name_then_value),
        cmocka_unit_test(headers_are_folded_and_joined),
        cmocka_unit_test(signing_keys_are_found_again_and_follow_the_secret),
        cmocka_unit_test(hmacs_are_the_published_ones),
    };
    return cmocka_run_group_tests(tests, NULL, done);
}
