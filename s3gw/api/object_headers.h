/* SPDX-License-Identifier: Apache-2.0 */
/*
 * object_headers - what request headers say of an object to be, and what an object says in an
 * answer.
 *
 * Whatever changes meaning is honoured or refused here; nothing is accepted and ignored.
 *
 * Rule: s3-behaviours 10 (system headers, metadata), 12 (GET, HEAD), 19 (lock), 23 (encryption,
 * tags).
 */
#ifndef S3_OBJECT_HEADERS_H
#define S3_OBJECT_HEADERS_H

#include "s3gw/index/object.h"

enum { S3_USER_METADATA_MAX = 2048 }; /* bytes of names (without x-amz-meta-) and values together */

/*
 * Fill headers, storage_class, tags, acl, owner_id, lock, sse of @o and q->seal from the request (headers, or query
 * options of a presigned one); views into the request and its arena. Other fields stay. S3ERR_OK or
 * the error to send: MetadataTooLarge, InvalidStorageClass, InvalidArgument, InvalidTag,
 * InvalidRedirectLocation, InvalidRequest, NotImplemented (with Header) for what we do not offer;
 * those of encryption.h.
 */
enum s3err s3_object_headers_from(struct s3_req *q, struct s3_object *o);
/* The parts of it, for CopyObject: what a copy keeps from the source, and what never is copied. */
enum s3err s3_object_metadata_from(struct s3_req *q, struct s3_object *o); /* headers */
enum s3err s3_object_tags_from(struct s3_req *q, struct s3_object *o);
enum s3err s3_object_rest_from(struct s3_req *q,
                               struct s3_object *o); /* class, ACL, encryption, lock */

/*
 * Response headers of GET and HEAD: Last-Modified, ETag, Accept-Ranges, system headers (the query's response-*
 * override them), metadata (of what has no name, that there is some), version, storage class, counts; checksums when
 * x-amz-checksum-mode asks and neither Range nor partNumber was given; x-amz-mp-parts-count with partNumber.
 */
void s3_object_headers_to(struct s3_req *q, const struct s3_object *o);
/* What of them a 304 has: validators, Cache-Control and Expires, version. */
void s3_object_not_modified_headers(struct s3_req *q, const struct s3_object *o);

/* Options of GET and HEAD that are refused whatever the object: overrides on anonymous requests. */
enum s3err s3_object_read_options(struct s3_req *q);

/* ETag and version headers that the answer of a write carries. */
void s3_object_written_headers(struct s3_req *q, const struct s3_object *o);
/* x-amz-checksum-<alg> and x-amz-checksum-type of @o, if it has one. */
void s3_object_checksum_headers(struct s3_req *q, const struct s3_object *o);

#endif
