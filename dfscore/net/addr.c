/* SPDX-License-Identifier: Apache-2.0 */
#include "dfscore/net/addr.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <stdio.h>

static bool host_ok(struct str host, bool path)
{
    for (size_t i = 0; i < host.n; i++) {
        unsigned char c = (unsigned char)host.p[i];
        if (c <= ' ' || c == 0x7F || (!path && (c == '/' || c == '[' || c == ']')))
            return false;
    }
    return host.n > 0;
}

bool dfs_ip_text(const char *ip, char out[DFS_IP_TEXT])
{
    struct in6_addr v6;
    struct in_addr v4;
    if (inet_pton(AF_INET, ip, &v4) == 1)
        return inet_ntop(AF_INET, &v4, out, DFS_IP_TEXT) != NULL;
    if (inet_pton(AF_INET6, ip, &v6) != 1)
        return false;
    if (IN6_IS_ADDR_V4MAPPED(&v6))
        return inet_ntop(AF_INET, &v6.s6_addr[12], out, DFS_IP_TEXT) != NULL;
    return inet_ntop(AF_INET6, &v6, out, DFS_IP_TEXT) != NULL;
}

/* "a" or "a,b"; *second is absent without a second. */
static void two_hosts(struct str text, struct str *first, struct str *second)
{
    str_cut(text, ',', first, second);
    *first = str_trim(*first);
    *second = second->p ? str_trim(*second) : STR_NULL;
}

static bool numeric(struct str text, char out[DFS_IP_TEXT])
{
    char z[DFS_IP_TEXT] = "";
    if (text.n >= sizeof(z) || (text.n && memchr(text.p, '\0', text.n)))
        return false;
    if (text.n)
        memcpy(z, text.p, text.n);
    return dfs_ip_text(z, out);
}

/* The numeric hosts of @text; two of them in order. 0, or -EINVAL: two that do not go together. */
static int set_hosts(struct dfs_addr *a, struct str text)
{
    struct str first, second;
    char ip[2][DFS_IP_TEXT] = {"", ""};
    two_hosts(text, &first, &second);
    if (!second.p) {
        if (numeric(first, ip[0]))
            memcpy(a->host, ip[0], sizeof(ip[0]));
        else
            memcpy(a->host, first.p, first.n);
        return 0;
    }
    if (!numeric(first, ip[0]) || !numeric(second, ip[1]) ||
        dfs_ip_kind(ip[0]) == dfs_ip_kind(ip[1]))
        return -EINVAL;
    int inner = dfs_ip_kind(ip[0]) == DFS_IP_OUTER;
    memcpy(a->host, ip[inner], sizeof(ip[0]));
    memcpy(a->alt, ip[!inner], sizeof(ip[0]));
    return 0;
}

int dfs_bind_parse(const char *text, uint16_t port, struct dfs_addr *ret)
{
    struct str first, second;
    struct dfs_addr a = {.port = port};
    two_hosts(str_c(text), &first, &second);
    if (first.n >= sizeof(a.host))
        return -EINVAL;
    if (second.p && (!numeric(first, a.host) || !numeric(second, a.alt)))
        return -EINVAL;
    if (!second.p && !str_eq(first, STR("0.0.0.0")) && !str_eq(first, STR("::")) && first.n)
        memcpy(a.host, first.p, first.n);
    *ret = a;
    return 0;
}

static bool is_loopback(const char *ip)
{
    return strncmp(ip, "127.", 4) == 0 || strcmp(ip, "::1") == 0;
}

bool dfs_bind_is_loopback(const char *text)
{
    struct dfs_addr a;
    return dfs_bind_parse(text, 0, &a) == 0 && is_loopback(a.host) &&
           (!a.alt[0] || is_loopback(a.alt));
}

