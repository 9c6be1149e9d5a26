/* SPDX-License-Identifier: Apache-2.0 */
/*
 * str - a view of bytes somebody else owns. No NUL is promised at the end; any byte may be inside.
 *
 * Threads: no state. Nothing here allocates or fails for lack of memory, save str_dup.
 */
#ifndef DFS_STR_H
#define DFS_STR_H

#include <strings.h>

#include "dfscore/base/base.h"

struct str {
    const char *p;
    size_t n;
};

#define STR(literal) ((struct str){"" literal, sizeof(literal) - 1})
#define STR_INIT(literal)                                                                          \
    {                                                                                              \
        "" literal, sizeof(literal) - 1                                                            \
    }
#define STR_NULL ((struct str){NULL, 0}) /* absent; p == NULL. Absent is not empty */
#define STR_F    "%.*s"
#define STR_A(s) (int)(s).n, (s).p ? (s).p : ""

/* The short ones stand here: judging the head of a request is little else. */
static inline struct str str_of(const void *p, size_t n)
{
    return (struct str){p, n};
}
static inline struct str str_c(const char *z) /* NULL gives STR_NULL */
{
    return z ? str_of(z, strlen(z)) : STR_NULL;
}
static inline bool str_eq(struct str a, struct str b)
{
    return a.n == b.n && (a.n == 0 || memcmp(a.p, b.p, a.n) == 0);
}
/* ASCII letters without case. */
static inline bool str_ieq(struct str a, struct str b)
{
    return a.n == b.n && (a.n == 0 || strncasecmp(a.p, b.p, a.n) == 0);
}
int str_cmp(struct str a, struct str b); /* byte order, shorter first */
uint64_t str_hash(struct str s);         /* FNV-1a: who looks for texts that collide finds some */
static inline struct str str_head(struct str s, size_t n) /* at most the first n bytes */
{
    return str_of(s.p, MIN(s.n, n));
}
static inline struct str str_from(struct str s, size_t at) /* tail from @at; empty when beyond */
{
    size_t skip = MIN(s.n, at);
    return skip ? str_of(s.p + skip, s.n - skip) : s;
}
static inline bool str_starts(struct str s, struct str prefix)
{
    return s.n >= prefix.n && str_eq(str_head(s, prefix.n), prefix);
}
static inline bool str_istarts(struct str s, struct str prefix)
{
    return s.n >= prefix.n && str_ieq(str_head(s, prefix.n), prefix);
}
bool str_ends(struct str s, struct str suffix);
struct str str_trim(struct str s);              /* blanks and tabs off both ends */
size_t str_find(struct str s, struct str what); /* offset, or SIZE_MAX */
size_t str_chr(struct str s, char c);           /* offset, or SIZE_MAX */
/* Cut at the first @c: *head is before it, *tail after. False (head = s, tail absent) if none. */
bool str_cut(struct str s, char c, struct str *head, struct str *tail);
/* Next piece of *rest up to @c or the end; false when *rest is used up (p == NULL). */
bool str_split(struct str *rest, char c, struct str *piece);

/* Decimal digits only, 1..20 of them, no sign, value <= max. 0 or -EINVAL / -ERANGE; *ret on 0. */
int str_u64(struct str s, uint64_t max, uint64_t *ret) MUST_CHECK;
/* Hex digits only, 1..16 of them. 0 or -EINVAL; *ret on 0. */
int str_hex64(struct str s, uint64_t *ret) MUST_CHECK;

char *str_dup(struct str s) MUST_CHECK; /* NUL-terminated copy, free() it; NULL: no memory */
/* Compare secrets: time depends on the lengths only. */
bool str_eq_consttime(struct str a, struct str b);

int str_hexval(char c);                               /* 0..15, or -1 */
void str_hex(const void *bytes, size_t n, char *out); /* 2n lower-case digits, no NUL */
/* 2*n digits to n bytes; 0 or -EINVAL when a digit is bad or the length differs. */
int str_unhex(struct str s, void *out, size_t n) MUST_CHECK;
/* Standard base64 with padding, strict (no white space). Decoded length <= cap; 0 or -EINVAL. */
int str_unbase64(struct str s, void *out, size_t cap, size_t *ret_n) MUST_CHECK;
/* Writes 4*ceil(n/3) characters, no NUL; returns how many. */
size_t str_base64(const void *bytes, size_t n, char *out);
bool str_utf8_ok(struct str s); /* well-formed UTF-8, no overlong, no surrogates */

#endif
