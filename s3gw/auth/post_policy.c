/* SPDX-License-Identifier: Apache-2.0 */
/*
 * post_policy - the policy document of a browser form: JSON with "expiration" and "conditions";
 * every field of the form must meet its conditions, and must have at least one.
 *
 * Conditions see fields with "${filename}" replaced, which is what is stored.
 */
#include <inttypes.h>
#include <jansson.h>

#include "s3gw/auth/post_form.h"
#include "s3gw/core/httpdate.h"

struct judge {
    struct s3_req *q;
    const struct s3_post_fields *fields;
    bool *covered; /* one per field */
    bool bucket_covered;
    struct s3_post_limits limits;
};

static void free_json(json_t **j)
{
    json_decref(*j);
}

static enum s3err invalid(struct judge *j, const char *why)
{
    return s3_errm(j->q, S3ERR_INVALID_POLICY_DOCUMENT, "Invalid Policy: %s", why);
}

static enum s3err failed(struct judge *j, const char *operator, struct str name, struct str value)
{
    return s3_errm(j->q, S3ERR_ACCESS_DENIED,
                   "Invalid according to Policy: Policy Condition failed: [\"%s\", \"$" STR_F
                   "\", \"" STR_F "\"]",
                   operator, STR_A(str_head(name, 256)), STR_A(str_head(value, 1024)));
}

static struct str text_of(const json_t *s)
{
    return str_of(json_string_value(s), json_string_length(s));
}

/* A prefix of the value; of every item, where a Content-Type is a list. */
static bool starts(struct str name, struct str value, struct str prefix)
{
    if (!str_ieq(name, STR("content-type")) || str_chr(prefix, ',') != SIZE_MAX)
        return str_starts(value, prefix);
    struct str item;
    while (str_split(&value, ',', &item))
        if (!str_starts(str_trim(item), prefix))
            return false;
    return true;
}

static bool matches(bool prefix, struct str name, struct str value, struct str want)
{
    return prefix ? starts(name, value, want) : str_eq(value, want);
}

/* All fields of that name must match; one that is missing counts as empty. */
static enum s3err match(struct judge *j, bool prefix, struct str name, struct str want)
{
    const char *operator= prefix ? "starts-with" : "eq";
    if (str_ieq(name, STR("bucket"))) {
        j->bucket_covered = true;
        if (!matches(prefix, name, j->q->bucket, want))
            return failed(j, operator, name, want);
    }
    bool found = str_ieq(name, STR("bucket"));
    for (size_t i = 0; i < j->fields->n; i++) {
        if (!str_ieq(j->fields->pairs[i].name, name))
            continue;
        found = j->covered[i] = true;
        if (!matches(prefix, name, j->fields->pairs[i].value, want))
            return failed(j, operator, name, want);
    }
    return found || matches(prefix, name, STR(""), want) ? S3ERR_OK
                                                         : failed(j, operator, name, want);
}

/* A number, or the digits of one. */
static bool number(const json_t *v, uint64_t *ret)
{
    if (json_is_string(v))
        return str_u64(text_of(v), UINT64_MAX, ret) == 0;
    if (!json_is_integer(v) || json_integer_value(v) < 0)
        return false;
    *ret = (uint64_t)json_integer_value(v);
    return true;
}

static enum s3err array_condition(struct judge *j, const json_t *c)
{
    const json_t *operator= json_array_get(c, 0), *a = json_array_get(c, 1),
                 *b = json_array_get(c, 2);
    if (json_array_size(c) != 3 || !json_is_string(operator))
        return invalid(j, "a condition is a list of three.");
    struct str op = text_of(operator);
    if (str_ieq(op, STR("content-length-range"))) {
        uint64_t min, max;
        if (!number(a, &min) || !number(b, &max) || min > max)
            return invalid(j, "content-length-range needs two numbers, the smaller first.");
        j->limits.min = MAX(j->limits.min, min);
        j->limits.max = MIN(j->limits.max, max);
        return S3ERR_OK;
    }
    bool prefix = str_ieq(op, STR("starts-with"));
    if (!prefix && !str_ieq(op, STR("eq")))
        return invalid(j, "unknown operator.");
    if (!json_is_string(a) || !json_is_string(b) || !str_starts(text_of(a), STR("$")))
        return invalid(j, "a condition names a field as \"$field\" and a text.");
    return match(j, prefix, str_from(text_of(a), 1), text_of(b));
}

