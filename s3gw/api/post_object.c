/* SPDX-License-Identifier: Apache-2.0 */
#include "s3gw/api/post_object.h"

#include "s3gw/api/answer.h"
#include "s3gw/api/ops.h"
#include "s3gw/api/tagging.h"
#include "s3gw/auth/post_form.h"
#include "s3gw/core/names.h"
#include "s3gw/core/uri.h"
#include "s3gw/xml/writer.h"

static enum s3err no_memory(void)
{
    return s3err_from_errno(-ENOMEM, S3_THING_OTHER);
}

static struct str field(const struct s3_req *q, const char *name)
{
    return s3_post_field(&q->post->fields, str_c(name));
}

/* --- the key --- */

enum s3err s3_post_key(struct s3_req *q)
{
    struct str key = field(q, "key");
    if (!key.p)
        return s3_err_arg(q,
                          "Bucket POST must contain a field named 'key'. If it is specified, "
                          "please check the order of the fields.",
                          "key", STR(""));
    if (key.n == 0)
        return S3ERR_USER_KEY_MUST_BE_SPECIFIED;
    if (key.n > S3_KEY_MAX)
        return s3_err2(q, S3ERR_KEY_TOO_LONG_ERROR, "Size", arena_printf(&q->arena, "%zu", key.n),
                       "MaxSizeAllowed", arena_printf(&q->arena, "%d", S3_KEY_MAX));
    if (!s3_name_key_ok(key))
        return s3_err_arg(q, "The key is not well-formed UTF-8.", "key", STR(""));
    q->key = key;
    return S3ERR_OK;
}

/* --- fields as headers --- */

enum use {
    HEADER,  /* the object's, under the name it has as a header */
    TAGGING, /* a document, which becomes x-amz-tagging */
    REFUSED, /* means something to PutObject that a form cannot have */
    IGNORED, /* the form's own; as at AWS, so is what has no row */
};

/* First that fits. */
static const struct {
    struct str name; /* in lower case; ending in '-': whatever begins so */
    enum use use;
    struct str header; /* absent: the field's own name */
} uses[] = {
    {STR_INIT("acl"), HEADER, STR_INIT("x-amz-acl")},
    {STR_INIT("tagging"), TAGGING, STR_INIT("x-amz-tagging")},
    {STR_INIT("cache-control"), HEADER, {0}},
    {STR_INIT("content-type"), HEADER, {0}},
    {STR_INIT("content-disposition"), HEADER, {0}},
    {STR_INIT("content-encoding"), HEADER, {0}},
    {STR_INIT("content-language"), HEADER, {0}},
    {STR_INIT("content-md5"), HEADER, {0}},
    {STR_INIT("expires"), HEADER, {0}},
    {STR_INIT("if-match"), HEADER, {0}},
    {STR_INIT("if-none-match"), HEADER, {0}},
    {STR_INIT("if-modified-since"), HEADER, {0}},
    {STR_INIT("if-unmodified-since"), HEADER, {0}},
    {STR_INIT("key"), IGNORED, {0}},
    {STR_INIT("bucket"), IGNORED, {0}},
    {STR_INIT("policy"), IGNORED, {0}},
    {STR_INIT("signature"), IGNORED, {0}},
    {STR_INIT("awsaccesskeyid"), IGNORED, {0}},
    {STR_INIT("redirect"), IGNORED, {0}},
    {STR_INIT("success_action_redirect"), IGNORED, {0}},
    {STR_INIT("success_action_status"), IGNORED, {0}},
    {STR_INIT("x-amz-algorithm"), IGNORED, {0}},
    {STR_INIT("x-amz-credential"), IGNORED, {0}},
    {STR_INIT("x-amz-date"), IGNORED, {0}},
    {STR_INIT("x-amz-signature"), IGNORED, {0}},
    {STR_INIT("x-amz-security-token"), IGNORED, {0}},
    {STR_INIT("x-amz-copy-source"), REFUSED, {0}},
    {STR_INIT("x-amz-content-sha256"), REFUSED, {0}},
    {STR_INIT("x-amz-decoded-content-length"), REFUSED, {0}},
    {STR_INIT("x-amz-"), HEADER, {0}},
};

