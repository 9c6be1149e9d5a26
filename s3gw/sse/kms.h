/* SPDX-License-Identifier: Apache-2.0 */
/*
 * kms - a key management service: wraps and unwraps data keys by the name of a key. The key ring
 * (keyring.h) is one; a service across the network would be another. It sees neither data nor who
 * asks, and what it wraps into is opaque, up to S3_SSE_WRAPPED_MAX bytes.
 *
 * An implementation embeds struct s3_kms, is put into gw->kms by main's wiring before requests come,
 * and outlives them. It is asked once by each request that reads or writes encrypted content.
 *
 * Threads: any, many at once. @wait says whether the caller may be kept waiting (it is not an HTTP
 * thread), and then at most for a deadline of the service's own.
 */
#ifndef S3_SSE_KMS_H
#define S3_SSE_KMS_H

#include "s3gw/sse/section.h"

/* Two keys every service has: what AES256 uses, and aws:kms when no key is named. */
#define S3_KEY_OF_SSE_S3 "sse-s3"
#define S3_KEY_OF_KMS    "aws/s3"

/* 1 to 128 of A-Z a-z 0-9 - _ . / */
bool s3_key_name_ok(struct str name);

/* A key's name from what clients write: NAME, alias/NAME, arn:aws:kms:...:key/NAME,
 * arn:aws:kms:...:alias/NAME. A view. */
struct str s3_kms_name_of(struct str id);

/*
 * Both calls: 0; -ENOKEY: no key of that name, or not the generation that wrapped; -EKEYREVOKED:
 * the key is disabled; -EKEYREJECTED: it did not wrap this, under that @aad; -EAGAIN: only with
 * @wait; -EHOSTUNREACH: the service does not answer; other errno.
 */
struct s3_kms {
    int (*wrap)(struct s3_kms *k, struct str key, struct str aad, const uint8_t dek[S3_DEK_BYTES],
                bool wait, struct buf *wrapped) MUST_CHECK;
    int (*unwrap)(struct s3_kms *k, struct str key, struct str aad, struct str wrapped, bool wait,
                  uint8_t dek[S3_DEK_BYTES]) MUST_CHECK;
};

#endif
