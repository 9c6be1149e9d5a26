/* SPDX-License-Identifier: Apache-2.0 */
#include "storage/beat/tracker.h"

#include "dfscore/base/atonce.h"
#include "dfscore/client/tracker_client.h"
#include "dfscore/fileid/fileid.h"
#include "dfscore/wire/internal.h"

enum { ANSWER_MAX = 64 * 1024 };

int sto_tracker_params(struct dfs_peer *p, struct sto_params *params, struct buf *params_text)
{
    int r = dfs_peer_call(p, DFS_CMD_PARAMETERS, DFS_PARAMETERS_OURS, NULL, 0, params_text);
    return r < 0 ? r : sto_params_parse(buf_str(params_text), params);
}

/* 60: "ip" or "ip1,ip2"; the first, inner one names us. */
static int own_address(struct dfs_peer *p, const struct sto_trackers *t, uint16_t port,
                       struct buf *rsp, struct sto_identity *id)
{
    struct dfs_my_address_req m = {.port = port};
    AUTO(buf_free) struct buf body = BUF(DFS_MY_ADDRESS_REQ_LEN);
    int r = dfs_text_set(m.group, sizeof(m.group), str_c(t->group));
    if (r < 0)
        return r;
    dfs_my_address_req_put(&body, &m);
    struct str part = buf_str(&body), first, second;
    r = dfs_peer_call(p, DFS_CMD_MY_ADDRESS, 0, &part, 1, rsp);
    if (r < 0)
        return r;
    str_cut(buf_str(rsp), ',', &first, &second);
    char ip[DFS_IP_MAX];
    r = dfs_text_set(ip, sizeof(ip), first);
    if (r < 0 || !dfs_ip_text(ip, ip))
        return -EPROTO;
    memcpy(id->ip, ip, sizeof(id->ip));
    return 0;
}

static bool is_id(struct str text)
{
    uint64_t n;
    return str_u64(text, 16777215, &n) == 0 && n > 0;
}

/* 70: our number. */
static int own_id(struct dfs_peer *p, const struct sto_trackers *t, uint16_t port, struct buf *rsp,
                  struct sto_identity *id)
{
    struct dfs_group g;
    AUTO(buf_free) struct buf body = BUF(DFS_GROUP_LEN + DFS_HOST_MAX);
    int r = dfs_text_set(g.group, sizeof(g.group), str_c(t->group));
    if (r < 0)
        return r;
    dfs_group_put(&body, &g);
    buf_addf(&body, strchr(id->ip, ':') ? "[%s]:%u" : "%s:%u", id->ip, port);
    struct str part = buf_str(&body);
    r = dfs_peer_call(p, DFS_CMD_SERVER_ID, 0, &part, 1, rsp);
    if (r < 0)
        return r;
    if (!is_id(buf_str(rsp)))
        return -EPROTO;
    return dfs_text_set(id->id, sizeof(id->id), buf_str(rsp));
}

static int discover(const struct sto_trackers *t, size_t i, uint16_t port, const char *server_id,
                    struct sto_params *params, struct buf *params_text, struct sto_identity *id)
{
    AUTO(dfs_peer_free) struct dfs_peer *p = NULL;
    AUTO(buf_free) struct buf rsp = BUF(ANSWER_MAX);
    struct sto_identity next = *id;
    struct dfs_peer_opts net = t->net;
    net.timeout_ms = MIN(net.timeout_ms, net.connect_ms);
    int r = dfs_peer_open(&t->list[i], &net, &p);
    if (r == 0)
        r = sto_tracker_params(p, params, params_text);
    if (r == 0)
        r = own_address(p, t, port, &rsp, &next);
    if (r < 0)
        return r;
    if (!params->use_storage_id && strchr(next.ip, ':'))
        dfs_ipv6_short_code(str_c(next.ip), next.id);
    else if (!params->use_storage_id)
        r = dfs_text_set(next.id, sizeof(next.id), str_c(next.ip));
    else if (server_id[0])
        r = dfs_text_set(next.id, sizeof(next.id), str_c(server_id));
    else
        r = own_id(p, t, port, &rsp, &next);
    if (r == 0)
        *id = next;
    return r;
}

