/* SPDX-License-Identifier: Apache-2.0 */
/*
 * access_config - bucket policy and its status, public access block, ownership controls.
 * Rule: s3-behaviours 21; Amazon S3 API Reference of each.
 */
#include "s3gw/policy/access.h"

#include "s3gw/api/amend.h"
#include "s3gw/api/answer.h"
#include "s3gw/api/handlers.h"
#include "s3gw/core/gw.h"
#include "s3gw/index/bucket.h"
#include "s3gw/policy/acl.h"
#include "s3gw/policy/eval.h"
#include "s3gw/policy/policy.h"
#include "s3gw/xml/reader.h"
#include "s3gw/xml/writer.h"

/* --- policy --- */

enum s3err s3_h_get_bucket_policy(struct s3_req *q)
{
    struct str json = s3_policy_json(s3_bucket_doc(q->bkt, STR("policy")));
    if (!json.p)
        return s3_err(q, S3ERR_NO_SUCH_BUCKET_POLICY, "BucketName", q->bucket);
    buf_adds(&q->resp.body, json);
    s3_resp_header(q, "Content-Type", STR("application/json"));
    return S3ERR_OK;
}

/*
 * A policy that would keep its author from changing it again is taken only when the author says so. Owner
 * and root are never kept from it (policy/eval.h).
 * Rule: S3 API Reference, PutBucketPolicy, x-amz-confirm-remove-self-bucket-access.
 */
static enum s3err check_lockout(struct s3_req *q, struct str record)
{
    static const char header[] = "x-amz-confirm-remove-self-bucket-access";
    struct str confirmed = s3_req_option(q, str_c(header));
    if (str_ieq(confirmed, STR("true")))
        return S3ERR_OK;
    if (confirmed.n > 0 && !str_ieq(confirmed, STR("false")))
        return s3_err_arg(q, "The value is neither true nor false.", header, confirmed);
    struct s3_bucket after = *q->bkt;
    after.ndocs = 0;
    after.docs = arena_alloc(&q->arena, (q->bkt->ndocs + 1) * sizeof(*after.docs));
    if (!after.docs)
        return S3ERR_SLOW_DOWN;
    for (size_t i = 0; i < q->bkt->ndocs; i++)
        if (!str_eq(q->bkt->docs[i].name, STR("policy")))
            after.docs[after.ndocs++] = q->bkt->docs[i];
    after.docs[after.ndocs++] = (struct s3_pair_doc){STR("policy"), record};
    const char *why = q->why; /* of this request, not of the next one */
    enum s3err e = s3_policy_allows(q, &after, STR_NULL, "s3:PutBucketPolicy");
    q->why = why;
    return e == S3ERR_ACCESS_DENIED
               ? s3_errm(q, e,
                         "This policy would keep you from changing it in the future: %s: true "
                         "confirms that.",
                         header)
               : e;
}

static bool may_be_public(const struct s3_bucket *now, struct str record)
{
    return !(s3_pab_of(now) & S3_PAB_BLOCK_POLICY && s3_policy_is_public(record));
}

enum s3err s3_h_put_bucket_policy(struct s3_req *q)
{
    if (q->body.n == 0)
        return S3ERR_MISSING_REQUEST_BODY_ERROR;
    AUTO(buf_free) struct buf record = BUF(16 * S3_POLICY_JSON_MAX);
    const struct s3_policy_scope scope = {q->gw->index, &q->arena, q->bkt->name};
    const char *detail;
    int r = s3_policy_compile(&scope, q->body, &record, &detail);
    if (r == -EINVAL) {
        s3_err_message(q, "%s", detail);
        return s3_err(q, S3ERR_MALFORMED_POLICY, "Detail", str_c(detail));
    }
    if (r < 0)
        return s3err_from_errno(r, S3_THING_OTHER);
    if (!may_be_public(q->bkt, buf_str(&record)))
        return S3ERR_ACCESS_DENIED;
    enum s3err e = check_lockout(q, buf_str(&record));
    if (e != S3ERR_OK)
        return e;
    q->resp.status = 204;
    return s3_keep_bucket_doc_if(q, STR("policy"), buf_str(&record), may_be_public);
}

/* Emptied, not removed: objects of others may be there for good (policy/eval.c, was_shared). */
enum s3err s3_h_delete_bucket_policy(struct s3_req *q)
{
    q->resp.status = 204;
    return s3_bucket_doc(q->bkt, STR("policy")).n ? s3_keep_bucket_doc(q, STR("policy"), STR(""))
                                                  : S3ERR_OK;
}

