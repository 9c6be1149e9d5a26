/* SPDX-License-Identifier: Apache-2.0 */
/*
 * ahead - bytes of stored files, read by a worker before they are asked for.
 *
 * Whoever sends a long file says what comes next and goes on with what is there. A worker that has nothing else
 * to do reads it meanwhile; when none has, or it has not begun yet, or has failed, there is nothing to be taken
 * and the caller reads for itself, as without read-ahead.
 *
 * Ceilings: reads at a time, and memory, both of all together; one read at a time of each.
 * Threads: an ahead belongs to one at a time; the worker's part is inside.
 */
#ifndef S3_AHEAD_H
#define S3_AHEAD_H

#include <stdatomic.h>

#include "dfscore/base/str.h"
#include "s3gw/core/budget.h"

struct s3_ahead;
struct s3_pool;

/* What all share; caller's memory, which lives as long as any of them. */
struct s3_aheads {
    struct s3_pool *pool;
    struct s3_budget memory; /* of all aheads; its limit is set once, before the first */
    /* Bytes [at, at + n) of @file to @out, on the worker, which may wait. 0 or negative errno. */
    int (*read)(void *arg, struct str file, uint64_t at, void *out, size_t n);
    void *arg;
    _Atomic unsigned most; /* reads at a time; 0: none */
    _Atomic unsigned now;  /* reads that are queued or under way */
};

/* For at most @most bytes at a time; takes s3_ahead_memory(). 0; -EAGAIN: the ceiling of memory; -ENOMEM. */
int s3_ahead_new(struct s3_aheads *all, size_t most, struct s3_ahead **ret) MUST_CHECK;
size_t s3_ahead_memory(size_t most);
/* A read under way ends by itself. */
void s3_ahead_free(struct s3_ahead **a);
/* Bytes [at, at + n) of @file will be wanted next. A hint: nothing tells whether they will be there. */
void s3_ahead_begin(struct s3_ahead *a, struct str file, uint64_t at, size_t n);
/* These bytes, until the next take(), the caller's to write to; NULL: they were not read. */
uint8_t *s3_ahead_take(struct s3_ahead *a, struct str file, uint64_t at, size_t n);

/* No read begins any more; waits for those under way. Before the pool is freed. */
void s3_aheads_stop(struct s3_aheads *all);

#endif
