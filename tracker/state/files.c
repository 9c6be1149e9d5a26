/* SPDX-License-Identifier: Apache-2.0 */
#include "tracker/state/files.h"

#include <fcntl.h>
#include <isa-l/crc.h>
#include <sys/stat.h>
#include <unistd.h>

#include "dfscore/base/dirs.h"
#include "dfscore/log/log.h"

#define SNAPSHOT_MAGIC "DFSTRKS1"
#define JOURNAL_MAGIC  "DFSTRKJ1"

enum { JOURNALS_BYTES_MAX = 1024 * 1024, NAME_MAX_BYTES = 40 };

/* --- bytes ---------------------------------------------------------------------------------- */

static void put_head(struct buf *b, const char *magic, uint64_t generation)
{
    buf_add(b, magic, 8);
    buf_u64(b, generation);
    if (buf_err(b) == 0)
        buf_u32(b, crc32_gzip_refl(0, (const unsigned char *)b->p, 16));
}

static int get_head(struct str *bytes, const char *magic, uint64_t *ret_generation)
{
    struct rd r = rd_of(*bytes);
    struct str m = rd_bytes(&r, 8);
    uint64_t generation = rd_u64(&r);
    uint32_t crc = rd_u32(&r);
    if (r.bad || memcmp(m.p, magic, 8) != 0 ||
        crc32_gzip_refl(0, (const unsigned char *)bytes->p, 16) != crc)
        return -EBADMSG;
    *ret_generation = generation;
    *bytes = str_from(*bytes, TRK_FILE_HEAD);
    return 0;
}

int trk_file_apply(struct str bytes, bool snapshot, uint64_t *ret_generation, struct trk_cluster *c,
                   struct trk_self *self, size_t *torn)
{
    struct trk_rec rec;
    uint64_t count = 0;
    bool ended = false;
    int r = get_head(&bytes, snapshot ? SNAPSHOT_MAGIC : JOURNAL_MAGIC, ret_generation);
    if (r < 0)
        return r;
    while (trk_rec_next(&bytes, &rec) == 1) {
        if (snapshot && rec.type == TRK_REC_END) {
            struct rd p = rd_of(rec.payload);
            rd_u8(&p);
            ended = rd_u64(&p) == count && !p.bad && bytes.n == 0;
            break;
        }
        r = trk_rec_apply(c, self, &rec);
        if (r < 0)
            return r;
        count++;
    }
    *torn = snapshot ? 0 : bytes.n;
    return snapshot && !ended ? -EBADMSG : 0;
}

/* --- files ---------------------------------------------------------------------------------- */

