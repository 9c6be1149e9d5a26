/* SPDX-License-Identifier: Apache-2.0 */
/* Versions of an appender's content, on the disk and between members. */
#include "storage/trunk/version.h"

#include <fcntl.h>
#include <stdio.h>
#include <unistd.h>

#include "tests/lib/one_store.h"

/* ---- times ---- */

static void only_whole_microseconds_are_versions(void **state)
{
    (void)state;
    static const struct {
        struct timespec t;
        int64_t version;
    } rows[] = {
        {{1700000000, 123456000}, INT64_C(1700000000123456)},
        {{1700000000, 0}, INT64_C(1700000000000000)}, /* of an earlier build */
        {{1700000000, 123456001}, 0},
        {{1700000000, 999999999}, 0},
        {{1700000000, 123456500}, INT64_C(1700000000123456)}, /* mixed */
        {{0, 0}, 0},
        {{-1, 0}, 0},
        {{STO_REC_VERSION_MAX / 1000000, STO_REC_VERSION_MAX % 1000000 * 1000},
         STO_REC_VERSION_MAX},
        {{STO_REC_VERSION_MAX / 1000000 + 1, 0}, 0}, /* no record can say it */
    };
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        const struct stat st = {.st_mtim = rows[i].t};
        assert_int_equal(sto_version_of(&st), rows[i].version);
    }
}

static void the_next_one_is_later(void **state)
{
    (void)state;
    int64_t now = clock_ms * 1000;
    const struct stat old = {.st_mtim = {1600000000, 0}}, ahead = {.st_mtim = {1800000000, 5}};
    const struct stat last = {.st_mtim = {STO_REC_VERSION_MAX / 1000000 + 1, 5}};
    assert_int_equal(sto_version_next("100001", &old), now / 32 * 32 + 100001 % 32);
    for (int i = 0; i < 32; i++) { /* two members do not choose the same */
        char id[16], address[24];
        (void)snprintf(id, sizeof(id), "%d", 100001 + i);
        (void)snprintf(address, sizeof(address), "10.0.0.%d", 200 + i);
        int64_t a = sto_version_next(id, &ahead);
        assert_in_range(a, INT64_C(1800000000000001), INT64_C(1800000000000063));
        assert_int_equal(a % 32, (100001 + i) % 32);
        assert_int_equal(sto_version_next(address, &ahead) % 32, (200 + i) % 32);
    }
    assert_true(sto_version_next("::a", &ahead) > INT64_C(1800000000000000));
    assert_in_range(sto_version_next("100031", &last), 1, STO_REC_VERSION_MAX);
    assert_int_equal(sto_version_untold(&old, 1700000000), INT64_C(1700000000000000));
    assert_int_equal(sto_version_untold(&ahead, 1700000000), INT64_C(1800000000000001));
    assert_int_equal(sto_version_untold(&last, 1700000000), STO_REC_VERSION_MAX);
}

static void what_is_set_is_read(void **state)
{
    (void)state;
    struct stat st;
    struct sto_file *f = file_of("text");
    for (int mixed = 0; mixed < 2; mixed++) {
        assert_int_equal(
            sto_version_set(&sto_io_os, sto_file_fd(f), INT64_C(1700000000123456), mixed), 0);
        assert_int_equal(fstat(sto_file_fd(f), &st), 0);
        assert_int_equal(sto_version_of(&st), INT64_C(1700000000123456));
        assert_int_equal(sto_version_mixed(&st), mixed);
    }
    sto_file_free(&f);
}

/* ---- a client's edits ---- */

static int64_t version_of(const char *name)
{
    struct sto_info info;
    assert_int_equal(sto_info_settled(here.s, str_c(name), &info), 0);
    return info.version;
}

/* The file system has given it a time. */
static void lose_version(const char *name, time_t time_s)
{
    char path[4096];
    const struct timespec times[2] = {{time_s, 1}, {time_s, 1}};
    path_of(name, path, sizeof(path));
    assert_int_equal(utimensat(AT_FDCWD, path, times, 0), 0);
    assert_int_equal(version_of(name), 0);
}

