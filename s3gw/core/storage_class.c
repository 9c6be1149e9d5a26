/* SPDX-License-Identifier: Apache-2.0 */
#include "s3gw/core/storage_class.h"

#include <errno.h>

#include "s3gw/core/groups.h"

static const struct s3_class defaults[] = {
    {STR_INIT("REDUCED_REDUNDANCY"), STR_INIT("")},  {STR_INIT("STANDARD_IA"), STR_INIT("")},
    {STR_INIT("INTELLIGENT_TIERING"), STR_INIT("")}, {STR_INIT("ONEZONE_IA"), STR_INIT("")},
    {STR_INIT("GLACIER_IR"), STR_INIT("")},
};
const struct s3_classes s3_classes_default = {defaults, ARRAY_LEN(defaults)};

bool s3_class_is_aws(struct str name)
{
    static const struct str known[] = {
        STR_INIT("STANDARD"),       STR_INIT("REDUCED_REDUNDANCY"),  STR_INIT("STANDARD_IA"),
        STR_INIT("ONEZONE_IA"),     STR_INIT("INTELLIGENT_TIERING"), STR_INIT("GLACIER"),
        STR_INIT("GLACIER_IR"),     STR_INIT("DEEP_ARCHIVE"),        STR_INIT("OUTPOSTS"),
        STR_INIT("EXPRESS_ONEZONE")};
    for (size_t i = 0; i < ARRAY_LEN(known); i++)
        if (str_eq(name, known[i]))
            return true;
    return false;
}

static bool name_ok(struct str s)
{
    for (size_t i = 0; i < s.n; i++)
        if (!((s.p[i] >= 'A' && s.p[i] <= 'Z') || (s.p[i] >= '0' && s.p[i] <= '9') ||
              s.p[i] == '_'))
            return false;
    return s.n > 0 && s.n <= S3_CLASS_NAME_MAX && !str_eq(s, STR("STANDARD"));
}

int s3_class_parse(struct str row, struct s3_class *ret)
{
    struct s3_class c = {str_trim(row), STR("")};
    struct str name, group;
    bool placed = str_cut(row, '=', &name, &group);
    if (placed)
        c = (struct s3_class){str_trim(name), str_trim(group)};
    if (!name_ok(c.name) || (placed && !s3_group_ok(c.group)))
        return -EINVAL;
    *ret = c;
    return 0;
}

const struct s3_class *s3_class_find(const struct s3_classes *c, struct str name)
{
    for (size_t i = 0; i < c->n; i++)
        if (str_eq(c->v[i].name, name))
            return &c->v[i];
    return NULL;
}

int s3_class_rank(const struct s3_classes *c, struct str name)
{
    if (name.n == 0 || str_eq(name, STR("STANDARD")))
        return 0;
    const struct s3_class *x = s3_class_find(c, name);
    return x ? (int)(x - c->v) + 1 : -ENOENT;
}

struct str s3_class_group(const struct s3_classes *c, struct str name, struct str bucket_groups)
{
    if (name.n == 0)
        return bucket_groups;
    const struct s3_class *x = s3_class_find(c, name);
    return x && x->group.n ? x->group : bucket_groups;
}
