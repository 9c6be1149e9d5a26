/* SPDX-License-Identifier: Apache-2.0 */
#include "tracker/service/exchange.h"

#include "dfscore/base/clock.h"
#include "dfscore/log/log.h"
#include "tracker/service/merge.h"

bool trk_exchange_whom(struct trk_server *srv, unsigned index, const struct trk_emsg *m,
                       char host[DFS_HOST_MAX], struct buf *body)
{
    trk_lock(srv);
    bool any = srv->me >= 0 && index < srv->tracker_count && (int)index != srv->me;
    if (any) {
        memcpy(host, srv->trackers[index], DFS_HOST_MAX);
        if (m) {
            buf_lstr(body, str_c(srv->trackers[srv->me]));
            trk_emsg_put(body, m);
            trk_put_stat(srv, body);
        }
    }
    trk_unlock(srv);
    return any;
}

/* The list may have changed while we waited. */
static bool still_there(const struct trk_server *srv, unsigned index, const char *host)
{
    return srv->me >= 0 && index < srv->tracker_count && strcmp(srv->trackers[index], host) == 0;
}

bool trk_exchange_answer(struct trk_server *srv, unsigned index, const char *host, struct str rsp,
                         struct trk_emsg *out, uint64_t *wait)
{
    struct rd r = rd_of(rsp);
    struct trk_emsg m;
    struct trk_peer_stat stat;
    *wait = 0;
    if (trk_emsg_get(&r, &m) < 0 || trk_get_stat(&r, &stat) < 0)
        return false;
    trk_lock(srv);
    bool send = false;
    if (still_there(srv, index, host)) {
        srv->peer_stat[index] = stat;
        send = trk_election_answer(srv->election, dfs_mono_ms(), (int)index, &m, out);
        trk_leader_update(srv);
    }
    *wait = trk_unlock(srv);
    return send;
}

bool trk_exchange_due(struct trk_server *srv, uint64_t every_ms, uint64_t *asked_ms)
{
    enum { FIRST_MS = 500 };
    trk_lock(srv);
    bool learning = srv->catching_up;
    trk_unlock(srv);
    uint64_t now = dfs_mono_ms();
    if (*asked_ms && now - *asked_ms < (learning ? (uint64_t)FIRST_MS : every_ms))
        return false;
    *asked_ms = now;
    return true;
}

void trk_exchange_state(struct trk_server *srv, unsigned index, const char *host, struct str rsp)
{
    struct rd rd = rd_of(rsp);
    bool learning_too = rd_u8(&rd);
    if (rd.bad)
        return;
    trk_lock(srv);
    int r = trk_merge(&srv->cluster, str_from(rsp, 1));
    /* One who is learning itself and knows nothing proves nothing, unless all are like that: then
     * nobody of us has ever had a storage. */
    if (r == 0 && srv->catching_up && (!learning_too || srv->cluster.n > 0))
        srv->catching_up = false;
    if (r == 0 && srv->catching_up && still_there(srv, index, host)) {
        srv->fresh_peers |= UINT32_C(1) << index;
        unsigned count = (unsigned)__builtin_popcount(srv->fresh_peers);
        srv->catching_up = count + 1 <= srv->tracker_count / 2; /* a majority is new, as we are */
    }
    trk_leader_update(srv);
    trk_unlock(srv);
    if (r < 0)
        dfs_log(LOG_WARN, "tracker.peer_state_unusable", KV_Z("peer", host), KV_ERR(r));
}
