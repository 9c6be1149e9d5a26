/* SPDX-License-Identifier: Apache-2.0 */
#include "s3gw/core/checksum.h"

#include <isa-l/crc.h>
#include <openssl/evp.h>
#include <xxhash.h>

#include "s3gw/core/crc64nvme.h"
#include "s3gw/core/digest.h"

#define ROW(NAME, lower, n, full, composite)                                                       \
    {                                                                                              \
        STR_INIT(NAME), "x-amz-checksum-" lower, "Checksum" NAME, n, full, composite               \
    }

static const struct s3_checksum_info infos[S3_CK_COUNT_] = {
    [S3_CK_NONE] = {STR_INIT(""), "", "", 0, false, false},
    [S3_CK_CRC32] = ROW("CRC32", "crc32", 4, true, true),
    [S3_CK_CRC32C] = ROW("CRC32C", "crc32c", 4, true, true),
    [S3_CK_SHA1] = ROW("SHA1", "sha1", 20, false, true),
    [S3_CK_SHA256] = ROW("SHA256", "sha256", 32, false, true),
    [S3_CK_CRC64NVME] = ROW("CRC64NVME", "crc64nvme", 8, true, false),
    [S3_CK_SHA512] = ROW("SHA512", "sha512", 64, false, true),
    [S3_CK_MD5] = ROW("MD5", "md5", 16, false, true),
    [S3_CK_XXHASH64] = ROW("XXHASH64", "xxhash64", 8, false, true),
    [S3_CK_XXHASH3] = ROW("XXHASH3", "xxhash3", 8, false, true),
    [S3_CK_XXHASH128] = ROW("XXHASH128", "xxhash128", 16, false, true),
};

const char s3_checksum_valid_names[] =
    "CRC32, CRC32C, CRC64NVME, SHA1, SHA256, SHA512, MD5, XXHASH64, XXHASH3, XXHASH128";

const struct s3_checksum_info *s3_checksum_info(enum s3_checksum_alg alg)
{
    ASSERT(alg < S3_CK_COUNT_);
    return &infos[alg];
}

int s3_checksum_by_name(struct str name, enum s3_checksum_alg *ret)
{
    for (int a = S3_CK_NONE + 1; a < S3_CK_COUNT_; a++) {
        if (str_ieq(name, infos[a].name)) {
            *ret = (enum s3_checksum_alg)a;
            return 0;
        }
    }
    return -EINVAL;
}

int s3_checksum_by_header(struct str header, enum s3_checksum_alg *ret)
{
    struct str prefix = STR("x-amz-checksum-");
    if (!str_istarts(header, prefix))
        return -EINVAL;
    return s3_checksum_by_name(str_from(header, prefix.n), ret);
}

int s3_checksum_type_by_name(struct str name, enum s3_checksum_type *ret)
{
    bool full = str_ieq(name, STR("FULL_OBJECT"));
    if (!full && !str_ieq(name, STR("COMPOSITE")))
        return -EINVAL;
    *ret = full ? S3_CK_FULL_OBJECT : S3_CK_COMPOSITE;
    return 0;
}

struct str s3_checksum_type_name(enum s3_checksum_type type)
{
    return type == S3_CK_COMPOSITE ? STR("COMPOSITE") : STR("FULL_OBJECT");
}

enum s3_checksum_type s3_checksum_default_type(enum s3_checksum_alg alg)
{
    return s3_checksum_info(alg)->composite ? S3_CK_COMPOSITE : S3_CK_FULL_OBJECT;
}

/* --- text --- */

size_t s3_checksum_text(const struct s3_checksum *c, uint32_t parts, char out[S3_CK_TEXT_MAX])
{
    ASSERT(c->n <= S3_CK_MAX);
    size_t n = str_base64(c->value, c->n, out);
    out[n] = '\0';
    if (c->type == S3_CK_COMPOSITE && parts > 0)
        n += (size_t)snprintf(out + n, S3_CK_TEXT_MAX - n, "-%u", parts);
    return n;
}

int s3_checksum_parse(enum s3_checksum_alg alg, struct str text, struct s3_checksum *ret)
{
    struct s3_checksum c = {.alg = alg, .type = S3_CK_FULL_OBJECT, .n = s3_checksum_info(alg)->n};
    size_t n;
    if (str_unbase64(text, c.value, sizeof(c.value), &n) < 0 || n != c.n || n == 0)
        return -EINVAL;
    *ret = c;
    return 0;
}

