/* SPDX-License-Identifier: Apache-2.0 */
/* A disk that fails or is slow is left out of choice, and comes back, by trials that no client's request is. */
#include "tests/lib/test.h"

#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#include "dfscore/base/clock.h"
#include "dfscore/log/log.h"
#include "storage/disk/io.h"
#include "storage/trunk/store_priv.h"

enum { PATHS = 2, SLOW_MS = 1000 };

static int failing = -1; /* the files of which path, */
static int error;        /* and how */
static int refusing;  /* the directories of that path refuse entries, with this; 0: they do not */
static int full = -1; /* there is no space on this path */
static unsigned trials;
static char dirs[PATHS][200];
static uint64_t now_us = 1000000; /* which only goes on */
static unsigned sync_ms;          /* with the syncs of that path */

static uint64_t clock_us(void)
{
    return now_us;
}

static int64_t clock_ms(void)
{
    return 1700000000000 + (int64_t)(now_us / 1000);
}

static const struct dfs_clock_hook hands = {clock_ms, clock_us};

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
    bool meant = is_on(fd, failing);
    now_us += meant ? sync_ms * UINT64_C(1000) : 0;
    errno = error;
    return meant && error ? -1 : sto_io_os.fsync(fd);
}

/* "data/HH/HH/name", not "data/name" */
static int link_in(int from_dir, const char *from, int to_dir, const char *to, int flags)
{
    errno = refusing;
    if (refusing && is_on(to_dir, failing) && strlen(to) > 11 && to[7] == '/' && to[10] == '/')
        return -1;
    return sto_io_os.linkat(from_dir, from, to_dir, to, flags);
}

static int space_of(int fd, struct statvfs *ret)
{
    int r = sto_io_os.fstatvfs(fd, ret);
    if (is_on(fd, full))
        ret->f_bavail = 0;
    return r;
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
    io.fsync = io.fdatasync = sync_file;
    io.linkat = link_in;
    io.fstatvfs = space_of;
    failing = full = -1;
    error = refusing = 0;
    sync_ms = 0;
    dfs_clock_hook = &hands;
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
                                        .slow_ms = SLOW_MS,
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
    dfs_clock_hook = NULL;
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
    const int errors[] = {0,      -ENOENT,     -ENOSPC, -EINVAL,   -EAGAIN,
                          -EPERM, -ECONNRESET, -EACCES, -ETIMEDOUT};
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
    fail_with(0, EIO);
    assert_int_equal(sto_put_batch(f->s, 0, &p, 1), 0);
    assert_int_equal(p.result, -EIO);
    maintain(f);
    assert_true(sto_store_unfit(f->s, 0));
    assert_false(sto_store_unfit(f->s, 1));
}

/* ---- directories ---- */

/* A file of a client's, as far as the store goes. */
static int store_file(struct fixture *f, int path)
{
    struct sto_file *file;
    char name[STO_NAME_MAX + 1];
    const struct sto_commit c = {.size = 1, .crc32 = sto_crc32(0, "x", 1)};
    assert_int_equal(sto_file_open(f->s, path, 1, STO_NATIVE, &file), 0);
    assert_int_equal(sto_file_write(file, "x", 1, 0), 0);
    return sto_file_commit(&file, &c, name);
}

static void a_directory_that_refuses_closes_its_path(void **state)
{
    struct fixture *f = *state;
    const int errors[] = {EACCES, EPERM, EROFS, ENOTDIR, ELOOP, EXDEV, EMLINK, ENOSPC};
    for (size_t i = 0; i < ARRAY_LEN(errors); i++) {
        failing = 1;
        refusing = errors[i];
        assert_int_equal(store_file(f, 1), -errors[i]);
        int dir = sto_dir_refused(&f->s->paths[1].dir);
        assert_true(dir >= 0 && dir < STO_DIRS);
        assert_int_equal(sto_dir_refused(&f->s->paths[0].dir), -1);
        maintain(f);
        assert_true(sto_store_unfit(f->s, 1));
        assert_int_equal(chosen(f, 1), 0);
        maintain(f);
        assert_true(sto_store_unfit(f->s, 1));
        refusing = 0;
        maintain(f);
        assert_false(sto_store_unfit(f->s, 1));
        assert_int_equal(sto_dir_refused(&f->s->paths[1].dir), -1);
        assert_int_equal(store_file(f, 1), 0);
        char trial[64];
        (void)snprintf(trial, sizeof(trial), "data/%02X/%02X/.trial", (unsigned)dir >> 8,
                       (unsigned)dir & 0xff);
        assert_int_equal(faccessat(f->s->paths[1].dir.root, trial, F_OK, 0), -1);
    }
}

