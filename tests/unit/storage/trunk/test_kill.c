/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A real process with several writers, killed at any moment, again and again on the same store: what it
 * acknowledged over a pipe is there afterwards, what it saw deleted stays gone. Content says whose it is.
 */
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

#include "dfscore/log/log.h"
#include "storage/disk/io.h"
#include "storage/trunk/store.h"
#include "tests/lib/test.h"

enum { ROUNDS = 25, WRITERS = 4, SIZE = 3000, ACKS_MAX = 20000 };

/* What goes over the pipe, in one atomic write each. */
struct ack {
    bool deleted; /* else stored */
    char name[STO_NAME_MAX + 1];
    char desc[32];
};

static struct ack *acks;
static size_t ack_count;
static char *dir;
static int round_number, pipe_fd;
static struct sto_store *child_store;

static struct sto_store *open_store(void)
{
    struct sto_path_options path = {.dir = dir};
    struct sto_store_options o = {.group = "group1",
                                  .storage_id = "100001",
                                  .paths = &path,
                                  .path_count = 1,
                                  .subdirs = 2,
                                  .segment_size = 1024 * 1024};
    struct sto_store *s = NULL;
    return sto_store_open(&o, &s, NULL) == 0 ? s : NULL;
}

static void fill(const char *desc, char *out)
{
    size_t n = strlen(desc);
    for (size_t i = 0; i < SIZE; i++)
        out[i] = desc[i % n];
}

static void tell(const struct ack *a)
{
    if (write(pipe_fd, a, sizeof(*a)) != (ssize_t)sizeof(*a))
        _exit(3);
}

static void store_one(struct ack *a, unsigned i)
{
    char data[SIZE];
    fill(a->desc, data);
    if (i % 4 == 0) {
        struct sto_file *f = NULL;
        struct sto_commit c = {
            .size = SIZE, .crc32 = sto_crc32(0, data, SIZE), .desc = str_c(a->desc)};
        if (sto_file_open(child_store, 0, SIZE, 0, &f) < 0 ||
            write(sto_file_fd(f), data, SIZE) != SIZE || sto_file_commit(&f, &c, a->name) < 0)
            _exit(4);
    } else {
        struct sto_put p = {
            .kind = DFS_PUT_OBJECT, .desc = str_c(a->desc), .data = str_of(data, SIZE)};
        if (sto_put_batch(child_store, 0, &p, 1) < 0 || p.result < 0)
            _exit(5);
        memcpy(a->name, p.name, sizeof(p.name));
    }
    tell(a);
}

static void *writer(void *arg)
{
    unsigned number = (unsigned)(uintptr_t)arg;
    for (unsigned i = 0;; i++) {
        struct ack a = {.deleted = false};
        (void)snprintf(a.desc, sizeof(a.desc), "%d-%u-%u", round_number, number, i);
        store_one(&a, i);
        if (i % 3 != 0)
            continue;
        struct str name = str_c(a.name);
        int result;
        a.deleted = true;
        if (sto_delete_batch(child_store, &name, 1, &result) < 0 || result < 0)
            _exit(6);
        tell(&a);
    }
    return NULL;
}

static _Noreturn void child(void)
{
    child_store = open_store();
    if (!child_store)
        _exit(2);
    pthread_t threads[WRITERS];
    for (uintptr_t i = 0; i < WRITERS; i++)
        if (pthread_create(&threads[i], NULL, writer, (void *)i) != 0)
            _exit(7);
    pthread_join(threads[0], NULL);
    _exit(8);
}

/* Run a child until it has said @how_many things, and kill it; what is left in the pipe counts too. */
static void run_and_kill(size_t how_many)
{
    int p[2];
    assert_int_equal(pipe(p), 0);
    pid_t pid = fork();
    assert_true(pid >= 0);
    if (pid == 0) {
        close(p[0]);
        pipe_fd = p[1];
        child();
    }
    close(p[1]);
    size_t until = MIN(ack_count + how_many, (size_t)ACKS_MAX - 1000);
    while (ack_count < ACKS_MAX &&
           read(p[0], &acks[ack_count], sizeof(*acks)) == (ssize_t)sizeof(*acks))
        if (++ack_count == until)
            kill(pid, SIGKILL);
    close(p[0]);
    int status;
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_true(WIFSIGNALED(status));
}

static int whole_content(const struct sto_entry *e, void *arg)
{
    struct sto_store *s = arg;
    char desc[32] = "", want[SIZE], got[SIZE];
    assert_true(e->desc.n < sizeof(desc));
    memcpy(desc, e->desc.p, e->desc.n);
    fill(desc, want);
    struct sto_view v;
    assert_int_equal(sto_open_read(s, e->name, &v), 0);
    assert_int_equal(v.size, SIZE);
    assert_int_equal(pread(v.fd, got, SIZE, (off_t)v.offset), SIZE);
    assert_memory_equal(got, want, SIZE);
    close(v.fd);
    return 0;
}

static void check(struct sto_store *s)
{
    struct sto_scan r = {0};
    while (!r.at_end)
        assert_int_equal(sto_scan(s, 0, r.next, 0, 1000, whole_content, s, &r), 0);
    for (size_t i = 0; i < ack_count; i++)
        if (acks[i].deleted)
            assert_int_equal(sto_verify(s, str_c(acks[i].name)), -ENOENT);
    /* A delete may have been done and not told; then nothing is claimed about that name. */
    for (size_t i = 0; i < ack_count; i++) {
        const char *last = strrchr(acks[i].desc, '-');
        uint64_t number;
        assert_int_equal(str_u64(str_c(last + 1), UINT32_MAX, &number), 0);
        if (!acks[i].deleted && number % 3 != 0)
            assert_int_equal(sto_verify(s, str_c(acks[i].name)), 0);
    }
}

static void a_killed_process_loses_nothing_it_acknowledged(void **state)
{
    (void)state;
    dir = test_tmpdir();
    acks = calloc(ACKS_MAX, sizeof(*acks));
    assert_non_null(acks);
    for (round_number = 0; round_number < ROUNDS; round_number++) {
        run_and_kill(1 + (size_t)(round_number * 37) % 200);
        struct sto_store *s = open_store();
        assert_non_null(s);
        check(s);
        sto_store_close(&s);
    }
    assert_true(ack_count > ROUNDS);
    free(acks);
    test_tmpdir_free(&dir);
}

int main(void)
{
    dfs_log_threshold = LOG_ERROR + 1;
    test_in_memory();
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_killed_process_loses_nothing_it_acknowledged),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
