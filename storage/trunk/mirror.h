/* SPDX-License-Identifier: Apache-2.0 */
/*
 * mirror - copies of the logs of other servers of the group, beside our own.
 *
 * A log is a row of packs in one directory, found by the id in their headers. A mirror has the same
 * packs at the same place below the same store path, byte for byte up to where it has got, so a packed
 * file is read here by the same id, and what a server has written survives on its peers: packs,
 * descriptions, notes, and the order of everything. Any member can pass on any log it holds, so a
 * server that comes back empty gets its own old log from its peers.
 *
 *   data/.mirrors/<32 hex digits of the log's id>     text: origin, high, low, position, first_end; two halves
 *       of 512 bytes with round and check, written in turn, so a mark costs one sync and a torn one leaves
 *       the one before
 *
 * Reclaiming space is each server's own business: dead content is punched out of a mirror when the
 * DELETE record arrives (trunk/log_segs.c), and what a sweep has taken out of the source is not sent.
 *
 * Threads: any; one writer a mirror. Errors: negative errno. Calls block on the disk.
 */
#ifndef STO_MIRROR_H
#define STO_MIRROR_H

#include "dfscore/base/buf.h"
#include "storage/trunk/store.h"

struct sto_mirrors;

enum {
    STO_LOG_ID_LEN = 16,
    STO_LOGS_MAX = 256,            /* of one store path */
    STO_RANGE_BYTES = 1024 * 1024, /* a range is no longer, unless one record is */
    STO_RANGE_MAX = 24 * 1024 * 1024,
};

struct sto_log_info {
    uint8_t id[STO_LOG_ID_LEN];
    uint8_t high, low; /* directory of its packs */
    bool own;
    uint64_t end; /* position up to which this server has it, durably */
    /* of a mirror: where the log ended when it was begun; what lies before had been swept */
    uint64_t first_end;
    char origin[17]; /* storage id of the server that writes, or wrote, it */
};

int sto_mirrors_open(struct sto_store *s, const char *own_id, struct sto_mirrors **ret) MUST_CHECK;
void sto_mirrors_close(struct sto_mirrors **mp);

/* The logs of @path, our own first; at most @cap. */
size_t sto_mirrors_list(struct sto_mirrors *m, unsigned path, struct sto_log_info *out, size_t cap);
/* How many more there are on @path whose marks can not be read, and which have not been begun anew since. */
unsigned sto_mirrors_unread(struct sto_mirrors *m, unsigned path);
/* 0; -ENOENT: no such log here. */
int sto_mirrors_find(struct sto_mirrors *m, unsigned path, const uint8_t id[STO_LOG_ID_LEN],
                     struct sto_log_info *ret) MUST_CHECK;
/*
 * Have we written a log of @path before the one that we write now, which went with the disk? Known from copies that are
 * here, and as soon as sto_mirrors_heard() has been told of one that a peer has.
 */
bool sto_mirrors_lost(struct sto_mirrors *m, unsigned path);
void sto_mirrors_heard(struct sto_mirrors *m, unsigned path, const struct sto_log_info *log);
/* The log whose packs lie in that directory: 0 or -ENOENT. */
int sto_mirrors_at(struct sto_mirrors *m, unsigned path, uint8_t high, uint8_t low,
                   struct sto_log_info *ret) MUST_CHECK;

/* A piece of one pack: bytes [offset, offset + n) of pack @number; n 0: nothing new. */
struct sto_range {
    uint32_t number, offset;
    size_t n;
    uint64_t next; /* position to ask for next */
    uint64_t end;  /* where the log ends now; next == end: up to date */
};

/*
 * The first whole records of a log at or behind @position (0: the beginning), or a pack's header page,
 * appended to @out, whose ceiling is at least STO_RANGE_MAX.
 */
int sto_mirrors_read(struct sto_mirrors *m, unsigned path, const uint8_t id[STO_LOG_ID_LEN],
                     uint64_t position, struct buf *out, struct sto_range *ret) MUST_CHECK;

/* Does what entries say. */
struct sto_taker {
    /*
     * Called for each entry that is not dead, notes and changes included, in order. 0: it is done, and nothing is put
     * off; STO_PUT_OFF: settle() will do it; STO_SETTLE_FIRST: ask again when what was put off is done.
     */
    sto_scan_fn *entry;
    /* Whatever was put off is done when it returns 0; else none of it. NULL: nothing ever is put off. */
    int (*settle)(void *arg);
    void *arg;
};
enum { STO_PUT_OFF = 1, STO_SETTLE_FIRST = 2 };

/*
 * Keep a piece that a peer has read so, and do what it says; @info says of which log, and makes the mirror at its
 * first piece. A packed file can be read from when its entry is done. What is done is durable and marked, also where
 * an entry failed later: what can be seen of a log here goes on to others, though its writer be gone for good in the
 * middle of a piece.
 * Errors: the taker's; -EBADMSG: not of that log; -EEXIST: the directory is another log's.
 */
int sto_mirrors_take(struct sto_mirrors *m, unsigned path, const struct sto_log_info *info,
                     const struct sto_range *range, struct str bytes,
                     const struct sto_taker *taker) MUST_CHECK;

/* The entries of a piece that is here, as above, only told. */
int sto_mirrors_entries(struct sto_mirrors *m, unsigned path, const uint8_t id[STO_LOG_ID_LEN],
                        const struct sto_range *range, sto_scan_fn *fn, void *arg) MUST_CHECK;

/* A peer has swept away all between where the copy ends and @position: it goes on there, and so after a restart. */
int sto_mirrors_swept(struct sto_mirrors *m, unsigned path, const struct sto_log_info *info,
                      uint64_t position) MUST_CHECK;

#endif
