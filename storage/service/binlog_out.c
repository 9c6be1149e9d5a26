/* SPDX-License-Identifier: Apache-2.0 */
/*
 * binlog_out - 26 fetch one-path binlog: what a path holds, as lines of FastDFS's binlog.
 *
 * The answer's length is not known when it starts; its last 8 bytes count the bytes before them, and
 * the connection closes behind it. A reader without that trailer must take another peer.
 *
 * Rule: fastdfs-protocol.md 8.13.
 */
#include <ctype.h>
#include <inttypes.h>

#include "storage/service/op.h"

enum {
    LINE_MAX_BYTES = 2 * DFS_FILENAME_MAX + 32,
    TRAILER = 8,
    RECORDS_A_CALL = 1024,
};

struct fetch {
    struct sto_op op; /* first */
    struct dfs_block *blk;
    uint64_t position, bytes;
    bool at_end;
};

static int add_line(const struct sto_entry *e, void *arg)
{
    struct fetch *f = arg;
    struct dfs_block *b = f->blk;
    int op = toupper((unsigned char)e->op);
    if (b->cap - b->n < LINE_MAX_BYTES + TRAILER)
        return 1; /* full: this entry comes first in the next block */
    if (e->name.n == 0 || (op != 'C' && op != 'L'))
        return 0;
    int n = op == 'C' ? snprintf((char *)b->p + b->n, LINE_MAX_BYTES, "%" PRIu32 " %c " STR_F "\n",
                                 e->time_s, e->op, STR_A(e->name))
                      : snprintf((char *)b->p + b->n, LINE_MAX_BYTES,
                                 "%" PRIu32 " %c " STR_F " " STR_F "\n", e->time_s, e->op,
                                 STR_A(e->name), STR_A(e->extra));
    if (n < 0 || n >= LINE_MAX_BYTES)
        return -EINVAL;
    b->n += (size_t)n;
    f->bytes += (uint64_t)n;
    return 0;
}

static void fill(struct sto_iotask *t)
{
    struct fetch *f = (struct fetch *)t;
    struct dfs_block *b = f->blk;
    struct sto_scan scan = {.next = f->position};
    int r = 0;
    b->n = 0;
    do {
        f->position = scan.next;
        r = sto_scan(f->op.s->o.store, f->op.path, f->position, STO_SCAN_NO_DESC, RECORDS_A_CALL,
                     add_line, f, &scan);
    } while (r == 0 && !scan.at_end && scan.next != f->position &&
             b->cap - b->n >= LINE_MAX_BYTES + TRAILER);
    f->position = scan.next;
    if (r == 0 && scan.at_end) {
        for (int i = 0; i < TRAILER; i++)
            b->p[b->n++] = (uint8_t)(f->bytes >> (8 * (TRAILER - 1 - i)));
        b->last = true;
    }
    dfs_block_send(b, r);
}

static void more(struct dfs_req *req, struct dfs_block *blk)
{
    struct fetch *f = req->user;
    f->blk = blk;
    f->op.task.run = fill;
    sto_iopool_push(f->op.s->pool, f->op.path, STO_IO_READ, &f->op.task);
}

void sto_handle_fetch_binlog(struct dfs_req *req)
{
    struct dfs_fetch_binlog_req m;
    struct fetch *f = sto_op_new(req, sizeof(*f));
    if (!f)
        return;
    int r = dfs_fetch_binlog_req_get(req->body, &m);
    if (r == 0)
        r = sto_check_group(f->op.s, m.group);
    if (r == 0 && m.path_index >= sto_store_path_count(f->op.s->o.store))
        r = -EINVAL;
    if (r < 0) {
        dfs_req_reply(req, r, STR_NULL);
        return;
    }
    f->op.path = m.path_index;
    dfs_req_reply_stream(req, DFS_LEN_UNKNOWN, more);
    dfs_conn_close(req->conn);
}
