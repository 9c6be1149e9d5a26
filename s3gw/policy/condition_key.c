/* SPDX-License-Identifier: Apache-2.0 */
#include "s3gw/policy/condition_key.h"

#include "s3gw/core/gw.h"
#include "s3gw/core/httpdate.h"
#include "s3gw/core/op.h"
#include "s3gw/core/tags.h"
#include "s3gw/core/uri.h"
#include "s3gw/index/bucket.h"

static void one(struct s3_key_values *ret, struct str v)
{
    if (v.p && ret->n < S3_KEY_VALUES_MAX)
        ret->v[ret->n++] = v;
}

static void number(const struct s3_ask *ask, struct s3_key_values *ret, int64_t n)
{
    one(ret, arena_printf(&ask->q->arena, "%lld", (long long)n));
}

/* --- the caller and the connection --- */

static void source_ip(const struct s3_ask *ask, struct s3_key_values *ret)
{
    one(ret, ask->q->peer);
}

static void secure_transport(const struct s3_ask *ask, struct s3_key_values *ret)
{
    one(ret, ask->q->tls ? STR("true") : STR("false"));
}

/* "1.2": behind "TLSv". */
static void tls_version(const struct s3_ask *ask, struct s3_key_values *ret)
{
    if (ask->q->tls_version)
        one(ret, str_from(str_c(ask->q->tls_version), 4));
}

static void region(const struct s3_ask *ask, struct s3_key_values *ret)
{
    one(ret, ask->q->gw->region);
}

/* Of the services only the one that delivers logs comes here, and it calls itself. */
static void is_service(const struct s3_ask *ask, struct s3_key_values *ret)
{
    one(ret, ask->q->who.source_bucket.p ? STR("true") : STR("false"));
}

static void no(const struct s3_ask *ask, struct s3_key_values *ret)
{
    (void)ask;
    one(ret, STR("false"));
}

static void referer(const struct s3_ask *ask, struct s3_key_values *ret)
{
    one(ret, s3_req_header(ask->q, STR("referer")));
}

static void user_agent(const struct s3_ask *ask, struct s3_key_values *ret)
{
    one(ret, s3_req_header(ask->q, STR("user-agent")));
}

static void current_time(const struct s3_ask *ask, struct s3_key_values *ret)
{
    char text[S3_ISODATE_MAX];
    size_t n = s3_isodate_format(ask->q->now_ms, text);
    one(ret, arena_str(&ask->q->arena, str_of(text, n)));
}

static void epoch_time(const struct s3_ask *ask, struct s3_key_values *ret)
{
    number(ask, ret, ask->q->now_ms / 1000);
}

static void user_id(const struct s3_ask *ask, struct s3_key_values *ret)
{
    if (!ask->q->who.anonymous)
        one(ret, ask->q->who.user_id);
}

static void principal_arn(const struct s3_ask *ask, struct s3_key_values *ret)
{
    if (!ask->q->who.anonymous)
        one(ret, arena_printf(&ask->q->arena, "arn:aws:iam::" STR_F ":root",
                              STR_A(ask->q->who.user_id)));
}

static void principal_type(const struct s3_ask *ask, struct s3_key_values *ret)
{
    one(ret, ask->q->who.anonymous        ? STR("Anonymous")
             : ask->q->who.policies.n > 0 ? STR("User")
                                          : STR("Account"));
}

static void signature_version(const struct s3_ask *ask, struct s3_key_values *ret)
{
    switch (ask->q->who.how) {
    case S3_AUTH_V4_HEADER:
    case S3_AUTH_V4_QUERY:
    case S3_AUTH_V4_FORM:
        one(ret, STR("AWS4-HMAC-SHA256"));
        break;
    case S3_AUTH_V2_HEADER:
    case S3_AUTH_V2_QUERY:
    case S3_AUTH_V2_FORM:
        one(ret, STR("AWS"));
        break;
    case S3_AUTH_NONE:
        break;
    }
}

static void auth_type(const struct s3_ask *ask, struct s3_key_values *ret)
{
    if (ask->q->who.how == S3_AUTH_V4_HEADER || ask->q->who.how == S3_AUTH_V2_HEADER)
        one(ret, STR("REST-HEADER"));
    else if (ask->q->post)
        one(ret, STR("POST"));
    else if (ask->q->who.how != S3_AUTH_NONE)
        one(ret, STR("REST-QUERY-STRING"));
}

/* Milliseconds since a presigned URL was signed. */
static void signature_age(const struct s3_ask *ask, struct s3_key_values *ret)
{
    int64_t signed_s;
    if (ask->q->who.how == S3_AUTH_V4_QUERY &&
        s3_amzdate_parse(s3_req_param(ask->q, STR("X-Amz-Date")), &signed_s) == 0)
        number(ask, ret, ask->q->now_ms - signed_s * 1000);
}

