/* SPDX-License-Identifier: Apache-2.0 */
/* native - files that FastDFS's clients stored: what they are, whether they are still there. */
#include <stdatomic.h>

#include "dfscore/wire/status.h"
#include "s3gw/dfs/store.h"

enum {
    ASK_MAX = 4 + DFS_INFO_ITEMS_MAX * (2 + DFS_FILE_ID_MAX),
    ANSWER_MAX = 4 + DFS_INFO_ITEMS_MAX * (1 + 8 + 8 + 4 + DFS_INFO_META_MAX),
    ADOPTED_LEN = 3 * 8,
    PATHS_MAX = 256,
};

static int read_info(struct str answer, struct arena *a, struct s3_dfs_native *f, size_t n)
{
    struct rd in = rd_of(answer);
    if (rd_u32(&in) != n)
        return -EPROTO;
    for (size_t i = 0; i < n; i++) {
        bool there = rd_u8(&in) == 0;
        f[i].size = rd_u64(&in);
        f[i].mtime_s = (int64_t)rd_u64(&in);
        f[i].metadata = arena_str(a, rd_bytes(&in, rd_u32(&in)));
        f[i].there = there;
        if (in.bad || f[i].size > INT64_MAX)
            return -EPROTO;
        if (!f[i].metadata.p)
            return -ENOMEM;
    }
    return in.n == 0 ? 0 : -EPROTO;
}

int s3_dfs_native_info(struct s3_dfs *d, const struct s3_log *log, struct arena *a,
                       struct s3_dfs_native *f, size_t n)
{
    CHECK_OBJ(d, S3_DFS_MAGIC);
    ASSERT(log->holder < atomic_load(&d->nstores) && n <= DFS_INFO_ITEMS_MAX);
    AUTO(buf_free) struct buf ask = BUF(ASK_MAX), answer = BUF(ANSWER_MAX);
    buf_u32(&ask, (uint32_t)n);
    for (size_t i = 0; i < n; i++) {
        buf_u16(&ask, (uint16_t)f[i].file_id.n);
        buf_adds(&ask, f[i].file_id);
    }
    int r = buf_err(&ask);
    if (r == 0)
        r = s3_store_ask(d->stores[log->holder], DFS_INT_FILES_INFO, buf_str(&ask), true, &answer,
                         NULL);
    return r < 0 ? r : read_info(buf_str(&answer), a, f, n);
}

static int size_at(struct s3_store *s, struct str body, uint64_t *ret)
{
    AUTO(buf_free) struct buf answer = BUF(ANSWER_MAX);
    int r = s3_store_ask(s, DFS_INT_FILES_INFO, body, true, &answer, NULL);
    if (r < 0)
        return r;
    struct rd in = rd_of(buf_str(&answer));
    uint32_t n = rd_u32(&in);
    uint8_t status = rd_u8(&in);
    uint64_t size = rd_u64(&in);
    if (n != 1 || in.bad || size > INT64_MAX)
        return -EPROTO;
    if (status == 0)
        *ret = size;
    return dfs_status_errno(status);
}

int s3_native_size(struct s3_dfs *d, struct str file_id, uint64_t *ret)
{
    AUTO(buf_free) struct buf ask = BUF(ASK_MAX);
    struct s3_group *g = s3_group_of_file(d, file_id);
    size_t n = g ? atomic_load(&g->n) : 0;
    int failure = n > 0 ? -ENOENT : -EHOSTUNREACH; /* missing only when every one of them says so */
    buf_u32(&ask, 1);
    buf_u16(&ask, (uint16_t)file_id.n);
    buf_adds(&ask, file_id);
    if (buf_err(&ask))
        return buf_err(&ask);
    for (size_t i = 0; i < n; i++) {
        if (atomic_load(&g->members[i]->retired))
            continue;
        int r = size_at(g->members[i], buf_str(&ask), ret);
        if (r == 0)
            return 0;
        failure = r == -ENOENT ? failure : r;
    }
    return failure;
}

static int path_adopted(struct s3_store *s, unsigned path, struct s3_dfs_adopted *ret)
{
    AUTO(buf_free) struct buf got = BUF(ADOPTED_LEN);
    const uint8_t body = (uint8_t)path;
    int r = s3_store_ask(s, DFS_INT_ADOPTED, str_of(&body, 1), true, &got, NULL);
    if (r < 0)
        return r == -ENOENT ? 0 : r;
    struct rd in = rd_of(buf_str(&got));
    ret->files += rd_u64(&in);
    ret->containers += rd_u64(&in);
    ret->skipped += rd_u64(&in);
    return in.bad ? -EPROTO : 0;
}

int s3_dfs_adopted(struct s3_dfs *d, struct str group, struct s3_dfs_adopted *ret)
{
    CHECK_OBJ(d, S3_DFS_MAGIC);
    struct s3_group *g = s3_group_named(d, group);
    *ret = (struct s3_dfs_adopted){0};
    size_t n = g ? atomic_load(&g->n) : 0;
    for (size_t i = 0; i < n; i++) {
        struct s3_dfs_adopted one = {0};
        int r = 0; /* -EINVAL: no such path, that was all */
        for (unsigned path = 0; r == 0 && path < PATHS_MAX; path++)
            r = path_adopted(g->members[i], path, &one);
        ret->files = MAX(ret->files, one.files);
        ret->containers = MAX(ret->containers, one.containers);
        ret->skipped = MAX(ret->skipped, one.skipped);
    }
    return g ? 0 : -ENOENT;
}
