/* SPDX-License-Identifier: Apache-2.0 */
/* Non-blocking socket underneath, poll in front of every step: that is what makes deadlines hold. */
#include "dfscore/net/peer.h"

#include <fcntl.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <stdio.h>
#include <sys/un.h>
#include <unistd.h>

#include "dfscore/base/clock.h"
#include "dfscore/base/iov.h"
#include "dfscore/net/stream.h"
#include "dfscore/wire/internal.h"
#include "dfscore/wire/status.h"

enum { PARTS_MAX = 15, DRAIN_MAX = 64 * 1024, FILE_STEP = 1024 * 1024 };
enum { SILENT_S = 3, PROBE_EVERY_S = 2, PROBES = 3 };

struct dfs_peer {
    unsigned magic;
#define PEER_MAGIC 0x9ee2f00du
    struct dfs_stream stream;
    struct dfs_addr addr;
    uint64_t timeout_ms;
    bool broken;
    bool asked;      /* a request is out, its answer has not been read */
    uint64_t unread; /* body bytes of the answer */
};

/* 0, or -ETIMEDOUT. @until 0: the peer's own patience, from now. */
static int wait_for(int fd, short events, uint64_t until_ms)
{
    for (;;) {
        uint64_t now = dfs_mono_ms();
        uint64_t left = now < until_ms ? until_ms - now : 0;
        struct pollfd p = {fd, events, 0};
        int r = poll(&p, 1, (int)MIN(left, (uint64_t)INT32_MAX));
        if (r > 0)
            return 0;
        if (r == 0 && left == 0)
            return -ETIMEDOUT;
        if (r < 0 && errno != EINTR)
            return -errno;
    }
}

static int patient(struct dfs_peer *p, short events)
{
    return wait_for(p->stream.fd, events, dfs_mono_ms() + p->timeout_ms);
}

static int broke(struct dfs_peer *p, int r)
{
    p->broken = true;
    return r;
}

static int finish_connect(int fd, const struct sockaddr *sa, socklen_t len, uint64_t until_ms)
{
    if (connect(fd, sa, len) == 0)
        return 0;
    if (errno != EINPROGRESS && errno != EINTR)
        return -errno;
    int r = wait_for(fd, POLLOUT, until_ms);
    if (r < 0)
        return r;
    int err = 0;
    socklen_t n = sizeof(err);
    if (getsockopt(fd, SOL_SOCKET, SO_ERROR, &err, &n) < 0)
        return -errno;
    return -err;
}

static int bind_to(int fd, const char *local, const struct sockaddr *remote)
{
    struct addrinfo hints = {.ai_flags = AI_NUMERICHOST, .ai_socktype = SOCK_STREAM}, *list = NULL;
    struct dfs_addr to;
    char ip[DFS_IP_TEXT];
    dfs_addr_of(remote, &to);
    if (strchr(local, ',') && !dfs_source_for(local, to.host, ip))
        return 0; /* of two there is none of that family: as the system chooses */
    if (getaddrinfo(strchr(local, ',') ? ip : local, NULL, &hints, &list) != 0)
        return -EINVAL;
    int r = bind(fd, list->ai_addr, list->ai_addrlen) < 0 ? -errno : 0;
    freeaddrinfo(list);
    return r;
}

/*
 * A machine that has lost its power says no farewell, and who waits for an answer sends nothing that would tell, also when
 * it is back: so the kernel asks, and no other process than that one's kernel has to answer.
 */
static void notice_lost_machine(int fd)
{
    const int on = 1, idle = SILENT_S, every = PROBE_EVERY_S, probes = PROBES;
    (void)setsockopt(fd, IPPROTO_TCP, TCP_KEEPIDLE, &idle, sizeof(idle));
    (void)setsockopt(fd, IPPROTO_TCP, TCP_KEEPINTVL, &every, sizeof(every));
    (void)setsockopt(fd, IPPROTO_TCP, TCP_KEEPCNT, &probes, sizeof(probes));
    (void)setsockopt(fd, SOL_SOCKET, SO_KEEPALIVE, &on, sizeof(on));
}

