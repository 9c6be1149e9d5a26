/* SPDX-License-Identifier: Apache-2.0 */
/* verbs_access - policies that users carry, and what the evaluator would say. */
#include "dfscore/log/log.h"
#include "s3gw/admin/call.h"
#include "s3gw/policy/eval.h"
#include "s3gw/policy/identity.h"

enum { RECORDS_MAX = 2 * 1024 * 1024, RESOURCE_MAX = 2048, ACTION_MAX = 100 };

/* --- policies of a user ------------------------------------------------------------------------
 */

static json_t *user_and_name(struct call *c, struct s3_user *u, struct str *name)
{
    json_t *bad = s3_call_user(c, "user", u);
    return bad ? bad : s3_call_want(c, "name", S3_IDENTITY_NAME_MAX, name);
}

/* Sets, or without @policy takes away, one policy of the user. */
static json_t *change(struct call *c, struct s3_user *u, struct str name, struct str policy)
{
    AUTO(buf_free) struct buf all = BUF(RECORDS_MAX);
    int r = s3_identity_set(u->policies, name, policy, &all);
    if (r == -ENOENT)
        return s3_call_failure("missing", "user '" STR_F "' has no policy '" STR_F "'",
                               STR_A(u->id), STR_A(name));
    if (r == -E2BIG)
        return s3_call_failure("refused", "a user may have at most %d policies",
                               S3_IDENTITY_POLICIES_MAX);
    if (r < 0)
        return s3_call_failed("changing the policies", r);
    u->policies = all.n > 0 ? buf_str(&all) : STR_NULL;
    json_t *bad = s3_call_save_user(c, u);
    if (bad)
        return bad;
    dfs_log(LOG_INFO, policy.p ? "admin.policy_set" : "admin.policy_deleted", KV_STR("user", u->id),
            KV_STR("policy", name));
    return s3_call_done(NULL, NULL);
}

json_t *s3_verb_policy_put(struct call *c)
{
    struct s3_user u;
    struct str name;
    json_t *bad = user_and_name(c, &u, &name);
    if (bad)
        return bad;
    if (u.root)
        return s3_call_failure("refused", "root may do everything, whatever policies say");
    struct str json = s3_call_arg(c, "policy");
    AUTO(buf_free) struct buf record = BUF(RECORDS_MAX);
    const struct s3_policy_scope scope = {c->c->gw->index, &c->arena, STR_NULL};
    const char *detail;
    int r = s3_policy_compile(&scope, json, &record, &detail);
    if (r == -EINVAL)
        return s3_call_failure("usage", "policy: %s", detail);
    return r < 0 ? s3_call_failed("reading the policy", r) : change(c, &u, name, buf_str(&record));
}

json_t *s3_verb_policy_delete(struct call *c)
{
    struct s3_user u;
    struct str name;
    json_t *bad = user_and_name(c, &u, &name);
    return bad ? bad : change(c, &u, name, STR_NULL);
}

json_t *s3_verb_policy_list(struct call *c)
{
    struct s3_user u;
    json_t *bad = s3_call_user(c, "user", &u);
    if (bad)
        return bad;
    json_t *list = json_array();
    struct rd all = s3_identity_begin(u.policies);
    struct str name, policy;
    while (s3_identity_next(&all, &name, &policy))
        json_array_append_new(list, json_pack("{s:o}", "name", s3_call_text(name)));
    return s3_call_done("policies", list);
}

json_t *s3_verb_policy_show(struct call *c)
{
    struct s3_user u;
    struct str wanted, name, policy;
    json_t *bad = user_and_name(c, &u, &wanted);
    if (bad)
        return bad;
    struct rd all = s3_identity_begin(u.policies);
    while (s3_identity_next(&all, &name, &policy))
        if (str_eq(name, wanted))
            return s3_call_done("policy", s3_call_text(s3_policy_json(policy)));
    return s3_call_failure("missing", "user '" STR_F "' has no policy '" STR_F "'", STR_A(u.id),
                           STR_A(wanted));
}

