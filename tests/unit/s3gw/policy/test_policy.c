/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/lib/s3_fixture.h"

#include "s3gw/core/tags.h"
#include "s3gw/policy/policy.h"

static struct s3_bucket bucket = {.name = STR_INIT("b"), .owner_id = STR_INIT("alice-id")};

/* A request of @who with these headers and query, to be asked about. */
static void request(struct fixture *f, const char *who, const char *headers, const char *query)
{
    if (f->used)
        s3_req_fini(&f->q);
    s3_req_init(&f->q);
    f->used = true;
    f->q.gw = &f->gw;
    f->q.bkt = &bucket;
    f->q.now_ms = 1767322800000; /* 2026-01-02T03:00:00Z */
    f->q.peer = STR("203.0.113.9");
    f->q.tls_version = "TLSv1.2";
    become(&f->q, who);
    add_request_headers(&f->q, headers);
    char target[256];
    snprintf(target, sizeof(target), "/b%s", query ? query : "");
    f->q.raw_path = arena_str(&f->q.arena, str_c(target));
    assert_int_equal(s3_uri_parse(&f->q, f->q.raw_path), S3ERR_OK);
}

static const char *fault; /* of the last compile() */

static enum s3err compile(struct fixture *f, const char *json, struct buf *record)
{
    buf_reset(record);
    const struct s3_policy_scope scope = {f->gw.index, &f->q.arena, bucket.name};
    int r = s3_policy_compile(&scope, str_c(json), record, &fault);
    return r == -EINVAL ? S3ERR_MALFORMED_POLICY : s3err_from_errno(r, S3_THING_OTHER);
}

#define ST(x) "{\"Version\":\"2012-10-17\",\"Statement\":[{" x "}]}"
#define ALL   "\"Effect\":\"Allow\",\"Principal\":\"*\""
#define ANY   "\"Action\":\"s3:*\",\"Resource\":\"arn:aws:s3:::b/*\""
#define LIST  "\"Action\":\"s3:ListBucket\",\"Resource\":\"arn:aws:s3:::b\""
#define PUT   "\"Action\":\"s3:PutObject\",\"Resource\":\"arn:aws:s3:::b/*\""
#define GET   "\"Action\":\"s3:GetObject\",\"Resource\":\"arn:aws:s3:::b/*\""

