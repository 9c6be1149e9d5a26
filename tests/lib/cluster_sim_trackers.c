/* SPDX-License-Identifier: Apache-2.0 */
/* The trackers: the table of tracker/cluster/status.h, who of them leads; and storage/beat, which asks them. */
#include <stdio.h>

#include "dfscore/base/clock.h"
#include "tests/lib/cluster_sim_priv.h"

enum {
    BEAT_US = 200000,
    LOST_US = 1500000,  /* without a heartbeat: OFFLINE; with leases SIM_LOST_MS */
    ANSWER_US = 500000, /* how long a member waits for an answer that does not come */
    TEND_US = 20000,
    NOBODY = SIM_TRACKERS_MAX,
};

static unsigned trackers(void)
{
    return MAX(sim.o.trackers, 1u);
}

static bool leases(void)
{
    return sim.o.trackers > 0;
}

uint8_t sim_status(unsigned i)
{
    for (unsigned t = 0; t < trackers(); t++)
        if (sim.tracked[t][i].status != DFS_ST_ACTIVE)
            return sim.tracked[t][i].status;
    return DFS_ST_ACTIVE;
}

void sim_trackers_fail(bool fail)
{
    sim.fail = fail;
}

/* --- what they hear ------------------------------------------------------------------------------------ */

static void event(unsigned t, unsigned i, enum trk_event e)
{
    sim.tracked[t][i].status = trk_status_after(sim.tracked[t][i].status, e);
}

static bool reaches(unsigned i, unsigned t)
{
    return !sim.cut[i][SIM_TRACKER + t] && !sim.cut[SIM_TRACKER + t][i];
}

/* Of those that know of member @i one says this; they have told each other. */
static bool complete(unsigned i)
{
    bool yes = false;
    for (unsigned t = 0; t < trackers(); t++)
        yes = yes || (sim.tracked[t][i].known && trk_status_complete(sim.tracked[t][i].status));
    return yes;
}

static bool active(unsigned i)
{
    bool yes = false;
    for (unsigned t = 0; t < trackers(); t++)
        yes = yes || (sim.tracked[t][i].known && sim.tracked[t][i].status == DFS_ST_ACTIVE);
    return yes;
}

/* 87. Rule: tracker/service/for_storage.c, trk_need_sync_source. -EAGAIN: nobody can be named yet. */
static int name_source(struct sim_node *n, unsigned t)
{
    unsigned holders = 0;
    const struct sim_node *source = NULL;
    for (unsigned i = 0; i < sim.o.nodes; i++) {
        if (i == n->index)
            continue;
        holders += complete(i);
        source = !source && active(i) ? &sim.node[i] : source;
    }
    if (holders > 0 && !source)
        return -EAGAIN;
    n->negotiated = true;
    n->complete = n->whole = holders == 0;
    sto_members_set_whole(n->members, n->whole);
    memset(n->source, 0, sizeof(n->source));
    if (holders == 0)
        return 0;
    memcpy(n->source, source->id, sizeof(n->source));
    sim.tracked[t][n->index].status = DFS_ST_INIT;
    return 0;
}

/* storage/beat/beat.c: 81, 87 and 88, and 59 for who lost a disk. */
static void join(struct sim_node *n, unsigned t)
{
    struct tracked *k = &sim.tracked[t][n->index];
    if (!k->known)
        k->status = DFS_ST_INIT;
    k->known = true;
    event(t, n->index, n->negotiated ? TRK_EV_JOIN : TRK_EV_JOIN_EMPTY);
    if (!n->negotiated && name_source(n, t) < 0)
        return;
    event(t, n->index, n->complete ? TRK_EV_NO_SOURCE : TRK_EV_SOURCE);
    if (!n->complete && !n->source[0])
        k->status = trk_status_after_own_word(k->status, DFS_ST_WAIT_SYNC);
    n->joined |= 1u << t;
}

static size_t brief(unsigned t, struct dfs_brief *list)
{
    size_t count = 0;
    for (unsigned i = 0; i < sim.o.nodes; i++) {
        if (!sim.tracked[t][i].known)
            continue;
        struct dfs_brief *b = &list[count++];
        *b = (struct dfs_brief){.status = sim.tracked[t][i].status, .port = 1000 + (int32_t)i};
        (void)snprintf(b->id, sizeof(b->id), "%s", sim.node[i].id);
        (void)snprintf(b->ip, sizeof(b->ip), "10.0.0.%u", i + 1);
    }
    return count;
}

/* --- a member's beats ---------------------------------------------------------------------------------- */

struct link {
    struct sim_node *n;
    uint64_t session;
    unsigned t; /* to this tracker */
    /* what that has answered: */
    struct dfs_brief list[SIM_NODES_MAX];
    size_t count; /* 0: it does not lead, and names nobody */
};

static bool goes_on(const struct link *l)
{
    return l->n->session == l->session && sim_serves(l->n);
}

static void travel(void)
{
    bool late = sim.fail && sim_random(20) == 0;
    fiber_sleep(1 + sim_random(late ? UINT64_C(2000) * SIM_LOST_MS : sim.o.delay_us));
}

static bool arrives(unsigned from, unsigned to)
{
    return !sim.cut[from][to] && !(sim.fail && sim_random(20) == 0);
}

