/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The push decoder. Raw bodies pass through. aws-chunked is a small machine over the bytes:
 *
 *   SIZE      "hex[;chunk-signature=64 hex]" CRLF; kept in `line` only when it comes in pieces
 *   DATA      `left` bytes, passed on as they lie
 *   DATA_END  CRLF, then SIZE again
 *   TAIL      behind the chunk of size 0: trailer lines or an empty line; kept whole in `line`, and
 *             judged at the end of the body, since clients end these lines in several ways
 *
 * Invariant: decoded <= plan.length whenever that is known. An error kills the body: state DEAD.
 */
#include "s3gw/core/body.h"

#include <inttypes.h>

#include "s3gw/core/digest.h"

enum state { SIZE, DATA, DATA_END, TAIL, DEAD };

enum {
    LINE_MAX_BYTES = 1024,  /* a chunk's head, or all trailer lines together */
    CHUNK_MIN_BYTES = 8192, /* of every data chunk but the last */
    SIGNATURE_N = 64,
};

struct s3_body {
    unsigned magic;
#define BODY_MAGIC 0x5d1b0d79u
    struct s3_body_plan plan;
    enum state state;
    uint64_t decoded; /* bytes of data so far */
    uint64_t left;    /* of this chunk */
    uint64_t chunks;  /* data chunks begun */
    uint64_t small;   /* size of the last one if it was below the minimum; 0 otherwise */
    bool ended;       /* the chunk of size 0 was there */
    bool want_lf;     /* DATA_END: the CR was there */
    char signature[SIGNATURE_N];
    struct s3_hash chunk;   /* SHA-256 of this chunk, with signed_chunks */
    struct s3_hash payload; /* SHA-256 of everything, with has_sha256 */
    struct s3_hash hash;    /* plan.compute; NONE when payload is the same */
    struct s3_hash crc64;   /* compute_crc64_too; NONE when hash is the same */
    struct s3_checksum got_payload, got, got_crc64; /* after finish */
    size_t line_n;
    char line[LINE_MAX_BYTES];
};

static int start_hashes(struct s3_body *b)
{
    const struct s3_body_plan *p = &b->plan;
    bool shared = p->has_sha256 && p->compute == S3_CK_SHA256;
    int r = p->signed_chunks ? s3_hash_init(&b->chunk, S3_CK_SHA256) : 0;
    if (r == 0 && p->has_sha256)
        r = s3_hash_init(&b->payload, S3_CK_SHA256);
    if (r == 0 && !shared)
        r = s3_hash_init(&b->hash, p->compute);
    if (r == 0 && p->compute_crc64_too && p->compute != S3_CK_CRC64NVME)
        r = s3_hash_init(&b->crc64, S3_CK_CRC64NVME);
    return r;
}

struct s3_body *s3_body_new(const struct s3_body_plan *plan)
{
    struct s3_body *b = dfs_alloc(sizeof(*b));
    if (!b)
        return NULL;
    memset(b, 0, offsetof(struct s3_body, line)); /* the line is written before it is read */
    b->magic = BODY_MAGIC;
    b->plan = *plan;
    if (start_hashes(b) < 0)
        s3_body_free(&b);
    return b;
}

void s3_body_free(struct s3_body **bp)
{
    struct s3_body *b = TAKE(*bp);
    if (!b)
        return;
    CHECK_OBJ(b, BODY_MAGIC);
    s3_hash_fini(&b->chunk);
    s3_hash_fini(&b->payload);
    s3_hash_fini(&b->hash);
    s3_hash_fini(&b->crc64);
    b->magic = 0;
    free(b);
}

static enum s3err die(struct s3_body *b, enum s3err e)
{
    b->state = DEAD;
    return e;
}

static enum s3err say_u64(struct s3_body *b, enum s3err e, const char *name, uint64_t v)
{
    char text[24];
    snprintf(text, sizeof(text), "%" PRIu64, v);
    return b->plan.q ? s3_err(b->plan.q, e, name, str_c(text)) : e;
}

