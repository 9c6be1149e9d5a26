/* SPDX-License-Identifier: Apache-2.0 */
/* paths - which store paths of a group take no new files, as all its servers say. */
#include <stdatomic.h>

#include "dfscore/client/group_view.h"
#include "s3gw/dfs/store.h"

/* 0, 1 (files are on their way there), -EPERM (it takes new ones), -ENOENT, or why it does not answer. */
static int is_closed_at(struct s3_store *s, unsigned path)
{
    AUTO(buf_free) struct buf got = BUF(1 + 255 * 5);
    int r = s3_store_ask(s, DFS_INT_PATHS, STR_NULL, true, &got, NULL);
    if (r < 0)
        return r == -EOPNOTSUPP || r == -EINVAL ? -EPERM : r; /* an earlier build */
    struct dfs_path_view paths[DFS_PATHS_MAX];
    unsigned n;
    r = dfs_decode_paths(buf_str(&got), paths, &n);
    if (r < 0 || path >= n)
        return r < 0 ? r : -ENOENT;
    return paths[path].closed ? paths[path].incoming > 0 : -EPERM;
}

int s3_dfs_path_closed(struct s3_dfs *d, struct str group, unsigned path)
{
    CHECK_OBJ(d, S3_DFS_MAGIC);
    struct s3_group *g = s3_group_named(d, group);
    if (!g || s3_group_gone(g))
        return -ENOENT;
    size_t n = atomic_load(&g->n);
    int busy = 0;
    for (size_t i = 0; i < n; i++) {
        struct s3_store *s = g->members[i];
        int r = atomic_load(&s->retired) ? 0 : is_closed_at(s, path);
        if (r < 0)
            return r;
        busy |= r;
    }
    return busy;
}
