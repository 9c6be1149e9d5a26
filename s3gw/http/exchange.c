/* SPDX-License-Identifier: Apache-2.0 */
/*
 * How libmicrohttpd calls (0.9.75): once when the head is in (nothing of the body yet; what is
 * queued now suppresses "100 Continue"), then for each piece of the body, then once more with no
 * data. A connection suspended in a call gets the same call again after it was resumed.
 */
#include "s3gw/http/exchange.h"

#include <pthread.h>

#include "dfscore/base/clock.h"
#include "dfscore/log/log.h"
#include "s3gw/api/cors.h"
#include "s3gw/api/notice.h"
#include "s3gw/core/gw.h"
#include "s3gw/core/op.h"
#include "s3gw/core/tenure.h"
#include "s3gw/http/bucketlog.h"
#include "s3gw/http/halfclose.h"
#include "s3gw/http/head.h"
#include "s3gw/http/health.h"
#include "s3gw/http/intake.h"
#include "s3gw/http/pipeline.h"
#include "s3gw/policy/eval.h"
#include "s3gw/http/refusal.h"
#include "s3gw/policy/rate.h"

enum {
    DRAIN_MAX = 16 * 1024 * 1024, /* a refused body up to this is read away, so that the connection
                                     and the answer survive; beyond, the connection is closed */
    FIRST_BYTES = 4096 - 512,     /* of the request's arena; as much as most requests need */
    SPARES = 16,                  /* blocks a thread keeps, ... */
    SPARE_BODY_MAX = 16 * 1024,   /* ... each with a body of this many bytes at most */
};

/* ---- memory ---- */

/*
 * An exchange, the beginning of its arena, and the memory of its answer's body. HTTP threads keep some for the
 * next requests: taking pieces of some kilobytes from glibc makes it sort all the small ones it has at hand.
 */
struct exchange_block {
    struct s3_exchange x; /* first */
    struct buf body;      /* between two requests */
    _Alignas(16) unsigned char first[FIRST_BYTES];
};

struct spares { /* owner: one thread; freed when it ends */
    size_t n;
    struct exchange_block *blocks[SPARES];
};

static pthread_key_t thread_spares;
static pthread_once_t spares_once = PTHREAD_ONCE_INIT;
static _Thread_local struct spares *spares;

static void block_free(struct exchange_block *b)
{
    buf_free(&b->body);
    free(b);
}

static void spares_free(void *arg)
{
    struct spares *s = arg;
    while (s->n > 0)
        block_free(s->blocks[--s->n]);
    free(s);
}

static void make_spares_key(void)
{
    ASSERT(pthread_key_create(&thread_spares, spares_free) == 0);
}

static struct exchange_block *block_take(void)
{
    if (spares && spares->n > 0)
        return spares->blocks[--spares->n];
    struct exchange_block *b = dfs_alloc(sizeof(*b));
    if (b)
        b->body = BUF(S3_RESP_BODY_MAX);
    return b;
}

/* The address sanitizer shall see who uses a request too late. */
static bool keeps_spares(void)
{
#ifdef __SANITIZE_ADDRESS__
    return false;
#else
    return true;
#endif
}

static void block_give(struct exchange_block *b)
{
    if (!spares) {
        pthread_once(&spares_once, make_spares_key);
        spares = dfs_zalloc(sizeof(*spares));
        if (spares && pthread_setspecific(thread_spares, spares) != 0) {
            free(spares);
            spares = NULL;
        }
    }
    if (spares && keeps_spares() && spares->n < SPARES)
        spares->blocks[spares->n++] = b;
    else
        block_free(b);
}

/* ---- birth and death ---- */

static int fd_of(struct MHD_Connection *conn)
{
    const union MHD_ConnectionInfo *i =
        MHD_get_connection_info(conn, MHD_CONNECTION_INFO_CONNECTION_FD);
    return i ? i->connect_fd : -1;
}

