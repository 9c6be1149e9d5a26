/* SPDX-License-Identifier: Apache-2.0 */
#include "storage/disk/io.h"

#include <fcntl.h>
#include <isa-l/crc.h>
#include <limits.h>
#include <stdio.h>
#include <sys/random.h>
#include <unistd.h>

#include "dfscore/base/iov.h"

static int os_openat(int dir, const char *path, int flags, mode_t mode)
{
    return openat(dir, path, flags | O_CLOEXEC, mode);
}

const struct sto_io sto_io_os = {
    .pread = pread,
    .pwritev = pwritev,
    .fdatasync = fdatasync,
    .fsync = fsync,
    .fallocate = fallocate,
    .ftruncate = ftruncate,
    .futimens = futimens,
    .openat = os_openat,
    .linkat = linkat,
    .renameat = renameat,
    .unlinkat = unlinkat,
    .fstatvfs = fstatvfs,
    .getrandom = getrandom,
};

uint64_t sto_random(const struct sto_io *io)
{
    uint64_t v = 0;
    (void)!io->getrandom(&v, sizeof(v), 0);
    return v;
}

int sto_writev_all(const struct sto_io *io, int fd, struct iovec *iov, int count, off_t at)
{
    size_t left = (size_t)count;
    while (left > 0) {
        ssize_t n = io->pwritev(fd, iov, (int)MIN(left, (size_t)IOV_MAX), at);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return -errno;
        if (n == 0)
            return -EIO; /* a regular file takes bytes or says why not; never loop on this */
        at += n;
        dfs_iov_advance(&iov, &left, (size_t)n);
    }
    return 0;
}

int sto_write_all(const struct sto_io *io, int fd, const void *p, size_t n, off_t at)
{
    if (n == 0)
        return 0;
    struct iovec iov = {(void *)(uintptr_t)p, n};
    return sto_writev_all(io, fd, &iov, 1, at);
}

ssize_t sto_read_all(const struct sto_io *io, int fd, void *p, size_t n, off_t at)
{
    size_t got = 0;
    while (got < n) {
        ssize_t r = io->pread(fd, (char *)p + got, n - got, at + (off_t)got);
        if (r < 0 && errno == EINTR)
            continue;
        if (r < 0)
            return -errno;
        if (r == 0)
            break;
        got += (size_t)r;
    }
    return (ssize_t)got;
}

uint32_t sto_crc32(uint32_t crc, const void *p, size_t n)
{
    return crc32_gzip_refl(crc, p, n);
}

int sto_crc_range(const struct sto_io *io, int fd, uint64_t at, uint64_t n, uint32_t *ret)
{
    return sto_crc_steps(io, fd, at, n, NULL, NULL, ret);
}

int sto_crc_steps(const struct sto_io *io, int fd, uint64_t at, uint64_t n,
                  int (*step)(void *arg, size_t bytes), void *arg, uint32_t *ret)
{
    enum { PIECE = 128 * 1024 };
    AUTO(dfs_free_ptr) uint8_t *piece = dfs_alloc(PIECE);
    if (!piece)
        return -ENOMEM;
    uint32_t crc = 0;
    while (n > 0) {
        size_t want = (size_t)MIN(n, (uint64_t)PIECE);
        int r = step ? step(arg, want) : 0;
        if (r != 0)
            return r;
        ssize_t got = sto_read_all(io, fd, piece, want, (off_t)at);
        if (got < 0)
            return (int)got;
        if ((size_t)got < want)
            return -EBADMSG;
        crc = sto_crc32(crc, piece, want);
        at += want;
        n -= want;
    }
    *ret = crc;
    return 0;
}
