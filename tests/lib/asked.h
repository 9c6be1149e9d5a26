/* SPDX-License-Identifier: Apache-2.0 */
/*
 * asked - one request, its headers from lines of text, and what came of it. For one test program each; what is in it is
 * that program's own.
 */
#ifndef TEST_ASKED_H
#define TEST_ASKED_H

#include "s3gw/core/req.h"
#include "tests/lib/test.h"

static struct s3_req q;

#define LINES(...) ((const char *const[]){__VA_ARGS__, NULL})

/* The request begins anew. */
static inline void asked_anew(void)
{
    s3_req_fini(&q);
    s3_req_init(&q);
}

/* "Name: value" lines, the last one NULL; the strings must live on. */
static inline void asked_headers(const char *const *lines)
{
    static struct s3_pair headers[40];
    q.headers = headers;
    for (; lines && *lines; lines++) {
        struct str name, value;
        assert_true(q.nheaders < ARRAY_LEN(headers));
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

#endif
