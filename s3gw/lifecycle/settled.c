/* SPDX-License-Identifier: Apache-2.0 */
#include "s3gw/lifecycle/settled.h"

#include "s3gw/index/index.h"
#include "s3gw/index/refs.h"

enum {
    ENTRIES_A_FRAME = 500,
    FRAME_MAX = 16 * 1024 * 1024,
    FRAME_ARENA_MAX = 64 * 1024 * 1024,
    LOGS_ARENA_MAX = 16 * 1024 * 1024,
};

struct s3_settled {
    struct s3_gw *gw;
    struct arena of_logs; /* of the last step */
    struct s3_log *logs;
    size_t n;
    bool written; /* they are rows already */
};

int s3_settled_new(struct s3_gw *gw, struct s3_settled **ret)
{
    struct s3_settled *s = dfs_zalloc(sizeof(*s));
    if (!s)
        return -ENOMEM;
    s->gw = gw;
    s->written = true; /* there are none yet */
    arena_init(&s->of_logs, LOGS_ARENA_MAX);
    *ret = s;
    return 0;
}

void s3_settled_free(struct s3_settled **sp)
{
    struct s3_settled *s = TAKE(*sp);
    if (!s)
        return;
    arena_fini(&s->of_logs);
    free(s);
}

static int put_fn(struct s3_tx *tx, void *arg)
{
    const struct s3_settled *s = arg;
    for (size_t i = 0; i < s->n; i++)
        s3_settled_position_put(tx, str_c(s->logs[i].name), s->logs[i].path, s->logs[i].end);
    return 0;
}

static bool same_logs(const struct s3_settled *s, const struct s3_log *logs, size_t n)
{
    bool same = n == s->n;
    for (size_t i = 0; same && i < n; i++)
        same = logs[i].end == s->logs[i].end && logs[i].path == s->logs[i].path &&
               strcmp(logs[i].name, s->logs[i].name) == 0;
    return same;
}

int s3_settled_step(struct s3_settled *s)
{
    struct arena a;
    struct s3_log *logs;
    size_t n;
    arena_init(&a, LOGS_ARENA_MAX);
    int r = s3_dfs_logs(s->gw->dfs, &a, &logs, &n);
    if (r == 0 && !s->written) /* else nobody writes: no sync */
        r = s3_index_update(s->gw->index, put_fn, s);
    if (r < 0) {
        arena_fini(&a);
        return r;
    }
    s->written = same_logs(s, logs, n);
    arena_fini(&s->of_logs);
    s->of_logs = a;
    s->logs = logs;
    s->n = n;
    return 0;
}

int s3_settled_from(struct s3_gw *gw, const struct s3_log *log, uint64_t *position)
{
    uint64_t searched = 0, settled = 0;
    int r = s3_scan_position_get(gw->index, str_c(log->name), log->path, &searched);
    if (r == 0 || r == -ENOENT)
        r = s3_settled_position_get(gw->index, str_c(log->name), log->path, &settled);
    *position = MAX(searched, settled);
    return r == -ENOENT ? 0 : r;
}

static int compare(struct s3_gw *gw, const struct s3_log *log,
                   int (*fn)(void *arg, const struct s3_scan_entry *e), void *arg)
{
    uint64_t position = 0;
    int r = s3_settled_from(gw, log, &position);
    for (bool end = false; r == 0 && !end && position < log->end;) {
        AUTO(arena_fini) struct arena a;
        AUTO(buf_free) struct buf frame = BUF(FRAME_MAX);
        arena_init(&a, FRAME_ARENA_MAX);
        struct s3_scan_entry *e;
        size_t n;
        r = s3_dfs_scan(gw->dfs, log, &position, ENTRIES_A_FRAME, true, &frame, &a, &e, &n, &end);
        for (size_t i = 0; r == 0 && i < n; i++)
            r = fn(arg, &e[i]);
    }
    return r;
}

int s3_settled_compare(struct s3_gw *gw, int (*fn)(void *arg, const struct s3_scan_entry *e),
                       void *arg)
{
    AUTO(arena_fini) struct arena a;
    arena_init(&a, LOGS_ARENA_MAX);
    struct s3_log *logs;
    size_t n;
    int r = s3_dfs_logs(gw->dfs, &a, &logs, &n);
    for (size_t i = 0; r == 0 && i < n; i++)
        r = compare(gw, &logs[i], fn, arg);
    return r;
}
