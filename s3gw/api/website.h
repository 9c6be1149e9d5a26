/* SPDX-License-Identifier: Apache-2.0 */
/*
 * website - a bucket seen through its website host name: pages, redirects, error pages. Always
 * anonymous, GET and HEAD only.
 *
 * Rule: s3-behaviours 22, "Website"; Amazon S3 User Guide, "Website endpoints".
 */
#ifndef S3_API_WEBSITE_H
#define S3_API_WEBSITE_H

#include "s3gw/core/req.h"

/* The error page of a request to a website host (q->website): headers and, unless HEAD, HTML. */
void s3_website_fail(struct s3_req *q, enum s3err e);

#endif
