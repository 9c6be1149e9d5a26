/* SPDX-License-Identifier: Apache-2.0 */
#include "dfscore/base/str.h"

int str_cmp(struct str a, struct str b)
{
    size_t n = MIN(a.n, b.n);
    int c = n ? memcmp(a.p, b.p, n) : 0;
    if (c)
        return c;
    return a.n < b.n ? -1 : a.n > b.n;
}

uint64_t str_hash(struct str s)
{
    uint64_t h = 0xcbf29ce484222325u;
    for (size_t i = 0; i < s.n; i++)
        h = (h ^ (uint8_t)s.p[i]) * 0x100000001b3u;
    return h;
}

bool str_ends(struct str s, struct str suffix)
{
    return s.n >= suffix.n && str_eq(str_from(s, s.n - suffix.n), suffix);
}

struct str str_trim(struct str s)
{
    while (s.n && (s.p[0] == ' ' || s.p[0] == '\t')) {
        s.p++;
        s.n--;
    }
    while (s.n && (s.p[s.n - 1] == ' ' || s.p[s.n - 1] == '\t'))
        s.n--;
    return s;
}

size_t str_find(struct str s, struct str what)
{
    if (what.n == 0)
        return 0;
    if (s.n < what.n)
        return SIZE_MAX;
    const char *at = memmem(s.p, s.n, what.p, what.n);
    return at ? (size_t)(at - s.p) : SIZE_MAX;
}

size_t str_chr(struct str s, char c)
{
    const char *at = s.n ? memchr(s.p, c, s.n) : NULL;
    return at ? (size_t)(at - s.p) : SIZE_MAX;
}

bool str_cut(struct str s, char c, struct str *head, struct str *tail)
{
    size_t at = str_chr(s, c);
    if (at == SIZE_MAX) {
        *head = s;
        *tail = STR_NULL;
        return false;
    }
    *head = str_head(s, at);
    *tail = str_from(s, at + 1);
    return true;
}

bool str_split(struct str *rest, char c, struct str *piece)
{
    if (!rest->p)
        return false;
    str_cut(*rest, c, piece, rest);
    return true;
}

int str_u64(struct str s, uint64_t max, uint64_t *ret)
{
    if (s.n == 0)
        return -EINVAL;
    uint64_t v = 0;
    bool over = false;
    for (size_t i = 0; i < s.n; i++) {
        if (s.p[i] < '0' || s.p[i] > '9')
            return -EINVAL;
        uint64_t digit = (uint64_t)(s.p[i] - '0');
        if (v > (UINT64_MAX - digit) / 10)
            over = true;
        else
            v = v * 10 + digit;
    }
    if (over || v > max)
        return -ERANGE;
    *ret = v;
    return 0;
}

int str_hexval(char c)
{
    static const uint8_t one_more[256] = {
        /* than the value: 0 is no digit */
        ['0'] = 1,  ['1'] = 2,  ['2'] = 3,  ['3'] = 4,  ['4'] = 5,  ['5'] = 6,
        ['6'] = 7,  ['7'] = 8,  ['8'] = 9,  ['9'] = 10, ['a'] = 11, ['b'] = 12,
        ['c'] = 13, ['d'] = 14, ['e'] = 15, ['f'] = 16, ['A'] = 11, ['B'] = 12,
        ['C'] = 13, ['D'] = 14, ['E'] = 15, ['F'] = 16};
    return one_more[(uint8_t)c] - 1;
}

int str_hex64(struct str s, uint64_t *ret)
{
    if (s.n == 0 || s.n > 16)
        return -EINVAL;
    uint64_t v = 0;
    for (size_t i = 0; i < s.n; i++) {
        int d = str_hexval(s.p[i]);
        if (d < 0)
            return -EINVAL;
        v = v << 4 | (uint64_t)d;
    }
    *ret = v;
    return 0;
}

char *str_dup(struct str s)
{
    char *z = dfs_alloc(s.n + 1);
    if (!z)
        return NULL;
    if (s.n)
        memcpy(z, s.p, s.n);
    z[s.n] = '\0';
    return z;
}

bool str_eq_consttime(struct str a, struct str b)
{
    if (a.n != b.n)
        return false;
    unsigned char diff = 0;
    for (size_t i = 0; i < a.n; i++)
        diff = (unsigned char)(diff | ((unsigned char)a.p[i] ^ (unsigned char)b.p[i]));
    return diff == 0;
}

