/* SPDX-License-Identifier: Apache-2.0 */
#include "s3gw/http/hangup.h"

#include <poll.h>
#include <pthread.h>
#include <stdatomic.h>
#include <sys/socket.h>
#include <time.h>

#include "dfscore/base/clock.h"
#include "dfscore/base/str.h"

enum {
    FDS_MAX = 1 << 17, /* connections with greater descriptors wait for the idle timeout */
    WORDS = FDS_MAX / 64,
    ROUND = 1024, /* descriptors a poll(2) */
};

struct s3_hangup {
    unsigned magic;
#define HANGUP_MAGIC 0x48414e47u
    unsigned period_ms;
    pthread_mutex_t lock; /* no descriptor is closed while it is held */
    pthread_cond_t stop;
    bool stopping; /* under lock */
    bool running;
    pthread_t thread;
    _Atomic unsigned words; /* of open[] that were ever used */
    _Atomic uint64_t open[WORDS];
};

static bool is_open(struct s3_hangup *h, int fd)
{
    return atomic_load_explicit(&h->open[fd / 64], memory_order_relaxed) >> (fd % 64) & 1;
}

static bool closed_by_peer(int fd)
{
    struct pollfd p = {.fd = fd, .events = POLLRDHUP};
    return poll(&p, 1, 0) == 1 && p.revents & POLLRDHUP;
}

/* Between the look and now the number may have become another connection's: look again. */
static void wake(struct s3_hangup *h, int fd)
{
    pthread_mutex_lock(&h->lock);
    if (is_open(h, fd) && closed_by_peer(fd))
        (void)shutdown(fd, SHUT_RD);
    pthread_mutex_unlock(&h->lock);
}

static void look(struct s3_hangup *h, struct pollfd *p, nfds_t n)
{
    if (poll(p, n, 0) <= 0)
        return;
    for (nfds_t i = 0; i < n; i++)
        if (p[i].revents & POLLRDHUP)
            wake(h, p[i].fd);
}

static void look_at_all(struct s3_hangup *h)
{
    struct pollfd p[ROUND];
    nfds_t n = 0;
    unsigned words = atomic_load_explicit(&h->words, memory_order_relaxed);
    for (unsigned w = 0; w < words; w++) {
        uint64_t bits = atomic_load_explicit(&h->open[w], memory_order_relaxed);
        for (; bits; bits &= bits - 1) {
            p[n++] =
                (struct pollfd){.fd = (int)(w * 64) + __builtin_ctzll(bits), .events = POLLRDHUP};
            if (n == ROUND) {
                look(h, p, n);
                n = 0;
            }
        }
    }
    if (n)
        look(h, p, n);
}

static bool wait_a_period(struct s3_hangup *h)
{
    struct timespec end;
    clock_gettime(CLOCK_MONOTONIC, &end);
    end.tv_sec += h->period_ms / 1000;
    end.tv_nsec += h->period_ms % 1000 * 1000000L;
    if (end.tv_nsec >= 1000000000L) {
        end.tv_sec++;
        end.tv_nsec -= 1000000000L;
    }
    pthread_mutex_lock(&h->lock);
    while (!h->stopping && pthread_cond_timedwait(&h->stop, &h->lock, &end) == 0) {
    }
    bool go_on = !h->stopping;
    pthread_mutex_unlock(&h->lock);
    return go_on;
}

static void *hangup_main(void *arg)
{
    pthread_setname_np(pthread_self(), "http-hangup");
    while (wait_a_period(arg))
        look_at_all(arg);
    return NULL;
}

int s3_hangup_new(unsigned period_ms, struct s3_hangup **ret)
{
    AUTO(s3_hangup_free) struct s3_hangup *h = dfs_zalloc(sizeof(*h));
    if (!h)
        return -ENOMEM;
    h->magic = HANGUP_MAGIC;
    h->period_ms = period_ms;
    pthread_mutex_init(&h->lock, NULL);
    dfs_cond_init(&h->stop);
    int r = pthread_create(&h->thread, NULL, hangup_main, h);
    if (r != 0)
        return -r;
    h->running = true;
    *ret = TAKE(h);
    return 0;
}

void s3_hangup_free(struct s3_hangup **hp)
{
    struct s3_hangup *h = TAKE(*hp);
    if (!h)
        return;
    CHECK_OBJ(h, HANGUP_MAGIC);
    if (h->running) {
        pthread_mutex_lock(&h->lock);
        h->stopping = true;
        pthread_cond_signal(&h->stop);
        pthread_mutex_unlock(&h->lock);
        pthread_join(h->thread, NULL);
    }
    pthread_cond_destroy(&h->stop);
    pthread_mutex_destroy(&h->lock);
    h->magic = 0;
    free(h);
}

void s3_hangup_opened(struct s3_hangup *h, int fd)
{
    if (fd < 0 || fd >= FDS_MAX)
        return;
    atomic_fetch_or_explicit(&h->open[fd / 64], 1ULL << (fd % 64), memory_order_relaxed);
    unsigned need = (unsigned)fd / 64 + 1,
             words = atomic_load_explicit(&h->words, memory_order_relaxed);
    while (words < need && !atomic_compare_exchange_weak(&h->words, &words, need)) {
    }
}

void s3_hangup_closed(struct s3_hangup *h, int fd)
{
    if (fd < 0 || fd >= FDS_MAX)
        return;
    pthread_mutex_lock(&h->lock); /* a wake() under way is still about this connection */
    atomic_fetch_and_explicit(&h->open[fd / 64], ~(1ULL << (fd % 64)), memory_order_relaxed);
    pthread_mutex_unlock(&h->lock);
}
