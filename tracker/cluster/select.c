/* SPDX-License-Identifier: Apache-2.0 */
#include "tracker/cluster/select.h"

#include "dfscore/fileid/fileid.h"

enum { MB = 1 << 20 };

/* --- space (semantics 4.4) ------------------------------------------------------------------ */

int64_t trk_reserved_mb(const struct trk_select_opts *o, int64_t total_mb)
{
    if (o->reserved.percent_x100)
        return total_mb / 10000 * o->reserved.percent_x100 +
               total_mb % 10000 * o->reserved.percent_x100 / 10000;
    return (int64_t)(o->reserved.bytes / MB);
}

bool trk_space_ok(const struct trk_select_opts *o, int64_t total_mb, int64_t free_mb)
{
    return free_mb > trk_reserved_mb(o, total_mb);
}

/* A path's share of the reserve: an even part of an amount, or the same percentage. */
static bool path_ok(const struct trk_select_opts *o, const struct trk_node *n, unsigned path,
                    int64_t extra_mb)
{
    const struct trk_path *p = &n->paths[path];
    if (!trk_path_open(n, path))
        return false;
    if (o->reserved.percent_x100)
        return trk_space_ok(o, p->total_mb, p->free_mb + extra_mb);
    return p->free_mb + extra_mb > (int64_t)(o->reserved.bytes / MB) / n->path_count;
}

/* Can be sent an upload: in service, and we know its disks. */
static bool takes_uploads(const struct trk_node *n)
{
    return trk_node_writable(n) && n->paths;
}

static bool has_space(const struct trk_group *g, const struct trk_select_opts *o, int64_t extra_mb)
{
    bool any = false;
    for (unsigned i = 0; i < g->n; i++) {
        const struct trk_node *n = g->nodes[i];
        if (!takes_uploads(n))
            continue;
        any = true;
        /* All members hold the same files: the fullest one decides. */
        int64_t total_mb, free_mb;
        trk_node_space(n, &total_mb, &free_mb);
        if (!trk_space_ok(o, total_mb, free_mb + extra_mb))
            return false;
    }
    return any;
}

/* --- slow disks ----------------------------------------------------------------------------- */

/* What a new file waits for, from what is preferred to what is taken when there is nothing else. */
enum waits {
    WAITS_NOT,
    WAITS_FOR_COPY, /* where it goes it is quick; those who copy it are not */
    WAITS_FOR_DISK,
    WAITS_NO_PATH,
};

enum { COPIES = 2 }; /* as min_copies asks for when nobody has set it */

static bool any_slow(const struct trk_group *g)
{
    unsigned slow = 0;
    for (unsigned i = 0; i < g->n; i++)
        slow += g->nodes[i]->slow_paths;
    return slow > 0;
}

/* A copy goes to the store path of the same number, on all servers in service whose disk takes it. */
static enum waits path_waits(const struct trk_node *n, unsigned path)
{
    unsigned members = 0, quick = 0;
    if (n->paths[path].slow)
        return WAITS_FOR_DISK;
    for (unsigned i = 0; i < n->group->n; i++) {
        const struct trk_node *o = n->group->nodes[i];
        if (o->status != DFS_ST_ACTIVE || !o->paths || path >= o->path_count ||
            o->paths[path].total_mb == 0)
            continue;
        members++;
        quick += !o->paths[path].slow;
    }
    return quick >= MIN(members, (unsigned)COPIES) ? WAITS_NOT : WAITS_FOR_COPY;
}

/* Of its paths with space the least. Where nothing is slow nobody looks closer. */
static enum waits node_waits(const struct trk_node *n, const struct trk_select_opts *o)
{
    enum waits least = WAITS_NO_PATH;
    if (!any_slow(n->group))
        return WAITS_NOT;
    for (unsigned i = 0; i < n->path_count && least > WAITS_NOT; i++)
        if (path_ok(o, n, i, o->use_trunk ? n->group->trunk_free_mb : 0))
            least = MIN(least, path_waits(n, i));
    return least;
}

static enum waits group_waits(const struct trk_group *g, const struct trk_select_opts *o)
{
    enum waits least = WAITS_NO_PATH;
    if (!any_slow(g))
        return WAITS_NOT;
    for (unsigned i = 0; i < g->n && least > WAITS_NOT; i++)
        if (takes_uploads(g->nodes[i]))
            least = MIN(least, node_waits(g->nodes[i], o));
    return least;
}

/* --- groups --------------------------------------------------------------------------------- */

/* 0 when @g can take an upload; -ENOENT, -ENOSPC. */
static int group_takes(const struct trk_group *g, const struct trk_select_opts *o, bool trunk)
{
    if (trk_group_writable(g) == 0)
        return -ENOENT;
    return has_space(g, o, trunk ? g->trunk_free_mb : 0) ? 0 : -ENOSPC;
}