static void what_a_killed_trial_left_goes_with_the_next(void **state)
{
    struct fixture *f = *state;
    struct sto_dir *d = &f->s->paths[0].dir;
    const char *left = "data/0A/1B/.trial";
    assert_int_equal(sto_dir_make(d, 0x0a, 0x1b), 0);
    assert_int_equal(sto_io_os.linkat(d->data, ".lock", d->root, left, 0), 0);
    (void)sto_dir_said(d, 0x0a, 0x1b, -EACCES);
    maintain(f);
    assert_false(sto_store_unfit(f->s, 0));
    assert_int_equal(faccessat(d->root, left, F_OK, 0), -1);
}

static void a_directory_is_believed_only_when_a_trial_says_so(void **state)
{
    struct fixture *f = *state;
    struct sto_dir *d = &f->s->paths[0].dir;
    const int others[] = {0, -ENOENT, -EEXIST, -ENAMETOOLONG, -EIO, -ENOMEM, -EINVAL};
    for (size_t i = 0; i < ARRAY_LEN(others); i++) {
        assert_int_equal(sto_dir_said(d, 1, 2, others[i]), others[i]);
        assert_int_equal(sto_dir_refused(d), -1);
    }
    assert_int_equal(sto_dir_said(d, 1, 2, -EACCES), -EACCES); /* there is nothing wrong with it */
    assert_int_equal(sto_dir_said(d, 1, 3, -EACCES), -EACCES);
    assert_int_equal(sto_dir_refused(d), 0x0102); /* one at a time */
    maintain(f);
    assert_false(sto_store_unfit(f->s, 0));
    assert_int_equal(sto_dir_refused(d), -1);
}

static void a_directory_without_space_on_a_full_disk_is_none_that_refuses(void **state)
{
    struct fixture *f = *state;
    failing = full = 1;
    refusing = ENOSPC;
    (void)sto_dir_said(&f->s->paths[1].dir, 1, 2, -ENOSPC);
    maintain(f);
    assert_false(sto_store_unfit(f->s, 1));
    full = -1; /* but there is */
    maintain(f);
    assert_true(sto_store_unfit(f->s, 1));
}

static int open_nothing(int dir, const char *path, int flags, mode_t mode)
{
    if (strcmp(path, "data") != 0 || !is_on(dir, failing))
        return sto_io_os.openat(dir, path, flags, mode);
    errno = EACCES;
    return -1;
}

static void the_top_directory_is_one_too(void **state)
{
    struct fixture *f = *state;
    struct sto_file *file;
    io.openat = open_nothing;
    failing = 1;
    assert_int_equal(sto_file_open(f->s, 1, 1, 0, &file), -EACCES);
    assert_int_equal(sto_dir_refused(&f->s->paths[1].dir), STO_DIRS);
    maintain(f);
    assert_true(sto_store_unfit(f->s, 1));
    failing = -1;
    maintain(f);
    assert_false(sto_store_unfit(f->s, 1));
    assert_int_equal(sto_dir_refused(&f->s->paths[1].dir), -1);
}

/* ---- slow ones ---- */

static int log_a_note(struct fixture *f, int path)
{
    struct sto_put p = {.kind = DFS_PUT_NOTE, .desc = STR("note")};
    assert_int_equal(sto_put_batch(f->s, path, &p, 1), 0);
    return p.result;
}

static void be_slow(struct fixture *f, int path)
{
    failing = path;
    sync_ms = 3 * SLOW_MS;
    assert_int_equal(log_a_note(f, path), 0);
    maintain(f);
    assert_false(sto_store_slow(f->s, (unsigned)path));
    maintain(f);
    assert_true(sto_store_slow(f->s, (unsigned)path));
}

