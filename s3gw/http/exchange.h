/* SPDX-License-Identifier: Apache-2.0 */
/*
 * exchange - one request on libmicrohttpd: its life, its states, suspension. Private to s3gw/http.
 */
#ifndef S3_EXCHANGE_H
#define S3_EXCHANGE_H

#include <microhttpd.h>
#include <stdatomic.h>

#include "s3gw/core/ahead.h"
#include "s3gw/core/body.h"
#include "s3gw/core/form.h"
#include "s3gw/core/pool.h"
#include "s3gw/core/req.h"
#include "s3gw/dfs/dfs.h"
#include "s3gw/http/accesslog.h"
#include "s3gw/http/hangup.h"
#include "s3gw/http/metrics.h"
#include "s3gw/http/spread.h"

struct s3_http_thread { /* of libmicrohttpd */
    struct s3_http *http;
    unsigned n;                /* as spread.h counts */
    int listener;              /* the daemon's; -1 when there is none any more */
    struct MHD_Daemon *daemon; /* of one thread */
};

struct s3_http {
    unsigned magic;
#define S3_HTTP_MAGIC 0x53334854u
    struct s3_gw *gw;
    struct s3_http_thread *threads;
    unsigned nthreads;
    struct s3_spread *spread;
    struct s3_pool *workers;
    struct s3_aheads aheads;  /* of bodies behind a reader */
    struct s3_accesslog *log; /* NULL: none */
    struct s3_metrics *metrics;
    struct s3_hangup *hangup;
    uint16_t port;
    bool tls;
    const char *tls_cert, *tls_key; /* as in the options */
    int listener;                   /* the threads have copies */
    _Atomic unsigned in_flight, connections;
    _Atomic unsigned away; /* exchanges that are suspended or about to be */
    _Atomic bool draining; /* connections are closed after their answer */
    _Atomic bool stopping; /* nothing may be suspended any more */
    _Atomic uint64_t requests, errors_4xx, errors_5xx;
};

struct s3_exchange;

/* libmicrohttpd's callbacks. */
void *s3_exchange_new(void *http, const char *target, struct MHD_Connection *conn);
enum MHD_Result s3_exchange_call(void *http, struct MHD_Connection *conn, const char *url,
                                 const char *method, const char *version, const char *data,
                                 size_t *n, void **exchange);
void s3_exchange_completed(void *http, struct MHD_Connection *conn, void **exchange,
                           enum MHD_RequestTerminationCode why);

/*
 * Before a connection is suspended: false when the server is being stopped, which waits until every
 * reserved place is given back, and so for all that is suspended.
 */
bool s3_exchange_reserve(struct s3_http *h);
/* Resume, and give the place back. The exchange is the HTTP thread's afterwards. */
void s3_exchange_resume(struct s3_exchange *x);
/*
 * Suspend, in the place reserved, until s3_req_done() or s3_req_more(), for which `turn` was set to
 * HERE before anybody could call them. False: one of them has been called already, nothing was
 * suspended.
 */
bool s3_exchange_go_away(struct s3_exchange *x);
/* Suspend, and ask s3_pipeline_form() on a worker. False: no, the result is SlowDown. */
bool s3_exchange_judge_form(struct s3_exchange *x);
/* The result, before the operation has run: its sink is dropped. */
void s3_exchange_fail(struct s3_exchange *x, enum s3err e);
/* On the HTTP thread, first thing in a call of libmicrohttpd: what others wrote before the resume
 * is seen. */
void s3_exchange_received(struct s3_exchange *x);

/*
 * The first piece of a body that lies in files, before the head of its answer goes out: as long as nothing has
 * been sent, bytes that are not to be had are an error that says so, and that clients try again. 0, also when
 * there is nothing to read; -EAGAIN: not without waiting (only without @wait); or why they cannot be had.
 */
int s3_answer_begin(struct s3_exchange *x, bool wait);
/* One more answer with this status, for `s3gw admin status`. */
void s3_exchange_count(struct s3_http *h, int status);

/* The answer of an exchange as a response of libmicrohttpd; NULL: no memory. */
struct MHD_Response *s3_answer_build(struct s3_exchange *x);

/*
 * A body that is read piece by piece because it is on several files, or not in memory.
 * HTTP thread, save fill(), which runs on a worker while the connection is suspended.
 */
struct s3_outflow {
    size_t extent; /* the one being read; 0 with a reader */
    uint64_t done; /* bytes of it, or of the body, already in the block or sent */
    char *block;   /* owned; NULL until needed */
    size_t size;   /* of the block; as through, S3_OUT_BLOCK_MIN when memory is short */
    /* of libmicrohttpd's buffer: what need not be waited for is read, or decrypted, there */
    size_t through;
    size_t from, to;        /* what of the block is not sent yet */
    struct s3_dfs_run run;  /* what has been read of the extent's file */
    int error;              /* of fill() */
    struct s3_ahead *ahead; /* of the reader, owned; NULL: none */
    bool begun;             /* s3_answer_begin() has said 0 */
    int fd;                 /* begun with a descriptor of the whole, owned; else -1 */
    uint64_t at;            /* where the body starts in it */
};
enum {
    S3_OUT_BLOCK = 256 * 1024,
    S3_OUT_THROUGH = 64 * 1024,
    S3_OUT_SEALED = 128 * 1024,     /* both, behind a reader: two frames */
    S3_OUT_AHEAD = 4 * 1024 * 1024, /* from so long on S3_OUT_BLOCK both, and read ahead */
    S3_OUT_BLOCK_MIN = 16 * 1024,
};

/*
 * States, each reached on the HTTP thread of the connection:
 *
 *   HEAD --> BODY --> RUN --> ANSWERED
 *     \_______\________/        a refusal waits as `result` until the body has been read away
 *
 * While suspended (`turn` is S3_TURN_AWAY) the exchange belongs to a worker or to whoever will call
 * s3_req_done(); it comes back by resuming the connection.
 */
enum s3_exchange_state { S3_X_HEAD, S3_X_BODY, S3_X_RUN, S3_X_ANSWERED };
enum s3_turn { S3_TURN_HERE, S3_TURN_AWAY, S3_TURN_BACK };

struct s3_exchange {
    struct s3_req req; /* first: a request is its exchange */
    struct s3_http *http;
    struct MHD_Connection *conn;
    struct str target; /* where libmicrohttpd has it, until the head was read */
    int fd;            /* the connection's */
    bool held;         /* by halfclose.h */
    enum s3_exchange_state state;
    enum s3err result; /* S3ERR_PENDING until known */
    _Atomic int turn;  /* enum s3_turn */
    struct s3_job job;
    struct s3_form *form; /* FORM operations: what the bytes are before they are data */
    struct s3_body *body; /* of a form: once its fields were judged */
    struct buf whole;     /* body of XML operations */
    struct s3_outflow out;
    uint64_t drained;        /* bytes of a body nobody wants */
    uint64_t received, sent; /* for the log */
    uint64_t started_us;
    /* the body was in, the answer began; only for http/bucketlog.h */
    uint64_t complete_us, answered_us;
    bool seen; /* the head was read */
};

#endif
