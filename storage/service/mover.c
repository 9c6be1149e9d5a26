/* SPDX-License-Identifier: Apache-2.0 */
#include "storage/service/mover.h"

#include <stdio.h>
#include <sys/socket.h>

#include "dfscore/base/background.h"
#include "dfscore/base/clock.h"
#include "dfscore/base/pace.h"
#include "dfscore/log/log.h"
#include "dfscore/wire/internal.h"
#include "storage/binlog/record.h"
#include "storage/service/elsewhere.h"
#include "storage/service/logs.h"
#include "storage/service/movers.h"
#include "storage/trunk/kept.h"

enum {
    NAMES = 256,    /* taken from a log at once */
    PAUSE_MS = 500, /* after a round that moved nothing */
    RETRY_MS = 200, /* after a file that was left as the other group or a member did not answer */
    ORDER_MAX_MS = 10 * 60 * 1000,
};

struct sto_mover {
    unsigned magic;
#define MOVER_MAGIC 0x30fe4001u
    struct sto_mover_options o;
    struct dfs_pace pace;     /* the thread's */
    struct dfs_background bg; /* its lock guards all below */
    uint64_t until_ms;        /* of the order; 0: none */
    char to[DFS_GROUP_MAX + 1];
    int path; /* STO_MOVE_ALL */
    bool count_only;
    unsigned order; /* counts them; a renewed one is the same */
    struct dfs_move_state state;
    struct dfs_move_left left; /* of this order */
    struct dfs_peer *sending;  /* takes a file from us; stopping cuts it */
    bool ending;
};

/* The thread's. */
struct round {
    struct sto_mover *m;
    char to[DFS_GROUP_MAX + 1];
    int path;
    bool count_only;
    unsigned order;
    void (*each)(struct round *rd, struct str name); /* what is done with each name */
    int64_t moved, error;
    int64_t left; /* also those that other members move, until this one has heard of it */
    int64_t to_go, to_go_bytes; /* of these, ours to move: each counts at one member */
    int64_t files, bytes;       /* counted */
    uint64_t sent;              /* bytes of copies that have not been paid for */
    char at[DFS_GROUP_MAX + 1]; /* where the last file was to go, when that was known */
};

static bool may_go_on(const struct round *rd)
{
    struct sto_mover *m = rd->m;
    pthread_mutex_lock(&m->bg.lock);
    bool yes = !m->ending && m->until_ms > dfs_mono_ms() && m->order == rd->order;
    pthread_mutex_unlock(&m->bg.lock);
    return yes;
}

static void pause_ms(struct sto_mover *m, unsigned ms)
{
    const struct timespec until = dfs_mono_after(ms);
    pthread_mutex_lock(&m->bg.lock);
    if (!m->bg.stopping) /* a new order may end it early */
        (void)pthread_cond_timedwait(&m->bg.wake, &m->bg.lock, &until);
    pthread_mutex_unlock(&m->bg.lock);
}

/* As long as the rate asks for after what has been sent, or until the order ends. */
static void rest(struct round *rd)
{
    struct sto_mover *m = rd->m;
    uint64_t now = dfs_mono_ms(), rest_ms = dfs_pace_pay(&m->pace, rd->sent, dfs_mono_us()) / 1000;
    rd->sent = 0;
    pthread_mutex_lock(&m->bg.lock);
    for (const uint64_t end = now + rest_ms; now < end && !m->bg.stopping && now < m->until_ms;
         now = dfs_mono_ms()) {
        const struct timespec until = dfs_mono_after(MIN(end, m->until_ms) - now);
        (void)pthread_cond_timedwait(&m->bg.wake, &m->bg.lock, &until);
    }
    pthread_mutex_unlock(&m->bg.lock);
}

/* --- one file -------------------------------------------------------------------------------------------- */

static struct str extension(struct str name)
{
    size_t dot = name.n;
    while (dot > 0 && name.n - dot < STO_EXT_MAX + 1 && name.p[dot - 1] != '.' &&
           name.p[dot - 1] != '/')
        dot--;
    bool found = dot > 0 && name.p[dot - 1] == '.' && name.n - dot <= STO_EXT_MAX;
    return found ? str_from(name, dot) : STR("");
}

