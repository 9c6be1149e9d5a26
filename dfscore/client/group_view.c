/* SPDX-License-Identifier: Apache-2.0 */
#include "dfscore/client/group_view.h"

#include "dfscore/fileid/fileid.h"
#include "dfscore/wire/internal.h"

enum {
    ANSWER_MAX = DFS_SYNC_STATE_RSP_LEN + DFS_SERVERS_MAX * DFS_SYNC_STATE_LEN,
    PATHS_MAX = 1 + 255 * 5,
};

static bool worth_asking(uint8_t status)
{
    return status == DFS_ST_ACTIVE || status == DFS_ST_ONLINE || status == DFS_ST_SYNCING ||
           status == DFS_ST_WAIT_SYNC || status == DFS_ST_RECOVERY;
}

static int parse_state(struct str body, struct dfs_sync_state_rsp *head, struct dfs_member_view *m)
{
    struct str rest;
    int r = dfs_sync_state_rsp_head(body, head, &rest);
    if (r < 0 || head->count > DFS_SERVERS_MAX ||
        rest.n != (size_t)head->count * DFS_SYNC_STATE_LEN)
        return -EBADMSG;
    struct rd rd = rd_of(rest);
    for (m->n = 0; m->n < head->count; m->n++)
        dfs_sync_state_read(&rd, &m->lacks[m->n]);
    return rd.bad ? -EBADMSG : 0;
}

int dfs_decode_paths(struct str body, struct dfs_path_view ret[DFS_PATHS_MAX], unsigned *ret_n)
{
    struct rd rd = rd_of(body);
    unsigned n = rd_u8(&rd);
    for (unsigned i = 0; i < n && !rd.bad; i++) {
        uint8_t closed = rd_u8(&rd);
        ret[i].closed = closed & DFS_PATH_CLOSED;
        ret[i].unfit = closed & DFS_PATH_UNFIT;
        ret[i].slow = closed & DFS_PATH_SLOW;
        ret[i].incoming = rd_u32(&rd);
    }
    if (rd.bad || rd.n > 0)
        return -EBADMSG;
    *ret_n = n;
    return 0;
}

/* Which store paths it has closed, and which disks have failed or are slow. */
static void ask_paths(struct dfs_peer *p, struct dfs_member_view *m)
{
    AUTO(buf_free) struct buf rsp = BUF(PATHS_MAX);
    if (dfs_peer_call(p, DFS_INT_PATHS, 0, NULL, 0, &rsp) < 0 ||
        dfs_decode_paths(buf_str(&rsp), m->paths, &m->npaths) < 0)
        return;
    for (unsigned i = 0; i < m->npaths; i++) {
        m->unfit += m->paths[i].unfit;
        m->slow += m->paths[i].slow;
    }
}

static int ask(struct dfs_client *c, struct dfs_member_view *m, struct dfs_group_view *v)
{
    AUTO(buf_free) struct buf rsp = BUF(ANSWER_MAX);
    struct dfs_sync_state_rsp head = {0};
    struct dfs_addr addr = {.port = (uint16_t)m->detail.port};
    struct dfs_peer *p = NULL;
    memcpy(addr.host, m->detail.ip, sizeof(m->detail.ip));
    int r = dfs_connpool_get(dfs_client_pool(c), &addr, &p);
    if (r < 0)
        return r;
    r = dfs_peer_call(p, DFS_INT_SYNC_STATE, 0, NULL, 0, &rsp);
    if (r == 0)
        r = parse_state(buf_str(&rsp), &head, m);
    /* Not FastDFS's, and not of builds before there was a scrub. */
    m->repairs = r == 0 && dfs_peer_call(p, DFS_INT_REPAIR_STATE, 0, NULL, 0, &rsp) == 0 &&
                 dfs_repair_state_get(buf_str(&rsp), &m->repair) == 0;
    if (m->repairs)
        ask_paths(p, m);
    /* The last question: who does not know it closes the connection. */
    m->moves = m->repairs && dfs_peer_call(p, DFS_INT_MOVE_STATE, 0, NULL, 0, &rsp) == 0 &&
               dfs_move_state_get(buf_str(&rsp), &m->move) == 0;
    dfs_connpool_put(dfs_client_pool(c), &p);
    if (r < 0)
        return r;
    v->min = MAX(v->min, (unsigned)head.min);
    v->needed = MAX(v->needed, (unsigned)head.needed);
    return 0;
}

