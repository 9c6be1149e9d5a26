/* SPDX-License-Identifier: Apache-2.0 */
#include "tracker/service/server.h"

#include <arpa/inet.h>

#include "dfscore/base/clock.h"
#include "dfscore/log/log.h"

enum { SYS_FILE_MAX = 16 * 1024 * 1024, CHANGES_MAX = 64 * 1024 * 1024, WAITING_MS = 10000 };
/* A storage tries every second to come back (storage/beat), one of an earlier build every 10 s. */
enum { REJOIN_MS = 15000 };
enum { SNAPSHOT_MAX = 256 * 1024 * 1024 };

int trk_server_new(const struct trk_server_opts *o, struct trk_server **ret)
{
    struct trk_server *srv = dfs_zalloc(sizeof(*srv));
    struct trk_election *e = dfs_zalloc(sizeof(*e));
    if (!srv || !e) {
        free(srv);
        free(e);
        return -ENOMEM;
    }
    srv->magic = TRK_SERVER_MAGIC;
    srv->o = *o;
    srv->election = e;
    srv->me = -1;
    srv->leader_version = 1;
    srv->up_s = dfs_now_s();
    srv->started_ms = dfs_mono_ms();
    trk_lease_init(&srv->lease, srv->started_ms);
    pthread_mutex_init(&srv->lock, NULL);
    trk_cluster_init(&srv->cluster);
    srv->notes = BUF(CHANGES_MAX);
    for (int i = 0; i < TRK_SYS_FILES; i++)
        srv->sys_file[i] = BUF(SYS_FILE_MAX);
    *ret = srv;
    return 0;
}

void trk_server_free(struct trk_server **sp)
{
    struct trk_server *srv = TAKE(*sp);
    if (!srv)
        return;
    CHECK_OBJ(srv, TRK_SERVER_MAGIC);
    trk_cluster_fini(&srv->cluster);
    buf_free(&srv->notes);
    for (int i = 0; i < TRK_SYS_FILES; i++)
        buf_free(&srv->sys_file[i]);
    pthread_mutex_destroy(&srv->lock);
    srv->magic = 0;
    free(srv->election);
    free(srv);
}

void trk_lock(struct trk_server *srv)
{
    CHECK_OBJ(srv, TRK_SERVER_MAGIC);
    pthread_mutex_lock(&srv->lock);
    trk_cluster_now(&srv->cluster, dfs_now_ms() * 1000);
}

uint64_t trk_unlock(struct trk_server *srv)
{
    struct trk_change change;
    uint64_t wait = 0;
    AUTO(buf_free) struct buf records = BUF(CHANGES_MAX);
    while (trk_cluster_next_change(&srv->cluster, &change))
        trk_rec_change(&records, &srv->cluster, &change);
    buf_adds(&records, buf_str(&srv->notes));
    int r = buf_err(&srv->notes) ? buf_err(&srv->notes) : buf_err(&records);
    buf_reset(&srv->notes);
    if (r < 0)
        wait = TRK_CANNOT_SAVE; /* goes with the next snapshot; nobody may rely on it before */
    else if (srv->store && records.n)
        wait = trk_store_add(srv->store, buf_str(&records));
    if (srv->lease_noted)
        srv->lease_seq = wait;
    srv->lease_noted = false;
    pthread_mutex_unlock(&srv->lock);
    return wait;
}

/* --- sessions ------------------------------------------------------------------------------- */

void trk_session_open(struct trk_server *srv, struct trk_session *s)
{
    trk_lock(srv);
    s->id = ++srv->next_session;
    s->tracker = -1;
    trk_unlock(srv);
}

/* The server this session is joined as, while it is known. */
static struct trk_node *session_node(const struct trk_server *srv, const struct trk_session *s)
{
    const struct trk_group *g = s->node[0] ? trk_group_find(&srv->cluster, s->group) : NULL;
    return g ? trk_node_find(g, s->node) : NULL;
}

void trk_session_close(struct trk_server *srv, struct trk_session *s)
{
    trk_lock(srv);
    struct trk_node *n = session_node(srv, s);
    /* A connection that has been replaced says nothing about the server (semantics 4.3 [Q]). */
    if (n && n->session == s->id) {
        n->session = 0;
        if (trk_node_event(&srv->cluster, n, TRK_EV_LOST))
            dfs_log(s->left ? LOG_INFO : LOG_WARN,
                    s->left ? "tracker.storage_left" : "tracker.storage_lost",
                    KV_Z("group", n->group->name), KV_Z("id", n->id));
    }
    if (srv->sys_holder == s->id)
        srv->sys_holder = 0;
    trk_unlock(srv);
}

