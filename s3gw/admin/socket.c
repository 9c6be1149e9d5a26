/* SPDX-License-Identifier: Apache-2.0 */
#include "s3gw/admin/socket.h"

#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <stdio.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "dfscore/base/buf.h"
#include "dfscore/base/clock.h"
#include "dfscore/log/log.h"

enum { CONNECTIONS_MAX = 16, QUIET_MS = 10 * 1000, ANSWER_MS = 10 * 1000 };

struct connection {
    int fd;               /* -1: free */
    struct buf in;        /* the line being received */
    uint64_t deadline_ms; /* monotonic */
};

struct s3_admin {
    unsigned magic;
#define ADMIN_MAGIC 0x61646d6eu
    struct s3_admin_context context;
    char *path;
    int listen_fd, stop_fd;
    bool bound;
    bool running;
    pthread_t thread;
    struct connection connections[CONNECTIONS_MAX]; /* owner: the thread */
};

/* --- paths ------------------------------------------------------------------------------------ */

static int with_folder(int fd, const char *path,
                       int (*call)(int, const struct sockaddr *, socklen_t))
{
    const char *slash = strrchr(path, '/');
    const char *name = slash ? slash + 1 : path;
    char folder[4096];
    int n = snprintf(folder, sizeof(folder), "%.*s", slash ? (int)(slash - path) : 1,
                     slash ? path : ".");
    if (n < 0 || (size_t)n >= sizeof(folder))
        return -ENAMETOOLONG;
    AUTO(dfs_close_fd) int dir = open(n ? folder : "/", O_PATH | O_DIRECTORY | O_CLOEXEC);
    if (dir < 0)
        return -errno;
    struct sockaddr_un sun = {.sun_family = AF_UNIX};
    n = snprintf(sun.sun_path, sizeof(sun.sun_path), "/proc/self/fd/%d/%s", dir, name);
    if (n < 0 || (size_t)n >= sizeof(sun.sun_path))
        return -ENAMETOOLONG;
    return call(fd, (const struct sockaddr *)&sun, sizeof(sun)) < 0 ? -errno : 0;
}

int s3_admin_connect(int fd, const char *path)
{
    return with_folder(fd, path, connect);
}

/* --- connections ------------------------------------------------------------------------------ */

static void drop(struct connection *c)
{
    dfs_close_fd(&c->fd);
    buf_free(&c->in);
}

static void take_connection(struct s3_admin *a)
{
    AUTO(dfs_close_fd) int fd = accept4(a->listen_fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
    struct ucred peer;
    socklen_t n = sizeof(peer);
    if (fd < 0 || getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer, &n) < 0)
        return;
    if (peer.uid != 0 && peer.uid != geteuid()) {
        dfs_log(LOG_WARN, "admin.refused", KV_U64("uid", peer.uid));
        return;
    }
    for (unsigned i = 0; i < CONNECTIONS_MAX; i++) {
        struct connection *c = &a->connections[i];
        if (c->fd >= 0)
            continue;
        c->fd = dfs_take_fd(&fd);
        c->in = BUF(S3_ADMIN_LINE_MAX);
        c->deadline_ms = dfs_mono_ms() + QUIET_MS;
        return;
    }
}

/* The whole answer, or false when the peer does not take it. */
static bool send_all(int fd, struct str s)
{
    uint64_t deadline = dfs_mono_ms() + ANSWER_MS;
    while (s.n > 0) {
        ssize_t n = send(fd, s.p, s.n, MSG_NOSIGNAL);
        if (n > 0) {
            s = str_from(s, (size_t)n);
            continue;
        }
        if (n < 0 && errno != EAGAIN && errno != EINTR)
            return false;
        uint64_t now = dfs_mono_ms();
        struct pollfd p = {.fd = fd, .events = POLLOUT};
        if (now >= deadline || poll(&p, 1, (int)(deadline - now)) < 0)
            return false;
    }
    return true;
}

static bool answer_line(struct s3_admin *a, int fd, struct str line)
{
    json_error_t e;
    json_t *request = json_loadb(line.p, line.n, JSON_DECODE_ANY, &e);
    json_t *answer = s3_admin_run(&a->context, request);
    char *text = answer ? json_dumps(answer, JSON_COMPACT) : NULL;
    bool sent = text && send_all(fd, str_c(text)) && send_all(fd, STR("\n"));
    free(text);
    json_decref(answer);
    json_decref(request);
    return sent;
}

