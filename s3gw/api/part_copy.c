/* SPDX-License-Identifier: Apache-2.0 */
/*
 * part_copy - UploadPartCopy: by reference like CopyObject (object_copy.c); written anew when
 * classes lie in different groups, the source is an adopted file, or source or upload is encrypted: an
 * upload's parts are sealed with its own data key.
 *
 * Rule: s3-behaviours 15, 16 and 6.
 */
#include "s3gw/api/answer.h"
#include "s3gw/api/commit.h"
#include "s3gw/api/cond.h"
#include "s3gw/api/encryption.h"
#include "s3gw/api/growth.h"
#include "s3gw/api/handlers.h"
#include "s3gw/api/relocate.h"
#include "s3gw/api/source.h"
#include "s3gw/api/upload_id.h"
#include "s3gw/core/gw.h"
#include "s3gw/core/range.h"
#include "s3gw/lifecycle/note.h"
#include "s3gw/index/version.h"
#include "s3gw/policy/quota.h"
#include "s3gw/xml/writer.h"

enum { TRIES = 8, EXTENTS_MAX = 50000 };

struct part_copy {
    struct s3_source source;
    struct s3_upload upload;
    struct s3_upart part;
    uint64_t from;       /* first byte of the source */
    bool reseal;         /* source or upload is encrypted: content is written anew */
    struct s3_seal seal; /* of the upload; q->seal points here */
    uint64_t bid;
    struct str key;
};

struct moved_part {
    struct s3_req *q;
    struct part_copy *c;
    const uint8_t *md5; /* of the content, when it is written anew */
};

static enum s3err bad_range(struct s3_req *q, struct str v, const char *message)
{
    return s3_err_arg(q, message, "x-amz-copy-source-range", v);
}

/* Strictly bytes=a-b, both inside the source. */
static enum s3err source_range(struct s3_req *q, uint64_t size, uint64_t *ret_from,
                               uint64_t *ret_length)
{
    struct str v = s3_req_option(q, STR("x-amz-copy-source-range"));
    *ret_from = 0;
    *ret_length = size;
    if (!v.p)
        return S3ERR_OK;
    struct s3_range range;
    int r = s3_range_parse_copy(v, size, &range);
    if (r == -EINVAL)
        return bad_range(
            q, v,
            "The x-amz-copy-source-range value must be of the form bytes=first-last where "
            "first and last are the zero-based offsets of the first and last bytes to copy");
    if (r == -ERANGE) /* Differs: InvalidRange in Ceph */
        return bad_range(q, v, "Range specified is not valid for source object");
    *ret_from = range.first;
    *ret_length = range.last - range.first + 1;
    return S3ERR_OK;
}

/* MD5, CRC64NVME and the upload's own checksum of the part: from the source's record where it has
 * them. */
static int part_digests(struct s3_req *q, struct part_copy *c, bool whole)
{
    const struct s3_object *src = &c->source.object;
    struct s3_upart *p = &c->part;
    bool full = whole && src->checksum.type == S3_CK_FULL_OBJECT;
    bool md5_known = whole && src->etag.parts == 0;
    memcpy(p->md5, src->etag.md5, 16);
    p->crc64 =
        full && src->checksum.alg == S3_CK_CRC64NVME ? src->checksum : (struct s3_checksum){0};
    p->checksum =
        full && src->checksum.alg == c->upload.ck_alg ? src->checksum : (struct s3_checksum){0};
    struct s3_checksum crc64 = {.alg = p->crc64.alg ? S3_CK_NONE : S3_CK_CRC64NVME};
    struct s3_checksum own = {.alg = p->checksum.alg ? S3_CK_NONE : c->upload.ck_alg};
    if (md5_known && crc64.alg == S3_CK_NONE && own.alg == S3_CK_NONE)
        return 0;
    int r =
        s3_source_digest(q, &c->source, c->from, p->size, md5_known ? NULL : p->md5, &crc64, &own);
    if (crc64.alg)
        p->crc64 = crc64;
    if (own.alg)
        p->checksum = own;
    return r;
}

