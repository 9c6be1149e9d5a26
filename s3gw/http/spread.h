/* SPDX-License-Identifier: Apache-2.0 */
/*
 * spread - new connections go to the HTTP thread that has the fewest.
 *
 * libmicrohttpd's threads each accept what they find, up to ten connections at once: those that a client opens
 * together would all be the first thread's that wakes, however many others are idle. So its accept4(2), which is
 * ours, passes on what another thread has more need of. Each thread has a daemon and a listener (a dup(2)) of its
 * own, because inside libmicrohttpd's pool nobody else could say where a connection goes.
 *
 * Cost: a lock and a look at all threads' counts a connection; one that is passed on wakes the other thread.
 * Ceilings are libmicrohttpd's: a thread at its own does not accept, and none that has more is given any.
 * Threads: any.
 */
#ifndef S3_SPREAD_H
#define S3_SPREAD_H

#include <sys/socket.h>

#include "dfscore/base/base.h"

struct s3_spread;

/* Makes @fd, which does not block, a connection of @thread, without waiting. False: that failed, and @fd is closed. */
typedef bool s3_spread_give(void *arg, unsigned thread, int fd, const struct sockaddr *peer,
                            socklen_t n);

/* For @threads > 0, numbered from 0. 0 or -ENOMEM. */
int s3_spread_new(unsigned threads, s3_spread_give *give, void *arg,
                  struct s3_spread **ret) MUST_CHECK;
/* Nobody accepts any more. */
void s3_spread_free(struct s3_spread **s);

/* From now on @thread accepts by this descriptor; before its close(2): forget(). */
void s3_spread_listen(struct s3_spread *s, unsigned thread, int listener);
void s3_spread_forget(int listener);
/* It can be given connections; and when this returns, nobody is given any more. */
void s3_spread_ready(struct s3_spread *s, unsigned thread);
void s3_spread_stop(struct s3_spread *s);
/* A connection of @thread, accepted by it or given to it, has ended. */
void s3_spread_ended(struct s3_spread *s, unsigned thread);

#endif
