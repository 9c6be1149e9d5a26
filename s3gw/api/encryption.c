/* SPDX-License-Identifier: Apache-2.0 */
#include "s3gw/api/encryption.h"

#include <jansson.h>
#include <sys/random.h>

#include "dfscore/log/log.h"
#include "s3gw/core/digest.h"
#include "s3gw/core/gw.h"
#include "s3gw/index/bucket.h"
#include "s3gw/sse/defaults.h"
#include "s3gw/sse/kms.h"

#define SSE    "x-amz-server-side-encryption"
#define SOURCE "x-amz-copy-source-server-side-encryption"

static const struct str PREFIX = STR_INIT(SSE), SOURCE_PREFIX = STR_INIT(SOURCE "-customer-");

bool s3_seal_wants_md5(const struct s3_seal *seal)
{
    return !seal || seal->mode == S3_SSE_S3;
}

int s3_seal_etag(const struct s3_seal *seal, const uint8_t md5[16], uint8_t etag[16])
{
    if (!s3_seal_wants_md5(seal))
        return getrandom(etag, 16, 0) == 16 ? 0 : -EIO;
    memmove(etag, md5, 16);
    return 0;
}

static enum s3err no_memory(void)
{
    return s3err_from_errno(-ENOMEM, S3_THING_OTHER);
}

/* Is any option with that beginning given? Requests without are the common case. */
static bool mentions(const struct s3_req *q, struct str prefix)
{
    for (size_t i = 0; i < q->nheaders; i++)
        if (str_istarts(q->headers[i].name, prefix))
            return true;
    for (size_t i = 0; i < q->nparams; i++)
        if (str_istarts(q->params[i].name, prefix) && s3_req_option(q, q->params[i].name).p)
            return true;
    return false;
}

/* ---- the customer's key ---- */

struct customer {
    bool given;
    uint8_t *key; /* s3_req_secret() */
};

static const struct customer_names {
    const char *algorithm, *key, *md5;
} own_names = {SSE "-customer-algorithm", SSE "-customer-key", SSE "-customer-key-MD5"},
  source_names = {SOURCE "-customer-algorithm", SOURCE "-customer-key", SOURCE "-customer-key-MD5"};

static enum s3err bad_customer(struct s3_req *q, const char *name, const char *what)
{
    return s3_err_arg(q,
                      arena_printf(&q->arena,
                                   "Requests specifying Server Side Encryption with Customer "
                                   "provided keys must provide %s.",
                                   what)
                          .p,
                      name, STR_NULL);
}

static enum s3err take_key(struct s3_req *q, const struct customer_names *n, uint8_t key[32])
{
    uint8_t given[16], md5[16];
    size_t size;
    struct str text = s3_req_option(q, str_c(n->key)), check = s3_req_option(q, str_c(n->md5));
    if (!text.p)
        return bad_customer(q, n->key, "an appropriate secret key");
    if (str_unbase64(text, key, 32, &size) < 0 || size != 32)
        return s3_err_arg(q, "The secret key was invalid for the specified algorithm.", n->key,
                          STR_NULL); /* never shown */
    if (!check.p)
        return bad_customer(q, n->md5, "the client calculated MD5 of the secret key");
    s3_md5(key, 32, md5);
    if (str_unbase64(check, given, sizeof(given), &size) < 0 || size != sizeof(given) ||
        memcmp(given, md5, sizeof(md5)) != 0)
        return s3_err_arg(
            q, "The calculated MD5 hash of the key did not match the hash that was provided.",
            n->md5, check);
    return S3ERR_OK;
}

static bool key_may_travel(const struct s3_req *q)
{
    static const struct str local[] = {STR_INIT("127."), STR_INIT("::ffff:127.")};
    enum s3_sse_c_over_http over = q->gw->sse_c_over_http;
    if (q->tls || over != S3_SSE_C_FROM_LOOPBACK)
        return q->tls || over == S3_SSE_C_ALWAYS;
    return str_starts(q->peer, local[0]) || str_starts(q->peer, local[1]) ||
           str_eq(q->peer, STR("::1"));
}