static void what_a_policy_must_be(void **state)
{
    (void)state;
    static const struct {
        const char *json;
        bool ok;
    } rows[] = {
        {"", false},
        {"[]", false},
        {"{}", false},
        {"{\"Statement\":[]}", false},
        {ST(ALL "," GET), true},
        {"{\"Statement\":{" ALL "," GET "}}", true},
        {"{\"Version\":\"2020-01-01\",\"Statement\":{" ALL "," GET "}}", false},
        {"{\"Colour\":1,\"Statement\":{" ALL "," GET "}}", false},
        {ST(ALL "," GET ",\"Colour\":1"), false},
        {ST("\"Principal\":\"*\"," GET), false},
        {ST("\"Effect\":\"allow\",\"Principal\":\"*\"," GET), false},
        {ST("\"Effect\":\"Allow\"," GET), false},
        {ST(ALL ",\"NotPrincipal\":\"*\"," GET), false},
        {ST("\"Effect\":\"Allow\",\"NotPrincipal\":{\"AWS\":\"bob-id\"}," GET), false},
        {ST("\"Effect\":\"Deny\",\"NotPrincipal\":{\"AWS\":\"bob-id\"}," GET), true},
        {ST("\"Effect\":\"Allow\",\"Principal\":{\"AWS\":\"bob-id\"}," GET), true},
        {ST("\"Effect\":\"Allow\",\"Principal\":{\"AWS\":[\"arn:aws:iam::bob-id:root\",\"arn:aws:"
            "iam:::user/alice-id\"]}," GET),
         true},
        {ST("\"Effect\":\"Allow\",\"Principal\":{\"CanonicalUser\":\"bob-id\"}," GET), true},
        {ST("\"Effect\":\"Allow\",\"Principal\":{\"Service\":\"logging.s3.amazonaws.com\"}," GET),
         true},
        {ST("\"Effect\":\"Allow\",\"Principal\":{\"AWS\":\"nobody\"}," GET), false},
        {ST("\"Effect\":\"Allow\",\"Principal\":\"bob-id\"," GET), false},
        {ST("\"Effect\":\"Allow\",\"Principal\":{}," GET), false},
        {ST("\"Effect\":\"Allow\",\"Principal\":{\"CanonicalUser\":\"*\"}," GET), false},
        {ST(ALL ",\"Action\":\"ec2:Run\",\"Resource\":\"arn:aws:s3:::b/*\""), false},
        {ST(ALL ",\"Action\":[\"s3:*\",\"S3:listbucket\"],\"Resource\":[\"arn:aws:s3:::b\"]"),
         true},
        {ST(ALL ",\"Action\":\"s3:*\",\"Resource\":\"arn:aws:s3:::other/*\""), false},
        {ST(ALL ",\"Action\":\"s3:*\",\"Resource\":\"*\""), false},
        {ST(ALL ",\"Action\":\"s3:*\",\"Resource\":\"arn:aws:s3:::*\""), true},
        {ST(ALL ",\"Action\":\"s3:*\",\"Resource\":\"arn:aws:s3:::b*\""), true},
        {ST(ALL ",\"Action\":\"s3:GetObject\",\"Resource\":\"arn:aws:s3:::b*\""), true},
        {ST(ALL ",\"Action\":\"s3:ListBucket\",\"Resource\":\"arn:aws:s3:::?/*\""), false},
        {ST(ALL ",\"Action\":\"s3:*\",\"Resource\":\"arn:aws:s3:::c*\""), false},
        {ST(ALL ",\"Action\":\"s3:GetObject\",\"Resource\":\"arn:aws:s3:::b\""), false},
        {ST(ALL ",\"Action\":\"s3:ListBucket\",\"Resource\":\"arn:aws:s3:::b/*\""), false},
        {ST(ALL
            ",\"Action\":[\"s3:ListBucket\",\"s3:GetObject\"],\"Resource\":\"arn:aws:s3:::b/*\""),
         false},
        {ST(ALL ",\"Action\":[\"s3:ListBucket\",\"s3:GetObject\"],"
                "\"Resource\":[\"arn:aws:s3:::b/*\",\"arn:aws:s3:::b\"]"),
         true},
        {ST(ALL "," GET ",\"Sid\":\"a b\""), true},
        {ST(ALL "," GET ",\"Sid\":1"), false},
        {ST(ALL "," GET ",\"Sid\":\"1\"},{" ALL "," GET ",\"Sid\":\"2\""), true},
        {ST(ALL "," GET ",\"Sid\":\"1\"},{" ALL "," GET ",\"Sid\":\"1\""), false},
        {ST(ALL "," GET ",\"Sid\":\"\"},{" ALL "," GET ",\"Sid\":\"\""), true},
        {"{\"Id\":\"x\",\"Statement\":{" ALL "," GET "}}", true},
        {"{\"Id\":1,\"Statement\":{" ALL "," GET "}}", false},
        {ST(ALL ",\"NotAction\":\"s3:ListBucket\",\"Resource\":\"arn:aws:s3:::b\""), true},
        {ST(ALL ",\"Action\":\"s3:ListAllMyBuckets\",\"Resource\":\"arn:aws:s3:::b\""), false},
        {ST(ALL ",\"Action\":\"s3:GetObjects\",\"Resource\":\"arn:aws:s3:::b/*\""), false},
        {ST(ALL ",\"Action\":[],\"Resource\":\"arn:aws:s3:::b/*\""), false},
        {ST(ALL ",\"Action\":\"s3:*\",\"Resource\":[]"), false},
        {ST(ALL ",\"Action\":7,\"Resource\":\"arn:aws:s3:::b\""), false},
        {ST(ALL "," LIST ",\"Condition\":{\"StringEquals\":{\"s3:prefix\":\"a\"}}"), true},
        {ST(ALL "," GET ",\"Condition\":{\"StringEquals\":{\"s3:prefix\":\"a\"}}"), false},
        {ST(ALL ",\"Action\":[\"s3:ListBucket\",\"s3:GetObject\"],"
                "\"Resource\":[\"arn:aws:s3:::b\",\"arn:aws:s3:::b/*\"],"
                "\"Condition\":{\"StringEquals\":{\"s3:prefix\":\"a\"}}"),
         false}, /* AWS as measured: one that does not know the key is enough */
        {ST(ALL ",\"Action\":\"s3:*\",\"Resource\":[\"arn:aws:s3:::b\",\"arn:aws:s3:::b/*\"],"
                "\"Condition\":{\"StringEquals\":{\"s3:prefix\":\"a\"}}"),
         true},
        {ST(ALL ",\"NotAction\":\"s3:ListBucket\",\"Resource\":\"arn:aws:s3:::b\","
                "\"Condition\":{\"StringEquals\":{\"s3:prefix\":\"a\"}}"),
         true},
        {ST(ALL "," LIST ",\"Condition\":{\"StringEqual\":{\"s3:prefix\":\"a\"}}"), false},
        {ST(ALL "," GET ",\"Condition\":{\"StringEquals\":{\"s3:colour\":\"a\"}}"), false},
        {ST(ALL "," PUT ",\"Condition\":{\"ForAllValues:StringLikeIfExists\":{\"s3:"
                "RequestObjectTagKeys\":[\"a\"]}}"),
         true},
        {ST(ALL "," GET ",\"Condition\":{\"Bool\":{\"aws:SecureTransport\":false}}"), true},
        {ST(ALL "," GET ",\"Condition\":[]"), false},
        {ST("\"Effect\":\"Allow\",\"Principal\":{\"AWS\":[]}," GET), false},
    };
    AUTO(teardown) struct fixture f;
    setup(&f);
    AUTO(buf_free) struct buf record = BUF(1 << 20);
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        request(&f, "alice", NULL, NULL);
        enum s3err e = compile(&f, rows[i].json, &record);
        if (e != (rows[i].ok ? S3ERR_OK : S3ERR_MALFORMED_POLICY))
            print_error("row %zu: %s: %s\n", i, rows[i].json, fault ? fault : "");
        assert_int_equal(e, rows[i].ok ? S3ERR_OK : S3ERR_MALFORMED_POLICY);
        if (rows[i].ok)
            assert_string_equal(shown(s3_policy_json(buf_str(&record))), rows[i].json);
    }
}

