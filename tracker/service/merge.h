/* SPDX-License-Identifier: Apache-2.0 */
/*
 * merge - take over what another tracker knows and we do not.
 *
 * Every storage tells every tracker the same, so there is little to merge: what happened while we
 * were away. A record with a later change wins as far as membership goes (status, source, refill,
 * address), unless we cannot but know better (judge() in merge.c); who is alive we believe only our
 * own connections. Sync positions only grow.
 *
 * Threads: under the server's lock.
 */
#ifndef TRK_MERGE_H
#define TRK_MERGE_H

#include "tracker/state/record.h"

/* 0; -EBADMSG: not records (what was readable has been taken); -ENOSPC; -ENOMEM. */
int trk_merge(struct trk_cluster *c, struct str records) MUST_CHECK;

#endif
