/* SPDX-License-Identifier: Apache-2.0 */
/*
 * object_copy - CopyObject and UploadPartCopy: by reference, no data is written, unless the copy's
 * storage class lies in another group than the source's (api/relocate.h).
 *
 * The copy names the files of its source; each gets a second owner (index/refs.h). Data is read
 * only when the answer needs a digest that nobody has stored.
 *
 * Differs from AWS on purpose: the copy of a multipart object keeps its ETag ("-N"), its parts and
 * its composite checksum. AWS rewrites the data and computes them anew.
 *
 * Rule: s3-behaviours 15 and 6.
 */
#include "s3gw/api/answer.h"
#include "s3gw/api/commit.h"
#include "s3gw/api/cond.h"
#include "s3gw/api/handlers.h"
#include "s3gw/api/lifecycle.h"
#include "s3gw/api/object_headers.h"
#include "s3gw/api/relocate.h"
#include "s3gw/api/source.h"
#include "s3gw/api/upload_id.h"
#include "s3gw/index/version.h"
#include "s3gw/core/gw.h"
#include "s3gw/policy/quota.h"
#include "s3gw/xml/writer.h"

#define COPY_MAX (5ULL << 30)

enum { TRIES = 8, EXTENTS_MAX = 50000 };

static const struct str REDIRECT = STR_INIT("x-amz-website-redirect-location");

static enum s3err directive(struct s3_req *q, const char *name, bool *ret_replace)
{
    struct str v = s3_req_option(q, str_c(name));
    *ret_replace = str_eq(v, STR("REPLACE"));
    if (!v.p || *ret_replace || str_eq(v, STR("COPY")))
        return S3ERR_OK;
    return s3_err_arg(q, "Unknown directive; it is COPY or REPLACE", name, v);
}

static enum s3err checksum_wanted(struct s3_req *q, enum s3_checksum_alg *ret)
{
    struct str v = s3_req_option(q, STR("x-amz-checksum-algorithm"));
    *ret = S3_CK_NONE;
    if (v.p && s3_checksum_by_name(v, ret) < 0)
        return s3_errm(q, S3ERR_INVALID_REQUEST,
                       "Checksum algorithm provided is unsupported. Please try again with any of "
                       "the valid types: [%s]",
                       s3_checksum_valid_names);
    return S3ERR_OK;
}

struct copy {
    struct s3_source source;
    struct s3_object object;
    struct s3_cond cond;
    bool replace_metadata, replace_tags;
    enum s3_checksum_alg alg; /* NONE: as the source */
    uint64_t bid;
    struct str key;
};

/* The redirect is never copied, whatever the directive says; everything else of the source is. */
static enum s3err copied_metadata(struct s3_req *q, struct copy *c)
{
    const struct s3_object *src = &c->source.object;
    struct s3_object *o = &c->object;
    o->headers = arena_alloc(&q->arena, (src->nheaders + 1) * sizeof(*o->headers));
    if (!o->headers)
        return s3err_from_errno(-ENOMEM, S3_THING_OTHER);
    o->nheaders = 0;
    for (size_t i = 0; i < src->nheaders; i++)
        if (!str_eq(src->headers[i].name, REDIRECT))
            o->headers[o->nheaders++] = src->headers[i];
    struct s3_object asked = {0};
    enum s3err e = s3_object_metadata_from(q, &asked);
    for (size_t i = 0; e == S3ERR_OK && i < asked.nheaders; i++)
        if (str_eq(asked.headers[i].name, REDIRECT))
            o->headers[o->nheaders++] = asked.headers[i];
    return e;
}

static enum s3err object_of(struct s3_req *q, struct copy *c)
{
    const struct s3_object *src = &c->source.object;
    c->object = (struct s3_object){.size = src->size,
                                   .mtime_ms = q->now_ms,
                                   .etag = src->etag,
                                   .checksum = src->checksum,
                                   .parts = src->parts,
                                   .nparts = src->nparts,
                                   .tags = src->tags};
    enum s3err e =
        c->replace_metadata ? s3_object_metadata_from(q, &c->object) : copied_metadata(q, c);
    if (e == S3ERR_OK && c->replace_tags)
        e = s3_object_tags_from(q, &c->object);
    if (e == S3ERR_OK)
        e = s3_object_rest_from(q, &c->object);
    if (e != S3ERR_OK)
        return e;
    int r = s3_source_slice(q, src, 0, src->size, &c->object.extents, &c->object.nextents);
    if (r == 0 && c->alg != S3_CK_NONE && c->alg != src->checksum.alg) {
        struct s3_checksum none = {0};
        c->object.checksum = (struct s3_checksum){.alg = c->alg, .type = S3_CK_FULL_OBJECT};
        r = s3_source_digest(q, c->object.extents, c->object.nextents, NULL, &c->object.checksum,
                             &none);
    }
    return s3err_from_errno(r, S3_THING_OTHER);
}

