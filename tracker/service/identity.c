/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Who is who: addresses, numbers, groups of servers.
 * Rule: protocol 6.10; semantics 15, 2.9.
 */
#include "dfscore/fileid/fileid.h"
#include "tracker/service/server.h"

static void put_text(struct trk_call *c, const char *z)
{
    buf_add(c->out, z, strlen(z));
}

int trk_my_address(struct trk_call *c)
{
    struct dfs_my_address_req m;
    int r = dfs_my_address_req_get(c->body, &m);
    if (r < 0)
        return r;
    const struct trk_id *e = NULL;
    if (c->srv->o.use_storage_id && m.port > 0 && m.port <= 65535)
        e = trk_ids_find_ip(c->srv->o.ids, m.group, c->s->peer_ip, (uint16_t)m.port);
    if (!e) {
        put_text(c, c->s->peer_ip);
        return 0;
    }
    put_text(c, e->ip[0]);
    if (e->ip[1][0]) {
        buf_addc(c->out, ',');
        put_text(c, e->ip[1]);
    }
    return 0;
}

/* "group 16" and "ip:port"; a port must be there. */
static int take_host(struct trk_call *c, struct dfs_group *g, struct dfs_addr *a)
{
    struct str text;
    int r = dfs_group_head(c->body, g, &text);
    if (r == 0)
        r = dfs_addr_parse(text, 0, a);
    return r == 0 && strlen(a->host) < DFS_IP_MAX ? 0 : -EINVAL;
}

int trk_server_id(struct trk_call *c)
{
    struct dfs_group g;
    struct dfs_addr a;
    int r = take_host(c, &g, &a);
    if (r < 0)
        return r;
    if (c->srv->o.use_storage_id) {
        const struct trk_id *e = trk_ids_find_ip(c->srv->o.ids, g.group, a.host, a.port);
        if (!e)
            return -ENOENT;
        put_text(c, e->id);
    } else if (strchr(a.host, ':')) {
        char code[13];
        dfs_ipv6_short_code(str_c(a.host), code);
        put_text(c, code);
    } else {
        put_text(c, a.host);
    }
    return 0;
}

int trk_server_status(struct trk_call *c)
{
    struct dfs_group name;
    struct dfs_addr a;
    int r = take_host(c, &name, &a);
    if (r < 0)
        return r;
    const struct trk_group *g = trk_group_find(&c->srv->cluster, name.group);
    if (!g)
        return -ENOENT;
    const struct trk_node *n;
    if (c->srv->o.use_storage_id) {
        const struct trk_id *e = trk_ids_find_ip(c->srv->o.ids, g->name, a.host, a.port);
        n = e ? trk_node_find(g, e->id) : NULL;
    } else {
        n = trk_node_find_ip(g, a.host, 0);
    }
    if (!n)
        return -ENOENT;
    struct dfs_brief b;
    trk_node_brief(n, &b);
    dfs_brief_put(c->out, &b);
    return 0;
}

int trk_group_of_server(struct trk_call *c)
{
    if (!c->srv->o.use_storage_id)
        return -EOPNOTSUPP;
    struct str text = str_head(c->body, c->body.n - sizeof(int32_t));
    struct rd r = rd_of(str_from(c->body, text.n));
    uint32_t port = rd_u32(&r);
    char ip[DFS_IP_MAX];
    if (text.n == 0)
        text = str_c(c->s->peer_ip);
    if (dfs_text_set(ip, sizeof(ip), text) < 0 || port == 0 || port > 65535)
        return -EINVAL;
    const struct trk_id *e = trk_ids_find_ip(c->srv->o.ids, NULL, ip, (uint16_t)port);
    if (!e)
        return -ENOENT;
    struct dfs_group g = {0};
    memcpy(g.group, e->group, strlen(e->group));
    dfs_group_put(c->out, &g);
    return 0;
}