/* GnuTLS' numbers of protocol versions, whose header libmicrohttpd spares us. */
static const char *tls_version(struct MHD_Connection *conn)
{
    static const char *const names[] = {NULL, NULL, "TLSv1", "TLSv1.1", "TLSv1.2", "TLSv1.3"};
    const union MHD_ConnectionInfo *i = MHD_get_connection_info(conn, MHD_CONNECTION_INFO_PROTOCOL);
    unsigned v = i ? (unsigned)i->protocol : 0;
    return v < ARRAY_LEN(names) ? names[v] : NULL;
}

void *s3_exchange_new(void *http, const char *target, struct MHD_Connection *conn)
{
    struct exchange_block *block = block_take();
    if (!block)
        return NULL;
    struct s3_exchange *x = &block->x;
    *x = (struct s3_exchange){0};
    x->http = http;
    x->conn = conn;
    x->fd = fd_of(conn);
    x->started_us = dfs_mono_us();
    x->result = S3ERR_PENDING;
    x->out.fd = -1;
    x->whole = BUF(S3_BODY_WHOLE_MAX);
    s3_req_init(&x->req);
    x->req.resp.body = block->body;
    arena_lend(&x->req.arena, block->first, sizeof(block->first));
    x->req.owner = x;
    x->req.gw = x->http->gw;
    x->req.tls = x->http->tls;
    x->req.tls_version = x->req.tls ? tls_version(conn) : NULL;
    x->target = str_c(target);
    x->req.raw_path = arena_str(&x->req.arena, x->target); /* the whole; core/uri.c parts it */
    atomic_fetch_add(&x->http->in_flight, 1);
    return x;
}

static void free_exchange(struct s3_exchange *x)
{
    s3_form_free(&x->form);
    s3_body_free(&x->body);
    buf_free(&x->whole);
    free(x->out.block);
    s3_ahead_free(&x->out.ahead);
    dfs_close_fd(&x->out.fd);
    s3_budget_give(&x->http->gw->small, x->req.resp.counted);
    struct exchange_block *block = (struct exchange_block *)x;
    block->body = x->req.resp.body;
    x->req.resp.body = BUF(S3_RESP_BODY_MAX);
    s3_req_fini(&x->req);
    buf_reset(&block->body);
    if (block->body.cap > SPARE_BODY_MAX)
        buf_free(&block->body);
    atomic_fetch_sub(&x->http->in_flight, 1);
    block_give(block);
}

static void drop_sink(struct s3_exchange *x)
{
    const struct s3_sink *sink = TAKE(x->req.sink);
    if (sink)
        sink->abort(&x->req);
}

void s3_exchange_fail(struct s3_exchange *x, enum s3err e)
{
    x->result = e;
    drop_sink(x);
}

static void hold(struct s3_exchange *x, bool on)
{
    if (x->held != on)
        s3_halfclose_hold(x->fd, on);
    x->held = on;
}

/* The library is about to close a connection whose body has stopped coming: say so first, or what the head
 * was refused for. Rule: s3-behaviours 1. */
static void tell_timeout(struct s3_exchange *x)
{
    struct s3_req *q = &x->req;
    if (x->result == S3ERR_PENDING || x->result == S3ERR_OK)
        x->result = S3ERR_REQUEST_TIMEOUT;
    s3_pipeline_fail(q, x->result);
    s3_cors_headers(q);
    x->sent = q->resp.body.n;
    s3_exchange_count(x->http, q->resp.status);
    s3_refusal_write(x->conn, q);
}

void s3_exchange_completed(void *http, struct MHD_Connection *conn, void **exchange,
                           enum MHD_RequestTerminationCode why)
{
    (void)http;
    (void)conn;
    struct s3_exchange *x = TAKE(*exchange);
    if (!x)
        return;
    s3_exchange_received(x);
    hold(x, false);
    drop_sink(x);
    if (why == MHD_REQUEST_TERMINATED_TIMEOUT_REACHED && x->state == S3_X_BODY)
        tell_timeout(x);
    if (x->seen) {
        struct s3_http *h = x->http;
        uint64_t now_us = dfs_mono_us(), took_us = now_us - x->started_us;
        if (h->gw->rates)
            s3_rate_charge(h->gw->rates, x->req.who.user_id, &x->req.who.limits,
                           x->received + x->sent, now_us);
        s3_metrics_request(h->metrics, &x->req, x->result, x->received, x->sent, took_us);
        s3_bucketlog_write(x, took_us);
        s3_notice_committed(&x->req);
        s3_accesslog_write(h->log, &x->req, x->received, x->sent, took_us,
                           why == MHD_REQUEST_TERMINATED_COMPLETED_OK);
    }
    free_exchange(x);
}

