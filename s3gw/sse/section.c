/* SPDX-License-Identifier: Apache-2.0 */
#include "s3gw/sse/section.h"

#include <string.h>
#include <sys/random.h>

enum { VERSION = 1, VERSION_FIRST_WHOLE = 2, FIRST_WHOLE = 1, BUCKET_KEY = 1, SALT = 16 };

void s3_sse_encode(const struct s3_sse *s, struct buf *out)
{
    buf_u8(out, s->first_whole ? VERSION_FIRST_WHOLE : VERSION);
    buf_u8(out, (uint8_t)s->mode);
    buf_lstr(out, s->wrapped);
    if (s->mode != S3_SSE_C)
        buf_lstr(out, s->key);
    if (s->mode == S3_SSE_KMS) {
        buf_lstr(out, s->id);
        buf_u8(out, s->bucket_key ? BUCKET_KEY : 0);
        buf_lstr(out, s->context);
    }
    if (s->first_whole)
        buf_u8(out, FIRST_WHOLE);
}

static struct str bounded(struct rd *r, size_t min, size_t max)
{
    struct str s = rd_lstr(r);
    if (s.n < min || s.n > max)
        r->bad = true;
    return s;
}

int s3_sse_decode(struct str section, struct s3_sse *ret)
{
    struct rd r = rd_of(section);
    struct s3_sse s = {0};
    uint8_t version = rd_u8(&r), mode = rd_u8(&r);
    if (version != VERSION && version != VERSION_FIRST_WHOLE)
        return -EBADMSG;
    if (mode < S3_SSE_C || mode > S3_SSE_KMS)
        return -EBADMSG;
    s.mode = (enum s3_sse_mode)mode;
    s.wrapped = bounded(&r, 1, S3_SSE_WRAPPED_MAX);
    if (mode != S3_SSE_C)
        s.key = bounded(&r, 1, S3_SSE_NAME_MAX);
    if (mode == S3_SSE_KMS) {
        s.id = bounded(&r, 1, S3_SSE_ID_MAX);
        uint8_t bits = rd_u8(&r);
        if (bits & ~BUCKET_KEY)
            r.bad = true;
        s.bucket_key = bits & BUCKET_KEY;
        s.context = bounded(&r, 0, S3_SSE_CONTEXT_MAX);
    }
    s.first_whole = version == VERSION_FIRST_WHOLE;
    if (s.first_whole && rd_u8(&r) != FIRST_WHOLE)
        r.bad = true;
    if (r.bad || r.n > 0)
        return -EBADMSG;
    *ret = s;
    return 0;
}

int s3_sse_mode_of(struct str section, enum s3_sse_mode *ret)
{
    struct s3_sse s = {0};
    int r = section.p ? s3_sse_decode(section, &s) : 0;
    if (r == 0)
        *ret = s.mode;
    return r;
}

void s3_sse_aad(const struct s3_sse *s, struct buf *out)
{
    buf_adds(out, STR("s3gw key\0"));
    buf_u8(out, (uint8_t)s->mode);
    buf_adds(out, s->key);
    buf_u8(out, 0);
    buf_adds(out, s->context);
}

/* Ready for the one message under the key that wraps under @key and @salt; NULL: no memory. */
static struct s3_gcm *wrapper(const uint8_t key[32], const uint8_t *salt, bool seals)
{
    uint8_t once[S3_GCM_KEY];
    struct s3_gcm *g = s3_gcm_of_thread();
    s3_sse_derive(key, STR("s3gw wrap\0"), str_of(salt, SALT), STR(""), once);
    int r = s3_gcm_key(g, once, seals);
    explicit_bzero(once, sizeof(once));
    return r == 0 ? g : NULL;
}

static const uint8_t zero[S3_GCM_NONCE];

int s3_key_wrap(const uint8_t key[32], struct str aad, const uint8_t dek[S3_DEK_BYTES],
                uint8_t wrapped[S3_WRAPPED_BYTES])
{
    const struct s3_gcm_message m = {zero, aad, str_of(dek, S3_DEK_BYTES), wrapped + SALT};
    if (getrandom(wrapped, SALT, 0) != SALT)
        return -EIO;
    struct s3_gcm *g = wrapper(key, wrapped, true);
    return g ? s3_gcm_seal(g, &m, wrapped + SALT + S3_DEK_BYTES) : -ENOMEM;
}

int s3_key_unwrap(const uint8_t key[32], struct str aad, struct str wrapped,
                  uint8_t dek[S3_DEK_BYTES])
{
    if (wrapped.n != S3_WRAPPED_BYTES)
        return -EBADMSG;
    const uint8_t *w = (const uint8_t *)wrapped.p;
    const struct s3_gcm_message m = {zero, aad, str_of(w + SALT, S3_DEK_BYTES), dek};
    struct s3_gcm *g = wrapper(key, w, false);
    int r = g ? s3_gcm_open(g, &m, w + SALT + S3_DEK_BYTES) : -ENOMEM;
    return r == -EBADMSG ? -EKEYREJECTED : r;
}
