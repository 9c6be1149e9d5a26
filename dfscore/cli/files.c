/* SPDX-License-Identifier: Apache-2.0 */
/* Subcommands on files: upload, download, change, describe. */
#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#include "dfscore/cli/cli.h"

enum { META_TEXT_MAX = 1024 * 1024, COPY_STEP = 256 * 1024 };

/* A pipe has no length to announce: through an unnamed file. */
static int spool(int from, int *ret_fd, uint64_t *ret_len)
{
    const char *dir = getenv("TMPDIR");
    AUTO(dfs_close_fd)
    int fd = open(dir && dir[0] ? dir : "/tmp", O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);
    AUTO(dfs_free_ptr) char *piece = dfs_alloc(COPY_STEP);
    if (fd < 0 || !piece)
        return fd < 0 ? -errno : -ENOMEM;
    uint64_t len = 0;
    for (;;) {
        ssize_t n = read(from, piece, COPY_STEP);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return -errno;
        if (n == 0)
            break;
        for (ssize_t at = 0; at < n;) {
            ssize_t out = write(fd, piece + at, (size_t)(n - at));
            if (out < 0 && errno != EINTR)
                return -errno;
            at += MAX(out, (ssize_t)0);
        }
        len += (uint64_t)n;
    }
    *ret_fd = dfs_take_fd(&fd);
    *ret_len = len;
    return 0;
}

/* @path ("-": standard input) as content; *ret_fd is the caller's to close. */
static int open_content(const char *path, struct dfs_content *ret, int *ret_fd)
{
    struct stat st;
    uint64_t len = 0;
    bool standard = strcmp(path, "-") == 0;
    AUTO(dfs_close_fd) int fd = standard ? dup(STDIN_FILENO) : open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0 || fstat(fd, &st) < 0)
        return -errno;
    if (S_ISDIR(st.st_mode))
        return -EISDIR;
    int file = -1;
    if (S_ISREG(st.st_mode) && !standard) {
        file = dfs_take_fd(&fd);
        len = (uint64_t)st.st_size;
    } else {
        int r = spool(fd, &file, &len);
        if (r < 0)
            return r;
    }
    *ret = dfs_content_fd(file, 0, len);
    *ret_fd = file;
    return 0;
}

/* From --ext, or the local name: up to six characters after the last dot (semantics 20). */
static struct str extension(const struct cli *c, const char *path)
{
    if (c->ext.p)
        return c->ext;
    const char *base = strrchr(path, '/');
    const char *dot = strrchr(base ? base : path, '.');
    struct str ext = dot ? str_c(dot + 1) : STR("");
    return dfs_ext_ok(ext) ? ext : STR("");
}

/* What a call about @id has said. A word that is no id at all is the caller's mistake, and the servers' EINVAL vague. */
static int fail_id(const char *id, int r)
{
    struct dfs_fileid f;
    return r == -EINVAL && dfs_fileid_parse(str_c(id), &f) < 0 ? cli_misuse("%s: not a file id", id)
                                                               : cli_fail(id, r);
}

int cmd_upload(struct cli *c)
{
    int worst = 0;
    for (int i = 0; i < c->n; i++) {
        AUTO(dfs_close_fd) int fd = -1;
        struct dfs_content content;
        char id[DFS_FILEID_TEXT];
        int r = open_content(c->args[i], &content, &fd);
        if (r < 0) {
            worst = cli_fail(c->args[i], r);
            continue;
        }
        r = dfs_client_upload(c->client, c->group, c->appender, extension(c, c->args[i]), &content,
                              id);
        if (r == -ENOENT && c->group.p)
            return cli_fail(c->group.p, r); /* from --group: it is the group that is not there */
        if (r < 0)
            worst = cli_fail(c->args[i], r);
        else
            cli_word(c, "id", str_c(id));
    }
    return worst;
}

