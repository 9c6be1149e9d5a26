/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Gateways that share a lease, and the trackers that grant it, in virtual time: messages are delayed for longer than a
 * lease lasts, lost, and overtake each other; links are cut one way or both; trackers and gateways are killed amid what they
 * write and come back with what is on their disks; gateways are stopped (SIGSTOP) and go on; clocks run at different speeds.
 *
 * After every step
 *   - at most one gateway serves
 *   - who serves has every change in its index that any gateway has acknowledged: one that has an older index has been told
 *     so by the plan, and has made it anew
 * and after quiet time somebody serves.
 *
 * A failing schedule prints its seed; SEEDS=5000 runs more, FIRST=77 begins there.
 */
#include "tests/lib/test.h"

#include "dfscore/wire/internal.h"
#include "s3gw/lease/plan.h"
#include "tracker/leader/lease.h"

enum { TRACKERS = 5, GATEWAYS = 3, FLIGHT = 2048, TTL = 600, BUSY_MS = 40000, QUIET_MS = 12000 };

struct tracker {
    bool up;
    struct trk_lease lease;
    struct trk_lease_kept kept, disk;
    unsigned speed; /* per mille of true time */
};

struct gateway {
    bool up, stopped;
    unsigned life; /* counts starts */
    unsigned speed;
    struct s3_lease_plan plan;
    /* on disk */
    uint64_t holder;
    bool wish;      /* the index is to be made anew */
    uint64_t index; /* changes it has */
    /* of this life */
    uint64_t rebuilt_at;  /* true time when a rebuild ends; 0: none is under way */
    bool decided;         /* since the lease is ours: what the index is */
    bool asked[TRACKERS]; /* the last question to it is under way */
};

struct flight {
    bool used, is_answer;
    unsigned gateway, tracker, life;
    uint64_t due, asked_ms;
    struct dfs_lease_req req;
    struct dfs_lease_rsp rsp;
};

static struct sim {
    unsigned trackers, gateways;
    uint64_t now, random, store; /* store: changes acknowledged */
    bool quiet;
    struct tracker t[TRACKERS];
    struct gateway g[GATEWAYS];
    bool cut[GATEWAYS][TRACKERS][2];
    struct flight flight[FLIGHT];
    unsigned top, served, takes, keeps;
    uint64_t last_server;
} s;

static uint64_t draw(uint64_t below)
{
    s.random = s.random * UINT64_C(6364136223846793005) + 1442695040888963407u;
    return (s.random >> 33) % below;
}

static uint64_t clock_of(unsigned speed, unsigned who)
{
    return 1000 + who * UINT64_C(77777) + s.now * speed / 1000;
}

static uint64_t gw_now(unsigned i)
{
    return clock_of(s.g[i].speed, i);
}

static uint64_t trk_now(unsigned i)
{
    return clock_of(s.t[i].speed, 100 + i);
}

/* --- messages --- */

static void post(const struct flight *m)
{
    bool cut = s.cut[m->gateway][m->tracker][m->is_answer];
    if ((cut && draw(2)) || (!s.quiet && draw(100) < 5))
        return;
    for (unsigned i = 0; i < FLIGHT; i++) {
        if (s.flight[i].used)
            continue;
        uint64_t way = 1 + draw(20);
        if (cut || (!s.quiet && draw(100) < 4))
            way += draw(8 * TTL); /* it stood in a queue for longer than a lease lasts */
        s.flight[i] = *m;
        s.flight[i].used = true;
        s.flight[i].due = s.now + way;
        s.top = MAX(s.top, i + 1);
        return;
    }
    fail_msg("too many messages under way");
}

static void to_tracker(const struct flight *f)
{
    struct tracker *t = &s.t[f->tracker];
    struct flight back = *f;
    if (!t->up)
        return;
    back.is_answer = true;
    bool changed = trk_lease_ask(&t->lease, &t->kept, &f->req, trk_now(f->tracker), &back.rsp);
    if (changed && !s.quiet && draw(40) == 0) { /* killed while it writes: on disk, or not */
        if (draw(2))
            t->disk = t->kept;
        t->up = false;
        return;
    }
    t->disk = t->kept;
    back.rsp.trackers = (uint8_t)s.trackers;
    post(&back);
}

