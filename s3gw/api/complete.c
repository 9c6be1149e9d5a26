/* SPDX-License-Identifier: Apache-2.0 */
/*
 * complete - CompleteMultipartUpload: the listed parts become one object, without touching their
 * data.
 *
 * The list is judged against the parts in the index; the commit checks that they are still those
 * (-EAGAIN: judge again). The work grows with the number of parts only, a few milliseconds for
 * 10,000, so no white space has to be sent to keep the client waiting.
 *
 * Rule: s3-behaviours 16 and 6; Amazon S3 API Reference, CompleteMultipartUpload.
 */
#include "s3gw/api/answer.h"
#include "s3gw/api/commit.h"
#include "s3gw/api/cond.h"
#include "s3gw/api/encryption.h"
#include "s3gw/api/handlers.h"
#include "s3gw/api/lock.h"
#include "s3gw/api/notice.h"
#include "s3gw/api/object_headers.h"
#include "s3gw/api/upload_id.h"
#include "s3gw/core/digest.h"
#include "s3gw/core/gw.h"
#include "s3gw/lifecycle/note.h"
#include "s3gw/core/uri.h"
#include "s3gw/policy/quota.h"
#include "s3gw/xml/reader.h"
#include "s3gw/xml/writer.h"

#define PART_MIN   (5ULL << 20)
#define OBJECT_MAX (50ULL * 1000 * 1000 * 1000 * 1000) /* 50 TB: s3-behaviours 25 */

enum { TRIES = 8, PIECES_MAX = 100000 }; /* a record of 8 MiB holds them */

struct listed {
    uint32_t number;
    struct str etag;          /* as sent */
    enum s3_checksum_alg alg; /* NONE: no checksum given */
    struct str checksum;
};

struct completion {
    struct s3_req *q;
    struct listed *listed;
    size_t n;
    struct s3_upload upload;
    struct s3_upart *parts; /* parts[i] is what listed[i] names */
    uint32_t *numbers;
    size_t pieces; /* extents of all of them */
    struct s3_cond cond;
    struct s3_object object;
    bool gone;
};

/* --- the document --- */

static enum s3err part_of(struct s3_req *q, const struct s3_node *n, struct listed *ret)
{
    struct str number = str_trim(s3_node_text(n, "PartNumber"));
    uint64_t v;
    ret->etag = s3_node_text(n, "ETag");
    if (!s3_node_child(n, "ETag") ||
        (str_u64(number, UINT64_MAX, &v) < 0 && !str_starts(number, STR("-"))))
        return S3ERR_MALFORMED_XML;
    if (str_starts(number, STR("-")) || v == 0 || v > S3_PART_NUMBER_MAX)
        return s3_err_arg(q, "PartNumber must be between 1 and 10000", "PartNumber", number);
    ret->number = (uint32_t)v;
    ret->alg = S3_CK_NONE;
    for (enum s3_checksum_alg alg = S3_CK_CRC32; alg < S3_CK_COUNT_; alg++) {
        struct str c = s3_node_text(n, s3_checksum_info(alg)->element);
        if (!c.p)
            continue;
        if (ret->alg != S3_CK_NONE)
            return s3_err_arg(q, "Expecting a single checksum for each part",
                              s3_checksum_info(alg)->element, c);
        ret->alg = alg;
        ret->checksum = str_trim(c);
    }
    return S3ERR_OK;
}

