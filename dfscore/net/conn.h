/* SPDX-License-Identifier: Apache-2.0 */
/*
 * conn - the server's side of a connection: requests in, answers out, by a table of commands.
 *
 * A connection handles one request at a time and lives on one loop. Everything here runs on that
 * loop's thread, save what says "any thread".
 *
 * With service->tls, a TCP connection's first byte says whether it speaks TLS (stream.h); a handshake may take
 * stall_ms, at most DFS_TLS_HANDSHAKE_MS, and does not fall back. What follows is the same either way.
 *
 * How a request goes:
 *   0. QUIT and ACTIVE_TEST are answered here when the table has no row for them; AUTH_NONCE and
 *      AUTH_PROOF too, when the service has a secret.
 *   1. Header. Length beyond the service's frame_max, or negative: closed without an answer.
 *      Unknown command, or a length outside the row's: the body is read and dropped, EINVAL.
 *   2a. Row without content(): the whole body is collected, then handle().
 *   2b. Row with content(): the first min_len bytes are collected, then handle(). It may ask for
 *       more (dfs_req_more; handle() runs again), refuse (dfs_req_reply with an error: what is left
 *       of the body is read and dropped) or accept (dfs_req_accept, now or later); then content()
 *       gets the rest in blocks, the last one marked, possibly empty.
 *   3. The service answers, now or later, exactly once: one of dfs_req_reply*, or dfs_req_drop.
 *      To answer from another thread: dfs_req_post(req, fn), and answer in fn.
 *   4. done() runs when the answer is out, or given up because the peer has gone.
 *
 * Between handle() and the answer the request belongs to the service; conn and req stay valid even
 * when the peer vanishes (the answer then goes nowhere). Give every block back before you answer.
 *
 * Slow or lying peers cost only their own connection: a body is stored as it arrives, never
 * allocated from its announced length; deadlines run whenever we wait for the peer; a peer that does
 * not read its answers is not read from.
 *
 * Rule: protocol 2.1-2.5.
 */
#ifndef DFS_CONN_H
#define DFS_CONN_H

#include "dfscore/base/buf.h"
#include "dfscore/net/addr.h"
#include "dfscore/net/loop.h"
#include "dfscore/net/secret.h"
#include "dfscore/wire/header.h"

struct dfs_conn;
struct dfs_req;
struct dfs_stream;
struct dfs_tls;

/* A piece of content on its way in or out. From a pool with a ceiling. */
struct dfs_block {
    uint8_t *p;
    size_t n; /* bytes used */
    size_t cap;
    bool last; /* in: end of the content. out: end of an answer of unknown length */
    struct dfs_req *req;
    void *user;         /* the service's, while it has the block */
    struct dfs_job job; /* the way back to the loop; not for services */
    int err;            /* not for services, as the next */
    bool outgoing;
};

struct dfs_command {
    uint8_t cmd;
    const char *name; /* for logs and metrics */
    uint64_t min_len; /* body bytes; with content(): what handle() needs to see first */
    uint64_t max_len; /* body bytes, content included */
    void (*handle)(struct dfs_req *req);
    /* NULL: the body comes whole. Takes the block; give it back with dfs_block_put, from any thread */
    void (*content)(struct dfs_req *req, struct dfs_block *blk);
    /* Required with content(): the peer vanished after accept and before the last block; dfs_req_drop
     * is due, once all blocks are back */
    void (*abort)(struct dfs_req *req);
    /* Last call about a request that saw handle(); frees req->user */
    void (*done)(struct dfs_req *req);
};

struct dfs_req {
    struct dfs_conn *conn;
    const struct dfs_command *command;
    struct dfs_header head;
    struct str body;    /* what has been collected; valid until the answer */
    uint64_t left;      /* content bytes not yet handed to content() */
    void *user;         /* the service's; NULL at handle() */
    bool gone;          /* the peer vanished; the answer will go nowhere */
    int result;         /* for done(): what was answered, 0 or negative errno */
    uint64_t sent;      /* for done(): body bytes handed to the kernel */
    struct dfs_job job; /* of dfs_req_post */
    void (*posted)(struct dfs_req *req);
};

struct dfs_service {
    const char *name; /* for logs and metrics: "tracker" */
    void *ctx;        /* dfs_conn_ctx */
    const struct dfs_command *commands;
    size_t n;
    uint64_t frame_max;   /* longest body that is read at all; more closes the connection */
    bool close_on_einval; /* storages close after EINVAL without body; trackers do not */
    size_t keep_bytes;    /* read buffer kept between requests; 0: 16 KiB */
    uint64_t first_ms;    /* a peer that sent nothing yet is dropped after this; 0: never */
    uint64_t stall_ms;    /* the same inside a request or an answer; 0: never */
    uint64_t idle_ms;     /* the same between requests; 0: never */
    const struct dfs_secret *secret; /* NULL: nobody can prove it. Outlives the service */
    const struct dfs_tls *tls;       /* NULL: plain only; else both, on TCP. Outlives the service */
    bool tls_required;               /* nothing is proved on plain TCP connections */
    void (*on_open)(struct dfs_conn *c);  /* NULL allowed, as the next two */
    void (*on_close)(struct dfs_conn *c); /* after the last done(); conn->user goes here */
    /* When the header is there; an errno refuses the request (body dropped, that error answered). */
    int (*admit)(struct dfs_req *req);
};