/* What arrived is what its new name says. */
static bool arrived(struct str id, const struct sto_move *mv)
{
    struct str group, name;
    struct dfs_fileid f;
    if (!str_cut(id, '/', &group, &name) || dfs_filename_parse(name, &f) < 0)
        return false;
    return mv->appender || (f.size_known && f.size == mv->view.size && f.crc32 == mv->crc32);
}

/* From now on stopping cuts it. */
static int show_sending(struct sto_mover *m, struct dfs_peer *p)
{
    pthread_mutex_lock(&m->bg.lock);
    m->sending = p;
    bool ending = m->ending;
    pthread_mutex_unlock(&m->bg.lock);
    return ending ? -ECANCELED : 0;
}

/* Our own address. */
static struct dfs_addr here(struct round *rd)
{
    struct sto_member self;
    sto_members_get_self(rd->m->o.members, &self);
    struct dfs_addr addr = {.port = self.port};
    (void)snprintf(addr.host, sizeof(addr.host), "%s", self.ip);
    return addr;
}

/* From a store path to another one of ours, so that the same server goes on taking the file's changes. */
static int stay(struct round *rd, uint64_t size, struct dfs_target *t)
{
    unsigned path;
    if (sto_store_choose(rd->m->o.store, -1, size, &path) < 0)
        return 0; /* another member, as the trackers say */
    t->path_index = (uint8_t)path;
    t->addr = here(rd);
    return 0;
}

static int choose_target(struct round *rd, uint64_t size, struct dfs_target *t)
{
    struct dfs_trackers *trackers = dfs_client_trackers(rd->m->o.cluster);
    const char *own = sto_store_group(rd->m->o.store);
    if (rd->to[0])
        return dfs_query_store(trackers, str_c(rd->to), t);
    int r = rd->path == STO_MOVE_ALL ? -ENOSPC : dfs_query_store(trackers, str_c(own), t);
    if (r < 0)
        r = dfs_query_store(trackers, STR_NULL, t);
    return r == 0 && rd->path != STO_MOVE_ALL && strcmp(t->group, own) == 0 ? stay(rd, size, t) : r;
}

static int send_copy(struct round *rd, const struct sto_move *mv, char id[DFS_FILEID_TEXT])
{
    struct dfs_client *c = rd->m->o.cluster;
    const struct dfs_content content = dfs_content_fd(mv->view.fd, mv->view.offset, mv->view.size);
    struct dfs_target t;
    struct dfs_peer *p = NULL;
    int r = choose_target(rd, mv->view.size, &t);
    (void)snprintf(rd->at, sizeof(rd->at), "%s", r == 0 ? t.group : rd->to);
    if (r == 0)
        r = dfs_connpool_get(dfs_client_pool(c), &t.addr, &p);
    if (r < 0)
        return r;
    r = show_sending(rd->m, p);
    rd->sent += mv->view.size;
    if (r == 0)
        r = dfs_storage_upload(p, t.path_index, mv->appender, extension(mv->name), &content, id);
    (void)!show_sending(rd->m, NULL);
    dfs_connpool_put(dfs_client_pool(c), &p);
    return r;
}

/* Where all, or all on the path, are to leave. */
static bool is_here(const struct round *rd, struct str id)
{
    struct dfs_logical at;
    struct str name;
    if (sto_store_name_of(rd->m->o.store, id, &name) < 0)
        return false;
    return rd->path == STO_MOVE_ALL ||
           (dfs_logical_parse(name, &at) == 0 && (int)at.path_index == rd->path);
}

/* What the link leads to, as it is called now. -EAGAIN: that is still to move; -ENOENT: there is none, so the link is
 * nothing. */
static int target_of(struct round *rd, struct str link, char now[STO_NAME_MAX + 1])
{
    struct sto_store *s = rd->m->o.store;
    char target[STO_NAME_MAX + 1];
    struct dfs_logical at;
    struct sto_info info;
    int r = sto_link_target(s, link, target);
    if (r == 0)
        r = sto_info(s, str_c(target), false, &info);
    if (r == -EREMOTE) /* in another group no link can lead to it */
        return sto_elsewhere_here(s, str_c(target), now) == 0 ? 0 : -EOPNOTSUPP;
    if (r == 0 && dfs_logical_parse(str_c(target), &at) == 0 && (int)at.path_index == rd->path)
        return -EAGAIN;
    memcpy(now, target, sizeof(target));
    return r;
}

