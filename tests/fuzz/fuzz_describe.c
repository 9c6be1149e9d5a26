/* SPDX-License-Identifier: Apache-2.0 */
/* fuzz_describe - an accepted description, encoded again, reads the same; so do rests. */
#include "s3gw/dfs/describe.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void rests(const struct s3_desc *d)
{
    struct s3_desc_put put;
    struct s3_desc_part part;
    struct s3_desc_change c, again;
    if (s3_desc_put_decode(d, &put) == 0)
        ASSERT(put.record.n <= d->rest.n);
    if (s3_desc_part_decode(d, &part) == 0)
        ASSERT(part.record.n + (d->kind == S3_DESC_PART ? 12 : 8) == d->rest.n);
    if (s3_desc_change_decode(d, &c) < 0)
        return;
    AUTO(buf_free) struct buf b = BUF(4 * 1024 * 1024);
    s3_desc_change_encode(d->kind, &c, &b);
    struct s3_desc as = *d;
    as.rest = buf_str(&b);
    ASSERT(buf_err(&b) || s3_desc_change_decode(&as, &again) == 0);
    ASSERT(buf_err(&b) || (again.version == c.version && again.null == c.null &&
                           again.section == c.section && str_eq(again.value, c.value)));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct s3_desc d, again;
    if (s3_desc_decode(str_of(data, size), &d) < 0)
        return 0;
    if (d.kind == S3_DESC_V1_DELETE) /* is read, but no longer written */
        return 0;
    AUTO(buf_free) struct buf b = BUF(4 * 1024 * 1024);
    s3_desc_encode(&d, &b);
    if (buf_err(&b))
        return 0;
    ASSERT(s3_desc_decode(buf_str(&b), &again) == 0);
    ASSERT(again.kind == d.kind && str_eq(again.bucket, d.bucket) &&
           str_eq(again.owner_id, d.owner_id));
    ASSERT(str_eq(again.key, d.key) && str_eq(again.rest, d.rest));
    ASSERT(again.number == d.number && again.committed == d.committed && again.bid == d.bid &&
           again.index == d.index);
    rests(&d);
    return 0;
}
