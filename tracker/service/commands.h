/* SPDX-License-Identifier: Apache-2.0 */
/*
 * commands - the table of commands, and how it hangs on a listener.
 * Threads: the listener's loops call what is inside; new and free before and after them.
 */
#ifndef TRK_COMMANDS_H
#define TRK_COMMANDS_H

#include "dfscore/net/conn.h"
#include "tracker/service/server.h"

struct trk_commands {
    struct dfs_service service; /* for dfs_listener_new */
    const struct dfs_allow
        *server_hosts; /* without a secret and required TLS; NULL: everybody the listener lets in */
    struct dfs_command commands[];
};

struct trk_commands_opts {
    const struct dfs_allow *server_hosts; /* outlives it */
    const struct dfs_secret *secret;      /* NULL: none. Outlives it */
    const struct dfs_tls *tls;            /* NULL: none. Outlives it */
    bool tls_required;                    /* servers only by TLS */
    uint64_t frame_max;
    uint64_t stall_ms; /* a peer that stalls this long is dropped */
};

/* 0 or -ENOMEM. */
int trk_commands_new(struct trk_server *srv, const struct trk_commands_opts *o,
                     struct trk_commands **ret) MUST_CHECK;
void trk_commands_free(struct trk_commands **tp);

#endif
