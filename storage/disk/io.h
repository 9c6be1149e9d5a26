/* SPDX-License-Identifier: Apache-2.0 */
/*
 * io - the system calls by which the engine changes a disk, and draws what chance decides, as a table, so
 * that tests can inject a short write, EIO or ENOSPC at the n-th call, and repeat a run; and loops that turn
 * short transfers into whole ones.
 *
 * Entries behave like the system calls of their name (-1 and errno). The functions below return
 * negative errno. Threads: any.
 */
#ifndef STO_IO_H
#define STO_IO_H

#include <sys/stat.h>
#include <sys/statvfs.h>
#include <sys/types.h>
#include <sys/uio.h>

#include "dfscore/base/str.h"

struct sto_io {
    ssize_t (*pread)(int fd, void *p, size_t n, off_t at);
    ssize_t (*pwritev)(int fd, const struct iovec *iov, int count, off_t at);
    int (*fdatasync)(int fd);
    int (*fsync)(int fd);
    int (*fallocate)(int fd, int mode, off_t at, off_t n);
    int (*ftruncate)(int fd, off_t n);
    int (*futimens)(int fd, const struct timespec times[2]);
    int (*openat)(int dir, const char *path, int flags, mode_t mode);
    int (*linkat)(int from_dir, const char *from, int to_dir, const char *to, int flags);
    int (*renameat)(int from_dir, const char *from, int to_dir, const char *to);
    int (*unlinkat)(int dir, const char *path, int flags);
    int (*fstatvfs)(int fd, struct statvfs *ret);
    ssize_t (*getrandom)(void *p, size_t n, unsigned flags);
};

extern const struct sto_io sto_io_os;

/* A number that nobody can guess; 0 when the system has none to give. */
uint64_t sto_random(const struct sto_io *io);

/* All of @iov at @at; @iov is used up on the way. 0, or negative errno (a write of 0 bytes: -EIO). */
int sto_writev_all(const struct sto_io *io, int fd, struct iovec *iov, int count,
                   off_t at) MUST_CHECK;
int sto_write_all(const struct sto_io *io, int fd, const void *p, size_t n, off_t at) MUST_CHECK;
/* Up to @n bytes, fewer only at the end of the file: how many, or negative errno. */
ssize_t sto_read_all(const struct sto_io *io, int fd, void *p, size_t n, off_t at) MUST_CHECK;
/* CRC-32 (FastDFS) of @n bytes of @fd from @at, read in bounded pieces; -EBADMSG when there are fewer. */
int sto_crc_range(const struct sto_io *io, int fd, uint64_t at, uint64_t n,
                  uint32_t *ret) MUST_CHECK;
/* The same; step() is called before each piece, and ends it when it does not return 0. NULL: it is not. */
int sto_crc_steps(const struct sto_io *io, int fd, uint64_t at, uint64_t n,
                  int (*step)(void *arg, size_t bytes), void *arg, uint32_t *ret) MUST_CHECK;

/* When it was modified, Unix milliseconds. */
static inline int64_t sto_time_ms(const struct stat *st)
{
    return st->st_mtim.tv_sec * INT64_C(1000) + st->st_mtim.tv_nsec / 1000000;
}

/* Two of its name have been made in that millisecond: no record says which of them it is (replica.c). */
static inline bool sto_time_shared(const struct stat *st)
{
    return st->st_mtim.tv_nsec % 1000000 != 0;
}

/* CRC-32 as FastDFS has it (reflected 0x04C11DB7, initial and final xor ones); start with 0. */
uint32_t sto_crc32(uint32_t crc, const void *p, size_t n);

#endif
