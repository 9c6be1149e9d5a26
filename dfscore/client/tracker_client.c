/* SPDX-License-Identifier: Apache-2.0 */
#include "dfscore/client/tracker_client.h"

#include <stdatomic.h>
#include <stdio.h>

#include "dfscore/wire/internal.h"

enum {
    ANSWER_MAX = 4 * 1024 * 1024,
    TRIES = 2, /* of one tracker: an idle connection may have died in the moment we took it */
};

struct dfs_trackers {
    unsigned magic;
#define TRACKERS_MAGIC 0x72ac7e25u
    struct dfs_connpool *pool;
    struct dfs_addr addrs[DFS_TRACKERS_MAX];
    size_t n;
    _Atomic size_t next; /* round robin */
};

int dfs_trackers_new(const struct dfs_addr *addrs, size_t n, struct dfs_connpool *pool,
                     struct dfs_trackers **ret)
{
    if (n < 1 || n > DFS_TRACKERS_MAX)
        return -EINVAL;
    struct dfs_trackers *t = dfs_zalloc(sizeof(*t));
    if (!t)
        return -ENOMEM;
    t->magic = TRACKERS_MAGIC;
    t->pool = pool;
    t->n = n;
    memcpy(t->addrs, addrs, n * sizeof(*addrs));
    *ret = t;
    return 0;
}

void dfs_trackers_free(struct dfs_trackers **tp)
{
    struct dfs_trackers *t = TAKE(*tp);
    if (!t)
        return;
    CHECK_OBJ(t, TRACKERS_MAGIC);
    t->magic = 0;
    free(t);
}

size_t dfs_trackers_count(const struct dfs_trackers *t)
{
    CHECK_OBJ(t, TRACKERS_MAGIC);
    return t->n;
}

const struct dfs_addr *dfs_trackers_addr(const struct dfs_trackers *t, size_t i)
{
    CHECK_OBJ(t, TRACKERS_MAGIC);
    ASSERT(i < t->n);
    return &t->addrs[i];
}

/* *reached tells an answered error from a connection that failed. */
static int call_one(struct dfs_trackers *t, size_t i, uint8_t cmd, const struct str *parts,
                    size_t n, struct buf *rsp, bool *reached)
{
    int r = -EIO;
    for (int try = 0; try < TRIES; try++) {
        struct dfs_peer *p = NULL;
        *reached = false;
        r = dfs_connpool_get(t->pool, &t->addrs[i], &p);
        if (r < 0)
            return r;
        r = dfs_peer_call(p, cmd, 0, parts, n, rsp);
        *reached = !dfs_peer_broken(p);
        dfs_connpool_put(t->pool, &p);
        if (*reached || (r != -ECONNRESET && r != -EPIPE))
            break;
    }
    return r;
}

int dfs_trackers_call_one(struct dfs_trackers *t, size_t i, uint8_t cmd, const struct str *parts,
                          size_t n, struct buf *rsp)
{
    CHECK_OBJ(t, TRACKERS_MAGIC);
    ASSERT(i < t->n);
    bool reached;
    return call_one(t, i, cmd, parts, n, rsp, &reached);
}

static int call_any(struct dfs_trackers *t, uint8_t cmd, const struct str *parts, size_t n,
                    struct buf *rsp, bool leader_only)
{
    CHECK_OBJ(t, TRACKERS_MAGIC);
    size_t first = atomic_fetch_add(&t->next, 1);
    int r = -EIO;
    for (size_t i = 0; i < t->n; i++) {
        bool reached;
        r = call_one(t, (first + i) % t->n, cmd, parts, n, rsp, &reached);
        if (reached && !(leader_only && r == -EOPNOTSUPP))
            break;
    }
    return r;
}

int dfs_trackers_call(struct dfs_trackers *t, uint8_t cmd, const struct str *parts, size_t n,
                      struct buf *rsp)
{
    return call_any(t, cmd, parts, n, rsp, false);
}

int dfs_trackers_call_leader(struct dfs_trackers *t, uint8_t cmd, const struct str *parts, size_t n,
                             struct buf *rsp)
{
    return call_any(t, cmd, parts, n, rsp, true);
}

