/* SPDX-License-Identifier: Apache-2.0 */
/*
 * listener - accepts on a TCP port or a Unix-domain socket and gives the connections to loops in turn.
 *
 * Order at the end of a program: dfs_listener_stop (drains), stop the threads that still post,
 * dfs_listener_free, dfs_loop_free.
 */
#ifndef DFS_LISTENER_H
#define DFS_LISTENER_H

#include "dfscore/net/conn.h"

struct dfs_listener;

/* Sockets with an address that is ours, and which refuse connections as long as nobody listens. */
struct dfs_bound {
    int fd[2];     /* of the address and of its alt; -1: none */
    uint16_t port; /* the real one */
};

/*
 * For who wants to know before anything slow begins that nobody else has @addr (as in dfs_listen_opts; no
 * path). 0; -errno, and *ret has nothing then.
 */
int dfs_bound_make(const struct dfs_addr *addr, struct dfs_bound *ret) MUST_CHECK;
void dfs_bound_close(struct dfs_bound *b);

struct dfs_listen_opts {
    struct dfs_bound *bound; /* NULL: bind addr now. Else its sockets are taken */
    /* host "" or "*": every address; port 0: any free one; or a path. With alt: both */
    struct dfs_addr addr;
    int backlog;            /* 0: 4096 */
    uint32_t max_conns;     /* > 0; connections beyond it are closed at once */
    unsigned unix_mode;     /* mode of a path's file; 0: 0600. An old socket file is replaced */
    const char *congestion; /* "cubic": TCP_CONGESTION of every connection; NULL: the system's */
    const struct dfs_allow *allow; /* NULL: everybody. Must outlive the listener */
    size_t blocks;                 /* content blocks per loop; 0: 64 */
    size_t block_bytes;            /* 0: 256 KiB */
};

struct dfs_listener_stats {
    uint64_t accepted, refused_host, refused_full;
    uint32_t current, max; /* open connections now, and the most there have been */
};

/*
 * Listen and accept on loops[0]; connections go to loops[0..n) in turn. Loops may be running or not.
 * Returns 0 or -errno of socket, bind, listen; @service and @loops must outlive the listener.
 */
int dfs_listener_new(const struct dfs_listen_opts *opts, const struct dfs_service *service,
                     struct dfs_loop *const *loops, size_t n, struct dfs_listener **ret);
uint16_t dfs_listener_port(const struct dfs_listener *l); /* the real one; 0 for a path */
/* Any thread. */
struct dfs_listener_stats dfs_listener_stats(const struct dfs_listener *l);
/*
 * Any thread but the loops': stop accepting, let requests that have begun finish for @grace_ms, close
 * everything, remove a path's file; returns when no connection is left and no on_close is pending.
 */
void dfs_listener_stop(struct dfs_listener *l, uint64_t grace_ms);
/* Stops with no grace if that has not been done. Loops must run, or never have. */
void dfs_listener_free(struct dfs_listener **lp);

#endif