int s3_checksum_parse_parts(enum s3_checksum_alg alg, struct str text, struct s3_checksum *ret,
                            uint32_t *ret_parts)
{
    struct str value, number;
    uint64_t parts = 0;
    bool composite = str_cut(text, '-', &value, &number); /* no base64 digit is '-' */
    if (composite && (str_u64(number, UINT32_MAX, &parts) < 0 || parts == 0))
        return -EINVAL;
    int r = s3_checksum_parse(alg, value, ret);
    if (r < 0)
        return r;
    ret->type = composite ? S3_CK_COMPOSITE : S3_CK_FULL_OBJECT;
    *ret_parts = (uint32_t)parts;
    return 0;
}

bool s3_checksum_eq(const struct s3_checksum *a, const struct s3_checksum *b)
{
    return a->alg == b->alg && a->n == b->n && memcmp(a->value, b->value, a->n) == 0;
}

/* --- digests --- */

static const EVP_MD *evp_md(enum s3_checksum_alg alg)
{
    switch (alg) {
    case S3_CK_SHA1:
        return s3_digest_md(S3_SHA1);
    case S3_CK_SHA256:
        return s3_digest_md(S3_SHA256);
    case S3_CK_SHA512:
        return s3_digest_md(S3_SHA512);
    case S3_CK_MD5:
        return s3_digest_md(S3_MD5);
    default:
        return NULL;
    }
}

int s3_hash_init(struct s3_hash *h, enum s3_checksum_alg alg)
{
    *h = (struct s3_hash){.alg = alg};
    const EVP_MD *md = evp_md(alg);
    if (md) {
        h->ctx = EVP_MD_CTX_new();
        if (!h->ctx || EVP_DigestInit_ex2(h->ctx, md, NULL) != 1) {
            s3_hash_fini(h);
            return -ENOMEM;
        }
    } else if (alg == S3_CK_XXHASH64) {
        h->ctx = XXH64_createState();
        if (!h->ctx)
            return -ENOMEM;
        XXH64_reset(h->ctx, 0);
    } else if (alg == S3_CK_XXHASH3 || alg == S3_CK_XXHASH128) {
        h->ctx = XXH3_createState();
        if (!h->ctx)
            return -ENOMEM;
        if (alg == S3_CK_XXHASH3)
            XXH3_64bits_reset(h->ctx);
        else
            XXH3_128bits_reset(h->ctx);
    }
    return 0;
}

/* ISA-L's buffers are not const and its lengths int: pieces of at most 1 GiB. */
static uint32_t crc32c(uint32_t crc, const uint8_t *p, size_t n)
{
    crc = ~crc;
    for (size_t step; n; p += step, n -= step) {
        step = MIN(n, (size_t)1 << 30);
        crc = crc32_iscsi((unsigned char *)(uintptr_t)p, (int)step, crc);
    }
    return ~crc;
}

void s3_hash_update(struct s3_hash *h, const void *p, size_t n)
{
    if (n == 0)
        return;
    switch (h->alg) {
    case S3_CK_CRC32:
        h->crc = crc32_gzip_refl((uint32_t)h->crc, p, n);
        return;
    case S3_CK_CRC32C:
        h->crc = crc32c((uint32_t)h->crc, p, n);
        return;
    case S3_CK_CRC64NVME:
        h->crc = s3_crc64nvme(h->crc, p, n);
        return;
    case S3_CK_SHA1:
    case S3_CK_SHA256:
    case S3_CK_SHA512:
    case S3_CK_MD5:
        ASSERT(EVP_DigestUpdate(h->ctx, p, n) == 1);
        return;
    case S3_CK_XXHASH64:
        XXH64_update(h->ctx, p, n);
        return;
    case S3_CK_XXHASH3:
        XXH3_64bits_update(h->ctx, p, n);
        return;
    case S3_CK_XXHASH128:
        XXH3_128bits_update(h->ctx, p, n);
        return;
    case S3_CK_NONE:
    case S3_CK_COUNT_:
        return;
    }
}

static void big_endian(uint64_t v, size_t n, uint8_t *out)
{
    for (size_t i = 0; i < n; i++)
        out[i] = (uint8_t)(v >> 8 * (n - 1 - i));
}