/* Another link takes its place, made by the server that is to do so for any client. */
static int send_link(struct round *rd, const struct sto_move *mv, char id[DFS_FILEID_TEXT])
{
    struct dfs_create_link_req m = {.master_len = 0};
    struct dfs_connpool *pool = dfs_client_pool(rd->m->o.cluster);
    struct dfs_peer *p = NULL;
    struct dfs_addr addr = here(rd);
    char now[STO_NAME_MAX + 1];
    AUTO(buf_free) struct buf head = BUF(DFS_CREATE_LINK_REQ_LEN);
    AUTO(buf_free) struct buf rsp = BUF(DFS_GROUP_LEN + STO_NAME_MAX);
    struct dfs_group g;
    struct str name, ext = extension(mv->name);
    int r = target_of(rd, mv->name, now);
    if (r == 0)
        r = dfs_text_set(m.group, sizeof(m.group), str_c(sto_store_group(rd->m->o.store)));
    if (r == 0)
        r = dfs_text_set(m.ext, sizeof(m.ext), ext);
    if (r == 0)
        r = dfs_connpool_get(pool, &addr, &p);
    if (r < 0)
        return r;
    m.source_len = strlen(now);
    dfs_create_link_req_put(&head, &m);
    const struct str parts[] = {buf_str(&head), str_c(now)};
    r = dfs_peer_call(p, DFS_CMD_CREATE_LINK, 0, parts, 2, &rsp);
    dfs_connpool_put(pool, &p);
    if (r == 0 && (dfs_group_head(buf_str(&rsp), &g, &name) < 0 || name.n > STO_NAME_MAX))
        r = -EPROTO;
    if (r == 0)
        (void)snprintf(id, DFS_FILEID_TEXT, "%s/" STR_F, g.group, STR_A(name));
    return r;
}

static int copy(struct round *rd, struct sto_move *mv, char id[DFS_FILEID_TEXT])
{
    struct dfs_client *c = rd->m->o.cluster;
    int r = mv->link ? send_link(rd, mv, id) : send_copy(rd, mv, id);
    if (r < 0)
        return r;
    r = mv->link || arrived(str_c(id), mv) ? 0 : -EBADMSG;
    if (r == 0 && is_here(rd, str_c(id)))
        r = -EXDEV; /* files are still placed here: the group, or the path, is not drained */
    if (r == 0 && mv->meta.n > 0)
        r = dfs_client_set_meta(c, str_c(id), false, buf_str(&mv->meta));
    return r;
}

static int move(struct round *rd, struct sto_move *mv)
{
    struct sto_mover *m = rd->m;
    char id[DFS_FILEID_TEXT] = "";
    int r = copy(rd, mv, id);
    if (r == -ENOENT &&
        !mv->link) /* of a group that is not known, or of which nobody takes files */
        r = -EHOSTUNREACH;
    if (r == 0)
        r = sto_movers_ask(&m->o, mv);
    if (r == 0)
        r = sto_move_commit(m->o.store, mv, str_c(id));
    if (r < 0 && id[0] && !mv->unsure && dfs_client_delete(m->o.cluster, str_c(id)) < 0)
        dfs_log(LOG_WARN, "storage.moved_file_left", KV_Z("id", id), KV_ERR(r));
    return r;
}

static void count(struct round *rd, int r, uint64_t bytes)
{
    struct sto_mover *m = rd->m;
    rd->moved += r == 0;
    rd->left += r < 0;
    rd->to_go += r < 0;
    rd->to_go_bytes += r < 0 ? (int64_t)bytes : 0;
    rd->error = r < 0 ? -r : rd->error;
    pthread_mutex_lock(&m->bg.lock);
    if (r < 0) /* a round of many files takes long; nobody is to wait for its end to hear why */
        m->state.last_error = -r;
    m->state.moved += r == 0;
    m->state.moved_bytes += r == 0 ? (int64_t)bytes : 0;
    m->left.files -= r == 0 && m->left.files > 0;
    m->left.bytes -= r == 0 ? MIN((int64_t)bytes, m->left.bytes) : 0;
    pthread_mutex_unlock(&m->bg.lock);
}

