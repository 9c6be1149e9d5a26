/* SPDX-License-Identifier: Apache-2.0 */
/*
 * supervisor - the main thread of s3gw: signals, and the server processes of a standalone (none when
 * s3gw serves as a member of a cluster).
 *
 * SIGTERM and SIGINT end s3_supervisor_run(); SIGHUP calls @reload and is passed on to the children;
 * SIGCHLD restarts what died. A second SIGINT while stopping kills at once.
 *
 * Create it before any thread starts: it blocks these signals, and threads inherit that.
 */
#ifndef S3_SUPERVISOR_H
#define S3_SUPERVISOR_H

#include "s3gw/supervisor/child.h"

enum { S3_CHILDREN_MAX = 4 };

struct s3_supervisor {
    unsigned magic;
#define S3_SUPERVISOR_MAGIC 0x73757056u
    struct s3_child children[S3_CHILDREN_MAX]; /* in order of start; stopped in reverse */
    unsigned n;
    int signal_fd;
    bool stop_asked;
    void (*reload)(void *arg); /* SIGHUP; may be NULL */
    void *reload_arg;
};

int s3_supervisor_init(struct s3_supervisor *s) MUST_CHECK;
/* Stops the children, last one first, each with 30 seconds before it is killed. */
void s3_supervisor_fini(struct s3_supervisor *s);

/*
 * Start one more child and wait until it is ready. 0; -ECHILD: it ended before it was (it has logged
 * why; it is left STOPPED and may be tried again with another configuration); -EINTR: a signal asked us to stop.
 */
int s3_supervisor_add(struct s3_supervisor *s, const char *name, const char *program,
                      const char *conf) MUST_CHECK;
/* Watch until @fd is readable. False: a signal asks to stop. */
bool s3_supervisor_wait(struct s3_supervisor *s, int fd);
/* Look after what has happened meanwhile. True: a signal asks to stop. */
bool s3_supervisor_stop_asked(struct s3_supervisor *s);
/* Watch until a signal asks to stop. */
void s3_supervisor_run(struct s3_supervisor *s);

#endif
