/* SPDX-License-Identifier: Apache-2.0 */
/* Opening and closing, space, small files in batches. */
#include <arpa/inet.h>
#include <stdio.h>
#include <unistd.h>

#include "dfscore/base/clock.h"
#include "dfscore/log/log.h"
#include "storage/trunk/adopt.h"
#include "storage/trunk/kept.h"

enum {
    SEGMENT_DEFAULT = 64 * 1024 * 1024,
    RESERVE_PART = 32,
    RESERVE_MOST = 256 * 1024 * 1024,
    COPIES_LAG_MS = 10 * 1000,
};

static int check_options(const struct sto_store_options *o)
{
    if (!o->group || !dfs_group_ok(str_c(o->group)) || !o->storage_id)
        return -EINVAL;
    if (o->path_count < 1 || o->path_count > STO_PATHS_MAX || o->subdirs > 256)
        return -EINVAL;
    if (o->segment_size && (o->segment_size < 1024 * 1024 || o->segment_size > 1024 * 1024 * 1024))
        return -EINVAL;
    if (o->slot_max > 16 * 1024 * 1024)
        return -EINVAL;
    return 0;
}

/* The source field: a server id, else the four bytes of an IPv4 address. Rule: semantics 2.2. */
static int parse_source(const char *text, uint8_t out[4])
{
    uint64_t id;
    struct in_addr a;
    if (str_u64(str_c(text), 0xffffff, &id) == 0 && id > 0)
        dfs_source_from_id((uint32_t)id, out);
    else if (inet_pton(AF_INET, text, &a) == 1)
        dfs_source_from_ip(ntohl(a.s_addr), out);
    else
        return -EINVAL;
    return 0;
}

static uint64_t reserve_of(const struct sto_store_options *o, const struct sto_dir *d)
{
    struct sto_space space = {0};
    if (sto_dir_space(d, &space) < 0)
        return o->reserve_bytes;
    if (o->reserve_permyriad)
        return space.total / 10000 * MIN(o->reserve_permyriad, 10000u);
    if (o->reserve_bytes)
        return o->reserve_bytes;
    return MIN(space.total / RESERVE_PART, (uint64_t)RESERVE_MOST);
}

static int open_path(struct sto_store *s, unsigned i, const struct sto_store_options *o)
{
    struct sto_path *p = &s->paths[i];
    int r = sto_dir_open(s->io, o->paths[i].dir, &p->dir);
    if (r < 0)
        return r;
    p->dir_open = true;
    r = sto_kept_open(s, p);
    if (r < 0)
        return r;
    p->read_only = o->paths[i].read_only;
    p->reserve = reserve_of(o, &p->dir);
    struct sto_log_options lo = {
        .path_index = i,
        .subdirs = s->subdirs,
        .segment_size = o->segment_size ? o->segment_size : SEGMENT_DEFAULT,
        .reserve = p->reserve,
        .relaxed = o->relaxed,
        .slow_ms = o->slow_ms,
        .growth = &s->growth,
    };
    memcpy(lo.source, s->source, sizeof(lo.source));
    r = sto_adopt_note(&p->dir);
    if (r == 0)
        r = sto_log_open(&p->log, &p->dir, &lo);
    p->log_open = r == 0;
    return r < 0 ? r : sto_ahead_open(&p->dir, &p->ahead);
}

