/* SPDX-License-Identifier: Apache-2.0 */
#include "s3gw/auth/post_form.h"

#include <inttypes.h>

#include "s3gw/auth/auth.h"
#include "s3gw/auth/hmac.h"
#include "s3gw/core/gw.h"
#include "s3gw/core/httpdate.h"
#include "s3gw/core/uri.h"
#include "s3gw/index/bucket.h"

struct str s3_post_field(const struct s3_post_fields *f, struct str name)
{
    for (size_t i = 0; i < f->n; i++)
        if (str_ieq(f->pairs[i].name, name))
            return f->pairs[i].value.p ? f->pairs[i].value : STR("");
    return STR_NULL;
}

static const struct str VARIABLE = STR_INIT("${filename}");
enum { EXPANDED_MAX = 64 * 1024 }; /* what the variable may make of a form's fields */

enum s3err s3_post_expand(struct s3_req *q, struct str text, struct str filename, bool in_url,
                          struct str *ret)
{
    while (filename.n) { /* browsers of old sent whole paths */
        size_t slash = MIN(str_chr(filename, '/'), str_chr(filename, '\\'));
        if (slash == SIZE_MAX)
            break;
        filename = str_from(filename, slash + 1);
    }
    AUTO(buf_free) struct buf out = BUF(EXPANDED_MAX);
    for (size_t at; (at = str_find(text, VARIABLE)) != SIZE_MAX;
         text = str_from(text, at + VARIABLE.n)) {
        buf_adds(&out, str_head(text, at));
        if (in_url)
            s3_uri_encode(&out, filename, false);
        else
            buf_adds(&out, filename);
    }
    buf_adds(&out, text);
    if (buf_err(&out) == -E2BIG)
        return S3ERR_MAX_POST_PRE_DATA_LENGTH_EXCEEDED_ERROR;
    *ret = buf_err(&out) ? STR_NULL : arena_str(&q->arena, buf_str(&out));
    return ret->p ? S3ERR_OK : S3ERR_SLOW_DOWN;
}

enum s3err s3_post_open(struct s3_req *q, const struct s3_form *form)
{
    struct s3_post *post = arena_alloc(&q->arena, sizeof(*post));
    size_t n;
    const struct s3_pair *from = s3_form_fields(form, &n);
    struct s3_pair *pairs = arena_alloc(&q->arena, MAX(n, (size_t)1) * sizeof(*pairs));
    if (!post || !pairs)
        return S3ERR_SLOW_DOWN;
    *post = (struct s3_post){.fields = {pairs, n}};
    size_t expanded = 0;
    for (size_t i = 0; i < n; i++) {
        pairs[i] = from[i];
        if (str_find(from[i].value, VARIABLE) == SIZE_MAX)
            continue;
        bool in_url = str_ieq(from[i].name, STR("success_action_redirect")) ||
                      str_ieq(from[i].name, STR("redirect"));
        enum s3err e =
            s3_post_expand(q, from[i].value, s3_form_filename(form), in_url, &pairs[i].value);
        if (e != S3ERR_OK)
            return e;
        expanded += pairs[i].value.n;
        if (expanded > EXPANDED_MAX) /* a long name, asked for again and again */
            return S3ERR_MAX_POST_PRE_DATA_LENGTH_EXCEEDED_ERROR;
    }
    q->post = post;
    return S3ERR_OK;
}

/* --- signature --- */

static enum s3err missing_field(struct s3_req *q, struct str name)
{
    s3_err_message(q,
                   "Bucket POST must contain a field named '" STR_F "'. If it is specified, "
                   "please check the order of the fields.",
                   STR_A(name));
    return s3_err2(q, S3ERR_INVALID_ARGUMENT, "ArgumentName", name, "ArgumentValue", STR(""));
}

static enum s3err judge_signature(struct s3_req *q, struct str ours, struct str theirs,
                                  struct str policy, const struct s3_access_key *key,
                                  const struct s3_user *user)
{
    if (!str_eq_consttime(ours, theirs)) {
        s3_err2(q, S3ERR_SIGNATURE_DOES_NOT_MATCH, "AWSAccessKeyId", key->access_key,
                "StringToSign", policy);
        return s3_err2(q, S3ERR_SIGNATURE_DOES_NOT_MATCH, "SignatureProvided",
                       str_head(theirs, 256), "StringToSignBytes",
                       s3_hmac_spelled(&q->arena, policy));
    }
    s3_auth_identify(q, key, user);
    return S3ERR_OK;
}

/* "key/day/region/s3/aws4_request", read from the right: a key may hold slashes. */
static bool parse_credential(struct str text, struct s3_signing_scope *ret)
{
    struct str parts[4]; /* terminator, service, region, day */
    for (size_t i = 0; i < ARRAY_LEN(parts); i++) {
        size_t at = text.n;
        while (at > 0 && text.p[at - 1] != '/')
            at--;
        if (at == 0)
            return false;
        parts[i] = str_from(text, at);
        text = str_head(text, at - 1);
    }
    *ret = (struct s3_signing_scope){text, STR_NULL, parts[3], parts[2], parts[1]};
    return text.n && str_eq(parts[0], STR("aws4_request")) && str_eq(parts[1], STR("s3")) &&
           parts[3].n == 8;
}

