/* SPDX-License-Identifier: Apache-2.0 */
/* body_ask - a request with these header lines, for who reads its body, and a plan of how. */
#ifndef TEST_BODY_ASK_H
#define TEST_BODY_ASK_H

#include "s3gw/core/body.h"
#include "s3gw/core/op.h"
#include "tests/lib/asked.h"

static const struct s3_op stream = {.name = "PutObject", .body = S3_BODY_STREAM};

#define CL "Content-Length: 9"
#define CK "x-amz-checksum-crc32: y/Q5Jg=="

static inline void ask(const struct s3_op *op, const char *const *lines)
{
    asked_anew();
    q.op = op;
    asked_headers(lines);
}

enum form { RAW, CHUNKED, CHUNKED_TRAILER };

static inline struct s3_body_plan plan_of(enum form form)
{
    struct s3_body_plan p = {.framing = form == RAW ? S3_FRAMING_RAW : S3_FRAMING_AWS_CHUNKED};
    p.trailer_form = form == CHUNKED_TRAILER;
    return p;
}

#endif
