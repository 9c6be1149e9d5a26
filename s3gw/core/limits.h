/* SPDX-License-Identifier: Apache-2.0 */
/* limits - what an operator allows a user, or a bucket; 0 everywhere: no limit. */
#ifndef S3_LIMITS_H
#define S3_LIMITS_H

#include "dfscore/base/base.h"

struct s3_limits {
    uint64_t bytes, objects; /* held: all versions; policy/quota.h */
    /* a second, of users only: requests; bytes in and out; policy/rate.h */
    uint64_t requests_s, traffic_s;
};

static inline bool s3_limits_any(const struct s3_limits *l)
{
    return l->bytes || l->objects || l->requests_s || l->traffic_s;
}

#endif
