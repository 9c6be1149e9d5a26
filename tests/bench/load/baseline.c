/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/bench/load/baseline.h"

#include <fcntl.h>
#include <limits.h>
#include <sys/stat.h>
#include <openssl/evp.h>
#include <unistd.h>

#include "dfscore/base/clock.h"
#include "s3gw/core/digest.h"
#include "tests/bench/load/payload.h"

enum { SYNC_SPACE = 64 << 20, SYNC_DATA = 4096, SYNC_RECORD = 512, MD5_PIECE = 1 << 20 };

/* --- files ------------------------------------------------------------------------------------ */

static int make_parents(char *path)
{
    for (char *at = strchr(path + 1, '/'); at; at = strchr(at + 1, '/')) {
        *at = 0;
        int r = mkdir(path, 0755) < 0 && errno != EEXIST ? -errno : 0;
        *at = '/';
        if (r < 0)
            return r;
    }
    return 0;
}

static int write_object(const char *path, uint64_t key, uint64_t size)
{
    struct payload_iov piece;
    AUTO(dfs_close_fd) int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
    if (fd < 0)
        return -errno;
    for (uint64_t at = 0; at < size;) {
        payload_pieces(key, size, at, size - at, &piece);
        ssize_t n = pwritev(fd, piece.v, piece.n, (off_t)at);
        if (n <= 0)
            return n < 0 ? -errno : -EIO;
        at += (uint64_t)n;
    }
    return 0;
}

int baseline_files(const struct load_options *o)
{
    char path[PATH_MAX];
    for (uint64_t key = o->first; key < o->first + o->keys; key++) {
        int n = snprintf(path, sizeof(path), "%s/%s/%s%08llu", o->folder, o->bucket, o->prefix,
                         (unsigned long long)key);
        if (n < 0 || (size_t)n >= sizeof(path))
            return -ENAMETOOLONG;
        int r = key == o->first ? make_parents(path) : 0;
        if (r == 0)
            r = write_object(path, key, o->size);
        if (r < 0)
            return r;
    }
    return 0;
}

/* --- flushes ---------------------------------------------------------------------------------- */

/* A file of zeros, on disk, without a name. */
static int written_space(const char *folder)
{
    static const char zeros[1 << 20];
    AUTO(dfs_close_fd) int fd = open(folder, O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);
    if (fd < 0)
        return -errno;
    for (off_t at = 0; at < SYNC_SPACE; at += (off_t)sizeof(zeros)) {
        if (pwrite(fd, zeros, sizeof(zeros), at) != (ssize_t)sizeof(zeros))
            return -EIO;
    }
    if (fsync(fd) < 0)
        return -errno;
    int ret = fd;
    fd = -1;
    return ret;
}

int baseline_sync(const struct load_options *o, struct hist *ret)
{
    static char data[SYNC_DATA];
    memset(data, 'd', sizeof(data));
    AUTO(dfs_close_fd) int log = written_space(o->folder);
    AUTO(dfs_close_fd) int index = log < 0 ? -1 : written_space(o->folder);
    if (log < 0 || index < 0)
        return log < 0 ? log : index;
    double seconds = o->seconds > 0 ? o->seconds : 3;
    uint64_t end = dfs_mono_us() + (uint64_t)(seconds * 1e6);
    *ret = (struct hist){0};
    for (uint64_t i = 0, now = dfs_mono_us(); now < end; i++) {
        uint64_t begun = now;
        if (pwrite(log, data, SYNC_DATA, (off_t)(i * SYNC_DATA % SYNC_SPACE)) < 0 ||
            fdatasync(log) < 0 ||
            pwrite(index, data, SYNC_RECORD, (off_t)(i * SYNC_RECORD % SYNC_SPACE)) < 0 ||
            fdatasync(index) < 0)
            return -errno;
        now = dfs_mono_us();
        hist_add(ret, (now - begun) * 1000);
    }
    return 0;
}

/* --- MD5 -------------------------------------------------------------------------------------- */

double baseline_md5(const struct load_options *o)
{
    static uint8_t data[MD5_PIECE];
    uint8_t digest[16];
    unsigned n;
    double seconds = o->seconds > 0 ? o->seconds : 2;
    EVP_MD_CTX *ctx = EVP_MD_CTX_new();
    ASSERT(ctx && EVP_DigestInit_ex2(ctx, s3_digest_md(S3_MD5), NULL) == 1);
    uint64_t begun = dfs_mono_us(), now = begun, bytes = 0;
    while ((double)(now - begun) < seconds * 1e6) {
        ASSERT(EVP_DigestUpdate(ctx, data, sizeof(data)) == 1);
        bytes += sizeof(data);
        now = dfs_mono_us();
    }
    ASSERT(EVP_DigestFinal_ex(ctx, digest, &n) == 1);
    EVP_MD_CTX_free(ctx);
    return (double)bytes * 1e6 / (double)(now - begun);
}
