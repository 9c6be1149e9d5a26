/* SPDX-License-Identifier: Apache-2.0 */
/*
 * conn - what request.c, response.c, work.c and engine.c share: one connection, its request, its
 * response. Everything belongs to the one thread of the generator.
 */
#ifndef LOAD_CONN_H
#define LOAD_CONN_H

#include "tests/bench/load/hist.h"
#include "tests/bench/load/payload.h"
#include "tests/bench/load/sign.h"

enum {
    REQUEST_HEAD_MAX = 4096,
    RESPONSE_HEAD_MAX = 4096,
    RESPONSE_TEXT_MAX = 512,
    UPLOAD_ID_MAX = 256
};

struct request {
    enum load_op op;
    uint64_t key;
    uint64_t part;              /* number of the part, from 1 */
    uint64_t body_at;           /* offset in the object of the first byte sent */
    uint64_t body_n;            /* bytes of the object sent */
    uint64_t range_at, range_n; /* asked for; range_n 0: all */
    struct buf head;            /* request line and headers, and a body that is not object data */
    uint64_t sent;              /* of head and body together */
};

enum chunk_state { CHUNK_NONE, CHUNK_SIZE, CHUNK_DATA, CHUNK_DATA_END, CHUNK_TRAILER };

struct response {
    char head[RESPONSE_HEAD_MAX];
    size_t head_n;
    bool in_body, done, close, bad;
    int status; /* HTTP; native: 200 or the status byte + 1000 */
    enum chunk_state chunk;
    uint64_t left;                /* bytes of the body, or of the chunk, to come */
    uint64_t got;                 /* decoded body bytes so far */
    size_t line_n;                /* chunked: of the line being read */
    struct str etag;              /* view of head */
    char text[RESPONSE_TEXT_MAX]; /* start of the body */
    size_t text_n;
    uint64_t keys;      /* list: <Key> elements seen */
    unsigned key_match; /* how much of "<Key>" the last bytes were */
};

struct upload { /* multipart */
    bool going;
    uint64_t key, parts, next_part; /* next_part: 1 .. parts + 1 */
    char id[UPLOAD_ID_MAX];
    char (*etags)[40]; /* owned; one per part */
};

enum conn_state { CONN_CLOSED, CONN_CONNECTING, CONN_SENDING, CONN_RECEIVING, CONN_RESTING };

struct conn {
    int fd;
    struct ssl_st *tls; /* owned; NULL: plain */
    enum conn_state state;
    uint32_t events; /* epoll's */
    bool ever_answered;
    uint64_t started_ns;
    struct request rq;
    struct response rs;
    struct upload up;
};

struct op_stats {
    struct hist latency;      /* of answers as expected */
    uint64_t errors, missing; /* missing: 404 where the mixed load allows it */
    uint64_t bytes;           /* object data */
    uint64_t keys;            /* listed */
};

struct id_list {     /* file ids of the native protocol */
    char (*id)[128]; /* owned */
    size_t n, cap;
};

struct load {
    const struct load_options *o;
    struct signer signer;
    struct op_stats stats[OP_COUNT_];
    bool measuring, stopping; /* stopping: begin nothing new */
    uint64_t keys;            /* as asked for; native-get: how many ids there are */
    uint64_t started;         /* requests (uploads) begun since measuring began */
    uint64_t next_key;        /* of the keys in turn */
    uint64_t rng;
    struct buf enc_prefix; /* the prefix, percent-encoded */
    struct id_list ids;
    char first_error[RESPONSE_TEXT_MAX + 128];
    char *scratch; /* owned; SCRATCH_SIZE bytes */
};

enum { SCRATCH_SIZE = 1 << 20 };

/* --- request.c: fills c->rq.head, sent = 0; the plan (op, key, part, range) is in c->rq --- */
void request_render(struct load *l, struct conn *c);

/* --- response.c --- */
void response_reset(struct response *rs);
/* Take in @n received bytes. rs->done when the answer is complete; rs->bad when it cannot be read.
 */
void response_feed(struct load *l, struct conn *c, const char *p, size_t n);
/* May this many body bytes be dropped unread by the kernel? 0: no. */
uint64_t response_droppable(const struct load *l, const struct conn *c);
void response_dropped(struct conn *c, uint64_t n);

/* --- native.c: the same for the FastDFS protocol --- */
void native_render(struct load *l, struct conn *c);
void native_feed(struct load *l, struct conn *c, const char *p, size_t n);
int native_ids_read(struct load *l);
int native_ids_write(const struct load *l);

/* --- work.c --- */
int work_init(struct load *l, const struct load_options *o);
void work_fini(struct load *l);
/* Plan and render the next request of @c; false when there is nothing left to do for it. */
bool work_next(struct load *l, struct conn *c);
/* Judge and count the complete answer; false: it was not as expected. */
bool work_done(struct load *l, struct conn *c, uint64_t now_ns);
/* The connection broke under a request. */
void work_broken(struct load *l, struct conn *c, int err);
static inline bool work_is_native(const struct load_options *o)
{
    return o->work == WORK_NATIVE_PUT || o->work == WORK_NATIVE_GET;
}

#endif
