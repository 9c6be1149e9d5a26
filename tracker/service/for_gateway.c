/* SPDX-License-Identifier: Apache-2.0 */
/* What gateways ask: who speaks for the key index (leader/lease.h). */
#include "tracker/service/server.h"

#include "dfscore/base/clock.h"
#include "dfscore/log/log.h"
#include "dfscore/wire/internal.h"

/* Whom we keep is in memory only: whoever asks again has it written again. */
static bool is_unwritten(const struct trk_server *srv)
{
    return srv->lease_seq == TRK_CANNOT_SAVE ||
           (srv->store && trk_store_lost(srv->store, srv->lease_seq));
}

int trk_lease(struct trk_call *c)
{
    struct trk_server *srv = c->srv;
    struct dfs_lease_req m;
    struct dfs_lease_rsp answer;
    int r = dfs_lease_req_get(c->body, &m);
    if (r == 0)
        r = trk_lease_check(&m);
    if (r < 0)
        return r;
    bool changed = trk_lease_ask(&srv->lease, &srv->self.lease, &m, dfs_mono_ms(), &answer);
    if (changed || is_unwritten(srv)) {
        trk_rec_lease(&srv->notes, &srv->self);
        srv->lease_noted = true;
        if (changed && answer.kept != DFS_LEASE_YOURS)
            dfs_log(LOG_INFO, "tracker.lease_granted", KV_Z("gateway", m.name),
                    KV_Z("by", c->s->peer_ip), KV_U64("ttl_ms", (uint64_t)m.ttl_ms));
    }
    answer.trackers = (uint8_t)srv->tracker_count;
    dfs_lease_rsp_put(c->out, &answer);
    return 0;
}