static enum s3err parse(struct completion *c)
{
    struct s3_req *q = c->q;
    struct s3_node *root;
    int r = s3_xml_parse(q->body, "CompleteMultipartUpload", &q->arena, &root);
    if (r < 0)
        return r == -ENOMEM ? s3err_from_errno(r, S3_THING_OTHER) : S3ERR_MALFORMED_XML;
    c->n = s3_node_count(root, "Part");
    if (c->n == 0 || c->n > S3_PART_NUMBER_MAX)
        return S3ERR_MALFORMED_XML;
    c->listed = arena_alloc(&q->arena, c->n * sizeof(*c->listed));
    c->parts = arena_alloc(&q->arena, c->n * sizeof(*c->parts));
    c->numbers = arena_alloc(&q->arena, c->n * sizeof(*c->numbers));
    if (!c->listed || !c->parts || !c->numbers)
        return s3err_from_errno(-ENOMEM, S3_THING_OTHER);
    size_t i = 0;
    for (const struct s3_node *n = s3_node_child(root, "Part"); n;
         n = s3_node_find(n->next, "Part"), i++) {
        enum s3err e = part_of(q, n, &c->listed[i]);
        if (e != S3ERR_OK)
            return e;
        c->numbers[i] = c->listed[i].number;
        if (i > 0 && c->numbers[i] <= c->numbers[i - 1])
            return s3_err(q, S3ERR_INVALID_PART_ORDER, "UploadId",
                          s3_req_param(q, STR("uploadId")));
    }
    return S3ERR_OK;
}

/* --- each part --- */

static enum s3err invalid_part(struct completion *c, const struct listed *l)
{
    s3_err_element(c->q, "UploadId", s3_req_param(c->q, STR("uploadId")));
    return s3_err2(c->q, S3ERR_INVALID_PART, "PartNumber",
                   arena_printf(&c->q->arena, "%u", l->number), "ETag", l->etag);
}

static enum s3err check_part_checksum(struct completion *c, const struct listed *l,
                                      const struct s3_upart *p)
{
    const struct s3_upload *u = &c->upload;
    if (u->ck_alg == S3_CK_NONE)
        return S3ERR_OK; /* Differs: InvalidPart at AWS; SDKs list what UploadPart was sent with */
    if (l->alg == S3_CK_NONE)
        return u->ck_type == S3_CK_FULL_OBJECT
                   ? S3ERR_OK
                   : s3_errm(
                         c->q, S3ERR_INVALID_REQUEST,
                         "The upload was created using a " STR_F
                         " checksum. The complete request must include "
                         "the checksum for each part. It was missing for part %u in the request.",
                         STR_A(s3_checksum_info(u->ck_alg)->name), l->number);
    if (l->alg != u->ck_alg)
        return s3_errm(c->q, S3ERR_BAD_DIGEST,
                       "The checksum of part %u is of another algorithm than the upload's.",
                       l->number);
    struct s3_checksum given;
    if (s3_checksum_parse(l->alg, l->checksum, &given) < 0)
        return s3_err_arg(c->q, "Value for the part's checksum is invalid.",
                          s3_checksum_info(l->alg)->element, l->checksum);
    return s3_checksum_eq(&given, &p->checksum) ? S3ERR_OK : invalid_part(c, l);
}

static enum s3err check_part(struct completion *c, const struct listed *l, const struct s3_upart *p)
{
    struct s3_etag given;
    if (s3_etag_parse(str_trim(l->etag), &given) < 0 || given.parts != 0 ||
        memcmp(given.md5, p->md5, 16) != 0)
        return invalid_part(c, l);
    return check_part_checksum(c, l, p);
}

/* All but the last; asked only when every part is there. */
static enum s3err check_sizes(struct completion *c)
{
    struct arena *a = &c->q->arena;
    for (size_t i = 0; i + 1 < c->n; i++) {
        if (c->parts[i].size >= PART_MIN)
            continue;
        s3_err2(c->q, S3ERR_ENTITY_TOO_SMALL, "ProposedSize",
                arena_printf(a, "%llu", (unsigned long long)c->parts[i].size), "MinSizeAllowed",
                arena_printf(a, "%llu", PART_MIN));
        return s3_err2(c->q, S3ERR_ENTITY_TOO_SMALL, "PartNumber",
                       arena_printf(a, "%u", c->listed[i].number), "ETag", c->listed[i].etag);
    }
    return S3ERR_OK;
}

static enum s3err too_many_pieces(struct s3_req *q)
{
    return s3_errm(q, S3ERR_INVALID_REQUEST,
                   "The parts consist of too many pieces for one object: those were copied from "
                   "objects that consist of many pieces themselves.");
}