/* The 16-byte group field. */
static int group_field(struct str group, struct buf *out)
{
    struct dfs_group g;
    if (!dfs_group_ok(group) || dfs_text_set(g.group, sizeof(g.group), group) < 0)
        return -EINVAL;
    dfs_group_put(out, &g);
    return buf_err(out);
}

static int set_target(const char *group, const char *ip, int64_t port, struct dfs_target *ret)
{
    struct dfs_target t = {0};
    if (port < 1 || port > UINT16_MAX || !ip[0] || !dfs_group_ok(str_c(group)))
        return -EBADMSG;
    snprintf(t.group, sizeof(t.group), "%s", group);
    snprintf(t.addr.host, sizeof(t.addr.host), "%s", ip);
    t.addr.port = (uint16_t)port;
    *ret = t;
    return 0;
}

int dfs_query_store(struct dfs_trackers *t, struct str group, struct dfs_target *ret)
{
    AUTO(buf_free) struct buf field = BUF(DFS_GROUP_LEN);
    AUTO(buf_free) struct buf rsp = BUF(ANSWER_MAX);
    struct dfs_query_store_rsp m;
    int r = group.p ? group_field(group, &field) : 0;
    if (r < 0)
        return r;
    struct str parts[] = {buf_str(&field)};
    r = dfs_trackers_call(t, group.p ? DFS_CMD_QUERY_STORE_GROUP : DFS_CMD_QUERY_STORE, parts, 1,
                          &rsp);
    if (r < 0)
        return r;
    if (dfs_query_store_rsp_get(buf_str(&rsp), &m) < 0)
        return -EBADMSG;
    r = set_target(m.group, m.ip, m.port, ret);
    if (r == 0)
        ret->path_index = m.path_index;
    return r;
}

static int query_file(struct dfs_trackers *t, uint8_t cmd, struct str group, struct str filename,
                      struct buf *rsp)
{
    AUTO(buf_free) struct buf field = BUF(DFS_GROUP_LEN);
    int r = group_field(group, &field);
    if (r == 0 && (filename.n > DFS_FILENAME_MAX || filename.n + DFS_GROUP_LEN < DFS_FETCH_REQ_MIN))
        r = -EINVAL;
    if (r < 0)
        return r;
    struct str parts[] = {buf_str(&field), filename};
    return dfs_trackers_call(t, cmd, parts, 2, rsp);
}

static int query_server(struct dfs_trackers *t, uint8_t cmd, struct str group, struct str filename,
                        struct dfs_target *ret)
{
    AUTO(buf_free) struct buf rsp = BUF(ANSWER_MAX);
    struct dfs_query_fetch_rsp m;
    int r = query_file(t, cmd, group, filename, &rsp);
    if (r < 0)
        return r;
    if (dfs_query_fetch_rsp_get(buf_str(&rsp), &m) < 0)
        return -EBADMSG;
    return set_target(m.group, m.ip, m.port, ret);
}

int dfs_query_fetch(struct dfs_trackers *t, struct str group, struct str filename,
                    struct dfs_target *ret)
{
    return query_server(t, DFS_CMD_QUERY_FETCH, group, filename, ret);
}

int dfs_query_update(struct dfs_trackers *t, struct str group, struct str filename,
                     struct dfs_target *ret)
{
    return query_server(t, DFS_CMD_QUERY_UPDATE, group, filename, ret);
}

/*
 * Which layout a list of servers has, from the length of what follows the group: every entry with a
 * port (6.16), or the first only (before). IPv4 first, as FastDFS's clients do. Protocol 3.1, 5.3.
 */
static bool list_layout(size_t n, enum dfs_ipw *w, bool *ports)
{
    for (int wide = 0; wide < 2; wide++) {
        size_t entry = wide ? DFS_SERVER_ENTRY_LEN6 : DFS_SERVER_ENTRY_LEN4;
        *w = wide ? DFS_IPW6 : DFS_IPW4;
        *ports = true;
        if (n >= entry && n % entry == 0)
            return true;
        *ports = false;
        if (n > entry && (n - entry) % (entry - sizeof(uint64_t)) == 0)
            return true;
    }
    return false;
}

