/* SPDX-License-Identifier: Apache-2.0 */
#include "s3gw/lifecycle/rebalance.h"

#include <pthread.h>
#include <stdio.h>

#include "dfscore/base/clock.h"
#include "dfscore/base/pace.h"
#include "dfscore/log/log.h"
#include "s3gw/core/groups.h"
#include "s3gw/dfs/dfs.h"
#include "s3gw/index/moved.h"
#include "s3gw/index/record.h"
#include "s3gw/index/rows.h"
#include "s3gw/lifecycle/rebalance_parts.h"

enum {
    AGAIN_MS = 5000,
    RETRY_MS = 200, /* each that fails costs numbers in the index and questions to servers */
    ROWS_A_PAGE = 500,
    ARENA_MAX = 96 * 1024 * 1024,
    RECORD_VERSION = 1,
    RECORD_MAX = 256,
    QUIET_PASSES =
        2, /* that end it: what a storage has taken is in the index long before the second */
};

struct job {
    enum s3_rebalance_state state;
    char from[S3_PLACE_MAX + 1], to[17];
    int64_t begun_ms, ended_ms;
};

struct s3_rebalance {
    unsigned magic;
#define REBALANCE_MAGIC 0x5242414cu
    struct s3_rebalance_options o;
    pthread_t thread;
    pthread_mutex_t lock; /* leaf */
    pthread_cond_t wake;
    struct dfs_pace pace;              /* the thread's */
    bool stopping;                     /* under lock, like */
    unsigned quiet;                    /* passes of the job in a row that found nothing to do */
    struct job job;                    /* ... written by begin(), end() and the thread */
    struct s3_rebalance_counts counts; /* ... but for what is the job's */
};

/* --- the row ---------------------------------------------------------------------------------- */

static void encode_job(const struct job *j, struct buf *b)
{
    buf_u8(b, RECORD_VERSION);
    buf_u8(b, (uint8_t)j->state);
    buf_lstr(b, str_c(j->from));
    buf_lstr(b, str_c(j->to));
    buf_u64(b, (uint64_t)j->begun_ms);
    buf_u64(b, (uint64_t)j->ended_ms);
}

static bool take_name(struct rd *in, char *out, size_t cap)
{
    struct str s = rd_lstr(in);
    if (in->bad || s.n >= cap)
        return false;
    snprintf(out, cap, STR_F, STR_A(s));
    return true;
}

static int decode_job(struct str record, struct job *ret)
{
    struct rd in = rd_of(record);
    struct job j = {0};
    if (rd_u8(&in) != RECORD_VERSION)
        return -EBADMSG;
    j.state = rd_u8(&in);
    if (!take_name(&in, j.from, sizeof(j.from)) || !take_name(&in, j.to, sizeof(j.to)) ||
        j.state > S3_REBALANCE_DONE)
        return -EBADMSG;
    j.begun_ms = (int64_t)rd_u64(&in);
    j.ended_ms = (int64_t)rd_u64(&in);
    if (in.bad)
        return -EBADMSG;
    *ret = j;
    return 0;
}

static int put_job(struct s3_tx *tx, void *arg)
{
    const struct job *j = arg;
    struct s3_row_key row;
    AUTO(buf_free) struct buf b = BUF(RECORD_MAX);
    s3_row_start(&row, S3_ROW_REBALANCE);
    encode_job(j, &b);
    if (j->state == S3_REBALANCE_DONE && !strchr(j->from, '/'))
        s3_moved_out(tx, str_c(j->from));
    if (j->state == S3_REBALANCE_NONE)
        s3_tx_del(tx, s3_row_str(&row));
    else
        s3_tx_put(tx, s3_row_str(&row), buf_str(&b));
    return buf_err(&b);
}

/* Only what is still the job can end: stop and start may have come between. */
static int put_done(struct s3_tx *tx, void *arg)
{
    const struct job *done = arg;
    struct job now;
    struct s3_row_key row;
    AUTO(buf_free) struct buf b = BUF(RECORD_MAX);
    s3_row_start(&row, S3_ROW_REBALANCE);
    int r = s3_tx_get(tx, s3_row_str(&row), &b);
    if (r == 0)
        r = decode_job(buf_str(&b), &now);
    if (r < 0 && r != -ENOENT)
        return r;
    bool same = r == 0 && now.state == S3_REBALANCE_ON && now.begun_ms == done->begun_ms;
    return same ? put_job(tx, arg) : -ESTALE;
}

