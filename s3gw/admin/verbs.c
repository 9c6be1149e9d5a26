/* SPDX-License-Identifier: Apache-2.0 */
#include "s3gw/admin/call.h"

#include <stdio.h>
#include <time.h>

#include "dfscore/base/clock.h"
#include "dfscore/base/version.h"
#include "dfscore/log/log.h"
#include "s3gw/api/commit_user.h"
#include "s3gw/core/names.h"
#include "s3gw/core/newkey.h"
#include "s3gw/core/tenure.h"
#include "s3gw/index/usage.h"
#include "s3gw/lifecycle/worker.h"
#include "s3gw/sse/gcm.h"

enum {
    ARENA_MAX = 64 * 1024 * 1024, /* of one verb: lists are held whole */
    TEXT_MAX = 256,
    PAGE = 1000,
    ACCESS_KEY_MIN = 3,
    SECRET_KEY_MIN = 8,
    KEY_TEXT_MAX = 128,
};

/* --- answers ---------------------------------------------------------------------------------- */

/* Where a text of @n bytes that was cut there ends with a whole character. */
static size_t whole_characters(const char *text, size_t n)
{
    while (n > 0 && ((unsigned char)text[n - 1] & 0xC0) == 0x80)
        n--;
    return n > 0 && (unsigned char)text[n - 1] >= 0xC0 ? n - 1 : n;
}

json_t *s3_call_failure(const char *code, const char *fmt, ...)
{
    char text[512];
    va_list ap;
    va_start(ap, fmt);
    int n = vsnprintf(text, sizeof(text), fmt, ap);
    va_end(ap);
    size_t kept = (size_t)MAX(n, 0);
    if (kept >= sizeof(text))
        kept = whole_characters(text, sizeof(text) - 1);
    json_t *j = json_pack("{s:b, s:s, s:o}", "ok", 0, "code", code, "error",
                          s3_call_text(str_of(text, kept)));
    return j ? j : json_null();
}

json_t *s3_call_failed(const char *what, int r)
{
    return s3_call_failure("failed", "%s: %s", what, strerror(-r));
}

json_t *s3_call_done(const char *name, json_t *value)
{
    if (!name)
        return json_pack("{s:b}", "ok", 1);
    return json_pack("{s:b, s:o}", "ok", 1, name, value);
}

json_t *s3_call_text(struct str s)
{
    json_t *j = json_stringn(s.p ? s.p : "", s.n);
    return j ? j : json_string("(not UTF-8)");
}

json_t *s3_call_groups(struct str groups)
{
    json_t *list = json_array();
    struct str name;
    while (str_split(&groups, ',', &name))
        json_array_append_new(list, s3_call_text(name));
    return list;
}

json_t *s3_call_time(int64_t ms)
{
    time_t s = (time_t)(ms / 1000);
    struct tm tm;
    char out[32];
    gmtime_r(&s, &tm);
    (void)strftime(out, sizeof(out), "%Y-%m-%dT%H:%M:%SZ", &tm);
    return json_string(out);
}

/* --- arguments -------------------------------------------------------------------------------- */

void s3_call_request(const struct call *c, struct s3_bucket *b, struct s3_req *q)
{
    s3_req_init(q);
    q->gw = (struct s3_gw *)(uintptr_t)c->c->gw; /* constant here, counted in there */
    q->now_ms = c->now_ms;
    q->may_block = true;
    q->bkt = b;
    q->bucket = b ? b->name : STR_NULL;
}

struct str s3_call_arg(struct call *c, const char *name)
{
    const json_t *v = json_object_get(c->request, name);
    if (!json_is_string(v))
        return STR_NULL;
    return str_of(json_string_value(v), json_string_length(v));
}

static bool visible(struct str s)
{
    for (size_t i = 0; i < s.n; i++) {
        if ((unsigned char)s.p[i] < ' ' || s.p[i] == 0x7F)
            return false;
    }
    return true;
}

