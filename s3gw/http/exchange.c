/* SPDX-License-Identifier: Apache-2.0 */
/*
 * How libmicrohttpd calls (0.9.75): once when the head is in (nothing of the body yet; what is
 * queued now suppresses "100 Continue"), then for each piece of the body, then once more with no
 * data. A connection suspended in a call gets the same call again after it was resumed.
 */
#include "s3gw/http/exchange.h"

#include <arpa/inet.h>
#include <stdio.h>

#include "dfscore/base/clock.h"
#include "dfscore/log/log.h"
#include "s3gw/api/cors.h"
#include "s3gw/api/notice.h"
#include "s3gw/auth/post_form.h"
#include "s3gw/core/digest.h"
#include "s3gw/core/gw.h"
#include "s3gw/core/op.h"
#include "s3gw/http/bucketlog.h"
#include "s3gw/http/health.h"
#include "s3gw/http/pipeline.h"
#include "s3gw/http/refusal.h"
#include "s3gw/policy/rate.h"

enum {
    DRAIN_MAX = 16 * 1024 * 1024, /* a refused body up to this is read away, so that the connection
                                     and the answer survive; beyond, the connection is closed */
    HEADERS_MAX = 8 * 1024,       /* s3-behaviours 1 */
};

/* ---- birth and death ---- */

void *s3_exchange_new(void *http, const char *target, struct MHD_Connection *conn)
{
    struct s3_exchange *x = dfs_zalloc(sizeof(*x));
    if (!x)
        return NULL;
    x->http = http;
    x->conn = conn;
    x->started_us = dfs_mono_us();
    x->result = S3ERR_PENDING;
    x->out.fd = -1;
    x->whole = BUF(S3_BODY_WHOLE_MAX);
    s3_req_init(&x->req);
    x->req.owner = x;
    x->req.gw = x->http->gw;
    x->req.tls = x->http->tls;
    x->req.raw_path =
        arena_str(&x->req.arena, str_c(target)); /* the whole target; core/uri.c parts it */
    atomic_fetch_add(&x->http->in_flight, 1);
    return x;
}

static void free_exchange(struct s3_exchange *x)
{
    s3_form_free(&x->form);
    s3_body_free(&x->body);
    buf_free(&x->whole);
    free(x->out.block);
    dfs_close_fd(&x->out.fd);
    s3_budget_give(&x->http->gw->small, x->req.resp.counted);
    s3_req_fini(&x->req);
    atomic_fetch_sub(&x->http->in_flight, 1);
    free(x);
}

static void drop_sink(struct s3_exchange *x)
{
    const struct s3_sink *sink = TAKE(x->req.sink);
    if (sink)
        sink->abort(&x->req);
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
    drop_sink(x);
    if (x->seen) {
        struct s3_http *h = x->http;
        uint64_t now_us = dfs_mono_us(), took_us = now_us - x->started_us;
        if (h->gw->rates)
            s3_rate_charge(h->gw->rates, x->req.who.user_id, &x->req.who.limits, x->received + x->sent,
                           now_us);
        s3_metrics_request(h->metrics, &x->req, x->result, x->received, x->sent, took_us);
        s3_bucketlog_write(x, took_us);
        s3_notice_committed(&x->req);
        s3_accesslog_write(h->log, &x->req, x->received, x->sent, took_us,
                           why == MHD_REQUEST_TERMINATED_COMPLETED_OK);
    }
    free_exchange(x);
}

/* ---- the head ---- */

static enum s3_method method_of(const char *name)
{
    static const struct {
        const char *name;
        enum s3_method method;
    } known[] = {{"GET", S3_GET},   {"HEAD", S3_HEAD},     {"PUT", S3_PUT},
                 {"POST", S3_POST}, {"DELETE", S3_DELETE}, {"OPTIONS", S3_OPTIONS}};
    for (size_t i = 0; i < ARRAY_LEN(known); i++)
        if (strcmp(name, known[i].name) == 0)
            return known[i].method;
    return S3_OTHER_METHOD;
}

static enum MHD_Result take_header(void *arg, enum MHD_ValueKind kind, const char *key,
                                   size_t key_n, const char *value, size_t value_n)
{
    (void)kind;
    struct s3_req *q = arg;
    q->headers[q->nheaders++] =
        (struct s3_pair){str_of(key, key_n), str_trim(str_of(value ? value : "", value_n))};
    return MHD_YES;
}

