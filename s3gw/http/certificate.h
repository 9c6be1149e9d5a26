/* SPDX-License-Identifier: Apache-2.0 */
/*
 * certificate - what HTTPS shows, in memory, to be read again while connections come.
 *
 * libmicrohttpd keeps the certificate it is given for its life; a callback of its makes GnuTLS ask us at
 * every handshake instead. GnuTLS gets copies, which are its own: a handshake under way is not disturbed by
 * a reload. The callback is told the session alone, so there is one certificate a process.
 *
 * Cost: a copy of the key a handshake, little beside its signature. Threads: any.
 */
#ifndef S3_CERTIFICATE_H
#define S3_CERTIFICATE_H

#include <gnutls/abstract.h>
#include <gnutls/gnutls.h>

#include "dfscore/base/base.h"

/*
 * Take chain and key of these PEM files. 0; negative errno, and the one there was stays: *what says in a few
 * words what is wrong (a static string), -EINVAL with "not the key of the certificate".
 */
int s3_certificate_load(const char *cert, const char *key, const char **what) MUST_CHECK;
int64_t s3_certificate_days_left(void); /* of the server's own one; there must be one */
void s3_certificate_forget(void);       /* no handshake may be under way any more */

/* A gnutls_certificate_retrieve_function3. */
int s3_certificate_give(gnutls_session_t session, const struct gnutls_cert_retr_st *info,
                        gnutls_pcert_st **certs, unsigned *ncerts, gnutls_ocsp_data_st **ocsp,
                        unsigned *nocsp, gnutls_privkey_t *key, unsigned *flags);

#endif