/* ---- away and back ---- */

static void release(struct s3_http *h)
{
    unsigned before = atomic_fetch_sub(&h->away, 1);
    ASSERT(before > 0);
}

bool s3_exchange_reserve(struct s3_http *h)
{
    atomic_fetch_add(&h->away, 1);
    if (!atomic_load(&h->stopping))
        return true;
    release(h);
    return false;
}

void s3_exchange_resume(struct s3_exchange *x)
{
    struct s3_http *h = x->http;          /* x may be gone as soon as it is resumed */
    atomic_store(&x->turn, S3_TURN_HERE); /* pairs with s3_exchange_received() */
    MHD_resume_connection(x->conn);
    release(h);
}

void s3_exchange_received(struct s3_exchange *x)
{
    ASSERT(atomic_load(&x->turn) !=
           S3_TURN_AWAY); /* libmicrohttpd leaves suspended connections alone */
}

void s3_req_more(struct s3_req *q)
{
    struct s3_exchange *x = q->owner;
    if (atomic_exchange(&x->turn, S3_TURN_BACK) == S3_TURN_AWAY)
        s3_exchange_resume(x);
}

void s3_req_done(struct s3_req *q, enum s3err e)
{
    ASSERT(e != S3ERR_PENDING && e != S3ERR_WOULD_BLOCK);
    struct s3_exchange *x = q->owner;
    x->result = e;
    s3_req_more(q);
}

/* Until the next call of s3_exchange_call(). */
static void suspend(struct s3_exchange *x)
{
    hold(x, true);
    MHD_suspend_connection(x->conn);
}

bool s3_exchange_go_away(struct s3_exchange *x)
{
    if (atomic_load(&x->turn) == S3_TURN_BACK) {
        release(x->http);
        return false;
    }
    suspend(x);
    int here = S3_TURN_HERE;
    if (!atomic_compare_exchange_strong(&x->turn, &here, S3_TURN_AWAY))
        s3_exchange_resume(x);
    return true;
}

static void ask_on_worker(struct s3_exchange *x, enum s3err (*ask)(struct s3_req *))
{
    x->req.may_block = true;
    enum s3err e = ask(&x->req);
    x->req.may_block = false;
    if (e != S3ERR_OK)
        x->result = e;
    s3_exchange_resume(x);
}

static void head_on_worker(void *arg)
{
    ask_on_worker(arg, s3_pipeline_head);
}

static void run_on_worker(void *arg)
{
    struct s3_exchange *x = arg;
    x->req.may_block = true;
    s3_resp_reset(&x->req); /* of a try on the HTTP thread */
    enum s3err e = s3_pipeline_handle(&x->req);
    if (e != S3ERR_PENDING)
        s3_req_done(&x->req, e);
}

/* Suspend and run there. False: no, the result is SlowDown. */
static bool to_worker(struct s3_exchange *x, void (*run)(void *))
{
    if (!s3_exchange_reserve(x->http)) {
        x->result = S3ERR_SLOW_DOWN;
        return false;
    }
    x->job = (struct s3_job){.run = run, .arg = x};
    suspend(x);
    atomic_store(&x->turn, S3_TURN_AWAY);
    if (s3_pool_submit(x->http->workers, &x->job) < 0) {
        x->result = S3ERR_SLOW_DOWN;
        s3_exchange_resume(x);
    }
    return true;
}

static void form_on_worker(void *arg)
{
    ask_on_worker(arg, s3_pipeline_form);
}

bool s3_exchange_judge_form(struct s3_exchange *x)
{
    return to_worker(x, form_on_worker);
}

/* ---- the answer ---- */

