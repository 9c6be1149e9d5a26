/* SPDX-License-Identifier: Apache-2.0 */
#include "s3gw/api/tagging.h"

#include "s3gw/api/amend.h"
#include "s3gw/api/answer.h"
#include "s3gw/api/handlers.h"
#include "s3gw/api/lookup.h"
#include "s3gw/index/bucket.h"
#include "s3gw/policy/access.h"
#include "s3gw/policy/eval.h"
#include "s3gw/xml/writer.h"

static const struct str DOC = STR_INIT("tagging");

enum s3err s3_tags_of_xml(struct s3_req *q, const struct s3_node *set, size_t max, struct str *ret)
{
    struct s3_tags tags = {0};
    for (const struct s3_node *n = s3_node_child(set, "Tag"); n; n = s3_node_find(n->next, "Tag")) {
        struct s3_tag t = {s3_node_text(n, "Key"), s3_node_text(n, "Value")};
        if (!t.key.p || !t.value.p)
            return S3ERR_MALFORMED_XML;
        if (tags.n == max) /* Differs: InvalidTag elsewhere; BadRequest is what AWS's code is */
            return s3_errm(q, S3ERR_BAD_REQUEST, "%s tags cannot be greater than %zu",
                           max == S3_TAGS_OBJECT_MAX ? "Object" : "Bucket", max);
        tags.tag[tags.n++] = t;
    }
    struct s3_tag bad = {0};
    if (s3_tags_check(&tags, max, &bad) != S3_TAGS_OK)
        return s3_err2(q, S3ERR_INVALID_TAG, "TagKey", bad.key, "TagValue", bad.value);
    AUTO(buf_free) struct buf b = BUF(128 * 1024);
    s3_tags_encode(&tags, &b);
    *ret = buf_err(&b) ? STR_NULL : arena_str(&q->arena, buf_str(&b));
    return ret->p ? S3ERR_OK : s3err_from_errno(-ENOMEM, S3_THING_OTHER);
}

static enum s3err document(struct s3_req *q, size_t max, struct str *ret)
{
    struct s3_node *root;
    enum s3err e = s3_document(q, "Tagging", &root);
    if (e != S3ERR_OK)
        return e;
    const struct s3_node *set = s3_node_child(root, "TagSet");
    return set ? s3_tags_of_xml(q, set, max, ret) : S3ERR_MALFORMED_XML;
}

static enum s3err answer(struct s3_req *q, struct str encoded)
{
    struct s3_tags tags;
    int r = s3_tags_decode(encoded, &tags);
    if (r < 0)
        return s3err_from_errno(r, S3_THING_OTHER);
    struct buf *b = s3_answer_open(q, "Tagging");
    s3_xml_open(b, "TagSet");
    for (size_t i = 0; i < tags.n; i++) {
        s3_xml_open(b, "Tag");
        s3_xml_text(b, "Key", tags.tag[i].key);
        s3_xml_text(b, "Value", tags.tag[i].value);
        s3_xml_close(b, "Tag");
    }
    s3_xml_close(b, "TagSet");
    return s3_answer_close(q, "Tagging");
}

/* --- buckets --- */

enum s3err s3_h_get_bucket_tagging(struct s3_req *q)
{
    struct str tags = s3_bucket_doc(q->bkt, DOC);
    if (s3_tags_count(tags) == 0)
        return s3_err(q, S3ERR_NO_SUCH_TAG_SET, "BucketName", q->bucket);
    return answer(q, tags);
}

static enum s3err set_bucket_tags(struct s3_req *q, struct str tags)
{
    q->resp.status = 204;
    return s3_keep_bucket_doc(q, DOC, tags);
}

enum s3err s3_h_put_bucket_tagging(struct s3_req *q)
{
    struct str tags;
    enum s3err e = document(q, S3_TAGS_BUCKET_MAX, &tags);
    return e == S3ERR_OK ? set_bucket_tags(q, tags) : e;
}

enum s3err s3_h_delete_bucket_tagging(struct s3_req *q)
{
    return set_bucket_tags(q, STR_NULL);
}

/* --- objects --- */

enum s3err s3_h_get_object_tagging(struct s3_req *q)
{
    struct s3_object o;
    enum s3err e = s3_lookup_said(q, false, &o);
    return e == S3ERR_OK ? answer(q, o.tags) : e;
}

enum s3err s3_h_put_object_tagging(struct s3_req *q)
{
    struct str tags;
    enum s3err e = document(q, S3_TAGS_OBJECT_MAX, &tags);
    if (e != S3ERR_OK)
        return e;
    q->body_tags = tags;
    q->body_told = true;
    e = s3_policy_check(q);
    return e == S3ERR_OK ? s3_amend(q, S3_SECTION_TAGS, tags) : e;
}

enum s3err s3_h_delete_object_tagging(struct s3_req *q)
{
    q->resp.status = 204;
    return s3_amend(q, S3_SECTION_TAGS, STR_NULL);
}
