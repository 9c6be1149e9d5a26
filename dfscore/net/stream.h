/* SPDX-License-Identifier: Apache-2.0 */
/*
 * stream - the bytes of a connected socket, plain or by TLS; non-blocking or not, as the socket is.
 *
 * Errors are negative errno: -EAGAIN when the socket would block (also when SO_RCVTIMEO or SO_SNDTIMEO of a
 * blocking one has passed). TLS adds: -EKEYEXPIRED and -EKEYREJECTED, a certificate that is out of date or
 * not of our authority, theirs or (they say) ours; -EPROTO, what came is no TLS. A TLS connection that ends
 * without saying so is -ECONNRESET, never an end: nobody can cut an answer short unnoticed.
 *
 * Repeating a send after -EAGAIN: with the same bytes, or the same and more.
 * Threads: one at a time, save shutdown() of the descriptor. SIGPIPE is never raised.
 */
#ifndef DFS_STREAM_H
#define DFS_STREAM_H

#include <sys/types.h>
#include <sys/uio.h>

#include "dfscore/net/addr.h"

struct dfs_tls;
struct dfs_tls_link;

struct dfs_stream {
    int fd;                    /* owned; -1: closed */
    struct dfs_tls_link *link; /* owned; NULL: plain */
};

enum {
    DFS_TLS_FIRST_BYTE = 0x16, /* of a TLS client. As a length of ours it would be 1.6 exabytes */
    DFS_TLS_HANDSHAKE_MS = 10000,
};

/* From now on by TLS; @incoming: they speak first. 0 or -ENOMEM. Then shake hands until that is 0. */
int dfs_stream_tls(struct dfs_stream *s, const struct dfs_tls *tls, bool incoming,
                   const struct dfs_addr *peer) MUST_CHECK;
/* 0: both sides have shown a certificate that the other took (they may still refuse ours: the first recv
 * says so). -EAGAIN: wait for what dfs_stream_wants_write() says. Errors are final, and reported. */
int dfs_stream_shake(struct dfs_stream *s) MUST_CHECK;
/* What the last -EAGAIN of shake or recv waits for: the socket to be writable rather than readable. */
bool dfs_stream_wants_write(const struct dfs_stream *s);

/* > 0 bytes; 0: the end. @flags: of recv(2), for plain ones. With TLS a short count does not mean that nothing is
 * left: only -EAGAIN does. */
ssize_t dfs_stream_recv(struct dfs_stream *s, void *to, size_t n, int flags) MUST_CHECK;
/* > 0 bytes of all that @iov names, which holds some. @more: further bytes follow at once. */
ssize_t dfs_stream_send(struct dfs_stream *s, const struct iovec *iov, size_t n,
                        bool more) MUST_CHECK;
/* Up to @n bytes of @fd from @off: by sendfile when plain. 0: the file ends there. */
ssize_t dfs_stream_send_file(struct dfs_stream *s, int fd, uint64_t off, size_t n) MUST_CHECK;

/* Nothing more from us; theirs may still come. */
void dfs_stream_end(struct dfs_stream *s);
/* With TLS says goodbye first, if that does not block. */
void dfs_stream_close(struct dfs_stream *s);

#endif