void str_hex(const void *bytes, size_t n, char *out)
{
    static const char digits[] = "0123456789abcdef";
    const uint8_t *b = bytes;
    for (size_t i = 0; i < n; i++) {
        out[2 * i] = digits[b[i] >> 4];
        out[2 * i + 1] = digits[b[i] & 15];
    }
}

int str_unhex(struct str s, void *out, size_t n)
{
    if (s.n != 2 * n)
        return -EINVAL;
    uint8_t *o = out;
    for (size_t i = 0; i < n; i++) {
        int hi = str_hexval(s.p[2 * i]), lo = str_hexval(s.p[2 * i + 1]);
        if (hi < 0 || lo < 0)
            return -EINVAL;
        o[i] = (uint8_t)(hi << 4 | lo);
    }
    return 0;
}

static int base64_value(char c)
{
    if (c >= 'A' && c <= 'Z')
        return c - 'A';
    if (c >= 'a' && c <= 'z')
        return c - 'a' + 26;
    if (c >= '0' && c <= '9')
        return c - '0' + 52;
    if (c == '+')
        return 62;
    return c == '/' ? 63 : -1;
}

int str_unbase64(struct str s, void *out, size_t cap, size_t *ret_n)
{
    if (s.n % 4)
        return -EINVAL;
    size_t pad = 0;
    while (pad < 2 && pad < s.n && s.p[s.n - 1 - pad] == '=')
        pad++;
    size_t len = s.n / 4 * 3 - pad;
    if (len > cap)
        return -EINVAL;
    uint8_t *o = out;
    size_t n = 0;
    for (size_t i = 0; i < s.n; i += 4) {
        uint32_t v = 0;
        for (size_t j = 0; j < 4; j++) {
            int d = i + j >= s.n - pad ? 0 : base64_value(s.p[i + j]);
            if (d < 0)
                return -EINVAL;
            v = v << 6 | (uint32_t)d;
        }
        for (int shift = 16; shift >= 0; shift -= 8) {
            uint8_t byte = (uint8_t)(v >> shift);
            if (n < len)
                o[n++] = byte;
            else if (byte)
                return -EINVAL; /* bits beyond the end: not the canonical form */
        }
    }
    *ret_n = len;
    return 0;
}

size_t str_base64(const void *bytes, size_t n, char *out)
{
    static const char alphabet[] =
        "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    const uint8_t *b = bytes;
    size_t len = 0;
    for (size_t i = 0; i < n; i += 3) {
        uint32_t v = (uint32_t)b[i] << 16;
        if (i + 1 < n)
            v |= (uint32_t)b[i + 1] << 8;
        if (i + 2 < n)
            v |= b[i + 2];
        out[len++] = alphabet[v >> 18];
        out[len++] = alphabet[v >> 12 & 63];
        out[len++] = i + 1 < n ? alphabet[v >> 6 & 63] : '=';
        out[len++] = i + 2 < n ? alphabet[v & 63] : '=';
    }
    return len;
}

/* Bytes that follow a lead byte, and the smallest code point that needs this many. */
static int utf8_tail(uint8_t lead, uint32_t *min)
{
    if (lead < 0x80)
        return 0;
    if (lead >= 0xC2 && lead <= 0xDF) {
        *min = 0x80;
        return 1;
    }
    if (lead >= 0xE0 && lead <= 0xEF) {
        *min = 0x800;
        return 2;
    }
    if (lead >= 0xF0 && lead <= 0xF4) {
        *min = 0x10000;
        return 3;
    }
    return -1;
}

bool str_utf8_ok(struct str s)
{
    const uint8_t *b = (const uint8_t *)s.p;
    for (size_t i = 0; i < s.n; i++) {
        uint32_t min = 0;
        int tail = utf8_tail(b[i], &min);
        if (tail < 0 || (size_t)tail >= s.n - i)
            return false;
        if (tail == 0)
            continue;
        uint32_t v = b[i] & (0x3Fu >> tail);
        for (int j = 0; j < tail; j++) {
            uint8_t c = b[++i];
            if ((c & 0xC0) != 0x80)
                return false;
            v = v << 6 | (c & 0x3Fu);
        }
        if (v < min || v > 0x10FFFF || (v >= 0xD800 && v <= 0xDFFF))
            return false;
    }
    return true;
}
