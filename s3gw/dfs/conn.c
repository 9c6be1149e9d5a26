/* SPDX-License-Identifier: Apache-2.0 */
#include "s3gw/dfs/conn.h"

#include <endian.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <sys/socket.h>
#include <unistd.h>

#include "dfscore/base/iov.h"
#include "dfscore/net/peer.h"
#include "dfscore/wire/status.h"
#include "s3gw/core/tenure.h"

enum { HEADER_LEN = 10, RESPONSE_CMD = 100, SOCKET_BUFFER = 2 * 1024 * 1024 };

void s3_store_conn_init(struct s3_store_conn *c)
{
    *c = (struct s3_store_conn){.stream = {.fd = -1}, .in = BUF(DFS_BATCH_BYTES_MAX)};
}

void s3_store_conn_close(struct s3_store_conn *c)
{
    dfs_stream_close(&c->stream);
}

void s3_store_conn_fini(struct s3_store_conn *c)
{
    s3_store_conn_close(c);
    buf_free(&c->in);
}

/* A field of HELLO's answer, padded with zeros to 16 bytes. */
static struct str padded(struct rd *in)
{
    struct str s = rd_bytes(in, 16);
    return str_of(s.p, s.p ? strnlen(s.p, s.n) : 0);
}

static int hello(struct s3_store_conn *c, struct s3_store_dial *d)
{
    AUTO(buf_free) struct buf b = BUF(64);
    buf_u32(&b, DFS_INTERNAL_VERSION);
    buf_u64(&b, d->session);
    if (buf_err(&b))
        return buf_err(&b);
    int r = s3_store_conn_ask(c, DFS_INT_HELLO, buf_str(&b), NULL);
    if (r < 0)
        return r;
    struct rd in = rd_of(buf_str(&c->in));
    uint32_t version = rd_u32(&in);
    struct str group = padded(&in), id = padded(&in);
    if (in.bad || version != DFS_INTERNAL_VERSION || !str_eq(group, d->group) ||
        (d->id[0] && !str_eq(id, str_c(d->id)) && !str_eq(id, str_c(d->addr.host))))
        return -EPROTO; /* also: another server has that address now */
    (void)rd_u8(&in);
    (void)rd_u64(&in);
    uint32_t features = in.n > 0 ? rd_u32(&in) : 0;
    if (in.bad || (d->copies > 0 && !(features & DFS_HELLO_COPIES)))
        return in.bad ? -EPROTO : -EOPNOTSUPP;
    c->copies = d->copies;
    snprintf(d->id, sizeof(d->id), STR_F, STR_A(id));
    return 0;
}

void s3_store_conn_patience(struct s3_store_conn *c, uint64_t timeout_ms)
{
    const struct timeval limit = {.tv_sec = (time_t)(timeout_ms / 1000),
                                  .tv_usec = (suseconds_t)(timeout_ms % 1000 * 1000)};
    int r = setsockopt(c->stream.fd, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof(limit));
    r |= setsockopt(c->stream.fd, SOL_SOCKET, SO_SNDTIMEO, &limit, sizeof(limit));
    ASSERT(r == 0); /* it is a socket, and these are numbers */
}

static int prepare(int fd)
{
    int space = SOCKET_BUFFER, flags = fcntl(fd, F_GETFL);
    if (flags < 0 || fcntl(fd, F_SETFL, flags & ~O_NONBLOCK) < 0)
        return -errno;
    (void)setsockopt(fd, SOL_SOCKET, SO_SNDBUF, &space, sizeof(space)); /* it works with less */
    return 0;
}

int s3_store_conn_open(struct s3_store_conn *c, struct s3_store_dial *d)
{
    ASSERT(c->stream.fd == -1);
    c->sent = false;
    bool local = d->addr.host[0] == '/';
    if (!local && !d->secret && !d->tls)
        return -EACCES;
    const struct dfs_peer_opts o = {.connect_ms = MAX(d->connect_ms, 1u),
                                    .timeout_ms = MAX(d->connect_ms, 1u),
                                    .secret = local ? NULL : d->secret,
                                    .tls = d->tls};
    struct dfs_peer *p = NULL;
    int r = dfs_peer_open(&d->addr, &o, &p);
    if (r == 0)
        r = dfs_peer_detach(&p, &c->stream);
    if (r == 0)
        r = prepare(c->stream.fd);
    if (r == 0) {
        c->tenure = d->tenure;
        s3_store_conn_patience(c, d->timeout_ms);
        r = hello(c, d);
    }
    if (r < 0)
        s3_store_conn_close(c);
    c->sent = false;
    return r;
}

bool s3_store_conn_stale(const struct s3_store_conn *c)
{
    char byte;
    ssize_t n = recv(c->stream.fd, &byte, 1, MSG_PEEK | MSG_DONTWAIT);
    return n >= 0 || (errno != EAGAIN && errno != EINTR);
}

/* Drop @done bytes from the front. */
static int send_all(struct s3_store_conn *c, struct iovec *iov, size_t n)
{
    while (n > 0) {
        ssize_t w = dfs_stream_send(&c->stream, iov, MIN(n, (size_t)IOV_MAX), false);
        if (w < 0)
            return w == -EAGAIN ? -ETIMEDOUT : (int)w;
        c->sent = true;
        dfs_iov_advance(&iov, &n, (size_t)w);
    }
    return 0;
}