static enum s3err customer_from(struct s3_req *q, const struct customer_names *n,
                                struct customer *ret)
{
    *ret = (struct customer){0};
    struct str algorithm = s3_req_option(q, str_c(n->algorithm));
    if (!algorithm.p && !s3_req_option(q, str_c(n->key)).p && !s3_req_option(q, str_c(n->md5)).p)
        return S3ERR_OK;
    if (!key_may_travel(q))
        return s3_errm(
            q, S3ERR_INVALID_REQUEST,
            "Requests specifying Server Side Encryption with Customer provided keys must "
            "be made over a secure connection.");
    if (!algorithm.p)
        return bad_customer(q, n->algorithm, "a valid encryption algorithm");
    if (!str_eq(algorithm, STR("AES256")))
        return s3_err2(q, S3ERR_INVALID_ENCRYPTION_ALGORITHM_ERROR, "ArgumentName",
                       str_c(n->algorithm), "ArgumentValue", algorithm);
    ret->key = s3_req_secret(q);
    ret->given = true;
    return ret->key ? take_key(q, n, ret->key) : no_memory();
}

/* ---- asking the key management service ---- */

static enum s3err kms_error(struct s3_req *q, int r, const struct s3_sse *s)
{
    switch (r) {
    case 0:
        return S3ERR_OK;
    case -EAGAIN:
        return q->may_block ? S3ERR_SLOW_DOWN : S3ERR_WOULD_BLOCK;
    case -ENOKEY:
        return s3_errm(q, S3ERR_KMS_NOT_FOUND_EXCEPTION, "Key '" STR_F "' does not exist",
                       STR_A(s->id.n ? s->id : s->key));
    case -EKEYREVOKED:
        return s3_errm(q, S3ERR_KMS_DISABLED_EXCEPTION, STR_F " is disabled.",
                       STR_A(s->id.n ? s->id : s->key));
    case -EHOSTUNREACH:
        return S3ERR_SERVICE_UNAVAILABLE;
    default:
        dfs_log(LOG_ERROR, "s3.data_key_unusable", KV_Z("req", q->request_id),
                KV_STR("bucket", q->bucket), KV_STR("key", q->key), KV_STR("wrapped_by", s->key),
                KV_ERR(r));
        return s3err_from_errno(r, S3_THING_OTHER);
    }
}

static enum s3err unwrap(struct s3_req *q, const struct s3_sse *s, const struct customer *c,
                         enum s3_opening what, uint8_t *dek)
{
    AUTO(buf_free) struct buf aad = BUF(2 * S3_SSE_CONTEXT_MAX);
    s3_sse_aad(s, &aad);
    if (buf_err(&aad))
        return no_memory();
    if (s->mode != S3_SSE_C)
        return kms_error(q,
                         q->gw->kms ? q->gw->kms->unwrap(q->gw->kms, s->key, buf_str(&aad),
                                                         s->wrapped, q->may_block, dek)
                                    : -ENOKEY,
                         s);
    int r = s3_key_unwrap(c->key, buf_str(&aad), s->wrapped, dek);
    if (r == -EKEYREJECTED && what == S3_OPEN_UPLOAD)
        return s3_errm(
            q, S3ERR_INVALID_REQUEST,
            "The provided encryption parameters did not match the ones used originally.");
    return r == -EKEYREJECTED ? S3ERR_ACCESS_DENIED : s3err_from_errno(r, S3_THING_OTHER);
}

/* Fill s->wrapped, in the arena. */
static enum s3err wrap(struct s3_req *q, struct s3_sse *s, const struct customer *c,
                       const uint8_t *dek)
{
    AUTO(buf_free) struct buf aad = BUF(2 * S3_SSE_CONTEXT_MAX);
    AUTO(buf_free) struct buf wrapped = BUF(S3_SSE_WRAPPED_MAX);
    s3_sse_aad(s, &aad);
    int r = buf_err(&aad);
    if (r < 0)
        return no_memory();
    if (s->mode == S3_SSE_C) {
        uint8_t *w = (uint8_t *)buf_room(&wrapped, S3_WRAPPED_BYTES);
        r = w ? s3_key_wrap(c->key, buf_str(&aad), dek, w) : -ENOMEM;
        if (r == 0)
            buf_used(&wrapped, S3_WRAPPED_BYTES);
    } else {
        r = q->gw->kms->wrap(q->gw->kms, s->key, buf_str(&aad), dek, q->may_block, &wrapped);
    }
    if (r < 0)
        return kms_error(q, r, s);
    s->wrapped = arena_str(&q->arena, buf_str(&wrapped));
    return s->wrapped.p ? S3ERR_OK : no_memory();
}

/* ---- what a write asks for ---- */

