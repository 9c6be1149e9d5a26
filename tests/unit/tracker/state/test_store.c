/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/lib/test.h"

#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include "tracker/state/store.h"

struct wait {
    struct trk_waiter w;
    pthread_mutex_t lock;
    pthread_cond_t cond;
    bool done;
    int r;
};

static void called(struct trk_waiter *w, int r)
{
    struct wait *x = (struct wait *)w;
    pthread_mutex_lock(&x->lock);
    x->done = true;
    x->r = r;
    pthread_cond_signal(&x->cond);
    pthread_mutex_unlock(&x->lock);
}

static int wait_for(struct trk_store *s, uint64_t seq)
{
    struct wait x = {.w = {NULL, seq, called}};
    pthread_mutex_init(&x.lock, NULL);
    pthread_cond_init(&x.cond, NULL);
    trk_store_wait(s, &x.w);
    pthread_mutex_lock(&x.lock);
    while (!x.done)
        pthread_cond_wait(&x.cond, &x.lock);
    pthread_mutex_unlock(&x.lock);
    pthread_mutex_destroy(&x.lock);
    pthread_cond_destroy(&x.cond);
    return x.r;
}

struct fixture {
    char *dir;
    const struct trk_io *io; /* NULL: the system's */
    struct trk_cluster c;
    struct trk_self self;
    struct trk_store *s;
};

/* Without a thread: trk_store_step() writes. */
static int open_to_step(struct fixture *f)
{
    AUTO(buf_free) struct buf err = BUF(1024);
    trk_cluster_init(&f->c);
    memset(&f->self, 0, sizeof(f->self));
    return trk_store_open(f->dir, f->io ? f->io : &trk_io_os, &f->c, &f->self, &f->s, &err);
}

static int open_store(struct fixture *f)
{
    int r = open_to_step(f);
    return r < 0 ? r : trk_store_start(f->s);
}

static void close_store(struct fixture *f)
{
    trk_store_close(&f->s);
    trk_cluster_fini(&f->c);
}

static uint64_t add_group(struct fixture *f, const char *name)
{
    struct trk_group *g;
    AUTO(buf_free) struct buf b = BUF(4096);
    assert_int_equal(trk_group_get(&f->c, name, &g), 0);
    trk_rec_group(&b, g);
    return trk_store_add(f->s, buf_str(&b));
}

static int take_snapshot(struct fixture *f)
{
    AUTO(buf_free) struct buf image = BUF(1 << 20);
    uint64_t n = trk_rec_all(&image, &f->c, &f->self);
    return trk_store_snapshot(f->s, &image, n);
}

static void what_was_waited_for_is_there_after_a_kill(void **state)
{
    (void)state;
    struct fixture f = {.dir = test_tmpdir()}, g = {.dir = NULL};
    assert_int_equal(open_store(&f), 0);
    assert_int_equal(wait_for(f.s, add_group(&f, "a")), 0);
    assert_int_equal(wait_for(f.s, add_group(&f, "b")), 0);
    /* A copy of the folder is what a kill at this moment would leave. */
    char *copy = test_tmpdir();
    char command[512];
    snprintf(command, sizeof(command), "%s/data", copy);
    assert_int_equal(mkdir(command, 0700), 0);
    for (int i = 0; i < 2; i++) {
        static const char *const names[] = {"snapshot", "journal.1"};
        char from[300], to[600];
        snprintf(from, sizeof(from), "%s/%s", f.dir, names[i]);
        snprintf(to, sizeof(to), "%s/%s", command, names[i]);
        FILE *in = fopen(from, "rb"), *out = fopen(to, "wb");
        assert_true(in && out);
        for (int ch; (ch = fgetc(in)) != EOF;)
            fputc(ch, out);
        fclose(in);
        fclose(out);
    }
    g.dir = command;
    assert_int_equal(open_store(&g), 0);
    assert_non_null(trk_group_find(&g.c, "a"));
    assert_non_null(trk_group_find(&g.c, "b"));
    close_store(&g);
    close_store(&f);
    test_tmpdir_free(&copy);
    test_tmpdir_free(&f.dir);
}

static void a_snapshot_begins_a_new_journal(void **state)
{
    (void)state;
    struct fixture f = {.dir = test_tmpdir()};
    assert_int_equal(open_store(&f), 0);
    (void)add_group(&f, "a");
    assert_int_equal(take_snapshot(&f), 0);
    assert_int_equal(wait_for(f.s, add_group(&f, "b")), 0);
    close_store(&f);
    char path[300];
    snprintf(path, sizeof(path), "%s/journal.1", f.dir);
    assert_int_equal(access(path, F_OK), -1);
    assert_int_equal(open_store(&f), 0);
    assert_non_null(trk_group_find(&f.c, "a"));
    assert_non_null(trk_group_find(&f.c, "b"));
    close_store(&f);
    test_tmpdir_free(&f.dir);
}

static void one_folder_one_tracker(void **state)
{
    (void)state;
    struct fixture f = {.dir = test_tmpdir()}, g = {.dir = f.dir};
    assert_int_equal(open_store(&f), 0);
    assert_int_equal(open_store(&g), -EBUSY);
    trk_cluster_fini(&g.c);
    close_store(&f);
    test_tmpdir_free(&f.dir);
}

