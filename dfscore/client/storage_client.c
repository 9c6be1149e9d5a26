/* SPDX-License-Identifier: Apache-2.0 */
#include "dfscore/client/storage_client.h"

#include <stdio.h>

enum {
    FIXED_MAX = 128, /* longest fixed part of a request */
    META_MAX = 4 * 1024 * 1024,
    PIECE = 256 * 1024,
    PARTS_MAX = 4,
};

static bool name_ok(struct str filename)
{
    struct dfs_logical l;
    return dfs_logical_parse(filename, &l) == 0;
}

static int put_group(struct str group, char field[17])
{
    return dfs_group_ok(group) ? dfs_text_set(field, 17, group) : -EINVAL;
}

/* Fixed part, names, content. The content goes last, by sendfile when it is in a file. */
static int send_content(struct dfs_peer *p, uint8_t cmd, const struct buf *fixed, struct str name,
                        const struct dfs_content *content)
{
    struct str parts[PARTS_MAX] = {buf_str(fixed), name};
    size_t n = 2;
    bool file = content->fd >= 0;
    if (!file)
        parts[n++] = content->data;
    int r = dfs_peer_send(p, cmd, 0, parts, n, file ? content->len : 0);
    if (r == 0 && file)
        r = dfs_peer_send_file(p, content->fd, content->off, content->len);
    return r;
}

static int empty_answer(struct dfs_peer *p)
{
    uint64_t len;
    int r = dfs_peer_answer(p, &len);
    /* FastDFS answers some no-ops with a body that means nothing (protocol 8.3): read and forget. */
    char scratch[1024];
    while (r == 0 && len) {
        size_t step = (size_t)MIN(len, (uint64_t)sizeof(scratch));
        r = dfs_peer_read(p, scratch, step);
        len -= step;
    }
    return r;
}

/* Group and filename, in answers that name a new file. */
static int id_answer(struct dfs_peer *p, char id[DFS_FILEID_TEXT])
{
    uint64_t len;
    char body[DFS_GROUP_LEN + DFS_FILENAME_MAX];
    struct dfs_group g;
    struct str filename;
    int r = dfs_peer_answer(p, &len);
    if (r < 0)
        return r;
    if (len > sizeof(body))
        return -EBADMSG; /* unread, so the connection will not be used again */
    r = dfs_peer_read(p, body, (size_t)len);
    if (r < 0)
        return r;
    if (dfs_group_head(str_of(body, (size_t)len), &g, &filename) < 0 || !name_ok(filename) ||
        !dfs_group_ok(str_c(g.group)))
        return -EBADMSG;
    snprintf(id, DFS_FILEID_TEXT, "%s/" STR_F, g.group, STR_A(filename));
    return 0;
}

int dfs_storage_upload(struct dfs_peer *p, uint8_t path_index, bool appender, struct str ext,
                       const struct dfs_content *content, char id[DFS_FILEID_TEXT])
{
    AUTO(buf_free) struct buf fixed = BUF(FIXED_MAX);
    struct dfs_upload_req m = {.path_index = path_index, .content_len = content->len};
    if (!dfs_ext_ok(ext) || dfs_text_set(m.ext, sizeof(m.ext), ext) < 0)
        return -EINVAL;
    dfs_upload_req_put(&fixed, &m);
    if (buf_err(&fixed))
        return buf_err(&fixed);
    uint8_t cmd = appender ? DFS_CMD_UPLOAD_APPENDER : DFS_CMD_UPLOAD;
    int r = send_content(p, cmd, &fixed, STR(""), content);
    return r < 0 ? r : id_answer(p, id);
}

