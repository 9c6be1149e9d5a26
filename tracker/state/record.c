/* SPDX-License-Identifier: Apache-2.0 */
#include "tracker/state/record.h"

#include <isa-l/crc.h>

#include "dfscore/fileid/fileid.h"
#include "dfscore/wire/internal.h"

enum { VERSION = 1, FRAME = 8 };

/* --- writing -------------------------------------------------------------------------------- */

static size_t begin(struct buf *b, enum trk_rec_type type)
{
    size_t at = b->n;
    buf_u32(b, 0);
    buf_u32(b, 0);
    buf_u8(b, (uint8_t)type);
    buf_u8(b, VERSION);
    return at;
}

static void put_u32(char *p, uint32_t v)
{
    for (int i = 0; i < 4; i++)
        p[i] = (char)(v >> (24 - 8 * i));
}

static uint32_t checksum(const void *p, size_t n)
{
    return crc32_gzip_refl(0, p, n);
}

static void end(struct buf *b, size_t at)
{
    if (buf_err(b))
        return;
    size_t len = b->n - at - FRAME;
    ASSERT(len <= TRK_REC_MAX);
    put_u32(b->p + at, (uint32_t)len);
    put_u32(b->p + at + 4, checksum(b->p + at + FRAME, len));
}

static void text(struct buf *b, const char *z)
{
    buf_lstr(b, str_c(z));
}

static void put_drain(struct buf *b, const struct trk_drain *d)
{
    buf_u8(b, d->state);
    buf_u64(b, (uint64_t)d->set_us);
}

/* Those that were ever drained. */
static void put_path_drains(struct buf *b, const struct trk_group *g)
{
    unsigned count = 0;
    for (unsigned i = 0; i < ARRAY_LEN(g->path_drain); i++)
        count += g->path_drain[i].set_us > 0;
    buf_var(b, count);
    for (unsigned i = 0; i < ARRAY_LEN(g->path_drain); i++) {
        if (g->path_drain[i].set_us <= 0)
            continue;
        buf_u8(b, (uint8_t)i);
        put_drain(b, &g->path_drain[i]);
    }
}

void trk_rec_group(struct buf *b, const struct trk_group *g)
{
    size_t at = begin(b, TRK_REC_GROUP);
    text(b, g->name);
    buf_u64(b, (uint64_t)g->port);
    buf_u32(b, g->path_count);
    buf_u32(b, g->subdir_count);
    text(b, g->trunk_server);
    text(b, g->last_trunk_server);
    buf_u32(b, (uint32_t)g->trunk_file_id);
    buf_u32(b, g->trunk_version);
    put_drain(b, &g->drain);
    put_path_drains(b, g);
    end(b, at);
}

static void put_synced(struct buf *b, const struct trk_node *n)
{
    const struct trk_group *g = n->group;
    unsigned count = 0;
    for (unsigned i = 0; i < g->n; i++)
        count += n->synced_s[g->nodes[i]->slot] > 0;
    buf_var(b, count);
    for (unsigned i = 0; i < g->n; i++) {
        int64_t s = n->synced_s[g->nodes[i]->slot];
        if (s <= 0)
            continue;
        text(b, g->nodes[i]->id);
        buf_u64(b, (uint64_t)s);
    }
}

void trk_rec_node(struct buf *b, const struct trk_node *n)
{
    size_t at = begin(b, TRK_REC_NODE);
    text(b, n->group->name);
    text(b, n->id);
    text(b, n->ip[0]);
    text(b, n->ip[1]);
    buf_u16(b, n->port);
    buf_u8(b, n->status);
    text(b, n->version);
    buf_u64(b, (uint64_t)n->join_time);
    buf_u64(b, (uint64_t)n->up_time);
    buf_u64(b, (uint64_t)n->upload_priority);
    text(b, n->sync_source);
    buf_u64(b, (uint64_t)n->sync_until);
    buf_u8(b, n->refill);
    buf_u64(b, n->log_next);
    buf_u64(b, (uint64_t)n->mod_us);
    buf_u64(b, (uint64_t)n->beat_s);
    buf_u64(b, (uint64_t)n->last_synced_s);
    dfs_stat_block_put(b, &n->stat);
    buf_var(b, n->path_count);
    buf_u8(b, n->paths != NULL);
    for (unsigned i = 0; n->paths && i < n->path_count; i++) {
        buf_u64(b, (uint64_t)n->paths[i].total_mb);
        buf_u64(b, (uint64_t)n->paths[i].free_mb);
    }
    put_synced(b, n);
    put_drain(b, &n->drain);
    end(b, at);
}

