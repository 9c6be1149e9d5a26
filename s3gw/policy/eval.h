/* SPDX-License-Identifier: Apache-2.0 */
/*
 * eval - may this caller do that? The one place that decides.
 *
 *   root                          everything
 *   a Deny of the caller's own policies, or of the bucket's, refuses everybody else, the bucket's
 *                                 owner too (but for the bucket's policy itself)
 *   an Allow of the caller's own  whatever it says, of any bucket: it is the operator who gave it
 *   the bucket's owner            everything, save reading objects that somebody else owns; not
 *                                 when they carry policies: these then say what they may
 *   an object's owner             everything with it, save replacing and deleting it; not when
 *                                 they carry policies
 *   who began an upload           lists its parts and aborts it; not when they carry policies
 *   RestrictPublicBuckets         nobody else but services, while the bucket's policy is public
 *   an Allow of the bucket policy for objects of the bucket's owner, and to replace or delete any
 *   a grant of an ACL             not with BucketOwnerEnforced; public ones not with
 *                                 IgnorePublicAcls
 *   where the requester pays      others than the owner only with x-amz-request-payer, and signed
 *   otherwise                     AccessDenied; a missing key is NoSuchKey only to who may list
 *
 * What decided is kept in q->why, one of the texts below, for logs and `s3gw admin explain`.
 *
 * A bucket that never had a policy or an ACL is decided without looking at the object: its owner
 * alone.
 *
 * Rule: s3-behaviours 8 (order of checks), 9 (expected owner), 21.  Threads: any; reads the index,
 * from memory only unless q->may_block (WOULD_BLOCK).
 */
#ifndef S3_POLICY_EVAL_H
#define S3_POLICY_EVAL_H

#include "s3gw/core/op.h"
#include "s3gw/index/bucket.h"

struct s3_object;

/* S3_WHY(name, allowed, text) */
#define S3_WHYS(S3_WHY)                                                                            \
    S3_WHY(ROOT, true, "root may do everything")                                                   \
    S3_WHY(ANY_USER, true, "any user may")                                                         \
    S3_WHY(ANONYMOUS, false, "nobody may without signing")                                         \
    S3_WHY(OWN_POLICY_DENIES, false, "a policy of the user denies it")                             \
    S3_WHY(OWN_POLICY_ALLOWS, true, "a policy of the user allows it")                              \
    S3_WHY(BUCKET_POLICY_DENIES, false, "the bucket's policy denies it")                           \
    S3_WHY(BUCKET_POLICY_ALLOWS, true, "the bucket's policy allows it")                            \
    S3_WHY(BUCKET_OWNER, true, "the user owns the bucket")                                         \
    S3_WHY(OBJECT_OWNER, true, "the user owns the object")                                         \
    S3_WHY(INITIATOR, true, "the user began the upload")                                           \
    S3_WHY(ACL, true, "an ACL grants it")                                                          \
    S3_WHY(MAY_LIST, true, "there is no such key, and the user may list")                          \
    S3_WHY(REQUESTER_PAYS, false, "the requester pays, and has not agreed to")                     \
    S3_WHY(OTHER_BUCKET_OWNER, false, "the bucket has another owner than expected")                \
    S3_WHY(RESTRICTED, false,                                                                      \
           "RestrictPublicBuckets shuts others out, since the policy is public")                   \
    S3_WHY(NOTHING, false, "nothing allows it")

enum s3_why {
#define S3_WHY(name, allowed, text) S3_WHY_##name,
    S3_WHYS(S3_WHY)
#undef S3_WHY
};

/* The pipeline's fourth question, for the operation and resource of @q. OK, AccessDenied,
 * WOULD_BLOCK. Of operations whose body a policy may speak of (core/req.h) it may be answered only
 * when q->body_told is set: their handlers ask again. */
enum s3err s3_policy_check(struct s3_req *q);

/* Was it an ACL, and nothing else, that let the caller in? */
bool s3_policy_by_acl(const struct s3_req *q);

/* Is the caller, who was let in, charged for it (x-amz-request-charged)? */
bool s3_policy_charges(const struct s3_req *q);

/* s3_policy_check for another resource or action: each key of DeleteObjects, a bucket's settings. @key may
 * be absent: the bucket itself. That of @q is meant in the version the query names. */
enum s3err s3_policy_allows(struct s3_req *q, const struct s3_bucket *bkt, struct str key,
                            const char *action);

/* One version of an object. */
struct s3_policy_target {
    const struct s3_bucket *bkt;
    struct str key;
    struct str version;  /* its id as it was given; absent: the current object */
    struct str if_match; /* what one of many objects is deleted if; absent: the request's header */
};
/* The same, whatever @q itself is about. */
enum s3err s3_policy_allows_version(struct s3_req *q, const struct s3_policy_target *t,
                                    const char *action);
/* ... when @o was found there already (NULL: nothing was): nothing is looked up. Who gives away what was found
 * has to ask so: between two looks it may have been replaced by what is not for everybody. */
enum s3err s3_policy_allows_of(struct s3_req *q, const struct s3_policy_target *t,
                               const struct s3_object *o, const char *action);
/* ... at the place of @q itself. */
enum s3err s3_policy_allows_here(struct s3_req *q, const struct s3_object *o, const char *action);

/* May the caller that, with the object of @q? What decided stays in q->admitted ... */
enum s3err s3_policy_admit(struct s3_req *q, const char *action);
/* ... and @o, which was found at the place of @q since, is judged again if it is another one. */
enum s3err s3_policy_still_admits(struct s3_req *q, const struct s3_object *o);

/* May whoever may write the object of @q write it with tags (s3:PutObjectTagging), ...? No object
 * that is there is looked at. OK or AccessDenied. */
enum s3err s3_policy_allows_with(struct s3_req *q, const char *action);

/* Does header @name (x-amz-expected-bucket-owner, x-amz-source-expected-bucket-owner), if given,
 * name the owner of @bkt? OK or AccessDenied. */
enum s3err s3_policy_expected_owner(struct s3_req *q, struct str name, const struct s3_bucket *bkt);

#endif
