/* SPDX-License-Identifier: Apache-2.0 */
#include "tracker/service/merge.h"

#include "dfscore/log/log.h"

/* A change further ahead of us than this comes from a broken clock, and would win for ever. */
#define CLOCKS_APART_US (INT64_C(24) * 3600 * 1000000)

/* True: theirs is later, and ours now. Two trackers that have seen one stamp may both use the next. */
static bool take_drain(struct trk_cluster *c, struct trk_drain *mine,
                       const struct trk_drain *theirs)
{
    bool later = theirs->set_us > mine->set_us ||
                 (theirs->set_us == mine->set_us && theirs->state > mine->state);
    if (!later || theirs->set_us - c->last_change_us >= CLOCKS_APART_US)
        return false;
    trk_cluster_now(c, theirs->set_us);
    *mine = *theirs;
    return true;
}

/* Leaders of two times may have counted to one number: then all take the same one of the two. */
static bool trunk_server_is_later(const struct trk_group *theirs, const struct trk_group *g)
{
    if (theirs->trunk_version != g->trunk_version)
        return theirs->trunk_version > g->trunk_version;
    return strcmp(theirs->trunk_server, g->trunk_server) > 0;
}

static void take_trunk_server(struct trk_cluster *c, struct trk_group *g,
                              const struct trk_group *theirs)
{
    bool later = trunk_server_is_later(theirs, g);
    if (!later && theirs->trunk_file_id <= g->trunk_file_id)
        return;
    g->trunk_file_id = MAX(g->trunk_file_id, theirs->trunk_file_id);
    if (later) {
        memcpy(g->trunk_server, theirs->trunk_server, sizeof(g->trunk_server));
        memcpy(g->last_trunk_server, theirs->last_trunk_server, sizeof(g->last_trunk_server));
        g->trunk_version = theirs->trunk_version;
        for (unsigned i = 0; i < g->n; i++)
            g->nodes[i]->told_trunk = 0;
    }
    trk_group_changed(c, g);
}

static int merge_group(struct trk_cluster *c, struct str payload)
{
    struct trk_group theirs, *g;
    int r = trk_rec_group_get(payload, &theirs);
    if (r < 0)
        return r;
    bool known = trk_group_find(c, theirs.name) != NULL;
    r = trk_group_get(c, theirs.name, &g);
    if (r < 0)
        return r == -EINVAL ? -EBADMSG : r;
    if (!known) {
        g->port = theirs.port;
        g->path_count = theirs.path_count;
        g->subdir_count = theirs.subdir_count;
    }
    take_trunk_server(c, g, &theirs);
    bool taken = take_drain(c, &g->drain, &theirs.drain);
    for (unsigned i = 0; i < ARRAY_LEN(g->path_drain); i++)
        taken = take_drain(c, &g->path_drain[i], &theirs.path_drain[i]) || taken;
    if (taken)
        trk_group_changed(c, g);
    return 0;
}

/* By its stamp; of two changes with one stamp all take the same. */
static bool is_later(const struct trk_node *theirs, const struct trk_node *n)
{
    if (theirs->mod_us != n->mod_us)
        return theirs->mod_us > n->mod_us;
    return trk_status_reloaded(theirs->status) < trk_status_reloaded(n->status);
}

enum verdict { TAKE, KEEP, INSIST };

/*
 * Theirs has the later stamp, but stamps come from wall clocks, which may be wrong by hours. What does not:
 *
 *   - a server that is joined here tells us itself; a peer's word counts when it was removed in this very life of it
 *     before it was complete, or has to fill again since it was removed, or when its source tells the trackers about
 *     it (SYNCING, 76), which FastDFS's does once
 *   - between two starts of it a server becomes complete, not the other way round
 *   - one that was removed comes back as a new one, which first joined later, or has to fill again
 */
static enum verdict judge(const struct trk_node *n, const struct trk_node *other)
{
    bool same_life = n->up_time == other->up_time;
    bool complete = trk_status_complete(n->status), member = trk_status_member(other->status);
    bool less = member && !trk_status_complete(other->status) && other->status != DFS_ST_RECOVERY;
    if (n->session && trk_status_complete(other->status) && n->status != DFS_ST_SYNCING)
        return KEEP;
    if (n->session && !member && !same_life)
        return KEEP;
    if (n->session && complete && !(member && other->refill))
        return KEEP;
    if (!trk_status_member(n->status))
        return member && n->join_time == other->join_time && !other->refill ? INSIST : TAKE;
    if (complete && less && same_life && !other->refill)
        return INSIST;
    return TAKE;
}