static int load_job(struct s3_index *x, struct job *ret)
{
    struct s3_row_key row;
    AUTO(buf_free) struct buf b = BUF(RECORD_MAX);
    s3_row_start(&row, S3_ROW_REBALANCE);
    int r = s3_index_get(x, s3_row_str(&row), S3_READ_ANY, &b);
    return r < 0 ? r : decode_job(buf_str(&b), ret);
}

/* --- time ------------------------------------------------------------------------------------- */

static bool stopping(struct s3_rebalance *w)
{
    pthread_mutex_lock(&w->lock);
    bool yes = w->stopping;
    pthread_mutex_unlock(&w->lock);
    return yes;
}

/* Is @j still what is to be done? */
static bool wanted(struct s3_rebalance *w, const struct job *j)
{
    pthread_mutex_lock(&w->lock);
    bool yes = !w->stopping && w->job.state == S3_REBALANCE_ON && w->job.begun_ms == j->begun_ms;
    pthread_mutex_unlock(&w->lock);
    return yes;
}

/* Wakes early to stop, or when the job changes. */
static void rest(struct s3_rebalance *w, uint64_t ms)
{
    struct timespec at = dfs_mono_after((unsigned)MIN(ms, (uint64_t)3600 * 1000));
    pthread_mutex_lock(&w->lock);
    if (!w->stopping && ms > 0)
        pthread_cond_timedwait(&w->wake, &w->lock, &at);
    pthread_mutex_unlock(&w->lock);
}

/* --- objects ---------------------------------------------------------------------------------- */

struct page {
    const char *from; /* the place they leave */
    char letter;      /* of the rows */
    struct arena a;
    struct s3_leaving *v;
    size_t n;
};

static int judge_row(void *arg, struct str row, struct str value)
{
    struct page *p = arg;
    struct s3_object o;
    bool split;
    struct str key = str_from(row, 1 + 8);
    uint64_t number;
    AUTO(arena_fini) struct arena a;
    arena_init(&a, ARENA_MAX);
    int r = s3_object_decode_head(value, &a, &o, &split);
    if (r == 0 && p->letter == S3_ROW_VERSION && !s3_row_numbered_parse(row, &key, &number))
        r = -EBADMSG;
    /* a big manifest: whoever moves it looks */
    if (r < 0 || (!split && !s3_lies_in(o.extents, o.nextents, str_c(p->from))))
        return r;
    struct str kept = arena_str(&p->a, key);
    if (!kept.p)
        return -ENOMEM;
    p->v[p->n++] = (struct s3_leaving){.key = kept,
                                       .seq = o.seq,
                                       .null_version = (o.flags & S3_OBJ_NULL_VERSION) != 0,
                                       .from = str_c(p->from)};
    return 0;
}

static bool has_changed(int r)
{
    return r == -ESTALE || r == -ENOENT || r == -ENODEV;
}

static void count(struct s3_rebalance *w, const struct s3_bucket *b, const struct s3_leaving *v,
                  int r)
{
    pthread_mutex_lock(&w->lock);
    if (r == 0) {
        w->counts.objects++;
        w->counts.bytes += v->bytes;
    } else if (!has_changed(r)) {
        w->counts.failed++;
        w->counts.error = r;
        snprintf(w->counts.error_of, sizeof(w->counts.error_of), STR_F "/" STR_F " to " STR_F,
                 STR_A(b->name), STR_A(v->key), STR_A(v->to));
    }
    pthread_mutex_unlock(&w->lock);
}

struct leaving {
    struct s3_rebalance *w;
    const struct job *j;
    const struct s3_bucket *b;
};

/* Where to: when nobody said, what leaves a group goes to the bucket's first other one that has room. */
static int heir(const struct leaving *l, char ret[17])
{
    const struct s3_gw *gw = l->w->o.gw;
    struct str rest = l->b->groups, name;
    struct s3_dfs_group g;
    bool free = !*l->j->to && !strchr(l->j->from, '/');
    while (free && str_split(&rest, ',', &name))
        for (size_t i = 0; s3_dfs_group(gw->dfs, i, &g); i++)
            if (str_eq(str_c(g.name), name) && g.takes_files && !g.low) {
                memcpy(ret, g.name, sizeof(g.name));
                return 0;
            }
    return s3_rebalance_target(gw, l->j->from, l->j->to, ret);
}

