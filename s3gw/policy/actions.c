/* SPDX-License-Identifier: Apache-2.0 */
#include "s3gw/policy/actions.h"

#include "s3gw/policy/policy.h"

enum { NAME_MAX = 128 };

static const struct {
    struct str name;
    enum s3_action_on on;
} actions[] = {
#define S3_ACTION(name, on) {STR_INIT("s3:" name), S3_ON_##on},
#include "s3gw/policy/actions.def"
#undef S3_ACTION
};

static struct str lower(struct str s, char out[NAME_MAX])
{
    ASSERT(s.n <= NAME_MAX);
    for (size_t i = 0; i < s.n; i++)
        out[i] = (char)(s.p[i] >= 'A' && s.p[i] <= 'Z' ? s.p[i] + ('a' - 'A') : s.p[i]);
    return str_of(out, s.n);
}

unsigned s3_actions_on(struct str pattern)
{
    char a[NAME_MAX], b[NAME_MAX];
    unsigned on = 0;
    if (pattern.n > NAME_MAX)
        return 0;
    pattern = lower(pattern, a);
    for (size_t i = 0; i < ARRAY_LEN(actions); i++)
        if (s3_glob(pattern, lower(actions[i].name, b), NULL, false))
            on |= actions[i].on;
    return on;
}
