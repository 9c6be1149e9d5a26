/* SPDX-License-Identifier: Apache-2.0 */
/* service - ListBuckets. Rule: s3-behaviours 9; Amazon S3 API Reference, ListBuckets. */
#include "s3gw/api/answer.h"
#include "s3gw/api/handlers.h"
#include "s3gw/api/token.h"
#include "s3gw/core/gw.h"
#include "s3gw/index/bucket.h"
#include "s3gw/xml/writer.h"

enum { MAX_BUCKETS = 10000 };

struct page {
    struct str owner; /* absent: everybody's, for root */
    struct str prefix;
    struct str after;
    size_t max;
    bool paged; /* a parameter asked for the newer form of the answer */
};

static enum s3err page_of(struct s3_req *q, struct page *p)
{
    struct str max = s3_req_param(q, STR("max-buckets"));
    uint64_t n = MAX_BUCKETS;
    if (max.n > 0 && (str_u64(max, MAX_BUCKETS, &n) < 0 || n == 0))
        return s3_err_arg(q, "Argument max-buckets must be an integer between 1 and 10000",
                          "max-buckets", max);
    struct str token = s3_req_param(q, STR("continuation-token"));
    if (token.n > 0 && s3_token_decode(&q->arena, token, &p->after) < 0)
        return s3_err_arg(q, "The continuation token provided is incorrect", "continuation-token",
                          token);
    /* Whom a policy lets list, sees what root sees; others their own. */
    p->owner = q->who.root || q->who.policies.n > 0 ? STR_NULL : q->who.user_id;
    p->prefix = s3_req_param(q, STR("prefix"));
    p->max = (size_t)n;
    p->paged =
        max.n > 0 || token.n > 0 || p->prefix.n > 0 || s3_req_has_param(q, STR("bucket-region"));
    return S3ERR_OK;
}

static void bucket_element(struct s3_req *q, struct buf *b, const struct s3_bucket *bkt,
                           bool region)
{
    s3_xml_open(b, "Bucket");
    s3_xml_text(b, "Name", bkt->name);
    s3_xml_time(b, "CreationDate", bkt->created_ms);
    if (region)
        s3_xml_text(b, "BucketRegion", q->gw->region);
    s3_xml_close(b, "Bucket");
}

enum s3err s3_h_list_buckets(struct s3_req *q)
{
    struct page p = {0};
    enum s3err e = page_of(q, &p);
    if (e != S3ERR_OK)
        return e;
    struct s3_bucket *buckets = NULL;
    size_t n = 0;
    bool more = false;
    struct str region = s3_req_param(q, STR("bucket-region"));
    if (region.n == 0 || str_eq(region, q->gw->region)) {
        int r = s3_bucket_list(q->gw->index, p.owner, p.prefix, p.after, p.max, &q->arena, &buckets,
                               &n, &more);
        if (r < 0)
            return s3err_from_errno(r, S3_THING_OTHER);
    }
    struct buf *b = s3_answer_open(q, "ListAllMyBucketsResult");
    s3_xml_owner(q, b, "Owner", q->who.user_id);
    s3_xml_open(b, "Buckets");
    for (size_t i = 0; i < n; i++)
        bucket_element(q, b, &buckets[i], p.paged);
    s3_xml_close(b, "Buckets");
    if (more && n > 0)
        s3_token_element(b, "ContinuationToken", buckets[n - 1].name);
    if (p.prefix.n > 0)
        s3_xml_text(b, "Prefix", p.prefix);
    return s3_answer_close(q, "ListAllMyBucketsResult");
}
