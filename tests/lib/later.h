/* SPDX-License-Identifier: Apache-2.0 */
/*
 * later - for those who wait in a loop (dfscore/net/loop.h) much time passes, and for the test none: clock_gettime() of
 * the whole program, libevent's as well, runs ahead by as much as the test says.
 *
 * Include it in exactly one source file of a test. Other waits (poll, conditions) take as long as ever.
 */
#ifndef TEST_LATER_H
#define TEST_LATER_H

#include <semaphore.h>
#include <stdatomic.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include "dfscore/net/loop.h"

static _Atomic int64_t later_ms;

int clock_gettime(clockid_t clock, struct timespec *t)
{
    if (syscall(SYS_clock_gettime, clock, t) < 0)
        return -1;
    int64_t ns = t->tv_nsec + later_ms % 1000 * 1000000;
    t->tv_sec += (time_t)(later_ms / 1000 + ns / 1000000000);
    t->tv_nsec = (long)(ns % 1000000000);
    return 0;
}

struct later_turn {
    struct dfs_job job; /* first */
    sem_t run;
};

static inline void later_run(struct dfs_job *job)
{
    sem_post(&((struct later_turn *)job)->run);
}

/*
 * What has been sent to connections of these loops until now has been looked at when this returns. A loop that has run
 * a job has its turn's other events before it or just behind it: the second job is behind all of them. A new connection
 * goes from the first loop to its own and is watched there from then on, so that takes two more.
 */
static inline void later_settle(struct dfs_loop *const *loops, size_t n)
{
    for (unsigned round = 0; round < 4; round++)
        for (size_t i = 0; i < n; i++) {
            struct later_turn turn = {.job.fn = later_run};
            sem_init(&turn.run, 0, 0);
            dfs_loop_post(loops[i], &turn.job);
            while (sem_wait(&turn.run) < 0)
                ;
            sem_destroy(&turn.run);
        }
}

/* After what has been sent until now, @ms pass. */
static inline void later(uint64_t ms, struct dfs_loop *const *loops, size_t n)
{
    later_settle(loops, n);
    later_ms += (int64_t)ms;
    later_settle(loops, n);
}

#endif
