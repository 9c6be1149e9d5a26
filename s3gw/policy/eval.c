/* SPDX-License-Identifier: Apache-2.0 */
#include "s3gw/policy/eval.h"

#include "s3gw/core/gw.h"
#include "s3gw/index/version.h"
#include "s3gw/policy/access.h"
#include "s3gw/policy/acl.h"
#include "s3gw/policy/policy.h"

enum of_what { OF_BUCKET, OF_OBJECT };

/* What an ACL has to grant for an action; what is not here no ACL can allow. */
static const struct {
    const char *action;
    enum of_what acl;
    enum s3_permission permission;
} acl_actions[] = {
    {"s3:ListBucket", OF_BUCKET, S3_PERM_READ},
    {"s3:ListBucketVersions", OF_BUCKET, S3_PERM_READ},
    {"s3:ListBucketMultipartUploads", OF_BUCKET, S3_PERM_READ},
    {"s3:PutObject", OF_BUCKET, S3_PERM_WRITE},
    {"s3:DeleteObject", OF_BUCKET, S3_PERM_WRITE},
    {"s3:AbortMultipartUpload", OF_BUCKET, S3_PERM_WRITE},
    {"s3:ListMultipartUploadParts", OF_BUCKET, S3_PERM_WRITE},
    {"s3:GetBucketAcl", OF_BUCKET, S3_PERM_READ_ACP},
    {"s3:PutBucketAcl", OF_BUCKET, S3_PERM_WRITE_ACP},
    {"s3:GetObject", OF_OBJECT, S3_PERM_READ},
    {"s3:GetObjectVersion", OF_OBJECT, S3_PERM_READ},
    {"s3:GetObjectAttributes", OF_OBJECT, S3_PERM_READ},
    {"s3:GetObjectVersionAttributes", OF_OBJECT, S3_PERM_READ},
    {"s3:GetObjectAcl", OF_OBJECT, S3_PERM_READ_ACP},
    {"s3:GetObjectVersionAcl", OF_OBJECT, S3_PERM_READ_ACP},
    {"s3:PutObjectAcl", OF_OBJECT, S3_PERM_WRITE_ACP},
    {"s3:PutObjectVersionAcl", OF_OBJECT, S3_PERM_WRITE_ACP},
};

/* Actions on an object that is there; the others look at its bucket only. */
static bool concerns_object(const char *action)
{
    static const char *const creating[] = {"s3:PutObject", "s3:AbortMultipartUpload",
                                           "s3:ListMultipartUploadParts"};
    for (size_t i = 0; i < ARRAY_LEN(creating); i++)
        if (strcmp(action, creating[i]) == 0)
            return false;
    return true;
}

static bool deletes(const char *action)
{
    return strcmp(action, "s3:DeleteObject") == 0 || strcmp(action, "s3:DeleteObjectVersion") == 0;
}

static bool is_user(const struct s3_req *q, struct str id)
{
    return !q->who.anonymous && str_eq(q->who.user_id, id);
}

/* Was anybody but the owner ever let in? The documents stay, emptied, once they have been there. */
static bool was_shared(const struct s3_bucket *bkt)
{
    return s3_bucket_doc(bkt, STR("acl")).p || s3_bucket_doc(bkt, STR("policy")).p;
}

static bool acl_grants(const struct s3_ask *ask)
{
    if (s3_ownership_of(ask->bkt) == S3_BUCKET_OWNER_ENFORCED)
        return false;
    bool ignore_public = s3_pab_of(ask->bkt) & S3_PAB_IGNORE_ACLS;
    for (size_t i = 0; i < ARRAY_LEN(acl_actions); i++) {
        if (strcmp(acl_actions[i].action, ask->action) != 0)
            continue;
        bool bucket = acl_actions[i].acl == OF_BUCKET;
        if (!bucket && !ask->object)
            return false;
        struct s3_acl acl;
        int r = bucket
                    ? s3_acl_decode(s3_bucket_doc(ask->bkt, STR("acl")), ask->bkt->owner_id, &acl)
                    : s3_acl_decode(ask->object->acl, ask->object->owner_id, &acl);
        return r == 0 &&
               s3_acl_allows(&acl, &ask->q->who, acl_actions[i].permission, ignore_public);
    }
    return false;
}

static bool policy_allows(const struct s3_ask *ask, enum s3_verdict verdict, bool foreign)
{
    if (verdict != S3_ALLOW || foreign) /* a policy does not reach objects that others own */
        return false;
    bool restricted = s3_pab_of(ask->bkt) & S3_PAB_RESTRICT;
    return !restricted || !s3_policy_is_public(s3_bucket_doc(ask->bkt, STR("policy")));
}

static bool on_the_policy(const char *action)
{
    return strcmp(action, "s3:GetBucketPolicy") == 0 || strcmp(action, "s3:PutBucketPolicy") == 0 ||
           strcmp(action, "s3:DeleteBucketPolicy") == 0;
}

static bool allowed(const struct s3_ask *ask)
{
    const struct s3_req *q = ask->q;
    bool owner = is_user(q, ask->bkt->owner_id);
    bool enforced = s3_ownership_of(ask->bkt) == S3_BUCKET_OWNER_ENFORCED;
    bool foreign = ask->object && !enforced && !str_eq(ask->object->owner_id, ask->bkt->owner_id);
    enum s3_verdict verdict = s3_policy_verdict(s3_bucket_doc(ask->bkt, STR("policy")), ask);
    if (verdict == S3_DENY)
        return owner && on_the_policy(ask->action); /* nobody locks himself out */
    if (owner && (!foreign || deletes(ask->action)))
        return true;
    if (foreign && is_user(q, ask->object->owner_id))
        return true; /* whoever owns an object keeps it in hand */
    return policy_allows(ask, verdict, foreign) || acl_grants(ask);
}

