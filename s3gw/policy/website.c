/* SPDX-License-Identifier: Apache-2.0 */
#include "s3gw/policy/website.h"

#include "s3gw/core/uri.h"
#include "s3gw/xml/reader.h"
#include "s3gw/xml/writer.h"

enum { RECORD_VERSION = 1 };

/* --- from XML --- */

static enum s3err invalid(struct s3_req *q, const char *message)
{
    return s3_errm(q, S3ERR_INVALID_REQUEST, "%s", message);
}

static enum s3err protocol_of(struct s3_req *q, const struct s3_node *n,
                              enum s3_website_protocol *ret)
{
    struct str text = str_trim(s3_node_text(n, "Protocol"));
    *ret = S3_WEBSITE_SAME;
    if (!text.p)
        return S3ERR_OK;
    if (str_eq(text, STR("http")))
        *ret = S3_WEBSITE_HTTP;
    else if (str_eq(text, STR("https")))
        *ret = S3_WEBSITE_HTTPS;
    else
        return invalid(q, "Invalid protocol, protocol can be http or https. If not defined the "
                          "protocol will be selected automatically.");
    return S3ERR_OK;
}

/* A host, with a port perhaps: it goes into a URL as it is. */
static bool host_ok(struct str host)
{
    for (size_t i = 0; i < host.n; i++)
        if (host.p[i] <= ' ' || host.p[i] > '~' || strchr("/?#@\\\"<>", host.p[i]))
            return false;
    return true;
}

static enum s3err host_of(struct s3_req *q, const struct s3_node *n, struct str *ret)
{
    *ret = str_trim(s3_node_text(n, "HostName"));
    if (!ret->p)
        *ret = STR("");
    return host_ok(*ret) ? S3ERR_OK
                         : s3_err_arg(q, "The HostName is not well formed", "HostName", *ret);
}

/* 301 to 308 but 306; 300 is a choice, 304 only an answer to a condition, though AWS takes it. */
static enum s3err redirect_code_of(struct s3_req *q, const struct s3_node *n, int *ret)
{
    struct str text = str_trim(s3_node_text(n, "HttpRedirectCode"));
    uint64_t v = 0;
    *ret = 0;
    if (!text.p)
        return S3ERR_OK;
    if (str_u64(text, 999, &v) < 0 || v < 301 || v > 308 || v == 306)
        return s3_errm(q, S3ERR_INVALID_REQUEST,
                       "The provided HTTP redirect code (" STR_F
                       ") is not valid. Valid codes are 3XX except 300.",
                       STR_A(str_head(text, 64)));
    *ret = (int)v;
    return S3ERR_OK;
}

/* Those registered: RFC 9110, 15.5 and 15.6, and what later documents added. */
static bool real_error_code(uint64_t v)
{
    bool client = (v >= 400 && v <= 417) || (v >= 421 && v <= 426) || v == 428 || v == 429 ||
                  v == 431 || v == 451;
    return client || (v >= 500 && v <= 508) || v == 510 || v == 511;
}

static enum s3err error_code_of(struct s3_req *q, const struct s3_node *n, int *ret)
{
    struct str text = str_trim(s3_node_text(n, "HttpErrorCodeReturnedEquals"));
    uint64_t v = 0;
    *ret = 0;
    if (!text.p)
        return S3ERR_OK;
    if (str_u64(text, 999, &v) < 0 || !real_error_code(v))
        return s3_errm(q, S3ERR_INVALID_REQUEST,
                       "The provided HTTP error code (" STR_F
                       ") is not valid. Valid codes are 4XX or 5XX.",
                       STR_A(str_head(text, 64)));
    *ret = (int)v;
    return S3ERR_OK;
}