int dfs_storage_upload_slave(struct dfs_peer *p, struct str master, struct str prefix,
                             struct str ext, const struct dfs_content *content,
                             char id[DFS_FILEID_TEXT])
{
    AUTO(buf_free) struct buf fixed = BUF(FIXED_MAX);
    struct dfs_upload_slave_req m = {.master_len = master.n, .content_len = content->len};
    char name[DFS_FILENAME_MAX];
    size_t n;
    int r = dfs_slave_name(master, prefix, ext, name, &n);
    if (r < 0)
        return r;
    if (dfs_text_set(m.ext, sizeof(m.ext), ext) < 0 ||
        dfs_text_set(m.prefix, sizeof(m.prefix), prefix) < 0)
        return -EINVAL;
    dfs_upload_slave_req_put(&fixed, &m);
    if (buf_err(&fixed))
        return buf_err(&fixed);
    r = send_content(p, DFS_CMD_UPLOAD_SLAVE, &fixed, master, content);
    return r < 0 ? r : id_answer(p, id);
}

int dfs_storage_append(struct dfs_peer *p, struct str filename, const struct dfs_content *content)
{
    AUTO(buf_free) struct buf fixed = BUF(FIXED_MAX);
    const struct dfs_append_req m = {filename.n, content->len};
    if (!name_ok(filename))
        return -EINVAL;
    dfs_append_req_put(&fixed, &m);
    int r = buf_err(&fixed);
    if (r == 0)
        r = send_content(p, DFS_CMD_APPEND, &fixed, filename, content);
    return r < 0 ? r : empty_answer(p);
}

int dfs_storage_modify(struct dfs_peer *p, struct str filename, uint64_t offset,
                       const struct dfs_content *content)
{
    AUTO(buf_free) struct buf fixed = BUF(FIXED_MAX);
    const struct dfs_modify_req m = {filename.n, offset, content->len};
    if (!name_ok(filename) || offset > INT64_MAX)
        return -EINVAL;
    dfs_modify_req_put(&fixed, &m);
    int r = buf_err(&fixed);
    if (r == 0)
        r = send_content(p, DFS_CMD_MODIFY, &fixed, filename, content);
    return r < 0 ? r : empty_answer(p);
}

int dfs_storage_truncate(struct dfs_peer *p, struct str filename, uint64_t size)
{
    AUTO(buf_free) struct buf fixed = BUF(FIXED_MAX);
    const struct dfs_truncate_req m = {filename.n, size};
    if (!name_ok(filename) || size > INT64_MAX)
        return -EINVAL;
    dfs_truncate_req_put(&fixed, &m);
    struct str parts[] = {buf_str(&fixed), filename};
    int r = buf_err(&fixed);
    if (r == 0)
        r = dfs_peer_send(p, DFS_CMD_TRUNCATE, 0, parts, 2, 0);
    return r < 0 ? r : empty_answer(p);
}

/* Send a request of group and filename. */
static int send_named(struct dfs_peer *p, uint8_t cmd, uint8_t flags, struct str group,
                      struct str filename)
{
    AUTO(buf_free) struct buf fixed = BUF(FIXED_MAX);
    struct dfs_group g;
    if (put_group(group, g.group) < 0 || !name_ok(filename))
        return -EINVAL;
    dfs_group_put(&fixed, &g);
    struct str parts[] = {buf_str(&fixed), filename};
    return buf_err(&fixed) ? buf_err(&fixed) : dfs_peer_send(p, cmd, flags, parts, 2, 0);
}

int dfs_storage_delete(struct dfs_peer *p, struct str group, struct str filename)
{
    int r = send_named(p, DFS_CMD_DELETE, 0, group, filename);
    return r < 0 ? r : empty_answer(p);
}

int dfs_storage_regenerate(struct dfs_peer *p, struct str filename, char id[DFS_FILEID_TEXT])
{
    struct str parts[] = {filename};
    int r = name_ok(filename) ? dfs_peer_send(p, DFS_CMD_REGENERATE_NAME, 0, parts, 1, 0) : -EINVAL;
    return r < 0 ? r : id_answer(p, id);
}

