/* SPDX-License-Identifier: Apache-2.0 */
/* answer - from q->resp to a response of libmicrohttpd: bytes, a file by sendfile, or pieces of
 * files. */
#include "dfscore/log/log.h"
#include "s3gw/api/reader.h"
#include "s3gw/core/ahead.h"
#include "s3gw/core/gw.h"
#include "s3gw/dfs/dfs.h"
#include "s3gw/http/exchange.h"

/* ---- pieces of files ---- */

/* The sizes of the block and of libmicrohttpd's buffer. False: more than is left of the memory that all answers
 * share. */
static bool size_block(struct s3_exchange *x, size_t block, size_t through)
{
    if (!s3_budget_take(&x->http->gw->small, block + through))
        return false;
    x->req.resp.counted += block + through; /* given back with the request */
    x->out.size = block;
    x->out.through = through;
    return true;
}

/* A long sealed body: large pieces, and frames that are read ahead. False: one that is not, or no memory for it. */
static bool size_long_sealed(struct s3_exchange *x)
{
    struct s3_resp *resp = &x->req.resp;
    struct s3_ahead **ahead = &x->out.ahead;
    if (resp->body_length < S3_OUT_AHEAD || s3_ahead_new(&x->http->aheads, S3_RUN_BYTES, ahead) < 0)
        return false;
    if (!size_block(x, S3_OUT_BLOCK, S3_OUT_BLOCK)) {
        s3_ahead_free(ahead);
        return false;
    }
    s3_reader_ahead(resp->reader, *ahead);
    return true;
}

static bool make_block(struct s3_exchange *x)
{
    struct s3_outflow *o = &x->out;
    bool sized = x->req.resp.reader
                     ? size_long_sealed(x) || size_block(x, S3_OUT_SEALED, S3_OUT_SEALED)
                     : size_block(x, S3_OUT_BLOCK, S3_OUT_THROUGH);
    if (!sized)
        o->size = o->through = S3_OUT_BLOCK_MIN;
    o->block = dfs_alloc(o->size);
    return o->block != NULL;
}

/* The next piece of a body that has a reader. */
static int next_of_reader(struct s3_exchange *x, char *out, size_t max, bool wait, size_t *ret)
{
    struct s3_outflow *o = &x->out;
    struct s3_reader *rd = x->req.resp.reader;
    *ret = s3_reader_step(rd, o->done, max);
    int r = *ret > 0 ? s3_reader_read(rd, x->http->gw->dfs, o->done, out, *ret, wait) : -ERANGE;
    o->done += r == 0 ? *ret : 0;
    return r;
}

/* Up to @max bytes, the next ones. 0, -EAGAIN (only without @wait), or why they cannot be had. */
static int next_piece(struct s3_exchange *x, char *out, size_t max, bool wait, size_t *ret)
{
    struct s3_outflow *o = &x->out;
    const struct s3_resp *resp = &x->req.resp;
    if (resp->reader)
        return next_of_reader(x, out, max, wait, ret);
    if (o->extent == resp->nextents)
        return -ERANGE;
    const struct s3_extent *e = &resp->extents[o->extent];
    *ret = (size_t)MIN(e->length - o->done, (uint64_t)max);
    uint64_t at = e->offset + o->done;
    struct s3_dfs *d = x->http->gw->dfs;
    int r = x->req.native_id.p ? s3_dfs_read(d, e->file_id, at, out, *ret, wait)
                               : s3_dfs_read_on(d, &o->run, e->file_id, at, out, *ret, wait);
    if (r < 0)
        return r;
    o->done += *ret;
    if (o->done == e->length) {
        o->extent++;
        o->done = 0;
    }
    return 0;
}

/* The next piece into the block. */
static int fill(struct s3_exchange *x, bool wait)
{
    struct s3_outflow *o = &x->out;
    size_t n;
    if (!o->block && !make_block(x))
        return -ENOMEM;
    int r = next_piece(x, o->block, o->size, wait, &n);
    if (r == 0) {
        o->from = 0;
        o->to = n;
    }
    return r;
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

static ssize_t read_pieces(void *arg, uint64_t pos, char *out, size_t max)
{
    (void)pos; /* always in order */
    struct s3_exchange *x = arg;
    struct s3_outflow *o = &x->out;
    s3_exchange_received(x);
    if (o->error < 0)
        return cut(x, o->error);
    if (o->from == o->to) {
        size_t direct; /* to libmicrohttpd's buffer: read, or decrypted, where it is sent from */
        int r = next_piece(x, out, max, false, &direct);
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
        return r < 0 ? cut(x, r) : (ssize_t)direct;
    }
    size_t n = MIN(max, o->to - o->from);
    memcpy(out, o->block + o->from, n);
    o->from += n;
    return (ssize_t)n;
}

/* ---- the kinds of bodies ---- */

/* HEAD, and 304 whatever the method: a length without a body. */
static bool is_head_only(const struct s3_exchange *x)
{
    return x->req.method == S3_HEAD || x->req.resp.status == 304;
}

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
    /* TLS has to have the bytes, and libmicrohttpd would read them 4 KiB at a time. */
    int r =
        resp->nextents == 1 && !wait && !x->http->tls
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
    return MHD_create_response_from_callback(resp->body_length, x->out.through, read_pieces, x,
                                             NULL);
}

static struct MHD_Response *body(struct s3_exchange *x)
{
    struct s3_resp *resp = &x->req.resp;
    uint64_t length = resp->has_extents || resp->body_length > 0 ? resp->body_length : resp->body.n;
    x->sent = is_head_only(x) ? 0 : length;
    if (is_head_only(x) && length > 0)
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
