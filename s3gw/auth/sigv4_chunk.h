/* SPDX-License-Identifier: Apache-2.0 */
/*
 * sigv4_chunk - signatures of the chunks and the trailer of a streamed payload: the verifier that
 * core/body borrows. Each signature covers the one before; the first covers the request's.
 *
 * Rule: Amazon S3 API Reference, "Signature Calculations ... Transferring Payload in Multiple
 * Chunks",
 *       "... Including Trailing Headers"; s3-behaviours 5.
 */
#ifndef S3_SIGV4_CHUNK_H
#define S3_SIGV4_CHUNK_H

#include "s3gw/auth/sigv4.h"
#include "s3gw/core/body.h"

struct s3_sigv4_chunks {
    uint8_t key[32];  /* signing key of the request's scope */
    struct str scope; /* a view that lives as long as the request */
    char date[S3_AMZDATE_MAX];
    char previous[64]; /* hex; the request's signature at the start */
};

/* @key: 32 bytes, from s3_sigv4_check(). */
void s3_sigv4_chunks_init(struct s3_sigv4_chunks *c, const struct s3_sigv4 *v, const uint8_t *key);
/* @c must outlive the verifier. One thread at a time. */
struct s3_chunk_verifier s3_sigv4_chunks_verifier(struct s3_sigv4_chunks *c);

#endif
