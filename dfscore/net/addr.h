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

#include "dfscore/base/buf.h"

enum {
    DFS_IP_TEXT = 46, /* an address of either family as text, NUL included */
    DFS_ADDR_TEXT = 108 + DFS_IP_TEXT + 8,
};

struct dfs_addr {
    char host[108]; /* IPv4, IPv6 without brackets, a name, or a path that begins with '/' */
    char alt
        [DFS_IP_TEXT]; /* another address of the same server, for when that one cannot be reached; "": none */
    uint16_t port; /* 0 for a path */
};

/* @ip as everybody here writes it, so that equal addresses are equal texts: "0:0::1" is "::1", "::FFFF:10.0.0.1" is
 * "10.0.0.1". False: not a numeric address. @out may be @ip. */
bool dfs_ip_text(const char *ip, char out[DFS_IP_TEXT]);

/*
 * "10.0.0.1:22122", "[fe80::1]:22122", "name:22122", "10.0.0.1" (default_port), "/run/x.sock". Numeric hosts come
 * out as dfs_ip_text writes them. Returns 0 or -EINVAL. default_port 0: a port must be given.
 * A server with two addresses: "10.0.0.1,1.2.3.4:22122", "[10.0.0.1,2001:db8::1]:22122"; both numeric and of
 * different kinds, and the inner one becomes the host (semantics 15).
 */
int dfs_addr_parse(struct str text, uint16_t default_port, struct dfs_addr *ret) MUST_CHECK;
/* As dfs_addr_parse reads it; NUL-terminated. */
void dfs_addr_format(const struct dfs_addr *a, char out[DFS_ADDR_TEXT]);
/* Same host and port; alt does not count. */
bool dfs_addr_eq(const struct dfs_addr *a, const struct dfs_addr *b);
/* The numeric address of a socket address (IPv4-mapped IPv6 as IPv4); path sockets give "". */
void dfs_addr_of(const struct sockaddr *sa, struct dfs_addr *ret);

/* Kind of an IP text, which decides which of two addresses a requester gets (protocol 3.2). */
enum dfs_ip_kind { DFS_IP_OUTER, DFS_IP_PRIVATE10, DFS_IP_PRIVATE172, DFS_IP_PRIVATE192 };
enum dfs_ip_kind dfs_ip_kind(const char *ip);
/* What bind_addr says: "a", or "a,b", numeric then. *ret has them as host and alt; "", "0.0.0.0" and "::" are host "",
 * every address. 0 or -EINVAL. */
int dfs_bind_parse(const char *text, uint16_t port, struct dfs_addr *ret) MUST_CHECK;
bool dfs_bind_is_loopback(const char *text);
/* Of the local addresses "a" or "a,b" the one to call @remote from: of its kind, else of its family. False: none. */
bool dfs_source_for(const char *local, const char *remote, char out[DFS_IP_TEXT]);

/*
 * Allowed addresses, from items of "allow_hosts" (semantics 18.5): "*", an IPv4 or IPv6 address,
 * CIDR, or a pattern with brackets "10.0.1.[1-15,20]"; host names are looked up once, here.
 * Each item may hold several, separated by commas outside brackets.
 */
struct dfs_allow;
/* 0; -EINVAL with *bad naming the item (a view into @items); -ENOMEM. No items: nobody but loopback. */
int dfs_allow_new(char *const *items, size_t n, struct dfs_allow **ret, struct str *bad) MUST_CHECK;
/* A setting of that kind: as new, and @err says it in a line. */
int dfs_allow_setting(const char *key, char *const *items, size_t n, struct dfs_allow **ret,
                      struct buf *err) MUST_CHECK;
void dfs_allow_free(struct dfs_allow **ap);
/* Unix-domain sockets are always allowed: their file's mode decides. */
bool dfs_allow_match(const struct dfs_allow *a, const struct sockaddr *sa);

#endif
