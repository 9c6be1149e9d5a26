/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A slave that is deleted and uploaded again under its name stays, whenever the others hear of the deletion, and say it
 * again: each order of events played once on a simulated group of three.
 */
#include "dfscore/base/clock.h"
#include "storage/trunk/check.h"
#include "storage/trunk/store_priv.h"
#include "tests/lib/cluster_script.h"
#include "tests/lib/test.h"

enum { MASTER = 100, OLD = 10, NEW = 20, HOUR_MS = 3600000 };

static char master[STO_NAME_MAX + 1], slave[STO_NAME_MAX + 1];

static void part_from_all(unsigned i, bool cut)
{
    for (unsigned j = 0; j < sim_nodes(); j++)
        if (j != i)
            script_part(i, j, cut);
}

static void make_slave(unsigned i, size_t size)
{
    char name[STO_NAME_MAX + 1];
    script_make(i, master, size, name);
    memcpy(slave, name, sizeof(slave));
}

/* A master, and a slave that member @i has made, are everywhere. */
static void begin_with_slave_of(unsigned i)
{
    script_make(0, NULL, MASTER, master);
    UNTIL(script_on_all(master, MASTER));
    make_slave(i, OLD);
    UNTIL(script_on_all(slave, OLD));
}

/* It is deleted at 1 and made again at @i, 0 or 1, of which 2 hears nothing. */
static void make_again_without_2(unsigned i)
{
    part_from_all(2, true);
    script_delete(1, slave);
    UNTIL(script_size_on(0, slave) == -ENOENT);
    make_slave(i, NEW);
    UNTIL(script_size_on(!i, slave) == NEW);
}

/* What anybody still has to say has been said then. */
static void all_have(int64_t size)
{
    enum { MORE_US = 2000000 };
    UNTIL(script_settled());
    fiber_sleep(MORE_US);
    UNTIL(script_settled());
    if (!script_on_all(slave, size))
        WRONG("not as uploaded: %lld, %lld, %lld", (long long)script_size_on(0, slave),
              (long long)script_size_on(1, slave), (long long)script_size_on(2, slave));
}

/* To the scrub, by the record of the one of @size bytes. */
static bool looks_damaged(unsigned i, size_t size)
{
    char data[NEW + 1];
    enum sto_copy copy = STO_COPY_UNKNOWN;
    struct sto_info info = {.mtime_ms = 0};
    struct sto_store *s = sim_node(i)->store;
    memset(data, 'c', sizeof(data));
    int r = sto_info(s, str_c(slave), false, &info);
    const struct sto_made made = {.ms = info.mtime_ms, .crc32 = sto_crc32(0, data, size)};
    if (r == 0)
        r = sto_check(s, sim_node(i)->mirrors, str_c(slave), &made, NULL, &copy);
    return r < 0 || copy == STO_COPY_BAD;
}

/* --- the orders ------------------------------------------------------------------------------------------- */

static void deleted_and_made_at_one(void)
{
    begin_with_slave_of(0);
    part_from_all(2, true);
    script_delete(0, slave);
    make_slave(0, NEW);
    part_from_all(2, false);
    all_have(NEW);
}

static void deleted_and_made_as_soon_as_another_has_heard(void)
{
    begin_with_slave_of(0);
    for (int i = 0; i < 20; i++) {
        script_delete(0, slave);
        UNTIL(script_size_on(1 + (unsigned)i % 2, slave) == -ENOENT);
        make_slave(0, NEW + (size_t)i);
    }
    all_have(NEW + 19);
}

static void deleted_and_made_at_another_than_its_maker(void)
{
    begin_with_slave_of(0);
    make_again_without_2(1);
    script_part(0, 2, false); /* it hears of the maker's saying so before all else */
    UNTIL(script_follows(2, 0));
    part_from_all(2, false);
    all_have(NEW);
}

static void deleted_at_one_and_made_at_another(void)
{
    begin_with_slave_of(0);
    part_from_all(2, true);
    script_delete(1, slave);
    UNTIL(script_size_on(0, slave) == -ENOENT);
    make_slave(0, NEW);
    part_from_all(2, false);
    all_have(NEW);
}

