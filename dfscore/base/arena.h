/* SPDX-License-Identifier: Apache-2.0 */
/*
 * arena - many small allocations with one end: everything goes when the arena goes.
 *
 * Has a ceiling. Threads: one owner at a time. Alignment: 16 bytes.
 */
#ifndef DFS_ARENA_H
#define DFS_ARENA_H

#include "dfscore/base/buf.h"

struct arena_block;

struct arena {
    struct arena_block *blocks; /* newest first */
    size_t used;                /* bytes handed out from the newest block */
    size_t total;               /* bytes taken from the heap; total <= max */
    size_t max;                 /* bytes */
    void *lent;                 /* the block that is not ours to free; NULL: none */
};

void arena_init(struct arena *a, size_t max);
/* Of an empty arena: what is allocated first lies in these @n bytes, which are free again after arena_fini().
 * They are aligned to 16. */
void arena_lend(struct arena *a, void *p, size_t n);
void arena_fini(struct arena *a);                        /* idempotent */
void *arena_alloc(struct arena *a, size_t n) MUST_CHECK; /* zeroed; NULL: no memory, or at max */
/* Copies end in a NUL that n does not count. p == NULL: no memory. */
struct str arena_str(struct arena *a, struct str s) MUST_CHECK;
struct str arena_printf(struct arena *a, const char *fmt, ...) PRINTF_LIKE(2, 3);

#endif
