/* SPDX-License-Identifier: Apache-2.0 */
/*
 * movers - the other members, for the one that moves a file (mover.h): which of them does, and whether all have what it has.
 *
 * Threads: the mover's; asking blocks, bounded by the pool's timeouts.
 */
#ifndef STO_MOVERS_H
#define STO_MOVERS_H

#include "storage/service/mover.h"
#include "storage/trunk/moved.h"

/* Is it ours to move? Of the server that its name says took it; if that is no member any more, of the one with the least id. */
bool sto_movers_own(const struct sto_mover_options *o, struct str name);
/*
 * 0: every member is in service, and, when @mv is given, has what that says. -EHOSTDOWN: one is not; -EAGAIN: one has another
 * copy, or none yet; other: one does not answer.
 */
int sto_movers_ask(const struct sto_mover_options *o, const struct sto_move *mv) MUST_CHECK;

#endif
