/* SPDX-License-Identifier: Apache-2.0 */
#include "s3gw/sse/defaults.h"

enum { RECORD_VERSION = 1, BUCKET_KEY = 1, LISTS_BLOCKED = 2, BLOCKS_SSE_C = 4, BITS = 7 };

void s3_sse_defaults_encode(const struct s3_sse_defaults *d, struct buf *out)
{
    buf_u8(out, RECORD_VERSION);
    buf_u8(out, (uint8_t)d->mode);
    buf_u8(out,
           (uint8_t)((d->bucket_key ? BUCKET_KEY : 0) | (d->lists_blocked ? LISTS_BLOCKED : 0) |
                     (d->blocks_sse_c ? BLOCKS_SSE_C : 0)));
    buf_lstr(out, d->id);
}

int s3_sse_defaults_decode(struct str record, struct s3_sse_defaults *ret)
{
    if (!record.p) {
        *ret = (struct s3_sse_defaults){0};
        return 0;
    }
    struct rd r = rd_of(record);
    bool known = rd_u8(&r) == RECORD_VERSION;
    uint8_t mode = rd_u8(&r), bits = rd_u8(&r);
    struct str id = rd_lstr(&r);
    if (!known || r.bad || r.n > 0 || mode > S3_SSE_KMS || mode == S3_SSE_C || bits & ~BITS ||
        id.n > S3_SSE_ID_MAX)
        return -EBADMSG;
    *ret = (struct s3_sse_defaults){.mode = (enum s3_sse_mode)mode,
                                    .id = id,
                                    .bucket_key = bits & BUCKET_KEY,
                                    .lists_blocked = bits & LISTS_BLOCKED,
                                    .blocks_sse_c = bits & BLOCKS_SSE_C};
    return 0;
}

struct str s3_sse_defaults_aes256(void)
{
    static const char record[] = {RECORD_VERSION, S3_SSE_S3, 0, 0};
    return str_of(record, sizeof(record));
}