static void begin_on_worker(void *arg)
{
    struct s3_exchange *x = arg;
    x->out.error = s3_answer_begin(x, true);
    s3_exchange_resume(x);
}

static void body_failed(struct s3_exchange *x, int r)
{
    dfs_log(LOG_ERROR, "http.body_not_to_be_had", KV_Z("req", x->req.request_id),
            KV_STR("bucket", x->req.bucket), KV_STR("key", x->req.key), KV_ERR(r));
    x->result = s3err_from_errno(r, S3_THING_OTHER);
    s3_resp_reset(&x->req);
}

/* The first piece of a body in files is there, or the result says why not. False: suspended until then. */
static bool begin_body(struct s3_exchange *x)
{
    int r = x->out.error < 0 ? x->out.error : s3_answer_begin(x, false);
    if (r == -EAGAIN && x->out.error == 0) {
        bool away = to_worker(x, begin_on_worker);
        if (x->result != S3ERR_OK) /* no worker has it: the answer is SlowDown */
            s3_resp_reset(&x->req);
        if (away)
            return false;
    }
    if (r < 0 && x->result == S3ERR_OK)
        body_failed(x, r);
    return true;
}

/* What an operator wants to know without a line per request: what failed here, and the id the client was told. */
static void tell_failure(const struct s3_req *q)
{
    static struct dfs_log_gate failures, full;
    bool no_space = q->resp.status == 507;
    if ((no_space || q->resp.status == 500) &&
        dfs_log_allow(no_space ? &full : &failures, no_space ? 1 : 10))
        dfs_log(no_space ? LOG_WARN : LOG_ERROR, no_space ? "http.no_space" : "http.failed",
                KV_Z("op", q->op ? q->op->name : "-"), KV_STR("bucket", q->bucket),
                KV_STR("key", q->key), KV_Z("request_id", q->request_id));
}

void s3_exchange_count(struct s3_http *h, int status)
{
    atomic_fetch_add_explicit(&h->requests, 1, memory_order_relaxed);
    if (status >= 400)
        atomic_fetch_add_explicit(status >= 500 ? &h->errors_5xx : &h->errors_4xx, 1,
                                  memory_order_relaxed);
}

/* What was done, or read, has been so while the lease was ours if it still is: then it may be told. Health and metrics
 * have no operation. */
static void judge_tenure(struct s3_exchange *x)
{
    if ((x->req.op || x->result != S3ERR_OK) && !s3_tenure_serves(x->http->gw->tenure)) {
        x->result = S3ERR_SERVICE_UNAVAILABLE;
        s3_resp_reset(&x->req);
    }
}

static enum MHD_Result answer(struct s3_exchange *x)
{
    struct s3_req *q = &x->req;
    judge_tenure(x);
    if (x->result == S3ERR_OK && !begin_body(x))
        return MHD_YES;
    x->state = S3_X_ANSWERED;
    if (x->result != S3ERR_OK) {
        drop_sink(x);
        s3_pipeline_fail(q, x->result);
    }
    if (s3_bucketlog_wanted(q))
        x->answered_us = dfs_mono_us();
    s3_cors_headers(q);
    if (x->result == S3ERR_OK && s3_policy_charges(q))
        s3_resp_header(q, "x-amz-request-charged", STR("requester"));
    struct MHD_Response *r = s3_answer_build(x);
    if (!r)
        return MHD_NO;
    s3_exchange_count(x->http, q->resp.status);
    tell_failure(q);
    enum MHD_Result ok = s3_queue_response(x->conn, (unsigned)q->resp.status, r);
    MHD_destroy_response(r);
    return ok;
}

/* ---- the operation ---- */

/* Store what the sink got. True: suspended until that is done. */
static bool finish_sink(struct s3_exchange *x)
{
    struct s3_req *q = &x->req;
    if (!s3_exchange_reserve(x->http)) {
        s3_exchange_fail(x, S3ERR_SLOW_DOWN);
        return false;
    }
    const struct s3_sink *sink = TAKE(q->sink);
    atomic_store(&x->turn, S3_TURN_HERE);
    enum s3err e = sink->finish(q);
    if (e == S3ERR_PENDING)
        return s3_exchange_go_away(x);
    release(x->http);
    x->result = e;
    return false;
}

