/* SPDX-License-Identifier: Apache-2.0 */
/*
 * fuzz_http_head - what a client sends, read by libmicrohttpd: a head that http/head.h accepts has the lines that stand
 * in it, and no others.
 *
 * The library is a real one, on a socket pair; only its version that http/lines.h knows is asked.
 */
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include "s3gw/http/exchange.h"
#include "s3gw/http/head.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { INPUT_MAX = 16 * 1024, TURNS_MAX = 1000 };

static struct str input;
static struct str sent_target;
static bool closed;

/* The next line without its end. NUL and LF are taken for CR and LF; at the end of the head, more (lines.h). */
static struct str next_line(struct str *rest, bool last)
{
    struct str line;
    ASSERT(str_split(rest, '\n', &line));
    for (size_t most = last ? 3 : 1; most > 0 && line.n > 0; most--) {
        char c = line.p[line.n - 1];
        if (c != '\r' && c != '\0')
            break;
        line.n--;
    }
    return line;
}

/* The end of a line and an empty one, or what lines.h cannot tell from them. */
static bool ends_head(const char *at)
{
    size_t n = MIN((size_t)(input.p + input.n - at), (size_t)4);
    const char *lf = memchr(at, '\n', n);
    lf = lf ? memchr(lf + 1, '\n', n - (size_t)(lf + 1 - at)) : NULL;
    for (; lf && at < lf; at++)
        if (!strchr("\r\n:", *at)) /* or NUL */
            return false;
    return lf;
}

static void is_what_was_sent(const struct s3_req *q)
{
    struct str rest = input, line, name, value;
    do /* what the library passes over before a request */
        line = next_line(&rest, q->nheaders == 0);
    while (line.n == 0 || line.p[0] == '\0');
    ASSERT(!memchr(line.p, '\0', line.n));
    for (size_t i = 0; i < q->nheaders; i++) {
        line = next_line(&rest, i + 1 == q->nheaders);
        ASSERT(!memchr(line.p, '\0', line.n) && !memchr(line.p, '\r', line.n));
        ASSERT(str_cut(line, ':', &name, &value) && name.n > 0);
        ASSERT(str_eq(name, q->headers[i].name));
        ASSERT(str_eq(str_trim(value), q->headers[i].value));
    }
    ASSERT(ends_head(line.p + line.n));
}

static void *on_target(void *arg, const char *target, struct MHD_Connection *conn)
{
    (void)arg;
    (void)conn;
    sent_target = str_c(target);
    return NULL;
}

static size_t keep_escapes(void *arg, struct MHD_Connection *conn, char *s)
{
    (void)arg;
    (void)conn;
    return strlen(s);
}

static enum MHD_Result on_head(void *arg, struct MHD_Connection *conn, const char *url,
                               const char *method, const char *version, const char *data, size_t *n,
                               void **exchange)
{
    (void)arg;
    (void)data;
    (void)n;
    (void)exchange;
    static struct s3_exchange x;
    x = (struct s3_exchange){.conn = conn, .target = sent_target};
    s3_req_init(&x.req);
    x.req.raw_path = arena_str(&x.req.arena, str_c(url));
    if (s3_head_read(&x, method, version) == S3ERR_OK)
        is_what_was_sent(&x.req);
    s3_req_fini(&x.req);
    return MHD_NO;
}

static void on_connection(void *arg, struct MHD_Connection *conn, void **own,
                          enum MHD_ConnectionNotificationCode what)
{
    (void)arg;
    (void)conn;
    (void)own;
    closed = what == MHD_CONNECTION_NOTIFY_CLOSED;
}

/* With the options that http/server.c gives it, as far as they concern heads. */
static struct MHD_Daemon *start(void)
{
    struct MHD_Daemon *d = MHD_start_daemon(
        MHD_USE_NO_LISTEN_SOCKET, 0, NULL, NULL, on_head, NULL, MHD_OPTION_CONNECTION_MEMORY_LIMIT,
        (size_t)32 * 1024, MHD_OPTION_STRICT_FOR_CLIENT, 1, MHD_OPTION_URI_LOG_CALLBACK, on_target,
        NULL, MHD_OPTION_UNESCAPE_CALLBACK, keep_escapes, NULL, MHD_OPTION_NOTIFY_CONNECTION,
        on_connection, NULL, MHD_OPTION_END);
    ASSERT(d);
    return d;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct MHD_Daemon *d;
    const struct sockaddr_in from = {.sin_family = AF_INET};
    int fds[2];
    if (size > INPUT_MAX || strcmp(MHD_get_version(), "0.9.75") != 0)
        return 0;
    if (!d)
        d = start();
    input = str_of(data, size);
    closed = false;
    ASSERT(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, fds) == 0);
    ASSERT(write(fds[1], data, size) == (ssize_t)size && shutdown(fds[1], SHUT_WR) == 0);
    ASSERT(MHD_add_connection(d, fds[0], (const struct sockaddr *)&from, sizeof(from)) == MHD_YES);
    for (unsigned i = 0; !closed; i++)
        ASSERT(i < TURNS_MAX && MHD_run(d) == MHD_YES);
    close(fds[1]);
    return 0;
}
