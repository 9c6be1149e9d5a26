/* SPDX-License-Identifier: Apache-2.0 */
#include "storage/trunk/kept.h"

#include <stdio.h>
#include <unistd.h>

#include "tests/lib/fake_disk.h"
#include "tests/lib/moved_fixture.h"

enum { PATHS = 3, EMPTIED = 1 };

struct fixture {
    char *dir;
    struct sto_store *s;
    char packed[STO_NAME_MAX + 1], plain[STO_NAME_MAX + 1], slave[STO_NAME_MAX + 1];
    char id[DFS_FILE_ID_MAX + 1];
};

static const struct sto_io *disk; /* NULL: the real one */

static struct sto_store *open_at(const char *dir)
{
    struct sto_store *s = test_sto_open_paths(disk, dir, PATHS);
    if (disk)
        test_sto_alone(s); /* one thread, so that a seed repeats exactly */
    return s;
}

static int setup(void **state)
{
    struct fixture *f = calloc(1, sizeof(*f));
    assert_non_null(f);
    f->dir = test_tmpdir();
    f->s = open_at(f->dir);
    put_packed(f->s, EMPTIED, STR("small"), f->packed);
    put_plain(f->s, EMPTIED, STR("plain content"), NULL, 0, f->plain);
    put_plain(f->s, EMPTIED, STR("a slave"), f->plain, 0, f->slave);
    id_of("group1", 1700000000, f->id);
    sto_store_drain(f->s, EMPTIED, true);
    *state = f;
    return 0;
}

static int teardown(void **state)
{
    struct fixture *f = *state;
    sto_store_close(&f->s);
    test_tmpdir_free(&f->dir);
    free(f);
    return 0;
}

/* The process is killed, and the disk of @path, if it is one, is taken out for a new one. */
static void reopen(struct fixture *f, int path)
{
    char cmd[600];
    test_sto_alone(f->s);
    sto_store_close(&f->s);
    if (path >= 0) {
        (void)snprintf(cmd, sizeof(cmd), "rm -r %s/p%d/data", f->dir, path);
        assert_int_equal(system(cmd), 0);
    }
    f->s = open_at(f->dir);
}

static void a_kept_name_tells_whose_it_is(void **state)
{
    (void)state;
    char kept[STO_NAME_MAX + 1], name[STO_NAME_MAX + 1];
    static const char of[] = "M01/03/0A/fwAABmVTgAAEAAAFAAAAAAAAAAA1234.bin";
    assert_int_equal(sto_kept_name(str_c(of), 12, kept), 0);
    assert_string_equal(kept, "M0C/03/0A/M01@fwAABmVTgAAEAAAFAAAAAAAAAAA1234.bin");
    assert_true(sto_kept_parse(str_c(kept), name));
    assert_string_equal(name, of);
    struct dfs_fileid f;
    assert_int_not_equal(dfs_filename_parse(str_c(kept), &f), 0); /* no file is called so */
    assert_int_equal(sto_kept_name(str_c(of), 1, kept), 0);
    assert_string_equal(kept, of);
    assert_false(sto_kept_parse(str_c(of), name));
    static const char *const bad[] = {
        "M0C/03/0A/M0C@fwAABmVTgAAEAAAFAAAAAAAAAAA1234.bin", /* of its own path */
        "M0C/03/0A/M0g@fwAABmVTgAAEAAAFAAAAAAAAAAA1234.bin",
        "M0C/03/0A/M01@",
        "M0C/03/0A/M01@M02@fwAABmVTgAAEAAAFAAAAAAAAAAA1234.bin",
        "M0C/03/M01@x",
        ""};
    for (size_t i = 0; i < ARRAY_LEN(bad); i++)
        assert_false(sto_kept_parse(str_c(bad[i]), name));
    char longest[STO_NAME_MAX + 1];
    memset(longest, 'x', sizeof(longest));
    memcpy(longest, of, 10);
    assert_int_equal(sto_kept_name(str_of(longest, STO_NAME_MAX - 4), 12, kept), 0);
    assert_int_equal(strlen(kept), STO_NAME_MAX);
    assert_int_equal(sto_kept_name(str_of(longest, STO_NAME_MAX - 3), 12, kept), -ENAMETOOLONG);
    assert_int_equal(sto_kept_name(STR("M0C/03/0A/M01@fwAABmVTgAA"), 3, kept), -EINVAL);
}