bool dfs_source_for(const char *local, const char *remote, char out[DFS_IP_TEXT])
{
    struct str each[2];
    char ip[DFS_IP_TEXT];
    bool found = false, v6 = strchr(remote, ':') != NULL;
    two_hosts(str_c(local), &each[0], &each[1]);
    for (size_t i = 0; i < 2; i++) {
        if (!each[i].p || !numeric(each[i], ip) || (strchr(ip, ':') != NULL) != v6)
            continue;
        if (!found || dfs_ip_kind(ip) == dfs_ip_kind(remote))
            memcpy(out, ip, sizeof(ip));
        found = true;
    }
    return found;
}

int dfs_addr_parse(struct str text, uint16_t default_port, struct dfs_addr *ret)
{
    struct dfs_addr a = {.port = default_port};
    struct str host = text, port = STR_NULL;
    bool path = str_starts(text, STR("/"));
    if (path) {
        a.port = 0;
    } else if (str_starts(text, STR("["))) {
        if (!str_cut(str_from(text, 1), ']', &host, &port) || (port.n && port.p[0] != ':'))
            return -EINVAL;
        port = port.n ? str_from(port, 1) : STR_NULL;
    } else {
        struct str head, tail;
        if (str_cut(text, ':', &head, &tail) && str_chr(tail, ':') == SIZE_MAX) {
            host = head; /* one colon: host:port; several: a bare IPv6 address */
            port = tail;
        }
    }
    if (!host_ok(host, path) || host.n >= sizeof(a.host))
        return -EINVAL;
    if (port.p) {
        uint64_t v;
        if (str_u64(port, UINT16_MAX, &v) < 0)
            return -EINVAL;
        a.port = (uint16_t)v;
    } else if (!path && default_port == 0) {
        return -EINVAL;
    }
    int r = 0;
    if (path)
        memcpy(a.host, host.p, host.n);
    else
        r = set_hosts(&a, host);
    if (r == 0)
        *ret = a;
    return r;
}

void dfs_addr_format(const struct dfs_addr *a, char out[DFS_ADDR_TEXT])
{
    if (a->host[0] == '/' || a->host[0] == '\0')
        snprintf(out, DFS_ADDR_TEXT, "%s", a->host);
    else if (strchr(a->host, ':') || strchr(a->alt, ':'))
        snprintf(out, DFS_ADDR_TEXT, "[%s%s%s]:%u", a->host, a->alt[0] ? "," : "", a->alt, a->port);
    else
        snprintf(out, DFS_ADDR_TEXT, "%s%s%s:%u", a->host, a->alt[0] ? "," : "", a->alt, a->port);
}

bool dfs_addr_eq(const struct dfs_addr *a, const struct dfs_addr *b)
{
    return a->port == b->port && strcmp(a->host, b->host) == 0;
}

void dfs_addr_of(const struct sockaddr *sa, struct dfs_addr *ret)
{
    struct dfs_addr a = {0};
    if (sa->sa_family == AF_INET) {
        struct sockaddr_in in;
        memcpy(&in, sa, sizeof(in));
        inet_ntop(AF_INET, &in.sin_addr, a.host, sizeof(a.host));
        a.port = ntohs(in.sin_port);
    } else if (sa->sa_family == AF_INET6) {
        struct sockaddr_in6 in;
        memcpy(&in, sa, sizeof(in));
        if (IN6_IS_ADDR_V4MAPPED(&in.sin6_addr))
            inet_ntop(AF_INET, &in.sin6_addr.s6_addr[12], a.host, sizeof(a.host));
        else
            inet_ntop(AF_INET6, &in.sin6_addr, a.host, sizeof(a.host));
        a.port = ntohs(in.sin6_port);
    }
    *ret = a;
}

enum dfs_ip_kind dfs_ip_kind(const char *ip)
{
    struct in_addr in;
    if (inet_pton(AF_INET, ip, &in) != 1)
        return DFS_IP_OUTER;
    uint32_t v = ntohl(in.s_addr);
    if (v >> 24 == 10)
        return DFS_IP_PRIVATE10;
    if (v >> 20 == (172u << 4 | 1))
        return DFS_IP_PRIVATE172;
    return v >> 16 == (192u << 8 | 168) ? DFS_IP_PRIVATE192 : DFS_IP_OUTER;
}
