/* SPDX-License-Identifier: Apache-2.0 */
/*
 * access - settings of a bucket that bound what ACLs and policies may do: ownership controls and
 * the public access block.
 *
 * Documents: "ownership" is the setting's name as text; "pab" is one byte of S3_PAB_* bits.
 * Rule: s3-behaviours 21.  Pure; any thread.
 */
#ifndef S3_POLICY_ACCESS_H
#define S3_POLICY_ACCESS_H

#include "s3gw/core/req.h"

struct s3_bucket;

enum s3_ownership { S3_OBJECT_WRITER, S3_BUCKET_OWNER_PREFERRED, S3_BUCKET_OWNER_ENFORCED };

enum {
    S3_PAB_BLOCK_ACLS = 1,
    S3_PAB_IGNORE_ACLS = 2,
    S3_PAB_BLOCK_POLICY = 4,
    S3_PAB_RESTRICT = 8,
    S3_PAB_ALL = 15,
};

/* Unset: ObjectWriter, so that ACLs work as older applications expect (AWS's own default is
 * Enforced). */
enum s3_ownership s3_ownership_of(const struct s3_bucket *b);
/* 0 or -EINVAL. */
int s3_ownership_by_name(struct str name, enum s3_ownership *ret) MUST_CHECK;
struct str s3_ownership_name(enum s3_ownership o);

/* S3_PAB_* bits; 0 when unset. */
unsigned s3_pab_of(const struct s3_bucket *b);

/* Bucket document "payer", if any the word "Requester": who pays in a bucket of requester pays. We
 * charge nobody, and ask callers for the consent that AWS asks for. */
bool s3_requester_pays(const struct s3_bucket *b);

struct s3_acl;
/*
 * May that ACL be set in bucket @b by the request? AccessControlListNotSupported where ACLs are off
 * (unless it says what holds anyway), AccessDenied where public ones are blocked.
 */
enum s3err s3_access_judge_acl(const struct s3_bucket *b, const struct s3_acl *acl);

#endif
