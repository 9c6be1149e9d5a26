/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Whose a file is: a gateway's, which alone may change and remove it, or a FastDFS client's.
 *
 * A packed file's record says it (flag STO_REC_NATIVE). The record of a plain file cannot be found
 * by name, so the file carries a mark of its own: nobody may write a gateway's (STO_MODE_GATEWAY).
 * The mark is made with the file, so it costs nothing and is as durable as the directory entry;
 * replicas get it from the record (puller.c).
 */
#include <fcntl.h>
#include <unistd.h>

#include "storage/binlog/record.h"
#include "storage/trunk/moved.h"
#include "storage/trunk/pack.h"
#include "storage/trunk/replica.h"
#include "storage/trunk/store_priv.h"

enum { MAY_WRITE = S_IWUSR | S_IWGRP | S_IWOTH };

static bool is_gateways(const struct stat *st)
{
    return S_ISREG(st->st_mode) && (st->st_mode & MAY_WRITE) == 0;
}

static int may_change_packed(struct sto_path *p, const struct dfs_fileid *f)
{
    struct sto_pack_head head;
    AUTO(dfs_close_fd) int fd = sto_open_slot(p, f);
    if (fd < 0)
        return fd;
    if (sto_pack_head_read(p->dir.io, fd, &head) < 0)
        return 0; /* a container of FastDFS: no log wrote it */
    uint8_t bytes[STO_REC_HEAD];
    struct sto_rec rec;
    if (f->trunk.offset < STO_PACK_HEAD + STO_REC_HEAD)
        return -ENOENT;
    uint32_t at = f->trunk.offset - STO_REC_HEAD;
    ssize_t n = sto_read_all(p->dir.io, fd, bytes, sizeof(bytes), at);
    if (n < 0)
        return (int)n;
    /* What looks like a slot and has no record is somebody's content. */
    if (n < (ssize_t)sizeof(bytes) ||
        sto_rec_decode(bytes, head.salt, STO_POS(head.number, at), UINT32_MAX, &rec) < 0 ||
        rec.kind != STO_REC_OBJECT || rec.dead)
        return -ENOENT;
    return rec.flags & STO_REC_NATIVE ? 0 : -EPERM;
}

/* Only clients' files move. */
static int or_moved(struct sto_store *s, struct str name, int why)
{
    int r = sto_moved_or(s, name, why);
    return r == -EREMOTE ? 0 : r;
}

int sto_client_may_change(struct sto_store *s, struct str name)
{
    struct dfs_logical at;
    struct dfs_fileid f;
    struct sto_path *p;
    struct stat st;
    int r = sto_locate(s, name, &at, &p);
    if (r < 0)
        return r;
    if (sto_is_packed(name, &f))
        return or_moved(s, name, may_change_packed(p, &f));
    char path[DFS_LOCAL_PATH_MAX];
    dfs_logical_path(&at, "", path);
    if (fstatat(p->dir.root, path, &st, AT_SYMLINK_NOFOLLOW) < 0)
        return or_moved(s, name, errno == ENOTDIR ? -ENOENT : -errno);
    return is_gateways(&st) ? -EPERM : 0; /* a link is its maker's, whatever it leads to */
}

int sto_replica_owner(struct sto_store *s, struct str name, uint8_t flags)
{
    struct dfs_logical at;
    struct sto_path *p;
    struct stat st;
    int r = sto_locate(s, name, &at, &p);
    if (r < 0)
        return r;
    char path[DFS_LOCAL_PATH_MAX];
    dfs_logical_path(&at, "", path);
    AUTO(dfs_close_fd)
    int fd = s->io->openat(p->dir.root, path, O_RDONLY | O_NOFOLLOW | O_NONBLOCK, 0);
    if (fd < 0)
        return errno == ELOOP ? 0 : -errno;
    if (fstat(fd, &st) < 0)
        return -errno;
    if (!S_ISREG(st.st_mode) || is_gateways(&st) == !(flags & STO_NATIVE))
        return 0;
    if (fchmod(fd, sto_owner_mode(flags)) < 0 || s->io->fsync(fd) < 0)
        return -errno;
    return 0;
}

unsigned sto_owner_mode(uint8_t flags)
{
    return flags & STO_NATIVE ? STO_MODE : STO_MODE_GATEWAY;
}
