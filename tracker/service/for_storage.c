/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a storage says of itself and its peers between two joins.
 * Rule: protocol 6.2-6.9, 6.13, 6.15; semantics 4.3, 4.5, 7.
 */
#include "tracker/service/server.h"

#include <arpa/inet.h>

#include "dfscore/base/clock.h"
#include "dfscore/log/log.h"

/* --- heartbeat, disks, positions ------------------------------------------------------------ */

static void alive(struct trk_call *c)
{
    struct trk_node *n = c->node;
    n->beat_ms = dfs_mono_ms();
    if (n->session != c->s->id && trk_status_member(n->status))
        n->session = c->s->id; /* this connection is the one that works */
    if (trk_node_event(&c->srv->cluster, n, TRK_EV_BEAT))
        dfs_log(LOG_INFO, "tracker.storage_active", KV_Z("group", n->group->name),
                KV_Z("id", n->id));
}

int trk_beat(struct trk_call *c)
{
    struct dfs_stat_block stat;
    if (c->body.n > 0) {
        int r = dfs_stat_block_get(c->body, &stat);
        if (r < 0)
            return r;
        c->node->stat = stat;
    }
    c->node->beat_s = dfs_now_s();
    alive(c);
    trk_notice(c);
    return 0;
}

int trk_disk_usage(struct trk_call *c)
{
    struct dfs_path_usage usage[DFS_PATHS_MAX];
    size_t count = c->node->path_count;
    size_t known = count * DFS_PATH_USAGE_LEN; /* to FastDFS; ours add a byte for each path */
    if (count == 0 || (c->body.n != known && c->body.n != known + count))
        return -EINVAL;
    struct rd r = rd_of(c->body);
    for (size_t i = 0; i < count; i++)
        dfs_path_usage_read(&r, &usage[i]);
    int e = trk_node_set_usage(c->node, usage, count,
                               c->srv->o.select.store_path == TRK_PATH_MOST_FREE);
    if (e < 0)
        return e;
    trk_node_set_states(c->node, str_from(c->body, known));
    alive(c);
    trk_notice(c);
    return 0;
}

int trk_sync_timestamps(struct trk_call *c)
{
    struct dfs_sync_timestamp t[DFS_SERVERS_MAX];
    size_t count = c->body.n / DFS_SYNC_TIMESTAMP_LEN;
    if (count == 0 || count > DFS_SERVERS_MAX || c->body.n % DFS_SYNC_TIMESTAMP_LEN)
        return -EINVAL;
    struct rd r = rd_of(c->body);
    for (size_t i = 0; i < count; i++)
        dfs_sync_timestamp_read(&r, &t[i]);
    trk_node_set_synced(c->node, t, count);
    trk_notice(c);
    return 0;
}

/* No effect since 6.16, where only leaders send lists (6.6). */
int trk_peer_list(struct trk_call *c)
{
    return c->body.n % DFS_BRIEF_LEN ? -EINVAL : 0;
}

/* --- whom to copy from (6.7) ---------------------------------------------------------------- */

static void put_source(struct trk_call *c, const struct trk_node *n)
{
    struct dfs_sync_record rec = {.until = n->sync_until};
    if (!n->sync_source[0])
        return;
    memcpy(rec.source_id, n->sync_source, sizeof(n->sync_source));
    dfs_sync_record_put(c->out, &rec);
}

/* Servers besides @n that hold the group's files. */
static unsigned complete_others(const struct trk_node *n)
{
    unsigned count = 0;
    for (unsigned i = 0; i < n->group->n; i++)
        count += n->group->nodes[i] != n && trk_status_complete(n->group->nodes[i]->status);
    return count;
}

static void no_source(struct trk_call *c, struct trk_node *n)
{
    if (n->sync_source[0] || n->refill) {
        n->sync_source[0] = '\0';
        n->sync_until = 0;
        n->refill = false;
        trk_node_changed(&c->srv->cluster, n);
    }
    trk_node_event(&c->srv->cluster, n, TRK_EV_NO_SOURCE);
}

static void set_source(struct trk_call *c, struct trk_node *n, const char *id, int64_t until)
{
    memset(n->sync_source, 0, sizeof(n->sync_source));
    memcpy(n->sync_source, id, strlen(id));
    n->sync_until = until;
    n->refill = false;
    trk_node_changed(&c->srv->cluster, n);
}

