/* SPDX-License-Identifier: Apache-2.0 */
#include "s3gw/auth/sigv2.h"

#include "s3gw/auth/hmac.h"
#include "s3gw/core/httpdate.h"

enum { SKEW_S = 900, TO_SIGN_MAX = 256 * 1024, AMZ_HEADERS_MAX = 1024 };

/* Query names that belong to the resource, in byte order; others are not signed. */
static const char *const resource_params[] = {
    "accelerate",
    "acl",
    "analytics",
    "cors",
    "delete",
    "encryption",
    "intelligent-tiering",
    "inventory",
    "legal-hold",
    "lifecycle",
    "location",
    "logging",
    "metrics",
    "notification",
    "object-lock",
    "ownershipControls",
    "partNumber",
    "policy",
    "policyStatus",
    "publicAccessBlock",
    "replication",
    "requestPayment",
    "response-cache-control",
    "response-content-disposition",
    "response-content-encoding",
    "response-content-language",
    "response-content-type",
    "response-expires",
    "restore",
    "retention",
    "select",
    "select-type",
    "tagging",
    "torrent",
    "uploadId",
    "uploads",
    "versionId",
    "versioning",
    "versions",
    "website",
};

static enum s3err denied(struct s3_req *q, const char *message)
{
    return s3_errm(q, S3ERR_ACCESS_DENIED, "%s", message);
}

enum s3err s3_sigv2_from_header(struct s3_req *q, struct str claim, struct s3_sigv2 *ret)
{
    struct s3_sigv2 v = {.query = false};
    if (!str_cut(str_trim(claim), ':', &v.access_key, &v.signature) || !v.access_key.n ||
        !v.signature.n)
        return s3_err_arg(q,
                          "AWS authorization header is invalid. Expected AwsAccessKeyId:signature",
                          "Authorization", str_head(claim, 256));
    struct str amz = s3_req_header(q, STR("x-amz-date")), date = s3_req_header(q, STR("date"));
    struct str counts = amz.p ? amz : date;
    int64_t t;
    if (!counts.p ||
        (s3_httpdate_parse(counts, q->now_ms / 1000, &t) < 0 && s3_amzdate_parse(counts, &t) < 0) ||
        t < 0)
        return denied(q, "AWS authentication requires a valid Date or x-amz-date header");
    int64_t ahead = t - q->now_ms / 1000;
    if (ahead < -SKEW_S || ahead > SKEW_S) {
        char now[S3_ISODATE_MAX];
        s3_isodate_format(q->now_ms, now);
        s3_err2(q, S3ERR_REQUEST_TIME_TOO_SKEWED, "RequestTime", counts, "ServerTime", str_c(now));
        return s3_err(q, S3ERR_REQUEST_TIME_TOO_SKEWED, "MaxAllowedSkewMilliseconds",
                      STR("900000"));
    }
    v.date = amz.p ? STR("") : date; /* x-amz-date is signed among the x-amz-* headers */
    *ret = v;
    return S3ERR_OK;
}

enum s3err s3_sigv2_from_query(struct s3_req *q, struct s3_sigv2 *ret)
{
    struct s3_sigv2 v = {.query = true};
    v.access_key = s3_req_param(q, STR("AWSAccessKeyId"));
    v.signature = s3_req_param(q, STR("Signature"));
    v.date = s3_req_param(q, STR("Expires"));
    if (!v.access_key.n || !v.signature.n || !v.date.n)
        return denied(q, "Query-string authentication requires the Signature, Expires and "
                         "AWSAccessKeyId parameters");
    uint64_t expires;
    if (str_u64(v.date, INT64_MAX / 1000, &expires) < 0)
        return denied(q, "Invalid date (should be seconds since epoch)");
    if ((int64_t)expires <= q->now_ms / 1000) {
        char at[S3_ISODATE_MAX], now[S3_ISODATE_MAX];
        s3_isodate_format((int64_t)expires * 1000, at);
        s3_isodate_format(q->now_ms, now);
        s3_err2(q, S3ERR_ACCESS_DENIED, "Expires", str_c(at), "ServerTime", str_c(now));
        return denied(q, "Request has expired");
    }
    *ret = v;
    return S3ERR_OK;
}

/* --- string to sign --- */

static void add_lower(struct buf *out, struct str s)
{
    for (size_t i = 0; i < s.n; i++)
        buf_addc(out, s.p[i] >= 'A' && s.p[i] <= 'Z' ? (char)(s.p[i] - 'A' + 'a') : s.p[i]);
}

static int compare_names(struct str a, struct str b)
{
    size_t n = MIN(a.n, b.n);
    for (size_t i = 0; i < n; i++) {
        int x = (unsigned char)a.p[i] | (a.p[i] >= 'A' && a.p[i] <= 'Z' ? 32 : 0);
        int y = (unsigned char)b.p[i] | (b.p[i] >= 'A' && b.p[i] <= 'Z' ? 32 : 0);
        if (x != y)
            return x - y;
    }
    return a.n < b.n ? -1 : a.n > b.n;
}

