/* SPDX-License-Identifier: Apache-2.0 */
#include "s3gw/supervisor/datadir.h"

#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "dfscore/base/dirs.h"

struct s3_datadir {
    unsigned magic;
#define DATADIR_MAGIC 0x64617464u
    int fd;      /* the folder */
    int lock_fd; /* the lock file; closing it unlocks */
    char *path;  /* absolute */
};

static int lock_it(struct s3_datadir *d, pid_t *holder)
{
    d->lock_fd = openat(d->fd, "lock", O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    if (d->lock_fd < 0)
        return -errno;
    char text[32];
    if (flock(d->lock_fd, LOCK_EX | LOCK_NB) < 0) {
        if (errno != EWOULDBLOCK)
            return -errno;
        uint64_t pid = 0;
        ssize_t n = pread(d->lock_fd, text, sizeof(text), 0);
        if (n <= 0 || str_u64(str_head(str_of(text, (size_t)n), (size_t)n - 1), INT_MAX, &pid) < 0)
            pid = 0;
        *holder = (pid_t)pid;
        return -EBUSY;
    }
    int n = snprintf(text, sizeof(text), "%ld\n", (long)getpid());
    if (ftruncate(d->lock_fd, 0) < 0 || pwrite(d->lock_fd, text, (size_t)n, 0) < 0)
        return -errno; /* a full disk: the number is only for people, but say it now rather than later */
    return 0;
}

int s3_datadir_open(const char *path, struct s3_datadir **ret, pid_t *holder)
{
    AUTO(s3_datadir_close) struct s3_datadir *d = dfs_zalloc(sizeof(*d));
    if (!d)
        return -ENOMEM;
    d->magic = DATADIR_MAGIC;
    d->fd = d->lock_fd = -1;
    *holder = 0;
    int r = dfs_make_dir(path, 0700);
    if (r < 0)
        return r;
    d->fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (d->fd < 0)
        return -errno;
    char absolute[PATH_MAX];
    if (!realpath(path, absolute))
        return -errno;
    d->path = dfs_strdup(absolute);
    if (!d->path)
        return -ENOMEM;
    r = lock_it(d, holder);
    if (r < 0)
        return r;
    *ret = TAKE(d);
    return 0;
}

void s3_datadir_close(struct s3_datadir **dp)
{
    struct s3_datadir *d = TAKE(*dp);
    if (!d)
        return;
    CHECK_OBJ(d, DATADIR_MAGIC);
    dfs_close_fd(&d->lock_fd);
    dfs_close_fd(&d->fd);
    free(d->path);
    d->magic = 0;
    free(d);
}

const char *s3_datadir_path(const struct s3_datadir *d)
{
    CHECK_OBJ(d, DATADIR_MAGIC);
    return d->path;
}

int s3_datadir_mkdir(struct s3_datadir *d, const char *name)
{
    CHECK_OBJ(d, DATADIR_MAGIC);
    if (mkdirat(d->fd, name, 0700) == 0)
        return fsync(d->fd) < 0 ? -errno : 0;
    return errno == EEXIST ? 0 : -errno;
}

int s3_datadir_read(struct s3_datadir *d, const char *name, struct buf *out)
{
    CHECK_OBJ(d, DATADIR_MAGIC);
    AUTO(dfs_close_fd) int fd = openat(d->fd, name, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return -errno;
    char piece[4096];
    ssize_t n;
    while ((n = read(fd, piece, sizeof(piece))) > 0)
        buf_add(out, piece, (size_t)n);
    return n < 0 ? -errno : buf_err(out);
}

static int write_all(int fd, struct str s)
{
    while (s.n > 0) {
        ssize_t n = write(fd, s.p, s.n);
        if (n < 0 && errno != EINTR)
            return -errno;
        if (n > 0)
            s = str_from(s, (size_t)n);
    }
    return 0;
}

int s3_datadir_write(struct s3_datadir *d, const char *name, mode_t mode, struct str content)
{
    CHECK_OBJ(d, DATADIR_MAGIC);
    char temporary[NAME_MAX];
    int len = snprintf(temporary, sizeof(temporary), "%s.new", name);
    if (len < 0 || (size_t)len >= sizeof(temporary))
        return -ENAMETOOLONG;
    AUTO(dfs_close_fd)
    int fd = openat(d->fd, temporary, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, mode);
    if (fd < 0)
        return -errno;
    /* a file left by a crash keeps its old mode at open */
    int r = fchmod(fd, mode) < 0 ? -errno : write_all(fd, content);
    if (r < 0)
        return r;
    if (fsync(fd) < 0 || renameat(d->fd, temporary, d->fd, name) < 0)
        return -errno;
    /* the file may be in a folder below: sync that one */
    const char *slash = strrchr(name, '/');
    if (!slash)
        return fsync(d->fd) < 0 ? -errno : 0;
    char folder[NAME_MAX];
    (void)snprintf(folder, sizeof(folder), "%.*s", (int)(slash - name), name);
    AUTO(dfs_close_fd) int folder_fd = openat(d->fd, folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (folder_fd < 0 || fsync(folder_fd) < 0)
        return -errno;
    return 0;
}

struct str s3_keyval_get(struct str text, struct str key)
{
    struct str line;
    while (str_split(&text, '\n', &line)) {
        struct str k, v;
        if (str_cut(line, '=', &k, &v) && str_eq(str_trim(k), key))
            return str_trim(v);
    }
    return STR_NULL;
}
