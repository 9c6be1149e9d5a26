/* SPDX-License-Identifier: Apache-2.0 */
/* Turns as one member gives them. */
#include "storage/trunk/turns.h"

#include "tests/lib/moved_fixture.h"
#include "tests/lib/one_store.h"

static const char *gone; /* a member that is out of service */
static char log_name[STO_NAME_MAX + 1];

static bool is_gone(void *arg, const char *by)
{
    (void)arg;
    return gone && strcmp(by, gone) == 0;
}

static const struct sto_turn_away away = {is_gone, NULL};

static int setup(void **state)
{
    int r = one_store_setup(state);
    gone = NULL;
    return r < 0 ? r : make_file("log", NULL, STO_APPENDER, log_name);
}

static int append(void)
{
    struct sto_edit *e = NULL;
    int r = sto_edit_begin(here.s, str_c(log_name), STO_EDIT_APPEND, 0, 1, NULL, &e);
    if (r == 0)
        r = sto_edit_write(e, "x", 1);
    return r < 0 ? r : sto_edit_commit(&e);
}

static int no_text(struct str old, void *arg, struct buf *out)
{
    (void)old;
    (void)arg;
    buf_adds(out, STR("k\x02v"));
    return 0;
}

static int ask(const char *by, uint64_t token, uint64_t from)
{
    struct sto_turn_id id = {.token = token, .from = from};
    struct sto_latest latest;
    (void)snprintf(id.by, sizeof(id.by), "%s", by);
    return sto_turn_give(here.s, str_c(log_name), &away, &id, &latest);
}

static void back(const char *by, uint64_t token)
{
    struct sto_turn_id id = {.token = token};
    (void)snprintf(id.by, sizeof(id.by), "%s", by);
    sto_turn_back(here.s, str_c(log_name), &id);
}

static void over(const char *by, uint64_t position)
{
    sto_turn_over(here.s, str_c(log_name), by, position);
}

static int begin(struct sto_turn_id *id)
{
    return sto_turn_begin(here.s, str_c(log_name), &away, id);
}

static int keep(const struct sto_turn_id *id)
{
    struct sto_latest latest;
    return sto_turn_keep(here.s, str_c(log_name), &away, id, &latest);
}

static void whoever_has_it_keeps_others_out(void **state)
{
    (void)state;
    char name[STO_NAME_MAX + 1];
    struct sto_turn_id id;
    assert_int_equal(append(), 0);
    assert_int_equal(ask("100002", 1, 10), 0);
    assert_int_equal(append(), -EAGAIN);
    assert_int_equal(sto_truncate(here.s, str_c(log_name), 0, NULL), -EAGAIN);
    assert_int_equal(sto_regenerate(here.s, str_c(log_name), NULL, name), -EAGAIN);
    assert_int_equal(sto_meta_change(here.s, str_c(log_name), no_text, NULL, NULL), -EAGAIN);
    assert_int_equal(ask("100003", 2, 10), -EAGAIN);
    assert_int_equal(begin(&id), -EAGAIN);
    over("100003", 99);
    over("100002", 9); /* of before it asked */
    assert_int_equal(append(), -EAGAIN);
    over("100002", 10);
    assert_int_equal(append(), 0);
    assert_int_equal(ask("100003", 2, 10), 0);
    back("100003", 3); /* another turn's */
    assert_int_equal(append(), -EAGAIN);
    back("100003", 2);
    assert_int_equal(append(), 0);
}

static bool no_more(void *arg)
{
    ++*(int *)arg;
    return false;
}

static void what_an_edit_rests_on_is_asked_before_it_is_made(void **state)
{
    (void)state;
    char name[STO_NAME_MAX + 1];
    int asked = 0;
    const struct sto_still still = {no_more, &asked};
    struct sto_edit *e = NULL;
    struct sto_info before, after;
    uint64_t end = sto_store_end(here.s, 0);
    assert_int_equal(sto_info(here.s, str_c(log_name), false, &before), 0);
    for (int op = STO_EDIT_APPEND; op <= STO_EDIT_MODIFY; op++)
        assert_int_equal(
            sto_edit_begin(here.s, str_c(log_name), (enum sto_edit_op)op, 0, 1, &still, &e),
            -EAGAIN);
    assert_int_equal(sto_truncate(here.s, str_c(log_name), 1, &still), -EAGAIN);
    assert_int_equal(sto_regenerate(here.s, str_c(log_name), &still, name), -EAGAIN);
    assert_int_equal(sto_meta_change(here.s, str_c(log_name), no_text, NULL, &still), -EAGAIN);
    assert_int_equal(asked, 5);
    assert_int_equal(sto_store_end(here.s, 0), end);
    assert_int_equal(sto_info(here.s, str_c(log_name), false, &after), 0);
    assert_int_equal(after.size, before.size);
    assert_int_equal(after.version, before.version);
    assert_int_equal(append(), 0); /* the lock is free */
}

