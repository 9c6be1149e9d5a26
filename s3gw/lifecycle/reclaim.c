/* SPDX-License-Identifier: Apache-2.0 */
#include "s3gw/lifecycle/reclaim.h"

#include <pthread.h>
#include <stdatomic.h>

#include "dfscore/base/background.h"
#include "dfscore/base/clock.h"
#include "dfscore/log/log.h"
#include "dfscore/wire/internal.h"
#include "s3gw/dfs/describe.h"
#include "s3gw/dfs/dfs.h"
#include "s3gw/index/moved.h"
#include "s3gw/index/refs.h"
#include "s3gw/index/upload.h"
#include "s3gw/lifecycle/settled.h"
#include "s3gw/lifecycle/tracks.h"

enum {
    GRACE_MS = 10 * 1000,
    ORPHAN_GRACE_MS =
        24 * 60 * 60 * 1000, /* an index from a backup makes orphans of what it lacks */
    RESCAN_MS = 10 * 60 * 1000,
    ROUND_MS = 1000,
    FILES_A_ROUND = 1000,
    ENTRIES_A_FRAME = 1000,
    FINISHED_KEPT_MS = 24 * 60 * 60 * 1000,
    FINISHED_A_ROUND = 1000,
    FRAME_MAX = 16 * 1024 * 1024,
    ARENA_MAX = 16 * 1024 * 1024,
    ROW_MAX = 4096,
};

#define EVERYTHING (INT64_MAX - 1) /* a time after all that are in the outbox */

struct s3_reclaim {
    unsigned magic;
#define RECLAIM_MAGIC 0x52434c4du
    struct s3_reclaim_options o;
    struct dfs_background bg;
    pthread_cond_t ended;
    bool now, again; /* under bg.lock, like rounds; now: without grace */
    uint64_t rounds; /* ended ones */
    _Atomic uint64_t deleted, orphans, pending, failures;
    _Atomic bool scanned;
    struct s3_tracks tracks; /* the thread's, like all below */
    uint64_t scanned_ms, settled_ms;
    struct buf after; /* row of the outbox to go on behind; empty: from the beginning */
    struct s3_settled *settled;
};

/* ---- the outbox ---- */

struct ripe {
    const struct s3_garbage *g;
    size_t n;
    bool *stays; /* of each: it is not to be deleted */
    bool *gone;  /* of each that does not: it has been */
    bool moved;  /* some files have left a group: index/moved.h */
};

/* What failed waits for another time. */
static int forget_fn(struct s3_tx *tx, void *arg)
{
    const struct ripe *f = arg;
    const bool *gone = f->gone;
    s3_tx_frees(tx);
    int e = 0;
    for (size_t i = 0; e == 0 && i < f->n; i++) {
        bool deleted = !f->stays[i] && *gone++;
        if (deleted || f->stays[i])
            s3_garbage_forget(tx, f->g[i].row);
        if (deleted && f->moved)
            e = s3_moved_drop(tx, f->g[i].file_id);
    }
    return e;
}

/* Is it kept for those who know its name, since what it became is in use? 1, 0, errno. */
static int is_kept(struct s3_reclaim *r, struct str file_id, struct arena *a)
{
    struct str now;
    int e = s3_moved_get(r->o.gw->index, file_id, a, &now);
    if (e == 0)
        return s3_ref_used(r->o.gw->index, now);
    return e == -ENOENT ? 0 : e;
}

/* Does @file_id stay where it is? 1, 0, errno. */
static int judge(struct s3_reclaim *r, struct str file_id, bool moved, struct arena *a)
{
    int e = s3_ref_used(r->o.gw->index, file_id);
    if (e > 0) /* a write that took longer than any deadline, taken for an orphan */
        dfs_log(LOG_ERROR, "reclaim.file_in_use", KV_STR("file", file_id));
    if (e == 0 && moved)
        e = is_kept(r, file_id, a);
    struct str group, rest;
    if (e == 0 && str_cut(file_id, '/', &group, &rest) && !s3_dfs_has_group(r->o.gw->dfs, group))
        e = s3_moved_is_out(r->o.gw->index, group); /* then it went with its group */
    return e;
}

