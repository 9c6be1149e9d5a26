/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What trackers say to each other, and what storages and clients ask about leaders.
 *
 * FastDFS's own election (66, 67) has no quorum. Its messages are answered as its golden recordings
 * have them, but they never make or unmake a leader here; elections are held with command 200.
 * Rule: protocol 5.10, 6.16, 7; semantics 5, 6.
 */
#include "tracker/service/server.h"

#include "dfscore/base/clock.h"
#include "dfscore/log/log.h"
#include "tracker/state/sysfiles.h"

static int64_t step(int64_t s)
{
    return MAX(s, 0) / TRK_STATUS_STEP_S * TRK_STATUS_STEP_S;
}

int trk_tracker_status(struct trk_call *c)
{
    const struct trk_server *srv = c->srv;
    if (srv->cluster.n == 0)
        return -ENOENT;
    struct dfs_tracker_status_rsp m = {
        .is_leader = trk_is_leader(srv),
        .running_s = step(dfs_now_s() - srv->up_s),
        .restart_interval_s = step(srv->restart_interval_s),
    };
    dfs_tracker_status_rsp_put(c->out, &m);
    return 0;
}

int trk_get_leader(struct trk_call *c)
{
    trk_leader_update(c->srv);
    if (!c->srv->leader[0])
        return -ENOENT;
    buf_add(c->out, c->srv->leader, strlen(c->srv->leader));
    return 0;
}

/* --- FastDFS's election --------------------------------------------------------------------- */

/* The tracker named in the body: its index, -EINVAL malformed, -ENOENT not one of ours. */
static int named_tracker(struct trk_call *c)
{
    struct dfs_addr a;
    char host[DFS_HOST_MAX] = "";
    if (c->body.n >= DFS_HOST_MAX || dfs_addr_parse(c->body, 0, &a) < 0 ||
        strlen(a.host) >= DFS_IP_MAX || a.port == 0)
        return -EINVAL;
    trk_host_text(a.host, a.port, host);
    for (unsigned i = 0; i < c->srv->tracker_count; i++) {
        if (strcmp(c->srv->trackers[i], host) == 0)
            return (int)i;
    }
    return trk_is_own(c->srv, &a) && c->srv->me >= 0 ? c->srv->me : -ENOENT;
}

static int confirm_leader(struct trk_call *c)
{
    int named = named_tracker(c);
    if (named < 0)
        return named;
    return named == trk_election_leader(c->srv->election, dfs_mono_ms()) ? 0 : -EINVAL;
}

int trk_notify_leader(struct trk_call *c)
{
    return confirm_leader(c);
}

int trk_commit_leader(struct trk_call *c)
{
    return confirm_leader(c);
}

int trk_reselect_leader(struct trk_call *c)
{
    if (!trk_is_leader(c->srv))
        return -EOPNOTSUPP;
    dfs_log(LOG_WARN, "tracker.leader_asked_to_step_down", KV_Z("by", c->s->peer_ip));
    trk_election_step_down(c->srv->election, dfs_mono_ms());
    trk_leader_update(c->srv);
    return 0;
}

/* 58: a follower of FastDFS's kind binds its connection, to ping on it. */
int trk_join_leader(struct trk_call *c)
{
    struct dfs_join_leader_req m;
    int r = dfs_join_leader_req_get(c->body, &m);
    if (r < 0)
        return r;
    if (!trk_is_leader(c->srv))
        return -EOPNOTSUPP;
    if (c->s->tracker >= 0)
        return -EEXIST;
    char host[DFS_HOST_MAX] = "";
    if (m.port <= 0 || m.port > 65535)
        return -ENOENT;
    trk_host_text(c->s->peer_ip, (uint16_t)m.port, host);
    for (unsigned i = 0; i < c->srv->tracker_count; i++) {
        if (strcmp(c->srv->trackers[i], host) != 0 || (int)i == c->srv->me)
            continue;
        struct trk_peer_stat *p = &c->srv->peer_stat[i];
        c->s->tracker = (int)i;
        c->s->told_trunks = 0;
        memcpy(p->version, m.version, sizeof(p->version));
        p->up_time_s = m.up_time;
        p->beat_s = dfs_now_s();
        return 0;
    }
    return -ENOENT;
}

