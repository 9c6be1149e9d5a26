/* SPDX-License-Identifier: Apache-2.0 */
#include "s3gw/auth/sigv4.h"

#include "s3gw/auth/hmac.h"
#include "s3gw/core/digest.h"
#include "s3gw/core/uri.h"

enum {
    CANONICAL_MAX = 512 * 1024
}; /* heads are 32 KiB or so; escapes triple, names may be signed twice */

/* --- canonical query --- */

struct encoded {
    uint32_t name, name_n, value, value_n; /* places in the scratch */
};

/* Heapsort: glibc's qsort may allocate, and takes no argument for the bytes that pairs point into.
 */
static int compare(const char *base, const struct encoded *a, const struct encoded *b)
{
    int c = str_cmp(str_of(base + a->name, a->name_n), str_of(base + b->name, b->name_n));
    return c ? c
             : str_cmp(str_of(base + a->value, a->value_n), str_of(base + b->value, b->value_n));
}

static void sift(const char *base, struct encoded *e, size_t at, size_t n)
{
    for (size_t child; (child = 2 * at + 1) < n; at = child) {
        if (child + 1 < n && compare(base, &e[child], &e[child + 1]) < 0)
            child++;
        if (compare(base, &e[at], &e[child]) >= 0)
            return;
        struct encoded t = e[at];
        e[at] = e[child];
        e[child] = t;
    }
}

static void sort(const char *base, struct encoded *e, size_t n)
{
    bool sorted = true;
    for (size_t i = 1; i < n && sorted; i++)
        sorted = compare(base, &e[i - 1], &e[i]) <= 0;
    if (sorted)
        return; /* as most SDKs send them */
    for (size_t i = n / 2; i-- > 0;)
        sift(base, e, i, n);
    while (n-- > 1) {
        struct encoded t = e[0];
        e[0] = e[n];
        e[n] = t;
        sift(base, e, 0, n);
    }
}

static uint32_t encode(struct buf *to, struct str s, uint32_t *at)
{
    *at = (uint32_t)to->n;
    s3_uri_encode(to, s, false);
    return (uint32_t)to->n - *at;
}

void s3_sigv4_canonical_query(struct s3_req *q, bool presigned, struct buf *out)
{
    if (!q->nparams)
        return;
    AUTO(buf_free) struct buf scratch = BUF(CANONICAL_MAX);
    struct encoded *e = arena_alloc(&q->arena, q->nparams * sizeof(*e));
    if (!e) {
        out->err = -ENOMEM;
        return;
    }
    size_t n = 0;
    for (size_t i = 0; i < q->nparams; i++) {
        const struct s3_pair *p = &q->params[i];
        if (presigned && str_eq(p->name, STR("X-Amz-Signature")))
            continue;
        e[n].name_n = encode(&scratch, p->name, &e[n].name);
        e[n].value_n = encode(&scratch, p->value, &e[n].value);
        n++;
    }
    if (buf_err(&scratch)) {
        out->err = buf_err(&scratch);
        return;
    }
    struct str text = buf_str(&scratch);
    sort(text.p, e, n);
    for (size_t i = 0; i < n; i++) {
        if (i)
            buf_addc(out, '&');
        buf_add(out, text.p + e[i].name, e[i].name_n);
        buf_addc(out, '=');
        buf_add(out, text.p + e[i].value, e[i].value_n);
    }
}

/* --- canonical headers --- */

static bool blank(char c)
{
    return c == ' ' || c == '\t';
}

/* Trimmed, runs of blanks as one space: tabs too, which SDKs count among them when they sign. */
static void add_folded(struct buf *out, struct str value)
{
    value = str_trim(value);
    char *to = value.n ? buf_room(out, value.n) : NULL;
    if (!to)
        return;
    size_t n = 0;
    for (size_t i = 0; i < value.n; i++)
        if (!blank(value.p[i]))
            to[n++] = value.p[i];
        else if (!blank(value.p[i - 1])) /* never at 0: trimmed */
            to[n++] = ' ';
    buf_used(out, n);
}

