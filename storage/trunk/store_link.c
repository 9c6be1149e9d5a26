/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Links (protocol 8.8): a symbolic link to a plain file. A file inside a pack can not be the target of
 * one, so its link becomes a packed copy; both read and delete alike.
 */
#include <stdio.h>
#include <unistd.h>

#include "dfscore/base/clock.h"
#include "storage/trunk/moved.h"
#include "storage/trunk/store_priv.h"

static int copy_packed(struct sto_store *s, const struct sto_link *l, const struct dfs_fileid *f,
                       char *name)
{
    struct sto_view v;
    int r = sto_open_read(s, l->target, &v);
    if (r < 0)
        return r;
    AUTO(dfs_close_fd) int fd = v.fd;
    AUTO(dfs_free_ptr) char *bytes = dfs_alloc((size_t)v.size);
    if (!bytes)
        return -ENOMEM;
    ssize_t n = sto_read_all(s->io, fd, bytes, (size_t)v.size, (off_t)v.offset);
    if (n < 0)
        return (int)n;
    if ((uint64_t)n != v.size)
        return -EIO;
    struct sto_put put = {.kind = DFS_PUT_OBJECT,
                          .flags = STO_NATIVE,
                          .desc = STR(""),
                          .data = str_of(bytes, (size_t)n)};
    memcpy(put.ext, l->ext, sizeof(put.ext));
    r = sto_put_batch(s, (int)f->at.path_index, &put, 1);
    if (r == 0)
        r = put.result;
    if (r == 0)
        memcpy(name, put.name, sizeof(put.name));
    return r;
}

/* Where the link is, seen from data/HH/HH: paths may lie anywhere, so other paths' are absolute. */
static int target_text(struct sto_store *s, struct str target, unsigned from_path, char *out,
                       size_t cap)
{
    struct dfs_logical at;
    struct sto_path *p;
    int r = sto_locate(s, target, &at, &p);
    if (r < 0)
        return r;
    char local[DFS_LOCAL_PATH_MAX];
    dfs_logical_path(&at, "", local);
    int n;
    if (at.path_index == from_path) {
        n = snprintf(out, cap, "../../../%s", local);
    } else {
        char proc[64], root[2048];
        (void)snprintf(proc, sizeof(proc), "/proc/self/fd/%d", p->dir.root);
        ssize_t len = readlink(proc, root, sizeof(root) - 1);
        if (len < 0)
            return -errno;
        root[len] = '\0';
        n = snprintf(out, cap, "%s/%s", root, local);
    }
    return n < 0 || (size_t)n >= cap ? -ENAMETOOLONG : 0;
}

int sto_link_target(struct sto_store *s, struct str name, char target[STO_NAME_MAX + 1])
{
    struct dfs_logical at;
    struct sto_path *p;
    char local[DFS_LOCAL_PATH_MAX], text[2300], again[2300];
    if (sto_locate(s, name, &at, &p) < 0)
        return -ENOENT;
    dfs_logical_path(&at, "", local);
    ssize_t n = readlinkat(p->dir.root, local, text, sizeof(text));
    struct str t = str_of(text, n > 0 ? (size_t)n : 0), found = STR_NULL;
    for (size_t i = 0; t.n > 5 && i < t.n - 5; i++)
        if (memcmp(t.p + i, "data/", 5) == 0)
            found = str_from(t, i + 5);
    /* Which path that is on is known by making the text anew. */
    for (unsigned path = 0; found.p && path < s->path_count; path++) {
        int k = snprintf(target, STO_NAME_MAX + 1, "M%02X/" STR_F, path, STR_A(found));
        if (k < 0 || k > STO_NAME_MAX)
            break;
        if (target_text(s, str_c(target), at.path_index, again, sizeof(again)) == 0 &&
            str_eq(str_c(again), t))
            return 0;
    }
    return -ENOENT;
}

