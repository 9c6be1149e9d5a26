/* SPDX-License-Identifier: Apache-2.0 */
#include "storage/service/elsewhere.h"

#include <stdio.h>
#include <unistd.h>

#include "dfscore/wire/internal.h"
#include "storage/disk/io.h"
#include "storage/sync/turn.h"
#include "storage/trunk/moved.h"

/* 0, and where the file is. */
static int find(struct sto_store *s, struct dfs_client *cluster, struct str name,
                struct sto_moved *to)
{
    if (!cluster)
        return -EAGAIN;
    /* Come back meanwhile, or deleted: the client may ask again. */
    return sto_moved_to(s, name, to) == 0 ? 0 : -EAGAIN;
}

/* 0; STO_OP_AGAIN: it is in our own group, and the op goes by its new name now. */
static int find_for(struct sto_op *op, struct sto_moved *to)
{
    struct str name;
    if (op->from_peer && (op->req->head.status & DFS_ASK_NO_OTHER_GROUP))
        return -EREMOTE;
    if (sto_moved_to(op->s->o.store, op->name, to) < 0)
        return -EAGAIN; /* come back meanwhile, or deleted: the client may ask again */
    if (sto_store_name_of(op->s->o.store, str_c(to->id), &name) == 0)
        return sto_op_rename(op, name);
    return op->s->o.cluster ? 0 : -EAGAIN;
}

/* The same of what is to be asked for in another group: work() is begun anew on a thread that may wait. */
static int find_to_ask(struct sto_op *op, struct sto_moved *to)
{
    int r = find_for(op, to);
    return r == 0 && op->asking < STO_ASKS_GROUPS ? sto_op_ask(op, STO_ASKS_GROUPS, op->work) : r;
}

/* Does that member have it? 0, -ENOENT, or it does not say. */
static int at_member(struct dfs_client *cluster, const struct dfs_storage_detail *m,
                     struct str group, struct str name)
{
    struct dfs_connpool *pool = dfs_client_pool(cluster);
    struct dfs_addr addr = {.port = (uint16_t)m->port};
    struct dfs_file_info_rsp info;
    struct dfs_peer *p = NULL;
    (void)snprintf(addr.host, sizeof(addr.host), "%s", m->ip);
    int r = dfs_connpool_get(pool, &addr, &p);
    if (r == 0)
        r = dfs_storage_info(p, group, name, DFS_INFO_NO_CRC | DFS_INFO_SILENT, &info);
    dfs_connpool_put(pool, &p);
    return r;
}

/*
 * A tracker that has just started calls a group -ENOENT of which nobody has come to it yet, and names members that are
 * behind those that have not come; and members pass on no question of a server (forward.h). So all members are asked: it is
 * gone when nobody has it, and who took it says so, or nobody who is in service is silent, or has to be waited for.
 */
static int believe(struct dfs_client *cluster, const struct sto_moved *to, int r)
{
    AUTO(dfs_free_ptr) struct dfs_storage_detail *all = NULL;
    struct str group, name;
    size_t n = 0;
    bool told = false, silent = false;
    if (r != -ENOENT || !str_cut(str_c(to->id), '/', &group, &name))
        return r;
    if (dfs_list_storages(dfs_client_trackers(cluster), group, STR_NULL, &all, &n) < 0 || n == 0)
        return -EAGAIN;
    for (size_t i = 0; i < n; i++) {
        const struct dfs_storage_detail *m = &all[i];
        bool home = sto_turn_home(name, m->id), left = dfs_server_left(m->status);
        int e = left                        ? -ENOENT
                : sto_in_service(m->status) ? at_member(cluster, m, group, name)
                                            : -ENOTCONN;
        if (e == 0)
            return -EAGAIN;
        told = told || (home && e == -ENOENT);
        silent = silent || (e != -ENOENT && (home || e != -ENOTCONN));
    }
    return silent && !told ? -EAGAIN : -ENOENT;
}

/* The same of metadata: somebody takes changes of the file, or shows it, as one does whose disk takes no writes. */
static int believe_meta(struct dfs_client *cluster, const struct sto_moved *to, int r)
{
    struct dfs_trackers *trackers = dfs_client_trackers(cluster);
    struct dfs_target t;
    struct str group, name;
    if (r != -ENOENT || !str_cut(str_c(to->id), '/', &group, &name))
        return r;
    return dfs_query_update(trackers, group, name, &t) == 0 ||
                   dfs_query_fetch(trackers, group, name, &t) == 0
               ? r
               : -EAGAIN;
}

