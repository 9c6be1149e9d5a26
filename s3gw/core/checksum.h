/* SPDX-License-Identifier: Apache-2.0 */
/*
 * checksum - the additional checksums of S3: names, digests, combining.
 *
 * Rule: Amazon S3 User Guide, "Checking object integrity"; s3-behaviours 6.
 * Threads: no state but constant tables; a hash belongs to one thread at a time.
 */
#ifndef S3_CHECKSUM_H
#define S3_CHECKSUM_H

#include "dfscore/base/str.h"

/* Values are stored in the index: append only. */
enum s3_checksum_alg {
    S3_CK_NONE,
    S3_CK_CRC32,
    S3_CK_CRC32C,
    S3_CK_SHA1,
    S3_CK_SHA256,
    S3_CK_CRC64NVME,
    S3_CK_SHA512,
    S3_CK_MD5,
    S3_CK_XXHASH64,
    S3_CK_XXHASH3,
    S3_CK_XXHASH128,
    S3_CK_COUNT_,
};
enum s3_checksum_type { S3_CK_FULL_OBJECT, S3_CK_COMPOSITE };

enum { S3_CK_MAX = 64 };

struct s3_checksum {
    enum s3_checksum_alg alg;
    enum s3_checksum_type type;
    uint8_t n;                /* digest bytes */
    uint8_t value[S3_CK_MAX]; /* CRCs big endian */
};

/* --- names --- */

/* One row per algorithm; alg NONE has empty names. Static strings. */
struct s3_checksum_info {
    struct str name;     /* "CRC32", as x-amz-checksum-algorithm and ChecksumAlgorithm have it */
    const char *header;  /* "x-amz-checksum-crc32" */
    const char *element; /* "ChecksumCRC32" */
    uint8_t n;           /* digest bytes */
    bool full_object;    /* a multipart upload may have the type FULL_OBJECT */
    bool composite;      /* ... COMPOSITE */
};
const struct s3_checksum_info *s3_checksum_info(enum s3_checksum_alg alg);
/* "crc32" in any case; 0 or -EINVAL. */
int s3_checksum_by_name(struct str name, enum s3_checksum_alg *ret) MUST_CHECK;
/* "x-amz-checksum-crc32" in any case; 0 or -EINVAL (also x-amz-checksum-algorithm, -type, -mode).
 */
int s3_checksum_by_header(struct str header, enum s3_checksum_alg *ret) MUST_CHECK;
/* "COMPOSITE" or "FULL_OBJECT" in any case; 0 or -EINVAL. */
int s3_checksum_type_by_name(struct str name, enum s3_checksum_type *ret) MUST_CHECK;
struct str s3_checksum_type_name(enum s3_checksum_type type);
/* For messages: "CRC32, CRC32C, ..." */
extern const char s3_checksum_valid_names[];
/* What a multipart upload gets that names only the algorithm: composite, but CRC64NVME full. */
enum s3_checksum_type s3_checksum_default_type(enum s3_checksum_alg alg);

/* --- text --- */

enum { S3_CK_TEXT_MAX = 88 + 1 + 10 + 1 }; /* base64, "-N", NUL */

/* Base64, with "-@parts" when the type is COMPOSITE and parts > 0; NUL terminated; returns the
 * length. */
size_t s3_checksum_text(const struct s3_checksum *c, uint32_t parts, char out[S3_CK_TEXT_MAX]);
/* Base64 of exactly the algorithm's length; FULL_OBJECT. 0 or -EINVAL; *ret on 0. */
int s3_checksum_parse(enum s3_checksum_alg alg, struct str text,
                      struct s3_checksum *ret) MUST_CHECK;
/* The same with an optional "-N", N > 0, which makes it COMPOSITE; *ret_parts is N or 0. */
int s3_checksum_parse_parts(enum s3_checksum_alg alg, struct str text, struct s3_checksum *ret,
                            uint32_t *ret_parts) MUST_CHECK;
/* Algorithm and value; not the type. */
bool s3_checksum_eq(const struct s3_checksum *a, const struct s3_checksum *b);

/* --- digests --- */

struct s3_hash {
    enum s3_checksum_alg alg;
    union {
        uint64_t crc;
        void *ctx; /* owned: EVP_MD_CTX or a state of libxxhash */
    };
};
/* @alg may be NONE: everything below does nothing then, final gives alg NONE. 0 or -ENOMEM. */
int s3_hash_init(struct s3_hash *h, enum s3_checksum_alg alg) MUST_CHECK;
void s3_hash_update(struct s3_hash *h, const void *p, size_t n);
void s3_hash_final(struct s3_hash *h, struct s3_checksum *ret); /* FULL_OBJECT; then only fini */
void s3_hash_fini(struct s3_hash *h); /* safe on a zeroed one, and twice */

/* --- the checksum of an object from those of its parts, in order; reads no data --- */

struct s3_checksum_join {
    enum s3_checksum_alg alg;
    enum s3_checksum_type type;
    struct s3_hash hash; /* COMPOSITE */
    uint64_t crc;        /* FULL_OBJECT */
    uint32_t parts;
};
/* -EINVAL: the algorithm has no such type; -ENOMEM. */
int s3_checksum_join_init(struct s3_checksum_join *j, enum s3_checksum_alg alg,
                          enum s3_checksum_type type) MUST_CHECK;
/* @size: bytes of the part. -EINVAL: the part's algorithm is another. */
int s3_checksum_join_add(struct s3_checksum_join *j, const struct s3_checksum *part,
                         uint64_t size) MUST_CHECK;
void s3_checksum_join_final(struct s3_checksum_join *j,
                            struct s3_checksum *ret); /* then only fini */
void s3_checksum_join_fini(struct s3_checksum_join *j);

/* CRC of A||B from crc(A), crc(B) and the length of B in bytes; time grows with log(length). */
uint64_t s3_crc_combine(enum s3_checksum_alg alg, uint64_t a, uint64_t b, uint64_t b_length);

#endif
