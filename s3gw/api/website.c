/* SPDX-License-Identifier: Apache-2.0 */
/*
 * In order: all requests redirected; a routing rule that names no error; the object, or the index
 * document of a path that ends in a slash; "path/" when that has an index document; a routing rule
 * for the error; the error document; the error page.
 *
 * A handler may run twice (first without blocking), so the path is taken from q->path each time:
 * q->key is whatever object is looked at.
 */
#include "s3gw/api/website.h"

#include "s3gw/api/amend.h"
#include "s3gw/api/answer.h"
#include "s3gw/api/handlers.h"
#include "s3gw/api/lookup.h"
#include "s3gw/core/gw.h"
#include "s3gw/core/uri.h"
#include "s3gw/index/bucket.h"
#include "s3gw/policy/eval.h"
#include "s3gw/policy/website.h"
#include "s3gw/xml/reader.h"
#include "s3gw/xml/writer.h"

static const struct str DOC = STR_INIT("website");

enum { CONFIGURATION_MAX = 128 * 1024 }; /* AWS: 128 KB */

static enum s3err no_memory(void)
{
    return s3err_from_errno(-ENOMEM, S3_THING_OTHER);
}

static enum s3err load(struct s3_req *q, struct s3_website *ret)
{
    struct str doc = s3_bucket_doc(q->bkt, DOC);
    if (!doc.p)
        return s3_err(q, S3ERR_NO_SUCH_WEBSITE_CONFIGURATION, "BucketName", q->bucket);
    return s3err_from_errno(s3_website_decode(doc, &q->arena, ret), S3_THING_OTHER);
}

/* --- the configuration --- */

enum s3err s3_h_get_bucket_website(struct s3_req *q)
{
    struct s3_website w;
    enum s3err e = load(q, &w);
    if (e != S3ERR_OK)
        return e;
    s3_website_write(&w, s3_answer_open(q, "WebsiteConfiguration"));
    return s3_answer_close(q, "WebsiteConfiguration");
}

enum s3err s3_h_put_bucket_website(struct s3_req *q)
{
    struct s3_node *root;
    struct s3_website w;
    enum s3err e = s3_document(q, "WebsiteConfiguration", &root);
    if (e == S3ERR_OK)
        e = s3_website_parse(q, root, &w);
    if (e != S3ERR_OK)
        return e;
    AUTO(buf_free) struct buf doc = BUF(CONFIGURATION_MAX);
    s3_website_encode(&w, &doc);
    return s3_keep_bucket_record(q, DOC, &doc, "The website");
}

enum s3err s3_h_delete_bucket_website(struct s3_req *q)
{
    q->resp.status = 204;
    return s3_keep_bucket_doc(q, DOC, STR_NULL);
}

/* --- redirects --- */

static struct str path_of(const struct s3_req *q)
{
    return str_from(q->path, 1);
}

static enum s3err go_to(struct s3_req *q, int status, struct str url)
{
    s3_resp_reset(q);
    q->resp.status = status;
    s3_resp_header(q, "Location", url);
    return S3ERR_OK;
}

static enum s3err redirect(struct s3_req *q, const struct s3_website_redirect *to,
                           const struct s3_website_rule *rule)
{
    struct s3_website_from from = {q->tls, q->host, path_of(q)};
    AUTO(buf_free) struct buf url = BUF(64 * 1024);
    s3_website_url(to, rule, &from, &url);
    if (!rule && q->raw_query.n > 0)
        buf_addf(&url, "?" STR_F, STR_A(q->raw_query));
    return buf_err(&url) ? no_memory() : go_to(q, to->status ? to->status : 301, buf_str(&url));
}

/* --- objects --- */

static struct str redirect_location(const struct s3_object *o)
{
    for (size_t i = 0; i < o->nheaders; i++)
        if (str_eq(o->headers[i].name, STR("x-amz-website-redirect-location")))
            return o->headers[i].value;
    return STR_NULL;
}

