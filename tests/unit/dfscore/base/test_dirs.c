/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/lib/test.h"

#include <fcntl.h>
#include <limits.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "dfscore/base/dirs.h"

/* In place of the C library's: tells which folder was synced last, and how many were. */
static unsigned syncs;
static ino_t synced;

int fsync(int fd)
{
    struct stat st;
    assert_int_equal(fstat(fd, &st), 0);
    synced = st.st_ino;
    syncs++;
    return (int)syscall(SYS_fsync, fd);
}

static ino_t inode(const char *path)
{
    struct stat st;
    assert_int_equal(stat(path, &st), 0);
    return st.st_ino;
}

static void missing_folders_are_made_with_their_mode(void **state)
{
    (void)state;
    AUTO(test_tmpdir_free) char *dir = test_tmpdir();
    char path[PATH_MAX];
    struct stat st;
    (void)snprintf(path, sizeof(path), "%s/a/b//c", dir);
    assert_int_equal(dfs_make_dirs(path, 0700), 0);
    assert_int_equal(stat(path, &st), 0);
    assert_true(S_ISDIR(st.st_mode));
    assert_int_equal(st.st_mode & 0777, 0700);
    assert_int_equal(syncs, 3); /* the folder of each of the three */
    (void)snprintf(path, sizeof(path), "%s/a/b", dir);
    assert_int_equal(synced, inode(path));
    assert_int_equal(dfs_make_dirs(path, 0700), 0);
    assert_int_equal(syncs, 3);
}

static void the_folder_of_a_path_is_what_is_before_its_last_name(void **state)
{
    (void)state;
    AUTO(test_tmpdir_free) char *dir = test_tmpdir();
    char path[PATH_MAX];
    static const char *const names[] = {"x", "x/", "x//"};
    for (size_t i = 0; i < ARRAY_LEN(names); i++) {
        (void)snprintf(path, sizeof(path), "%s/%s", dir, names[i]);
        synced = 0;
        assert_int_equal(dfs_sync_folder_of(path), 0);
        assert_int_equal(synced, inode(dir));
    }
    assert_int_equal(dfs_sync_folder_of("x"), 0);
    assert_int_equal(synced, inode("."));
    assert_int_equal(dfs_sync_folder_of("/x"), 0);
    assert_int_equal(synced, inode("/"));
    assert_int_equal(dfs_sync_folder_of("/no/such/x"), -ENOENT);
}

static void a_file_in_the_way_is_no_folder(void **state)
{
    (void)state;
    AUTO(test_tmpdir_free) char *dir = test_tmpdir();
    char path[PATH_MAX];
    (void)snprintf(path, sizeof(path), "%s/f", dir);
    FILE *f = fopen(path, "w");
    assert_non_null(f);
    fclose(f);
    assert_int_equal(dfs_make_dirs(path, 0755), -ENOTDIR);
    (void)snprintf(path, sizeof(path), "%s/f/g", dir);
    assert_int_equal(dfs_make_dirs(path, 0755), -ENOTDIR);
}

static void paths_of_no_or_too_many_bytes_are_refused(void **state)
{
    (void)state;
    char path[PATH_MAX + 1];
    memset(path, '/', PATH_MAX);
    path[PATH_MAX] = '\0';
    assert_int_equal(dfs_make_dirs(path, 0755), -ENAMETOOLONG);
    assert_int_equal(dfs_make_dirs("", 0755), -ENAMETOOLONG);
}

static void the_folder_of_a_path_can_be_synced(void **state)
{
    (void)state;
    AUTO(test_tmpdir_free) char *dir = test_tmpdir();
    char path[PATH_MAX + 1];
    (void)snprintf(path, sizeof(path), "%s/file", dir);
    assert_int_equal(dfs_sync_folder_of(path), 0); /* whether it is there or not */
    (void)snprintf(path, sizeof(path), "%s/none/file", dir);
    assert_int_equal(dfs_sync_folder_of(path), -ENOENT);
    memset(path, 'x', PATH_MAX);
    path[PATH_MAX] = '\0';
    assert_int_equal(dfs_sync_folder_of(path), -ENAMETOOLONG);
}

static void a_folder_is_read_to_its_end(void **state)
{
    (void)state;
    AUTO(test_tmpdir_free) char *dir = test_tmpdir();
    char path[PATH_MAX];
    DIR *d = NULL;
    struct dirent *e;
    unsigned seen = 0;
    for (unsigned i = 0; i < 3; i++) {
        (void)snprintf(path, sizeof(path), "%s/of/%u", dir, i);
        assert_int_equal(dfs_make_dirs(path, 0700), 0);
    }
    AUTO(dfs_close_fd) int at = open(dir, O_RDONLY | O_DIRECTORY);
    assert_int_equal(dfs_dir_open(at, "none", &d), -ENOENT);
    assert_null(d);
    assert_int_equal(dfs_dir_open(at, "of", &d), 0);
    while (dfs_dir_next(d, &e) == 1)
        seen += e->d_name[0] != '.';
    assert_int_equal(dfs_dir_next(d, &e), 0);
    closedir(d);
    assert_int_equal(seen, 3);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(missing_folders_are_made_with_their_mode),
        cmocka_unit_test(the_folder_of_a_path_is_what_is_before_its_last_name),
        cmocka_unit_test(a_file_in_the_way_is_no_folder),
        cmocka_unit_test(paths_of_no_or_too_many_bytes_are_refused),
        cmocka_unit_test(the_folder_of_a_path_can_be_synced),
        cmocka_unit_test(a_folder_is_read_to_its_end),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
