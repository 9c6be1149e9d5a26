/* SPDX-License-Identifier: Apache-2.0 */
/* sigv4_claim - reading the claim, and all of its judgement that needs no secret. */
#include <inttypes.h>

#include "s3gw/auth/sigv4.h"
#include "s3gw/core/gw.h"

enum { SKEW_S = 900, EXPIRES_MAX_S = 604800, SIGNED_MAX = 256 };

static enum s3err malformed(const struct s3_sigv4 *v)
{
    return v->query ? S3ERR_AUTHORIZATION_QUERY_PARAMETERS_ERROR
                    : S3ERR_AUTHORIZATION_HEADER_MALFORMED;
}

static const char *where(const struct s3_sigv4 *v)
{
    return v->query ? "Error parsing the X-Amz-Credential parameter"
                    : "The authorization header is malformed";
}

/* --- scope --- */

/* The part behind the last '/': access keys may contain some, so the scope is read from the right.
 */
static bool cut_last(struct str *s, struct str *tail)
{
    size_t at = s->n;
    while (at > 0 && s->p[at - 1] != '/')
        at--;
    if (at == 0)
        return false;
    *tail = str_from(*s, at);
    *s = str_head(*s, at - 1);
    return true;
}

static enum s3err parse_credential(struct s3_req *q, struct str credential, struct s3_sigv4 *v)
{
    struct str left = credential, terminator;
    if (!cut_last(&left, &terminator) || !cut_last(&left, &v->service) ||
        !cut_last(&left, &v->region) || !cut_last(&left, &v->day) || !left.n)
        return s3_errm(
            q, malformed(v),
            "%s; the Credential is mal-formed; expecting \"<YOUR-AKID>/YYYYMMDD/REGION/SERVICE/"
            "aws4_request\".",
            where(v));
    v->access_key = left;
    v->scope = str_from(credential, left.n + 1);
    uint64_t day;
    if (v->day.n != 8 || str_u64(v->day, UINT64_MAX, &day) < 0)
        return s3_errm(q, malformed(v),
                       "%s; incorrect date format \"" STR_F "\". This date in the credential must "
                       "be in the format \"yyyyMMdd\".",
                       where(v), STR_A(str_head(v->day, 64)));
    if (!str_eq(terminator, STR("aws4_request")))
        return s3_errm(q, malformed(v),
                       "%s; incorrect terminal \"" STR_F "\". This endpoint uses \"aws4_request\".",
                       where(v), STR_A(str_head(terminator, 64)));
    if (!str_eq(v->service, STR("s3")))
        return s3_errm(q, malformed(v),
                       "%s; incorrect service \"" STR_F "\". This endpoint belongs to \"s3\".",
                       where(v), STR_A(str_head(v->service, 64)));
    /* us-east-1 passes everywhere: minio-go signs GetBucketLocation with it, whatever the region.
     */
    if (!str_eq(v->region, q->gw->region) && !str_eq(v->region, STR("us-east-1"))) {
        s3_err_element(q, "Region", q->gw->region);
        if (q->bucket.n) /* what HEAD has instead: SDKs read it there, and try again */
            s3_resp_header(q, "x-amz-bucket-region", q->gw->region);
        return s3_errm(q, malformed(v),
                       "%s; the region '" STR_F "' is wrong; expecting '" STR_F "'", where(v),
                       STR_A(str_head(v->region, 64)), STR_A(q->gw->region));
    }
    return S3ERR_OK;
}

/* --- signed headers --- */

static bool is_signed(const struct s3_sigv4 *v, struct str name)
{
    struct str rest = v->signed_headers, piece;
    while (str_split(&rest, ';', &piece))
        if (str_ieq(piece, name))
            return true;
    return false;
}

/*
 * Host and every x-amz-* header must be covered, or whoever holds a presigned URL could add a copy
 * source. x-amz-content-sha256 may be left out: its value is in the canonical request anyway.
 */
static enum s3err all_signed(struct s3_req *q, const struct s3_sigv4 *v)
{
    AUTO(buf_free) struct buf missing = BUF(4096);
    if (!is_signed(v, STR("host")))
        buf_adds(&missing, STR("host"));
    for (size_t i = 0; i < q->nheaders; i++) {
        struct str name = q->headers[i].name;
        if (!str_istarts(name, STR("x-amz-")) || str_ieq(name, STR("x-amz-content-sha256")) ||
            is_signed(v, name))
            continue;
        if (missing.n)
            buf_adds(&missing, STR(", "));
        buf_adds(&missing, name);
    }
    if (!missing.n)
        return S3ERR_OK;
    s3_err_element(q, "HeadersNotSigned", buf_str(&missing));
    return s3_errm(q, S3ERR_ACCESS_DENIED,
                   "There were headers present in the request which were not signed");
}

