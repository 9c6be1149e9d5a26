/* SPDX-License-Identifier: Apache-2.0 */
#include "tracker/cluster/cluster.h"

#include "dfscore/fileid/fileid.h"

void trk_cluster_init(struct trk_cluster *c)
{
    memset(c, 0, sizeof(*c));
}

static void group_free(struct trk_group *g)
{
    for (unsigned i = 0; i < g->n; i++) {
        free(g->nodes[i]->paths);
        free(g->nodes[i]);
    }
    free(g);
}

void trk_cluster_fini(struct trk_cluster *c)
{
    for (unsigned i = 0; i < c->n; i++)
        group_free(c->groups[i]);
    free(c->groups);
    free(c->log);
    memset(c, 0, sizeof(*c));
}

/* --- groups --------------------------------------------------------------------------------- */

/* Index of the group, or of the place where it belongs. */
static unsigned group_place(const struct trk_cluster *c, const char *name, bool *found)
{
    unsigned lo = 0, hi = c->n;
    while (lo < hi) {
        unsigned mid = lo + (hi - lo) / 2;
        int d = strcmp(c->groups[mid]->name, name);
        if (d == 0) {
            *found = true;
            return mid;
        }
        if (d < 0)
            lo = mid + 1;
        else
            hi = mid;
    }
    *found = false;
    return lo;
}

struct trk_group *trk_group_find(const struct trk_cluster *c, const char *name)
{
    bool found;
    unsigned at = group_place(c, name, &found);
    return found ? c->groups[at] : NULL;
}

static int group_room(struct trk_cluster *c)
{
    if (c->n < c->cap)
        return 0;
    unsigned cap = c->cap ? c->cap * 2 : 8;
    struct trk_group **p = dfs_realloc(c->groups, cap * sizeof(*p));
    if (!p)
        return -ENOMEM;
    c->groups = p;
    c->cap = cap;
    return 0;
}

int trk_group_get(struct trk_cluster *c, const char *name, struct trk_group **ret)
{
    bool found;
    unsigned at = group_place(c, name, &found);
    if (found) {
        *ret = c->groups[at];
        return 0;
    }
    if (!dfs_group_ok(str_c(name)))
        return -EINVAL;
    if (c->n >= DFS_GROUPS_MAX)
        return -ENOSPC;
    if (group_room(c) < 0)
        return -ENOMEM;
    struct trk_group *g = dfs_zalloc(sizeof(*g));
    if (!g)
        return -ENOMEM;
    memcpy(g->name, name, strlen(name));
    g->members_version = 1;
    memmove(&c->groups[at + 1], &c->groups[at], (c->n - at) * sizeof(c->groups[0]));
    c->groups[at] = g;
    c->n++;
    trk_group_changed(c, g);
    *ret = g;
    return 0;
}

static void unlist_group(struct trk_cluster *c, const struct trk_group *g)
{
    for (struct trk_group **p = &c->changed_groups; *p; p = &(*p)->next_changed) {
        if (*p == g) {
            *p = g->next_changed;
            return;
        }
    }
}

int trk_group_remove(struct trk_cluster *c, const char *name)
{
    bool found;
    unsigned at = group_place(c, name, &found);
    if (!found)
        return -ENOENT;
    struct trk_group *g = c->groups[at];
    if (g->n > 0)
        return -EBUSY;
    unlist_group(c, g);
    memmove(&c->groups[at], &c->groups[at + 1], (c->n - at - 1) * sizeof(c->groups[0]));
    c->n--;
    if (c->next_group >= c->n)
        c->next_group = 0;
    group_free(g);
    return 0;
}

/* --- nodes ---------------------------------------------------------------------------------- */

static unsigned node_place(const struct trk_group *g, const char *id, bool *found)
{
    unsigned i = 0;
    int d = 1;
    while (i < g->n && (d = strcmp(g->nodes[i]->id, id)) < 0)
        i++;
    *found = i < g->n && d == 0;
    return i;
}

struct trk_node *trk_node_find(const struct trk_group *g, const char *id)
{
    bool found;
    unsigned at = node_place(g, id, &found);
    return found ? g->nodes[at] : NULL;
}

struct trk_node *trk_node_find_ip(const struct trk_group *g, const char *ip, uint16_t port)
{
    struct trk_node *gone = NULL;
    for (unsigned i = 0; i < g->n; i++) {
        struct trk_node *n = g->nodes[i];
        if (!trk_node_has_ip(n, ip) || (port && n->port != port))
            continue;
        if (trk_status_member(n->status))
            return n;
        gone = n;
    }
    return gone;
}

