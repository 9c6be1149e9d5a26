/* SPDX-License-Identifier: Apache-2.0 */
/*
 * accesslog - one line per request, written once, at its end; buffered, at most a second late.
 *
 * Fields, separated by blanks: time, client address, user or "-", operation, method, path without
 * query, status, bytes received, bytes sent, microseconds, request id; "!" at the end when the
 * client did not get all of the answer. No query: presigned URLs carry signatures. A blank or control
 * character within a field is %XX.
 *
 * Threads: any; none but its own ever waits for the disk. What does not fit meanwhile is dropped.
 */
#ifndef S3_ACCESSLOG_H
#define S3_ACCESSLOG_H

#include "s3gw/core/req.h"

struct s3_accesslog;

int s3_accesslog_open(const char *path,
                      struct s3_accesslog **ret) MUST_CHECK; /* 0 or negative errno */
void s3_accesslog_close(struct s3_accesslog **l); /* writes what is buffered; accepts NULL */
/* A file is opened now; it takes what is written once what has gathered until then lies in the one before. 0 or negative
 * errno. */
int s3_accesslog_reopen(struct s3_accesslog *l) MUST_CHECK;
/* @l may be NULL. */
void s3_accesslog_write(struct s3_accesslog *l, const struct s3_req *q, uint64_t received,
                        uint64_t sent, uint64_t took_us, bool complete);

#endif
