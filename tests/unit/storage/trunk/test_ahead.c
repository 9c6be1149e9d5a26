/* SPDX-License-Identifier: Apache-2.0 */
/* Deletions that came ahead of their files (sync/test_lost.c plays them with three). */
#include <fcntl.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "storage/trunk/ahead.h"
#include "tests/lib/one_store.h"

enum { SLOTS = 16384, SLOT = 256 };

static char path[300];

static int setup(void **state)
{
    assert_int_equal(one_store_setup(state), 0);
    (void)snprintf(path, sizeof(path), "%s/data/.deleted_ahead", here.dir);
    assert_int_equal(make_file("master", NULL, 0, here.master), 0);
    return make_file("slave", here.master, 0, here.slave);
}

static void take_away(const char *name)
{
    struct str s = str_c(name);
    int result = -1;
    assert_int_equal(sto_delete_batch(here.s, &s, 1, &result), 0);
    assert_int_equal(result, 0);
}

static struct sto_ahead *ahead(void)
{
    return &here.s->paths[0].ahead;
}

static bool is_over(const char *name, int64_t made_ms)
{
    return sto_is_deleted_ahead(here.s, str_c(name), made_ms);
}

/* As of another one's file, the @i-th, which is not here. */
static const char *foreign(unsigned i)
{
    static char name[STO_NAME_MAX + 1];
    (void)snprintf(name, sizeof(name), "M00/%02X/%02X/%06u_%s", i >> 8 & 255, i & 255, i,
                   strrchr(here.master, '/') + 8);
    return name;
}

/* What is gone here says nothing: its deletion is in our own log. */
static void what_was_deleted_here_is_not_kept(void **state)
{
    (void)state;
    take_away(here.slave);
    take_away(here.master);
    assert_int_equal(sto_deleted_ahead(here.s, str_c(here.slave), clock_ms + 1, clock_ms + 1), 0);
    assert_int_equal(sto_deleted_ahead(here.s, str_c(here.master), clock_ms, clock_ms), 0);
    assert_false(is_over(here.master, 0));
    assert_int_equal(sto_ahead_save(ahead()), 0);
    assert_int_equal(access(path, F_OK), -1);
}

static void a_clients_deletion_does_not_wait_for_what_is_kept(void **state)
{
    (void)state;
    pthread_mutex_lock(&ahead()->lock); /* as somebody who writes it to a slow disk has it */
    take_away(here.slave);
    pthread_mutex_unlock(&ahead()->lock);
    assert_int_equal(sto_deleted_ahead(here.s, str_c(here.slave), clock_ms + 1, clock_ms + 1), 0);
    assert_false(is_over(here.slave, clock_ms));
}

static void a_file_that_is_here_is_to_be_deleted(void **state)
{
    (void)state;
    assert_int_equal(sto_deleted_ahead(here.s, str_c(here.master), 1, 1), -EEXIST);
    assert_int_equal(sto_deleted_ahead(here.s, STR("x"), 1, 1), -EINVAL);
}

static void a_name_that_comes_once_is_over_for_good(void **state)
{
    (void)state;
    char name[STO_NAME_MAX + 1];
    assert_int_equal(make_file("another", NULL, 0, name), 0);
    take_away(name);
    start_again(); /* what was deleted before the start is not known any more, and kept once too often */
    assert_int_equal(sto_deleted_ahead(here.s, str_c(name), 5, 5), 0);
    assert_true(is_over(name, 0));
    assert_true(is_over(name, INT64_MAX));
    assert_int_equal(hear_file(name, "another", 0), -EEXIST);
    assert_int_equal(sto_file_exists(here.s, str_c(name)), -ENOENT);
    assert_false(is_over(here.master, 0));
}

static void of_a_slave_what_was_made_before(void **state)
{
    (void)state;
    take_away(here.slave);
    start_again();
    assert_int_equal(sto_deleted_ahead(here.s, str_c(here.slave), 100, 100), 0);
    assert_true(is_over(here.slave, 99));
    assert_false(is_over(here.slave, 100));
    assert_false(is_over(here.slave, 0)); /* nobody knows when */
    assert_int_equal(sto_deleted_ahead(here.s, str_c(here.slave), 50, 50), 0);
    assert_true(is_over(here.slave, 99));
    assert_int_equal(sto_deleted_ahead(here.s, str_c(here.slave), 200, 200), 0);
    assert_true(is_over(here.slave, 199));
    assert_int_equal(hear_file(here.slave, "old", 199), -EEXIST);
    assert_int_equal(hear_file(here.slave, "new", 200), 0);
}