static void take_membership(struct trk_cluster *c, struct trk_node *n,
                            const struct trk_node *theirs)
{
    switch (judge(n, theirs)) {
    case KEEP:
        return;
    case INSIST:
        trk_node_changed(c, n); /* with a later stamp, for all to hear */
        return;
    case TAKE:
        break;
    }
    trk_node_set_status(c, n, trk_status_reloaded(theirs->status));
    memcpy(n->sync_source, theirs->sync_source, sizeof(n->sync_source));
    n->sync_until = theirs->sync_until;
    n->refill = theirs->refill;
    if (!n->session) {
        n->join_time = theirs->join_time;
        n->up_time = theirs->up_time;
    }
    trk_node_changed(c, n);
    /* Not a change of ours: keep its time, or two trackers would outbid each other for ever. */
    n->mod_us = theirs->mod_us;
}

static void fill_new(struct trk_node *n, struct trk_node *theirs)
{
    memcpy(n->ip, theirs->ip, sizeof(n->ip));
    n->port = theirs->port;
    memcpy(n->version, theirs->version, sizeof(n->version));
    n->join_time = theirs->join_time;
    n->up_time = theirs->up_time;
    n->upload_priority = theirs->upload_priority;
    n->path_count = theirs->path_count;
    n->paths = TAKE(theirs->paths);
    n->total_mb = theirs->total_mb;
    n->free_mb = theirs->free_mb;
    n->stat = theirs->stat;
    n->beat_s = theirs->beat_s;
    n->last_synced_s = theirs->last_synced_s;
}

static void take_positions(struct trk_node *n, const struct trk_node_image *im)
{
    if (!trk_status_complete(n->status))
        return; /* it starts over: what it had does not count */
    for (unsigned i = 0; i < im->synced_count; i++) {
        const struct trk_node *source = trk_node_find(n->group, im->synced[i].id);
        if (source)
            n->synced_s[source->slot] = MAX(n->synced_s[source->slot], im->synced[i].s);
    }
}

static int merge_node(struct trk_cluster *c, struct str payload)
{
    AUTO(trk_node_image_fini) struct trk_node_image im;
    int r = trk_rec_node_get(payload, &im);
    struct trk_group *g = r < 0 ? NULL : trk_group_find(c, im.group);
    if (r < 0 || !g)
        return r < 0 ? r : -EBADMSG;
    struct trk_node *n = trk_node_find(g, im.node.id);
    if (!n && !trk_status_member(im.node.status) && im.node.mod_us < c->forget_before_us)
        return 0; /* we have forgotten it, it will */
    if (!n) {
        r = trk_node_add(c, g, im.node.id, &n);
        if (r < 0)
            return r;
        n->mod_us = 0;
        fill_new(n, &im.node);
        dfs_log(LOG_INFO, "tracker.storage_heard_of", KV_Z("group", g->name), KV_Z("id", n->id),
                KV_Z("status", dfs_server_status_name(im.node.status)));
    }
    if (is_later(&im.node, n) && im.node.mod_us - c->last_change_us < CLOCKS_APART_US) {
        /* What we change from now on comes after what we have seen, whatever our clock says. */
        trk_cluster_now(c, im.node.mod_us);
        take_membership(c, n, &im.node);
    }
    if (take_drain(c, &n->drain, &im.node.drain)) {
        int64_t mod_us = n->mod_us; /* as take_membership does */
        trk_node_changed(c, n);
        n->mod_us = mod_us;
    }
    take_positions(n, &im);
    trk_node_check(n);
    return 0;
}

static bool has_line(const struct trk_cluster *c, const struct trk_log_line *l)
{
    for (unsigned i = 0; i < c->log_n; i++) {
        const struct trk_log_line *mine = &c->log[i];
        if (mine->status == l->status && strcmp(mine->group, l->group) == 0 &&
            strcmp(mine->id, l->id) == 0 && strcmp(mine->arg, l->arg) == 0)
            return true;
    }
    return false;
}

/* Numbers of lines are each tracker's own: compare what they say, not how they are counted. */
static int merge_log(struct trk_cluster *c, struct str payload)
{
    uint64_t number;
    struct trk_log_line l;
    int r = trk_rec_log_get(payload, &number, &l);
    if (r < 0 || has_line(c, &l) || trk_log_is_past(c, &l))
        return r;
    return trk_log_add(c, &l);
}

int trk_merge(struct trk_cluster *c, struct str records)
{
    struct trk_rec rec;
    int r;
    while ((r = trk_rec_next(&records, &rec)) == 1) {
        int e = 0;
        if (rec.type == TRK_REC_GROUP)
            e = merge_group(c, rec.payload);
        else if (rec.type == TRK_REC_NODE)
            e = merge_node(c, rec.payload);
        else if (rec.type == TRK_REC_LOG)
            e = merge_log(c, rec.payload);
        if (e < 0)
            return e;
    }
    return r;
}
