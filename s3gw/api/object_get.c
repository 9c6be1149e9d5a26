/* SPDX-License-Identifier: Apache-2.0 */
/* GetObject and HeadObject. Rule: s3-behaviours 12, 13, 14; S3 API Reference, GetObject. */
#include "dfscore/log/log.h"
#include "dfscore/wire/internal.h"
#include "s3gw/api/answer.h"
#include "s3gw/api/encryption.h"
#include "s3gw/api/handlers.h"
#include "s3gw/api/lookup.h"
#include "s3gw/api/object_get.h"
#include "s3gw/api/object_headers.h"
#include "s3gw/api/reader.h"
#include "s3gw/core/gw.h"
#include "s3gw/core/precond.h"
#include "s3gw/core/range.h"
#include "s3gw/dfs/dfs.h"
#include "s3gw/index/bucket.h"

enum {
    MEMORY_MAX = DFS_PACK_MAX, /* answers up to this are read whole and, from packs, checked before
                                  they are sent */
    UNCOUNTED_MAX = 16 * 1024, /* no more than a connection costs anyway */
    RELOOK_MAX = 4,            /* an object replaced under a reader is looked up again so often */
    PART_NUMBER_MAX = 10000,
};

/* What of the object is asked for. */
struct window {
    bool partial;      /* 206 with Content-Range */
    uint64_t first, n; /* bytes */
};

/* ---- which bytes ---- */

/* Only of a COMPOSITE object are the checksums of its parts told. */
static void part_checksum(struct s3_req *q, const struct s3_object *o, const struct s3_part *part)
{
    const struct s3_checksum *c = &part->checksum;
    if (o->checksum.alg != c->alg || c->alg == S3_CK_NONE || o->checksum.type != S3_CK_COMPOSITE ||
        !str_ieq(s3_req_option(q, STR("x-amz-checksum-mode")), STR("ENABLED")))
        return;
    char text[S3_CK_TEXT_MAX];
    size_t n = s3_checksum_text(c, 0, text);
    s3_resp_header(q, s3_checksum_info(c->alg)->header, str_of(text, n));
    s3_resp_header(q, "x-amz-checksum-type", s3_checksum_type_name(S3_CK_COMPOSITE));
}

/* The part asked for; 0: none was. */
static enum s3err part_number(struct s3_req *q, uint64_t *ret)
{
    struct str number = s3_req_param(q, STR("partNumber"));
    *ret = 0;
    if (!number.p)
        return S3ERR_OK;
    if (str_u64(number, PART_NUMBER_MAX, ret) < 0 || *ret == 0)
        return s3_err_arg(q, "Part number must be an integer between 1 and 10000, inclusive",
                          "partNumber", number);
    if (s3_req_header(q, STR("range")).p)
        return s3_errm(q, S3ERR_INVALID_REQUEST,
                       "Cannot specify both Range header and partNumber query parameter");
    return S3ERR_OK;
}

static enum s3err part_window(struct s3_req *q, const struct s3_object *o, uint64_t n,
                              struct window *w)
{
    if (n > MAX(o->nparts, (size_t)1)) /* Differs: as AWS */
        return s3_err2(q, S3ERR_INVALID_PART_NUMBER, "ActualPartCount",
                       arena_printf(&q->arena, "%zu", MAX(o->nparts, (size_t)1)),
                       "PartNumberRequested", s3_req_param(q, STR("partNumber")));
    *w = (struct window){.partial = o->size > 0, .n = o->size};
    if (o->nparts > 0) {
        for (size_t i = 0; i + 1 < n; i++)
            w->first += o->parts[i].size;
        w->n = o->parts[n - 1].size;
        part_checksum(q, o, &o->parts[n - 1]);
    }
    return S3ERR_OK;
}

static enum s3err range_window(struct s3_req *q, const struct s3_object *o, struct window *w)
{
    *w = (struct window){.n = o->size};
    struct str header = s3_req_header(q, STR("range"));
    if (!header.p || !s3_precond_if_range(q, &o->etag, o->mtime_ms))
        return S3ERR_OK;
    struct s3_range r;
    int err = s3_range_parse(header, o->size, &r);
    if (err == -ERANGE) {
        char text[S3_CONTENT_RANGE_MAX];
        s3_range_content(NULL, o->size, text);
        s3_resp_header(q, "Content-Range", str_c(text));
        return s3_err2(q, S3ERR_INVALID_RANGE, "RangeRequested", header, "ActualObjectSize",
                       arena_printf(&q->arena, "%llu", (unsigned long long)o->size));
    }
    if (err == 0)
        *w = (struct window){.partial = true, .first = r.first, .n = r.last - r.first + 1};
    return S3ERR_OK;
}

