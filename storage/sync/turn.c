/* SPDX-License-Identifier: Apache-2.0 */
#include "storage/sync/turn.h"

#include "dfscore/base/clock.h"
#include "dfscore/fileid/fileid.h"
#include "dfscore/wire/internal.h"

enum { BODY_MAX = 256, ANSWER_MAX = 1024 * 1024 };

bool sto_turn_home(struct str name, const char *id)
{
    struct dfs_fileid f;
    char source[16];
    if (dfs_filename_parse(name, &f) < 0 || f.slave)
        return false;
    dfs_fileid_source_text(&f, source);
    return strcmp(source, id) == 0;
}

static bool in_service(const struct sto_turn_options *o, const struct sto_member *m)
{
    return sto_in_service(m->status) &&
           !(o->followers && sto_followers_is_gone(o->followers, m->id));
}

/* Whom we do not take to be in service some tracker may still take for alive: then it may edit alone. */
static bool may_be_alive(const struct sto_turn_options *o, const struct sto_member *m)
{
    bool may = m->status == DFS_ST_OFFLINE && m->port != 0 && o->silent;
    return in_service(o, m) || (may && !sto_followers_is_gone(o->followers, m->id));
}

/* It let a question wait to its end a moment ago, and has not pulled since. */
static bool is_silent(const struct sto_turn_options *o, const struct sto_member *m)
{
    uint64_t since = sto_followers_silent_since(o->followers, m->id);
    return since > 0 && !sto_followers_heard_since(o->followers, m->id, since);
}

/* The trackers may not have told us yet that it is back. */
static bool may_be_up(const struct sto_turn_options *o, const struct sto_member *m)
{
    bool away = dfs_server_left(m->status) || m->port == 0 || is_silent(o, m);
    return in_service(o, m) || !away;
}

/* One that the trackers have not named to us yet has just come. */
static bool is_away(void *arg, const char *id)
{
    const struct sto_turn_options *o = arg;
    struct sto_member m;
    return sto_members_find(o->members, id, &m) == 0 && !in_service(o, &m);
}

static struct sto_turn_away away_of(const struct sto_turn_options *o)
{
    return (struct sto_turn_away){is_away, (void *)(uintptr_t)o};
}

/* --- asking ------------------------------------------------------------------------------------------- */

static bool is_alone(const struct sto_turn_options *o)
{
    struct sto_member peers[DFS_SERVERS_MAX];
    return sto_members_peers(o->members, peers) == 0;
}

bool sto_turn_lasts(void *t)
{
    const struct sto_turn *turn = t;
    return sto_members_vouched(turn->members, &turn->vouch);
}

bool sto_turn_leads(const struct sto_turn_options *o, struct str name, struct sto_turn *t)
{
    t->members = o->members;
    /* Whom no tracker takes for alive others leave out when it does not answer, but for what they have given it. */
    t->vouch = sto_members_vouch(o->members, dfs_mono_ms() + STO_TURN_SURE_MS);
    t->taken = false;
    bool ours = sto_turn_home(name, sto_store_server(o->store)) || is_alone(o);
    return ours && sto_members_told(o->members) && sto_members_up_to_date(o->members) &&
           sto_turn_check(o->store, name) == 0;
}

static int reach(const struct sto_turn_options *o, const struct sto_member *m,
                 struct dfs_peer **ret)
{
    return sto_line_reach(o->line, o->members, m, &o->net, ret);
}

static int call(const struct sto_turn_options *o, struct dfs_peer *p, const struct sto_turn *t,
                uint8_t what, struct buf *rsp)
{
    AUTO(buf_free) struct buf body = BUF(BODY_MAX);
    char id[DFS_ID_MAX] = {0};
    memcpy(id, t->id.by, strnlen(t->id.by, sizeof(id)));
    buf_u8(&body, what);
    buf_u64(&body, t->id.token);
    buf_u64(&body, t->id.from);
    buf_add(&body, id, sizeof(id));
    buf_adds(&body, t->name);
    struct str part = buf_str(&body);
    int r = buf_err(&body);
    return r < 0 ? r : o->line->call(p, DFS_INT_SYNC_TURN, 0, &part, 1, rsp);
}

/* A member of an earlier build, which may have closed the connection, is asked what it has. */
static int look(const struct sto_turn_options *o, const struct sto_member *m, struct str name,
                struct sto_latest *ret)
{
    const struct sto_line *line = o->line;
    struct dfs_peer *p = NULL;
    AUTO(buf_free) struct buf rsp = BUF(ANSWER_MAX);
    struct sto_line_meta meta = {.ms = 0};
    struct rd rd;
    size_t n;
    int r = reach(o, m, &p);
    if (r < 0)
        return r;
    r = sto_line_version(line, p, sto_store_group(o->store), name, &rsp, &ret->version);
    if (!line->broken(p) && sto_line_metas(line, p, &name, 1, &rsp, &rd, &n) == 0 &&
        sto_line_meta_next(&rd, &meta) == 0)
        ret->meta_ms = meta.ms;
    bool broken = r < 0 && line->broken(p);
    line->free(&p);
    return broken ? r : 0;
}

