/* SPDX-License-Identifier: Apache-2.0 */
/*
 * call - one verb of the administrator at work: its arguments, its answers. What the files of verbs
 * share.
 *
 * JSON values returned are new references; a function that returns `json_t *` for what is wrong
 * returns NULL when nothing is. Threads: the admin socket's.
 */
#ifndef S3_ADMIN_CALL_H
#define S3_ADMIN_CALL_H

#include "dfscore/base/arena.h"
#include "s3gw/admin/verbs.h"
#include "s3gw/index/bucket.h"

struct s3_req;

struct call {
    const struct s3_admin_context *c;
    json_t *request;
    struct arena arena; /* of this call */
    int64_t now_ms;
};

/* {"ok":false,...}: codes are in verbs.h. Never NULL, which among verbs means that nothing is wrong: without
 * memory a JSON null, which ends the connection. */
json_t *s3_call_failure(const char *code, const char *fmt, ...) PRINTF_LIKE(2, 3)
    __attribute__((returns_nonnull));
json_t *s3_call_failed(const char *what, int r) __attribute__((returns_nonnull));
/* {"ok":true, @name: @value}; both may be NULL. Takes @value. */
json_t *s3_call_done(const char *name, json_t *value);
json_t *s3_call_text(struct str s);
json_t *s3_call_time(int64_t ms);
json_t *s3_call_groups(struct str groups); /* a list of core/groups.h, as an array */

/* A request of the administrator's, about @b (NULL: no bucket); may block. End it with s3_req_fini(). */
void s3_call_request(const struct call *c, struct s3_bucket *b, struct s3_req *q);

/* A text argument; absent when it was not given. */
struct str s3_call_arg(struct call *c, const char *name);
/* A required one of at most @max bytes without control characters; or what is wrong with it. */
json_t *s3_call_want(struct call *c, const char *name, size_t max, struct str *ret);
/* The user named by argument @name; or why not. */
json_t *s3_call_user(struct call *c, const char *name, struct s3_user *ret);
/* Write that user; or why not. */
json_t *s3_call_save_user(struct call *c, const struct s3_user *u);

/* Verbs of verbs_access.c. */
json_t *s3_verb_policy_put(struct call *c);
json_t *s3_verb_policy_list(struct call *c);
json_t *s3_verb_policy_show(struct call *c);
json_t *s3_verb_policy_delete(struct call *c);
json_t *s3_verb_explain(struct call *c);
/* Verbs of verbs_kms.c. */
json_t *s3_verb_kms_create(struct call *c);
json_t *s3_verb_kms_list(struct call *c);
json_t *s3_verb_kms_rotate(struct call *c);
json_t *s3_verb_kms_disable(struct call *c);
json_t *s3_verb_kms_enable(struct call *c);
/* The verb of verbs_adopt.c. */
json_t *s3_verb_adopt(struct call *c);
/* Verbs of verbs_rebalance.c. */
json_t *s3_verb_rebalance(struct call *c);
json_t *s3_verb_rebalance_start(struct call *c);
json_t *s3_verb_rebalance_stop(struct call *c);
json_t *s3_verb_bucket_group(struct call *c);
/* Verbs of verbs_limits.c. */
json_t *s3_verb_limit_set(struct call *c);
json_t *s3_verb_limit_show(struct call *c);

#endif
