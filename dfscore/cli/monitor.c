/* SPDX-License-Identifier: Apache-2.0 */
/*
 * monitor - the cluster at a glance, in 100 columns.
 *
 * Exit code 0: everything is as it should be; 3: something is not (EXIT_UNHEALTHY); 1: could not look.
 */
#include <stdio.h>
#include <unistd.h>

#include "dfscore/base/clock.h"
#include "dfscore/cli/cli.h"
#include "dfscore/client/group_view.h"
#include "dfscore/fileid/fileid.h"

enum { LATE_S = 60, COLUMN = 32 };

/* "12 B", "3.4 GiB". */
static const char *size_text(int64_t bytes, char out[COLUMN])
{
    static const char *const units[] = {"B", "KiB", "MiB", "GiB", "TiB", "PiB", "EiB"};
    double v = (double)bytes;
    size_t unit = 0;
    for (; v >= 1024 && unit + 1 < ARRAY_LEN(units); unit++)
        v /= 1024;
    (void)snprintf(out, COLUMN, unit ? "%.1f %s" : "%.0f %s", v, units[unit]);
    return out;
}

/* "12s", "3m", "5h", "2d". */
static const char *age_text(int64_t s, char out[COLUMN])
{
    static const struct {
        int64_t seconds;
        char unit;
    } steps[] = {{86400, 'd'}, {3600, 'h'}, {60, 'm'}, {1, 's'}};
    size_t i = 0;
    s = MAX(s, INT64_C(0));
    while (i + 1 < ARRAY_LEN(steps) && s < 2 * steps[i].seconds)
        i++;
    (void)snprintf(out, COLUMN, "%lld%c", (long long)(s / steps[i].seconds), steps[i].unit);
    return out;
}

/* --- trackers --------------------------------------------------------------------------------------- */

static void print_tracker(struct cli *c, size_t i, const struct dfs_tracker_status_rsp *st, int err)
{
    char text[DFS_ADDR_TEXT], age[COLUMN];
    dfs_addr_format(dfs_trackers_addr(dfs_client_trackers(c->client), i), text);
    if (c->json) {
        cli_begin(c);
        cli_str(c, "tracker", str_c(text));
        cli_bool(c, "up", err == 0);
        cli_bool(c, "leader", err == 0 && st->is_leader);
        cli_num(c, "running_s", err == 0 ? st->running_s : 0);
        cli_end(c);
    } else if (err < 0) {
        printf("TRACKER %s  DOWN: %s\n", text, strerror(-err));
    } else { /* the protocol counts in steps of five minutes */
        printf("TRACKER %s  %sup%s%s\n", text, st->is_leader ? "leader, " : "",
               st->running_s > 0 ? " " : "", st->running_s > 0 ? age_text(st->running_s, age) : "");
    }
}

/* Does one that was not asked lead them? Then nothing is wrong with those that were. */
static bool led_by_another(struct cli *c)
{
    struct dfs_trackers *t = dfs_client_trackers(c->client);
    struct dfs_addr leader;
    char text[DFS_ADDR_TEXT], asked[DFS_ADDR_TEXT];
    if (dfs_get_leader(t, &leader) < 0)
        return false;
    dfs_addr_format(&leader, text);
    for (size_t i = 0; i < dfs_trackers_count(t); i++) {
        dfs_addr_format(dfs_trackers_addr(t, i), asked);
        if (strcmp(text, asked) == 0)
            return false; /* it has just said that it does not, or nothing at all */
    }
    if (!c->json)
        printf("  led by %s, which was not asked (--tracker may be repeated)\n", text);
    return true;
}

