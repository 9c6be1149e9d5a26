/* SPDX-License-Identifier: Apache-2.0 */
/* Storing, reading and scanning; which path, in which order. What belongs to a name: test_store_names.c. */
#include "storage/trunk/store.h"

#include <stdio.h>
#include <sys/stat.h>

#include "dfscore/fileid/fileid.h"
#include "tests/lib/still_clock.h"
#include "tests/lib/trunk_fixture.h"

struct seen {
    unsigned count;
    uint64_t last;
    char text[4096]; /* kind, op, description of each entry */
};

static int note_entry(const struct sto_entry *e, void *arg)
{
    struct seen *s = arg;
    assert_true(e->position > s->last && e->next > e->position);
    s->last = e->position;
    s->count++;
    size_t n = strlen(s->text);
    (void)snprintf(s->text + n, sizeof(s->text) - n, "%u%c" STR_F " ", e->kind, e->op ? e->op : '-',
                   STR_A(e->desc));
    return 0;
}

static void assert_scan(struct fixture *f, unsigned flags, const char *want)
{
    struct seen seen = {0};
    struct sto_scan r = {0};
    while (!r.at_end)
        assert_int_equal(sto_scan(f->s, 0, r.next, flags, 3, note_entry, &seen, &r), 0);
    assert_string_equal(seen.text, want);
}

static void a_small_object_reads_back_also_after_a_restart(void **state)
{
    struct fixture *f = *state;
    char name[STO_NAME_MAX + 1], empty[STO_NAME_MAX + 1];
    put(f, STR("who I am"), STR("hello, pack"), name);
    put(f, STR("d"), STR(""), empty);
    assert_int_equal(strlen(name), 60);
    assert_content(f, name, STR("hello, pack"));
    reopen(f);
    assert_content(f, name, STR("hello, pack"));
    assert_content(f, empty, STR(""));
    struct sto_info i;
    assert_int_equal(sto_info(f->s, str_c(name), true, &i), 0);
    assert_int_equal(i.size, 11);
    assert_int_equal(i.kind, STO_KIND_PACKED);
    assert_int_equal(i.crc32, sto_crc32(0, "hello, pack", 11));
}

static void scan_tells_what_lives_in_order_and_forgets_the_deleted(void **state)
{
    struct fixture *f = *state;
    char a[STO_NAME_MAX + 1], b[STO_NAME_MAX + 1], c[STO_NAME_MAX + 1];
    put(f, STR("a"), STR("1"), a);
    struct sto_put note = {.kind = DFS_PUT_NOTE, .desc = STR("note")};
    assert_int_equal(sto_put_batch(f->s, 0, &note, 1), 0);
    assert_int_equal(note.result, 0);
    assert_string_equal(note.name, "");
    commit_file(f, STR("b"), STR("22"), 0, b);
    commit_file(f, STR("c"), STR("333"), STO_NATIVE, c);
    assert_scan(f, 0, "1Ca 2-note 1Cb 3Cc ");
    assert_scan(f, STO_SCAN_NO_DESC, "1C 2- 1C 3C ");
    struct str names[] = {str_c(a), str_c(b), str_c(a)};
    int results[3];
    assert_int_equal(sto_delete_batch(f->s, names, 2, results), 0);
    assert_int_equal(results[0], 0);
    assert_int_equal(results[1], 0);
    assert_scan(f, 0, "2-note 3Cc ");
    reopen(f);
    assert_scan(f, 0, "2-note 3Cc ");
    assert_scan(f, STO_SCAN_CHANGES, "2-note 3Cc 0D 0D ");
    assert_int_equal(sto_delete_batch(f->s, names, 3, results), 0);
    assert_int_equal(results[0], -ENOENT);
    assert_int_equal(results[1], -ENOENT);
    struct sto_view v;
    assert_int_equal(sto_open_read(f->s, str_c(a), &v), -ENOENT);
    assert_int_equal(sto_open_read(f->s, str_c(b), &v), -ENOENT);
}

static void a_file_of_the_wrong_size_gets_no_name(void **state)
{
    struct fixture *f = *state;
    struct sto_file *file = NULL;
    assert_int_equal(sto_file_open(f->s, 0, 10, 0, &file), 0);
    assert_int_equal(write(sto_file_fd(file), "12345", 5), 5);
    struct sto_commit c = {.size = 10, .desc = STR("")};
    char name[STO_NAME_MAX + 1];
    assert_int_equal(sto_file_commit(&file, &c, name), -EBADMSG);
    assert_null(file);
    assert_scan(f, 0, "");
}

static void a_second_process_is_refused(void **state)
{
    struct fixture *f = *state;
    const struct sto_path_options path = {.dir = f->dir};
    const struct sto_store_options o = {
        .group = "group1", .storage_id = "100001", .paths = &path, .path_count = 1};
    struct sto_store *second = NULL;
    assert_int_equal(sto_store_open(&o, &second, NULL), -EBUSY);
    assert_null(second);
}

