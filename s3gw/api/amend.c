/* SPDX-License-Identifier: Apache-2.0 */
#include "s3gw/api/amend.h"

#include "s3gw/api/commit.h"
#include "s3gw/api/cond.h"
#include "s3gw/api/lookup.h"
#include "s3gw/api/notice.h"
#include "s3gw/core/gw.h"

enum { TRIES = 8 };

struct change {
    uint64_t bid;
    struct str key;
    struct s3_amendment m;
    struct s3_req *q;
    const struct s3_object *o; /* as it was read, for who is told */
};

static int amend(struct s3_tx *tx, void *arg)
{
    const struct change *c = arg;
    int r = s3_object_amend(tx, c->bid, c->key, &c->m);
    if (r == 0)
        s3_notice_object(tx, c->q,
                         c->m.what == S3_SECTION_ACL ? S3_EVENT_ACL_PUT
                         : c->m.value.p              ? S3_EVENT_TAGGING_PUT
                                                     : S3_EVENT_TAGGING_DELETE,
                         c->key, c->o);
    return r;
}

enum s3err s3_amend(struct s3_req *q, enum s3_section what, struct str value)
{
    int r = -EAGAIN;
    for (int i = 0; r == -EAGAIN && i < TRIES; i++) {
        struct s3_object o;
        q->resp.nheaders = 0; /* the look-up says which version it is */
        enum s3err e = s3_lookup_said(q, true, &o);
        if (e != S3ERR_OK)
            return e;
        struct change c = {
            q->bkt->bid, q->key, {.seq = o.seq, .what = what, .value = value}, q, &o};
        r = s3_commit_amendment(q, q->bkt, q->key, &c.m, amend, &c);
    }
    return s3_commit_error(q, r);
}

enum s3err s3_keep_bucket_doc_if(struct s3_req *q, struct str doc, struct str value,
                                 s3_bucket_may may)
{
    int r = s3_commit_bucket_doc_if(q, doc, value, may);
    if (r == -ENOENT)
        return s3_err(q, S3ERR_NO_SUCH_BUCKET, "BucketName", q->bucket);
    return r == -ECANCELED ? S3ERR_OPERATION_ABORTED : s3err_from_errno(r, S3_THING_BUCKET);
}

enum s3err s3_keep_bucket_doc(struct s3_req *q, struct str doc, struct str value)
{
    return s3_keep_bucket_doc_if(q, doc, value, NULL);
}

enum s3err s3_keep_bucket_record(struct s3_req *q, struct str doc, const struct buf *record,
                                 const char *kind)
{
    if (buf_err(record) == -E2BIG)
        return s3_errm(q, S3ERR_INVALID_REQUEST, "%s configuration is larger than %zu KB.", kind,
                       record->max / 1024);
    return buf_err(record) ? s3err_from_errno(buf_err(record), S3_THING_OTHER)
                           : s3_keep_bucket_doc(q, doc, buf_str(record));
}
