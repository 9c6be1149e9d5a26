/* SPDX-License-Identifier: Apache-2.0 */
#include "s3gw/core/pool.h"

#include <pthread.h>
#include <stdio.h>

struct s3_pool {
    unsigned magic;
#define POOL_MAGIC 0x504f4f4cu
    pthread_mutex_t lock;
    pthread_cond_t some;
    struct s3_job *first, **last; /* under lock */
    size_t queued;                /* under lock; queued <= queue_max */
    size_t queue_max;
    unsigned idle; /* under lock: threads waiting for a job */
    bool stopping; /* under lock */
    unsigned nthreads;
    char name[16];
    pthread_t threads[];
};

static struct s3_job *next_job(struct s3_pool *p)
{
    pthread_mutex_lock(&p->lock);
    while (!p->first && !p->stopping) {
        p->idle++;
        pthread_cond_wait(&p->some, &p->lock);
        p->idle--;
    }
    struct s3_job *job = p->first;
    if (job) {
        p->first = job->next;
        if (!p->first)
            p->last = &p->first;
        p->queued--;
    }
    pthread_mutex_unlock(&p->lock);
    return job;
}

static void *pool_main(void *arg)
{
    struct s3_pool *p = arg;
    pthread_setname_np(pthread_self(), p->name);
    for (struct s3_job *job; (job = next_job(p)) != NULL;)
        job->run(job->arg);
    return NULL;
}

int s3_pool_new(const char *name, unsigned threads, size_t queue_max, struct s3_pool **ret)
{
    ASSERT(threads > 0 && queue_max > 0);
    AUTO(s3_pool_free) struct s3_pool *p = dfs_zalloc(sizeof(*p) + threads * sizeof(p->threads[0]));
    if (!p)
        return -ENOMEM;
    p->magic = POOL_MAGIC;
    pthread_mutex_init(&p->lock, NULL);
    pthread_cond_init(&p->some, NULL);
    p->last = &p->first;
    p->queue_max = queue_max;
    snprintf(p->name, sizeof(p->name), "%s", name);
    for (; p->nthreads < threads; p->nthreads++)
        if (pthread_create(&p->threads[p->nthreads], NULL, pool_main, p) != 0)
            return -EAGAIN;
    *ret = TAKE(p);
    return 0;
}

void s3_pool_free(struct s3_pool **pp)
{
    struct s3_pool *p = TAKE(*pp);
    if (!p)
        return;
    CHECK_OBJ(p, POOL_MAGIC);
    pthread_mutex_lock(&p->lock);
    p->stopping = true;
    pthread_cond_broadcast(&p->some);
    pthread_mutex_unlock(&p->lock);
    for (unsigned i = 0; i < p->nthreads; i++)
        pthread_join(p->threads[i], NULL);
    ASSERT(!p->first);
    pthread_cond_destroy(&p->some);
    pthread_mutex_destroy(&p->lock);
    p->magic = 0;
    free(p);
}

static int submit(struct s3_pool *p, struct s3_job *job, bool to_idle)
{
    CHECK_OBJ(p, POOL_MAGIC);
    pthread_mutex_lock(&p->lock);
    if (p->queued == p->queue_max || (to_idle && p->queued >= p->idle)) {
        pthread_mutex_unlock(&p->lock);
        return -EAGAIN;
    }
    job->next = NULL;
    *p->last = job;
    p->last = &job->next;
    p->queued++;
    if (p->idle > 0)
        pthread_cond_signal(&p->some);
    pthread_mutex_unlock(&p->lock);
    return 0;
}

int s3_pool_submit(struct s3_pool *p, struct s3_job *job)
{
    return submit(p, job, false);
}

int s3_pool_submit_idle(struct s3_pool *p, struct s3_job *job)
{
    return submit(p, job, true);
}
