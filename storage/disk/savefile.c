/* SPDX-License-Identifier: Apache-2.0 */
#include "storage/disk/savefile.h"

#include <fcntl.h>
#include <limits.h>
#include <unistd.h>

#include "dfscore/base/dirs.h"

static int write_all(int fd, struct str text)
{
    while (text.n > 0) {
        ssize_t n = write(fd, text.p, text.n);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return -errno;
        text = str_from(text, (size_t)n);
    }
    return 0;
}

int sto_savefile_write(const char *path, struct str text)
{
    char tmp[PATH_MAX];
    if ((size_t)snprintf(tmp, sizeof(tmp), "%s.tmp", path) >= sizeof(tmp))
        return -ENAMETOOLONG;
    AUTO(dfs_close_fd) int fd = open(tmp, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
    if (fd < 0)
        return -errno;
    int r = write_all(fd, text);
    if (r == 0 && fsync(fd) < 0)
        r = -errno;
    if (r == 0 && rename(tmp, path) < 0)
        r = -errno;
    if (r < 0) {
        unlink(tmp);
        return r;
    }
    return dfs_sync_folder_of(path);
}

int sto_savefile_read(const char *path, struct buf *out)
{
    AUTO(dfs_close_fd) int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return -errno;
    for (;;) {
        char chunk[4096];
        ssize_t n = read(fd, chunk, sizeof(chunk));
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return -errno;
        if (n == 0)
            return buf_err(out);
        buf_add(out, chunk, (size_t)n);
    }
}
