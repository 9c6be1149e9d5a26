/* SPDX-License-Identifier: Apache-2.0 */
/*
 * secret - the cluster secret, and how two ends of a connection prove to each other that they know
 * it.
 *
 *   client                                   server
 *   AUTH_NONCE  client nonce[32]         ->
 *                                        <-  server nonce[32]
 *   AUTH_PROOF  HMAC(K, "client" ...)    ->                       K: the secret
 *                                        <-  HMAC(K, "server" ...)
 *
 * A proof is HMAC-SHA256 over "dfs-auth-1 client" or "dfs-auth-1 server" (17 bytes), client nonce,
 * server nonce. Both nonces are random, so a proof is worth nothing on another connection; the
 * names of the sides differ, so none can be sent back. The client goes first: a stranger who
 * connects learns nothing that secrets could be tried against. One attempt per connection.
 *
 * What it is not: the bytes that follow are neither hidden nor signed. Where somebody can change
 * packets between the servers, TLS (tls.h) is needed as well.
 *
 * How to use it. Servers: set dfs_service.secret; conn.c then answers both commands, and
 * dfs_conn_proved() says whether the peer has passed. Clients: set dfs_peer_opts.secret;
 * dfs_peer_open() then returns only connections on which both sides have proved themselves. The
 * steps below are for other transports.
 *
 * Threads: a secret is constant; a struct dfs_auth belongs to its connection.
 */
#ifndef DFS_SECRET_H
#define DFS_SECRET_H

#include "dfscore/base/buf.h"

struct dfs_secret;

enum {
    DFS_SECRET_MIN = 16, /* bytes, blanks at both ends not counted */
    DFS_SECRET_MAX = 1024,
    DFS_AUTH_LEN = 32, /* of a nonce, of a proof */
};

/*
 * Read the secret from a file (`openssl rand -base64 32 >FILE; chmod 600 FILE`). Blanks and line
 * ends around it do not count. 0; -EPERM: others than the owner may read or write the file;
 * -EINVAL: shorter or longer than allowed; -ENOMEM; the errno of opening or reading.
 */
int dfs_secret_load(const char *path, struct dfs_secret **ret) MUST_CHECK;
/* What to tell a human when that failed. */
const char *dfs_secret_error(int r);
/* The setting cluster_secret_file: *ret stays as it is without a @file (""). As load, and @err says it in a line. */
int dfs_secret_setting(const char *file, struct dfs_secret **ret, struct buf *err) MUST_CHECK;
/* From memory. 0, -EINVAL, -ENOMEM. */
int dfs_secret_new(struct str text, struct dfs_secret **ret) MUST_CHECK;
/* Wipes it. */
void dfs_secret_free(struct dfs_secret **sp);

/* One connection's state, on either side. Zeroed: nothing has happened yet. */
struct dfs_auth {
    enum { DFS_AUTH_NEW, DFS_AUTH_ASKED, DFS_AUTH_PROVED, DFS_AUTH_FAILED } state;
    uint8_t client[DFS_AUTH_LEN], server[DFS_AUTH_LEN]; /* the nonces */
};

/* Server: AUTH_NONCE has come; @answer gets our nonce. 0, -EINVAL, -EACCES (a second attempt),
 * -EIO. */
int dfs_auth_challenge(struct dfs_auth *a, struct str nonce,
                       uint8_t answer[DFS_AUTH_LEN]) MUST_CHECK;
/* Server: AUTH_PROOF has come; @answer gets ours. 0: the peer knows the secret; -EACCES: it does
 * not. */
int dfs_auth_check(struct dfs_auth *a, const struct dfs_secret *s, struct str proof,
                   uint8_t answer[DFS_AUTH_LEN]) MUST_CHECK;
/* Client: what to send, with what came back from the step before. 0, -EACCES, -EINVAL, -EIO. */
int dfs_auth_begin(struct dfs_auth *a, uint8_t nonce[DFS_AUTH_LEN]) MUST_CHECK;
int dfs_auth_prove(struct dfs_auth *a, const struct dfs_secret *s, struct str nonce,
                   uint8_t proof[DFS_AUTH_LEN]) MUST_CHECK;
int dfs_auth_accept(struct dfs_auth *a, const struct dfs_secret *s, struct str proof) MUST_CHECK;

#endif
