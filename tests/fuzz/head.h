/* SPDX-License-Identifier: Apache-2.0 */
/* head - "Name: value" lines of a fuzz input into a request's headers. */
#ifndef FUZZ_HEAD_H
#define FUZZ_HEAD_H

#include "s3gw/core/req.h"

enum { FUZZ_HEADERS_MAX = 200 };

/* Views of @lines, up to an empty line; returns what follows it. */
static inline struct str fuzz_headers(struct s3_req *q, struct str lines)
{
    struct str line;
    q->headers = arena_alloc(&q->arena, FUZZ_HEADERS_MAX * sizeof(*q->headers));
    ASSERT(q->headers);
    while (str_split(&lines, '\n', &line) && line.n && q->nheaders < FUZZ_HEADERS_MAX) {
        struct s3_pair *h = &q->headers[q->nheaders];
        if (str_cut(line, ':', &h->name, &h->value)) {
            h->value = str_trim(h->value);
            q->nheaders++;
        }
    }
    return lines;
}

#endif
