/* SPDX-License-Identifier: Apache-2.0 */
/*
 * OpenSSL reads and writes the socket through a BIO of ours, because its own raises SIGPIPE and forgets errno.
 */
#include "dfscore/net/stream.h"

#include <openssl/err.h>
#include <openssl/ssl.h>
#include <pthread.h>
#include <stdio.h>
#include <sys/sendfile.h>
#include <sys/socket.h>
#include <unistd.h>

#include "dfscore/net/tls.h"

enum {
    RECORD = 16 * 1024, /* content of one TLS record */
    WHY_MAX = 256,
    ALERT = 1000, /* OpenSSL's reason of an alert is this and its number */
};
/* AES-GCM wants new keys after 2^24.5 records (RFC 8446, 5.5); a replica's connection may live for years. */
#define REKEY_BYTES (UINT64_C(1) << 36)

struct dfs_tls_link {
    SSL *ssl;
    const struct dfs_tls *tls;
    struct dfs_addr peer;
    bool incoming, done; /* done: hands are shaken */
    bool wants_write;
    bool broken; /* nothing more can be said on it */
    int fd;
    int flags;         /* of send(2) */
    int err;           /* errno of the last system call, 0: the end of the stream */
    uint64_t sent;     /* with the present key */
    char subject[128]; /* of a certificate that was refused */
};

/* --- the socket, as OpenSSL sees it ------------------------------------------------------------- */

static int bio_result(BIO *b, ssize_t n, int retry)
{
    struct dfs_tls_link *l = BIO_get_data(b);
    BIO_clear_retry_flags(b);
    l->err = n < 0 ? errno : 0;
    if (n < 0 && (errno == EAGAIN || errno == EINTR))
        BIO_set_flags(b, retry | BIO_FLAGS_SHOULD_RETRY);
    return (int)n;
}

static int bio_read(BIO *b, char *to, int n)
{
    const struct dfs_tls_link *l = BIO_get_data(b);
    return bio_result(b, recv(l->fd, to, (size_t)n, 0), BIO_FLAGS_READ);
}

static int bio_write(BIO *b, const char *from, int n)
{
    const struct dfs_tls_link *l = BIO_get_data(b);
    return bio_result(b, send(l->fd, from, (size_t)n, l->flags), BIO_FLAGS_WRITE);
}

static long bio_ctrl(BIO *b, int cmd, long num, void *arg)
{
    (void)b;
    (void)num;
    (void)arg;
    return cmd == BIO_CTRL_FLUSH;
}

static BIO_METHOD *method;

static void make_method(void)
{
    method = BIO_meth_new(BIO_get_new_index() | BIO_TYPE_SOURCE_SINK, "dfs stream");
    if (method &&
        (BIO_meth_set_read(method, bio_read) != 1 || BIO_meth_set_write(method, bio_write) != 1 ||
         BIO_meth_set_ctrl(method, bio_ctrl) != 1)) {
        BIO_meth_free(method);
        method = NULL;
    }
}

static BIO *make_bio(struct dfs_tls_link *l)
{
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    pthread_once(&once, make_method);
    BIO *b = method ? BIO_new(method) : NULL;
    if (b) {
        BIO_set_data(b, l);
        BIO_set_init(b, 1);
    }
    return b;
}

/* --- what went wrong ------------------------------------------------------------------------------ */

/* Changes no verdict; remembers whose certificate it was, which OpenSSL forgets. */
static int on_verdict(int ok, X509_STORE_CTX *v)
{
    SSL *ssl = X509_STORE_CTX_get_ex_data(v, SSL_get_ex_data_X509_STORE_CTX_idx());
    struct dfs_tls_link *l = SSL_get_app_data(ssl);
    const X509 *leaf = X509_STORE_CTX_get0_cert(v);
    if (!ok && leaf)
        X509_NAME_oneline(X509_get_subject_name(leaf), l->subject, (int)sizeof(l->subject));
    return ok;
}

static bool about_certificates(int alert)
{
    switch (alert) {
    case SSL_AD_BAD_CERTIFICATE:
    case SSL_AD_UNSUPPORTED_CERTIFICATE:
    case SSL_AD_CERTIFICATE_REVOKED:
    case SSL_AD_CERTIFICATE_EXPIRED:
    case SSL_AD_CERTIFICATE_UNKNOWN:
    case SSL_AD_UNKNOWN_CA:
    case SSL_AD_ACCESS_DENIED:
    case SSL_AD_CERTIFICATE_REQUIRED:
        return true;
    default:
        return false;
    }
}

