/* SPDX-License-Identifier: Apache-2.0 */
/* From JSON to the record. Everything that is not understood is refused: a policy that is kept but
 * not obeyed would be a hole. */
#include <jansson.h>

#include "s3gw/index/bucket.h"
#include "s3gw/policy/actions.h"
#include "s3gw/policy/policy.h"

enum { RECORD_VERSION = 1, STATEMENTS_MAX = 2000 };

struct compiler {
    const struct s3_policy_scope *scope;
    struct buf *out;
    bool is_public;
    int e; /* the first fault: -EINVAL with detail, or another errno */
    const char *detail;
};

static void fault(struct compiler *c, int r, const char *detail)
{
    if (c->e < 0)
        return;
    c->e = r;
    c->detail = detail;
}

static void bad(struct compiler *c, const char *detail)
{
    fault(c, -EINVAL, detail);
}

static bool of_a_bucket(const struct compiler *c)
{
    return c->scope->bucket.p != NULL;
}

static struct str text_of(const json_t *v)
{
    return str_of(json_string_value(v), json_string_length(v));
}

/* A string, or an array of strings. */
static size_t count_of(const json_t *v)
{
    return json_is_array(v) ? json_array_size(v) : 1;
}

static struct str item_of(struct compiler *c, const json_t *v, size_t i)
{
    const json_t *item = json_is_array(v) ? json_array_get(v, i) : v;
    if (json_is_string(item))
        return text_of(item);
    bad(c, "Policies must consist of strings here");
    return STR("");
}

static void lower_lstr(struct buf *out, struct str s)
{
    buf_var(out, s.n);
    for (size_t i = 0; i < s.n; i++)
        buf_addc(out, (char)(s.p[i] >= 'A' && s.p[i] <= 'Z' ? s.p[i] + ('a' - 'A') : s.p[i]));
}

/* --- principals --- */

/* An ARN of a user or account, an account id, a canonical id: all name one of our users by id. */
static struct str user_in(struct str v)
{
    static const struct str arn = STR_INIT("arn:aws:iam:");
    if (!str_starts(v, arn))
        return v;
    struct str rest = str_from(v, arn.n), region, account, name;
    if (!str_cut(rest, ':', &region, &rest) || !str_cut(rest, ':', &account, &name))
        return STR_NULL;
    if (str_eq(name, STR("root")))
        return account;
    if (!str_starts(name, STR("user/")))
        return STR_NULL;
    struct str piece, last = STR_NULL;
    while (str_split(&name, '/', &piece))
        last = piece;
    return last;
}

static void principal(struct compiler *c, struct str v)
{
    if (str_eq(v, STR("*"))) {
        buf_lstr(c->out, v);
        return;
    }
    struct s3_user u;
    struct str id = user_in(v);
    int r = id.n > 0 ? s3_user_get(c->scope->index, id, S3_READ_ANY, c->scope->arena, &u) : -ENOENT;
    if (r < 0 && r != -ENOENT)
        fault(c, r, "looking up a principal");
    else if (r < 0)
        bad(c, "Invalid principal in policy");
    buf_lstr(c->out, id);
}

/* The id under which the gateway itself acts as that service: policy.h. */
static void service(struct compiler *c, struct str name)
{
    buf_var(c->out, strlen(S3_SERVICE_PREFIX) + name.n);
    buf_adds(c->out, STR(S3_SERVICE_PREFIX));
    buf_adds(c->out, name);
}

static void principals(struct compiler *c, const json_t *v)
{
    if (!v || json_is_string(v)) {
        if (v && !str_eq(text_of(v), STR("*")))
            bad(c, "Invalid principal in policy");
        buf_var(c->out, 1);
        buf_lstr(c->out, STR("*"));
        return;
    }
    if (!json_is_object(v) || json_object_size(v) == 0) {
        bad(c, "Invalid policy syntax: Principal");
        return;
    }
    size_t n = 0;
    const char *kind;
    json_t *values;
    json_object_foreach((json_t *)v, kind, values) n += count_of(values);
    if (n == 0)
        bad(c, "Invalid principal in policy");
    buf_var(c->out, n);
    json_object_foreach((json_t *)v, kind, values)
    {
        bool user = strcmp(kind, "AWS") == 0 || strcmp(kind, "CanonicalUser") == 0;
        if (!user && strcmp(kind, "Service") != 0 && strcmp(kind, "Federated") != 0)
            bad(c, "Unknown kind of principal");
        for (size_t i = 0; i < count_of(values) && c->e == 0; i++) {
            struct str item = item_of(c, values, i);
            if (strcmp(kind, "CanonicalUser") == 0 && str_eq(item, STR("*")))
                bad(c, "Invalid principal in policy"); /* everybody is "*" or AWS: "*" */
            if (user)
                principal(c, item);
            else if (strcmp(kind, "Service") == 0)
                service(c, item);
            else
                buf_lstr(c->out, STR("")); /* nobody comes to us from a federation */
        }
    }
}

