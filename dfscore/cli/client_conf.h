/* SPDX-License-Identifier: Apache-2.0 */
/* client_conf - settings of the `dfs` program; see conf/client.conf. */
#ifndef DFS_CLIENT_CONF_H
#define DFS_CLIENT_CONF_H

#include "dfscore/net/tls.h"

struct client_conf {
    struct dfs_conf_list trackers;
    uint64_t connect_ms;
    uint64_t network_ms;
    char *bind_addr;
    char *secret_file; /* empty: none */
    struct dfs_tls_conf tls;
    char *congestion;
};

extern const struct dfs_conf_row client_conf_rows[];
extern const size_t client_conf_n;

/*
 * Read @path into zeroed *ret, as dfs_conf_load does; NULL: the defaults. A client.conf of FastDFS is taken as it is: its
 * keys that mean nothing here are passed over (semantics 3, 8 and 20), other unknown ones are an error.
 */
int client_conf_load(const char *path, struct client_conf *ret, struct buf *err);

#endif