/* All there, one of them leading. */
static bool show_trackers(struct cli *c)
{
    struct dfs_trackers *t = dfs_client_trackers(c->client);
    bool all = true, leader = false;
    for (size_t i = 0; i < dfs_trackers_count(t); i++) {
        AUTO(buf_free) struct buf rsp = BUF(DFS_TRACKER_STATUS_RSP_LEN);
        struct dfs_tracker_status_rsp st = {0};
        int r = dfs_trackers_call_one(t, i, DFS_CMD_TRACKER_STATUS, NULL, 0, &rsp);
        if (r == 0)
            r = dfs_tracker_status_rsp_get(buf_str(&rsp), &st);
        else if (r == -ENOENT)
            r = 0; /* it runs, and knows no group yet */
        print_tracker(c, i, &st, r);
        all = all && r == 0;
        leader = leader || (r == 0 && st.is_leader);
    }
    leader = leader || led_by_another(c);
    if (!leader && !c->json)
        printf("  no tracker says that it leads\n");
    return all && leader;
}

/* --- groups ------------------------------------------------------------------------------------------ */

/* Store paths that are drained; a server goes by it when it has heard of it. */
static void print_paths(struct cli *c, const char *group, const struct dfs_group_view *v)
{
    unsigned path, told;
    for (size_t i = 0; i < v->ndrains; i++) {
        const struct dfs_drain *d = &v->drains[i];
        if (strcmp(d->group, group) != 0 || dfs_path_named(str_c(d->id), &path) < 0)
            continue;
        told = 0;
        for (size_t k = 0; k < v->n; k++)
            told += path < v->members[k].npaths && v->members[k].paths[path].closed;
        if (c->json) {
            cli_begin(c);
            cli_str(c, "store_path", str_c(d->id));
            cli_str(c, "group", str_c(group));
            cli_str(c, "drain", str_c(cli_drain_word(d->state)));
            cli_num(c, "closed_at", told);
            cli_end(c);
        } else {
            printf("  store path %s  %s, closed at %u of %u servers in service\n", d->id,
                   cli_drain_word(d->state), told, v->in_service);
        }
    }
}

static void print_group(struct cli *c, const struct dfs_group_stat *g,
                        const struct dfs_group_view *v)
{
    const char *drain = cli_drain_word(dfs_group_view_drain(v, g->group, ""));
    char free_text[COLUMN], total[COLUMN], copies[COLUMN] = "";
    if (c->json) {
        cli_begin(c);
        cli_str(c, "group", str_c(g->group));
        cli_num(c, "storages", g->storage_count);
        cli_num(c, "readable", g->readable_count);
        cli_num(c, "writable", g->writable_count);
        cli_num(c, "in_service", v->in_service);
        cli_num(c, "min_copies", v->min);
        cli_num(c, "copies_needed", v->needed);
        cli_num(c, "total_mb", g->total_mb);
        cli_num(c, "free_mb", g->free_mb);
        cli_num(c, "reserved_mb", g->reserved_mb);
        cli_num(c, "under_replicated", v->under_replicated);
        cli_str(c, "drain", str_c(drain));
        cli_end(c);
        print_paths(c, g->group, v);
        return;
    }
    if (v->needed > 0)
        (void)snprintf(copies, sizeof(copies), "  copies %u", v->needed);
    printf("\nGROUP %s  %s%s%u of %lld in service%s  %s free of %s  under-replicated %s%lld\n",
           g->group, drain, *drain ? "  " : "", v->in_service, (long long)g->storage_count, copies,
           size_text(g->free_mb << 20, free_text), size_text(g->total_mb << 20, total),
           v->more ? ">" : "", (long long)v->under_replicated);
    print_paths(c, g->group, v);
    printf("  %-29s %-9s %10s %10s %4s  %-25s %4s\n", "SERVER", "STATE", "FREE", "OF", "USED",
           "BEHIND", "BEAT");
}

static const char *behind_text(const struct dfs_member_view *m, char out[64])
{
    char size[COLUMN], age[COLUMN];
    if (!m->known)
        (void)snprintf(out, 64, "unknown");
    else if (m->changes == 0)
        (void)snprintf(out, 64, "-");
    else
        (void)snprintf(out, 64, "%s%lld, %s, %s", m->more ? ">" : "", (long long)m->changes,
                       size_text(m->bytes, size), age_text(m->seconds, age));
    return out;
}

