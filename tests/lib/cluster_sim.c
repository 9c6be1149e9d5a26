/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/lib/cluster_sim.h"

#include <stdio.h>
#include <sys/stat.h>

#include "dfscore/base/clock.h"
#include "storage/sync/state.h"
#include "storage/trunk/store_priv.h"
#include "tests/lib/cluster_sim_priv.h"
#include "tests/lib/fake_disk.h"
#include "tests/lib/test.h"

enum {
    TEND_US = 20000,
    COPY_TIMEOUT_MS = 2000,
    WAIT_MS = 5,
    SUBDIRS = 256, /* two logs seldom have one directory */
    SEGMENT = 1024 * 1024,
};

struct sim sim;

uint64_t sim_random(uint64_t below)
{
    sim.random ^= sim.random << 13;
    sim.random ^= sim.random >> 7;
    sim.random ^= sim.random << 17;
    return (sim.random >> 11) % below;
}

struct sim_node *sim_node(unsigned i)
{
    ASSERT(i < sim.o.nodes);
    return &sim.node[i];
}

unsigned sim_nodes(void)
{
    return sim.o.nodes;
}

bool sim_serves(const struct sim_node *n)
{
    return n->up && !n->stopping && !n->crashed;
}

void sim_cut(unsigned from, unsigned to, bool cut)
{
    sim.cut[from][to] = cut;
}

bool sim_is_cut(unsigned from, unsigned to)
{
    return sim.cut[from][to];
}

void sim_mute(unsigned i, uint8_t cmd)
{
    sim.muted[i] = (struct muted){.cmd = cmd};
}

unsigned sim_muted(unsigned i)
{
    return sim.muted[i].times;
}

void sim_stand_still(unsigned i, bool still)
{
    ASSERT(sim.o.trackers > 0);
    sim_node(i)->still = still;
    fiber_hold(i, still);
}

/* --- a member's threads --------------------------------------------------------------------------------- */

/* Nobody else may want a lock of it while a client's change sleeps between two calls of its disk. */
void sim_let_change_end(struct sim_node *n)
{
    while (n->writing)
        fiber_sleep(50);
}

void sim_begin_change(struct sim_node *n)
{
    ASSERT(!n->writing);
    n->writing = true;
    n->fibers++;
}

void sim_end_change(struct sim_node *n)
{
    n->writing = false;
    n->fibers--;
}

struct driven {
    struct sim_node *n;
    struct sto_replicator *r;
};

static void replicate(void *arg)
{
    struct driven *d = arg;
    struct sim_node *n = d->n;
    while (!sto_replicators_stopping(n->replicators)) {
        sim_let_change_end(n);
        uint64_t ms = sto_replicator_step(d->r);
        for (uint64_t i = 0; i <= ms && !sto_replicators_stopping(n->replicators); i += 20)
            fiber_sleep(MIN(ms, UINT64_C(20)) * 1000 + 1 + sim_random(200));
    }
    n->fibers--;
    free(d);
}

/* The watching thread of sync, the one of copies, and maintenance. */
static void tend(void *arg)
{
    struct sim_node *n = arg;
    uint64_t look_us = 0, copies_us = 0, version = 0;
    size_t driven = 0;
    while (!n->stopping) {
        uint64_t now = fibers_now_us();
        sim_let_change_end(n);
        if (n->stopping)
            break;
        if (now >= look_us || sto_members_version(n->members) != version) {
            version = sto_members_version(n->members);
            look_us = now + STO_LOOK_MS * 1000;
            sto_replicators_look(n->replicators);
        }
        for (; driven < sto_replicators_count(n->replicators); driven++) {
            struct driven *d = malloc(sizeof(*d));
            ASSERT(d);
            *d = (struct driven){n, sto_replicators_at(n->replicators, driven)};
            n->fibers++;
            fiber_begin(n->index, replicate, d);
        }
        if (now >= copies_us)
            copies_us = now + sto_copies_tend(n->copies) * 1000;
        if (sim_random(20) == 0)
            sto_log_maint_once(&n->store->paths[sim_random(sim.o.paths)].log);
        fiber_sleep(TEND_US / 2 + sim_random(TEND_US));
    }
    n->fibers--;
}

