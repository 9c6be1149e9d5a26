/* SPDX-License-Identifier: Apache-2.0 */
/*
 * verbs_rebalance - "rebalance": emptying a drained group or store path (lifecycle/rebalance.h); "bucket group": the groups
 * of a bucket, shown or, with "group", set.
 *
 *   {"verb":"rebalance start","group":"group1","to":"group2","dry_run":"yes"}
 *   {"ok":true,"rebalance":{"state":"under way","group":"group1","files_left":812,...}}
 *   {"verb":"bucket group","name":"pictures","group":"group1,group2"}
 *   {"ok":true,"groups":["group1","group2"]}
 */
#include "s3gw/admin/call.h"

#include "dfscore/log/log.h"
#include "s3gw/api/commit.h"
#include "s3gw/core/groups.h"
#include "s3gw/dfs/dfs.h"
#include "s3gw/lifecycle/rebalance.h"

/* Why something is still there, and what. */
static json_t *reason(const struct s3_rebalance_counts *n)
{
    if (n->error == 0)
        return json_string("");
    if (n->error_of[0]) {
        json_t *j = json_sprintf("%s: %s", n->error_of, strerror(-n->error));
        return j ? j : json_string(strerror(-n->error)); /* a key may be no UTF-8 */
    }
    switch (n->error) {
    case -ENOSPC:
        return n->to[0] ? json_sprintf("%s takes no new files", n->to)
                        : json_string("no other group takes new files");
    case -EPERM:
        return json_sprintf("%s takes new files again", n->from);
    case -ENOENT:
        return json_sprintf("there is no %s any more, or no %s", n->from,
                            n->to[0] ? n->to : "heir");
    default:
        return json_string(strerror(-n->error));
    }
}

static json_t *job_json(const struct s3_rebalance_counts *n)
{
    static const char *const states[] = {"none", "under way", "done"};
    json_t *j = json_pack("{s:s, s:s}", "state", states[n->state], "group", n->from);
    if (!j || n->state == S3_REBALANCE_NONE)
        return j;
    json_object_set_new(j, "to", json_string(n->to));
    json_object_set_new(j, "begun", s3_call_time(n->begun_ms));
    if (n->state == S3_REBALANCE_DONE)
        json_object_set_new(j, "ended", s3_call_time(n->ended_ms));
    json_object_set_new(j, "files_left", json_integer((json_int_t)n->left));
    json_object_set_new(j, "moved", json_integer((json_int_t)n->objects));
    json_object_set_new(j, "copied_bytes", json_integer((json_int_t)n->bytes));
    json_object_set_new(j, "notes", json_integer((json_int_t)n->notes));
    json_object_set_new(j, "buckets", json_integer((json_int_t)n->buckets));
    json_object_set_new(j, "failed", json_integer((json_int_t)n->failed));
    json_object_set_new(j, "native_files", json_integer((json_int_t)n->native));
    json_object_set_new(j, "error", reason(n));
    return j;
}

static json_t *no_worker(const struct call *c)
{
    return c->c->rebalance ? NULL : s3_call_failure("failed", "the gateway is not ready yet");
}

static json_t *show(struct call *c)
{
    struct s3_rebalance_counts n;
    s3_rebalance_counts(c->c->rebalance, &n);
    return s3_call_done("rebalance", job_json(&n));
}

json_t *s3_verb_rebalance(struct call *c)
{
    json_t *bad = no_worker(c);
    return bad ? bad : show(c);
}

static json_t *refused(struct str group, struct str to, int r)
{
    switch (r) {
    case -EPERM:
        return s3_call_failure(
            "refused",
            STR_F " still takes new files, or " STR_F
                  " takes none: first dfs admin drain; just after it, ask again in some seconds",
            STR_A(group), STR_A(to.n ? to : STR("its heir")));
    case -EXDEV:
        return s3_call_failure("refused",
                               "default_group or a storage_class of the settings names " STR_F
                               ": give them another group and start the gateway anew",
                               STR_A(group));
    case -EBUSY:
        return s3_call_failure("refused", "another one is under way (s3gw admin rebalance)");
    case -ENOENT:
        return s3_call_failure("missing",
                               "there is no group or path '" STR_F "', or no group to move to",
                               STR_A(group));
    case -ENOSPC:
        return s3_call_failure("refused", "no other group takes new files");
    case -EINVAL:
        return s3_call_failure("usage", "group must be a group, or a store path as in group1/M01; "
                                        "to another group");
    case -EHOSTUNREACH:
    case -EIO:
        return s3_call_failure(
            "refused", "a server of " STR_F " does not tell whether it takes new files there",
            STR_A(group));
    default:
        return s3_call_failed("rebalancing", r);
    }
}

json_t *s3_verb_rebalance_start(struct call *c)
{
    struct str group, to = s3_call_arg(c, "to");
    json_t *bad = no_worker(c);
    if (!bad)
        bad = s3_call_want(c, "group", S3_PLACE_MAX, &group);
    if (bad)
        return bad;
    uint64_t files;
    if (!s3_call_arg(c, "dry_run").n) {
        int r = s3_rebalance_begin(c->c->rebalance, group, to);
        return r < 0 ? refused(group, to, r) : show(c);
    }
    int r = s3_rebalance_look(c->c->rebalance, group, to, &files);
    return r < 0 ? refused(group, to, r)
                 : s3_call_done("rebalance",
                                json_pack("{s:s, s:o, s:I}", "state", "would begin", "group",
                                          s3_call_text(group), "files_left", (json_int_t)files));
}

json_t *s3_verb_rebalance_stop(struct call *c)
{
    json_t *bad = no_worker(c);
    if (bad)
        return bad;
    int r = s3_rebalance_end(c->c->rebalance);
    return r < 0 ? s3_call_failed("stopping", r) : show(c);
}

static int set_groups(const struct call *c, struct s3_bucket *b, struct str groups)
{
    struct s3_req q;
    s3_call_request(c, b, &q);
    int r = s3_commit_bucket_groups(&q, STR_NULL, groups);
    s3_req_fini(&q);
    return r;
}

/* NULL: they are a list, of groups that are there. */
static json_t *wrong_groups(const struct call *c, struct str groups)
{
    struct str rest = groups, name;
    while (str_split(&rest, ',', &name))
        if (!s3_dfs_has_group(c->c->gw->dfs, name))
            return s3_call_failure("missing", "there is no group '" STR_F "'", STR_A(name));
    return s3_groups_ok(groups)
               ? NULL
               : s3_call_failure("usage", "group must be different groups with commas between");
}

json_t *s3_verb_bucket_group(struct call *c)
{
    struct str name, groups;
    struct s3_bucket b;
    bool set = json_object_get(c->request, "group") != NULL;
    json_t *bad = s3_call_want(c, "name", 255, &name);
    if (!bad && set)
        bad = s3_call_want(c, "group", S3_GROUPS_TEXT_MAX, &groups);
    if (!bad && set)
        bad = wrong_groups(c, groups);
    if (bad)
        return bad;
    int r = s3_bucket_get(c->c->gw->index, name, S3_READ_ANY, &c->arena, &b);
    if (r == 0 && set)
        r = set_groups(c, &b, groups);
    if (r == -ENOENT)
        return s3_call_failure("missing", "there is no bucket '" STR_F "'", STR_A(name));
    if (r < 0)
        return s3_call_failed("reading or writing the storage and the key index", r);
    if (set)
        dfs_log(LOG_INFO, "admin.bucket_group", KV_STR("bucket", name), KV_STR("groups", groups));
    return s3_call_done("groups", s3_call_groups(set ? groups : b.groups));
}
