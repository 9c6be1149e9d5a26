/* SPDX-License-Identifier: Apache-2.0 */
#include "storage/disk/dir.h"

#include <dirent.h>
#include <fcntl.h>
#include <stdatomic.h>
#include <stdio.h>
#include <sys/file.h>
#include <unistd.h>

bool sto_dir_refuses(int r)
{
    switch (r) {
    case -EACCES:
    case -EPERM:
    case -EROFS:
    case -ENOTDIR:
    case -ELOOP:
    case -EXDEV:
    case -EMLINK:
    case -ENOSPC:
        return true;
    default:
        return false;
    }
}

/* The first one, until it has been tried. */
static int note_refusal(struct sto_dir *d, unsigned dir, int r)
{
    uint32_t none = 0;
    if (sto_dir_refuses(r))
        atomic_compare_exchange_strong(&d->refused, &none, dir + 1);
    return r;
}

int sto_dir_said(struct sto_dir *d, unsigned high, unsigned low, int r)
{
    return note_refusal(d, (high & 0xff) << 8 | (low & 0xff), r);
}

int sto_dir_mirrors_said(struct sto_dir *d, int r)
{
    return note_refusal(d, STO_DIR_MIRRORS, r);
}

int sto_dir_refused(const struct sto_dir *d)
{
    return (int)atomic_load(&d->refused) - 1;
}

void sto_dir_forget_refused(struct sto_dir *d)
{
    atomic_store(&d->refused, 0);
}

static int sync_path(const struct sto_dir *d, const char *path)
{
    AUTO(dfs_close_fd) int fd = d->io->openat(d->root, path, O_RDONLY | O_DIRECTORY, 0);
    if (fd < 0)
        return -errno;
    return d->io->fsync(fd) == 0 ? 0 : -errno;
}

static int sync_high(const struct sto_dir *d, unsigned high)
{
    char path[16];
    (void)snprintf(path, sizeof(path), "data/%02X", high & 0xff);
    return sync_path(d, path);
}

/* Also the folders that a killed process had made, or found, and not synced yet. */
static int sync_folders(const struct sto_dir *d)
{
    int r = d->io->fsync(d->root) < 0 || d->io->fsync(d->data) < 0 ? -errno : 0;
    for (unsigned high = 0; r == 0 && high < 256; high++) {
        r = sync_high(d, high);
        r = r == -ENOENT ? 0 : r;
    }
    return r;
}

/* Named temporary files of a process that crashed: nothing refers to them. */
static void remove_leftovers(const struct sto_dir *d)
{
    int fd = d->io->openat(d->root, "data", O_RDONLY | O_DIRECTORY, 0);
    DIR *dir = fd >= 0 ? fdopendir(fd) : NULL;
    if (!dir) {
        dfs_close_fd(&fd);
        return;
    }
    const struct dirent *e;
    while ((e = readdir(dir)))
        if (str_starts(str_c(e->d_name), STR(".tmp-")))
            d->io->unlinkat(fd, e->d_name, 0);
    closedir(dir);
}

static int take_lock(struct sto_dir *d)
{
    d->lock = d->io->openat(d->data, ".lock", O_RDWR | O_CREAT, 0600);
    if (d->lock < 0)
        return -errno;
    if (flock(d->lock, LOCK_EX | LOCK_NB) < 0)
        return errno == EWOULDBLOCK ? -EBUSY : -errno;
    return 0;
}

static int open_parts(const char *root, struct sto_dir *d)
{
    d->root = d->io->openat(AT_FDCWD, root, O_RDONLY | O_DIRECTORY, 0);
    if (d->root < 0)
        return -errno;
    if (mkdirat(d->root, "data", 0755) == 0)
        d->fresh = true;
    else if (errno != EEXIST)
        return -errno;
    d->data = d->io->openat(d->root, "data", O_RDONLY | O_DIRECTORY, 0);
    if (d->data < 0)
        return -errno;
    int r = take_lock(d);
    return r < 0 ? r : sync_folders(d);
}

