/* SPDX-License-Identifier: Apache-2.0 */
#include "s3gw/api/object_headers.h"

#include "s3gw/api/amend.h"
#include "s3gw/api/answer.h"
#include "s3gw/api/encryption.h"
#include "s3gw/api/lifecycle.h"
#include "s3gw/api/lock.h"
#include "s3gw/index/version.h"
#include "s3gw/core/body.h"
#include "s3gw/core/gw.h"
#include "s3gw/core/op.h"
#include "s3gw/core/tags.h"
#include "s3gw/index/bucket.h"
#include "s3gw/policy/access.h"
#include "s3gw/policy/acl.h"
#include "s3gw/policy/eval.h"

enum { REDIRECT_MAX = 2048 }; /* User Guide, "Configuring a webpage redirect": 2 KB */

static const struct str META = STR_INIT("x-amz-meta-");

/* Kept with the object and given back. response: the query name that overrides it on reads; fresh: a 304 has
 * it too (RFC 9110, 15.4.5); list: it may come in several lines (5.3). */
static const struct {
    struct str name;
    const char *answer;
    struct str response;
    bool fresh, list;
} system_headers[] = {
    {STR_INIT("content-type"), "Content-Type", STR_INIT("response-content-type"), false, false},
    {STR_INIT("cache-control"), "Cache-Control", STR_INIT("response-cache-control"), true, true},
    {STR_INIT("content-disposition"), "Content-Disposition",
     STR_INIT("response-content-disposition"), false, false},
    {STR_INIT("content-encoding"), "Content-Encoding", STR_INIT("response-content-encoding"), false,
     true},
    {STR_INIT("content-language"), "Content-Language", STR_INIT("response-content-language"), false,
     true},
    {STR_INIT("expires"), "Expires", STR_INIT("response-expires"), true, false},
    {STR_INIT("x-amz-website-redirect-location"), "x-amz-website-redirect-location", STR_INIT(""),
     false, false},
};

static enum s3err no_memory(void)
{
    return s3err_from_errno(-ENOMEM, S3_THING_OTHER);
}

static void keep(struct s3_object *o, struct str name, struct str value)
{
    o->headers[o->nheaders++] = (struct s3_pair){name, value};
}

/* As the request has it. 0; -ENOMEM. */
static int given(struct s3_req *q, size_t i, struct str *ret)
{
    struct str name = system_headers[i].name;
    if (str_eq(name, STR("content-encoding")))
        return s3_body_content_encoding(q, ret);
    if (system_headers[i].list)
        return s3_req_header_list(q, name, ret);
    *ret = str_istarts(name, STR("x-amz-")) ? s3_req_option(q, name) : s3_req_header(q, name);
    return 0;
}

static enum s3err system_headers_from(struct s3_req *q, struct s3_object *o)
{
    for (size_t i = 0; i < ARRAY_LEN(system_headers); i++) {
        struct str name = system_headers[i].name, v;
        bool ours = str_istarts(name, STR("x-amz-"));
        if (given(q, i, &v) < 0)
            return no_memory();
        if (v.n == 0)
            continue; /* empty counts as not given: the default content type, no encoding */
        if (ours && !str_starts(v, STR("/")) && !str_starts(v, STR("http://")) &&
            !str_starts(v, STR("https://")))
            return S3ERR_INVALID_REDIRECT_LOCATION;
        if (ours && v.n > REDIRECT_MAX)
            return s3_errm(q, S3ERR_INVALID_REDIRECT_LOCATION,
                           "The length of website redirect location cannot exceed %d characters.",
                           REDIRECT_MAX);
        keep(o, name, v);
    }
    return S3ERR_OK;
}

static struct s3_pair *find_kept(struct s3_object *o, struct str name)
{
    for (size_t i = 0; i < o->nheaders; i++)
        if (str_ieq(o->headers[i].name, name))
            return &o->headers[i];
    return NULL;
}