static struct str peer_text(struct s3_exchange *x)
{
    const union MHD_ConnectionInfo *i =
        MHD_get_connection_info(x->conn, MHD_CONNECTION_INFO_CLIENT_ADDRESS);
    char text[INET6_ADDRSTRLEN] = "";
    if (i && i->client_addr->sa_family == AF_INET)
        inet_ntop(AF_INET, &((const struct sockaddr_in *)(const void *)i->client_addr)->sin_addr,
                  text, sizeof(text));
    else if (i && i->client_addr->sa_family == AF_INET6)
        inet_ntop(AF_INET6, &((const struct sockaddr_in6 *)(const void *)i->client_addr)->sin6_addr,
                  text, sizeof(text));
    return arena_str(&x->req.arena, str_c(text));
}

/* User metadata has a limit of its own, which is told by its own error. */
static enum s3err section_size(struct s3_req *q)
{
    size_t n = 0;
    for (size_t i = 0; i < q->nheaders; i++)
        if (!str_istarts(q->headers[i].name, STR("x-amz-meta-")))
            n += q->headers[i].name.n + q->headers[i].value.n + strlen(": \r\n");
    if (n <= HEADERS_MAX)
        return S3ERR_OK;
    return s3_err(q, S3ERR_REQUEST_HEADER_SECTION_TOO_LARGE, "MaxSizeAllowed",
                  arena_printf(&q->arena, "%d", HEADERS_MAX));
}

/* Two lengths that differ: a proxy before us may have gone by the other one (RFC 9112, 6.3). */
static enum s3err one_length(struct s3_req *q)
{
    struct str first = s3_req_header(q, STR("content-length"));
    for (size_t i = 0; i < q->nheaders; i++)
        if (str_ieq(q->headers[i].name, STR("content-length")) &&
            !str_eq(q->headers[i].value, first)) {
            q->resp.close = true;
            return s3_errm(q, S3ERR_BAD_REQUEST, "Two Content-Length headers that differ.");
        }
    return S3ERR_OK;
}

/* Views of names and values stay valid until the request is completed: they lie in the connection's
 * pool. */
static enum s3err read_head(struct s3_exchange *x, const char *method)
{
    struct s3_req *q = &x->req;
    x->seen = true;
    q->now_ms = dfs_now_ms();
    q->method = method_of(method);
    q->method_name = str_c(method);
    q->peer = peer_text(x);
    int n = MHD_get_connection_values_n(x->conn, MHD_HEADER_KIND, NULL, NULL);
    q->headers = arena_alloc(&q->arena, (size_t)MAX(n, 1) * sizeof(q->headers[0]));
    if (!q->headers || !q->raw_path.p || !q->peer.p)
        return S3ERR_SLOW_DOWN;
    MHD_get_connection_values_n(x->conn, MHD_HEADER_KIND, take_header, q);
    q->host = s3_req_header(q, STR("host"));
    enum s3err e = section_size(q);
    return e == S3ERR_OK ? one_length(q) : e;
}

/* ---- away and back ---- */

bool s3_exchange_reserve(struct s3_http *h)
{
    atomic_fetch_add(&h->away, 1);
    if (!atomic_load(&h->stopping))
        return true;
    s3_exchange_release(h);
    return false;
}

void s3_exchange_release(struct s3_http *h)
{
    unsigned before = atomic_fetch_sub(&h->away, 1);
    ASSERT(before > 0);
}

