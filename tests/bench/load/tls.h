/* SPDX-License-Identifier: Apache-2.0 */
/*
 * tls - the client's side of TLS on a connection that does not block. Certificates are not judged:
 * this measures.
 *
 * Threads: the generator's one.
 */
#ifndef LOAD_TLS_H
#define LOAD_TLS_H

#include <sys/types.h>
#include <sys/uio.h>

struct ssl_ctx_st;
struct ssl_st;

/* 0 or -ENOMEM. */
int tls_new(struct ssl_ctx_st **ret);
void tls_free(struct ssl_ctx_st **ctx);

/* The handshake happens under the first reads and writes. 0 or -ENOMEM. */
int tls_open(struct ssl_ctx_st *ctx, int fd, struct ssl_st **ret);
/* Before the descriptor is closed. */
void tls_close(struct ssl_st **s);

/* As readv(2) and writev(2) for what they return; -EAGAIN, -EPROTO. A read takes in one record at most, and all
 * of it when @n is 16 KiB or more, so what poll(2) says holds. */
ssize_t tls_read(struct ssl_st *s, void *out, size_t n);
ssize_t tls_write(struct ssl_st *s, const struct iovec *v, size_t nv);

#endif
