/* SPDX-License-Identifier: Apache-2.0 */
#include "dfscore/fileid/fileid.h"
#include "dfscore/wire/messages.h"
#include "storage/binlog/record.h"
#include "storage/sync/puller_priv.h"
#include "storage/trunk/version.h"
#include "storage/trunk/replica.h"

enum { PIECE_BYTES = 16 * 1024 * 1024 };

/* 14: the answer's header; *len bytes of content follow. */
static int ask_content(struct sto_puller *p, struct str name, uint64_t offset, uint64_t count,
                       uint64_t *len)
{
    struct dfs_download_req m = {.offset = offset, .count = count};
    AUTO(buf_free) struct buf body = BUF(DFS_DOWNLOAD_REQ_LEN);
    int r = dfs_text_set(m.group, sizeof(m.group), str_c(p->o.group));
    if (r < 0)
        return r;
    dfs_download_req_put(&body, &m);
    struct str parts[] = {buf_str(&body), name};
    r = p->line->send(p->files, DFS_CMD_DOWNLOAD, DFS_ASK_NO_OTHER_GROUP, parts, 2, 0);
    return r < 0 ? r : p->line->answer(p->files, len);
}

static int receive_piece(struct sto_puller *p, uint64_t at, uint64_t len, struct sto_file *f)
{
    for (uint64_t end = at + len; at < end;) {
        size_t n = (size_t)MIN(end - at, (uint64_t)STO_COPY_BYTES);
        int r = p->line->read(p->files, p->copy, n);
        if (r == 0)
            r = sto_file_write(f, p->copy, n, at);
        if (r < 0)
            return r;
        at += n;
    }
    return 0;
}

/*
 * The whole file, piece by piece: a question now and then tells the peer that we get on (followers.h). The last
 * piece is shorter than asked for; the one behind a last one of full length is refused (protocol 8.7).
 */
int sto_puller_file(struct sto_puller *p, struct str name, struct sto_file *f, uint64_t *ret_size)
{
    uint64_t at = 0, len = PIECE_BYTES;
    while (len == PIECE_BYTES) {
        int r = ask_content(p, name, at, PIECE_BYTES, &len);
        if (r == -EINVAL && at > 0)
            break;
        if (r == 0)
            r = receive_piece(p, at, len, f);
        if (r < 0)
            return r;
        sto_file_hurry(f);
        at += len;
    }
    *ret_size = at;
    return 0;
}

bool sto_puller_broken(const struct sto_puller *p)
{
    return p->line->broken(p->logs) || p->line->broken(p->files);
}

int sto_fetch_meta(struct sto_puller *p, struct str name, struct sto_line_meta *ret)
{
    struct rd rd;
    size_t n;
    int r =
        p->o.singly ? -EOPNOTSUPP : sto_line_metas(p->line, p->files, &name, 1, &p->rsp, &rd, &n);
    if (r == -EOPNOTSUPP && !sto_puller_broken(p))
        return sto_line_meta(p->line, p->files, p->o.group, name, &p->rsp, ret);
    return r < 0 ? r : sto_line_meta_next(&rd, ret);
}

int sto_puller_meta(struct sto_puller *p, struct str name)
{
    struct sto_line_meta meta;
    int r = sto_fetch_meta(p, name, &meta);
    return r < 0 ? r : sto_replica_meta(p->o.store, name, meta.text, meta.ms);
}

/* There is no room for it. Where it has gone meanwhile none is needed, and what makes room may stand behind it in the log. */
static int still_there(struct sto_puller *p, struct str name)
{
    struct dfs_file_info_rsp m;
    int r = sto_ask_info(p, name, &m);
    return r < 0 ? r : -ENOSPC;
}

int sto_fetch(struct sto_puller *p, struct str name, uint8_t flags, struct sto_file **ret,
              uint64_t *ret_size)
{
    struct dfs_logical at;
    struct dfs_fileid id;
    uint64_t size = 0;
    int r = dfs_logical_parse(name, &at);
    if (r < 0)
        return r;
    if (dfs_filename_parse(name, &id) == 0 && id.size_known)
        size = id.size;
    AUTO(sto_file_free) struct sto_file *f = NULL;
    r = sto_file_open(p->o.store, (int)at.path_index, size, flags, &f);
    if (r == -ENOSPC)
        r = still_there(p, name);
    if (r == 0)
        r = sto_puller_file(p, name, f, ret_size);
    if (r == 0)
        *ret = TAKE(f);
    return r;
}

static bool is_appender(struct str name)
{
    struct dfs_fileid id;
    return dfs_filename_parse(name, &id) == 0 && id.kind == DFS_FILE_APPENDER && !id.slave;
}

