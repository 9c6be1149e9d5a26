/* SPDX-License-Identifier: Apache-2.0 */
#include "s3gw/sse/gcm.h"

#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <pthread.h>

#define OPENSSL_WITH_VAES 0x30100000L

#if OPENSSL_VERSION_NUMBER < OPENSSL_WITH_VAES && __has_include(<intel-ipsec-mb.h>)
#include <intel-ipsec-mb.h>
#if IMB_VERSION_NUM >= 0x10300 /* it tests itself */
#define HAVE_IPSEC_MB
#endif
#endif

struct s3_gcm_by {
    const char *name; /* in the log and in `admin status` */
    /* On this machine, and faster than those below in the table. Asked once, before all else. */
    bool (*works)(void);
    void *(*state)(void);      /* NULL: no memory */
    void (*free)(void *state); /* wiped */
    bool (*key)(void *state, const uint8_t *key, bool seals);
    bool (*seal)(void *state, const struct s3_gcm_message *m, uint8_t *tag);
    /* As s3_gcm_open(), but for zeros. */
    int (*open)(void *state, const struct s3_gcm_message *m, const uint8_t *tag);
};

static const uint8_t *bytes(struct str s)
{
    return (const uint8_t *)s.p;
}

/* ---- OpenSSL ---- */

static EVP_CIPHER *cipher;

static bool openssl_works(void)
{
    cipher = EVP_CIPHER_fetch(NULL, "AES-256-GCM", NULL);
    ASSERT(cipher);
    return true;
}

static void *openssl_state(void)
{
    return EVP_CIPHER_CTX_new();
}

static void openssl_free(void *ctx)
{
    EVP_CIPHER_CTX_free(ctx); /* wipes it */
}

/* The direction belongs to the key: some processors' keys are of one. */
static bool openssl_key(void *ctx, const uint8_t *key, bool seals)
{
    return EVP_CipherInit_ex2(ctx, cipher, key, NULL, seals, NULL) == 1;
}

/* Everything but the tag. */
static bool openssl_message(void *ctx, const struct s3_gcm_message *m)
{
    int n;
    return EVP_CipherInit_ex2(ctx, NULL, NULL, m->nonce, -1, NULL) == 1 &&
           EVP_CipherUpdate(ctx, NULL, &n, bytes(m->aad), (int)m->aad.n) == 1 &&
           EVP_CipherUpdate(ctx, m->out, &n, bytes(m->in), (int)m->in.n) == 1;
}

static bool openssl_seal(void *ctx, const struct s3_gcm_message *m, uint8_t *tag)
{
    uint8_t none[16];
    int n;
    return openssl_message(ctx, m) && EVP_CipherFinal_ex(ctx, none, &n) == 1 &&
           EVP_CIPHER_CTX_ctrl(ctx, EVP_CTRL_AEAD_GET_TAG, S3_GCM_TAG, tag) == 1;
}

static int openssl_open(void *ctx, const struct s3_gcm_message *m, const uint8_t *tag)
{
    uint8_t expect[S3_GCM_TAG], none[16];
    int n;
    memcpy(expect, tag, sizeof(expect)); /* it takes no const */
    if (!openssl_message(ctx, m) ||
        EVP_CIPHER_CTX_ctrl(ctx, EVP_CTRL_AEAD_SET_TAG, S3_GCM_TAG, expect) != 1)
        return -ENOMEM;
    return EVP_CipherFinal_ex(ctx, none, &n) == 1 ? 0 : -EBADMSG;
}

/* ---- ipsec-mb ---- */

#ifdef HAVE_IPSEC_MB

/* Its direct functions: they know nothing but what they are given. */
static aes_gcm_pre_t mb_expand;
static aes_gcm_enc_dec_t mb_enc, mb_dec;

/* Where its manager chooses those that use VAES. They use AVX-512 too, and it does not ask whether
 * the kernel allows that, as the compiler's function does. */
static bool mb_works(void)
{
    const uint64_t needs = IMB_CPUFLAGS_AVX512_T2 | IMB_FEATURE_SELF_TEST_PASS;
    if (OpenSSL_version_num() >= OPENSSL_WITH_VAES || !__builtin_cpu_supports("avx512f"))
        return false;
    IMB_MGR *mgr = alloc_mb_mgr(0);
    if (!mgr)
        return false;
    init_mb_mgr_auto(mgr, NULL);
    bool works = imb_get_errno(mgr) == 0 && (mgr->features & needs) == needs;
    mb_expand = mgr->gcm256_pre;
    mb_enc = mgr->gcm256_enc;
    mb_dec = mgr->gcm256_dec;
    free_mb_mgr(mgr);
    return works;
}

struct mb_state {
    struct gcm_key_data *key; /* in @room, at a multiple of 64 bytes, as the library wants it */
    uint8_t room[sizeof(struct gcm_key_data) + 63];
};

