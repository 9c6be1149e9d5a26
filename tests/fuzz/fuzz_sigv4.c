/* SPDX-License-Identifier: Apache-2.0 */
/*
 * fuzz_sigv4 - "METHOD target" and headers, at a fixed time, with one known key: the verdict is the
 * same twice, nobody gets a name without a signature, and the canonical query is sorted and stable.
 */
#include "s3gw/auth/auth.h"
#include "s3gw/auth/sigv4.h"
#include "s3gw/core/gw.h"
#include "s3gw/core/op.h"
#include "s3gw/core/uri.h"
#include "s3gw/index/bucket.h"
#include "tests/fuzz/head.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* Stands in for the index. */
int s3_key_get(struct s3_index *x, struct str access_key, enum s3_read how, struct arena *a,
               struct s3_access_key *ret_key, struct s3_user *ret_user)
{
    (void)x;
    (void)how;
    (void)a;
    if (!str_eq(access_key, STR("AKIAIOSFODNN7EXAMPLE")))
        return -ENOENT;
    *ret_key = (struct s3_access_key){.access_key = access_key,
                                      .secret = STR("wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY")};
    *ret_user = (struct s3_user){.id = STR("alice")};
    return 0;
}

static void check_query(struct s3_req *q)
{
    AUTO(buf_free) struct buf once = BUF(1 << 20);
    AUTO(buf_free) struct buf twice = BUF(1 << 20);
    static struct s3_req again;
    s3_sigv4_canonical_query(q, false, &once);
    if (buf_err(&once))
        return;
    s3_req_init(&again);
    again.gw = q->gw;
    struct str target = arena_printf(&again.arena, "/?" STR_F, STR_A(buf_str(&once)));
    ASSERT(target.p && s3_uri_parse(&again, target) == S3ERR_OK);
    s3_sigv4_canonical_query(&again, false, &twice);
    ASSERT(str_eq(buf_str(&once), buf_str(&twice)));
    s3_req_fini(&again);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct str domains[] = {STR_INIT("s3.amazonaws.com")};
    static struct s3_gw gw = {
        .region = STR_INIT("us-east-1"), .domains = domains, .ndomains = 1, .sigv2 = true};
    static const struct s3_op op = {.name = "PutObject", .body = S3_BODY_STREAM};
    static struct s3_req q;
    struct str line, rest = str_of(data, size), target;
    if (size > 50000 || !str_cut(rest, '\n', &line, &rest) || !str_cut(line, ' ', &line, &target))
        return 0;
    s3_req_init(&q);
    q.gw = &gw;
    q.op = &op;
    q.method_name = line;
    q.now_ms = 1369353600000;
    fuzz_headers(&q, rest);
    q.host = s3_req_header(&q, STR("host"));
    if (s3_uri_parse(&q, target) == S3ERR_OK && s3_uri_address(&q) == S3ERR_OK) {
        enum s3err e = s3_auth_verify(&q, S3_READ_ANY);
        ASSERT(s3_auth_verify(&q, S3_READ_ANY) == e);
        ASSERT(e == S3ERR_OK || !q.who.user_id.p);
        ASSERT(q.who.anonymous == !q.who.user_id.p);
        struct s3_body_plan plan;
        if (e == S3ERR_OK)
            ASSERT(s3_auth_body(&q, &plan) == S3ERR_OK);
        check_query(&q);
    }
    s3_req_fini(&q);
    return 0;
}