static void to_gateway(const struct flight *f)
{
    struct gateway *g = &s.g[f->gateway];
    if (!g->up || g->life != f->life)
        return;
    g->asked[f->tracker] = false;
    s3_lease_answer(&g->plan, f->tracker, &f->req, f->asked_ms, &f->rsp);
}

static void deliver(void)
{
    for (unsigned i = 0; i < s.top; i++) {
        struct flight f = s.flight[i];
        if (!f.used || f.due > s.now || (f.is_answer && s.g[f.gateway].stopped))
            continue;
        s.flight[i].used = false;
        if (f.is_answer)
            to_gateway(&f);
        else
            to_tracker(&f);
    }
}

/* --- gateways, as s3gw/lease/lease.c and s3gw/standby.c are --- */

static void boot(unsigned i)
{
    struct gateway *g = &s.g[i];
    g->up = true;
    g->stopped = g->decided = false;
    g->life++;
    g->rebuilt_at = 0;
    memset(g->asked, 0, sizeof(g->asked));
    if (!g->holder)
        g->holder = 1 + draw(UINT64_C(1) << 30);
    s3_lease_plan_init(&g->plan, s.trackers, TTL, g->holder, gw_now(i));
}

static bool holds(unsigned i)
{
    const struct gateway *g = &s.g[i];
    return g->up && g->plan.state == S3_LEASE_HELD && s3_lease_until(&g->plan) > gw_now(i);
}

static bool serves(unsigned i)
{
    return holds(i) && s.g[i].decided && !s.g[i].rebuilt_at;
}

static void act_on(unsigned i, enum s3_lease_event e)
{
    struct gateway *g = &s.g[i];
    if (e == S3_LEASE_PASSED) {
        g->wish = true;
        g->decided = false;
        g->rebuilt_at = 0; /* the process begins anew */
    } else if (e == S3_LEASE_TAKEN) {
        s.takes++;
        assert_true(g->wish);
        g->holder = g->plan.holder;
    } else if (e == S3_LEASE_FIRST && s.store > 0) {
        fail_msg("somebody has served before");
    } else if (e == S3_LEASE_KEPT) {
        s.keeps++;
    }
    if (e == S3_LEASE_TAKEN || e == S3_LEASE_FIRST || e == S3_LEASE_KEPT) {
        if (g->wish && !g->rebuilt_at)
            g->rebuilt_at = s.now + 1 + draw(TTL);
        g->decided = true;
    }
}

static void ask_all(unsigned i)
{
    struct gateway *g = &s.g[i];
    s3_lease_round(&g->plan, 1 + draw(UINT64_C(1) << 30), gw_now(i));
    for (unsigned k = 0; k < s.trackers; k++) {
        struct flight f = {.gateway = i, .tracker = k, .life = g->life, .asked_ms = gw_now(i)};
        s3_lease_question(&g->plan, k, &f.req);
        g->asked[k] = true;
        post(&f);
    }
}

static void step_gateway(unsigned i)
{
    struct gateway *g = &s.g[i];
    if (!g->up || g->stopped)
        return;
    uint64_t now = gw_now(i);
    if (g->rebuilt_at && s.now >= g->rebuilt_at) {
        g->index = s.store;
        g->wish = false;
        g->rebuilt_at = 0;
    }
    bool all = true;
    for (unsigned k = 0; k < s.trackers; k++)
        all &= g->plan.seat[k].answered;
    bool asking = g->plan.due_ms == UINT64_MAX;
    if (asking && (all || now >= g->plan.asked_ms + s3_lease_patience(&g->plan)))
        act_on(i, s3_lease_round_end(&g->plan, draw(UINT64_MAX), now));
    else if (!asking && now >= g->plan.due_ms) {
        ask_all(i);
        g->plan.due_ms = UINT64_MAX;
    }
}

/* --- the world --- */

static void kill_gateway(unsigned i)
{
    s.g[i].up = false;
    if (draw(20) == 0) /* another machine, without anything */
        s.g[i].holder = s.g[i].index = s.g[i].wish = 0;
}

static void start_tracker(unsigned i)
{
    s.t[i].up = true;
    s.t[i].kept = s.t[i].disk;
    trk_lease_init(&s.t[i].lease, trk_now(i));
}

