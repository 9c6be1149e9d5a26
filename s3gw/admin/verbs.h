/* SPDX-License-Identifier: Apache-2.0 */
/*
 * verbs - what an administrator can ask of a running gateway: one row per verb, JSON in, JSON out.
 *
 *   {"verb":"user create","id":"ann","display_name":"Ann","email":"ann@example.org"}
 *   {"ok":true,"user":{...,"keys":[{"access_key":"...","secret_key":"..."}]}}
 *   {"ok":false,"code":"exists","error":"there is already a user 'ann'"}
 *
 * Codes: usage, exists, missing, not_empty, refused, failed. Secrets are given back once, by the verb
 * that made them. Changes are committed to the key index before the answer.
 *
 * Threads: the admin socket's.
 */
#ifndef S3_ADMIN_VERBS_H
#define S3_ADMIN_VERBS_H

#include <jansson.h>

#include "s3gw/core/gw.h"

struct s3_life_counts;
struct s3_rebalance;

struct s3_admin_context {
    const struct s3_gw *gw;
    /* Adds what only the program knows (ports, children, connections) to the answer of "status". */
    void (*status)(void *arg, json_t *into);
    /* Delete unused files now instead of after their grace. */
    void (*reclaim)(void *arg);
    /* The lifecycle worker: how far it is; begin a pass now. */
    void (*lifecycle)(void *arg, struct s3_life_counts *ret);
    void (*lifecycle_run)(void *arg);
    struct s3_rebalance *rebalance; /* NULL: none is running */
    void *arg;
};

/* The answer to @request (any JSON value); a new reference, NULL without memory. */
json_t *s3_admin_run(const struct s3_admin_context *c, json_t *request);

#endif
