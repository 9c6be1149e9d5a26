/* SPDX-License-Identifier: Apache-2.0 */
/* A connection's life, its deadlines and events. conn_impl.h says how the parts move together. */
#include "dfscore/net/conn.h"

#include <sys/socket.h>
#include <unistd.h>

#include "dfscore/base/clock.h"
#include "dfscore/net/conn_impl.h"

enum { LINGER_MS = 2000 };

/* --- deadlines and events ------------------------------------------------------------------------- */

/* How long the peer may keep us waiting now, ms; 0: it is not the peer we wait for. */
static uint64_t patience(const struct dfs_conn *c)
{
    if (c->reading == R_LINGER)
        return LINGER_MS;
    if (c->blocked && c->writing != W_NONE && c->writing != W_SENT)
        return c->service->stall_ms;
    switch (c->reading) {
    case R_FIRST:
        return c->service->first_ms;
    case R_SHAKE:
        return conn_handshake_ms(c);
    case R_HEAD:
        if (!c->heard)
            return c->service->first_ms;
        return c->in_n == c->in_at ? c->service->idle_ms : c->service->stall_ms;
    case R_COLLECT:
    case R_DRAIN:
        return c->service->stall_ms;
    case R_CONTENT:
        return c->fill ? c->service->stall_ms : 0;
    default:
        return 0;
    }
}

static void arm(struct dfs_conn *c)
{
    uint64_t limit = c->timer_armed ? 0 : patience(c);
    if (!limit)
        return;
    uint64_t waited = (dfs_mono_us() - c->last_us) / 1000;
    dfs_timer_set(c->timer, waited < limit ? limit - waited : 1);
    c->timer_armed = true;
}

/* The timer is set once and looks when it fires; moving it with every byte would cost more. */
static void on_timer(void *arg)
{
    struct dfs_conn *c = arg;
    c->timer_armed = false;
    uint64_t limit = patience(c);
    if (limit && (dfs_mono_us() - c->last_us) / 1000 >= limit)
        conn_die(c);
    conn_advance(c);
}

static void listen_for_events(struct dfs_conn *c)
{
    int want = 0;
    switch (c->reading) {
    case R_FIRST:
    case R_SHAKE:
    case R_HEAD:
    case R_COLLECT:
    case R_DRAIN:
    case R_LINGER:
        want |= DFS_READ;
        break;
    case R_CONTENT:
        want |= c->fill ? DFS_READ : 0;
        break;
    case R_HELD:
    case R_DONE:
        want |= c->interest & DFS_READ; /* taken out when it fires: mostly the answer is sooner */
        break;
    }
    if (c->blocked)
        want |= DFS_WRITE;
    if (want != c->interest) {
        c->interest = want;
        dfs_watch_set(c->watch, want);
    }
}

static void on_ready(void *arg, int ready)
{
    struct dfs_conn *c = arg;
    if (ready & DFS_WRITE) {
        c->blocked = false;
        c->drained = c->drained && !dfs_stream_wants_write(&c->stream);
    }
    if (ready & DFS_READ) {
        c->drained = false;
        bool reads = c->reading != R_HELD && c->reading != R_DONE;
        if (!reads) {
            c->interest &= ~DFS_READ;
            dfs_watch_set(c->watch, c->interest);
        }
    }
    conn_advance(c);
}

/* --- life ----------------------------------------------------------------------------------------- */

void conn_die(struct dfs_conn *c)
{
    if (c->dead)
        return;
    c->dead = true;
    c->req.gone = true;
    dfs_watch_free(&c->watch);
    dfs_timer_clear(c->timer);
    pool_forget(c);
    dfs_stream_close(&c->stream);
}

static void destroy(struct dfs_conn *c)
{
    if (c->service->on_close)
        c->service->on_close(c);
    if (c->hooks.closed)
        c->hooks.closed(c->hooks.arg, c);
    dfs_watch_free(&c->watch);
    dfs_timer_free(&c->timer);
    dfs_stream_close(&c->stream);
    buf_free(&c->out);
    free(c->in);
    c->magic = 0;
    free(c);
}

/* A dead connection: tell the service, wait until it lets go. True when the memory has gone. */
static bool bury(struct dfs_conn *c)
{
    if (c->fill) {
        pool_give(c->pool, c->fill);
        c->fill = NULL;
    }
    if (c->in_service) {
        /* In R_HELD and R_DONE an answer comes by itself; while content is missing nobody would. */
        bool waiting = c->reading == R_COLLECT || (c->accepted && c->reading == R_CONTENT);
        if (waiting && !c->aborted) {
            c->aborted = true;
            c->req.command->abort(&c->req);
        }
    }
    if (c->in_service || c->blocks_out)
        return false;
    if (c->handed && c->req.command->done)
        c->req.command->done(&c->req);
    c->handed = false;
    conn_forget_output(c);
    destroy(c);
    return true;
}

