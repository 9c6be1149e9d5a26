/* SPDX-License-Identifier: Apache-2.0 */
/* body_plan - what the head says about the body. Rule: s3-behaviours 1, 5 and 6. */
#include <inttypes.h>

#include "s3gw/core/body.h"
#include "s3gw/core/form.h"
#include "s3gw/core/op.h"

static enum s3err invalid(struct s3_req *q, const char *message)
{
    return s3_errm(q, S3ERR_INVALID_REQUEST, "%s", message);
}

/* --- lengths --- */

/* x-amz-decoded-content-length; UINT64_MAX when absent. */
static enum s3err decoded_length(struct s3_req *q, uint64_t *ret)
{
    struct str text = s3_req_option(q, STR("x-amz-decoded-content-length"));
    *ret = UINT64_MAX;
    if (!text.p)
        return S3ERR_OK;
    int r = str_u64(text, UINT64_MAX - 1, ret);
    if (r == -ERANGE)
        *ret = UINT64_MAX - 1; /* far too large, and judged so */
    return r == -EINVAL ? S3ERR_MISSING_CONTENT_LENGTH : S3ERR_OK;
}

static enum s3err wire_length(struct s3_req *q, struct s3_body_plan *plan, bool *announced)
{
    struct str coding = s3_req_header(q, STR("transfer-encoding"));
    struct str length = s3_req_header(q, STR("content-length"));
    *announced = coding.p || length.p;
    plan->wire_length = 0;
    if (coding.p) {
        plan->wire_length = UINT64_MAX;
        if (length.p)
            q->resp.close = true; /* two answers to one question: what follows cannot be trusted
                                     (RFC 9112, 6.1) */
        return S3ERR_OK;
    }
    if (length.p && str_u64(length, UINT64_MAX - 1, &plan->wire_length) < 0)
        return s3_errm(q, S3ERR_BAD_REQUEST, "The Content-Length is not a number.");
    return S3ERR_OK;
}

static enum s3err too_large(struct s3_req *q, uint64_t proposed)
{
    char size[24], max[24];
    snprintf(size, sizeof(size), "%" PRIu64, proposed);
    snprintf(max, sizeof(max), "%" PRIu64, S3_BODY_DATA_MAX);
    return s3_err2(q, S3ERR_ENTITY_TOO_LARGE, "ProposedSize", str_c(size), "MaxSizeAllowed",
                   str_c(max));
}

static bool is_form(const struct s3_req *q)
{
    return q->op && q->op->body == S3_BODY_FORM;
}

static enum s3err plan_lengths(struct s3_req *q, struct s3_body_plan *plan)
{
    bool form = is_form(q), announced;
    bool streamed = form || (q->op && q->op->body == S3_BODY_STREAM);
    uint64_t max = S3_BODY_DATA_MAX + (form ? S3_FORM_OVERHEAD_MAX : 0);
    uint64_t decoded;
    enum s3err e = wire_length(q, plan, &announced);
    if (e == S3ERR_OK)
        e = decoded_length(q, &decoded);
    if (e != S3ERR_OK)
        return e;
    if (plan->framing == S3_FRAMING_AWS_CHUNKED) {
        if (decoded == UINT64_MAX || !announced)
            return S3ERR_MISSING_CONTENT_LENGTH;
        plan->length = decoded;
    } else if (plan->wire_length != UINT64_MAX) {
        if (!announced && streamed)
            return S3ERR_MISSING_CONTENT_LENGTH;
        plan->length = plan->wire_length;
    } else if (decoded != UINT64_MAX || !streamed) {
        plan->length = decoded;
    } else {
        /* Chunked transfer of unknown length. Differs: Ceph stores it; AWS refuses and closes. */
        q->resp.close = true;
        return s3_err(q, S3ERR_NOT_IMPLEMENTED, "Header", STR("Transfer-Encoding"));
    }
    if (plan->length != UINT64_MAX && plan->length > max)
        return too_large(q, plan->length);
    return S3ERR_OK;
}

/* --- digests --- */

static enum s3err plan_md5(struct s3_req *q, struct s3_body_plan *plan)
{
    struct str text = s3_req_header(q, STR("content-md5"));
    size_t n;
    if (!text.p)
        return S3ERR_OK;
    if (str_unbase64(text, plan->md5, sizeof(plan->md5), &n) < 0 || n != sizeof(plan->md5))
        return s3_err(q, S3ERR_INVALID_DIGEST, "Content-MD5", str_head(text, 256));
    plan->has_md5 = true;
    return S3ERR_OK;
}

