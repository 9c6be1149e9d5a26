/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The list of trackers, where we are in it, and who leads.
 *
 * The list is the one of our configuration, or what the storages said when they joined (the
 * reference's only source, protocol 6.1). It is kept sorted, so that an index means the same on
 * every tracker that has the same list; its checksum travels with every election message.
 */
#include <isa-l/crc.h>

#include "dfscore/base/clock.h"
#include "dfscore/log/log.h"
#include "tracker/service/server.h"

static int by_text(const void *a, const void *b)
{
    return strcmp(a, b);
}

static uint32_t voters_sum(const struct trk_server *srv)
{
    return crc32_gzip_refl(0, (const unsigned char *)srv->trackers,
                           srv->tracker_count * sizeof(srv->trackers[0]));
}

static int find_tracker(const struct trk_server *srv, const char *host)
{
    for (unsigned i = 0; i < srv->tracker_count; i++) {
        if (strcmp(srv->trackers[i], host) == 0)
            return (int)i;
    }
    return -1;
}

static bool is_me(const struct trk_server *srv, const char *host)
{
    struct dfs_addr a;
    return dfs_addr_parse(str_c(host), 0, &a) == 0 && trk_is_own(srv, &a);
}

/* A new list is a new electorate: begin as a follower who has promised nothing in it. */
static void begin_election(struct trk_server *srv)
{
    qsort(srv->trackers, srv->tracker_count, sizeof(srv->trackers[0]), by_text);
    memset(srv->peer_stat, 0, sizeof(srv->peer_stat));
    srv->me = -1;
    for (unsigned i = 0; i < srv->tracker_count && srv->me < 0; i++) {
        if (is_me(srv, srv->trackers[i]))
            srv->me = (int)i;
    }
    if (srv->me < 0)
        return;
    struct trk_election_opts o = {
        .n = srv->tracker_count,
        .me = srv->me,
        .voters = voters_sum(srv),
        .timeout_ms = srv->o.election_ms,
        .seed = dfs_mono_us() * UINT64_C(2654435761) + srv->port,
    };
    trk_election_init(srv->election, &o, srv->self.term, find_tracker(srv, srv->self.voted_for),
                      dfs_mono_ms());
    trk_leader_update(srv);
    if (srv->trackers_changed)
        srv->trackers_changed(srv->trackers_arg);
}

/* We go by the first address of our line, also on a machine that has only the other one now. */
static void own_by_either(struct trk_server *srv, const struct dfs_addr *a)
{
    struct dfs_addr other = {.port = a->port};
    memcpy(other.host, a->alt, sizeof(a->alt));
    if (other.host[0] && trk_is_own(srv, &other))
        trk_add_own(srv, a->host);
}

int trk_trackers_fix(struct trk_server *srv, const struct dfs_addr *list, size_t n)
{
    ASSERT(n > 0 && n <= DFS_TRACKERS_MAX);
    srv->trackers_fixed = true;
    srv->tracker_count = 0;
    for (size_t i = 0; i < n; i++) {
        char host[DFS_HOST_MAX] = "";
        if (strlen(list[i].host) >= DFS_IP_MAX)
            return -EINVAL;
        own_by_either(srv, &list[i]);
        trk_host_text(list[i].host, list[i].port, host);
        if (find_tracker(srv, host) < 0)
            memcpy(srv->trackers[srv->tracker_count++], host, sizeof(host));
    }
    begin_election(srv);
    return srv->me < 0 ? -EINVAL : 0;
}

void trk_trackers_restore(struct trk_server *srv)
{
    memcpy(srv->trackers, srv->self.trackers, sizeof(srv->trackers));
    srv->tracker_count = srv->self.tracker_count;
    if (srv->tracker_count)
        begin_election(srv);
}

/* The entry a storage means us by: an address of ours, or the very name it connected to. */
static bool names_us(const struct trk_server *srv, const struct trk_session *s, const char *asked,
                     const struct dfs_addr *a)
{
    if (a->port != srv->port || !a->host[0])
        return false;
    return trk_is_own(srv, a) || strcmp(a->host, s->local_ip) == 0 || strcmp(a->host, asked) == 0;
}

static bool already_there(const struct trk_server *srv, const struct trk_session *s,
                          const char *asked, const struct dfs_addr *a)
{
    char host[DFS_HOST_MAX] = "";
    if (strlen(a->host) >= DFS_IP_MAX)
        return true; /* no place for it in a list */
    trk_host_text(a->host, a->port, host);
    return find_tracker(srv, host) >= 0 || (srv->me >= 0 && names_us(srv, s, asked, a));
}

int trk_trackers_check(const struct trk_server *srv, const struct trk_session *s, const char *asked,
                       const struct dfs_addr *list, size_t n)
{
    bool us = false;
    size_t more = 0;
    for (size_t i = 0; i < n; i++) {
        us = us || names_us(srv, s, asked, &list[i]);
        more += !already_there(srv, s, asked, &list[i]);
    }
    if (!us)
        return -ENOENT;
    return !srv->trackers_fixed && srv->tracker_count + more > DFS_TRACKERS_MAX ? -ENOSPC : 0;
}

void trk_trackers_learn(struct trk_server *srv, const struct trk_session *s, const char *asked,
                        const struct dfs_addr *list, size_t n)
{
    bool news = false;
    for (size_t i = 0; i < n && !srv->trackers_fixed; i++) {
        bool us = names_us(srv, s, asked, &list[i]);
        if (us)
            trk_add_own(srv, list[i].host);
        if (already_there(srv, s, asked, &list[i]) || srv->tracker_count >= DFS_TRACKERS_MAX)
            continue;
        memset(srv->trackers[srv->tracker_count], 0, DFS_HOST_MAX);
        trk_host_text(list[i].host, list[i].port, srv->trackers[srv->tracker_count++]);
        news = true;
        if (us)
            srv->me = 0; /* there is one of us now; its place comes with the sort */
    }
    if (!news)
        return;
    begin_election(srv);
    memcpy(srv->self.trackers, srv->trackers, sizeof(srv->trackers));
    srv->self.tracker_count = srv->tracker_count;
    trk_rec_trackers(&srv->notes, &srv->self);
    dfs_log(LOG_INFO, "tracker.trackers_learned", KV_U64("count", srv->tracker_count));
}

/* --- who leads ------------------------------------------------------------------------------ */

static void save_vote(struct trk_server *srv)
{
    struct trk_election *e = srv->election;
    if (!e->must_save)
        return;
    e->must_save = false;
    srv->self.term = e->term;
    memset(srv->self.voted_for, 0, sizeof(srv->self.voted_for));
    if (e->voted >= 0)
        memcpy(srv->self.voted_for, srv->trackers[e->voted], DFS_HOST_MAX);
    trk_rec_vote(&srv->notes, &srv->self);
}

static void note_leader(struct trk_server *srv)
{
    int i = trk_election_leader(srv->election, dfs_mono_ms());
    const char *host = i >= 0 ? srv->trackers[i] : "";
    if (strcmp(srv->leader, host) == 0)
        return;
    memcpy(srv->leader, i >= 0 ? host : (char[DFS_HOST_MAX]){0}, DFS_HOST_MAX);
    srv->leader_version++;
    dfs_log(LOG_INFO, "tracker.leader", KV_Z("leader", host[0] ? host : "none"),
            KV_U64("term", srv->election->term));
}

void trk_leader_update(struct trk_server *srv)
{
    if (srv->me < 0)
        return;
    /* One without groups has nothing to lead (semantics 5), nor has one that is still learning. */
    srv->election->eligible = srv->cluster.n > 0 && !srv->catching_up;
    struct trk_emsg none;
    if (srv->tracker_count == 1)
        (void)trk_election_tick(srv->election, dfs_mono_ms(), &none);
    save_vote(srv);
    note_leader(srv);
}

bool trk_election_poll(struct trk_server *srv, struct trk_emsg *out)
{
    if (srv->me < 0)
        return false;
    srv->election->eligible = srv->cluster.n > 0 && !srv->catching_up;
    bool send = trk_election_tick(srv->election, dfs_mono_ms(), out);
    save_vote(srv);
    note_leader(srv);
    return send;
}