int trk_ping_leader(struct trk_call *c)
{
    struct dfs_ping_leader_req m;
    struct trk_server *srv = c->srv;
    if (!trk_is_leader(srv))
        return -EOPNOTSUPP;
    int r = dfs_ping_leader_req_get(c->body, &m);
    if (r < 0)
        return r;
    /* The list may have become shorter or another since the connection was bound. */
    if (c->s->tracker < 0 || (unsigned)c->s->tracker >= srv->tracker_count)
        return -EINVAL;
    struct trk_peer_stat *p = &srv->peer_stat[c->s->tracker];
    p->conns_allocated = m.conns_allocated;
    p->conns_current = m.conns_current;
    p->conns_max = m.conns_max;
    p->beat_s = dfs_now_s();
    if (c->s->told_trunks == srv->trunks_version)
        return 0;
    for (unsigned i = 0; i < srv->cluster.n; i++) {
        const struct trk_group *g = srv->cluster.groups[i];
        struct dfs_trunk_server t = {0};
        memcpy(t.group, g->name, strlen(g->name));
        memcpy(t.id, g->trunk_server, strlen(g->trunk_server));
        dfs_trunk_server_put(c->out, &t);
    }
    c->s->told_trunks = srv->trunks_version;
    return 0;
}

/* --- system files (7.5) --------------------------------------------------------------------- */

/*
 * One reader at a time, as in the reference; but the files are copies, so nobody else waits, and
 * the second reader is told EBUSY at once (7.5 [Q]).
 */
int trk_sys_start(struct trk_call *c)
{
    struct trk_server *srv = c->srv;
    if (srv->cluster.n == 0)
        return -ENOENT;
    if (srv->sys_holder && srv->sys_holder != c->s->id)
        return -EBUSY;
    for (int i = 0; i < TRK_SYS_FILES; i++) {
        buf_reset(&srv->sys_file[i]);
        trk_sysfile(&srv->cluster, i, srv->o.use_storage_id, &srv->sys_file[i]);
        if (buf_err(&srv->sys_file[i]))
            return buf_err(&srv->sys_file[i]);
    }
    srv->sys_holder = c->s->id;
    return 0;
}

int trk_sys_end(struct trk_call *c)
{
    if (c->srv->sys_holder == c->s->id)
        c->srv->sys_holder = 0;
    return 0;
}

int trk_sys_read(struct trk_call *c)
{
    struct dfs_sys_read_req m;
    int r = dfs_sys_read_req_get(c->body, &m);
    if (r < 0)
        return r;
    if (c->srv->sys_holder != c->s->id)
        return -EACCES;
    if (m.index >= TRK_SYS_FILES || m.offset < 0)
        return -EINVAL;
    struct str file = buf_str(&c->srv->sys_file[m.index]);
    if ((uint64_t)m.offset > file.n)
        return -EINVAL;
    buf_u64(c->out, file.n);
    buf_adds(c->out, str_head(str_from(file, (size_t)m.offset), TRK_SYS_CHUNK));
    return 0;
}

/* --- our own -------------------------------------------------------------------------------- */

void trk_put_stat(const struct trk_server *srv, struct buf *b)
{
    int32_t now = 0, most = 0;
    if (srv->conns)
        srv->conns(srv->conns_arg, &now, &most);
    buf_u64(b, (uint64_t)srv->up_s);
    buf_u32(b, (uint32_t)srv->conns_limit);
    buf_u32(b, (uint32_t)now);
    buf_u32(b, (uint32_t)most);
}

int trk_get_stat(struct rd *r, struct trk_peer_stat *ret)
{
    struct trk_peer_stat s = {.beat_s = dfs_now_s(), .version = DFS_PROTOCOL_VERSION};
    s.up_time_s = (int64_t)rd_u64(r);
    s.conns_allocated = (int32_t)rd_u32(r);
    s.conns_current = (int32_t)rd_u32(r);
    s.conns_max = (int32_t)rd_u32(r);
    if (r->bad)
        return -EINVAL;
    *ret = s;
    return 0;
}

/* TRK_CMD_ELECTION, see peercmd.h. */
int trk_peer_message(struct trk_call *c)
{
    struct trk_server *srv = c->srv;
    struct rd r = rd_of(c->body);
    struct str host = rd_lstr(&r);
    struct trk_emsg m, reply;
    struct trk_peer_stat stat;
    if (trk_emsg_get(&r, &m) < 0 || trk_get_stat(&r, &stat) < 0)
        return -EINVAL;
    if (srv->me < 0)
        return -EAGAIN; /* nobody has told us who we are */
    int from = -1;
    for (unsigned i = 0; i < srv->tracker_count; i++) {
        if (str_eq(host, str_c(srv->trackers[i])))
            from = (int)i;
    }
    if (from < 0 || from == srv->me)
        return -ENOENT;
    srv->peer_stat[from] = stat;
    trk_election_request(srv->election, dfs_mono_ms(), from, &m, &reply);
    trk_leader_update(srv);
    trk_emsg_put(c->out, &reply);
    trk_put_stat(srv, c->out);
    return 0;
}

int trk_peer_state(struct trk_call *c)
{
    buf_u8(c->out, c->srv->catching_up);
    (void)trk_rec_all(c->out, &c->srv->cluster, NULL);
    return 0;
}
