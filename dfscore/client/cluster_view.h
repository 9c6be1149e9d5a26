/* SPDX-License-Identifier: Apache-2.0 */
/*
 * cluster_view - what this process believes about groups and servers, asked anew about once a
 * second, so that reads need not ask a tracker.
 *
 * The belief is a snapshot: constant, shared by reference. When the trackers do not answer, the
 * last one stays, and its age says how much it is worth. Threads: any. One thread of its own
 * refreshes; nothing blocks in dfs_view_ref.
 */
#ifndef DFS_CLUSTER_VIEW_H
#define DFS_CLUSTER_VIEW_H

#include "dfscore/client/tracker_client.h"

struct dfs_view;

struct dfs_view_server {
    char id[DFS_ID_MAX + 1];
    struct dfs_addr addr;
    uint8_t status;  /* enum dfs_server_status */
    uint8_t rw_mode; /* DFS_RW_... */
    bool is_trunk_server;
    int64_t last_synced_s; /* newest operation it has from every source */
    int64_t free_mb;
};

struct dfs_view_group {
    char name[DFS_GROUP_MAX + 1];
    int64_t total_mb, free_mb;
    uint32_t path_count;
    struct dfs_view_server *servers; /* sorted by id */
    size_t n;
};

struct dfs_snapshot {
    struct dfs_view_group *groups; /* sorted by name */
    size_t n;
    uint64_t taken_ms;     /* dfs_mono_ms */
    _Atomic unsigned refs; /* cluster_view.c's */
};

/* Asks once (failure is not an error: the snapshot is empty), then every @interval_ms in its own
 * thread.
 * @trackers must outlive it. 0 or -ENOMEM, -EAGAIN (no thread). */
int dfs_view_new(struct dfs_trackers *trackers, uint64_t interval_ms, struct dfs_view **ret);
/* Waits for a question that is under way. References taken stay valid. */
void dfs_view_free(struct dfs_view **vp);

/* The latest snapshot; give it back with dfs_snapshot_unref. Never NULL. */
struct dfs_snapshot *dfs_view_ref(struct dfs_view *v);
void dfs_snapshot_unref(struct dfs_snapshot **sp);
/* Ask now, in this thread. 0, or why the old snapshot stays. */
int dfs_view_refresh(struct dfs_view *v);

/* NULL: no such group or server. */
const struct dfs_view_group *dfs_snapshot_group(const struct dfs_snapshot *s, struct str name);
const struct dfs_view_server *dfs_view_server(const struct dfs_view_group *g, struct str id);
/* May it be read from, or written to, now? */
bool dfs_view_readable(const struct dfs_view_server *s);
bool dfs_view_writable(const struct dfs_view_server *s);

#endif
