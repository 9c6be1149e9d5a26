/* SPDX-License-Identifier: Apache-2.0 */
#include "s3gw/policy/rate.h"

#include <xxhash.h>

enum { SECOND_US = 1000 * 1000, PROBES = 8 };

void s3_rates_init(struct s3_rates *t)
{
    memset(t->users, 0, sizeof(t->users));
    pthread_mutex_init(&t->lock, NULL);
}

void s3_rates_fini(struct s3_rates *t)
{
    pthread_mutex_destroy(&t->lock);
}

/* The place of that user, or a place whose user's clocks have run out; NULL: all are busy. */
static struct s3_rate_user *find(struct s3_rates *t, struct str user, uint64_t now_us)
{
    uint64_t hash = XXH3_64bits(user.p, user.n) | 1;
    struct s3_rate_user *idle = NULL;
    for (size_t i = 0; i < PROBES; i++) {
        struct s3_rate_user *u = &t->users[(hash + i) % S3_RATE_USERS];
        if (u->user == hash)
            return u;
        if (!idle && u->requests_us <= now_us && u->traffic_us <= now_us)
            idle = u;
    }
    if (idle)
        *idle = (struct s3_rate_user){.user = hash};
    return idle;
}

static bool too_far(uint64_t clock_us, uint64_t now_us)
{
    return clock_us > now_us + SECOND_US;
}

/* Moves a clock on by @n shares of a second, @rate of them to the second. */
static void advance(uint64_t *clock_us, uint64_t n, uint64_t rate, uint64_t now_us)
{
    double us = (double)n * SECOND_US / (double)rate;
    *clock_us = MAX(*clock_us, now_us) + (uint64_t)MIN(us, 3600.0 * SECOND_US);
}

bool s3_rate_admit(struct s3_rates *t, struct str user, const struct s3_limits *l, uint64_t now_us)
{
    if (!l->requests_s && !l->traffic_s)
        return true;
    bool may = true;
    pthread_mutex_lock(&t->lock);
    struct s3_rate_user *u = find(t, user, now_us);
    if (u) {
        struct s3_rate_user next = *u;
        if (l->requests_s)
            advance(&next.requests_us, 1, l->requests_s, now_us);
        may =
            !too_far(next.requests_us, now_us) && !(l->traffic_s && too_far(u->traffic_us, now_us));
        if (may)
            *u = next;
    }
    pthread_mutex_unlock(&t->lock);
    return may;
}

void s3_rate_charge(struct s3_rates *t, struct str user, const struct s3_limits *l, uint64_t bytes,
                    uint64_t now_us)
{
    if (!l->traffic_s || bytes == 0)
        return;
    pthread_mutex_lock(&t->lock);
    struct s3_rate_user *u = find(t, user, now_us);
    if (u)
        advance(&u->traffic_us, bytes, l->traffic_s, now_us);
    pthread_mutex_unlock(&t->lock);
}