static enum s3err keep_metadata(struct s3_req *q, struct s3_object *o, const struct s3_pair *h,
                                bool join)
{
    struct str value = h->value.p ? h->value : STR("");
    struct s3_pair *seen = find_kept(o, h->name);
    if (seen && join) /* several lines of one header are one list: RFC 9110, 5.3 */
        seen->value = arena_printf(&q->arena, STR_F "," STR_F, STR_A(seen->value), STR_A(value));
    if (seen)
        return seen->value.p ? S3ERR_OK : no_memory();
    struct str name = arena_str(&q->arena, h->name);
    if (!name.p)
        return no_memory();
    for (size_t i = 0; i < name.n; i++)
        if (name.p[i] >= 'A' && name.p[i] <= 'Z')
            ((char *)name.p)[i] = (char)(name.p[i] + ('a' - 'A'));
    keep(o, name, value);
    return S3ERR_OK;
}

static enum s3err metadata_size(struct s3_req *q, const struct s3_object *o)
{
    size_t n = 0;
    for (size_t i = 0; i < o->nheaders; i++)
        if (str_starts(o->headers[i].name, META))
            n += o->headers[i].name.n - META.n + o->headers[i].value.n;
    if (n <= S3_USER_METADATA_MAX)
        return S3ERR_OK;
    s3_err_element(q, "Size", arena_printf(&q->arena, "%zu", n));
    return s3_err(q, S3ERR_METADATA_TOO_LARGE, "MaxSizeAllowed",
                  arena_printf(&q->arena, "%d", S3_USER_METADATA_MAX));
}

enum s3err s3_object_metadata_from(struct s3_req *q, struct s3_object *o)
{
    size_t max = ARRAY_LEN(system_headers) + q->nheaders + (s3_req_presigned(q) ? q->nparams : 0);
    o->headers = arena_alloc(&q->arena, max * sizeof(*o->headers));
    o->nheaders = 0;
    if (!o->headers)
        return no_memory();
    enum s3err e = system_headers_from(q, o);
    for (size_t i = 0; e == S3ERR_OK && i < q->nheaders; i++)
        if (str_istarts(q->headers[i].name, META))
            e = keep_metadata(q, o, &q->headers[i], true);
    for (size_t i = 0; e == S3ERR_OK && s3_req_presigned(q) && i < q->nparams; i++)
        if (str_istarts(q->params[i].name, META))
            e = keep_metadata(q, o, &q->params[i], false);
    return e == S3ERR_OK ? metadata_size(q, o) : e;
}

enum s3err s3_object_tags_from(struct s3_req *q, struct s3_object *o)
{
    o->tags = STR_NULL;
    struct str v = s3_req_option(q, STR("x-amz-tagging"));
    if (v.n == 0)
        return S3ERR_OK;
    struct s3_tags tags;
    switch (s3_tags_parse_form(v, S3_TAGS_OBJECT_MAX, &q->arena, &tags)) {
    case S3_TAGS_OK:
        break;
    case S3_TAGS_FORM:
        return s3_err_arg(
            q,
            "The header 'x-amz-tagging' shall be encoded as UTF-8 then URLEncoded URL query "
            "parameters without tag name duplicates.",
            "x-amz-tagging", v);
    case S3_TAGS_INVALID:
        return S3ERR_INVALID_TAG;
    case S3_TAGS_TOO_MANY:
        return s3_errm(q, S3ERR_BAD_REQUEST, "Object tags cannot be greater than %d",
                       S3_TAGS_OBJECT_MAX);
    case S3_TAGS_NO_MEMORY:
        return no_memory();
    }
    AUTO(buf_free) struct buf b = BUF(16384);
    s3_tags_encode(&tags, &b);
    if (buf_err(&b))
        return no_memory();
    o->tags = arena_str(&q->arena, buf_str(&b));
    return o->tags.p ? S3ERR_OK : no_memory();
}

static enum s3err class_from(struct s3_req *q, struct s3_object *o)
{
    o->storage_class = STR_NULL;
    struct str v = s3_req_option(q, STR("x-amz-storage-class"));
    if (v.n == 0 || str_eq(v, STR("STANDARD")))
        return S3ERR_OK;
    const struct s3_class *c = s3_class_find(&q->gw->classes, v);
    if (!c)
        return s3_err(q, S3ERR_INVALID_STORAGE_CLASS, "StorageClassRequested", v);
    o->storage_class = c->name;
    return S3ERR_OK;
}

