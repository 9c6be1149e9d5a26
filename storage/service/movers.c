/* SPDX-License-Identifier: Apache-2.0 */
#include "storage/service/movers.h"

#include <stdio.h>

#include "dfscore/fileid/fileid.h"
#include "dfscore/wire/internal.h"

enum { META_MAX = 64 * 1024 * 1024 };

static bool is_member(const struct sto_member *m)
{
    return !dfs_server_left(m->status);
}

bool sto_movers_own(const struct sto_mover_options *o, struct str name)
{
    struct sto_member self, peers[DFS_SERVERS_MAX];
    struct dfs_fileid f;
    char source[16];
    if (dfs_filename_parse(name, &f) < 0)
        return false;
    dfs_fileid_source_text(&f, source);
    if (strcmp(source, sto_store_server(o->store)) == 0)
        return true;
    sto_members_get_self(o->members, &self);
    size_t n = sto_members_peers(o->members, peers);
    bool least = true;
    for (size_t i = 0; i < n; i++) {
        if (!is_member(&peers[i]))
            continue;
        if (strcmp(source, peers[i].id) == 0 || strcmp(source, peers[i].ip) == 0)
            return false;
        least = least && strcmp(self.id, peers[i].id) < 0;
    }
    return least;
}

/* 0; -EAGAIN: its copy is another, or not there yet; other: it does not answer. */
static int same_there(struct dfs_peer *p, const char *group, const struct sto_move *mv)
{
    struct dfs_group g;
    struct dfs_file_info_rsp info;
    AUTO(buf_free) struct buf head = BUF(DFS_GROUP_LEN);
    AUTO(buf_free) struct buf rsp = BUF(META_MAX);
    int r = dfs_text_set(g.group, sizeof(g.group), str_c(group));
    if (r < 0)
        return r;
    dfs_group_put(&head, &g);
    const struct str parts[] = {buf_str(&head), mv->name};
    r = dfs_peer_call(p, DFS_CMD_GET_METADATA, DFS_ASK_NO_OTHER_GROUP, parts, 2, &rsp);
    struct str meta = r == 0 ? buf_str(&rsp) : STR("");
    if (r == -EREMOTE || ((r == 0 || r == -ENOENT) && !str_eq(meta, buf_str(&mv->meta))))
        return -EAGAIN;
    if (r < 0 && r != -ENOENT)
        return r;
    if (!mv->appender)
        return 0; /* nothing but metadata ever changes */
    r = dfs_peer_call(p, DFS_CMD_FILE_INFO, DFS_INFO_SILENT | DFS_ASK_NO_OTHER_GROUP, parts, 2,
                      &rsp);
    if (r == -ENOENT || r == -EREMOTE)
        return -EAGAIN;
    if (r == 0)
        r = dfs_file_info_rsp_get(buf_str(&rsp), &info);
    if (r < 0)
        return r;
    return (uint64_t)info.size == mv->view.size && (uint32_t)info.crc32 == mv->crc32 ? 0 : -EAGAIN;
}

int sto_movers_ask(const struct sto_mover_options *o, const struct sto_move *mv)
{
    struct sto_member peers[DFS_SERVERS_MAX];
    struct dfs_connpool *pool = dfs_client_pool(o->cluster);
    size_t n = sto_members_peers(o->members, peers);
    for (size_t i = 0; i < n; i++) {
        if (!is_member(&peers[i]))
            continue;
        if (peers[i].status != DFS_ST_ACTIVE)
            return -EHOSTDOWN;
        if (!mv)
            continue;
        struct dfs_peer *p = NULL;
        struct dfs_addr addr = {.port = peers[i].port};
        (void)snprintf(addr.host, sizeof(addr.host), "%s", peers[i].ip);
        int r = dfs_connpool_get(pool, &addr, &p);
        if (r == 0)
            r = same_there(p, sto_store_group(o->store), mv);
        dfs_connpool_put(pool, &p);
        if (r < 0)
            return r;
    }
    return 0;
}
