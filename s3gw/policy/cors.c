/* SPDX-License-Identifier: Apache-2.0 */
#include "s3gw/policy/cors.h"

#include "s3gw/xml/reader.h"
#include "s3gw/xml/writer.h"

enum { RECORD_VERSION = 1, ID_MAX = 255 };

/* --- from XML --- */

static bool list_of(struct arena *a, const struct s3_node *rule, const char *name,
                    struct s3_strs *ret)
{
    ret->n = s3_node_count(rule, name);
    ret->v = arena_alloc(a, MAX(ret->n, (size_t)1) * sizeof(*ret->v));
    if (!ret->v)
        return false;
    size_t i = 0;
    for (const struct s3_node *n = s3_node_child(rule, name); n; n = s3_node_find(n->next, name))
        ret->v[i++] = str_trim(n->text);
    return true;
}

static bool known_method(struct str m)
{
    static const struct str known[] = {STR_INIT("GET"), STR_INIT("PUT"), STR_INIT("POST"),
                                       STR_INIT("DELETE"), STR_INIT("HEAD")};
    for (size_t i = 0; i < ARRAY_LEN(known); i++)
        if (str_eq(m, known[i]))
            return true;
    return false;
}

static size_t stars(struct str s)
{
    size_t n = 0;
    for (size_t i = 0; i < s.n; i++)
        n += s.p[i] == '*';
    return n;
}

static enum s3err check_rule(struct s3_req *q, const struct s3_cors_rule *r)
{
    if (r->methods.n == 0 || r->origins.n == 0 || r->id.n > ID_MAX)
        return S3ERR_MALFORMED_XML;
    for (size_t i = 0; i < r->methods.n; i++)
        if (!known_method(r->methods.v[i]))
            return s3_errm(
                q, S3ERR_INVALID_REQUEST,
                "Found unsupported HTTP method in CORS config. Unsupported method is " STR_F,
                STR_A(r->methods.v[i]));
    for (size_t i = 0; i < r->origins.n; i++)
        if (stars(r->origins.v[i]) > 1)
            return s3_errm(q, S3ERR_INVALID_REQUEST,
                           "AllowedOrigin \"" STR_F "\" can not have more than one wildcard.",
                           STR_A(r->origins.v[i]));
    for (size_t i = 0; i < r->headers.n; i++)
        if (stars(r->headers.v[i]) > 1)
            return s3_errm(q, S3ERR_INVALID_REQUEST,
                           "AllowedHeader \"" STR_F "\" can not have more than one wildcard.",
                           STR_A(r->headers.v[i]));
    for (size_t i = 0; i < r->exposed.n; i++)
        if (stars(r->exposed.v[i]) > 0)
            return s3_errm(q, S3ERR_INVALID_REQUEST,
                           "ExposeHeader \"" STR_F
                           "\" contains wildcard. We currently do not support wildcard for "
                           "ExposeHeader.",
                           STR_A(r->exposed.v[i]));
    return S3ERR_OK;
}

static enum s3err rule_of(struct s3_req *q, const struct s3_node *n, struct s3_cors_rule *r)
{
    struct str age = str_trim(s3_node_text(n, "MaxAgeSeconds"));
    r->id = s3_node_text(n, "ID");
    r->has_age = age.n > 0;
    if (r->has_age && str_u64(age, INT32_MAX, &r->age_s) < 0)
        return S3ERR_MALFORMED_XML;
    if (!list_of(&q->arena, n, "AllowedOrigin", &r->origins) ||
        !list_of(&q->arena, n, "AllowedMethod", &r->methods) ||
        !list_of(&q->arena, n, "AllowedHeader", &r->headers) ||
        !list_of(&q->arena, n, "ExposeHeader", &r->exposed))
        return s3err_from_errno(-ENOMEM, S3_THING_OTHER);
    return check_rule(q, r);
}

static enum s3err ids_differ(struct s3_req *q, const struct s3_cors *c)
{
    for (size_t i = 0; i < c->n; i++)
        for (size_t k = 0; k < i && c->rules[i].id.n > 0; k++)
            if (str_eq(c->rules[i].id, c->rules[k].id))
                return s3_errm(q, S3ERR_INVALID_REQUEST,
                               "RuleId must be unique. Found same ID for more than one rule");
    return S3ERR_OK;
}

enum s3err s3_cors_parse(struct s3_req *q, const struct s3_node *root, struct s3_cors *ret)
{
    struct s3_cors c = {.n = s3_node_count(root, "CORSRule")};
    if (c.n == 0 || c.n > S3_CORS_RULES_MAX)
        return S3ERR_MALFORMED_XML;
    c.rules = arena_alloc(&q->arena, c.n * sizeof(*c.rules));
    if (!c.rules)
        return s3err_from_errno(-ENOMEM, S3_THING_OTHER);
    size_t i = 0;
    for (const struct s3_node *n = s3_node_child(root, "CORSRule"); n;
         n = s3_node_find(n->next, "CORSRule")) {
        enum s3err e = rule_of(q, n, &c.rules[i++]);
        if (e != S3ERR_OK)
            return e;
    }
    enum s3err e = ids_differ(q, &c);
    if (e == S3ERR_OK)
        *ret = c;
    return e;
}