/* Takes what of the list is among these parts; *i: how far it is. Listed and stored numbers both ascend. */
static enum s3err match_some(struct completion *c, const struct s3_upart *stored, size_t n,
                             size_t *i)
{
    for (size_t at = 0; at < n && *i < c->n; at++) {
        const struct listed *l = &c->listed[*i];
        if (stored[at].number < l->number)
            continue;
        if (stored[at].number > l->number)
            return invalid_part(c, l);
        enum s3err e = check_part(c, l, &stored[at]);
        if (e != S3ERR_OK)
            return e;
        c->pieces += stored[at].nextents;
        if (c->pieces > PIECES_MAX)
            return too_many_pieces(c->q);
        c->parts[(*i)++] = stored[at];
    }
    return S3ERR_OK;
}

static enum s3err match_parts(struct completion *c)
{
    struct s3_upart *stored;
    size_t n, i = 0;
    uint32_t after = 0;
    enum s3err e = S3ERR_OK;
    c->pieces = 0;
    for (bool more = true; e == S3ERR_OK && more && i < c->n;) {
        int r = s3_upload_parts(c->q->gw->index, c->upload.useq, after, S3_PART_NUMBER_MAX,
                                &c->q->arena, &stored, &n, &more);
        if (r < 0)
            return s3err_from_errno(r, S3_THING_UPLOAD);
        e = match_some(c, stored, n, &i);
        after = n > 0 ? stored[n - 1].number : 0;
    }
    return e == S3ERR_OK && i < c->n ? invalid_part(c, &c->listed[i]) : e;
}

/* --- the object --- */

static enum s3err gather(struct completion *c)
{
    struct s3_object *o = &c->object;
    *o = c->upload.proto;
    o->mtime_ms = c->q->now_ms; /* Differs: AWS dates the object from the start of the upload */
    o->upload_id = s3_req_param(c->q, STR("uploadId"));
    o->size = 0;
    enum s3err e = s3_lock_at_completion(c->q, o);
    if (e != S3ERR_OK)
        return e;
    size_t extents = 0;
    for (size_t i = 0; i < c->n; i++)
        extents += c->parts[i].nextents;
    o->extents = arena_alloc(&c->q->arena, MAX(extents, (size_t)1) * sizeof(*o->extents));
    o->parts = arena_alloc(&c->q->arena, c->n * sizeof(*o->parts));
    if (!o->extents || !o->parts)
        return s3err_from_errno(-ENOMEM, S3_THING_OTHER);
    o->nextents = 0;
    o->nparts = c->n;
    for (size_t i = 0; i < c->n; i++) {
        const struct s3_upart *p = &c->parts[i];
        o->parts[i] =
            (struct s3_part){.number = p->number, .size = p->size, .checksum = p->checksum};
        for (size_t k = 0; k < p->nextents; k++)
            o->extents[o->nextents++] = p->extents[k];
        o->size += p->size; /* at most 10,000 times 5 GiB */
    }
    if (o->size > OBJECT_MAX)
        return s3_err2(c->q, S3ERR_ENTITY_TOO_LARGE, "ProposedSize",
                       arena_printf(&c->q->arena, "%llu", (unsigned long long)o->size),
                       "MaxSizeAllowed", arena_printf(&c->q->arena, "%llu", OBJECT_MAX));
    return s3_quota_check(c->q, c->q->bkt, o->size, 1);
}

static enum s3err etag_of(struct completion *c)
{
    uint8_t *md5s = arena_alloc(&c->q->arena, c->n * 16);
    if (!md5s)
        return s3err_from_errno(-ENOMEM, S3_THING_OTHER);
    for (size_t i = 0; i < c->n; i++)
        memcpy(md5s + i * 16, c->parts[i].md5, 16);
    s3_md5(md5s, c->n * 16, c->object.etag.md5);
    c->object.etag.parts = (uint32_t)c->n;
    return S3ERR_OK;
}