/* Base64 of a JSON object of strings; kept with sorted keys, so that equal means the same bytes. */
static enum s3err context_from(struct s3_req *q, struct str text, struct str *ret)
{
    const char *name = SSE "-context",
               *bad = "The header '" SSE "-context' shall be base64-encoded JSON of string pairs.";
    size_t n = 0;
    uint8_t *bytes = arena_alloc(&q->arena, text.n + 1);
    if (!bytes)
        return no_memory();
    if (text.n > S3_SSE_CONTEXT_MAX || str_unbase64(text, bytes, text.n, &n) < 0)
        return s3_err_arg(q, bad, name, text);
    json_t *j = json_loadb((const char *)bytes, n, JSON_REJECT_DUPLICATES, NULL), *v;
    const char *key;
    bool ok = json_is_object(j);
    json_object_foreach(j, key, v) ok = ok && json_is_string(v);
    char *canonical = ok ? json_dumps(j, JSON_COMPACT | JSON_SORT_KEYS) : NULL;
    *ret = canonical ? arena_str(&q->arena, str_c(canonical)) : STR_NULL;
    free(canonical);
    json_decref(j);
    if (!ok)
        return s3_err_arg(q, bad, name, text);
    return ret->p ? S3ERR_OK : no_memory();
}

static enum s3err bucket_key_from(struct s3_req *q, bool kms, bool preset, bool *ret)
{
    struct str v = s3_req_option(q, STR(SSE "-bucket-key-enabled"));
    bool yes = str_ieq(v, STR("true"));
    *ret = kms && (v.p ? yes : preset);
    if (v.p && !yes && !str_ieq(v, STR("false")))
        return s3_err_arg(q, "Invalid value; it is true or false", SSE "-bucket-key-enabled", v);
    if (yes && !kms) /* Differs: AWS ignores it */
        return s3_err_arg(q, SSE "-bucket-key-enabled is for aws:kms only",
                          SSE "-bucket-key-enabled", v);
    return S3ERR_OK;
}

static enum s3err kms_from(struct s3_req *q, const struct s3_sse_defaults *d, struct s3_sse *s)
{
    struct str context = s3_req_option(q, STR(SSE "-context"));
    bool asked_for = s3_req_option(q, PREFIX).p != NULL;
    s->id = asked_for ? s3_req_option(q, STR(SSE "-aws-kms-key-id")) : d->id;
    if (!s->id.n)
        s->id = arena_printf(&q->arena, "arn:aws:kms:" STR_F ":000000000000:alias/" S3_KEY_OF_KMS,
                             STR_A(q->gw->region));
    if (!s->id.p)
        return no_memory();
    s->key = s3_kms_name_of(s->id);
    if (s->id.n > S3_SSE_ID_MAX || !s3_key_name_ok(s->key))
        return kms_error(q, -ENOKEY, s);
    return context.p ? context_from(q, context, &s->context) : S3ERR_OK;
}

/* AES256, aws:kms, or the bucket's default. */
static enum s3err service_from(struct s3_req *q, const struct s3_sse_defaults *d, struct s3_sse *s)
{
    static const char *const kms_only[] = {SSE "-aws-kms-key-id", SSE "-context"};
    struct str v = s3_req_option(q, PREFIX);
    if (str_eq(v, STR("aws:kms:dsse")))
        return s3_err(q, S3ERR_NOT_IMPLEMENTED, "Header", PREFIX);
    s->mode = !v.p                        ? d->mode
              : str_eq(v, STR("AES256"))  ? S3_SSE_S3
              : str_eq(v, STR("aws:kms")) ? S3_SSE_KMS
                                          : S3_SSE_NONE;
    if (v.p && s->mode == S3_SSE_NONE)
        return s3_err_arg(q, "The encryption method specified is not supported", SSE, v);
    for (size_t i = 0; i < ARRAY_LEN(kms_only); i++) {
        struct str given = s3_req_option(q, str_c(kms_only[i]));
        if (given.p && !str_eq(v, STR("aws:kms")))
            return s3_err_arg(q, "This header needs " SSE " = aws:kms.", kms_only[i], given);
    }
    enum s3err e = bucket_key_from(q, s->mode == S3_SSE_KMS, d->bucket_key, &s->bucket_key);
    if (e == S3ERR_OK && s->mode == S3_SSE_KMS)
        e = kms_from(q, d, s);
    if (s->mode == S3_SSE_S3)
        s->key = STR(S3_KEY_OF_SSE_S3);
    if (e == S3ERR_OK && s->mode != S3_SSE_NONE && !q->gw->kms)
        return s3_errm(
            q, S3ERR_NOT_IMPLEMENTED,
            "This server has no key ring; SSE-S3 and SSE-KMS need one (setting key_ring).");
    return e;
}