/* The same of a change. One that nobody has answered may be done all the same: -EAGAIN says so. */
static int believe_change(struct dfs_client *cluster, const struct sto_moved *to, int r)
{
    static const int unanswered[] = {-ETIMEDOUT, -EPIPE,        -ECONNRESET,  -ECONNREFUSED,
                                     -EHOSTDOWN, -EHOSTUNREACH, -ENETUNREACH, -ENOTCONN};
    for (size_t i = 0; i < ARRAY_LEN(unanswered); i++)
        if (r == unanswered[i])
            return -EAGAIN;
    return believe(cluster, to, r);
}

static int changed(struct sto_op *op, const struct sto_moved *to, int r)
{
    if (r == 0)
        sto_op_changed(op); /* that the file has moved must be known to as many as the change */
    return believe_change(op->s->o.cluster, to, r);
}

/* --- looking ------------------------------------------------------------------------------------------ */

int64_t sto_elsewhere_created(struct str asked, int64_t created_s)
{
    struct dfs_fileid f;
    return dfs_filename_parse(asked, &f) == 0 && f.size_known && !f.slave ? f.created_s : created_s;
}

int sto_elsewhere_info(struct sto_op *op)
{
    struct sto_moved to;
    struct dfs_file_info_rsp m;
    uint8_t flags = op->req->head.status & (DFS_INFO_NO_CRC | DFS_INFO_SILENT);
    int r = find_to_ask(op, &to);
    if (r == 0)
        r = believe(op->s->o.cluster, &to,
                    dfs_client_info(op->s->o.cluster, str_c(to.id), flags, &m));
    if (r != 0)
        return r;
    if (!to.by_link)
        m.created_s = sto_elsewhere_created(op->hops ? op->hops->asked : op->name, m.created_s);
    enum dfs_ipw w = op->s->o.params.wide_addresses ? DFS_IPW6 : DFS_IPW4;
    if (strlen(m.source_ip) >= (size_t)w)
        m.source_ip[0] = '\0';
    dfs_file_info_rsp_put(&op->out, w, &m);
    return 0;
}

int sto_elsewhere_get_meta(struct sto_op *op)
{
    struct sto_moved to;
    int r = find_to_ask(op, &to);
    return r != 0 ? r
                  : believe_meta(op->s->o.cluster, &to,
                                 dfs_client_get_meta(op->s->o.cluster, str_c(to.id), &op->out));
}

int sto_elsewhere_here(struct sto_store *s, struct str name, char now[STO_NAME_MAX + 1])
{
    struct sto_moved to;
    struct sto_info info;
    struct str next;
    int r = -EREMOTE;
    for (int i = 0; r == -EREMOTE && i < STO_HOPS_MAX; i++) {
        if (sto_moved_to(s, i == 0 ? name : str_c(now), &to) < 0 ||
            sto_store_name_of(s, str_c(to.id), &next) < 0 || next.n > STO_NAME_MAX)
            break;
        memcpy(now, next.p, next.n);
        now[next.n] = '\0';
        r = sto_info(s, str_c(now), false, &info);
    }
    return r == 0 ? 0 : -EREMOTE;
}

struct spool {
    int fd;
    uint64_t at;
};

static int take_piece(void *arg, struct str piece)
{
    struct spool *sp = arg;
    int r = sto_write_all(&sto_io_os, sp->fd, piece.p, piece.n, (off_t)sp->at);
    sp->at += piece.n;
    return r;
}

static int fetch(struct sto_store *s, struct dfs_client *cluster, struct str name,
                 const struct sto_moved *to, uint64_t offset, uint64_t count, int *fd,
                 uint64_t *size)
{
    AUTO(sto_file_free) struct sto_file *f = NULL;
    struct dfs_logical at;
    uint64_t len = 0;
    int r = dfs_logical_parse(name, &at);
    if (r == 0)
        r = sto_file_open(s, (int)at.path_index, 0, STO_NATIVE, &f);
    if (r < 0)
        return r;
    struct spool sp = {.fd = sto_file_fd(f)};
    r = dfs_client_download(cluster, str_c(to->id), offset, count, take_piece, &sp, &len);
    if (r < 0)
        return believe(cluster, to, r);
    *size = len;
    *fd = dup(sp.fd); /* without a name it lives as long as the descriptor */
    return *fd < 0 ? -errno : 0;
}

int sto_elsewhere_content(struct sto_op *op, uint64_t offset, uint64_t count, int *fd,
                          uint64_t *size)
{
    struct sto_moved to;
    int r = find_to_ask(op, &to);
    return r != 0 ? r
                  : fetch(op->s->o.store, op->s->o.cluster, op->name, &to, offset, count, fd, size);
}

