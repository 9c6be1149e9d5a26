/* SPDX-License-Identifier: Apache-2.0 */
/* fuzz_conf - a file is either taken with every value in its range, or refused with one line. */
#include "dfscore/conf/conf.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

struct fuzzed {
    char *text;
    int64_t number, at;
    bool flag;
    uint64_t size, ms;
    struct dfs_conf_space space;
    int choice;
    struct dfs_conf_list list, indexed;
};

static const struct dfs_conf_row rows[] = {
    CONF_STR(struct fuzzed, text, "text", "", 0, 50, CONF_RESTART, ""),
    CONF_INT(struct fuzzed, number, "number", "1", -5, 100000, NULL, CONF_RESTART, ""),
    CONF_BOOL(struct fuzzed, flag, "flag", "no", CONF_RESTART, ""),
    CONF_SIZE(struct fuzzed, size, "size", "1K", 1, INT64_MAX, "KB", CONF_RESTART, ""),
    CONF_DURATION(struct fuzzed, ms, "ms", "1", 1, 1000000, "ms", CONF_RESTART, ""),
    CONF_SPACE(struct fuzzed, space, "space", "1%", "MB", CONF_RESTART, ""),
    CONF_DAYTIME(struct fuzzed, at, "at", "00:00", CONF_RESTART, ""),
    CONF_ENUM(struct fuzzed, choice, "choice", "a", "a|b|c", CONF_RESTART, ""),
    CONF_LIST(struct fuzzed, list, "s.list", 0, 5, CONF_RESTART, ""),
    CONF_LIST(struct fuzzed, indexed, "p#x", 0, 256, CONF_RESTART, ""),
};

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    AUTO(buf_free) struct buf err = BUF(8192);
    struct fuzzed f = {0};
    int r = dfs_conf_parse(str_of(data, size), "fuzz", rows, ARRAY_LEN(rows), NULL, &f, &err);
    if (r < 0) {
        ASSERT(err.n > 0 && buf_err(&err) == 0 && !f.text && !f.list.v);
        ASSERT(str_chr(buf_str(&err), '\n') == SIZE_MAX);
        return 0;
    }
    ASSERT(f.number >= -5 && f.number <= 100000 && strlen(f.text) <= 50);
    ASSERT(f.size >= 1 && f.ms >= 1 && f.ms <= 1000000);
    ASSERT(f.at >= 0 && f.at < 86400 && f.choice >= 0 && f.choice <= 2);
    ASSERT(f.space.percent_x100 < 10000 && f.list.n <= 5 && f.indexed.n <= 256);
    dfs_conf_fini(rows, ARRAY_LEN(rows), &f);
    return 0;
}
