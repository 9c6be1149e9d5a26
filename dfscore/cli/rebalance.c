/* SPDX-License-Identifier: Apache-2.0 */
/*
 * rebalance - the files of FastDFS clients leave a group, or a store path of all its servers, that is drained.
 *
 * The group's servers move them, each its own (storage/service/mover.h), while they are told to: the order is renewed
 * every second, and ends by itself when this program does. It is done when each server has gone through all logs and
 * found nothing to be moved.
 */
#include <stdio.h>
#include <unistd.h>

#include "dfscore/cli/cli.h"
#include "dfscore/client/group_view.h"
#include "dfscore/wire/internal.h"

enum { ORDER_MS = 20 * 1000 };

/* What is emptied, as "group1/M01". */
struct place {
    const char *text;
    char group[DFS_GROUP_MAX + 1];
    char id[4];    /* as in dfs_drain: "M01", "" */
    unsigned path; /* when there is an id */
};

/* What is known of each server's rounds. */
struct seen {
    char id[DFS_ID_MAX + 1];
    bool hung_up; /* at the last question about moves */
    bool known;
    int64_t begun; /* rounds when the first order reached it, and one that was under way then */
    int64_t last;
};

struct progress {
    int64_t moved, bytes, error;
    int64_t left; /* by the last rounds, to be tried again */
    int64_t to_go, to_go_bytes;
    bool counted;  /* by all who could be asked: the two hold */
    unsigned away; /* servers that are not in service */
    unsigned
        open; /* those that have not heard yet that the path is drained, or take files there that were on their way */
    bool hearing; /* all has moved, which some members have yet to hear */
    bool done;
};

static struct seen *seen_of(struct seen *all, const char *id)
{
    for (size_t i = 0; i < DFS_SERVERS_MAX; i++)
        if (!all[i].id[0] || strcmp(all[i].id, id) == 0) {
            (void)snprintf(all[i].id, sizeof(all[i].id), "%s", id);
            return &all[i];
        }
    return NULL;
}

static int order(struct cli *c, const struct place *pl, const struct dfs_member_view *m,
                 const char *to, uint32_t for_ms)
{
    enum { ALL = 255 };
    struct dfs_move_order o = {.for_ms = for_ms};
    struct dfs_addr addr = {.port = (uint16_t)m->detail.port};
    struct dfs_peer *p = NULL;
    AUTO(buf_free) struct buf body = BUF(DFS_MOVE_ORDER_LEN + 2);
    int r = dfs_text_set(o.group, sizeof(o.group), str_c(to));
    if (r < 0)
        return r;
    dfs_move_order_put(&body, &o);
    if (pl->id[0] || c->dry_run)
        buf_u8(&body, pl->id[0] ? (uint8_t)pl->path : ALL);
    if (c->dry_run)
        buf_u8(&body, 1);
    const struct str part = buf_str(&body);
    memcpy(addr.host, m->detail.ip, sizeof(m->detail.ip));
    r = dfs_connpool_get(dfs_client_pool(c->client), &addr, &p);
    if (r == 0)
        r = dfs_peer_call(p, DFS_INT_MOVE, 0, &part, 1, NULL);
    dfs_connpool_put(dfs_client_pool(c->client), &p);
    return r;
}

/* Has it gone through everything since the order, and found nothing? */
static bool is_done(struct seen *s, const struct dfs_move_state *st)
{
    if (!s)
        return false;
    if (!s->known || st->rounds < s->last) /* the first look, or it has been started again */
        *s = (struct seen){.known = true, .begun = st->rounds + (st->running ? 1 : 0)};
    s->last = st->rounds;
    return st->rounds > s->begun && st->round_moved == 0 && st->round_left == 0;
}

/* Nothing new comes to that path of it. */
static bool is_closed(const struct dfs_member_view *m, unsigned path)
{
    return path < m->npaths && m->paths[path].closed && m->paths[path].incoming == 0;
}