static int protocol_error(struct dfs_tls_link *l)
{
    unsigned long e = ERR_peek_error();
    int reason = ERR_GET_REASON(e);
    const char *text = ERR_reason_error_string(e);
    long verdict = SSL_get_verify_result(l->ssl);
    char why[WHY_MAX];
    int r = -EPROTO;
    if (reason == SSL_R_UNEXPECTED_EOF_WHILE_READING)
        return -ECONNRESET;
    if (reason == SSL_R_PEER_DID_NOT_RETURN_A_CERTIFICATE) {
        r = -EKEYREJECTED;
        snprintf(why, sizeof(why), "they show no certificate");
    } else if (reason == SSL_R_CERTIFICATE_VERIFY_FAILED) {
        r = verdict == X509_V_ERR_CERT_HAS_EXPIRED ? -EKEYEXPIRED : -EKEYREJECTED;
        snprintf(why, sizeof(why), "their certificate: %s (%s)", dfs_tls_verdict(verdict),
                 l->subject);
    } else if (about_certificates(reason - ALERT)) {
        r = reason - ALERT == SSL_AD_CERTIFICATE_EXPIRED ? -EKEYEXPIRED : -EKEYREJECTED;
        snprintf(why, sizeof(why), "they refuse our certificate: %s", text ? text : "?");
    } else if (reason == SSL_R_WRONG_VERSION_NUMBER && !l->done) {
        snprintf(why, sizeof(why), "they do not speak TLS");
    } else {
        snprintf(why, sizeof(why), "%s", text ? text : "TLS failed");
    }
    dfs_tls_report(l->tls, &l->peer, l->incoming, why);
    return r;
}

/* OpenSSL's answer @n <= 0 as ours; 0: the end, properly announced. */
static int failure(struct dfs_tls_link *l, int n)
{
    int kind = SSL_get_error(l->ssl, n);
    l->wants_write = kind == SSL_ERROR_WANT_WRITE;
    l->broken = kind == SSL_ERROR_SYSCALL || kind == SSL_ERROR_SSL;
    switch (kind) {
    case SSL_ERROR_WANT_READ:
    case SSL_ERROR_WANT_WRITE:
        return l->err == EINTR ? -EINTR : -EAGAIN;
    case SSL_ERROR_ZERO_RETURN:
        return 0;
    case SSL_ERROR_SYSCALL:
        return l->err ? -l->err : -ECONNRESET;
    default:
        return protocol_error(l);
    }
}

/* --- TLS ------------------------------------------------------------------------------------------ */

static void free_link(struct dfs_tls_link *l)
{
    SSL_free(l->ssl);
    free(l);
}

int dfs_stream_tls(struct dfs_stream *s, const struct dfs_tls *tls, bool incoming,
                   const struct dfs_addr *peer)
{
    ASSERT(s->fd >= 0 && !s->link);
    struct dfs_tls_link *l = dfs_zalloc(sizeof(*l));
    if (!l)
        return -ENOMEM;
    *l = (struct dfs_tls_link){
        .tls = tls, .peer = *peer, .incoming = incoming, .fd = s->fd, .flags = MSG_NOSIGNAL};
    l->ssl = dfs_tls_begin(tls);
    BIO *b = l->ssl ? make_bio(l) : NULL;
    if (!b) {
        free_link(l);
        return -ENOMEM;
    }
    SSL_set_bio(l->ssl, b, b); /* takes it */
    SSL_set_app_data(l->ssl, l);
    SSL_set_verify(l->ssl, SSL_get_verify_mode(l->ssl), on_verdict);
    if (incoming)
        SSL_set_accept_state(l->ssl);
    else
        SSL_set_connect_state(l->ssl);
    s->link = l;
    return 0;
}

int dfs_stream_shake(struct dfs_stream *s)
{
    struct dfs_tls_link *l = s->link;
    int r;
    do {
        ERR_clear_error();
        int n = SSL_do_handshake(l->ssl);
        r = n == 1 ? 0 : failure(l, n);
        if (n != 1 && r == 0)
            r = -ECONNRESET; /* a goodbye instead of a handshake */
    } while (r == -EINTR);
    l->done = r == 0;
    if ((r == -ECONNRESET || r == -EPIPE) && !l->incoming)
        dfs_tls_report(l->tls, &l->peer, false,
                       "they hang up on TLS"); /* as ours do without cluster_tls_cert */
    return r;
}

