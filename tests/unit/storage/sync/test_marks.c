/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Metadata that are changed at members which have not heard of each other: all end with the ones set last, in whatever
 * order they hear. Each order of events played once on a simulated group of three.
 */
#include "dfscore/base/buf.h"
#include "dfscore/wire/internal.h"
#include "storage/trunk/store_priv.h"
#include "storage/trunk/walk.h"
#include "tests/lib/cluster_script.h"
#include "tests/lib/test.h"

enum { FILE_BYTES = 100, HOUR_MS = 3600000 };

static char name[STO_NAME_MAX + 1];

static void part_from_all(unsigned i, bool cut)
{
    for (unsigned j = 0; j < sim_nodes(); j++)
        if (j != i)
            script_part(i, j, cut);
}

static bool meta_is(unsigned i, const char *text)
{
    AUTO(buf_free) struct buf got = BUF(1024);
    (void)!sto_meta_get(sim_node(i)->store, str_c(name), &got);
    return str_eq(buf_str(&got), str_c(text));
}

static void all_have(const char *text)
{
    enum { MORE_US = 2000000 };
    UNTIL(script_settled());
    fiber_sleep(MORE_US);
    UNTIL(script_settled());
    for (unsigned i = 0; i < sim_nodes(); i++)
        if (!meta_is(i, text))
            WRONG("not '%s' on %u", text, i);
}

static int new_text(struct str old, void *arg, struct buf *out)
{
    (void)old;
    buf_adds(out, str_c(arg));
    return buf_err(out);
}

/* No two at one moment. */
static void mark(unsigned i, const char *text)
{
    unsigned before = script_begin(i);
    script_end(
        i, before,
        sto_meta_change(sim_node(i)->store, str_c(name), new_text, (char *)(uintptr_t)text, NULL));
    fiber_sleep(5000);
}

static void begin_with(const char *text)
{
    script_make(0, NULL, FILE_BYTES, name);
    mark(0, text);
    UNTIL(script_on_all(name, FILE_BYTES));
    for (unsigned i = 1; i < sim_nodes(); i++)
        UNTIL(meta_is(i, text));
}

static void lose_disk(unsigned i)
{
    sim_down(i);
    sim_lose_disk(i, 0);
    sim_up(i);
}

static void restart_behind_a_checkpoint(unsigned i)
{
    unsigned before = script_begin(i);
    script_end(i, before, sto_log_checkpoint(&sim_node(i)->store->paths[0].log));
    sim_down(i);
    sim_up(i);
    UNTIL(script_in_service(1u << i));
}

/* --- the orders ------------------------------------------------------------------------------------------- */

/* 0 and 1 hear each other's at once; 2 hears that of @last behind the other's. */
static void set_at_two(unsigned last)
{
    begin_with("k\x02"
               "first");
    for (unsigned i = 0; i < sim_nodes(); i++)
        part_from_all(i, true);
    mark(0, "k\x02"
            "of 0");
    mark(1, "k\x02"
            "of 1");
    script_part(2, !last, false);
    UNTIL(script_follows(2, !last));
    script_part(2, last, false);
    UNTIL(script_follows(2, last));
    part_from_all(0, false);
    part_from_all(1, false);
    all_have("k\x02"
             "of 1");
}

static void set_at_two_the_earlier_is_heard_last(void)
{
    set_at_two(0);
}

static void set_at_two_the_later_is_heard_last(void)
{
    set_at_two(1);
}

static void removed_at_one_and_set_earlier_at_another(void)
{
    begin_with("k\x02"
               "first");
    part_from_all(0, true);
    part_from_all(1, true);
    mark(1, "k\x02"
            "of 1");
    mark(0, "");
    script_part(0, 2, false);
    UNTIL(script_follows(2, 0));
    part_from_all(1, false);
    all_have("");
}

static void set_to_what_it_was_while_another_was_changed(void)
{
    begin_with("k\x02"
               "first");
    part_from_all(0, true);
    part_from_all(1, true);
    mark(1, "k\x02"
            "of 1");
    mark(0, "k\x02"
            "first");
    script_part(0, 2, false);
    UNTIL(script_follows(2, 0));
    part_from_all(1, false);
    all_have("k\x02"
             "first");
}

