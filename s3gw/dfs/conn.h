/* SPDX-License-Identifier: Apache-2.0 */
/*
 * conn - a blocking connection to a storage's trusted socket, speaking dfscore/wire/internal.h.
 * Threads: one at a time.
 */
#ifndef S3_DFS_CONN_H
#define S3_DFS_CONN_H

#include <sys/uio.h>

#include "dfscore/base/buf.h"
#include "dfscore/wire/internal.h"

struct s3_store_conn {
    int fd;        /* -1: closed */
    bool sent;     /* the last call's request may have reached the storage */
    struct buf in; /* the last answer's body */
};

enum { S3_STORE_TIMEOUT_S = 60 };

void s3_store_conn_init(struct s3_store_conn *c);
void s3_store_conn_fini(struct s3_store_conn *c);
void s3_store_conn_close(struct s3_store_conn *c);

/* Connect and say HELLO. -ECONNREFUSED, -ENOENT (nobody there), -EPROTO, -ETIMEDOUT ... */
int s3_store_conn_open(struct s3_store_conn *c, const char *socket_path,
                       uint64_t session) MUST_CHECK;

/*
 * One request and its answer, whose body is then in c->in. @iov: iov[0] is left to this function,
 * the body is in iov[1] .. iov[n - 1]; all are changed.
 * @fd: NULL, or receives the descriptor that came along (-1: none).
 * 0; the storage's status as negative errno (the connection stays usable); or a transport error,
 * after which the connection is closed and c->fd is -1.
 */
int s3_store_conn_call(struct s3_store_conn *c, uint8_t cmd, struct iovec *iov, size_t n,
                       int *fd) MUST_CHECK;
/* The same with a body in one piece. */
int s3_store_conn_ask(struct s3_store_conn *c, uint8_t cmd, struct str body, int *fd) MUST_CHECK;

#endif