/* --- the resource and the request --- */

static void resource_account(const struct s3_ask *ask, struct s3_key_values *ret)
{
    if (ask->bkt)
        one(ret, ask->bkt->owner_id);
}

static void location(const struct s3_ask *ask, struct s3_key_values *ret)
{
    one(ret, ask->q->body_location);
}

static void prefix(const struct s3_ask *ask, struct s3_key_values *ret)
{
    one(ret, s3_req_param(ask->q, STR("prefix")));
}

static void delimiter(const struct s3_ask *ask, struct s3_key_values *ret)
{
    one(ret, s3_req_param(ask->q, STR("delimiter")));
}

static void max_keys(const struct s3_ask *ask, struct s3_key_values *ret)
{
    one(ret, s3_req_param(ask->q, STR("max-keys")));
}

static void version_id(const struct s3_ask *ask, struct s3_key_values *ret)
{
    one(ret, ask->version);
}

static void if_match(const struct s3_ask *ask, struct s3_key_values *ret)
{
    one(ret, ask->if_match.p ? ask->if_match : s3_req_option(ask->q, STR("if-match")));
}

/* "bucket/key" or "bucket/key?versionId=id", however the header begins and whatever it escapes: what is denied must not
 * come in by another spelling. */
static void copy_source(const struct s3_ask *ask, struct s3_key_values *ret)
{
    struct arena *a = &ask->q->arena;
    struct str v = s3_req_option(ask->q, STR("x-amz-copy-source")), bucket, key, version;
    if (v.p && s3_uri_copy_source(a, v, &bucket, &key, &version) == 0)
        v = arena_printf(a, STR_F "/" STR_F "%s" STR_F, STR_A(bucket), STR_A(key),
                         version.p ? "?versionId=" : "", STR_A(version));
    one(ret, v);
}

/* No caller here comes through a private network, an access point or a grant, from an organization
 * or a federation, and neither users nor buckets have tags that count (PutBucketAbac is refused). */
static void never(const struct s3_ask *ask, struct s3_key_values *ret)
{
    (void)ask;
    (void)ret;
}

/* Creating an upload and sending its parts make no object; policies that demand conditions exempt
 * them so. */
static void creation(const struct s3_ask *ask, struct s3_key_values *ret)
{
    if (strcmp(ask->action, "s3:PutObject") != 0 || !ask->q->op)
        return;
    static const char *const makes_none[] = {"CreateMultipartUpload", "UploadPart",
                                             "UploadPartCopy"};
    bool makes = true;
    for (size_t i = 0; i < ARRAY_LEN(makes_none); i++)
        makes = makes && strcmp(ask->q->op->name, makes_none[i]) != 0;
    one(ret, makes ? STR("true") : STR("false"));
}

static void source_arn(const struct s3_ask *ask, struct s3_key_values *ret)
{
    if (ask->q->who.source_bucket.p)
        one(ret,
            arena_printf(&ask->q->arena, "arn:aws:s3:::" STR_F, STR_A(ask->q->who.source_bucket)));
}

static void source_account(const struct s3_ask *ask, struct s3_key_values *ret)
{
    if (ask->q->who.source_bucket.p)
        one(ret, ask->q->who.source_account);
}

/* The tags the request brings: in a header or, of PutObjectTagging, in its body. */
static bool request_tags(const struct s3_ask *ask, struct s3_tags *ret)
{
    if (ask->q->body_tags.p)
        return s3_tags_decode(ask->q->body_tags, ret) == 0;
    return s3_tags_parse_form(s3_req_option(ask->q, STR("x-amz-tagging")), S3_TAGS_OBJECT_MAX,
                              &ask->q->arena, ret) == S3_TAGS_OK;
}

static void request_tag_keys(const struct s3_ask *ask, struct s3_key_values *ret)
{
    struct s3_tags t;
    if (request_tags(ask, &t))
        for (size_t i = 0; i < t.n; i++)
            one(ret, t.tag[i].key);
}

static void lock_mode(const struct s3_ask *ask, struct s3_key_values *ret)
{
    one(ret, ask->q->body_told ? ask->q->body_mode
                               : s3_req_option(ask->q, STR("x-amz-object-lock-mode")));
}

static void lock_hold(const struct s3_ask *ask, struct s3_key_values *ret)
{
    one(ret, ask->q->body_told ? ask->q->body_hold
                               : s3_req_option(ask->q, STR("x-amz-object-lock-legal-hold")));
}

static struct str until_of(const struct s3_ask *ask)
{
    return ask->q->body_told ? ask->q->body_until
                             : s3_req_option(ask->q, STR("x-amz-object-lock-retain-until-date"));
}