/* 0; -EINTR: stop; an error that others would meet too. */
static int move_one(void *arg, struct s3_leaving *v)
{
    const struct leaving *l = arg;
    struct s3_rebalance *w = l->w;
    char to[17];
    if (!wanted(w, l->j))
        return -EINTR;
    int r = heir(l, to);
    if (r < 0)
        return r;
    v->to = str_c(to);
    r = w->o.move(w->o.gw, l->b, v);
    count(w, l->b, v, r);
    static struct dfs_log_gate gate;
    bool failed = r < 0 && !has_changed(r) && r != -EINTR;
    if (failed && dfs_log_allow(&gate, 1))
        dfs_log(LOG_WARN, "rebalance.move_failed", KV_STR("bucket", l->b->name),
                KV_STR("key", v->key), KV_Z("to", to), KV_ERR(r));
    if (r == 0)
        rest(w, dfs_pace_pay(&w->pace, v->bytes, dfs_mono_us()) / 1000);
    else if (failed)
        rest(w, w->o.retry_ms);
    return 0;
}

static int each_version(struct leaving *l, char letter)
{
    struct s3_rebalance *w = l->w;
    struct s3_row_key next = {0};
    int r = 0;
    for (bool more = true; r == 0 && more;) {
        struct page p = {.from = l->j->from, .letter = letter};
        arena_init(&p.a, ARENA_MAX);
        p.v = arena_alloc(&p.a, ROWS_A_PAGE * sizeof(*p.v));
        r = !p.v ? -ENOMEM : wanted(w, l->j) ? 0 : -EINTR;
        if (r == 0)
            r = s3_rebalance_page(w->o.gw->index, letter, l->b->bid, &next, ROWS_A_PAGE, judge_row,
                                  &p);
        for (size_t i = 0; r == 0 && i < p.n; i++)
            r = move_one(l, &p.v[i]);
        more = next.n > 0;
        arena_fini(&p.a);
    }
    return r;
}

/* --- buckets ---------------------------------------------------------------------------------- */

static int through_bucket(void *arg, const struct s3_bucket *b)
{
    struct leaving *l = arg;
    struct s3_rebalance *w = l->w;
    const struct job *j = l->j;
    int r = 0;
    l->b = b;
    if (s3_groups_have(b->groups, str_c(j->from))) {
        char to[17] = "";
        if (*j->to || !s3_groups_several(b->groups))
            r = s3_rebalance_target(w->o.gw, j->from, j->to, to);
        if (r == 0)
            r = w->o.home(w->o.gw, b, str_c(j->from), str_c(to));
        pthread_mutex_lock(&w->lock);
        w->counts.buckets += r == 0;
        pthread_mutex_unlock(&w->lock);
    }
    if (r == 0)
        r = each_version(l, S3_ROW_OBJECT);
    if (r == 0)
        r = each_version(l, S3_ROW_VERSION);
    if (r == 0)
        r = s3_rebalance_parts(w->o.gw->index, b, j->from, move_one, l);
    return has_changed(r) ? 0 : r; /* the bucket has gone meanwhile */
}

enum { OWNER = 1 + 8 }; /* behind the file id, in `f` rows */

static bool names_nobody(struct str row)
{
    static const char owner_0[8] = {0}; /* kept for a FastDFS client (refs.h) */
    return row.n <= OWNER || memcmp(row.p + row.n - 8, owner_0, 8) == 0;
}

/* Does the row name a file that the one before did not? */
static bool is_another(struct str row, struct s3_row_key *last)
{
    if (names_nobody(row))
        return false;
    struct str file = str_head(row, row.n - OWNER);
    bool another = !str_eq(file, s3_row_str(last));
    *last = (struct s3_row_key){0};
    s3_row_bytes(last, file);
    return another;
}

/* Files there that something names. */
static int count_left(struct s3_index *x, const char *place, uint64_t *ret)
{
    struct s3_row_key from, until, last = {0};
    AUTO(s3_iter_free) struct s3_iter *it = NULL;
    uint64_t n = 0;
    s3_row_name(&from, S3_ROW_FILE, str_c(place));
    s3_row_u8(&from, '/');
    until = from;
    s3_row_after_prefix(&until);
    int r = s3_iter_new(x, s3_row_str(&from), s3_row_str(&until), &it);
    for (; r == 0 && s3_iter_valid(it) && n < S3_LEFT_MAX; s3_iter_next(it))
        n += is_another(s3_iter_key(it), &last);
    if (r == 0)
        r = s3_iter_err(it);
    *ret = n;
    return r;
}

/* --- a pass ----------------------------------------------------------------------------------- */

/* How much has been done so far. */
static uint64_t begin_pass(struct s3_rebalance *w)
{
    pthread_mutex_lock(&w->lock);
    w->counts.failed = 0;
    uint64_t done = w->counts.objects + w->counts.notes + w->counts.buckets;
    pthread_mutex_unlock(&w->lock);
    return done;
}

