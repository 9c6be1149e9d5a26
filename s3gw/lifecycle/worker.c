/* SPDX-License-Identifier: Apache-2.0 */
#include "s3gw/lifecycle/worker.h"

#include <pthread.h>
#include <time.h>

#include "dfscore/base/background.h"
#include "dfscore/base/clock.h"
#include "dfscore/log/log.h"
#include "s3gw/lifecycle/rules.h"

enum {
    ROWS_PER_S = 20000,
    SLICE_ROWS = 500,
    BUCKETS_A_PAGE = 8, /* whole records, with all their documents */
    ARENA_MAX = 96 * 1024 * 1024,
    RETRY_MS = 5000,           /* after a failure */
    RETRIES = 12,              /* ... so often in one bucket; then the others get their turn */
    AGAIN_MS = 60 * 60 * 1000, /* after a pass that had to leave a bucket, the next one */
    SAVE_MS = 5000,            /* of a pass under way */
    LOOK_MS = 60 * 1000,       /* at the wall clock, at least so often: it may be set */
    RECORD_VERSION = 2,
    TALLY_1 = 8, /* fields of a tally in version 1 */
    ROW_MAX = 8192,
};

static const struct str DOC = STR_INIT("lifecycle");

struct pass {
    bool under_way;
    int64_t begun_ms;
    bool in_uploads;
    struct s3_life_place place; /* in the bucket */
    char bucket[256];           /* the one it is in, or behind; empty: before the first */
    size_t nbucket;
    bool inside; /* ... in it */
    struct s3_life_tally tally;
    int64_t last_begun_ms, last_ended_ms;
    struct s3_life_tally last;
};

struct s3_life_worker {
    unsigned magic;
#define LIFE_WORKER_MAGIC 0x4c494645u
    struct s3_life_options o;
    struct dfs_background bg;
    bool run_now;                 /* under bg.lock */
    struct s3_life_counts counts; /* under bg.lock */
    struct pass pass;             /* the thread's, like all below */
    uint64_t saved_mono_ms;
    unsigned tries;   /* of the page the pass is at that failed */
    bool left;        /* this pass has left a bucket that could not be done */
    int64_t again_ms; /* such a pass is made up for then; 0: there was none */
};

/* --- the row ---------------------------------------------------------------------------------- */

static const size_t tally_fields[] = {
    offsetof(struct s3_life_tally, buckets), offsetof(struct s3_life_tally, rows),
    offsetof(struct s3_life_tally, expired), offsetof(struct s3_life_tally, versions),
    offsetof(struct s3_life_tally, markers), offsetof(struct s3_life_tally, uploads),
    offsetof(struct s3_life_tally, locked),  offsetof(struct s3_life_tally, changed),
    offsetof(struct s3_life_tally, moved),   offsetof(struct s3_life_tally, failed),
};
_Static_assert(sizeof(struct s3_life_tally) == ARRAY_LEN(tally_fields) * sizeof(uint64_t),
               "a field is missing");

static void add_tally(struct buf *b, const struct s3_life_tally *t)
{
    for (size_t i = 0; i < ARRAY_LEN(tally_fields); i++)
        buf_var(b, *(const uint64_t *)((const char *)t + tally_fields[i]));
}

static void read_tally(struct rd *in, uint8_t version, struct s3_life_tally *t)
{
    size_t n = version == 1 ? (size_t)TALLY_1 : ARRAY_LEN(tally_fields);
    for (size_t i = 0; i < n; i++)
        *(uint64_t *)((char *)t + tally_fields[i]) = rd_var(in);
}

static void encode_pass(const struct pass *p, struct buf *b)
{
    buf_u8(b, RECORD_VERSION);
    buf_u8(b, p->under_way);
    buf_u64(b, (uint64_t)p->begun_ms);
    buf_u64(b, (uint64_t)p->last_begun_ms);
    buf_u64(b, (uint64_t)p->last_ended_ms);
    add_tally(b, &p->tally);
    add_tally(b, &p->last);
    if (!p->under_way)
        return;
    buf_u8(b, p->in_uploads);
    buf_u8(b, p->inside);
    buf_lstr(b, str_of(p->bucket, p->nbucket));
    buf_lstr(b, str_of(p->place.done, p->place.ndone));
}

