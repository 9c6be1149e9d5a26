/* SPDX-License-Identifier: Apache-2.0 */
/* mirror_priv - what mirror.c and mirror_io.c share. Not for others; the contract is mirror.h. */
#ifndef STO_MIRROR_PRIV_H
#define STO_MIRROR_PRIV_H

#include "storage/trunk/mirror.h"
#include "storage/trunk/store_priv.h"

enum { MIRROR_PATH = 64 };

struct mirrors_of_path {
    struct sto_log_info v[STO_LOGS_MAX]; /* own is false in all */
    uint64_t round[STO_LOGS_MAX];        /* of its mark on the disk; 0: none in two halves yet */
    size_t n;
    bool lost;       /* sto_mirrors_lost() */
    unsigned unread; /* sto_mirrors_unread() */
    uint8_t unread_id[STO_LOGS_MAX][STO_LOG_ID_LEN];
};

struct sto_mirrors {
    unsigned magic;
#define MIRRORS_MAGIC 0x3144040fu
    struct sto_store *store;
    char own_id[17];
    pthread_mutex_t lock; /* guards paths; rank below sto_log.lock */
    struct mirrors_of_path paths[];
};

/* Make the mirror known, or find it known: 0, -EEXIST (directory taken), -ENOSPC (too many). */
int sto_mirrors_add(struct sto_mirrors *m, unsigned path,
                    const struct sto_log_info *info) MUST_CHECK;
/* All before @position has been kept and done: survives a restart. */
int sto_mirrors_mark(struct sto_mirrors *m, unsigned path, const struct sto_log_info *info,
                     uint64_t position) MUST_CHECK;
/*
 * Behind the mark lies what is left of a piece that could not be done. What of it has been swept away at the source
 * before it was asked for again must go: with the mark behind it, it would look live, and go on to others. And after a power
 * failure it may be torn, with its slots filled: nobody is to read it.
 */
int sto_mirrors_drop_undone(struct sto_path *p, const struct sto_log_info *here) MUST_CHECK;
/* The pack @from of a log or the next one, and where its valid bytes end (UINT32_MAX: with the file). 0 or -ENOENT. */
int sto_mirrors_pack_at(struct sto_path *p, const struct sto_log_info *log, uint32_t from,
                        uint32_t *number, uint32_t *end) MUST_CHECK;

#endif