static void *mb_state(void)
{
    struct mb_state *s = dfs_alloc(sizeof(*s));
    if (s)
        s->key = (void *)(((uintptr_t)s->room + 63) & ~(uintptr_t)63);
    return s;
}

static void mb_free(void *state)
{
    OPENSSL_cleanse(state, sizeof(struct mb_state));
    free(state);
}

static bool mb_key(void *state, const uint8_t *key, bool seals)
{
    struct mb_state *s = state;
    (void)seals; /* one for both */
    mb_expand(key, s->key);
    return true;
}

static void mb_message(struct mb_state *s, aes_gcm_enc_dec_t run, const struct s3_gcm_message *m,
                       uint8_t *tag)
{
    struct gcm_context_data scratch;
    run(s->key, &scratch, m->out, bytes(m->in), m->in.n, m->nonce, bytes(m->aad), m->aad.n, tag,
        S3_GCM_TAG);
    OPENSSL_cleanse(&scratch, sizeof(scratch));
}

static bool mb_seal(void *state, const struct s3_gcm_message *m, uint8_t *tag)
{
    mb_message(state, mb_enc, m, tag);
    return true;
}

static int mb_open(void *state, const struct s3_gcm_message *m, const uint8_t *tag)
{
    uint8_t is[S3_GCM_TAG];
    mb_message(state, mb_dec, m, is);
    return CRYPTO_memcmp(is, tag, sizeof(is)) == 0 ? 0 : -EBADMSG;
}

#endif

/* ---- which ---- */

/* The faster one first, where both work. */
static const struct s3_gcm_by all[] = {
#ifdef HAVE_IPSEC_MB
    {"ipsec-mb", mb_works, mb_state, mb_free, mb_key, mb_seal, mb_open},
#endif
    {"OpenSSL", openssl_works, openssl_state, openssl_free, openssl_key, openssl_seal,
     openssl_open},
};

static const struct s3_gcm_by *working[ARRAY_LEN(all)];
static pthread_once_t asked = PTHREAD_ONCE_INIT;
static pthread_key_t of_thread;

static void free_of_thread(void *g)
{
    s3_gcm_fini(g);
}

static void ask(void)
{
    size_t n = 0;
    for (size_t i = 0; i < ARRAY_LEN(all); i++)
        if (all[i].works())
            working[n++] = &all[i];
    ASSERT(pthread_key_create(&of_thread, free_of_thread) == 0);
}

const struct s3_gcm_by *s3_gcm_each(size_t n)
{
    pthread_once(&asked, ask);
    return n < ARRAY_LEN(working) ? working[n] : NULL;
}

const struct s3_gcm_by *s3_gcm_best(void)
{
    return s3_gcm_each(0);
}

const char *s3_gcm_name(const struct s3_gcm_by *by)
{
    return by->name;
}

/* ---- keys and messages ---- */

int s3_gcm_init(struct s3_gcm *g, const struct s3_gcm_by *by)
{
    *g = (struct s3_gcm){.by = by, .state = by->state()};
    return g->state ? 0 : -ENOMEM;
}

void s3_gcm_fini(struct s3_gcm *g)
{
    if (g->state)
        g->by->free(g->state);
    *g = (struct s3_gcm){0};
}

struct s3_gcm *s3_gcm_of_thread(void)
{
    static _Thread_local struct s3_gcm g;
    if (!g.state && s3_gcm_init(&g, s3_gcm_best()) == 0)
        pthread_setspecific(of_thread, &g);
    return g.state ? &g : NULL;
}

int s3_gcm_key(struct s3_gcm *g, const uint8_t key[S3_GCM_KEY], bool seals)
{
    if (!g || !g->by->key(g->state, key, seals))
        return -ENOMEM;
    g->seals = seals;
    return 0;
}

static void check(const struct s3_gcm *g, const struct s3_gcm_message *m, bool seals)
{
    ASSERT(g->state && g->seals == seals);
    ASSERT(m->in.n <= 1 << 30 && m->aad.n <= 1 << 30);
    ASSERT((m->in.p && m->out) || m->in.n == 0);
}

int s3_gcm_seal(struct s3_gcm *g, const struct s3_gcm_message *m, uint8_t tag[S3_GCM_TAG])
{
    check(g, m, true);
    return g->by->seal(g->state, m, tag) ? 0 : -ENOMEM;
}

int s3_gcm_open(struct s3_gcm *g, const struct s3_gcm_message *m, const uint8_t tag[S3_GCM_TAG])
{
    check(g, m, false);
    int r = g->by->open(g->state, m, tag);
    if (r < 0 && m->in.n > 0)
        memset(m->out, 0, m->in.n);
    return r;
}
