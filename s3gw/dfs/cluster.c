/* SPDX-License-Identifier: Apache-2.0 */
/* Groups and their members: finding, adding, choosing. */
#include <stdatomic.h>
#include <stdio.h>

#include "dfscore/base/clock.h"
#include "dfscore/log/log.h"
#include "s3gw/core/groups.h"
#include "s3gw/dfs/store.h"

struct s3_group *s3_group_named(struct s3_dfs *d, struct str group)
{
    size_t n = atomic_load(&d->ngroups);
    for (size_t i = 0; i < n; i++)
        if (str_eq(group, str_c(d->groups[i]->name)))
            return d->groups[i];
    return NULL;
}

struct s3_group *s3_group_first(struct s3_dfs *d, struct str groups)
{
    struct s3_group *g = NULL;
    struct str name;
    while (!g && str_split(&groups, ',', &name))
        g = s3_group_named(d, name);
    return g;
}

bool s3_group_gone(const struct s3_group *g)
{
    size_t n = atomic_load(&g->n);
    for (size_t i = 0; i < n; i++)
        if (!atomic_load(&g->members[i]->retired))
            return false;
    return n > 0;
}

struct s3_group *s3_group_of_file(struct s3_dfs *d, struct str file_id)
{
    struct str group, rest;
    return str_cut(file_id, '/', &group, &rest) ? s3_group_named(d, group) : NULL;
}

static bool names_class_group(const struct s3_dfs_options *o, struct str group)
{
    for (size_t i = 0; o->classes && i < o->classes->n; i++)
        if (str_eq(o->classes->v[i].group, group))
            return !str_eq(group, o->default_group);
    return false;
}

struct s3_group *s3_group_make(struct s3_dfs *d, struct str group)
{
    struct s3_group *g = s3_group_named(d, group);
    size_t n = atomic_load(&d->ngroups);
    if (g || n == S3_GROUPS_MAX || group.n == 0 || group.n >= sizeof(g->name))
        return g;
    g = dfs_zalloc(sizeof(*g));
    if (!g)
        return NULL;
    memcpy(g->name, group.p, group.n);
    g->of_class = names_class_group(&d->o, group);
    for (size_t i = 0; i < d->o.ncopies; i++)
        if (str_eq(d->o.copies[i].group, group))
            g->copies = d->o.copies[i].n;
    d->groups[n] = g;
    atomic_store(&d->ngroups, n + 1);
    return g;
}

int s3_group_add(struct s3_group *g, struct s3_dfs *d, const struct dfs_addr *addr, const char *id,
                 struct s3_store **ret)
{
    size_t n = atomic_load(&g->n), all = atomic_load(&d->nstores);
    struct s3_store *s = NULL;
    if (n == S3_GROUP_MEMBERS_MAX || all == S3_STORES_MAX)
        return -ENOSPC;
    int r = s3_store_new(d, g, addr, id, &s);
    if (r < 0)
        return r;
    s->number = (uint16_t)all;
    d->stores[all] = s;
    atomic_store(&d->nstores, all + 1);
    g->members[n] = s;
    atomic_store(&g->n, n + 1);
    *ret = s;
    return 0;
}

size_t s3_group_members(const struct s3_group *g, const char *source,
                        struct s3_member out[S3_GROUP_MEMBERS_MAX])
{
    size_t n = atomic_load(&g->n);
    const uint64_t now = n > 1 ? dfs_mono_ms() : 0;
    for (size_t i = 0; i < n; i++) {
        struct s3_store *s = g->members[i];
        out[i] = (struct s3_member){
            .local = s->local,
            .active = atomic_load(&s->active),
            .reads = atomic_load(&s->reads),
            .writes = atomic_load(&s->writes),
            .down = atomic_load(&s->down_since_ms) != 0 && n > 1,
            .slow = atomic_load(&s->slow_until_ms) > now,
            .retired = atomic_load(&s->retired),
            .source = s3_store_made(s, source),
        };
    }
    return n;
}

static bool is_tried(const struct s3_tried *t, const struct s3_store *s)
{
    for (unsigned i = 0; i < t->n; i++)
        if (t->number[i] == s->number)
            return true;
    return false;
}

/* @desperate: also one that did not answer lately. */
static struct s3_store *writer_of(struct s3_group *g, const struct s3_tried *tried, bool desperate)
{
    struct s3_member m[S3_GROUP_MEMBERS_MAX];
    uint8_t order[S3_GROUP_MEMBERS_MAX];
    size_t members = s3_group_members(g, "", m);
    unsigned turn = members > 1 ? atomic_fetch_add(&g->turn, 1) : 0;
    size_t n = s3_order_writes(m, members, turn, order);
    for (size_t i = 0; i < n; i++)
        if (!is_tried(tried, g->members[order[i]]) && (desperate || !m[order[i]].down))
            return g->members[order[i]];
    return NULL;
}

/* Of the first of the list that has space and a member that is not tried; @desperate: space or not. */
static struct s3_store *writer_in(struct s3_dfs *d, struct str groups, const struct s3_tried *tried,
                                  bool desperate)
{
    struct s3_store *s = NULL;
    struct str name;
    while (!s && str_split(&groups, ',', &name)) {
        struct s3_group *g = s3_group_named(d, name);
        if (g && (desperate || !atomic_load(&g->low)))
            s = writer_of(g, tried, desperate);
    }
    return s;
}

