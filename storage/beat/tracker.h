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
#include "storage/group/members.h"
#include "storage/beat/params.h"

struct sto_trackers {
    const struct dfs_addr *list;
    size_t n;                 /* 1..DFS_TRACKERS_MAX */
    struct dfs_peer_opts net; /* bind_ip included */
    const char *group;
};

/*
 * What a storage must know before it can name files: the cluster's settings, its address and its id.
 * The first tracker that answers counts. @params_text gets the settings as sent, to be kept for a
 * start without trackers. @port and @server_id (may be "") are from our configuration.
 * 0; the last tracker's error otherwise.
 */
int sto_tracker_discover(const struct sto_trackers *t, uint16_t port, const char *server_id,
                         struct sto_params *params, struct buf *params_text,
                         struct sto_identity *id) MUST_CHECK;

/* 75 on an open connection: @params_text is reset and filled, *params taken over. */
int sto_tracker_params(struct dfs_peer *p, struct sto_params *params, struct buf *params_text)
    MUST_CHECK;

/* 76 to all trackers: "@member is @status". 0 when one tracker at least took it. */
int sto_tracker_report_status(const struct sto_trackers *t, const struct sto_member *member,
                              uint8_t status) MUST_CHECK;

/*
 * 86: whom does the peer @id copy its old files from, and up to which operation time? ret->source_id
 * is empty when it has no source. -ENOENT: unknown or not yet decided; ask again later.
 */
int sto_tracker_peer_source(const struct sto_trackers *t, const char *id,
                            struct dfs_sync_record *ret) MUST_CHECK;

/* 71 at all trackers: the highest status any of them has of server @ip:@port. -ENOENT: none knows it. */
int sto_tracker_own_status(const struct sto_trackers *t, const char *ip, uint16_t port,
                           uint8_t *ret) MUST_CHECK;

#endif