/* --- actions, resources --- */

static void actions(struct compiler *c, const json_t *v)
{
    if (count_of(v) == 0)
        bad(c, "Policy has no action");
    buf_var(c->out, count_of(v));
    for (size_t i = 0; i < count_of(v); i++) {
        struct str a = item_of(c, v, i);
        if (!s3_actions_on(a))
            bad(c, "Policy has invalid action");
        lower_lstr(c->out, a);
    }
}

/* Each of them is done to something of @reached (a set of s3_action_on); AWS asks it of every one. */
static void actions_meet(struct compiler *c, const json_t *v, unsigned reached)
{
    for (size_t i = 0; i < count_of(v) && c->e == 0; i++)
        if (!(s3_actions_on(item_of(c, v, i)) & reached))
            bad(c, "Action does not apply to any resource(s) in statement");
}

/* Of a bucket's policy: does the pattern fit it, its keys? A set of s3_action_on. */
static unsigned reach(const struct compiler *c, struct str pattern)
{
    struct str head = pattern, key;
    bool slash = str_cut(pattern, '/', &head, &key);
    if (!s3_glob(head, c->scope->bucket, NULL, false))
        return 0;
    return slash                            ? S3_ON_OBJECT
           : str_chr(head, '*') != SIZE_MAX ? S3_ON_BUCKET | S3_ON_OBJECT
                                            : S3_ON_BUCKET;
}

/* What of the bucket they reach; a user's policy is not looked at so closely. */
static unsigned resources(struct compiler *c, const json_t *v)
{
    static const struct str arn = STR_INIT("arn:aws:s3:::");
    unsigned all = 0;
    if (count_of(v) == 0)
        bad(c, "Policy has no resource");
    buf_var(c->out, count_of(v));
    for (size_t i = 0; i < count_of(v); i++) {
        struct str r = item_of(c, v, i);
        struct str what = str_starts(r, arn) ? str_from(r, arn.n) : STR_NULL;
        if (!of_a_bucket(c) && str_eq(r, STR("*")))
            what = r;
        unsigned one = of_a_bucket(c) && what.p ? reach(c, what) : 0;
        if (!what.p || (of_a_bucket(c) && !one))
            bad(c, "Policy has invalid resource");
        all |= one;
        buf_lstr(c->out, what);
    }
    return all;
}

/* --- conditions --- */

struct operator_name {
    uint8_t op, quantifier;
    bool if_exists;
};

static bool operator_of(struct str name, struct operator_name *ret)
{
    *ret = (struct operator_name){0};
    if (str_starts(name, STR("ForAllValues:"))) {
        ret->quantifier = S3_CO_FOR_ALL;
        name = str_from(name, 13);
    } else if (str_starts(name, STR("ForAnyValue:"))) {
        ret->quantifier = S3_CO_FOR_ANY;
        name = str_from(name, 12);
    }
    if (str_ends(name, STR("IfExists"))) {
        ret->if_exists = true;
        name = str_head(name, name.n - 8);
    }
    return s3_condition_operator(name, &ret->op) == 0;
}

/* Values may be written as strings, numbers or truth values. */
static void condition_values(struct compiler *c, uint8_t op, struct str key, const json_t *v,
                             bool *pins)
{
    buf_var(c->out, count_of(v));
    for (size_t i = 0; i < count_of(v); i++) {
        const json_t *item = json_is_array(v) ? json_array_get(v, i) : v;
        char number[32];
        struct str text = STR_NULL;
        if (json_is_string(item))
            text = text_of(item);
        else if (json_is_boolean(item))
            text = json_is_true(item) ? STR("true") : STR("false");
        else if (json_is_integer(item))
            text = str_of(number, (size_t)snprintf(number, sizeof(number), "%lld",
                                                   (long long)json_integer_value(item)));
        else if (json_is_real(item)) /* "s3:TlsVersion": 1.2 */
            text = str_of(number,
                          (size_t)snprintf(number, sizeof(number), "%.15g", json_real_value(item)));
        if (!text.p)
            bad(c, "Invalid policy syntax: condition value");
        else if (!s3_condition_value_ok(op, text))
            bad(c, "Policy has an invalid condition value");
        *pins = *pins && s3_condition_pins_caller(key, text);
        buf_lstr(c->out, text);
    }
}