static int named_group(struct trk_cluster *c, const struct trk_select_opts *o, const char *name,
                       struct trk_group **ret)
{
    struct trk_group *g = trk_group_find(c, name);
    if (!g)
        return -ENOENT;
    int r = group_takes(g, o, false);
    if (r == -ENOSPC && o->use_trunk)
        r = group_takes(g, o, true);
    if (r == 0)
        *ret = g;
    return r;
}

static struct trk_group *most_free(struct trk_cluster *c, const struct trk_select_opts *o)
{
    struct trk_group *best = NULL;
    int64_t best_mb = 0;
    enum waits least = WAITS_NO_PATH;
    for (unsigned i = 0; i < c->n; i++) {
        int64_t total_mb, free_mb;
        trk_group_space(c->groups[i], &total_mb, &free_mb);
        if (group_takes(c->groups[i], o, false) < 0)
            continue;
        enum waits waits = group_waits(c->groups[i], o);
        if (!best || waits < least || (waits == least && free_mb > best_mb)) {
            best = c->groups[i];
            best_mb = free_mb;
            least = waits;
        }
    }
    return best;
}

/* The next in turn, of those where a new file waits for no more than @most. */
static int next_group(struct trk_cluster *c, const struct trk_select_opts *o, bool trunk,
                      enum waits most, struct trk_group **ret)
{
    int result = -ENOENT;
    for (unsigned i = 0; i < c->n; i++) {
        unsigned at = (c->next_group + i) % c->n;
        int r = group_takes(c->groups[at], o, trunk);
        if (r == -ENOSPC)
            result = r;
        if (r < 0 || group_waits(c->groups[at], o) > most)
            continue;
        c->next_group = (at + 1) % c->n;
        *ret = c->groups[at];
        return 0;
    }
    return result;
}

static int in_turn(struct trk_cluster *c, const struct trk_select_opts *o, struct trk_group **ret)
{
    int r = -ENOENT;
    for (enum waits most = WAITS_NOT; most <= WAITS_NO_PATH && r < 0; most++)
        for (int trunk = 0; trunk <= o->use_trunk && r < 0; trunk++)
            r = next_group(c, o, trunk, most, ret);
    return r;
}

static int choose_group(struct trk_cluster *c, const struct trk_select_opts *o, const char *group,
                        struct trk_group **ret)
{
    if (group)
        return named_group(c, o, group, ret);
    if (o->store_lookup == TRK_LOOKUP_NAMED)
        return named_group(c, o, o->store_group, ret);
    if (o->store_lookup == TRK_LOOKUP_MOST_FREE) {
        *ret = most_free(c, o);
        if (*ret)
            return 0;
    }
    return in_turn(c, o, ret);
}

/* --- servers and paths ---------------------------------------------------------------------- */

/* The "store server": lowest priority value, or the first in id order. */
static struct trk_node *store_server(const struct trk_group *g, const struct trk_select_opts *o)
{
    struct trk_node *best = NULL;
    enum waits most = group_waits(g, o);
    for (unsigned i = 0; i < g->n; i++) {
        struct trk_node *n = g->nodes[i];
        if (!takes_uploads(n) || node_waits(n, o) > most)
            continue;
        if (!best ||
            (o->store_server == TRK_SERVER_PRIORITY && n->upload_priority < best->upload_priority))
            best = n;
    }
    return best;
}

static struct trk_node *next_writable(struct trk_group *g, const struct trk_select_opts *o)
{
    /* With trunk files one server must allocate in turn with itself (semantics 3, store_server). */
    if (o->store_server != TRK_SERVER_ROUND_ROBIN || o->use_trunk)
        return store_server(g, o);
    enum waits most = group_waits(g, o);
    for (unsigned i = 0; i < g->n; i++) {
        unsigned at = (g->next_write + i) % g->n;
        if (!takes_uploads(g->nodes[at]) || node_waits(g->nodes[at], o) > most)
            continue;
        g->next_write = (at + 1) % g->n;
        return g->nodes[at];
    }
    return NULL;
}

static int choose_path(struct trk_node *n, const struct trk_select_opts *o, unsigned *ret)
{
    enum waits most = node_waits(n, o);
    for (int trunk = 0; trunk <= o->use_trunk; trunk++) {
        for (unsigned i = 0; i < n->path_count; i++) {
            unsigned path = (n->write_path + i) % n->path_count;
            if (!path_ok(o, n, path, trunk ? n->group->trunk_free_mb : 0) ||
                path_waits(n, path) > most)
                continue;
            if (o->store_path == TRK_PATH_ROUND_ROBIN)
                n->write_path = (path + 1) % n->path_count;
            *ret = path;
            return 0;
        }
    }
    return -ENOSPC;
}