static void rec_log(struct buf *b, uint64_t number, const struct trk_log_line *l)
{
    size_t at = begin(b, TRK_REC_LOG);
    buf_u64(b, number);
    buf_u64(b, (uint64_t)l->time_s);
    text(b, l->group);
    text(b, l->id);
    buf_u8(b, l->status);
    text(b, l->arg);
    end(b, at);
}

void trk_rec_vote(struct buf *b, const struct trk_self *s)
{
    size_t at = begin(b, TRK_REC_VOTE);
    buf_u64(b, s->term);
    text(b, s->voted_for);
    end(b, at);
}

void trk_rec_trackers(struct buf *b, const struct trk_self *s)
{
    size_t at = begin(b, TRK_REC_TRACKERS);
    buf_var(b, s->tracker_count);
    for (unsigned i = 0; i < s->tracker_count; i++)
        text(b, s->trackers[i]);
    end(b, at);
}

void trk_rec_lease(struct buf *b, const struct trk_self *s)
{
    size_t at = begin(b, TRK_REC_LEASE);
    buf_u64(b, s->lease.holder);
    buf_u64(b, s->lease.ttl_ms);
    buf_u64(b, s->lease.mark);
    text(b, s->lease.name);
    end(b, at);
}

static void rec_alive(struct buf *b, int64_t now_s)
{
    size_t at = begin(b, TRK_REC_ALIVE);
    buf_u64(b, (uint64_t)now_s);
    end(b, at);
}

void trk_rec_node_gone(struct buf *b, const char *group, const char *id)
{
    size_t at = begin(b, TRK_REC_NODE_GONE);
    text(b, group);
    text(b, id);
    end(b, at);
}

void trk_rec_group_gone(struct buf *b, const char *group)
{
    size_t at = begin(b, TRK_REC_GROUP_GONE);
    text(b, group);
    end(b, at);
}

void trk_rec_end(struct buf *b, uint64_t count)
{
    size_t at = begin(b, TRK_REC_END);
    buf_u64(b, count);
    end(b, at);
}

void trk_rec_change(struct buf *b, const struct trk_cluster *c, const struct trk_change *change)
{
    if (change->group)
        trk_rec_group(b, change->group);
    else if (change->node)
        trk_rec_node(b, change->node);
    else
        rec_log(b, c->log_first + (uint64_t)(change->line - c->log), change->line);
}

uint64_t trk_rec_all(struct buf *b, const struct trk_cluster *c, const struct trk_self *self)
{
    uint64_t count = 0;
    /* All nodes of a group before any position in their rows can be understood: two passes. */
    for (unsigned i = 0; i < c->n; i++, count++)
        trk_rec_group(b, c->groups[i]);
    for (int pass = 0; pass < 2; pass++) {
        for (unsigned i = 0; i < c->n; i++) {
            const struct trk_group *g = c->groups[i];
            if (pass == 1 && g->n < 2)
                continue;
            for (unsigned j = 0; j < g->n; j++, count++)
                trk_rec_node(b, g->nodes[j]);
        }
    }
    for (unsigned i = 0; i < c->log_n; i++, count++)
        rec_log(b, c->log_first + i, &c->log[i]);
    if (self) {
        trk_rec_vote(b, self);
        trk_rec_trackers(b, self);
        rec_alive(b, self->alive_s);
        count += 3;
        if (self->lease.holder) {
            trk_rec_lease(b, self);
            count++;
        }
    }
    return count;
}

/* --- reading -------------------------------------------------------------------------------- */

