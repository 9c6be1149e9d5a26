/* SPDX-License-Identifier: Apache-2.0 */
#include "s3gw/lifecycle/rebalance_notes.h"

#include <stdio.h>

#include "dfscore/fileid/fileid.h"
#include "dfscore/wire/internal.h"
#include "s3gw/dfs/dfs.h"
#include "s3gw/index/index.h"
#include "s3gw/index/rows.h"

enum { ENTRIES_A_FRAME = 256, FRAME_MAX = 16 * 1024 * 1024, ARENA_MAX = 32 * 1024 * 1024 };

/* *ret_path: -1 for all of the group. */
static int parse_place(struct str place, char ret_group[17], int *ret_path)
{
    struct str group, name;
    unsigned path = 0;
    bool whole = !str_cut(place, '/', &group, &name);
    if (!dfs_group_ok(group) || (!whole && dfs_path_named(name, &path) < 0))
        return -EINVAL;
    snprintf(ret_group, 17, STR_F, STR_A(group));
    *ret_path = whole ? -1 : (int)path;
    return 0;
}

int s3_place_parse(struct str place, char ret_group[17])
{
    int path;
    return parse_place(place, ret_group, &path);
}

int s3_rebalance_drained(const struct s3_gw *gw, const char *place)
{
    struct s3_dfs_group g;
    char group[17];
    int path, r = parse_place(str_c(place), group, &path);
    if (r < 0)
        return r;
    if (path >= 0)
        return s3_dfs_path_closed(gw->dfs, str_c(group), (unsigned)path);
    for (size_t i = 0; s3_dfs_group(gw->dfs, i, &g); i++)
        if (strcmp(g.name, group) == 0)
            return g.takes_files ? -EPERM : 0;
    return -ENOENT;
}

/* Of those that nobody has named. @own: the group of the path that is emptied; NULL: none. */
static bool is_better(const struct s3_dfs_group *g, const struct s3_dfs_group *best,
                      const char *own)
{
    if (!g->takes_files || g->low)
        return false;
    if (own && strcmp(g->name, own) == 0)
        return true;
    bool free = !best->name[0] || g->free_mb > best->free_mb;
    return !g->of_class && free && !(own && strcmp(best->name, own) == 0);
}

int s3_rebalance_target(const struct s3_gw *gw, const char *from, const char *to, char ret[17])
{
    struct s3_dfs_group g, best = {.name = ""};
    char group[17];
    int path, r = parse_place(str_c(from), group, &path);
    if (r < 0)
        return r;
    for (size_t i = 0; s3_dfs_group(gw->dfs, i, &g); i++) {
        if ((path < 0 && strcmp(g.name, group) == 0) || (*to && strcmp(g.name, to) != 0))
            continue;
        if (*to && !g.takes_files)
            return -EPERM;
        if (*to || is_better(&g, &best, path < 0 ? NULL : group))
            best = g;
    }
    if (!best.name[0])
        return *to ? -ENOENT : -ENOSPC;
    memcpy(ret, best.name, sizeof(best.name));
    return 0;
}

/* --- how far a log has been said again --- */

static void position_row(struct s3_row_key *k, const struct s3_log *log)
{
    s3_row_name(k, S3_ROW_REBALANCE, str_c(log->name));
    s3_row_u8(k, 0);
    s3_row_u32(k, log->path);
}

static int read_position(struct s3_index *x, const struct s3_log *log, uint64_t *ret)
{
    struct s3_row_key row;
    AUTO(buf_free) struct buf v = BUF(64);
    position_row(&row, log);
    *ret = 0;
    int r = s3_index_get(x, s3_row_str(&row), S3_READ_ANY, &v);
    if (r < 0)
        return r == -ENOENT ? 0 : r;
    struct rd in = rd_of(buf_str(&v));
    *ret = rd_u64(&in);
    return in.bad ? -EBADMSG : 0;
}

struct place {
    const struct s3_log *log;
    uint64_t position;
};

static int put_position(struct s3_tx *tx, void *arg)
{
    const struct place *p = arg;
    struct s3_row_key row, value = {0};
    position_row(&row, p->log);
    s3_row_u64(&value, p->position);
    s3_tx_put(tx, s3_row_str(&row), s3_row_str(&value));
    return 0;
}

/* --- notes of one frame --- */

static int say(struct s3_gw *gw, struct str group, const struct s3_scan_entry *e, size_t n,
               struct s3_rebalance_said *said)
{
    struct str notes[ENTRIES_A_FRAME];
    size_t count = 0;
    for (size_t i = 0; i < n; i++) {
        said->native += e[i].kind == DFS_SCAN_NATIVE;
        if (e[i].kind == DFS_SCAN_NOTE)
            notes[count++] = e[i].description;
    }
    int r = s3_dfs_notes(gw->dfs, group, notes, count);
    if (r == 0)
        said->notes += count;
    return r;
}

static int say_log(struct s3_gw *gw, const struct s3_log *log, const char *from, const char *to,
                   struct s3_rebalance_said *said)
{
    struct place p = {.log = log};
    int r = read_position(gw->index, log, &p.position);
    for (bool end = false; r == 0 && !end;) {
        AUTO(arena_fini) struct arena a;
        AUTO(buf_free) struct buf frame = BUF(FRAME_MAX);
        struct s3_scan_entry *e;
        size_t n;
        char group[17];
        uint64_t before = p.position;
        arena_init(&a, ARENA_MAX);
        r = gw->stopping ? -EINTR : s3_rebalance_target(gw, from, to, group);
        if (r == 0)
            r = s3_dfs_scan(gw->dfs, log, &p.position, ENTRIES_A_FRAME, true, &frame, &a, &e, &n,
                            &end);
        if (r == 0)
            r = n <= ENTRIES_A_FRAME ? say(gw, str_c(group), e, n, said) : -EPROTO;
        if (r == 0 && p.position != before)
            r = s3_index_update(gw->index, put_position, &p);
    }
    return r;
}

int s3_rebalance_notes(struct s3_gw *gw, const char *from, const char *to,
                       struct s3_rebalance_said *said)
{
    AUTO(arena_fini) struct arena a;
    struct s3_log *logs;
    size_t n;
    char group[17];
    int path, r = parse_place(str_c(from), group, &path);
    arena_init(&a, ARENA_MAX);
    if (r == 0)
        r = s3_dfs_logs(gw->dfs, &a, &logs, &n);
    for (size_t i = 0; r == 0 && i < n; i++)
        if (strcmp(logs[i].group, group) == 0 && (path < 0 || logs[i].path == (unsigned)path))
            r = say_log(gw, &logs[i], from, to, said);
    return r;
}
