/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Lists, statistics, removals.
 * Rule: protocol 5.4-5.9, 5.13; semantics 4.6, 13.6. All text fields end in zeros (5.13 [Q]).
 */
#include "tracker/service/server.h"

#include "dfscore/base/clock.h"
#include "dfscore/fileid/fileid.h"
#include "dfscore/log/log.h"
#include "dfscore/wire/internal.h"

enum { ACTIVE_S = 3 }; /* a tracker that pinged this recently is active */

/* --- lists ---------------------------------------------------------------------------------- */

static void put_group(struct trk_call *c, const struct trk_group *g)
{
    const struct trk_select_opts *o = &c->srv->o.select;
    struct dfs_group_stat s = {
        .trunk_free_mb = g->trunk_free_mb,
        .storage_count = g->n,
        .storage_port = g->port,
        .readable_count = trk_group_readable(g),
        .writable_count = trk_group_writable(g),
        .current_write_server = g->next_write,
        .path_count = g->path_count,
        .subdir_count = g->subdir_count,
        .trunk_file_id = o->use_trunk ? g->trunk_file_id : -1,
    };
    memcpy(s.group, g->name, strlen(g->name));
    trk_group_space(g, &s.total_mb, &s.free_mb);
    s.reserved_mb = trk_reserved_mb(o, s.total_mb);
    dfs_group_stat_put(c->out, &s);
}

int trk_list_group(struct trk_call *c)
{
    struct trk_group *g;
    struct str tail;
    int r = trk_take_group(c, &g, &tail);
    if (r == 0)
        put_group(c, g);
    return r;
}

int trk_list_groups(struct trk_call *c)
{
    for (unsigned i = 0; i < c->srv->cluster.n; i++)
        put_group(c, c->srv->cluster.groups[i]);
    return 0;
}

static void put_storage(struct trk_call *c, const struct trk_node *n)
{
    struct dfs_storage_detail d = {
        .status = n->status,
        .rw_mode = trk_node_drained(n) || trk_node_diskless(n) ? (uint8_t)(n->rw_mode & DFS_RW_READ)
                                                               : n->rw_mode,
        .join_time = n->join_time,
        .up_time = n->up_time,
        .upload_priority = n->upload_priority,
        .path_count = n->path_count,
        .subdir_count = n->group->subdir_count,
        .current_write_path = n->write_path,
        .port = n->port,
        .stat = n->stat,
        .is_trunk_server = n->group->trunk_server[0] && strcmp(n->group->trunk_server, n->id) == 0,
    };
    enum dfs_ipw w = c->srv->o.ipw;
    trk_node_space(n, &d.total_mb, &d.free_mb);
    d.reserved_mb = trk_reserved_mb(&c->srv->o.select, d.total_mb);
    memcpy(d.id, n->id, strlen(n->id));
    const char *ip = trk_node_ip_for(n, c->s->peer_ip);
    if (strlen(ip) <= (size_t)w)
        memcpy(d.ip, ip, strlen(ip));
    memcpy(d.sync_source, n->sync_source, strlen(n->sync_source));
    memcpy(d.version, n->version, strlen(n->version));
    d.stat.last_synced = n->last_synced_s;
    d.stat.last_heartbeat = n->beat_s;
    dfs_storage_detail_put(c->out, w, &d);
}

int trk_list_storages(struct trk_call *c)
{
    struct trk_group *g;
    struct str tail;
    char id[DFS_ID_MAX];
    int r = trk_take_group(c, &g, &tail);
    if (r < 0)
        return r;
    if (c->status & DFS_LIST_KNOWN && !trk_knows_who_serves(c->srv, g))
        return -EAGAIN;
    if (tail.n == 0) {
        for (unsigned i = 0; i < g->n; i++)
            put_storage(c, g->nodes[i]);
        return 0;
    }
    r = trk_take_id(tail, id);
    if (r < 0)
        return r;
    const struct trk_node *n = trk_node_find(g, id);
    if (!n)
        return -ENOENT;
    put_storage(c, n);
    return 0;
}

/* --- removals ------------------------------------------------------------------------------- */