json_t *s3_call_want(struct call *c, const char *name, size_t max, struct str *ret)
{
    *ret = s3_call_arg(c, name);
    if (ret->n == 0)
        return s3_call_failure("usage", "%s is missing", name);
    if (ret->n > max || !visible(*ret))
        return s3_call_failure(
            "usage", "%s must be at most %zu characters, none of them a control character", name,
            max);
    return NULL;
}

static void add_usage(json_t *j, const struct s3_usage *u)
{
    if (!j)
        return;
    json_object_set_new(j, "objects", json_integer((json_int_t)u->objects));
    json_object_set_new(j, "bytes", json_integer((json_int_t)u->bytes));
}

/* --- users and keys --------------------------------------------------------------------------- */

static json_t *user_json(struct call *c, const struct s3_user *u)
{
    struct s3_access_key *keys = NULL;
    size_t n = 0;
    if (s3_key_list(c->c->gw->index, u->id, &c->arena, &keys, &n) < 0)
        n = 0;
    json_t *list = json_array();
    for (size_t i = 0; i < n; i++)
        json_array_append_new(list, s3_call_text(keys[i].access_key));
    return json_pack("{s:o, s:o, s:o, s:b, s:b, s:o, s:o}", "id", s3_call_text(u->id),
                     "display_name", s3_call_text(u->display_name), "email", s3_call_text(u->email),
                     "disabled", (int)u->disabled, "root", (int)u->root, "created",
                     s3_call_time(u->created_ms), "access_keys", list);
}

static json_t *key_json(const struct s3_access_key *k, bool with_secret)
{
    json_t *j = json_pack("{s:o, s:o, s:o}", "access_key", s3_call_text(k->access_key), "user",
                          s3_call_text(k->user_id), "created", s3_call_time(k->created_ms));
    if (j && with_secret)
        json_object_set_new(j, "secret_key", s3_call_text(k->secret));
    return j;
}

json_t *s3_call_user(struct call *c, const char *name, struct s3_user *ret)
{
    struct str id;
    json_t *bad = s3_call_want(c, name, S3_USER_ID_MAX, &id);
    if (bad)
        return bad;
    int r = s3_user_get(c->c->gw->index, id, S3_READ_ANY, &c->arena, ret);
    if (r == -ENOENT)
        return s3_call_failure("missing", "there is no user '" STR_F "'", STR_A(id));
    return r < 0 ? s3_call_failed("reading the user", r) : NULL;
}

/* Fill @k from the arguments, or anew; NULL, or what is wrong with them. */
static json_t *choose_key(struct call *c, struct str user, struct s3_access_key *k)
{
    struct str access = s3_call_arg(c, "access_key"), secret = s3_call_arg(c, "secret_key");
    *k = (struct s3_access_key){.user_id = user, .created_ms = c->now_ms};
    if (!access.p != !secret.p)
        return s3_call_failure("usage", "access_key and secret_key must be given together");
    if (!access.p) {
        char *a = arena_alloc(&c->arena, S3_NEW_ACCESS_KEY_LEN + 1);
        char *s = arena_alloc(&c->arena, S3_NEW_SECRET_KEY_LEN + 1);
        int r = !a || !s ? -ENOMEM : s3_new_key(a, s);
        if (r < 0)
            return s3_call_failed("making a key", r);
        access = str_c(a);
        secret = str_c(s);
    }
    if (access.n < ACCESS_KEY_MIN || access.n > KEY_TEXT_MAX || !s3_key_text_ok(access) ||
        str_chr(access, '/') != SIZE_MAX)
        return s3_call_failure("usage",
                               "access_key must be %d to %d visible ASCII characters without '/'",
                               ACCESS_KEY_MIN, KEY_TEXT_MAX);
    if (secret.n < SECRET_KEY_MIN || secret.n > KEY_TEXT_MAX || !s3_key_text_ok(secret))
        return s3_call_failure("usage", "secret_key must be %d to %d visible ASCII characters",
                               SECRET_KEY_MIN, KEY_TEXT_MAX);
    k->access_key = access;
    k->secret = secret;
    return NULL;
}