static enum s3err prepare_part(struct s3_req *q, struct part_copy *c)
{
    enum s3err e = s3_source_load(q, &c->source);
    uint64_t from, length;
    if (e == S3ERR_OK)
        e = source_range(q, c->source.object.size, &from, &length);
    if (e != S3ERR_OK)
        return e;
    if (length > S3_SOURCE_MAX)
        return s3_source_too_large(q);
    e = s3_quota_check(q, q->bkt, length, 0);
    if (e != S3ERR_OK)
        return e;
    struct s3_upart *p = &c->part;
    p->size = length;
    p->mtime_ms = q->now_ms;
    c->from = from;
    c->reseal = c->upload.proto.sse.p || c->source.object.sse.p;
    if (c->reseal)
        return S3ERR_OK;
    int r = s3_source_slice(q, &c->source.object, from, length, &p->extents, &p->nextents);
    if (r == 0 && p->nextents > EXTENTS_MAX)
        return s3_errm(q, S3ERR_INVALID_REQUEST,
                       "The copy source consists of too many pieces for one part.");
    if (r == 0)
        r = part_digests(q, c, length == c->source.object.size);
    return s3err_from_errno(r, S3_THING_OTHER);
}

static int commit_part(struct s3_tx *tx, void *arg)
{
    struct part_copy *c = arg;
    return s3_upload_copy_part(tx, c->source.bkt.bid, c->source.key, c->source.object.seq, c->bid,
                               c->key, c->upload.useq, &c->part);
}

/* A part is of no use once its upload has ended: when it is refused there is nothing to take back. */
static int note_and_commit(struct s3_req *q, struct part_copy *c,
                           int (*fn)(struct s3_tx *tx, void *arg))
{
    int r = -ERESTART;
    for (int i = 0; r == -ERESTART && i < S3_COMMIT_TRIES; i++) {
        r = s3_note_part(q->gw, q->bkt, q->key, c->upload.useq, &c->part);
        if (r == 0)
            r = s3_index_update(q->gw->index, fn, c);
    }
    return r == -ERESTART ? -EAGAIN : r;
}

/* --- ... into another group --- */

static int describe_moved_part(void *arg, struct buf *out)
{
    const struct moved_part *m = arg;
    struct s3_upart p = m->c->part;
    p.nextents = 0; /* the file the description lies beside */
    int r = s3_note_describe_part(m->q->gw, m->q->bkt, m->q->key, m->c->upload.useq, &p, out);
    m->c->part.seq = p.seq;
    return r;
}

static int commit_moved_part(struct s3_tx *tx, void *arg)
{
    struct part_copy *c = arg;
    c->part.extents[0].owner = 0; /* a new file: also when this runs a second time */
    return s3_upload_put_part(tx, c->bid, c->key, c->upload.useq, &c->part);
}

/* The source may be deleted while it is read: another look tells. */
static int missing_is_stale(int r)
{
    return r == -ENOENT ? -EAGAIN : r;
}

/* The part's bytes go where @m says, as one new file, and the part is that file. */
static int relocate_part(struct s3_req *q, struct part_copy *c, struct s3_relocation *m)
{
    int r = s3_relocate(q->gw, &q->arena, m);
    if (r < 0)
        return missing_is_stale(r);
    s3_growth_notice(q, m->groups, m->to.file_id);
    c->part.extents = &m->to;
    c->part.nextents = 1;
    r = s3_index_update(q->gw->index, commit_moved_part, c);
    if (r == -ERESTART)
        r = note_and_commit(q, c, commit_moved_part);
    if (r < 0)
        s3_relocate_undo(q->gw, m);
    return r;
}

/* --- ... or encrypted otherwise --- */

static int describe_part_anew(void *arg, struct buf *out)
{
    struct moved_part *m = arg;
    int r = s3_seal_etag(m->q->seal, m->md5, m->c->part.md5);
    return r < 0 ? r : describe_moved_part(arg, out);
}

static int commit_part_anew(struct s3_req *q, struct part_copy *c)
{
    struct s3_upart *p = &c->part;
    struct moved_part arg = {.q = q, .c = c};
    struct str class = c->upload.proto.storage_class;
    p->crc64 = (struct s3_checksum){.alg = S3_CK_CRC64NVME, .type = S3_CK_FULL_OBJECT};
    p->checksum = (struct s3_checksum){.alg = c->upload.ck_alg};
    struct s3_relocation m = {.groups = s3_class_group(&q->gw->classes, class, q->bkt->groups),
                              .key = q->key,
                              .content = p->size,
                              .seal = q->seal,
                              .sums = {&p->crc64, &p->checksum},
                              .describe = describe_part_anew,
                              .arg = &arg};
    arg.md5 = m.md5;
    int r = s3_reader_new(q, &c->source.object, c->source.dek, c->from, p->size, &m.reader);
    return r < 0 ? missing_is_stale(r) : relocate_part(q, c, &m);
}

