/* SPDX-License-Identifier: Apache-2.0 */
/*
 * httpdate - the date forms of HTTP, of S3's XML and of its signatures. Always UTC, never the
 * locale's.
 *
 * Rule: RFC 9110, 5.6.7; s3-behaviours 1, 13, 19. Threads: no state.
 */
#ifndef S3_HTTPDATE_H
#define S3_HTTPDATE_H

#include "dfscore/base/str.h"

enum { S3_HTTPDATE_MAX = 29 + 1, S3_ISODATE_MAX = 24 + 1, S3_AMZDATE_MAX = 16 + 1 };

/*
 * "Sun, 06 Nov 1994 08:49:37 GMT" (also UTC or an offset such as +0000, which old signers send),
 * "Sunday, 06-Nov-94 08:49:37 GMT", "Sun Nov  6 08:49:37 1994". @now_s decides the century of the
 * second. The weekday is not compared with the date. 0 and Unix seconds; -EINVAL.
 */
int s3_httpdate_parse(struct str s, int64_t now_s, int64_t *ret) MUST_CHECK;
/* "Sun, 06 Nov 1994 08:49:37 GMT"; returns the length, 29. Years 0 to 9999; others are cut to
 * those. */
size_t s3_httpdate_format(int64_t unix_s, char out[S3_HTTPDATE_MAX]);

/* "2026-01-02T03:04:05Z", with up to 9 digits of fraction, or an offset as +01:00; "2026-01-02"
 * alone is midnight. 0 and Unix milliseconds (rounded down); -EINVAL. */
int s3_isodate_parse(struct str s, int64_t *ret_ms) MUST_CHECK;
/* "2026-01-02T03:04:05.000Z"; returns the length, 24. */
size_t s3_isodate_format(int64_t unix_ms, char out[S3_ISODATE_MAX]);

/* "20260102T030405Z", strictly. 0 and Unix seconds; -EINVAL. */
int s3_amzdate_parse(struct str s, int64_t *ret) MUST_CHECK;
/* The same; the first 8 characters are the day of a credential scope. Returns the length, 16. */
size_t s3_amzdate_format(int64_t unix_s, char out[S3_AMZDATE_MAX]);

#endif
