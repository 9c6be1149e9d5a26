/* SPDX-License-Identifier: Apache-2.0 */
#include "s3gw/http/server.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <netdb.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "dfscore/base/clock.h"
#include "dfscore/log/log.h"
#include "s3gw/api/reader.h"
#include "s3gw/core/gw.h"
#include "s3gw/dfs/dfs.h"
#include "s3gw/http/certificate.h"
#include "s3gw/http/exchange.h"

enum {
    WORKER_QUEUE = 4096,
    HANGUP_PERIOD_MS = 1000,
    CONNECTION_MEMORY =
        32 * 1024, /* head of a request: 8 KiB of headers, 3 KiB of path, 2 KiB metadata, ... */
    BACKLOG = 4096,
    AHEADS_A_CORE = 8, /* answers that may be read ahead: 4 MiB of memory a core */
};

/* ---- the listener ---- */

static int resolve(const char *host, uint16_t port, struct sockaddr_storage *a, socklen_t *n)
{
    const struct addrinfo hints = {.ai_socktype = SOCK_STREAM,
                                   .ai_flags = AI_PASSIVE | AI_NUMERICSERV};
    struct addrinfo *found = NULL;
    char service[8];
    (void)snprintf(service, sizeof(service), "%u", (unsigned)port);
    if (getaddrinfo(host, service, &hints, &found) != 0 || !found)
        return -EADDRNOTAVAIL;
    *n = (socklen_t)MIN((size_t)found->ai_addrlen, sizeof(*a));
    memset(a, 0, sizeof(*a));
    memcpy(a, found->ai_addr, *n);
    freeaddrinfo(found);
    return 0;
}

