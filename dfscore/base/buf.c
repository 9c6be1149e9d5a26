/* SPDX-License-Identifier: Apache-2.0 */
#include "dfscore/base/buf.h"

#include <stdio.h>

void buf_free(struct buf *b)
{
    free(b->p);
    *b = BUF(b->max);
}

void buf_reset(struct buf *b)
{
    b->n = 0;
    b->err = 0;
}

char *buf_grow(struct buf *b, size_t n)
{
    if (b->err)
        return NULL;
    ASSERT(b->max > 0 && b->n <= b->cap && b->cap <= b->max);
    if (n > b->max - b->n) {
        b->err = -E2BIG;
        return NULL;
    }
    if (n > b->cap - b->n) {
        size_t want = MAX(b->n + n, b->cap > b->max / 2 ? b->max : b->cap * 2);
        want = MIN(MAX(want, (size_t)64), b->max);
        char *p = dfs_realloc(b->p, want);
        if (!p) {
            b->err = -ENOMEM;
            return NULL;
        }
        b->p = p;
        b->cap = want;
    }
    return b->p + b->n;
}

void buf_used(struct buf *b, size_t n)
{
    ASSERT(n <= b->cap - b->n);
    b->n += n;
}

void buf_vaddf(struct buf *b, const char *fmt, va_list ap)
{
    va_list again;
    va_copy(again, ap);
    int need = vsnprintf(NULL, 0, fmt, ap);
    ASSERT(need >= 0);
    char *to = buf_room(b, (size_t)need + 1);
    if (to) {
        vsnprintf(to, (size_t)need + 1, fmt, again);
        b->n += (size_t)need;
    }
    va_end(again);
}

void buf_addf(struct buf *b, const char *fmt, ...)
{
    va_list ap;
    va_start(ap, fmt);
    buf_vaddf(b, fmt, ap);
    va_end(ap);
}

static void add_be(struct buf *b, uint64_t v, size_t bytes)
{
    uint8_t raw[8];
    for (size_t i = 0; i < bytes; i++)
        raw[i] = (uint8_t)(v >> 8 * (bytes - 1 - i));
    buf_add(b, raw, bytes);
}

void buf_u8(struct buf *b, uint8_t v)
{
    add_be(b, v, 1);
}

void buf_u16(struct buf *b, uint16_t v)
{
    add_be(b, v, 2);
}

void buf_u32(struct buf *b, uint32_t v)
{
    add_be(b, v, 4);
}

void buf_u64(struct buf *b, uint64_t v)
{
    add_be(b, v, 8);
}

void buf_var(struct buf *b, uint64_t v)
{
    uint8_t raw[10];
    size_t n = 0;
    do {
        raw[n] = (uint8_t)(v & 0x7F);
        v >>= 7;
        if (v)
            raw[n] |= 0x80;
        n++;
    } while (v);
    buf_add(b, raw, n);
}

void buf_lstr(struct buf *b, struct str s)
{
    buf_var(b, s.n);
    buf_adds(b, s);
}

static uint64_t read_be(struct rd *r, size_t bytes)
{
    struct str s = rd_bytes(r, bytes);
    uint64_t v = 0;
    for (size_t i = 0; i < s.n; i++)
        v = v << 8 | (uint8_t)s.p[i];
    return v;
}

uint16_t rd_u16(struct rd *r)
{
    return (uint16_t)read_be(r, 2);
}

uint32_t rd_u32(struct rd *r)
{
    struct str s = rd_bytes(r, 4);
    const uint8_t *p = (const uint8_t *)s.p;
    return s.n ? (uint32_t)p[0] << 24 | (uint32_t)p[1] << 16 | (uint32_t)p[2] << 8 | p[3] : 0;
}

uint64_t rd_u64(struct rd *r)
{
    return read_be(r, 8);
}

uint64_t rd_var_long(struct rd *r)
{
    uint64_t v = 0;
    for (unsigned shift = 0; shift < 64; shift += 7) {
        uint8_t byte = rd_u8(r);
        if (r->bad)
            return 0;
        if (shift == 63 && byte > 1)
            break;
        v |= (uint64_t)(byte & 0x7F) << shift;
        if (!(byte & 0x80))
            return v;
    }
    r->bad = true;
    return 0;
}
