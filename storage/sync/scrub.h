/* SPDX-License-Identifier: Apache-2.0 */
/*
 * scrub - goes through everything on the disks in the background, at a bounded rate, and has what is wrong repaired.
 *
 * Round after round: every log of every store path, with the plain files they name (trunk/examine.h), read from the disk.
 * Where it has got to is kept, so that a round goes on after a restart. What it finds goes to the repair (repair.h).
 *
 * Threads: start, stop, state from any; one of its own.
 */
#ifndef STO_SCRUB_H
#define STO_SCRUB_H

#include "storage/sync/repair.h"

struct sto_scrub;

struct sto_scrub_options {
    struct sto_store *store; /* all of these outlive the scrub */
    struct sto_mirrors *mirrors;
    struct sto_repair *repair;
    const char *state_path; /* file with where it has got to */
    uint64_t rate;          /* bytes a second; 0: no scrub */
    uint64_t interval_ms;   /* a round begins no sooner than this after the one before has begun */
};

int sto_scrub_start(const struct sto_scrub_options *o, struct sto_scrub **ret) MUST_CHECK;
void sto_scrub_stop(struct sto_scrub **sp);

struct sto_scrub_state {
    uint64_t rounds;     /* that have been completed */
    int64_t began_s;     /* this round's begin, Unix seconds; 0: none is under way */
    uint64_t bytes;      /* content looked at in it */
    int64_t last_s;      /* end of the last complete one; 0: none yet */
    uint64_t last_bytes; /* all content there was in it */
};

/* Both as the answer to REPAIR_STATE (dfscore/wire/internal.h); NULL: as if nothing ever happened. */
void sto_repair_state_put(struct sto_repair *r, struct sto_scrub *s, struct buf *out);

/* The file with the state: "key=value" lines. A damaged one reads as the beginning of a round. Pure. */
struct sto_scrub_place {
    struct sto_scrub_state state;
    int64_t started_s; /* the round before, or this one: the next is due by it */
    unsigned path;
    uint8_t log[STO_LOG_ID_LEN];
    uint64_t position;
};
void sto_scrub_print(const struct sto_scrub_place *p, struct buf *out);
void sto_scrub_parse(struct str text, struct sto_scrub_place *ret);

#endif
