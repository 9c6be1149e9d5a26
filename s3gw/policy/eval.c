/* SPDX-License-Identifier: Apache-2.0 */
#include "s3gw/policy/eval.h"

#include "dfscore/log/log.h"
#include "s3gw/core/gw.h"
#include "s3gw/core/names.h"
#include "s3gw/index/upload.h"
#include "s3gw/index/version.h"
#include "s3gw/policy/access.h"
#include "s3gw/policy/acl.h"
#include "s3gw/policy/identity.h"
#include "s3gw/policy/policy.h"

static const struct {
    bool allowed;
    const char *text;
} whys[] = {
#define S3_WHY(name, allowed, text) {allowed, text},
    S3_WHYS(S3_WHY)
#undef S3_WHY
};

static enum s3err decided(struct s3_req *q, enum s3_why why)
{
    q->why = whys[why].text;
    return whys[why].allowed ? S3ERR_OK : S3ERR_ACCESS_DENIED;
}

bool s3_policy_by_acl(const struct s3_req *q)
{
    return q->why == whys[S3_WHY_ACL].text;
}

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

/* What comes into a bucket and what goes is its owner's to say, whoever owns what is there (writes look at
 * no object anyway). Rule: S3 User Guide, "Access control list overview": WRITE of the bucket. */
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

/* Whoever carries policies may what these say: owning a thing gives no more. */
static bool carries_policies(const struct s3_req *q)
{
    return q->who.policies.n > 0;
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
        struct str owner = bucket ? ask->bkt->owner_id : ask->object->owner_id;
        if (carries_policies(ask->q) && is_user(ask->q, owner))
            return false;
        struct s3_acl acl;
        int r = s3_acl_decode(bucket ? s3_bucket_doc(ask->bkt, STR("acl")) : ask->object->acl,
                              owner, &acl);
        return r == 0 &&
               s3_acl_allows(&acl, &ask->q->who, acl_actions[i].permission, ignore_public);
    }
    return false;
}

/* RestrictPublicBuckets: once the policy is public, neither it nor an ACL lets anybody in but services. */
static bool shut_to_others(const struct s3_ask *ask)
{
    bool others = !is_user(ask->q, ask->bkt->owner_id) && !ask->q->who.source_bucket.p;
    return others && s3_pab_of(ask->bkt) & S3_PAB_RESTRICT &&
           s3_policy_is_public(s3_bucket_doc(ask->bkt, STR("policy")));
}

static bool on_the_policy(const char *action)
{
    return strcmp(action, "s3:GetBucketPolicy") == 0 || strcmp(action, "s3:PutBucketPolicy") == 0 ||
           strcmp(action, "s3:DeleteBucketPolicy") == 0;
}

static enum s3_why decide_by_rights(const struct s3_ask *ask)
{
    const struct s3_req *q = ask->q;
    enum s3_verdict own = s3_identity_verdict(q->who.policies, ask);
    bool owner = is_user(q, ask->bkt->owner_id);
    bool enforced = s3_ownership_of(ask->bkt) == S3_BUCKET_OWNER_ENFORCED;
    bool foreign = ask->object && !enforced && !deletes(ask->action) &&
                   !str_eq(ask->object->owner_id, ask->bkt->owner_id);
    enum s3_verdict verdict = s3_policy_verdict(s3_bucket_doc(ask->bkt, STR("policy")), ask);
    if (own == S3_DENY)
        return S3_WHY_OWN_POLICY_DENIES;
    if (verdict == S3_DENY && !(owner && on_the_policy(ask->action))) /* nobody locks himself out */
        return S3_WHY_BUCKET_POLICY_DENIES;
    if (own == S3_ALLOW)
        return S3_WHY_OWN_POLICY_ALLOWS;
    bool by_owning = !carries_policies(q);
    if (by_owning && owner && !foreign)
        return S3_WHY_BUCKET_OWNER;
    if (by_owning && foreign && is_user(q, ask->object->owner_id))
        return S3_WHY_OBJECT_OWNER; /* whoever owns an object keeps it in hand */
    if (by_owning && ask->began_it)
        return S3_WHY_INITIATOR;
    if (shut_to_others(ask))
        return S3_WHY_RESTRICTED;
    if (verdict == S3_ALLOW && !foreign) /* a policy does not reach objects that others own */
        return S3_WHY_BUCKET_POLICY_ALLOWS;
    return acl_grants(ask) ? S3_WHY_ACL : S3_WHY_NOTHING;
}

