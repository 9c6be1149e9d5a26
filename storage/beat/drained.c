/* SPDX-License-Identifier: Apache-2.0 */
#include "storage/beat/drained.h"

#include "dfscore/base/background.h"
#include "dfscore/base/clock.h"
#include "dfscore/client/tracker_client.h"
#include "dfscore/fileid/fileid.h"
#include "dfscore/log/log.h"
#include "dfscore/wire/internal.h"
#include "storage/disk/savefile.h"

enum { LOOK_MS = 1000, ASK_MS = 1000, HOLD_DOWN_MS = 5000, FILE_MAX = DFS_PATHS_MAX * 8 };

struct sto_drained {
    unsigned magic;
#define DRAINED_MAGIC 0xd7a17ed0u
    struct sto_drained_options o;
    struct dfs_connpool *pool;
    struct dfs_trackers *trackers;
    bool now[DFS_PATHS_MAX]; /* the thread's; as set() was told */
    bool unsaved;            /* the thread's: the file tells something else */
    struct dfs_background bg;
};

void sto_drained_print(const bool drained[DFS_PATHS_MAX], struct buf *out)
{
    char name[4];
    for (unsigned i = 0; i < DFS_PATHS_MAX; i++) {
        if (!drained[i])
            continue;
        dfs_path_name(i, name);
        buf_addf(out, "%s\n", name);
    }
}

void sto_drained_parse(struct str text, bool drained[DFS_PATHS_MAX])
{
    struct str line;
    unsigned path;
    memset(drained, 0, DFS_PATHS_MAX * sizeof(drained[0]));
    while (text.n > 0) {
        str_cut(text, '\n', &line, &text);
        if (dfs_path_named(line, &path) == 0)
            drained[path] = true;
    }
}

/* --- asking ------------------------------------------------------------------------------------- */

static void take(const struct sto_drained *d, const struct dfs_drain *list, size_t n,
                 bool drained[DFS_PATHS_MAX])
{
    unsigned path;
    for (size_t i = 0; i < n; i++)
        if (strcmp(list[i].group, d->o.trackers.group) == 0 &&
            dfs_path_named(str_c(list[i].id), &path) == 0 && path < d->o.path_count)
            drained[path] = true;
}

/* What all trackers that answer say together. False: none does. */
static bool ask(struct sto_drained *d, bool drained[DFS_PATHS_MAX])
{
    bool answered = false;
    memset(drained, 0, DFS_PATHS_MAX * sizeof(drained[0]));
    for (size_t i = 0; i < d->o.trackers.n; i++) {
        AUTO(dfs_free_ptr) struct dfs_drain *list = NULL;
        size_t n = 0;
        if (dfs_list_drains_at(d->trackers, i, &list, &n) < 0)
            continue;
        answered = true;
        take(d, list, n, drained);
    }
    return answered;
}

static void save(struct sto_drained *d)
{
    AUTO(buf_free) struct buf text = BUF(FILE_MAX);
    sto_drained_print(d->now, &text);
    int r = buf_err(&text) ? buf_err(&text) : sto_savefile_write(d->o.path, buf_str(&text));
    d->unsaved = r < 0;
    static struct dfs_log_gate gate;
    if (r < 0 && dfs_log_allow(&gate, 1))
        dfs_log(LOG_ERROR, "storage.drained_not_saved", KV_Z("file", d->o.path), KV_ERR(r));
}

static void look(struct sto_drained *d)
{
    bool drained[DFS_PATHS_MAX];
    if (!ask(d, drained))
        return;
    for (unsigned i = 0; i < d->o.path_count; i++) {
        if (drained[i] == d->now[i])
            continue;
        d->now[i] = drained[i];
        d->unsaved = true;
        d->o.set(d->o.arg, i, drained[i]);
        dfs_log(LOG_INFO, drained[i] ? "storage.path_drained" : "storage.path_undrained",
                KV_U64("path", i));
    }
    if (d->unsaved)
        save(d);
}

/* --- life ------------------------------------------------------------------------------------------ */

static void *drained_main(void *arg)
{
    struct sto_drained *d = arg;
    while (!d->bg.stopping) {
        const struct timespec until = dfs_mono_after(LOOK_MS);
        pthread_mutex_lock(&d->bg.lock);
        while (!d->bg.stopping && pthread_cond_timedwait(&d->bg.wake, &d->bg.lock, &until) == 0)
            ;
        pthread_mutex_unlock(&d->bg.lock);
        if (!d->bg.stopping)
            look(d);
    }
    return NULL;
}

static int recall(struct sto_drained *d)
{
    AUTO(buf_free) struct buf text = BUF(FILE_MAX);
    int r = sto_savefile_read(d->o.path, &text);
    if (r < 0)
        return r == -ENOENT ? 0 : r;
    sto_drained_parse(buf_str(&text), d->now);
    for (unsigned i = 0; i < d->o.path_count; i++)
        if (d->now[i])
            d->o.set(d->o.arg, i, true);
    return 0;
}

static int connect_to(struct sto_drained *d)
{
    struct dfs_connpool_opts o = {
        .peer = d->o.trackers.net, .max_idle = d->o.trackers.n, .hold_down_ms = HOLD_DOWN_MS};
    o.peer.connect_ms = MIN(o.peer.connect_ms, (uint64_t)ASK_MS);
    o.peer.timeout_ms = MIN(o.peer.timeout_ms, (uint64_t)ASK_MS);
    int r = dfs_connpool_new(&o, &d->pool);
    return r < 0 ? r : dfs_trackers_new(d->o.trackers.list, d->o.trackers.n, d->pool, &d->trackers);
}

int sto_drained_start(const struct sto_drained_options *o, struct sto_drained **ret)
{
    ASSERT(o->path_count > 0 && o->path_count <= DFS_PATHS_MAX);
    AUTO(sto_drained_stop) struct sto_drained *d = dfs_zalloc(sizeof(*d));
    if (!d)
        return -ENOMEM;
    d->magic = DRAINED_MAGIC;
    d->o = *o;
    dfs_background_init(&d->bg);
    int r = recall(d);
    if (r == 0)
        r = connect_to(d);
    if (r < 0)
        return r;
    look(d);
    r = dfs_background_start(&d->bg, "dfs-drained", drained_main, d);
    if (r == 0)
        *ret = TAKE(d);
    return r;
}

void sto_drained_stop(struct sto_drained **dp)
{
    struct sto_drained *d = TAKE(*dp);
    if (!d)
        return;
    CHECK_OBJ(d, DRAINED_MAGIC);
    dfs_background_fini(&d->bg);
    dfs_trackers_free(&d->trackers);
    dfs_connpool_free(&d->pool);
    d->magic = 0;
    free(d);
}
