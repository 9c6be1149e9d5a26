/* SPDX-License-Identifier: Apache-2.0 */
/* Many writers at once: group commit shares syncs, readers of the log see each record once and whole. */
#include <pthread.h>
#include <semaphore.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "dfscore/log/log.h"
#include "storage/trunk/store_priv.h"
#include "tests/lib/test.h"

enum { WRITERS = 8, OPS = 150, SIZE = 5000 };

static _Atomic unsigned syncs;
static pthread_mutex_t gate = PTHREAD_MUTEX_INITIALIZER;

static int counting_sync(int fd)
{
    (void)fd;
    syncs++;
    return 0;
}

struct world {
    char *dir;
    struct sto_store *s;
    struct sto_io io;
};

struct writer {
    pthread_t thread;
    struct world *w;
    unsigned number;
    char names[OPS][STO_NAME_MAX + 1];
    bool live[OPS];
};

static int setup(void **state)
{
    struct world *w = calloc(1, sizeof(*w));
    assert_non_null(w);
    w->dir = test_tmpdir();
    w->io = sto_io_os;
    w->io.fdatasync = counting_sync;
    struct sto_path_options path = {.dir = w->dir};
    struct sto_store_options o = {.group = "group1",
                                  .storage_id = "100001",
                                  .paths = &path,
                                  .path_count = 1,
                                  .segment_size = 1024 * 1024,
                                  .io = &w->io};
    assert_int_equal(sto_store_open(&o, &w->s, NULL), 0);
    *state = w;
    return 0;
}

static int teardown(void **state)
{
    struct world *w = *state;
    sto_store_close(&w->s);
    test_tmpdir_free(&w->dir);
    free(w);
    return 0;
}

static void store_one(struct writer *me, unsigned i)
{
    char data[SIZE], desc[24];
    memset(data, (int)('a' + me->number), sizeof(data));
    (void)snprintf(desc, sizeof(desc), "%u-%u", me->number, i);
    if (i % 5 == 0) {
        struct sto_file *f = NULL;
        ASSERT(sto_file_open(me->w->s, 0, SIZE, 0, &f) == 0);
        ASSERT(write(sto_file_fd(f), data, SIZE) == SIZE);
        struct sto_commit c = {
            .size = SIZE, .crc32 = sto_crc32(0, data, SIZE), .desc = str_c(desc)};
        ASSERT(sto_file_commit(&f, &c, me->names[i]) == 0);
    } else {
        struct sto_put p = {
            .kind = DFS_PUT_OBJECT, .desc = str_c(desc), .data = str_of(data, SIZE)};
        ASSERT(sto_put_batch(me->w->s, 0, &p, 1) == 0 && p.result == 0);
        memcpy(me->names[i], p.name, sizeof(p.name));
    }
    me->live[i] = true;
}

static void *write_and_delete(void *arg)
{
    struct writer *me = arg;
    for (unsigned i = 0; i < OPS; i++) {
        store_one(me, i);
        if (i % 2) {
            struct str names[2] = {str_c(me->names[i]), str_c(me->names[i / 2])};
            int results[2];
            ASSERT(sto_delete_batch(me->w->s, names, 2, results) == 0);
            ASSERT(results[0] == 0 && (results[1] == 0 || results[1] == -ENOENT));
            me->live[i] = me->live[i / 2] = false;
        }
    }
    return NULL;
}

struct reader {
    pthread_t thread;
    struct world *w;
    _Atomic bool stop;
    uint64_t last, entries;
};

static int read_entry(const struct sto_entry *e, void *arg)
{
    struct reader *r = arg;
    ASSERT(e->position >= r->last);
    r->last = e->next;
    r->entries++;
    return 0;
}

/* Follows the log as a replicator does. */
static void *follow(void *arg)
{
    struct reader *r = arg;
    struct sto_scan s = {0};
    bool stop = false;
    while (!stop || !s.at_end) {
        stop = r->stop;
        ASSERT(sto_scan(r->w->s, 0, s.next, 0, 100, read_entry, r, &s) == 0);
    }
    return NULL;
}

static void writers_deleters_and_a_follower(void **state)
{
    struct world *w = *state;
    struct writer *writers = calloc(WRITERS, sizeof(*writers));
    struct reader reader = {.w = w};
    syncs = 0;
    assert_int_equal(pthread_create(&reader.thread, NULL, follow, &reader), 0);
    for (unsigned i = 0; i < WRITERS; i++) {
        writers[i].w = w;
        writers[i].number = i;
        assert_int_equal(pthread_create(&writers[i].thread, NULL, write_and_delete, &writers[i]),
                         0);
    }
    for (unsigned i = 0; i < WRITERS; i++)
        pthread_join(writers[i].thread, NULL);
    reader.stop = true;
    pthread_join(reader.thread, NULL);
    assert_true(reader.entries > 0);
    for (unsigned i = 0; i < WRITERS; i++)
        for (unsigned j = 0; j < OPS; j++)
            assert_int_equal(sto_verify(w->s, str_c(writers[i].names[j])),
                             writers[i].live[j] ? 0 : -ENOENT);
    free(writers);
}

/* ---- group commit ---- */

static _Atomic unsigned in_sync;
static sem_t syncing, noted;

/* The first sync takes as long as it takes the others to queue up behind it. */
static int slow_sync(int fd)
{
    (void)fd;
    syncs++;
    if (in_sync++ == 0) {
        sem_post(&syncing);
        pthread_mutex_lock(&gate);
        pthread_mutex_unlock(&gate);
    }
    return 0;
}

struct noter {
    struct sto_batch batch;
    struct sto_put put;
};

static void note_done(struct sto_batch *b)
{
    ASSERT(b->puts->result == 0);
    sem_post(&noted);
}

static void what_queues_during_a_sync_shares_the_next(void **state)
{
    struct world *w = *state;
    struct sto_put warm = {.kind = DFS_PUT_NOTE, .desc = STR("warm")};
    assert_int_equal(sto_put_batch(w->s, 0, &warm, 1), 0);
    sto_log_maint_stop(&w->s->paths[0].log); /* its syncs are not to be counted */
    w->io.fdatasync = slow_sync;
    in_sync = 0;
    syncs = 0;
    enum { NOTES = 100 };
    static struct noter notes[NOTES];
    sem_init(&syncing, 0, 0);
    sem_init(&noted, 0, 0);
    pthread_mutex_lock(&gate); /* holds the first sync */
    for (unsigned i = 0; i < NOTES; i++) {
        notes[i].put = (struct sto_put){.kind = DFS_PUT_NOTE, .desc = STR("n")};
        notes[i].batch = (struct sto_batch){.puts = &notes[i].put, .count = 1, .done = note_done};
        assert_int_equal(sto_put_submit(w->s, 0, &notes[i].batch), 0);
        if (i == 0)
            sem_wait(&syncing);
    }
    pthread_mutex_unlock(&gate);
    for (unsigned i = 0; i < NOTES; i++)
        sem_wait(&noted);
    assert_int_equal(syncs, 2);
    w->io.fdatasync = counting_sync;
}

int main(void)
{
    dfs_log_threshold = LOG_ERROR + 1;
    test_in_memory();
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(writers_deleters_and_a_follower, setup, teardown),
        cmocka_unit_test_setup_teardown(what_queues_during_a_sync_shares_the_next, setup, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
