/* SPDX-License-Identifier: Apache-2.0 */
/*
 * server - the HTTP front: libmicrohttpd with one epoll thread per core, and the workers behind it.
 * Threads: start, drain and stop from the main thread.
 */
#ifndef S3_HTTP_SERVER_H
#define S3_HTTP_SERVER_H

#include "s3gw/core/gw.h"

struct s3_http;

struct s3_http_options {
    struct s3_gw *gw; /* outlives the server */
    int listener;     /* of s3_http_bind; taken over, on errors too */
    /* PEM files, whose paths outlive the server; both NULL: plain HTTP */
    const char *tls_cert, *tls_key;
    const char *congestion; /* TCP congestion control, "cubic"; NULL: the system's */
    const char *access_log; /* file for one line per request; NULL: none */
    unsigned threads;       /* HTTP threads; 0: one per core */
    unsigned workers;       /* threads for what may block; > 0, as the next two */
    unsigned connections_max;
    unsigned idle_timeout_s;
};

/*
 * A socket for the listener, that refuses connections until the server starts: who else has the address is
 * known before anything slow begins. @host is an address or a name ("127.0.0.1", "::", "localhost"), port
 * 0 any free one. 0; negative errno, -EADDRNOTAVAIL for a name nobody knows.
 */
int s3_http_bind(const char *host, uint16_t port, int *ret) MUST_CHECK;
/* 0; negative errno; *what says in a few words which setting is wrong (a static string). */
int s3_http_start(const struct s3_http_options *o, struct s3_http **ret,
                  const char **what) MUST_CHECK;
uint16_t s3_http_port(const struct s3_http *h);
/* Stop accepting; wait up to @timeout_ms for requests under way. True: none is left. */
bool s3_http_drain(struct s3_http *h, unsigned timeout_ms);
/* Ends what is left, too. */
void s3_http_stop(struct s3_http **h);
/* Read certificate and key again, for the connections that follow, and log what came of it. Plain HTTP: nothing. */
void s3_http_renew_certificate(struct s3_http *h);
/* Reopen the access log (after rotation). 0 or negative errno. */
int s3_http_reopen_log(struct s3_http *h);

struct s3_http_counts {
    uint64_t requests, errors_4xx, errors_5xx; /* since start */
    unsigned connections, in_flight;           /* now */
};
void s3_http_counts(const struct s3_http *h, struct s3_http_counts *ret);

#endif
