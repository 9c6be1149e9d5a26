/* SPDX-License-Identifier: Apache-2.0 */
/*
 * hangup - lets go of clients that closed their side in the middle of a request.
 *
 * libmicrohttpd's epoll is edge triggered: data and the end of the connection that arrive together
 * are one edge, of which it reads the data; then it waits for a second edge until the idle timeout.
 * Every period all open connections are asked by one poll(2) whether the other side has closed.
 * Where it has, shutdown(SHUT_RD), which changes nothing about such a connection, makes the kernel
 * wake whoever watches it; the library reads on and finds the end. A client that closed its side
 * behind a whole request still gets its answer.
 *
 * Cost: two bit operations a connection, nothing a request. Threads: any.
 */
#ifndef S3_HANGUP_H
#define S3_HANGUP_H

#include "dfscore/base/base.h"

struct s3_hangup;

/* Starts its thread, which looks every @period_ms. -ENOMEM, -EAGAIN. */
int s3_hangup_new(unsigned period_ms, struct s3_hangup **ret) MUST_CHECK;
void s3_hangup_free(struct s3_hangup **h); /* no connection may be open any more */

/* A connection begins, and ends before its descriptor is closed. */
void s3_hangup_opened(struct s3_hangup *h, int fd);
void s3_hangup_closed(struct s3_hangup *h, int fd);

#endif
