/* SPDX-License-Identifier: Apache-2.0 */
/* The gateway's face to a storage, with a real engine behind a socket in a temporary folder. */
#include "s3gw/dfs/dfs.h"

#include <fcntl.h>
#include <openssl/evp.h>
#include <pthread.h>
#include <sys/uio.h>
#include <unistd.h>

#include "dfscore/wire/internal.h"
#include "s3gw/core/tenure.h"
#include "tests/lib/store_fixture.h"

/* A result that another thread brings. */
struct outcome {
    pthread_mutex_t lock;
    pthread_cond_t cond;
    unsigned done, room;
    int result;
    char file_id[160];
};
#define OUTCOME                                                                                    \
    {                                                                                              \
        .lock = PTHREAD_MUTEX_INITIALIZER, .cond = PTHREAD_COND_INITIALIZER                        \
    }

static void note_done(struct outcome *o, int result, const char *file_id)
{
    pthread_mutex_lock(&o->lock);
    o->done++;
    o->result = result;
    snprintf(o->file_id, sizeof(o->file_id), "%s", file_id);
    pthread_cond_broadcast(&o->cond);
    pthread_mutex_unlock(&o->lock);
}

static void await(struct outcome *o, unsigned n)
{
    pthread_mutex_lock(&o->lock);
    while (o->done < n)
        pthread_cond_wait(&o->cond, &o->lock);
    pthread_mutex_unlock(&o->lock);
}

static void put_done(struct s3_dfs_put *p, int result)
{
    note_done(p->arg, result, p->file_id);
}

static int put_small(struct store_fixture *f, struct str data, struct str description, char id[160])
{
    struct outcome o = OUTCOME;
    struct s3_dfs_put p = {.groups = STR("group1"),
                           .description = description,
                           .data = data,
                           .ext = "txt",
                           .done = put_done,
                           .arg = &o};
    s3_dfs_submit(f->dfs, &p);
    await(&o, 1);
    memcpy(id, o.file_id, 160);
    return o.result;
}

static void a_small_object_comes_back(void **state)
{
    (void)state;
    struct store_fixture f;
    char id[160], out[5];
    fixture_start(&f);
    assert_int_equal(put_small(&f, STR("hello"), STR("about it"), id), 0);
    assert_true(str_starts(str_c(id), STR("group1/M00/")));
    assert_int_equal(s3_dfs_read(f.dfs, str_c(id), 0, out, 5, true), 0);
    assert_memory_equal(out, "hello", 5);
    assert_int_equal(s3_dfs_read(f.dfs, str_c(id), 1, out, 3, false),
                     0); /* its pack is known by now */
    assert_memory_equal(out, "ell", 3);
    assert_int_equal(s3_dfs_read(f.dfs, str_c(id), 3, out, 3, true), -ERANGE);
    fixture_stop(&f);
}

static void many_puts_of_one_moment_all_get_their_own_file(void **state)
{
    (void)state;
    enum { N = 3000 };
    static struct s3_dfs_put puts[N];
    static char data[N][16];
    struct store_fixture f;
    struct outcome o = OUTCOME;
    fixture_start(&f);
    for (unsigned i = 0; i < N; i++) {
        snprintf(data[i], sizeof(data[i]), "object %u", i);
        puts[i] = (struct s3_dfs_put){.groups = STR("group1"),
                                      .description = STR("d"),
                                      .data = str_c(data[i]),
                                      .done = put_done,
                                      .arg = &o};
        s3_dfs_submit(f.dfs, &puts[i]);
    }
    await(&o, N);
    for (unsigned i = 0; i < N; i++) {
        char out[16];
        assert_int_equal(s3_dfs_read(f.dfs, str_c(puts[i].file_id), 0, out, strlen(data[i]), true),
                         0);
        assert_memory_equal(out, data[i], strlen(data[i]));
    }
    fixture_stop(&f);
}

