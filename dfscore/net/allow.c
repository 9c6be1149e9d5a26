/* SPDX-License-Identifier: Apache-2.0 */
/*
 * allow - which addresses may connect. Every address is 16 bytes here (IPv4 as IPv4-mapped IPv6); a
 * rule is an address with a number of leading bits, or four ranges for a bracket pattern.
 */
#include <arpa/inet.h>
#include <netdb.h>
#include <netinet/in.h>
#include <stdio.h>

#include "dfscore/net/addr.h"

enum { RULES_MAX = 4096, MAPPED_BITS = 96 };

struct rule {
    uint8_t addr[16];
    unsigned bits; /* 0..128 leading bits that must be equal */
};

struct dfs_allow {
    bool all;
    struct rule *rules; /* owned */
    size_t n;
};

static int add_rule(struct dfs_allow *a, const struct rule *rule)
{
    if (a->n == RULES_MAX)
        return -EINVAL;
    struct rule *more = dfs_realloc(a->rules, (a->n + 1) * sizeof(*more));
    if (!more)
        return -ENOMEM;
    more[a->n] = *rule;
    a->rules = more;
    a->n++;
    return 0;
}

static void map_v4(const void *four, uint8_t out[16])
{
    memset(out, 0, 10);
    memset(out + 10, 0xFF, 2);
    memcpy(out + 12, four, 4);
}

static bool sockaddr_bytes(const struct sockaddr *sa, uint8_t out[16])
{
    if (sa->sa_family == AF_INET) {
        struct sockaddr_in in;
        memcpy(&in, sa, sizeof(in));
        map_v4(&in.sin_addr, out);
        return true;
    }
    if (sa->sa_family == AF_INET6) {
        struct sockaddr_in6 in;
        memcpy(&in, sa, sizeof(in));
        memcpy(out, &in.sin6_addr, 16);
        return true;
    }
    return false;
}

static bool numeric(const char *text, struct rule *rule)
{
    uint8_t four[4];
    if (inet_pton(AF_INET, text, four) == 1) {
        map_v4(four, rule->addr);
        rule->bits = 128;
        return true;
    }
    rule->bits = 128;
    return inet_pton(AF_INET6, text, rule->addr) == 1;
}

static int add_cidr(struct dfs_allow *a, const char *text, struct str bits)
{
    struct rule rule;
    uint64_t n;
    if (!numeric(text, &rule))
        return -EINVAL;
    bool v4 = strchr(text, ':') == NULL;
    if (str_u64(bits, v4 ? 32 : 128, &n) < 0)
        return -EINVAL;
    rule.bits = (unsigned)n + (v4 ? MAPPED_BITS : 0);
    return add_rule(a, &rule);
}

static int add_name(struct dfs_allow *a, const char *name)
{
    struct addrinfo hints = {.ai_socktype = SOCK_STREAM}, *list = NULL;
    if (getaddrinfo(name, NULL, &hints, &list) != 0)
        return -EINVAL;
    int r = 0;
    for (struct addrinfo *at = list; at && r == 0; at = at->ai_next) {
        struct rule rule = {.bits = 128};
        if (sockaddr_bytes(at->ai_addr, rule.addr))
            r = add_rule(a, &rule);
    }
    freeaddrinfo(list);
    return r;
}

static int add_plain(struct dfs_allow *a, struct str item)
{
    char text[256];
    struct str host, bits;
    struct rule rule;
    bool cidr = str_cut(item, '/', &host, &bits);
    if (host.n == 0 || host.n >= sizeof(text) || memchr(host.p, '\0', host.n))
        return -EINVAL;
    memcpy(text, host.p, host.n);
    text[host.n] = '\0';
    if (cidr)
        return add_cidr(a, text, bits);
    return numeric(text, &rule) ? add_rule(a, &rule) : add_name(a, text);
}