int sto_dir_open(const struct sto_io *io, const char *root, struct sto_dir *ret)
{
    struct sto_dir d = {.io = io, .root = -1, .data = -1, .lock = -1};
    int r = open_parts(root, &d);
    if (r < 0) {
        sto_dir_close(&d);
        return r;
    }
    remove_leftovers(&d);
    *ret = d;
    return 0;
}

void sto_dir_close(struct sto_dir *d)
{
    dfs_close_fd(&d->lock);
    dfs_close_fd(&d->data);
    dfs_close_fd(&d->root);
}

/* 1: made; 0: it is there already. */
static int make_folder(const struct sto_dir *d, const char *path)
{
    return mkdirat(d->root, path, 0755) == 0 ? 1 : errno == EEXIST ? 0 : -errno;
}

/*
 * Who comes meanwhile does not wait for this one, and syncs them itself. What could not be synced stays so until somebody
 * can: whoever finds these folders has to.
 */
static int sync_above(struct sto_dir *d, unsigned high)
{
    atomic_fetch_add(&d->making[high], 1);
    atomic_store(&d->unsynced[high], false);
    int r = sync_high(d, high);
    r = r == 0 && d->io->fsync(d->data) < 0 ? -errno : r;
    if (r < 0)
        atomic_store(&d->unsynced[high], true);
    atomic_fetch_sub(&d->making[high], 1);
    return r;
}

int sto_dir_make(struct sto_dir *d, unsigned high, unsigned low)
{
    char path[16], sub[16];
    high &= 0xff;
    (void)snprintf(path, sizeof(path), "data/%02X", high);
    (void)snprintf(sub, sizeof(sub), "data/%02X/%02X", high, low & 0xff);
    atomic_fetch_add(&d->making[high], 1); /* before others can link files there */
    int above = make_folder(d, path);
    int below = above < 0 ? above : make_folder(d, sub);
    /* Who has made what is there already has synced it, if nobody but this call counts. */
    bool durable = above <= 0 && below <= 0 && atomic_load(&d->making[high]) == 1 &&
                   !atomic_load(&d->unsynced[high]);
    int r = durable ? 0 : sync_above(d, high);
    atomic_fetch_sub(&d->making[high], 1);
    return sto_dir_said(d, high, low, below < 0 ? below : r);
}

int sto_dir_sync(struct sto_dir *d, unsigned high, unsigned low)
{
    char path[16];
    high &= 0xff;
    (void)snprintf(path, sizeof(path), "data/%02X/%02X", high, low & 0xff);
    int r = sync_path(d, path);
    if (r == 0 && (atomic_load(&d->making[high]) > 0 || atomic_load(&d->unsynced[high])))
        r = sync_above(d, high);
    return sto_dir_said(d, high, low, r);
}

int sto_dir_space(const struct sto_dir *d, struct sto_space *ret)
{
    struct statvfs v;
    if (d->io->fstatvfs(d->root, &v) < 0)
        return -errno;
    ret->total = (uint64_t)v.f_blocks * v.f_frsize;
    ret->free = (uint64_t)v.f_bavail * v.f_frsize;
    return 0;
}

static int open_named(const struct sto_dir *d, unsigned mode, struct sto_tmp *t)
{
    uint64_t random;
    if (d->io->getrandom(&random, sizeof(random), 0) != sizeof(random))
        return -EIO;
    (void)snprintf(t->name, sizeof(t->name), "data/.tmp-%016llx", (unsigned long long)random);
    t->fd = d->io->openat(d->root, t->name, O_RDWR | O_CREAT | O_EXCL, mode);
    return t->fd < 0 ? -errno : 0;
}

static int open_tmp(struct sto_dir *d, bool named, unsigned mode, struct sto_tmp *t)
{
    if (!named && !d->no_tmpfile) {
        t->fd = d->io->openat(d->root, "data", O_RDWR | O_TMPFILE, mode);
        if (t->fd >= 0)
            return 0;
        if (errno != EOPNOTSUPP && errno != EISDIR && errno != EINVAL)
            return -errno;
        d->no_tmpfile = true;
    }
    return open_named(d, mode, t);
}

