/* SPDX-License-Identifier: Apache-2.0 */
/*
 * admin - servers, store paths and groups that leave: drained, then removed. Each looks before it acts, says what speaks
 * against it, and does it then only with --force.
 *
 * A drained server, store path (of all servers of a group) or group takes no new files; reads, and changes of the files there
 * are, go on. A server is done when another one in service has everything it has written; from then on clients write to it no
 * more, so that this stays so when it is stopped, and the trackers remember it.
 */
#include <stdio.h>
#include <unistd.h>

#include "dfscore/cli/cli.h"
#include "dfscore/client/group_view.h"
#include "dfscore/fileid/fileid.h"
#include "dfscore/wire/internal.h"

static const char usage[] =
    "usage: dfs admin drain GROUP [ID | M01] [--watch], undrain GROUP [ID | M01], "
    "rebalance GROUP[/M01] [TO-GROUP], remove GROUP ID; "
    "with --dry-run, --force";

const char *cli_drain_word(uint8_t drain_state)
{
    return drain_state == DFS_DRAIN_DONE ? "drained"
           : drain_state == DFS_DRAIN_ON ? "draining"
                                         : "";
}

/* How many of its changes no server that would remain has, as far as it answers. */
static int64_t only_there(const struct dfs_group_view *v, const struct dfs_member_view *m)
{
    int64_t least = INT64_MAX;
    for (size_t i = 0; i < m->n; i++) {
        const struct dfs_member_view *other = dfs_group_view_find(v, str_c(m->lacks[i].id));
        if (other && other != m && other->detail.status == DFS_ST_ACTIVE)
            least = MIN(least, m->lacks[i].changes);
    }
    return least;
}

/* The server @id of the group, and the group. 0 or the exit code. */
static int look_up(struct cli *c, const char *group, const char *id, struct dfs_group_view *v,
                   const struct dfs_member_view **ret)
{
    int r = dfs_group_view_get(c->client, str_c(group), v);
    if (r < 0)
        return cli_fail(group, r);
    *ret = dfs_group_view_find(v, str_c(id));
    return *ret && (*ret)->counts ? 0 : cli_fail(id, -ENOENT);
}

/* 0: nothing speaks against it, or it is to be done all the same. */
static int judge(const struct cli *c, unsigned objections)
{
    if (c->dry_run)
        return objections ? EXIT_UNHEALTHY : 0;
    if (objections == 0 || c->force)
        return 0;
    fprintf(stderr, "dfs: nothing done; --force does it all the same\n");
    return EXIT_UNHEALTHY;
}

/* --- drain ---------------------------------------------------------------------------------------- */

static bool takes_new_files(const struct dfs_member_view *m)
{
    return m->detail.status == DFS_ST_ACTIVE && (m->detail.rw_mode & DFS_RW_WRITE);
}

static unsigned against_draining_server(const struct dfs_group_view *v,
                                        const struct dfs_member_view *m, const char *group)
{
    for (size_t i = 0; i < v->n; i++)
        if (&v->members[i] != m && takes_new_files(&v->members[i]))
            return 0;
    fprintf(stderr, "dfs: nobody else of %s takes new files\n", group);
    return 1;
}

/* 0, and *ret; or the exit code. */
static int against_draining_group(struct cli *c, const char *group, unsigned *ret)
{
    AUTO(dfs_free_ptr) struct dfs_group_stat *g = NULL;
    size_t n = 0;
    bool known = false, other = false;
    int r = dfs_list_groups(dfs_client_trackers(c->client), &g, &n);
    for (size_t i = 0; r == 0 && i < n; i++) {
        bool it = strcmp(g[i].group, group) == 0;
        known = known || it;
        other = other || (!it && g[i].writable_count > 0 && g[i].free_mb > g[i].reserved_mb);
    }
    if (r < 0 || !known)
        return cli_fail(group, r < 0 ? r : -ENOENT);
    if (!other)
        fprintf(stderr, "dfs: no other group takes new files: nothing could be written any more\n");
    *ret = !other;
    return 0;
}

