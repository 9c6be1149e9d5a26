/* SPDX-License-Identifier: Apache-2.0 */
#include "s3gw/auth/auth.h"

#include "s3gw/auth/sigv2.h"
#include "s3gw/auth/sigv4.h"
#include "s3gw/auth/sigv4_chunk.h"
#include "s3gw/core/gw.h"
#include "s3gw/core/op.h"
#include "s3gw/index/bucket.h"

enum payload {
    PAYLOAD_NOT_SAID, /* no x-amz-content-sha256 */
    PAYLOAD_UNSIGNED,
    PAYLOAD_SHA256,
    PAYLOAD_SIGNED_CHUNKS,
    PAYLOAD_SIGNED_CHUNKS_TRAILER,
    PAYLOAD_UNSIGNED_TRAILER,
};

/* What s3_auth_verify() leaves for s3_auth_body(); q->auth. */
struct state {
    enum payload payload;
    uint8_t sha256[32];
    struct s3_sigv4_chunks chunks; /* V4 with signed chunks */
};

/* --- payload --- */

static enum s3err bad_payload(struct s3_req *q, struct str value)
{
    return s3_err_arg(
        q,
        "x-amz-content-sha256 must be UNSIGNED-PAYLOAD, STREAMING-UNSIGNED-PAYLOAD-TRAILER, "
        "STREAMING-AWS4-HMAC-SHA256-PAYLOAD, STREAMING-AWS4-HMAC-SHA256-PAYLOAD-TRAILER, or a "
        "valid "
        "sha256 value.",
        "x-amz-content-sha256", str_head(value, 256));
}

static enum s3err read_payload(struct s3_req *q, struct str value, struct state *st)
{
    static const struct {
        struct str name;
        enum payload payload;
    } names[] = {
        {STR_INIT("UNSIGNED-PAYLOAD"), PAYLOAD_UNSIGNED},
        {STR_INIT("STREAMING-AWS4-HMAC-SHA256-PAYLOAD"), PAYLOAD_SIGNED_CHUNKS},
        {STR_INIT("STREAMING-AWS4-HMAC-SHA256-PAYLOAD-TRAILER"), PAYLOAD_SIGNED_CHUNKS_TRAILER},
        {STR_INIT("STREAMING-UNSIGNED-PAYLOAD-TRAILER"), PAYLOAD_UNSIGNED_TRAILER},
    };
    st->payload = PAYLOAD_NOT_SAID;
    if (!value.p)
        return S3ERR_OK;
    for (size_t i = 0; i < ARRAY_LEN(names); i++)
        if (str_eq(value, names[i].name))
            st->payload = names[i].payload;
    if (str_starts(value, STR("STREAMING-AWS4-ECDSA-P256-SHA256-PAYLOAD")))
        return s3_errm(q, S3ERR_NOT_IMPLEMENTED, "Signature Version 4A is not implemented.");
    if (st->payload == PAYLOAD_NOT_SAID) {
        if (str_unhex(value, st->sha256, sizeof(st->sha256)) < 0)
            return bad_payload(q, value);
        st->payload = PAYLOAD_SHA256;
    }
    bool streamed = st->payload >= PAYLOAD_SIGNED_CHUNKS;
    if (streamed && q->op && q->op->body != S3_BODY_STREAM)
        return s3_errm(q, S3ERR_INVALID_REQUEST,
                       "The request does not take a streamed payload (" STR_F ").", STR_A(value));
    bool v4 = q->who.how == S3_AUTH_V4_HEADER || q->who.how == S3_AUTH_V4_QUERY;
    if (streamed && st->payload != PAYLOAD_UNSIGNED_TRAILER && !v4)
        return s3_errm(q, S3ERR_INVALID_REQUEST,
                       "Chunk signatures need a request signed with AWS4-HMAC-SHA256.");
    return S3ERR_OK;
}

enum s3err s3_auth_body(struct s3_req *q, struct s3_body_plan *plan)
{
    struct state *st = q->auth;
    ASSERT(st);
    *plan = (struct s3_body_plan){.q = q};
    switch (st->payload) {
    case PAYLOAD_NOT_SAID:
    case PAYLOAD_UNSIGNED:
        break;
    case PAYLOAD_SHA256:
        plan->has_sha256 = true;
        memcpy(plan->sha256, st->sha256, sizeof(plan->sha256));
        break;
    case PAYLOAD_SIGNED_CHUNKS_TRAILER:
        plan->trailer_form = true;
        /* fall through */
    case PAYLOAD_SIGNED_CHUNKS:
        plan->framing = S3_FRAMING_AWS_CHUNKED;
        plan->signed_chunks = true;
        plan->verify = s3_sigv4_chunks_verifier(&st->chunks);
        break;
    case PAYLOAD_UNSIGNED_TRAILER:
        plan->framing = S3_FRAMING_AWS_CHUNKED;
        plan->trailer_form = true;
        break;
    }
    return S3ERR_OK;
}

