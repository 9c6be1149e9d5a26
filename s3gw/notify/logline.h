/* SPDX-License-Identifier: Apache-2.0 */
/*
 * logline - one request as a line of AWS's server access log.
 *
 * 26 fields, separated by blanks, "-" where there is nothing to say: bucket owner, bucket, [time],
 * remote address, requester, request id, operation, key, "request line", status, error code, bytes
 * sent, object size, total ms, turn-around ms, "referer", "user agent", version id, host id,
 * signature version, cipher suite, authentication type, host header, TLS version, access point, ACL
 * required. Signatures and tokens of presigned requests are REDACTED; quotes, blanks and control
 * characters of what clients sent are %XX, so that a field stays one.
 *
 * Not known here, so always "-": the cipher suite, the access point.
 *
 * Rule:    Amazon S3 User Guide, "Amazon S3 server access log format"; s3-behaviours 23.
 * Threads: no state.
 */
#ifndef S3_NOTIFY_LOGLINE_H
#define S3_NOTIFY_LOGLINE_H

#include "s3gw/core/req.h"

enum { S3_LOGLINE_MAX = 32 * 1024 };

struct s3_logline {
    const struct s3_req *q; /* with op and bkt */
    enum s3err result;
    uint64_t sent; /* bytes of the answer's body */
    uint64_t total_ms, turn_ms;
    const char *tls;   /* "TLSv1.3"; NULL: none, or not known */
    bool acl_required; /* only an ACL let the caller in */
};

void s3_logline_format(const struct s3_logline *l, struct buf *out);

#endif