static int decode_pass(struct str record, struct pass *ret)
{
    struct rd in = rd_of(record);
    struct pass p = {0};
    uint8_t version = rd_u8(&in);
    if (version < 1 || version > RECORD_VERSION)
        return -EBADMSG;
    p.under_way = rd_u8(&in) != 0;
    p.begun_ms = (int64_t)rd_u64(&in);
    p.last_begun_ms = (int64_t)rd_u64(&in);
    p.last_ended_ms = (int64_t)rd_u64(&in);
    read_tally(&in, version, &p.tally);
    read_tally(&in, version, &p.last);
    if (p.under_way) {
        p.in_uploads = rd_u8(&in) != 0;
        p.inside = rd_u8(&in) != 0;
        struct str bucket = rd_lstr(&in), key = rd_lstr(&in);
        if (bucket.n >= sizeof(p.bucket) || key.n > sizeof(p.place.key))
            return -EBADMSG;
        p.nbucket = bucket.n;
        if (bucket.n)
            memcpy(p.bucket, bucket.p, bucket.n);
        s3_life_place_set(&p.place, key);
    }
    if (in.bad)
        return -EBADMSG;
    *ret = p;
    return 0;
}

static int put_row(struct s3_tx *tx, void *arg)
{
    AUTO(buf_free) struct buf b = BUF(ROW_MAX);
    encode_pass(arg, &b);
    if (buf_err(&b))
        return buf_err(&b);
    struct s3_row_key row;
    s3_row_start(&row, S3_ROW_LIFECYCLE);
    s3_tx_frees(tx); /* on a full disk expiry is what helps */
    s3_tx_put(tx, s3_row_str(&row), buf_str(&b));
    return 0;
}

static int save(struct s3_life_worker *w)
{
    w->saved_mono_ms = dfs_mono_ms();
    return s3_index_update(w->o.gw->index, put_row, &w->pass);
}

static int load(struct s3_life_worker *w)
{
    AUTO(buf_free) struct buf b = BUF(S3_INDEX_VALUE_MAX);
    struct s3_row_key row;
    s3_row_start(&row, S3_ROW_LIFECYCLE);
    int r = s3_index_get(w->o.gw->index, s3_row_str(&row), S3_READ_ANY, &b);
    if (r == 0)
        r = decode_pass(buf_str(&b), &w->pass);
    return r;
}

/* --- what others see -------------------------------------------------------------------------- */

static int64_t next_ms(const struct s3_life_worker *w)
{
    if (w->pass.last_begun_ms == 0)
        return 0;
    int64_t next = s3_life_due(w->pass.last_begun_ms, 0, w->o.gw->lifecycle_day_ms);
    return w->again_ms ? MIN(next, w->again_ms) : next;
}

static void show(struct s3_life_worker *w)
{
    const struct pass *p = &w->pass;
    pthread_mutex_lock(&w->bg.lock);
    struct s3_life_counts *c = &w->counts;
    c->running = p->under_way;
    c->begun_ms = p->under_way ? p->begun_ms : 0;
    memcpy(c->bucket, p->bucket, sizeof(c->bucket));
    c->bucket[p->under_way ? MIN(p->nbucket, sizeof(c->bucket) - 1) : 0] = 0;
    c->now = p->under_way ? p->tally : (struct s3_life_tally){0};
    c->last_begun_ms = p->last_begun_ms;
    c->last_ended_ms = p->last_ended_ms;
    c->last = p->last;
    c->next_ms = next_ms(w);
    pthread_mutex_unlock(&w->bg.lock);
}

/* False: stop. */
static bool rest(struct s3_life_worker *w, uint64_t ms)
{
    struct timespec at = dfs_mono_after(ms);
    pthread_mutex_lock(&w->bg.lock);
    while (ms > 0 && !w->bg.stopping && pthread_cond_timedwait(&w->bg.wake, &w->bg.lock, &at) == 0)
        ; /* somebody wants a pass: one is under way */
    bool go_on = !w->bg.stopping;
    pthread_mutex_unlock(&w->bg.lock);
    return go_on;
}