enum s3err s3_body_check_md5(struct s3_req *q, const struct s3_body_plan *plan,
                             const uint8_t md5[16])
{
    if (!plan->has_md5 || memcmp(plan->md5, md5, 16) == 0)
        return S3ERR_OK;
    char calculated[24];
    size_t n = str_base64(md5, 16, calculated);
    return s3_err2(q, S3ERR_BAD_DIGEST, "ExpectedDigest", s3_req_header(q, STR("content-md5")),
                   "CalculatedDigest", str_of(calculated, n));
}

/* x-amz-checksum-<an algorithm that there is not>: whoever sends it wants the body to be checked. */
static bool unknown_algorithm(struct str header)
{
    static const struct str others[] = {STR_INIT("x-amz-checksum-algorithm"),
                                        STR_INIT("x-amz-checksum-mode"),
                                        STR_INIT("x-amz-checksum-type")};
    enum s3_checksum_alg alg;
    bool unknown =
        str_istarts(header, STR("x-amz-checksum-")) && s3_checksum_by_header(header, &alg) < 0;
    for (size_t i = 0; i < ARRAY_LEN(others) && unknown; i++)
        unknown = !str_ieq(header, others[i]);
    return unknown;
}

static enum s3err unknown_checksum(struct s3_req *q)
{
    return invalid(q, "The algorithm type you specified in x-amz-checksum- header is invalid.");
}

/* One x-amz-checksum-<algorithm>; a second one, even the same, is too many. */
static enum s3err take_checksum(struct s3_req *q, enum s3_checksum_alg alg, struct str value,
                                struct s3_body_plan *plan)
{
    if (plan->expect.alg != S3_CK_NONE)
        return invalid(q, "Expecting a single x-amz-checksum- header. Multiple checksum Types "
                          "are not allowed.");
    /* Differs: Ceph answers BadDigest to a badly formed value. */
    if (s3_checksum_parse(alg, value, &plan->expect) < 0)
        return s3_errm(q, S3ERR_INVALID_REQUEST, "Value for %s header is invalid.",
                       s3_checksum_info(alg)->header);
    plan->compute = alg;
    return S3ERR_OK;
}

static enum s3err checksums_of_headers(struct s3_req *q, struct s3_body_plan *plan)
{
    enum s3err e = S3ERR_OK;
    for (size_t i = 0; i < q->nheaders && e == S3ERR_OK; i++) {
        enum s3_checksum_alg alg;
        if (unknown_algorithm(q->headers[i].name))
            e = unknown_checksum(q);
        else if (s3_checksum_by_header(q->headers[i].name, &alg) == 0)
            e = take_checksum(q, alg, q->headers[i].value, plan);
    }
    return e;
}

/* The checksum of nothing? */
static bool is_of_nothing(enum s3_checksum_alg alg, struct str value)
{
    struct s3_checksum given, nothing;
    struct s3_hash h = {0};
    if (s3_checksum_parse(alg, value, &given) < 0 || s3_hash_init(&h, alg) < 0)
        return false;
    s3_hash_final(&h, &nothing);
    s3_hash_fini(&h);
    return s3_checksum_eq(&given, &nothing);
}

/*
 * A presigned URL carries the checksum of a body that was known when it was signed, and the body has to be that one.
 * Without a body the SDK for JavaScript signs the checksum of nothing, into each URL to upload to: that judges no body.
 * Differs: AWS looks at none in the query (aws-sdk-go-v2 2610, aws-sdk-js-v3 4448), to the surprise of who put it there.
 */
static enum s3err checksums_of_query(struct s3_req *q, struct s3_body_plan *plan)
{
    enum s3err e = S3ERR_OK;
    for (size_t i = 0; s3_req_presigned(q) && i < q->nparams && e == S3ERR_OK; i++) {
        const struct s3_pair *p = &q->params[i];
        enum s3_checksum_alg alg;
        if (unknown_algorithm(p->name))
            e = unknown_checksum(q);
        else if (s3_checksum_by_header(p->name, &alg) == 0 && !is_of_nothing(alg, p->value) &&
                 !s3_req_header(q, p->name).p) /* that says the same: auth/auth.c */
            e = take_checksum(q, alg, p->value, plan);
    }
    return e;
}