static void who_asks_is_told_what_is_here(void **state)
{
    (void)state;
    struct sto_info info;
    struct sto_latest latest;
    const struct sto_turn_id id = {.by = "100002", .token = 1, .from = 10};
    assert_int_equal(append(), 0);
    assert_int_equal(sto_meta_change(here.s, str_c(log_name), no_text, NULL, NULL), 0);
    assert_int_equal(sto_info(here.s, str_c(log_name), false, &info), 0);
    assert_int_equal(sto_turn_give(here.s, str_c(log_name), &away, &id, &latest), 0);
    assert_int_equal(latest.found, 0);
    assert_int_equal(latest.version, info.version);
    assert_int_equal(latest.meta_ms, clock_ms);
    assert_int_equal(sto_turn_give(here.s, STR("M00/00/00/nothing-that-is-here-but-a-name.bin"),
                                   &away, &id, &latest),
                     0);
    assert_true(latest.found < 0);
    assert_int_equal(latest.version, 0);
}

/* A member edits again before its last record has come here. */
static void a_later_turn_does_not_end_the_one_before(void **state)
{
    (void)state;
    assert_int_equal(ask("100002", 1, 10), 0);
    assert_int_equal(ask("100002", 2, 20), 0);
    back("100002", 2);
    assert_int_equal(append(), -EAGAIN);
    over("100002", 10);
    assert_int_equal(append(), 0);

    assert_int_equal(ask("100002", 3, 30), 0);
    assert_int_equal(ask("100002", 4, 40), 0);
    over("100002", 30);
    assert_int_equal(append(), -EAGAIN);
    back("100002", 4);
    assert_int_equal(append(), 0);
}

/* The answer did not reach it, so it did not give it back. */
static void one_had_in_vain_does_not_stand_in_the_way(void **state)
{
    (void)state;
    assert_int_equal(ask("100002", 1, 10), 0);
    assert_int_equal(ask("100002", 2, 10), 0);
    back("100002", 2);
    assert_int_equal(append(), 0);
    assert_int_equal(ask("100002", 3, 10), 0);
    assert_int_equal(ask("100002", 4, 9), -EAGAIN); /* late */
    clock_mono_ms += STO_TURN_MS;
    assert_int_equal(ask("100002", 4, 9), 0); /* of a new log */
}

/* Trackers may call one OFFLINE that only stands still, and ends its edit: it knows that it has so long for that. */
static void who_goes_out_of_service_has_it_for_a_while(void **state)
{
    (void)state;
    struct sto_turn_id id;
    assert_true(STO_TURN_SURE_MS < STO_TURN_HELD_MS && STO_TURN_HELD_MS < STO_TURN_MS);
    assert_int_equal(ask("100002", 1, 10), 0);
    gone = "100002";
    clock_mono_ms += STO_TURN_HELD_MS - 1;
    assert_int_equal(begin(&id), -EAGAIN);
    assert_int_equal(ask("100003", 1, 10), -EAGAIN);
    assert_false(sto_turns_forget(here.s, &away));
    clock_mono_ms++;
    assert_int_equal(ask("100003", 1, 10), 0);
}

static void one_client_of_ours_at_a_time(void **state)
{
    (void)state;
    struct sto_turn_id id, other;
    assert_int_equal(begin(&id), 0);
    assert_int_equal(begin(&other), -EBUSY);
    assert_int_equal(keep(&id), 0);
    assert_int_equal(begin(&other), -EBUSY);
    assert_int_equal(ask("100002", 1, 10), -EAGAIN);
    sto_turn_won(here.s, str_c(log_name));
    assert_int_equal(append(), 0);
    sto_turn_back(here.s, str_c(log_name), &id);
    assert_int_equal(ask("100002", 1, 10), 0);
}