static void appender_append(struct fixture *f, const char *name, struct str data)
{
    struct sto_edit *e = NULL;
    assert_int_equal(sto_edit_begin(f->s, str_c(name), STO_EDIT_APPEND, 0, data.n, NULL, &e), 0);
    assert_int_equal(sto_edit_write(e, data.p, data.n), 0);
    assert_int_equal(sto_edit_commit(&e), 0);
}

static void an_appender_is_edited_cut_and_made_normal(void **state)
{
    struct fixture *f = *state;
    char name[STO_NAME_MAX + 1], normal[STO_NAME_MAX + 1];
    commit_file(f, STR(""), STR("12345"), STO_NATIVE | STO_APPENDER, name);
    appender_append(f, name, STR("678"));
    assert_content(f, name, STR("12345678"));
    struct sto_edit *e = NULL;
    assert_int_equal(sto_edit_begin(f->s, str_c(name), STO_EDIT_MODIFY, 9, 1, NULL, &e), -EINVAL);
    assert_int_equal(sto_edit_begin(f->s, str_c(name), STO_EDIT_MODIFY, 1, 2, NULL, &e), 0);
    assert_int_equal(sto_edit_write(e, "xyz", 3), -EINVAL);
    assert_int_equal(sto_edit_write(e, "xy", 2), 0);
    assert_int_equal(sto_edit_commit(&e), 0);
    assert_content(f, name, STR("1xy45678"));
    assert_int_equal(sto_edit_begin(f->s, str_c(name), STO_EDIT_APPEND, 0, 4, NULL, &e), 0);
    assert_int_equal(sto_edit_write(e, "zz", 2), 0);
    sto_edit_free(&e); /* a client that went away */
    assert_content(f, name, STR("1xy45678"));
    assert_int_equal(sto_truncate(f->s, str_c(name), 3, NULL), 0);
    assert_content(f, name, STR("1xy"));
    assert_int_equal(sto_regenerate(f->s, str_c(name), NULL, normal), 0);
    assert_content(f, normal, STR("1xy"));
    struct sto_view v;
    assert_int_equal(sto_open_read(f->s, str_c(name), &v), -ENOENT);
    assert_int_equal(sto_truncate(f->s, str_c(normal), 1, NULL), -EINVAL);
}

static void large_objects_go_over_pack_ends(void **state)
{
    struct fixture *f = *state;
    enum { N = 12 };
    size_t n = DFS_PACK_MAX;
    char *data = malloc(n);
    char names[N][STO_NAME_MAX + 1];
    for (unsigned i = 0; i < N; i++) { /* three times a pack's size */
        memset(data, 'a' + (int)i, n);
        put(f, STR("d"), str_of(data, n), names[i]);
    }
    reopen(f);
    for (unsigned i = 0; i < N; i++) {
        memset(data, 'a' + (int)i, n);
        assert_content(f, names[i], str_of(data, n));
    }
    free(data);
    char *desc = malloc(DFS_DESC_MAX); /* larger than a pack */
    memset(desc, 'd', DFS_DESC_MAX);
    struct sto_put note = {.kind = DFS_PUT_NOTE, .desc = str_of(desc, DFS_DESC_MAX)};
    assert_int_equal(sto_put_batch(f->s, 0, &note, 1), 0);
    assert_int_equal(note.result, 0);
    reopen(f);
    struct seen seen = {0};
    struct sto_scan r = {0};
    assert_int_equal(sto_scan(f->s, 0, 0, STO_SCAN_NO_DESC, 100, note_entry, &seen, &r), 0);
    assert_int_equal(seen.count, N + 1);
    free(desc);
}

static int in_order(const struct sto_entry *e, void *arg)
{
    uint64_t *next = arg, number;
    assert_int_equal(str_u64(e->desc, UINT32_MAX, &number), 0);
    assert_int_equal(number, *next);
    (*next)++;
    return 0;
}

/* Names carry the time, the order of the log does not come from it. */
static void a_clock_that_jumps_changes_no_order_and_makes_no_name_twice(void **state)
{
    struct fixture *f = *state;
    enum { HOUR = 3600, EACH = 20, JUMPS = 6, ALL = EACH * JUMPS };
    static const int64_t jumps[JUMPS] = {0, -HOUR, 0, HOUR, -HOUR, 0};
    static char names[ALL][STO_NAME_MAX + 1];
    clock_begin(0);
    for (unsigned i = 0; i < ALL; i++) {
        clock_ms = (INT64_C(1700000000) + jumps[i / EACH]) * 1000;
        if (i % EACH == EACH / 2)
            reopen(f);
        char desc[16];
        (void)snprintf(desc, sizeof(desc), "%u", i);
        if (i % 3 == 0)
            commit_file(f, str_c(desc), str_c(desc), 0, names[i]);
        else
            put(f, str_c(desc), str_c(desc), names[i]);
    }
    clock_end();
    reopen(f);
    for (unsigned i = 0; i < ALL; i++) {
        char desc[16];
        (void)snprintf(desc, sizeof(desc), "%u", i);
        assert_content(f, names[i], str_c(desc));
        for (unsigned j = 0; j < i; j++)
            assert_string_not_equal(names[i], names[j]);
    }
    uint64_t next = 0;
    struct sto_scan r = {0};
    while (!r.at_end)
        assert_int_equal(sto_scan(f->s, 0, r.next, 0, 50, in_order, &next, &r), 0);
    assert_int_equal(next, ALL);
}

