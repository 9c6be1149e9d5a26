/* SPDX-License-Identifier: Apache-2.0 */
/*
 * object_copy - CopyObject: by reference, no data is written, unless the copy's storage class lies
 * in another group than the source's, it is encrypted otherwise (api/relocate.h), or the source is an adopted
 * file (api/adopt.h): a copy must not go with what a FastDFS client deletes.
 *
 * The copy names the files of its source; each gets a second owner (index/refs.h). Data is read
 * only when the answer needs a digest that nobody has stored. Encrypted under the same key, the
 * copy has the source's data key, wrapped anew; otherwise content is decrypted and encrypted, piece
 * by piece, and the copy is of one piece.
 *
 * Differs from AWS on purpose: the copy of a multipart object keeps its ETag ("-N"), its parts and
 * its composite checksum. AWS rewrites the data and computes them anew.
 *
 * Rule: s3-behaviours 15 and 6.
 */
#include "s3gw/api/answer.h"
#include "s3gw/api/commit.h"
#include "s3gw/api/cond.h"
#include "s3gw/api/encryption.h"
#include "s3gw/api/growth.h"
#include "s3gw/api/handlers.h"
#include "s3gw/api/lifecycle.h"
#include "s3gw/api/notice.h"
#include "s3gw/api/object_headers.h"
#include "s3gw/api/relocate.h"
#include "s3gw/api/source.h"
#include "s3gw/index/version.h"
#include "s3gw/core/gw.h"
#include "s3gw/lifecycle/note.h"
#include "s3gw/policy/quota.h"
#include "s3gw/policy/eval.h"
#include "s3gw/xml/writer.h"

enum { TRIES = 8 };

static const struct str REDIRECT = STR_INIT("x-amz-website-redirect-location");

static enum s3err directive(struct s3_req *q, const char *name, bool *ret_replace)
{
    struct str v = s3_req_option(q, str_c(name));
    *ret_replace = str_eq(v, STR("REPLACE"));
    if (!v.p || *ret_replace || str_eq(v, STR("COPY")))
        return S3ERR_OK;
    return s3_err_arg(q, "Unknown directive; it is COPY or REPLACE", name, v);
}

