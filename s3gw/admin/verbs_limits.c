/* SPDX-License-Identifier: Apache-2.0 */
/* verbs_limits - quotas of buckets and users, rates of users, beside what they hold. */
#include "dfscore/log/log.h"
#include "s3gw/admin/call.h"
#include "s3gw/api/commit.h"
#include "s3gw/index/usage.h"
#include "s3gw/policy/quota.h"

/* Of what the verb speaks: "user" or "bucket", and its name. */
struct limited {
    bool is_user;
    struct s3_user user;
    struct s3_bucket bucket;
    struct s3_limits limits;
};

static const struct {
    const char *field;
    size_t offset;
    bool of_users_only;
} limits[] = {
    {"max_bytes", offsetof(struct s3_limits, bytes), false},
    {"max_objects", offsetof(struct s3_limits, objects), false},
    {"requests_per_second", offsetof(struct s3_limits, requests_s), true},
    {"bytes_per_second", offsetof(struct s3_limits, traffic_s), true},
};

static uint64_t *limit_at(struct s3_limits *l, size_t i)
{
    return (uint64_t *)(void *)((char *)l + limits[i].offset);
}

static json_t *find(struct call *c, struct limited *ret)
{
    struct str what = s3_call_arg(c, "what"), name;
    ret->is_user = str_eq(what, STR("user"));
    if (ret->is_user) {
        json_t *bad = s3_call_user(c, "name", &ret->user);
        ret->limits = bad ? (struct s3_limits){0} : ret->user.limits;
        return bad;
    }
    if (!str_eq(what, STR("bucket")))
        return s3_call_failure("usage", "limits are of a user or a bucket");
    json_t *bad = s3_call_want(c, "name", 255, &name);
    if (bad)
        return bad;
    int r = s3_bucket_get(c->c->gw->index, name, S3_READ_ANY, &c->arena, &ret->bucket);
    if (r == -ENOENT)
        return s3_call_failure("missing", "there is no bucket '" STR_F "'", STR_A(name));
    if (r < 0)
        return s3_call_failed("reading the bucket", r);
    ret->limits = s3_quota_of_bucket(&ret->bucket);
    return NULL;
}

static json_t *shown(struct call *c, struct limited *of)
{
    struct s3_index *x = c->c->gw->index;
    struct s3_usage u;
    int r = of->is_user ? s3_usage_of_user(x, of->user.id, S3_READ_ANY, &u)
                        : s3_usage_of_bucket(x, of->bucket.bid, S3_READ_ANY, &u);
    if (r < 0)
        return s3_call_failed("reading what is held", r);
    json_t *j =
        json_pack("{s:I, s:I}", "objects", (json_int_t)u.objects, "bytes", (json_int_t)u.bytes);
    for (size_t i = 0; j && i < ARRAY_LEN(limits); i++)
        if (of->is_user || !limits[i].of_users_only)
            json_object_set_new(j, limits[i].field,
                                json_integer((json_int_t)*limit_at(&of->limits, i)));
    return s3_call_done("limits", j);
}

json_t *s3_verb_limit_show(struct call *c)
{
    struct limited of;
    json_t *bad = find(c, &of);
    return bad ? bad : shown(c, &of);
}

/* The limits the command names; the others stay. */
static json_t *take_limits(struct call *c, struct limited *of)
{
    bool any = false;
    for (size_t i = 0; i < ARRAY_LEN(limits); i++) {
        struct str v = s3_call_arg(c, limits[i].field);
        if (!v.p)
            continue;
        if (limits[i].of_users_only && !of->is_user)
            return s3_call_failure("usage", "%s is a limit of users", limits[i].field);
        if (str_u64(v, INT64_MAX, limit_at(&of->limits, i)) < 0)
            return s3_call_failure("usage",
                                   "%s = " STR_F ": must be a whole number, 0 for no limit",
                                   limits[i].field, STR_A(v));
        any = true;
    }
    return any ? NULL : s3_call_failure("usage", "no limit is named");
}

/* As a document of the bucket, noted on the storage as every configuration is. */
static int save_bucket(struct call *c, struct limited *of)
{
    AUTO(buf_free) struct buf doc = BUF(64);
    s3_quota_encode(&of->limits, &doc);
    struct s3_req q;
    s3_call_request(c, &of->bucket, &q);
    int r = s3_commit_bucket_doc(&q, STR("quota"),
                                 s3_limits_any(&of->limits) ? buf_str(&doc) : STR_NULL);
    s3_req_fini(&q);
    return r;
}

json_t *s3_verb_limit_set(struct call *c)
{
    struct limited of;
    json_t *bad = find(c, &of);
    if (!bad && of.is_user && of.user.root)
        bad = s3_call_failure("refused", "root has no limits; set them for its buckets");
    if (!bad)
        bad = take_limits(c, &of);
    if (bad)
        return bad;
    if (of.is_user) {
        of.user.limits = of.limits;
        bad = s3_call_save_user(c, &of.user);
    } else {
        int r = save_bucket(c, &of);
        bad = r < 0 ? s3_call_failed("writing the bucket", r) : NULL;
    }
    if (bad)
        return bad;
    dfs_log(LOG_INFO, "admin.limits_set", KV_STR("name", s3_call_arg(c, "name")),
            KV_U64("bytes", of.limits.bytes), KV_U64("objects", of.limits.objects),
            KV_U64("requests_per_second", of.limits.requests_s),
            KV_U64("bytes_per_second", of.limits.traffic_s));
    return shown(c, &of);
}