static void complain(struct round *rd, struct str name, int r)
{
    static struct dfs_log_gate gate;
    if (r == 0 || r == -EAGAIN)
        return;
    if (dfs_log_allow(&gate, 1))
        dfs_log(LOG_WARN, "storage.file_not_moved", KV_STR("name", name),
                KV_Z("to", rd->at[0] ? rd->at : "any"), KV_ERR(r));
    pause_ms(rd->m, RETRY_MS);
}

/*
 * What is left on the path of a file that has moved, maybe off another path: it is no more needed there. False: what is
 * there cannot be seen, which has been counted.
 */
static bool keep(struct round *rd, struct str name)
{
    struct sto_mover *m = rd->m;
    char file[STO_NAME_MAX + 1];
    int r = sto_kept_elsewhere(m->o.store, (unsigned)rd->path, name);
    if (r == 0 || r == -EINVAL)
        return true;
    bool seen = r == -ENOENT;
    if (!sto_movers_own(&m->o, sto_kept_parse(name, file) ? str_c(file) : name)) {
        rd->left++;
        return seen;
    }
    if (seen)
        r = sto_keep_elsewhere(m->o.store, (unsigned)rd->path, name);
    if (r < 0 && r != -EINVAL) { /* it has been deleted meanwhile */
        count(rd, r, 0);
        complain(rd, name, r);
    }
    return seen;
}

static void look_at(struct round *rd, struct str name)
{
    struct sto_mover *m = rd->m;
    rd->at[0] = '\0';
    if (rd->path != STO_MOVE_ALL && !keep(rd, name))
        return;
    char target[STO_NAME_MAX + 1];
    bool link = rd->path != STO_MOVE_ALL && sto_link_target(m->o.store, name, target) == 0;
    if (!(link || sto_move_wanted(m->o.store, name)))
        return;
    int may = sto_client_may_change(m->o.store, name);
    if (may == -EPERM || may == -ENOENT)
        return;
    if (!sto_movers_own(&m->o, name)) { /* until its mover has done it */
        rd->left += link || sto_moved_settle(m->o.store, name) != 0;
        return;
    }
    if (may < 0) { /* what it is cannot be seen */
        count(rd, may, 0);
        complain(rd, name, may);
        return;
    }
    struct sto_move mv;
    int r =
        link ? sto_move_begin_link(m->o.store, name, &mv) : sto_move_begin(m->o.store, name, &mv);
    uint64_t bytes = mv.view.size;
    if (r == 0)
        r = sto_movers_ask(&m->o, NULL);
    if (r == 0)
        r = move(rd, &mv);
    sto_move_end(m->o.store, &mv);
    if (r == -ENOENT)
        return; /* there was nothing to be moved, or is no more */
    /* The other side's disk gives EIO, too: then nothing is found here. */
    if (!link && (r == -EBADMSG || r == -EIO))
        sto_repair_suspect(m->o.repair, name, STO_SUSPECT_BAD);
    count(rd, r, bytes);
    complain(rd, name, r);
    if (r == 0 && rd->path != STO_MOVE_ALL)
        (void)keep(rd, name);
    rest(rd);
}

/* --- rounds ---------------------------------------------------------------------------------------------- */

struct names {
    size_t n;
    char name[NAMES][STO_NAME_MAX + 1];
};

static int take_name(const struct sto_entry *e, void *arg)
{
    struct names *v = arg;
    if ((e->op != 'C' && e->op != 'R' && e->op != 'L' && e->op != STO_OP_MOVED) || e->name.n == 0 ||
        e->name.n > STO_NAME_MAX || e->kind == DFS_SCAN_OBJECT || str_ends(e->name, STR("-m")))
        return 0;
    if (v->n == NAMES)
        return 1;
    memcpy(v->name[v->n], e->name.p, e->name.n);
    v->name[v->n++][e->name.n] = '\0';
    return 0;
}