/* Nothing here has annotations: to copy them and to leave them out is the same. */
static enum s3err annotation_directive(struct s3_req *q)
{
    static const char name[] = "x-amz-object-annotation-directive";
    struct str v = s3_req_option(q, str_c(name));
    if (!v.p || str_eq(v, STR("COPY")) || str_eq(v, STR("EXCLUDE")))
        return S3ERR_OK;
    return s3_err_arg(q, "Unknown directive; it is COPY or EXCLUDE", name, v);
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
    bool reseal;              /* content has to be written anew: encrypted otherwise, or no more */
    uint64_t bid;
    struct str key;
    struct s3_req *q;
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

/* The files of the source; a checksum of another algorithm is computed from what they hold. */
static enum s3err by_reference(struct s3_req *q, struct copy *c)
{
    const struct s3_object *src = &c->source.object;
    enum s3err e = src->sse.p ? s3_encryption_rewrap(q, src, c->source.dek, &c->object) : S3ERR_OK;
    if (e != S3ERR_OK)
        return e;
    int r = s3_source_files(q, src, &c->object.extents, &c->object.nextents);
    if (r == 0 && c->alg != S3_CK_NONE && c->alg != src->checksum.alg) {
        struct s3_checksum none = {0};
        c->object.checksum = (struct s3_checksum){.alg = c->alg, .type = S3_CK_FULL_OBJECT};
        r = s3_source_digest(q, &c->source, 0, src->size, NULL, &c->object.checksum, &none);
    }
    return s3err_from_errno(r, S3_THING_OTHER);
}

/* One piece: no parts, an ETag of its own (anew(), below), a checksum of the whole. */
static enum s3err begin_anew(struct copy *c)
{
    struct s3_object *o = &c->object;
    enum s3_checksum_alg alg = c->alg != S3_CK_NONE            ? c->alg
                               : o->checksum.alg != S3_CK_NONE ? o->checksum.alg
                                                               : S3_CK_CRC64NVME;
    if (alg != o->checksum.alg || o->checksum.type != S3_CK_FULL_OBJECT)
        o->checksum = (struct s3_checksum){.alg = alg, .type = S3_CK_FULL_OBJECT};
    o->parts = NULL;
    o->nparts = 0;
    o->etag = (struct s3_etag){0};
    return S3ERR_OK;
}

static enum s3err may_copy_tags(struct s3_req *q, const struct copy *c)
{
    if (c->source.object.tags.n == 0)
        return S3ERR_OK;
    const struct s3_policy_target t = {
        .bkt = &c->source.bkt, .key = c->source.key, .version = c->source.version};
    enum s3err e = s3_policy_allows_of(q, &t, &c->source.object,
                                       c->source.version.p ? "s3:GetObjectVersionTagging"
                                                           : "s3:GetObjectTagging");
    return e == S3ERR_OK ? s3_policy_allows_with(q, "s3:PutObjectTagging") : e;
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
    if (e == S3ERR_OK)
        e = c->replace_tags ? s3_object_tags_from(q, &c->object) : may_copy_tags(q, c);
    if (e == S3ERR_OK)
        e = s3_object_rest_from(q, &c->object);
    if (e != S3ERR_OK)
        return e;
    c->reseal = (src->sse.p || c->object.sse.p) && !s3_encryption_same(q, src, &c->object);
    return c->reseal ? begin_anew(c) : by_reference(q, c);
}

static enum s3err onto_itself(struct s3_req *q, const struct copy *c)
{
    const struct s3_object *src = &c->source.object;
    bool same =
        c->source.bkt.bid == q->bkt->bid && str_eq(c->source.key, q->key) && !c->source.version.p;
    bool changes = c->replace_metadata || !str_eq(c->object.storage_class, src->storage_class) ||
                   s3_req_option(q, REDIRECT).n > 0 || c->object.sse.p || src->sse.p ||
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
    int r = s3_object_copy(tx, c->source.bkt.bid, c->source.key, c->source.object.seq, c->bid,
                           c->key, &c->cond, &c->object);
    if (r == 0)
        s3_notice_object(tx, c->q, S3_EVENT_CREATED_COPY, c->key, &c->object);
    return r;
}

/* --- into another group --- */

struct moved {
    struct s3_req *q;
    struct copy *c;
    const uint8_t *md5; /* of the content, when it is written anew */
};

static int describe_moved(void *arg, struct buf *out)
{
    const struct moved *m = arg;
    struct s3_object o = m->c->object;
    o.extents = NULL; /* the file the description lies beside */
    o.nextents = 0;
    return s3_note_describe_put(m->q->gw, o.seq, m->q->bkt, m->q->key, &o, 0, out);
}

static int commit_moved(struct s3_tx *tx, void *arg)
{
    struct copy *c = arg;
    int r = s3_object_put(tx, c->bid, c->key, &c->cond, &c->object);
    if (r == 0)
        s3_notice_object(tx, c->q, S3_EVENT_CREATED_COPY, c->key, &c->object);
    return r;
}

/* --- encrypted otherwise --- */

static int describe_anew(void *arg, struct buf *out)
{
    struct moved *m = arg;
    int r = s3_seal_etag(m->q->seal, m->md5, m->c->object.etag.md5);
    return r < 0 ? r : describe_moved(arg, out);
}

static int commit_anew(struct s3_req *q, struct copy *c)
{
    struct s3_object *o = &c->object;
    struct moved arg = {.q = q, .c = c};
    struct s3_checksum known = {0};
    bool have = c->source.object.checksum.alg == o->checksum.alg &&
                c->source.object.checksum.type == S3_CK_FULL_OBJECT;
    struct s3_relocation m = {.groups =
                                  s3_class_group(&q->gw->classes, o->storage_class, q->bkt->groups),
                              .key = q->key,
                              .content = o->size,
                              .seal = q->seal,
                              .sums = {have ? &known : &o->checksum},
                              .describe = describe_anew,
                              .arg = &arg};
    arg.md5 = m.md5;
    s3_number_version(q, q->bkt, o);
    int r = s3_reader_new(q, &c->source.object, c->source.dek, 0, o->size, &m.reader);
    if (r == 0)
        r = s3_relocate(q->gw, &q->arena, &m);
    if (r < 0)
        return r == -ENOENT ? -EAGAIN : r; /* the source was replaced while it was read */
    s3_growth_notice(q, m.groups, m.to.file_id);
    o->extents = &m.to;
    o->nextents = 1;
    r = s3_commit_described(q, q->bkt, q->key, o, commit_moved, c);
    if (r < 0)
        s3_relocate_undo(q->gw, &m);
    return r;
}

/* Nothing to encrypt: a note, as for any empty object. */
static int commit_empty(struct s3_req *q, struct copy *c)
{
    struct s3_object *o = &c->object;
    struct s3_checksum none = {0};
    uint8_t md5[16];
    int r = s3_source_digest(q, &c->source, 0, 0, md5, &o->checksum, &none);
    if (r == 0)
        r = s3_seal_etag(q->seal, md5, o->etag.md5);
    if (r < 0)
        return r;
    o->extents = NULL;
    o->nextents = 0;
    return s3_commit_version(q, q->bkt, q->key, o, commit_moved, c);
}

static int commit_object(struct s3_req *q, struct copy *c)
{
    struct s3_object *o = &c->object;
    if (c->reseal)
        return o->size > 0 ? commit_anew(q, c) : commit_empty(q, c);
    bool adopted = c->source.object.flags & S3_OBJ_ADOPTED && o->size > 0;
    if (!adopted && !s3_relocate_needed(q->gw, c->source.object.storage_class, o->storage_class,
                                        q->bkt, o->extents, o->nextents))
        return s3_commit_version(q, q->bkt, q->key, o, commit_copy, c);
    s3_number_version(q, q->bkt, o);
    struct moved arg = {.q = q, .c = c};
    struct s3_relocation m = {
        .groups = s3_class_group(&q->gw->classes, o->storage_class, q->bkt->groups),
        .key = q->key,
        .from = o->extents,
        .nfrom = o->nextents,
        .expect = o->sse.p
                      ? NULL
                      : o, /* of frames there is no digest; files are checked against their ids */
        .describe = describe_moved,
        .arg = &arg};
    int r = s3_relocate(q->gw, &q->arena, &m);
    if (r < 0)
        return r == -ENOENT ? -EAGAIN : r; /* the source was replaced while it was read */
    s3_growth_notice(q, m.groups, m.to.file_id);
    r = s3_object_in_one_file(o, m.to.file_id, &q->arena, &o->extents, &o->nextents);
    if (r == 0)
        r = s3_commit_described(q, q->bkt, q->key, o, commit_moved, c);
    if (r < 0)
        s3_relocate_undo(q->gw, &m);
    return r;
}

/* What is wrong with the request is said of any source. The object proper is made of both, below. */
static enum s3err check_request(struct s3_req *q, const struct copy *c)
{
    struct s3_object asked = {0};
    enum s3err e = c->replace_metadata ? s3_object_metadata_from(q, &asked) : S3ERR_OK;
    if (e == S3ERR_OK && c->replace_tags)
        e = s3_object_tags_from(q, &asked);
    return e == S3ERR_OK ? s3_object_rest_from(q, &asked) : e;
}

static enum s3err prepare(struct s3_req *q, struct copy *c)
{
    enum s3err e = s3_source_load(q, &c->source);
    if (e != S3ERR_OK)
        return e;
    if (c->source.object.size > S3_SOURCE_MAX)
        return s3_source_too_large(q);
    e = s3_quota_check(q, q->bkt, c->source.object.size, 1);
    if (e == S3ERR_OK)
        e = object_of(q, c);
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
    if (!(o->flags & S3_OBJ_NULL_VERSION))
        s3_resp_version(q, "x-amz-version-id", o);
    s3_lifecycle_object_header(q, q->key, o);
    s3_encryption_headers(q, o, true);
    struct buf *b = s3_answer_open(q, "CopyObjectResult");
    s3_xml_time(b, "LastModified", o->mtime_ms);
    s3_xml_etag(b, "ETag", &o->etag);
    checksum_elements(b, &o->checksum, o->etag.parts);
    return s3_answer_close(q, "CopyObjectResult");
}

enum s3err s3_h_copy_object(struct s3_req *q)
{
    struct copy c = {.bid = q->bkt->bid, .key = q->key, .q = q};
    enum s3err e = s3_cond_of_write(q, &c.cond);
    if (e == S3ERR_OK)
        e = directive(q, "x-amz-metadata-directive", &c.replace_metadata);
    if (e == S3ERR_OK)
        e = directive(q, "x-amz-tagging-directive", &c.replace_tags);
    if (e == S3ERR_OK)
        e = annotation_directive(q);
    if (e == S3ERR_OK)
        e = checksum_wanted(q, &c.alg);
    if (e == S3ERR_OK)
        e = check_request(q, &c);
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