/* The first name of @pairs behind @last in byte order, if it is before @next. */
static struct str sooner(const struct s3_pair *pairs, size_t n, struct str last, struct str next)
{
    for (size_t i = 0; i < n; i++) {
        struct str name = pairs[i].name;
        if (str_istarts(name, STR("x-amz-")) && (!last.p || compare_names(name, last) > 0) &&
            (!next.p || compare_names(name, next) < 0))
            next = name;
    }
    return next;
}

/* The values of one name, in order of arrival; whether there are any. */
static bool add_values(const struct s3_pair *pairs, size_t n, struct str name, struct buf *out)
{
    bool any = false;
    for (size_t i = 0; i < n; i++) {
        if (!str_ieq(pairs[i].name, name))
            continue;
        if (any)
            buf_addc(out, ',');
        buf_adds(out, str_trim(pairs[i].value));
        any = true;
    }
    return any;
}

/*
 * Sorted by name; a header that comes several times is one line. Presigned, the query's x-amz-* count as the
 * headers they stand for: boto and botocore move them there. One in both places says the same (auth.c).
 */
static void add_amz_headers(const struct s3_req *q, const struct s3_sigv2 *v, struct buf *out)
{
    size_t nparams = v->query ? q->nparams : 0;
    struct str last = STR_NULL;
    for (size_t lines = 0; lines < AMZ_HEADERS_MAX; lines++) {
        struct str next = sooner(q->headers, q->nheaders, last, STR_NULL);
        next = sooner(q->params, nparams, last, next);
        if (!next.p)
            return;
        add_lower(out, next);
        buf_addc(out, ':');
        if (!add_values(q->headers, q->nheaders, next, out))
            add_values(q->params, nparams, next, out);
        buf_addc(out, '\n');
        last = next;
    }
    out->err = -E2BIG;
}

static void add_resource(const struct s3_req *q, bool slash, struct buf *out)
{
    if (q->virtual_host) {
        buf_addc(out, '/');
        buf_adds(out, q->bucket);
    }
    buf_adds(out, q->raw_path);
    if (slash)
        buf_addc(out, '/');
    char before = '?';
    for (size_t i = 0; i < ARRAY_LEN(resource_params); i++) {
        struct str name = str_c(resource_params[i]);
        for (size_t j = 0; j < q->nparams; j++) {
            if (!str_eq(q->params[j].name, name))
                continue;
            buf_addc(out, before);
            before = '&';
            buf_adds(out, name);
            if (q->params[j].value.p) { /* "?acl=" is signed so, "?acl" without: as boto does */
                buf_addc(out, '=');
                buf_adds(out, q->params[j].value);
            }
        }
    }
}

static void string_to_sign(struct s3_req *q, const struct s3_sigv2 *v, bool slash, struct buf *out)
{
    buf_adds(out, q->method_name);
    buf_addc(out, '\n');
    buf_adds(out, s3_req_header(q, STR("content-md5")));
    buf_addc(out, '\n');
    buf_adds(out, s3_req_header(q, STR("content-type")));
    buf_addc(out, '\n');
    buf_adds(out, v->date);
    buf_addc(out, '\n');
    add_amz_headers(q, v, out);
    add_resource(q, slash, out);
}

void s3_sigv2_string_to_sign(struct s3_req *q, const struct s3_sigv2 *v, struct buf *out)
{
    string_to_sign(q, v, false, out);
}

static bool matches(const struct s3_sigv2 *v, struct str secret, struct str text)
{
    uint8_t mac[20];
    char base64[28];
    s3_hmac_sha1(secret.p, secret.n, text, mac);
    size_t n = str_base64(mac, sizeof(mac), base64);
    return str_eq_consttime(str_of(base64, n), v->signature);
}

enum s3err s3_sigv2_check(struct s3_req *q, const struct s3_sigv2 *v, struct str secret)
{
    AUTO(buf_free) struct buf text = BUF(TO_SIGN_MAX);
    string_to_sign(q, v, false, &text);
    bool ok = buf_err(&text) == 0 && matches(v, secret, buf_str(&text));
    /* botocore asks for "/bucket" and signs "/bucket/". */
    if (!ok && buf_err(&text) == 0 && q->key.n == 0 && q->bucket.n > 0 &&
        !str_ends(q->raw_path, STR("/"))) {
        AUTO(buf_free) struct buf other = BUF(TO_SIGN_MAX);
        string_to_sign(q, v, true, &other);
        ok = buf_err(&other) == 0 && matches(v, secret, buf_str(&other));
    }
    if (buf_err(&text))
        return buf_err(&text) == -E2BIG ? S3ERR_REQUEST_HEADER_SECTION_TOO_LARGE : S3ERR_SLOW_DOWN;
    if (ok)
        return S3ERR_OK;
    s3_err2(q, S3ERR_SIGNATURE_DOES_NOT_MATCH, "AWSAccessKeyId", v->access_key, "StringToSign",
            buf_str(&text));
    return s3_err2(q, S3ERR_SIGNATURE_DOES_NOT_MATCH, "SignatureProvided", v->signature,
                   "StringToSignBytes", s3_hmac_spelled(&q->arena, buf_str(&text)));
}
