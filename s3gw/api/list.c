/* SPDX-License-Identifier: Apache-2.0 */
/*
 * list - ListObjects, ListObjectsV2, ListObjectVersions, ListMultipartUploads: parameters in, one
 * page of the index (index/listing.h) out.
 *
 * Rule: s3-behaviours 11; Amazon S3 API Reference of the four.
 */
#include "s3gw/api/answer.h"
#include "s3gw/api/handlers.h"
#include "s3gw/api/token.h"
#include "s3gw/index/version.h"
#include "s3gw/core/gw.h"
#include "s3gw/core/names.h"
#include "s3gw/index/bucket.h"
#include "s3gw/index/listing.h"
#include "s3gw/xml/writer.h"

enum { PAGE_MAX = 1000 };

struct lister {
    struct s3_list_query query;
    bool url; /* encoding-type=url */
    struct s3_list_page page;
    struct str owner_id; /* the last owner looked up, and what to show for it */
    struct str owner_name;
};

/* Nothing here is ever archived, so no object has a RestoreStatus to show. */
static enum s3err optional_attributes(struct s3_req *q)
{
    static const char header[] = "x-amz-optional-object-attributes";
    struct str rest = s3_req_header(q, str_c(header)), name;
    while (str_split(&rest, ',', &name))
        if (!str_eq(str_trim(name), STR("RestoreStatus")))
            return s3_err_arg(q, "Invalid attribute name specified.", header, name);
    return S3ERR_OK;
}

static enum s3err lister_init(struct s3_req *q, struct lister *l, struct str limit)
{
    *l = (struct lister){0};
    l->query.bid = q->bkt->bid;
    l->query.prefix = s3_req_param(q, STR("prefix"));
    l->query.delimiter = s3_req_param(q, STR("delimiter"));
    enum s3err e = s3_param_encoding(q, &l->url);
    if (e == S3ERR_OK)
        e = optional_attributes(q);
    return e == S3ERR_OK ? s3_param_limit(q, limit, PAGE_MAX, &l->query.max) : e;
}

typedef int (*list_fn)(struct s3_index *x, const struct s3_list_query *q, struct arena *a,
                       struct s3_list_page *ret);

static enum s3err lister_run(struct s3_req *q, struct lister *l, list_fn fn)
{
    if (l->query.max == 0) /* an empty page that is not truncated */
        return S3ERR_OK;
    return s3err_from_errno(fn(q->gw->index, &l->query, &q->arena, &l->page), S3_THING_OTHER);
}

/* Where the next page begins; NULL when this was the last. */
static const struct s3_list_entry *last_entry(const struct lister *l)
{
    return l->page.truncated && l->page.n > 0 ? &l->page.entries[l->page.n - 1] : NULL;
}

static void head_elements(struct s3_req *q, struct buf *b, const struct lister *l)
{
    s3_xml_text(b, "Name", q->bucket);
    s3_xml_key(b, "Prefix", l->query.prefix, l->url);
}

static void tail_elements(struct buf *b, const struct lister *l, const char *max_name)
{
    s3_xml_u64(b, max_name, l->query.max);
    if (l->query.delimiter.n > 0)
        s3_xml_key(b, "Delimiter", l->query.delimiter, l->url);
    if (l->url)
        s3_xml_text(b, "EncodingType", STR("url"));
    s3_xml_bool(b, "IsTruncated", l->page.truncated);
}

static void common_prefixes(struct buf *b, const struct lister *l)
{
    for (size_t i = 0; i < l->page.n; i++) {
        if (!l->page.entries[i].is_prefix)
            continue;
        s3_xml_open(b, "CommonPrefixes");
        s3_xml_key(b, "Prefix", l->page.entries[i].key, l->url);
        s3_xml_close(b, "CommonPrefixes");
    }
}

