/* SPDX-License-Identifier: Apache-2.0 */
/*
 * worker - applies the lifecycle rules of all buckets: one pass after every midnight, bucket by
 * bucket, in slices, at a bounded rate. How far a pass has come is kept in the index: a restart
 * goes on from there.
 *
 * Rules are read anew for every slice, so a change or deletion of them holds from the next one on.
 * Several workers on one index do the same work twice, and no harm. What fails is tried again for a minute; then its
 * bucket is left, and a pass an hour after this one makes up for it.
 *
 * Row `l`: u8 version (2; 1 had no moved and failed), u8 under way, i64 times of the pass: begun, and
 * of the last complete one: begun, ended; both tallies (varints in the order of struct
 * s3_life_tally); while under way: u8 in uploads, lstr bucket, lstr key.
 *
 * Threads: one of its own; start and stop from the main thread, the others from any.
 */
#ifndef S3_LIFECYCLE_WORKER_H
#define S3_LIFECYCLE_WORKER_H

#include "s3gw/core/gw.h"
#include "s3gw/lifecycle/walk.h"

struct s3_life_worker;

struct s3_life_options {
    struct s3_gw *gw; /* index, lifecycle_day_ms; outlives it */
    /* Remove or move what is due in @b, as requests would (notes, locks, conditions): fills the
     * results. On the worker's thread; may block. */
    void (*remove)(struct s3_gw *gw, const struct s3_bucket *b, struct s3_expiry *e, size_t n);
    unsigned rows_per_s; /* looked at; 0: 20,000 */
    unsigned slice;      /* rows a slice; 0: 500 */
    unsigned retry_ms;   /* after a failure; 0: 5,000 */
};

struct s3_life_tally {
    uint64_t buckets;  /* with rules */
    uint64_t rows;     /* objects, versions, uploads looked at */
    uint64_t expired;  /* current objects: deleted, or a delete marker put above them */
    uint64_t versions; /* noncurrent, removed */
    uint64_t markers;  /* delete markers removed */
    uint64_t uploads;  /* aborted */
    uint64_t locked;   /* due, but kept by a lock */
    uint64_t changed;  /* due, but changed or gone before they were removed */
    uint64_t moved;    /* to another storage class */
    uint64_t failed;   /* due to move, but it did not work: tried again in the next pass */
};

struct s3_life_counts {
    bool running;                         /* a pass is under way */
    int64_t begun_ms;                     /* ... since */
    char bucket[256];                     /* ... and is in this bucket, NUL terminated */
    struct s3_life_tally now;             /* ... and has done this */
    int64_t last_begun_ms, last_ended_ms; /* the last complete pass; 0: none yet */
    struct s3_life_tally last;
    int64_t next_ms;   /* when the next one begins, unless one is under way */
    uint64_t failures; /* slices cut short by an error, since start */
};

int s3_life_worker_start(const struct s3_life_options *o,
                         struct s3_life_worker **ret) MUST_CHECK; /* -ENOMEM, -EAGAIN */
/* Between two slices; the position is kept. Accepts NULL. */
void s3_life_worker_stop(struct s3_life_worker **w);
void s3_life_worker_counts(struct s3_life_worker *w, struct s3_life_counts *ret);
/* Begin a pass now, whatever the time. Does not wait for it. */
void s3_life_worker_run(struct s3_life_worker *w);

#endif