/* The descriptor among the control data, if any; surplus ones are closed. */
static void take_fd(struct msghdr *m, int *fd)
{
    for (struct cmsghdr *h = CMSG_FIRSTHDR(m); h; h = CMSG_NXTHDR(m, h)) {
        if (h->cmsg_level != SOL_SOCKET || h->cmsg_type != SCM_RIGHTS)
            continue;
        size_t n = (h->cmsg_len - CMSG_LEN(0)) / sizeof(int);
        for (size_t i = 0; i < n; i++) {
            int got;
            memcpy(&got, CMSG_DATA(h) + i * sizeof(int), sizeof(int));
            if (fd && *fd < 0)
                *fd = got;
            else
                close(got);
        }
    }
}

/* As dfs_stream_recv, of a plain one: descriptors may come along. */
static ssize_t recv_with(int from, void *to, size_t n, int *fd)
{
    union {
        char bytes[CMSG_SPACE(4 * sizeof(int))];
        struct cmsghdr align;
    } control;
    struct iovec v = {to, n};
    struct msghdr m = {.msg_iov = &v,
                       .msg_iovlen = 1,
                       .msg_control = control.bytes,
                       .msg_controllen = sizeof(control.bytes)};
    ssize_t got;
    do {
        got = recvmsg(from, &m, MSG_CMSG_CLOEXEC);
    } while (got < 0 && errno == EINTR);
    if (got < 0)
        return -errno;
    take_fd(&m, fd);
    return got;
}

static int recv_all(struct s3_store_conn *c, void *out, size_t n, int *fd)
{
    char *p = out;
    while (n > 0) {
        ssize_t got = c->stream.link ? dfs_stream_recv(&c->stream, p, n, 0)
                                     : recv_with(c->stream.fd, p, n, fd);
        if (got < 0)
            return got == -EAGAIN ? -ETIMEDOUT : (int)got;
        if (got == 0)
            return -ECONNRESET;
        p += got;
        n -= (size_t)got;
    }
    return 0;
}

/* The head of the answer; its status as result (positive: errno of the storage). */
static int receive_head(struct s3_store_conn *c, uint64_t *length, int *fd)
{
    uint8_t head[HEADER_LEN];
    int r = recv_all(c, head, sizeof(head), fd);
    if (r < 0)
        return r;
    struct rd in = rd_of(str_of(head, sizeof(head)));
    *length = rd_u64(&in);
    uint8_t cmd = rd_u8(&in);
    uint8_t status = rd_u8(&in);
    return cmd != RESPONSE_CMD || *length > DFS_BATCH_BYTES_MAX || (status && *length) ? -EPROTO
                                                                                       : status;
}

/* The answer: its body to c->in, its status as result. */
static int receive(struct s3_store_conn *c, int *fd)
{
    uint64_t length;
    int status = receive_head(c, &length, fd);
    if (status < 0)
        return status;
    buf_reset(&c->in);
    if (length > 0) {
        char *room = buf_room(&c->in, length);
        if (!room)
            return -ENOMEM;
        int r = recv_all(c, room, length, fd);
        if (r < 0)
            return r;
        buf_used(&c->in, length);
    }
    return status;
}

/* Does it change what clients or a rebuild will be told? (A file without a name goes with the session.) */
static bool changes(uint8_t cmd)
{
    return cmd == DFS_INT_PUT_BATCH || cmd == DFS_INT_FILE_COMMIT || cmd == DFS_INT_DELETE_BATCH;
}

/* @iov[0] is left to this function; nothing is in it afterwards. */
static int send_request(struct s3_store_conn *c, uint8_t cmd, struct iovec *iov, size_t n)
{
    ASSERT(c->stream.fd >= 0 && n > 0);
    c->sent = false;
    uint64_t length = 0;
    for (size_t i = 1; i < n; i++)
        length += iov[i].iov_len;
    uint64_t be = htobe64(length);
    uint8_t head[HEADER_LEN] = {0};
    memcpy(head, &be, sizeof(be));
    head[8] = cmd;
    head[9] = cmd == DFS_INT_PUT_BATCH || cmd == DFS_INT_FILE_COMMIT ? c->copies : 0;
    iov[0] = (struct iovec){head, sizeof(head)};
    int r = send_all(c, iov, n);
    iov[0] = (struct iovec){.iov_base = NULL};
    return r;
}

/* A transport error closes; a status comes as negative errno. */
static int settle(struct s3_store_conn *c, int r)
{
    if (r < 0)
        s3_store_conn_close(c);
    return r > 0 ? dfs_status_errno((uint8_t)r) : r;
}

int s3_store_conn_call(struct s3_store_conn *c, uint8_t cmd, struct iovec *iov, size_t n, int *fd)
{
    if (fd)
        *fd = -1;
    if (changes(cmd) && !s3_tenure_holds(c->tenure)) {
        c->sent = false;
        return -ENOLCK; /* no storage says that. The connection is as it was */
    }
    int r = send_request(c, cmd, iov, n);
    if (r == 0)
        r = receive(c, fd);
    if (r < 0 && fd)
        dfs_close_fd(fd);
    return settle(c, r);
}

int s3_store_conn_ask(struct s3_store_conn *c, uint8_t cmd, struct str body, int *fd)
{
    struct iovec iov[2] = {{NULL, 0}, {(void *)(uintptr_t)body.p, body.n}};
    return s3_store_conn_call(c, cmd, iov, body.n > 0 ? 2 : 1, fd);
}

int s3_store_conn_send(struct s3_store_conn *c, uint8_t cmd, struct str body)
{
    struct iovec iov[2] = {{NULL, 0}, {(void *)(uintptr_t)body.p, body.n}};
    return settle(c, send_request(c, cmd, iov, body.n > 0 ? 2 : 1));
}

int s3_store_conn_take(struct s3_store_conn *c, void *out, size_t n)
{
    uint64_t length;
    int r = receive_head(c, &length, NULL);
    if (r == 0)
        r = length == n ? recv_all(c, out, n, NULL) : -EPROTO;
    return settle(c, r);
}
