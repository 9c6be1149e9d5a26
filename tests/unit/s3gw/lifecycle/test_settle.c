/* SPDX-License-Identifier: Apache-2.0 */
/* Moves that a start finds described, on the memory index and a real storage engine: what did not come about is taken
 * back. */
#include "s3gw/lifecycle/settle.h"

#include <semaphore.h>

#include "dfscore/base/arena.h"
#include "s3gw/dfs/describe.h"
#include "s3gw/index/bucket.h"
#include "s3gw/index/object.h"
#include "s3gw/lifecycle/note.h"
#include "tests/lib/store_fixture.h"

enum { MANY = 500 }; /* files of one object, whose places do not stand in its first row */

struct world {
    struct store_fixture store;
    struct s3_gw gw;
    struct s3_bucket bucket;
    struct arena a;
    struct s3_extent extents[MANY];
    struct s3_object o; /* the object "k" */
    uint64_t number;    /* of the move */
    struct str moved;   /* the file it has made */
};

static int create_fn(struct s3_tx *tx, void *arg)
{
    struct world *w = arg;
    struct s3_bucket existing;
    return s3_bucket_create(tx, &w->bucket, &w->a, &existing);
}

static int put_fn(struct s3_tx *tx, void *arg)
{
    struct world *w = arg;
    w->o.seq = s3_tx_seq(tx);
    return s3_object_put(tx, w->bucket.bid, STR("k"), NULL, &w->o);
}

static int touch_fn(struct s3_tx *tx, void *arg)
{
    struct world *w = arg;
    return s3_object_touch(tx, w->bucket.bid, STR("k"), w->o.seq, w->number, &w->a, &w->o);
}

/* The object lies in so many files, of which no storage says anything. */
static void begin(struct world *w, unsigned files)
{
    memset(w, 0, sizeof(*w));
    arena_init(&w->a, 1 << 20);
    fixture_start(&w->store);
    assert_int_equal(s3_index_open_mem(&w->gw.index), 0);
    w->gw.dfs = w->store.dfs;
    w->gw.default_group = STR("group1");
    w->bucket = (struct s3_bucket){.name = STR("bucket"),
                                   .owner_id = STR("root"),
                                   .groups = STR("group1"),
                                   .bid = s3_index_number(w->gw.index)};
    assert_int_equal(s3_index_update(w->gw.index, create_fn, w), 0);
    for (unsigned i = 0; i < files; i++) {
        char id[64];
        (void)snprintf(id, sizeof(id), "group1/M00/00/00/the-old-file-%04u", i);
        w->extents[i] = (struct s3_extent){.file_id = arena_str(&w->a, str_c(id)), .length = 3};
    }
    w->o = (struct s3_object){.size = 3 * (uint64_t)files,
                              .owner_id = STR("root"),
                              .flags = S3_OBJ_NULL_VERSION,
                              .extents = w->extents,
                              .nextents = files};
    assert_int_equal(s3_index_update(w->gw.index, put_fn, w), 0);
}

static void end(struct world *w)
{
    s3_index_close(&w->gw.index);
    fixture_stop(&w->store);
    arena_fini(&w->a);
}

static void on_stored(struct s3_dfs_put *p, int result)
{
    assert_int_equal(result, 0);
    sem_post(p->arg);
}

/* As api/move.c: the number, then a file with what the object is beside it, or a note that it lies in a file that is
 * there. */
static void move_is_described(struct world *w, bool shares)
{
    AUTO(buf_free) struct buf d = BUF(1 << 20);
    struct s3_object o;
    w->number = s3_index_number(w->gw.index);
    assert_int_equal(s3_index_update(w->gw.index, touch_fn, w), 0);
    assert_int_equal(w->o.amended, w->number);
    o = w->o;
    if (shares) {
        struct s3_extent there = {.file_id = STR("group2/M00/00/00/shared"), .length = o.size};
        w->moved = there.file_id;
        o.extents = &there;
        o.nextents = 1;
        assert_int_equal(s3_note_put(&w->gw, w->number, &w->bucket, STR("k"), &o, 0), 0);
        return;
    }
    o.extents = NULL;
    o.nextents = 0;
    assert_int_equal(s3_note_describe_move(&w->gw, w->number, &w->bucket, STR("k"), &o,
                                           w->o.extents[0].file_id, &d),
                     0);
    sem_t stored;
    sem_init(&stored, 0, 0);
    struct s3_dfs_put p = {.groups = STR("group1"),
                           .description = buf_str(&d),
                           .data = STR("bytes"),
                           .done = on_stored,
                           .arg = &stored};
    s3_dfs_submit(w->store.dfs, &p);
    while (sem_wait(&stored) < 0)
        ;
    sem_destroy(&stored);
    w->moved = arena_str(&w->a, str_c(p.file_id));
}