/* --- what would be decided ---------------------------------------------------------------------
 */

/* "arn:aws:s3:::bucket/key", or "bucket/key"; "*" and nothing: no bucket. */
static void take_resource(struct s3_req *q, struct str resource)
{
    static const struct str arn = STR_INIT("arn:aws:s3:::");
    if (str_starts(resource, arn))
        resource = str_from(resource, arn.n);
    (void)str_cut(resource, '/', &q->bucket, &q->key);
    if (q->key.n == 0)
        q->key = STR_NULL;
    if (q->bucket.n == 0 || str_eq(q->bucket, STR("*")))
        q->bucket = STR_NULL;
}

/* The caller: a user by id, or nobody in particular ("anonymous"). */
static json_t *take_caller(struct call *c, struct s3_req *q)
{
    q->who = (struct s3_identity){.anonymous = true};
    if (str_eq(s3_call_arg(c, "user"), STR("anonymous")))
        return NULL;
    struct s3_user u;
    json_t *bad = s3_call_user(c, "user", &u);
    if (bad)
        return bad;
    if (u.disabled)
        return s3_call_failure(
            "refused", "user '" STR_F "' is disabled: no key of theirs is accepted", STR_A(u.id));
    q->who = (struct s3_identity){.root = u.root,
                                  .user_id = u.id,
                                  .display_name = u.display_name,
                                  .policies = u.policies,
                                  .how = S3_AUTH_V4_HEADER};
    return NULL;
}

static json_t *load_bucket(struct call *c, struct s3_req *q, bool creates, struct s3_bucket *b)
{
    if (!q->bucket.p || creates)
        return NULL;
    int r = s3_bucket_get(c->c->gw->index, q->bucket, S3_READ_ANY, &q->arena, b);
    if (r == -ENOENT)
        return s3_call_failure("missing", "there is no bucket '" STR_F "'", STR_A(q->bucket));
    if (r == 0)
        q->bkt = b;
    return r < 0 ? s3_call_failed("reading the bucket", r) : NULL;
}

/* The evaluator's own word for a request that was not made: a plain one, from @source_ip. */
static json_t *explain(struct call *c, struct s3_req *q)
{
    struct str action, resource;
    json_t *bad = take_caller(c, q);
    if (!bad)
        bad = s3_call_want(c, "action", ACTION_MAX, &action);
    if (!bad)
        bad = s3_call_want(c, "resource", RESOURCE_MAX, &resource);
    if (bad)
        return bad;
    bool without =
        str_ieq(action, STR("s3:CreateBucket")) || str_ieq(action, STR("s3:ListAllMyBuckets"));
    if (!str_istarts(action, STR("s3:")))
        return s3_call_failure("usage", "action must be a name such as s3:GetObject");
    take_resource(q, resource);
    struct s3_bucket b;
    bad = load_bucket(c, q, without, &b);
    if (bad)
        return bad;
    if (!q->bkt && !without)
        return s3_call_failure("usage", "this action needs a bucket: arn:aws:s3:::BUCKET[/KEY]");
    AUTO(dfs_free_ptr) char *name = str_dup(action);
    if (!name)
        return s3_call_failed("explaining", -ENOMEM);
    enum s3err e = s3_policy_allows(q, q->bkt, q->key, name);
    if (e != S3ERR_OK && e != S3ERR_ACCESS_DENIED)
        return s3_call_failure("failed", "%s", s3err_info(e)->message);
    return s3_call_done("decision",
                        json_pack("{s:b, s:s}", "allowed", e == S3ERR_OK, "why", q->why));
}

json_t *s3_verb_explain(struct call *c)
{
    struct s3_req q;
    s3_call_request(c, NULL, &q);
    struct str ip = s3_call_arg(c, "source_ip");
    q.peer = ip.n ? ip : STR("127.0.0.1");
    q.tls = str_eq(s3_call_arg(c, "tls"), STR("yes"));
    json_t *answer = explain(c, &q);
    s3_req_fini(&q);
    return answer;
}