static void a_deleted_file_is_never_read_as_something_else(void **state)
{
    (void)state;
    struct store_fixture f;
    char id[160], out[5];
    fixture_start(&f);
    assert_int_equal(put_small(&f, STR("hello"), STR_NULL, id), 0);
    assert_int_equal(s3_dfs_read(f.dfs, str_c(id), 0, out, 5, true), 0);
    struct str ids[] = {str_c(id), str_c(id)};
    bool gone[2];
    assert_int_equal(s3_dfs_delete(f.dfs, ids, 2, gone), 0); /* gone already is success */
    assert_true(gone[0] && gone[1]);
    /* Its space is given back later: until then the old bytes may still come, never others. */
    int r = s3_dfs_read(f.dfs, str_c(id), 0, out, 5, true);
    assert_true(r == -ENOENT || (r == 0 && memcmp(out, "hello", 5) == 0));
    fixture_stop(&f);
}

static void an_unknown_group_stores_nothing(void **state)
{
    (void)state;
    struct store_fixture f;
    struct outcome o = OUTCOME;
    fixture_start(&f);
    struct s3_dfs_put p = {.groups = STR("group9"), .data = STR("x"), .done = put_done, .arg = &o};
    s3_dfs_submit(f.dfs, &p);
    assert_int_equal(o.result, -EHOSTUNREACH);
    assert_int_equal(s3_dfs_note(f.dfs, STR("group9"), STR("n")), -EHOSTUNREACH);
    fixture_stop(&f);
}

static void what_no_storage_takes_is_refused(void **state)
{
    (void)state;
    struct store_fixture f;
    AUTO(dfs_free_ptr) char *text = dfs_zalloc(DFS_DESC_MAX + 1);
    assert_non_null(text);
    fixture_start(&f);
    assert_int_equal(s3_dfs_note(f.dfs, STR("group1"), str_of(text, DFS_DESC_MAX + 1)), -E2BIG);
    assert_int_equal(s3_dfs_note(f.dfs, STR("group1"), str_of(text, DFS_DESC_MAX)), 0);
    fixture_stop(&f);
}

static void a_storage_that_was_restarted_is_found_again(void **state)
{
    (void)state;
    struct store_fixture f;
    char id[160], out[5];
    fixture_start(&f);
    assert_int_equal(put_small(&f, STR("hello"), STR_NULL, id), 0);
    store_down(&f);
    store_up(&f);
    assert_int_equal(s3_dfs_note(f.dfs, STR("group1"), STR("n")), 0);
    assert_int_equal(s3_dfs_read(f.dfs, str_c(id), 0, out, 5, true), 0);
    assert_true(s3_dfs_reachable(f.dfs));
    fixture_stop(&f);
}

/* ---- large files ---- */

struct upload {
    struct outcome o;
    struct s3_upload_file *file;
    bool no_md5;
    uint8_t md5[16];
    int verdict; /* what describe() returns */
};

static void on_more(void *arg)
{
    struct upload *u = arg;
    pthread_mutex_lock(&u->o.lock);
    u->o.room++;
    pthread_cond_broadcast(&u->o.cond);
    pthread_mutex_unlock(&u->o.lock);
}

static int on_describe(void *arg, const uint8_t md5[16], struct buf *description)
{
    struct upload *u = arg;
    assert_true((md5 == NULL) == u->no_md5);
    if (md5)
        memcpy(u->md5, md5, 16);
    buf_adds(description, STR("large"));
    return u->verdict;
}

static void on_done(void *arg, int result, struct str file_id)
{
    char text[160] = "";
    memcpy(text, file_id.p ? file_id.p : "", file_id.n);
    note_done(&((struct upload *)arg)->o, result, text);
}

static void begin(struct store_fixture *f, struct upload *u, uint64_t size)
{
    const struct s3_upload_file_options o = {.groups = STR("group1"),
                                             .size = size,
                                             .ext = "bin",
                                             .no_md5 = u->no_md5,
                                             .more = on_more,
                                             .describe = on_describe,
                                             .done = on_done,
                                             .arg = u};
    assert_int_equal(s3_upload_file_new(f->dfs, &o, &u->file), 0);
}

/* Push all of @data as the HTTP thread does, waiting where it would suspend. */
static void push(struct upload *u, const char *data, size_t n)
{
    for (size_t at = 0; at < n;) {
        size_t piece = MIN(n - at, (size_t)16000);
        pthread_mutex_lock(&u->o.lock);
        unsigned room = u->o.room;
        pthread_mutex_unlock(&u->o.lock);
        if (!s3_upload_file_room(u->file, piece)) {
            pthread_mutex_lock(&u->o.lock);
            while (u->o.room == room)
                pthread_cond_wait(&u->o.cond, &u->o.lock);
            pthread_mutex_unlock(&u->o.lock);
            continue;
        }
        assert_int_equal(s3_upload_file_data(u->file, str_of(data + at, piece)), 0);
        s3_upload_file_settle(u->file);
        at += piece;
    }
}

