/* SPDX-License-Identifier: Apache-2.0 */
/*
 * pack - one file of a log: a header page, then records (storage/binlog/record.h) one behind the other.
 *
 * Header, 4096 bytes, never rewritten (big endian):
 *    0  8  magic "DFSPACK" NUL         8  4  version, 1            12  4  header length, 4096
 *   16 16  id of the log, random      32  4  number of this pack   36  4  number of the one before, 0: none
 *   40  4  where that one's valid records end
 *   44  4  salt: random start value of this pack's checksums
 *   48  8  sequence of the first record
 *   56  4  time of creation, Unix s   60  4  bytes preallocated
 *   64  4  CRC-32C of bytes 0..63;  the rest is zero
 *
 * A pack is found where FastDFS looks for trunk containers: data/HH/HH/<number, six digits or more>,
 * the directories being the same for all packs of a log (semantics 2.6). Numbers are never used twice.
 */
#ifndef STO_PACK_H
#define STO_PACK_H

#include "storage/disk/dir.h"

enum { STO_PACK_HEAD = 4096, STO_LOG_ID = 16 };

struct sto_pack_head {
    uint8_t log_id[STO_LOG_ID];
    uint32_t number, prev_number, prev_end;
    uint32_t salt;
    uint64_t first_seq;
    uint32_t time_s, size;
};

void sto_pack_head_encode(const struct sto_pack_head *h, uint8_t out[STO_PACK_HEAD]);
int sto_pack_head_decode(const uint8_t *bytes, size_t n, struct sto_pack_head *ret) MUST_CHECK;
/* Read and check the header of an open pack. -EBADMSG. */
int sto_pack_head_read(const struct sto_io *io, int fd, struct sto_pack_head *ret) MUST_CHECK;

/*
 * An empty pack file "data/.tmp-...", preallocated; with @prewrite written with zeros and synced, which
 * makes later syncs cheaper (the file system need not record that extents became valid: measured
 * 118 us instead of 208 us for a 64 KiB append). @size is halved down to @least while there is no space.
 */
int sto_pack_prepare(struct sto_dir *d, uint32_t size, uint32_t least, bool prewrite,
                     struct sto_tmp *ret, uint32_t *ret_size) MUST_CHECK;
/* Write the header and give it its place, durably. */
int sto_pack_install(struct sto_dir *d, struct sto_tmp *t, const struct sto_pack_head *h,
                     unsigned high, unsigned low) MUST_CHECK;

#endif
