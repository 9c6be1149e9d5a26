/* SPDX-License-Identifier: Apache-2.0 */
/* One store's part in what sync/test_again.c plays with three: the times of slaves and of their deletions. */
#include <stdio.h>
#include <unistd.h>

#include "tests/lib/one_store.h"

enum { HOUR_MS = 3600000 };

static int64_t made_ms(void)
{
    struct sto_info info;
    assert_int_equal(sto_info(here.s, str_c(here.slave), false, &info), 0);
    return info.mtime_ms;
}

static int take_away(void)
{
    struct str name = str_c(here.slave);
    int result = 0;
    assert_int_equal(sto_delete_batch(here.s, &name, 1, &result), 0);
    return result;
}

/* As a member says it again. */
static int hear_deleted(int64_t at_ms)
{
    return sto_replica_delete(here.s, str_c(here.slave), at_ms, false, false);
}

static int setup(void **state)
{
    assert_int_equal(one_store_setup(state), 0);
    assert_int_equal(make_file("master", NULL, 0, here.master), 0);
    return make_file("old", here.master, 0, here.slave);
}

static void a_slave_is_made_at_the_clocks_millisecond(void **state)
{
    (void)state;
    assert_int_equal(made_ms(), clock_ms);
    assert_int_equal(make_file("other", here.master, 0, here.slave), -EEXIST);
}

static void made_again_it_is_no_older_than_the_deletion(void **state)
{
    (void)state;
    for (int i = 1; i <= 5; i++) { /* of a clock that stands still */
        assert_int_equal(take_away(), 0);
        assert_int_equal(make_file("new", here.master, 0, here.slave), 0);
        assert_int_equal(made_ms(), clock_ms + i);
    }
    clock_ms -= HOUR_MS;
    assert_int_equal(take_away(), 0);
    assert_int_equal(make_file("new", here.master, 0, here.slave), 0);
    assert_int_equal(made_ms(), clock_ms + HOUR_MS + 6);
}

static void a_deletion_takes_what_was_made_before_it(void **state)
{
    (void)state;
    assert_int_equal(hear_deleted(clock_ms - 1), -EEXIST);
    assert_int_equal(hear_deleted(clock_ms), -EEXIST);
    assert_int_equal(made_ms(), clock_ms);
    assert_int_equal(hear_deleted(clock_ms + 1), 0);
    assert_int_equal(hear_deleted(clock_ms + 1), -ENOENT);
}

static void one_that_does_not_say_when_takes_what_is_here(void **state)
{
    (void)state;
    clock_ms -= HOUR_MS;
    assert_int_equal(hear_deleted(0), 0);
}

static void one_of_an_earlier_build_says_the_second_only(void **state)
{
    (void)state;
    struct str name = str_c(here.slave);
    const int64_t second = clock_ms / 1000 * 1000;
    assert_int_equal(sto_replica_delete(here.s, name, second - 1000, true, false), -EEXIST);
    assert_int_equal(sto_replica_delete(here.s, name, second, true, false), 0);
    assert_int_equal(make_file("new", here.master, 0, here.slave), 0);
    assert_int_equal(made_ms(), clock_ms + 1); /* no later than need be: that second may go on */
    assert_int_equal(sto_replica_delete(here.s, name, second, true, false), 0);
}

static void a_deletion_that_found_nothing_counts(void **state)
{
    (void)state;
    assert_int_equal(take_away(), 0);
    assert_int_equal(hear_deleted(clock_ms + HOUR_MS), -ENOENT);
    assert_int_equal(make_file("new", here.master, 0, here.slave), 0);
    assert_int_equal(made_ms(), clock_ms + HOUR_MS);
}

static void a_later_one_takes_the_place_of_an_earlier_one_only(void **state)
{
    (void)state;
    assert_int_equal(hear_file(here.slave, "earlier", clock_ms - 1), -EEXIST);
    assert_int_equal(made_ms(), clock_ms);
    assert_int_equal(hear_file(here.slave, "later", clock_ms + 1), 0);
    assert_int_equal(made_ms(), clock_ms + 1);
    assert_int_equal(hear_file(here.slave, "later", clock_ms + 1), 0); /* once more */
    assert_int_equal(hear_deleted(clock_ms + 1), -EEXIST);
    assert_int_equal(hear_deleted(clock_ms + 2), 0);
    assert_int_equal(hear_file(here.slave, "anew", clock_ms + 2), 0);
}

static void it_is_known_after_a_start(void **state)
{
    (void)state;
    assert_int_equal(hear_deleted(clock_ms + HOUR_MS), 0);
    start_again();
    assert_int_equal(make_file("new", here.master, 0, here.slave), 0);
    assert_int_equal(made_ms(), clock_ms + HOUR_MS);
    assert_int_equal(take_away(), 0);
    start_again();
    assert_int_equal(make_file("new", here.master, 0, here.slave), 0);
    assert_int_equal(made_ms(), clock_ms + HOUR_MS + 1);
}

static void what_is_kept_of_it_may_be_unreadable(void **state)
{
    (void)state;
    static const char *const texts[] = {
        "",
        "latest",
        "latest=\n",
        "latest=-5\n",
        "latest=x",
        "other=17000\n",
        "=\n",
        "latest=9000000000000000000\n",
        "latest=00000000000000000000000000000000000000000000000000000000000000000017000\n",
    };
    char path[300];
    assert_int_equal(take_away(), 0);
    (void)snprintf(path, sizeof(path), "%s/data/.log_deleted", here.dir);
    for (size_t i = 0; i < ARRAY_LEN(texts); i++) {
        sto_store_close(&here.s); /* which writes a right one */
        FILE *f = fopen(path, "w");
        assert_non_null(f);
        assert_true(fputs(texts[i], f) >= 0);
        assert_int_equal(fclose(f), 0);
        here.s = test_sto_open(here.dir, "100001", false);
        assert_int_equal(make_file("new", here.master, 0, here.slave), 0);
        assert_true(made_ms() < clock_ms + HOUR_MS);
        assert_int_equal(take_away(), 0);
    }
}

static void which_names_come_again(void **state)
{
    (void)state;
    char meta[STO_NAME_MAX + 3];
    (void)snprintf(meta, sizeof(meta), "%s-m", here.master);
    assert_false(sto_log_comes_again(str_c(here.master)));
    assert_true(sto_log_comes_again(str_c(here.slave)));
    assert_true(sto_log_comes_again(str_c(meta)));
}

int main(void)
{
#define T(test) cmocka_unit_test_setup_teardown(test, setup, one_store_teardown)
    const struct CMUnitTest tests[] = {
        T(a_slave_is_made_at_the_clocks_millisecond),
        T(made_again_it_is_no_older_than_the_deletion),
        T(a_deletion_takes_what_was_made_before_it),
        T(one_that_does_not_say_when_takes_what_is_here),
        T(one_of_an_earlier_build_says_the_second_only),
        T(a_deletion_that_found_nothing_counts),
        T(a_later_one_takes_the_place_of_an_earlier_one_only),
        T(it_is_known_after_a_start),
        T(what_is_kept_of_it_may_be_unreadable),
        T(which_names_come_again),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
