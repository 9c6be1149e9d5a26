/* SPDX-License-Identifier: Apache-2.0 */
/* Errors that no client can provoke at will; all others: tests/integration/test_errors.py. */
#include "tests/lib/s3_fixture.h"

static void begin(struct fixture *f)
{
    setup(f);
    assert_int_equal(call(f, "alice", "PUT", "/mine", NULL, NULL), S3ERR_OK);
    have_object(f, "mine", "k", 1);
}

static void assert_error(enum s3err e, int status, const char *code)
{
    assert_int_equal(s3err_info(e)->status, status);
    assert_string_equal(s3err_info(e)->code, code);
}

static void replace_the_source(void *f)
{
    have_object(f, "mine", "k", 2);
}

static void a_rename_gives_up_on_a_source_that_keeps_changing(void **state)
{
    (void)state;
    AUTO(teardown) struct fixture f;
    begin(&f);
    fake_dfs.meanwhile = replace_the_source;
    fake_dfs.arg = &f;
    enum s3err e =
        call(&f, "alice", "PUT", "/mine/to?renameObject", "x-amz-rename-source: k", NULL);
    assert_error(e, 409, "OperationAborted");
    fake_dfs.meanwhile = NULL;
    assert_int_equal(call(&f, "alice", "HEAD", "/mine/to", NULL, NULL), S3ERR_NO_SUCH_KEY);
    assert_int_equal(call(&f, "alice", "HEAD", "/mine/k", NULL, NULL), S3ERR_OK);
}

static void an_object_of_ten_thousand_parts_takes_no_more(void **state)
{
    (void)state;
    enum { PARTS = 10000 };
    static struct s3_part parts[PARTS];
    AUTO(teardown) struct fixture f;
    begin(&f);
    for (unsigned i = 0; i < PARTS; i++)
        parts[i] = (struct s3_part){.number = i + 1};
    struct s3_bucket b;
    struct arena a;
    arena_init(&a, 1 << 20);
    assert_int_equal(s3_bucket_get(f.gw.index, STR("mine"), S3_READ_ANY, &a, &b), 0);
    struct put p = {.bid = b.bid, .key = STR("full")};
    p.o = (struct s3_object){.owner_id = b.owner_id, .parts = parts, .nparts = PARTS};
    assert_int_equal(s3_index_update(f.gw.index, put_in_index, &p), 0);
    arena_fini(&a);
    enum s3err e = call(&f, "alice", "PUT", "/mine/full", "x-amz-write-offset-bytes: 0", NULL);
    assert_error(e, 400, "TooManyParts");
}

static void what_the_storage_says_becomes_an_s3_error(void **state)
{
    (void)state;
    static const struct {
        int r;
        int status;
        const char *code;
    } rows[] = {{-ENOSPC, 507, "InsufficientStorage"},
                {-EDQUOT, 507, "InsufficientStorage"},
                {-EHOSTUNREACH, 503, "ServiceUnavailable"},
                {-EAGAIN, 503, "SlowDown"},
                {-EIO, 500, "InternalError"}};
    AUTO(teardown) struct fixture f;
    begin(&f);
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        fake_dfs.fail = rows[i].r;
        enum s3err e = call(&f, "alice", "PUT", "/mine/to", "x-amz-copy-source: /mine/k", NULL);
        assert_error(e, rows[i].status, rows[i].code);
    }
    fake_dfs.fail = 0;
    assert_int_equal(call(&f, "alice", "HEAD", "/mine/to", NULL, NULL), S3ERR_NO_SUCH_KEY);
}

/* A manifest that the index could hold, but no storage's description. */
static void an_object_of_too_many_pieces_is_refused(void **state)
{
    (void)state;
    enum { PIECES = 60000 };
    static struct s3_extent pieces[PIECES];
    static const char *const ids[] = {
        "group1/M00/00/00/a-file-id-as-long-as-those-of-plain-files-are-or-longer",
        "group1/M00/00/00/b-file-id-as-long-as-those-of-plain-files-are-or-longer"};
    AUTO(teardown) struct fixture f;
    begin(&f);
    for (unsigned i = 0; i < PIECES; i++)
        pieces[i] = (struct s3_extent){.file_id = str_c(ids[i % 2]), .offset = 2 * i, .length = 1};
    struct s3_bucket b;
    struct arena a;
    arena_init(&a, 1 << 20);
    assert_int_equal(s3_bucket_get(f.gw.index, STR("mine"), S3_READ_ANY, &a, &b), 0);
    struct put p = {.bid = b.bid, .key = STR("torn")};
    p.o = (struct s3_object){
        .owner_id = b.owner_id, .size = PIECES, .extents = pieces, .nextents = PIECES};
    assert_int_equal(s3_index_update(f.gw.index, put_in_index, &p), 0);
    arena_fini(&a);
    enum s3err e = call(&f, "alice", "PUT", "/mine/to", "x-amz-copy-source: /mine/torn", NULL);
    assert_error(e, 400, "InvalidRequest");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_rename_gives_up_on_a_source_that_keeps_changing),
        cmocka_unit_test(an_object_of_ten_thousand_parts_takes_no_more),
        cmocka_unit_test(what_the_storage_says_becomes_an_s3_error),
        cmocka_unit_test(an_object_of_too_many_pieces_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
