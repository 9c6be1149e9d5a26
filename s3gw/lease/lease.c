/* SPDX-License-Identifier: Apache-2.0 */
#include "s3gw/lease/lease.h"

#include <pthread.h>
#include <stdio.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "dfscore/base/clock.h"
#include "dfscore/log/log.h"
#include "dfscore/net/peer.h"
#include "dfscore/wire/internal.h"
#include "s3gw/core/wish.h"
#include "s3gw/lease/number.h"
#include "s3gw/lease/plan.h"

enum { CALL_MIN_MS = 200 };

struct asker { /* of one tracker */
    struct s3_lease *l;
    unsigned i;
    struct dfs_addr addr;
    pthread_t thread;
    bool started;
    struct dfs_peer *peer; /* its own */
    /* under the lock */
    bool asks;  /* it has a question, or waits for the answer */
    int failed; /* why the last question has no answer that counts; 0: it has */
    struct dfs_lease_req req;
    uint64_t asked_ms;
};

struct s3_lease {
    unsigned magic;
#define LEASE_MAGIC 0x6c656173u
    struct s3_lease_options o;
    char name[65];
    int event_fd;
    pthread_t thread;
    bool started;
    pthread_mutex_t lock;
    pthread_cond_t wake; /* of all threads; monotonic clock */
    /* under the lock */
    bool stopping;
    struct s3_lease_plan plan;
    struct s3_lease_status status;
    enum { SAID_NOTHING, SAID_STANDBY, SAID_ALONE } said;
    struct asker asker[DFS_TRACKERS_MAX];
};

/* --- one tracker --- */

static int call(struct asker *a, const struct dfs_lease_req *req, struct dfs_lease_rsp *ret)
{
    AUTO(buf_free) struct buf body = BUF(DFS_LEASE_REQ_LEN);
    AUTO(buf_free) struct buf rsp = BUF(DFS_LEASE_RSP_LEN);
    const uint64_t patience = MAX(a->l->o.ttl_ms / 3, (uint64_t)CALL_MIN_MS);
    const struct dfs_peer_opts o = {.connect_ms = patience,
                                    .timeout_ms = patience,
                                    .secret = a->l->o.secret,
                                    .tls = a->l->o.tls};
    dfs_lease_req_put(&body, req);
    if (a->peer && dfs_peer_broken(a->peer))
        dfs_peer_free(&a->peer);
    int r = buf_err(&body);
    if (r == 0 && !a->peer)
        r = dfs_peer_open(&a->addr, &o, &a->peer);
    const struct str part = buf_str(&body);
    if (r == 0)
        r = dfs_peer_call(a->peer, DFS_INT_LEASE, 0, &part, 1, &rsp);
    return r < 0 ? r : dfs_lease_rsp_get(buf_str(&rsp), ret);
}

/* Does it count? A tracker that knows of other trackers than we could let somebody else have another majority. 0, or why
 * not. */
static int judge(const struct asker *a, int r, const struct dfs_lease_rsp *said)
{
    static struct dfs_log_gate refused, differs;
    const struct s3_lease *l = a->l;
    if (r == -EACCES && dfs_log_allow(&refused, 1))
        dfs_log(LOG_ERROR, "lease.refused", KV_Z("tracker", a->addr.host), KV_ERR(r));
    if (r == 0 && said->trackers != 0 && said->trackers != l->o.ntrackers &&
        dfs_log_allow(&differs, 1))
        dfs_log(LOG_ERROR, "lease.other_trackers", KV_Z("tracker", a->addr.host),
                KV_U64("it_knows", said->trackers), KV_U64("ours", l->o.ntrackers));
    return r < 0 || said->trackers == 0 || said->trackers == l->o.ntrackers ? r : -EPROTO;
}

static void *ask_main(void *arg)
{
    struct asker *a = arg;
    struct s3_lease *l = a->l;
    pthread_mutex_lock(&l->lock);
    for (;;) {
        while (!l->stopping && !a->asks)
            pthread_cond_wait(&l->wake, &l->lock);
        if (l->stopping)
            break;
        struct dfs_lease_rsp said;
        pthread_mutex_unlock(&l->lock);
        int r = call(a, &a->req, &said);
        r = judge(a, r, &said);
        pthread_mutex_lock(&l->lock);
        a->failed = r;
        if (r == 0)
            s3_lease_answer(&l->plan, a->i, &a->req, a->asked_ms, &said);
        a->asks = false;
        pthread_cond_broadcast(&l->wake);
    }
    pthread_mutex_unlock(&l->lock);
    dfs_peer_free(&a->peer);
    return NULL;
}

/* --- all of them; under the lock --- */

