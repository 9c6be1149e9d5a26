/* SPDX-License-Identifier: Apache-2.0 */
/* cors - response headers for browsers. Rule: s3-behaviours 22. */
#ifndef S3_API_CORS_H
#define S3_API_CORS_H

#include "s3gw/core/req.h"

/*
 * To be called once for every answer, errors too (a browser hides an error without them): adds the
 * CORS headers when the request has an Origin and the bucket a rule for it. Never blocks.
 */
void s3_cors_headers(struct s3_req *q);

/*
 * A request is refused, maybe before its bucket was looked at: loads it, if the answer may need its
 * rules. False: it is not in memory, and !q->may_block; ask again where that is allowed.
 */
bool s3_cors_ready(struct s3_req *q);

#endif
