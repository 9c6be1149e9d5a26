/* SPDX-License-Identifier: Apache-2.0 */
/*
 * tracker_conf - what tracker.conf says, as rows.
 *
 * Rule:    semantics 3 (keys of FastDFS, same units), 18 (format). Keys of FastDFS without a
 * meaning here are accepted with a warning that says so; keys nobody knows with another one.
 * Threads: none; read at start and by SIGHUP.
 */
#ifndef TRK_CONF_H
#define TRK_CONF_H

#include "dfscore/net/tls.h"

struct trk_conf {
    bool disabled;
    char *base_path;
    char *bind_addr;
    int64_t port;
    struct dfs_conf_list tracker_server; /* all trackers, this one included; empty: learned */
    struct dfs_conf_list allow_hosts;
    struct dfs_conf_list server_hosts;
    char *cluster_secret_file; /* empty: none */
    struct dfs_tls_conf tls;
    int tls_mode; /* enum dfs_tls_mode; means nothing without tls */
    int64_t max_connections;
    int64_t work_threads;
    uint64_t buff_size;
    uint64_t connect_timeout_ms, network_timeout_ms;
    int64_t store_lookup, store_server, store_path, download_server;
    char *store_group;
    struct dfs_conf_space reserved;
    uint64_t check_active_ms;
    uint64_t sync_max_delay_ms, sync_max_time_ms;
    int response_ip_addr_size; /* 0 auto, 1 IPv4, 2 IPv6 */
    int fetch_all_form;        /* 0 new, 1 old */
    bool use_storage_id, trust_storage_server_id;
    char *storage_ids_filename;
    int id_type_in_filename; /* 0 ip, 1 id */
    bool storage_ip_changed_auto_adjust;
    bool use_trunk_file;
    uint64_t slot_min_size, slot_max_size, trunk_file_size, trunk_alloc_alignment_size;
    bool trunk_free_space_merge, delete_unused_trunk_files;
    bool trunk_create_file_advance, trunk_init_check_occupying, trunk_init_reload_from_binlog;
    int64_t trunk_create_file_time_base;
    uint64_t trunk_create_file_interval_ms, trunk_create_file_space_threshold;
    uint64_t trunk_compress_binlog_min_interval_ms, trunk_compress_binlog_interval_ms;
    int64_t trunk_compress_binlog_time_base;
    int64_t trunk_binlog_max_backups;
    bool store_slave_file_use_link;
    uint64_t election_ms;
    uint64_t snapshot_ms;
    uint64_t deleted_keep_ms;
    char *log_file;
    int log_level; /* a word of DFS_LOG_LEVELS */
};

/* 0 or negative errno with one line for a human in @err. */
int trk_conf_load(const char *path, struct trk_conf *ret, struct buf *err) MUST_CHECK;
void trk_conf_fini(struct trk_conf *c);
/* The keys that can change while we run: dfs_conf_reload(). */
void trk_conf_reload(struct trk_conf *c, struct trk_conf *next);
/* A commented sample with all keys. */
void trk_conf_print(struct buf *out);
/* Answer of command 75. @wide: addresses in answers have 46 bytes. Rule: protocol 6.11. */
void trk_conf_params(const struct trk_conf *c, bool wide, struct buf *out);

#endif
