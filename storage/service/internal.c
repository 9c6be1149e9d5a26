/* SPDX-License-Identifier: Apache-2.0 */
/* The listener, the connections (its own and those the service hands over), frames and descriptors on
 * their way. */
#include "storage/service/internal.h"

#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <stdio.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <sys/un.h>
#include <unistd.h>

#include "dfscore/base/iov.h"
#include "dfscore/log/log.h"
#include "dfscore/net/stream.h"
#include "dfscore/wire/header.h"
#include "dfscore/wire/status.h"
#include "storage/service/internal_priv.h"

enum {
    ANSWER_CMD = 100,
    KEEP_BYTES = 2 * 1024 * 1024, /* buffers above this are given back after the request */
    BACKLOG = 64,
    /* A gateway whose machine has vanished is noticed after about a minute. */
    KEEPALIVE_IDLE_S = 30,
    KEEPALIVE_EVERY_S = 10,
    KEEPALIVE_TRIES = 3,
};

struct conn {
    struct sto_internal *server;
    struct dfs_stream stream;
    bool tcp;                         /* descriptors cannot be passed */
    uint8_t hello[DFS_INT_HELLO_LEN]; /* tcp: the request that came before we did */
    struct conn *next, **prev;        /* guarded by the server's lock */
};

struct sto_internal {
    unsigned magic;
#define INTERNAL_MAGIC 0x17e47a1u
    struct sto_store *store;
    struct sto_copies *copies;
    struct sto_mirrors *mirrors;
    struct sto_repair *repair;
    struct sto_scrub *scrub;
    struct dfs_client *cluster;
    struct sto_sessions sessions;
    char path[108];
    int fd, wake[2]; /* listener; a pipe that ends the accept loop */
    unsigned max;
    uint64_t stall_ms;
    pthread_t thread;
    bool started;
    pthread_mutex_t lock;
    pthread_cond_t empty; /* the last connection has gone */
    struct conn *conns;
    unsigned count;
};

int sto_internal_dup(int fd)
{
    int copy = fcntl(fd, F_DUPFD_CLOEXEC, 0);
    return copy < 0 ? -errno : copy;
}

/* 0; -EPIPE at the end of the stream; other negative errno. @begins: the first byte may take for ever. */
static int read_whole(struct dfs_stream *s, void *p, size_t n, bool begins)
{
    while (n > 0) {
        ssize_t got = dfs_stream_recv(s, p, n, MSG_WAITALL);
        if (got == -EAGAIN && begins)
            continue;
        if (got <= 0)
            return got == 0 ? -EPIPE : got == -EAGAIN ? -ETIMEDOUT : (int)got;
        begins = false;
        p = (char *)p + got;
        n -= (size_t)got;
    }
    return 0;
}

/* @pass rides with these bytes. As dfs_stream_send. */
static ssize_t send_with(int fd, const struct iovec *iov, size_t count, int pass)
{
    union {
        struct cmsghdr align;
        char bytes[CMSG_SPACE(sizeof(int))];
    } control = {0};
    struct msghdr m = {.msg_iov = (struct iovec *)(uintptr_t)iov,
                       .msg_iovlen = count,
                       .msg_control = control.bytes,
                       .msg_controllen = sizeof(control.bytes)};
    struct cmsghdr *h = CMSG_FIRSTHDR(&m);
    h->cmsg_level = SOL_SOCKET;
    h->cmsg_type = SCM_RIGHTS;
    h->cmsg_len = CMSG_LEN(sizeof(int));
    memcpy(CMSG_DATA(h), &pass, sizeof(int));
    ssize_t n;
    do {
        n = sendmsg(fd, &m, MSG_NOSIGNAL);
    } while (n < 0 && errno == EINTR);
    return n < 0 ? -errno : n;
}

/* @pass, unless -1, rides with the first byte. */
static int send_whole(struct dfs_stream *s, struct iovec *iov, size_t count, int pass)
{
    while (count > 0) {
        ssize_t n =
            pass >= 0 ? send_with(s->fd, iov, count, pass) : dfs_stream_send(s, iov, count, false);
        if (n < 0)
            return (int)n;
        pass = -1;
        dfs_iov_advance(&iov, &count, (size_t)n);
    }
    return 0;
}

static int answer(struct conn *c, int result, struct buf *out, int pass)
{
    if (result < 0)
        buf_reset(out);
    uint8_t head[DFS_HEADER_LEN];
    struct dfs_header h = {.len = out->n, .cmd = ANSWER_CMD, .status = dfs_status_byte(result)};
    dfs_header_put(&h, head);
    struct iovec iov[2] = {{head, sizeof(head)}, {out->p, out->n}};
    return send_whole(&c->stream, iov, out->n ? 2 : 1, result < 0 ? -1 : pass);
}