/* Whose is the object to be? */
static struct str owner_of(const struct s3_req *q, enum s3_ownership ownership)
{
    /* Root writes on behalf of the bucket's owner, whom its objects must not lock out; nobody owns
     * what strangers write but whoever let them. */
    if (q->who.root || q->who.anonymous || ownership == S3_BUCKET_OWNER_ENFORCED)
        return q->bkt->owner_id;
    bool given = str_eq(s3_req_option(q, STR("x-amz-acl")), STR("bucket-owner-full-control"));
    return ownership == S3_BUCKET_OWNER_PREFERRED && given ? q->bkt->owner_id : q->who.user_id;
}

static enum s3err acl_from(struct s3_req *q, struct s3_object *o)
{
    o->owner_id = owner_of(q, s3_ownership_of(q->bkt));
    o->acl = STR_NULL;
    if (!s3_acl_in_headers(q))
        return S3ERR_OK;
    if (!s3_req_option(q, STR("x-amz-acl")).p && !q->may_block)
        return S3ERR_WOULD_BLOCK; /* grantees are looked up */
    struct s3_acl_subject subject = {false, o->owner_id, q->bkt->owner_id};
    struct s3_acl acl;
    enum s3err e = s3_acl_from_headers(q, &subject, &acl);
    if (e == S3ERR_OK)
        e = s3_access_judge_acl(q->bkt, &acl);
    if (e != S3ERR_OK || (acl.n == 1 && s3_acl_is_private(&acl, o->owner_id) &&
                          acl.grant[0].permission == S3_PERM_FULL_CONTROL))
        return e; /* private is the same as no record */
    if (!s3_bucket_doc(q->bkt, STR("acl")).p && !q->may_block)
        return S3ERR_WOULD_BLOCK;
    e = s3_acl_open(q);
    if (e != S3ERR_OK)
        return e;
    AUTO(buf_free) struct buf b = BUF(64 * 1024);
    s3_acl_encode(&acl, &b);
    o->acl = buf_err(&b) ? STR_NULL : arena_str(&q->arena, buf_str(&b));
    return o->acl.p ? S3ERR_OK : no_memory();
}

/* The default retention of an upload counts from its completion. */
static bool makes_object(const struct s3_req *q)
{
    return !q->op || strcmp(q->op->name, "CreateMultipartUpload") != 0;
}

enum s3err s3_object_rest_from(struct s3_req *q, struct s3_object *o)
{
    ASSERT(q->bkt);
    enum s3err e = class_from(q, o);
    if (e == S3ERR_OK)
        e = acl_from(q, o);
    if (e == S3ERR_OK)
        e = s3_encryption_from(q, o);
    if (e == S3ERR_OK)
        e = s3_lock_from_headers(q, makes_object(q), o);
    return e;
}

enum s3err s3_object_headers_from(struct s3_req *q, struct s3_object *o)
{
    enum s3err e = s3_object_metadata_from(q, o);
    if (e == S3ERR_OK)
        e = s3_object_tags_from(q, o);
    if (e == S3ERR_OK)
        e = s3_object_rest_from(q, o);
    return e;
}

static struct str kept(const struct s3_object *o, struct str name)
{
    for (size_t i = 0; i < o->nheaders; i++)
        if (str_eq(o->headers[i].name, name))
            return o->headers[i].value;
    return STR_NULL;
}

/* Header @i as the answer has it; empty: it does not. */
static struct str answered(const struct s3_req *q, const struct s3_object *o, size_t i)
{
    struct str v = STR_NULL;
    if (q->nparams > 0 && system_headers[i].response.n)
        v = s3_req_param(q, system_headers[i].response);
    if (v.n == 0)
        v = kept(o, system_headers[i].name);
    return v.n == 0 && i == 0 ? STR("binary/octet-stream") : v;
}

static void system_headers_to(struct s3_req *q, const struct s3_object *o, bool fresh_only)
{
    for (size_t i = 0; i < ARRAY_LEN(system_headers); i++) {
        struct str v = fresh_only && !system_headers[i].fresh ? STR_NULL : answered(q, o, i);
        if (v.n > 0)
            s3_resp_header(q, system_headers[i].answer, v);
    }
}

void s3_object_not_modified_headers(struct s3_req *q, const struct s3_object *o)
{
    s3_resp_etag(q, &o->etag);
    s3_resp_time(q, "Last-Modified", o->mtime_ms);
    if (!q->bkt) /* a native file */
        return;
    system_headers_to(q, o, true);
    if (q->bkt->versioning.p)
        s3_resp_version(q, "x-amz-version-id", o);
}

