/* SPDX-License-Identifier: Apache-2.0 */
/*
 * defaults - how a bucket encrypts what nobody said how to: bucket document `encryption`.
 *
 *   u8 1, u8 mode (section.h; 0: none), u8 bits (1: bucket key; 2: blocked types were listed; 4:
 *   SSE-C is blocked), lstr id of the KMS key as written (empty: the default key)
 *
 * Rule: s3-behaviours 23; Amazon S3 API Reference, PutBucketEncryption.
 */
#ifndef S3_SSE_DEFAULTS_H
#define S3_SSE_DEFAULTS_H

#include "s3gw/sse/section.h"

struct s3_sse_defaults {
    enum s3_sse_mode mode; /* never SSE_C */
    struct str id;         /* a view; empty: none */
    bool bucket_key;
    bool lists_blocked; /* BlockedEncryptionTypes was given */
    bool blocks_sse_c;
};

void s3_sse_defaults_encode(const struct s3_sse_defaults *d, struct buf *out);
/* An absent record is no default. 0 or -EBADMSG. */
int s3_sse_defaults_decode(struct str record, struct s3_sse_defaults *ret) MUST_CHECK;

/* The record of AES256 and nothing else; lives for ever. */
struct str s3_sse_defaults_aes256(void);

#endif