static void say_progress(struct cli *c, const char *group, const char *id, const char *word,
                         int64_t left)
{
    if (c->json) {
        cli_begin(c);
        cli_str(c, "group", str_c(group));
        cli_str(c, "storage", str_c(id));
        cli_str(c, "drain", str_c(word));
        cli_bool(c, "known", left >= 0);
        cli_num(c, "changes_only_there", MAX(left, INT64_C(0)));
        cli_end(c);
    } else if (left == 0) {
        printf("%s %s: drained, others in service have all it has; stop it, then: dfs admin remove "
               "%s %s\n",
               group, id, group, id);
    } else if (left > 0) {
        printf("%s %s: draining, %lld changes are on no other server in service yet\n", group, id,
               (long long)left);
    } else {
        printf("%s %s: draining, what others have of it is not known: it does not answer, or "
               "nobody is in service\n",
               group, id);
    }
}

/* 0: drained, and noted; EXIT_UNHEALTHY: not yet. */
static int follow_server(struct cli *c, const char *group, const char *id)
{
    for (;;) {
        AUTO(dfs_group_view_fini) struct dfs_group_view v = {.n = 0};
        const struct dfs_member_view *m;
        int code = look_up(c, group, id, &v, &m);
        if (code)
            return code;
        int64_t left = m->answered ? only_there(&v, m) : -1;
        left = left == INT64_MAX ? -1 : left;
        uint8_t state = dfs_group_view_drain(&v, group, id);
        bool done = left == 0 || (left < 0 && state == DFS_DRAIN_DONE);
        int r = dfs_set_drain(dfs_client_trackers(c->client), str_c(group), str_c(id),
                              done ? DFS_DRAIN_DONE : DFS_DRAIN_ON);
        if (r < 0)
            return cli_fail(id, r);
        say_progress(c, group, id, cli_drain_word(done ? DFS_DRAIN_DONE : DFS_DRAIN_ON),
                     done ? 0 : left);
        if (done || c->watch_s == 0 || fflush(stdout) != 0)
            return done ? 0 : EXIT_UNHEALTHY;
        sleep(c->watch_s);
    }
}

static int drain_server(struct cli *c, const char *group, const char *id)
{
    AUTO(dfs_group_view_fini) struct dfs_group_view v = {.n = 0};
    const struct dfs_member_view *m;
    int code = look_up(c, group, id, &v, &m);
    if (code)
        return code;
    if (dfs_group_view_drain(&v, group, id) == DFS_DRAIN_NONE) {
        code = judge(c, against_draining_server(&v, m, group));
        int r = code || c->dry_run ? 0
                                   : dfs_set_drain(dfs_client_trackers(c->client), str_c(group),
                                                   str_c(id), DFS_DRAIN_ON);
        if (code || r < 0)
            return code ? code : cli_fail(id, r);
    }
    return c->dry_run ? 0 : follow_server(c, group, id);
}

static int drain_group(struct cli *c, const char *group)
{
    unsigned against = 0;
    int code = against_draining_group(c, group, &against);
    if (code == 0)
        code = judge(c, against);
    if (code || c->dry_run)
        return code;
    int r = dfs_set_drain(dfs_client_trackers(c->client), str_c(group), STR(""), DFS_DRAIN_ON);
    return r < 0 ? cli_fail(group, r) : 0;
}

/* 0, and *ret; or the exit code. */
static int against_draining_path(struct cli *c, const char *group, unsigned path, unsigned *ret)
{
    AUTO(dfs_free_ptr) struct dfs_group_stat *g = NULL;
    AUTO(dfs_group_view_fini) struct dfs_group_view v = {.n = 0};
    size_t n = 0;
    int64_t paths = 0;
    char name[4];
    int r = dfs_list_groups(dfs_client_trackers(c->client), &g, &n);
    for (size_t i = 0; r == 0 && i < n; i++)
        paths = strcmp(g[i].group, group) == 0 ? g[i].path_count : paths;
    if (r == 0)
        r = path < paths ? dfs_group_view_get(c->client, str_c(group), &v) : -ENOENT;
    if (r < 0)
        return cli_fail(c->args[2], r);
    *ret = 1;
    for (unsigned i = 0; i < MIN(paths, (int64_t)DFS_PATHS_MAX); i++) {
        dfs_path_name(i, name);
        if (i != path && dfs_group_view_drain(&v, group, name) == DFS_DRAIN_NONE)
            *ret = 0;
    }
    if (*ret)
        fprintf(stderr, "dfs: no other store path of %s takes new files; drain the group\n", group);
    return 0;
}