/* May what is meant for these groups go elsewhere? Not when none is known, or one is a storage class's own. */
static bool may_spread(struct s3_dfs *d, struct str groups)
{
    struct str name;
    bool known = false;
    while (d->o.spread && str_split(&groups, ',', &name)) {
        const struct s3_group *g = s3_group_named(d, name);
        if (g && g->of_class)
            return false;
        known = known || g;
    }
    return known;
}

/* Of the groups besides @not that have space, the one with most, whose members are not all tried.
 */
static struct s3_store *writer_elsewhere(struct s3_dfs *d, struct str not,
                                         const struct s3_tried *tried)
{
    struct s3_store *best = NULL;
    size_t n = atomic_load(&d->ngroups);
    for (size_t i = 0; i < n; i++) {
        struct s3_group *g = d->groups[i];
        if (g->of_class || atomic_load(&g->low) || s3_groups_have(not, str_c(g->name)) ||
            (best && atomic_load(&best->group->free_mb) >= atomic_load(&g->free_mb)))
            continue;
        struct s3_store *s = writer_of(g, tried, false);
        best = s ? s : best;
    }
    return best;
}

static struct s3_store *tries(struct s3_store *s, struct s3_tried *tried)
{
    if (s)
        tried->number[tried->n++] = s->number;
    return s;
}

struct s3_store *s3_group_writer(struct s3_group *g, struct s3_tried *tried)
{
    bool more = tried->n < ARRAY_LEN(tried->number);
    return more ? tries(writer_of(g, tried, true), tried) : NULL;
}

struct s3_store *s3_pick_writer(struct s3_dfs *d, struct str groups, struct s3_tried *tried)
{
    if (tried->n == ARRAY_LEN(tried->number))
        return NULL;
    struct s3_store *s = writer_in(d, groups, tried, false);
    if (!s && may_spread(d, groups))
        s = writer_elsewhere(d, groups, tried);
    if (!s)
        s = writer_in(d, groups, tried, true);
    return tries(s, tried);
}

bool s3_worth_another(int r)
{
    switch (r) {
    case 0:
    case -EINVAL: /* what we ask for is wrong everywhere */
    case -ENOLCK: /* it is not ours to write (core/tenure.h) */
    case -E2BIG:
    case -EMSGSIZE:
        return false;
    default:
        return true;
    }
}

int s3_write_failure(int r)
{
    static struct dfs_log_gate gate;
    if (!s3_worth_another(r))
        return r;
    switch (r) {
    case -ENOSPC:
    case -EDQUOT:
    case -ENOMEM: /* ceilings, which pass */
    case -EAGAIN:
    case -EBUSY:
        return r;
    default:
        if (dfs_log_allow(&gate, 1))
            dfs_log(LOG_WARN, "dfs.no_server_took_it", KV_ERR(r));
        return -EHOSTUNREACH;
    }
}

bool s3_ask_for_writer(struct s3_dfs *d, struct s3_tried *tried, int r, struct s3_dfs_wait *k)
{
    bool full = r == -ENOSPC || r == -EDQUOT; /* they would name the same ones */
    if (!d->view || tried->asked || full || tried->n == ARRAY_LEN(tried->number))
        return false;
    tried->asked = true;
    return s3_view_ask(d->view, k);
}

/* Is somebody of it in service and may be written to? */
static bool takes_files(const struct s3_group *g)
{
    size_t n = atomic_load(&g->n);
    for (size_t i = 0; i < n; i++) {
        const struct s3_store *s = g->members[i];
        if (!atomic_load(&s->retired) && atomic_load(&s->active) && atomic_load(&s->writes))
            return true;
    }
    return false;
}

bool s3_group_drained(const struct s3_group *g)
{
    size_t n = atomic_load(&g->n);
    bool active = false;
    for (size_t i = 0; i < n; i++)
        active = active || atomic_load(&g->members[i]->active);
    return active && !takes_files(g);
}

bool s3_dfs_group(const struct s3_dfs *d, size_t i, struct s3_dfs_group *ret)
{
    size_t n = atomic_load(&d->ngroups);
    for (size_t k = 0; k < n; k++) {
        const struct s3_group *g = d->groups[k];
        if (s3_group_gone(g) || i-- > 0)
            continue;
        *ret = (struct s3_dfs_group){.takes_files = takes_files(g),
                                     .drained = s3_group_drained(g),
                                     .low = atomic_load(&g->low),
                                     .of_class = g->of_class,
                                     .free_mb = atomic_load(&g->free_mb)};
        memcpy(ret->name, g->name, sizeof(ret->name));
        return true;
    }
    return false;
}

bool s3_dfs_server(const struct s3_dfs *d, size_t i, struct s3_dfs_server *ret)
{
    if (i >= atomic_load(&d->nstores))
        return false;
    struct s3_store *s = d->stores[i];
    char address[DFS_ADDR_TEXT];
    *ret =
        (struct s3_dfs_server){.in_service = atomic_load(&s->active) && !atomic_load(&s->retired),
                               .down = atomic_load(&s->down_since_ms) != 0,
                               .damaged = atomic_load(&s->damaged)};
    pthread_mutex_lock(&s->lock);
    dfs_addr_format(&s->addr, address);
    snprintf(ret->id, sizeof(ret->id), "%s", s->id);
    pthread_mutex_unlock(&s->lock);
    snprintf(ret->group, sizeof(ret->group), "%s", s->group->name);
    snprintf(ret->address, sizeof(ret->address), "%s", address);
    return true;
}
