/* SPDX-License-Identifier: Apache-2.0 */
#include "storage/trunk/replica.h"

#include <fcntl.h>
#include <stdio.h>
#include <unistd.h>

#include "dfscore/base/clock.h"
#include "storage/trunk/check.h"
#include "storage/trunk/moved.h"
#include "storage/trunk/slot.h"
#include "storage/trunk/store_priv.h"
#include "storage/trunk/version.h"
#include "storage/trunk/walk.h"

/* --- whole files ---------------------------------------------------------------------------------- */

/* Over a file that is there: by a name of its own and a rename, so that a crash leaves one of them. */
static int replace(struct sto_path *p, int fd, const char *path)
{
    char by[48];
    (void)snprintf(by, sizeof(by), "data/.tmp-%016llx", (unsigned long long)sto_random(p->dir.io));
    struct sto_tmp t = {.fd = fd};
    int r = sto_tmp_link(&p->dir, &t, by);
    if (r < 0)
        return r;
    if (p->dir.io->renameat(p->dir.root, by, p->dir.root, path) == 0)
        return 0;
    r = -errno;
    (void)p->dir.io->unlinkat(p->dir.root, by, 0);
    return r;
}

static int name_file(struct sto_path *p, int fd, const struct dfs_logical *at, bool over)
{
    char path[DFS_LOCAL_PATH_MAX];
    dfs_logical_path(at, "", path);
    struct sto_tmp t = {.fd = fd};
    int r = sto_tmp_link_below(&p->dir, &t, at->high, at->low, path);
    if (r != -EEXIST)
        return r;
    return over ? sto_dir_said(&p->dir, at->high, at->low, replace(p, fd, path)) : 0;
}

/* Where @f is to be: of the size, with the time. */
static int check_new(struct sto_store *s, const struct sto_file *f,
                     const struct sto_replica_new *new, struct dfs_logical *at, struct sto_path **p)
{
    struct dfs_fileid id;
    struct stat st;
    int r = sto_locate(s, new->name, at, p);
    if (r < 0 || at->path_index != sto_file_path(f) || sto_is_packed(new->name, &id))
        return -EINVAL;
    if (fstat(sto_file_fd(f), &st) < 0)
        return -errno;
    if ((uint64_t)st.st_size != new->size)
        return -EBADMSG;
    if (new->version > 0)
        return sto_version_set(s->io, sto_file_fd(f), new->version, new->mixed);
    return sto_set_time(s->io, sto_file_fd(f),
                        new->made_ms > 0 ? new->made_ms : new->time_s * 1000);
}

/* If it moves again, then to where the later name says so to all (sto_replica_moved): that is a second at most. */
static void pass_second(const char *id)
{
    enum { STEP_MS = 50, STEPS = 40 };
    struct dfs_fileid f;
    if (dfs_fileid_parse(str_c(id), &f) < 0)
        return;
    for (int i = 0; i < STEPS && dfs_now_s() <= f.created_s; i++)
        (void)usleep(STEP_MS * 1000);
}

/*
 * A file is to have the name of one that has moved, as somebody knew or heard of a newer content than what was moved
 * (sto_moved_not). Of other files than appenders there is none: that is the old one, from a member that had not heard yet.
 */
static int comes_back(struct sto_path *p, struct str name, const char *id)
{
    struct dfs_fileid f;
    if (dfs_filename_parse(name, &f) < 0 || f.kind != DFS_FILE_APPENDER || f.slave)
        return -EREMOTE;
    pass_second(id);
    return sto_log_pass_all(&p->log); /* no replay may let it go there again */
}

enum placing { PLACE_OVER, PLACE_UNLESS, PLACE_NEW };

/*
 * Does a file that is there give way? An appender's name does not say which of two contents is right, but versions do. One
 * that is there without a version stays when a record of its making brings it (PLACE_NEW): it came by another log, with an
 * edit that whoever made that record may not know yet.
 */