static int read_whole(int dirfd, const char *name, struct buf *out)
{
    AUTO(dfs_close_fd) int fd = openat(dirfd, name, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return -errno;
    for (;;) {
        char *room = buf_room(out, 65536);
        if (!room)
            return buf_err(out);
        ssize_t n = read(fd, room, 65536);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return -errno;
        if (n == 0)
            return 0;
        buf_used(out, (size_t)n);
    }
}

static int os_openat(int dir, const char *path, int flags, mode_t mode)
{
    return openat(dir, path, flags, mode);
}

const struct trk_io trk_io_os = {os_openat, write, fdatasync, fsync, renameat, unlinkat};

static int write_all(const struct trk_io *io, int fd, struct str bytes)
{
    while (bytes.n > 0) {
        ssize_t n = io->write(fd, bytes.p, bytes.n);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return -errno;
        bytes = str_from(bytes, (size_t)n);
    }
    return 0;
}

static void journal_name(uint64_t generation, char out[NAME_MAX_BYTES])
{
    snprintf(out, NAME_MAX_BYTES, "journal.%llu", (unsigned long long)generation);
}

static bool journal_number(const char *name, uint64_t *ret)
{
    struct str s = str_c(name);
    return str_starts(s, STR("journal.")) && str_u64(str_from(s, 8), UINT64_MAX, ret) == 0;
}

static int by_number(const void *a, const void *b)
{
    uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;
    return x < y ? -1 : x > y;
}

/* Numbers of all journals, sorted: a view of @out. */
static int list_journals(int dirfd, struct buf *out, const uint64_t **ret, size_t *ret_n)
{
    DIR *d;
    int r = dfs_dir_open(dirfd, ".", &d);
    if (r < 0)
        return r;
    uint64_t number;
    for (struct dirent *e; (r = dfs_dir_next(d, &e)) > 0;)
        if (journal_number(e->d_name, &number))
            buf_add(out, &number, sizeof(number));
    closedir(d);
    r = r < 0 ? r : buf_err(out);
    if (r < 0)
        return r;
    *ret_n = out->n / sizeof(number);
    if (*ret_n)
        qsort(out->p, *ret_n, sizeof(number), by_number);
    *ret = (const void *)out->p;
    return 0;
}

static int load_snapshot(int dirfd, struct trk_cluster *c, struct trk_self *self,
                         uint64_t *generation, struct buf *err)
{
    AUTO(buf_free) struct buf bytes = BUF(TRK_FILE_MAX);
    size_t torn;
    int r = read_whole(dirfd, "snapshot", &bytes);
    if (r == -ENOENT)
        return 0;
    if (r == 0)
        r = trk_file_apply(buf_str(&bytes), true, generation, c, self, &torn);
    if (r < 0)
        buf_addf(err, "snapshot: %s; remove it to learn everything from storages and peers again",
                 r == -EBADMSG ? "damaged" : strerror(-r));
    return r;
}

int trk_files_load(int dirfd, struct trk_cluster *c, struct trk_self *self,
                   uint64_t *ret_generation, struct buf *err)
{
    AUTO(buf_free) struct buf list = BUF(JOURNALS_BYTES_MAX);
    const uint64_t *numbers = NULL;
    uint64_t newest = 0, base = 0;
    size_t n = 0;
    int r = load_snapshot(dirfd, c, self, &base, err);
    if (r == 0 && (r = list_journals(dirfd, &list, &numbers, &n)) < 0)
        buf_addf(err, "the list of journals: %s", strerror(-r));
    newest = base;
    for (size_t i = 0; r == 0 && i < n; i++) {
        AUTO(buf_free) struct buf bytes = BUF(TRK_FILE_MAX);
        char name[NAME_MAX_BYTES];
        uint64_t generation;
        size_t torn = 0;
        newest = MAX(newest, numbers[i]);
        if (numbers[i] < base)
            continue; /* the snapshot holds all of it */
        journal_name(numbers[i], name);
        r = read_whole(dirfd, name, &bytes);
        if (r < 0)
            break;
        r = trk_file_apply(buf_str(&bytes), false, &generation, c, self, &torn);
        if (r == -EBADMSG && bytes.n <= TRK_FILE_HEAD) {
            r = 0; /* killed, or without power, while it was made: its head is synced before any record */
        } else if (r < 0) {
            buf_addf(err, "%s: %s", name, r == -EBADMSG ? "damaged" : strerror(-r));
        } else if (torn) {
            dfs_log(LOG_WARN, "tracker.journal_torn", KV_Z("file", name), KV_U64("bytes", torn));
        }
    }
    if (r == 0)
        *ret_generation = newest;
    return r;
}

int trk_journal_create(const struct trk_io *io, int dirfd, uint64_t generation)
{
    char name[NAME_MAX_BYTES];
    journal_name(generation, name);
    AUTO(buf_free) struct buf head = BUF(TRK_FILE_HEAD);
    put_head(&head, JOURNAL_MAGIC, generation);
    if (buf_err(&head))
        return buf_err(&head);
    AUTO(dfs_close_fd)
    int fd = io->openat(dirfd, name, O_WRONLY | O_CREAT | O_TRUNC | O_APPEND | O_CLOEXEC, 0640);
    if (fd < 0)
        return -errno;
    int r = write_all(io, fd, buf_str(&head));
    if (r == 0 && (io->fsync(fd) < 0 || io->fsync(dirfd) < 0))
        r = -errno;
    if (r < 0)
        return r;
    return dfs_take_fd(&fd);
}

int trk_journal_append(const struct trk_io *io, int fd, struct str records)
{
    int r = write_all(io, fd, records);
    if (r == 0 && io->fdatasync(fd) < 0)
        r = -errno;
    return r;
}

static void remove_older(const struct trk_io *io, int dirfd, uint64_t generation)
{
    AUTO(buf_free) struct buf list = BUF(JOURNALS_BYTES_MAX);
    const uint64_t *numbers;
    size_t n;
    if (list_journals(dirfd, &list, &numbers, &n) < 0)
        return; /* they are skipped at the next start, and removed after it */
    for (size_t i = 0; i < n && numbers[i] < generation; i++) {
        char name[NAME_MAX_BYTES];
        journal_name(numbers[i], name);
        io->unlinkat(dirfd, name, 0);
    }
}

int trk_snapshot_write(const struct trk_io *io, int dirfd, uint64_t generation, struct str image,
                       uint64_t records, bool *ret_placed)
{
    AUTO(buf_free) struct buf head = BUF(TRK_FILE_HEAD), tail = BUF(64);
    *ret_placed = false;
    put_head(&head, SNAPSHOT_MAGIC, generation);
    trk_rec_end(&tail, records);
    if (buf_err(&head) || buf_err(&tail))
        return -ENOMEM;
    AUTO(dfs_close_fd)
    int fd = io->openat(dirfd, "snapshot.tmp", O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0640);
    if (fd < 0)
        return -errno;
    int r = write_all(io, fd, buf_str(&head));
    if (r == 0)
        r = write_all(io, fd, image);
    if (r == 0)
        r = write_all(io, fd, buf_str(&tail));
    if (r == 0 && io->fsync(fd) < 0)
        r = -errno;
    if (r == 0 && io->renameat(dirfd, "snapshot.tmp", dirfd, "snapshot") < 0)
        r = -errno;
    *ret_placed = r == 0;
    if (r == 0 && io->fsync(dirfd) < 0)
        r = -errno;
    if (r == 0)
        remove_older(io, dirfd, generation);
    else
        io->unlinkat(dirfd, "snapshot.tmp", 0);
    return r;
}
