/* SPDX-License-Identifier: Apache-2.0 */
/*
 * webhook - one JSON document to one URL, by libcurl. Only http and https, no redirects, no proxies
 * of the environment; the answer's body is thrown away, its status counts.
 *
 * Threads: a webhook belongs to one at a time. Blocks up to the timeout.
 */
#ifndef S3_NOTIFY_WEBHOOK_H
#define S3_NOTIFY_WEBHOOK_H

#include "dfscore/base/str.h"

struct s3_webhook;

/* @stop (may be NULL): once true, a post under way is given up. */
int s3_webhook_new(unsigned timeout_ms, const _Atomic bool *stop,
                   struct s3_webhook **ret) MUST_CHECK;
void s3_webhook_free(struct s3_webhook **w);

/* "http://" or "https://", a host, the rest as libcurl takes it: what a post can be tried to.
 * False without memory, too. */
bool s3_webhook_url_ok(struct str url);

/* 0: answered 2xx. -EREMOTEIO: another status; -ECANCELED: stopped; -ETIMEDOUT, -EHOSTUNREACH,
 * -EINVAL (no URL of ours), -ENOMEM. */
int s3_webhook_post(struct s3_webhook *w, const char *url, struct str json) MUST_CHECK;

#endif
