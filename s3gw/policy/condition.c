/* SPDX-License-Identifier: Apache-2.0 */
/* Condition operators: how a wanted value compares with one that is there. The keys are in
 * condition_key.c. */
#include <arpa/inet.h>

#include "s3gw/core/httpdate.h"
#include "s3gw/policy/condition_key.h"
#include "s3gw/policy/policy.h"

enum kind { STRING, STRING_NOCASE, LIKE, NUMBER, DATE, TRUTH, ADDRESS, ABSENCE };
enum order { EQ = 1, LT = 2, GT = 4 };

/* Numbers of rows are stored: append only. */
static const struct {
    struct str name;
    enum kind kind;
    unsigned order; /* of numbers and dates: what is accepted */
    bool negated;
} operators[] = {
    {STR_INIT("StringEquals"), STRING, EQ, false},
    {STR_INIT("StringNotEquals"), STRING, EQ, true},
    {STR_INIT("StringEqualsIgnoreCase"), STRING_NOCASE, EQ, false},
    {STR_INIT("StringNotEqualsIgnoreCase"), STRING_NOCASE, EQ, true},
    {STR_INIT("StringLike"), LIKE, EQ, false},
    {STR_INIT("StringNotLike"), LIKE, EQ, true},
    {STR_INIT("NumericEquals"), NUMBER, EQ, false},
    {STR_INIT("NumericNotEquals"), NUMBER, EQ, true},
    {STR_INIT("NumericLessThan"), NUMBER, LT, false},
    {STR_INIT("NumericLessThanEquals"), NUMBER, LT | EQ, false},
    {STR_INIT("NumericGreaterThan"), NUMBER, GT, false},
    {STR_INIT("NumericGreaterThanEquals"), NUMBER, GT | EQ, false},
    {STR_INIT("DateEquals"), DATE, EQ, false},
    {STR_INIT("DateNotEquals"), DATE, EQ, true},
    {STR_INIT("DateLessThan"), DATE, LT, false},
    {STR_INIT("DateLessThanEquals"), DATE, LT | EQ, false},
    {STR_INIT("DateGreaterThan"), DATE, GT, false},
    {STR_INIT("DateGreaterThanEquals"), DATE, GT | EQ, false},
    {STR_INIT("Bool"), TRUTH, EQ, false},
    {STR_INIT("BinaryEquals"), STRING, EQ, false}, /* both sides are base64 */
    {STR_INIT("IpAddress"), ADDRESS, EQ, false},
    {STR_INIT("NotIpAddress"), ADDRESS, EQ, true},
    {STR_INIT("ArnEquals"), LIKE, EQ, false},
    {STR_INIT("ArnLike"), LIKE, EQ, false},
    {STR_INIT("ArnNotEquals"), LIKE, EQ, true},
    {STR_INIT("ArnNotLike"), LIKE, EQ, true},
    {STR_INIT("Null"), ABSENCE, EQ, false},
};

int s3_condition_operator(struct str name, uint8_t *ret)
{
    for (size_t i = 0; i < ARRAY_LEN(operators); i++)
        if (str_eq(name, operators[i].name)) {
            *ret = (uint8_t)i;
            return 0;
        }
    return -EINVAL;
}

/* --- patterns --- */

enum { PATTERN_MAX = 4096, LITERAL = 0x100 };

struct pattern {
    uint16_t c[PATTERN_MAX]; /* a byte; with LITERAL it stands for itself */
    size_t n;
    bool bad; /* a variable without a value, or too long: matches nothing */
};

static void append(struct pattern *p, struct str s, unsigned flag)
{
    if (s.n > PATTERN_MAX - p->n) {
        p->bad = true;
        return;
    }
    for (size_t i = 0; i < s.n; i++)
        p->c[p->n++] = (uint16_t)((unsigned char)s.p[i] | flag);
}

/* "${aws:username}" becomes its value, "${*}", "${?}" and "${$}" the character. */
static void variable(struct pattern *p, struct str name, const struct s3_ask *ask)
{
    if (name.n == 1 && strchr("*?$", name.p[0])) {
        append(p, name, LITERAL);
        return;
    }
    char lower[64];
    for (size_t i = 0; i < name.n && i < sizeof(lower); i++)
        lower[i] =
            (char)(name.p[i] >= 'A' && name.p[i] <= 'Z' ? name.p[i] + ('a' - 'A') : name.p[i]);
    struct s3_key_values have;
    s3_condition_values(str_of(lower, MIN(name.n, sizeof(lower))), ask, &have);
    if (have.n == 1)
        append(p, have.v[0], LITERAL);
    else
        p->bad = true;
}

static void expand(struct pattern *p, struct str text, const struct s3_ask *ask, bool variables)
{
    p->n = 0;
    p->bad = false;
    while (text.n > 0) {
        size_t at = variables ? str_find(text, STR("${")) : SIZE_MAX;
        append(p, str_head(text, at == SIZE_MAX ? text.n : at), 0);
        if (at == SIZE_MAX)
            return;
        text = str_from(text, at + 2);
        size_t end = str_chr(text, '}');
        if (end == SIZE_MAX) {
            p->bad = true;
            return;
        }
        variable(p, str_head(text, end), ask);
        text = str_from(text, end + 1);
    }
}

