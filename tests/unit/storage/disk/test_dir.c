/* SPDX-License-Identifier: Apache-2.0 */
/* Who says that a file is durable has synced the folders above it, whoever made them. */
#include "tests/lib/test.h"

#include <limits.h>
#include <sys/stat.h>

#include "storage/disk/dir.h"

enum { SYNCS_MAX = 64 };

/* --- a disk that tells which folders were synced --- */

static struct sto_io disk;
static ino_t synced[SYNCS_MAX];
static size_t nsynced;
static unsigned fail_nth;         /* 1: the next sync; 0: none */
static void (*before_sync)(void); /* called once, before the next sync */
static struct sto_dir dir;

static int watched_fsync(int fd)
{
    void (*hook)(void) = TAKE(before_sync);
    if (hook)
        hook();
    struct stat st;
    assert_int_equal(fstat(fd, &st), 0);
    if (fail_nth > 0 && --fail_nth == 0) {
        errno = EIO;
        return -1;
    }
    assert_true(nsynced < SYNCS_MAX);
    synced[nsynced++] = st.st_ino;
    return 0;
}

static bool was_synced(const char *path)
{
    struct stat st;
    assert_int_equal(fstatat(dir.root, path, &st, 0), 0);
    for (size_t i = 0; i < nsynced; i++)
        if (synced[i] == st.st_ino)
            return true;
    return false;
}

static void open_dir(const char *path)
{
    disk = sto_io_os;
    disk.fsync = watched_fsync;
    nsynced = fail_nth = 0;
    before_sync = NULL;
    assert_int_equal(sto_dir_open(&disk, path, &dir), 0);
}

/* What is above data/01/02 is not synced. */
static void fail_to_sync(void)
{
    fail_nth = 1;
    assert_int_equal(sto_dir_make(&dir, 1, 2), -EIO);
    nsynced = 0;
}

/* --- tests --- */

static void a_folder_is_made_with_all_above_it(void **state)
{
    (void)state;
    AUTO(test_tmpdir_free) char *path = test_tmpdir();
    open_dir(path);
    assert_true(dir.fresh && was_synced(".") && was_synced("data"));
    nsynced = 0;
    assert_int_equal(sto_dir_make(&dir, 1, 2), 0);
    assert_true(was_synced("data") && was_synced("data/01"));
    nsynced = 0;
    assert_int_equal(sto_dir_sync(&dir, 1, 2), 0);
    assert_int_equal(nsynced, 1); /* nobody makes anything: the rest is durable already */
    assert_true(was_synced("data/01/02"));
    assert_int_equal(sto_dir_sync(&dir, 1, 3), -ENOENT);
    assert_int_equal(sto_dir_make(&dir, 1, 2), 0);
    assert_int_equal(nsynced, 1);
    sto_dir_close(&dir);
}

static void link_meanwhile(void)
{
    assert_int_equal(sto_dir_sync(&dir, 1, 2), 0); /* another thread's file lies there already */
    assert_true(was_synced("data/01/02") && was_synced("data/01") && was_synced("data"));
}

static void who_finds_a_folder_before_its_maker_has_synced_it_does_so(void **state)
{
    (void)state;
    AUTO(test_tmpdir_free) char *path = test_tmpdir();
    open_dir(path);
    nsynced = 0;
    before_sync = link_meanwhile;
    assert_int_equal(sto_dir_make(&dir, 1, 2), 0);
    assert_null(before_sync);
    sto_dir_close(&dir);
}

static void a_folder_whose_sync_failed_is_synced_by_whoever_comes_next(void **state)
{
    (void)state;
    for (unsigned nth = 1; nth <= 2; nth++) {
        AUTO(test_tmpdir_free) char *path = test_tmpdir();
        open_dir(path);
        nsynced = 0;
        fail_nth = nth;
        assert_int_equal(sto_dir_make(&dir, 1, 2), -EIO);
        nsynced = 0;
        fail_nth = nth;                                   /* once more */
        assert_int_equal(sto_dir_make(&dir, 1, 2), -EIO); /* it is there, which is not all */
        nsynced = 0;
        assert_int_equal(sto_dir_sync(&dir, 1, 2), 0);
        assert_true(was_synced("data/01/02") && was_synced("data/01") && was_synced("data"));
        nsynced = 0;
        assert_int_equal(sto_dir_sync(&dir, 1, 2), 0); /* that was all */
        assert_int_equal(nsynced, 1);
        nsynced = 0;
        assert_int_equal(sto_dir_make(&dir, 1, 2), 0);
        assert_int_equal(nsynced, 0);
        sto_dir_close(&dir);
    }
}

static void it_costs_files_elsewhere_nothing(void **state)
{
    (void)state;
    AUTO(test_tmpdir_free) char *path = test_tmpdir();
    open_dir(path);
    assert_int_equal(sto_dir_make(&dir, 2, 2), 0);
    fail_to_sync();
    assert_int_equal(sto_dir_sync(&dir, 2, 2), 0);
    assert_int_equal(nsynced, 1);
    sto_dir_close(&dir);
}

static void while_it_is_synced_again_others_do_so_too(void **state)
{
    (void)state;
    AUTO(test_tmpdir_free) char *path = test_tmpdir();
    open_dir(path);
    fail_to_sync();
    before_sync = link_meanwhile;
    assert_int_equal(sto_dir_make(&dir, 1, 3), 0);
    assert_null(before_sync);
    sto_dir_close(&dir);
}

static void a_start_syncs_what_a_killed_process_had_made(void **state)
{
    (void)state;
    AUTO(test_tmpdir_free) char *path = test_tmpdir();
    static const char *const made[] = {"data", "data/01", "data/01/02", "data/FF"};
    for (size_t i = 0; i < ARRAY_LEN(made); i++) {
        char full[PATH_MAX];
        (void)snprintf(full, sizeof(full), "%s/%s", path, made[i]);
        assert_int_equal(mkdir(full, 0755), 0);
    }
    open_dir(path);
    assert_true(!dir.fresh && was_synced(".") && was_synced("data"));
    assert_true(was_synced("data/01") && was_synced("data/FF"));
    sto_dir_close(&dir);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_folder_is_made_with_all_above_it),
        cmocka_unit_test(who_finds_a_folder_before_its_maker_has_synced_it_does_so),
        cmocka_unit_test(a_folder_whose_sync_failed_is_synced_by_whoever_comes_next),
        cmocka_unit_test(it_costs_files_elsewhere_nothing),
        cmocka_unit_test(while_it_is_synced_again_others_do_so_too),
        cmocka_unit_test(a_start_syncs_what_a_killed_process_had_made),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
