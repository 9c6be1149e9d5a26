/* SPDX-License-Identifier: Apache-2.0 */
/*
 * fuzz_messages - what decodes encodes, and decodes again to the same bytes. The first byte chooses
 * the message, so that one corpus serves all.
 */
#include "dfscore/wire/header.h"
#include "dfscore/wire/messages.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define CHECK(m, M)                                                                                \
    static void check_##m(struct str body)                                                         \
    {                                                                                              \
        AUTO(buf_free) struct buf one = BUF(4096);                                                 \
        AUTO(buf_free) struct buf two = BUF(4096);                                                 \
        struct dfs_##m v;                                                                          \
        struct str tail;                                                                           \
        if (dfs_##m##_head(body, &v, &tail) < 0)                                                   \
            return;                                                                                \
        ASSERT(tail.n + DFS_##M##_LEN == body.n);                                                  \
        dfs_##m##_put(&one, &v);                                                                   \
        ASSERT(one.n == DFS_##M##_LEN && dfs_##m##_get(buf_str(&one), &v) == 0);                   \
        dfs_##m##_put(&two, &v);                                                                   \
        ASSERT(str_eq(buf_str(&one), buf_str(&two)));                                              \
    }
#define CHECK_BY_WIDTH(m, M)                                                                       \
    static void check_##m(struct str body)                                                         \
    {                                                                                              \
        AUTO(buf_free) struct buf one = BUF(4096);                                                 \
        struct dfs_##m v;                                                                          \
        struct str tail;                                                                           \
        enum dfs_ipw w = body.n & 1 ? DFS_IPW4 : DFS_IPW6;                                         \
        if (dfs_##m##_get(body, &v) == 0)                                                          \
            ASSERT(body.n == DFS_##M##_LEN4 || body.n == DFS_##M##_LEN6);                          \
        if (dfs_##m##_head(body, w, &v, &tail) < 0)                                                \
            return;                                                                                \
        dfs_##m##_put(&one, w, &v);                                                                \
        ASSERT(one.n + tail.n == body.n);                                                          \
    }
DFS_MESSAGES(CHECK)
DFS_MESSAGES_BY_WIDTH(CHECK_BY_WIDTH)

static void (*const checks[])(struct str body) = {
#define ROW(m, M) check_##m,
    DFS_MESSAGES(ROW) DFS_MESSAGES_BY_WIDTH(ROW)};

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct dfs_header h;
    if (size >= DFS_HEADER_LEN && dfs_header_get(data, &h) == 0) {
        uint8_t again[DFS_HEADER_LEN];
        dfs_header_put(&h, again);
        ASSERT(h.len <= INT64_MAX && memcmp(again, data, sizeof(again)) == 0);
        ASSERT(dfs_cmd_name(h.cmd) != NULL);
    }
    if (size > 0)
        checks[data[0] % ARRAY_LEN(checks)](str_of(data + 1, size - 1));
    return 0;
}