static unsigned free_slot(const struct trk_group *g)
{
    for (unsigned slot = 0; slot < DFS_SERVERS_MAX; slot++) {
        bool used = false;
        for (unsigned i = 0; i < g->n && !used; i++)
            used = g->nodes[i]->slot == slot;
        if (!used)
            return slot;
    }
    return DFS_SERVERS_MAX;
}

int trk_node_add(struct trk_cluster *c, struct trk_group *g, const char *id, struct trk_node **ret)
{
    bool found;
    unsigned at = node_place(g, id, &found);
    if (found)
        return -EEXIST;
    ASSERT(strlen(id) < DFS_ID_MAX && id[0]);
    if (g->n >= DFS_SERVERS_MAX)
        return -ENOSPC;
    struct trk_node *n = dfs_zalloc(sizeof(*n));
    if (!n)
        return -ENOMEM;
    n->slot = free_slot(g);
    n->group = g;
    n->rw_mode = DFS_RW_BOTH;
    n->log_next = c->log_first + c->log_n;
    memcpy(n->id, id, strlen(id));
    memmove(&g->nodes[at + 1], &g->nodes[at], (g->n - at) * sizeof(g->nodes[0]));
    g->nodes[at] = n;
    g->n++;
    /* The column may have been another server's. */
    for (unsigned i = 0; i < g->n; i++)
        g->nodes[i]->synced_s[n->slot] = 0;
    g->members_version++;
    trk_node_changed(c, n);
    *ret = n;
    return 0;
}

void trk_node_remove(struct trk_cluster *c, struct trk_node *n)
{
    struct trk_group *g = n->group;
    bool found;
    unsigned at = node_place(g, n->id, &found);
    ASSERT(found && g->nodes[at] == n);
    for (struct trk_node **p = &c->changed_nodes; *p; p = &(*p)->next_changed) {
        if (*p == n) {
            *p = n->next_changed;
            break;
        }
    }
    memmove(&g->nodes[at], &g->nodes[at + 1], (g->n - at - 1) * sizeof(g->nodes[0]));
    g->n--;
    g->members_version++;
    free(n->paths);
    free(n);
}

struct trk_node *trk_cluster_forgettable(const struct trk_cluster *c)
{
    for (unsigned i = 0; i < c->n; i++) {
        const struct trk_group *g = c->groups[i];
        for (unsigned j = 0; j < g->n; j++) {
            struct trk_node *n = g->nodes[j];
            if (!trk_status_member(n->status) && n->mod_us < c->forget_before_us)
                return n;
        }
    }
    return NULL;
}

void trk_node_set_status(struct trk_cluster *c, struct trk_node *n, uint8_t status)
{
    ASSERT(trk_status_valid(status));
    if (n->status == status)
        return;
    bool kept = trk_status_reloaded(n->status) != trk_status_reloaded(status);
    n->status = status;
    n->group->members_version++;
    if (status == DFS_ST_INIT) {
        /* It holds nothing any more, so nothing we heard of its progress counts. */
        memset(n->synced_s, 0, sizeof(n->synced_s));
        n->last_synced_s = 0;
        n->sync_source[0] = '\0';
        n->sync_until = 0;
    }
    if (!trk_status_complete(status)) {
        n->told_members = 0;
        n->told_trunk = 0;
    }
    if (kept)
        trk_node_changed(c, n);
    trk_node_check(n);
}

bool trk_node_event(struct trk_cluster *c, struct trk_node *n, enum trk_event event)
{
    uint8_t before = n->status;
    trk_node_set_status(c, n, trk_status_after(before, event));
    return n->status != before;
}

/* --- changes -------------------------------------------------------------------------------- */

void trk_cluster_now(struct trk_cluster *c, int64_t now_us)
{
    c->last_change_us = MAX(c->last_change_us, now_us);
}

void trk_node_changed(struct trk_cluster *c, struct trk_node *n)
{
    n->mod_us = ++c->last_change_us;
    if (n->changed)
        return;
    n->changed = true;
    n->next_changed = c->changed_nodes;
    c->changed_nodes = n;
}

void trk_group_changed(struct trk_cluster *c, struct trk_group *g)
{
    if (g->changed)
        return;
    g->changed = true;
    g->next_changed = c->changed_groups;
    c->changed_groups = g;
}

void trk_set_drain(struct trk_cluster *c, struct trk_group *g, struct trk_node *n, uint8_t state)
{
    struct trk_drain *d = n ? &n->drain : &g->drain;
    *d = (struct trk_drain){state, ++c->last_change_us};
    if (n)
        trk_node_changed(c, n);
    else
        trk_group_changed(c, g);
}

void trk_set_path_drain(struct trk_cluster *c, struct trk_group *g, unsigned path, uint8_t state)
{
    ASSERT(path < ARRAY_LEN(g->path_drain));
    g->path_drain[path] = (struct trk_drain){state, ++c->last_change_us};
    trk_group_changed(c, g);
}

