/* SPDX-License-Identifier: Apache-2.0 */
#include "s3gw/dfs/describe.h"

enum { DESCRIPTION_VERSION = 1 };

void s3_desc_encode(const struct s3_desc *d, struct buf *out)
{
    buf_u8(out, DESCRIPTION_VERSION);
    buf_u8(out, (uint8_t)d->kind);
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
    struct str bucket = rd_lstr(&in), owner_id = rd_lstr(&in), key = rd_lstr(&in);
    if (in.bad || kind < S3_DESC_PUT || kind > S3_DESC_UNBUCKET)
        return -EBADMSG;
    *ret = (struct s3_desc){.kind = kind, .bucket = bucket, .owner_id = owner_id, .key = key, .rest = rd_bytes(&in, in.n)};
    return 0;
}
