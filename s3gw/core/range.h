/* SPDX-License-Identifier: Apache-2.0 */
/*
 * range - the Range and x-amz-copy-source-range headers, and Content-Range.
 *
 * Rule: RFC 9110, 14.1.2; s3-behaviours 14 and 15.
 */
#ifndef S3_RANGE_H
#define S3_RANGE_H

#include "dfscore/base/str.h"

struct s3_range {
    uint64_t first, last; /* bytes, both within: first <= last < object size */
};

/*
 * 0: *ret is what to send, as 206. -EINVAL: not a single byte range; the header is ignored, 200
 * with all of it (also a suffix of an empty object). -ERANGE: outside the object, 416.
 */
int s3_range_parse(struct str header, uint64_t size, struct s3_range *ret) MUST_CHECK;
/* Exactly "bytes=a-b" inside the source. 0; -EINVAL: another form; -ERANGE: beyond its end. */
int s3_range_parse_copy(struct str header, uint64_t size, struct s3_range *ret) MUST_CHECK;

enum { S3_CONTENT_RANGE_MAX = 6 + 20 + 1 + 20 + 1 + 20 + 1 };
/* "bytes 0-9/100", NUL terminated; @r NULL: "bytes * /100" without the blank, for 416. Returns the
 * length. */
size_t s3_range_content(const struct s3_range *r, uint64_t size, char out[S3_CONTENT_RANGE_MAX]);

#endif
