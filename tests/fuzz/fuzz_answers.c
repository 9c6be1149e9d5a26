/* SPDX-License-Identifier: Apache-2.0 */
/*
 * fuzz_answers - lists that servers answer with: what is accepted is accepted again after it was written anew. The first
 * byte picks the answer: 203 (what is drained), 197 (store paths), 92 (servers of a group).
 */
#include "dfscore/client/group_view.h"
#include "dfscore/client/tracker_client.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { ANSWER_MAX = 1024 * 1024 };

static void drains(struct str body)
{
    AUTO(dfs_free_ptr) struct dfs_drain *list = NULL;
    AUTO(buf_free) struct buf again = BUF(ANSWER_MAX);
    size_t n;
    if (dfs_decode_drains(body, &list, &n) < 0)
        return;
    ASSERT(n * DFS_DRAIN_LEN == body.n);
    for (size_t i = 0; i < n; i++) {
        ASSERT(strnlen(list[i].group, sizeof(list[i].group)) < sizeof(list[i].group) &&
               strnlen(list[i].id, sizeof(list[i].id)) < sizeof(list[i].id));
        dfs_drain_put(&again, &list[i]);
    }
    ASSERT(buf_err(&again) || again.n == body.n);
}

static void paths(struct str body)
{
    struct dfs_path_view list[DFS_PATHS_MAX];
    AUTO(buf_free) struct buf again = BUF(ANSWER_MAX);
    unsigned n;
    if (dfs_decode_paths(body, list, &n) < 0)
        return;
    buf_u8(&again, (uint8_t)n);
    for (unsigned i = 0; i < n; i++) {
        buf_u8(&again, list[i].closed);
        buf_u32(&again, list[i].incoming);
    }
    ASSERT(again.n == body.n);
}

static void storages(struct str body)
{
    AUTO(dfs_free_ptr) struct dfs_storage_detail *list = NULL;
    size_t n;
    if (dfs_decode_storages(body, &list, &n) < 0)
        return;
    ASSERT(n * DFS_STORAGE_DETAIL_LEN4 == body.n || n * DFS_STORAGE_DETAIL_LEN6 == body.n);
    for (size_t i = 0; i < n; i++)
        ASSERT(strnlen(list[i].id, sizeof(list[i].id)) < sizeof(list[i].id) &&
               strnlen(list[i].ip, sizeof(list[i].ip)) < sizeof(list[i].ip));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static void (*const answers[])(struct str body) = {drains, paths, storages};
    if (size > 0)
        answers[data[0] % ARRAY_LEN(answers)](str_of(data + 1, size - 1));
    return 0;
}
