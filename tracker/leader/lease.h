/* SPDX-License-Identifier: Apache-2.0 */
/*
 * lease - which gateway may speak for the cluster's key index: one tracker's part of it. Pure: time and questions come from
 * outside.
 *
 * A gateway serves while a majority of the trackers has granted it the lease. Each grant lasts ttl from the moment it is
 * given, by this tracker's monotonic clock; the gateway counts from before it asked, and less, so it stops before any of
 * them gives the lease away (s3gw/lease). Two gateways cannot have a majority at once, since one tracker would be in both.
 *
 *   - nobody but its holder gets the lease before ttl has passed since the last grant
 *   - a new holder is on disk before it hears of it. After a start the lease may be running since a moment before: the
 *     kept holder has it at once, others when one ttl has passed. A tracker that keeps nobody may have lost its disk, and
 *     waits as long
 *   - the last holder stays known when its lease has run out. To KEEP is refused to everybody else: so a gateway that a
 *     majority lets KEEP knows that nobody has served since it did, and that its index is the cluster's
 *   - TAKE says from whom. One that was long on its way finds another holder, and changes nothing
 *
 * Trackers tell each other nothing of it.
 * Threads: none; the caller serialises.
 */
#ifndef TRK_LEASE_H
#define TRK_LEASE_H

#include "dfscore/wire/messages.h"
#include "tracker/state/record.h"

struct trk_lease {
    uint64_t started_ms; /* monotonic: since then we know what we have granted */
    uint64_t until_ms;   /* the last grant's end; 0: none since the start */
};

void trk_lease_init(struct trk_lease *l, uint64_t now_ms);
/*
 * Answer @m. *kept is whom the tracker keeps; true: it has changed, and has to be on disk before the answer is given.
 * *ret is whole but for the number of trackers. The question has been checked (trk_lease_check).
 */
bool trk_lease_ask(struct trk_lease *l, struct trk_lease_kept *kept, const struct dfs_lease_req *m,
                   uint64_t now_ms, struct dfs_lease_rsp *ret);
/* Can it be asked so? 0 or -EINVAL. */
int trk_lease_check(const struct dfs_lease_req *m) MUST_CHECK;

#endif
