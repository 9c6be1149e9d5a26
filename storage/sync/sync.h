/* SPDX-License-Identifier: Apache-2.0 */
/*
 * sync - keeps this server equal to the other members of its group: one replicator a peer, each with
 * a thread that pulls the peer's logs, and a thread that watches over them.
 *
 * A server that joins a group with files, or comes back with an empty disk, is complete when every
 * member in service has been caught up with: each of its logs, our own old ones included, is here up to
 * where it ended when we asked, record by record with its checksum. Until then the trackers keep it out
 * of readers' sight.
 *
 * Threads: start, stop from any; the functions in the options are called on threads of sync.
 */
#ifndef STO_SYNC_H
#define STO_SYNC_H

#include "storage/sync/followers.h"
#include "storage/sync/puller.h"

struct sto_sync;

struct sto_sync_options {
    struct sto_store *store;         /* all of these outlive the sync */
    struct sto_mirrors *mirrors;
    struct sto_members *members;
    struct sto_followers *followers;
    const char *group;
    const char *own_id;
    struct dfs_peer_opts net;
    uint64_t wait_ms;                /* pause of a replicator with several logs that has everything */
    /* Every member in service has been caught up with. Said again now and then: trackers may only now be
       ready to hear it. */
    void (*caught_up)(void *arg);
    void *arg;
};

int sto_sync_start(const struct sto_sync_options *o, struct sto_sync **ret) MUST_CHECK;
void sto_sync_stop(struct sto_sync **sp);

#endif