/* Groups first, so that whoever reads the records back knows a node's group already. */
bool trk_cluster_next_change(struct trk_cluster *c, struct trk_change *ret)
{
    memset(ret, 0, sizeof(*ret));
    if (c->changed_groups) {
        ret->group = c->changed_groups;
        c->changed_groups = ret->group->next_changed;
        ret->group->changed = false;
        return true;
    }
    if (c->changed_nodes) {
        ret->node = c->changed_nodes;
        c->changed_nodes = ret->node->next_changed;
        ret->node->changed = false;
        return true;
    }
    c->log_saved = MAX(c->log_saved, c->log_first);
    if (c->log_saved < c->log_first + c->log_n) {
        ret->line = &c->log[c->log_saved - c->log_first];
        c->log_saved++;
        return true;
    }
    return false;
}

bool trk_log_is_past(const struct trk_cluster *c, const struct trk_log_line *line)
{
    return line->time_s <= c->log_dropped_s;
}

/* No later than now: a clock that was far ahead would end the log for all lines to come. */
void trk_log_dropped(struct trk_cluster *c, const struct trk_log_line *line)
{
    int64_t time_s = MIN(line->time_s, c->last_change_us / 1000000);
    c->log_dropped_s = MAX(c->log_dropped_s, time_s);
}

int trk_log_add(struct trk_cluster *c, const struct trk_log_line *line)
{
    if (c->log_n == TRK_LOG_MAX) {
        trk_log_dropped(c, &c->log[0]);
        memmove(c->log, c->log + 1, (c->log_n - 1) * sizeof(*c->log));
        c->log_n--;
        c->log_first++;
    }
    if (c->log_n == c->log_cap) {
        unsigned cap = c->log_cap ? c->log_cap * 2 : 16;
        struct trk_log_line *p = dfs_realloc(c->log, cap * sizeof(*p));
        if (!p)
            return -ENOMEM;
        c->log = p;
        c->log_cap = cap;
    }
    c->log[c->log_n++] = *line;
    return 0;
}

uint64_t trk_log_text(const struct trk_cluster *c, uint64_t from, size_t max, struct buf *out)
{
    uint64_t end = c->log_first + c->log_n;
    size_t start = out->n;
    for (from = MAX(from, c->log_first); from < end; from++) {
        const struct trk_log_line *l = &c->log[from - c->log_first];
        size_t before = out->n;
        buf_addf(out, "%lld %s %s %u %s\n", (long long)l->time_s, l->group, l->id, l->status,
                 l->arg);
        if (buf_err(out) || out->n - start > max) {
            out->n = before;
            break;
        }
    }
    return from;
}

void trk_group_set_trunk_server(struct trk_cluster *c, struct trk_group *g, const char *id)
{
    if (strcmp(g->trunk_server, id) == 0)
        return;
    if (g->trunk_server[0])
        memcpy(g->last_trunk_server, g->trunk_server, sizeof(g->trunk_server));
    memset(g->trunk_server, 0, sizeof(g->trunk_server));
    ASSERT(strlen(id) < sizeof(g->trunk_server));
    memcpy(g->trunk_server, id, strlen(id));
    g->trunk_version++;
    trk_group_changed(c, g);
}

/* --- counts --------------------------------------------------------------------------------- */

unsigned trk_group_readable(const struct trk_group *g)
{
    unsigned n = 0;
    for (unsigned i = 0; i < g->n; i++)
        n += trk_node_readable(g->nodes[i]);
    return n;
}

unsigned trk_group_writable(const struct trk_group *g)
{
    unsigned n = 0;
    for (unsigned i = 0; i < g->n; i++)
        n += trk_node_writable(g->nodes[i]);
    return n;
}

/* What the fullest of them has. False: there is none. */
static bool least_space(const struct trk_group *g, bool (*counts)(const struct trk_node *),
                        int64_t *total_mb, int64_t *free_mb)
{
    bool any = false;
    for (unsigned i = 0; i < g->n; i++) {
        int64_t total, left;
        if (!g->nodes[i]->paths || !counts(g->nodes[i]))
            continue;
        trk_node_space(g->nodes[i], &total, &left);
        if (any && left >= *free_mb)
            continue;
        any = true;
        *total_mb = total;
        *free_mb = left;
    }
    return any;
}

void trk_group_space(const struct trk_group *g, int64_t *total_mb, int64_t *free_mb)
{
    *total_mb = *free_mb = 0;
    if (!least_space(g, trk_node_writable, total_mb, free_mb))
        (void)least_space(g, trk_node_changeable, total_mb, free_mb);
}
