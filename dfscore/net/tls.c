/* SPDX-License-Identifier: Apache-2.0 */
#include "dfscore/net/tls.h"

#include <openssl/err.h>
#include <openssl/ssl.h>
#include <openssl/x509.h>
#include <pthread.h>
#include <stdio.h>
#include <sys/stat.h>

#include "dfscore/base/clock.h"
#include "dfscore/log/log.h"

enum { DAY_S = 86400 };

struct dfs_tls {
    unsigned magic;
#define TLS_MAGIC 0x7150c7e1u
    struct dfs_tls_conf files; /* ours */
    dfs_tls_failed *failed;    /* NULL: nobody wants to know */
    pthread_mutex_t
        *lock;    /* rank: leaf. Apart, since who only calls by it has a const struct dfs_tls */
    SSL_CTX *ctx; /* under lock; connections have references of their own */
    int64_t expires_s; /* under lock */
};

/* What the files make. */
struct loaded {
    SSL_CTX *ctx;
    int64_t expires_s;
    bool locked; /* a file has asked for a password */
};

/* "key = file: why", the reason from OpenSSL's queue when @why is NULL. */
static int fail(struct buf *err, const char *key, const char *file, const char *why)
{
    unsigned long e = ERR_peek_error();
    const char *reason = why ? why : ERR_reason_error_string(e);
    buf_addf(err, "%s = %s: %s", key, file, reason ? reason : "cannot be used");
    ERR_clear_error();
    return -EINVAL;
}

static int check_file(const char *key, const char *file, bool private, struct buf *err)
{
    struct stat st = {.st_mode = 0};
    FILE *f = fopen(file, "re"); /* to say why not; OpenSSL opens it again */
    int r = !f || fstat(fileno(f), &st) < 0 ? -errno : 0;
    if (r == 0 && private && (st.st_mode & 07))
        r = -EPERM;
    if (f)
        fclose(f);
    if (r < 0)
        buf_addf(err, "%s = %s: %s", key, file,
                 r == -EPERM ? "everybody may read it: chmod 600" : strerror(-r));
    return r;
}

const char *dfs_tls_verdict(long verdict)
{
    switch (verdict) {
    case X509_V_ERR_UNABLE_TO_GET_ISSUER_CERT_LOCALLY:
    case X509_V_ERR_SELF_SIGNED_CERT_IN_CHAIN:
    case X509_V_ERR_DEPTH_ZERO_SELF_SIGNED_CERT:
        return "not signed by our cluster_tls_ca";
    default:
        return X509_verify_cert_error_string(verdict);
    }
}

/* That the others will take our certificate, so that one who starts with a wrong one hears it here. */
static int check_chain(SSL_CTX *ctx, const struct dfs_tls_conf *conf, struct buf *err)
{
    STACK_OF(X509) *between = NULL;
    X509_STORE_CTX *v = X509_STORE_CTX_new();
    SSL_CTX_get0_chain_certs(ctx, &between);
    int ok = v &&
             X509_STORE_CTX_init(v, SSL_CTX_get_cert_store(ctx), SSL_CTX_get0_certificate(ctx),
                                 between) == 1 &&
             X509_verify_cert(v) == 1;
    int why = v ? X509_STORE_CTX_get_error(v) : X509_V_ERR_OUT_OF_MEM;
    X509_STORE_CTX_free(v);
    if (ok)
        return 0;
    return fail(err, "cluster_tls_cert", conf->cert, dfs_tls_verdict(why));
}

static int64_t expiry_of(const X509 *cert)
{
    struct tm tm;
    return ASN1_TIME_to_tm(X509_get0_notAfter(cert), &tm) == 1 ? (int64_t)timegm(&tm) : 0;
}

/* A server has nobody to ask: OpenSSL's own would wait at the terminal. */
static int no_password(char *to, int n, int writing, void *arg)
{
    (void)to;
    (void)n;
    (void)writing;
    *(bool *)arg = true;
    return -1;
}

static int load(struct loaded *t, const struct dfs_tls_conf *conf, struct buf *err)
{
    int r = check_file("cluster_tls_cert", conf->cert, false, err);
    if (r == 0)
        r = check_file("cluster_tls_key", conf->key, true, err);
    if (r == 0)
        r = check_file("cluster_tls_ca", conf->ca, false, err);
    if (r < 0)
        return r;
    ERR_clear_error();
    t->ctx = SSL_CTX_new(TLS_method());
    if (!t->ctx || SSL_CTX_set_min_proto_version(t->ctx, TLS1_3_VERSION) != 1)
        return -ENOMEM;
    SSL_CTX_set_options(t->ctx, SSL_OP_NO_TICKET | SSL_OP_NO_RENEGOTIATION);
    SSL_CTX_set_num_tickets(t->ctx,
                            0); /* nothing comes that was not asked for: idle stays silent */
    SSL_CTX_set_session_cache_mode(t->ctx, SSL_SESS_CACHE_OFF);
    SSL_CTX_set_mode(t->ctx, SSL_MODE_ENABLE_PARTIAL_WRITE | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER |
                                 SSL_MODE_RELEASE_BUFFERS | SSL_MODE_NO_AUTO_CHAIN);
    SSL_CTX_set_read_ahead(t->ctx, 1);
    SSL_CTX_set_default_passwd_cb(t->ctx, no_password);
    SSL_CTX_set_default_passwd_cb_userdata(t->ctx, &t->locked);
    SSL_CTX_set_verify(t->ctx, SSL_VERIFY_PEER | SSL_VERIFY_FAIL_IF_NO_PEER_CERT, NULL);
    if (SSL_CTX_use_certificate_chain_file(t->ctx, conf->cert) != 1)
        return fail(err, "cluster_tls_cert", conf->cert, NULL);
    if (SSL_CTX_use_PrivateKey_file(t->ctx, conf->key, SSL_FILETYPE_PEM) != 1)
        return fail(err, "cluster_tls_key", conf->key, t->locked ? "has a password" : NULL);
    if (SSL_CTX_load_verify_locations(t->ctx, conf->ca, NULL) != 1)
        return fail(err, "cluster_tls_ca", conf->ca, NULL);
    r = check_chain(t->ctx, conf, err);
    t->expires_s = expiry_of(SSL_CTX_get0_certificate(t->ctx));
    return r;
}