int s3_http_bind(const char *host, uint16_t port, int *ret)
{
    struct sockaddr_storage a;
    socklen_t n;
    int r = resolve(host, port, &a, &n), on = 1;
    if (r < 0)
        return r;
    AUTO(dfs_close_fd) int fd = socket(a.ss_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (fd < 0)
        return -errno;
    (void)setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
    if (bind(fd, (struct sockaddr *)&a, n) < 0)
        return -errno;
    *ret = dfs_take_fd(&fd);
    return 0;
}

static int start_listening(int fd, const struct s3_http_options *o, uint16_t *port,
                           const char **what)
{
    struct sockaddr_storage a;
    socklen_t n = sizeof(a);
    int on = 1;
    /* Both are inherited by what is accepted. */
    (void)setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
    *what = "tcp_congestion =";
    if (o->congestion && setsockopt(fd, IPPROTO_TCP, TCP_CONGESTION, o->congestion,
                                    (socklen_t)strlen(o->congestion)) < 0)
        return -errno;
    *what = "listen =";
    if (listen(fd, BACKLOG) < 0 || getsockname(fd, (struct sockaddr *)&a, &n) < 0)
        return -errno;
    *port = ntohs(a.ss_family == AF_INET ? ((struct sockaddr_in *)(void *)&a)->sin_port
                                         : ((struct sockaddr_in6 *)(void *)&a)->sin6_port);
    return 0;
}

/* ---- libmicrohttpd ---- */

static void log_mhd(void *arg, const char *fmt, va_list ap)
{
    (void)arg;
    static struct dfs_log_gate gate;
    char text[512];
    int n = vsnprintf(text, sizeof(text), fmt, ap);
    if (n > 0 && dfs_log_allow(&gate, 10))
        dfs_log(LOG_DEBUG, "http.library",
                KV_STR("text", str_trim(str_of(text, MIN((size_t)n, sizeof(text) - 1)))));
}

/* Percent escapes are ours to decode, once, in core/uri.c. */
static size_t keep_escapes(void *arg, struct MHD_Connection *conn, char *s)
{
    (void)arg;
    (void)conn;
    return strlen(s);
}

static void on_connection(void *arg, struct MHD_Connection *conn, void **own,
                          enum MHD_ConnectionNotificationCode what)
{
    const struct s3_http_thread *t = arg;
    struct s3_http *h = t->http;
    bool started = what == MHD_CONNECTION_NOTIFY_STARTED;
    const union MHD_ConnectionInfo *i =
        MHD_get_connection_info(conn, MHD_CONNECTION_INFO_CONNECTION_FD);
    *own = h; /* for refusal.c */
    s3_metrics_connections(h->metrics, started ? 1 : -1);
    if (started) {
        atomic_fetch_add(&h->connections, 1);
    } else {
        atomic_fetch_sub(&h->connections, 1);
        s3_spread_ended(h->spread, t->n);
    }
    if (i)
        (started ? s3_hangup_opened : s3_hangup_closed)(h->hangup, i->connect_fd);
}

/* A thread that accepts up to @connections by a listener of its own. */
static int start_thread(struct s3_http_thread *t, const struct s3_http_options *o,
                        unsigned connections)
{
    struct s3_http *h = t->http;
    unsigned flags =
        MHD_USE_EPOLL_INTERNAL_THREAD | MHD_USE_ITC | MHD_ALLOW_SUSPEND_RESUME | MHD_USE_ERROR_LOG;
    struct MHD_OptionItem tls[] = {
        {MHD_OPTION_HTTPS_CERT_CALLBACK2, 0, (void *)(intptr_t)s3_certificate_give},
        {MHD_OPTION_END, 0, NULL},
    };
    struct MHD_OptionItem none[] = {{MHD_OPTION_END, 0, NULL}};
    if (h->tls)
        flags |= MHD_USE_TLS;
    t->listener = fcntl(h->listener, F_DUPFD_CLOEXEC, 0);
    if (t->listener < 0)
        return -errno;
    s3_spread_listen(h->spread, t->n, t->listener);
    t->daemon = MHD_start_daemon(
        flags, 0, NULL, NULL, s3_exchange_call, h, MHD_OPTION_EXTERNAL_LOGGER, log_mhd, NULL,
        MHD_OPTION_LISTEN_SOCKET, t->listener, MHD_OPTION_ARRAY, h->tls ? tls : none,
        MHD_OPTION_CONNECTION_LIMIT, connections, MHD_OPTION_CONNECTION_TIMEOUT, o->idle_timeout_s,
        MHD_OPTION_CONNECTION_MEMORY_LIMIT, (size_t)CONNECTION_MEMORY, MHD_OPTION_STRICT_FOR_CLIENT,
        1, MHD_OPTION_URI_LOG_CALLBACK, s3_exchange_new, h, MHD_OPTION_UNESCAPE_CALLBACK,
        keep_escapes, NULL, MHD_OPTION_NOTIFY_COMPLETED, s3_exchange_completed, h,
        MHD_OPTION_NOTIFY_CONNECTION, on_connection, t, MHD_OPTION_END);
    if (!t->daemon) {
        s3_spread_forget(t->listener);
        t->listener = -1; /* libmicrohttpd has closed it */
        return h->tls ? -EINVAL : -EAGAIN;
    }
    s3_spread_ready(h->spread, t->n);
    return 0;
}

static bool give(void *http, unsigned thread, int fd, const struct sockaddr *peer, socklen_t n)
{
    struct s3_http *h = http;
    return MHD_add_connection(h->threads[thread].daemon, fd, peer, n) == MHD_YES;
}

static int start_threads(struct s3_http *h, const struct s3_http_options *o)
{
    long cores = sysconf(_SC_NPROCESSORS_ONLN);
    unsigned n = MIN(o->threads ? o->threads : (unsigned)MAX(cores, 1L), o->connections_max);
    int r = s3_spread_new(n, give, h, &h->spread);
    if (r == 0 && !(h->threads = dfs_zalloc(n * sizeof(h->threads[0]))))
        r = -ENOMEM;
    for (unsigned i = 0; r == 0 && i < n; i++) {
        h->threads[i] = (struct s3_http_thread){.http = h, .n = i, .listener = -1};
        h->nthreads = i + 1;
        r = start_thread(&h->threads[i], o, (o->connections_max + n - 1 - i) / n);
    }
    return r;
}

/* No connection is accepted any more, and who tries is refused. */
static void stop_listening(struct s3_http *h)
{
    for (unsigned i = 0; i < h->nthreads; i++)
        if (h->threads[i].daemon)
            (void)MHD_quiesce_daemon(h->threads[i].daemon);
    if (h->spread)
        s3_spread_stop(h->spread);
    if (h->listener >= 0)
        (void)shutdown(h->listener, SHUT_RDWR); /* of all copies: a thread may be using its own */
    dfs_close_fd(&h->listener);
}

static void stop_threads(struct s3_http *h)
{
    for (unsigned i = 0; i < h->nthreads; i++) {
        struct s3_http_thread *t = &h->threads[i];
        if (t->daemon)
            MHD_stop_daemon(t->daemon);
        s3_spread_forget(t->listener);
        dfs_close_fd(&t->listener);
    }
    s3_spread_free(&h->spread);
    free(h->threads);
}

static int take_certificate(struct s3_http *h, const struct s3_http_options *o, const char **what)
{
    *what = o->tls_cert ? "TLS key" : "TLS certificate";
    if (!o->tls_cert || !o->tls_key)
        return -EINVAL;
    int r = s3_certificate_load(o->tls_cert, o->tls_key, what);
    h->tls = r == 0;
    h->tls_cert = o->tls_cert;
    h->tls_key = o->tls_key;
    return r;
}

static int read_stored(void *dfs, struct str file, uint64_t at, void *out, size_t n)
{
    return s3_dfs_read(dfs, file, at, out, n, true);
}

/* On half of the cores at most: the others have the sending, and the clients' work. One that is alone has no time
 * for it. */
static void start_aheads(struct s3_http *h)
{
    uint64_t cores = (uint64_t)MAX(sysconf(_SC_NPROCESSORS_ONLN), 1L);
    h->aheads.pool = h->workers;
    h->aheads.memory.limit = cores > 1 ? cores * AHEADS_A_CORE * s3_ahead_memory(S3_RUN_BYTES) : 0;
    h->aheads.read = read_stored;
    h->aheads.arg = h->gw->dfs;
    atomic_store(&h->aheads.most, (unsigned)(cores / 2));
}

static int start(struct s3_http *h, const struct s3_http_options *o, const char **what)
{
    int r = o->tls_cert || o->tls_key ? take_certificate(h, o, what) : 0;
    if (r < 0)
        return r;
    r = start_listening(h->listener, o, &h->port, what);
    if (r < 0)
        return r;
    *what = "threads";
    r = s3_pool_new("s3-worker", o->workers, WORKER_QUEUE, &h->workers);
    if (r < 0)
        return r;
    start_aheads(h);
    r = s3_metrics_new(&h->metrics);
    if (r < 0)
        return r;
    r = s3_hangup_new(HANGUP_PERIOD_MS, &h->hangup);
    if (r < 0)
        return r;
    *what = "access_log =";
    if (o->access_log && (r = s3_accesslog_open(o->access_log, &h->log)) < 0)
        return r;
    *what = h->tls ? "TLS certificate or key" : "threads";
    return start_threads(h, o);
}

int s3_http_start(const struct s3_http_options *o, struct s3_http **ret, const char **what)
{
    AUTO(s3_http_stop) struct s3_http *h = dfs_zalloc(sizeof(*h));
    if (!h)
        return -ENOMEM;
    h->magic = S3_HTTP_MAGIC;
    h->gw = o->gw;
    h->listener = o->listener;
    int r = start(h, o, what);
    if (r < 0)
        return r;
    *ret = TAKE(h);
    return 0;
}

uint16_t s3_http_port(const struct s3_http *h)
{
    return h->port;
}

bool s3_http_drain(struct s3_http *h, unsigned timeout_ms)
{
    CHECK_OBJ(h, S3_HTTP_MAGIC);
    atomic_store(&h->draining, true);
    stop_listening(h);
    uint64_t end = dfs_mono_ms() + timeout_ms;
    while (atomic_load(&h->in_flight) > 0 && dfs_mono_ms() < end)
        nanosleep(&(struct timespec){.tv_nsec = 10 * 1000000L}, NULL);
    return atomic_load(&h->in_flight) == 0;
}

void s3_http_stop(struct s3_http **hp)
{
    struct s3_http *h = TAKE(*hp);
    if (!h)
        return;
    CHECK_OBJ(h, S3_HTTP_MAGIC);
    /* libmicrohttpd must not be stopped while a connection is suspended. Every wait has its
     * deadline. */
    stop_listening(h);
    atomic_store(&h->stopping, true);
    while (atomic_load(&h->away) > 0)
        nanosleep(&(struct timespec){.tv_nsec = 2 * 1000000L}, NULL);
    s3_aheads_stop(&h->aheads);
    s3_pool_free(&h->workers);
    stop_threads(h);
    if (h->tls)
        s3_certificate_forget();
    s3_hangup_free(&h->hangup);
    s3_accesslog_close(&h->log);
    s3_metrics_free(&h->metrics);
    h->magic = 0;
    free(h);
}

void s3_http_renew_certificate(struct s3_http *h)
{
    const char *what = "";
    if (!h->tls)
        return;
    int r = s3_certificate_load(h->tls_cert, h->tls_key, &what);
    dfs_log(r < 0 ? LOG_ERROR : LOG_INFO, r < 0 ? "http.certificate_kept" : "http.certificate_read",
            KV_I64("certificate_days", s3_certificate_days_left()), KV_IF(r < 0, KV_ERR(r)),
            KV_IF(r < 0, KV_Z("what", what)));
}

int s3_http_reopen_log(struct s3_http *h)
{
    return h->log ? s3_accesslog_reopen(h->log) : 0;
}

void s3_http_counts(const struct s3_http *h, struct s3_http_counts *ret)
{
    *ret = (struct s3_http_counts){
        .requests = atomic_load(&h->requests),
        .errors_4xx = atomic_load(&h->errors_4xx),
        .errors_5xx = atomic_load(&h->errors_5xx),
        .connections = atomic_load(&h->connections),
        .in_flight = atomic_load(&h->in_flight),
    };
}