static enum s3err verify_v4(struct s3_req *q, const struct s3_post_fields *f, enum s3_read how,
                            struct str policy)
{
    static const struct str names[] = {STR_INIT("x-amz-algorithm"), STR_INIT("x-amz-credential"),
                                       STR_INIT("x-amz-date"), STR_INIT("x-amz-signature")};
    struct str values[ARRAY_LEN(names)];
    for (size_t i = 0; i < ARRAY_LEN(names); i++) {
        values[i] = s3_post_field(f, names[i]);
        if (!values[i].p)
            return missing_field(q, names[i]);
    }
    if (!str_eq(values[0], STR("AWS4-HMAC-SHA256")))
        return s3_err_arg(q, "X-Amz-Algorithm only supports \"AWS4-HMAC-SHA256\"",
                          "x-amz-algorithm", str_head(values[0], 256));
    struct s3_signing_scope scope;
    if (!parse_credential(values[1], &scope) ||
        (!str_eq(scope.region, q->gw->region) && !str_eq(scope.region, STR("us-east-1"))))
        return s3_err_arg(q, "The credential is malformed or names another region or service",
                          "x-amz-credential", str_head(values[1], 256));
    int64_t date;
    if (s3_amzdate_parse(values[2], &date) < 0 || !str_eq(str_head(values[2], 8), scope.day))
        return s3_err_arg(
            q, "X-Amz-Date must be in the ISO8601 Long Format and of the credential's day",
            "x-amz-date", str_head(values[2], 256));
    struct s3_access_key key;
    struct s3_user user;
    q->who.how = S3_AUTH_V4_FORM;
    enum s3err e = s3_auth_key(q, scope.access_key, how, &key, &user);
    if (e != S3ERR_OK)
        return e;
    struct str token = s3_post_field(f, STR("x-amz-security-token"));
    if (token.n) /* we give none: nobody can have a right one */
        return s3_err(q, S3ERR_INVALID_TOKEN, "Token-0", str_head(token, 2048));
    uint8_t mac[32];
    char hex[64];
    scope.secret = key.secret;
    s3_hmac_signing(&scope, policy, mac, NULL);
    str_hex(mac, sizeof(mac), hex);
    return judge_signature(q, str_of(hex, sizeof(hex)), values[3], policy, &key, &user);
}

static enum s3err verify_v2(struct s3_req *q, const struct s3_post_fields *f, enum s3_read how,
                            struct str policy)
{
    struct str access_key = s3_post_field(f, STR("AWSAccessKeyId")),
               signature = s3_post_field(f, STR("signature"));
    if (!q->gw->sigv2)
        return s3_errm(q, S3ERR_INVALID_REQUEST,
                       "The authorization mechanism you have provided is not supported. "
                       "Please use AWS4-HMAC-SHA256.");
    if (!access_key.p || !signature.p)
        return missing_field(q, access_key.p ? STR("signature") : STR("AWSAccessKeyId"));
    struct s3_access_key key;
    struct s3_user user;
    q->who.how = S3_AUTH_V2_FORM;
    enum s3err e = s3_auth_key(q, access_key, how, &key, &user);
    if (e != S3ERR_OK)
        return e;
    uint8_t mac[20];
    char base64[28];
    s3_hmac_sha1(key.secret.p, key.secret.n, policy, mac);
    return judge_signature(q, str_of(base64, str_base64(mac, sizeof(mac), base64)), signature,
                           policy, &key, &user);
}

static bool has(const struct s3_post_fields *f, const char *name)
{
    return s3_post_field(f, str_c(name)).p != NULL;
}

enum s3err s3_post_verify(struct s3_req *q, const struct s3_post_fields *f, enum s3_read how,
                          struct s3_post_limits *ret)
{
    struct str policy = s3_post_field(f, STR("policy"));
    bool v4 = has(f, "x-amz-algorithm") || has(f, "x-amz-credential") || has(f, "x-amz-signature");
    bool v2 = has(f, "AWSAccessKeyId") || has(f, "signature");
    q->who = (struct s3_identity){.anonymous = true};
    *ret = (struct s3_post_limits){0, UINT64_MAX};
    if (!v4 && !v2 && !policy.p)
        return S3ERR_OK;
    if (!policy.p)
        return missing_field(q, STR("policy"));
    if (!v4 && !v2)
        return missing_field(q, STR("x-amz-signature"));
    enum s3err e = v4 ? verify_v4(q, f, how, policy) : verify_v2(q, f, how, policy);
    if (e != S3ERR_OK)
        return e;
    size_t cap = policy.n / 4 * 3, n;
    if (cap > S3_POST_POLICY_MAX)
        return s3_errm(q, S3ERR_INVALID_POLICY_DOCUMENT, "Invalid Policy: too large.");
    char *text = arena_alloc(&q->arena, cap + 1);
    if (!text)
        return S3ERR_SLOW_DOWN;
    if (str_unbase64(policy, text, cap, &n) < 0)
        return s3_errm(q, S3ERR_INVALID_POLICY_DOCUMENT, "Invalid Policy: not base64.");
    return s3_post_policy(q, f, str_of(text, n), ret);
}
