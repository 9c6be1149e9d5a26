/* SPDX-License-Identifier: Apache-2.0 */
#include "s3gw/notify/serverlog.h"

#include <pthread.h>
#include <time.h>

#include "dfscore/base/buf.h"
#include "dfscore/base/background.h"
#include "dfscore/base/clock.h"
#include "dfscore/log/log.h"

#define DAY_MS INT64_C(86400000)

struct pile {
    struct pile *next;
    int64_t day_ms;
    struct buf lines;
    size_t nbucket;
    char bucket[64];
};

struct s3_serverlog {
    unsigned magic;
#define SERVERLOG_MAGIC 0x534c4f47u
    struct s3_serverlog_options o;
    struct dfs_background bg;
    struct pile *piles; /* under bg.lock, as all below */
    size_t npiles;
    uint64_t bytes;
    bool full; /* one of them is */
    struct s3_serverlog_counts counts;
};

static void pile_free(struct pile *p)
{
    buf_free(&p->lines);
    free(p);
}

/* The pile, moved to the front: busy buckets are found at once. NULL: no room. Under the lock. */
static struct pile *pile_of(struct s3_serverlog *l, struct str bucket, int64_t day_ms)
{
    for (struct pile **pp = &l->piles; *pp; pp = &(*pp)->next) {
        struct pile *p = *pp;
        if (p->day_ms != day_ms || !str_eq(str_of(p->bucket, p->nbucket), bucket))
            continue;
        *pp = p->next;
        p->next = l->piles;
        return l->piles = p;
    }
    struct pile *p = l->npiles < S3_SERVERLOG_PILES_MAX && bucket.n < sizeof(p->bucket)
                         ? dfs_zalloc(sizeof(*p))
                         : NULL;
    if (!p)
        return NULL;
    p->day_ms = day_ms;
    p->lines = BUF(S3_SERVERLOG_TOTAL_MAX);
    p->nbucket = bucket.n;
    memcpy(p->bucket, bucket.p, bucket.n);
    p->next = l->piles;
    l->piles = p;
    l->npiles++;
    return p;
}

/* Under the lock. The pile they lie in now; NULL: there is no room. */
static struct pile *add_to(struct s3_serverlog *l, struct str bucket, int64_t day_ms,
                           struct str lines)
{
    if (l->bytes + lines.n > S3_SERVERLOG_TOTAL_MAX)
        return NULL;
    struct pile *p = pile_of(l, bucket, day_ms);
    if (!p)
        return NULL;
    size_t before = p->lines.n;
    buf_adds(&p->lines, lines);
    if (buf_err(&p->lines)) {
        p->lines.n = before;
        p->lines.err = 0;
        return NULL;
    }
    l->bytes += lines.n;
    return p;
}

void s3_serverlog_add(struct s3_serverlog *l, struct str bucket, int64_t now_ms, struct str line)
{
    CHECK_OBJ(l, SERVERLOG_MAGIC);
    pthread_mutex_lock(&l->bg.lock);
    const struct pile *p = add_to(l, bucket, now_ms - now_ms % DAY_MS, line);
    if (p)
        l->counts.lines++;
    else
        l->counts.dropped++;
    /* Once a pile: one that has come back from its target waits for the interval, or for another that gets full. */
    if (p && p->lines.n >= S3_SERVERLOG_FULL && p->lines.n - line.n < S3_SERVERLOG_FULL) {
        l->full = true;
        pthread_cond_signal(&l->bg.wake);
    }
    pthread_mutex_unlock(&l->bg.lock);
}

/* All of them, or only what is full. Under the lock. */
static struct pile *take(struct s3_serverlog *l, bool all)
{
    struct pile *taken = NULL, **pp = &l->piles;
    while (*pp) {
        struct pile *p = *pp;
        if (!all && p->lines.n < S3_SERVERLOG_FULL) {
            pp = &p->next;
            continue;
        }
        *pp = p->next;
        p->next = taken;
        taken = p;
        l->npiles--;
    }
    l->full = false;
    return taken;
}

static void deliver_one(struct s3_serverlog *l, struct pile *p)
{
    struct str bucket = str_of(p->bucket, p->nbucket), lines = buf_str(&p->lines);
    int r = l->o.deliver(l->o.arg, bucket, p->day_ms, lines);
    static struct dfs_log_gate gate;
    if (r < 0 && dfs_log_allow(&gate, 1))
        dfs_log(LOG_WARN, "serverlog.not_delivered", KV_STR("bucket", bucket), KV_ERR(r),
                KV_U64("bytes", lines.n));
    pthread_mutex_lock(&l->bg.lock);
    l->bytes -= lines.n;
    if (r == 0)
        l->counts.delivered++;
    else if (r == -EPERM || l->bg.stopping || !add_to(l, bucket, p->day_ms, lines))
        l->counts.dropped++;
    pthread_mutex_unlock(&l->bg.lock);
    pile_free(p);
}

static void deliver(struct s3_serverlog *l, bool all)
{
    pthread_mutex_lock(&l->bg.lock);
    struct pile *p = take(l, all);
    pthread_mutex_unlock(&l->bg.lock);
    while (p) {
        struct pile *next = p->next;
        deliver_one(l, p);
        p = next;
    }
}

static void *serverlog_main(void *arg)
{
    struct s3_serverlog *l = arg;
    uint64_t due = dfs_mono_ms() + l->o.interval_ms;
    pthread_mutex_lock(&l->bg.lock);
    while (!l->bg.stopping) {
        struct timespec at = {.tv_sec = (time_t)(due / 1000),
                              .tv_nsec = (long)(due % 1000) * 1000000};
        int r = 0;
        while (!l->bg.stopping && !l->full && r == 0)
            r = pthread_cond_timedwait(&l->bg.wake, &l->bg.lock, &at);
        bool all = dfs_mono_ms() >= due || l->bg.stopping;
        pthread_mutex_unlock(&l->bg.lock);
        deliver(l, all);
        if (all)
            due = dfs_mono_ms() + l->o.interval_ms;
        pthread_mutex_lock(&l->bg.lock);
    }
    pthread_mutex_unlock(&l->bg.lock);
    deliver(l, true);
    return NULL;
}

int s3_serverlog_start(const struct s3_serverlog_options *o, struct s3_serverlog **ret)
{
    AUTO(dfs_free_ptr) struct s3_serverlog *l = dfs_zalloc(sizeof(*l));
    if (!l)
        return -ENOMEM;
    l->magic = SERVERLOG_MAGIC;
    l->o = *o;
    dfs_background_init(&l->bg);
    int r = dfs_background_start(&l->bg, "serverlog", serverlog_main, l);
    if (r < 0) {
        dfs_background_fini(&l->bg);
        return r;
    }
    *ret = TAKE(l);
    return 0;
}

void s3_serverlog_stop(struct s3_serverlog **lp)
{
    struct s3_serverlog *l = TAKE(*lp);
    if (!l)
        return;
    CHECK_OBJ(l, SERVERLOG_MAGIC);
    dfs_background_fini(&l->bg);
    ASSERT(!l->piles && l->bytes == 0);
    l->magic = 0;
    free(l);
}

void s3_serverlog_counts(struct s3_serverlog *l, struct s3_serverlog_counts *ret)
{
    CHECK_OBJ(l, SERVERLOG_MAGIC);
    pthread_mutex_lock(&l->bg.lock);
    *ret = l->counts;
    ret->pending = l->bytes;
    pthread_mutex_unlock(&l->bg.lock);
}