static void the_path_can_be_taken_out_when_another_one_keeps_the_names(void **state)
{
    struct fixture *f = *state;
    const char *names[] = {f->packed, f->plain, f->slave};
    for (size_t i = 0; i < ARRAY_LEN(names); i++) {
        struct str name = str_c(names[i]);
        assert_int_equal(sto_kept_elsewhere(f->s, EMPTIED, name), -EINVAL); /* it is a file */
        assert_int_equal(sto_keep_elsewhere(f->s, EMPTIED, name), -EINVAL);
        assert_int_equal(move(f->s, names[i], f->id), 0);
        assert_int_equal(sto_kept_elsewhere(f->s, EMPTIED, name), -ENOENT);
        assert_int_equal(sto_keep_elsewhere(f->s, EMPTIED, name), 0);
        assert_int_equal(sto_kept_elsewhere(f->s, EMPTIED, name), 0);
        assert_int_equal(sto_keep_elsewhere(f->s, EMPTIED, name), 0);
        assert_moved(f->s, names[i], f->id);
    }
    reopen(f, -1);
    for (size_t i = 0; i < ARRAY_LEN(names); i++)
        assert_moved(f->s, names[i], f->id);
    reopen(f, EMPTIED);
    for (size_t i = 0; i < ARRAY_LEN(names); i++) {
        assert_moved(f->s, names[i], f->id);
        assert_int_equal(sto_moved_forget(f->s, str_c(names[i])), 0);
        assert_gone(f->s, names[i]);
    }
    reopen(f, -1);
    for (size_t i = 0; i < ARRAY_LEN(names); i++)
        assert_gone(f->s, names[i]);
    /* the slave's name can be given again, on the new disk */
    put_plain(f->s, EMPTIED, STR("x"), NULL, 0, f->plain);
    put_plain(f->s, EMPTIED, STR("another"), f->plain, 0, f->slave);
    assert_int_equal(sto_file_exists(f->s, str_c(f->slave)), 0);
}

static void a_name_that_is_taken_can_not_be_given_again(void **state)
{
    struct fixture *f = *state;
    assert_int_equal(move(f->s, f->slave, f->id), 0);
    assert_int_equal(sto_keep_elsewhere(f->s, EMPTIED, str_c(f->slave)), 0);
    char link[STO_NAME_MAX + 1], path[DFS_LOCAL_PATH_MAX], full[600];
    struct dfs_logical at;
    assert_int_equal(dfs_logical_parse(str_c(f->slave), &at), 0);
    dfs_logical_path(&at, "", path);
    (void)snprintf(full, sizeof(full), "%s/p%d/%s", f->dir, EMPTIED, path);
    assert_int_equal(unlink(full), 0); /* as on a new disk */
    struct sto_file *file = NULL;
    const struct sto_commit c = {
        .ext = "bin", .master = str_c(f->plain), .prefix = STR("_s"), .desc = STR("")};
    assert_int_equal(sto_file_open(f->s, EMPTIED, 0, STO_NATIVE, &file), 0);
    assert_int_equal(sto_file_commit(&file, &c, link), -EEXIST);
}

