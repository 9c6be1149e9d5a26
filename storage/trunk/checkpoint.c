/* SPDX-License-Identifier: Apache-2.0 */
#include "storage/trunk/checkpoint.h"

#include "storage/binlog/record.h"

enum { VERSION = 1, ROW = 12, FIXED = 8 + 4 + STO_LOG_ID + 8 + 8 + 4 };

static const char magic[8] = "DFSCKPT";
static const char id_magic[8] = "DFSLOGI";

static void seal(struct buf *out, size_t from)
{
    if (!buf_err(out))
        buf_u32(out, sto_rec_crc(0, out->p + from, out->n - from));
}

/* Cut the checksum off the end; false when it is wrong. */
static bool unseal(struct str *bytes)
{
    if (bytes->n < 4)
        return false;
    struct rd tail = rd_of(str_from(*bytes, bytes->n - 4));
    bytes->n -= 4;
    return rd_u32(&tail) == sto_rec_crc(0, bytes->p, bytes->n);
}

void sto_checkpoint_encode(const struct sto_checkpoint *c, struct buf *out)
{
    size_t from = out->n;
    buf_add(out, magic, sizeof(magic));
    buf_u32(out, VERSION);
    buf_add(out, c->log_id, STO_LOG_ID);
    buf_u64(out, c->replay);
    buf_u64(out, c->next_seq);
    buf_u32(out, (uint32_t)c->count);
    for (size_t i = 0; i < c->count; i++) {
        buf_u32(out, c->segs[i].number);
        buf_u32(out, c->segs[i].end);
        buf_u32(out, c->segs[i].dead);
    }
    seal(out, from);
}

int sto_checkpoint_decode(struct str bytes, struct sto_checkpoint *ret)
{
    if (bytes.n < FIXED + 4 || bytes.n > STO_CHECKPOINT_MAX || !unseal(&bytes))
        return -EBADMSG;
    struct rd r = rd_of(bytes);
    if (memcmp(rd_bytes(&r, sizeof(magic)).p, magic, sizeof(magic)) != 0 || rd_u32(&r) != VERSION)
        return -EBADMSG;
    struct sto_checkpoint c = {0};
    memcpy(c.log_id, rd_bytes(&r, STO_LOG_ID).p, STO_LOG_ID);
    c.replay = rd_u64(&r);
    c.next_seq = rd_u64(&r);
    c.count = rd_u32(&r);
    if (r.bad || r.n % ROW != 0 || r.n / ROW != c.count)
        return -EBADMSG;
    AUTO(dfs_free_ptr) struct sto_seg *segs = dfs_zalloc(c.count * sizeof(*segs));
    if (!segs)
        return -ENOMEM;
    for (size_t i = 0; i < c.count; i++) {
        segs[i].number = rd_u32(&r);
        segs[i].end = rd_u32(&r);
        segs[i].dead = rd_u32(&r);
        if (segs[i].number == 0 || (i > 0 && segs[i].number <= segs[i - 1].number))
            return -EBADMSG;
    }
    c.segs = TAKE(segs);
    *ret = c;
    return 0;
}

void sto_logid_encode(const struct sto_logid *l, struct buf *out)
{
    size_t from = out->n;
    buf_add(out, id_magic, sizeof(id_magic));
    buf_u32(out, VERSION);
    buf_add(out, l->log_id, STO_LOG_ID);
    buf_u8(out, l->high);
    buf_u8(out, l->low);
    buf_u16(out, 0);
    seal(out, from);
}

int sto_logid_decode(struct str bytes, struct sto_logid *ret)
{
    if (bytes.n != STO_LOGID_LEN || !unseal(&bytes))
        return -EBADMSG;
    struct rd r = rd_of(bytes);
    if (memcmp(rd_bytes(&r, sizeof(id_magic)).p, id_magic, sizeof(id_magic)) != 0 ||
        rd_u32(&r) != VERSION)
        return -EBADMSG;
    memcpy(ret->log_id, rd_bytes(&r, STO_LOG_ID).p, STO_LOG_ID);
    ret->high = rd_u8(&r);
    ret->low = rd_u8(&r);
    return 0;
}
