/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Many deletions: what each does is found out, noted in one go, then done in a few updates in one
 * go; again for those that turned out to be something else.
 */
#include "s3gw/api/commit.h"

#include "dfscore/base/clock.h"
#include "s3gw/api/cond.h"
#include "s3gw/api/latch.h"
#include "s3gw/api/notice.h"
#include "s3gw/core/gw.h"
#include "s3gw/dfs/dfs.h"
#include "s3gw/index/lock.h"
#include "s3gw/lifecycle/note.h"

enum { DELETIONS_A_COMMIT = 100 }; /* updates must be quick: others wait behind them */

/* --- what a deletion is --- */

static void version_that_goes(struct s3_req *q, struct s3_deletion *d, bool *nothing)
{
    struct s3_object o = {0};
    int r = s3_object_get_version(q->gw->index, q->bkt->bid, d->key, &d->version, S3_READ_ANY,
                                  false, &q->arena, &o);
    *nothing = r == -ENOENT || (r == 0 && d->version.seq != 0 && o.seq != d->version.seq);
    if (*nothing)
        return;
    d->result =
        r == 0 ? s3_cond_judge(&d->cond, &o) : r; /* once: of a version nothing of it changes */
    /* The commit judges the lock again, by the clock that does not go back; this only spares the note. */
    if (d->result == 0)
        d->result = s3_lock_check(o.lock, dfs_now_ms(), d->bypass_governance);
    d->version.seq = o.seq;
    d->what = (struct s3_object){.seq = o.seq, .flags = o.flags & S3_OBJ_NULL_VERSION};
}

static void object_that_goes(struct s3_req *q, struct s3_deletion *d, bool *nothing)
{
    struct s3_object now = {0};
    int r = s3_object_get(q->gw->index, q->bkt->bid, d->key, S3_READ_ANY, false, &q->arena, &now);
    bool there = r == 0;
    d->result = there || r == -ENOENT ? s3_cond_judge(&d->cond, there ? &now : NULL) : r;
    if (q->bkt->versioning.p) /* a marker is made even where there is nothing */
        d->what = (struct s3_object){.flags = S3_OBJ_DELETE_MARKER | s3_new_version_flags(q->bkt),
                                     .mtime_ms = MAX(dfs_now_ms(), now.mtime_ms)};
    else
        d->what = (struct s3_object){.seq = now.seq};
    *nothing = !there && !q->bkt->versioning.p;
}

/* What is not there needs neither note nor commit, and what is refused already gets none. */
static bool nothing_to_do(struct s3_req *q, struct s3_deletion *d)
{
    bool nothing;
    d->result = 0;
    d->noted = false;
    d->gone = (struct s3_deleted){0};
    if (d->by_version)
        version_that_goes(q, d, &nothing);
    else
        object_that_goes(q, d, &nothing);
    d->what.owner_id = q->who.user_id;
    return nothing || d->result < 0;
}

static bool is_marker(const struct s3_deletion *d)
{
    return !d->by_version && d->what.flags & S3_OBJ_DELETE_MARKER;
}

static int describe(struct s3_req *q, struct s3_deletion *d, struct buf *out)
{
    d->what.flags &= ~S3_OBJ_UNSAID;
    if (is_marker(d)) {
        uint64_t before = d->noted ? d->what.seq : 0;
        d->what.seq = s3_index_number(q->gw->index);
        return s3_note_describe_put(q->gw, d->what.seq, q->bkt, d->key, &d->what, before, out);
    }
    struct s3_desc_change c = {.version = d->what.seq,
                               .null = !d->by_version || d->what.flags & S3_OBJ_NULL_VERSION};
    return s3_note_describe_change(q->gw, S3_DESC_GONE, q->bkt, d->key, &c, NULL, out);
}

/* --- notes --- */

struct noted {
    struct s3_dfs_put put;
    struct s3_deletion *deletion;
    struct s3_latch *latch;
};

static void noted_done(struct s3_dfs_put *p, int result)
{
    struct noted *n = p->arg;
    n->deletion->result = result;
    n->deletion->noted |= result == 0;
    s3_latch_down(n->latch);
}

static int note_deletions(struct s3_req *q, struct s3_deletion **d, size_t n)
{
    struct noted *notes = arena_alloc(&q->arena, MAX(n, (size_t)1) * sizeof(*notes));
    if (!notes)
        return -ENOMEM;
    struct s3_latch latch = S3_LATCH(0);
    AUTO(buf_free) struct buf text = BUF(64 * 1024);
    size_t ready = 0;
    for (size_t i = 0; i < n; i++) {
        buf_reset(&text);
        int r = describe(q, d[i], &text);
        struct str description = r == 0 ? arena_str(&q->arena, buf_str(&text)) : STR_NULL;
        d[i]->result = r < 0 ? r : description.p ? 0 : -ENOMEM;
        if (d[i]->result < 0)
            continue;
        struct noted *x = &notes[ready++];
        x->deletion = d[i];
        x->latch = &latch;
        x->put = (struct s3_dfs_put){
            .groups = q->bkt->groups, .description = description, .done = noted_done, .arg = x};
    }
    latch.left = ready;
    for (size_t i = 0; i < ready; i++)
        s3_dfs_submit(q->gw->dfs, &notes[i].put);
    s3_latch_wait(&latch);
    return 0;
}

