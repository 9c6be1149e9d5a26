/* SPDX-License-Identifier: Apache-2.0 */
/*
 * fuzz_documents - configurations of a bucket, as XML, as a header and as kept: what is accepted is
 * kept, and what is kept reads back and is written again as the same bytes. The first byte picks
 * the document.
 */
#include "s3gw/api/bucket_encryption.h"
#include "s3gw/api/object_encryption.h"
#include "s3gw/core/gw.h"
#include "s3gw/core/tags.h"
#include "s3gw/lifecycle/rules.h"
#include "s3gw/policy/acl.h"
#include "s3gw/policy/cors.h"
#include "s3gw/policy/website.h"
#include "s3gw/sse/kms.h"
#include "s3gw/xml/reader.h"

enum { OUT_MAX = 8 * 1024 * 1024 };

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void cors_record(struct s3_req *q, struct str record, bool ours)
{
    struct s3_cors c;
    int r = s3_cors_decode(record, &q->arena, &c);
    ASSERT(r == 0 || r == -ENOMEM || (r == -EBADMSG && !ours));
    if (r < 0)
        return;
    AUTO(buf_free) struct buf out = BUF(OUT_MAX);
    AUTO(buf_free) struct buf xml = BUF(OUT_MAX);
    s3_cors_encode(&c, &out);
    s3_cors_write(&c, &xml);
    ASSERT(!ours || str_eq(buf_str(&out), record));
    bool any;
    (void)s3_cors_match(&c, STR("https://a.example"), STR("GET"), STR("x-a, x-b"), &any);
}

static void cors_xml(struct s3_req *q, const struct s3_node *root)
{
    struct s3_cors c;
    if (s3_cors_parse(q, root, &c) != S3ERR_OK)
        return;
    ASSERT(c.n > 0 && c.n <= S3_CORS_RULES_MAX);
    AUTO(buf_free) struct buf out = BUF(OUT_MAX);
    s3_cors_encode(&c, &out);
    ASSERT(!buf_err(&out));
    cors_record(q, buf_str(&out), true);
}

static void website_record(struct s3_req *q, struct str record, bool ours)
{
    struct s3_website w;
    int r = s3_website_decode(record, &q->arena, &w);
    ASSERT(r == 0 || r == -ENOMEM || (r == -EBADMSG && !ours));
    if (r < 0)
        return;
    AUTO(buf_free) struct buf out = BUF(OUT_MAX);
    AUTO(buf_free) struct buf xml = BUF(OUT_MAX);
    AUTO(buf_free) struct buf url = BUF(OUT_MAX);
    s3_website_encode(&w, &out);
    s3_website_write(&w, &xml);
    ASSERT(!ours || str_eq(buf_str(&out), record));
    struct s3_website_from from = {false, STR("b.web.example"), STR("docs/a b")};
    for (int error = 0; error <= 404; error += 404) {
        const struct s3_website_rule *rule = s3_website_match(&w, from.path, error);
        ASSERT(!rule || (rule->error == error && str_starts(from.path, rule->prefix)));
        if (rule)
            s3_website_url(&rule->to, rule, &from, &url);
    }
    if (w.redirects_all)
        s3_website_url(&w.all, NULL, &from, &url);
    for (size_t i = 0; ours && i < url.n; i++)
        ASSERT(url.p[i] > ' ' && url.p[i] <= '~'); /* it goes into a header */
}

static void website_xml(struct s3_req *q, const struct s3_node *root)
{
    struct s3_website w;
    if (s3_website_parse(q, root, &w) != S3ERR_OK)
        return;
    ASSERT(w.redirects_all ? w.n == 0 && w.all.host.n > 0 : w.index.n > 0);
    ASSERT(w.n <= S3_WEBSITE_RULES_MAX);
    AUTO(buf_free) struct buf out = BUF(OUT_MAX);
    s3_website_encode(&w, &out);
    ASSERT(!buf_err(&out));
    website_record(q, buf_str(&out), true);
}

static void life_record(struct str record, bool ours)
{
    struct s3_life_doc doc;
    struct s3_life_rule rule;
    struct s3_life_verdict v;
    struct s3_life_scope scope;
    AUTO(buf_free) struct buf xml = BUF(OUT_MAX);
    int r = s3_life_open(record, &doc);
    while (r >= 0 && (r = s3_life_next(&doc, &rule)) == 1)
        ASSERT(rule.ntags <= S3_TAGS_OBJECT_MAX);
    ASSERT(r == 0 || (r == -EBADMSG && !ours));
    bool readable = r == 0;
    static const enum s3_life_kind kinds[] = {S3_LIFE_CURRENT, S3_LIFE_LONE_MARKER, S3_LIFE_OLD,
                                              S3_LIFE_UPLOAD};
    for (size_t i = 0; i < ARRAY_LEN(kinds); i++) {
        struct s3_life_thing t = {.kind = kinds[i], .key = STR("logs/a"), .size = 1000};
        r = s3_life_judge(record, &t, 0, &v);
        ASSERT(r >= 0 || !readable);
    }
    ASSERT(s3_life_scope(record, &scope) == 0 || !readable);
    ASSERT(s3_life_write(record, &xml) == 0 || !readable || buf_err(&xml));
}