/* Headers of the request itself: who asks from where, and what a browser wants to hear. */
static const struct str kept[] = {STR_INIT("host"),
                                  STR_INIT("user-agent"),
                                  STR_INIT("referer"),
                                  STR_INIT("origin"),
                                  STR_INIT("access-control-request-method"),
                                  STR_INIT("access-control-request-headers"),
                                  STR_INIT("expect"),
                                  STR_INIT("x-amz-expected-bucket-owner")};

static bool is_kept(struct str name)
{
    for (size_t i = 0; i < ARRAY_LEN(kept); i++)
        if (str_ieq(name, kept[i]))
            return true;
    return false;
}

/* <Tagging> as the header x-amz-tagging would have it. */
static enum s3err tagging_header(struct s3_req *q, struct str xml, struct str *ret)
{
    struct s3_node *root;
    struct str record;
    struct s3_tags tags;
    int r = s3_xml_parse(xml, "Tagging", &q->arena, &root);
    const struct s3_node *set = r == 0 ? s3_node_child(root, "TagSet") : NULL;
    if (r == -ENOMEM)
        return no_memory();
    if (!set)
        return S3ERR_MALFORMED_XML;
    enum s3err e = s3_tags_of_xml(q, set, S3_TAGS_OBJECT_MAX, &record);
    if (e != S3ERR_OK)
        return e;
    AUTO(buf_free) struct buf b = BUF(32 * 1024);
    r = s3_tags_decode(record, &tags);
    for (size_t i = 0; r == 0 && i < tags.n; i++) {
        if (i > 0)
            buf_addc(&b, '&');
        s3_uri_encode(&b, tags.tag[i].key, false);
        buf_addc(&b, '=');
        s3_uri_encode(&b, tags.tag[i].value, false);
    }
    *ret = r < 0 || buf_err(&b) ? STR_NULL : arena_str(&q->arena, buf_str(&b));
    return ret->p ? S3ERR_OK : no_memory();
}

static enum s3err wrong_field(struct s3_req *q, const char *why, struct str name)
{
    struct str z = arena_str(&q->arena, str_head(name, 256));
    return s3_err_arg(q, why, z.p ? z.p : "field", STR(""));
}

static enum s3err take_field(struct s3_req *q, const struct s3_pair *f, size_t row)
{
    struct s3_pair h = {uses[row].header.p ? uses[row].header : f->name, f->value};
    switch (uses[row].use) {
    case IGNORED:
        return S3ERR_OK;
    case REFUSED:
        return s3_err(q, S3ERR_NOT_IMPLEMENTED, "Header", f->name);
    case TAGGING: {
        enum s3err e = tagging_header(q, f->value, &h.value);
        if (e != S3ERR_OK)
            return e;
        break;
    }
    case HEADER:
        if (!s3_name_header_ok(h.name) || !s3_name_header_value_ok(h.value))
            return wrong_field(q, "The name or value of the field is not allowed in a header.",
                               h.name);
        break;
    }
    q->headers[q->nheaders++] = h;
    return S3ERR_OK;
}

static size_t row_of(struct str name)
{
    size_t i = 0;
    for (; i < ARRAY_LEN(uses); i++)
        if (str_ends(uses[i].name, STR("-")) ? str_istarts(name, uses[i].name)
                                             : str_ieq(name, uses[i].name))
            break;
    return i;
}

/* Of two values that differ one would be ignored. AWS refuses a second key, whatever it is. */
static enum s3err said_once(struct s3_req *q, size_t i)
{
    const struct s3_pair *f = q->post->fields.pairs;
    if (str_istarts(f[i].name, STR("x-amz-meta-")))
        return S3ERR_OK; /* a list */
    for (size_t k = 0; k < i; k++)
        if (str_ieq(f[k].name, f[i].name) && !str_eq(f[k].value, f[i].value))
            return wrong_field(q, "The form has this field twice.", f[i].name);
    return S3ERR_OK;
}