/* Object data, checked and passed on. */
static enum s3err deliver(struct s3_body *b, struct str piece,
                          enum s3err (*data)(void *, struct str), void *arg)
{
    if (piece.n > b->plan.length - b->decoded) /* more than announced; UINT64_MAX never is */
        return die(b, S3ERR_INCOMPLETE_BODY);
    b->decoded += piece.n;
    uint64_t max = b->plan.has_range ? MIN(b->plan.range_max, S3_BODY_DATA_MAX) : S3_BODY_DATA_MAX;
    if (b->decoded > max) {
        say_u64(b, S3ERR_ENTITY_TOO_LARGE, "ProposedSize", b->decoded);
        return die(b, say_u64(b, S3ERR_ENTITY_TOO_LARGE, "MaxSizeAllowed", max));
    }
    if (b->plan.signed_chunks)
        s3_hash_update(&b->chunk, piece.p, piece.n);
    s3_hash_update(&b->payload, piece.p, piece.n);
    s3_hash_update(&b->hash, piece.p, piece.n);
    s3_hash_update(&b->crc64, piece.p, piece.n);
    enum s3err e = data(arg, piece);
    return e ? die(b, e) : S3ERR_OK;
}

/* --- aws-chunked --- */

/* All digits count, leading zeros do not. */
static bool chunk_size(struct str hex, uint64_t *ret)
{
    uint64_t v = 0;
    for (size_t i = 0; i < hex.n; i++) {
        int d = str_hexval(hex.p[i]);
        if (d < 0 || v >> 60)
            return false;
        v = v << 4 | (uint64_t)d;
    }
    *ret = v;
    return hex.n > 0;
}

/* The signature of the chunk now ending; starts the digest of the next. */
static bool chunk_signature_ok(struct s3_body *b)
{
    if (!b->plan.signed_chunks)
        return true;
    struct s3_checksum sha;
    s3_hash_final(&b->chunk, &sha);
    s3_hash_fini(&b->chunk);
    return b->plan.verify.chunk(b->plan.verify.arg, sha.value, str_of(b->signature, SIGNATURE_N)) &&
           s3_hash_init(&b->chunk, S3_CK_SHA256) == 0;
}

static enum s3err begin_chunk(struct s3_body *b, uint64_t size)
{
    if (size == 0) {
        b->ended = true;
        b->state = TAIL;
        b->line_n = 0;
        return chunk_signature_ok(b) ? S3ERR_OK : die(b, S3ERR_SIGNATURE_DOES_NOT_MATCH);
    }
    if (b->small) {
        say_u64(b, S3ERR_INVALID_CHUNK_SIZE_ERROR, "Chunk", b->chunks);
        return die(b, say_u64(b, S3ERR_INVALID_CHUNK_SIZE_ERROR, "BadChunkSize", b->small));
    }
    if (size > b->plan.length - b->decoded)
        return die(b, S3ERR_INCOMPLETE_BODY);
    b->chunks++;
    b->small = size < CHUNK_MIN_BYTES ? size : 0;
    b->left = size;
    b->state = DATA;
    return S3ERR_OK;
}

/* A chunk's head, without CRLF. */
static enum s3err size_line(struct s3_body *b, struct str line)
{
    struct str hex, extension;
    uint64_t size;
    bool extended = str_cut(line, ';', &hex, &extension);
    if (!chunk_size(hex, &size))
        return die(b, S3ERR_INCOMPLETE_BODY);
    struct str name = STR("chunk-signature=");
    struct str signature = str_from(extension, name.n);
    uint8_t raw[SIGNATURE_N / 2];
    if (extended && (!str_starts(extension, name) || str_unhex(signature, raw, sizeof(raw)) < 0))
        return die(b, S3ERR_INCOMPLETE_BODY);
    if (b->plan.signed_chunks) {
        if (!extended)
            return die(b, S3ERR_SIGNATURE_DOES_NOT_MATCH);
        memcpy(b->signature, signature.p, SIGNATURE_N);
    }
    return begin_chunk(b, size);
}

/* Collect up to LF. The line is used where it lies when it came in one piece. */
static enum s3err take_size(struct s3_body *b, struct str *in)
{
    size_t lf = str_chr(*in, '\n');
    bool whole = lf != SIZE_MAX;
    struct str part = str_head(*in, whole ? lf : in->n);
    if (part.n > LINE_MAX_BYTES - b->line_n)
        return die(b, S3ERR_INCOMPLETE_BODY);
    struct str line = part;
    if (b->line_n || !whole) {
        memcpy(b->line + b->line_n, part.p, part.n);
        b->line_n += part.n;
        line = str_of(b->line, b->line_n);
    }
    *in = str_from(*in, whole ? lf + 1 : in->n);
    if (!whole)
        return S3ERR_OK;
    b->line_n = 0;
    if (!str_ends(line, STR("\r")))
        return die(b, S3ERR_INCOMPLETE_BODY);
    return size_line(b, str_head(line, line.n - 1));
}

