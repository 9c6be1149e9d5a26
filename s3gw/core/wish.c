/* SPDX-License-Identifier: Apache-2.0 */
#include "s3gw/core/wish.h"

#include <fcntl.h>
#include <unistd.h>

#include "dfscore/base/buf.h"
#include "dfscore/base/dirs.h"

enum { PATH_TEXT = 8192 };

static int path_of(const char *index_path, struct buf *out)
{
    buf_addf(out, "%s.rebuild", index_path);
    buf_addc(out, '\0');
    return buf_err(out);
}

int s3_wish_rebuild(const char *index_path)
{
    AUTO(buf_free) struct buf path = BUF(PATH_TEXT);
    int r = path_of(index_path, &path);
    if (r < 0)
        return r;
    AUTO(dfs_close_fd) int fd = open(path.p, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
    return fd < 0 || fsync(fd) < 0 ? -errno : dfs_sync_folder_of(path.p);
}

bool s3_rebuild_wished(const char *index_path)
{
    AUTO(buf_free) struct buf path = BUF(PATH_TEXT);
    return path_of(index_path, &path) == 0 && access(path.p, F_OK) == 0;
}

int s3_wish_granted(const char *index_path)
{
    AUTO(buf_free) struct buf path = BUF(PATH_TEXT);
    int r = path_of(index_path, &path);
    return r == 0 && unlink(path.p) < 0 && errno != ENOENT ? -errno : r;
}