/* Greedy with one point of return: the last '*'. Time is length of pattern times length of text. */
static bool match(const struct pattern *p, struct str s)
{
    size_t i = 0, k = 0, star = SIZE_MAX, from = 0;
    while (k < s.n) {
        if (i < p->n && (p->c[i] == '?' || (p->c[i] & 0xFF) == (unsigned char)s.p[k]) &&
            p->c[i] != '*') {
            i++;
            k++;
        } else if (i < p->n && p->c[i] == '*') {
            star = i++;
            from = k;
        } else if (star != SIZE_MAX) {
            i = star + 1;
            k = ++from;
        } else {
            return false;
        }
    }
    while (i < p->n && p->c[i] == '*')
        i++;
    return i == p->n;
}

enum { WILD = 1, VARIABLE = 2 };

/* What may be more than itself in a pattern. */
static const uint8_t special[256] = {['*'] = WILD, ['?'] = WILD, ['$'] = VARIABLE};

bool s3_glob(struct str pattern, struct str text, const struct s3_ask *ask, bool variables)
{
    const uint8_t mask = variables ? WILD | VARIABLE : WILD;
    const size_t most = MIN(pattern.n, text.n);
    size_t n = 0;
    while (n < most && pattern.p[n] == text.p[n] && !(special[(uint8_t)pattern.p[n]] & mask))
        n++;
    if (n == pattern.n)
        return n == text.n;
    if (!(special[(uint8_t)pattern.p[n]] & mask))
        return false; /* most patterns end here */
    if (n + 1 == pattern.n && pattern.p[n] == '*')
        return true;
    struct pattern p;
    expand(&p, pattern, ask, variables);
    return !p.bad && match(&p, text);
}

static bool same(struct str want, struct str have, bool nocase, const struct s3_ask *ask,
                 bool variables)
{
    if (!variables || str_find(want, STR("${")) == SIZE_MAX)
        return nocase ? str_ieq(want, have) : str_eq(want, have);
    struct pattern p;
    expand(&p, want, ask, true);
    if (p.bad || p.n != have.n)
        return false;
    for (size_t i = 0; i < p.n; i++) {
        struct str a = str_of((const char[]){(char)p.c[i]}, 1), b = str_of(have.p + i, 1);
        if (!(nocase ? str_ieq(a, b) : str_eq(a, b)))
            return false;
    }
    return true;
}

/* --- numbers, dates, addresses --- */

static bool integer(struct str s, int64_t *ret)
{
    bool minus = str_starts(s, STR("-"));
    uint64_t n;
    if (str_u64(minus ? str_from(s, 1) : s, INT64_MAX, &n) < 0)
        return false;
    *ret = minus ? -(int64_t)n : (int64_t)n;
    return true;
}

enum { DECIMALS = 1000000, DIGITS = 6 };

/* "10", "-1", "1.2": in millionths. A larger one is the largest: no request has it. */
static bool number(struct str s, int64_t *ret)
{
    struct str whole, part;
    int64_t n;
    uint64_t fraction;
    bool point = str_cut(s, '.', &whole, &part);
    if (!point)
        part = STR("0");
    if (!integer(whole, &n) || part.n == 0 || part.n > DIGITS ||
        str_u64(part, DECIMALS - 1, &fraction) < 0)
        return false;
    for (size_t i = part.n; i < DIGITS; i++)
        fraction *= 10;
    n = n > INT64_MAX / DECIMALS - 1   ? INT64_MAX / DECIMALS - 1
        : n < INT64_MIN / DECIMALS + 1 ? INT64_MIN / DECIMALS + 1
                                       : n;
    *ret = n * DECIMALS + (str_starts(s, STR("-")) ? -(int64_t)fraction : (int64_t)fraction);
    return true;
}

static bool date(struct str s, int64_t *ret_ms)
{
    if (s3_isodate_parse(s, ret_ms) == 0)
        return true;
    if (!integer(s, ret_ms) || *ret_ms > INT64_MAX / 1000 || *ret_ms < INT64_MIN / 1000)
        return false;
    *ret_ms *= 1000;
    return true;
}

static bool in_order(unsigned accepted, int64_t have, int64_t want)
{
    return accepted & (have == want ? EQ : have < want ? LT : GT);
}

/* 16 bytes; IPv4 as ::ffff:a.b.c.d. */
static bool address(struct str s, uint8_t out[16], unsigned *ret_bits)
{
    char z[INET6_ADDRSTRLEN + 1];
    if (s.n >= sizeof(z))
        return false;
    memcpy(z, s.p, s.n);
    z[s.n] = '\0';
    memcpy(out, "\0\0\0\0\0\0\0\0\0\0\xff\xff", 12);
    *ret_bits = 32;
    if (inet_pton(AF_INET, z, out + 12) == 1)
        return true;
    *ret_bits = 128;
    return inet_pton(AF_INET6, z, out) == 1;
}

