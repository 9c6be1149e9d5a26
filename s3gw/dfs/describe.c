/* SPDX-License-Identifier: Apache-2.0 */
#include "s3gw/dfs/describe.h"

enum { VERSION_1 = 1, VERSION_2 = 2, VERSION_3 = 3, SECTIONS_MAX = 16 };

void s3_desc_encode(const struct s3_desc *d, struct buf *out)
{
    buf_u8(out, VERSION_3);
    buf_u8(out, (uint8_t)d->kind);
    buf_u64(out, d->number);
    buf_u64(out, d->committed);
    buf_u64(out, d->index);
    buf_u64(out, d->bid);
    buf_lstr(out, d->bucket);
    buf_lstr(out, d->owner_id);
    buf_lstr(out, d->key);
    buf_adds(out, d->rest);
}

int s3_desc_decode(struct str bytes, struct s3_desc *ret)
{
    struct rd in = rd_of(bytes);
    struct s3_desc d = {.version = rd_u8(&in)};
    uint8_t kind = rd_u8(&in);
    d.number = rd_u64(&in);
    if (d.version >= VERSION_2) {
        d.committed = rd_u64(&in);
        d.index = d.version >= VERSION_3 ? rd_u64(&in) : 0;
        d.bid = rd_u64(&in);
    }
    d.bucket = rd_lstr(&in);
    d.owner_id = rd_lstr(&in);
    d.key = rd_lstr(&in);
    bool known = d.version == VERSION_1
                     ? kind >= S3_DESC_PUT && kind <= S3_DESC_UNBUCKET
                     : d.version >= VERSION_2 && d.version <= VERSION_3 && kind >= S3_DESC_PUT &&
                           kind <= S3_DESC_MOVE && kind != S3_DESC_V1_DELETE;
    if (in.bad || !known)
        return -EBADMSG;
    d.kind = kind;
    d.rest = rd_bytes(&in, in.n);
    *ret = d;
    return 0;
}

int s3_desc_put_decode(const struct s3_desc *d, struct s3_desc_put *ret)
{
    struct rd in = rd_of(d->rest);
    struct str moved = d->kind == S3_DESC_MOVE ? rd_lstr(&in) : STR_NULL;
    uint64_t instead = d->version == VERSION_1 ? 0 : rd_u64(&in);
    if (in.bad || (d->kind != S3_DESC_PUT && d->kind != S3_DESC_MOVE))
        return -EBADMSG;
    *ret = (struct s3_desc_put){instead, moved, rd_bytes(&in, in.n)};
    return 0;
}

void s3_desc_change_encode(enum s3_desc_kind kind, const struct s3_desc_change *c, struct buf *rest)
{
    buf_u64(rest, c->version);
    if (kind == S3_DESC_GONE)
        buf_u8(rest, c->null);
    if (kind == S3_DESC_AMEND) {
        buf_u8(rest, c->section);
        buf_u8(rest, c->value.p != NULL);
        buf_adds(rest, c->value);
    }
}

int s3_desc_change_decode(const struct s3_desc *d, struct s3_desc_change *ret)
{
    struct rd in = rd_of(d->rest);
    struct s3_desc_change c = {.version = rd_u64(&in)};
    if (d->kind == S3_DESC_GONE)
        c.null = rd_u8(&in) != 0;
    if (d->kind == S3_DESC_AMEND) {
        c.section = rd_u8(&in);
        if (rd_u8(&in) != 0 && !in.bad)
            c.value = rd_bytes(&in, in.n);
    }
    bool shaped = d->kind == S3_DESC_GONE || d->kind == S3_DESC_VOID || d->kind == S3_DESC_AMEND ||
                  d->kind == S3_DESC_ENDED;
    if (in.bad || in.n > 0 || !shaped || c.section >= SECTIONS_MAX)
        return -EBADMSG;
    *ret = c;
    return 0;
}

int s3_desc_part_decode(const struct s3_desc *d, struct s3_desc_part *ret)
{
    struct rd in = rd_of(d->rest);
    struct s3_desc_part p = {.upload = rd_u64(&in)};
    if (d->kind == S3_DESC_PART)
        p.number = rd_u32(&in);
    if (in.bad || (d->kind != S3_DESC_PART && d->kind != S3_DESC_UPLOAD) || d->version == VERSION_1)
        return -EBADMSG;
    p.record = rd_bytes(&in, in.n);
    *ret = p;
    return 0;
}
