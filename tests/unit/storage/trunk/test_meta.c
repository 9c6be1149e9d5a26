/* SPDX-License-Identifier: Apache-2.0 */
/* One store's part in what sync/test_marks.c plays with three: of two texts the later one stays (trunk/meta.c). */
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#include "dfscore/base/buf.h"
#include "dfscore/log/log.h"
#include "tests/lib/one_store.h"

enum { HOUR_MS = 3600000 };

static int setup(void **state)
{
    assert_int_equal(one_store_setup(state), 0);
    assert_int_equal(make_file("text", NULL, 0, here.master), 0);
    return make_file("text", here.master, 0, here.slave);
}

static int new_text(struct str old, void *arg, struct buf *out)
{
    (void)old;
    buf_adds(out, str_c(arg));
    return buf_err(out);
}

static void set(const char *name, const char *text)
{
    assert_int_equal(sto_meta_change(here.s, str_c(name), new_text, (char *)(uintptr_t)text, NULL),
                     0);
}

static void hear(const char *name, const char *text, int64_t ms)
{
    assert_int_equal(sto_replica_meta(here.s, str_c(name), str_c(text), ms), 0);
}

/* What another member is told: the text, and its time. */
static void assert_told(const char *name, const char *text, int64_t ms)
{
    AUTO(buf_free) struct buf got = BUF(1024);
    int64_t got_ms = -1;
    assert_int_equal(sto_meta_tell(here.s, str_c(name), &got, &got_ms), 0);
    assert_true(str_eq(buf_str(&got), str_c(text)));
    assert_int_equal(got_ms, ms);
}

static bool has_file_of_metadata(const char *name)
{
    char path[512];
    (void)snprintf(path, sizeof(path), "%s/data%s-m", here.dir, strchr(name, '/'));
    return access(path, F_OK) == 0;
}

static void delete (const char *name)
{
    struct str one = str_c(name);
    int result = -1;
    assert_int_equal(sto_delete_batch(here.s, &one, 1, &result), 0);
    assert_int_equal(result, 0);
}

static void restart(void)
{
    start_again();
}

/* --- tests ------------------------------------------------------------------------------------------- */

static void a_text_is_set_at_the_clocks_millisecond(void **state)
{
    (void)state;
    assert_told(here.master, "", 0);
    set(here.master, "a");
    assert_told(here.master, "a", clock_ms);
    restart();
    assert_told(here.master, "a", clock_ms);
}

static void a_change_is_later_than_what_is_there_whatever_the_clock_says(void **state)
{
    (void)state;
    int64_t ms = clock_ms;
    set(here.master, "a");
    set(here.master, "b");
    assert_told(here.master, "b", ms + 1);
    clock_ms -= HOUR_MS;
    set(here.master, "b"); /* the same again: what others say meanwhile is earlier */
    assert_told(here.master, "b", ms + 2);
    set(here.master, "");
    assert_told(here.master, "", ms + 3);
    clock_ms = ms + HOUR_MS;
    set(here.master, "c");
    assert_told(here.master, "c", ms + HOUR_MS);
}

static void of_others_the_later_one_stays(void **state)
{
    (void)state;
    static const struct {
        const char *heard;
        int64_t after_ms; /* what was set here at the clock's time */
        const char *stays;
    } rows[] = {
        {"of another", 1, "of another"},
        {"of another", -1, "here"},
        {"", 1, ""},
        {"", -1, "here"},
        {"larger: of one time", 0, "larger: of one time"},
        {"gone", 0, "here"},
        {"", 0, "here"},
    };
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        clock_ms += HOUR_MS;
        set(here.master, "here");
        hear(here.master, rows[i].heard, clock_ms + rows[i].after_ms);
        assert_told(here.master, rows[i].stays, clock_ms + MAX(rows[i].after_ms, INT64_C(0)));
    }
}

static void that_they_were_removed_is_remembered(void **state)
{
    (void)state;
    AUTO(buf_free) struct buf none = BUF(64);
    set(here.master, "a");
    hear(here.master, "", clock_ms + 5);
    assert_int_equal(sto_meta_get(here.s, str_c(here.master), &none), -ENOENT);
    hear(here.master, "b", clock_ms + 4);
    restart();
    hear(here.master, "b", clock_ms + 4);
    assert_told(here.master, "", clock_ms + 5);
}

static void what_a_member_never_had_says_nothing(void **state)
{
    (void)state;
    hear(here.master, "", 0);
    hear(here.master, "", STO_META_UNTIMED);
    assert_false(has_file_of_metadata(here.master));
    set(here.master, "a");
    hear(here.master, "", 0);
    assert_told(here.master, "a", clock_ms);
}