static char *pattern(size_t n)
{
    char *p = dfs_alloc(n);
    assert_non_null(p);
    uint32_t x = 1;
    for (size_t i = 0; i < n; i++)
        p[i] = (char)((x = x * 1664525 + 1013904223) >> 24);
    return p;
}

static void store(struct store_fixture *f, struct upload *u, const char *data, size_t n)
{
    begin(f, u, n);
    push(u, data, n);
    s3_upload_file_finish(&u->file);
    await(&u->o, 1);
    assert_int_equal(u->o.result, 0);
}

static void a_large_object_streams_through_a_bounded_pool(void **state)
{
    (void)state;
    enum { N = 9 * 1000 * 1000 + 7 }; /* far more than the pool of sixteen pieces */
    struct store_fixture f;
    struct upload u = {.o = OUTCOME};
    AUTO(dfs_free_ptr) char *data = pattern(N);
    AUTO(dfs_free_ptr) char *back = dfs_alloc(N);
    uint8_t md5[16];
    fixture_start(&f);
    store(&f, &u, data, N);
    EVP_Digest(data, N, md5, NULL, EVP_md5(), NULL);
    assert_memory_equal(u.md5, md5, 16);
    assert_int_equal(s3_dfs_read(f.dfs, str_c(u.o.file_id), 0, back, N, true), 0);
    assert_memory_equal(back, data, N);

    int fd;
    uint64_t at;
    char some[100];
    assert_int_equal(s3_dfs_open(f.dfs, str_c(u.o.file_id), 5000, 100, true, &fd, &at), 0);
    assert_int_equal(pread(fd, some, 100, (off_t)at), 100);
    assert_memory_equal(some, data + 5000, 100);
    close(fd);
    assert_int_equal(s3_dfs_open(f.dfs, str_c(u.o.file_id), N - 1, 2, true, &fd, &at), -ERANGE);
    fixture_stop(&f);
}

static uint64_t suspected(struct s3_dfs *d)
{
    uint64_t damaged, missing;
    s3_dfs_suspected(d, &damaged, &missing);
    return damaged;
}

static int is_it(const void *bytes, void *arg)
{
    return memcmp(bytes, arg, 100) == 0 ? 0 : -EBADMSG;
}

/* It is a reader of the last piece who finds out, when it was the reader of all others; and who can tell by the bytes. */
static void a_large_object_that_has_rotted_is_told_from_one_that_has_not(void **state)
{
    (void)state;
    enum { N = 1 << 20, HALF = N / 2 };
    struct store_fixture f;
    struct upload u = {.o = OUTCOME};
    AUTO(dfs_free_ptr) char *data = pattern(N);
    AUTO(dfs_free_ptr) char *back = dfs_alloc(N);
    struct s3_dfs_run run = {0};
    int fd;
    uint64_t at;
    fixture_start(&f);
    store(&f, &u, data, N);
    struct str id = str_c(u.o.file_id);
    assert_int_equal(s3_dfs_read_on(f.dfs, &run, id, 0, back, HALF, true), 0);
    assert_int_equal(s3_dfs_read_on(f.dfs, &run, id, HALF, back, HALF, true), 0);
    assert_int_equal(s3_dfs_open(f.dfs, id, 0, N, true, &fd, &at), 0);
    char self[64];
    (void)snprintf(self, sizeof(self), "/proc/self/fd/%d", fd);
    int out = open(self, O_WRONLY | O_CLOEXEC);
    assert_true(out >= 0);
    data[5] ^= 1;
    assert_int_equal(pwrite(out, data, 100, 0), 100);
    assert_int_equal(s3_dfs_read_on(f.dfs, &run, id, HALF, back, HALF, true), 0); /* a part */
    assert_int_equal(s3_dfs_read_on(f.dfs, &run, id, 0, back, HALF, true), 0);
    assert_int_equal(suspected(f.dfs), 0);
    assert_int_equal(s3_dfs_read_on(f.dfs, &run, id, HALF, back, HALF, true), -EBADMSG);
    assert_int_equal(suspected(f.dfs), 1);
    data[5] ^= 1; /* there is no other server */
    assert_int_equal(s3_dfs_read_right(f.dfs, id, 0, back, 100, is_it, data), -EBADMSG);
    close(out);
    close(fd);
    fixture_stop(&f);
}