/* As s3_xml_owner, but a page usually has one owner: look each up once. */
static void owner_element(struct s3_req *q, struct buf *b, struct lister *l, const char *name,
                          struct str id)
{
    if (!str_eq(id, l->owner_id) || !l->owner_id.p) {
        struct s3_user u;
        l->owner_id = id;
        l->owner_name = id;
        if (str_eq(id, q->who.user_id))
            l->owner_name = q->who.display_name;
        else if (s3_user_get(q->gw->index, id, S3_READ_ANY, &q->arena, &u) == 0)
            l->owner_name = u.display_name;
    }
    s3_xml_open(b, name);
    s3_xml_text(b, "ID", l->owner_id);
    s3_xml_text(b, "DisplayName", l->owner_name);
    s3_xml_close(b, name);
}

static void storage_class_element(struct buf *b, const struct s3_object *o)
{
    s3_xml_text(b, "StorageClass", o->storage_class.n ? o->storage_class : STR("STANDARD"));
}

static void object_elements(struct buf *b, const struct s3_object *o)
{
    s3_xml_etag(b, "ETag", &o->etag);
    if (o->checksum.alg != S3_CK_NONE) {
        s3_xml_text(b, "ChecksumAlgorithm", s3_checksum_info(o->checksum.alg)->name);
        s3_xml_text(b, "ChecksumType", s3_checksum_type_name(o->checksum.type));
    }
    s3_xml_u64(b, "Size", o->size);
    storage_class_element(b, o);
}

/* --- objects --- */

static void contents(struct s3_req *q, struct buf *b, struct lister *l, bool owner)
{
    for (size_t i = 0; i < l->page.n; i++) {
        const struct s3_list_entry *e = &l->page.entries[i];
        if (e->is_prefix)
            continue;
        s3_xml_open(b, "Contents");
        s3_xml_key(b, "Key", e->key, l->url);
        s3_xml_time(b, "LastModified", e->object.mtime_ms);
        object_elements(b, &e->object);
        if (owner)
            owner_element(q, b, l, "Owner", e->object.owner_id);
        s3_xml_close(b, "Contents");
    }
    common_prefixes(b, l);
}

enum s3err s3_h_list_objects(struct s3_req *q)
{
    struct str type = s3_req_param(q, STR("list-type"));
    if (type.p) /* 2 is another row */
        return s3_err_arg(q, "Invalid List Type specified in Request", "list-type", type);
    struct lister l;
    enum s3err e = lister_init(q, &l, STR("max-keys"));
    if (e != S3ERR_OK)
        return e;
    l.query.after = s3_req_param(q, STR("marker"));
    e = lister_run(q, &l, s3_list_objects);
    if (e != S3ERR_OK)
        return e;
    struct buf *b = s3_answer_open(q, "ListBucketResult");
    head_elements(q, b, &l);
    s3_xml_key(b, "Marker", l.query.after, l.url);
    if (last_entry(&l) && l.query.delimiter.n > 0)
        s3_xml_key(b, "NextMarker", last_entry(&l)->key, l.url);
    tail_elements(b, &l, "MaxKeys");
    contents(q, b, &l, true);
    return s3_answer_close(q, "ListBucketResult");
}

enum s3err s3_h_list_objects_v2(struct s3_req *q)
{
    struct lister l;
    enum s3err e = lister_init(q, &l, STR("max-keys"));
    if (e != S3ERR_OK)
        return e;
    struct str token = s3_req_param(q, STR("continuation-token"));
    struct str start = s3_req_param(q, STR("start-after"));
    l.query.after = start;
    if (token
            .p) { /* Differs: an empty token is an error at AWS and here; Ceph takes it as absent */
        int r = s3_token_decode(&q->arena, token, &l.query.after);
        if (r < 0)
            return r == -ENOMEM ? s3err_from_errno(r, S3_THING_OTHER)
                                : s3_err_arg(q, "The continuation token provided is incorrect",
                                             "continuation-token", token);
    }
    e = lister_run(q, &l, s3_list_objects);
    if (e != S3ERR_OK)
        return e;
    struct buf *b = s3_answer_open(q, "ListBucketResult");
    head_elements(q, b, &l);
    if (start.n > 0)
        s3_xml_key(b, "StartAfter", start, l.url);
    if (token.p)
        s3_xml_text(b, "ContinuationToken", token);
    if (last_entry(&l))
        s3_token_element(b, "NextContinuationToken", last_entry(&l)->key);
    s3_xml_u64(b, "KeyCount", l.page.n);
    tail_elements(b, &l, "MaxKeys");
    contents(q, b, &l, str_ieq(s3_req_param(q, STR("fetch-owner")), STR("true")));
    return s3_answer_close(q, "ListBucketResult");
}

