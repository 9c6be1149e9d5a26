/* SPDX-License-Identifier: Apache-2.0 */
/*
 * line - the conversation with a peer as a table, so that tests can put a simulated network there.
 *
 * Entries behave like dfs_peer_* of their name (dfscore/net/peer.h), which is what sto_line_tcp has.
 * Threads: as there; cut from any.
 */
#ifndef STO_LINE_H
#define STO_LINE_H

#include "dfscore/net/peer.h"

struct sto_line {
    int (*open)(const struct dfs_addr *addr, const struct dfs_peer_opts *opts,
                struct dfs_peer **ret);
    void (*free)(struct dfs_peer **pp);
    bool (*broken)(const struct dfs_peer *p);
    void (*timeout)(struct dfs_peer *p, uint64_t timeout_ms);
    int (*send)(struct dfs_peer *p, uint8_t cmd, uint8_t status, const struct str *parts, size_t n,
                uint64_t more);
    int (*answer)(struct dfs_peer *p, uint64_t *ret_len);
    int (*read)(struct dfs_peer *p, void *to, size_t n);
    int (*call)(struct dfs_peer *p, uint8_t cmd, uint8_t status, const struct str *parts, size_t n,
                struct buf *rsp);
    void (*cut)(struct dfs_peer *p); /* a blocked call, and every later one, fails soon */
};

extern const struct sto_line sto_line_tcp;

/* 15: the metadata of @name of @group as they are there, FastDFS's text, in @rsp, which is reset; none when the file is not
 * there. 0 or errno; -EREMOTE: the file has moved to another group. */
int sto_line_meta(const struct sto_line *line, struct dfs_peer *p, const char *group,
                  struct str name, struct buf *rsp) MUST_CHECK;

#endif
