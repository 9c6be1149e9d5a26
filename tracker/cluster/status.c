/* SPDX-License-Identifier: Apache-2.0 */
#include "tracker/cluster/status.h"

enum {
    SAME = 255, /* the event changes nothing */
    INIT = DFS_ST_INIT,
    WAIT = DFS_ST_WAIT_SYNC,
    SYNC = DFS_ST_SYNCING,
    MOVED = DFS_ST_IP_CHANGED,
    GONE = DFS_ST_DELETED,
    OFF = DFS_ST_OFFLINE,
    ON = DFS_ST_ONLINE,
    ACT = DFS_ST_ACTIVE,
    REC = DFS_ST_RECOVERY,
    STATUSES = 10,
};

static const uint8_t after[TRK_EVENTS_][STATUSES] = {
    /*                     INIT  WAIT  SYNC  MOVED GONE  OFF   ON    ACT   (8)   REC  */
    [TRK_EV_JOIN] = {SAME, SAME, SAME, INIT, INIT, ON, SAME, SAME, SAME, ON},
    [TRK_EV_JOIN_EMPTY] = {SAME, INIT, INIT, INIT, INIT, INIT, INIT, INIT, SAME, INIT},
    [TRK_EV_BEAT] = {SAME, SAME, SAME, SAME, SAME, ACT, ACT, SAME, SAME, SAME},
    [TRK_EV_LOST] = {SAME, SAME, SAME, SAME, SAME, SAME, OFF, OFF, SAME, SAME},
    [TRK_EV_SOURCE] = {WAIT, SAME, SAME, SAME, SAME, SAME, SAME, SAME, SAME, SAME},
    [TRK_EV_NO_SOURCE] = {ON, ON, ON, SAME, SAME, SAME, SAME, SAME, SAME, SAME},
    [TRK_EV_DELETE] = {GONE, GONE, GONE, GONE, SAME, GONE, SAME, SAME, SAME, SAME},
    [TRK_EV_MOVED] = {MOVED, MOVED, MOVED, SAME, SAME, MOVED, SAME, SAME, SAME, SAME},
};

/* What a report may lift a server to: the steps of a first copy, and a rebuild that begins. */
static const bool reportable[STATUSES][STATUSES] = {
    [WAIT] = {[SYNC] = true, [OFF] = true},
    [SYNC] = {[OFF] = true},
    [OFF] = {[REC] = true},
};

bool trk_status_valid(uint8_t status)
{
    return status < STATUSES && status != 8;
}

uint8_t trk_status_after(uint8_t from, enum trk_event event)
{
    ASSERT(trk_status_valid(from) && event < TRK_EVENTS_);
    uint8_t to = after[event][from];
    return to == SAME ? from : to;
}

uint8_t trk_status_after_report(uint8_t mine, uint8_t theirs)
{
    ASSERT(trk_status_valid(mine));
    return trk_status_valid(theirs) && reportable[mine][theirs] ? theirs : mine;
}

uint8_t trk_status_after_own_word(uint8_t mine, uint8_t wanted)
{
    ASSERT(trk_status_valid(mine) && trk_status_valid(wanted));
    if (trk_status_complete(mine) && trk_status_complete(wanted))
        return mine;
    return wanted == ON || wanted == ACT ? OFF : wanted;
}

bool trk_status_complete(uint8_t status)
{
    return status == OFF || status == ON || status == ACT;
}

bool trk_status_member(uint8_t status)
{
    return status != GONE && status != MOVED;
}

uint8_t trk_status_reloaded(uint8_t status)
{
    return status == ON || status == ACT ? OFF : status;
}
