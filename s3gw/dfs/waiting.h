/* SPDX-License-Identifier: Apache-2.0 */
/*
 * waiting - writes that found no server to go to wait here for what the trackers say now.
 *
 * One question answers all who came before it was put; nobody waits longer than WAIT_MS, answer or not. Who waits holds
 * no thread. Pure, with the clock from outside; the lock is the owner's (view.c). Private to s3gw/dfs.
 */
#ifndef S3_DFS_WAITING_H
#define S3_DFS_WAITING_H

#include "s3gw/dfs/dfs.h"

enum {
    S3_WAITERS_MAX = 4096,
    S3_WAIT_MS = 3000, /* a tracker that hangs is left after that, too */
};

struct s3_waiting {
    struct s3_dfs_wait *first, **last; /* in the order they came: deadlines and questions rise */
    size_t n;                          /* <= S3_WAITERS_MAX */
    uint64_t wanted;                   /* the question the last one waits for */
    uint64_t put;                      /* questions that have been put */
    uint64_t answered;                 /* of them; <= put */
};

void s3_waiting_init(struct s3_waiting *w);
/* False: too many wait already. */
bool s3_waiting_join(struct s3_waiting *w, struct s3_dfs_wait *k, uint64_t now_ms);
/* Does somebody wait for a question that has not been put yet? */
bool s3_waiting_wants(const struct s3_waiting *w);
/* A question is put; it has been answered, or nobody answers. In turn. */
void s3_waiting_ask(struct s3_waiting *w);
void s3_waiting_answer(struct s3_waiting *w);
/* The first whose question has been answered, or whose time is up; it waits no longer. NULL: nobody. */
struct s3_dfs_wait *s3_waiting_due(struct s3_waiting *w, uint64_t now_ms);
/* When the first one's time is up; UINT64_MAX: nobody waits. */
uint64_t s3_waiting_until(const struct s3_waiting *w);

#endif