/* All three or none. 1: all. */
static int complete(const struct dfs_tls_conf *conf, struct buf *err)
{
    const char *const keys[] = {"cluster_tls_cert", "cluster_tls_key", "cluster_tls_ca"};
    const char *const files[] = {conf->cert, conf->key, conf->ca};
    const char *missing = NULL;
    size_t n = 0;
    for (size_t i = 0; i < ARRAY_LEN(keys); i++) {
        if (files[i] && files[i][0])
            n++;
        else
            missing = keys[i];
    }
    if (n == 0 || n == ARRAY_LEN(keys))
        return n > 0;
    buf_addf(err, "%s is missing: cluster_tls_cert, _key and _ca go together", missing);
    return -EINVAL;
}

/* As if nothing had been set, where it fails. */
static int load_whole(const struct dfs_tls_conf *conf, struct loaded *ret, struct buf *err)
{
    *ret = (struct loaded){.ctx = NULL};
    int r = load(ret, conf, err);
    if (r < 0) {
        SSL_CTX_free(ret->ctx);
        ret->ctx = NULL;
    }
    return r;
}

int dfs_tls_reload(struct dfs_tls *t, struct buf *err)
{
    CHECK_OBJ(t, TLS_MAGIC);
    struct loaded now;
    int r = load_whole(&t->files, &now, err);
    if (r < 0)
        return r;
    pthread_mutex_lock(t->lock);
    SSL_CTX *old = t->ctx;
    t->ctx = now.ctx;
    t->expires_s = now.expires_s;
    pthread_mutex_unlock(t->lock);
    SSL_CTX_free(old); /* NULL the first time */
    return 0;
}

void dfs_tls_renew(struct dfs_tls *t)
{
    AUTO(buf_free) struct buf err = BUF(4096);
    if (!t)
        return;
    bool kept = dfs_tls_reload(t, &err) < 0;
    dfs_log(kept ? LOG_ERROR : LOG_INFO, kept ? "tls.certificate_kept" : "tls.certificate_read",
            KV_I64("certificate_days", dfs_tls_days_left(t)),
            KV_IF(kept, KV_STR("error", buf_str(&err))));
}

static int make(const struct dfs_tls_conf *conf, struct dfs_tls *t)
{
    t->lock = dfs_zalloc(sizeof(*t->lock));
    if (!t->lock)
        return -ENOMEM;
    pthread_mutex_init(t->lock, NULL);
    t->files =
        (struct dfs_tls_conf){dfs_strdup(conf->cert), dfs_strdup(conf->key), dfs_strdup(conf->ca)};
    return t->files.cert && t->files.key && t->files.ca ? 0 : -ENOMEM;
}

void dfs_tls_log_failed(const struct dfs_addr *peer, bool incoming, const char *why)
{
    static struct dfs_log_gate gate;
    if (dfs_log_allow(&gate, 2))
        dfs_log(LOG_WARN, "cluster.tls_failed", KV_Z("peer", peer->host),
                KV_U64("port", peer->port), KV_Z("called", incoming ? "us" : "by us"),
                KV_Z("why", why));
}

int dfs_tls_new(const struct dfs_tls_conf *conf, dfs_tls_failed *failed, struct dfs_tls **ret,
                struct buf *err)
{
    int r = complete(conf, err);
    if (r <= 0)
        return r;
    AUTO(dfs_tls_free) struct dfs_tls *t = dfs_zalloc(sizeof(*t));
    if (!t)
        return -ENOMEM;
    t->magic = TLS_MAGIC;
    t->failed = failed;
    r = make(conf, t);
    if (r == 0)
        r = dfs_tls_reload(t, err);
    if (r == 0)
        *ret = TAKE(t);
    return r;
}

void dfs_tls_free(struct dfs_tls **tp)
{
    struct dfs_tls *t = TAKE(*tp);
    if (!t)
        return;
    CHECK_OBJ(t, TLS_MAGIC);
    SSL_CTX_free(t->ctx);
    free(t->files.cert);
    free(t->files.key);
    free(t->files.ca);
    if (t->lock)
        pthread_mutex_destroy(t->lock);
    free(t->lock);
    t->magic = 0;
    free(t);
}

int64_t dfs_tls_days_left(const struct dfs_tls *t)
{
    CHECK_OBJ(t, TLS_MAGIC);
    pthread_mutex_lock(t->lock);
    int64_t expires_s = t->expires_s;
    pthread_mutex_unlock(t->lock);
    return (expires_s - dfs_now_s()) / DAY_S;
}

struct ssl_st *dfs_tls_begin(const struct dfs_tls *t)
{
    CHECK_OBJ(t, TLS_MAGIC);
    pthread_mutex_lock(t->lock);
    SSL *s = SSL_new(t->ctx);
    pthread_mutex_unlock(t->lock);
    return s;
}

struct ssl_ctx_st *dfs_tls_ctx(const struct dfs_tls *t)
{
    CHECK_OBJ(t, TLS_MAGIC);
    return t->ctx;
}

void dfs_tls_report(const struct dfs_tls *t, const struct dfs_addr *peer, bool incoming,
                    const char *why)
{
    if (t->failed)
        t->failed(peer, incoming, why);
}
