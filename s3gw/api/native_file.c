/* SPDX-License-Identifier: Apache-2.0 */
/*
 * native_file - files of FastDFS by their own name, "GET /group1/M00/00/00/wKgB...jpg", for groups
 * that the operator opened (native_url). Whoever knows the name may read; with a secret also a
 * token is asked for, which names an hour as well.
 *
 * Rule: semantics 17. Differs: a wrong token is 403 rather than 400 or a picture with 200; several
 * ranges at once are answered with the whole file, as S3 does.
 */
#include "dfscore/fileid/fileid.h"
#include "s3gw/api/answer.h"
#include "s3gw/api/handlers.h"
#include "s3gw/api/native_file.h"
#include "s3gw/api/object_get.h"
#include "s3gw/core/digest.h"
#include "s3gw/core/gw.h"
#include "s3gw/dfs/dfs.h"
#include "s3gw/index/moved.h"

struct str s3_native_type(struct str ext)
{
    static const struct {
        struct str ext, type;
    } types[] = {
#define MIME(ext, type) {STR_INIT(ext), STR_INIT(type)},
#include "s3gw/api/mime.def"
#undef MIME
    };
    for (size_t i = 0; i < ARRAY_LEN(types); i++)
        if (str_ieq(ext, types[i].ext))
            return types[i].type;
    return STR("application/octet-stream");
}

/* --- the token --- */

static const struct s3_native_group *group_of(const struct s3_req *q, struct str group)
{
    for (size_t i = 0; i < q->gw->nnative; i++)
        if (str_eq(q->gw->native[i].group, group))
            return &q->gw->native[i];
    return NULL;
}

static bool token_is(struct str token, struct str name, struct str secret, struct str ts)
{
    AUTO(buf_free) struct buf text = BUF(4096);
    uint8_t md5[16];
    char hex[32];
    buf_adds(&text, name);
    buf_adds(&text, secret);
    buf_adds(&text, ts);
    s3_md5(text.p ? text.p : "", text.n, md5);
    str_hex(md5, sizeof(md5), hex);
    return !buf_err(&text) && str_eq_consttime(str_of(hex, sizeof(hex)), token);
}

/* Over the name without its group, as web servers of storages do, or with it, as other clients do.
 */
static enum s3err judge_token(struct s3_req *q, const struct s3_native_group *g,
                              struct str filename)
{
    if (!g->secret.n)
        return S3ERR_OK;
    struct str token = s3_req_param(q, STR("token")), ts = s3_req_param(q, STR("ts"));
    uint64_t when;
    if (token.n != 32 || str_u64(ts, INT64_MAX / 1000, &when) < 0)
        return s3_errm(q, S3ERR_ACCESS_DENIED, "A token and its time stamp are needed.");
    if (when > 0 && q->now_ms / 1000 > (int64_t)when + q->gw->native_token_ttl_s)
        return s3_errm(q, S3ERR_ACCESS_DENIED, "The token has expired.");
    return token_is(token, filename, g->secret, ts) || token_is(token, q->native_id, g->secret, ts)
               ? S3ERR_OK
               : s3_errm(q, S3ERR_ACCESS_DENIED, "The token is wrong.");
}

/* --- the file --- */

static struct str type_header(const struct s3_object *o)
{
    return o->headers[0].value;
}

/* The name the file had before it was uploaded, for saving it: token characters and the rest of
 * UTF-8 are harmless between quotes, what could end them is not. */
static void disposition(struct s3_req *q)
{
    struct str name = s3_req_param(q, STR("filename"));
    if (!name.n)
        return;
    char *clean = arena_alloc(&q->arena, name.n);
    for (size_t i = 0; clean && i < name.n; i++) {
        unsigned char c = (unsigned char)name.p[i];
        clean[i] = c < ' ' || c == 0x7F || c == '"' || c == '\\' ? '_' : name.p[i];
    }
    if (clean)
        s3_resp_headerf(q, "Content-Disposition", "attachment; filename=\"" STR_F "\"", (int)name.n,
                        clean);
}

static void headers_to(struct s3_req *q, const struct s3_object *o)
{
    s3_resp_time(q, "Last-Modified", o->mtime_ms);
    s3_resp_etag(q, &o->etag);
    s3_resp_header(q, "Accept-Ranges", STR("bytes"));
    s3_resp_header(q, "Content-Type", type_header(o));
    disposition(q);
}

void s3_native_etag(struct str file_id, uint64_t size, uint8_t md5[16])
{
    AUTO(buf_free) struct buf text = BUF(1024);
    buf_adds(&text, file_id);
    buf_u64(&text, size);
    s3_md5(text.p, text.n, md5);
}

static enum s3err not_there(struct s3_req *q, int r)
{
    s3_resp_reset(q);
    return r == -ENOENT ? s3_err(q, S3ERR_NO_SUCH_KEY, "Key", q->native_id)
                        : s3err_from_errno(r, S3_THING_KEY);
}

/* The file is where it left a drained group for, when it did: the same bytes under another name. */
static int size_of(struct s3_req *q, struct str *id, uint64_t *size)
{
    struct str now;
    int r = s3_dfs_size(q->gw->dfs, *id, size);
    if (r >= 0 || s3_moved_get(q->gw->index, *id, &q->arena, &now) < 0)
        return r;
    *id = now;
    return s3_dfs_size(q->gw->dfs, now, size);
}

enum s3err s3_h_native_file(struct s3_req *q)
{
    struct dfs_fileid f;
    int r = dfs_fileid_parse(q->native_id, &f);
    const struct s3_native_group *g = r == 0 ? group_of(q, f.group) : NULL;
    if (!g)
        return not_there(q, -ENOENT);
    enum s3err e = judge_token(q, g, f.filename);
    struct str id = q->native_id;
    uint64_t size;
    if (e == S3ERR_OK)
        r = size_of(q, &id, &size);
    if (e != S3ERR_OK || r < 0)
        return e != S3ERR_OK ? e : not_there(q, r);
    struct s3_pair type = {.value = s3_native_type(f.ext)};
    struct s3_extent whole = {.file_id = id, .length = size};
    struct s3_object o = {.size = size,
                          .mtime_ms = f.created_s * 1000,
                          .headers = &type,
                          .nheaders = 1,
                          .extents = &whole,
                          .nextents = size > 0};
    s3_native_etag(q->native_id, size, o.etag.md5);
    e = s3_object_serve(q, &o, NULL, headers_to, &r);
    return e == S3ERR_OK && r < 0 ? not_there(q, r) : e;
}