static enum s3err asked(struct s3_req *q, const struct s3_sse_defaults *d, struct s3_sse *s,
                        struct customer *c)
{
    enum s3err e = customer_from(q, &own_names, c);
    if (e != S3ERR_OK || !c->given)
        return e == S3ERR_OK ? service_from(q, d, s) : e;
    struct str other = s3_req_option(q, PREFIX);
    if (other.p)
        return s3_err_arg(
            q,
            "Server Side Encryption with Customer provided key is incompatible with the "
            "encryption method specified",
            SSE, other);
    s->mode = S3_SSE_C;
    return d->blocks_sse_c ? S3ERR_ACCESS_DENIED : S3ERR_OK;
}

static enum s3err keep_section(struct s3_req *q, const struct s3_sse *s, struct s3_object *o)
{
    AUTO(buf_free) struct buf section = BUF(S3_SSE_SECTION_MAX);
    s3_sse_encode(s, &section);
    o->sse = buf_err(&section) ? STR_NULL : arena_str(&q->arena, buf_str(&section));
    return o->sse.p ? S3ERR_OK : no_memory();
}

static enum s3err make_seal(struct s3_req *q, struct s3_sse *s, const struct customer *c,
                            struct s3_object *o)
{
    struct s3_seal *seal = arena_alloc(&q->arena, sizeof(*seal));
    uint8_t *dek = s3_req_secret(q);
    if (!seal || !dek)
        return no_memory();
    if (getrandom(dek, S3_DEK_BYTES, 0) != S3_DEK_BYTES)
        return S3ERR_INTERNAL_ERROR;
    enum s3err e = wrap(q, s, c, dek);
    if (e == S3ERR_OK)
        e = keep_section(q, s, o);
    if (e != S3ERR_OK)
        return e;
    *seal = (struct s3_seal){.mode = s->mode, .dek = dek};
    q->seal = seal;
    return S3ERR_OK;
}

enum s3err s3_encryption_from(struct s3_req *q, struct s3_object *o)
{
    struct str record = s3_bucket_doc(q->bkt, STR("encryption"));
    o->sse = STR_NULL;
    q->seal = NULL;
    if (!record.p && !mentions(q, PREFIX))
        return S3ERR_OK;
    struct s3_sse_defaults d;
    struct s3_sse s = {0};
    struct customer c;
    int r = s3_sse_defaults_decode(record, &d);
    if (r < 0)
        return s3err_from_errno(r, S3_THING_OTHER);
    enum s3err e = asked(q, &d, &s, &c);
    return e == S3ERR_OK && s.mode != S3_SSE_NONE ? make_seal(q, &s, &c, o) : e;
}

enum s3err s3_encryption_rewrap(struct s3_req *q, const struct s3_object *source,
                                const uint8_t *dek, struct s3_object *o)
{
    struct s3_sse s, from;
    struct customer c;
    int r = s3_sse_decode(source->sse, &from);
    if (r == 0)
        r = s3_sse_decode(o->sse, &s);
    if (r < 0)
        return s3err_from_errno(r, S3_THING_OTHER);
    s.first_whole = from.first_whole;
    enum s3err e = customer_from(q, &own_names, &c);
    if (e == S3ERR_OK)
        e = wrap(q, &s, &c, dek);
    return e == S3ERR_OK ? keep_section(q, &s, o) : e;
}

/* ---- what a read asks for ---- */

static enum s3err not_applicable(struct s3_req *q)
{
    return s3_errm(q, S3ERR_INVALID_REQUEST,
                   "The encryption parameters are not applicable to this object.");
}

static enum s3err key_needed(struct s3_req *q, enum s3_opening what)
{
    return what == S3_OPEN_UPLOAD
               ? s3_errm(
                     q, S3ERR_INVALID_REQUEST,
                     "The multipart upload initiate requested encryption. Subsequent part requests "
                     "must include the appropriate encryption parameters.")
               : s3_errm(
                     q, S3ERR_INVALID_REQUEST,
                     "The object was stored using a form of Server Side Encryption. The correct "
                     "parameters must be provided to retrieve the object.");
}

