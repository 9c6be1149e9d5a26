/* SPDX-License-Identifier: Apache-2.0 */
/*
 * plan - the lease of the cluster's key index, a gateway's part of it: what to ask the trackers next, what their answers
 * mean, and until when it is ours. Pure: time, answers and numbers at random come from outside. The trackers' part, and why
 * two gateways never have it at once, is tracker/leader/lease.h.
 *
 *              a majority says YOURS, or NOBODYS            a majority was granted
 *   KEEPING ------------------------------------> (KEEP) ------------------------> HELD
 *    |   ^                                                                        |  ^
 *    |   +--------------------- it has run out -----------------------------------+  |
 *    |                                                                               |
 *    +-- neither is possible --> WAITING -- a majority is free --> (TAKE) -- granted-+
 *
 * Each grant counts from before it was asked for, less an eighth: so much slower may our clock be than a tracker's. HELD is
 * what a majority of grants has in common. Our clock is one that goes on while the machine sleeps (s3_boot_ms), theirs may
 * stand still.
 *
 * KEEPING, our key index is the cluster's as far as we know; KEPT says that it is: nobody else can have had a majority
 * since. WAITING, somebody has, or may have; every attempt is made under a new number, so that one that failed cannot
 * succeed behind our back, and the index is made anew.
 *
 * Threads: none; the caller serialises.
 */
#ifndef S3_LEASE_PLAN_H
#define S3_LEASE_PLAN_H

#include "dfscore/wire/messages.h"

enum s3_lease_state { S3_LEASE_KEEPING, S3_LEASE_WAITING, S3_LEASE_HELD };

enum s3_lease_event {
    S3_LEASE_NOTHING,
    S3_LEASE_KEPT,  /* ours from now on, and nobody else's since it was ours last */
    S3_LEASE_FIRST, /* ours from now on, and never anybody's before */
    S3_LEASE_TAKEN, /* ours from now on, and was somebody else's: our index is not the cluster's */
    S3_LEASE_LOST,  /* not ours any more, but nobody else's yet */
    S3_LEASE_PASSED, /* it has been, or may have been, somebody else's: our index is not the cluster's */
};

struct s3_lease_seat { /* a tracker */
    uint64_t until_ms; /* of its last grant to our number, as it counts for us; 0: none */
    bool answered;     /* in this round: */
    struct dfs_lease_rsp said;
};

struct s3_lease_plan {
    unsigned n, majority;
    uint64_t ttl_ms;
    uint64_t holder; /* our number */
    enum s3_lease_state state;
    uint8_t mode;      /* of this round: enum dfs_lease_mode */
    uint8_t next_mode; /* of the next one */
    uint64_t asked_ms; /* when this round began */
    uint64_t due_ms;   /* when the next one begins */
    struct s3_lease_seat seat[DFS_TRACKERS_MAX];
};

/* @holder: the number kept beside the index, never 0. KEEPING, and the first round is due. */
void s3_lease_plan_init(struct s3_lease_plan *p, unsigned trackers, uint64_t ttl_ms,
                        uint64_t holder, uint64_t now_ms);
/* A round begins. @fresh: a number at random, never 0, for an attempt that needs one. */
void s3_lease_round(struct s3_lease_plan *p, uint64_t fresh, uint64_t now_ms);
/* What the @i-th tracker is asked in this round; name is left to the caller. */
void s3_lease_question(const struct s3_lease_plan *p, unsigned i, struct dfs_lease_req *ret);
/* It answered @asked, which was sent at or after @asked_ms; late ones, of rounds before, are welcome. */
void s3_lease_answer(struct s3_lease_plan *p, unsigned i, const struct dfs_lease_req *asked,
                     uint64_t asked_ms, const struct dfs_lease_rsp *said);
/* Everybody has answered, or will not in time: at the latest s3_lease_patience() after the round began. @random decides how
 * long an attempt that failed pauses. */
enum s3_lease_event s3_lease_round_end(struct s3_lease_plan *p, uint64_t random, uint64_t now_ms);
uint64_t s3_lease_patience(const struct s3_lease_plan *p);
/* It is ours before that, unless 0. */
uint64_t s3_lease_until(const struct s3_lease_plan *p);

#endif