static int carry_out(struct conn *c, struct sto_session **session, uint8_t cmd, uint8_t asked,
                     struct str body, struct buf *out)
{
    struct sto_int_call call = {
        .store = c->server->store,
        .copies = c->server->copies,
        .mirrors = c->server->mirrors,
        .repair = c->server->repair,
        .scrub = c->server->scrub,
        .cluster = c->server->cluster,
        .sessions = &c->server->sessions,
        .session = session,
        .tcp = c->tcp,
        .asked = asked,
        .in = rd_of(body),
        .out = out,
        .fd = -1,
    };
    int r = sto_internal_call(cmd, &call);
    r = answer(c, r, out, call.fd);
    if (call.fd_owned)
        dfs_close_fd(&call.fd);
    return r;
}

/* One request. 0 to go on, negative errno to close. */
static int serve_one(struct conn *c, struct sto_session **session, struct buf *in, struct buf *out)
{
    uint8_t head[DFS_HEADER_LEN];
    struct dfs_header h;
    int r = read_whole(&c->stream, head, sizeof(head), true);
    if (r < 0)
        return r;
    r = dfs_header_get(head, &h);
    if (r < 0)
        return r;
    if (h.len > sto_internal_body_max(h.cmd))
        return -EMSGSIZE; /* cannot be one of ours; do not read on */
    buf_reset(in);
    buf_reset(out);
    char *body = buf_room(in, (size_t)h.len + 1);
    if (!body)
        return buf_err(in);
    r = read_whole(&c->stream, body, (size_t)h.len, false);
    if (r < 0)
        return r;
    r = carry_out(c, session, h.cmd, h.status, str_of(body, (size_t)h.len), out);
    if (in->cap > KEEP_BYTES)
        buf_free(in);
    if (out->cap > KEEP_BYTES)
        buf_free(out);
    return r;
}

static void *conn_main(void *arg)
{
    struct conn *c = arg;
    struct sto_internal *server = c->server;
    struct sto_session *session = NULL;
    AUTO(buf_free) struct buf in = BUF(DFS_BATCH_BYTES_MAX + 1);
    AUTO(buf_free) struct buf out = BUF(STO_INT_ANSWER_MAX);
    int r = 0;
    if (c->tcp)
        r = carry_out(c, &session, DFS_INT_HELLO, 0, str_of(c->hello, sizeof(c->hello)), &out);
    while (r == 0)
        r = serve_one(c, &session, &in, &out);
    static struct dfs_log_gate gate;
    if (r != -EPIPE && r != -ECONNRESET && dfs_log_allow(&gate, 10))
        dfs_log(LOG_WARN, "internal.connection_closed", KV_ERR(r));
    sto_session_leave(&server->sessions, session);
    pthread_mutex_lock(&server->lock);
    *c->prev = c->next;
    if (c->next)
        c->next->prev = c->prev;
    dfs_stream_close(&c->stream);
    free(c);
    if (--server->count == 0)
        pthread_cond_signal(&server->empty);
    pthread_mutex_unlock(&server->lock);
    return NULL;
}

/* Takes @stream. @hello absent: of our own listener. */
static void start_conn(struct sto_internal *s, struct dfs_stream *stream, struct str hello)
{
    struct conn *c = dfs_zalloc(sizeof(*c));
    if (!c) {
        dfs_stream_close(stream);
        return;
    }
    c->server = s;
    c->stream = *stream;
    c->tcp = hello.p != NULL;
    if (c->tcp)
        memcpy(c->hello, hello.p, sizeof(c->hello));
    pthread_mutex_lock(&s->lock);
    bool room = s->count < s->max;
    pthread_attr_t detached;
    pthread_attr_init(&detached);
    pthread_attr_setdetachstate(&detached, PTHREAD_CREATE_DETACHED);
    pthread_t thread;
    if (room) {
        c->next = s->conns;
        c->prev = &s->conns;
        if (c->next)
            c->next->prev = &c->next;
        s->conns = c;
        s->count++;
        room = pthread_create(&thread, &detached, conn_main, c) == 0;
        if (!room) {
            *c->prev = c->next;
            if (c->next)
                c->next->prev = c->prev;
            s->count--;
        }
    }
    pthread_mutex_unlock(&s->lock);
    pthread_attr_destroy(&detached);
    if (!room) {
        dfs_log(LOG_WARN, "internal.too_many_connections", KV_U64("max", s->max));
        dfs_stream_close(&c->stream);
        free(c);
    }
}

static void *accept_main(void *arg)
{
    struct sto_internal *s = arg;
    for (;;) {
        struct pollfd p[2] = {{s->fd, POLLIN, 0}, {s->wake[0], POLLIN, 0}};
        if (poll(p, 2, -1) < 0 && errno != EINTR)
            break;
        if (p[1].revents)
            break;
        int fd = accept4(s->fd, NULL, NULL, SOCK_CLOEXEC);
        if (fd >= 0)
            start_conn(s, &(struct dfs_stream){.fd = fd}, STR_NULL);
        else if (errno == EMFILE || errno == ENFILE || errno == ENOMEM)
            (void)poll(&p[1], 1, 100); /* wait for a descriptor instead of spinning */
    }
    return NULL;
}