int trk_select_store(struct trk_cluster *c, const struct trk_select_opts *o, const char *group,
                     struct trk_target *ret)
{
    struct trk_target t = {0};
    int r = choose_group(c, o, group, &t.group);
    if (r < 0)
        return r;
    t.node = next_writable(t.group, o);
    if (!t.node)
        return -ENOSPC;
    r = choose_path(t.node, o, &t.path);
    if (r == 0)
        *ret = t;
    return r;
}

/* --- readers (semantics 4.5) ---------------------------------------------------------------- */

static struct trk_node *find_source(const struct trk_group *g, const struct trk_select_opts *o,
                                    const struct dfs_fileid *f)
{
    char text[16];
    uint32_t id = dfs_fileid_source_id(f);
    if (o->use_storage_id && id) {
        snprintf(text, sizeof(text), "%u", id);
        return trk_node_find(g, text);
    }
    const uint8_t *b = f->source;
    snprintf(text, sizeof(text), "%u.%u.%u.%u", b[0], b[1], b[2], b[3]);
    return trk_node_find_ip(g, text, g->port > 0 ? (uint16_t)g->port : 0);
}

struct question {
    const struct trk_select_opts *o;
    const struct dfs_fileid *file;
    const struct trk_node *source; /* NULL: unknown or gone for good */
    bool normal;                   /* not an appender, not a slave: never changes after upload */
    int64_t now_s;
};

static bool has_file(const struct question *q, const struct trk_node *n)
{
    if (n == q->source)
        return true;
    if (!q->normal)
        return false;
    int64_t created = q->file->created_s;
    if (created < q->now_s - q->o->max_delay_s)
        return true;
    if (!q->source)
        return false;
    int64_t synced = n->synced_s[q->source->slot];
    return synced > created ||
           (synced > 0 && synced + 1 >= created && q->now_s - created > q->o->max_time_s);
}

static int ask(struct trk_group *g, const struct trk_select_opts *o, struct str filename,
               int64_t now_s, struct dfs_fileid *f, struct question *ret)
{
    int r = dfs_filename_parse(filename, f);
    if (r < 0)
        return -EINVAL;
    *ret = (struct question){
        .o = o,
        .file = f,
        .source = find_source(g, o, f),
        .normal = f->kind != DFS_FILE_APPENDER && !f->slave,
        .now_s = now_s,
    };
    return 0;
}

static struct trk_node *one_reader(struct trk_group *g, const struct question *q)
{
    struct trk_node *source = trk_node_find(g, q->source ? q->source->id : "");
    bool source_reads = source && trk_node_readable(source);
    if (source_reads && (!q->normal || q->o->download_server == TRK_READ_SOURCE))
        return source;
    for (unsigned i = 0; q->normal && i < g->n; i++) {
        unsigned at = (g->next_read + i) % g->n;
        if (!trk_node_readable(g->nodes[at]) || !has_file(q, g->nodes[at]))
            continue;
        g->next_read = (at + 1) % g->n;
        return g->nodes[at];
    }
    return NULL;
}

/* Nobody readable is known to have it: whoever is asked looks among its peers before it says no. */
static struct trk_node *any_reader(struct trk_group *g, const struct trk_select_opts *o)
{
    struct trk_node *n = store_server(g, o);
    for (unsigned i = 0; i < g->n && !(n && trk_node_readable(n)); i++)
        n = g->nodes[i];
    return n && trk_node_readable(n) ? n : NULL;
}

int trk_select_fetch(struct trk_group *g, const struct trk_select_opts *o, struct str filename,
                     int64_t now_s, bool all, struct trk_node **out, size_t *ret_n)
{
    struct dfs_fileid f;
    struct question q;
    size_t n = 0;
    int r = ask(g, o, filename, now_s, &f, &q);
    if (r < 0)
        return r;
    for (unsigned i = 0; all && i < g->n; i++) {
        if (trk_node_readable(g->nodes[i]) && has_file(&q, g->nodes[i]))
            out[n++] = g->nodes[i];
    }
    if (!all && (out[0] = one_reader(g, &q)))
        n = 1;
    if (n == 0) {
        struct trk_node *fallback = any_reader(g, o);
        if (!fallback)
            return -ENOENT;
        out[n++] = fallback;
    }
    *ret_n = n;
    return 0;
}

int trk_select_update(struct trk_group *g, const struct trk_select_opts *o, struct str filename,
                      struct trk_node **ret)
{
    struct dfs_fileid f;
    struct question q;
    int r = ask(g, o, filename, 0, &f, &q);
    if (r < 0)
        return r;
    struct trk_node *n = trk_node_find(g, q.source ? q.source->id : "");
    if (!n || !trk_node_changeable(n))
        n = next_writable(g, o);
    for (unsigned i = 0; !n && i < g->n;
         i++) /* all are drained: what is there may change all the same */
        n = trk_node_changeable(g->nodes[i]) ? g->nodes[i] : NULL;
    if (!n)
        return -ENOENT;
    *ret = n;
    return 0;
}