/* "address" or "address/bits": 16 bytes, of which *ret_bits count. */
static bool network(struct str s, uint8_t out[16], unsigned *ret_bits)
{
    struct str base, length;
    unsigned width;
    uint64_t bits;
    bool cut = str_cut(s, '/', &base, &length);
    if (!address(base, out, &width))
        return false;
    bits = width;
    if (cut && str_u64(length, width, &bits) < 0)
        return false;
    *ret_bits = (unsigned)bits + 128 - width;
    return true;
}

static bool in_network(struct str want, struct str have)
{
    uint8_t a[16], b[16];
    unsigned bits, unused;
    if (!network(want, a, &bits) || !address(have, b, &unused))
        return false;
    for (unsigned i = 0; i < 16 && bits > 0; i++) {
        unsigned here = bits >= 8 ? 8 : bits;
        uint8_t mask = (uint8_t)(0xFF00 >> here);
        if ((a[i] ^ b[i]) & mask)
            return false;
        bits -= here;
    }
    return true;
}

bool s3_condition_value_ok(uint8_t op, struct str value)
{
    int64_t n;
    uint8_t a[16];
    unsigned bits;
    switch (operators[op].kind) {
    case NUMBER:
        return number(value, &n);
    case DATE:
        return date(value, &n);
    case TRUTH:
    case ABSENCE:
        return str_ieq(value, STR("true")) || str_ieq(value, STR("false"));
    case ADDRESS:
        return network(value, a, &bits);
    case STRING:
    case STRING_NOCASE:
    case LIKE:
        break;
    }
    return true;
}

bool s3_condition_can_pin(uint8_t op, uint8_t quantifier, bool if_exists)
{
    return operators[op].kind != ABSENCE && !operators[op].negated && !if_exists &&
           quantifier != S3_CO_FOR_ALL; /* which holds for a key that is not there */
}

/* --- one value against another --- */

static bool compares(uint8_t op, struct str want, struct str have, const struct s3_ask *ask,
                     bool variables)
{
    int64_t a, b;
    switch (operators[op].kind) {
    case STRING:
        return same(want, have, false, ask, variables);
    case STRING_NOCASE:
    case TRUTH:
        return same(want, have, true, ask, variables);
    case LIKE:
        return s3_glob(want, have, ask, variables);
    case NUMBER:
        return number(want, &a) && number(have, &b) && in_order(operators[op].order, b, a);
    case DATE:
        return date(want, &a) && date(have, &b) && in_order(operators[op].order, b, a);
    case ADDRESS:
        return in_network(want, have);
    case ABSENCE:
        break;
    }
    return false;
}

static bool any_wanted(uint8_t op, struct rd wanted, struct str have, const struct s3_ask *ask,
                       bool variables)
{
    bool found = false;
    for (uint64_t n = rd_var(&wanted); n > 0 && !wanted.bad && !found; n--)
        found = compares(op, rd_lstr(&wanted), have, ask, variables);
    return found;
}

static void skip(struct rd *values)
{
    for (uint64_t n = rd_var(values); n > 0 && !values->bad; n--)
        (void)rd_lstr(values);
}

/* Null: "true" holds when the key is absent. */
static bool absence(struct rd wanted, bool absent)
{
    bool found = false;
    for (uint64_t n = rd_var(&wanted); n > 0 && !wanted.bad; n--)
        found = found || str_ieq(rd_lstr(&wanted), STR("true")) == absent;
    return found;
}

static bool judge(uint8_t op, uint8_t quantifier, bool if_exists, const struct s3_key_values *have,
                  struct rd wanted, const struct s3_ask *ask, bool variables)
{
    bool negated = operators[op].negated;
    if (operators[op].kind == ABSENCE)
        return absence(wanted, have->n == 0);
    if (have->n == 0)
        return quantifier == S3_CO_FOR_ALL   ? true
               : quantifier == S3_CO_FOR_ANY ? if_exists
                                             : negated || if_exists;
    size_t good = 0;
    for (size_t i = 0; i < have->n; i++)
        good += any_wanted(op, wanted, have->v[i], ask, variables) != negated;
    if (quantifier == S3_CO_FOR_ANY)
        return good > 0;
    /* One value: it must be good. A key with several, asked without a quantifier: negated ones mean
     * none. */
    return quantifier == S3_CO_FOR_ALL || negated ? good == have->n : good > 0;
}

bool s3_condition_holds(uint8_t op, uint8_t quantifier, bool if_exists, struct str key,
                        struct rd *values, const struct s3_ask *ask, bool variables)
{
    struct rd wanted = *values;
    skip(values);
    if (op >= ARRAY_LEN(operators) || values->bad)
        return false;
    struct s3_key_values have;
    s3_condition_values(key, ask, &have);
    return judge(op, quantifier, if_exists, &have, wanted, ask, variables);
}
