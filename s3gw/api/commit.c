/* SPDX-License-Identifier: Apache-2.0 */
#include "s3gw/api/commit.h"

#include <pthread.h>

#include "dfscore/log/log.h"
#include "s3gw/api/cond.h"
#include "s3gw/core/gw.h"
#include "s3gw/dfs/describe.h"
#include "s3gw/dfs/dfs.h"

enum { DELETIONS_A_COMMIT = 100 }; /* updates must be quick: others wait behind them */

/* --- descriptions --- */

static int describe(enum s3_desc_kind kind, uint64_t order, const struct s3_bucket *bkt,
                    struct str key, struct str rest, struct buf *out)
{
    struct s3_desc d = {.kind = kind,
                        .order = order,
                        .bucket = bkt->name,
                        .owner_id = bkt->owner_id,
                        .key = key,
                        .rest = rest};
    s3_desc_encode(&d, out);
    return buf_err(out);
}

int s3_describe_object(const struct s3_bucket *bkt, struct str key, const struct s3_object *o,
                       uint64_t order, struct buf *out)
{
    AUTO(buf_free) struct buf record = BUF(S3_INDEX_VALUE_MAX);
    s3_object_encode(o, &record);
    int r = buf_err(&record);
    return r < 0 ? r : describe(S3_DESC_PUT, order, bkt, key, buf_str(&record), out);
}

int s3_describe_part(const struct s3_bucket *bkt, struct str key, uint64_t useq,
                     const struct s3_upart *p, struct buf *out)
{
    struct s3_object o = {.size = p->size, .mtime_ms = p->mtime_ms, .checksum = p->checksum};
    memcpy(o.etag.md5, p->md5, sizeof(o.etag.md5));
    AUTO(buf_free) struct buf rest = BUF(S3_INDEX_VALUE_MAX);
    buf_u64(&rest, useq);
    buf_u32(&rest, p->number);
    s3_object_encode(&o, &rest);
    int r = buf_err(&rest);
    return r < 0 ? r : describe(S3_DESC_PART, 0, bkt, key, buf_str(&rest), out);
}

static int describe_key(const struct s3_bucket *bkt, struct str key, const struct s3_object *o,
                        struct buf *out)
{
    return o ? s3_describe_object(bkt, key, o, 0, out)
             : describe(S3_DESC_DELETE, 0, bkt, key, STR_NULL, out);
}

static int describe_bucket(const struct s3_bucket *bkt, bool gone, struct buf *out)
{
    AUTO(buf_free) struct buf record = BUF(S3_INDEX_VALUE_MAX);
    if (!gone)
        s3_bucket_encode(bkt, &record);
    int r = buf_err(&record);
    return r < 0 ? r
                 : describe(gone ? S3_DESC_UNBUCKET : S3_DESC_BUCKET, 0, bkt, STR_NULL,
                            buf_str(&record), out);
}

static int note_key(struct s3_req *q, const struct s3_bucket *bkt, struct str key,
                    const struct s3_object *o)
{
    AUTO(buf_free) struct buf d = BUF(2 * S3_INDEX_VALUE_MAX);
    int r = describe_key(bkt, key, o, &d);
    return r < 0 ? r : s3_dfs_note(q->gw->dfs, bkt->group, buf_str(&d));
}

static int note_bucket(struct s3_req *q, const struct s3_bucket *bkt, bool gone)
{
    AUTO(buf_free) struct buf d = BUF(2 * S3_INDEX_VALUE_MAX);
    int r = describe_bucket(bkt, gone, &d);
    return r < 0 ? r : s3_dfs_note(q->gw->dfs, bkt->group, buf_str(&d));
}

/* --- taking a note back --- */

static void not_taken_back(int r)
{
    static struct dfs_log_gate gate;
    if (r < 0 && dfs_log_allow(&gate, 1))
        dfs_log(LOG_ERROR, "s3.note_not_taken_back", KV_ERR(r));
}