int sto_store_open(const struct sto_store_options *o, struct sto_store **ret, unsigned *bad_path)
{
    uint8_t source[4];
    int r = check_options(o);
    if (r == 0)
        r = parse_source(o->storage_id, source);
    if (r < 0)
        return r;
    AUTO(sto_store_close)
    struct sto_store *s = dfs_zalloc(sizeof(*s) + o->path_count * sizeof(s->paths[0]));
    if (!s)
        return -ENOMEM;
    s->magic = STO_STORE_MAGIC;
    (void)snprintf(s->group, sizeof(s->group), "%s", o->group);
    (void)snprintf(s->server, sizeof(s->server), "%s", o->storage_id);
    memcpy(s->source, source, sizeof(source));
    s->io = o->io ? o->io : &sto_io_os;
    s->boot_id = sto_random(s->io);
    s->slot_max = o->slot_max ? o->slot_max : DFS_PACK_MAX;
    s->use_trunk = o->use_trunk;
    s->most_free = o->store_most_free;
    s->subdirs = o->subdirs ? o->subdirs : 256;
    s->next_dir = sto_random(s->io) >> 1;
    sto_growth_init(&s->growth);
    pthread_mutex_init(&s->watch_lock, NULL);
    sto_turns_init(&s->turns);
    for (unsigned i = 0; i < STO_EDIT_LOCKS; i++)
        pthread_mutex_init(&s->edit_locks[i], NULL);
    for (; s->path_count < o->path_count; s->path_count++) {
        r = open_path(s, s->path_count, o);
        if (r < 0) {
            if (bad_path)
                *bad_path = s->path_count;
            s->path_count++; /* close takes the half-open one too */
            return r;
        }
    }
    for (unsigned i = 0; i < s->path_count; i++) { /* all are open: links point across */
        r = sto_adopt(s, i);
        if (r < 0) {
            if (bad_path)
                *bad_path = i;
            return r;
        }
    }
    *ret = TAKE(s);
    return 0;
}

void sto_store_close(struct sto_store **sp)
{
    struct sto_store *s = TAKE(*sp);
    if (!s)
        return;
    CHECK_OBJ(s, STO_STORE_MAGIC);
    for (unsigned i = 0; i < s->path_count; i++) {
        if (s->paths[i].log_open) {
            sto_log_close(&s->paths[i].log);
            sto_ahead_close(&s->paths[i].ahead);
        }
        if (s->paths[i].dir_open)
            sto_dir_close(&s->paths[i].dir);
    }
    for (unsigned i = 0; i < STO_EDIT_LOCKS; i++)
        pthread_mutex_destroy(&s->edit_locks[i]);
    sto_growth_fini(&s->growth);
    pthread_mutex_destroy(&s->watch_lock);
    sto_turns_fini(&s->turns);
    s->magic = 0;
    free(s);
}

const char *sto_store_group(const struct sto_store *s)
{
    return s->group;
}

const char *sto_store_server(const struct sto_store *s)
{
    return s->server;
}

unsigned sto_store_path_count(const struct sto_store *s)
{
    return s->path_count;
}

uint64_t sto_store_boot_id(const struct sto_store *s)
{
    return s->boot_id;
}

bool sto_store_fresh(const struct sto_store *s, unsigned path)
{
    return path < s->path_count && s->paths[path].dir.fresh;
}

uint32_t sto_store_slot_max(const struct sto_store *s)
{
    return s->use_trunk ? s->slot_max : 0;
}

size_t sto_store_id_of(const struct sto_store *s, struct str name, char *out)
{
    return (size_t)snprintf(out, DFS_FILE_ID_MAX + 1, "%s/" STR_F, s->group, STR_A(name));
}

int sto_store_name_of(const struct sto_store *s, struct str id, struct str *ret)
{
    struct str group, name;
    if (!str_cut(id, '/', &group, &name) || !str_eq(group, str_c(s->group)))
        return -EINVAL;
    *ret = name;
    return 0;
}

uint64_t sto_store_end(struct sto_store *s, unsigned path)
{
    CHECK_OBJ(s, STO_STORE_MAGIC);
    ASSERT(path < s->path_count);
    return sto_log_end(&s->paths[path].log);
}

uint64_t sto_store_wait(struct sto_store *s, uint64_t seen, uint64_t ms)
{
    CHECK_OBJ(s, STO_STORE_MAGIC);
    return sto_growth_wait(&s->growth, seen, ms);
}

/* ---- space ---- */

