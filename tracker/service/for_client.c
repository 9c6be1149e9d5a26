/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What clients ask before they go to a storage: where to write, where to read, how the cluster is
 * set. Rule: protocol 5.1-5.3, 5.11, 6.11; semantics 4.4, 4.5.
 */
#include "tracker/service/server.h"

#include "dfscore/base/clock.h"
#include "dfscore/wire/internal.h"

/* --- where to write ------------------------------------------------------------------------- */

static void put_entry(struct trk_call *c, const struct trk_node *n)
{
    struct dfs_server_entry e = {.port = n->port};
    const char *ip = trk_node_ip_for(n, c->s->peer_ip);
    size_t width = c->srv->o.ipw == DFS_IPW6 ? 45 : 15;
    for (int i = 0; strlen(ip) > width && i < 2; i++)
        ip = n->ip[i]; /* an IPv6 address has no place in a narrow answer: try the other one */
    if (strlen(ip) <= width)
        memcpy(e.ip, ip, strlen(ip));
    dfs_server_entry_put(c->out, c->srv->o.ipw, &e);
}

static void put_group(struct trk_call *c, const char *name)
{
    struct dfs_group g = {0};
    memcpy(g.group, name, strlen(name));
    dfs_group_put(c->out, &g);
}

static int store(struct trk_call *c, const char *group, bool all)
{
    struct trk_target t;
    int r = trk_select_store(&c->srv->cluster, &c->srv->o.select, group, &t);
    if (r < 0)
        return r;
    put_group(c, t.group->name);
    /* The path index belongs to the first of the list (5.2). */
    put_entry(c, t.node);
    for (unsigned i = 0; all && i < t.group->n; i++) {
        const struct trk_node *n = t.group->nodes[i];
        if (n != t.node && trk_node_writable(n))
            put_entry(c, n);
    }
    buf_u8(c->out, (uint8_t)t.path);
    return 0;
}

static int store_in_group(struct trk_call *c, bool all)
{
    struct trk_group *g;
    struct str tail;
    int r = trk_take_group(c, &g, &tail);
    return r < 0 ? r : store(c, g->name, all);
}

int trk_query_store(struct trk_call *c)
{
    return store(c, NULL, false);
}

int trk_query_store_all(struct trk_call *c)
{
    return store(c, NULL, true);
}

int trk_query_store_group(struct trk_call *c)
{
    return store_in_group(c, false);
}

int trk_query_store_group_all(struct trk_call *c)
{
    return store_in_group(c, true);
}

/* --- where to read -------------------------------------------------------------------------- */

static int fetch(struct trk_call *c, bool all)
{
    struct trk_group *g;
    struct trk_node *found[DFS_SERVERS_MAX];
    struct str filename;
    size_t n;
    int r = trk_take_group(c, &g, &filename);
    if (r < 0)
        return r;
    r = trk_select_fetch(g, &c->srv->o.select, filename, dfs_now_s(), all, found, &n);
    if (r < 0)
        return r;
    put_group(c, g->name);
    for (size_t i = 0; i < n; i++) {
        size_t before = c->out->n;
        put_entry(c, found[i]);
        /* The form up to 6.15 has the address alone after the first (5.3). */
        if (i > 0 && c->srv->o.old_fetch_all && !buf_err(c->out)) {
            ASSERT(c->out->n - before > sizeof(uint64_t));
            c->out->n -= sizeof(uint64_t);
        }
    }
    return 0;
}

int trk_query_fetch(struct trk_call *c)
{
    return fetch(c, false);
}

int trk_query_fetch_all(struct trk_call *c)
{
    return fetch(c, true);
}

int trk_query_update(struct trk_call *c)
{
    struct trk_group *g;
    struct trk_node *n;
    struct str filename;
    int r = trk_take_group(c, &g, &filename);
    if (r < 0)
        return r;
    r = trk_select_update(g, &c->srv->o.select, filename, &n);
    if (r < 0)
        return r;
    put_group(c, g->name);
    put_entry(c, n);
    return 0;
}

/* --- settings ------------------------------------------------------------------------------- */

int trk_parameters(struct trk_call *c)
{
    buf_adds(c->out, c->srv->o.params);
    if (c->status & DFS_PARAMETERS_OURS)
        buf_addf(c->out, "check_active_interval=%llu\n",
                 (unsigned long long)c->srv->o.check_active_ms / 1000);
    return 0;
}

/* As many lines as fit well into one answer; the requester asks for the rest. */
int trk_storage_ids(struct trk_call *c)
{
    enum { LINES_BYTES = 8192 };
    const struct trk_ids *ids = c->srv->o.ids;
    struct dfs_storage_ids_req m;
    int r = dfs_storage_ids_req_get(c->body, &m);
    if (r < 0)
        return r;
    if (!c->srv->o.use_storage_id) {
        if (!m.allow_empty)
            return -EOPNOTSUPP;
        buf_u64(c->out, 0);
        return 0;
    }
    if (m.start < 0 || (size_t)m.start >= ids->n)
        return -EINVAL;
    AUTO(buf_free) struct buf lines = BUF(2 * LINES_BYTES);
    size_t i = (size_t)m.start;
    for (; i < ids->n && lines.n < LINES_BYTES; i++)
        trk_id_line(&ids->v[i], &lines);
    if (buf_err(&lines))
        return buf_err(&lines);
    struct dfs_storage_ids_rsp rsp = {.total = (int32_t)ids->n, .count = (int32_t)i - m.start};
    dfs_storage_ids_rsp_put(c->out, &rsp);
    buf_adds(c->out, buf_str(&lines));
    return 0;
}
