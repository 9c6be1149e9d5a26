/* SPDX-License-Identifier: Apache-2.0 */
/*
 * precond - If-Match and its family.
 *
 * Rule: RFC 9110, 13; s3-behaviours 13. A missing key is 404 before any of these is asked.
 */
#ifndef S3_PRECOND_H
#define S3_PRECOND_H

#include "s3gw/core/etag.h"
#include "s3gw/core/req.h"

/*
 * GET and HEAD of an object with this ETag and time: OK; PreconditionFailed (with its Condition) or
 * NotModified, for which the answer still carries ETag and Last-Modified.
 */
enum s3err s3_precond_read(struct s3_req *q, const struct s3_etag *etag, int64_t mtime_ms);
/* The same of x-amz-copy-source-if-*, and of x-amz-rename-source-if-*; every failure is
 * PreconditionFailed. */
enum s3err s3_precond_copy_source(struct s3_req *q, const struct s3_etag *etag, int64_t mtime_ms);
enum s3err s3_precond_rename_source(struct s3_req *q, const struct s3_etag *etag, int64_t mtime_ms);
/* Does Range count? False: If-Range names another version, send the whole object. */
bool s3_precond_if_range(const struct s3_req *q, const struct s3_etag *etag, int64_t mtime_ms);

/* Conditions of a write, to be judged at its commit. */
struct s3_precond_write {
    bool if_none_match_any; /* If-None-Match: * */
    bool has_if_match;
    bool if_match_any; /* If-Match: * */
    /* else these, at least one; arena. What is no ETag of ours matches nothing */
    struct s3_etag *if_match;
    size_t if_match_n;
};
/*
 * From the head of a PUT, copy or complete (and, If-Match only, DELETE). NotImplemented for what
 * AWS does not offer on writes: If-None-Match with an ETag, both headers, the date conditions.
 */
enum s3err s3_precond_write(struct s3_req *q, struct s3_precond_write *ret);

#endif
