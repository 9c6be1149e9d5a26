/* SPDX-License-Identifier: Apache-2.0 */
/*
 * header - the 10 bytes in front of every message, and the numbers of the commands.
 *
 * Rule:    protocol 2.1, 10.
 * Threads: no state.
 */
#ifndef DFS_HEADER_H
#define DFS_HEADER_H

#include "dfscore/base/str.h"

enum { DFS_HEADER_LEN = 10 };

/* Length in the answer of FETCH_BINLOG, whose real length is unknown when it starts (protocol 8.13). */
#define DFS_LEN_UNKNOWN (UINT64_C(1) << 58)

enum dfs_cmd {
#define DFS_CMD(id, code, name, from, to) DFS_CMD_##id = (code),
#include "dfscore/wire/commands.def"
#undef DFS_CMD
};

struct dfs_header {
    uint64_t len;   /* of the body, bytes; < 2^63 */
    uint8_t cmd;    /* enum dfs_cmd, or anything a peer sends */
    uint8_t status; /* requests: 0 or a flag; answers: see status.h */
};

void dfs_header_put(const struct dfs_header *h, uint8_t out[DFS_HEADER_LEN]);
/* 0, or -EBADMSG for a negative length (all 64 bits are looked at). *ret on 0. */
int dfs_header_get(const uint8_t in[DFS_HEADER_LEN], struct dfs_header *ret) MUST_CHECK;

/* Log name of a command, "tracker.join"; "unknown" for others. A static string. */
const char *dfs_cmd_name(uint8_t cmd);
/* True when a server of kind 'S' or 'T' understands @cmd according to the specification. */
bool dfs_cmd_known(uint8_t cmd, char receiver);

#endif
