/* SPDX-License-Identifier: Apache-2.0 */
/*
 * sender - takes events from the outbox (index/events.h) to their targets, in order, each at least
 * once: a row goes when the target has answered 2xx. A target that does not is tried again after 1
 * s, 2 s, 4 s, ... at most 5 minutes; the others do not wait for it.
 *
 * Threads: one of its own posts; start and stop from the main thread, the others from any.
 */
#ifndef S3_NOTIFY_SENDER_H
#define S3_NOTIFY_SENDER_H

#include "dfscore/base/str.h"

struct s3_index;
struct s3_sender;

struct s3_sender_target {
    struct str name; /* as configurations name it: an ARN, or anything without '=' */
    struct str url;
};

struct s3_sender_options {
    struct s3_index *index;
    struct str region;
    const struct s3_sender_target *targets; /* outlive it */
    size_t ntargets;
    uint64_t backlog;    /* events that may wait; beyond it new ones are dropped */
    unsigned timeout_ms; /* of one post */
    unsigned retry_ms;   /* 0: 1,000 */
};

int s3_sender_start(const struct s3_sender_options *o, struct s3_sender **ret) MUST_CHECK;
/* What is not delivered stays in the outbox. Accepts NULL. */
void s3_sender_stop(struct s3_sender **s);

bool s3_sender_knows(const struct s3_sender *s, struct str target);
/* Post @json to @target now, outside the order. As s3_webhook_post; -ENOENT: not known. Blocks. */
int s3_sender_test(struct s3_sender *s, struct str target, struct str json) MUST_CHECK;

/* May one more wait? Counts the one that may not. Quick. */
bool s3_sender_room(struct s3_sender *s);
/* @n have been committed to the outbox. */
void s3_sender_wake(struct s3_sender *s, uint64_t n);

struct s3_sender_counts {
    uint64_t delivered, failures, dropped; /* since start; failures: posts */
    uint64_t pending;                      /* now */
};
void s3_sender_counts(const struct s3_sender *s, struct s3_sender_counts *ret);

#endif