/* Have enough passes found nothing to do, and nothing left? @all: this one looked at everything. */
static bool is_empty(struct s3_rebalance *w, uint64_t before, bool all)
{
    pthread_mutex_lock(&w->lock);
    const struct s3_rebalance_counts *c = &w->counts;
    bool quiet =
        all && c->objects + c->notes + c->buckets == before && c->left == 0 && c->failed == 0;
    w->quiet = quiet ? w->quiet + 1 : 0;
    bool yes = w->quiet >= QUIET_PASSES;
    pthread_mutex_unlock(&w->lock);
    return yes;
}

static int all_of_it(struct s3_rebalance *w, const struct job *j, uint64_t *left)
{
    struct s3_rebalance_said said = {0};
    struct leaving l = {w, j, NULL};
    int r = s3_bucket_each(w->o.gw->index, through_bucket, &l);
    if (r == 0)
        r = s3_rebalance_notes(w->o.gw, j->from, j->to, &said);
    int counted = r == -EINTR ? r : count_left(w->o.gw->index, j->from, left);
    pthread_mutex_lock(&w->lock);
    w->counts.notes += said.notes;
    w->counts.native += said.native;
    if (counted == 0)
        w->counts.left = *left;
    pthread_mutex_unlock(&w->lock);
    if (r == -EPERM) /* where they are to go, nothing is taken: that is nobody's permission */
        r = -ENOSPC;
    return r < 0 ? r : counted;
}

/* What the last pass ran into stays to be seen until one has gone well. */
static void end_pass(struct s3_rebalance *w, int r)
{
    pthread_mutex_lock(&w->lock);
    struct s3_rebalance_counts *c = &w->counts;
    if (r != -EINTR && (r < 0 || c->failed == 0)) {
        c->error = r;
        c->error_of[0] = '\0';
    }
    pthread_mutex_unlock(&w->lock);
}

static int finish(struct s3_rebalance *w, struct job j)
{
    j.state = S3_REBALANCE_DONE;
    j.ended_ms = dfs_now_ms();
    int r = s3_index_update(w->o.gw->index, put_done, &j);
    pthread_mutex_lock(&w->lock);
    if (r == 0 && w->job.begun_ms == j.begun_ms)
        w->job = j;
    uint64_t objects = w->counts.objects, bytes = w->counts.bytes;
    pthread_mutex_unlock(&w->lock);
    if (r == 0)
        dfs_log(LOG_INFO, "rebalance.done", KV_Z("group", j.from), KV_U64("objects", objects),
                KV_U64("bytes", bytes));
    return r == -ESTALE ? 0 : r;
}

static void pass(struct s3_rebalance *w, const struct job *j)
{
    uint64_t left = 0, before = begin_pass(w);
    int r = s3_rebalance_drained(w->o.gw, j->from);
    bool incoming = r == 1;
    if (r >= 0)
        r = all_of_it(w, j, &left);
    end_pass(w, MIN(r, 0));
    if (is_empty(w, before, r == 0 && !incoming) && wanted(w, j))
        r = finish(w, *j);
    static struct dfs_log_gate gate;
    if (r < 0 && r != -EINTR && dfs_log_allow(&gate, 1))
        dfs_log(LOG_WARN, "rebalance.pass_failed", KV_Z("group", j->from), KV_ERR(r));
}

static void *rebalance_main(void *arg)
{
    struct s3_rebalance *w = arg;
    pthread_setname_np(pthread_self(), "rebalance");
    while (!stopping(w)) {
        pthread_mutex_lock(&w->lock);
        struct job j = w->job;
        pthread_mutex_unlock(&w->lock);
        if (j.state == S3_REBALANCE_ON)
            pass(w, &j);
        rest(w, w->o.again_ms);
    }
    return NULL;
}

/* --- what others ask for ---------------------------------------------------------------------- */

static bool is_named(const struct s3_gw *gw, struct str group)
{
    for (size_t i = 0; i < gw->classes.n; i++)
        if (str_eq(gw->classes.v[i].group, group))
            return true;
    return str_eq(gw->default_group, group);
}

