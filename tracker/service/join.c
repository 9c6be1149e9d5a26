/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A storage joins (81), or says that its address has changed (78).
 *
 * A join is decided completely before anything is changed, so that a refused one leaves no trace
 * (the reference leaves empty groups and tracker entries behind, protocol 6.1 [Q]).
 *
 * Rule: protocol 6.1, 6.14; semantics 4.2, 16.
 */
#include <arpa/inet.h>

#include "dfscore/base/clock.h"
#include "dfscore/fileid/fileid.h"
#include "dfscore/log/log.h"
#include "tracker/service/server.h"

enum { TRACKER_PORT = 22122, LINE_MAX = 100 };

struct join {
    struct dfs_join_req m;
    struct dfs_addr trackers[DFS_TRACKERS_MAX];
    size_t tracker_count;
    char id[DFS_ID_MAX];
    char ip[2][DFS_IP_MAX];
    uint8_t rw_mode;
    struct trk_group *g; /* NULL: to be made */
    struct trk_node *n;  /* NULL: to be made */
    int64_t group_port;  /* after this join */
    unsigned group_paths;
    bool reborn; /* it began empty after the record was written: what was said of it then is void */
};

/* --- what it says --------------------------------------------------------------------------- */

/* "host:port", "host1,host2:port", "[h1,h2]:port", leniently (6.1): the first host counts. */
static void parse_tracker(struct str line, struct dfs_addr *ret)
{
    struct str hosts = line, port = STR_NULL, first, rest;
    memset(ret, 0, sizeof(*ret));
    if (str_starts(line, STR("["))) {
        str_cut(str_from(line, 1), ']', &hosts, &rest);
        if (str_starts(rest, STR(":")))
            port = str_from(rest, 1);
    } else {
        str_cut(line, ':', &hosts, &port);
    }
    str_cut(hosts, ',', &first, &rest);
    first = str_trim(first);
    uint64_t number = 0;
    if (str_u64(str_trim(port), 65535, &number) < 0 || number == 0)
        number = TRACKER_PORT;
    ret->port = (uint16_t)number;
    if (first.n < DFS_IP_MAX)
        memcpy(ret->host, first.p, first.n);
    char ip[DFS_IP_TEXT] = "";
    if (dfs_ip_text(ret->host, ip))
        memcpy(ret->host, ip, sizeof(ip));
}

static int parse_trackers(struct join *j, struct str text)
{
    struct str line;
    if (text.n == 0 || text.p[text.n - 1] != '\n')
        return -EINVAL;
    text.n--;
    while (str_split(&text, '\n', &line)) {
        if (j->tracker_count >= (size_t)j->m.tracker_count || line.n > LINE_MAX)
            return -EINVAL;
        parse_tracker(line, &j->trackers[j->tracker_count++]);
    }
    return j->tracker_count == (size_t)j->m.tracker_count ? 0 : -EINVAL;
}

static int parse(struct trk_call *c, struct join *j)
{
    struct str tail;
    memset(j, 0, sizeof(*j));
    int r = dfs_join_req_head(c->body, &j->m, &tail);
    if (r < 0)
        return r;
    const struct dfs_join_req *m = &j->m;
    if (!dfs_group_ok(str_c(m->group)) || m->port <= 0 || m->port > 65535 || m->path_count <= 0 ||
        m->path_count > DFS_PATHS_MAX || m->subdir_count <= 0 || m->subdir_count > 256 ||
        m->tracker_count <= 0 || m->tracker_count > DFS_TRACKERS_MAX)
        return -EINVAL;
    if (tail.n > (size_t)m->tracker_count * LINE_MAX)
        return -EINVAL;
    return parse_trackers(j, tail);
}

/* --- who it is ------------------------------------------------------------------------------ */

static int find_by_number(struct trk_call *c, struct join *j)
{
    const struct trk_server_opts *o = &c->srv->o;
    const struct trk_id *e;
    if (o->trust_id && j->m.id[0]) {
        e = trk_ids_find(o->ids, j->m.id);
        if (e && strcmp(e->group, j->m.group) != 0)
            return -EINVAL;
    } else {
        e = trk_ids_find_ip(o->ids, j->m.group, c->s->peer_ip, (uint16_t)j->m.port);
    }
    if (!e)
        return -ENOENT;
    memcpy(j->id, e->id, sizeof(j->id));
    memcpy(j->ip, e->ip, sizeof(j->ip));
    j->rw_mode = e->rw_mode;
    return 0;
}