/* Run the operation. True: suspended until there is a result. */
static bool run(struct s3_exchange *x)
{
    struct s3_req *q = &x->req;
    if (s3_bucketlog_wanted(q))
        x->complete_us = dfs_mono_us();
    if (q->sink)
        return finish_sink(x);
    if (q->op->where == S3_INLINE) {
        enum s3err e = s3_pipeline_handle(q);
        ASSERT(e != S3ERR_PENDING);
        if (e != S3ERR_WOULD_BLOCK) {
            x->result = e;
            return false;
        }
    }
    return to_worker(x, run_on_worker);
}

/* ---- libmicrohttpd calls ---- */

/* The head has been judged. A refusal is sent before the body when the client waits for it, or when
 * the body is too long to be read away. */
static enum MHD_Result judged(struct s3_exchange *x)
{
    struct s3_req *q = &x->req;
    x->state = S3_X_BODY;
    if (x->result == S3ERR_PENDING)
        s3_intake_open(x);
    if (x->result == S3ERR_PENDING)
        return MHD_YES;
    uint64_t n = s3_head_announced(q);
    bool waits = s3_head_expects_continue(q);
    if (!waits && !q->resp.close && n <= DRAIN_MAX)
        return MHD_YES;
    q->resp.close = q->resp.close || n > 0;
    return answer(x);
}

static enum MHD_Result on_head(struct s3_exchange *x, const char *method, const char *version)
{
    enum s3err e = s3_head_read(x, method, version);
    if (e == S3ERR_OK &&
        (s3_health_answer(&x->req) || s3_metrics_answer(x->http->metrics, &x->req))) {
        x->result = S3ERR_OK;
        return judged(x);
    }
    if (e == S3ERR_OK)
        e = s3_pipeline_head(&x->req);
    if (e == S3ERR_WOULD_BLOCK) {
        if (to_worker(x, head_on_worker))
            return MHD_YES;
    } else if (e != S3ERR_OK) {
        x->result = e;
    }
    return judged(x);
}

static enum MHD_Result on_data(struct s3_exchange *x, const char *data, size_t *n)
{
    size_t some = MIN(*n, (size_t)64 * 1024);
    struct str rest = str_of(data, some);
    s3_intake_take(x, &rest);
    x->received += some - rest.n;
    *n -= some - rest.n;
    /* The rest of an upload that failed is read to its end, so that the client gets the answer. */
    uint64_t limit = x->req.plan ? S3_BODY_DATA_MAX : DRAIN_MAX;
    return x->drained > limit ? MHD_NO : MHD_YES;
}

/* Trailers of HTTP, which nobody sends or needs here, end as heads do (lines.h), and are not measured: what follows
 * them is not read. */
static bool has_trailers(struct s3_exchange *x)
{
    return MHD_get_connection_values_n(x->conn, MHD_FOOTER_KIND, NULL, NULL) > 0;
}

static enum MHD_Result on_end(struct s3_exchange *x)
{
    if (x->state == S3_X_BODY) {
        if (has_trailers(x))
            x->req.resp.close = true;
        x->state = S3_X_RUN;
        if (x->result == S3ERR_PENDING)
            s3_intake_finish(x);
        if (x->result == S3ERR_PENDING && run(x))
            return MHD_YES;
    }
    return answer(x);
}

enum MHD_Result s3_exchange_call(void *http, struct MHD_Connection *conn, const char *url,
                                 const char *method, const char *version, const char *data,
                                 size_t *n, void **exchange)
{
    (void)http;
    (void)conn;
    (void)url;
    struct s3_exchange *x = *exchange;
    if (!x)
        return MHD_NO; /* no memory when the request line was read */
    hold(x, false);
    if (x->state == S3_X_HEAD) /* a second time when the head was judged by a worker */
        return x->seen ? judged(x) : on_head(x, method, version);
    if (*n > 0)
        return on_data(x, data, n);
    return on_end(x);
}