static void lock_until(const struct s3_ask *ask, struct s3_key_values *ret)
{
    one(ret, until_of(ask));
}

/* A day that has begun counts: what was asked for as ten days is still ten when it arrives. */
static void lock_days(const struct s3_ask *ask, struct s3_key_values *ret)
{
    static const int64_t day_ms = 86400 * 1000;
    int64_t until_ms;
    struct str until = until_of(ask);
    if (until.p && s3_isodate_parse(until, &until_ms) == 0 && until_ms > ask->q->now_ms)
        number(ask, ret, (until_ms - ask->q->now_ms + day_ms - 1) / day_ms);
}

static void tag_named(const struct s3_tags *t, struct str name, struct s3_key_values *ret)
{
    for (size_t i = 0; i < t->n; i++)
        if (str_ieq(t->tag[i].key, name)) /* the condition's key was lowered */
            one(ret, t->tag[i].value);
}

static const struct {
    struct str key;
    void (*values)(const struct s3_ask *ask, struct s3_key_values *ret);
} keys[] = {
    {STR_INIT("aws:sourceip"), source_ip},
    {STR_INIT("aws:securetransport"), secure_transport},
    {STR_INIT("aws:referer"), referer},
    {STR_INIT("aws:useragent"), user_agent},
    {STR_INIT("aws:currenttime"), current_time},
    {STR_INIT("aws:epochtime"), epoch_time},
    {STR_INIT("aws:username"), user_id},
    {STR_INIT("aws:userid"), user_id},
    {STR_INIT("aws:principalaccount"), user_id},
    {STR_INIT("aws:principalarn"), principal_arn},
    {STR_INIT("aws:principaltype"), principal_type},
    {STR_INIT("aws:sourcearn"), source_arn},
    {STR_INIT("aws:sourceaccount"), source_account},
    {STR_INIT("aws:requestedregion"), region},
    {STR_INIT("aws:principalisawsservice"), is_service},
    {STR_INIT("aws:viaawsservice"), no},
    {STR_INIT("s3:tlsversion"), tls_version},
    {STR_INIT("s3:signatureversion"), signature_version},
    {STR_INIT("s3:authtype"), auth_type},
    {STR_INIT("s3:signatureage"), signature_age},
    {STR_INIT("s3:resourceaccount"), resource_account},
    {STR_INIT("aws:resourceaccount"), resource_account},
    {STR_INIT("s3:locationconstraint"), location},
    {STR_INIT("s3:prefix"), prefix},
    {STR_INIT("s3:delimiter"), delimiter},
    {STR_INIT("s3:max-keys"), max_keys},
    {STR_INIT("s3:versionid"), version_id},
    {STR_INIT("s3:objectcreationoperation"), creation},
    {STR_INIT("s3:requestobjecttagkeys"), request_tag_keys},
    {STR_INIT("s3:object-lock-mode"), lock_mode},
    {STR_INIT("s3:object-lock-legal-hold"), lock_hold},
    {STR_INIT("s3:object-lock-retain-until-date"), lock_until},
    {STR_INIT("s3:object-lock-remaining-retention-days"), lock_days},
    {STR_INIT("s3:x-amz-copy-source"), copy_source},
    {STR_INIT("s3:if-match"), if_match},
    {STR_INIT("aws:sourceorgid"), never},
    {STR_INIT("aws:sourceowner"), never},
    {STR_INIT("aws:sourcevpc"), never},
    {STR_INIT("aws:sourcevpce"), never},
    {STR_INIT("aws:vpcsourceip"), never},
    {STR_INIT("aws:principalorgid"), never},
    {STR_INIT("aws:principalservicename"), never},
    {STR_INIT("aws:multifactorauthpresent"), never},
    {STR_INIT("aws:multifactorauthage"), never},
    {STR_INIT("aws:principalorgpaths"), never},
    {STR_INIT("aws:principalservicenameslist"), never},
    {STR_INIT("aws:resourceorgid"), never},
    {STR_INIT("aws:resourceorgpaths"), never},
    {STR_INIT("aws:sourceorgpaths"), never},
    {STR_INIT("aws:calledvia"), never},
    {STR_INIT("aws:calledviafirst"), never},
    {STR_INIT("aws:calledvialast"), never},
    {STR_INIT("aws:federatedprovider"), never},
    {STR_INIT("aws:sourceidentity"), never},
    {STR_INIT("aws:tokenissuetime"), never},
    {STR_INIT("aws:ec2instancesourcevpc"), never},
    {STR_INIT("aws:ec2instancesourceprivateipv4"), never},
    {STR_INIT("s3:accessgrantsinstancearn"), never},
    {STR_INIT("s3:accesspointnetworkorigin"), never},
    {STR_INIT("s3:dataaccesspointaccount"), never},
    {STR_INIT("s3:dataaccesspointarn"), never},
};