static int identify(struct trk_call *c, struct join *j)
{
    const char *ip = c->s->peer_ip;
    j->rw_mode = DFS_RW_BOTH;
    if (c->srv->o.use_storage_id)
        return find_by_number(c, j);
    if (!ip[0] || strlen(ip) >= DFS_IP_MAX)
        return -EINVAL;
    memcpy(j->ip[0], ip, strlen(ip));
    if (strchr(ip, ':')) {
        char code[13];
        dfs_ipv6_short_code(str_c(ip), code);
        memcpy(j->id, code, sizeof(code));
    } else if (strlen(ip) < DFS_ID_MAX) {
        memcpy(j->id, ip, strlen(ip));
    } else {
        return -EINVAL;
    }
    return 0;
}

/* --- may it --------------------------------------------------------------------------------- */

/* All other members have this port. */
static bool others_have_port(const struct join *j)
{
    for (unsigned i = 0; i < j->g->n; i++) {
        const struct trk_node *n = j->g->nodes[i];
        if (n != j->n && trk_status_member(n->status) && n->port != j->m.port)
            return false;
    }
    return true;
}

static bool others_have_paths(const struct join *j)
{
    for (unsigned i = 0; i < j->g->n; i++) {
        const struct trk_node *n = j->g->nodes[i];
        if (n != j->n && trk_status_member(n->status) && n->path_count != j->m.path_count)
            return false;
    }
    return true;
}

static int check_port(struct trk_call *c, struct join *j)
{
    /* Two processes of one address: the one that is connected keeps the record. */
    if (j->n && j->n->session && j->n->session != c->s->id && j->n->port != j->m.port)
        return -EINVAL;
    j->group_port = j->m.port;
    if (!j->g || j->g->port == 0 || j->g->port == j->m.port || others_have_port(j))
        return 0;
    if (!c->srv->o.use_storage_id || !c->srv->o.ids_in_names)
        return -EINVAL;
    j->group_port = -1;
    return 0;
}

static int check_paths(struct join *j)
{
    j->group_paths = (unsigned)j->m.path_count;
    if (!j->g || j->g->path_count == 0 || others_have_paths(j))
        return 0;
    if (j->m.path_count < j->g->path_count)
        return -EINVAL;
    j->group_paths = j->g->path_count;
    return 0;
}

static int check_newcomer(const struct join *j)
{
    if (j->n)
        return 0;
    if (j->g && j->g->n >= DFS_SERVERS_MAX)
        return -ENOSPC;
    uint8_t claimed = j->m.status;
    if (!j->m.init_flag && (!trk_status_valid(claimed) || !trk_status_member(claimed)))
        return -EFAULT;
    return 0;
}

static int check(struct trk_call *c, struct join *j)
{
    j->g = trk_group_find(&c->srv->cluster, j->m.group);
    j->n = j->g ? trk_node_find(j->g, j->id) : NULL;
    if (j->n && j->n->session > c->s->id)
        return -EACCES; /* sent before the one that it joined with on a newer connection */
    int r = check_port(c, j);
    if (r == 0)
        r = check_newcomer(j);
    if (r == 0)
        r = check_paths(j);
    if (r == 0 && j->g && j->g->subdir_count && j->g->subdir_count != j->m.subdir_count)
        r = -EINVAL;
    return r;
}

/* --- taking it in --------------------------------------------------------------------------- */

/* The session may have been another server's before. */
static void leave_old(struct trk_call *c, const struct trk_node *now)
{
    const struct trk_group *g =
        c->s->node[0] ? trk_group_find(&c->srv->cluster, c->s->group) : NULL;
    struct trk_node *old = g ? trk_node_find(g, c->s->node) : NULL;
    if (old && old != now && old->session == c->s->id) {
        old->session = 0;
        trk_node_event(&c->srv->cluster, old, TRK_EV_LOST);
    }
}

static void set_group(struct trk_call *c, struct join *j)
{
    struct trk_group *g = j->g;
    if (g->port == j->group_port && g->path_count == j->group_paths &&
        g->subdir_count == j->m.subdir_count)
        return;
    g->port = j->group_port;
    g->path_count = j->group_paths;
    g->subdir_count = (unsigned)j->m.subdir_count;
    trk_group_changed(&c->srv->cluster, g);
}

