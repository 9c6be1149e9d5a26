/* SPDX-License-Identifier: Apache-2.0 */
#include "s3gw/dfs/describe.h"

#include <stdatomic.h>

#include "dfscore/base/clock.h"

enum { DESCRIPTION_VERSION = 1 };

/* The wall clock, made strictly rising within the process. */
static uint64_t next_order(void)
{
    static _Atomic uint64_t last;
    uint64_t now = (uint64_t)MAX(dfs_now_ms(), (int64_t)0) * 1000;
    uint64_t before = atomic_load(&last), next;
    do
        next = MAX(now, before + 1);
    while (!atomic_compare_exchange_weak(&last, &before, next));
    return next;
}

void s3_desc_encode(const struct s3_desc *d, struct buf *out)
{
    buf_u8(out, DESCRIPTION_VERSION);
    buf_u8(out, (uint8_t)d->kind);
    buf_u64(out, d->order ? d->order : next_order());
    buf_lstr(out, d->bucket);
    buf_lstr(out, d->owner_id);
    buf_lstr(out, d->key);
    buf_adds(out, d->rest);
}

int s3_desc_decode(struct str bytes, struct s3_desc *ret)
{
    struct rd in = rd_of(bytes);
    if (rd_u8(&in) != DESCRIPTION_VERSION)
        return -EBADMSG;
    uint8_t kind = rd_u8(&in);
    uint64_t order = rd_u64(&in);
    struct str bucket = rd_lstr(&in), owner_id = rd_lstr(&in), key = rd_lstr(&in);
    if (in.bad || kind < S3_DESC_PUT || kind > S3_DESC_UNBUCKET)
        return -EBADMSG;
    *ret = (struct s3_desc){.kind = kind,
                            .order = order,
                            .bucket = bucket,
                            .owner_id = owner_id,
                            .key = key,
                            .rest = rd_bytes(&in, in.n)};
    return 0;
}