static enum s3err window_of(struct s3_req *q, const struct s3_object *o, struct window *w)
{
    uint64_t part;
    enum s3err e = part_number(q, &part);
    if (e == S3ERR_OK)
        e = part ? part_window(q, o, part, w) : range_window(q, o, w);
    if (e != S3ERR_OK || !w->partial)
        return e;
    if (w->n > 0) { /* a part may be empty */
        char text[S3_CONTENT_RANGE_MAX];
        s3_range_content(&(struct s3_range){w->first, w->first + w->n - 1}, o->size, text);
        s3_resp_header(q, "Content-Range", str_c(text));
    }
    q->resp.status = 206;
    return S3ERR_OK;
}

/* ---- the bytes ---- */

/* The runs of files that make up the window. 0; -EBADMSG when the manifest is shorter than the
 * object. */
static int cut_extents(struct s3_req *q, const struct s3_object *o, const struct window *w)
{
    struct s3_extent *out = arena_alloc(&q->arena, MAX(o->nextents, (size_t)1) * sizeof(*out));
    if (!out)
        return -ENOMEM;
    size_t n = 0;
    uint64_t skip = w->first, left = w->n;
    for (size_t i = 0; i < o->nextents && left > 0; i++) {
        struct s3_extent e = o->extents[i];
        if (skip >= e.length) {
            skip -= e.length;
            continue;
        }
        e.offset += skip;
        e.length = MIN(e.length - skip, left);
        skip = 0;
        left -= e.length;
        out[n++] = e;
    }
    q->resp.extents = out;
    q->resp.nextents = n;
    q->resp.body_length = w->n;
    return left == 0 ? 0 : -EBADMSG;
}

static int read_to_memory(struct s3_req *q, size_t n)
{
    buf_reset(&q->resp.body);
    char *out = buf_room(&q->resp.body, n);
    if (!out)
        return -ENOMEM;
    for (size_t i = 0; i < q->resp.nextents; i++) {
        const struct s3_extent *e = &q->resp.extents[i];
        int r = s3_dfs_read(q->gw->dfs, e->file_id, e->offset, out, e->length, q->may_block);
        if (r < 0)
            return r;
        out += e->length;
    }
    buf_used(&q->resp.body, n);
    q->resp.body_length = 0; /* the bytes themselves say it */
    return 0;
}

/* Answers wait in memory for slow readers: what is more than little counts against a shared
 * ceiling. When that is reached the answer goes out in small pieces. */
static bool may_buffer(struct s3_req *q, uint64_t n)
{
    if (n <= UNCOUNTED_MAX || q->resp.counted >= n)
        return true;
    if (!s3_budget_take(&q->gw->small, n - q->resp.counted))
        return false;
    q->resp.counted = n;
    return true;
}

/* The same through a reader, which decrypts. */
static int fill_sealed(struct s3_req *q, const struct s3_object *o, const uint8_t *dek,
                       const struct window *w)
{
    int r = s3_reader_new(q, o, dek, w->first, w->n, &q->resp.reader);
    q->resp.body_length = w->n;
    if (r < 0 || w->n == 0)
        return r;
    q->resp.has_extents = w->n > MEMORY_MAX || !may_buffer(q, w->n);
    if (q->resp.has_extents)
        return 0;
    buf_reset(&q->resp.body);
    char *out = buf_room(&q->resp.body, (size_t)w->n);
    r = out ? s3_reader_read(q->resp.reader, q->gw->dfs, 0, out, (size_t)w->n, q->may_block)
            : -ENOMEM;
    if (r < 0)
        return r;
    buf_used(&q->resp.body, (size_t)w->n);
    q->resp.body_length = 0;
    return 0;
}

static int fill_body(struct s3_req *q, const struct s3_object *o, const uint8_t *dek,
                     const struct window *w)
{
    int r = dek ? fill_sealed(q, o, dek, w) : cut_extents(q, o, w);
    if (r < 0 || dek)
        return r;
    if (w->n > 0 && w->n <= MEMORY_MAX && may_buffer(q, w->n))
        return read_to_memory(q, (size_t)w->n);
    q->resp.has_extents = true;
    return 0;
}