/* How much it still has to move. False: it is counting, or does not know the question. */
static bool ask_left(struct cli *c, const struct dfs_member_view *m, struct dfs_move_left *ret)
{
    AUTO(buf_free) struct buf rsp = BUF(DFS_MOVE_LEFT_LEN);
    struct dfs_addr addr = {.port = (uint16_t)m->detail.port};
    struct dfs_peer *p = NULL;
    const struct str ask = STR("\1");
    memcpy(addr.host, m->detail.ip, sizeof(m->detail.ip));
    int r = dfs_connpool_get(dfs_client_pool(c->client), &addr, &p);
    if (r == 0)
        r = dfs_peer_call(p, DFS_INT_MOVE_STATE, 0, &ask, 1, &rsp);
    dfs_connpool_put(dfs_client_pool(c->client), &p);
    return r == 0 && dfs_move_left_get(buf_str(&rsp), ret) == 0 && ret->known;
}

/* Who does not know a question closes the connection. So does a server that is ended just then, but not twice in a row;
 * @once: nobody asks it again. */
static bool is_old(struct seen *s, const struct dfs_member_view *m, bool once)
{
    bool before = once || !s || s->hung_up;
    if (s)
        s->hung_up = !m->moves;
    return before && !m->moves;
}

static int too_old(const char *id)
{
    fprintf(stderr, "dfs: %s is of a build that cannot move files\n", id);
    return EXIT_UNHEALTHY;
}

/* 0, and what has been reached; or the exit code. */
static int step(struct cli *c, const struct place *pl, const struct dfs_group_view *v,
                const char *to, struct seen *seen, struct progress *p)
{
    *p = (struct progress){.done = true, .counted = true};
    for (size_t i = 0; i < v->n; i++) {
        const struct dfs_member_view *m = &v->members[i];
        if (!m->counts)
            continue;
        bool asked = m->detail.status == DFS_ST_ACTIVE && m->answered;
        if (asked && is_old(seen_of(seen, m->detail.id), m, c->dry_run))
            return too_old(m->detail.id);
        if (!asked || !m->moves) {
            p->away++;
            p->counted = false;
            continue;
        }
        if (pl->id[0] && !is_closed(m, pl->path)) {
            p->open++;
            p->counted = false;
            continue;
        }
        p->done = is_done(seen_of(seen, m->detail.id), &m->move) && p->done;
        p->moved += m->move.moved;
        p->bytes += m->move.moved_bytes;
        p->left += m->move.round_left;
        p->error = m->move.last_error ? m->move.last_error : p->error;
        struct dfs_move_left left = {.known = 0};
        int r = order(c, pl, m, to, ORDER_MS);
        if (r == -EINVAL && (pl->id[0] || c->dry_run))
            return too_old(m->detail.id);
        if (r == -EACCES || r == -EINVAL || r == -EBUSY)
            return cli_fail(m->detail.id, r);
        p->counted = r == 0 && ask_left(c, m, &left) && p->counted;
        p->to_go += left.files;
        p->to_go_bytes += left.bytes;
        p->done = p->done && r == 0;
    }
    p->done = p->done && p->away == 0 && p->open == 0;
    if (p->counted) { /* a file is left for each member until it has heard, and to go for its mover alone */
        p->hearing = p->left > 0 && p->to_go == 0;
        p->left = MIN(p->left, p->to_go);
    }
    return 0;
}

static void say(struct cli *c, const struct place *pl, const struct progress *p)
{
    if (c->json) {
        cli_begin(c);
        cli_str(c, "group", str_c(pl->group));
        if (pl->id[0])
            cli_str(c, "store_path", str_c(pl->id));
        cli_bool(c, "done", p->done);
        cli_num(c, "moved", p->moved);
        cli_num(c, "moved_bytes", p->bytes);
        cli_num(c, "left", p->left);
        if (p->counted) {
            cli_num(c, "to_go", p->to_go);
            cli_num(c, "to_go_bytes", p->to_go_bytes);
        }
        if (p->error && !p->done)
            cli_str(c, "error", str_c(strerror((int)p->error)));
        cli_num(c, "servers_away", p->away);
        if (pl->id[0])
            cli_num(c, "servers_open", p->open);
        cli_end(c);
        return;
    }
    printf("%s: %lld files, %lld bytes moved since its servers' start", pl->text,
           (long long)p->moved, (long long)p->bytes);
    if (p->counted && !p->done)
        printf("; %lld files, %lld bytes to go", (long long)p->to_go, (long long)p->to_go_bytes);
    if (p->away)
        printf("; waiting for %u server%s to be in service", p->away, p->away == 1 ? "" : "s");
    else if (p->open)
        printf("; waiting for %u server%s to take no new files there", p->open,
               p->open == 1 ? "" : "s");
    else if (p->hearing)
        printf("; waiting for all servers to hear where they are");
    else if (p->left)
        printf("; %lld to be tried again%s%s", (long long)p->left, p->error ? ": " : "",
               p->error ? strerror((int)p->error) : "");
    else if (p->error && !p->done) /* the first round is not over */
        printf("; not all of this round could be moved: %s", strerror((int)p->error));
    if (p->done)
        printf(
            "; done: nothing is left to be moved (of gateways' objects: s3gw admin rebalance start "
            "%s)",
            pl->text);
    printf("\n");
}

