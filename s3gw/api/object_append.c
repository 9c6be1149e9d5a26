/* SPDX-License-Identifier: Apache-2.0 */
/*
 * AppendObject: PutObject with x-amz-write-offset-bytes, as S3 Express One Zone has it, in buckets
 * that never had versioning.
 *
 * Data that is there is not touched: the new bytes are a file of their own, and the record names
 * one extent and one part more. The number of the version read before the body is the condition of
 * the commit, so of several appends to one offset one wins, whatever their bytes took.
 *
 * Encrypted: as the object is, with its data key; what is appended is a stream of its own, of the next
 *            part's number.
 * ETag:      an object that had no bytes yet has the MD5 of its data. Else the MD5 of the 16 bytes
 *            of the ETag before and the 16 bytes of the MD5 of what was appended (random ones with
 *            SSE-C and SSE-KMS), then "-" and the number of parts: it changes with each append, and
 *            no client takes it for an MD5.
 * Checksums: of the object's own algorithm. CRCs of the whole go on being that, by combining;
 * others become COMPOSITE, of one part an append. Whatever the client sent is verified. Metadata:
 * the object keeps what it has; an append that names other is refused. Content-Type alone, which
 * many clients send unasked, is not looked at.
 *
 * Rule: S3 API Reference, PutObject; S3 User Guide, "Appending data to objects in directory
 * buckets".
 */
#include "s3gw/api/commit.h"
#include "s3gw/api/cond.h"
#include "s3gw/api/encryption.h"
#include "s3gw/api/handlers.h"
#include "s3gw/api/ingest.h"
#include "s3gw/api/notice.h"
#include "s3gw/api/object_headers.h"
#include "s3gw/core/body.h"
#include "s3gw/core/digest.h"
#include "s3gw/core/gw.h"
#include "s3gw/index/bucket.h"
#include "s3gw/lifecycle/note.h"
#include "s3gw/policy/acl.h"

enum { PARTS_MAX = 10000 };

struct append {
    struct s3_ingest in; /* first: an ingest of ours is an append */
    bool creates;        /* nothing is there yet */
    struct s3_object base;
    struct s3_object o;  /* what it becomes */
    struct s3_seal seal; /* of the appended bytes */
    struct str sse;      /* what it says of its keys, when bytes are appended */
    struct s3_cond cond; /* the client's */
};

static enum s3err no_memory(void)
{
    return s3err_from_errno(-ENOMEM, S3_THING_OTHER);
}

static enum s3err wrong_offset(struct s3_req *q, uint64_t size)
{
    return s3_err(q, S3ERR_INVALID_WRITE_OFFSET, "ObjectSize",
                  arena_printf(&q->arena, "%llu", (unsigned long long)size));
}

/* --- before the body --- */

static enum s3err offset_of(struct s3_req *q, uint64_t *ret)
{
    struct str text = s3_req_option(q, STR("x-amz-write-offset-bytes"));
    return str_u64(text, INT64_MAX, ret) == 0
               ? S3ERR_OK
               : s3_err_arg(q, "The write offset must be a number of bytes.",
                            "x-amz-write-offset-bytes", str_head(text, 256));
}

static enum s3err load(struct s3_req *q, struct append *p)
{
    int r = s3_object_get(q->gw->index, q->bkt->bid, q->key,
                          q->may_block ? S3_READ_ANY : S3_READ_CACHED, true, &q->arena, &p->base);
    if (r == -EAGAIN && !q->may_block)
        return S3ERR_WOULD_BLOCK;
    p->creates = r == -ENOENT;
    return p->creates ? S3ERR_OK : s3err_from_errno(r, S3_THING_KEY);
}

