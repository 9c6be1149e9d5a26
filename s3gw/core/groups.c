/* SPDX-License-Identifier: Apache-2.0 */
#include "s3gw/core/groups.h"

#include <errno.h>
#include <stdio.h>

bool s3_group_ok(struct str s)
{
    for (size_t i = 0; i < s.n; i++)
        if (s.p[i] <= ' ' || s.p[i] > '~' || s.p[i] == '/' || s.p[i] == ',')
            return false;
    return s.n > 0 && s.n <= S3_GROUP_NAME_MAX;
}

bool s3_groups_ok(struct str groups)
{
    struct str rest = groups, name;
    size_t n = 0;
    while (str_split(&rest, ',', &name)) {
        if (!s3_group_ok(name) || ++n > S3_GROUPS_LIST_MAX ||
            (rest.p && s3_groups_have(rest, name)))
            return false;
    }
    return n > 0;
}

bool s3_groups_several(struct str groups)
{
    return str_chr(groups, ',') != SIZE_MAX;
}

bool s3_groups_have(struct str groups, struct str group)
{
    struct str name;
    while (str_split(&groups, ',', &name))
        if (str_eq(name, group))
            return true;
    return false;
}

bool s3_groups_hold(struct str groups, struct str file_id)
{
    struct str group, rest;
    return str_cut(file_id, '/', &group, &rest) && s3_groups_have(groups, group);
}

int s3_groups_add(struct str groups, struct str group, char ret[S3_GROUPS_TEXT_MAX + 1])
{
    if (s3_groups_have(groups, group))
        return -EEXIST;
    if (groups.n + 1 + group.n > S3_GROUPS_TEXT_MAX)
        return -E2BIG;
    (void)snprintf(ret, S3_GROUPS_TEXT_MAX + 1, STR_F "%s" STR_F, STR_A(groups),
                   groups.n > 0 ? "," : "", STR_A(group));
    return 0;
}

int s3_groups_replace(struct str groups, struct str group, struct str by,
                      char ret[S3_GROUPS_TEXT_MAX + 1])
{
    struct str rest = groups, name;
    size_t n = 0;
    if (!s3_groups_have(groups, group))
        return -ENOENT;
    if (groups.n + by.n > S3_GROUPS_TEXT_MAX)
        return -E2BIG;
    if (s3_groups_have(groups, by))
        by = STR_NULL;
    while (str_split(&rest, ',', &name)) {
        name = str_eq(name, group) ? by : name;
        if (name.n > 0)
            n += (size_t)snprintf(ret + n, S3_GROUPS_TEXT_MAX + 1 - n, "%s" STR_F, n ? "," : "",
                                  STR_A(name));
    }
    return n > 0 ? 0 : -ENODATA;
}
