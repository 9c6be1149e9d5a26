/* SPDX-License-Identifier: Apache-2.0 */
/* What DELETE and CHANGE records do to the files of a path; run after the sync, and by recovery. */
#include <fcntl.h>
#include <stdio.h>
#include <unistd.h>

#include "dfscore/fileid/fileid.h"
#include "storage/trunk/log.h"
#include "storage/trunk/version.h"
#include "storage/trunk/walk.h"

int sto_log_meta_ms(const struct sto_log *log, const struct dfs_logical *at, int64_t *ret)
{
    char path[DFS_LOCAL_PATH_MAX];
    struct stat st;
    dfs_logical_path(at, "-m", path);
    if (fstatat(log->dir->root, path, &st, AT_SYMLINK_NOFOLLOW) < 0)
        return errno == ENOTDIR ? -ENOENT : -errno;
    *ret = sto_time_ms(&st);
    return 0;
}

static int remove_plain(struct sto_log *log, const struct dfs_logical *at, const char *suffix)
{
    char path[DFS_LOCAL_PATH_MAX];
    dfs_logical_path(at, suffix, path);
    int r = log->dir->io->unlinkat(log->dir->root, path, 0) == 0 ? 0 : -errno;
    if (r == 0 || r == -ENOENT)
        sto_log_note_unlink(log, at->high, at->low);
    return r == -ENOTDIR ? -ENOENT : sto_dir_said(log->dir, at->high, at->low, r);
}

int sto_log_drop_meta(struct sto_log *log, const struct dfs_logical *at, int64_t before_ms)
{
    int64_t ms = 0;
    int r = before_ms == 0 ? 0 : sto_log_meta_ms(log, at, &ms);
    if (r == 0 && before_ms > 0 && ms >= before_ms)
        r = -ENOENT;
    return r < 0 ? r : remove_plain(log, at, "-m");
}

/* @extra: the time of a name that can come again (binlog/record.h). */
static int apply_delete(struct sto_log *log, struct str name, struct str extra)
{
    struct dfs_logical at;
    if (dfs_logical_parse(name, &at) < 0)
        return -EINVAL;
    struct dfs_fileid f;
    bool packed = dfs_filename_parse(name, &f) == 0 && f.kind == DFS_FILE_TRUNK && !f.slave;
    int r = packed ? sto_log_mark_dead(log, &f) : remove_plain(log, &at, "");
    if (packed && r == -ENOENT) /* the link that says where it went (moved.h) */
        r = remove_plain(log, &at, "");
    int m = sto_log_drop_meta(log, &at, sto_rec_ms(extra));
    return r < 0 ? r : m == -ENOENT ? 0 : m;
}

/* The later ones stay: those of the new name may have been changed at a member that knew it before. */
static int rename_meta(struct sto_log *log, const struct dfs_logical *from,
                       const struct dfs_logical *to)
{
    char from_path[DFS_LOCAL_PATH_MAX], to_path[DFS_LOCAL_PATH_MAX];
    int64_t from_ms = 0, to_ms = 0;
    int r = sto_log_meta_ms(log, from, &from_ms);
    if (r < 0)
        return r == -ENOENT ? 0 : r;
    r = sto_log_meta_ms(log, to, &to_ms);
    if (r == 0 && to_ms >= from_ms)
        return remove_plain(log, from, "-m");
    if (r < 0 && r != -ENOENT)
        return r;
    dfs_logical_path(from, "-m", from_path);
    dfs_logical_path(to, "-m", to_path);
    const struct sto_io *io = log->dir->io;
    r = io->renameat(log->dir->root, from_path, log->dir->root, to_path) < 0 ? -errno : 0;
    return r == -ENOENT ? 0 : r; /* nowhere: replayed, and both names are gone since */
}

/* "name" takes the place of "extra" (its old name); whoever finds the old one gone finds what became of it. */
static int apply_rename(struct sto_log *log, struct str name, struct str old)
{
    struct dfs_logical to, from;
    if (dfs_logical_parse(name, &to) < 0 || dfs_logical_parse(old, &from) < 0)
        return -EINVAL;
    char to_path[DFS_LOCAL_PATH_MAX], from_path[DFS_LOCAL_PATH_MAX];
    dfs_logical_path(&to, "", to_path);
    dfs_logical_path(&from, "", from_path);
    const struct sto_io *io = log->dir->io;
    int noted = sto_renamed_note(&log->renamed, old, name);
    if (noted < 0)
        return noted;
    sto_log_note_unlink(log, from.high, from.low);
    sto_log_note_unlink(log, to.high, to.low);
    int r = io->renameat(log->dir->root, from_path, log->dir->root, to_path) < 0 ? -errno : 0;
    if (r < 0 && r != -ENOENT)
        return sto_dir_said(log->dir, to.high, to.low, r);
    int m = rename_meta(log, &from, &to); /* also where a crash came between the two */
    if (m == 0)
        m = sto_dir_sync(log->dir, to.high, to.low);
    return r < 0 ? r : m;
}

