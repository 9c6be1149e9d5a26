/* SPDX-License-Identifier: Apache-2.0 */
/*
 * digest - OpenSSL's digests: fetched once per process, one-shot contexts reused per thread.
 *
 * Threads: any. An algorithm that OpenSSL does not offer (a FIPS provider without MD5) stops the
 * process at the first use: nothing here works without them.
 */
#ifndef S3_DIGEST_H
#define S3_DIGEST_H

#include "dfscore/base/str.h"

enum s3_digest_alg { S3_MD5, S3_SHA1, S3_SHA256, S3_SHA512 };

struct evp_md_st;                                             /* EVP_MD */
const struct evp_md_st *s3_digest_md(enum s3_digest_alg alg); /* never NULL; lives for ever */

void s3_sha256(const void *p, size_t n, uint8_t out[32]);
void s3_md5(const void *p, size_t n, uint8_t out[16]);

/* SHA-256 of no bytes, in hex: the payload digest of every request without a body. */
extern const char s3_sha256_empty_hex[65];

#endif
