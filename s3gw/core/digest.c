/* SPDX-License-Identifier: Apache-2.0 */
#include "s3gw/core/digest.h"

#include <openssl/evp.h>
#include <pthread.h>

const char s3_sha256_empty_hex[65] =
    "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";

static EVP_MD *mds[S3_SHA512 + 1];
static pthread_once_t fetched = PTHREAD_ONCE_INIT;
static pthread_key_t thread_ctx;

static void free_ctx(void *ctx)
{
    EVP_MD_CTX_free(ctx);
}

static void fetch(void)
{
    static const char *const names[] = {
        [S3_MD5] = "MD5", [S3_SHA1] = "SHA1", [S3_SHA256] = "SHA256", [S3_SHA512] = "SHA512"};
    for (size_t i = 0; i < ARRAY_LEN(names); i++) {
        mds[i] = EVP_MD_fetch(NULL, names[i], NULL);
        ASSERT(mds[i]);
    }
    ASSERT(pthread_key_create(&thread_ctx, free_ctx) == 0);
}

const EVP_MD *s3_digest_md(enum s3_digest_alg alg)
{
    pthread_once(&fetched, fetch);
    return mds[alg];
}

/* One context per thread serves every one-shot digest; it dies with the thread. */
static void one_shot(enum s3_digest_alg alg, const void *p, size_t n, uint8_t *out)
{
    static _Thread_local EVP_MD_CTX *ctx;
    const EVP_MD *md = s3_digest_md(alg);
    if (!ctx) {
        ctx = EVP_MD_CTX_new();
        ASSERT(ctx);
        pthread_setspecific(thread_ctx, ctx);
    }
    ASSERT(EVP_DigestInit_ex2(ctx, md, NULL) == 1 && EVP_DigestUpdate(ctx, p, n) == 1 &&
           EVP_DigestFinal_ex(ctx, out, NULL) == 1);
}

void s3_sha256(const void *p, size_t n, uint8_t out[32])
{
    one_shot(S3_SHA256, p, n, out);
}

void s3_md5(const void *p, size_t n, uint8_t out[16])
{
    one_shot(S3_MD5, p, n, out);
}
