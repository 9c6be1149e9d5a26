/* SPDX-License-Identifier: Apache-2.0 */
/*
 * sync - the replicators (replicator.h), each with a thread that pulls its peer's logs, and a thread that
 * watches over them.
 *
 * Threads: start, stop from any; the functions in the options are called on threads of sync.
 */
#ifndef STO_SYNC_H
#define STO_SYNC_H

#include "storage/sync/replicator.h"

struct sto_sync;

int sto_sync_start(const struct sto_sync_options *o, struct sto_sync **ret) MUST_CHECK;
void sto_sync_stop(struct sto_sync **sp);

#endif
