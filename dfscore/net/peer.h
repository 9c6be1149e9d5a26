/* SPDX-License-Identifier: Apache-2.0 */
/*
 * peer - the client's side of a connection, blocking, with a deadline on every step.
 *
 * One request at a time. After any error but an answered status the connection is unusable
 * (dfs_peer_broken) and must be freed, not pooled.
 * Threads: one owner at a time. Signals: SIGPIPE is never raised.
 */
#ifndef DFS_PEER_H
#define DFS_PEER_H

#include "dfscore/base/buf.h"
#include "dfscore/net/addr.h"
#include "dfscore/net/secret.h"
#include "dfscore/wire/header.h"

struct dfs_peer;
struct dfs_stream;
struct dfs_tls;

struct dfs_peer_opts {
    uint64_t connect_ms;             /* > 0 */
    uint64_t timeout_ms;             /* > 0; longest wait for the next byte to move */
    const char *bind_ip;             /* local address, or two (dfs_source_for); NULL: any */
    const char *congestion;          /* TCP_CONGESTION; NULL: the system's */
    const struct dfs_secret *secret; /* NULL: no proof; else see dfs_peer_open */
    /* TCP is spoken by TLS, or not at all; NULL: plain. Outlives the peer */
    const struct dfs_tls *tls;
};

/*
 * Connect, to addr->alt when addr->host cannot be reached in half of the time. 0 or -errno (-ETIMEDOUT, -ECONNREFUSED,
 * -EHOSTUNREACH when the name is unknown...). With tls the handshake is part of it, and of connect_ms; its errors are
 * stream.h's. With a secret both sides then prove that they know it, each answer within connect_ms (a process that hangs
 * is connected to all the same); -EACCES when one does not. A wait for an answer ends, with -ETIMEDOUT or -ECONNRESET, some
 * seconds after the peer's machine has vanished, or is back from a reset.
 */
int dfs_peer_open(const struct dfs_addr *addr, const struct dfs_peer_opts *opts,
                  struct dfs_peer **ret);
/* Sends QUIT first when the connection is in good order. */
void dfs_peer_free(struct dfs_peer **pp);
/* The stream of an idle connection, non-blocking, for another conversation; the peer is freed. 0; -EPROTO (and
 * closed) when it is not idle. */
int dfs_peer_detach(struct dfs_peer **pp, struct dfs_stream *ret) MUST_CHECK;
const struct dfs_addr *dfs_peer_addr(const struct dfs_peer *p);
bool dfs_peer_broken(const struct dfs_peer *p);
/* In good order and with no answer under way: fit for the next request. */
bool dfs_peer_idle(const struct dfs_peer *p);
int dfs_peer_fd(const struct dfs_peer *p);
/* Longest wait from now on (FETCH_BINLOG wants 600 s). */
void dfs_peer_timeout(struct dfs_peer *p, uint64_t timeout_ms);

/*
 * Header with the length of all parts plus @more bytes that follow by dfs_peer_send_file, then
 * the parts. 0 or -errno.
 */
int dfs_peer_send(struct dfs_peer *p, uint8_t cmd, uint8_t status, const struct str *parts,
                  size_t n, uint64_t more) MUST_CHECK;
/* @len bytes of @fd from @off; -ENODATA (broken) when the file is shorter. */
int dfs_peer_send_file(struct dfs_peer *p, int fd, uint64_t off, uint64_t len) MUST_CHECK;

/*
 * Header of the answer. 0: *ret_len bytes of body follow and must be read. A status of the peer
 * comes back as its negative errno with the connection in good order (a body it should not have is
 * read and dropped). -EPROTO: not an answer.
 */
int dfs_peer_answer(struct dfs_peer *p, uint64_t *ret_len) MUST_CHECK;
int dfs_peer_read(struct dfs_peer *p, void *to, size_t n) MUST_CHECK; /* exactly n bytes */
/* 1..n bytes of the current body, 0 at end of file. */
int64_t dfs_peer_read_some(struct dfs_peer *p, void *to, size_t n) MUST_CHECK;

/*
 * The usual: request in, whole answer out. @rsp is reset, then gets the body; a longer body than its
 * ceiling is -EMSGSIZE and breaks the connection. @rsp NULL: the body must be empty.
 */
int dfs_peer_call(struct dfs_peer *p, uint8_t cmd, uint8_t status, const struct str *parts,
                  size_t n, struct buf *rsp) MUST_CHECK;

#endif
