/* SPDX-License-Identifier: Apache-2.0 */
/*
 * acl - Get and Put of bucket and object ACLs.
 * Rule: s3-behaviours 21 (ACL); Amazon S3 API Reference, GetBucketAcl, PutObjectAcl and neighbours.
 */
#include "s3gw/policy/acl.h"

#include "s3gw/api/amend.h"
#include "s3gw/api/answer.h"
#include "s3gw/api/commit.h"
#include "s3gw/api/handlers.h"
#include "s3gw/api/lookup.h"
#include "s3gw/index/bucket.h"
#include "s3gw/policy/access.h"

static enum s3err answer(struct s3_req *q, struct str record, struct str owner)
{
    struct s3_acl acl;
    int r = s3_acl_decode(record, owner, &acl);
    if (r < 0)
        return s3err_from_errno(r, S3_THING_OTHER);
    s3_acl_write(q, &acl, owner, s3_answer_open(q, "AccessControlPolicy"));
    return s3_answer_close(q, "AccessControlPolicy");
}

/* Where ACLs are off the owner has everything, whatever was granted before. */
static struct str in_force(const struct s3_req *q, struct str record)
{
    return s3_ownership_of(q->bkt) == S3_BUCKET_OWNER_ENFORCED ? STR_NULL : record;
}

enum s3err s3_h_get_bucket_acl(struct s3_req *q)
{
    return answer(q, in_force(q, s3_bucket_doc(q->bkt, STR("acl"))), q->bkt->owner_id);
}

enum s3err s3_h_get_object_acl(struct s3_req *q)
{
    struct s3_object o;
    enum s3err e = s3_lookup_said(q, false, &o);
    return e == S3ERR_OK ? answer(q, in_force(q, o.acl), o.owner_id) : e;
}

/* The ACL that headers or body ask for, encoded. */
static enum s3err asked(struct s3_req *q, const struct s3_acl_subject *s, struct str *ret)
{
    bool headers = s3_acl_in_headers(q);
    struct s3_acl acl;
    if (headers && q->body.n > 0)
        return S3ERR_UNEXPECTED_CONTENT;
    if (!headers && q->body.n == 0)
        return s3_err(q, S3ERR_MISSING_SECURITY_HEADER, "MissingHeaderName", STR("x-amz-acl"));
    if (s3_ownership_of(q->bkt) == S3_BUCKET_OWNER_ENFORCED)
        return S3ERR_ACCESS_CONTROL_LIST_NOT_SUPPORTED;
    enum s3err e = headers ? s3_acl_from_headers(q, s, &acl) : s3_acl_from_body(q, s, &acl);
    if (e == S3ERR_OK)
        e = s3_access_judge_acl(q->bkt, &acl);
    if (e != S3ERR_OK)
        return e;
    AUTO(buf_free) struct buf b = BUF(64 * 1024);
    s3_acl_encode(&acl, &b);
    *ret = buf_err(&b) ? STR_NULL : arena_str(&q->arena, buf_str(&b));
    return ret->p ? S3ERR_OK : s3err_from_errno(-ENOMEM, S3_THING_OTHER);
}

/* ACLs may have been switched off since, or public ones blocked. */
static bool may_have(const struct s3_bucket *now, struct str record)
{
    struct s3_acl acl;
    return s3_acl_decode(record, now->owner_id, &acl) == 0 &&
           s3_access_judge_acl(now, &acl) == S3ERR_OK;
}

enum s3err s3_h_put_bucket_acl(struct s3_req *q)
{
    struct s3_acl_subject s = {true, q->bkt->owner_id, q->bkt->owner_id};
    struct str record;
    enum s3err e = asked(q, &s, &record);
    return e == S3ERR_OK ? s3_keep_bucket_doc_if(q, STR("acl"), record, may_have) : e;
}

enum s3err s3_h_put_object_acl(struct s3_req *q)
{
    struct s3_object o;
    struct str record;
    struct s3_acl_subject s = {false, q->bkt->owner_id, q->bkt->owner_id};
    enum s3err e = asked(q, &s, &record); /* what is wrong with it is said of any key ... */
    if (e != S3ERR_OK && e != S3ERR_ACCESS_DENIED)
        return e;
    e = s3_lookup_said(q, false, &o);
    if (e != S3ERR_OK)
        return e;
    s.owner = o.owner_id; /* ... whose it is not */
    e = asked(q, &s, &record);
    if (e == S3ERR_OK)
        e = s3_acl_open(q);
    return e == S3ERR_OK ? s3_amend(q, S3_SECTION_ACL, record) : e;
}

struct str s3_acl_private(struct s3_req *q)
{
    struct s3_acl acl;
    AUTO(buf_free) struct buf b = BUF(1024);
    if (s3_acl_decode(STR_NULL, q->bkt->owner_id, &acl) < 0)
        return STR_NULL;
    s3_acl_encode(&acl, &b);
    return arena_str(&q->arena, buf_str(&b));
}

static bool has_none(const struct s3_bucket *now, struct str record)
{
    (void)record;
    return !s3_bucket_doc(now, STR("acl")).p;
}

enum s3err s3_acl_open(struct s3_req *q)
{
    if (s3_bucket_doc(q->bkt, STR("acl")).p)
        return S3ERR_OK;
    enum s3err e = s3_keep_bucket_doc_if(q, STR("acl"), s3_acl_private(q), has_none);
    return e == S3ERR_OPERATION_ABORTED ? S3ERR_OK : e; /* somebody has given it one meanwhile */
}
