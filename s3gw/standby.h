/* SPDX-License-Identifier: Apache-2.0 */
/*
 * standby - what a gateway with gateway_lease is until the lease is its own: a listener and an admin socket that say so, with
 * no index and no storages behind them. It asks for the lease, which stays when s3gw_gateway_start() opens all the rest in
 * place of the listener and the socket.
 *
 * Threads: the main one; s3gw_standby_status() any.
 */
#ifndef S3GW_STANDBY_H
#define S3GW_STANDBY_H

#include <jansson.h>

#include "s3gw/gateway.h"

/* Before s3gw_gateway_start(). 0, or negative errno with one line in @err; then s3gw_gateway_stop(). */
int s3gw_standby_start(struct s3gw_gateway *g, struct buf *err) MUST_CHECK;
/* The lease has news (s3_lease_fd). 0: it is ours, start; else negative errno with one line in @err. */
int s3gw_standby_claim(struct s3gw_gateway *g, struct buf *err) MUST_CHECK;
/* Whose the key index is, for `s3gw admin status`. Nothing without a lease. */
void s3gw_standby_status(const struct s3gw_gateway *g, json_t *into);

#endif