static int commit_empty_part(struct s3_req *q, struct part_copy *c)
{
    struct s3_upart *p = &c->part;
    struct s3_checksum crc64 = {.alg = S3_CK_CRC64NVME}, own = {.alg = c->upload.ck_alg};
    uint8_t md5[16];
    int r = s3_source_digest(q, &c->source, c->from, 0, md5, &crc64, &own);
    if (r == 0)
        r = s3_seal_etag(q->seal, md5, p->md5);
    if (r < 0)
        return r;
    p->crc64 = crc64;
    p->checksum = own;
    p->extents = NULL;
    p->nextents = 0;
    return note_and_commit(q, c, commit_part);
}

static int commit_part_copy(struct s3_req *q, struct part_copy *c)
{
    struct str class = c->upload.proto.storage_class;
    struct s3_upart *p = &c->part;
    if (c->reseal)
        return p->size > 0 ? commit_part_anew(q, c) : commit_empty_part(q, c);
    bool adopted = c->source.object.flags & S3_OBJ_ADOPTED && p->size > 0;
    if (!adopted && !s3_relocate_needed(q->gw, c->source.object.storage_class, class, q->bkt,
                                        p->extents, p->nextents))
        return note_and_commit(q, c, commit_part);
    struct moved_part arg = {.q = q, .c = c};
    struct s3_object expect = {.size = p->size, .checksum = p->crc64};
    memcpy(expect.etag.md5, p->md5, sizeof(expect.etag.md5));
    struct s3_relocation m = {.groups = s3_class_group(&q->gw->classes, class, q->bkt->groups),
                              .key = q->key,
                              .from = p->extents,
                              .nfrom = p->nextents,
                              .expect = &expect,
                              .describe = describe_moved_part,
                              .arg = &arg};
    return relocate_part(q, c, &m);
}

static enum s3err answer_part(struct s3_req *q, const struct part_copy *c)
{
    if (c->source.bkt.versioning.p)
        s3_resp_version(q, "x-amz-copy-source-version-id", &c->source.object);
    s3_encryption_headers(q, &c->upload.proto, false);
    struct s3_etag etag = {0};
    memcpy(etag.md5, c->part.md5, sizeof(etag.md5));
    struct buf *b = s3_answer_open(q, "CopyPartResult");
    s3_xml_time(b, "LastModified", c->part.mtime_ms);
    s3_xml_etag(b, "ETag", &etag);
    if (c->upload.ck_alg != S3_CK_NONE) {
        char text[S3_CK_TEXT_MAX];
        size_t n = s3_checksum_text(&c->part.checksum, 0, text);
        s3_xml_text(b, s3_checksum_info(c->upload.ck_alg)->element, str_of(text, n));
    }
    return s3_answer_close(q, "CopyPartResult");
}

enum s3err s3_h_upload_part_copy(struct s3_req *q)
{
    struct part_copy c = {.bid = q->bkt->bid, .key = q->key};
    uint64_t from, length;
    enum s3err e = s3_upload_part_number(q, &c.part.number);
    if (e == S3ERR_OK)
        e = source_range(q, UINT64_MAX, &from, &length); /* its form, whatever is there */
    if (e == S3ERR_OK)
        e = s3_upload_named(q, &c.upload);
    if (e == S3ERR_OK)
        e = s3_encryption_of_part(q, &c.upload.proto, c.part.number, &c.seal);
    int r = -EAGAIN;
    for (int i = 0; e == S3ERR_OK && r == -EAGAIN && i < TRIES; i++) {
        e = prepare_part(q, &c);
        if (e == S3ERR_OK)
            r = commit_part_copy(q, &c);
    }
    if (e == S3ERR_OK && r == -ENOENT) /* aborted or completed meanwhile */
        return s3_no_such_upload(q);
    if (e == S3ERR_OK)
        e = s3_commit_error(q, r);
    return e == S3ERR_OK ? answer_part(q, &c) : e;
}