static json_t *commit(struct call *c, struct s3_user_change *ch)
{
    int r = s3_commit_user(c->c->gw, ch);
    if (r == -EEXIST && ch->key_refused)
        return s3_call_failure("exists", "the access key '" STR_F "' is in use",
                               STR_A(ch->key->access_key));
    if (r == -EEXIST)
        return s3_call_failure(
            "exists", "there is already a user '" STR_F "', or one with this e-mail address",
            STR_A(ch->user->id));
    return r < 0 ? s3_call_failed("writing to the storage and the key index", r) : NULL;
}

json_t *s3_call_save_user(struct call *c, const struct s3_user *u)
{
    return commit(c, &(struct s3_user_change){.user = u});
}

static json_t *user_create(struct call *c)
{
    struct s3_user u = {.created_ms = c->now_ms}, other;
    json_t *bad = s3_call_want(c, "id", S3_USER_ID_MAX, &u.id);
    if (bad)
        return bad;
    if (!s3_name_new_user_ok(u.id))
        return s3_call_failure("usage", "id must be without blanks and control characters");
    u.display_name = s3_call_arg(c, "display_name");
    u.email = s3_call_arg(c, "email");
    if (!u.display_name.n)
        u.display_name = u.id;
    if (u.display_name.n > TEXT_MAX || !visible(u.display_name) || u.email.n > TEXT_MAX ||
        !visible(u.email))
        return s3_call_failure("usage", "display_name and email must be at most %d characters",
                               TEXT_MAX);
    if (u.email.n && s3_user_by_email(c->c->gw->index, u.email, &c->arena, &other) == 0)
        return s3_call_failure("exists",
                               "the e-mail address '" STR_F "' belongs to user '" STR_F "'",
                               STR_A(u.email), STR_A(other.id));
    if (s3_user_get(c->c->gw->index, u.id, S3_READ_ANY, &c->arena, &other) == 0)
        return s3_call_failure("exists", "there is already a user '" STR_F "'", STR_A(u.id));
    struct s3_access_key k;
    bad = choose_key(c, u.id, &k);
    if (bad)
        return bad;
    bad = commit(c, &(struct s3_user_change){.user = &u, .key = &k, .must_be_new = true});
    if (bad)
        return bad;
    dfs_log(LOG_INFO, "admin.user_created", KV_STR("user", u.id));
    json_t *j = user_json(c, &u);
    json_object_set_new(j, "keys", json_pack("[o]", key_json(&k, true)));
    return s3_call_done("user", j);
}

static json_t *user_list(struct call *c)
{
    struct s3_user *users;
    size_t n;
    int r = s3_user_list(c->c->gw->index, &c->arena, &users, &n);
    if (r < 0)
        return s3_call_failed("listing users", r);
    json_t *list = json_array();
    for (size_t i = 0; i < n; i++)
        json_array_append_new(list, user_json(c, &users[i]));
    return s3_call_done("users", list);
}

static json_t *user_show(struct call *c)
{
    struct s3_user u;
    json_t *bad = s3_call_user(c, "id", &u);
    if (bad)
        return bad;
    struct s3_usage usage;
    int r = s3_usage_of_user(c->c->gw->index, u.id, S3_READ_ANY, &usage);
    if (r < 0)
        return s3_call_failed("reading the user's usage", r);
    json_t *j = user_json(c, &u);
    add_usage(j, &usage);
    return s3_call_done("user", j);
}

static json_t *user_set_disabled(struct call *c, bool disabled)
{
    struct s3_user u;
    json_t *bad = s3_call_user(c, "id", &u);
    if (bad)
        return bad;
    if (u.root)
        return s3_call_failure("refused", "root cannot be disabled");
    u.disabled = disabled;
    bad = commit(c, &(struct s3_user_change){.user = &u});
    if (bad)
        return bad;
    dfs_log(LOG_INFO, disabled ? "admin.user_disabled" : "admin.user_enabled",
            KV_STR("user", u.id));
    return s3_call_done("user", user_json(c, &u));
}

static json_t *user_disable(struct call *c)
{
    return user_set_disabled(c, true);
}

