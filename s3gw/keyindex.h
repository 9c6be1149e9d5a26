/* SPDX-License-Identifier: Apache-2.0 */
/*
 * keyindex - the key index at the start of a gateway: opened, compared with the storages, made anew
 * when that was asked for.
 *
 * Threads: the main thread. Results: 0, or negative errno with one line for a human in @err.
 */
#ifndef S3GW_KEYINDEX_H
#define S3GW_KEYINDEX_H

#include "s3gw/gateway.h"

/* INDEX.key, read or made, as a number that tells it from others: gateways of one cluster need the same. */
int s3gw_keyindex_mark(struct s3gw_gateway *g, uint64_t *ret, struct buf *err) MUST_CHECK;
/* Open it; for a rebuild the old one is set aside, unless that is a rebuild begun before. */
int s3gw_keyindex_open(struct s3gw_gateway *g, struct buf *err) MUST_CHECK;
/* With storages: rebuild, or refuse an index that is older than the store; with a lease make that one anew instead.
 * Before anything is written to it. */
int s3gw_keyindex_check(struct s3gw_gateway *g, struct buf *err) MUST_CHECK;
/* Then: what has to be noted once for all (lifecycle/baseline.h). */
int s3gw_keyindex_describe(struct s3gw_gateway *g, struct buf *err) MUST_CHECK;

#endif