static enum s3err redirect_of(struct s3_req *q, const struct s3_node *n,
                              struct s3_website_redirect *r)
{
    if (!n->child)
        return S3ERR_MALFORMED_XML;
    struct str key = s3_node_text(n, "ReplaceKeyWith"),
               prefix = s3_node_text(n, "ReplaceKeyPrefixWith");
    if (key.p && prefix.p)
        return invalid(q, "You can only define ReplaceKeyPrefix or ReplaceKey but not both.");
    *r = (struct s3_website_redirect){
        .replace = key.p      ? S3_WEBSITE_REPLACE_KEY
                   : prefix.p ? S3_WEBSITE_REPLACE_PREFIX
                              : S3_WEBSITE_KEEP_KEY,
        .with = key.p      ? key
                : prefix.p ? prefix
                           : STR(""),
    };
    enum s3err e = protocol_of(q, n, &r->protocol);
    if (e == S3ERR_OK)
        e = host_of(q, n, &r->host);
    return e == S3ERR_OK ? redirect_code_of(q, n, &r->status) : e;
}

static enum s3err rule_of(struct s3_req *q, const struct s3_node *n, struct s3_website_rule *r)
{
    const struct s3_node *condition = s3_node_child(n, "Condition"),
                         *redirect = s3_node_child(n, "Redirect");
    *r = (struct s3_website_rule){.prefix = STR("")};
    if (!redirect)
        return S3ERR_MALFORMED_XML;
    if (condition && !condition->child)
        return s3_errm(
            q, S3ERR_INVALID_REQUEST,
            "Condition cannot be empty. To redirect all requests without a condition, the "
            "condition element shouldn't be present.");
    if (condition) {
        struct str prefix = s3_node_text(condition, "KeyPrefixEquals");
        r->has_prefix = prefix.p != NULL;
        r->prefix = prefix.p ? prefix : STR("");
        enum s3err e = error_code_of(q, condition, &r->error);
        if (e != S3ERR_OK)
            return e;
        if (!r->has_prefix && !r->error)
            return S3ERR_MALFORMED_XML;
    }
    return redirect_of(q, redirect, &r->to);
}

static enum s3err rules_of(struct s3_req *q, const struct s3_node *list, struct s3_website *w)
{
    w->n = s3_node_count(list, "RoutingRule");
    if (w->n == 0)
        return S3ERR_MALFORMED_XML;
    if (w->n > S3_WEBSITE_RULES_MAX)
        return s3_errm(q, S3ERR_INVALID_REQUEST,
                       "%zu routing rules provided, the number of routing rules in a website "
                       "configuration is limited to %d.",
                       w->n, S3_WEBSITE_RULES_MAX);
    w->rules = arena_alloc(&q->arena, w->n * sizeof(*w->rules));
    if (!w->rules)
        return s3err_from_errno(-ENOMEM, S3_THING_OTHER);
    size_t i = 0;
    for (const struct s3_node *n = s3_node_child(list, "RoutingRule"); n;
         n = s3_node_find(n->next, "RoutingRule")) {
        enum s3err e = rule_of(q, n, &w->rules[i++]);
        if (e != S3ERR_OK)
            return e;
    }
    return S3ERR_OK;
}

static enum s3err redirect_all_of(struct s3_req *q, const struct s3_node *root,
                                  const struct s3_node *all, struct s3_website *w)
{
    static const char *const others[] = {"IndexDocument", "ErrorDocument", "RoutingRules"};
    for (size_t i = 0; i < ARRAY_LEN(others); i++)
        if (s3_node_child(root, others[i]))
            return s3_err_arg(
                q,
                "RedirectAllRequestsTo cannot be provided in conjunction with other Routing Rules.",
                "RedirectAllRequestsTo", STR("not null"));
    w->redirects_all = true;
    w->all.with = STR("");
    enum s3err e = host_of(q, all, &w->all.host);
    if (e == S3ERR_OK && w->all.host.n == 0)
        return S3ERR_MALFORMED_XML;
    return e == S3ERR_OK ? protocol_of(q, all, &w->all.protocol) : e;
}

