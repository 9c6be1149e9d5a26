/* SPDX-License-Identifier: Apache-2.0 */
#include "s3gw/api/answer.h"

#include "s3gw/core/body.h"
#include "s3gw/core/gw.h"
#include "s3gw/core/httpdate.h"
#include "s3gw/index/bucket.h"
#include "s3gw/xml/reader.h"
#include "s3gw/xml/writer.h"

void s3_resp_etag(struct s3_req *q, const struct s3_etag *e)
{
    char text[S3_ETAG_TEXT_MAX];
    size_t n = s3_etag_format(e, text);
    s3_resp_header(q, "ETag", str_of(text, n));
}

void s3_resp_time(struct s3_req *q, const char *name, int64_t ms)
{
    char text[S3_HTTPDATE_MAX];
    size_t n = s3_httpdate_format(ms / 1000, text);
    s3_resp_header(q, name, str_of(text, n));
}

struct buf *s3_answer_open(struct s3_req *q, const char *root)
{
    struct buf *b = &q->resp.body;
    s3_xml_declaration(b);
    s3_xml_open_ns(b, root, S3_XML_NS);
    return b;
}

enum s3err s3_answer_close(struct s3_req *q, const char *root)
{
    s3_xml_close(&q->resp.body, root);
    s3_resp_header(q, "Content-Type", STR("application/xml"));
    return s3err_from_errno(buf_err(&q->resp.body), S3_THING_OTHER);
}

void s3_xml_time(struct buf *b, const char *name, int64_t ms)
{
    char text[S3_ISODATE_MAX];
    size_t n = s3_isodate_format(ms, text);
    s3_xml_text(b, name, str_of(text, n));
}

void s3_xml_etag(struct buf *b, const char *name, const struct s3_etag *e)
{
    char text[S3_ETAG_TEXT_MAX];
    size_t n = s3_etag_format(e, text);
    s3_xml_text(b, name, str_of(text, n));
}

void s3_xml_owner(struct s3_req *q, struct buf *b, const char *name, struct str user_id)
{
    struct s3_user u;
    struct str display = user_id;
    if (str_eq(user_id, q->who.user_id))
        display = q->who.display_name;
    else if (s3_user_get(q->gw->index, user_id, S3_READ_ANY, &q->arena, &u) == 0)
        display = u.display_name;
    s3_xml_open(b, name);
    s3_xml_text(b, "ID", user_id);
    s3_xml_text(b, "DisplayName", display);
    s3_xml_close(b, name);
}

enum s3err s3_document(struct s3_req *q, const char *root, struct s3_node **ret)
{
    int r = s3_xml_parse(q->body, root, &q->arena, ret);
    if (r == -ENODATA)
        return S3ERR_MISSING_REQUEST_BODY_ERROR;
    return r == -EBADMSG ? S3ERR_MALFORMED_XML : s3err_from_errno(r, S3_THING_OTHER);
}

enum s3err s3_param_limit(struct s3_req *q, struct str name, size_t max, size_t *ret)
{
    struct str v = s3_req_param(q, name);
    uint64_t n = max;
    if (v.n > 0 && str_u64(v, INT32_MAX, &n) < 0) {
        struct str z = arena_str(&q->arena, name);
        return s3_err_arg(q, "Argument must be an integer between 0 and 2147483647",
                          z.p ? z.p : "max-keys", v);
    }
    *ret = (size_t)MIN(n, max);
    return S3ERR_OK;
}

enum s3err s3_param_encoding(struct s3_req *q, bool *ret_url)
{
    struct str v = s3_req_param(q, STR("encoding-type"));
    *ret_url = str_eq(v, STR("url"));
    if (v.n > 0 && !*ret_url)
        return s3_err_arg(q, "Invalid Encoding Method specified in Request", "encoding-type", v);
    return S3ERR_OK;
}

enum s3err s3_need_digest(struct s3_req *q)
{
    if (s3_req_header(q, STR("content-md5")).p)
        return S3ERR_OK;
    for (size_t i = 0; i < q->nheaders; i++) {
        enum s3_checksum_alg alg;
        if (s3_checksum_by_header(q->headers[i].name, &alg) == 0)
            return S3ERR_OK;
    }
    if (q->plan && q->plan->expect.alg != S3_CK_NONE) /* presigned: in the query */
        return S3ERR_OK;
    return s3_errm(q, S3ERR_INVALID_REQUEST,
                   "Missing required header for this request: Content-MD5 OR x-amz-checksum-*");
}