int s3_rebalance_look(struct s3_rebalance *w, struct str from, struct str to, uint64_t *ret_files)
{
    char place[S3_PLACE_MAX + 1], group[17], dest[17], got[17];
    if (s3_place_parse(from, group) < 0 || to.n > 16 || str_eq(from, to))
        return -EINVAL;
    snprintf(place, sizeof(place), STR_F, STR_A(from));
    snprintf(dest, sizeof(dest), STR_F, STR_A(to));
    int r = s3_rebalance_drained(w->o.gw, place);
    if (r >= 0 && is_named(w->o.gw, from))
        r = -EXDEV;
    if (r >= 0)
        r = s3_rebalance_target(w->o.gw, place, dest, got);
    return r < 0 ? r : count_left(w->o.gw->index, place, ret_files);
}

int s3_rebalance_begin(struct s3_rebalance *w, struct str from, struct str to)
{
    CHECK_OBJ(w, REBALANCE_MAGIC);
    uint64_t files;
    struct job j = {.state = S3_REBALANCE_ON, .begun_ms = dfs_now_ms()};
    int r = s3_rebalance_look(w, from, to, &files);
    if (r < 0)
        return r;
    snprintf(j.from, sizeof(j.from), STR_F, STR_A(from));
    snprintf(j.to, sizeof(j.to), STR_F, STR_A(to));
    pthread_mutex_lock(&w->lock);
    bool other = w->job.state == S3_REBALANCE_ON && strcmp(w->job.from, j.from) != 0;
    pthread_mutex_unlock(&w->lock);
    if (other)
        return -EBUSY;
    r = s3_index_update(w->o.gw->index, put_job, &j);
    if (r < 0)
        return r;
    pthread_mutex_lock(&w->lock);
    w->job = j;
    w->counts = (struct s3_rebalance_counts){.left = files};
    w->quiet = 0;
    pthread_cond_signal(&w->wake);
    pthread_mutex_unlock(&w->lock);
    dfs_log(LOG_INFO, "rebalance.begun", KV_Z("group", j.from), KV_Z("to", j.to),
            KV_U64("files", files));
    return 0;
}

int s3_rebalance_end(struct s3_rebalance *w)
{
    CHECK_OBJ(w, REBALANCE_MAGIC);
    struct job none = {0};
    int r = s3_index_update(w->o.gw->index, put_job, &none);
    pthread_mutex_lock(&w->lock);
    if (r == 0)
        w->job = none;
    pthread_cond_signal(&w->wake);
    pthread_mutex_unlock(&w->lock);
    return r;
}

void s3_rebalance_counts(struct s3_rebalance *w, struct s3_rebalance_counts *ret)
{
    CHECK_OBJ(w, REBALANCE_MAGIC);
    pthread_mutex_lock(&w->lock);
    *ret = w->counts;
    ret->state = w->job.state;
    memcpy(ret->from, w->job.from, sizeof(ret->from));
    memcpy(ret->to, w->job.to, sizeof(ret->to));
    ret->begun_ms = w->job.begun_ms;
    ret->ended_ms = w->job.ended_ms;
    pthread_mutex_unlock(&w->lock);
}

/* --- life ------------------------------------------------------------------------------------- */

int s3_rebalance_start(const struct s3_rebalance_options *o, struct s3_rebalance **ret)
{
    AUTO(dfs_free_ptr) struct s3_rebalance *w = dfs_zalloc(sizeof(*w));
    if (!w)
        return -ENOMEM;
    w->magic = REBALANCE_MAGIC;
    w->o = *o;
    w->pace.rate = o->bytes_per_s;
    w->o.again_ms = o->again_ms ? o->again_ms : (unsigned)AGAIN_MS;
    w->o.retry_ms = o->retry_ms ? o->retry_ms : (unsigned)RETRY_MS;
    int r = load_job(o->gw->index, &w->job);
    if (r < 0 && r != -ENOENT)
        return r;
    dfs_cond_init(&w->wake);
    pthread_mutex_init(&w->lock, NULL);
    if (pthread_create(&w->thread, NULL, rebalance_main, w) != 0) {
        pthread_cond_destroy(&w->wake);
        pthread_mutex_destroy(&w->lock);
        return -EAGAIN;
    }
    *ret = TAKE(w);
    return 0;
}

void s3_rebalance_stop(struct s3_rebalance **wp)
{
    struct s3_rebalance *w = TAKE(*wp);
    if (!w)
        return;
    CHECK_OBJ(w, REBALANCE_MAGIC);
    pthread_mutex_lock(&w->lock);
    w->stopping = true;
    pthread_cond_signal(&w->wake);
    pthread_mutex_unlock(&w->lock);
    pthread_join(w->thread, NULL);
    pthread_cond_destroy(&w->wake);
    pthread_mutex_destroy(&w->lock);
    w->magic = 0;
    free(w);
}
