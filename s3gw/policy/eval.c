/* SPDX-License-Identifier: Apache-2.0 */
#include "s3gw/policy/eval.h"

enum s3err s3_policy_expected_owner(struct s3_req *q, struct str name, const struct s3_bucket *bkt)
{
    struct str expected = s3_req_option(q, name);
    return !expected.p || str_eq(expected, bkt->owner_id) ? S3ERR_OK : S3ERR_ACCESS_DENIED;
}

enum s3err s3_policy_allows(struct s3_req *q, const struct s3_bucket *bkt, struct str key, const char *action)
{
    (void)key, (void)action; /* ownership of the bucket decides for all of them */
    if (q->who.anonymous)
        return S3ERR_ACCESS_DENIED;
    if (q->who.root || !bkt) /* no bucket: ListBuckets and CreateBucket, which any user may ask for */
        return S3ERR_OK;
    return str_eq(q->who.user_id, bkt->owner_id) ? S3ERR_OK : S3ERR_ACCESS_DENIED;
}

enum s3err s3_policy_check(struct s3_req *q)
{
    const struct s3_op *op = q->op;
    if (q->bkt) {
        enum s3err e = s3_policy_expected_owner(q, STR("x-amz-expected-bucket-owner"), q->bkt);
        if (e != S3ERR_OK)
            return e;
    }
    if (!op->action) /* judged by the handler, or open to everybody */
        return S3ERR_OK;
    bool version = op->version_action && s3_req_has_param(q, STR("versionId"));
    return s3_policy_allows(q, q->bkt, q->key, version ? op->version_action : op->action);
}