static void it_is_known_after_a_start_once_it_is_saved(void **state)
{
    (void)state;
    assert_int_equal(sto_deleted_ahead(here.s, str_c(foreign(1)), 5, 5), 0);
    start_again();
    assert_false(is_over(foreign(1), 0));
    assert_int_equal(sto_deleted_ahead(here.s, str_c(foreign(1)), 5, 5), 0);
    assert_int_equal(sto_deleted_ahead(here.s, str_c(foreign(2)), 5, 5), 0);
    assert_int_equal(sto_deleted_ahead(here.s, str_c(foreign(2)), 5, 5), 0); /* no more than one */
    assert_int_equal(sto_ahead_save(ahead()), 0);
    start_again();
    assert_true(is_over(foreign(1), 0));
    assert_true(is_over(foreign(2), 0));
    assert_false(is_over(foreign(3), 0));
    assert_int_equal(ahead()->last, 2);
}

static void the_first_are_forgotten_when_there_are_too_many(void **state)
{
    (void)state;
    struct stat st;
    for (unsigned i = 1; i <= SLOTS + 3; i++)
        assert_int_equal(sto_deleted_ahead(here.s, str_c(foreign(i)), 5, 5), 0);
    assert_int_equal(sto_ahead_save(ahead()), 0);
    for (int times = 0; times < 2; times++) {
        assert_false(is_over(foreign(1), 0));
        assert_false(is_over(foreign(3), 0));
        for (unsigned i = 4; i <= SLOTS + 3; i++)
            assert_true(is_over(foreign(i), 0));
        start_again();
    }
    assert_int_equal(stat(path, &st), 0);
    assert_int_equal(st.st_size, SLOTS * SLOT);
    assert_int_equal(sto_deleted_ahead(here.s, str_c(foreign(SLOTS + 4)), 5, 5), 0);
    assert_false(is_over(foreign(4), 0));
}

static void what_is_not_right_is_passed_over(void **state)
{
    (void)state;
    for (unsigned i = 1; i <= 2; i++)
        assert_int_equal(sto_deleted_ahead(here.s, str_c(foreign(i)), 5, 5), 0);
    assert_int_equal(sto_ahead_save(ahead()), 0);
    char whole[3 * SLOT];
    int fd = open(path, O_RDWR);
    assert_int_equal(pread(fd, whole, sizeof(whole), 0), sizeof(whole));
    for (off_t at = SLOT; at < (off_t)2 * SLOT; at++) {
        char wrong = (char)(whole[at] ^ 0x10);
        assert_int_equal(pwrite(fd, &wrong, 1, at), 1);
        start_again();
        assert_false(is_over(foreign(1), 0));
        assert_true(is_over(foreign(2), 0));
        assert_int_equal(pwrite(fd, &whole[at], 1, at), 1);
    }
    assert_int_equal(ftruncate(fd, 2 * SLOT + 1), 0);
    start_again();
    assert_true(is_over(foreign(1), 0));
    assert_false(is_over(foreign(2), 0));
    assert_int_equal(ftruncate(fd, (off_t)SLOTS * SLOT + 1), 0); /* not one of ours */
    close(fd);
    start_again();
    assert_false(is_over(foreign(1), 0));
    assert_int_equal(sto_deleted_ahead(here.s, str_c(foreign(2)), 5, 5), 0);
    assert_int_equal(sto_ahead_save(ahead()), 0);
    start_again();
    assert_true(is_over(foreign(2), 0));
}

/* --- both at once ------------------------------------------------------------------------------------------- */

static struct {
    pthread_barrier_t begin;
    char name[STO_NAME_MAX + 1];
    struct sto_file *file;
    int result;
} coming;

static void *arrive(void *arg)
{
    struct sto_replica_new new = {
        .file = coming.file, .name = str_c(coming.name), .size = 1, .time_s = 1};
    (void)pthread_barrier_wait(&coming.begin);
    coming.result = sto_replica_files(here.s, &(struct sto_replica_new *){&new}, 1);
    return arg;
}

/* As sync/puller.c does. */
static int delete_or_keep(struct str name)
{
    int r;
    do {
        r = sto_replica_delete(here.s, name, 5, false, false);
        if (r == -ENOENT)
            r = sto_deleted_ahead(here.s, name, 5, 5);
    } while (r == -EEXIST);
    return r;
}

static void whichever_comes_first_it_is_not_there_in_the_end(void **state)
{
    (void)state;
    enum { TIMES = 500 };
    assert_int_equal(pthread_barrier_init(&coming.begin, NULL, 2), 0);
    for (unsigned i = 1; i <= TIMES; i++) {
        pthread_t thread;
        memcpy(coming.name, foreign(i), sizeof(coming.name));
        coming.file = file_of("x");
        assert_int_equal(pthread_create(&thread, NULL, arrive, NULL), 0);
        (void)pthread_barrier_wait(&coming.begin);
        int r = delete_or_keep(str_c(coming.name));
        assert_int_equal(pthread_join(thread, NULL), 0);
        assert_int_equal(r, 0);
        assert_int_equal(coming.result, 0);
        assert_int_equal(sto_file_exists(here.s, str_c(coming.name)), -ENOENT);
    }
    pthread_barrier_destroy(&coming.begin);
}

