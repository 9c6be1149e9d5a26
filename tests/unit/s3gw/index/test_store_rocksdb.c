/* SPDX-License-Identifier: Apache-2.0 */
#include <fcntl.h>
#include <rocksdb/c.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include "tests/lib/still_clock.h"
#include "tests/unit/s3gw/index/contract.h"

static char *folder; /* of this test; made by setup, removed by teardown */

static int setup(void **state)
{
    (void)state;
    folder = test_tmpdir();
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    test_tmpdir_free(&folder);
    return 0;
}

static struct s3_index_options options(void)
{
    return (struct s3_index_options){.path = str_c(folder), .cache_bytes = 8 << 20};
}

static struct s3_index *open_engine(void)
{
    struct s3_index_options o = options();
    struct s3_index *x = NULL;
    assert_int_equal(s3_index_open_rocksdb(&o, &x), 0);
    return x;
}

static void rows_and_numbers_outlive_a_restart(void **state)
{
    (void)state;
    struct s3_index *x = open_engine();
    uint64_t before[2], after[2];
    assert_int_equal(s3_index_update(x, take_numbers_fn, before), 0);
    assert_int_equal(put1(x, "a", "1"), 0);
    s3_index_close(&x);
    x = open_engine();
    assert_value(x, STR("a"), STR("1"));
    assert_int_equal(s3_index_update(x, take_numbers_fn, after), 0);
    assert_true(after[0] > before[1]);
    AUTO(s3_iter_free) struct s3_iter *it = NULL;
    assert_int_equal(s3_iter_new(x, STR_NULL, STR_NULL, &it), 0);
    assert_range(it, (const char *const[]){"a", "n", NULL}); /* none of the engine's own rows */
    s3_iter_free(&it);
    s3_index_close(&x);
}

static void a_second_opener_is_refused(void **state)
{
    (void)state;
    AUTO(s3_index_close) struct s3_index *x = open_engine();
    assert_non_null(x);
    struct s3_index_options o = options();
    struct s3_index *y = NULL;
    assert_int_equal(s3_index_open_rocksdb(&o, &y), -EBUSY);
    assert_null(y);
}

/* --- another process: this program again, with the folder and a pipe as arguments --- */

struct writer {
    struct s3_index *x;
    int told; /* pipe */
    uint32_t id;
};

static void *write_and_tell(void *arg)
{
    struct writer *w = arg;
    for (uint32_t n = 0;; n++) {
        char key[32], pair[32];
        int kn = snprintf(key, sizeof(key), "w%u-%08u", w->id, n),
            pn = snprintf(pair, sizeof(pair), "x%u", w->id);
        struct change c[] = {{str_of(key, (size_t)kn), STR("v")},
                             {str_of(pair, (size_t)pn), str_of(key, (size_t)kn)}};
        uint32_t message[2] = {w->id, n};
        if (apply(w->x, c, 2) != 0 || write(w->told, message, sizeof(message)) != sizeof(message))
            _exit(1);
    }
    return NULL;
}

enum { WRITERS = 4 };

static int write_until_killed(const char *path, int told)
{
    folder = dfs_strdup(path);
    struct s3_index *x = open_engine();
    static struct writer w[WRITERS];
    pthread_t t;
    for (uint32_t i = 0; i < WRITERS; i++) {
        w[i] = (struct writer){x, told, i};
        pthread_create(&t, NULL, write_and_tell, &w[i]);
    }
    return pause();
}

static pid_t start_writers(int *told)
{
    int fd[2];
    char number[16];
    assert_int_equal(pipe(fd), 0);
    snprintf(number, sizeof(number), "%d", fd[1]);
    pid_t pid = fork();
    if (pid == 0) {
        close(fd[0]);
        execl("/proc/self/exe", "writers", folder, number, (char *)NULL);
        _exit(127);
    }
    close(fd[1]);
    *told = fd[0];
    return pid;
}

static void an_index_open_elsewhere_is_refused(void **state)
{
    (void)state;
    int told;
    pid_t pid = start_writers(&told);
    uint32_t message[2];
    assert_int_equal(read(told, message, sizeof(message)), sizeof(message));
    struct s3_index_options o = options();
    struct s3_index *x = NULL;
    assert_int_equal(s3_index_open_rocksdb(&o, &x), -EBUSY);
    assert_null(x);
    kill(pid, SIGKILL);
    close(told);
    waitpid(pid, NULL, 0);
}

static void a_newer_format_is_refused(void **state)
{
    (void)state;
    struct s3_index *x = open_engine();
    s3_index_close(&x);
    rocksdb_options_t *o = rocksdb_options_create();
    char *err = NULL;
    rocksdb_t *db = rocksdb_open(o, folder, &err);
    assert_null(err);
    rocksdb_writeoptions_t *w = rocksdb_writeoptions_create();
    rocksdb_put(db, w, "\0f", 2, "\0\0\0\2", 4, &err);
    assert_null(err);
    rocksdb_writeoptions_destroy(w);
    rocksdb_close(db);
    rocksdb_options_destroy(o);
    struct s3_index_options mine = options();
    assert_int_equal(s3_index_open_rocksdb(&mine, &x), -EBADMSG);
    assert_null(x);
}

