/* SPDX-License-Identifier: Apache-2.0 */
#include "s3gw/api/tagging.h"

enum s3err s3_tags_of_xml(struct s3_req *q, const struct s3_node *set, size_t max, struct str *ret)
{
    struct s3_tags tags = {0};
    for (const struct s3_node *n = s3_node_child(set, "Tag"); n; n = s3_node_find(n->next, "Tag")) {
        struct s3_tag t = {s3_node_text(n, "Key"), s3_node_text(n, "Value")};
        if (!t.key.p || !t.value.p)
            return S3ERR_MALFORMED_XML;
        if (tags.n == max)
            return s3_errm(q, S3ERR_BAD_REQUEST, "Tags cannot be greater than %zu", max);
        tags.tag[tags.n++] = t;
    }
    struct s3_tag bad;
    if (s3_tags_check(&tags, max, &bad) != S3_TAGS_OK)
        return s3_err2(q, S3ERR_INVALID_TAG, "TagKey", bad.key, "TagValue", bad.value);
    AUTO(buf_free) struct buf b = BUF(128 * 1024);
    s3_tags_encode(&tags, &b);
    *ret = buf_err(&b) ? STR_NULL : arena_str(&q->arena, buf_str(&b));
    return ret->p ? S3ERR_OK : s3err_from_errno(-ENOMEM, S3_THING_OTHER);
}