int sto_elsewhere_fetch(struct sto_store *s, struct dfs_client *cluster, struct str name,
                        uint64_t offset, uint64_t count, int *fd, uint64_t *size)
{
    struct sto_moved to;
    int r = find(s, cluster, name, &to);
    return r < 0 ? r : fetch(s, cluster, name, &to, offset, count, fd, size);
}

int sto_elsewhere_look(struct sto_store *s, struct dfs_client *cluster, struct str name,
                       struct sto_info *info, struct buf *meta)
{
    struct sto_moved to;
    struct dfs_file_info_rsp m;
    int r = find(s, cluster, name, &to);
    if (r == 0)
        r = believe(cluster, &to, dfs_client_info(cluster, str_c(to.id), DFS_INFO_NO_CRC, &m));
    if (r == 0) {
        r = believe_meta(cluster, &to, dfs_client_get_meta(cluster, str_c(to.id), meta));
        r = r == -ENOENT || r == -EMSGSIZE ? 0 : r; /* none, or too long for FILES_INFO */
    }
    if (r < 0)
        return r;
    *info = (struct sto_info){.size = (uint64_t)m.size,
                              .mtime_s = to.by_link ? m.created_s
                                                    : sto_elsewhere_created(name, m.created_s)};
    return 0;
}

/* --- changing ------------------------------------------------------------------------------------------- */

int sto_elsewhere_set_meta(struct sto_op *op, bool merge, struct str text)
{
    struct sto_moved to;
    int r = find_to_ask(op, &to);
    return r != 0
               ? r
               : changed(op, &to, dfs_client_set_meta(op->s->o.cluster, str_c(to.id), merge, text));
}

int sto_elsewhere_remove(struct sto_store *s, struct dfs_client *cluster, struct str name)
{
    struct sto_moved to;
    int r = find(s, cluster, name, &to);
    if (r == 0)
        r = believe_change(cluster, &to, dfs_client_delete(cluster, str_c(to.id)));
    if (r < 0 && r != -ENOENT)
        return r;
    int e = sto_moved_forget(s, name);
    return e < 0 && e != -ENOENT ? -EAGAIN : r; /* it is no more, though a name leads there */
}

int sto_elsewhere_delete(struct sto_op *op)
{
    struct sto_moved to;
    int r = find_to_ask(op, &to);
    if (r == 0)
        r = sto_elsewhere_remove(op->s->o.store, op->s->o.cluster, op->name);
    if (r == 0)
        sto_op_changed(op);
    return r;
}

int sto_elsewhere_edit(struct sto_op *op, enum sto_edit_op kind, uint64_t offset,
                       const struct dfs_content *content)
{
    struct dfs_client *cluster = op->s->o.cluster;
    struct sto_moved to;
    int r = find_to_ask(op, &to);
    if (r != 0)
        return r;
    r = kind == STO_EDIT_APPEND ? dfs_client_append(cluster, str_c(to.id), content)
                                : dfs_client_modify(cluster, str_c(to.id), offset, content);
    return changed(op, &to, r);
}

int sto_elsewhere_truncate(struct sto_op *op, uint64_t size)
{
    struct sto_moved to;
    int r = find_to_ask(op, &to);
    return r != 0 ? r : changed(op, &to, dfs_client_truncate(op->s->o.cluster, str_c(to.id), size));
}

int sto_elsewhere_regenerate(struct sto_op *op)
{
    char id[DFS_FILEID_TEXT];
    struct sto_moved to;
    struct str group, name;
    struct dfs_group g;
    int r = find_to_ask(op, &to);
    if (r != 0)
        return r;
    r = dfs_client_regenerate(op->s->o.cluster, str_c(to.id), id);
    if (r == 0 && (!str_cut(str_c(id), '/', &group, &name) ||
                   dfs_text_set(g.group, sizeof(g.group), group) < 0))
        r = -EPROTO;
    if (r < 0)
        return believe_change(op->s->o.cluster, &to, r);
    /* There is nothing there under its name any more. */
    r = sto_moved_forget(op->s->o.store, op->name);
    if (r == 0 || r == -ENOENT)
        r = sto_op_forget_hops(op);
    if (r < 0)
        return r;
    dfs_group_put(&op->out, &g);
    buf_adds(&op->out, name);
    sto_op_changed(op);
    return 0;
}

int sto_elsewhere_link(struct sto_op *op)
{
    struct sto_moved to;
    int r = find_for(op, &to);
    return r == 0 ? -EOPNOTSUPP : r;
}