/* storage/main.c: not before the trackers have named a source, or none. */
static void caught_up(void *arg, bool with_all)
{
    struct sim_node *n = arg;
    if (!n->negotiated || n->crashed)
        return;
    n->whole = n->whole || with_all;
    sto_members_set_whole(n->members, n->whole);
    if (n->complete)
        return;
    n->complete = true;
    struct sto_member peers[DFS_SERVERS_MAX];
    size_t count = sto_members_peers(n->members, peers);
    for (size_t i = 0; i < count; i++)
        if (sto_in_service(peers[i].status))
            n->filled_from |= 1u << (peers[i].port - 1000u);
    n->joined = 0;
}

struct sto_turn_options sim_turns(struct sim_node *n)
{
    return (struct sto_turn_options){.store = n->store,
                                     .members = n->members,
                                     .followers = n->followers,
                                     .line = &sim_line,
                                     .net = {.connect_ms = 500, .timeout_ms = 1000},
                                     .silent = sim_ask_trackers,
                                     .arg = n};
}

/* --- up and down ------------------------------------------------------------------------------------------ */

static void folder_of(const struct sim_node *n, unsigned generation, char out[SIM_PATH])
{
    (void)snprintf(out, SIM_PATH, "%s/n%u-%u", sim.root, n->index, generation);
}

void sim_folder(const struct sim_node *n, unsigned path, char *out)
{
    (void)snprintf(out, SIM_PATH, "%s/n%u-%u/p%u", sim.root, n->index, n->generation, path);
}

static void make_folders(const struct sim_node *n)
{
    char dir[SIM_PATH];
    folder_of(n, n->generation, dir);
    ASSERT(mkdir(dir, 0755) == 0 || errno == EEXIST);
    for (unsigned p = 0; p < sim.o.paths; p++) {
        sim_folder(n, p, dir);
        ASSERT(mkdir(dir, 0755) == 0 || errno == EEXIST);
    }
}

static void open_store(struct sim_node *n)
{
    char dirs[SIM_PATHS_MAX][SIM_PATH];
    struct sto_path_options paths[SIM_PATHS_MAX] = {0};
    for (unsigned p = 0; p < sim.o.paths; p++) {
        sim_folder(n, p, dirs[p]);
        paths[p].dir = dirs[p];
    }
    const struct sto_store_options o = {
        .group = "group1",
        .storage_id = n->id,
        .paths = paths,
        .path_count = sim.o.paths,
        .use_trunk = true,
        .subdirs = SUBDIRS,
        .reserve_bytes = 1,
        .segment_size = SEGMENT,
        .io = &fake_disk_io,
    };
    int r = sto_store_open(&o, &n->store, NULL);
    ASSERT(r == 0);
    bool fresh = false;
    for (unsigned p = 0; p < sim.o.paths; p++) {
        sto_log_maint_stop(
            &n->store->paths[p].log); /* tend() does it; a close is like a kill now */
        fresh = fresh || sto_store_fresh(n->store, p);
    }
    if (fresh && n->complete) { /* storage/main.c: notice_lost_paths */
        n->complete = n->whole = false;
        memset(n->source, 0, sizeof(n->source));
    }
}

void sim_up(unsigned i)
{
    struct sim_node *n = sim_node(i);
    ASSERT(!n->up && n->fibers == 0);
    unsigned before = fiber_as(i);
    char ip[32];
    (void)snprintf(ip, sizeof(ip), "10.0.0.%u", i + 1);
    make_folders(n);
    n->crashed = n->stopping = false;
    n->joined = 0;
    n->session++;
    n->up_us = fibers_now_us();
    n->filled_from = 0;
    open_store(n);
    ASSERT(sto_members_new(&n->members) == 0);
    sto_members_self(n->members, n->id, ip, (uint16_t)(1000 + i));
    sto_members_set_whole(n->members, n->whole);
    ASSERT(sto_mirrors_open(n->store, n->id, &n->mirrors) == 0);
    ASSERT(sto_followers_new(n->store, n->mirrors, n->members, &n->followers) == 0);
    const struct sto_copies_options c = {.store = n->store,
                                         .members = n->members,
                                         .followers = n->followers,
                                         .min = sim.o.min_copies,
                                         .timeout_ms = COPY_TIMEOUT_MS,
                                         .stuck = sim_ask_trackers,
                                         .arg = n};
    ASSERT(sto_copies_new(&c, &n->copies) == 0);
    const struct sto_sync_options s = {.store = n->store,
                                       .mirrors = n->mirrors,
                                       .members = n->members,
                                       .followers = n->followers,
                                       .group = "group1",
                                       .own_id = n->id,
                                       .net = {.connect_ms = 500, .timeout_ms = 1000},
                                       .line = &sim_line,
                                       .wait_ms = WAIT_MS,
                                       .caught_up = caught_up,
                                       .arg = n};
    ASSERT(sto_replicators_new(&s, &n->replicators) == 0);
    n->up = true;
    n->fibers = 1;
    sim_begin_beating(n);
    fiber_begin(i, tend, n);
    fiber_as(before);
}

