/* SPDX-License-Identifier: Apache-2.0 */
#include "storage/trunk/check.h"

#include <fcntl.h>
#include <unistd.h>

#include "storage/disk/direct.h"
#include "storage/trunk/slot.h"
#include "storage/trunk/store_priv.h"
#include "storage/trunk/walk.h"

static const struct sto_check_how plainly = {.from_disk = false};

static const struct sto_io *io_of(const struct sto_store *s, const struct sto_check_how *how)
{
    return how->from_disk && s->io == &sto_io_os ? &sto_io_direct : s->io;
}

bool sto_read_says_damaged(int r)
{
    switch (r) {
    case -EBADMSG: /* also: shorter than it must be */
    case -EIO:
    case -EUCLEAN: /* the file system's own checksums */
    case -EACCES:
    case -EPERM:
    case -ENODATA:
        return true;
    default:
        return false;
    }
}

/* What the result of opening or reading says of the copy: 0, or @r when it says nothing. */
static int judge(int r, enum sto_copy *ret)
{
    *ret = r == 0 ? STO_COPY_GOOD : STO_COPY_BAD;
    return r == 0 || sto_read_says_damaged(r) ? 0 : r;
}

int sto_bytes_are(struct str name, const void *bytes, size_t n)
{
    struct dfs_fileid f;
    if (dfs_filename_parse(name, &f) < 0 || !f.size_known)
        return 0;
    return n == f.size && sto_crc32(0, bytes, n) == f.crc32 ? 0 : -EBADMSG;
}

static int content_is(const struct sto_io *io, int fd, uint64_t at, uint64_t n, uint32_t want,
                      const struct sto_check_how *how)
{
    uint32_t crc = 0;
    int r = sto_crc_steps(io, fd, at, n, how->step, how->arg, &crc);
    return r == 0 && crc != want ? -EBADMSG : r;
}

/* ---- plain files ---- */

/* What it must be, as its name or its record says. */
struct wanted {
    bool told;
    uint64_t size;
    uint32_t crc32;
};

static struct wanted wanted_of(const struct dfs_fileid *f, const struct sto_made *made,
                               const struct stat *st)
{
    if (f->kind == DFS_FILE_NORMAL && f->size_known && !f->slave)
        return (struct wanted){.told = true, .size = f->size, .crc32 = f->crc32};
    bool its = made && made->ms > 0 && made->ms == sto_time_ms(st) && !sto_time_shared(st);
    return (struct wanted){
        .told = its, .size = (uint64_t)st->st_size, .crc32 = made ? made->crc32 : 0};
}

static int check_plain(struct sto_store *s, struct sto_path *p, const struct dfs_fileid *f,
                       const struct sto_made *made, const struct sto_check_how *how,
                       enum sto_copy *ret)
{
    char path[DFS_LOCAL_PATH_MAX];
    struct stat st;
    const struct sto_io *io = io_of(s, how);
    dfs_logical_path(&f->at, "", path);
    AUTO(dfs_close_fd)
    int fd = io->openat(p->dir.root, path, O_RDONLY | O_NOFOLLOW | O_NONBLOCK, 0);
    if (fd < 0 && (errno == ENOENT || errno == ENOTDIR))
        *ret = STO_COPY_MISSING;
    else if (fd < 0 && errno == ELOOP)
        *ret = STO_COPY_UNKNOWN; /* a link; the file it leads to has a name of its own */
    if (fd < 0)
        return errno == ENOENT || errno == ENOTDIR || errno == ELOOP ? 0 : judge(-errno, ret);
    if (fstat(fd, &st) < 0)
        return judge(-errno, ret);
    if (!S_ISREG(st.st_mode))
        return -EINVAL;
    struct wanted w = wanted_of(f, made, &st);
    uint32_t crc;
    int r = w.told && (uint64_t)st.st_size != w.size ? -EBADMSG : 0;
    if (r == 0)
        r = w.told ? content_is(io, fd, 0, w.size, w.crc32, how)
                   : sto_crc_steps(io, fd, 0, w.size, how->step, how->arg, &crc);
    r = judge(r, ret);
    if (r == 0 && *ret == STO_COPY_GOOD && !w.told)
        *ret = STO_COPY_UNKNOWN;
    return r;
}

int sto_mark_damaged(struct sto_store *s, struct str name, bool damaged)
{
    struct dfs_logical at;
    struct dfs_fileid f;
    struct sto_path *p;
    struct stat st;
    char path[DFS_LOCAL_PATH_MAX];
    int r = sto_locate(s, name, &at, &p);
    if (r < 0 || sto_is_packed(name, &f))
        return -EINVAL;
    dfs_logical_path(&at, "", path);
    if (fstatat(p->dir.root, path, &st, AT_SYMLINK_NOFOLLOW) < 0)
        return -errno;
    if (!S_ISREG(st.st_mode))
        return -EINVAL;
    mode_t mode =
        (st.st_mode & 07777 & ~(mode_t)STO_MODE_DAMAGED) | (damaged ? STO_MODE_DAMAGED : 0);
    /* Not synced: a mark that a power failure takes back is made again by who finds the damage again. */
    return mode == (st.st_mode & 07777) || fchmodat(p->dir.root, path, mode, 0) == 0 ? 0 : -errno;
}

/* ---- packed files ---- */

