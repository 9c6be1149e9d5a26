/* SPDX-License-Identifier: Apache-2.0 */
#include "s3gw/http/certificate.h"

#include <gnutls/x509.h>
#include <pthread.h>

#include "dfscore/base/buf.h"
#include "dfscore/base/clock.h"

enum { CHAIN_MAX = 16, DAY_S = 86400 };

struct pair {
    gnutls_x509_crt_t chain[CHAIN_MAX];
    unsigned n;
    gnutls_x509_privkey_t key; /* NULL: none */
};

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER; /* rank: leaf */
static struct pair held;                                 /* under lock */

static void pair_fini(struct pair *p)
{
    for (unsigned i = 0; i < p->n; i++)
        gnutls_x509_crt_deinit(p->chain[i]);
    if (p->key)
        gnutls_x509_privkey_deinit(p->key);
    *p = (struct pair){.n = 0};
}

static void datum_fini(gnutls_datum_t *d)
{
    gnutls_free(d->data);
    d->data = NULL;
}

static int read_chain(const char *file, struct pair *p)
{
    AUTO(datum_fini) gnutls_datum_t pem = {NULL, 0};
    if (gnutls_load_file(file, &pem) < 0)
        return errno ? -errno : -EIO;
    unsigned n = CHAIN_MAX;
    int r = gnutls_x509_crt_list_import(p->chain, &n, &pem, GNUTLS_X509_FMT_PEM,
                                        GNUTLS_X509_CRT_LIST_IMPORT_FAIL_IF_EXCEED);
    p->n = r < 0 ? 0 : n;
    return p->n > 0 ? 0 : -EINVAL;
}

static int read_key(const char *file, struct pair *p)
{
    AUTO(datum_fini) gnutls_datum_t pem = {NULL, 0};
    if (gnutls_load_file(file, &pem) < 0)
        return errno ? -errno : -EIO;
    if (gnutls_x509_privkey_init(&p->key) < 0)
        return -ENOMEM;
    return gnutls_x509_privkey_import2(p->key, &pem, GNUTLS_X509_FMT_PEM, NULL, 0) < 0 ? -EINVAL
                                                                                       : 0;
}

static bool belong_together(const struct pair *p)
{
    unsigned char of_cert[64], of_key[64];
    size_t n = sizeof(of_cert), m = sizeof(of_key);
    return gnutls_x509_crt_get_key_id(p->chain[0], GNUTLS_KEYID_USE_SHA256, of_cert, &n) == 0 &&
           gnutls_x509_privkey_get_key_id(p->key, GNUTLS_KEYID_USE_SHA256, of_key, &m) == 0 &&
           n == m && memcmp(of_cert, of_key, n) == 0;
}

int s3_certificate_load(const char *cert, const char *key, const char **what)
{
    AUTO(pair_fini) struct pair p = {.n = 0};
    *what = "TLS certificate";
    int r = read_chain(cert, &p);
    if (r < 0)
        return r;
    *what = "TLS key";
    r = read_key(key, &p);
    if (r < 0)
        return r;
    *what = "not the key of the certificate";
    if (!belong_together(&p))
        return -EINVAL;
    pthread_mutex_lock(&lock);
    struct pair old = held;
    held = p;
    pthread_mutex_unlock(&lock);
    p = old; /* freed by AUTO */
    return 0;
}

void s3_certificate_forget(void)
{
    pthread_mutex_lock(&lock);
    pair_fini(&held);
    pthread_mutex_unlock(&lock);
}

int64_t s3_certificate_days_left(void)
{
    pthread_mutex_lock(&lock);
    ASSERT(held.n > 0);
    int64_t expires_s = gnutls_x509_crt_get_expiration_time(held.chain[0]);
    pthread_mutex_unlock(&lock);
    return (expires_s - dfs_now_s()) / DAY_S;
}

/* Under lock. GnuTLS frees what it got by gnutls_free(). */
static int copy(gnutls_pcert_st **certs, unsigned *ncerts, gnutls_privkey_t *key)
{
    if (held.n == 0)
        return -1;
    gnutls_pcert_st *list = gnutls_malloc(held.n * sizeof(*list));
    if (!list)
        return -1;
    unsigned n = 0;
    while (n < held.n && gnutls_pcert_import_x509(&list[n], held.chain[n], 0) == 0)
        n++;
    gnutls_privkey_t k = NULL;
    if (n == held.n && gnutls_privkey_init(&k) == 0 &&
        gnutls_privkey_import_x509(k, held.key, GNUTLS_PRIVKEY_IMPORT_COPY) == 0) {
        *certs = list;
        *ncerts = n;
        *key = k;
        return 0;
    }
    while (n > 0)
        gnutls_pcert_deinit(&list[--n]);
    gnutls_free(list);
    if (k)
        gnutls_privkey_deinit(k);
    return -1;
}

int s3_certificate_give(gnutls_session_t session, const struct gnutls_cert_retr_st *info,
                        gnutls_pcert_st **certs, unsigned *ncerts, gnutls_ocsp_data_st **ocsp,
                        unsigned *nocsp, gnutls_privkey_t *key, unsigned *flags)
{
    (void)session;
    (void)info;
    *ocsp = NULL;
    *nocsp = 0;
    *flags = GNUTLS_CERT_RETR_DEINIT_ALL;
    pthread_mutex_lock(&lock);
    int r = copy(certs, ncerts, key);
    pthread_mutex_unlock(&lock);
    return r;
}
