/* SPDX-License-Identifier: Apache-2.0 */
/* cors - response headers for browsers. Rule: s3-behaviours 22. */
#ifndef S3_API_CORS_H
#define S3_API_CORS_H

#include "s3gw/core/req.h"

/*
 * To be called once for every answer, errors too (a browser hides an error without them): adds the
 * CORS headers when the request has an Origin and the bucket a rule for it. Loads the bucket when
 * the request failed before that; never blocks unless q->may_block.
 */
void s3_cors_headers(struct s3_req *q);

#endif