static void wait_until(struct s3_lease *l, uint64_t boot_ms)
{
    uint64_t now = s3_boot_ms();
    if (now >= boot_ms)
        return;
    const struct timespec t = dfs_mono_after(boot_ms - now);
    (void)pthread_cond_timedwait(&l->wake, &l->lock, &t);
}

static void ask_all(struct s3_lease *l)
{
    uint64_t now = s3_boot_ms();
    s3_lease_round(&l->plan, s3_lease_number_new(), now);
    for (unsigned i = 0; i < l->plan.n; i++) {
        struct asker *a = &l->asker[i];
        if (a->asks)
            continue; /* still at the one before */
        s3_lease_question(&l->plan, i, &a->req);
        memcpy(a->req.name, l->name, sizeof(l->name));
        a->req.mark = (int64_t)l->o.mark;
        a->asked_ms = now;
        a->asks = true;
    }
    pthread_cond_broadcast(&l->wake);
}

static void wait_for_answers(struct s3_lease *l)
{
    uint64_t until = l->plan.asked_ms + s3_lease_patience(&l->plan);
    if (l->plan.state == S3_LEASE_HELD)
        until = MIN(until, s3_lease_until(&l->plan));
    for (;;) {
        bool any = false;
        for (unsigned i = 0; i < l->plan.n; i++)
            any |= l->asker[i].asks;
        if (!any || l->stopping || s3_boot_ms() >= until)
            return;
        wait_until(l, until);
    }
}

static void tell(struct s3_lease *l, enum s3_lease_news news)
{
    const uint64_t one = 1;
    l->status.news = news;
    ssize_t n = write(l->event_fd, &one, sizeof(one));
    ASSERT(n == (ssize_t)sizeof(one));
}

/* Who has it, as the trackers say; and whether we could open what that one has sealed. */
static void look_at_other(struct s3_lease *l)
{
    unsigned other_key = 0;
    l->status.trackers = l->plan.n;
    l->status.answered = 0;
    for (unsigned i = 0; i < l->plan.n; i++) {
        const struct s3_lease_seat *s = &l->plan.seat[i];
        l->status.answered += s->answered;
        if (!s->answered || s->said.kept != DFS_LEASE_ANOTHERS)
            continue;
        memcpy(l->status.other, s->said.name, sizeof(l->status.other));
        other_key += s->said.mark != (int64_t)l->o.mark;
    }
    if (l->plan.state != S3_LEASE_HELD && other_key >= l->plan.majority) {
        l->stopping = true;
        tell(l, S3_LEASE_OTHER_KEY);
    }
}

/* Nobody serves without a majority. The first tracker that did not answer in time stands for all. */
static void say_alone(const struct s3_lease *l)
{
    unsigned i = 0;
    while (l->plan.seat[i].answered)
        i++;
    const struct asker *a = &l->asker[i];
    dfs_log(LOG_WARN, "lease.no_majority", KV_U64("trackers", l->status.trackers),
            KV_U64("answered", l->status.answered), KV_Z("tracker", a->addr.host),
            KV_ERR(a->failed ? a->failed : -ETIMEDOUT));
}

/* Once, and again when it has changed. */
static void say_standby(struct s3_lease *l)
{
    bool alone = l->status.answered < l->plan.majority;
    if (l->plan.state == S3_LEASE_HELD || l->said == (alone ? SAID_ALONE : SAID_STANDBY))
        return;
    l->said = alone ? SAID_ALONE : SAID_STANDBY;
    if (alone)
        say_alone(l);
    else
        dfs_log(LOG_INFO, "gateway.standby", KV_Z("active", l->status.other));
}

static void act_on(struct s3_lease *l, enum s3_lease_event e)
{
    int r = 0;
    switch (e) {
    case S3_LEASE_NOTHING:
        return;
    case S3_LEASE_LOST:
        atomic_store(&l->o.tenure->until_ms, 0);
        dfs_log(LOG_WARN, "gateway.lease_lost", KV_U64("trackers", l->status.trackers),
                KV_U64("answered", l->status.answered), KV_Z("active", l->status.other));
        l->o.lost(l->o.arg);
        return;
    case S3_LEASE_PASSED: /* before we may ask for it under another number */
        r = s3_wish_rebuild(l->o.index_path);
        break;
    case S3_LEASE_TAKEN:
    case S3_LEASE_KEPT:
    case S3_LEASE_FIRST:
        dfs_log(LOG_INFO, e == S3_LEASE_TAKEN ? "gateway.lease_taken" : "gateway.lease_held",
                KV_Z("from", e == S3_LEASE_TAKEN ? l->status.other : ""));
        l->status.first = e == S3_LEASE_FIRST;
        /* Should this fail, or we die first: whoever has the old number takes it once more. */
        r = e == S3_LEASE_TAKEN ? s3_lease_number_put(l->o.index_path, l->plan.holder) : 0;
        if (r == 0)
            tell(l, S3_LEASE_OURS);
        break;
    }
    if (r < 0) {
        dfs_log(LOG_ERROR, "lease.not_written", KV_Z("index", l->o.index_path), KV_ERR(r));
        l->stopping = true;
        tell(l, S3_LEASE_UNWRITTEN);
    }
}