static enum s3_verdict verdict(struct fixture *f, struct buf *record, const char *action,
                               const char *key)
{
    struct s3_ask ask = {.q = &f->q, .bkt = &bucket, .key = str_c(key), .action = action};
    return s3_policy_verdict(buf_str(record), &ask);
}

/* What an operator can never compare is refused: the statement would say nothing. */
static void values_of_conditions_fit_their_operators(void **state)
{
    (void)state;
    static const struct {
        const char *condition;
        bool good;
    } rows[] = {
        {"\"IpAddress\":{\"aws:SourceIp\":[\"10.0.0.1\",\"10.0.0.0/8\",\"2001:db8::/32\"]}", true},
        {"\"IpAddress\":{\"aws:SourceIp\":[\"10.0.0.1\",\"10.0.0.256\"]}", false},
        {"\"NotIpAddress\":{\"aws:SourceIp\":\"10.0.0.0/33\"}", false},
        {"\"IpAddressIfExists\":{\"aws:SourceIp\":\"*\"}", false},
        {"\"Bool\":{\"aws:SecureTransport\":\"False\"}", true},
        {"\"Bool\":{\"aws:SecureTransport\":\"no\"}", false},
        {"\"Null\":{\"s3:x-amz-acl\":true}", true},
        {"\"Null\":{\"s3:x-amz-acl\":\"\"}", false},
        {"\"NumericLessThanEquals\":{\"s3:max-keys\":\"10\"}", true},
        {"\"NumericLessThanEquals\":{\"s3:max-keys\":\"ten\"}", false},
        {"\"NumericLessThan\":{\"s3:TlsVersion\":[1.2,\"1.3\",\"-0.5\"]}", true},
        {"\"NumericLessThan\":{\"s3:TlsVersion\":\"1.\"}", false},
        {"\"NumericLessThan\":{\"s3:TlsVersion\":\".2\"}", false},
        {"\"NumericLessThan\":{\"s3:TlsVersion\":\"1.2.3\"}", false},
        {"\"DateLessThan\":{\"aws:CurrentTime\":\"1900000000.5\"}", false},
        {"\"DateLessThan\":{\"aws:CurrentTime\":[\"2030-01-02T03:04:05Z\",\"1900000000\"]}", true},
        {"\"DateLessThan\":{\"aws:CurrentTime\":\"tomorrow\"}", false},
        {"\"StringLike\":{\"s3:prefix\":[\"\",\"home/${aws:username}/*\"]}", true},
    };
    AUTO(teardown) struct fixture f;
    setup(&f);
    AUTO(buf_free) struct buf record = BUF(1 << 20);
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        char json[1024];
        snprintf(json, sizeof(json), ST(ALL "," ANY ",\"Condition\":{%s}"), rows[i].condition);
        request(&f, "bob", NULL, NULL);
        enum s3err e = compile(&f, json, &record);
        if (e != (rows[i].good ? S3ERR_OK : S3ERR_MALFORMED_POLICY))
            fail_msg("row %zu: %d %s", i, (int)e, fault);
    }
}

