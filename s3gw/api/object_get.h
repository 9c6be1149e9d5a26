/* SPDX-License-Identifier: Apache-2.0 */
/* object_get - what GET and HEAD of anything that is made of stored files have in common. */
#ifndef S3_OBJECT_GET_H
#define S3_OBJECT_GET_H

#include "s3gw/index/object.h"

/*
 * Answer @q with @o: conditions, Range and partNumber, @headers, and for GET the bytes, opened with
 * @dek if it is not NULL. *ret_r: why these could not be read (-EAGAIN: not without blocking), 0
 * otherwise. Forgets an answer begun before.
 */
enum s3err s3_object_serve(struct s3_req *q, const struct s3_object *o, const uint8_t *dek,
                           void (*headers)(struct s3_req *q, const struct s3_object *o),
                           int *ret_r);

#endif
