/* SPDX-License-Identifier: Apache-2.0 */
/* etag - MD5 of the content, or MD5 of the parts' MD5s and their number. */
#ifndef S3_ETAG_H
#define S3_ETAG_H

#include "dfscore/base/str.h"

struct s3_etag {
    uint8_t md5[16];
    uint32_t parts; /* 0: plain; else "-N" follows */
};

enum { S3_ETAG_TEXT_MAX = 32 + 1 + 10 + 2 + 1 }; /* quotes and NUL included */

/* "d41d8...-3" in double quotes, NUL terminated; returns the length. */
size_t s3_etag_format(const struct s3_etag *e, char out[S3_ETAG_TEXT_MAX]);
/* With or without quotes; 0 or -EINVAL. */
int s3_etag_parse(struct str s, struct s3_etag *ret) MUST_CHECK;
bool s3_etag_eq(const struct s3_etag *a, const struct s3_etag *b);

#endif
