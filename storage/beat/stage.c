/* SPDX-License-Identifier: Apache-2.0 */
#include "storage/beat/stage.h"

enum { BACKOFF_FIRST_MS = 250 };

#define BIT(s) (1u << STO_STAGE_##s)

static const struct {
    const char *name;
    unsigned next; /* bits */
} table[STO_STAGES_] = {
    [STO_STAGE_AWAY] = {"away", BIT(CONNECTED) | BIT(STOPPED)},
    [STO_STAGE_CONNECTED] = {"connected", BIT(JOINED) | BIT(AWAY) | BIT(STOPPED)},
    [STO_STAGE_JOINED] = {"joined", BIT(BEATING) | BIT(AWAY) | BIT(STOPPED)},
    [STO_STAGE_BEATING] = {"beating", BIT(AWAY) | BIT(STOPPED)},
    [STO_STAGE_STOPPED] = {"stopped", 0},
};

bool sto_stage_may(enum sto_stage from, enum sto_stage to)
{
    return (table[from].next & (1u << to)) != 0;
}

const char *sto_stage_name(enum sto_stage s)
{
    return table[s].name;
}

uint64_t sto_stage_backoff(unsigned failures, uint64_t max_ms, uint32_t random)
{
    uint64_t ms = BACKOFF_FIRST_MS;
    for (unsigned i = 1; i < failures && ms < max_ms; i++)
        ms *= 2;
    ms = MIN(ms, max_ms);
    return ms - ms / 4 * (random & 0xff) / 255;
}