static enum s3err onto_itself(struct s3_req *q, const struct copy *c)
{
    const struct s3_object *src = &c->source.object;
    bool same =
        c->source.bkt.bid == q->bkt->bid && str_eq(c->source.key, q->key) && !c->source.version.p;
    bool changes = c->replace_metadata || !str_eq(c->object.storage_class, src->storage_class) ||
                   s3_req_option(q, REDIRECT).n > 0 ||
                   (c->alg != S3_CK_NONE && c->alg != src->checksum.alg);
    if (!same || changes)
        return S3ERR_OK;
    return s3_errm(
        q, S3ERR_INVALID_REQUEST,
        "This copy request is illegal because it is trying to copy an object to itself without "
        "changing the object's metadata, storage class, website redirect location or encryption "
        "attributes.");
}

static int commit_copy(struct s3_tx *tx, void *arg)
{
    struct copy *c = arg;
    return s3_object_copy(tx, c->source.bkt.bid, c->source.key, c->source.object.seq, c->bid,
                          c->key, &c->cond, &c->object);
}

/* --- into another group --- */

struct moved {
    struct s3_req *q;
    struct copy *c;
};

static int describe_moved(void *arg, struct buf *out)
{
    const struct moved *m = arg;
    struct s3_object o = m->c->object;
    o.extents = NULL; /* the file the description lies beside */
    o.nextents = 0;
    return s3_describe_object(m->q->bkt, m->q->key, &o, 0, out);
}

static int commit_moved(struct s3_tx *tx, void *arg)
{
    struct copy *c = arg;
    return s3_object_put(tx, c->bid, c->key, &c->cond, &c->object);
}

static int commit_object(struct s3_req *q, struct copy *c)
{
    struct s3_object *o = &c->object;
    if (!s3_relocate_needed(q->gw, c->source.object.storage_class, o->storage_class, q->bkt,
                            o->extents, o->nextents))
        return s3_commit_key(q, q->bkt, q->key, o, commit_copy, c);
    struct moved arg = {q, c};
    struct s3_relocation m = {
        .group = s3_class_group(&q->gw->classes, o->storage_class, q->bkt->group),
        .key = q->key,
        .from = o->extents,
        .nfrom = o->nextents,
        .expect = o,
        .describe = describe_moved,
        .arg = &arg};
    int r = s3_relocate(q->gw, &q->arena, &m);
    if (r < 0)
        return r == -ENOENT ? -EAGAIN : r; /* the source was replaced while it was read */
    o->extents = &m.to;
    o->nextents = 1;
    r = s3_index_update(q->gw->index, commit_moved, c);
    if (r < 0)
        s3_relocate_undo(q->gw, &m);
    return r;
}

static enum s3err prepare(struct s3_req *q, struct copy *c)
{
    enum s3err e = s3_source_load(q, &c->source);
    if (e != S3ERR_OK)
        return e;
    if (c->source.object.size > COPY_MAX)
        return s3_errm(q, S3ERR_INVALID_REQUEST,
                       "The specified copy source is larger than the maximum allowable size for a "
                       "copy source: "
                       "%llu",
                       COPY_MAX);
    e = s3_quota_check(q, q->bkt, c->source.object.size, 1);
    if (e == S3ERR_OK)
        e = object_of(q, c);
    if (e == S3ERR_OK && (c->object.sse.p || c->source.object.sse.p))
        return s3_errm(q, S3ERR_NOT_IMPLEMENTED, "Copies of or to encrypted objects are not offered.");
    return e == S3ERR_OK ? onto_itself(q, c) : e;
}

static void checksum_elements(struct buf *b, const struct s3_checksum *c, uint32_t parts)
{
    if (c->alg == S3_CK_NONE)
        return;
    char text[S3_CK_TEXT_MAX];
    size_t n = s3_checksum_text(c, parts, text);
    s3_xml_text(b, s3_checksum_info(c->alg)->element, str_of(text, n));
    s3_xml_text(b, "ChecksumType", s3_checksum_type_name(c->type));
}

static enum s3err answer_copy(struct s3_req *q, const struct copy *c)
{
    const struct s3_object *o = &c->object;
    if (c->source.bkt.versioning.p)
        s3_resp_version(q, "x-amz-copy-source-version-id", &c->source.object);
    if (str_eq(q->bkt->versioning, STR("Enabled")))
        s3_resp_version(q, "x-amz-version-id", o);
    s3_lifecycle_object_header(q, q->key, o);
    struct buf *b = s3_answer_open(q, "CopyObjectResult");
    s3_xml_time(b, "LastModified", o->mtime_ms);
    s3_xml_etag(b, "ETag", &o->etag);
    checksum_elements(b, &o->checksum, o->etag.parts);
    return s3_answer_close(q, "CopyObjectResult");
}

