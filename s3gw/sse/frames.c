/* SPDX-License-Identifier: Apache-2.0 */
#include "s3gw/sse/frames.h"

#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <pthread.h>
#include <string.h>
#include <sys/random.h>

static const char magic[] = "s3gwsse1";

enum { MAGIC = sizeof(magic) - 1, NUMBER = S3_STREAM_HEADER - MAGIC };

static EVP_MD *sha256;
static pthread_once_t fetched = PTHREAD_ONCE_INIT;

static void fetch(void)
{
    sha256 = EVP_MD_fetch(NULL, "SHA256", NULL);
    ASSERT(sha256);
}

/* ---- sizes ---- */

static uint64_t frames_of(uint64_t plain)
{
    return (plain + S3_FRAME_PLAIN - 1) / S3_FRAME_PLAIN;
}

uint64_t s3_sealed_size(uint64_t plain)
{
    ASSERT(plain <= UINT64_C(1) << 62);
    return plain == 0 ? 0 : S3_STREAM_HEADER + plain + frames_of(plain) * S3_FRAME_TAG;
}

int s3_plain_size(uint64_t sealed, uint64_t *ret)
{
    if (sealed > UINT64_C(1) << 62)
        return -EBADMSG;
    if (sealed == 0) {
        *ret = 0;
        return 0;
    }
    if (sealed <= S3_STREAM_HEADER)
        return -EBADMSG;
    uint64_t n = sealed - S3_STREAM_HEADER, last = n % S3_FRAME_SEALED;
    if (last > 0 && last <= S3_FRAME_TAG)
        return -EBADMSG;
    *ret = n - (n / S3_FRAME_SEALED + (last > 0)) * S3_FRAME_TAG;
    return 0;
}

uint64_t s3_frame_at(uint64_t n)
{
    return S3_STREAM_HEADER + n * S3_FRAME_SEALED;
}

static size_t plain_of_frame(uint64_t plain, uint64_t n)
{
    return (size_t)MIN(plain - n * S3_FRAME_PLAIN, (uint64_t)S3_FRAME_PLAIN);
}

size_t s3_frame_sealed(const struct s3_opener *o, uint64_t n)
{
    ASSERT(n < o->frames);
    return plain_of_frame(o->plain, n) + S3_FRAME_TAG;
}

/* ---- keys and nonces ---- */

void s3_sse_derive(const uint8_t key[32], struct str label, struct str a, struct str b,
                   uint8_t out[32])
{
    uint8_t text[128];
    size_t n = 0;
    const struct str pieces[] = {label, a, b};
    pthread_once(&fetched, fetch);
    for (size_t i = 0; i < ARRAY_LEN(pieces); i++) {
        ASSERT(pieces[i].n <= sizeof(text) - n);
        if (pieces[i].n > 0)
            memcpy(text + n, pieces[i].p, pieces[i].n);
        n += pieces[i].n;
    }
    ASSERT(HMAC(sha256, key, 32, text, n, out, NULL));
}

static void put_be(uint8_t *out, uint64_t v, size_t n)
{
    for (size_t i = n; i-- > 0; v >>= 8)
        out[i] = (uint8_t)v;
}

static void stream_key(const uint8_t dek[S3_DEK_BYTES], const uint8_t header[S3_STREAM_HEADER],
                       uint32_t part, uint8_t out[32])
{
    uint8_t number[4];
    put_be(number, part, sizeof(number));
    s3_sse_derive(dek, STR("s3gw stream\0"), str_of(header + MAGIC, NUMBER),
                  str_of(number, sizeof(number)), out);
}

static void nonce_of(uint64_t frame, bool last, uint8_t out[S3_GCM_NONCE])
{
    memset(out, 0, S3_GCM_NONCE);
    out[0] = last;
    put_be(out + 4, frame, 8);
}

/* ---- sealing ---- */

struct s3_sealer {
    struct s3_gcm gcm;
    uint64_t frame; /* the one to be sealed next */
    size_t ready; /* bytes to go out: header and sealed frames; room for one frame is behind them */
    size_t fill;  /* bytes of the frame to be sealed next, plain, behind those */
    uint8_t bytes[S3_STREAM_HEADER + S3_SEALER_FRAMES * S3_FRAME_SEALED];
    uint8_t header[S3_STREAM_HEADER];
};

size_t s3_sealer_memory(void)
{
    return sizeof(struct s3_sealer);
}

void s3_sealer_free(struct s3_sealer **sp)
{
    struct s3_sealer *s = TAKE(*sp);
    if (!s)
        return;
    s3_gcm_fini(&s->gcm);
    free(s);
}

static int new_header(uint8_t header[S3_STREAM_HEADER])
{
    memcpy(header, magic, MAGIC);
    return getrandom(header + MAGIC, NUMBER, 0) == NUMBER ? 0 : -EIO;
}

/* A new stream: its header, and its key in @g, which may be NULL: no memory. */
static int new_stream(struct s3_gcm *g, const uint8_t dek[S3_DEK_BYTES], uint32_t part,
                      uint8_t header[S3_STREAM_HEADER])
{
    int r = new_header(header);
    if (r < 0)
        return r;
    uint8_t key[S3_GCM_KEY];
    stream_key(dek, header, part, key);
    r = s3_gcm_key(g, key, true);
    explicit_bzero(key, sizeof(key));
    return r;
}

