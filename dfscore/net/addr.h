/* SPDX-License-Identifier: Apache-2.0 */
/*
 * addr - where a server listens: host and port, or the path of a Unix-domain socket; and which
 * addresses may connect (allow_hosts).
 *
 * Threads: no state; a struct dfs_allow is constant after parsing.
 */
#ifndef DFS_ADDR_H
#define DFS_ADDR_H

#include <sys/socket.h>

#include "dfscore/base/str.h"

enum { DFS_ADDR_TEXT = 108 + 8 };

struct dfs_addr {
    char host[108]; /* IPv4, IPv6 without brackets, a name, or a path that begins with '/' */
    uint16_t port;  /* 0 for a path */
};

enum { DFS_IP_TEXT = 46 }; /* an address of either family as text, NUL included */

/* @ip as everybody here writes it, so that equal addresses are equal texts: "0:0::1" is "::1", "::FFFF:10.0.0.1" is
 * "10.0.0.1". False: not a numeric address. @out may be @ip. */
bool dfs_ip_text(const char *ip, char out[DFS_IP_TEXT]);

/*
 * "10.0.0.1:22122", "[fe80::1]:22122", "name:22122", "10.0.0.1" (default_port), "/run/x.sock". Numeric hosts come
 * out as dfs_ip_text writes them. Returns 0 or -EINVAL. default_port 0: a port must be given.
 */
int dfs_addr_parse(struct str text, uint16_t default_port, struct dfs_addr *ret) MUST_CHECK;
/* "host:port", "[ip6]:port" or the path; NUL-terminated. */
void dfs_addr_format(const struct dfs_addr *a, char out[DFS_ADDR_TEXT]);
bool dfs_addr_eq(const struct dfs_addr *a, const struct dfs_addr *b);
/* The numeric address of a socket address (IPv4-mapped IPv6 as IPv4); path sockets give "". */
void dfs_addr_of(const struct sockaddr *sa, struct dfs_addr *ret);

/* Kind of an IP text, which decides which of two addresses a requester gets (protocol 3.2). */
enum dfs_ip_kind { DFS_IP_OUTER, DFS_IP_PRIVATE10, DFS_IP_PRIVATE172, DFS_IP_PRIVATE192 };
enum dfs_ip_kind dfs_ip_kind(const char *ip);

/*
 * Allowed addresses, from items of "allow_hosts" (semantics 18.5): "*", an IPv4 or IPv6 address,
 * CIDR, or a pattern with brackets "10.0.1.[1-15,20]"; host names are looked up once, here.
 * Each item may hold several, separated by commas outside brackets.
 */
struct dfs_allow;
/* 0; -EINVAL with *bad naming the item (a view into @items); -ENOMEM. No items: nobody but loopback. */
int dfs_allow_new(char *const *items, size_t n, struct dfs_allow **ret, struct str *bad);
void dfs_allow_free(struct dfs_allow **ap);
/* Unix-domain sockets are always allowed: their file's mode decides. */
bool dfs_allow_match(const struct dfs_allow *a, const struct sockaddr *sa);

#endif