static enum s3err take_data(struct s3_body *b, struct str *in,
                            enum s3err (*data)(void *, struct str), void *arg)
{
    struct str piece = str_head(*in, (size_t)MIN((uint64_t)in->n, b->left));
    *in = str_from(*in, piece.n);
    enum s3err e = deliver(b, piece, data, arg);
    if (e != S3ERR_OK)
        return e;
    b->left -= piece.n;
    if (b->left)
        return S3ERR_OK;
    if (!chunk_signature_ok(b))
        return die(b, S3ERR_SIGNATURE_DOES_NOT_MATCH);
    b->state = DATA_END;
    b->want_lf = false;
    return S3ERR_OK;
}

static enum s3err take_data_end(struct s3_body *b, struct str *in)
{
    if (in->p[0] != (b->want_lf ? '\n' : '\r'))
        return die(b, S3ERR_INCOMPLETE_BODY);
    *in = str_from(*in, 1);
    if (b->want_lf)
        b->state = SIZE;
    b->want_lf = true;
    return S3ERR_OK;
}

static enum s3err take_tail(struct s3_body *b, struct str *in)
{
    if (in->n > LINE_MAX_BYTES - b->line_n)
        return die(b, b->plan.trailer_form ? S3ERR_MALFORMED_TRAILER_ERROR : S3ERR_INCOMPLETE_BODY);
    memcpy(b->line + b->line_n, in->p, in->n);
    b->line_n += in->n;
    *in = str_from(*in, in->n);
    return S3ERR_OK;
}

enum s3err s3_body_push(struct s3_body *b, struct str in,
                        enum s3err (*data)(void *arg, struct str piece), void *arg)
{
    CHECK_OBJ(b, BODY_MAGIC);
    ASSERT(b->state != DEAD);
    if (b->plan.framing == S3_FRAMING_RAW)
        return in.n ? deliver(b, in, data, arg) : S3ERR_OK;
    enum s3err e = S3ERR_OK;
    while (in.n && e == S3ERR_OK) {
        switch (b->state) {
        case SIZE:
            e = take_size(b, &in);
            break;
        case DATA:
            e = take_data(b, &in, data, arg);
            break;
        case DATA_END:
            e = take_data_end(b, &in);
            break;
        case TAIL:
            e = take_tail(b, &in);
            break;
        case DEAD:
            return S3ERR_INTERNAL_ERROR; /* not reached: e was set */
        }
    }
    return e;
}

/* --- trailer --- */

struct trailer {
    struct str name, value, signature; /* absent when not sent */
};

/*
 * "name:value" lines ended by LF or CRLF, empty lines anywhere, the last line end optional:
 * minio-go ends the checksum by LF and then sends CRLF. At most one checksum, and behind it the
 * signature.
 */
static bool parse_trailer(struct str text, struct trailer *t)
{
    struct str line;
    while (str_split(&text, '\n', &line)) {
        if (str_ends(line, STR("\r")))
            line = str_head(line, line.n - 1);
        if (!line.n)
            continue;
        struct str name, value;
        if (!str_cut(line, ':', &name, &value) || t->signature.p)
            return false;
        name = str_trim(name);
        value = str_trim(value);
        if (str_ieq(name, STR("x-amz-trailer-signature"))) {
            t->signature = value;
        } else if (!t->name.p) {
            t->name = name;
            t->value = value;
        } else {
            return false;
        }
    }
    return true;
}

static bool trailer_signature_ok(struct s3_body *b, const struct trailer *t)
{
    char text[LINE_MAX_BYTES + 2];
    size_t n = 0;
    if (t->name.p) { /* both lie in b->line, with a ':' between: they fit */
        for (size_t i = 0; i < t->name.n; i++)
            text[n++] = t->name.p[i] >= 'A' && t->name.p[i] <= 'Z' ? (char)(t->name.p[i] | 32)
                                                                   : t->name.p[i];
        text[n++] = ':';
        memcpy(text + n, t->value.p, t->value.n);
        n += t->value.n;
        text[n++] = '\n';
    }
    uint8_t sha[32];
    s3_sha256(text, n, sha);
    return b->plan.verify.trailer(b->plan.verify.arg, sha, t->signature);
}

