/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A group of storages under chance: clients' changes of every kind at every member, while calls between them are
 * delayed and lost, links are cut, members are killed, lose power or a disk, and clocks are set. Afterwards, and
 * meanwhile, against a ledger of what was acknowledged:
 *
 *   - an acknowledged file is there, byte for byte, on every member that had it when it was acknowledged
 *   - as many members as min_copies asks for had it then
 *   - a member that says it is complete has what was acknowledged before it came
 *   - no member that serves, whatever has become of the others, tells a reader that there is no such file
 *   - names are unique
 *   - after quiet time all members hold the same, acknowledged files are there, deleted ones are not
 *
 * SEEDS=5000 for more schedules, FIRST=77 for where they begin; LOG=1 shows what the members log.
 */
#include "dfscore/log/log.h"
#include "tests/lib/cluster_alike.h"
#include "tests/lib/cluster_clients.h"
#include "tests/lib/cluster_ledger.h"
#include "tests/lib/fake_disk.h"
#include "tests/lib/test.h"

enum {
    CLIENTS = 2,
    READERS = 2,
    BUSY_US = 6000000,   /* of work and faults, */
    QUIET_US = 90000000, /* and how long it may take until all are alike */
};

static bool again; /* names come again */

/* --- what must hold meanwhile -------------------------------------------------------------------------- */

static void check_one(const struct led_file *f)
{
    if (f->state != THERE || f->busy || f->vague)
        return;
    for (unsigned i = 0; i < sim_nodes(); i++) {
        const struct sim_node *n = sim_node(i);
        if (!sim_serves(n))
            continue;
        bool filled = (f->holders & n->filled_from) != 0 && f->acked_us < n->up_us;
        if ((f->holders & 1u << i || filled) && !led_has(n, f))
            WRONG("%s is not on %u%s", f->name, i,
                  filled ? ", which is complete" : ", which had it");
    }
}

static void reader(void *arg)
{
    (void)arg;
    while (!ledger.quiet) {
        if (ledger.count > 0)
            check_one(&ledger.files[sim_random(ledger.count)]);
        fiber_sleep(5000);
    }
    ledger.pending--;
}

/* A client that asks any member, with an id that it has been told. */
static void ask_for_one(const struct led_file *f, struct sim_node *n)
{
    AUTO(buf_free) struct buf got = BUF(1 << 20);
    uint64_t began_us = fibers_now_us();
    if (f->state != THERE || f->busy || !sim_serves(n))
        return;
    int r = sim_read(n, f->name, &got);
    bool there = f->state == THERE && !f->busy && f->acked_us <= began_us;
    bool changes = f->appender || f->vague || (again && f->master);
    ledger.read += r == 0;
    ledger.not_read += r < 0;
    if (there && r == -ENOENT)
        WRONG("%u says that there is no %s", n->index, f->name);
    if (there && r == 0 && !changes && !str_eq(buf_str(&got), str_of(f->bytes, f->n)))
        WRONG("%u reads something else as %s", n->index, f->name);
}

static void client_reads(void *arg)
{
    (void)arg;
    while (!ledger.quiet) {
        if (ledger.count > 0)
            ask_for_one(&ledger.files[sim_random(ledger.count)],
                        sim_node((unsigned)sim_random(sim_nodes())));
        fiber_sleep(3000);
    }
    ledger.pending--;
}

/* --- faults -------------------------------------------------------------------------------------------- */

static unsigned holders(const struct led_file *f)
{
    unsigned mask = 0;
    for (unsigned i = 0; i < sim_nodes(); i++)
        if (sim_serves(sim_node(i)) && led_has(sim_node(i), f))
            mask |= 1u << i;
    return mask;
}

static bool all_in_service(void)
{
    for (unsigned i = 0; i < sim_nodes(); i++)
        if (!sim_serves(sim_node(i)) || !sim_node(i)->complete || sim_status(i) != DFS_ST_ACTIVE)
            return false;
    return true;
}

/* Here too, and what was not acknowledged goes with it, or another member has seen it alone. */
static void forget_meta_holder(struct led_file *f, unsigned i)
{
    f->meta_holders &= ~(1u << i);
    f->meta_ahead = f->meta_ahead || f->meta_open & 1u << i || !f->meta_holders;
    f->meta_vague = f->meta_vague || f->meta_ahead;
}