/* Where they are kept may be emptied in its turn; and the path they are of used again. */
static void the_path_that_keeps_them_can_be_emptied_too(void **state)
{
    struct fixture *f = *state;
    char kept[STO_NAME_MAX + 1], later[DFS_FILE_ID_MAX + 1];
    unsigned home = 0;
    sto_store_drain(f->s, 2, true); /* so it is M00 */
    assert_int_equal(move(f->s, f->plain, f->id), 0);
    assert_int_equal(sto_keep_elsewhere(f->s, EMPTIED, str_c(f->plain)), 0);
    assert_int_equal(sto_kept_name(str_c(f->plain), home, kept), 0);
    reopen(f, EMPTIED);
    sto_store_drain(f->s, home, true);
    sto_store_drain(f->s, EMPTIED, true);
    assert_int_equal(sto_kept_elsewhere(f->s, home, str_c(kept)), -ENOENT);
    assert_int_equal(sto_keep_elsewhere(f->s, home, str_c(kept)), 0); /* M02 */
    reopen(f, (int)home);
    assert_moved(f->s, f->plain, f->id);
    /* back to its own, as the later one of two that say where it is */
    assert_int_equal(sto_kept_name(str_c(f->plain), 2, kept), 0);
    struct sto_moved_rec m = {.id = STR("")};
    id_of("group1", 1700000009, later);
    m.id = str_c(later);
    assert_int_equal(sto_replica_kept(f->s, str_c(kept), &m), 0);
    id_of("group1", 1700000001, f->id);
    m.id = str_c(f->id);
    assert_int_equal(sto_replica_kept(f->s, str_c(kept), &m), 0);
    assert_moved(f->s, f->plain, later);
    sto_store_drain(f->s, 2, true);
    sto_store_drain(f->s, 0, true);
    assert_int_equal(sto_keep_elsewhere(f->s, 2, str_c(kept)), 0);
    reopen(f, 2);
    assert_moved(f->s, f->plain, later);
    struct sto_moved to;
    assert_int_equal(sto_moved_by_path(f->s, str_c(f->plain), &to), 0);
    for (unsigned i = 0; i < PATHS; i++)
        sto_store_drain(f->s, i, true);
    assert_int_equal(sto_keep_elsewhere(f->s, EMPTIED, str_c(f->plain)), -EROFS);
}

static void its_record_lives_as_long_as_it_is_kept(void **state)
{
    struct fixture *f = *state;
    sto_store_drain(f->s, 2, true);
    assert_int_equal(move(f->s, f->plain, f->id), 0);
    assert_int_equal(sto_keep_elsewhere(f->s, EMPTIED, str_c(f->plain)), 0);
    sweep_path(f->s, 0);
    assert_told(f->s, 0, "V");
    assert_int_equal(sto_moved_forget(f->s, str_c(f->plain)), 0);
    assert_told(f->s, 0, "");
}

/* Another member knew a newer content: the file is here again, whatever is kept; deleted, it is gone. */
static void what_is_here_counts_more(void **state)
{
    struct fixture *f = *state;
    struct sto_moved_rec m = {.id = str_c(f->id)};
    char kept[STO_NAME_MAX + 1];
    int result = -1;
    struct str name = str_c(f->plain);
    assert_int_equal(sto_kept_name(name, 0, kept), 0);
    assert_int_equal(sto_replica_kept(f->s, str_c(kept), &m), 0);
    assert_int_equal(sto_file_exists(f->s, name), 0);
    assert_int_equal(sto_kept_elsewhere(f->s, 0, str_c(kept)), 0); /* no need to */
    assert_int_equal(sto_delete_batch(f->s, &name, 1, &result), 0);
    assert_int_equal(result, 0);
    assert_gone(f->s, f->plain);
    reopen(f, EMPTIED);
    assert_gone(f->s, f->plain);
    assert_int_equal(sto_replica_kept(f->s, STR("M07/00/00/M01@abc"), &m), -EINVAL);
    assert_int_equal(sto_replica_kept(f->s, name, &m), -EINVAL);
}

static int move_link(struct sto_store *s, const char *name, const char *id)
{
    struct sto_move mv;
    int r = sto_move_begin_link(s, str_c(name), &mv);
    if (r == 0)
        r = sto_move_commit(s, &mv, str_c(id));
    sto_move_end(s, &mv);
    return r;
}