/* Delete those that do not stay, then forget both. 0, or the errno of one that failed. */
static int delete_ripe(struct s3_reclaim *r, struct ripe *ripe, struct arena *a)
{
    struct str *ids = arena_alloc(a, ripe->n * sizeof(*ids));
    size_t n = 0;
    if (!ids)
        return -ENOMEM;
    for (size_t i = 0; i < ripe->n; i++) {
        int stay = judge(r, ripe->g[i].file_id, ripe->moved, a);
        if (stay < 0)
            return stay;
        ripe->stays[i] = stay > 0;
        if (!ripe->stays[i])
            ids[n++] = ripe->g[i].file_id;
    }
    int e = s3_dfs_delete(r->o.gw->dfs, ids, n, ripe->gone);
    for (size_t i = 0; i < n; i++)
        atomic_fetch_add(&r->deleted, ripe->gone[i]);
    int forgot = s3_index_update(r->o.gw->index, forget_fn, ripe);
    return e < 0 ? e : forgot;
}

/*
 * Delete up to a round's worth of files queued before @before_ms. How many, or negative errno. Behind those of which some
 * failed the next call goes on, and at the end from the beginning.
 */
static int empty_outbox(struct s3_reclaim *r, int64_t before_ms)
{
    AUTO(arena_fini) struct arena a;
    arena_init(&a, ARENA_MAX);
    struct s3_garbage *g;
    struct ripe ripe = {.n = 0};
    bool from_the_middle = r->after.n > 0;
    int e = s3_garbage_list(r->o.gw->index, buf_str(&r->after), before_ms, FILES_A_ROUND, &a, &g,
                            &ripe.n);
    if (e < 0)
        return e;
    if (ripe.n == 0) {
        buf_reset(&r->after);
        return from_the_middle;
    }
    int moved = s3_moved_any(r->o.gw->index);
    ripe.g = g;
    ripe.stays = arena_alloc(&a, ripe.n * sizeof(*ripe.stays));
    ripe.gone = arena_alloc(&a, ripe.n * sizeof(*ripe.gone));
    if (!ripe.stays || !ripe.gone || moved < 0)
        return moved < 0 ? moved : -ENOMEM;
    ripe.moved = moved > 0;
    e = delete_ripe(r, &ripe, &a);
    if (e == 0)
        return (int)ripe.n;
    buf_reset(&r->after);
    buf_adds(&r->after, g[ripe.n - 1].row);
    return e;
}

static int count_pending(struct s3_reclaim *r)
{
    AUTO(arena_fini) struct arena a;
    arena_init(&a, ARENA_MAX);
    struct s3_garbage *g;
    size_t n;
    int e = s3_garbage_list(r->o.gw->index, STR(""), EVERYTHING, FILES_A_ROUND, &a, &g, &n);
    if (e == 0)
        atomic_store(&r->pending, n);
    return e;
}

/* ---- orphans ---- */

struct finding {
    struct s3_reclaim *r;
    const struct s3_scan_entry *e;
    size_t n;
    const struct s3_log *log;
    uint64_t at; /* to be remembered with them */
    uint64_t orphans, foreign;
};

/* Another gateway's, with an index of its own: it names them. */
static bool is_foreign(const struct finding *f, const struct s3_scan_entry *e)
{
    struct s3_desc d;
    return s3_desc_decode(e->description, &d) == 0 && s3_desc_is_foreign(&d, f->r->o.gw->index_id);
}

static int find_fn(struct s3_tx *tx, void *arg)
{
    struct finding *f = arg;
    f->orphans = f->foreign = 0;
    s3_tx_frees(tx);
    for (size_t i = 0; i < f->n; i++) {
        if (f->e[i].kind != DFS_SCAN_OBJECT)
            continue;
        int used = s3_ref_used_tx(tx, f->e[i].file_id);
        if (used < 0)
            return used;
        if (used == 0) {
            if (is_foreign(f, &f->e[i])) {
                f->foreign++;
                continue;
            }
            f->orphans++;
            int e = s3_ref_orphan(tx, f->e[i].file_id, ORPHAN_GRACE_MS);
            if (e < 0)
                return e;
        }
    }
    s3_scan_position_put(tx, str_c(f->log->name), f->log->path, f->at);
    return 0;
}

/* Entries before the track's end, from its place on. 0 when there is nothing more to look at now.
 */