int sto_tmp_open(struct sto_dir *d, bool named, unsigned mode, struct sto_tmp *ret)
{
    struct sto_tmp t = {.fd = -1};
    int r = open_tmp(d, named, mode, &t);
    if (r == 0)
        *ret = t;
    return note_refusal(d, STO_DIRS, r);
}

int sto_tmp_link(const struct sto_dir *d, struct sto_tmp *t, const char *path)
{
    if (t->name[0]) {
        if (d->io->linkat(d->root, t->name, d->root, path, 0) < 0)
            return -errno;
        d->io->unlinkat(d->root, t->name, 0);
        t->name[0] = '\0';
        return 0;
    }
    char self[32];
    (void)snprintf(self, sizeof(self), "/proc/self/fd/%d", t->fd);
    if (d->io->linkat(AT_FDCWD, self, d->root, path, AT_SYMLINK_FOLLOW) < 0)
        return -errno;
    return 0;
}

int sto_tmp_link_below(struct sto_dir *d, struct sto_tmp *t, unsigned high, unsigned low,
                       const char *path)
{
    int r = sto_tmp_link(d, t, path);
    if (r == -ENOENT) {
        r = sto_dir_make(d, high, low);
        if (r == 0)
            r = sto_tmp_link(d, t, path);
    }
    return sto_dir_said(d, high, low, r);
}

int sto_tmp_replace(const struct sto_dir *d, struct sto_tmp *t, const char *path)
{
    ASSERT(t->name[0]);
    if (d->io->renameat(d->root, t->name, d->root, path) < 0)
        return -errno;
    t->name[0] = '\0';
    return 0;
}

void sto_tmp_drop(const struct sto_dir *d, struct sto_tmp *t)
{
    dfs_close_fd(&t->fd);
    if (t->name[0])
        d->io->unlinkat(d->root, t->name, 0);
    t->name[0] = '\0';
}

static int replace_with(struct sto_dir *d, struct sto_tmp *t, const char *path, struct str bytes)
{
    int r = sto_write_all(d->io, t->fd, bytes.p, bytes.n, 0);
    if (r < 0)
        return r;
    if (d->io->fdatasync(t->fd) < 0)
        return -errno;
    r = sto_tmp_replace(d, t, path);
    if (r < 0)
        return r;
    char parent[64];
    (void)snprintf(parent, sizeof(parent), "%s", path);
    char *slash = strrchr(parent, '/');
    if (slash)
        *slash = '\0';
    return sync_path(d, slash ? parent : ".");
}

int sto_dir_put_file(struct sto_dir *d, const char *path, struct str bytes)
{
    ASSERT(!strrchr(path, '/') || strrchr(path, '/') - path < 64); /* "data/HH/HH" at the longest */
    struct sto_tmp t;
    int r = sto_tmp_open(d, true, STO_MODE, &t);
    if (r < 0)
        return r;
    r = replace_with(d, &t, path, bytes);
    sto_tmp_drop(d, &t);
    return r;
}

int sto_dir_get_file(const struct sto_dir *d, const char *path, size_t max, char **ret,
                     size_t *ret_n)
{
    AUTO(dfs_close_fd) int fd = d->io->openat(d->root, path, O_RDONLY, 0);
    if (fd < 0)
        return -errno;
    struct stat st;
    if (fstat(fd, &st) < 0)
        return -errno;
    if (st.st_size < 0 || (uint64_t)st.st_size > max)
        return -EFBIG;
    AUTO(dfs_free_ptr) char *bytes = dfs_alloc((size_t)st.st_size + 1);
    if (!bytes)
        return -ENOMEM;
    ssize_t n = sto_read_all(d->io, fd, bytes, (size_t)st.st_size, 0);
    if (n < 0)
        return (int)n;
    bytes[n] = '\0';
    *ret_n = (size_t)n;
    *ret = TAKE(bytes);
    return 0;
}