static bool gives_way(struct sto_path *p, const struct dfs_logical *at,
                      const struct sto_replica_new *new, enum placing how)
{
    char path[DFS_LOCAL_PATH_MAX];
    struct dfs_fileid id;
    struct stat st;
    if (how == PLACE_UNLESS)
        return false;
    if (dfs_filename_parse(new->name, &id) < 0 || id.kind != DFS_FILE_APPENDER || id.slave ||
        (how == PLACE_OVER && new->version == 0))
        return true;
    dfs_logical_path(at, "", path);
    if (fstatat(p->dir.root, path, &st, AT_SYMLINK_NOFOLLOW) < 0 || !S_ISREG(st.st_mode))
        return true;
    int64_t here = sto_version_of(&st);
    return here == 0 ? how == PLACE_OVER : here < new->version;
}

/* By size, then by bytes: < 0, 0, > 0 in *ret. 0 or negative errno. */
static int compare(const struct sto_io *io, int a, int b, int *ret)
{
    enum { PIECE = 32 * 1024 };
    struct stat sa, sb;
    if (fstat(a, &sa) < 0 || fstat(b, &sb) < 0)
        return -errno;
    *ret = (sa.st_size > sb.st_size) - (sa.st_size < sb.st_size);
    AUTO(dfs_free_ptr) char *pieces = dfs_alloc((size_t)2 * PIECE);
    if (!pieces)
        return -ENOMEM;
    for (off_t at = 0; *ret == 0 && at < sa.st_size; at += PIECE) {
        size_t n = (size_t)MIN(sa.st_size - at, (off_t)PIECE);
        ssize_t got_a = sto_read_all(io, a, pieces, n, at);
        ssize_t got_b = sto_read_all(io, b, pieces + PIECE, n, at);
        if (got_a != (ssize_t)n || got_b != (ssize_t)n)
            return got_a < 0 ? (int)got_a : got_b < 0 ? (int)got_b : -EBADMSG;
        *ret = memcmp(pieces, pieces + PIECE, n);
    }
    return 0;
}

/*
 * Two of one name have been made in one millisecond, at members that had not heard of each other's. All take the larger one,
 * and its time says from then on that the record of the other one does not speak of it. 1: @f; 0: the one that is here.
 */
static int which_of_two(struct sto_path *p, const struct dfs_logical *at, const struct sto_file *f,
                        int64_t made_ms)
{
    char path[DFS_LOCAL_PATH_MAX];
    struct stat st;
    int larger = 0;
    dfs_logical_path(at, "", path);
    AUTO(dfs_close_fd)
    int here = p->dir.io->openat(p->dir.root, path, O_RDONLY | O_NOFOLLOW, 0);
    if (here < 0 || fstat(here, &st) < 0)
        return sto_read_says_damaged(-errno) ? 1 : -errno;
    if (st.st_mode & STO_MODE_DAMAGED)
        return 1;
    int r = compare(p->dir.io, sto_file_fd(f), here, &larger);
    if (r < 0)
        return sto_read_says_damaged(r) ? 1 : r;
    /* Equal ones, too: a record that speaks of the one here would have brought nothing. */
    int fd = larger > 0 ? sto_file_fd(f) : here;
    r = sto_set_shared_time(p->dir.io, fd, made_ms);
    return r < 0 ? r : p->dir.io->fsync(fd) < 0 ? -errno : larger > 0;
}

/* What is here may have come with a link, before the record by which @f comes said whose it is. */
static int take_owner(struct sto_store *s, struct str name, const struct sto_file *f)
{
    struct stat st;
    if (fstat(sto_file_fd(f), &st) < 0)
        return -errno;
    return sto_replica_owner(s, name, st.st_mode & 0222 ? STO_NATIVE : 0);
}