static json_t *user_enable(struct call *c)
{
    return user_set_disabled(c, false);
}

static json_t *user_delete(struct call *c)
{
    struct s3_user u;
    json_t *bad = s3_call_user(c, "id", &u);
    if (bad)
        return bad;
    if (u.root)
        return s3_call_failure("refused", "root cannot be deleted");
    int r = s3_commit_user(c->c->gw, &(struct s3_user_change){.gone_user = u.id});
    if (r == -ENOTEMPTY)
        return s3_call_failure("not_empty", "user '" STR_F "' still owns buckets", STR_A(u.id));
    if (r < 0 && r != -ENOENT)
        return s3_call_failed("deleting the user", r);
    dfs_log(LOG_INFO, "admin.user_deleted", KV_STR("user", u.id));
    return s3_call_done(NULL, NULL);
}

static json_t *key_create(struct call *c)
{
    struct s3_user u;
    struct s3_access_key k;
    json_t *bad = s3_call_user(c, "user", &u);
    if (!bad && u.root)
        bad = s3_call_failure("refused",
                              "root's key is set when the server starts (S3GW_ROOT_ACCESS_KEY)");
    if (!bad)
        bad = choose_key(c, u.id, &k);
    if (!bad)
        bad = commit(c, &(struct s3_user_change){.key = &k});
    if (bad)
        return bad;
    dfs_log(LOG_INFO, "admin.key_created", KV_STR("user", u.id),
            KV_STR("access_key", k.access_key));
    return s3_call_done("key", key_json(&k, true));
}

static json_t *key_list(struct call *c)
{
    struct s3_user u;
    json_t *bad = s3_call_user(c, "user", &u);
    if (bad)
        return bad;
    struct s3_access_key *keys;
    size_t n;
    int r = s3_key_list(c->c->gw->index, u.id, &c->arena, &keys, &n);
    if (r < 0)
        return s3_call_failed("listing keys", r);
    json_t *list = json_array();
    for (size_t i = 0; i < n; i++)
        json_array_append_new(list, key_json(&keys[i], false));
    return s3_call_done("keys", list);
}

static json_t *key_delete(struct call *c)
{
    struct str access;
    struct s3_access_key k;
    struct s3_user u;
    json_t *bad = s3_call_want(c, "access_key", KEY_TEXT_MAX, &access);
    if (bad)
        return bad;
    int r = s3_key_get(c->c->gw->index, access, S3_READ_ANY, &c->arena, &k, &u);
    if (r == 0 && u.root)
        return s3_call_failure("refused",
                               "root's key is set when the server starts (S3GW_ROOT_ACCESS_KEY)");
    struct str owner = s3_call_arg(c, "user");
    if (r == 0 && owner.n && !str_eq(owner, u.id))
        r = -ENOENT;
    if (r == 0)
        r = s3_commit_user(c->c->gw, &(struct s3_user_change){.gone_key = access});
    if (r == -ENOENT)
        return s3_call_failure("missing", "there is no access key '" STR_F "'", STR_A(access));
    if (r < 0)
        return s3_call_failed("deleting the key", r);
    dfs_log(LOG_INFO, "admin.key_deleted", KV_STR("user", u.id), KV_STR("access_key", access));
    return s3_call_done(NULL, NULL);
}

/* --- buckets, status -------------------------------------------------------------------------- */

static json_t *bucket_json(const struct s3_bucket *b)
{
    struct str group = b->groups, rest; /* the first, as when there was only one */
    (void)str_cut(b->groups, ',', &group, &rest);
    return json_pack("{s:o, s:o, s:o, s:o, s:o, s:o}", "name", s3_call_text(b->name), "owner",
                     s3_call_text(b->owner_id), "group", s3_call_text(group), "groups",
                     s3_call_groups(b->groups), "versioning",
                     s3_call_text(b->versioning.n ? b->versioning : STR("never")), "created",
                     s3_call_time(b->created_ms));
}

