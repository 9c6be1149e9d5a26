/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/bench/load/engine.h"

#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <time.h>
#include <unistd.h>

#include "tests/bench/load/tls.h"

enum {
    OPENING_MAX = 256, /* connections without a first answer at a time: a backlog is finite */
    BROKEN_MAX = 300,  /* failures in a row before the run is given up */
    ROUNDS_MAX = 8,    /* reads or writes of one connection before the others get their turn */
    READ_SIZE = 262144,
    EVENTS = 256,
    SAMPLE_NS = 100000000,
    DRAIN_NS_MAX = 2000000000, /* for requests under way at the end; they are not counted */
};

struct engine {
    struct load *l;
    struct proc_set *procs;
    struct run_result *res;
    struct conn *conns; /* owned */
    unsigned opened, opening, busy;
    int ep;
    struct ssl_ctx_st *tls; /* owned; NULL: plain */
    unsigned broken_in_row;
    int last_err;
    uint64_t now, begun, deadline, next_sample; /* ns, monotonic; deadline 0: count decides */
    uint64_t server_cpu_begin, client_cpu_begin;
};

static uint64_t clock_ns(clockid_t id)
{
    struct timespec t;
    clock_gettime(id, &t);
    return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

/* --- connections ------------------------------------------------------------------------------ */

static void watch(struct engine *e, struct conn *c, uint32_t events)
{
    if (c->events == events)
        return;
    struct epoll_event ev = {.events = events, .data.ptr = c};
    ASSERT(epoll_ctl(e->ep, c->events ? EPOLL_CTL_MOD : EPOLL_CTL_ADD, c->fd, &ev) == 0);
    c->events = events;
}

static void close_conn(struct engine *e, struct conn *c)
{
    (void)e;
    tls_close(&c->tls);
    dfs_close_fd(&c->fd); /* epoll forgets it */
    c->events = 0;
    c->state = CONN_CLOSED;
}

static int open_conn(struct engine *e, struct conn *c)
{
    const struct load_options *o = e->l->o;
    int one = 1;
    c->fd = socket(o->addr.ss_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (c->fd < 0)
        return -errno;
    (void)setsockopt(c->fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
    if (o->congestion && setsockopt(c->fd, IPPROTO_TCP, TCP_CONGESTION, o->congestion,
                                    (socklen_t)strlen(o->congestion)) < 0)
        return -errno;
    if (connect(c->fd, (const struct sockaddr *)&o->addr, o->addr_n) < 0 && errno != EINPROGRESS)
        return -errno;
    c->state = CONN_CONNECTING;
    watch(e, c, EPOLLOUT);
    return e->tls ? tls_open(e->tls, c->fd, &c->tls) : 0;
}

static void rest(struct engine *e, struct conn *c)
{
    c->state = CONN_RESTING;
    e->busy--;
    watch(e, c, EPOLLIN);
}

static void broke(struct engine *e, struct conn *c, int err);

/* Send on a fresh or kept connection what c->rq says, from the start. */
static void reopen(struct engine *e, struct conn *c)
{
    close_conn(e, c);
    int r = open_conn(e, c);
    if (r < 0)
        broke(e, c, -r);
}

/* --- sending ---------------------------------------------------------------------------------- */

static void start(struct engine *e, struct conn *c);

static ssize_t send_piece(struct engine *e, struct conn *c)
{
    struct request *rq = &c->rq;
    struct payload_iov body = {.n = 0};
    struct iovec v[PAYLOAD_IOV + 1];
    int n = 0;
    if (rq->sent < rq->head.n)
        v[n++] = (struct iovec){rq->head.p + rq->sent, rq->head.n - rq->sent};
    uint64_t body_sent = rq->sent > rq->head.n ? rq->sent - rq->head.n : 0;
    if (body_sent < rq->body_n)
        payload_pieces(rq->key, e->l->o->size, rq->body_at + body_sent, rq->body_n - body_sent,
                       &body);
    memcpy(v + n, body.v, (size_t)body.n * sizeof(v[0]));
    struct msghdr msg = {.msg_iov = v, .msg_iovlen = (size_t)(n + body.n)};
    ssize_t sent =
        c->tls ? tls_write(c->tls, v, msg.msg_iovlen) : sendmsg(c->fd, &msg, MSG_NOSIGNAL);
    if (sent < 0)
        return c->tls ? sent : -errno;
    rq->sent += (uint64_t)sent;
    if (e->l->measuring && rq->sent > rq->head.n)
        e->l->stats[rq->op].bytes += rq->sent - rq->head.n - body_sent;
    return sent;
}

static void send_some(struct engine *e, struct conn *c)
{
    for (int i = 0; i < ROUNDS_MAX; i++) {
        ssize_t r = send_piece(e, c);
        if (r == -EAGAIN)
            break;
        if (r < 0) {
            broke(e, c, (int)-r);
            return;
        }
        if (c->rq.sent == c->rq.head.n + c->rq.body_n) {
            c->state = CONN_RECEIVING;
            watch(e, c, EPOLLIN);
            return;
        }
    }
    watch(e, c, EPOLLIN | EPOLLOUT); /* an early refusal is worth reading */
}

static void start(struct engine *e, struct conn *c)
{
    if (!work_next(e->l, c)) {
        rest(e, c);
        return;
    }
    c->started_ns = e->now;
    c->state = CONN_SENDING;
    send_some(e, c);
}

/* --- receiving -------------------------------------------------------------------------------- */

static void broke(struct engine *e, struct conn *c, int err)
{
    bool between = c->ever_answered && c->rs.head_n == 0;
    if (c->state == CONN_RESTING) { /* the server's good right */
        close_conn(e, c);
        return;
    }
    if (between && !e->l->stopping && err != ECONNREFUSED) {
        c->ever_answered = false; /* once for a request */
        c->rq.sent = 0;
        e->res->reconnects++;
        reopen(e, c);
        return;
    }
    work_broken(e->l, c, err);
    e->last_err = err ? err : ECONNRESET;
    e->broken_in_row++;
    close_conn(e, c);
    if (e->l->stopping || e->broken_in_row > BROKEN_MAX) {
        e->busy--;
        return;
    }
    c->rq.head.n = 0; /* a new plan once it stands */
    if (open_conn(e, c) < 0)
        e->busy--;
}

static void answered(struct engine *e, struct conn *c)
{
    bool whole = c->state == CONN_RECEIVING; /* else refused before all was sent */
    if (!c->ever_answered && e->opening > 0)
        e->opening--;
    e->now = clock_ns(CLOCK_MONOTONIC);
    if (work_done(e->l, c, e->now))
        e->broken_in_row = 0;
    if (!whole || c->rs.close || c->rs.bad) {
        c->rq.head.n = 0;
        reopen(e, c);
        return;
    }
    start(e, c);
}

static ssize_t receive(struct engine *e, struct conn *c, bool *ret_emptied)
{
    struct load *l = e->l;
    uint64_t before = c->rs.got, drop = c->tls ? 0 : response_droppable(l, c);
    /* Bytes nobody looks at need not be copied: for TCP, MSG_TRUNC drops them (tcp(7)). */
    size_t ask = drop ? MIN(drop, (uint64_t)SCRATCH_SIZE) : READ_SIZE;
    ssize_t n = c->tls ? tls_read(c->tls, l->scratch, ask)
                       : recv(c->fd, l->scratch, ask, drop ? MSG_TRUNC : 0);
    if (n <= 0)
        return n < 0 && !c->tls ? -errno : n;
    *ret_emptied = !c->tls && (size_t)n < ask;
    if (drop)
        response_dropped(c, (uint64_t)n);
    else if (work_is_native(l->o))
        native_feed(l, c, l->scratch, (size_t)n);
    else
        response_feed(l, c, l->scratch, (size_t)n);
    if (l->measuring && (c->rq.op == OP_GET || c->rq.op == OP_NATIVE_GET))
        l->stats[c->rq.op].bytes += c->rs.got - before;
    return n;
}

static void receive_some(struct engine *e, struct conn *c)
{
    bool emptied = false;
    for (int i = 0; i < ROUNDS_MAX && !emptied; i++) {
        ssize_t n = receive(e, c, &emptied);
        if (n == -EAGAIN)
            return;
        if (n <= 0) {
            broke(e, c, (int)-n);
            return;
        }
        if (c->rs.done || c->rs.bad) {
            answered(e, c);
            return;
        }
    }
}

static void connected(struct engine *e, struct conn *c)
{
    int err = 0;
    socklen_t n = sizeof(err);
    (void)getsockopt(c->fd, SOL_SOCKET, SO_ERROR, &err, &n);
    if (err) {
        broke(e, c, err);
        return;
    }
    e->now = clock_ns(CLOCK_MONOTONIC);
    if (c->rq.head.n == 0) {
        start(e, c);
        return;
    }
    response_reset(&c->rs); /* the same request once more */
    c->started_ns = e->now;
    c->state = CONN_SENDING;
    send_some(e, c);
}

static void handle(struct engine *e, struct conn *c, uint32_t events)
{
    switch (c->state) {
    case CONN_CONNECTING:
        connected(e, c);
        break;
    case CONN_SENDING:
        if (events & EPOLLIN)
            receive_some(e, c);
        else
            send_some(e, c);
        break;
    case CONN_RECEIVING:
        receive_some(e, c);
        break;
    case CONN_RESTING:
        broke(e, c, 0);
        break;
    case CONN_CLOSED:
        break;
    }
}

/* --- the run ---------------------------------------------------------------------------------- */

static void begin_measuring(struct engine *e)
{
    struct load *l = e->l;
    l->measuring = true;
    l->started = 0;
    e->begun = e->now;
    e->deadline = l->o->seconds > 0 ? e->now + (uint64_t)(l->o->seconds * 1e9) : 0;
    e->server_cpu_begin = proc_cpu_us(e->procs);
    e->client_cpu_begin = clock_ns(CLOCK_PROCESS_CPUTIME_ID) / 1000;
}

static void end_measuring(struct engine *e)
{
    struct run_result *r = e->res;
    e->l->measuring = false;
    e->l->stopping = true;
    r->seconds = (double)(e->now - e->begun) / 1e9;
    r->server_cpu_us = proc_cpu_us(e->procs) - e->server_cpu_begin;
    r->client_cpu_us = clock_ns(CLOCK_PROCESS_CPUTIME_ID) / 1000 - e->client_cpu_begin;
    r->rss = proc_rss(e->procs);
    proc_sample(e->procs);
    for (unsigned i = 0; i < e->opened; i++)
        r->connections += e->conns[i].state != CONN_CLOSED;
}

static int open_more(struct engine *e)
{
    while (e->opened < e->l->o->connections && e->opening < OPENING_MAX && !e->l->stopping) {
        struct conn *c = &e->conns[e->opened];
        c->rq.head = BUF(8 << 20);
        int r = open_conn(e, c);
        if (r < 0)
            return r;
        e->opened++;
        e->opening++;
        e->busy++;
    }
    return 0;
}

static void turn(struct engine *e)
{
    struct epoll_event ev[EVENTS];
    int n = epoll_wait(e->ep, ev, EVENTS, 20);
    for (int i = 0; i < n; i++)
        handle(e, ev[i].data.ptr, ev[i].events);
    if (n < EVENTS / 4)
        e->now = clock_ns(CLOCK_MONOTONIC);
    if (e->now >= e->next_sample) {
        proc_sample(e->procs);
        e->next_sample = e->now + SAMPLE_NS;
    }
}

/* Idle: the connections stay until the time is over, work or not. */
static bool is_over(const struct engine *e)
{
    if (e->broken_in_row > BROKEN_MAX)
        return true;
    bool all_open = e->opened == e->l->o->connections;
    if (e->l->o->work == WORK_IDLE || !all_open || e->busy > 0)
        return e->deadline && e->now >= e->deadline;
    return true;
}

static int run(struct engine *e)
{
    struct load *l = e->l;
    e->now = clock_ns(CLOCK_MONOTONIC);
    uint64_t warm = e->now + (uint64_t)(l->o->warmup * 1e9);
    int r = open_more(e);
    if (l->o->warmup <= 0)
        begin_measuring(e);
    while (r == 0 && !(l->measuring && is_over(e)) && e->broken_in_row <= BROKEN_MAX) {
        turn(e);
        if (e->opened < l->o->connections)
            r = open_more(e);
        if (!l->measuring && e->now >= warm)
            begin_measuring(e);
    }
    end_measuring(e);
    uint64_t drain = e->now + DRAIN_NS_MAX;
    while (r == 0 && e->busy > 0 && e->now < drain)
        turn(e);
    if (r == 0 && e->broken_in_row > BROKEN_MAX)
        r = -e->last_err;
    return r;
}

int engine_run(struct load *l, struct proc_set *procs, struct run_result *ret)
{
    struct rlimit files;
    if (getrlimit(RLIMIT_NOFILE, &files) == 0) {
        files.rlim_cur = files.rlim_max;
        (void)setrlimit(RLIMIT_NOFILE, &files);
    }
    *ret = (struct run_result){0};
    struct engine e = {.l = l, .procs = procs, .res = ret};
    e.conns = dfs_zalloc(l->o->connections * sizeof(*e.conns));
    e.ep = epoll_create1(EPOLL_CLOEXEC);
    if (!e.conns || e.ep < 0) {
        free(e.conns);
        return -ENOMEM;
    }
    for (unsigned i = 0; i < l->o->connections; i++)
        e.conns[i].fd = -1;
    int r = l->o->tls ? tls_new(&e.tls) : 0;
    if (r == 0)
        r = run(&e);
    for (unsigned i = 0; i < e.opened; i++) {
        close_conn(&e, &e.conns[i]);
        buf_free(&e.conns[i].rq.head);
        free(e.conns[i].up.etags);
    }
    free(e.conns);
    tls_free(&e.tls);
    dfs_close_fd(&e.ep);
    return r;
}