/* A link that lies on the path leaves it as a file does; the other way round it tells what it leads to. */
static void links_leave_too(void **state)
{
    struct fixture *f = *state;
    char link[STO_NAME_MAX + 1], by_master[STO_NAME_MAX + 1], target[STO_NAME_MAX + 1];
    char other[STO_NAME_MAX + 1];
    struct sto_put p = {.kind = DFS_PUT_OBJECT, .flags = STO_NATIVE, .desc = STR("")};
    struct sto_link l = {.target = str_c(f->plain), .ext = "bin"};
    assert_int_equal(sto_make_link(f->s, &l, link), 0);
    assert_int_equal(sto_put_batch(f->s, 2, &p, 1), 0);
    memcpy(other, p.name, sizeof(other));
    l.master = str_c(other); /* so it is on M02, where its master is */
    l.prefix = STR("_l");
    assert_int_equal(sto_make_link(f->s, &l, by_master), 0);
    assert_true(str_starts(str_c(by_master), STR("M02/")));
    assert_int_equal(sto_link_target(f->s, str_c(link), target), 0);
    assert_string_equal(target, f->plain);
    assert_int_equal(sto_link_target(f->s, str_c(by_master), target), 0);
    assert_string_equal(target, f->plain);
    assert_int_equal(sto_link_target(f->s, str_c(f->plain), target), -ENOENT);

    assert_int_equal(move(f->s, link, f->id), -ENOENT); /* it is no file */
    assert_int_equal(move_link(f->s, f->plain, f->id), -ENOENT);
    assert_int_equal(move_link(f->s, link, f->id), 0);
    assert_moved(f->s, link, f->id);
    assert_int_equal(move_link(f->s, link, f->id), -ENOENT);
    assert_int_equal(sto_link_target(f->s, str_c(link), target), -ENOENT);
    assert_int_equal(sto_file_exists(f->s, str_c(f->plain)), 0);
    /* at another member, who has the link: only its metadata can be newer */
    char extra[512];
    struct sto_moved_rec m;
    (void)snprintf(extra, sizeof(extra), "%s 0 0 7", f->id);
    assert_int_equal(sto_moved_parse(str_c(extra), &m), 0);
    assert_int_equal(sto_replica_moved(f->s, str_c(by_master), &m, str_c(extra)), -EUCLEAN);
    (void)snprintf(extra, sizeof(extra), "%s 0 0 0", f->id);
    assert_int_equal(sto_moved_parse(str_c(extra), &m), 0);
    assert_int_equal(sto_replica_moved(f->s, str_c(by_master), &m, str_c(extra)), 0);
    assert_moved(f->s, by_master, f->id);
}

/* "Nothing is there" is another thing: the disk would be taken out then. */
static void a_disk_that_cannot_be_read_is_not_called_empty(void **state)
{
    struct fixture *f = *state;
    struct sto_path *p = &f->s->paths[EMPTIED];
    assert_int_equal(move(f->s, f->plain, f->id), 0);
    test_sto_alone(f->s);
    int root = p->dir.root;
    p->dir.root = -1; /* each call about it fails with EBADF */
    assert_int_equal(sto_kept_elsewhere(f->s, EMPTIED, str_c(f->plain)), -EBADF);
    assert_int_equal(sto_keep_elsewhere(f->s, EMPTIED, str_c(f->plain)), -EBADF);
    assert_true(sto_move_wanted(f->s, str_c(f->slave)));
    assert_true(sto_move_wanted(f->s, str_c(f->packed)));
    assert_int_equal(move(f->s, f->slave, f->id), -EBADF);
    assert_int_equal(sto_kept_open(f->s, p), -EBADF); /* what it keeps is not known */
    p->dir.root = root;
    assert_moved(f->s, f->plain, f->id);
}

/* Nor is a file gone when it cannot be seen where it went. */
static void a_word_that_cannot_be_read_is_not_called_missing(void **state)
{
    struct fixture *f = *state;
    struct sto_view v;
    char log[STO_NAME_MAX + 1];
    put_plain(f->s, EMPTIED, STR("a log"), NULL, STO_APPENDER, log);
    sto_store_drain(f->s, 2, true); /* so M00 keeps them */
    const char *names[] = {f->packed, f->plain, log};
    for (size_t i = 0; i < ARRAY_LEN(names); i++) {
        assert_int_equal(move(f->s, names[i], f->id), 0);
        assert_int_equal(sto_keep_elsewhere(f->s, EMPTIED, str_c(names[i])), 0);
    }
    reopen(f, EMPTIED);
    test_sto_alone(f->s);
    struct sto_path *home = &f->s->paths[0];
    int root = home->dir.root;
    home->dir.root = -1; /* each call about it fails with EBADF */
    for (size_t i = 0; i < ARRAY_LEN(names); i++) {
        struct str name = str_c(names[i]);
        int result = 0;
        assert_int_equal(sto_open_read(f->s, name, &v), -EBADF);
        assert_int_equal(sto_file_exists(f->s, name), -EBADF);
        assert_int_equal(sto_client_may_change(f->s, name), -EBADF);
        assert_int_equal(sto_delete_batch(f->s, &name, 1, &result), 0);
        assert_int_equal(result, -EBADF);
        assert_int_equal(sto_moved_forget(f->s, name), -EBADF);
    }
    assert_int_equal(sto_truncate(f->s, str_c(log), 1, NULL), -EBADF);
    home->dir.root = root;
    for (size_t i = 0; i < ARRAY_LEN(names); i++)
        assert_moved(f->s, names[i], f->id);
}