/* The request's own resource may be an older version; tags and ACL belong to the version. */
static bool version_asked(const struct s3_ask *ask, struct s3_version *ret)
{
    struct str id = s3_req_param(ask->q, STR("versionId"));
    if (!id.p || ask->key.p != ask->q->key.p)
        return false;
    return s3_version_id_parse(id, &ret->null, &ret->seq) == 0;
}

static enum s3err load(struct s3_ask *ask, struct s3_object *object)
{
    if (!ask->key.p || !concerns_object(ask->action))
        return S3ERR_OK;
    enum s3_read how = ask->q->may_block ? S3_READ_ANY : S3_READ_CACHED;
    struct s3_version v;
    bool version = version_asked(ask, &v);
    struct s3_index *x = ask->q->gw->index;
    int r = version ? s3_object_get_version(x, ask->bkt->bid, ask->key, &v, how, false,
                                            &ask->q->arena, object)
                    : s3_object_get(x, ask->bkt->bid, ask->key, how, false, &ask->q->arena, object);
    if (r == -EAGAIN && !ask->q->may_block)
        return S3ERR_WOULD_BLOCK;
    ask->object = r == 0 ? object : NULL;
    return r == -ENOENT ? S3ERR_OK : s3err_from_errno(r, S3_THING_OTHER);
}

/* Who may not list must not learn whether a key exists: s3-behaviours 8. */
static bool may_learn_of_absence(const struct s3_ask *ask)
{
    struct s3_ask list = *ask;
    list.key = STR_NULL;
    list.action = "s3:ListBucket";
    return allowed(&list);
}

enum s3err s3_policy_allows(struct s3_req *q, const struct s3_bucket *bkt, struct str key,
                            const char *action)
{
    if (q->who.root)
        return S3ERR_OK;
    if (!bkt) /* ListBuckets and CreateBucket, which any user may ask for */
        return q->who.anonymous ? S3ERR_ACCESS_DENIED : S3ERR_OK;
    if (!was_shared(bkt))
        return is_user(q, bkt->owner_id) ? S3ERR_OK : S3ERR_ACCESS_DENIED;
    struct s3_object object;
    struct s3_ask ask = {.q = q, .bkt = bkt, .key = key, .action = action};
    enum s3err e = load(&ask, &object);
    if (e != S3ERR_OK)
        return e;
    bool missing = key.p && concerns_object(action) && !ask.object && !deletes(action);
    if (missing && !is_user(q, bkt->owner_id)) {
        /* Nobody knows whose it would be: the bucket's READ decides what can be said. */
        bool may = may_learn_of_absence(&ask);
        return may && s3_policy_verdict(s3_bucket_doc(bkt, STR("policy")), &ask) != S3_DENY
                   ? S3ERR_OK
                   : S3ERR_ACCESS_DENIED;
    }
    return allowed(&ask) ? S3ERR_OK : S3ERR_ACCESS_DENIED;
}

enum s3err s3_policy_expected_owner(struct s3_req *q, struct str name, const struct s3_bucket *bkt)
{
    struct str expected = s3_req_option(q, name);
    return !expected.p || str_eq(expected, bkt->owner_id) ? S3ERR_OK : S3ERR_ACCESS_DENIED;
}

/* Writes that carry more than data need the right to each: s3-behaviours 21, table of permissions.
 */
static enum s3err check_options(struct s3_req *q)
{
    static const struct {
        struct str header;
        const char *action;
    } options[] = {{STR_INIT("x-amz-tagging"), "s3:PutObjectTagging"},
                   {STR_INIT("x-amz-object-lock-mode"), "s3:PutObjectRetention"},
                   {STR_INIT("x-amz-object-lock-legal-hold"), "s3:PutObjectLegalHold"}};
    for (size_t i = 0; i < ARRAY_LEN(options); i++) {
        if (!s3_req_option(q, options[i].header).p)
            continue;
        struct s3_ask ask = {.q = q, .bkt = q->bkt, .key = q->key, .action = options[i].action};
        if (!allowed(&ask))
            return S3ERR_ACCESS_DENIED;
    }
    struct s3_ask acl = {.q = q, .bkt = q->bkt, .key = q->key, .action = "s3:PutObjectAcl"};
    bool by_policy = s3_policy_verdict(s3_bucket_doc(q->bkt, STR("policy")), &acl) == S3_DENY;
    return s3_acl_in_headers(q) && by_policy ? S3ERR_ACCESS_DENIED : S3ERR_OK;
}

static enum s3err check(struct s3_req *q)
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
    enum s3err e = s3_policy_allows(q, q->bkt, q->key, version ? op->version_action : op->action);
    bool writes = op->level == S3_OBJECT && strcmp(op->action, "s3:PutObject") == 0;
    if (e != S3ERR_OK || !writes || q->who.root || !was_shared(q->bkt))
        return e;
    if (q->who.anonymous &&
        op->body != S3_BODY_STREAM) /* Create, copies, Complete: signed callers only */
        return S3ERR_ACCESS_DENIED;
    return check_options(q);
}

enum s3err s3_policy_check(struct s3_req *q)
{
    enum s3err e = check(q);
    if (e == S3ERR_ACCESS_DENIED &&
        q->bkt) /* region finders read it on a refusal too: s3-behaviours 9 */
        s3_resp_header(q, "x-amz-bucket-region", q->gw->region);
    return e;
}
