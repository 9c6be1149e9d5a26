/* SPDX-License-Identifier: Apache-2.0 */
/*
 * buf - growing bytes with a ceiling named at birth. Errors stick: append freely, check buf_err()
 * once at the end. After an error nothing more is appended.
 *
 * Threads: none of its own; one owner at a time.
 */
#ifndef DFS_BUF_H
#define DFS_BUF_H

#include <stdarg.h>

#include "dfscore/base/str.h"

struct buf {
    char *p;  /* owned; NULL while empty */
    size_t n; /* bytes used; n <= cap <= max */
    size_t cap;
    size_t max; /* ceiling in bytes, > 0 */
    int err;    /* 0, -ENOMEM, or -E2BIG at the ceiling */
};

#define BUF(ceiling) ((struct buf){NULL, 0, 0, (ceiling), 0})

void buf_free(struct buf *b);  /* gives the bytes back; b is empty and usable again */
void buf_reset(struct buf *b); /* forget content and error, keep the memory */
static inline int buf_err(const struct buf *b)
{
    return b->err;
}
static inline struct str buf_str(const struct buf *b) /* a view, valid until the next change */
{
    return str_of(b->p ? b->p : "", b->n);
}
char *buf_grow(struct buf *b, size_t n); /* buf_room() when the memory at hand does not do */
/* Room for @n more bytes: their place, or NULL (error noted). Then buf_used(b, how many written). */
static inline char *buf_room(struct buf *b, size_t n)
{
    return b->err == 0 && n <= b->cap - b->n ? b->p + b->n : buf_grow(b, n);
}
static inline void buf_add(struct buf *b, const void *p, size_t n)
{
    char *to = n ? buf_room(b, n) : NULL;
    if (!to)
        return;
    memcpy(to, p, n);
    b->n += n;
}
static inline void buf_adds(struct buf *b, struct str s)
{
    buf_add(b, s.p, s.n);
}
static inline void buf_addc(struct buf *b, char c)
{
    buf_add(b, &c, 1);
}
void buf_addf(struct buf *b, const char *fmt, ...) PRINTF_LIKE(2, 3);
void buf_vaddf(struct buf *b, const char *fmt, va_list ap);
void buf_used(struct buf *b, size_t n);
/* Integers, big endian, as records and wire messages have them. */
void buf_u8(struct buf *b, uint8_t v);
void buf_u16(struct buf *b, uint16_t v);
void buf_u32(struct buf *b, uint32_t v);
void buf_u64(struct buf *b, uint64_t v);
/* Unsigned LEB128. */
void buf_var(struct buf *b, uint64_t v);

/* Reading the same: a cursor over a view. Past the end: err sticks, values are 0. */
struct rd {
    const uint8_t *p;
    size_t n; /* bytes left */
    bool bad; /* something was missing or out of range */
};
uint16_t rd_u16(struct rd *r);
uint32_t rd_u32(struct rd *r);
uint64_t rd_u64(struct rd *r);
uint64_t rd_var_long(struct rd *r); /* rd_var() for more than one byte, and for what is wrong */

/* The short ones stand here: decoding a record, or judging a policy, is little else. */
static inline struct rd rd_of(struct str s)
{
    return (struct rd){(const uint8_t *)s.p, s.n, false};
}

static inline struct str rd_bytes(struct rd *r, size_t n) /* a view into the source */
{
    if (r->bad || n > r->n) {
        r->bad = true;
        return (struct str){"", 0};
    }
    struct str s = {(const char *)r->p, n};
    if (n) {
        r->p += n;
        r->n -= n;
    }
    return s;
}

static inline uint8_t rd_u8(struct rd *r)
{
    struct str s = rd_bytes(r, 1);
    return s.n ? (uint8_t)s.p[0] : 0;
}

static inline uint64_t rd_var(struct rd *r)
{
    return !r->bad && r->n > 0 && r->p[0] < 0x80 ? rd_u8(r) : rd_var_long(r);
}

static inline struct str rd_lstr(struct rd *r) /* LEB128 length, then bytes */
{
    uint64_t n = rd_var(r);
    return rd_bytes(r, n > r->n ? SIZE_MAX : (size_t)n); /* SIZE_MAX: never there */
}
void buf_lstr(struct buf *b, struct str s);

#endif
