/* SPDX-License-Identifier: Apache-2.0 */
/*
 * section - what the record of an encrypted object says of its keys: section `sse`.
 *
 *   u8 version (1, or 2), u8 mode, lstr wrapped data key; modes 2 and 3: lstr name of the key that
 *   wraps it; mode 3: lstr key id as answers show it, u8 bits (1: bucket key), lstr encryption
 *   context (JSON, keys sorted; empty: none); version 2: u8 1: the object was of one piece before it
 *   was appended to, so its first part is a stream of part 0 (frames.h)
 *
 * Every object and upload has a random data key. It is wrapped by the customer's key (mode 1) or by
 * a key management service (modes 2 and 3; kms.h), which never see data.
 *
 *   wrapped by a 32-byte key: 16 random bytes (salt), 32 bytes of ciphertext, 16 of tag
 *   wrapping key: HMAC-SHA-256(key, "s3gw wrap" 00, salt), used once: AES-256-GCM, nonce zero
 *   AAD:          "s3gw key" 00, u8 mode, name, 00, context
 *
 * So of a customer's key nothing is kept but a salted way to tell it from another.
 *
 * Threads: any.
 */
#ifndef S3_SSE_SECTION_H
#define S3_SSE_SECTION_H

#include "dfscore/base/buf.h"
#include "s3gw/sse/frames.h"

/* On disk; never change a number. */
enum s3_sse_mode {
    S3_SSE_NONE = 0,
    S3_SSE_C = 1,   /* the customer brings the key */
    S3_SSE_S3 = 2,  /* AES256 */
    S3_SSE_KMS = 3, /* aws:kms */
};

enum {
    S3_SSE_CONTEXT_MAX = 8192, /* bytes of JSON */
    S3_SSE_NAME_MAX = 128,
    S3_SSE_ID_MAX = 2048,
    S3_SSE_WRAPPED_MAX = 4096, /* an external service may take more than we do */
    S3_SSE_SECTION_MAX = 16384,
    S3_WRAPPED_BYTES = 64,
};

struct s3_sse {
    enum s3_sse_mode mode;
    struct str wrapped;
    struct str key;     /* name; absent with SSE_C */
    struct str id;      /* KMS only: "arn:aws:kms:..." or as the client wrote it */
    struct str context; /* KMS only: canonical JSON; empty: none */
    bool bucket_key;    /* KMS only */
    bool first_whole;   /* the first part was an object in one piece */
};

void s3_sse_encode(const struct s3_sse *s, struct buf *out);
/* Views into @section. 0 or -EBADMSG. */
int s3_sse_decode(struct str section, struct s3_sse *ret) MUST_CHECK;
/* The mode alone; NONE for an absent section. 0 or -EBADMSG. */
int s3_sse_mode_of(struct str section, enum s3_sse_mode *ret) MUST_CHECK;

/* What a wrapped key is bound to. */
void s3_sse_aad(const struct s3_sse *s, struct buf *out);

/* 0, -EIO (no random bytes), -ENOMEM. */
int s3_key_wrap(const uint8_t key[32], struct str aad, const uint8_t dek[S3_DEK_BYTES],
                uint8_t wrapped[S3_WRAPPED_BYTES]) MUST_CHECK;
/* -EKEYREJECTED: another key, or not what was wrapped; -EBADMSG: not shaped like it. */
int s3_key_unwrap(const uint8_t key[32], struct str aad, struct str wrapped,
                  uint8_t dek[S3_DEK_BYTES]) MUST_CHECK;

#endif