/* Whatever clients may do there: a group's only complete server may be one that they do not write to. */
static struct trk_node *first_active_other(const struct trk_node *n)
{
    for (unsigned i = 0; i < n->group->n; i++) {
        struct trk_node *o = n->group->nodes[i];
        if (o != n && o->status == DFS_ST_ACTIVE)
            return o;
    }
    return NULL;
}

int trk_need_sync_source(struct trk_call *c)
{
    struct trk_node *n = c->node;
    if (complete_others(n) == 0) {
        no_source(c, n);
        return 0;
    }
    const struct trk_node *source = first_active_other(n);
    if (!source)
        return -ENOENT; /* there will be one: ask again */
    /* Whatever we believed, it says it holds nothing yet. */
    if (n->status != DFS_ST_INIT)
        trk_node_set_status(&c->srv->cluster, n, DFS_ST_INIT);
    set_source(c, n, source->id, dfs_now_s());
    trk_node_event(&c->srv->cluster, n, TRK_EV_SOURCE);
    dfs_log(LOG_INFO, "tracker.sync_source", KV_Z("group", n->group->name), KV_Z("id", n->id),
            KV_Z("source", source->id));
    put_source(c, n);
    return 0;
}

int trk_notify_sync_source(struct trk_call *c)
{
    struct dfs_sync_record rec;
    char id[DFS_ID_MAX];
    struct trk_node *n = c->node;
    int r = dfs_sync_record_get(c->body, &rec);
    if (r < 0)
        return r;
    if (rec.source_id[0] == '\0') {
        /* One that was removed has missed operations: it must copy again. */
        if (n->refill && complete_others(n) > 0)
            return -ENOENT;
        no_source(c, n);
        return 0;
    }
    r = trk_take_id(str_c(rec.source_id), id);
    if (r < 0)
        return r;
    const struct trk_node *source = trk_node_find(n->group, id);
    if (!source || source == n || !trk_status_member(source->status))
        return -ENOENT;
    if (!n->sync_source[0])
        set_source(c, n, source->id, rec.until);
    trk_node_event(&c->srv->cluster, n, TRK_EV_SOURCE);
    return 0;
}

int trk_my_sync_source(struct trk_call *c)
{
    put_source(c, c->node);
    return 0;
}

int trk_peer_sync_source(struct trk_call *c)
{
    struct dfs_group_id m;
    char id[DFS_ID_MAX];
    int r = dfs_group_id_get(c->body, &m);
    if (r == 0)
        r = trk_take_id(str_c(m.id), id);
    if (r < 0)
        return r;
    const struct trk_group *g = trk_group_find(&c->srv->cluster, m.group);
    struct trk_node *n = g ? trk_node_find(g, id) : NULL;
    if (!n || n->status == DFS_ST_INIT || !trk_status_member(n->status))
        return -ENOENT;
    const struct trk_node *source = trk_node_find(g, n->sync_source);
    if (source && (trk_status_complete(source->status) || source->status == DFS_ST_RECOVERY)) {
        put_source(c, n);
        return 0;
    }
    if (n->sync_source[0]) { /* it can feed nobody any more */
        n->sync_source[0] = '\0';
        n->sync_until = 0;
        trk_node_changed(&c->srv->cluster, n);
    }
    return 0;
}

/* --- states --------------------------------------------------------------------------------- */

/* Somebody we have not heard of (6.8, rules 5 and 6). */
static int report_unknown(struct trk_call *c, struct trk_group *g, const struct dfs_brief *b,
                          const char *id)
{
    char ip[DFS_IP_MAX];
    const struct trk_id *e = trk_ids_find(c->srv->o.ids, id);
    struct trk_node *n;
    if (!trk_status_valid(b->status) || !trk_status_member(b->status) ||
        b->status == DFS_ST_ONLINE || b->status == DFS_ST_ACTIVE)
        return 0;
    if (c->srv->o.use_storage_id && (!e || strcmp(e->group, g->name) != 0))
        return -ENOENT;
    if (!dfs_ip_text(e ? e->ip[0] : b->ip, ip))
        return -EINVAL;
    int r = trk_node_add(&c->srv->cluster, g, id, &n);
    if (r < 0)
        return r;
    if (e) {
        memcpy(n->ip, e->ip, sizeof(n->ip));
        n->rw_mode = e->rw_mode;
        n->port = e->port;
    } else {
        memcpy(n->ip[0], ip, strlen(ip));
        n->port = g->port > 0 ? (uint16_t)g->port : 0; /* the reference sends 0 here */
    }
    n->path_count = g->path_count;
    trk_node_set_status(&c->srv->cluster, n, b->status);
    return 0;
}