/* May anybody read @key, and is it there? Then q->key is @key. */
static enum s3err look_at(struct s3_req *q, struct str key, struct s3_object *ret)
{
    q->key = key;
    enum s3err e = s3_policy_admit(q, "s3:GetObject");
    return e == S3ERR_OK ? s3_lookup(q, false, ret) : e;
}

static struct str index_of(struct s3_req *q, const struct s3_website *w, struct str path,
                           bool folder)
{
    return arena_printf(&q->arena, STR_F "%s" STR_F, STR_A(path), folder ? "/" : "",
                        STR_A(w->index));
}

static enum s3err page(struct s3_req *q, const struct s3_website *w, struct str path)
{
    bool folder = path.n == 0 || str_ends(path, STR("/"));
    struct str key = folder ? index_of(q, w, path, false) : path;
    struct s3_object o;
    if (!key.p)
        return no_memory();
    enum s3err e = look_at(q, key, &o);
    if (e != S3ERR_OK)
        return e;
    struct str elsewhere = redirect_location(&o);
    return elsewhere.n > 0 ? go_to(q, 301, elsewhere) : s3_h_get_object(q);
}

/* "photos" when there is "photos/index.html": 302 to "photos/". NoSuchKey: no. */
static enum s3err folder_of(struct s3_req *q, const struct s3_website *w, struct str path)
{
    struct s3_object o;
    if (path.n == 0 || str_ends(path, STR("/")))
        return S3ERR_NO_SUCH_KEY;
    struct str key = index_of(q, w, path, true);
    if (!key.p)
        return no_memory();
    enum s3err e = look_at(q, key, &o);
    if (e != S3ERR_OK)
        return e == S3ERR_ACCESS_DENIED ? S3ERR_NO_SUCH_KEY : e;
    AUTO(buf_free) struct buf url = BUF(8192);
    buf_addc(&url, '/');
    s3_uri_encode(&url, path, true);
    buf_addc(&url, '/');
    return buf_err(&url) ? no_memory() : go_to(q, 302, buf_str(&url));
}

/* --- errors --- */

/* What went wrong with a page, and then with its error document. */
struct trouble {
    enum s3err page;
    struct str message; /* of the page's error */
    struct str key;
    enum s3err document; /* OK: none was tried */
    struct str document_key;
};

static struct str message_of(const struct s3_req *q, enum s3err e)
{
    return q->resp.message.p ? q->resp.message : str_c(s3err_info(e)->message);
}

static void error_headers(struct s3_req *q, enum s3err e, struct str message)
{
    s3_resp_header(q, "x-amz-error-code", str_c(s3err_info(e)->code));
    s3_resp_header(q, "x-amz-error-message", message);
}

/* The error document, whole, whatever part or condition the request named. */
static enum s3err error_document(struct s3_req *q, struct trouble *t)
{
    struct s3_object o;
    size_t nheaders = q->nheaders;
    q->nheaders = 0;
    s3_resp_reset(q);
    enum s3err e = look_at(q, t->document_key, &o);
    if (e == S3ERR_OK)
        e = s3_h_get_object(q);
    q->nheaders = nheaders;
    if (e != S3ERR_OK)
        return e;
    q->resp.status = s3err_info(t->page)->status;
    error_headers(q, t->page, t->message);
    return S3ERR_OK;
}

/* There is no such page, or nobody may read it. */
static enum s3err no_page(struct s3_req *q, const struct s3_website *w, struct str path,
                          enum s3err e)
{
    const struct s3_website_rule *rule = s3_website_match(w, path, s3err_info(e)->status);
    if (rule)
        return redirect(q, &rule->to, rule);
    struct trouble *t = arena_alloc(&q->arena, sizeof(*t));
    if (!t)
        return no_memory();
    *t = (struct trouble){.page = e, .message = message_of(q, e), .key = q->key};
    q->handler_state = t;
    if (w->error.n == 0)
        return e;
    t->document_key = w->error;
    enum s3err tried = error_document(q, t);
    if (tried == S3ERR_OK || tried == S3ERR_WOULD_BLOCK)
        return tried;
    t->document = tried;
    s3_resp_reset(q);
    return e;
}