/* An ACTIVE server that is drained shows that instead. */
static const char *state_text(const struct dfs_storage_detail *d, const char *drain)
{
    return *drain && d->status == DFS_ST_ACTIVE ? drain : dfs_server_status_name(d->status);
}

/* What is damaged, and how far the scrub is; nothing when there is nothing to tell. */
static void print_repair(const struct dfs_member_view *m)
{
    const struct dfs_repair_state *r = &m->repair;
    char done[COLUMN], of[COLUMN], age[COLUMN];
    if (!m->repairs)
        return;
    if (r->damaged > 0 || r->repaired > 0)
        printf("    %lld damaged now, %lld repaired since its start\n", (long long)r->damaged,
               (long long)r->repaired);
    if (r->scrub_began > 0)
        printf("    scrub: %s%s%s since %s\n", size_text(r->scrub_bytes, done),
               r->scrub_last > 0 ? " of about " : "",
               r->scrub_last > 0 ? size_text(r->scrub_last_bytes, of) : "",
               age_text(dfs_now_s() - r->scrub_began, age));
    else if (r->scrub_last > 0)
        printf("    scrub: done %s ago, %s\n", age_text(dfs_now_s() - r->scrub_last, age),
               size_text(r->scrub_last_bytes, done));
}

/* Disks that have failed or are slow, as far as the server could find out. */
static void print_disks(const struct dfs_member_view *m)
{
    for (unsigned i = 0; i < m->npaths; i++)
        if (m->paths[i].unfit)
            printf(
                "    M%02X takes no writes: its disk or a directory has failed, or is read-only\n",
                i);
        else if (m->paths[i].slow)
            printf("    M%02X is slow: new files go elsewhere, where others take them\n", i);
}

/* The files that leave the group, or a store path; nothing when none do. */
static void print_move(const struct dfs_member_view *m)
{
    char size[COLUMN];
    if (!m->moves || (!m->move.running && m->move.moved == 0))
        return;
    printf("    moving files elsewhere%s: %lld done, %s; %lld left in the last round\n",
           m->move.running ? "" : " (not now)", (long long)m->move.moved,
           size_text(m->move.moved_bytes, size), (long long)m->move.round_left);
}

static void print_move_json(struct cli *c, const struct dfs_member_view *m)
{
    cli_bool(c, "moving", m->move.running);
    cli_num(c, "moved", m->move.moved);
    cli_num(c, "moved_bytes", m->move.moved_bytes);
    cli_num(c, "move_rounds", m->move.rounds);
    cli_num(c, "move_round_left", m->move.round_left);
}

static void print_repair_json(struct cli *c, const struct dfs_member_view *m)
{
    const struct dfs_repair_state *r = &m->repair;
    cli_num(c, "damaged", r->damaged);
    cli_num(c, "damage_found", r->found);
    cli_num(c, "repaired", r->repaired);
    cli_num(c, "scrub_rounds", r->scrub_rounds);
    cli_bool(c, "scrub_running", r->scrub_began > 0);
    cli_num(c, "scrub_bytes", r->scrub_bytes);
    cli_num(c, "scrub_last_bytes", r->scrub_last_bytes);
    cli_time(c, "scrub_last", r->scrub_last);
}