static void who_may_do_what_where(void **state)
{
    (void)state;
    static const char json[] =
        "{\"Version\":\"2012-10-17\",\"Statement\":["
        "{\"Effect\":\"Allow\",\"Principal\":{\"AWS\":\"bob-id\"},\"Action\":\"s3:Get*\","
        "\"Resource\":\"arn:aws:s3:::b/pub/*\"},"
        "{\"Effect\":\"Allow\",\"Principal\":\"*\",\"Action\":\"s3:ListBucket\",\"Resource\":\"arn:"
        "aws:s3:::b\"},"
        "{\"Effect\":\"Allow\",\"Principal\":{\"AWS\":\"bob-id\"},\"Action\":\"s3:*\",\"Resource\":"
        "\"arn:aws:s3:::b/home/${aws:username}/*\"},"
        "{\"Effect\":\"Deny\",\"Principal\":\"*\",\"Action\":\"s3:*\",\"Resource\":\"arn:aws:s3:::"
        "b/*.secret\"},"
        "{\"Effect\":\"Deny\",\"NotPrincipal\":{\"AWS\":\"alice-id\"},\"NotAction\":[\"s3:Get*\","
        "\"s3:List*\",\"s3:Put*\"],\"NotResource\":\"arn:aws:s3:::b/free/*\"}]}";
    static const struct {
        const char *who, *action, *key;
        enum s3_verdict v;
    } rows[] = {
        {"bob", "s3:GetObject", "pub/a/b", S3_ALLOW},
        {"bob", "s3:GetObject", "pub/", S3_ALLOW},
        {"bob", "s3:GetObject", "pubs", S3_SILENT},
        {"bob", "s3:PutObject", "pub/a", S3_SILENT},
        {"alice", "s3:GetObject", "pub/a", S3_SILENT},
        {NULL, "s3:GetObject", "pub/a", S3_SILENT},
        {NULL, "s3:ListBucket", NULL, S3_ALLOW},
        {NULL, "s3:ListBucket", "a", S3_SILENT},
        {"bob", "s3:PutObject", "home/bob-id/x", S3_ALLOW},
        {"bob", "s3:PutObject", "home/alice-id/x", S3_SILENT},
        {"bob", "s3:GetObject", "pub/a.secret", S3_DENY},
        {"alice", "s3:GetObject", "a.secret", S3_DENY},
        {"bob", "s3:DeleteObject", "home/bob-id/x", S3_DENY},
        {"bob", "s3:DeleteObject", "free/x", S3_SILENT},
        {"alice", "s3:DeleteObject", "x", S3_SILENT},
    };
    AUTO(teardown) struct fixture f;
    setup(&f);
    AUTO(buf_free) struct buf record = BUF(1 << 20);
    request(&f, "alice", NULL, NULL);
    assert_int_equal(compile(&f, json, &record), S3ERR_OK);
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        request(&f, rows[i].who, NULL, NULL);
        enum s3_verdict v = verdict(&f, &record, rows[i].action, rows[i].key);
        if (v != rows[i].v)
            print_error("row %zu: %d\n", i, (int)v);
        assert_int_equal(v, rows[i].v);
    }
}

