/* SPDX-License-Identifier: Apache-2.0 */
/*
 * body - decode and check object data as it arrives: framing (raw or aws-chunked), signatures of
 * chunks and trailers, declared length, payload SHA-256, the asked-for checksum.
 *
 * A push decoder: bytes in, pieces of object data out, as views into what was pushed (no copy).
 * MD5 and the content's CRC-32 are the caller's, who may compute them elsewhere.
 *
 * Rule: Amazon S3 API Reference, "Signature calculations: chunked upload"; s3-behaviours on bodies.
 * Threads: one at a time.
 */
#ifndef S3_BODY_H
#define S3_BODY_H

#include "s3gw/core/checksum.h"
#include "s3gw/core/req.h"

/* How auth/ lends its chunk verification to this lower floor. */
struct s3_chunk_verifier {
    /* Is @signature (64 hex digits) right for a chunk with this SHA-256? Chains to the next. */
    bool (*chunk)(void *arg, const uint8_t sha256[32], struct str signature);
    /* The same for the trailer: its canonical text is "name:value\n" per line, in order. */
    bool (*trailer)(void *arg, const uint8_t sha256[32], struct str signature);
    void *arg; /* lives in the request's arena */
};

enum s3_framing { S3_FRAMING_RAW, S3_FRAMING_AWS_CHUNKED };

#define S3_BODY_DATA_MAX ((uint64_t)5 << 30) /* bytes of one PUT or part: 5 GiB */

/* Everything about a body that the head decides; filled by s3_auth_body(), then s3_body_plan(). */
struct s3_body_plan {
    struct s3_req *q; /* receives the extras of errors while decoding; may be NULL */
    /* By s3_auth_body(), which zeroes the rest: */
    enum s3_framing framing;
    bool signed_chunks;
    bool trailer_form;               /* the payload name ends in -TRAILER */
    struct s3_chunk_verifier verify; /* with signed_chunks */
    bool has_sha256;
    uint8_t sha256[32]; /* x-amz-content-sha256 was hex */
    /* By s3_body_plan(): */
    uint64_t wire_length; /* Content-Length; UINT64_MAX: Transfer-Encoding chunked */
    uint64_t length;      /* of the decoded data; UINT64_MAX: unknown until the end */
    bool has_md5;
    uint8_t md5[16];              /* Content-MD5, for the caller: s3_body_check_md5() */
    struct s3_checksum expect;    /* alg NONE: no x-amz-checksum-*; value from the header */
    bool has_trailer;             /* x-amz-trailer announced a checksum, of compute's algorithm */
    enum s3_checksum_alg compute; /* to compute and keep: as expected, announced in the trailer,
                                     asked for by x-amz-sdk-checksum-algorithm, else what the caller
                                     sets (CRC64NVME) */
    bool compute_crc64_too;       /* UploadPart: CRC64NVME besides */
    bool has_range;               /* a form's content-length-range: bytes of its file */
    uint64_t range_min, range_max;
    /* Once the body is complete, by http/intake.c: what was computed; alg NONE: nothing. */
    struct s3_checksum got, got_crc64;
};

/*
 * From the head: lengths, Content-MD5, checksum headers, trailer, content encoding. S3ERR_OK or the
 * error to send (MissingContentLength, NotImplemented, EntityTooLarge, InvalidDigest,
 * InvalidRequest ...). The checksum headers of CompleteMultipartUpload speak of the object, not of
 * the body: left alone here.
 */
enum s3err s3_body_plan(struct s3_req *q, struct s3_body_plan *plan);

/* The same for the file of a form, whose fields have become q's headers; wire_length is the form's,
 * as s3_body_plan() found it in the head. */
enum s3err s3_body_plan_file(struct s3_req *q, struct s3_body_plan *plan);

/* Content-Encoding as it is to be stored: without "aws-chunked"; absent when nothing else is left.
 * 0; -ENOMEM. */
int s3_body_content_encoding(struct s3_req *q, struct str *ret) MUST_CHECK;

/* The caller's MD5 of the decoded data against Content-MD5: OK or BadDigest with its elements. */
enum s3err s3_body_check_md5(struct s3_req *q, const struct s3_body_plan *plan,
                             const uint8_t md5[16]);

struct s3_body;

/* Starts the digests. @plan is copied; its verifier and q must live on. NULL: no memory. */
struct s3_body *s3_body_new(const struct s3_body_plan *plan) MUST_CHECK;
void s3_body_free(struct s3_body **b);

/*
 * Decode @in. Each call of @data gets one piece of object data; its non-zero result stops and is
 * returned. S3ERR_OK; or the error (IncompleteBody, InvalidChunkSizeError, SignatureDoesNotMatch,
 * MalformedTrailerError, EntityTooLarge, ...), after which the body is dead.
 */
enum s3err s3_body_push(struct s3_body *b, struct str in,
                        enum s3err (*data)(void *arg, struct str piece), void *arg);

/* No more bytes: was it complete, and do trailer and digests match? (MD5 is the caller's.) @q
 * receives error extras. */
enum s3err s3_body_finish(struct s3_body *b, struct s3_req *q);

uint64_t s3_body_length(const struct s3_body *b); /* decoded bytes so far */
/* After finish: of plan->compute, and with compute_crc64_too. */
void s3_body_checksum(const struct s3_body *b, struct s3_checksum *ret);
void s3_body_crc64(const struct s3_body *b, struct s3_checksum *ret);

#endif