int trk_report_status(struct trk_call *c)
{
    struct dfs_report_status_req m;
    char id[DFS_ID_MAX];
    int r = dfs_report_status_req_get(c->body, &m);
    if (r < 0)
        return r;
    struct trk_group *g = trk_group_find(&c->srv->cluster, m.group);
    if (!g)
        return -ENOENT;
    if (m.server.status == DFS_ST_NONE)
        return 0;
    r = trk_take_id(str_c(m.server.id), id);
    if (r < 0)
        return r;
    struct trk_node *n = trk_node_find(g, id);
    if (!n)
        return report_unknown(c, g, &m.server, id);
    uint8_t before = n->status;
    trk_node_set_status(&c->srv->cluster, n, trk_status_after_report(before, m.server.status));
    if (n->status != before)
        dfs_log(LOG_INFO, "tracker.storage_reported", KV_Z("group", g->name), KV_Z("id", n->id),
                KV_Z("status", dfs_server_status_name(n->status)));
    return 0;
}

int trk_change_status(struct trk_call *c)
{
    struct dfs_change_status_req m;
    int r = dfs_change_status_req_get(c->body, &m);
    if (r < 0)
        return r;
    if (!trk_status_valid(m.status))
        return -EINVAL;
    trk_node_set_status(&c->srv->cluster, c->node,
                        trk_status_after_own_word(c->node->status, m.status));
    return 0;
}

/* --- change log (6.13) ---------------------------------------------------------------------- */

static int log_reader(struct trk_call *c, struct trk_node **ret)
{
    const struct trk_group *g;
    char id[DFS_ID_MAX];
    if (c->body.n == 0) {
        g = c->s->node[0] ? trk_group_find(&c->srv->cluster, c->s->group) : NULL;
        *ret = g ? trk_node_find(g, c->s->node) : NULL;
        return *ret ? 0 : -EACCES;
    }
    struct dfs_group_id m;
    int r = dfs_group_id_get(c->body, &m);
    if (r == 0)
        r = trk_take_id(str_c(m.id), id);
    if (r < 0)
        return r;
    g = trk_group_find(&c->srv->cluster, m.group);
    *ret = g ? trk_node_find(g, id) : NULL;
    return *ret ? 0 : -ENOENT;
}

/*
 * A joined storage that asks again on the same connection has got the last answer: only then its
 * position moves, so a lost answer is sent again (the reference loses it, 6.13 [Q]).
 */
int trk_change_log(struct trk_call *c)
{
    struct trk_node *n;
    int r = log_reader(c, &n);
    if (r < 0)
        return r;
    bool joined = c->body.n == 0;
    if (joined && c->s->log_open && c->s->log_sent > n->log_next) {
        n->log_next = c->s->log_sent;
        trk_node_changed(&c->srv->cluster, n);
    }
    uint64_t next = trk_log_text(&c->srv->cluster, n->log_next, TRK_LOG_CHUNK, c->out);
    if (joined) {
        c->s->log_sent = next;
        c->s->log_open = true;
    }
    return 0;
}

/* --- trunk server (6.15) -------------------------------------------------------------------- */

static bool is_trunk_server(const struct trk_node *n)
{
    return n->group->trunk_server[0] && strcmp(n->group->trunk_server, n->id) == 0;
}

int trk_trunk_id_fetch(struct trk_call *c)
{
    buf_u32(c->out, (uint32_t)c->node->group->trunk_file_id);
    return 0;
}

int trk_trunk_id_report(struct trk_call *c)
{
    struct dfs_i32 m;
    int r = dfs_i32_get(c->body, &m);
    if (r < 0)
        return r;
    if (!is_trunk_server(c->node) || m.v < 0)
        return -EINVAL;
    struct trk_group *g = c->node->group;
    if (m.v > g->trunk_file_id) {
        g->trunk_file_id = m.v;
        trk_group_changed(&c->srv->cluster, g);
    }
    return 0;
}

int trk_trunk_free_report(struct trk_call *c)
{
    struct dfs_i64 m;
    int r = dfs_i64_get(c->body, &m);
    if (r < 0)
        return r;
    if (!is_trunk_server(c->node) || m.v < 0)
        return -EINVAL;
    c->node->group->trunk_free_mb = MIN(m.v, INT64_C(1) << 44);
    return 0;
}
