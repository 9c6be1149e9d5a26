/* SPDX-License-Identifier: Apache-2.0 */
#include "s3gw/notify/logline.h"

#include <time.h>

#include "s3gw/core/body.h"
#include "s3gw/core/op.h"
#include "s3gw/core/uri.h"
#include "s3gw/index/bucket.h"

/* --- the operation, as AWS names it --- */

static const struct {
    const char *op, *text;
} by_name[] = {
    {"CopyObject", "REST.COPY.OBJECT"},
    {"UploadPartCopy", "REST.COPY.PART"},
    {"UploadPart", "REST.PUT.PART"},
    {"CompleteMultipartUpload", "REST.POST.UPLOAD"},
    {"AbortMultipartUpload", "REST.DELETE.UPLOAD"},
    {"ListParts", "REST.GET.UPLOAD"},
    {"DeleteObjects", "REST.POST.MULTI_OBJECT_DELETE"},
    {"ListObjectVersions", "REST.GET.BUCKETVERSIONS"},
    {"ListObjectsV2", "REST.GET.BUCKET"},
    {"PreflightBucket", "REST.OPTIONS.PREFLIGHT"},
    {"PreflightObject", "REST.OPTIONS.PREFLIGHT"},
};

static const struct {
    const char *subresource, *text;
} by_subresource[] = {
    {"policy", "BUCKETPOLICY"},
    {"logging", "LOGGING_STATUS"},
    {"requestPayment", "REQUEST_PAYMENT"},
    {"publicAccessBlock", "PUBLIC_ACCESS_BLOCK"},
    {"policyStatus", "POLICY_STATUS"},
    {"ownershipControls", "OWNERSHIP_CONTROLS"},
    {"object-lock", "OBJECT_LOCK_CONFIGURATION"},
    {"retention", "OBJECT_LOCK_RETENTION"},
    {"legal-hold", "OBJECT_LOCK_LEGALHOLD"},
    {"attributes", "OBJECT_ATTRIBUTES"},
};

static void resource(const struct s3_op *op, struct buf *out)
{
    if (!op->subresource) {
        buf_adds(out, op->level == S3_OBJECT ? STR("OBJECT") : STR("BUCKET"));
        return;
    }
    for (size_t i = 0; i < ARRAY_LEN(by_subresource); i++)
        if (strcmp(op->subresource, by_subresource[i].subresource) == 0) {
            buf_adds(out, str_c(by_subresource[i].text));
            return;
        }
    if (op->level == S3_OBJECT && strcmp(op->subresource, "tagging") == 0)
        buf_adds(out, STR("OBJECT_"));
    for (const char *p = op->subresource; *p && *p != '&' && *p != '='; p++)
        buf_addc(out, *p == '-' ? '_' : *p >= 'a' && *p <= 'z' ? (char)(*p - 'a' + 'A') : *p);
}

static void operation(const struct s3_req *q, struct buf *out)
{
    for (size_t i = 0; i < ARRAY_LEN(by_name); i++)
        if (strcmp(q->op->name, by_name[i].op) == 0) {
            buf_addf(out, " %s", by_name[i].text);
            return;
        }
    buf_addf(out, " REST." STR_F ".", STR_A(q->method_name));
    resource(q->op, out);
}

/* --- fields --- */

/* What a client sent, with nothing in it that could end the field or the line. */
static void escaped(struct str s, struct buf *out)
{
    for (size_t i = 0; i < s.n; i++) {
        uint8_t c = (uint8_t)s.p[i];
        if (c <= ' ' || c == '"' || c == 0x7f)
            buf_addf(out, "%%%02X", (unsigned)c);
        else
            buf_addc(out, (char)c);
    }
}

static void field(struct str s, struct buf *out)
{
    buf_addc(out, ' ');
    if (s.n > 0)
        escaped(s, out);
    else
        buf_addc(out, '-');
}

static void quoted(struct str s, struct buf *out)
{
    buf_adds(out, STR(" \""));
    for (size_t i = 0; i < s.n; i++) /* blanks may stay here */
        if (s.p[i] == ' ')
            buf_addc(out, ' ');
        else
            escaped(str_of(s.p + i, 1), out);
    buf_adds(out, s.n > 0 ? STR("\"") : STR("-\""));
}

static void number(uint64_t v, struct buf *out)
{
    if (v > 0)
        buf_addf(out, " %llu", (unsigned long long)v);
    else
        buf_adds(out, STR(" -"));
}