/* --- who --- */

enum s3err s3_auth_key(struct s3_req *q, struct str access_key, enum s3_read how,
                       struct s3_access_key *key, struct s3_user *user)
{
    int r = s3_key_get(q->gw->index, access_key, how, &q->arena, key, user);
    if (r == -EAGAIN && how == S3_READ_CACHED)
        return S3ERR_WOULD_BLOCK;
    if (r == -ENOENT || (r == 0 && user->disabled))
        return s3_err(q, S3ERR_INVALID_ACCESS_KEY_ID, "AWSAccessKeyId", str_head(access_key, 256));
    return s3err_from_errno(r, S3_THING_OTHER);
}

void s3_auth_identify(struct s3_req *q, const struct s3_access_key *key, const struct s3_user *user)
{
    q->who.anonymous = false;
    q->who.root = user->root;
    q->who.user_id = user->id;
    q->who.display_name = user->display_name;
    q->who.access_key = key->access_key;
    q->who.policies = user->policies;
    q->who.limits = user->limits;
}

/* We give no temporary credentials, so nobody can have a right token. */
static enum s3err no_token(struct s3_req *q)
{
    struct str token = s3_req_option(q, STR("x-amz-security-token"));
    return token.n ? s3_err(q, S3ERR_INVALID_TOKEN, "Token-0", str_head(token, 2048)) : S3ERR_OK;
}

static enum s3err verify_v4(struct s3_req *q, const struct s3_sigv4 *v, enum s3_read how,
                            struct state *st)
{
    struct s3_access_key key;
    struct s3_user user;
    uint8_t signing_key[32];
    enum s3err e = s3_auth_key(q, v->access_key, how, &key, &user);
    if (e == S3ERR_OK)
        e = no_token(q);
    if (e == S3ERR_OK)
        e = s3_sigv4_check(q, v, key.secret, signing_key);
    if (e != S3ERR_OK)
        return e;
    /* Presigned URLs may carry the name of a framing in a header they did not sign: decode it all
     * the same, since framing must never be stored as data (s3-behaviours 5). */
    struct str said = s3_req_header(q, STR("x-amz-content-sha256"));
    e = read_payload(q, said.p ? said : v->payload, st);
    if (e != S3ERR_OK)
        return e;
    if (st->payload == PAYLOAD_SIGNED_CHUNKS || st->payload == PAYLOAD_SIGNED_CHUNKS_TRAILER)
        s3_sigv4_chunks_init(&st->chunks, v, signing_key);
    s3_auth_identify(q, &key, &user);
    return S3ERR_OK;
}

static enum s3err verify_v2(struct s3_req *q, const struct s3_sigv2 *v, enum s3_read how,
                            struct state *st)
{
    struct s3_access_key key;
    struct s3_user user;
    enum s3err e = s3_auth_key(q, v->access_key, how, &key, &user);
    if (e == S3ERR_OK)
        e = no_token(q);
    if (e == S3ERR_OK)
        e = s3_sigv2_check(q, v, key.secret);
    if (e == S3ERR_OK)
        e = read_payload(q, s3_req_header(q, STR("x-amz-content-sha256")), st);
    if (e == S3ERR_OK)
        s3_auth_identify(q, &key, &user);
    return e;
}

static enum s3err no_sigv2(struct s3_req *q)
{
    return s3_errm(q, S3ERR_INVALID_REQUEST,
                   "The authorization mechanism you have provided is not supported. "
                   "Please use AWS4-HMAC-SHA256.");
}