int dfs_query_fetch_all(struct dfs_trackers *t, struct str group, struct str filename,
                        struct dfs_target *ret, size_t max, size_t *ret_n)
{
    AUTO(buf_free) struct buf rsp = BUF(ANSWER_MAX);
    struct dfs_group g;
    struct str list;
    enum dfs_ipw w;
    bool ports;
    int r = query_file(t, DFS_CMD_QUERY_FETCH_ALL, group, filename, &rsp);
    if (r < 0)
        return r;
    if (dfs_group_head(buf_str(&rsp), &g, &list) < 0 || !list_layout(list.n, &w, &ports))
        return -EBADMSG;
    struct rd rd = rd_of(list);
    size_t n = 0;
    int64_t port = 0;
    while (rd.n && n < max) {
        struct dfs_server_entry e = {0};
        if (ports || n == 0) {
            dfs_server_entry_read(&rd, w, &e);
            port = e.port;
        } else {
            struct str ip = rd_bytes(&rd, (size_t)w - 1);
            memcpy(e.ip, ip.p, ip.n);
        }
        if (rd.bad || set_target(g.group, e.ip, port, &ret[n]) < 0)
            return -EBADMSG;
        n++;
    }
    *ret_n = n;
    return 0;
}

int dfs_list_groups(struct dfs_trackers *t, struct dfs_group_stat **ret, size_t *ret_n)
{
    AUTO(buf_free) struct buf rsp = BUF(ANSWER_MAX);
    int r = dfs_trackers_call(t, DFS_CMD_LIST_GROUPS, NULL, 0, &rsp);
    if (r < 0)
        return r;
    size_t n = rsp.n / DFS_GROUP_STAT_LEN;
    if (rsp.n % DFS_GROUP_STAT_LEN || n > DFS_GROUPS_MAX)
        return -EBADMSG;
    AUTO(dfs_free_ptr) struct dfs_group_stat *list = dfs_zalloc(n * sizeof(*list));
    if (!list)
        return -ENOMEM;
    struct rd rd = rd_of(buf_str(&rsp));
    for (size_t i = 0; i < n; i++)
        dfs_group_stat_read(&rd, &list[i]);
    if (rd.bad)
        return -EBADMSG;
    *ret = TAKE(list);
    *ret_n = n;
    return 0;
}

int dfs_decode_storages(struct str body, struct dfs_storage_detail **ret, size_t *ret_n)
{
    bool narrow = body.n % DFS_STORAGE_DETAIL_LEN4 == 0;
    size_t each = narrow ? DFS_STORAGE_DETAIL_LEN4 : DFS_STORAGE_DETAIL_LEN6;
    if (body.n % each)
        return -EBADMSG;
    size_t n = body.n / each;
    AUTO(dfs_free_ptr) struct dfs_storage_detail *list = dfs_zalloc(n * sizeof(*list));
    if (!list)
        return -ENOMEM;
    struct rd rd = rd_of(body);
    for (size_t i = 0; i < n; i++)
        dfs_storage_detail_read(&rd, narrow ? DFS_IPW4 : DFS_IPW6, &list[i]);
    if (rd.bad)
        return -EBADMSG;
    *ret = TAKE(list);
    *ret_n = n;
    return 0;
}

int dfs_list_storages(struct dfs_trackers *t, struct str group, struct str id,
                      struct dfs_storage_detail **ret, size_t *ret_n)
{
    AUTO(buf_free) struct buf rsp = BUF(ANSWER_MAX);
    AUTO(buf_free) struct buf field = BUF(DFS_GROUP_LEN);
    int r = group_field(group, &field);
    if (r < 0)
        return r;
    struct str parts[] = {buf_str(&field), id};
    r = dfs_trackers_call(t, DFS_CMD_LIST_STORAGES, parts, 2, &rsp);
    return r < 0 ? r : dfs_decode_storages(buf_str(&rsp), ret, ret_n);
}

int dfs_get_leader(struct dfs_trackers *t, struct dfs_addr *ret)
{
    AUTO(buf_free) struct buf rsp = BUF(DFS_ADDR_TEXT);
    int r = dfs_trackers_call(t, DFS_CMD_GET_LEADER, NULL, 0, &rsp);
    if (r < 0)
        return r;
    return dfs_addr_parse(buf_str(&rsp), 0, ret) < 0 ? -EBADMSG : 0;
}

