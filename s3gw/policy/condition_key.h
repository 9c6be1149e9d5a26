/* SPDX-License-Identifier: Apache-2.0 */
/* condition_key - what the keys of conditions mean for a request. Rule: s3-behaviours 21,
 * "Conditions". */
#ifndef S3_POLICY_CONDITION_KEY_H
#define S3_POLICY_CONDITION_KEY_H

#include "s3gw/policy/policy.h"

enum { S3_KEY_VALUES_MAX = 50 };

struct s3_key_values {
    struct str v[S3_KEY_VALUES_MAX]; /* views into the request, its arena, or literals */
    size_t n;                        /* 0: the request has no such key */
};

/* @key in lower case. */
void s3_condition_values(struct str key, const struct s3_ask *ask, struct s3_key_values *ret);

#endif
