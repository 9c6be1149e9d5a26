/* SPDX-License-Identifier: Apache-2.0 */
#include "storage/disk/direct.h"

#include <fcntl.h>
#include <pthread.h>
#include <sys/random.h>
#include <unistd.h>

enum { BLOCK = 4096, BUFFER = 256 * 1024 };

static pthread_key_t buffer_key;
static pthread_once_t once = PTHREAD_ONCE_INIT;

static void make_key(void)
{
    ASSERT(pthread_key_create(&buffer_key, free) == 0);
}

/* BUFFER bytes of the thread; NULL: no memory. */
static char *buffer_of_thread(void)
{
    pthread_once(&once, make_key);
    void *b = pthread_getspecific(buffer_key);
    if (!b && posix_memalign(&b, BLOCK, BUFFER) == 0)
        pthread_setspecific(buffer_key, b);
    return b;
}

static int direct_openat(int dir, const char *path, int flags, mode_t mode)
{
    if ((flags & O_ACCMODE) == O_RDONLY) {
        int fd = openat(dir, path, flags | O_DIRECT | O_CLOEXEC, mode);
        if (fd >= 0 || (errno != EINVAL && errno != EOPNOTSUPP))
            return fd;
    }
    return sto_io_os.openat(dir, path, flags, mode);
}

/* As much as one buffer gives; the caller asks for the rest. */
static ssize_t direct_pread(int fd, void *p, size_t n, off_t at)
{
    char *buffer = buffer_of_thread();
    if (!buffer)
        return pread(fd, p, n,
                     at); /* a descriptor with O_DIRECT may say EINVAL: an error, not wrong bytes */
    off_t from = at / BLOCK * BLOCK;
    size_t skip = (size_t)(at - from),
           want = MIN((skip + n + BLOCK - 1) / BLOCK * BLOCK, (size_t)BUFFER);
    ssize_t got = pread(fd, buffer, want, from);
    if (got < 0 && errno == EINVAL) { /* larger blocks than ours: as always, then */
        int flags = fcntl(fd, F_GETFL);
        if (flags >= 0 && (flags & O_DIRECT) && fcntl(fd, F_SETFL, flags & ~O_DIRECT) == 0)
            got = pread(fd, buffer, want, from);
    }
    if (got < 0)
        return -1;
    if ((size_t)got <= skip)
        return 0;
    size_t given = MIN((size_t)got - skip, n);
    memcpy(p, buffer + skip, given);
    return (ssize_t)given;
}

const struct sto_io sto_io_direct = {
    .pread = direct_pread,
    .pwritev = pwritev,
    .fdatasync = fdatasync,
    .fsync = fsync,
    .fallocate = fallocate,
    .ftruncate = ftruncate,
    .openat = direct_openat,
    .linkat = linkat,
    .renameat = renameat,
    .unlinkat = unlinkat,
    .fstatvfs = fstatvfs,
    .getrandom = getrandom,
};