/* Where the requester pays, others than the owner have to say that they know. */
static bool charges(const struct s3_req *q, const struct s3_bucket *bkt)
{
    return !q->who.root && !is_user(q, bkt->owner_id) && s3_requester_pays(bkt);
}

bool s3_policy_charges(const struct s3_req *q)
{
    return q->bkt && charges(q, q->bkt);
}

static enum s3_why decide(const struct s3_ask *ask)
{
    enum s3_why why = decide_by_rights(ask);
    if (!whys[why].allowed || !charges(ask->q, ask->bkt))
        return why;
    bool agreed = str_eq(s3_req_option(ask->q, STR("x-amz-request-payer")), STR("requester"));
    return agreed && !ask->q->who.anonymous ? why : S3_WHY_REQUESTER_PAYS;
}

static bool allowed(const struct s3_ask *ask)
{
    return whys[decide(ask)].allowed;
}

static enum s3err load(struct s3_ask *ask, struct s3_object *object)
{
    if (!ask->key.p || !concerns_object(ask->action))
        return S3ERR_OK;
    enum s3_read how = ask->q->may_block ? S3_READ_ANY : S3_READ_CACHED;
    struct s3_version v; /* tags and ACL belong to the version; a malformed one is none */
    bool version = ask->version.p && s3_version_id_parse(ask->version, &v.null, &v.seq) == 0;
    struct s3_index *x = ask->q->gw->index;
    int r = version ? s3_object_get_version(x, ask->bkt->bid, ask->key, &v, how, false,
                                            &ask->q->arena, object)
                    : s3_object_get(x, ask->bkt->bid, ask->key, how, false, &ask->q->arena, object);
    if (r == -EAGAIN && !ask->q->may_block)
        return S3ERR_WOULD_BLOCK;
    ask->object = r == 0 ? object : NULL;
    return r == -ENOENT ? S3ERR_OK : s3err_from_errno(r, S3_THING_OTHER);
}

/* Who began an upload may list its parts and abort it: "Multipart upload API and permissions". */
static enum s3err load_initiator(struct s3_ask *ask)
{
    struct s3_req *q = ask->q;
    struct s3_upload u;
    if (q->who.anonymous || (strcmp(ask->action, "s3:AbortMultipartUpload") != 0 &&
                             strcmp(ask->action, "s3:ListMultipartUploadParts") != 0))
        return S3ERR_OK;
    if (!q->may_block)
        return S3ERR_WOULD_BLOCK;
    int r = s3_upload_get(q->gw->index, ask->bkt->bid, ask->key, s3_req_param(q, STR("uploadId")),
                          S3_READ_ANY, &q->arena, &u);
    ask->began_it = r == 0 && is_user(q, u.initiator_id);
    return r == 0 || r == -ENOENT || r == -EINVAL ? S3ERR_OK : s3err_from_errno(r, S3_THING_OTHER);
}

/* Who may not list must not learn whether a key exists: s3-behaviours 8. */
static bool may_learn_of_absence(const struct s3_ask *ask)
{
    struct s3_ask list = *ask;
    list.key = STR_NULL;
    list.action = "s3:ListBucket";
    return allowed(&list);
}

/* ListBuckets and CreateBucket, which any user may ask for who carries no policies. */
static enum s3_why decide_without_bucket(struct s3_req *q, const char *action)
{
    if (q->who.anonymous)
        return S3_WHY_ANONYMOUS;
    if (!carries_policies(q))
        return S3_WHY_ANY_USER;
    struct s3_ask ask = {.q = q, .action = action};
    switch (s3_identity_verdict(q->who.policies, &ask)) {
    case S3_ALLOW:
        return S3_WHY_OWN_POLICY_ALLOWS;
    case S3_DENY:
        return S3_WHY_OWN_POLICY_DENIES;
    case S3_SILENT:
        break;
    }
    return S3_WHY_NOTHING;
}

