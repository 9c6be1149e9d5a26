/* SPDX-License-Identifier: Apache-2.0 */
/*
 * multipart - CreateMultipartUpload, AbortMultipartUpload, ListParts. Complete is in complete.c,
 * the list of uploads in list.c, part data in object_put.c.
 *
 * Differs: AWS tells the version id of the object from the creation of an upload on, with each part and list. Here a version
 * has its id from its commit, so that ids are of the order of versions; only the answer of Complete has it.
 *
 * Rule: s3-behaviours 16 and 6; Amazon S3 API Reference.
 */
#include "dfscore/log/log.h"
#include "s3gw/api/answer.h"
#include "s3gw/api/cond.h"
#include "s3gw/api/encryption.h"
#include "s3gw/api/handlers.h"
#include "s3gw/api/lifecycle.h"
#include "s3gw/api/object_headers.h"
#include "s3gw/api/upload_id.h"
#include "s3gw/core/gw.h"
#include "s3gw/index/bucket.h"
#include "s3gw/lifecycle/note.h"
#include "s3gw/xml/writer.h"

enum s3err s3_no_such_upload(struct s3_req *q)
{
    return s3_err(q, S3ERR_NO_SUCH_UPLOAD, "UploadId", s3_req_param(q, STR("uploadId")));
}

enum s3err s3_upload_named(struct s3_req *q, struct s3_upload *ret)
{
    int r = s3_upload_get(q->gw->index, q->bkt->bid, q->key, s3_req_param(q, STR("uploadId")),
                          S3_READ_ANY, &q->arena, ret);
    if (r == -EINVAL || r == -ENOENT)
        return s3_no_such_upload(q);
    return s3err_from_errno(r, S3_THING_UPLOAD);
}

enum s3err s3_upload_part_number(struct s3_req *q, uint32_t *ret)
{
    struct str v = s3_req_param(q, STR("partNumber"));
    uint64_t n;
    if (str_u64(v, S3_PART_NUMBER_MAX, &n) < 0 || n == 0)
        return s3_err_arg(q, "Part number must be an integer between 1 and 10000, inclusive",
                          "partNumber", v);
    *ret = (uint32_t)n;
    return S3ERR_OK;
}

/* --- create --- */

static enum s3err checksum_of_upload(struct s3_req *q, struct s3_upload *u)
{
    struct str alg = s3_req_option(q, STR("x-amz-checksum-algorithm"));
    struct str type = s3_req_option(q, STR("x-amz-checksum-type"));
    if (!alg.p)
        return type.p ? s3_errm(q, S3ERR_INVALID_REQUEST,
                                "The x-amz-checksum-type header can only be used with the "
                                "x-amz-checksum-algorithm header.")
                      : S3ERR_OK;
    if (s3_checksum_by_name(alg, &u->ck_alg) < 0)
        return s3_errm(q, S3ERR_INVALID_REQUEST,
                       "Checksum algorithm provided is unsupported. Please try again with any of "
                       "the valid types: [%s]",
                       s3_checksum_valid_names);
    u->ck_type = s3_checksum_default_type(u->ck_alg);
    if (type.p && s3_checksum_type_by_name(type, &u->ck_type) < 0)
        return s3_errm(q, S3ERR_INVALID_REQUEST,
                       "Value for x-amz-checksum-type header is invalid.");
    const struct s3_checksum_info *info = s3_checksum_info(u->ck_alg);
    if (u->ck_type == S3_CK_COMPOSITE ? !info->composite : !info->full_object)
        return s3_errm(q, S3ERR_INVALID_REQUEST,
                       "The " STR_F " checksum type cannot be used with the " STR_F
                       " checksum algorithm.",
                       STR_A(s3_checksum_type_name(u->ck_type)), STR_A(info->name));
    return S3ERR_OK;
}

struct creation {
    struct s3_upload *upload;
    uint64_t bid;
};

static int create(struct s3_tx *tx, void *arg)
{
    struct creation *c = arg;
    return s3_upload_create(tx, c->bid, c->upload);
}

enum s3err s3_h_create_multipart_upload(struct s3_req *q)
{
    struct s3_upload u = {.key = q->key, .started_ms = q->now_ms, .initiator_id = q->who.user_id};
    enum s3err e = s3_object_headers_from(q, &u.proto);
    if (e == S3ERR_OK)
        e = checksum_of_upload(q, &u);
    if (e != S3ERR_OK)
        return e;
    struct creation c = {&u, q->bkt->bid};
    int r = s3_upload_new_id(q->gw->index, &u);
    if (r == 0)
        r = s3_note_upload(q->gw, q->bkt, &u);
    if (r == 0) {
        r = s3_index_update(q->gw->index, create, &c);
        if (r < 0 && s3_note_ended(q->gw, q->bkt, q->key, u.useq) < 0)
            dfs_log(LOG_ERROR, "s3.note_not_taken_back", KV_ERR(r));
    }
    if (r < 0)
        return s3_commit_error(q, r);
    if (u.ck_alg != S3_CK_NONE) {
        s3_resp_header(q, "x-amz-checksum-algorithm", s3_checksum_info(u.ck_alg)->name);
        s3_resp_header(q, "x-amz-checksum-type", s3_checksum_type_name(u.ck_type));
    }
    s3_lifecycle_upload_headers(q, q->key, u.started_ms);
    s3_encryption_headers(q, &u.proto, true);
    char id[33];
    s3_upload_id_format(&u, id);
    struct buf *b = s3_answer_open(q, "InitiateMultipartUploadResult");
    s3_xml_text(b, "Bucket", q->bucket);
    s3_xml_text(b, "Key", q->key);
    s3_xml_text(b, "UploadId", str_c(id));
    return s3_answer_close(q, "InitiateMultipartUploadResult");
}

