/* SPDX-License-Identifier: Apache-2.0 */
/*
 * req - one request and its answer, free of any HTTP library's types.
 *
 * All views point into the arena or into memory that lives as long as the request. A request belongs
 * to exactly one thread at a time; it changes hands in http/exchange.c only.
 */
#ifndef S3_REQ_H
#define S3_REQ_H

#include "dfscore/base/arena.h"
#include "s3gw/core/limits.h"
#include "s3gw/core/s3err.h"

struct s3_op;
struct s3_bucket;
struct s3_gw; /* everything a handler may use: index, dfs, settings; see s3gw/core/gw.h */

struct s3_body_plan;
struct s3_post;
struct s3_reader;
struct s3_req;
struct s3_seal;
struct s3_secret;

/*
 * Where object data goes; set by the handler of a STREAM operation, which runs before the first byte.
 * All on the HTTP thread: nothing here may block.
 */
struct s3_sink {
    /* May @n more bytes come? False: not now; s3_req_more() will be called. */
    bool (*room)(struct s3_req *q, size_t n);
    /* A piece of the decoded data, in order. Takes all of it, or returns an error. */
    enum s3err (*data)(struct s3_req *q, struct str piece);
    /* That was all for the moment. */
    void (*settle)(struct s3_req *q);
    /* The body was complete and its digests right: store it. Result, or S3ERR_PENDING. */
    enum s3err (*finish)(struct s3_req *q);
    /* Instead of finish: forget everything. Afterwards nothing of the handler touches @q. */
    void (*abort)(struct s3_req *q);
};

enum s3_method { S3_GET, S3_HEAD, S3_PUT, S3_POST, S3_DELETE, S3_OPTIONS, S3_OTHER_METHOD };

struct s3_pair {
    struct str name;
    struct str value; /* query: p == NULL when there was no '='. headers: blanks trimmed */
};

struct s3_extra { /* an element of an error document beside Code and Message */
    const char *name;
    struct str value;
};

/* Who is asking; filled by auth/. */
struct s3_identity {
    bool anonymous;
    bool root;          /* may do everything */
    struct str user_id; /* canonical id, the Owner ID clients see; absent when anonymous */
    struct str display_name;
    struct str access_key;
    struct str source_bucket,
        source_account;      /* of a service principal: on whose behalf; else absent */
    struct str policies;     /* that the user carries; absent: none. policy/identity.h */
    struct s3_limits limits; /* of the user */
    enum {
        S3_AUTH_NONE,
        S3_AUTH_V4_HEADER,
        S3_AUTH_V4_QUERY,
        S3_AUTH_V4_FORM,
        S3_AUTH_V2_HEADER,
        S3_AUTH_V2_QUERY,
        S3_AUTH_V2_FORM
    } how;
};

/* What the caller was let in for, and by which object: policy/eval.c, s3_policy_admit(). */
struct s3_admission {
    const char *action; /* a literal */
    bool by_object;     /* it depended on the object that was there */
    uint64_t seq;       /* of that object; 0: there was none */
};

/* A run of bytes of one stored file; what an answer's body is made of. */
struct s3_extent {
    struct str file_id; /* "group1/M00/..." */
    uint64_t offset;    /* first byte within the file */
    uint64_t length;    /* bytes, > 0 */
    uint64_t owner;     /* the reference row that keeps the file alive: index/refs.h */
};

enum {
    S3_EXTRAS_MAX = 12,
    S3_RESP_BODY_MAX = 16 * 1024 * 1024,
    S3_REQ_ARENA_MAX = 32 * 1024 * 1024
};

struct s3_resp {
    int status;              /* HTTP; 0 until decided */
    struct s3_pair *headers; /* names are literals or arena; the array is arena */
    size_t nheaders, headers_cap;
    bool no_memory; /* a header was lost: send SlowDown instead of this answer */
    /* Body: either bytes in the arena or heap ... */
    struct buf body; /* owned; max set at init */
    /* ... or runs of stored files, body_length bytes together. */
    struct s3_extent *extents; /* arena */
    size_t nextents;
    uint64_t body_length; /* Content-Length; for HEAD and 304 the size without a body */
    bool has_extents;
    /* has_extents: through this (api/reader.h), not as they are stored; NULL: as they are */
    struct s3_reader *reader;
    /* bytes of memory taken from gw->small for this answer; given back when the request ends */
    uint64_t counted;
    bool close; /* close the connection after the answer */
    struct s3_extra extras[S3_EXTRAS_MAX];
    size_t nextras;
    struct str message; /* replaces the error table's message when present */
};

struct s3_req {
    unsigned magic;
#define S3_REQ_MAGIC 0x53335251u
    struct s3_gw *gw;
    struct arena arena;

    /* As it came. */
    enum s3_method method;
    struct str method_name;
    struct str raw_path;     /* before '?', still percent-encoded */
    struct str raw_query;    /* after '?', encoded; absent when there is no '?' */
    struct s3_pair *headers; /* in order of arrival; names as sent */
    size_t nheaders;
    struct s3_pair *params; /* query, decoded once, '+' is a space; in order of arrival */
    size_t nparams;
    struct str path; /* raw_path decoded once */
    struct str host; /* Host header, port and all */
    struct str peer; /* client address without port, "127.0.0.1" or "::1" */
    bool tls;
    const char *tls_version; /* "TLSv1.2"; NULL without TLS */
    int64_t now_ms;          /* wall clock when the head was read */
    char request_id[20];     /* 16 hex digits and NUL; answered as x-amz-request-id */