/* The last copy of what was acknowledged alone may go with a disk; of what was on two members not. */
static void forget_holder(unsigned i)
{
    for (unsigned k = 0; k < ledger.count; k++) {
        struct led_file *f = &ledger.files[k];
        unsigned others = f->holders & ~(1u << i);
        f->holders = others;
        f->gone_from &= ~(1u << i);
        forget_meta_holder(f, i);
        f->ahead = f->ahead || f->edit_open & 1u << i;
        f->vague = f->vague || f->ahead;
        if (f->state == GONE && !others) /* nobody else knows that it is deleted */
            f->state = UNKNOWN;
        if (f->state == THERE && !f->busy && !others && !holders(f)) {
            f->state = UNKNOWN;
            f->vague = f->meta_vague = true;
            f->ahead = f->ahead || f->appender;
        }
    }
}

/* Two may want to: the first start takes a while, and chance does not wait for its end. */
static void bring_up(unsigned i)
{
    if (!sim_node(i)->up)
        sim_up(i);
}

static void lose_disk(unsigned i)
{
    bool all = sim_random(2);
    unsigned path = (unsigned)sim_random(SIM_PATHS_MAX);
    sim_crash(i, sim_random(2));
    forget_holder(i);
    ledger.lost |= 1u << i;
    for (unsigned p = 0; p < SIM_PATHS_MAX; p++)
        if (all || p == path)
            sim_lose_disk(i, p);
    fiber_sleep(sim_random(800000));
    bring_up(i);
}

static void cut_for_a_while(unsigned i)
{
    unsigned j = (unsigned)sim_random(sim_nodes() + 1);
    j = j == sim_nodes() ? SIM_TRACKER : j;
    bool both = sim_random(2);
    if (i == j)
        return;
    sim_cut(i, j, true);
    sim_cut(j, i, both);
    fiber_sleep(sim_random(2500000));
    sim_cut(i, j, false);
    sim_cut(j, i, false);
}

static void chance(void *arg)
{
    (void)arg;
    while (!ledger.quiet) {
        fiber_sleep(100000 + sim_random(600000));
        unsigned i = (unsigned)sim_random(sim_nodes());
        struct sim_node *n = sim_node(i);
        unsigned what = (unsigned)sim_random(8);
        ledger.faults++;
        if (!n->up) {
            bring_up(i);
        } else if (what < 3) {
            sim_crash(i, what == 0);
            fiber_sleep(sim_random(sim_random(3) ? 200000 : 3000000));
            bring_up(i);
        } else if (what == 3 && ledger.disks_fail && all_in_service()) {
            lose_disk(i);
        } else if (what < 7) {
            cut_for_a_while(i);
        } else {
            fiber_skew(i, (int64_t)sim_random(7200000) - 3600000);
        }
    }
    ledger.pending--;
}

/* --- a schedule ---------------------------------------------------------------------------------------- */

static void run_until(uint64_t us, bool (*enough)(void))
{
    enum { LOOK_US = 50000 };
    uint64_t look_us = 0;
    while (fibers_now_us() < us && !ledger.wrong[0]) {
        if (enough && fibers_now_us() >= look_us) {
            if (enough())
                return;
            look_us = fibers_now_us() + LOOK_US;
        }
        ASSERT(fibers_turn());
    }
}

static bool settled(void)
{
    return ledger.pending == 0 && sim_settled();
}

static void calm_down(void *arg)
{
    (void)arg;
    for (unsigned i = 0; i <= SIM_NODES_MAX; i++)
        for (unsigned j = 0; j <= SIM_NODES_MAX; j++)
            sim_cut(i, j, false);
    while (ledger.pending > 1)
        fiber_sleep(10000);
    for (unsigned i = 0; i < sim_nodes(); i++)
        bring_up(i);
    ledger.pending--;
}

static void go_down(void *arg)
{
    (void)arg;
    for (unsigned i = 0; i < sim_nodes(); i++)
        if (sim_node(i)->up)
            sim_down(i);
    ledger.pending--;
}

static void come_up(void *arg)
{
    (void)arg;
    for (unsigned i = 0; i < sim_nodes(); i++) {
        bring_up(i);
        fiber_sleep(sim_random(300000));
    }
    ledger.pending--;
}

static void spawn(void (*fn)(void *arg))
{
    ledger.pending++;
    fiber_begin(SIM_TRACKER, fn, NULL);
}

static bool nothing_pending(void)
{
    return ledger.pending == 0;
}

static void settle(const char *when)
{
    uint64_t until = fibers_now_us() + QUIET_US;
    run_until(until, settled);
    if (!settled())
        WRONG("%s: not settled (status %u %u %u)", when, sim_status(0), sim_status(1),
              sim_status(2));
    run_until(fibers_now_us() + 2000000, NULL);
    if (ledger.wrong[0])
        return;
    alike_check_members();
    alike_check_ledger();
}