static enum s3err finish_trailer(struct s3_body *b, struct s3_req *q)
{
    struct str text = str_of(b->line, b->line_n);
    if (!b->plan.trailer_form) {
        bool blank = !text.n || str_eq(text, STR("\r\n"));
        return blank ? S3ERR_OK : S3ERR_INCOMPLETE_BODY;
    }
    struct trailer t = {0};
    if (!parse_trailer(text, &t) || (t.signature.p && !b->plan.signed_chunks))
        return S3ERR_MALFORMED_TRAILER_ERROR;
    enum s3_checksum_alg alg = S3_CK_NONE;
    if (t.name.p && s3_checksum_by_header(t.name, &alg) < 0)
        return S3ERR_MALFORMED_TRAILER_ERROR;
    if ((t.name.p != NULL) != b->plan.has_trailer || (t.name.p && alg != b->plan.compute))
        return S3ERR_MALFORMED_TRAILER_ERROR;
    /* Announced in the signed head and so not to be stripped; with none announced and none sent,
     * the last chunk's signature has covered everything. */
    if (b->plan.signed_chunks && (t.name.p || t.signature.p) &&
        (!t.signature.p || !trailer_signature_ok(b, &t)))
        return S3ERR_SIGNATURE_DOES_NOT_MATCH;
    if (t.name.p && s3_checksum_parse(alg, t.value, &b->plan.expect) < 0)
        return s3_errm(q, S3ERR_INVALID_REQUEST, "Value for %s trailing header is invalid.",
                       s3_checksum_info(alg)->header);
    return S3ERR_OK;
}

/* --- the end --- */

static enum s3err check_payload(struct s3_body *b, struct s3_req *q)
{
    if (!b->plan.has_sha256)
        return S3ERR_OK;
    s3_hash_final(&b->payload, &b->got_payload);
    if (memcmp(b->got_payload.value, b->plan.sha256, 32) == 0)
        return S3ERR_OK;
    char client[64], ours[64];
    str_hex(b->plan.sha256, 32, client);
    str_hex(b->got_payload.value, 32, ours);
    return s3_err2(q, S3ERR_X_AMZ_CONTENT_SHA256_MISMATCH, "ClientComputedContentSHA256",
                   str_of(client, 64), "S3ComputedContentSHA256", str_of(ours, 64));
}

static void take_digests(struct s3_body *b)
{
    if (b->plan.has_sha256 && b->plan.compute == S3_CK_SHA256)
        b->got = b->got_payload;
    else
        s3_hash_final(&b->hash, &b->got);
    if (b->plan.compute_crc64_too && b->plan.compute == S3_CK_CRC64NVME)
        b->got_crc64 = b->got;
    else
        s3_hash_final(&b->crc64, &b->got_crc64);
}

enum s3err s3_body_finish(struct s3_body *b, struct s3_req *q)
{
    CHECK_OBJ(b, BODY_MAGIC);
    ASSERT(b->state != DEAD);
    bool chunked = b->plan.framing == S3_FRAMING_AWS_CHUNKED;
    /* An empty object may come without a single chunk (s3-behaviours 5). */
    bool nothing = b->state == SIZE && !b->line_n && !b->chunks && b->plan.length == 0;
    if ((chunked && !b->ended && !nothing) ||
        (b->plan.length != UINT64_MAX && b->decoded != b->plan.length))
        return die(b, S3ERR_INCOMPLETE_BODY);
    if (b->plan.has_range && b->decoded < b->plan.range_min) {
        say_u64(b, S3ERR_ENTITY_TOO_SMALL, "ProposedSize", b->decoded);
        return die(b, say_u64(b, S3ERR_ENTITY_TOO_SMALL, "MinSizeAllowed", b->plan.range_min));
    }
    enum s3err e = chunked && b->ended ? finish_trailer(b, q) : S3ERR_OK;
    if (e == S3ERR_OK)
        e = check_payload(b, q);
    if (e != S3ERR_OK)
        return die(b, e);
    take_digests(b);
    if (b->plan.expect.alg != S3_CK_NONE && !s3_checksum_eq(&b->plan.expect, &b->got))
        return die(b, s3_errm(q, S3ERR_BAD_DIGEST,
                              "The " STR_F " you specified did not match the calculated checksum.",
                              STR_A(s3_checksum_info(b->plan.expect.alg)->name)));
    return S3ERR_OK;
}

uint64_t s3_body_length(const struct s3_body *b)
{
    return b->decoded;
}

void s3_body_checksum(const struct s3_body *b, struct s3_checksum *ret)
{
    *ret = b->got;
}

void s3_body_crc64(const struct s3_body *b, struct s3_checksum *ret)
{
    *ret = b->got_crc64;
}
