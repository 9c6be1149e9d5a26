/* SPDX-License-Identifier: Apache-2.0 */
/*
 * checkpoint - where recovery starts, and what is known of the packs before that; and the identity of
 * a log. Both are small files below data/, replaced atomically.
 *
 * data/.log_checkpoint (big endian): 8 magic "DFSCKPT" NUL, 4 version 1, 16 log id, 8 replay
 * position, 8 sequence of the record to come there, 4 count, count x (4 pack number, 4 end of its
 * records, 4 dead bytes), 4 CRC-32C of all before.
 * data/.log_id: 8 magic "DFSLOGI" NUL, 4 version 1, 16 log id, 1 high and 1 low directory of the packs,
 * 2 zero, 4 CRC-32C of all before.
 *
 * Losing the checkpoint costs time only: recovery then reads all packs. Where there is a checkpoint but no
 * identity the store does not open: a human must say what happened. Threads: no state.
 */
#ifndef STO_CHECKPOINT_H
#define STO_CHECKPOINT_H

#include "dfscore/base/buf.h"
#include "storage/trunk/log.h"

#define STO_CHECKPOINT_FILE "data/.log_checkpoint"
#define STO_LOGID_FILE      "data/.log_id"

struct sto_checkpoint {
    uint8_t log_id[STO_LOG_ID];
    uint64_t replay, next_seq;
    struct sto_seg *segs; /* number, end and dead are kept; sorted by number */
    size_t count;
};

enum { STO_CHECKPOINT_MAX = 256 * 1024 * 1024 };

void sto_checkpoint_encode(const struct sto_checkpoint *c, struct buf *out);
/* ret->segs is fresh memory, free() it. 0, -EBADMSG, -ENOMEM. */
int sto_checkpoint_decode(struct str bytes, struct sto_checkpoint *ret) MUST_CHECK;

struct sto_logid {
    uint8_t log_id[STO_LOG_ID];
    uint8_t high, low;
};
enum { STO_LOGID_LEN = 36 };
void sto_logid_encode(const struct sto_logid *l, struct buf *out);
int sto_logid_decode(struct str bytes, struct sto_logid *ret) MUST_CHECK;

#endif
