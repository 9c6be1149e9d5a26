/* SPDX-License-Identifier: Apache-2.0 */
/* head - from libmicrohttpd's head of a request to ours, and what it says about the body to come. */
#ifndef S3_HEAD_H
#define S3_HEAD_H

#include "s3gw/core/req.h"

struct s3_exchange;

/*
 * Method, headers, peer, time. Views of names and values stay valid until the request is completed: they lie in the
 * connection's pool. RequestHeaderSectionTooLarge; BadRequest for two lengths that differ and their like, and for lines
 * that are none; NotImplemented for a transfer coding that is not chunked; SlowDown without memory.
 */
enum s3err s3_head_read(struct s3_exchange *x, const char *method, const char *version);

bool s3_head_expects_continue(const struct s3_req *q);
/* Length of the body that will come, as far as the head says; UINT64_MAX: in chunks. */
uint64_t s3_head_announced(const struct s3_req *q);

#endif
