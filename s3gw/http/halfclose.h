/* SPDX-License-Identifier: Apache-2.0 */
/*
 * halfclose - who closes their side behind a whole request is answered.
 *
 * libmicrohttpd (0.9.75) reads from a connection that was resumed before it calls us. If it finds the end
 * of the stream there, it closes the connection, and never mind that the whole request was with us, or in
 * its own buffer. So the end is kept from it while a request is away: halfclose.c defines recv(), which the
 * dynamic linker prefers (as in refusal.h), for GnuTLS, too; of a connection that is held, the end is
 * "nothing yet". The library goes on with what it has, and finds the end when it reads for more.
 *
 * Cost: a store when a connection is suspended, a comparison a recv(). Threads: the connection's own.
 */
#ifndef S3_HALFCLOSE_H
#define S3_HALFCLOSE_H

#include "dfscore/base/base.h"

/* Keep the end of @fd's stream from who reads it, from before the suspension until the library has called. */
void s3_halfclose_hold(int fd, bool hold);

#endif