/* The worst answer of all trackers, except "I do not know it" and "already so" of some. */
static int call_all(struct dfs_trackers *t, uint8_t cmd, const struct str *parts, size_t n)
{
    int worst = 0, mild = 0;
    size_t done = 0;
    for (size_t i = 0; i < t->n; i++) {
        int r = dfs_trackers_call_one(t, i, cmd, parts, n, NULL);
        if (r == -ENOENT || r == -EALREADY)
            mild = r;
        else if (r < 0)
            worst = r;
        else
            done++;
    }
    return worst ? worst : done ? 0 : mild;
}

int dfs_delete_storage(struct dfs_trackers *t, struct str group, struct str id)
{
    AUTO(buf_free) struct buf field = BUF(DFS_GROUP_LEN);
    int r = group_field(group, &field);
    if (r < 0 || id.n < 1 || id.n >= DFS_ID_MAX)
        return r < 0 ? r : -EINVAL;
    struct str parts[] = {buf_str(&field), id};
    return call_all(t, DFS_CMD_DELETE_STORAGE, parts, 2);
}

int dfs_delete_group(struct dfs_trackers *t, struct str group)
{
    AUTO(buf_free) struct buf field = BUF(DFS_GROUP_LEN);
    int r = group_field(group, &field);
    if (r < 0)
        return r;
    struct str parts[] = {buf_str(&field)};
    return call_all(t, DFS_CMD_DELETE_GROUP, parts, 1);
}

int dfs_set_drain(struct dfs_trackers *t, struct str group, struct str id, uint8_t state)
{
    AUTO(buf_free) struct buf body = BUF(DFS_DRAIN_LEN);
    struct dfs_drain m = {.state = state};
    if (dfs_text_set(m.group, sizeof(m.group), group) < 0 ||
        dfs_text_set(m.id, sizeof(m.id), id) < 0)
        return -EINVAL;
    dfs_drain_put(&body, &m);
    struct str parts[] = {buf_str(&body)};
    int r = call_all(t, DFS_INT_DRAIN, parts, 1);
    return r == -EALREADY ? 0 : r;
}

int dfs_decode_drains(struct str body, struct dfs_drain **ret, size_t *ret_n)
{
    size_t n = body.n / DFS_DRAIN_LEN;
    AUTO(dfs_free_ptr) struct dfs_drain *list = dfs_zalloc(MAX(n, (size_t)1) * sizeof(*list));
    if (body.n % DFS_DRAIN_LEN || !list)
        return list ? -EBADMSG : -ENOMEM;
    struct rd rd = rd_of(body);
    for (size_t i = 0; i < n; i++)
        dfs_drain_read(&rd, &list[i]);
    *ret = TAKE(list);
    *ret_n = n;
    return 0;
}

int dfs_list_drains(struct dfs_trackers *t, struct dfs_drain **ret, size_t *ret_n)
{
    AUTO(buf_free) struct buf rsp = BUF(ANSWER_MAX);
    int r = dfs_trackers_call(t, DFS_INT_DRAINS, NULL, 0, &rsp);
    return r < 0 ? r : dfs_decode_drains(buf_str(&rsp), ret, ret_n);
}

int dfs_list_drains_at(struct dfs_trackers *t, size_t i, struct dfs_drain **ret, size_t *ret_n)
{
    AUTO(buf_free) struct buf rsp = BUF(ANSWER_MAX);
    int r = dfs_trackers_call_one(t, i, DFS_INT_DRAINS, NULL, 0, &rsp);
    return r < 0 ? r : dfs_decode_drains(buf_str(&rsp), ret, ret_n);
}

int dfs_set_trunk_server(struct dfs_trackers *t, struct str group, struct str id, char ret[17])
{
    AUTO(buf_free) struct buf field = BUF(DFS_GROUP_LEN);
    AUTO(buf_free) struct buf rsp = BUF(DFS_ID_MAX + 1);
    int r = group_field(group, &field);
    if (r < 0 || id.n >= DFS_ID_MAX)
        return r < 0 ? r : -EINVAL;
    struct str parts[] = {buf_str(&field), id};
    r = dfs_trackers_call_leader(t, DFS_CMD_SET_TRUNK_SERVER, parts, 2, &rsp);
    if (r < 0)
        return r;
    size_t n = strnlen(buf_str(&rsp).p, rsp.n);
    return dfs_text_set(ret, 17, str_of(rsp.p, n)) < 0 ? -EBADMSG : 0;
}