/* @n bytes at @plain, which may be @out, to @n + S3_FRAME_TAG there. */
static int seal_frame(struct s3_gcm *g, const uint8_t header[S3_STREAM_HEADER], uint64_t frame,
                      bool last, const uint8_t *plain, size_t n, uint8_t *out)
{
    uint8_t nonce[S3_GCM_NONCE];
    nonce_of(frame, last, nonce);
    const struct s3_gcm_message m = {nonce, str_of(header, S3_STREAM_HEADER), str_of(plain, n),
                                     out};
    return s3_gcm_seal(g, &m, out + n);
}

void s3_sealer_again(struct s3_sealer *s)
{
    memcpy(s->bytes, s->header, S3_STREAM_HEADER);
    s->ready = S3_STREAM_HEADER;
    s->frame = 0;
    s->fill = 0;
}

int s3_sealer_new(const uint8_t dek[S3_DEK_BYTES], uint32_t part, struct s3_sealer **ret)
{
    AUTO(s3_sealer_free) struct s3_sealer *s = dfs_alloc(sizeof(*s));
    if (!s)
        return -ENOMEM;
    int r = s3_gcm_init(&s->gcm, s3_gcm_best());
    if (r == 0)
        r = new_stream(&s->gcm, dek, part, s->header);
    if (r < 0)
        return r;
    s3_sealer_again(s);
    *ret = TAKE(s);
    return 0;
}

/* @n bytes at @plain, which may be those gathered, become the next frame. */
static int put_frame(struct s3_sealer *s, const uint8_t *plain, size_t n, bool last,
                     int (*out)(void *arg, struct str sealed), void *arg)
{
    int r = seal_frame(&s->gcm, s->header, s->frame++, last, plain, n, s->bytes + s->ready);
    if (r < 0)
        return r;
    s->ready += n + S3_FRAME_TAG;
    s->fill = 0;
    if (!last && s->ready + S3_FRAME_SEALED <= sizeof(s->bytes))
        return 0;
    n = s->ready;
    s->ready = 0;
    return out(arg, str_of(s->bytes, n));
}

int s3_sealer_push(struct s3_sealer *s, struct str piece, int (*out)(void *arg, struct str sealed),
                   void *arg)
{
    const uint8_t *p = (const uint8_t *)piece.p;
    size_t left = piece.n;
    int r = 0;
    while (r == 0 && left > 0) {
        uint8_t *gathered = s->bytes + s->ready;
        if (s->fill == S3_FRAME_PLAIN) { /* another byte has come */
            r = put_frame(s, gathered, S3_FRAME_PLAIN, false, out, arg);
            continue;
        }
        size_t n = MIN(left, S3_FRAME_PLAIN - s->fill);
        if (s->fill == 0 && left > S3_FRAME_PLAIN) {
            r = put_frame(s, p, S3_FRAME_PLAIN, false, out, arg);
        } else {
            memcpy(gathered + s->fill, p, n);
            s->fill += n;
        }
        p += n;
        left -= n;
    }
    return r;
}

int s3_sealer_finish(struct s3_sealer *s, int (*out)(void *arg, struct str sealed), void *arg)
{
    return s->fill > 0 ? put_frame(s, s->bytes + s->ready, s->fill, true, out, arg) : -ENODATA;
}

int s3_seal(const uint8_t dek[S3_DEK_BYTES], uint32_t part, struct str plain, uint8_t *out)
{
    struct s3_gcm *g = s3_gcm_of_thread();
    const uint8_t *p = (const uint8_t *)plain.p;
    uint64_t frames = frames_of(plain.n);
    int r = new_stream(g, dek, part, out);
    for (uint64_t k = 0; r == 0 && k < frames; k++)
        r = seal_frame(g, out, k, k + 1 == frames, p + k * S3_FRAME_PLAIN,
                       plain_of_frame(plain.n, k), out + s3_frame_at(k));
    return r;
}

/* ---- opening ---- */

int s3_opener_init(struct s3_opener *o, const uint8_t dek[S3_DEK_BYTES], uint32_t part,
                   const uint8_t header[S3_STREAM_HEADER], uint64_t sealed)
{
    uint64_t plain;
    int r = s3_plain_size(sealed, &plain);
    if (r < 0 || plain == 0 || memcmp(header, magic, MAGIC) != 0)
        return -EBADMSG;
    memcpy(o->header, header, S3_STREAM_HEADER);
    stream_key(dek, header, part, o->key);
    o->plain = plain;
    o->frames = frames_of(plain);
    return 0;
}

int s3_opener_frames(const struct s3_opener *o, uint64_t n, uint64_t count, const uint8_t *in,
                     uint8_t *out)
{
    struct s3_gcm *g = s3_gcm_of_thread();
    int r = s3_gcm_key(g, o->key, false);
    for (uint64_t end = n + count; r == 0 && n < end; n++) {
        uint8_t nonce[S3_GCM_NONCE];
        size_t plain = s3_frame_sealed(o, n) - S3_FRAME_TAG;
        nonce_of(n, n + 1 == o->frames, nonce);
        const struct s3_gcm_message m = {nonce, str_of(o->header, S3_STREAM_HEADER),
                                         str_of(in, plain), out};
        r = s3_gcm_open(g, &m, in + plain);
        in += plain + S3_FRAME_TAG;
        out += plain;
    }
    return r;
}
