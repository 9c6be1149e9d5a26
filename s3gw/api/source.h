/* SPDX-License-Identifier: Apache-2.0 */
/*
 * source - the object that x-amz-copy-source names: found, permitted, its conditions judged; and
 * what must be read of its data when a copy needs digests nobody has.
 *
 * Rule: s3-behaviours 15; Amazon S3 API Reference, CopyObject, UploadPartCopy.
 */
#ifndef S3_SOURCE_H
#define S3_SOURCE_H

#include "s3gw/index/bucket.h"
#include "s3gw/index/object.h"

struct s3_source {
    struct s3_bucket bkt;
    struct str key;
    struct str version;      /* absent: none was named */
    struct s3_object object; /* with detail */
    uint8_t *dek;            /* its data key; NULL: it is not encrypted */
};

/* May block. The error to send: InvalidArgument, NoSuchBucket, NoSuchKey, NoSuchVersion,
 * AccessDenied, PreconditionFailed, NotImplemented. */
enum s3err s3_source_load(struct s3_req *q, struct s3_source *ret);

#define S3_SOURCE_MAX (5ULL << 30) /* bytes of one copy */
enum s3err s3_source_too_large(struct s3_req *q);

/* All files of the object, encrypted or not, each under the owner it has there; arena. 0, -ENOMEM. */
int s3_source_files(struct s3_req *q, const struct s3_object *o, struct s3_extent **ret,
                    size_t *ret_n) MUST_CHECK;
/* Bytes [from, from + length) of an object that is not encrypted, as extents in the arena, each
 * under the owner it has there.
 * 0, -ENOMEM, -EBADMSG. */
int s3_source_slice(struct s3_req *q, const struct s3_object *o, uint64_t from, uint64_t length,
                    struct s3_extent **ret, size_t *ret_n) MUST_CHECK;

/* Read bytes [from, from + length) of the content and compute. @md5 may be NULL; checksums with alg
 * NONE are left alone. May take long: a second a gigabyte or so. 0 or errno. */
int s3_source_digest(struct s3_req *q, const struct s3_source *s, uint64_t from, uint64_t length,
                     uint8_t md5[16], struct s3_checksum *c1, struct s3_checksum *c2) MUST_CHECK;

#endif