/* Elsewhere root is the operator, and nobody's policy stops that one. */
static bool binds_root(const struct s3_req *q, const struct s3_bucket *bkt)
{
    return bkt && is_user(q, bkt->owner_id) && s3_bucket_doc(bkt, STR("policy")).n > 0;
}

/* A policy of root's own bucket binds root, but never keeps it from that policy. */
static enum s3_why decide_for_root(const struct s3_ask *ask)
{
    enum s3_verdict verdict = s3_policy_verdict(s3_bucket_doc(ask->bkt, STR("policy")), ask);
    return verdict == S3_DENY && !on_the_policy(ask->action) ? S3_WHY_BUCKET_POLICY_DENIES
                                                             : S3_WHY_ROOT;
}

/* Nobody knows whose a missing object would be: the bucket's READ decides what can be said. */
static enum s3_why decide_missing(const struct s3_ask *ask)
{
    enum s3_why why = decide(ask);
    if (why == S3_WHY_OWN_POLICY_DENIES || why == S3_WHY_BUCKET_POLICY_DENIES)
        return why;
    return may_learn_of_absence(ask) ? S3_WHY_MAY_LIST : S3_WHY_NOTHING;
}

/* Is it decided whatever the object is? Then *ret. */
static bool goes_without_object(const struct s3_ask *ask, enum s3err *ret)
{
    struct s3_req *q = ask->q;
    bool owner = ask->bkt && is_user(q, ask->bkt->owner_id) && !carries_policies(q);
    if (q->who.root && !binds_root(q, ask->bkt))
        *ret = decided(q, S3_WHY_ROOT);
    else if (!ask->bkt)
        *ret = decided(q, decide_without_bucket(q, ask->action));
    else if (!was_shared(ask->bkt) && !carries_policies(q))
        *ret = decided(q, owner ? S3_WHY_BUCKET_OWNER : S3_WHY_NOTHING);
    else
        return false;
    return true;
}

/* By the object that was found, if one was. */
static enum s3err judge(const struct s3_ask *ask)
{
    struct s3_req *q = ask->q;
    if (q->who.root)
        return decided(q, decide_for_root(ask));
    bool owner = is_user(q, ask->bkt->owner_id) && !carries_policies(q);
    bool missing =
        ask->key.p && concerns_object(ask->action) && !ask->object && !deletes(ask->action);
    return decided(q, missing && !owner ? decide_missing(ask) : decide(ask));
}

static enum s3err look_and_judge(struct s3_ask *ask, struct s3_admission *ret)
{
    enum s3err e;
    struct s3_object object;
    *ret = (struct s3_admission){.action = ask->action};
    if (goes_without_object(ask, &e))
        return e;
    e = load(ask, &object);
    if (e == S3ERR_OK)
        e = load_initiator(ask);
    ret->by_object = ask->key.p && concerns_object(ask->action);
    ret->seq = ask->object ? ask->object->seq : 0;
    return e == S3ERR_OK ? judge(ask) : e;
}

static struct s3_ask ask_of(struct s3_req *q, const struct s3_policy_target *t, const char *action)
{
    return (struct s3_ask){.q = q,
                           .bkt = t->bkt,
                           .key = t->key,
                           .version = t->version,
                           .if_match = t->if_match,
                           .action = action};
}

enum s3err s3_policy_allows_version(struct s3_req *q, const struct s3_policy_target *t,
                                    const char *action)
{
    struct s3_admission unused;
    struct s3_ask ask = ask_of(q, t, action);
    return look_and_judge(&ask, &unused);
}

enum s3err s3_policy_allows(struct s3_req *q, const struct s3_bucket *bkt, struct str key,
                            const char *action)
{
    bool own = key.p == q->key.p; /* which may be an older version */
    const struct s3_policy_target t = {
        .bkt = bkt, .key = key, .version = own ? s3_req_param(q, STR("versionId")) : STR_NULL};
    return s3_policy_allows_version(q, &t, action);
}

enum s3err s3_policy_allows_of(struct s3_req *q, const struct s3_policy_target *t,
                               const struct s3_object *o, const char *action)
{
    enum s3err e;
    struct s3_ask ask = ask_of(q, t, action);
    ask.object = o;
    return goes_without_object(&ask, &e) ? e : judge(&ask);
}

/* --- the object of the request --- */

