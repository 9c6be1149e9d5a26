/* SPDX-License-Identifier: Apache-2.0 */
/*
 * checksum - the additional checksums of S3: names, digests, combining.
 *
 * Rule: Amazon S3 User Guide, "Checking object integrity"; s3-behaviours, section on checksums.
 */
#ifndef S3_CHECKSUM_H
#define S3_CHECKSUM_H

#include "dfscore/base/str.h"

/* Values are stored in the index: append only. */
enum s3_checksum_alg {
    S3_CK_NONE, S3_CK_CRC32, S3_CK_CRC32C, S3_CK_SHA1, S3_CK_SHA256, S3_CK_CRC64NVME,
    S3_CK_SHA512, S3_CK_MD5, S3_CK_XXHASH64, S3_CK_XXHASH3, S3_CK_XXHASH128,
};
enum s3_checksum_type { S3_CK_FULL_OBJECT, S3_CK_COMPOSITE };

enum { S3_CK_MAX = 64 };

struct s3_checksum {
    enum s3_checksum_alg alg;
    enum s3_checksum_type type;
    uint8_t n;                 /* digest bytes */
    uint8_t value[S3_CK_MAX];  /* CRCs big endian */
};

#endif