static int path_free(struct sto_path *p, uint64_t *ret_total, uint64_t *ret_free)
{
    struct sto_space space;
    int r = sto_dir_space(&p->dir, &space);
    if (r < 0)
        return r;
    *ret_total = space.total;
    *ret_free = space.free > p->reserve ? space.free - p->reserve : 0;
    return 0;
}

int sto_check_space(struct sto_path *p, uint64_t size)
{
    uint64_t total, left;
    int r = path_free(p, &total, &left);
    if (r < 0)
        return r;
    if (size <= left && left > 0)
        return 0;
    sto_log_maint_ask(&p->log); /* dead records may hold what is missing */
    return -ENOSPC;
}

int sto_store_stat(struct sto_store *s, unsigned path, struct sto_path_stat *ret)
{
    if (path >= s->path_count)
        return -EINVAL;
    struct sto_path *p = &s->paths[path];
    struct sto_path_stat st = {.log_end = sto_log_stable(&p->log)};
    int r = path_free(p, &st.total, &st.free);
    if (r < 0)
        return r;
    pthread_mutex_lock(&p->log.lock);
    st.segments = p->log.seg_count;
    pthread_mutex_unlock(&p->log.lock);
    *ret = st;
    return 0;
}

void sto_store_drain(struct sto_store *s, unsigned path, bool drained)
{
    ASSERT(path < s->path_count);
    atomic_store(&s->paths[path].drained, drained);
}

static bool is_closed(const struct sto_path *p)
{
    return p->read_only || atomic_load(&p->drained);
}

static bool takes_new(struct sto_path *p)
{
    return !is_closed(p) && !sto_log_unfit(&p->log);
}

bool sto_store_closed(struct sto_store *s, unsigned path, uint32_t *ret_incoming)
{
    ASSERT(path < s->path_count);
    bool closed = is_closed(&s->paths[path]);
    *ret_incoming = atomic_load(&s->paths[path].incoming);
    return closed;
}

struct choice {
    int path;      /* -1: none is open */
    uint64_t left; /* bytes there; 0: only full ones until now */
    int err;
};

static void consider(struct sto_store *s, unsigned path, uint64_t size, struct choice *c)
{
    uint64_t total, left;
    int r = path_free(&s->paths[path], &total, &left);
    if (r < 0 || left == 0 || size > left) {
        c->path = c->left > 0 ? c->path : (int)path;
        c->err = r < 0 ? r : -ENOSPC;
        sto_log_maint_ask(&s->paths[path].log);
    } else if (left > c->left) {
        c->left = left;
        c->path = (int)path;
    }
}

/* Which paths come first. */
enum turn { TURN_QUICK, TURN_COPIES_LAG, TURN_SLOW, TURNS_ };

static enum turn turn_of(const struct sto_store *s, unsigned path)
{
    uint64_t lag_ms = atomic_load(&s->paths[path].lag_ms);
    if (sto_store_slow(s, path))
        return TURN_SLOW;
    return lag_ms > 0 && dfs_mono_ms() < lag_ms ? TURN_COPIES_LAG : TURN_QUICK;
}

void sto_store_copies_lag(struct sto_store *s, unsigned path)
{
    ASSERT(path < s->path_count);
    atomic_store(&s->paths[path].lag_ms, dfs_mono_ms() + COPIES_LAG_MS);
}

/* Of those whose turn it is the next, or the one with the most space. */
static void choose_among(struct sto_store *s, enum turn turn, unsigned start, uint64_t size,
                         struct choice *c)
{
    for (unsigned i = 0; i < s->path_count && (c->left == 0 || s->most_free); i++) {
        unsigned at = (start + i) % s->path_count;
        if (!takes_new(&s->paths[at]))
            c->err = c->err == -EROFS && !is_closed(&s->paths[at]) ? -EIO : c->err;
        else if (turn_of(s, at) == turn)
            consider(s, at, size, c);
    }
}