static enum s3err documents_of(struct s3_req *q, const struct s3_node *root, struct s3_website *w)
{
    const struct s3_node *index = s3_node_child(root, "IndexDocument"),
                         *error = s3_node_child(root, "ErrorDocument");
    if (!index)
        return s3_err_arg(q,
                          "A value for IndexDocument Suffix must be provided if "
                          "RedirectAllRequestsTo is empty",
                          "IndexDocument", STR("null"));
    w->index = s3_node_text(index, "Suffix");
    if (w->index.n == 0 || str_chr(w->index, '/') != SIZE_MAX)
        return s3_err_arg(q, "The IndexDocument Suffix is not well formed", "IndexDocument",
                          w->index.p ? w->index : STR(""));
    w->error = error ? s3_node_text(error, "Key") : STR("");
    if (error && w->error.n == 0)
        return s3_err_arg(q, "The ErrorDocument Key is not well formed", "ErrorDocument", STR(""));
    return S3ERR_OK;
}

enum s3err s3_website_parse(struct s3_req *q, const struct s3_node *root, struct s3_website *ret)
{
    struct s3_website w = {0};
    const struct s3_node *all = s3_node_child(root, "RedirectAllRequestsTo"),
                         *rules = s3_node_child(root, "RoutingRules");
    enum s3err e = all ? redirect_all_of(q, root, all, &w) : documents_of(q, root, &w);
    if (e == S3ERR_OK && rules)
        e = rules_of(q, rules, &w);
    if (e == S3ERR_OK)
        *ret = w;
    return e;
}

/* --- to XML --- */

static void write_protocol(enum s3_website_protocol p, struct buf *xml)
{
    if (p != S3_WEBSITE_SAME)
        s3_xml_text(xml, "Protocol", p == S3_WEBSITE_HTTP ? STR("http") : STR("https"));
}

static void write_redirect(const struct s3_website_redirect *r, struct buf *xml)
{
    s3_xml_open(xml, "Redirect");
    write_protocol(r->protocol, xml);
    if (r->host.n > 0)
        s3_xml_text(xml, "HostName", r->host);
    if (r->replace == S3_WEBSITE_REPLACE_PREFIX)
        s3_xml_text(xml, "ReplaceKeyPrefixWith", r->with);
    if (r->replace == S3_WEBSITE_REPLACE_KEY)
        s3_xml_text(xml, "ReplaceKeyWith", r->with);
    if (r->status)
        s3_xml_u64(xml, "HttpRedirectCode", (uint64_t)r->status);
    s3_xml_close(xml, "Redirect");
}

static void write_rule(const struct s3_website_rule *r, struct buf *xml)
{
    s3_xml_open(xml, "RoutingRule");
    if (r->has_prefix || r->error) {
        s3_xml_open(xml, "Condition");
        if (r->has_prefix)
            s3_xml_text(xml, "KeyPrefixEquals", r->prefix);
        if (r->error)
            s3_xml_u64(xml, "HttpErrorCodeReturnedEquals", (uint64_t)r->error);
        s3_xml_close(xml, "Condition");
    }
    write_redirect(&r->to, xml);
    s3_xml_close(xml, "RoutingRule");
}

static void write_one(struct buf *xml, const char *name, const char *child, struct str text)
{
    s3_xml_open(xml, name);
    s3_xml_text(xml, child, text);
    s3_xml_close(xml, name);
}

void s3_website_write(const struct s3_website *w, struct buf *xml)
{
    if (w->redirects_all) {
        s3_xml_open(xml, "RedirectAllRequestsTo");
        s3_xml_text(xml, "HostName", w->all.host);
        write_protocol(w->all.protocol, xml);
        s3_xml_close(xml, "RedirectAllRequestsTo");
        return;
    }
    write_one(xml, "IndexDocument", "Suffix", w->index);
    if (w->error.n > 0)
        write_one(xml, "ErrorDocument", "Key", w->error);
    if (w->n == 0)
        return;
    s3_xml_open(xml, "RoutingRules");
    for (size_t i = 0; i < w->n; i++)
        write_rule(&w->rules[i], xml);
    s3_xml_close(xml, "RoutingRules");
}

/* --- the record --- */

static void encode_redirect(const struct s3_website_redirect *r, struct buf *out)
{
    buf_u8(out, (uint8_t)r->protocol);
    buf_lstr(out, r->host);
    buf_var(out, (uint64_t)r->status);
    buf_u8(out, (uint8_t)r->replace);
    buf_lstr(out, r->with);
}

