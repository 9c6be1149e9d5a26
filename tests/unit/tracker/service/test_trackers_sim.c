/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One to five trackers and the storages of two groups under chance: messages are delayed, lost and overtake each other,
 * links are cut one way or both, trackers are killed, lose power or a disk, alone or most of them at once, storages
 * come, fail, lose what they held and are removed, wall clocks jump by an hour and back. After every step:
 *
 *   - at most one tracker acts as leader
 *   - no tracker goes back behind a term it has told others, or votes twice in one
 *   - a server that is not complete is ACTIVE nowhere where it has said so, and elsewhere no longer than its silence
 *   - what was removed stays so where that was acknowledged; who joined is remembered
 *   - nobody is told to be the first of its group by a tracker that knew, or was to learn, of others
 *
 * After quiet time all trackers agree on leader, groups, servers, addresses, states, trunk servers, what is drained and
 * the log of removals, and on what is true; after the loss of one's disk or the power of all, too.
 *
 * SEEDS=5000 for more schedules, FIRST=77 for where they begin; LOG=1 shows what the trackers log.
 */
#include <errno.h>
#include <stdio.h>

#include "dfscore/log/log.h"
#include "dfscore/wire/header.h"
#include "dfscore/wire/internal.h"
#include "tests/lib/test.h"
#include "tests/lib/tracker_sim.h"

enum {
    BUSY_US = 40000000,  /* of faults, */
    QUIET_US = 60000000, /* and how long it may take until all agree */
    HOUR_MS = 3600000,
    SLACK_US = 2500000, /* ticks are a second apart */
};

static struct {
    unsigned pending; /* fibers of ours */
    unsigned removing;
    unsigned faults, leaders;
    int leader;
    uint64_t term;
} run;

/* --- what must hold after every step -------------------------------------------------------------------- */

static void check_leaders(void)
{
    int found = -1;
    for (unsigned i = 0; i < tsim.o.trackers; i++) {
        const struct tsim_tracker *t = &tsim.tracker[i];
        if (!tsim_serves(t) || !trk_is_leader(t->srv))
            continue;
        if (found >= 0)
            TSIM_WRONG("trackers %d and %u lead", found, i);
        found = (int)i;
        run.leaders += run.leader != found || run.term != t->srv->election->term;
        run.leader = found;
        run.term = t->srv->election->term;
    }
}

static void check_incomplete(const struct tsim_tracker *t, const struct tsim_storage *s)
{
    uint64_t silent_us = (uint64_t)TSIM_SILENT_MS * 1000 + SLACK_US + 2 * tsim.o.delay_us;
    if (t->empty & 1u << s->index)
        TSIM_WRONG("tracker %u shows %u to readers, which has said that it is not complete",
                   t->index, s->index);
    if (fibers_now_us() - s->empty_us > silent_us)
        TSIM_WRONG("tracker %u still shows %u to readers", t->index, s->index);
}

static void check_step(void)
{
    check_leaders();
    for (unsigned i = 0; i < tsim.o.trackers; i++) {
        struct tsim_tracker *t = &tsim.tracker[i];
        for (unsigned k = 0; tsim_serves(t) && k < tsim.o.storages; k++) {
            const struct tsim_storage *s = &tsim.storage[k];
            const struct trk_node *n = tsim_node(i, k);
            if (n && n->status == DFS_ST_ACTIVE && !s->holds)
                check_incomplete(t, s);
            if (n && trk_status_complete(n->status) && s->holds)
                t->knows |= 1u << k;
            if (t->removed & 1u << k && (!n || trk_status_member(n->status)))
                TSIM_WRONG("tracker %u has %u again, which was removed", i, k);
        }
    }
}

static void turn_until(uint64_t us, bool (*enough)(void))
{
    enum { LOOK_US = 100000 };
    uint64_t look_us = 0;
    while (fibers_now_us() < us && !tsim.wrong[0]) {
        if (enough && fibers_now_us() >= look_us) {
            if (enough())
                return;
            look_us = fibers_now_us() + LOOK_US;
        }
        ASSERT(fibers_turn());
        check_step();
    }
}

/* --- agreement ------------------------------------------------------------------------------------------ */

static void put_node(struct buf *b, const struct trk_node *n)
{
    buf_addf(b, "  %s %s %s:%u %s refill %d source %s paths %u up %lld drain %u %lld\n", n->id,
             dfs_server_status_name(n->status), n->ip[0], n->port, n->ip[1], n->refill,
             trk_status_complete(n->status) ? "" : n->sync_source, n->path_count,
             trk_status_member(n->status) ? (long long)n->up_time : 0LL, n->drain.state,
             (long long)n->drain.set_us);
}

