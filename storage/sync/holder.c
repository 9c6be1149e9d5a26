/* SPDX-License-Identifier: Apache-2.0 */
#include "storage/sync/holder.h"

#include "dfscore/fileid/fileid.h"
#include "storage/sync/turn.h"

bool sto_holder_may_be(const struct sto_holder_options *o, struct str name)
{
    struct sto_member self;
    struct dfs_fileid f;
    sto_members_get_self(o->members, &self);
    return self.status != DFS_ST_ACTIVE || !sto_members_whole(o->members) ||
           (dfs_filename_parse(name, &f) == 0 && !sto_turn_home(name, sto_store_server(o->store)));
}

struct asked {
    const struct sto_holder_options *o;
    struct str name;
    size_t n;
    struct {
        struct sto_member member;
        int result; /* -ENOTCONN: it is not asked; -ETIMEDOUT: also that it was silent just before */
    } list[DFS_SERVERS_MAX];
};

static int has(const struct sto_holder_options *o, const struct sto_member *m, struct str name)
{
    enum { ANSWER_MAX = 512 };
    AUTO(buf_free) struct buf rsp = BUF(ANSWER_MAX);
    struct dfs_peer *p = NULL;
    int64_t version;
    int r = sto_line_reach(o->line, o->members, m, &o->net, &p);
    if (r == 0)
        r = sto_line_version(o->line, p, sto_store_group(o->store), name, &rsp, &version);
    o->line->free(&p);
    return r;
}

/* Also who is filling, or of whom we have not heard that he is through with it. */
static bool is_asked(const struct sto_member *m)
{
    return sto_in_service(m->status) ||
           (m->port != 0 && m->status != DFS_ST_OFFLINE && !dfs_server_left(m->status));
}

static void ask_one(void *arg, unsigned i)
{
    struct asked *a = arg;
    const struct sto_holder_options *o = a->o;
    const struct sto_member *m = &a->list[i].member;
    if (!is_asked(m)) {
        a->list[i].result = -ENOTCONN;
    } else if (sto_followers_silent_since(o->followers, m->id) > 0) {
        a->list[i].result = -ETIMEDOUT;
    } else {
        a->list[i].result = has(o, m, a->name);
        sto_followers_asked(o->followers, m->id, a->list[i].result);
    }
}

static void ask_all(struct asked *a)
{
    struct sto_member peers[DFS_SERVERS_MAX];
    a->n = sto_members_peers(a->o->members, peers);
    for (size_t i = 0; i < a->n; i++)
        a->list[i].member = peers[i];
    a->o->at_once((unsigned)a->n, ask_one, a);
}

static int ask_holder(const struct sto_holder_options *o, const struct sto_member *m,
                      const struct sto_holder_question *q, struct dfs_peer **ret, uint64_t *len)
{
    struct dfs_peer_opts net = o->net;
    struct dfs_peer *p = NULL;
    net.timeout_ms = o->answer_ms;
    int r = sto_line_reach(o->line, o->members, m, &net, &p);
    if (r == 0)
        r = o->line->send(p, q->cmd, q->status, &q->body, 1, 0);
    if (r == 0)
        r = o->line->answer(p, len);
    if (r == 0)
        *ret = TAKE(p);
    o->line->free(&p);
    return r;
}

/* Who took it, as far as its name says that, and we have been told of him: 0 or -ENOENT. */
static int find_home(const struct sto_holder_options *o, struct str name, struct sto_member *ret)
{
    struct dfs_fileid f;
    char home[16];
    if (dfs_filename_parse(name, &f) < 0 || f.slave)
        return -ENOENT;
    dfs_fileid_source_text(&f, home);
    return sto_members_find(o->members, home, ret);
}

/* Has who says @e not the file? */
static bool lacks(int e)
{
    return e == -ENOENT || e == -ENODATA;
}

/* What comes of @m, which says @e: it is asked for the rest where readers may have what it has. */
static int ask_further(const struct asked *a, const struct sto_member *m, int e,
                       const struct sto_holder_question *q, struct dfs_peer **ret, uint64_t *len)
{
    if (!sto_in_service(m->status))
        return e == 0 ? -EAGAIN : e;
    if (!q || e == -ETIMEDOUT || lacks(e))
        return e;
    int r = ask_holder(a->o, m, q, ret, len);
    if (r != -ENOENT || e == -EREMOTE) /* what has moved is missing where it went */
        return r;
    /* It has the file, without the metadata asked for; or has come back with an empty disk this moment. */
    return has(a->o, m, a->name) == 0 ? -ENOENT : -EAGAIN;
}

int sto_holder_find(const struct sto_holder_options *o, struct str name,
                    const struct sto_holder_question *q, struct dfs_peer **ret, uint64_t *len)
{
    struct asked a = {.o = o, .name = name};
    struct sto_member home;
    bool told = false, known = find_home(o, name, &home) == 0;
    bool one_will_do = o->copies != 1 && (!known || dfs_server_left(home.status));
    unsigned silent = 0;
    ask_all(&a);
    for (size_t i = 0; i < a.n; i++) {
        const struct sto_member *m = &a.list[i].member;
        int e = ask_further(&a, m, a.list[i].result, q, ret, len);
        if (e == 0 || e == -EINVAL || e == -EPERM)
            return e;
        told = told || (e == -ENOENT && sto_in_service(m->status) && sto_turn_home(name, m->id));
        if (lacks(e) || dfs_server_left(m->status))
            continue;
        silent++;
        one_will_do = one_will_do && sto_members_keeps_up(o->members, m);
    }
    if (told)
        return -ENOENT;
    if (!sto_members_told(o->members) || silent > one_will_do)
        return -EAGAIN;
    return known || (o->all_known && o->all_known(o->arg)) ? -ENOENT : -EAGAIN;
}

int sto_holder_absent(struct sto_members *members)
{
    struct sto_member self;
    sto_members_get_self(members, &self);
    return sto_in_service(self.status) && sto_members_whole(members) ? -ENOENT : -ENODATA;
}