/* -EAGAIN: it refuses; else it cannot be asked. */
static int ask(const struct sto_turn_options *o, const struct sto_member *m, struct sto_turn *t,
               uint8_t what, struct sto_latest *ret)
{
    AUTO(buf_free) struct buf rsp = BUF(BODY_MAX);
    struct dfs_peer *p = NULL;
    *ret = (struct sto_latest){.version = 0};
    int r = reach(o, m, &p);
    if (r < 0)
        return r;
    r = call(o, p, t, what, &rsp);
    o->line->free(&p);
    if (r == -EINVAL || r == -EOPNOTSUPP)
        return look(o, m, t->name, ret);
    if (r < 0)
        return r;
    struct rd rd = rd_of(buf_str(&rsp));
    uint64_t version = rd_u64(&rd), meta_ms = rd_u64(&rd);
    ret->version = (int64_t)MIN(version, (uint64_t)INT64_MAX);
    ret->meta_ms = (int64_t)MIN(meta_ms, (uint64_t)INT64_MAX);
    if (rd.bad)
        return -EPROTO;
    t->asked[t->n++] = *m;
    return 0;
}

static void give_back(const struct sto_turn_options *o, struct sto_turn *t)
{
    while (t->n > 0) {
        AUTO(buf_free) struct buf rsp = BUF(BODY_MAX);
        struct dfs_peer *p = NULL;
        if (reach(o, &t->asked[--t->n], &p) == 0)
            (void)!call(o, p, t, DFS_TURN_BACK, &rsp);
        o->line->free(&p);
    }
}

/* The home first. */
static int place_of(struct str name, const struct sto_member *a, const struct sto_member *b)
{
    int home = sto_turn_home(name, b->id) - sto_turn_home(name, a->id);
    return home != 0 ? home : strcmp(a->id, b->id);
}

/* All of the group, ourselves included, in the order in which they are asked. */
static size_t in_order(const struct sto_turn_options *o, struct str name,
                       struct sto_member ret[DFS_SERVERS_MAX + 1])
{
    size_t n = sto_members_peers(o->members, ret);
    sto_members_get_self(o->members, &ret[n]);
    (void)snprintf(ret[n].id, sizeof(ret[n].id), "%s", sto_store_server(o->store));
    for (size_t i = 1; i <= n; i++)
        for (size_t k = i; k > 0 && place_of(name, &ret[k - 1], &ret[k]) > 0; k--) {
            struct sto_member later = ret[k - 1];
            ret[k - 1] = ret[k];
            ret[k] = later;
        }
    return n + 1;
}

/* Too many turns that nobody gives back: before they are forgotten, this member asks all others until it has caught up. */
static bool make_room(const struct sto_turn_options *o, const struct sto_turn_away *away)
{
    sto_members_joined(o->members);
    return sto_turns_forget(o->store, away);
}

struct asking {
    const struct sto_turn_options *o;
    struct sto_turn *t;
    uint8_t cmd;
    struct sto_latest latest; /* of the others */
};

/* Another member, if it is in service. */
static int ask_other(struct asking *a, const struct sto_member *m)
{
    struct sto_latest there;
    if (in_service(a->o, m) && is_silent(a->o, m))
        return -EAGAIN; /* nobody waits for it twice */
    int r = -ENOTCONN;
    if (may_be_up(a->o, m)) {
        r = ask(a->o, m, a->t, a->cmd, &there);
        sto_followers_asked(a->o->followers, m->id, r);
    }
    if (r == 0) {
        a->latest.version = MAX(a->latest.version, there.version);
        a->latest.meta_ms = MAX(a->latest.meta_ms, there.meta_ms);
    }
    if (r == 0 || r == -EAGAIN)
        return r;
    if (may_be_alive(a->o, m) && a->o->silent)
        a->o->silent(a->o->arg);
    if (may_be_alive(a->o, m) || sto_members_awaited(a->o->members, m))
        return -EAGAIN;
    if (sto_turn_home(a->t->name, m->id))
        a->cmd = DFS_TURN_TAKE_ORPHAN;
    a->t->away[a->t->n_away++] = *m;
    return 0;
}

/* Whoever was away catches up before he edits, and pulls from us for that. */
static int nobody_is_back(const struct sto_turn_options *o, const struct sto_turn *t)
{
    for (size_t i = 0; i < t->n_away; i++)
        if (o->followers && sto_followers_heard_since(o->followers, t->away[i].id, t->began_ms))
            return -EAGAIN;
    return 0;
}

