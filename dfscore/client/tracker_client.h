/* SPDX-License-Identifier: Apache-2.0 */
/*
 * tracker_client - ask the trackers of a cluster; failover and leader-following live here.
 *
 * A request goes to the trackers in turn until one answers; what it answers, error statuses
 * included, is the result. Requests only the leader takes go on to the next tracker when one says
 * EOPNOTSUPP. Errors: the peer's status as negative errno; the last connection error when no tracker
 * could be reached; -EBADMSG for an answer that does not decode.
 * Rule:    protocol 5; semantics 20.
 * Threads: any. Blocking, within the pool's timeouts.
 */
#ifndef DFS_TRACKER_CLIENT_H
#define DFS_TRACKER_CLIENT_H

#include "dfscore/fileid/fileid.h"
#include "dfscore/net/connpool.h"
#include "dfscore/wire/messages.h"

struct dfs_trackers;

/* @addrs is copied. @pool must outlive it. 1..DFS_TRACKERS_MAX trackers. */
int dfs_trackers_new(const struct dfs_addr *addrs, size_t n, struct dfs_connpool *pool,
                     struct dfs_trackers **ret);
void dfs_trackers_free(struct dfs_trackers **tp);

size_t dfs_trackers_count(const struct dfs_trackers *t);
const struct dfs_addr *dfs_trackers_addr(const struct dfs_trackers *t, size_t i);

/* Any command, to any tracker. */
int dfs_trackers_call(struct dfs_trackers *t, uint8_t cmd, const struct str *parts, size_t n,
                      struct buf *rsp) MUST_CHECK;
/* The same, past those that answer EOPNOTSUPP. */
int dfs_trackers_call_leader(struct dfs_trackers *t, uint8_t cmd, const struct str *parts, size_t n,
                             struct buf *rsp) MUST_CHECK;
/* To the @i-th tracker only. */
int dfs_trackers_call_one(struct dfs_trackers *t, size_t i, uint8_t cmd, const struct str *parts,
                          size_t n, struct buf *rsp) MUST_CHECK;

struct dfs_target {
    char group[DFS_GROUP_MAX + 1];
    struct dfs_addr addr;
    uint8_t path_index; /* of a store target */
};

/* Where to write: any group (@group absent) or this one. 101, 104. */
int dfs_query_store(struct dfs_trackers *t, struct str group, struct dfs_target *ret) MUST_CHECK;
/* Which server has @filename (102), or takes changes to it (103). */
int dfs_query_fetch(struct dfs_trackers *t, struct str group, struct str filename,
                    struct dfs_target *ret) MUST_CHECK;
int dfs_query_update(struct dfs_trackers *t, struct str group, struct str filename,
                     struct dfs_target *ret) MUST_CHECK;
/* All that have it (105); at most @max of them. Reads the layouts before and since 6.16. */
int dfs_query_fetch_all(struct dfs_trackers *t, struct str group, struct str filename,
                        struct dfs_target *ret, size_t max, size_t *ret_n) MUST_CHECK;

/* *ret is owned by the caller: free(). */
int dfs_list_groups(struct dfs_trackers *t, struct dfs_group_stat **ret, size_t *ret_n) MUST_CHECK;
/* @id absent: all servers of the group. */
int dfs_list_storages(struct dfs_trackers *t, struct str group, struct str id,
                      struct dfs_storage_detail **ret, size_t *ret_n) MUST_CHECK;
/* The body of an answer to 92, of either width. *ret is the caller's. */
int dfs_decode_storages(struct str body, struct dfs_storage_detail **ret, size_t *ret_n) MUST_CHECK;
int dfs_get_leader(struct dfs_trackers *t, struct dfs_addr *ret) MUST_CHECK;
/* To every tracker; ENOENT and EALREADY of single ones are tolerated. 93, 108. */
int dfs_delete_storage(struct dfs_trackers *t, struct str group, struct str id) MUST_CHECK;
int dfs_delete_group(struct dfs_trackers *t, struct str group) MUST_CHECK;
/* The same for DRAIN (wire/internal.h); @id empty: the whole group; "M01": a store path of it. Who is so already is no
 * error. */
int dfs_set_drain(struct dfs_trackers *t, struct str group, struct str id,
                  uint8_t state) MUST_CHECK;
/* Servers, store paths and groups that are drained. *ret is the caller's. FastDFS's trackers close the connection. */
int dfs_list_drains(struct dfs_trackers *t, struct dfs_drain **ret, size_t *ret_n) MUST_CHECK;
/* The body of an answer to 203. *ret is the caller's. 0, -EBADMSG, -ENOMEM. */
int dfs_decode_drains(struct str body, struct dfs_drain **ret, size_t *ret_n) MUST_CHECK;
/* As the @i-th tracker has it. */
int dfs_list_drains_at(struct dfs_trackers *t, size_t i, struct dfs_drain **ret,
                       size_t *ret_n) MUST_CHECK;
/* @id absent: the tracker chooses. @rsp gets the id of the trunk server. 94. */
int dfs_set_trunk_server(struct dfs_trackers *t, struct str group, struct str id,
                         char ret[17]) MUST_CHECK;

#endif
