/* SPDX-License-Identifier: Apache-2.0 */
/* scan - the logs of the storages, listed and read. */
#include <stdatomic.h>
#include <stdio.h>

#include "s3gw/dfs/store.h"

enum {
    PATHS_MAX = 256,
    LOGS_MAX = 4096,
    LOG_ID = 16,
    ORIGIN = 16,
    LIST_MAX = 256 * (LOG_ID + 3 + 8 + ORIGIN) + 2, /* one path's logs of one server */
};

/* Where the log of each store path ends. */
static int log_ends(struct s3_store *s, uint64_t *ends, unsigned *n)
{
    AUTO(buf_free) struct buf got = BUF(16 * 1024);
    int r = s3_store_ask(s, DFS_INT_STAT, STR_NULL, true, &got, NULL);
    if (r < 0)
        return r;
    struct rd in = rd_of(buf_str(&got));
    *n = rd_u8(&in);
    for (unsigned i = 0; i < *n; i++) {
        (void)rd_u64(&in); /* bytes in all */
        (void)rd_u64(&in); /* bytes free */
        ends[i] = rd_u64(&in);
    }
    return in.bad ? -EPROTO : 0;
}

/* ---- listing ---- */

struct listing {
    struct s3_log *logs; /* LOGS_MAX places */
    size_t n;
};

/* A server of its own: it has one log a path, which needs no name. */
static int list_lone(struct s3_store *s, struct listing *l)
{
    uint64_t ends[PATHS_MAX];
    unsigned n;
    int r = log_ends(s, ends, &n);
    if (r < 0)
        return r;
    for (unsigned i = 0; i < n; i++) {
        if (l->n == LOGS_MAX)
            return -E2BIG;
        struct s3_log *log = &l->logs[l->n++];
        *log = (struct s3_log){.path = i, .end = ends[i], .holder = s->number};
        snprintf(log->group, sizeof(log->group), "%s", s->group->name);
        snprintf(log->name, sizeof(log->name), "%s", s->group->name);
    }
    return 0;
}

/* The log of that id, made when it is new. NULL: too many. */
static struct s3_log *log_of(struct listing *l, const struct s3_store *s, unsigned path,
                             const uint8_t id[LOG_ID])
{
    for (size_t i = 0; i < l->n; i++)
        if (l->logs[i].path == path && strcmp(l->logs[i].group, s->group->name) == 0 &&
            memcmp(l->logs[i].id, id, LOG_ID) == 0)
            return &l->logs[i];
    if (l->n == LOGS_MAX)
        return NULL;
    struct s3_log *log = &l->logs[l->n++];
    *log = (struct s3_log){.path = path, .named = true};
    memcpy(log->id, id, LOG_ID);
    snprintf(log->group, sizeof(log->group), "%s", s->group->name);
    int at = snprintf(log->name, sizeof(log->name), "%s/", s->group->name);
    for (size_t i = 0; i < LOG_ID; i++)
        at += snprintf(log->name + at, sizeof(log->name) - (size_t)at, "%02x", id[i]);
    return log;
}

static int list_path(struct s3_store *s, unsigned path, struct listing *l)
{
    AUTO(buf_free) struct buf got = BUF(LIST_MAX);
    const uint8_t body = (uint8_t)path;
    int r = s3_store_ask(s, DFS_INT_SYNC_LOGS, str_of(&body, 1), true, &got, NULL);
    if (r < 0)
        return r;
    struct rd in = rd_of(buf_str(&got));
    for (unsigned n = rd_u16(&in); n > 0; n--) {
        struct str id = rd_bytes(&in, LOG_ID);
        (void)rd_bytes(&in, 2);
        bool own = rd_u8(&in) != 0;
        uint64_t end = rd_u64(&in);
        (void)rd_bytes(&in, ORIGIN);
        if (in.bad)
            return -EPROTO;
        struct s3_log *log = log_of(l, s, path, (const uint8_t *)id.p);
        if (!log)
            return -E2BIG;
        if (own || end > log->end) {
            log->end = MAX(end, log->end);
            log->holder = s->number;
        }
    }
    return 0;
}