static unsigned earlier_builds; /* bits of members */

static void schedule(uint64_t seed)
{
    led_start(seed % 2);
    ledger.again = again;
    ledger.at_home = earlier_builds != 0; /* they do not say when */
    const struct sim_options o = {
        .seed = seed,
        .nodes = 3,
        .paths = seed % 4 == 3 ? 2 : 1,
        .min_copies = seed % 5 == 0 ? 2 : 0,
        .loss = seed % 3 == 0 ? 0 : 10,
        .delay_us = seed % 2 ? 500 : 20000,
        .earlier = earlier_builds,
    };
    sim_start(&o);
    fake_disk_meanwhile(6, clients_between_calls, NULL);
    spawn(come_up);
    for (unsigned i = 0; i < CLIENTS; i++)
        spawn(clients_work);
    spawn(reader);
    for (unsigned i = 0; i < READERS; i++)
        spawn(client_reads);
    spawn(chance);
    run_until(BUSY_US, NULL);
    ledger.quiet = true;
    spawn(calm_down);
    settle("after the faults");
    if (!ledger.wrong[0] && seed % 3 == 0) {
        spawn(go_down);
        run_until(fibers_now_us() + QUIET_US, nothing_pending);
        spawn(come_up);
        settle("after a restart of all");
    }
    if (ledger.wrong[0])
        fail_msg("seed %llu: %s", (unsigned long long)seed, ledger.wrong);
    spawn(go_down);
    run_until(fibers_now_us() + QUIET_US, nothing_pending);
    fake_disk_meanwhile(0, NULL, NULL);
    sim_stop();
    led_stop();
}

/* Schedules that fail when what they found comes back. A change to the simulation moves them: find others then. */
static void what_was_found_stays_mended(void **state)
{
    (void)state;
    static const uint64_t seeds[] = {
        2,     /* metadata of a packed file that come before it */
        6,     /* changes before a rename that were not taken by then */
        20,    /* metadata that come while their file does */
        118,   /* a rename over a name that is there */
        688,   /* metadata of a new name that come before it */
        1652,  /* metadata that are removed before their file comes */
        10199, /* a refilled member's new log in the directory of another's */
        40603, /* a rename behind the deletion of its new name */
        50628, /* a slave that comes with a link while it comes with its record */
        90886, /* an edit of what has bytes of another one that comes to nothing */
    };
    for (size_t i = 0; i < ARRAY_LEN(seeds); i++)
        schedule(seeds[i]);
}

static void members_stay_alike_under_any_schedule(void **state)
{
    (void)state;
    unsigned first = MAX(test_number("FIRST", 1), 1u), count = test_number("SEEDS", 60);
    unsigned acked = 0, refused = 0, faults = 0, read = 0, not_read = 0;
    for (unsigned seed = first; seed < first + count; seed++) {
        schedule(seed);
        acked += ledger.acked;
        refused += ledger.refused;
        faults += ledger.faults;
        read += ledger.read;
        not_read += ledger.not_read;
    }
    print_message("%u schedules: %u changes acknowledged, %u not; %u reads, %u not; %u faults\n",
                  count, acked, refused, read, not_read, faults);
}

/* As all others, and slaves are deleted and made again, at once or later, at any member. */
static int names_come_once(void **state)
{
    (void)state;
    again = false;
    return 0;
}

static void names_that_come_again_stay_alike(void **state)
{
    (void)state;
    unsigned first = MAX(test_number("FIRST", 1), 1u), count = test_number("SEEDS", 30);
    unsigned made = 0;
    again = true;
    for (unsigned seed = first; seed < first + count; seed++) {
        schedule(seed);
        made += ledger.made_again;
    }
    print_message("%u schedules: %u slaves made again\n", count, made);
}

/* While a group is upgraded: the new ones take from them what they have, and they from the new ones. */
static void members_of_an_earlier_build_are_followed(void **state)
{
    (void)state;
    for (unsigned seed = 1; seed <= 6; seed++) {
        earlier_builds = seed; /* 1, 2, both, ... */
        schedule(seed);
    }
    earlier_builds = 0;
}

int main(void)
{
    dfs_log_threshold = getenv("LOG") ? LOG_WARN : LOG_ERROR + 1;
    test_in_memory();
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_was_found_stays_mended),
        cmocka_unit_test(members_of_an_earlier_build_are_followed),
        cmocka_unit_test_teardown(names_that_come_again_stay_alike, names_come_once),
        cmocka_unit_test(members_stay_alike_under_any_schedule),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
