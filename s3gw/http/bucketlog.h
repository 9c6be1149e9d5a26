/* SPDX-License-Identifier: Apache-2.0 */
/*
 * bucketlog - a finished request as a line for the bucket it was about, if that bucket keeps server
 * access logs (notify/logline.h, notify/serverlog.h). Costs others nothing.
 *
 * Threads: the HTTP thread of the exchange.
 */
#ifndef S3_HTTP_BUCKETLOG_H
#define S3_HTTP_BUCKETLOG_H

#include "s3gw/http/exchange.h"

bool s3_bucketlog_wanted(const struct s3_req *q);
void s3_bucketlog_write(const struct s3_exchange *x, uint64_t took_us);

#endif
