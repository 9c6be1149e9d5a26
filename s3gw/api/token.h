/* SPDX-License-Identifier: Apache-2.0 */
/*
 * token - opaque continuation tokens: base64 of a version digit and the name or key to go on after.
 * Rule: s3-behaviours 11 (a bad token is an error, never a silent restart).
 */
#ifndef S3_TOKEN_H
#define S3_TOKEN_H

#include "dfscore/base/arena.h"

void s3_token_element(struct buf *b, const char *element, struct str after);
/* 0; -EINVAL: none of ours; -ENOMEM. */
int s3_token_decode(struct arena *a, struct str token, struct str *ret_after) MUST_CHECK;

#endif