static void set_node(struct trk_call *c, struct join *j)
{
    struct trk_node *n = j->n, was = *n;
    const struct dfs_join_req *m = &j->m;
    memcpy(n->ip, j->ip, sizeof(n->ip));
    n->port = (uint16_t)m->port;
    n->rw_mode = j->rw_mode;
    memcpy(n->version, m->version, sizeof(n->version));
    n->join_time = m->join_time;
    n->up_time = m->up_time;
    n->upload_priority = m->upload_priority;
    if (n->path_count != m->path_count) {
        free(n->paths);
        n->paths = NULL;
        n->total_mb = n->free_mb = 0;
        n->slow_paths = 0;
        n->write_path = 0;
        n->path_count = (unsigned)m->path_count;
    }
    n->beat_ms = dfs_mono_ms();
    n->told_members = 0; /* at every join, unlike the reference (6.4 [Q]) */
    n->told_trunk = 0;
    if (memcmp(was.ip, n->ip, sizeof(n->ip)) != 0 || was.port != n->port)
        n->group->members_version++;
    if (memcmp(was.ip, n->ip, sizeof(n->ip)) != 0 || was.port != n->port ||
        was.join_time != n->join_time || was.up_time != n->up_time ||
        was.upload_priority != n->upload_priority || was.path_count != n->path_count)
        trk_node_changed(&c->srv->cluster, n);
}

/* Semantics 4.2, 9 to 11. */
static void set_status(struct trk_call *c, struct join *j, bool newcomer)
{
    struct trk_cluster *cl = &c->srv->cluster;
    struct trk_node *n = j->n;
    bool gone = !trk_status_member(n->status);
    if (newcomer && !j->m.init_flag && j->m.status > 0) {
        trk_node_set_status(cl, n, j->m.status == DFS_ST_ACTIVE ? DFS_ST_ONLINE : j->m.status);
    } else if (!newcomer && gone && !j->m.init_flag && !j->reborn) {
        n->refill = true; /* what it holds has missed operations since it was removed */
        trk_node_changed(cl, n);
    }
    if (j->m.status == DFS_ST_RECOVERY && !j->m.init_flag && trk_status_complete(n->status))
        trk_node_set_status(cl, n, DFS_ST_RECOVERY);
    else if (j->m.status != DFS_ST_RECOVERY || n->status != DFS_ST_RECOVERY)
        trk_node_event(cl, n, j->m.init_flag ? TRK_EV_JOIN_EMPTY : TRK_EV_JOIN);
    if (n->status == DFS_ST_INIT)
        n->log_next = cl->log_first + cl->log_n;
}

static int admit(struct trk_call *c, struct join *j)
{
    struct trk_cluster *cl = &c->srv->cluster;
    bool newcomer = !j->n;
    int r = j->g ? 0 : trk_group_get(cl, j->m.group, &j->g);
    if (r == 0 && newcomer)
        r = trk_node_add(cl, j->g, j->id, &j->n);
    if (r < 0)
        return r;
    leave_old(c, j->n);
    set_group(c, j);
    j->reborn = !newcomer && j->n->join_time != 0 && j->n->join_time != j->m.join_time;
    set_node(c, j);
    set_status(c, j, newcomer);
    j->n->session = c->s->id;
    memcpy(c->s->group, j->g->name, sizeof(c->s->group));
    memcpy(c->s->node, j->n->id, sizeof(c->s->node));
    c->s->log_open = false;
    c->s->told_leader = 0;
    return 0;
}

/*
 * One who knows nothing, perhaps because it lost its disk, must not tell a storage that it is the
 * first of its group: the other trackers of the storage's list may know better (semantics 4.2, 1).
 */
static int ask_peers_first(struct trk_call *c, const struct join *j)
{
    struct trk_server *srv = c->srv;
    if (srv->cluster.n == 0 && !srv->trackers_fixed && !srv->asked_peers) {
        trk_trackers_learn(srv, c->s, j->m.tracker_ip, j->trackers, j->tracker_count);
        srv->asked_peers = true;
        srv->catching_up = srv->tracker_count > 1;
    }
    return srv->catching_up ? -EAGAIN : 0;
}