static struct s3_policy_target own_target(const struct s3_req *q)
{
    return (struct s3_policy_target){
        .bkt = q->bkt, .key = q->key, .version = s3_req_param(q, STR("versionId"))};
}

enum s3err s3_policy_admit(struct s3_req *q, const char *action)
{
    const struct s3_policy_target t = own_target(q);
    struct s3_ask ask = ask_of(q, &t, action);
    return look_and_judge(&ask, &q->admitted);
}

enum s3err s3_policy_allows_here(struct s3_req *q, const struct s3_object *o, const char *action)
{
    const struct s3_policy_target t = own_target(q);
    return s3_policy_allows_of(q, &t, o, action);
}

enum s3err s3_policy_still_admits(struct s3_req *q, const struct s3_object *o)
{
    const struct s3_admission *a = &q->admitted;
    return !a->by_object || a->seq == o->seq ? S3ERR_OK : s3_policy_allows_here(q, o, a->action);
}

enum s3err s3_policy_expected_owner(struct s3_req *q, struct str name, const struct s3_bucket *bkt)
{
    struct str expected = s3_req_option(q, name);
    if (expected.p && !s3_name_user_ok(expected))
        return s3_err(q, S3ERR_INVALID_BUCKET_OWNER_AWS_ACCOUNT_ID, "ExpectedBucketOwner",
                      str_head(expected, S3_USER_ID_MAX));
    return !expected.p || str_eq(expected, bkt->owner_id) ? S3ERR_OK
                                                          : decided(q, S3_WHY_OTHER_BUCKET_OWNER);
}

enum s3err s3_policy_allows_with(struct s3_req *q, const char *action)
{
    if (q->who.root || !(was_shared(q->bkt) || carries_policies(q)))
        return S3ERR_OK; /* whoever may write here at all */
    struct s3_ask ask = {.q = q, .bkt = q->bkt, .key = q->key, .action = action};
    return decided(q, decide(&ask));
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
        enum s3err e = s3_policy_allows_with(q, options[i].action);
        if (e != S3ERR_OK)
            return e;
    }
    if (!s3_acl_in_headers(q))
        return S3ERR_OK;
    struct s3_ask acl = {.q = q, .bkt = q->bkt, .key = q->key, .action = "s3:PutObjectAcl"};
    enum s3_why why = decide(&acl);
    bool denied = why == S3_WHY_OWN_POLICY_DENIES || why == S3_WHY_BUCKET_POLICY_DENIES;
    /* ACL of one's own new object: whoever may make it may give it one, unless a policy says no. */
    return denied || (carries_policies(q) && !whys[why].allowed) ? decided(q, why) : S3ERR_OK;
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
    enum s3err e = s3_policy_admit(q, version ? op->version_action : op->action);
    bool writes = q->key.p && strcmp(op->action, "s3:PutObject") == 0;
    bool data = op->body == S3_BODY_STREAM || op->body == S3_BODY_FORM;
    if (e != S3ERR_OK || !writes || q->who.root || !(was_shared(q->bkt) || carries_policies(q)))
        return e;
    if (q->who.anonymous && !data) /* Create, copies, Complete: signed callers only */
        return decided(q, S3_WHY_ANONYMOUS);
    return check_options(q);
}

/* A policy may ask for what is in these bodies. Who is no owner and meets no policy is judged by the
 * head. */
static bool waits_for_body(const struct s3_req *q)
{
    bool shared = q->bkt && was_shared(q->bkt); /* a bucket that is created shares nothing yet */
    return q->op->body_is_asked && !q->body_told && (shared || carries_policies(q));
}

enum s3err s3_policy_check(struct s3_req *q)
{
    if (waits_for_body(q))
        return S3ERR_OK;
    enum s3err e = check(q);
    if (e != S3ERR_ACCESS_DENIED)
        return e;
    dfs_log(LOG_DEBUG, "policy.refused", KV_Z("why", q->why), KV_Z("op", q->op->name),
            KV_STR("user", q->who.user_id), KV_Z("req", q->request_id));
    if (q->bkt) /* region finders read it on a refusal too: s3-behaviours 9 */
        s3_resp_header(q, "x-amz-bucket-region", q->gw->region);
    return e;
}