static void serve(struct s3_admin *a, struct connection *c)
{
    char piece[4096];
    ssize_t n = recv(c->fd, piece, sizeof(piece), 0);
    if (n < 0 && (errno == EAGAIN || errno == EINTR))
        return;
    if (n > 0)
        buf_add(&c->in, piece, (size_t)n);
    if (n <= 0 || buf_err(&c->in)) {
        drop(c);
        return;
    }
    c->deadline_ms = dfs_mono_ms() + QUIET_MS;
    struct str line, rest;
    while (str_cut(buf_str(&c->in), '\n', &line, &rest)) {
        if (!answer_line(a, c->fd, line)) {
            drop(c);
            return;
        }
        memmove(c->in.p, rest.p, rest.n);
        c->in.n = rest.n;
    }
}

static void *run(void *arg)
{
    struct s3_admin *a = arg;
    for (;;) {
        struct pollfd fds[2 + CONNECTIONS_MAX] = {
            {.fd = a->stop_fd, .events = POLLIN},
            {.fd = a->listen_fd, .events = POLLIN},
        };
        uint64_t now = dfs_mono_ms();
        for (unsigned i = 0; i < CONNECTIONS_MAX; i++) {
            struct connection *c = &a->connections[i];
            if (c->fd >= 0 && now >= c->deadline_ms)
                drop(c);
            fds[2 + i] = (struct pollfd){.fd = c->fd, .events = POLLIN};
        }
        if (poll(fds, ARRAY_LEN(fds), 1000) <= 0)
            continue;
        if (fds[0].revents)
            return NULL;
        for (unsigned i = 0; i < CONNECTIONS_MAX; i++) {
            if (fds[2 + i].revents)
                serve(a, &a->connections[i]);
        }
        if (fds[1].revents)
            take_connection(a);
    }
}

/* --- start and stop --------------------------------------------------------------------------- */

/* A socket nobody answers on is the leftover of a crash. */
static int remove_stale(const char *path)
{
    struct stat st;
    if (lstat(path, &st) < 0)
        return errno == ENOENT ? 0 : -errno;
    if (!S_ISSOCK(st.st_mode))
        return -EEXIST;
    AUTO(dfs_close_fd) int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (fd < 0)
        return -errno;
    if (s3_admin_connect(fd, path) == 0)
        return -EADDRINUSE;
    return unlink(path) < 0 && errno != ENOENT ? -errno : 0;
}

static int open_socket(struct s3_admin *a)
{
    int r = remove_stale(a->path);
    if (r < 0)
        return r;
    a->listen_fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    a->stop_fd = eventfd(0, EFD_CLOEXEC);
    if (a->listen_fd < 0 || a->stop_fd < 0)
        return -errno;
    /* The mode of the file is the mode of the socket at bind: there is no moment with a wider one. */
    if (fchmod(a->listen_fd, 0600) < 0)
        return -errno;
    r = with_folder(a->listen_fd, a->path, bind);
    if (r < 0)
        return r;
    a->bound = true;
    if (chmod(a->path, 0600) < 0 || listen(a->listen_fd, CONNECTIONS_MAX) < 0)
        return -errno;
    return 0;
}

int s3_admin_start(const char *path, const struct s3_admin_context *context, struct s3_admin **ret)
{
    AUTO(s3_admin_stop) struct s3_admin *a = dfs_zalloc(sizeof(*a));
    if (!a)
        return -ENOMEM;
    a->magic = ADMIN_MAGIC;
    a->context = *context;
    a->listen_fd = a->stop_fd = -1;
    for (unsigned i = 0; i < CONNECTIONS_MAX; i++)
        a->connections[i] = (struct connection){.fd = -1, .in = BUF(S3_ADMIN_LINE_MAX)};
    a->path = dfs_strdup(path);
    int r = a->path ? open_socket(a) : -ENOMEM;
    if (r < 0)
        return r;
    r = -pthread_create(&a->thread, NULL, run, a);
    if (r < 0)
        return r;
    a->running = true;
    *ret = TAKE(a);
    return 0;
}

void s3_admin_stop(struct s3_admin **ap)
{
    struct s3_admin *a = TAKE(*ap);
    if (!a)
        return;
    CHECK_OBJ(a, ADMIN_MAGIC);
    if (a->running) {
        uint64_t one = 1;
        ssize_t n = write(a->stop_fd, &one, sizeof(one));
        ASSERT(n == (ssize_t)sizeof(one));
        pthread_join(a->thread, NULL);
    }
    for (unsigned i = 0; i < CONNECTIONS_MAX; i++)
        drop(&a->connections[i]);
    if (a->bound)
        unlink(a->path);
    dfs_close_fd(&a->listen_fd);
    dfs_close_fd(&a->stop_fd);
    free(a->path);
    a->magic = 0;
    free(a);
}