static enum s3err from_header(struct s3_req *q, struct str header, enum s3_read how,
                              struct state *st)
{
    struct str type, claim;
    if (!str_cut(header, ' ', &type, &claim))
        return s3_err_arg(
            q, "Authorization header is invalid -- one and only one ' ' (space) required",
            "Authorization", str_head(header, 256));
    if (str_eq(type, STR("AWS4-HMAC-SHA256"))) {
        struct s3_sigv4 v;
        q->who.how = S3_AUTH_V4_HEADER;
        enum s3err e = s3_sigv4_from_header(q, claim, &v);
        return e ? e : verify_v4(q, &v, how, st);
    }
    if (str_eq(type, STR("AWS4-ECDSA-P256-SHA256")))
        return s3_errm(q, S3ERR_NOT_IMPLEMENTED, "Signature Version 4A is not implemented.");
    if (str_eq(type, STR("AWS"))) {
        struct s3_sigv2 v;
        if (!q->gw->sigv2)
            return no_sigv2(q);
        q->who.how = S3_AUTH_V2_HEADER;
        enum s3err e = s3_sigv2_from_header(q, claim, &v);
        return e ? e : verify_v2(q, &v, how, st);
    }
    return s3_err_arg(q, "Unsupported Authorization Type", "Authorization", str_head(header, 256));
}

/* An option both as a header and in the query must say the same (s3-behaviours 4). */
static enum s3err no_contradiction(struct s3_req *q)
{
    for (size_t i = 0; i < q->nparams; i++) {
        struct str name = q->params[i].name;
        if (!str_istarts(name, STR("x-amz-")))
            continue;
        struct str header = s3_req_header(q, name);
        if (header.p && !str_eq(header, q->params[i].value))
            return s3_errm(q, S3ERR_INVALID_REQUEST,
                           "The header and the query parameter " STR_F " differ.",
                           STR_A(str_head(name, 128)));
    }
    return S3ERR_OK;
}

static enum s3err from_query_v4(struct s3_req *q, enum s3_read how, struct state *st)
{
    struct s3_sigv4 v;
    q->who.how = S3_AUTH_V4_QUERY;
    enum s3err e = s3_sigv4_from_query(q, &v);
    if (e == S3ERR_OK)
        e = no_contradiction(q);
    return e ? e : verify_v4(q, &v, how, st);
}

static enum s3err from_query_v2(struct s3_req *q, enum s3_read how, struct state *st)
{
    struct s3_sigv2 v;
    if (!q->gw->sigv2)
        return no_sigv2(q);
    q->who.how = S3_AUTH_V2_QUERY;
    enum s3err e = s3_sigv2_from_query(q, &v);
    if (e == S3ERR_OK)
        e = no_contradiction(q);
    return e ? e : verify_v2(q, &v, how, st);
}

static enum s3err anonymous(struct s3_req *q, struct state *st)
{
    q->who.anonymous = true;
    static const struct str overrides[] = {STR_INIT("response-content-type"),
                                           STR_INIT("response-content-language"),
                                           STR_INIT("response-expires"),
                                           STR_INIT("response-cache-control"),
                                           STR_INIT("response-content-disposition"),
                                           STR_INIT("response-content-encoding")};
    if (q->method == S3_GET || q->method == S3_HEAD)
        for (size_t i = 0; i < ARRAY_LEN(overrides); i++)
            if (s3_req_has_param(q, overrides[i]))
                return s3_errm(
                    q, S3ERR_INVALID_REQUEST,
                    "Request specific response headers cannot be used for anonymous GET requests.");
    return read_payload(q, s3_req_header(q, STR("x-amz-content-sha256")), st);
}

enum s3err s3_auth_verify(struct s3_req *q, enum s3_read how)
{
    struct state *st = q->auth ? q->auth : arena_alloc(&q->arena, sizeof(*st));
    if (!st)
        return S3ERR_SLOW_DOWN;
    q->auth = st;
    q->who = (struct s3_identity){.anonymous = true};
    struct str header = s3_req_header(q, STR("authorization"));
    bool v4 = s3_req_has_param(q, STR("X-Amz-Algorithm")) ||
              s3_req_has_param(q, STR("X-Amz-Credential")) ||
              s3_req_has_param(q, STR("X-Amz-Signature"));
    bool v2 = s3_req_has_param(q, STR("AWSAccessKeyId")) || s3_req_has_param(q, STR("Signature"));
    if (header.n + v4 + v2 == 0)
        return anonymous(q, st);
    if ((header.n > 0) + v4 + v2 > 1)
        return s3_err_arg(
            q,
            "Only one auth mechanism allowed; only the X-Amz-Algorithm query parameter, Signature "
            "query string parameter or the Authorization header should be specified",
            "Authorization", str_head(header, 256));
    if (header.n)
        return from_header(q, header, how, st);
    return v4 ? from_query_v4(q, how, st) : from_query_v2(q, how, st);
}