/* Its content is synced; its directory is not yet. */
static int place_new(struct sto_store *s, const struct sto_file *f,
                     const struct sto_replica_new *new, const struct dfs_logical *at,
                     struct sto_path *p, enum placing how)
{
    struct str name = new->name;
    AUTO(sto_unlock) pthread_mutex_t *m = sto_edit_lock(s, name);
    pthread_mutex_lock(m);
    struct sto_moved to;
    int64_t there_ms = new->made_ms > 0 ? sto_made_ms(p, at, name) : 0;
    if (there_ms > new->made_ms)
        return -EEXIST; /* made later, it came by another log */
    bool over = gives_way(p, at, new, how);
    int r = sto_log_pass_deletion(&p->log, name);
    if (r == 0 && new->made_ms > 0)
        r = sto_drop_meta(p, at, new->made_ms); /* of an earlier file of that name */
    if (r == 0 && over && sto_moved_to(s, name, &to) == 0 && !to.by_link)
        r = comes_back(p, name, to.id);
    if (r == 0 && there_ms > 0 && there_ms == new->made_ms) {
        r = which_of_two(p, at, f, there_ms);
        if (r == 0 && how == PLACE_NEW)
            return take_owner(s, name, f);
        if (r <= 0)
            return r;
    }
    if (r < 0)
        return r;
    AUTO(sto_unlock) pthread_mutex_t *ahead = &p->ahead.lock;
    pthread_mutex_lock(ahead);
    if (how == PLACE_NEW && sto_ahead_has(&p->ahead, name, new->made_ms))
        return -EEXIST;
    return name_file(p, sto_file_fd(f), at, over);
}

static int take_file(struct sto_store *s, struct sto_replica_new *new, enum placing how)
{
    AUTO(sto_file_free) struct sto_file *f = TAKE(new->file);
    struct dfs_logical at;
    struct sto_path *p;
    int r = check_new(s, f, new, &at, &p);
    if (r == 0 && s->io->fsync(sto_file_fd(f)) < 0)
        r = -errno;
    if (r == 0)
        r = place_new(s, f, new, &at, p, how);
    return r < 0 ? r : sto_dir_sync(&p->dir, at.high, at.low);
}

int sto_replica_file(struct sto_store *s, struct sto_file **fp, struct str name, uint64_t size,
                     int64_t time_s)
{
    struct sto_replica_new new = {.file = TAKE(*fp), .name = name, .size = size, .time_s = time_s};
    return take_file(s, &new, PLACE_OVER);
}

int sto_replica_put(struct sto_store *s, struct sto_replica_new *new)
{
    return take_file(s, new, PLACE_OVER);
}

int sto_replica_put_unless(struct sto_store *s, struct sto_replica_new *new)
{
    return take_file(s, new, PLACE_UNLESS);
}

/* The first sync commits the journal for all that was written before it; the others find that done. */
int sto_replica_files(struct sto_store *s, struct sto_replica_new *const *v, size_t n)
{
    struct dfs_logical at;
    struct sto_path *p;
    int r = 0;
    for (size_t i = 0; i < n; i++)
        v[i]->result = check_new(s, v[i]->file, v[i], &at, &p);
    for (size_t i = 0; i < n && r == 0; i++)
        if (v[i]->result == 0 && s->io->fsync(sto_file_fd(v[i]->file)) < 0)
            r = -errno;
    for (size_t i = 0; i < n && r == 0; i++) {
        if (v[i]->result == 0)
            v[i]->result = sto_locate(s, v[i]->name, &at, &p);
        if (v[i]->result == 0)
            r = place_new(s, v[i]->file, v[i], &at, p, PLACE_NEW);
        if (r == -EREMOTE || r == -EEXIST) {
            v[i]->result = r;
            r = 0;
        }
    }
    for (size_t i = 0; i < n && r == 0; i++)
        if (v[i]->result == 0 && sto_locate(s, v[i]->name, &at, &p) == 0)
            r = sto_dir_sync(&p->dir, at.high, at.low);
    for (size_t i = 0; i < n; i++)
        sto_file_free(&v[i]->file);
    return r;
}

/* --- slots ---------------------------------------------------------------------------------------- */

static void slot_header(const struct dfs_fileid *f, uint8_t out[DFS_TRUNK_HEADER])
{
    struct dfs_fileid_parts parts = {
        .kind = DFS_FILE_TRUNK,
        .created_s = f->created_s,
        .size = f->size,
        .crc32 = f->crc32,
        .trunk = f->trunk,
    };
    memcpy(parts.tail, f->tail.p, DFS_TAIL7);
    sto_slot_encode(&parts, out);
}