/* Nothing of the object may be asked for otherwise than it is. */
static enum s3err changes_nothing(struct s3_req *q, const struct append *p)
{
    struct s3_object asked = {0};
    bool other = s3_acl_in_headers(q);
    enum s3err e = other ? S3ERR_OK : s3_object_headers_from(q, &asked);
    if (e != S3ERR_OK)
        return e;
    for (size_t i = 0; i < asked.nheaders; i++)
        other = other || !str_eq(asked.headers[i].name, STR("content-type"));
    bool class_given = s3_req_option(q, STR("x-amz-storage-class")).n > 0;
    other = other || asked.tags.p || asked.lock.p ||
            (class_given && !str_eq(asked.storage_class, p->base.storage_class));
    if (other)
        return s3_errm(q, S3ERR_INVALID_REQUEST,
                       "An append cannot change the metadata, tags, ACL or storage class of the "
                       "object.");
    return S3ERR_OK;
}

/* The appended bytes need a checksum of the object's algorithm, beside what the client sent. */
static enum s3err plan_checksum(struct s3_req *q, const struct append *p)
{
    enum s3_checksum_alg alg = p->base.checksum.alg;
    struct s3_body_plan *plan = q->plan;
    if (plan->compute == S3_CK_NONE)
        plan->compute = alg;
    else if (alg == S3_CK_CRC64NVME)
        plan->compute_crc64_too = true;
    else if (alg != S3_CK_NONE && plan->compute != alg)
        return s3_errm(q, S3ERR_INVALID_REQUEST,
                       "The checksum of an append must be of the object's algorithm, " STR_F ".",
                       STR_A(s3_checksum_info(alg)->name));
    return S3ERR_OK;
}

/* The number of the part that is appended; 0: it becomes all of the object. */
static uint32_t next_part(const struct s3_object *base)
{
    if (base->nparts > 0)
        return base->parts[base->nparts - 1].number + 1;
    return base->size > 0 ? 2 : 0;
}

static enum s3err judge_base(struct s3_req *q, struct append *p, uint64_t offset)
{
    enum s3err e = s3_commit_error(q, s3_cond_judge(&p->cond, &p->base));
    if (e != S3ERR_OK)
        return e;
    if (offset != p->base.size)
        return wrong_offset(q, p->base.size);
    if (p->base.flags & S3_OBJ_ADOPTED)
        return s3_errm(
            q, S3ERR_NOT_IMPLEMENTED,
            "Appending to an adopted FastDFS file is not offered; a copy of it can grow.");
    if (p->base.nparts >= PARTS_MAX)
        return s3_errm(q, S3ERR_TOO_MANY_PARTS,
                       "You have attempted to add more parts than the maximum of %d that are "
                       "allowed for this object.",
                       PARTS_MAX);
    e = changes_nothing(q, p);
    if (e == S3ERR_OK) /* as the object is, whatever the bucket has for new ones */
        e = s3_encryption_of_append(q, &p->base, next_part(&p->base), &p->seal, &p->sse);
    return e == S3ERR_OK ? plan_checksum(q, p) : e;
}

static enum s3err judge_new(struct s3_req *q, struct append *p, uint64_t offset)
{
    enum s3err e = s3_commit_error(q, s3_cond_judge(&p->cond, NULL));
    if (e == S3ERR_OK && offset != 0)
        e = wrong_offset(q, 0);
    if (e == S3ERR_OK)
        e = s3_object_headers_from(q, &p->o);
    if (e == S3ERR_OK && q->plan->compute == S3_CK_NONE)
        q->plan->compute = S3_CK_CRC64NVME;
    return e;
}

/* --- what it becomes --- */

/* One part per append; what was there before the first is one too. */
static int add_part(struct append *p, const struct s3_checksum *sum)
{
    const struct s3_object *b = &p->base;
    struct s3_object *o = &p->o;
    struct s3_part *parts = arena_alloc(&p->in.q->arena, (b->nparts + 2) * sizeof(*parts));
    if (!parts)
        return -ENOMEM;
    size_t n = b->nparts;
    if (n > 0)
        memcpy(parts, b->parts, n * sizeof(*parts));
    else
        parts[n++] = (struct s3_part){1, b->size, b->checksum};
    parts[n] = (struct s3_part){next_part(b), p->in.size, *sum};
    o->parts = parts;
    o->nparts = n + 1;
    return 0;
}