int trk_delete_storage(struct trk_call *c)
{
    struct trk_group *g;
    struct str tail;
    char id[DFS_ID_MAX];
    int r = trk_take_group(c, &g, &tail);
    int bad_id = trk_take_id(tail, id);
    if (r < 0 || bad_id < 0)
        return r < 0 ? r : bad_id;
    struct trk_node *n = trk_node_find(g, id);
    if (!n)
        return -ENOENT;
    if (n->status == DFS_ST_DELETED)
        return -EALREADY;
    if (trk_status_after(n->status, TRK_EV_DELETE) != DFS_ST_DELETED)
        return -EBUSY;
    struct trk_log_line line = {.time_s = dfs_now_s(), .status = DFS_ST_DELETED};
    memcpy(line.group, g->name, sizeof(line.group));
    memcpy(line.id, n->id, sizeof(line.id));
    r = trk_log_add(&c->srv->cluster, &line);
    if (r < 0)
        return r;
    trk_node_event(&c->srv->cluster, n, TRK_EV_DELETE);
    if (n->drain.state != DFS_DRAIN_NONE) /* should it come back one day, it comes as a new one */
        trk_set_drain(&c->srv->cluster, g, n, DFS_DRAIN_NONE);
    if (strcmp(g->trunk_server, n->id) == 0)
        trk_group_set_trunk_server(&c->srv->cluster, g, "");
    dfs_log(LOG_INFO, "tracker.storage_deleted", KV_Z("group", g->name), KV_Z("id", n->id),
            KV_Z("by", c->s->peer_ip));
    return 0;
}

int trk_delete_group(struct trk_call *c)
{
    struct trk_group *g;
    struct str tail;
    int r = trk_take_group(c, &g, &tail);
    if (r < 0)
        return r;
    char name[sizeof(g->name)];
    memcpy(name, g->name, sizeof(name));
    r = trk_group_remove(&c->srv->cluster, name);
    if (r < 0)
        return r;
    trk_rec_group_gone(&c->srv->notes, name);
    dfs_log(LOG_INFO, "tracker.group_deleted", KV_Z("group", name), KV_Z("by", c->s->peer_ip));
    return 0;
}

/* --- drained servers, store paths and groups (internal.h, DRAIN) ------------------------------ */

static int drain_path(struct trk_call *c, struct trk_group *g, unsigned path, uint8_t state)
{
    if (path >= g->path_count)
        return -ENOENT;
    if (state > DFS_DRAIN_ON)
        return -EINVAL;
    if (g->path_drain[path].state == state)
        return -EALREADY;
    trk_set_path_drain(&c->srv->cluster, g, path, state);
    dfs_log(LOG_INFO, "tracker.drain", KV_Z("group", g->name), KV_U64("path", path),
            KV_U64("state", state), KV_Z("by", c->s->peer_ip));
    return 0;
}

int trk_drain(struct trk_call *c)
{
    struct dfs_drain m;
    int r = dfs_drain_get(c->body, &m);
    if (r < 0)
        return r;
    struct trk_group *g = trk_group_find(&c->srv->cluster, m.group);
    unsigned path;
    if (g && dfs_path_named(str_c(m.id), &path) == 0)
        return drain_path(c, g, path, m.state);
    struct trk_node *n = g && m.id[0] ? trk_node_find(g, m.id) : NULL;
    if (!g || (m.id[0] && (!n || !trk_status_member(n->status))))
        return -ENOENT;
    if (m.state > DFS_DRAIN_DONE)
        return -EINVAL;
    if ((n ? n->drain.state : g->drain.state) == m.state)
        return -EALREADY;
    trk_set_drain(&c->srv->cluster, g, n, m.state);
    dfs_log(LOG_INFO, "tracker.drain", KV_Z("group", g->name), KV_Z("id", m.id),
            KV_U64("state", m.state), KV_Z("by", c->s->peer_ip));
    return 0;
}

static void put_drain(struct trk_call *c, const struct trk_group *g, const char *id,
                      const struct trk_drain *d)
{
    struct dfs_drain m = {.state = d->state};
    if (d->state == DFS_DRAIN_NONE)
        return;
    memcpy(m.group, g->name, strlen(g->name));
    memcpy(m.id, id, strlen(id));
    dfs_drain_put(c->out, &m);
}

int trk_drains(struct trk_call *c)
{
    for (unsigned i = 0; i < c->srv->cluster.n; i++) {
        const struct trk_group *g = c->srv->cluster.groups[i];
        put_drain(c, g, "", &g->drain);
        for (unsigned path = 0; path < g->path_count; path++) {
            char name[4];
            dfs_path_name(path, name);
            put_drain(c, g, name, &g->path_drain[path]);
        }
        for (unsigned k = 0; k < g->n; k++)
            put_drain(c, g, g->nodes[k]->id, &g->nodes[k]->drain);
    }
    return 0;
}

/* --- trunk servers (5.9, semantics 13.6) ---------------------------------------------------- */

/* The group's trunk server is there and alive. */
static bool trunk_alive(const struct trk_group *g)
{
    const struct trk_node *n = g->trunk_server[0] ? trk_node_find(g, g->trunk_server) : NULL;
    return n && n->status == DFS_ST_ACTIVE;
}

