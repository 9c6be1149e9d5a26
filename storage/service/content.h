/* SPDX-License-Identifier: Apache-2.0 */
/*
 * content - a request that carries a file's bytes: taken whole when small, else streamed.
 *
 * Small: the connection collects the body and settle() finds it in memory. Large: the bytes go, block
 * by block on the disk threads of the path, to an unnamed temporary file with a CRC on the way, and
 * settle() finds them there. Either way a peer that vanishes leaves nothing behind, and memory is
 * bounded: by the blocks of the loop, or by STO_COLLECTED_MAX.
 *
 *   WAITING --body is here--> SETTLING --> answered
 *      |  \--too large--> OPENING --> FLOWING --last block--> SETTLING
 *      \___ peer gone: dropped ______________/
 *
 * Not for other folders.
 */
#ifndef STO_CONTENT_H
#define STO_CONTENT_H

#include "storage/service/op.h"

enum sto_content_state { STO_CT_WAITING, STO_CT_OPENING, STO_CT_FLOWING, STO_CT_SETTLING };

struct sto_content {
    struct sto_op op; /* first */
    uint64_t len;     /* bytes the request announced */
    size_t head;      /* bytes of the body in front of the content */
    /* Before a large body is read: an errno refuses it. NULL: nothing to check. Disk thread. */
    int (*check)(struct sto_content *c);
    /* All bytes are here: store them, leave the answer in op.out. Disk thread. */
    int (*settle)(struct sto_content *c);

    struct str bytes;      /* the content, when collected; else absent */
    struct sto_file *file; /* the content, when streamed; settle() may take it */
    uint32_t crc32;        /* of it */

    pthread_mutex_t lock;
    enum sto_content_state state;     /* under lock */
    struct dfs_block *first, *newest; /* under lock: blocks to write; linked by user */
    bool busy;                        /* under lock: a disk thread is at it */
    bool gone;                        /* under lock: the peer vanished */
    uint64_t written;                 /* disk thread */
    int error; /* disk thread: first failure; the rest of the body is dropped */
};

/*
 * A zeroed content op of @size bytes on @req, or the one it has already. NULL: answered.
 */
void *sto_content_new(struct dfs_req *req, size_t size);

/*
 * The head has been understood; c->len, head, op.path, check, settle are set. Collects up to
 * @collect_max bytes of content, streams more. May be called again when handle() reruns.
 */
void sto_content_begin(struct sto_content *c, uint64_t collect_max);

/* For settle(): collected bytes into a temporary file, c->file; nothing when streamed. */
int sto_content_to_file(struct sto_content *c) MUST_CHECK;
/* For settle(): the whole content, wherever it is, into an edit that has begun. */
int sto_content_to_edit(struct sto_content *c, struct sto_edit *e) MUST_CHECK;

#endif
