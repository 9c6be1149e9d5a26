/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The queue is a lock-free stack of jobs which the loop takes whole and turns round. An eventfd wakes
 * the loop; it is written only when the stack was empty, so a burst of posts costs one system call.
 */
#include "dfscore/net/loop.h"

#include <event2/event.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <sys/eventfd.h>
#include <sys/prctl.h>
#include <unistd.h>

enum { SIGNALS_MAX = 8 };

struct signal_watch {
    struct event *ev;
    void (*fn)(void *arg, int signo);
    void *arg;
};

struct dfs_loop {
    unsigned magic;
#define LOOP_MAGIC 0x100b5eedu
    struct event_base *base;
    struct event *wake;
    int wake_fd;
    char name[16];
    pthread_t thread;
    bool started;              /* by dfs_loop_start: join needed */
    _Atomic(pthread_t) runner; /* valid while running */
    _Atomic bool running;
    _Atomic bool stopping;
    _Atomic(struct dfs_job *) posted; /* newest first */
    struct signal_watch signals[SIGNALS_MAX];
    size_t n_signals;
};

struct dfs_timer {
    struct event *ev;
    void (*fn)(void *arg);
    void *arg;
};

struct dfs_watch {
    struct dfs_loop *loop;
    struct event *ev; /* assigned with what is in events */
    int fd;
    int events;
    void (*fn)(void *arg, int ready);
    void *arg;
};

static void run_posted(struct dfs_loop *l)
{
    struct dfs_job *newest = atomic_exchange(&l->posted, NULL), *oldest = NULL;
    while (newest) {
        struct dfs_job *next = newest->next;
        newest->next = oldest;
        oldest = newest;
        newest = next;
    }
    while (oldest) {
        struct dfs_job *job = oldest;
        oldest = job->next; /* first: fn may post the job again, or free it */
        job->next = NULL;
        job->fn(job);
    }
}

static void on_wake(evutil_socket_t fd, short what, void *arg)
{
    (void)what;
    struct dfs_loop *l = arg;
    uint64_t count;
    if (read(fd, &count, sizeof(count)) < 0 && errno != EAGAIN)
        return;
    run_posted(l);
    if (atomic_load(&l->stopping))
        event_base_loopbreak(l->base);
}

static void wake(struct dfs_loop *l)
{
    uint64_t one = 1;
    while (write(l->wake_fd, &one, sizeof(one)) < 0 && errno == EINTR)
        ;
}

static void release(struct dfs_loop *l)
{
    for (size_t i = 0; i < l->n_signals; i++)
        event_free(l->signals[i].ev);
    if (l->wake)
        event_free(l->wake);
    if (l->base)
        event_base_free(l->base);
    if (l->wake_fd >= 0)
        close(l->wake_fd);
    l->magic = 0;
    free(l);
}

int dfs_loop_new(const char *name, struct dfs_loop **ret)
{
    struct dfs_loop *l = dfs_zalloc(sizeof(*l));
    if (!l)
        return -ENOMEM;
    l->magic = LOOP_MAGIC;
    snprintf(l->name, sizeof(l->name), "dfs-%.11s", name);
    l->wake_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    struct event_config *config = event_config_new();
    if (config) {
        /* One thread owns a base; other threads come in through our own queue. */
        event_config_set_flag(config, EVENT_BASE_FLAG_NOLOCK);
        l->base = event_base_new_with_config(config);
        event_config_free(config);
    }
    if (l->base && l->wake_fd >= 0)
        l->wake = event_new(l->base, l->wake_fd, EV_READ | EV_PERSIST, on_wake, l);
    if (!l->wake || event_add(l->wake, NULL) < 0) {
        release(l);
        return -ENOMEM;
    }
    *ret = l;
    return 0;
}

static int run(struct dfs_loop *l)
{
    atomic_store(&l->runner, pthread_self());
    atomic_store(&l->running, true);
    int r = 0;
    while (r == 0 && !atomic_load(&l->stopping))
        r = event_base_loop(l->base, EVLOOP_NO_EXIT_ON_EMPTY);
    atomic_store(&l->running, false);
    return r < 0 ? -EIO : 0;
}

int dfs_loop_run(struct dfs_loop *l)
{
    CHECK_OBJ(l, LOOP_MAGIC);
    return run(l);
}

static void *thread_main(void *arg)
{
    struct dfs_loop *l = arg;
    prctl(PR_SET_NAME, l->name);
    run(l);
    return NULL;
}

int dfs_loop_start(struct dfs_loop *l)
{
    CHECK_OBJ(l, LOOP_MAGIC);
    ASSERT(!l->started);
    /* Signals belong to the thread that asked for them. */
    sigset_t all, old;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &old);
    /* From here on others must post, even if the thread takes its time to begin. */
    atomic_store(&l->running, true);
    int r = pthread_create(&l->thread, NULL, thread_main, l);
    pthread_sigmask(SIG_SETMASK, &old, NULL);
    if (r == 0)
        l->started = true;
    else
        atomic_store(&l->running, false);
    return -r;
}

