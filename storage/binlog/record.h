/* SPDX-License-Identifier: Apache-2.0 */
/*
 * record - one record of a store path's log, as bytes (format 1, all integers big endian):
 *
 *   off size
 *     0  4  magic "sREC"
 *     4  1  version, 1
 *     5  1  state: 'L' live, 'D' dead. Changed in place, therefore not covered by any checksum
 *     6  1  kind (enum sto_rec_kind)
 *     7  1  flags: 1 native, 2 appender, 4 a deletion that another log said first, 8 the CRC-32 at 56 is a plain file's
 *     8  8  sequence: grows by one with each record of the log
 *    16  8  position: pack number << 32 | offset of this byte 0 in the pack
 *    24  8  sequence of the first record of the same group commit; in a SKIP: last sequence skipped
 *    32  4  total length, a multiple of 64, this header included
 *    36  4  time, Unix seconds
 *    40  4  content length (OBJECT, else 0)
 *    44  4  description length
 *    48  1  name length     49  1  extra length     50  1  FastDFS binlog letter or 0     51  1  zero
 *    52  4  CRC-32C of name, extra and description
 *    56  4  CRC-32 (FastDFS's) of the content: OBJECT, and a FILE of flag 8, which is a slave, whose name tells none; else 0
 *    60  4  CRC-32C of bytes 0..59, byte 5 taken as 0
 *    64     OBJECT only: 24 bytes FastDFS slot header (semantics 13.2), then the content
 *           name, extra, description, zero bytes up to the total length
 *
 * Of a name that can come again (trunk/log.h) extra says when, Unix milliseconds, decimal: of a C record the file was made,
 * which is its modification time on all members; of a D record, what was made before is deleted. Links are not told so, and
 * earlier builds left it empty, and read nothing there.
 *
 * Of an edit of an appender (A, M, T) the description is "BEFORE AFTER", decimal: the versions of the content it was made of,
 * 0 when that had none, and of what it made (trunk/version.h). Earlier builds left it empty, and read nothing there.
 *
 * Both CRC-32C start from the pack's random salt, so bytes left over from another pack, or content
 * that imitates a record, never pass. Records start at multiples of 64, so a header never crosses a
 * disk sector. Threads: no state.
 */
#ifndef STO_RECORD_H
#define STO_RECORD_H

#include "dfscore/base/str.h"

enum sto_rec_kind {
    STO_REC_OBJECT = 1, /* content in the pack */
    STO_REC_NOTE = 2,
    STO_REC_FILE = 3,   /* a plain file came into being (it exists only if the name does) */
    STO_REC_DELETE = 4, /* name is gone */
    STO_REC_CHANGE = 5, /* op says what happened to name */
    STO_REC_SKIP = 6,   /* written over the first of a run of dead records */
};

enum { STO_REC_NATIVE = 1, STO_REC_APPENDER = 2, STO_REC_AGAIN = 4, STO_REC_SUMMED = 8 };

enum {
    STO_OP_MOVED = 'V',   /* of a CHANGE: the file is in another group now (trunk/moved.h) */
    STO_MOVED_MARK = '@', /* begins the text of the link that says so on the disk */
};

enum {
    STO_REC_HEAD = 64,
    STO_REC_ALIGN = 64,
    STO_REC_SLOT = 24,
    STO_REC_STATE_AT = 5,
    STO_REC_NAME_MAX = 129, /* a logical name and "-m" */
    STO_REC_EXTRA_MAX = 255,
};

struct sto_rec {
    uint8_t kind, flags, op;
    bool dead;
    uint8_t name_len, extra_len;
    uint32_t time_s;
    uint32_t total, data_len, desc_len;
    uint32_t body_crc, data_crc;
    uint64_t seq, batch_seq;
    uint64_t position;
};

#define STO_POS(pack, off) ((uint64_t)(pack) << 32 | (uint32_t)(off))
#define STO_POS_PACK(pos)  ((uint32_t)((pos) >> 32))
#define STO_POS_OFF(pos)   ((uint32_t)(pos))

/* Does it say of a name that there is a file, so that it lives as long as that does? */
static inline bool sto_rec_names_file(const struct sto_rec *r)
{
    return r->kind == STO_REC_FILE ||
           (r->kind == STO_REC_CHANGE && (r->op == 'R' || r->op == 'L' || r->op == STO_OP_MOVED));
}

/* Total length from the other lengths; may exceed 32 bits only if they do. */
uint64_t sto_rec_size(const struct sto_rec *r);
/* Offset of the name from the record's start. */
uint32_t sto_rec_body_at(const struct sto_rec *r);

uint32_t sto_rec_crc(uint32_t salt, const void *p,
                     size_t n); /* CRC-32C; chain by passing the result */

enum { STO_REC_MS = 24 };
#define STO_CLOCK_MS_MAX (UINT32_MAX * INT64_C(1000)) /* as the record's own time */
/* Room above the latest that a broken clock can show, for what has to be later than that: a millisecond each. */
#define STO_REC_MS_MAX   (STO_CLOCK_MS_MAX + (INT64_C(1) << 40))
void sto_rec_put_ms(int64_t ms, char out[STO_REC_MS]); /* NUL terminated */
/* 0: it does not say. */
int64_t sto_rec_ms(struct str text);

struct sto_rec_versions {
    int64_t before, after; /* after 0: it does not say */
};
enum { STO_REC_VERSIONS = 48 };
#define STO_REC_VERSION_MAX (STO_REC_MS_MAX * 1000)
void sto_rec_put_versions(const struct sto_rec_versions *v,
                          char out[STO_REC_VERSIONS]); /* NUL terminated */
struct sto_rec_versions sto_rec_get_versions(struct str text);

void sto_rec_encode(const struct sto_rec *r, uint32_t salt, uint8_t out[STO_REC_HEAD]);
/*
 * @room: bytes from the record's start to where the log may not go beyond. 0; -ENODATA: no record
 * starts here; -EBADMSG: one does, but it is damaged or not where it claims to be. *ret on 0.
 */
int sto_rec_decode(const uint8_t head[STO_REC_HEAD], uint32_t salt, uint64_t position,
                   uint64_t room, struct sto_rec *ret) MUST_CHECK;

#endif