/* --- a slice ---------------------------------------------------------------------------------- */

static void count_one(struct s3_life_tally *t, const struct s3_expiry *e)
{
    static const size_t fields[] = {[S3_EXPIRE_CURRENT] = offsetof(struct s3_life_tally, expired),
                                    [S3_EXPIRE_VERSION] = offsetof(struct s3_life_tally, versions),
                                    [S3_EXPIRE_MARKER] = offsetof(struct s3_life_tally, markers),
                                    [S3_EXPIRE_UPLOAD] = offsetof(struct s3_life_tally, uploads),
                                    [S3_EXPIRE_MOVE] = offsetof(struct s3_life_tally, moved)};
    uint64_t *done = (uint64_t *)((char *)t + fields[e->what]);
    if (e->result == 0)
        (*done)++;
    else if (e->result == -EPERM)
        t->locked++;
    else
        t->changed++;
}

static bool has_changed(int e)
{
    return e == -ESTALE || e == -ENOENT || e == -ENODEV;
}

/* 0, or the error of the first that failed for a reason that is not its own. */
static int tally(struct s3_life_tally *t, const struct s3_life_slice *s)
{
    int r = 0;
    t->rows += s->rows;
    t->locked += s->locked;
    for (size_t i = 0; i < s->n; i++) {
        int e = s->expiries[i].result;
        if (e < 0 && e != -EINTR && s->expiries[i].what == S3_EXPIRE_MOVE && !has_changed(e))
            t->failed++; /* a group that is away or full must not hold up all the rest */
        else if (e == 0 || e == -EPERM || has_changed(e))
            count_one(t, &s->expiries[i]);
        else if (r == 0)
            r = e;
    }
    return r;
}

static void next_phase(struct pass *p)
{
    p->inside = !p->in_uploads;
    p->in_uploads = !p->in_uploads && p->inside;
    s3_life_place_set(&p->place, STR_NULL);
}

/* One page of the bucket the pass is in, whose record @b was just read. 0 or errno. */
static int slice(struct s3_life_worker *w, const struct s3_bucket *b, struct arena *a)
{
    struct pass *p = &w->pass;
    struct s3_life_scope scope;
    struct s3_life_slice s = {.index = w->o.gw->index,
                              .bucket = b,
                              .record = s3_bucket_doc(b, DOC),
                              .classes = &w->o.gw->classes,
                              .day_ms = w->o.gw->lifecycle_day_ms,
                              .now_ms = dfs_now_ms(),
                              .arena = a};
    int r = s3_life_scope(s.record, &scope);
    if (r < 0)
        return r;
    if (!(p->in_uploads ? scope.uploads : scope.objects)) {
        next_phase(p);
        return 0;
    }
    s.prefix = scope.prefix;
    struct s3_life_place at = p->place;
    r = (p->in_uploads ? s3_life_walk_uploads : s3_life_walk_objects)(&s, &at, w->o.slice);
    if (r < 0)
        return r;
    if (s.n > 0)
        w->o.remove(w->o.gw, b, s.expiries, s.n);
    r = tally(&p->tally, &s);
    if (r < 0)
        return r; /* the same page again, later */
    w->tries = 0;
    p->place = at;
    if (!s.more)
        next_phase(p);
    return rest(w, (uint64_t)s.rows * 1000 / w->o.rows_per_s) ? 0 : -EINTR;
}

/* Slices until the bucket is done. -EINTR: the worker stops. */
static int through_bucket(struct s3_life_worker *w)
{
    struct pass *p = &w->pass;
    while (p->inside) {
        struct arena a;
        struct s3_bucket b;
        arena_init(&a, ARENA_MAX);
        int r = w->bg.stopping ? -EINTR
                               : s3_bucket_get(w->o.gw->index, str_of(p->bucket, p->nbucket),
                                               S3_READ_ANY, &a, &b);
        if (r == -ENOENT || (r == 0 && !s3_bucket_doc(&b, DOC).p)) {
            p->inside = p->in_uploads = false; /* the bucket or its rules have gone */
            r = 0;
        } else if (r == 0) {
            r = slice(w, &b, &a);
        }
        arena_fini(&a);
        if (r == -EBADMSG) { /* rules or a record we cannot read: this bucket must not hold up the
                                others */
            dfs_log(LOG_ERROR, "lifecycle.unreadable",
                    KV_STR("bucket", str_of(p->bucket, p->nbucket)));
            p->inside = p->in_uploads = false;
            r = 0;
        }
        if (r == 0 && p->inside && dfs_mono_ms() - w->saved_mono_ms >= SAVE_MS)
            r = save(w);
        show(w);
        if (r < 0)
            return r;
    }
    return 0;
}

