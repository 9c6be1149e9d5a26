/* SPDX-License-Identifier: Apache-2.0 */
#include "dfscore/wire/header.h"

struct command {
    uint8_t code;
    const char *name;
    const char *to;
};

static const struct command commands[] = {
#define DFS_CMD(id, code, name, from, to) {(code), name, to},
#include "dfscore/wire/commands.def"
#undef DFS_CMD
};

void dfs_header_put(const struct dfs_header *h, uint8_t out[DFS_HEADER_LEN])
{
    for (unsigned i = 0; i < 8; i++)
        out[i] = (uint8_t)(h->len >> 8 * (7 - i));
    out[8] = h->cmd;
    out[9] = h->status;
}

int dfs_header_get(const uint8_t in[DFS_HEADER_LEN], struct dfs_header *ret)
{
    uint64_t len = 0;
    for (unsigned i = 0; i < 8; i++)
        len = len << 8 | in[i];
    if (len > INT64_MAX)
        return -EBADMSG;
    *ret = (struct dfs_header){len, in[8], in[9]};
    return 0;
}

static const struct command *find(uint8_t cmd)
{
    for (size_t i = 0; i < ARRAY_LEN(commands); i++)
        if (commands[i].code == cmd)
            return &commands[i];
    return NULL;
}

const char *dfs_cmd_name(uint8_t cmd)
{
    const struct command *c = find(cmd);
    return c ? c->name : "unknown";
}

bool dfs_cmd_known(uint8_t cmd, char receiver)
{
    const struct command *c = find(cmd);
    return c && cmd != DFS_CMD_RESPONSE && strchr(c->to, receiver);
}