/* Keys that are a header's name behind "s3:". */
static const struct str headers[] = {STR_INIT("x-amz-acl"),
                                     STR_INIT("x-amz-grant-read"),
                                     STR_INIT("x-amz-grant-write"),
                                     STR_INIT("x-amz-grant-read-acp"),
                                     STR_INIT("x-amz-grant-write-acp"),
                                     STR_INIT("x-amz-grant-full-control"),
                                     STR_INIT("x-amz-metadata-directive"),
                                     STR_INIT("x-amz-storage-class"),
                                     STR_INIT("x-amz-server-side-encryption"),
                                     STR_INIT("x-amz-server-side-encryption-aws-kms-key-id"),
                                     STR_INIT("x-amz-server-side-encryption-customer-algorithm"),
                                     STR_INIT("x-amz-content-sha256"),
                                     STR_INIT("x-amz-website-redirect-location"),
                                     STR_INIT("x-amz-object-ownership"),
                                     STR_INIT("if-none-match")};

static const struct str EXISTING = STR_INIT("s3:existingobjecttag/");
static const struct str REQUEST = STR_INIT("s3:requestobjecttag/");

/* Tags that nobody and nothing has here: never() in as many words. */
static const struct str untagged[] = {STR_INIT("aws:principaltag/"), STR_INIT("aws:resourcetag/"),
                                      STR_INIT("s3:buckettag/"), STR_INIT("s3:accesspointtag/")};

static bool is_of_untagged(struct str key)
{
    bool found = false;
    for (size_t i = 0; i < ARRAY_LEN(untagged) && !found; i++)
        found = str_starts(key, untagged[i]);
    return found;
}

static struct str header_of(struct str key)
{
    if (str_starts(key, STR("s3:")))
        for (size_t i = 0; i < ARRAY_LEN(headers); i++)
            if (str_eq(str_from(key, 3), headers[i]))
                return headers[i];
    return STR_NULL;
}

bool s3_condition_key_known(struct str key)
{
    for (size_t i = 0; i < ARRAY_LEN(keys); i++)
        if (str_eq(key, keys[i].key))
            return true;
    return header_of(key).p || str_starts(key, EXISTING) || str_starts(key, REQUEST) ||
           is_of_untagged(key);
}

/* Rule: S3 User Guide, "Blocking public access", "The meaning of public". Differs: a fixed KMS key is
 * no pin here, since whoever writes may name it. */
bool s3_condition_pins_caller(struct str key, struct str value)
{
    static const struct str pinning[] = {STR_INIT("aws:userid"),
                                         STR_INIT("aws:username"),
                                         STR_INIT("aws:principalarn"),
                                         STR_INIT("aws:principalaccount"),
                                         STR_INIT("aws:principalorgid"),
                                         STR_INIT("aws:sourcearn"),
                                         STR_INIT("aws:sourceaccount"),
                                         STR_INIT("aws:sourceowner"),
                                         STR_INIT("aws:sourcevpc"),
                                         STR_INIT("aws:sourcevpce"),
                                         STR_INIT("s3:dataaccesspointaccount"),
                                         STR_INIT("s3:dataaccesspointarn")};
    for (size_t i = 0; i < ARRAY_LEN(pinning); i++)
        if (str_eq(key, pinning[i]))
            return str_chr(value, '*') == SIZE_MAX && str_chr(value, '?') == SIZE_MAX &&
                   str_find(value, STR("${")) == SIZE_MAX;
    struct str base, bits;
    uint64_t n;
    if (!str_eq(key, STR("aws:sourceip")))
        return false;
    /* AWS: not too wide; /8 of IPv4 and /32 of IPv6 are the widest that count */
    return !str_cut(value, '/', &base, &bits) ||
           (str_u64(bits, 128, &n) == 0 && n >= (str_chr(base, ':') == SIZE_MAX ? 8u : 32u));
}

void s3_condition_values(struct str key, const struct s3_ask *ask, struct s3_key_values *ret)
{
    struct s3_tags t;
    ret->n = 0;
    for (size_t i = 0; i < ARRAY_LEN(keys); i++)
        if (str_eq(key, keys[i].key)) {
            keys[i].values(ask, ret);
            return;
        }
    struct str header = header_of(key);
    if (header.p) {
        one(ret, s3_req_option(ask->q, header));
    } else if (str_starts(key, EXISTING)) {
        if (ask->object && s3_tags_decode(ask->object->tags, &t) == 0)
            tag_named(&t, str_from(key, EXISTING.n), ret);
    } else if (str_starts(key, REQUEST)) {
        if (request_tags(ask, &t))
            tag_named(&t, str_from(key, REQUEST.n), ret);
    }
}
