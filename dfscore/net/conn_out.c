/* SPDX-License-Identifier: Apache-2.0 */
/* Answers: from memory, from a file, from blocks of the service. */
#include <unistd.h>

#include "dfscore/base/clock.h"
#include "dfscore/net/conn_impl.h"
#include "dfscore/wire/status.h"

enum {
    KEEP_OUT = 64 * 1024,       /* output memory kept between requests */
    FILE_STEP = 1024 * 1024,    /* one sendfile */
    TURN_MAX = 4 * 1024 * 1024, /* bytes of one connection before others get their turn */
    HELD_BACK = 4096,           /* of a file, until it is known to be whole */
};

static void start_answer(struct dfs_conn *c, int r, uint64_t len)
{
    const struct dfs_header h = {r < 0 ? 0 : len, DFS_CMD_RESPONSE, dfs_status_byte(r)};
    dfs_header_put(&h, c->head);
    c->out_at = 0;
    c->req.result = r < 0 ? r : 0;
    c->in_service = false;
    c->writing = W_BYTES;
    c->blocked = false;
    if (r == -EINVAL && c->service->close_on_einval)
        c->closing = true;
    if (c->reading == R_HELD || c->reading == R_CONTENT || c->reading == R_COLLECT)
        c->reading = c->unread ? R_DRAIN : R_DONE;
}

/* The service gives its answer: exactly once. */
static void begin(struct dfs_req *req, int r, uint64_t len)
{
    struct dfs_conn *c = req->conn;
    CHECK_OBJ(c, CONN_MAGIC);
    ASSERT(c->in_service && dfs_loop_here(c->loop));
    start_answer(c, r, len);
}

void dfs_req_reply(struct dfs_req *req, int r, struct str body)
{
    struct dfs_conn *c = req->conn;
    if (r >= 0 && body.n) {
        c->out.max = OUT_MAX;
        buf_add(&c->out, body.p, body.n);
        if (buf_err(&c->out)) {
            r = buf_err(&c->out);
            buf_reset(&c->out);
        }
    }
    begin(req, r, c->out.n);
    conn_advance(c);
}

void dfs_req_reply_buf(struct dfs_req *req, struct buf *body)
{
    struct dfs_conn *c = req->conn;
    int r = buf_err(body);
    if (r == 0) {
        buf_free(&c->out);
        c->out = *body;
        *body = BUF(body->max);
    } else {
        buf_free(body);
    }
    begin(req, r, c->out.n);
    conn_advance(c);
}

void dfs_req_reply_file(struct dfs_req *req, int fd, uint64_t off, uint64_t len,
                        bool (*whole)(struct dfs_req *req))
{
    struct dfs_conn *c = req->conn;
    begin(req, 0, len);
    c->file_fd = fd;
    c->whole = whole;
    c->file_off = off;
    c->left = len;
    conn_advance(c);
}

void dfs_req_reply_stream(struct dfs_req *req, uint64_t len,
                          void (*more)(struct dfs_req *req, struct dfs_block *blk))
{
    struct dfs_conn *c = req->conn;
    begin(req, 0, len);
    c->left = len;
    c->more = more;
    c->stream_ends = false;
    conn_advance(c);
}

void dfs_req_drop(struct dfs_req *req)
{
    struct dfs_conn *c = req->conn;
    begin(req, -ECONNABORTED, 0);
    c->writing = W_SENT;
    conn_die(c);
    conn_advance(c);
}

int dfs_req_detach(struct dfs_req *req, struct dfs_stream *ret)
{
    struct dfs_conn *c = req->conn;
    int r = c->dead ? -EPIPE : c->unread > 0 || c->in_n > c->in_pos ? -EPROTO : 0;
    if (r == 0) {
        dfs_watch_free(&c->watch); /* while the descriptor is still ours */
        *ret = c->stream;
        c->stream = (struct dfs_stream){.fd = -1};
    }
    dfs_req_drop(req);
    return r;
}

void conn_forget_output(struct dfs_conn *c)
{
    while (c->queued)
        pool_give(c->pool, c->queue[--c->queued]);
    c->block_at = 0;
    c->file_fd = -1;
    c->whole = NULL;
    c->left = 0;
    c->more = NULL;
    if (c->out.cap > KEEP_OUT)
        buf_free(&c->out);
    buf_reset(&c->out);
    c->out_at = 0;
}

/* The stream's answer to a send: true when bytes went out. */
static bool moved(struct dfs_conn *c, ssize_t n)
{
    if (n > 0) {
        c->last_us = dfs_mono_us();
        return true;
    }
    if (n == -EAGAIN)
        c->blocked = true;
    else
        conn_die(c);
    return false;
}

