/* SPDX-License-Identifier: Apache-2.0 */
/*
 * post_object - PostObject: an object from a browser's form, whose fields stand for the key and the
 * headers of a PutObject.
 *
 * Rule: s3-behaviours 22, "POST form upload"; S3 API Reference, "POST Object".
 */
#ifndef S3_API_POST_OBJECT_H
#define S3_API_POST_OBJECT_H

#include "s3gw/index/object.h"

/* Sets q->key, before anybody asks who signed. InvalidArgument (none, or no UTF-8),
 * UserKeyMustBeSpecified (empty), KeyTooLongError. */
enum s3err s3_post_key(struct s3_req *q);

/*
 * From q->post, whose signer is known: q->headers anew: of the head what concerns the request
 * (Host, Origin, User-Agent ...), of the fields what concerns the object, under the names that
 * PutObject uses. InvalidArgument (a field's name or value is no header's, or it is there twice),
 * NotImplemented (with Header), the errors of a Tagging document.
 */
enum s3err s3_post_object(struct s3_req *q);

/* The answer's status, Location and document, as the form wants it, once @o is stored. */
void s3_post_answer(struct s3_req *q, const struct s3_object *o);

#endif