/*
 * Each action that is named, or one of those that a pattern names, must know the key. So AWS judges
 * bucket policies, and refuses them whole; IAM, users' policies, does not.
 */
static void actions_know(struct compiler *c, const json_t *what, struct str key)
{
    for (size_t i = 0; i < count_of(what) && c->e == 0; i++)
        if (!s3_actions_know(item_of(c, what, i), key))
            bad(c, "Conditions do not apply to combination of actions and resources in statement");
}

/* Of a statement about the actions @what, NULL for any. *ret_pins: one of them fixes who the caller can be. */
static void conditions(struct compiler *c, const json_t *v, const json_t *what, bool *ret_pins)
{
    size_t n = 0;
    const char *op_name, *key_name;
    json_t *keys, *values;
    *ret_pins = false;
    if (v && !json_is_object(v)) {
        bad(c, "Invalid policy syntax: Condition");
        return;
    }
    json_object_foreach((json_t *)v, op_name, keys) n += json_object_size(keys);
    buf_var(c->out, n);
    json_object_foreach((json_t *)v, op_name, keys)
    {
        struct operator_name op;
        if (!operator_of(str_c(op_name), &op) || !json_is_object(keys)) {
            bad(c, "Invalid Condition type");
            return;
        }
        json_object_foreach(keys, key_name, values)
        {
            buf_u8(c->out, op.op);
            buf_u8(c->out, op.quantifier);
            buf_u8(c->out, op.if_exists);
            size_t at = c->out->n;
            lower_lstr(c->out, str_c(key_name));
            struct rd r = rd_of(str_of(c->out->p + at, c->out->n - at));
            struct str key = arena_str(c->scope->arena, rd_lstr(&r));
            if (!key.p || !s3_condition_key_known(key))
                bad(c, "Policy has an invalid condition key");
            if (what)
                actions_know(c, what, key);
            bool pins = s3_condition_can_pin(op.op, op.quantifier, op.if_exists);
            condition_values(c, op.op, key, values, &pins);
            *ret_pins = *ret_pins || pins;
        }
    }
}

/* --- statements --- */

/* Exactly one of two; *ret_not: it was the second. */
static const json_t *either(struct compiler *c, const json_t *s, const char *one, const char *other,
                            bool *ret_not)
{
    const json_t *a = json_object_get(s, one), *b = json_object_get(s, other);
    *ret_not = b != NULL;
    if (!a == !b)
        bad(c, "Missing required field, or two that exclude each other");
    return a ? a : b;
}

static bool names_everybody(const json_t *principal)
{
    if (!principal) /* of an identity policy, which its user carries */
        return false;
    if (json_is_string(principal))
        return true;
    const json_t *aws = json_object_get(principal, "AWS");
    for (size_t i = 0; aws && i < count_of(aws); i++) {
        const json_t *item = json_is_array(aws) ? json_array_get(aws, i) : aws;
        if (json_is_string(item) && strcmp(json_string_value(item), "*") == 0)
            return true;
    }
    return false;
}

static void check_members(struct compiler *c, const json_t *s)
{
    static const char *const known[] = {"Sid",          "Effect",      "Principal",
                                        "NotPrincipal", "Action",      "NotAction",
                                        "Resource",     "NotResource", "Condition"};
    const char *name;
    json_t *v;
    json_object_foreach((json_t *)s, name, v)
    {
        bool found = false;
        for (size_t i = 0; i < ARRAY_LEN(known); i++)
            found = found || strcmp(name, known[i]) == 0;
        if (!found)
            bad(c, "Unknown field in a statement");
    }
}

static struct str sid_of(const json_t *s)
{
    return text_of(json_object_get(s, "Sid"));
}

/* A name, if there is one, that no statement before has. */
static void check_sid(struct compiler *c, const json_t *all, size_t at)
{
    const json_t *s = json_array_get(all, at);
    struct str sid = sid_of(s);
    if (json_object_get(s, "Sid") && !sid.p)
        bad(c, "Invalid policy syntax: Sid");
    for (size_t i = 0; i < at && sid.n > 0; i++)
        if (str_eq(sid_of(json_array_get(all, i)), sid))
            bad(c, "Statement IDs (SID) in a single policy must be unique");
}

/* Bucket policies say who; a policy that a user carries speaks of that user. */
static const json_t *whom(struct compiler *c, const json_t *s, bool *ret_not)
{
    if (of_a_bucket(c))
        return either(c, s, "Principal", "NotPrincipal", ret_not);
    *ret_not = false;
    if (json_object_get(s, "Principal") || json_object_get(s, "NotPrincipal"))
        bad(c, "A policy of a user must not have a Principal");
    return NULL;
}