void dfs_loop_stop(struct dfs_loop *l)
{
    CHECK_OBJ(l, LOOP_MAGIC);
    atomic_store(&l->stopping, true);
    wake(l);
}

void dfs_loop_free(struct dfs_loop **lp)
{
    struct dfs_loop *l = TAKE(*lp);
    if (!l)
        return;
    CHECK_OBJ(l, LOOP_MAGIC);
    dfs_loop_stop(l);
    if (l->started)
        pthread_join(l->thread, NULL);
    ASSERT(!atomic_load(&l->running));
    while (atomic_load(&l->posted))
        run_posted(l);
    release(l);
}

void dfs_loop_post(struct dfs_loop *l, struct dfs_job *job)
{
    struct dfs_job *head = atomic_load(&l->posted);
    do {
        job->next = head;
    } while (!atomic_compare_exchange_weak(&l->posted, &head, job));
    if (!head)
        wake(l);
}

bool dfs_loop_here(const struct dfs_loop *l)
{
    return !atomic_load(&l->running) || pthread_equal(atomic_load(&l->runner), pthread_self());
}

static void on_timer(evutil_socket_t fd, short what, void *arg)
{
    (void)fd, (void)what;
    struct dfs_timer *t = arg;
    t->fn(t->arg);
}

int dfs_timer_new(struct dfs_loop *l, void (*fn)(void *arg), void *arg, struct dfs_timer **ret)
{
    struct dfs_timer *t = dfs_zalloc(sizeof(*t));
    if (!t)
        return -ENOMEM;
    t->fn = fn;
    t->arg = arg;
    t->ev = event_new(l->base, -1, 0, on_timer, t);
    if (!t->ev) {
        free(t);
        return -ENOMEM;
    }
    *ret = t;
    return 0;
}

void dfs_timer_set(struct dfs_timer *t, uint64_t ms)
{
    struct timeval tv = {(time_t)(ms / 1000), (suseconds_t)(ms % 1000 * 1000)};
    event_add(t->ev, &tv);
}

void dfs_timer_clear(struct dfs_timer *t)
{
    event_del(t->ev);
}

void dfs_timer_free(struct dfs_timer **tp)
{
    struct dfs_timer *t = TAKE(*tp);
    if (!t)
        return;
    event_free(t->ev);
    free(t);
}

static void on_ready(evutil_socket_t fd, short what, void *arg)
{
    (void)fd;
    struct dfs_watch *w = arg;
    w->fn(w->arg, (what & EV_READ ? DFS_READ : 0) | (what & EV_WRITE ? DFS_WRITE : 0));
}

int dfs_watch_new(struct dfs_loop *l, int fd, void (*fn)(void *arg, int ready), void *arg,
                  struct dfs_watch **ret)
{
    struct dfs_watch *w = dfs_zalloc(sizeof(*w));
    if (!w)
        return -ENOMEM;
    *w = (struct dfs_watch){.loop = l, .fd = fd, .fn = fn, .arg = arg};
    w->ev = event_new(l->base, fd, EV_PERSIST, on_ready, w);
    if (!w->ev) {
        free(w);
        return -ENOMEM;
    }
    *ret = w;
    return 0;
}

void dfs_watch_set(struct dfs_watch *w, int events)
{
    if (events == w->events)
        return;
    event_del(w->ev);
    w->events = events;
    if (!events)
        return;
    short what = (short)(EV_PERSIST | (events & DFS_READ ? EV_READ : 0) |
                         (events & DFS_WRITE ? EV_WRITE : 0));
    event_assign(w->ev, w->loop->base, w->fd, what, on_ready, w);
    event_add(w->ev, NULL);
}

void dfs_watch_free(struct dfs_watch **wp)
{
    struct dfs_watch *w = TAKE(*wp);
    if (!w)
        return;
    event_free(w->ev);
    free(w);
}

static void on_signal(evutil_socket_t signo, short what, void *arg)
{
    (void)what;
    struct signal_watch *s = arg;
    s->fn(s->arg, (int)signo);
}

int dfs_loop_on_signal(struct dfs_loop *l, int signo, void (*fn)(void *arg, int signo), void *arg)
{
    ASSERT(l->n_signals < SIGNALS_MAX);
    struct signal_watch *s = &l->signals[l->n_signals];
    *s = (struct signal_watch){NULL, fn, arg};
    s->ev = evsignal_new(l->base, signo, on_signal, s);
    if (!s->ev)
        return -ENOMEM;
    l->n_signals++;
    return event_add(s->ev, NULL) < 0 ? -ENOMEM : 0;
}