static bool is_missing(enum s3err e)
{
    return e == S3ERR_NO_SUCH_KEY || e == S3ERR_ACCESS_DENIED;
}

enum s3err s3_h_website(struct s3_req *q)
{
    struct s3_website w;
    struct str path = path_of(q);
    enum s3err e = load(q, &w);
    if (e != S3ERR_OK)
        return e;
    if (w.redirects_all)
        return redirect(q, &w.all, NULL);
    const struct s3_website_rule *rule = s3_website_match(&w, path, 0);
    if (rule)
        return redirect(q, &rule->to, rule);
    e = page(q, &w, path);
    if (!is_missing(e))
        return e;
    struct str message = q->resp.message, key = q->key;
    enum s3err folder = folder_of(q, &w, path);
    if (!is_missing(folder))
        return folder;
    q->resp.message = message;
    q->key = key;
    return no_page(q, &w, path, e);
}

/* --- the page of an error --- */

static void item(struct buf *b, const char *name, struct str value)
{
    buf_addf(b, "<li>%s: ", name);
    s3_xml_escape(b, value);
    buf_adds(b, STR("</li>\n"));
}

static const char *reason(int status)
{
    static const struct {
        int status;
        const char *text;
    } reasons[] = {{400, "Bad Request"},
                   {403, "Forbidden"},
                   {404, "Not Found"},
                   {405, "Method Not Allowed"},
                   {412, "Precondition Failed"},
                   {416, "Requested Range Not Satisfiable"},
                   {500, "Internal Server Error"},
                   {503, "Service Unavailable"}};
    for (size_t i = 0; i < ARRAY_LEN(reasons); i++)
        if (reasons[i].status == status)
            return reasons[i].text;
    return "Error";
}

static void title(struct buf *b, int status)
{
    const char *text = reason(status);
    buf_addf(b, "<html>\n<head><title>%d %s</title></head>\n<body>\n<h1>%d %s</h1>\n<ul>\n", status,
             text, status, text);
}

static void no_document(struct buf *b, const struct trouble *t)
{
    const struct s3err_info *info = s3err_info(t->document);
    buf_adds(b, STR("<h3>An Error Occurred While Attempting to Retrieve a Custom Error "
                    "Document</h3>\n<ul>\n"));
    item(b, "Code", str_c(info->code));
    item(b, "Message", str_c(info->message));
    item(b, "Key", t->document_key);
    buf_adds(b, STR("</ul>\n"));
}

void s3_website_fail(struct s3_req *q, enum s3err e)
{
    const struct s3err_info *info = s3err_info(e);
    const struct trouble *t = q->handler_state;
    struct buf *b = &q->resp.body;
    if (t && t->page != e)
        t = NULL; /* of an earlier try */
    struct str message = t ? t->message : message_of(q, e);
    error_headers(q, e, message);
    s3_resp_header(q, "Content-Type", STR("text/html; charset=utf-8"));
    title(b, info->status);
    item(b, "Code", str_c(info->code));
    item(b, "Message", message);
    if (t)
        item(b, "Key", t->key);
    for (size_t i = 0; !t && i < q->resp.nextras; i++)
        item(b, q->resp.extras[i].name, q->resp.extras[i].value);
    item(b, "RequestId", str_c(q->request_id));
    item(b, "HostId", str_c(q->request_id));
    buf_adds(b, STR("</ul>\n"));
    if (t && t->document != S3ERR_OK)
        no_document(b, t);
    buf_adds(b, STR("<hr/>\n</body>\n</html>\n"));
}