/* --- versions --- */

/* The null version has a sequence number like the others, but its name does not tell it. When it is gone, all versions of
 * the key are behind it: who deletes page by page must not miss those that are older. */
static int seq_of_null(struct s3_req *q, struct str key, uint64_t *ret)
{
    const struct s3_version null = {.null = true};
    struct s3_object o;
    int r = key.n > S3_KEY_MAX ? -ENOENT
                               : s3_object_get_version(q->gw->index, q->bkt->bid, key, &null,
                                                       S3_READ_ANY, false, &q->arena, &o);
    *ret = r == 0 ? o.seq : UINT64_MAX;
    return r == -ENOENT ? 0 : r;
}

static enum s3err version_marker(struct s3_req *q, struct lister *l, struct str marker)
{
    if (marker.n == 0)
        return S3ERR_OK;
    if (l->query.after.n == 0)
        return s3_err_arg(q, "A version-id marker cannot be specified without a key marker.",
                          "version-id-marker", marker);
    bool null;
    if (s3_version_id_parse(marker, &null, &l->query.after_seq) < 0)
        return s3_err_arg(q, "Invalid version id specified", "version-id-marker", marker);
    if (!null || !q->bkt->versioning.p)
        return S3ERR_OK; /* never versioned: null is the only one, the key is done */
    return s3err_from_errno(seq_of_null(q, l->query.after, &l->query.after_seq), S3_THING_OTHER);
}

static void version_id_element(struct s3_req *q, struct buf *b, const char *name,
                               const struct s3_object *o)
{
    char id[S3_VERSION_ID_MAX] = "null";
    size_t n = 4;
    if (q->bkt->versioning.p)
        n = s3_version_id_format(o, id);
    s3_xml_text(b, name, str_of(id, n));
}

static void version_element(struct s3_req *q, struct buf *b, struct lister *l,
                            const struct s3_list_entry *e)
{
    bool marker = e->object.flags & S3_OBJ_DELETE_MARKER;
    const char *name = marker ? "DeleteMarker" : "Version";
    s3_xml_open(b, name);
    s3_xml_key(b, "Key", e->key, l->url);
    version_id_element(q, b, "VersionId", &e->object);
    s3_xml_bool(b, "IsLatest", e->is_latest);
    s3_xml_time(b, "LastModified", e->object.mtime_ms);
    if (!marker)
        object_elements(b, &e->object);
    owner_element(q, b, l, "Owner", e->object.owner_id);
    s3_xml_close(b, name);
}

static void next_version_markers(struct s3_req *q, struct buf *b, const struct lister *l)
{
    const struct s3_list_entry *last = last_entry(l);
    if (!last)
        return;
    s3_xml_key(b, "NextKeyMarker", last->key, l->url);
    if (last->is_prefix)
        return;
    version_id_element(q, b, "NextVersionIdMarker", &last->object);
}