void s3_website_encode(const struct s3_website *w, struct buf *out)
{
    buf_u8(out, RECORD_VERSION);
    buf_u8(out, w->redirects_all);
    if (w->redirects_all) {
        encode_redirect(&w->all, out);
        return;
    }
    buf_lstr(out, w->index);
    buf_lstr(out, w->error);
    buf_var(out, w->n);
    for (size_t i = 0; i < w->n; i++) {
        const struct s3_website_rule *r = &w->rules[i];
        buf_u8(out, r->has_prefix);
        buf_lstr(out, r->prefix);
        buf_var(out, (uint64_t)r->error);
        encode_redirect(&r->to, out);
    }
}

static int decode_status(struct rd *in)
{
    uint64_t v = rd_var(in);
    in->bad = in->bad || v > 999;
    return in->bad ? 0 : (int)v;
}

static void decode_redirect(struct rd *in, struct s3_website_redirect *r)
{
    unsigned protocol = rd_u8(in);
    r->host = rd_lstr(in);
    r->status = decode_status(in);
    unsigned replace = rd_u8(in);
    r->with = rd_lstr(in);
    in->bad = in->bad || protocol > S3_WEBSITE_HTTPS || replace > S3_WEBSITE_REPLACE_KEY;
    r->protocol = (enum s3_website_protocol)protocol;
    r->replace = (enum s3_website_replace)replace;
}

int s3_website_decode(struct str bytes, struct arena *a, struct s3_website *ret)
{
    struct rd in = rd_of(bytes);
    struct s3_website w = {0};
    if (rd_u8(&in) != RECORD_VERSION)
        return -EBADMSG;
    w.redirects_all = rd_u8(&in) != 0;
    if (w.redirects_all) {
        decode_redirect(&in, &w.all);
    } else {
        w.index = rd_lstr(&in);
        w.error = rd_lstr(&in);
        uint64_t n = rd_var(&in);
        if (in.bad || n > S3_WEBSITE_RULES_MAX)
            return -EBADMSG;
        w.n = (size_t)n;
        w.rules = arena_alloc(a, MAX(w.n, (size_t)1) * sizeof(*w.rules));
        if (!w.rules)
            return -ENOMEM;
        for (size_t i = 0; i < w.n; i++) {
            struct s3_website_rule *r = &w.rules[i];
            r->has_prefix = rd_u8(&in) != 0;
            r->prefix = rd_lstr(&in);
            r->error = decode_status(&in);
            decode_redirect(&in, &r->to);
        }
    }
    if (in.bad || in.n > 0)
        return -EBADMSG;
    *ret = w;
    return 0;
}

/* --- the questions --- */

const struct s3_website_rule *s3_website_match(const struct s3_website *w, struct str path,
                                               int error)
{
    for (size_t i = 0; i < w->n; i++)
        if (w->rules[i].error == error && str_starts(path, w->rules[i].prefix))
            return &w->rules[i];
    return NULL;
}

/* What the configuration puts in may be more than a path ("#!/", "?from="): only what would break
 * the header is encoded. */
static void add_replacement(struct buf *out, struct str with)
{
    for (size_t i = 0; i < with.n; i++) {
        unsigned char c = (unsigned char)with.p[i];
        if (c <= ' ' || c > '~')
            buf_addf(out, "%%%02X", (unsigned)c);
        else
            buf_addc(out, (char)c);
    }
}

void s3_website_url(const struct s3_website_redirect *to, const struct s3_website_rule *rule,
                    const struct s3_website_from *from, struct buf *out)
{
    bool tls = to->protocol == S3_WEBSITE_SAME ? from->tls : to->protocol == S3_WEBSITE_HTTPS;
    struct str path = from->path;
    buf_addf(out, "%s://" STR_F "/", tls ? "https" : "http",
             STR_A(to->host.n > 0 ? to->host : from->host));
    if (to->replace != S3_WEBSITE_KEEP_KEY)
        add_replacement(out, to->with);
    if (to->replace == S3_WEBSITE_REPLACE_PREFIX && rule)
        path = str_from(path, rule->prefix.n); /* it matched */
    if (to->replace != S3_WEBSITE_REPLACE_KEY)
        s3_uri_encode(out, path, true);
}
