/* SPDX-License-Identifier: Apache-2.0 */
#include "tracker/cluster/node.h"

#include "dfscore/net/addr.h"
#include "dfscore/wire/internal.h"
#include "tracker/cluster/cluster.h"

bool trk_node_readable(const struct trk_node *n)
{
    return n->status == DFS_ST_ACTIVE && (n->rw_mode & DFS_RW_READ);
}

bool trk_node_diskless(const struct trk_node *n)
{
    return n->paths && n->total_mb == 0;
}

bool trk_node_changeable(const struct trk_node *n)
{
    return n->status == DFS_ST_ACTIVE && (n->rw_mode & DFS_RW_WRITE) && !trk_node_diskless(n);
}

bool trk_node_drained(const struct trk_node *n)
{
    return n->drain.state != DFS_DRAIN_NONE || n->group->drain.state != DFS_DRAIN_NONE;
}

bool trk_node_writable(const struct trk_node *n)
{
    return trk_node_changeable(n) && !trk_node_drained(n);
}

bool trk_path_open(const struct trk_node *n, unsigned path)
{
    return n->group->path_drain[path].state == DFS_DRAIN_NONE;
}

void trk_node_space(const struct trk_node *n, int64_t *total_mb, int64_t *free_mb)
{
    *total_mb = *free_mb = 0;
    for (unsigned i = 0; n->paths && i < n->path_count; i++) {
        if (!trk_path_open(n, i))
            continue;
        *total_mb += n->paths[i].total_mb;
        *free_mb += n->paths[i].free_mb;
    }
}

/* What a peer says is a number of MB in any 64 bits; sums must not wrap. */
static int64_t sane_mb(int64_t mb)
{
    const int64_t most = INT64_C(1) << 44; /* 16 EiB in MB */
    return mb < 0 ? 0 : MIN(mb, most);
}

int trk_node_set_usage(struct trk_node *n, const struct dfs_path_usage *usage, size_t count,
                       bool write_most_free)
{
    if (count == 0 || count != n->path_count)
        return -EINVAL;
    struct trk_path *paths = n->paths ? n->paths : dfs_zalloc(count * sizeof(*paths));
    if (!paths)
        return -ENOMEM;
    n->paths = paths;
    n->total_mb = n->free_mb = 0;
    unsigned best = 0;
    for (size_t i = 0; i < count; i++) {
        paths[i].total_mb = sane_mb(usage[i].total_mb);
        paths[i].free_mb = MIN(sane_mb(usage[i].free_mb), paths[i].total_mb);
        n->total_mb += paths[i].total_mb;
        n->free_mb += paths[i].free_mb;
        if (paths[i].free_mb > paths[best].free_mb)
            best = (unsigned)i;
    }
    if (write_most_free)
        n->write_path = best;
    return 0;
}

void trk_node_set_states(struct trk_node *n, struct str states)
{
    ASSERT(n->paths);
    n->slow_paths = 0;
    for (unsigned i = 0; i < n->path_count; i++) {
        n->paths[i].slow = i < states.n && ((uint8_t)states.p[i] & DFS_PATH_SLOW);
        n->slow_paths += n->paths[i].slow;
    }
}

/* Protocol 3.2: only three private kinds are told apart, and the second address only when it fits.
 */
const char *trk_node_ip_for(const struct trk_node *n, const char *peer_ip)
{
    if (n->ip[1][0] && dfs_ip_kind(n->ip[1]) == dfs_ip_kind(peer_ip))
        return n->ip[1];
    return n->ip[0];
}

bool trk_node_has_ip(const struct trk_node *n, const char *ip)
{
    return strcmp(n->ip[0], ip) == 0 || (n->ip[1][0] && strcmp(n->ip[1], ip) == 0);
}

void trk_node_set_synced(struct trk_node *n, const struct dfs_sync_timestamp *t, size_t count)
{
    int64_t least = INT64_MAX;
    for (size_t i = 0; i < count; i++) {
        const struct trk_node *source = trk_node_find(n->group, t[i].source_id);
        if (!source || source == n || t[i].timestamp <= 0)
            continue;
        n->synced_s[source->slot] = MAX(n->synced_s[source->slot], t[i].timestamp);
        least = MIN(least, n->synced_s[source->slot]);
    }
    if (least != INT64_MAX)
        n->last_synced_s = least;
}

void trk_node_brief(const struct trk_node *n, struct dfs_brief *ret)
{
    memset(ret, 0, sizeof(*ret));
    ret->status = n->status;
    ret->port = n->port;
    memcpy(ret->id, n->id, sizeof(n->id));
    memcpy(ret->ip, n->ip[0], sizeof(n->ip[0]));
}

void trk_node_check(const struct trk_node *n)
{
    ASSERT(n->group && n->slot < DFS_SERVERS_MAX && n->id[0]);
    ASSERT(trk_status_valid(n->status));
    ASSERT(n->path_count <= DFS_PATHS_MAX);
    ASSERT(n->path_count == 0 || n->write_path < n->path_count);
    /* Alive means: somebody proved it since we started. */
    ASSERT(n->status != DFS_ST_ACTIVE || n->beat_ms != 0);
}
