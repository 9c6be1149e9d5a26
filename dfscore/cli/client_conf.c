/* SPDX-License-Identifier: Apache-2.0 */
#include "dfscore/cli/client_conf.h"

enum { DAY_MS = 24 * 3600 * 1000 };

const struct dfs_conf_row client_conf_rows[] = {
    CONF_LIST(struct client_conf, trackers, "tracker_server", 0, 16, CONF_RESTART,
              "A tracker as host:port or [ipv6]:port, with two addresses inner,outer:port; repeat "
              "the line\n"
              "for each.\n"
              "Requests go to one after the other until one answers."),
    CONF_DURATION(struct client_conf, connect_ms, "connect_timeout", "5s", 1, DAY_MS, "s",
                  CONF_RESTART,
                  "Longest wait for a connection and proof of the secret, and for an answer to\n"
                  "commands that only look, such as monitor."),
    CONF_DURATION(struct client_conf, network_ms, "network_timeout", "60s", 1, DAY_MS, "s",
                  CONF_RESTART, "Longest wait for the next byte to move."),
    CONF_STR(struct client_conf, bind_addr, "bind_addr", "", 0, 45, CONF_RESTART,
             "Local IP address of outgoing connections; empty: the system chooses."),
    CONF_STR(
        struct client_conf, secret_file, "cluster_secret_file", "", 0, 4000, CONF_RESTART,
        "File with the cluster secret, for commands that only servers and administrators may use\n"
        "(--secret). With it trackers and storages are asked to prove it too. Empty: none."),
    DFS_TLS_CONF_ROWS(struct client_conf, tls),
    CONF_STR(struct client_conf, congestion, "tcp_congestion", "", 0, 15, CONF_RESTART,
             "TCP congestion control, for example cubic; empty: the system's default."),
};
const size_t client_conf_n = ARRAY_LEN(client_conf_rows);

/* What FastDFS's client.conf says to its library of pools, logs and ids; dfs asks the trackers. */
static const char *const meaningless[] = {
    "base_path",
    "connect_first_by",
    "load_fdfs_parameters_from_tracker",
    "storage_sync_file_max_delay",
    "use_storage_id",
    "storage_ids_filename",
    "use_connection_pool",
    "connection_pool_max_idle_time",
    "log_level",
    "http.*",
};

int client_conf_load(const char *path, struct client_conf *ret, struct buf *err)
{
    const struct dfs_conf_opts opts = {meaningless, ARRAY_LEN(meaningless), NULL};
    return path ? dfs_conf_load(path, client_conf_rows, client_conf_n, &opts, ret, err)
                : dfs_conf_parse(STR(""), "defaults", client_conf_rows, client_conf_n, NULL, ret,
                                 err);
}