enum s3err s3_h_copy_object(struct s3_req *q)
{
    struct copy c = {.bid = q->bkt->bid, .key = q->key};
    enum s3err e = s3_cond_of_write(q, &c.cond);
    if (e == S3ERR_OK)
        e = directive(q, "x-amz-metadata-directive", &c.replace_metadata);
    if (e == S3ERR_OK)
        e = directive(q, "x-amz-tagging-directive", &c.replace_tags);
    if (e == S3ERR_OK)
        e = checksum_wanted(q, &c.alg);
    int r = -EAGAIN;
    for (int i = 0; e == S3ERR_OK && r == -EAGAIN && i < TRIES;
         i++) { /* the source changed meanwhile */
        e = prepare(q, &c);
        if (e == S3ERR_OK)
            r = commit_object(q, &c);
    }
    if (e == S3ERR_OK)
        e = s3_commit_error(q, r);
    return e == S3ERR_OK ? answer_copy(q, &c) : e;
}

/* --- UploadPartCopy --- */

struct part_copy {
    struct s3_source source;
    struct s3_upload upload;
    struct s3_upart part;
    uint64_t bid;
    struct str key;
};

struct moved_part {
    struct s3_req *q;
    struct part_copy *c;
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
    struct str a, b;
    uint64_t first, last;
    if (!str_starts(v, STR("bytes=")) || !str_cut(str_from(v, 6), '-', &a, &b) ||
        str_u64(a, INT64_MAX, &first) < 0 || str_u64(b, INT64_MAX, &last) < 0 || first > last)
        return bad_range(
            q, v,
            "The x-amz-copy-source-range value must be of the form bytes=first-last where "
            "first and last are the zero-based offsets of the first and last bytes to copy");
    if (last >= size) /* Differs: InvalidRange in Ceph */
        return bad_range(q, v, "Range specified is not valid for source object");
    *ret_from = first;
    *ret_length = last - first + 1;
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
    int r = s3_source_digest(q, p->extents, p->nextents, md5_known ? NULL : p->md5, &crc64, &own);
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
    if (c->upload.proto.sse.p || c->source.object.sse.p)
        return s3_errm(q, S3ERR_NOT_IMPLEMENTED, "Copies of or to encrypted objects are not offered.");
    if (length > COPY_MAX)
        return s3_errm(q, S3ERR_INVALID_REQUEST,
                       "The specified copy source is larger than the maximum allowable size for a "
                       "copy source: "
                       "%llu",
                       COPY_MAX);
    e = s3_quota_check(q, q->bkt, length, 0);
    if (e != S3ERR_OK)
        return e;
    struct s3_upart *p = &c->part;
    p->size = length;
    p->mtime_ms = q->now_ms;
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

/* --- ... into another group --- */

static int describe_moved_part(void *arg, struct buf *out)
{
    const struct moved_part *m = arg;
    return s3_describe_part(m->q->bkt, m->q->key, m->c->upload.useq, &m->c->part, out);
}

static int commit_moved_part(struct s3_tx *tx, void *arg)
{
    struct part_copy *c = arg;
    c->part.extents[0].owner = 0; /* a new file: also when this runs a second time */
    return s3_upload_put_part(tx, c->bid, c->key, c->upload.useq, &c->part);
}

static int commit_part_copy(struct s3_req *q, struct part_copy *c)
{
    struct str class = c->upload.proto.storage_class;
    struct s3_upart *p = &c->part;
    if (!s3_relocate_needed(q->gw, c->source.object.storage_class, class, q->bkt, p->extents,
                            p->nextents))
        return s3_index_update(q->gw->index, commit_part, c);
    struct moved_part arg = {q, c};
    struct s3_object expect = {.size = p->size, .checksum = p->crc64};
    memcpy(expect.etag.md5, p->md5, sizeof(expect.etag.md5));
    struct s3_relocation m = {.group = s3_class_group(&q->gw->classes, class, q->bkt->group),
                              .key = q->key,
                              .from = p->extents,
                              .nfrom = p->nextents,
                              .expect = &expect,
                              .describe = describe_moved_part,
                              .arg = &arg};
    int r = s3_relocate(q->gw, &q->arena, &m);
    if (r < 0)
        return r == -ENOENT ? -EAGAIN : r;
    p->extents = &m.to;
    p->nextents = 1;
    r = s3_index_update(q->gw->index, commit_moved_part, c);
    if (r < 0)
        s3_relocate_undo(q->gw, &m);
    return r;
}

static enum s3err answer_part(struct s3_req *q, const struct part_copy *c)
{
    if (c->source.bkt.versioning.p)
        s3_resp_version(q, "x-amz-copy-source-version-id", &c->source.object);
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
    enum s3err e = s3_upload_part_number(q, &c.part.number);
    if (e == S3ERR_OK)
        e = s3_upload_named(q, &c.upload);
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