/* Without waiting a file is opened only when every byte that was asked for is in the page cache. */
static void a_file_with_a_hole_in_the_cache_is_not_opened_without_waiting(void **state)
{
    (void)state;
    enum { N = 4 << 20, HOLE = 1 << 20, BEHIND = 3 << 20 };
    struct store_fixture f;
    struct upload u = {.o = OUTCOME};
    AUTO(dfs_free_ptr) char *data = pattern(N);
    fixture_start(&f);
    store(&f, &u, data, N);
    struct str id = str_c(u.o.file_id);
    int fd;
    uint64_t at;
    assert_int_equal(s3_dfs_open(f.dfs, id, 0, N, true, &fd, &at), 0);
    close(fd);
    assert_int_equal(s3_dfs_open(f.dfs, id, 0, N, false, &fd, &at), 0);
    assert_int_equal(posix_fadvise(fd, HOLE, 1 << 20, POSIX_FADV_DONTNEED), 0);
    char byte;
    struct iovec v = {&byte, 1};
    bool gone = preadv2(fd, &v, 1, HOLE, RWF_NOWAIT) < 0; /* not on file systems in memory */
    int other = -1;
    int r = s3_dfs_open(f.dfs, id, 0, N, false, &other, &at);
    assert_int_equal(r, gone ? -EAGAIN : 0);
    if (other >= 0)
        close(other);
    assert_int_equal(s3_dfs_open(f.dfs, id, BEHIND, N - BEHIND, false, &other, &at), 0);
    close(other);
    assert_int_equal(pread(fd, data, N, 0), N);
    assert_int_equal(s3_dfs_open(f.dfs, id, 0, N, false, &other, &at), 0);
    close(other);
    close(fd);
    fixture_stop(&f);
}

static uint64_t files_in_log(struct store_fixture *f)
{
    AUTO(buf_free) struct buf frame = BUF(1 << 20);
    AUTO(arena_fini) struct arena a;
    arena_init(&a, 1 << 20);
    struct s3_scan_entry *e;
    struct s3_log *logs;
    uint64_t at = 0;
    size_t n;
    bool end;
    assert_int_equal(s3_dfs_logs(f->dfs, &a, &logs, &n), 0);
    assert_int_equal(n, 1);
    assert_int_equal(s3_dfs_scan(f->dfs, logs, &at, 100, true, &frame, &a, &e, &n, &end), 0);
    assert_true(end);
    uint64_t files = 0;
    for (size_t i = 0; i < n; i++)
        files += e[i].kind == DFS_SCAN_OBJECT;
    return files;
}

static void what_nobody_hashes_is_stored_all_the_same(void **state)
{
    (void)state;
    enum { N = 9 * 1000 * 1000 + 7 };
    struct store_fixture f;
    struct upload u = {.o = OUTCOME, .no_md5 = true}, dropped = u;
    AUTO(dfs_free_ptr) char *data = pattern(N);
    AUTO(dfs_free_ptr) char *back = dfs_alloc(N);
    fixture_start(&f);
    begin(&f, &dropped, N);
    push(&dropped, data, N / 2);
    s3_upload_file_abort(&dropped.file);
    store(&f, &u, data, N);
    assert_int_equal(s3_dfs_read(f.dfs, str_c(u.o.file_id), 0, back, N, true), 0);
    assert_memory_equal(back, data, N);
    fixture_stop(&f);
}

static void an_aborted_upload_leaves_nothing(void **state)
{
    (void)state;
    struct store_fixture f;
    struct upload u = {.o = OUTCOME};
    AUTO(dfs_free_ptr) char *data = pattern(1000000);
    fixture_start(&f);
    begin(&f, &u, 2000000);
    push(&u, data, 1000000);
    s3_upload_file_abort(&u.file);
    assert_null(u.file);
    assert_int_equal(s3_dfs_note(f.dfs, STR("group1"), STR("n")), 0);
    assert_int_equal(files_in_log(&f), 0);
    s3_dfs_free(&f.dfs); /* joins the hash threads: no piece may be out */
    assert_int_equal(u.o.done, 0);
    fixture_stop(&f);
}