static void set_trunk_server(struct trk_server *srv, struct trk_group *g, const char *id)
{
    trk_group_set_trunk_server(&srv->cluster, g, id);
    srv->trunks_version++;
    dfs_log(LOG_INFO, "tracker.trunk_server", KV_Z("group", g->name), KV_Z("id", id));
}

/* The first that takes uploads; the last one again if it is back. */
static struct trk_node *trunk_candidate(const struct trk_group *g)
{
    struct trk_node *last = g->last_trunk_server[0] ? trk_node_find(g, g->last_trunk_server) : NULL;
    if (last && trk_node_writable(last))
        return last;
    for (unsigned i = 0; i < g->n; i++) {
        if (trk_node_writable(g->nodes[i]))
            return g->nodes[i];
    }
    return NULL;
}

void trk_elect_trunk_servers(struct trk_server *srv)
{
    uint64_t now_ms = dfs_mono_ms();
    for (unsigned i = 0; srv->o.select.use_trunk && i < srv->cluster.n; i++) {
        struct trk_group *g = srv->cluster.groups[i];
        const struct trk_node *now = g->trunk_server[0] ? trk_node_find(g, g->trunk_server) : NULL;
        /* A short absence is no reason: what the old one has handed out would be lost (13.6). */
        if (now &&
            (now->status == DFS_ST_ACTIVE || (trk_status_member(now->status) &&
                                              now_ms - now->beat_ms < 2 * srv->o.check_active_ms)))
            continue;
        const struct trk_node *next = trunk_candidate(g);
        if (next && next != now)
            set_trunk_server(srv, g, next->id);
    }
}

static int name_trunk_server(struct trk_call *c, struct trk_group *g, struct str tail)
{
    char id[DFS_ID_MAX];
    int r = trk_take_id(tail, id);
    if (r < 0)
        return r;
    if (trunk_alive(g))
        return strcmp(g->trunk_server, id) == 0 ? -EALREADY : -EEXIST;
    const struct trk_node *n = trk_node_find(g, id);
    if (!n)
        return -ENOENT;
    if (n->status != DFS_ST_ACTIVE)
        return -ENONET;
    if (!trk_node_writable(n))
        return -EACCES;
    set_trunk_server(c->srv, g, id);
    return 0;
}

int trk_set_trunk_server(struct trk_call *c)
{
    struct trk_group *g;
    struct str tail;
    if (!trk_is_leader(c->srv) || !c->srv->o.select.use_trunk)
        return -EOPNOTSUPP;
    int r = trk_take_group(c, &g, &tail);
    if (r < 0)
        return r;
    if (tail.n > 0) {
        r = name_trunk_server(c, g, tail);
    } else if (!trunk_alive(g)) {
        const struct trk_node *n = trunk_candidate(g);
        r = n ? 0 : -ENOENT;
        if (n)
            set_trunk_server(c->srv, g, n->id);
    }
    if (r < 0)
        return r;
    buf_add(c->out, g->trunk_server, strlen(g->trunk_server) + 1);
    return 0;
}

/* --- statistics (5.13) ---------------------------------------------------------------------- */

static void put_tracker(struct trk_call *c, unsigned i, const struct dfs_stat_trackers_req *m,
                        unsigned *count)
{
    struct trk_server *srv = c->srv;
    const struct trk_peer_stat *p = &srv->peer_stat[i];
    bool me = (int)i == srv->me;
    struct dfs_tracker_stat s = {
        .is_leader = me,
        .is_active = me || dfs_now_s() - p->beat_s <= ACTIVE_S,
        .conns_allocated = me ? srv->conns_limit : p->conns_allocated,
        .conns_current = p->conns_current,
        .conns_max = p->conns_max,
        .up_time = me ? srv->up_s : p->up_time_s,
        .last_heartbeat = me ? dfs_now_s() : p->beat_s,
    };
    if (((m->filter & 1) && s.is_active != m->active) ||
        ((m->filter & 2) && s.is_leader != m->leader))
        return;
    if (me && srv->conns)
        srv->conns(srv->conns_arg, &s.conns_current, &s.conns_max);
    memcpy(s.host, srv->trackers[i], strlen(srv->trackers[i]));
    const char *version = me ? DFS_PROTOCOL_VERSION : p->version;
    memcpy(s.version, version, strlen(version));
    dfs_tracker_stat_put(c->out, &s);
    (*count)++;
}

