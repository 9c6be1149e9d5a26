/* SPDX-License-Identifier: Apache-2.0 */
#include <inttypes.h>
#include <openssl/evp.h>

#include "s3gw/core/digest.h"
#include "s3gw/core/uri.h"
#include "tests/bench/load/conn.h"

static const struct str unsigned_payload = STR_INIT("UNSIGNED-PAYLOAD");

static struct str method_of(enum load_op op)
{
    switch (op) {
    case OP_PUT:
    case OP_COPY:
    case OP_PART:
    case OP_BUCKET:
        return STR("PUT");
    case OP_HEAD:
        return STR("HEAD");
    case OP_DELETE:
        return STR("DELETE");
    case OP_CREATE:
    case OP_COMPLETE:
        return STR("POST");
    default:
        return STR("GET");
    }
}

/* Copies go beside their sources. */
static void add_path(const struct load *l, const struct request *rq, struct buf *out)
{
    buf_addc(out, '/');
    buf_adds(out, str_c(l->o->bucket));
    if (rq->op == OP_LIST || rq->op == OP_BUCKET)
        return;
    buf_addc(out, '/');
    if (rq->op == OP_COPY)
        buf_adds(out, STR("copy/"));
    buf_adds(out, buf_str(&l->enc_prefix));
    buf_addf(out, "%08" PRIu64, rq->key);
}

static void add_query(const struct load *l, const struct conn *c, struct buf *out)
{
    AUTO(buf_free) struct buf prefix = BUF(2048);
    switch (c->rq.op) {
    case OP_LIST:
        s3_uri_encode(&prefix, str_c(l->o->prefix), false);
        buf_addf(out, "list-type=2&max-keys=%u&prefix=" STR_F "&start-after=" STR_F "%08" PRIu64,
                 l->o->max_keys, STR_A(buf_str(&prefix)), STR_A(buf_str(&prefix)), c->rq.key);
        break;
    case OP_CREATE:
        buf_adds(out, STR("uploads="));
        break;
    case OP_PART:
        buf_addf(out, "partNumber=%" PRIu64 "&uploadId=%s", c->rq.part, c->up.id);
        break;
    case OP_COMPLETE:
        buf_addf(out, "uploadId=%s", c->up.id);
        break;
    default:
        break;
    }
}

static void add_parts(const struct upload *up, struct buf *out)
{
    buf_adds(out, STR("<CompleteMultipartUpload>"));
    for (uint64_t i = 1; i <= up->parts; i++)
        buf_addf(out, "<Part><PartNumber>%" PRIu64 "</PartNumber><ETag>%s</ETag></Part>", i,
                 up->etags[i - 1]);
    buf_adds(out, STR("</CompleteMultipartUpload>"));
}

/* SHA-256 of what is sent of the object, in hex. */
static void digest_payload(const struct load *l, const struct request *rq, char hex[64])
{
    uint8_t digest[32];
    unsigned n;
    struct payload_iov piece;
    EVP_MD_CTX *ctx = EVP_MD_CTX_new();
    ASSERT(ctx && EVP_DigestInit_ex2(ctx, s3_digest_md(S3_SHA256), NULL) == 1);
    for (uint64_t done = 0; done < rq->body_n;) {
        done += payload_pieces(rq->key, l->o->size, rq->body_at + done, rq->body_n - done, &piece);
        for (int i = 0; i < piece.n; i++)
            ASSERT(EVP_DigestUpdate(ctx, piece.v[i].iov_base, piece.v[i].iov_len) == 1);
    }
    ASSERT(EVP_DigestFinal_ex(ctx, digest, &n) == 1);
    EVP_MD_CTX_free(ctx);
    str_hex(digest, 32, hex);
}

/* May one signature serve all requests of this kind for the key? */
static bool can_keep(enum load_op op)
{
    return op == OP_PUT || op == OP_GET || op == OP_HEAD || op == OP_DELETE || op == OP_LIST;
}

static void add_signature(struct load *l, const struct conn *c, struct str path, struct str query,
                          struct str copy_source, struct buf *out)
{
    const struct request *rq = &c->rq;
    char hex[64];
    struct sign_what what = {.op = rq->op,
                             .method = method_of(rq->op),
                             .path = path,
                             .query = query,
                             .payload = str_of(s3_sha256_empty_hex, 64),
                             .copy_source = copy_source,
                             .keep = can_keep(rq->op) ? rq->key - l->o->first : UINT64_MAX};
    if (rq->body_n > 0 && l->o->sign_payload) {
        digest_payload(l, rq, hex);
        what.payload = str_of(hex, 64);
        what.keep = UINT64_MAX;
    } else if (rq->body_n > 0 || rq->op == OP_COMPLETE) {
        what.payload = unsigned_payload;
    }
    signer_add(&l->signer, &what, out);
}

void request_render(struct load *l, struct conn *c)
{
    struct request *rq = &c->rq;
    struct buf *out = &rq->head;
    AUTO(buf_free) struct buf source = BUF(2048);
    AUTO(buf_free) struct buf body = BUF(4 << 20);
    if (rq->op == OP_COPY)
        buf_addf(&source, "/%s/" STR_F "%08" PRIu64, l->o->bucket, STR_A(buf_str(&l->enc_prefix)),
                 rq->key);
    if (rq->op == OP_COMPLETE)
        add_parts(&c->up, &body);
    buf_reset(out);
    rq->sent = 0;
    buf_adds(out, method_of(rq->op));
    buf_addc(out, ' ');
    size_t path_at = out->n;
    add_path(l, rq, out);
    size_t query_at = out->n;
    buf_addc(out, '?');
    add_query(l, c, out);
    size_t query_n = out->n - query_at - 1;
    if (query_n == 0)
        out->n = query_at; /* no '?' without a query */
    size_t line_end = out->n;
    buf_addf(out, " HTTP/1.1\r\nHost: %s\r\n", l->o->endpoint);
    if (l->o->sign) {
        char target[REQUEST_HEAD_MAX]; /* @out may move while it grows */
        memcpy(target, out->p + path_at, MIN(line_end - path_at, sizeof(target)));
        add_signature(l, c, str_of(target, query_at - path_at),
                      str_of(target + (query_at - path_at) + 1, query_n),
                      rq->op == OP_COPY ? buf_str(&source) : STR_NULL, out);
    }
    if (rq->range_n > 0)
        buf_addf(out, "Range: bytes=%" PRIu64 "-%" PRIu64 "\r\n", rq->range_at,
                 rq->range_at + rq->range_n - 1);
    if (rq->op == OP_PUT || rq->op == OP_PART || body.n > 0 || rq->op == OP_CREATE ||
        rq->op == OP_COPY || rq->op == OP_BUCKET)
        buf_addf(out, "Content-Length: %" PRIu64 "\r\n", rq->body_n + body.n);
    buf_adds(out, STR("\r\n"));
    buf_adds(out, buf_str(&body));
    ASSERT(buf_err(out) == 0);
}