static void who_only_asks_gives_way(void **state)
{
    (void)state;
    struct sto_turn_id id;
    assert_int_equal(begin(&id), 0);
    assert_int_equal(ask("100002", 1, 10), 0);
    assert_int_equal(keep(&id), -EAGAIN);
    sto_turn_back(here.s, str_c(log_name), &id);
    assert_int_equal(append(), -EAGAIN);
}

/* Its member may be dead, or have it still: the file is not edited before that is known. */
static void one_that_nobody_ends_may_be_asked_for(void **state)
{
    (void)state;
    struct sto_turn_id id;
    assert_int_equal(ask("100002", 1, 10), 0);
    clock_mono_ms += STO_TURN_MS - 1;
    assert_int_equal(begin(&id), -EAGAIN);
    gone = "100002";
    assert_int_equal(begin(&id), 0);
    sto_turn_back(here.s, str_c(log_name), &id);
    gone = NULL;
    clock_mono_ms++;
    assert_int_equal(append(), -EAGAIN);
    assert_int_equal(begin(&id), 0);
    assert_int_equal(keep(&id), 0);
    assert_int_equal(append(), -EAGAIN);
    sto_turn_won(here.s, str_c(log_name));
    assert_int_equal(append(), 0);
    sto_turn_back(here.s, str_c(log_name), &id);

    assert_int_equal(ask("100002", 2, 20), 0);
    clock_mono_ms += STO_TURN_MS;
    assert_int_equal(ask("100003", 3, 20), 0);
    back("100003", 3); /* the one before is not over by that */
    assert_int_equal(append(), -EAGAIN);
}

/* What it appends would be in the old file alone. */
static void whoever_has_it_keeps_the_file_where_it_is(void **state)
{
    (void)state;
    static const char *const there = "group2/M00/00/00/fwABAWsJ-JqEfRvHAAAAAP-PP2g394.bin";
    struct sto_move mv;
    int r;
    while ((r = sto_move_begin(here.s, str_c(log_name), &mv)) == -EAGAIN) /* as in move() */
        sto_move_end(here.s, &mv);
    assert_int_equal(r, 0);
    assert_int_equal(ask("100002", 1, 10), 0);
    assert_int_equal(sto_move_commit(here.s, &mv, str_c(there)), -EAGAIN);
    sto_move_end(here.s, &mv);
    back("100002", 1);
    assert_int_equal(move(here.s, log_name, there), 0);
    assert_int_equal(ask("100002", 2, 20), -EAGAIN); /* it has not heard of that yet */
}

static void there_are_so_many(void **state)
{
    (void)state;
    struct sto_latest latest;
    struct sto_turn_id id = {.by = "100002", .from = 10};
    char name[STO_NAME_MAX + 1];
    for (unsigned i = 0; i < STO_TURNS_MOST; i++) {
        (void)snprintf(name, sizeof(name), "M00/00/00/a-file-of-%u", i);
        id.token = i;
        assert_int_equal(sto_turn_give(here.s, str_c(name), &away, &id, &latest), 0);
    }
    assert_int_equal(ask("100002", 1, 10), -ENOSPC);
    assert_false(sto_turns_forget(here.s, &away));
    clock_mono_ms += STO_TURN_MS;
    assert_true(sto_turns_forget(here.s, &away));
    assert_int_equal(ask("100002", 1, 10), 0);
}

#define UNIT(test) cmocka_unit_test_setup_teardown(test, setup, one_store_teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        UNIT(whoever_has_it_keeps_others_out),
        UNIT(what_an_edit_rests_on_is_asked_before_it_is_made),
        UNIT(who_asks_is_told_what_is_here),
        UNIT(a_later_turn_does_not_end_the_one_before),
        UNIT(one_had_in_vain_does_not_stand_in_the_way),
        UNIT(who_goes_out_of_service_has_it_for_a_while),
        UNIT(one_client_of_ours_at_a_time),
        UNIT(who_only_asks_gives_way),
        UNIT(one_that_nobody_ends_may_be_asked_for),
        UNIT(whoever_has_it_keeps_the_file_where_it_is),
        UNIT(there_are_so_many),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
