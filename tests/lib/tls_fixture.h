/* SPDX-License-Identifier: Apache-2.0 */
/*
 * tls_fixture - two authorities in a temporary folder, members of theirs, and what is reported of handshakes that failed.
 * For cmocka_run_group_tests: group_setup, group_teardown.
 */
#ifndef TEST_TLS_FIXTURE_H
#define TEST_TLS_FIXTURE_H

#include <pthread.h>
#include <stdio.h>

#include "dfscore/net/tls.h"
#include "tests/lib/certs.h"
#include "tests/lib/test.h"

enum { BIG = 3000000 };

static char *dir;
static char said[2048]; /* the reports since it was emptied */
static pthread_mutex_t said_lock = PTHREAD_MUTEX_INITIALIZER;

static inline void failed(const struct dfs_addr *peer, bool incoming, const char *why)
{
    (void)peer;
    pthread_mutex_lock(&said_lock);
    size_t n = strlen(said);
    snprintf(said + n, sizeof(said) - n, "%s: %s\n", incoming ? "in" : "out", why);
    pthread_mutex_unlock(&said_lock);
}

static inline bool was_said(const char *what)
{
    pthread_mutex_lock(&said_lock);
    bool yes = strstr(said, what) != NULL;
    pthread_mutex_unlock(&said_lock);
    return yes;
}

struct files {
    char cert[300], key[300], ca[300];
};

static inline struct dfs_tls_conf conf_of(struct files *f, const char *cert, const char *key,
                                          const char *ca)
{
    snprintf(f->cert, sizeof(f->cert), "%s/%s.crt", dir, cert);
    snprintf(f->key, sizeof(f->key), "%s/%s.key", dir, key);
    snprintf(f->ca, sizeof(f->ca), "%s/%s.crt", dir, ca);
    return (struct dfs_tls_conf){f->cert, f->key, f->ca};
}

static inline struct dfs_tls *member(const char *name, const char *ca)
{
    struct files f;
    struct dfs_tls *t = NULL;
    AUTO(buf_free) struct buf err = BUF(4096);
    const struct dfs_tls_conf conf = conf_of(&f, name, name, ca);
    assert_int_equal(dfs_tls_new(&conf, failed, &t, &err), 0);
    return t;
}

static inline int group_setup(void **state)
{
    (void)state;
    dir = test_tmpdir();
    test_ca_make(dir, "ca");
    test_ca_make(dir, "strange-ca");
    test_cert_make(dir, "ca", "one", 3);
    test_cert_make(dir, "ca", "two", 3);
    test_cert_make(dir, "ca", "longer", 9);
    test_cert_make(dir, "ca", "late", -1);
    test_cert_make(dir, "strange-ca", "foreign", 3);
    return 0;
}

static inline int group_teardown(void **state)
{
    (void)state;
    test_tmpdir_free(&dir);
    return 0;
}

#endif