/* --- updates --- */

struct deletions_update {
    struct s3_update update;
    struct s3_req *q;
    uint64_t bid;
    struct s3_deletion **d;
    int *judged; /* per deletion, overwritten by every run */
    size_t n;
    struct s3_latch *latch;
};

static int delete_some(struct s3_tx *tx, void *arg)
{
    struct deletions_update *u = arg;
    s3_tx_frees(tx);
    for (size_t i = 0; i < u->n; i++) {
        struct s3_deletion *d = u->d[i];
        if (d->result != 0)
            continue;
        d->gone = (struct s3_deleted){0};
        u->judged[i] = d->by_version
                           ? s3_object_delete_version(tx, u->bid, d->key, &d->version,
                                                      d->bypass_governance, &d->gone)
                           : s3_object_delete(tx, u->bid, d->key, &d->cond, &d->what, &d->gone);
        if (u->judged[i] < 0 && u->judged[i] != -ENOENT && u->judged[i] != -ESTALE &&
            u->judged[i] != -EPERM && u->judged[i] != -ERESTART)
            return u->judged[i]; /* not this key's fault: none of them */
        if (u->judged[i] == 0)
            s3_notice_deleted(tx, u->q, d->key, d->by_version, &d->gone);
    }
    return 0;
}

static void deletions_done(void *arg, int result)
{
    struct deletions_update *u = arg;
    for (size_t i = 0; i < u->n; i++)
        if (u->d[i]->result == 0)
            u->d[i]->result = result < 0 ? result : u->judged[i];
    s3_latch_down(u->latch);
}

static int update_deletions(struct s3_req *q, struct s3_deletion **d, size_t n)
{
    size_t count = (n + DELETIONS_A_COMMIT - 1) / DELETIONS_A_COMMIT;
    struct deletions_update *u = arena_alloc(&q->arena, MAX(count, (size_t)1) * sizeof(*u));
    int *judged = arena_alloc(&q->arena, MAX(n, (size_t)1) * sizeof(*judged));
    if (!u || !judged)
        return -ENOMEM;
    struct s3_latch latch = S3_LATCH(count);
    for (size_t i = 0; i < count; i++) {
        size_t from = i * DELETIONS_A_COMMIT;
        u[i] = (struct deletions_update){.q = q,
                                         .bid = q->bkt->bid,
                                         .d = d + from,
                                         .judged = judged + from,
                                         .n = MIN(n - from, (size_t)DELETIONS_A_COMMIT),
                                         .latch = &latch};
        u[i].update = (struct s3_update){.fn = delete_some, .done = deletions_done, .arg = &u[i]};
    }
    for (size_t i = 0; i < count; i++)
        s3_index_submit(q->gw->index, &u[i].update);
    s3_latch_wait(&latch);
    return 0;
}

static void all_fail(struct s3_deletion **d, size_t n, int r)
{
    for (size_t i = 0; i < n; i++)
        d[i]->result = r;
}

static void take_back(struct s3_req *q, const struct s3_deletion *d)
{
    if (is_marker(d))
        s3_say_void(q, q->bkt, d->key, d->what.seq);
    else
        s3_say_what_version_is(q, q->bkt, d->key, d->what.seq);
}

/* Those that have to be described again stay in @d; returns how many. */
static size_t try_all(struct s3_req *q, struct s3_deletion **d, size_t n)
{
    int r = note_deletions(q, d, n);
    if (r == 0)
        r = update_deletions(q, d, n);
    if (r < 0)
        all_fail(d, n, r);
    size_t again = 0;
    for (size_t i = 0; i < n; i++)
        if (d[i]->result == -ERESTART)
            d[again++] = d[i];
        else if (d[i]->result < 0 && d[i]->noted)
            take_back(q, d[i]);
    return again;
}

void s3_commit_deletions(struct s3_req *q, struct s3_deletion *d, size_t n)
{
    struct s3_deletion **todo =
        arena_alloc(&q->arena, MAX(n, (size_t)1) * sizeof(struct s3_deletion *));
    if (!todo) {
        for (size_t i = 0; i < n; i++)
            d[i].result = -ENOMEM;
        return;
    }
    size_t m = 0;
    for (size_t i = 0; i < n; i++)
        if (!nothing_to_do(q, &d[i]))
            todo[m++] = &d[i];
    for (int i = 0; m > 0 && i < S3_COMMIT_TRIES; i++)
        m = try_all(q, todo, m);
    for (size_t i = 0; i < m; i++) {
        todo[i]->result = -EAGAIN;
        take_back(q, todo[i]);
    }
}
