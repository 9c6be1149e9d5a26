/* SPDX-License-Identifier: Apache-2.0 */
#include "s3gw/dfs/conn.h"

#include <endian.h>
#include <limits.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

enum { HEADER_LEN = 10, RESPONSE_CMD = 100, SOCKET_BUFFER = 2 * 1024 * 1024 };

void s3_store_conn_init(struct s3_store_conn *c)
{
    *c = (struct s3_store_conn){.fd = -1, .in = BUF(DFS_BATCH_BYTES_MAX)};
}

void s3_store_conn_close(struct s3_store_conn *c)
{
    dfs_close_fd(&c->fd);
}

void s3_store_conn_fini(struct s3_store_conn *c)
{
    s3_store_conn_close(c);
    buf_free(&c->in);
}

static int hello(struct s3_store_conn *c, uint64_t session)
{
    AUTO(buf_free) struct buf b = BUF(64);
    buf_u32(&b, DFS_INTERNAL_VERSION);
    buf_u64(&b, session);
    if (buf_err(&b))
        return buf_err(&b);
    int r = s3_store_conn_ask(c, DFS_INT_HELLO, buf_str(&b), NULL);
    if (r < 0)
        return r;
    struct rd in = rd_of(buf_str(&c->in));
    uint32_t version = rd_u32(&in);
    return in.bad || version != DFS_INTERNAL_VERSION ? -EPROTO : 0;
}

int s3_store_conn_open(struct s3_store_conn *c, const char *socket_path, uint64_t session)
{
    ASSERT(c->fd == -1);
    c->sent = false;
    struct sockaddr_un a = {.sun_family = AF_UNIX};
    size_t n = strlen(socket_path);
    if (n >= sizeof(a.sun_path))
        return -ENAMETOOLONG;
    memcpy(a.sun_path, socket_path, n + 1);
    AUTO(dfs_close_fd) int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (fd < 0)
        return -errno;
    struct timeval limit = {.tv_sec = S3_STORE_TIMEOUT_S};
    int space = SOCKET_BUFFER;
    (void)setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof(limit));
    (void)setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &limit, sizeof(limit));
    (void)setsockopt(fd, SOL_SOCKET, SO_SNDBUF, &space, sizeof(space));
    if (connect(fd, (struct sockaddr *)&a, sizeof(a)) < 0)
        return -errno;
    c->fd = fd;
    fd = -1;
    int r = hello(c, session);
    if (r < 0)
        s3_store_conn_close(c);
    c->sent = false;
    return r;
}

/* Drop @done bytes from the front. */
static void iov_advance(struct iovec **iov, size_t *n, size_t done)
{
    while (*n > 0 && done >= (*iov)->iov_len) {
        done -= (*iov)->iov_len;
        (*iov)++;
        (*n)--;
    }
    if (done > 0) {
        (*iov)->iov_base = (char *)(*iov)->iov_base + done;
        (*iov)->iov_len -= done;
    }
}

static int send_all(struct s3_store_conn *c, struct iovec *iov, size_t n)
{
    while (n > 0) {
        struct msghdr m = {.msg_iov = iov, .msg_iovlen = MIN(n, (size_t)IOV_MAX)};
        ssize_t w = sendmsg(c->fd, &m, MSG_NOSIGNAL);
        if (w < 0) {
            if (errno == EINTR)
                continue;
            return errno == EAGAIN ? -ETIMEDOUT : -errno;
        }
        c->sent = true;
        iov_advance(&iov, &n, (size_t)w);
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

static int recv_all(struct s3_store_conn *c, void *out, size_t n, int *fd)
{
    char *p = out;
    while (n > 0) {
        union {
            char bytes[CMSG_SPACE(4 * sizeof(int))];
            struct cmsghdr align;
        } control;
        struct iovec v = {p, n};
        struct msghdr m = {.msg_iov = &v,
                           .msg_iovlen = 1,
                           .msg_control = control.bytes,
                           .msg_controllen = sizeof(control.bytes)};
        ssize_t got = recvmsg(c->fd, &m, MSG_CMSG_CLOEXEC);
        if (got < 0) {
            if (errno == EINTR)
                continue;
            return errno == EAGAIN ? -ETIMEDOUT : -errno;
        }
        take_fd(&m, fd);
        if (got == 0)
            return -ECONNRESET;
        p += got;
        n -= (size_t)got;
    }
    return 0;
}

/* The answer: its body to c->in, its status as result (positive: errno of the storage). */
static int receive(struct s3_store_conn *c, int *fd)
{
    uint8_t head[HEADER_LEN];
    int r = recv_all(c, head, sizeof(head), fd);
    if (r < 0)
        return r;
    struct rd in = rd_of(str_of(head, sizeof(head)));
    uint64_t length = rd_u64(&in);
    uint8_t cmd = rd_u8(&in);
    uint8_t status = rd_u8(&in);
    if (cmd != RESPONSE_CMD || length > DFS_BATCH_BYTES_MAX)
        return -EPROTO;
    buf_reset(&c->in);
    if (length > 0) {
        char *room = buf_room(&c->in, length);
        if (!room)
            return -ENOMEM;
        r = recv_all(c, room, length, fd);
        if (r < 0)
            return r;
        buf_used(&c->in, length);
    }
    return status;
}

int s3_store_conn_call(struct s3_store_conn *c, uint8_t cmd, struct iovec *iov, size_t n, int *fd)
{
    ASSERT(c->fd >= 0 && n > 0);
    if (fd)
        *fd = -1;
    c->sent = false;
    uint64_t length = 0;
    for (size_t i = 1; i < n; i++)
        length += iov[i].iov_len;
    uint64_t be = htobe64(length);
    uint8_t head[HEADER_LEN] = {0};
    memcpy(head, &be, sizeof(be));
    head[8] = cmd;
    iov[0] = (struct iovec){head, sizeof(head)};
    int r = send_all(c, iov, n);
    if (r == 0)
        r = receive(c, fd);
    if (r >= 0)
        return -r;
    if (fd)
        dfs_close_fd(fd);
    s3_store_conn_close(c);
    return r;
}

int s3_store_conn_ask(struct s3_store_conn *c, uint8_t cmd, struct str body, int *fd)
{
    struct iovec iov[2] = {{NULL, 0}, {(void *)(uintptr_t)body.p, body.n}};
    return s3_store_conn_call(c, cmd, iov, body.n > 0 ? 2 : 1, fd);
}
