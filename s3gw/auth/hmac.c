/* SPDX-License-Identifier: Apache-2.0 */
#include "s3gw/auth/hmac.h"

#include <openssl/core_names.h>
#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <pthread.h>

enum { SLOTS = 64, IDENTITY_MAX = 320 };

struct slot {
    size_t n;                    /* bytes of identity; 0: empty */
    char identity[IDENTITY_MAX]; /* secret, day, region, service, each behind its length */
    uint8_t key[32];
    EVP_MAC_CTX *mac; /* owned; initialised with key */
};

struct contexts { /* owner: one thread; freed when it ends */
    EVP_MAC_CTX *sha256, *sha1;
    struct slot slots[SLOTS];
};

static EVP_MAC *hmac;
static pthread_once_t fetched = PTHREAD_ONCE_INIT;
static pthread_key_t thread_contexts;

static void contexts_free(void *arg)
{
    struct contexts *c = arg;
    for (size_t i = 0; i < SLOTS; i++)
        EVP_MAC_CTX_free(c->slots[i].mac);
    EVP_MAC_CTX_free(c->sha256);
    EVP_MAC_CTX_free(c->sha1);
    OPENSSL_cleanse(c, sizeof(*c));
    free(c);
}

static void fetch(void)
{
    hmac = EVP_MAC_fetch(NULL, "HMAC", NULL);
    ASSERT(hmac && pthread_key_create(&thread_contexts, contexts_free) == 0);
}

static EVP_MAC_CTX *context_new(const char *digest)
{
    EVP_MAC_CTX *ctx = EVP_MAC_CTX_new(hmac);
    OSSL_PARAM params[] = {
        OSSL_PARAM_construct_utf8_string(OSSL_MAC_PARAM_DIGEST, (char *)(uintptr_t)digest, 0),
        OSSL_PARAM_construct_end()};
    ASSERT(ctx && EVP_MAC_CTX_set_params(ctx, params) == 1);
    return ctx;
}

static struct contexts *contexts(void)
{
    static _Thread_local struct contexts *mine;
    if (mine)
        return mine;
    pthread_once(&fetched, fetch);
    mine = dfs_zalloc(sizeof(*mine));
    ASSERT(mine);
    mine->sha256 = context_new("SHA256");
    mine->sha1 = context_new("SHA1");
    pthread_setspecific(thread_contexts, mine);
    return mine;
}

/* @key NULL: the one @ctx has. */
static void run(EVP_MAC_CTX *ctx, const void *key, size_t key_n, struct str data, uint8_t *out,
                size_t out_n)
{
    size_t n;
    if (key && key_n == 0)
        key = ""; /* OpenSSL takes (NULL, 0) for "keep the key" */
    ASSERT(EVP_MAC_init(ctx, key, key_n, NULL) == 1 &&
           EVP_MAC_update(ctx, (const unsigned char *)data.p, data.n) == 1 &&
           EVP_MAC_final(ctx, out, &n, out_n) == 1 && n == out_n);
}

void s3_hmac_sha256(const void *key, size_t key_n, struct str data, uint8_t out[32])
{
    run(contexts()->sha256, key, key_n, data, out, 32);
}

void s3_hmac_sha1(const void *key, size_t key_n, struct str data, uint8_t out[20])
{
    run(contexts()->sha1, key, key_n, data, out, 20);
}

static void derive(const struct s3_signing_scope *s, uint8_t key[32])
{
    char first[4 + 256];
    size_t n = MIN(s->secret.n, sizeof(first) - 4); /* the admin side takes no longer secrets */
    memcpy(first, "AWS4", 4);
    memcpy(first + 4, s->secret.p, n);
    s3_hmac_sha256(first, n + 4, s->day, key);
    s3_hmac_sha256(key, 32, s->region, key);
    s3_hmac_sha256(key, 32, s->service, key);
    s3_hmac_sha256(key, 32, STR("aws4_request"), key);
    OPENSSL_cleanse(first, sizeof(first));
}

/* 0: too long to be kept. */
static size_t identify(const struct s3_signing_scope *s, char out[IDENTITY_MAX])
{
    const struct str parts[] = {s->secret, s->day, s->region, s->service};
    size_t n = 0;
    for (size_t i = 0; i < ARRAY_LEN(parts); i++) {
        if (parts[i].n > 255 || parts[i].n + 1 > IDENTITY_MAX - n)
            return 0;
        out[n++] = (char)parts[i].n;
        memcpy(out + n, parts[i].p, parts[i].n);
        n += parts[i].n;
    }
    return n;
}

static size_t slot_of(struct str access_key)
{
    return str_hash(access_key) % SLOTS; /* whoever fills it on purpose slows only themselves */
}

void s3_hmac_signing(const struct s3_signing_scope *scope, struct str data, uint8_t out[32],
                     uint8_t *ret_key)
{
    struct slot *slot = &contexts()->slots[slot_of(scope->access_key)];
    char identity[IDENTITY_MAX];
    size_t n = identify(scope, identity);
    if (n == 0) {
        uint8_t key[32];
        derive(scope, key);
        s3_hmac_sha256(key, sizeof(key), data, out);
        if (ret_key)
            memcpy(ret_key, key, sizeof(key));
        return;
    }
    bool hit = slot->n == n && memcmp(slot->identity, identity, n) == 0;
    if (!hit) {
        derive(scope, slot->key);
        memcpy(slot->identity, identity, n);
        slot->n = n;
        if (!slot->mac)
            slot->mac = context_new("SHA256");
    }
    run(slot->mac, hit ? NULL : slot->key, hit ? 0 : 32, data, out, 32);
    if (ret_key)
        memcpy(ret_key, slot->key, 32);
}

struct str s3_hmac_spelled(struct arena *a, struct str s)
{
    char *p = arena_alloc(a, 3 * s.n + 1);
    if (!p)
        return STR("");
    for (size_t i = 0; i < s.n; i++) {
        str_hex(s.p + i, 1, p + 3 * i);
        p[3 * i + 2] = ' ';
    }
    return str_of(p, s.n ? 3 * s.n - 1 : 0);
}