static int open_container(struct sto_path *p, const struct dfs_fileid *f)
{
    char path[DFS_LOCAL_PATH_MAX];
    struct sto_pack_head head;
    dfs_trunk_path(f->at.high, f->at.low, f->trunk.file_id, path);
    int fd = p->dir.io->openat(p->dir.root, path, O_RDWR | O_CREAT, 0644);
    if (fd < 0 && errno == ENOENT) {
        int r = sto_dir_make(&p->dir, f->at.high, f->at.low);
        if (r < 0)
            return r;
        fd = p->dir.io->openat(p->dir.root, path, O_RDWR | O_CREAT, 0644);
    }
    if (fd < 0)
        return sto_dir_said(&p->dir, f->at.high, f->at.low, -errno);
    if (sto_pack_head_read(p->dir.io, fd, &head) == 0) { /* written by a log, and by nobody else */
        close(fd);
        return -EINVAL;
    }
    return fd;
}

int sto_replica_slot(struct sto_store *s, struct str name, struct str data)
{
    struct dfs_logical at;
    struct dfs_fileid f;
    struct sto_path *p;
    int r = sto_locate(s, name, &at, &p);
    if (r < 0 || !sto_is_packed(name, &f) || data.n != f.size ||
        f.size + DFS_TRUNK_HEADER > f.trunk.slot_size || sto_crc32(0, data.p, data.n) != f.crc32)
        return -EINVAL;
    if (at.high == p->log.high && at.low == p->log.low)
        return -EINVAL;
    int there = sto_open_slot(p, &f);
    if (there >= 0)
        close(there);
    if (there >= 0)
        return -EEXIST;
    r = sto_check_space(p, data.n);
    if (r < 0)
        return r;
    AUTO(dfs_close_fd) int fd = open_container(p, &f);
    if (fd < 0)
        return fd;
    uint8_t head[DFS_TRUNK_HEADER];
    slot_header(&f, head);
    struct iovec iov[] = {{head, sizeof(head)}, {(void *)(uintptr_t)data.p, data.n}};
    r = sto_writev_all(s->io, fd, iov, 2, f.trunk.offset);
    if (r == 0 && s->io->fsync(fd) < 0)
        r = -errno;
    return r < 0 ? r : sto_dir_sync(&p->dir, at.high, at.low);
}

/* --- links, renames, ranges ------------------------------------------------------------------------- */

int sto_replica_link(struct sto_store *s, struct str name, struct str target)
{
    int r = sto_file_exists(s, target);
    if (r < 0 && r != -EREMOTE)
        return r;
    r = sto_link_place(s, name, target);
    return r == -EEXIST ? 0 : r;
}

int sto_replica_rename(struct sto_store *s, struct str from, struct str to)
{
    struct dfs_logical at;
    struct sto_path *p;
    int r = sto_locate(s, from, &at, &p);
    if (r == 0)
        r = sto_locate(s, to, &at, &p);
    if (r < 0)
        return r;
    pthread_mutex_t *a = sto_edit_lock(s, from), *b = sto_edit_lock(s, to);
    AUTO(sto_unlock) pthread_mutex_t *first = MIN(a, b), *second = a == b ? NULL : MAX(a, b);
    pthread_mutex_lock(first);
    if (second)
        pthread_mutex_lock(second);
    r = sto_file_exists(s, from);
    bool done = r == -ENOENT && sto_file_exists(s, to) == 0;
    if (r == 0 || r == -ENOENT) /* its metadata may be here without it */
        r = sto_dir_make(&p->dir, at.high, at.low);
    struct sto_body body = {.name = to, .extra = from};
    if (r == 0)
        r = sto_log_apply(&p->log, STO_REC_CHANGE, 'R', &body);
    return done && r == -ENOENT ? -EEXIST : r;
}

