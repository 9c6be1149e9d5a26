/* SPDX-License-Identifier: Apache-2.0 */
/* A disk that fails is left out of choice, and comes back, by trials that no client's request is. */
#include "tests/lib/test.h"

#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#include "dfscore/log/log.h"
#include "storage/disk/io.h"
#include "storage/trunk/store_priv.h"

enum { PATHS = 2 };

static int failing = -1; /* the files of which path, */
static int error;        /* and how */
static unsigned trials;
static char dirs[PATHS][200];

static bool is_on(int fd, int path)
{
    char link[64], name[512];
    (void)snprintf(link, sizeof(link), "/proc/self/fd/%d", fd);
    ssize_t n = readlink(link, name, sizeof(name) - 1);
    name[MAX(n, (ssize_t)0)] = '\0';
    return path >= 0 && strncmp(name, dirs[path], strlen(dirs[path])) == 0;
}

static int sync_file(int fd)
{
    trials++;
    bool fails = is_on(fd, failing);
    errno = error;
    return fails ? -1 : sto_io_os.fsync(fd);
}

static struct sto_io io;

struct fixture {
    char *dir;
    struct sto_store *s;
};

static int setup(void **state)
{
    struct fixture *f = calloc(1, sizeof(*f));
    assert_non_null(f);
    f->dir = test_tmpdir();
    io = sto_io_os;
    io.fsync = sync_file;
    failing = -1;
    struct sto_path_options paths[PATHS];
    for (unsigned i = 0; i < PATHS; i++) {
        (void)snprintf(dirs[i], sizeof(dirs[i]), "%s/p%u", f->dir, i);
        assert_int_equal(mkdir(dirs[i], 0700), 0);
        paths[i] = (struct sto_path_options){.dir = dirs[i]};
    }
    const struct sto_store_options o = {.group = "group1",
                                        .storage_id = "10.0.0.1",
                                        .paths = paths,
                                        .path_count = PATHS,
                                        .reserve_bytes = 1,
                                        .segment_size = 1024 * 1024,
                                        .io = &io};
    assert_int_equal(sto_store_open(&o, &f->s, NULL), 0);
    for (unsigned i = 0; i < PATHS; i++) /* the test does what they would */
        sto_log_maint_stop(&f->s->paths[i].log);
    *state = f;
    return 0;
}

static int teardown(void **state)
{
    struct fixture *f = *state;
    failing = -1;
    sto_store_close(&f->s);
    test_tmpdir_free(&f->dir);
    free(f);
    return 0;
}

static void fail_with(int path, int err)
{
    failing = path;
    error = err;
}

static void maintain(struct fixture *f)
{
    for (unsigned i = 0; i < PATHS; i++)
        (void)sto_log_try_disk(&f->s->paths[i].log);
}

static unsigned chosen(struct fixture *f, int want)
{
    unsigned path = 99;
    assert_int_equal(sto_store_choose(f->s, want, 1, &path), 0);
    return path;
}

static void a_failing_disk_is_left_out_and_comes_back(void **state)
{
    struct fixture *f = *state;
    unsigned path;
    fail_with(1, EIO);
    sto_store_suspect(f->s, 1, -EIO);
    assert_false(sto_store_unfit(f->s, 1)); /* not yet: it has not been tried */
    maintain(f);
    assert_true(sto_store_unfit(f->s, 1));
    assert_false(sto_store_unfit(f->s, 0));
    for (int want = -1; want < PATHS; want++)
        assert_int_equal(chosen(f, want), 0);
    maintain(f); /* goes on, though nobody says anything more */
    assert_true(sto_store_unfit(f->s, 1));
    fail_with(-1, 0);
    maintain(f);
    assert_false(sto_store_unfit(f->s, 1));
    assert_int_equal(chosen(f, 1), 1);
    fail_with(0, EROFS);
    sto_store_suspect(f->s, -1, -EROFS); /* on some path */
    f->s->paths[1].read_only = true;
    maintain(f);
    assert_int_equal(sto_store_choose(f->s, -1, 1, &path), -EIO);
    f->s->paths[0].read_only = true;
    assert_int_equal(sto_store_choose(f->s, -1, 1, &path), -EROFS);
}

static void what_does_not_speak_of_the_disk_costs_no_trial(void **state)
{
    struct fixture *f = *state;
    const int errors[] = {0, -ENOENT, -ENOSPC, -EINVAL, -EAGAIN, -EPERM, -ECONNRESET};
    maintain(f);
    unsigned before = trials;
    for (size_t i = 0; i < ARRAY_LEN(errors); i++)
        sto_store_suspect(f->s, -1, errors[i]);
    maintain(f);
    assert_int_equal(trials, before);
    sto_store_suspect(f->s, 0, -EIO); /* the peer's, as it turns out */
    maintain(f);
    assert_int_equal(trials, before + 1);
    assert_false(sto_store_unfit(f->s, 0));
    sto_store_suspect(f->s, 0, -EIO); /* whoever can make such errors cannot keep the disk busy */
    maintain(f);
    assert_int_equal(trials, before + 1);
}

static void a_full_disk_is_none_that_fails(void **state)
{
    struct fixture *f = *state;
    fail_with(0, ENOSPC);
    sto_store_suspect(f->s, 0, -EIO);
    maintain(f);
    assert_false(sto_store_unfit(f->s, 0));
}

static void a_commit_that_fails_is_a_word_of_the_disk(void **state)
{
    struct fixture *f = *state;
    struct sto_put p = {.kind = DFS_PUT_NOTE, .desc = STR("note")};
    io.fdatasync = sync_file;
    fail_with(0, EIO);
    assert_int_equal(sto_put_batch(f->s, 0, &p, 1), 0);
    assert_int_equal(p.result, -EIO);
    maintain(f);
    assert_true(sto_store_unfit(f->s, 0));
    assert_false(sto_store_unfit(f->s, 1));
}

int main(void)
{
    dfs_log_threshold = LOG_ERROR + 1;
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(a_failing_disk_is_left_out_and_comes_back, setup, teardown),
        cmocka_unit_test_setup_teardown(what_does_not_speak_of_the_disk_costs_no_trial, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(a_full_disk_is_none_that_fails, setup, teardown),
        cmocka_unit_test_setup_teardown(a_commit_that_fails_is_a_word_of_the_disk, setup, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
