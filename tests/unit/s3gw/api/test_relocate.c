/* SPDX-License-Identifier: Apache-2.0 */
/* Copies whose class lies in another group: when data are written, and that they must be right. */
#include "tests/lib/s3_fixture.h"

#include "s3gw/api/commit.h"
#include "s3gw/api/relocate.h"
#include "s3gw/dfs/describe.h"

static const struct s3_class two_groups[] = {{STR_INIT("WARM"), STR_INIT("")},
                                             {STR_INIT("COLD"), STR_INIT("group2")}};

static void begin(struct fixture *f)
{
    setup(f);
    f->gw.classes = (struct s3_classes){two_groups, ARRAY_LEN(two_groups)};
    assert_int_equal(call(f, "alice", "PUT", "/mine", NULL, NULL), S3ERR_OK);
}

static void only_another_group_needs_it(void **state)
{
    (void)state;
    static const struct {
        const char *from, *to, *file;
        bool needed;
    } rows[] = {
        {NULL, "WARM", "group1/M00/x", false},
        {NULL, "COLD", "group1/M00/x", true},
        {"COLD", NULL, "group2/M00/x", true},
        {"COLD", "WARM", "group2/M00/x", true},
        {"COLD", "COLD", "group2/M00/x", false},
        {NULL, "COLD", "group2/M00/x", false}, /* is there already */
        {NULL, "COLD", "group22/M00/x", true},
        {"GLACIER", "COLD", "group1/M00/x", true},
        {NULL, NULL, "group9/M00/x",
         false}, /* copies between buckets of two groups stay by reference */
    };
    struct s3_gw gw = {.classes = {two_groups, ARRAY_LEN(two_groups)}};
    const struct s3_bucket b = {.groups = STR("group1")};
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        const struct s3_extent e = {.file_id = str_c(rows[i].file), .length = 1};
        if (s3_relocate_needed(&gw, str_c(rows[i].from), str_c(rows[i].to), &b, &e, 1) !=
            rows[i].needed)
            fail_msg("row %zu", i);
    }
}

static void a_copy_goes_where_its_class_lies(void **state)
{
    (void)state;
    static const uint64_t sizes[] = {1, 1000, 262144, 262145, 3000000};
    for (size_t i = 0; i < ARRAY_LEN(sizes); i++) {
        AUTO(teardown) struct fixture f;
        begin(&f);
        have_object(&f, "mine", "a", sizes[i]);
        assert_int_equal(call(&f, "alice", "PUT", "/mine/b",
                              "x-amz-copy-source: /mine/a\nx-amz-storage-class: WARM", NULL),
                         S3ERR_OK);
        assert_int_equal(fake_dfs.files, 0); /* a label: by reference */
        assert_int_equal(call(&f, "alice", "PUT", "/mine/c",
                              "x-amz-copy-source: /mine/b\nx-amz-storage-class: COLD", NULL),
                         S3ERR_OK);
        assert_int_equal(fake_dfs.files, 1);
        assert_int_equal(fake_dfs.file.kind, S3_DESC_PUT);
        assert_string_equal(fake_dfs.file.key, "c");
        assert_int_equal(call(&f, "alice", "HEAD", "/mine/c", NULL, NULL), S3ERR_OK);
        assert_string_equal(shown(answered(&f, "x-amz-storage-class")), "COLD");
        assert_string_equal(shown(answered(&f, "x-dfs-file-id")), "group2/M00/00/00/new000001");
        assert_int_equal(f.q.resp.body_length, sizes[i]);
        assert_int_equal(call(&f, "alice", "PUT", "/mine/d",
                              "x-amz-copy-source: /mine/c\nx-amz-storage-class: COLD", NULL),
                         S3ERR_OK);
        assert_int_equal(fake_dfs.files, 1); /* there already */
    }
}

static void empty_objects_have_nothing_to_move(void **state)
{
    (void)state;
    AUTO(teardown) struct fixture f;
    begin(&f);
    have_object(&f, "mine", "a", 0);
    assert_int_equal(call(&f, "alice", "PUT", "/mine/c",
                          "x-amz-copy-source: /mine/a\nx-amz-storage-class: COLD", NULL),
                     S3ERR_OK);
    assert_int_equal(fake_dfs.files, 0);
}