/* One version, of so many files, and a move of it that has gone that far. */
static void begin_move(struct world *w, unsigned files, bool shares)
{
    begin(w, files);
    move_is_described(w, shares);
}

static int move_fn(struct s3_tx *tx, void *arg)
{
    struct world *w = arg;
    struct s3_extent to = {.file_id = w->moved, .length = w->o.size};
    struct s3_object o = w->o;
    o.extents = &to;
    o.nextents = 1;
    return s3_object_move(tx, w->bucket.bid, STR("k"), w->number, w->o.storage_class, &o);
}

static int delete_fn(struct s3_tx *tx, void *arg)
{
    struct world *w = arg;
    struct s3_deleted gone;
    const struct s3_version v = {.null = true};
    return s3_object_delete_version(tx, w->bucket.bid, STR("k"), &v, false, &gone);
}

/* What a rebuild would go by: the statement about "k" with the highest number. Views, arena. */
static struct s3_desc last_word(struct world *w, struct str *ret_file)
{
    struct s3_desc last = {.number = 0};
    struct buf *frame = arena_alloc(&w->a, sizeof(*frame));
    *frame = BUF(1 << 20);
    struct s3_log *logs;
    size_t n;
    assert_int_equal(s3_dfs_logs(w->gw.dfs, &w->a, &logs, &n), 0);
    assert_int_equal(n, 1);
    uint64_t position = 0;
    for (bool over = false; !over && position < logs[0].end;) {
        struct s3_scan_entry *e;
        size_t entries;
        frame->n = 0;
        assert_int_equal(s3_dfs_scan(w->gw.dfs, &logs[0], &position, 10, true, frame, &w->a, &e,
                                     &entries, &over),
                         0);
        for (size_t i = 0; i < entries; i++) {
            struct s3_desc d;
            struct str copy = arena_str(&w->a, e[i].description);
            if (s3_desc_decode(copy, &d) == 0 && d.number > last.number) {
                last = d;
                *ret_file = arena_str(&w->a, e[i].file_id);
            }
        }
    }
    buf_free(frame);
    return last;
}

static void expect_settled(struct world *w, uint64_t corrected)
{
    uint64_t n;
    assert_int_equal(s3_settle(&w->gw, &n), 0);
    assert_int_equal(n, corrected);
}

/* Killed between the description and the index, where it lies where it was. */
static void a_move_that_did_not_come_about_is_taken_back(void **state)
{
    (void)state;
    static const unsigned files[] = {1, 2, MANY};
    for (size_t i = 0; i < ARRAY_LEN(files); i++)
        for (int shares = 0; shares < 2; shares++) {
            static struct world w;
            struct str file = STR("");
            struct s3_desc_put p;
            struct s3_object o;
            begin_move(&w, files[i], shares);
            assert_int_equal(last_word(&w, &file).number, w.number);
            expect_settled(&w, 1);
            struct s3_desc d = last_word(&w, &file);
            assert_int_equal(d.kind, S3_DESC_PUT);
            assert_true(d.number > w.number);
            assert_int_equal(s3_desc_put_decode(&d, &p), 0);
            assert_int_equal(s3_object_decode(p.record, &w.a, &o), 0);
            assert_int_equal(o.nextents, files[i]);
            assert_true(str_eq(o.extents[0].file_id, w.extents[0].file_id));
            end(&w);
        }
}

static void one_that_came_about_is_left_as_it_is(void **state)
{
    (void)state;
    for (int shares = 0; shares < 2; shares++) {
        static struct world w;
        struct str file = STR("");
        begin_move(&w, 1, shares);
        assert_int_equal(s3_index_update(w.gw.index, move_fn, &w), 0);
        expect_settled(&w, 0);
        assert_int_equal(last_word(&w, &file).number, w.number);
        end(&w);
    }
}

/* By the gateway that is active now, and killed before it could say so. */
static void a_version_that_was_deleted_while_it_was_moved_does_not_come_back(void **state)
{
    (void)state;
    static struct world w;
    struct str file = STR("");
    begin_move(&w, 1, false);
    assert_int_equal(s3_index_update(w.gw.index, delete_fn, &w), 0);
    expect_settled(&w, 1);
    struct s3_desc d = last_word(&w, &file);
    assert_int_equal(d.kind, S3_DESC_VOID);
    assert_true(d.number > w.number);
    end(&w);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_move_that_did_not_come_about_is_taken_back),
        cmocka_unit_test(one_that_came_about_is_left_as_it_is),
        cmocka_unit_test(a_version_that_was_deleted_while_it_was_moved_does_not_come_back),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
