/* SPDX-License-Identifier: Apache-2.0 */
/*
 * drained - which store paths of the group take no new files: the trackers are asked once a second (internal.h, DRAINS).
 *
 * A path is drained when any tracker that answers says so, and no more when none does: a tracker that has just
 * lost its memory opens nothing as long as another one remembers. When none answers, what was is; it is kept for a start
 * without trackers in
 *
 *   <base_path>/data/.drained_paths   a line per path: M01
 *
 * Rule:    tracker/README.md, "Leaving". Trackers of FastDFS do not know the question: nothing is drained.
 * Threads: one of its own, which calls set(); start() does too.
 */
#ifndef STO_DRAINED_H
#define STO_DRAINED_H

#include "dfscore/base/buf.h"
#include "storage/beat/tracker.h"

struct sto_drained;

struct sto_drained_options {
    struct sto_trackers
        trackers;        /* what it points to outlives this; a second is the longest wait */
    const char *path;    /* of the file; outlives this */
    unsigned path_count; /* 1..DFS_PATHS_MAX */
    void (*set)(void *arg, unsigned path, bool drained); /* when it changes */
    void *arg;
};

/* Has asked once, and set what is drained. 0, -ENOMEM, -EAGAIN (no thread), or why the file cannot be read. */
int sto_drained_start(const struct sto_drained_options *o, struct sto_drained **ret) MUST_CHECK;
void sto_drained_stop(struct sto_drained **dp);

/* The file's text and back; what cannot be read in it is skipped. */
void sto_drained_print(const bool drained[DFS_PATHS_MAX], struct buf *out);
void sto_drained_parse(struct str text, bool drained[DFS_PATHS_MAX]);

#endif
