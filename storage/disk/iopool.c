/* SPDX-License-Identifier: Apache-2.0 */
#include "storage/disk/iopool.h"

#include <pthread.h>

struct queue {
    pthread_mutex_t lock;
    pthread_cond_t wake;
    struct sto_iotask *head, **tail; /* under lock */
    size_t waiting;                  /* under lock */
    unsigned idle;                   /* threads in wait; under lock */
    bool stop;                       /* under lock; threads leave once the queue is empty */
    pthread_t *threads;              /* owned; first @started of them run */
    unsigned started;
};

struct sto_iopool {
    unsigned magic;
#define IOPOOL_MAGIC 0x10b001edu
    unsigned queues;     /* paths * STO_IO_KINDS_ */
    struct queue *queue; /* owned; [path * STO_IO_KINDS_ + kind] */
};

static void *work(void *arg)
{
    struct queue *q = arg;
    pthread_mutex_lock(&q->lock);
    for (;;) {
        while (!q->head && !q->stop) {
            q->idle++;
            pthread_cond_wait(&q->wake, &q->lock);
            q->idle--;
        }
        struct sto_iotask *t = q->head;
        if (!t)
            break;
        q->head = t->next;
        if (!q->head)
            q->tail = &q->head;
        q->waiting--;
        pthread_mutex_unlock(&q->lock);
        t->next = NULL;
        t->run(t);
        pthread_mutex_lock(&q->lock);
    }
    pthread_mutex_unlock(&q->lock);
    return NULL;
}

static int queue_start(struct queue *q, unsigned threads)
{
    q->threads = dfs_zalloc(threads * sizeof(*q->threads));
    if (!q->threads)
        return -ENOMEM;
    while (q->started < threads) {
        int r = pthread_create(&q->threads[q->started], NULL, work, q);
        if (r != 0)
            return -r;
        q->started++;
    }
    return 0;
}

int sto_iopool_new(const struct sto_iopool_options *o, struct sto_iopool **ret)
{
    ASSERT(o->paths > 0);
    AUTO(sto_iopool_free) struct sto_iopool *p = dfs_zalloc(sizeof(*p));
    if (!p)
        return -ENOMEM;
    p->magic = IOPOOL_MAGIC;
    p->queue = dfs_zalloc(o->paths * STO_IO_KINDS_ * sizeof(*p->queue));
    if (!p->queue)
        return -ENOMEM;
    p->queues = o->paths * STO_IO_KINDS_;
    for (unsigned i = 0; i < p->queues; i++) {
        struct queue *q = &p->queue[i];
        pthread_mutex_init(&q->lock, NULL);
        pthread_cond_init(&q->wake, NULL);
        q->tail = &q->head;
    }
    for (unsigned i = 0; i < p->queues; i++) {
        ASSERT(o->threads[i % STO_IO_KINDS_] > 0);
        int r = queue_start(&p->queue[i], o->threads[i % STO_IO_KINDS_]);
        if (r < 0)
            return r;
    }
    *ret = TAKE(p);
    return 0;
}

void sto_iopool_push(struct sto_iopool *p, unsigned path, enum sto_iokind kind,
                     struct sto_iotask *t)
{
    CHECK_OBJ(p, IOPOOL_MAGIC);
    ASSERT(path * STO_IO_KINDS_ + kind < p->queues);
    struct queue *q = &p->queue[path * STO_IO_KINDS_ + kind];
    t->next = NULL;
    pthread_mutex_lock(&q->lock);
    *q->tail = t;
    q->tail = &t->next;
    q->waiting++;
    bool wake = q->idle > 0;
    pthread_mutex_unlock(&q->lock);
    if (wake)
        pthread_cond_signal(&q->wake);
}

size_t sto_iopool_waiting(struct sto_iopool *p)
{
    CHECK_OBJ(p, IOPOOL_MAGIC);
    size_t n = 0;
    for (unsigned i = 0; i < p->queues; i++) {
        pthread_mutex_lock(&p->queue[i].lock);
        n += p->queue[i].waiting;
        pthread_mutex_unlock(&p->queue[i].lock);
    }
    return n;
}

void sto_iopool_end(struct sto_iopool *p)
{
    CHECK_OBJ(p, IOPOOL_MAGIC);
    for (unsigned i = 0; i < p->queues; i++) {
        struct queue *q = &p->queue[i];
        pthread_mutex_lock(&q->lock);
        q->stop = true;
        pthread_mutex_unlock(&q->lock);
        pthread_cond_broadcast(&q->wake);
        for (; q->started > 0; q->started--)
            pthread_join(q->threads[q->started - 1], NULL);
        ASSERT(!q->head);
    }
}

void sto_iopool_free(struct sto_iopool **pp)
{
    struct sto_iopool *p = TAKE(*pp);
    if (!p)
        return;
    sto_iopool_end(p); /* all of them: who has pushed to another queue may not have woken it yet */
    for (unsigned i = 0; i < p->queues; i++) {
        struct queue *q = &p->queue[i];
        free(q->threads);
        pthread_cond_destroy(&q->wake);
        pthread_mutex_destroy(&q->lock);
    }
    free(p->queue);
    p->magic = 0;
    free(p);
}
