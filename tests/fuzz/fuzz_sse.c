/* SPDX-License-Identifier: Apache-2.0 */
/*
 * fuzz_sse - the first byte chooses: 's' a section, 'd' a bucket's defaults, 'k' a key ring from the
 * environment, 'f' a stored file. What decodes encodes to the same bytes; bytes that nobody sealed
 * do not open.
 */
#include "s3gw/sse/defaults.h"
#include "s3gw/sse/keyring.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void section(struct str in)
{
    struct s3_sse s;
    if (s3_sse_decode(in, &s) < 0)
        return;
    AUTO(buf_free) struct buf again = BUF(S3_SSE_SECTION_MAX);
    AUTO(buf_free) struct buf aad = BUF(S3_SSE_SECTION_MAX);
    s3_sse_encode(&s, &again);
    s3_sse_aad(&s, &aad);
    struct s3_sse t;
    ASSERT(!buf_err(&again) && !buf_err(&aad) && s3_sse_decode(buf_str(&again), &t) == 0);
    ASSERT(t.first_whole == s.first_whole && t.mode == s.mode && str_eq(t.wrapped, s.wrapped) &&
           str_eq(t.id, s.id));
    struct str name = s3_kms_name_of(s.id);
    ASSERT(name.n <= s.id.n);
}

static void defaults(struct str in)
{
    struct s3_sse_defaults d, e;
    if (in.n == 0 || s3_sse_defaults_decode(in, &d) < 0)
        return;
    AUTO(buf_free) struct buf again = BUF(S3_SSE_SECTION_MAX);
    s3_sse_defaults_encode(&d, &again);
    ASSERT(!buf_err(&again) && s3_sse_defaults_decode(buf_str(&again), &e) == 0);
    ASSERT(d.mode == e.mode && d.mode != S3_SSE_C && str_eq(d.id, e.id));
}

static void ring(struct str in)
{
    AUTO(s3_keyring_free) struct s3_keyring *k = NULL;
    AUTO(buf_free) struct buf wrapped = BUF(S3_SSE_WRAPPED_MAX);
    const uint8_t dek[S3_DEK_BYTES] = "data";
    if (s3_keyring_parse(in, &k) < 0)
        return;
    struct s3_kms *kms = s3_keyring_kms(k); /* what parses can be used */
    ASSERT(kms->wrap(kms, STR(S3_KEY_OF_SSE_S3), STR(""), dek, true, &wrapped) == 0);
}

static void file(const uint8_t *data, size_t size)
{
    static const uint8_t dek[S3_DEK_BYTES] = "nobody sealed with this";
    static uint8_t plain[S3_FRAME_SEALED];
    uint8_t key[S3_GCM_KEY];
    struct s3_opener o = {.key = key};
    if (size < S3_STREAM_HEADER || s3_opener_init(&o, dek, 0, data, size) < 0)
        return;
    ASSERT(s3_sealed_size(o.plain) == size);
    for (uint64_t k = 0; k < o.frames; k++) {
        ASSERT(s3_frame_at(k) + s3_frame_sealed(&o, k) <= size);
        ASSERT(s3_opener_frames(&o, k, 1, data + s3_frame_at(k), plain) == -EBADMSG);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size == 0)
        return 0;
    struct str rest = str_of(data + 1, size - 1);
    switch (data[0]) {
    case 's':
        section(rest);
        return 0;
    case 'd':
        defaults(rest);
        return 0;
    case 'k':
        ring(rest);
        return 0;
    default:
        file(data + 1, size - 1);
        return 0;
    }
}