static enum s3err plan_trailer(struct s3_req *q, struct s3_body_plan *plan)
{
    struct str names = s3_req_header(q, STR("x-amz-trailer"));
    if (!names.p)
        return S3ERR_OK;
    enum s3_checksum_alg alg;
    if (!plan->trailer_form || s3_checksum_by_header(str_trim(names), &alg) < 0)
        return invalid(q, "The value specified in the x-amz-trailer header is not supported");
    if (plan->expect.alg != S3_CK_NONE)
        return invalid(q, "Expecting a single x-amz-checksum- header");
    plan->has_trailer = true;
    plan->compute = alg;
    return S3ERR_OK;
}

static enum s3err plan_algorithm(struct s3_req *q, const struct s3_body_plan *plan)
{
    static const struct str sdk = STR_INIT("x-amz-sdk-checksum-algorithm");
    struct str name = s3_req_header(q, sdk);
    if (!name.p)
        name = s3_req_header(q, STR("x-amz-checksum-algorithm"));
    bool in_query = !name.p;
    if (in_query)
        name = s3_req_option(q, sdk);
    if (!name.p)
        return S3ERR_OK;
    enum s3_checksum_alg alg;
    if (s3_checksum_by_name(name, &alg) < 0)
        return s3_errm(q, S3ERR_INVALID_REQUEST,
                       "Checksum algorithm provided is unsupported. Please try again with "
                       "any of the valid types: [%s]",
                       s3_checksum_valid_names);
    if (plan->compute == S3_CK_NONE && in_query) /* beside the checksum of nothing */
        return S3ERR_OK;
    if (plan->compute == S3_CK_NONE)
        return invalid(
            q, "x-amz-sdk-checksum-algorithm specified, but no corresponding x-amz-checksum-* or "
               "x-amz-trailer headers were found.");
    if (plan->compute != alg)
        return invalid(q, "Value for x-amz-sdk-checksum-algorithm header is invalid.");
    return S3ERR_OK;
}

static enum s3err plan_checksums(struct s3_req *q, struct s3_body_plan *plan)
{
    if (q->op && q->op->checksum_is_objects)
        return S3ERR_OK;
    enum s3err e = checksums_of_headers(q, plan);
    if (e == S3ERR_OK)
        e = checksums_of_query(q, plan);
    if (e == S3ERR_OK)
        e = plan_trailer(q, plan);
    return e ? e : plan_algorithm(q, plan);
}

/* Digests in the head of a form would be of the form, fields and all, which nobody computes. */
static enum s3err refuse_digests(struct s3_req *q, const struct s3_body_plan *plan)
{
    if (plan->has_sha256)
        return s3_err(q, S3ERR_NOT_IMPLEMENTED, "Header", STR("x-amz-content-sha256"));
    for (size_t i = 0; i < q->nheaders; i++) {
        enum s3_checksum_alg alg;
        struct str name = q->headers[i].name;
        if (str_ieq(name, STR("content-md5")) || s3_checksum_by_header(name, &alg) == 0)
            return s3_err(q, S3ERR_NOT_IMPLEMENTED, "Header", name);
    }
    return S3ERR_OK;
}

enum s3err s3_body_plan(struct s3_req *q, struct s3_body_plan *plan)
{
    plan->q = q;
    enum s3err e = plan_lengths(q, plan);
    if (e == S3ERR_OK && is_form(q))
        return refuse_digests(q, plan);
    if (e == S3ERR_OK)
        e = plan_md5(q, plan);
    return e ? e : plan_checksums(q, plan);
}

enum s3err s3_body_plan_file(struct s3_req *q, struct s3_body_plan *plan)
{
    plan->length = UINT64_MAX;
    enum s3err e = plan_md5(q, plan);
    return e ? e : plan_checksums(q, plan);
}

int s3_body_content_encoding(struct s3_req *q, struct str *ret)
{
    struct str value, rest, token;
    bool framed = false;
    if (s3_req_header_list(q, STR("content-encoding"), &value) < 0)
        return -ENOMEM;
    rest = value;
    while (!framed && str_split(&rest, ',', &token))
        framed = str_ieq(str_trim(token), STR("aws-chunked"));
    *ret = value.n ? value : STR_NULL;
    if (!framed)
        return 0;
    AUTO(buf_free) struct buf kept = BUF(16 * 1024);
    rest = value;
    while (str_split(&rest, ',', &token)) {
        token = str_trim(token);
        if (!token.n || str_ieq(token, STR("aws-chunked")))
            continue;
        if (kept.n)
            buf_addc(&kept, ',');
        buf_adds(&kept, token);
    }
    bool some = kept.n > 0 || buf_err(&kept);
    *ret = some && !buf_err(&kept) ? arena_str(&q->arena, buf_str(&kept)) : STR_NULL;
    return some && !ret->p ? -ENOMEM : 0;
}
