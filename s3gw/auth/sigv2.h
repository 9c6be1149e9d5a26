/* SPDX-License-Identifier: Apache-2.0 */
/*
 * sigv2 - Signature Version 2, by header and presigned, for old clients; a setting switches it off.
 *
 * Rule: Amazon S3 User Guide, "Signing and authenticating REST requests (AWS signature version 2)";
 *       s3-behaviours 7. Threads: any; no shared state.
 */
#ifndef S3_SIGV2_H
#define S3_SIGV2_H

#include "s3gw/core/req.h"

struct s3_sigv2 {
    bool query; /* presigned */
    struct str access_key;
    struct str signature; /* base64, as sent */
    struct str date;      /* the Date line of the string to sign; may be empty */
};

/* Read the claim from the text behind "AWS ", or from the query, and judge the dates. */
enum s3err s3_sigv2_from_header(struct s3_req *q, struct str claim, struct s3_sigv2 *ret);
enum s3err s3_sigv2_from_query(struct s3_req *q, struct s3_sigv2 *ret);

/* Append to @out; errors stick there. */
void s3_sigv2_string_to_sign(struct s3_req *q, const struct s3_sigv2 *v, struct buf *out);

/* OK, or SignatureDoesNotMatch with its elements. */
enum s3err s3_sigv2_check(struct s3_req *q, const struct s3_sigv2 *v, struct str secret);

#endif
