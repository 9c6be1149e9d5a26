/* SPDX-License-Identifier: Apache-2.0 */
/*
 * select - which group, which server, which path: placement of uploads, choice of readers.
 *
 * Pure over the cluster but for its round-robin cursors.
 * Rule:    semantics 4.4 (uploads), 4.5 (reads and updates). Where we differ, on purpose:
 *          - a replica "has" a file by what it reported of that file's own source, not by the least
 *            position over all sources: an idle third server holds nobody back (4.5 [Q])
 *          - a server that has not reported its disks yet takes no uploads and does not count as
 *            the group's fullest one
 *          - when nobody readable is known to have a file and the store server only writes, any reader is
 *            named: ours pass the question on, and a file that is there is never "no such file"
 *          - an IPv4 address that ends in .0 is an address unless storage ids are used (2.2 [Q])
 * Threads: the owner's lock, as the whole cluster.
 */
#ifndef TRK_SELECT_H
#define TRK_SELECT_H

#include "dfscore/conf/conf.h"
#include "tracker/cluster/cluster.h"

enum { TRK_LOOKUP_ROUND_ROBIN, TRK_LOOKUP_NAMED, TRK_LOOKUP_MOST_FREE };
enum { TRK_SERVER_ROUND_ROBIN, TRK_SERVER_FIRST, TRK_SERVER_PRIORITY };
enum { TRK_PATH_ROUND_ROBIN, TRK_PATH_MOST_FREE = 2 };
enum { TRK_READ_ROUND_ROBIN, TRK_READ_SOURCE };

struct trk_select_opts {
    int store_lookup;               /* TRK_LOOKUP_* */
    const char *store_group;        /* for TRK_LOOKUP_NAMED */
    int store_server;               /* TRK_SERVER_* */
    int store_path;                 /* TRK_PATH_* */
    int download_server;            /* TRK_READ_* */
    struct dfs_conf_space reserved; /* kept free on every server */
    bool use_trunk;
    bool use_storage_id;
    int64_t max_delay_s; /* storage_sync_file_max_delay: older files are everywhere */
    int64_t max_time_s;  /* storage_sync_file_max_time: longest copy of one file */
};

struct trk_target {
    struct trk_group *group;
    struct trk_node *node;
    unsigned path;
};

/*
 * Where the next upload goes; @group NULL: any. Moves the cursors.
 * 0; -ENOENT: no such group, or no writable server; -ENOSPC: the reserve excludes all.
 */
int trk_select_store(struct trk_cluster *c, const struct trk_select_opts *o, const char *group,
                     struct trk_target *ret) MUST_CHECK;

/*
 * Servers to read @filename from (102: one, 105: all). @out has DFS_SERVERS_MAX places.
 * 0 and at least one; -EINVAL: not a file name; -ENOENT.
 */
int trk_select_fetch(struct trk_group *g, const struct trk_select_opts *o, struct str filename,
                     int64_t now_s, bool all, struct trk_node **out, size_t *ret_n) MUST_CHECK;

/* The server to change @filename on (103): its source, else one that takes uploads, else one that is drained. As
 * above. */
int trk_select_update(struct trk_group *g, const struct trk_select_opts *o, struct str filename,
                      struct trk_node **ret) MUST_CHECK;

/* MB kept free on each server of @g, as the lists show it (protocol 4.3, 4.4). */
int64_t trk_reserved_mb(const struct trk_select_opts *o, int64_t total_mb);
/* Does this much free space leave the reserve alone? */
bool trk_space_ok(const struct trk_select_opts *o, int64_t total_mb, int64_t free_mb);

#endif