int sto_fetch_new(struct sto_puller *p, struct sto_replica_new *new, uint8_t flags)
{
    enum { TRIES = 5 };
    bool appender = is_appender(new->name);
    uint64_t size = 0;
    int64_t version = 0, then = 0;
    int r = appender ? sto_puller_version(p, new->name, &size, &version) : 0;
    for (int i = 0; r == 0; i++) {
        AUTO(sto_file_free) struct sto_file *f = NULL;
        r = sto_fetch(p, new->name, flags, &f, &new->size);
        if (r == 0 && appender)
            r = sto_puller_version(p, new->name, &size, &then);
        if (r < 0)
            break;
        if (then == version || i + 1 == TRIES || new->size > PIECE_BYTES) {
            new->file = TAKE(f);
            new->mixed = then != version || version == 0;
            new->version = version > 0 ? version : new->version;
            break;
        }
        version = then; /* edited meanwhile: once more, lest it has some of both */
    }
    return r;
}

int sto_fetch_and_name(struct sto_puller *p, struct sto_replica_new *new, uint8_t flags,
                       sto_name_fn *as)
{
    struct sto_line_meta meta;
    int r = sto_fetch_new(p, new, flags);
    if (r == 0)
        r = sto_fetch_meta(p, new->name, &meta);
    if (r == 0)
        r = as(p->o.store, new);
    sto_file_free(&new->file);
    return r < 0 ? r : sto_replica_meta(p->o.store, new->name, meta.text, meta.ms);
}

int sto_ask_info(struct sto_puller *p, struct str name, struct dfs_file_info_rsp *m)
{
    enum { NO_CRC = 1, SILENT = 2 };
    struct dfs_group g;
    AUTO(buf_free) struct buf body = BUF(DFS_GROUP_LEN);
    int r = dfs_text_set(g.group, sizeof(g.group), str_c(p->o.group));
    if (r < 0)
        return r;
    dfs_group_put(&body, &g);
    struct str parts[] = {buf_str(&body), name};
    r = p->line->call(p->files, DFS_CMD_FILE_INFO, NO_CRC | SILENT | DFS_ASK_NO_OTHER_GROUP, parts,
                      2, &p->rsp);
    if (r == 0 && dfs_file_info_rsp_get(buf_str(&p->rsp), m) < 0)
        r = -EPROTO;
    if (r == 0) /* as records say times, whatever came */
        m->created_s = MIN(MAX(m->created_s, INT64_C(0)), STO_REC_MS_MAX / 1000);
    return r;
}

int sto_puller_info(struct sto_puller *p, struct str name, uint64_t *ret_size, int64_t *ret_mtime_s)
{
    struct dfs_file_info_rsp m;
    int r = sto_ask_info(p, name, &m);
    if (r < 0)
        return r;
    *ret_size = (uint64_t)m.size;
    *ret_mtime_s = m.created_s;
    return 0;
}

int sto_puller_version(struct sto_puller *p, struct str name, uint64_t *ret_size,
                       int64_t *ret_version)
{
    struct dfs_file_info_rsp m;
    int r = sto_ask_info(p, name, &m);
    if (r < 0)
        return r;
    *ret_size = (uint64_t)m.size;
    *ret_version = sto_version_told(&m);
    return 0;
}

/* Too many for the memory: in a file without a name. */
static int receive_many(struct sto_puller *p, struct str name, uint64_t len, struct sto_file **ret)
{
    struct dfs_logical at;
    int r = dfs_logical_parse(name, &at);
    if (r == 0)
        r = sto_file_open(p->o.store, (int)at.path_index, len, STO_NATIVE, ret);
    return r < 0 ? r : receive_piece(p, 0, len, *ret);
}

int sto_ask_edited(struct sto_puller *p, struct sto_replica_edit *e, uint64_t *ret_size)
{
    int64_t version = 0;
    int r = sto_puller_version(p, e->name, ret_size, &version);
    e->mixed = version != e->versions.after;
    return r < 0 ? r : version == 0 || version >= e->versions.after;
}

int sto_fetch_bytes(struct sto_puller *p, struct sto_replica_edit *e, uint64_t offset,
                    uint64_t size)
{
    AUTO(sto_file_free) struct sto_file *f = NULL;
    uint64_t len = 0, there = 0;
    int r = size > 0 ? ask_content(p, e->name, offset, size, &len) : 0;
    if (r < 0)
        return r;
    bool few = len <= STO_COPY_BYTES;
    if (len > 0)
        r = few ? p->line->read(p->files, p->copy, (size_t)len) : receive_many(p, e->name, len, &f);
    if (r < 0) {
        p->line->cut(p->files); /* the rest of the answer is still to come */
        return r;
    }
    if (len > 0 && !e->mixed) { /* they may be of a content that has come since that was asked */
        r = sto_ask_edited(p, e, &there);
        if (r <= 0)
            return r;
    }
    return sto_replica_range(p->o.store, e, offset, str_of(p->copy, few ? (size_t)len : 0), f, len);
}
