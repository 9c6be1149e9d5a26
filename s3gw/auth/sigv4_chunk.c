/* SPDX-License-Identifier: Apache-2.0 */
#include "s3gw/auth/sigv4_chunk.h"

#include "s3gw/auth/hmac.h"
#include "s3gw/core/digest.h"

void s3_sigv4_chunks_init(struct s3_sigv4_chunks *c, const struct s3_sigv4 *v, const uint8_t *key)
{
    *c = (struct s3_sigv4_chunks){.scope = v->scope};
    memcpy(c->key, key, sizeof(c->key));
    memcpy(c->date, v->date, sizeof(c->date));
    memcpy(c->previous, v->signature.p, MIN(v->signature.n, sizeof(c->previous)));
}

/* @empty: chunks have the digest of no bytes in between, where other forms have headers. */
static bool check(struct s3_sigv4_chunks *c, struct str algorithm, bool empty,
                  const uint8_t sha256[32], struct str signature)
{
    AUTO(buf_free) struct buf text = BUF(4096);
    char hex[64];
    buf_adds(&text, algorithm);
    buf_addc(&text, '\n');
    buf_adds(&text, str_c(c->date));
    buf_addc(&text, '\n');
    buf_adds(&text, c->scope);
    buf_addc(&text, '\n');
    buf_add(&text, c->previous, sizeof(c->previous));
    buf_addc(&text, '\n');
    if (empty) {
        buf_adds(&text, str_c(s3_sha256_empty_hex));
        buf_addc(&text, '\n');
    }
    str_hex(sha256, 32, hex);
    buf_add(&text, hex, sizeof(hex));
    if (buf_err(&text))
        return false;
    uint8_t mac[32];
    s3_hmac_sha256(c->key, sizeof(c->key), buf_str(&text), mac);
    str_hex(mac, sizeof(mac), hex);
    if (!str_eq_consttime(str_of(hex, sizeof(hex)), signature))
        return false;
    memcpy(c->previous, hex, sizeof(hex));
    return true;
}

static bool check_chunk(void *arg, const uint8_t sha256[32], struct str signature)
{
    return check(arg, STR("AWS4-HMAC-SHA256-PAYLOAD"), true, sha256, signature);
}

static bool check_trailer(void *arg, const uint8_t sha256[32], struct str signature)
{
    return check(arg, STR("AWS4-HMAC-SHA256-TRAILER"), false, sha256, signature);
}

struct s3_chunk_verifier s3_sigv4_chunks_verifier(struct s3_sigv4_chunks *c)
{
    return (struct s3_chunk_verifier){check_chunk, check_trailer, c};
}
