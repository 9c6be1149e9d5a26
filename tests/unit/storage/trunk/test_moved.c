/* SPDX-License-Identifier: Apache-2.0 */
#include "storage/trunk/moved.h"

#include <fcntl.h>
#include <stdio.h>
#include <unistd.h>

#include "storage/trunk/replica.h"
#include "tests/lib/moved_fixture.h"

#define NEW_ID "group2/M00/01/02/fwAABmVTgAAEAAAFAAAAAAAAAAA1234.bin"

struct fixture {
    char *dir;
    struct sto_store *s;
    char packed[STO_NAME_MAX + 1], plain[STO_NAME_MAX + 1], appender[STO_NAME_MAX + 1];
};

static int set_text(struct str old, void *arg, struct buf *out)
{
    (void)old;
    buf_adds(out, str_c(arg));
    return 0;
}

static void set_meta(struct sto_store *s, const char *name, const char *text)
{
    assert_int_equal(sto_meta_change(s, str_c(name), set_text, (void *)(uintptr_t)text, NULL), 0);
}

/* An appender that has just changed is left for later. */
static void wait_settled(struct fixture *f)
{
    struct sto_move mv;
    int r;
    do {
        r = sto_move_begin(f->s, str_c(f->appender), &mv);
        sto_move_end(f->s, &mv);
    } while (r == -EAGAIN);
    assert_int_equal(r, 0);
}

