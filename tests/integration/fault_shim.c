/* SPDX-License-Identifier: Apache-2.0 */
/*
 * fault_shim - preloaded into our servers by tests/integration/faults.py: a wall clock that can be set,
 * syncs that wait or fail, reads that fail, directories that take no entries, at the word of a test. The test writes the
 * block below into the file S3GW_FAULTS, which every process maps.
 */
#define _GNU_SOURCE 1
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>

struct control {                /* native byte order; faults.py has the offsets */
    _Atomic int64_t clock_ms;   /* added to the wall clock */
    _Atomic int32_t hold;       /* syncs wait while not 0 */
    _Atomic int32_t error;      /* syncs fail with this errno while not 0 */
    _Atomic int32_t held;       /* syncs that wait now */
    _Atomic int32_t failed;     /* syncs that were made to fail */
    char where[224];            /* which: those of files with this in their path; empty: none */
    _Atomic int32_t read_error; /* pread() of such files fails with this errno while not 0 */
    _Atomic int32_t delay_ms;   /* syncs take so much longer */
    _Atomic int32_t
        refuse; /* nothing is made, removed or written there, but this errno told, while not 0 */
};

static struct control *control;

__attribute__((constructor)) static void start(void)
{
    const char *path = getenv("S3GW_FAULTS");
    int fd = path ? open(path, O_RDWR | O_CLOEXEC) : -1;
    if (fd < 0)
        return;
    void *p = mmap(NULL, sizeof(*control), PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    close(fd);
    if (p != MAP_FAILED)
        control = p;
}

int clock_gettime(clockid_t clock, struct timespec *t)
{
    long r = syscall(SYS_clock_gettime, clock, t);
    if (r == 0 && control && (clock == CLOCK_REALTIME || clock == CLOCK_REALTIME_COARSE))
        t->tv_sec += control->clock_ms / 1000;
    return (int)r;
}

time_t time(time_t *ret)
{
    struct timespec t;
    clock_gettime(CLOCK_REALTIME, &t);
    if (ret)
        *ret = t.tv_sec;
    return t.tv_sec;
}

int gettimeofday(struct timeval *ret, void *zone)
{
    (void)zone;
    struct timespec t;
    clock_gettime(CLOCK_REALTIME, &t);
    *ret = (struct timeval){t.tv_sec, t.tv_nsec / 1000};
    return 0;
}

static int is_meant(int fd)
{
    char self[40], path[1024] = "";
    if (!control || !control->where[0])
        return 0;
    (void)snprintf(self, sizeof(self), "/proc/self/fd/%d", fd);
    return readlink(self, path, sizeof(path) - 1) > 0 && strstr(path, control->where) != NULL;
}

static int sync_by(long call, int fd)
{
    if (is_meant(fd)) {
        control->held++;
        while (control->hold)
            usleep(2000);
        control->held--;
        if (control->delay_ms)
            usleep((useconds_t)control->delay_ms * 1000);
        if (control->error) {
            control->failed++;
            errno = control->error;
            return -1;
        }
    }
    return (int)syscall(call, fd);
}

ssize_t pread64(int fd, void *p, size_t n, off_t at)
{
    if (control && control->read_error && is_meant(fd)) {
        control->failed++;
        errno = control->read_error;
        return -1;
    }
    return syscall(SYS_pread64, fd, p, n, at);
}

ssize_t pread(int fd, void *p, size_t n, off_t at)
{
    return pread64(fd, p, n, at);
}

/* May @path, seen from @dir, not be made, removed or written? */
static int is_refused(int dir, const char *path)
{
    char self[40], whole[2048] = "";
    if (!control || !control->refuse || !control->where[0])
        return 0;
    (void)snprintf(self, sizeof(self), "/proc/self/fd/%d", dir);
    ssize_t n = readlink(self, whole, 1000);
    if (n < 0)
        return 0;
    (void)snprintf(whole + n, sizeof(whole) - (size_t)n, "/%s", path);
    if (!strstr(whole, control->where))
        return 0;
    control->failed++;
    errno = control->refuse;
    return 1;
}

int openat(int dir, const char *path, int flags, ...)
{
    va_list more;
    va_start(more, flags);
    mode_t mode = flags & (O_CREAT | O_TMPFILE) ? va_arg(more, mode_t) : 0;
    va_end(more);
    bool writes = (flags & O_ACCMODE) != O_RDONLY;
    return writes && is_refused(dir, path) ? -1 : (int)syscall(SYS_openat, dir, path, flags, mode);
}

int linkat(int from_dir, const char *from, int to_dir, const char *to, int flags)
{
    return is_refused(to_dir, to) ? -1
                                  : (int)syscall(SYS_linkat, from_dir, from, to_dir, to, flags);
}

int renameat(int from_dir, const char *from, int to_dir, const char *to)
{
    return is_refused(to_dir, to) ? -1 : (int)syscall(SYS_renameat2, from_dir, from, to_dir, to, 0);
}

int symlinkat(const char *text, int dir, const char *path)
{
    return is_refused(dir, path) ? -1 : (int)syscall(SYS_symlinkat, text, dir, path);
}

int mkdirat(int dir, const char *path, mode_t mode)
{
    return is_refused(dir, path) ? -1 : (int)syscall(SYS_mkdirat, dir, path, mode);
}

int unlinkat(int dir, const char *path, int flags)
{
    return is_refused(dir, path) ? -1 : (int)syscall(SYS_unlinkat, dir, path, flags);
}

int fsync(int fd)
{
    return sync_by(SYS_fsync, fd);
}

int fdatasync(int fd)
{
    return sync_by(SYS_fdatasync, fd);
}
