/* SPDX-License-Identifier: Apache-2.0 */
/*
 * pool - a few threads that run short jobs which may block; first come, first served.
 *
 * The queue has a ceiling; the job's memory is the caller's, so submitting never allocates.
 * Threads: any. A job may submit further jobs.
 */
#ifndef S3_POOL_H
#define S3_POOL_H

#include "dfscore/base/base.h"

struct s3_job {
    void (*run)(void *arg); /* on a thread of the pool; the job may be reused or freed inside */
    void *arg;
    struct s3_job *next; /* owner: the pool while queued */
};

struct s3_pool;

/* @name: at most 15 bytes, seen in top and gdb. 0, -ENOMEM, -EAGAIN (no thread to be had). */
int s3_pool_new(const char *name, unsigned threads, size_t queue_max,
                struct s3_pool **ret) MUST_CHECK;
/* Runs what is queued, then joins the threads. */
void s3_pool_free(struct s3_pool **p);
/* 0, or -EAGAIN when the queue is full. */
int s3_pool_submit(struct s3_pool *p, struct s3_job *job) MUST_CHECK;
/* Only when a thread has nothing else to do; else -EAGAIN. */
int s3_pool_submit_idle(struct s3_pool *p, struct s3_job *job) MUST_CHECK;

#endif
