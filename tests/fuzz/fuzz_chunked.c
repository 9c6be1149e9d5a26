/* SPDX-License-Identifier: Apache-2.0 */
/*
 * fuzz_chunked - a byte of circumstances, a byte for the length, then the wire: decoding in one
 * piece and byte by byte gives the same verdict and, when accepted, the same data of the announced
 * length.
 */
#include "s3gw/core/body.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static bool zero_is_wrong(void *arg, const uint8_t sha256[32], struct str signature)
{
    (void)arg;
    (void)sha256;
    return signature.n && signature.p[0] != '0';
}

static enum s3err keep(void *arg, struct str piece)
{
    ASSERT(piece.n > 0);
    buf_adds(arg, piece);
    return S3ERR_OK;
}

static enum s3err decode(const struct s3_body_plan *p, struct str wire, size_t step,
                         struct buf *out)
{
    static struct s3_req q;
    s3_req_init(&q);
    AUTO(s3_body_free) struct s3_body *b = s3_body_new(p);
    ASSERT(b);
    enum s3err e = S3ERR_OK;
    for (size_t i = 0; i < wire.n && e == S3ERR_OK; i += step)
        e = s3_body_push(b, str_head(str_from(wire, i), step), keep, out);
    if (e == S3ERR_OK)
        e = s3_body_finish(b, &q);
    ASSERT(e != S3ERR_OK || s3_body_length(b) == out->n);
    s3_req_fini(&q);
    return e;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size < 2 || size > 100000)
        return 0;
    struct s3_body_plan p = {.framing = S3_FRAMING_AWS_CHUNKED, .length = data[1]};
    p.signed_chunks = data[0] & 1;
    p.verify = (struct s3_chunk_verifier){zero_is_wrong, zero_is_wrong, NULL};
    p.trailer_form = data[0] & 2;
    p.has_trailer = p.trailer_form && data[0] & 4;
    p.compute = S3_CK_CRC32;
    struct str wire = str_of(data + 2, size - 2);
    AUTO(buf_free) struct buf whole = BUF(1 << 20);
    AUTO(buf_free) struct buf bytes = BUF(1 << 20);
    enum s3err e = decode(&p, wire, wire.n ? wire.n : 1, &whole);
    ASSERT(decode(&p, wire, 1, &bytes) == e);
    ASSERT(whole.n <= p.length);
    if (e == S3ERR_OK)
        ASSERT(whole.n == p.length && str_eq(buf_str(&whole), buf_str(&bytes)));
    return 0;
}
