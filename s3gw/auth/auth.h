/* SPDX-License-Identifier: Apache-2.0 */
/*
 * auth - who is asking? SigV4 and SigV2, by header and presigned; anonymous otherwise.
 *
 * Rule: AWS IAM User Guide, "AWS Signature Version 4 for API requests"; Amazon S3 API Reference,
 *       "Authenticating Requests"; s3-behaviours 3 to 5 and 7.
 * Threads: any; contexts and derived keys are cached per thread.
 */
#ifndef S3_AUTH_H
#define S3_AUTH_H

#include "s3gw/core/body.h"
#include "s3gw/core/req.h"
#include "s3gw/index/index.h"

struct s3_access_key;
struct s3_user;

/*
 * Fills q->who and q->auth. Needs method, path, query, headers, now_ms and op (routing) of @q.
 * OK (anonymous too: policy decides about that); WOULD_BLOCK when @how is CACHED and the key is not
 * in memory: call again; else the refusal, its elements attached.
 */
enum s3err s3_auth_verify(struct s3_req *q, enum s3_read how);

/*
 * The secret of an access key, and whose it is; views of @q's arena. InvalidAccessKeyId for one that nobody has, or whose
 * user is disabled; WOULD_BLOCK as above.
 */
enum s3err s3_auth_key(struct s3_req *q, struct str access_key, enum s3_read how,
                       struct s3_access_key *key, struct s3_user *user);

/* The caller has proved to own @key, which is @user's: q->who becomes that user. Views. */
void s3_auth_identify(struct s3_req *q, const struct s3_access_key *key,
                      const struct s3_user *user);

/*
 * The payload part of the plan: framing, chunk signatures, SHA-256 of the body. After
 * s3_auth_verify(); call before s3_body_plan().
 */
enum s3err s3_auth_body(struct s3_req *q, struct s3_body_plan *plan);

#endif
