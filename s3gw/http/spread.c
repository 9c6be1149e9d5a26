/* SPDX-License-Identifier: Apache-2.0 */
#include "s3gw/http/spread.h"

#include <pthread.h>
#include <stdatomic.h>

#include "s3gw/http/nextsym.h"

enum { FDS_MAX = 1 << 17 }; /* as in hangup.c; listeners are opened before any connection */

struct spread_thread {
    struct s3_spread *all;
    unsigned n;
    /* under its lock */
    bool ready;
    unsigned connections; /* one that libmicrohttpd had no memory for stays counted */
};

struct s3_spread {
    unsigned magic;
#define SPREAD_MAGIC 0x53505244u
    s3_spread_give *give;
    void *arg;
    pthread_mutex_t lock; /* held while a connection is given */
    unsigned nthreads;
    struct spread_thread threads[];
};

static _Atomic(struct spread_thread *) accepting[FDS_MAX]; /* by their listeners */

int s3_spread_new(unsigned threads, s3_spread_give *give, void *arg, struct s3_spread **ret)
{
    ASSERT(threads > 0);
    struct s3_spread *s = dfs_zalloc(sizeof(*s) + threads * sizeof(s->threads[0]));
    if (!s)
        return -ENOMEM;
    s->magic = SPREAD_MAGIC;
    s->give = give;
    s->arg = arg;
    pthread_mutex_init(&s->lock, NULL);
    s->nthreads = threads;
    for (unsigned i = 0; i < threads; i++)
        s->threads[i] = (struct spread_thread){.all = s, .n = i};
    *ret = s;
    return 0;
}

void s3_spread_free(struct s3_spread **sp)
{
    struct s3_spread *s = TAKE(*sp);
    if (!s)
        return;
    CHECK_OBJ(s, SPREAD_MAGIC);
    pthread_mutex_destroy(&s->lock);
    s->magic = 0;
    free(s);
}

void s3_spread_listen(struct s3_spread *s, unsigned thread, int listener)
{
    CHECK_OBJ(s, SPREAD_MAGIC);
    if (listener >= 0 && listener < FDS_MAX)
        atomic_store(&accepting[listener], &s->threads[thread]);
}

void s3_spread_forget(int listener)
{
    if (listener >= 0 && listener < FDS_MAX)
        atomic_store(&accepting[listener], NULL);
}

void s3_spread_ready(struct s3_spread *s, unsigned thread)
{
    pthread_mutex_lock(&s->lock);
    s->threads[thread].ready = true;
    pthread_mutex_unlock(&s->lock);
}

void s3_spread_stop(struct s3_spread *s)
{
    pthread_mutex_lock(&s->lock);
    for (unsigned i = 0; i < s->nthreads; i++)
        s->threads[i].ready = false;
    pthread_mutex_unlock(&s->lock);
}

void s3_spread_ended(struct s3_spread *s, unsigned thread)
{
    pthread_mutex_lock(&s->lock);
    ASSERT(s->threads[thread].connections > 0);
    s->threads[thread].connections--;
    pthread_mutex_unlock(&s->lock);
}

/* Who shall have the next one that @own accepts? */
static struct spread_thread *fewest(struct spread_thread *own)
{
    struct spread_thread *best = own, *threads = own->all->threads;
    for (unsigned i = 0; i < own->all->nthreads; i++)
        if (threads[i].ready && threads[i].connections < best->connections)
            best = &threads[i];
    return best;
}

/* Is it @own's? Else it is another's now, or nobody's. */
static bool keep_or_give(struct spread_thread *own, int fd, const struct sockaddr *peer,
                         socklen_t n)
{
    struct s3_spread *s = own->all;
    pthread_mutex_lock(&s->lock);
    struct spread_thread *to = fewest(own);
    if (to == own || s->give(s->arg, to->n, fd, peer, n))
        to->connections++;
    pthread_mutex_unlock(&s->lock);
    return to == own;
}

typedef int (*accept_fn)(int, struct sockaddr *, socklen_t *, int);

S3_NEXT_SYMBOL(accept_fn, "accept4")

/* Everybody's, libmicrohttpd's too. */
int accept4(int listener, __SOCKADDR_ARG peer, socklen_t *n, int flags)
{
    struct sockaddr *address = peer.__sockaddr__;
    struct spread_thread *own =
        listener >= 0 && listener < FDS_MAX ? atomic_load(&accepting[listener]) : NULL;
    socklen_t room = n ? *n : 0;
    for (;;) {
        int fd = library()(listener, address, n, flags);
        if (fd < 0 || !own || keep_or_give(own, fd, address, *n))
            return fd;
        *n = room;
    }
}