void conn_advance(struct dfs_conn *c)
{
    CHECK_OBJ(c, CONN_MAGIC);
    if (c->advancing)
        return;
    c->advancing = true;
    bool moved = true;
    while (moved && !c->dead) {
        moved = conn_write(c);
        if (!c->dead && c->writing != W_NONE)
            moved = conn_finish(c) || moved;
        if (!c->dead)
            moved = conn_read(c) || moved;
    }
    if (c->dead) {
        bool gone = bury(c);
        if (!gone)
            c->advancing = false;
        return;
    }
    c->advancing = false;
    listen_for_events(c);
    arm(c);
}

int dfs_conn_new(struct dfs_loop *l, struct dfs_pool *pool, const struct dfs_service *s, int fd,
                 const struct dfs_conn_hooks *hooks)
{
    struct dfs_conn *c = dfs_zalloc(sizeof(*c));
    int r = -ENOMEM;
    if (c) {
        *c = (struct dfs_conn){.magic = CONN_MAGIC,
                               .loop = l,
                               .pool = pool,
                               .service = s,
                               .stream = {.fd = fd},
                               .file_fd = -1,
                               .reading = R_HEAD};
        c->out = BUF(OUT_MAX);
        r = dfs_timer_new(l, on_timer, c, &c->timer);
        if (r == 0)
            r = dfs_watch_new(l, fd, on_ready, c, &c->watch);
    }
    if (r < 0) {
        if (c)
            dfs_timer_free(&c->timer);
        free(c);
        close(fd);
        return r;
    }
    struct sockaddr_storage sa = {0};
    socklen_t n = sizeof(sa);
    if (getpeername(fd, (struct sockaddr *)&sa, &n) == 0)
        dfs_addr_of((struct sockaddr *)&sa, &c->peer);
    n = sizeof(sa);
    if (getsockname(fd, (struct sockaddr *)&sa, &n) == 0) {
        dfs_addr_of((struct sockaddr *)&sa, &c->local);
        c->is_unix = sa.ss_family == AF_UNIX;
    }
    if (s->tls && !c->is_unix)
        c->reading = R_FIRST;
    c->last_us = dfs_mono_us();
    c->req.conn = c;
    c->hooks = *hooks;
    if (hooks->opened)
        hooks->opened(hooks->arg, c);
    if (s->on_open)
        s->on_open(c);
    conn_advance(c);
    return 0;
}

void dfs_conn_shutdown(struct dfs_conn *c, bool now)
{
    bool idle = c->reading <= R_HEAD && c->in_n == c->in_at && c->writing == W_NONE;
    c->closing = true;
    if (now || idle || c->reading == R_LINGER)
        conn_die(c);
    conn_advance(c);
}

void dfs_conn_close(struct dfs_conn *c)
{
    dfs_conn_shutdown(c, false);
}

static void on_posted(struct dfs_job *job)
{
    struct dfs_req *req = (struct dfs_req *)((char *)job - offsetof(struct dfs_req, job));
    req->posted(req);
}

void dfs_req_post(struct dfs_req *req, void (*fn)(struct dfs_req *req))
{
    req->posted = fn;
    req->job.fn = on_posted;
    dfs_loop_post(req->conn->loop, &req->job);
}

void *dfs_conn_ctx(const struct dfs_conn *c)
{
    return c->service->ctx;
}

void **dfs_conn_user(struct dfs_conn *c)
{
    return &c->user;
}

bool dfs_conn_quit(const struct dfs_conn *c)
{
    return c->quit;
}

bool dfs_conn_proved(const struct dfs_conn *c)
{
    if (conn_plain_refused(c))
        return false;
    bool member = c->stream.link && c->reading > R_SHAKE; /* shown by a certificate */
    return c->auth.state == DFS_AUTH_PROVED || (member && !c->service->secret);
}

const struct dfs_addr *dfs_conn_peer(const struct dfs_conn *c)
{
    return &c->peer;
}

const struct dfs_addr *dfs_conn_local(const struct dfs_conn *c)
{
    return &c->local;
}

bool dfs_conn_is_unix(const struct dfs_conn *c)
{
    return c->is_unix;
}

struct dfs_conn_link *dfs_conn_link(struct dfs_conn *c)
{
    return &c->link;
}