/* --- to XML --- */

static void write_list(struct buf *b, const char *name, const struct s3_strs *l)
{
    for (size_t i = 0; i < l->n; i++)
        s3_xml_text(b, name, l->v[i]);
}

void s3_cors_write(const struct s3_cors *c, struct buf *xml)
{
    for (size_t i = 0; i < c->n; i++) {
        const struct s3_cors_rule *r = &c->rules[i];
        s3_xml_open(xml, "CORSRule");
        if (r->id.n > 0)
            s3_xml_text(xml, "ID", r->id);
        write_list(xml, "AllowedMethod", &r->methods);
        write_list(xml, "AllowedOrigin", &r->origins);
        write_list(xml, "AllowedHeader", &r->headers);
        write_list(xml, "ExposeHeader", &r->exposed);
        if (r->has_age)
            s3_xml_u64(xml, "MaxAgeSeconds", r->age_s);
        s3_xml_close(xml, "CORSRule");
    }
}

/* --- the record --- */

static void encode_list(const struct s3_strs *l, struct buf *out)
{
    buf_var(out, l->n);
    for (size_t i = 0; i < l->n; i++)
        buf_lstr(out, l->v[i]);
}

void s3_cors_encode(const struct s3_cors *c, struct buf *out)
{
    buf_u8(out, RECORD_VERSION);
    for (size_t i = 0; i < c->n; i++) {
        const struct s3_cors_rule *r = &c->rules[i];
        buf_lstr(out, r->id);
        buf_u8(out, r->has_age);
        buf_var(out, r->age_s);
        encode_list(&r->origins, out);
        encode_list(&r->methods, out);
        encode_list(&r->headers, out);
        encode_list(&r->exposed, out);
    }
}

static int decode_list(struct rd *in, struct arena *a, struct s3_strs *ret)
{
    uint64_t n = rd_var(in);
    if (in->bad || n > in->n) /* an item has at least its length byte */
        return -EBADMSG;
    ret->n = (size_t)n;
    ret->v = arena_alloc(a, MAX(ret->n, (size_t)1) * sizeof(*ret->v));
    if (!ret->v)
        return -ENOMEM;
    for (size_t i = 0; i < ret->n; i++)
        ret->v[i] = rd_lstr(in);
    return in->bad ? -EBADMSG : 0;
}

int s3_cors_decode(struct str bytes, struct arena *a, struct s3_cors *ret)
{
    struct rd in = rd_of(bytes);
    struct s3_cors c = {.rules = arena_alloc(a, S3_CORS_RULES_MAX * sizeof(*c.rules))};
    if (!c.rules)
        return -ENOMEM;
    if (rd_u8(&in) != RECORD_VERSION)
        return -EBADMSG;
    while (in.n > 0) {
        if (c.n == S3_CORS_RULES_MAX)
            return -EBADMSG;
        struct s3_cors_rule *r = &c.rules[c.n++];
        r->id = rd_lstr(&in);
        r->has_age = rd_u8(&in) != 0;
        r->age_s = rd_var(&in);
        struct s3_strs *lists[] = {&r->origins, &r->methods, &r->headers, &r->exposed};
        for (size_t i = 0; i < ARRAY_LEN(lists); i++) {
            int e = decode_list(&in, a, lists[i]);
            if (e < 0)
                return e;
        }
    }
    *ret = c;
    return 0;
}

/* --- the question --- */

/* One '*' at most, which stands for anything. */
static bool glob(struct str pattern, struct str s, bool (*eq)(struct str, struct str))
{
    size_t star = str_chr(pattern, '*');
    if (star == SIZE_MAX)
        return eq(pattern, s);
    struct str head = str_head(pattern, star), tail = str_from(pattern, star + 1);
    return s.n >= head.n + tail.n && eq(head, str_head(s, head.n)) &&
           eq(tail, str_from(s, s.n - tail.n));
}

static bool any_glob(const struct s3_strs *patterns, struct str s,
                     bool (*eq)(struct str, struct str))
{
    for (size_t i = 0; i < patterns->n; i++)
        if (glob(patterns->v[i], s, eq))
            return true;
    return false;
}

static bool headers_allowed(const struct s3_cors_rule *r, struct str headers)
{
    struct str piece;
    while (str_split(&headers, ',', &piece)) {
        piece = str_trim(piece);
        if (piece.n > 0 && !any_glob(&r->headers, piece, str_ieq))
            return false;
    }
    return true;
}

const struct s3_cors_rule *s3_cors_match(const struct s3_cors *c, struct str origin,
                                         struct str method, struct str headers, bool *ret_any)
{
    for (size_t i = 0; i < c->n; i++) {
        const struct s3_cors_rule *r = &c->rules[i];
        if (!any_glob(&r->methods, method, str_eq) || !any_glob(&r->origins, origin, str_eq) ||
            !headers_allowed(r, headers))
            continue;
        *ret_any = any_glob(&r->origins, STR("*"), str_eq);
        return r;
    }
    return NULL;
}