static int link_name(struct sto_store *s, const struct sto_link *l, const struct dfs_fileid *f,
                     char *name)
{
    size_t n;
    if (l->master.p) {
        int r = sto_file_exists(s, l->master);
        if (r == 0 || r == -EREMOTE)
            r = dfs_slave_name(l->master, l->prefix, str_c(l->ext), name, &n);
        if (r != 0)
            return r;
        name[n] = '\0';
        r = sto_file_exists(s, str_of(name, n));
        return r == 0 || r == -EREMOTE ? -EEXIST : r == -ENOENT ? 0 : r;
    }
    struct sto_info info;
    int r = sto_info(s, l->target, f->slave, &info); /* a slave's name has its master's CRC-32 */
    if (r < 0)
        return r;
    uint64_t dir = s->next_dir++ / 100;
    struct dfs_fileid_parts p = {
        .path_index = f->at.path_index,
        .high = (uint8_t)(dir / s->subdirs % s->subdirs),
        .low = (uint8_t)(dir % s->subdirs),
        .kind = f->kind == DFS_FILE_APPENDER ? DFS_FILE_APPENDER : DFS_FILE_NORMAL,
        .created_s = dfs_now_s(),
        .size = info.size,
        .crc32 = info.has_crc ? info.crc32 : f->crc32,
        .random23 = (uint32_t)sto_random(s->io) & 0x7fffff,
    };
    memcpy(p.source, s->source, sizeof(p.source));
    dfs_tail7(str_c(l->ext), sto_random(s->io), p.tail);
    n = dfs_filename_build(&p, name);
    name[n] = '\0';
    return 0;
}

static int place_link(struct sto_path *p, const char *text, const struct dfs_logical *at)
{
    char path[DFS_LOCAL_PATH_MAX];
    dfs_logical_path(at, "", path);
    int r = symlinkat(text, p->dir.root, path) == 0 ? 0 : -errno;
    if (r == -ENOENT) {
        r = sto_dir_make(&p->dir, at->high, at->low);
        if (r == 0)
            r = symlinkat(text, p->dir.root, path) == 0 ? 0 : -errno;
    }
    r = sto_dir_said(&p->dir, at->high, at->low, r);
    return r < 0 ? r : sto_dir_sync(&p->dir, at->high, at->low);
}

int sto_make_link(struct sto_store *s, const struct sto_link *l, char *name)
{
    CHECK_OBJ(s, STO_STORE_MAGIC);
    struct dfs_fileid f;
    if (!dfs_ext_ok(str_c(l->ext)) || dfs_filename_parse(l->target, &f) < 0)
        return -EINVAL;
    int r = sto_file_exists(s, l->target);
    if (r < 0)
        return r;
    if (sto_is_packed(l->target, &f) && !l->master.p)
        return copy_packed(s, l, &f, name);
    if (sto_is_packed(l->target, &f))
        return -EOPNOTSUPP; /* a slave's name can not say where in a pack it is */
    char made[STO_NAME_MAX + 1];
    r = link_name(s, l, &f, made);
    struct dfs_logical at;
    struct sto_path *p;
    if (r == 0)
        r = sto_locate(s, str_c(made), &at, &p);
    char text[2300];
    if (r == 0)
        r = target_text(s, l->target, at.path_index, text, sizeof(text));
    if (r == 0)
        r = sto_log_pass_deletion(&p->log, str_c(made));
    if (r != 0)
        return r;
    struct sto_log_rec rec = {
        .kind = STO_REC_CHANGE,
        .flags = STO_REC_NATIVE,
        .op = 'L',
        .held = true,
        .name = str_c(made),
        .extra = l->target,
    };
    r = sto_log_one(p, &rec);
    if (r == 0)
        r = place_link(p, text, &at);
    sto_log_release(&p->log, &rec);
    if (r == 0)
        memcpy(name, made, sizeof(made));
    return r;
}

int sto_link_place(struct sto_store *s, struct str name, struct str target)
{
    struct dfs_logical at;
    struct sto_path *p;
    char text[2300];
    int r = sto_locate(s, name, &at, &p);
    if (r == 0)
        r = target_text(s, target, at.path_index, text, sizeof(text));
    if (r == 0)
        r = sto_log_pass_deletion(&p->log, name);
    return r < 0 ? r : place_link(p, text, &at);
}
