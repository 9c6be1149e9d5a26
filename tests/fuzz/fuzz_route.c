/* SPDX-License-Identifier: Apache-2.0 */
/*
 * fuzz_route - a method byte and a request target: a chosen operation is of that method and level,
 * and a query with a known subresource never means the plain operation.
 */
#include "s3gw/api/ops.h"
#include "s3gw/core/gw.h"
#include "s3gw/core/uri.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static bool has_subresource(const struct s3_req *q)
{
    static const struct str some[] = {
        STR_INIT("acl"),       STR_INIT("policy"),   STR_INIT("uploads"), STR_INIT("versions"),
        STR_INIT("lifecycle"), STR_INIT("uploadId"), STR_INIT("tagging")};
    for (size_t i = 0; i < ARRAY_LEN(some); i++)
        if (s3_req_has_param(q, some[i]))
            return true;
    return false;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size < 2)
        return 0;
    static struct s3_gw gw;
    struct s3_req q;
    s3_req_init(&q);
    q.gw = &gw;
    q.method = data[0] % (S3_OTHER_METHOD + 1);
    q.method_name = str_c(s3_method_name(q.method));
    q.host = STR("localhost");
    struct str target = arena_str(&q.arena, str_of(data + 1, size - 1));
    if (s3_uri_parse(&q, target) == S3ERR_OK && s3_uri_address(&q) == S3ERR_OK) {
        enum s3err e = s3_route(&q);
        ASSERT(e < S3ERR_COUNT_);
        ASSERT(e == S3ERR_OK ? q.op != NULL : true);
        if (q.op) {
            ASSERT(q.op->method == q.method);
            ASSERT((q.op->level == S3_OBJECT) == (q.key.p != NULL));
            ASSERT(q.op->subresource || q.op->level == S3_SERVICE || !has_subresource(&q));
        }
    }
    s3_req_fini(&q);
    return 0;
}