static const struct dfs_sync_state *lack_of(const struct dfs_member_view *source, const char *id)
{
    for (size_t i = 0; i < source->n; i++)
        if (strcmp(source->lacks[i].id, id) == 0)
            return &source->lacks[i];
    return NULL;
}

/* Numbers from outside: no sum may overflow. */
static void add(int64_t *to, int64_t n)
{
    *to += MIN(MAX(n, INT64_C(0)), INT64_MAX - *to);
}

static void sum_up(struct dfs_group_view *v, struct dfs_member_view *m)
{
    m->known = true;
    for (size_t i = 0; i < v->n; i++) {
        const struct dfs_member_view *source = &v->members[i];
        if (source == m || !source->counts)
            continue;
        const struct dfs_sync_state *lack = source->answered ? lack_of(source, m->detail.id) : NULL;
        if (!lack) {
            m->known = m->known && !worth_asking(source->detail.status);
            continue;
        }
        add(&m->changes, lack->changes);
        add(&m->bytes, lack->bytes);
        m->seconds = MAX(m->seconds, lack->seconds);
        m->more = m->more || lack->more;
    }
}

/* Of each server's changes as many as the member lacks that is furthest behind. */
static void count_under_replicated(struct dfs_group_view *v)
{
    for (size_t i = 0; i < v->n; i++) {
        int64_t most = 0;
        for (size_t k = 0; k < v->members[i].n; k++) {
            const struct dfs_member_view *m =
                dfs_group_view_find(v, str_c(v->members[i].lacks[k].id));
            if (!m || !m->counts)
                continue;
            most = MAX(most, v->members[i].lacks[k].changes);
            v->more = v->more || v->members[i].lacks[k].more;
        }
        add(&v->under_replicated, most);
    }
}

int dfs_group_view_get(struct dfs_client *c, struct str group, struct dfs_group_view *ret)
{
    AUTO(dfs_group_view_fini) struct dfs_group_view v = {.n = 0};
    AUTO(dfs_free_ptr) struct dfs_storage_detail *list = NULL;
    size_t n = 0;
    int r = dfs_list_storages(dfs_client_trackers(c), group, STR_NULL, &list, &n);
    if (r < 0)
        return r;
    v.members = dfs_zalloc(MAX(n, (size_t)1) * sizeof(*v.members));
    if (!v.members)
        return -ENOMEM;
    if (dfs_list_drains(dfs_client_trackers(c), &v.drains, &v.ndrains) < 0)
        v.ndrains = 0;
    char name[DFS_GROUP_MAX + 1] = "";
    memcpy(name, group.p, MIN(group.n, (size_t)DFS_GROUP_MAX));
    for (v.n = 0; v.n < n; v.n++) {
        struct dfs_member_view *m = &v.members[v.n];
        m->detail = list[v.n];
        m->counts = !dfs_server_left(m->detail.status);
        m->answered = worth_asking(m->detail.status) && ask(c, m, &v) == 0;
        v.in_service += m->detail.status == DFS_ST_ACTIVE;
    }
    for (size_t i = 0; i < n; i++)
        sum_up(&v, &v.members[i]);
    count_under_replicated(&v);
    *ret = v;
    v.members = NULL;
    v.drains = NULL;
    return 0;
}

void dfs_group_view_fini(struct dfs_group_view *v)
{
    free(v->members);
    free(v->drains);
    v->members = NULL;
    v->drains = NULL;
    v->n = v->ndrains = 0;
}

uint8_t dfs_group_view_drain(const struct dfs_group_view *v, const char *group, const char *id)
{
    for (size_t i = 0; i < v->ndrains; i++)
        if (strcmp(v->drains[i].group, group) == 0 && strcmp(v->drains[i].id, id) == 0)
            return v->drains[i].state;
    return DFS_DRAIN_NONE;
}

const struct dfs_member_view *dfs_group_view_find(const struct dfs_group_view *v, struct str id)
{
    for (size_t i = 0; i < v->n; i++)
        if (str_eq(str_c(v->members[i].detail.id), id))
            return &v->members[i];
    return NULL;
}
