/* SPDX-License-Identifier: Apache-2.0 */
/*
 * state - the life of the replicator of one peer, as a table of allowed moves.
 *
 *   WAITING ---> CATCHING_UP ---> FOLLOWING
 *    ^   ^            |               |
 *    |   |            v               |
 *    |   +-------- BACKOFF <----------+        any of them: STOPPED, for good
 *
 * WAITING: the trackers say the peer is no server to take from. CATCHING_UP: connected, some log of it
 * not yet here up to where it was when we asked. FOLLOWING: all were.
 * Threads: no state.
 */
#ifndef STO_STATE_H
#define STO_STATE_H

#include "dfscore/base/base.h"

enum sto_rep_state {
    STO_REP_WAITING,
    STO_REP_CATCHING_UP,
    STO_REP_FOLLOWING,
    STO_REP_BACKOFF,
    STO_REP_STOPPED,
    STO_REP_STATES_,
};

bool sto_rep_may(enum sto_rep_state from, enum sto_rep_state to);
const char *sto_rep_name(enum sto_rep_state s);
/* Is a member of this status (enum dfs_server_status) worth a connection? */
bool sto_rep_reachable(uint8_t status);

#endif