/* --- a pass ----------------------------------------------------------------------------------- */

static void enter(struct pass *p, const struct s3_bucket *b)
{
    p->nbucket = MIN(b->name.n, sizeof(p->bucket) - 1);
    memcpy(p->bucket, b->name.p, p->nbucket);
    s3_life_place_set(&p->place, STR_NULL);
    p->in_uploads = false;
    p->inside = s3_bucket_doc(b, DOC).p != NULL;
    p->tally.buckets += p->inside;
}

/* The buckets of one page behind the one the pass is behind. */
static int some_buckets(struct s3_life_worker *w, bool *more)
{
    AUTO(arena_fini) struct arena a;
    arena_init(&a, ARENA_MAX);
    struct s3_bucket *b;
    size_t n;
    int r =
        s3_bucket_list(w->o.gw->index, STR_NULL, STR_NULL, str_of(w->pass.bucket, w->pass.nbucket),
                       BUCKETS_A_PAGE, &a, &b, &n, more);
    for (size_t i = 0; r == 0 && i < n; i++) {
        enter(&w->pass, &b[i]);
        r = through_bucket(w);
    }
    if (r == 0 && w->bg.stopping)
        r = -EINTR;
    return r;
}

static int go_on(struct s3_life_worker *w)
{
    bool more = true;
    int r = through_bucket(w); /* after a restart, or a failure */
    while (r == 0 && more)
        r = some_buckets(w, &more);
    return r;
}

static void begin(struct s3_life_worker *w)
{
    struct pass *p = &w->pass;
    w->left = false;
    w->tries = 0;
    *p = (struct pass){.under_way = true,
                       .begun_ms = dfs_now_ms(),
                       .last_begun_ms = p->last_begun_ms,
                       .last_ended_ms = p->last_ended_ms,
                       .last = p->last};
    w->saved_mono_ms = dfs_mono_ms();
}

static void log_pass(const struct pass *p)
{
    const struct s3_life_tally *t = &p->last;
    bool idle = t->expired + t->versions + t->markers + t->uploads + t->moved + t->failed == 0;
    dfs_log(idle ? LOG_DEBUG : LOG_INFO, "lifecycle.pass", KV_U64("buckets", t->buckets),
            KV_U64("rows", t->rows), KV_U64("expired", t->expired), KV_U64("versions", t->versions),
            KV_U64("markers", t->markers), KV_U64("uploads", t->uploads), KV_U64("moved", t->moved),
            KV_U64("failed", t->failed), KV_U64("locked", t->locked), KV_U64("changed", t->changed),
            KV_U64("ms", (uint64_t)MAX(p->last_ended_ms - p->last_begun_ms, 0)));
}

static int end(struct s3_life_worker *w)
{
    struct pass *p = &w->pass;
    *p = (struct pass){
        .last_begun_ms = p->begun_ms, .last_ended_ms = dfs_now_ms(), .last = p->tally};
    w->again_ms = w->left ? p->last_ended_ms + AGAIN_MS : 0;
    int r = save(w);
    show(w);
    log_pass(p);
    return r;
}

/* What keeps failing (a group that is away or full) holds up its own bucket, not those behind it. */
static void failed(struct s3_life_worker *w, int r)
{
    struct pass *p = &w->pass;
    static struct dfs_log_gate gate;
    bool leave = p->inside && ++w->tries > RETRIES;
    pthread_mutex_lock(&w->bg.lock);
    w->counts.failures++;
    pthread_mutex_unlock(&w->bg.lock);
    if (leave || dfs_log_allow(&gate, 1))
        dfs_log(LOG_WARN, leave ? "lifecycle.bucket_left" : "lifecycle.failed", KV_ERR(r),
                KV_STR("bucket", str_of(p->bucket, p->nbucket)));
    if (leave) {
        p->inside = p->in_uploads = false;
        w->left = true;
        w->tries = 0;
    }
}