int sto_check_record(struct sto_walk *w, const struct sto_rec *rec, const struct sto_check_how *how,
                     enum sto_copy *ret)
{
    struct sto_body body;
    uint32_t at = STO_POS_OFF(rec->position) + STO_REC_HEAD;
    int r = 0;
    if (rec->kind == STO_REC_OBJECT)
        r = content_is(w->io, w->fd, at + STO_REC_SLOT, rec->data_len, rec->data_crc, how);
    if (r == 0)
        r = sto_walk_body(w, rec, true, &body);
    return judge(r, ret);
}

/* Does a valid record of the pack lie over the place @at? A run of deleted ones is one of them. */
static int covered(struct sto_walk *w, uint32_t at)
{
    struct sto_rec rec;
    w->at = STO_PACK_HEAD;
    for (int r; (r = sto_walk_next(w, &rec)) != 0;) {
        if (r < 0)
            return r;
        uint32_t begins = STO_POS_OFF(rec.position);
        if (begins > at)
            break;
        if (at - begins < rec.total)
            return 1;
    }
    return 0;
}

/* Its record is @at in the pack. */
static int check_in_pack(struct sto_walk *w, const struct dfs_fileid *f, uint32_t at,
                         const struct sto_check_how *how, enum sto_copy *ret)
{
    uint8_t slot[DFS_TRUNK_HEADER];
    struct sto_rec rec;
    w->at = at;
    int r = sto_walk_head(w, &rec);
    if (r == -EBADMSG || r == -ENODATA || (r == 0 && rec.kind != STO_REC_OBJECT)) {
        r = covered(w, at);
        *ret = r > 0 ? STO_COPY_ABSENT : STO_COPY_MISSING;
        return r < 0 ? judge(r, ret) : 0;
    }
    if (r < 0)
        return judge(r, ret);
    ssize_t n = sto_read_all(w->io, w->fd, slot, sizeof(slot), at + STO_REC_HEAD);
    if (n < (ssize_t)sizeof(slot))
        return judge(n < 0 ? (int)n : -EBADMSG, ret);
    bool emptied = slot[0] == 0 && sto_slot_held(slot, f);
    *ret = rec.dead || emptied ? STO_COPY_ABSENT : STO_COPY_BAD;
    if (*ret == STO_COPY_ABSENT || !sto_slot_holds(slot, f))
        return 0;
    return sto_check_record(w, &rec, how, ret);
}

/* A container of FastDFS: there are no records, only slots. */
static int check_slot(struct sto_path *p, const struct sto_io *io, const struct dfs_fileid *f,
                      const struct sto_check_how *how, enum sto_copy *ret)
{
    AUTO(dfs_close_fd) int fd = sto_open_slot(p, f);
    *ret = STO_COPY_ABSENT;
    if (fd == -ENOENT)
        return 0;
    return judge(fd < 0 ? fd
                        : content_is(io, fd, (uint64_t)f->trunk.offset + DFS_TRUNK_HEADER, f->size,
                                     f->crc32, how),
                 ret);
}

static int check_packed(struct sto_store *s, struct sto_mirrors *m, struct sto_path *p,
                        const struct dfs_fileid *f, const struct sto_check_how *how,
                        enum sto_copy *ret)
{
    char path[DFS_LOCAL_PATH_MAX];
    struct sto_pack_head head;
    struct sto_log_info log = {.end = UINT64_MAX};
    struct stat st;
    const struct sto_io *io = io_of(s, how);
    bool of_log = m && sto_mirrors_at(m, f->at.path_index, f->at.high, f->at.low, &log) == 0;
    uint32_t at = f->trunk.offset - STO_REC_HEAD;
    if (f->trunk.offset < STO_PACK_HEAD + STO_REC_HEAD ||
        STO_POS(f->trunk.file_id, at) >= log.end) {
        *ret = STO_COPY_ABSENT;
        return of_log ? 0 : check_slot(p, io, f, how, ret);
    }
    dfs_trunk_path(f->at.high, f->at.low, f->trunk.file_id, path);
    AUTO(dfs_close_fd) int fd = io->openat(p->dir.root, path, O_RDONLY, 0);
    *ret = STO_COPY_MISSING;
    if (fd < 0)
        return errno == ENOENT ? 0 : judge(-errno, ret);
    int r = sto_pack_head_read(io, fd, &head);
    if (r == -EBADMSG && !of_log)
        return check_slot(p, io, f, how, ret);
    if (r < 0 || fstat(fd, &st) < 0)
        return judge(r < 0 ? r : -errno, ret);
    uint32_t end = (uint32_t)MIN((uint64_t)st.st_size, (uint64_t)UINT32_MAX);
    if (STO_POS_PACK(log.end) == f->trunk.file_id)
        end = MIN(end, STO_POS_OFF(log.end));
    AUTO(sto_walk_fini) struct sto_walk w;
    sto_walk_init(&w, io, fd, f->trunk.file_id, head.salt, at, end);
    return check_in_pack(&w, f, at, how, ret);
}

int sto_check(struct sto_store *s, struct sto_mirrors *m, struct str name,
              const struct sto_made *made, const struct sto_check_how *how, enum sto_copy *ret)
{
    struct dfs_logical at;
    struct dfs_fileid f;
    struct sto_path *p;
    int r = sto_locate(s, name, &at, &p);
    if (r < 0 || dfs_filename_parse(name, &f) < 0)
        return -EINVAL;
    how = how ? how : &plainly;
    return f.kind == DFS_FILE_TRUNK && !f.slave ? check_packed(s, m, p, &f, how, ret)
                                                : check_plain(s, p, &f, made, how, ret);
}