static int list_member(struct s3_store *s, struct listing *l)
{
    int r = 0;
    for (unsigned path = 0; r == 0 && path < PATHS_MAX; path++)
        r = list_path(s, path, l);
    return r == -EINVAL ? 0 : r; /* no such path: that was all */
}

static int list_group(struct s3_group *g, struct listing *l)
{
    int r = s3_group_gone(g) ? 0 : -EHOSTUNREACH;
    bool heard = false;
    size_t n = atomic_load(&g->n);
    for (size_t i = 0; i < n; i++) {
        if (atomic_load(&g->members[i]->retired))
            continue;
        r = list_member(g->members[i], l);
        heard = heard || r == 0;
        if (r == -E2BIG)
            return r;
    }
    return heard ? 0 : r;
}

int s3_dfs_logs(struct s3_dfs *d, struct arena *a, struct s3_log **ret, size_t *ret_n)
{
    CHECK_OBJ(d, S3_DFS_MAGIC);
    AUTO(dfs_free_ptr) struct s3_log *logs = dfs_alloc(LOGS_MAX * sizeof(*logs));
    struct listing l = {.logs = logs};
    if (!logs)
        return -ENOMEM;
    int r = 0;
    size_t n = atomic_load(&d->ngroups);
    for (size_t i = 0; r == 0 && i < n; i++)
        r = d->view ? list_group(d->groups[i], &l) : list_lone(d->groups[i]->members[0], &l);
    if (r < 0)
        return r;
    *ret = arena_alloc(a, MAX(l.n, (size_t)1) * sizeof(**ret));
    if (!*ret)
        return -ENOMEM;
    memcpy(*ret, logs, l.n * sizeof(*logs));
    *ret_n = l.n;
    return 0;
}

/* ---- reading ---- */

static int ask_scan(struct s3_dfs *d, const struct s3_log *log, uint64_t position, size_t max,
                    bool descriptions, struct buf *frame)
{
    AUTO(buf_free) struct buf ask = BUF(64);
    buf_u8(&ask, (uint8_t)log->path);
    if (log->named)
        buf_add(&ask, log->id, sizeof(log->id));
    buf_u64(&ask, position);
    buf_u32(&ask, (uint32_t)max);
    buf_u8(&ask, descriptions ? 0 : 1);
    buf_reset(frame);
    int r = buf_err(&ask);
    return r < 0
               ? r
               : s3_store_ask(d->stores[log->holder], log->named ? DFS_INT_SCAN_LOG : DFS_INT_SCAN,
                              buf_str(&ask), true, frame, NULL);
}

int s3_dfs_scan(struct s3_dfs *d, const struct s3_log *log, uint64_t *position, size_t max,
                bool descriptions, struct buf *frame, struct arena *a, struct s3_scan_entry **ret,
                size_t *ret_n, bool *end)
{
    CHECK_OBJ(d, S3_DFS_MAGIC);
    ASSERT(log->holder < atomic_load(&d->nstores));
    int r = ask_scan(d, log, *position, max, descriptions, frame);
    if (r < 0)
        return r;
    struct rd in = rd_of(buf_str(frame));
    uint64_t next = rd_u64(&in);
    *end = rd_u8(&in) != 0;
    size_t n = rd_u32(&in);
    if (in.bad || n > in.n)
        return -EPROTO;
    struct s3_scan_entry *e = arena_alloc(a, (n + 1) * sizeof(*e));
    if (!e)
        return -ENOMEM;
    for (size_t i = 0; i < n; i++) {
        e[i].kind = rd_u8(&in);
        e[i].position = rd_u64(&in);
        e[i].time_s = rd_u32(&in);
        e[i].file_id = rd_bytes(&in, rd_u16(&in));
        e[i].description = rd_bytes(&in, rd_u32(&in));
    }
    if (in.bad)
        return -EPROTO;
    *position = next;
    *ret = e;
    *ret_n = n;
    return 0;
}
