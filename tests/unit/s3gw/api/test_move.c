/* SPDX-License-Identifier: Apache-2.0 */
/* Versions that leave a drained group: what is written, what is described, what is left alone. */
#include "tests/lib/s3_fixture.h"

#include "dfscore/fileid/fileid.h"
#include "s3gw/api/move.h"
#include "s3gw/index/moved.h"
#include "s3gw/index/refs.h"

static const struct s3_class two_groups[] = {{STR_INIT("WARM"), STR_INIT("")},
                                             {STR_INIT("COLD"), STR_INIT("group3")}};

static void begin(struct fixture *f)
{
    setup(f);
    f->gw.classes = (struct s3_classes){two_groups, ARRAY_LEN(two_groups)};
    assert_int_equal(call(f, "alice", "PUT", "/mine", NULL, NULL), S3ERR_OK);
}

/* As have_object(), in one file whose name says its size. */
static void have_file(struct fixture *f, const char *key, uint64_t size, char id[128])
{
    struct s3_bucket b;
    struct arena a;
    static unsigned random;
    struct dfs_fileid_parts parts = {.size = size, .random23 = ++random, .created_s = 1700000000};
    dfs_tail7(STR("bin"), 1, parts.tail);
    int n = snprintf(id, 128, "group1/");
    n += (int)dfs_filename_build(&parts, id + n);
    id[n] = '\0';
    arena_init(&a, 1 << 20);
    assert_int_equal(s3_bucket_get(f->gw.index, STR("mine"), S3_READ_ANY, &a, &b), 0);
    struct put p = {.bid = b.bid, .key = str_c(key)};
    p.extent = (struct s3_extent){.file_id = str_c(id), .length = size};
    p.o = (struct s3_object){.size = size,
                             .mtime_ms = f->now_ms,
                             .owner_id = b.owner_id,
                             .extents = &p.extent,
                             .nextents = 1};
    pattern_md5(size, p.o.etag.md5);
    assert_int_equal(s3_index_update(f->gw.index, put_in_index, &p), 0);
    arena_fini(&a);
}

static void object_of(struct fixture *f, const char *key, struct arena *a, struct s3_object *ret)
{
    struct s3_bucket b;
    assert_int_equal(s3_bucket_get(f->gw.index, STR("mine"), S3_READ_ANY, a, &b), 0);
    assert_int_equal(s3_object_get(f->gw.index, b.bid, str_c(key), S3_READ_ANY, true, a, ret), 0);
}

static int leave(struct fixture *f, const char *key, uint64_t *bytes)
{
    struct s3_req q;
    struct s3_bucket b;
    struct s3_object o;
    struct arena a;
    arena_init(&a, 1 << 20);
    assert_int_equal(s3_bucket_get(f->gw.index, STR("mine"), S3_READ_ANY, &a, &b), 0);
    object_of(f, key, &a, &o);
    struct s3_move m = {.key = str_c(key),
                        .seq = o.seq,
                        .null_version = true,
                        .from = STR("group1"),
                        .to = STR("group2")};
    s3_move_request(&q, &f->gw, &b);
    int r = s3_move_version(&q, &m);
    s3_req_fini(&q);
    arena_fini(&a);
    if (bytes)
        *bytes = m.bytes;
    return r;
}

static void data_move_and_the_record_stays(void **state)
{
    (void)state;
    static const uint64_t sizes[] = {1, 1000, 262144, 262145, 3000000};
    for (size_t i = 0; i < ARRAY_LEN(sizes); i++) {
        struct fixture f;
        struct arena a;
        struct s3_object before, after;
        struct str now;
        char id[128];
        uint64_t bytes;
        begin(&f);
        arena_init(&a, 1 << 20);
        have_file(&f, "k", sizes[i], id);
        object_of(&f, "k", &a, &before);
        assert_int_equal(leave(&f, "k", &bytes), 0);
        assert_int_equal(bytes, sizes[i]);
        assert_int_equal(fake_dfs.files, 1);
        assert_int_equal(fake_dfs.file.kind, S3_DESC_MOVE);
        object_of(&f, "k", &a, &after);
        assert_string_equal(shown(after.extents[0].file_id), "group2/M00/00/00/new000001");
        assert_true(after.seq == before.seq && after.mtime_ms == before.mtime_ms &&
                    after.size == before.size && after.amended > before.amended);
        assert_memory_equal(after.etag.md5, before.etag.md5, 16);
        assert_int_equal(s3_moved_get(f.gw.index, str_c(id), &a, &now), 0);
        assert_true(str_eq(now, after.extents[0].file_id));
        assert_int_equal(s3_ref_used(f.gw.index, str_c(id)), 0);
        assert_int_equal(leave(&f, "k", NULL), -ESTALE); /* it is no longer there */
        assert_int_equal(fake_dfs.files, 1);
        arena_fini(&a);
        teardown(&f);
    }
}

