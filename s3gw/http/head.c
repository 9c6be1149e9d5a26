/* SPDX-License-Identifier: Apache-2.0 */
#include "s3gw/http/head.h"

#include <arpa/inet.h>

#include "dfscore/base/clock.h"
#include "s3gw/http/exchange.h"
#include "s3gw/http/lines.h"

enum { HEADERS_MAX = 8 * 1024 }; /* s3-behaviours 1 */

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

struct taking {
    struct s3_req *q;
    struct s3_lines lines;
};

static enum MHD_Result take_header(void *arg, enum MHD_ValueKind kind, const char *key,
                                   size_t key_n, const char *value, size_t value_n)
{
    (void)kind;
    struct taking *t = arg;
    struct s3_req *q = t->q;
    q->headers[q->nheaders++] =
        (struct s3_pair){str_of(key, key_n), str_trim(str_of(value ? value : "", value_n))};
    s3_lines_header(&t->lines, key, key_n, value ? value : "", value_n);
    return MHD_YES;
}

/* False with a library whose heads lie in memory otherwise than lines.h knows. */
static bool begin_lines(struct s3_exchange *x, const char *method, const char *version,
                        struct s3_lines *ret)
{
    const union MHD_ConnectionInfo *i =
        MHD_get_connection_info(x->conn, MHD_CONNECTION_INFO_REQUEST_HEADER_SIZE);
    if (!i || strcmp(MHD_get_version(), "0.9.75") != 0)
        return false;
    s3_lines_begin(ret, method, x->target, version, method + i->header_size);
    return true;
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

static enum s3err ambiguous(struct s3_req *q, const char *what)
{
    q->resp.close = true;
    return s3_errm(q, S3ERR_BAD_REQUEST, "%s", what);
}

/* Control characters, too. */
static bool has_blanks(struct str name)
{
    for (size_t i = 0; i < name.n; i++)
        if ((unsigned char)name.p[i] <= ' ' || name.p[i] == 0x7F)
            return true;
    return false;
}

/*
 * Two lengths that differ, two hosts, a blank before the colon, or what somebody may take for one or for the end of a
 * line: a proxy before us may have gone by another one (RFC 9112, 6.3, 3.2, 5.1, 2.2). A coding that is not chunked
 * leaves the library waiting for the connection's end.
 */
static enum s3err one_meaning(struct s3_req *q)
{
    struct str first = s3_req_header(q, STR("content-length"));
    for (size_t i = 0; i < q->nheaders; i++) {
        const struct s3_pair *h = &q->headers[i];
        if (str_ieq(h->name, STR("content-length")) && !str_eq(h->value, first))
            return ambiguous(q, "Two Content-Length headers that differ.");
        if (str_ieq(h->name, STR("host")) && h->value.p != q->host.p)
            return ambiguous(q, "Two Host headers.");
        if (has_blanks(h->name))
            return ambiguous(q, "A blank in the name of a header.");
        if (memchr(h->value.p, '\r', h->value.n))
            return ambiguous(q, "A carriage return in the value of a header.");
        if (str_ieq(h->name, STR("transfer-encoding")) && !str_ieq(h->value, STR("chunked"))) {
            q->resp.close = true;
            return s3_err(q, S3ERR_NOT_IMPLEMENTED, "Header", STR("Transfer-Encoding"));
        }
    }
    return S3ERR_OK;
}

enum s3err s3_head_read(struct s3_exchange *x, const char *method, const char *version)
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
    struct taking t = {.q = q, .lines.broken = true};
    bool measured = begin_lines(x, method, version, &t.lines);
    MHD_get_connection_values_n(x->conn, MHD_HEADER_KIND, take_header, &t);
    if (measured && !s3_lines_whole(&t.lines))
        return ambiguous(q, "The head of the request has a line that is none.");
    q->host = s3_req_header(q, STR("host"));
    /* Who speaks 1.0 did not mean it, or knows no chunks: RFC 9112, 6.1. */
    if (s3_req_header(q, STR("transfer-encoding")).p && strcmp(version, "HTTP/1.0") == 0)
        q->resp.close = true;
    enum s3err e = one_meaning(q);
    return e == S3ERR_OK ? section_size(q) : e;
}

bool s3_head_expects_continue(const struct s3_req *q)
{
    return str_ieq(s3_req_header(q, STR("expect")), STR("100-continue"));
}

uint64_t s3_head_announced(const struct s3_req *q)
{
    uint64_t n;
    if (s3_req_header(q, STR("transfer-encoding")).p)
        return UINT64_MAX;
    return str_u64(s3_req_header(q, STR("content-length")), UINT64_MAX, &n) == 0 ? n : 0;
}
