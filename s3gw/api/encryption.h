/* SPDX-License-Identifier: Apache-2.0 */
/*
 * encryption - what requests say of encryption, and what answers say of it: SSE-C (the customer's
 * key comes with each request), SSE-S3 (AES256), SSE-KMS (aws:kms), a bucket's default.
 *
 * Every encrypted object has a random data key of its own; record and bytes: sse/section.h,
 * sse/frames.h. aws:kms:dsse is refused with 501.
 *
 * Rule: s3-behaviours 23; Amazon S3 User Guide, "Protecting data with server-side encryption".
 * Threads: the request's. Nothing blocks unless q->may_block; WOULD_BLOCK when the key management
 * service wants to.
 */
#ifndef S3_ENCRYPTION_H
#define S3_ENCRYPTION_H

#include "s3gw/index/object.h"
#include "s3gw/sse/kms.h"

/* How data of a request is encrypted on its way to a file. */
struct s3_seal {
    enum s3_sse_mode mode;
    uint8_t *dek;  /* S3_DEK_BYTES; s3_req_secret() */
    uint32_t part; /* number of the part; 0: an object in one piece */
};

/* Is the ETag of content sealed so its MD5? Otherwise (SSE-C, SSE-KMS) nobody needs that. @seal is NULL
 * for what is not encrypted. */
bool s3_seal_wants_md5(const struct s3_seal *seal);
/* The ETag of content with that MD5, which may be NULL where it is not wanted: the MD5 itself, or random
 * bytes. 0 or -EIO. */
int s3_seal_etag(const struct s3_seal *seal, const uint8_t md5[16], uint8_t etag[16]) MUST_CHECK;

/*
 * For an object, or an upload's prototype, to be written: headers, else the bucket's default. Sets
 * o->sse and q->seal, both absent when it is not encrypted. InvalidArgument, InvalidRequest,
 * InvalidEncryptionAlgorithmError, AccessDenied (SSE-C blocked), KMS.NotFoundException,
 * KMS.DisabledException, NotImplemented.
 */
enum s3err s3_encryption_from(struct s3_req *q, struct s3_object *o);

enum s3_opening {
    S3_OPEN_OBJECT, /* GET, HEAD, attributes: the customer's headers */
    S3_OPEN_SOURCE, /* of a copy: its own set of them */
    S3_OPEN_UPLOAD, /* a part: o is the upload's prototype */
};
/*
 * The data key of @o, NULL when it is not encrypted; checks that the customer's headers are there
 * where they must be and only there. *ret stays NULL as well when @want is false and the key is not
 * the customer's: nobody else has to be asked then. InvalidRequest, InvalidArgument, AccessDenied
 * (another key; InvalidRequest for a part), ..., InternalError.
 */
enum s3err s3_encryption_open(struct s3_req *q, const struct s3_object *o, enum s3_opening what,
                              bool want, uint8_t **ret);

/* The form of what a read says of encryption, before it is known whether there is such an object: InvalidArgument,
 * InvalidRequest, InvalidEncryptionAlgorithmError. */
enum s3err s3_encryption_check_read(struct s3_req *q, enum s3_opening what);

/* For a part: its upload's data key, each part a stream of its own. Sets q->seal, to @ret or NULL; as
 * open. */
enum s3err s3_encryption_of_part(struct s3_req *q, const struct s3_object *proto, uint32_t number,
                                 struct s3_seal *ret);

/* Complete and ListParts need no key of the customer's, but one that is given must be the upload's. */
enum s3err s3_encryption_check_upload(struct s3_req *q, const struct s3_object *proto);

/*
 * For an append to @base: its data key, for stream @part, or nothing when it is not encrypted. Sets
 * q->seal, to @ret or NULL. *section: what the longer object says of its keys. EncryptionTypeMismatch:
 * the request asks for something else than @base has; as open.
 */
enum s3err s3_encryption_of_append(struct s3_req *q, const struct s3_object *base, uint32_t part,
                                   struct s3_seal *ret, struct str *section);

/*
 * What @o, encrypted with AES256 or aws:kms, says of its keys when the key @id wraps its data key instead:
 * *section. No data changes. InvalidRequest: @o is not encrypted so; KMS.*; InternalError.
 */
enum s3err s3_encryption_change_key(struct s3_req *q, const struct s3_object *o, struct str id,
                                    bool bucket_key, struct str *section);

/* Are both encrypted under the same key, so that a copy may keep the frames of its @source? After
 * s3_encryption_open() of the one and s3_encryption_from() for the other. */
bool s3_encryption_same(const struct s3_req *q, const struct s3_object *source,
                        const struct s3_object *o);

/* Wrap @dek, of @source, instead of the one that s3_encryption_from() made for @o: it names frames
 * that exist. */
enum s3err s3_encryption_rewrap(struct s3_req *q, const struct s3_object *source,
                                const uint8_t *dek, struct s3_object *o);

/* x-amz-server-side-encryption* of an answer about @o; @context: of the answers that show the
 * encryption context. */
void s3_encryption_headers(struct s3_req *q, const struct s3_object *o, bool context);

#endif
