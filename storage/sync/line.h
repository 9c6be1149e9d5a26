/* SPDX-License-Identifier: Apache-2.0 */
/*
 * line - the conversation with a peer as a table, so that tests can put a simulated network there.
 *
 * Entries behave like dfs_peer_* of their name (dfscore/net/peer.h), which is what sto_line_tcp has.
 * Threads: as there; cut from any.
 */
#ifndef STO_LINE_H
#define STO_LINE_H

#include "dfscore/base/buf.h"
#include "dfscore/net/peer.h"
#include "storage/group/members.h"

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

/* A connection from our address in the group to @m, with the rest as @net says. As dfs_peer_open(). */
int sto_line_reach(const struct sto_line *line, struct sto_members *members,
                   const struct sto_member *m, const struct dfs_peer_opts *net,
                   struct dfs_peer **ret) MUST_CHECK;

/*
 * 22, as members are told it: the version (trunk/version.h) of what the peer itself has of @name. @rsp: for the answer.
 * -ENOENT; -ENODATA: it does not have it, which says little, as it is not complete.
 */
int sto_line_version(const struct sto_line *line, struct dfs_peer *p, const char *group,
                     struct str name, struct buf *rsp, int64_t *ret) MUST_CHECK;

/* What a peer says of a file's metadata. */
struct sto_line_meta {
    struct str text; /* FastDFS's; a view of the answer */
    int64_t ms;      /* their time there, as sto_replica_meta() takes it */
};
/*
 * 196: of the first *ret_n of @n files, one at least, told one after the other by sto_line_meta_next() from *ret, which is a
 * view of @rsp. -EOPNOTSUPP: the peer is of an earlier build, which may have closed the connection.
 */
int sto_line_metas(const struct sto_line *line, struct dfs_peer *p, const struct str *names,
                   size_t n, struct buf *rsp, struct rd *ret, size_t *ret_n) MUST_CHECK;
int sto_line_meta_next(struct rd *r, struct sto_line_meta *ret) MUST_CHECK; /* -EPROTO */

/* 15: of one file, from a peer of an earlier build, STO_META_UNTIMED. 0 also when it is not there; -EREMOTE: it has moved
 * to another group. */
int sto_line_meta(const struct sto_line *line, struct dfs_peer *p, const char *group,
                  struct str name, struct buf *rsp, struct sto_line_meta *ret) MUST_CHECK;

#endif
