/* SPDX-License-Identifier: Apache-2.0 */
#include <fcntl.h>
#include <stdio.h>
#include <unistd.h>

#include "storage/trunk/renamed.h"
#include "tests/lib/fake_disk.h"
#include "tests/lib/test.h"

enum { MOST = 4096, SLOT = 128 };

static struct {
    char *root; /* owned */
    struct sto_dir dir;
    struct sto_renamed renamed;
} here;

static int set_up(void **state)
{
    (void)state;
    here.root = test_tmpdir();
    assert_int_equal(sto_dir_open(&sto_io_os, here.root, &here.dir), 0);
    assert_int_equal(sto_renamed_open(&here.dir, &here.renamed), 0);
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    sto_renamed_close(&here.renamed);
    sto_dir_close(&here.dir);
    test_tmpdir_free(&here.root);
    return 0;
}

static void note(const char *from, const char *to)
{
    assert_int_equal(sto_renamed_note(&here.renamed, str_c(from), str_c(to)), 0);
}

static void restart(void)
{
    sto_renamed_close(&here.renamed);
    assert_int_equal(sto_renamed_open(&here.dir, &here.renamed), 0);
}

static uint64_t leads(const char *from, uint64_t after, const char *to)
{
    char got[STO_NAME_MAX + 1] = "";
    uint64_t number = sto_renamed_to(&here.renamed, str_c(from), after, got);
    assert_string_equal(got, to);
    assert_int_equal(number > 0, to[0] != '\0');
    return number;
}

static void damage(off_t at, const char *bytes)
{
    char path[300];
    (void)snprintf(path, sizeof(path), "%s/data/.renamed", here.root);
    int fd = open(path, O_RDWR);
    assert_true(fd >= 0);
    assert_int_equal(pwrite(fd, bytes, strlen(bytes), at), strlen(bytes));
    close(fd);
}

static void nothing_is_known_and_nothing_made_before_the_first(void **state)
{
    (void)state;
    leads("old", 0, "");
    assert_int_not_equal(faccessat(here.dir.data, ".renamed", F_OK, 0), 0);
}

static void it_is_known_after_a_restart(void **state)
{
    (void)state;
    note("old", "new");
    note("other", "another");
    leads("old", 0, "new");
    restart();
    leads("old", 0, "new");
    leads("other", 0, "another");
    leads("new", 0, "");
}

static void noted_twice_it_is_there_once(void **state)
{
    (void)state;
    note("old", "new");
    uint64_t first = leads("old", 0, "new");
    restart();
    note("old", "new");
    assert_int_equal(leads("old", 0, "new"), first);
}

/* A name that was given back, and then another one: who follows them gets to the end, and no further. */
static void it_is_followed_forwards_only(void **state)
{
    (void)state;
    note("old", "first");
    note("first", "old");
    uint64_t there = leads("old", 0, "first");
    uint64_t back = leads("first", there, "old");
    leads("old", back, "");
    note("old", "second");
    leads("old", 0, "second");
    leads("old", back, "second");
}

static void the_oldest_gives_way(void **state)
{
    (void)state;
    char from[32], to[32];
    for (int i = 0; i <= MOST; i++) {
        (void)snprintf(from, sizeof(from), "old%d", i);
        (void)snprintf(to, sizeof(to), "new%d", i);
        note(from, to);
    }
    leads("old0", 0, "");
    leads("old1", 0, "new1");
    restart();
    leads("old0", 0, "");
    leads("old1", 0, "new1");
    leads("old4096", 0, "new4096");
}

static void what_is_not_right_is_passed_over(void **state)
{
    (void)state;
    note("old", "new");
    note("other", "another");
    damage(SLOT + 10, "o"); /* the same bytes */
    restart();
    leads("old", 0, "new");
    damage(SLOT + 11, "X");
    restart();
    leads("old", 0, "");
    leads("other", 0, "another");
    note("old", "new");
    restart();
    leads("old", 0, "new");
}

static void names_that_are_none_of_ours_are_not_noted(void **state)
{
    (void)state;
    char name[STO_NAME_MAX + 1];
    memset(name, 'a', sizeof(name) - 1);
    name[sizeof(name) - 1] = '\0';
    note(name, "new");
    leads(name, 0, "");
    note("", "new");
}

/* Found by who asks from then on, and kept with the next one that can be. */
static void a_disk_that_fails_says_so(void **state)
{
    (void)state;
    fake_disk_start(1);
    sto_renamed_close(&here.renamed);
    here.dir.io = &fake_disk_io;
    assert_int_equal(sto_renamed_open(&here.dir, &here.renamed), 0);
    fake_disk_fail(FAKE_SYNC, 1, 0, EIO);
    assert_int_equal(sto_renamed_note(&here.renamed, STR("old"), STR("new")), -EIO);
    leads("old", 0, "new");
    note("old", "new");
    here.dir.io = &sto_io_os;
    fake_disk_stop();
    restart();
    leads("old", 0, "new");
}

static void no_memory_is_no_rename(void **state)
{
    (void)state;
    test_alloc_fail_nth(1);
    assert_int_equal(sto_renamed_note(&here.renamed, STR("old"), STR("new")), -ENOMEM);
    leads("old", 0, "");
    note("old", "new");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(nothing_is_known_and_nothing_made_before_the_first, set_up,
                                        tear_down),
        cmocka_unit_test_setup_teardown(it_is_known_after_a_restart, set_up, tear_down),
        cmocka_unit_test_setup_teardown(noted_twice_it_is_there_once, set_up, tear_down),
        cmocka_unit_test_setup_teardown(it_is_followed_forwards_only, set_up, tear_down),
        cmocka_unit_test_setup_teardown(the_oldest_gives_way, set_up, tear_down),
        cmocka_unit_test_setup_teardown(what_is_not_right_is_passed_over, set_up, tear_down),
        cmocka_unit_test_setup_teardown(names_that_are_none_of_ours_are_not_noted, set_up,
                                        tear_down),
        cmocka_unit_test_setup_teardown(a_disk_that_fails_says_so, set_up, tear_down),
        cmocka_unit_test_setup_teardown(no_memory_is_no_rename, set_up, tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
