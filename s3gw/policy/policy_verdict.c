/* SPDX-License-Identifier: Apache-2.0 */
/* The verdict of a record. Statements are read where they lie. */
#include "s3gw/index/bucket.h"
#include "s3gw/policy/policy.h"

enum { RECORD_VERSION = 1 };

struct view {
    struct rd statements;
    struct str json;
    bool variables, is_public, bad;
};

static struct view view_of(struct str record)
{
    struct rd r = rd_of(record);
    struct view v = {.bad = true};
    uint8_t version = rd_u8(&r);
    v.json = rd_lstr(&r);
    v.variables = rd_u8(&r) != 0;
    v.is_public = rd_u8(&r) != 0;
    v.bad = r.bad || version != RECORD_VERSION;
    v.statements = r;
    return v;
}

struct str s3_policy_json(struct str record)
{
    if (record.n == 0)
        return STR_NULL;
    struct view v = view_of(record);
    return v.bad ? STR_NULL : v.json;
}

bool s3_policy_is_public(struct str record)
{
    return record.n > 0 && view_of(record).is_public;
}

/* One literal or lower-case pattern of a list that matches; always reads the whole list. */
static bool any_principal(struct rd *r, const struct s3_identity *who)
{
    bool found = false;
    for (uint64_t n = rd_var(r); n > 0 && !r->bad; n--) {
        struct str p = rd_lstr(r);
        bool everybody = p.n == 1 && p.p[0] == '*';
        found = found || everybody || (p.n > 0 && !who->anonymous && str_eq(p, who->user_id));
    }
    return found;
}

static bool any_pattern(struct rd *r, struct str text, const struct s3_ask *ask, bool variables)
{
    bool found = false;
    for (uint64_t n = rd_var(r); n > 0 && !r->bad; n--) {
        struct str p = rd_lstr(r);
        found = found || s3_glob(p, text, ask, variables);
    }
    return found;
}

static bool conditions_hold(struct rd *r, const struct s3_ask *ask, bool variables)
{
    bool all = true;
    for (uint64_t n = rd_var(r); n > 0 && !r->bad && all; n--) {
        uint8_t op = rd_u8(r), quantifier = rd_u8(r), if_exists = rd_u8(r);
        struct str key = rd_lstr(r);
        all = s3_condition_holds(op, quantifier, if_exists != 0, key, r, ask, variables);
    }
    return all && !r->bad;
}

struct resource {
    struct str action; /* lower case */
    struct str arn;    /* "bucket" or "bucket/key" */
};

/* Says whether the statement applies; *ret_flags: what it then means. */
static bool applies(struct str bytes, const struct s3_ask *ask, const struct resource *on,
                    bool variables, uint8_t *ret_flags, bool *ret_bad)
{
    struct rd r = rd_of(bytes);
    uint8_t flags = rd_u8(&r);
    *ret_flags = flags;
    bool who = any_principal(&r, &ask->q->who) != !!(flags & S3_ST_NOT_PRINCIPAL);
    bool yes = who && any_pattern(&r, on->action, ask, false) != !!(flags & S3_ST_NOT_ACTION) &&
               any_pattern(&r, on->arn, ask, variables) != !!(flags & S3_ST_NOT_RESOURCE) &&
               conditions_hold(&r, ask, variables);
    *ret_bad = r.bad;
    return yes;
}

static size_t lower_action(const char *action, char out[128])
{
    size_t n = 0;
    for (; action[n] && n < 127; n++)
        out[n] = (char)(action[n] >= 'A' && action[n] <= 'Z' ? action[n] + ('a' - 'A') : action[n]);
    out[n] = '\0';
    return n;
}

enum s3_verdict s3_policy_verdict(struct str record, const struct s3_ask *ask)
{
    if (record.n == 0)
        return S3_SILENT;
    struct view v = view_of(record);
    if (v.bad)
        return S3_DENY;
    char action[128];
    char arn[64 + 1 + 1024];
    struct str name = str_head(ask->bkt ? ask->bkt->name : ask->q->bucket, 64);
    size_t n = lower_action(ask->action, action);
    int m = snprintf(arn, sizeof(arn), STR_F "%s", STR_A(name), ask->key.p ? "/" : "");
    size_t key = ask->key.p ? MIN(ask->key.n, sizeof(arn) - (size_t)m) : 0;
    if (key)
        memcpy(arn + m, ask->key.p, key); /* keys may hold any byte but NUL: no %s */
    struct resource on = {str_of(action, n), str_of(arn, (size_t)m + key)};
    enum s3_verdict verdict = S3_SILENT;
    while (v.statements.n > 0) {
        struct str one = rd_bytes(&v.statements, rd_u32(&v.statements));
        uint8_t flags;
        bool bad;
        bool yes = applies(one, ask, &on, v.variables, &flags, &bad);
        if (v.statements.bad || bad || (yes && !(flags & S3_ST_ALLOW)))
            return S3_DENY;
        if (yes)
            verdict = S3_ALLOW;
    }
    return verdict;
}