int cmd_upload_slave(struct cli *c)
{
    AUTO(dfs_close_fd) int fd = -1;
    struct dfs_content content;
    char id[DFS_FILEID_TEXT];
    int r = open_content(c->args[2], &content, &fd);
    if (r < 0)
        return cli_fail(c->args[2], r);
    r = dfs_client_upload_slave(c->client, str_c(c->args[0]), str_c(c->args[1]),
                                extension(c, c->args[2]), &content, id);
    if (r < 0)
        return fail_id(c->args[0], r);
    cli_word(c, "id", str_c(id));
    return 0;
}

static int write_fd(void *arg, struct str piece)
{
    int fd = *(int *)arg;
    while (piece.n) {
        ssize_t n = write(fd, piece.p, piece.n);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return -errno;
        piece = str_from(piece, (size_t)n);
    }
    return 0;
}

int cmd_download(struct cli *c)
{
    const char *id = c->args[0];
    const char *base = strrchr(id, '/');
    const char *path = c->n > 1 ? c->args[1] : base ? base + 1 : id;
    bool standard = strcmp(path, "-") == 0;
    uint64_t len = 0;
    /* Beside its place first: a failed download must not leave half a file under the name. */
    char part[4096];
    if (snprintf(part, sizeof(part), "%s.part", path) >= (int)sizeof(part))
        return cli_fail(path, -ENAMETOOLONG);
    AUTO(dfs_close_fd)
    int fd =
        standard ? dup(STDOUT_FILENO) : open(part, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0666);
    if (fd < 0)
        return cli_fail(part, -errno);
    int r = dfs_client_download(c->client, str_c(id), c->offset, c->count, write_fd, &fd, &len);
    if (standard)
        return r < 0 ? fail_id(id, r) : 0;
    if (r == 0 && rename(part, path) < 0)
        r = -errno;
    if (r < 0) {
        unlink(part);
        return fail_id(id, r);
    }
    if (c->json) {
        cli_begin(c);
        cli_str(c, "file", str_c(path));
        cli_num(c, "bytes", (int64_t)len);
        cli_end(c);
    }
    return 0;
}

int cmd_delete(struct cli *c)
{
    int worst = 0;
    for (int i = 0; i < c->n; i++) {
        int r = dfs_client_delete(c->client, str_c(c->args[i]));
        if (r < 0)
            worst = fail_id(c->args[i], r);
        else if (c->json)
            cli_word(c, "deleted", str_c(c->args[i]));
    }
    return worst;
}

int cmd_append(struct cli *c)
{
    AUTO(dfs_close_fd) int fd = -1;
    struct dfs_content content;
    int r = open_content(c->args[1], &content, &fd);
    if (r < 0)
        return cli_fail(c->args[1], r);
    r = dfs_client_append(c->client, str_c(c->args[0]), &content);
    return r < 0 ? fail_id(c->args[0], r) : 0;
}

int cmd_modify(struct cli *c)
{
    AUTO(dfs_close_fd) int fd = -1;
    struct dfs_content content;
    uint64_t offset;
    if (str_u64(str_c(c->args[1]), INT64_MAX, &offset) < 0)
        return cli_misuse("%s: not an offset", c->args[1]);
    int r = open_content(c->args[2], &content, &fd);
    if (r < 0)
        return cli_fail(c->args[2], r);
    r = dfs_client_modify(c->client, str_c(c->args[0]), offset, &content);
    return r < 0 ? fail_id(c->args[0], r) : 0;
}

int cmd_truncate(struct cli *c)
{
    uint64_t size;
    if (str_u64(str_c(c->args[1]), INT64_MAX, &size) < 0)
        return cli_misuse("%s: not a size", c->args[1]);
    int r = dfs_client_truncate(c->client, str_c(c->args[0]), size);
    return r < 0 ? fail_id(c->args[0], r) : 0;
}

int cmd_rename_to_normal(struct cli *c)
{
    char id[DFS_FILEID_TEXT];
    int r = dfs_client_regenerate(c->client, str_c(c->args[0]), id);
    if (r < 0)
        return fail_id(c->args[0], r);
    cli_word(c, "id", str_c(id));
    return 0;
}

