/* SPDX-License-Identifier: Apache-2.0 */
#include "dfscore/net/addr.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <stdio.h>

static bool host_ok(struct str host, bool path)
{
    for (size_t i = 0; i < host.n; i++) {
        unsigned char c = (unsigned char)host.p[i];
        if (c <= ' ' || c == 0x7F || (!path && (c == '/' || c == ',')))
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
    memcpy(a.host, host.p, host.n);
    char ip[DFS_IP_TEXT];
    if (dfs_ip_text(a.host, ip)) {
        memset(a.host, 0, sizeof(a.host));
        memcpy(a.host, ip, strlen(ip));
    }
    *ret = a;
    return 0;
}

void dfs_addr_format(const struct dfs_addr *a, char out[DFS_ADDR_TEXT])
{
    if (a->host[0] == '/' || a->host[0] == '\0')
        snprintf(out, DFS_ADDR_TEXT, "%s", a->host);
    else if (strchr(a->host, ':'))
        snprintf(out, DFS_ADDR_TEXT, "[%s]:%u", a->host, a->port);
    else
        snprintf(out, DFS_ADDR_TEXT, "%s:%u", a->host, a->port);
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