int dfs_storage_download(struct dfs_peer *p, struct str group, struct str filename, uint64_t off,
                         uint64_t count, int (*sink)(void *arg, struct str piece), void *arg,
                         uint64_t *ret_len)
{
    AUTO(buf_free) struct buf fixed = BUF(FIXED_MAX);
    struct dfs_download_req m = {.offset = off, .count = count};
    if (off > INT64_MAX || count > INT64_MAX || put_group(group, m.group) < 0 || !name_ok(filename))
        return -EINVAL;
    dfs_download_req_put(&fixed, &m);
    struct str parts[] = {buf_str(&fixed), filename};
    uint64_t len = 0;
    int r = buf_err(&fixed);
    if (r == 0)
        r = dfs_peer_send(p, DFS_CMD_DOWNLOAD, 0, parts, 2, 0);
    if (r == 0)
        r = dfs_peer_answer(p, &len);
    if (r < 0)
        return r;
    AUTO(dfs_free_ptr) char *piece = dfs_alloc(PIECE);
    if (!piece)
        return -ENOMEM;
    *ret_len = len;
    for (uint64_t left = len; left && r == 0;) {
        int64_t n = dfs_peer_read_some(p, piece, PIECE);
        if (n <= 0)
            return n < 0 ? (int)n : -ECONNRESET;
        left -= (uint64_t)n;
        r = sink(arg, str_of(piece, (size_t)n));
    }
    return r < 0 ? r : 0;
}

int dfs_storage_get_meta(struct dfs_peer *p, struct str group, struct str filename,
                         struct buf *text)
{
    uint64_t len = 0;
    int r = send_named(p, DFS_CMD_GET_METADATA, 0, group, filename);
    if (r == 0)
        r = dfs_peer_answer(p, &len);
    if (r < 0)
        return r;
    buf_reset(text);
    char *to = len > META_MAX || len > text->max ? NULL : buf_room(text, (size_t)len);
    if (len && !to)
        return len > text->max ? -EMSGSIZE : -ENOMEM;
    r = len ? dfs_peer_read(p, to, (size_t)len) : 0;
    if (r == 0)
        buf_used(text, (size_t)len);
    return r;
}

int dfs_storage_set_meta(struct dfs_peer *p, struct str group, struct str filename, bool merge,
                         struct str text)
{
    AUTO(buf_free) struct buf fixed = BUF(FIXED_MAX);
    struct dfs_set_meta_req m = {
        .name_len = filename.n, .meta_len = text.n, .flag = merge ? 'M' : 'O'};
    if (put_group(group, m.group) < 0 || !name_ok(filename))
        return -EINVAL;
    dfs_set_meta_req_put(&fixed, &m);
    struct str parts[] = {buf_str(&fixed), filename, text};
    int r = buf_err(&fixed);
    if (r == 0)
        r = dfs_peer_send(p, DFS_CMD_SET_METADATA, 0, parts, 3, 0);
    return r < 0 ? r : empty_answer(p);
}

int dfs_storage_info(struct dfs_peer *p, struct str group, struct str filename, uint8_t flags,
                     struct dfs_file_info_rsp *ret)
{
    char body[DFS_FILE_INFO_RSP_LEN6];
    uint64_t len = 0;
    int r = send_named(p, DFS_CMD_FILE_INFO, flags, group, filename);
    if (r == 0)
        r = dfs_peer_answer(p, &len);
    if (r < 0)
        return r;
    if (len > sizeof(body))
        return -EBADMSG;
    r = dfs_peer_read(p, body, (size_t)len);
    if (r < 0)
        return r;
    return dfs_file_info_rsp_get(str_of(body, (size_t)len), ret) < 0 ? -EBADMSG : 0;
}

int dfs_meta_add(struct buf *text, struct str name, struct str value)
{
    if (name.n > DFS_META_NAME_MAX || value.n > DFS_META_VALUE_MAX)
        return -EINVAL;
    for (char sep = 1; sep <= 2; sep++)
        if (str_chr(name, sep) != SIZE_MAX || str_chr(value, sep) != SIZE_MAX)
            return -EINVAL;
    if (text->n)
        buf_addc(text, 1);
    buf_adds(text, name);
    buf_addc(text, 2);
    buf_adds(text, value);
    return buf_err(text);
}

bool dfs_meta_next(struct str *rest, struct str *name, struct str *value)
{
    struct str record;
    while (str_split(rest, 1, &record))
        if (str_cut(record, 2, name, value))
            return true;
    return false;
}