int trk_stat_trackers(struct trk_call *c)
{
    struct dfs_stat_trackers_req m;
    int r = dfs_stat_trackers_req_get(c->body, &m);
    if (r < 0)
        return r;
    if (!trk_is_leader(c->srv))
        return -EOPNOTSUPP;
    unsigned count = 0;
    size_t at = c->out->n;
    buf_u8(c->out, 0);
    for (unsigned i = 0; i < c->srv->tracker_count; i++)
        put_tracker(c, i, &m, &count);
    if (!buf_err(c->out))
        c->out->p[at] = (char)count;
    return 0;
}

static bool wanted(const struct dfs_stat_storages_req *m, const struct dfs_storage_stat *s)
{
    if ((m->filter & 1) && !s->is_trunk_server != !m->is_trunk_server)
        return false;
    if (m->filter & 2)
        return (s->status == m->status) == (m->op == '=');
    return true;
}

static unsigned put_storage_stat(struct trk_call *c, const struct dfs_stat_storages_req *m,
                                 const struct trk_node *n)
{
    struct dfs_storage_stat s = {
        .is_trunk_server = n->group->trunk_server[0] && strcmp(n->group->trunk_server, n->id) == 0,
        .status = n->status,
        .conns_allocated = n->stat.conns_allocated,
        .conns_current = n->stat.conns_current,
        .conns_max = n->stat.conns_max,
        .up_time = n->up_time,
        .last_heartbeat = n->beat_s,
    };
    if (!wanted(m, &s))
        return 0;
    memcpy(s.id, n->id, strlen(n->id));
    char host[DFS_HOST_MAX];
    trk_host_text(trk_node_ip_for(n, c->s->peer_ip), n->port, host);
    memcpy(s.host, host, strlen(host));
    memcpy(s.version, n->version, strlen(n->version));
    dfs_storage_stat_put(c->out, &s);
    return 1;
}

/* The count stands in front of the records: write them first, then put it where it belongs. */
static void set_count(struct buf *out, size_t at, unsigned count)
{
    for (int i = 0; !buf_err(out) && i < 4; i++)
        out->p[at + (size_t)i] = (char)(count >> (24 - 8 * i));
}

int trk_stat_storages(struct trk_call *c)
{
    struct dfs_stat_storages_req m;
    int r = dfs_stat_storages_req_get(c->body, &m);
    if (r < 0)
        return r;
    if ((m.filter & 2) && m.op != '=' && m.op != '!')
        return -EINVAL;
    struct dfs_stat_storages_rsp head = {c->srv->o.use_storage_id, c->srv->o.select.use_trunk, 0};
    dfs_stat_storages_rsp_put(c->out, &head);
    unsigned count = 0;
    for (unsigned i = 0; i < c->srv->cluster.n; i++) {
        const struct trk_group *g = c->srv->cluster.groups[i];
        for (unsigned j = 0; j < g->n; j++)
            count += put_storage_stat(c, &m, g->nodes[j]);
    }
    set_count(c->out, 2, count);
    return 0;
}

static unsigned put_volume(struct trk_call *c, const struct dfs_stat_volumes_req *m,
                           const struct trk_group *g)
{
    const struct trk_select_opts *o = &c->srv->o.select;
    struct dfs_volume_stat v = {.trunk_free_mb = g->trunk_free_mb};
    memcpy(v.group, g->name, strlen(g->name));
    trk_group_space(g, &v.total_mb, &v.free_mb);
    v.reserved_mb = trk_reserved_mb(o, v.total_mb);
    v.available_mb = MAX(v.free_mb - v.reserved_mb, 0);
    v.disk_available = trk_space_ok(o, v.total_mb, v.free_mb);
    v.trunk_available = o->use_trunk && g->trunk_free_mb > 0 &&
                        trk_space_ok(o, v.total_mb, v.free_mb + g->trunk_free_mb);
    bool either = v.disk_available || v.trunk_available;
    if (((m->filter & 1) && v.disk_available != !!m->disk) ||
        ((m->filter & 2) && v.trunk_available != !!m->trunk) ||
        ((m->filter & 4) && either != !!m->either))
        return 0;
    dfs_volume_stat_put(c->out, &v);
    return 1;
}

int trk_stat_volumes(struct trk_call *c)
{
    struct dfs_stat_volumes_req m;
    int r = dfs_stat_volumes_req_get(c->body, &m);
    if (r < 0)
        return r;
    struct dfs_stat_volumes_rsp head = {c->srv->o.select.use_trunk, 0};
    dfs_stat_volumes_rsp_put(c->out, &head);
    unsigned count = 0;
    for (unsigned i = 0; i < c->srv->cluster.n; i++)
        count += put_volume(c, &m, c->srv->cluster.groups[i]);
    set_count(c->out, 1, count);
    return 0;
}