int sto_store_choose(struct sto_store *s, int want, uint64_t size, unsigned *ret)
{
    if (want >= (int)s->path_count || want < -1)
        return -EINVAL;
    bool open = want >= 0 && takes_new(&s->paths[want]);
    enum turn wish = open ? turn_of(s, (unsigned)want) : TURNS_;
    unsigned start = wish > TURN_QUICK ? s->next_path++ : 0;
    struct choice c = {.path = -1, .err = -EROFS};
    for (enum turn turn = TURN_QUICK; turn < wish && c.left == 0; turn++)
        choose_among(s, turn, start, size, &c);
    if (c.left == 0 && open) {
        *ret = (unsigned)want;
        return sto_check_space(&s->paths[want], size);
    }
    if (c.path >= 0)
        *ret = (unsigned)c.path;
    return c.left > 0 ? 0 : c.err;
}

int sto_path_enter(struct sto_store *s, int path, uint64_t size, struct sto_path **ret)
{
    if (path >= (int)s->path_count || path < -1)
        return -EINVAL;
    for (;;) {
        unsigned at = path < 0 ? 0 : (unsigned)path;
        int r =
            path < 0 ? sto_store_choose(s, -1, size, &at) : sto_check_space(&s->paths[path], size);
        if (r == -EROFS)
            return r;
        struct sto_path *p = &s->paths[at];
        atomic_fetch_add(&p->incoming, 1);
        if (path >= 0 || !is_closed(p)) { /* whoever closed it since then has to count us */
            *ret = p;
            return r;
        }
        sto_path_leave(p);
    }
}

void sto_path_leave(struct sto_path *p)
{
    atomic_fetch_sub(&p->incoming, 1);
}

/* ---- small files ---- */

int sto_log_one(struct sto_path *p, struct sto_log_rec *rec)
{
    sto_log_append(&p->log, rec, 1);
    return rec->result;
}

static int check_put(const struct sto_store *s, const struct sto_put *p)
{
    size_t most = MAX((size_t)DFS_PACK_MAX, (size_t)s->slot_max);
    if (p->kind == DFS_PUT_NOTE)
        return p->data.n == 0 && p->desc.n <= DFS_DESC_MAX ? 0 : -EINVAL;
    if (p->kind != DFS_PUT_OBJECT || !dfs_ext_ok(str_c(p->ext)))
        return -EINVAL;
    return p->data.n <= most && p->desc.n <= DFS_DESC_MAX ? 0 : -E2BIG;
}

static void fill_rec(const struct sto_put *p, struct sto_log_rec *rec)
{
    bool note = p->kind == DFS_PUT_NOTE;
    *rec = (struct sto_log_rec){
        .kind = note ? STO_REC_NOTE : STO_REC_OBJECT,
        .flags = p->flags & STO_NATIVE ? STO_REC_NATIVE : 0,
        .op = note ? 0 : 'C',
        .urgent = note,
        .desc = p->desc,
        .data = note ? STR_NULL : p->data,
    };
    memcpy(rec->ext, p->ext, sizeof(rec->ext));
}

/* A batch on its way through the log. @recs are those items that were worth sending. */
struct batch {
    struct sto_log_req req;
    struct sto_path *path;  /* it counts as incoming there; NULL: nowhere */
    struct sto_batch *user; /* NULL: a blocking caller */
    struct sto_put *puts;
    size_t count;
    uint32_t *index; /* recs[i] is puts[index[i]] */
    struct sto_log_rec recs[];
};

static void tell_results(struct batch *b)
{
    if (b->path)
        sto_path_leave(b->path);
    for (size_t i = 0; i < b->req.count; i++) {
        struct sto_put *p = &b->puts[b->index[i]];
        p->result = b->recs[i].result;
        if (p->result == 0)
            memcpy(p->name, b->recs[i].made, sizeof(b->recs[i].made));
    }
}

