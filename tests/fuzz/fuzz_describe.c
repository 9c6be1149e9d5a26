/* SPDX-License-Identifier: Apache-2.0 */
/* fuzz_describe - an accepted description, encoded again, reads the same. */
#include "s3gw/dfs/describe.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct s3_desc d, again;
    if (s3_desc_decode(str_of(data, size), &d) < 0)
        return 0;
    AUTO(buf_free) struct buf b = BUF(4 * 1024 * 1024);
    s3_desc_encode(&d, &b);
    if (buf_err(&b))
        return 0;
    ASSERT(s3_desc_decode(buf_str(&b), &again) == 0);
    ASSERT(again.kind == d.kind && str_eq(again.bucket, d.bucket) &&
           str_eq(again.owner_id, d.owner_id));
    ASSERT(str_eq(again.key, d.key) && str_eq(again.rest, d.rest));
    ASSERT(d.order == 0 || again.order == d.order); /* 0 asks for a new one */
    return 0;
}