static void a_slow_disk_is_the_last_choice_and_comes_back(void **state)
{
    struct fixture *f = *state;
    be_slow(f, 1);
    assert_false(sto_store_unfit(f->s, 1) || sto_store_slow(f->s, 0));
    for (int want = -1; want < PATHS; want++)
        assert_int_equal(chosen(f, want), 0);
    full = 0;
    for (int want = 0; want < PATHS; want++) {
        unsigned path;
        int r = sto_store_choose(f->s, want, 1, &path);
        assert_int_equal(want == 0 ? -ENOSPC : 1, want == 0 ? r : (int)path);
    }
    assert_int_equal(chosen(f, -1), 1);
    full = -1;
    f->s->paths[0].read_only = true;
    for (int want = -1; want < PATHS; want++)
        assert_int_equal(chosen(f, want), 1);
    f->s->paths[0].read_only = false;
    static const struct {
        unsigned ms;
        bool slow; /* after a trial that took so long */
    } rows[] = {{600, true}, {400, true}, {400, true},  {600, true}, {0, true},
                {499, true}, {0, false},  {900, false}, {0, false}};
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        sync_ms = rows[i].ms;
        maintain(f);
        assert_int_equal(sto_store_slow(f->s, 1), rows[i].slow);
    }
    assert_int_equal(chosen(f, 1), 1);
}

static void where_copies_lag_is_the_last_choice_but_one(void **state)
{
    struct fixture *f = *state;
    sto_store_copies_lag(f->s, 1);
    for (int want = -1; want < PATHS; want++)
        assert_int_equal(chosen(f, want), 0);
    atomic_store(&f->s->paths[0].log.slow, true);
    for (int want = -1; want < PATHS; want++)
        assert_int_equal(chosen(f, want), 1);
    atomic_store(&f->s->paths[0].log.slow, false);
    now_us += 10 * 1000 * UINT64_C(1000); /* it is over by itself */
    assert_int_equal(chosen(f, 1), 1);
}

static void when_all_are_slow_nobody_is_refused(void **state)
{
    struct fixture *f = *state;
    be_slow(f, 1);
    sync_ms = 0;
    atomic_store(&f->s->paths[0].log.slow, true);
    assert_int_equal(chosen(f, 0), 0);
    assert_int_equal(chosen(f, 1), 1);
    unsigned met = 0;
    for (int i = 0; i < 4; i++)
        met |= 1u << chosen(f, -1);
    assert_int_equal(met, 3);
}

static void a_moment_is_not_slow(void **state)
{
    struct fixture *f = *state;
    failing = 1;
    for (int i = 0; i < 5; i++) {
        sync_ms = SLOW_MS;
        assert_int_equal(log_a_note(f, 1), 0);
        maintain(f); /* one trial is slow, the next one is not */
        sync_ms = 0;
        maintain(f);
        assert_false(sto_store_slow(f->s, 1));
        now_us += 2000 * 1000;
    }
    sync_ms = SLOW_MS - 1;
    unsigned before = trials;
    assert_int_equal(log_a_note(f, 1), 0);
    assert_int_equal(trials, before + 1); /* the note's own */
    maintain(f);
    assert_int_equal(trials, before + 1);
}

static void no_limit_no_slow_disk(void **state)
{
    struct fixture *f = *state;
    f->s->paths[1].log.o.slow_ms = 0;
    failing = 1;
    sync_ms = 3 * SLOW_MS;
    assert_int_equal(log_a_note(f, 1), 0);
    for (int i = 0; i < 4; i++) {
        sto_store_suspect(f->s, 1, -EIO);
        now_us += 2000 * 1000;
        maintain(f);
    }
    assert_false(sto_store_slow(f->s, 1));
}

static void a_trial_that_came_too_late_has_failed(void **state)
{
    struct fixture *f = *state;
    failing = 1;
    sync_ms = 12 * 1000;
    sto_store_try(f->s);
    for (int i = 0; i < 3; i++) {
        maintain(f);
        assert_true(sto_store_unfit(f->s, 1));
    }
    sync_ms = 0;
    maintain(f);
    assert_false(sto_store_unfit(f->s, 1));
}

#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
    dfs_log_threshold = LOG_ERROR + 1;
    const struct CMUnitTest tests[] = {
        T(a_failing_disk_is_left_out_and_comes_back),
        T(what_does_not_speak_of_the_disk_costs_no_trial),
        T(a_full_disk_is_none_that_fails),
        T(a_commit_that_fails_is_a_word_of_the_disk),
        T(a_directory_that_refuses_closes_its_path),
        T(what_a_killed_trial_left_goes_with_the_next),
        T(a_directory_is_believed_only_when_a_trial_says_so),
        T(a_directory_without_space_on_a_full_disk_is_none_that_refuses),
        T(the_top_directory_is_one_too),
        T(a_slow_disk_is_the_last_choice_and_comes_back),
        T(where_copies_lag_is_the_last_choice_but_one),
        T(when_all_are_slow_nobody_is_refused),
        T(a_moment_is_not_slow),
        T(no_limit_no_slow_disk),
        T(a_trial_that_came_too_late_has_failed),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
