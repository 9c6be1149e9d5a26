/* SPDX-License-Identifier: Apache-2.0 */
/* Finding and reading files by name. */
#include <fcntl.h>
#include <unistd.h>

#include "storage/trunk/moved.h"
#include "storage/trunk/slot.h"
#include "storage/trunk/store_priv.h"
#include "storage/trunk/version.h"

int sto_locate(struct sto_store *s, struct str name, struct dfs_logical *at, struct sto_path **ret)
{
    CHECK_OBJ(s, STO_STORE_MAGIC);
    if (name.n > STO_NAME_MAX || dfs_logical_parse(name, at) < 0 || at->path_index >= s->path_count)
        return -EINVAL;
    *ret = &s->paths[at->path_index];
    return 0;
}

bool sto_is_packed(struct str name, struct dfs_fileid *f)
{
    return dfs_filename_parse(name, f) == 0 && f->kind == DFS_FILE_TRUNK && !f->slave;
}

int sto_open_slot(struct sto_path *p, const struct dfs_fileid *f)
{
    char path[DFS_LOCAL_PATH_MAX];
    dfs_trunk_path(f->at.high, f->at.low, f->trunk.file_id, path);
    AUTO(dfs_close_fd) int fd = p->dir.io->openat(p->dir.root, path, O_RDONLY, 0);
    if (fd < 0)
        return -errno;
    uint8_t slot[DFS_TRUNK_HEADER];
    ssize_t n = sto_read_all(p->dir.io, fd, slot, sizeof(slot), f->trunk.offset);
    if (n < 0)
        return (int)n;
    if (n < (ssize_t)sizeof(slot) || f->size + DFS_TRUNK_HEADER > f->trunk.slot_size ||
        !sto_slot_holds(slot, f))
        return -ENOENT;
    return dfs_take_fd(&fd);
}

/* A plain file, or what a @link leads to. Packs and directories are none. */
static int open_plain(struct sto_path *p, const struct dfs_logical *at, struct stat *st, bool *link)
{
    uint64_t number;
    if (str_u64(at->base, UINT64_MAX, &number) == 0)
        return -ENOENT;
    char path[DFS_LOCAL_PATH_MAX];
    dfs_logical_path(at, "", path);
    AUTO(dfs_close_fd)
    int fd = p->dir.io->openat(p->dir.root, path, O_RDONLY | O_NONBLOCK | O_NOFOLLOW, 0);
    *link = fd < 0 && errno == ELOOP;
    if (*link)
        fd = p->dir.io->openat(p->dir.root, path, O_RDONLY | O_NONBLOCK, 0);
    if (fd < 0)
        return errno == ENOTDIR || errno == ELOOP ? -ENOENT : -errno;
    if (fstat(fd, st) < 0)
        return -errno;
    if (!S_ISREG(st->st_mode))
        return -ENOENT;
    return dfs_take_fd(&fd);
}

int sto_open_read(struct sto_store *s, struct str name, struct sto_view *ret)
{
    struct dfs_logical at;
    struct sto_path *p;
    int r = sto_locate(s, name, &at, &p);
    if (r < 0)
        return r;
    struct dfs_fileid f = {.size_known = false};
    if (sto_is_packed(name, &f)) {
        int fd = sto_open_slot(p, &f);
        if (fd < 0)
            return sto_moved_or(s, name, fd);
        *ret =
            (struct sto_view){fd, (uint64_t)f.trunk.offset + DFS_TRUNK_HEADER, f.size, true, true};
        return 0;
    }
    struct stat st;
    bool link = false;
    AUTO(dfs_close_fd) int fd = open_plain(p, &at, &st, &link);
    if (fd < 0)
        return sto_moved_or(s, name, fd);
    bool told = f.size_known && !f.slave && !link;
    if (st.st_mode & STO_MODE_DAMAGED || (told && (uint64_t)st.st_size != f.size))
        return -EBADMSG;
    *ret = (struct sto_view){dfs_take_fd(&fd), 0, (uint64_t)st.st_size, false, told};
    return 0;
}

