/* SPDX-License-Identifier: Apache-2.0 */
/* s3err - the S3 errors, expanded from s3err.def, and the bridge from errno. */
#ifndef S3_S3ERR_H
#define S3_S3ERR_H

#include "dfscore/base/base.h"

enum s3err {
    S3ERR_OK = 0,
#define S3ERR(id, status, code, message) S3ERR_##id,
#include "s3gw/core/s3err.def"
#undef S3ERR
    S3ERR_COUNT_,
    /* Not errors, never sent: what a handler may return besides. */
    S3ERR_PENDING,     /* the answer comes later, by s3_req_done() */
    S3ERR_WOULD_BLOCK, /* nothing was changed: run me again where blocking is allowed */
};

struct s3err_info {
    int status;       /* HTTP */
    const char *code; /* wire name */
    const char *message;
};
const struct s3err_info *s3err_info(enum s3err e); /* e is an error, never OK or beyond COUNT_ */

enum s3_thing { S3_THING_BUCKET, S3_THING_KEY, S3_THING_UPLOAD, S3_THING_VERSION, S3_THING_OTHER };
/*
 * Negative errno to S3 error. -ENOENT becomes the NoSuch... of @missing; -ENOSPC
 * InsufficientStorage (507), -EAGAIN, -EBUSY and -ENOMEM SlowDown, -EHOSTUNREACH ServiceUnavailable,
 * -EFBIG EntityTooLarge; 0 is OK;
 * anything else InternalError and a log line.
 */
enum s3err s3err_from_errno(int r, enum s3_thing missing);

#endif
