/* SPDX-License-Identifier: Apache-2.0 */
#include "storage/sync/line.h"

#include <sys/socket.h>

#include "dfscore/wire/internal.h"
#include "dfscore/wire/messages.h"

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

int sto_line_meta(const struct sto_line *line, struct dfs_peer *p, const char *group,
                  struct str name, struct buf *rsp)
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
    return r == -ENOENT ? 0 : r;
}