static void assert_content(const char *name, const char *want)
{
    char is[64] = "";
    struct sto_view v;
    assert_int_equal(sto_open_read(here.s, str_c(name), &v), 0);
    assert_int_equal(pread(v.fd, is, sizeof(is) - 1, 0), (ssize_t)v.size);
    close(v.fd);
    assert_string_equal(is, want);
}

static struct sto_edit *begin(const char *name, enum sto_edit_op op, const char *text)
{
    struct sto_edit *e = NULL;
    assert_int_equal(sto_edit_begin(here.s, str_c(name), op, 0, strlen(text), NULL, &e), 0);
    assert_int_equal(sto_edit_write(e, text, strlen(text)), 0);
    return e;
}

static int last_edit(const struct sto_entry *e, void *arg)
{
    struct sto_rec_versions *v = arg;
    if (e->op != 'C')
        *v = sto_rec_get_versions(e->desc);
    return 0;
}

static struct sto_rec_versions logged(void)
{
    struct sto_rec_versions v = {0, 0};
    struct sto_scan scan = {0};
    while (!scan.at_end)
        assert_int_equal(
            sto_scan(here.s, 0, scan.next, STO_SCAN_CHANGES, 100, last_edit, &v, &scan), 0);
    return v;
}

static void assert_logged(const char *name, int64_t before)
{
    struct sto_rec_versions v = logged();
    assert_int_equal(v.before, before);
    assert_int_equal(v.after, version_of(name));
    assert_true(v.after > v.before);
}

static void each_edit_has_a_later_one_and_its_record_says_both(void **state)
{
    (void)state;
    char name[STO_NAME_MAX + 1];
    assert_int_equal(make_file("text", NULL, STO_APPENDER, name), 0);
    int64_t v = version_of(name);
    assert_int_equal(v, clock_ms * 1000);
    struct sto_edit *e = begin(name, STO_EDIT_APPEND, "more"); /* the clock stands still */
    assert_int_equal(sto_edit_commit(&e), 0);
    assert_logged(name, v);
    v = version_of(name);
    clock_ms -= 3600000;
    e = begin(name, STO_EDIT_MODIFY, "T");
    assert_int_equal(sto_edit_commit(&e), 0);
    assert_logged(name, v);
    v = version_of(name);
    clock_ms += 7200000;
    assert_int_equal(sto_truncate(here.s, str_c(name), 2, NULL), 0);
    assert_logged(name, v);
    v = version_of(name);
    assert_int_equal(v / 32, clock_ms * 1000 / 32);
    assert_content(name, "Te");
    start_again();
    assert_int_equal(version_of(name), v);
}

/* Others have its record, and take what is there. */
static void one_that_is_given_up_is_one(void **state)
{
    (void)state;
    char name[STO_NAME_MAX + 1];
    assert_int_equal(make_file("text", NULL, STO_APPENDER, name), 0);
    int64_t v = version_of(name);
    struct sto_edit *e = begin(name, STO_EDIT_APPEND, "more");
    sto_edit_free(&e);
    assert_logged(name, v);
    assert_content(name, "text");
}

static void a_time_of_the_file_system_is_none_to_begin_with(void **state)
{
    (void)state;
    char name[STO_NAME_MAX + 1];
    assert_int_equal(make_file("text", NULL, STO_APPENDER, name), 0);
    lose_version(name, 1750000000);
    struct sto_edit *e = begin(name, STO_EDIT_APPEND, "more");
    assert_int_equal(sto_edit_commit(&e), 0);
    assert_logged(name, 0);
    assert_true(version_of(name) > INT64_C(1750000000000000));
}

/* ---- another member's ---- */

enum { BEFORE = 1000, AFTER = 2000 };

static int64_t base; /* the version of the file */

