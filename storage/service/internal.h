/* SPDX-License-Identifier: Apache-2.0 */
/*
 * internal - serves dfscore/wire/internal.h (commands 180 and up) to gateways: on a Unix-domain socket,
 * and on connections of the TCP port that the service hands over.
 *
 * Trust: the socket file has mode 0600 and lies in a directory of ours, so only the same user gets in. What
 * the service hands over has proved the cluster secret, or shown the cluster's certificate.
 * Threads: one listener, one blocking thread per connection, at most max_connections.
 */
#ifndef STO_INTERNAL_H
#define STO_INTERNAL_H

#include "dfscore/base/str.h"

struct dfs_stream;
struct sto_copies;
struct sto_store;
struct sto_mirrors;
struct sto_repair;
struct sto_scrub;
struct dfs_client;
struct sto_internal;

struct sto_internal_options {
    const char *socket_path;     /* at most 107 bytes; a stale file is replaced */
    struct sto_store *store;     /* outlives the server */
    struct sto_copies *copies;   /* outlives the server; NULL: our own copy is enough */
    struct sto_mirrors *mirrors; /* the same; NULL: nothing is told of other servers' logs */
    struct sto_repair *repair;   /* the same; NULL: what is damaged stays so */
    struct sto_scrub *scrub;     /* the same; NULL: there is none */
    struct dfs_client *cluster;  /* the same; for files that have moved to other groups */
    unsigned max_connections;    /* 0: 256; further ones are closed at once */
    /* TCP only: a gateway that takes nothing of an answer, or stalls within a request, for so long is dropped; 0: never */
    uint64_t stall_ms;
};

/* Listens when it returns 0. Negative errno otherwise. */
int sto_internal_start(const struct sto_internal_options *o, struct sto_internal **ret) MUST_CHECK;
/*
 * Take over a TCP connection, plain or TLS, that has proved to be of the cluster and said HELLO; @hello is that
 * request's body, answered here. Takes @stream in any case.
 */
void sto_internal_adopt(struct sto_internal *s, struct dfs_stream *stream, struct str hello);
/* Closes all connections, waits for their threads, removes the socket file. */
void sto_internal_stop(struct sto_internal **sp);

#endif