static void conditions_hold_or_do_not(void **state)
{
    (void)state;
    static const struct {
        const char *condition, *headers, *query;
        bool holds;
    } rows[] = {
        {"\"StringEquals\":{\"s3:prefix\":[\"a\",\"b\"]}", NULL, "?prefix=b", true},
        {"\"StringEquals\":{\"s3:prefix\":[\"a\",\"b\"]}", NULL, "?prefix=c", false},
        {"\"StringEquals\":{\"s3:prefix\":\"a\"}", NULL, NULL, false},
        {"\"StringEqualsIfExists\":{\"s3:prefix\":\"a\"}", NULL, NULL, true},
        {"\"StringNotEquals\":{\"s3:prefix\":[\"a\",\"b\"]}", NULL, "?prefix=b", false},
        {"\"StringNotEquals\":{\"s3:prefix\":[\"a\",\"b\"]}", NULL, "?prefix=c", true},
        {"\"StringNotEquals\":{\"s3:prefix\":\"a\"}", NULL, NULL, true},
        {"\"StringLike\":{\"s3:prefix\":\"home/${aws:username}/*\"}", NULL, "?prefix=home/bob-id/x",
         true},
        {"\"StringLike\":{\"s3:prefix\":\"home/${aws:username}/*\"}", NULL, "?prefix=home/eve/x",
         false},
        {"\"StringLike\":{\"s3:prefix\":\"${*}\"}", NULL, "?prefix=abc", false},
        {"\"StringLike\":{\"s3:prefix\":\"a?c\"}", NULL, "?prefix=abc", true},
        {"\"StringNotLike\":{\"s3:prefix\":\"a*\"}", NULL, "?prefix=abc", false},
        {"\"StringEqualsIgnoreCase\":{\"aws:Referer\":\"HTTP://X\"}", "Referer: http://x", NULL,
         true},
        {"\"StringLike\":{\"aws:UserAgent\":\"curl*\"}", "User-Agent: curl/8", NULL, true},
        {"\"NumericLessThanEquals\":{\"s3:max-keys\":\"10\"}", NULL, "?max-keys=10", true},
        {"\"NumericLessThan\":{\"s3:max-keys\":10}", NULL, "?max-keys=10", false},
        {"\"NumericGreaterThan\":{\"s3:max-keys\":10}", NULL, "?max-keys=junk", false},
        {"\"NumericNotEquals\":{\"s3:max-keys\":10}", NULL, "?max-keys=11", true},
        {"\"NumericLessThan\":{\"s3:TlsVersion\":1.3}", NULL, NULL, true},
        {"\"NumericLessThan\":{\"s3:TlsVersion\":\"1.2\"}", NULL, NULL, false},
        {"\"NumericEquals\":{\"s3:TlsVersion\":[\"1.1\",\"1.20\"]}", NULL, NULL, true},
        {"\"NumericGreaterThan\":{\"s3:max-keys\":\"-1.5\"}", NULL, "?max-keys=0", true},
        {"\"NumericLessThan\":{\"s3:max-keys\":\"9223372036854775807\"}", NULL, "?max-keys=7",
         true},
        {"\"StringEquals\":{\"s3:object-lock-mode\":\"COMPLIANCE\"}",
         "x-amz-object-lock-mode: COMPLIANCE", NULL, true},
        {"\"StringEquals\":{\"s3:object-lock-legal-hold\":\"ON\"}",
         "x-amz-object-lock-legal-hold: OFF", NULL, false},
        {"\"DateGreaterThan\":{\"s3:object-lock-retain-until-date\":\"2026-01-11T00:00:00Z\"}",
         "x-amz-object-lock-retain-until-date: 2026-01-12T02:59:59Z", NULL, true},
        {"\"NumericEquals\":{\"s3:object-lock-remaining-retention-days\":10}",
         "x-amz-object-lock-retain-until-date: 2026-01-12T02:59:59Z", NULL, true},
        {"\"NumericGreaterThan\":{\"s3:object-lock-remaining-retention-days\":10}",
         "x-amz-object-lock-retain-until-date: 2026-01-12T03:00:01Z", NULL, true},
        {"\"Null\":{\"s3:object-lock-remaining-retention-days\":true}", NULL, NULL, true},
        {"\"StringEquals\":{\"aws:PrincipalTag/team\":\"red\"}", NULL, NULL, false},
        {"\"StringEquals\":{\"s3:DataAccessPointAccount\":\"alice-id\"}", NULL, NULL, false},
        {"\"Bool\":{\"aws:PrincipalIsAWSService\":\"false\",\"aws:ViaAWSService\":\"false\"}", NULL,
         NULL, true},
        {"\"StringEquals\":{\"aws:RequestedRegion\":\"us-east-1\"}", NULL, NULL, true},
        {"\"DateLessThan\":{\"aws:CurrentTime\":\"2026-01-02T03:00:01Z\"}", NULL, NULL, true},
        {"\"DateGreaterThan\":{\"aws:CurrentTime\":\"2026-01-02T03:00:01Z\"}", NULL, NULL, false},
        {"\"DateGreaterThanEquals\":{\"aws:EpochTime\":\"1767322800\"}", NULL, NULL, true},
        {"\"Bool\":{\"aws:SecureTransport\":\"false\"}", NULL, NULL, true},
        {"\"Bool\":{\"aws:SecureTransport\":\"true\"}", NULL, NULL, false},
        {"\"IpAddress\":{\"aws:SourceIp\":\"203.0.113.0/24\"}", NULL, NULL, true},
        {"\"IpAddress\":{\"aws:SourceIp\":[\"10.0.0.0/8\",\"203.0.113.9\"]}", NULL, NULL, true},
        {"\"IpAddress\":{\"aws:SourceIp\":\"203.0.113.8/32\"}", NULL, NULL, false},
        {"\"IpAddress\":{\"aws:SourceIp\":\"2001:db8::/32\"}", NULL, NULL, false},
        {"\"NotIpAddress\":{\"aws:SourceIp\":\"203.0.113.0/24\"}", NULL, NULL, false},
        {"\"IpAddress\":{\"aws:SourceIp\":\"0.0.0.0/0\"}", NULL, NULL, true},
        {"\"Null\":{\"s3:x-amz-server-side-encryption\":\"true\"}", NULL, NULL, true},
        {"\"Null\":{\"s3:x-amz-server-side-encryption\":\"true\"}",
         "x-amz-server-side-encryption: AES256", NULL, false},
        {"\"Null\":{\"s3:x-amz-acl\":\"false\"}", "x-amz-acl: private", NULL, true},
        {"\"StringEquals\":{\"s3:x-amz-acl\":\"bucket-owner-full-control\"}", "x-amz-acl: private",
         NULL, false},
        {"\"StringLike\":{\"s3:x-amz-copy-source\":\"src/pub/*\"}", "x-amz-copy-source: src/pub/k",
         NULL, true},
        {"\"StringLike\":{\"s3:x-amz-copy-source\":\"src/pub/*\"}", "x-amz-copy-source: /src/pub/k",
         NULL, true},
        {"\"StringLike\":{\"s3:x-amz-copy-source\":\"src/pub/*\"}", "x-amz-copy-source: src/k",
         NULL, false},
        {"\"StringLike\":{\"s3:x-amz-copy-source\":\"src/pub/*\"}",
         "x-amz-copy-source: src/%70ub%2Fk", NULL, true},
        {"\"StringNotLike\":{\"s3:x-amz-copy-source\":\"src/pub/*\"}",
         "x-amz-copy-source: %73rc/pub/k", NULL, false},
        {"\"StringEquals\":{\"s3:x-amz-copy-source\":\"src/pub/k?versionId=null\"}",
         "x-amz-copy-source: /src/pub%2Fk?versionId=null", NULL, true},
        {"\"StringEquals\":{\"aws:SourceVpce\":\"vpce-1\"}", NULL, NULL, false},
        {"\"StringNotEquals\":{\"aws:SourceVpce\":\"vpce-1\"}", NULL, NULL, true},
        {"\"StringEquals\":{\"s3:RequestObjectTag/team\":\"red\"}", "x-amz-tagging: team=red", NULL,
         true},
        {"\"StringEquals\":{\"s3:RequestObjectTag/Team\":\"red\"}", "x-amz-tagging: team=blue",
         NULL, false},
        {"\"ForAllValues:StringEquals\":{\"s3:RequestObjectTagKeys\":[\"a\",\"b\"]}",
         "x-amz-tagging: a=1&b=2", NULL, true},
        {"\"ForAllValues:StringEquals\":{\"s3:RequestObjectTagKeys\":[\"a\"]}",
         "x-amz-tagging: a=1&b=2", NULL, false},
        {"\"ForAllValues:StringEquals\":{\"s3:RequestObjectTagKeys\":[\"a\"]}", NULL, NULL, true},
        {"\"ForAnyValue:StringEquals\":{\"s3:RequestObjectTagKeys\":[\"a\"]}",
         "x-amz-tagging: a=1&b=2", NULL, true},
        {"\"ForAnyValue:StringEquals\":{\"s3:RequestObjectTagKeys\":[\"a\"]}", NULL, NULL, false},
        {"\"StringEquals\":{\"s3:ExistingObjectTag/state\":\"ready\"}", NULL, NULL, true},
        {"\"StringEquals\":{\"s3:ExistingObjectTag/state\":\"not\"}", NULL, NULL, false},
        {"\"StringEquals\":{\"s3:signatureversion\":\"AWS4-HMAC-SHA256\",\"s3:authType\":\"REST-"
         "HEADER\"}",
         NULL, NULL, true},
        {"\"StringEquals\":{\"s3:authType\":\"REST-HEADER\"},\"Bool\":{\"aws:SecureTransport\":"
         "\"true\"}",
         NULL, NULL, false},
    };
    AUTO(teardown) struct fixture f;
    setup(&f);
    AUTO(buf_free) struct buf record = BUF(1 << 20), tags = BUF(4096);
    struct s3_tags have = {.tag = {{STR("state"), STR("ready")}}, .n = 1};
    s3_tags_encode(&have, &tags);
    struct s3_object object = {.tags = buf_str(&tags), .owner_id = STR("alice-id")};
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        char json[1024];
        snprintf(json, sizeof(json), ST(ALL "," ANY ",\"Condition\":{%s}"), rows[i].condition);
        request(&f, "bob", rows[i].headers, rows[i].query);
        assert_int_equal(compile(&f, json, &record), S3ERR_OK);
        struct s3_ask ask = {.q = &f.q,
                             .bkt = &bucket,
                             .key = STR("k"),
                             .action = "s3:GetObject",
                             .object = &object};
        enum s3_verdict v = s3_policy_verdict(buf_str(&record), &ask);
        if (v != (rows[i].holds ? S3_ALLOW : S3_SILENT))
            print_error("row %zu: %s\n", i, rows[i].condition);
        assert_int_equal(v, rows[i].holds ? S3_ALLOW : S3_SILENT);
    }
}

