/* SPDX-License-Identifier: Apache-2.0 */
/* UploadPart. Rule: s3-behaviours 6 and 16; S3 API Reference, UploadPart. */
#include "s3gw/api/answer.h"
#include "s3gw/api/commit.h"
#include "s3gw/api/cond.h"
#include "s3gw/api/encryption.h"
#include "s3gw/api/handlers.h"
#include "s3gw/api/ingest.h"
#include "s3gw/api/object_headers.h"
#include "s3gw/core/body.h"
#include "s3gw/core/gw.h"
#include "s3gw/index/bucket.h"
#include "s3gw/index/upload.h"
#include "s3gw/lifecycle/note.h"

enum { PART_NUMBER_MAX = 10000 };

struct part {
    struct s3_ingest in; /* first: an ingest of ours is a part */
    struct s3_upload upload;
    struct s3_upart u;
    bool keep_checksum; /* the upload has declared the algorithm */
    struct s3_seal seal;
};

static int describe(struct s3_ingest *in, struct buf *out)
{
    struct part *p = (struct part *)in;
    const struct s3_req *q = in->q;
    p->u.size = in->size;
    p->u.mtime_ms = q->now_ms;
    memcpy(p->u.md5, in->md5, 16);
    p->u.checksum = p->keep_checksum ? in->q->plan->got : (struct s3_checksum){0};
    p->u.crc64 = in->q->plan->got_crc64;
    return s3_note_describe_part(q->gw, q->bkt, q->key, p->upload.useq, &p->u, out);
}

static int commit(struct s3_tx *tx, struct s3_ingest *in)
{
    struct part *p = (struct part *)in;
    p->u.extents = &in->extent;
    p->u.nextents = in->nextents;
    return s3_upload_put_part(tx, in->q->bkt->bid, in->q->key, p->upload.useq, &p->u);
}

static void answer(struct s3_ingest *in)
{
    struct part *p = (struct part *)in;
    struct s3_etag etag = {.parts = 0};
    memcpy(etag.md5, in->md5, 16);
    s3_resp_etag(in->q, &etag);
    const struct s3_checksum *c = &p->u.checksum;
    char text[S3_CK_TEXT_MAX];
    if (c->alg != S3_CK_NONE) /* without a type: that is the upload's */
        s3_resp_header(in->q, s3_checksum_info(c->alg)->header,
                       str_of(text, s3_checksum_text(c, 0, text)));
    s3_encryption_headers(in->q, &p->upload.proto, false);
}

/* The upload has been completed or aborted meanwhile. */
static enum s3err error(struct s3_req *q, int r)
{
    return r == -ENOENT
               ? s3_err(q, S3ERR_NO_SUCH_UPLOAD, "UploadId", s3_req_param(q, STR("uploadId")))
               : s3_commit_error(q, r);
}

/* Which checksum the part gets, by what the upload declared and what the request brings. */
static enum s3err choose_checksum(struct s3_req *q, struct part *p)
{
    enum s3_checksum_alg declared = p->upload.ck_alg;
    struct s3_body_plan *plan = q->plan;
    p->keep_checksum = declared != S3_CK_NONE;
    plan->compute_crc64_too = true;
    if (declared == S3_CK_NONE || plan->compute == declared)
        return S3ERR_OK;
    if (plan->compute != S3_CK_NONE)
        return s3_errm(q, S3ERR_INVALID_REQUEST,
                       "Checksum Type mismatch occurred, expected checksum Type: " STR_F
                       ", actual checksum Type: " STR_F,
                       STR_A(s3_checksum_info(declared)->name),
                       STR_A(s3_checksum_info(plan->compute)->name));
    if (p->upload.ck_type == S3_CK_COMPOSITE) /* Differs: as AWS, see s3-behaviours 6 */
        return s3_errm(q, S3ERR_INVALID_REQUEST,
                       "Checksum Type mismatch occurred, expected checksum Type: " STR_F
                       ", actual checksum Type: null",
                       STR_A(s3_checksum_info(declared)->name));
    plan->compute = declared;
    return S3ERR_OK;
}

static enum s3err find_upload(struct s3_req *q, struct part *p)
{
    struct str id = s3_req_param(q, STR("uploadId"));
    int r = s3_upload_get(q->gw->index, q->bkt->bid, q->key, id,
                          q->may_block ? S3_READ_ANY : S3_READ_CACHED, &q->arena, &p->upload);
    if (r == -EAGAIN && !q->may_block)
        return S3ERR_WOULD_BLOCK;
    if (r == -ENOENT || r == -EINVAL)
        return error(q, -ENOENT);
    return s3err_from_errno(r, S3_THING_UPLOAD);
}

enum s3err s3_h_upload_part(struct s3_req *q)
{
    struct part *p = arena_alloc(&q->arena, sizeof(*p));
    if (!p)
        return S3ERR_SLOW_DOWN;
    p->in = (struct s3_ingest){
        .q = q, .describe = describe, .commit = commit, .answer = answer, .error = error};
    struct str number = s3_req_param(q, STR("partNumber"));
    uint64_t n;
    if (str_u64(number, PART_NUMBER_MAX, &n) < 0 || n == 0)
        return s3_err_arg(q, "Part number must be an integer between 1 and 10000, inclusive",
                          "partNumber", number);
    p->u.number = (uint32_t)n;
    enum s3err e = find_upload(q, p);
    if (e == S3ERR_OK)
        e = s3_encryption_of_part(q, &p->upload.proto, p->u.number, &p->seal);
    if (e == S3ERR_OK)
        e = choose_checksum(q, p);
    p->in.storage_class = p->upload.proto.storage_class;
    return e == S3ERR_OK ? s3_ingest_begin(&p->in) : e;
}