void s3_commit_refused(struct s3_req *q, const struct s3_bucket *bkt, struct str key)
{
    struct s3_object now;
    int r = s3_object_get(q->gw->index, bkt->bid, key, S3_READ_ANY, true, &q->arena, &now);
    if (r == 0 || r == -ENOENT)
        r = note_key(q, bkt, key, r == 0 ? &now : NULL);
    not_taken_back(r);
}

static void say_what_bucket_is(struct s3_req *q, const struct s3_bucket *noted)
{
    struct s3_bucket now;
    int r = s3_bucket_get(q->gw->index, noted->name, S3_READ_ANY, &q->arena, &now);
    if (r == 0 || r == -ENOENT)
        r = note_bucket(q, r == 0 ? &now : noted, r != 0);
    not_taken_back(r);
}

/* --- one change --- */

int s3_commit_key(struct s3_req *q, const struct s3_bucket *bkt, struct str key,
                  const struct s3_object *o, int (*fn)(struct s3_tx *tx, void *arg), void *arg)
{
    int r = note_key(q, bkt, key, o);
    if (r < 0)
        return r;
    r = s3_index_update(q->gw->index, fn, arg);
    if (r < 0)
        s3_commit_refused(q, bkt, key);
    return r;
}

int s3_commit_rename(struct s3_req *q, struct str from, struct str to, const struct s3_object *o,
                     int (*fn)(struct s3_tx *tx, void *arg), void *arg)
{
    int r = note_key(q, q->bkt, to, o);
    if (r == 0)
        r = s3_commit_key(q, q->bkt, from, NULL, fn, arg);
    if (r < 0)
        s3_commit_refused(q, q->bkt, to);
    return r;
}

int s3_commit_bucket(struct s3_req *q, struct str name, const struct s3_bucket *now,
                     int (*fn)(struct s3_tx *tx, void *arg), void *arg)
{
    const struct s3_bucket *noted = now ? now : q->bkt;
    ASSERT(noted && str_eq(noted->name, name));
    int r = note_bucket(q, noted, !now);
    if (r < 0)
        return r;
    r = s3_index_update(q->gw->index, fn, arg);
    s3_bucket_changed(q->gw->index, name);
    if (r < 0)
        say_what_bucket_is(q, noted);
    return r;
}

/* --- documents of a bucket --- */

struct doc_change {
    struct str name; /* of the bucket */
    uint64_t bid;
    struct str doc;   /* absent: the value is the state of versioning */
    struct str value; /* absent: remove */
    struct arena *arena;
};

static int with_doc(const struct doc_change *c, struct s3_bucket *b)
{
    if (!c->doc.p) {
        b->versioning = c->value;
        return 0;
    }
    struct s3_pair_doc *docs = arena_alloc(c->arena, (b->ndocs + 1) * sizeof(*docs));
    if (!docs)
        return -ENOMEM;
    size_t n = 0;
    for (size_t i = 0; i < b->ndocs; i++)
        if (!str_eq(b->docs[i].name, c->doc))
            docs[n++] = b->docs[i];
    if (c->value.p) {
        docs[n].name = c->doc;
        docs[n++].value = c->value;
    }
    b->docs = docs;
    b->ndocs = n;
    return 0;
}

static int change_doc(struct s3_tx *tx, void *arg)
{
    const struct doc_change *c = arg;
    struct s3_bucket now;
    int r = s3_bucket_get_tx(tx, c->name, c->arena, &now);
    if (r == 0 && now.bid != c->bid)
        r = -ENOENT;
    if (r == 0)
        r = with_doc(c, &now);
    return r < 0 ? r : s3_bucket_update(tx, &now);
}

int s3_commit_versioning(struct s3_req *q, struct str status)
{
    return s3_commit_bucket_doc(q, STR_NULL, status);
}

