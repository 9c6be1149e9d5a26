/* SPDX-License-Identifier: Apache-2.0 */
/* What comes from other members, and what is there already. */
#include <stdio.h>
#include <unistd.h>

#include "storage/trunk/check.h"
#include "tests/lib/one_store.h"

static void append(const char *name, struct str text)
{
    struct sto_edit *e = NULL;
    assert_int_equal(sto_edit_begin(here.s, str_c(name), STO_EDIT_APPEND, 0, text.n, NULL, &e), 0);
    assert_int_equal(sto_edit_write(e, text.p, text.n), 0);
    assert_int_equal(sto_edit_commit(&e), 0);
}

static void assert_content(const char *name, struct str text)
{
    char is[64];
    struct sto_view v;
    assert_int_equal(sto_open_read(here.s, str_c(name), &v), 0);
    assert_int_equal(v.size, text.n);
    assert_int_equal(pread(v.fd, is, text.n, (off_t)v.offset), text.n);
    assert_memory_equal(is, text.p, text.n);
    close(v.fd);
}

static void an_appender_that_was_edited_meanwhile_stays(void **state)
{
    (void)state;
    char name[STO_NAME_MAX + 1];
    assert_int_equal(make_file("old", NULL, STO_APPENDER, name), 0);
    append(name, STR(" and new"));
    assert_int_equal(hear_file(name, "old", 0), 0);
    assert_content(name, STR("old and new"));
    /* an edit's record, which asks for the whole of it, brings a later one */
    struct sto_file *f = file_of("later");
    assert_int_equal(sto_replica_file(here.s, &f, str_c(name), 5, 1700000000), 0);
    assert_content(name, STR("later"));
    /* and it comes where there is none */
    struct str gone = str_c(name);
    int result = 0;
    assert_int_equal(sto_delete_batch(here.s, &gone, 1, &result), 0);
    assert_int_equal(hear_file(name, "old", 0), 0);
    assert_content(name, STR("old"));
}

static void a_file_whose_name_says_what_it_is_gives_way(void **state)
{
    (void)state;
    char name[STO_NAME_MAX + 1], path[4096];
    assert_int_equal(make_file("right", NULL, 0, name), 0);
    path_of(name, path, sizeof(path));
    assert_int_equal(truncate(path, 2), 0);
    assert_int_equal(hear_file(name, "right", 0), 0);
    assert_content(name, STR("right"));
}

/* Of two slaves of one millisecond: whichever comes first, the one of more bytes, or of larger ones. */
static void of_two_of_one_millisecond_the_larger_one_stays(void **state)
{
    (void)state;
    static const char *const orders[][3] = {
        /* the result of two */
        {"short", "longer", "longer"},
        {"longer", "short", "longer"},
        {"abd", "abc", "abd"},
        {"abc", "abd", "abd"},
        {"", "x", "x"},
    };
    char master[STO_NAME_MAX + 1], name[STO_NAME_MAX + 1];
    assert_int_equal(make_file("master", NULL, 0, master), 0);
    for (size_t i = 0; i < ARRAY_LEN(orders); i++) {
        int result = -1;
        assert_int_equal(make_file(orders[i][0], master, 0, name), 0);
        struct sto_info info;
        assert_int_equal(sto_info(here.s, str_c(name), false, &info), 0);
        for (int times = 0; times < 2; times++) {
            assert_int_equal(hear_file(name, orders[i][1], info.mtime_ms), 0);
            assert_content(name, str_c(orders[i][2]));
            assert_int_equal(hear_file(name, orders[i][0], info.mtime_ms), 0);
            assert_content(name, str_c(orders[i][2]));
        }
        int64_t before_ms = info.mtime_ms;
        assert_int_equal(sto_info(here.s, str_c(name), false, &info), 0);
        assert_int_equal(info.mtime_ms, before_ms);
        struct str gone = str_c(name);
        assert_int_equal(sto_delete_batch(here.s, &gone, 1, &result), 0);
        assert_int_equal(result, 0);
    }
}

/* Neither record says any more what there must be; that of one which was alone does. */
static void two_of_one_millisecond_are_not_taken_for_damaged(void **state)
{
    (void)state;
    char master[STO_NAME_MAX + 1], name[STO_NAME_MAX + 1];
    enum sto_copy copy;
    assert_int_equal(make_file("master", NULL, 0, master), 0);
    assert_int_equal(make_file("abc", master, 0, name), 0);
    struct sto_info info;
    assert_int_equal(sto_info(here.s, str_c(name), false, &info), 0);
    const struct sto_made made = {.ms = info.mtime_ms, .crc32 = sto_crc32(0, "abd", 3)};
    assert_int_equal(sto_check(here.s, NULL, str_c(name), &made, NULL, &copy), 0);
    assert_int_equal(copy, STO_COPY_BAD);
    assert_int_equal(hear_file(name, "abb", info.mtime_ms), 0);
    assert_int_equal(sto_check(here.s, NULL, str_c(name), &made, NULL, &copy), 0);
    assert_int_equal(copy, STO_COPY_UNKNOWN);
}

/* That is what the scrub brings for it. */
static void one_that_is_damaged_gives_way_to_a_smaller_one(void **state)
{
    (void)state;
    char master[STO_NAME_MAX + 1], name[STO_NAME_MAX + 1];
    assert_int_equal(make_file("master", NULL, 0, master), 0);
    assert_int_equal(make_file("zzz", master, 0, name), 0);
    struct sto_info info;
    assert_int_equal(sto_info(here.s, str_c(name), false, &info), 0);
    assert_int_equal(sto_mark_damaged(here.s, str_c(name), true), 0);
    assert_int_equal(hear_file(name, "abc", info.mtime_ms), 0);
    assert_content(name, STR("abc"));
}

int main(void)
{
#define T(test) cmocka_unit_test_setup_teardown(test, one_store_setup, one_store_teardown)
    const struct CMUnitTest tests[] = {
        T(an_appender_that_was_edited_meanwhile_stays),
        T(a_file_whose_name_says_what_it_is_gives_way),
        T(of_two_of_one_millisecond_the_larger_one_stays),
        T(two_of_one_millisecond_are_not_taken_for_damaged),
        T(one_that_is_damaged_gives_way_to_a_smaller_one),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
