/* SPDX-License-Identifier: Apache-2.0 */
#include "s3gw/policy/actions.h"

#include "s3gw/policy/policy.h"

enum { NAME_MAX = 128, SCOPE_MAX = 16 };

static const struct {
    struct str name;
    enum s3_action_on on;
} actions[] = {
#define S3_ACTION(name, on) {STR_INIT("s3:" name), S3_ON_##on},
#include "s3gw/policy/actions.def"
#undef S3_ACTION
};

static const struct {
    struct str key;
    const char *names[SCOPE_MAX]; /* behind "s3:"; then NULL */
} scopes[] = {
#define S3_CONDITION_SCOPE(key, ...) {STR_INIT(key), {__VA_ARGS__}},
#include "s3gw/policy/condition_scope.def"
#undef S3_CONDITION_SCOPE
};

static struct str lower(struct str s, char out[NAME_MAX])
{
    ASSERT(s.n <= NAME_MAX);
    for (size_t i = 0; i < s.n; i++)
        out[i] = (char)(s.p[i] >= 'A' && s.p[i] <= 'Z' ? s.p[i] + ('a' - 'A') : s.p[i]);
    return str_of(out, s.n);
}

static bool named(struct str pattern, struct str action)
{
    char a[NAME_MAX], b[NAME_MAX];
    return pattern.n <= NAME_MAX && s3_glob(lower(pattern, a), lower(action, b), NULL, false);
}

unsigned s3_actions_on(struct str pattern)
{
    unsigned on = 0;
    for (size_t i = 0; i < ARRAY_LEN(actions); i++)
        if (named(pattern, actions[i].name))
            on |= actions[i].on;
    return on;
}

/* The names that the scope of @key has, or NULL when it has none: any action. */
static const char *const *scope_of(struct str key)
{
    for (size_t i = 0; i < ARRAY_LEN(scopes); i++)
        if (str_ends(scopes[i].key, STR("/")) ? str_starts(key, scopes[i].key)
                                              : str_eq(key, scopes[i].key))
            return scopes[i].names;
    return NULL;
}

static bool has(const char *const *names, struct str action)
{
    for (size_t i = 0; i < SCOPE_MAX && names[i]; i++)
        if (str_eq(str_c(names[i]), str_from(action, 3)))
            return true;
    return false;
}

bool s3_actions_know(struct str pattern, struct str key)
{
    char a[NAME_MAX];
    const char *const *names = scope_of(key);
    bool any = !names || pattern.n > NAME_MAX ||
               str_find(lower(pattern, a), STR("annotation")) != SIZE_MAX;
    for (size_t i = 0; i < ARRAY_LEN(actions) && !any; i++)
        any = has(names, actions[i].name) && named(pattern, actions[i].name);
    return any;
}
