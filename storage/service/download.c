/* SPDX-License-Identifier: Apache-2.0 */
/* download - 14 download, 22 query file info. Rule: fastdfs-protocol.md 8.7, 8.9. */
#include <fcntl.h>
#include <unistd.h>

#include "storage/service/elsewhere.h"
#include "storage/service/forward.h"
#include "storage/sync/holder.h"
#include "storage/sync/repair.h"
#include "storage/trunk/check.h"

enum {
    FROM_MEMORY_MAX = 64 * 1024, /* read by the disk thread up to here; sendfile beyond it */
    READ_AHEAD = 4 * 1024 * 1024,
    INFO_NO_CRC = 1, /* flag in the header's status byte */
};

struct download {
    struct sto_op op; /* first */
    uint64_t offset, count;
    struct sto_view view;
    bool elsewhere; /* view is what another member has sent */
    int why;        /* it is asked for: what came of looking here */
};

static void download_fini(struct sto_op *op)
{
    struct download *d = (struct download *)op;
    dfs_close_fd(&d->view.fd);
}

static int read_into(struct buf *out, int fd, uint64_t at, size_t n)
{
    char *to = buf_room(out, n);
    if (!to)
        return buf_err(out);
    for (size_t got = 0; got < n;) {
        ssize_t r = pread(fd, to + got, n - got, (off_t)(at + got));
        if (r < 0 && errno == EINTR)
            continue;
        if (r <= 0)
            return r < 0 ? -errno : -EIO;
        got += (size_t)r;
    }
    buf_used(out, n);
    return 0;
}

/* A slot is emptied before its place is given back: what was read by then is what it held. Its header was read before. */
static bool still_held(struct dfs_req *req)
{
    const struct download *d = req->user;
    return sto_view_holds(&d->view, d->op.name);
}

static void send_file(struct sto_op *op)
{
    struct download *d = (struct download *)op;
    if (op->result < 0)
        dfs_req_reply(op->req, op->result, STR_NULL);
    else /* while a packed file is sent it may be deleted, or move to another group (moved.h) */
        dfs_req_reply_file(op->req, d->view.fd, d->view.offset + d->offset, d->count,
                           d->view.in_pack ? still_held : NULL);
}

static int send_view(struct download *d);

/* Another server sent the range asked for, into an unnamed file at view.fd. */
static int send_fetched(struct download *d, uint64_t size)
{
    d->view.size = size;
    d->view.offset = 0;
    d->view.in_pack = d->view.told = false;
    d->elsewhere = true;
    d->offset = 0;
    d->count = 0;
    return send_view(d);
}

static int from_a_member(struct sto_op *op)
{
    struct download *d = (struct download *)op;
    uint64_t size = 0;
    int r = sto_forward_content(op, &d->view.fd, &size);
    if (r == 0 && d->why == -ENOENT) /* it may only be late */
        sto_repair_suspect(op->s->o.repair, op->name, STO_SUSPECT_MISSING);
    if (r < 0)
        return r == -ENOENT ? d->why : r;
    return send_fetched(d, size);
}

/* Not here, damaged, or moved (@why). STO_OP_AGAIN. */
static int from_elsewhere(struct download *d, int why)
{
    uint64_t size = 0;
    if (why == -EREMOTE) {
        int r = sto_elsewhere_content(&d->op, d->offset, d->count, &d->view.fd, &size);
        return r != 0 ? r : send_fetched(d, size);
    }
    if (why != -ENOENT)
        sto_repair_suspect(d->op.s->o.repair, d->op.name, STO_SUSPECT_BAD);
    int r = sto_forward_may(&d->op, why != -ENOENT);
    d->why = why;
    return r == 0 ? sto_op_ask(&d->op, STO_ASKS_MEMBERS, from_a_member) : r == -ENOENT ? why : r;
}

/* Whole files are checked on the way. */
static int to_memory(struct download *d)
{
    struct sto_op *op = &d->op;
    int r = read_into(&op->out, d->view.fd, d->view.offset + d->offset, (size_t)d->count);
    if (r == 0 && d->offset == 0 && d->count == d->view.size && d->view.told)
        r = sto_bytes_are(op->name, op->out.p, op->out.n);
    if (!sto_read_says_damaged(r) || d->elsewhere)
        return r;
    dfs_close_fd(&d->view.fd);
    buf_reset(&op->out);
    return from_elsewhere(d, r);
}

