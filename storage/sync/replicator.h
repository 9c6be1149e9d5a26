/* SPDX-License-Identifier: Apache-2.0 */
/*
 * replicator - keeps this server equal to the other members of its group, in steps: one replicator a peer,
 * which connects, takes the peer's logs, then follows them; and a look over all of them. No threads: sync.c
 * gives each its own, tests give them a simulated clock and network.
 *
 * A server that joins a group with files, or comes back with an empty disk, is complete when every
 * member in service has been caught up with: each of its logs, our own old ones included, is here up to
 * where it ended when we asked, record by record with its checksum. Until then the trackers keep it out
 * of readers' sight.
 *
 * Threads: a replicator has one owner at a time, and so has the look; they may be different ones.
 */
#ifndef STO_REPLICATOR_H
#define STO_REPLICATOR_H

#include "storage/sync/followers.h"
#include "storage/sync/puller.h"

struct sto_replicators;
struct sto_replicator;

struct sto_sync_options {
    struct sto_store *store; /* all of these outlive the sync */
    struct sto_mirrors *mirrors;
    struct sto_members *members;
    struct sto_followers *followers;
    const char *group;
    const char *own_id;
    struct dfs_peer_opts net;
    const struct sto_line *line; /* NULL: sto_line_tcp */
    struct dfs_client *cluster;  /* as a puller's */
    uint64_t wait_ms;            /* pause of a replicator with several logs that has everything */
    /* Every member in service has been caught up with; @with_all: and everybody else that has not left. Said again now and
       then: trackers may only now be ready to hear it. */
    void (*caught_up)(void *arg, bool with_all);
    void *arg;
};

int sto_replicators_new(const struct sto_sync_options *o, struct sto_replicators **ret) MUST_CHECK;
/* Steps under way end soon, later ones do nothing. Any thread. */
void sto_replicators_stop(struct sto_replicators *set);
bool sto_replicators_stopping(const struct sto_replicators *set);
/* No step is under way. */
void sto_replicators_free(struct sto_replicators **sp);

/*
 * New members get a replicator, the engine is told what to retain, and the options' caught_up is called when
 * it is so. To be called when the members have changed, and at least every STO_LOOK_MS.
 */
enum { STO_LOOK_MS = 1000 };
void sto_replicators_look(struct sto_replicators *set);
/* For whoever looks. They stay, in their order. */
size_t sto_replicators_count(const struct sto_replicators *set);
struct sto_replicator *sto_replicators_at(struct sto_replicators *set, size_t i);

/* The next step, bounded by the timeouts. Returns how many milliseconds to pause before the one after it. */
uint64_t sto_replicator_step(struct sto_replicator *r);

#endif