static enum s3err condition(struct judge *j, const json_t *c)
{
    if (json_is_array(c))
        return array_condition(j, c);
    if (!json_is_object(c) || json_object_size(c) != 1)
        return invalid(j, "Simple-Conditions must have exactly one property specified.");
    void *it = json_object_iter((json_t *)(uintptr_t)c);
    const json_t *value = json_object_iter_value(it);
    if (!json_is_string(value))
        return invalid(j, "the value of a condition is a text.");
    return match(j, false, str_c(json_object_iter_key(it)), text_of(value));
}

static bool needs_no_condition(struct str name)
{
    static const struct str free_names[] = {STR_INIT("policy"),    STR_INIT("x-amz-signature"),
                                            STR_INIT("signature"), STR_INIT("AWSAccessKeyId"),
                                            STR_INIT("file"),      STR_INIT("bucket")};
    for (size_t i = 0; i < ARRAY_LEN(free_names); i++)
        if (str_ieq(name, free_names[i]))
            return true;
    return str_istarts(name, STR("x-ignore-"));
}

static enum s3err all_covered(struct judge *j)
{
    struct str extra = j->bucket_covered ? STR_NULL : STR("bucket");
    for (size_t i = 0; i < j->fields->n && !extra.p; i++)
        if (!j->covered[i] && !needs_no_condition(j->fields->pairs[i].name))
            extra = j->fields->pairs[i].name;
    if (!extra.p)
        return S3ERR_OK;
    return s3_errm(j->q, S3ERR_ACCESS_DENIED,
                   "Invalid according to Policy: Extra input fields: " STR_F,
                   STR_A(str_head(extra, 256)));
}

static enum s3err check_expiration(struct judge *j, const json_t *root)
{
    const json_t *expiration = json_object_get(root, "expiration");
    int64_t end_ms;
    if (!expiration)
        return invalid(j, "Policy missing expiration.");
    if (!json_is_string(expiration) || s3_isodate_parse(text_of(expiration), &end_ms) < 0)
        return invalid(j, "Invalid 'expiration' value.");
    if (end_ms <= j->q->now_ms)
        return s3_errm(j->q, S3ERR_ACCESS_DENIED, "Invalid according to Policy: Policy expired.");
    return S3ERR_OK;
}

/* AWS's policies have two escapes more than JSON ("POST Policy", "Character Escaping"): a dollar sign, which would begin
 * a field's name, and a vertical tab. */
static void as_json(struct str text, struct buf *out)
{
    for (size_t i = 0; i < text.n; i++) {
        struct str rest = str_from(text, i);
        bool escape = rest.p[0] == '\\' && rest.n > 1;
        if (escape && rest.p[1] == '$')
            buf_addc(out, '$');
        else if (escape && rest.p[1] == 'v')
            buf_adds(out, STR("\\u000b"));
        else
            buf_adds(out, str_head(rest, escape ? 2 : 1));
        i += escape;
    }
}

enum s3err s3_post_policy(struct s3_req *q, const struct s3_post_fields *f, struct str text,
                          struct s3_post_limits *ret)
{
    struct judge j = {.q = q, .fields = f, .limits = {0, UINT64_MAX}};
    j.covered = arena_alloc(&q->arena, MAX(f->n, (size_t)1) * sizeof(*j.covered));
    if (!j.covered)
        return S3ERR_SLOW_DOWN;
    AUTO(buf_free) struct buf json = BUF(3 * S3_POST_POLICY_MAX);
    as_json(text, &json);
    if (buf_err(&json) == -ENOMEM)
        return S3ERR_SLOW_DOWN;
    AUTO(free_json)
    json_t *root = buf_err(&json) ? NULL : json_loadb(json.p, json.n, JSON_REJECT_DUPLICATES, NULL);
    if (!json_is_object(root))
        return invalid(&j, "Invalid JSON.");
    enum s3err e = check_expiration(&j, root);
    if (e != S3ERR_OK)
        return e;
    const json_t *conditions = json_object_get(root, "conditions");
    if (!json_is_array(conditions))
        return invalid(&j, "Policy missing conditions.");
    if (json_object_size(root) != 2)
        return invalid(&j, "Unexpected property.");
    for (size_t i = 0; i < json_array_size(conditions) && e == S3ERR_OK; i++)
        e = condition(&j, json_array_get(conditions, i));
    if (e == S3ERR_OK)
        e = all_covered(&j);
    if (e == S3ERR_OK)
        *ret = j.limits;
    return e;
}
