/* SPDX-License-Identifier: Apache-2.0 */
/* latch - waiting for many things that end on other threads. Lives on the waiting worker's stack. */
#ifndef S3_LATCH_H
#define S3_LATCH_H

#include <pthread.h>
#include <stddef.h>

struct s3_latch {
    pthread_mutex_t lock;
    pthread_cond_t zero;
    size_t left; /* set before the first of them can end */
};
#define S3_LATCH(n)                                                                                \
    {                                                                                              \
        PTHREAD_MUTEX_INITIALIZER, PTHREAD_COND_INITIALIZER, (n)                                   \
    }

/* One has ended. Any thread. */
static inline void s3_latch_down(struct s3_latch *l)
{
    pthread_mutex_lock(&l->lock);
    if (--l->left == 0)
        pthread_cond_signal(&l->zero);
    pthread_mutex_unlock(&l->lock);
}

/* Until all have; the latch is used up. */
static inline void s3_latch_wait(struct s3_latch *l)
{
    pthread_mutex_lock(&l->lock);
    while (l->left > 0)
        pthread_cond_wait(&l->zero, &l->lock);
    pthread_mutex_unlock(&l->lock);
    pthread_cond_destroy(&l->zero);
    pthread_mutex_destroy(&l->lock);
}

#endif