static void copies_follow_without_data(void **state)
{
    (void)state;
    struct fixture f;
    struct arena a;
    struct s3_object k, c;
    char id[128];
    begin(&f);
    arena_init(&a, 1 << 20);
    have_file(&f, "k", 1000, id);
    assert_int_equal(call(&f, "alice", "PUT", "/mine/c", "x-amz-copy-source: /mine/k", NULL),
                     S3ERR_OK);
    assert_int_equal(leave(&f, "k", NULL), 0);
    size_t notes = fake_dfs.n;
    uint64_t bytes;
    assert_int_equal(leave(&f, "c", &bytes), 0);
    assert_int_equal(bytes, 0);
    assert_int_equal(fake_dfs.files, 1);
    assert_int_equal(fake_dfs.n, notes + 1);
    assert_int_equal(fake_dfs.notes[notes].kind, S3_DESC_PUT);
    object_of(&f, "k", &a, &k);
    object_of(&f, "c", &a, &c);
    assert_true(str_eq(k.extents[0].file_id, c.extents[0].file_id));
    arena_fini(&a);
    teardown(&f);
}

/* A part of a file is no file: nobody who knows the file's name could do with it. */
static void only_whole_files_are_remembered(void **state)
{
    (void)state;
    struct fixture f;
    struct arena a;
    struct str now;
    begin(&f);
    arena_init(&a, 1 << 20);
    have_object(&f, "mine", "k", 1000); /* its name says nothing */
    assert_int_equal(leave(&f, "k", NULL), 0);
    assert_int_equal(fake_dfs.file.kind, S3_DESC_PUT);
    assert_int_equal(s3_moved_any(f.gw.index), 0);
    assert_int_equal(s3_moved_get(f.gw.index, STR("group1/M00/00/00/file000001"), &a, &now),
                     -ENOENT);
    arena_fini(&a);
    teardown(&f);
}

static void what_cannot_move_stays_as_it_is(void **state)
{
    (void)state;
    struct fixture f;
    struct arena a;
    struct s3_object o;
    char id[128];
    begin(&f);
    arena_init(&a, 1 << 20);
    have_file(&f, "k", 1000, id);
    fake_dfs.read_fails = -EIO;
    assert_int_equal(leave(&f, "k", NULL), -EIO);
    fake_dfs.read_fails = 0;
    static const struct s3_class all_there[] = {{STR_INIT("WARM"), STR_INIT("group1")}};
    f.gw.classes = (struct s3_classes){all_there, 1};
    have_object(&f, "mine", "w", 10);
    assert_int_equal(call(&f, "alice", "PUT", "/mine/w",
                          "x-amz-copy-source: /mine/w\nx-amz-storage-class: WARM", NULL),
                     S3ERR_OK);
    assert_int_equal(leave(&f, "w", NULL), -EXDEV); /* its class lies in that group */
    object_of(&f, "k", &a, &o);
    assert_true(str_eq(o.extents[0].file_id, str_c(id)));
    arena_fini(&a);
    teardown(&f);
}

static void delete_k(void *arg)
{
    struct fixture *f = arg;
    struct fixture other = {.gw = f->gw, .now_ms = f->now_ms};
    assert_int_equal(call(&other, "alice", "DELETE", "/mine/k", NULL, NULL), S3ERR_OK);
    s3_req_fini(&other.q);
}

/* A rebuild takes the statement with the highest number for the last word. */
static void what_is_deleted_on_the_way_does_not_come_back(void **state)
{
    (void)state;
    static const uint64_t sizes[] = {1000, 3000000};
    for (size_t i = 0; i < ARRAY_LEN(sizes); i++) {
        struct fixture f;
        char id[128];
        begin(&f);
        have_file(&f, "k", sizes[i], id);
        fake_dfs.reading = delete_k;
        fake_dfs.arg = &f;
        assert_int_equal(leave(&f, "k", NULL), -ENOENT);
        assert_null(fake_dfs.reading);
        const struct fake_note *last = &fake_dfs.notes[fake_dfs.n - 1];
        assert_int_equal(last->kind, S3_DESC_GONE);
        assert_int_equal(fake_dfs.files, 1);
        assert_true(last->number > fake_dfs.file.number);
        teardown(&f);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(data_move_and_the_record_stays),
        cmocka_unit_test(copies_follow_without_data),
        cmocka_unit_test(only_whole_files_are_remembered),
        cmocka_unit_test(what_cannot_move_stays_as_it_is),
        cmocka_unit_test(what_is_deleted_on_the_way_does_not_come_back),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