/* --- time ----------------------------------------------------------------------------------- */

void trk_server_begin(struct trk_server *srv)
{
    trk_lock(srv);
    srv->catching_up = srv->cluster.n == 0 && srv->tracker_count > 1;
    trk_leader_update(srv);
    trk_unlock(srv);
}

static void check_silence(struct trk_server *srv, struct trk_node *n, uint64_t now_ms)
{
    if (n->status != DFS_ST_ACTIVE && n->status != DFS_ST_ONLINE)
        return;
    if (now_ms - n->beat_ms <= srv->o.check_active_ms)
        return;
    trk_node_event(&srv->cluster, n, TRK_EV_LOST);
    dfs_log(LOG_WARN, "tracker.storage_silent", KV_Z("group", n->group->name), KV_Z("id", n->id),
            KV_U64("ms", now_ms - n->beat_ms));
}

static void forget_gone(struct trk_server *srv)
{
    struct trk_node *n;
    srv->cluster.forget_before_us = (dfs_now_ms() - (int64_t)srv->o.deleted_keep_ms) * 1000;
    while ((n = trk_cluster_forgettable(&srv->cluster))) {
        dfs_log(LOG_INFO, "tracker.storage_forgotten", KV_Z("group", n->group->name),
                KV_Z("id", n->id));
        trk_rec_node_gone(&srv->notes, n->group->name, n->id);
        trk_node_remove(&srv->cluster, n);
    }
}

static void say_waiting(struct trk_server *srv, uint64_t now_ms)
{
    if (!srv->catching_up || (srv->waiting_said_ms && now_ms - srv->waiting_said_ms < WAITING_MS))
        return;
    srv->waiting_said_ms = now_ms;
    dfs_log(LOG_WARN, "tracker.waiting_for_peers", KV_U64("trackers", srv->tracker_count),
            KV_Z("why", "this one knows nothing yet; storages may join when another has told it"));
}

void trk_server_tick(struct trk_server *srv)
{
    trk_lock(srv);
    uint64_t now_ms = dfs_mono_ms();
    for (unsigned i = 0; i < srv->cluster.n; i++) {
        struct trk_group *g = srv->cluster.groups[i];
        for (unsigned j = 0; j < g->n; j++)
            check_silence(srv, g->nodes[j], now_ms);
    }
    forget_gone(srv);
    say_waiting(srv, now_ms);
    srv->self.alive_s = dfs_now_s();
    if (trk_is_leader(srv))
        trk_elect_trunk_servers(srv);
    trk_unlock(srv);
}

int trk_server_snapshot(struct trk_server *srv)
{
    AUTO(buf_free) struct buf image = BUF(SNAPSHOT_MAX);
    trk_lock(srv);
    uint64_t records = trk_rec_all(&image, &srv->cluster, &srv->self);
    /* Under the lock: nothing may be queued between the image and this. */
    int r = trk_store_snapshot(srv->store, &image, records);
    trk_unlock(srv);
    return r;
}

bool trk_is_leader(const struct trk_server *srv)
{
    return srv->me >= 0 && trk_election_leads(srv->election, dfs_mono_ms());
}

/* --- a request ------------------------------------------------------------------------------ */

static const struct trk_row *find_row(uint8_t cmd)
{
    size_t n;
    const struct trk_row *rows = trk_rows(&n);
    for (size_t i = 0; i < n; i++) {
        if (rows[i].cmd == cmd)
            return &rows[i];
    }
    return NULL;
}

static int admit(struct trk_call *c)
{
    if (c->body.n < c->row->min_len || c->body.n > c->row->max_len)
        return -EINVAL;
    if ((c->row->who & TRK_SERVERS) && !c->s->server)
        return -EACCES;
    if (!(c->row->who & TRK_JOINED))
        return 0;
    c->node = session_node(c->srv, c->s);
    /* A newer connection speaks for the server: what comes late on an old one is not true any more. */
    return c->node && c->node->session <= c->s->id ? 0 : -EACCES;
}

int trk_dispatch(struct trk_server *srv, struct trk_session *s, uint8_t cmd, uint8_t status,
                 struct str body, struct buf *out, uint64_t *wait)
{
    struct trk_call c = {
        .srv = srv, .s = s, .row = find_row(cmd), .status = status, .body = body, .out = out};
    *wait = 0;
    if (!c.row)
        return -EINVAL;
    trk_lock(srv);
    int r = admit(&c);
    if (r == 0)
        r = c.row->handle(&c);
    *wait = trk_unlock(srv);
    /* What it found as it should be may not be on disk yet: another request, or a peer, has just said it. */
    if (*wait == 0 && (c.row->who & TRK_KEPT) && srv->store)
        *wait = trk_store_unsettled(srv->store, c.row->who & TRK_SURE);
    if (r == 0 && *wait == TRK_CANNOT_SAVE)
        r = -ENOMEM;
    if (r == 0)
        r = buf_err(out);
    if (r < 0) {
        buf_reset(out);
        *wait = 0;
    }
    return r;
}