static void a_description_that_refuses_leaves_nothing(void **state)
{
    (void)state;
    struct store_fixture f;
    struct upload u = {.o = OUTCOME, .verdict = -EBADMSG};
    AUTO(dfs_free_ptr) char *data = pattern(600000);
    fixture_start(&f);
    begin(&f, &u, 600000);
    push(&u, data, 600000);
    s3_upload_file_finish(&u.file);
    await(&u.o, 1);
    assert_int_equal(u.o.result, -EBADMSG);
    assert_int_equal(files_in_log(&f), 0);
    fixture_stop(&f);
}

static void an_upload_fails_when_the_storage_goes_away_in_the_middle(void **state)
{
    (void)state;
    enum { N = 9000000 }; /* more than an upload may hold back: its file is open by now */
    struct store_fixture f;
    struct upload u = {.o = OUTCOME};
    AUTO(dfs_free_ptr) char *data = pattern(N);
    fixture_start(&f);
    begin(&f, &u, N);
    push(&u, data, N);
    store_down(&f);
    store_up(&f);
    s3_upload_file_finish(&u.file); /* its token belonged to the storage's former life */
    await(&u.o, 1);
    assert_true(u.o.result < 0);
    assert_int_equal(files_in_log(&f), 0);
    fixture_stop(&f);
}

static void nothing_is_written_beyond_the_tenure(void **state)
{
    (void)state;
    struct store_fixture f;
    struct s3_tenure tenure = {.until_ms = UINT64_MAX};
    struct upload u = {.o = OUTCOME};
    char id[160], out[5];
    bool gone = false;
    fixture_start(&f);
    s3_dfs_free(&f.dfs);
    const struct s3_dfs_store s = {.group = STR("group1"), .socket = str_c(f.socket)};
    const struct s3_dfs_options o = {
        .stores = &s, .nstores = 1, .upload_buffers = 16, .open_files = 16, .tenure = &tenure};
    assert_int_equal(s3_dfs_new(&o, &f.dfs), 0);
    assert_int_equal(put_small(&f, STR("hello"), STR_NULL, id), 0);
    begin(&f, &u, 5);
    push(&u, "later", 5);
    atomic_store(&tenure.until_ms, s3_boot_ms()); /* it has run out, this moment */
    struct str ids[] = {str_c(id)};
    char none[160];
    assert_int_equal(put_small(&f, STR("hello"), STR_NULL, none), -ENOLCK);
    assert_int_equal(s3_dfs_note(f.dfs, STR("group1"), STR("n")), -ENOLCK);
    assert_int_equal(s3_dfs_delete(f.dfs, ids, 1, &gone), -ENOLCK);
    assert_false(gone);
    s3_upload_file_finish(&u.file);
    await(&u.o, 1);
    assert_int_equal(u.o.result, -ENOLCK);
    assert_int_equal(s3_dfs_read(f.dfs, str_c(id), 0, out, 5, true), 0);
    atomic_store(&tenure.until_ms, UINT64_MAX); /* the same connections go on */
    assert_int_equal(s3_dfs_note(f.dfs, STR("group1"), STR("n")), 0);
    fixture_stop(&f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_small_object_comes_back),
        cmocka_unit_test(many_puts_of_one_moment_all_get_their_own_file),
        cmocka_unit_test(a_deleted_file_is_never_read_as_something_else),
        cmocka_unit_test(an_unknown_group_stores_nothing),
        cmocka_unit_test(what_no_storage_takes_is_refused),
        cmocka_unit_test(nothing_is_written_beyond_the_tenure),
        cmocka_unit_test(a_storage_that_was_restarted_is_found_again),
        cmocka_unit_test(a_large_object_streams_through_a_bounded_pool),
        cmocka_unit_test(a_large_object_that_has_rotted_is_told_from_one_that_has_not),
        cmocka_unit_test(a_file_with_a_hole_in_the_cache_is_not_opened_without_waiting),
        cmocka_unit_test(what_nobody_hashes_is_stored_all_the_same),
        cmocka_unit_test(an_aborted_upload_leaves_nothing),
        cmocka_unit_test(a_description_that_refuses_leaves_nothing),
        cmocka_unit_test(an_upload_fails_when_the_storage_goes_away_in_the_middle),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
