/* SPDX-License-Identifier: Apache-2.0 */
/*
 * identity - policies that users carry: named documents, all in the user's record.
 *
 * Record: u8 version (1), then per policy lstr name, lstr policy record (policy.h), in order of
 * name.
 *
 * Rule: IAM User Guide, "Identity-based policies"; s3-behaviours 21.  Pure; any thread.
 */
#ifndef S3_POLICY_IDENTITY_H
#define S3_POLICY_IDENTITY_H

#include "s3gw/policy/policy.h"

enum { S3_IDENTITY_POLICIES_MAX = 10, S3_IDENTITY_NAME_MAX = 128 };

/* The next policy of *@all, which moves behind it; false: no more. Begin with s3_identity_begin().
 */
struct rd s3_identity_begin(struct str record);
bool s3_identity_next(struct rd *all, struct str *ret_name, struct str *ret_policy);

/* @record with @name set to @policy (absent: taken away), into @out; empty when none is left.
 * 0; -ENOENT: nothing to take away; -E2BIG: ten are there already; -EBADMSG. */
int s3_identity_set(struct str record, struct str name, struct str policy,
                    struct buf *out) MUST_CHECK;

/* What all of them say together: a Deny of one outdoes the others. Damaged: Deny. */
enum s3_verdict s3_identity_verdict(struct str record, const struct s3_ask *ask);

#endif