static void *lease_main(void *arg)
{
    struct s3_lease *l = arg;
    pthread_setname_np(pthread_self(), "lease");
    pthread_mutex_lock(&l->lock);
    while (!l->stopping) {
        if (s3_boot_ms() < l->plan.due_ms) {
            wait_until(l, l->plan.due_ms);
            continue;
        }
        ask_all(l);
        wait_for_answers(l);
        if (l->stopping)
            break;
        uint64_t random = s3_lease_number_new();
        enum s3_lease_event e = s3_lease_round_end(&l->plan, random, s3_boot_ms());
        if (l->plan.state == S3_LEASE_HELD)
            atomic_store(&l->o.tenure->until_ms, s3_lease_until(&l->plan));
        look_at_other(l);
        if (l->stopping)
            break;
        act_on(l, e);
        say_standby(l);
    }
    pthread_mutex_unlock(&l->lock);
    return NULL;
}

/* --- life --- */

static int number_of(const char *index_path, uint64_t *ret)
{
    int r = s3_lease_number_get(index_path, ret);
    if (r != -ENOENT)
        return r;
    *ret = s3_lease_number_new();
    return s3_lease_number_put(index_path, *ret);
}

static int start_threads(struct s3_lease *l)
{
    for (unsigned i = 0; i < l->plan.n; i++) {
        struct asker *a = &l->asker[i];
        int r = pthread_create(&a->thread, NULL, ask_main, a);
        if (r != 0)
            return -r;
        a->started = true;
        pthread_setname_np(a->thread, "lease-ask");
    }
    int r = pthread_create(&l->thread, NULL, lease_main, l);
    l->started = r == 0;
    return -r;
}

int s3_lease_start(const struct s3_lease_options *o, struct s3_lease **ret)
{
    AUTO(s3_lease_stop) struct s3_lease *l = dfs_zalloc(sizeof(*l));
    uint64_t number;
    if (!l)
        return -ENOMEM;
    l->magic = LEASE_MAGIC;
    l->o = *o;
    l->o.trackers = NULL;
    (void)snprintf(l->name, sizeof(l->name), "%s", o->name);
    l->o.name = l->name;
    pthread_mutex_init(&l->lock, NULL);
    dfs_cond_init(&l->wake);
    l->event_fd = eventfd(0, EFD_CLOEXEC);
    int r = l->event_fd < 0 ? -errno : number_of(o->index_path, &number);
    if (r < 0)
        return r;
    s3_lease_plan_init(&l->plan, (unsigned)o->ntrackers, o->ttl_ms, number, s3_boot_ms());
    for (unsigned i = 0; i < l->plan.n; i++)
        l->asker[i] = (struct asker){.l = l, .i = i, .addr = o->trackers[i]};
    r = start_threads(l);
    if (r == 0)
        *ret = TAKE(l);
    return r;
}

void s3_lease_stop(struct s3_lease **lp)
{
    struct s3_lease *l = TAKE(*lp);
    if (!l)
        return;
    CHECK_OBJ(l, LEASE_MAGIC);
    pthread_mutex_lock(&l->lock);
    l->stopping = true;
    pthread_cond_broadcast(&l->wake);
    pthread_mutex_unlock(&l->lock);
    if (l->started)
        pthread_join(l->thread, NULL);
    for (unsigned i = 0; i < l->plan.n; i++)
        if (l->asker[i].started)
            pthread_join(l->asker[i].thread, NULL);
    dfs_close_fd(&l->event_fd);
    pthread_cond_destroy(&l->wake);
    pthread_mutex_destroy(&l->lock);
    l->magic = 0;
    free(l);
}

int s3_lease_fd(const struct s3_lease *l)
{
    return l->event_fd;
}

void s3_lease_look(struct s3_lease *l, struct s3_lease_status *ret)
{
    uint64_t until = atomic_load(&l->o.tenure->until_ms), now = s3_boot_ms();
    pthread_mutex_lock(&l->lock);
    *ret = l->status;
    pthread_mutex_unlock(&l->lock);
    ret->left_ms = until > now ? until - now : 0;
}