int sto_tracker_discover(const struct sto_trackers *t, uint16_t port, const char *server_id,
                         struct sto_params *params, struct buf *params_text,
                         struct sto_identity *id)
{
    int r = -ENOTCONN;
    for (size_t i = 0; i < t->n; i++) {
        r = discover(t, i, port, server_id, params, params_text, id);
        if (r == 0)
            return 0;
    }
    return r;
}

struct answer {
    const struct sto_trackers *of;
    uint8_t how; /* see sto_tracker_list() */
    int result;
    struct dfs_storage_detail *list; /* owned */
    size_t n;
};

int sto_tracker_list(struct dfs_peer *p, const char *group, uint8_t how, struct buf *rsp,
                     struct dfs_storage_detail **list, size_t *n)
{
    AUTO(buf_free) struct buf body = BUF(DFS_GROUP_LEN);
    struct dfs_group g;
    int r = dfs_text_set(g.group, sizeof(g.group), str_c(group));
    if (r < 0)
        return r;
    dfs_group_put(&body, &g);
    struct str part = buf_str(&body);
    r = dfs_peer_call(p, DFS_CMD_LIST_STORAGES, how, &part, 1, rsp);
    return r < 0 ? r : dfs_decode_storages(buf_str(rsp), list, n);
}

static int list_group(const struct sto_trackers *t, size_t i, uint8_t how,
                      struct dfs_storage_detail **ret, size_t *n)
{
    AUTO(dfs_peer_free) struct dfs_peer *p = NULL;
    AUTO(buf_free) struct buf rsp = BUF(ANSWER_MAX);
    int r = dfs_peer_open(&t->list[i], &t->net, &p);
    return r < 0 ? r : sto_tracker_list(p, t->group, how, &rsp, ret, n);
}

static void ask_one(void *arg, unsigned i)
{
    struct answer *a = (struct answer *)arg + i;
    a->result = list_group(a->of, i, a->how, &a->list, &a->n);
}

/* One of them may be on the machine that has died. */
static void ask_all(const struct sto_trackers *t, uint8_t how,
                    struct answer answers[DFS_TRACKERS_MAX])
{
    for (size_t i = 0; i < t->n; i++)
        answers[i] = (struct answer){.of = t, .how = how};
    dfs_at_once((unsigned)t->n, ask_one, answers);
}

bool sto_tracker_all_known(const struct sto_trackers *t, struct sto_members *members)
{
    struct answer answers[DFS_TRACKERS_MAX];
    struct sto_member m;
    bool answered = false, known = true;
    ask_all(t, 0, answers);
    for (size_t i = 0; i < t->n; i++) {
        const struct answer *a = &answers[i];
        answered = answered || a->result == 0;
        for (size_t k = 0; a->result == 0 && k < a->n && known; k++)
            known = dfs_server_left(a->list[k].status) ||
                    sto_members_find(members, a->list[k].id, &m) == 0;
        free(answers[i].list);
    }
    return answered && known;
}

int sto_tracker_active(const struct sto_trackers *t, char (*ids)[DFS_ID_MAX + 1], size_t cap,
                       size_t *ret)
{
    struct answer answers[DFS_TRACKERS_MAX];
    bool answered = false;
    size_t count = 0;
    ask_all(t, DFS_LIST_KNOWN, answers);
    for (size_t i = 0; i < t->n; i++) {
        const struct answer *a = &answers[i];
        answered = answered || a->result == 0;
        for (size_t k = 0; a->result == 0 && k < a->n && count < cap; k++)
            if (a->list[k].status == DFS_ST_ACTIVE)
                memcpy(ids[count++], a->list[k].id, sizeof(ids[0]));
        free(answers[i].list);
    }
    *ret = count;
    return answered ? 0 : -ENOTCONN;
}