/* The upload's algorithm and type; without one CRC64NVME of the whole, which every part has. */
static enum s3err checksum_of(struct completion *c)
{
    bool own = c->upload.ck_alg != S3_CK_NONE;
    AUTO(s3_checksum_join_fini) struct s3_checksum_join j = {0};
    int r = s3_checksum_join_init(&j, own ? c->upload.ck_alg : S3_CK_CRC64NVME,
                                  own ? c->upload.ck_type : S3_CK_FULL_OBJECT);
    for (size_t i = 0; r == 0 && i < c->n; i++)
        r = s3_checksum_join_add(&j, own ? &c->parts[i].checksum : &c->parts[i].crc64,
                                 c->parts[i].size);
    if (r < 0)
        return s3err_from_errno(r, S3_THING_OTHER);
    s3_checksum_join_final(&j, &c->object.checksum);
    return S3ERR_OK;
}

static enum s3err check_size_header(struct completion *c)
{
    struct str v = s3_req_option(c->q, STR("x-amz-mp-object-size"));
    uint64_t n;
    if (!v.p || (str_u64(v, UINT64_MAX, &n) == 0 && n == c->object.size))
        return S3ERR_OK;
    return s3_errm(c->q, S3ERR_INVALID_REQUEST,
                   "The provided 'x-amz-mp-object-size' header does not match what was computed.");
}

/* x-amz-checksum-<alg> is the object's here, not the document's; a COMPOSITE one with or without
 * -N. */
static enum s3err check_checksum_headers(struct completion *c)
{
    struct s3_req *q = c->q;
    struct str type = s3_req_option(q, STR("x-amz-checksum-type"));
    enum s3_checksum_type t;
    if (type.p && (s3_checksum_type_by_name(type, &t) < 0 || t != c->object.checksum.type))
        return s3_errm(q, S3ERR_INVALID_REQUEST,
                       "The checksum type does not match the one the upload was created with.");
    for (enum s3_checksum_alg alg = S3_CK_CRC32; alg < S3_CK_COUNT_; alg++) {
        const struct s3_checksum_info *info = s3_checksum_info(alg);
        struct str v = s3_req_option(q, str_c(info->header));
        if (!v.p)
            continue;
        struct s3_checksum given;
        uint32_t parts;
        if (s3_checksum_parse_parts(alg, v, &given, &parts) < 0)
            return s3_errm(q, S3ERR_INVALID_REQUEST, "Value for %s header is invalid.",
                           info->header);
        if (!s3_checksum_eq(&given, &c->object.checksum) || (parts != 0 && parts != c->n))
            return s3_errm(q, S3ERR_BAD_DIGEST,
                           "The " STR_F " you specified did not match the calculated checksum.",
                           STR_A(info->name));
    }
    return S3ERR_OK;
}

static enum s3err prepare(struct completion *c)
{
    enum s3err (*const steps[])(struct completion *) = {
        match_parts,       check_sizes,           gather, etag_of, checksum_of,
        check_size_header, check_checksum_headers};
    enum s3err e = S3ERR_OK;
    for (size_t i = 0; e == S3ERR_OK && i < ARRAY_LEN(steps); i++)
        e = steps[i](c);
    return e;
}

/* --- commit and answer --- */

static int commit(struct s3_tx *tx, void *arg)
{
    struct completion *c = arg;
    c->gone = false;
    int r = s3_upload_complete(tx, c->q->bkt->bid, c->q->key, c->upload.useq, c->numbers, c->n,
                               &c->cond, &c->object, &c->gone);
    if (r == 0)
        s3_notice_object(tx, c->q, S3_EVENT_CREATED_COMPLETE, c->q->key, &c->object);
    return r;
}

/* scheme://host/bucket/key, as the client addressed us */
static void location(struct s3_req *q, struct buf *b)
{
    AUTO(buf_free) struct buf url = BUF(8192);
    buf_addf(&url, "%s://" STR_F "/", q->tls ? "https" : "http", STR_A(q->host));
    if (!q->virtual_host)
        buf_addf(&url, STR_F "/", STR_A(q->bucket));
    s3_uri_encode(&url, q->key, true);
    s3_xml_text(b, "Location", buf_str(&url));
}

