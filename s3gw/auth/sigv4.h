/* SPDX-License-Identifier: Apache-2.0 */
/*
 * sigv4 - Signature Version 4: what a request claims, its canonical form, string to sign,
 * signature.
 *
 * Rule: AWS IAM User Guide, "Create a signed AWS API request"; Amazon S3 API Reference,
 *       "Authenticating Requests: Using Query Parameters"; s3-behaviours 3 and 4.
 * Threads: any; no shared state.
 */
#ifndef S3_SIGV4_H
#define S3_SIGV4_H

#include "s3gw/core/httpdate.h"
#include "s3gw/core/req.h"

struct s3_sigv4 {
    bool query; /* presigned */
    struct str access_key;
    struct str scope; /* "20260102/us-east-1/s3/aws4_request" */
    struct str day, region, service;
    struct str signed_headers; /* "host;x-amz-date", as sent */
    struct str signature;      /* as sent */
    char date[S3_AMZDATE_MAX]; /* "20260102T030405Z" */
    int64_t date_s;            /* the same, Unix seconds */
    uint64_t expires_s;        /* query: X-Amz-Expires */
    struct str payload;        /* last line of the canonical request */
};

/*
 * Read the claim from the text behind "AWS4-HMAC-SHA256 ", or from the query, and judge what needs
 * no secret: form, scope (against gw's region), dates, signed headers. OK or the refusal.
 */
enum s3err s3_sigv4_from_header(struct s3_req *q, struct str claim, struct s3_sigv4 *ret);
enum s3err s3_sigv4_from_query(struct s3_req *q, struct s3_sigv4 *ret);

/* Append to @out; errors stick there. */
void s3_sigv4_canonical_request(struct s3_req *q, const struct s3_sigv4 *v, struct buf *out);
void s3_sigv4_canonical_query(struct s3_req *q, bool presigned, struct buf *out);

/* Is the signature right under @secret? OK, or SignatureDoesNotMatch with all its elements.
 * *ret_key: the signing key (32 bytes), for chunk signatures; may be NULL. */
enum s3err s3_sigv4_check(struct s3_req *q, const struct s3_sigv4 *v, struct str secret,
                          uint8_t *ret_key);

#endif