void sim_down(unsigned i)
{
    struct sim_node *n = sim_node(i);
    ASSERT(n->up && !n->stopping);
    n->stopping = true;
    sto_replicators_stop(n->replicators);
    while (n->fibers > 0)
        fiber_sleep(1000);
    sto_copies_hurry(n->copies, 0);
    (void)sto_copies_tend(n->copies); /* who waits is told; nobody listens any more */
    sto_replicators_free(&n->replicators);
    sto_copies_free(&n->copies);
    sto_followers_free(&n->followers);
    sto_mirrors_close(&n->mirrors);
    sto_store_close(&n->store);
    sto_members_free(&n->members);
    n->up = false;
    if (n->crashed) {
        char dir[SIM_PATH];
        folder_of(n, n->generation, dir);
        fake_disk_leave(dir);
        n->generation++;
    }
}

static void crash(void *arg)
{
    struct sim_node *n = arg;
    n->crashed = true;
}

void sim_crash_begin(unsigned i, bool power, unsigned nth)
{
    struct sim_node *n = sim_node(i);
    char from[SIM_PATH], to[SIM_PATH];
    folder_of(n, n->generation, from);
    folder_of(n, n->generation + 1, to);
    (power ? fake_disk_crash_at : fake_disk_kill_at)(nth, from, to, crash, n);
}

void sim_crash_end(unsigned i)
{
    fake_disk_crash_at(0, "", "", crash, sim_node(i));
    sim_down(i);
}

void sim_crash(unsigned i, bool power)
{
    enum { CALLS = 40, PATIENCE = 300 };
    sim_crash_begin(i, power, 1 + (unsigned)sim_random(CALLS));
    for (unsigned k = 0; k < PATIENCE && !sim_node(i)->crashed; k++)
        fiber_sleep(1000);
    sim_crash_end(i);
}

void sim_lose_disk(unsigned i, unsigned path)
{
    struct sim_node *n = sim_node(i);
    char dir[SIM_PATH];
    ASSERT(!n->up);
    sim_folder(n, path, dir);
    fake_disk_leave(dir);
    char *gone = dfs_strdup(dir);
    ASSERT(gone);
    test_tmpdir_free(&gone);
}

/* Has @n everything of every log that @of has? */
static bool has_all(struct sim_node *n, struct sim_node *of)
{
    static struct sto_log_info logs[STO_LOGS_MAX];
    for (unsigned p = 0; p < sim.o.paths; p++) {
        struct sto_log_info here;
        size_t count = sto_mirrors_list(of->mirrors, p, logs, STO_LOGS_MAX);
        for (size_t i = 0; i < count; i++)
            if (logs[i].end > 0 &&
                (sto_mirrors_find(n->mirrors, p, logs[i].id, &here) < 0 || here.end < logs[i].end))
                return false;
    }
    return true;
}

bool sim_settled(void)
{
    for (unsigned i = 0; i < sim.o.nodes; i++) {
        if (!sim_serves(&sim.node[i]) || sim_status(i) != DFS_ST_ACTIVE)
            return false;
        for (unsigned j = 0; j < sim.o.nodes; j++)
            if (j != i && (!sim_serves(&sim.node[j]) || !has_all(&sim.node[i], &sim.node[j])))
                return false;
    }
    return true;
}

void sim_start(const struct sim_options *o)
{
    sim = (struct sim){.o = *o, .random = o->seed * 0x9e3779b97f4a7c15u + 1, .root = test_tmpdir()};
    ASSERT(o->nodes <= SIM_NODES_MAX && o->paths <= SIM_PATHS_MAX);
    fake_disk_start(o->seed);
    fibers_start();
    for (unsigned i = 0; i < o->nodes; i++) {
        struct sim_node *n = &sim.node[i];
        n->index = i;
        (void)snprintf(n->id, sizeof(n->id), "%u", 100001 + i);
    }
    sim_begin_trackers();
}

void sim_stop(void)
{
    sim.over = true;
    while (fibers_turn())
        ;
    fibers_stop();
    fake_disk_stop();
    test_tmpdir_free(&sim.root);
}
