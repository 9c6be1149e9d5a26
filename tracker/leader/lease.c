/* SPDX-License-Identifier: Apache-2.0 */
#include "tracker/leader/lease.h"

#include "dfscore/wire/internal.h"

void trk_lease_init(struct trk_lease *l, uint64_t now_ms)
{
    *l = (struct trk_lease){.started_ms = now_ms};
}

int trk_lease_check(const struct dfs_lease_req *m)
{
    bool mode = m->mode >= DFS_LEASE_LOOK && m->mode <= DFS_LEASE_TAKE;
    bool ttl = m->ttl_ms >= DFS_LEASE_TTL_MIN_MS && m->ttl_ms <= DFS_LEASE_TTL_MAX_MS;
    return mode && ttl && m->holder != 0 ? 0 : -EINVAL;
}

/* When others than the kept holder may have it. */
static uint64_t open_ms(const struct trk_lease *l, const struct trk_lease_kept *kept,
                        const struct dfs_lease_req *m)
{
    if (l->until_ms)
        return l->until_ms;
    return l->started_ms + (kept->holder ? kept->ttl_ms : (uint64_t)m->ttl_ms);
}

static bool grant(struct trk_lease *l, struct trk_lease_kept *kept, const struct dfs_lease_req *m,
                  uint64_t now_ms)
{
    struct trk_lease_kept now = {
        .holder = (uint64_t)m->holder, .ttl_ms = (uint64_t)m->ttl_ms, .mark = (uint64_t)m->mark};
    memcpy(now.name, m->name, sizeof(now.name));
    bool changed = now.holder != kept->holder || now.ttl_ms != kept->ttl_ms ||
                   now.mark != kept->mark || strcmp(now.name, kept->name) != 0;
    *kept = now;
    l->until_ms = now_ms + now.ttl_ms;
    return changed;
}

/* Now that it is free. */
static bool may_have_it(const struct trk_lease_kept *kept, const struct dfs_lease_req *m)
{
    bool mine = kept->holder == (uint64_t)m->holder;
    switch (m->mode) {
    case DFS_LEASE_KEEP:
        return mine || kept->holder == 0;
    case DFS_LEASE_TAKE:
        return mine || kept->holder == (uint64_t)m->over;
    default:
        return false;
    }
}

bool trk_lease_ask(struct trk_lease *l, struct trk_lease_kept *kept, const struct dfs_lease_req *m,
                   uint64_t now_ms, struct dfs_lease_rsp *ret)
{
    bool mine = kept->holder == (uint64_t)m->holder, changed = false;
    uint64_t open = open_ms(l, kept, m);
    bool free = mine || now_ms >= open;
    *ret = (struct dfs_lease_rsp){
        .state = free ? DFS_LEASE_FREE : DFS_LEASE_HELD,
        .kept = mine           ? DFS_LEASE_YOURS
                : kept->holder ? DFS_LEASE_ANOTHERS
                               : DFS_LEASE_NOBODYS,
        .holder = (int64_t)kept->holder,
        .mark = (int64_t)kept->mark,
        .left_ms = free ? 0 : (int64_t)(open - now_ms),
    };
    memcpy(ret->name, kept->name, sizeof(ret->name));
    if (free && may_have_it(kept, m)) {
        changed = grant(l, kept, m, now_ms);
        ret->state = DFS_LEASE_GRANTED;
    }
    return changed;
}
