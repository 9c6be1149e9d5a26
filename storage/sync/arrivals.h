/* SPDX-License-Identifier: Apache-2.0 */
/*
 * arrivals - files of a peer whose content has come, and which are named together: their metadata are had with one
 * question, and the disk syncs them as one, where each would cost a round trip and two commits of the journal.
 *
 * A plain file arrives as a temporary one. A packed file arrives with its pack; it is one of us when it may have metadata
 * that no record brings any more.
 *
 * Threads: one owner. Calls block.
 */
#ifndef STO_ARRIVALS_H
#define STO_ARRIVALS_H

#include "storage/sync/line.h"
#include "storage/trunk/replica.h"

struct sto_arrivals;

/* Of a peer of @group, which outlives them. @singly: one that does not know the question, and is asked about each file. */
int sto_arrivals_new(struct sto_store *s, const char *group, bool singly,
                     struct sto_arrivals **ret) MUST_CHECK;
void sto_arrivals_free(struct sto_arrivals **ap);

/*
 * A copy of @new and its name. Takes its file when it returns 0; NULL: a packed one. Not when it is full: the owner settles
 * then. -EINVAL: no name of ours.
 */
int sto_arrivals_add(struct sto_arrivals *a, struct sto_replica_new *new) MUST_CHECK;
bool sto_arrivals_any(const struct sto_arrivals *a);
bool sto_arrivals_full(const struct sto_arrivals *a);

/*
 * All of them, durable and with their names and metadata; the peer is asked over @peer before the first gets its name, so
 * one that vanishes leaves nothing half. None are there any more also after an error. A file that cannot be is passed over
 * with a line in the log. -EOPNOTSUPP: the peer does not know the question, being of an earlier build, and has closed the
 * connection, as after any command that it does not know.
 */
int sto_arrivals_settle(struct sto_arrivals *a, const struct sto_line *line,
                        struct dfs_peer *peer) MUST_CHECK;

#endif
