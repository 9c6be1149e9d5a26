/* SPDX-License-Identifier: Apache-2.0 */
/* PutObject, and PostObject once its fields are headers. Rule: s3-behaviours 10, 12, 13; S3 API
 * Reference, PutObject. */
#include "s3gw/api/commit.h"
#include "s3gw/api/cond.h"
#include "s3gw/api/handlers.h"
#include "s3gw/api/ingest.h"
#include "s3gw/api/lock.h"
#include "s3gw/api/notice.h"
#include "s3gw/api/object_headers.h"
#include "s3gw/api/post_object.h"
#include "s3gw/core/body.h"
#include "s3gw/core/gw.h"
#include "s3gw/index/bucket.h"
#include "s3gw/lifecycle/note.h"

struct put {
    struct s3_ingest in; /* first: an ingest of ours is a put */
    struct s3_object o;
    struct s3_cond cond;
};

static int describe(struct s3_ingest *in, struct buf *out)
{
    struct put *p = (struct put *)in;
    const struct s3_req *q = in->q;
    uint64_t before = p->o.seq;
    if (before == 0) { /* later the commit has said what is to be described */
        p->o.size = in->size;
        p->o.mtime_ms = q->now_ms;
        p->o.flags = s3_new_version_flags(q->bkt);
        memcpy(p->o.etag.md5, in->md5, 16);
        p->o.checksum = in->q->plan->got;
    }
    p->o.seq = s3_index_number(q->gw->index);
    p->o.flags &= ~S3_OBJ_UNSAID;
    return s3_note_describe_put(q->gw, p->o.seq, q->bkt, q->key, &p->o, before, out);
}

static int undo(struct s3_ingest *in, struct buf *out)
{
    const struct put *p = (struct put *)in;
    struct s3_desc_change c = {.version = p->o.seq};
    return s3_note_describe_change(in->q->gw, S3_DESC_VOID, in->q->bkt, in->q->key, &c, NULL, out);
}

static int commit(struct s3_tx *tx, struct s3_ingest *in)
{
    struct put *p = (struct put *)in;
    p->o.extents = &in->extent;
    p->o.nextents = in->nextents;
    int r = s3_object_put(tx, in->q->bkt->bid, in->q->key, &p->cond, &p->o);
    if (r == 0)
        s3_notice_object(tx, in->q, in->q->post ? S3_EVENT_CREATED_POST : S3_EVENT_CREATED_PUT,
                         in->q->key, &p->o);
    return r;
}

static void answer(struct s3_ingest *in)
{
    struct put *p = (struct put *)in;
    s3_object_written_headers(in->q, &p->o);
    s3_object_checksum_headers(in->q, &p->o);
    if (in->q->post)
        s3_post_answer(in->q, &p->o);
}

/* A condition that fails now spares the client its upload; the commit judges again. */
static enum s3err judge_early(struct s3_req *q, const struct s3_cond *cond)
{
    if (!cond->if_none_match_any && !cond->has_if_match)
        return S3ERR_OK;
    struct s3_object current;
    int r = s3_object_get(q->gw->index, q->bkt->bid, q->key,
                          q->may_block ? S3_READ_ANY : S3_READ_CACHED, false, &q->arena, &current);
    if (r == -EAGAIN && !q->may_block)
        return S3ERR_WOULD_BLOCK;
    if (r < 0 && r != -ENOENT)
        return s3err_from_errno(r, S3_THING_KEY);
    return s3_commit_error(q, s3_cond_judge(cond, r == 0 ? &current : NULL));
}

/* What is to be kept for years must arrive whole: AWS wants a digest of it. Differs: a signed
 * SHA-256 is one here, not at AWS, since clients that send no other were never run against it. */
static enum s3err check_digest_of_locked(struct s3_req *q)
{
    const struct s3_body_plan *plan = q->plan;
    if (!s3_lock_in_headers(q) || plan->has_sha256 || plan->has_md5 || plan->has_trailer ||
        plan->expect.alg != S3_CK_NONE)
        return S3ERR_OK;
    return s3_errm(q, S3ERR_INVALID_REQUEST,
                   "Content-MD5 OR x-amz-checksum- HTTP header is required for Put Object requests "
                   "with Object Lock parameters");
}

enum s3err s3_h_put_object(struct s3_req *q)
{
    struct put *p = arena_alloc(&q->arena, sizeof(*p));
    if (!p)
        return S3ERR_SLOW_DOWN;
    p->in = (struct s3_ingest){.q = q,
                               .describe = describe,
                               .undo = undo,
                               .commit = commit,
                               .answer = answer,
                               .error = s3_commit_error};
    enum s3err e = s3_object_headers_from(q, &p->o);
    if (e == S3ERR_OK)
        e = check_digest_of_locked(q);
    if (e == S3ERR_OK)
        e = s3_cond_of_write(q, &p->cond);
    if (e == S3ERR_OK)
        e = judge_early(q, &p->cond);
    if (e != S3ERR_OK)
        return e;
    p->in.storage_class = p->o.storage_class;
    if (q->plan->compute == S3_CK_NONE)
        q->plan->compute = S3_CK_CRC64NVME;
    return s3_ingest_begin(&p->in);
}