static const char *kind_name(const struct dfs_fileid *f)
{
    if (f->slave)
        return "slave";
    switch (f->kind) {
    case DFS_FILE_APPENDER:
        return "appender";
    case DFS_FILE_TRUNK:
        return "trunk";
    case DFS_FILE_NORMAL:
        break;
    }
    return "normal";
}

static void print_crc(struct cli *c, uint32_t crc)
{
    char text[9];
    snprintf(text, sizeof(text), "%08x", crc);
    cli_str(c, "crc32", str_of(text, 8));
}

int cmd_info(struct cli *c)
{
    int worst = 0;
    for (int i = 0; i < c->n; i++) {
        struct dfs_file_info_rsp info;
        struct dfs_fileid f;
        struct str id = str_c(c->args[i]);
        int r = dfs_client_info(c->client, id, 0, &info);
        if (r < 0) {
            worst = fail_id(c->args[i], r);
            continue;
        }
        cli_begin(c);
        cli_str(c, "id", id);
        if (dfs_fileid_parse(id, &f) == 0)
            cli_str(c, "kind", str_c(kind_name(&f)));
        cli_num(c, "size", info.size);
        cli_time(c, "created", info.created_s);
        print_crc(c, (uint32_t)info.crc32);
        cli_str(c, "source", str_c(info.source_ip));
        cli_end(c);
    }
    return worst;
}

int cmd_decode(struct cli *c)
{
    int worst = 0;
    for (int i = 0; i < c->n; i++) {
        struct dfs_fileid f;
        char source[16], path[DFS_LOCAL_PATH_MAX];
        int r = dfs_fileid_parse(str_c(c->args[i]), &f);
        if (r < 0) {
            worst = fail_id(c->args[i], r);
            continue;
        }
        dfs_fileid_source_text(&f, source);
        dfs_fileid_path(&f, path);
        cli_begin(c);
        cli_str(c, "group", f.group);
        cli_str(c, "kind", str_c(kind_name(&f)));
        cli_num(c, "store_path", f.at.path_index);
        cli_str(c, "local_path", str_c(path));
        cli_str(c, "source", str_c(source));
        cli_time(c, "created", f.created_s);
        if (f.size_known)
            cli_num(c, "size", (int64_t)f.size);
        print_crc(c, f.crc32);
        if (f.kind == DFS_FILE_TRUNK) {
            cli_num(c, "trunk_file", f.trunk.file_id);
            cli_num(c, "trunk_offset", f.trunk.offset);
            cli_num(c, "trunk_slot_size", f.trunk.slot_size);
        }
        cli_end(c);
    }
    return worst;
}

int cmd_meta_get(struct cli *c)
{
    AUTO(buf_free) struct buf text = BUF(META_TEXT_MAX);
    int r = dfs_client_get_meta(c->client, str_c(c->args[0]), &text);
    if (r < 0)
        return fail_id(c->args[0], r);
    struct str rest = buf_str(&text), name, value;
    cli_begin(c);
    while (dfs_meta_next(&rest, &name, &value)) {
        AUTO(dfs_free_ptr) char *key = str_dup(name);
        if (!key)
            return cli_fail(c->args[0], -ENOMEM);
        cli_str(c, key, value);
    }
    cli_end(c);
    return 0;
}

int cmd_meta_set(struct cli *c)
{
    AUTO(buf_free) struct buf text = BUF(META_TEXT_MAX);
    for (int i = 1; i < c->n; i++) {
        struct str name, value;
        if (!str_cut(str_c(c->args[i]), '=', &name, &value))
            return cli_misuse("%s: not NAME=VALUE", c->args[i]);
        int r = dfs_meta_add(&text, name, value);
        if (r < 0)
            return cli_misuse("%s: name over %d or value over %d bytes, or byte 1 or 2 inside",
                              c->args[i], DFS_META_NAME_MAX, DFS_META_VALUE_MAX);
    }
    int r = dfs_client_set_meta(c->client, str_c(c->args[0]), c->merge, buf_str(&text));
    return r < 0 ? fail_id(c->args[0], r) : 0;
}