static void statement(struct compiler *c, const json_t *s)
{
    if (!json_is_object(s)) {
        bad(c, "Invalid policy syntax: Statement");
        return;
    }
    check_members(c, s);
    struct str effect = text_of(json_object_get(s, "Effect"));
    bool allow = str_eq(effect, STR("Allow")), not_principal, not_action, not_resource, pins;
    if (!allow && !str_eq(effect, STR("Deny")))
        bad(c, "Invalid effect");
    const json_t *who = whom(c, s, &not_principal);
    const json_t *what = either(c, s, "Action", "NotAction", &not_action);
    const json_t *where = either(c, s, "Resource", "NotResource", &not_resource);
    if (not_principal && allow)
        bad(c, "Allow with NotPrincipal is not allowed");
    if (c->e < 0)
        return;
    buf_u8(c->out, (uint8_t)((allow ? S3_ST_ALLOW : 0) | (not_principal ? S3_ST_NOT_PRINCIPAL : 0) |
                             (not_action ? S3_ST_NOT_ACTION : 0) |
                             (not_resource ? S3_ST_NOT_RESOURCE : 0)));
    principals(c, who);
    actions(c, what);
    unsigned reached = resources(c, where);
    if (of_a_bucket(c) && !not_action && !not_resource)
        actions_meet(c, what, reached);
    conditions(c, json_object_get(s, "Condition"), of_a_bucket(c) && !not_action ? what : NULL,
               &pins);
    c->is_public = c->is_public || (allow && names_everybody(who) && !pins);
}

/* Each statement is preceded by its length, so that one that does not concern the caller is
 * skipped. */
static void statements(struct compiler *c, const json_t *v)
{
    size_t n = json_is_array(v) ? json_array_size(v) : 1;
    if (!v || n == 0 || n > STATEMENTS_MAX)
        bad(c, "Invalid policy syntax: Statement");
    AUTO(buf_free) struct buf one = BUF(8 * S3_POLICY_JSON_MAX);
    struct buf *whole = c->out;
    for (size_t i = 0; i < n && c->e == 0; i++) {
        buf_reset(&one);
        c->out = &one;
        if (json_is_array(v))
            check_sid(c, v, i);
        statement(c, json_is_array(v) ? json_array_get(v, i) : v);
        c->out = whole;
        if (buf_err(&one))
            fault(c, buf_err(&one), "a statement");
        buf_u32(whole, (uint32_t)one.n);
        buf_adds(whole, buf_str(&one));
    }
}

static void document(struct compiler *c, const json_t *root)
{
    static const char *const known[] = {"Version", "Id", "Statement"};
    const char *name;
    json_t *v;
    json_object_foreach((json_t *)root, name, v)
    {
        bool found = false;
        for (size_t i = 0; i < ARRAY_LEN(known); i++)
            found = found || strcmp(name, known[i]) == 0;
        if (!found)
            bad(c, "Unknown field in the policy");
    }
    if (json_object_get(root, "Id") && !json_is_string(json_object_get(root, "Id")))
        bad(c, "Invalid policy syntax: Id");
    const json_t *version = json_object_get(root, "Version");
    bool newer = version && str_eq(text_of(version), STR("2012-10-17"));
    if (version && !newer && !str_eq(text_of(version), STR("2008-10-17")))
        bad(c, "The policy must contain a valid version string");
    buf_u8(c->out, newer);
    size_t public_at = c->out->n;
    buf_u8(c->out, 0);
    statements(c, json_object_get(root, "Statement"));
    if (!buf_err(c->out))
        c->out->p[public_at] = c->is_public;
}

static void free_json(json_t **j)
{
    json_decref(*j);
}

int s3_policy_compile(const struct s3_policy_scope *scope, struct str json, struct buf *record,
                      const char **detail)
{
    struct compiler c = {.scope = scope, .out = record};
    AUTO(free_json) json_t *root = NULL;
    if (json.n > S3_POLICY_JSON_MAX)
        bad(&c, "Policies must not be larger than 20 KB");
    else
        root = json_loadb(json.p, json.n, JSON_REJECT_DUPLICATES, NULL);
    if (!json_is_object(root))
        bad(&c, "Policies must be valid JSON and the first byte must be '{'");
    if (c.e == 0) {
        buf_u8(record, RECORD_VERSION);
        buf_lstr(record, json);
        document(&c, root);
    }
    if (c.e == 0 && buf_err(record))
        fault(&c, buf_err(record), "the policy");
    *detail = c.detail;
    return c.e;
}