static void its_clock_is_set_back_between(void)
{
    begin_with("k\x02"
               "first");
    part_from_all(2, true);
    mark(0, "k\x02"
            "second");
    UNTIL(meta_is(1, "k\x02"
                     "second"));
    fiber_skew(1, -HOUR_MS);
    mark(1, "k\x02"
            "third");
    UNTIL(meta_is(0, "k\x02"
                     "third"));
    part_from_all(2, false);
    all_have("k\x02"
             "third");
}

/* 2 alone has the change in the lost log, and comes back behind one that 0 has made since. */
static void the_lost_log_has_an_earlier_one(void)
{
    begin_with("k\x02"
               "first");
    part_from_all(1, true);
    mark(0, "k\x02"
            "lost");
    UNTIL(script_follows(2, 0));
    part_from_all(2, true);
    script_part(2, SIM_TRACKER, true);
    script_part(0, 1, false);
    lose_disk(0);
    UNTIL(script_in_service(1) && script_on_all(name, FILE_BYTES));
    mark(0, "k\x02"
            "since");
    UNTIL(meta_is(1, "k\x02"
                     "since"));
    script_part(2, SIM_TRACKER, false);
    part_from_all(2, false);
    all_have("k\x02"
             "since");
}

/* A member of an earlier build has removed them: nothing is left there, and the record has no time. */
static void an_earlier_build_has_removed_them(void)
{
    char meta[STO_NAME_MAX + 3];
    begin_with("k\x02"
               "first");
    part_from_all(2, true);
    (void)snprintf(meta, sizeof(meta), "%s-m", name);
    unsigned before = script_begin(0);
    struct sto_path *p = &sim_node(0)->store->paths[0];
    struct sto_log_rec rec = {.kind = STO_REC_DELETE, .op = 'D', .held = true, .name = str_c(meta)};
    int r = sto_log_one(p, &rec);
    if (r == 0)
        r = sto_log_apply(&p->log, rec.kind, rec.op, &(struct sto_body){.name = rec.name});
    sto_log_release(&p->log, &rec);
    script_end(0, before, r);
    UNTIL(meta_is(1, ""));
    part_from_all(2, false);
    all_have("");
}

/* Of the slave before: set where its deletion is not known yet, and heard behind the new one. */
static void set_of_a_slave_that_is_made_again_elsewhere(void)
{
    char master[STO_NAME_MAX + 1];
    script_make(0, NULL, FILE_BYTES, master);
    UNTIL(script_on_all(master, FILE_BYTES));
    script_make(0, master, FILE_BYTES, name);
    UNTIL(script_on_all(name, FILE_BYTES));
    part_from_all(2, true);
    mark(2, "k\x02"
            "of the old one");
    script_delete(0, name);
    script_make(0, master, FILE_BYTES + 1, name);
    UNTIL(script_size_on(1, name) == FILE_BYTES + 1);
    script_part(1, 2, false);
    UNTIL(script_follows(1, 2));
    script_part(0, 2, false);
    all_have("");
    UNTIL(script_on_all(name, FILE_BYTES + 1));
}

/* 2 has not heard of the new name when they are set there; 1 hears that from 0 first, or from 2. */
static void set_under_a_name_that_has_gone(unsigned first)
{
    char new_name[STO_NAME_MAX + 1];
    script_make_appender(0, FILE_BYTES, name);
    mark(0, "k\x02"
            "first");
    UNTIL(script_on_all(name, FILE_BYTES) && meta_is(1, "k\x02"
                                                        "first"));
    part_from_all(1, true);
    part_from_all(2, true);
    script_regenerate(0, name, new_name);
    mark(2, "k\x02"
            "of 2");
    memcpy(name, new_name, sizeof(name));
    script_part(1, first, false);
    UNTIL(script_follows(1, first));
    part_from_all(1, false);
    part_from_all(2, false);
    all_have("k\x02"
             "of 2");
}

static void set_under_a_name_that_has_gone_and_heard_behind_that(void)
{
    set_under_a_name_that_has_gone(0);
}

static void set_under_a_name_that_has_gone_and_heard_before_that(void)
{
    set_under_a_name_that_has_gone(2);
}

