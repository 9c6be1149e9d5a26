/* SPDX-License-Identifier: Apache-2.0 */
/*
 * bucket_lifecycle - the lifecycle configuration of a bucket, and the headers that tell when
 * something goes by it.
 *
 * Rule: s3-behaviours 20; Amazon S3 API Reference, PutBucketLifecycleConfiguration,
 * PutBucketLifecycle (the old document: a rule with Prefix), PutObject (x-amz-expiration),
 * CreateMultipartUpload.
 */
#include "s3gw/api/lifecycle.h"

#include "s3gw/api/amend.h"
#include "s3gw/api/answer.h"
#include "s3gw/api/handlers.h"
#include "s3gw/core/gw.h"
#include "s3gw/core/httpdate.h"
#include "s3gw/index/bucket.h"
#include "s3gw/lifecycle/rules.h"
#include "s3gw/policy/access.h"
#include "s3gw/xml/reader.h"
#include "s3gw/xml/writer.h"

static const struct str DOC = STR_INIT("lifecycle");
static const char minimum_header[] = "x-amz-transition-default-minimum-object-size";

/* --- the configuration --- */

enum s3err s3_h_get_bucket_lifecycle(struct s3_req *q)
{
    struct str record = s3_bucket_doc(q->bkt, DOC);
    if (!record.p)
        return s3_err(q, S3ERR_NO_SUCH_LIFECYCLE_CONFIGURATION, "BucketName", q->bucket);
    struct s3_life_doc doc;
    int r = s3_life_open(record, &doc);
    if (r == 0)
        r = s3_life_write(record, s3_answer_open(q, "LifecycleConfiguration"));
    if (r < 0)
        return s3err_from_errno(r, S3_THING_OTHER);
    s3_resp_header(q, minimum_header, s3_life_minimum_name(doc.minimum));
    return s3_answer_close(q, "LifecycleConfiguration");
}

static enum s3err parse(struct s3_req *q, enum s3_life_minimum minimum, struct buf *record)
{
    struct s3_node *root;
    enum s3err e = s3_document(q, "LifecycleConfiguration", &root);
    return e == S3ERR_OK ? s3_life_parse(q, root, minimum, record) : e;
}

enum s3err s3_h_put_bucket_lifecycle(struct s3_req *q)
{
    enum s3_life_minimum minimum = S3_LIFE_ALL_128K;
    struct str given = s3_req_header(q, str_c(minimum_header));
    if (given.p && s3_life_minimum_parse(given, &minimum) < 0)
        return s3_err_arg(q, "Invalid transition default minimum object size", minimum_header,
                          given);
    AUTO(buf_free) struct buf record = BUF(S3_LIFE_DOC_MAX);
    enum s3err e = s3_need_digest(q);
    if (e == S3ERR_OK)
        e = parse(q, minimum, &record);
    if (e == S3ERR_OK)
        e = s3_keep_bucket_doc(q, DOC, buf_str(&record));
    if (e == S3ERR_OK)
        s3_resp_header(q, minimum_header, s3_life_minimum_name(minimum));
    return e;
}

enum s3err s3_h_delete_bucket_lifecycle(struct s3_req *q)
{
    q->resp.status = 204;
    return s3_bucket_doc(q->bkt, DOC).p ? s3_keep_bucket_doc(q, DOC, STR_NULL) : S3ERR_OK;
}

/* --- when does it go? --- */

static bool judge(struct s3_req *q, const struct s3_life_thing *t, struct s3_life_verdict *v)
{
    struct str record = q->bkt ? s3_bucket_doc(q->bkt, DOC) : STR_NULL;
    return record.p && s3_life_judge(record, t, q->gw->lifecycle_day_ms, v) > 0;
}

/* Unreserved characters stay, the rest is %XX: ids hold quotes and line ends. */
static void add_encoded(struct buf *b, struct str s)
{
    for (size_t i = 0; i < s.n; i++) {
        char c = s.p[i];
        if ((c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
            c == '-' || c == '_' || c == '.' || c == '~')
            buf_addc(b, c);
        else
            buf_addf(b, "%%%02X", (unsigned)(uint8_t)c);
    }
}

void s3_lifecycle_object_header(struct s3_req *q, struct str key, const struct s3_object *o)
{
    struct s3_life_verdict v;
    const struct s3_life_thing t = {.kind = S3_LIFE_CURRENT,
                                    .key = key,
                                    .tags = o->tags,
                                    .size = o->size,
                                    .since_ms = o->mtime_ms};
    if (s3_req_has_param(q, STR("versionId")) || !judge(q, &t, &v))
        return;
    char date[S3_HTTPDATE_MAX];
    AUTO(buf_free) struct buf id = BUF(3 * S3_LIFE_ID_MAX + 1);
    (void)s3_httpdate_format(v.due_ms / 1000, date);
    add_encoded(&id, v.rule_id);
    if (buf_err(&id))
        q->resp.no_memory = true;
    else
        s3_resp_headerf(q, "x-amz-expiration", "expiry-date=\"%s\", rule-id=\"" STR_F "\"", date,
                        STR_A(buf_str(&id)));
}

void s3_lifecycle_upload_headers(struct s3_req *q, struct str key, int64_t started_ms)
{
    struct s3_life_verdict v;
    const struct s3_life_thing t = {.kind = S3_LIFE_UPLOAD, .key = key, .since_ms = started_ms};
    if (!judge(q, &t, &v))
        return;
    s3_resp_time(q, "x-amz-abort-date", v.due_ms);
    s3_resp_header(q, "x-amz-abort-rule-id", v.rule_id);
}
