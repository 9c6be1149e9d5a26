/* SPDX-License-Identifier: Apache-2.0 */
/*
 * mover - moves the files of FastDFS clients out of a group, or off a store path, that is drained (dfs admin rebalance).
 *
 * It goes round after round through all logs that are here, and moves each file whose mover this server is:
 *
 *   1. look at it; copy content and metadata to a server of another group, as any client would; from a store path to
 *      another one of this server, as long as there is room in the group;
 *   2. ask all members whether their copies are the same; one that is away, or behind, puts the file off, and all files
 *      while the trackers' leader has not said who is a member;
 *   3. sto_move_commit(): it must not have changed meanwhile; log where it is now; the content goes (trunk/moved.h).
 *
 * From a store path the old names go, too (trunk/kept.h), as each file has moved, and those that were there before; so
 * nothing is needed of the path when it is done.
 *
 * A copy that arrives as something else than its name says, or cannot be read, stays here and is looked at: another member's
 * takes its place (sync/repair.h), and moves with the next round.
 *
 * Stopped anywhere before 3, nothing has happened but a copy that nobody knows of. Gateways' files stay: they have their
 * own way out of a group (s3gw admin rebalance). So do links, which have no content; of a store path others are made in
 * their place, beside what they lead to.
 *
 * Whose mover: the server that the name says took the file, as it is the one to which trackers send changes; of a server
 * that is no member any more, the member with the least id.
 *
 * Before the first round of an order it goes through the names once to count what there is to move.
 *
 * It moves while it is told to: an order lasts for some seconds and is renewed by who gave it.
 *
 * Threads: all calls from any; one of its own.
 */
#ifndef STO_MOVER_H
#define STO_MOVER_H

#include "dfscore/client/client.h"
#include "storage/group/members.h"
#include "storage/sync/repair.h"
#include "storage/trunk/mirror.h"

struct sto_mover;

struct sto_mover_options {
    struct sto_store *store; /* all of these outlive the mover */
    struct sto_mirrors *mirrors;
    struct sto_members *members;
    struct dfs_client *cluster;
    struct sto_repair *repair; /* hears of copies here that are bad */
    uint64_t rate; /* bytes a second that are copied, on the average of some files; 0: no limit */
};

int sto_mover_start(const struct sto_mover_options *o, struct sto_mover **ret) MUST_CHECK;
void sto_mover_stop(struct sto_mover **mp);

enum { STO_MOVE_ALL = -1 };
/*
 * What is on @path, or with STO_MOVE_ALL all. -EINVAL: the group is our own, or no group's name; there is no such path;
 * -EBUSY: it moves to another one, or other files. @count_only: only says how many there are; nothing changes when they
 * are moving already.
 */
int sto_mover_order(struct sto_mover *m, const struct dfs_move_order *order, int path,
                    bool count_only) MUST_CHECK;
void sto_mover_state(struct sto_mover *m, struct dfs_move_state *ret, struct dfs_move_left *left);

#endif