/* --- abort --- */

struct abortion {
    uint64_t bid, useq;
    struct str key;
};

static int abort_upload(struct s3_tx *tx, void *arg)
{
    struct abortion *a = arg;
    s3_tx_frees(tx);
    return s3_upload_abort(tx, a->bid, a->key, a->useq);
}

enum s3err s3_h_abort_multipart_upload(struct s3_req *q)
{
    struct s3_upload u;
    struct s3_object finished;
    q->resp.status = 204;
    enum s3err e = s3_upload_named(q, &u);
    if (e == S3ERR_NO_SUCH_UPLOAD && /* Differs: 204 after Complete, as AWS; most others 404 */
        s3_upload_finished(q->gw->index, q->bkt->bid, q->key, s3_req_param(q, STR("uploadId")),
                           &q->arena, &finished) == 0)
        return S3ERR_OK;
    if (e != S3ERR_OK)
        return e;
    struct abortion a = {q->bkt->bid, u.useq, q->key};
    int r = s3_note_ended(q->gw, q->bkt, q->key, u.useq);
    if (r == 0)
        r = s3_index_update(q->gw->index, abort_upload, &a);
    return r == -ENOENT ? s3_no_such_upload(q) : s3_commit_error(q, r);
}

/* --- list parts --- */

static void part_element(struct buf *b, const struct s3_upload *u, const struct s3_upart *p)
{
    struct s3_etag etag = {0};
    memcpy(etag.md5, p->md5, sizeof(etag.md5));
    s3_xml_open(b, "Part");
    s3_xml_u64(b, "PartNumber", p->number);
    s3_xml_time(b, "LastModified", p->mtime_ms);
    s3_xml_etag(b, "ETag", &etag);
    s3_xml_u64(b, "Size", p->size);
    if (u->ck_alg != S3_CK_NONE && p->checksum.alg == u->ck_alg) {
        char text[S3_CK_TEXT_MAX];
        size_t n = s3_checksum_text(&p->checksum, 0, text);
        s3_xml_text(b, s3_checksum_info(u->ck_alg)->element, str_of(text, n));
    }
    s3_xml_close(b, "Part");
}

struct parts_page {
    size_t marker, max;
    struct s3_upart *parts;
    size_t n;
    bool more;
};

static enum s3err page_asked(struct s3_req *q, struct parts_page *p)
{
    enum s3err e = s3_param_limit(q, STR("max-parts"), 1000, &p->max);
    if (e == S3ERR_OK && s3_req_param(q, STR("part-number-marker")).n > 0)
        e = s3_param_limit(q, STR("part-number-marker"), INT32_MAX, &p->marker);
    return e;
}

static enum s3err parts_page(struct s3_req *q, const struct s3_upload *u, struct parts_page *p)
{
    if (p->max == 0)
        return S3ERR_OK;
    return s3err_from_errno(s3_upload_parts(q->gw->index, u->useq, (uint32_t)p->marker, p->max,
                                            &q->arena, &p->parts, &p->n, &p->more),
                            S3_THING_OTHER);
}

enum s3err s3_h_list_parts(struct s3_req *q)
{
    struct s3_upload u;
    struct parts_page p = {0};
    enum s3err e = page_asked(q, &p);
    if (e == S3ERR_OK)
        e = s3_upload_named(q, &u);
    if (e == S3ERR_OK)
        e = s3_encryption_check_upload(q, &u.proto);
    if (e == S3ERR_OK)
        e = parts_page(q, &u, &p);
    if (e != S3ERR_OK)
        return e;
    s3_lifecycle_upload_headers(q, q->key, u.started_ms);
    struct buf *b = s3_answer_open(q, "ListPartsResult");
    s3_xml_text(b, "Bucket", q->bucket);
    s3_xml_text(b, "Key", q->key);
    s3_xml_text(b, "UploadId", s3_req_param(q, STR("uploadId")));
    s3_xml_u64(b, "PartNumberMarker", p.marker);
    s3_xml_u64(b, "NextPartNumberMarker", p.n > 0 ? p.parts[p.n - 1].number : p.marker);
    s3_xml_u64(b, "MaxParts", p.max);
    s3_xml_bool(b, "IsTruncated", p.more && p.n > 0);
    for (size_t i = 0; i < p.n; i++)
        part_element(b, &u, &p.parts[i]);
    s3_xml_owner(q, b, "Initiator", u.initiator_id);
    s3_xml_owner(q, b, "Owner", u.proto.owner_id);
    s3_xml_text(b, "StorageClass",
                u.proto.storage_class.n ? u.proto.storage_class : STR("STANDARD"));
    if (u.ck_alg != S3_CK_NONE) {
        s3_xml_text(b, "ChecksumAlgorithm", s3_checksum_info(u.ck_alg)->name);
        s3_xml_text(b, "ChecksumType", s3_checksum_type_name(u.ck_type));
    }
    return s3_answer_close(q, "ListPartsResult");
}