static int follow_some(struct s3_reclaim *r, struct s3_track *t)
{
    AUTO(arena_fini) struct arena a;
    AUTO(buf_free) struct buf frame = BUF(FRAME_MAX);
    arena_init(&a, ARENA_MAX);
    if (t->at >= t->until)
        return 0;
    uint64_t at = t->at;
    struct s3_scan_entry *e;
    size_t n, mine = 0;
    bool end;
    int err =
        s3_dfs_scan(r->o.gw->dfs, &t->log, &at, ENTRIES_A_FRAME, true, &frame, &a, &e, &n, &end);
    if (err < 0)
        return err;
    while (mine < n && e[mine].position < t->until)
        mine++;
    if (mine < n)
        at = e[mine].position; /* that one is for the next time */
    else if (end)
        at = MAX(at, t->until);
    struct finding f = {.r = r, .e = e, .n = mine, .log = &t->log, .at = at};
    err = s3_index_update(r->o.gw->index, find_fn, &f);
    if (err < 0)
        return err;
    static struct dfs_log_gate gate;
    if (f.foreign > 0 && dfs_log_allow(&gate, 1))
        dfs_log(LOG_ERROR, "reclaim.another_index", KV_Z("log", t->log.name),
                KV_U64("files", f.foreign));
    atomic_fetch_add(&r->orphans, f.orphans);
    t->at = at;
    return 1;
}

/* From now on look at everything that was stored before this moment. */
static int aim(struct s3_reclaim *r)
{
    AUTO(arena_fini) struct arena a;
    arena_init(&a, ARENA_MAX);
    struct s3_log *logs;
    size_t n;
    int e = s3_dfs_logs(r->o.gw->dfs, &a, &logs, &n);
    return e < 0 ? e : s3_tracks_aim(&r->tracks, r->o.gw->index, logs, n);
}

/* A log that cannot be read now does not keep the others waiting. */
static int follow_logs(struct s3_reclaim *r)
{
    int failed = 0;
    uint64_t before = atomic_load(&r->orphans);
    if (r->o.no_orphans)
        return 0;
    for (size_t i = 0; i < r->tracks.n; i++) {
        int e;
        while ((e = follow_some(r, &r->tracks.v[i])) > 0)
            ;
        failed = e < 0 ? e : failed;
    }
    /* Most have been replaced and wait in the outbox already, the others were never acknowledged. */
    if (atomic_load(&r->orphans) > before)
        dfs_log(LOG_INFO, "reclaim.orphans", KV_U64("files", atomic_load(&r->orphans) - before));
    if (failed == 0)
        atomic_store(&r->scanned, true);
    return failed;
}

/* ---- the thread ---- */

static int forget_finished_fn(struct s3_tx *tx, void *arg)
{
    const int64_t *before = arg;
    return s3_upload_forget_finished(tx, *before, FINISHED_A_ROUND);
}

/* An index that has not been compared with the store stays so. */
static int settle_more(struct s3_reclaim *r, uint64_t mono)
{
    if (r->o.no_orphans || (r->settled_ms > 0 && mono - r->settled_ms < S3_UNDER_WAY_MS))
        return 0;
    r->settled_ms = mono;
    return s3_settled_step(r->settled);
}

/* What may have been stored and never committed, now and then. */
static int rescan(struct s3_reclaim *r, uint64_t mono)
{
    bool looked = atomic_load(&r->scanned) || (r->o.no_orphans && r->scanned_ms > 0);
    if (looked && mono - r->scanned_ms < r->o.rescan_ms)
        return 0;
    int e = follow_logs(r);
    r->scanned_ms = mono;
    int aimed = aim(r); /* for the next time: what is there now will be old then */
    int64_t before = dfs_now_ms() - FINISHED_KEPT_MS;
    int forgot = s3_index_update(r->o.gw->index, forget_finished_fn, &before);
    return e < 0 ? e : aimed < 0 ? aimed : forgot;
}

