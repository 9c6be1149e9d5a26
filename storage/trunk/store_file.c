/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Whole files: written without a name, then logged, then named.
 *
 * Order of a commit: content synced; log record synced; name linked; directory synced; answered. The
 * record comes first, so a file with a name always has one; a record whose file never got its name (a
 * crash, a full directory) describes nothing and readers of the log leave it out.
 */
#include <fcntl.h>
#include <stdio.h>
#include <unistd.h>

#include "dfscore/base/clock.h"
#include "storage/trunk/store_priv.h"
#include "storage/trunk/version.h"

enum {
    ROTATE = 100,               /* files in a row in one directory; rule: semantics 2.4 */
    EXPECT_LEAST = 1024 * 1024, /* smaller files are not worth an fallocate */
    NAME_TRIES = 3,
};

struct sto_file {
    unsigned magic;
#define FILE_MAGIC 0x5f11e001u
    struct sto_store *store;
    struct sto_path *path;
    unsigned path_index;
    uint8_t flags; /* STO_NATIVE */
    struct sto_tmp tmp;
    uint64_t expected; /* bytes allocated ahead */
};

static int expect(struct sto_file *f, uint64_t size)
{
    CHECK_OBJ(f, FILE_MAGIC);
    if (size > INT64_MAX)
        return -EFBIG;
    int r = sto_check_space(f->path, size > f->expected ? size - f->expected : 0);
    if (r < 0 || size < EXPECT_LEAST || size <= f->expected)
        return r;
    const struct sto_io *io = f->store->io;
    if (io->fallocate(f->tmp.fd, FALLOC_FL_KEEP_SIZE, 0, (off_t)size) < 0 && errno != EOPNOTSUPP)
        return -errno;
    f->expected = size;
    return 0;
}

int sto_file_open(struct sto_store *s, int path, uint64_t expected, uint8_t flags,
                  struct sto_file **ret)
{
    CHECK_OBJ(s, STO_STORE_MAGIC);
    AUTO(sto_file_free) struct sto_file *f = dfs_zalloc(sizeof(*f));
    if (!f)
        return -ENOMEM;
    *f = (struct sto_file){.magic = FILE_MAGIC, .store = s, .flags = flags};
    f->tmp.fd = -1;
    int r = sto_path_enter(s, path, expected, &f->path);
    if (r < 0)
        return r;
    f->path_index = (unsigned)(f->path - s->paths);
    r = sto_tmp_open(&f->path->dir, false, sto_owner_mode(flags), &f->tmp);
    if (r == 0)
        r = expect(f, expected);
    if (r < 0)
        return r;
    *ret = TAKE(f);
    return 0;
}

int sto_file_fd(const struct sto_file *f)
{
    return f->tmp.fd;
}

unsigned sto_file_path(const struct sto_file *f)
{
    return f->path_index;
}

int sto_file_write(struct sto_file *f, const void *p, size_t n, uint64_t at)
{
    return sto_write_all(f->store->io, f->tmp.fd, p, n, (off_t)at);
}

void sto_file_hurry(const struct sto_file *f)
{
    (void)sync_file_range(f->tmp.fd, 0, 0, SYNC_FILE_RANGE_WRITE);
}

void sto_file_free(struct sto_file **fp)
{
    struct sto_file *f = TAKE(*fp);
    if (!f)
        return;
    CHECK_OBJ(f, FILE_MAGIC);
    if (f->path) {
        sto_tmp_drop(&f->path->dir, &f->tmp);
        sto_path_leave(f->path);
    }
    f->magic = 0;
    free(f);
}

/* ---- commit ---- */

int64_t sto_clock_ms(void)
{
    enum { LEAST = 1000 }; /* smaller ones mean something else (replica.h) */
    int64_t now_ms = dfs_now_ms();
    return MIN(MAX(now_ms, (int64_t)LEAST), STO_CLOCK_MS_MAX);
}

int sto_set_time(const struct sto_io *io, int fd, int64_t time_ms)
{
    return time_ms == 0 ? 0 : sto_version_set(io, fd, time_ms * 1000, false);
}

int sto_set_shared_time(const struct sto_io *io, int fd, int64_t time_ms)
{
    return sto_version_set(io, fd, time_ms * 1000 + 500, false);
}

/* With that time, Unix microseconds; 0: as it is. */
static int sync_content(struct sto_file *f, const struct sto_commit *c, int64_t time_us)
{
    const struct sto_io *io = f->store->io;
    struct stat st;
    if (fstat(f->tmp.fd, &st) < 0)
        return -errno;
    if ((uint64_t)st.st_size != c->size)
        return -EBADMSG;
    if (f->expected > c->size && io->ftruncate(f->tmp.fd, st.st_size) < 0)
        return -errno; /* gives back what was allocated ahead */
    int r = time_us == 0 ? 0 : sto_version_set(io, f->tmp.fd, time_us, false);
    if (r < 0 || f->path->log.o.relaxed)
        return r;
    return (time_us == 0 ? io->fdatasync : io->fsync)(f->tmp.fd) == 0 ? 0 : -errno;
}

static int slave_name(struct sto_file *f, const struct sto_commit *c, char *name)
{
    int r = sto_file_exists(f->store, c->master);
    size_t n = 0;
    if (r == 0 || r == -EREMOTE) /* the name counts */
        r = dfs_slave_name(c->master, c->prefix, str_c(c->ext), name, &n);
    if (r == 0)
        name[n] = '\0';
    return r;
}