static bool same(const struct progress *a, const struct progress *b)
{
    return a->moved == b->moved && a->left == b->left && a->error == b->error &&
           a->hearing == b->hearing && a->away == b->away && a->open == b->open &&
           a->done == b->done && a->counted == b->counted;
}

/* There, and not on its way out itself. */
static int look_at_target(struct cli *c, const char *to)
{
    AUTO(dfs_free_ptr) struct dfs_group_stat *g = NULL;
    size_t n = 0;
    int r = dfs_list_groups(dfs_client_trackers(c->client), &g, &n);
    for (size_t i = 0; r == 0 && i < n; i++) {
        if (strcmp(g[i].group, to) != 0)
            continue;
        if (g[i].writable_count > 0)
            return 0;
        fprintf(stderr, "dfs: %s takes no new files\n", to);
        return EXIT_UNHEALTHY;
    }
    return cli_fail(to, r < 0 ? r : -ENOENT);
}

static int look(struct cli *c, const struct place *pl, struct dfs_group_view *v)
{
    int r = dfs_group_view_get(c->client, str_c(pl->group), v);
    if (r < 0)
        return cli_fail(pl->group, r);
    if (dfs_group_view_drain(v, pl->group, pl->id) != DFS_DRAIN_NONE)
        return 0;
    fprintf(stderr, "dfs: %s takes new files: first, dfs admin drain %s%s%s\n", pl->text, pl->group,
            pl->id[0] ? " " : "", pl->id);
    return EXIT_UNHEALTHY;
}

static bool understand(const char *text, struct place *ret)
{
    struct str group = str_c(text), path;
    bool one_path = str_cut(group, '/', &group, &path);
    *ret = (struct place){.text = text};
    if (!dfs_group_ok(group) || (one_path && dfs_path_named(path, &ret->path) < 0))
        return false;
    memcpy(ret->group, group.p, group.n);
    if (one_path)
        dfs_path_name(ret->path, ret->id);
    return true;
}

int cmd_rebalance(struct cli *c)
{
    const char *to = c->n > 2 ? c->args[2] : "";
    struct place pl;
    struct seen seen[DFS_SERVERS_MAX] = {0};
    struct progress now, before = {.moved = -1};
    if (!understand(c->args[1], &pl))
        return cli_misuse("a group, or a store path of it as in group1/M01");
    if (strcmp(to, pl.group) == 0)
        return cli_misuse("%s is what the files are to leave; name another group, or none", to);
    int wrong = to[0] ? look_at_target(c, to) : 0;
    if (wrong)
        return wrong;
    for (;;) {
        AUTO(dfs_group_view_fini) struct dfs_group_view v = {.n = 0};
        int code = look(c, &pl, &v);
        if (code == 0)
            code = step(c, &pl, &v, to, seen, &now);
        if (code)
            return code;
        bool looked = c->dry_run && (now.counted || now.away > 0 || now.open > 0);
        if (c->dry_run ? looked : !same(&now, &before))
            say(c, &pl, &now);
        before = now;
        if (now.done || looked)
            for (size_t i = 0; i < v.n; i++)
                (void)!order(c, &pl, &v.members[i], to, 0); /* ends by itself, too */
        if (now.done || looked || fflush(stdout) != 0)
            return now.done || looked ? 0 : 1;
        sleep(1);
    }
}