/* Each as far as it comes: a log that cannot be read keeps no file that is to be deleted. */
static int round_of(struct s3_reclaim *r, bool now)
{
    uint64_t mono = dfs_mono_ms();
    int settled = settle_more(r, mono), scanned = rescan(r, mono), n;
    do
        n = empty_outbox(r, now ? EVERYTHING : dfs_now_ms() - (int64_t)r->o.grace_ms);
    while (n > 0);
    int counted = count_pending(r); /* also of what failed */
    return settled < 0 ? settled : scanned < 0 ? scanned : n < 0 ? n : counted;
}

static void *reclaim_main(void *arg)
{
    struct s3_reclaim *r = arg;
    pthread_mutex_lock(&r->bg.lock);
    while (!r->bg.stopping) {
        bool now = r->now;
        r->now = r->again = false;
        pthread_mutex_unlock(&r->bg.lock);
        int e = round_of(r, now);
        if (e < 0) {
            atomic_fetch_add(&r->failures, 1);
            static struct dfs_log_gate gate;
            if (dfs_log_allow(&gate, 1))
                dfs_log(LOG_WARN, "reclaim.round_failed", KV_ERR(e));
        }
        pthread_mutex_lock(&r->bg.lock);
        r->rounds++;
        pthread_cond_broadcast(&r->ended);
        struct timespec at = dfs_mono_after(ROUND_MS);
        if (!r->bg.stopping && !r->now && !r->again)
            pthread_cond_timedwait(&r->bg.wake, &r->bg.lock, &at);
    }
    pthread_mutex_unlock(&r->bg.lock);
    return NULL;
}

int s3_reclaim_start(const struct s3_reclaim_options *o, struct s3_reclaim **ret)
{
    AUTO(dfs_free_ptr) struct s3_reclaim *r = dfs_zalloc(sizeof(*r));
    if (!r)
        return -ENOMEM;
    r->magic = RECLAIM_MAGIC;
    r->o = *o;
    r->after = BUF(ROW_MAX);
    r->o.grace_ms = o->grace_ms ? o->grace_ms : GRACE_MS;
    r->o.rescan_ms = o->rescan_ms ? o->rescan_ms : RESCAN_MS;
    int e = s3_settled_new(o->gw, &r->settled);
    if (e < 0)
        return e;
    dfs_background_init(&r->bg);
    dfs_cond_init(&r->ended);
    e = aim(r);
    if (e < 0) /* the thread tries again */
        dfs_log(LOG_WARN, "reclaim.logs_not_listed", KV_ERR(e));
    e = dfs_background_start(&r->bg, "reclaim", reclaim_main, r);
    if (e < 0)
        s3_reclaim_stop(&r);
    else
        *ret = TAKE(r);
    return e;
}

void s3_reclaim_stop(struct s3_reclaim **rp)
{
    struct s3_reclaim *r = TAKE(*rp);
    if (!r)
        return;
    CHECK_OBJ(r, RECLAIM_MAGIC);
    dfs_background_fini(&r->bg);
    pthread_cond_destroy(&r->ended);
    s3_settled_free(&r->settled);
    s3_tracks_fini(&r->tracks);
    buf_free(&r->after);
    free(r);
}

void s3_reclaim_now(struct s3_reclaim *r)
{
    pthread_mutex_lock(&r->bg.lock);
    r->now = true;
    pthread_cond_signal(&r->bg.wake);
    pthread_mutex_unlock(&r->bg.lock);
}

bool s3_reclaim_round(struct s3_reclaim *r, unsigned timeout_ms)
{
    struct timespec end = dfs_mono_after(timeout_ms);
    pthread_mutex_lock(&r->bg.lock);
    uint64_t want = r->rounds + 2; /* one may be under way */
    int e = 0;
    while (e == 0 && r->rounds < want) {
        r->again = true;
        pthread_cond_signal(&r->bg.wake);
        e = pthread_cond_timedwait(&r->ended, &r->bg.lock, &end);
    }
    bool ended = r->rounds >= want;
    pthread_mutex_unlock(&r->bg.lock);
    return ended;
}

void s3_reclaim_counts(struct s3_reclaim *r, struct s3_reclaim_counts *ret)
{
    *ret = (struct s3_reclaim_counts){
        .deleted = atomic_load(&r->deleted),
        .orphans = atomic_load(&r->orphans),
        .pending = atomic_load(&r->pending),
        .scanned = atomic_load(&r->scanned),
        .failures = atomic_load(&r->failures),
    };
}
