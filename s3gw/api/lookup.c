/* SPDX-License-Identifier: Apache-2.0 */
#include "s3gw/api/lookup.h"

#include "s3gw/api/version.h"
#include "s3gw/core/gw.h"
#include "s3gw/index/bucket.h"

enum s3err s3_lookup(struct s3_req *q, bool detail, struct s3_object *ret)
{
    struct str id = s3_req_param(q, STR("versionId"));
    bool null = true;
    uint64_t seq;
    if (id.p && s3_version_id_parse(id, &null, &seq) < 0)
        return s3_err_arg(q, "Invalid version id specified", "versionId", id);
    /* No bucket has named versions yet: null is the current one, every other id names nothing. */
    int r = null ? s3_object_get(q->gw->index, q->bkt->bid, q->key, S3_READ_ANY, detail, &q->arena, ret) : -ENOENT;
    if (r == -ENOENT && id.p)
        return s3_err2(q, S3ERR_NO_SUCH_VERSION, "Key", q->key, "VersionId", id);
    if (r == -ENOENT)
        return s3_err(q, S3ERR_NO_SUCH_KEY, "Key", q->key);
    if (r == 0 && q->bkt->versioning.p)
        s3_resp_version(q, "x-amz-version-id", ret);
    return s3err_from_errno(r, S3_THING_KEY);
}