static void deleted_and_made_again_and_again(void)
{
    begin_with_slave_of(0);
    part_from_all(2, true);
    for (unsigned i = 1; i <= 30; i++) {
        script_delete(i % 2, slave);
        UNTIL(script_size_on(!(i % 2), slave) == -ENOENT);
        make_slave(!(i % 2), NEW + i);
        UNTIL(script_size_on(i % 2, slave) == NEW + i);
    }
    part_from_all(2, false);
    all_have(NEW + 30);
}

/* Member 2, whose clock is behind, hears of the deletion only, and has the new one before it hears of the old one. */
static void made_where_the_old_one_never_was(void)
{
    script_make(0, NULL, MASTER, master);
    UNTIL(script_on_all(master, MASTER));
    script_part(0, 2, true);
    make_slave(0, OLD);
    UNTIL(script_size_on(1, slave) == OLD);
    script_part(0, 1, true); /* else 2 has it from 1 */
    sim_down(2);
    sim_up(2);
    fiber_skew(2, -HOUR_MS);
    script_delete(1, slave);
    UNTIL(script_follows(2, 1) && script_size_on(2, slave) == -ENOENT);
    make_slave(2, NEW);
    script_part(0, 1, false);
    script_part(0, 2, false);
    all_have(NEW);
}

/* Member 2 has the old one when the new one comes, and hears of the deletion afterwards. */
static void the_new_one_comes_before_the_deletion(void)
{
    script_make(0, NULL, MASTER, master);
    UNTIL(script_on_all(master, MASTER));
    part_from_all(1, true);
    make_slave(0, OLD);
    UNTIL(script_size_on(2, slave) == OLD);
    part_from_all(0, true);
    script_delete(0, slave);
    fiber_sleep(100000);
    make_slave(1, NEW);
    script_part(1, 2, false);
    UNTIL(script_size_on(2, slave) == NEW);
    script_part(0, 2, false);
    UNTIL(script_follows(2, 0));
    script_part(0, 1, false);
    all_have(NEW);
}

/* Two who do not see each other: the later one is everywhere. */
static void made_at_two_at_once(void)
{
    begin_with_slave_of(0);
    script_delete(0, slave);
    UNTIL(script_on_all(slave, -ENOENT));
    part_from_all(2, true);
    make_slave(2, NEW + 1);
    fiber_sleep(100000);
    make_slave(0, NEW);
    UNTIL(script_size_on(1, slave) == NEW);
    part_from_all(2, false);
    all_have(NEW);
}

/* Their clocks are behind the deletion, so that both give it the time of that. */
static void made_at_two_in_one_millisecond(size_t at_0, size_t at_2)
{
    fiber_skew(0, HOUR_MS);
    begin_with_slave_of(0);
    fiber_skew(0, 0);
    script_delete(0, slave);
    UNTIL(script_on_all(slave, -ENOENT));
    part_from_all(2, true);
    make_slave(2, at_2);
    make_slave(0, at_0);
    UNTIL(script_size_on(1, slave) == (int64_t)at_0);
    part_from_all(2, false);
    all_have((int64_t)MAX(at_0, at_2));
    for (unsigned i = 0; i < sim_nodes(); i++)
        if (looks_damaged(i, at_0) || looks_damaged(i, at_2))
            WRONG("a record is taken to speak of the other one on %u", i);
}

static void the_first_of_one_millisecond_is_larger(void)
{
    made_at_two_in_one_millisecond(NEW, NEW + 1);
}

static void the_second_of_one_millisecond_is_larger(void)
{
    made_at_two_in_one_millisecond(NEW + 1, NEW);
}

static void its_makers_clock_is_ahead(void)
{
    fiber_skew(0, HOUR_MS);
    begin_with_slave_of(0);
    make_again_without_2(1);
    part_from_all(2, false);
    all_have(NEW);
}

static void its_makers_clock_is_broken(int64_t years)
{
    const int64_t year_ms = INT64_C(365) * 24 * HOUR_MS;
    fiber_skew(0, years * year_ms);
    begin_with_slave_of(0);
    make_again_without_2(0);
    fiber_skew(0, 0);
    script_delete(0, slave);
    UNTIL(script_size_on(1, slave) == -ENOENT);
    make_slave(1, NEW + 1);
    part_from_all(2, false);
    all_have(NEW + 1);
}