static void when(int64_t ms, struct buf *out)
{
    static const char months[] = "JanFebMarAprMayJunJulAugSepOctNovDec";
    time_t s = (time_t)(ms / 1000);
    struct tm tm;
    gmtime_r(&s, &tm);
    buf_addf(out, " [%02d/%.3s/%04d:%02d:%02d:%02d +0000]", tm.tm_mday, months + 3 * tm.tm_mon,
             tm.tm_year + 1900, tm.tm_hour, tm.tm_min, tm.tm_sec);
}

/* The query as it came, without what would let a reader of the log send the request again. */
static void query(struct str raw, struct buf *out)
{
    static const struct str secrets[] = {STR_INIT("x-amz-signature"), STR_INIT("signature"),
                                         STR_INIT("x-amz-security-token")};
    struct str piece, name, value;
    char separator = '?';
    while (str_split(&raw, '&', &piece)) {
        buf_addc(out, separator);
        separator = '&';
        bool secret = false;
        if (str_cut(piece, '=', &name, &value))
            for (size_t i = 0; i < ARRAY_LEN(secrets); i++)
                secret = secret || str_ieq(name, secrets[i]);
        escaped(secret ? name : piece, out);
        if (secret)
            buf_adds(out, STR("=REDACTED"));
    }
}

static void request_line(const struct s3_req *q, struct buf *out)
{
    buf_addf(out, " \"" STR_F " ", STR_A(q->method_name));
    escaped(q->raw_path, out);
    query(q->raw_query, out);
    buf_adds(out, STR(" HTTP/1.1\""));
}

/* All of the object, however much of it was asked for. */
static uint64_t object_size(const struct s3_req *q)
{
    struct str unit, total;
    uint64_t n;
    if (q->op->body == S3_BODY_STREAM && q->plan && q->plan->length != UINT64_MAX)
        return q->plan->length;
    if (q->op->level != S3_OBJECT || q->op->subresource || q->resp.status >= 300)
        return 0;
    for (size_t i = 0; i < q->resp.nheaders; i++)
        if (str_ieq(q->resp.headers[i].name, STR("content-range")) &&
            str_cut(q->resp.headers[i].value, '/', &unit, &total) &&
            str_u64(total, UINT64_MAX, &n) == 0)
            return n;
    return q->method == S3_GET || q->method == S3_HEAD ? q->resp.body_length : 0;
}

static void identity(const struct s3_req *q, struct buf *out)
{
    static const struct {
        const char *version, *type;
    } how[] = {
        [S3_AUTH_NONE] = {"-", "-"},
        [S3_AUTH_V4_HEADER] = {"SigV4", "AuthHeader"},
        [S3_AUTH_V4_QUERY] = {"SigV4", "QueryString"},
        [S3_AUTH_V2_HEADER] = {"SigV2", "AuthHeader"},
        [S3_AUTH_V2_QUERY] = {"SigV2", "QueryString"},
    };
    bool known = (size_t)q->who.how < ARRAY_LEN(how) && how[q->who.how].version;
    buf_addf(out, " %s - %s", known ? how[q->who.how].version : "-",
             known ? how[q->who.how].type : "-");
}

void s3_logline_format(const struct s3_logline *l, struct buf *out)
{
    const struct s3_req *q = l->q;
    bool failed = l->result != S3ERR_OK && q->resp.status != 304;
    escaped(q->bkt->owner_id, out);
    field(q->bkt->name, out);
    when(q->now_ms, out);
    field(q->peer, out);
    field(q->who.user_id, out);
    field(str_c(q->request_id), out);
    operation(q, out);
    buf_addc(out, ' ');
    if (q->key.n > 0)
        s3_uri_encode(out, q->key, true);
    else
        buf_addc(out, '-');
    request_line(q, out);
    buf_addf(out, " %d %s", q->resp.status, failed ? s3err_info(l->result)->code : "-");
    number(l->sent, out);
    number(object_size(q), out);
    buf_addf(out, " %llu %llu", (unsigned long long)l->total_ms, (unsigned long long)l->turn_ms);
    quoted(s3_req_header(q, STR("referer")), out);
    quoted(s3_req_header(q, STR("user-agent")), out);
    field(s3_req_param(q, STR("versionId")), out);
    field(str_c(q->request_id), out); /* as x-amz-id-2 */
    identity(q, out);
    field(q->host, out);
    field(str_c(l->tls), out);
    buf_addf(out, " - %s\n", l->acl_required ? "Yes" : "-");
}
