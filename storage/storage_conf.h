/* SPDX-License-Identifier: Apache-2.0 */
/*
 * storage_conf - the settings of dfs_storaged.
 *
 * Rule:    fastdfs-semantics.md 8: the same keys and units as FastDFS. Keys of FastDFS that mean
 *          nothing here are accepted and named in a warning; other unknown keys too.
 * Threads: none of its own.
 */
#ifndef STO_STORAGE_CONF_H
#define STO_STORAGE_CONF_H

#include "dfscore/net/tls.h"

struct sto_conf {
    bool disabled;
    char *base_path;
    char *group_name;
    char *bind_addr;
    int64_t port;
    char *server_id;
    struct dfs_conf_list tracker_server;
    struct dfs_conf_list store_path;
    struct dfs_conf_list store_path_readonly; /* by path index; an item may be NULL */
    int64_t store_path_count;
    int64_t subdir_count;
    int64_t upload_priority;
    struct dfs_conf_list allow_hosts;
    struct dfs_conf_list peer_hosts;
    int native_clients; /* enum sto_conf_native */
    struct dfs_conf_list native_hosts;
    bool native_may_remove_s3;
    char *cluster_secret_file; /* empty: none */
    struct dfs_tls_conf tls;
    int tls_mode; /* enum dfs_tls_mode; means nothing without tls */
    char *socket_path;
    int durability;   /* enum sto_conf_durability */
    char *min_copies; /* as written: "auto" or a number */
    unsigned copies;  /* what it means; 0: auto */
    uint64_t copy_timeout_ms;
    uint64_t slow_disk_ms;
    int64_t max_connections;
    int64_t work_threads;
    int64_t disk_reader_threads;
    int64_t disk_writer_threads;
    uint64_t connect_timeout_ms;
    uint64_t network_timeout_ms;
    uint64_t heart_beat_interval_ms;
    uint64_t stat_report_interval_ms;
    uint64_t sync_wait_ms;
    uint64_t scrub_rate; /* bytes a second; 0: no scrub */
    uint64_t scrub_interval_ms;
    uint64_t rebalance_rate; /* bytes a second; 0: no limit */
    char *log_file;
    int log_level; /* a word of DFS_LOG_LEVELS */
};

enum sto_conf_native { STO_CONF_NATIVE_ALL, STO_CONF_NATIVE_READ, STO_CONF_NATIVE_OFF };
enum sto_conf_durability { STO_DURABILITY_SYNC, STO_DURABILITY_RELAXED };

/*
 * Read and check @path into zeroed *ret. 0; negative errno with one line for a human in @err.
 * Warnings about keys without meaning go to the log.
 */
int sto_conf_load(const char *path, struct sto_conf *ret, struct buf *err) MUST_CHECK;
void sto_conf_fini(struct sto_conf *c);
/* The sample file. */
void sto_conf_print(struct buf *out);
bool sto_conf_path_readonly(const struct sto_conf *c, size_t index);

#endif
