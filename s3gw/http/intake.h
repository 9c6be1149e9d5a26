/* SPDX-License-Identifier: Apache-2.0 */
/*
 * intake - the body of a request, from pieces as they arrive to the operation's sink, or, of XML operations,
 * to x->whole. A form's fields come before its data.
 *
 * What goes wrong becomes x->result, and the sink is dropped; what arrives after that is counted and forgotten.
 * Threads: the HTTP thread of the connection.
 */
#ifndef S3_INTAKE_H
#define S3_INTAKE_H

#include "dfscore/base/str.h"

struct s3_exchange;

/* The head was judged and the body is wanted (x->result is PENDING). */
void s3_intake_open(struct s3_exchange *x);
/* Some bytes. What is left of *in, when the connection was suspended, will come again. */
void s3_intake_take(struct s3_exchange *x, struct str *in);
/* The body is complete: digests, checksums, q->body. */
void s3_intake_finish(struct s3_exchange *x);

#endif
