/* SPDX-License-Identifier: Apache-2.0 */
/*
 * notice - what a tracker says in the answer to a heartbeat, a disk report or a sync report.
 *
 * Rule:    fastdfs-protocol.md 6.4: flags, then the parts whose bit is set, each of briefs of 67
 *          bytes: leader 1, trunk server 1, members as many as are left.
 * Threads: no state.
 */
#ifndef STO_NOTICE_H
#define STO_NOTICE_H

#include "dfscore/wire/messages.h"

struct sto_notice {
    bool has_leader, has_trunk_server, has_members;
    struct dfs_brief leader;       /* port 0: there is none */
    struct dfs_brief trunk_server; /* id empty: there is none */
    struct dfs_brief members[DFS_SERVERS_MAX];
    size_t member_count;
};

/* 0 or -EINVAL (unknown bits, odd length, more than DFS_SERVERS_MAX members); *ret on 0. */
int sto_notice_parse(struct str body, struct sto_notice *ret) MUST_CHECK;

#endif
