/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/bench/load/tls.h"

#include <openssl/err.h>
#include <openssl/ssl.h>

#include "dfscore/base/base.h"

int tls_new(SSL_CTX **ret)
{
    SSL_CTX *c = SSL_CTX_new(TLS_client_method());
    if (!c)
        return -ENOMEM;
    SSL_CTX_set_verify(c, SSL_VERIFY_NONE, NULL);
    /* A write that could not be made is repeated from another place in memory. */
    SSL_CTX_set_mode(c, SSL_MODE_ENABLE_PARTIAL_WRITE | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER);
    *ret = c;
    return 0;
}

void tls_free(SSL_CTX **ctx)
{
    SSL_CTX_free(TAKE(*ctx));
}

int tls_open(SSL_CTX *ctx, int fd, SSL **ret)
{
    SSL *s = SSL_new(ctx);
    if (!s || SSL_set_fd(s, fd) != 1) {
        SSL_free(s);
        return -ENOMEM;
    }
    SSL_set_connect_state(s);
    *ret = s;
    return 0;
}

void tls_close(SSL **s)
{
    SSL_free(TAKE(*s));
}

/* Of a call that did not succeed. 0: the peer has ended. */
static ssize_t failure(SSL *s, int r)
{
    int why = SSL_get_error(s, r);
    ERR_clear_error();
    if (why == SSL_ERROR_WANT_READ || why == SSL_ERROR_WANT_WRITE)
        return -EAGAIN;
    if (why == SSL_ERROR_ZERO_RETURN)
        return 0;
    return why == SSL_ERROR_SYSCALL && errno ? -errno : -EPROTO;
}

ssize_t tls_read(SSL *s, void *out, size_t n)
{
    size_t got;
    int r = SSL_read_ex(s, out, n, &got);
    return r == 1 ? (ssize_t)got : failure(s, r);
}

ssize_t tls_write(SSL *s, const struct iovec *v, size_t nv)
{
    size_t all = 0;
    for (size_t i = 0; i < nv; i++) {
        size_t put;
        int r = SSL_write_ex(s, v[i].iov_base, v[i].iov_len, &put);
        if (r != 1)
            return all > 0 ? (ssize_t)all : failure(s, r);
        all += put;
        if (put < v[i].iov_len)
            break;
    }
    return (ssize_t)all;
}
