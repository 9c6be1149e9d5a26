/* SPDX-License-Identifier: Apache-2.0 */
/*
 * status - the life of a storage server as one tracker sees it: events, and the moves they cause.
 *
 * Rule:    semantics 7 (state machine), 4.3 (liveness), protocol 4.7 and 6.7 to 6.9. Where we
 * differ:
 *          - a heartbeat revives neither a DELETED server nor one in RECOVERY (semantics 4.3 [Q])
 *          - a server that joins and says it holds nothing (init flag) goes back to INIT, whatever
 * we believed: it must not be read from before it has been filled
 *          - a report about somebody else (76) can neither delete a server nor make it ACTIVE
 * Threads: no state.
 */
#ifndef TRK_STATUS_H
#define TRK_STATUS_H

#include "dfscore/wire/messages.h"

enum trk_event {
    TRK_EV_JOIN,       /* 81 by a server that holds its files */
    TRK_EV_JOIN_EMPTY, /* 81 with the init flag: it does not */
    TRK_EV_BEAT,       /* 83 or 84 */
    TRK_EV_LOST,       /* connection closed, or silent for check_active_interval */
    TRK_EV_SOURCE,     /* 87 or 88: it has a source to copy from */
    TRK_EV_NO_SOURCE,  /* 87 or 88: it needs none */
    TRK_EV_DELETE,     /* 93 */
    TRK_EV_MOVED,      /* 78: it has a new address, this record is the old one */
    TRK_EVENTS_,
};

/* Status after @event; @from itself when the event changes nothing. @from is a valid status. */
uint8_t trk_status_after(uint8_t from, enum trk_event event);

/* Status of mine after a report of theirs about a third server (76, 85), protocol 6.8. */
uint8_t trk_status_after_report(uint8_t mine, uint8_t theirs);

/* Status after the server said so itself (59), protocol 6.9. @wanted is valid, not NONE. */
uint8_t trk_status_after_own_word(uint8_t mine, uint8_t wanted);

/* 0..7 and 9. NONE is a word on the wire, not a state of ours. */
bool trk_status_valid(uint8_t status);

/* Connected or could be: holds all it should. OFFLINE, ONLINE, ACTIVE. */
bool trk_status_complete(uint8_t status);
/* Part of the group for counting, choosing and agreeing: not DELETED, not IP_CHANGED. */
bool trk_status_member(uint8_t status);
/* What a restart makes of it: ONLINE and ACTIVE need proof again, OFFLINE. */
uint8_t trk_status_reloaded(uint8_t status);

#endif