static int make_batch(struct sto_store *s, int space, struct sto_put *puts, size_t count,
                      struct batch **ret)
{
    size_t head = sizeof(struct batch) + count * sizeof(struct sto_log_rec);
    struct batch *b = dfs_alloc(head + count * sizeof(uint32_t));
    if (!b)
        return -ENOMEM;
    memset(b, 0, sizeof(*b));
    b->puts = puts;
    b->count = count;
    b->index = (uint32_t *)((char *)b + head);
    b->req.recs = b->recs;
    for (size_t i = 0; i < count; i++) {
        struct sto_put *p = &puts[i];
        p->name[0] = '\0';
        p->result = space == -EROFS ? space : check_put(s, p);
        if (p->result == 0 && p->kind == DFS_PUT_OBJECT)
            p->result = space; /* notes may use the reserve: they tell of deletions */
        if (p->result < 0)
            continue;
        b->index[b->req.count] = (uint32_t)i;
        fill_rec(p, &b->recs[b->req.count++]);
    }
    *ret = b;
    return 0;
}

static int prepare(struct sto_store *s, int path, struct sto_put *puts, size_t count,
                   struct batch **ret, struct sto_path **ret_path)
{
    uint64_t bytes = 0;
    struct sto_path *entered = NULL;
    if (count > DFS_BATCH_ITEMS_MAX)
        return -E2BIG;
    for (size_t i = 0; i < count; i++)
        bytes += puts[i].data.n + puts[i].desc.n;
    bool read_only = path >= 0 && (unsigned)path < s->path_count && s->paths[path].read_only;
    int space = read_only ? -EROFS : sto_path_enter(s, path, bytes, &entered);
    if (space == -EINVAL)
        return space;
    int r = make_batch(s, space, puts, count, ret);
    if (r < 0 && entered)
        sto_path_leave(entered);
    if (r < 0)
        return r;
    (*ret)->path = entered;
    *ret_path = entered ? entered : &s->paths[0];
    return 0;
}

int sto_put_batch(struct sto_store *s, int path, struct sto_put *puts, size_t count)
{
    CHECK_OBJ(s, STO_STORE_MAGIC);
    struct batch *b;
    struct sto_path *p;
    int r = prepare(s, path, puts, count, &b, &p);
    if (r < 0)
        return r;
    sto_log_append(&p->log, b->recs, b->req.count);
    tell_results(b);
    free(b);
    return 0;
}

static void submitted_done(struct sto_log_req *q)
{
    struct batch *b = q->arg;
    struct sto_batch *user = b->user;
    tell_results(b);
    free(b);
    user->done(user);
}

int sto_put_submit(struct sto_store *s, int path, struct sto_batch *user)
{
    CHECK_OBJ(s, STO_STORE_MAGIC);
    struct batch *b;
    struct sto_path *p;
    int r = prepare(s, path, user->puts, user->count, &b, &p);
    if (r < 0)
        return r;
    b->user = user;
    b->req.done = submitted_done;
    b->req.arg = b;
    if (b->req.count == 0) {
        tell_results(b);
        free(b);
        user->done(user);
        return 0;
    }
    r = sto_log_submit(&p->log, &b->req);
    if (r < 0) {
        sto_path_leave(p);
        free(b);
    }
    return r;
}

int sto_scan(struct sto_store *s, unsigned path, uint64_t position, unsigned flags,
             size_t max_records, sto_scan_fn *fn, void *arg, struct sto_scan *ret)
{
    CHECK_OBJ(s, STO_STORE_MAGIC);
    if (path >= s->path_count)
        return -EINVAL;
    return sto_log_scan(&s->paths[path].log, position, flags, max_records, fn, arg, ret);
}

void sto_retain(struct sto_store *s, unsigned path, uint64_t position)
{
    ASSERT(path < s->path_count);
    struct sto_log *log = &s->paths[path].log;
    pthread_mutex_lock(&log->lock);
    log->retain = position;
    pthread_mutex_unlock(&log->lock);
}
