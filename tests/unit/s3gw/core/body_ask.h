/* SPDX-License-Identifier: Apache-2.0 */
/* body_ask - a request with these header lines, for who reads its body, and a plan of how. */
#ifndef TEST_BODY_ASK_H
#define TEST_BODY_ASK_H

#include "s3gw/core/body.h"
#include "s3gw/core/op.h"
#include "tests/lib/test.h"

static const struct s3_op stream = {.name = "PutObject", .body = S3_BODY_STREAM};

static struct s3_req q;
static struct s3_pair headers[16];

#define CL         "Content-Length: 9"
#define CK         "x-amz-checksum-crc32: y/Q5Jg=="
#define LINES(...) ((const char *const[]){__VA_ARGS__, NULL})

static inline void ask(const struct s3_op *op, const char *const *lines)
{
    s3_req_fini(&q);
    s3_req_init(&q);
    q.op = op;
    q.headers = headers;
    for (; lines && *lines; lines++) {
        struct str name, value;
        assert_true(str_cut(str_c(*lines), ':', &name, &value));
        headers[q.nheaders++] = (struct s3_pair){name, str_trim(value)};
    }
}

static inline struct str extra(const char *name)
{
    for (size_t i = 0; i < q.resp.nextras; i++)
        if (str_eq(str_c(q.resp.extras[i].name), str_c(name)))
            return q.resp.extras[i].value;
    return STR_NULL;
}

static inline const char *code(enum s3err e)
{
    return e > S3ERR_OK && e < S3ERR_COUNT_ ? s3err_info(e)->code : "no error";
}

static inline int done(void **state)
{
    (void)state;
    s3_req_fini(&q);
    return 0;
}

enum form { RAW, CHUNKED, CHUNKED_TRAILER };

static inline struct s3_body_plan plan_of(enum form form)
{
    struct s3_body_plan p = {.framing = form == RAW ? S3_FRAMING_RAW : S3_FRAMING_AWS_CHUNKED};
    p.trailer_form = form == CHUNKED_TRAILER;
    return p;
}

#endif
