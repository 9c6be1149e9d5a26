/* SPDX-License-Identifier: Apache-2.0 */
#include "s3gw/notify/sender.h"

#include <pthread.h>
#include <stdatomic.h>
#include <time.h>

#include "dfscore/base/arena.h"
#include "dfscore/base/background.h"
#include "dfscore/base/clock.h"
#include "dfscore/log/log.h"
#include "s3gw/index/events.h"
#include "s3gw/notify/event.h"
#include "s3gw/notify/webhook.h"

enum {
    BATCH = 64, /* events of a target before another has its turn */
    ARENA_MAX = 16 * 1024 * 1024,
    RETRY_MS = 1000,
    RETRY_MAX_MS = 5 * 60 * 1000,
    IDLE_MS = 60 * 1000,
};

struct target {
    const char *url;
    unsigned wait_ms;  /* after the next failure */
    uint64_t retry_ms; /* monotonic: not before */
};

struct s3_sender {
    unsigned magic;
#define SENDER_MAGIC 0x53454e44u
    struct s3_sender_options o;
    struct target *targets; /* as o.targets; the thread's */
    struct s3_webhook *hook;
    struct dfs_background bg;
    bool woken; /* under bg.lock */
    _Atomic uint64_t delivered, failures, dropped, pending;
};

/* --- one target --- */

struct batch {
    struct str target;
    struct s3_event_row *rows;
    size_t n; /* delivered */
};

static int forget(struct s3_tx *tx, void *arg)
{
    const struct batch *b = arg;
    s3_tx_frees(tx);
    for (size_t i = 0; i < b->n; i++)
        s3_event_forget(tx, b->target, b->rows[i].number);
    return 0;
}

static int post(struct s3_sender *s, const struct target *t, const struct s3_event_row *row)
{
    struct s3_event_record e;
    AUTO(buf_free) struct buf json = BUF(S3_EVENT_DOC_MAX);
    if (s3_event_decode(row->record, &e) < 0) {
        dfs_log(LOG_ERROR, "notify.unreadable", KV_U64("number", row->number));
        return 0; /* it must not hold up what comes after it */
    }
    s3_event_document(&e, row->number, s->o.region, &json);
    return buf_err(&json) < 0 ? buf_err(&json) : s3_webhook_post(s->hook, t->url, buf_str(&json));
}

static void failed(struct s3_sender *s, struct target *t, struct str name, int r)
{
    static struct dfs_log_gate gate;
    atomic_fetch_add(&s->failures, 1);
    t->retry_ms = dfs_mono_ms() + t->wait_ms;
    if (dfs_log_allow(&gate, 1))
        dfs_log(LOG_WARN, "notify.not_delivered", KV_STR("target", name), KV_ERR(r),
                KV_U64("again_in_ms", t->wait_ms));
    t->wait_ms = MIN(t->wait_ms * 2, (unsigned)RETRY_MAX_MS);
}

static unsigned first_wait(const struct s3_sender *s)
{
    return s->o.retry_ms ? s->o.retry_ms : RETRY_MS;
}

/* 1: there may be more; 0; errno of the index. *any: there were some. */
static int serve(struct s3_sender *s, size_t i, bool *any)
{
    AUTO(arena_fini) struct arena a;
    struct target *t = &s->targets[i];
    struct batch b = {.target = s->o.targets[i].name};
    size_t n;
    arena_init(&a, ARENA_MAX);
    int r = s3_event_list(s->o.index, b.target, BATCH, &a, &b.rows, &n);
    if (r < 0 || n == 0)
        return r;
    *any = true;
    int e = 0;
    while (e == 0 && b.n < n && !s->bg.stopping) {
        e = post(s, t, &b.rows[b.n]);
        if (e == 0)
            b.n++;
    }
    if (b.n > 0) {
        t->wait_ms = first_wait(s);
        atomic_fetch_add(&s->delivered, b.n);
        r = s3_index_update(s->o.index, forget, &b);
        uint64_t before = s->pending;
        while (!atomic_compare_exchange_weak(&s->pending, &before, before - MIN(before, b.n)))
            ;
    }
    if (e < 0 && e != -ECANCELED)
        failed(s, t, b.target, e);
    return r < 0 ? r : e == 0 && n == BATCH;
}

/* All that may be served now; when to look again, monotonic. */
static uint64_t round_of(struct s3_sender *s)
{
    uint64_t next = dfs_mono_ms() + IDLE_MS;
    for (bool more = true; more && !s->bg.stopping;) {
        bool any = false;
        more = false;
        next = dfs_mono_ms() + IDLE_MS;
        for (size_t i = 0; i < s->o.ntargets && !s->bg.stopping; i++) {
            struct target *t = &s->targets[i];
            if (t->retry_ms <= dfs_mono_ms()) {
                int r = serve(s, i, &any);
                if (r < 0)
                    failed(s, t, s->o.targets[i].name, r);
                more = more || r > 0;
            }
            any = any || t->retry_ms > dfs_mono_ms();
            if (t->retry_ms > dfs_mono_ms())
                next = MIN(next, t->retry_ms);
        }
        if (!any) /* updates may run twice, wakes come late: the count is a ceiling's, not an
                     account */
            s->pending = 0;
    }
    return next;
}

