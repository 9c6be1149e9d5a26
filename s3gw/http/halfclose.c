/* SPDX-License-Identifier: Apache-2.0 */
#include "s3gw/http/halfclose.h"

#include <stdatomic.h>
#include <sys/socket.h>

#include "s3gw/http/nextsym.h"

enum { FDS_MAX = 1 << 17 }; /* as in hangup.c; greater ones are not held */

static _Atomic bool held[FDS_MAX];

void s3_halfclose_hold(int fd, bool hold)
{
    if (fd >= 0 && fd < FDS_MAX)
        atomic_store_explicit(&held[fd], hold, memory_order_relaxed);
}

typedef ssize_t (*recv_fn)(int, void *, size_t, int);

S3_NEXT_SYMBOL(recv_fn, "recv")

/* Everybody's, libmicrohttpd's too. */
ssize_t recv(int fd, void *buf, size_t n, int flags)
{
    ssize_t r = library()(fd, buf, n, flags);
    if (r == 0 && n > 0 && fd < FDS_MAX && atomic_load_explicit(&held[fd], memory_order_relaxed)) {
        errno = EAGAIN;
        return -1;
    }
    return r;
}