int trk_rec_next(struct str *rest, struct trk_rec *ret)
{
    if (rest->n == 0)
        return 0;
    struct rd r = rd_of(*rest);
    uint32_t len = rd_u32(&r), crc = rd_u32(&r);
    if (r.bad || len < 2 || len > TRK_REC_MAX || len > r.n || checksum(r.p, len) != crc)
        return -EBADMSG;
    ret->type = rd_u8(&r);
    ret->payload = rd_bytes(&r, len - 1);
    *rest = str_from(*rest, FRAME + len);
    return 1;
}

/* The version byte: 0 is none of ours. */
static struct rd open_payload(struct str payload)
{
    struct rd r = rd_of(payload);
    if (rd_u8(&r) == 0)
        r.bad = true;
    return r;
}

static void get_text(struct rd *r, char *field, size_t cap)
{
    struct str s = rd_lstr(r);
    if (s.n && memchr(s.p, 0, s.n))
        r->bad = true;
    if (dfs_text_set(field, cap, s) < 0)
        r->bad = true;
}

#define GET_TEXT(r, field) get_text((r), (field), sizeof(field))

/* Earlier builds end before it. */
static void get_drain(struct rd *r, struct trk_drain *d)
{
    if (r->n == 0)
        return;
    d->state = rd_u8(r);
    d->set_us = (int64_t)rd_u64(r);
    if (d->state > DFS_DRAIN_DONE || d->set_us < 0)
        r->bad = true;
}

static void get_path_drains(struct rd *r, struct trk_group *g)
{
    uint64_t count = r->n ? rd_var(r) : 0;
    if (count > DFS_PATHS_MAX)
        r->bad = true;
    for (uint64_t i = 0; !r->bad && i < count; i++) {
        unsigned path = rd_u8(r);
        if (r->n == 0)
            r->bad = true;
        get_drain(r, &g->path_drain[path]);
    }
}

int trk_rec_group_get(struct str payload, struct trk_group *ret)
{
    struct rd r = open_payload(payload);
    struct trk_group g = {.members_version = 1};
    GET_TEXT(&r, g.name);
    g.port = (int64_t)rd_u64(&r);
    g.path_count = rd_u32(&r);
    g.subdir_count = rd_u32(&r);
    GET_TEXT(&r, g.trunk_server);
    GET_TEXT(&r, g.last_trunk_server);
    g.trunk_file_id = (int32_t)rd_u32(&r);
    g.trunk_version = rd_u32(&r);
    get_drain(&r, &g.drain);
    get_path_drains(&r, &g);
    if (r.bad || !dfs_group_ok(str_c(g.name)) || g.port < -1 || g.port > 65535 ||
        g.path_count > DFS_PATHS_MAX || g.subdir_count > 256 || g.trunk_file_id < 0)
        return -EBADMSG;
    *ret = g;
    return 0;
}

static int get_paths(struct rd *r, struct trk_node *n)
{
    uint64_t count = rd_var(r);
    bool known = rd_u8(r);
    if (r->bad || count > DFS_PATHS_MAX)
        return -EBADMSG;
    n->path_count = (unsigned)count;
    if (!known || count == 0)
        return 0;
    struct dfs_path_usage usage[DFS_PATHS_MAX];
    for (uint64_t i = 0; i < count; i++) {
        usage[i].total_mb = (int64_t)rd_u64(r);
        usage[i].free_mb = (int64_t)rd_u64(r);
    }
    return r->bad ? -EBADMSG : trk_node_set_usage(n, usage, count, false);
}

static void get_synced(struct rd *r, struct trk_node_image *im)
{
    uint64_t count = rd_var(r);
    if (count > DFS_SERVERS_MAX)
        r->bad = true;
    for (uint64_t i = 0; !r->bad && i < count; i++) {
        GET_TEXT(r, im->synced[i].id);
        im->synced[i].s = (int64_t)rd_u64(r);
    }
    im->synced_count = r->bad ? 0 : (unsigned)count;
}

