/* SPDX-License-Identifier: Apache-2.0 */
#include "s3gw/http/lines.h"

#include <string.h>

/* Bytes from @from to @to, which may lie elsewhere: then more than anything in a head is long. */
static size_t distance(const char *from, const char *to)
{
    return (size_t)((uintptr_t)to - (uintptr_t)from);
}

static bool all(const char *p, size_t n, const char *bytes, size_t nbytes)
{
    for (size_t i = 0; i < n; i++)
        if (!memchr(bytes, p[i], nbytes))
            return false;
    return true;
}

static bool are_ends(const char *p, size_t n)
{
    return all(p, n, "", 1);
}

void s3_lines_begin(struct s3_lines *l, const char *method, struct str target, const char *version,
                    const char *head_end)
{
    const char *behind = method + strlen(method) + 1;
    size_t blanks = distance(behind, target.p);
    l->at = version + strlen(version);
    l->end = head_end;
    l->broken = blanks > distance(behind, head_end) || !all(behind, blanks, " ", 1) ||
                version != target.p + target.n + 1 ||
                distance(l->at, head_end) > distance(version, head_end);
}

void s3_lines_header(struct s3_lines *l, const char *name, size_t name_n, const char *value,
                     size_t value_n)
{
    if (l->broken)
        return;
    size_t between = distance(l->at, name); /* LF, or CR and LF */
    l->broken = true;
    if (between < 1 || between > 2 || !are_ends(l->at, between) || name_n == 0)
        return;
    const char *colon = name + name_n;
    size_t blanks = distance(colon + 1, value);
    if (blanks > distance(colon + 1, l->end) || !all(colon + 1, blanks, " \t", 2))
        return;
    l->at = value + value_n;
    l->broken = distance(l->at, l->end) > distance(value, l->end);
}

bool s3_lines_whole(const struct s3_lines *l)
{
    if (l->broken)
        return false;
    size_t left = distance(l->at, l->end); /* the end of the last line, and an empty line */
    return left >= 2 && left <= 4 && are_ends(l->at, left);
}