/* ---- the handlers ---- */

static enum s3err not_read(struct s3_req *q, int r)
{
    s3_resp_reset(q); /* headers of the object do not belong to an error */
    dfs_log(LOG_ERROR, "s3.object_unreadable", KV_Z("req", q->request_id),
            KV_STR("bucket", q->bucket), KV_STR("key", q->key), KV_ERR(r));
    return r == -EHOSTUNREACH ? S3ERR_SERVICE_UNAVAILABLE : S3ERR_INTERNAL_ERROR;
}

enum s3err s3_object_serve(struct s3_req *q, const struct s3_object *o, const uint8_t *dek,
                           void (*headers)(struct s3_req *q, const struct s3_object *o), int *ret_r)
{
    *ret_r = 0;
    s3_resp_reset(q);
    enum s3err e = s3_precond_read(q, &o->etag, o->mtime_ms);
    if (e == S3ERR_NOT_MODIFIED) {
        s3_object_not_modified_headers(q, o);
        q->resp.body_length = o->size; /* what the answer would have had: RFC 9110, 8.6 */
    }
    struct window w = {0};
    if (e == S3ERR_OK)
        e = window_of(q, o, &w);
    if (e != S3ERR_OK)
        return e;
    headers(q, o);
    if (q->method == S3_GET)
        *ret_r = fill_body(q, o, dek, &w);
    else
        q->resp.body_length = w.n;
    return S3ERR_OK;
}

/*
 * An adopted file is its FastDFS client's, who may have deleted or cut it: then there is no such object any
 * more, whatever the index says, and that has to be known before a header is sent. *ret_r as in read_once().
 */
static enum s3err adopted_still_there(struct s3_req *q, const struct s3_object *o, int *ret_r)
{
    if (!(o->flags & S3_OBJ_ADOPTED) || o->nextents == 0)
        return S3ERR_OK;
    int r = q->may_block ? s3_dfs_still_there(q->gw->dfs, o->extents[0].file_id, o->size) : -EAGAIN;
    if (r == -ENOENT || r == -ERANGE)
        return s3_err(q, S3ERR_NO_SUCH_KEY, "Key", q->key);
    *ret_r = r;
    return S3ERR_OK;
}

/* One try. *ret_r: why the bytes could not be read; then the object may have been replaced
 * meanwhile. */
static enum s3err read_once(struct s3_req *q, struct s3_object *o, int *ret_r)
{
    bool detail = q->method == S3_GET || s3_req_has_param(q, STR("partNumber"));
    *ret_r = 0;
    s3_resp_reset(q);
    uint8_t *dek = NULL;
    enum s3err e = s3_lookup(q, detail, o);
    if (e == S3ERR_OK)
        e = adopted_still_there(q, o, ret_r);
    if (e == S3ERR_OK && *ret_r == 0)
        e = s3_encryption_open(q, o, S3_OPEN_OBJECT, q->method == S3_GET, &dek);
    return e == S3ERR_OK && *ret_r == 0 ? s3_object_serve(q, o, dek, s3_object_headers_to, ret_r)
                                        : e;
}

static enum s3err read_object(struct s3_req *q)
{
    uint64_t seen = 0, part;
    enum s3err e = s3_object_read_options(q);
    if (e == S3ERR_OK)
        e = part_number(q, &part); /* what is wrong with the request is said of any key */
    if (e == S3ERR_OK)
        e = s3_encryption_check_read(q, S3_OPEN_OBJECT);
    if (e != S3ERR_OK)
        return e;
    for (int try = 0;; try++) {
        struct s3_object o = {0};
        int r;
        e = read_once(q, &o, &r);
        if (e != S3ERR_OK || r == 0)
            return e;
        if (r == -EAGAIN && !q->may_block)
            return S3ERR_WOULD_BLOCK;
        if (r == -ENOMEM)
            return S3ERR_SLOW_DOWN;
        bool replaced = o.seq != seen;
        seen = o.seq;
        if (!replaced || try == RELOOK_MAX || r == -EHOSTUNREACH)
            return not_read(q, r);
    }
}

enum s3err s3_h_get_object(struct s3_req *q)
{
    return read_object(q);
}

enum s3err s3_h_head_object(struct s3_req *q)
{
    return read_object(q);
}