int s3_commit_bucket_doc(struct s3_req *q, struct str doc, struct str value)
{
    /* Changes of configuration are rare: one at a time, so that notes follow each other as commits
     * do. */
    static pthread_mutex_t one_at_a_time = PTHREAD_MUTEX_INITIALIZER;
    struct doc_change c = {q->bkt->name, q->bkt->bid, doc, value, &q->arena};
    struct s3_bucket now;
    pthread_mutex_lock(&one_at_a_time);
    int r = s3_bucket_get(q->gw->index, c.name, S3_READ_ANY, &q->arena, &now);
    if (r == 0)
        r = with_doc(&c, &now);
    if (r == 0)
        r = s3_commit_bucket(q, c.name, &now, change_doc, &c);
    pthread_mutex_unlock(&one_at_a_time);
    return r;
}

/* --- many deletions: all notes in one go, then a few updates in one go --- */

struct latch { /* counts what is under way; lives on the waiting worker's stack */
    pthread_mutex_t lock;
    pthread_cond_t zero;
    size_t left;
};

static void latch_down(struct latch *l)
{
    pthread_mutex_lock(&l->lock);
    if (--l->left == 0)
        pthread_cond_signal(&l->zero);
    pthread_mutex_unlock(&l->lock);
}

static void latch_wait(struct latch *l)
{
    pthread_mutex_lock(&l->lock);
    while (l->left > 0)
        pthread_cond_wait(&l->zero, &l->lock);
    pthread_mutex_unlock(&l->lock);
    pthread_cond_destroy(&l->zero);
    pthread_mutex_destroy(&l->lock);
}

struct noted {
    struct s3_dfs_put put;
    struct s3_deletion *deletion;
    struct latch *latch;
};

static void noted_done(struct s3_dfs_put *p, int result)
{
    struct noted *n = p->arg;
    n->deletion->result = result;
    latch_down(n->latch);
}

/* Notes for every deletion whose result is 0 so far. */
static int note_deletions(struct s3_req *q, struct s3_deletion *d, size_t n)
{
    struct noted *notes = arena_alloc(&q->arena, MAX(n, (size_t)1) * sizeof(*notes));
    if (!notes)
        return -ENOMEM;
    struct latch latch = {PTHREAD_MUTEX_INITIALIZER, PTHREAD_COND_INITIALIZER, 0};
    AUTO(buf_free) struct buf text = BUF(64 * 1024);
    size_t ready = 0;
    for (size_t i = 0; i < n; i++) {
        if (d[i].result != 0 || d[i].by_version)
            continue;
        buf_reset(&text);
        int r = describe_key(q->bkt, d[i].key, NULL, &text);
        struct str description = r == 0 ? arena_str(&q->arena, buf_str(&text)) : STR_NULL;
        if (!description.p) {
            d[i].result = r < 0 ? r : -ENOMEM;
            continue;
        }
        struct noted *x = &notes[ready++];
        x->deletion = &d[i];
        x->latch = &latch;
        x->put = (struct s3_dfs_put){
            .group = q->bkt->group, .description = description, .done = noted_done, .arg = x};
    }
    latch.left = ready;
    for (size_t i = 0; i < ready; i++)
        s3_dfs_submit(q->gw->dfs, &notes[i].put);
    latch_wait(&latch);
    return 0;
}

struct deletions_update {
    struct s3_update update;
    uint64_t bid;
    struct str marker_owner;
    struct s3_deletion *d;
    int *judged; /* per deletion, overwritten by every run */
    size_t n;
    struct latch *latch;
};

static int delete_some(struct s3_tx *tx, void *arg)
{
    struct deletions_update *u = arg;
    s3_tx_frees(tx);
    for (size_t i = 0; i < u->n; i++) {
        if (u->d[i].result != 0)
            continue;
        struct s3_deletion *d = &u->d[i];
        d->gone = (struct s3_deleted){0};
        u->judged[i] = d->by_version ? s3_object_delete_version(tx, u->bid, d->key, &d->version,
                                                                d->bypass_governance, &d->gone)
                                     : s3_object_delete(tx, u->bid, d->key, &d->cond,
                                                        u->marker_owner, &d->gone);
        if (u->judged[i] < 0 && u->judged[i] != -ENOENT && u->judged[i] != -ESTALE &&
            u->judged[i] != -EPERM)
            return u->judged[i]; /* not this key's fault: none of them */
    }
    return 0;
}