/* --- shared --------------------------------------------------------------------------------- */

int trk_take_group(struct trk_call *c, struct trk_group **ret, struct str *tail)
{
    struct dfs_group m;
    int r = dfs_group_head(c->body, &m, tail);
    if (r < 0)
        return r;
    *ret = trk_group_find(&c->srv->cluster, m.group);
    return *ret ? 0 : -ENOENT;
}

int trk_take_id(struct str text, char out[DFS_ID_MAX])
{
    size_t nul = str_chr(text, '\0');
    if (nul != SIZE_MAX)
        text = str_head(text, nul);
    if (text.n == 0)
        return -EINVAL;
    return dfs_text_set(out, DFS_ID_MAX, text) < 0 ? -EINVAL : 0;
}

void trk_host_text(const char *ip, uint16_t port, char out[DFS_HOST_MAX])
{
    snprintf(out, DFS_HOST_MAX, strchr(ip, ':') ? "[%.43s]:%u" : "%.45s:%u", ip, port);
}

bool trk_is_own(const struct trk_server *srv, const struct dfs_addr *a)
{
    if (a->port != srv->port)
        return false;
    for (unsigned i = 0; i < srv->own_count; i++) {
        if (strcmp(srv->own[i].ip, a->host) == 0)
            return true;
    }
    return false;
}

void trk_add_own(struct trk_server *srv, const char *ip)
{
    char text[DFS_IP_TEXT] = "";
    if (!dfs_ip_text(ip, text))
        return;
    for (unsigned i = 0; i < srv->own_count; i++) {
        if (strcmp(srv->own[i].ip, text) == 0)
            return;
    }
    if (srv->own_count < TRK_OWN_MAX)
        memcpy(srv->own[srv->own_count++].ip, text, sizeof(text));
}

bool trk_knows_who_serves(const struct trk_server *srv, const struct trk_group *g)
{
    if (dfs_mono_ms() - srv->started_ms > MIN(srv->o.check_active_ms, (uint64_t)REJOIN_MS))
        return true;
    for (unsigned i = 0; i < g->n; i++)
        if (trk_status_complete(g->nodes[i]->status) && !g->nodes[i]->beat_ms)
            return false;
    return true;
}

/* Leader: address and port; all zero when there is none, its id the address (protocol 6.4). */
static void notice_leader(const struct trk_server *srv, struct buf *out)
{
    struct dfs_brief b = {0};
    struct dfs_addr a;
    if (srv->leader[0] && dfs_addr_parse(str_c(srv->leader), 0, &a) == 0) {
        b.port = a.port;
        if (dfs_text_set(b.ip, sizeof(b.ip) - 1, str_c(a.host)) == 0 && strlen(a.host) < DFS_ID_MAX)
            memcpy(b.id, a.host, strlen(a.host));
    }
    dfs_brief_put(out, &b);
}

void trk_notice(struct trk_call *c)
{
    struct trk_server *srv = c->srv;
    struct trk_node *n = c->node;
    struct trk_group *g = n->group;
    size_t at = c->out->n;
    uint8_t flags = 0;
    buf_u8(c->out, 0);
    if (trk_is_leader(srv)) { /* only a leader tells (6.4) */
        if (c->s->told_leader != srv->leader_version) {
            flags |= DFS_NOTICE_LEADER;
            notice_leader(srv, c->out);
            c->s->told_leader = srv->leader_version;
        }
        if (n->told_trunk != g->trunk_version) {
            struct dfs_brief b = {0};
            const struct trk_node *t = trk_node_find(g, g->trunk_server);
            if (t)
                trk_node_brief(t, &b);
            flags |= DFS_NOTICE_TRUNK_SERVER;
            dfs_brief_put(c->out, &b);
            n->told_trunk = g->trunk_version;
        }
        if (n->told_members != g->members_version && trk_knows_who_serves(srv, g)) {
            flags |= DFS_NOTICE_MEMBERS;
            for (unsigned i = 0; i < g->n; i++) {
                struct dfs_brief b;
                trk_node_brief(g->nodes[i], &b);
                dfs_brief_put(c->out, &b);
            }
            n->told_members = g->members_version;
        }
    }
    if (!buf_err(c->out))
        c->out->p[at] = (char)flags;
}
