/* SPDX-License-Identifier: Apache-2.0 */
/* iov - the rest of a vector of which a call took only a part. */
#ifndef DFS_BASE_IOV_H
#define DFS_BASE_IOV_H

#include <sys/uio.h>

#include "dfscore/base/base.h"

/* Leave @done bytes, which are not more than there are, behind: *iov and *n become the rest. */
static inline void dfs_iov_advance(struct iovec **iov, size_t *n, size_t done)
{
    while (*n > 0 && done >= (*iov)->iov_len) {
        done -= (*iov)->iov_len;
        (*iov)++;
        (*n)--;
    }
    if (*n > 0) {
        (*iov)->iov_base = (char *)(*iov)->iov_base + done;
        (*iov)->iov_len -= done;
    }
}

#endif