bool sto_view_holds(const struct sto_view *v, struct str name)
{
    struct dfs_fileid f;
    uint8_t slot[DFS_TRUNK_HEADER];
    return sto_is_packed(name, &f) &&
           pread(v->fd, slot, sizeof(slot), (off_t)(v->offset - sizeof(slot))) == sizeof(slot) &&
           sto_slot_holds(slot, &f);
}

int sto_file_exists(struct sto_store *s, struct str name)
{
    struct sto_view v;
    int r = sto_open_read(s, name, &v);
    if (r == 0)
        close(v.fd);
    bool there = r == -EBADMSG || r == -EACCES || r == -EPERM;
    return there ? 0 : r; /* damaged, or not ours, but there */
}

int sto_verify(struct sto_store *s, struct str name)
{
    struct dfs_fileid f;
    if (dfs_filename_parse(name, &f) < 0)
        return -EINVAL;
    struct sto_view v;
    int r = sto_open_read(s, name, &v);
    if (r < 0)
        return r;
    AUTO(dfs_close_fd) int fd = v.fd;
    if (!v.told)
        return 0;
    if (v.size != f.size)
        return -EBADMSG;
    uint32_t crc;
    r = sto_crc_range(s->io, fd, v.offset, v.size, &crc);
    if (r < 0)
        return r;
    return crc == f.crc32 ? 0 : -EBADMSG;
}

static void stat_name(struct sto_path *p, const struct dfs_logical *at, int fd, struct stat *ret)
{
    char path[DFS_LOCAL_PATH_MAX];
    dfs_logical_path(at, "", path);
    if (fstatat(p->dir.root, path, ret, AT_SYMLINK_NOFOLLOW) < 0 && fstat(fd, ret) < 0)
        *ret = (struct stat){.st_mode = 0};
}

int sto_info_settled(struct sto_store *s, struct str name, struct sto_info *ret)
{
    struct dfs_fileid f;
    bool appender = dfs_filename_parse(name, &f) == 0 && f.kind == DFS_FILE_APPENDER && !f.slave;
    AUTO(sto_unlock) pthread_mutex_t *m = appender ? sto_edit_lock(s, name) : NULL;
    if (m)
        pthread_mutex_lock(m);
    return sto_info(s, name, false, ret);
}

int sto_info(struct sto_store *s, struct str name, bool want_crc, struct sto_info *ret)
{
    struct dfs_fileid f = {0};
    struct dfs_logical at;
    struct sto_path *p;
    int r = sto_locate(s, name, &at, &p);
    if (r == 0 && dfs_filename_parse(name, &f) < 0)
        r = -EINVAL;
    struct sto_view v;
    if (r == 0)
        r = sto_open_read(s, name, &v);
    if (r < 0)
        return r;
    AUTO(dfs_close_fd) int fd = v.fd;
    struct sto_info i = {.size = v.size, .kind = STO_KIND_NORMAL};
    if (f.slave)
        i.kind = STO_KIND_SLAVE;
    else if (f.kind == DFS_FILE_TRUNK)
        i.kind = STO_KIND_PACKED;
    else if (f.kind == DFS_FILE_APPENDER)
        i.kind = STO_KIND_APPENDER;
    struct stat st = {.st_mode = 0};
    if (!v.in_pack)
        stat_name(p, &at, fd, &st);
    i.mtime_ms = sto_time_ms(&st);
    if (i.kind == STO_KIND_APPENDER && S_ISREG(st.st_mode))
        i.version = sto_version_of(&st);
    i.mtime_s = v.in_pack ? f.created_s : i.mtime_ms / 1000;
    i.has_crc = i.kind == STO_KIND_NORMAL || i.kind == STO_KIND_PACKED;
    i.crc32 = i.has_crc ? f.crc32 : 0;
    if (!i.has_crc && want_crc) {
        r = sto_crc_range(s->io, fd, v.offset, v.size, &i.crc32);
        if (r < 0)
            return r;
        i.has_crc = true;
    }
    *ret = i;
    return 0;
}