/*
 * An edit, done by a process that may not have got to sync it, or to the end. What is there is what it made, if nothing later
 * is: edits end in the order of their records.
 */
static int settle_edit(struct sto_log *log, struct str name, struct str versions)
{
    const struct sto_io *io = log->dir->io;
    int64_t after = sto_rec_get_versions(versions).after;
    struct stat st;
    struct dfs_logical at;
    char path[DFS_LOCAL_PATH_MAX];
    if (dfs_logical_parse(name, &at) < 0)
        return -EINVAL;
    dfs_logical_path(&at, "", path);
    AUTO(dfs_close_fd)
    int fd = io->openat(log->dir->root, path, O_RDONLY | O_NOFOLLOW, 0);
    if (fd < 0)
        return errno == ELOOP || errno == ENOTDIR ? -ENOENT : -errno;
    if (fstat(fd, &st) < 0)
        return -errno;
    int r = sto_version_of(&st) < after ? sto_version_set(io, fd, after, false) : 0;
    return r < 0 || log->o.relaxed || io->fsync(fd) == 0 ? r : -errno;
}

/* The same for a name: metadata or a link. */
static int settle_name(struct sto_log *log, struct str name)
{
    struct dfs_logical at;
    if (dfs_logical_parse(name, &at) < 0)
        return -EINVAL;
    return sto_dir_sync(log->dir, at.high, at.low);
}

/* The link that says where the file is, in the place of the file, or beside nothing. */
static int place_moved(struct sto_log *log, const struct dfs_logical *at, struct str id)
{
    const struct sto_io *io = log->dir->io;
    char path[DFS_LOCAL_PATH_MAX], by[48], text[STO_REC_EXTRA_MAX + 2];
    dfs_logical_path(at, "", path);
    (void)snprintf(by, sizeof(by), "data/.tmp-%016llx", (unsigned long long)sto_random(io));
    (void)snprintf(text, sizeof(text), "%c" STR_F, STO_MOVED_MARK, STR_A(id));
    if (symlinkat(text, log->dir->root, by) < 0)
        return -errno;
    int r = io->renameat(log->dir->root, by, log->dir->root, path) == 0 ? 0 : -errno;
    if (r == -ENOENT) {
        r = sto_dir_make(log->dir, at->high, at->low);
        if (r == 0)
            r = io->renameat(log->dir->root, by, log->dir->root, path) == 0 ? 0 : -errno;
    }
    if (r < 0)
        (void)io->unlinkat(log->dir->root, by, 0);
    sto_log_note_unlink(log, at->high, at->low);
    return sto_dir_said(log->dir, at->high, at->low, r);
}

/*
 * "extra" begins with the file's new id. At no moment is the name nobody's: the link takes a plain file's place at once,
 * and is there before a packed file's slot is emptied. Metadata go last: until then they are found with the file.
 */
static int apply_moved(struct sto_log *log, struct str name, struct str extra)
{
    struct dfs_logical at;
    struct dfs_fileid f;
    struct str id, rest;
    if (dfs_logical_parse(name, &at) < 0 || !str_cut(extra, ' ', &id, &rest))
        return -EINVAL;
    int r = place_moved(log, &at, id);
    if (r == 0 && dfs_filename_parse(name, &f) == 0 && f.kind == DFS_FILE_TRUNK && !f.slave) {
        r = sto_dir_sync(log->dir, at.high, at.low);
        if (r == 0)
            r = sto_log_mark_dead(log, &f);
        r = r == -ENOENT ? 0 : r;
    }
    if (r < 0)
        return r;
    r = remove_plain(log, &at, "-m");
    return r < 0 && r != -ENOENT ? r : sto_dir_sync(log->dir, at.high, at.low);
}

static int apply_change(struct sto_log *log, uint8_t op, const struct sto_body *body)
{
    if (op == STO_OP_MOVED)
        return apply_moved(log, body->name, body->extra);
    if (op == 'R')
        return apply_rename(log, body->name, body->extra);
    return op == 'A' || op == 'M' || op == 'T' ? settle_edit(log, body->name, body->desc)
                                               : settle_name(log, body->name);
}

int sto_log_apply(struct sto_log *log, uint8_t kind, uint8_t op, const struct sto_body *body)
{
    if (kind == STO_REC_DELETE)
        return apply_delete(log, body->name, body->extra);
    return kind == STO_REC_CHANGE ? apply_change(log, op, body) : 0;
}
