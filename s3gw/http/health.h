/* SPDX-License-Identifier: Apache-2.0 */
/*
 * health - GET /health/live and /health/ready, without credentials; for load balancers and
 * supervisors. A signed request for the same path is an S3 request for the bucket "health".
 */
#ifndef S3_HEALTH_H
#define S3_HEALTH_H

#include "s3gw/core/req.h"

/* Was it one of them? Then q->resp holds the answer: 200, or 503 naming what is not ready. Never
 * blocks. */
bool s3_health_answer(struct s3_req *q);

#endif