static void chance(void)
{
    unsigned g = (unsigned)draw(s.gateways), t = (unsigned)draw(s.trackers);
    switch (draw(3500)) {
    case 0:
        if (s.g[g].up)
            kill_gateway(g);
        else
            boot(g);
        break;
    case 1:
    case 2:
        s.g[g].stopped = !s.g[g].stopped;
        break;
    case 3:
        if (s.t[t].up)
            s.t[t].up = false;
        else
            start_tracker(t);
        break;
    case 4:
        for (unsigned k = 0; k < s.trackers; k++) /* all of them */
            s.t[k].up = false;
        break;
    case 5:
    case 6:
        for (unsigned k = 0; k < s.trackers; k++)
            if (!s.t[k].up)
                start_tracker(k);
        break;
    case 7:
    case 8:
        s.cut[g][t][draw(2)] = draw(2);
        break;
    case 9:
        for (unsigned k = 0; k < s.trackers; k++)
            s.cut[g][k][0] = s.cut[g][k][1] = true;
        break;
    case 10:
    case 11:
        memset(s.cut, 0, sizeof(s.cut));
        break;
    default:
        break;
    }
}

static void judge(uint64_t seed)
{
    unsigned serving = 0, holding = 0;
    for (unsigned i = 0; i < s.gateways; i++) {
        holding += holds(i);
        if (!serves(i))
            continue;
        serving++;
        if (s.g[i].index != s.store)
            fail_msg("seed %llu at %llu: gateway %u serves change %llu of %llu",
                     (unsigned long long)seed, (unsigned long long)s.now, i,
                     (unsigned long long)s.g[i].index, (unsigned long long)s.store);
        s.served += s.last_server != i;
        s.last_server = i;
        if (!s.g[i].stopped && draw(5) == 0)
            s.g[i].index = ++s.store;
    }
    if (serving > 1 || holding > 1)
        fail_msg("seed %llu at %llu: %u hold", (unsigned long long)seed, (unsigned long long)s.now,
                 holding);
}

static void turn(uint64_t ms, uint64_t seed, bool faults)
{
    for (uint64_t end = s.now + ms; s.now < end; s.now++) {
        if (faults)
            chance();
        deliver();
        for (unsigned i = 0; i < s.gateways; i++)
            step_gateway(i);
        judge(seed);
    }
}

static void schedule(uint64_t seed)
{
    static const unsigned counts[] = {1, 2, 3, 3, 5};
    unsigned served = s.served, takes = s.takes, keeps = s.keeps;
    memset(&s, 0, sizeof(s));
    s.served = served, s.takes = takes, s.keeps = keeps;
    s.random = seed;
    (void)draw(2);
    s.now = 1;
    s.trackers = counts[draw(ARRAY_LEN(counts))];
    s.gateways = 2 + (unsigned)draw(2);
    for (unsigned i = 0; i < s.trackers; i++) {
        s.t[i].speed = 960 + (unsigned)draw(81);
        start_tracker(i);
    }
    for (unsigned i = 0; i < s.gateways; i++) {
        s.g[i].speed = 960 + (unsigned)draw(81);
        boot(i);
    }
    turn(BUSY_MS, seed, true);
    memset(s.cut, 0, sizeof(s.cut));
    for (unsigned i = 0; i < s.trackers; i++)
        if (!s.t[i].up)
            start_tracker(i);
    for (unsigned i = 0; i < s.gateways; i++) {
        s.g[i].stopped = false;
        if (!s.g[i].up)
            boot(i);
    }
    s.quiet = true;
    turn(QUIET_MS, seed, false);
    unsigned serving = 0;
    for (unsigned i = 0; i < s.gateways; i++)
        serving += serves(i);
    if (serving != 1)
        fail_msg("seed %llu, %u trackers: nobody serves after quiet time", (unsigned long long)seed,
                 s.trackers);
}

static void never_two_and_never_an_old_index(void **state)
{
    (void)state;
    unsigned first = test_number("FIRST", 1), count = test_number("SEEDS", 120);
    for (unsigned seed = first; seed < first + count; seed++)
        schedule(seed);
    print_message("%u schedules: %u changes of who serves, %u taken, %u kept\n", count, s.served,
                  s.takes, s.keeps);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(never_two_and_never_an_old_index),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
