/* SPDX-License-Identifier: Apache-2.0 */
/*
 * peers - talks to the other trackers: elections, and learning from them what we missed.
 *
 * One thread keeps time for the election; one per other tracker sends it messages and hears its
 * answers, so that one that hangs costs nobody else anything. A tracker without groups asks its
 * peers for all they know before it lets a storage join; every tracker asks again now and then.
 *
 * Threads: its own. start after the listener serves; stop before the store closes.
 */
#ifndef TRK_PEERS_H
#define TRK_PEERS_H

#include "dfscore/net/peer.h"
#include "tracker/service/server.h"

struct trk_peers;

struct trk_peers_opts {
    struct trk_server *srv;
    struct dfs_peer_opts net;
    uint64_t pull_ms; /* between two looks at what a peer knows */
};

int trk_peers_start(const struct trk_peers_opts *o, struct trk_peers **ret) MUST_CHECK;
void trk_peers_stop(struct trk_peers **pp);

#endif