void s3_exchange_resume(struct s3_exchange *x)
{
    struct s3_http *h = x->http;          /* x may be gone as soon as it is resumed */
    atomic_store(&x->turn, S3_TURN_HERE); /* pairs with s3_exchange_received() */
    MHD_resume_connection(x->conn);
    s3_exchange_release(h);
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

/*
 * Suspend, in the place reserved, until s3_req_done() or s3_req_more(), for which `turn` was set to
 * HERE before anybody could call them. False: one of them has been called already, nothing was
 * suspended.
 */
static bool go_away(struct s3_exchange *x)
{
    if (atomic_load(&x->turn) == S3_TURN_BACK) {
        s3_exchange_release(x->http);
        return false;
    }
    MHD_suspend_connection(x->conn);
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

static void form_on_worker(void *arg)
{
    ask_on_worker(arg, s3_pipeline_form);
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
    MHD_suspend_connection(x->conn);
    atomic_store(&x->turn, S3_TURN_AWAY);
    if (s3_pool_submit(x->http->workers, &x->job) < 0) {
        x->result = S3ERR_SLOW_DOWN;
        s3_exchange_resume(x);
    }
    return true;
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
    x->result = r == -EHOSTUNREACH ? S3ERR_SERVICE_UNAVAILABLE : s3err_from_errno(r, S3_THING_OTHER);
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

static enum MHD_Result answer(struct s3_exchange *x)
{
    struct s3_req *q = &x->req;
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
    struct MHD_Response *r = s3_answer_build(x);
    if (!r)
        return MHD_NO;
    unsigned status = (unsigned)q->resp.status;
    atomic_fetch_add_explicit(&x->http->requests, 1, memory_order_relaxed);
    if (status >= 500)
        atomic_fetch_add_explicit(&x->http->errors_5xx, 1, memory_order_relaxed);
    else if (status >= 400)
        atomic_fetch_add_explicit(&x->http->errors_4xx, 1, memory_order_relaxed);
    enum MHD_Result ok = s3_queue_response(x->conn, status, r);
    MHD_destroy_response(r);
    return ok;
}

/* ---- the body ---- */

static enum s3err keep_whole(void *arg, struct str piece)
{
    struct s3_exchange *x = arg;
    buf_adds(&x->whole, piece);
    return buf_err(&x->whole) == 0        ? S3ERR_OK
           : buf_err(&x->whole) == -E2BIG ? S3ERR_MAX_MESSAGE_LENGTH_EXCEEDED
                                          : S3ERR_SLOW_DOWN;
}

static enum s3err to_sink(void *arg, struct str piece)
{
    struct s3_exchange *x = arg;
    return x->req.sink->data(&x->req, piece);
}

static void fail(struct s3_exchange *x, enum s3err e)
{
    x->result = e;
    drop_sink(x);
}

/* False: there is none; the connection was suspended. */
static bool wait_for_room(struct s3_exchange *x, size_t n)
{
    struct s3_req *q = &x->req;
    for (;;) {
        atomic_store(&x->turn, S3_TURN_HERE);
        if (q->sink->room(q, n))
            return true;
        if (!s3_exchange_reserve(x->http)) {
            fail(x, S3ERR_SLOW_DOWN);
            return true;
        }
        if (go_away(x))
            return false;
    }
}

/* One piece. False: there is no room; the connection was suspended and the piece will come again.
 */
static bool take_piece(struct s3_exchange *x, struct str piece)
{
    struct s3_req *q = &x->req;
    if (x->result != S3ERR_PENDING || q->op->body == S3_BODY_NONE) {
        x->drained += piece.n;
        return true;
    }
    if (q->sink && !wait_for_room(x, piece.n))
        return false;
    if (x->result != S3ERR_PENDING)
        return true;
    enum s3err e = s3_body_push(x->body, piece, q->sink ? to_sink : keep_whole, x);
    if (e != S3ERR_OK)
        fail(x, e);
    else if (q->sink && q->sink->settle)
        q->sink->settle(q);
    return true;
}

/* ---- a form: fields, then the file, which is data ---- */

static enum s3err form_data(void *arg, struct str piece)
{
    struct s3_exchange *x = arg;
    return s3_body_push(x->body, piece, to_sink, x);
}

static enum s3err open_form(struct s3_exchange *x)
{
    return s3_form_new(&x->req, &(struct s3_form_out){form_data, x}, &x->form);
}

/* Its fields are known. True: the connection was suspended, a worker judges them. */
static bool judge_form(struct s3_exchange *x)
{
    enum s3err e = s3_post_open(&x->req, x->form);
    if (e == S3ERR_OK)
        e = s3_pipeline_form(&x->req);
    if (e == S3ERR_WOULD_BLOCK)
        return to_worker(x, form_on_worker);
    if (e != S3ERR_OK)
        x->result = e;
    return false;
}

/* Some bytes. What is left of *in, when the connection was suspended, will come again. */
static void take_form(struct s3_exchange *x, struct str *in)
{
    struct s3_req *q = &x->req;
    while (in->n > 0 && x->result == S3ERR_PENDING) {
        if (q->sink && !x->body && !(x->body = s3_body_new(q->plan))) {
            fail(x, S3ERR_SLOW_DOWN);
            break;
        }
        if (q->sink && !wait_for_room(x, in->n + S3_FORM_HELD_MAX))
            return;
        if (x->result != S3ERR_PENDING)
            break;
        enum s3err e = s3_form_push(x->form, in);
        if (e == S3ERR_PENDING) {
            if (judge_form(x))
                return;
        } else if (e != S3ERR_OK) {
            fail(x, e);
        } else if (q->sink && q->sink->settle) {
            q->sink->settle(q);
        }
    }
    x->drained += in->n;
    in->n = 0;
}

static bool form_complete(struct s3_exchange *x)
{
    enum s3err e = x->form ? s3_form_finish(x->form) : S3ERR_OK;
    if (e != S3ERR_OK)
        fail(x, e);
    return e == S3ERR_OK;
}

/* Content-MD5 of a document; a sink judges its data by itself. */
static enum s3err check_document(struct s3_exchange *x)
{
    struct s3_req *q = &x->req;
    uint8_t md5[16];
    if (q->sink || !q->plan->has_md5)
        return S3ERR_OK;
    s3_md5(x->whole.p ? x->whole.p : "", x->whole.n, md5);
    return s3_body_check_md5(q, q->plan, md5);
}

/* The body is complete. */
static void finish_body(struct s3_exchange *x)
{
    struct s3_req *q = &x->req;
    if (!form_complete(x) || !x->body)
        return;
    enum s3err e = s3_body_finish(x->body, q);
    if (e == S3ERR_OK)
        e = check_document(x);
    if (e != S3ERR_OK) {
        fail(x, e);
        return;
    }
    s3_body_checksum(x->body, &q->plan->got);
    if (q->plan->compute_crc64_too)
        s3_body_crc64(x->body, &q->plan->got_crc64);
    q->body = buf_str(&x->whole);
}

/* Store what the sink got. True: suspended until that is done. */
static bool finish_sink(struct s3_exchange *x)
{
    struct s3_req *q = &x->req;
    if (!s3_exchange_reserve(x->http)) {
        fail(x, S3ERR_SLOW_DOWN);
        return false;
    }
    const struct s3_sink *sink = TAKE(q->sink);
    atomic_store(&x->turn, S3_TURN_HERE);
    enum s3err e = sink->finish(q);
    if (e == S3ERR_PENDING)
        return go_away(x);
    s3_exchange_release(x->http);
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

static bool expects_continue(const struct s3_req *q)
{
    return str_ieq(s3_req_header(q, STR("expect")), STR("100-continue"));
}

/* Length of the body that will come, as far as the head says. */
static uint64_t announced(const struct s3_req *q)
{
    uint64_t n;
    if (s3_req_header(q, STR("transfer-encoding")).p)
        return UINT64_MAX;
    return str_u64(s3_req_header(q, STR("content-length")), UINT64_MAX, &n) == 0 ? n : 0;
}

/* The head has been judged. A refusal is sent before the body when the client waits for it, or when
 * the body is too long to be read away. */
static enum MHD_Result judged(struct s3_exchange *x)
{
    struct s3_req *q = &x->req;
    x->state = S3_X_BODY;
    if (x->result == S3ERR_PENDING && q->op->body == S3_BODY_FORM) {
        enum s3err e = open_form(x);
        if (e != S3ERR_OK)
            fail(x, e);
    } else if (x->result == S3ERR_PENDING && q->plan) {
        x->body = s3_body_new(q->plan);
        if (!x->body)
            fail(x, S3ERR_SLOW_DOWN);
    }
    if (x->result == S3ERR_PENDING)
        return MHD_YES;
    uint64_t n = announced(q);
    bool waits = expects_continue(q);
    if (!waits && !q->resp.close && n <= DRAIN_MAX)
        return MHD_YES;
    q->resp.close = q->resp.close || n > 0;
    return answer(x);
}

static enum MHD_Result on_head(struct s3_exchange *x, const char *method)
{
    enum s3err e = read_head(x, method);
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
    if (x->form)
        take_form(x, &rest);
    else if (take_piece(x, rest))
        rest.n = 0;
    x->received += some - rest.n;
    *n -= some - rest.n;
    /* The rest of an upload that failed is read to its end, so that the client gets the answer. */
    uint64_t limit = x->req.plan ? S3_BODY_DATA_MAX : DRAIN_MAX;
    return x->drained > limit ? MHD_NO : MHD_YES;
}

static enum MHD_Result on_end(struct s3_exchange *x)
{
    if (x->state == S3_X_BODY) {
        x->state = S3_X_RUN;
        if (x->result == S3ERR_PENDING)
            finish_body(x);
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
    (void)version;
    struct s3_exchange *x = *exchange;
    if (!x)
        return MHD_NO;         /* no memory when the request line was read */
    if (x->state == S3_X_HEAD) /* a second time when the head was judged by a worker */
        return x->seen ? judged(x) : on_head(x, method);
    if (*n > 0)
        return on_data(x, data, n);
    return on_end(x);
}