/* --- failing disks ------------------------------------------------------------------------------------- */

static atomic_int fails = -1; /* the next sync of that descriptor; -1: of none */
static atomic_int full = -1;  /* all writes to that one; the same */

static bool is_to_fail(int fd)
{
    errno = EIO;
    return atomic_compare_exchange_strong(&fails, &fd, -1);
}

static int failing_fdatasync(int fd)
{
    return is_to_fail(fd) ? -1 : fdatasync(fd);
}

static int failing_fsync(int fd)
{
    return is_to_fail(fd) ? -1 : fsync(fd);
}

static ssize_t failing_pwritev(int fd, const struct iovec *iov, int count, off_t at)
{
    if (fd != atomic_load(&full))
        return pwritev(fd, iov, count, at);
    errno = ENOSPC;
    return -1;
}

static void open_failing(void)
{
    static struct sto_io io;
    sto_store_close(&here.s);
    io = sto_io_os;
    io.fdatasync = failing_fdatasync;
    io.fsync = failing_fsync;
    io.pwritev = failing_pwritev;
    here.s = test_sto_open_on(&io, here.dir, "100001", false);
}

/* The kernel may have forgotten what it could not write: it is written again. */
static void what_could_not_be_synced_is_written_again(void **state)
{
    (void)state;
    open_failing();
    assert_int_equal(sto_deleted_ahead(here.s, str_c(foreign(2)), 5, 5), 0);
    assert_int_equal(sto_ahead_save(ahead()), 0);
    atomic_store(&fails, ahead()->fd);
    assert_int_equal(sto_deleted_ahead(here.s, str_c(foreign(1)), 5, 5), 0);
    assert_int_equal(sto_ahead_save(ahead()), -EIO);
    assert_int_equal(truncate(path, 0), 0);
    assert_int_equal(sto_ahead_save(ahead()), 0);
    start_again();
    assert_true(is_over(foreign(1), 0));
}

static void a_new_file_of_them_is_not_durable_before_its_folder_is(void **state)
{
    (void)state;
    open_failing();
    assert_int_equal(sto_deleted_ahead(here.s, str_c(foreign(1)), 5, 5), 0);
    for (int times = 0; times < 3; times++) {
        atomic_store(&fails, here.s->paths[0].dir.data);
        assert_int_equal(sto_ahead_save(ahead()), -EIO);
    }
    assert_int_equal(sto_ahead_save(ahead()), 0);
    start_again();
    assert_true(is_over(foreign(1), 0));
}

static void what_finds_no_space_is_kept_when_there_is_some(void **state)
{
    (void)state;
    open_failing();
    assert_int_equal(sto_deleted_ahead(here.s, str_c(foreign(1)), 5, 5), 0);
    assert_int_equal(sto_ahead_save(ahead()), 0);
    for (unsigned i = 2; i <= 3; i++)
        assert_int_equal(sto_deleted_ahead(here.s, str_c(foreign(i)), 5, 5), 0);
    atomic_store(&full, ahead()->fd);
    assert_int_equal(sto_ahead_save(ahead()), -ENOSPC);
    assert_int_equal(sto_ahead_save(ahead()), -ENOSPC);
    atomic_store(&full, -1);
    assert_int_equal(sto_ahead_save(ahead()), 0);
    start_again();
    for (unsigned i = 1; i <= 3; i++)
        assert_true(is_over(foreign(i), 0));
}

int main(void)
{
#define T(test) cmocka_unit_test_setup_teardown(test, setup, one_store_teardown)
    test_in_memory();
    const struct CMUnitTest tests[] = {
        T(what_was_deleted_here_is_not_kept),
        T(a_clients_deletion_does_not_wait_for_what_is_kept),
        T(a_file_that_is_here_is_to_be_deleted),
        T(a_name_that_comes_once_is_over_for_good),
        T(of_a_slave_what_was_made_before),
        T(it_is_known_after_a_start_once_it_is_saved),
        T(the_first_are_forgotten_when_there_are_too_many),
        T(what_is_not_right_is_passed_over),
        T(whichever_comes_first_it_is_not_there_in_the_end),
        T(what_could_not_be_synced_is_written_again),
        T(a_new_file_of_them_is_not_durable_before_its_folder_is),
        T(what_finds_no_space_is_kept_when_there_is_some),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