static bool mentioned_in_read(const struct s3_req *q, enum s3_opening what)
{
    return mentions(q, what == S3_OPEN_SOURCE ? SOURCE_PREFIX : PREFIX);
}

static enum s3err customer_of_read(struct s3_req *q, enum s3_opening what, struct customer *ret)
{
    struct str method = what == S3_OPEN_SOURCE ? STR_NULL : s3_req_option(q, PREFIX);
    if (method.p)
        return s3_err_arg(q, SSE " header is not supported for this operation.", SSE, method);
    return customer_from(q, what == S3_OPEN_SOURCE ? &source_names : &own_names, ret);
}

enum s3err s3_encryption_check_read(struct s3_req *q, enum s3_opening what)
{
    struct customer c;
    return mentioned_in_read(q, what) ? customer_of_read(q, what, &c) : S3ERR_OK;
}

enum s3err s3_encryption_open(struct s3_req *q, const struct s3_object *o, enum s3_opening what,
                              bool want, uint8_t **ret)
{
    *ret = NULL;
    bool mentioned = mentioned_in_read(q, what);
    if (!o->sse.p && !mentioned)
        return S3ERR_OK;
    struct s3_sse s;
    struct customer c;
    enum s3err e = customer_of_read(q, what, &c);
    if (e != S3ERR_OK)
        return e;
    if (!o->sse.p)
        return not_applicable(q);
    int r = s3_sse_decode(o->sse, &s);
    if (r < 0)
        return s3err_from_errno(r, S3_THING_OTHER);
    if (c.given != (s.mode == S3_SSE_C))
        return c.given ? not_applicable(q) : key_needed(q, what);
    if (mentioned && !c.given)
        return not_applicable(q);
    if (!want && s.mode != S3_SSE_C)
        return S3ERR_OK;
    uint8_t *dek = s3_req_secret(q);
    if (!dek)
        return no_memory();
    e = unwrap(q, &s, &c, what, dek);
    if (e == S3ERR_OK)
        *ret = dek;
    return e;
}

enum s3err s3_encryption_of_part(struct s3_req *q, const struct s3_object *proto, uint32_t number,
                                 struct s3_seal *ret)
{
    enum s3_sse_mode mode;
    int r = s3_sse_mode_of(proto->sse, &mode);
    if (r < 0)
        return s3err_from_errno(r, S3_THING_UPLOAD);
    uint8_t *dek;
    enum s3err e = s3_encryption_open(q, proto, S3_OPEN_UPLOAD, true, &dek);
    *ret = (struct s3_seal){.mode = mode, .dek = dek, .part = number};
    q->seal = e == S3ERR_OK && dek ? ret : NULL;
    return e;
}

enum s3err s3_encryption_check_upload(struct s3_req *q, const struct s3_object *proto)
{
    uint8_t *dek;
    return mentions(q, STR(SSE "-customer-"))
               ? s3_encryption_open(q, proto, S3_OPEN_UPLOAD, false, &dek)
               : S3ERR_OK;
}

/* ---- appends ---- */

/* Does the request ask for the encryption there is, or for nothing? */
static bool fits(const struct s3_req *q, const struct s3_sse *asked, const struct s3_sse *is)
{
    if (asked->mode != is->mode)
        return asked->mode == S3_SSE_NONE && is->mode != S3_SSE_C;
    bool id_given = s3_req_option(q, STR(SSE "-aws-kms-key-id")).p != NULL,
         context_given = s3_req_option(q, STR(SSE "-context")).p != NULL,
         bits_given = s3_req_option(q, STR(SSE "-bucket-key-enabled")).p != NULL;
    return (!id_given || str_eq(asked->key, is->key)) &&
           (!context_given || str_eq(asked->context, is->context)) &&
           (!bits_given || asked->bucket_key == is->bucket_key);
}