static enum s3err answer(struct s3_req *q, const struct s3_object *o)
{
    s3_object_written_headers(q, o);
    struct buf *b = s3_answer_open(q, "CompleteMultipartUploadResult");
    location(q, b);
    s3_xml_text(b, "Bucket", q->bucket);
    s3_xml_text(b, "Key", q->key);
    s3_xml_etag(b, "ETag", &o->etag);
    if (o->checksum.alg != S3_CK_NONE) {
        char text[S3_CK_TEXT_MAX];
        size_t n = s3_checksum_text(&o->checksum, o->etag.parts, text);
        s3_xml_text(b, s3_checksum_info(o->checksum.alg)->element, str_of(text, n));
        s3_xml_text(b, "ChecksumType", s3_checksum_type_name(o->checksum.type));
    }
    return s3_answer_close(q, "CompleteMultipartUploadResult");
}

/* Is @o made of just the parts that are listed? Its ETag tells. */
static int made_of_these(const struct completion *c, const struct s3_object *o)
{
    uint8_t *md5s = arena_alloc(&c->q->arena, c->n * 16), whole[16];
    if (!md5s)
        return -ENOMEM;
    for (size_t i = 0; i < c->n; i++) {
        struct s3_etag given;
        if (s3_etag_parse(str_trim(c->listed[i].etag), &given) < 0)
            return -ENOENT;
        memcpy(md5s + i * 16, given.md5, 16);
    }
    s3_md5(md5s, c->n * 16, whole);
    return o->etag.parts == c->n && memcmp(whole, o->etag.md5, 16) == 0 ? 0 : -ENOENT;
}

/* A client whose connection broke asks again: the same answer while the object is still that one. Who lists other
 * parts asks for something else, which is not there. */
static enum s3err finished_before(const struct completion *c)
{
    struct s3_req *q = c->q;
    struct s3_object o;
    int r = s3_upload_finished(q->gw->index, q->bkt->bid, q->key, s3_req_param(q, STR("uploadId")),
                               &q->arena, &o);
    if (r == 0)
        r = made_of_these(c, &o);
    if (r == 0)
        return answer(q, &o);
    return r == -ENOENT || r == -EINVAL ? s3_no_such_upload(q)
                                        : s3err_from_errno(r, S3_THING_UPLOAD);
}

/* Completed by the same call of somebody else, or aborted, while we looked at its parts? */
static bool gone_meanwhile(struct s3_req *q)
{
    struct s3_upload again;
    if (s3_upload_named(q, &again) != S3ERR_NO_SUCH_UPLOAD)
        return false;
    q->resp.nextras = 0; /* what was said of its parts */
    q->resp.message = STR_NULL;
    return true;
}

enum s3err s3_h_complete_multipart_upload(struct s3_req *q)
{
    struct completion c = {.q = q};
    enum s3err e = s3_cond_of_write(q, &c.cond);
    if (e == S3ERR_OK)
        e = parse(&c);
    if (e != S3ERR_OK)
        return e;
    e = s3_upload_named(q, &c.upload);
    if (e == S3ERR_NO_SUCH_UPLOAD)
        return finished_before(&c);
    if (e == S3ERR_OK)
        e = s3_encryption_check_upload(q, &c.upload.proto);
    int r = -EAGAIN;
    for (int i = 0; e == S3ERR_OK && r == -EAGAIN && i < TRIES;
         i++) { /* parts were replaced meanwhile */
        e = prepare(&c);
        if (e == S3ERR_OK)
            r = s3_commit_version(q, q->bkt, q->key, &c.object, commit, &c);
        else if (gone_meanwhile(q))
            return finished_before(&c);
    }
    if (e != S3ERR_OK)
        return e;
    if (c.gone)
        return finished_before(&c);
    if (r == 0)
        r = s3_note_ended(q->gw, q->bkt, q->key, c.upload.useq);
    e = s3_commit_error(q, r);
    return e == S3ERR_OK ? answer(q, &c.object) : e;
}
