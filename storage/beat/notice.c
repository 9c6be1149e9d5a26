/* SPDX-License-Identifier: Apache-2.0 */
#include "storage/beat/notice.h"

int sto_notice_parse(struct str body, struct sto_notice *ret)
{
    struct rd r = rd_of(body);
    uint8_t flags = rd_u8(&r);
    if (r.bad || (flags & ~(DFS_NOTICE_LEADER | DFS_NOTICE_TRUNK_SERVER | DFS_NOTICE_MEMBERS)))
        return -EINVAL;
    struct sto_notice n = {
        .has_leader = (flags & DFS_NOTICE_LEADER) != 0,
        .has_trunk_server = (flags & DFS_NOTICE_TRUNK_SERVER) != 0,
        .has_members = (flags & DFS_NOTICE_MEMBERS) != 0,
    };
    if (n.has_leader)
        dfs_brief_read(&r, &n.leader);
    if (n.has_trunk_server)
        dfs_brief_read(&r, &n.trunk_server);
    while (n.has_members && !r.bad && r.n > 0) {
        if (n.member_count == DFS_SERVERS_MAX)
            return -EINVAL;
        dfs_brief_read(&r, &n.members[n.member_count++]);
    }
    if (r.bad || r.n > 0)
        return -EINVAL;
    *ret = n;
    return 0;
}
