/* SPDX-License-Identifier: Apache-2.0 */
/*
 * rate - requests and bytes a second of users who have such a limit, in this gateway.
 *
 * Each limit is a clock of its own (the generic cell rate algorithm): every request, every byte
 * moves it on by its share of a second, and a request is let in while the clock is less than a
 * second ahead. So a second's worth may come at once, and a large transfer is paid for afterwards.
 *
 * At most S3_RATE_USERS users who were busy within the last second are told apart; one more is let
 * through. Threads: any; one short lock, taken only for users with a limit.
 */
#ifndef S3_POLICY_RATE_H
#define S3_POLICY_RATE_H

#include <pthread.h>

#include "dfscore/base/str.h"
#include "s3gw/core/limits.h"

enum { S3_RATE_USERS = 1024 };

struct s3_rates {
    pthread_mutex_t lock; /* leaf */
    struct s3_rate_user {
        uint64_t user;                    /* hash of the id; 0: free */
        uint64_t requests_us, traffic_us; /* the clocks, monotonic */
    } users[S3_RATE_USERS];
};

void s3_rates_init(struct s3_rates *t);
void s3_rates_fini(struct s3_rates *t);

/* One request more of @user at @now_us (monotonic): may it? */
bool s3_rate_admit(struct s3_rates *t, struct str user, const struct s3_limits *l, uint64_t now_us);
/* It moved so many bytes. */
void s3_rate_charge(struct s3_rates *t, struct str user, const struct s3_limits *l, uint64_t bytes,
                    uint64_t now_us);

#endif
