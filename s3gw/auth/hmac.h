/* SPDX-License-Identifier: Apache-2.0 */
/*
 * hmac - HMAC with algorithms fetched once and contexts reused per thread, and the signing keys of
 * SigV4 that a thread has derived lately.
 *
 * A derived key is found by everything it was derived from, the secret included: a changed secret
 * misses, so nothing has to be invalidated. The table is small and fixed; a newcomer takes its
 * slot. Threads: any; no sharing. Stops the process when OpenSSL has no memory for its contexts.
 */
#ifndef S3_AUTH_HMAC_H
#define S3_AUTH_HMAC_H

#include "dfscore/base/arena.h"
#include "dfscore/base/str.h"

void s3_hmac_sha256(const void *key, size_t key_n, struct str data, uint8_t out[32]);
void s3_hmac_sha1(const void *key, size_t key_n, struct str data, uint8_t out[20]);

struct s3_signing_scope {
    struct str access_key, secret;
    struct str day, region, service; /* "20260102", "us-east-1", "s3" */
};
/* HMAC-SHA256 of @data under the scope's signing key; *ret_key, when not NULL, receives that key.
 */
void s3_hmac_signing(const struct s3_signing_scope *scope, struct str data, uint8_t out[32],
                     uint8_t *ret_key);

/* What was signed, byte by byte, for an error that lets people find the difference: two hex digits a byte,
 * blanks between. Empty when there is no memory. */
struct str s3_hmac_spelled(struct arena *a, struct str s);

#endif