int trk_rec_node_get(struct str payload, struct trk_node_image *ret)
{
    struct rd r = open_payload(payload);
    memset(ret, 0, sizeof(*ret));
    struct trk_node *n = &ret->node;
    GET_TEXT(&r, ret->group);
    GET_TEXT(&r, n->id);
    GET_TEXT(&r, n->ip[0]);
    GET_TEXT(&r, n->ip[1]);
    n->port = rd_u16(&r);
    n->status = rd_u8(&r);
    GET_TEXT(&r, n->version);
    n->join_time = (int64_t)rd_u64(&r);
    n->up_time = (int64_t)rd_u64(&r);
    n->upload_priority = (int64_t)rd_u64(&r);
    GET_TEXT(&r, n->sync_source);
    n->sync_until = (int64_t)rd_u64(&r);
    n->refill = rd_u8(&r);
    n->log_next = rd_u64(&r);
    n->mod_us = (int64_t)rd_u64(&r);
    n->beat_s = (int64_t)rd_u64(&r);
    n->last_synced_s = (int64_t)rd_u64(&r);
    dfs_stat_block_read(&r, &n->stat);
    if (r.bad || !n->id[0] || !dfs_group_ok(str_c(ret->group)) || !trk_status_valid(n->status))
        return -EBADMSG;
    int e = get_paths(&r, n);
    if (e == 0) {
        get_synced(&r, ret);
        get_drain(&r, &n->drain);
    }
    if (e == 0 && r.bad)
        e = -EBADMSG;
    if (e < 0)
        trk_node_image_fini(ret);
    return e;
}

void trk_node_image_fini(struct trk_node_image *i)
{
    free(i->node.paths);
    i->node.paths = NULL;
}

int trk_rec_log_get(struct str payload, uint64_t *number, struct trk_log_line *ret)
{
    struct rd r = open_payload(payload);
    struct trk_log_line l;
    memset(&l, 0, sizeof(l));
    uint64_t no = rd_u64(&r);
    l.time_s = (int64_t)rd_u64(&r);
    GET_TEXT(&r, l.group);
    GET_TEXT(&r, l.id);
    l.status = rd_u8(&r);
    GET_TEXT(&r, l.arg);
    if (r.bad || no >= (UINT64_C(1) << 62))
        return -EBADMSG;
    *number = no;
    *ret = l;
    return 0;
}

/* --- taking over what our own files say ----------------------------------------------------- */

static int apply_group(struct trk_cluster *c, struct str payload)
{
    struct trk_group image, *g;
    int r = trk_rec_group_get(payload, &image);
    if (r == 0)
        r = trk_group_get(c, image.name, &g);
    if (r < 0)
        return r == -EINVAL ? -EBADMSG : r;
    g->port = image.port;
    g->path_count = image.path_count;
    g->subdir_count = image.subdir_count;
    memcpy(g->trunk_server, image.trunk_server, sizeof(g->trunk_server));
    memcpy(g->last_trunk_server, image.last_trunk_server, sizeof(g->last_trunk_server));
    g->trunk_file_id = image.trunk_file_id;
    g->trunk_version = image.trunk_version;
    g->drain = image.drain;
    trk_cluster_now(c, image.drain.set_us);
    memcpy(g->path_drain, image.path_drain, sizeof(g->path_drain));
    for (unsigned i = 0; i < ARRAY_LEN(g->path_drain); i++)
        trk_cluster_now(c, g->path_drain[i].set_us);
    return 0;
}

/* Everything but what belongs to the place in the group and to this run. */
static void copy_node(struct trk_node *to, struct trk_node_image *im)
{
    struct trk_node *from = &im->node;
    from->group = to->group;
    from->slot = to->slot;
    from->rw_mode = to->rw_mode;
    from->next_changed = to->next_changed;
    from->changed = to->changed;
    from->status = trk_status_reloaded(from->status);
    free(to->paths);
    *to = *from;
    from->paths = NULL;
    for (unsigned i = 0; i < im->synced_count; i++) {
        const struct trk_node *source = trk_node_find(to->group, im->synced[i].id);
        if (source)
            to->synced_s[source->slot] = MAX(to->synced_s[source->slot], im->synced[i].s);
    }
}