static void public_means_everybody_without_a_pin(void **state)
{
    (void)state;
    static const struct {
        const char *statement;
        bool is_public;
    } rows[] = {
        {ALL "," GET, true},
        {"\"Effect\":\"Allow\",\"Principal\":{\"AWS\":[\"bob-id\",\"*\"]}," GET, true},
        {"\"Effect\":\"Allow\",\"Principal\":{\"AWS\":\"bob-id\"}," GET, false},
        {"\"Effect\":\"Deny\",\"Principal\":\"*\"," GET, false},
        {ALL "," GET ",\"Condition\":{\"IpAddress\":{\"aws:SourceIp\":\"10.0.0.0/8\"}}", false},
        {ALL "," GET ",\"Condition\":{\"IpAddress\":{\"aws:SourceIp\":\"0.0.0.0/0\"}}", true},
        {ALL "," GET ",\"Condition\":{\"StringLike\":{\"aws:userid\":\"*\"}}", true},
        {ALL "," GET ",\"Condition\":{\"StringEquals\":{\"aws:userid\":\"bob-id\"}}", false},
        {ALL "," GET ",\"Condition\":{\"StringLike\":{\"aws:Referer\":\"http://x/*\"}}", true},
        {ALL "," GET ",\"Condition\":{\"StringNotEquals\":{\"aws:userid\":\"bob-id\"}}", true},
        {ALL "," GET ",\"Condition\":{\"StringEqualsIfExists\":{\"aws:userid\":\"bob-id\"}}", true},
        {ALL "," GET ",\"Condition\":{\"ForAllValues:StringEquals\":{\"aws:userid\":\"bob-id\"}}",
         true},
        {ALL "," GET
             ",\"Condition\":{\"StringEquals\":{\"aws:userid\":[\"bob-id\",\"${aws:userid}\"]}}",
         true},
        {ALL "," GET ",\"Condition\":{\"NotIpAddress\":{\"aws:SourceIp\":\"10.0.0.0/8\"}}", true},
        {ALL "," GET ",\"Condition\":{\"Null\":{\"aws:userid\":\"false\"}}", true},
        {ALL "," GET ",\"Condition\":{\"StringEquals\":{\"aws:SourceVpce\":\"vpce-1\"}}", false},
        {ALL "," GET ",\"Condition\":{\"ArnLike\":{\"aws:SourceArn\":\"arn:aws:s3:::a\"}}", false},
        {ALL "," GET ",\"Condition\":{\"StringEquals\":{\"aws:PrincipalOrgID\":\"o-1\"}}", false},
        {ALL "," GET ",\"Condition\":{\"StringEquals\":{\"s3:DataAccessPointAccount\":\"1\"}}",
         false},
        {ALL "," GET ",\"Condition\":{\"StringNotEquals\":{\"aws:SourceVpc\":\"v\"},"
             "\"StringEquals\":{\"aws:userid\":\"bob-id\"}}",
         false},
    };
    AUTO(teardown) struct fixture f;
    setup(&f);
    AUTO(buf_free) struct buf record = BUF(1 << 20);
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        char json[1024];
        snprintf(json, sizeof(json), ST("%s"), rows[i].statement);
        request(&f, "alice", NULL, NULL);
        assert_int_equal(compile(&f, json, &record), S3ERR_OK);
        if (s3_policy_is_public(buf_str(&record)) != rows[i].is_public)
            print_error("row %zu\n", i);
        assert_int_equal(s3_policy_is_public(buf_str(&record)), rows[i].is_public);
    }
}

static void a_damaged_record_denies(void **state)
{
    (void)state;
    AUTO(teardown) struct fixture f;
    setup(&f);
    AUTO(buf_free) struct buf record = BUF(1 << 20);
    request(&f, "bob", NULL, NULL);
    assert_int_equal(compile(&f, ST(ALL "," GET), &record), S3ERR_OK);
    struct s3_ask ask = {.q = &f.q, .bkt = &bucket, .key = STR("k"), .action = "s3:GetObject"};
    assert_int_equal(s3_policy_verdict(buf_str(&record), &ask), S3_ALLOW);
    for (size_t n = 1; n < record.n;
         n++) /* a cut at the front of the statements leaves none: silent */
        assert_int_not_equal(s3_policy_verdict(str_head(buf_str(&record), n), &ask), S3_ALLOW);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_a_policy_must_be),
        cmocka_unit_test(values_of_conditions_fit_their_operators),
        cmocka_unit_test(who_may_do_what_where),
        cmocka_unit_test(conditions_hold_or_do_not),
        cmocka_unit_test(public_means_everybody_without_a_pin),
        cmocka_unit_test(a_damaged_record_denies),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