static unsigned path_of(const char *name)
{
    struct dfs_logical at;
    assert_int_equal(dfs_logical_parse(str_c(name), &at), 0);
    return at.path_index;
}

/* Another store than the fixture's, in folders below it; the last path is read-only. */
static struct sto_store *with_three_paths(struct fixture *f)
{
    char dirs[3][256];
    struct sto_path_options paths[3];
    struct sto_store *s;
    for (unsigned i = 0; i < 3; i++) {
        (void)snprintf(dirs[i], sizeof(dirs[i]), "%s/p%u", f->dir, i);
        assert_int_equal(mkdir(dirs[i], 0700), 0);
        paths[i] = (struct sto_path_options){.dir = dirs[i], .read_only = i == 2};
    }
    struct sto_store_options o = {.group = "group1",
                                  .storage_id = "100001",
                                  .paths = paths,
                                  .path_count = 3,
                                  .use_trunk = true,
                                  .segment_size = 1024 * 1024};
    assert_int_equal(sto_store_open(&o, &s, NULL), 0);
    return s;
}

static uint32_t incoming_at(struct sto_store *s, unsigned path, bool closed)
{
    uint32_t n;
    assert_int_equal(sto_store_closed(s, path, &n), closed);
    return n;
}

static void a_drained_path_takes_only_what_belongs_there(void **state)
{
    struct fixture f = *(struct fixture *)*state;
    struct sto_file *early = NULL, *replica = NULL, *none = NULL;
    struct sto_put p = {.kind = DFS_PUT_OBJECT, .ext = "txt", .data = STR("x")};
    struct sto_put note = {.kind = DFS_PUT_NOTE, .desc = STR("gone")};
    unsigned at;
    char name[STO_NAME_MAX + 1];
    f.s = with_three_paths(&f);
    assert_int_equal(incoming_at(f.s, 2, true), 0);
    do { /* begun before it is closed: counted until it ends */
        sto_file_free(&early);
        assert_int_equal(sto_file_open(f.s, -1, 10, 0, &early), 0);
    } while (sto_file_path(early) != 1);
    assert_int_equal(incoming_at(f.s, 1, false), 1);
    sto_store_drain(f.s, 1, true);
    for (int i = 0; i < 6; i++) {
        assert_int_equal(sto_put_batch(f.s, -1, &p, 1), 0);
        assert_int_equal(p.result, 0);
        assert_int_equal(path_of(p.name), 0);
        assert_int_equal(sto_store_choose(f.s, i % 3, 10, &at), 0);
        assert_int_equal(at, 0);
        commit_file(&f, STR("d"), STR("whole"), 0, name);
        assert_int_equal(path_of(name), 0);
    }
    assert_int_equal(incoming_at(f.s, 1, true), 1);
    assert_int_equal(write(sto_file_fd(early), "0123456789", 10), 10);
    struct sto_commit c = {.size = 10, .crc32 = sto_crc32(0, "0123456789", 10), .ext = "bin"};
    assert_int_equal(sto_file_commit(&early, &c, name), 0);
    assert_int_equal(path_of(name), 1);
    /* a replica, a slave: their names say where they lie, on a read-only path too */
    for (int path = 1; path < 3; path++) {
        assert_int_equal(sto_file_open(f.s, path, 10, STO_NATIVE, &replica), 0);
        assert_int_equal(sto_file_path(replica), path);
        sto_file_free(&replica);
    }
    /* when all are closed nothing is taken */
    sto_store_drain(f.s, 0, true);
    assert_int_equal(sto_store_choose(f.s, -1, 10, &at), -EROFS);
    assert_int_equal(sto_file_open(f.s, -1, 10, 0, &none), -EROFS);
    assert_int_equal(sto_put_batch(f.s, -1, &p, 1), 0);
    assert_int_equal(p.result, -EROFS);
    assert_int_equal(sto_put_batch(f.s, -1, &note, 1), 0);
    assert_int_equal(note.result, -EROFS);
    sto_store_drain(f.s, 1, false);
    assert_int_equal(sto_put_batch(f.s, -1, &p, 1), 0);
    assert_int_equal(path_of(p.name), 1);
    assert_int_equal(
        incoming_at(f.s, 0, true) + incoming_at(f.s, 1, false) + incoming_at(f.s, 2, true), 0);
    sto_store_close(&f.s);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        T(a_small_object_reads_back_also_after_a_restart),
        T(scan_tells_what_lives_in_order_and_forgets_the_deleted),
        T(a_file_of_the_wrong_size_gets_no_name),
        T(a_second_process_is_refused),
        T(an_appender_is_edited_cut_and_made_normal),
        T(large_objects_go_over_pack_ends),
        T(a_clock_that_jumps_changes_no_order_and_makes_no_name_twice),
        T(a_drained_path_takes_only_what_belongs_there),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