static bool tracker_hears(struct link *l)
{
    struct sim_node *n = l->n;
    if (leases() ? !arrives(n->index, SIM_TRACKER + l->t) : !reaches(n->index, l->t))
        return false;
    if (!(n->joined & 1u << l->t))
        join(n, l->t);
    if (n->joined & 1u << l->t)
        event(l->t, n->index, TRK_EV_BEAT);
    sim.tracked[l->t][n->index].heard_us = fibers_now_us();
    l->count = l->t == sim.leader ? brief(l->t, l->list) : 0;
    return true;
}

/* Its connection ends, and it connects anew. */
static void give_up(struct link *l)
{
    l->n->joined &= ~(1u << l->t);
    if (!leases())
        return;
    fiber_sleep(ANSWER_US);
    if (!goes_on(l))
        return;
    sto_members_unheard(l->n->members, l->t);
    if (!sim.cut[l->n->index][SIM_TRACKER + l->t])
        event(l->t, l->n->index, TRK_EV_LOST);
}

static void beat_once(struct link *l)
{
    struct sim_node *n = l->n;
    uint64_t sent_ms = dfs_mono_ms();
    if (leases() && !(n->joined & 1u << l->t))
        sto_members_joined(n->members);
    travel();
    if (!goes_on(l))
        return;
    bool heard = tracker_hears(l);
    if (heard)
        travel();
    if (!heard || (leases() && !arrives(SIM_TRACKER + l->t, n->index))) {
        give_up(l);
        return;
    }
    if (leases())
        sto_members_beaten(n->members, l->t, sent_ms);
    if (l->count > 0)
        sto_members_update(n->members, l->list, l->count);
}

static void beat(void *arg)
{
    struct link *l = arg;
    while (goes_on(l)) {
        beat_once(l);
        fiber_sleep(BEAT_US / 2 + sim_random(BEAT_US));
    }
    l->n->fibers--;
    free(l);
}

void sim_begin_beating(struct sim_node *n)
{
    if (leases())
        sto_members_lease(n->members, SIM_LEASE_MS);
    for (unsigned t = 0; t < trackers(); t++) {
        struct link *l = malloc(sizeof(*l));
        ASSERT(l);
        *l = (struct link){.n = n, .session = n->session, .t = t};
        n->fibers++;
        fiber_begin(n->index, beat, l);
    }
}

void sim_ask_trackers(void *arg)
{
    struct sim_node *n = arg;
    struct sto_member peers[DFS_SERVERS_MAX];
    unsigned known = 0, called_active = 0; /* bits: trackers that answer; members */
    for (unsigned t = 0; t < trackers(); t++) {
        if (!reaches(n->index, t))
            continue;
        known |= 1u << t;
        for (unsigned i = 0; i < sim.o.nodes; i++)
            called_active |= (unsigned)(sim.tracked[t][i].status == DFS_ST_ACTIVE) << i;
    }
    size_t count = sto_members_peers(n->members, peers);
    for (size_t i = 0; i < count && known; i++) {
        bool asked = peers[i].status == DFS_ST_ACTIVE || peers[i].status == DFS_ST_OFFLINE;
        if (asked && !(called_active & 1u << (peers[i].port - 1000u)))
            sto_followers_gone(n->followers, peers[i].id);
    }
}

bool sim_all_known(void *arg)
{
    struct sim_node *n = arg;
    struct sto_member m;
    bool answered = false, known = true;
    for (unsigned t = 0; t < trackers(); t++) {
        if (!reaches(n->index, t))
            continue;
        answered = true;
        for (unsigned i = 0; i < sim.o.nodes; i++)
            known = known && (!sim.tracked[t][i].known ||
                              sto_members_find(n->members, sim.node[i].id, &m) == 0);
    }
    return answered && known;
}

/* --- their own time ------------------------------------------------------------------------------------ */

static void tend(unsigned t)
{
    uint64_t lost_us = leases() ? UINT64_C(1000) * SIM_LOST_MS : LOST_US;
    for (unsigned i = 0; i < sim.o.nodes; i++) {
        const struct tracked *k = &sim.tracked[t][i];
        bool closed = !sim_serves(&sim.node[i]) && reaches(i, t);
        if (k->known && (closed || fibers_now_us() - k->heard_us > lost_us))
            event(t, i, TRK_EV_LOST);
    }
}

static void run(void *arg)
{
    (void)arg;
    while (!sim.over) {
        for (unsigned t = 0; t < trackers(); t++)
            tend(t);
        fiber_sleep(TEND_US);
    }
}

static void elect(void *arg)
{
    (void)arg;
    while (!sim.over) {
        fiber_sleep(100000 + sim_random(2000000));
        if (sim.fail || sim.leader == NOBODY)
            sim.leader = sim.fail && sim_random(4) == 0 ? NOBODY : (unsigned)sim_random(trackers());
    }
}

void sim_begin_trackers(void)
{
    for (unsigned t = 0; t < trackers(); t++)
        for (unsigned i = 0; i < sim.o.nodes; i++)
            sim.tracked[t][i].status = DFS_ST_INIT;
    fiber_begin(SIM_TRACKER, run, NULL);
    if (trackers() > 1)
        fiber_begin(SIM_TRACKER, elect, NULL);
}