static void a_missing_parent_folder_is_an_error(void **state)
{
    (void)state;
    struct s3_index_options o = options();
    o.path = STR("/nonexistent/index");
    struct s3_index *x = NULL;
    assert_int_equal(s3_index_open_rocksdb(&o, &x), -ENOENT);
}

static void below_the_reserve_only_what_frees_passes(void **state)
{
    (void)state;
    struct s3_index_options o = options();
    o.reserve_bytes = UINT64_MAX - 1;
    AUTO(s3_index_close) struct s3_index *x = NULL;
    assert_int_equal(s3_index_open_rocksdb(&o, &x), 0);
    assert_int_equal(s3_index_health(x), -ENOSPC);
    const struct change c = {STR("a"), STR("1")};
    struct changes a = {&c, 1, 0, false};
    assert_int_equal(s3_index_update(x, apply_fn, &a), -ENOSPC);
    assert_value(x, STR("a"), STR_NULL);
    a.frees = true;
    assert_int_equal(s3_index_update(x, apply_fn, &a), 0);
    assert_value(x, STR("a"), STR("1"));
    a = (struct changes){NULL, 0, 0, false}; /* nothing written */
    assert_int_equal(s3_index_update(x, apply_fn, &a), 0);
}

/* The disk refuses a log write: told as an error, readers go on, and when the disk is well so are
 * we. */
static void a_failed_write_is_told_and_heals(void **state)
{
    (void)state;
    AUTO(s3_index_close) struct s3_index *x = open_engine();
    assert_int_equal(put1(x, "a", "1"), 0);
    struct rlimit before, small;
    signal(SIGXFSZ, SIG_IGN);
    assert_int_equal(getrlimit(RLIMIT_FSIZE, &before), 0);
    small = before;
    small.rlim_cur = 4096;
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &small), 0);
    char big[8192];
    memset(big, 'x', sizeof(big));
    const struct change c = {STR("b"), str_of(big, sizeof(big))};
    assert_int_equal(apply(x, &c, 1), -EIO);
    assert_int_equal(s3_index_health(x), -EIO);
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &before), 0);
    clock_pass(1000); /* the committer may have tried once in vain, and tries again then */
    assert_int_equal(put1(x, "c", "3"), 0);
    assert_int_equal(s3_index_health(x), 0);
    assert_value(x, STR("a"), STR("1"));
    assert_value(x, STR("c"), STR("3"));
}

/* --- kill -9 --- */

/* What was acknowledged before the kill is there, and no update is there by half. */
static void acknowledged_updates_survive_a_kill(void **state)
{
    (void)state;
    for (int round = 0; round < 4; round++) {
        test_tmpdir_free(&folder);
        folder = test_tmpdir();
        int told;
        pid_t pid = start_writers(&told);
        uint32_t message[2], last[WRITERS];
        memset(last, 0xFF, sizeof(last));
        for (int n = 0;
             n < 50 + 300 * round && read(told, message, sizeof(message)) == sizeof(message); n++)
            last[message[0]] = message[1];
        kill(pid, SIGKILL);
        while (read(told, message, sizeof(message)) == sizeof(message))
            last[message[0]] = message[1];
        close(told);
        waitpid(pid, NULL, 0);
        struct s3_index *x = open_engine();
        for (uint32_t i = 0; i < WRITERS; i++) {
            for (uint32_t n = 0; last[i] != UINT32_MAX && n <= last[i]; n++) {
                char key[32];
                int kn = snprintf(key, sizeof(key), "w%u-%08u", i, n);
                assert_value(x, str_of(key, (size_t)kn), STR("v"));
            }
            char pair[32];
            int pn = snprintf(pair, sizeof(pair), "x%u", i);
            AUTO(buf_free) struct buf v = BUF(64);
            if (s3_index_get(x, str_of(pair, (size_t)pn), S3_READ_ANY, &v) == 0)
                assert_value(x, buf_str(&v), STR("v"));
        }
        s3_index_close(&x);
    }
}

int main(int argc, char **argv)
{
    if (argc == 3)
        return write_until_killed(argv[1], (int)strtol(argv[2], NULL, 10));
    clock_begin(INT64_C(1790000000000));
    const struct CMUnitTest tests[] = {
        CONTRACT_TESTS,
        cmocka_unit_test(rows_and_numbers_outlive_a_restart),
        cmocka_unit_test(a_second_opener_is_refused),
        cmocka_unit_test(an_index_open_elsewhere_is_refused),
        cmocka_unit_test(a_newer_format_is_refused),
        cmocka_unit_test(a_missing_parent_folder_is_an_error),
        cmocka_unit_test(below_the_reserve_only_what_frees_passes),
        cmocka_unit_test(a_failed_write_is_told_and_heals),
        cmocka_unit_test(acknowledged_updates_survive_a_kill),
    };
    struct CMUnitTest in_folders[ARRAY_LEN(tests)];
    for (size_t i = 0; i < ARRAY_LEN(tests); i++) {
        in_folders[i] = tests[i];
        in_folders[i].setup_func = setup;
        in_folders[i].teardown_func = teardown;
    }
    return cmocka_run_group_tests(in_folders, NULL, NULL);
}