static int by_line(const void *a, const void *b)
{
    const struct trk_log_line *x = a, *y = b;
    int d = strcmp(x->id, y->id);
    return d ? d : (x->time_s > y->time_s) - (x->time_s < y->time_s);
}

static void put_log(struct buf *b, const struct trk_cluster *c)
{
    struct trk_log_line *lines = calloc(c->log_n + 1, sizeof(*lines));
    ASSERT(lines);
    if (c->log_n)
        memcpy(lines, c->log, c->log_n * sizeof(*lines));
    qsort(lines, c->log_n, sizeof(*lines), by_line);
    for (unsigned i = 0; i < c->log_n; i++)
        if (i == 0 || strcmp(lines[i].id, lines[i - 1].id) != 0)
            buf_addf(b, "log %s %s %u\n", lines[i].group, lines[i].id, lines[i].status);
    free(lines);
}

static void render(unsigned i, struct buf *b)
{
    const struct trk_server *srv = tsim.tracker[i].srv;
    const struct trk_cluster *c = &srv->cluster;
    buf_addf(b, "leader %s\n", srv->leader);
    for (unsigned k = 0; k < c->n; k++) {
        const struct trk_group *g = c->groups[k];
        buf_addf(b, "%s port %lld paths %u subdirs %u trunk %s %u id %d drain %u %lld\n", g->name,
                 (long long)g->port, g->path_count, g->subdir_count, g->trunk_server,
                 g->trunk_version, g->trunk_file_id, g->drain.state, (long long)g->drain.set_us);
        for (unsigned n = 0; n < g->n; n++)
            put_node(b, g->nodes[n]);
    }
    put_log(b, c);
    ASSERT(buf_err(b) == 0);
}

static bool removal_known(unsigned k)
{
    for (unsigned i = 0; i < tsim.o.trackers; i++)
        if (tsim.tracker[i].removed & 1u << k)
            return true;
    return false;
}

/* Nobody but the storages, each under its own number. */
static bool knows_no_others(unsigned i)
{
    const struct trk_cluster *c = &tsim.tracker[i].srv->cluster;
    unsigned there = 0, known = 0;
    for (unsigned k = 0; k < c->n; k++)
        there += c->groups[k]->n;
    for (unsigned k = 0; k < tsim.o.storages; k++) {
        const struct trk_node *n = tsim_node(i, k);
        known += n && strcmp(n->ip[0], tsim.storage[k].ip) == 0;
    }
    return there == known;
}

/* Does tracker @i say what is true? */
static bool is_right(unsigned i)
{
    if (!knows_no_others(i))
        return false;
    for (unsigned k = 0; k < tsim.o.storages; k++) {
        const struct tsim_storage *s = &tsim.storage[k];
        const struct trk_node *n = tsim_node(i, k);
        if (s->up && (!s->complete || !n || n->status != DFS_ST_ACTIVE))
            return false;
        if (s->removed && removal_known(k) && (!n || n->status != DFS_ST_DELETED))
            return false;
    }
    return true;
}

/* Why they do not; "": they do. */
static void disagreement(struct buf *why)
{
    AUTO(buf_free) struct buf first = BUF(65536);
    buf_reset(why);
    for (unsigned i = 0; i < tsim.o.trackers; i++) {
        AUTO(buf_free) struct buf b = BUF(65536);
        if (!tsim_serves(&tsim.tracker[i])) {
            buf_addf(why, "%u is down", i);
            return;
        }
        render(i, &b);
        if (!tsim.tracker[i].srv->leader[0] || !is_right(i)) {
            buf_addf(why, "%u says\n" STR_F, i, STR_A(buf_str(&b)));
            return;
        }
        if (i == 0)
            buf_adds(&first, buf_str(&b));
        else if (!str_eq(buf_str(&first), buf_str(&b)))
            buf_addf(why, "0 says\n" STR_F "\n%u says\n" STR_F, STR_A(buf_str(&first)), i,
                     STR_A(buf_str(&b)));
        if (why->n)
            return;
    }
}

static bool agreed(void)
{
    AUTO(buf_free) struct buf why = BUF(1 << 20);
    disagreement(&why);
    return run.pending == 0 && why.n == 0;
}