bool dfs_stream_wants_write(const struct dfs_stream *s)
{
    return s->link && s->link->wants_write;
}

static ssize_t tls_recv(struct dfs_tls_link *l, void *to, size_t n)
{
    int r;
    do {
        ERR_clear_error();
        int got = SSL_read(l->ssl, to, (int)MIN(n, (size_t)INT32_MAX));
        r = got > 0 ? got : failure(l, got);
    } while (r == -EINTR);
    return r;
}

static ssize_t tls_send(struct dfs_tls_link *l, const void *p, size_t n)
{
    int r;
    if (l->sent >= REKEY_BYTES) {
        (void)SSL_key_update(
            l->ssl, SSL_KEY_UPDATE_NOT_REQUESTED); /* -1 while a record is half out: next time */
        l->sent = 0;
    }
    do {
        ERR_clear_error();
        int out = SSL_write(l->ssl, p, (int)n);
        r = out > 0 ? out : failure(l, out);
    } while (r == -EINTR);
    if (r == 0)
        return -ECONNRESET;
    if (r > 0)
        l->sent += (uint64_t)r;
    return r == -EAGAIN && !l->wants_write ? -EPROTO
                                           : r; /* 1.3 never has to read in order to write */
}

/* Small pieces in one record: a header of its own would cost one, and a system call. */
static ssize_t tls_send_pieces(struct dfs_tls_link *l, const struct iovec *iov, size_t n)
{
    uint8_t together[RECORD];
    size_t have = 0;
    while (n > 0 && iov->iov_len == 0) {
        iov++;
        n--;
    }
    if (n == 1 || iov->iov_len >= RECORD)
        return tls_send(l, iov->iov_base, MIN(iov->iov_len, (size_t)RECORD));
    for (size_t i = 0; i < n && have < RECORD; i++) {
        size_t step = MIN(iov[i].iov_len, RECORD - have);
        if (step)
            memcpy(together + have, iov[i].iov_base, step);
        have += step;
    }
    return tls_send(l, together, have);
}

static ssize_t tls_send_file(struct dfs_tls_link *l, int fd, uint64_t off, size_t n)
{
    uint8_t piece[RECORD];
    ssize_t got = pread(fd, piece, MIN(n, (size_t)RECORD), (off_t)off);
    if (got <= 0)
        return got < 0 ? -errno : 0;
    return tls_send(l, piece, (size_t)got);
}

/* --- both ----------------------------------------------------------------------------------------- */

ssize_t dfs_stream_recv(struct dfs_stream *s, void *to, size_t n, int flags)
{
    if (s->link)
        return tls_recv(s->link, to, n);
    ssize_t r;
    do {
        r = recv(s->fd, to, n, flags);
    } while (r < 0 && errno == EINTR);
    return r < 0 ? -errno : r;
}

ssize_t dfs_stream_send(struct dfs_stream *s, const struct iovec *iov, size_t n, bool more)
{
    if (s->link)
        return tls_send_pieces(s->link, iov, n);
    struct msghdr m = {.msg_iov = (struct iovec *)(uintptr_t)iov, .msg_iovlen = n};
    ssize_t r;
    do {
        r = sendmsg(s->fd, &m, MSG_NOSIGNAL | (more ? MSG_MORE : 0));
    } while (r < 0 && errno == EINTR);
    return r < 0 ? -errno : r;
}

ssize_t dfs_stream_send_file(struct dfs_stream *s, int fd, uint64_t off, size_t n)
{
    if (s->link)
        return tls_send_file(s->link, fd, off, n);
    off_t at = (off_t)off;
    ssize_t r;
    do {
        r = sendfile(s->fd, fd, &at, n);
    } while (r < 0 && errno == EINTR);
    return r < 0 ? -errno : r;
}

static void goodbye(struct dfs_tls_link *l)
{
    l->flags |= MSG_DONTWAIT; /* a courtesy, but one that ends answers of unknown length */
    if (l->done && !l->broken)
        (void)SSL_shutdown(l->ssl);
    ERR_clear_error();
}

void dfs_stream_end(struct dfs_stream *s)
{
    if (s->link)
        goodbye(s->link);
    shutdown(s->fd, SHUT_WR);
}

void dfs_stream_close(struct dfs_stream *s)
{
    if (s->link) {
        goodbye(s->link);
        free_link(s->link);
        s->link = NULL;
    }
    dfs_close_fd(&s->fd);
}