static void life_xml(struct s3_req *q, const struct s3_node *root)
{
    AUTO(buf_free) struct buf out = BUF(S3_LIFE_DOC_MAX);
    if (s3_life_parse(q, root, S3_LIFE_ALL_128K, &out) == S3ERR_OK)
        life_record(buf_str(&out), true);
}

static void acl_record(struct str record)
{
    static struct s3_acl acl;
    if (s3_acl_decode(record, STR("alice-id"), &acl) < 0)
        return;
    ASSERT(acl.n <= S3_ACL_GRANTS_MAX);
    static const struct s3_identity nobody = {.anonymous = true};
    if (s3_acl_allows(&acl, &nobody, S3_PERM_READ, false))
        ASSERT(s3_acl_is_public(&acl) && !s3_acl_is_private(&acl, STR("alice-id")));
}

static void tags_kept(const struct s3_tags *t)
{
    static struct s3_tags again;
    AUTO(buf_free) struct buf out = BUF(OUT_MAX);
    AUTO(buf_free) struct buf twice = BUF(OUT_MAX);
    s3_tags_encode(t, &out);
    ASSERT(!buf_err(&out) && s3_tags_decode(buf_str(&out), &again) == 0);
    s3_tags_encode(&again, &twice);
    ASSERT(again.n == t->n && str_eq(buf_str(&out), buf_str(&twice)));
}

/* Written, read and written again it is the same. */
static void encryption_xml(struct s3_req *q, const struct s3_node *root)
{
    struct s3_sse_defaults d, e;
    struct s3_node *again;
    AUTO(buf_free) struct buf record = BUF(OUT_MAX);
    AUTO(buf_free) struct buf xml = BUF(OUT_MAX);
    AUTO(buf_free) struct buf twice = BUF(OUT_MAX);
    if (s3_bucket_encryption_parse(q, root, &d) != S3ERR_OK)
        return;
    s3_sse_defaults_encode(&d, &record);
    ASSERT(!buf_err(&record) && s3_sse_defaults_decode(buf_str(&record), &e) == 0);
    buf_addf(&xml, "<x>");
    s3_bucket_encryption_write(&e, &xml);
    buf_addf(&xml, "</x>");
    int r = s3_xml_parse(buf_str(&xml), NULL, &q->arena, &again);
    ASSERT(r == 0 || r == -ENOMEM);
    if (r < 0)
        return;
    ASSERT(s3_bucket_encryption_parse(q, again, &e) == S3ERR_OK);
    s3_sse_defaults_encode(&e, &twice);
    ASSERT(str_eq(buf_str(&record), buf_str(&twice)));
}

/* What is accepted names a key by its ARN. */
static void another_key_xml(struct s3_req *q, const struct s3_node *root)
{
    struct s3_key_change c;
    if (s3_object_encryption_parse(q, root, &c) == S3ERR_OK)
        ASSERT(str_starts(c.id, STR("arn:aws")) && s3_kms_name_of(c.id).n < c.id.n);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct s3_kms kms; /* there; never asked */
    static struct s3_gw gw = {.region = STR_INIT("us-east-1"), .kms = &kms};
    static struct s3_req q;
    static struct s3_tags tags;
    if (size < 1)
        return 0;
    struct str rest = str_of(data + 1, size - 1);
    s3_req_init(&q);
    q.gw = &gw;
    q.now_ms = 1767322800000;
    struct s3_node *root;
    switch (data[0]) {
    case 'C':
        if (s3_xml_parse(rest, NULL, &q.arena, &root) == 0)
            cors_xml(&q, root);
        break;
    case 'L':
        if (s3_xml_parse(rest, NULL, &q.arena, &root) == 0)
            life_xml(&q, root);
        break;
    case 'W':
        if (s3_xml_parse(rest, NULL, &q.arena, &root) == 0)
            website_xml(&q, root);
        break;
    case 'E':
        if (s3_xml_parse(rest, NULL, &q.arena, &root) == 0)
            encryption_xml(&q, root);
        break;
    case 'K':
        if (s3_xml_parse(rest, NULL, &q.arena, &root) == 0)
            another_key_xml(&q, root);
        break;
    case 'w':
        website_record(&q, rest, false);
        break;
    case 'T':
        if (s3_tags_parse_form(rest, S3_TAGS_OBJECT_MAX, &q.arena, &tags) == S3_TAGS_OK) {
            ASSERT(tags.n <= S3_TAGS_OBJECT_MAX);
            tags_kept(&tags);
        }
        break;
    case 'c':
        cors_record(&q, rest, false);
        break;
    case 'l':
        life_record(rest, false);
        break;
    case 'a':
        acl_record(rest);
        break;
    case 't':
        if (s3_tags_decode(rest, &tags) == 0)
            tags_kept(&tags);
        break;
    default:
        break;
    }
    s3_req_fini(&q);
    return 0;
}