static int setup(void **state)
{
    struct fixture *f = calloc(1, sizeof(*f));
    assert_non_null(f);
    f->dir = test_tmpdir();
    f->s = test_sto_open(f->dir, "100001", true);
    put_packed(f->s, 0, STR("small"), f->packed);
    put_plain(f->s, 0, STR("plain content"), NULL, 0, f->plain);
    put_plain(f->s, 0, STR("appended"), NULL, STO_APPENDER, f->appender);
    set_meta(f->s, f->packed,
             "a\x02"
             "1");
    wait_settled(f);
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

/* Else each try of the mover would leave a copy that nobody names. */
static void a_disk_that_takes_no_writes_has_nothing_copied(void **state)
{
    struct fixture *f = *state;
    const char *names[] = {f->packed, f->plain, f->appender};
    atomic_store(&f->s->paths[0].log.unfit, true);
    for (size_t i = 0; i < ARRAY_LEN(names); i++)
        assert_int_equal(move(f->s, names[i], NEW_ID), -EROFS);
    assert_int_equal(move(f->s, "M00/00/00/fwAABmVTgAAEAAAFAAAAAAAAAAA1234.bin", NEW_ID), -ENOENT);
    atomic_store(&f->s->paths[0].log.unfit, false);
    for (size_t i = 0; i < ARRAY_LEN(names); i++)
        assert_int_equal(move(f->s, names[i], NEW_ID), 0);
}

static bool disk_full, syncs_fail;

static int full_fallocate(int fd, int mode, off_t offset, off_t len)
{
    errno = ENOSPC;
    return disk_full ? -1 : sto_io_os.fallocate(fd, mode, offset, len);
}

static int bad_fdatasync(int fd)
{
    errno = EIO;
    return syncs_fail ? -1 : sto_io_os.fdatasync(fd);
}

static int begin_and_commit(struct sto_store *s, const char *name, bool *unsure)
{
    struct sto_move mv;
    int r = sto_move_begin(s, str_c(name), &mv);
    if (r == 0)
        r = sto_move_commit(s, &mv, STR(NEW_ID));
    *unsure = mv.unsure;
    sto_move_end(s, &mv);
    return r;
}

/* Moving makes room, as deleting does. What the log had no room for has not happened; what could not be synced may have. */
static void a_full_disk_can_be_left_as_far_as_its_log_has_room(void **state)
{
    enum { MOST = 8000, LEAST = 200 };
    struct fixture *f = *state;
    static struct sto_io io;
    static char names[MOST][STO_NAME_MAX + 1];
    char data[400] = "";
    bool unsure;
    sto_store_close(&f->s);
    io = sto_io_os;
    io.fallocate = full_fallocate;
    io.fdatasync = bad_fdatasync;
    disk_full = syncs_fail = false;
    f->s = test_sto_open_on(&io, f->dir, "100001", true);
    test_sto_alone(f->s);
    put_packed(f->s, 0, STR("the first of a pack"), f->packed);
    disk_full = true;
    int count = 0;
    for (;; count++) {
        struct sto_put p = {.kind = DFS_PUT_OBJECT,
                            .flags = STO_NATIVE,
                            .desc = STR(""),
                            .data = str_of(data, sizeof(data))};
        assert_int_equal(sto_put_batch(f->s, 0, &p, 1), 0);
        if (p.result == -ENOSPC)
            break;
        assert_int_equal(p.result, 0);
        assert_true(count < MOST);
        memcpy(names[count], p.name, sizeof(p.name));
    }
    int i = 0, r = 0;
    for (; i < count && r == 0; i++)
        r = begin_and_commit(f->s, names[i], &unsure);
    assert_int_equal(r, -ENOSPC);
    assert_false(unsure);
    assert_true(i > LEAST);
    assert_int_equal(sto_file_exists(f->s, str_c(names[i - 1])), 0);
    disk_full = false;
    syncs_fail = true;
    assert_int_equal(begin_and_commit(f->s, names[i], &unsure), -EIO);
    assert_true(unsure);
    syncs_fail = false;
    assert_int_equal(begin_and_commit(f->s, names[i - 1], &unsure), 0);
    assert_false(unsure);
    assert_moved(f->s, names[i - 1], NEW_ID);
}

/* The process is killed. */
static void reopen(struct fixture *f)
{
    test_sto_alone(f->s);
    sto_store_close(&f->s);
    f->s = test_sto_open(f->dir, "100001", true);
}

static void files_of_all_kinds_leave_their_names(void **state)
{
    struct fixture *f = *state;
    const char *names[] = {f->packed, f->plain, f->appender};
    for (size_t i = 0; i < ARRAY_LEN(names); i++) {
        assert_int_equal(move(f->s, names[i], NEW_ID), 0);
        assert_moved(f->s, names[i], NEW_ID);
        assert_int_equal(move(f->s, names[i], NEW_ID), -ENOENT); /* it is not here any more */
    }
    reopen(f);
    for (size_t i = 0; i < ARRAY_LEN(names); i++)
        assert_moved(f->s, names[i], NEW_ID);
    struct sto_edit *e;
    assert_int_equal(sto_edit_begin(f->s, str_c(f->appender), STO_EDIT_APPEND, 0, 1, NULL, &e),
                     -EREMOTE);
    assert_int_equal(sto_truncate(f->s, str_c(f->appender), 1, NULL), -EREMOTE);
    for (size_t i = 0; i < ARRAY_LEN(names); i++) {
        assert_int_equal(sto_moved_forget(f->s, str_c(names[i])), 0);
        assert_gone(f->s, names[i]);
        assert_int_equal(sto_moved_forget(f->s, str_c(names[i])), -ENOENT);
    }
    reopen(f);
    for (size_t i = 0; i < ARRAY_LEN(names); i++)
        assert_gone(f->s, names[i]);
}

static void the_log_tells_of_moved_files_as_long_as_their_names_are_there(void **state)
{
    struct fixture *f = *state;
    assert_told(f->s, 0, "CCC");
    assert_int_equal(move(f->s, f->packed, NEW_ID), 0);
    assert_int_equal(move(f->s, f->plain, NEW_ID), 0);
    sweep_path(f->s, 0);
    assert_told(f->s, 0, "CVV"); /* the appender, and where the others are */
    assert_int_equal(sto_moved_forget(f->s, str_c(f->packed)), 0);
    assert_told(f->s, 0, "CV");
}

static void a_file_that_changes_on_the_way_stays(void **state)
{
    struct fixture *f = *state;
    struct sto_move mv;
    struct sto_edit *e;
    assert_int_equal(sto_move_begin(f->s, str_c(f->appender), &mv), 0);
    assert_int_equal(sto_edit_begin(f->s, str_c(f->appender), STO_EDIT_APPEND, 0, 2, NULL, &e), 0);
    assert_int_equal(sto_edit_write(e, "!!", 2), 0);
    assert_int_equal(sto_edit_commit(&e), 0);
    assert_int_equal(sto_move_commit(f->s, &mv, STR(NEW_ID)), -EAGAIN);
    sto_move_end(f->s, &mv);

    const char *described[] = {f->packed, f->plain};
    for (size_t i = 0; i < ARRAY_LEN(described); i++) {
        assert_int_equal(sto_move_begin(f->s, str_c(described[i]), &mv), 0);
        set_meta(f->s, described[i], "new");
        assert_int_equal(sto_move_commit(f->s, &mv, STR(NEW_ID)), -EAGAIN);
        sto_move_end(f->s, &mv);
    }

    const char *all[] = {f->packed, f->plain, f->appender};
    wait_settled(f);
    for (size_t i = 0; i < ARRAY_LEN(all); i++) {
        struct str name = str_c(all[i]);
        int result = -1;
        assert_int_equal(sto_move_begin(f->s, name, &mv), 0);
        assert_int_equal(sto_delete_batch(f->s, &name, 1, &result), 0);
        assert_int_equal(result, 0);
        assert_int_equal(sto_move_commit(f->s, &mv, STR(NEW_ID)), -ENOENT);
        sto_move_end(f->s, &mv);
        assert_gone(f->s, all[i]);
    }
}

static void another_members_copy_goes_only_when_it_is_the_same(void **state)
{
    struct fixture *f = *state;
    char extra[256];
    struct sto_moved_rec m;
    struct str plain = str_c(f->plain), app = str_c(f->appender), packed = str_c(f->packed);
    (void)snprintf(extra, sizeof(extra), NEW_ID " 13 %u 0", sto_crc32(0, "plain content", 13));
    assert_int_equal(sto_moved_parse(str_c(extra), &m), 0);
    assert_int_equal(sto_replica_moved(f->s, plain, &m, str_c(extra)), 0);
    assert_moved(f->s, f->plain, NEW_ID);
    assert_int_equal(sto_replica_moved(f->s, plain, &m, str_c(extra)), 0);
    /* who never had it gets the name; two movers, or twice moved: all members end with the later one */
    const char *never = "M00/03/04/fwAABmVTgAAEAAAFAAAAAAAAAAA1234.bin";
    static const int64_t times[] = {1700000000, 1700000099, 1700000001};
    char id[DFS_FILE_ID_MAX + 1], last[DFS_FILE_ID_MAX + 1];
    id_of("group2", times[1], last);
    for (size_t i = 0; i < ARRAY_LEN(times); i++) {
        id_of("group2", times[i], id);
        (void)snprintf(extra, sizeof(extra), "%s 13 1 0", id);
        assert_int_equal(sto_moved_parse(str_c(extra), &m), 0);
        assert_int_equal(sto_replica_moved(f->s, str_c(never), &m, str_c(extra)), 0);
        assert_moved(f->s, never, i == 0 ? id : last);
    }

    (void)snprintf(extra, sizeof(extra), NEW_ID " 7 5 0");
    assert_int_equal(sto_moved_parse(str_c(extra), &m), 0);
    assert_int_equal(sto_replica_moved(f->s, app, &m, str_c(extra)), -ESTALE);
    (void)snprintf(extra, sizeof(extra), NEW_ID " 5 %u 0", sto_crc32(0, "small", 5));
    assert_int_equal(sto_moved_parse(str_c(extra), &m), 0);
    assert_int_equal(sto_replica_moved(f->s, packed, &m, str_c(extra)), -EUCLEAN);
    m.meta_crc = sto_crc32(0,
                           "a\x02"
                           "1",
                           3);
    assert_int_equal(sto_replica_moved(f->s, packed, &m, str_c(extra)), 0);
    assert_moved(f->s, f->packed, NEW_ID);
}

/* The link that says where it is, beside what the slot still has. */
static void place_link(struct fixture *f, const char *name)
{
    struct dfs_logical at;
    char path[DFS_LOCAL_PATH_MAX], full[512];
    assert_int_equal(dfs_logical_parse(str_c(name), &at), 0);
    dfs_logical_path(&at, "", path);
    (void)snprintf(full, sizeof(full), "%s/%s", f->dir, path);
    assert_int_equal(symlink("@" NEW_ID, full), 0);
}

static void what_a_kill_left_half_done_is_done_when_it_is_said_again(void **state)
{
    struct fixture *f = *state;
    char extra[256];
    struct sto_moved_rec m;
    (void)snprintf(extra, sizeof(extra), NEW_ID " 5 %u 0", sto_crc32(0, "small", 5));
    assert_int_equal(sto_moved_parse(str_c(extra), &m), 0);
    place_link(f, f->packed);
    assert_true(sto_move_wanted(f->s, str_c(f->packed)));
    assert_int_equal(sto_replica_moved(f->s, str_c(f->packed), &m, str_c(extra)), 0);
    assert_false(sto_move_wanted(f->s, str_c(f->packed)));
    assert_moved(f->s, f->packed, NEW_ID);
}

/* From a member that has not heard yet, by another log than the word that it has moved. */
static void an_old_copy_that_comes_late_is_no_file(void **state)
{
    struct fixture *f = *state;
    struct sto_file *file = NULL;
    struct str late = STR("plain content");
    assert_int_equal(sto_moved_settle(f->s, str_c(f->packed)), -ENOENT); /* it has not moved */
    place_link(f, f->packed);
    assert_int_equal(sto_moved_settle(f->s, str_c(f->packed)), 0);
    assert_moved(f->s, f->packed, NEW_ID);
    assert_int_equal(move(f->s, f->plain, NEW_ID), 0);
    assert_int_equal(sto_moved_settle(f->s, str_c(f->plain)), -ENOENT);

    assert_int_equal(sto_file_open(f->s, 0, late.n, STO_NATIVE, &file), 0);
    assert_int_equal(sto_file_write(file, late.p, late.n, 0), 0);
    assert_int_equal(sto_replica_file(f->s, &file, str_c(f->plain), late.n, 1700000000), -EREMOTE);
    assert_moved(f->s, f->plain, NEW_ID);
    /* of several that came together the others are named */
    char other[STO_NAME_MAX + 1];
    memcpy(other, f->plain, sizeof(other));
    memcpy(strrchr(other, '.'), ".txt", 4);
    struct sto_replica_new new[] = {{.name = str_c(f->plain), .size = late.n},
                                    {.name = str_c(other), .size = late.n}};
    struct sto_replica_new *const both[] = {&new[0], &new[1]};
    for (size_t i = 0; i < ARRAY_LEN(new); i++) {
        assert_int_equal(sto_file_open(f->s, 0, late.n, STO_NATIVE, &new[i].file), 0);
        assert_int_equal(sto_file_write(new[i].file, late.p, late.n, 0), 0);
    }
    assert_int_equal(sto_replica_files(f->s, both, ARRAY_LEN(both)), 0);
    assert_int_equal(new[0].result, -EREMOTE);
    assert_int_equal(new[1].result, 0);
    assert_moved(f->s, f->plain, NEW_ID);
    assert_true(sto_move_wanted(f->s, str_c(other)));
}

static void who_reads_a_packed_file_learns_that_it_went_meanwhile(void **state)
{
    struct fixture *f = *state;
    struct sto_view v;
    assert_int_equal(sto_open_read(f->s, str_c(f->packed), &v), 0);
    assert_true(sto_view_holds(&v, str_c(f->packed)));
    assert_int_equal(move(f->s, f->packed, NEW_ID), 0);
    assert_false(sto_view_holds(&v, str_c(f->packed)));
    close(v.fd);
}

static void a_file_that_comes_back_stays_after_a_crash(void **state)
{
    struct fixture *f = *state;
    struct str name = str_c(f->appender);
    struct sto_file *file = NULL;
    struct sto_info info;
    assert_int_equal(move(f->s, f->appender, NEW_ID), 0);
    assert_int_equal(sto_file_open(f->s, 0, 5, STO_NATIVE, &file), 0);
    assert_int_equal(sto_file_write(file, "newer", 5, 0), 0);
    assert_int_equal(sto_replica_file(f->s, &file, name, 5, 1700000000), 0);
    assert_int_equal(sto_moved_not(f->s, name), 0);
    reopen(f);
    assert_int_equal(sto_info(f->s, name, true, &info), 0);
    assert_int_equal(info.size, 5);
    assert_told(f->s, 0, "CCCC"); /* said twice, and not that it has moved */
}

static void links_and_slaves_of_a_moved_file_go_on(void **state)
{
    struct fixture *f = *state;
    const struct sto_link l = {.target = str_c(f->plain), .ext = "bin"};
    char link[STO_NAME_MAX + 1], again[STO_NAME_MAX + 1];
    struct sto_view v;
    struct sto_moved to;
    AUTO(buf_free) struct buf meta = BUF(100);
    assert_int_equal(sto_make_link(f->s, &l, link), 0);
    set_meta(f->s, link, "mine");
    struct sto_move mv;
    assert_int_equal(sto_move_begin(f->s, str_c(link), &mv), -ENOENT); /* links stay */
    sto_move_end(f->s, &mv);
    assert_int_equal(move(f->s, f->plain, NEW_ID), 0);
    assert_int_equal(sto_open_read(f->s, str_c(link), &v), -EREMOTE);
    assert_int_equal(sto_moved_to(f->s, str_c(link), &to), 0);
    assert_true(to.by_link);
    assert_string_equal(to.id, NEW_ID);
    assert_int_equal(sto_meta_get(f->s, str_c(link), &meta), 0);
    assert_true(str_eq(buf_str(&meta), STR("mine")));
    assert_int_equal(sto_make_link(f->s, &l, again), -EREMOTE);
    int result = -1;
    struct str n = str_c(link);
    assert_int_equal(sto_delete_batch(f->s, &n, 1, &result), 0);
    assert_int_equal(result, 0);
    assert_moved(f->s, f->plain, NEW_ID);

    struct sto_file *file = NULL;
    const struct sto_commit c = {
        .size = 0, .ext = "png", .desc = STR(""), .master = str_c(f->plain), .prefix = STR("_s")};
    assert_int_equal(sto_file_open(f->s, 0, 0, STO_NATIVE, &file), 0);
    assert_int_equal(sto_file_commit(&file, &c, again), 0);
    assert_int_equal(move(f->s, again, NEW_ID), 0);
    assert_int_equal(sto_file_open(f->s, 0, 0, STO_NATIVE, &file), 0);
    assert_int_equal(sto_file_commit(&file, &c, again), -EEXIST);
}

static void what_is_no_such_record_is_refused(void **state)
{
    (void)state;
    static const char *const bad[] = {
        "",
        "x",
        NEW_ID,
        NEW_ID " 1 2",
        NEW_ID " 1 2 x",
        NEW_ID " -1 2 3",
        NEW_ID " 1 4294967296 3",
        "M00/01/02/x 1 2 3",
        "group2 1 2 3",
        "group2/../x 1 2 3",
        " 1 2 3",
    };
    struct sto_moved_rec m;
    for (size_t i = 0; i < ARRAY_LEN(bad); i++)
        assert_int_equal(sto_moved_parse(str_c(bad[i]), &m), -EBADMSG);
    assert_int_equal(sto_moved_parse(STR(NEW_ID " 1 2 3"), &m), 0);
    assert_true(str_eq(m.id, STR(NEW_ID)) && m.size == 1 && m.crc32 == 2 && m.meta_crc == 3);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(a_disk_that_takes_no_writes_has_nothing_copied, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(a_full_disk_can_be_left_as_far_as_its_log_has_room, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(files_of_all_kinds_leave_their_names, setup, teardown),
        cmocka_unit_test_setup_teardown(
            the_log_tells_of_moved_files_as_long_as_their_names_are_there, setup, teardown),
        cmocka_unit_test_setup_teardown(a_file_that_changes_on_the_way_stays, setup, teardown),
        cmocka_unit_test_setup_teardown(another_members_copy_goes_only_when_it_is_the_same, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(what_a_kill_left_half_done_is_done_when_it_is_said_again,
                                        setup, teardown),
        cmocka_unit_test_setup_teardown(an_old_copy_that_comes_late_is_no_file, setup, teardown),
        cmocka_unit_test_setup_teardown(who_reads_a_packed_file_learns_that_it_went_meanwhile,
                                        setup, teardown),
        cmocka_unit_test_setup_teardown(a_file_that_comes_back_stays_after_a_crash, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(links_and_slaves_of_a_moved_file_go_on, setup, teardown),
        cmocka_unit_test(what_is_no_such_record_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
