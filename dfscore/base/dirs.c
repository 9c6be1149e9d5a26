/* SPDX-License-Identifier: Apache-2.0 */
#include "dfscore/base/dirs.h"

#include <fcntl.h>
#include <libgen.h>
#include <limits.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

int dfs_sync_folder_of(const char *path)
{
    char copy[PATH_MAX];
    if (snprintf(copy, sizeof(copy), "%s", path) >= (int)sizeof(copy))
        return -ENAMETOOLONG;
    AUTO(dfs_close_fd) int fd = open(dirname(copy), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    return fd < 0 || fsync(fd) < 0 ? -errno : 0;
}

int dfs_dir_open(int at, const char *path, DIR **ret)
{
    AUTO(dfs_close_fd) int fd = openat(at, path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    DIR *dir = fd >= 0 ? fdopendir(fd) : NULL;
    if (!dir)
        return -errno;
    fd = -1; /* the folder's now */
    *ret = dir;
    return 0;
}

int dfs_dir_next(DIR *dir, struct dirent **ret)
{
    errno = 0;
    struct dirent *e = readdir(dir);
    if (e)
        *ret = e;
    return e ? 1 : -errno;
}

int dfs_make_dir(const char *path, mode_t mode)
{
    if (mkdir(path, mode) == 0)
        return dfs_sync_folder_of(path);
    return errno == EEXIST ? 0 : -errno;
}

int dfs_make_dirs(const char *path, mode_t mode)
{
    char part[PATH_MAX];
    size_t n = strlen(path);
    if (n == 0 || n >= sizeof(part))
        return -ENAMETOOLONG;
    memcpy(part, path, n + 1);
    for (size_t i = 1; i <= n; i++) {
        if (part[i] != '/' && part[i] != '\0')
            continue;
        char c = part[i];
        part[i] = '\0';
        int r = dfs_make_dir(part, mode);
        if (r < 0)
            return r;
        part[i] = c;
    }
    struct stat st;
    if (stat(path, &st) < 0)
        return -errno;
    return S_ISDIR(st.st_mode) ? 0 : -ENOTDIR;
}