enum s3err s3_h_list_object_versions(struct s3_req *q)
{
    struct lister l;
    enum s3err e = lister_init(q, &l, STR("max-keys"));
    if (e != S3ERR_OK)
        return e;
    struct str marker = s3_req_param(q, STR("version-id-marker"));
    l.query.after = s3_req_param(q, STR("key-marker"));
    e = version_marker(q, &l, marker);
    if (e == S3ERR_OK)
        e = lister_run(q, &l, s3_list_versions);
    if (e != S3ERR_OK)
        return e;
    struct buf *b = s3_answer_open(q, "ListVersionsResult");
    head_elements(q, b, &l);
    s3_xml_key(b, "KeyMarker", l.query.after, l.url);
    s3_xml_text(b, "VersionIdMarker", marker);
    next_version_markers(q, b, &l);
    tail_elements(b, &l, "MaxKeys");
    for (size_t i = 0; i < l.page.n; i++)
        if (!l.page.entries[i].is_prefix)
            version_element(q, b, &l, &l.page.entries[i]);
    common_prefixes(b, &l);
    return s3_answer_close(q, "ListVersionsResult");
}

/* --- uploads --- */

/* An id tells its place by itself: who cleans up aborts the uploads of a page before asking for the next. */
static enum s3err upload_marker(struct s3_req *q, struct lister *l, struct str id)
{
    if (id.n == 0 || l->query.after.n == 0) /* without a key marker it is ignored */
        return S3ERR_OK;
    uint64_t check;
    if (s3_upload_id_parse(id, &l->query.after_seq, &check) < 0)
        return s3_err_arg(q, "Invalid uploadId marker", "upload-id-marker", id);
    return S3ERR_OK;
}

static void upload_element(struct s3_req *q, struct buf *b, struct lister *l,
                           const struct s3_list_entry *e)
{
    char id[33];
    s3_upload_id_format(&e->upload, id);
    s3_xml_open(b, "Upload");
    s3_xml_key(b, "Key", e->key, l->url);
    s3_xml_text(b, "UploadId", str_c(id));
    owner_element(q, b, l, "Initiator", e->upload.initiator_id);
    owner_element(q, b, l, "Owner", e->upload.proto.owner_id);
    storage_class_element(b, &e->upload.proto);
    s3_xml_time(b, "Initiated", e->upload.started_ms);
    if (e->upload.ck_alg != S3_CK_NONE) {
        s3_xml_text(b, "ChecksumAlgorithm", s3_checksum_info(e->upload.ck_alg)->name);
        s3_xml_text(b, "ChecksumType", s3_checksum_type_name(e->upload.ck_type));
    }
    s3_xml_close(b, "Upload");
}

static void next_upload_markers(struct buf *b, const struct lister *l)
{
    const struct s3_list_entry *last = last_entry(l);
    if (!last)
        return;
    s3_xml_key(b, "NextKeyMarker", last->key, l->url);
    if (last->is_prefix)
        return;
    char id[33];
    s3_upload_id_format(&last->upload, id);
    s3_xml_text(b, "NextUploadIdMarker", str_c(id));
}

enum s3err s3_h_list_multipart_uploads(struct s3_req *q)
{
    struct lister l;
    enum s3err e = lister_init(q, &l, STR("max-uploads"));
    if (e != S3ERR_OK)
        return e;
    struct str marker = s3_req_param(q, STR("upload-id-marker"));
    l.query.after = s3_req_param(q, STR("key-marker"));
    e = upload_marker(q, &l, marker);
    if (e == S3ERR_OK)
        e = lister_run(q, &l, s3_list_uploads);
    if (e != S3ERR_OK)
        return e;
    struct buf *b = s3_answer_open(q, "ListMultipartUploadsResult");
    s3_xml_text(b, "Bucket", q->bucket);
    s3_xml_key(b, "KeyMarker", l.query.after, l.url);
    s3_xml_text(b, "UploadIdMarker", l.query.after.n ? marker : STR(""));
    next_upload_markers(b, &l);
    if (l.query.prefix.n > 0)
        s3_xml_key(b, "Prefix", l.query.prefix, l.url);
    tail_elements(b, &l, "MaxUploads");
    for (size_t i = 0; i < l.page.n; i++)
        if (!l.page.entries[i].is_prefix)
            upload_element(q, b, &l, &l.page.entries[i]);
    common_prefixes(b, &l);
    return s3_answer_close(q, "ListMultipartUploadsResult");
}