static bool write_bytes(struct dfs_conn *c)
{
    size_t total = DFS_HEADER_LEN + c->out.n;
    struct iovec iov[2];
    size_t n_iov = 0;
    if (c->out_at < DFS_HEADER_LEN)
        iov[n_iov++] = (struct iovec){c->head + c->out_at, DFS_HEADER_LEN - c->out_at};
    size_t at = c->out_at > DFS_HEADER_LEN ? c->out_at - DFS_HEADER_LEN : 0;
    if (at < c->out.n)
        iov[n_iov++] = (struct iovec){c->out.p + at, c->out.n - at};
    ssize_t n = dfs_stream_send(&c->stream, iov, n_iov, c->left > 0);
    if (!moved(c, n))
        return false;
    c->out_at += (size_t)n;
    if (c->out_at == total) {
        c->req.sent = c->out.n;
        c->writing = c->file_fd >= 0 && c->left ? W_FILE : c->more ? W_STREAM : W_SENT;
    }
    return true;
}

/* Read before it is asked whether all is right, and sent after that. */
static ssize_t send_last(struct dfs_conn *c)
{
    uint8_t piece[HELD_BACK];
    ssize_t n = pread(c->file_fd, piece, (size_t)c->left, (off_t)c->file_off);
    if (n <= 0)
        return n < 0 ? -errno : 0;
    if (!c->whole(&c->req))
        return -ESTALE;
    const struct iovec iov = {piece, (size_t)n};
    return dfs_stream_send(&c->stream, &iov, 1, false);
}

static ssize_t send_step(struct dfs_conn *c)
{
    uint64_t n = c->left;
    if (c->whole && n <= HELD_BACK)
        return send_last(c);
    n = MIN(c->whole ? n - HELD_BACK : n, (uint64_t)FILE_STEP);
    return dfs_stream_send_file(&c->stream, c->file_fd, c->file_off, (size_t)n);
}

static bool write_file(struct dfs_conn *c)
{
    size_t turn = 0;
    while (c->left && turn < TURN_MAX) {
        ssize_t n = send_step(c);
        if (n == 0) { /* the file is shorter than we announced */
            conn_die(c);
            return true;
        }
        if (!moved(c, n))
            return false;
        c->file_off += (uint64_t)n;
        c->left -= (uint64_t)n;
        c->req.sent += (uint64_t)n;
        turn += (size_t)n;
    }
    if (c->left) {
        c->blocked = true; /* others first; the socket will say that it is still writable */
        return false;
    }
    c->writing = W_SENT;
    return true;
}

/* Ask the service for a block when none is on its way and the queue does not cover the rest. */
static void ask_for_more(struct dfs_conn *c)
{
    uint64_t covered = 0;
    for (size_t i = 0; i < c->queued; i++)
        covered += c->queue[i]->n;
    covered -= c->block_at;
    if (c->blocks_out || c->queued == STREAM_QUEUE || c->stream_ends || covered >= c->left)
        return;
    struct dfs_block *blk = pool_take(c);
    if (!blk)
        return;
    c->blocks_out++;
    blk->outgoing = true;
    c->more(&c->req, blk);
}

static bool write_block(struct dfs_conn *c)
{
    struct dfs_block *blk = c->queue[0];
    size_t n_left = (size_t)MIN((uint64_t)(blk->n - c->block_at), c->left);
    const struct iovec piece = {blk->p + c->block_at, n_left};
    ssize_t n = n_left ? dfs_stream_send(&c->stream, &piece, 1, false) : 0;
    if (n_left && !moved(c, n))
        return false;
    if (n > 0) {
        c->block_at += (size_t)n;
        c->left -= (uint64_t)n;
        c->req.sent += (uint64_t)n;
    }
    if (c->block_at == blk->n || c->left == 0) {
        c->queue[0] = c->queue[1];
        c->queued--;
        c->block_at = 0;
        pool_give(c->pool, blk);
    }
    return true;
}

static bool write_stream(struct dfs_conn *c)
{
    if (c->left == 0 || (c->stream_ends && c->queued == 0)) {
        if (c->blocks_out)
            return false;
        if (c->left)
            c->closing = true; /* the length was a lie (unknown): only the end tells */
        c->writing = W_SENT;
        return true;
    }
    ask_for_more(c);
    return !c->dead && c->queued && write_block(c);
}

bool conn_write(struct dfs_conn *c)
{
    if (c->blocked || c->dead)
        return false;
    switch (c->writing) {
    case W_BYTES:
        return write_bytes(c);
    case W_FILE:
        return write_file(c);
    case W_STREAM:
        return write_stream(c);
    case W_NONE:
    case W_SENT:
        break;
    }
    return false;
}