static void add_header(const struct s3_req *q, struct str name, struct buf *out)
{
    buf_adds(out, name);
    buf_addc(out, ':');
    bool again = false;
    for (size_t i = 0; i < q->nheaders; i++) {
        if (!str_ieq(q->headers[i].name, name))
            continue;
        if (again)
            buf_addc(out, ',');
        add_folded(out, q->headers[i].value);
        again = true;
    }
    buf_addc(out, '\n');
}

void s3_sigv4_canonical_request(struct s3_req *q, const struct s3_sigv4 *v, struct buf *out)
{
    buf_adds(out, q->method_name);
    buf_addc(out, '\n');
    s3_uri_encode(out, q->path, true);
    buf_addc(out, '\n');
    s3_sigv4_canonical_query(q, v->query, out);
    buf_addc(out, '\n');
    struct str rest = v->signed_headers, name;
    while (str_split(&rest, ';', &name))
        add_header(q, name, out);
    buf_addc(out, '\n');
    buf_adds(out, v->signed_headers);
    buf_addc(out, '\n');
    buf_adds(out, v->payload);
}

static void string_to_sign(const struct s3_sigv4 *v, struct str canonical_request, struct buf *out)
{
    uint8_t sha[32];
    s3_sha256(canonical_request.p, canonical_request.n, sha);
    buf_adds(out, STR("AWS4-HMAC-SHA256\n"));
    buf_adds(out, str_c(v->date));
    buf_addc(out, '\n');
    buf_adds(out, v->scope);
    buf_addc(out, '\n');
    char *hex = buf_room(out, 64);
    if (!hex)
        return;
    str_hex(sha, sizeof(sha), hex);
    buf_used(out, 64);
}

/* --- verdict --- */

static enum s3err mismatch(struct s3_req *q, const struct s3_sigv4 *v, struct str to_sign,
                           struct str canonical)
{
    enum s3err e = S3ERR_SIGNATURE_DOES_NOT_MATCH;
    s3_err2(q, e, "AWSAccessKeyId", v->access_key, "StringToSign", to_sign);
    s3_err2(q, e, "SignatureProvided", v->signature, "StringToSignBytes",
            s3_hmac_spelled(&q->arena, to_sign));
    return s3_err2(q, e, "CanonicalRequest", canonical, "CanonicalRequestBytes",
                   s3_hmac_spelled(&q->arena, canonical));
}

enum s3err s3_sigv4_check(struct s3_req *q, const struct s3_sigv4 *v, struct str secret,
                          uint8_t *ret_key)
{
    AUTO(buf_free) struct buf canonical = BUF(CANONICAL_MAX);
    AUTO(buf_free) struct buf to_sign = BUF(4096);
    /* An ordinary request fits without growing, and into what glibc keeps at hand. */
    (void)buf_room(&canonical, 1000);
    (void)buf_room(&to_sign, 250);
    s3_sigv4_canonical_request(q, v, &canonical);
    string_to_sign(v, buf_str(&canonical), &to_sign);
    if (buf_err(&canonical) == -E2BIG || buf_err(&to_sign) == -E2BIG)
        return S3ERR_REQUEST_HEADER_SECTION_TOO_LARGE;
    if (buf_err(&canonical) || buf_err(&to_sign))
        return S3ERR_SLOW_DOWN;
    struct s3_signing_scope scope = {v->access_key, secret, v->day, v->region, v->service};
    uint8_t mac[32];
    char hex[64];
    s3_hmac_signing(&scope, buf_str(&to_sign), mac, ret_key);
    str_hex(mac, sizeof(mac), hex);
    if (str_eq_consttime(str_of(hex, sizeof(hex)), v->signature))
        return S3ERR_OK;
    return mismatch(q, v, buf_str(&to_sign), buf_str(&canonical));
}