static void its_maker_lives_in_the_far_future(void)
{
    its_makers_clock_is_broken(250);
}

static void its_maker_lives_in_the_past(void)
{
    its_makers_clock_is_broken(-100);
}

static void a_clock_is_set_back_between(void)
{
    begin_with_slave_of(0);
    part_from_all(2, true);
    script_delete(0, slave);
    fiber_skew(0, -HOUR_MS);
    make_slave(0, NEW);
    part_from_all(2, false);
    all_have(NEW);
}

static void restart(unsigned i, bool checkpoint)
{
    if (checkpoint) {
        unsigned before = script_begin(i);
        script_end(i, before, sto_log_checkpoint(&sim_node(i)->store->paths[0].log));
    }
    sim_down(i);
    sim_up(i);
    UNTIL(script_in_service(1u << i));
}

/* What is deleted at a clock that is ahead is known after a restart, from the records behind the checkpoint */
static void made_after_a_restart(bool checkpoint)
{
    fiber_skew(0, HOUR_MS);
    begin_with_slave_of(0);
    part_from_all(2, true);
    script_delete(0, slave);
    UNTIL(script_size_on(1, slave) == -ENOENT);
    restart(1, checkpoint);
    make_slave(1, NEW);
    UNTIL(script_size_on(0, slave) == NEW);
    part_from_all(2, false);
    all_have(NEW);
}

static void made_after_a_kill(void)
{
    made_after_a_restart(false);
}

/* or, when that has passed them, from what is kept with it. */
static void made_after_a_checkpoint_and_a_restart(void)
{
    made_after_a_restart(true);
}

/* A member of an earlier build has deleted the old one, and has logged no more than the second. */
static void the_deletion_is_of_an_earlier_build(void)
{
    begin_with_slave_of(0);
    unsigned before = script_begin(0);
    struct sto_path *p = &sim_node(0)->store->paths[0];
    struct sto_log_rec rec = {.kind = STO_REC_DELETE,
                              .op = 'D',
                              .held = true,
                              .name = str_c(slave),
                              .time_s = (uint32_t)dfs_now_s() - 10};
    int r = sto_log_one(p, &rec);
    sto_log_release(&p->log, &rec);
    script_end(0, before, r);
    all_have(OLD);
}

/* Nothing comes again: who hears late deletes it as well. */
static void deleted_only(void)
{
    begin_with_slave_of(0);
    part_from_all(2, true);
    fiber_skew(1, -HOUR_MS); /* it is made later than now, then */
    script_delete(1, slave);
    part_from_all(2, false);
    all_have(-ENOENT);
}

#define ORDERS(ORDER)                                                                              \
    ORDER(deleted_and_made_at_one)                                                                 \
    ORDER(deleted_and_made_as_soon_as_another_has_heard)                                           \
    ORDER(deleted_and_made_at_another_than_its_maker)                                              \
    ORDER(deleted_at_one_and_made_at_another)                                                      \
    ORDER(deleted_and_made_again_and_again)                                                        \
    ORDER(made_where_the_old_one_never_was)                                                        \
    ORDER(the_new_one_comes_before_the_deletion)                                                   \
    ORDER(made_at_two_at_once)                                                                     \
    ORDER(the_first_of_one_millisecond_is_larger)                                                  \
    ORDER(the_second_of_one_millisecond_is_larger)                                                 \
    ORDER(its_makers_clock_is_ahead)                                                               \
    ORDER(its_maker_lives_in_the_far_future)                                                       \
    ORDER(its_maker_lives_in_the_past)                                                             \
    ORDER(a_clock_is_set_back_between)                                                             \
    ORDER(made_after_a_kill)                                                                       \
    ORDER(made_after_a_checkpoint_and_a_restart)                                                   \
    ORDER(the_deletion_is_of_an_earlier_build)                                                     \
    ORDER(deleted_only)

SCRIPT_MAIN(ORDERS)