/* What had been answered, when the power failed. */
enum phase { BEFORE, MOVED, KEPT, FORGOTTEN };

struct progress {
    enum phase now, then;
};

static void note_phase(void *arg)
{
    struct progress *p = arg;
    p->then = p->now;
}

/* @own: its own path says it. */
static int look_up(const char *dir, const char *name, char id[DFS_FILE_ID_MAX + 1], bool *own)
{
    struct sto_store *s = open_at(dir);
    struct sto_moved to = {.id = ""};
    struct sto_view v;
    int r = sto_open_read(s, str_c(name), &v);
    if (r == 0)
        close(v.fd);
    if (r == -EREMOTE)
        assert_int_equal(sto_moved_to(s, str_c(name), &to), 0);
    memcpy(id, to.id, sizeof(to.id));
    *own = sto_moved_by_path(s, str_c(name), &to) == 0;
    sto_store_close(&s);
    return r;
}

/* True: it came so far. What was answered holds, and of what was not either all or nothing. */
static bool crash_at(unsigned nth, bool kill, bool packed, uint64_t seed)
{
    struct progress p = {BEFORE, BEFORE};
    char id[DFS_FILE_ID_MAX + 1], cmd[512], *image = test_tmpdir();
    void *state = NULL;
    fake_disk_start(seed);
    disk = &fake_disk_io;
    setup(&state);
    struct fixture *f = state;
    const char *name = packed ? f->packed : f->plain;
    (kill ? fake_disk_kill_at : fake_disk_crash_at)(nth, f->dir, image, note_phase, &p);
    assert_int_equal(move(f->s, name, f->id), 0);
    p.now = MOVED;
    assert_int_equal(sto_keep_elsewhere(f->s, EMPTIED, str_c(name)), 0);
    p.now = KEPT;
    assert_int_equal(sto_moved_forget(f->s, str_c(name)), 0);
    p.now = FORGOTTEN;
    bool crashed = fake_disk_crashed();
    if (crashed) {
        bool own, unused;
        int r = look_up(image, name, id, &own);
        assert_true(r == -EREMOTE || (r == 0 && p.then == BEFORE) ||
                    (r == -ENOENT && p.then == KEPT));
        assert_true(r != -EREMOTE || strcmp(id, f->id) == 0);
        (void)snprintf(cmd, sizeof(cmd), "rm -r %s/p%d/data", image, EMPTIED);
        assert_int_equal(system(cmd), 0);
        int without = look_up(image, name, id, &unused);
        assert_true(without == -EREMOTE || without == -ENOENT);
        assert_true(without == -ENOENT || r == -EREMOTE); /* no word before the file has moved */
        assert_true(without == -EREMOTE || p.then != KEPT || !own); /* and none lost */
    }
    teardown(&state);
    fake_disk_stop();
    disk = NULL;
    test_tmpdir_free(&image);
    return crashed;
}

static void a_crash_leaves_the_file_or_the_word(void **state)
{
    (void)state;
    for (unsigned seed = 0; seed < 4; seed++) {
        unsigned nth = 1;
        while (crash_at(nth, seed < 2, seed % 2, seed * 1000 + nth))
            nth++;
        assert_true(nth > 15); /* calls that change the disk */
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_kept_name_tells_whose_it_is),
        cmocka_unit_test_setup_teardown(the_path_can_be_taken_out_when_another_one_keeps_the_names,
                                        setup, teardown),
        cmocka_unit_test_setup_teardown(a_name_that_is_taken_can_not_be_given_again, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(the_path_that_keeps_them_can_be_emptied_too, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(its_record_lives_as_long_as_it_is_kept, setup, teardown),
        cmocka_unit_test_setup_teardown(what_is_here_counts_more, setup, teardown),
        cmocka_unit_test_setup_teardown(links_leave_too, setup, teardown),
        cmocka_unit_test_setup_teardown(a_disk_that_cannot_be_read_is_not_called_empty, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(a_word_that_cannot_be_read_is_not_called_missing, setup,
                                        teardown),
        cmocka_unit_test_teardown(a_crash_leaves_the_file_or_the_word, fake_disk_tell_seed),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