/* 0; -ECANCELED: the order is over. */
static int go_through(struct round *rd, unsigned path, const struct sto_log_info *log)
{
    AUTO(dfs_free_ptr) struct names *v = dfs_alloc(sizeof(*v));
    struct sto_scan at = {.next = 0};
    if (!v)
        return -ENOMEM;
    while (!at.at_end) {
        v->n = 0;
        uint64_t from = at.next;
        int r = sto_logs_scan(rd->m->o.mirrors, rd->m->o.store, path, log->id, from,
                              STO_SCAN_NO_DESC | STO_SCAN_CHANGES, take_name, v, &at);
        if (r < 0)
            return r;
        for (size_t i = 0; i < v->n; i++) {
            if (!may_go_on(rd))
                return -ECANCELED;
            rd->each(rd, str_c(v->name[i]));
        }
        if (!may_go_on(rd))
            return -ECANCELED;
        if (at.next == from && v->n == 0)
            break;
    }
    return 0;
}

/* Nothing comes to the path any more. */
static bool is_closed(const struct round *rd)
{
    uint32_t incoming;
    return sto_store_closed(rd->m->o.store, (unsigned)rd->path, &incoming) && incoming == 0;
}

static int go_through_all(struct round *rd)
{
    struct sto_mover *m = rd->m;
    AUTO(dfs_free_ptr) struct sto_log_info *logs = dfs_alloc(STO_LOGS_MAX * sizeof(*logs));
    if (!logs)
        return -ENOMEM;
    for (unsigned path = 0; path < sto_store_path_count(m->o.store); path++) {
        if (rd->path != STO_MOVE_ALL && rd->path != (int)path)
            continue;
        size_t n = sto_mirrors_list(m->o.mirrors, path, logs, STO_LOGS_MAX);
        for (size_t i = 0; i < n; i++) {
            int r = go_through(rd, path, &logs[i]);
            if (r == -ECANCELED)
                return r;
            if (r < 0) { /* what is in it has not been looked at */
                count(rd, r, 0);
                pause_ms(m, RETRY_MS);
            }
        }
        if (sto_mirrors_unread(m->o.mirrors, path) > 0) /* nor what is in those */
            count(rd, -EBADMSG, 0);
    }
    return 0;
}

static int go_round(struct round *rd)
{
    rd->each = look_at;
    return rd->path != STO_MOVE_ALL && !is_closed(rd) ? -EAGAIN : go_through_all(rd);
}

static void count_one(struct round *rd, struct str name)
{
    struct sto_store *s = rd->m->o.store;
    char target[STO_NAME_MAX + 1];
    struct sto_info info = {.size = 0};
    bool link = rd->path != STO_MOVE_ALL && sto_link_target(s, name, target) == 0;
    if (!(link || sto_move_wanted(s, name)) || sto_client_may_change(s, name) != 0 ||
        !sto_movers_own(&rd->m->o, name) || (!link && sto_info(s, name, false, &info) < 0))
        return;
    rd->files++;
    rd->bytes += (int64_t)info.size;
}

/* Once an order. 0, also when it has been counted before. */
static int count_all(struct round *rd)
{
    struct sto_mover *m = rd->m;
    pthread_mutex_lock(&m->bg.lock);
    bool known = m->left.known;
    pthread_mutex_unlock(&m->bg.lock);
    if (known)
        return 0;
    rd->each = count_one;
    int r = go_through_all(rd);
    pthread_mutex_lock(&m->bg.lock);
    if (r == 0 && m->order == rd->order)
        m->left = (struct dfs_move_left){1, rd->files, rd->bytes};
    pthread_mutex_unlock(&m->bg.lock);
    return r;
}

/* Whose a file is, and who else has it, is known when the trackers' leader has said who is in the group. */
static int begin_round(struct round *rd)
{
    struct sto_mover *m = rd->m;
    if (sto_members_told(m->o.members))
        return count_all(rd);
    rd->error = EAGAIN;
    return -EAGAIN;
}

static void end_round(struct round *rd, int r)
{
    struct sto_mover *m = rd->m;
    pthread_mutex_lock(&m->bg.lock);
    if (m->order == rd->order)
        m->state.last_error = rd->error;
    if (r == 0) {
        m->left.files = rd->to_go; /* and what came meanwhile */
        m->left.bytes = rd->to_go_bytes;
        m->state.rounds++;
        m->state.round_moved = rd->moved;
        m->state.round_left = rd->left;
    }
    pthread_mutex_unlock(&m->bg.lock);
}

