/* SPDX-License-Identifier: Apache-2.0 */
/*
 * sysfiles - the tracker's files as FastDFS writes them, for trackers of its kind that fetch them.
 *
 * Rule: semantics 6 (formats), protocol 7.5 (index: 0 groups, 1 servers, 2 sync positions, 3 change
 * log).
 * Threads: none of its own; the owner's lock.
 */
#ifndef TRK_SYSFILES_H
#define TRK_SYSFILES_H

#include "tracker/cluster/cluster.h"

/* Append file @index, 0..3. @ids: servers have numbers. */
void trk_sysfile(const struct trk_cluster *c, int index, bool ids, struct buf *out);

#endif
