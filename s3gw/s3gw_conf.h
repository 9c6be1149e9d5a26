/* SPDX-License-Identifier: Apache-2.0 */
/*
 * s3gw_conf - the gateway's settings: rows of conf/s3gw.conf, and their check against each other.
 *
 * Threads: filled on the main thread before anything starts; read by anybody afterwards.
 */
#ifndef S3GW_CONF_H
#define S3GW_CONF_H

#include "dfscore/net/tls.h"

enum { DFS_TRACKER_PORT = 22122 }; /* where a tracker listens when the setting does not say */

enum s3gw_durability { S3GW_SYNC, S3GW_RELAXED };
enum s3gw_bucket_defaults { S3GW_BUCKETS_OPEN, S3GW_BUCKETS_AWS };

struct s3gw_conf {
    char *listen;             /* "address:port"; see s3gw_conf_check for its parts */
    char *tls_cert, *tls_key; /* PEM files; both empty: plain HTTP */
    char *region;
    struct dfs_conf_list domains, websites;
    char *default_group;
    struct dfs_conf_list classes;  /* "STANDARD_IA=group2"; empty: s3_classes_default */
    struct dfs_conf_list copies;   /* "group1=3" */
    struct dfs_conf_list storages; /* "group1=/path/of/storage.sock" */
    struct dfs_conf_list trackers; /* "host:port" */
    char *cluster_secret_file;     /* empty: none */
    struct dfs_tls_conf cluster_tls;
    uint64_t lease_ms; /* 0: none */
    bool spread;
    uint64_t storage_connect_ms, storage_timeout_ms, storage_hold_down_ms, read_hedge_ms;
    char *index_path;
    uint64_t index_cache;   /* bytes */
    uint64_t index_reserve; /* bytes */
    uint64_t small_memory;  /* bytes */
    uint64_t large_memory;  /* bytes */
    int durability;         /* enum s3gw_durability */
    bool sigv2;
    struct dfs_conf_list native_urls; /* "group1", or "group1=secret of its tokens" */
    uint64_t native_token_ttl_ms;
    int bucket_defaults; /* enum s3gw_bucket_defaults */
    bool acl_emails;
    char *key_ring;      /* empty: none */
    int sse_c_over_http; /* enum s3_sse_c_over_http of core/gw.h */
    int64_t http_threads, workers, max_connections;
    uint64_t idle_timeout_ms;
    uint64_t drain_timeout_ms;
    uint64_t reclaim_grace_ms, reclaim_rescan_ms;
    int64_t lifecycle_seconds_per_day;
    uint64_t rebalance_rate; /* bytes/s; 0: no limit */
    char *admin_socket;      /* empty: none */
    char *congestion;        /* empty: the system's */
    char *access_log;        /* empty: none */
    uint64_t logging_interval_ms;
    struct dfs_conf_list notify_targets; /* "NAME=URL" */
    int64_t notify_backlog;              /* events */
    uint64_t notify_timeout_ms;
    char *log_file;
    int log_level; /* enum dfs_log_level */

    /* Worked out by s3gw_conf_check. */
    char host[108]; /* numeric address or name, without brackets */
    uint16_t port;  /* 0: any free one */
};

extern const struct dfs_conf_row s3gw_conf_rows[];
extern const size_t s3gw_conf_n;

/* 0, or negative errno with one line for a human in @err. @conf is zeroed first. */
int s3gw_conf_load(const char *path, struct s3gw_conf *conf, struct buf *err) MUST_CHECK;
/* All defaults, then to be changed by the caller; strings are heap. */
int s3gw_conf_default(struct s3gw_conf *conf, struct buf *err) MUST_CHECK;
/* Replace a string setting; 0 or -ENOMEM. */
int s3gw_conf_set(char **setting, struct str value) MUST_CHECK;
/* Append to a list setting; 0 or -ENOMEM. */
int s3gw_conf_add(struct dfs_conf_list *list, struct str item) MUST_CHECK;
/* What rows cannot say: settings against each other, files that must be readable. As load. */
int s3gw_conf_check(struct s3gw_conf *conf, struct buf *err) MUST_CHECK;
struct s3_dfs_copies;
/* An item of min_copies; the group is a view of it. -EINVAL. */
int s3gw_conf_copies(const char *row, struct s3_dfs_copies *ret) MUST_CHECK;
void s3gw_conf_fini(struct s3gw_conf *conf);

#endif