static void deletions_done(void *arg, int result)
{
    struct deletions_update *u = arg;
    for (size_t i = 0; i < u->n; i++)
        if (u->d[i].result == 0)
            u->d[i].result = result < 0 ? result : u->judged[i];
    latch_down(u->latch);
}

static int update_deletions(struct s3_req *q, struct s3_deletion *d, size_t n)
{
    size_t count = (n + DELETIONS_A_COMMIT - 1) / DELETIONS_A_COMMIT;
    struct deletions_update *u = arena_alloc(&q->arena, MAX(count, (size_t)1) * sizeof(*u));
    int *judged = arena_alloc(&q->arena, MAX(n, (size_t)1) * sizeof(*judged));
    if (!u || !judged)
        return -ENOMEM;
    struct latch latch = {PTHREAD_MUTEX_INITIALIZER, PTHREAD_COND_INITIALIZER, count};
    for (size_t i = 0; i < count; i++) {
        size_t from = i * DELETIONS_A_COMMIT;
        u[i] = (struct deletions_update){.bid = q->bkt->bid,
                                         .marker_owner = q->who.user_id,
                                         .d = d + from,
                                         .judged = judged + from,
                                         .n = MIN(n - from, (size_t)DELETIONS_A_COMMIT),
                                         .latch = &latch};
        u[i].update = (struct s3_update){.fn = delete_some, .done = deletions_done, .arg = &u[i]};
    }
    for (size_t i = 0; i < count; i++)
        s3_index_submit(q->gw->index, &u[i].update);
    latch_wait(&latch);
    return 0;
}

static void all_fail(struct s3_deletion *d, size_t n, int r)
{
    for (size_t i = 0; i < n; i++)
        if (d[i].result == 0)
            d[i].result = r;
}

/* What is not there needs neither note nor commit, and what its condition refuses gets none. */
static bool nothing_to_do(struct s3_req *q, struct s3_deletion *d)
{
    if (q->bkt->versioning.p)
        return false; /* a marker is made even where there is nothing */
    struct s3_object now;
    int r = s3_object_get(q->gw->index, q->bkt->bid, d->key, S3_READ_ANY, false, &q->arena, &now);
    if (r < 0 && r != -ENOENT) {
        d->result = r;
        return true;
    }
    d->result = s3_cond_judge(&d->cond, r == 0 ? &now : NULL);
    return d->result < 0 || r == -ENOENT;
}

void s3_commit_deletions(struct s3_req *q, struct s3_deletion *d, size_t n)
{
    struct s3_deletion *todo = arena_alloc(&q->arena, MAX(n, (size_t)1) * sizeof(*todo));
    size_t *place = arena_alloc(&q->arena, MAX(n, (size_t)1) * sizeof(*place));
    if (!todo || !place) {
        all_fail(d, n, -ENOMEM);
        return;
    }
    size_t m = 0;
    for (size_t i = 0; i < n; i++) {
        d[i].result = 0;
        if (nothing_to_do(q, &d[i]))
            continue;
        place[m] = i;
        todo[m++] = d[i];
    }
    if (m == 0)
        return;
    int r = note_deletions(q, todo, m);
    if (r == 0)
        r = update_deletions(q, todo, m);
    if (r < 0)
        all_fail(todo, m, r);
    for (size_t i = 0; i < m; i++) {
        d[place[i]].result = todo[i].result;
        d[place[i]].gone = todo[i].gone;
        if (todo[i].result < 0 || todo[i].by_version)
            s3_commit_refused(q, q->bkt, todo[i].key);
    }
}