void sto_internal_adopt(struct sto_internal *s, struct dfs_stream *stream, struct str hello)
{
    int fd = stream->fd;
    CHECK_OBJ(s, INTERNAL_MAGIC);
    ASSERT(hello.n == DFS_INT_HELLO_LEN);
    const struct timeval limit = {.tv_sec = (time_t)(s->stall_ms / 1000),
                                  .tv_usec = (suseconds_t)(s->stall_ms % 1000 * 1000)};
    const int on = 1, idle = KEEPALIVE_IDLE_S, every = KEEPALIVE_EVERY_S, tries = KEEPALIVE_TRIES;
    int flags = fcntl(fd, F_GETFL);
    if (flags < 0 || fcntl(fd, F_SETFL, flags & ~O_NONBLOCK) < 0) {
        dfs_stream_close(stream);
        return;
    }
    (void)setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof(limit));
    (void)setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &limit, sizeof(limit));
    (void)setsockopt(fd, SOL_SOCKET, SO_KEEPALIVE, &on, sizeof(on));
    (void)setsockopt(fd, IPPROTO_TCP, TCP_KEEPIDLE, &idle, sizeof(idle));
    (void)setsockopt(fd, IPPROTO_TCP, TCP_KEEPINTVL, &every, sizeof(every));
    (void)setsockopt(fd, IPPROTO_TCP, TCP_KEEPCNT, &tries, sizeof(tries));
    (void)setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
    start_conn(s, stream, hello);
}

static int listen_at(struct sto_internal *s, const char *path)
{
    struct sockaddr_un a = {.sun_family = AF_UNIX};
    size_t n = strlen(path);
    if (n == 0 || n >= sizeof(a.sun_path))
        return -ENAMETOOLONG;
    memcpy(a.sun_path, path, n + 1);
    memcpy(s->path, path, n + 1);
    s->fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (s->fd < 0)
        return -errno;
    (void)unlink(path); /* of a process that crashed: the store's lock says nobody else is here */
    int r = fchmod(s->fd, 0600) < 0 ? -errno : 0; /* bind() gives this mode to the file */
    if (r == 0 && bind(s->fd, (struct sockaddr *)&a, sizeof(a)) < 0)
        r = -errno;
    if (r == 0 && listen(s->fd, BACKLOG) < 0)
        r = -errno;
    return r;
}

int sto_internal_start(const struct sto_internal_options *o, struct sto_internal **ret)
{
    AUTO(sto_internal_stop) struct sto_internal *s = dfs_zalloc(sizeof(*s));
    if (!s)
        return -ENOMEM;
    s->magic = INTERNAL_MAGIC;
    s->store = o->store;
    s->copies = o->copies;
    s->mirrors = o->mirrors;
    s->repair = o->repair;
    s->scrub = o->scrub;
    s->cluster = o->cluster;
    s->max = o->max_connections ? o->max_connections : STO_INT_CONNS;
    s->stall_ms = o->stall_ms;
    s->fd = s->wake[0] = s->wake[1] = -1;
    pthread_mutex_init(&s->lock, NULL);
    pthread_mutex_init(&s->sessions.lock, NULL);
    pthread_cond_init(&s->empty, NULL);
    int r = listen_at(s, o->socket_path);
    if (r == 0 && pipe2(s->wake, O_CLOEXEC) < 0)
        r = -errno;
    if (r == 0)
        r = -pthread_create(&s->thread, NULL, accept_main, s);
    if (r < 0)
        return r;
    s->started = true;
    *ret = TAKE(s);
    return 0;
}

void sto_internal_stop(struct sto_internal **sp)
{
    struct sto_internal *s = TAKE(*sp);
    if (!s)
        return;
    CHECK_OBJ(s, INTERNAL_MAGIC);
    dfs_close_fd(&s->wake[1]);
    if (s->started)
        pthread_join(s->thread, NULL);
    pthread_mutex_lock(&s->lock);
    for (struct conn *c = s->conns; c; c = c->next)
        (void)shutdown(c->stream.fd, SHUT_RDWR);
    while (s->count > 0)
        pthread_cond_wait(&s->empty, &s->lock);
    pthread_mutex_unlock(&s->lock);
    if (s->started)
        (void)unlink(s->path);
    dfs_close_fd(&s->fd);
    dfs_close_fd(&s->wake[0]);
    pthread_mutex_destroy(&s->lock);
    pthread_mutex_destroy(&s->sessions.lock);
    pthread_cond_destroy(&s->empty);
    s->magic = 0;
    free(s);
}