static void settle(const char *when)
{
    turn_until(fibers_now_us() + QUIET_US, agreed);
    turn_until(fibers_now_us() + 4000000, NULL); /* what was still under way */
    turn_until(fibers_now_us() + QUIET_US, agreed);
    AUTO(buf_free) struct buf why = BUF(1 << 20);
    if (tsim.wrong[0])
        return;
    disagreement(&why);
    if (run.pending)
        TSIM_WRONG("%s: %u fibers are not done", when, run.pending);
    if (why.n) {
        TSIM_WRONG("%s: no agreement", when);
        (void)fprintf(stderr, STR_F, STR_A(buf_str(&why)));
    }
}

/* --- an administrator ----------------------------------------------------------------------------------- */

static int ask(unsigned i, uint8_t cmd, struct str body)
{
    struct tsim_conn *c = tsim_conn_new(TSIM_ADMIN, i);
    int r = tsim_call(c, cmd, body, NULL);
    tsim_conn_close(&c);
    return r;
}

static bool others_hold(const struct tsim_storage *s)
{
    for (unsigned k = 0; k < tsim.o.storages; k++) {
        const struct tsim_storage *o = &tsim.storage[k];
        if (o != s && o->holds && !o->removed && !o->leaving && strcmp(o->group, s->group) == 0)
            return true;
    }
    return false;
}

/* It stays away; trackers are told until one has acknowledged. */
static void remove_one(void *arg)
{
    struct tsim_storage *s = arg;
    AUTO(buf_free) struct buf body = BUF(64);
    dfs_group_put(&body, &(struct dfs_group){0});
    memcpy(body.p, s->group, strlen(s->group));
    buf_adds(&body, str_c(s->id));
    unsigned rounds = 1 + (unsigned)tsim_random(3);
    for (unsigned k = 0; k < rounds || !s->removed; k++) {
        unsigned strangers = 0; /* who knew it may have lost its disk before it told others */
        fiber_sleep(1000000 + tsim_random(8000000));
        for (unsigned i = 0; i < tsim.o.trackers; i++) {
            unsigned disks = tsim.tracker[i].disks;
            int r = ask(i, DFS_CMD_DELETE_STORAGE, buf_str(&body));
            strangers += r == -ENOENT;
            s->removed = s->removed || r == 0 || r == -EALREADY || strangers == tsim.o.trackers;
            if (r == 0 && tsim.tracker[i].disks == disks)
                tsim.tracker[i].removed |= 1u << s->index;
        }
    }
    s->leaving = false;
    run.removing--;
    run.pending--;
}

static void drain_one(void *arg)
{
    const struct tsim_storage *s = arg;
    struct dfs_drain m = {.state = (uint8_t)tsim_random(3)};
    memcpy(m.group, s->group, strlen(s->group));
    if (tsim_random(2))
        memcpy(m.id, s->id, strlen(s->id));
    else
        m.state = (uint8_t)(m.state % 2);
    AUTO(buf_free) struct buf body = BUF(256);
    dfs_drain_put(&body, &m);
    for (unsigned i = 0; i < tsim.o.trackers; i++)
        (void)ask(i, DFS_INT_DRAIN, buf_str(&body));
    run.pending--;
}

static void spawn(void (*fn)(void *arg), void *arg)
{
    run.pending++;
    fiber_begin(tsim_owner(TSIM_ADMIN), fn, arg);
}

/* --- faults --------------------------------------------------------------------------------------------- */

static void bring_up(unsigned i)
{
    if (!tsim.tracker[i].up)
        tsim_tracker_up(i);
}

static void fail_tracker(unsigned i)
{
    if (tsim_serves(&tsim.tracker[i]))
        tsim_tracker_crash(i, tsim_random(2));
    fiber_sleep(tsim_random(tsim_random(2) ? 300000 : 6000000));
    bring_up(i);
}

/* Most of them, one right after the other. */
static void fail_most(void)
{
    unsigned first = (unsigned)tsim_random(tsim.o.trackers), n = tsim.o.trackers / 2 + 1;
    bool power = tsim_random(2);
    for (unsigned k = 0; k < n; k++) {
        unsigned i = (first + k) % tsim.o.trackers;
        if (tsim_serves(&tsim.tracker[i]))
            tsim_tracker_crash(i, power);
    }
    fiber_sleep(tsim_random(4000000));
    for (unsigned i = 0; i < tsim.o.trackers; i++)
        bring_up(i);
}

/* What is lost must be somewhere else: the others are there, and have themselves learned all by now. */
static bool may_lose_disk(void)
{
    for (unsigned i = 0; i < tsim.o.trackers; i++) {
        const struct tsim_tracker *t = &tsim.tracker[i];
        if (!tsim_serves(t) || t->srv->catching_up || t->srv->cluster.n == 0)
            return false;
    }
    return tsim.o.trackers > 1;
}

