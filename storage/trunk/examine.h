/* SPDX-License-Identifier: Apache-2.0 */
/*
 * examine - everything a log holds and names, looked at from the disk against its checksums, piece by piece.
 *
 * Records, what they hold, and the plain files they name: each file stands in one log, so whoever goes through all logs
 * has seen all files. Threads: any; calls block on the disk. Errors: negative errno, what how->step() said included.
 */
#ifndef STO_EXAMINE_H
#define STO_EXAMINE_H

#include "storage/trunk/check.h"

/* Something is wrong: a file's copy, or (@name empty) whatever lies at that position of the log. Views. */
struct sto_found {
    unsigned path;
    const struct sto_log_info *log;
    uint64_t position;
    struct str name;
    struct sto_made made; /* of a slave, as its record says */
};

struct sto_examine {
    struct sto_store *s;
    struct sto_mirrors *m;
    const struct sto_check_how *how;
    void (*bad)(void *arg, const struct sto_found *found);
    void *arg;
};

/* From *position (0: the beginning) on, within one pack and not for long; *position moves on. *end: the log is used up. */
int sto_examine(const struct sto_examine *x, unsigned path, const struct sto_log_info *log,
                uint64_t *position, bool *end) MUST_CHECK;

#endif
