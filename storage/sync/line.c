/* SPDX-License-Identifier: Apache-2.0 */
#include "storage/sync/line.h"

#include <sys/socket.h>

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