/* Of a CRC of the whole that of the longer whole; of anything else the digest of the parts'
 * digests. */
static int joined(const struct append *p, const struct s3_checksum *sum, struct s3_checksum *ret)
{
    const struct s3_checksum *was = &p->base.checksum;
    bool full = was->type == S3_CK_FULL_OBJECT && s3_checksum_info(was->alg)->full_object;
    struct s3_checksum_join j;
    int r = s3_checksum_join_init(&j, was->alg, full ? S3_CK_FULL_OBJECT : S3_CK_COMPOSITE);
    if (r < 0)
        return r;
    if (full) {
        r = s3_checksum_join_add(&j, was, p->base.size);
        if (r == 0)
            r = s3_checksum_join_add(&j, sum, p->in.size);
    }
    for (size_t i = 0; r == 0 && !full && i < p->o.nparts; i++)
        r = s3_checksum_join_add(&j, &p->o.parts[i].checksum, p->o.parts[i].size);
    if (r == 0)
        s3_checksum_join_final(&j, ret);
    s3_checksum_join_fini(&j);
    return r;
}

static int add_checksum(struct append *p, const struct s3_checksum *sum)
{
    if (p->base.checksum.alg == S3_CK_NONE)
        return 0;
    int r = joined(p, sum, &p->o.checksum);
    if (r != -EINVAL)
        return r;
    p->o.checksum = (struct s3_checksum){0}; /* a part of long ago has none: nor has the whole */
    return 0;
}

static int lengthen(struct append *p)
{
    const struct s3_body_plan *plan = p->in.q->plan;
    const struct s3_object *b = &p->base;
    const struct s3_checksum *sum =
        plan->got.alg == b->checksum.alg ? &plan->got : &plan->got_crc64;
    p->o = *b;
    p->o.upload_id = STR_NULL;
    p->o.size = b->size + p->in.size;
    if (b->size == 0 && b->nparts == 0) {
        memcpy(p->o.etag.md5, p->in.md5, 16);
        p->o.checksum = b->checksum.alg == S3_CK_NONE ? b->checksum : *sum;
        return 0;
    }
    if (p->in.size == 0)
        return 0; /* nothing is appended, and nothing changes */
    p->o.sse = p->sse;
    uint8_t both[32];
    memcpy(both, b->etag.md5, 16);
    memcpy(both + 16, p->in.md5, 16);
    s3_md5(both, sizeof(both), p->o.etag.md5);
    int r = add_part(p, sum);
    if (r == 0)
        r = add_checksum(p, sum);
    p->o.etag.parts = (uint32_t)p->o.nparts;
    return r;
}

static int describe(struct s3_ingest *in, struct buf *out)
{
    struct append *p = (struct append *)in;
    const struct s3_req *q = in->q;
    uint64_t before = p->o.seq;
    int r = 0;
    if (before != 0) { /* the commit has said what is to be described */
        p->o.flags &= ~S3_OBJ_UNSAID;
        p->o.seq = s3_index_number(q->gw->index);
        return s3_note_describe_put(q->gw, p->o.seq, q->bkt, q->key, &p->o, before, out);
    }
    if (p->creates) {
        p->o.size = in->size;
        memcpy(p->o.etag.md5, in->md5, 16);
        p->o.checksum = q->plan->got;
    } else {
        r = lengthen(p);
    }
    p->o.mtime_ms = MAX(q->now_ms, p->base.mtime_ms);
    p->o.flags = s3_new_version_flags(q->bkt);
    p->o.amended = 0;
    p->o.seq = s3_index_number(q->gw->index);
    return r < 0 ? r : s3_note_describe_put(q->gw, p->o.seq, q->bkt, q->key, &p->o, 0, out);
}

