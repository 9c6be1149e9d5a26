/* SPDX-License-Identifier: Apache-2.0 */
/* answer - from q->resp to a response of libmicrohttpd: bytes, a file by sendfile, or pieces of
 * files. */
#include "dfscore/log/log.h"
#include "s3gw/api/reader.h"
#include "s3gw/core/gw.h"
#include "s3gw/dfs/dfs.h"
#include "s3gw/http/exchange.h"

/* ---- pieces of files ---- */

/* A block as large as the memory shared by all answers allows. */
static bool make_block(struct s3_exchange *x)
{
    struct s3_outflow *o = &x->out;
    o->size = S3_OUT_BLOCK_MIN;
    if (s3_budget_take(&x->http->gw->small, S3_OUT_BLOCK)) {
        x->req.resp.counted += S3_OUT_BLOCK; /* given back with the request */
        /* Behind a reader half of it is libmicrohttpd's buffer: read_through(). */
        o->size = x->req.resp.reader ? S3_OUT_BLOCK / 2 : S3_OUT_BLOCK;
    }
    o->block = dfs_alloc(o->size);
    return o->block != NULL;
}

/* The next piece of a body that has a reader. */
static int fill_from_reader(struct s3_exchange *x, bool wait)
{
    struct s3_outflow *o = &x->out;
    const struct s3_resp *resp = &x->req.resp;
    size_t n = s3_reader_step(resp->reader, o->done, o->size);
    if (n == 0)
        return -ERANGE;
    int r = s3_reader_read(resp->reader, x->http->gw->dfs, o->done, o->block, n, wait);
    if (r < 0)
        return r;
    o->from = 0;
    o->to = n;
    o->done += n;
    return 0;
}

/* Read the next piece into the block. 0, -EAGAIN (only without @wait), or why it cannot be had. */
static int fill(struct s3_exchange *x, bool wait)
{
    struct s3_outflow *o = &x->out;
    const struct s3_resp *resp = &x->req.resp;
    if (!o->block && !make_block(x))
        return -ENOMEM;
    if (resp->reader)
        return fill_from_reader(x, wait);
    if (o->extent == resp->nextents)
        return -ERANGE;
    const struct s3_extent *e = &resp->extents[o->extent];
    size_t n = (size_t)MIN(e->length - o->done, (uint64_t)o->size);
    int r = s3_dfs_read(x->http->gw->dfs, e->file_id, e->offset + o->done, o->block, n, wait);
    if (r < 0)
        return r;
    o->from = 0;
    o->to = n;
    o->done += n;
    if (o->done == e->length) {
        o->extent++;
        o->done = 0;
    }
    return 0;
}

static void fill_on_worker(void *arg)
{
    struct s3_exchange *x = arg;
    x->out.error = fill(x, true);
    s3_exchange_resume(x);
}

/* The bytes are not to be had: end the connection, so that the client does not take a part for the
 * whole. */
static ssize_t cut(struct s3_exchange *x, int r)
{
    dfs_log(LOG_ERROR, "http.body_cut", KV_Z("req", x->req.request_id),
            KV_STR("bucket", x->req.bucket), KV_STR("key", x->req.key), KV_ERR(r));
    return MHD_CONTENT_READER_END_WITH_ERROR;
}

/* Straight to libmicrohttpd's buffer: decrypted where it is sent from. As fill(), without waiting. */
static int read_through(struct s3_exchange *x, char *out, size_t max, size_t *ret)
{
    struct s3_outflow *o = &x->out;
    struct s3_reader *rd = x->req.resp.reader;
    size_t n = s3_reader_step(rd, o->done, max);
    int r = n > 0 ? s3_reader_read(rd, x->http->gw->dfs, o->done, out, n, false) : -ERANGE;
    if (r == 0) {
        o->done += n;
        *ret = n;
    }
    return r;
}

