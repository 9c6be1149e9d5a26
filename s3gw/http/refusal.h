/* SPDX-License-Identifier: Apache-2.0 */
/*
 * refusal - what libmicrohttpd refuses by itself (a head that is no HTTP, too large, with a broken
 * Content-Length, without Host) is answered as S3 answers: an error document with a request id.
 *
 * The library has no callback for it: it makes a page of HTML and calls its own
 * MHD_queue_response(). refusal.c defines that symbol in this program, which the dynamic linker
 * prefers; so a call of it is the library's own. Ours go through s3_queue_response(). Were the
 * library ever built so that it calls itself directly, its pages would be sent as they are:
 * test_http.py would say so.
 *
 * Rule: s3-behaviours 1 and 8. Threads: the connection's HTTP thread.
 */
#ifndef S3_REFUSAL_H
#define S3_REFUSAL_H

#include <microhttpd.h>

struct s3_req;

/*
 * Write q->resp (status, headers, body) as the last answer of a connection, past the library, which has sent
 * nothing of another one and closes the connection next. What does not fit into the socket's buffer is lost.
 */
void s3_refusal_write(struct MHD_Connection *conn, const struct s3_req *q);

/* The library's MHD_queue_response(). */
enum MHD_Result s3_queue_response(struct MHD_Connection *conn, unsigned status,
                                  struct MHD_Response *response);

#endif
