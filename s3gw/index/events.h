/* SPDX-License-Identifier: Apache-2.0 */
/*
 * events - the outbox of event notifications: written in the very update that changes the object,
 * so none is lost and none is told of what did not happen; gone when its target has it.
 *
 * Rows:  e target 00 number   the event's record (notify/event.h); the number is its sequencer
 *
 * Targets hold no NUL byte.
 */
#ifndef S3_INDEX_EVENTS_H
#define S3_INDEX_EVENTS_H

#include "dfscore/base/arena.h"
#include "s3gw/index/index.h"

/* Inside an update: one more for @target. */
void s3_event_put(struct s3_tx *tx, struct str target, struct str record);

struct s3_event_row {
    uint64_t number;
    struct str record; /* arena */
};
/* The oldest @max of @target. 0 or errno. May block. */
int s3_event_list(struct s3_index *x, struct str target, size_t max, struct arena *a,
                  struct s3_event_row **ret, size_t *ret_n) MUST_CHECK;
/* Inside an update: @target has it. */
void s3_event_forget(struct s3_tx *tx, struct str target, uint64_t number);
/* Targets that have rows, and how many rows there are in all, counted up to @max. */
int s3_event_targets(struct s3_index *x, struct arena *a, struct str **ret, size_t *ret_n,
                     uint64_t max, uint64_t *ret_rows) MUST_CHECK;

#endif