/* Calls @each (may be NULL) for every bucket of @owner (absent: all); how many, or negative errno. */
static ssize_t each_bucket(struct call *c, struct str owner,
                           void (*each)(json_t *list, const struct s3_bucket *b), json_t *list)
{
    ssize_t count = 0;
    bool more = true;
    char last[256] = "";
    while (more) {
        struct arena page;
        struct s3_bucket *b;
        size_t n;
        arena_init(&page, ARENA_MAX);
        int r = s3_bucket_list(c->c->gw->index, owner, STR_NULL, str_c(last), PAGE, &page, &b, &n,
                               &more);
        for (size_t i = 0; r == 0 && each && i < n; i++)
            each(list, &b[i]);
        if (r == 0 && n > 0)
            (void)snprintf(last, sizeof(last), STR_F, STR_A(b[n - 1].name));
        arena_fini(&page);
        if (r < 0)
            return r;
        count += (ssize_t)n;
        more = more && n > 0;
    }
    return count;
}

static void append_bucket(json_t *list, const struct s3_bucket *b)
{
    json_array_append_new(list, bucket_json(b));
}

static json_t *bucket_list(struct call *c)
{
    json_t *list = json_array();
    ssize_t n = each_bucket(c, s3_call_arg(c, "owner"), append_bucket, list);
    if (n >= 0)
        return s3_call_done("buckets", list);
    json_decref(list);
    return s3_call_failed("listing buckets", (int)n);
}

static json_t *bucket_show(struct call *c)
{
    struct str name;
    struct s3_bucket b;
    json_t *bad = s3_call_want(c, "name", 255, &name);
    if (bad)
        return bad;
    int r = s3_bucket_get(c->c->gw->index, name, S3_READ_ANY, &c->arena, &b);
    if (r == -ENOENT)
        return s3_call_failure("missing", "there is no bucket '" STR_F "'", STR_A(name));
    struct s3_usage u;
    if (r == 0)
        r = s3_usage_of_bucket(c->c->gw->index, b.bid, S3_READ_ANY, &u);
    if (r < 0)
        return s3_call_failed("reading the bucket", r);
    json_t *j = bucket_json(&b);
    add_usage(j, &u);
    return s3_call_done("bucket", j);
}

/* A standby has no index to count anything in. */
static json_t *standby_status(const struct call *c)
{
    json_t *j = json_pack("{s:b, s:s, s:o}", "ok", 1, "version", dfs_version(), "region",
                          s3_call_text(c->c->gw->region));
    if (j && c->c->status)
        c->c->status(c->c->arg, j);
    return j;
}

static json_t *status(struct call *c)
{
    const struct s3_gw *gw = c->c->gw;
    if (!gw->index)
        return standby_status(c);
    struct s3_user *users;
    size_t nusers = 0;
    int health = s3_index_health(gw->index);
    if (s3_user_list(gw->index, &c->arena, &users, &nusers) < 0)
        nusers = 0;
    ssize_t buckets = each_bucket(c, STR_NULL, NULL, NULL);
    json_t *j = json_pack("{s:b, s:s, s:s, s:s, s:o, s:s, s:I, s:I}", "ok", 1, "version",
                          dfs_version(), "durability", gw->relaxed ? "relaxed" : "sync", "aes_gcm",
                          s3_gcm_name(s3_gcm_best()), "region", s3_call_text(gw->region), "index",
                          health == 0 ? "ok" : dfs_errno_name(health), "users", (json_int_t)nusers,
                          "buckets", (json_int_t)MAX(buckets, 0));
    if (j && c->c->status)
        c->c->status(c->c->arg, j);
    return j;
}

static json_t *reclaim(struct call *c)
{
    if (c->c->reclaim)
        c->c->reclaim(c->c->arg);
    return s3_call_done(NULL, NULL);
}

static json_t *tally_json(const struct s3_life_tally *t)
{
    return json_pack("{s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:I}", "buckets",
                     (json_int_t)t->buckets, "looked_at", (json_int_t)t->rows, "expired",
                     (json_int_t)t->expired, "noncurrent_versions", (json_int_t)t->versions,
                     "delete_markers", (json_int_t)t->markers, "uploads", (json_int_t)t->uploads,
                     "locked", (json_int_t)t->locked, "changed_meanwhile", (json_int_t)t->changed,
                     "moved", (json_int_t)t->moved, "failed_moves", (json_int_t)t->failed);
}

