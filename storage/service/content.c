/* SPDX-License-Identifier: Apache-2.0 */
#include "storage/service/content.h"

#include <isa-l/crc.h>
#include <unistd.h>

enum { COPY_BYTES = 128 * 1024 };

static void content_fini(struct sto_op *op)
{
    struct sto_content *c = (struct sto_content *)op;
    ASSERT(!c->first && !c->busy);
    sto_file_free(&c->file);
    pthread_mutex_destroy(&c->lock);
}

void *sto_content_new(struct dfs_req *req, size_t size)
{
    if (req->user)
        return req->user;
    struct sto_content *c = sto_op_new(req, size);
    if (!c)
        return NULL;
    pthread_mutex_init(&c->lock, NULL);
    c->op.fini = content_fini;
    return c;
}

static int write_all(int fd, const uint8_t *p, size_t n, uint64_t at)
{
    while (n > 0) {
        ssize_t w = pwrite(fd, p, n, (off_t)at);
        if (w < 0 && errno == EINTR)
            continue;
        if (w < 0)
            return -errno;
        p += w;
        n -= (size_t)w;
        at += (uint64_t)w;
    }
    return 0;
}

int sto_content_to_file(struct sto_content *c)
{
    if (c->file)
        return 0;
    int r = sto_file_open(c->op.s->o.store, (int)c->op.path, c->bytes.n, STO_NATIVE, &c->file);
    if (r < 0)
        return r;
    return write_all(sto_file_fd(c->file), (const uint8_t *)c->bytes.p, c->bytes.n, 0);
}

int sto_content_to_edit(struct sto_content *c, struct sto_edit *e)
{
    if (!c->file)
        return sto_edit_write(e, c->bytes.p, c->bytes.n);
    AUTO(dfs_free_ptr) uint8_t *bytes = dfs_alloc(COPY_BYTES);
    if (!bytes)
        return -ENOMEM;
    for (uint64_t at = 0; at < c->len;) {
        size_t want = (size_t)MIN(c->len - at, (uint64_t)COPY_BYTES);
        ssize_t n = pread(sto_file_fd(c->file), bytes, want, (off_t)at);
        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0)
            return n < 0 ? -errno : -EIO;
        int r = sto_edit_write(e, bytes, (size_t)n);
        if (r < 0)
            return r;
        at += (uint64_t)n;
    }
    return 0;
}

static int settle_collected(struct sto_op *op)
{
    struct sto_content *c = (struct sto_content *)op;
    c->crc32 = crc32_gzip_refl(0, (const unsigned char *)c->bytes.p, c->bytes.n);
    return c->settle(c);
}

static void begin_collected(struct sto_content *c)
{
    c->bytes = str_of(c->op.req->body.p + c->head, (size_t)c->len);
    c->state = STO_CT_SETTLING;
    sto_op_run(&c->op, STO_IO_WRITE, settle_collected);
}

/* On the loop. */
static void accept_or_refuse(struct sto_op *op)
{
    struct sto_content *c = (struct sto_content *)op;
    pthread_mutex_lock(&c->lock);
    c->busy = false;
    c->state = STO_CT_FLOWING;
    bool gone = c->gone;
    pthread_mutex_unlock(&c->lock);
    op->answer = NULL;
    if (gone)
        dfs_req_drop(op->req);
    else if (op->result < 0)
        dfs_req_reply(op->req, op->result, STR_NULL);
    else
        dfs_req_accept(op->req);
}

static int open_file(struct sto_op *op)
{
    struct sto_content *c = (struct sto_content *)op;
    int r = c->check ? c->check(c) : 0;
    return r < 0 ? r : sto_file_open(op->s->o.store, (int)op->path, c->len, STO_NATIVE, &c->file);
}

void sto_content_begin(struct sto_content *c, uint64_t collect_max)
{
    struct dfs_req *req = c->op.req;
    if (req->body.n == req->head.len) {
        begin_collected(c);
        return;
    }
    if (c->len <= collect_max && sto_op_collect(&c->op, c->len)) {
        int r = dfs_req_more(req, req->head.len - req->body.n);
        if (r < 0)
            dfs_req_reply(req, r, STR_NULL);
        return;
    }
    c->state = STO_CT_OPENING;
    c->busy = true;
    c->op.answer = accept_or_refuse;
    sto_op_run(&c->op, STO_IO_WRITE, open_file);
}

/* Peer gone and no block out: on the loop. */
static void drop_on_loop(struct dfs_req *req)
{
    dfs_req_drop(req);
}

static void write_block(struct sto_content *c, struct dfs_block *b)
{
    if (c->error == 0 && c->written + b->n > c->len)
        c->error = -EINVAL;
    if (c->error < 0 || b->n == 0)
        return;
    c->crc32 = crc32_gzip_refl(c->crc32, b->p, b->n);
    c->error = write_all(sto_file_fd(c->file), b->p, b->n, c->written);
    c->written += b->n;
}

static int settle_streamed(struct sto_op *op)
{
    struct sto_content *c = (struct sto_content *)op;
    if (c->error == 0 && c->written != c->len)
        c->error = -EINVAL;
    return c->error < 0 ? c->error : c->settle(c);
}

static void write_blocks(struct sto_iotask *t)
{
    struct sto_content *c = (struct sto_content *)t;
    for (;;) {
        pthread_mutex_lock(&c->lock);
        struct dfs_block *b = c->first;
        bool gone = c->gone;
        if (!b) {
            c->busy = false;
            pthread_mutex_unlock(&c->lock);
            /* busy was ours: nobody else drops, and no block can come any more. */
            if (gone)
                dfs_req_post(c->op.req, drop_on_loop);
            return;
        }
        c->first = b->user;
        bool last = b->last;
        if (last)
            c->state = STO_CT_SETTLING;
        pthread_mutex_unlock(&c->lock);
        if (!gone)
            write_block(c, b);
        dfs_block_put(b);
        if (last) {
            c->op.work = c->op.first = settle_streamed; /* may go on elsewhere (sto_op_ask()) */
            int r = settle_streamed(&c->op);
            pthread_mutex_lock(&c->lock);
            c->busy = false;
            pthread_mutex_unlock(&c->lock);
            sto_op_worked(&c->op, r);
            return;
        }
    }
}

void sto_content(struct dfs_req *req, struct dfs_block *blk)
{
    struct sto_content *c = req->user;
    pthread_mutex_lock(&c->lock);
    blk->user = NULL;
    if (c->first)
        c->newest->user = blk;
    else
        c->first = blk;
    c->newest = blk;
    bool start = !c->busy;
    c->busy = true;
    pthread_mutex_unlock(&c->lock);
    if (start) {
        c->op.task.run = write_blocks;
        sto_iopool_push(c->op.s->pool, c->op.path, STO_IO_WRITE, &c->op.task);
    }
}

void sto_content_abort(struct dfs_req *req)
{
    struct sto_content *c = req->user;
    if (!c) {
        dfs_req_drop(req);
        return;
    }
    pthread_mutex_lock(&c->lock);
    bool now = !c->busy && c->state != STO_CT_SETTLING;
    c->gone = true;
    pthread_mutex_unlock(&c->lock);
    if (now)
        dfs_req_drop(req);
}