/* Perhaps it finds storages before it finds other trackers. */
static void lose_disk(unsigned i)
{
    bool alone = tsim_random(2);
    if (!may_lose_disk())
        return;
    tsim_tracker_crash(i, tsim_random(2));
    tsim_tracker_lose_disk(i);
    for (unsigned j = 0; j < tsim.o.trackers; j++)
        tsim.cut[i][j] |= alone;
    fiber_sleep(tsim_random(2000000));
    bring_up(i);
    if (alone && tsim_random(2)) {
        struct tsim_storage *s = &tsim.storage[tsim_random(tsim.o.storages)];
        if (s->up && s->holds && others_hold(s)) {
            tsim_storage_down(s->index);
            tsim_storage_lose(s->index, false);
            tsim_storage_up(s->index);
        }
    }
    fiber_sleep(alone ? tsim_random(5000000) : 1);
    for (unsigned j = 0; j < tsim.o.trackers; j++)
        tsim.cut[i][j] = false;
}

static void isolate(unsigned i, bool in, bool out, bool cut)
{
    for (unsigned j = 0; j < TSIM_ADMIN; j++) {
        tsim.cut[j][i] = in ? cut : tsim.cut[j][i];
        tsim.cut[i][j] = out ? cut : tsim.cut[i][j];
    }
}

static void cut_one(void *arg)
{
    (void)arg;
    unsigned i = (unsigned)tsim_random(tsim.o.trackers), j = (unsigned)tsim_random(TSIM_ADMIN);
    unsigned ways = 1 + (unsigned)tsim_random(3);
    bool alone = tsim_random(3) == 0;
    if (alone)
        isolate(i, ways & 1, ways & 2, true);
    tsim.cut[i][j] |= ways & 1;
    tsim.cut[j][i] |= (ways & 2) != 0;
    fiber_sleep(tsim_random(tsim_random(3) ? 4000000 : 25000000));
    if (alone)
        isolate(i, ways & 1, ways & 2, false);
    tsim.cut[i][j] = tsim.cut[j][i] = false;
    run.pending--;
}

/* Two sides that hear nothing of each other. */
static void cut_in_two(void *arg)
{
    (void)arg;
    unsigned side = (unsigned)tsim_random(1u << TSIM_ADMIN);
    for (int cut = 1; cut >= 0; cut--) {
        for (unsigned i = 0; i < TSIM_ADMIN; i++)
            for (unsigned j = 0; j < TSIM_ADMIN; j++)
                if ((side >> i & 1) != (side >> j & 1))
                    tsim.cut[i][j] = cut;
        if (cut)
            fiber_sleep(1000000 + tsim_random(20000000));
    }
    run.pending--;
}

static void skew(unsigned owner)
{
    static const int64_t hours[] = {-1, 0, 0, 1};
    fiber_skew(owner, hours[tsim_random(4)] * HOUR_MS);
}

static void fail_storage(struct tsim_storage *s)
{
    unsigned what = (unsigned)tsim_random(6);
    if (s->leaving || s->removed)
        return;
    if (!s->up) {
        tsim_storage_up(s->index);
        return;
    }
    tsim_storage_down(s->index);
    if (what < 2 && s->holds && others_hold(s))
        tsim_storage_lose(s->index, what == 0);
    if (what == 3 && s->holds && s->complete && others_hold(s) && run.removing == 0) {
        s->leaving = true;
        run.removing++;
        spawn(remove_one, s);
    }
}

/* It comes back as a new one, empty. */
static void return_one(struct tsim_storage *s)
{
    if (!s->removed || s->leaving)
        return;
    tsim_storage_lose(s->index, false);
    s->removed = false;
    for (unsigned i = 0; i < tsim.o.trackers; i++)
        tsim.tracker[i].removed &= ~(1u << s->index);
    tsim_storage_up(s->index);
}

static void one_fault(void)
{
    unsigned i = (unsigned)tsim_random(tsim.o.trackers);
    struct tsim_storage *s = &tsim.storage[tsim_random(tsim.o.storages)];
    switch (tsim_random(14)) {
    case 0:
    case 1:
        fail_tracker(i);
        break;
    case 2:
        fail_most();
        break;
    case 3:
        lose_disk(i);
        break;
    case 4:
    case 5:
    case 6:
        spawn(cut_one, NULL);
        break;
    case 7:
        spawn(cut_in_two, NULL);
        break;
    case 8:
    case 9:
        skew((unsigned)tsim_random(TSIM_TRACKERS + 3));
        break;
    case 10:
        return_one(s);
        break;
    case 11:
        spawn(drain_one, s);
        break;
    default:
        fail_storage(s);
    }
}

