/* SPDX-License-Identifier: Apache-2.0 */
#include "s3gw/api/cors.h"

#include "s3gw/api/amend.h"
#include "s3gw/api/answer.h"
#include "s3gw/api/handlers.h"
#include "s3gw/core/gw.h"
#include "s3gw/index/bucket.h"
#include "s3gw/policy/access.h"
#include "s3gw/policy/cors.h"
#include "s3gw/xml/reader.h"
#include "s3gw/xml/writer.h"

static const struct str DOC = STR_INIT("cors");

/* --- the configuration --- */

enum s3err s3_h_get_bucket_cors(struct s3_req *q)
{
    struct str doc = s3_bucket_doc(q->bkt, DOC);
    if (!doc.p)
        return s3_err(q, S3ERR_NO_SUCH_CORS_CONFIGURATION, "BucketName", q->bucket);
    struct s3_cors c;
    int r = s3_cors_decode(doc, &q->arena, &c);
    if (r < 0)
        return s3err_from_errno(r, S3_THING_OTHER);
    s3_cors_write(&c, s3_answer_open(q, "CORSConfiguration"));
    return s3_answer_close(q, "CORSConfiguration");
}

enum s3err s3_h_put_bucket_cors(struct s3_req *q)
{
    struct s3_node *root;
    struct s3_cors c;
    enum s3err e = s3_document(q, "CORSConfiguration", &root);
    if (e == S3ERR_OK)
        e = s3_cors_parse(q, root, &c);
    if (e != S3ERR_OK)
        return e;
    AUTO(buf_free) struct buf doc = BUF(64 * 1024); /* AWS: 64 KB for the whole configuration */
    s3_cors_encode(&c, &doc);
    return s3_keep_bucket_record(q, DOC, &doc, "The CORS");
}

enum s3err s3_h_delete_bucket_cors(struct s3_req *q)
{
    q->resp.status = 204;
    return s3_keep_bucket_doc(q, DOC, STR_NULL);
}

/* --- answers --- */

static void list_header(struct s3_req *q, const char *name, const struct s3_strs *l)
{
    AUTO(buf_free) struct buf b = BUF(16384);
    for (size_t i = 0; i < l->n; i++) {
        if (i > 0)
            buf_adds(&b, STR(", "));
        buf_adds(&b, l->v[i]);
    }
    if (b.n > 0 && !buf_err(&b))
        s3_resp_header(q, name, buf_str(&b));
}

/* Those the browser asked for; the rule allows them all. */
static void allow_asked(struct s3_req *q, struct str headers)
{
    struct str lower = arena_str(&q->arena, headers);
    for (size_t i = 0; i < lower.n; i++)
        if (lower.p[i] >= 'A' && lower.p[i] <= 'Z')
            ((char *)lower.p)[i] = (char)(lower.p[i] + ('a' - 'A'));
    if (lower.n > 0)
        s3_resp_header(q, "Access-Control-Allow-Headers", lower);
}

static void allow_headers(struct s3_req *q, const struct s3_cors_rule *r, struct str origin,
                          bool any)
{
    s3_resp_header(q, "Access-Control-Allow-Origin", any ? STR("*") : origin);
    list_header(q, "Access-Control-Allow-Methods", &r->methods);
    allow_asked(q, s3_req_header(q, STR("access-control-request-headers")));
    list_header(q, "Access-Control-Expose-Headers", &r->exposed);
    if (r->has_age)
        s3_resp_headerf(q, "Access-Control-Max-Age", "%llu", (unsigned long long)r->age_s);
    if (!any)
        s3_resp_header(q, "Access-Control-Allow-Credentials", STR("true"));
    s3_resp_header(q, "Vary",
                   STR("Origin, Access-Control-Request-Headers, Access-Control-Request-Method"));
}

bool s3_cors_ready(struct s3_req *q)
{
    if (q->bkt || !q->bucket.p || q->method == S3_OPTIONS || !s3_req_header(q, STR("origin")).p)
        return true;
    struct s3_bucket *b = arena_alloc(&q->arena, sizeof(*b));
    int r = b ? s3_bucket_get(q->gw->index, q->bucket, q->may_block ? S3_READ_ANY : S3_READ_CACHED,
                              &q->arena, b)
              : -ENOMEM;
    if (r == 0)
        q->bkt = b;
    return r != -EAGAIN || q->may_block;
}

void s3_cors_headers(struct s3_req *q)
{
    (void)s3_cors_ready(q); /* CreateBucket has none loaded */
    struct str origin = s3_req_header(q, STR("origin"));
    if (q->method == S3_OPTIONS || !q->bkt || !origin.p)
        return;
    struct str doc = s3_bucket_doc(q->bkt, DOC);
    struct s3_cors c;
    if (!doc.p || s3_cors_decode(doc, &q->arena, &c) < 0)
        return;
    struct str method = s3_req_header(q, STR("access-control-request-method"));
    bool any;
    const struct s3_cors_rule *r =
        s3_cors_match(&c, origin, method.n ? method : q->method_name,
                      s3_req_header(q, STR("access-control-request-headers")), &any);
    if (r)
        allow_headers(q, r, origin, any);
}

static enum s3err forbidden(struct s3_req *q, struct str method)
{
    return s3_err2(q, S3ERR_ACCESS_FORBIDDEN, "Method", method, "ResourceType",
                   q->key.p ? STR("OBJECT") : STR("BUCKET"));
}

/* Browsers ask before they send; nobody signs that. */
enum s3err s3_h_preflight(struct s3_req *q)
{
    struct str origin = s3_req_header(q, STR("origin"));
    struct str method = s3_req_header(q, STR("access-control-request-method"));
    struct str headers = s3_req_header(q, STR("access-control-request-headers"));
    static const struct str known[] = {STR_INIT("GET"), STR_INIT("PUT"), STR_INIT("POST"),
                                       STR_INIT("DELETE"), STR_INIT("HEAD")};
    bool is_known = false;
    for (size_t i = 0; i < ARRAY_LEN(known); i++)
        is_known = is_known || str_eq(method, known[i]);
    if (origin.n == 0)
        return s3_errm(q, S3ERR_BAD_REQUEST,
                       "Insufficient information. Origin request header needed.");
    if (!is_known)
        return s3_errm(q, S3ERR_BAD_REQUEST, "Invalid Access-Control-Request-Method: " STR_F,
                       STR_A(method));
    struct str doc = s3_bucket_doc(q->bkt, DOC);
    if (!doc.p) {
        (void)s3_errm(q, S3ERR_ACCESS_FORBIDDEN,
                      "CORSResponse: CORS is not enabled for this bucket.");
        return forbidden(q, method);
    }
    struct s3_cors c;
    int e = s3_cors_decode(doc, &q->arena, &c);
    if (e < 0)
        return s3err_from_errno(e, S3_THING_OTHER);
    bool any;
    const struct s3_cors_rule *r = s3_cors_match(&c, origin, method, headers, &any);
    if (!r)
        return forbidden(q, method);
    allow_headers(q, r, origin, any);
    return S3ERR_OK;
}