/* A member of an earlier build, which does not say when. */
static void without_a_time_it_is_the_first_or_a_change(void **state)
{
    (void)state;
    hear(here.master, "first", STO_META_UNTIMED);
    hear(here.master, "a second", STO_META_UNTIMED);
    assert_told(here.master, "first", STO_META_UNTIMED);
    const struct str name = str_c(here.master);
    assert_int_equal(sto_replica_meta_anyway(here.s, name, STR("changed"), clock_ms), 0);
    assert_told(here.master, "changed", clock_ms);
    assert_int_equal(sto_replica_meta_anyway(here.s, name, STR("by a slow clock"), 5), 0);
    assert_told(here.master, "by a slow clock", clock_ms + 1);
    hear(here.master, "b", STO_META_UNTIMED);
    assert_told(here.master, "by a slow clock", clock_ms + 1);
}

static void they_go_with_the_file_and_come_ahead_of_it(void **state)
{
    (void)state;
    set(here.master, "a");
    delete (here.master);
    assert_false(has_file_of_metadata(here.master));
    hear(here.master, "late", clock_ms + 1);
    assert_told(here.master, "late", clock_ms + 1);
    assert_int_equal(sto_replica_delete(here.s, str_c(here.master), 0, false, false), -ENOENT);
    assert_false(has_file_of_metadata(here.master));
}

static void a_rename_keeps_the_later_ones(void **state)
{
    (void)state;
    static const struct {
        int64_t new_after_ms; /* what has come for the new name; 0: nothing has */
        const char *stays;
    } rows[] = {{0, "old"}, {1, "new"}, {-1, "old"}};
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        char name[STO_NAME_MAX + 1], to[STO_NAME_MAX + 1];
        assert_int_equal(make_file("text", NULL, 0, name), 0);
        assert_int_equal(make_file("text", NULL, 0, to), 0);
        delete (to); /* a name for it */
        set(name, "old");
        if (rows[i].new_after_ms != 0)
            hear(to, "new", clock_ms + rows[i].new_after_ms);
        assert_int_equal(sto_replica_rename(here.s, str_c(name), str_c(to)), 0);
        assert_told(to, rows[i].stays, clock_ms + MAX(rows[i].new_after_ms, INT64_C(0)));
        assert_false(has_file_of_metadata(name));
    }
}

/* --- names that come again --------------------------------------------------------------------------- */

static void a_slave_made_again_has_none_of_the_one_before(void **state)
{
    (void)state;
    set(here.slave, "a");
    set(here.slave, "b");
    int64_t set_ms = clock_ms + 1;
    delete (here.slave);
    assert_false(has_file_of_metadata(here.slave));
    hear(here.slave, "late", set_ms + 10); /* set where the deletion was not known yet */
    assert_int_equal(make_file("text", here.master, 0, here.slave), 0);
    assert_told(here.slave, "", 0);
    hear(here.slave, "late", set_ms + 10);
    assert_told(here.slave, "", 0);
    set(here.slave, "c");
    assert_told(here.slave, "c", set_ms + 11);
}

static void a_deletion_takes_what_was_set_before_it(void **state)
{
    (void)state;
    delete (here.slave);
    hear(here.slave, "for the next one", clock_ms + 10);
    assert_int_equal(sto_replica_delete(here.s, str_c(here.slave), clock_ms + 10, false, false),
                     -ENOENT);
    assert_told(here.slave, "for the next one", clock_ms + 10);
    assert_int_equal(sto_replica_delete(here.s, str_c(here.slave), clock_ms + 11, false, false),
                     -ENOENT);
    assert_false(has_file_of_metadata(here.slave));
}

static void a_later_slave_takes_the_place_without_them(void **state)
{
    (void)state;
    for (int64_t after_ms = 1; after_ms >= -1; after_ms -= 2) {
        set(here.slave, "set");
        AUTO(buf_free) struct buf text = BUF(64);
        int64_t set_ms = 0;
        assert_int_equal(sto_meta_tell(here.s, str_c(here.slave), &text, &set_ms), 0);
        assert_int_equal(hear_file(here.slave, "next", set_ms + after_ms), 0);
        assert_int_equal(has_file_of_metadata(here.slave), after_ms < 0);
        clock_ms += HOUR_MS;
    }
}

int main(void)
{
    dfs_log_threshold = LOG_WARN;
#define T(test) cmocka_unit_test_setup_teardown(test, setup, one_store_teardown)
    const struct CMUnitTest tests[] = {
        T(a_text_is_set_at_the_clocks_millisecond),
        T(a_change_is_later_than_what_is_there_whatever_the_clock_says),
        T(of_others_the_later_one_stays),
        T(that_they_were_removed_is_remembered),
        T(what_a_member_never_had_says_nothing),
        T(without_a_time_it_is_the_first_or_a_change),
        T(they_go_with_the_file_and_come_ahead_of_it),
        T(a_rename_keeps_the_later_ones),
        T(a_slave_made_again_has_none_of_the_one_before),
        T(a_deletion_takes_what_was_set_before_it),
        T(a_later_slave_takes_the_place_without_them),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
