/* SPDX-License-Identifier: Apache-2.0 */
/* certs - authorities and certificates signed by them, as PEM files DIR/NAME.crt and DIR/NAME.key. */
#ifndef TEST_CERTS_H
#define TEST_CERTS_H

#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/x509v3.h>
#include <stdio.h>
#include <sys/stat.h>

#include "dfscore/base/base.h"

static inline FILE *test_pem_file(const char *dir, const char *name, const char *suffix,
                                  const char *mode)
{
    char path[1024];
    snprintf(path, sizeof(path), "%s/%s.%s", dir, name, suffix);
    FILE *f = fopen(path, mode);
    ASSERT(f);
    if (mode[0] == 'w')
        ASSERT(fchmod(fileno(f), 0600) == 0);
    return f;
}

static inline void test_sign(const char *dir, const char *ca, const char *name, int days)
{
    static long serial;
    EVP_PKEY *key = EVP_EC_gen("P-256"), *signer = key;
    X509 *cert = X509_new(), *issuer = cert;
    X509_NAME *subject = X509_get_subject_name(cert);
    ASSERT(key && cert);
    if (ca) {
        FILE *k = test_pem_file(dir, ca, "key", "r"), *c = test_pem_file(dir, ca, "crt", "r");
        signer = PEM_read_PrivateKey(k, NULL, NULL, NULL);
        issuer = PEM_read_X509(c, NULL, NULL, NULL);
        ASSERT(signer && issuer);
        fclose(k);
        fclose(c);
    }
    X509_set_version(cert, X509_VERSION_3);
    ASN1_INTEGER_set(X509_get_serialNumber(cert), ++serial);
    X509_gmtime_adj(X509_getm_notBefore(cert), -10 * 86400L);
    X509_gmtime_adj(X509_getm_notAfter(cert), (long)days * 86400L);
    X509_set_pubkey(cert, key);
    X509_NAME_add_entry_by_txt(subject, "CN", MBSTRING_ASC, (const unsigned char *)name, -1, -1, 0);
    X509_set_issuer_name(cert, X509_get_subject_name(issuer));
    X509_EXTENSION *e = X509V3_EXT_conf_nid(NULL, NULL, NID_basic_constraints,
                                            ca ? "CA:FALSE" : "critical,CA:TRUE");
    X509_add_ext(cert, e, -1);
    X509_EXTENSION_free(e);
    ASSERT(X509_sign(cert, signer, EVP_sha256()) > 0);
    FILE *k = test_pem_file(dir, name, "key", "w"), *c = test_pem_file(dir, name, "crt", "w");
    ASSERT(PEM_write_PrivateKey(k, key, NULL, NULL, 0, NULL, NULL) == 1 &&
           PEM_write_X509(c, cert) == 1);
    fclose(k);
    fclose(c);
    if (ca) {
        EVP_PKEY_free(signer);
        X509_free(issuer);
    }
    EVP_PKEY_free(key);
    X509_free(cert);
}

static inline void test_ca_make(const char *dir, const char *name)
{
    test_sign(dir, NULL, name, 10);
}

/* Signed by the authority @ca of the same folder; valid until @days from now (negative: it was). */
static inline void test_cert_make(const char *dir, const char *ca, const char *name, int days)
{
    test_sign(dir, ca, name, days);
}

#endif
