/* SPDX-License-Identifier: Apache-2.0 */
/*
 * kms - a key management service: wraps and unwraps data keys by the name of a key. The key ring
 * (keyring.h) is one; a service across the network would be another.
 *
 * Threads: any. @wait says whether the caller may be kept waiting (it is not an HTTP thread).
 */
#ifndef S3_SSE_KMS_H
#define S3_SSE_KMS_H

#include "s3gw/sse/section.h"

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
