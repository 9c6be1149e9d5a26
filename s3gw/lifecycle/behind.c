/* SPDX-License-Identifier: Apache-2.0 */
#include "s3gw/lifecycle/behind.h"

#include "s3gw/dfs/describe.h"
#include "s3gw/dfs/dfs.h"
#include "s3gw/index/index.h"
#include "s3gw/lifecycle/settled.h"

enum { ENTRIES_A_FRAME = 500, FRAME_MAX = 16 * 1024 * 1024, ARENA_MAX = 16 * 1024 * 1024 };

static int judge(const struct s3_gw *gw, const struct s3_scan_entry *e, uint64_t committed)
{
    struct s3_desc d;
    if (s3_desc_decode(e->description, &d) < 0)
        return S3_INDEX_CURRENT;
    if (committed > 0 && s3_desc_is_foreign(&d, gw->index_id))
        return S3_INDEX_OTHER;
    return committed == 0 || d.committed > committed ? S3_INDEX_BEHIND : S3_INDEX_CURRENT;
}

static int follow(struct s3_gw *gw, const struct s3_log *log, uint64_t committed)
{
    uint64_t position = 0;
    int r = s3_settled_from(gw, log, &position);
    for (bool end = false; r == 0 && !end && position < log->end;) {
        AUTO(arena_fini) struct arena a;
        AUTO(buf_free) struct buf frame = BUF(FRAME_MAX);
        arena_init(&a, ARENA_MAX);
        struct s3_scan_entry *e;
        size_t n;
        r = s3_dfs_scan(gw->dfs, log, &position, ENTRIES_A_FRAME, true, &frame, &a, &e, &n, &end);
        for (size_t i = 0; r == 0 && i < n; i++)
            r = judge(gw, &e[i], committed);
    }
    return r;
}

int s3_index_behind(struct s3_gw *gw)
{
    uint64_t committed = s3_index_committed(gw->index);
    AUTO(arena_fini) struct arena a;
    arena_init(&a, ARENA_MAX);
    struct s3_log *logs;
    size_t n;
    int r = s3_dfs_logs(gw->dfs, &a, &logs, &n);
    for (size_t i = 0; r == 0 && i < n; i++)
        r = follow(gw, &logs[i], committed);
    return r;
}