/* A limit on file sizes stands for a full disk: the write fails as it would there. */
static void a_full_disk_is_told_and_healed_by_a_snapshot(void **state)
{
    (void)state;
    struct fixture f = {.dir = test_tmpdir()};
    struct rlimit was, tight;
    assert_int_equal(getrlimit(RLIMIT_FSIZE, &was), 0);
    signal(SIGXFSZ, SIG_IGN);
    assert_int_equal(open_store(&f), 0);
    assert_int_equal(wait_for(f.s, add_group(&f, "a")), 0);
    tight = was;
    tight.rlim_cur = 30;
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &tight), 0);
    assert_true(wait_for(f.s, add_group(&f, "b")) < 0);
    assert_true(trk_store_error(f.s) < 0);
    assert_true(trk_store_wants_snapshot(f.s));
    assert_true(wait_for(f.s, add_group(&f, "c")) < 0); /* and not written behind the torn one */
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &was), 0);
    assert_int_equal(take_snapshot(&f), 0);
    assert_int_equal(wait_for(f.s, add_group(&f, "d")), 0);
    assert_int_equal(trk_store_error(f.s), 0);
    close_store(&f);
    assert_int_equal(open_store(&f), 0);
    static const char *const names[] = {"a", "b", "c", "d"};
    for (int i = 0; i < 4; i++)
        assert_non_null(trk_group_find(&f.c, names[i]));
    close_store(&f);
    test_tmpdir_free(&f.dir);
}

/* The snapshot gets its name, and then nobody can say whether that is durable. */
static bool name_may_be_lost;
static bool renamed;

static int note_rename(int from_dir, const char *from, int to_dir, const char *to)
{
    renamed = true;
    return renameat(from_dir, from, to_dir, to);
}

static int fail_after_rename(int fd)
{
    if (!name_may_be_lost || !renamed)
        return fsync(fd);
    errno = EIO;
    return -1;
}

static void a_snapshot_that_may_be_in_place_is_followed_by_what_comes_next(void **state)
{
    (void)state;
    struct trk_io io = trk_io_os;
    io.renameat = note_rename;
    io.fsync = fail_after_rename;
    struct fixture f = {.dir = test_tmpdir(), .io = &io};
    assert_int_equal(open_to_step(&f), 0);
    (void)add_group(&f, "a");
    assert_true(trk_store_step(f.s));
    renamed = false;
    name_may_be_lost = true;
    assert_int_equal(take_snapshot(&f), 0);
    struct wait b = {.w = {NULL, add_group(&f, "b"), called}};
    pthread_mutex_init(&b.lock, NULL);
    pthread_cond_init(&b.cond, NULL);
    trk_store_wait(f.s, &b.w);
    assert_true(trk_store_step(f.s));
    assert_true(b.done && b.r == 0);
    assert_true(trk_store_error(f.s) < 0 && trk_store_wants_snapshot(f.s));
    name_may_be_lost = false;
    close_store(&f);
    pthread_mutex_destroy(&b.lock);
    pthread_cond_destroy(&b.cond);
    assert_int_equal(open_store(&f), 0);
    assert_non_null(trk_group_find(&f.c, "a"));
    assert_non_null(trk_group_find(&f.c, "b"));
    close_store(&f);
    test_tmpdir_free(&f.dir);
}

static void what_found_no_room_in_the_queue_is_not_said_to_be_there(void **state)
{
    (void)state;
    static const size_t too_much = (size_t)64 * 1024 * 1024; /* none of it is read */
    struct fixture f = {.dir = test_tmpdir()};
    AUTO(buf_free) struct buf err = BUF(1024);
    trk_cluster_init(&f.c);
    assert_int_equal(trk_store_open(f.dir, &trk_io_os, &f.c, &f.self, &f.s, &err), 0);
    for (int with_image = 0; with_image <= 1; with_image++) {
        (void)add_group(&f, "a");
        if (with_image)
            assert_int_equal(take_snapshot(&f), 0);
        struct wait x = {.w = {NULL, trk_store_add(f.s, str_of("", too_much)), called}};
        pthread_mutex_init(&x.lock, NULL);
        pthread_cond_init(&x.cond, NULL);
        trk_store_wait(f.s, &x.w);
        assert_true(trk_store_step(f.s));
        assert_true(x.done && x.r == -E2BIG);
        assert_true(trk_store_error(f.s) < 0 && trk_store_wants_snapshot(f.s));
        (void)add_group(&f, "b"); /* nor is what comes behind it written */
        assert_true(trk_store_step(f.s));
        assert_true(trk_store_error(f.s) < 0);
        pthread_mutex_destroy(&x.lock);
        pthread_cond_destroy(&x.cond);
    }
    assert_int_equal(take_snapshot(&f), 0);
    assert_true(trk_store_step(f.s));
    assert_int_equal(trk_store_error(f.s), 0);
    close_store(&f);
    test_tmpdir_free(&f.dir);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_was_waited_for_is_there_after_a_kill),
        cmocka_unit_test(a_snapshot_begins_a_new_journal),
        cmocka_unit_test(one_folder_one_tracker),
        cmocka_unit_test(a_full_disk_is_told_and_healed_by_a_snapshot),
        cmocka_unit_test(a_snapshot_that_may_be_in_place_is_followed_by_what_comes_next),
        cmocka_unit_test(what_found_no_room_in_the_queue_is_not_said_to_be_there),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