static int hear_range(const char *name, int64_t before, int64_t after, const char *text)
{
    const struct sto_replica_edit e = {
        .name = str_c(name), .versions = {base + before, base + after}, .time_s = 1700000000};
    return sto_replica_range(here.s, &e, 0, str_c(text), NULL, 0);
}

static void an_edit_is_done_to_what_it_was_made_of(void **state)
{
    (void)state;
    char name[STO_NAME_MAX + 1];
    assert_int_equal(make_file("text", NULL, STO_APPENDER, name), 0);
    base = version_of(name);
    assert_int_equal(hear_range(name, BEFORE, AFTER, "T"), -ESTALE);
    assert_int_equal(hear_range(name, -BEFORE, -1, "T"), -ESTALE);
    assert_content(name, "text");
    assert_int_equal(hear_range(name, 0, BEFORE, "T"), 0);
    assert_int_equal(hear_range(name, 0, BEFORE, "TE"), 0); /* again: it may not be on the disk */
    assert_int_equal(hear_range(name, 0, AFTER, "no"), -ESTALE);
    assert_int_equal(version_of(name), base + BEFORE);
    assert_content(name, "TExt");
    const struct sto_replica_edit cut = {.name = str_c(name),
                                         .versions = {base + BEFORE, base + AFTER}};
    assert_int_equal(sto_replica_resize(here.s, &cut, 2), 0);
    assert_int_equal(version_of(name), base + AFTER);
    assert_int_equal(hear_range(name, 0, BEFORE, "no"), -ESTALE);
    assert_content(name, "TE");
}

static int hear_whole(const char *name, const char *text, int64_t version,
                      int (*how)(struct sto_store *s, struct sto_replica_new *new))
{
    struct sto_replica_new new = {.file = file_of(text),
                                  .name = str_c(name),
                                  .size = strlen(text),
                                  .time_s = 1600000000,
                                  .version = version};
    return how(here.s, &new);
}

/* What came with an edit was of the next one, which may come to nothing: another member's edit is not made of it. */
static void of_what_is_mixed_its_maker_goes_on(void **state)
{
    (void)state;
    enum { NEXT = 3200 }; /* versions of one member */
    char name[STO_NAME_MAX + 1];
    assert_int_equal(make_file("text", NULL, STO_APPENDER, name), 0);
    base = version_of(name);
    const struct sto_replica_edit mixed = {
        .name = str_c(name), .versions = {base, base + NEXT}, .mixed = true};
    assert_int_equal(sto_replica_range(here.s, &mixed, 0, STR("NE"), NULL, 0), 0);
    assert_int_equal(hear_range(name, NEXT, 2 * NEXT + 1, "no"), -ESTALE);
    assert_int_equal(version_of(name), base + NEXT);
    assert_int_equal(hear_range(name, NEXT, 2 * NEXT, "NEX"), 0);
    assert_int_equal(hear_range(name, 2 * NEXT, 3 * NEXT + 1, "other"), 0); /* it has caught up */
    assert_content(name, "other");
    assert_int_equal(hear_whole(name, "whole", base + 4 * NEXT, sto_replica_put), 0);
    assert_int_equal(hear_range(name, 4 * NEXT, 5 * NEXT + 1, "O"), 0);
    assert_content(name, "Ohole");
}

static void an_edit_of_what_is_mixed_is_made_of_nothing_that_others_have(void **state)
{
    (void)state;
    char name[STO_NAME_MAX + 1];
    assert_int_equal(make_file("text", NULL, STO_APPENDER, name), 0);
    base = version_of(name);
    struct sto_replica_new new = {.file = file_of("mixed"),
                                  .name = str_c(name),
                                  .size = strlen("mixed"),
                                  .version = base + 1,
                                  .mixed = true};
    assert_int_equal(sto_replica_put(here.s, &new), 0);
    struct sto_edit *e = begin(name, STO_EDIT_APPEND, "more");
    assert_int_equal(sto_edit_commit(&e), 0);
    assert_logged(name, 0);
    int64_t v = version_of(name);
    assert_int_equal(sto_truncate(here.s, str_c(name), 2, NULL), 0);
    assert_logged(name, v); /* that was one */
}

