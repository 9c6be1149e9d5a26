/* SPDX-License-Identifier: Apache-2.0 */
#include "s3gw/api/cond.h"

#include "s3gw/core/precond.h"
#include "s3gw/policy/eval.h"

static enum s3err convert(struct s3_req *q, struct s3_cond *ret)
{
    struct s3_precond_write p;
    *ret = (struct s3_cond){0};
    enum s3err e = s3_precond_write(q, &p);
    if (e == S3ERR_OK)
        *ret = (struct s3_cond){.if_none_match_any = p.if_none_match_any,
                                .has_if_match = p.has_if_match,
                                .if_match_any = p.if_match_any,
                                .if_match_list = p.if_match,
                                .if_match_n = p.if_match_n};
    return e;
}

bool s3_cond_tells(const struct s3_cond *c)
{
    return (c->has_if_match && !c->if_match_any) || c->has_size || c->has_mtime;
}

enum s3err s3_cond_of_write(struct s3_req *q, struct s3_cond *ret)
{
    enum s3err e = convert(q, ret);
    return e == S3ERR_OK && ret->has_if_match
               ? s3_policy_allows(q, q->bkt, q->key, "s3:GetObject") /* s3-behaviours 13 */
               : e;
}

enum s3err s3_cond_of_delete(struct s3_req *q, struct s3_cond *ret)
{
    static const struct str lacking = STR_INIT("If-None-Match");
    if (s3_req_header(q, lacking).p)
        return s3_err(q, S3ERR_NOT_IMPLEMENTED, "Header", lacking);
    enum s3err e = convert(q, ret);
    if (e == S3ERR_OK && ret->has_if_match && s3_req_has_param(q, STR("versionId")))
        return s3_err(q, S3ERR_NOT_IMPLEMENTED, "Header", STR("If-Match")); /* Differs: as AWS */
    return e == S3ERR_OK && s3_cond_tells(ret) ? s3_policy_allows(q, q->bkt, q->key, "s3:GetObject")
                                               : e;
}

void s3_cond_if_match(struct str text, struct s3_cond *ret)
{
    /* An ETag no object has, for texts that are none of ours. */
    static const struct s3_etag no_etag = {.parts = UINT32_MAX};
    text = str_trim(text);
    *ret = (struct s3_cond){.has_if_match = true, .if_match_any = str_eq(text, STR("*"))};
    if (s3_etag_parse(text, &ret->if_match) < 0)
        ret->if_match = no_etag;
}

enum s3err s3_commit_error(struct s3_req *q, int r)
{
    switch (r) {
    case -EEXIST:
        return s3_err(q, S3ERR_PRECONDITION_FAILED, "Condition", STR("If-None-Match"));
    case -ESTALE:
        return s3_err(q, S3ERR_PRECONDITION_FAILED, "Condition", STR("If-Match"));
    case -ENOENT:
        return s3_err(q, S3ERR_NO_SUCH_KEY, "Key", q->key);
    case -EPERM: /* object lock */
        return s3_errm(q, S3ERR_ACCESS_DENIED,
                       "Access Denied because object protected by object lock.");
    case -E2BIG: /* no record holds it */
        return s3_errm(q, S3ERR_INVALID_REQUEST,
                       "The object would consist of too many pieces; a copy of it in fewer, made "
                       "by reading and writing it, can go on.");
    case -ENODEV:
        return s3_err(q, S3ERR_NO_SUCH_BUCKET, "BucketName", q->bucket);
    default:
        return s3err_from_errno(r, S3_THING_OTHER);
    }
}