static enum s3err headers_from(struct s3_req *q)
{
    const struct s3_pair *head = q->headers;
    size_t nhead = q->nheaders;
    const struct s3_post_fields *f = &q->post->fields;
    q->headers = arena_alloc(&q->arena, (nhead + f->n + 1) * sizeof(*q->headers));
    q->nheaders = 0;
    if (!q->headers)
        return no_memory();
    for (size_t i = 0; i < nhead; i++)
        if (is_kept(head[i].name))
            q->headers[q->nheaders++] = head[i];
    for (size_t i = 0; i < f->n; i++) {
        size_t row = row_of(f->pairs[i].name);
        if (row == ARRAY_LEN(uses))
            continue;
        enum s3err e = said_once(q, i);
        if (e == S3ERR_OK)
            e = take_field(q, &f->pairs[i], row);
        if (e != S3ERR_OK)
            return e;
    }
    return S3ERR_OK;
}

enum s3err s3_post_object(struct s3_req *q)
{
    enum s3err e = headers_from(q);
    return e == S3ERR_OK ? s3_route_form(q) : e;
}

/* --- the answer --- */

/* Where the object is, its key as one escaped word, as AWS has it. */
static struct str location(struct s3_req *q)
{
    AUTO(buf_free) struct buf b = BUF(8192);
    buf_addf(&b, "%s://" STR_F "/", q->tls ? "https" : "http", STR_A(q->host));
    if (!q->virtual_host)
        buf_addf(&b, STR_F "/", STR_A(q->bucket));
    s3_uri_encode(&b, q->key, false);
    return buf_err(&b) ? STR_NULL : arena_str(&q->arena, buf_str(&b));
}

static bool is_url(struct str s)
{
    struct str scheme, rest;
    if (!str_cut(s, ':', &scheme, &rest) || !str_starts(rest, STR("//")) || rest.n < 3 ||
        rest.p[2] == '/' || (!str_ieq(scheme, STR("http")) && !str_ieq(scheme, STR("https"))))
        return false;
    for (size_t i = 0; i < s.n; i++)
        if ((unsigned char)s.p[i] <= ' ' || s.p[i] == 127)
            return false;
    return true;
}

/* success_action_redirect with bucket, key and ETag in its query; absent: none, or no URL. */
static struct str redirect(struct s3_req *q, struct str etag)
{
    struct str to = field(q, "success_action_redirect"), base, fragment;
    if (!to.p)
        to = field(q, "redirect");
    if (!is_url(to))
        return STR_NULL;
    bool cut = str_cut(to, '#', &base, &fragment);
    AUTO(buf_free) struct buf b = BUF(64 * 1024);
    buf_adds(&b, base);
    buf_addc(&b, str_chr(base, '?') == SIZE_MAX ? '?' : '&');
    buf_addf(&b, "bucket=" STR_F "&key=", STR_A(q->bucket));
    s3_uri_encode(&b, q->key, false);
    buf_adds(&b, STR("&etag="));
    s3_uri_encode(&b, etag, false);
    if (cut)
        buf_addf(&b, "#" STR_F, STR_A(fragment));
    return buf_err(&b) ? STR_NULL : arena_str(&q->arena, buf_str(&b));
}

static void created(struct s3_req *q, struct str where, const struct s3_etag *etag)
{
    struct buf *b = &q->resp.body;
    s3_xml_declaration(b);
    s3_xml_open(b, "PostResponse");
    s3_xml_text(b, "Location", where);
    s3_xml_text(b, "Bucket", q->bucket);
    s3_xml_text(b, "Key", q->key);
    s3_xml_etag(b, "ETag", etag);
    s3_xml_close(b, "PostResponse");
    s3_resp_header(q, "Content-Type", STR("application/xml"));
}

void s3_post_answer(struct s3_req *q, const struct s3_object *o)
{
    char etag[S3_ETAG_TEXT_MAX];
    size_t n = s3_etag_format(&o->etag, etag);
    struct str to = redirect(q, str_of(etag, n)), status = field(q, "success_action_status");
    struct str where = location(q);
    s3_resp_header(q, "Location", to.p ? to : where);
    if (to.p)
        q->resp.status = 303;
    else if (str_eq(status, STR("200")))
        q->resp.status = 200;
    else
        q->resp.status = str_eq(status, STR("201")) ? 201 : 204;
    if (q->resp.status == 201)
        created(q, where, &o->etag);
}