static void a_part_goes_where_its_uploads_class_lies(void **state)
{
    (void)state;
    AUTO(teardown) struct fixture f;
    begin(&f);
    have_object(&f, "mine", "a", 1000);
    assert_int_equal(
        call(&f, "alice", "POST", "/mine/m?uploads", "x-amz-storage-class: COLD", NULL), S3ERR_OK);
    char target[128];
    snprintf(target, sizeof(target), "/mine/m?partNumber=1&uploadId=" STR_F,
             STR_A(text_at(&f, "UploadId")));
    assert_int_equal(call(&f, "alice", "PUT", target,
                          "x-amz-copy-source: /mine/a\nx-amz-copy-source-range: bytes=0-99", NULL),
                     S3ERR_OK);
    assert_int_equal(fake_dfs.files, 1);
    assert_int_equal(fake_dfs.file.kind, S3_DESC_PART);
}

/* Bytes that are not what the record says are refused, and nothing is named. */
static void damaged_bytes_are_never_written(void **state)
{
    (void)state;
    static const uint64_t sizes[] = {1000, 300000};
    for (size_t i = 0; i < ARRAY_LEN(sizes); i++) {
        struct fixture f;
        struct arena a;
        begin(&f);
        arena_init(&a, 1 << 20);
        struct s3_extent e = {.file_id = STR("group1/M00/x"), .length = sizes[i]};
        struct s3_object o = {.size = sizes[i]};
        pattern_md5(sizes[i], o.etag.md5);
        o.etag.md5[3] ^= 1;
        struct s3_relocation m = {
            .groups = STR("group2"), .key = STR("k.txt"), .from = &e, .nfrom = 1, .expect = &o};
        fake_dfs.doubts = 0;
        assert_int_equal(s3_relocate(&f.gw, &a, &m), -EBADMSG);
        assert_int_equal(fake_dfs.files, 0);
        assert_int_equal(fake_dfs.doubts, 1);
        fake_dfs.read_fails = -EIO;
        assert_int_equal(s3_relocate(&f.gw, &a, &m), -EIO);
        arena_fini(&a);
        teardown(&f);
    }
}

static int described(void *arg, struct buf *out)
{
    (void)arg;
    const struct s3_bucket b = {.name = STR("mine"), .owner_id = STR("alice-id")};
    s3_desc_encode(
        &(struct s3_desc){.kind = S3_DESC_PUT, .number = 1, .bucket = b.name, .key = STR("k")},
        out);
    return buf_err(out);
}

/* The ETag of a multipart object is made of its parts' MD5s; they are found again in the bytes. */
static void multipart_objects_are_verified_part_by_part(void **state)
{
    (void)state;
    struct fixture f;
    struct arena a;
    begin(&f);
    arena_init(&a, 1 << 20);
    enum { PART = 200000, SIZE = 500001 };
    uint8_t *bytes = dfs_alloc(SIZE), md5s[3][16];
    for (size_t i = 0; i < SIZE; i++)
        bytes[i] = fake_dfs_byte(i);
    struct s3_part parts[3] = {{.number = 1, .size = PART},
                               {.number = 5, .size = PART},
                               {.number = 6, .size = SIZE - 2 * PART}};
    for (size_t i = 0; i < 3; i++)
        s3_md5(bytes + i * PART, (size_t)parts[i].size, md5s[i]);
    free(bytes);
    struct s3_object o = {.size = SIZE, .parts = parts, .nparts = 3, .etag = {.parts = 3}};
    s3_md5(md5s, sizeof(md5s), o.etag.md5);
    struct s3_extent e = {.file_id = STR("group1/M00/x"), .length = SIZE};
    struct s3_relocation m = {.groups = STR("group2"),
                              .key = STR("k"),
                              .from = &e,
                              .nfrom = 1,
                              .expect = &o,
                              .describe = described};
    assert_int_equal(s3_relocate(&f.gw, &a, &m), 0);
    assert_int_equal(m.to.length, SIZE);
    assert_int_equal(m.to.owner, 0);
    uint8_t grown[32]; /* the same parts, the last one appended to an upload of two */
    s3_md5(md5s, 32, grown);
    memcpy(grown + 16, md5s[2], 16);
    s3_md5(grown, 32, o.etag.md5);
    assert_int_equal(s3_relocate(&f.gw, &a, &m), 0);
    o.etag.md5[0] ^= 1;
    assert_int_equal(s3_relocate(&f.gw, &a, &m), -EBADMSG);
    o.etag.md5[0] ^= 1;
    parts[1].size--;
    parts[2].size++;
    assert_int_equal(s3_relocate(&f.gw, &a, &m), -EBADMSG);
    arena_fini(&a);
    teardown(&f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(only_another_group_needs_it),
        cmocka_unit_test(a_copy_goes_where_its_class_lies),
        cmocka_unit_test(empty_objects_have_nothing_to_move),
        cmocka_unit_test(a_part_goes_where_its_uploads_class_lies),
        cmocka_unit_test(damaged_bytes_are_never_written),
        cmocka_unit_test(multipart_objects_are_verified_part_by_part),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