static int open_for_writing(struct sto_store *s, struct str name)
{
    struct sto_moved to;
    struct dfs_logical at;
    struct dfs_fileid f;
    struct sto_path *p;
    char path[DFS_LOCAL_PATH_MAX];
    uint64_t number;
    int r = sto_locate(s, name, &at, &p);
    if (r < 0)
        return r;
    if (sto_is_packed(name, &f) || str_u64(at.base, UINT64_MAX, &number) == 0)
        return -EINVAL;
    dfs_logical_path(&at, "", path);
    int fd = s->io->openat(p->dir.root, path, O_RDWR | O_NOFOLLOW, 0);
    if (fd < 0 && errno == ELOOP && sto_moved_to(s, name, &to) == 0)
        return -EREMOTE;
    return fd < 0 ? sto_dir_said(&p->dir, at.high, at.low, -errno) : fd;
}

/* Lock held. fd of what @e may be done to, and what that is. */
static int begin_edit(struct sto_store *s, const struct sto_replica_edit *e, struct stat *st)
{
    AUTO(dfs_close_fd) int fd = open_for_writing(s, e->name);
    if (sto_not_ours(fd))
        return -ESTALE; /* the whole one, which takes its place, is */
    if (fd < 0)
        return fd;
    if (fstat(fd, st) < 0)
        return -errno;
    int64_t here = sto_version_of(st);
    bool fits = here > 0 && (here == e->versions.before || here == e->versions.after);
    if (sto_version_mixed(st) && !sto_version_of_one(here, e->versions.after))
        fits = false;
    return fits || e->versions.after == 0 ? dfs_take_fd(&fd) : -ESTALE;
}

static int finish_edit(struct sto_store *s, const struct sto_replica_edit *e, int fd,
                       const struct stat *before)
{
    int64_t version =
        e->versions.after > 0 ? e->versions.after : sto_version_untold(before, e->time_s);
    int r = sto_version_set(s->io, fd, version, e->mixed);
    return r == 0 && s->io->fsync(fd) < 0 ? -errno : r;
}

/* The first @size bytes of @from. */
static int copy_to(struct sto_store *s, int fd, uint64_t offset, int from, uint64_t size)
{
    enum { PIECE = 256 * 1024 };
    AUTO(dfs_free_ptr) char *piece = dfs_alloc(PIECE);
    if (!piece)
        return -ENOMEM;
    for (uint64_t at = 0; at < size;) {
        ssize_t n =
            sto_read_all(s->io, from, piece, (size_t)MIN(size - at, (uint64_t)PIECE), (off_t)at);
        int r = n <= 0 ? (n < 0 ? (int)n : -EIO)
                       : sto_write_all(s->io, fd, piece, (size_t)n, (off_t)(offset + at));
        if (r < 0)
            return r;
        at += (uint64_t)n;
    }
    return 0;
}

int sto_replica_range(struct sto_store *s, const struct sto_replica_edit *e, uint64_t offset,
                      struct str data, const struct sto_file *from, uint64_t size)
{
    struct stat st;
    AUTO(sto_unlock) pthread_mutex_t *m = sto_edit_lock(s, e->name);
    pthread_mutex_lock(m);
    AUTO(dfs_close_fd) int fd = begin_edit(s, e, &st);
    if (fd < 0)
        return fd;
    if (offset > (uint64_t)st.st_size)
        return -EINVAL;
    int r = from ? copy_to(s, fd, offset, sto_file_fd(from), size)
                 : sto_write_all(s->io, fd, data.p, data.n, (off_t)offset);
    return r < 0 ? r : finish_edit(s, e, fd, &st);
}

int sto_replica_resize(struct sto_store *s, const struct sto_replica_edit *e, uint64_t size)
{
    struct stat st;
    if (size > INT64_MAX)
        return -EINVAL;
    AUTO(sto_unlock) pthread_mutex_t *m = sto_edit_lock(s, e->name);
    pthread_mutex_lock(m);
    AUTO(dfs_close_fd) int fd = begin_edit(s, e, &st);
    if (fd < 0)
        return fd;
    if (s->io->ftruncate(fd, (off_t)size) < 0)
        return -errno;
    return finish_edit(s, e, fd, &st);
}