void s3_hash_final(struct s3_hash *h, struct s3_checksum *ret)
{
    *ret = (struct s3_checksum){.alg = h->alg, .n = s3_checksum_info(h->alg)->n};
    switch (h->alg) {
    case S3_CK_CRC32:
    case S3_CK_CRC32C:
    case S3_CK_CRC64NVME:
        big_endian(h->crc, ret->n, ret->value);
        return;
    case S3_CK_XXHASH64:
        big_endian(XXH64_digest(h->ctx), ret->n, ret->value);
        return;
    case S3_CK_XXHASH3:
        big_endian(XXH3_64bits_digest(h->ctx), ret->n, ret->value);
        return;
    case S3_CK_XXHASH128: {
        XXH128_canonical_t c;
        XXH128_canonicalFromHash(&c, XXH3_128bits_digest(h->ctx));
        memcpy(ret->value, c.digest, sizeof(c.digest));
        return;
    }
    case S3_CK_SHA1:
    case S3_CK_SHA256:
    case S3_CK_SHA512:
    case S3_CK_MD5:
        ASSERT(EVP_DigestFinal_ex(h->ctx, ret->value, NULL) == 1);
        return;
    case S3_CK_NONE:
    case S3_CK_COUNT_:
        return;
    }
}

void s3_hash_fini(struct s3_hash *h)
{
    if (evp_md(h->alg))
        EVP_MD_CTX_free(h->ctx);
    else if (h->alg == S3_CK_XXHASH64)
        XXH64_freeState(h->ctx);
    else if (h->alg == S3_CK_XXHASH3 || h->alg == S3_CK_XXHASH128)
        XXH3_freeState(h->ctx);
    *h = (struct s3_hash){.alg = S3_CK_NONE};
}

/* --- combining --- */

struct field { /* polynomials modulo P over GF(2), highest power in bit 0 */
    uint64_t poly;
    unsigned bits;
};

static struct field field_of(enum s3_checksum_alg alg)
{
    switch (alg) {
    case S3_CK_CRC32:
        return (struct field){0xEDB88320u, 32};
    case S3_CK_CRC32C:
        return (struct field){0x82F63B78u, 32};
    default:
        ASSERT(alg == S3_CK_CRC64NVME);
        return (struct field){S3_CRC64NVME_POLY, 64};
    }
}

static uint64_t times(struct field f, uint64_t a, uint64_t b)
{
    uint64_t product = 0;
    for (uint64_t bit = (uint64_t)1 << (f.bits - 1); bit; bit >>= 1) { /* x^0 first */
        if (a & bit)
            product ^= b;
        b = (b >> 1) ^ (b & 1 ? f.poly : 0); /* times x */
    }
    return product;
}

/*
 * crc(A||B) = crc(A) * x^(8 |B|) + crc(B): the all-ones before and after cancel out, since each of
 * the three has them. The power is built by squaring.
 */
uint64_t s3_crc_combine(enum s3_checksum_alg alg, uint64_t a, uint64_t b, uint64_t b_length)
{
    struct field f = field_of(alg);
    uint64_t shift = (uint64_t)1 << (f.bits - 1);      /* x^0 */
    uint64_t square = (uint64_t)1 << (f.bits - 1 - 8); /* x^8: one byte */
    for (; b_length; b_length >>= 1) {
        if (b_length & 1)
            shift = times(f, shift, square);
        square = times(f, square, square);
    }
    return times(f, shift, a) ^ b;
}

int s3_checksum_join_init(struct s3_checksum_join *j, enum s3_checksum_alg alg,
                          enum s3_checksum_type type)
{
    *j = (struct s3_checksum_join){.alg = alg, .type = type};
    const struct s3_checksum_info *info = s3_checksum_info(alg);
    if (type == S3_CK_FULL_OBJECT ? !info->full_object : !info->composite)
        return -EINVAL;
    return type == S3_CK_COMPOSITE ? s3_hash_init(&j->hash, alg) : 0;
}

int s3_checksum_join_add(struct s3_checksum_join *j, const struct s3_checksum *part, uint64_t size)
{
    if (part->alg != j->alg || part->n != s3_checksum_info(j->alg)->n)
        return -EINVAL;
    j->parts++;
    if (j->type == S3_CK_COMPOSITE) {
        s3_hash_update(&j->hash, part->value, part->n);
        return 0;
    }
    uint64_t crc = 0;
    for (size_t i = 0; i < part->n; i++)
        crc = crc << 8 | part->value[i];
    j->crc = s3_crc_combine(j->alg, j->crc, crc, size);
    return 0;
}

void s3_checksum_join_final(struct s3_checksum_join *j, struct s3_checksum *ret)
{
    if (j->type == S3_CK_COMPOSITE) {
        s3_hash_final(&j->hash, ret);
        ret->type = S3_CK_COMPOSITE;
        return;
    }
    *ret = (struct s3_checksum){
        .alg = j->alg, .type = S3_CK_FULL_OBJECT, .n = s3_checksum_info(j->alg)->n};
    big_endian(j->crc, ret->n, ret->value);
}

void s3_checksum_join_fini(struct s3_checksum_join *j)
{
    s3_hash_fini(&j->hash);
}
