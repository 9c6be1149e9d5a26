/* SPDX-License-Identifier: Apache-2.0 */
#include "s3gw/standby.h"

#include <stdio.h>
#include <unistd.h>

#include "dfscore/net/addr.h"
#include "dfscore/wire/messages.h"
#include "s3gw/keyindex.h"

static void lease_lost(void *arg)
{
    ((struct s3gw_gateway *)arg)->begin_again();
}

static int start_lease(struct s3gw_gateway *g, struct buf *err)
{
    struct dfs_addr trackers[DFS_TRACKERS_MAX];
    char host[33] = "", name[65];
    struct s3_lease_options o = {.trackers = trackers,
                                 .ntrackers = MIN(g->conf->trackers.n, (size_t)DFS_TRACKERS_MAX),
                                 .ttl_ms = g->conf->lease_ms,
                                 .index_path = g->conf->index_path,
                                 .name = name,
                                 .tenure = &g->tenure,
                                 .lost = lease_lost,
                                 .arg = g};
    int r = s3gw_keyindex_mark(g, &o.mark, err);
    if (r == 0)
        r = s3gw_gateway_know_trackers(g, trackers, o.ntrackers, err);
    if (r < 0)
        return r;
    o.secret = g->secret;
    o.tls = g->tls;
    (void)gethostname(host, sizeof(host) - 1);
    (void)snprintf(name, sizeof(name), "%s, %.28s", host, g->conf->listen);
    r = s3_lease_start(&o, &g->lease);
    if (r == -EBADMSG)
        buf_addf(err,
                 "gateway_lease: %s.lease is damaged, or was written by a newer version; without "
                 "that file this gateway counts as one that never had the lease",
                 g->conf->index_path);
    else if (r < 0)
        buf_addf(err, "gateway_lease: %s.lease cannot be used: %s", g->conf->index_path,
                 strerror(-r));
    return r;
}

void s3gw_standby_status(const struct s3gw_gateway *g, json_t *into)
{
    struct s3_lease_status s;
    if (!g->lease)
        return;
    s3_lease_look(g->lease, &s);
    const char *state = s3_tenure_serves(&g->tenure)  ? "active"
                        : s3_tenure_holds(&g->tenure) ? "taking over"
                                                      : "standby";
    json_object_set_new(into, "lease",
                        json_pack("{s:s, s:s, s:I, s:i, s:i}", "state", state, "other", s.other,
                                  "left_ms", (json_int_t)s.left_ms, "trackers", (int)s.trackers,
                                  "answered", (int)s.answered));
}

static void add_status(void *arg, json_t *into)
{
    s3gw_standby_status(arg, into);
}

int s3gw_standby_start(struct s3gw_gateway *g, struct buf *err)
{
    const struct s3_admin_context c = {.gw = &g->waiting, .status = add_status, .arg = g};
    g->waiting = (struct s3_gw){.region = str_c(g->conf->region),
                                .tenure = &g->tenure,
                                .small = {.limit = g->conf->small_memory}};
    int r = s3gw_gateway_listen(g, &g->waiting, err);
    if (r < 0)
        return r;
    g->conf->port = s3_http_port(g->http); /* the same one, whatever comes */
    r = start_lease(g, err);
    return r < 0 ? r : s3gw_gateway_admin(g, &c, err);
}

int s3gw_standby_claim(struct s3gw_gateway *g, struct buf *err)
{
    struct s3_lease_status s;
    s3_lease_look(g->lease, &s);
    switch (s.news) {
    case S3_LEASE_OURS:
        return 0;
    case S3_LEASE_OTHER_KEY:
        buf_addf(err,
                 "%s.key is not the key of the gateway at %s: copy its file here, or the keys of "
                 "users would be lost",
                 g->conf->index_path, s.other);
        return -EPERM;
    default:
        buf_addf(err, "what has to be kept beside the key index %s cannot be written",
                 g->conf->index_path);
        return -EIO;
    }
}