/* Waits for an order. False: it is time to stop. */
static bool take_order(struct sto_mover *m, struct round *rd)
{
    pthread_mutex_lock(&m->bg.lock);
    while (!m->bg.stopping && m->until_ms <= dfs_mono_ms())
        pthread_cond_wait(&m->bg.wake, &m->bg.lock);
    bool go_on = !m->bg.stopping;
    memcpy(rd->to, m->to, sizeof(rd->to));
    rd->path = m->path;
    rd->count_only = m->count_only;
    rd->order = m->order;
    pthread_mutex_unlock(&m->bg.lock);
    return go_on;
}

static void *mover_main(void *arg)
{
    struct sto_mover *m = arg;
    for (;;) {
        struct round rd = {.m = m};
        if (!take_order(m, &rd))
            return NULL;
        int r = begin_round(&rd);
        if (!rd.count_only)
            end_round(&rd, r == 0 ? go_round(&rd) : r);
        if (rd.moved == 0)
            pause_ms(m, PAUSE_MS);
        else
            dfs_log(LOG_INFO, "storage.files_moved", KV_I64("files", rd.moved),
                    KV_I64("left", rd.left));
    }
}

/* --- from outside ------------------------------------------------------------------------------------------ */

int sto_mover_order(struct sto_mover *m, const struct dfs_move_order *order, int path,
                    bool count_only)
{
    CHECK_OBJ(m, MOVER_MAGIC);
    if (order->group[0] && (!dfs_group_ok(str_c(order->group)) ||
                            strcmp(order->group, sto_store_group(m->o.store)) == 0))
        return -EINVAL;
    if (path != STO_MOVE_ALL && (unsigned)path >= sto_store_path_count(m->o.store))
        return -EINVAL;
    pthread_mutex_lock(&m->bg.lock);
    bool busy = m->until_ms > dfs_mono_ms();
    bool other = strcmp(order->group, m->to) != 0 || path != m->path;
    bool moving = busy && !m->count_only;
    int r = moving && order->for_ms > 0 && other ? -EBUSY : 0;
    if (r == 0 && !(moving && count_only)) {
        if (!busy || other || count_only != m->count_only) {
            m->order++;
            m->left = (struct dfs_move_left){.known = 0};
            m->state.round_left = m->state.last_error = 0; /* an earlier order's */
        }
        m->count_only = count_only;
        memcpy(m->to, order->group, sizeof(m->to));
        m->path = path;
        m->until_ms =
            order->for_ms ? dfs_mono_ms() + MIN(order->for_ms, (uint32_t)ORDER_MAX_MS) : 0;
        pthread_cond_signal(&m->bg.wake);
    }
    pthread_mutex_unlock(&m->bg.lock);
    return r;
}

void sto_mover_state(struct sto_mover *m, struct dfs_move_state *ret, struct dfs_move_left *left)
{
    *ret = (struct dfs_move_state){.running = 0};
    *left = (struct dfs_move_left){.known = 0};
    if (!m)
        return;
    CHECK_OBJ(m, MOVER_MAGIC);
    pthread_mutex_lock(&m->bg.lock);
    *ret = m->state;
    *left = m->left;
    ret->running = m->until_ms > dfs_mono_ms() && !m->count_only;
    pthread_mutex_unlock(&m->bg.lock);
}

int sto_mover_start(const struct sto_mover_options *o, struct sto_mover **ret)
{
    AUTO(sto_mover_stop) struct sto_mover *m = dfs_zalloc(sizeof(*m));
    if (!m)
        return -ENOMEM;
    m->magic = MOVER_MAGIC;
    m->o = *o;
    m->pace.rate = o->rate;
    dfs_background_init(&m->bg);
    int r = dfs_background_start(&m->bg, "sto-mover", mover_main, m);
    if (r == 0)
        *ret = TAKE(m);
    return r;
}

void sto_mover_stop(struct sto_mover **mp)
{
    struct sto_mover *m = TAKE(*mp);
    if (!m)
        return;
    CHECK_OBJ(m, MOVER_MAGIC);
    pthread_mutex_lock(&m->bg.lock);
    m->ending = true;
    if (m->sending)
        shutdown(dfs_peer_fd(m->sending), SHUT_RDWR);
    pthread_mutex_unlock(&m->bg.lock);
    dfs_background_fini(&m->bg);
    m->magic = 0;
    free(m);
}
