/* SPDX-License-Identifier: Apache-2.0 */
#include "storage/trunk/pack.h"

#include <fcntl.h>
#include <unistd.h>

#include "dfscore/base/buf.h"
#include "dfscore/fileid/fileid.h"
#include "storage/binlog/record.h"

enum { VERSION = 1, CRC_AT = 64, PIECE = 1024 * 1024 };

static const char magic[8] = "DFSPACK";

void sto_pack_head_encode(const struct sto_pack_head *h, uint8_t out[STO_PACK_HEAD])
{
    char bytes[CRC_AT];
    struct buf b = {bytes, 0, sizeof(bytes), sizeof(bytes), 0};
    buf_add(&b, magic, sizeof(magic));
    buf_u32(&b, VERSION);
    buf_u32(&b, STO_PACK_HEAD);
    buf_add(&b, h->log_id, STO_LOG_ID);
    buf_u32(&b, h->number);
    buf_u32(&b, h->prev_number);
    buf_u32(&b, h->prev_end);
    buf_u32(&b, h->salt);
    buf_u64(&b, h->first_seq);
    buf_u32(&b, h->time_s);
    buf_u32(&b, h->size);
    ASSERT(!buf_err(&b) && b.n == CRC_AT && b.p == bytes);
    memset(out, 0, STO_PACK_HEAD);
    memcpy(out, bytes, CRC_AT);
    uint32_t crc = sto_rec_crc(0, bytes, CRC_AT);
    for (int i = 0; i < 4; i++)
        out[CRC_AT + i] = (uint8_t)(crc >> (24 - 8 * i));
}

int sto_pack_head_decode(const uint8_t *bytes, size_t n, struct sto_pack_head *ret)
{
    if (n < CRC_AT + 4)
        return -EBADMSG;
    struct rd r = rd_of(str_of(bytes, CRC_AT + 4));
    struct str m = rd_bytes(&r, sizeof(magic));
    uint32_t version = rd_u32(&r), length = rd_u32(&r);
    if (memcmp(m.p, magic, sizeof(magic)) != 0 || version != VERSION || length != STO_PACK_HEAD)
        return -EBADMSG;
    struct sto_pack_head h = {0};
    memcpy(h.log_id, rd_bytes(&r, STO_LOG_ID).p, STO_LOG_ID);
    h.number = rd_u32(&r);
    h.prev_number = rd_u32(&r);
    h.prev_end = rd_u32(&r);
    h.salt = rd_u32(&r);
    h.first_seq = rd_u64(&r);
    h.time_s = rd_u32(&r);
    h.size = rd_u32(&r);
    if (rd_u32(&r) != sto_rec_crc(0, bytes, CRC_AT) || h.number == 0)
        return -EBADMSG;
    *ret = h;
    return 0;
}

int sto_pack_head_read(const struct sto_io *io, int fd, struct sto_pack_head *ret)
{
    uint8_t bytes[CRC_AT + 4];
    ssize_t n = sto_read_all(io, fd, bytes, sizeof(bytes), 0);
    if (n < 0)
        return (int)n;
    return sto_pack_head_decode(bytes, (size_t)n, ret);
}

static int allocate(const struct sto_io *io, int fd, uint32_t size, uint32_t least, uint32_t *ret)
{
    for (;;) {
        if (io->fallocate(fd, 0, 0, size) == 0) {
            *ret = size;
            return 0;
        }
        int err = errno;
        if (err == EOPNOTSUPP && io->ftruncate(fd, size) == 0) {
            *ret = size;
            return 0;
        }
        if (err != ENOSPC || size == least)
            return -err;
        size = MAX(size / 2, least);
        if (io->ftruncate(fd, 0) < 0) /* what a failed attempt may have taken */
            return -errno;
    }
}

static int write_zeros(const struct sto_io *io, int fd, uint32_t size)
{
    AUTO(dfs_free_ptr) void *zeros = dfs_zalloc(PIECE);
    if (!zeros)
        return -ENOMEM;
    for (uint32_t at = 0; at < size; at += PIECE) {
        int r = sto_write_all(io, fd, zeros, MIN((uint32_t)PIECE, size - at), at);
        if (r < 0)
            return r;
    }
    return io->fdatasync(fd) == 0 ? 0 : -errno;
}

int sto_pack_prepare(struct sto_dir *d, uint32_t size, uint32_t least, bool prewrite,
                     struct sto_tmp *ret, uint32_t *ret_size)
{
    struct sto_tmp t;
    int r = sto_tmp_open(d, true, STO_MODE, &t);
    if (r < 0)
        return r;
    r = allocate(d->io, t.fd, size, MIN(least, size), ret_size);
    if (r == 0 && prewrite)
        r = write_zeros(d->io, t.fd, *ret_size);
    if (r < 0) {
        sto_tmp_drop(d, &t);
        return r;
    }
    *ret = t;
    return 0;
}

int sto_pack_install(struct sto_dir *d, struct sto_tmp *t, const struct sto_pack_head *h,
                     unsigned high, unsigned low)
{
    uint8_t bytes[STO_PACK_HEAD];
    sto_pack_head_encode(h, bytes);
    int r = sto_write_all(d->io, t->fd, bytes, sizeof(bytes), 0);
    if (r < 0)
        return r;
    if (d->io->fsync(t->fd) < 0) /* size and extents too */
        return -errno;
    char path[DFS_LOCAL_PATH_MAX];
    dfs_trunk_path((uint8_t)high, (uint8_t)low, h->number, path);
    r = sto_tmp_link_below(d, t, high, low, path); /* never over a pack that is there */
    return r < 0 ? r : sto_dir_sync(d, high, low);
}
