/* SPDX-License-Identifier: Apache-2.0 */
#include "storage/sync/state.h"

#include "dfscore/wire/messages.h"

#define BIT(s) (1u << STO_REP_##s)

static const struct {
    const char *name;
    unsigned next; /* bits */
} table[STO_REP_STATES_] = {
    [STO_REP_WAITING] = {"waiting", BIT(CATCHING_UP) | BIT(BACKOFF) | BIT(STOPPED)},
    [STO_REP_CATCHING_UP] = {"catching_up", BIT(FOLLOWING) | BIT(BACKOFF) | BIT(STOPPED)},
    [STO_REP_FOLLOWING] = {"following", BIT(BACKOFF) | BIT(STOPPED)},
    [STO_REP_BACKOFF] = {"backoff", BIT(WAITING) | BIT(STOPPED)},
    [STO_REP_STOPPED] = {"stopped", 0},
};

bool sto_rep_may(enum sto_rep_state from, enum sto_rep_state to)
{
    return (table[from].next & (1u << to)) != 0;
}

const char *sto_rep_name(enum sto_rep_state s)
{
    return table[s].name;
}

bool sto_rep_reachable(uint8_t status)
{
    switch (status) {
    case DFS_ST_WAIT_SYNC:
    case DFS_ST_SYNCING:
    case DFS_ST_OFFLINE: /* the trackers may have lost it and we not */
    case DFS_ST_ONLINE:
    case DFS_ST_ACTIVE:
    case DFS_ST_RECOVERY:
        return true;
    default:
        return false;
    }
}
