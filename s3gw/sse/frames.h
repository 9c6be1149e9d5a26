/* SPDX-License-Identifier: Apache-2.0 */
/*
 * frames - encrypted content of a stored file: AES-256-GCM in frames of 64 KiB.
 *
 *   file:   header 24 bytes, frames
 *   header: "s3gwsse1", 16 random bytes: the stream's number
 *   frame:  65,536 bytes of ciphertext (the last one 1 to 65,536), 16 bytes of tag
 *   key:    HMAC-SHA-256(data key, "s3gw stream" 00, number, u32 part): a stream has one of its
 *           own, so counting frames is enough for nonces
 *   nonce:  u8 1 in the last frame, else 0; 3 times 00; u64 frame from 0
 *   AAD:    the header
 *
 * A frame that was changed, moved, or comes from another stream, part or object does not open; nor
 * does the last one of a stream cut short, because it does not say that it is the last. Content of
 * no bytes has no file.
 *
 * Rule: NIST SP 800-38D (GCM; at most 2^32 blocks under one nonce, 2^32 nonces under one key: 5 GiB
 * are 81,920 frames).
 * Threads: a sealer or opener belongs to one at a time.
 */
#ifndef S3_SSE_FRAMES_H
#define S3_SSE_FRAMES_H

#include "s3gw/sse/gcm.h"

enum {
    S3_DEK_BYTES = 32, /* a data key */
    S3_FRAME_PLAIN = 64 * 1024,
    S3_FRAME_TAG = S3_GCM_TAG,
    S3_FRAME_SEALED = S3_FRAME_PLAIN + S3_FRAME_TAG,
    S3_STREAM_HEADER = 24,
    S3_SEALER_FRAMES = 4, /* that a sealer gathers: what is written in large pieces lies in large
                             folios of the page cache, and is both written and read for less */
};

/* Bytes of the file that holds @plain bytes of content; 0 for none. @plain is at most 2^62. */
uint64_t s3_sealed_size(uint64_t plain);
/* The other way round. -EBADMSG: no content has a file of that size. */
int s3_plain_size(uint64_t sealed, uint64_t *ret) MUST_CHECK;

/* --- sealing --- */

struct s3_sealer;

/* @part: number of the part, 0 for an object stored in one piece. 0, -ENOMEM, -EIO (no random
 * bytes). */
int s3_sealer_new(const uint8_t dek[S3_DEK_BYTES], uint32_t part,
                  struct s3_sealer **ret) MUST_CHECK;
void s3_sealer_free(struct s3_sealer **s);
/* Bytes a sealer takes. */
size_t s3_sealer_memory(void);
/* The next @piece. @out gets what the file is made of, in order, some frames at a time; its non-zero
 * result stops and is returned. A frame is sealed when another byte comes, or finish(): only then it
 * is known whether it is the last. */
int s3_sealer_push(struct s3_sealer *s, struct str piece, int (*out)(void *arg, struct str sealed),
                   void *arg) MUST_CHECK;
/* What was pushed so far will be pushed again, the same bytes from the first on; and the same comes out, so that no nonce
 * seals two contents. Also after an error of @out. */
void s3_sealer_again(struct s3_sealer *s);
/* That was all. -ENODATA: there was nothing, which has no file. */
int s3_sealer_finish(struct s3_sealer *s, int (*out)(void *arg, struct str sealed),
                     void *arg) MUST_CHECK;

/* All at once: @out has room for s3_sealed_size(plain.n) bytes. @plain is not empty. As new. */
int s3_seal(const uint8_t dek[S3_DEK_BYTES], uint32_t part, struct str plain,
            uint8_t *out) MUST_CHECK;

/* --- opening --- */

struct s3_opener {
    uint8_t *key; /* room for S3_GCM_KEY bytes, set before init(); whose it is wipes them */
    uint8_t header[S3_STREAM_HEADER];
    uint64_t plain;  /* bytes of content */
    uint64_t frames; /* >= 1 */
};

/* A file of @sealed bytes that begins with @header. 0; -EBADMSG: not the file of any content. */
int s3_opener_init(struct s3_opener *o, const uint8_t dek[S3_DEK_BYTES], uint32_t part,
                   const uint8_t header[S3_STREAM_HEADER], uint64_t sealed) MUST_CHECK;
/* Where frame @n lies in the file, tag included; @n < frames. */
uint64_t s3_frame_at(uint64_t n);
size_t s3_frame_sealed(const struct s3_opener *o, uint64_t n);
/*
 * Decrypt @count frames, >= 1, from @n on: as they lie in the file at @in, their content to @out; of one
 * frame that may be @in. 0; -EBADMSG: one is not what was sealed, and instead of it @out holds zeros; -ENOMEM.
 */
int s3_opener_frames(const struct s3_opener *o, uint64_t n, uint64_t count, const uint8_t *in,
                     uint8_t *out) MUST_CHECK;

/* --- keys --- */

/* HMAC-SHA-256 of the three joined. */
void s3_sse_derive(const uint8_t key[32], struct str label, struct str a, struct str b,
                   uint8_t out[32]);

#endif