/* "[1-15,20]" in the middle of @item: every number it stands for, with leading zeros kept. */
static int add_pattern(struct dfs_allow *a, struct str item)
{
    struct str before, rest, list, after, piece;
    if (!str_cut(item, '[', &before, &rest))
        return add_plain(a, item);
    if (!str_cut(rest, ']', &list, &after) || str_chr(after, '[') != SIZE_MAX)
        return -EINVAL;
    while (str_split(&list, ',', &piece)) {
        struct str from, to;
        uint64_t lo, hi;
        piece = str_trim(piece);
        bool range = str_cut(piece, '-', &from, &to);
        if (str_u64(from, 9999, &lo) < 0 || str_u64(range ? to : from, 9999, &hi) < 0 || lo > hi)
            return -EINVAL;
        bool padded = from.n > 1 && from.p[0] == '0';
        for (uint64_t v = lo; v <= hi; v++) {
            char text[256];
            int n = snprintf(text, sizeof(text), STR_F "%0*u" STR_F, STR_A(before),
                             padded ? (int)MIN(from.n, (size_t)4) : 1, (unsigned)v, STR_A(after));
            if (n < 0 || (size_t)n >= sizeof(text))
                return -EINVAL;
            int r = add_plain(a, str_of(text, (size_t)n));
            if (r < 0)
                return r;
        }
    }
    return 0;
}

/* Next piece up to a comma that is not inside brackets. */
static bool next_item(struct str *rest, struct str *item)
{
    if (!rest->p)
        return false;
    bool inside = false;
    size_t i = 0;
    for (; i < rest->n; i++) {
        if (rest->p[i] == '[')
            inside = true;
        else if (rest->p[i] == ']')
            inside = false;
        else if (rest->p[i] == ',' && !inside)
            break;
    }
    *item = str_trim(str_head(*rest, i));
    *rest = i < rest->n ? str_from(*rest, i + 1) : STR_NULL;
    return true;
}

int dfs_allow_new(char *const *items, size_t n, struct dfs_allow **ret, struct str *bad)
{
    AUTO(dfs_allow_free) struct dfs_allow *a = dfs_zalloc(sizeof(*a));
    if (!a)
        return -ENOMEM;
    for (size_t i = 0; i < n; i++) {
        struct str rest = str_c(items[i]), item;
        while (next_item(&rest, &item)) {
            if (str_eq(item, STR("*"))) {
                a->all = true;
                continue;
            }
            int r = add_pattern(a, item);
            if (r < 0) {
                *bad = item;
                return r;
            }
        }
    }
    *ret = TAKE(a);
    return 0;
}

int dfs_allow_setting(const char *key, char *const *items, size_t n, struct dfs_allow **ret,
                      struct buf *err)
{
    struct str bad = STR_NULL;
    int r = dfs_allow_new(items, n, ret, &bad);
    if (r == -EINVAL)
        buf_addf(err, "%s = " STR_F ": must be addresses or networks", key, STR_A(bad));
    return r;
}

void dfs_allow_free(struct dfs_allow **ap)
{
    struct dfs_allow *a = TAKE(*ap);
    if (!a)
        return;
    free(a->rules);
    free(a);
}

static bool same_bits(const uint8_t *a, const uint8_t *b, unsigned bits)
{
    if (memcmp(a, b, bits / 8) != 0)
        return false;
    unsigned rest = bits % 8;
    return rest == 0 || (a[bits / 8] ^ b[bits / 8]) >> (8 - rest) == 0;
}

bool dfs_allow_match(const struct dfs_allow *a, const struct sockaddr *sa)
{
    static const uint8_t v4_loopback[16] = {0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xFF, 0xFF, 127};
    static const uint8_t v6_loopback[16] = {[15] = 1};
    uint8_t addr[16];
    if (sa->sa_family == AF_UNIX || a->all)
        return true;
    if (!sockaddr_bytes(sa, addr))
        return false;
    if (a->n == 0)
        return same_bits(addr, v4_loopback, MAPPED_BITS + 8) || same_bits(addr, v6_loopback, 128);
    for (size_t i = 0; i < a->n; i++)
        if (same_bits(addr, a->rules[i].addr, a->rules[i].bits))
            return true;
    return false;
}
