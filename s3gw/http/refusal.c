/* SPDX-License-Identifier: Apache-2.0 */
#include "s3gw/http/refusal.h"

#include <gnutls/gnutls.h>
#include <sys/socket.h>

#include "dfscore/base/clock.h"
#include "dfscore/log/log.h"
#include "s3gw/core/httpdate.h"
#include "s3gw/core/req.h"
#include "s3gw/http/exchange.h"
#include "s3gw/http/nextsym.h"
#include "s3gw/http/pipeline.h"

enum {
    ANSWER_MAX = 16 * 1024,
    SWALLOW_MAX = 1024 * 1024, /* of a head that was too large: closing with bytes unread would take
                                  the answer from the client */
};

typedef enum MHD_Result (*queue_fn)(struct MHD_Connection *, unsigned, struct MHD_Response *);

S3_NEXT_SYMBOL(queue_fn, "MHD_queue_response")

enum MHD_Result s3_queue_response(struct MHD_Connection *conn, unsigned status,
                                  struct MHD_Response *response)
{
    return library()(conn, status, response);
}

static enum s3err error_of(unsigned status)
{
    switch (status) {
    case MHD_HTTP_CONTENT_TOO_LARGE: /* a Content-Length beyond 64 bits */
        return S3ERR_ENTITY_TOO_LARGE;
    case MHD_HTTP_URI_TOO_LONG:
        return S3ERR_KEY_TOO_LONG_ERROR;
    case MHD_HTTP_REQUEST_HEADER_FIELDS_TOO_LARGE:
        return S3ERR_REQUEST_HEADER_SECTION_TOO_LARGE;
    default:
        return status >= 500 && status != MHD_HTTP_HTTP_VERSION_NOT_SUPPORTED
                   ? S3ERR_SLOW_DOWN /* its memory for this connection is used up */
                   : S3ERR_BAD_REQUEST;
    }
}

static void swallow(int fd)
{
    char rest[16 * 1024];
    for (size_t n = 0; n < SWALLOW_MAX;) {
        ssize_t r = recv(fd, rest, sizeof(rest), MSG_DONTWAIT);
        if (r <= 0)
            return;
        n += (size_t)r;
    }
}

static void write_bytes(struct MHD_Connection *conn, int fd, struct str bytes)
{
    const union MHD_ConnectionInfo *tls =
        MHD_get_connection_info(conn, MHD_CONNECTION_INFO_GNUTLS_SESSION);
    /* the first bytes of an answer: there is room */
    if (tls)
        (void)gnutls_record_send(tls->tls_session, bytes.p, bytes.n);
    else
        (void)send(fd, bytes.p, bytes.n, MSG_DONTWAIT | MSG_NOSIGNAL);
}

void s3_refusal_write(struct MHD_Connection *conn, const struct s3_req *q)
{
    const union MHD_ConnectionInfo *socket =
        MHD_get_connection_info(conn, MHD_CONNECTION_INFO_CONNECTION_FD);
    char date[S3_HTTPDATE_MAX];
    (void)s3_httpdate_format(dfs_now_ms() / 1000, date);
    AUTO(buf_free) struct buf out = BUF(ANSWER_MAX);
    buf_addf(&out,
             "HTTP/1.1 %d %s\r\nDate: %s\r\nConnection: close\r\nx-amz-request-id: %s\r\n"
             "x-amz-id-2: %s\r\nServer: s3gw\r\nContent-Length: %zu\r\n",
             q->resp.status, MHD_get_reason_phrase_for((unsigned)q->resp.status), date,
             q->request_id, q->request_id, q->resp.body.n);
    for (size_t i = 0; i < q->resp.nheaders; i++)
        buf_addf(&out, STR_F ": " STR_F "\r\n", STR_A(q->resp.headers[i].name),
                 STR_A(q->resp.headers[i].value));
    buf_adds(&out, STR("\r\n"));
    buf_adds(&out, buf_str(&q->resp.body));
    if (!socket || buf_err(&out) || buf_err(&q->resp.body) || q->resp.no_memory)
        return;
    write_bytes(conn, socket->connect_fd, buf_str(&out));
    swallow(socket->connect_fd);
}

/*
 * Written here and not by the library, whose 0.9.75 sends the head of such an answer twice when the
 * fault was found after the last header line. MHD_NO makes it close the connection.
 */
static enum MHD_Result refuse(struct MHD_Connection *conn, unsigned status)
{
    const union MHD_ConnectionInfo *own =
        MHD_get_connection_info(conn, MHD_CONNECTION_INFO_SOCKET_CONTEXT);
    struct s3_http *h = own ? own->socket_context : NULL;
    enum s3err e = error_of(status);
    struct s3_req q;
    s3_req_init(&q);
    q.raw_path = STR("");
    s3_pipeline_fail(&q, e);
    s3_refusal_write(conn, &q);
    if (h)
        s3_exchange_count(h, q.resp.status);
    s3_req_fini(&q);
    return MHD_NO;
}

/* The library's call of itself. */
enum MHD_Result MHD_queue_response(struct MHD_Connection *conn, unsigned status,
                                   struct MHD_Response *response)
{
    (void)response; /* the page; the library's */
    return refuse(conn, status);
}