static int ask_all(struct asking *a)
{
    struct sto_member all[DFS_SERVERS_MAX + 1];
    struct sto_turn_away away = away_of(a->o);
    struct sto_turn *t = a->t;
    size_t n = in_order(a->o, t->name, all);
    int r = 0;
    for (size_t i = 0; i < n && r == 0; i++)
        r = strcmp(all[i].id, t->id.by) == 0
                ? sto_turn_keep(a->o->store, t->name, &away, &t->id, &t->before)
                : ask_other(a, &all[i]);
    if (r == 0)
        r = t->before.found;
    if (r == 0 && (a->latest.version > t->before.version || a->latest.meta_ms > t->before.meta_ms))
        r = -EAGAIN;
    if (r == 0)
        r = nobody_is_back(a->o, t);
    if (r == 0)
        sto_turn_won(a->o->store, t->name);
    return r;
}

static int begin(const struct sto_turn_options *o, struct sto_turn *t)
{
    struct sto_turn_away away = away_of(o);
    int r = sto_turn_begin(o->store, t->name, &away, &t->id);
    if (r == -ENOSPC && make_room(o, &away))
        r = sto_turn_begin(o->store, t->name, &away, &t->id);
    t->taken = r == 0;
    return r == -ENOSPC ? -EAGAIN : r;
}

/* Our own last: who comes next asks the others when they have it back. */
static void finish(const struct sto_turn_options *o, struct sto_turn *t, bool back)
{
    if (back)
        give_back(o, t);
    t->taken = false;
    sto_turn_back(o->store, t->name, &t->id);
}

int sto_turn_take(const struct sto_turn_options *o, struct str name, struct sto_turn *t)
{
    struct sto_info info;
    t->n = t->n_away = 0;
    t->began_ms = dfs_mono_ms();
    t->name = name;
    t->before = (struct sto_latest){.version = 0};
    if (sto_turn_leads(o, name, t))
        return 0;
    int r = sto_members_told(o->members) ? sto_info(o->store, name, false, &info) : -EAGAIN;
    if (r == 0)
        r = begin(o, t);
    if (r == 0)
        r = ask_all(&(struct asking){.o = o, .t = t, .cmd = DFS_TURN_TAKE});
    if (r < 0 && t->taken)
        finish(o, t, true);
    return r;
}

/* Has it been edited? Then the record says so to those who have given the turn. */
static bool changed(const struct sto_turn_options *o, const struct sto_turn *t)
{
    struct sto_latest now;
    return sto_turn_look(o->store, t->name, &now) < 0 || now.found != t->before.found ||
           now.version != t->before.version || now.meta_ms != t->before.meta_ms;
}

int sto_turn_end(const struct sto_turn_options *o, struct sto_turn *t)
{
    int r = 0;
    if (t->taken) {
        r = nobody_is_back(o, t);
        finish(o, t, !changed(o, t));
    }
    return r == 0 && !sto_turn_lasts(t) ? -EAGAIN : r;
}

/* --- being asked ------------------------------------------------------------------------------------------ */

/* The asker takes the home for being out of service. */
static bool home_is_away(const struct sto_turn_options *o, struct str name)
{
    struct sto_member peers[DFS_SERVERS_MAX];
    size_t n = sto_members_peers(o->members, peers);
    for (size_t i = 0; i < n; i++)
        if (in_service(o, &peers[i]) && sto_turn_home(name, peers[i].id))
            return false;
    return !sto_turn_home(name, sto_store_server(o->store));
}

static int give(const struct sto_turn_options *o, struct str name, const struct sto_turn_id *id,
                struct sto_latest *ret)
{
    struct sto_turn_away away = away_of(o);
    int r = sto_turn_give(o->store, name, &away, id, ret);
    if (r == -ENOSPC && make_room(o, &away))
        r = sto_turn_give(o->store, name, &away, id, ret);
    return r == -ENOSPC ? -EAGAIN : r;
}

int sto_turn_hear(const struct sto_turn_options *o, struct str body, struct buf *out)
{
    struct rd rd = rd_of(body);
    struct sto_turn_id id = {.from = 0};
    struct sto_latest here = {.version = 0};
    uint8_t what = rd_u8(&rd);
    id.token = rd_u64(&rd);
    id.from = rd_u64(&rd);
    struct str by = rd_bytes(&rd, DFS_ID_MAX);
    struct str name = rd_bytes(&rd, rd.n);
    if (rd.bad || name.n == 0 || name.n > STO_NAME_MAX || what > DFS_TURN_BACK)
        return -EINVAL;
    memcpy(id.by, by.p, strnlen(by.p, DFS_ID_MAX));
    if (what == DFS_TURN_BACK) {
        sto_turn_back(o->store, name, &id);
        return 0;
    }
    bool orphan = what == DFS_TURN_TAKE_ORPHAN;
    if (orphan && !home_is_away(o, name)) { /* the asker may have found out first */
        if (!o->silent)
            return -EHOSTDOWN;
        o->silent(o->arg);
    }
    int r = orphan && !home_is_away(o, name) ? -EAGAIN : give(o, name, &id, &here);
    if (r < 0)
        return r;
    buf_u64(out, (uint64_t)here.version);
    buf_u64(out, (uint64_t)here.meta_ms);
    return buf_err(out);
}