void s3_object_checksum_headers(struct s3_req *q, const struct s3_object *o)
{
    if (o->checksum.alg == S3_CK_NONE)
        return;
    char text[S3_CK_TEXT_MAX];
    size_t n = s3_checksum_text(&o->checksum, o->etag.parts, text);
    s3_resp_header(q, s3_checksum_info(o->checksum.alg)->header, str_of(text, n));
    s3_resp_header(q, "x-amz-checksum-type", s3_checksum_type_name(o->checksum.type));
}

/* One whole file that native clients can download under its id: issue 2, section 4. */
static void file_id_to(struct s3_req *q, const struct s3_object *o)
{
    bool one_piece = o->etag.parts == 0 || o->flags & S3_OBJ_ADOPTED;
    if (o->nextents == 1 && o->extents[0].offset == 0 && one_piece &&
        o->extents[0].length == o->size)
        s3_resp_header(q, "x-dfs-file-id", o->extents[0].file_id);
}

void s3_object_written_headers(struct s3_req *q, const struct s3_object *o)
{
    s3_resp_etag(q, &o->etag);
    if (!(o->flags & S3_OBJ_NULL_VERSION)) /* by the commit, not by the head */
        s3_resp_version(q, "x-amz-version-id", o);
    s3_lifecycle_object_header(q, q->key, o);
    s3_encryption_headers(q, o, true);
    file_id_to(q, o);
}

/* What has no name is kept, and answered as AWS answers it: SDKs have no place for it. */
static void metadata_to(struct s3_req *q, const struct s3_pair *h)
{
    if (h->name.n == META.n) {
        s3_resp_header(q, "x-amz-missing-meta", STR("1"));
        return;
    }
    struct str name = arena_str(&q->arena, h->name); /* in the record no NUL follows it */
    if (name.p)
        s3_resp_header(q, name.p, h->value.p ? h->value : STR(""));
    else
        q->resp.no_memory = true;
}

void s3_object_headers_to(struct s3_req *q, const struct s3_object *o)
{
    s3_resp_time(q, "Last-Modified", o->mtime_ms);
    s3_resp_etag(q, &o->etag);
    s3_resp_header(q, "Accept-Ranges", STR("bytes"));
    system_headers_to(q, o, false);
    for (size_t i = 0; i < o->nheaders; i++)
        if (str_starts(o->headers[i].name, META))
            metadata_to(q, &o->headers[i]);
    if (o->storage_class.n)
        s3_resp_header(q, "x-amz-storage-class", o->storage_class);
    if (q->bkt->versioning.p)
        s3_resp_version(q, "x-amz-version-id", o);
    s3_lifecycle_object_header(q, q->key, o);
    size_t tags = o->tags.n ? s3_tags_count(o->tags) : 0;
    bool version = s3_req_has_param(q, STR("versionId"));
    const char *tagging = version ? "s3:GetObjectVersionTagging" : "s3:GetObjectTagging";
    if (tags && s3_policy_allows_here(q, o, tagging) == S3ERR_OK)
        s3_resp_headerf(q, "x-amz-tagging-count", "%zu", tags);
    bool part = s3_req_has_param(q, STR("partNumber"));
    if (part && o->nparts > 0)
        s3_resp_headerf(q, "x-amz-mp-parts-count", "%zu", o->nparts);
    if (!part && !s3_req_header(q, STR("range")).p &&
        str_ieq(s3_req_option(q, STR("x-amz-checksum-mode")), STR("ENABLED")))
        s3_object_checksum_headers(q, o);
    if (o->lock.p)
        s3_lock_headers(q, o);
    s3_encryption_headers(q, o, false);
    file_id_to(q, o);
}

enum s3err s3_object_read_options(struct s3_req *q)
{
    if (q->who.anonymous)
        for (size_t i = 0; i < q->nparams; i++)
            if (str_starts(q->params[i].name, STR("response-")))
                return s3_errm(
                    q, S3ERR_INVALID_REQUEST,
                    "Request specific response headers cannot be used for anonymous GET requests.");
    return S3ERR_OK;
}