static void one_of_an_earlier_build_is_done_as_told(void **state)
{
    (void)state;
    char name[STO_NAME_MAX + 1];
    assert_int_equal(make_file("text", NULL, STO_APPENDER, name), 0);
    base = version_of(name);
    const struct sto_replica_edit e = {.name = str_c(name), .time_s = 1600000000};
    assert_int_equal(sto_replica_range(here.s, &e, 0, STR("T"), NULL, 0), 0);
    assert_content(name, "Text");
    assert_int_equal(version_of(name), base + 1);
}

static void many_bytes_come_from_a_file(void **state)
{
    (void)state;
    char name[STO_NAME_MAX + 1];
    assert_int_equal(make_file("text", NULL, STO_APPENDER, name), 0);
    base = version_of(name);
    struct sto_file *f = file_of("many");
    const struct sto_replica_edit e = {.name = str_c(name), .versions = {base, base + AFTER}};
    assert_int_equal(sto_replica_range(here.s, &e, 5, STR_NULL, f, 4), -EINVAL);
    assert_int_equal(sto_replica_range(here.s, &e, 4, STR_NULL, f, 4), 0);
    sto_file_free(&f);
    assert_content(name, "textmany");
}

static int put_new(struct sto_store *s, struct sto_replica_new *new)
{
    int r = sto_replica_files(s, &new, 1);
    return r < 0 ? r : new->result;
}

static void of_two_contents_the_later_stays(void **state)
{
    (void)state;
    static int (*const ways[])(struct sto_store *, struct sto_replica_new *) = {sto_replica_put,
                                                                                put_new};
    for (size_t i = 0; i < ARRAY_LEN(ways); i++) {
        char name[STO_NAME_MAX + 1];
        assert_int_equal(make_file("text", NULL, STO_APPENDER, name), 0);
        base = version_of(name);
        assert_int_equal(hear_whole(name, "older", base - 1, ways[i]), 0);
        assert_int_equal(hear_whole(name, "same", base, ways[i]), 0);
        assert_content(name, "text");
        assert_int_equal(hear_whole(name, "later", base + 1, ways[i]), 0);
        assert_content(name, "later");
        assert_int_equal(version_of(name), base + 1);
        assert_int_equal(hear_whole(name, "unless", base + 2, sto_replica_put_unless), 0);
        assert_content(name, "later");
    }
}

/* It was being written when the process ended: the record that asked for it brings it once more. */
static void what_has_no_version_gives_way_to_an_edits_record(void **state)
{
    (void)state;
    char name[STO_NAME_MAX + 1];
    assert_int_equal(make_file("half", NULL, STO_APPENDER, name), 0);
    base = version_of(name);
    lose_version(name, 1800000000);
    assert_int_equal(hear_range(name, 0, AFTER, "T"), -ESTALE);
    assert_int_equal(hear_whole(name, "made", base, put_new), 0);
    assert_content(name, "half");
    assert_int_equal(hear_whole(name, "whole", base, sto_replica_put), 0);
    assert_content(name, "whole");
}

int main(void)
{
#define T(test) cmocka_unit_test_setup_teardown(test, one_store_setup, one_store_teardown)
    const struct CMUnitTest tests[] = {
        T(only_whole_microseconds_are_versions),
        T(the_next_one_is_later),
        T(what_is_set_is_read),
        T(each_edit_has_a_later_one_and_its_record_says_both),
        T(one_that_is_given_up_is_one),
        T(a_time_of_the_file_system_is_none_to_begin_with),
        T(an_edit_is_done_to_what_it_was_made_of),
        T(of_what_is_mixed_its_maker_goes_on),
        T(an_edit_of_what_is_mixed_is_made_of_nothing_that_others_have),
        T(one_of_an_earlier_build_is_done_as_told),
        T(many_bytes_come_from_a_file),
        T(of_two_contents_the_later_stays),
        T(what_has_no_version_gives_way_to_an_edits_record),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
