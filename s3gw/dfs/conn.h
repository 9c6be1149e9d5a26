/* SPDX-License-Identifier: Apache-2.0 */
/*
 * conn - a blocking connection to a storage, speaking dfscore/wire/internal.h: to its trusted
 * socket, or to its TCP port after a proof of the cluster secret, by TLS, or both.
 *
 * Every step has a deadline. Threads: one at a time.
 */
#ifndef S3_DFS_CONN_H
#define S3_DFS_CONN_H

#include "dfscore/base/buf.h"
#include "dfscore/net/stream.h"
#include "dfscore/wire/internal.h"

struct dfs_secret;
struct dfs_tls;
struct s3_tenure;

struct s3_store_conn {
    struct dfs_stream stream; /* fd -1: closed */
    uint8_t copies;           /* asked for with what is written; 0: the storage's min_copies */
    const struct s3_tenure *tenure; /* the dial's */
    bool sent;                      /* the last call's request may have reached the storage */
    struct buf in;                  /* the last answer's body */
};

/* Whom to connect to. */
struct s3_store_dial {
    struct dfs_addr addr;            /* a path: the trusted socket; else TCP */
    const struct dfs_secret *secret; /* TCP; without it and without tls: -EACCES */
    const struct dfs_tls *tls;       /* TCP; NULL: plain */
    const struct s3_tenure *tenure;  /* nothing is changed beyond it: -ENOLCK. NULL: no limit */
    uint64_t session;
    unsigned connect_ms; /* TCP: longest wait for a connection */
    unsigned timeout_ms; /* longest wait for the next byte to move */
    struct str group;    /* it must be of this group, else -EPROTO */
    uint8_t
        copies;  /* ask for so many with all that is written; -EOPNOTSUPP when it cannot be asked */
    char id[17]; /* in: who it must be, or empty; out: its storage id */
};

void s3_store_conn_init(struct s3_store_conn *c);
void s3_store_conn_fini(struct s3_store_conn *c);
void s3_store_conn_close(struct s3_store_conn *c);

/* Connect, prove, say HELLO. -ECONNREFUSED, -ENOENT (nobody there), -EACCES, -EPROTO, -ETIMEDOUT
 * ... */
int s3_store_conn_open(struct s3_store_conn *c, struct s3_store_dial *d) MUST_CHECK;
/* Longest wait for the next byte from now on, instead of the dial's. */
void s3_store_conn_patience(struct s3_store_conn *c, uint64_t timeout_ms);
/* Has the other side hung up, or spoken out of turn, while the connection was idle? */
bool s3_store_conn_stale(const struct s3_store_conn *c);

/*
 * One request and its answer, whose body is then in c->in. @iov: iov[0] is left to this function,
 * the body is in iov[1] .. iov[n - 1]; all are changed.
 * @fd: NULL, or receives the descriptor that came along (-1: none).
 * 0; the storage's status as negative errno (the connection stays usable); or a transport error,
 * after which the connection is closed and c->stream.fd is -1.
 */
int s3_store_conn_call(struct s3_store_conn *c, uint8_t cmd, struct iovec *iov, size_t n,
                       int *fd) MUST_CHECK;
/* The same with a body in one piece. */
int s3_store_conn_ask(struct s3_store_conn *c, uint8_t cmd, struct str body, int *fd) MUST_CHECK;

/* The two halves of a call, for who waits elsewhere in between. Errors as above. */
int s3_store_conn_send(struct s3_store_conn *c, uint8_t cmd, struct str body) MUST_CHECK;
/* An answer of exactly @n bytes, to @out. -EPROTO: of another length. */
int s3_store_conn_take(struct s3_store_conn *c, void *out, size_t n) MUST_CHECK;

#endif