static int try_address(const struct sockaddr *sa, socklen_t len, const struct dfs_peer_opts *opts,
                       uint64_t until_ms, int *ret)
{
    AUTO(dfs_close_fd)
    int fd = socket(sa->sa_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (fd < 0)
        return -errno;
    if (sa->sa_family != AF_UNIX) {
        int one = 1;
        setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
        notice_lost_machine(fd);
        if (opts->congestion)
            setsockopt(fd, IPPROTO_TCP, TCP_CONGESTION, opts->congestion,
                       (socklen_t)strlen(opts->congestion));
        int r = opts->bind_ip && opts->bind_ip[0] ? bind_to(fd, opts->bind_ip, sa) : 0;
        if (r < 0)
            return r;
    }
    int r = finish_connect(fd, sa, len, until_ms);
    if (r == 0)
        *ret = dfs_take_fd(&fd);
    return r;
}

static int open_unix(const struct dfs_addr *addr, const struct dfs_peer_opts *opts, uint64_t until,
                     int *ret)
{
    struct sockaddr_un sa = {.sun_family = AF_UNIX};
    size_t n = strlen(addr->host);
    if (n >= sizeof(sa.sun_path))
        return -ENAMETOOLONG;
    memcpy(sa.sun_path, addr->host, n);
    return try_address((struct sockaddr *)&sa, sizeof(sa), opts, until, ret);
}

static int open_host(const char *host, uint16_t number, const struct dfs_peer_opts *opts,
                     uint64_t until, int *ret)
{
    struct addrinfo hints = {.ai_socktype = SOCK_STREAM}, *list = NULL;
    char port[8];
    snprintf(port, sizeof(port), "%u", number);
    if (getaddrinfo(host, port, &hints, &list) != 0)
        return -EHOSTUNREACH;
    int r = -EHOSTUNREACH;
    for (struct addrinfo *at = list; at && r < 0; at = at->ai_next)
        r = try_address(at->ai_addr, at->ai_addrlen, opts, until, ret);
    freeaddrinfo(list);
    return r;
}

static int open_tcp(const struct dfs_addr *addr, const struct dfs_peer_opts *opts, uint64_t until,
                    int *ret)
{
    if (!addr->alt[0])
        return open_host(addr->host, addr->port, opts, until, ret);
    int r = open_host(addr->host, addr->port, opts, until - opts->connect_ms / 2, ret);
    return r < 0 ? open_host(addr->alt, addr->port, opts, until, ret) : 0;
}

static int prove(struct dfs_peer *p, const struct dfs_secret *secret)
{
    struct dfs_auth a = {0};
    uint8_t mine[DFS_AUTH_LEN];
    AUTO(buf_free) struct buf answer = BUF(DFS_AUTH_LEN);
    struct str part = str_of(mine, sizeof(mine));
    int r = dfs_auth_begin(&a, mine);
    if (r == 0)
        r = dfs_peer_call(p, DFS_INT_AUTH_NONCE, 0, &part, 1, &answer);
    if (r == 0)
        r = dfs_auth_prove(&a, secret, buf_str(&answer), mine);
    if (r == 0)
        r = dfs_peer_call(p, DFS_INT_AUTH_PROOF, 0, &part, 1, &answer);
    if (r == 0)
        r = dfs_auth_accept(&a, secret, buf_str(&answer));
    /* A server without a secret does not know the commands. */
    return r == -EINVAL || r == -EOPNOTSUPP ? -EACCES : r;
}

static int shake_hands(struct dfs_peer *p, const struct dfs_tls *tls, uint64_t until_ms)
{
    int r = dfs_stream_tls(&p->stream, tls, false, &p->addr);
    while (r == 0 && (r = dfs_stream_shake(&p->stream)) == -EAGAIN)
        r = wait_for(p->stream.fd, dfs_stream_wants_write(&p->stream) ? POLLOUT : POLLIN, until_ms);
    return r;
}

int dfs_peer_open(const struct dfs_addr *addr, const struct dfs_peer_opts *opts,
                  struct dfs_peer **ret)
{
    ASSERT(opts->connect_ms > 0 && opts->timeout_ms > 0);
    struct dfs_peer *p = dfs_zalloc(sizeof(*p));
    if (!p)
        return -ENOMEM;
    *p = (struct dfs_peer){.magic = PEER_MAGIC,
                           .stream = {.fd = -1},
                           .addr = *addr,
                           .timeout_ms = MIN(opts->timeout_ms, opts->connect_ms)};
    uint64_t until = dfs_mono_ms() + opts->connect_ms;
    bool local = addr->host[0] == '/';
    int r = local ? open_unix(addr, opts, until, &p->stream.fd)
                  : open_tcp(addr, opts, until, &p->stream.fd);
    if (r == 0 && opts->tls && !local)
        r = shake_hands(p, opts->tls, until);
    if (r < 0)
        p->broken = true; /* nothing has been said that a farewell would fit */
    else if (opts->secret)
        r = prove(p, opts->secret);
    p->timeout_ms = opts->timeout_ms;
    if (r < 0)
        dfs_peer_free(&p);
    else
        *ret = p;
    return r;
}

void dfs_peer_free(struct dfs_peer **pp)
{
    struct dfs_peer *p = TAKE(*pp);
    if (!p)
        return;
    CHECK_OBJ(p, PEER_MAGIC);
    if (!p->broken && !p->asked) {
        uint8_t quit[DFS_HEADER_LEN];
        dfs_header_put(&(struct dfs_header){0, DFS_CMD_QUIT, 0}, quit);
        ssize_t sent = dfs_stream_send(&p->stream, &(struct iovec){quit, sizeof(quit)}, 1, false);
        (void)sent; /* a courtesy: closing says the same */
    }
    dfs_stream_close(&p->stream);
    p->magic = 0;
    free(p);
}

int dfs_peer_detach(struct dfs_peer **pp, struct dfs_stream *ret)
{
    CHECK_OBJ(*pp, PEER_MAGIC);
    if (!dfs_peer_idle(*pp)) {
        dfs_peer_free(pp);
        return -EPROTO;
    }
    struct dfs_peer *p = TAKE(*pp);
    *ret = p->stream;
    p->magic = 0;
    free(p);
    return 0;
}

const struct dfs_addr *dfs_peer_addr(const struct dfs_peer *p)
{
    return &p->addr;
}

bool dfs_peer_broken(const struct dfs_peer *p)
{
    return p->broken;
}

bool dfs_peer_idle(const struct dfs_peer *p)
{
    return !p->broken && !p->asked && p->unread == 0;
}

int dfs_peer_fd(const struct dfs_peer *p)
{
    return p->stream.fd;
}

void dfs_peer_timeout(struct dfs_peer *p, uint64_t timeout_ms)
{
    ASSERT(timeout_ms > 0);
    p->timeout_ms = timeout_ms;
}

/* All of @iov, which is used up on the way. */
static int write_all(struct dfs_peer *p, struct iovec *iov, size_t n, bool more)
{
    dfs_iov_advance(&iov, &n, 0); /* empty ones at the front */
    while (n) {
        ssize_t sent = dfs_stream_send(&p->stream, iov, n, more);
        if (sent < 0) {
            int r = sent == -EAGAIN ? patient(p, POLLOUT) : (int)sent;
            if (r < 0)
                return broke(p, r);
            continue;
        }
        dfs_iov_advance(&iov, &n, (size_t)sent);
    }
    return 0;
}

int dfs_peer_send(struct dfs_peer *p, uint8_t cmd, uint8_t status, const struct str *parts,
                  size_t n, uint64_t more)
{
    CHECK_OBJ(p, PEER_MAGIC);
    ASSERT(n <= PARTS_MAX);
    if (p->broken || p->asked || p->unread)
        return broke(p, -EPROTO); /* the last answer has not been read to its end */
    struct dfs_header h = {more, cmd, status};
    struct iovec iov[PARTS_MAX + 1];
    uint8_t head[DFS_HEADER_LEN];
    iov[0] = (struct iovec){head, sizeof(head)};
    for (size_t i = 0; i < n; i++) {
        iov[i + 1] = (struct iovec){(void *)(uintptr_t)parts[i].p, parts[i].n};
        h.len += parts[i].n;
    }
    dfs_header_put(&h, head);
    p->asked = true;
    return write_all(p, iov, n + 1, more > 0);
}

int dfs_peer_send_file(struct dfs_peer *p, int fd, uint64_t off, uint64_t len)
{
    CHECK_OBJ(p, PEER_MAGIC);
    while (len && !p->broken) {
        ssize_t n =
            dfs_stream_send_file(&p->stream, fd, off, (size_t)MIN(len, (uint64_t)FILE_STEP));
        if (n > 0) {
            off += (uint64_t)n;
            len -= (uint64_t)n;
            continue;
        }
        int r = n == 0 ? -ENODATA : n == -EAGAIN ? patient(p, POLLOUT) : (int)n;
        if (r < 0)
            return broke(p, r);
    }
    return p->broken ? -EPIPE : 0;
}

static int64_t read_some(struct dfs_peer *p, void *to, size_t n)
{
    for (;;) {
        ssize_t got = dfs_stream_recv(&p->stream, to, n, 0);
        if (got >= 0)
            return got;
        int r = got == -EAGAIN ? patient(p, dfs_stream_wants_write(&p->stream) ? POLLOUT : POLLIN)
                               : (int)got;
        if (r < 0)
            return broke(p, r);
    }
}

static int read_all(struct dfs_peer *p, void *to, size_t n)
{
    for (char *at = to; n;) {
        int64_t got = read_some(p, at, n);
        if (got < 0)
            return (int)got;
        if (got == 0)
            return broke(p, -ECONNRESET);
        at += got;
        n -= (size_t)got;
    }
    return 0;
}

/* A refusal should have no body; one that has it must not take the connection out of step. */
static int drop_body(struct dfs_peer *p, uint64_t len)
{
    char scratch[4096];
    if (len > DRAIN_MAX)
        return broke(p, -EPROTO);
    int r = 0;
    for (; len && r == 0; len -= MIN(len, (uint64_t)sizeof(scratch)))
        r = read_all(p, scratch, (size_t)MIN(len, (uint64_t)sizeof(scratch)));
    return r;
}

int dfs_peer_answer(struct dfs_peer *p, uint64_t *ret_len)
{
    CHECK_OBJ(p, PEER_MAGIC);
    uint8_t head[DFS_HEADER_LEN];
    struct dfs_header h;
    if (p->broken || !p->asked)
        return broke(p, -EPROTO);
    int r = read_all(p, head, sizeof(head));
    if (r < 0)
        return r;
    if (dfs_header_get(head, &h) < 0 || h.cmd != DFS_CMD_RESPONSE)
        return broke(p, -EPROTO);
    p->asked = false;
    if (h.status) {
        r = drop_body(p, h.len);
        return r < 0 ? r : dfs_status_errno(h.status);
    }
    p->unread = h.len;
    *ret_len = h.len;
    return 0;
}

int dfs_peer_read(struct dfs_peer *p, void *to, size_t n)
{
    CHECK_OBJ(p, PEER_MAGIC);
    if (p->broken || n > p->unread)
        return broke(p, -EPROTO);
    int r = read_all(p, to, n);
    if (r == 0)
        p->unread -= n;
    return r;
}

int64_t dfs_peer_read_some(struct dfs_peer *p, void *to, size_t n)
{
    CHECK_OBJ(p, PEER_MAGIC);
    if (p->broken)
        return -EPIPE;
    int64_t got = read_some(p, to, (size_t)MIN((uint64_t)n, p->unread));
    if (got > 0)
        p->unread -= (uint64_t)got;
    else if (got == 0 && p->unread)
        p->broken = true; /* the end came early; for an answer of unknown length it is the end */
    return got;
}

int dfs_peer_call(struct dfs_peer *p, uint8_t cmd, uint8_t status, const struct str *parts,
                  size_t n, struct buf *rsp)
{
    uint64_t len = 0;
    int r = dfs_peer_send(p, cmd, status, parts, n, 0);
    if (r == 0)
        r = dfs_peer_answer(p, &len);
    if (r < 0)
        return r;
    if (!rsp)
        return len ? broke(p, -EPROTO) : 0;
    buf_reset(rsp);
    if (len > rsp->max)
        return broke(p, -EMSGSIZE);
    /* As it comes, not as it was announced. */
    while (len) {
        size_t step = (size_t)MIN(len, (uint64_t)DRAIN_MAX);
        char *to = buf_room(rsp, step);
        if (!to)
            return broke(p, buf_err(rsp));
        r = dfs_peer_read(p, to, step);
        if (r < 0)
            return r;
        buf_used(rsp, step);
        len -= step;
    }
    return 0;
}