static void *sender_main(void *arg)
{
    struct s3_sender *s = arg;
    while (!s->bg.stopping) {
        uint64_t next = round_of(s);
        struct timespec at = {.tv_sec = (time_t)(next / 1000),
                              .tv_nsec = (long)(next % 1000) * 1000000};
        int r = 0;
        pthread_mutex_lock(&s->bg.lock);
        while (!s->woken && !s->bg.stopping && r == 0)
            r = pthread_cond_timedwait(&s->bg.wake, &s->bg.lock, &at);
        s->woken = false;
        pthread_mutex_unlock(&s->bg.lock);
    }
    return NULL;
}

/* --- what others call --- */

static size_t find(const struct s3_sender *s, struct str target)
{
    size_t i = 0;
    while (i < s->o.ntargets && !str_eq(s->o.targets[i].name, target))
        i++;
    return i;
}

bool s3_sender_knows(const struct s3_sender *s, struct str target)
{
    return find(s, target) < s->o.ntargets;
}

int s3_sender_test(struct s3_sender *s, struct str target, struct str json)
{
    AUTO(s3_webhook_free) struct s3_webhook *w = NULL;
    size_t i = find(s, target);
    if (i == s->o.ntargets)
        return -ENOENT;
    int r = s3_webhook_new(s->o.timeout_ms, &s->bg.stopping, &w);
    return r < 0 ? r : s3_webhook_post(w, s->targets[i].url, json);
}

bool s3_sender_room(struct s3_sender *s)
{
    static struct dfs_log_gate gate;
    if (s->pending < s->o.backlog)
        return true;
    atomic_fetch_add(&s->dropped, 1);
    if (dfs_log_allow(&gate, 1))
        dfs_log(LOG_ERROR, "notify.backlog_full", KV_U64("pending", s->pending));
    return false;
}

void s3_sender_wake(struct s3_sender *s, uint64_t n)
{
    atomic_fetch_add(&s->pending, n);
    pthread_mutex_lock(&s->bg.lock);
    s->woken = true;
    pthread_cond_signal(&s->bg.wake);
    pthread_mutex_unlock(&s->bg.lock);
}

void s3_sender_counts(const struct s3_sender *s, struct s3_sender_counts *ret)
{
    *ret = (struct s3_sender_counts){s->delivered, s->failures, s->dropped, s->pending};
}

/* --- life --- */

/* How much an earlier run left, and whether anybody will take it. */
static int count(struct s3_sender *s)
{
    AUTO(arena_fini) struct arena a;
    struct str *targets;
    size_t n;
    uint64_t rows;
    arena_init(&a, ARENA_MAX);
    int r = s3_event_targets(s->o.index, &a, &targets, &n, s->o.backlog, &rows);
    if (r < 0)
        return r;
    for (size_t i = 0; i < n; i++)
        if (!s3_sender_knows(s, targets[i]))
            dfs_log(LOG_WARN, "notify.target_not_configured", KV_STR("target", targets[i]));
    s->pending = rows;
    return 0;
}

static void sender_free(struct s3_sender **sp)
{
    struct s3_sender *s = TAKE(*sp);
    if (!s)
        return;
    s3_webhook_free(&s->hook);
    free(s->targets);
    free(s);
}

int s3_sender_start(const struct s3_sender_options *o, struct s3_sender **ret)
{
    AUTO(sender_free) struct s3_sender *s = dfs_zalloc(sizeof(*s));
    if (!s)
        return -ENOMEM;
    s->magic = SENDER_MAGIC;
    s->o = *o;
    s->targets = dfs_zalloc(MAX(o->ntargets, (size_t)1) * sizeof(*s->targets));
    if (!s->targets)
        return -ENOMEM;
    for (size_t i = 0; i < o->ntargets; i++)
        s->targets[i] = (struct target){.url = o->targets[i].url.p, .wait_ms = first_wait(s)};
    int r = s3_webhook_new(o->timeout_ms, &s->bg.stopping, &s->hook);
    if (r == 0)
        r = count(s);
    if (r < 0)
        return r;
    dfs_background_init(&s->bg);
    r = dfs_background_start(&s->bg, "notify", sender_main, s);
    if (r < 0) {
        dfs_background_fini(&s->bg);
        return r;
    }
    *ret = TAKE(s);
    return 0;
}

void s3_sender_stop(struct s3_sender **sp)
{
    struct s3_sender *s = *sp;
    if (!s)
        return;
    CHECK_OBJ(s, SENDER_MAGIC);
    dfs_background_fini(&s->bg);
    sender_free(sp);
}