enum s3err s3_encryption_of_append(struct s3_req *q, const struct s3_object *base, uint32_t part,
                                   struct s3_seal *ret, struct str *section)
{
    struct s3_sse_defaults none = {0};
    struct s3_sse is = {0}, want = {0};
    struct customer c;
    q->seal = NULL;
    *section = base->sse;
    int r = base->sse.p ? s3_sse_decode(base->sse, &is) : 0;
    if (r < 0)
        return s3err_from_errno(r, S3_THING_OTHER);
    enum s3err e = asked(q, &none, &want, &c);
    if (e == S3ERR_OK && is.mode == S3_SSE_C && !c.given)
        return key_needed(q, S3_OPEN_OBJECT);
    if (e == S3ERR_OK && !fits(q, &want, &is))
        return S3ERR_ENCRYPTION_TYPE_MISMATCH;
    if (e != S3ERR_OK || !base->sse.p)
        return e;
    *ret = (struct s3_seal){.mode = is.mode, .dek = s3_req_secret(q), .part = part};
    e = ret->dek ? unwrap(q, &is, &c, S3_OPEN_OBJECT, ret->dek) : no_memory();
    struct s3_object grown = {.sse = base->sse};
    if (e == S3ERR_OK && part > 0 && base->nparts == 0) {
        is.first_whole = true;
        e = keep_section(q, &is, &grown);
    }
    *section = grown.sse;
    q->seal = e == S3ERR_OK ? ret : NULL;
    return e;
}

/* ---- another key ---- */

enum s3err s3_encryption_change_key(struct s3_req *q, const struct s3_object *o, struct str id,
                                    bool bucket_key, struct str *section)
{
    struct s3_sse s = {0};
    struct s3_object changed = {0};
    uint8_t *dek;
    int r = o->sse.p ? s3_sse_decode(o->sse, &s) : 0;
    if (r < 0)
        return s3err_from_errno(r, S3_THING_OTHER);
    if (s.mode != S3_SSE_S3 && s.mode != S3_SSE_KMS)
        return s3_errm(q, S3ERR_INVALID_REQUEST,
                       "Only objects encrypted with SSE-S3 or SSE-KMS can be given another key.");
    enum s3err e = s3_encryption_open(q, o, S3_OPEN_OBJECT, true, &dek);
    if (e != S3ERR_OK)
        return e;
    s.mode = S3_SSE_KMS;
    s.id = id;
    s.key = s3_kms_name_of(id);
    s.bucket_key = bucket_key;
    e = s.id.n <= S3_SSE_ID_MAX && s3_key_name_ok(s.key) ? wrap(q, &s, NULL, dek)
                                                         : kms_error(q, -ENOKEY, &s);
    if (e == S3ERR_OK)
        e = keep_section(q, &s, &changed);
    *section = changed.sse;
    return e;
}

/* ---- copies ---- */

bool s3_encryption_same(const struct s3_req *q, const struct s3_object *source,
                        const struct s3_object *o)
{
    struct s3_sse x, y;
    if (!source->sse.p || !o->sse.p || s3_sse_decode(source->sse, &x) < 0 ||
        s3_sse_decode(o->sse, &y) < 0 || x.mode != y.mode)
        return false;
    if (x.mode == S3_SSE_C) /* both have been judged */
        return str_eq_consttime(s3_req_option(q, str_c(source_names.key)),
                                s3_req_option(q, str_c(own_names.key)));
    return str_eq(x.key, y.key);
}

/* ---- answers ---- */

static void kms_headers(struct s3_req *q, const struct s3_sse *s, bool context)
{
    s3_resp_header(q, SSE "-aws-kms-key-id", s->id);
    if (s->bucket_key)
        s3_resp_header(q, SSE "-bucket-key-enabled", STR("true"));
    if (!context || s->context.n == 0)
        return;
    char *text = arena_alloc(&q->arena, 4 * (s->context.n / 3 + 1));
    if (text)
        s3_resp_header(q, SSE "-context",
                       str_of(text, str_base64(s->context.p, s->context.n, text)));
    else
        q->resp.no_memory = true;
}

void s3_encryption_headers(struct s3_req *q, const struct s3_object *o, bool context)
{
    struct s3_sse s;
    if (!o->sse.p || s3_sse_decode(o->sse, &s) < 0)
        return; /* what cannot be read cannot be opened either, and that is said */
    if (s.mode == S3_SSE_C) {
        s3_resp_header(q, SSE "-customer-algorithm", s3_req_option(q, str_c(own_names.algorithm)));
        s3_resp_header(q, SSE "-customer-key-MD5", s3_req_option(q, str_c(own_names.md5)));
        return;
    }
    s3_resp_header(q, SSE, s.mode == S3_SSE_S3 ? STR("AES256") : STR("aws:kms"));
    if (s.mode == S3_SSE_KMS)
        kms_headers(q, &s, context);
}
