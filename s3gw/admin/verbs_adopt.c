/* SPDX-License-Identifier: Apache-2.0 */
/*
 * verbs_adopt - "adopt": files of FastDFS's clients as keys of a bucket, a slice a call.
 *
 *   {"verb":"adopt","group":"group1","bucket":"b","prefix":"","dry_run":"yes","appenders":"yes","at":{...}}
 *   {"ok":true,"adopt":{"files":256,"adopted":200,...},"next":{...}}
 *
 * "next" is the "at" of the next call; without it all is done. The counts are this slice's. Nothing is
 * remembered here: who lost the answer asks again, from anywhere.
 */
#include "dfscore/log/log.h"
#include "s3gw/admin/call.h"
#include "s3gw/api/adopt.h"
#include "s3gw/api/lock.h"
#include "s3gw/core/names.h"
#include "s3gw/dfs/dfs.h"

enum { GROUP_NAME_MAX = 16 };

static json_t *bucket_of(struct call *c, struct s3_bucket *ret)
{
    struct str name;
    json_t *bad = s3_call_want(c, "bucket", 255, &name);
    if (bad)
        return bad;
    int r = s3_bucket_get(c->c->gw->index, name, S3_READ_ANY, &c->arena, ret);
    if (r == -ENOENT)
        return s3_call_failure("missing", "there is no bucket '" STR_F "'", STR_A(name));
    if (r < 0)
        return s3_call_failed("reading the bucket", r);
    if (s3_lock_enabled(ret))
        return s3_call_failure("refused",
                               "bucket '" STR_F
                               "' has object lock, which cannot hold files that FastDFS "
                               "clients may delete",
                               STR_A(name));
    return NULL;
}

static json_t *yes(struct call *c, const char *name, bool *ret)
{
    struct str v = s3_call_arg(c, name);
    *ret = str_eq(v, STR("yes"));
    return !v.p || *ret || str_eq(v, STR("no"))
               ? NULL
               : s3_call_failure("usage", "%s must be yes or no", name);
}

static json_t *at_of(struct call *c, struct s3_adopt_at *ret)
{
    json_t *at = json_object_get(c->request, "at"), *log = json_object_get(at, "log");
    json_t *path = json_object_get(at, "path"), *position = json_object_get(at, "position");
    if (!at)
        return NULL;
    bool ok = json_is_string(log) && json_string_length(log) < sizeof(ret->log) &&
              json_is_integer(path) && json_integer_value(path) >= 0 &&
              json_integer_value(path) <= UINT16_MAX && json_is_integer(position) &&
              json_integer_value(position) >= 0;
    if (!ok)
        return s3_call_failure("usage", "at must be what an earlier answer had as next");
    (void)snprintf(ret->log, sizeof(ret->log), "%s", json_string_value(log));
    ret->path = (unsigned)json_integer_value(path);
    ret->position = (uint64_t)json_integer_value(position);
    return NULL;
}

static json_t *arguments(struct call *c, struct s3_adopt *ask, struct s3_bucket *b,
                         struct s3_adopt_at *at)
{
    json_t *bad = s3_call_want(c, "group", GROUP_NAME_MAX, &ask->group);
    if (!bad)
        bad = bucket_of(c, b);
    struct str prefix = s3_call_arg(c, "prefix");
    if (!bad && prefix.n > 0) {
        ask->prefix = prefix;
        bad = s3_name_key_ok(prefix)
                  ? NULL
                  : s3_call_failure("usage", "no key can begin with that prefix");
    }
    if (!bad)
        bad = yes(c, "dry_run", &ask->dry_run);
    if (!bad)
        bad = yes(c, "appenders", &ask->appenders);
    return bad ? bad : at_of(c, at);
}

static json_t *failed(const struct s3_adopt *ask, int r)
{
    if (r == -ENOENT)
        return s3_call_failure("missing", "there is no group '" STR_F "'", STR_A(ask->group));
    if (r == -ENODEV)
        return s3_call_failure("missing", "the bucket has been deleted");
    if (r == -EDQUOT)
        return s3_call_failure("refused", "the bucket's or its owner's limit is reached");
    return s3_call_failed("adopting files", r);
}

static int run(struct call *c, const struct s3_adopt *ask, struct s3_bucket *b,
               struct s3_adopt_at *at, struct s3_adopt_counts *n)
{
    struct s3_req q;
    s3_call_request(c, b, &q);
    q.who.user_id = b->owner_id;
    int r = s3_adopt_slice(&q, ask, at, n);
    s3_req_fini(&q);
    return r;
}

json_t *s3_verb_adopt(struct call *c)
{
    struct s3_adopt ask = {.prefix = STR("")};
    struct s3_bucket b;
    struct s3_adopt_at at = {.done = false};
    struct s3_adopt_counts n;
    json_t *bad = arguments(c, &ask, &b, &at);
    if (bad)
        return bad;
    bool first = at.log[0] == '\0';
    int r = run(c, &ask, &b, &at, &n);
    if (r < 0)
        return failed(&ask, r);
    json_t *j = json_pack("{s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:I}", "files", (json_int_t)n.files,
                          "adopted", (json_int_t)n.adopted, "bytes", (json_int_t)n.bytes, "known",
                          (json_int_t)n.known, "appenders", (json_int_t)n.appenders, "taken",
                          (json_int_t)n.taken, "gone", (json_int_t)n.gone, "metadata_left_out",
                          (json_int_t)n.metadata_left_out);
    struct s3_dfs_adopted found;
    if (first && s3_dfs_adopted(c->c->gw->dfs, ask.group, &found) == 0)
        json_object_set_new(j, "containers", json_integer((json_int_t)found.containers));
    if (at.done || n.adopted > 0)
        dfs_log(LOG_INFO, at.done ? "admin.adopted" : "admin.adopting", KV_STR("group", ask.group),
                KV_STR("bucket", b.name), KV_Z("log", at.log), KV_U64("path", at.path),
                KV_U64("position", at.position), KV_U64("files", n.adopted),
                KV_U64("dry_run", ask.dry_run));
    json_t *answer = s3_call_done("adopt", j);
    if (!at.done)
        json_object_set_new(answer, "next",
                            json_pack("{s:s, s:I, s:I}", "log", at.log, "path", (json_int_t)at.path,
                                      "position", (json_int_t)at.position));
    return answer;
}