static ssize_t read_pieces(void *arg, uint64_t pos, char *out, size_t max)
{
    (void)pos; /* always in order */
    struct s3_exchange *x = arg;
    struct s3_outflow *o = &x->out;
    size_t direct = 0;
    s3_exchange_received(x);
    if (o->error < 0)
        return cut(x, o->error);
    if (o->from == o->to) {
        int r = x->req.resp.reader ? read_through(x, out, max, &direct) : fill(x, false);
        if (r == -EAGAIN) {
            if (!s3_exchange_reserve(x->http))
                return cut(x, -ECANCELED);
            x->job = (struct s3_job){.run = fill_on_worker, .arg = x};
            MHD_suspend_connection(x->conn);
            if (s3_pool_submit(x->http->workers, &x->job) < 0) {
                o->error = -EAGAIN;
                s3_exchange_resume(x);
            }
            return 0;
        }
        if (r < 0)
            return cut(x, r);
        if (direct > 0)
            return (ssize_t)direct;
    }
    size_t n = MIN(max, o->to - o->from);
    memcpy(out, o->block + o->from, n);
    o->from += n;
    return (ssize_t)n;
}

/* ---- the kinds of bodies ---- */

/* HEAD: a length without a body. */
static ssize_t never_read(void *arg, uint64_t pos, char *out, size_t max)
{
    (void)arg;
    (void)pos;
    (void)out;
    (void)max;
    return MHD_CONTENT_READER_END_WITH_ERROR;
}

static bool has_file_body(const struct s3_exchange *x)
{
    const struct s3_resp *resp = &x->req.resp;
    return resp->has_extents && resp->body_length > 0 && x->req.method != S3_HEAD;
}

int s3_answer_begin(struct s3_exchange *x, bool wait)
{
    const struct s3_resp *resp = &x->req.resp;
    struct s3_outflow *o = &x->out;
    if (o->begun || !has_file_body(x))
        return 0;
    const struct s3_extent *e = &resp->extents[0];
    int r = resp->nextents == 1 && !wait
                ? s3_dfs_open(x->http->gw->dfs, e->file_id, e->offset, e->length, false, &o->fd, &o->at)
                : -ENOTSUP;
    if (r < 0)
        r = fill(x, wait);
    o->begun = r == 0;
    return r;
}

static struct MHD_Response *file_body(struct s3_exchange *x)
{
    const struct s3_resp *resp = &x->req.resp;
    if (x->out.fd >= 0) {
        struct MHD_Response *r =
            MHD_create_response_from_fd_at_offset64(resp->body_length, x->out.fd, x->out.at);
        if (r)
            x->out.fd = -1; /* the response's */
        return r;
    }
    size_t block = resp->reader ? x->out.size : S3_OUT_BLOCK_MIN;
    return MHD_create_response_from_callback(resp->body_length, block, read_pieces, x, NULL);
}

static struct MHD_Response *body(struct s3_exchange *x)
{
    struct s3_resp *resp = &x->req.resp;
    uint64_t length = resp->has_extents || resp->body_length > 0 ? resp->body_length : resp->body.n;
    x->sent = x->req.method == S3_HEAD ? 0 : length;
    if (x->req.method == S3_HEAD && length > 0)
        return MHD_create_response_from_callback(length, 1024, never_read, NULL, NULL);
    if (resp->has_extents && length > 0)
        return file_body(x);
    return MHD_create_response_from_buffer(resp->body.n, resp->body.p, MHD_RESPMEM_PERSISTENT);
}

static bool add_headers(struct s3_exchange *x, struct MHD_Response *r)
{
    const struct s3_req *q = &x->req;
    bool ok = MHD_add_response_header(r, "x-amz-request-id", q->request_id) == MHD_YES &&
              MHD_add_response_header(r, "x-amz-id-2", q->request_id) == MHD_YES &&
              MHD_add_response_header(r, "Server", "s3gw") == MHD_YES;
    for (size_t i = 0; ok && i < q->resp.nheaders; i++) {
        const struct s3_pair *h = &q->resp.headers[i];
        /* libmicrohttpd refuses empty values; a blank is read as one. */
        ok = MHD_add_response_header(r, h->name.p, h->value.n > 0 ? h->value.p : " ") == MHD_YES;
    }
    if (ok && (q->resp.close || atomic_load(&x->http->draining)))
        ok = MHD_add_response_header(r, "Connection", "close") == MHD_YES;
    return ok;
}

struct MHD_Response *s3_answer_build(struct s3_exchange *x)
{
    struct s3_resp *resp = &x->req.resp;
    if (resp->no_memory || buf_err(&resp->body))
        return NULL;
    if (resp->status == 0)
        resp->status = 200;
    struct MHD_Response *r = body(x);
    if (r && !add_headers(x, r)) {
        MHD_destroy_response(r);
        return NULL;
    }
    return r;
}
