/* SPDX-License-Identifier: Apache-2.0 */
#include "s3gw/lease/number.h"

#include <fcntl.h>
#include <openssl/rand.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#include "dfscore/base/buf.h"
#include "dfscore/base/dirs.h"

enum { PATH_TEXT = 8192, FILE_LEN = 8 + 8 + 8 };

static const char magic[] = "S3LEASE1";

static int path_of(const char *index_path, const char *ending, struct buf *out)
{
    buf_addf(out, "%s.%s", index_path, ending);
    buf_addc(out, '\0');
    return buf_err(out);
}

int s3_lease_number_get(const char *index_path, uint64_t *ret)
{
    AUTO(buf_free) struct buf path = BUF(PATH_TEXT);
    char bytes[FILE_LEN + 1];
    struct stat st;
    int r = path_of(index_path, "lease", &path);
    if (r < 0)
        return r;
    AUTO(dfs_close_fd) int fd = open(path.p, O_RDONLY | O_CLOEXEC);
    if (fd < 0 || fstat(fd, &st) < 0)
        return -errno;
    ssize_t n = read(fd, bytes, sizeof(bytes));
    if (n < 0)
        return -errno;
    struct rd in = rd_of(str_of(bytes, (size_t)n));
    bool ours = str_eq(rd_bytes(&in, 8), str_of(magic, 8));
    uint64_t number = rd_u64(&in), inode = rd_u64(&in);
    if (in.bad || in.n > 0 || !ours || number == 0)
        return -EBADMSG;
    if (inode != (uint64_t)st.st_ino)
        return -ENOENT;
    *ret = number;
    return 0;
}

static int write_new(int fd, uint64_t number)
{
    AUTO(buf_free) struct buf b = BUF(FILE_LEN);
    struct stat st;
    if (fstat(fd, &st) < 0)
        return -errno;
    buf_add(&b, magic, 8);
    buf_u64(&b, number);
    buf_u64(&b, (uint64_t)st.st_ino);
    if (buf_err(&b))
        return buf_err(&b);
    ssize_t n = write(fd, b.p, b.n);
    if (n != (ssize_t)b.n)
        return n < 0 ? -errno : -EIO;
    return fsync(fd) < 0 ? -errno : 0;
}

int s3_lease_number_put(const char *index_path, uint64_t number)
{
    AUTO(buf_free) struct buf path = BUF(PATH_TEXT);
    AUTO(buf_free) struct buf next = BUF(PATH_TEXT);
    int r = path_of(index_path, "lease", &path);
    if (r == 0)
        r = path_of(index_path, "lease.tmp", &next);
    if (r < 0)
        return r;
    AUTO(dfs_close_fd) int fd = open(next.p, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    if (fd < 0)
        return -errno;
    r = write_new(fd, number);
    if (r == 0 && rename(next.p, path.p) < 0)
        r = -errno;
    return r < 0 ? r : dfs_sync_folder_of(path.p);
}

uint64_t s3_lease_number_new(void)
{
    uint64_t n;
    ASSERT(RAND_bytes((unsigned char *)&n, sizeof(n)) == 1);
    return n ? n : 1;
}