static int send_view(struct download *d)
{
    /* An empty file: nothing from offset 0 is right, though the reference says EINVAL (8.7). */
    if (d->offset > d->view.size || (d->offset == d->view.size && d->view.size > 0))
        return -EINVAL;
    uint64_t left = d->view.size - d->offset;
    if (d->count == 0 || d->count > left)
        d->count = left;
    d->op.bytes = d->count;
    if (d->count <= FROM_MEMORY_MAX)
        return d->count == 0 ? 0 : to_memory(d);
    /* Cold pages come in here rather than under the loop's sendfile. */
    readahead(d->view.fd, (off64_t)(d->view.offset + d->offset),
              (size_t)MIN(d->count, (uint64_t)READ_AHEAD));
    d->op.answer = send_file;
    return 0;
}

static int download_work(struct sto_op *op)
{
    struct download *d = (struct download *)op;
    int r = sto_open_read(op->s->o.store, op->name, &d->view);
    if (r == -ENOENT || r == -EREMOTE || sto_read_says_damaged(r))
        return from_elsewhere(d, r);
    return r < 0 ? r : send_view(d);
}

void sto_handle_download(struct dfs_req *req)
{
    struct dfs_download_req m;
    struct str name;
    struct download *d = sto_op_new(req, sizeof(*d));
    if (!d)
        return;
    d->view.fd = -1;
    d->op.fini = download_fini;
    d->op.bytes_stat = STO_STAT_DOWNLOAD_BYTES;
    int r = dfs_download_req_head(req->body, &m, &name);
    if (r == 0)
        r = sto_op_group_name(&d->op, m.group, name);
    if (r < 0) {
        dfs_req_reply(req, r, STR_NULL);
        return;
    }
    d->offset = m.offset;
    d->count = m.count;
    sto_forward_note(&d->op);
    if (d->op.from_peer && d->offset > 0 && d->op.s->o.followers)
        sto_followers_progress(d->op.s->o.followers, dfs_conn_peer(req->conn)->host, d->op.name,
                               d->offset);
    sto_op_run(&d->op, STO_IO_READ, download_work);
}

/* The address of the server that took the file; empty when no member has that number. */
static void source_address(struct sto_op *op, char out[DFS_IP_MAX + 1])
{
    struct dfs_fileid id;
    struct sto_member member;
    char source[16];
    out[0] = '\0';
    if (dfs_filename_parse(op->name, &id) < 0)
        return;
    dfs_fileid_source_text(&id, source);
    if (sto_members_find(op->s->o.members, source, &member) == 0)
        memcpy(out, member.ip, sizeof(member.ip));
    else if (dfs_fileid_source_id(&id) == 0)
        memcpy(out, source, sizeof(source));
}

/* A member's question, which tells more of times. */
static bool wants_times(const struct sto_op *op)
{
    uint8_t status = op->req->head.status;
    return op->from_peer && status & DFS_ASK_NO_OTHER_GROUP && status & INFO_NO_CRC;
}

static int64_t crc_or_time(const struct sto_op *op, const struct sto_info *info)
{
    if (info->has_crc)
        return (int32_t)info->crc32;
    if (!wants_times(op))
        return 0;
    return info->version > 0 ? DFS_INFO_US + info->version % 1000000
                             : DFS_INFO_MS + info->mtime_ms % 1000;
}

static int info_work(struct sto_op *op)
{
    struct sto_info info;
    bool want_crc = (op->req->head.status & INFO_NO_CRC) == 0;
    int r = wants_times(op) ? sto_info_settled(op->s->o.store, op->name, &info)
                            : sto_info(op->s->o.store, op->name, want_crc, &info);
    if (r == -EREMOTE)
        return sto_elsewhere_info(op);
    if (r == -ENOENT && op->from_peer && op->req->head.status & DFS_ASK_WHO_HAS)
        return sto_holder_absent(op->s->o.members);
    if (r == -ENOENT)
        return sto_forward_call(op);
    if (r < 0)
        return r;
    struct dfs_file_info_rsp m = {
        .size = (int64_t)info.size,
        .created_s = info.mtime_s,
        .crc32 = crc_or_time(op, &info),
    };
    if (op->hops)
        m.created_s = sto_elsewhere_created(op->hops->asked, m.created_s);
    source_address(op, m.source_ip);
    enum dfs_ipw w = op->s->o.params.wide_addresses ? DFS_IPW6 : DFS_IPW4;
    if (strlen(m.source_ip) >= (size_t)w)
        m.source_ip[0] = '\0';
    dfs_file_info_rsp_put(&op->out, w, &m);
    return 0;
}

void sto_handle_info(struct dfs_req *req)
{
    sto_forward_command(req, STO_IO_READ, info_work);
}
