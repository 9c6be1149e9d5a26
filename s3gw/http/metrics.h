/* SPDX-License-Identifier: Apache-2.0 */
/*
 * metrics - what the gateway counts, and GET /metrics in Prometheus's text format.
 *
 * Answered without credentials, to clients on this machine only: the figures tell
 * bucket-independent load, but load is nobody else's business. A signed request for the path is an
 * S3 request for a bucket "metrics".
 *
 * Threads: any; made before the first request.
 */
#ifndef S3_HTTP_METRICS_H
#define S3_HTTP_METRICS_H

#include "s3gw/core/req.h"

struct s3_metrics;

int s3_metrics_new(struct s3_metrics **ret) MUST_CHECK; /* 0 or -ENOMEM */
void s3_metrics_free(struct s3_metrics **m);            /* accepts NULL */

/* One request has ended. @e: the error it was answered with, or S3ERR_OK. */
void s3_metrics_request(struct s3_metrics *m, const struct s3_req *q, enum s3err e,
                        uint64_t received, uint64_t sent, uint64_t took_us);
void s3_metrics_connections(struct s3_metrics *m, int by);

/* Was it GET /metrics? Then q->resp holds the answer. */
bool s3_metrics_answer(struct s3_metrics *m, struct s3_req *q);

#endif
