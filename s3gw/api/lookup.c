/* SPDX-License-Identifier: Apache-2.0 */
#include "s3gw/api/lookup.h"

#include "s3gw/api/answer.h"
#include "s3gw/index/version.h"
#include "s3gw/core/gw.h"
#include "s3gw/core/op.h"
#include "s3gw/index/bucket.h"
#include "s3gw/policy/eval.h"

int s3_lookup_version(struct s3_req *q, uint64_t bid, struct str key, struct str id, bool detail,
                      struct s3_object *ret)
{
    enum s3_read how = q->may_block ? S3_READ_ANY : S3_READ_CACHED;
    if (!id.p)
        return s3_object_get(q->gw->index, bid, key, how, detail, &q->arena, ret);
    struct s3_version v;
    int r = s3_version_id_parse(id, &v.null, &v.seq);
    return r < 0 ? r
                 : s3_object_get_version(q->gw->index, bid, key, &v, how, detail, &q->arena, ret);
}

static enum s3err marker_named(struct s3_req *q, const struct s3_object *marker)
{
    s3_resp_header(q, "x-amz-delete-marker", STR("true"));
    s3_resp_version(q, "x-amz-version-id", marker);
    s3_resp_time(q, "Last-Modified", marker->mtime_ms);
    s3_resp_header(q, "Allow", STR("DELETE"));
    return s3_err2(q, S3ERR_METHOD_NOT_ALLOWED, "Method", q->method_name, "ResourceType",
                   STR("DeleteMarker"));
}

/* At AWS a key under a delete marker is NoSuchKey to reads, save that of its tags; a change of it, and that read, are
 * taken for one of the marker. */
static bool refuses_markers(const struct s3_req *q)
{
    return q->method == S3_PUT || q->method == S3_DELETE ||
           (q->op && strcmp(q->op->name, "GetObjectTagging") == 0);
}

/* A key without a current object: is that because of a marker? */
static enum s3err absent(struct s3_req *q)
{
    struct s3_object newest;
    if (!q->bkt->versioning.p)
        return s3_err(q, S3ERR_NO_SUCH_KEY, "Key", q->key);
    if (!q->may_block)
        return S3ERR_WOULD_BLOCK;
    int r = s3_object_get_newest(q->gw->index, q->bkt->bid, q->key, &q->arena, &newest);
    if (r < 0 && r != -ENOENT)
        return s3err_from_errno(r, S3_THING_KEY);
    bool marker = r == 0 && newest.flags & S3_OBJ_DELETE_MARKER;
    if (marker && refuses_markers(q))
        return marker_named(q, &newest);
    if (marker) {
        s3_resp_header(q, "x-amz-delete-marker", STR("true"));
        s3_resp_version(q, "x-amz-version-id", &newest);
    }
    return s3_err(q, S3ERR_NO_SUCH_KEY, "Key", q->key);
}

enum s3err s3_lookup(struct s3_req *q, bool detail, struct s3_object *ret)
{
    struct str id = s3_req_param(q, STR("versionId"));
    int r = s3_lookup_version(q, q->bkt->bid, q->key, id, detail, ret);
    if (r == -EAGAIN && !q->may_block)
        return S3ERR_WOULD_BLOCK;
    if (r == -EINVAL && id.p)
        return s3_err_arg(q, "Invalid version id specified", "versionId", id);
    if (r == -ENOENT && id.p)
        return s3_err2(q, S3ERR_NO_SUCH_VERSION, "Key", q->key, "VersionId", id);
    if (r == -ENOENT)
        return absent(q);
    if (r < 0)
        return s3err_from_errno(r, S3_THING_KEY);
    enum s3err e = s3_policy_still_admits(q, ret);
    if (e != S3ERR_OK)
        return e;
    return ret->flags & S3_OBJ_DELETE_MARKER ? marker_named(q, ret) : S3ERR_OK;
}

enum s3err s3_lookup_said(struct s3_req *q, bool detail, struct s3_object *ret)
{
    enum s3err e = s3_lookup(q, detail, ret);
    if (e == S3ERR_OK && q->bkt->versioning.p)
        s3_resp_version(q, "x-amz-version-id", ret);
    return e;
}
