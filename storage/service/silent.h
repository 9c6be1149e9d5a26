/* SPDX-License-Identifier: Apache-2.0 */
/*
 * silent - members that have let a question of ours wait until its end.
 *
 * One that hangs, or whose machine has died, is in service until the trackers notice. Whoever asks it meanwhile would wait as
 * long as the one before, so it is not asked for STO_SILENT_MS and counts as one that did not answer.
 *
 * Threads: any. The lock is a leaf.
 */
#ifndef STO_SILENT_H
#define STO_SILENT_H

#include <pthread.h>

#include "dfscore/wire/header.h"
#include "dfscore/wire/messages.h"

enum { STO_SILENT_MS = 5000 };

struct sto_silent {
    pthread_mutex_t lock;
    struct {
        char id[DFS_ID_MAX + 1];
        uint64_t until_ms; /* monotonic */
    } list[DFS_SERVERS_MAX];
};

void sto_silent_init(struct sto_silent *s);
void sto_silent_fini(struct sto_silent *s);

/* @id has been asked, with the result @err: any answer ends its silence, a wait in vain begins it. */
void sto_silent_note(struct sto_silent *s, const char *id, int err);
bool sto_silent_is(struct sto_silent *s, const char *id);

#endif
