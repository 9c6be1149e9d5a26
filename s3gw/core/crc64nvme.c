/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A reflected CRC keeps polynomials with their highest power in bit 0. Folding moves a block of 128
 * bits d bits towards the end of the message: block * x^d mod P, as the sum of its two halves times
 * a constant. A carry-less product of two reflected halves comes out one power too high, which the
 * constants make up for: x^(d+63) for the first eight bytes (the higher powers), x^(d-1) for the
 * others. Method: V. Gopal et al., "Fast CRC Computation for Generic Polynomials Using PCLMULQDQ",
 * 2009. What is left after folding, 16 bytes, goes through the tables; they are cheaper than a
 * special reduction.
 */
#include "s3gw/core/crc64nvme.h"

#include <pthread.h>

#if defined(__x86_64__)
#include <immintrin.h>
#define HAVE_CLMUL 1
#endif

static uint64_t tables[8][256];
static pthread_once_t built = PTHREAD_ONCE_INIT;

#ifdef HAVE_CLMUL
static struct {
    bool usable;
    uint64_t by512[2], by128[2]; /* for the lower half, the upper half */
} fold;

/* x^n mod P, reflected. */
static uint64_t power(unsigned n)
{
    uint64_t v = (uint64_t)1 << 63; /* x^0 */
    while (n--)
        v = (v >> 1) ^ (v & 1 ? S3_CRC64NVME_POLY : 0);
    return v;
}
#endif

static void build(void)
{
    for (unsigned i = 0; i < 256; i++) {
        uint64_t c = i;
        for (int bit = 0; bit < 8; bit++)
            c = (c >> 1) ^ (c & 1 ? S3_CRC64NVME_POLY : 0);
        tables[0][i] = c;
    }
    for (unsigned i = 0; i < 256; i++)
        for (unsigned t = 1; t < 8; t++)
            tables[t][i] = (tables[t - 1][i] >> 8) ^ tables[0][tables[t - 1][i] & 0xFF];
#ifdef HAVE_CLMUL
    fold.usable = __builtin_cpu_supports("pclmul") && __builtin_cpu_supports("sse4.1");
    fold.by512[0] = power(512 + 63);
    fold.by512[1] = power(512 - 1);
    fold.by128[0] = power(128 + 63);
    fold.by128[1] = power(128 - 1);
#endif
}

/* @c is the inverted state. */
static uint64_t by_table(uint64_t c, const uint8_t *p, size_t n)
{
    for (; n >= 8; p += 8, n -= 8) {
        uint64_t v;
        memcpy(&v, p, sizeof(v));
#if __BYTE_ORDER__ == __ORDER_BIG_ENDIAN__
        v = __builtin_bswap64(v);
#endif
        c ^= v;
        c = tables[7][c & 0xFF] ^ tables[6][c >> 8 & 0xFF] ^ tables[5][c >> 16 & 0xFF] ^
            tables[4][c >> 24 & 0xFF] ^ tables[3][c >> 32 & 0xFF] ^ tables[2][c >> 40 & 0xFF] ^
            tables[1][c >> 48 & 0xFF] ^ tables[0][c >> 56];
    }
    while (n--)
        c = tables[0][(c ^ *p++) & 0xFF] ^ c >> 8;
    return c;
}

#ifdef HAVE_CLMUL
#define CLMUL __attribute__((target("pclmul,sse4.1")))

CLMUL static inline __m128i load(const uint8_t *p)
{
    return _mm_loadu_si128((const __m128i *)(const void *)p);
}

CLMUL static inline __m128i folded(__m128i x, __m128i k, __m128i next)
{
    __m128i low = _mm_clmulepi64_si128(x, k, 0x00), high = _mm_clmulepi64_si128(x, k, 0x11);
    return _mm_xor_si128(_mm_xor_si128(low, high), next);
}

/* @n >= 64. Returns the inverted state; *rest is how many bytes at the end remain. */
CLMUL static uint64_t by_folding(uint64_t c, const uint8_t *p, size_t n, size_t *rest)
{
    __m128i x0 = _mm_xor_si128(load(p), _mm_cvtsi64_si128((long long)c));
    __m128i x1 = load(p + 16), x2 = load(p + 32), x3 = load(p + 48);
    __m128i k = _mm_set_epi64x((long long)fold.by512[1], (long long)fold.by512[0]);
    for (p += 64, n -= 64; n >= 64; p += 64, n -= 64) {
        x0 = folded(x0, k, load(p));
        x1 = folded(x1, k, load(p + 16));
        x2 = folded(x2, k, load(p + 32));
        x3 = folded(x3, k, load(p + 48));
    }
    k = _mm_set_epi64x((long long)fold.by128[1], (long long)fold.by128[0]);
    x0 = folded(folded(folded(x0, k, x1), k, x2), k, x3);
    for (; n >= 16; p += 16, n -= 16)
        x0 = folded(x0, k, load(p));
    uint8_t last[16];
    _mm_storeu_si128((__m128i *)(void *)last, x0);
    *rest = n;
    return by_table(0, last, sizeof(last));
}
#endif

uint64_t s3_crc64nvme_portable(uint64_t crc, const void *p, size_t n)
{
    pthread_once(&built, build);
    return ~by_table(~crc, p, n);
}

uint64_t s3_crc64nvme(uint64_t crc, const void *p, size_t n)
{
    pthread_once(&built, build);
    const uint8_t *b = p;
    uint64_t c = ~crc;
#ifdef HAVE_CLMUL
    if (fold.usable && n >= 64) {
        size_t rest;
        c = by_folding(c, b, n, &rest);
        b += n - rest;
        n = rest;
    }
#endif
    return ~by_table(c, b, n);
}