static void print_member(struct cli *c, const char *group, const struct dfs_group_view *v,
                         const struct dfs_member_view *m)
{
    const struct dfs_storage_detail *d = &m->detail;
    const char *drain = cli_drain_word(dfs_group_view_drain(v, group, d->id));
    char addr[DFS_ADDR_TEXT], name[DFS_ADDR_TEXT + DFS_ID_MAX + 2], free_text[COLUMN],
        total[COLUMN];
    char behind[64], beat[COLUMN], used[COLUMN] = "-";
    struct dfs_addr a = {.port = (uint16_t)d->port};
    memcpy(a.host, d->ip, sizeof(d->ip));
    dfs_addr_format(&a, addr);
    if (c->json) {
        cli_begin(c);
        cli_str(c, "storage", str_c(d->id));
        cli_str(c, "group", str_c(group));
        cli_str(c, "address", str_c(addr));
        cli_str(c, "status", str_c(dfs_server_status_name(d->status)));
        cli_num(c, "total_mb", d->total_mb);
        cli_num(c, "free_mb", d->free_mb);
        cli_bool(c, "behind_known", m->known);
        cli_bool(c, "behind_at_least", m->more);
        cli_num(c, "behind_changes", m->changes);
        cli_num(c, "behind_bytes", m->bytes);
        cli_num(c, "behind_seconds", m->seconds);
        cli_time(c, "last_heartbeat", d->stat.last_heartbeat);
        cli_str(c, "drain", str_c(drain));
        cli_num(c, "paths_without_writes", m->unfit);
        cli_num(c, "slow_paths", m->slow);
        if (m->repairs)
            print_repair_json(c, m);
        if (m->moves)
            print_move_json(c, m);
        cli_end(c);
        return;
    }
    (void)snprintf(name, sizeof(name), "%s%s%s", strcmp(d->id, d->ip) ? d->id : "",
                   strcmp(d->id, d->ip) ? " " : "", addr);
    if (d->total_mb > 0)
        (void)snprintf(used, sizeof(used), "%d%%",
                       (int)(100 * (double)(d->total_mb - d->free_mb) / (double)d->total_mb));
    printf("  %-29s %-9s %10s %10s %4s  %-25s %4s\n", name, state_text(d, drain),
           size_text(d->free_mb << 20, free_text), size_text(d->total_mb << 20, total), used,
           behind_text(m, behind), age_text(dfs_now_s() - d->stat.last_heartbeat, beat));
    print_disks(m);
    print_repair(m);
    print_move(m);
}

static bool member_healthy(const struct dfs_member_view *m)
{
    return !m->counts || (m->detail.status == DFS_ST_ACTIVE && m->known && m->seconds < LATE_S &&
                          m->unfit == 0 && !(m->repairs && m->repair.damaged > 0));
}

/* 0, EXIT_UNHEALTHY, or 1 when the trackers do not answer. */
static int show_group(struct cli *c, const struct dfs_group_stat *g)
{
    AUTO(dfs_group_view_fini) struct dfs_group_view v = {.n = 0};
    int r = dfs_group_view_get(c->client, str_c(g->group), &v);
    if (r < 0)
        return cli_fail(g->group, r);
    bool healthy = v.n > 0 && v.in_service >= v.needed;
    print_group(c, g, &v);
    for (size_t i = 0; i < v.n; i++) {
        print_member(c, g->group, &v, &v.members[i]);
        healthy = healthy && member_healthy(&v.members[i]);
    }
    return healthy ? 0 : EXIT_UNHEALTHY;
}

static int look_once(struct cli *c)
{
    AUTO(dfs_free_ptr) struct dfs_group_stat *groups = NULL;
    size_t n = 0, shown = 0;
    int code = show_trackers(c) ? 0 : EXIT_UNHEALTHY;
    int r = dfs_list_groups(dfs_client_trackers(c->client), &groups, &n);
    if (r < 0)
        return cli_fail("monitor", r);
    for (size_t i = 0; i < n; i++) {
        if (c->n && strcmp(groups[i].group, c->args[0]) != 0)
            continue;
        int one = show_group(c, &groups[i]);
        if (one == 1)
            return 1;
        code = MAX(code, one);
        shown++;
    }
    if (c->n && !shown)
        return cli_fail(c->args[0], -ENOENT);
    if (c->json) {
        cli_begin(c);
        cli_bool(c, "healthy", code == 0);
        cli_end(c);
    }
    return code;
}

int cmd_monitor(struct cli *c)
{
    int code = look_once(c);
    while (c->watch_s > 0 && fflush(stdout) == 0) {
        sleep(c->watch_s);
        if (isatty(STDOUT_FILENO))
            printf("\033[H\033[2J"); /* cursor home, screen empty */
        else if (!c->json)
            printf("\n");
        code = look_once(c);
    }
    return code;
}