static void chance(void *arg)
{
    (void)arg;
    while (!tsim.calm) {
        fiber_sleep(200000 + tsim_random(1500000));
        if (tsim_random(8) == 0 && !tsim.calm) {
            tsim.o.loss = (unsigned)tsim_random(2) * (unsigned)tsim_random(200);
            tsim.o.delay_us = tsim_random(3) ? 20000 : 900000;
        }
        one_fault();
        run.faults++;
    }
    run.pending--;
}

/* --- a schedule ----------------------------------------------------------------------------------------- */

static void come_up(void *arg)
{
    (void)arg;
    for (unsigned i = 0; i < tsim.o.trackers; i++) {
        bring_up(i);
        fiber_sleep(tsim_random(500000));
    }
    for (unsigned k = 0; k < tsim.o.storages; k++) {
        if (!tsim.storage[k].up && !tsim.storage[k].leaving && !tsim.storage[k].removed)
            tsim_storage_up(k);
        fiber_sleep(tsim_random(1000000));
    }
    run.pending--;
}

static void calm_down(void *arg)
{
    bool clocks_back = arg != NULL;
    tsim.o.loss = 0;
    tsim.o.delay_us = 5000;
    while (run.pending > 1) {
        for (unsigned i = 0; i < tsim.o.trackers; i++)
            bring_up(i); /* a removal ends when one has acknowledged it */
        fiber_sleep(10000);
    }
    memset(tsim.cut, 0, sizeof(tsim.cut));
    for (unsigned owner = 0; owner < TSIM_TRACKERS + 3 && clocks_back; owner++)
        fiber_skew(owner, 0);
    for (unsigned i = 0; i < tsim.o.trackers; i++)
        bring_up(i);
    for (unsigned k = 0; k < tsim.o.storages; k++)
        if (!tsim.storage[k].up && !tsim.storage[k].removed)
            tsim_storage_up(k);
    run.pending--;
}

static void power_fails(void *arg)
{
    (void)arg;
    for (unsigned i = 0; i < tsim.o.trackers; i++)
        tsim_tracker_crash(i, true);
    for (unsigned i = 0; i < tsim.o.trackers; i++)
        bring_up(i);
    run.pending--;
}

static void disk_fails(void *arg)
{
    (void)arg;
    unsigned i = (unsigned)tsim_random(tsim.o.trackers);
    tsim_tracker_crash(i, true);
    tsim_tracker_lose_disk(i);
    bring_up(i);
    run.pending--;
}

static void schedule(uint64_t seed)
{
    static const unsigned trackers[] = {1, 2, 3, 3, 5};
    const struct tsim_options o = {
        .seed = seed,
        .trackers = trackers[seed % ARRAY_LEN(trackers)],
        .storages = seed % ARRAY_LEN(trackers) == 4 ? 4 : TSIM_STORAGES,
        .delay_us = 20000,
        .sync_us = seed % 7 == 0 ? 300000 : 10000,
        .learned = seed % 4 == 1,
        .ids = seed % 3 == 1,
        .trunk = seed % 2,
    };
    memset(&run, 0, sizeof(run));
    run.leader = -1;
    tsim_start(&o);
    spawn(come_up, NULL);
    spawn(chance, NULL);
    turn_until(BUSY_US, NULL);
    tsim.calm = true;
    spawn(calm_down, seed % 2 ? &run : NULL);
    settle("after the faults");
    if (!tsim.wrong[0] && seed % 3 < 2) {
        spawn(seed % 3 ? power_fails : disk_fails, NULL);
        settle(seed % 3 ? "after a power failure of all" : "after the loss of a disk");
    }
    if (tsim.wrong[0])
        fail_msg("seed %llu, %u trackers, at %llu ms: %s", (unsigned long long)seed, o.trackers,
                 (unsigned long long)fibers_now_us() / 1000, tsim.wrong);
    tsim_stop();
}

static void trackers_agree_after_any_schedule(void **state)
{
    (void)state;
    unsigned first = MAX(test_number("FIRST", 1), 1u), count = test_number("SEEDS", 100);
    unsigned faults = 0, leaders = 0;
    for (unsigned seed = first; seed < first + count; seed++) {
        schedule(seed);
        faults += run.faults;
        leaders += run.leaders;
    }
    print_message("%u schedules: %u faults, %u times another leader\n", count, faults, leaders);
}

int main(void)
{
    dfs_log_threshold = getenv("LOG") ? LOG_DEBUG : LOG_ERROR + 1;
    test_in_memory();
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(trackers_agree_after_any_schedule),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