/* --- answers: exactly one per request ------------------------------------------------------- */

/* r 0: status 0 and @body (copied); r < 0: that status, no body whatever @body says. */
void dfs_req_reply(struct dfs_req *req, int r, struct str body);
/* Status 0 and the content of @body, whose memory is taken. A failed buf answers its error. */
void dfs_req_reply_buf(struct dfs_req *req, struct buf *body);
/*
 * Status 0 and @len bytes of @fd from @off, by sendfile. @fd stays the service's, open until done(). @whole, unless NULL, is
 * asked when all have been read, and the last have not been sent (again while the peer does not take them): false, it was not
 * what they should be, cut the connection.
 */
void dfs_req_reply_file(struct dfs_req *req, int fd, uint64_t off, uint64_t len,
                        bool (*whole)(struct dfs_req *req));
/*
 * Status 0 and @len bytes (or DFS_LEN_UNKNOWN), which the service delivers in blocks: @more runs
 * whenever there is room for another one; fill it (on any thread) and hand it to dfs_block_send.
 */
void dfs_req_reply_stream(struct dfs_req *req, uint64_t len,
                          void (*more)(struct dfs_req *req, struct dfs_block *blk));
/* No answer: the connection is closed. */
void dfs_req_drop(struct dfs_req *req);
/*
 * No answer either: the connection's stream leaves the loop and is the caller's, non-blocking; for a
 * request that begins another conversation. The request is over when this returns. -EPROTO: the peer has
 * sent more than this request, which would be lost; the connection is closed.
 */
int dfs_req_detach(struct dfs_req *req, struct dfs_stream *ret) MUST_CHECK;

/* --- bodies ------------------------------------------------------------------------------------ */

/* Collect @n more bytes, then handle() runs again. More than the body has: -EINVAL, nothing done. */
int dfs_req_more(struct dfs_req *req, uint64_t n) MUST_CHECK;
/* Content may come. */
void dfs_req_accept(struct dfs_req *req);

/* Any thread. Block of content(): done with it. */
void dfs_block_put(struct dfs_block *blk);
/* Any thread. Block of more(): bytes [p, p + n) go out; r < 0: cannot, cut the connection. */
void dfs_block_send(struct dfs_block *blk, int r);

/* --- threads ----------------------------------------------------------------------------------- */

/* Any thread: run @fn(req) on the connection's loop. One at a time per request. */
void dfs_req_post(struct dfs_req *req, void (*fn)(struct dfs_req *req));

/* --- the connection ---------------------------------------------------------------------------- */

void *dfs_conn_ctx(const struct dfs_conn *c); /* service->ctx */
void **dfs_conn_user(struct dfs_conn *c);     /* the service's slot; NULL at on_open */
const struct dfs_addr *dfs_conn_peer(const struct dfs_conn *c);  /* numeric; "" for Unix sockets */
const struct dfs_addr *dfs_conn_local(const struct dfs_conn *c); /* our side of it */
bool dfs_conn_is_unix(const struct dfs_conn *c);
/* The peer is of the cluster: has proved that it knows service->secret; without one, by its certificate (tls.h). */
bool dfs_conn_proved(const struct dfs_conn *c);
/* The peer has said QUIT: it goes in good order. */
bool dfs_conn_quit(const struct dfs_conn *c);
/* Close once the current request (if any) is answered. For on_close-driven states, timeouts, tests. */
void dfs_conn_close(struct dfs_conn *c);

/* --- for listener.c ---------------------------------------------------------------------------- */

/* Memory for content of one loop's connections; shared by its services. */
struct dfs_pool;
/* @blocks of @bytes each at most; 0 or -ENOMEM. Taken lazily, kept until free (on the loop, as a job). */
int dfs_pool_new(struct dfs_loop *l, size_t blocks, size_t bytes, struct dfs_pool **ret);
void dfs_pool_free(struct dfs_pool **pp);

struct dfs_conn_hooks {
    void *arg;
    void (*opened)(void *arg, struct dfs_conn *c); /* before the first byte is read */
    /* last word; the conn's memory goes afterwards */
    void (*closed)(void *arg, struct dfs_conn *c);
};
struct dfs_conn_link {
    struct dfs_conn *prev, *next;
};
struct dfs_conn_link *dfs_conn_link(struct dfs_conn *c); /* for the listener's list */
/* Takes @fd (closed on failure too). Call on @l. The conn may be gone again when this returns. */
int dfs_conn_new(struct dfs_loop *l, struct dfs_pool *pool, const struct dfs_service *s, int fd,
                 const struct dfs_conn_hooks *hooks);
/* Close as soon as idle; @now: cut at once whatever is going on. */
void dfs_conn_shutdown(struct dfs_conn *c, bool now);

#endif