static bool has_log(unsigned i, const struct sto_log_info *log)
{
    struct sto_log_info copy;
    return sto_mirrors_find(sim_node(i)->mirrors, 0, log->id, &copy) == 0 && copy.end >= log->end;
}

/*
 * They are in a log that is lost, and 1 alone has them, which has not heard of the new name. 0, which made it, and 2, which
 * lost its disk and hears it from 0, hear of them when the old name has gone. 0 then does once more what it did.
 */
static void set_in_a_lost_log_and_its_renamer_is_restarted(void)
{
    char new_name[STO_NAME_MAX + 1];
    struct sto_log_info lost;
    script_make_appender(0, FILE_BYTES, name);
    UNTIL(script_on_all(name, FILE_BYTES));
    part_from_all(0, true);
    mark(2, "k\x02"
            "of 2");
    UNTIL(script_follows(1, 2));
    (void)sto_mirrors_list(sim_node(2)->mirrors, 0, &lost, 1);
    part_from_all(1, true);
    script_part(1, SIM_TRACKER, true); /* else 2 is not complete without it */
    script_part(0, 2, false);
    lose_disk(2);
    UNTIL(script_in_service(1u << 2) && script_size_on(2, name) == FILE_BYTES);
    script_regenerate(0, name, new_name);
    UNTIL(script_size_on(2, new_name) == FILE_BYTES);
    script_part(1, 2, false);
    UNTIL(has_log(2, &lost) && has_log(0, &lost));
    script_part(1, 2, true);
    sim_down(0);
    sim_up(0);
    script_part(1, 0, false);
    UNTIL(script_size_on(1, new_name) == FILE_BYTES);
    memcpy(name, new_name, sizeof(name));
    script_part(1, SIM_TRACKER, false);
    script_part(1, 2, false);
    all_have("k\x02"
             "of 2");
}

/* Nobody is left who had them when the old name went, and who made the new one has been restarted since. */
static void set_in_a_lost_log_and_heard_behind_a_restart(void)
{
    char new_name[STO_NAME_MAX + 1];
    struct sto_log_info set;
    script_make_appender(0, FILE_BYTES, name);
    UNTIL(script_on_all(name, FILE_BYTES));
    part_from_all(2, true);
    mark(2, "k\x02"
            "of 2");
    (void)sto_mirrors_list(sim_node(2)->mirrors, 0, &set, 1);
    script_regenerate(0, name, new_name);
    UNTIL(script_size_on(1, new_name) == FILE_BYTES);
    for (unsigned i = 0; i < 2; i++)
        restart_behind_a_checkpoint(i);
    sim_mute(0, DFS_INT_SYNC_PULL); /* 2 hears nothing */
    sim_mute(1, DFS_INT_SYNC_PULL);
    part_from_all(2, false);
    UNTIL(has_log(1, &set) && has_log(0, &set));
    part_from_all(2, true);
    sim_mute(0, 0);
    sim_mute(1, 0);
    memcpy(name, new_name, sizeof(name));
    lose_disk(2);
    part_from_all(2, false);
    all_have("k\x02"
             "of 2");
}

#define ORDERS(ORDER)                                                                              \
    ORDER(set_at_two_the_earlier_is_heard_last)                                                    \
    ORDER(set_at_two_the_later_is_heard_last)                                                      \
    ORDER(removed_at_one_and_set_earlier_at_another)                                               \
    ORDER(set_to_what_it_was_while_another_was_changed)                                            \
    ORDER(its_clock_is_set_back_between)                                                           \
    ORDER(the_lost_log_has_an_earlier_one)                                                         \
    ORDER(an_earlier_build_has_removed_them)                                                       \
    ORDER(set_of_a_slave_that_is_made_again_elsewhere)                                             \
    ORDER(set_under_a_name_that_has_gone_and_heard_behind_that)                                    \
    ORDER(set_under_a_name_that_has_gone_and_heard_before_that)                                    \
    ORDER(set_in_a_lost_log_and_its_renamer_is_restarted)                                          \
    ORDER(set_in_a_lost_log_and_heard_behind_a_restart)

SCRIPT_MAIN(ORDERS)
