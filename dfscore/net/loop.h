/* SPDX-License-Identifier: Apache-2.0 */
/*
 * loop - thin face of libevent: one thread, its timers, descriptors, signals and a queue into it.
 *
 * Threads: everything runs on the loop's own thread, save what says "any thread".
 */
#ifndef DFS_LOOP_H
#define DFS_LOOP_H

#include "dfscore/base/base.h"

struct dfs_loop;
struct dfs_timer;
struct dfs_watch;

/*
 * Something to be run on a loop. The memory is the caller's, so handing over cannot fail and the
 * queue has no ceiling of its own: it is bounded by the number of jobs that exist (one a request,
 * one a block). A job may be posted again once its fn has begun.
 */
struct dfs_job {
    struct dfs_job *next; /* the loop's while queued */
    void (*fn)(struct dfs_job *job);
};

/* 0 or -ENOMEM. @name shows in the thread's name ("dfs-<name>"), at most 11 characters of it. */
int dfs_loop_new(const char *name, struct dfs_loop **ret);
/* Run in a thread of its own (start) or in the caller's until dfs_loop_stop (run). 0 or -errno. */
int dfs_loop_start(struct dfs_loop *l);
int dfs_loop_run(struct dfs_loop *l);
/* Any thread, also a signal's callback: run returns after the current callbacks. Idempotent. */
void dfs_loop_stop(struct dfs_loop *l);
/* Any thread but the loop's: stop, join, run jobs still queued, release. Free listeners, timers and
 * watches first, and stop every thread that posts. */
void dfs_loop_free(struct dfs_loop **lp);

/* Any thread. Jobs of one thread run in the order they were posted. */
void dfs_loop_post(struct dfs_loop *l, struct dfs_job *job);
/* True on the loop's own thread (and everywhere while it is not running). */
bool dfs_loop_here(const struct dfs_loop *l);

/* One-shot timers; set again to repeat. Setting replaces what was set. */
int dfs_timer_new(struct dfs_loop *l, void (*fn)(void *arg), void *arg, struct dfs_timer **ret);
void dfs_timer_set(struct dfs_timer *t, uint64_t ms);
void dfs_timer_clear(struct dfs_timer *t);
void dfs_timer_free(struct dfs_timer **tp);

/* A descriptor, level triggered. @fn gets what is ready. The descriptor stays the caller's. */
enum { DFS_READ = 1, DFS_WRITE = 2 };
int dfs_watch_new(struct dfs_loop *l, int fd, void (*fn)(void *arg, int ready), void *arg,
                  struct dfs_watch **ret);
void dfs_watch_set(struct dfs_watch *w,
                   int events); /* 0: none, DFS_READ | DFS_WRITE. Cheap if unchanged */
void dfs_watch_free(struct dfs_watch **wp);

/* Signals: call before other threads exist; @fn runs on the loop. One loop per program does this. */
int dfs_loop_on_signal(struct dfs_loop *l, int signo, void (*fn)(void *arg, int signo), void *arg);

#endif