static enum s3err check_signed_list(struct s3_req *q, const struct s3_sigv4 *v)
{
    size_t n = 1;
    for (size_t i = 0; i < v->signed_headers.n; i++)
        n += v->signed_headers.p[i] == ';';
    if (!v->signed_headers.n || n > SIGNED_MAX)
        return s3_errm(q, malformed(v), "The list of signed headers is empty or too long.");
    return all_signed(q, v);
}

/* --- dates --- */

static enum s3err take_date(struct s3_sigv4 *v, int64_t date_s)
{
    v->date_s = date_s;
    s3_amzdate_format(date_s, v->date);
    return S3ERR_OK;
}

static enum s3err check_day(struct s3_req *q, const struct s3_sigv4 *v)
{
    if (str_eq(v->day, str_of(v->date, 8)))
        return S3ERR_OK;
    return s3_errm(q, malformed(v),
                   "Invalid credential date \"" STR_F
                   "\". This date is not the same as X-Amz-Date: "
                   "\"%.8s\".",
                   STR_A(v->day), v->date);
}

static enum s3err check_skew(struct s3_req *q, const struct s3_sigv4 *v)
{
    int64_t ahead = v->date_s - q->now_ms / 1000;
    if (ahead >= -SKEW_S && ahead <= SKEW_S)
        return S3ERR_OK;
    char now[S3_ISODATE_MAX];
    s3_isodate_format(q->now_ms, now);
    enum s3err e = S3ERR_REQUEST_TIME_TOO_SKEWED;
    s3_err2(q, e, "RequestTime", str_c(v->date), "ServerTime", str_c(now));
    return s3_err(q, e, "MaxAllowedSkewMilliseconds", STR("900000"));
}

static enum s3err date_from_headers(struct s3_req *q, struct s3_sigv4 *v)
{
    int64_t t;
    struct str date = s3_req_header(q, STR("x-amz-date"));
    if (!date.p)
        date = s3_req_header(q, STR("date"));
    if (date.p &&
        (s3_amzdate_parse(date, &t) == 0 || s3_httpdate_parse(date, q->now_ms / 1000, &t) == 0))
        return take_date(v, t);
    return s3_errm(q, S3ERR_ACCESS_DENIED,
                   "AWS authentication requires a valid Date or x-amz-date header");
}

/* --- header form --- */

static bool take_part(struct str part, struct str name, struct str *to)
{
    if (!str_starts(part, name) || to->p)
        return false;
    *to = str_from(part, name.n);
    return true;
}

enum s3err s3_sigv4_from_header(struct s3_req *q, struct str claim, struct s3_sigv4 *ret)
{
    struct s3_sigv4 v = {.query = false};
    struct str rest = claim, part, credential = STR_NULL;
    while (str_split(&rest, ',', &part)) {
        part = str_trim(part);
        if (!take_part(part, STR("Credential="), &credential) &&
            !take_part(part, STR("SignedHeaders="), &v.signed_headers) &&
            !take_part(part, STR("Signature="), &v.signature))
            return S3ERR_AUTHORIZATION_HEADER_MALFORMED;
    }
    if (!credential.p || !v.signed_headers.p || !v.signature.p)
        return s3_errm(
            q, S3ERR_AUTHORIZATION_HEADER_MALFORMED,
            "The authorization header requires three components: Credential, SignedHeaders, and "
            "Signature.");
    enum s3err e = parse_credential(q, credential, &v);
    if (e == S3ERR_OK)
        e = date_from_headers(q, &v);
    if (e == S3ERR_OK)
        e = check_day(q, &v);
    if (e == S3ERR_OK)
        e = check_skew(q, &v);
    if (e == S3ERR_OK)
        e = check_signed_list(q, &v);
    if (e != S3ERR_OK)
        return e;
    v.payload = s3_req_header(q, STR("x-amz-content-sha256"));
    if (!v.payload.p)
        return s3_errm(q, S3ERR_INVALID_REQUEST,
                       "Missing required header for this request: x-amz-content-sha256");
    *ret = v;
    return S3ERR_OK;
}

/* --- query form --- */