/* Whatever is to be done now. How long there is nothing more to do, in ms. */
static uint64_t work(struct s3_life_worker *w, bool now)
{
    int64_t next = next_ms(w), clock = dfs_now_ms();
    bool clock_went_back = clock < w->pass.last_begun_ms;
    if (!w->pass.under_way && !now && clock < next && !clock_went_back)
        return (uint64_t)MIN(next - clock, (int64_t)LOOK_MS);
    if (!w->pass.under_way)
        begin(w);
    show(w);
    int r = go_on(w);
    if (r == 0)
        r = end(w);
    show(w);
    if (r == 0)
        return (uint64_t)MAX(MIN(next_ms(w) - dfs_now_ms(), (int64_t)LOOK_MS), 0);
    if (r != -EINTR)
        failed(w, r);
    return w->o.retry_ms;
}

static void *life_main(void *arg)
{
    struct s3_life_worker *w = arg;
    bool now = false;
    while (!w->bg.stopping) {
        struct timespec at = dfs_mono_after(work(w, now));
        pthread_mutex_lock(&w->bg.lock);
        int r = 0;
        while (!w->bg.stopping && !w->run_now && r == 0)
            r = pthread_cond_timedwait(&w->bg.wake, &w->bg.lock, &at);
        now = w->run_now;
        w->run_now = false;
        pthread_mutex_unlock(&w->bg.lock);
    }
    if (w->pass.under_way) {
        int r = save(w);
        if (r < 0)
            dfs_log(LOG_WARN, "lifecycle.position_lost", KV_ERR(r));
    }
    return NULL;
}

/* --- life ------------------------------------------------------------------------------------- */

int s3_life_worker_start(const struct s3_life_options *o, struct s3_life_worker **ret)
{
    AUTO(dfs_free_ptr) struct s3_life_worker *w = dfs_zalloc(sizeof(*w));
    if (!w)
        return -ENOMEM;
    w->magic = LIFE_WORKER_MAGIC;
    w->o = *o;
    w->o.rows_per_s = o->rows_per_s ? o->rows_per_s : ROWS_PER_S;
    w->o.retry_ms = o->retry_ms ? o->retry_ms : RETRY_MS;
    w->o.slice = MIN(o->slice ? o->slice : SLICE_ROWS, 1000u);
    int r = load(w);
    if (r < 0 && r != -ENOENT) { /* from the beginning then: nothing is lost but time */
        dfs_log(LOG_WARN, "lifecycle.position_unreadable", KV_ERR(r));
        w->pass = (struct pass){0};
    }
    dfs_background_init(&w->bg);
    show(w);
    r = dfs_background_start(&w->bg, "lifecycle", life_main, w);
    if (r < 0) {
        dfs_background_fini(&w->bg);
        return r;
    }
    *ret = TAKE(w);
    return 0;
}

void s3_life_worker_stop(struct s3_life_worker **wp)
{
    struct s3_life_worker *w = TAKE(*wp);
    if (!w)
        return;
    CHECK_OBJ(w, LIFE_WORKER_MAGIC);
    dfs_background_fini(&w->bg);
    w->magic = 0;
    free(w);
}

void s3_life_worker_counts(struct s3_life_worker *w, struct s3_life_counts *ret)
{
    CHECK_OBJ(w, LIFE_WORKER_MAGIC);
    pthread_mutex_lock(&w->bg.lock);
    *ret = w->counts;
    pthread_mutex_unlock(&w->bg.lock);
}

void s3_life_worker_run(struct s3_life_worker *w)
{
    CHECK_OBJ(w, LIFE_WORKER_MAGIC);
    pthread_mutex_lock(&w->bg.lock);
    w->run_now = true;
    pthread_cond_signal(&w->bg.wake);
    pthread_mutex_unlock(&w->bg.lock);
}
