/* SPDX-License-Identifier: Apache-2.0 */
/*
 * fuzz_uri - a line of Host, then the request target: what is accepted names a well-formed bucket
 * and key, and what is decoded, encoded and decoded again stays the same. The whole input is a copy
 * source, too.
 */
#include "s3gw/core/gw.h"
#include "s3gw/core/names.h"
#include "s3gw/core/uri.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static struct str domains[] = {STR_INIT("s3.example.com"), STR_INIT("example.com")};
static struct s3_gw gw = {.domains = domains, .ndomains = 2};

static void round_trip(struct s3_req *q, struct str s)
{
    AUTO(buf_free) struct buf text = BUF(1 << 20);
    struct str back;
    s3_uri_encode(&text, s, true);
    ASSERT(buf_err(&text) == 0 && s3_uri_decode(&q->arena, buf_str(&text), true, &back) == 0 &&
           str_eq(back, s));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct s3_req q;
    struct str all = str_of(data, size), target, bucket, key, version;
    if (size > 100000)
        return 0;
    s3_req_init(&q);
    q.gw = &gw;
    if (str_cut(all, '\n', &q.host, &target) && s3_uri_parse(&q, target) == S3ERR_OK) {
        ASSERT(q.path.n > 0 && q.path.p[0] == '/' && str_utf8_ok(q.path));
        round_trip(&q, q.path);
        for (size_t i = 0; i < q.nparams; i++) {
            round_trip(&q, q.params[i].name);
            round_trip(&q, q.params[i].value);
        }
        if (s3_uri_address(&q) == S3ERR_OK) {
            ASSERT(!q.bucket.p || s3_name_bucket_ok(q.bucket));
            ASSERT(!q.key.p || (q.bucket.p && s3_name_key_ok(q.key)));
        }
    }
    if (s3_uri_copy_source(&q.arena, all, &bucket, &key, &version) == 0)
        ASSERT(s3_name_bucket_ok(bucket) && s3_name_key_ok(key));
    s3_req_fini(&q);
    return 0;
}