static enum s3err parse_expires(struct s3_req *q, struct str text, struct s3_sigv4 *v)
{
    const enum s3err e = S3ERR_AUTHORIZATION_QUERY_PARAMETERS_ERROR;
    /* Differs: 403 AccessDenied in the Ceph family. */
    if (text.n && text.p[0] == '-')
        return s3_errm(q, e, "X-Amz-Expires must be non-negative");
    int r = str_u64(text, EXPIRES_MAX_S, &v->expires_s);
    if (r == -ERANGE)
        return s3_errm(q, e,
                       "X-Amz-Expires must be less than a week (in seconds); that is, the given "
                       "X-Amz-Expires must be less than 604800 seconds");
    return r < 0 ? s3_errm(q, e, "X-Amz-Expires should be a number") : S3ERR_OK;
}

static enum s3err check_lifetime(struct s3_req *q, const struct s3_sigv4 *v)
{
    int64_t now_s = q->now_ms / 1000, end = v->date_s + (int64_t)v->expires_s;
    if (v->date_s > now_s + SKEW_S)
        return s3_errm(q, S3ERR_ACCESS_DENIED, "Request is not valid yet");
    if (now_s < end)
        return S3ERR_OK;
    char expires[24], at[S3_ISODATE_MAX], now[S3_ISODATE_MAX];
    snprintf(expires, sizeof(expires), "%" PRIu64, v->expires_s);
    s3_isodate_format(end * 1000, at);
    s3_isodate_format(q->now_ms, now);
    s3_err2(q, S3ERR_ACCESS_DENIED, "X-Amz-Expires", str_c(expires), "Expires", str_c(at));
    s3_err_element(q, "ServerTime", str_c(now));
    return s3_errm(q, S3ERR_ACCESS_DENIED, "Request has expired");
}

/* The signed header, else the query, else nothing is promised about the body. */
static struct str query_payload(const struct s3_req *q, const struct s3_sigv4 *v)
{
    struct str name = STR("x-amz-content-sha256"), value = STR_NULL;
    if (is_signed(v, name))
        value = s3_req_header(q, name);
    if (!value.p)
        value = s3_req_param(q, STR("X-Amz-Content-Sha256"));
    return value.p ? value : STR("UNSIGNED-PAYLOAD");
}

enum s3err s3_sigv4_from_query(struct s3_req *q, struct s3_sigv4 *ret)
{
    const enum s3err bad = S3ERR_AUTHORIZATION_QUERY_PARAMETERS_ERROR;
    struct s3_sigv4 v = {.query = true};
    struct str algorithm = s3_req_param(q, STR("X-Amz-Algorithm"));
    struct str credential = s3_req_param(q, STR("X-Amz-Credential"));
    struct str date = s3_req_param(q, STR("X-Amz-Date")),
               expires = s3_req_param(q, STR("X-Amz-Expires"));
    v.signed_headers = s3_req_param(q, STR("X-Amz-SignedHeaders"));
    v.signature = s3_req_param(q, STR("X-Amz-Signature"));
    if (!algorithm.p || !credential.p || !date.p || !expires.p || !v.signed_headers.p ||
        !v.signature.p)
        return s3_errm(
            q, bad,
            "Query-string authentication version 4 requires the X-Amz-Algorithm, "
            "X-Amz-Credential, X-Amz-Signature, X-Amz-Date, X-Amz-SignedHeaders, and X-Amz-Expires "
            "parameters.");
    if (str_eq(algorithm, STR("AWS4-ECDSA-P256-SHA256")))
        return s3_errm(q, S3ERR_NOT_IMPLEMENTED, "Signature Version 4A is not implemented.");
    if (!str_eq(algorithm, STR("AWS4-HMAC-SHA256")))
        return s3_errm(q, bad, "X-Amz-Algorithm only supports \"AWS4-HMAC-SHA256\"");
    int64_t t;
    if (s3_amzdate_parse(date, &t) < 0)
        return s3_errm(q, bad,
                       "X-Amz-Date must be in the ISO8601 Long Format \"yyyyMMdd'T'HHmmss'Z'\"");
    enum s3err e = parse_credential(q, credential, &v);
    if (e == S3ERR_OK)
        e = take_date(&v, t);
    if (e == S3ERR_OK)
        e = check_day(q, &v);
    if (e == S3ERR_OK)
        e = parse_expires(q, expires, &v);
    if (e == S3ERR_OK)
        e = check_lifetime(q, &v);
    if (e == S3ERR_OK)
        e = check_signed_list(q, &v);
    if (e != S3ERR_OK)
        return e;
    v.payload = query_payload(q, &v);
    *ret = v;
    return S3ERR_OK;
}