enum s3err s3_h_get_bucket_policy_status(struct s3_req *q)
{
    struct str record = s3_bucket_doc(q->bkt, STR("policy"));
    if (record.n == 0) /* Differs: Ceph says 200, false */
        return s3_err(q, S3ERR_NO_SUCH_BUCKET_POLICY, "BucketName", q->bucket);
    struct buf *b = s3_answer_open(q, "PolicyStatus");
    s3_xml_bool(b, "IsPublic", s3_policy_is_public(record));
    return s3_answer_close(q, "PolicyStatus");
}

/* --- public access block --- */

static const struct {
    const char *name;
    unsigned bit;
} blocks[] = {{"BlockPublicAcls", S3_PAB_BLOCK_ACLS},
              {"IgnorePublicAcls", S3_PAB_IGNORE_ACLS},
              {"BlockPublicPolicy", S3_PAB_BLOCK_POLICY},
              {"RestrictPublicBuckets", S3_PAB_RESTRICT}};

enum s3err s3_h_get_public_access_block(struct s3_req *q)
{
    if (!s3_bucket_doc(q->bkt, STR("pab")).p)
        return s3_err(q, S3ERR_NO_SUCH_PUBLIC_ACCESS_BLOCK_CONFIGURATION, "BucketName", q->bucket);
    struct buf *b = s3_answer_open(q, "PublicAccessBlockConfiguration");
    for (size_t i = 0; i < ARRAY_LEN(blocks); i++)
        s3_xml_bool(b, blocks[i].name, s3_pab_of(q->bkt) & blocks[i].bit);
    return s3_answer_close(q, "PublicAccessBlockConfiguration");
}

enum s3err s3_h_put_public_access_block(struct s3_req *q)
{
    struct s3_node *root;
    enum s3err e = s3_document(q, "PublicAccessBlockConfiguration", &root);
    if (e != S3ERR_OK)
        return e;
    char bits = 0;
    for (size_t i = 0; i < ARRAY_LEN(blocks); i++) {
        struct str v = str_trim(s3_node_text(root, blocks[i].name));
        if (v.p && !str_ieq(v, STR("true")) && !str_ieq(v, STR("false")))
            return S3ERR_MALFORMED_XML;
        if (str_ieq(v, STR("true")))
            bits = (char)(bits | (char)blocks[i].bit);
    }
    return s3_keep_bucket_doc(q, STR("pab"), str_of(&bits, 1));
}

enum s3err s3_h_delete_public_access_block(struct s3_req *q)
{
    q->resp.status = 204;
    return s3_keep_bucket_doc(q, STR("pab"), STR_NULL);
}

/* --- ownership controls --- */

enum s3err s3_h_get_bucket_ownership_controls(struct s3_req *q)
{
    if (!s3_bucket_doc(q->bkt, STR("ownership")).p)
        return s3_err(q, S3ERR_OWNERSHIP_CONTROLS_NOT_FOUND_ERROR, "BucketName", q->bucket);
    struct buf *b = s3_answer_open(q, "OwnershipControls");
    s3_xml_open(b, "Rule");
    s3_xml_text(b, "ObjectOwnership", s3_ownership_name(s3_ownership_of(q->bkt)));
    s3_xml_close(b, "Rule");
    return s3_answer_close(q, "OwnershipControls");
}

/* Switching ACLs off would take from others what the bucket's grants them. */
static bool may_be_owned_so(const struct s3_bucket *now, struct str ownership)
{
    struct s3_acl acl;
    return !str_eq(ownership, s3_ownership_name(S3_BUCKET_OWNER_ENFORCED)) ||
           (s3_acl_decode(s3_bucket_doc(now, STR("acl")), now->owner_id, &acl) == 0 &&
            s3_acl_is_private(&acl, now->owner_id));
}

enum s3err s3_h_put_bucket_ownership_controls(struct s3_req *q)
{
    struct s3_node *root;
    enum s3err e = s3_document(q, "OwnershipControls", &root);
    if (e != S3ERR_OK)
        return e;
    struct str name = str_trim(s3_node_text(s3_node_child(root, "Rule"), "ObjectOwnership"));
    enum s3_ownership o;
    if (s3_node_count(root, "Rule") != 1 || s3_ownership_by_name(name, &o) < 0)
        return S3ERR_MALFORMED_XML;
    if (!may_be_owned_so(q->bkt, name))
        return S3ERR_INVALID_BUCKET_ACL_WITH_OBJECT_OWNERSHIP;
    return s3_keep_bucket_doc_if(q, STR("ownership"), s3_ownership_name(o), may_be_owned_so);
}

enum s3err s3_h_delete_bucket_ownership_controls(struct s3_req *q)
{
    q->resp.status = 204;
    return s3_keep_bucket_doc(q, STR("ownership"), STR_NULL);
}