static int undo(struct s3_ingest *in, struct buf *out)
{
    const struct append *p = (struct append *)in;
    struct s3_desc_change c = {.version = p->o.seq};
    return s3_note_describe_change(in->q->gw, S3_DESC_VOID, in->q->bkt, in->q->key, &c, NULL, out);
}

/* --- the commit --- */

static int commit_new(struct s3_tx *tx, struct append *p)
{
    struct s3_cond cond = p->cond;
    cond.if_none_match_any = true;
    p->o.extents = &p->in.extent;
    p->o.nextents = p->in.nextents;
    int r = s3_object_put(tx, p->in.q->bkt->bid, p->in.q->key, &cond, &p->o);
    return r == -EEXIST && !p->cond.if_none_match_any ? -ERANGE : r;
}

static int commit(struct s3_tx *tx, struct s3_ingest *in)
{
    struct append *p = (struct append *)in;
    struct s3_req *q = in->q;
    if (p->creates) {
        int r = commit_new(tx, p);
        if (r == 0)
            s3_notice_object(tx, q, S3_EVENT_CREATED_PUT, q->key, &p->o);
        return r;
    }
    size_t n = p->base.nextents;
    struct s3_extent *all = arena_alloc(&q->arena, (n + 1) * sizeof(*all));
    if (!all)
        return -ENOMEM;
    if (n > 0)
        memcpy(all, p->base.extents, n * sizeof(*all));
    if (in->nextents > 0)
        all[n++] = in->extent;
    p->o.extents = all;
    p->o.nextents = n;
    int r = s3_object_append(tx, q->bkt->bid, q->key, &p->cond, &p->base, &p->o);
    if (r == 0)
        s3_notice_object(tx, q, S3_EVENT_CREATED_PUT, q->key, &p->o);
    return r;
}

static void answer(struct s3_ingest *in)
{
    struct append *p = (struct append *)in;
    s3_object_written_headers(in->q, &p->o);
    s3_object_checksum_headers(in->q, &p->o);
    s3_resp_headerf(in->q, "x-amz-object-size", "%llu", (unsigned long long)p->o.size);
}

static enum s3err refused(struct s3_req *q, int r)
{
    if (r == -ERANGE) { /* another append, or something else, came first */
        struct s3_object now;
        int found = s3_object_get(q->gw->index, q->bkt->bid, q->key, S3_READ_CACHED, false,
                                  &q->arena, &now);
        return found == 0         ? wrong_offset(q, now.size)
               : found == -ENOENT ? wrong_offset(q, 0)
                                  : S3ERR_INVALID_WRITE_OFFSET;
    }
    return r == -EAGAIN ? S3ERR_OPERATION_ABORTED : s3_commit_error(q, r);
}

enum s3err s3_h_append_object(struct s3_req *q)
{
    struct append *p = arena_alloc(&q->arena, sizeof(*p));
    uint64_t offset = 0;
    if (!p)
        return no_memory();
    *p = (struct append){.in = {.q = q,
                                .describe = describe,
                                .undo = undo,
                                .commit = commit,
                                .answer = answer,
                                .error = refused}};
    if (q->bkt->versioning.p)
        return s3_errm(q, S3ERR_NOT_IMPLEMENTED,
                       "Appending is not offered in a bucket that has versioning.");
    enum s3err e = offset_of(q, &offset);
    if (e == S3ERR_OK)
        e = s3_cond_of_write(q, &p->cond);
    if (e == S3ERR_OK)
        e = load(q, p);
    if (e == S3ERR_OK)
        e = p->creates ? judge_new(q, p, offset) : judge_base(q, p, offset);
    if (e != S3ERR_OK)
        return e;
    p->in.storage_class = p->creates ? p->o.storage_class : p->base.storage_class;
    return s3_ingest_begin(&p->in);
}
