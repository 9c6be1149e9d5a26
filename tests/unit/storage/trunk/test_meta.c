/* SPDX-License-Identifier: Apache-2.0 */
/* One store's part in what sync/test_marks.c plays with three: of two texts the later one stays (trunk/meta.c). */
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#include "dfscore/base/buf.h"
#include "dfscore/base/clock.h"
#include "dfscore/log/log.h"
#include "storage/trunk/replica.h"
#include "storage/trunk/store_priv.h"
#include "tests/lib/sto_open.h"

enum { HOUR_MS = 3600000 };

static struct {
    char *dir;
    struct sto_store *s;
    char name[STO_NAME_MAX + 1], slave[STO_NAME_MAX + 1];
} here;

static int64_t clock_ms;

static int64_t now_ms(void)
{
    return clock_ms;
}

static uint64_t mono_us(void)
{
    return 0;
}

static const struct dfs_clock_hook hook = {now_ms, mono_us};

static void make(bool slave, char *name)
{
    struct sto_file *f = NULL;
    struct sto_commit c = {.size = 4, .ext = "bin", .desc = STR("")};
    if (slave) {
        c.master = str_c(here.name);
        c.prefix = STR("_s");
    }
    assert_int_equal(sto_file_open(here.s, 0, 4, STO_NATIVE, &f), 0);
    assert_int_equal(sto_file_write(f, "text", 4, 0), 0);
    assert_int_equal(sto_file_commit(&f, &c, name), 0);
}

static int setup(void **state)
{
    (void)state;
    dfs_clock_hook = &hook;
    clock_ms = INT64_C(1700000000123);
    here.dir = test_tmpdir();
    here.s = test_sto_open(here.dir, "100001", false);
    make(false, here.name);
    make(true, here.slave);
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    sto_store_close(&here.s);
    dfs_clock_hook = NULL;
    test_tmpdir_free(&here.dir);
    return 0;
}

static int new_text(struct str old, void *arg, struct buf *out)
{
    (void)old;
    buf_adds(out, str_c(arg));
    return buf_err(out);
}

static void set(const char *name, const char *text)
{
    assert_int_equal(sto_meta_change(here.s, str_c(name), new_text, (char *)(uintptr_t)text), 0);
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
    sto_store_close(&here.s);
    here.s = test_sto_open(here.dir, "100001", false);
}

/* --- tests ------------------------------------------------------------------------------------------- */

static void a_text_is_set_at_the_clocks_millisecond(void **state)
{
    (void)state;
    assert_told(here.name, "", 0);
    set(here.name, "a");
    assert_told(here.name, "a", clock_ms);
    restart();
    assert_told(here.name, "a", clock_ms);
}

static void a_change_is_later_than_what_is_there_whatever_the_clock_says(void **state)
{
    (void)state;
    int64_t ms = clock_ms;
    set(here.name, "a");
    set(here.name, "b");
    assert_told(here.name, "b", ms + 1);
    clock_ms -= HOUR_MS;
    set(here.name, "b"); /* the same again: what others say meanwhile is earlier */
    assert_told(here.name, "b", ms + 2);
    set(here.name, "");
    assert_told(here.name, "", ms + 3);
    clock_ms = ms + HOUR_MS;
    set(here.name, "c");
    assert_told(here.name, "c", ms + HOUR_MS);
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
        set(here.name, "here");
        hear(here.name, rows[i].heard, clock_ms + rows[i].after_ms);
        assert_told(here.name, rows[i].stays, clock_ms + MAX(rows[i].after_ms, INT64_C(0)));
    }
}

static void that_they_were_removed_is_remembered(void **state)
{
    (void)state;
    AUTO(buf_free) struct buf none = BUF(64);
    set(here.name, "a");
    hear(here.name, "", clock_ms + 5);
    assert_int_equal(sto_meta_get(here.s, str_c(here.name), &none), -ENOENT);
    hear(here.name, "b", clock_ms + 4);
    restart();
    hear(here.name, "b", clock_ms + 4);
    assert_told(here.name, "", clock_ms + 5);
}

static void what_a_member_never_had_says_nothing(void **state)
{
    (void)state;
    hear(here.name, "", 0);
    hear(here.name, "", STO_META_UNTIMED);
    assert_false(has_file_of_metadata(here.name));
    set(here.name, "a");
    hear(here.name, "", 0);
    assert_told(here.name, "a", clock_ms);
}

/* A member of an earlier build, which does not say when. */
static void without_a_time_it_is_the_first_or_a_change(void **state)
{
    (void)state;
    hear(here.name, "first", STO_META_UNTIMED);
    hear(here.name, "a second", STO_META_UNTIMED);
    assert_told(here.name, "first", STO_META_UNTIMED);
    const struct str name = str_c(here.name);
    assert_int_equal(sto_replica_meta_anyway(here.s, name, STR("changed"), clock_ms), 0);
    assert_told(here.name, "changed", clock_ms);
    assert_int_equal(sto_replica_meta_anyway(here.s, name, STR("by a slow clock"), 5), 0);
    assert_told(here.name, "by a slow clock", clock_ms + 1);
    hear(here.name, "b", STO_META_UNTIMED);
    assert_told(here.name, "by a slow clock", clock_ms + 1);
}

static void they_go_with_the_file_and_come_ahead_of_it(void **state)
{
    (void)state;
    set(here.name, "a");
    delete (here.name);
    assert_false(has_file_of_metadata(here.name));
    hear(here.name, "late", clock_ms + 1);
    assert_told(here.name, "late", clock_ms + 1);
    assert_int_equal(sto_replica_delete(here.s, str_c(here.name), 0, false, false), -ENOENT);
    assert_false(has_file_of_metadata(here.name));
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
        make(false, name);
        make(false, to);
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
    make(true, here.slave);
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
        struct sto_replica_new new = {.name = str_c(here.slave), .size = 4, .time_s = 1};
        new.made_ms = set_ms + after_ms;
        struct sto_replica_new *const list[] = {&new};
        assert_int_equal(sto_file_open(here.s, 0, 4, STO_NATIVE, &new.file), 0);
        assert_int_equal(sto_file_write(new.file, "next", 4, 0), 0);
        assert_int_equal(sto_replica_files(here.s, list, 1), 0);
        assert_int_equal(new.result, 0);
        assert_int_equal(has_file_of_metadata(here.slave), after_ms < 0);
        clock_ms += HOUR_MS;
    }
}

int main(void)
{
    dfs_log_threshold = LOG_WARN;
#define T(test) cmocka_unit_test_setup_teardown(test, setup, teardown)
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