static int apply_node(struct trk_cluster *c, struct str payload)
{
    AUTO(trk_node_image_fini) struct trk_node_image im;
    int r = trk_rec_node_get(payload, &im);
    if (r < 0)
        return r;
    struct trk_group *g;
    r = trk_group_get(c, im.group, &g);
    if (r < 0)
        return r;
    struct trk_node *n = trk_node_find(g, im.node.id);
    if (!n)
        r = trk_node_add(c, g, im.node.id, &n);
    if (r < 0)
        return r;
    trk_cluster_now(c, MAX(im.node.mod_us, im.node.drain.set_us));
    copy_node(n, &im);
    trk_node_check(n);
    return 0;
}

static int apply_log(struct trk_cluster *c, struct str payload)
{
    uint64_t number;
    struct trk_log_line l;
    int r = trk_rec_log_get(payload, &number, &l);
    if (r < 0 || number < c->log_first + c->log_n)
        return r;
    if (number > c->log_first + c->log_n) { /* older ones were dropped for room */
        trk_log_dropped(c, &l);
        c->log_first = number;
        c->log_n = 0;
    }
    return trk_log_add(c, &l);
}

static int apply_gone(struct trk_cluster *c, const struct trk_rec *rec)
{
    struct rd r = open_payload(rec->payload);
    char group[DFS_ID_MAX + 1], id[DFS_ID_MAX] = "";
    GET_TEXT(&r, group);
    if (rec->type == TRK_REC_NODE_GONE)
        GET_TEXT(&r, id);
    if (r.bad)
        return -EBADMSG;
    struct trk_group *g = trk_group_find(c, group);
    struct trk_node *n = g && id[0] ? trk_node_find(g, id) : NULL;
    if (n)
        trk_node_remove(c, n);
    if (rec->type == TRK_REC_GROUP_GONE && g && trk_group_remove(c, group) < 0)
        return -EBADMSG;
    return 0;
}

static int apply_self(struct trk_self *s, const struct trk_rec *rec)
{
    struct rd r = open_payload(rec->payload);
    struct trk_self next = *s;
    if (rec->type == TRK_REC_VOTE) {
        next.term = rd_u64(&r);
        GET_TEXT(&r, next.voted_for);
    } else if (rec->type == TRK_REC_ALIVE) {
        next.alive_s = (int64_t)rd_u64(&r);
    } else if (rec->type == TRK_REC_LEASE) {
        next.lease.holder = rd_u64(&r);
        next.lease.ttl_ms = rd_u64(&r);
        next.lease.mark = rd_u64(&r);
        GET_TEXT(&r, next.lease.name);
        r.bad |= next.lease.holder == 0 || next.lease.ttl_ms > DFS_LEASE_TTL_MAX_MS;
    } else {
        uint64_t n = rd_var(&r);
        if (n > DFS_TRACKERS_MAX)
            return -EBADMSG;
        memset(next.trackers, 0, sizeof(next.trackers));
        for (uint64_t i = 0; i < n; i++)
            GET_TEXT(&r, next.trackers[i]);
        next.tracker_count = (unsigned)n;
    }
    if (r.bad)
        return -EBADMSG;
    *s = next;
    return 0;
}

int trk_rec_apply(struct trk_cluster *c, struct trk_self *self, const struct trk_rec *rec)
{
    switch (rec->type) {
    case TRK_REC_GROUP:
        return apply_group(c, rec->payload);
    case TRK_REC_NODE:
        return apply_node(c, rec->payload);
    case TRK_REC_LOG:
        return apply_log(c, rec->payload);
    case TRK_REC_NODE_GONE:
    case TRK_REC_GROUP_GONE:
        return apply_gone(c, rec);
    case TRK_REC_VOTE:
    case TRK_REC_TRACKERS:
    case TRK_REC_ALIVE:
    case TRK_REC_LEASE:
        return self ? apply_self(self, rec) : 0;
    default:
        return 0;
    }
}
