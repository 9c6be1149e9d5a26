/* SPDX-License-Identifier: Apache-2.0 */
#include "storage/sync/line.h"

#include <stdio.h>
#include <sys/socket.h>

#include "dfscore/client/storage_client.h"
#include "dfscore/fileid/fileid.h"
#include "dfscore/wire/internal.h"
#include "dfscore/wire/messages.h"
#include "storage/binlog/record.h"
#include "storage/trunk/replica.h"
#include "storage/trunk/version.h"

static void cut(struct dfs_peer *p)
{
    shutdown(dfs_peer_fd(p), SHUT_RDWR);
}

const struct sto_line sto_line_tcp = {
    .open = dfs_peer_open,
    .free = dfs_peer_free,
    .broken = dfs_peer_broken,
    .timeout = dfs_peer_timeout,
    .send = dfs_peer_send,
    .answer = dfs_peer_answer,
    .read = dfs_peer_read,
    .call = dfs_peer_call,
    .cut = cut,
};

int sto_line_reach(const struct sto_line *line, struct sto_members *members,
                   const struct sto_member *m, const struct dfs_peer_opts *net,
                   struct dfs_peer **ret)
{
    struct dfs_addr addr = {.port = m->port};
    struct dfs_peer_opts from_us = *net;
    struct sto_member self;
    sto_members_get_self(members, &self);
    from_us.bind_ip = self.ip[0] ? self.ip : NULL;
    (void)snprintf(addr.host, sizeof(addr.host), "%s", m->ip);
    return line->open(&addr, &from_us, ret);
}

int sto_line_version(const struct sto_line *line, struct dfs_peer *p, const char *group,
                     struct str name, struct buf *rsp, int64_t *ret)
{
    enum { STATUS = DFS_INFO_NO_CRC | DFS_INFO_SILENT | DFS_ASK_NO_OTHER_GROUP | DFS_ASK_WHO_HAS };
    AUTO(buf_free) struct buf body = BUF(DFS_GROUP_MAX + STO_NAME_MAX);
    struct dfs_file_info_rsp info;
    struct dfs_group g;
    int r = dfs_text_set(g.group, sizeof(g.group), str_c(group));
    if (r < 0)
        return r;
    dfs_group_put(&body, &g);
    buf_adds(&body, name);
    struct str part = buf_str(&body);
    r = buf_err(&body);
    if (r == 0)
        r = line->call(p, DFS_CMD_FILE_INFO, STATUS, &part, 1, rsp);
    if (r == 0)
        r = dfs_file_info_rsp_get(buf_str(rsp), &info);
    if (r == 0)
        *ret = sto_version_told(&info);
    return r;
}

int sto_line_metas(const struct sto_line *line, struct dfs_peer *p, const struct str *names,
                   size_t n, struct buf *rsp, struct rd *ret, size_t *ret_n)
{
    ASSERT(n > 0 && n <= DFS_INFO_ITEMS_MAX);
    AUTO(buf_free) struct buf body = BUF(2 + DFS_INFO_ITEMS_MAX * (2 + STO_NAME_MAX));
    buf_u16(&body, (uint16_t)(DFS_METAS_TIMED | n));
    for (size_t i = 0; i < n; i++) {
        buf_u16(&body, (uint16_t)names[i].n);
        buf_adds(&body, names[i]);
    }
    struct str part = buf_str(&body);
    int r = buf_err(&body);
    if (r == 0)
        r = line->call(p, DFS_INT_SYNC_METAS, 0, &part, 1, rsp);
    if (r < 0)
        return r == -EINVAL ? -EOPNOTSUPP : r; /* who knows the question does not call it invalid */
    *ret = rd_of(buf_str(rsp));
    *ret_n = rd_u16(ret);
    return *ret_n == 0 || *ret_n > n ? -EPROTO : 0;
}

int sto_line_meta_next(struct rd *r, struct sto_line_meta *ret)
{
    uint64_t ms = rd_u64(r);
    ret->text = rd_bytes(r, rd_u32(r));
    ret->ms = (int64_t)MIN(ms, (uint64_t)STO_REC_MS_MAX); /* as records say times, whatever came */
    return r->bad ? -EPROTO : 0;
}

int sto_line_meta(const struct sto_line *line, struct dfs_peer *p, const char *group,
                  struct str name, struct buf *rsp, struct sto_line_meta *ret)
{
    struct dfs_group g;
    AUTO(buf_free) struct buf body = BUF(DFS_GROUP_LEN);
    int r = dfs_text_set(g.group, sizeof(g.group), str_c(group));
    if (r < 0)
        return r;
    dfs_group_put(&body, &g);
    struct str parts[] = {buf_str(&body), name};
    r = line->call(p, DFS_CMD_GET_METADATA, DFS_ASK_NO_OTHER_GROUP, parts, 2, rsp);
    if (r == -ENOENT)
        buf_reset(rsp);
    ret->text = buf_str(rsp);
    ret->ms = STO_META_UNTIMED;
    return r == -ENOENT ? 0 : r;
}
