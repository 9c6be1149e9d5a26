/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/bench/load/sign.h"

#include <time.h>

#include "dfscore/base/clock.h"
#include "s3gw/auth/hmac.h"
#include "s3gw/core/digest.h"

enum { DATE_LASTS_S = 300, CANONICAL_MAX = 4096 };

struct kept {
    unsigned epoch; /* the date it belongs to */
    char hex[64];
};

void signer_init(struct signer *s, const struct load_options *o)
{
    *s = (struct signer){.o = o};
}

void signer_fini(struct signer *s)
{
    for (size_t i = 0; i < ARRAY_LEN(s->kept); i++)
        free(s->kept[i]);
}

static void renew_date(struct signer *s)
{
    int64_t now = dfs_now_s();
    if (s->made_s && now - s->made_s < DATE_LASTS_S)
        return;
    struct tm tm;
    time_t t = (time_t)now;
    ASSERT(gmtime_r(&t, &tm) && strftime(s->date, sizeof(s->date), "%Y%m%dT%H%M%SZ", &tm) == 16);
    snprintf(s->scope, sizeof(s->scope), "%.8s/%s/s3/aws4_request", s->date, s->o->region);
    s->made_s = now;
    s->epoch++;
}

static void compute(struct signer *s, const struct sign_what *w, char hex[64])
{
    char bytes[CANONICAL_MAX];
    const char *copy = w->copy_source.p ? "x-amz-copy-source:" : "";
    int n =
        snprintf(bytes, sizeof(bytes),
                 STR_F "\n" STR_F "\n" STR_F "\nhost:%s\nx-amz-content-sha256:" STR_F "\n%s" STR_F
                       "%sx-amz-date:%s\n\nhost;x-amz-content-sha256;%sx-amz-date\n" STR_F,
                 STR_A(w->method), STR_A(w->path), STR_A(w->query), s->o->endpoint,
                 STR_A(w->payload), copy, STR_A(w->copy_source), copy[0] ? "\n" : "", s->date,
                 copy[0] ? "x-amz-copy-source;" : "", STR_A(w->payload));
    ASSERT(n > 0 && (size_t)n < sizeof(bytes)); /* options limit every part */
    uint8_t digest[32];
    char digest_hex[64];
    s3_sha256(bytes, (size_t)n, digest);
    str_hex(digest, 32, digest_hex);
    n = snprintf(bytes, sizeof(bytes), "AWS4-HMAC-SHA256\n%s\n%s\n%.64s", s->date, s->scope,
                 digest_hex);
    struct s3_signing_scope scope = {str_c(s->o->access_key), str_c(s->o->secret_key),
                                     str_of(s->date, 8), str_c(s->o->region), STR("s3")};
    s3_hmac_signing(&scope, str_of(bytes, (size_t)n), digest, NULL);
    str_hex(digest, 32, hex);
}

/* The slot where the signature of @w is or shall be; NULL when it is not kept. */
static struct kept *slot_of(struct signer *s, const struct sign_what *w)
{
    if (w->keep >= SIGN_KEPT)
        return NULL;
    if (!s->kept[w->op])
        s->kept[w->op] = dfs_zalloc(SIGN_KEPT * sizeof(struct kept));
    return s->kept[w->op] ? &s->kept[w->op][w->keep] : NULL;
}

void signer_add(struct signer *s, const struct sign_what *w, struct buf *out)
{
    renew_date(s);
    char own[64], *hex = own;
    struct kept *slot = slot_of(s, w);
    if (slot)
        hex = slot->hex;
    if (!slot || slot->epoch != s->epoch)
        compute(s, w, hex);
    if (slot)
        slot->epoch = s->epoch;
    buf_adds(out, STR("x-amz-content-sha256: "));
    buf_adds(out, w->payload);
    if (w->copy_source.p) {
        buf_adds(out, STR("\r\nx-amz-copy-source: "));
        buf_adds(out, w->copy_source);
    }
    buf_adds(out, STR("\r\nx-amz-date: "));
    buf_add(out, s->date, 16);
    buf_adds(out, STR("\r\nAuthorization: AWS4-HMAC-SHA256 Credential="));
    buf_adds(out, str_c(s->o->access_key));
    buf_addc(out, '/');
    buf_adds(out, str_c(s->scope));
    buf_adds(out, STR(",SignedHeaders=host;x-amz-content-sha256;"));
    if (w->copy_source.p)
        buf_adds(out, STR("x-amz-copy-source;"));
    buf_adds(out, STR("x-amz-date,Signature="));
    buf_add(out, hex, 64);
    buf_adds(out, STR("\r\n"));
}
