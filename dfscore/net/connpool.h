/* SPDX-License-Identifier: Apache-2.0 */
/*
 * connpool - idle connections per address, and a pause after a failure to connect.
 *
 * A connection that the other side closed while it was idle is noticed before it is handed out.
 * Threads: any. Nothing blocks under the lock; connecting happens outside of it.
 */
#ifndef DFS_CONNPOOL_H
#define DFS_CONNPOOL_H

#include "dfscore/net/peer.h"

struct dfs_connpool;

struct dfs_connpool_opts {
    struct dfs_peer_opts peer; /* strings must outlive the pool */
    size_t max_idle;           /* connections kept, all addresses together; 0: none */
    uint64_t idle_ms;          /* longest idle time; 0: for ever */
    uint64_t hold_down_ms; /* after a failed connect, fail at once for so long; 0: try every time */
};

int dfs_connpool_new(const struct dfs_connpool_opts *opts, struct dfs_connpool **ret);
void dfs_connpool_free(struct dfs_connpool **pp); /* all borrowed connections must be back */

/* An idle connection, or a new one. 0; the error of connecting, also while held down. */
int dfs_connpool_get(struct dfs_connpool *p, const struct dfs_addr *addr,
                     struct dfs_peer **ret) MUST_CHECK;
/* Back, idle; a broken one is closed. *peer becomes NULL; NULL is accepted. */
void dfs_connpool_put(struct dfs_connpool *p, struct dfs_peer **peer);
size_t dfs_connpool_idle(struct dfs_connpool *p);

#endif
