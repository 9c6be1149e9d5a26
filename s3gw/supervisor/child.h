/* SPDX-License-Identifier: Apache-2.0 */
/*
 * child - one server process of ours: started, awaited, restarted when it dies, stopped.
 *
 *   STOPPED -> STARTING -> READY -> STOPPING -> STOPPED
 *                 |          |
 *                 +----------+--> BACKOFF -> STARTING     (it died by itself)
 *
 * A child says "ready port=N" on its standard output when it serves. Its standard error is ours: log
 * lines arrive whole (one write each) in the same place, also when we are too busy to forward them.
 * It dies with us, even by kill -9 (PR_SET_PDEATHSIG), and has a process group of its own, so that
 * Ctrl-C reaches us first and everything stops in order.
 *
 * Threads: the main thread; PR_SET_PDEATHSIG is bound to the thread that forks. The fields marked
 * atomic may be read by any thread.
 */
#ifndef S3_CHILD_H
#define S3_CHILD_H

#include <stdatomic.h>
#include <sys/types.h>

#include "dfscore/base/buf.h"

enum s3_child_state {
    S3_CHILD_STOPPED,
    S3_CHILD_STARTING,
    S3_CHILD_READY,
    S3_CHILD_BACKOFF,
    S3_CHILD_STOPPING
};

struct s3_child {
    const char *name;    /* "tracker"; for logs and status */
    const char *program; /* path of the binary */
    const char *conf;    /* its only argument */

    _Atomic int state;         /* enum s3_child_state; any thread may read */
    _Atomic int pid;           /* 0: not running; any thread may read */
    _Atomic unsigned port;     /* what it said; 0 before; any thread may read */
    _Atomic unsigned restarts; /* after it died by itself; any thread may read */

    int out;        /* its standard output; -1 when there is none */
    char line[256]; /* the line being read from it */
    size_t line_n;
    uint64_t started_ms; /* monotonic */
    uint64_t restart_ms; /* BACKOFF: when to start again, monotonic */
    unsigned backoff_ms; /* the next pause */
    int exit_status;     /* of the last death, as waitpid() gives it */
};

void s3_child_init(struct s3_child *c, const char *name, const char *program, const char *conf);
const char *s3_child_state_name(enum s3_child_state s);

/* Fork and execute. 0 or negative errno (then it is in BACKOFF). */
int s3_child_start(struct s3_child *c);
/* Its output is readable: read, and notice "ready port=N". */
void s3_child_readable(struct s3_child *c);
/* After SIGCHLD: true when it was this child that died; then it is STOPPED or in BACKOFF. */
bool s3_child_reap(struct s3_child *c);
/* BACKOFF and due: start again. Returns milliseconds until it is due, -1 when nothing is planned. */
int s3_child_tick(struct s3_child *c);
/* Ask it to stop: SIGTERM, or SIGKILL when @hard. */
void s3_child_stop(struct s3_child *c, bool hard);

#endif
