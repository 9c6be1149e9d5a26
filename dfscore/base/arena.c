/* SPDX-License-Identifier: Apache-2.0 */
#include "dfscore/base/arena.h"

#include <stdio.h>

struct arena_block {
    struct arena_block *next;
    size_t size; /* bytes behind this header */
    _Alignas(16) unsigned char bytes[];
};

enum { BLOCK_BYTES = 4096 - 64 };

void arena_init(struct arena *a, size_t max)
{
    *a = (struct arena){.max = max};
}

void arena_lend(struct arena *a, void *p, size_t n)
{
    struct arena_block *b = p;
    ASSERT(!a->blocks && n > sizeof(*b) && (uintptr_t)p % 16 == 0);
    b->next = NULL;
    b->size = n - sizeof(*b);
    a->blocks = a->lent = b;
}

void arena_fini(struct arena *a)
{
    while (a->blocks) {
        struct arena_block *next = a->blocks->next;
        if (a->blocks != a->lent)
            free(a->blocks);
        a->blocks = next;
    }
    arena_init(a, a->max);
}

void *arena_alloc(struct arena *a, size_t n)
{
    if (n > a->max)
        return NULL;
    n = (n + 15) & ~(size_t)15;
    struct arena_block *b = a->blocks;
    if (!b || n > b->size - a->used) {
        size_t size = MAX(n, (size_t)BLOCK_BYTES);
        if (size > a->max - a->total)
            return NULL;
        b = dfs_alloc(sizeof(*b) + size);
        if (!b)
            return NULL;
        b->next = a->blocks;
        b->size = size;
        a->blocks = b;
        a->used = 0;
        a->total += size;
    }
    void *p = b->bytes + a->used;
    a->used += n;
    memset(p, 0, n);
    return p;
}

struct str arena_str(struct arena *a, struct str s)
{
    char *p = arena_alloc(a, s.n + 1);
    if (!p)
        return STR_NULL;
    if (s.n)
        memcpy(p, s.p, s.n);
    return (struct str){p, s.n};
}

struct str arena_printf(struct arena *a, const char *fmt, ...)
{
    va_list ap, again;
    va_start(ap, fmt);
    va_copy(again, ap);
    int need = vsnprintf(NULL, 0, fmt, ap);
    va_end(ap);
    ASSERT(need >= 0);
    char *p = arena_alloc(a, (size_t)need + 1);
    if (p)
        vsnprintf(p, (size_t)need + 1, fmt, again);
    va_end(again);
    return p ? (struct str){p, (size_t)need} : STR_NULL;
}
