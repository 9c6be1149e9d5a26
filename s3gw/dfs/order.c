/* SPDX-License-Identifier: Apache-2.0 */
#include "s3gw/dfs/order.h"

enum { NEVER = 99 }; /* a class that is not asked */

/* @young: it may not have reached the other members yet. */
static unsigned read_class(const struct s3_member *m, bool young)
{
    if (m->retired)
        return NEVER;
    if (m->down)
        return 5; /* its connection fails at once while it is held down */
    if (!m->active)
        return 4; /* may lack files, but what it has is right */
    if (!m->reads || m->slow)
        return 3;
    if (m->local)
        return 0;
    return m->source && young ? 1 : 2;
}

static unsigned write_class(const struct s3_member *m)
{
    if (m->retired || !m->active || !m->writes)
        return NEVER;
    return m->down ? 3 : m->slow ? 2 : m->local ? 0 : 1;
}

static unsigned delete_class(const struct s3_member *m)
{
    if (m->retired || m->down)
        return NEVER;
    return m->source ? 0 : m->active ? 1 : NEVER;
}

/* By class; within one, from @turn on. */
static size_t sort(const unsigned *class, size_t n, unsigned turn,
                   uint8_t out[S3_GROUP_MEMBERS_MAX])
{
    size_t found = 0;
    for (size_t i = 0; i < n; i++) {
        size_t at = (turn + i) % n, place = found;
        if (class[at] == NEVER)
            continue;
        for (; place > 0 && class[out[place - 1]] > class[at]; place--)
            out[place] = out[place - 1];
        out[place] = (uint8_t)at;
        found++;
    }
    return found;
}

size_t s3_order_reads(const struct s3_member *m, size_t n, bool young, unsigned turn,
                      uint8_t out[S3_GROUP_MEMBERS_MAX])
{
    unsigned class[S3_GROUP_MEMBERS_MAX];
    for (size_t i = 0; i < n; i++)
        class[i] = read_class(&m[i], young);
    return sort(class, n, turn, out);
}

size_t s3_order_writes(const struct s3_member *m, size_t n, unsigned turn,
                       uint8_t out[S3_GROUP_MEMBERS_MAX])
{
    unsigned class[S3_GROUP_MEMBERS_MAX];
    for (size_t i = 0; i < n; i++)
        class[i] = write_class(&m[i]);
    return sort(class, n, turn, out);
}

size_t s3_order_deletes(const struct s3_member *m, size_t n, unsigned turn,
                        uint8_t out[S3_GROUP_MEMBERS_MAX])
{
    unsigned class[S3_GROUP_MEMBERS_MAX];
    for (size_t i = 0; i < n; i++)
        class[i] = delete_class(&m[i]);
    return sort(class, n, turn, out);
}