static int name_is_free(struct sto_file *f, struct str name)
{
    int r = sto_file_exists(f->store, name);
    if (r != -ENOENT)
        return r == 0 || r == -EREMOTE ? -EEXIST : r;
    return sto_log_pass_deletion(&f->path->log, name);
}

static void plain_name(struct sto_file *f, const struct sto_commit *c, char *name)
{
    struct sto_store *s = f->store;
    uint64_t dir = s->next_dir++ / ROTATE;
    struct dfs_fileid_parts p = {
        .path_index = f->path_index,
        .high = (uint8_t)(dir / s->subdirs % s->subdirs),
        .low = (uint8_t)(dir % s->subdirs),
        .kind = c->flags & STO_APPENDER ? DFS_FILE_APPENDER : DFS_FILE_NORMAL,
        .created_s = dfs_now_s(),
        .size = c->size,
        .crc32 = c->crc32,
        .random23 = (uint32_t)sto_random(s->io) & 0x7fffff,
    };
    memcpy(p.source, s->source, sizeof(p.source));
    dfs_tail7(str_c(c->ext), sto_random(s->io), p.tail);
    size_t n = dfs_filename_build(&p, name);
    name[n] = '\0';
}

static int link_name(struct sto_path *p, struct sto_tmp *t, struct str name)
{
    struct dfs_logical at;
    if (dfs_logical_parse(name, &at) < 0)
        return -EINVAL;
    char path[DFS_LOCAL_PATH_MAX];
    dfs_logical_path(&at, "", path);
    int r = sto_tmp_link_below(&p->dir, t, at.high, at.low, path);
    return r < 0 || p->log.o.relaxed ? r : sto_dir_sync(&p->dir, at.high, at.low);
}

/* @made: the record's extra. */
static int log_and_link(struct sto_file *f, const struct sto_commit *c, const char *name,
                        struct str made)
{
    struct sto_log_rec rec = {
        .kind = STO_REC_FILE,
        .flags = (uint8_t)((f->flags & STO_NATIVE ? STO_REC_NATIVE : 0) |
                           (c->flags & STO_APPENDER ? STO_REC_APPENDER : 0) |
                           (c->master.p ? STO_REC_SUMMED : 0)),
        .op = 'C',
        .held = true,
        .name = str_c(name),
        .extra = made,
        .desc = c->desc,
        .sum = c->master.p ? c->crc32 : 0, /* which the name of a slave does not say */
    };
    int r = sto_log_one(f->path, &rec);
    if (r == 0)
        r = link_name(f->path, &f->tmp, rec.name);
    sto_log_release(&f->path->log, &rec);
    return r;
}

/* A slave's name can come again: its time says which file of that name it is (sto_log_note_deleted()). */
static int commit_slave(struct sto_file *f, const struct sto_commit *c, char *made)
{
    const struct sto_io *io = f->store->io;
    struct sto_log *log = &f->path->log;
    char text[STO_REC_MS];
    int r = slave_name(f, c, made);
    if (r < 0)
        return r;
    struct str name = str_c(made);
    int64_t time_ms = MAX(sto_clock_ms(), sto_log_deleted_ms(log, name));
    struct dfs_logical at;
    if (dfs_logical_parse(name, &at) < 0)
        return -EINVAL;
    r = name_is_free(f, name);
    if (r == 0)
        r = sync_content(f, c, time_ms * 1000);
    AUTO(sto_unlock) pthread_mutex_t *m = sto_edit_lock(f->store, name);
    pthread_mutex_lock(m);
    if (r == 0)
        r = name_is_free(f, name);
    /* Perhaps meanwhile; and what metadata there are were not set for this one. */
    int64_t meta_ms = sto_meta_ms(f->path, &at, name);
    int64_t after_ms = MAX(sto_log_deleted_ms(log, name), meta_ms + 1);
    if (r == 0 && meta_ms < 0)
        r = (int)meta_ms;
    if (r == 0 && after_ms > time_ms) {
        time_ms = after_ms;
        r = sto_set_time(io, f->tmp.fd, time_ms);
        if (r == 0 && !log->o.relaxed && io->fsync(f->tmp.fd) < 0)
            r = -errno;
    }
    if (r == 0 && meta_ms > 0)
        r = sto_drop_meta(f->path, &at, time_ms);
    sto_rec_put_ms(time_ms, text);
    return r < 0 ? r : log_and_link(f, c, made, str_c(text));
}

static int commit_plain(struct sto_file *f, const struct sto_commit *c, char *made)
{
    int r = sync_content(f, c, c->flags & STO_APPENDER ? sto_version_now() : 0);
    for (int tries = 0; r == 0 && tries < NAME_TRIES; tries++) {
        plain_name(f, c, made);
        r = log_and_link(f, c, made, STR(""));
        if (r != -EEXIST)
            break;
        r = tries + 1 < NAME_TRIES ? 0 : -EEXIST; /* same second, size, checksum and random bits */
    }
    return r;
}

int sto_file_commit(struct sto_file **fp, const struct sto_commit *c, char *name)
{
    AUTO(sto_file_free) struct sto_file *f = TAKE(*fp);
    CHECK_OBJ(f, FILE_MAGIC);
    if (c->desc.n > DFS_DESC_MAX || !dfs_ext_ok(str_c(c->ext)))
        return -EINVAL;
    char made[STO_NAME_MAX + 1];
    int r = (c->master.p ? commit_slave : commit_plain)(f, c, made);
    if (r < 0)
        return r;
    memcpy(name, made, sizeof(made));
    return 0;
}
