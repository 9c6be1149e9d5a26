/* SPDX-License-Identifier: Apache-2.0 */
/*
 * internal - serves dfscore/wire/internal.h (commands 180..188) on a Unix-domain socket.
 *
 * Trust: the socket file has mode 0600 and lies in a directory of ours, so only the same user gets in.
 * Threads: one listener, one blocking thread per connection, at most max_connections.
 */
#ifndef STO_INTERNAL_H
#define STO_INTERNAL_H

#include "dfscore/base/base.h"

struct sto_store;
struct sto_internal;

struct sto_internal_options {
    const char *socket_path; /* at most 107 bytes; a stale file is replaced */
    struct sto_store *store; /* outlives the server */
    unsigned max_connections; /* 0: 64; further ones are closed at once */
};

/* Listens when it returns 0. Negative errno otherwise. */
int sto_internal_start(const struct sto_internal_options *o, struct sto_internal **ret) MUST_CHECK;
/* Closes all connections, waits for their threads, removes the socket file. */
void sto_internal_stop(struct sto_internal **sp);

#endif