static int drain_path(struct cli *c, const char *group, unsigned path)
{
    unsigned against = 0;
    int code = against_draining_path(c, group, path, &against);
    if (code == 0)
        code = judge(c, against);
    if (code || c->dry_run)
        return code;
    int r = dfs_set_drain(dfs_client_trackers(c->client), str_c(group), str_c(c->args[2]),
                          DFS_DRAIN_ON);
    return r < 0 ? cli_fail(c->args[2], r) : 0;
}

static int drain(struct cli *c)
{
    const char *group = c->args[1], *id = c->n > 2 ? c->args[2] : NULL;
    unsigned path;
    if (id && dfs_path_named(str_c(id), &path) == 0)
        return drain_path(c, group, path);
    return id ? drain_server(c, group, id) : drain_group(c, group);
}

static int undrain(struct cli *c)
{
    const char *group = c->args[1], *id = c->n > 2 ? c->args[2] : "";
    int r = c->dry_run ? 0
                       : dfs_set_drain(dfs_client_trackers(c->client), str_c(group), str_c(id),
                                       DFS_DRAIN_NONE);
    return r < 0 ? cli_fail(*id ? id : group, r) : 0;
}

/* --- remove --------------------------------------------------------------------------------------- */

/* Says what speaks against it; how many things do. */
static unsigned against_removing(const struct dfs_group_view *v, const struct dfs_member_view *m,
                                 const char *group)
{
    unsigned n = 0, remain = v->in_service - (m->detail.status == DFS_ST_ACTIVE);
    unsigned wanted = v->min ? v->min : MIN(2u, v->in_service);
    bool proved = dfs_group_view_drain(v, group, m->detail.id) == DFS_DRAIN_DONE;
    if (remain < wanted && ++n)
        fprintf(stderr, "dfs: %u server%s would remain in service, and min_copies asks for %u%s\n",
                remain, remain == 1 ? "" : "s", wanted, v->min ? ": writes would be refused" : "");
    if (remain == 0 && ++n)
        fprintf(stderr, "dfs: nobody would remain to read the group's files from\n");
    if (m->answered && only_there(v, m) > 0 && remain > 0 && ++n)
        fprintf(stderr, "dfs: %lld of its changes are on no other server in service yet\n",
                (long long)only_there(v, m));
    if (!m->answered && m->detail.status != DFS_ST_ACTIVE && !proved && ++n)
        fprintf(
            stderr,
            "dfs: it does not answer: whether the others have all of its changes is not known\n");
    return n;
}

static int remove_server(struct cli *c)
{
    AUTO(dfs_group_view_fini) struct dfs_group_view v = {.n = 0};
    const char *group = c->args[1], *id = c->args[2];
    const struct dfs_member_view *m;
    int code = look_up(c, group, id, &v, &m);
    if (code == 0)
        code = judge(c, against_removing(&v, m, group));
    if (code || c->dry_run)
        return code;
    int r = dfs_delete_storage(dfs_client_trackers(c->client), str_c(group), str_c(id));
    if (r == -EBUSY)
        fprintf(stderr, "dfs: it is running: stop it first\n");
    return r < 0 ? cli_fail(id, r) : 0;
}

int cmd_admin(struct cli *c)
{
    static const struct {
        const char *verb;
        int min, max;
        int (*run)(struct cli *c);
    } verbs[] = {{"drain", 2, 3, drain},
                 {"undrain", 2, 3, undrain},
                 {"remove", 3, 3, remove_server},
                 {"rebalance", 2, 3, cmd_rebalance}};
    for (size_t i = 0; i < ARRAY_LEN(verbs); i++)
        if (strcmp(c->args[0], verbs[i].verb) == 0 && c->n >= verbs[i].min && c->n <= verbs[i].max)
            return verbs[i].run(c);
    return cli_misuse("%s", usage);
}
