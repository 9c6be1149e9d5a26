/* SPDX-License-Identifier: Apache-2.0 */
/*
 * source - what a member that pulls our logs is answered: the bytes of 191 and 192, without connections.
 *
 * Rule:    dfscore/wire/internal.h, SYNC_PULL and SYNC_WAIT.
 * Threads: any. sto_source_pull blocks on the disk.
 */
#ifndef STO_SOURCE_H
#define STO_SOURCE_H

#include "dfscore/base/buf.h"
#include "storage/sync/copies.h"

enum { STO_PULL_HEAD = 32 };

struct sto_source {
    struct sto_store *store;
    struct sto_mirrors *mirrors;
    struct sto_followers *followers; /* may be NULL, as copies: nobody listens */
    struct sto_copies *copies;
};

/* A log somebody follows, and how far they have it. */
struct sto_pull {
    uint8_t id[STO_LOG_ID_LEN];
    unsigned path;
    uint64_t position;
};

/* The asker may wait this long for something new, and is called so. */
struct sto_patience {
    uint32_t wait_ms;
    char asker[17];
};

/* Understand a request, and take note of how far the asker is. 0 or -EINVAL. */
int sto_source_hear_pull(const struct sto_source *s, struct str body, struct sto_pull *pull,
                         struct sto_patience *p) MUST_CHECK;
/* @pulls of STO_PATHS_MAX places. */
int sto_source_hear_wait(const struct sto_source *s, struct str body, struct sto_pull *pulls,
                         unsigned *count, struct sto_patience *p) MUST_CHECK;

/* Is there something new for @pull? Also when the log is not here at all: the answer will say so. */
bool sto_source_grown(const struct sto_source *s, const struct sto_pull *pull);
/* Has one of our own logs grown, or is it another log than the asker thinks? */
bool sto_source_any_grown(const struct sto_source *s, const struct sto_pull *pulls, unsigned count);

/*
 * The answer of 191 in @out, which is reset; its ceiling is at least STO_PULL_HEAD + STO_RANGE_MAX.
 * *nothing: no bytes, the asker is up to date.
 */
int sto_source_pull(const struct sto_source *s, const struct sto_pull *pull, struct buf *out,
                    bool *nothing) MUST_CHECK;
/* The answer of 192. */
void sto_source_ends(const struct sto_source *s, unsigned count, struct buf *out);

/* The answer of 196 to @body in the empty @out, whose ceiling is STO_METAS_MAX at least. -EINVAL: no such question. */
enum { STO_METAS_MAX = 1024 * 1024, STO_METAS_HEAD = 2 + 8 + 4 /* of an answer with one text */ };
int sto_source_metas(const struct sto_source *s, struct str body, struct buf *out) MUST_CHECK;

#endif
