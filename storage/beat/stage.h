/* SPDX-License-Identifier: Apache-2.0 */
/*
 * stage - the life of the connection to one tracker, as a table of allowed moves.
 *
 *   AWAY ----> CONNECTED ----> JOINED ----> BEATING
 *    ^             |              | ^          |
 *    |             v              v |          v
 *    +------------------------- AWAY <---------+          any of them: STOPPED, for good
 *
 * JOINED stays for several rounds while the trackers cannot name a source to copy from yet.
 * Threads: no state.
 */
#ifndef STO_STAGE_H
#define STO_STAGE_H

#include "dfscore/base/base.h"

enum sto_stage {
    STO_STAGE_AWAY,      /* no connection; waiting out the back-off */
    STO_STAGE_CONNECTED, /* settings read, not a member yet */
    STO_STAGE_JOINED,    /* 81 answered; source not agreed (87, 88) */
    STO_STAGE_BEATING,   /* heartbeats */
    STO_STAGE_STOPPED,
    STO_STAGES_,
};

bool sto_stage_may(enum sto_stage from, enum sto_stage to);
const char *sto_stage_name(enum sto_stage s);

/*
 * Milliseconds to stay away after the @failures-th failure in a row (1 is the first): doubles from
 * 250 to @max_ms, less up to a quarter taken from @random, so that storages do not return in step.
 */
uint64_t sto_stage_backoff(unsigned failures, uint64_t max_ms, uint32_t random);

#endif