int trk_join(struct trk_call *c)
{
    struct trk_server *srv = c->srv;
    struct join j;
    int r = parse(c, &j);
    if (r < 0)
        return r;
    r = trk_trackers_check(srv, c->s, j.m.tracker_ip, j.trackers, j.tracker_count);
    if (r == 0)
        r = ask_peers_first(c, &j);
    if (r == 0)
        r = identify(c, &j);
    if (r == 0)
        r = check(c, &j);
    if (r == 0)
        r = admit(c, &j);
    if (r < 0) {
        static struct dfs_log_gate gate;
        if (dfs_log_allow(&gate, 5))
            dfs_log(LOG_WARN, "tracker.join_refused", KV_Z("group", j.m.group),
                    KV_Z("ip", c->s->peer_ip), KV_I64("port", j.m.port), KV_ERR(r));
        return r;
    }
    trk_trackers_learn(srv, c->s, j.m.tracker_ip, j.trackers, j.tracker_count);
    trk_leader_update(srv);
    dfs_log(LOG_INFO, "tracker.storage_joined", KV_Z("group", j.g->name), KV_Z("id", j.n->id),
            KV_Z("ip", j.n->ip[0]), KV_U64("port", j.n->port),
            KV_Z("status", dfs_server_status_name(j.n->status)));
    struct dfs_join_rsp rsp = {.status = j.n->status};
    memcpy(rsp.sync_source, j.n->sync_source, sizeof(j.n->sync_source));
    dfs_join_rsp_put(c->out, &rsp);
    return 0;
}

/* --- a new address (78) --------------------------------------------------------------------- */

/* The new record gets all the old one knew; the old one stays as a pointer for the change log. */
static int move_record(struct trk_call *c, struct trk_node *old, const char *new_ip)
{
    struct trk_cluster *cl = &c->srv->cluster;
    struct trk_group *g = old->group;
    struct trk_node *n = trk_node_find(g, new_ip);
    if (n)
        trk_node_remove(cl, n); /* a deleted one of that address */
    int r = trk_node_add(cl, g, new_ip, &n);
    if (r < 0)
        return r;
    struct trk_node blank = *n;
    *n = *old;
    memcpy(n->id, blank.id, sizeof(n->id));
    n->slot = blank.slot;
    n->next_changed = blank.next_changed;
    n->changed = blank.changed;
    memset(n->ip, 0, sizeof(n->ip));
    memcpy(n->ip[0], new_ip, strlen(new_ip));
    n->session = 0;
    old->paths = NULL;
    old->total_mb = old->free_mb = 0;
    old->slow_paths = 0;
    /* Everybody's position in its operations is a position in the same log. */
    for (unsigned i = 0; i < g->n; i++)
        g->nodes[i]->synced_s[n->slot] = g->nodes[i]->synced_s[old->slot];
    if (strcmp(g->trunk_server, old->id) == 0)
        trk_group_set_trunk_server(cl, g, n->id);
    trk_node_event(cl, old, TRK_EV_MOVED);
    trk_node_changed(cl, old);
    trk_node_changed(cl, n);
    return 0;
}

int trk_ip_changed(struct trk_call *c)
{
    struct dfs_ip_changed_req m;
    int r = dfs_ip_changed_req_get(c->body, &m);
    if (r < 0)
        return r;
    if (c->srv->o.use_storage_id)
        return -EOPNOTSUPP;
    struct in_addr any;
    if (strcmp(m.new_ip, c->s->peer_ip) != 0 || strlen(m.new_ip) >= DFS_ID_MAX ||
        inet_pton(AF_INET, m.new_ip, &any) != 1)
        return -EINVAL;
    struct trk_group *g = trk_group_find(&c->srv->cluster, m.group);
    struct trk_node *old = g && strlen(m.old_ip) < DFS_ID_MAX ? trk_node_find(g, m.old_ip) : NULL;
    if (!old || old->status == DFS_ST_DELETED)
        return -ENOENT;
    if (old->status == DFS_ST_ONLINE || old->status == DFS_ST_ACTIVE ||
        old->status == DFS_ST_RECOVERY)
        return -EBUSY;
    if (old->status == DFS_ST_IP_CHANGED)
        return -EALREADY;
    const struct trk_node *there = trk_node_find(g, m.new_ip);
    if (there && there->status != DFS_ST_DELETED)
        return -EEXIST;
    r = move_record(c, old, m.new_ip);
    if (r < 0)
        return r;
    struct trk_log_line line = {.time_s = dfs_now_s(), .status = DFS_ST_IP_CHANGED};
    memcpy(line.group, g->name, sizeof(line.group));
    memcpy(line.id, m.old_ip, strlen(m.old_ip));
    memcpy(line.arg, m.new_ip, strlen(m.new_ip));
    dfs_log(LOG_INFO, "tracker.storage_moved", KV_Z("group", g->name), KV_Z("from", m.old_ip),
            KV_Z("to", m.new_ip));
    return trk_log_add(&c->srv->cluster, &line);
}