    /* What it means (the five questions fill these in order). */
    const struct s3_op *op;
    struct str bucket;    /* absent on service level */
    struct str key;       /* absent on bucket level; never empty */
    bool virtual_host;    /* the bucket was in the Host header */
    struct str native_id; /* a file asked for by its FastDFS name, group and all; else absent */
    bool website;         /* ... below a website domain: pages for anybody, not the API */
    struct s3_identity who;
    void *auth;            /* auth/'s own: signature, scope, payload mode; arena */
    struct s3_bucket *bkt; /* loaded when the operation names an existing bucket; arena */

    struct s3_admission admitted; /* to the object of this request */
    const char *why; /* what let the caller in or kept them out; a literal of policy/eval.c */

    uint64_t noticed; /* events put into the outbox; api/notice.h */

    unsigned step;              /* questions answered so far; http/pipeline.c */
    struct s3_body_plan *plan;  /* how the body is read; arena; NULL for those without one */
    const struct s3_sink *sink; /* STREAM operations, once their handler has run; FORM likewise */
    struct s3_post *post; /* FORM operations, once the file begins: its fields, auth/post_form.h */
    /* how what is written is encrypted: api/encryption.h; NULL: it is not */
    const struct s3_seal *seal;
    struct s3_secret *secrets; /* wiped with the request; arena */

    /* The body of operations that read it whole (XML, JSON): checked against every digest given. */
    struct str body;
    /* What a policy may ask of it: of CreateBucket, PutObjectTagging, PutObjectRetention,
     * PutObjectLegalHold. */
    bool body_told;           /* it has been read, the following are set */
    struct str body_location; /* LocationConstraint, as sent; absent: none, or an empty one */
    struct str body_tags;     /* a record of core/tags.h */
    struct str body_mode;     /* GOVERNANCE or COMPLIANCE */
    struct str body_until;    /* ISO 8601 */
    struct str body_hold;     /* ON or OFF */

    bool may_block; /* this thread may wait for disk and peers */
    struct s3_resp resp;
    void *owner;         /* http/exchange.c */
    void *handler_state; /* the handler's own; arena, or freed by the handler */
};

/* Value of the first header of that name (without case); absent when there is none. */
struct str s3_req_header(const struct s3_req *q, struct str name);
/* Of a header that is a list: the values of all that have the name, joined by commas (RFC 9110, 5.3). Absent when there
 * is none. 0; -ENOMEM. */
int s3_req_header_list(struct s3_req *q, struct str name, struct str *ret) MUST_CHECK;
/* Value of the first query parameter of that name; p == NULL: not there. No '=' gives an empty value. */
struct str s3_req_param(const struct s3_req *q, struct str name);
bool s3_req_has_param(const struct s3_req *q, struct str name);
/* Was it signed in the query? By auth's verdict, so not before that. */
bool s3_req_presigned(const struct s3_req *q);
/*
 * An option that clients send as a header or, presigned, as a query parameter ("x-amz-acl"). The query counts
 * only when presigned: both signature versions then cover names that begin with "x-amz-". Both with different
 * values is refused by auth/.
 */
struct str s3_req_option(const struct s3_req *q, struct str name);

/* Answer headers. @value is copied to the arena. CR, LF and NUL in it are turned into blanks. An absent
 * value adds nothing. */
void s3_resp_header(struct s3_req *q, const char *name, struct str value);
void s3_resp_headerf(struct s3_req *q, const char *name, const char *fmt, ...) PRINTF_LIKE(3, 4);
/* An element of the error document. @value is copied. A name given again replaces the earlier value. */
void s3_err_element(struct s3_req *q, const char *name, struct str value);
/* A message in place of the one in s3err.def. */
void s3_err_message(struct s3_req *q, const char *fmt, ...) PRINTF_LIKE(2, 3);

/* The same, and the error: return s3_err(q, S3ERR_NO_SUCH_KEY, "Key", q->key); */
static inline enum s3err s3_err(struct s3_req *q, enum s3err e, const char *name, struct str value)
{
    s3_err_element(q, name, value);
    return e;
}
static inline enum s3err s3_err2(struct s3_req *q, enum s3err e, const char *n1, struct str v1,
                                 const char *n2, struct str v2)
{
    s3_err_element(q, n1, v1);
    return s3_err(q, e, n2, v2);
}
/* return s3_errm(q, S3ERR_INVALID_REQUEST, "Missing required header ..."); */
#define s3_errm(q, e, ...) (s3_err_message((q), __VA_ARGS__), (e))
/* InvalidArgument with message, ArgumentName, ArgumentValue. */
static inline enum s3err s3_err_arg(struct s3_req *q, const char *message, const char *name,
                                    struct str value)
{
    s3_err_message(q, "%s", message);
    return s3_err2(q, S3ERR_INVALID_ARGUMENT, "ArgumentName", str_c(name), "ArgumentValue", value);
}
/* Forget status, headers, body, extras and message: before an error replaces an answer begun. */
void s3_resp_reset(struct s3_req *q);

/* A sink that had no room has some now. Any thread. */
void s3_req_more(struct s3_req *q);
/* A handler that returned S3ERR_PENDING says the result here, from any thread, once. */
void s3_req_done(struct s3_req *q, enum s3err e);

/* 32 bytes for a key that is wiped when the request ends; NULL: no memory. */
uint8_t *s3_req_secret(struct s3_req *q);

void s3_req_init(struct s3_req *q); /* zeroes it; magic, request_id, arena and ceilings set */
/* Gives arena and body back; safe on a zeroed or finished one. */
void s3_req_fini(struct s3_req *q);

#endif
