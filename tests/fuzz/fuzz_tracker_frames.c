/* SPDX-License-Identifier: Apache-2.0 */
/*
 * fuzz_tracker_frames - arbitrary requests to the tracker's command table, from two servers and a
 * stranger. No request stops it; an error has no body; every record keeps its invariants; what it
 * then knows can be written down, read back, and told to another tracker.
 *
 * Input: requests one after the other: session (low 2 bits; 3: the session closes and opens anew; the byte is the request's
 * status as well), command, length u16 big endian, body.
 */
#include "dfscore/base/clock.h"
#include "dfscore/log/log.h"
#include "tracker/service/merge.h"
#include "tracker/service/server.h"

enum { SESSIONS = 3, REQUESTS_MAX = 200 };

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static uint64_t ticks_us;

static int64_t fake_now(void)
{
    return INT64_C(1700000000000) + (int64_t)(ticks_us / 1000);
}

static uint64_t fake_mono(void)
{
    return ticks_us += 250000;
}

static const struct dfs_clock_hook hook = {fake_now, fake_mono};

static void open_session(struct trk_server *srv, struct trk_session *s, unsigned i)
{
    memset(s, 0, sizeof(*s));
    snprintf(s->peer_ip, sizeof(s->peer_ip), "10.77.0.%u", 11 + i);
    memcpy(s->local_ip, "10.77.0.1", 10);
    s->server = i < 2;
    trk_session_open(srv, s);
}

static void check_cluster(const struct trk_cluster *c)
{
    for (unsigned i = 0; i < c->n; i++) {
        const struct trk_group *g = c->groups[i];
        ASSERT(i == 0 || strcmp(c->groups[i - 1]->name, g->name) < 0);
        for (unsigned j = 0; j < g->n; j++) {
            trk_node_check(g->nodes[j]);
            ASSERT(g->nodes[j]->group == g);
            ASSERT(j == 0 || strcmp(g->nodes[j - 1]->id, g->nodes[j]->id) < 0);
        }
    }
}

/* What is written down is read back as much as it was. */
static void check_records(const struct trk_server *srv)
{
    AUTO(buf_free) struct buf image = BUF(16 << 20);
    struct trk_cluster copy, peer;
    struct trk_self self = {0};
    struct trk_rec rec;
    (void)trk_rec_all(&image, &srv->cluster, &srv->self);
    ASSERT(buf_err(&image) == 0);
    trk_cluster_init(&copy);
    trk_cluster_init(&peer);
    struct str rest = buf_str(&image);
    int r;
    while ((r = trk_rec_next(&rest, &rec)) == 1)
        ASSERT(trk_rec_apply(&copy, &self, &rec) == 0);
    ASSERT(r == 0 && copy.n == srv->cluster.n);
    const struct trk_lease_kept *kept = &srv->self.lease;
    ASSERT(self.lease.holder == kept->holder && self.lease.ttl_ms == kept->ttl_ms &&
           self.lease.mark == kept->mark && strcmp(self.lease.name, kept->name) == 0);
    for (unsigned i = 0; i < copy.n; i++)
        ASSERT(copy.groups[i]->n == srv->cluster.groups[i]->n);
    ASSERT(trk_merge(&peer, buf_str(&image)) == 0);
    ASSERT(peer.n == srv->cluster.n);
    check_cluster(&copy);
    check_cluster(&peer);
    trk_cluster_fini(&copy);
    trk_cluster_fini(&peer);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const struct trk_ids no_ids;
    const struct trk_server_opts o = {
        .ipw = size & 1 ? DFS_IPW4 : DFS_IPW6,
        .check_active_ms = 100000,
        .election_ms = 3000,
        .deleted_keep_ms = 5000,
        .params = STR("use_storage_id=0\n"),
        .ids = &no_ids,
        .select = {.store_group = "",
                   .use_trunk = size & 2,
                   .max_delay_s = 86400,
                   .max_time_s = 300},
    };
    struct trk_server *srv;
    struct trk_session s[SESSIONS];
    dfs_log_threshold = LOG_ERROR;
    dfs_clock_hook = &hook;
    ticks_us = 1000000;
    if (trk_server_new(&o, &srv) < 0)
        return 0;
    srv->port = 22122;
    trk_add_own(srv, "10.77.0.1");
    for (unsigned i = 0; i < SESSIONS; i++)
        open_session(srv, &s[i], i);
    AUTO(buf_free) struct buf out = BUF(16 << 20);
    struct rd r = rd_of(str_of(data, size));
    for (int i = 0; r.n > 3 && i < REQUESTS_MAX; i++) {
        unsigned who = rd_u8(&r);
        uint8_t cmd = rd_u8(&r);
        size_t len = rd_u16(&r);
        struct str body = rd_bytes(&r, MIN(len, r.n));
        uint64_t wait;
        if ((who & 3) == 3) {
            unsigned again = (who >> 2) % SESSIONS;
            trk_session_close(srv, &s[again]);
            open_session(srv, &s[again], again);
            srv->catching_up = false;
            trk_server_tick(srv);
            continue;
        }
        buf_reset(&out);
        int e = trk_dispatch(srv, &s[who & 3], cmd, (uint8_t)who, body, &out, &wait);
        ASSERT(e <= 0 && e > -256 && (e == 0 || out.n == 0));
        check_cluster(&srv->cluster);
    }
    check_records(srv);
    for (unsigned i = 0; i < SESSIONS; i++)
        trk_session_close(srv, &s[i]);
    trk_server_free(&srv);
    return 0;
}
