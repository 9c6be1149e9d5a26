/* SPDX-License-Identifier: Apache-2.0 */
/*
 * reclaim - deletes stored files that nothing names any more.
 *
 * Two sources. The outbox of the index (index/refs.h): files that lost their last owner; deleted
 * after a grace in which readers that looked them up before can finish. And orphans: files whose
 * storing was acknowledged but never named, because a process died in between; found by following
 * the storages' logs behind the writers, far enough that a write still under way is not taken for
 * one, and put in the outbox.
 *
 * Threads: one of its own; start and stop from the main thread, counts from any.
 */
#ifndef S3_RECLAIM_H
#define S3_RECLAIM_H

#include "s3gw/core/gw.h"

struct s3_reclaim;

struct s3_reclaim_options {
    struct s3_gw *gw;   /* outlives it */
    unsigned grace_ms;  /* between losing the last owner and deletion; 0: 10,000 */
    bool no_orphans;    /* the index may be older than the store: delete only what it says */
    unsigned rescan_ms; /* how often logs are followed, and how far behind; 0: 600,000 */
};

struct s3_reclaim_counts {
    uint64_t deleted, orphans; /* files, since start */
    uint64_t pending;          /* in the outbox at the last look */
    bool scanned;              /* the logs have been followed once since start */
    uint64_t failures;         /* rounds cut short by an error */
};

/* Start before requests are served: what the storages' logs hold at this moment belongs to nobody's
 * unfinished write. 0, -ENOMEM, -EAGAIN. */
int s3_reclaim_start(const struct s3_reclaim_options *o, struct s3_reclaim **ret) MUST_CHECK;
void s3_reclaim_stop(struct s3_reclaim **r); /* accepts NULL */
void s3_reclaim_counts(struct s3_reclaim *r, struct s3_reclaim_counts *ret);
/* Empty the outbox now, without grace, orphans included (`s3gw admin reclaim`). Does not wait for it. */
void s3_reclaim_now(struct s3_reclaim *r);
/* Wait for the end of a round that begins after this call, and begins at once. False: not within @timeout_ms. */
bool s3_reclaim_round(struct s3_reclaim *r, unsigned timeout_ms);

#endif
