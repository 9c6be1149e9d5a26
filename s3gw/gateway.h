/* SPDX-License-Identifier: Apache-2.0 */
/*
 * gateway - everything a running S3 server consists of, opened in order and closed in reverse: index, root
 * user, storages, reclaimer, lifecycle worker, HTTP, admin socket. Shared by `standalone` and `serve`.
 *
 * Threads: the main thread starts and stops it; the parts have threads of their own.
 */
#ifndef S3GW_GATEWAY_H
#define S3GW_GATEWAY_H

#include "s3gw/admin/socket.h"
#include "s3gw/core/gw.h"
#include "s3gw/core/tenure.h"
#include "s3gw/http/server.h"
#include "s3gw/lease/lease.h"
#include "s3gw/lifecycle/rebalance.h"
#include "s3gw/lifecycle/reclaim.h"
#include "s3gw/lifecycle/worker.h"
#include "s3gw/notify/sender.h"
#include "s3gw/policy/rate.h"
#include "s3gw/s3gw_conf.h"
#include "s3gw/supervisor/rootkeys.h"
#include "s3gw/supervisor/supervisor.h"

struct s3gw_gateway {
    struct s3gw_conf *conf; /* outlives it */
    bool rebuild;           /* set the index aside and make a new one from the storages */
    struct s3_gw gw;
    struct dfs_secret *secret;    /* of the cluster; NULL: none */
    struct dfs_tls *tls;          /* with the cluster; NULL: plain */
    struct s3_dfs_copies *copies; /* min_copies, as parsed; owned */
    struct s3_rates rates;
    /* With gateway_lease; all of it unused without. */
    struct s3_lease *lease;
    struct s3_tenure tenure;
    struct s3_gw waiting;             /* what a standby's listener and admin socket know */
    void (*begin_again)(void);        /* become this program anew, at once; does not return */
    struct s3_supervisor *supervisor; /* asked for signals while the index is made anew */
    bool no_orphans;                  /* the index could not be compared with the storages */
    struct s3_reclaim *reclaim;
    struct s3_life_worker *lifecycle;
    struct s3_rebalance *rebalance;
    struct s3_sender_target *targets; /* of notifications; texts are the setting's, cut in two */
    bool bound;                       /* listener is ours: bound, and not yet taken by http */
    int listener;
    struct s3_http *http;
    struct s3_admin *admin;
    /* More for the answer of `s3gw admin status`; may be NULL. */
    void (*status)(void *arg, json_t *into);
    void *status_arg;
};

/*
 * Claim the address clients connect to, before anything slow begins; start does it else. 0, or negative
 * errno with one line in @err.
 */
int s3gw_gateway_bind(struct s3gw_gateway *g, struct buf *err) MUST_CHECK;
/*
 * Start. @root (may be NULL): root's keys, which replace what the index has. 0, or negative errno with
 * one line for a human in @err (-EINTR: none, a signal asks to stop); what was opened is closed again.
 */
int s3gw_gateway_start(struct s3gw_gateway *g, const struct s3_root_keys *root,
                       struct buf *err) MUST_CHECK;
/* Let requests in progress end, then stop everything; idempotent. */
void s3gw_gateway_stop(struct s3gw_gateway *g);
/* SIGHUP: open log files anew. */
void s3gw_gateway_reload(struct s3gw_gateway *g);

/* ---- parts that a standby (standby.h) needs, too. 0, or negative errno with one line in @err ---- */

/* Who we are for the trackers, and where the first @n of them are. */
int s3gw_gateway_know_trackers(struct s3gw_gateway *g, struct dfs_addr *trackers, size_t n,
                               struct buf *err) MUST_CHECK;
/* A listener with @gw behind it, and an admin socket (when there is to be one) with @c; in place of the one before. */
int s3gw_gateway_listen(struct s3gw_gateway *g, struct s3_gw *gw, struct buf *err) MUST_CHECK;
int s3gw_gateway_admin(struct s3gw_gateway *g, const struct s3_admin_context *c,
                       struct buf *err) MUST_CHECK;

#endif
