/* SPDX-License-Identifier: Apache-2.0 */
/*
 * tracker - single questions of a storage to trackers, on connections of their own.
 *
 * Threads: no state but the caller's list; each call blocks, bounded by the timeouts.
 */
#ifndef STO_TRACKER_H
#define STO_TRACKER_H

#include "dfscore/net/peer.h"
#include "storage/beat/identity.h"
#include "storage/beat/params.h"
#include "storage/group/members.h"

struct sto_trackers {
    const struct dfs_addr *list;
    size_t n;                 /* 1..DFS_TRACKERS_MAX */
    struct dfs_peer_opts net; /* bind_ip included */
    const char *group;
};

/*
 * What a storage must know before it can name files: the cluster's settings, its address and its id.
 * The first tracker that answers counts; one that hangs is left after connect_ms. @params_text gets the settings as sent,
 * to be kept for a start without trackers. @port and @server_id (may be "") are from our configuration.
 * 0; the last tracker's error otherwise.
 */
int sto_tracker_discover(const struct sto_trackers *t, uint16_t port, const char *server_id,
                         struct sto_params *params, struct buf *params_text,
                         struct sto_identity *id) MUST_CHECK;

/*
 * Which servers of the group are ACTIVE, as any tracker that answers says (92): at most @cap ids. For the
 * case that the leader, which tells us of changes, is away itself. 0; -ENOTCONN: no tracker answered that knows it.
 */
int sto_tracker_active(const struct sto_trackers *t, char (*ids)[DFS_ID_MAX + 1], size_t cap,
                       size_t *ret) MUST_CHECK;

/*
 * Do all servers of the group that any tracker that answers tells of (92) stand in @members, left out who has left? False
 * also when none answers.
 */
bool sto_tracker_all_known(const struct sto_trackers *t, struct sto_members *members);

/*
 * 92 on an open connection: the servers of @group; *list is the caller's, to be freed. @how: 0 or DFS_LIST_KNOWN. @rsp: for
 * the answer.
 */
int sto_tracker_list(struct dfs_peer *p, const char *group, uint8_t how, struct buf *rsp,
                     struct dfs_storage_detail **list, size_t *n) MUST_CHECK;

/* 75 on an open connection: @params_text is reset and filled, *params taken over. */
int sto_tracker_params(struct dfs_peer *p, struct sto_params *params,
                       struct buf *params_text) MUST_CHECK;

#endif
