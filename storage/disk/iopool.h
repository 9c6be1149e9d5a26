/* SPDX-License-Identifier: Apache-2.0 */
/*
 * iopool - threads per store path, and the queues between the network and the disks.
 *
 * Each path has its own readers and its own writers, so that a slow disk delays its own files only,
 * and a sync does not stand in front of a read.
 *
 * Tasks are embedded in what they work for (a connection's request), so pushing allocates nothing and
 * cannot fail; whoever owns a task keeps it out of a queue twice. The length of the queues is
 * bounded by the number of owners: a connection has one task a time.
 *
 * Threads: push from any; run() is called on a thread of the task's path.
 */
#ifndef STO_IOPOOL_H
#define STO_IOPOOL_H

#include "dfscore/base/base.h"

struct sto_iopool;

enum sto_iokind { STO_IO_READ, STO_IO_WRITE, STO_IO_KINDS_ };

struct sto_iotask {
    void (*run)(struct sto_iotask *t); /* may free or push the task again: not touched afterwards */
    struct sto_iotask *next;           /* iopool's while queued */
};

struct sto_iopool_options {
    unsigned paths;                  /* 1..256 */
    unsigned threads[STO_IO_KINDS_]; /* per path, >= 1 each */
};

/* 0, -ENOMEM or what pthread_create said. */
int sto_iopool_new(const struct sto_iopool_options *o, struct sto_iopool **ret) MUST_CHECK;
void sto_iopool_push(struct sto_iopool *p, unsigned path, enum sto_iokind kind,
                     struct sto_iotask *t);
/* Tasks waiting in all queues; a snapshot, for metrics. */
size_t sto_iopool_waiting(struct sto_iopool *p);
/*
 * Runs what is queued, and what that pushes to its own queue, then ends the threads. Where a pool's tasks push to another
 * pool, the former is ended before the latter is freed: a task may have been run before the push of it has returned.
 */
void sto_iopool_end(struct sto_iopool *p);
/* Ends it, too. */
void sto_iopool_free(struct sto_iopool **pp);

#endif