/* The pass under way, and the last complete one; absent when there is none. */
static json_t *lifecycle(struct call *c)
{
    struct s3_life_counts n;
    if (!c->c->lifecycle)
        return s3_call_failure("failed", "no lifecycle worker is running");
    c->c->lifecycle(c->c->arg, &n);
    json_t *j =
        json_pack("{s:b, s:I}", "running", (int)n.running, "failures", (json_int_t)n.failures);
    if (n.running)
        json_object_set_new(j, "pass",
                            json_pack("{s:o, s:o, s:o}", "begun", s3_call_time(n.begun_ms),
                                      "bucket", s3_call_text(str_c(n.bucket)), "done",
                                      tally_json(&n.now)));
    else
        json_object_set_new(j, "next", s3_call_time(n.next_ms));
    if (n.last_ended_ms)
        json_object_set_new(j, "last_pass",
                            json_pack("{s:o, s:o, s:o}", "begun", s3_call_time(n.last_begun_ms),
                                      "ended", s3_call_time(n.last_ended_ms), "done",
                                      tally_json(&n.last)));
    return s3_call_done("lifecycle", j);
}

static json_t *lifecycle_run(struct call *c)
{
    if (c->c->lifecycle_run)
        c->c->lifecycle_run(c->c->arg);
    return s3_call_done(NULL, NULL);
}

static json_t *version(struct call *c)
{
    (void)c;
    return s3_call_done("version", json_string(dfs_version()));
}

static const struct {
    const char *name;
    json_t *(*run)(struct call *c);
} verbs[] = {
    {"user create", user_create},
    {"user list", user_list},
    {"user show", user_show},
    {"user disable", user_disable},
    {"user enable", user_enable},
    {"user delete", user_delete},
    {"key create", key_create},
    {"key list", key_list},
    {"key delete", key_delete},
    {"bucket list", bucket_list},
    {"bucket show", bucket_show},
    {"bucket group", s3_verb_bucket_group},
    {"rebalance", s3_verb_rebalance},
    {"rebalance start", s3_verb_rebalance_start},
    {"rebalance stop", s3_verb_rebalance_stop},
    {"status", status},
    {"reclaim", reclaim},
    {"version", version},
    {"lifecycle", lifecycle},
    {"lifecycle run", lifecycle_run},
    {"policy put", s3_verb_policy_put},
    {"policy list", s3_verb_policy_list},
    {"policy show", s3_verb_policy_show},
    {"policy delete", s3_verb_policy_delete},
    {"explain", s3_verb_explain},
    {"adopt", s3_verb_adopt},
    {"limit set", s3_verb_limit_set},
    {"limit show", s3_verb_limit_show},
    {"kms key create", s3_verb_kms_create},
    {"kms key list", s3_verb_kms_list},
    {"kms key rotate", s3_verb_kms_rotate},
    {"kms key disable", s3_verb_kms_disable},
    {"kms key enable", s3_verb_kms_enable},
};

json_t *s3_admin_run(const struct s3_admin_context *context, json_t *request)
{
    struct call c = {.c = context, .request = request, .now_ms = dfs_now_ms()};
    struct str verb = s3_call_arg(&c, "verb");
    for (size_t i = 0; i < ARRAY_LEN(verbs); i++) {
        if (str_eq(verb, str_c(verbs[i].name))) {
            if (!s3_tenure_serves(context->gw->tenure) && verbs[i].run != status)
                return s3_call_failure("refused", "this gateway is a standby; ask the active one");
            arena_init(&c.arena, ARENA_MAX);
            json_t *answer = verbs[i].run(&c);
            arena_fini(&c.arena);
            return answer;
        }
    }
    return s3_call_failure("usage", "unknown verb '" STR_F "'", STR_A(verb));
}
